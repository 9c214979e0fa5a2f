"""What a filesystem is asked for and cannot do: fsspec's usual exceptions with dxf's text, and nothing half-written."""

import io
import os
from typing import Any

import pytest
import fsspec

from dxf import hash_bytes
from dxf.exceptions import DXFConflictError, DXFInvalidDocumentError
from dxf.filesystem import RegistryFileSystem
from dxf.strict_json import dump_json, load_object

from ..helpers.endpoints import Endpoint
from ..servers.token_server import TokenServer

CONTENT = os.urandom(3 << 20)
INDEX = 'application/vnd.oci.image.index.v1+json'


def filesystem(**options: Any) -> RegistryFileSystem:
    """Return a filesystem that nothing else uses."""
    found: RegistryFileSystem = fsspec.filesystem('dxf', skip_instance_cache=True, **options)
    return found


def another(endpoint: Endpoint) -> RegistryFileSystem:
    """Return another filesystem of the same registry."""
    return filesystem(host=endpoint.host)


@pytest.fixture(name='fs')
def fill_folder(folder: Endpoint, repo: str) -> RegistryFileSystem:
    """A filesystem of a folder, with two files under the alias ``a``."""
    fs = another(folder)
    fs.pipe({f'{repo}@a/big': CONTENT, f'{repo}@a/d/small': b'small'})
    return fs


def test_a_place_before_a_file_is_an_error_and_behind_it_there_is_nothing(fs: RegistryFileSystem, repo: str) -> None:
    with fs.open(f'{repo}@a/big') as file:
        for place in ((-1,), (-len(CONTENT) - 1, io.SEEK_END)):
            with pytest.raises(ValueError, match='negative seek position -1'):
                file.seek(*place)
        assert file.tell() == 0
        assert file.seek(5, io.SEEK_END) == len(CONTENT) + 5
        assert file.read() == file.read(9) == b''
    assert fs.cat_file(f'{repo}@a/big', len(CONTENT) - 2, len(CONTENT) + 9) == CONTENT[-2:]
    assert fs.cat_ranges([f'{repo}@a/d/small'] * 2, [9, 3], [12, 12]) == [b'', b'll']


def test_a_number_is_not_taken_for_so_many_zeros(fs: RegistryFileSystem, repo: str) -> None:
    for value in (5, [1, 2]):
        with pytest.raises(TypeError):
            fs.pipe(f'{repo}@a/number', value)
    assert not fs.exists(f'{repo}@a/number')


def test_a_file_is_read_as_it_was_opened_though_its_alias_moves(fs: RegistryFileSystem, folder: Endpoint, repo: str
                                                                ) -> None:
    with fs.open(f'{repo}@a/big') as file:
        assert file.read(1) == CONTENT[:1]
        another(folder).pipe(f'{repo}@a/big', b'other')
        assert file.read() == CONTENT[1:]
    assert fs.cat(f'{repo}@a/big') == b'other'


def test_a_blob_that_is_deleted_while_its_file_is_open_is_not_found(fs: RegistryFileSystem, folder: Endpoint, repo: str
                                                                    ) -> None:
    with fs.open(f'{repo}@a/big') as file:
        assert file.read(1) == CONTENT[:1]
        folder.file_of(repo, hash_bytes(CONTENT)).unlink()
        with pytest.raises(FileNotFoundError, match=r'404 Not Found.* has no blob'):
            file.read()
        assert file.tell() == 1


def test_a_name_that_is_not_there_brings_the_list_of_those_that_are(fs: RegistryFileSystem, repo: str) -> None:
    for call in (fs.open, fs.cat, fs.info, fs.ls, fs.rm_file, fs.ukey):
        with pytest.raises(FileNotFoundError, match="there is no file 'none' in it, but 'big', 'd/small'"):
            call(f'{repo}@a/none')


def test_a_folder_is_not_opened_as_a_file(fs: RegistryFileSystem, repo: str) -> None:
    for mode in ('rb', 'r'):
        with pytest.raises(IsADirectoryError, match="'d' is no file in it: it is a folder"):
            fs.open(f'{repo}@a/d', mode)
    with pytest.raises(IsADirectoryError, match="'d' is no file in it: it is a folder"), \
            fs.open(f'{repo}@a/d', 'wb') as file:
        file.write(b'x')
    assert fs.find(f'{repo}@a') == [f'{repo}@a/big', f'{repo}@a/d/small']


SHAPE = r'; a path is \[REGISTRY/\]REPOSITORY@ALIAS\[/PATH\]$'
UNREADABLE = {
    '{}@a': "^'{}@a' is no file in it: it is a folder: name a file in it, REPOSITORY@ALIAS/PATH$",
    'fred:s3cret@host.example.com/{}@a': '^a path begins with a user name and a password: the options username and '
                                         f'password give them{SHAPE}',
    'https://localhost:1/{}@a': f'^leave out the scheme, such as https://, at the beginning{SHAPE}',
    'fred:s3cret://host/{}@a': f'^leave out the scheme, such as https://, at the beginning{SHAPE}',
}


@pytest.mark.parametrize(('path', 'said'), UNREADABLE.items())
def test_a_path_that_names_no_file_is_told_with_its_shape_and_without_a_password(path: str, said: str, repo: str,
                                                                                 fs: RegistryFileSystem) -> None:
    with pytest.raises(ValueError, match=said.replace('{}', repo)):
        fs.open(path.replace('{}', repo))


def test_slashes_at_the_beginning_of_a_path_are_left_out(fs: RegistryFileSystem, folder: Endpoint, repo: str) -> None:
    with fsspec.open(f'dxf:///{repo}@a/d/small', host=folder.host) as file:
        assert file.read() == b'small'
    assert fs.ls(f'/{repo}@a', detail=False) == [f'{repo}@a/big', f'{repo}@a/d']
    assert fs.expand_path([f'dxf:///{repo}@a/big']) == [f'{repo}@a/big']


@pytest.mark.parametrize('path', ['', '/'])
def test_the_repositories_of_a_registry_are_listed_elsewhere(fs: RegistryFileSystem, path: str) -> None:
    with pytest.raises(FileNotFoundError, match=r'no repository is named, and dxf.DXFBase\(host\).list_repos\(\) '
                                                'lists them'):
        fs.ls(path)


def test_a_registry_that_is_missing_and_one_that_is_wrong_are_told_with_the_option(
        repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('DXF_HOST', raising=False)
    with pytest.raises(ValueError, match="^no registry is named: give the option host, such as host='oci:./folder'"):
        filesystem().open(f'{repo}@a')
    for options, said in (({'host': './blobs'}, "host: invalid host './blobs': a folder is written oci:./blobs"),
                          ({'host': 'localhost:1', 'timeout': 'long'}, 'timeout is a number of seconds')):
        with pytest.raises(ValueError, match=f'^{said}'):
            filesystem(**options).open(f'{repo}@a')


@pytest.mark.parametrize('mode', ['r+b', 'r+', 'ab', 'wb+'])
def test_what_is_stored_is_not_opened_to_be_changed(fs: RegistryFileSystem, repo: str, mode: str) -> None:
    for path in ('big', 'new'):
        with pytest.raises(io.UnsupportedOperation, match='r reads, w and x write, and what is stored never changes'):
            fs.open(f'{repo}@a/{path}', mode)
    assert fs.find(f'{repo}@a') == [f'{repo}@a/big', f'{repo}@a/d/small']


def test_without_the_permission_to_push_nothing_is_changed(token_registry: Endpoint, tokens: TokenServer, repo: str,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in token_registry.environ().items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem('dxf', skip_instance_cache=True).pipe(f'{repo}@a/x', b'x')
    tokens.grants[str(token_registry.username)] = {'pull'}
    fs = fsspec.filesystem('dxf', skip_instance_cache=True)
    calls: list[Any] = [lambda: fs.pipe(f'{repo}@a/y', b'y'), lambda: fs.mv(f'{repo}@a/x', f'{repo}@a/y'),
                        lambda: fs.rm(f'{repo}@a/x'), lambda: fs.cp(f'{repo}@a/x', f'{repo}@b/x')]
    for call in calls:
        with pytest.raises(PermissionError, match='unauthorized'):
            call()
        with pytest.raises(PermissionError, match='unauthorized'), fs.transaction:
            call()
    with pytest.raises(PermissionError, match='unauthorized'), fs.open(f'{repo}@a/y', 'wb') as file:
        file.write(CONTENT)
    assert fs.cat(repo, recursive=True) == {f'{repo}@a/x': b'x'}


def test_of_two_transactions_at_once_the_later_one_changes_nothing(fs: RegistryFileSystem, folder: Endpoint, repo: str
                                                                   ) -> None:
    other = another(folder)
    with pytest.raises(DXFConflictError, match='somebody else has set the alias .*@a meanwhile; nothing was changed'), \
            fs.transaction:
        fs.pipe({f'{repo}@a/mine': b'mine', f'{repo}@b/mine': b'mine'})
        with other.transaction:
            other.pipe(f'{repo}@a/theirs', b'theirs')
            fs.rm(f'{repo}@a/big')
    assert fs.find(repo) == [f'{repo}@a/big', f'{repo}@a/d/small', f'{repo}@a/theirs']
    with fs.transaction:
        fs.pipe(f'{repo}@a/mine', b'mine')
    assert fs.cat(f'{repo}@a/mine') == b'mine'


def test_an_alias_of_several_platforms_is_listed_and_not_changed(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    text = client.set_alias('one', client.push_blob(data=b'content'))
    entry = {'mediaType': load_object(text)['mediaType'], 'digest': hash_bytes(text.encode()), 'size': len(text),
             'platform': {'os': 'linux', 'architecture': 'arm64'}}
    client.set_manifest('many', dump_json({'schemaVersion': 2, 'mediaType': INDEX, 'manifests': [entry]}))
    fs = fsspec.filesystem('dxf', host=open_registry.host, insecure=True, skip_instance_cache=True)
    many, one = fs.ls(repo)
    assert (many['name'], many['type'], one['type']) == (f'{repo}@many', 'other', 'file')
    assert fs.info(f'{repo}@many') == many and many['digest'] == client.manifest_digest('many')
    assert fs.find(repo) == [f'{repo}@many', f'{repo}@one'] and fs.exists(f'{repo}@many')
    for call in (fs.open, fs.cat, fs.rm, lambda path: fs.ls(f'{path}/x'), lambda path: fs.info(f'{path}/x')):
        with pytest.raises(DXFInvalidDocumentError, match='several platforms: choose one by the option platform'):
            call(f'{repo}@many')
    with pytest.raises(DXFInvalidDocumentError, match='@many has several platforms: write to another alias'):
        fs.pipe(f'{repo}@many/x', b'x')
    chosen = fsspec.filesystem('dxf', host=open_registry.host, insecure=True, platform='linux/arm64')
    assert chosen.cat(f'{repo}@many') == b'content'
    assert fs.ls(repo) == [many, one]
