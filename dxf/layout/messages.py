"""Messages: a request to a folder as its adapter reads it, responses, and the error that becomes a response.

``adapter`` reads requests. ``listings``, ``blob_requests`` and ``manifest_requests`` answer them.
"""

import io
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from requests import PreparedRequest, Response

from dxf.layout.store import Layout
from dxf.limits import READ_SIZE
from dxf.transport.responses import phrase_of


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class LayoutRequest(NamedTuple):
    """A request: the repository, the name of what is wanted in it, and the parameters of the query.

    ``prepared`` is the request as the session sent it, with headers and body.
    """

    repository: str
    layout: Layout
    name: str
    query: Mapping[str, str]
    prepared: PreparedRequest

    @property
    def pieces(self) -> Iterator[bytes]:
        """The body, as it comes."""
        # requests allows all of these forms. A file and an iterator are not read into memory.
        body: Any = self.prepared.body
        if isinstance(body, str):
            body = body.encode('utf-8')
        if isinstance(body, bytes):
            return iter([body])
        if hasattr(body, 'read'):
            return iter(lambda: body.read(READ_SIZE), b'')
        return iter(body or ())

    def check_exists(self, code: str = 'NAME_UNKNOWN') -> None:
        """Raise an error if there is no such repository.

        :param code: of the error that the client gets
        :raises RefusedError: there is no such repository
        """
        if not self.layout.exists():
            raise RefusedError(HTTPStatus.NOT_FOUND, code, f'there is no layout in {self.layout.folder}')


def respond(status: int, body: bytes | io.FileIO = b'', headers: Mapping[str, str] | None = None) -> Response:
    """Return a response."""
    response = Response()
    response.status_code = int(status)
    response.reason = phrase_of(status)
    response.headers['Docker-Distribution-API-Version'] = 'registry/2.0'
    if isinstance(body, bytes):
        response.headers['Content-Length'] = str(len(body))
    response.headers.update(headers or {})
    response.raw = io.BytesIO(body) if isinstance(body, bytes) else body
    return response
