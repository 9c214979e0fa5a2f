"""Downloads that break: what is asked for again, and that a failure never passes for a whole blob."""

import gzip
import os
import random
import socket
import threading
import time
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import RequestException, Timeout

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFHTTPError, DXFProtocolError, DXFSizeMismatchError,
                            DXFUnauthorizedError, DXFUnexpectedStatusCodeError)
from dxf.main import doit

from ..servers.scripted_registry import LOST, RESET, SILENCE, Answer, Request, ScriptedRegistry, error

REPO = 'fred/datalogger'
SIZE = 200_000
HALF = SIZE // 2
BLOB = random.Random(7).randbytes(SIZE)
DIGEST = hash_bytes(BLOB)
PATH = f'/v2/{REPO}/blobs/{DIGEST}'
WRONG_END = BLOB[:-1] + bytes([BLOB[-1] ^ 1])
WRONG_START = bytes([BLOB[0] ^ 1]) + BLOB[1:]
CUT = Answer(200, {}, BLOB[:HALF], declared=SIZE)
GZIPPED = gzip.compress(BLOB, 1)
FAULT_NAMES = ('cut', 'cut at the end', 'reset', 'stall', 'drip', 'close-delimited', 'wrong', 'more', 'gzip cut', 'br',
               'lost')


def rest(start: int = HALF, content_range: str | None = f'bytes {HALF}-{SIZE - 1}/{SIZE}', **changes: Any) -> Answer:
    """Return a 206 with the blob from ``start`` on, and with the Content-Range that is given."""
    headers = {} if content_range is None else {'Content-Range': content_range}
    return Answer(206, headers, **{'body': BLOB[start:], **changes})


def encoded(body: bytes, encoding: str = 'gzip', **changes: Any) -> Answer:
    """Return a blob whose body was encoded on the way."""
    return Answer(200, {'Content-Encoding': encoding}, body, **changes)


def pull(server: ScriptedRegistry, digest: str = DIGEST, chunk_size: int = 1000, retries: int = 2,
         stall_bytes: int = 16 << 10) -> tuple[bytes, Exception | None]:
    """Return the bytes that pulling a blob yields, and the error that ends them, if one does."""
    patience = 2 if server.drips else 60  # a busy machine is no slow server
    limits = Limits(retries=retries, backoff=0.01, stall_seconds=patience, stall_bytes=stall_bytes)
    got = b''
    idle = 1 if server.stalls else 60  # a busy machine is no silent server
    with DXF(server.host, REPO, insecure=True, timeout=(60, idle), limits=limits) as client:
        try:
            for chunk in client.pull_blob(digest, chunk_size=chunk_size):
                got += chunk
        except (DXFError, OSError) as problem:
            return got, problem
    return got, None


def serving(answers: Sequence[Answer], blob: bytes = BLOB) -> ScriptedRegistry:
    """Return a registry that has a blob, and gives these answers first to those who want it."""
    server = ScriptedRegistry()
    server.script('GET', f'/v2/{REPO}/blobs/{server.memory.put(REPO, blob)}', answers)
    return server


def starts(server: ScriptedRegistry) -> list[str | None]:
    """Return the Range header of each GET."""
    return [request.headers.get('Range') for request in server.of('GET')]


def assert_outcome(got: bytes, problem: Exception | None, outcome: type[Exception] | None) -> None:
    """Insist that the blob came whole, or else that less of it came than there is, and this error."""
    if outcome is None:
        assert problem is None
        assert hash_bytes(got) == DIGEST
    else:
        assert isinstance(problem, outcome)
        assert len(got) < SIZE
        assert BLOB.startswith(got)


@pytest.mark.parametrize('answers, ranges, outcome', [
    ([], [], None),
    ([CUT], [HALF], None),  # truncated, with a Content-Length
    ([CUT, rest(body=BLOB[HALF:150_000], declared=HALF)], [HALF, 150_000], None),  # and again
    ([Answer(200, {}, b'', declared=SIZE)], [0], None),  # not one byte
    ([Answer(200, {}, BLOB, stall=HALF)], [HALF], None),
    ([LOST, CUT, RESET], [None, HALF, HALF], None),  # without an answer the request is repeated, not the transfer
    ([CUT, SILENCE], [HALF, HALF], None),
    ([CUT, error(503, 'UNAVAILABLE')], [HALF, HALF], None),
    ([CUT, rest(content_range=f'bytes {HALF}-{SIZE - 1}/*')], [HALF], None),  # a length that is not told is legal
    ([CUT, rest(content_range=None)], [HALF], DXFProtocolError),
    ([CUT, rest(content_range='')], [HALF], DXFProtocolError),
    ([CUT, rest(content_range=f'bytes {HALF + 1}-{SIZE - 1}/{SIZE}')], [HALF], DXFProtocolError),
    ([CUT, rest(content_range=f'bytes 0-{SIZE - 1}/{SIZE}')], [HALF], DXFProtocolError),
    ([CUT, rest(content_range=f'bytes {HALF}-{SIZE - 2}/{SIZE}')], [HALF], DXFProtocolError),  # less
    ([CUT, rest(content_range=f'bytes {HALF}-{SIZE}/{SIZE + 1}')], [HALF], DXFProtocolError),  # of a larger blob
    ([CUT, rest(content_range=f'bytes {HALF}-{SIZE - 1}/{SIZE + 1}')], [HALF], DXFProtocolError),
    ([CUT, rest(content_range=f'items {HALF}-{SIZE - 1}/{SIZE}')], [HALF], DXFProtocolError),
    ([CUT, rest(body=WRONG_END[HALF:])], [HALF], DXFDigestMismatchError),
    ([CUT, rest(body=BLOB[HALF:] + b'more')], [HALF], DXFSizeMismatchError),
    ([CUT, Answer(200, {}, BLOB)], [HALF], None),  # ranges ignored: the beginning is skipped
    ([CUT, Answer(200, {}, WRONG_START)], [HALF], DXFDigestMismatchError),
    ([CUT, Answer(200, {}, WRONG_END)], [HALF], DXFDigestMismatchError),
    ([CUT, Answer(200, {}, BLOB[:1000], declared=SIZE)], [HALF, HALF], None),  # broken before the known was skipped
    ([CUT, Answer(200, {}, BLOB + b'more')], [HALF], DXFSizeMismatchError),
    ([CUT, Answer(200, {'Docker-Content-Digest': hash_bytes(b'')}, BLOB)], [HALF], DXFDigestMismatchError),
    ([CUT, encoded(BLOB)], [HALF], DXFProtocolError),
    ([CUT, Answer(206, {'Content-Encoding': 'gzip', 'Content-Range': f'bytes {HALF}-{SIZE - 1}/{SIZE}'},
                  BLOB[HALF:])], [HALF], DXFProtocolError),
    ([CUT, error(416, 'RANGE_INVALID')], [HALF, None], None),  # no such ranges: anew, and the beginning is skipped
    ([CUT, error(416, 'RANGE_INVALID'), Answer(200, {}, BLOB[:-9], declared=SIZE)], [HALF, None, None], None),
    ([CUT, error(416, 'RANGE_INVALID'), Answer(200, {}, WRONG_START)], [HALF, None], DXFDigestMismatchError),
    ([CUT, error(416, 'RANGE_INVALID'), Answer(200, {}, BLOB[:-1])], [HALF, None], DXFSizeMismatchError),
    ([CUT, error(416, 'RANGE_INVALID'), error(416, 'RANGE_INVALID')], [HALF, None], DXFHTTPError),
    ([CUT, error(404, 'BLOB_UNKNOWN')], [HALF], DXFHTTPError),
    ([CUT, error(401, 'UNAUTHORIZED')], [HALF], DXFUnauthorizedError),
    ([CUT, Answer(202)], [HALF], DXFUnexpectedStatusCodeError),
    ([CUT, *[rest(body=b'', declared=HALF)] * 2], [HALF, HALF], RequestException),  # attempts exhausted
    ([Answer(200, {}, WRONG_END)], [], DXFDigestMismatchError),  # unbroken: another GET would not help
    ([Answer(200, {}, BLOB[:HALF])], [], DXFDigestMismatchError),
    ([rest(0, f'bytes 0-{SIZE - 1}/{SIZE}')], [], DXFUnexpectedStatusCodeError),  # not asked for
    ([Answer(200, {'Docker-Content-Digest': hash_bytes(b'')}, BLOB)], [], DXFDigestMismatchError),
    ([Answer(200, {'Docker-Content-Digest': 'sha512:' + 128 * '0'}, BLOB)], [], None),  # says nothing to us
    ([error(404, 'BLOB_UNKNOWN')], [], DXFHTTPError),
])
def test_a_download_asks_for_what_it_lacks_and_fails_with_less_than_the_blob(
        answers: list[Answer], ranges: list[int | None], outcome: type[Exception] | None) -> None:
    with serving(answers) as server:
        got, problem = pull(server)
    assert starts(server) == [None, *(None if start is None else f'bytes={start}-{SIZE - 1}' for start in ranges)]
    assert server.lines() == [f'GET {PATH}'] * (1 + len(ranges))
    assert_outcome(got, problem, outcome)


@pytest.mark.parametrize('answers, methods, outcome', [
    ([Answer(200, {}, [BLOB])], 'GET HEAD', None),  # chunked: without a Content-Length HEAD tells the size
    ([Answer(200, {}, BLOB, undelimited=True)], 'GET HEAD', None),
    ([Answer(200, {}, BLOB[:HALF], undelimited=True)], 'GET HEAD GET', None),  # requests takes this for an end
    ([Answer(200, {}, BLOB[:HALF], undelimited=True)] * 3, 'GET HEAD GET GET', DXFSizeMismatchError),
    ([Answer(200, {}, [BLOB[:HALF]])], 'GET HEAD GET', None),
    ([Answer(200, {}, [BLOB, b'more'])], 'GET HEAD', DXFSizeMismatchError),
    ([Answer(200, {}, BLOB + b'more', undelimited=True)], 'GET HEAD', DXFSizeMismatchError),
    ([encoded(GZIPPED)], 'GET HEAD', None),
    ([encoded(GZIPPED, 'X-GZIP')], 'GET HEAD', None),
    ([encoded(BLOB, 'identity')], 'GET', None),
    ([encoded(BLOB)], 'GET HEAD', None),  # as long as the blob is the blob
    ([encoded(gzip.compress(WRONG_END))], 'GET HEAD', DXFDigestMismatchError),
    ([encoded(gzip.compress(BLOB + b'more'))], 'GET HEAD', DXFSizeMismatchError),
    ([encoded(GZIPPED[:HALF])], 'GET HEAD', DXFSizeMismatchError),
    ([encoded(GZIPPED[:HALF], declared=len(GZIPPED))], 'GET HEAD', RequestException),  # encoded is never resumed
    ([encoded(GZIPPED[:-8] + bytes(8))], 'GET HEAD', DXFProtocolError),  # a wrong checksum
    ([encoded(b'no gzip')], 'GET HEAD', DXFProtocolError),
    ([encoded(b'')], 'GET HEAD', DXFSizeMismatchError),
    *(([encoded(GZIPPED, encoding)], 'GET HEAD', DXFProtocolError)
      for encoding in ('br', 'zstd', 'deflate', 'compress', 'gzip, gzip', 'identity, gzip')),
])
def test_the_size_is_asked_for_where_the_answer_does_not_tell_it(
        answers: list[Answer], methods: str, outcome: type[Exception] | None) -> None:
    with serving(answers) as server:
        got, problem = pull(server)
    assert ' '.join(request.method for request in server.requests) == methods
    assert {request.path for request in server.requests} == {PATH}
    assert_outcome(got, problem, outcome)


def test_a_gzip_file_that_something_labels_as_encoded_is_taken_as_it_is() -> None:
    with serving([encoded(GZIPPED)], GZIPPED) as server:
        assert pull(server, hash_bytes(GZIPPED)) == (GZIPPED, None)


def test_a_gzip_bomb_costs_neither_memory_nor_time() -> None:
    with serving([encoded(gzip.compress(bytes(64 << 20), 1))]) as server:
        started = time.process_time()
        tracemalloc.start()
        got, problem = pull(server)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert time.process_time() - started < 30  # of the processor: the machine may be busy
    assert isinstance(problem, DXFSizeMismatchError)
    assert len(got) < SIZE
    assert peak < 16 << 20


@pytest.mark.parametrize('after', [0, 1, HALF, SIZE - 1])
def test_a_reset_connection_is_resumed_where_it_broke(after: int) -> None:
    with serving([Answer(200, {}, BLOB, reset=after)]) as server:
        assert_outcome(*pull(server), None)
    first, *others = starts(server)
    assert first is None
    assert len(others) == 1  # from where bytes arrived, of which a reset may destroy some
    assert others[0] is None or int(others[0].removeprefix('bytes=').removesuffix(f'-{SIZE - 1}')) <= after


@pytest.mark.parametrize('retries, gets, outcome', [(1, 2, None), (0, 1, Timeout)])
def test_a_drip_is_left_for_another_connection(retries: int, gets: int, outcome: type[Exception] | None) -> None:
    with serving([Answer(200, {}, BLOB, drip=(100, 0.02))]) as server:
        got, problem = pull(server, retries=retries)
    assert len(starts(server)) == gets
    assert_outcome(got, problem, outcome)


@pytest.mark.parametrize('answer', [
    pytest.param(Answer(200, {'Transfer-Encoding': 'chunked'}, [b'0' * 200], undelimited=True, drip=(1, 0.02)),
                 id='in the size of a chunk, which has no end'),
    pytest.param(Answer(200, {}, BLOB, drip=(1, 0.02)), id='in the body'),
])
def test_drips_are_a_stall_wherever_they_fall(answer: Answer) -> None:
    with serving([answer]) as server:
        started = time.monotonic()
        client = DXF(server.host, REPO, insecure=True, timeout=0.3, limits=Limits(retries=0))
        with pytest.raises((Timeout, RequestException)) as caught:
            list(client.pull_blob(hash_bytes(BLOB)))
        assert isinstance(caught.value, Timeout)
        assert time.monotonic() - started < 60  # all of it would take longer than an hour


def test_a_head_that_drips_is_a_stall() -> None:
    with socket.create_server(('127.0.0.1', 0)) as listener:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b'HTTP/1.1 200 OK\r\nX-Name: ')
                for _ in range(500):  # an end all the same, so that a failure is not for ever
                    connection.sendall(b'x')
                    time.sleep(0.01)
        server = threading.Thread(target=serve)
        server.start()
        host = f'localhost:{listener.getsockname()[1]}'
        client = DXF(host, REPO, insecure=True, timeout=0.3, limits=Limits(retries=0))
        with pytest.raises(Timeout):
            client.list_aliases()
        client._sessions[0].close()
        server.join()


def test_a_slow_server_that_is_fast_enough_is_not_left() -> None:
    with serving([Answer(200, {}, BLOB, drip=(10_000, 0.06))]) as server:
        assert_outcome(*pull(server, stall_bytes=1000), None)
    assert starts(server) == [None]


@pytest.mark.parametrize('step, retries, gets, complete', [
    (1 << 20, 1, 4, True),  # each break follows a mebibyte: refilled each time
    (700 << 10, 2, 6, True),  # every second one does
    (500 << 10, 1, 2, False),  # used up before it
    (700 << 10, 0, 1, False),
    ((1 << 20) + 1, 0, 1, False),  # nothing to refill
])
def test_progress_of_a_mebibyte_refills_the_attempts(step: int, retries: int, gets: int, complete: bool) -> None:
    blob = random.Random(8).randbytes(7 << 19)

    def cut(request: Request) -> Answer:
        start = int(request.headers.get('Range', 'bytes=0-')[6:].partition('-')[0])
        headers = {'Content-Range': f'bytes {start}-{len(blob) - 1}/{len(blob)}'}
        return Answer(206 if start else 200, headers, blob[start:start + step], declared=len(blob) - start)
    with serving([], blob) as server:
        server.hook = cut
        got, problem = pull(server, hash_bytes(blob), 1 << 16, retries)
    assert len(server.requests) == gets
    assert blob.startswith(got)
    assert (got == blob, problem is None) == (complete, complete)


def test_a_list_of_one_blob_is_resumed_where_ranges_are_ignored() -> None:
    with serving([CUT, Answer(200, {}, BLOB)]) as server, \
            DXF(server.host, REPO, insecure=True, limits=Limits(backoff=0.01)) as client:
        [got] = [(digest, b''.join(chunks), size) for digest, chunks, size in client.pull_blobs([DIGEST])]
    assert got == (DIGEST, BLOB, SIZE)
    assert len(starts(server)) == 2


@pytest.mark.parametrize('chunk_size, yielded', [(1000, SIZE - 1000), (SIZE, 0), (SIZE - 1, SIZE - 1), (7, 199_997)])
def test_the_last_piece_is_held_back_until_the_blob_is_verified(chunk_size: int, yielded: int) -> None:
    with serving([Answer(200, {}, WRONG_END)]) as server:
        got, problem = pull(server, chunk_size=chunk_size)
    assert got == BLOB[:yielded]
    assert isinstance(problem, DXFDigestMismatchError)


def test_of_a_blob_that_was_declared_too_large_less_arrives_than_was_sent() -> None:
    with serving([Answer(200, {}, BLOB + b'more')]) as server:
        got, problem = pull(server)
    assert starts(server) == [None]
    assert isinstance(problem, DXFDigestMismatchError)
    assert len(got) < SIZE + 4
    assert BLOB.startswith(got)


@pytest.mark.parametrize('fault, outcome', [
    (CUT, RequestException),
    (Answer(200, {}, BLOB[:-1], declared=SIZE), RequestException),
    (Answer(200, {}, BLOB, reset=HALF), RequestException),
    (Answer(200, {}, BLOB, stall=HALF), Timeout),
    (Answer(200, {}, BLOB, drip=(100, 0.02)), Timeout),
    (Answer(200, {}, BLOB[:-1], undelimited=True), DXFSizeMismatchError),
    (Answer(200, {}, WRONG_END), DXFDigestMismatchError),
    (Answer(200, {}, [BLOB, b'm']), DXFSizeMismatchError),
    (encoded(GZIPPED[:-9]), DXFError),
    (encoded(GZIPPED, 'br'), DXFProtocolError),
    (LOST, NoConnection),
], ids=FAULT_NAMES)
@pytest.mark.parametrize('jobs', ['1', '4'])
def test_what_the_command_prints_of_blobs_ends_before_the_end_of_the_first_that_fails(
        capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, fault: Answer, outcome: type[Exception],
        jobs: str) -> None:
    first, last = b'first' * 1000, b'last'
    with serving([fault]) as server:
        digests = [server.memory.put(REPO, first), DIGEST, server.memory.put(REPO, last)]
        idle = '60' if fault.stall is None and fault.drip is None else '1.5'  # a busy machine is no silent server
        environ = {'DXF_HOST': server.host, 'DXF_INSECURE': '1', 'DXF_RETRIES': '0', 'DXF_TIMEOUT': idle,
                   'DXF_JOBS': jobs}
        with pytest.raises(outcome):
            doit(['pull-blob', REPO, *digests], {**environ, 'HOME': os.fspath(tmp_path)})
    out, _ = capfdbinary.readouterr()
    assert out.startswith(first)
    got = out.removeprefix(first)
    assert len(got) < SIZE
    assert BLOB.startswith(got)
    if jobs == '1':
        assert f'/v2/{REPO}/blobs/{digests[2]}' not in [request.path for request in server.of('GET')]
