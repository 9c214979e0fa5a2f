"""Deletion of aliases on real registries and in a folder: what goes, and what stays as something else needs it."""

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dxf import DXF, hash_bytes
from dxf.deletion.alias_deletion import AliasDeletion
from dxf.exceptions import DXFConflictError, DXFHTTPError
from dxf.layout.garbage import collect
from dxf.layout.store import Layout
from dxf.main import doit
from dxf.referrers import tag_of

from ..helpers import fork_server
from ..helpers.console import blocks, run
from ..helpers.endpoints import Endpoint
from ..helpers.images import by_platform
from ..helpers.processes import Runner
from ..helpers.traffic import Traffic
from ..servers.registry import Registry
from ..servers.token_server import TokenServer

DOCKER = 'application/vnd.docker.distribution.manifest.v2+json'
DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
OCI = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'


@pytest.fixture(name='client')
def open_client(endpoint: Endpoint, repo: str) -> Iterator[DXF]:
    """A client of a repository that no test has used before."""
    with endpoint.dxf(repo) as client:
        yield client


@pytest.fixture(name='blobs')
def push_blobs(client: DXF) -> list[str]:
    """Two blobs of the repository."""
    return [client.push_blob(data=content) for content in (b'a', b'bb')]


def digest_of(text: str) -> str:
    """Return the digest of a manifest."""
    return hash_bytes(text.encode())


def exists(client: DXF, reference: str) -> bool:
    """Return whether a manifest can be fetched."""
    try:
        client.get_manifest_and_response(reference)
    except DXFHTTPError as error:
        assert error.response is not None and error.response.status_code == 404
        return False
    return True


def entry(text: str, architecture: str = 'amd64') -> dict[str, Any]:
    """Return what an index says of a manifest."""
    return {'mediaType': json.loads(text)['mediaType'], 'digest': digest_of(text), 'size': len(text.encode()),
            'platform': {'os': 'linux', 'architecture': architecture}}


def set_index(client: DXF, alias: str, *texts: str, media_type: str = DOCKER_LIST) -> str:
    """Give a name, which may be empty, to an index of manifests, and return its text."""
    entries = [entry(text, f'a{number}') for number, text in enumerate(texts)]
    text = json.dumps({'schemaVersion': 2, 'mediaType': media_type, 'manifests': entries})
    client.set_manifest(alias or digest_of(text), text)
    return text


def attach(client: DXF, subject: str, blob: str) -> str:
    """Store a manifest that refers to another, by its digest alone, and return its digest."""
    descriptor = {'mediaType': 'application/octet-stream', 'digest': blob, 'size': client.blob_size(blob)}
    text = json.dumps({'schemaVersion': 2, 'mediaType': OCI, 'artifactType': 'text/x', 'config': descriptor,
                       'layers': [descriptor], 'subject': {'mediaType': DOCKER, 'digest': subject, 'size': 1}})
    client.set_manifest(digest_of(text), text)
    return digest_of(text)


def is_left_to_garbage(client: DXF, reference: str) -> bool:
    """Return whether a manifest is gone, or will be with the garbage.

    A folder keeps the file of a manifest as long as an index or a referrer of it is there, until gc removes it.
    """
    if client._host.startswith('oci:'):
        collect(Layout(client._host.removeprefix('oci:'), client._repo), True)
    return not exists(client, reference)


# Other aliases

def test_another_alias_of_the_same_manifest_stays(client: DXF, blobs: list[str]) -> None:
    text = client.set_alias('latest', *blobs)
    client.set_alias('v1', *blobs)
    assert client.del_alias('latest') == blobs
    assert client.list_aliases() == ['v1']
    assert client.get_manifest_and_response('v1')[0] == text
    assert exists(client, digest_of(text)) and not exists(client, 'latest')
    assert client.del_alias('v1') == blobs
    assert client.list_aliases() == []
    assert not exists(client, digest_of(text))


def test_all_aliases_of_a_manifest_go_in_one_command_and_the_manifest_with_them(client: DXF, blobs: list[str]) -> None:
    text = client.set_alias('one', *blobs)
    client.set_alias('two', *blobs)
    client.set_alias('other', blobs[0])
    assert client.del_aliases('one', 'two', 'one') == {'one': blobs, 'two': blobs}
    assert client.list_aliases() == ['other']
    assert not exists(client, digest_of(text))


def test_with_others_an_alias_takes_the_others_along(client: DXF, blobs: list[str]) -> None:
    text = client.set_alias('one', *blobs)
    client.set_alias('two', *blobs)
    set_index(client, 'index', text)
    assert client.del_aliases('one', with_others=True) == {'one': blobs}
    assert client.list_aliases() == ['index']
    assert exists(client, digest_of(text)) == client._host.startswith('oci:')  # a folder keeps what an index lists


def test_nothing_is_deleted_if_one_of_the_aliases_is_missing(client: DXF, blobs: list[str]) -> None:
    client.set_alias('one', *blobs)
    with pytest.raises(DXFHTTPError) as raised:
        client.del_aliases('one', 'missing')
    assert raised.value.response is not None and raised.value.response.status_code == 404
    assert client.get_alias('one') == blobs


# Indexes

@pytest.mark.parametrize('media_type', [DOCKER_LIST, OCI_INDEX])
def test_an_image_that_an_index_lists_stays(client: DXF, blobs: list[str], media_type: str) -> None:
    mine, other = client.set_alias('mine', blobs[0]), client.set_alias('other', blobs[1])
    set_index(client, 'latest', mine, other, media_type=media_type)
    assert client.del_alias('mine') == [blobs[0]]
    assert sorted(client.list_aliases()) == ['latest', 'other']
    assert client.get_alias('latest') == {'linux/a0': [blobs[0]], 'linux/a1': [blobs[1]]}
    assert client.del_aliases('other', 'latest').keys() == {'other', 'latest'}
    assert exists(client, digest_of(mine))
    assert is_left_to_garbage(client, digest_of(other))


def test_an_image_that_an_index_within_an_index_lists_stays(client: DXF, blobs: list[str]) -> None:
    mine = client.set_alias('mine', *blobs)
    set_index(client, 'latest', set_index(client, '', set_index(client, '', mine)))
    client.del_alias('mine')
    assert client.list_aliases() == ['latest']
    assert list(by_platform(client.get_alias('latest')).values()) == [blobs]


def test_an_index_with_another_name_keeps_its_images(client: DXF, blobs: list[str]) -> None:
    mine = client.set_alias('mine', *blobs)
    set_index(client, 'latest', mine)
    set_index(client, 'v1', mine)
    client.del_aliases('mine', 'latest')
    assert client.list_aliases() == ['v1']
    assert client.get_alias('v1') == {'linux/a0': blobs}


# Subjects

def test_a_manifest_that_something_is_attached_to_stays(client: DXF, blobs: list[str]) -> None:
    subject = digest_of(client.set_alias('a', *blobs))
    report = attach(client, subject, blobs[0])
    assert client.del_alias('a') == blobs
    assert not exists(client, 'a') and exists(client, subject)
    assert [found['digest'] for found in client.list_referrers(subject)] == [report]


def test_an_index_that_something_is_attached_to_keeps_its_images(client: DXF, blobs: list[str]) -> None:
    image = client.set_alias('image', *blobs)
    index = digest_of(set_index(client, 'index', image))
    attach(client, index, blobs[0])
    client.del_aliases('image', 'index')
    assert not exists(client, 'image') and not exists(client, 'index')
    assert client.get_alias(index) == {'linux/a0': blobs}


def test_what_is_attached_goes_by_its_digest_and_is_not_listed_any_more(client: DXF, blobs: list[str]) -> None:
    subject = digest_of(client.set_alias('a', *blobs))
    one, two = attach(client, subject, blobs[0]), attach(client, subject, blobs[1])
    assert client.del_alias(one) == [blobs[0]]
    assert not exists(client, one)
    assert [found['digest'] for found in client.list_referrers(subject)] == [two]
    client.del_alias(two)
    assert client.list_referrers(subject) == []
    client.del_alias('a')
    assert not exists(client, subject)


def test_a_subject_and_what_is_attached_to_it_go_in_one_command(client: DXF, blobs: list[str]) -> None:
    subject = digest_of(client.set_alias('a', *blobs))
    report = attach(client, subject, blobs[0])
    client.del_aliases('a', report)
    assert is_left_to_garbage(client, subject) and is_left_to_garbage(client, report)


# Digests

def test_a_digest_that_an_alias_names_is_refused(client: DXF, blobs: list[str]) -> None:
    digest = digest_of(client.set_alias('v1', *blobs))
    client.set_alias('other', blobs[0])
    with pytest.raises(DXFConflictError, match=f'^{digest} is needed by v1, and nothing was deleted; --with-others '):
        client.del_aliases('other', digest)
    assert client.get_alias('v1') == blobs and client.get_alias('other') == [blobs[0]]
    client.del_aliases(digest, with_others=True)
    assert client.list_aliases() == ['other']


def test_a_digest_to_which_something_is_attached_is_refused_until_that_has_gone(client: DXF, blobs: list[str]
                                                                           ) -> None:
    subject = digest_of(client.set_alias('a', *blobs))
    report = attach(client, subject, blobs[0])
    with pytest.raises(DXFConflictError, match=f'^{subject} is needed by .*attached to it, and nothing was deleted'):
        client.del_aliases('a', subject)
    assert [found['digest'] for found in client.list_referrers(subject)] == [report]
    assert client.get_alias('a') == blobs
    client.del_aliases(report)
    client.del_aliases('a', subject)
    assert not exists(client, subject) and not exists(client, report)


def test_a_digest_that_an_index_lists_is_refused(client: DXF, blobs: list[str]) -> None:
    image = client.set_alias('image', *blobs)
    set_index(client, 'latest', image)
    with pytest.raises(DXFConflictError, match='is needed by latest, '):
        client.del_aliases('image', digest_of(image))
    assert client.get_alias('latest') == {'linux/a0': blobs}
    assert client.get_alias('image') == blobs


def test_a_digest_goes_with_its_alias_in_one_command(client: DXF, blobs: list[str]) -> None:
    digest = digest_of(client.set_alias('v1', *blobs))
    assert client.del_aliases('v1', digest) == {'v1': blobs, digest: blobs}
    assert not exists(client, digest) and client.list_aliases() == []


# Aliases whose manifest is damaged

def test_an_alias_whose_manifest_is_missing_is_deleted(client: DXF, endpoint: Endpoint, blobs: list[str]) -> None:
    text = client.set_alias('broken', *blobs)
    client.set_alias('whole', blobs[0])
    endpoint.file_of(client._repo, digest_of(text)).unlink()
    assert client.list_aliases(iterate=True) is not None and not exists(client, 'broken')
    assert client.del_alias('broken') == []
    assert client.list_aliases() == ['whole']
    assert client.get_alias('whole') == [blobs[0]]


def test_the_last_alias_is_deleted_although_its_manifest_is_missing(client: DXF, endpoint: Endpoint,
                                                                    blobs: list[str]) -> None:
    endpoint.file_of(client._repo, digest_of(client.set_alias('broken', *blobs))).unlink()
    assert client.del_aliases('broken', with_others=True) == {'broken': []}
    assert client.list_aliases() == []


def test_a_manifest_stays_while_a_damaged_alias_may_need_it(client: DXF, endpoint: Endpoint, blobs: list[str]) -> None:
    image = client.set_alias('image', *blobs)
    index = set_index(client, 'index', image)
    file = endpoint.file_of(client._repo, digest_of(index))
    kept = file.read_bytes()
    file.unlink()
    client.del_alias('image')
    file.write_bytes(kept)
    assert client.list_aliases() == ['index']
    assert client.get_alias('index') == {'linux/a0': blobs}


def test_an_alias_of_a_folder_is_deleted_although_its_manifest_is_damaged(folder: Endpoint, repo: str) -> None:
    with folder.dxf(repo) as client:
        text = client.set_alias('broken', client.push_blob(data=b'a'))
        for content in (b'{}', b'not JSON', text.encode() + b' '):
            folder.file_of(repo, digest_of(text)).write_bytes(content)
            assert client.del_alias('broken') == []
            assert client.list_aliases() == []
            folder.file_of(repo, digest_of(text)).unlink(missing_ok=True)
            client.set_manifest('broken', text)


# The two ways to delete a name

@pytest.mark.parametrize('schema', ['v2', 'oci', 'v1'])
def test_a_registry_that_deletes_no_names_keeps_only_what_it_had(open_registry: Endpoint, repo: str,
                                                                 traffic: Traffic, schema: str) -> None:
    with DXF(open_registry.host, repo, insecure=True, schema='oci' if schema == 'oci' else 'v2') as client:
        blob = client.push_blob(data=b'a')
        text = client.set_alias('kept', blob)
        for name in ('one', 'two', 'three'):
            client.set_manifest(name, text)
    with DXF(open_registry.host, repo, insecure=True, schema=schema) as client:
        assert list(client.del_aliases('one', 'two', 'three')) == ['one', 'two', 'three']
        assert client.list_aliases() == ['kept']
        assert client.get_manifest('kept') == text
        deleted = [request.path.rpartition('/')[2] for request in traffic.requests if request.method == 'DELETE']
        assert [name for name in deleted if ':' not in name] == ['one']  # refused, and not asked for again
        assert len({name for name in deleted if ':' in name}) == 1 + 3
        assert not [name for name in deleted if exists(client, name)]


@pytest.mark.parametrize('others', [[], ['two']])
def test_a_registry_that_deletes_nothing_is_left_as_it_is(directory: Callable[[], Path], repo: str,
                                                          others: list[str],
                                                          capfd: pytest.CaptureFixture[str]) -> None:
    with Registry(directory(), deletes=False) as registry:
        client = Endpoint(registry).dxf(repo)
        blob = client.push_blob(data=b'a')
        text = client.set_alias('one', blob)
        for name in others:
            client.set_manifest(name, text)
        before = sorted(registry.storage.rglob('*'))
        with pytest.raises(DXFHTTPError) as raised:
            client.del_alias('one')
        assert raised.value.response is not None and raised.value.response.status_code == 405
        ended = Runner(Endpoint(registry).environ()).run('del-alias', repo, 'one').insist(1)
        assert ended.lines[0].endswith(f'; one of {repo} is as it was; the registry must allow deletions '
                                       '(distribution: storage.delete.enabled)')
        assert sorted(registry.storage.rglob('*')) == before
        assert sorted(client.list_aliases()) == ['one', *others]
        assert client.get_manifest('one') == text
    assert capfd.readouterr() == ('', '')


def test_one_token_is_enough_to_delete_a_name(token_registry: Endpoint, repo: str, tokens: TokenServer,
                                              capfd: pytest.CaptureFixture[str]) -> None:
    client = token_registry.dxf(repo)
    blob = client.push_blob(data=b'a')
    client.set_alias('one', blob)
    client.set_alias('two', blob)
    tokens.requests.clear()
    assert doit(['del-alias', repo, 'one'], token_registry.environ()) == 0
    assert capfd.readouterr() == (f'{blob}\n', '')
    assert [request.scopes for request in tokens.requests] == [(f'repository:{repo}:pull,push,delete',)]
    assert client.list_aliases() == ['two'] and client.get_alias('two') == [blob]


# The command

def test_the_command_deletes_an_alias_and_keeps_another(endpoint: Endpoint, client: DXF, blobs: list[str],
                                                        capfd: pytest.CaptureFixture[str]) -> None:
    for name in ('latest', 'v1', 'v2'):
        client.set_alias(name, *blobs)
    client.set_alias('other', blobs[1])
    assert doit(['del-alias', client._repo, 'latest', 'other', 'v1', '--json'], endpoint.environ()) == 0
    assert [json.loads(line) for line in capfd.readouterr().out.splitlines()] == [
        {'alias': 'latest', 'blobs': blobs}, {'alias': 'other', 'blobs': [blobs[1]]}, {'alias': 'v1', 'blobs': blobs}]
    assert client.get_alias('v2') == blobs
    client.set_alias('v3', *blobs)
    assert doit(['del-alias', '--with-others', client._repo, 'v3'], endpoint.environ()) == 0
    assert capfd.readouterr() == (''.join(f'{digest}\n' for digest in blobs), '')
    assert client.list_aliases() == []


def test_the_command_deletes_nothing_if_an_alias_is_missing(endpoint: Endpoint, client: DXF, blobs: list[str],
                                                            capfd: pytest.CaptureFixture[str]) -> None:
    client.set_alias('one', *blobs)
    assert doit(['del-alias', client._repo, 'one', 'missing'], endpoint.environ()) == errno.ENOENT
    out, err = capfd.readouterr()
    assert out == '' and 'Not Found' in err and err.count('\n') == 1
    assert client.get_alias('one') == blobs


def test_the_command_refuses_a_digest_that_is_needed(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    digest = digest_of(client.set_alias('v1', client.push_blob(data=b'a')))
    ended = Runner(open_registry.environ()).run('del-alias', repo, digest).insist(1)
    assert ended.lines == [f'dxf: {digest} is needed by v1, and nothing was deleted; --with-others deletes it all the '
                           'same']
    Runner(open_registry.environ()).run('del-alias', repo, digest, '--with-others').insist(0)
    assert client.list_aliases() == []


# The retention of docs/how-to/backups.rst

@pytest.mark.parametrize('kind', ['open_registry', 'folder'])
def test_nights_without_a_change_keep_the_last_ones(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    retention, = (block for block in blocks('how-to/backups.rst', 'shell') if '--prefix=nightly- --keep' in block)
    assert retention.count(' --keep-daily=14 --keep-monthly=12') == 2
    retention = retention.partition('\n')[2].replace('14 --keep-monthly=12', '2')
    fork_server.write_program(tmp_path / 'dxf')
    (tmp_path / 'photos.tar').write_bytes(b'the same each night')
    night = f'set -euo pipefail\ndxf push-blob fred/backup photos.tar "@$NIGHT"\n{retention}'
    environ = {**endpoint.environ(), 'PATH': f'{tmp_path}:/usr/bin:/bin'}
    client = endpoint.dxf('fred/backup')
    for number in range(1, 5):
        printed = run(night, tmp_path, {**environ, 'NIGHT': f'nightly-2025-05-0{number}'})
        assert printed == hash_bytes(b'the same each night') + '\n'
        names = sorted(client.list_aliases())
        assert names == [f'nightly-2025-05-0{kept}' for kept in range(max(1, number - 1), number + 1)]
        for name in names:
            digest, = client.get_alias(name)
            assert b''.join(client.pull_blob(digest)) == b'the same each night'


def test_what_distribution_answers_is_what_the_test_servers_answer(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    client.set_alias('a', client.push_blob(data=b'a'))
    answer = requests.delete(f'{open_registry.url}/v2/{repo}/manifests/a', timeout=10)
    assert (answer.status_code, answer.json()['errors'][0]['code']) == (400, 'DIGEST_INVALID')
    digest = client.manifest_digest('a')
    answer = requests.get(f'{open_registry.url}/v2/{repo}/manifests/{tag_of(digest)}', timeout=10)
    assert answer.status_code == 404


# Several in a folder

def test_several_aliases_of_a_folder_are_deleted_by_one_change_of_its_index(
        folder: Endpoint, repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = folder.dxf(repo)
    digests = {alias: client.push_blob(data=alias.encode()) for alias in 'abcd'}
    for alias, digest in digests.items():
        client.set_alias(alias, digest)
    manifests = {alias: client.manifest_digest(alias) for alias in 'abcd'}
    changes: list[str] = []
    change = Layout.change_index

    def counted(self: Layout, *args: Any, **options: Any) -> None:
        changes.append(self.folder)
        change(self, *args, **options)
    monkeypatch.setattr(Layout, 'change_index', counted)
    deletion = AliasDeletion(client, ['a', 'b', 'c'])
    folder.dxf(repo).set_alias('c', digests['d'])
    changes.clear()
    with pytest.raises(DXFConflictError, match='somebody else has set the alias c '):
        list(deletion)
    assert len(changes) == 1 and client.list_aliases() == ['c', 'd']
    assert [folder.file_of(repo, manifests[alias]).exists() for alias in 'abd'] == [False, False, True]
    assert client.get_alias('c') == client.get_alias('d') == [digests['d']]
