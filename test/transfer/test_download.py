"""The stream of a download: how it is cut, and what it holds back until it is known to be right."""

import io
import time
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import Response

from dxf import Limits, hash_bytes
from dxf.exceptions import DXFDigestMismatchError, DXFSizeMismatchError
from dxf.limits import READ_SIZE
from dxf.transfer.download import CHUNK_SIZE, Download
from dxf.transfer.verification import Verifier
from dxf.transport.response_body import declared_size

CONTENT = b'0123456789'


class TooBad(Exception):
    """What a stream raises at its end."""


def failing(pieces: list[bytes]) -> Iterator[bytes]:
    """Yield pieces, and raise at the end."""
    yield from pieces
    raise TooBad


def verified(pieces: Iterable[bytes], chunk_size: int) -> Iterator[bytes]:
    """Hand out a stream of the digest that its pieces have."""
    known = pieces if isinstance(pieces, list) else []
    return Verifier(hash_bytes(b''.join(known)), None, chunk_size).chunks(pieces)


def got_from(stream: Iterator[bytes], error: type[Exception]) -> list[bytes]:
    """Return what a stream yields before it raises."""
    got = []
    with pytest.raises(error):
        for chunk in stream:
            got.append(chunk)
    return got


@pytest.mark.parametrize('pieces, chunk_size, chunks', [
    ([], 4, []),
    ([b''], 4, []),
    ([b'', b''], 1, []),
    ([b'0'], 4, [b'0']),
    ([b'0123'], 4, [b'0123']),  # whole, and the last
    ([b'01234'], 4, [b'0123', b'4']),
    ([b'01234567'], 4, [b'0123', b'4567']),
    ([CONTENT], 4, [b'0123', b'4567', b'89']),
    ([CONTENT], 1, [b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9']),
    ([CONTENT], 100, [CONTENT]),  # larger than the stream
    ([b'0', b'1', b'2', b'3', b'4'], 2, [b'01', b'23', b'4']),  # pieces smaller than a chunk
    ([b'012', b'', b'3', b'456'], 3, [b'012', b'345', b'6']),  # an empty piece is no end
    ([b'0123', b'4567'], 4, [b'0123', b'4567']),  # pieces that are chunks
    ([b'01234567', b'8'], 4, [b'0123', b'4567', b'8']),  # what was the last is not any more
])
def test_a_stream_is_cut_into_chunks(pieces: list[bytes], chunk_size: int, chunks: list[bytes]) -> None:
    assert list(verified(pieces, chunk_size)) == chunks
    assert got_from(verified(failing(pieces), chunk_size), TooBad) == chunks[:-1]


@given(pieces=st.lists(st.binary(max_size=20), max_size=20), chunk_size=st.integers(1, 30))
def test_chunks_are_exact_and_the_last_waits_for_the_end(pieces: list[bytes], chunk_size: int) -> None:
    content = b''.join(pieces)
    chunks = list(verified(pieces, chunk_size))
    assert b''.join(chunks) == content
    assert all(len(chunk) == chunk_size for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= chunk_size for chunk in chunks[-1:])
    assert got_from(verified(failing(pieces), chunk_size), TooBad) == chunks[:-1]


def test_a_chunk_is_given_as_soon_as_a_byte_after_it_is_known() -> None:
    taken = []

    def pieces() -> Iterator[bytes]:
        for piece in (b'01', b'23', b'4', b'5'):
            taken.append(piece)
            yield piece
    chunks = Verifier(hash_bytes(b'012345'), None, 4).chunks(pieces())
    assert next(chunks) == b'0123'
    assert taken == [b'01', b'23', b'4']


@pytest.mark.parametrize('chunk_size', [1, 7, 8192, 1 << 20, 1 << 30])
def test_cutting_takes_time_that_grows_with_the_stream_and_no_faster(chunk_size: int) -> None:
    piece = bytes(1024) if chunk_size > 7 else bytes(100)
    pieces = [piece] * 16_000
    start = time.process_time()
    assert sum(map(len, verified(pieces, chunk_size))) == 16_000 * len(piece)
    assert time.process_time() - start < 30  # quadratic it takes a minute and more


def test_nothing_is_read_before_the_first_chunk_is_asked_for() -> None:
    verified(failing([]), 4)


def answer(body: bytes, **headers: str) -> Response:
    """Return an answer as it comes from the adapter: its body is not read yet."""
    response = Response()
    response.status_code = 200
    response.headers.update({name.replace('_', '-'): value for name, value in headers.items()})
    response.raw = io.BytesIO(body)
    return response


def never(start: int, _end: int | None) -> Response:
    """Stand for a registry that is not asked a second time."""
    raise AssertionError(f'asked for the blob from byte {start}')


def chunks_of(response: Response, chunk_size: int = 4) -> Iterator[bytes]:
    """Download ``CONTENT`` in one attempt; its size is what the answer declares."""
    size = declared_size(response)
    download = Download(size, never, Limits(retries=0), response)
    return Verifier(hash_bytes(CONTENT), size, chunk_size).chunks_of(download.pieces)


@pytest.mark.parametrize('value, size', [
    ('0', 0),
    ('12', 12),
    ('012', 12),
    ('9' * 19, int('9' * 19)),
    ('9' * 20, None),  # no blob is so large
    ('', None),
    ('-1', None),
    ('+1', None),
    ('1.5', None),
    ('1e3', None),
    ('0x10', None),
    ('1_000', None),
    ('12, 12', None),
    ('١٢', None),  # digits, but not ours
    ('²', None),
    ('many', None),
])
def test_the_size_is_what_the_header_declares(value: str, size: int | None) -> None:
    assert declared_size(answer(b'', Content_Length=value)) == size


def test_the_size_is_unknown_where_no_header_declares_it() -> None:
    assert declared_size(answer(b'')) is None


@pytest.mark.parametrize('size', [
    '10',
    None,  # sent in HTTP's chunks: nothing declares it
    'ten',
])
def test_a_right_blob_is_given_whole(size: str | None) -> None:
    response = answer(CONTENT) if size is None else answer(CONTENT, Content_Length=size)
    assert list(chunks_of(response)) == [b'0123', b'4567', b'89']


@pytest.mark.parametrize('body, size, error', [
    (b'0123456788', '10', DXFDigestMismatchError),  # one byte is another
    (CONTENT[:-1], '10', DXFSizeMismatchError),  # it ends early, and requests does not mind
    (CONTENT + b'x', '10', DXFSizeMismatchError),
    (CONTENT, '11', DXFSizeMismatchError),  # the digest is right, the header is not
    (CONTENT[:-1], None, DXFDigestMismatchError),
    (CONTENT + b'x', None, DXFDigestMismatchError),
    (b'', '10', DXFSizeMismatchError),
    (b'', '0', DXFDigestMismatchError),
])
def test_a_wrong_blob_ends_in_an_error_before_its_last_chunk(body: bytes, size: str | None,
                                                             error: type[Exception]) -> None:
    response = answer(body) if size is None else answer(body, Content_Length=size)
    got = got_from(chunks_of(response), error)
    assert len(b''.join(got)) < len(CONTENT)
    assert body.startswith(b''.join(got))


def test_what_is_more_than_declared_is_not_read_to_its_end() -> None:
    endless = answer(b'', Content_Length='10')
    reads = []

    class Endless(io.RawIOBase):
        """Never ends."""

        def read1(self, size: int) -> bytes:
            """Return a thousand bytes."""
            reads.append(size)
            return bytes(1000)
    endless.raw = Endless()
    assert not got_from(chunks_of(endless), DXFSizeMismatchError)
    assert len(reads) == 1


def test_the_answer_is_closed_whatever_happens() -> None:
    complete, wrong, left = answer(CONTENT), answer(b'wrong'), answer(CONTENT)
    list(chunks_of(complete))
    got_from(chunks_of(wrong), DXFDigestMismatchError)
    chunks = chunks_of(left)
    next(chunks)
    del chunks
    assert [response.raw.closed for response in (complete, wrong, left)] == [True, True, True]


def test_chunks_have_8_kibibytes_by_default() -> None:
    assert CHUNK_SIZE == 8192


def test_a_body_that_is_longer_than_the_blob_is_not_read_to_its_end() -> None:
    response = answer(CONTENT * (1 << 20))
    arrived = sum(map(len, Download(len(CONTENT), never, Limits(retries=0), response).pieces()))
    assert len(CONTENT) < arrived <= READ_SIZE  # one piece, by which its reader sees that it is too long


def test_a_download_needs_nothing_of_its_reader_to_know_how_far_it_has_come() -> None:
    asked: list[int] = []

    def rest(start: int, _end: int | None) -> Response:
        asked.append(start)
        return answer(CONTENT, Content_Range=f'bytes {start}-9/10')  # with status 200: from its beginning
    limits = Limits(retries=3, backoff=0)
    assert b''.join(list(Download(len(CONTENT), rest, limits, answer(CONTENT[:4])).pieces())) == CONTENT
    assert asked == [4]
