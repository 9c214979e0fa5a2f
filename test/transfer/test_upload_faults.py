"""Uploads that break: what is sent again, that nothing half is stored, and that the requests are bounded."""

import io
import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import ConnectionError as NoConnection

from dxf import DXF, DXFBase, Limits, hash_bytes
from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFHTTPError, DXFProtocolError, DXFSourceError,
                            DXFUnauthorizedError, DXFUnexpectedStatusCodeError)

from ..helpers.changing_files import append
from ..helpers.endpoints import Endpoint
from ..helpers.traffic import Traffic
from ..helpers.waiting import eventually
from ..servers.certificates import Certificates
from ..servers.fault_proxy import Fault, FaultProxy
from ..servers.scripted_registry import LOST, RESET, Answer, Request, ScriptedRegistry, error, guard

pytestmark = pytest.mark.usefixtures('asked_by_head')

REPO = 'fred/datalogger'
CONTENT = bytes(range(25))
DIGEST = hash_bytes(CONTENT)
EMPTY = hash_bytes(b'')
LARGE = random.Random(9).randbytes(3 << 20)
LIMITS = Limits(retries=2, backoff=0.01, longest_retry_after=0.3, small_part=10)

Step = Callable[[ScriptedRegistry, Request], Answer | None]


def well(_server: ScriptedRegistry, _request: Request) -> None:
    """Leave the answer to the ordinary registry."""


def lost(server: ScriptedRegistry, request: Request) -> Answer:
    """Do what is asked for, and lose the answer."""
    server.ordinary(request)
    return LOST


def forgotten(server: ScriptedRegistry, _request: Request) -> Answer:
    """Know nothing of any upload any more."""
    server.memory.uploads.clear()
    return error(404, 'BLOB_UPLOAD_UNKNOWN')


def stored_but(status: int) -> Step:
    """Do what is asked for, and answer as if it had failed."""
    def step(server: ScriptedRegistry, request: Request) -> Answer:
        server.ordinary(request)
        return error(status, 'SOME_CODE')
    return step


def gives(answer: Answer) -> Step:
    """Answer this, and do nothing."""
    return lambda server, request: answer


def refuses(status: int) -> Step:
    """Refuse, and do nothing."""
    return gives(error(status, 'SOME_CODE'))


def says(status: int, **headers: str) -> Step:
    """Do what is asked for, and answer this status with these headers alone, beside the Location."""
    def step(server: ScriptedRegistry, request: Request) -> Answer:
        location = server.ordinary(request).headers['Location']
        renamed = {name.replace('_', '-'): value for name, value in headers.items()}
        return Answer(status, {'Location': location, **renamed})
    return step


def ranged(value: str) -> Step:
    """Do what is asked for, and answer this Range."""
    def step(server: ScriptedRegistry, request: Request) -> Answer:
        answer = server.ordinary(request)
        return replace(answer, headers={**answer.headers, 'Range': value})
    return step


def script(server: ScriptedRegistry, **steps: Iterable[Step]) -> None:
    """Have the next requests of each method answered by these steps."""
    left = {method: list(given) for method, given in steps.items()}

    def hook(request: Request) -> Answer | None:
        waiting = left.get(request.method)
        return waiting.pop(0)(server, request) if waiting else None
    server.hook = hook


def methods(server: ScriptedRegistry) -> str:
    """Return the methods of all requests; each goes where it should, which is asserted."""
    places = {'HEAD': f'/v2/{REPO}/blobs/sha256:', 'POST': f'/v2/{REPO}/blobs/uploads/'}
    assert all(request.path.startswith(places.get(request.method, f'/v2/{REPO}/blobs/uploads/'))
               for request in server.requests)
    return ' '.join(line.partition(' ')[0] for line in server.lines())


def push(server: ScriptedRegistry, auth: Callable[[DXFBase, Any], None] | None = None, limits: Limits = LIMITS,
         **source: Any) -> DXFError | OSError | None:
    """Push a blob; return the error that ends that, if one does. What is stored is right in any case."""
    with DXF(server.host, REPO, auth, insecure=True, timeout=60, limits=limits) as client:
        try:
            client.push_blob(**source)
        except (DXFError, OSError) as problem:
            return problem
        finally:
            assert all(hash_bytes(blob) == digest for digest, blob in server.memory.blobs[REPO].items())
    return None


def token(registry: DXFBase, _response: Any) -> None:
    """Answer a challenge, also over http."""
    registry.token = 'secret'


@pytest.fixture(name='path')
def write_path(tmp_path: Path) -> Path:
    """A file that holds ``CONTENT``, to be read in three pieces."""
    path = tmp_path / 'content'
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(autouse=True)
def make_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make three pieces, and three parts, of ``CONTENT``."""
    monkeypatch.setattr('dxf.transfer.source.READ_SIZE', 10)


ONCE = 'HEAD POST PUT'
AGAIN = ' HEAD DELETE POST PUT'
FAILED = 'HEAD POST PUT DELETE'
UNPROVEN = ('', 'x', 'sha512:' + '0' * 128, DIGEST.upper())
ONE_WAY = LIMITS._replace(small_part=25)
"""Limits that leave nothing but one PUT to send ``CONTENT`` by."""


@pytest.mark.parametrize('puts, expected, outcome', [
    ([well], ONCE, None),
    ([lost], ONCE + ' HEAD', None),  # it is there: only the answer was lost
    ([gives(LOST)], ONCE + AGAIN, None),
    ([gives(RESET), lost], ONCE + AGAIN + ' HEAD', None),
    ([gives(RESET)] * 5, ONCE + AGAIN * 2 + ' HEAD DELETE', NoConnection),
    *(([stored_but(status)] * 5, ONCE + ' HEAD DELETE', None) for status in (408, 429, 500, 502, 503, 504, 404)),
    *(([refuses(status)], ONCE + AGAIN, None) for status in (408, 429, 500, 502, 503, 504, 404, 416)),
    ([forgotten], ONCE + AGAIN, None),
    ([forgotten] * 5, ONCE + AGAIN * 2 + ' HEAD DELETE', DXFHTTPError),  # twice at most
    ([refuses(416)] * 5, ONCE + AGAIN * 2 + ' HEAD DELETE', DXFHTTPError),
    ([refuses(503)] * 5, ONCE + AGAIN * 2 + ' HEAD DELETE', DXFHTTPError),
    *(([refuses(status)], FAILED, DXFHTTPError) for status in (403, 405, 413)),
    ([refuses(400)], ONCE + ' HEAD DELETE', DXFHTTPError),  # another process may have been faster
    ([refuses(401)], FAILED, DXFUnauthorizedError),
    ([gives(Answer(302, {'Location': '/login'}))], FAILED, DXFProtocolError),  # a login page is no success
    ([gives(Answer(202))], FAILED, DXFUnexpectedStatusCodeError),
    ([says(201)], ONCE + ' HEAD', None),  # without a digest HEAD must confirm
    ([says(204)], ONCE + ' HEAD', None),
    ([says(200)], ONCE + ' HEAD', None),
    *(([says(status, Docker_Content_Digest=DIGEST)], ONCE, None) for status in (200, 201, 204)),
    *(([gives(Answer(status))], ONCE + ' HEAD DELETE', DXFProtocolError) for status in (200, 201, 204)),
    ([gives(Answer(201, {'Docker-Content-Digest': EMPTY}))], FAILED, DXFDigestMismatchError),
    # A header that is not the blob's digest confirms nothing.
    *(([says(201, Docker_Content_Digest=value)], ONCE + ' HEAD', None) for value in UNPROVEN),
    *(([gives(Answer(201, {'Docker-Content-Digest': value}))], ONCE + ' HEAD DELETE', DXFProtocolError)
      for value in UNPROVEN),
])
def test_a_file_is_sent_again_where_that_may_help(path: Path, puts: list[Step], expected: str,
                                                  outcome: type[Exception] | None) -> None:
    with ScriptedRegistry() as server:
        script(server, PUT=puts)
        problem = push(server, limits=ONE_WAY, filename=str(path))
    assert methods(server) == expected
    assert all(put.body == CONTENT for put in server.of('PUT'))
    assert (problem is None) if outcome is None else isinstance(problem, outcome)
    assert (DIGEST in server.memory.blobs[REPO]) == (outcome is None)
    assert not server.memory.uploads


@pytest.mark.parametrize('status, look', [
    *((status, '') for status in (405, 411, 413, 415, 501)),
    *((status, ' HEAD') for status in (400, 416, 500)),  # that may be said of a blob that was stored, too
])
def test_a_file_that_is_refused_whole_is_sent_in_parts(path: Path, status: int, look: str) -> None:
    with ScriptedRegistry() as server:
        script(server, PUT=[refuses(status)])
        assert push(server, filename=str(path)) is None
    assert methods(server) == ONCE + look + ' DELETE POST PATCH PATCH PUT'
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}
    assert not server.memory.uploads


@pytest.mark.parametrize('steps, expected', [
    *(({'PUT': [refuses(status)] * 9}, FAILED + ' POST PATCH PATCH PUT DELETE') for status in (405, 413)),
    ({'PUT': [refuses(400)] * 9}, 'HEAD POST PUT HEAD DELETE POST PATCH PATCH PUT HEAD DELETE'),
    *(({'PUT': [refuses(413)], 'PATCH': [refuses(status)] * 9}, FAILED + ' POST PATCH DELETE')
      for status in (403, 405, 413)),
    ({'PUT': [refuses(413)], 'PATCH': [refuses(400)] * 9}, FAILED + ' POST PATCH DELETE HEAD'),
    ({'PUT': [refuses(403)]}, FAILED),  # it is not the way that is refused
    ({'PUT': [gives(error(400, 'DIGEST_INVALID'))]}, FAILED),
])
def test_a_file_that_is_refused_in_every_way_is_not_sent_for_ever(path: Path, steps: dict[str, list[Step]],
                                                                  expected: str) -> None:
    with ScriptedRegistry() as server:
        script(server, **steps)
        assert isinstance(push(server, filename=str(path)), DXFHTTPError)
    assert methods(server) == expected
    assert not server.memory.blobs[REPO]
    assert not server.memory.uploads


@pytest.mark.parametrize('head, expected', [
    ([well, gives(Answer(200, {'Content-Type': 'application/octet-stream'}, CONTENT[1:]))],
     ONCE + AGAIN + ' HEAD'),  # a blob of another length: it may be kept
    ([well, gives(Answer(200, {'Content-Type': 'text/html'}, CONTENT[1:]))], ONCE + AGAIN),  # a page is no blob
    ([well, lost], ONCE + ' HEAD HEAD'),
    ([lost], 'HEAD ' + ONCE + ' HEAD'),
])
def test_a_look_at_what_is_stored_decides_where_the_answer_was_lost(path: Path, head: list[Step],
                                                                    expected: str) -> None:
    with ScriptedRegistry() as server:
        script(server, PUT=[lost], HEAD=head)
        assert push(server, filename=str(path)) is None
    assert methods(server) == expected


def test_an_upload_begins_anew_where_the_body_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.transfer.source.READ_SIZE', 1 << 20)
    cut = [Answer(take=1000, head=False, reset=0)]
    with ScriptedRegistry() as server:
        server.early = lambda head: cut.pop() if cut and head.method == 'PUT' else None
        assert push(server, data=LARGE) is None
    assert methods(server) == ONCE + AGAIN
    assert [put.complete for put in server.of('PUT')] == [False, True]


def test_an_opening_whose_answer_was_lost_is_repeated(path: Path) -> None:
    with ScriptedRegistry() as server:
        script(server, POST=[lost, refuses(503)])
        assert push(server, filename=str(path)) is None
    assert methods(server) == 'HEAD POST POST POST PUT'


@pytest.mark.parametrize('status', [400, 403, 404, 405, 413, 416])
def test_an_opening_that_is_refused_is_no_lost_session_and_no_way_that_is_refused(path: Path, status: int) -> None:
    with ScriptedRegistry() as server:
        script(server, POST=[refuses(status)])
        assert isinstance(push(server, filename=str(path)), DXFHTTPError)
        assert methods(server) == 'HEAD POST'
        server.requests.clear()
        assert push(server, filename=str(path)) is None
    assert methods(server) == ONCE


def test_a_manifest_whose_answer_was_lost_is_sent_again() -> None:
    with ScriptedRegistry() as server:
        server.memory.put(REPO, CONTENT)
        script(server, PUT=[lost, refuses(503)])
        with DXF(server.host, REPO, insecure=True, limits=LIMITS) as client:
            client.set_alias('latest', DIGEST)
        lines = [f'HEAD /v2/{REPO}/blobs/{DIGEST}'] + [f'PUT /v2/{REPO}/manifests/latest'] * 3
    assert server.lines() == lines
    assert len({put.body for put in server.of('PUT')}) == 1
    assert list(server.memory.tags[REPO]) == ['latest']


@pytest.mark.parametrize('status', [429, 503])
def test_a_pause_that_the_registry_asks_for_is_made_before_a_file_is_sent_again(path: Path, status: int) -> None:
    with ScriptedRegistry() as server:
        script(server, PUT=[gives(error(status, 'TOOMANYREQUESTS', headers={'Retry-After': '9'}))])
        started = time.monotonic()
        assert push(server, filename=str(path)) is None
        assert time.monotonic() - started >= LIMITS.longest_retry_after
    assert methods(server) == ONCE + AGAIN


# Parts

@pytest.mark.parametrize('steps, expected, outcome', [
    ({}, 'POST PATCH PATCH PUT', None),
    *(({'PATCH': [says(status)] * 2}, 'POST PATCH PATCH PUT', None) for status in (201, 202, 204)),
    ({'PATCH': [says(200)]}, 'POST PATCH DELETE', DXFUnexpectedStatusCodeError),
    ({'PATCH': [lost]}, 'POST PATCH GET PATCH PUT', None),  # the Range tells that all of it is there
    ({'PATCH': [gives(LOST)]}, 'POST PATCH GET PATCH PATCH PUT', None),  # 0-0 is what registries say of nothing
    ({'PATCH': [refuses(503)]}, 'POST PATCH GET PATCH PATCH PUT', None),
    ({'PATCH': [well, gives(LOST)]}, 'POST PATCH PATCH GET PATCH PUT', None),  # and here that nothing is
    ({'PATCH': [well, refuses(503)]}, 'POST PATCH PATCH GET PATCH PUT', None),
    ({'PATCH': [well, *[refuses(503)] * 5]}, 'POST PATCH' + ' PATCH GET' * 3 + ' DELETE', DXFHTTPError),
    ({'PATCH': [well, *[refuses(416)] * 5]}, 'POST PATCH' + ' PATCH GET' * 3 + ' DELETE', DXFHTTPError),
    ({'PATCH': [forgotten]}, 'POST PATCH DELETE HEAD POST PUT', None),  # nothing is lost yet: from a copy
    ({'PATCH': [well, forgotten]}, 'POST PATCH PATCH GET DELETE', DXFSourceError),
    ({'PATCH': [lost], 'GET': [refuses(404)]}, 'POST PATCH GET DELETE', DXFSourceError),  # as docker-registry does
    ({'PATCH': [lost], 'GET': [ranged('0-99')]}, 'POST PATCH GET DELETE', DXFError),
    ({'PATCH': [lost], 'GET': [ranged('bytes=0-9')]}, 'POST PATCH GET PATCH PUT', None),
    ({'PATCH': [refuses(403)]}, 'POST PATCH DELETE', DXFHTTPError),
    *(({'PATCH': [refuses(status)]}, 'POST PATCH DELETE HEAD POST PUT', None)  # no parts: from a copy, whole
      for status in (400, 405, 411, 413, 415, 416, 500, 501)),
    *(({'PATCH': [refuses(status)], 'PUT': [refuses(status)]}, 'POST PATCH DELETE HEAD POST PUT DELETE', DXFHTTPError)
      for status in (405, 413)),
    ({'PATCH': [refuses(400)], 'PUT': [refuses(400)]}, 'POST PATCH DELETE HEAD POST PUT HEAD DELETE', DXFHTTPError),
    *(({'PATCH': [well, refuses(status)]}, 'POST PATCH PATCH DELETE', DXFHTTPError)  # it takes parts, but not this one
      for status in (400, 403, 405, 413)),
    ({'PATCH': [ranged('0-10')]}, 'POST PATCH DELETE', DXFProtocolError),  # more than was sent
    ({'PATCH': [well, ranged('0-9')]}, 'POST PATCH PATCH PUT', None),  # stuck, as ECR's
    ({'PATCH': [ranged('nonsense')] * 2}, 'POST PATCH PATCH PUT', None),
    ({'PUT': [lost]}, 'POST PATCH PATCH PUT PUT HEAD', None),  # the second is refused: the upload is complete
    ({'PUT': [refuses(503)]}, 'POST PATCH PATCH PUT PUT', None),
    ({'PUT': [forgotten]}, 'POST PATCH PATCH PUT HEAD DELETE', DXFHTTPError),  # it cannot be read again
    ({'PUT': [refuses(400)]}, 'POST PATCH PATCH PUT HEAD DELETE', DXFHTTPError),
    *(({'PUT': [says(201, Docker_Content_Digest=value)]}, 'POST PATCH PATCH PUT HEAD', None) for value in UNPROVEN),
    *(({'PUT': [gives(Answer(201, {'Docker-Content-Digest': value}))]}, 'POST PATCH PATCH PUT HEAD DELETE',
       DXFProtocolError) for value in UNPROVEN),
    ({'PUT': [says(201)]}, 'POST PATCH PATCH PUT HEAD', None),
    ({'PUT': [gives(Answer(201))]}, 'POST PATCH PATCH PUT HEAD DELETE', DXFProtocolError),
    ({'POST': [refuses(403)]}, 'POST', DXFHTTPError),
    ({'POST': [gives(Answer(202))]}, 'POST', DXFProtocolError),  # without a Location
    ({'POST': [gives(Answer(200))]}, 'POST', DXFUnexpectedStatusCodeError),
])
def test_parts_are_stored_once_or_the_upload_fails(steps: dict[str, list[Step]], expected: str,
                                                   outcome: type[Exception] | None) -> None:
    seen: list[bytes] = []
    with ScriptedRegistry() as server:
        script(server, **steps)
        problem = push(server, data=iter([CONTENT[:7], CONTENT[7:]]), progress=lambda _, piece: seen.append(piece))
    assert methods(server) == expected
    assert (problem is None) if outcome is None else isinstance(problem, outcome)
    assert server.memory.blobs[REPO] == ({DIGEST: CONTENT} if outcome is None else {})
    assert not server.memory.uploads
    assert b''.join(seen) == CONTENT[:len(b''.join(seen))]


# Sources

def shrink(path: Path) -> None:
    """Cut a file off."""
    os.truncate(path, 15)


def rewrite(path: Path) -> None:
    """Change what a file holds, but not how much."""
    path.write_bytes(CONTENT[:-1] + b'!')


@pytest.mark.parametrize('before', [True, False], ids=['before the body', 'in the body'])
@pytest.mark.parametrize('change', [append, shrink, rewrite])
def test_a_file_that_changes_while_it_is_sent_is_not_stored(path: Path, change: Callable[[Path], None],
                                                            before: bool) -> None:
    def progress(_digest: str, piece: bytes, _size: int) -> None:
        if bool(piece) != before and not done:
            change(path)
            done.append(piece)
    done: list[bytes] = []
    with ScriptedRegistry() as server:
        problem = push(server, filename=str(path), progress=progress)
    assert isinstance(problem, DXFSourceError)
    assert 'changed while it was being uploaded' in str(problem)
    assert sorted(methods(server).split()) == ['DELETE', 'HEAD', 'POST', 'PUT']  # a cut PUT may be noticed late
    put, = server.of('PUT')
    assert put.headers['Content-Length'] == '25'
    assert not put.complete
    assert not server.memory.blobs[REPO]


class Unreadable(io.BytesIO):
    """A file that can be read once, but the second time only in part."""

    def __init__(self) -> None:
        super().__init__(CONTENT)
        self.left = len(CONTENT) + 12

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, or fail as a broken disk does."""
        if self.left <= 0:
            raise OSError(5, 'Input/output error')
        content = super().read(size)
        self.left -= len(content)
        return content


def test_a_file_that_cannot_be_read_to_its_end_is_no_fault_of_the_network() -> None:
    with ScriptedRegistry() as server:
        problem = push(server, data=Unreadable())
    assert isinstance(problem, DXFSourceError)
    assert str(problem) == 'cannot read data: Input/output error'
    assert sorted(methods(server).split()) == ['DELETE', 'HEAD', 'POST', 'PUT']
    assert not server.memory.blobs[REPO]


@pytest.mark.parametrize('data, expected', [(b'', ONCE), (io.BytesIO(), ONCE), ([], 'POST PUT'), ([b''], 'POST PUT')])
def test_zero_bytes_are_declared_as_such(data: Any, expected: str) -> None:
    with ScriptedRegistry() as server:
        assert push(server, data=data) is None
    assert methods(server) == expected
    put, = server.of('PUT')
    assert (put.headers['Content-Length'], put.headers['Transfer-Encoding'], put.length) == ('0', None, 0)
    assert server.memory.blobs[REPO] == {EMPTY: b''}


@pytest.mark.parametrize('puts', [[well], [gives(RESET)], [gives(RESET)] * 5, [refuses(401)], [forgotten]])
def test_progress_counts_no_byte_twice(path: Path, puts: list[Step]) -> None:
    pieces: list[bytes] = []
    with ScriptedRegistry() as server:
        script(server, PUT=puts)
        push(server, token, filename=str(path), progress=lambda _, piece, size: pieces.append(piece))
    assert b''.join(pieces) == CONTENT


@pytest.mark.parametrize('source, method, expected, bodies', [
    ('file', 'PUT', 'HEAD POST PUT PUT', [CONTENT, CONTENT]),  # whole, never empty
    ('bytes', 'PUT', 'HEAD POST PUT PUT', [CONTENT, CONTENT]),
    ('once', 'PATCH', 'POST PATCH PATCH PATCH PUT', [CONTENT[:10], CONTENT[:10], CONTENT[10:20]]),
    ('once', 'PUT', 'POST PATCH PATCH PUT PUT', [CONTENT[20:], CONTENT[20:]]),
])
def test_what_a_challenge_interrupts_is_sent_again_whole(path: Path, source: str, method: str, expected: str,
                                                         bodies: list[bytes]) -> None:
    given: dict[str, dict[str, Any]] = {
        'file': {'filename': str(path)}, 'bytes': {'data': CONTENT}, 'once': {'data': iter([CONTENT])}}
    challenge = guard('Bearer secret', 'Bearer realm="https://localhost/token"')
    with ScriptedRegistry() as server:
        server.hook = lambda request: challenge(request) if request.method == method else None
        assert push(server, token, **given[source]) is None
    assert methods(server) == expected
    assert [request.body for request in server.of(method)] == bodies
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}


@pytest.mark.parametrize('interruption', [KeyboardInterrupt, ValueError])
def test_an_upload_that_is_interrupted_is_given_up(path: Path, interruption: type[BaseException]) -> None:
    def progress(_digest: str, piece: bytes, _size: int) -> None:
        if piece:
            raise interruption
    with ScriptedRegistry() as server:
        with pytest.raises(interruption):
            push(server, filename=str(path), progress=progress)
    assert sorted(methods(server).split()) == ['DELETE', 'HEAD', 'POST', 'PUT']
    assert not server.memory.uploads


# Locations

@pytest.mark.parametrize('form, target', [
    ('/v2/{repo}/blobs/uploads/{id}', '?'),
    ('{url}/v2/{repo}/blobs/uploads/{id}', '?'),
    ('{id}', '?'),  # relative to the address of the POST
    ('{id}?_state=', '?_state=&'),
    ('{id}?a&b=&c=%2F%3D+x&a', '?a&b=&c=%2F%3D+x&a&'),  # blank and double parameters, as they are
])
def test_a_location_is_followed_as_it_was_given(path: Path, form: str, target: str) -> None:
    with ScriptedRegistry() as server:
        def opens(server: ScriptedRegistry, request: Request) -> Answer:
            upload = server.ordinary(request).headers['Docker-Upload-UUID']
            return Answer(202, {'Location': form.format(url=server.url, repo=REPO, id=upload)})
        script(server, POST=[opens])
        assert push(server, filename=str(path)) is None
    assert methods(server) == ONCE
    put, = server.of('PUT')
    assert put.target == f'{put.path}{target}digest={DIGEST.replace(":", "%3A")}'


@pytest.mark.parametrize('status', [201, 401])
def test_a_location_elsewhere_gets_the_bytes_but_no_credential(certificates: Certificates, path: Path,
                                                               status: int) -> None:
    with ScriptedRegistry(certificates) as registry, ScriptedRegistry(certificates) as other:
        def receive(request: Request) -> Answer:
            if request.method == 'PUT' and status == 201:
                registry.memory.put(REPO, request.body)
            return Answer(status, {'WWW-Authenticate': 'Bearer realm="https://localhost/token"'})
        other.hook = receive
        admits = guard('Bearer secret', 'Bearer realm="https://localhost/token"')
        elsewhere = Answer(202, {'Location': f'{other.url}/somewhere?signature=x', 'Set-Cookie': 'a=b'})
        registry.hook = lambda request: admits(request) or (elsewhere if request.method == 'POST' else None)
        with DXF(registry.host, REPO, token, tlsverify=certificates.ca, limits=LIMITS) as client:
            if status == 201:
                assert client.push_blob(str(path)) == DIGEST
            else:
                with pytest.raises(DXFUnauthorizedError):
                    client.push_blob(str(path))
    assert methods(registry) == 'HEAD HEAD POST' + (' HEAD' if status == 201 else '')
    assert other.lines() == ['PUT /somewhere'] + ['DELETE /somewhere'] * (status == 401)
    assert other.requests[0].body == CONTENT
    assert not any({'authorization', 'cookie'} & {name.lower() for name in request.headers}
                   for request in other.requests)


def test_a_location_that_leaves_https_is_refused(certificates: Certificates, path: Path) -> None:
    with ScriptedRegistry(certificates) as registry:
        script(registry, POST=[gives(Answer(202, {'Location': 'http://127.0.0.1:9/upload'}))])
        with DXF(registry.host, REPO, tlsverify=certificates.ca, limits=LIMITS) as client:
            with pytest.raises(DXFProtocolError):
                client.push_blob(str(path))
    assert methods(registry) == 'HEAD POST'


# The real registry

@pytest.mark.parametrize('fault, once, expected, outcome', [
    (Fault(), False, 'HEAD POST PUT', None),
    (Fault(lost=b'HEAD '), False, 'HEAD HEAD POST PUT', None),
    (Fault(lost=b'POST '), False, 'HEAD POST POST PUT', None),
    (Fault(lost=b'PUT '), False, 'HEAD POST PUT HEAD', None),
    (Fault(up=100_000), False, 'HEAD POST PUT HEAD DELETE POST PUT', None),
    (Fault(), True, 'POST PATCH PATCH PUT', None),
    (Fault(lost=b'POST '), True, 'POST POST PATCH PATCH PUT', None),
    (Fault(lost=b'PATCH '), True, 'POST PATCH GET DELETE', DXFSourceError),  # the old address is dead
    (Fault(up=100_000), True, 'POST PATCH GET DELETE', DXFSourceError),
    (Fault(lost=b'PUT '), True, 'POST PATCH PATCH PUT PUT HEAD', None),
], ids=str)
def test_a_real_registry_has_all_or_nothing(open_registry: Endpoint, repo: str, traffic: Traffic, fault: Fault,
                                            once: bool,
                                            monkeypatch: pytest.MonkeyPatch, expected: str,
                                            outcome: type[Exception] | None) -> None:
    monkeypatch.setattr('dxf.transfer.source.READ_SIZE', 5 << 18)
    data = iter([LARGE]) if once else io.BytesIO(LARGE)

    def arriving() -> list[Path]:
        return [start.with_name('data') for start in open_registry.uploads(repo)]

    def plan(number: int) -> Fault:
        if number == 1:
            return fault
        if once and fault.up is not None:  # else a slow registry says that nothing has arrived, and all is sent again
            eventually(lambda: any(path.exists() and path.stat().st_size for path in arriving()))
        return Fault()
    with FaultProxy(open_registry.host, plan) as proxy:
        with DXF(proxy.host, repo, insecure=True, timeout=60, limits=LIMITS._replace(small_part=5 << 18)) as client:
            if outcome is None:
                assert client.push_blob(data=data) == hash_bytes(LARGE)
            else:
                with pytest.raises(outcome, match='data cannot be read a second time: run the pipeline again'):
                    client.push_blob(data=data)
    assert ' '.join(exchange.method for exchange in traffic.requests) == expected
    with open_registry.dxf(repo) as direct:
        if outcome is None:
            assert b''.join(direct.pull_blob(hash_bytes(LARGE))) == LARGE
        else:
            with pytest.raises(DXFHTTPError):
                direct.blob_size(hash_bytes(LARGE))


def test_a_real_registry_takes_a_manifest_again(open_registry: Endpoint, repo: str, traffic: Traffic) -> None:
    with open_registry.dxf(repo) as direct:
        direct.push_blob(data=CONTENT)
    traffic.clear()
    with FaultProxy(open_registry.host, lambda number: Fault(lost=b'PUT ') if number == 1 else Fault()) as proxy:
        with DXF(proxy.host, repo, insecure=True, limits=LIMITS) as client:
            client.set_alias('latest', DIGEST)
            assert client.get_alias('latest') == [DIGEST]
    path = f'/v2/{repo}/manifests/latest'
    assert traffic.lines()[-3:] == [f'PUT {path} None', f'PUT {path} 201', f'GET {path} 200']
