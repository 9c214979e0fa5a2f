"""Mirrors: which aliases are copied and deleted, what an unchanged one costs, and what is never deleted."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

import dxf
from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFError, DXFHTTPError, DXFInvalidDocumentError
from dxf.manifest.image import SCHEMA1_UNSIGNED

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.repository_content import push_alias, push_referrer, reachable
from ..servers.scripted_registry import LOST, Answer, Request, ScriptedRegistry, error

REPO = 'fred/a'
MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
LISTING = f'/v2/{REPO}/tags/list'


@pytest.fixture(name='pair', params=['open_registry to token_registry', 'token_registry to folder',
                                     'folder to open_registry'])
def each_pair(request: pytest.FixtureRequest) -> tuple[Endpoint, Endpoint]:
    """An open registry, one with tokens over TLS, and a folder, each to another."""
    source, _, target = request.param.partition(' to ')
    return request.getfixturevalue(source), request.getfixturevalue(target)


@pytest.fixture(name='other')
def start_other() -> ScriptedRegistry:
    """A second registry, to mirror to; the test starts it."""
    return ScriptedRegistry()


def plant(registry: ScriptedRegistry, alias: str, content: bytes) -> str:
    """Have a registry keep an alias of one blob, and return the digest of its manifest."""
    blob = {'mediaType': 'application/octet-stream', 'digest': registry.memory.put(REPO, content), 'size': len(content)}
    text = json.dumps({'schemaVersion': 2, 'mediaType': MANIFEST, 'config': blob, 'layers': [blob]})
    return registry.memory.put_manifest(REPO, alias, MANIFEST, text.encode())


def of(registry: ScriptedRegistry, limits: Limits = Limits(retries=0)) -> DXF:
    """Return a client of a registry."""
    return DXF(registry.host, REPO, insecure=True, limits=limits)


def methods(registry: ScriptedRegistry) -> Counter[str]:
    """Return how many requests there were by each method."""
    return Counter(request.method for request in registry.requests)


# What it does


def test_a_mirror_gets_what_is_new_and_what_changed_and_loses_what_is_gone(pair: tuple[Endpoint, Endpoint],
                                                                           repo: str) -> None:
    source, target = (endpoint.dxf(repo) for endpoint in pair)
    for alias in ('same', 'changed', 'gone'):
        push_alias(source, alias.encode(), alias=alias)
    assert sorted(dxf.mirror(source, target).copied) == ['changed', 'gone', 'same']
    push_alias(source, b'another', alias='changed')
    push_alias(source, b'new', alias='new')
    source.del_alias('gone')
    planned = dxf.mirror(source, target, delete=True, dry_run=True)
    assert (set(planned.copied), set(planned.unchanged), planned.deleted) == ({'changed', 'new'}, {'same'}, ['gone'])
    assert sorted(target.list_aliases()) == ['changed', 'gone', 'same']
    assert dxf.mirror(source, target, delete=True) == planned
    assert sorted(target.list_aliases()) == ['changed', 'new', 'same']
    for alias in target.list_aliases():
        assert reachable(target, alias) == reachable(source, alias)


def test_a_pattern_bounds_what_is_copied_and_what_is_deleted(open_registry: Endpoint, folder: Endpoint,
                                                             repo: str) -> None:
    source, target = open_registry.dxf(repo), folder.dxf(repo)
    for alias in ('2026-1', '2026-2', 'other'):
        push_alias(source, alias.encode(), alias=alias)
    for alias in ('2026-0', 'own'):
        push_alias(target, alias.encode(), alias=alias)
    mirrored = dxf.mirror(source, target, match='2026-*', delete=True)
    assert (sorted(mirrored.copied), mirrored.deleted) == (['2026-1', '2026-2'], ['2026-0'])
    assert sorted(target.list_aliases()) == ['2026-1', '2026-2', 'own']


def test_an_alias_that_is_there_is_not_looked_at_with_skip_existing(pair: tuple[Endpoint, Endpoint],
                                                                    repo: str) -> None:
    source, target = (endpoint.dxf(repo) for endpoint in pair)
    push_alias(source, b'ours', alias='both')
    push_alias(target, b'theirs', alias='both')
    push_alias(source, b'new', alias='new')
    mirrored = dxf.mirror(source, target, skip_existing=True)
    assert (list(mirrored.copied), mirrored.unchanged, mirrored.skipped) == (['new'], {}, ['both'])
    assert target.get_alias('both') == [hash_bytes(b'theirs')]


@pytest.mark.parametrize('is_manifest', [True, False])
def test_what_a_folder_has_lost_is_copied_again(open_registry: Endpoint, folder: Endpoint, repo: str,
                                                is_manifest: bool) -> None:
    source, target = open_registry.dxf(repo), folder.dxf(repo)
    blob, = push_alias(source, b'content')
    dxf.mirror(source, target)
    whole = reachable(target, 'a')
    folder.file_of(repo, source.manifest_digest('a') if is_manifest else blob).unlink()
    assert list(dxf.mirror(source, folder.dxf(repo)).copied) == ['a']
    assert reachable(folder.dxf(repo), 'a') == whole


@pytest.mark.parametrize('content', [b'', b'con', b'contents'])
def test_a_blob_of_which_a_folder_has_a_file_of_another_size_is_copied_again(
        open_registry: Endpoint, folder: Endpoint, repo: str, content: bytes) -> None:
    source = open_registry.dxf(repo)
    blob, = push_alias(source, b'content')
    dxf.mirror(source, folder.dxf(repo))
    file = folder.file_of(repo, blob)
    file.unlink()
    file.write_bytes(content)  # as an interrupted cp leaves it
    assert list(dxf.mirror(source, folder.dxf(repo)).copied) == ['a']
    assert file.read_bytes() == b'content'


@pytest.mark.parametrize(('media_type', 'content'), [
    (MANIFEST, {}),
    (MANIFEST, {'schemaVersion': 2, 'mediaType': MANIFEST, 'layers': [],
                'config': {'mediaType': 'text/x', 'digest': f'sha512:{"0" * 128}', 'size': 1}}),
    (SCHEMA1_UNSIGNED, {'schemaVersion': 1, 'fsLayers': [], 'history': []}),
])
def test_an_alias_of_the_target_that_cannot_be_read_is_replaced(server: ScriptedRegistry, other: ScriptedRegistry,
                                                                media_type: str, content: dict[str, object]) -> None:
    """Without a digest in the answer to HEAD, the manifest has to be read."""
    digest = plant(server, 'a', b'content')
    with other:
        other.memory.put_manifest(REPO, 'a', media_type, json.dumps(content).encode())
        other.script('HEAD', f'/v2/{REPO}/manifests/a', [Answer()])
        assert list(dxf.mirror(of(server), of(other)).copied) == ['a']
        assert other.memory.tags[REPO]['a'] == digest


# What it costs


def test_an_unchanged_alias_costs_one_head_on_each_side(server: ScriptedRegistry, other: ScriptedRegistry) -> None:
    with other:
        for number in range(100):
            plant(server, f'a{number:03}', b'content %d' % number)
            plant(other, f'a{number:03}', b'content %d' % number)
        assert len(dxf.mirror(of(server), of(other), delete=True).unchanged) == 100
        assert methods(server) == methods(other) == {'GET': 1, 'HEAD': 100}


def test_aliases_that_are_there_cost_two_listings_with_skip_existing(server: ScriptedRegistry,
                                                                     other: ScriptedRegistry) -> None:
    with other:
        for alias in 'abc':
            plant(server, alias, b'ours')
            plant(other, alias, b'theirs')
        assert dxf.mirror(of(server), of(other), skip_existing=True, delete=True).skipped == ['a', 'b', 'c']
        assert server.lines() == other.lines() == [f'GET {LISTING}']


def test_a_new_alias_costs_no_head_of_itself_in_the_target(server: ScriptedRegistry, other: ScriptedRegistry) -> None:
    with other:
        plant(server, 'a', b'content')
        dxf.mirror(of(server), of(other))
        assert [line for line in other.lines() if line.endswith('/manifests/a')][:1] == [
            f'PUT /v2/{REPO}/manifests/a']


def test_a_target_that_lists_no_aliases_is_asked_for_each(server: ScriptedRegistry, other: ScriptedRegistry) -> None:
    with other:
        for one in (server, other):
            plant(one, 'a', b'content')
        other.hook = lambda request: error(405, 'UNSUPPORTED') if request.path == LISTING else None
        assert list(dxf.mirror(of(server), of(other)).unchanged) == ['a']
        with pytest.raises(DXFHTTPError, match='^405 '):
            dxf.mirror(of(server), of(other), delete=True)


# What is never deleted


def listing(*names: str) -> Answer:
    """Return an answer that lists aliases."""
    return Answer(200, {'Content-Type': 'application/json'}, json.dumps({'name': REPO, 'tags': names}).encode())


@pytest.mark.parametrize('answer, problem', [
    (listing(), DXFError), (listing('b', 'no alias'), DXFError), (error(500, 'UNKNOWN'), DXFHTTPError),
    (error(404, 'NAME_UNKNOWN'), DXFHTTPError), (error(403, 'DENIED'), DXFHTTPError),
    (Answer(200, {}, b'<html>'), DXFInvalidDocumentError),
    (Answer(200, {}, b'{"errors": []}'), DXFInvalidDocumentError)],
    ids=['empty', 'invalid', '500', '404', '403', 'a web page', 'no list'])
def test_nothing_is_deleted_where_the_source_does_not_say_what_it_has(
        server: ScriptedRegistry, other: ScriptedRegistry, answer: Answer, problem: type[Exception]) -> None:
    plant(server, 'b', b'more')
    server.hook = lambda request: answer if request.path == LISTING else None
    with other:
        plant(other, 'a', b'content')
        with pytest.raises(problem):
            dxf.mirror(of(server), of(other), delete=True)
        assert methods(other)['DELETE'] == 0 and 'a' in other.memory.tags[REPO]


def test_an_alias_that_the_listing_of_the_source_leaves_out_is_not_deleted(server: ScriptedRegistry,
                                                                           other: ScriptedRegistry) -> None:
    plant(server, 'a', b'content')
    plant(server, 'unlisted', b'more')
    server.hook = lambda request: listing('a') if request.path == LISTING else None
    with other:
        for alias in ('a', 'unlisted', 'gone'):
            plant(other, alias, alias.encode())
        assert dxf.mirror(of(server), of(other), delete=True).deleted == ['gone']
        assert other.memory.tags[REPO].keys() == {'a', 'unlisted'}


@pytest.mark.parametrize('place', ['HEAD of gone', 'GET of /blobs/', 'GET of /manifests/a', 'POST of /blobs/uploads/',
                                   'PUT of /manifests/a'])
def test_nothing_is_deleted_where_one_side_breaks_off_in_the_middle(server: ScriptedRegistry, other: ScriptedRegistry,
                                                                    place: str) -> None:
    method, _, path = place.partition(' of ')

    def hook(request: Request) -> Answer | None:
        return error(503, 'UNAVAILABLE') if request.method == method and path in request.path else None
    plant(server, 'a', b'content')
    with other:
        plant(other, 'gone', b'old')
        (server if method in ('HEAD', 'GET') else other).hook = hook
        with pytest.raises(DXFHTTPError, match='503 '):
            dxf.mirror(of(server), of(other), delete=True)
        assert methods(other)['DELETE'] == 0 and 'gone' in other.memory.tags[REPO]


def test_the_manifest_of_a_deleted_alias_stays_where_another_alias_needs_it(pair: tuple[Endpoint, Endpoint],
                                                                            repo: str) -> None:
    source, target = (endpoint.dxf(repo) for endpoint in pair)
    push_alias(source, b'content', alias='kept')
    dxf.copy(source, target, 'kept')
    target.set_manifest('second', str(target.get_manifest('kept')))
    before = reachable(target, 'kept')
    assert dxf.mirror(source, target, delete=True).deleted == ['second']
    assert target.list_aliases() == ['kept'] and reachable(target, 'kept') == before


def test_tags_of_referrers_stay(folder: Endpoint, open_registry: Endpoint, repo: str) -> None:
    source, target = folder.dxf(repo), open_registry.dxf(repo)
    push_alias(source, b'subject')
    push_referrer(source, source.manifest_digest('a'), 'application/x-signature')
    assert dxf.mirror(source, target, referrers=True, delete=True).deleted == []
    attached = target.list_referrers(source.manifest_digest('a'))
    assert len(attached) == 1 and len(target.list_aliases()) == 2  # the alias, and the tag of referrers
    assert dxf.mirror(source, target, delete=True).deleted == []
    assert target.list_referrers(source.manifest_digest('a')) == attached


@pytest.mark.parametrize('most', [0, 1])
def test_more_aliases_than_may_be_deleted_are_all_kept(folder: Endpoint, open_registry: Endpoint, repo: str,
                                                       most: int) -> None:
    source, target = folder.dxf(repo), open_registry.dxf(repo)
    push_alias(source, b'content')
    for alias in ('x', 'y'):
        push_alias(target, alias.encode(), alias=alias)
    with pytest.raises(DXFError, match=f'^2 aliases would be deleted, and at most {most} may be: none was deleted$'):
        dxf.mirror(source, target, delete=True, max_delete=most)
    with pytest.raises(ValueError, match='^max_delete is a number, at least 0'):
        dxf.mirror(source, target, delete=True, max_delete=-1)
    assert sorted(target.list_aliases()) == ['a', 'x', 'y']
    assert dxf.mirror(source, target, delete=True, max_delete=2).deleted == ['x', 'y']
    push_alias(target, b'z', alias='z')
    with pytest.raises(DXFError, match='^1 alias would be deleted, and at most 0 may be: none was deleted$'):
        dxf.mirror(source, target, delete=True, max_delete=0)


# A mirror that is killed


@dataclass
class Killing:
    """Two registries, and a process that is killed at one of its requests, before or after that is answered."""

    source: ScriptedRegistry
    target: ScriptedRegistry
    place: int
    answered: bool
    count: int = 0
    kill: Callable[[], None] = field(default=lambda: None)

    def __post_init__(self) -> None:
        for registry in (self.source, self.target):
            registry.hook = self._hook(registry)

    def _hook(self, registry: ScriptedRegistry) -> Callable[[Request], Answer | None]:
        def hook(request: Request) -> Answer | None:
            self.count += 1
            if self.count != self.place:
                return None
            if self.answered:
                registry.ordinary(request)
            self.kill()
            return LOST
        return hook

    def started(self, kill: Callable[[], None]) -> None:
        """Take what kills the process."""
        self.kill = kill


def fill(source: ScriptedRegistry, target: ScriptedRegistry) -> dict[str, str]:
    """Fill two registries, and return what the aliases of the target name that the source has too."""
    for registry in (source, target):
        plant(registry, 'same', b'same')
    plant(source, 'changed', b'after')
    plant(source, 'new', b'new')
    plant(target, 'changed', b'before')
    plant(target, 'gone', b'gone')
    plant(target, 'second', b'same')  # the manifest of an alias that stays
    return {alias: target.memory.tags[REPO][alias] for alias in ('same', 'changed')}


def check_whole(registry: ScriptedRegistry) -> None:
    """Insist on the manifest and the blobs of each alias."""
    for digest in registry.memory.tags[REPO].values():
        for blob in json.loads(registry.memory.manifests[REPO][digest][1])['layers']:
            assert blob['digest'] in registry.memory.blobs[REPO]


def arguments(target: ScriptedRegistry) -> tuple[str, ...]:
    """Return the command."""
    return 'copy', REPO, '--all', '--delete', '--to', target.host


def runner(source: ScriptedRegistry) -> Runner:
    """Return what runs dxf with a registry, one request after the other."""
    return Runner(source.environ(DXF_TO_INSECURE='1', DXF_JOBS='1'))


def places() -> list[tuple[int, bool]]:
    """Return the number of each request of the mirror, once more with whether it is answered if that matters."""
    with ScriptedRegistry() as source, ScriptedRegistry() as target:
        fill(source, target)
        seen: list[str] = []
        for registry in (source, target):
            registry.hook = lambda request: seen.append(request.method)
        runner(source).run(*arguments(target)).insist(0)
        assert target.memory.tags[REPO] == source.memory.tags[REPO]
    assert len(seen) > 20 and {'PUT', 'POST', 'DELETE'} < set(seen)
    return [(number, answered) for number, method in enumerate(seen, 1)
            for answered in ((False, True) if method in ('PUT', 'POST', 'DELETE') else (False,))]


def test_a_mirror_that_is_killed_at_any_request_has_lost_no_alias_that_the_source_has() -> None:
    for place, answered in places():
        with ScriptedRegistry() as source, ScriptedRegistry() as target:
            before = fill(source, target)
            runner(source).run_until(Killing(source, target, place, answered).started, *arguments(target))
            tags = target.memory.tags[REPO]
            assert tags['same'] == before['same'], place
            assert tags['changed'] in (before['changed'], source.memory.tags[REPO]['changed']), place
            check_whole(target)
            source.hook = target.hook = None
            dxf.mirror(of(source), of(target), delete=True)
            assert target.memory.tags[REPO] == source.memory.tags[REPO], place
            check_whole(target)
