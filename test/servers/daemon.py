"""A daemon: a server program of the system, on a free port of 127.0.0.1 for a test, and gone after it.

Owns the port and the process; what is run, and with which configuration, is the matter of its subclasses.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from ..helpers.programs import dying_with_parent

READY_SECONDS = 60.0
POLL_SECONDS = 0.01

Own = TypeVar('Own', bound='Daemon')


@contextlib.contextmanager
def reserved_port(wanted: int = 0) -> Iterator[int]:
    """Reserve a port of 127.0.0.1 until the daemon that is started meanwhile listens there.

    :param wanted: this one; 0 for any that is free
    """
    with socket.socket() as reserved:
        # Bound but not listening, it is ours until the daemon, which sets SO_REUSEADDR too, takes it.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(('127.0.0.1', wanted))
        yield reserved.getsockname()[1]


class Daemon:
    """A process that listens, as a context manager; ``host`` is ``localhost:PORT`` then.

    :param log: file for what it says
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        self.host = ''
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, port: int) -> list[str]:
        """Return the command that runs it in the foreground, in one process: who kills that has killed it."""
        raise NotImplementedError

    def __enter__(self: Own) -> Own:
        with reserved_port() as port:
            with self.log.open('wb') as log:
                self._process = subprocess.Popen([*dying_with_parent(), *self.command(port)],
                                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if not self._wait(port):
                self.stop()
                raise RuntimeError(f'it did not start: {self.log.read_text("utf-8", "replace")}')
        self.host = f'localhost:{port}'
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill the process and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _wait(self, port: int) -> bool:
        """Wait until it listens, which it does only when it has read its configuration."""
        deadline = time.monotonic() + READY_SECONDS
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), READY_SECONDS):
                return True
            time.sleep(POLL_SECONDS)
        return False
