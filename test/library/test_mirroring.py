"""Mirrors: which aliases are copied and deleted, what an unchanged one costs, and what is never deleted."""

import json
from collections import Counter

import pytest

import dxf
from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFError, DXFHTTPError, DXFInvalidDocumentError
from dxf.manifest.image import SCHEMA1_UNSIGNED

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.repository_content import push_alias, push_referrer, reachable
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error

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


def runner(source: ScriptedRegistry) -> Runner:
    """Return what runs dxf with a registry, one request after the other."""
    return Runner(source.environ(DXF_TO_INSECURE='1', DXF_JOBS='1'))


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


def spoil(registry: ScriptedRegistry, how: str) -> None:
    """Have a registry keep an alias that cannot be read, or of which something cannot."""
    if how == 'unknown type':
        registry.memory.put_manifest(REPO, 'b', 'application/vnd.example.own.v1+json', b'{"schemaVersion": 2}')
        return
    plant(registry, 'b', b'broken')
    digest, blob = registry.memory.tags[REPO]['b'], hash_bytes(b'broken')
    if how == 'damaged manifest':
        registry.memory.manifests[REPO][digest] = (MANIFEST, b'{}')
    elif how == 'missing manifest':
        del registry.memory.manifests[REPO][digest]
    elif how == 'damaged blob':
        registry.memory.blobs[REPO][blob] = b'nekorb'
    elif how == 'missing blob':
        del registry.memory.blobs[REPO][blob]
    else:
        text = registry.memory.manifests[REPO][digest][1].replace(b'"layers": [{', b'"layers": [{}, {')
        registry.memory.put_manifest(REPO, 'b', MANIFEST, text)


@pytest.mark.parametrize('how', ['unknown type', 'damaged manifest', 'missing manifest', 'damaged blob', 'missing blob',
                                 'broken layer'])
def test_an_alias_that_cannot_be_read_is_left_out_and_the_others_are_copied(
        server: ScriptedRegistry, other: ScriptedRegistry, how: str) -> None:
    for alias in 'ac':
        plant(server, alias, alias.encode())
    spoil(server, how)
    with other:
        mirrored = dxf.mirror(of(server), of(other))
        assert list(mirrored.copied) == ['a', 'c'] and 'b' not in other.memory.tags[REPO]
        assert len(mirrored.left_out) == 1 and mirrored.left_out[0].startswith('b: ')
        plant(other, 'gone', b'gone')
        arguments = ('copy', REPO, '--all', '--to', other.host)
        ended = runner(server).run(*arguments).insist(1)
        assert ended.lines[0].startswith('dxf: left out: b: ') and len(ended.out.splitlines()) == 2
        ended = runner(server).run(*arguments, '--delete').insist(1)
        assert 'left out: b: ' in ended.lines[0] and 'no alias was deleted' in ended.lines[0]
        assert other.memory.tags[REPO].keys() == {'a', 'c', 'gone'}


def test_what_is_wrong_with_the_target_ends_a_mirror(server: ScriptedRegistry, folder: Endpoint) -> None:
    for alias in 'ab':
        plant(server, alias, alias.encode())
    target = folder.dxf(REPO)
    push_alias(target, b'content')
    index = folder.registry.storage / REPO / 'index.json'
    index.write_text('{')
    with pytest.raises(DXFInvalidDocumentError, match='index.json: invalid JSON'):
        dxf.mirror(of(server), target)
    assert index.read_text() == '{' and not any(hash_bytes(b'b') in line for line in server.lines())


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
