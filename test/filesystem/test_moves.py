"""Copies, moves, removals and transactions in odd cases: no file is lost, and what failed does not end well."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from io import BytesIO, UnsupportedOperation
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import fsspec
from fsspec.core import OpenFile

from dxf import DXF, artifacts, hash_bytes, snapshots
from dxf.exceptions import DXFConflictError, DXFInvalidNameError, DXFSourceError
from dxf.filesystem import RegistryFileSystem
from dxf.manifest.image import DOCKER_CONFIG, EMPTY_CONTENT, EMPTY_TYPE, OCI_MANIFEST, OCTET_STREAM
from dxf.strict_json import Json, dump_json

from ..helpers.endpoints import Endpoint

FILES = {'x': b'x', 'd/f': b'df', 'd/h': b'dh', 'd/d/f': b'ddf', 'd/e/g': b'g'}


@pytest.fixture(name='fs')
def fill_folder(folder: Endpoint, repo: str) -> RegistryFileSystem:
    """A filesystem of a folder, with ``FILES`` under the alias ``a``."""
    RegistryFileSystem.clear_instance_cache()
    fs: RegistryFileSystem = fsspec.filesystem('dxf', host=folder.host)
    fs.pipe({f'{repo}@a/{path}': content for path, content in FILES.items()})
    return fs


def files_of(fs: RegistryFileSystem, alias: str) -> dict[str, bytes]:
    """Return the files of an alias, by their paths in it."""
    return {path.removeprefix(f'{alias}/'): content for path, content in fs.cat(alias, recursive=True).items()}


Full = Callable[[Any], Any]
Change = Callable[[RegistryFileSystem, Full], None]


def paths_of(repo: str) -> Full:
    """Return what writes the repository before each ``@`` of a path, or of several."""
    def full(path: Any) -> Any:
        return [full(one) for one in path] if isinstance(path, list) else path.replace('@', f'{repo}@')
    return full


def mv(path1: Any, path2: Any, **options: Any) -> Change:
    """Return what moves files; in their paths ``@`` stands before an alias."""
    return lambda fs, full: fs.mv(full(path1), full(path2), **options)


def rm(path: str, **options: Any) -> Change:
    """Return what removes files."""
    return lambda fs, full: fs.rm(full(path), **options)


@pytest.mark.parametrize('change, found', [
    (mv('@a/x', 'dxf://@a/x'), FILES),
    (mv('@a/d/f', '@a/d/'), FILES),
    (mv('@a/d/', '@a/d', recursive=True), FILES),
    (mv('@a/', '@a', recursive=True), FILES),
    (mv('@a/d/', '@a', recursive=True), {'x': b'x', 'f': b'df', 'h': b'dh', 'd/f': b'ddf', 'e/g': b'g'}),
    (mv(['@a/x', '@a/d/f'], ['@a/d/f', '@a/x']), {**FILES, 'x': b'df', 'd/f': b'x'}),
    (mv('@a/d/', '@a/n', recursive=True, maxdepth=1),
     {'x': b'x', 'd/d/f': b'ddf', 'd/e/g': b'g', 'n/f': b'df', 'n/h': b'dh'}),
    (rm('@a', recursive=True, maxdepth=1), {path: content for path, content in FILES.items() if path != 'x'}),
])
@pytest.mark.parametrize('in_transaction', [False, True])
def test_a_move_or_a_removal_takes_no_more_than_it_says(fs: RegistryFileSystem, repo: str, change: Change,
                                                        found: dict[str, bytes], in_transaction: bool) -> None:
    with fs.transaction if in_transaction else nullcontext():
        change(fs, paths_of(repo))
    assert files_of(fs, f'{repo}@a') == found


def test_a_path_with_its_registry_is_the_same_file_as_without(open_registry: Endpoint, repo: str) -> None:
    RegistryFileSystem.clear_instance_cache()
    fs = fsspec.filesystem('dxf', host=open_registry.host, insecure=True)
    fs.pipe(f'{repo}@a/x', b'x')
    whole = f'{open_registry.host}/{repo}@a'
    fs.mv(f'{repo}@a/x', f'{whole}/x')
    with fs.transaction:
        fs.pipe(f'{repo}@a/y', b'y')
        fs.pipe(f'{whole}/z', b'z')
    assert files_of(fs, f'{repo}@a') == {'x': b'x', 'y': b'y', 'z': b'z'}


@pytest.mark.parametrize('change, kind, text', [
    (mv('@a', '@a/sub', recursive=True), ValueError, 'cannot be moved into itself'),
    (mv(['@a/d'], ['@b/d'], recursive=True), IsADirectoryError, 'it is a folder'),
    (mv(['@a/x', '@a/d/f'], ['@b/x']), ValueError, '2 files cannot get 1 names'),
    (mv(['@a/d/f', '@a/d/d/f'], '@b/'), FileExistsError, 'two files would become .*@b/f'),
    (mv('@a/x', '@b/../x'), DXFInvalidNameError, 'unsafe file name'),
])
def test_a_move_that_would_lose_a_file_is_refused(fs: RegistryFileSystem, repo: str, change: Change,
                                                  kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        change(fs, paths_of(repo))
    assert files_of(fs, f'{repo}@a') == FILES
    with fs.transaction, pytest.raises(kind):
        change(fs, paths_of(repo))
    assert files_of(fs, f'{repo}@a') == FILES
    assert fs.ls(repo, detail=False) == [f'{repo}@a']


def set_another_type(client: DXF) -> None:
    """Set the alias ``b`` to a file, and say what the whole is."""
    with open('f', 'wb') as file:
        file.write(b'f')
    artifacts.push_files(client, 'b', ['f'], artifact_type='application/vnd.example.reading')


def set_nameless(client: DXF) -> None:
    """Set the alias ``b`` to a file, and a blob without a name."""
    layers = [{'mediaType': OCTET_STREAM, 'digest': client.push_blob(data=b'f'), 'size': 1}] * 2
    empty = {'mediaType': EMPTY_TYPE, 'digest': client.push_blob(data=EMPTY_CONTENT), 'size': len(EMPTY_CONTENT)}
    client.set_manifest('b', dump_json({'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': empty, 'layers': [
        layers[0], {**layers[1], 'annotations': {'org.opencontainers.image.title': 'f'}}]}))


def set_image(client: DXF) -> None:
    """Set the alias ``b`` to an image: a layer, and a configuration."""
    config = {'mediaType': DOCKER_CONFIG, 'digest': client.push_blob(data=b'{"os": "linux"}'), 'size': 15}
    layer = {'mediaType': OCTET_STREAM, 'digest': client.push_blob(data=b'f'), 'size': 1}
    client.set_manifest('b', dump_json({'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': config,
                                        'layers': [layer]}))


def set_described(client: DXF, **members: Json) -> None:
    """Set the alias ``b`` to a blob without a name, of which the manifest says more."""
    empty = {'mediaType': EMPTY_TYPE, 'digest': client.push_blob(data=EMPTY_CONTENT), 'size': len(EMPTY_CONTENT)}
    layer = {'mediaType': OCTET_STREAM, 'digest': client.push_blob(data=b'{}{}'), 'size': 4} | members
    client.set_manifest('b', dump_json({'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': empty,
                                        'layers': [layer]}))


def set_snapshot(client: DXF) -> None:
    """Set the alias ``b`` to a snapshot."""
    Path('folder').mkdir()
    Path('folder/f').write_bytes(b'f')
    snapshots.backup(client, ['folder'], 'b')


@pytest.mark.parametrize('store, change, kind', [
    (set_another_type, mv('@b', '@c', recursive=True), UnsupportedOperation),
    (set_nameless, mv('@b/', '@c/new/', recursive=True), UnsupportedOperation),
    (set_image, mv('@b', '@c/f'), UnsupportedOperation),
    (partial(set_described, mediaType='application/json'), mv('@b', '@c/f'), UnsupportedOperation),
    (partial(set_described, annotations={'unit': 'K'}), mv('@b', '@c/f'), UnsupportedOperation),
    (set_snapshot, mv('@b', '@c', recursive=True), PermissionError),
])
def test_a_move_of_an_alias_that_is_more_than_files_is_refused(
        fs: RegistryFileSystem, folder: Endpoint, repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        store: Callable[[DXF], None], change: Change, kind: type[Exception]) -> None:
    monkeypatch.chdir(tmp_path)
    client = folder.dxf(repo)
    store(client)
    before = client.get_manifest('b')
    with pytest.raises(kind, match='dxf set-alias gives it a second name'):
        change(fs, paths_of(repo))
    assert client.get_manifest('b') == before and client.list_aliases() == ['a', 'b']


@pytest.mark.parametrize('target', ['@b/', ['@b/f', '@b/f']])
def test_two_files_that_would_become_one_are_refused(fs: RegistryFileSystem, repo: str, tmp_path: Path,
                                                     target: str | list[str]) -> None:
    full, refused = paths_of(repo), pytest.raises(FileExistsError, match='two files would become .*/f')
    with refused:
        fs.get(full(['@a/d/f', '@a/d/d/f']), f'{tmp_path}/here/')
    assert (tmp_path / 'here' / 'f').read_bytes() == b'ddf'  # that of the lesser path
    fs.get(full('@a/d'), str(tmp_path / 'd'), recursive=True)
    with refused:
        fs.put([str(tmp_path / path) for path in ('d/f', 'd/d/f')], full(target))
    with refused:
        fs.pipe({full('@b/f'): b'one', full('dxf://@b/f'): b'two'})
    assert not fs.exists(full('@b'))
    fs.put(str(tmp_path / 'd'), full('@b'), recursive=True)
    assert files_of(fs, full('@b')) == {'f': b'df', 'h': b'dh', 'd/f': b'ddf', 'e/g': b'g'}


def test_a_folder_that_holds_the_registry_is_not_put_into_it(repo: str, tmp_path: Path) -> None:
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'f').write_bytes(b'f')
    fs = fsspec.filesystem('dxf', host=f'oci:{tmp_path}/data/blobs', skip_instance_cache=True)
    fs.pipe(f'{repo}@a/f', b'old')
    store = list((tmp_path / 'data' / 'blobs').rglob('*'))
    for path, maxdepth in ((f'{tmp_path}/data', None), (f'{tmp_path}/d*', None), (f'{tmp_path}/data/*', None),
                           ([f'{tmp_path}/data'], 9)):
        with pytest.raises(DXFSourceError, match='would be stored in itself: keep it elsewhere'):
            fs.put(path, f'{repo}@a/', recursive=True, maxdepth=maxdepth)
    assert list((tmp_path / 'data' / 'blobs').rglob('*')) == store
    fs.put(f'{tmp_path}/data', f'{repo}@a/', recursive=True, maxdepth=1)
    assert fs.cat(f'{repo}@a/f') == b'f'


def test_an_alias_that_others_change_while_it_is_moved_is_not_deleted(fs: RegistryFileSystem, folder: Endpoint,
                                                                      repo: str, monkeypatch: pytest.MonkeyPatch
                                                                      ) -> None:
    set_manifest = DXF.set_manifest

    def meanwhile(client: DXF, alias: str, *args: Any, **options: Any) -> None:
        monkeypatch.undo()
        fsspec.filesystem('dxf', host=folder.host, skip_instance_cache=True).pipe(f'{repo}@a/late', b'late')
        set_manifest(client, alias, *args, **options)
    monkeypatch.setattr(DXF, 'set_manifest', meanwhile)
    with pytest.raises(DXFConflictError):
        fs.mv(f'{repo}@a', f'{repo}@b', recursive=True)
    assert files_of(fs, f'{repo}@a') == {**FILES, 'late': b'late'}


def test_a_blob_that_is_missing_is_an_error_of_a_recursive_copy(fs: RegistryFileSystem, folder: Endpoint, repo: str
                                                                ) -> None:
    folder.file_of(repo, hash_bytes(b'ddf')).unlink()
    with pytest.raises(FileNotFoundError):
        fs.cp(f'{repo}@a', f'{repo}-2@a', recursive=True)


def test_a_copy_of_a_manifest_without_sizes_has_the_size_of_the_blob(fs: RegistryFileSystem, folder: Endpoint, repo: str
                                                                     ) -> None:
    client = DXF(folder.host, repo, schema='v1')
    client.set_alias('v1', client.push_blob(data=b'content'))
    fs.cp(f'{repo}@v1', f'{repo}@a/copy')
    assert fs.cat(f'{repo}@a/copy') == b'content'


def test_a_transaction_within_a_transaction_is_refused(fs: RegistryFileSystem, repo: str) -> None:
    with pytest.raises(ValueError, match='a transaction of this filesystem is open'), fs.transaction:
        fs.pipe(f'{repo}@a/new', b'new')
        with fs.transaction:
            pass
    assert files_of(fs, f'{repo}@a') == FILES


def test_a_transaction_that_fails_for_one_alias_changes_none(fs: RegistryFileSystem, folder: Endpoint, repo: str
                                                             ) -> None:
    other = fsspec.filesystem('dxf', host=folder.host, skip_instance_cache=True)
    with pytest.raises(DXFConflictError, match='somebody else has set the alias .*@a meanwhile'), fs.transaction:
        fs.pipe(f'{repo}@b/new', b'new')
        fs.pipe(f'{repo}@a/new', b'new')
        other.pipe(f'{repo}@a/other', b'other')
    assert other.ls(repo, detail=False) == [f'{repo}@a']


@pytest.mark.parametrize('mode, content', [('w', 'half'), ('wb', b'half')])
def test_a_file_that_is_open_when_its_transaction_ends_is_an_error(fs: RegistryFileSystem, repo: str, mode: str,
                                                                   content: Any) -> None:
    with pytest.raises(ValueError, match='new is open: close it before the transaction ends'), fs.transaction:
        file = fs.open(f'{repo}@a/new', mode)
        file.write(content)
    assert files_of(fs, f'{repo}@a') == FILES


def test_a_file_without_autocommit_is_there_after_its_commit(fs: RegistryFileSystem, repo: str) -> None:
    with fs.open(f'{repo}@a/new', 'wb', autocommit=False) as file:
        file.write(b'new')
    assert not fs.exists(f'{repo}@a/new')
    file.commit()
    assert fs.cat(f'{repo}@a/new') == b'new'


def test_a_file_that_others_replaced_meanwhile_is_neither_moved_nor_removed(fs: RegistryFileSystem, folder: Endpoint,
                                                                            repo: str) -> None:
    other = fsspec.filesystem('dxf', host=folder.host, skip_instance_cache=True)
    for change in (mv('@a/x', '@a/y'), mv('@a/x', '@b/x'), mv(['@a/x', '@a/d/f'], ['@a/d/f', '@a/x']), rm('@a/x')):
        with fs.lookups.once():
            fs.info(f'{repo}@a/x')
            other.pipe(f'{repo}@a/x', b'replaced')
            with pytest.raises(DXFConflictError, match='somebody else has replaced .*@a/x meanwhile; it stays'):
                change(fs, paths_of(repo))
        assert files_of(fs, f'{repo}@a') == {**FILES, 'x': b'replaced'}
        fs.pipe(f'{repo}@a/x', b'x')
        assert files_of(fs, f'{repo}@a') == FILES


@pytest.mark.parametrize('in_transaction', [False, True])
def test_files_that_move_along_several_aliases_always_have_a_name(
        fs: RegistryFileSystem, repo: str, in_transaction: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fs.pipe({f'{repo}@b/y': b'y', f'{repo}@c/z': b'z'})
    set_manifest, named = DXF.set_manifest, []

    def recorded(client: DXF, alias: str, *args: Any, **options: Any) -> None:
        set_manifest(client, alias, *args, **options)
        named.append({content for alias in 'abcd' if fs.exists(f'{repo}@{alias}')
                      for content in files_of(fs, f'{repo}@{alias}').values()})
    monkeypatch.setattr(DXF, 'set_manifest', recorded)
    with fs.transaction if in_transaction else nullcontext():
        mv(['@a/x', '@b/y', '@c/z'], ['@b/y', '@c/z', '@d/z'])(fs, paths_of(repo))
    assert named == [{*FILES.values(), b'y', b'z'}] * 4
    assert files_of(fs, f'{repo}@b') == {'y': b'x'} and files_of(fs, f'{repo}@c') == {'z': b'y'}


@pytest.mark.parametrize('in_transaction', [False, True])
def test_files_of_two_aliases_do_not_change_places(fs: RegistryFileSystem, repo: str, in_transaction: bool) -> None:
    fs.pipe(f'{repo}@b/y', b'y')
    with pytest.raises(ValueError, match='would change places: give one of them another name first'), \
            fs.transaction if in_transaction else nullcontext():
        mv(['@a/x', '@b/y'], ['@b/y', '@a/x'])(fs, paths_of(repo))
    assert (files_of(fs, f'{repo}@a'), files_of(fs, f'{repo}@b')) == (FILES, {'y': b'y'})


@pytest.mark.parametrize('mode, compression', [('wb', None), ('wt', None), ('wb', 'gzip'), ('wt', 'gzip')])
def test_an_exception_in_a_file_of_fsspec_open_stores_nothing(fs: RegistryFileSystem, folder: Endpoint, repo: str,
                                                              mode: str, compression: str | None) -> None:
    content: Any = b'half' if mode == 'wb' else 'half'
    opened = fsspec.open(f'dxf://{repo}@a/new', mode, compression=compression, host=folder.host)
    with pytest.raises(ZeroDivisionError), opened as file:
        file.write(content)
        raise ZeroDivisionError
    assert files_of(fs, f'{repo}@a') == FILES
    with opened as file:
        file.write(content)
    assert fs.exists(f'{repo}@a/new')


def test_a_file_of_fsspec_open_that_an_exception_handler_closes_is_stored(fs: RegistryFileSystem, repo: str) -> None:
    file = OpenFile(fs, f'{repo}@a/new', 'wb').open()
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        file.write(b'none')
        file.close()
    assert fs.cat(f'{repo}@a/new') == b'none'


def test_an_exception_in_another_file_of_fsspec_open_does_not_give_up_one_that_it_closes(fs: RegistryFileSystem,
                                                                                         repo: str) -> None:
    file = fs.open(f'{repo}@a/new', 'wb')

    class Log(BytesIO):
        """A file that closes another one when it is closed."""

        def close(self) -> None:
            file.close()
            super().close()
    with pytest.raises(ZeroDivisionError), OpenFile(SimpleNamespace(open=lambda path, mode: Log()), 'log', 'wb'):
        file.write(b'new')
        raise ZeroDivisionError
    assert fs.cat(f'{repo}@a/new') == b'new'
