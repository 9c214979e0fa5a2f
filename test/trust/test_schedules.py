"""Random faults, one after another, over push, alias and pull, on the scripted and on the real registry.

What must hold whatever happens: success means a stored blob, an alias that names it, and equal bytes; all else is one
error. The requests are bounded, and no credential leaves the registry's origin.
"""

import contextlib
import io
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.exceptions import RequestException

import dxf
from dxf.cli.error_messages import line_of, status_of
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..servers.certificates import Certificates
from ..servers.fault_proxy import Fault, FaultProxy
from ..servers.scripted_registry import LOST, RESET, Answer, Memory, Request, ScriptedRegistry, error, guard, interim

CONTENT = bytes(range(256)) * 400
DIGEST = dxf.hash_bytes(CONTENT)
SMALL_PART = 30_000
LIMITS = partial(dxf.Limits, backoff=0.001, longest_retry_after=0.001, small_part=SMALL_PART)
SOURCES = st.sampled_from(('file', 'file in parts', 'generator'))
TOKEN = 'c2VjcmV0'
MAX_REQUESTS = 200
SCHEDULES = int(os.environ.get('DXF_TEST_SCHEDULES', '200'))
"""How many schedules of a server's faults are run; a third as many of the network's.

They are the same at each run: to find what is new, run more of them.
"""

PAGE = Answer(200, {'Content-Type': 'text/html'}, b'<!DOCTYPE html><title>Sign in</title>')
USELESS = ('', 'x', 'sha512:' + '0' * 128, 'sha256:')


@dataclass(frozen=True)
class Spoiling:
    """What happens to one request.

    :param kind: the name of one of the faults below
    :param status: of an answer that takes the ordinary one's place
    :param at: a place in a body, counted modulo its length; or another choice
    """

    kind: str
    status: int = 500
    at: int = 0


KINDS = ('none', 'lost before', 'lost after', 'reset before', 'refused', 'refused after', 'redirected away',
         'redirected to http', 'redirected in circles', 'located away', 'cut', 'reset within', 'too long', 'flipped',
         'encoded', 'unlabelled', 'undelimited', 'lying digest', 'lying range', 'short of body', 'challenged', 'empty',
         'login page', 'redirected to a login page', 'web page', 'useless digest', '103',
         '103 then refused')
SPOILINGS = st.builds(Spoiling, st.sampled_from(KINDS), st.sampled_from(
    (301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 408, 409, 413, 416, 429, 500, 502, 503, 504)),
    st.integers(0, 10 ** 6))


class Stage:
    """The registry that is spoiled, and two other origins that record what reaches them and hold the same."""

    def __init__(self, certificates: Certificates) -> None:
        self.certificates = certificates
        self.registry = ScriptedRegistry(certificates)
        self.others = (ScriptedRegistry(certificates), ScriptedRegistry())
        for other in self.others:
            other.memory = self.registry.memory
        self._schedule: Iterator[Spoiling] = iter(())
        self._is_replaced = False
        self._chosen = threading.local()  # requests at the same time have their own
        self._guard = guard(f'Bearer {TOKEN}', 'Basic realm="here"')
        self.registry.early = self._early
        self.registry.hook = self._spoiled

    def begin(self, schedule: list[Spoiling], challenging: bool) -> None:
        """Forget what happened, and spoil the next requests like this."""
        self._schedule = chain(schedule, repeat(Spoiling('none')))
        self._is_replaced = False
        for server in (self.registry, *self.others):
            server.requests.clear()
        away = error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Basic realm="there"'})
        self.others[0].hook = (lambda request: away) if challenging else None

    def _early(self, request: Request) -> Answer | None:
        self._chosen.spoiling = spoiling = next(self._schedule)
        if spoiling.kind == 'short of body' and request.method != 'GET':
            return replace(error(spoiling.status, 'UNKNOWN'), take=spoiling.at % len(CONTENT))
        return None

    def _spoiled(self, request: Request) -> Answer:
        spoiling, others = self._chosen.spoiling, self.others
        self._is_replaced = self._is_replaced or spoiling.kind == 'web page'  # from now on
        if self._is_replaced or spoiling.kind == 'login page' or request.path == '/login':
            return PAGE
        instead = {
            'redirected to a login page': Answer(307 if spoiling.at % 2 else 302, {'Location': '/login'}),
            'lost before': LOST, 'reset before': RESET, 'refused': error(spoiling.status, 'UNKNOWN'),
            '103 then refused': replace(error(spoiling.status, 'UNKNOWN'), before=[interim(103)]),
            'redirected away': Answer(spoiling.status, {'Location': others[0].url + request.target}),
            'redirected to http': Answer(307, {'Location': others[1].url + request.target}),
            'redirected in circles': Answer(307, {'Location': request.target}),
            'challenged': error(401, 'UNAUTHORIZED', headers={
                'WWW-Authenticate': f'Bearer realm="{others[0].url}/token",service="x"'})}
        if spoiling.kind in instead:
            return instead[spoiling.kind]
        if spoiling.kind == 'empty':
            # Nobody can doubt the 204 of a deletion.
            return Answer(204 if spoiling.at % 2 and request.method != 'DELETE' else 200)
        return self._damaged(self._guard(request) or self.registry.ordinary(request), spoiling)

    def _damaged(self, answer: Answer, spoiling: Spoiling) -> Answer:
        body = answer.body if isinstance(answer.body, bytes) else b''
        at = spoiling.at % (len(body) or 1)
        headers = dict(answer.headers)
        kind = spoiling.kind
        if kind in ('lost after', 'refused after'):
            return LOST if kind == 'lost after' else error(spoiling.status, 'UNKNOWN')
        if kind == 'located away' and 'Location' in headers:
            headers['Location'] = self.others[spoiling.at % 2].url + headers['Location']
        if kind in ('cut', 'too long') and body:
            return replace(answer, body=body[:at] if kind == 'cut' else body + b'0', declared=len(body))
        if kind == 'flipped' and body:
            return replace(answer, body=body[:at] + bytes([body[at] ^ 1]) + body[at + 1:])
        if kind == 'unlabelled':
            headers.pop(('Location', 'Docker-Content-Digest', 'Content-Type', 'Range')[spoiling.at % 4], None)
        headers.update({
            'encoded': {'Content-Encoding': 'gzip'},
            'lying range': {'Range': f'0-{spoiling.at}',
                            'Content-Range': f'bytes {at}-{len(CONTENT) - 1}/{len(CONTENT)}'},
            'useless digest': {'Docker-Content-Digest': USELESS[spoiling.at % len(USELESS)]},
            'lying digest': {'Docker-Content-Digest': 'sha256:' + '0' * 64}}.get(kind, {}))
        return replace(answer, headers=headers, undelimited=kind == 'undelimited',
                       before=[interim(103)] if kind == '103' else (),
                       reset=at if kind == 'reset within' and body else None)


@pytest.fixture(autouse=True, scope='module')
def quick() -> Iterator[None]:
    """Let dxf wait for a moment only, and send small parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('dxf.environment.clients.Limits', LIMITS)
        yield


@pytest.fixture(name='stage', scope='module')
def set_stage(certificates: Certificates) -> Iterator[Stage]:
    """The scripted registry and the other origins."""
    stage = Stage(certificates)
    with stage.registry, stage.others[0], stage.others[1]:
        yield stage


@pytest.fixture(name='proxy', scope='module')
def start_proxy(open_registry: Endpoint) -> Iterator[FaultProxy]:
    """The proxy in front of the real registry."""
    with FaultProxy(open_registry.host) as proxy:
        yield proxy


@pytest.fixture(name='filename', scope='module')
def write_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file that holds the content."""
    path: Path = tmp_path_factory.mktemp('content') / 'file'
    path.write_bytes(CONTENT)
    return str(path)


def run(environ: dict[str, str], *args: str) -> bytes | None:
    """Run a command; return what it printed, ``None`` where it failed, which is one line."""
    buffer, lines = io.BytesIO(), io.StringIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(buffer, 'utf-8', write_through=True)) as out, \
            contextlib.redirect_stderr(lines):
        try:
            status = doit(args, {'DXF_PROGRESS': '0', 'DXF_RETRIES': '2', **environ})
        except (dxf.exceptions.DXFError, RequestException) as failure:
            status = status_of(failure)
            print(line_of(failure), file=lines)
            assert status != 0
        out.flush()
        printed = buffer.getvalue()
    assert len(lines.getvalue().splitlines()) == (status != 0), lines.getvalue()
    assert TOKEN not in lines.getvalue() and '?' not in lines.getvalue()
    if status != 0 and args[0] == 'pull-blob':
        assert len(printed) < len(CONTENT)
    return printed if status == 0 else None


def push_generator(client: dxf.DXF) -> bool:
    """Push the content from a generator and name it; say whether that went well."""
    try:
        digest = client.push_blob(data=(CONTENT[start:start + 7000] for start in range(0, len(CONTENT), 7000)))
        client.set_alias('name', digest)
    except (dxf.exceptions.DXFError, RequestException):
        return False
    return digest == DIGEST


def push(source: str, environ: dict[str, str], client: dxf.DXF, repo: str, filename: str) -> bool:
    """Push a file by the command line, or a generator by the library, and say whether that went well."""
    if source == 'generator':
        return push_generator(client)
    part = SMALL_PART if source == 'file in parts' else len(CONTENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('dxf.environment.clients.Limits', partial(LIMITS, part=part))
        printed = run(environ, 'push-blob', repo, filename, '@name')
    assert printed in (None, f'{DIGEST}\n'.encode())
    return printed is not None


def check_pull(environ: dict[str, str], repo: str) -> None:
    """Pull by the alias: the content, or an error."""
    assert run(environ, 'pull-blob', repo, '@name') in (None, CONTENT)


@settings(deadline=None, derandomize=True, max_examples=SCHEDULES, print_blob=True)
@given(source=SOURCES, pushing=st.lists(SPOILINGS, max_size=8), pulling=st.lists(SPOILINGS, max_size=6),
       challenging=st.booleans())
def test_faults_of_a_server_leave_the_truth_and_the_credential(
        stage: Stage, filename: str, source: str, pushing: list[Spoiling], pulling: list[Spoiling],
        challenging: bool) -> None:
    memory, repo = stage.registry.memory, 'fred/x'
    environ = {'DXF_HOST': stage.registry.host, 'DXF_TOKEN': TOKEN, 'REQUESTS_CA_BUNDLE': stage.certificates.ca}
    client = dxf.DXF(stage.registry.host, repo, tlsverify=stage.certificates.ca, limits=LIMITS(retries=2))
    client.token = TOKEN

    def check_traffic() -> None:
        assert len(stage.registry.requests) < MAX_REQUESTS
        for other in stage.others:
            assert not any({'Authorization', 'Cookie'} & set(request.headers) for request in other.requests)
        assert not stage.others[1].requests  # http
    for held in (memory.blobs, memory.manifests, memory.tags):
        held.clear()
    stage.begin(pushing, challenging)
    with client:
        pushed = push(source, environ, client, repo, filename)
    check_traffic()
    if pushed:
        assert memory.blobs[repo][DIGEST] == CONTENT
        assert names_content(memory, repo)
    else:
        stage.begin([], False)
        assert push('file', environ, client, repo, filename)  # nothing stands in the way of another attempt
    stage.begin(pulling, challenging)
    check_pull(environ, repo)
    check_traffic()


COMMANDS = {
    'set-alias': ('set-alias', 'REPO', 'name', DIGEST),
    'set-alias --if-absent': ('set-alias', '--if-absent', 'REPO', 'name', DIGEST),
    'mount-blob': ('mount-blob', 'fred/mounted', 'REPO', DIGEST),
    'copy': ('copy', 'REPO', 'kept', '--to-repo', 'fred/mounted', '--to-alias', 'name', '--to', 'HOST'),
    'del-blob': ('del-blob', 'REPO', DIGEST),
    'blob-size': ('blob-size', 'REPO', DIGEST),
}


def is_true(memory: Memory, repo: str, command: str, printed: bytes) -> bool:
    """Return whether what a command has said by its success is so."""
    if command == 'del-blob':
        return DIGEST not in memory.blobs[repo]
    if command == 'blob-size':
        return printed == f'{len(CONTENT)}\n'.encode()
    repo = 'fred/mounted' if command in ('copy', 'mount-blob') else repo
    if memory.blobs[repo].get(DIGEST) != CONTENT:
        return False
    return command == 'mount-blob' or names_content(memory, repo)


def names_content(memory: Memory, repo: str) -> bool:
    """Return whether the alias names the blob."""
    named = json.loads(memory.manifests[repo][memory.tags[repo]['name']][1])
    if named['schemaVersion'] == 1:  # written where a registry answers 400 to schema 2
        return [layer['blobSum'] for layer in named['fsLayers']] == [DIGEST]
    return [layer['digest'] for layer in named['layers']] == [DIGEST]


@settings(deadline=None, derandomize=True, max_examples=SCHEDULES, print_blob=True)
@given(command=st.sampled_from(sorted(COMMANDS)), schedule=st.lists(SPOILINGS, min_size=1, max_size=8))
def test_faults_of_a_server_never_make_a_command_succeed_that_has_not(stage: Stage, command: str,
                                                                      schedule: list[Spoiling]) -> None:
    memory, repo = stage.registry.memory, 'fred/x'
    stage.begin([], False)
    for held in (memory.blobs, memory.manifests, memory.tags):
        held.clear()
    environ = {'DXF_HOST': stage.registry.host, 'DXF_TOKEN': TOKEN, 'DXF_TO_TOKEN': TOKEN,
               'REQUESTS_CA_BUNDLE': stage.certificates.ca}
    with dxf.DXF(stage.registry.host, repo, tlsverify=stage.certificates.ca, limits=LIMITS()) as client:
        client.token = TOKEN
        client.set_alias('kept', client.push_blob(data=CONTENT))
    stage.begin(schedule, False)
    places = {'REPO': repo, 'HOST': stage.registry.host}
    printed = run(environ, *(places.get(part, part) for part in COMMANDS[command]))
    assert printed is None or is_true(memory, repo, command, printed)
    assert len(stage.registry.requests) < MAX_REQUESTS


BYTES = st.none() | st.integers(0, 600) | st.integers(0, len(CONTENT))
FAULTS = st.just(Fault()) | st.builds(Fault, up=BYTES, down=BYTES, lost=st.sampled_from(
    (None, b'POST ', b'PUT ', b'PATCH ', b'HEAD ', b'GET ', b'PUT /v2/fred/')))


def planned(first: int, faults: list[Fault]) -> Callable[[int], Fault]:
    """Return a plan for the connections from ``first`` on."""
    return lambda number: faults[number - first] if number - first < len(faults) else Fault()


@settings(deadline=None, derandomize=True, max_examples=max(SCHEDULES // 3, 1), print_blob=True)
@given(source=SOURCES, pushing=st.lists(FAULTS, max_size=8), pulling=st.lists(FAULTS, max_size=6))
def test_faults_of_the_network_leave_the_truth(open_registry: Endpoint, proxy: FaultProxy, filename: str, source: str,
                                               pushing: list[Fault], pulling: list[Fault]) -> None:
    repo = f'fred/t{uuid.uuid4().hex}'
    environ = {'DXF_HOST': proxy.host, 'DXF_INSECURE': '1'}
    first = proxy.connections + 1
    proxy.plan = planned(first, pushing)
    with dxf.DXF(proxy.host, repo, insecure=True, limits=LIMITS(retries=2)) as client:
        pushed = push(source, environ, client, repo, filename)
    assert proxy.connections - first < MAX_REQUESTS
    with open_registry.dxf(repo) as direct:
        if not pushed:
            direct.set_alias('name', direct.push_blob(filename))
        assert direct.get_alias('name') == [DIGEST]
        assert b''.join(direct.pull_blob(DIGEST)) == CONTENT
    proxy.plan = planned(proxy.connections + 1, pulling)
    check_pull(environ, repo)
