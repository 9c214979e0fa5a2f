"""Files of a snapshot that are open: what is read is right, whatever is read, and nothing else is fetched."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dxf import snapshots
from dxf.exceptions import DXFDigestMismatchError, DXFFileNotFoundError, DXFInvalidDocumentError, DXFIsADirectoryError
from dxf.hints import hint_of
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
    traffic.clear()
    with snapshot.open('a/large') as file:
        file.seek(100_000)
        assert file.read(10) == content[100_000:100_010]
        assert file.pread(MIB, 4 * MIB) == bytes(MIB)
        assert file.pread(10, 100_005) == content[100_005:100_015]
    [request] = traffic.requests
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
