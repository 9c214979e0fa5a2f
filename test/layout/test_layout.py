"""A folder as a registry, seen from the disk: the files that dxf keeps there, whose they are, and what skopeo makes of
them.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, hash_bytes
from dxf.exceptions import DXFDigestMismatchError, DXFHTTPError

from ..helpers import images
from ..helpers.endpoints import Endpoint
from ..helpers.images import write_index, write_layout
from ..helpers.layouts import NAME, REPO, blobs, bound, enter, entries, put, snapshot, under
from ..helpers.processes import Runner, files

Skopeo = Callable[..., str]

CONTENT = b'The quick brown fox jumps over the lazy dog.'
BLOBS = (CONTENT, b'no tar, no JSON: \x00\xff', b'')
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
LAYERS = (b'first layer\n' * 1000, b'second layer', b'')
PLATFORMS = (('linux/amd64', LAYERS), ('linux/arm/v7', (b'arm', b'second layer')))


@pytest.fixture(name='client')
def open_client(store: Endpoint) -> Iterator[DXF]:
    """A client of that repository."""
    with store.dxf(REPO) as client:
        yield client


def write_alias(client: DXF, alias: str = 'a', contents: tuple[bytes, ...] = BLOBS) -> str:
    """Store blobs under an alias; return the manifest."""
    return client.set_alias(alias, *(client.push_blob(data=content) for content in contents))


def pulled(client: DXF, digest: str) -> bytes:
    """Return a whole blob."""
    return b''.join(client.pull_blob(digest))


# The files

def test_a_repository_is_an_image_layout_with_nothing_else_in_it(client: DXF, layout: Path) -> None:
    manifest = write_alias(client)
    assert json.loads((layout / 'oci-layout').read_bytes()) == {'imageLayoutVersion': '1.0.0'}
    assert json.loads((layout / 'index.json').read_bytes()) == {
        'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [{
            'mediaType': OCI_MANIFEST, 'digest': hash_bytes(manifest.encode()), 'size': len(manifest),
            'annotations': {NAME: 'a'}}]}
    contents = {layout / 'blobs/sha256' / hashlib.sha256(content).hexdigest(): content
                for content in (*BLOBS, manifest.encode())}
    assert {path: path.read_bytes() for path in files(layout / 'blobs')} == contents
    assert files(layout) == sorted([*contents, layout / 'oci-layout', layout / 'index.json'])


def test_manifests_have_the_form_of_oci_there_unless_another_is_wanted(client: DXF, store: Endpoint) -> None:
    assert json.loads(write_alias(client))['mediaType'] == OCI_MANIFEST
    with DXF(store.host, REPO, schema='v2') as other:
        assert json.loads(write_alias(other))['mediaType'] == DOCKER_MANIFEST


@pytest.mark.parametrize(('schema', 'media_type'), [('v2', DOCKER_MANIFEST), ('oci', OCI_MANIFEST), ('v1', SIGNED)])
def test_a_manifest_is_kept_byte_for_byte_and_read_back(store: Endpoint, layout: Path, schema: str, media_type: str
                                                        ) -> None:
    with DXF(store.host, REPO, schema=schema) as client:
        manifest = write_alias(client)
    entry = entries(layout)[0]
    assert (entry['mediaType'], entry['size'], entry['annotations'][NAME]) == (media_type, len(manifest), 'a')
    assert store.file_of(REPO, entry['digest']).read_text('utf-8') == manifest
    with store.dxf(REPO) as reader:
        digest, response = reader.head_manifest_and_response('a')
        assert response.headers['Content-Type'] == media_type
        assert (digest == hash_bytes(manifest.encode())) == (schema != 'v1')
        for reference in ('a', str(digest), entry['digest']):
            assert reader.get_manifest_and_response(reference)[0] == manifest
        assert reader.get_manifest(str(digest)) == reader.get_manifest('a') == manifest
        assert reader.get_alias('a') == reader.get_alias(str(digest)) == [hash_bytes(content) for content in BLOBS]
        assert reader.get_alias('a', sizes=True) == [(hash_bytes(content), len(content)) for content in BLOBS]
        assert reader.del_alias('a') == [hash_bytes(content) for content in BLOBS]
        with pytest.raises(DXFHTTPError, match='404'):
            reader.get_manifest(str(digest))
    assert entries(layout) == []
    assert blobs(layout) == {hash_bytes(content) for content in BLOBS}


def test_a_manifest_of_schema_1_is_known_by_what_was_signed_as_on_a_registry(schema1_registry: Endpoint,
                                                                             store: Endpoint,
                                                                             repo: str) -> None:
    with DXF(schema1_registry.host, repo, insecure=True, schema='v1') as there, DXF(store.host, repo) as here:
        manifest = write_alias(there)
        for content in BLOBS:
            here.push_blob(data=content)
        here.set_manifest('a', manifest)
        assert here.get_manifest('a') == manifest
        assert here.head_manifest_and_response('a')[0] == there.head_manifest_and_response('a')[0]


def test_a_manifest_that_another_has_replaced_can_be_had_by_its_digest(client: DXF, layout: Path) -> None:
    first, second = write_alias(client), write_alias(client, contents=(b'other',))
    assert [entry['digest'] for entry in entries(layout)] == [hash_bytes(second.encode())]
    assert client.get_manifest(hash_bytes(first.encode())) == first
    with pytest.raises(DXFHTTPError, match='404'):  # a blob is no manifest
        client.get_manifest(hash_bytes(CONTENT))


# Other tools

def test_skopeo_shows_the_manifest_as_dxf_wrote_it(client: DXF, layout: Path, skopeo: Skopeo) -> None:
    manifest = write_alias(client)
    write_alias(client, 'b', (b'another',))
    assert skopeo('inspect', '--raw', f'oci:{layout}:a') == client.get_manifest('a') == manifest


@pytest.mark.parametrize('schema', ['v2', 'v1'])
def test_skopeo_sees_no_manifest_of_docker_s_in_a_layout_but_those_beside_it(store: Endpoint, client: DXF, layout: Path,
                                                                             skopeo: Skopeo, schema: str) -> None:
    manifest = write_alias(client)
    with DXF(store.host, REPO, schema=schema) as other:
        write_alias(other, 'b')
    assert skopeo('inspect', '--raw', f'oci:{layout}:a') == manifest
    with pytest.raises(AssertionError, match='no descriptor found'):
        skopeo('inspect', '--raw', f'oci:{layout}:b')


def test_skopeo_copies_an_alias_to_another_layout(client: DXF, layout: Path, skopeo: Skopeo, tmp_path: Path) -> None:
    manifest = write_alias(client)
    skopeo('copy', f'oci:{layout}:a', f'oci:{tmp_path / "copy"}:b')
    with DXF(f'oci:{tmp_path / "copy"}', '') as copied:
        assert copied.list_aliases() == ['b']
        assert copied.head_manifest_and_response('b')[0] == hash_bytes(manifest.encode())
        assert [pulled(copied, digest) for digest in copied.get_alias('b')] == list(BLOBS)


def test_skopeo_copies_an_alias_to_a_registry_and_back(client: DXF, layout: Path, open_registry: Endpoint, repo: str,
                                                       skopeo: Skopeo) -> None:
    manifest = write_alias(client)
    there = f'docker://{open_registry.host}/{repo}:a'
    skopeo('copy', '--dest-tls-verify=false', f'oci:{layout}:a', there)
    with open_registry.dxf(repo) as remote:
        assert remote.head_manifest_and_response('a')[0] == hash_bytes(manifest.encode())
        assert [pulled(remote, digest) for digest in remote.get_alias('a')] == list(BLOBS)
    skopeo('copy', '--src-tls-verify=false', there, f'oci:{layout}:back')
    assert client.get_manifest('back') == manifest
    assert sorted(client.list_aliases()) == ['a', 'back']


def test_dxf_reads_an_image_that_skopeo_copied_into_a_repository(client: DXF, layout: Path, skopeo: Skopeo,
                                                                 tmp_path: Path) -> None:
    image = write_layout(tmp_path / 'source', LAYERS)
    write_alias(client, 'mine')
    skopeo('copy', f'oci:{tmp_path / "source"}:latest', f'oci:{layout}:3.2')
    assert sorted(client.list_aliases()) == ['3.2', 'mine']
    assert client.get_manifest('3.2') == skopeo('inspect', '--raw', f'oci:{layout}:3.2')
    assert client.get_digest('3.2') == image.config
    contents = [images.layer(content) for content in LAYERS]
    assert client.get_alias('3.2', sizes=True) == list(zip(image.layers, map(len, contents), strict=True))
    assert [pulled(client, digest) for digest in image.layers] == contents
    assert client.get_alias('mine') == [hash_bytes(content) for content in BLOBS]


@pytest.mark.parametrize('repository', [REPO, ''], ids=['in a repository', 'as the root itself'])
def test_dxf_reads_an_index_that_skopeo_copied(store: Endpoint, skopeo: Skopeo, tmp_path: Path,
                                               repository: str) -> None:
    index = write_index(tmp_path / 'source', PLATFORMS)
    layout = store.registry.storage / repository
    layout.mkdir(parents=True)
    skopeo('copy', '--all', f'oci:{tmp_path / "source"}:latest', f'oci:{layout}:3')
    with store.dxf(repository) as client:
        assert client.list_aliases() == ['3']
        assert client.head_manifest_and_response('3')[0] == index.digest
        for image, (platform, layers) in zip(index.images, PLATFORMS, strict=True):
            contents = [images.layer(content) for content in layers]
            sized = list(zip(image.layers, map(len, contents), strict=True))
            assert images.by_platform(client.get_alias('3', sizes=True))[platform] == sized
            assert client.get_alias('3', platform=platform) == list(image.layers)
            assert [pulled(client, digest) for digest, _ in sized] == contents
            assert client.get_digest('3', platform=platform) == image.config


def test_the_command_line_takes_no_name_for_the_layout_that_is_the_root(store: Endpoint, skopeo: Skopeo, tmp_path: Path
                                                                        ) -> None:
    image = write_layout(store.registry.storage, LAYERS, 'x')
    path = tmp_path / 'fox'
    path.write_bytes(CONTENT)
    runner = Runner(store.environ())
    assert runner.run('get-alias', '', 'x').insist(0).out.decode().split() == list(image.layers)
    runner.run('push-blob', '', path, '@fox').insist(0)
    assert runner.run('list-aliases', '').insist(0).out == b'fox\nx\n'
    assert json.loads(skopeo('inspect', '--raw', f'oci:{store.registry.storage}:fox'))['layers'][0]['size'] == \
        len(CONTENT)


def test_an_image_that_was_copied_without_a_tag_is_the_latest(client: DXF, layout: Path, skopeo: Skopeo,
                                                              tmp_path: Path) -> None:
    image = write_layout(tmp_path / 'source', LAYERS)
    layout.mkdir(parents=True)
    skopeo('copy', f'oci:{tmp_path / "source"}:latest', f'oci:{layout}')
    assert NAME not in entries(layout)[0].get('annotations', {})
    assert client.get_alias('latest') == list(image.layers)
    with pytest.raises(DXFHTTPError, match='404'):
        client.get_alias('other')
    write_alias(client)  # which gives the other its name: an alias that was there does not go
    assert client.get_alias('latest') == list(image.layers)


def test_the_alias_of_a_full_reference_is_its_tag(client: DXF, layout: Path) -> None:
    image = write_layout(layout, LAYERS, 'docker.io/library/alpine:3')
    assert client.list_aliases() == ['3']
    assert client.get_alias('3') == list(image.layers)
    assert client.del_alias('3') == list(image.layers)
    assert client.list_aliases() == []


def test_a_name_that_stands_alone_comes_before_the_tag_of_a_full_reference(client: DXF, layout: Path) -> None:
    write_layout(layout, LAYERS, 'docker.io/library/alpine:3')
    write_alias(client, '3')
    assert client.list_aliases() == ['3', 'docker.io/library/alpine:3']
    assert client.get_alias('3') == [hash_bytes(content) for content in BLOBS]


# What is in the index and not dxf's

FOREIGN = {
    'sha512': {'mediaType': OCI_MANIFEST, 'digest': 'sha512:' + '0' * 128, 'size': 7, 'annotations': {NAME: 'long'}},
    'another kind': {'mediaType': 'application/vnd.example+json', 'digest': hash_bytes(b'{}'), 'size': 2,
                     'artifactType': 'application/vnd.example', 'data': 'e30=', 'x-own': [1, None]},
    'no digest': {'mediaType': 'text/plain', 'urls': ['https://example.com/']},
    'no name': {'digest': hash_bytes(b'7'), 'annotations': {'note': 'caf\u00e9'}, 'platform': {'os': 'plan9'}},
    'annotations of no kind': {'digest': hash_bytes(b'8'), 'annotations': 'none'},
    'a digest of no kind': {'digest': ['sha256'], 'size': -1},
    'text': 'sha256:',
    'nothing': None,
}


@pytest.mark.parametrize('entry', FOREIGN.values(), ids=FOREIGN)
def test_an_entry_that_is_not_dxf_s_survives_its_changes(client: DXF, layout: Path, entry: Any) -> None:
    first = write_alias(client)
    enter(layout, entry)
    write_alias(client, 'b', (b'other',))
    assert entry in entries(layout)
    assert client.get_manifest('a') == first
    listed = iter(client.list_aliases(iterate=True))
    assert [next(listed), next(listed)] == ['a', 'b']
    client.del_alias('b')
    assert entry in entries(layout)
    client.del_alias('a')
    assert entries(layout) == [entry]


def test_the_other_fields_of_the_index_survive_changes(client: DXF, layout: Path) -> None:
    write_alias(client)
    path = layout / 'index.json'
    index = json.loads(path.read_bytes())
    foreign = {'annotations': {'com.example': 'kept'}, 'artifactType': 'application/vnd.example',
               'subject': {'digest': hash_bytes(b''), 'size': 0}, 'x-own': {'deep': [True, None, 1.5, 'caf\u00e9']}}
    path.write_text(json.dumps({**foreign, **index}), encoding='utf-8')
    write_alias(client, 'b', (b'other',))
    client.del_alias('a')
    changed = json.loads(path.read_bytes())
    assert {key: changed[key] for key in foreign} == foreign
    assert (changed['schemaVersion'], changed['mediaType']) == (2, OCI_INDEX)
    assert client.list_aliases() == ['b']


def test_an_alias_that_is_set_again_has_one_entry(client: DXF, layout: Path) -> None:
    for contents in (BLOBS, (b'other',), BLOBS):
        manifest = write_alias(client, contents=contents)
        assert [(entry['digest'], entry['annotations']) for entry in entries(layout)] == [
            (hash_bytes(manifest.encode()), {NAME: 'a'})]


def test_a_layout_that_lacks_its_blobs_folder_can_be_pushed_to(client: DXF, layout: Path) -> None:
    layout.mkdir(parents=True)  # as archives and git leave one that has no blobs yet
    (layout / 'oci-layout').write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / 'index.json').write_text('{"schemaVersion": 2, "manifests": []}')
    write_alias(client)
    assert client.get_alias('a') == [hash_bytes(content) for content in BLOBS]


# One file for several repositories

def inode(store: Endpoint, repo: str, digest: str) -> int:
    """Return what file it is in which a repository keeps a blob."""
    return os.stat(store.file_of(repo, digest)).st_ino


def test_a_blob_of_two_repositories_is_stored_once(store: Endpoint) -> None:
    with store.dxf('fred/one') as one, store.dxf('two') as two, store.dxf('fred/three/four') as three:
        digest = one.push_blob(data=CONTENT)
        assert two.push_blob(data=CONTENT) == digest
        assert three.mount_blob('fred/one', digest) == digest
        assert inode(store, 'fred/one', digest) == inode(store, 'two', digest) == \
            inode(store, 'fred/three/four', digest)
        one.del_blob(digest)
        assert not store.file_of('fred/one', digest).exists()
        assert pulled(two, digest) == pulled(three, digest) == CONTENT
        assert not [path for path in files(store.registry.storage) if path.name.startswith('.dxf.')]


def test_a_deletion_of_a_blob_deletes_no_manifest(store: Endpoint) -> None:
    with store.dxf('fred/one') as one:
        child = write_alias(one)
        digest = hash_bytes(child.encode())
        index = json.dumps({'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.index.v1+json', 'manifests': [
            {'mediaType': json.loads(child)['mediaType'], 'digest': digest, 'size': len(child)}]})
        one.set_manifest('index', index)
        stored = store.file_of('fred/one', digest)
        refused(store, digest)
        one.del_alias(*(alias for alias in one.list_aliases() if alias != 'index'))
        assert stored.exists()
        refused(store, digest)
        refused(store, hash_bytes(index.encode()))
        assert stored.exists() and one.get_manifest('index')
        text = one.push_blob(data=index.replace(' ', '  '))  # a copy of a manifest that is a blob here
        one.del_blob(text)


def refused(store: Endpoint, digest: str) -> None:
    """Check that no blob is deleted by the digest of a manifest."""
    ended = Runner(store.environ()).run('del-blob', 'fred/one', digest).insist(2)
    assert 'dxf del-alias' in ended.lines[0]


def test_a_manifest_of_two_repositories_is_stored_once(store: Endpoint) -> None:
    with store.dxf('fred/one') as one, store.dxf('two') as two:
        digest = hash_bytes(write_alias(one).encode())
        write_alias(two)
        assert inode(store, 'fred/one', digest) == inode(store, 'two', digest)


def test_a_blob_of_the_right_size_and_the_wrong_content_is_not_taken_for_the_same(store: Endpoint) -> None:
    with store.dxf('fred/one') as one, store.dxf('two') as two:
        digest = one.push_blob(data=CONTENT)
        store.file_of('fred/one', digest).write_bytes(CONTENT[::-1])
        two.push_blob(data=CONTENT)
        assert store.file_of('two', digest).read_bytes() == CONTENT
        assert inode(store, 'fred/one', digest) != inode(store, 'two', digest)


def test_a_blob_that_was_damaged_is_whole_when_it_has_been_pushed_again(store: Endpoint) -> None:
    with store.dxf('fred/one') as one, store.dxf('two') as two:
        digest = one.push_blob(data=CONTENT)
        path = store.file_of('fred/one', digest)
        path.unlink()
        path.write_bytes(CONTENT[:7])
        two.push_blob(data=CONTENT)
        one.push_blob(data=CONTENT, check_exists=False)
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize('number', [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_where_the_file_system_cannot_link_a_blob_is_copied(store: Endpoint, monkeypatch: pytest.MonkeyPatch,
                                                            number: int) -> None:
    def link(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))
    monkeypatch.setattr(os, 'link', link)
    with store.dxf('fred/one') as one, store.dxf('two') as two, store.dxf('three') as three:
        digest = one.push_blob(data=CONTENT)
        two.push_blob(data=CONTENT)
        three.mount_blob('fred/one', digest)
        assert len({inode(store, repo, digest) for repo in ('fred/one', 'two', 'three')}) == 3
        one.del_blob(digest)
        assert pulled(two, digest) == pulled(three, digest) == CONTENT
        assert not [path for path in files(store.registry.storage) if path.name.startswith('.dxf.')]


def test_what_another_program_wrote_is_on_the_disk_before_it_counts_as_stored(
        store: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync
    with store.dxf('fred/one') as one, store.dxf('two') as two, store.dxf('three') as three:
        digest = one.push_blob(data=CONTENT)
        theirs = store.file_of('fred/one', digest)

        def fail(file: int) -> None:
            if os.path.samestat(os.fstat(file), os.stat(theirs)):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            sync(file)
        monkeypatch.setattr(os, 'fsync', fail)
        with pytest.raises(OSError, match='Input/output error') as caught:
            one.push_blob(data=CONTENT)
        assert str(theirs) in str(caught.value)
        two.push_blob(data=CONTENT)
        three.mount_blob('fred/one', digest)
        assert pulled(two, digest) == pulled(three, digest) == CONTENT
        assert inode(store, 'fred/one', digest) not in {inode(store, repo, digest) for repo in ('two', 'three')}


def test_what_is_damaged_is_not_copied_for_a_mount(store: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    monkeypatch.setattr(os, 'link', link)
    with store.dxf('fred/one') as one, store.dxf('two') as two:
        digest = one.push_blob(data=CONTENT)
        store.file_of('fred/one', digest).write_bytes(CONTENT[::-1])
        with pytest.raises(Exception, match=f'{digest[7:]} is not what its name says'):
            two.mount_blob('fred/one', digest)
        assert files(store.registry.storage / 'two' / 'blobs') == store.uploads('two') == []


@pytest.mark.parametrize('content', [CONTENT[::-1], CONTENT[:7], CONTENT + b'!', b''])
def test_what_is_damaged_is_neither_linked_nor_copied_within_a_folder(store: Endpoint, tmp_path: Path, content: bytes
                                                                     ) -> None:
    with store.dxf('fred/one') as one:
        digest = hash_bytes(CONTENT)
        write_alias(one)
    path = store.file_of('fred/one', digest)
    path.write_bytes(content)
    before = snapshot(tmp_path)
    runner = Runner(store.environ())
    for args in (('mount-blob', 'two', 'fred/one', digest), ('copy', 'fred/one', 'a', '--to', store.host, '--to-repo',
                                                             'two')):
        ended = runner.run(*args).insist(1)
        assert len(ended.lines) == 1 and str(path) in ended.lines[0], ended.lines
        assert 'is not what its name says' in ended.lines[0]
        assert not store.file_of('two', digest).exists()
    with store.dxf('two') as two:
        with pytest.raises(DXFHTTPError, match='404'):
            two.get_alias('a')
    assert {path: before[path] for path in before if '/one/' in path} == {
        path: now for path, now in snapshot(tmp_path).items() if '/one/' in path}


@pytest.mark.parametrize('content', [CONTENT[::-1], CONTENT[:7]])
def test_a_mount_replaces_a_damaged_file_that_has_the_name(store: Endpoint, content: bytes) -> None:
    with store.dxf('fred/one') as one, store.dxf('two') as two:
        digest = one.push_blob(data=CONTENT)
        two_layout = store.registry.storage / 'two'
        put(two_layout, b'')
        (two_layout / 'oci-layout').write_text('{"imageLayoutVersion": "1.0.0"}')
        (two_layout / 'index.json').write_text('{"schemaVersion": 2, "manifests": []}')
        store.file_of('two', digest).write_bytes(content)
        two.mount_blob('fred/one', digest)
        assert pulled(two, digest) == pulled(one, digest) == CONTENT
        assert not [path for path in files(store.registry.storage) if path.name.startswith('.dxf.')]


def test_the_size_that_is_told_of_a_blob_is_that_of_its_file(client: DXF, store: Endpoint) -> None:
    digest = client.push_blob(data=CONTENT)
    store.file_of(REPO, digest).write_bytes(CONTENT[:7])
    assert client._request('head', f'blobs/{digest}').headers['Content-Length'] == '7'


@pytest.mark.parametrize('content', [CONTENT[::-1], CONTENT[:7], b''])
def test_an_upload_replaces_a_damaged_file(client: DXF, store: Endpoint, content: bytes) -> None:
    digest = client.push_blob(data=CONTENT)
    store.file_of(REPO, digest).write_bytes(content)
    location = client._request('post', 'blobs/uploads/').headers['Location']
    client._base_request('put', f'{location}?digest={digest}', data=CONTENT)
    assert store.file_of(REPO, digest).read_bytes() == CONTENT


def test_a_blob_can_be_mounted_twice(store: Endpoint) -> None:
    with store.dxf('fred/one') as one, store.dxf('two') as two:
        digest = one.push_blob(data=CONTENT)
        for _ in range(2):
            assert two.mount_blob('fred/one', digest) == digest
        assert pulled(two, digest) == CONTENT


def test_a_folder_beside_that_may_not_be_read_is_in_nobody_s_way(store: Endpoint, layout: Path, tmp_path: Path) -> None:
    path = tmp_path / 'fox'
    path.write_bytes(CONTENT)
    beside = store.registry.storage / 'lost+found'  # at the root of each disk
    beside.mkdir(parents=True)
    beside.chmod(0)
    try:
        bound(Runner(store.environ())).run('push-blob', REPO, path, '@fox').insist(0)
        assert bound(Runner(store.environ())).run('list-repos').insist(0).out.decode() == f'{REPO}\n'
    finally:
        beside.chmod(0o700)
    assert hash_bytes(CONTENT) in blobs(layout)


# Permissions

@pytest.mark.parametrize('mask', [0o027, 0o077, 0o002])
def test_files_and_folders_have_the_permissions_that_the_umask_leaves(store: Endpoint, tmp_path: Path,
                                                                      mask: int) -> None:
    path = tmp_path / 'fox'
    path.write_bytes(CONTENT)
    under(Runner(store.environ()), f'umask {mask:o}').run('push-blob', REPO, path, '@a').insist(0)
    made = [store.registry.storage, *store.registry.storage.rglob('*')]
    assert len(made) == 9
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o777 & ~mask}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o666 & ~mask}


# Temporary files

def test_what_a_killed_process_left_is_removed_by_the_next_push(client: DXF, layout: Path) -> None:
    layout.mkdir(parents=True)
    (layout / '.dxf.123').write_bytes(b'half of someth')
    (layout / '.dxf.1763928000000000000').write_bytes(b'')
    (layout / '.dxf.notes').write_bytes(b'mine')
    client.push_blob(data=CONTENT)
    assert sorted(path.name for path in layout.iterdir()) == ['.dxf.notes', 'blobs', 'index.json', 'oci-layout']


def test_what_a_living_process_is_writing_stays(store: Endpoint, client: DXF, tmp_path: Path) -> None:
    path = tmp_path / 'fox'
    path.write_bytes(CONTENT)
    location = client._request('post', 'blobs/uploads/').headers['Location']
    client._base_request('patch', location, data=b'begun ')
    before = store.uploads(REPO)
    assert len(before) == 1
    runner = Runner(store.environ())
    runner.run('push-blob', REPO, path, '@fox').insist(0)
    runner.run('gc', REPO, '--delete').insist(0)
    assert store.uploads(REPO) == before
    digest = hash_bytes(b'begun and ended')
    client._base_request('put', f'{location}?digest={digest}', data=b'and ended')
    assert pulled(client, digest) == b'begun and ended'
    assert not store.uploads(REPO)


class FaultError(Exception):
    """What a source raises that breaks."""


def faulty() -> Iterator[bytes]:
    """Yield something, and break."""
    yield CONTENT
    raise FaultError


FAILURES: list[Any] = [
    pytest.param(lambda: CONTENT, hash_bytes(b''), DXFDigestMismatchError, id='bytes with another digest'),
    pytest.param(lambda: iter([CONTENT, CONTENT]), hash_bytes(b''), DXFDigestMismatchError,
                 id='a stream with another digest'),
    pytest.param(faulty, None, FaultError, id='a source that raises'),
]


@pytest.mark.parametrize(('source', 'digest', 'error'), FAILURES)
@pytest.mark.parametrize('existing', ['.', 'blobs', 'blobs/fred', f'blobs/{REPO}'])
def test_a_push_that_fails_leaves_the_disk_as_it_was(client: DXF, tmp_path: Path, source: Callable[[], Any],
                                                     digest: str | None, error: type[Exception], existing: str
                                                     ) -> None:
    (tmp_path / existing).mkdir(parents=True, exist_ok=True)
    before = snapshot(tmp_path)
    with pytest.raises(error):
        client.push_blob(data=source(), digest=digest)
    assert snapshot(tmp_path) == before


def test_a_push_that_fails_leaves_a_layout_as_it_was(client: DXF, tmp_path: Path) -> None:
    write_alias(client)
    before = snapshot(tmp_path)
    with pytest.raises(FaultError):
        client.push_blob(data=faulty())
    assert snapshot(tmp_path) == before


def test_a_mount_of_what_is_nowhere_leaves_the_disk_as_it_was(client: DXF, tmp_path: Path) -> None:
    before = snapshot(tmp_path)
    with pytest.raises(Exception, match='did not mount'):
        client.mount_blob('fred/other', hash_bytes(CONTENT))
    assert snapshot(tmp_path) == before


def test_a_manifest_that_names_what_is_not_there_leaves_the_disk_as_it_was(client: DXF, store: Endpoint, tmp_path: Path
                                                                           ) -> None:
    with store.dxf('fred/other') as other:
        manifest = write_alias(other)
    before = snapshot(tmp_path)
    with pytest.raises(DXFHTTPError, match='push the blobs first'):
        client.set_manifest('a', manifest)
    assert snapshot(tmp_path) == before


def test_blobs_that_others_put_there_can_be_named(client: DXF, layout: Path) -> None:
    client.push_blob(data=b'')
    digest = put(layout, CONTENT)
    client.set_alias('a', digest)
    assert client.get_alias('a', sizes=True) == [(digest, len(CONTENT))]
