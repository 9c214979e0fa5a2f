"""What scripts use: answers as JSON, inspections, comparisons, aliases set on a condition, the log of requests."""

import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf import DXF
from dxf.exceptions import DXFConflictError, DXFError
from dxf.main import doit

from ..helpers import images, processes
from ..helpers.endpoints import PASSWORD, Endpoint

Ask = Callable[..., list[Any]]


@pytest.fixture(name='ask')
def make_ask(endpoint: Endpoint, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run a command with ``--json``, and return the objects that it prints."""
    def ask(*args: str, **variables: str) -> list[Any]:
        capfd.readouterr()
        assert doit([*args, '--json'], {**endpoint.environ(), **variables}) == 0
        printed = capfd.readouterr()
        assert printed.err == ''
        return [json.loads(line) for line in printed.out.splitlines()]
    return ask


def digest_of(text: str) -> str:
    """Return the digest of a text."""
    return dxf.hash_bytes(text.encode())


def test_every_answer_can_be_had_as_json(ask: Ask, endpoint: Endpoint, repo: str, tmp_path: Path) -> None:
    one, two = tmp_path / 'one', tmp_path / 'two'
    one.write_text('1')
    two.write_text('22')
    digests = [digest_of('1'), digest_of('22')]
    assert ask('push-blob', repo, str(one), str(two), '@a') == [{'digest': digest} for digest in digests]
    manifest = endpoint.dxf(repo).get_manifest('a')
    assert isinstance(manifest, str)
    assert ask('get-alias', repo, 'a') == [{'alias': 'a', 'blobs': digests}]
    assert ask('blob-size', repo, '@a', digests[1]) == [{'alias': 'a', 'size': 3}, {'digest': digests[1], 'size': 2}]
    assert ask('get-digest', repo, 'a') == [{'alias': 'a', 'digest': digests[0]}]
    assert ask('get-manifest', repo, 'a') == [{'alias': 'a', 'manifest': json.loads(manifest)}]
    assert ask('get-manifest-digest', repo, 'a') == [{'alias': 'a', 'digest': digest_of(manifest)}]
    assert ask('set-alias', repo, 'b', digests[0])[0]['alias'] == 'b'
    assert ask('list-aliases', repo, '--sort') == [{'alias': 'a'}, {'alias': 'b'}]
    assert ask('mount-blob', f'{repo}/other', repo, digests[0]) == [{'digest': digests[0]}]
    copied, = ask('copy', repo, 'a', '--to', f'oci:{tmp_path / "copies"}')
    assert copied == {'alias': 'a', 'digest': digest_of(manifest)}
    assert ask('copy', repo, 'a', '--to', f'oci:{tmp_path / "copies"}', '--dry-run') == [
        *({'action': 'skip', 'digest': digest, 'size': size} for size, digest in enumerate(digests, 1)), {'total': 0}]
    assert ask('del-alias', repo, 'a') == [{'alias': 'a', 'blobs': digests}]


def test_repositories_are_listed_as_json(ask: Ask, endpoint: Endpoint, repo: str) -> None:
    endpoint.dxf(repo).push_blob(data=b'listed')
    assert {'repository': repo} in ask('list-repos')


def test_an_alias_of_several_platforms_has_an_answer_for_each(open_registry: Endpoint, repo: str, tmp_path: Path,
                                                              skopeo: Callable[..., str],
                                                              capfd: pytest.CaptureFixture[str]) -> None:
    index = images.write_index(tmp_path / 'layout', [('linux/amd64', [b'a']), ('linux/arm64', [b'b'])])
    skopeo('copy', '--all', '--dest-tls-verify=false', f'oci:{tmp_path / "layout"}:latest',
           f'docker://{open_registry.host}/{repo}:many')
    assert doit(['get-alias', repo, 'many', '--json'], open_registry.environ()) == 0
    assert json.loads(capfd.readouterr().out) == {
        'alias': 'many', 'platforms': {image.platform: list(image.layers) for image in index.images}}
    assert doit(['inspect', repo, 'many', '--json'], open_registry.environ()) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found['digest'], found['size']) == (index.digest, None)
    assert found['platforms'] == {image.platform: image.digest for image in index.images}
    assert doit(['inspect', repo, 'many'], {**open_registry.environ(), 'DXF_PLATFORM': 'linux/arm64'}) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == f'digest {index.images[1].digest}'
    assert lines[-1].startswith(f'blob {index.images[1].layers[0]} ')


def test_an_inspection_tells_what_an_alias_names(ask: Ask, endpoint: Endpoint, repo: str,
                                                 capfd: pytest.CaptureFixture[str]) -> None:
    client = endpoint.dxf(repo)
    digest = client.push_blob(data=b'12345')
    document = {**json.loads(client.make_manifest(digest)), 'annotations': {'made by': 'fred'}}
    client.set_manifest('a', json.dumps(document))
    found, = ask('inspect', repo, 'a')
    assert found == {
        'alias': 'a', 'digest': digest_of(json.dumps(document)), 'mediaType': document['mediaType'], 'size': 5,
        'blobs': [{'digest': digest, 'size': 5, 'mediaType': 'application/octet-stream'}], 'platforms': {},
        'annotations': {'made by': 'fred'}}
    assert doit(['inspect', repo, 'a'], endpoint.environ()) == 0
    assert capfd.readouterr().out.splitlines() == [
        f'digest {found["digest"]}', f'type {found["mediaType"]}', 'size 5', 'annotation made by=fred',
        f'blob {digest} 5']


@pytest.mark.parametrize('spoil', ['remove', 'cut', 'change'])
def test_verify_fails_where_a_blob_of_the_alias_is_not_there_or_damaged(folder: Endpoint, repo: str, tmp_path: Path,
                                                                        spoil: str) -> None:
    (tmp_path / 'file').write_bytes(b'content')
    client = folder.dxf(repo)
    digest = client.push_blob(str(tmp_path / 'file'))
    client.set_alias('a', digest)
    assert doit(['verify', repo, str(tmp_path / 'file'), 'a'], folder.environ()) == 0
    stored = folder.file_of(repo, digest)
    stored.chmod(0o644)
    stored.unlink()
    if spoil != 'remove':
        stored.write_bytes({'cut': b'conten', 'change': b'CONTENT'}[spoil])
    with pytest.raises(DXFError, match=f'{digest} is missing in the repository, or does not have 7 bytes'):
        doit(['verify', repo, str(tmp_path / 'file'), 'a'], folder.environ())


def test_verify_fails_where_the_registry_does_not_have_a_blob_of_the_alias(open_registry: Endpoint, repo: str,
                                                                           tmp_path: Path) -> None:
    files = [tmp_path / name for name in ('one', 'two')]
    for file in files:
        file.write_text(file.name)
    client = open_registry.dxf(repo)
    digests = client.push_blobs(map(str, files))
    client.set_alias('a', *digests)
    client.del_blob(digests[1])
    with pytest.raises(DXFError, match=f'^{digests[1]} is missing in the repository, or does not have 3 bytes$'):
        doit(['verify', repo, *map(str, files), 'a'], open_registry.environ())


def test_files_are_compared_with_an_alias_without_a_download(endpoint: Endpoint, repo: str, tmp_path: Path, traffic: Any
                                                             ) -> None:
    files = [tmp_path / name for name in ('one', 'two')]
    for file in files:
        file.write_text(file.name)
    client = endpoint.dxf(repo)
    client.set_alias('a', *client.push_blobs(map(str, files)))
    traffic.clear()
    given = list(map(str, files))
    assert doit(['verify', repo, *given, 'a'], endpoint.environ()) == 0
    assert doit(['verify', repo, *given, '@a'], endpoint.environ()) == 0
    assert {request.method for request in traffic.requests if '/blobs/' in request.path} == {'HEAD'}
    for wrong in (given[:1], [*given, given[0]], given[::-1]):
        with pytest.raises(dxf.exceptions.DXFError):
            doit(['verify', repo, *wrong, 'a'], endpoint.environ())
    files[1].write_text('another')
    with pytest.raises(dxf.exceptions.DXFError, match=re.escape(given[1])):
        doit(['verify', repo, *given, 'a'], endpoint.environ())


def test_an_alias_is_set_on_a_condition(endpoint: Endpoint, repo: str, capfd: pytest.CaptureFixture[str]) -> None:
    client = endpoint.dxf(repo)
    one, two = client.push_blob(data=b'1'), client.push_blob(data=b'2')
    assert doit(['set-alias', repo, 'a', one, '--if-absent'], endpoint.environ()) == 0
    first = digest_of(capfd.readouterr().out)
    for condition in (['--if-absent'], ['--if-match', dxf.hash_bytes(b'other')]):
        with pytest.raises(DXFConflictError, match=first):
            doit(['set-alias', repo, 'a', two, *condition], endpoint.environ())
    with pytest.raises(DXFConflictError, match='has no alias b'):
        client.set_alias('b', two, if_match=first)
    assert client.get_alias('a') == [one]
    assert doit(['set-alias', repo, 'a', two, '--if-match', first], endpoint.environ()) == 0
    assert client.get_alias('a') == [two]


@pytest.mark.parametrize('condition', [
    {'if_match': ''}, {'if_match': 'latest'}, {'if_absent': True, 'if_match': dxf.hash_bytes(b'')}])
def test_a_condition_that_makes_no_sense_is_not_left_away(
        folder: Endpoint, repo: str, condition: dict[str, Any]) -> None:
    client = folder.dxf(repo)
    digest = client.push_blob(data=b'1')
    with pytest.raises(ValueError):
        client.set_alias('a', digest, **condition)
    assert client.list_aliases() == []


def test_of_many_who_set_an_alias_of_a_folder_at_once_one_does(folder: Endpoint, repo: str) -> None:
    clients = [folder.dxf(repo) for _ in range(8)]
    digests = [client.push_blob(data=bytes([number])) for number, client in enumerate(clients)]
    start, won = threading.Barrier(len(clients)), []

    def race(client: DXF, digest: str) -> None:
        start.wait()
        try:
            client.set_alias('a', digest, if_absent=True)
        except DXFConflictError:
            return
        won.append(digest)
    threads = [threading.Thread(target=race, args=pair) for pair in zip(clients, digests, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [won] == [clients[0].get_alias('a')]


def test_aliases_are_listed_in_order_and_by_their_beginning(folder: Endpoint, repo: str,
                                                            capfd: pytest.CaptureFixture[str]) -> None:
    client = folder.dxf(repo)
    digest = client.push_blob(data=b'x')
    for alias in ('b2', 'a1', 'b1'):
        client.set_alias(alias, digest)
    assert doit(['list-aliases', repo, '--sort', '--prefix', 'b'], folder.environ()) == 0
    assert capfd.readouterr().out == 'b1\nb2\n'


def test_requests_are_told_without_anything_secret(token_registry: Endpoint, repo: str, tmp_path: Path) -> None:
    path = tmp_path / 'file'
    path.write_text('content')
    environ = {**os.environ, **token_registry.environ(), 'DXF_DEBUG': '1', 'HOME': str(tmp_path)}
    done = processes.run(['push-blob', repo, path, '@a'], environ)
    assert (done.returncode, done.stdout.decode()) == (0, digest_of('content') + '\n')
    lines = done.stderr.decode().splitlines()
    assert all(re.fullmatch(r'dxf: [A-Z]+ https://[^ ]+ [0-9]{3}, [0-9-]+ bytes sent, [0-9-]+ to come, [0-9.]+ s', line)
               for line in lines), lines
    assert [line.split()[1] for line in lines if repo in line] == ['POST', 'POST', 'PUT', 'PUT']
    assert 'PUT' in lines[-1] and f'/v2/{repo}/manifests/a 201' in lines[-1]
    assert not [line for line in lines if PASSWORD in line or '_state' in line or 'eyJ' in line]
