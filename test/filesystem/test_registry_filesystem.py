"""The filesystem of registries: what it lists and reads, what it changes, and by how many requests."""

import gc
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import ConnectionError as RequestsConnectionError
import fsspec

from dxf import DXF, artifacts, hash_bytes
from dxf.exceptions import DXFConflictError, DXFInvalidNameError
from dxf.filesystem import RegistryFileSystem
from dxf.filesystem.repositories import Repositories
from dxf.strict_json import load_object

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.traffic import Traffic

MIB = 1 << 20
CONTENT = os.urandom(MIB)


@pytest.fixture(autouse=True)
def forget_instances() -> None:
    """Let no test get the filesystem of another."""
    RegistryFileSystem.clear_instance_cache()


def filesystem(**options: Any) -> RegistryFileSystem:
    """Return a filesystem, as fsspec finds it."""
    found: RegistryFileSystem = fsspec.filesystem('dxf', **options)
    return found


@pytest.fixture(name='fs')
def open_filesystem(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> RegistryFileSystem:
    """A filesystem whose registry and credentials are those of the environment."""
    for name, value in endpoint.environ().items():
        monkeypatch.setenv(name, value)
    return filesystem()


@pytest.fixture(name='open_fs')
def open_open_filesystem(open_registry: Endpoint) -> RegistryFileSystem:
    """A filesystem of a registry that is open to all."""
    return filesystem(host=open_registry.host, insecure=True)


@pytest.fixture(name='folder_fs')
def open_folder(folder: Endpoint) -> RegistryFileSystem:
    """A filesystem of a folder in place of a registry."""
    return filesystem(host=folder.host)


FILES = {'readings.csv': b'time,value\n1,21.5\n', 'may/15.bin': CONTENT, 'may/16.bin': b'16'}


def fill(fs: RegistryFileSystem, alias: str) -> None:
    """Store ``FILES`` under an alias."""
    fs.pipe({f'{alias}/{path}': content for path, content in FILES.items()})


def test_files_are_stored_listed_read_and_removed(fs: RegistryFileSystem, repo: str) -> None:
    alias = f'{repo}@run1'
    fill(fs, alias)
    assert fs.ls(alias, detail=False) == [f'{alias}/may', f'{alias}/readings.csv']
    assert fs.find(alias) == [f'{alias}/may/15.bin', f'{alias}/may/16.bin', f'{alias}/readings.csv']
    assert fs.glob(f'{alias}/**/*5.bin') == [f'{alias}/may/15.bin']
    assert fs.info(f'{alias}/may/15.bin') == {
        'name': f'{alias}/may/15.bin', 'size': MIB, 'type': 'file', 'digest': hash_bytes(CONTENT),
        'media_type': 'application/octet-stream'}
    assert fs.ukey(f'{alias}/may/15.bin') == hash_bytes(CONTENT)
    assert fs.du(alias) == sum(map(len, FILES.values()))
    assert [folders for _, folders, _ in fs.walk(alias)] == [['may'], []]
    assert fs.cat(alias, recursive=True) == {f'{alias}/{path}': content for path, content in FILES.items()}
    with fs.open(f'{alias}/readings.csv', 'r') as file:
        assert file.readlines() == ['time,value\n', '1,21.5\n']
    assert fs.cat_file(f'{alias}/may/15.bin', -7, -2) == CONTENT[-7:-2]
    assert fs.cat_file(f'{alias}/may/15.bin', 9, 5) == b''
    assert fs.ls(repo, detail=False) == [alias]
    fs.rm(f'{alias}/may', recursive=True)
    assert fs.find(alias) == [f'{alias}/readings.csv']
    fs.rm(alias, recursive=True)
    assert not fs.exists(alias)


def test_a_url_names_the_registry(open_registry: Endpoint, open_fs: RegistryFileSystem, repo: str) -> None:
    fill(open_fs, f'{repo}@run1')
    url = f'dxf://{open_registry.host}/{repo}@run1/readings.csv'
    with fsspec.open(url, insecure=True) as file:
        assert file.read() == FILES['readings.csv']
    digest = hash_bytes(CONTENT)
    with fsspec.open(f'dxf://{open_registry.host}/{repo}@{digest}', insecure=True) as file:
        assert file.read() == CONTENT
    manifest = open_fs.ukey(f'{repo}@run1')
    assert open_fs.cat(f'{repo}@{manifest}/may/16.bin') == b'16'


@pytest.mark.parametrize(('path', 'said'), [
    ('oci:./blobs/demo/r@a', "invalid repository 'oci:./blobs/demo/r': a folder is given by the option host, "
     "host='oci:PATH', or by DXF_HOST; the repository is the path below it"),
    ('demo/r/@a', "invalid repository 'demo/r/': write demo/r@ALIAS")])
def test_a_url_that_names_a_folder_or_has_a_slash_before_its_alias_is_told(folder_fs: RegistryFileSystem, path: str,
                                                                           said: str) -> None:
    with pytest.raises(DXFInvalidNameError) as caught:
        folder_fs.cat_file(f'dxf://{path}')
    assert str(caught.value) == said


def test_an_alias_of_blobs_without_names_is_a_file(fs: RegistryFileSystem, endpoint: Endpoint, repo: str) -> None:
    client = endpoint.dxf(repo)
    client.set_alias('two', client.push_blob(data=b'one '), client.push_blob(data=b'two'))
    assert (fs.info(f'{repo}@two')['size'], fs.info(f'{repo}@two')['type']) == (7, 'file')
    assert fs.cat(f'{repo}@two') == b'one two'
    fs.cp(f'{repo}@two', f'{repo}@copy/both')
    assert fs.cat(f'{repo}@copy/both') == b'one two'
    with pytest.raises(NotADirectoryError, match='is a file, and has no files in it'):
        fs.pipe(f'{repo}@two/more', b'x')


def manifests_put(traffic: Traffic) -> list[str]:
    """Return the paths of the manifests that were stored."""
    return [one.path for one in traffic.requests if one.method == 'PUT' and '/manifests/' in one.path]


def blobs_asked(traffic: Traffic) -> list[str]:
    """Return the requests of blobs' content, to fetch or to send it."""
    return [line for line, one in zip(traffic.lines(), traffic.requests, strict=True)
            if '/blobs/' in one.path and one.method in ('GET', 'POST', 'PATCH', 'PUT')]


def test_a_transaction_is_one_manifest_at_its_end(fs: RegistryFileSystem, repo: str, traffic: Traffic) -> None:
    alias = f'{repo}@run1'
    fill(fs, alias)
    traffic.clear()
    with fs.transaction:
        with fs.open(f'{alias}/new.txt', 'w') as file:
            file.write('new')
        fs.pipe(f'{alias}/readings.csv', b'other')
        fs.cp(f'{alias}/may/16.bin', f'{alias}/june/16.bin')
        fs.rm(f'{alias}/may/15.bin')
        assert not manifests_put(traffic)
        assert fs.cat(f'{alias}/readings.csv') == FILES['readings.csv']
    assert len(manifests_put(traffic)) == 1
    assert fs.cat(alias, recursive=True) == {f'{alias}/may/16.bin': b'16', f'{alias}/june/16.bin': b'16',
                                             f'{alias}/new.txt': b'new', f'{alias}/readings.csv': b'other'}
    fs.pipe(f'{alias}/later', b'')
    assert fs.exists(f'{alias}/later')


def test_an_exception_in_a_transaction_changes_nothing(folder_fs: RegistryFileSystem, repo: str) -> None:
    fs, alias = folder_fs, f'{repo}@run1'
    fill(fs, alias)
    before = fs.ukey(alias)
    with pytest.raises(ZeroDivisionError), fs.transaction:
        fs.pipe(f'{alias}/new', b'new')
        with fs.open(f'{alias}/newer', 'wb') as file:
            file.write(b'x')
        raise ZeroDivisionError
    assert fs.ukey(alias) == before
    fs.pipe(f'{alias}/after', b'')
    assert fs.exists(f'{alias}/after')


@pytest.mark.parametrize('has_alias', [True, False])
def test_a_transaction_fails_if_another_writer_was_there(fs: RegistryFileSystem, repo: str, has_alias: bool) -> None:
    alias = f'{repo}@run1'
    if has_alias:
        fill(fs, alias)
    other = filesystem(skip_instance_cache=True)
    with pytest.raises(DXFConflictError, match='somebody else has set the alias .* nothing was changed'), \
            fs.transaction:
        fs.pipe(f'{alias}/mine', b'mine')
        other.pipe(f'{alias}/theirs', b'theirs')
    assert other.exists(f'{alias}/theirs') and not other.exists(f'{alias}/mine')


def test_two_writers_at_once_lose_no_file(folder: Endpoint, repo: str) -> None:
    def write(writer: int) -> None:
        fs = filesystem(host=folder.host)
        for number in range(8):
            fs.pipe(f'{repo}@run1/{writer}-{number}', b'x')
    threads = [threading.Thread(target=write, args=[writer]) for writer in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(filesystem(host=folder.host).find(f'{repo}@run1')) == 16


def test_threads_of_one_filesystem_store_files_at_once(open_fs: RegistryFileSystem, repo: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: open_fs.pipe(f'{repo}@run1/{number}', b'x'), range(24)))
    assert len(open_fs.find(f'{repo}@run1')) == 24


def test_copies_and_moves_edit_one_manifest_and_move_no_bytes(fs: RegistryFileSystem, repo: str, traffic: Traffic
                                                              ) -> None:
    alias = f'{repo}@run1'
    fill(fs, alias)
    for change in (lambda: fs.cp(f'{alias}/may', f'{alias}/june', recursive=True),
                   lambda: fs.mv(f'{alias}/june', f'{alias}/july', recursive=True),
                   lambda: fs.mv(f'{alias}/readings.csv', f'{alias}/readings')):
        traffic.clear()
        change()
        assert len(manifests_put(traffic)) == 1
        assert not blobs_asked(traffic)
    assert sorted(fs.find(alias)) == [f'{alias}/{path}' for path in (
        'july/15.bin', 'july/16.bin', 'may/15.bin', 'may/16.bin', 'readings')]


def test_a_copy_to_another_repository_is_mounted(open_fs: RegistryFileSystem, repo: str, traffic: Traffic) -> None:
    fill(open_fs, f'{repo}@run1')
    traffic.clear()
    open_fs.cp(f'{repo}@run1/may/15.bin', f'{repo}-2@run1/15.bin')
    assert open_fs.cat(f'{repo}-2@run1/15.bin') == CONTENT
    fetched = [one for one in traffic.requests if one.method == 'GET' and f'{repo}/blobs/' in one.path]
    assert not fetched


def test_a_whole_alias_is_moved_and_deleted_after_that(fs: RegistryFileSystem, repo: str, traffic: Traffic) -> None:
    fill(fs, f'{repo}@run1')
    traffic.clear()
    fs.mv(f'{repo}@run1', f'{repo}@run2', recursive=True)
    changes = [one.method for one in traffic.requests if '/manifests/' in one.path and one.method in ('PUT', 'DELETE')]
    assert (changes[0], changes[-1]) == ('PUT', 'DELETE')
    assert fs.ls(repo, detail=False) == [f'{repo}@run2']
    assert len(fs.find(f'{repo}@run2')) == 3


def test_each_call_looks_up_an_alias_once(open_fs: RegistryFileSystem, repo: str, tmp_path: Path, traffic: Traffic
                                          ) -> None:
    fs, alias = open_fs, f'{repo}@run1'
    fill(fs, alias)
    for call, count in ((lambda: fs.info(f'{alias}/may/15.bin'), 1), (lambda: fs.find(alias), 1),
                        (lambda: fs.glob(f'{alias}/**/*.bin'), 1), (lambda: fs.du(alias), 1),
                        (lambda: fs.cat(f'{alias}/may/15.bin'), 2), (lambda: fs.cat(alias, recursive=True), 4),
                        (lambda: fs.get(f'{alias}/may', str(tmp_path / 'may'), recursive=True), 3)):
        traffic.clear()
        call()
        assert len(traffic.requests) == count, traffic.lines()
    fill(fs, f'{repo}@run2')
    traffic.clear()
    assert len(fs.find(repo)) == 6
    assert len(traffic.requests) == 1 + 2, traffic.lines()
    pinned = f'{repo}@{fs.ukey(alias)}'
    fs.find(pinned)
    traffic.clear()
    assert fs.cat(f'{pinned}/may/16.bin') == b'16'
    assert len(traffic.requests) == 1


def test_what_an_alias_names_is_kept_if_the_options_say_so(open_registry: Endpoint, open_fs: RegistryFileSystem,
                                                           repo: str, traffic: Traffic) -> None:
    fill(open_fs, f'{repo}@run1')
    fs = filesystem(host=open_registry.host, insecure=True, use_listings_cache=True)
    fs.find(f'{repo}@run1')
    open_fs.pipe(f'{repo}@run1/new', b'')
    traffic.clear()
    assert not fs.exists(f'{repo}@run1/new')
    assert not traffic.requests
    assert f'{repo}@run1/new' in fs.ls(f'{repo}@run1', detail=False, refresh=True)


def test_ranges_that_lie_close_together_are_fetched_by_one_request(open_fs: RegistryFileSystem, repo: str,
                                                                   traffic: Traffic) -> None:
    path = f'{repo}@run1/big'
    open_fs.pipe(path, CONTENT)
    traffic.clear()
    found = open_fs.cat_ranges([path] * 5, [10, 30, 900_000, 0, -4], [20, 40, 900_010, 5, None])
    assert found == [CONTENT[10:20], CONTENT[30:40], CONTENT[900_000:900_010], CONTENT[:5], CONTENT[-4:]]
    assert len([line for line in traffic.lines() if '/blobs/' in line]) == 3
    traffic.clear()
    assert len(open_fs.cat_ranges([path] * 3, [0, 100, 200], [10, 110, 210], max_gap=0)) == 3
    assert len([line for line in traffic.lines() if '/blobs/' in line]) == 3


def test_ranges_of_a_file_that_is_missing_are_exceptions(folder_fs: RegistryFileSystem, repo: str) -> None:
    fill(folder_fs, f'{repo}@run1')
    good, bad = f'{repo}@run1/may/16.bin', f'{repo}@run1/may/17.bin'
    found = folder_fs.cat_ranges([good, bad], 0, 1)
    assert found[0] == b'1' and isinstance(found[1], FileNotFoundError)
    with pytest.raises(FileNotFoundError, match="no file 'may/17.bin'"):
        folder_fs.cat_ranges([good, bad], 0, 1, on_error='raise')


@pytest.mark.parametrize('call, kind, text', [
    (lambda fs, at: fs.open(f'{at}/nothing'), FileNotFoundError, "there is no file 'nothing' in it, but 'may/15.bin'"),
    (lambda fs, at: fs.open(f'{at}2/nothing'), FileNotFoundError, '404 Not Found'),
    (lambda fs, at: fs.open(f'{at}/may'), IsADirectoryError, "'may' is no file in it: it is a folder"),
    (lambda fs, at: fs.open(at.partition('@')[0]), IsADirectoryError, 'it is a repository: name an alias'),
    (lambda fs, at: fs.open(f'{at}/may/16.bin', 'r+b'), ValueError, 'r reads, w and x write'),
    (lambda fs, at: fs.open(f'{at}/may/16.bin', 'xb'), FileExistsError, 'may/16.bin is there'),
    (lambda fs, at: fs.open(f'{at}/a.gz', 'wb', compression='gzip'), ValueError, 'it closes both'),
    (lambda fs, at: fs.pipe(f'{at}/may', b''), IsADirectoryError, "'may' is no file in it"),
    (lambda fs, at: fs.pipe(f'{at}/readings.csv/x', b''), NotADirectoryError, "'readings.csv' is a file"),
    (lambda fs, at: fs.pipe(at, b''), IsADirectoryError, 'name a file in an alias'),
    (lambda fs, at: fs.pipe(f'{at}/../x', b''), DXFInvalidNameError, 'unsafe file name'),
    (lambda fs, at: fs.pipe(f'{at}/READINGS.csv', b''), DXFInvalidNameError, 'by upper and lower case alone'),
    (lambda fs, at: fs.pipe(f'{at.partition("@")[0]}@{fs.ukey(at)}/x', b''), PermissionError, 'never changes'),
    (lambda fs, at: fs.pipe(f'{at.partition("@")[0]}@-x/y', b''), DXFInvalidNameError, "invalid alias '-x'"),
    (lambda fs, at: fs.rm(f'{at}/nothing'), FileNotFoundError, 'nothing'),
    (lambda fs, at: fs.rm(f'{at}/may'), IsADirectoryError, 'recursive=True. removes it'),
    (lambda fs, at: fs.rm(at.partition('@')[0], recursive=True), IsADirectoryError, 'REPOSITORY@ALIAS'),
    (lambda fs, at: fs.cp(f'{at}/nothing', f'{at}/x'), FileNotFoundError, 'nothing'),
    (lambda fs, at: fs.mv(f'{at}/nothing', f'{at}/x'), FileNotFoundError, 'nothing'),
    (lambda fs, at: fs.put('/nothing/here', f'{at}/x'), FileNotFoundError, '/nothing/here'),
])
def test_what_cannot_be_done_is_the_usual_exception_and_changes_nothing(
        folder_fs: RegistryFileSystem, repo: str, call: Callable[[Any, str], object], kind: type[Exception], text: str
        ) -> None:
    alias = f'{repo}@run1'
    fill(folder_fs, alias)
    before = folder_fs.ukey(alias)
    with pytest.raises(kind, match=text):
        call(folder_fs, alias)
    assert folder_fs.ukey(alias) == before
    assert folder_fs.ls(repo, detail=False) == [alias]


@pytest.mark.parametrize('mode', ['w', 'wb'])
def test_a_file_that_is_given_up_is_not_stored(folder_fs: RegistryFileSystem, repo: str, mode: str) -> None:
    fill(folder_fs, f'{repo}@run1')
    with pytest.raises(ZeroDivisionError), folder_fs.open(f'{repo}@run1/new', mode) as file:
        file.write('half' if mode == 'w' else b'half')
        raise ZeroDivisionError
    assert not folder_fs.exists(f'{repo}@run1/new')


def test_a_file_that_is_forgotten_is_not_stored(folder_fs: RegistryFileSystem, repo: str) -> None:
    fill(folder_fs, f'{repo}@run1')
    for mode, content in (('w', 'half'), ('wb', b'half')):
        file = folder_fs.open(f'{repo}@run1/new', mode)
        file.write(content)
        del file
        gc.collect()
    assert not folder_fs.exists(f'{repo}@run1/new')


def test_what_others_wrote_into_a_manifest_stays(fs: RegistryFileSystem, endpoint: Endpoint, repo: str, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path('photos').mkdir()
    Path('photos/one.jpg').write_text('one', encoding='utf-8')
    Path('a.txt').write_text('a', encoding='utf-8')
    client = endpoint.dxf(repo)
    artifacts.push_files(client, 'run1', ['a.txt', 'photos'], artifact_type='application/x.y',
                         annotations={'weather': 'fine'}, created=0)
    fs.mv(f'{repo}@run1/a.txt', f'{repo}@run1/b.txt')
    document = load_object(client.get_manifest('run1', platform='linux/amd64'))
    assert (document['artifactType'], document['annotations']['weather']) == ('application/x.y', 'fine')
    assert document['annotations']['org.opencontainers.image.created'] > '1970-01-01T00:00:00Z'
    assert (tmp_path / 'photos/one.jpg').exists()
    assert artifacts.pull_files(client, 'run1', 'copy').names == ['photos', 'b.txt']
    assert Path('copy/photos/one.jpg').read_text(encoding='utf-8') == 'one'
    assert fs.info(f'{repo}@run1/photos')['type'] == 'other'
    with pytest.raises(IsADirectoryError, match=r"packed as tar\+gzip; open 'sha256:"):
        fs.open(f'{repo}@run1/photos')


def test_a_file_that_cannot_be_fetched_leaves_the_one_of_this_machine(folder_fs: RegistryFileSystem, folder: Endpoint,
                                                                      repo: str, tmp_path: Path) -> None:
    fill(folder_fs, f'{repo}@run1')
    here = tmp_path / '15.bin'
    here.write_bytes(b'old')
    folder.file_of(repo, hash_bytes(CONTENT)).write_bytes(bytes(MIB))
    with pytest.raises(Exception, match='expected digest'):
        folder_fs.get(f'{repo}@run1/may/15.bin', str(here))
    assert here.read_bytes() == b'old'


def test_a_registry_that_cannot_be_reached_is_an_error_and_not_the_absence_of_a_file() -> None:
    fs = filesystem(host='localhost:1', insecure=True, retries=0)
    for ask in (fs.exists, fs.isdir, fs.isfile, fs.find, fs.glob, fs.ls, lambda path: list(fs.walk(path))):
        with pytest.raises(RequestsConnectionError):
            ask('fred/data@a/x')


def test_a_credential_that_is_refused_is_a_permission_error(basic_registry: Endpoint, repo: str) -> None:
    fs = filesystem(host=basic_registry.host, tlsverify=basic_registry.ca, username=USERNAME, password='wrong')
    with pytest.raises(PermissionError, match='401|unauthorized'):
        fs.ls(f'{repo}@run1')
    with pytest.raises(PermissionError, match='401|unauthorized'):
        fs.pipe(f'{repo}@run1/x', b'x')
    for size in (1, 8 * MIB):
        with pytest.raises(PermissionError, match='401|unauthorized'), fs.open(f'{repo}@run1/x', 'wb') as file:
            file.write(bytes(size))


def test_a_pickled_filesystem_holds_no_credential(basic_registry: Endpoint, repo: str, monkeypatch: pytest.MonkeyPatch
                                                  ) -> None:
    options = {'host': basic_registry.host, 'tlsverify': basic_registry.ca}
    fs = filesystem(**options, username=USERNAME, password=PASSWORD)
    fs.pipe(f'{repo}@run1/x', b'x')
    pickled = pickle.dumps(fs)
    for text in (str(pickled), fs.to_json(), str(fs.to_dict()), str(fs.to_dict(include_password=True)), repr(fs)):
        assert PASSWORD not in text and f"'{USERNAME}'" not in text
    assert fs.__dask_tokenize__() == filesystem(**options).__dask_tokenize__()
    copy = pickle.loads(pickled)
    with pytest.raises(PermissionError):
        copy.cat(f'{repo}@run1/x')
    monkeypatch.setenv('DXF_HOST', basic_registry.host)
    monkeypatch.setenv('DXF_USERNAME', USERNAME)
    monkeypatch.setenv('DXF_PASSWORD', PASSWORD)
    RegistryFileSystem.clear_instance_cache()
    assert pickle.loads(pickled).cat(f'{repo}@run1/x') == b'x'


def test_the_folder_of_a_pickled_filesystem_is_the_same_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                                  ) -> None:
    monkeypatch.chdir(tmp_path)
    fs = filesystem(host='oci:./blobs')
    fs.pipe('fred/data@a/x', b'x')
    pickled = pickle.dumps(fs)
    monkeypatch.chdir('/')
    RegistryFileSystem.clear_instance_cache()
    assert pickle.loads(pickled).cat('fred/data@a/x') == b'x'


def test_credentials_are_for_one_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('DXF_HOST', 'registry.example.com')
    monkeypatch.setenv('DXF_TOKEN', 'of the environment')
    given = Repositories('other.example.com', {'username': 'fred', 'password': 'secret'})
    assert given.settings('other.example.com').password == 'secret'
    for host in ('third.example.com', 'registry.example.com'):
        assert given.settings(host).password is None
    assert Repositories(None, {}).settings('registry.example.com').token == 'of the environment'
    assert Repositories(None, {}).settings('other.example.com').token is None
    named = Repositories(None, {'registry': 'registry.example.com', 'username': 'fred', 'password': 'secret'})
    assert named.settings('registry.example.com').token is None
    monkeypatch.delenv('DXF_HOST')
    for options in ({}, {'registry': 'registry.example.com'}):
        assert Repositories(None, options).settings('other.example.com').token is None
    assert Repositories(None, options).settings('registry.example.com').token == 'of the environment'
    with pytest.raises(ValueError, match='credentials are for one registry'):
        filesystem(password='secret')


@pytest.mark.parametrize('options, kind, text', [
    ({'user': 'fred'}, TypeError, "unknown option 'user': want host, username, password"),
    ({'jobs': 0}, ValueError, '^jobs is a number of blobs'),
    ({'username': 'fred'}, ValueError, '^username is set, but password is not'),
])
def test_a_wrong_option_is_an_error(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        filesystem(host='registry.example.com', **options).exists('fred/data@a')


def test_a_repository_of_a_client_reads_what_the_filesystem_wrote(fs: RegistryFileSystem, endpoint: Endpoint, repo: str
                                                                  ) -> None:
    fill(fs, f'{repo}@run1')
    client: DXF = endpoint.dxf(repo)
    with client.open('run1/readings.csv') as file:
        assert file.read() == FILES['readings.csv']
