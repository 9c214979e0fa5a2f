"""An endpoint: what a client has to know about one running registry in order to use it.

Says it in both of dxf's languages, Python objects and DXF_* variables. Starts nothing: conftest does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..servers.registry import Registry
from ..servers.token_server import TokenServer

if TYPE_CHECKING:
    import requests

    from dxf import DXF, DXFBase

USERNAME = 'fred'
PASSWORD = '!WordPass0'


@dataclass(frozen=True)
class Folder:
    """A folder that stands for a registry: nothing runs."""

    storage: Path
    insecure = False

    @property
    def host(self) -> str:
        """``oci:/PATH``."""
        return f'oci:{self.storage}'


@dataclass(frozen=True)
class Endpoint:
    """One registry, and the way in.

    ``ca`` is the path of the authority's certificate, None without TLS; ``username`` and ``password`` are
    None where none are wanted; ``tokens`` is None where the registry takes no tokens.
    """

    registry: Registry | Folder
    ca: str | None = None
    username: str | None = None
    password: str | None = None
    tokens: TokenServer | None = None

    @property
    def host(self) -> str:
        """``localhost:PORT``, or ``oci:/PATH``."""
        return self.registry.host

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder: then there are no connections, and no credentials."""
        return isinstance(self.registry, Folder)

    @property
    def url(self) -> str:
        """The address of a server, without a slash at its end."""
        assert isinstance(self.registry, Registry)
        return self.registry.url

    @property
    def insecure(self) -> bool:
        """Whether it speaks http."""
        return self.registry.insecure

    def is_own(self, url: str) -> bool:
        """Say whether a URL is the registry's, and not its token server's."""
        return urlsplit(url).netloc == urlsplit(self.base()._base_url).netloc

    def file_of(self, repo: str, digest: str) -> Path:
        """Return the path of the file in which the registry keeps a blob or a manifest."""
        method, _, value = digest.partition(':')
        if self.is_folder:
            return self.registry.storage / repo / 'blobs' / method / value
        return self.registry.storage / 'docker/registry/v2/blobs' / method / value[:2] / value / 'data'

    def uploads(self, repo: str) -> list[Path]:
        """Return what is left of uploads that are not complete; of one given up a registry keeps empty folders."""
        if self.is_folder:
            return list(self.registry.storage.glob(f'{repo}/.dxf.*'))
        return list(self.registry.storage.glob(f'docker/registry/v2/repositories/{repo}/_uploads/*/startedat'))

    def environ(self) -> dict[str, str]:
        """Return the command line's variables; a subprocess needs those of ``os.environ`` beside them."""
        variables = {'DXF_HOST': self.host, 'DXF_INSECURE': '1' if self.insecure else None,
                     'DXF_USERNAME': self.username, 'DXF_PASSWORD': self.password,
                     'REQUESTS_CA_BUNDLE': self.ca}
        return {name: value for name, value in variables.items() if value is not None}

    def auth(self) -> Callable[[DXFBase, requests.Response], None] | None:
        """Return the callable that authenticates a ``DXFBase``, ``None`` where it is not asked for."""
        if self.username is None:
            return None

        def authenticate(client: DXFBase, response: requests.Response) -> None:
            client.authenticate(self.username, self.password, response=response)
        return authenticate

    def dxf(self, repo: str) -> DXF:
        """Return a new client of a repository."""
        client: DXF = _dxf().DXF(self.host, repo, *self._settings())
        return client

    def base(self) -> DXFBase:
        """Return a new client of the registry as a whole."""
        client: DXFBase = _dxf().DXFBase(self.host, *self._settings())
        return client

    def _settings(self) -> tuple[Any, ...]:
        return self.auth(), self.insecure, None, True if self.ca is None else self.ca


def _dxf() -> Any:
    """The library, imported late: what proves the servers must not depend on it."""
    return importlib.import_module('dxf')
