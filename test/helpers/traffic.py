"""A record of the real traffic: what passed requests' adapter, and which connections urllib3 opened for it.

Watches, never answers: the requests go where they were sent.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection

from dxf.layout.adapter import LayoutAdapter


@dataclass(frozen=True)
class Exchange:
    """One request and the head of its answer; ``status`` is None where there was no answer."""

    method: str
    url: str
    headers: CaseInsensitiveDict[str]
    status: int | None
    response_headers: CaseInsensitiveDict[str]

    @property
    def path(self) -> str:
        """The path of the URL, without its query."""
        return urlsplit(self.url).path


class Traffic:
    """What happened so far.

    ``requests`` in the order of their ends; ``connections``, as ``host:port``, in the order of their
    beginnings, those that failed included: an empty list means that no connection was begun.
    """

    def __init__(self) -> None:
        self.requests: list[Exchange] = []
        self.connections: list[str] = []

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Record from now on, until the monkeypatch is undone."""
        for adapter in (HTTPAdapter, LayoutAdapter):
            monkeypatch.setattr(adapter, 'send', self._watching_send(adapter.send))
        # HTTPSConnection.connect does not call HTTPConnection's, so neither counts for the other.
        for kind in (HTTPConnection, HTTPSConnection):
            monkeypatch.setattr(kind, 'connect', self._watching_connect(kind.connect))

    def lines(self) -> list[str]:
        """Return ``METHOD path status`` of each request, ``None`` for a status that never came."""
        return [f'{exchange.method} {exchange.path} {exchange.status}' for exchange in self.requests]

    def clear(self) -> None:
        """Forget what happened so far."""
        self.requests.clear()
        self.connections.clear()

    def _watching_send(self, send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
        @functools.wraps(send)
        def watching(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any,
                     **kwargs: Any) -> requests.Response:
            headers = request.headers.copy()
            response = None
            try:
                response = send(adapter, request, *args, **kwargs)
                return response
            finally:
                answer = (None, CaseInsensitiveDict()) if response is None else (
                    response.status_code, response.headers.copy())
                self.requests.append(Exchange(str(request.method), str(request.url), headers, *answer))
        return watching

    def _watching_connect(self, connect: Callable[[Any], None]) -> Callable[[Any], None]:
        @functools.wraps(connect)
        def watching(connection: HTTPConnection) -> None:
            self.connections.append(f'{connection.host}:{connection.port}')
            connect(connection)
        return watching
