"""What aliases hold, and what they take: list-aliases --long, its orders, du, and list-repos --prefix."""

import json
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, artifacts, hash_bytes, listing, usage
from dxf.exceptions import DXFHTTPError, DXFNotFoundError
from dxf.main import doit
from dxf.manifest.creation_time import created, read_time

from ..helpers.endpoints import Endpoint
from ..helpers.memory_measurement import MeasuredRun
from ..helpers.processes import Runner
from ..helpers.repository_content import OCI_INDEX, OCI_MANIFEST, push_alias, set_document
from ..helpers.traffic import Traffic
from ..servers.scripted_registry import REPO, Answer, ScriptedRegistry, error

MAY15 = 1778803200
OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'


def descriptor(client: DXF, content: bytes, kind: str = LAYER) -> dict[str, Any]:
    """Store a blob, and return what a manifest says of it."""
    return {'mediaType': kind, 'digest': client.push_blob(data=content), 'size': len(content)}


def push_image(client: DXF, layer: bytes, config: bytes = b'{"os":"linux"}', alias: str | None = None
               ) -> dict[str, Any]:
    """Store an image of one layer, and return what an index says of it."""
    document = {'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': descriptor(client, config, OCI_CONFIG),
                'layers': [descriptor(client, layer)], 'annotations': {'org.opencontainers.image.created': 'today'}}
    digest = set_document(client, document, alias)
    return {'mediaType': OCI_MANIFEST, 'digest': digest, 'size': len(json.dumps(document)),
            'platform': {'os': 'linux', 'architecture': 'amd64'}}


def push_index(client: DXF, alias: str, *images: dict[str, Any]) -> str:
    """Store an index of images, and return its digest."""
    return set_document(client, {
        'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': list(images),
        'annotations': {'org.opencontainers.image.created': '2026-05-16T02:00:00.5+02:00'}}, alias)


@pytest.fixture(name='report')
def write_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a file in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'report.txt').write_text('sunny')
    return 'report.txt'


def test_a_long_listing_tells_what_each_alias_holds(endpoint: Endpoint, repo: str, report: str,
                                                    capfd: pytest.CaptureFixture[str]) -> None:
    client = endpoint.dxf(repo)
    push_alias(client, b'123', b'45', alias='a')
    files = artifacts.push_files(client, 'b', [report], created=MAY15)
    image = push_image(client, b'layer', alias='c')['digest']
    index = push_index(client, 'd', push_image(client, b'layer'))
    blobs = client.manifest_digest('a')
    expected = [('a', blobs, 5, None, 'blobs'), ('b', files, 5, '2026-05-15T00:00:00Z', 'files'),
                ('c', image, 5, None, 'image'), ('d', index, None, '2026-05-16T00:00:00Z', 'index')]
    assert doit(['list-aliases', repo, '--long', '--sort'], endpoint.environ()) == 0
    assert capfd.readouterr().out.splitlines() == [
        ' '.join('-' if value is None else str(value) for value in row) for row in expected]
    assert doit(['list-aliases', repo, '--long', '--sort', '--json'], endpoint.environ()) == 0
    assert [json.loads(line) for line in capfd.readouterr().out.splitlines()] == [
        dict(zip(('alias', 'digest', 'size', 'created', 'kind'), row, strict=True)) for row in expected]
    assert {entry.alias: entry.size for entry in listing.entries(client)} == {'a': 5, 'b': 5, 'c': 5, 'd': None}


def test_a_long_listing_costs_one_request_an_alias(token_registry: Endpoint, repo: str, traffic: Traffic) -> None:
    client = token_registry.dxf(repo)
    for number in range(40):
        push_alias(client, b'x', alias=f'a{number}')
    push_index(client, 'index', push_image(client, b'layer'))
    for command in (['list-aliases', repo, '--long'], ['list-aliases', repo, '--sort=size']):
        traffic.clear()
        assert doit(command, token_registry.environ()) == 0
        asked = [line for line in traffic.lines() if '/manifests/' in line]
        assert len(asked) == len(set(asked)) == 41
        assert len(traffic.lines()) == 41 + 3  # a challenge, a token, a list


def test_the_first_aliases_are_handed_out_before_the_last_are_asked_for(server: ScriptedRegistry, client: DXF) -> None:
    for number in range(100):
        push_alias(client, b'x', alias=f'a{number:03}')
    server.requests.clear()
    assert next(listing.entries(client)).alias == 'a000'
    assert len([request for request in server.of('GET') if '/manifests/' in request.path]) == 32


ORDERS = {
    '--sort {}': 'a latest v1.10 v1.10-rc1 v1.9',
    '{} --sort': 'a latest v1.10 v1.10-rc1 v1.9',
    '{} --sort=name --prefix v': 'v1.10 v1.10-rc1 v1.9',
    '--sort version {}': 'a latest v1.9 v1.10-rc1 v1.10',
    '{} --sort=size': 'latest v1.9 v1.10-rc1 a v1.10',
    '{} --sort=time': 'v1.10 v1.9 v1.10-rc1 latest a',
    '{} --sort=time --prefix v1.10': 'v1.10 v1.10-rc1',
}


@pytest.mark.parametrize('words', ORDERS)
def test_aliases_come_in_the_order_that_is_asked_for(folder: Endpoint, repo: str, report: str, words: str,
                                                     capfd: pytest.CaptureFixture[str]) -> None:
    client = folder.dxf(repo)
    push_alias(client, b'22', alias='v1.9')
    push_alias(client, b'55555', alias='v1.10')
    for alias, time, size in (('v1.10-rc1', 100, 3), ('latest', MAY15, 1), ('a', MAY15 + 1, 4)):
        Path(report).write_bytes(b'x' * size)
        artifacts.push_files(client, alias, [report], created=time)
    assert doit(['list-aliases', *words.format(repo).split()], folder.environ()) == 0
    assert capfd.readouterr().out.split() == ORDERS[words].split()


def test_versions_are_sorted_by_their_numbers() -> None:
    names = ['main', 'nightly-2026-05-2', 'nightly-2026-05-10', '1', 'v1.0.0-alpha', 'v1.0.0-rc.2', 'v1.0.0-rc.10',
             'v1.0.0', '1.0.1', 'v1.2', '1.10', 'V2', '10']
    assert sorted(reversed(names), key=listing.by_version) == names


TIMES = {
    '2026-05-15T10:00:00Z': datetime(2026, 5, 15, 10, tzinfo=timezone.utc),
    '2026-05-15t10:00:00.123456789z': datetime(2026, 5, 15, 10, 0, 0, 123456, timezone.utc),
    '2026-05-15 10:00:00.5+02:00': datetime(2026, 5, 15, 8, 0, 0, 500000, timezone.utc),
    '2026-05-15T23:30:00-01:00': datetime(2026, 5, 16, 0, 30, tzinfo=timezone.utc),
    '0001-01-01T00:00:00Z': None, '0001-01-01T00:00:00+01:00': None, '9999-12-31T23:59:59-01:00': None,
    '2026-13-01T00:00:00Z': None, '2026-05-15T10:00:00': None, '2026-05-15': None, '': None, '1778803200': None,
    '٢٠٢٦-05-15T10:00:00Z': None, '2026-05-15T10:00:00Z\n': None,
}


@pytest.mark.parametrize('text', TIMES)
def test_a_creation_time_is_read_as_it_is_meant_or_not_at_all(text: str) -> None:
    assert read_time(text) == TIMES[text]
    assert created({'annotations': {'org.opencontainers.image.created': text}}) == TIMES[text]


@pytest.mark.parametrize('document', [{}, {'annotations': None}, {'annotations': []}, {'annotations': {}},
                                      {'annotations': {'org.opencontainers.image.created': 5}}])
def test_a_manifest_without_a_time_has_none(document: dict[str, Any]) -> None:
    assert created(document) is None


def test_the_bytes_of_aliases_are_counted_once_for_each_blob(endpoint: Endpoint, repo: str,
                                                             capfd: pytest.CaptureFixture[str]) -> None:
    client = endpoint.dxf(repo)
    push_alias(client, b'1', b'22', b'22', alias='a')
    push_alias(client, b'22', b'333', alias='b')
    push_alias(client, b'7777777', alias='c')
    push_alias(client, b'7777777', alias='same-as-c')
    push_index(client, 'd', push_image(client, b'55555', b'{"1":"4444444444"}'), push_image(client, b'333', b'{"1":2}'))
    expected = [('a', 3, 1, 2), ('b', 5, 0, 5), ('c', 7, 0, 7), ('d', 33, 30, 3), ('same-as-c', 7, 0, 7)]
    assert doit(['du', repo], endpoint.environ()) == 0
    *lines, total = capfd.readouterr().out.splitlines()
    assert sorted(lines) == [' '.join(map(str, row)) for row in expected] and total == 'total 43'
    assert doit(['du', repo, '--json'], endpoint.environ()) == 0
    *rows, last = map(json.loads, capfd.readouterr().out.splitlines())
    assert sorted(rows, key=lambda row: str(row['alias'])) == [
        dict(zip(('alias', 'size', 'own', 'shared'), row, strict=True)) for row in expected] and last == {'total': 43}
    assert usage.usage(client, ['a', 'b']) == usage.Usage((usage.AliasUsage('a', 3, 1), usage.AliasUsage('b', 5, 3)), 6)


def test_sums_agree_where_manifests_declare_different_sizes(server: ScriptedRegistry, client: DXF) -> None:
    blob = server.memory.put(REPO, b'22')
    for alias, size in (('a', 2), ('b', 9)):
        entry = {'digest': blob, 'size': size}
        server.memory.put_manifest(REPO, alias, OCI_MANIFEST, json.dumps({
            'schemaVersion': 2, 'config': entry, 'layers': [entry]}).encode())
    assert usage.usage(client, ['a', 'b']) == usage.Usage((usage.AliasUsage('a', 2, 0), usage.AliasUsage('b', 2, 0)), 2)


def test_aliases_are_printed_in_the_order_in_which_the_registry_lists_them(server: ScriptedRegistry, client: DXF,
                                                                           tmp_path: Path) -> None:
    for alias in 'abc':
        push_alias(client, alias.encode(), alias=alias)
    tags = Answer(200, {}, json.dumps({'name': REPO, 'tags': ['b', 'c', 'a']}).encode())
    server.hook = lambda request: tags if request.path.endswith('/tags/list') else None
    for command in (['list-aliases'], ['list-aliases', '--long'], ['du'], ['copy', '--all', f'--to=oci:{tmp_path}']):
        out = Runner(server.environ()).run(command[0], REPO, '--json', *command[1:]).insist(0).out.decode()
        assert [alias for line in out.splitlines() if (alias := json.loads(line).get('alias'))] == ['b', 'c', 'a']


def damage(server: ScriptedRegistry) -> None:
    """Add aliases that cannot be read to a registry: without a manifest, and of another type."""
    server.memory.tags[REPO]['gone'] = hash_bytes(b'gone')
    server.memory.put_manifest(REPO, 'odd', 'application/x-odd', b'{"mediaType": "application/x-odd"}')


@pytest.mark.parametrize('command', [['list-aliases', '--long'], ['list-aliases', '--sort=time'], ['du']], ids=' '.join)
def test_an_alias_that_cannot_be_read_is_left_out_and_named(server: ScriptedRegistry, client: DXF,
                                                            command: list[str]) -> None:
    push_alias(client, b'123', alias='good')
    damage(server)
    server.memory.tags[REPO]['false'] = hash_bytes(b'gone')
    wrong = Answer(200, {'Docker-Content-Digest': hash_bytes(b'gone')},
                   str(client.get_manifest('good')).encode())
    server.hook = lambda request: wrong if request.path.endswith('/manifests/false') else None
    ended = Runner(server.environ()).run(command[0], REPO, *command[1:]).insist(1)
    lines = ended.out.decode().splitlines()
    assert [line.partition(' ')[0] for line in lines] == ['good', *(['total'] if command == ['du'] else [])]
    for said in ('gone is left out: 404', 'odd is left out: unsupported', 'false is left out: expected digest'):
        assert f'the alias {said}' in ended.lines[0]


def test_an_index_whose_manifest_is_missing_is_left_out_and_named(server: ScriptedRegistry, client: DXF) -> None:
    push_alias(client, b'123', alias='good')
    push_index(client, 'index', {'mediaType': OCI_MANIFEST, 'digest': hash_bytes(b'gone'), 'size': 4})
    ended = Runner(server.environ()).run('du', REPO).insist(1)
    assert ended.out == b'good 3 3 0\ntotal 3\n' and 'the alias index is left out: 404' in ended.lines[0]
    with pytest.raises(DXFNotFoundError):
        usage.usage(client)


def test_without_a_list_for_them_aliases_that_cannot_be_read_are_an_error(server: ScriptedRegistry, client: DXF
                                                                          ) -> None:
    push_alias(client, b'123', alias='good')
    damage(server)
    with pytest.raises(DXFNotFoundError):
        list(listing.entries(client))
    left_out: list[str] = []
    assert [entry.alias for entry in listing.entries(client, left_out=left_out)] == ['good']
    assert len(left_out) == 2


@pytest.mark.parametrize('command', [['list-aliases', '--long'], ['du']], ids=' '.join)
def test_a_refusal_is_no_alias_that_is_left_out(server: ScriptedRegistry, client: DXF, command: list[str]) -> None:
    for alias in 'abc':
        push_alias(client, alias.encode(), alias=alias)
    server.hook = lambda request: error(500, 'UNKNOWN') if request.path.endswith('/manifests/b') else None
    ended = Runner(server.environ()).run(command[0], REPO, *command[1:]).insist(1)
    assert 'left out' not in ended.lines[0] and '500' in ended.lines[0] and ended.out == b''
    with pytest.raises(DXFHTTPError):
        usage.usage(client, left_out=[])


def test_aliases_of_a_folder_that_cannot_be_read_are_named_after_all_others(folder: Endpoint, repo: str) -> None:
    client = folder.dxf(repo)
    push_alias(client, b'123', alias='good')
    path = folder.registry.storage / repo / 'index.json'
    index = json.loads(path.read_text())
    index['manifests'].append({'mediaType': OCI_MANIFEST, 'digest': f'sha512:{"0" * 128}', 'size': 1,
                               'annotations': {'org.opencontainers.image.ref.name': 'other'}})
    path.write_text(json.dumps(index))
    for command in (['list-aliases', repo, '--sort=version'], ['list-aliases', repo, '--long'], ['du', repo]):
        ended = Runner(folder.environ()).run(*command).insist(1)
        assert ended.out.startswith(b'good') and "left out: 'other'" in ended.lines[0]
    Runner(folder.environ()).run('list-aliases', repo, '--long', '--prefix=go').insist(0)


@pytest.mark.parametrize('command', [['list-aliases', '--long'], ['list-aliases', '--sort=time'], ['du']], ids=' '.join)
def test_a_repository_that_is_not_there_is_one_line(endpoint: Endpoint, repo: str, command: list[str]) -> None:
    ended = Runner(endpoint.environ()).run(command[0], repo, *command[1:]).insist(2)
    assert 'dxf list-repos' in ended.lines[0] or 'does not exist' in ended.lines[0]


def test_an_order_that_there_is_not_is_one_line(folder: Endpoint, repo: str) -> None:
    push_alias(folder.dxf(repo), b'123')
    for words in (['--sort=date', repo], ['--sort', 'date', repo], ['--sort', '--sort=time', repo]):
        Runner(folder.environ()).run('list-aliases', *words).insist(2)


def test_repositories_are_listed_by_their_beginning(endpoint: Endpoint, repo: str) -> None:
    for name in (repo, f'{repo}/inner', f'{repo[:-1]}other'):
        endpoint.dxf(name).push_blob(data=b'listed')
    runner = Runner(endpoint.environ())
    assert runner.run('list-repos', f'--prefix={repo}/').insist(0).out == f'{repo}/inner\n'.encode()
    assert runner.run('list-repos', '--json', f'--prefix={repo}/i').insist(0).out == \
        f'{{"repository": "{repo}/inner"}}\n'.encode()
    assert runner.run('list-repos', '--prefix', f'{repo}/other').insist(0).out == b''
    for prefix in ('Fred', 'fred*', '/', '-'):
        ended = runner.run('list-repos', f'--prefix={prefix}').insist(2)
        assert '--prefix' in ended.lines[0]


@pytest.mark.parametrize('command', [['list-aliases', '--long'], ['du']], ids=' '.join)
def test_manifests_are_not_kept(server: ScriptedRegistry, client: DXF, tmp_path: Path, command: list[str]) -> None:
    push_alias(client, b'123', alias='a')
    document = json.loads(str(client.get_manifest('a')))
    for number in range(160):
        text = json.dumps({**document, 'annotations': {'note': f'{number}' + 'x' * 500_000}})
        server.memory.put_manifest(REPO, f'a{number}', document['mediaType'], text.encode())
    ran = MeasuredRun(tmp_path, server.environ(), command[0], REPO, *command[1:])
    assert ran.status == 0 and len(ran.out.splitlines()) in (161, 162)
    assert ran.peak < 90


def test_a_listing_to_a_full_disk_fails(folder: Endpoint, repo: str) -> None:
    push_alias(folder.dxf(repo), b'123')
    with open('/dev/full', 'wb') as full:
        for command in (['list-aliases', repo, '--long'], ['du', repo]):
            Runner(folder.environ()).run(*command, stdout=full).insist(1)


def test_a_damaged_manifest_in_a_folder_is_left_out(folder: Endpoint, repo: str) -> None:
    client = folder.dxf(repo)
    push_alias(client, b'123', alias='good')
    push_alias(client, b'456', alias='bad')
    shutil.copy(folder.file_of(repo, hash_bytes(b'456')), folder.file_of(repo, client.manifest_digest('bad')))
    ended = Runner(folder.environ()).run('list-aliases', repo, '--long').insist(1)
    assert ended.out.startswith(b'good ') and b'bad' not in ended.out and 'the alias bad is left out' in ended.lines[0]
