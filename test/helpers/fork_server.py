"""A server that starts dxf by a fork: its interpreter has imported dxf once, which takes ten times what a command does.

Each command is a process of its own, with arguments, environment, working directory and standard streams of its own.
It cannot be given what an interpreter reads at its start (``PYTHONUTF8``, the locale): see :func:`can_run`. Of that,
``PYTHONUNBUFFERED`` alone can be made up for. A program in Python that imports dxf starts as quickly here.
The server waits for requests and for the ends of commands alone: a command reads its request itself.
Shells find it by an address: see :func:`write_program`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import marshal
import os
import pkgutil
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

AT_START = ('PYTHON', 'LC_', 'LANG', 'LD_', 'COVERAGE_', 'TZ')
"""How the names of variables begin that count when an interpreter starts, and not later."""

UNBUFFERED = 'PYTHONUNBUFFERED'

STREAMS = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
"""The standard streams, and what they are by default."""

Stream = int | IO[bytes]


# In the process that runs the tests

def can_run(environ: Mapping[str, str], options: Mapping[str, Any]) -> bool:
    """Return whether a command with this environment and these options does as in an interpreter of its own."""
    return options.keys() <= {*STREAMS, 'cwd', 'umask'} and options.get('stdin') != subprocess.PIPE \
        and _at_start(environ) == _at_start(os.environ)


class Forked:
    """A command that is running: the part of ``subprocess.Popen`` that tests need. Killed where its context ends first.

    :param request: what the server is told
    :param streams: standard input, output and error
    """

    def __init__(self, request: dict[str, Any], *streams: Stream) -> None:
        self.args = request['args']
        self.returncode: int | None = None
        self._pipes: list[IO[bytes] | None] = []
        self._connection, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as passed:
            given = [_passed(stream, passed, self._pipes) for stream in streams]
            socket.send_fds(_server().control, [b'.'], [theirs.fileno(), *given])
        self._connection.sendall(marshal.dumps(request))
        self._connection.shutdown(socket.SHUT_WR)
        self._answers = self._connection.makefile('rb')
        self.pid = int(self._answers.readline())
        self.stdout, self.stderr = self._pipes[1], self._pipes[2]

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.kill()
        self._connection.settimeout(None)
        while self._connection.recv(100):  # until it is gone
            pass
        for opened in (*self._pipes, self._answers, self._connection):
            if opened is not None:
                opened.close()

    def communicate(self, timeout: float) -> tuple[bytes | None, bytes | None]:
        """Read what comes out of its pipes, and wait for its end.

        :raises subprocess.TimeoutExpired: it takes too long
        """
        deadline = time.monotonic() + timeout
        _, out, err = _read(self._pipes, timeout)
        self.wait(max(deadline - time.monotonic(), 0.01))
        return out, err

    def wait(self, timeout: float) -> int:
        """Wait for its end; return its status.

        :raises subprocess.TimeoutExpired: it takes too long
        """
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._answers.readline())
            except TimeoutError:
                raise subprocess.TimeoutExpired('dxf', timeout) from None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None and not select.select([self._connection], [], [], 0)[0]:
            with contextlib.suppress(ProcessLookupError):  # its end is not told yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)


def start(args: Sequence[str | bytes | Path], environ: Mapping[str, str], *, program: Path | None = None,
          cwd: Path | str = '.', umask: int = -1, **streams: Stream) -> Forked:
    """Start dxf, as ``subprocess.Popen`` does.

    :param program: a program in Python that is run in place of dxf; its interpreter ends as always
    """
    script = [] if program is None else [program]
    request = {'program': 'python' if script else 'dxf', 'args': list(map(os.fsdecode, [*script, *args])),
               'environ': dict(environ), 'cwd': os.path.abspath(cwd), 'umask': umask}
    return Forked(request, *{**STREAMS, **streams}.values())


def run(args: Sequence[str | bytes | Path], environ: Mapping[str, str], timeout: float, **options: Any
        ) -> subprocess.CompletedProcess[bytes]:
    """Run dxf to its end, as ``subprocess.run`` does.

    :param options: those of :func:`start`
    :raises subprocess.TimeoutExpired: it took too long, and was killed
    """
    with start(args, environ, **options) as process:
        out, err = process.communicate(timeout)
    return subprocess.CompletedProcess(args, process.wait(0), out, err)


def write_program(path: Path, program: str = 'dxf') -> Path:
    """Write a ``dxf`` for shells, each run of which is forked too; its process is no member of the shell's job.

    :param program: ``python`` for an interpreter that runs scripts, and has imported dxf
    """
    client = Path(__file__).with_name('shell_client.py')
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{client}" "{_server().address}" {program} "$@"\n')
    path.chmod(0o755)
    return path


class _Server(NamedTuple):
    """A running server: the socket that takes requests of this process, and the address that takes those of others."""

    control: socket.socket
    address: str


@cache
def _server() -> _Server:
    """Start the server of this process at its first command."""
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    running = contextlib.ExitStack()
    address = os.path.join(running.enter_context(tempfile.TemporaryDirectory(prefix='dxf-')), 'server')
    with theirs, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(16)
        fds = theirs.fileno(), listener.fileno()
        running.enter_context(subprocess.Popen(
            [sys.executable, '-m', __name__, *map(str, fds)], pass_fds=fds,
            cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
    running.enter_context(control)  # is closed first: the server then ends
    atexit.register(running.close)
    return _Server(control, address)


def _at_start(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(AT_START) and name != UNBUFFERED}


def _passed(stream: Stream, passed: contextlib.ExitStack, pipes: list[IO[bytes] | None]) -> int:
    """Return the descriptor to pass for a stream; add what reads it, where it is a pipe, to the pipes."""
    if stream == subprocess.PIPE:
        reader, writer = os.pipe()
        passed.callback(os.close, writer)
        pipes.append(os.fdopen(reader, 'rb'))
        return writer
    pipes.append(None)
    if stream == subprocess.DEVNULL:
        return passed.enter_context(open(os.devnull, 'r+b', buffering=0)).fileno()
    return stream if isinstance(stream, int) else stream.fileno()


def _read(pipes: list[IO[bytes] | None], timeout: float) -> list[bytes | None]:
    """Read pipes to their ends."""
    deadline = time.monotonic() + timeout
    read = [None if pipe is None else b'' for pipe in pipes]
    with selectors.DefaultSelector() as selector:
        for number, pipe in enumerate(pipes):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, number)
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if not ready:
                raise subprocess.TimeoutExpired('dxf', timeout)
            for key, _ in ready:
                piece = os.read(key.fd, 1 << 20)
                read[key.data] += piece
                if not piece:
                    selector.unregister(key.fileobj)
    return read


# In the server

def serve(control: socket.socket, listener: socket.socket) -> str:
    """Fork for each request, until the tests end.

    :return: in the process of a command, with all set for it, the name of its program; nothing in the server
    """
    gc.freeze()
    running: dict[int, int] = {}
    ended, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            ready = select.select([control.fileno(), listener.fileno(), ended], [], [])[0]
            if ended in ready:
                os.read(ended, 1000)
                _tell_ends(running)
            if control.fileno() in ready or listener.fileno() in ready:
                fds = _next_request(control if control.fileno() in ready else None, listener)
                if not fds:
                    break
                pid = os.fork()
                if pid == 0:
                    control.close()
                    listener.close()
                    return _start(fds)
                running[pid] = _tell_start(pid, fds)
    return ''


def _next_request(control: socket.socket | None, listener: socket.socket) -> list[int]:
    """Return the descriptors of the next request: its connection and its standard streams; none at the end."""
    if control is not None:
        return socket.recv_fds(control, 1, 4)[1]
    connection, _ = listener.accept()
    streams = socket.recv_fds(connection, 1, 3)[1]
    return [connection.detach(), *streams]


def _start(fds: list[int]) -> str:
    """Read what to run, in the process of a command, and get all set for it; return the name of the program."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with open(fds[0], 'rb') as connection:
        request = marshal.loads(connection.read())
    for fd, stream in enumerate(fds[1:]):
        os.dup2(stream, fd)
    os.closerange(3, os.sysconf('SC_OPEN_MAX'))  # those of other commands, too
    _become(request)
    return str(request['program'])


def _tell_start(pid: int, fds: list[int]) -> int:
    """Tell the client of a command its process identifier; return the connection, which is all that stays open."""
    for stream in fds[1:]:
        os.close(stream)
    _tell(fds[0], pid)
    return fds[0]


def _tell_ends(running: dict[int, int]) -> None:
    """Tell the clients of commands that have ended how these have ended.

    :param running: the connection of each command, by its process identifier; those that have ended are removed
    """
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            connection = running.pop(pid)
            while os.read(connection, 1 << 16):  # one that was killed early has left its request there
                pass
            _tell(connection, os.waitstatus_to_exitcode(status))
            os.close(connection)


def _tell(connection: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the client has ended before its command
        os.write(connection, b'%d\n' % number)


def _become(request: dict[str, Any]) -> None:
    """Take over what belongs to a command, with standard streams as an interpreter opens them at its start."""
    os.chdir(request['cwd'])
    if request.get('umask', -1) >= 0:
        os.umask(request['umask'])
    os.environ.clear()
    os.environ.update(request['environ'])
    sys.argv = [request['program'], *request['args']]
    for name, mode, fd in (('stdin', 'r', 0), ('stdout', 'w', 1), ('stderr', 'w', 2)):
        old = getattr(sys, name)
        raw = io.FileIO(fd, mode, closefd=False)
        is_unbuffered = mode == 'w' and bool(os.environ.get(UNBUFFERED))
        buffer = io.BufferedReader(raw) if mode == 'r' else raw if is_unbuffered else io.BufferedWriter(raw)
        new = io.TextIOWrapper(buffer, old.encoding, old.errors, '\n', line_buffering=fd == 2 or raw.isatty(),
                               write_through=is_unbuffered)
        setattr(sys, name, new)
        setattr(sys, f'__{name}__', new)


def _main() -> int:
    dxf_main = importlib.import_module('dxf.main')
    for module in pkgutil.walk_packages(importlib.import_module('dxf').__path__, 'dxf.'):
        if module.name != 'dxf.__main__':
            importlib.import_module(module.name)
    with socket.socket(fileno=int(sys.argv[1])) as control, socket.socket(fileno=int(sys.argv[2])) as listener:
        program = serve(control, listener)
    if program == 'dxf':
        _leave(int(dxf_main.main()))
    elif program:
        _run_script()
    return 0


def _run_script() -> None:
    """Do as an interpreter with these arguments: run a script, or the code after ``-c``. An ``-I`` changes nothing."""
    sys.argv = [argument for argument in sys.argv[1:3] if argument != '-I'] + sys.argv[3:]
    if sys.argv[0] != '-c':
        runpy.run_path(sys.argv[0], run_name='__main__')
        return
    with tempfile.NamedTemporaryFile('w', suffix='.py', encoding='utf-8') as script:
        script.write(f'import sys; sys.argv[0] = "-c"\n{sys.argv.pop(1)}')
        script.flush()
        runpy.run_path(script.name, run_name='__main__')


def _leave(status: int) -> None:
    """End a command as an interpreter ends, without freeing its memory: that costs five times what the command does.

    Where its output cannot be written the interpreter ends as always: it says so itself.
    """
    getattr(threading, '_shutdown')()  # waits for threads, as at the end of an interpreter
    getattr(atexit, '_run_exitfuncs')()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == '__main__':
    sys.exit(_main())
