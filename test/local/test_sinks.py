"""What dxf prints arrives whole, whatever kind of file standard output is, or a failure is told."""

import fcntl
import io
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dxf import hash_bytes
from dxf.local import sinks
from dxf.main import doit

from ..helpers import fork_server
from ..helpers.processes import Ended, Runner, end
from ..helpers.waiting import eventually
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error

REPO = 'fred/a'
MIB = 1 << 20
PIPE = 64 << 10
"""Bytes that a pipe holds."""

WAITING = 30.0

BLOB = os.urandom(8 * MIB)
SHORT = os.urandom(131_972)
OCI = 'application/vnd.oci.image.manifest.v1+json'
UNBUFFERED = pytest.mark.parametrize('unbuffered', ['', '1'], ids=['buffered', 'unbuffered'])


@pytest.fixture(name='server', scope='module')
def start_server() -> Iterator[ScriptedRegistry]:
    """A registry with blobs, an alias with a long manifest, and many aliases."""
    with ScriptedRegistry() as server:
        server.memory.put(REPO, BLOB)
        server.memory.put(REPO, SHORT)
        server.memory.put_manifest(REPO, 'long', OCI, MANIFEST)
        for number in range(20_000):
            server.memory.tags[REPO][f'alias-{number:07}'] = 'none'
        yield server


ENTRY = {'digest': hash_bytes(BLOB), 'size': len(BLOB), 'mediaType': 'application/octet-stream'}
MANIFEST = json.dumps({'schemaVersion': 2, 'mediaType': OCI, 'config': ENTRY, 'layers': [ENTRY] * 4000}).encode()
PRINTED = {
    'pull-blob': ([hash_bytes(BLOB)], BLOB),
    'get-manifest': (['long'], MANIFEST),
    'get-alias': (['long'], f'{hash_bytes(BLOB)}\n'.encode() * 4000),
    'list-aliases': (['--sort', '--prefix=alias-'],
                     ''.join(f'alias-{number:07}\n' for number in range(20_000)).encode()),
}
COMMANDS = pytest.mark.parametrize('command', PRINTED)


def runner(server: ScriptedRegistry, unbuffered: str = '1') -> Runner:
    """Return what runs dxf, with or without a buffer for standard output."""
    return Runner(server.environ(PYTHONUNBUFFERED=unbuffered))


def is_full(pipe: int) -> bool:
    """Return whether a pipe takes no more: lines may fill its pages only in part.

    :param pipe: the end to write to
    """
    ready = select.poll()
    ready.register(pipe, select.POLLOUT)
    return not ready.poll(0)


def is_stopped(process: fork_server.Forked) -> bool:
    """Return whether a process was stopped by a signal."""
    return Path(f'/proc/{process.pid}/stat').read_text(encoding='ascii').rpartition(')')[2].split()[0] == 'T'


def read_all(pipe: int) -> bytes:
    """Read a pipe to its end, and close it."""
    with open(pipe, 'rb') as file:
        return file.read()


@COMMANDS
@UNBUFFERED
def test_a_writer_that_is_stopped_and_continued_loses_nothing(server: ScriptedRegistry, command: str, unbuffered: str
                                                              ) -> None:
    operands, expected = PRINTED[command]
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)  # so that a piece is written in part when the signal comes
    with runner(server, unbuffered).fork(command, REPO, *operands, stdout=writing) as process:
        assert eventually(lambda: is_full(writing), WAITING)
        os.close(writing)
        process.send_signal(signal.SIGSTOP)
        assert eventually(lambda: is_stopped(process), WAITING)
        process.send_signal(signal.SIGCONT)
        assert read_all(reading) == expected
        end(process).insist(0)


@COMMANDS
@UNBUFFERED
def test_a_pipe_that_does_not_wait_gets_all(server: ScriptedRegistry, command: str, unbuffered: str) -> None:
    operands, expected = PRINTED[command]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with runner(server, unbuffered).fork(command, REPO, *operands, stdout=writing) as process:
        assert eventually(lambda: is_full(writing), WAITING)
        os.close(writing)
        assert read_all(reading) == expected
        end(process).insist(0)


def test_a_long_text_into_a_pipe_that_does_not_wait_arrives(server: ScriptedRegistry) -> None:
    expected = runner(server).run('--completion=bash').insist(0).out
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    assert len(expected) > 4096
    os.set_blocking(writing, False)
    with runner(server).fork('--completion=bash', stdout=writing) as process:
        assert eventually(lambda: is_full(writing), WAITING)
        os.close(writing)
        assert read_all(reading) == expected
        end(process).insist(0)


@pytest.mark.parametrize('command, operands, size', [
    ('pull-blob', [hash_bytes(SHORT)], len(SHORT)),
    ('get-manifest', ['long'], len(MANIFEST)),
    ('list-aliases', ['--prefix=alias-'], 280_000),
])
@UNBUFFERED
def test_a_disk_that_fills_up_in_the_last_piece_is_a_failure(server: ScriptedRegistry, tmp_path: Path, command: str,
                                                             operands: list[str], size: int, unbuffered: str) -> None:
    limit = (size - 1) // 512 * 512
    ended = run_program(server, tmp_path, LIMITED.format(limit=limit), unbuffered, command, REPO,
                        *operands).insist(1)
    assert 'File too large' in ended.lines[0]
    assert (tmp_path / 'out').stat().st_size == limit


LIMITED = """
import resource, sys
import dxf.main
before = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, before[1]))
status = dxf.main.main()
resource.setrlimit(resource.RLIMIT_FSIZE, before)  # coverage writes a longer file
sys.exit(status)
"""
"""Runs dxf as on a disk that has no more room after so many bytes of a file."""

QUOTA = """
import errno, os, sys
import dxf.main
def close(number, really=os.close):
    is_output = os.path.samestat(os.fstat(number), os.fstat(1))
    really(number)
    if is_output:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
os.close = close
sys.exit(dxf.main.main())
"""
"""Runs dxf as on NFS with a quota: the system says only when the output is closed that it was not stored."""


def run_program(server: ScriptedRegistry, folder: Path, program: str, unbuffered: str, *args: str) -> Ended:
    """Run a program with arguments; its output is a file in a folder."""
    (folder / 'program.py').write_text(program)
    with (folder / 'out').open('wb') as out, fork_server.start(
            args, {**os.environ, **runner(server, unbuffered).environ, 'DXF_PROGRESS': '0'}, stdout=out,
            program=folder / 'program.py') as process:
        return end(process)


@pytest.mark.parametrize('command', ['pull-blob', 'get-manifest', 'get-alias', '--help'])
@UNBUFFERED
def test_output_that_a_file_system_refuses_at_its_close_is_a_failure(server: ScriptedRegistry, tmp_path: Path,
                                                                     command: str, unbuffered: str) -> None:
    operands = [] if command == '--help' else [REPO, *PRINTED[command][0]]
    assert run_program(server, tmp_path, QUOTA, unbuffered, command, *operands) == Ended(1, b'', [
        'dxf: standard output: Disk quota exceeded; free space there, then repeat the command'])


@pytest.mark.parametrize('second', [
    pytest.param(error(404, 'BLOB_UNKNOWN'), id='is missing'),
    pytest.param(Answer(200, {}, b'x' * 5), id='is wrong'),
    pytest.param(Answer(200, {}, b'12', declared=5), id='breaks off'),
    pytest.param(error(500, 'UNKNOWN'), id='cannot be had'),
])
@pytest.mark.parametrize('jobs', ['1', '4'])
@UNBUFFERED
def test_when_the_second_of_several_blobs_fails_the_first_has_left(server: ScriptedRegistry, second: Answer, jobs: str,
                                                                   unbuffered: str) -> None:
    first, wanted = b'first', b'12345'
    digests = [server.memory.put(REPO, first), server.memory.put(REPO, wanted)]
    server.script('GET', f'/v2/{REPO}/blobs/{digests[1]}', [second])
    of = runner(server, unbuffered)
    ended = Runner({**of.environ, 'DXF_JOBS': jobs}).run('pull-blob', REPO, *digests)
    assert ended.status in (1, 2) and len(ended.lines) == 1
    assert ended.out == first


@UNBUFFERED
def test_what_was_printed_before_an_error_has_left(server: ScriptedRegistry, unbuffered: str) -> None:
    _, expected = PRINTED['get-alias']
    server.script('GET', f'/v2/{REPO}/manifests/ill', [error(500, 'UNKNOWN')])
    ended = runner(server, unbuffered).run('get-alias', REPO, 'long', 'ill').insist(1)
    assert ended.out == expected


@UNBUFFERED
def test_an_error_is_told_where_standard_error_does_not_wait(server: ScriptedRegistry, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.write(writing, bytes(PIPE))
    asked = threading.Event()

    def missing(_request: Request) -> Answer:
        asked.set()
        return error(404, 'MANIFEST_UNKNOWN')
    server.script('GET', f'/v2/{REPO}/manifests/missing', [missing])
    with runner(server, unbuffered).fork('get-alias', REPO, 'missing', stderr=writing) as process:
        os.close(writing)
        assert asked.wait(WAITING)
        line = read_all(reading).lstrip(b'\0')
        assert process.wait(WAITING) == 2
    assert line.startswith(b'dxf: ') and line.count(b'\n') == 1


class Recorder:
    """Stands for standard output with what a caller's object has: ``write`` and ``flush``.

    :param most: bytes that it takes at a time; ``None`` to return nothing, and take all
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self.written: list[Any] = []

    def write(self, some: Any) -> int | None:
        """Keep what is written."""
        taken = some if self._most is None else some[:self._most]
        self.written.append(taken if isinstance(taken, str) else bytes(taken).decode())
        return None if self._most is None else len(taken)

    def flush(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize('most', [None, 3, 1000])
def test_any_object_takes_all_that_is_printed(server: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch,
                                              most: int | None) -> None:
    blob = b'twelve bytes'
    digest = server.memory.put(REPO, blob)
    environ = server.environ()
    for args, expected in ((['pull-blob', REPO, digest], blob.decode()), (['blob-size', REPO, digest], '12\n')):
        recorder = Recorder(most)
        with monkeypatch.context() as patched:
            patched.setattr(sys, 'stdout', recorder)
            assert doit(args, environ) == 0
        assert ''.join(recorder.written) == expected


class Raw(io.RawIOBase):
    """A raw stream that takes a few bytes, or none.

    :param counts: what its calls of ``write`` return; at the end they take all
    """

    def __init__(self, *counts: int | None) -> None:
        super().__init__()
        self._counts = list(counts)
        self.content = b''
        self._reading, self._writing = os.pipe()  # always ready

    def fileno(self) -> int:
        return self._writing

    def write(self, some: Any, /) -> int | None:
        count = self._counts.pop(0) if self._counts else len(some)
        self.content += bytes(some[:count or 0])
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._reading)
            os.close(self._writing)
        super().close()


@pytest.mark.parametrize('counts', [(), (1,), (None, 3, None, None, 2), (9,), (0, 1)])
def test_a_raw_stream_is_written_until_it_has_taken_all(counts: tuple[int | None, ...]) -> None:
    with Raw(*counts) as raw:
        assert sinks.write_all(raw, b'0123456789') == 10
        assert raw.content == b'0123456789'


def test_an_object_that_takes_nothing_is_an_error() -> None:
    class Full:
        """Takes nothing."""

        def write(self, some: bytes) -> int:
            """Take nothing."""
            return len(some) * 0
    with pytest.raises(OSError, match='takes nothing'):
        sinks.write_all(Full(), b'x')


def test_nothing_is_written_in_no_call() -> None:
    assert sinks.write_all(None, b'') == 0
