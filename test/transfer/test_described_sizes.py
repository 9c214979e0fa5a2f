"""The size that a manifest gives for a blob is compared with the blob's, before any of it leaves."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, artifacts, copy, hash_bytes
from dxf.exceptions import DXFHTTPError, DXFSizeMismatchError
from dxf.manifest import schema1

from ..helpers.processes import Runner, files
from ..servers.scripted_registry import REPO, Answer, Request, ScriptedRegistry

OCI = 'application/vnd.oci.image.manifest.v1+json'
INDEX = 'application/vnd.oci.image.index.v1+json'
SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
FIRST = b'first'
BLOB = os.urandom(1000)
DIGEST = hash_bytes(BLOB)
WRONG = [0, 1, 999, 1001, 1 << 70]


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that holds the blobs."""
    server.memory.put(REPO, FIRST)
    server.memory.put(REPO, BLOB)
    return server


def entry(digest: str, size: int, title: str = '') -> dict[str, Any]:
    """Return a descriptor of a blob, or of a file where it has a title."""
    found: dict[str, Any] = {'digest': digest, 'size': size, 'mediaType': 'application/octet-stream'}
    return {**found, 'annotations': {'org.opencontainers.image.title': title}} if title else found


def name(server: ScriptedRegistry, *layers: dict[str, Any]) -> str:
    """Give layers the alias ``a``; return the manifest's digest."""
    manifest = {'schemaVersion': 2, 'mediaType': OCI, 'config': entry(hash_bytes(FIRST), len(FIRST)),
                'layers': list(layers)}
    return server.memory.put_manifest(REPO, 'a', OCI, json.dumps(manifest).encode())


def described(server: ScriptedRegistry, size: int) -> None:
    """Give the blob a name, and its manifest says that it has such a size."""
    name(server, entry(DIGEST, size, 'name'))


def runner(server: ScriptedRegistry, jobs: int = 4) -> Runner:
    """Return what runs dxf."""
    return Runner(server.environ(DXF_JOBS=str(jobs)))


@pytest.mark.parametrize('size', WRONG)
@pytest.mark.parametrize('command', ['pull-blob', 'pull-blob -o out', 'pull-blob -o /dev/stdout', 'pull-files'])
def test_a_blob_of_another_size_than_its_manifest_says_is_one_line(server: ScriptedRegistry, tmp_path: Path, size: int,
                                                                   command: str) -> None:
    described(server, size)
    verb, *options = command.split()
    alias = 'a' if verb == 'pull-files' else '@a'
    ended = runner(server).run(verb, REPO, alias, *options, cwd=tmp_path).insist(1)
    assert all(part in ended.lines[0] for part in (DIGEST, f' {size} ', ' 1000'))
    assert ended.out == b''
    assert not files(tmp_path)


@pytest.mark.parametrize('size', WRONG)
def test_the_library_compares_the_sizes_that_get_alias_returns(server: ScriptedRegistry, client: DXF, tmp_path: Path,
                                                               size: int) -> None:
    described(server, size)
    blobs = client.get_alias('a', sizes=True)
    assert blobs == [(DIGEST, size)]
    for pull in (lambda: next(client.pull_blobs(blobs)), lambda: client.pull_to_file(tmp_path / 'file', *blobs),
                 lambda: artifacts.pull_files(client, 'a', str(tmp_path))):
        with pytest.raises(DXFSizeMismatchError) as caught:
            pull()
        assert (caught.value.got, caught.value.expected, caught.value.digest) == (1000, size, DIGEST)
    assert not files(tmp_path)


@pytest.mark.parametrize('size', WRONG)
@pytest.mark.parametrize('undelimited', [False, True])
def test_of_a_blob_without_a_length_the_count_decides(server: ScriptedRegistry, client: DXF, size: int,
                                                      undelimited: bool) -> None:
    def hook(request: Request) -> Answer | None:
        if request.path.endswith(DIGEST) and 'Range' not in request.headers:
            return Answer(200, {}, BLOB, undelimited=True) if undelimited else Answer(200, {}, [BLOB])
        return None
    server.hook = hook
    (_, chunks, _), = client.pull_blobs([(DIGEST, size)])
    got = b''
    with pytest.raises(DXFSizeMismatchError) as caught:
        for chunk in chunks:
            got += chunk
    assert (caught.value.got, caught.value.expected) == (1000, size)
    assert len(got) < len(BLOB)
    assert not server.of('HEAD')


def test_a_blob_without_a_length_is_right_by_its_manifest(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: Answer(200, {}, [BLOB]) if request.path.endswith(DIGEST) else None
    (_, chunks, size), = client.pull_blobs([(DIGEST, 1000)])
    assert (b''.join(chunks), size) == (BLOB, 1000)
    assert [request.method for request in server.requests] == ['GET']


@pytest.mark.parametrize('jobs', [1, 4])
@pytest.mark.parametrize('size', [0, 999, 1 << 70])
def test_the_blob_before_the_one_of_another_size_has_left(server: ScriptedRegistry, jobs: int, size: int) -> None:
    name(server, entry(hash_bytes(FIRST), len(FIRST)), entry(DIGEST, size), entry(hash_bytes(FIRST), len(FIRST)))
    ended = runner(server, jobs).run('pull-blob', REPO, '@a').insist(1)
    assert ended.out == FIRST


def test_one_blob_with_two_sizes_in_a_manifest_is_an_error(server: ScriptedRegistry, tmp_path: Path) -> None:
    name(server, entry(DIGEST, 1000), entry(DIGEST, 999))
    ended = runner(server).run('pull-blob', REPO, '@a', '-o', tmp_path / 'file').insist(1)
    assert ' 999 ' in ended.lines[0]
    assert not (tmp_path / 'file').exists()


@pytest.mark.parametrize('size', [0, 1, 1 << 70])
def test_a_manifest_whose_size_in_an_index_is_wrong_is_read_all_the_same(server: ScriptedRegistry, client: DXF,
                                                                         size: int) -> None:
    digest = name(server, entry(DIGEST, 1000))
    child = {'digest': digest, 'size': size, 'mediaType': OCI, 'platform': {'os': 'linux', 'architecture': 'amd64'}}
    index = {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': [child]}
    server.memory.put_manifest(REPO, 'index', INDEX, json.dumps(index).encode())
    assert client.get_alias('index', platform='linux/amd64') == [DIGEST]
    of = Runner({**runner(server).environ, 'DXF_PLATFORM': 'linux/amd64'})
    assert of.run('pull-blob', REPO, '@index').insist(0).out == BLOB


@pytest.mark.parametrize('options', [[], ['-o', 'out']])
def test_a_pull_by_alias_asks_for_no_sizes(server: ScriptedRegistry, tmp_path: Path, options: list[str]) -> None:
    described(server, 1000)
    runner(server).run('pull-blob', REPO, '@a', *options, cwd=tmp_path).insist(0)
    assert server.lines() == [f'GET /v2/{REPO}/manifests/a', f'GET /v2/{REPO}/blobs/{DIGEST}']


def test_a_pull_by_a_schema_1_alias_asks_for_no_sizes(server: ScriptedRegistry) -> None:
    signed = schema1.sign(schema1.make_unsigned(REPO, 'old', (DIGEST,)))
    answer = Answer(200, {'Content-Type': SIGNED}, signed.encode())
    server.hook = lambda request: answer if request.path.endswith('/manifests/old') else None
    assert runner(server).run('pull-blob', REPO, '@old').insist(0).out == BLOB
    assert server.lines() == [f'GET /v2/{REPO}/manifests/old', f'GET /v2/{REPO}/blobs/{DIGEST}']


@pytest.mark.parametrize('size', [0, 999, 1001, 1 << 62])
def test_a_blob_of_another_size_than_its_manifest_says_is_not_copied(server: ScriptedRegistry, client: DXF,
                                                                     tmp_path: Path, size: int) -> None:
    described(server, size)
    target = DXF(f'oci:{tmp_path}', REPO)
    with pytest.raises(DXFSizeMismatchError) as raised:
        copy(client, target, 'a')
    assert (raised.value.got, raised.value.expected) == (len(BLOB), size)
    with pytest.raises(DXFHTTPError, match='404'):
        target.resolve('a')
