"""A real proxy: Debian's nginx in front of several registries, started for a test and gone after it.

Owns its configuration. The registries behind it are started by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..helpers.programs import program
from .certificates import Certificates
from .daemon import Daemon

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
        listen 127.0.0.1:{port}{tls};
        client_max_body_size {largest_body};
        location / {{
            proxy_pass http://registries;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Client-Certificate $ssl_client_verify;
            proxy_request_buffering {buffering};
            proxy_max_temp_file_size 0;  # what is read of an upstream has a client that takes it
        }}
    }}
}}
"""

TLS = """ ssl;
        ssl_certificate {tls.certificate};
        ssl_certificate_key {tls.key};
        ssl_client_certificate {tls.ca};
        ssl_verify_client on"""


class Nginx(Daemon):
    """An nginx process on a free port of 127.0.0.1, as a context manager.

    Requests go to the registries in turn. As nginx does by default, one that could not be handed to a registry goes
    to the next; after a failure a registry is left alone for a while.

    :param directory: where it keeps its configuration, its log (``log``) and its temporary files
    :param upstreams: ``localhost:PORT`` of each registry
    :param largest_body: bytes of the largest request body, with nginx's suffixes; a larger one is answered 413;
        ``0`` for any
    :param tls: speak https with this certificate, and demand a client certificate of the same authority
    :param buffering: read the whole of a request before a registry gets any of it
    """

    def __init__(self, directory: Path, upstreams: Sequence[str], *, largest_body: str = '0',
                 buffering: bool = False, tls: Certificates | None = None) -> None:
        super().__init__(directory / 'nginx.log')
        self.directory = directory
        self._upstreams = upstreams
        self._largest_body = largest_body
        self._buffering = buffering
        self._tls = tls

    def command(self, port: int) -> list[str]:
        """Return the command that runs it."""
        configuration = self.directory / 'nginx.conf'
        configuration.write_text(CONFIGURATION.format(
            directory=self.directory, port=port, largest_body=self._largest_body,
            tls='' if self._tls is None else TLS.format(tls=self._tls),
            buffering='on' if self._buffering else 'off',
            temporary='\n    '.join(f'{name}_temp_path {self.directory}/{name};' for name in TEMPORARY),
            upstreams='\n        '.join(
                f'server {upstream.replace("localhost", "127.0.0.1")} fail_timeout=1s;' for upstream in self._upstreams)
        ), encoding='utf-8')
        return [program('nginx'), '-p', str(self.directory), '-e', 'stderr',
                '-c', str(configuration)]
