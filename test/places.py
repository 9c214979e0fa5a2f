"""A place: what a client has to know about one running registry in order to use it.

Says it in both of dxf's languages, Python objects and DXF_* variables. Starts nothing: conftest does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .registry import Registry
from .token_server import TokenServer

if TYPE_CHECKING:
    import requests

    from dxf import DXF, DXFBase

USERNAME = 'fred'
PASSWORD = '!WordPass0'


@dataclass(frozen=True)
class Place:
    """One running registry, and the way in.

    ``ca`` is the path of the authority's certificate, None without TLS; ``username`` and ``password`` are
    None where none are wanted; ``tokens`` is None where the registry takes no tokens.
    """

    registry: Registry
    ca: str | None = None
    username: str | None = None
    password: str | None = None
    tokens: TokenServer | None = None

    @property
    def host(self) -> str:
        """``localhost:PORT``."""
        return self.registry.host

    @property
    def insecure(self) -> bool:
        """Whether it speaks http."""
        return self.registry.insecure

    def environ(self) -> dict[str, str]:
        """Return the command line's variables; a subprocess needs those of ``os.environ`` beside them."""
        variables = {'DXF_HOST': self.host, 'DXF_INSECURE': '1' if self.insecure else None,
                     'DXF_USERNAME': self.username, 'DXF_PASSWORD': self.password,
                     'REQUESTS_CA_BUNDLE': self.ca}
        return {name: value for name, value in variables.items() if value is not None}

    def auth(self) -> Callable[[DXFBase, requests.Response], None] | None:
        """Return the callable that authenticates a ``DXFBase``, None where nobody asks for it."""
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
