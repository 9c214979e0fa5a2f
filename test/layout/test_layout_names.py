"""Names in a folder that other tools wrote: each entry can be reached, what is ambiguous is an error that lists the
candidates, and what ``copy --all`` leaves out is told.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, hash_bytes
from dxf.copying import copy
from dxf.exceptions import (DXFAmbiguousAliasError, DXFInvalidDocumentError, DXFInvalidNameError,
                            DXFNotFoundError)
from dxf.layout.index_lookup import IndexLookup
from dxf.layout.store import Layout

from ..helpers import images
from ..helpers.endpoints import Endpoint, Folder
from ..helpers.images import Image, write_layout
from ..helpers.layouts import NAME, enter, entries, put, snapshot
from ..helpers.processes import Ended, Runner

Skopeo = Callable[..., str]
OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
REPO = 'mirror'
MYSQL, TOOLS = 'platform/mysql:8.0', 'platform/tools:8.0'


@pytest.fixture(name='store')
def name_store(tmp_path: Path) -> Endpoint:
    """A folder for repositories."""
    return Endpoint(Folder(tmp_path / 'blobs'))


@pytest.fixture(name='layout')
def make_layout(store: Endpoint) -> Path:
    """The folder of one repository in it, empty."""
    folder = store.registry.storage / REPO
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(name='client')
def open_client(store: Endpoint) -> Iterator[DXF]:
    """A client of that repository."""
    with store.dxf(REPO) as client:
        yield client


@pytest.fixture(name='write')
def make_writer(skopeo: Skopeo, tmp_path: Path, layout: Path) -> Callable[..., Image]:
    """Return what has skopeo write an image of one layer into the repository, under a name or none."""
    def write(name: str | None, layer: bytes, platform: str = 'linux/amd64') -> Image:
        source = tmp_path / 'sources' / hash_bytes(layer)[7:]
        image = write_layout(source, (layer,), platform=platform)
        skopeo('copy', f'oci:{source}:latest', f'oci:{layout}' + (f':{name}' if name is not None else ''))
        return image
    return write


def run(store: Endpoint, *args: str, status: int = 0, **variables: str) -> Ended:
    """Run dxf with the folder."""
    return Runner({**store.environ(), **variables}).run(*args).insist(status)


def platforms_of_one_name(layout: Path, name: str, *platforms: str | None) -> tuple[Image, ...]:
    """Give one name to several images, as some tools do in place of an index."""
    found: tuple[Image, ...] = ()
    added = []
    for number, platform in enumerate(platforms):
        image = write_layout(layout, (f'layer {number} {platform}'.encode(),), platform=platform or 'linux/amd64')
        entry = {**entries(layout)[0], 'annotations': {NAME: name}}
        system, _, architecture = (platform or '').partition('/')
        added.append(entry if platform is None else {
            **entry, 'platform': {'os': system, 'architecture': architecture}})
        found += (image,)
    (layout / 'index.json').write_text('{"schemaVersion": 2, "manifests": []}', encoding='utf-8')
    enter(layout, *added)
    return found


# Full references

def test_two_images_that_skopeo_wrote_with_one_tag_are_two_aliases(store: Endpoint, client: DXF,
                                                                   write: Callable[..., Image]) -> None:
    mysql, tools = write(MYSQL, b'mysql'), write(TOOLS, b'tools')
    assert client.list_aliases() == [MYSQL, TOOLS]
    assert client.get_alias(MYSQL) == list(mysql.layers) != client.get_alias(TOOLS) == list(tools.layers)
    assert run(store, 'list-aliases', REPO).out.decode().split() == [MYSQL, TOOLS]
    assert run(store, 'pull-blob', REPO, f'@{TOOLS}').out == images.layer(b'tools')
    assert json.loads(run(store, 'inspect', REPO, MYSQL, '--json').out)['digest'] == mysql.digest
    assert run(store, 'get-manifest-digest', REPO, MYSQL, TOOLS).out.decode().split() == [mysql.digest, tools.digest]


@pytest.mark.parametrize('args', [('get-alias', REPO, '8.0'), ('pull-blob', REPO, '@8.0'), ('del-alias', REPO, '8.0'),
                                  ('get-manifest', REPO, '8.0'), ('inspect', REPO, '8.0')])
def test_an_ambiguous_tag_is_one_line_that_lists_the_full_references(store: Endpoint, layout: Path,
                                                                     write: Callable[..., Image],
                                                                     args: tuple[str, ...]) -> None:
    write(MYSQL, b'mysql')
    write(TOOLS, b'tools')
    before = snapshot(layout)
    ended = run(store, *args, status=1)
    assert len(ended.lines) == 1 and ended.out == b''
    assert f'ambiguous, use one of: {MYSQL}, {TOOLS}' in ended.lines[0]
    assert snapshot(layout) == before


@pytest.mark.parametrize('name', ['mysql', 'platform/tools', 'localhost:5000/tools', 'a+b', 'x/y@sha256:' + '0' * 64])
def test_a_name_without_a_tag_is_listed_and_read(store: Endpoint, client: DXF, write: Callable[..., Image], name: str
                                                 ) -> None:
    image = write(name, b'content')
    assert client.list_aliases() == [name]
    assert client.get_alias(name) == list(image.layers)
    assert run(store, 'pull-blob', REPO, f'@{name}').out == images.layer(b'content')


def test_a_tag_of_one_full_reference_and_the_reference_itself_name_the_same(client: DXF, write: Callable[..., Image]
                                                                           ) -> None:
    image = write(MYSQL, b'mysql')
    assert client.list_aliases() == ['8.0']
    assert client.get_alias('8.0') == client.get_alias(MYSQL) == list(image.layers)


def test_a_tag_of_two_full_references_of_one_manifest_is_read_and_not_deleted(client: DXF, layout: Path,
                                                                              write: Callable[..., Image]) -> None:
    image = write(MYSQL, b'same')
    enter(layout, {**entries(layout)[0], 'annotations': {NAME: TOOLS}})
    assert client.get_alias('8.0') == list(image.layers)
    before = snapshot(layout)
    with pytest.raises(DXFAmbiguousAliasError, match=MYSQL):
        client._request('delete', 'manifests/8.0')
    assert snapshot(layout) == before


def test_of_two_full_references_the_one_that_is_deleted_goes(store: Endpoint, client: DXF, write: Callable[..., Image]
                                                             ) -> None:
    write(MYSQL, b'mysql')
    tools = write(TOOLS, b'tools')
    run(store, 'del-alias', REPO, MYSQL)
    assert client.list_aliases() == ['8.0']
    assert client.get_alias('8.0') == list(tools.layers)


def test_an_alias_that_is_the_tag_of_a_full_reference_too_is_deleted_after_that(store: Endpoint, client: DXF,
                                                                                layout: Path
                                                                                 ) -> None:
    client.set_alias('8.0', client.push_blob(data=b'content'))
    enter(layout, {**entries(layout)[0], 'annotations': {NAME: MYSQL}})
    before = snapshot(layout)
    ended = run(store, 'del-alias', REPO, '8.0', status=1)
    assert len(ended.lines) == 1 and f'delete {MYSQL} first' in ended.lines[0]
    assert snapshot(layout) == before
    run(store, 'del-alias', REPO, MYSQL, '8.0')
    assert run(store, 'list-aliases', REPO).out == b''


@pytest.mark.parametrize('alias', ['a/b', 'a:b', 'platform/mysql:8.0'])
def test_on_a_registry_a_full_reference_is_no_alias(alias: str) -> None:
    ended = Runner({'DXF_HOST': 'localhost:1'}).run('get-alias', REPO, alias).insist(2)
    assert f'invalid alias {alias!r}' in ended.lines[0]


@pytest.mark.parametrize('alias', ['a//b', '/a', 'a/', '../a', 'a b', 'a?b', 'a#b', 'a%2fb', '', 'md5:7', 'x' * 1025])
def test_what_cannot_be_a_full_reference_is_no_alias_in_a_folder(store: Endpoint, layout: Path, alias: str) -> None:
    ended = run(store, 'get-alias', REPO, alias, status=2)
    assert 'invalid alias' in ended.lines[0]
    assert not list(layout.iterdir())


# What has no name

def test_the_only_manifest_without_a_name_is_listed_as_latest_and_copied(store: Endpoint, write: Callable[..., Image],
                                                                         tmp_path: Path) -> None:
    image = write(None, b'content')
    target = Endpoint(Folder(tmp_path / 'target'))
    assert run(store, 'list-aliases', REPO).out == b'latest\n'
    run(store, 'copy', REPO, '--all', '--to', target.host)
    assert target.dxf(REPO).get_alias('latest') == list(image.layers)


def test_a_manifest_without_a_name_is_reached_by_its_digest(store: Endpoint, write: Callable[..., Image], tmp_path: Path
                                                           ) -> None:
    image = write(None, b'content')
    write('other', b'other')
    target = Endpoint(Folder(tmp_path / 'target'))
    assert run(store, 'get-alias', REPO, image.digest).out.decode().split() == list(image.layers)
    run(store, 'copy', REPO, image.digest, '--to', target.host, '--to-alias', 'named')
    assert target.dxf(REPO).get_alias('named') == list(image.layers)
    assert '--to-alias' in run(store, 'copy', REPO, image.digest, '--to', target.host, status=2).lines[0]


def test_a_name_that_breaks_the_grammar_is_a_line_after_the_others(store: Endpoint, layout: Path,
                                                                   write: Callable[..., Image]) -> None:
    write('mine', b'content')
    enter(layout, {**entries(layout)[0], 'annotations': {NAME: 'no\x1b[31m name'}})
    ended = run(store, 'list-aliases', REPO, status=1)
    assert ended.out == b'mine\n'
    assert len(ended.lines) == 1 and 'invalid alias' in ended.lines[0] and '\x1b' not in ended.lines[0]


def test_an_alias_of_another_algorithm_is_told_where_aliases_are_listed(store: Endpoint, layout: Path, client: DXF
                                                                        ) -> None:
    client.set_alias('mine', client.push_blob(data=b'content'))
    enter(layout, {**entries(layout)[0], 'digest': put(layout, b'long', 'sha512'), 'annotations': {NAME: 'long'}})
    ended = run(store, 'list-aliases', REPO, status=1)
    assert ended.out == b'mine\n'
    assert len(ended.lines) == 1 and "left out: 'long'" in ended.lines[0]
    assert run(store, 'list-aliases', REPO, '--prefix=m').out == b'mine\n'
    with pytest.raises(DXFInvalidDocumentError, match="left out: 'long'"):
        client.list_aliases()


@pytest.mark.parametrize('digest', ['sha512:' + 'ab' * 64, 'sha256:x', 7])
@pytest.mark.parametrize('name', ['long', 'example.com/app:long'])
def test_an_alias_that_cannot_be_read_is_refused_by_its_name_and_is_taken(
        store: Endpoint, layout: Path, client: DXF, digest: Any, name: str) -> None:
    content = client.push_blob(data=b'content')
    client.set_alias('mine', content)
    enter(layout, {**entries(layout)[0], 'digest': digest, 'annotations': {NAME: name}})
    before = snapshot(layout)
    for command in (['get-alias', REPO, 'long'], ['pull-blob', REPO, '@long'], ['del-alias', REPO, 'long'],
                    ['copy', REPO, 'long', '--to', store.host, '--to-repo', 'target'],
                    ['set-alias', REPO, 'long', content, '--if-absent']):
        ended = run(store, *command, status=1)
        assert len(ended.lines) == 1 and f'the alias {name!r} names ' in ended.lines[0]
    assert snapshot(layout) == before
    assert run(store, 'pull-blob', REPO, '@mine').out == b'content'
    run(store, 'set-alias', REPO, 'long', content)
    assert run(store, 'pull-blob', REPO, '@long').out == b'content'


def test_copy_all_copies_the_rest_where_an_alias_cannot_be_read(store: Endpoint, layout: Path, client: DXF) -> None:
    client.set_alias('mine', client.push_blob(data=b'content'))
    enter(layout, {**entries(layout)[0], 'digest': 'sha512:' + 'ab' * 64, 'annotations': {NAME: 'long'}})
    ended = run(store, 'copy', REPO, '--all', '--to', store.host, '--to-repo', 'target', status=1)
    assert len(ended.lines) == 1 and "'long'" in ended.lines[0]
    assert store.dxf('target').list_aliases() == ['mine']


def test_a_referrer_that_cannot_be_read_is_an_error(store: Endpoint, layout: Path, client: DXF, tmp_path: Path) -> None:
    client.set_alias('a', client.push_blob(data=b'content'))
    (tmp_path / 'signature').write_bytes(b'signature')
    run(store, 'attach', REPO, 'a', str(tmp_path / 'signature'), '--type', 'application/vnd.example')
    alias, attached = entries(layout)
    content = (layout / 'blobs' / 'sha256' / attached['digest'][7:]).read_bytes()
    (layout / 'index.json').write_text(json.dumps({'schemaVersion': 2, 'manifests': [
        alias, {**attached, 'digest': put(layout, content, 'sha512')}]}), encoding='utf-8')
    for command in (['referrers', REPO, 'a'], ['copy', REPO, 'a', '--referrers', '--to', store.host, '--to-repo', 'b']):
        ended = run(store, *command, status=1)
        assert len(ended.lines) == 1 and "an entry names 'sha512:" in ended.lines[0]
    assert run(store, 'pull-blob', REPO, '@a').out == b'content'


def test_an_index_of_a_manifest_that_cannot_be_read_is_an_error_where_referrers_are_asked_for(
        store: Endpoint, layout: Path, client: DXF) -> None:
    client.set_alias('a', client.push_blob(data=b'content'))
    index = put(layout, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
        {'mediaType': OCI_MANIFEST, 'digest': 'sha512:' + 'ab' * 64, 'size': 7}]})
    enter(layout, {'mediaType': OCI_INDEX, 'digest': index, 'size': 7, 'annotations': {NAME: 'long'}})
    ended = run(store, 'referrers', REPO, 'a', status=1)
    assert len(ended.lines) == 1 and f'{index[7:]}: ' in ended.lines[0] and 'sha512' in ended.lines[0]
    assert run(store, 'pull-blob', REPO, '@a').out == b'content'


def test_a_referrer_that_is_missing_and_that_only_an_index_lists_is_an_error(store: Endpoint, layout: Path, client: DXF,
                                                                             tmp_path: Path) -> None:
    client.set_alias('a', client.push_blob(data=b'content'))
    (tmp_path / 'signature').write_bytes(b'signature')
    run(store, 'attach', REPO, 'a', str(tmp_path / 'signature'), '--type', 'application/vnd.example')
    alias, attached = entries(layout)
    client.set_manifest('list', index_of(client.get_manifest(attached['digest'])))
    (layout / 'index.json').write_text(json.dumps({'schemaVersion': 2, 'manifests': [
        alias, entries(layout)[-1]]}), encoding='utf-8')
    assert run(store, 'referrers', REPO, 'a').out.decode().startswith(attached['digest'])
    (layout / 'blobs' / 'sha256' / attached['digest'][7:]).unlink()
    ended = run(store, 'referrers', REPO, 'a', status=1)
    assert len(ended.lines) == 1 and f'{attached["digest"][7:]}: missing' in ended.lines[0]


# Platforms

def test_entries_of_one_name_that_differ_by_platform_are_read_as_an_index(store: Endpoint, client: DXF, layout: Path
                                                                         ) -> None:
    amd, arm = platforms_of_one_name(layout, 'app', 'linux/amd64', 'linux/arm64')
    assert client.list_aliases() == ['app']
    assert client.get_alias('app') == {'linux/amd64': list(amd.layers), 'linux/arm64': list(arm.layers)}
    assert client.get_digest('app', platform='linux/arm64') == arm.config
    assert run(store, 'get-alias', REPO, 'app', DXF_PLATFORM='linux/arm64').out.decode().split() == list(arm.layers)
    pulled = run(store, 'pull-blob', REPO, '@app', DXF_PLATFORM='linux/arm64').out
    assert pulled == images.layer(b'layer 1 linux/arm64')
    assert json.loads(run(store, 'inspect', REPO, 'app', '--json').out)['platforms'] == {
        'linux/amd64': amd.digest, 'linux/arm64': arm.digest}
    manifests: Any = client.get_manifest('app')
    assert {name: hash_bytes(text.encode()) for name, text in manifests.items()} == {
        'linux/amd64': amd.digest, 'linux/arm64': arm.digest}


def test_the_index_of_entries_of_one_name_has_a_digest_that_is_found(store: Endpoint, client: DXF,
                                                                     layout: Path) -> None:
    platforms_of_one_name(layout, 'app', 'linux/amd64', 'linux/arm64')
    platforms_of_one_name(layout.parent / 'other', 'app', 'linux/amd64', 'linux/s390x')
    text, response = client.get_manifest_and_response('app')
    digest = client.manifest_digest('app')
    assert digest == hash_bytes(text.encode()) == response.headers['Docker-Content-Digest']
    assert response.headers['Content-Type'] == OCI_INDEX
    with store.dxf(REPO) as other:
        assert other.get_manifest_and_response(digest)[0] == text
    for entry in json.loads(text)['manifests']:
        assert NAME not in entry.get('annotations', {})
        assert len(client.get_manifest_and_response(entry['digest'])[0]) == entry['size']


def test_entries_of_one_name_are_copied_as_an_index(store: Endpoint, client: DXF, layout: Path, open_registry: Endpoint,
                                                    repo: str) -> None:
    amd, arm = platforms_of_one_name(layout, 'app', 'linux/amd64', 'linux/arm64')
    with open_registry.dxf(repo) as target:
        assert copy(client, target, 'app').digest == client.manifest_digest('app') == target.manifest_digest('app')
        assert target.get_alias('app') == {'linux/amd64': list(amd.layers), 'linux/arm64': list(arm.layers)}
        assert copy(client, target, 'app', 'arm', platform='linux/arm64').digest == arm.digest
    run(store, 'copy', REPO, 'app', '--to', store.host, '--to-repo', 'fred/copy')
    with store.dxf('fred/copy') as here:
        assert here.get_alias('app', platform='linux/arm64') == list(arm.layers)


@pytest.mark.parametrize('reference', ['the alias', 'the digest'])
def test_entries_of_one_name_are_deleted_as_one_and_others_stay(client: DXF, layout: Path, reference: str) -> None:
    amd, _ = platforms_of_one_name(layout, 'app', 'linux/amd64', 'linux/arm64')
    enter(layout, {**entries(layout)[0], 'annotations': {NAME: 'amd'}})
    client._request('delete', f'manifests/{"app" if reference == "the alias" else client.manifest_digest("app")}')
    assert client.list_aliases() == ['amd']
    assert client.get_alias('amd') == list(amd.layers)


def test_an_alias_that_is_set_replaces_all_entries_of_its_name(client: DXF, layout: Path) -> None:
    platforms_of_one_name(layout, 'app', 'linux/amd64', 'linux/arm64')
    digest = client.push_blob(data=b'new')
    manifest = client.set_alias('app', digest, if_match=client.manifest_digest('app'))
    assert [entry['digest'] for entry in entries(layout)] == [hash_bytes(manifest.encode())]


@pytest.mark.parametrize('platforms', [('linux/amd64', 'linux/amd64'), (None, None), ('linux/amd64', None)])
def test_entries_of_one_name_that_no_platform_tells_apart_are_ambiguous(store: Endpoint, client: DXF, layout: Path,
                                                                        platforms: tuple[str | None, ...]) -> None:
    one, other = platforms_of_one_name(layout, 'app', *platforms)
    before = snapshot(layout)
    for command in ('get-alias', 'get-manifest', 'del-alias'):
        ended = run(store, command, REPO, 'app', status=1)
        assert ', '.join(sorted([one.digest, other.digest])) in ended.lines[0]
    assert snapshot(layout) == before
    assert client.get_alias(other.digest) == list(other.layers)


def test_what_is_attached_is_no_alias_also_where_nothing_else_is_left(store: Endpoint, client: DXF, tmp_path: Path
                                                                      ) -> None:
    client.set_alias('a', client.push_blob(data=b'content'))
    (tmp_path / 'signature').write_bytes(b'signature')
    run(store, 'attach', REPO, 'a', str(tmp_path / 'signature'), '--type', 'application/vnd.example')
    client._request('delete', 'manifests/a')
    assert run(store, 'list-aliases', REPO).out == b''


@pytest.mark.parametrize('add', [
    lambda client: client.set_alias('v2', client.push_blob(data=b'other')),
    lambda client: client.set_manifest('v2', client.get_manifest('latest')),
], ids=['another', 'the same'])
def test_the_only_manifest_without_a_name_stays_the_latest_when_another_gets_an_alias(
        client: DXF, write: Callable[..., Image], add: Callable[[DXF], Any]) -> None:
    image = write(None, b'content')
    for _ in range(2):
        add(client)
        assert client.list_aliases() == ['latest', 'v2']
        assert client.get_alias('latest') == list(image.layers)


@pytest.mark.parametrize('platforms', [['linux/amd64'], ['linux/amd64', 'linux/arm64']])
@pytest.mark.parametrize('has_latest', [False, True])
def test_what_is_stored_for_an_index_is_nobody_s_latest(store: Endpoint, client: DXF, write: Callable[..., Image],
                                                        platforms: list[str], has_latest: bool) -> None:
    if has_latest:
        write(None, b'content')
    with store.dxf('source') as source:
        children = []
        for platform in platforms:
            manifest = source.make_manifest(source.push_blob(data=platform.encode()))
            source.set_manifest(hash_bytes(manifest.encode()), manifest)
            system, _, architecture = platform.partition('/')
            children.append({'mediaType': OCI_MANIFEST, 'digest': hash_bytes(manifest.encode()), 'size': len(manifest),
                             'platform': {'os': system, 'architecture': architecture}})
        source.set_manifest('v2', json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': children}))
        copy(source, client, 'v2')
    assert client.list_aliases() == ['latest'] * has_latest + ['v2']


def index_of(*manifests: Any) -> str:
    """Return an index that lists manifests."""
    return json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
        {'mediaType': OCI_MANIFEST, 'digest': hash_bytes(manifest.encode()), 'size': len(manifest)}
        for manifest in manifests]})


def test_an_index_that_lists_the_only_manifest_without_a_name_leaves_it_the_latest(
        store: Endpoint, client: DXF, write: Callable[..., Image]) -> None:
    image = write(None, b'content')
    with store.dxf('source') as source:
        copy(client, source, 'latest', 'one')
        source.set_manifest('multi', index_of(source.get_manifest('one')))
        copy(source, client, 'multi')
    assert client.list_aliases() == ['latest', 'multi']
    assert client.get_alias('latest') == list(image.layers)


def test_manifests_without_names_stay_when_an_index_that_lists_them_comes_and_goes(
        store: Endpoint, client: DXF, layout: Path, write: Callable[..., Image]) -> None:
    first, second = (write(None, content) for content in (b'one', b'two'))
    before = entries(layout)
    with store.dxf('source') as source:
        for image in (first, second):
            copy(client, source, image.digest, image.digest[7:20])
        source.set_manifest('multi', index_of(*(source.get_manifest(image.digest) for image in (first, second))))
        copy(source, client, 'multi')
    client.del_alias('multi')
    assert entries(layout) == before
    assert client.get_alias(first.digest) == list(first.layers)


def test_what_is_stored_by_its_digest_takes_the_latest_from_nothing(store: Endpoint, client: DXF,
                                                                    write: Callable[..., Image]) -> None:
    other = client.make_manifest(client.push_blob(data=b'other'))
    client.set_manifest(hash_bytes(other.encode()), other)
    assert client.list_aliases() == []  # as on a registry, a digest makes no alias
    image = write(None, b'content')
    another = client.make_manifest(client.push_blob(data=b'another'))
    client.set_manifest(hash_bytes(another.encode()), another)
    assert client.list_aliases() == ['latest']
    assert client.get_alias('latest') == list(image.layers)
    assert run(store, 'pull-blob', REPO, f'@{hash_bytes(other.encode())}').out == b'other'


def test_what_was_stored_by_its_digest_before_stays_when_an_index_that_lists_it_comes_and_goes(
        store: Endpoint, client: DXF) -> None:
    manifest = client.make_manifest(client.push_blob(data=b'content'))
    digest = hash_bytes(manifest.encode())
    client.set_manifest(digest, manifest)
    with store.dxf('source') as source, store.dxf(REPO) as later:
        copy(client, source, digest, 'one')
        source.set_manifest('multi', index_of(manifest))
        copy(source, later, 'multi')
    run(store, 'del-alias', REPO, 'multi')
    run(store, 'gc', REPO, '--delete')
    assert run(store, 'pull-blob', REPO, f'@{digest}').out == b'content'


def test_what_is_attached_stays_when_a_list_of_referrers_comes_and_goes(store: Endpoint, client: DXF, tmp_path: Path
                                                                        ) -> None:
    client.set_alias('a', client.push_blob(data=b'content'))
    (tmp_path / 'signature').write_bytes(b'signature')
    run(store, 'attach', REPO, 'a', str(tmp_path / 'signature'), '--type', 'application/vnd.example')
    subject = client.manifest_digest('a')
    listed = client.list_referrers(subject)
    attached = str(listed[0]['digest'])
    with store.dxf('source') as source:
        copy(client, source, 'a', referrers=True)
        source.set_manifest(subject.replace(':', '-'), index_of(source.get_manifest(attached)))
        copy(source, client, subject.replace(':', '-'))
    run(store, 'del-alias', REPO, subject.replace(':', '-'))
    run(store, 'gc', REPO, '--delete')
    assert client.list_referrers(subject) == listed != []
    assert client.get_alias(attached) == [hash_bytes(b'signature')]


def set_after(monkeypatch: pytest.MonkeyPatch, readings: int, set_alias: Callable[[], object]) -> list[object]:
    """Let an alias be set when the index was read some times; return a list that grows with each reading."""
    read, look = getattr(Layout, '_parsed_entries'), IndexLookup.current
    done: list[object] = []

    def count(reader: object) -> None:
        done.append(reader)
        if len(done) == readings:
            set_alias()

    def read_and_set(layout: Layout, fields: dict[str, str]) -> Iterator[Any]:
        yield from read(layout, fields)
        count(layout)

    def look_and_set(lookup: IndexLookup, *args: Any) -> Any:
        found = look(lookup, *args)
        count(lookup)
        return found
    monkeypatch.setattr(Layout, '_parsed_entries', read_and_set)
    monkeypatch.setattr(IndexLookup, 'current', look_and_set)
    return done


@pytest.mark.parametrize('readings', [1, 2])
@pytest.mark.parametrize('alias', ['v2', 'latest'])
def test_an_alias_that_is_set_while_it_is_asked_for_is_not_called_damaged(client: DXF, readings: int, alias: str,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    digest = client.push_blob(data=b'one')
    client.set_alias('v1', digest)
    named = client.manifest_digest('v1')
    done = set_after(monkeypatch, readings, lambda: client.set_alias(alias, digest))
    with suppress(DXFNotFoundError):
        assert client.manifest_digest(alias) == named
    assert len(done) >= readings
    assert client.manifest_digest(alias) == named


@pytest.mark.parametrize('readings', [1, 2, 3])
def test_latest_is_there_while_another_alias_is_set(client: DXF, write: Callable[..., Image], readings: int,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    image = write(None, b'only')
    digest = client.push_blob(data=b'one')
    done = set_after(monkeypatch, readings, lambda: client.set_alias('v1', digest))
    assert client.get_alias('latest') == list(image.layers)
    assert len(done) >= readings


@pytest.mark.parametrize('readings', [1, 2, 3, 4])
def test_an_alias_that_is_set_while_aliases_are_listed_is_not_called_latest(client: DXF, readings: int,
                                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    digest = client.push_blob(data=b'one')
    client.set_alias('v1', digest)
    client.del_alias('v1')
    done = set_after(monkeypatch, readings, lambda: client.set_alias('v2', digest))
    assert client.list_aliases() in ([], ['v2'])
    assert len(done) >= readings
    assert client.list_aliases() == ['v2']


def test_the_only_manifest_without_a_name_stays_the_latest_when_something_is_attached_to_it(
        store: Endpoint, client: DXF, write: Callable[..., Image], tmp_path: Path) -> None:
    image = write(None, b'content')
    (tmp_path / 'signature').write_bytes(b'signature')
    run(store, 'attach', REPO, 'latest', str(tmp_path / 'signature'), '--type', 'application/vnd.example')
    assert run(store, 'list-aliases', REPO).out == b'latest\n'
    assert client.get_alias('latest') == list(image.layers)
    assert run(store, 'referrers', REPO, 'latest').out.endswith(b' application/vnd.example\n')
    target = Endpoint(Folder(tmp_path / 'target'))
    run(store, 'copy', REPO, '--all', '--referrers', '--to', target.host)
    assert target.dxf(REPO).list_referrers(image.digest) == client.list_referrers(image.digest) != []
    run(store, 'del-alias', REPO, 'latest')
    assert run(store, 'list-aliases', REPO).out == b''


def test_what_is_attached_to_entries_of_one_name_keeps_all_of_them_when_their_name_goes(
        store: Endpoint, client: DXF, layout: Path, tmp_path: Path) -> None:
    platforms_of_one_name(layout, 'app', 'linux/amd64', 'linux/arm64')
    (layout / 'oci-layout').write_text('{"imageLayoutVersion": "1.0.0"}', encoding='utf-8')
    subject, platforms = client.manifest_digest('app'), client.get_alias('app')
    (tmp_path / 'signature').write_bytes(b'signature')
    run(store, 'attach', REPO, 'app', str(tmp_path / 'signature'), '--type', 'application/vnd.example')
    listed = client.list_referrers(subject)
    run(store, 'del-alias', REPO, 'app')
    run(store, 'gc', REPO, '--delete')
    assert client.list_referrers(subject) == listed != []
    assert client.get_alias(subject) == platforms
    assert isinstance(platforms, dict)
    for blobs in platforms.values():
        for blob in blobs:
            assert b''.join(client.pull_blob(blob))


# What copy --all leaves out

def test_copy_all_tells_what_a_registry_has_no_alias_for_and_copies_the_rest(
        store: Endpoint, layout: Path, write: Callable[..., Image], open_registry: Endpoint, repo: str) -> None:
    unnamed = write(None, b'without a name')
    write(MYSQL, b'mysql')
    write(TOOLS, b'tools')
    good = write('good', b'good')
    enter(layout, {'mediaType': OCI_MANIFEST, 'digest': 'sha512:' + '0' * 128, 'size': 7})
    ended = run(store, 'copy', REPO, '--all', '--to', open_registry.host, '--to-repo', repo, status=1,
                DXF_TO_INSECURE='1')
    assert ended.out.decode().split() == [good.digest]
    assert open_registry.dxf(repo).list_aliases() == ['good']
    assert len(ended.lines) == 1
    for told in (MYSQL, TOOLS, f'{unnamed.digest} has no name', 'sha512:'):
        assert told in ended.lines[0]
    run(store, 'copy', REPO, MYSQL, '--to', open_registry.host, '--to-repo', repo, '--to-alias', 'mysql',
        DXF_TO_INSECURE='1')
    assert sorted(open_registry.dxf(repo).list_aliases()) == ['good', 'mysql']


def test_copy_all_to_a_folder_leaves_out_nothing_but_what_is_ambiguous(store: Endpoint, layout: Path, tmp_path: Path,
                                                                       write: Callable[..., Image]) -> None:
    target = Endpoint(Folder(tmp_path / 'target'))
    mysql, tools = write(MYSQL, b'mysql'), write(TOOLS, b'tools')
    run(store, 'copy', REPO, '--all', '--to', target.host)
    copied = target.dxf(REPO)
    assert (copied.get_alias(MYSQL), copied.get_alias(TOOLS)) == (list(mysql.layers), list(tools.layers))
    enter(layout, {**entries(layout)[0], 'annotations': {NAME: TOOLS}})
    ended = run(store, 'copy', REPO, '--all', '--to', target.host, status=1)
    assert f'the alias {TOOLS} is ambiguous' in ended.lines[0] and len(ended.lines) == 1
    assert ended.out.decode().split() == [mysql.digest]


def test_copy_all_leaves_out_no_referrer_and_nothing_that_an_alias_leads_to(store: Endpoint, client: DXF, layout: Path,
                                                                            tmp_path: Path) -> None:
    client.set_alias('a', client.push_blob(data=b'content'))
    (tmp_path / 'signature').write_bytes(b'signature')
    run(store, 'attach', REPO, 'a', str(tmp_path / 'signature'), '--type', 'application/vnd.example')
    enter(layout, {key: value for key, value in entries(layout)[0].items() if key != 'annotations'})
    assert sum(NAME not in entry.get('annotations', {}) for entry in entries(layout)) == 2
    run(store, 'copy', REPO, '--all', '--to', f'oci:{tmp_path / "target"}')


def test_copy_all_with_referrers_names_what_is_attached_to_a_manifest_whose_alias_has_moved(
        store: Endpoint, client: DXF, tmp_path: Path) -> None:
    client.set_alias('a', client.push_blob(data=b'content'))
    subject = client.manifest_digest('a')
    (tmp_path / 'signature').write_bytes(b'signature')
    run(store, 'attach', REPO, 'a', str(tmp_path / 'signature'), '--type', 'application/vnd.example')
    attached = client.list_referrers(subject)[0]['digest']
    client.set_alias('a', client.push_blob(data=b'other'))
    target = Endpoint(Folder(tmp_path / 'target'))
    to = ('--referrers', '--to', target.host)
    ended = run(store, 'copy', REPO, '--all', *to, status=1)
    assert len(ended.lines) == 1 and f'{attached} is attached' in ended.lines[0] and subject in ended.lines[0]
    assert target.dxf(REPO).list_aliases() == ['a']
    run(store, 'copy', REPO, subject, '--to-alias', 'b', *to)
    run(store, 'copy', REPO, '--all', '--to', target.host)  # these are not asked for
    assert target.dxf(REPO).list_referrers(subject) == client.list_referrers(subject) != []


def test_a_full_reference_is_not_copied_to_a_registry_without_a_name_there(client: DXF, write: Callable[..., Image]
                                                                           ) -> None:
    write(MYSQL, b'mysql')
    with DXF('localhost:1', REPO, insecure=True) as target, pytest.raises(DXFInvalidNameError, match='; to_alias'):
        copy(client, target, MYSQL)


def test_many_names_are_listed_page_by_page(client: DXF, layout: Path) -> None:
    digest = client.push_blob(data=b'content')
    client.set_alias('a', digest)
    names = [f'{number:05}-' + 'x' * 120 for number in range(40_000)]
    template = entries(layout)[0]
    (layout / 'index.json').write_text('{"schemaVersion": 2, "manifests": []}', encoding='utf-8')
    enter(layout, *({**template, 'annotations': {NAME: name}} for name in names))
    assert client.list_aliases() == names


def test_a_manifest_that_another_tool_put_there_is_found_without_its_type(client: DXF, layout: Path) -> None:
    first, second = (write_layout(layout, (content,)) for content in (b'one', b'two'))
    bare = [{'digest': image.digest, 'annotations': {NAME: 'app'}, 'platform': {'os': 'linux', 'architecture': name}}
            for image, name in ((first, 'amd64'), (second, 'arm64'))]
    put(layout, b'rubbish')
    (layout / 'index.json').write_text(json.dumps({'schemaVersion': 2, 'manifests': bare}), encoding='utf-8')
    assert client.get_alias('app') == {'linux/amd64': list(first.layers), 'linux/arm64': list(second.layers)}
