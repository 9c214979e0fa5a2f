"""A registry: how to reach it, with whose credential, and what it says of itself.

``client`` has what is in one of its repositories.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import urljoin

from requests import Response, Session

from dxf import catalog, forking
from dxf.arguments import check_text
from dxf.client_arguments import Shown
from dxf.exceptions import DXFAuthInsecureError, DXFProtocolError, DXFUnauthorizedError
from dxf.limits import TIMEOUT, Limits
from dxf.missing import described
from dxf.names import check_host, check_registry, check_repository, is_folder
from dxf.options import USUAL, Options
from dxf.parameters import checked
from dxf.shared_state import SharedState, adapter_for
from dxf.transfer.mount_answers import MountAnswers
from dxf.transfer.refused_sizes import RefusedSizes
from dxf.transport.auth import RegistryAuth, TokenServer, login_of
from dxf.transport.challenge import challenge_of, token_url
from dxf.transport.client_certificates import Cert
from dxf.transport.pagination import PaginatingResponse
from dxf.transport.renewal import reset_session_after_fork
from dxf.transport.response_body import discard, read_body
from dxf.transport.responses import expect, raise_for_status
from dxf.transport.session import HEADERS, USER_AGENT, GivenAuth, RegistrySession, Route, rewind, send

if TYPE_CHECKING:  # typing has it since Python 3.11
    from typing_extensions import Self

    from dxf.layout.adapter import LayoutAdapter

SHARED = ('options', '_sessions', '_shared')
"""Attributes that all clients of one registry have in common, if one was made from the other."""

Auth = Callable[[Any, Response], object]
"""Called with the client, a ``DXF`` or a ``DXFBase``, and with the 401 response."""
Timeout = float | tuple[float, float] | None

TURNS = 16
"""Times that a request is sent at most: other threads may replace its token by one for their own requests."""


class DXFBase:
    """A registry.

    :param host: ``name[:port]``; the empty string is Docker Hub; ``oci:`` and a path: a folder, and no server
    :param auth: called as ``auth(dxf, response)`` when the registry answers 401; it calls
        ``dxf.authenticate(..., response=response)`` or sets ``dxf.token``
    :param insecure: use http; no authentication is possible then
    :param auth_host: ``name[:port]`` of the token server, in place of the one that the registry names
    :param tlsverify: ``True`` to verify certificates, ``False`` not to, or the path of a file of CA certificates
    :param timeout: seconds to wait for a connection and for the next byte, a number or a pair; ``None`` for ever
    :param options: what else there is to set; ``limits`` and ``cert`` win over it
    :param limits: attempts, waits and sizes: :attr:`Options.limits`
    :param cert: a client certificate: :attr:`Options.cert`
    :raises DXFInvalidNameError: ``host`` or ``auth_host`` is not a valid name
    :raises DXFCertificateError: the files of ``cert`` cannot be used
    :raises TypeError: an argument of a wrong type: ``auth`` is no function, say
    """

    host = Shown('_host')
    """The registry: ``name[:port]``, or ``oci:`` and the path of a folder."""

    @checked
    def __init__(self, host: str, auth: Auth | None = None, insecure: bool = False, auth_host: str | None = None,
                 tlsverify: bool | str = True, timeout: Timeout = TIMEOUT, *, options: Options = USUAL,
                 limits: Limits | None = None, cert: Cert | None = None) -> None:
        self._auth_host = check_host(auth_host) if auth_host else None
        self._host = check_registry(host)
        adapter = adapter_for(self._host) if is_folder(self._host) else None
        self._auth = auth
        self._insecure = insecure
        self._tlsverify = tlsverify
        self._timeout = timeout
        options = options if limits is None else options.replace(limits=limits)
        self.options = options if cert is None else options.replace(cert=cert)
        self._base_url = adapter.url if adapter is not None else f'{"http" if insecure else "https"}://{self._host}/v2/'
        self._connect(adapter)

    def _connect(self, adapter: 'LayoutAdapter | None') -> None:
        """Begin without connections and credentials."""
        self._sessions: list[Session] = [RegistrySession()]
        self._shared = SharedState(RegistryAuth(self._base_url), adapter, RefusedSizes(), MountAnswers())
        self._nesting = 0
        forking.register(self)

    def renew_after_fork(self) -> None:
        """Share no connection and no lock with the parent process, in a child after a fork; the token stays valid."""
        self._credential.renew_after_fork()
        for session in self._sessions:
            reset_session_after_fork(session)

    def __copy__(self) -> 'Self':
        """Return a client that shares connections and credential with this one."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        forking.register(twin)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: no connection, and nothing that is or may hold a secret."""
        lost = ('_auth', '_sessions', '_shared', '_nesting')
        return {**{name: value for name, value in self.__dict__.items() if name not in lost},
                'options': self.options.replace(proxies=None)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled. ``auth`` and the token are missing, and proxies are those of the environment."""
        self.__dict__.update(state)
        self._auth = None
        self._connect(adapter_for(self._host) if is_folder(self._host) else None)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._host!r})'

    @property
    def _credential(self) -> RegistryAuth:
        return self._shared.credential

    @property
    def _headers(self) -> dict[str, str]:
        """The headers that requests of this registry carry and others never do; Authorization is one."""
        return self._credential.headers

    @_headers.setter
    def _headers(self, headers: dict[str, str]) -> None:
        self._credential.replace_headers(headers)

    @property
    def token(self) -> str | None:
        """The authentication token in use, or ``None``; may be set to one that was obtained before."""
        return self._credential.token

    @token.setter
    def token(self, token: str | None) -> None:
        if token is not None:
            check_text(token, 'token')
        self._credential.authorization = None if token is None else f'Bearer {token}'

    def __enter__(self) -> 'Self':
        """Enter a context; when the outermost one is left the connections are closed."""
        self._nesting += 1
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._nesting -= 1
        if self._nesting == 0:
            DXFBase.close(self)

    def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        self._sessions[0].close()

    def _send(self, method: str, url: str, limits: Limits | None = None, **kwargs: Any) -> Response:
        """Send a request with our settings and, unless ``auth`` says otherwise, our credential."""
        route = Route(self._credential.covers, kwargs.pop('cert', self.options.cert), self.options.proxies)
        kwargs = {'auth': self._credential, 'verify': self._tlsverify, 'timeout': self._timeout, **kwargs}
        kwargs['headers'] = {**HEADERS, **(kwargs.get('headers') or {})}
        session = self._sessions[0]
        if self._shared.adapter is not None:
            with self._credential.lock:  # another thread may mount it now, and requests sorts adapters after that
                if session.adapters.get(self._base_url) is not self._shared.adapter:  # new, or the caller's own
                    session.mount(self._base_url, self._shared.adapter)
        return send(session, method, url, limits or self.options.limits, route, **kwargs)

    def _base_request(self, method: str, path: str, **kwargs: Any) -> Response:
        """Make a request of the registry, authenticating where it asks for that.

        :param method: in lower case
        :param path: below ``/v2/``, or a whole URL
        :param kwargs: those of ``requests.Session.request``
        :return: a response with a status below 400; the body of a GET is not read yet
        :raises DXFUnauthorizedError: the registry answered 401 all the same
        :raises DXFHTTPError: it refused otherwise
        """
        url = urljoin(self._base_url, path)
        is_first = self._auth is not None and not (self._credential.is_tried or 'Authorization' in self._headers)
        send_it = self._send_alone if is_first else self._send_with_credential
        try:
            response = send_it(method, url, **kwargs)
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                raise_for_status(response, self.options.limits, described)
        except DXFUnauthorizedError as error:
            error.host = error.host or self._host
            error.reason = error.reason or self._credential.why_refused(error.response, self._auth is not None)
            raise
        if method != 'get':  # the caller reads no body, and the connection is free once it has been read
            discard(response, self.options.limits)
        return response

    def _send_alone(self, method: str, url: str, **kwargs: Any) -> Response:
        """Send the first request while other threads wait, so that they do not each fetch a token."""
        credential = self._credential
        with credential.lock:
            if not credential.is_tried:
                try:
                    return self._send_with_credential(method, url, **kwargs)
                finally:
                    credential.is_tried = True
        return self._send_with_credential(method, url, **kwargs)

    def _send_with_credential(self, method: str, url: str, **kwargs: Any) -> Response:
        """Send a request, again with each new credential while the registry challenges it; return the last response."""
        limits: Limits = kwargs.get('limits') or self.options.limits
        if time.monotonic() >= self._credential.renew_at:
            self._credential.renew_if_due()
        ours: dict[str, str] | None = None  # the headers that auth has set for this request
        has_waited = False
        for _ in range(TURNS):
            sent = dict(self._headers)  # programs may change them in place, so they are compared and not counted
            response = self._send(method, url, **kwargs)
            if self._auth is None or not self._response_needs_auth(response):
                break
            discard(response, self.options.limits)
            if ours == sent == self._headers:
                is_waited_for = self.options.limits.retries and limits.fresh_token and not has_waited
                if not (is_waited_for and self._credential.may_be_too_new(response)):
                    break
                has_waited = True
                time.sleep(limits.fresh_token)
            else:
                ours = self._ask_auth(self._auth, sent, response) or ours
                if self._headers == sent:
                    break
            if kwargs.get('data') is not None:
                rewind(kwargs['data'])
        return response

    def _ask_auth(self, auth: Auth, sent: dict[str, str], response: Response) -> dict[str, str] | None:
        """Ask ``auth`` for a credential, unless another thread has just got a new one, for this request or another.

        :param sent: the headers that were refused
        :return: the headers that ``auth`` has set, if it was asked
        """
        with self._credential.lock:
            if self._headers != sent:
                return None
            auth(self, response)
            return dict(self._headers)

    def _response_needs_auth(self, response: Response) -> bool:
        """Return whether a response is the registry's own challenge. dxf never answers another server's."""
        return response.status_code == HTTPStatus.UNAUTHORIZED and self._credential.covers(response.url)

    @checked
    def authenticate(self, username: str | None = None, password: str | None = None,
                     actions: Sequence[str] | str | None = None, response: Response | None = None,
                     authorization: str | None = None, user_agent: str = USER_AGENT, *,
                     identity_token: str | None = None) -> str | None:
        """Answer the registry's challenge, and remember the result for the requests to come.

        Without user name and password and without ``authorization``, a token is asked for anonymously.

        :param actions: what a token is to allow: ``pull``, ``push``, ``delete``, ``*``, one or several;
            ``None`` for what the challenge asks for
        :param response: the 401 response; ``None`` to ask the registry for one
        :param authorization: value of an Authorization header, to use in place of user name and password
        :param user_agent: sent to the token server
        :param identity_token: what some registries give out in place of a password, to get tokens with
        :return: the token; ``None`` where the registry wants none (no authentication, or Basic)
        :raises DXFAuthInsecureError: the registry asks for a credential over http; none was sent
        :raises DXFInvalidNameError: a credential that no header can carry, or is not UTF-8; nothing was sent
        :raises DXFUnauthorizedError: the token server refused the credential
        :raises DXFUnexpectedStatusCodeError: the registry's response is neither 200 nor 401
        :raises DXFProtocolError: the challenge cannot be answered, or the token server's response cannot be read
        """
        credential = self._credential
        login = login_of(username, password, authorization, identity_token)
        if response is None:
            response = self._send('get', self._base_url, auth=GivenAuth(None))
            discard(response, self.options.limits)
        if not credential.covers(response.url or self._base_url):
            raise DXFProtocolError('the challenge comes from another server than the registry')
        if response.status_code == HTTPStatus.OK:
            return None
        expect(response, HTTPStatus.UNAUTHORIZED)
        if self._insecure:
            raise DXFAuthInsecureError()
        challenge = challenge_of(response)
        if challenge is None:
            raise DXFUnauthorizedError(reason='the registry asks for neither Basic nor Bearer authentication')
        if challenge.scheme == 'basic':
            credential.authorization = login.header
            return None
        url = token_url(challenge, self._base_url, self._auth_host, self._scopes(actions, challenge.scopes))
        send_it = partial(self._send, limits=self.options.limits._replace(redirects=0))  # it may not redirect
        return credential.obtain(TokenServer(url, login, user_agent, self.options.limits, send_it,
                                             self._auth_host is not None))

    def _scopes(self, actions: Sequence[str] | str | None, challenged: tuple[str, ...]) -> tuple[str, ...]:
        """Return the scopes to ask a token for: those of the challenge; ``actions`` are a repository's."""
        del actions
        return challenged or ('registry:catalog:*',)

    def ping(self) -> Response:
        """Return the response to a request of ``/v2/`` with the credential in use. ``auth`` is not called."""
        response = self._send('get', self._base_url)
        discard(response, self.options.limits)
        return response

    @overload
    def list_repos(self, batch_size: int | None = None, iterate: Literal[False] = False) -> list[str]: ...

    @overload
    def list_repos(self, batch_size: int | None = None, *, iterate: Literal[True]) -> PaginatingResponse: ...

    @overload
    def list_repos(self, batch_size: int | None, iterate: Literal[True]) -> PaginatingResponse: ...

    @overload
    def list_repos(self, batch_size: int | None = None, iterate: bool = False) -> list[str] | PaginatingResponse: ...

    @checked
    def list_repos(self, batch_size: int | None = None, iterate: bool = False) -> list[str] | PaginatingResponse:
        """List the registry's repositories. Not all registries offer that.

        :param batch_size: names to ask for at a time; ``None`` for what the registry gives by itself
        :param iterate: return an iterable that fetches page by page, in place of a list
        :raises DXFHTTPError: the registry does not offer it
        :raises DXFInvalidNameError: a name breaks the grammar of repositories; a folder raises it after all other names
        """
        return self._list('_catalog', 'repositories', check_repository, batch_size, iterate,
                          partial(catalog.page, self))

    def _list(self, path: str, key: str, check: Callable[[str], str], batch_size: int | None, iterate: bool,
              fetch: Callable[[str], Response]) -> list[str] | PaginatingResponse:
        if batch_size is not None:
            path = f'{path}?n={int(batch_size)}'
        names = PaginatingResponse(fetch, path, key, check, self.options.limits)
        return names if iterate else names.all()

    def api_version_check(self) -> tuple[str, Response]:
        """Ask ``/v2/`` whether the registry speaks the protocol, and takes the credentials.

        :return: the text of the body, and the response
        :raises DXFUnauthorizedError: it does not take them
        """
        response = self._base_request('get', '')
        return read_body(response, self.options.limits.page, self.options.limits).decode('utf-8', 'replace'), response
