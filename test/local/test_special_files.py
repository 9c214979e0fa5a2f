"""Pulls to special files: standard output by any of its names, pipes and devices are written straight through."""

import errno
import fcntl
import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, Limits, hash_bytes
from dxf.artifacts.staging import StagedFiles
from dxf.exceptions import DXFDigestMismatchError
from dxf.local.special_files import PIPE_SIZE, enlarge_pipe
from dxf.main import doit

from ..helpers import fork_server
from ..helpers.processes import Ended, Runner, end, files
from ..servers.scripted_registry import Answer, ScriptedRegistry

REPO = 'fred/a'
FIRST, BLOB = os.urandom(3000), os.urandom(3 << 20)
DIGESTS = (hash_bytes(FIRST), hash_bytes(BLOB))
OPERANDS = f'pull-blob {REPO} {" ".join(DIGESTS)}'
PROGRAM = f'../dxf {OPERANDS}'
"""What a shell runs, in a folder beside the program."""


@pytest.fixture(name='server', scope='module')
def start_server() -> Iterator[ScriptedRegistry]:
    """A registry with two blobs."""
    with ScriptedRegistry() as server:
        server.memory.put(REPO, FIRST)
        server.memory.put(REPO, BLOB)
        yield server


@pytest.fixture(name='wrong')
def start_wrong_server() -> Iterator[ScriptedRegistry]:
    """A registry that sends another blob as the second one."""
    with ScriptedRegistry() as server:
        server.memory.put(REPO, FIRST)
        server.memory.put(REPO, BLOB)
        wrong = Answer(200, {}, BLOB[:-1] + bytes([BLOB[-1] ^ 1]))
        server.hook = lambda request: wrong if request.path.endswith(DIGESTS[1]) else None
        yield server


@pytest.fixture(name='folder')
def make_folder(tmp_path: Path) -> Path:
    """A folder that dxf runs in, beside the program."""
    fork_server.write_program(tmp_path / 'dxf')
    folder = tmp_path / 'folder'
    folder.mkdir()
    return folder


def runner(server: ScriptedRegistry) -> Runner:
    """Return what runs dxf."""
    return Runner(server.environ())


def shell(server: ScriptedRegistry, folder: Path, script: str) -> Ended:
    """Run a script in a folder."""
    environ = {**os.environ, **runner(server).environ, 'DXF_RETRIES': '0', 'PYTHONPATH': str(Path(__file__).parents[2])}
    done = subprocess.run(['bash', '-c', script], cwd=folder, env=environ, capture_output=True, timeout=60, check=False)
    return Ended(done.returncode, done.stdout, done.stderr.decode().splitlines())


NAMES = pytest.mark.parametrize('name', ['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1', 'link'])


@NAMES
def test_standard_output_has_several_names(server: ScriptedRegistry, folder: Path, name: str) -> None:
    (folder / 'link').symlink_to('/dev/stdout')
    ended = runner(server).run('pull-blob', '-o', name, REPO, *DIGESTS, cwd=folder).insist(0)
    assert ended.out == FIRST + BLOB
    assert [path.name for path in folder.iterdir()] == ['link']


@NAMES
def test_a_file_that_standard_output_is_gets_more_at_its_end(server: ScriptedRegistry, folder: Path, name: str) -> None:
    (folder / 'link').symlink_to('/dev/stdout')
    shell(server, folder, f'{{ echo before; {PROGRAM} -o {name}; echo after; }} > out').insist(0)
    assert (folder / 'out').read_bytes() == b'before\n' + FIRST + BLOB + b'after\n'
    shell(server, folder, f'{PROGRAM} -o {name} >> out').insist(0)
    assert (folder / 'out').read_bytes() == b'before\n' + FIRST + BLOB + b'after\n' + FIRST + BLOB
    assert sorted(path.name for path in folder.iterdir()) == ['link', 'out']


@NAMES
def test_of_a_wrong_blob_less_than_all_reaches_standard_output(wrong: ScriptedRegistry, folder: Path, name: str
                                                               ) -> None:
    (folder / 'link').symlink_to('/dev/stdout')
    ended = runner(wrong).run('pull-blob', '-o', name, REPO, *DIGESTS, cwd=folder).insist(1)
    assert ended.out.startswith(FIRST) and len(ended.out) < len(FIRST + BLOB)
    assert (FIRST + BLOB).startswith(ended.out)


@NAMES
def test_a_reader_that_goes_away_ends_it_silently(server: ScriptedRegistry, folder: Path, name: str) -> None:
    (folder / 'link').symlink_to('/dev/stdout')
    ended = shell(server, folder, f'{PROGRAM} -o {name} | head -c 1 > /dev/null; echo "${{PIPESTATUS[*]}}"')
    assert (ended.out, ended.lines) == (b'141 0\n', [])


def test_another_descriptor_is_written_by_its_number(server: ScriptedRegistry, folder: Path) -> None:
    shell(server, folder, f'"{sys.executable}" -m dxf {OPERANDS} -o /dev/fd/7 7> out').insist(0)
    assert (folder / 'out').read_bytes() == FIRST + BLOB


@pytest.mark.parametrize('name, reason', [
    ('/dev/fd/0', 'reading only'), ('/dev/fd/77', 'Bad file descriptor'), ('socket', 'socket')])
def test_what_cannot_be_written_is_told_before_any_request(server: ScriptedRegistry, folder: Path, name: str,
                                                           reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server.requests.clear()
    monkeypatch.chdir(folder)  # the address of a socket has a hundred bytes at most
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind('socket')
    with open(os.devnull, 'rb') as nothing:
        ended = runner(server).run('pull-blob', REPO, *DIGESTS, '-o', name, cwd=folder, stdin=nothing)
    assert reason in ended.insist(2).lines[0]
    assert not server.requests


def read_in_background(path: Path) -> Callable[[], bytes]:
    """Read a pipe by a thread; return what waits for all that it brings."""
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(path.read_bytes()))
    thread.start()

    def join() -> bytes:
        thread.join()
        return got[0]
    return join


def test_a_named_pipe_is_written_and_stays(server: ScriptedRegistry, folder: Path) -> None:
    pipe = folder / 'pipe'
    os.mkfifo(pipe)
    read = read_in_background(pipe)
    runner(server).run('pull-blob', '-o', pipe, REPO, *DIGESTS).insist(0)
    assert read() == FIRST + BLOB
    assert pipe.is_fifo() and list(folder.iterdir()) == [pipe]


def test_of_a_wrong_blob_less_than_all_reaches_a_named_pipe(wrong: ScriptedRegistry, folder: Path) -> None:
    pipe = folder / 'pipe'
    os.mkfifo(pipe)
    read = read_in_background(pipe)
    runner(wrong).run('pull-blob', '-o', pipe, REPO, *DIGESTS).insist(1)
    got = read()
    assert got.startswith(FIRST) and len(got) < len(FIRST + BLOB)
    assert list(folder.iterdir()) == [pipe]


def test_a_device_is_written_and_stays(server: ScriptedRegistry) -> None:
    before = os.stat(os.devnull)
    runner(server).run('pull-blob', '-o', os.devnull, REPO, *DIGESTS).insist(0)
    with DXF(server.host, REPO, insecure=True) as client:
        client.pull_to_file(os.devnull, *DIGESTS)
    after = os.stat(os.devnull)
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)


def test_a_device_that_is_full_is_one_line(server: ScriptedRegistry) -> None:
    ended = runner(server).run('pull-blob', '-o', '/dev/full', REPO, *DIGESTS).insist(1)
    assert ended.lines == ['dxf: /dev/full: No space left on device; free space there, then repeat the command']


def test_the_library_writes_to_a_pipe_what_is_verified(wrong: ScriptedRegistry, folder: Path) -> None:
    pipe = folder / 'pipe'
    os.mkfifo(pipe)
    read = read_in_background(pipe)
    moved: list[int] = []
    with DXF(wrong.host, REPO, insecure=True, limits=Limits(retries=0)) as client:
        with pytest.raises(DXFDigestMismatchError):
            client.pull_to_file(pipe, *DIGESTS, progress=lambda digest, chunk, size: moved.append(len(chunk)))
    got = read()
    assert len(got) == sum(moved) < len(FIRST + BLOB)
    assert not [path for path in files(folder) if path != pipe]


def pipe_size(descriptor: int) -> int:
    """Return how many bytes a pipe holds."""
    return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)


def test_a_pipe_that_a_blob_is_written_to_or_read_from_is_enlarged(server: ScriptedRegistry) -> None:
    with runner(server).fork('pull-blob', REPO, DIGESTS[1]) as pulling:
        assert pulling.stdout is not None
        first = pulling.stdout.read(1)
        assert pipe_size(pulling.stdout.fileno()) == PIPE_SIZE
        assert first + pulling.stdout.read() == BLOB
        end(pulling).insist(0)
    reading, writing = os.pipe()
    with runner(server).fork('push-blob', REPO, '-', stdin=reading) as pushing:
        os.close(reading)
        with open(writing, 'wb') as pipe:
            pipe.write(BLOB)  # more than a pipe holds: it was read from
            assert pipe_size(writing) == PIPE_SIZE
        end(pushing).insist(0)


@pytest.mark.parametrize('stream', [None, 7, io.BytesIO(), io.StringIO()])
def test_what_is_no_pipe_is_left_as_it_is(stream: Any) -> None:
    enlarge_pipe(stream)


# What reaches the disk too late


def refuse_to_sync(monkeypatch: pytest.MonkeyPatch, path: Path, number: int) -> list[int]:
    """Make each sync of one file fail, as a disk does that was removed; return the errors that were raised."""
    raised: list[int] = []
    sync = os.fsync

    def fail(file: Any) -> None:
        if os.path.samestat(os.fstat(file), os.stat(path)):
            raised.append(number)
            raise OSError(number, os.strerror(number))
        sync(file)
    monkeypatch.setattr(os, 'fsync', fail)
    return raised


@pytest.mark.parametrize('option', [[], ['-o', '-']])
def test_bytes_that_do_not_reach_the_disk_of_standard_output_are_an_error(
        server: ScriptedRegistry, folder: Path, option: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    raised = refuse_to_sync(monkeypatch, folder / 'out', errno.EIO)
    with (folder / 'out').open('w', encoding='ascii') as file:
        monkeypatch.setattr(sys, 'stdout', file)
        with pytest.raises(OSError) as caught:
            doit(['pull-blob', REPO, *DIGESTS, *option], server.environ())
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, 'standard output') and raised
    assert (folder / 'out').read_bytes() == FIRST + BLOB


def test_bytes_that_do_not_reach_the_disk_of_a_device_are_an_error(
        server: ScriptedRegistry, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without root there is no block device. Another file that is written straight through is a descriptor.
    with (folder / 'out').open('wb') as file:
        name = f'/dev/fd/{file.fileno()}'
        refuse_to_sync(monkeypatch, folder / 'out', errno.EIO)
        with pytest.raises(OSError) as caught:
            doit(['pull-blob', '-o', name, REPO, *DIGESTS], server.environ())
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, name)


@pytest.mark.parametrize('number', [errno.EINVAL, errno.ENOTSUP])
def test_a_device_that_is_on_no_disk_is_written(server: ScriptedRegistry, folder: Path, number: int,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = folder / 'pipe'
    os.mkfifo(pipe)
    raised = refuse_to_sync(monkeypatch, pipe, number)
    read = read_in_background(pipe)
    assert doit(['pull-blob', '-o', str(pipe), REPO, *DIGESTS], server.environ()) == 0
    assert read() == FIRST + BLOB and raised == [number]


def test_a_link_that_the_system_does_not_follow_is_not_followed(server: ScriptedRegistry, tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'own').mkdir()
    (tmp_path / 'own' / 'file').write_bytes(b'precious')
    (tmp_path / 'link').symlink_to('own/file')
    (tmp_path / 'folder').symlink_to('own')
    links = (str(tmp_path / 'link'), str(tmp_path / 'folder'))
    stat = os.stat

    def refusing(path: Any, *args: Any, **options: Any) -> os.stat_result:
        """Answer as Linux does if another user has made a link in a folder like /tmp: the setting is the machine's."""
        if options.get('follow_symlinks', True) and str(path).startswith(links):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return stat(path, *args, **options)
    monkeypatch.setattr(os, 'stat', refusing)
    client = DXF(server.host, REPO, insecure=True)
    with pytest.raises(PermissionError, match='/link'):
        client.pull_to_file(links[0], DIGESTS[0])
    with pytest.raises(PermissionError, match='/folder'):
        StagedFiles(links[1])
    with pytest.raises(PermissionError, match='/folder'):
        DXF(f'oci:{links[1]}', REPO).push_blob(data=b'x')
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path / 'own')) == ['file']
    assert (tmp_path / 'own' / 'file').read_bytes() == b'precious'
