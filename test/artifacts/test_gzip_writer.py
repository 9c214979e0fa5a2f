"""Folders that several threads compress: the bytes are the same however many there are, and no thread outlives them."""

import gzip
import hashlib
import inspect
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxf.artifacts import gzip_writer, tar_reader, tar_writer
from dxf.artifacts.gzip_writer import BLOCK_SIZE, GzipWriter, threads_for
from dxf.artifacts.tar_writer import Packed
from dxf.exceptions import DXFInvalidDocumentError
from dxf.names import hash_bytes

from .test_artifacts import tree

NAME = 'dxf-folder'
CONTENT = 'sha256:c16dcd62d735a482a8dd5b374ad31a3daeaa4909379575352cbfe27cf6dd5ac2'
ARCHIVE = 'sha256:d2290d85f495816e2ef47f84289ec749b601eb88c9da5336e322361c7b10d0d7'
"""What the digests of one folder are, of its tar and of its archive, as zlib compresses it: for ever."""


@cache
def text(size: int, seed: int = 0) -> bytes:
    """Return readings that compress as text does: each line has some digits of a hash."""
    lines = (hashlib.sha256(f'{seed} {number}'.encode()).hexdigest()[:number % 20] for number in range(size // 10))
    return '\n'.join(lines).encode().ljust(size, b'\n')[:size]


def pack(folder: Path, threads: int) -> tuple[Packed, bytes]:
    """Return what becomes of a folder, and its archive."""
    file = io.BytesIO()
    return tar_writer.pack(tar_writer.contents(str(folder), 'd'), file, threads), file.getvalue()


def compressed(content: bytes, block: int = 1 << 20) -> bytes:
    """Return what the format asks for, in the most simple way."""
    found = [bytes.fromhex('1f8b08000000000000ff')]
    for start in range(0, len(content) or 1, block):
        deflate = zlib.compressobj(6, zlib.DEFLATED, -15, 8, 0, content[max(start - 32768, 0):start])
        is_last = start + block >= len(content)
        found += [deflate.compress(content[start:start + block]),
                  deflate.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)]
    return b''.join([*found, zlib.crc32(content).to_bytes(4, 'little'), len(content).to_bytes(4, 'little')])


def living_threads() -> list[str]:
    """Return the names of the threads of this module's subject that are there."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(NAME)]


# The bytes


SMALL_BLOCK = 1 << 16
"""What drawn folders are cut into: what becomes of larger blocks takes longer, and is the same."""


@settings(max_examples=12, deadline=None)
@given(sizes=st.lists(st.one_of(st.integers(0, 5_000), st.integers(30_000, 160_000)), max_size=5),
       seed=st.integers(0, 1 << 16))
def test_a_folder_has_the_same_bytes_however_many_threads_compress_it(sizes: list[int], seed: int) -> None:
    source = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzip_writer, 'BLOCK_SIZE', SMALL_BLOCK)
        for number, size in enumerate(sizes):
            inner = Path(folder, *source.choices('abc', k=source.randrange(3)))
            inner.mkdir(parents=True, exist_ok=True)
            (inner / f'{number}.txt').write_bytes(source.choice([text(size, seed), source.randbytes(size)]))
        one = pack(Path(folder), 0)
        assert pack(Path(folder), 2) == one == pack(Path(folder), 8)
    content = gzip.decompress(one[1])
    assert hash_bytes(content) == one[0].content
    assert compressed(content, SMALL_BLOCK) == one[1]


def test_the_digest_of_a_folder_never_changes(tmp_path: Path) -> None:
    for name, size in (('a.txt', 700_000), ('in/b.txt', 2_500_000), ('in/empty', 0), ('z.txt', 40_000)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text(size, len(name)))
    packed, archive = pack(tmp_path, 2)
    assert packed.content == CONTENT
    is_zlib = 'ng' not in zlib.ZLIB_RUNTIME_VERSION  # zlib-ng compresses to other bytes
    assert packed.digest == (ARCHIVE if is_zlib else hash_bytes(compressed(gzip.decompress(archive))))


@pytest.mark.parametrize('size', [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE])
def test_what_fits_one_block_has_the_bytes_of_earlier_releases(size: int) -> None:
    ours, theirs, content = io.BytesIO(), io.BytesIO(), text(size)
    with GzipWriter(ours) as file, gzip.GzipFile('', 'wb', 6, theirs, mtime=0) as plain:
        for target in (file, plain):
            target.write(content)
    assert ours.getvalue() == theirs.getvalue()


@pytest.mark.parametrize('size', [BLOCK_SIZE + 1, 2 * BLOCK_SIZE])
def test_how_it_is_written_does_not_matter(size: int) -> None:
    file, content = io.BytesIO(), text(size)
    with GzipWriter(file) as zipped:
        for start in range(0, size, 1 << 17):
            zipped.write(content[start:start + (1 << 17)])
    assert file.getvalue() == compressed(content)


def test_gzip_and_tar_unpack_it(tmp_path: Path) -> None:
    (tmp_path / 'from' / 'in').mkdir(parents=True)
    (tmp_path / 'from' / 'in' / 'a.txt').write_bytes(text(BLOCK_SIZE) * 3)
    (tmp_path / 'from' / 'b').write_bytes(os.urandom(BLOCK_SIZE))
    (tmp_path / 'archive.gz').write_bytes(pack(tmp_path / 'from', 2)[1])
    subprocess.run(['gzip', '-t', 'archive.gz'], cwd=tmp_path, timeout=60, check=True)
    subprocess.run(['tar', '-xzf', 'archive.gz'], cwd=tmp_path, timeout=60, check=True)
    assert tree(tmp_path / 'd') == tree(tmp_path / 'from')


# The threads


def test_one_job_has_no_thread_and_more_have_no_more_than_six() -> None:
    assert threads_for(1) == 0
    assert threads_for(1000) in {0, *range(2, 7)}


class Output(io.RawIOBase):
    """A file that calls a function for each block that is written."""

    def __init__(self, on_block: Any) -> None:
        super().__init__()
        self.count = 0
        self._on_block = on_block

    def write(self, content: Any, /) -> int:
        """Call it, but for the header and the trailer."""
        if len(content) > 10:
            self.count += 1
            self._on_block(self.count)
        return len(content)


@pytest.mark.parametrize('count', [2, 8])
def test_no_more_blocks_are_in_memory_than_the_threads_need(count: int) -> None:
    ahead = []
    given_blocks = 0
    output = Output(lambda number: ahead.append(given_blocks - number))
    with GzipWriter(output, count) as file:
        for given_blocks in range(1, 41):
            file.write(bytes(BLOCK_SIZE))
    assert len(ahead) == 40
    assert max(ahead) <= count + 3


@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_an_error_leaves_no_thread(error: type[BaseException]) -> None:
    seen, content = [], text(BLOCK_SIZE)

    def fail(number: int) -> None:
        seen.extend(living_threads())
        if number == 3:
            raise error
    with pytest.raises(error), GzipWriter(Output(fail), 2) as file:
        for _ in range(40):
            file.write(content)
    assert seen
    assert living_threads() == []


@contextmanager
def run(script: str, *args: str) -> Iterator['subprocess.Popen[str]']:
    """Start a script that packs a folder by two threads, with a function ``pack(on_block)``; at the end, kill it.

    It has a session of its own, so that its children are killed too.
    """
    with subprocess.Popen([sys.executable, '-W', 'ignore::DeprecationWarning', '-c', textwrap.dedent('''
        import io, os, sys, threading
        from typing import Any
        from dxf.artifacts import tar_writer
        from dxf.exceptions import DXFError
        NAME = sys.argv.pop()
        ''') + inspect.getsource(Output) + inspect.getsource(living_threads) + textwrap.dedent('''
        def pack(on_block):
            tar_writer.pack(tar_writer.contents(sys.argv[1], 'd'), Output(on_block), 2)
        ''') + textwrap.dedent(script), *args, NAME], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          cwd=Path(__file__).parents[2], start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    with (tmp_path / 'zeros').open('wb') as file:
        file.truncate(1 << 40)
    script = '''
        try:
            pack(lambda number: number == 3 and print('begun', flush=True))
        except KeyboardInterrupt:
            print('interrupted', living_threads())
        '''
    with run(script, str(tmp_path)) as process:
        assert process.stdout is not None and process.stdout.readline() == 'begun\n'
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ('interrupted []\n', '')


def test_a_child_that_is_forked_meanwhile_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / 'text').write_bytes(text(BLOCK_SIZE) * 5)
    script = '''
        parent = os.getpid()
        def fork(number):
            if number == 4:  # the files are closed by then: a child shares their positions
                os.fork()
        try:
            pack(fork)
        except DXFError as error:
            print(os.getpid() != parent, error)
            sys.exit()
        print(os.getpid() == parent, 'packed', os.waitstatus_to_exitcode(os.wait()[1]))
        '''
    with run(script, str(tmp_path)) as process:
        out, err = process.communicate(timeout=120)
    assert (sorted(out.splitlines()), err) == ([
        'True packed 0', 'True the threads of this transfer are in the parent process: begin it anew in this one'], '')


# Reading ahead


def test_an_archive_that_is_left_before_its_end_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / 'text').write_bytes(text(BLOCK_SIZE) * 4)
    (tmp_path / 'zero').write_bytes(b'')
    members = tar_reader.members(io.BytesIO(pack(tmp_path, 0)[1]), 'd', 1 << 30, is_ahead=True)
    next(members)
    assert len(living_threads()) == 1
    members.close()
    assert living_threads() == []


def test_an_archive_that_is_damaged_is_refused_and_leaves_no_thread(tmp_path: Path) -> None:
    (tmp_path / 'text').write_bytes(text(BLOCK_SIZE) * 8)
    archive = pack(tmp_path, 0)[1]
    damaged = archive[:len(archive) // 2] + bytes(100) + archive[len(archive) // 2 + 100:]
    with pytest.raises(DXFInvalidDocumentError, match='invalid archive'):
        for _, pieces in tar_reader.members(io.BytesIO(damaged), 'd', 1 << 30, is_ahead=True):
            assert sum(map(len, pieces)) <= 8 << 20
    assert living_threads() == []
