"""Files that are opened in a repository, of every kind: they are read in any order, and written."""

import io
import os
import signal
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from dxf import DXF, DXFNotFoundError, Limits, artifacts, hash_bytes
from dxf.exceptions import DXFDigestMismatchError, DXFFileNotFoundError, DXFInvalidNameError, DXFIsADirectoryError
from dxf.hints import hint_of

from ..helpers.endpoints import Endpoint
from ..helpers.tables import on_folder_and_server
from ..helpers.traffic import Traffic

MIB = 1 << 20
CONTENT = os.urandom(3 * MIB + 17)
FIRST = b'readings of\nMay 15th\n'


@pytest.fixture(name='repository')
def fill_repository(endpoint: Endpoint, repo: str) -> DXF:
    """A repository with the alias ``two``, of ``FIRST`` and ``CONTENT``."""
    repository = endpoint.dxf(repo)
    repository.set_alias('two', repository.push_blob(data=FIRST), repository.push_blob(data=CONTENT))
    return endpoint.dxf(repo)


def test_the_blobs_of_an_alias_are_one_file(repository: DXF) -> None:
    with repository.open('two') as file:
        assert isinstance(file, io.BufferedReader)
        assert (file.size, file.name, file.mode) == (len(FIRST + CONTENT), 'two', 'rb')
        assert file.digests == (hash_bytes(FIRST), hash_bytes(CONTENT))
        assert file.readline() == b'readings of\n'
        assert file.read(14) == (FIRST + CONTENT)[12:26]  # of both
        assert file.seek(-3, io.SEEK_END) == file.size - 3
        assert file.read() == CONTENT[-3:]
        assert file.read() == file.read(1) == b''
        file.seek(0)
        assert file.read() == FIRST + CONTENT
    assert file.closed


def test_a_blob_is_opened_by_its_digest(repository: DXF) -> None:
    with repository.open(hash_bytes(CONTENT)) as file:
        whole = bytearray(len(CONTENT) + 1)
        assert file.readinto(whole) == len(CONTENT)
        assert whole[:-1] == CONTENT


def test_reads_at_any_place_bring_what_is_there(repository: DXF) -> None:
    whole, random = FIRST + CONTENT, Random(16)
    with repository.open('two') as file:
        for _ in range(60):
            position, size = random.randrange(len(whole)), random.choice([1, 700, 5000, 300_000])
            if random.random() < 0.5:
                file.seek(position)
            position = file.tell()
            assert file.read(size) == whole[position:position + size]
            assert file.pread(size, position // 2) == whole[position // 2:position // 2 + size]


def test_threads_read_at_once(repository: DXF) -> None:
    whole = FIRST + CONTENT
    with repository.open('two') as file, ThreadPoolExecutor(4) as pool:
        places = [Random(number).randrange(len(whole)) for number in range(40)]
        assert list(pool.map(lambda place: file.pread(5000, place), places)) == [
            whole[place:place + 5000] for place in places]
        assert file.tell() == 0


def test_a_zip_file_is_read_in_place(endpoint: Endpoint, repo: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, 'w') as written:
        written.writestr('a.bin', CONTENT)
        written.writestr('b.txt', 'b')
    repository = endpoint.dxf(repo)
    digest = repository.push_blob(data=archive.getvalue())
    with repository.open(digest) as file, zipfile.ZipFile(file) as read:
        assert read.read('b.txt') == b'b'
        assert read.read('a.bin') == CONTENT


@pytest.fixture(name='named')
def push_named(endpoint: Endpoint, repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DXF:
    """A repository with the alias ``run1``: two files and a folder, packed."""
    monkeypatch.chdir(tmp_path)
    for name in ('readings.csv', 'sub/notes.txt', 'photos/one.jpg'):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(f'this is {name}', encoding='utf-8')
    repository = endpoint.dxf(repo)
    artifacts.push_files(repository, 'run1', artifacts.choose(['readings.csv', 'sub/notes.txt', 'photos']))
    return repository


def test_a_file_of_an_alias_is_opened_by_its_name(named: DXF) -> None:
    for name in ('readings.csv', 'sub/notes.txt'):
        for reference in ('run1', named.manifest_digest('run1')):
            with named.open(f'{reference}/{name}') as file:
                assert file.read() == f'this is {name}'.encode()


@on_folder_and_server('name, kind, text', [
    ('run1/other.csv', DXFFileNotFoundError, "there is no file 'other.csv' in it, but 'photos', 'readings.csv', 'sub/"),
    ('run1/photos/one.jpg', DXFFileNotFoundError, "but 'photos', 'readings.csv', 'sub/notes.txt'$"),
    ('run1/photos', DXFIsADirectoryError, r"'photos' is no file in it: it is packed as tar\+gzip; open 'sha256:"),
    ('run1/sub', DXFIsADirectoryError, "'sub' is no file in it: it is a folder with 'sub/notes.txt'"),
    ('run2', DXFNotFoundError, '404 Not Found'),
    ('run2/readings.csv', DXFNotFoundError, '404 Not Found'),
    (hash_bytes(b'x'), DXFNotFoundError, '404 Not Found'),
    ('', DXFInvalidNameError, "invalid alias ''"),
])
def test_a_name_that_leads_to_no_file_is_an_error_as_of_open(named: DXF, name: str, kind: type[Exception], text: str
                                                             ) -> None:
    with pytest.raises(kind, match=text) as caught:
        named.open(name)
    usual = {DXFIsADirectoryError: IsADirectoryError, DXFInvalidNameError: ValueError}.get(kind, FileNotFoundError)
    assert isinstance(caught.value, usual)
    assert ("it may be in 'photos', which is stored as one archive" in hint_of(caught.value)) == ('one.jpg' in name)


def test_an_alias_that_moves_is_read_as_it_was_opened(repository: DXF) -> None:
    with repository.open('two') as file:
        assert file.read(1) == FIRST[:1]
        repository.set_alias('two', repository.push_blob(data=b'other'))
        assert file.read() == (FIRST + CONTENT)[1:]


def test_a_blob_that_is_deleted_while_it_is_open_is_not_found(endpoint: Endpoint, repo: str) -> None:
    repository = endpoint.dxf(repo)
    digest = repository.push_blob(data=CONTENT)
    with repository.open(digest) as file:
        assert file.pread(10, 100) == CONTENT[100:110]
        repository.del_blob(digest)
        assert file.pread(10, 100) == CONTENT[100:110]  # it is kept
        with pytest.raises(FileNotFoundError, match=r'404 Not Found.* has no blob'):
            file.pread(10, 2 * MIB)


@pytest.mark.parametrize('mode', ['r+b', 'r', 'ab', ''])
def test_another_mode_is_not_supported(client: DXF, mode: str) -> None:
    with pytest.raises(io.UnsupportedOperation, match="'rb' reads, 'wb' writes"):
        client.open('two', mode)


@pytest.mark.parametrize('read, text', [
    (lambda file: file.seek(-1), 'negative seek'),
    (lambda file: file.seek(-file.size - 1, io.SEEK_END), 'negative seek'),
    (lambda file: file.seek(0, 9), 'whence'),
    (lambda file: file.pread(-1, 0), 'size is a number of bytes, at least 0'),
    (lambda file: file.pread(1, -1), 'offset is a number, at least 0'),
    (lambda file: file.close() or file.read(), 'closed file'),
    (lambda file: file.close() or file.pread(1, 0), 'closed file'),
])
def test_a_place_before_the_beginning_or_a_closed_file_is_a_value_error(
        folder: Endpoint, repo: str, read: Callable[[io.BufferedReader], object], text: str) -> None:
    repository = folder.dxf(repo)
    digest = repository.push_blob(data=CONTENT)
    with repository.open(digest) as file, pytest.raises(ValueError, match=text):
        read(file)


def test_reads_behind_the_end_are_empty_and_cost_nothing(folder: Endpoint, repo: str, traffic: Traffic) -> None:
    repository = folder.dxf(repo)
    digest = repository.push_blob(data=CONTENT)
    with repository.open(digest) as file:
        traffic.clear()
        assert file.seek(len(CONTENT) + 5) == len(CONTENT) + 5
        assert file.read(9) == file.read() == file.pread(9, len(CONTENT)) == b''
    assert not traffic.requests


# Writing

def test_what_is_written_is_a_blob_with_an_alias_when_it_is_closed(endpoint: Endpoint, repo: str) -> None:
    repository = endpoint.dxf(repo)
    with repository.open('new', 'wb') as file:
        for start in range(0, len(CONTENT), 1000):
            assert file.write(CONTENT[start:start + 1000]) == len(CONTENT[start:start + 1000])
        assert file.tell() == len(CONTENT)
    assert file.digest == hash_bytes(CONTENT)
    assert repository.get_alias('new') == [file.digest]
    assert b''.join(repository.pull_blob(hash_bytes(CONTENT))) == CONTENT


def test_what_several_threads_write_to_one_file_is_stored_once(folder: Endpoint, repo: str) -> None:
    repository = folder.dxf(repo)
    parts = [bytes([number]) * 1000 for number in range(4)]
    with repository.open('', 'wb') as file, ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda part: [file.write(part) for _ in range(2000)], parts):
            pass
    assert file.digest is not None
    content = b''.join(repository.pull_blob(file.digest))
    assert {content[start:start + 1000] for start in range(0, len(content), 1000)} == set(parts)
    assert (len(content), [content.count(part) for part in parts]) == (8_000_000, [2000] * 4)


def test_an_exception_while_a_file_is_written_stores_nothing(endpoint: Endpoint, repo: str) -> None:
    repository, large = endpoint.dxf(repo), os.urandom(9 * MIB)
    with pytest.raises(KeyboardInterrupt), repository.open('new', 'wb') as file:
        file.write(large)
        raise KeyboardInterrupt
    assert file.digest is None
    assert not repository.exists(hash_bytes(large))
    assert not repository.exists('new')
    assert not endpoint.uploads(repo)


def test_a_written_file_that_is_forgotten_stores_nothing(folder: Endpoint, repo: str) -> None:
    repository, before = folder.dxf(repo), set(threading.enumerate())
    file = repository.open('', 'wb')
    file.write(CONTENT)
    del file
    assert not repository.exists(hash_bytes(CONTENT))
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_a_child_process_does_not_write_the_file_of_its_parent(folder: Endpoint, repo: str) -> None:
    with folder.dxf(repo).open('new', 'wb') as file:
        file.write(FIRST)
        child = os.fork()
        if not child:
            signal.alarm(60)
            refused = 0
            for call in (lambda: file.write(bytes(12 * MIB)), file.close):
                try:
                    call()
                except ValueError as error:
                    refused += 'opened in the parent process' in str(error) or file.closed
            os._exit(0 if refused and file.closed else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert file.digest == hash_bytes(FIRST)


def test_what_is_written_under_a_digest_must_have_it(folder: Endpoint, repo: str) -> None:
    repository = folder.dxf(repo)
    with repository.open(hash_bytes(FIRST), 'wb') as file:
        file.write(FIRST)
    with pytest.raises(DXFDigestMismatchError), repository.open(hash_bytes(CONTENT), 'wb') as file:
        file.write(FIRST)
    assert repository.exists(hash_bytes(FIRST))
    assert not repository.exists(hash_bytes(CONTENT))


def test_a_refused_upload_is_an_error_where_the_file_is_written_or_closed(token_registry: Endpoint, repo: str) -> None:
    stranger = DXF(token_registry.host, repo, tlsverify=token_registry.ca or True, limits=Limits(retries=0))
    with pytest.raises(Exception, match='unauthorized'), stranger.open('new', 'wb') as file:
        file.write(os.urandom(30 * MIB))


def test_a_file_of_an_alias_is_not_written_by_its_name(client: DXF) -> None:
    with pytest.raises(DXFInvalidNameError, match='push_files stores files with names'):
        client.open('run1/readings.csv', 'wb')
