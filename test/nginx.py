"""A real proxy: Debian's nginx in front of several registries, started for a test and gone after it.

Owns its configuration, its port and its process. The registries behind it are started by others.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from .programs import dying_with_parent, program

READY_SECONDS = 10.0
POLL_SECONDS = 0.01
TEMPORARY = ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')

CONFIGURATION = """
daemon off;
master_process off;  # one process: who kills it has killed nginx
pid {directory}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 512; }}
http {{
    access_log off;
    {temporary}
    upstream registries {{
        {upstreams}
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size {largest_body};
        location / {{
            proxy_pass http://registries;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_request_buffering {buffering};
            proxy_max_temp_file_size 0;  # what is read of an upstream has a client that takes it
        }}
    }}
}}
"""


class Nginx:
    """An nginx process on a free port of 127.0.0.1, as a context manager.

    Requests go to the registries in turn. As nginx does by default, one that could not be handed to a registry goes
    to the next; after a failure a registry is left alone for a while.

    :param directory: where it keeps its configuration, its log (``log``) and its temporary files
    :param upstreams: ``localhost:PORT`` of each registry
    :param largest_body: bytes of the largest request body, with nginx's suffixes; a larger one is answered 413;
        ``0`` for any
    :param buffering: read the whole of a request before a registry gets any of it
    """

    def __init__(self, directory: Path, upstreams: Sequence[str], *, largest_body: str = '0',
                 buffering: bool = False) -> None:
        self.directory = directory
        self.log = directory / 'nginx.log'
        self.host = ''
        self._upstreams = upstreams
        self._largest_body = largest_body
        self._buffering = buffering
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Nginx:
        with socket.socket() as reserved:
            # Bound but not listening, it is ours until nginx, which sets SO_REUSEADDR too, takes it.
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(('127.0.0.1', 0))
            port: int = reserved.getsockname()[1]
            with self.log.open('wb') as log:
                self._process = subprocess.Popen(self._command(port), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            if not self._wait(port):
                self.stop()
                raise RuntimeError(f'nginx did not start: {self.log.read_text("utf-8", "replace")}')
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

    def _command(self, port: int) -> list[str]:
        configuration = self.directory / 'nginx.conf'
        configuration.write_text(CONFIGURATION.format(
            directory=self.directory, port=port, largest_body=self._largest_body,
            buffering='on' if self._buffering else 'off',
            temporary='\n    '.join(f'{name}_temp_path {self.directory}/{name};' for name in TEMPORARY),
            upstreams='\n        '.join(
                f'server {upstream.replace("localhost", "127.0.0.1")} fail_timeout=1s;' for upstream in self._upstreams)
        ), encoding='utf-8')
        return [*dying_with_parent(), program('nginx'), '-p', str(self.directory), '-e', 'stderr',
                '-c', str(configuration)]
