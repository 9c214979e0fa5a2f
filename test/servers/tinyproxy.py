"""A real HTTP proxy: Debian's tinyproxy, started for a test and gone after it.

Owns its configuration. What a client sends it is the matter of a ``CountingProxy`` before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..helpers.programs import program
from .daemon import Daemon


class Tinyproxy(Daemon):
    """A tinyproxy process on a free port of 127.0.0.1, as a context manager.

    :param directory: where it keeps its configuration and its log (``log``)
    :param user: name and password that it wants, of lower-case letters, digits and ``._-``
    :param ports: those to which alone it makes tunnels; any by default
    """

    def __init__(self, directory: Path, *, user: tuple[str, str] | None = None, ports: Sequence[int] = ()) -> None:
        super().__init__(directory / 'tinyproxy.log')
        self._configuration = directory / 'tinyproxy.conf'
        self._lines = ['Listen 127.0.0.1', 'MaxClients 100', 'LogLevel Connect',
                       *(f'ConnectPort {port}' for port in ports), *([f'BasicAuth {" ".join(user)}'] if user else [])]

    def command(self, port: int) -> list[str]:
        """Return the command that runs it; without a LogFile it writes to its standard output."""
        self._configuration.write_text('\n'.join([f'Port {port}', *self._lines, '']), encoding='utf-8')
        return [program('tinyproxy'), '-d', '-c', str(self._configuration)]

    @property
    def url(self) -> str:
        """Its address, without user name and password."""
        return f'http://{self.host}'

    def requests(self) -> list[str]:
        """Return what it was asked for: ``CONNECT host:port``, or the method and the whole URL."""
        return re.findall(r'Request \(file descriptor \d+\): (\S+ \S+)', self.log.read_text('utf-8'))
