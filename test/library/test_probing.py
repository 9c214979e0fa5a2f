"""A probe tells what a registry is and can do, and leaves nothing behind, even if it is killed."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

import dxf
from dxf import DXF, Limits
from dxf.probing import probe
from dxf.probing.token_actions import actions_of
from dxf.probing.writing import ALIAS

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..servers.scripted_registry import REPO, Answer, Hook, Request, ScriptedRegistry, error
from ..servers.token_server import TokenServer

WRITES = ('POST', 'PUT', 'PATCH', 'DELETE')
OCI = 'application/vnd.oci.image.manifest.v1+json'

ALL = {'uploads': 'yes', 'chunked uploads': 'yes', 'range on uploads': 'yes', 'blobs': 'yes', 'ranges': 'yes',
       'mounts': 'yes', 'manifest deletion': 'yes', 'tag deletion': 'yes', 'largest manifest': '4194304 bytes or more',
       'blob deletion': 'yes', 'stays': 'nothing'}
"""What the scripted registry answers to a probe that writes."""


def found(client: dxf.DXFBase, write: bool = False) -> dict[str, str]:
    """Return the answers of a probe by their subjects."""
    return {finding.subject: finding.answer for finding in probe(client, write)}


def is_clean(server: ScriptedRegistry) -> bool:
    """Return whether a scripted registry holds what it did before: one blob and one alias."""
    memory = server.memory
    return (list(memory.tags[REPO]), len(memory.manifests[REPO]), len(memory.blobs[REPO]), memory.uploads) == \
        (['a'], 1, 1, {})


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that can do everything but list referrers, with one alias."""
    with DXF(server.host, REPO, insecure=True) as client:
        client.set_alias('a', client.push_blob(data=b'hello'))
    server.requests.clear()
    return server


def test_a_probe_of_a_real_registry_or_folder_tells_what_it_can_and_leaves_nothing(endpoint: Endpoint, repo: str
                                                                                    ) -> None:
    with endpoint.dxf(repo) as client:
        client.set_alias('a', client.push_blob(data=b'hello'))
        client.get_alias('a')
        read, written = found(client), found(client, write=True)
        assert client.list_aliases() == ['a']
    assert endpoint.uploads(repo) == []
    tags = 'yes' if endpoint.is_folder else 'no'  # docker-registry 2.8.2 deletes by digest alone
    expected = {**ALL, 'tag deletion': tags, 'referrers API': tags, 'repository': 'yes', 'registry': endpoint.host,
                'version header': 'registry/2.0', 'catalog': 'yes' if endpoint.tokens is None else written['catalog'],
                'TLS': 'TLSv1.3' if endpoint.ca else 'no', 'login': written['login'], 'allowed': written['allowed']}
    assert written == expected
    login = 'token' if endpoint.tokens else 'basic'
    assert written['login'] == ('not asked for' if endpoint.username is None else login)
    assert {subject: answer for subject, answer in read.items() if subject in expected and subject != 'allowed'} == \
        {subject: expected[subject] for subject in read if subject in expected and subject != 'allowed'}
    assert read['mounts, chunked uploads, largest manifest'] == 'unknown'


def test_a_probe_without_write_sends_nothing_but_deletions_of_what_is_not_there(server: ScriptedRegistry,
                                                                                client: DXF) -> None:
    assert found(client)['ranges'] == 'yes'
    sent = [request for request in server.requests if request.method in WRITES]
    assert [request.method for request in sent] == ['DELETE'] * 3
    assert is_clean(server)


def refuse(method: str, part: str, status: int = 405, **headers: str) -> Hook:
    """Return a hook that refuses the requests of a method whose target has a part."""
    def hook(request: Request) -> Answer | None:
        return error(status, 'UNSUPPORTED', headers=headers) if request.method == method and part in request.target \
            else None
    return hook


def without_ranges(server: ScriptedRegistry) -> Hook:
    """Return a hook that answers a request for a part of a blob with all of it."""
    def hook(request: Request) -> Answer | None:
        del request.headers['Range']
        return server.ordinary(request)
    return hook


def with_large_parts(server: ScriptedRegistry) -> Hook:
    """Return a hook that wants parts of 1,000 bytes at least."""
    def hook(request: Request) -> Answer | None:
        if request.method == 'PATCH' and len(request.body) < 1000:
            return error(416, 'SIZE_INVALID')
        answer = server.ordinary(request)
        return replace(answer, headers={**answer.headers, 'OCI-Chunk-Min-Length': '1000'})
    return hook


def without_mounts(request: Request) -> Answer | None:
    """Forget the query of a request for a mount, as registries do that know none."""
    return None if request.parameter('mount') is None else error(404, 'BLOB_UNKNOWN')


def small_manifests(request: Request) -> Answer | None:
    """Refuse a manifest of more than a megabyte."""
    return error(413, 'MANIFEST_INVALID') if request.method == 'PUT' and len(request.body) > 1 << 20 else None


UNDELETED = {'manifest deletion': 'no', 'tag deletion': 'unknown', 'largest manifest': 'unknown'}

LACKING: dict[str, tuple[Callable[[ScriptedRegistry], Hook], dict[str, str]]] = {
    'nothing': (lambda server: server.ordinary, {}),
    'uploads': (lambda _: refuse('POST', 'uploads/', 403), {**dict.fromkeys(set(ALL) - {'uploads', 'stays'}, ''),
                                                            'uploads': 'no'}),
    'chunks': (lambda _: refuse('PATCH', 'uploads/'), {'chunked uploads': 'no', 'range on uploads': ''}),
    'small chunks': (with_large_parts, {}),
    'the status of uploads': (lambda _: refuse('GET', 'uploads/', 404), {'range on uploads': 'no'}),
    'ranges': (without_ranges, {'ranges': 'no'}),
    'mounts': (lambda _: without_mounts, {'mounts': 'no'}),
    'large manifests': (lambda _: small_manifests, {'largest manifest': 'less than 4194304 bytes'}),
    'deletions of tags': (lambda _: refuse('DELETE', f'manifests/{ALIAS}'), {'tag deletion': 'no'}),
    'deletions of manifests': (lambda _: refuse('DELETE', 'manifests/'), UNDELETED),
}


@pytest.mark.parametrize(('make_hook', 'expected'), LACKING.values(), ids=LACKING)
def test_what_a_registry_lacks_is_told_and_nothing_is_left(
        make_hook: Callable[[ScriptedRegistry], Hook], expected: dict[str, str], server: ScriptedRegistry, client: DXF
        ) -> None:
    server.hook = make_hook(server)
    wanted = {subject: answer for subject, answer in {**ALL, **expected}.items() if answer}
    written = found(client, write=True)
    assert {subject: written.get(subject) for subject in ALL if subject in written} == wanted
    server.hook = None
    assert is_clean(server)


def test_a_registry_that_lists_referrers_and_no_repositories_is_told(server: ScriptedRegistry, client: DXF) -> None:
    def hook(request: Request) -> Answer | None:
        if '/referrers/' in request.path:
            return Answer(200, {'Content-Type': 'application/vnd.oci.image.index.v1+json'}, b'{"manifests": []}')
        return error(401, 'UNAUTHORIZED') if request.path == '/v2/_catalog' else None
    server.hook = hook
    read = found(client)
    assert (read['referrers API'], read['catalog']) == ('yes', 'no')


def test_what_a_registry_does_not_delete_is_told_to_stay(server: ScriptedRegistry) -> None:
    server.hook = refuse('DELETE', '/v2/')
    ended = Runner(server.environ()).run('probe', REPO, '--write').insist(0)
    digest, = [digest for digest in server.memory.blobs[REPO] if server.memory.blobs[REPO][digest] != b'hello']
    assert ended.out.decode().splitlines()[-2:] == [
        'blob deletion: no', f'stays: the blob {digest}, until the garbage collection']
    assert (list(server.memory.tags[REPO]), len(server.memory.manifests[REPO])) == (['a'], 1)


def test_an_alias_of_the_probe_s_name_is_left_alone(server: ScriptedRegistry, client: DXF) -> None:
    mine = server.memory.put_manifest(REPO, ALIAS, OCI, b'{"schemaVersion": 2}')
    assert found(client, write=True)['tag deletion'] == 'unknown'
    assert server.memory.tags[REPO][ALIAS] == mine


class Killing:
    """Kills the client when a request that writes has been carried out, before its answer is sent.

    :param last: the number of that request
    """

    def __init__(self, server: ScriptedRegistry, last: int) -> None:
        self._server = server
        self._last = last
        self.kill: list[Callable[[], None]] = []
        self.seen: list[str] = []

    def answer(self, request: Request) -> Answer:
        """Answer a request; the last one is not heard of."""
        answer = self._server.ordinary(request)
        if request.method in WRITES:
            self.seen.append(request.line)
            if len(self.seen) == self._last:
                self.kill[0]()
        return answer


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_a_probe_that_is_killed_at_any_request_leaves_nothing_after_the_next_one(
        number: signal.Signals, server: ScriptedRegistry) -> None:
    runner = Runner(server.environ())
    runner.run('probe', REPO, '--write').insist(0)
    count = sum(request.method in WRITES for request in server.requests)
    assert count > 10
    for last in range(1, count + 1):
        killing = Killing(server, last)
        server.hook = killing.answer
        runner.run_until(killing.kill.append, 'probe', REPO, '--write', number=number)
        server.hook = None
        if number == signal.SIGKILL or killing.seen[-1].startswith('POST '):
            server.memory.uploads.clear()  # a registry forgets by itself an upload whose address was lost
        if number == signal.SIGKILL:
            runner.run('probe', REPO, '--write').insist(0)
        assert is_clean(server), killing.seen


def test_a_probe_whose_registry_goes_away_says_what_it_left(server: ScriptedRegistry) -> None:
    def hook(_request: Request) -> Answer | None:
        is_late = any(one.method == 'PUT' and '/manifests/' in one.path for one in server.requests[:-1])
        return Answer(head=False) if is_late else None
    server.hook = hook
    ended = Runner(server.environ()).run('probe', REPO, '--write')
    assert ended.status == 1
    assert f'dxf probe {REPO} --write removes what it left: the blob sha256:' in ended.lines[-1]


def test_each_finding_is_an_object_with_json(server: ScriptedRegistry) -> None:
    lines = Runner(server.environ()).run('probe', '--json').insist(0).out.decode().splitlines()
    objects = [json.loads(line) for line in lines]
    assert [one['subject'] for one in objects] == ['registry', 'version header', 'TLS', 'login', 'credential',
                                                   'catalog']
    assert all(one.keys() == {'subject', 'answer', 'detail'} for one in objects)
    ended = Runner(server.environ()).run('probe', '--write').insist(2)
    assert '--write needs a repository' in ended.lines[0]


@pytest.mark.parametrize('granted', [['pull'], ['pull', 'push', 'delete']])
def test_what_the_token_allows_is_told(granted: list[str], token_registry: Endpoint, tokens: TokenServer, repo: str
                                       ) -> None:
    with token_registry.dxf(repo) as client:
        client.set_alias('a', client.push_blob(data=b'hello'))
    tokens.grants[token_registry.username or ''] = granted  # type: ignore[assignment]
    out = Runner(token_registry.environ()).run('probe', repo).insist(0).out.decode().splitlines()
    assert f'allowed: {", ".join(sorted(granted))}' in out
    assert f'credential: the credential used is DXF_PASSWORD of user {token_registry.username}' in out
    assert any(line.startswith(f'blob deletion: {"yes" if "delete" in granted else "no"}') for line in out)
    assert os.environ.get('DXF_PASSWORD') is None


@pytest.mark.parametrize('token', ['', 'abc', 'a.b.c', 'a.bm8.c', 'a.eyJhY2Nlc3MiOiAxfQ.c', 'é.é.é'])
def test_a_token_that_cannot_be_read_is_no_error(token: str) -> None:
    assert actions_of(token, REPO) in (None, [])


def test_a_probe_that_writes_needs_a_repository(server: ScriptedRegistry) -> None:
    with pytest.raises(ValueError, match='write needs a repository'):
        probe(dxf.DXFBase(server.host, insecure=True, limits=Limits(retries=0)), write=True)
