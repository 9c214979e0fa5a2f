"""Processes of dxf that a test starts, kills and starts again, and what they leave behind."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import fork_server

SECONDS = 100
DXF = [sys.executable, '-m', 'dxf']


@dataclass(frozen=True)
class Ended:
    """How a process ended; ``lines`` is what it wrote to stderr, ``out`` to stdout."""

    status: int
    out: bytes
    lines: list[str]

    def insist(self, *statuses: int) -> Ended:
        """Insist on one of these statuses, and on one line of an error, or on none with the status 0."""
        assert self.status in statuses, (self.status, self.lines)
        if self.status == 0:
            assert not self.lines, self.lines
        else:
            assert len(self.lines) == 1, self.lines
            assert self.lines[0].startswith('dxf: ') and self.lines[0].isprintable(), self.lines
        return self


@dataclass(frozen=True)
class Runner:
    """Starts dxf with some variables on top of the environment.

    :param prefix: the command that runs it, if any
    """

    environ: dict[str, str]
    prefix: tuple[str, ...] = ()

    @contextlib.contextmanager
    def start(self, *args: str | bytes | Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command; one that still runs at the end is killed."""
        options = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **options}
        with subprocess.Popen([*self.prefix, *DXF, *args], env=self._environ(), **options) as process:
            try:
                yield process
            finally:
                process.kill()

    def fork(self, *args: str | bytes | Path, **options: Any) -> fork_server.Forked:
        """Start a command in a tenth of the time that an interpreter of its own takes; it is a context manager, too."""
        assert not self.prefix and fork_server.can_run(self._environ(), options)
        return fork_server.start(args, self._environ(), **options)

    def run(self, *args: str | bytes | Path, **options: Any) -> Ended:
        """Run a command to its end."""
        if not self.prefix:
            return _ended(run(args, self._environ(), **options))
        with self.start(*args, **options) as process:
            return end(process)

    def _environ(self) -> dict[str, str]:
        return {**os.environ, 'DXF_RETRIES': '0', 'DXF_PROGRESS': '0', **self.environ}

    def run_until(self, when: Callable[[Callable[[], None]], object], *args: str | bytes | Path,
                  number: signal.Signals = signal.SIGKILL) -> None:
        """Run a command, and send it a signal in the middle, of which it must die.

        :param when: is handed what sends the signal
        """
        with self.fork(*args) as process:
            when(lambda: process.send_signal(number))
            ended = end(process)
        assert ended.status == -number, ended
        assert not ended.lines, ended


def run(args: Sequence[str | bytes | Path], environ: dict[str, str], **options: Any
        ) -> subprocess.CompletedProcess[bytes]:
    """Run dxf to its end in a process of its own, as ``subprocess.run`` does; its output is captured by default.

    Its interpreter starts anew only where that matters: that costs ten times what most commands do.
    """
    if fork_server.can_run(environ, {name: value for name, value in options.items() if name != 'input'}):
        with piped(options.pop('input', None)) as stdin:
            return fork_server.run(args, environ, SECONDS, **{**options, **stdin})
    if 'input' not in options:
        options = {'stdin': subprocess.DEVNULL, **options}
    return subprocess.run([*DXF, *args], env=environ, timeout=SECONDS, check=False,
                          **{'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **options})


@contextlib.contextmanager
def piped(content: bytes | None) -> Iterator[dict[str, int]]:
    """Provide a pipe that content comes out of, as an option for standard input; no option where there is none."""
    if content is None:
        yield {}
        return
    reading, writing = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), open(writing, 'wb') as file:
            file.write(content)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield {'stdin': reading}
    finally:
        os.close(reading)
        writer.join()


def end(process: subprocess.Popen[bytes] | fork_server.Forked) -> Ended:
    """Wait for the end of a process."""
    out, problems = process.communicate(timeout=SECONDS)
    return _ended(subprocess.CompletedProcess(process.args, process.wait(SECONDS), out, problems))


def _ended(done: subprocess.CompletedProcess[bytes]) -> Ended:
    return Ended(done.returncode, done.stdout or b'', (done.stderr or b'').decode().splitlines())


def digest_of(path: Path) -> str:
    """Return the digest of a file."""
    sha256 = hashlib.sha256()
    with path.open('rb') as file:
        while piece := file.read(1 << 20):
            sha256.update(piece)
    return 'sha256:' + sha256.hexdigest()


def files(folder: Path) -> list[Path]:
    """Return all files below a folder, if there is one."""
    return sorted(path for path in folder.rglob('*') if not path.is_dir())
