"""Registries whose blobs come from elsewhere: what HEAD does not tell is asked by GET, and ranges have an end.

A registry redirects to storage, which refuses HEAD as S3 does, and tells no digest; or it tells no length; or it takes
no ranges without an end.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dxf import DXF, Limits, copy, hash_bytes
from dxf.exceptions import DXFHTTPError, DXFProtocolError, DXFUnauthorizedError
from dxf.main import doit

from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error

REPO = 'fred/datalogger'
CONTENT = b'readings of May 15th' * 80_000
HALF = len(CONTENT) // 2
"""More than is read at once."""
DIGEST = hash_bytes(CONTENT)
EMPTY = hash_bytes(b'')
BLOB = f'/v2/{REPO}/blobs/{DIGEST}'
DENIED = b'<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code></Error>'
CUT = Answer(200, {}, CONTENT[:HALF], declared=len(CONTENT))


def plain(answer: Answer) -> Answer:
    """Return an answer as storage gives it: its content is binary, and it knows no digest."""
    headers = {**answer.headers, 'Content-Type': 'binary/octet-stream'}
    headers.pop('Docker-Content-Digest', None)
    return replace(answer, headers=headers)


class Redirecting:
    """A registry that redirects to storage for the blobs that it has.

    ``refusal`` is the storage's answer to HEAD.
    """

    def __init__(self, registry: ScriptedRegistry, storage: ScriptedRegistry) -> None:
        self.registry = registry
        self.storage = storage
        self.refusal = Answer(403, {'Content-Type': 'application/xml'}, DENIED)
        storage.memory.blobs = registry.memory.blobs
        registry.hook = self._redirect
        storage.hook = self._deliver

    def _redirect(self, request: Request) -> Answer | None:
        if request.method not in ('GET', 'HEAD') or request.path.rpartition('/')[2] not in \
                self.registry.memory.blobs[REPO]:
            return None
        return Answer(307, {'Location': f'{self.storage.url}{request.path}?X-Amz-Signature=secret'})

    def _deliver(self, request: Request) -> Answer:
        return self.refusal if request.method == 'HEAD' else plain(self.storage.ordinary(request))


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that has the blob."""
    server.memory.put(REPO, CONTENT)
    return server


@pytest.fixture(name='redirecting')
def start_storage(server: ScriptedRegistry) -> Iterator[Redirecting]:
    """The same, and the storage to which it redirects."""
    with ScriptedRegistry() as storage:
        yield Redirecting(server, storage)


@pytest.fixture(name='client')
def make_client(server: ScriptedRegistry) -> DXF:
    """A client of its repository that tries twice."""
    return DXF(server.host, REPO, insecure=True, limits=Limits(retries=1, backoff=0.001))


@pytest.fixture(name='run')
def make_run(server: ScriptedRegistry) -> Callable[..., int]:
    """What runs a command on the registry, and returns its status."""
    return lambda *arguments: doit(arguments, server.environ(DXF_RETRIES='0'))


@pytest.fixture(name='path')
def write_path(tmp_path: Path) -> Path:
    """A file that holds the blob."""
    path = tmp_path / 'logger.dat'
    path.write_bytes(CONTENT)
    return path


def ranges(server: ScriptedRegistry) -> list[str | None]:
    """Return the Range header of each GET."""
    return [request.headers.get('Range') for request in server.of('GET')]


# HEAD is redirected, and refused

def check_commands(server: ScriptedRegistry, run: Callable[..., int], path: Path, tmp_path: Path,
                   capfd: pytest.CaptureFixture[str]) -> None:
    """Insist that all commands that ask for a blob find it, and that nothing is sent again."""
    assert run('push-blob', REPO, str(path), '@pushed') == 0
    assert run('set-alias', REPO, 'named', DIGEST) == 0
    assert not server.of('POST')
    capfd.readouterr()
    assert run('blob-size', REPO, DIGEST) == 0
    assert capfd.readouterr().out == f'{len(CONTENT)}\n'
    assert run('pull-blob', REPO, DIGEST, '-o', str(tmp_path / 'pulled')) == 0
    assert (tmp_path / 'pulled').read_bytes() == CONTENT
    assert run('verify', REPO, str(path), 'named') == 0


@pytest.mark.parametrize('status', [400, 401, 403, 405, 501])
def test_a_blob_whose_storage_refuses_head_is_there(redirecting: Redirecting, run: Callable[..., int], path: Path,
                                                    tmp_path: Path, capfd: pytest.CaptureFixture[str], status: int
                                                    ) -> None:
    redirecting.refusal = replace(redirecting.refusal, status=status)
    check_commands(redirecting.registry, run, path, tmp_path, capfd)


@pytest.mark.parametrize('status', [405, 501])
def test_a_blob_of_a_registry_that_knows_no_head_is_there(server: ScriptedRegistry, run: Callable[..., int], path: Path,
                                                          tmp_path: Path, capfd: pytest.CaptureFixture[str], status: int
                                                          ) -> None:
    server.hook = lambda request: Answer(status) if request.method == 'HEAD' and '/blobs/' in request.path else None
    check_commands(server, run, path, tmp_path, capfd)


def test_where_head_is_refused_a_byte_tells_the_size(redirecting: Redirecting, client: DXF) -> None:
    assert client.blob_size(DIGEST) == len(CONTENT)
    assert ranges(redirecting.storage) == ['bytes=0-0']
    redirecting.storage.requests.clear()
    assert client.push_blob(data=CONTENT) == DIGEST
    assert ranges(redirecting.storage) == ['bytes=0-0']
    assert redirecting.storage.connections == 1  # a byte costs no connection


def test_a_blob_that_storage_has_lost_is_sent_again(redirecting: Redirecting, client: DXF) -> None:
    redirecting.refusal = Answer(404)
    assert client.push_blob(data=CONTENT) == DIGEST
    assert len(redirecting.registry.of('PUT')) == 1


@pytest.mark.parametrize('page', [b'<!DOCTYPE html><title>Sign in</title>', b''])
@pytest.mark.usefixtures('asked_by_head')
def test_a_login_page_that_refuses_head_is_not_the_blob(redirecting: Redirecting, client: DXF, page: bytes) -> None:
    redirecting.storage.hook = lambda request: Answer(403) if request.method == 'HEAD' else \
        Answer(200, {'Content-Type': 'text/html'}, page)
    assert client.push_blob(data=CONTENT) == DIGEST
    assert len(redirecting.registry.of('PUT')) == 1
    redirecting.registry.memory.put(REPO, b'')
    assert client.push_blob(data=b'') == EMPTY  # an empty page has the length of an empty blob
    assert len(redirecting.registry.of('PUT')) == 2


@pytest.mark.parametrize(('refusal', 'problem'), [
    (error(403, 'DENIED'), DXFHTTPError), (error(401, 'UNAUTHORIZED'), DXFUnauthorizedError)])
def test_a_refusal_of_the_registry_itself_is_final(server: ScriptedRegistry, client: DXF, refusal: Answer,
                                                   problem: type[Exception]) -> None:
    server.hook = lambda request: refusal if request.method == 'HEAD' else None
    for ask in (client.blob_size, lambda digest: client.push_blob(data=CONTENT)):
        with pytest.raises(problem):
            ask(DIGEST)
    assert not server.of('GET') and not server.of('POST')


def test_a_manifest_whose_storage_refuses_head_has_a_digest(redirecting: Redirecting, client: DXF,
                                                            run: Callable[..., int], capfd: pytest.CaptureFixture[str]
                                                            ) -> None:
    text = client.set_alias('a', DIGEST)
    redirecting.storage.memory.manifests = redirecting.registry.memory.manifests
    redirecting.storage.memory.tags = redirecting.registry.memory.tags
    redirecting.registry.hook = lambda request: Answer(307, {'Location': redirecting.storage.url + request.path}) \
        if '/manifests/' in request.path else None
    assert run('get-manifest-digest', REPO, 'a') == 0
    assert capfd.readouterr().out == f'{hash_bytes(text.encode())}\n'


def test_a_blob_that_is_gone_is_gone_whatever_its_storage_answers(redirecting: Redirecting, client: DXF) -> None:
    client.del_blob(DIGEST)
    redirecting.registry.memory.put(REPO, CONTENT)
    redirecting.registry.script('DELETE', BLOB, [Answer(202)])
    with pytest.raises(DXFProtocolError, match='still has'):
        client.del_blob(DIGEST)


# HEAD tells no length

def lengthless(request: Request, answer: Answer) -> Answer:
    """Return an answer as it is, but to HEAD without a Content-Length."""
    if request.method != 'HEAD' or answer.status != 200:
        return answer
    return replace(answer, headers={**answer.headers, 'Connection': 'close'}, undelimited=True)


def test_a_blob_without_a_length_is_there(server: ScriptedRegistry, run: Callable[..., int], path: Path,
                                          tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server.hook = lambda request: lengthless(request, plain(server.ordinary(request))) \
        if '/blobs/' in request.path else None
    check_commands(server, run, path, tmp_path, capfd)


def test_the_size_that_is_known_from_a_push_is_not_asked_for(server: ScriptedRegistry, client: DXF, tmp_path: Path
                                                             ) -> None:
    server.hook = lambda request: lengthless(request, server.ordinary(request))
    client.push_blob(data=CONTENT)
    client.set_alias('a', DIGEST)
    client.pull_to_file(tmp_path / 'pulled', DIGEST)
    assert server.lines() == [f'HEAD {BLOB}', f'PUT /v2/{REPO}/manifests/a', f'GET {BLOB}']


# Ranges without an end are refused

def closed_ranges(server: ScriptedRegistry) -> Callable[[Request], Answer | None]:
    """Return a hook that refuses ranges without an end, as the registry of go-containerregistry."""
    return lambda request: error(416, 'BLOB_UNKNOWN') if 'Range' in request.headers and not re.fullmatch(
        r'bytes=\d+-\d+', request.headers['Range']) else server.ordinary(request)


def no_ranges(_server: ScriptedRegistry) -> Callable[[Request], Answer | None]:
    """Return a hook that refuses all ranges."""
    return lambda request: error(416, 'RANGE_INVALID') if 'Range' in request.headers else None


@pytest.mark.parametrize(('hook', 'others'), [(closed_ranges, []), (no_ranges, [None])])
def test_a_download_that_broke_off_is_repeated(server: ScriptedRegistry, run: Callable[..., int], tmp_path: Path,
                                               capfd: pytest.CaptureFixture[str],
                                               hook: Callable[[ScriptedRegistry], Callable[[Request], Answer | None]],
                                               others: list[str | None]) -> None:
    server.hook = hook(server)
    server.script('GET', BLOB, [CUT])
    with pytest.raises(OSError, match='Incomplete|broken|Chunked'):
        run('pull-blob', REPO, DIGEST, '-o', str(tmp_path / 'pulled'))
    server.requests.clear()
    assert run('pull-blob', REPO, DIGEST, '-o', str(tmp_path / 'pulled')) == 0
    assert (tmp_path / 'pulled').read_bytes() == CONTENT
    first, *rest = ranges(server)
    assert first is not None and re.fullmatch(rf'bytes=[1-9]\d*-{len(CONTENT) - 1}', first)
    assert rest == others
    assert not capfd.readouterr().err


@pytest.mark.parametrize('hook', [closed_ranges, no_ranges])
def test_a_copy_from_such_a_registry_is_read_again_where_it_broke(
        server: ScriptedRegistry, client: DXF,
        hook: Callable[[ScriptedRegistry], Callable[[Request], Answer | None]]) -> None:
    client.set_alias('a', DIGEST)
    server.hook = hook(server)
    with ScriptedRegistry() as target:
        broken = iter([Answer(500)])
        target.hook = lambda request: next(broken, None) if request.method == 'PUT' else None
        with DXF(target.host, REPO, insecure=True, limits=Limits(retries=1, backoff=0.001)) as other:
            copy(client, other, 'a')
        assert target.memory.blobs[REPO] == {DIGEST: CONTENT}


@pytest.mark.parametrize('hook', [closed_ranges, no_ranges])
def test_a_blob_without_a_known_size_is_fetched_anew(server: ScriptedRegistry, client: DXF,
                                                     hook: Callable[[ScriptedRegistry], Callable[..., Answer | None]]
                                                     ) -> None:
    strict = hook(server)
    server.hook = lambda request: error(404, 'BLOB_UNKNOWN') if request.method == 'HEAD' else strict(request)
    server.script('GET', BLOB, [Answer(200, {'Transfer-Encoding': 'chunked'}, [b'fffff\r\n', CONTENT[:HALF]],
                                       undelimited=True)])
    assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    assert ranges(server) == [None, f'bytes={HALF}-', None]
