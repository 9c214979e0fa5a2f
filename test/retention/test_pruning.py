"""Pruning of real repositories: what goes and what stays, and that all that stays can be pulled after each deletion."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, Limits, hash_bytes, retention
from dxf.exceptions import DXFConflictError, DXFError, DXFHTTPError
from dxf.layout.garbage import collect
from dxf.layout.store import Layout
from dxf.main import doit
from dxf.manifest.image import OCI_INDEX, OCI_MANIFEST, SCHEMA1_UNSIGNED, ImageManifest, Index
from dxf.retention import Decision, Rules

from ..helpers.endpoints import Endpoint
from ..helpers.memory_measurement import MeasuredRun
from ..helpers.processes import Runner
from ..servers.scripted_registry import REPO, Answer, Hook, Request, ScriptedRegistry, error
from ..servers.token_server import TokenServer

IMAGE_CONFIG = 'application/vnd.oci.image.config.v1+json'
CREATED = 'org.opencontainers.image.created'
HISTORIES = int(os.environ.get('DXF_TEST_HISTORIES', '200'))
"""Random histories: two fifths each on a registry that deletes names and one that does not, the others in folders."""

SHARE = HISTORIES * 2 // 5

DAYS = [f'nightly-2025-11-{day}' for day in range(20, 26)]
LAST = Rules(last=1)


@pytest.fixture(name='client')
def open_client(endpoint: Endpoint, repo: str) -> Iterator[DXF]:
    """A client of a repository that no test has used before."""
    with endpoint.dxf(repo) as client:
        yield client


def descriptor(client: DXF, content: bytes, media_type: str = 'application/octet-stream') -> dict[str, Any]:
    """Store a blob, and return what points to it."""
    return {'mediaType': media_type, 'digest': client.push_blob(data=content), 'size': len(content)}


def put(client: DXF, alias: str, name: str, created: str | None = None, **members: Any) -> str:
    """Store a manifest that differs by a name, under an alias or, if that is empty, its digest; return the digest.

    :param created: what its configuration says
    """
    config = {'name': name} if created is None else {'name': name, 'created': created}
    text = json.dumps({'schemaVersion': 2, 'mediaType': OCI_MANIFEST,
                       'config': descriptor(client, json.dumps(config).encode(), IMAGE_CONFIG),
                       'layers': [descriptor(client, name.encode())], **members})
    client.set_manifest(alias or hash_bytes(text.encode()), text)
    return hash_bytes(text.encode())


def put_index(client: DXF, alias: str, *digests: str) -> str:
    """Store an index of manifests under an alias or, if that is empty, its digest; return the digest."""
    entries = [{'mediaType': OCI_MANIFEST, 'digest': digest, 'size': len(client.get_manifest_and_response(digest)[0]),
                'platform': {'os': 'linux', 'architecture': f'a{number}'}} for number, digest in enumerate(digests)]
    text = json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': entries})
    client.set_manifest(alias or hash_bytes(text.encode()), text)
    return hash_bytes(text.encode())


def refer(digest: str) -> dict[str, Any]:
    """Return the member of a manifest that refers to another."""
    return {'subject': {'mediaType': OCI_MANIFEST, 'digest': digest, 'size': 1}}


def exists(client: DXF, reference: str) -> bool:
    """Return whether a manifest is there; in a folder, after its garbage was collected."""
    if client.host.startswith('oci:'):
        collect(Layout(client.host.removeprefix('oci:'), client.repo), True)
    return client.current_digest(reference) is not None


def pull(client: DXF, reference: str) -> None:
    """Pull all that an alias or a digest leads to."""
    stored = client.resolve(reference)
    if isinstance(stored, Index):
        for entry in stored.manifests:
            pull(client, entry.digest)
    elif isinstance(stored, ImageManifest):
        for blob in (stored.config, *stored.layers):
            assert sum(map(len, client.pull_blob(blob.digest))) == blob.size


def prune(client: DXF, rules: Rules = LAST, **options: Any) -> list[str]:
    """Prune a repository."""
    found = retention.times_of(client, client.list_aliases())
    return retention.apply(client, retention.plan(found.times, rules), digests=found.digests, **options)


# The command

def test_a_plan_is_printed_and_carried_out_if_that_is_asked_for(client: DXF, endpoint: Endpoint, repo: str,
                                                                capfd: pytest.CaptureFixture[str]) -> None:
    for day in DAYS[:3]:
        put(client, day, day)
    client.set_alias('latest', client.push_blob(data=b'no time'))
    arguments = ['prune', repo, '--keep-last=1', '--keep-daily=1']
    kept = f'keep {DAYS[2]} 2025-11-22T00:00:00Z last,daily\n'
    days = [f'{DAYS[number]} 2025-11-2{number}T00:00:00Z\n' for number in range(3)]
    assert doit(arguments, endpoint.environ()) == 0
    assert capfd.readouterr() == (f'{kept}delete {days[1]}delete {days[0]}keep latest - no-time\n', '')
    assert len(client.list_aliases()) == 4
    assert doit([*arguments, '--delete'], endpoint.environ()) == 0
    assert capfd.readouterr() == (f'{kept}keep latest - no-time\ndelete {days[0]}delete {days[1]}', '')
    assert sorted(client.list_aliases()) == ['latest', DAYS[2]]
    pull(client, DAYS[2])
    assert doit([*arguments, '--delete', '--json', '--prefix=nightly-'], endpoint.environ()) == 0
    assert json.loads(capfd.readouterr().out) == {
        'action': 'keep', 'alias': DAYS[2], 'time': '2025-11-22T00:00:00Z', 'rules': ['last', 'daily']}


def test_a_plan_says_only_what_is_true_of_tags_that_belong_to_manifests(client: DXF, endpoint: Endpoint, repo: str,
                                                                        capfd: pytest.CaptureFixture[str]) -> None:
    """Whether such a tag goes is known only when its manifest is deleted, but a rule may keep its name."""
    old, new = put(client, DAYS[0], 'old'), put(client, DAYS[5], 'new')
    tags = [f'{digest.replace(":", "-")}.{kind}' for digest in (old, new) for kind in ('sig', 'sbom')]
    for tag in tags:
        put(client, tag, tag)
    lines = [f'keep {DAYS[5]} 2025-11-25T00:00:00Z last', f'delete {DAYS[0]} 2025-11-20T00:00:00Z']
    for options, kept in (([], []), (['--keep-match=*.sig'], sorted([tags[0], tags[2]])),
                          (['--keep-match=*.sig', '--prefix=nightly-'], [])):
        arguments = ['prune', repo, '--keep-last=1', *options]
        assert doit(arguments, endpoint.environ()) == 0
        assert capfd.readouterr().out.splitlines() == [*lines, *(f'keep {tag} - match,attached' for tag in kept)]
        assert doit([*arguments, '--json'], endpoint.environ()) == 0
        assert [json.loads(line)['alias'] for line in capfd.readouterr().out.splitlines()] == [
            DAYS[5], DAYS[0], *kept]
    assert doit(['prune', repo, '--keep-last=1', '--prefix=nightly-', '--max-delete=1', '--delete'],
                endpoint.environ()) == 0
    assert capfd.readouterr().out.splitlines() == [
        lines[0], f'delete {DAYS[0]} 2025-11-20T00:00:00Z', *(f'delete {tag} -' for tag in sorted(tags[:2]))]
    assert sorted(client.list_aliases()) == sorted([DAYS[5], *tags[2:]])


WRONG = {
    'no rule': ([], 2, 'no rule keeps anything: give one, such as --keep-daily=14'),
    'a rule that keeps none': (['--keep-last=0', '--keep-daily=0'], 2, 'no rule keeps anything'),
    'no number': (['--keep-last=all'], 2, "--keep-last: 'all' is no whole number"),
    'a number below 0': (['--keep-last=-1'], 2, "--keep-last: '-1' is no whole number"),
    'no span': (['--keep-within=30'], 2, "--keep-within: invalid span '30'"),
    'no format': (['--keep-last=1', '--time-format=nightly'], 2, "--time-format: invalid format 'nightly'"),
    'a wrong limit': (['--keep-last=1', '--max-delete=few'], 2, "--max-delete: 'few' is no whole number"),
    'too many to delete': (['--keep-last=1', '--max-delete=4'], 1, '5 aliases would be deleted, and at most 4 may be: '
                           'none was deleted'),
    'an empty beginning': (['--keep-last=1', '--prefix='], 2, '--prefix is empty: the rules would be for all aliases'),
    'an empty pattern': (['--keep-last=1', '--match=', '--match=nightly-*'], 2,
                         '--match is empty; is a variable unset?'),
    'a pattern that keeps none': (['--keep-match=nightly-2026*'], 1, "no alias matches the pattern 'nightly-2026*'"),
    'a pattern that matches none': (['--keep-last=1', '--match=weekly-*'], 1, "matches the pattern 'weekly-*'"),
    'a part of a name': (['--keep-last=1', '--match=night'], 1, 'nothing was deleted; night* matches some'),
    'a regular expression': (['--keep-last=1', '--match=^night.*'], 1, 'nothing was deleted; night* matches some'),
    'a beginning that none has': (['--keep-last=1', '--prefix=weekly-'], 1, "begins with 'weekly-'"),
}


@pytest.mark.parametrize(('options', 'status', 'line'), WRONG.values(), ids=WRONG)
def test_wrong_rules_and_patterns_are_one_line_and_nothing_is_deleted(folder: Endpoint, options: list[str],
                                                                      status: int, line: str) -> None:
    client = folder.dxf(REPO)
    for day in DAYS:
        put(client, day, day)
    ended = Runner(folder.environ()).run('prune', REPO, '--delete', *options).insist(status)
    assert line in ended.lines[0]
    assert client.list_aliases() == DAYS


def test_a_repository_that_is_missing_is_one_line_and_an_empty_one_has_nothing_to_delete(
        endpoint: Endpoint, repo: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert doit(['prune', repo, '--keep-last=1', '--delete'], endpoint.environ()) == 2
    out, problem = capfd.readouterr()
    assert out == '' and len(problem.splitlines()) == 1 and repo in problem


def test_an_empty_repository_has_nothing_to_delete(server: ScriptedRegistry) -> None:
    server.script('GET', f'/v2/{REPO}/tags/list', [Answer(body=b'{"tags": null}')])
    ended = Runner(server.environ()).run('prune', REPO, '--keep-last=1', '--prefix=nightly-', '--delete').insist(0)
    assert ended.out == b''


def test_a_plan_needs_no_right_to_delete(token_registry: Endpoint, tokens: TokenServer, repo: str) -> None:
    client = token_registry.dxf(repo)
    for day in DAYS[:2]:
        put(client, day, day)
    tokens.requests.clear()
    assert doit(['prune', repo, '--keep-last=1'], token_registry.environ()) == 0
    assert [request.scopes for request in tokens.requests] == [(f'repository:{repo}:pull',)]


# Times

def test_times_come_from_names_or_annotations_or_configurations(client: DXF) -> None:
    put(client, 'annotated', 'a', '2025-11-03T00:00:00Z', annotations={CREATED: '2025-11-02T01:00:00+01:00'})
    configured = put(client, 'configured', 'b', '2025-11-03T00:00:00.123456789Z')
    put(client, 'epoch', 'c', '1970-01-01T00:00:00Z')
    put(client, 'buildpack', 'd', '1980-01-01T00:00:01Z')
    put(client, 'zero', 'e', '0001-01-01T00:00:00Z')
    put(client, 'no-date', 'f', 'yesterday')
    newer = put(client, 'named-20251101', 'g', '2025-11-04T23:59:59-00:00')
    put_index(client, 'index', configured, newer)
    put_index(client, 'vague', newer, client.manifest_digest('epoch'))
    client.set_alias('blob', client.push_blob(data=b'{"created": "2025-11-05T00:00:00Z"}'))
    found = retention.times_of(client, client.list_aliases())
    assert {alias: time.isoformat() for alias, time in found.times.items() if time is not None} == {
        'annotated': '2025-11-02T00:00:00+00:00', 'configured': '2025-11-03T00:00:00+00:00',
        'named-20251101': '2025-11-01T00:00:00+00:00', 'index': '2025-11-04T23:59:59+00:00'}
    assert found.times.keys() == set(client.list_aliases())
    assert found.digests == {alias: client.manifest_digest(alias) for alias in found.times if alias[:5] != 'named'}


def test_a_repository_in_which_no_alias_has_a_time_is_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]
                                                               ) -> None:
    client, signature = DXF(f'oci:{tmp_path}/blobs', REPO), f'{hash_bytes(b"monday").replace(":", "-")}.sig'
    for alias in ('monday', 'tuesday', signature):
        client.set_alias(alias, client.push_blob(data=alias.encode()))
    environ = {'DXF_HOST': f'oci:{tmp_path}/blobs'}
    with pytest.raises(DXFError, match=f'no alias of {REPO} has a time, so all stay: put the date into names, as '
                       r'@nightly-\$\(date \+%F\) does; --time-format=FORMAT reads other dates'):
        doit(['prune', REPO, '--keep-last=1', '--delete'], environ)
    assert capfd.readouterr() == ('', '')
    assert client.list_aliases() == ['monday', signature, 'tuesday']


@pytest.mark.parametrize('missing', ['manifest', 'configuration', 'damaged configuration',
                                     'signature'])
def test_an_alias_whose_manifest_or_configuration_is_missing_or_damaged_has_no_time(
        server: ScriptedRegistry, missing: str) -> None:
    client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=0))
    put(client, 'a', 'a', '2025-11-03T00:00:00Z')
    memory = server.memory
    manifest = client.resolve('a')
    assert isinstance(manifest, ImageManifest)
    if missing == 'manifest':
        del memory.manifests[REPO][manifest.digest]
    elif missing == 'configuration':
        del memory.blobs[REPO][manifest.config.digest]
    elif missing == 'signature':
        memory.put_manifest(REPO, 'a', SCHEMA1_UNSIGNED, b'{"schemaVersion": 1, "fsLayers": [], "history": []}')
    else:
        memory.blobs[REPO][manifest.config.digest] = b'x' * manifest.config.size
    assert retention.times_of(client, ['a']).times == {'a': None}


def test_a_large_configuration_is_not_fetched(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True)
    put(client, 'a', 'a', '2025-11-03T00:00:00Z' + ' ' * (4 << 20))
    server.requests.clear()
    assert retention.times_of(client, ['a']).times == {'a': None}
    assert server.lines() == [f'GET /v2/{REPO}/manifests/a']


def test_a_registry_that_refuses_a_manifest_is_an_error_and_nothing_is_deleted(server: ScriptedRegistry) -> None:
    fill(server, 3)
    server.memory.put_manifest(REPO, 'stable', OCI_MANIFEST, b'{}')
    server.script('GET', f'/v2/{REPO}/manifests/stable', [error(403, 'DENIED')])
    Runner(server.environ()).run('prune', REPO, '--keep-last=1', '--delete').insist(13)
    assert server.of('DELETE') == []


def test_an_alias_that_was_set_again_after_its_time_was_read_is_not_deleted(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True)
    put(client, 'stable', 'a', '2025-11-01T00:00:00Z')
    put(client, 'newest', 'b', '2025-11-02T00:00:00Z')
    found = retention.times_of(client, client.list_aliases())
    put(client, 'stable', 'c', '2025-11-03T00:00:00Z')
    server.requests.clear()
    with pytest.raises(DXFConflictError, match='somebody else has set the alias stable of fred/a meanwhile'):
        retention.apply(client, retention.plan(found.times, LAST), digests=found.digests)
    assert server.of('DELETE') == []


# What belongs to others

def test_a_manifest_stays_for_another_alias_and_for_an_index(client: DXF) -> None:
    shared, listed = put(client, DAYS[0], 'shared'), put(client, DAYS[1], 'listed')
    put(client, DAYS[5], 'shared')
    put_index(client, 'latest', listed)
    assert prune(client) == DAYS[:2]
    assert sorted(client.list_aliases()) == ['latest', DAYS[5]]
    assert client.manifest_digest(DAYS[5]) == shared
    pull(client, 'latest')


def test_what_refers_to_a_manifest_goes_with_it_and_stays_with_it(client: DXF) -> None:
    old, new, shared = (put(client, day, day) for day in (DAYS[0], DAYS[5], DAYS[1]))
    put(client, 'latest', DAYS[1])
    gone = put(client, '', 'signature', **refer(old))
    second = put(client, '', 'signature of a signature', **refer(gone))
    staying = [put(client, '', 'signature', **refer(digest)) for digest in (new, shared)]
    deleted = prune(client)
    assert deleted[:4] == [second, gone, *DAYS[:2]]
    assert not any(exists(client, digest) for digest in (old, gone, second))
    assert all(exists(client, digest) for digest in (new, shared, *staying))
    assert client.list_aliases().count('latest') == 1
    assert [one['digest'] for one in client.list_referrers(new)] == staying[:1]


def test_tags_that_belong_to_a_manifest_go_with_it_and_stay_with_it(client: DXF) -> None:
    old, new = put(client, DAYS[0], 'old'), put(client, DAYS[5], 'new')
    tags = [f'{digest.replace(":", "-")}.sig' for digest in (old, new, hash_bytes(b'in another repository'))]
    for tag in tags:
        put(client, tag, tag)
    assert prune(client) == [DAYS[0], tags[0]]
    assert sorted(client.list_aliases()) == sorted([DAYS[5], *tags[1:]])


def test_a_tag_that_a_rule_keeps_by_its_name_stays_without_its_manifest(client: DXF) -> None:
    old, new = put(client, DAYS[0], 'old'), put(client, DAYS[5], 'new')
    tags = [f'{digest.replace(":", "-")}.{kind}' for digest in (old, new) for kind in ('sig', 'sbom')]
    for tag in tags:
        put(client, tag, tag)
    assert prune(client, Rules(last=1, match=('*.sig',))) == [DAYS[0], tags[1]]
    assert sorted(client.list_aliases()) == sorted([DAYS[5], tags[0], *tags[2:]])
    pull(client, tags[0])


def test_a_referrer_that_an_alias_names_stays_and_so_does_its_subject(client: DXF) -> None:
    old = put(client, DAYS[0], 'old')
    put(client, DAYS[5], 'new')
    put(client, 'report', 'report', **refer(old))
    assert prune(client) == [DAYS[0]]
    assert exists(client, 'report') and exists(client, old)


def test_what_a_registry_lists_as_a_referrer_without_reason_is_not_deleted(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True)
    old, new, other = put(client, DAYS[0], 'old'), put(client, DAYS[5], 'new'), put(client, '', 'other')
    unreadable = client.push_blob(data=b'{')
    server.memory.manifests[REPO][unreadable] = (OCI_MANIFEST, b'{')
    for listed in (new, other, unreadable):
        entries = json.dumps({'manifests': [{'digest': listed}]}).encode()
        server.hook = lambda request, body=entries: Answer(body=body) if '/referrers/' in request.path else None
        put(client, DAYS[0], 'old')
        assert prune(client) == [DAYS[0]]
        assert server.memory.manifests[REPO].keys() == {old, new, other, unreadable}


# After each deletion

class Histories:
    """Random aliases for the same few manifests: images, indexes of them, and what refers to them."""

    def __init__(self, client: DXF) -> None:
        images = [put(client, '', name) for name in ('one', 'two', 'three')]
        signature = put(client, '', 'signature', **refer(images[0]))
        report = put(client, '', 'report', **refer(signature))
        self.digests = [*images, signature, report, put_index(client, '', *images[:2]),
                        put_index(client, '', *images[1:])]
        self.referring = {digest: {str(one['digest']) for one in client.list_referrers(digest)}
                          for digest in self.digests}
        self.needed = {digest: self._needed(client, digest) for digest in self.digests}
        """By the digest of a manifest, those of all that must be there as long as it has an alias."""

    def _needed(self, client: DXF, digest: str) -> set[str]:
        stored = client.resolve(digest)
        found = {digest}
        for entry in stored.manifests if isinstance(stored, Index) else ():
            found |= self._needed(client, entry.digest)
        for referrer in self.referring[digest]:
            found |= self._needed(client, referrer)
        return found

    def check(self, client: DXF, seed: int, name: Callable[[dict[str, str]], object],
              has: Callable[[str, set[str]], bool]) -> None:
        """Name manifests at random, prune, and check that each alias that stays has all that it needs all the time.

        :param name: gives each alias its manifest
        :param has: returns whether an alias names the first digest, and the repository has all of them
        """
        chance = random.Random(seed)
        named = {f'{chance.randint(1, 28):02}-{number}': chance.choice(self.digests)
                 for number in range(chance.randint(2, 7))}
        name(named)
        decisions = self._plan(client, chance, named)
        going = [one.alias for one in reversed(decisions) if one.goes]
        staying = named.keys() - set(going)

        def check(deleted: str) -> None:
            lost = [alias for alias in staying if not has(alias, {named[alias]} | self.needed[named[alias]])]
            assert not lost, f'seed {seed}: {lost} after {deleted}'
        done = retention.apply(client, decisions, on_deleted=check)
        assert [alias for alias in done if alias in named] == going, f'seed {seed}'
        assert staying == named.keys() & set(client.list_aliases()), f'seed {seed}'
        for alias in staying if seed % 20 == 0 else ():
            pull(client, alias)
            assert {one['digest'] for one in client.list_referrers(named[alias])} == self.referring[named[alias]], seed

    @staticmethod
    def _plan(client: DXF, chance: random.Random, named: dict[str, str]) -> list[Decision]:
        """Return a plan for all aliases by random rules, at a moment after all of them or before some."""
        start = datetime(2025, 11, 1, tzinfo=timezone.utc)
        times = {alias: None if alias not in named or chance.random() < 0.1 else
                 start + timedelta(hours=int(alias[:2]) * 12) for alias in client.list_aliases()}
        rules = Rules(last=chance.randint(1, 2), daily=chance.randint(0, 3), weekly=chance.randint(0, 1))
        return retention.plan(times, rules, start + timedelta(days=chance.choice((9, 30))))


def test_after_each_deletion_of_random_histories_all_that_stays_can_be_pulled_from_a_folder(store: Endpoint) -> None:
    client = store.dxf('fred/template')
    histories = Histories(client)
    template = store.registry.storage / 'fred/template'
    index = json.loads((template / 'index.json').read_text())
    sizes = {digest: len(client.get_manifest_and_response(digest)[0]) for digest in histories.digests}
    types = {digest: json.loads(client.get_manifest_and_response(digest)[0])['mediaType']
             for digest in histories.digests}
    for seed in range(2 * SHARE, HISTORIES):
        folder = store.registry.storage / f'fred/h{seed}'
        shutil.copytree(template, folder)

        def name(named: dict[str, str], folder: Path = folder) -> None:
            entries = [{'mediaType': types[digest], 'digest': digest, 'size': sizes[digest],
                        'annotations': {'org.opencontainers.image.ref.name': alias}}
                       for alias, digest in named.items()]
            (folder / 'index.json').write_text(json.dumps({**index, 'manifests': [*index['manifests'], *entries]}))

        def has(alias: str, digests: set[str], folder: Path = folder) -> bool:
            entries = json.loads((folder / 'index.json').read_text())['manifests']
            return alias in [one.get('annotations', {}).get('org.opencontainers.image.ref.name') for one in entries
                             if one['digest'] in digests] and \
                all((folder / 'blobs' / digest.replace(':', '/')).exists() for digest in digests)
        histories.check(store.dxf(f'fred/h{seed}'), seed, name, has)
        shutil.rmtree(folder)


@pytest.mark.parametrize(('deletes_names', 'seeds'), [(True, range(SHARE)), (False, range(SHARE, 2 * SHARE))])
def test_after_each_deletion_of_random_histories_all_that_stays_can_be_pulled_from_a_registry(
        server: ScriptedRegistry, deletes_names: bool, seeds: range) -> None:
    def hook(request: Request) -> Answer | None:
        return error(400, 'DIGEST_INVALID') if request.method == 'DELETE' and ':' not in request.path else None
    client = DXF(server.host, REPO, insecure=True, limits=Limits(settle=0.001), jobs=1)
    histories = Histories(client)
    server.hook = None if deletes_names else hook
    memory = server.memory
    tags, manifests = dict(memory.tags[REPO]), dict(memory.manifests[REPO])

    def name(named: dict[str, str]) -> None:
        memory.tags[REPO], memory.manifests[REPO] = {**tags, **named}, dict(manifests)

    def has(alias: str, digests: set[str]) -> bool:
        return memory.tags[REPO].get(alias) in digests and digests <= memory.manifests[REPO].keys()
    for seed in seeds:
        histories.check(client, seed, name, has)


def test_after_each_deletion_of_random_histories_all_that_stays_can_be_pulled_from_docker_s_registry(
        open_registry: Endpoint, repo: str) -> None:
    for seed in (0, 20, 40, 60):
        with DXF(open_registry.host, f'{repo}-{seed}', insecure=True, limits=Limits(settle=0.001)) as client:
            def name(named: dict[str, str], client: DXF = client) -> None:
                for alias, digest in named.items():
                    client.set_manifest(alias, client.get_manifest_and_response(digest)[0])

            def has(alias: str, digests: set[str], client: DXF = client) -> bool:
                return client.current_digest(alias) in digests and \
                    all(client.current_digest(digest) == digest for digest in digests)
            Histories(client).check(client, seed, name, has)


# What it costs

def fill(server: ScriptedRegistry, number: int) -> None:
    """Store so many nights, the first two of which share a manifest, with a signature of the third."""
    client = DXF(server.host, REPO, insecure=True, limits=Limits(settle=0.001))
    digests = [put(client, f'nightly-2025-11-{20 + night}', str(max(night, 1))) for night in range(number)]
    put(client, '', 'signature', **refer(digests[2]))
    put(client, f'sha256-{digests[2].partition(":")[2]}.sig', 'signature by tag')
    server.requests.clear()


def paging(server: ScriptedRegistry) -> Hook:
    """Return a hook by which a registry lists at most 1,000 names at a time."""
    def hook(request: Request) -> Answer | None:
        if request.path.endswith('/tags/list') and request.parameter('n') is None:
            return server.ordinary(Request(request.method, request.path, 'n=1000', request.headers, 0))
        return None
    return hook


def test_ten_thousand_aliases_are_planned_by_their_names_in_few_requests_and_little_memory(
        server: ScriptedRegistry, tmp_path: Path) -> None:
    start = datetime(1999, 1, 1)
    digest = hash_bytes(b'{}')
    server.memory.manifests[REPO][digest] = (OCI_MANIFEST, b'{}')
    server.memory.tags[REPO] = {f'nightly-{start + timedelta(days=day):%Y-%m-%d}': digest for day in range(10_000)}
    server.hook = paging(server)
    ran = MeasuredRun(tmp_path, server.environ(), 'prune', REPO, '--keep-daily=14', '--keep-monthly=12')
    assert (ran.status, ran.lines) == (0, [])
    lines = ran.out.decode().splitlines()
    assert len(lines) == 10_000 and sum(line.startswith('keep ') for line in lines) == 25
    assert len(server.requests) <= 15
    assert ran.peak < 64


@pytest.mark.parametrize('number', [4, 20])
def test_a_registry_that_refuses_deletions_is_asked_once(server: ScriptedRegistry, number: int) -> None:
    fill(server, number)
    before = deepcopy((server.memory.tags, server.memory.manifests))
    server.hook = lambda request: error(405, 'UNSUPPORTED') if request.method == 'DELETE' else None
    ended = Runner(server.environ()).run('prune', REPO, '--keep-last=1', '--delete').insist(1)
    assert 'is as it was' in ended.lines[0]
    assert ended.out.decode().splitlines()[0].startswith('keep ') and b'delete' not in ended.out
    assert len(server.of('DELETE')) == 1 and server.of('PUT') == []
    assert (server.memory.tags, server.memory.manifests) == before


def test_each_manifest_is_asked_for_once_whatever_number_of_tags_belongs_to_it(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True)
    old, _ = put(client, DAYS[0], 'old'), put(client, DAYS[5], 'new')
    tags = [f'{old.replace(":", "-")}.{kind}' for kind in ('att', 'sbom', 'sig')]
    for tag in tags:
        put(client, tag, tag)
    deleted: list[str] = []

    def forget(alias: str) -> None:
        if not deleted:
            server.requests.clear()
        deleted.append(alias)
    assert prune(client, on_deleted=forget) == deleted == [DAYS[0], *tags]
    assert [request.line for request in server.of('HEAD')].count(f'HEAD /v2/{REPO}/manifests/{old}') == 1


def test_what_was_deleted_before_an_error_is_returned_one_by_one(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=0))
    digests = [put(client, day, day) for day in DAYS[:3]]
    server.script('DELETE', f'/v2/{REPO}/manifests/{digests[1]}', [error(500, 'UNKNOWN')])
    seen: list[str] = []
    with pytest.raises(DXFHTTPError):
        prune(client, on_deleted=seen.append)
    assert seen == DAYS[:1] and client.list_aliases() == DAYS[1:3]


def test_a_plan_that_deletes_too_many_is_not_begun(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True)
    for day in DAYS[:3]:
        put(client, day, day)
    with pytest.raises(DXFError, match='^2 aliases would be deleted, and at most 1 may be: none was deleted$'):
        prune(client, max_delete=1)
    with pytest.raises(DXFError, match='^1 alias would be deleted, and at most 0 may be: none was deleted$'):
        prune(client, Rules(last=2), max_delete=0)
    assert prune(client, max_delete=2) == DAYS[:2]
    assert not prune(client, max_delete=0)
