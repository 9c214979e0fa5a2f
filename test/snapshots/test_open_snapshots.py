"""Files of a snapshot that are open: what is read is right, whatever is read, and nothing else is fetched."""

import gc
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import pytest

from dxf import hash_bytes, snapshots
from dxf.exceptions import DXFDigestMismatchError, DXFFileNotFoundError, DXFInvalidDocumentError, DXFIsADirectoryError
from dxf.filesystem import RegistryFileSystem
from dxf.filesystem.lookups import MAX_SNAPSHOTS
from dxf.hints import hint_of
from dxf.snapshots.entry_table import EntryTable
from dxf.snapshots.snapshot import Snapshot

from ..helpers.endpoints import Endpoint
from ..helpers.traffic import Traffic

MIB = 1 << 20


@pytest.fixture(name='content')
def make_content() -> bytes:
    """Content with zeros in it, and with a part that is there twice."""
    part = random.Random(1).randbytes(3 * MIB)
    return part + bytes(5 * MIB) + b'21.5\n' * 100_000 + part[:MIB] + b'end'


@pytest.fixture(name='source')
def make_source(tmp_path: Path, content: bytes) -> Path:
    """A folder with a large file, other names of it, and links."""
    source = tmp_path / 'source'
    (source / 'a').mkdir(parents=True)
    (source / 'a' / 'large').write_bytes(content)
    (source / 'a-b').write_bytes(b'21.7\n')
    (source / 'empty').write_bytes(b'')
    os.link(source / 'a' / 'large', source / 'other')
    (source / 'link').symlink_to('a/large')
    return source


def stored(endpoint: Endpoint, repo: str, source: Path) -> Snapshot:
    """Store the folder; return the snapshot as somebody else loads it."""
    snapshots.backup(endpoint.dxf(repo), [str(source)], 'nightly')
    return snapshots.load(endpoint.dxf(repo), 'nightly')


def test_files_are_read_in_order_and_at_any_place(endpoint: Endpoint, repo: str, source: Path, content: bytes) -> None:
    snapshot = stored(endpoint, repo, source)
    chance = random.Random(2)
    with snapshot.open('a/large') as file, snapshot.open('other') as other:
        assert other.read() == content
        assert file.size == len(content)
        for _ in range(50):
            start, size = chance.randrange(len(content)), chance.choice([1, 4096, 300_000])
            assert file.pread(size, start) == content[start:start + size]
            file.seek(start)
            assert file.read(size) == content[start:start + size]
        assert file.seek(-3, os.SEEK_END) and file.read() == b'end'
    with snapshot.open('empty') as file:
        assert file.read() == b''


def test_a_part_of_a_file_costs_its_chunks_and_the_index_is_fetched_once(
        open_registry: Endpoint, repo: str, source: Path, traffic: Traffic, content: bytes) -> None:
    snapshot = stored(open_registry, repo, source)
    snapshot.open('a-b').close()
    ends = accumulate(chunk.size for chunk in snapshot.table().file(b'a/large').chunks)
    last = next(end for end in ends if end > 100_010) - 1
    traffic.clear()
    with snapshot.open('a/large') as file:
        file.seek(100_000)
        assert file.read(10) == content[100_000:100_010]
        assert file.pread(MIB, 4 * MIB) == bytes(MIB)
        assert file.pread(1, 2 * MIB) == content[2 * MIB:2 * MIB + 1]
        assert file.pread(1, last) == content[last:last + 1]
    request, _ = traffic.requests
    start, end = map(int, request.headers['Range'].removeprefix('bytes=').split('-'))
    assert end - start < 300_000


def test_threads_read_one_file_at_once(folder: Endpoint, repo: str, source: Path, content: bytes) -> None:
    with stored(folder, repo, source).open('a/large') as file, ThreadPoolExecutor(8) as pool:
        begin = threading.Barrier(8)

        def read(number: int) -> bool:
            begin.wait()
            return all(file.pread(70_000, start) == content[start:start + 70_000]
                       for start in range(number * 1000, len(content), MIB))
        assert all(pool.map(read, range(8)))


def test_chunks_larger_than_a_block_are_fetched_once_for_many_reads(folder: Endpoint, repo: str, source: Path,
                                                                    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
                                                                    ) -> None:
    monkeypatch.setattr('dxf.reading.blob_reader.MAX_BLOCK', 1000)
    monkeypatch.setattr('dxf.reading.block_cache.MAX_BLOCK', 1000)
    snapshot = stored(folder, repo, source)
    snapshot.open('a-b').close()
    traffic.clear()
    with snapshot.open('a/large') as file:
        for start in range(MIB, MIB + 1000, 10):
            file.pread(10, start)
    assert len(traffic.requests) == 1


@pytest.mark.parametrize('path, kind, text', [
    ('b', DXFFileNotFoundError, "there is no file 'b' in it, but 'a', 'a-b', 'empty', 'link', 'other'"),
    ('a/b', DXFFileNotFoundError, "there is no file 'a/b' in it, but 'a/large'"),
    ('a-b/c', DXFFileNotFoundError, "there is no file 'a-b/c' in it, but 'a', "),
    ('', DXFFileNotFoundError, "there is no file '' in it, but 'a', "),
    ('link', DXFFileNotFoundError, "there is no file 'link' in it"),
    ('a', DXFIsADirectoryError, "'a' is no file in it"),
])
def test_what_is_no_file_is_the_usual_exception(folder: Endpoint, repo: str, source: Path, path: str,
                                                kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        stored(folder, repo, source).open(path)
    assert str(caught.value).startswith(text)
    assert hint_of(caught.value) == ("it is a link to 'a/large'" if path == 'link' else '')


def test_no_byte_of_a_chunk_that_is_wrong_is_handed_out(folder: Endpoint, repo: str, source: Path, content: bytes
                                                        ) -> None:
    snapshot = stored(folder, repo, source)
    [pack] = snapshot.packs
    [path] = folder.registry.storage.rglob(pack.digest.partition(':')[2])
    path.chmod(0o644)
    with path.open('r+b') as file:
        file.seek(2 * MIB)
        file.write(b'changed')
    with snapshot.open('a/large') as reader:
        right = reader.pread(MIB, 0)
        assert right == content[:MIB]
        read = bytearray()
        with pytest.raises((DXFDigestMismatchError, DXFInvalidDocumentError)):
            while piece := reader.read(1000):
                read += piece
        assert MIB < len(read) < 2 * MIB + 1000 and content.startswith(read)
        assert reader.pread(1000, 3 * MIB) == bytes(1000)


# The filesystem

@pytest.fixture(name='open_fs')
def make_filesystem(open_registry: Endpoint, repo: str, source: Path) -> RegistryFileSystem:
    """A filesystem of the registry that has the snapshot of the folder, with some more links."""
    (source / 'a' / 'up').symlink_to('../a-b')
    (source / 'out').symlink_to('/a-b')
    (source / 'folder').symlink_to('a')
    (source / 'round').symlink_to('round')
    (source / 'a' / 'x.txt').write_bytes(b'21.9\n')
    snapshots.backup(open_registry.dxf(repo), [str(source)], 'nightly')
    return RegistryFileSystem(open_registry.host, insecure=True, skip_instance_cache=True)


def test_a_snapshot_is_a_folder_of_the_filesystem(open_fs: RegistryFileSystem, repo: str, source: Path, content: bytes,
                                                  tmp_path: Path) -> None:
    root = f'{repo}@nightly'
    assert open_fs.ls(root, detail=False) == [f'{root}/{name}' for name in sorted(os.listdir(source))]
    assert open_fs.find(f'{root}/a') == [f'{root}/a/large', f'{root}/a/up', f'{root}/a/x.txt']
    assert open_fs.glob(f'{root}/**/*.txt') == [f'{root}/a/x.txt']
    info = open_fs.info(f'{root}/a/large')
    assert (info['type'], info['size'], info['digest']) == ('file', len(content), hash_bytes(content))
    assert info['mtime'] == pytest.approx((source / 'a' / 'large').stat().st_mtime)
    assert open_fs.ukey(f'{root}/other') == hash_bytes(content)
    assert open_fs.isdir(root) and open_fs.isdir(f'{root}/a') and not open_fs.exists(f'{root}/b')
    assert open_fs.cat_file(f'{root}/a/x.txt') == b'21.9\n'
    assert open_fs.cat_ranges([f'{root}/other', f'{root}/a-b'], [5, 1], [9, 3]) == [content[5:9], b'1.']
    with open_fs.open(f'{root}/a/x.txt', 'r') as file:
        assert file.read() == '21.9\n'
    open_fs.get(f'{root}/a', str(tmp_path / 'got'), recursive=True)
    assert (tmp_path / 'got' / 'large').read_bytes() == content
    assert sorted(os.listdir(tmp_path / 'got')) == ['large', 'up', 'x.txt']


def test_links_are_followed_within_a_snapshot_and_else_shown(open_fs: RegistryFileSystem, repo: str, content: bytes
                                                             ) -> None:
    root = f'{repo}@nightly'
    assert open_fs.cat_file(f'{root}/link') == content
    assert open_fs.cat_file(f'{root}/folder/up') == b'21.7\n'
    info = open_fs.info(f'{root}/link')
    assert (info['type'], info['size'], info['islink'], info['destination']) == ('file', len(content), True, 'a/large')
    for name, target in (('out', '/a-b'), ('folder', 'a'), ('round', 'round')):
        info = open_fs.info(f'{root}/{name}')
        assert (info['type'], info['destination']) == ('link', target)
        with pytest.raises(FileNotFoundError) as caught:
            open_fs.cat_file(f'{root}/{name}')
        assert hint_of(caught.value) == f"it is a link to '{target}'"
    assert f'{root}/folder/x.txt' not in open_fs.find(root)


def test_the_index_is_read_once_by_a_filesystem(open_fs: RegistryFileSystem, open_registry: Endpoint, repo: str,
                                                traffic: Traffic) -> None:
    index = snapshots.load(open_registry.dxf(repo), 'nightly').index.digest
    traffic.clear()
    for _ in range(3):
        open_fs.find(f'{repo}@nightly')
        open_fs.cat_file(f'{repo}@nightly/a-b')
    assert [request.path.rpartition('/')[2] for request in traffic.requests].count(index) == 1


def tables() -> int:
    """Return how many indexes of snapshots are in memory."""
    gc.collect()
    return sum(isinstance(one, EntryTable) for one in gc.get_objects())


def test_a_list_of_many_snapshots_reads_each_index_once_and_few_are_kept(
        open_fs: RegistryFileSystem, open_registry: Endpoint, repo: str, source: Path, traffic: Traffic) -> None:
    client = open_registry.dxf(repo)
    for number in range(6):
        (source / 'a-b').write_bytes(b'%d' % number)
        snapshots.backup(client, [str(source)], f'night-{number}')
    snapshots.backup_stream(client, b'21.5\n', 'stream')
    names = client.list_aliases()
    indexes = {snapshots.load(client, name).index.digest for name in names}
    before = tables()
    traffic.clear()
    listed = [open_fs.ls(repo) for _ in range(3)]
    assert [(one['name'], one['type'], one['size']) for one in listed[2]] == [
        (f'{repo}@{name}', *(('file', 5) if name == 'stream' else ('directory', 0))) for name in names]
    fetched = [digest for request in traffic.requests if (digest := request.path.rpartition('/')[2]) in indexes]
    assert listed[0] == listed[1] == listed[2] and sorted(fetched) == sorted(indexes)
    assert tables() - before <= MAX_SNAPSHOTS
    assert open_fs.cat_file(f'{repo}@stream') == b'21.5\n'
    assert [open_fs.cat_file(f'{repo}@night-{number}/a-b') for number in range(6)] == [
        b'%d' % number for number in range(6)]


@pytest.mark.parametrize('write', [
    lambda fs, path: fs.pipe_file(f'{path}/new', b'21.5\n'), lambda fs, path: fs.rm(f'{path}/a-b'),
    lambda fs, path: fs.cp_file(f'{path}/a-b', f'{path}/c'), lambda fs, path: fs.mv(f'{path}/a-b', f'{path}/c'),
    lambda fs, path: fs.open(f'{path}/a-b', 'wb').close(),
], ids=['pipe', 'rm', 'cp', 'mv', 'open'])
def test_a_write_into_a_snapshot_is_refused(open_fs: RegistryFileSystem, open_registry: Endpoint, repo: str,
                                            write: Callable[[RegistryFileSystem, str], object]) -> None:
    before = open_registry.dxf(repo).manifest_digest('nightly')
    with pytest.raises(PermissionError, match='@nightly is a snapshot, and its files never change'):
        write(open_fs, f'{repo}@nightly')
    assert open_registry.dxf(repo).manifest_digest('nightly') == before


def test_a_file_of_a_snapshot_is_copied_to_another_alias(open_fs: RegistryFileSystem, repo: str) -> None:
    open_fs.cp_file(f'{repo}@nightly/a-b', f'{repo}@other/b')
    assert open_fs.cat_file(f'{repo}@other/b') == b'21.7\n'
