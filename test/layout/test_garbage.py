"""Garbage: what `dxf gc` removes from a repository in a folder, and what it must not."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFHTTPError, DXFInvalidDocumentError
from dxf.layout.garbage import collect
from dxf.layout.store import Layout

from ..helpers import images
from ..helpers.endpoints import Endpoint, Folder
from ..helpers.layouts import NAME, REPO, SIZES, blobs, enter, entries, put, snapshot
from ..helpers.processes import Runner

OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
ARTIFACT = 'application/vnd.oci.artifact.manifest.v1+json'
OCTETS = 'application/octet-stream'
RUBBISH = (b'rubbish', b'', b'{"digest": "no"}')


@pytest.fixture(name='root')
def make_root(tmp_path: Path) -> Path:
    """A folder with a repository that has an alias, and blobs that nothing leads to."""
    root = tmp_path / 'blobs'
    with DXF(f'oci:{root}', REPO) as client:
        client.set_alias('a', client.push_blob(data=b'one'), client.push_blob(data=b'two'))
        for content in RUBBISH:
            client.push_blob(data=content)
    return root


@pytest.fixture(name='layout')
def name_layout(root: Path) -> Path:
    """The folder of that repository."""
    return root / REPO


@pytest.fixture(name='client')
def open_client(root: Path) -> DXF:
    """A client of it."""
    return DXF(f'oci:{root}', REPO)


def garbage(root: Path, delete: bool = True, repo: str = REPO) -> set[str]:
    """Return the digests of the garbage, which is removed."""
    return {found.digest for found in collect(Layout(str(root), repo), delete)}


def descriptor(digest: str, media_type: str = OCTETS, **fields: Any) -> dict[str, Any]:
    """Return what points to a blob."""
    size = SIZES.get(digest, 3 if digest == hash_bytes(b'one') else 7)
    return {'mediaType': media_type, 'digest': digest, 'size': size, **fields}


def manifest_of(*layers: str, **fields: Any) -> dict[str, Any]:
    """Return an image manifest."""
    return {'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': descriptor(layers[0]),
            'layers': list(map(descriptor, layers)), **fields}


# What is removed

WANTED = {hash_bytes(content): len(content) for content in RUBBISH}


def test_what_nothing_leads_to_is_printed_with_its_size_and_stays(root: Path) -> None:
    before = snapshot(root)
    ended = Runner(Endpoint(Folder(root)).environ()).run('gc', REPO).insist(0)
    assert ended.out.decode().splitlines() == [f'{digest} {WANTED[digest]}' for digest in sorted(WANTED)]
    assert snapshot(root) == before


def test_what_nothing_leads_to_is_removed_where_that_is_asked_for(root: Path, layout: Path, client: DXF) -> None:
    before = blobs(layout)
    ended = Runner(Endpoint(Folder(root)).environ()).run('gc', REPO, '--delete').insist(0)
    assert ended.out.decode().splitlines() == [f'{digest} {WANTED[digest]}' for digest in sorted(WANTED)]
    assert blobs(layout) == before - set(WANTED)
    assert [b''.join(client.pull_blob(digest)) for digest in client.get_alias('a')] == [b'one', b'two']
    assert garbage(root) == set()


def test_what_an_alias_named_that_was_replaced_or_deleted_is_removed(root: Path, layout: Path, client: DXF) -> None:
    garbage(root)
    old = client.get_manifest('a')
    client.set_alias('a', hash_bytes(b'two'))
    assert garbage(root) == {hash_bytes(str(old).encode()), hash_bytes(b'one')}
    client.del_alias('a')
    assert garbage(root) == {hash_bytes(b'two')}
    assert blobs(layout) == set()


def test_the_root_itself_may_be_the_layout(tmp_path: Path) -> None:
    images.write_layout(tmp_path, (b'layer',))
    digest = put(tmp_path, b'rubbish')
    ended = Runner(Endpoint(Folder(tmp_path)).environ()).run('gc', '', '--delete').insist(0)
    assert ended.out.decode() == f'{digest} 7\n'
    assert digest not in blobs(tmp_path)


def test_a_blob_that_another_repository_has_too_stays_there(root: Path, layout: Path) -> None:
    with DXF(f'oci:{root}', 'other') as other:
        digest = other.push_blob(data=RUBBISH[0])
        assert (root / 'other/blobs/sha256' / digest[7:]).samefile(layout / 'blobs/sha256' / digest[7:])
        assert digest in garbage(root)
        assert b''.join(other.pull_blob(digest)) == RUBBISH[0]


@pytest.mark.parametrize('repo', ['other', REPO], ids=['the link', 'the folder'])
@pytest.mark.parametrize('depth', [('blobs',), ('blobs', 'sha256')], ids='/'.join)
def test_nothing_is_removed_where_two_repositories_share_their_blobs_by_a_link(
        root: Path, layout: Path, client: DXF, repo: str, depth: tuple[str, ...]) -> None:
    with DXF(f'oci:{root}', 'other') as other:
        other.set_alias('b', other.push_blob(data=b'one'), other.push_blob(data=b'three'))
        for digest in blobs(root / 'other'):
            put(layout, (root / 'other' / 'blobs' / 'sha256' / digest[7:]).read_bytes())
        shared = (root / 'other').joinpath(*depth)
        shutil.rmtree(shared)
        shared.symlink_to(layout.joinpath(*depth))
        before = blobs(layout)
        assert other.get_alias('b') == [hash_bytes(b'one'), hash_bytes(b'three')]
        for delete in (False, True):
            with pytest.raises(DXFInvalidDocumentError, match='is shared with .* by a symbolic link'):
                garbage(root, delete, repo)
        with DXF(f'oci:{root}', repo) as one, pytest.raises(DXFInvalidDocumentError, match='is shared with'):
            one.del_blob(hash_bytes(b'one'))
        Runner({'DXF_HOST': f'oci:{root}'}).run('del-alias', repo, 'b' if repo == 'other' else 'a').insist(0)
    assert blobs(layout) == before
    with client:
        assert client.list_aliases() == (['a'] if repo == 'other' else [])


@pytest.mark.parametrize('other', ['other', 'Upper/Case'])
def test_blobs_that_are_shared_by_a_link_are_found_however_the_other_layout_is_called(root: Path, layout: Path,
                                                                                      client: DXF, other: str) -> None:
    with client:
        assert client.list_aliases() == ['a']  # the layouts of the root are not remembered
        shutil.copytree(layout, root / other)
        shutil.rmtree(root / other / 'blobs')
        (root / other / 'blobs').symlink_to(layout / 'blobs')
        with pytest.raises(DXFInvalidDocumentError, match='is shared with'):
            client.del_blob(hash_bytes(b'one'))


def test_other_files_are_left_alone(root: Path, layout: Path) -> None:
    others = {'notes': b'', 'a' * 63: b'short', 'A' * 64: b'upper case', '.hidden': b'', 'a' * 65: b'long'}
    for name, content in others.items():
        (layout / 'blobs/sha256' / name).write_bytes(content)
    (layout / 'blobs/sha256' / 'folder').mkdir()
    (layout / 'blobs' / 'md5').mkdir()
    (layout / 'notes').write_bytes(b'notes')
    assert garbage(root) == set(WANTED)
    assert {name: (layout / 'blobs/sha256' / name).read_bytes() for name in others} == others
    assert (layout / 'blobs/sha256/folder').is_dir() and (layout / 'blobs/md5').is_dir()
    assert (layout / 'notes').read_bytes() == b'notes'


def test_what_killed_processes_left_is_removed_with_it(root: Path, layout: Path) -> None:
    (layout / '.dxf.123').write_bytes(b'half of someth')
    garbage(root, delete=False)
    assert (layout / '.dxf.123').exists()
    garbage(root)
    assert not (layout / '.dxf.123').exists()


# What is kept

def _nested(layout: Path, client: DXF) -> None:
    inner = put(layout, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
        descriptor(put(layout, manifest_of(put(layout, b'deep'), put(layout, b'deeper'))), OCI_MANIFEST)]})
    client.set_manifest('i', json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
        descriptor(inner, OCI_INDEX)]}))


def _untyped(layout: Path, client: DXF) -> None:
    del client
    index = put(layout, {'schemaVersion': 2, 'manifests': [
        {'digest': put(layout, manifest_of(put(layout, b'deep'))), 'size': 7}]})
    enter(layout, {'digest': index, 'size': 7})


def _schema1(layout: Path, client: DXF) -> None:
    del client
    with DXF(f'oci:{layout.parent.parent}', REPO, schema='v1') as other:
        other.set_alias('s', other.push_blob(data=b'signed'), other.push_blob(data=b'sealed'))


def _unknown(layout: Path, client: DXF) -> None:
    del client
    enter(layout, descriptor(put(layout, {'mediaType': ARTIFACT, 'artifactType': 'text/x', 'blobs': [
        descriptor(put(layout, b'artifact'), 'text/x')]}), ARTIFACT))


def _bare(layout: Path, client: DXF) -> None:
    del client
    enter(layout, descriptor(put(layout, {'mediaType': 'application/x+json', 'parts': {'x': [put(layout, b'part')]}}),
                             'application/x+json'))


def _keys(layout: Path, client: DXF) -> None:
    del client
    enter(layout, descriptor(put(layout, {'files': {put(layout, b'part'): 'part.bin'},
                                          'base': f'registry.example.com/fred@{put(layout, b"base")}'}),
                             'application/x+json'))


def _referrer(layout: Path, client: DXF) -> None:
    subject = put(layout, manifest_of(put(layout, b'subject')))  # it has no entry of its own
    content = json.dumps(manifest_of(put(layout, b'signature'), subject=descriptor(subject, OCI_MANIFEST)))
    client.set_manifest(hash_bytes(content.encode()), content)


def _configuration(layout: Path, client: DXF) -> None:
    config = put(layout, b'no JSON, whatever its type says')
    content = manifest_of(put(layout, b'layer'))
    content['config'] = descriptor(config, 'application/vnd.oci.image.config.v1+json')
    client.set_manifest('c', json.dumps(content))


def _plain_configuration(layout: Path, client: DXF) -> None:
    content = manifest_of(put(layout, b'layer'))
    content['config'] = descriptor(put(layout, {'parts': [put(layout, b'part')]}), 'application/json; charset=utf-8')
    client.set_manifest('c', json.dumps(content))


def _base(layout: Path, client: DXF) -> None:
    other = json.dumps(manifest_of(put(layout, b'base')))
    content = manifest_of(put(layout, b'on top'),
                          annotations={'org.opencontainers.image.base.digest': hash_bytes(other.encode())})
    client.set_manifest('top', json.dumps(content))
    client.set_manifest('base', other)


def _layer_too(layout: Path, client: DXF) -> None:
    other = json.dumps(manifest_of(put(layout, b'base')))
    client.set_manifest('packed', json.dumps(manifest_of(put(layout, other.encode()))))
    client.set_manifest('base', other)


def _long_digest(layout: Path, client: DXF) -> None:
    del client
    long = put(layout, manifest_of(put(layout, b'long'), put(layout, b'longer')), 'sha512')
    enter(layout, descriptor(long, OCI_MANIFEST, annotations={NAME: 'long'}))


def _long_digest_in_an_index(layout: Path, client: DXF) -> None:
    del client
    long = put(layout, manifest_of(put(layout, b'long')), 'sha512')
    index = put(layout, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [descriptor(long, OCI_MANIFEST)]})
    enter(layout, descriptor(index, OCI_INDEX))


@pytest.mark.parametrize('add', [
    pytest.param(_nested, id='an index within an index'),
    pytest.param(_untyped, id='an index without types'),
    pytest.param(_schema1, id='a manifest of schema 1'),
    pytest.param(_unknown, id='a manifest of a kind that dxf does not know'),
    pytest.param(_bare, id='a manifest that names digests alone'),
    pytest.param(_keys, id='a manifest that names digests as keys and within references'),
    pytest.param(_referrer, id='what refers to another, and its subject'),
    pytest.param(_configuration, id='a configuration that is no JSON'),
    pytest.param(_plain_configuration, id='a configuration of plain JSON'),
    pytest.param(_base, id='an image on which another is built, which names it before'),
    pytest.param(_layer_too, id='a manifest that is a layer of another before'),
])
def test_what_is_kept_with_all_that_it_leads_to(root: Path, layout: Path, client: DXF,
                                                add: Callable[[Path, DXF], None]) -> None:
    garbage(root)
    before = blobs(layout)
    add(layout, client)
    after = blobs(layout)
    assert len(after) > len(before)
    rubbish = put(layout, b'new rubbish')
    assert garbage(root) == {rubbish}
    assert blobs(layout) == after


@pytest.mark.parametrize('add', [_long_digest, _long_digest_in_an_index])
def test_what_a_manifest_with_a_digest_of_another_algorithm_leads_to_is_kept(root: Path, layout: Path, client: DXF,
                                                                             add: Callable[[Path, DXF], None]) -> None:
    garbage(root)
    add(layout, client)
    before = snapshot(layout)
    with suppress(DXFInvalidDocumentError):  # not to know what it names would do
        garbage(root)
    assert snapshot(layout) == before


def test_an_index_keeps_all_its_platforms(root: Path, layout: Path) -> None:
    index = images.write_index(root / 'other', [('linux/amd64', (b'a', b'b')), ('linux/arm/v7', (b'c',))])
    before = blobs(root / 'other')
    assert garbage(root, repo='other') == set()
    assert blobs(root / 'other') == before >= {index.digest, *(image.config for image in index.images)}
    assert blobs(layout) >= set(WANTED)


@pytest.mark.parametrize('entry', ['text', None, 7, [], {}, {'digest': 'md5:7'}, {'digest': None, 'size': 'x'}])
def test_an_entry_that_leads_nowhere_is_in_nobody_s_way(root: Path, layout: Path, entry: Any) -> None:
    enter(layout, entry)
    assert garbage(root) == set(WANTED)
    assert entry in entries(layout)


# Where it stops

@pytest.mark.parametrize('content', [b'no JSON', b'', b'{"manifests": [', b'\xff', b'{"a": 1, "a": 2}'])
@pytest.mark.parametrize('inner', [False, True], ids=['in the index', 'within an index'])
def test_nothing_is_removed_where_a_manifest_cannot_be_read(root: Path, layout: Path, content: bytes, inner: bool
                                                            ) -> None:
    digest = put(layout, content)
    enter(layout, descriptor(put(layout, {'manifests': [descriptor(digest, OCI_MANIFEST)]}), OCI_INDEX) if inner else
          descriptor(digest, OCI_MANIFEST))
    before = snapshot(root)
    with pytest.raises(DXFInvalidDocumentError, match=f'{digest[7:]}: invalid JSON.*what it names is not known'):
        garbage(root)
    assert snapshot(root) == before


def test_nothing_is_removed_where_a_manifest_is_too_large_to_be_read(root: Path, layout: Path) -> None:
    enter(layout, descriptor(put(layout, b'[%s1]' % (b'1, ' * (2 << 20))), OCI_MANIFEST))
    before = snapshot(root)
    with pytest.raises(DXFInvalidDocumentError, match='larger than a manifest'):
        garbage(root)
    assert snapshot(root) == before


@pytest.mark.parametrize('inner', [False, True], ids=['of an alias', 'of a platform of an alias'])
def test_nothing_is_removed_where_the_manifest_of_an_alias_is_missing(root: Path, layout: Path, inner: bool) -> None:
    if inner:
        index = images.write_index(root / 'other', [('linux/amd64', (b'a',)), ('linux/arm64', (b'b',))])
        missing, repo, alias = index.images[1].digest, 'other', 'latest'
    else:
        missing, repo, alias = entries(layout)[0]['digest'], REPO, 'a'
    put(root / repo, b'rubbish')
    (root / repo / 'blobs/sha256' / missing[7:]).unlink()  # as an interrupted rsync leaves it
    before = snapshot(root)
    for args in ((), ('--delete',)):
        ended = Runner(Endpoint(Folder(root)).environ()).run('gc', repo, *args).insist(1)
        assert len(ended.lines) == 1 and ended.out == b''
        for told in (missing[7:], 'missing', f'the alias {alias} leads to it', 'copy that again', 'dxf del-alias'):
            assert told in ended.lines[0]
        assert snapshot(root) == before


@pytest.mark.parametrize('media_type', ['application/vnd.oci.image.config.v1+json', 'application/vnd.example+json'])
@pytest.mark.parametrize('content', [None, b'{"parts": ['], ids=['missing', 'cut short'])
def test_nothing_is_removed_where_a_document_that_may_name_blobs_is_missing_or_damaged(
        root: Path, layout: Path, client: DXF, media_type: str, content: bytes | None) -> None:
    part = put(layout, b'part')
    document = put(layout, {'parts': [part]})
    client.set_manifest('m', json.dumps({**manifest_of(put(layout, b'layer')),
                                         'config': descriptor(document, media_type)}))
    assert garbage(root, delete=False) == set(WANTED)
    path = layout / 'blobs/sha256' / document[7:]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    before = snapshot(root)
    with pytest.raises(DXFInvalidDocumentError, match='what it names is not known.*the alias m leads to it'):
        garbage(root)
    assert snapshot(root) == before


def test_nothing_is_removed_where_a_manifest_names_others_than_its_digest_says(root: Path, layout: Path) -> None:
    path = layout / 'blobs/sha256' / entries(layout)[0]['digest'][7:]
    path.write_bytes(path.read_bytes().replace(hash_bytes(b'two').encode(), hash_bytes(b'new').encode()))
    before = snapshot(root)
    with pytest.raises(DXFInvalidDocumentError, match='damaged: what it names is not known'):
        garbage(root)
    assert snapshot(root) == before


def test_a_subject_that_is_missing_stops_nothing(root: Path, layout: Path, client: DXF) -> None:
    content = json.dumps(manifest_of(put(layout, b'signature'), subject=descriptor(hash_bytes(b'gone'), OCI_MANIFEST)))
    client.set_manifest(hash_bytes(content.encode()), content)
    assert garbage(root) == set(WANTED)


def test_the_empty_configuration_need_not_be_stored(root: Path, layout: Path) -> None:
    empty = descriptor(hash_bytes(b'{}'), 'application/vnd.oci.empty.v1+json', data='e30=')
    enter(layout, descriptor(put(layout, {**manifest_of(put(layout, b'layer')), 'config': empty}), OCI_MANIFEST))
    assert garbage(root) == set(WANTED)


def test_what_a_large_document_names_is_kept(root: Path, layout: Path, client: DXF) -> None:
    part = put(layout, b'part')
    document = put(layout, b'["%s", "%s"]' % (b'x' * ((4 << 20) + 7), part.encode()))
    client.set_manifest('m', json.dumps(manifest_of(document) | {'config': descriptor(document, 'text/x+json')}))
    assert garbage(root) == set(WANTED)
    assert part in blobs(layout)


def test_a_thousand_indexes_within_each_other_are_followed(root: Path, layout: Path) -> None:
    inner = put(layout, manifest_of(put(layout, b'deep')))
    for _ in range(1100):
        inner = put(layout, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [descriptor(inner, OCI_INDEX)]})
    enter(layout, descriptor(inner, OCI_INDEX))
    assert garbage(root) == set(WANTED)


@pytest.mark.parametrize('command', ['gc', 'list-aliases', 'set-alias'])
def test_an_index_that_is_missing_beside_blobs_is_one_line_and_is_not_taken_for_an_empty_one(root: Path, layout: Path,
                                                                                             command: str) -> None:
    (layout / 'index.json').unlink()  # as an interrupted rsync leaves it
    before = snapshot(root)
    args = {'gc': ['--delete'], 'list-aliases': [], 'set-alias': ['b', hash_bytes(b'one')]}[command]
    ended = Runner(Endpoint(Folder(root)).environ()).run(command, REPO, *args).insist(1)
    assert 'index.json is missing, but there are blobs' in ended.lines[0]
    assert snapshot(root) == before


# What is deleted, and what still leads to it

@pytest.fixture(name='index')
def write_platforms(root: Path) -> images.Index:
    """An index ``latest`` of two platforms, in a repository of its own, and the alias ``mine`` of the second."""
    index = images.write_index(root / 'other', [('linux/amd64', (b'a',)), ('linux/arm64', (b'b',))])
    arm = next(entry for entry in json.loads((root / 'other/blobs/sha256' / index.digest[7:]).read_bytes())['manifests']
               if entry['digest'] == index.images[1].digest)
    enter(root / 'other', {**arm, 'annotations': {NAME: 'mine'}})
    return index


@pytest.mark.parametrize('reference', ['mine', 'its digest'])
def test_an_image_that_an_index_lists_stays_whole_when_its_alias_is_deleted(root: Path, index: images.Index,
                                                                            reference: str) -> None:
    image = index.images[1]
    before = blobs(root / 'other')
    with DXF(f'oci:{root}', 'other') as client:
        client._request('delete', f'manifests/{reference if reference == "mine" else image.digest}')
        assert client.list_aliases() == ['latest']
        assert garbage(root, repo='other') == set()
        assert blobs(root / 'other') == before
        assert client.get_alias('latest', platform='linux/arm64') == list(image.layers)
        assert b''.join(client.pull_blob(image.layers[0])) == images.layer(b'b')
        client._request('delete', 'manifests/latest')
    assert garbage(root, repo='other') == before - {index.digest}  # which went with its name


def test_a_manifest_that_a_referrer_names_as_its_subject_keeps_its_file(root: Path, layout: Path, client: DXF) -> None:
    digest = entries(layout)[0]['digest']
    content = json.dumps(manifest_of(put(layout, b'signature'), subject=descriptor(digest, OCI_MANIFEST)))
    client.set_manifest('signature', content)
    client._request('delete', f'manifests/{digest}')
    assert client.list_aliases() == ['signature']
    assert garbage(root) == set(WANTED)
    assert digest in blobs(layout)


def test_a_manifest_keeps_its_file_where_it_is_not_known_what_leads_to_it(layout: Path, client: DXF
                                                                         ) -> None:
    digest = entries(layout)[0]['digest']
    enter(layout, descriptor(hash_bytes(b'missing'), OCI_INDEX, annotations={NAME: 'broken'}))
    client._request('delete', f'manifests/{digest}')
    assert client.list_aliases() == ['broken']
    assert digest in blobs(layout)


@pytest.mark.parametrize('content', [None, b'no JSON', b''], ids=['missing', 'damaged', 'empty'])
def test_the_alias_of_a_manifest_that_is_missing_or_damaged_is_an_error_and_can_be_deleted(
        root: Path, layout: Path, client: DXF, content: bytes | None) -> None:
    client.set_manifest('b', json.dumps(manifest_of(hash_bytes(b'one'))))
    digest = entries(layout)[0]['digest']
    path = layout / 'blobs/sha256' / digest[7:]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    problem = rf'404.*MANIFEST_UNKNOWN: .*missing: {digest}' if content is None else f'{digest[7:]}: damaged; copy it'
    with pytest.raises((DXFHTTPError, DXFInvalidDocumentError), match=problem):
        client.get_manifest_and_response('a')
    assert client.del_alias('a') == []
    assert client.list_aliases() == ['b']
    assert client.get_alias('b') == [hash_bytes(b'one')]
    assert hash_bytes(b'two') in garbage(root)


def test_a_manifest_that_is_too_large_is_not_called_damaged(layout: Path, client: DXF) -> None:
    large = put(layout, manifest_of(hash_bytes(b'one'), annotations={'x': 'y' * Limits().manifest}))
    enter(layout, descriptor(large, OCI_MANIFEST, annotations={NAME: 'large'}))
    problem = f'{large[7:]}: larger than a manifest; delete what names it by dxf del-alias$'
    with pytest.raises(DXFInvalidDocumentError, match=problem):
        client.get_manifest('large')
    with pytest.raises(DXFInvalidDocumentError, match=problem):
        client.list_referrers(client.manifest_digest('a'))
    assert client.del_alias('large') == []
    assert client.list_referrers(client.manifest_digest('a')) == []


def test_an_index_whose_image_lacks_a_layer_is_refused(root: Path, layout: Path, client: DXF) -> None:
    child = put(layout, manifest_of(hash_bytes(b'one'), hash_bytes(b'nobody stored this')))
    before = snapshot(root)
    with pytest.raises(DXFHTTPError, match='push the blobs first'):
        client.set_manifest('i', json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
            descriptor(child, OCI_MANIFEST)]}))
    assert snapshot(root) == before


def test_a_manifest_that_cannot_be_read_is_one_line(root: Path, layout: Path) -> None:
    enter(layout, descriptor(put(layout, b'no JSON'), OCI_MANIFEST))
    before = snapshot(root)
    ended = Runner(Endpoint(Folder(root)).environ()).run('gc', REPO, '--delete').insist(1)
    assert 'what it names is not known' in ended.lines[0]
    assert snapshot(root) == before


@pytest.mark.parametrize(('host', 'repo', 'said'), [
    ('localhost:1', REPO, 'gc is for folders'),
    ('', REPO, 'DXF_HOST'),
    ('oci:5000', REPO, 'gc is for folders'),
    ('oci:missing', REPO, 'there is no layout'),
    ('oci:blobs', 'fred/other', 'there is no layout'),
    ('oci:blobs', '', 'there is no layout'),
    ('oci:blobs', '../blobs', 'invalid repository'),
])
def test_what_is_no_layout_is_wrong_usage(root: Path, host: str, repo: str, said: str) -> None:
    before = snapshot(root.parent)
    ended = Runner({'DXF_HOST': host}).run('gc', repo, '--delete', cwd=root.parent).insist(2)
    assert said in ended.lines[0]
    assert ended.out == b''
    assert snapshot(root.parent) == before
