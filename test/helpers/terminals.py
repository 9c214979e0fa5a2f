"""Terminals: runs a command on a real pseudo-terminal, and tells what stands on its screen afterwards."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from . import fork_server
from .processes import DXF

PROGRAM = tuple(DXF)
COLUMNS = 100
SECONDS = 120
OnOutput = Callable[[subprocess.Popen[bytes], str], None]
_CONTROL = re.compile(r'\x1b\[([0-9]*)([A-Za-z])|(.)', re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """What a command wrote to a terminal, and to a pipe in place of standard output; and its exit status."""

    status: int
    written: str
    out: bytes

    @property
    def screen(self) -> list[str]:
        """The lines that stand on the terminal, without blanks at their end; the last one if it is not empty."""
        return screen_of(self.written)


def on_terminal(environ: dict[str, str], *args: str, stdin: int = subprocess.DEVNULL, stdout: bool = True,
                columns: int = COLUMNS, on_output: OnOutput | None = None,
                program: Sequence[str] = PROGRAM) -> Shown:
    """Run a command with standard error on a terminal; its interpreter starts anew only where that may matter.

    :param stdout: whether standard output is on the same terminal; else it is a pipe
    :param columns: of the terminal; 0 if it does not know its size
    :param on_output: called with the process and all that the terminal has shown, whenever there is more
    :param program: the beginning of the command: dxf
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24 if columns else 0, columns, 0, 0))
    streams: dict[str, Any] = {'stdin': stdin, 'stdout': slave if stdout else subprocess.PIPE, 'stderr': slave}
    given = {**os.environ, **environ}
    try:
        if on_output is None and program == PROGRAM and fork_server.can_run(given, streams):
            return _forked(master, slave, given, args, streams)
        with subprocess.Popen([*program, *args], env=given, **streams) as process:
            os.close(slave)

            def show(written: bytes) -> None:
                if on_output is not None:
                    on_output(process, written.decode('utf-8', 'replace'))
            try:
                out = b'' if stdout else process.communicate(timeout=SECONDS)[0]
                written = _read(master, show)
                process.wait(SECONDS)
            finally:
                process.kill()
        return Shown(process.returncode, written, out)
    finally:
        os.close(master)


def _forked(master: int, slave: int, environ: dict[str, str], args: tuple[str, ...], streams: dict[str, Any]) -> Shown:
    """Run dxf by the fork server, while a thread reads what comes to the terminal."""
    with ThreadPoolExecutor(1) as reading:
        written = reading.submit(_read, master, bool)
        try:
            done = fork_server.run(args, environ, SECONDS, **streams)
        finally:
            os.close(slave)  # ends the reading
        return Shown(done.returncode, written.result(), done.stdout or b'')


def _read(master: int, on_output: Callable[[bytes], object]) -> str:
    """Return all that is written to a terminal, until no process has it open any more."""
    shown = b''
    while True:
        assert select.select([master], [], [], SECONDS)[0], 'nothing more is written, and the command goes on'
        try:
            piece = os.read(master, 65536)
        except OSError:  # EIO, by which Linux says so
            piece = b''
        if not piece:
            return shown.decode('utf-8', 'replace')
        shown += piece
        on_output(shown)


class _Screen:
    """The lines of a terminal without a lower end."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = [[]]
        self.row = self.column = 0

    def obey(self, count: int, command: str) -> None:
        """Carry out an escape sequence.

        :raises AssertionError: it is not one of those that are known here
        """
        if command == 'A':
            self.row = max(0, self.row - count)
        elif command in 'KJ':
            del self.lines[self.row][self.column:]
            if command == 'J':
                del self.lines[self.row + 1:]
        else:
            raise AssertionError(f'an unknown escape sequence: {count}{command}')

    def put(self, character: str) -> None:
        """Show a character, or move the cursor."""
        if character == '\r':
            self.column = 0
        elif character == '\n':
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append([])
        else:
            line = self.lines[self.row]
            line += ' ' * (self.column + 1 - len(line))
            line[self.column] = character
            self.column += 1


def screen_of(written: str) -> list[str]:
    """Return the lines that stand on a terminal after this was written to it."""
    screen = _Screen()
    for found in _CONTROL.finditer(written):
        if found[3] is None:
            screen.obey(int(found[1] or (0 if found[2] in 'KJ' else 1)), found[2])
        else:
            screen.put(found[3])
    lines = [''.join(line).rstrip() for line in screen.lines]
    return lines if lines[-1] else lines[:-1]
