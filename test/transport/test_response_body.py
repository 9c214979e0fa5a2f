"""Bodies of responses: handed out soon, in large pieces, and whole, whatever the connection does."""

import os
from collections.abc import Iterator

import pytest
from requests import Response, Session
from requests.exceptions import ChunkedEncodingError, ReadTimeout

from dxf import DXF, Limits, hash_bytes
from dxf.limits import READ_SIZE, RECEIVE_SIZE
from dxf.transport.adapter import Adapter
from dxf.transport.response_body import pieces

from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, ScriptedRegistry

REPO = 'fred/data'
BLOB = os.urandom((3 << 20) + 12345)
DIGEST = hash_bytes(BLOB)
LIMITS = Limits(backoff=0)
PATH = f'/v2/{REPO}/blobs/{DIGEST}'


@pytest.fixture(name='session')
def start_session() -> Iterator[Session]:
    """A session with dxf's transport."""
    with Session() as session:
        session.mount('http://', Adapter())
        yield session


def fetch(session: Session, server: ScriptedRegistry, answer: Answer, timeout: float = 60) -> Response:
    """Return the answer of a server to a request for the blob, its body not read."""
    server.script('GET', PATH, [answer])
    return session.get(server.url + PATH, stream=True, timeout=timeout)


def arrived(response: Response, limits: Limits = LIMITS) -> list[bytes]:
    """Return all pieces of a body."""
    return list(pieces(response, limits))


def test_the_first_piece_is_small_and_the_others_are_large(session: Session) -> None:
    with ScriptedRegistry() as server:
        got = arrived(fetch(session, server, Answer(body=BLOB)))
    assert b''.join(got) == BLOB
    assert len(got[0]) <= RECEIVE_SIZE
    assert max(map(len, got)) <= READ_SIZE


def test_a_piece_over_tls_is_more_than_one_record(certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server:
        server.memory.put(REPO, BLOB)
        with DXF(server.host, REPO, tlsverify=str(certificates.ca)) as client:
            got = list(client.pull_blob(DIGEST, chunk_size=0))
    assert b''.join(got) == BLOB
    assert max(map(len, got)) > 16 << 10


@pytest.mark.parametrize('answer', [Answer(body=BLOB), Answer(body=BLOB[:1000]), Answer(body=b''),
                                    Answer(body=[BLOB[:200_000], BLOB[200_000:]])],
                         ids=['large', 'small', 'empty', 'chunked'])
def test_a_connection_whose_body_was_read_is_used_again(session: Session, answer: Answer) -> None:
    with ScriptedRegistry() as server:
        for _ in range(3):
            content = answer.body if isinstance(answer.body, bytes) else b''.join(answer.body)
            assert b''.join(arrived(fetch(session, server, answer))) == content
        assert server.connections == 1


@pytest.mark.parametrize('end', [1, RECEIVE_SIZE, RECEIVE_SIZE + 1, 700_000, len(BLOB) - 1])
@pytest.mark.parametrize('is_reset', [False, True], ids=['closed', 'reset'])
def test_a_body_that_breaks_off_gives_what_arrived_before_the_error(session: Session, end: int, is_reset: bool) -> None:
    answer = Answer(body=BLOB, reset=end) if is_reset else Answer(body=BLOB[:end], declared=len(BLOB))
    got = b''
    with ScriptedRegistry() as server, pytest.raises(ChunkedEncodingError):
        for piece in pieces(fetch(session, server, answer), LIMITS):
            got += piece
    # A reset may drop what the system has not handed over yet.
    assert got == BLOB[:end] if not is_reset else BLOB.startswith(got)


def test_drips_are_handed_out_as_they_come(session: Session) -> None:
    with ScriptedRegistry() as server:
        response = fetch(session, server, Answer(body=BLOB, drip=(50, 0.2)))
        stream = pieces(response, LIMITS)
        assert BLOB.startswith(first := next(stream))
        assert len(first) < 5000  # not a buffer that is full
        response.close()


def test_a_body_that_drips_for_too_long_is_an_error(session: Session) -> None:
    with ScriptedRegistry() as server, pytest.raises(ReadTimeout, match='fewer than 16384 bytes'):
        arrived(fetch(session, server, Answer(body=BLOB, drip=(1, 0.05))), Limits(stall_seconds=0.3))


def test_a_silent_connection_is_a_timeout(session: Session) -> None:
    with ScriptedRegistry() as server:
        response = fetch(session, server, Answer(body=BLOB, stall=700_000), timeout=1)
        with pytest.raises(ReadTimeout):
            arrived(response)
