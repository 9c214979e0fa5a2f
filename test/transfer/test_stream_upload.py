"""Streams on their way: sources of unknown length, in parts that are cut from whatever pieces they come in.

What registries refuse is the subject of test_upload_ways, how uploads break that of test_upload_faults.
"""

from collections.abc import Iterator

import pytest

from dxf import hash_bytes
from dxf.exceptions import DXFDigestMismatchError, DXFSourceError
from dxf.transfer.source import open_source

from ..helpers.changing_files import CONTENT, DIGEST
from ..helpers.in_memory_registry import NOWHERE, InMemoryRegistry, ended

OTHER = hash_bytes(b'')


def cut(content: bytes, size: int) -> Iterator[bytes]:
    """Yield a content in pieces."""
    return (content[start:start + size] for start in range(0, len(content), size))


@pytest.mark.parametrize('size, parts', [
    (0, [b'']),
    (3, [b'012']),
    (4, [b'0123']),
    (5, [b'0123', b'4']),
    (8, [b'0123', b'4567']),
    (10, [b'0123', b'4567', b'89']),
])
@pytest.mark.parametrize('told', [False, True])
@pytest.mark.parametrize('piece', [1, 3, 4, 10])
def test_parts_follow_the_locations_that_the_registry_gives(size: int, parts: list[bytes], told: bool, piece: int
                                                            ) -> None:
    registry = InMemoryRegistry()
    content = CONTENT[:size]
    digest = hash_bytes(content)
    pieces = open_source(None, cut(content, piece))
    assert registry.stream_upload(pieces, small_part=4).send(digest if told else None) == (digest, size)
    urls = [NOWHERE + 'a?state=0' + (str(number) if number else '') for number in range(len(parts))]
    urls[-1] = ended(urls[-1], digest)
    methods = ['patch'] * (len(parts) - 1) + ['put']
    assert registry.sent == list(zip(methods, urls, parts, strict=True))
    assert [headers['Content-Range'] for headers in registry.headers[:-1]] == ['0-3', '4-7'][:len(parts) - 1]
    assert {headers['Content-Type'] for headers in registry.headers} == {'application/octet-stream'}
    assert registry.opened == 1
    assert not registry.cancelled


@pytest.mark.parametrize('told', [False, True])
@pytest.mark.parametrize('size', [0, 3, 10])
def test_every_byte_of_a_stream_is_told_of_once(size: int, told: bool) -> None:
    calls: list[tuple[str, bytes]] = []
    content = CONTENT[:size]
    upload = InMemoryRegistry().stream_upload(open_source(None, [content]), lambda *call: calls.append(call),
                                              small_part=4)
    upload.send(hash_bytes(content) if told else None)
    assert b''.join(piece for _, piece in calls) == content
    known = {hash_bytes(content)} if told or size <= 4 else {''}  # what is all at hand is hashed before it is sent
    assert {digest for digest, _ in calls} == known


def test_no_part_is_read_before_the_one_before_it_was_sent() -> None:
    read: list[int] = []

    def pieces() -> Iterator[bytes]:
        for piece in cut(CONTENT, 1):
            read.append(len(registry.sent))
            yield piece
    registry = InMemoryRegistry()
    registry.stream_upload(open_source(None, pieces()), small_part=4).send(None)
    assert read == [0] * 5 + [1] * 4 + [2]  # a part goes when it is known not to be the last


def test_a_stream_with_another_digest_is_not_closed_but_cancelled() -> None:
    registry = InMemoryRegistry()
    with pytest.raises(DXFDigestMismatchError) as raised:
        registry.stream_upload(open_source(None, iter([CONTENT])), small_part=4).send(OTHER)
    assert (raised.value.got, raised.value.expected) == (DIGEST, OTHER)
    assert [method for method, _, _ in registry.sent] == ['patch', 'patch']
    assert registry.cancelled == [registry.location + '2']


def test_a_short_stream_with_another_digest_opens_no_session() -> None:
    registry = InMemoryRegistry()
    with pytest.raises(DXFDigestMismatchError) as raised:
        registry.stream_upload(open_source(None, iter([CONTENT]))).send(OTHER)
    assert (raised.value.got, raised.value.expected) == (DIGEST, OTHER)
    assert not registry.opened and not registry.sent and not registry.cancelled


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError, DXFSourceError])
def test_an_upload_whose_source_fails_is_cancelled_where_it_has_come_to(error: type[BaseException]) -> None:
    def pieces() -> Iterator[bytes]:
        yield CONTENT
        raise error
    registry = InMemoryRegistry()
    with pytest.raises(error):
        registry.stream_upload(open_source(None, pieces()), small_part=4).send(None)
    assert [data for _, _, data in registry.sent] == [b'0123', b'4567']
    assert registry.cancelled == [registry.location + '2']


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError, DXFSourceError])
def test_a_source_that_fails_within_its_first_part_opens_no_session(error: type[BaseException]) -> None:
    def pieces() -> Iterator[bytes]:
        yield CONTENT
        raise error
    registry = InMemoryRegistry()
    with pytest.raises(error):
        registry.stream_upload(open_source(None, pieces())).send(None)
    assert not registry.opened and not registry.sent and not registry.cancelled


@pytest.mark.parametrize('shortest, sent', [
    ('4', [('patch', b'0123'), ('patch', b'4567'), ('put', b'89')]),
    ('5', [('patch', b'01234'), ('put', b'56789')]),
    ('10', [('put', CONTENT)]),
    ('99', [('put', CONTENT)]),  # more than is kept in memory: a copy, which needs no parts
])
def test_no_part_is_shorter_than_the_registry_wants_it(shortest: str, sent: list[tuple[str, bytes]]) -> None:
    registry = InMemoryRegistry(shortest=shortest)
    upload = registry.stream_upload(open_source(None, [CONTENT]), small_part=4)
    assert upload.send(None) == (DIGEST, 10)
    assert [(method, data) for method, _, data in registry.sent] == sent


def test_a_copy_goes_where_the_registry_takes_no_parts() -> None:
    registry = InMemoryRegistry()
    registry.refused['patch'] = 405
    upload = registry.stream_upload(open_source(None, cut(CONTENT, 3)), small_part=4)
    assert upload.send(None) == (DIGEST, 10)
    assert [(method, data) for method, _, data in registry.sent] == [('patch', b'0123'), ('put', CONTENT)]
    assert registry.cancelled == [registry.location]
    assert registry.opened == 2
