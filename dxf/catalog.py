"""The catalog: the list of the repositories of a registry. Many registries refuse it, each in its own way.

``transport.pagination`` reads the pages.
"""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from requests import Response
from requests.exceptions import HTTPError, RequestException

from dxf.exceptions import DXFError, DXFUnauthorizedError
from dxf.transport.responses import effective_status, expect, refusal

SENTENCE = 'the registry does not list its repositories'
REFUSALS = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


class Registry(Protocol):
    """What the catalog needs of :class:`dxf.DXFBase`."""

    _auth: Any

    def _base_request(self, method: str, path: str, **kwargs: Any) -> Response: ...

    @property
    def token(self) -> str | None:
        """The token in use."""

    def ping(self) -> Response:
        """Return the response to a request of ``/v2/``."""


def names_page(request: Callable[..., Response], path: str) -> Response:
    """Return the response with a page of names, of repositories or of aliases."""
    # Artifactory answers 406 to any other Accept.
    response = request('get', path, headers={'Accept': 'application/json'})
    expect(response, HTTPStatus.OK)
    return response


def page(registry: Registry, path: str) -> Response:
    """Return the response with a page of the catalog.

    :raises DXFUnauthorizedError: the registry does not list its repositories to this user, or refuses the credential
    :raises DXFHTTPError: the registry does not list its repositories
    """
    try:
        return names_page(registry._base_request, path)
    except DXFUnauthorizedError as error:
        if not _is_login_good(registry, error):
            raise
        raise DXFUnauthorizedError(f'unauthorized: {SENTENCE} to this user', reason=error.reason) from None
    except HTTPError as error:
        response = error.response
        if response is None or effective_status(response, response.content) not in REFUSALS:
            raise
        raise refusal(f'{SENTENCE} ({error})', response) from None


def _is_login_good(registry: Registry, error: DXFUnauthorizedError) -> bool:
    """Return whether the credential itself is good, where the catalog was refused by 401.

    It is good if the token server gave a token. Without one, a request of ``/v2/`` tells.
    """
    response = error.response
    if response is not None and not urlsplit(response.url).path.endswith('/_catalog'):
        return False  # the token server's response
    if response is not None and registry._auth is not None and registry.token is not None:
        return True
    with suppress(DXFError, RequestException):
        return registry.ping().status_code == HTTPStatus.OK
    return False
