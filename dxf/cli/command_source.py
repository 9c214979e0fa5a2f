"""Sources that are the output of a command: stored only if the command ends with status 0.

A pipe of the shell cannot tell: its end looks the same whether the command before it succeeded or failed. So
``tar c typo | dxf push-blob ...`` stores an empty archive. Here dxf starts the command, and knows.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from dxf import forking
from dxf.exceptions import DXFSourceError

GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL, for a command whose output is no longer wanted."""


class CommandSource:
    """The output of a command, which can be read like a file: ``push_blob(data=source)``.

    The read that finds the end of the output waits for the end of the command, and raises if that failed. So an upload
    breaks off before it is complete, and nothing is stored. Leaving the ``with`` statement ends a command that still
    runs. Standard input and standard error of the command are those of this process::

        with CommandSource(['tar', 'c', 'photos']) as source:
            digest = dxf.push_blob(data=source)

    :param command: the program and its arguments; no shell is involved
    :param environ: the environment of the command, by default that of this process
    :raises OSError: the command cannot be started
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        self._name = command[0]
        self._owner = forking.Process.generation
        self._ending = ExitStack()
        self._process = self._ending.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, bufsize=0))

    def __enter__(self) -> 'CommandSource':
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def read(self, size: int = -1) -> bytes:
        """Return some of the output, ``size`` bytes at most; all that is left for -1, and nothing at its end.

        :raises DXFSourceError: the output has ended, and the command failed, or its status cannot be known
        """
        stream: Any = self._process.stdout
        content = bytes(stream.read(size))
        if size < 0 or size and not content:
            self._check_status()
        return content

    def _check_status(self) -> None:
        if self._process.returncode is None:
            try:  # not by Popen.wait(), which returns 0 where the status is lost
                status = os.waitpid(self._process.pid, 0)[1]
            except ChildProcessError:
                raise DXFSourceError(f'the status of {self._name} is lost, as SIGCHLD is ignored or another part of '
                                     'the process waited for it: nothing was stored') from None
            self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise DXFSourceError(f'{self._name} {_ending(self._process.returncode)}: nothing was stored')

    def close(self) -> None:
        """End the command if it still runs: by SIGTERM, and after a second by SIGKILL."""
        stream: Any = self._process.stdout
        stream.close()
        if self._owner != forking.Process.generation:
            return
        with self._ending:
            if self._process.poll() is None:
                self._process.terminate()
                try:
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(GRACE)
                finally:
                    self._process.kill()


def _ending(status: int) -> str:
    if status > 0:
        return f'ended with status {status}'
    try:
        return f'was ended by {signal.Signals(-status).name}'
    except ValueError:  # a real-time signal
        return f'was ended by signal {-status}'
