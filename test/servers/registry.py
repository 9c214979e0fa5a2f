"""A real registry: Debian's docker-registry 2.8.2, started for a test and gone after it.

Owns the configuration file, the free port and the process. The token server that a registry may trust is in
``token_server``; what a client has to know about a running registry is in ``helpers.endpoints``.
"""

import contextlib
import http.client
import json
import os
import secrets
import ssl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import bcrypt

from ..helpers.programs import dying_with_parent, program
from .certificates import Certificates
from .daemon import reserved_port
from .token_server import TokenServer

ATTEMPTS = 3
READY_SECONDS = 60.0
POLL_SECONDS = 0.01


class Registry:
    """A docker-registry process on a free port of 127.0.0.1, as a context manager.

    :param directory: where it keeps its configuration, its log (``log``) and its data (``storage``).
    :param tls: speak https with this certificate.
    :param clients: whose client certificates it demands.
    :param users: user name to password: Basic authentication.
    :param tokens: Bearer authentication with tokens from this server, which must be running.
    :param schema1: accept schema 1 manifests too.
    :param storage: where it keeps its data, in place of a folder of its own: several registries may share one.
    :param deletes: allow deletions.
    :param read_only: take no uploads.
    :param secret: signs the state of an upload that it hands out; those that share a storage need the same one.
    :param binary: the path of another version of the program.

    One that was stopped may be entered again: it then serves what it has on the port that it had.
    """

    def __init__(self, directory: Path, *, tls: Certificates | None = None, clients: Certificates | None = None,
                 users: Mapping[str, str] | None = None, tokens: TokenServer | None = None,
                 schema1: bool = False, storage: Path | None = None, secret: str | None = None,
                 deletes: bool = True, read_only: bool = False, binary: str | None = None) -> None:
        self.directory = directory
        self.storage = storage if storage is not None else directory / 'storage'
        self.log = directory / 'registry.log'
        self.insecure = tls is None
        self.host = ''
        self._tls = tls
        self._clients = clients
        self._users = users
        self._tokens = tokens
        self._schema1 = schema1
        self._deletes = deletes
        self._read_only = read_only
        self._binary = binary
        self._secret = secret if secret is not None else secrets.token_hex(16)
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._resources = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """The address of the registry, without a slash at its end."""
        return f'{"http" if self.insecure else "https"}://{self.host}'

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> 'Registry':
        for _ in range(ATTEMPTS):
            if self._start():
                return self
        raise RuntimeError(f'docker-registry did not start: {self.log.read_text("utf-8", "replace")}')

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill the process and wait until it is gone; nothing happens if it is gone already."""
        if self._process is not None:
            self._process.kill()
            self._resources.close()

    def _start(self) -> bool:
        """Start the process; tell whether it serves. A False is worth another attempt, on another port."""
        with reserved_port(self._port) as port:
            with self.log.open('wb') as log:
                self._process = self._resources.enter_context(subprocess.Popen(
                    self._command(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env=_environment()))
            self.host = f'localhost:{port}'
            try:
                ready = self._wait()
            except BaseException:
                self.stop()
                raise
        if ready:
            self._port = port
        else:
            self.stop()
        return ready

    def _wait(self) -> bool:
        """Wait for an answer: a connection alone says little, it listens before it has read its key."""
        deadline = time.monotonic() + READY_SECONDS
        while self.running and time.monotonic() < deadline:
            with contextlib.closing(self._connection()) as connection:
                try:
                    connection.request('GET', '/')
                    return connection.getresponse().status == http.HTTPStatus.OK
                except (OSError, http.client.HTTPException):
                    time.sleep(POLL_SECONDS)
        return False

    def _connection(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self.host, timeout=READY_SECONDS)
        context = ssl.create_default_context(cafile=self._tls.ca)
        if self._clients is not None:
            context.load_cert_chain(self._clients.client, self._clients.client_key)
        return http.client.HTTPSConnection(self.host, timeout=READY_SECONDS, context=context)

    def _command(self, port: int) -> list[str]:
        configuration = self.directory / 'config.yml'
        # JSON is YAML.
        configuration.write_text(json.dumps(self._configuration(port), indent=1), encoding='utf-8')
        return [*dying_with_parent(), self._binary or program('docker-registry'), 'serve', str(configuration)]

    def _configuration(self, port: int) -> dict[str, Any]:
        server: dict[str, Any] = {'addr': f'127.0.0.1:{port}', 'secret': self._secret}
        if self._tls is not None:
            server['tls'] = {'certificate': self._tls.certificate, 'key': self._tls.key,
                             **({} if self._clients is None else {'clientcas': [self._clients.ca]})}
        configuration: dict[str, Any] = {
            'version': 0.1,
            'log': {'level': 'error', 'accesslog': {'disabled': True}},
            'storage': {'filesystem': {'rootdirectory': str(self.storage)}, 'delete': {'enabled': self._deletes},
                        'maintenance': {'uploadpurging': {'enabled': False},
                                        'readonly': {'enabled': self._read_only}}},
            'http': server,
            'compatibility': {'schema1': {'enabled': self._schema1}},
        }
        if self._users is not None:
            htpasswd = self._write_htpasswd(self._users)
            configuration['auth'] = {'htpasswd': {'realm': 'registry', 'path': htpasswd}}
        if self._tokens is not None:
            configuration['auth'] = {'token': {'realm': self._tokens.realm, 'service': self._tokens.service,
                                               'issuer': self._tokens.issuer,
                                               'rootcertbundle': self._tokens.rootcertbundle}}
        return configuration

    def _write_htpasswd(self, users: Mapping[str, str]) -> str:
        path = self.directory / 'htpasswd'
        # The least cost that bcrypt allows: the registry pays it at every request.
        lines = [f'{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n'
                 for name, password in users.items()]
        path.write_text(''.join(lines), encoding='utf-8')
        return str(path)


def _environment() -> dict[str, str]:
    """The process's environment without REGISTRY_*, which would override the configuration file.

    With more memory it collects garbage less often: a quarter of its CPU time goes there by default.
    """
    return {**{name: value for name, value in os.environ.items() if not name.startswith('REGISTRY_')}, 'GOGC': '1000'}
