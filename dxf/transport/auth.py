"""Authentication: the credential of a registry, which requests carry it, and how a token is fetched and renewed.

``challenge`` reads what a registry asks for. Requests are made by a function that the caller passes in.
"""

import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from math import inf
from threading import RLock
from typing import Any, NamedTuple, NoReturn

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.exceptions import RequestException

from dxf.client_arguments import AUTH
from dxf.exceptions import DXFError, DXFHTTPError, DXFInvalidNameError, DXFNotFoundError, DXFUnauthorizedError
from dxf.hints import add_hint
from dxf.limits import Limits
from dxf.strict_json import is_utf_8
from dxf.transport.challenge import OAUTH_REFUSALS, is_refused_by_oauth, oauth_request, read_token, refuses_token
from dxf.transport.header_value import check_authorization
from dxf.transport.redaction import public_host
from dxf.transport.response_body import discard, read_body
from dxf.transport.responses import expect, raise_for_status
from dxf.transport.session import GivenAuth
from dxf.transport.urls import origin_of

# GitLab's tokens live for 5 minutes, and a large transfer takes longer.
RENEWAL_MARGIN = 10.0
"""Seconds before a token's end at which it is renewed, if it lives long enough."""

IDENTITY = '<token>'
"""User name that stands for an identity token in place of a password."""


def authorization_value(username: str | None, password: str | None, authorization: str | None) -> str | None:
    """Return the Authorization header for credentials: user name and password first, else the given value.

    Non-ASCII passwords are sent as UTF-8 (https://www.rfc-editor.org/rfc/rfc7617#section-2.1).

    :raises DXFInvalidNameError: the given value does not fit in a header, or the user name or password is not UTF-8
    """
    if username is not None and password is not None:
        if not is_utf_8(username, password):
            raise DXFInvalidNameError('invalid credential: the user name or the password is not UTF-8')
        return 'Basic ' + b64encode(f'{username}:{password}'.encode()).decode('ascii')
    return None if authorization is None else check_authorization(authorization)


def check_identity_token(value: str) -> None:
    """Check that an identity token can be sent.

    :raises DXFInvalidNameError: it is not UTF-8
    """
    if not is_utf_8(value):
        raise DXFInvalidNameError('invalid credential: the identity token is not UTF-8')


class Login(NamedTuple):
    """What a user authenticates with, checked by :func:`login_of`.

    ``header`` is the value of the Authorization header, ``None`` for an anonymous request. ``identity_token`` is what
    some registries give out in place of a password, to get tokens with.
    """

    username: str | None
    header: str | None
    identity_token: str | None = None

    def __repr__(self) -> str:
        return 'Login(...)'


def login_of(username: str | None, password: str | None, authorization: str | None, identity_token: str | None
             ) -> Login:
    """Return what to authenticate with. User name and password win over the value of a header.

    :raises DXFInvalidNameError: a value that no header can carry, or that is not UTF-8
    """
    if identity_token is not None:
        check_identity_token(identity_token)
    return Login(username, authorization_value(username, password, authorization), identity_token)


class TokenServer:
    """Fetches tokens from one URL with one login.

    :param url: of the token server, with service and scopes: :func:`dxf.transport.challenge.token_url`
    :param send: makes a request, and follows no redirect
    :param is_chosen: whether the caller, and not the registry, has named the host
    """

    def __init__(self, url: str, login: Login, user_agent: str, limits: Limits, send: Callable[..., Response],
                 is_chosen: bool = False) -> None:
        self.url = url
        self._login = login
        self._user_agent = user_agent
        self._limits = limits
        self._send = send
        self._is_chosen = is_chosen

    @property
    def hint(self) -> str:
        """Which token server an error is about, and which variable names another."""
        host = public_host(self.url)
        return f'DXF_AUTH_HOST names {host} as the token server' if self._is_chosen else \
            f'the registry names {host} as its token server, DXF_AUTH_HOST names another'

    def fetch(self) -> tuple[str, float | None]:
        """Return a new token, and the seconds that it lives, where the server tells.

        :raises DXFUnauthorizedError: the server refused the login
        """
        identity_token = self._login.identity_token
        response = self._ask(self._login.header) if identity_token is None else self._ask_by_oauth(identity_token)
        try:
            raise_for_status(response, self._limits)
        except DXFUnauthorizedError as error:
            error.reason = 'the token server refused the credential, such as a wrong password, or wants one'
            raise
        except DXFNotFoundError as error:  # which says nothing about what the registry has
            raise DXFHTTPError(str(error), response=error.response) from None
        expect(response, HTTPStatus.OK)
        return read_token(read_body(response, self._limits.token, self._limits))

    def _ask(self, authorization: str | None) -> Response:
        """https://distribution.github.io/distribution/spec/auth/token/#requesting-a-token"""
        return self._send('get', self.url, auth=GivenAuth(authorization),
                          headers={'User-Agent': self._user_agent})

    def _ask_by_oauth(self, identity_token: str) -> Response:
        """https://distribution.github.io/distribution/spec/auth/oauth/#getting-a-token"""
        url, form = oauth_request(self.url, identity_token)
        response = self._send('post', url, auth=GivenAuth(None), data=form, headers={
            'User-Agent': self._user_agent, 'Content-Type': 'application/x-www-form-urlencoded'})
        if response.status_code not in OAUTH_REFUSALS:
            return response
        if is_refused_by_oauth(response.status_code, discard(response, self._limits)):
            raise DXFUnauthorizedError(reason='the token server refused the identity token')
        self._login = login_of(self._login.username or IDENTITY, identity_token, None, None)  # for renewals too
        return self._ask(self._login.header)


class RegistryAuth(AuthBase):
    """The credential of one registry, attached to requests of that registry's origin and to no others.

    :param base_url: any URL of the registry
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._root = '/'.join(base_url.split('/', 3)[:3]) + '/'
        self._server: TokenServer | None = None
        self.renew_at = inf
        """When the token in use is to be renewed, by ``time.monotonic()``."""
        self.lock = RLock()
        """Held by the one thread that asks for a token."""
        self.is_tried = False
        """Whether a request of the registry was made. The first one is sent alone: several threads need one token."""
        self.headers: dict[str, str] = {}

    def renew_after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may have held; the credential stays valid."""
        self.lock = RLock()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse to be pickled.

        :raises TypeError: always
        """
        raise TypeError('a credential cannot be pickled')

    def covers(self, url: str | None) -> bool:
        """Return whether a request of ``url`` may carry the credential: scheme, host and port are the registry's."""
        # Most requests are below the root of the registry, and need no URL to be parsed.
        return url is not None and (url.startswith(self._root) or origin_of(url) == origin_of(self._base_url))

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        if self.covers(r.url):
            r.headers.update(self.headers)
        return r

    def why_refused(self, response: Response | None, has_auth: bool) -> str:
        """Return which credential the registry refused by 401, or what to do where it was sent none.

        :param has_auth: whether the caller has given something that answers challenges
        """
        if response is None or not self.covers(response.url):
            return ''
        if self.token is not None:
            return 'the registry refused the token'
        if self.authorization is not None:
            return 'the registry refused the credential, such as a wrong password'
        if has_auth:
            return f'auth has set no credential: {AUTH} does; dxf login stores one for from_docker_config()'
        return f'no auth was given: pass {AUTH}, or auth=dxf.credentials.from_docker_config() for a login that is ' \
            'stored'

    def may_be_too_new(self, response: Response) -> bool:
        """Return whether a token that was just given out may be refused because the registry's clock is behind.

        It may be valid from now on by the clock of the token server: https://github.com/moby/moby/issues/22158
        """
        return self.token is not None and refuses_token(response)

    def replace_headers(self, headers: dict[str, str]) -> None:
        """Use other headers, without copying them; the renewal of the token in the old ones is forgotten."""
        self.renew_at = inf
        self.headers = headers

    @property
    def authorization(self) -> str | None:
        """The value of the Authorization header, if there is one."""
        return self.headers.get('Authorization')

    @authorization.setter
    def authorization(self, value: str | None) -> None:
        self.renew_at = inf
        if value is None:
            self.headers.pop('Authorization', None)
        else:
            self.headers['Authorization'] = check_authorization(value)

    @property
    def token(self) -> str | None:
        """The Bearer token in use, if there is one."""
        scheme, _, token = (self.authorization or '').partition(' ')
        return token if scheme == 'Bearer' else None

    def obtain(self, server: TokenServer) -> str:
        """Fetch a token, use it from now on, and renew it in the same way before it expires.

        Errors name the token server, unless the registry is its own.

        :raises DXFUnauthorizedError: the server refused the login
        """
        try:
            token, seconds = server.fetch()
        except DXFUnauthorizedError:
            raise
        except (DXFError, RequestException) as error:
            # Another server than the one that the user named needs a name in the error.
            if not self.covers(server.url):
                add_hint(error, server.hint)
            raise
        self.authorization = f'Bearer {token}'
        if seconds is not None:  # else the token is used until it is refused
            self._server = server
            self.renew_at = time.monotonic() + seconds - min(seconds / 10, RENEWAL_MARGIN)
        return token

    def renew_if_due(self) -> None:
        """Get the token in use anew if it is about to expire; the registry would refuse it in the middle of things.

        Where that fails the old one stays in use: whether it is still good is for the registry to say.
        """
        with self.lock:
            if self._server is None or time.monotonic() < self.renew_at:  # another thread has done it
                return
            self.renew_at = inf
            with suppress(DXFError, RequestException):
                self.obtain(self._server)
