"""Blobs on each kind of registry: pushed from every source, pulled in exact chunks, sized, mounted, deleted."""

import hashlib
import io
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

import pytest
from requests.exceptions import HTTPError

from dxf import DXF, hash_bytes
from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFHTTPError, DXFInvalidNameError, DXFMountFailed,
                            DXFSourceError)

from ..helpers.endpoints import Endpoint
from ..helpers.tables import on_folder_and_server, paired
from ..helpers.traffic import Traffic

CONTENT = b'The quick brown fox jumps over the lazy dog.'
MISSING = hash_bytes(b'what no test ever stores')
EMPTY = hash_bytes(b'')

Sources = Callable[[bytes], AbstractContextManager[Any]]

one_server = pytest.mark.parametrize('endpoint', ['open', 'oci'], indirect=True)
"""For what is refused before any request, and for what is not about the ways in: one server, and a folder."""


@pytest.fixture(name='client')
def open_client(endpoint: Endpoint, repo: str) -> Iterator[DXF]:
    """A client of a repository that nobody has used yet."""
    with endpoint.dxf(repo) as client:
        yield client


@pytest.fixture(name='path')
def write_path(tmp_path: Path) -> str:
    """The path of a file that holds ``CONTENT``."""
    path = tmp_path / 'fox'
    path.write_bytes(CONTENT)
    return str(path)


def pulled(client: DXF, digest: str) -> bytes:
    """Return a whole blob."""
    return b''.join(client.pull_blob(digest))


def with_credential(client: DXF, traffic: Traffic) -> None:
    """Let the client find out what it needs for a read, so that what follows is not about that."""
    with pytest.raises(HTTPError):
        client.blob_size(MISSING)
    traffic.clear()


def pipe_of(content: bytes) -> IO[bytes]:
    """Return the end of a pipe at which ``content`` arrives."""
    reader, writer = os.pipe()
    with open(writer, 'wb') as end:
        end.write(content)
    return open(reader, 'rb')


# Pushing

def test_a_file_is_pushed_and_pulled(client: DXF, path: str) -> None:
    digest = client.push_blob(path)
    assert digest == hash_bytes(CONTENT)
    assert pulled(client, digest) == CONTENT
    assert client.blob_size(digest) == len(CONTENT)


def test_an_empty_file_is_a_blob_too(client: DXF, tmp_path: Path, traffic: Traffic) -> None:
    path = tmp_path / 'empty'
    path.touch()
    assert client.push_blob(str(path)) == EMPTY
    put = traffic.requests[-1]
    assert (put.method, put.headers['Content-Length'], put.headers.get('Transfer-Encoding')) == ('PUT', '0', None)
    assert client.blob_size(EMPTY) == 0
    assert pulled(client, EMPTY) == b''


def test_a_file_that_is_missing_is_told_before_anything_is_sent(client: DXF, tmp_path: Path,
                                                                traffic: Traffic) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        client.push_blob(str(tmp_path / 'missing'))
    assert raised.value.filename == str(tmp_path / 'missing')
    assert traffic.lines() == []


DATA: list[Any] = [
    pytest.param(nullcontext, id='bytes'),
    pytest.param(lambda content: nullcontext(bytearray(content)), id='bytearray'),
    pytest.param(lambda content: nullcontext(memoryview(content)), id='memoryview'),
    pytest.param(lambda content: nullcontext(memoryview(content).cast('I')), id='memoryview-of-4-byte-items'),
    pytest.param(io.BytesIO, id='file-object'),
    pytest.param(pipe_of, id='pipe'),
    pytest.param(lambda content: nullcontext(iter([content[:7], content[7:]])), id='iterator'),
    pytest.param(lambda content: nullcontext([content[:7], b'', content[7:]]), id='list-with-an-empty-piece'),
    pytest.param(lambda content: nullcontext(bytearray([byte]) for byte in content), id='generator-of-bytearrays'),
]


@on_folder_and_server('source, told', [
    pytest.param(*source.values, told, id=f'{source.id}-digest-{"told" if told else "unknown"}')
    for source in DATA for told in (False, True)])
def test_data_is_pushed_from(client: DXF, source: Sources, told: bool) -> None:
    expected = hash_bytes(CONTENT)
    with source(CONTENT) as data:
        assert client.push_blob(data=data, digest=expected if told else None) == expected
    assert pulled(client, expected) == CONTENT


@one_server
@pytest.mark.parametrize('source', DATA)
def test_no_data_is_pushed_from(client: DXF, source: Sources) -> None:
    with source(b'') as data:
        assert client.push_blob(data=data) == EMPTY
    assert pulled(client, EMPTY) == b''


@one_server
@pytest.mark.parametrize('position, expected', [
    (0, CONTENT),
    (4, CONTENT[4:]),
    (len(CONTENT) - 1, CONTENT[-1:]),
])
def test_an_open_file_is_read_from_where_it_stands_and_stays_open(client: DXF, path: str, position: int,
                                                                  expected: bytes) -> None:
    with open(path, 'rb') as file:
        for data in (file, io.BytesIO(CONTENT)):
            data.seek(position)
            assert client.push_blob(data=data, check_exists=False) == hash_bytes(expected)
            assert not data.closed
    assert pulled(client, hash_bytes(expected)) == expected


@one_server
@pytest.mark.parametrize('make', [
    pytest.param(lambda: io.StringIO('text'), id='text-file'),
    pytest.param(lambda: None, id='nothing'),
    pytest.param(lambda: 7, id='number'),
])
def test_what_is_no_bytes_is_refused_before_anything_is_sent(client: DXF, traffic: Traffic,
                                                             make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        client.push_blob(data=make())
    assert traffic.lines() == []


@pytest.mark.parametrize('text', ['', 'readings\n', 'größe \U0001f321'])
def test_a_str_is_stored_as_utf_8(client: DXF, text: str) -> None:
    calls: list[tuple[str, bytes]] = []
    digest = client.push_blob(data=text, progress=lambda digest, chunk: calls.append((digest, chunk)))
    assert digest == hash_bytes(text.encode())
    assert pulled(client, digest) == text.encode()
    assert b''.join(chunk for _, chunk in calls) == text.encode()


def test_a_str_that_utf_8_cannot_encode_is_refused_before_anything_is_sent(client: DXF, traffic: Traffic) -> None:
    with pytest.raises(DXFSourceError, match='^data: the character at 6 has no UTF-8 encoding$'):
        client.push_blob(data='s3cr3t\ud800')
    assert traffic.lines() == []


@pytest.mark.parametrize('pieces', [
    pytest.param(['text'], id='of-text'),
    pytest.param([3, 4], id='of-numbers'),  # bytes(3) would be three zero bytes
])
def test_an_iterable_of_something_else_is_refused_and_nothing_is_left(client: DXF, endpoint: Endpoint, repo: str,
                                                                      pieces: Any) -> None:
    with pytest.raises(TypeError):
        client.push_blob(data=pieces)
    assert not endpoint.uploads(repo)


def test_a_filename_wins_over_data(client: DXF, path: str) -> None:
    assert client.push_blob(path, data=b'something else') == hash_bytes(CONTENT)


@on_folder_and_server('source', reversed(DATA))  # so that all tests together push from each to each server
def test_data_with_another_digest_is_refused_and_nothing_is_stored(client: DXF, endpoint: Endpoint, repo: str,
                                                                   source: Sources) -> None:
    with source(CONTENT) as data, pytest.raises(DXFDigestMismatchError) as raised:
        client.push_blob(data=data, digest=MISSING)
    assert (raised.value.got, raised.value.expected) == (hash_bytes(CONTENT), MISSING)
    assert str(raised.value).startswith('expected digest sha256:')
    for digest in (hash_bytes(CONTENT), MISSING):
        with pytest.raises(HTTPError):
            client.blob_size(digest)
    assert not endpoint.uploads(repo)


def test_data_at_hand_with_another_digest_is_refused_before_anything_is_sent(client: DXF, traffic: Traffic) -> None:
    with pytest.raises(DXFDigestMismatchError):
        client.push_blob(data=CONTENT, digest=MISSING)
    assert traffic.lines() == []


@one_server
@pytest.mark.parametrize('size, ranges, last', [
    (3, [], 3),  # less than a part goes in one request
    (4, [], 4),  # and so does exactly one
    (5, ['0-3'], 1),
    (8, ['0-3'], 4),  # the last part is never empty: ECR answers 500 to an empty one
    (9, ['0-3', '4-7'], 1),
])
def test_a_stream_of_unknown_length_is_sent_in_parts(client: DXF, traffic: Traffic, size: int, ranges: list[str],
                                                     last: int) -> None:
    client.options = client.options.replace(limits=client.options.limits._replace(small_part=4))
    content = CONTENT[:size]
    assert client.push_blob(data=iter([content])) == hash_bytes(content)
    parts = [request for request in traffic.requests if request.method == 'PATCH']
    assert [part.headers['Content-Range'] for part in parts] == ranges
    assert {part.headers['Content-Length'] for part in parts} <= {'4'}
    assert {part.headers['Content-Type'] for part in parts} <= {'application/octet-stream'}
    assert traffic.requests[-1].method == 'PUT'
    assert traffic.requests[-1].headers['Content-Length'] == str(last)
    assert pulled(client, hash_bytes(content)) == content


def test_the_parts_do_not_depend_on_the_pieces(client: DXF) -> None:
    client.options = client.options.replace(limits=client.options.limits._replace(small_part=10))
    pieces = (CONTENT[start:start + 3] for start in range(0, len(CONTENT), 3))
    assert client.push_blob(data=pieces) == hash_bytes(CONTENT)
    assert pulled(client, hash_bytes(CONTENT)) == CONTENT


@pytest.mark.parametrize('of', ['file', 'bytes', 'open file', 'generator with its digest'])
def test_what_the_registry_has_is_not_sent_again(client: DXF, repo: str, path: str, traffic: Traffic, of: str) -> None:
    digest = client.push_blob(path)
    traffic.clear()
    if of == 'file':
        client.push_blob(path)
    elif of == 'bytes':
        client.push_blob(data=CONTENT)
    elif of == 'open file':
        client.push_blob(data=io.BytesIO(CONTENT))
    else:
        pieces = iter([CONTENT])
        assert client.push_blob(data=pieces, digest=digest) == digest
        assert next(pieces) == CONTENT  # nobody touched it
    assert traffic.lines() == [f'HEAD /v2/{repo}/blobs/{digest} 200']


def test_what_the_registry_has_is_sent_again_on_demand(client: DXF, repo: str, path: str, traffic: Traffic) -> None:
    digest = client.push_blob(path)
    traffic.clear()
    assert client.push_blob(path, check_exists=False) == digest
    assert client.push_blob(data=iter([CONTENT]), digest=digest, check_exists=False) == digest
    assert [request.method for request in traffic.requests] == ['POST', 'PUT', 'HEAD'] * 2
    assert {request.path for request in traffic.requests[::3]} == {f'/v2/{repo}/blobs/uploads/'}


def test_a_blob_of_another_repository_is_not_taken_for_one_of_this(client: DXF, endpoint: Endpoint, repo: str,
                                                                   path: str) -> None:
    with endpoint.dxf(f'{repo}/other') as other:
        other.push_blob(path)
    client.push_blob(path)
    assert pulled(client, hash_bytes(CONTENT)) == CONTENT


def test_the_digest_of_a_push_is_checked_before_anything_is_sent(client: DXF, traffic: Traffic) -> None:
    with pytest.raises(DXFInvalidNameError):
        client.push_blob(data=CONTENT, digest='sha256:../..')
    assert traffic.lines() == []


def test_a_push_that_is_interrupted_leaves_no_upload(client: DXF, endpoint: Endpoint, repo: str) -> None:
    def interrupted() -> Iterator[bytes]:
        yield CONTENT
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        client.push_blob(data=interrupted())
    assert not endpoint.uploads(repo)


# Progress

class Calls(list[tuple[Any, ...]]):
    """A ``progress`` that remembers how it was called."""

    def __call__(self, *arguments: Any) -> None:
        self.append(arguments)


def test_progress_of_a_file_starts_empty_and_tells_the_size(client: DXF, monkeypatch: pytest.MonkeyPatch,
                                                            path: str) -> None:
    monkeypatch.setattr('dxf.transfer.source.READ_SIZE', 20)
    calls = Calls()
    digest = client.push_blob(path, calls)
    size = len(CONTENT)
    assert calls == [(digest, b'', size), (digest, CONTENT[:20], size), (digest, CONTENT[20:40], size),
                     (digest, CONTENT[40:], size)]


def test_progress_of_an_empty_file_is_its_start(client: DXF, tmp_path: Path) -> None:
    path = tmp_path / 'empty'
    path.touch()
    calls = Calls()
    client.push_blob(str(path), calls)
    assert calls == [(EMPTY, b'', 0)]


@one_server
@pytest.mark.parametrize('source', DATA)
def test_progress_of_data_has_no_size(client: DXF, source: Sources) -> None:
    calls = Calls()
    digest = hash_bytes(CONTENT)
    with source(CONTENT) as data:
        client.push_blob(data=data, digest=digest, progress=calls)
    assert {call[0] for call in calls} == {digest}
    assert {len(call) for call in calls} == {2}
    assert b''.join(call[1] for call in calls) == CONTENT
    assert all(call[1] for call in calls)


def test_progress_of_a_stream_in_parts_tells_every_byte_once(client: DXF) -> None:
    client.options = client.options.replace(limits=client.options.limits._replace(small_part=5))
    calls = Calls()
    client.push_blob(progress=calls, data=(bytes([byte]) for byte in CONTENT))
    assert b''.join(call[1] for call in calls) == CONTENT


def test_progress_is_not_called_for_what_the_registry_has(client: DXF, path: str) -> None:
    digest = client.push_blob(path)
    calls = Calls()
    client.push_blob(path, calls)
    client.push_blob(data=CONTENT, progress=calls)
    client.push_blob(data=iter([CONTENT]), digest=digest, progress=calls)
    assert not calls


# Pulling

@one_server
@pytest.mark.parametrize('size, chunk_size, lengths', [
    (20_000, None, [8192, 8192, 3616]),
    (16_384, None, [8192, 8192]),
    (10, 3, [3, 3, 3, 1]),
    (9, 3, [3, 3, 3]),
    (2, 3, [2]),
    (3, 3, [3]),
    (4, 1, [1, 1, 1, 1]),
    (3_000_000, 1_000_000, [1_000_000] * 3),
    (0, None, []),
])
def test_every_chunk_but_the_last_is_as_large_as_asked(client: DXF, size: int, chunk_size: int | None,
                                                       lengths: list[int]) -> None:
    content = os.urandom(size)
    digest = client.push_blob(data=content)
    chunks = list(client.pull_blob(digest, chunk_size=chunk_size))
    assert [len(chunk) for chunk in chunks] == lengths
    assert b''.join(chunks) == content
    assert {type(chunk) for chunk in chunks} <= {bytes}


def test_the_size_comes_with_the_chunks_on_demand(client: DXF) -> None:
    digest = client.push_blob(data=CONTENT)
    chunks, size = client.pull_blob(digest, True, 20)
    assert size == len(CONTENT)
    assert next(chunks) == CONTENT[:20]
    assert b''.join(chunks) == CONTENT[20:]
    with pytest.raises(StopIteration):
        next(chunks)
    assert client.pull_blob(client.push_blob(data=b''), size=True)[1] == 0


def test_a_blob_is_asked_for_at_the_call(client: DXF, repo: str, traffic: Traffic) -> None:
    digest = client.push_blob(data=CONTENT)
    traffic.clear()
    chunks = client.pull_blob(digest)
    assert traffic.lines() == [f'GET /v2/{repo}/blobs/{digest} 200']
    assert b''.join(chunks) == CONTENT
    assert len(traffic.requests) == 1


def test_a_missing_blob_is_told_at_the_call(client: DXF) -> None:
    with pytest.raises(HTTPError) as raised:
        client.pull_blob(MISSING)
    assert isinstance(raised.value, DXFError)
    assert raised.value.response.status_code == 404
    assert raised.value.response.json()['errors'][0]['code'] == 'BLOB_UNKNOWN'
    assert 'BLOB_UNKNOWN' in str(raised.value)


def test_pulls_use_one_connection_one_after_the_other(client: DXF, traffic: Traffic) -> None:
    digest = client.push_blob(data=os.urandom(100_000))
    traffic.clear()
    for _ in range(3):
        assert len(pulled(client, digest)) == 100_000
    assert traffic.connections == []


def test_pulls_may_run_side_by_side(client: DXF) -> None:
    contents = [os.urandom(50_000) for _ in range(3)]
    digests = [client.push_blob(data=content) for content in contents]
    streams = [client.pull_blob(digest) for digest in digests]
    assert [b''.join(stream) for stream in reversed(streams)] == contents[::-1]


def test_pieces_as_they_arrive_are_the_blob(client: DXF) -> None:
    content = os.urandom(3_000_000)
    chunks = list(client.pull_blob(client.push_blob(data=content), chunk_size=0))
    assert b''.join(chunks) == content
    assert all(0 < len(chunk) <= 1 << 20 for chunk in chunks)


@pytest.mark.parametrize('chunk_size', [-1, -8192])
def test_a_chunk_has_no_negative_size(client: DXF, traffic: Traffic, chunk_size: int) -> None:
    with pytest.raises(ValueError):
        client.pull_blob(MISSING, chunk_size=chunk_size)
    assert traffic.lines() == []


class Liar:
    """A hash that always comes to the same; it has no more than the two methods that dxf may use."""

    def update(self, data: bytes) -> None:
        """Take some bytes."""

    def hexdigest(self) -> str:
        """Return the hash of something else."""
        return '0' * 64


def test_another_content_than_asked_for_is_an_error(client: DXF, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = client.push_blob(data=CONTENT)
    chunks = client.pull_blob(digest)
    monkeypatch.setattr(hashlib, 'sha256', Liar)  # looked up when the iteration starts, not at the call
    with pytest.raises(DXFDigestMismatchError) as raised:
        list(chunks)
    assert raised.value.got == 'sha256:' + '0' * 64
    assert raised.value.expected == digest
    assert str(raised.value) == f'expected digest {digest}, got sha256:{"0" * 64}'


@one_server
@pytest.mark.parametrize('size, before', [
    (40, 3),  # the fourth chunk is whole, and still the last
    (41, 4),
    (10, 0),
    (1, 0),
    (0, 0),
])
def test_the_last_chunk_is_held_back_until_the_digest_is_right(client: DXF, monkeypatch: pytest.MonkeyPatch,
                                                               size: int, before: int) -> None:
    chunks = client.pull_blob(client.push_blob(data=CONTENT[:size]), chunk_size=10)
    monkeypatch.setattr(hashlib, 'sha256', Liar)
    got = []
    with pytest.raises(DXFDigestMismatchError):
        for chunk in chunks:
            got.append(chunk)
    assert b''.join(got) == CONTENT[:10 * before]


def test_the_client_goes_on_after_a_pull_that_failed_or_was_left(client: DXF, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(3_000_000)
    digest = client.push_blob(data=content)
    with monkeypatch.context() as patched:
        patched.setattr(hashlib, 'sha256', Liar)
        with pytest.raises(DXFDigestMismatchError):
            list(client.pull_blob(digest))
    left: Any = client.pull_blob(digest)
    assert len(next(left)) == 8192
    left.close()
    assert pulled(client, digest) == content


def test_a_stream_that_is_pulled_can_be_pushed(client: DXF, endpoint: Endpoint, repo: str) -> None:
    digest = client.push_blob(data=CONTENT)
    with endpoint.dxf(f'{repo}/copy') as copy:
        assert copy.push_blob(data=client.pull_blob(digest), digest=digest) == digest
        assert pulled(copy, digest) == CONTENT


def test_threads_may_each_use_a_client(endpoint: Endpoint, repo: str) -> None:
    results: list[bytes] = []

    def work(number: int) -> None:
        with endpoint.dxf(repo) as client:
            results.append(pulled(client, client.push_blob(data=b'%d' % number)))
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [b'0', b'1', b'2', b'3']


# Sizes and deletion

@pytest.mark.parametrize('ask', [DXF.blob_size, DXF.pull_blob, DXF.del_blob])
def test_an_error_carries_the_answer(client: DXF, ask: Callable[[DXF, str], Any]) -> None:
    with pytest.raises(HTTPError) as raised:
        ask(client, MISSING)
    assert isinstance(raised.value, DXFHTTPError)
    response = raised.value.response
    assert response is not None
    assert response.status_code == 404
    assert response.url.endswith(MISSING)
    assert response.headers['Docker-Distribution-Api-Version'] == 'registry/2.0'


@one_server
@pytest.mark.parametrize(('digest', 'ask'), paired({repr(digest): digest for digest in (
    '', 'sha256:', 'md5:0', 'a' * 64, 'sha256:../' + 'a' * 61, f'{MISSING}\n', '@alias')}, {
        'blob_size': DXF.blob_size, 'pull_blob': DXF.pull_blob, 'del_blob': DXF.del_blob}))
def test_what_is_no_digest_is_refused_before_anything_is_sent(client: DXF, traffic: Traffic, digest: str,
                                                              ask: Callable[[DXF, str], Any]) -> None:
    with pytest.raises(DXFError):
        ask(client, digest)
    assert traffic.lines() == []


def test_a_blob_is_deleted(client: DXF) -> None:
    digest, other = client.push_blob(data=CONTENT), client.push_blob(data=b'other')
    client.del_blob(digest)
    with pytest.raises(HTTPError):
        client.blob_size(digest)
    with pytest.raises(HTTPError):
        client.del_blob(digest)
    assert pulled(client, other) == b'other'


def test_a_deleted_blob_can_be_pushed_again(client: DXF) -> None:
    digest = client.push_blob(data=CONTENT)
    client.del_blob(digest)
    assert client.push_blob(data=CONTENT) == digest
    assert pulled(client, digest) == CONTENT


# Mounting

def test_a_blob_is_mounted_without_moving_its_bytes(client: DXF, endpoint: Endpoint, repo: str,
                                                    traffic: Traffic) -> None:
    digest = client.push_blob(data=CONTENT)
    with endpoint.dxf(f'{repo}/mounted') as mounted:
        with_credential(mounted, traffic)
        assert mounted.mount_blob(repo, digest) == digest
        sent = traffic.requests[-1]
        assert (sent.method, sent.status, sent.headers['Content-Length']) == ('POST', 201, '0')
        assert {request.method for request in traffic.requests} <= {'POST', 'GET'}  # GET: a token for both
        assert pulled(mounted, digest) == CONTENT
    assert not endpoint.uploads(f'{repo}/mounted')


def test_a_client_that_has_pushed_can_mount_too(client: DXF, endpoint: Endpoint, repo: str) -> None:
    digest = client.push_blob(data=CONTENT)
    with endpoint.dxf(f'{repo}/mounted') as mounted:
        mounted.push_blob(data=b'own')  # so that its token is for its own repository alone
        assert mounted.mount_blob(repo, digest) == digest


def test_what_cannot_be_mounted_is_an_error_and_leaves_no_upload(client: DXF, endpoint: Endpoint, repo: str,
                                                                 traffic: Traffic) -> None:
    with pytest.raises(DXFMountFailed):
        client.mount_blob(f'{repo}/nobody', MISSING)
    opened = [request for request in traffic.requests if request.method == 'POST'][-1]
    assert opened.status == 202
    cancelled = traffic.requests[-1]
    assert (cancelled.method, cancelled.url) == ('DELETE', opened.response_headers['Location'])
    assert not endpoint.uploads(repo)


@one_server
@pytest.mark.parametrize('source, digest', [
    ('', MISSING),
    ('Fred', MISSING),
    ('fred/../other', MISSING),
    ('fred?x=y', MISSING),
    ('fred', 'sha256:0'),
])
def test_names_of_a_mount_are_checked_before_anything_is_sent(client: DXF, endpoint: Endpoint, traffic: Traffic,
                                                              source: str,
                                                              digest: str) -> None:
    if endpoint.is_folder and not source:  # the name of the folder itself
        return
    with pytest.raises(DXFInvalidNameError):
        client.mount_blob(source, digest)
    assert traffic.lines() == []


def test_a_file_that_only_its_owner_could_read_stays_so(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    """From the first byte on: also the file beside it, in which the content arrives."""
    client = folder.dxf(repo)
    target = tmp_path / 'target' / 'secret'
    target.parent.mkdir()
    target.write_bytes(b'old')
    target.chmod(0o400)
    modes: set[int] = set()

    def look(*_: Any) -> None:
        modes.update(stat.S_IMODE(path.stat().st_mode) for path in target.parent.iterdir())
    client.pull_to_file(str(target), client.push_blob(data=CONTENT), progress=look)
    assert target.read_bytes() == CONTENT and stat.S_IMODE(target.stat().st_mode) == 0o400
    assert modes == {0o400, 0o600}
