"""A registry: how to reach it, with whose credential, and what it says of itself.

``client`` has what is in one of its repositories.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests import Response, Session
from requests.adapters import BaseAdapter
from requests.exceptions import HTTPError, RequestException

from dxf import forking
from dxf.arguments import (AUTH, batch_size_of, check_auth, check_limits, check_security, check_text,
                           check_timeout)
from dxf.exceptions import DXFAuthInsecureError, DXFError, DXFHTTPError, DXFProtocolError, DXFUnauthorizedError
from dxf.hints import add_hint
from dxf.limits import TIMEOUT, Limits
from dxf.names import FOLDER, check_host, check_registry, check_repository, is_folder
from dxf.transport.auth import (IDENTITY, OAUTH_REFUSALS, RegistryAuth, TokenRequestAuth, authorization_value,
                                challenge_of, check_identity_token, is_refused_by_oauth, oauth_request, read_token,
                                refuses_token, token_url)
from dxf.transport.client_certificates import Cert, check_certificate
from dxf.transport.pagination import PaginatingResponse
from dxf.transport.proxies import Proxies
from dxf.transport.redaction import public_host
from dxf.transport.responses import discard, effective_status, expect, raise_for_status, read_body
from dxf.transport.session import (HEADERS, USER_AGENT, Attempts, RegistrySession, begin_session_anew, is_transient,
                                   rewind, send)
from dxf.transport.urls import origin_of

Auth = Callable[[Any, Response], Any]
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
    :param limits: attempts, waits and sizes
    :param cert: a client certificate, shown to the registry's own origin alone: path of a file in PEM that holds
        certificate and key, or a pair of paths, of the certificate and of the key; read again for each connection
    :raises DXFInvalidNameError: ``host`` or ``auth_host`` is not a valid name
    :raises DXFCertificateError: the files of ``cert`` cannot be used
    :raises TypeError: an argument of a wrong type: ``auth`` is no function, say
    """

    def __init__(self, host: str, auth: Auth | None = None, insecure: bool = False, auth_host: str | None = None,
                 tlsverify: bool | str = True, timeout: Timeout = TIMEOUT, *, limits: Limits = Limits(),
                 cert: Cert | None = None) -> None:
        check_text(host, 'host', "'registry.example.com:5000', '' for Docker Hub, or 'oci:./folder'")
        self._host = check_registry(host)
        check_auth(auth)
        check_security(insecure, tlsverify)
        check_timeout(timeout)
        check_limits(limits)
        if auth_host is not None:
            check_text(auth_host, 'auth_host')
        self._auth = auth
        self._insecure = insecure
        self._auth_host = check_host(auth_host) if auth_host else None
        self._tlsverify = tlsverify
        self._timeout = timeout
        self._limits = limits
        self._cert = None if cert is None else check_certificate(cert)
        self._proxies: Proxies | None = None
        """``None``: requests finds out, by the environment of the process, at each request."""
        self._base_url = f'{"http" if insecure else "https"}://{self._host}/v2/'
        self._sessions: list[Session] = [RegistrySession()]
        self._adapter: BaseAdapter | None = None
        if is_folder(self._host):
            from dxf.layout.adapter import LayoutAdapter
            adapter = LayoutAdapter(self._host.removeprefix(FOLDER))
            self._adapter, self._base_url = adapter, adapter.url
            self._sessions[0].mount(self._base_url, adapter)
        self._credential = RegistryAuth(self._base_url)
        self._nesting = 0
        forking.register(self)

    def renew_after_fork(self) -> None:
        """Share no connection with the parent process, in a child after a fork; the token stays valid.

        dxf's own sessions do that themselves. This is for one that a caller has put in their place.
        """
        for session in self._sessions:
            if not isinstance(session, RegistrySession):
                begin_session_anew(session)

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

    def __enter__(self) -> Any:
        """Enter a context; when the outermost one is left the connections are closed."""
        self._nesting += 1
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._nesting -= 1
        if self._nesting == 0:
            self._sessions[0].close()

    def _send(self, method: str, url: str, limits: Limits | None = None, **kwargs: Any) -> Response:
        """Send a request with our settings and, unless ``auth`` says otherwise, our credential."""
        way_to = partial(self._way_to, kwargs.pop('cert', self._cert))
        kwargs = {'auth': self._credential, 'verify': self._tlsverify, 'timeout': self._timeout, **kwargs}
        kwargs['headers'] = {**HEADERS, **(kwargs.get('headers') or {})}
        session = self._sessions[0]
        if self._adapter not in (None, session.adapters.get(self._base_url)):  # a session that the caller brought
            session.mount(self._base_url, self._adapter)
        return send(session, method, url, limits or self._limits, way_to, **kwargs)

    def _way_to(self, cert: Cert | None, url: str) -> dict[str, Any]:
        """Return by which proxy a request goes, and with which client certificate: another origin never sees ours."""
        way: dict[str, Any] = {}
        if cert is not None and url.startswith('https:') and self._credential.covers(url):
            way['cert'] = cert
        if self._proxies is not None:
            way['proxies'] = {url.partition(':')[0]: self._proxies.of(url)}
        return way

    def _base_request(self, method: str, path: str, **kwargs: Any) -> Response:
        """Make a request of the registry, authenticating where it asks for that.

        :param method: in lower case
        :param path: below ``/v2/``, or a whole URL
        :param kwargs: those of ``requests.Session.request``
        :return: an answer with a status below 400; the body of a GET is not read yet
        :raises DXFUnauthorizedError: the registry answered 401 all the same
        :raises DXFHTTPError: it refused otherwise
        """
        try:
            return self._authenticated(method, urljoin(self._base_url, path), **kwargs)
        except DXFUnauthorizedError as error:
            error.host = error.host or self._host
            error.reason = error.reason or self._why_unauthorized(error.response)
            raise

    def _why_unauthorized(self, response: Response | None) -> str:
        """Return which credential the registry refused, or what to do where it was sent none."""
        if response is None or not self._credential.covers(response.url):
            return ''
        if self._credential.token is not None:
            return 'the registry refused the token'
        if self._credential.authorization is not None:
            return 'the registry refused the credential, such as a wrong password'
        return f'no auth was given: pass {AUTH}' if self._auth is None else \
            f'auth has set no credential: {AUTH} does'

    def _authenticated(self, method: str, url: str, **kwargs: Any) -> Response:
        with self._credential.first_request_alone() if self._auth is not None else nullcontext():
            self._credential.renew_if_due()
            response = self._send_with_credential(method, url, **kwargs)
        raise_for_status(response, self._limits)
        if method != 'get':  # the caller reads no body, and the connection is free once it has been read
            discard(response, self._limits)
        return response

    def _send_with_credential(self, method: str, url: str, **kwargs: Any) -> Response:
        """Send a request, and again with each new credential while the registry challenges it.

        :return: the last answer
        """
        limits: Limits = kwargs.get('limits') or self._limits
        ours: dict[str, str] | None = None  # the headers that auth has set for this request
        has_waited = False
        for _ in range(TURNS):
            sent = dict(self._headers)
            response = self._send(method, url, **kwargs)
            if not self._response_needs_auth(response) or self._auth is None:
                break
            if ours == sent == self._headers:
                if has_waited or not self._may_be_too_new(response, limits):
                    break
                has_waited = True
                discard(response, self._limits)
                time.sleep(limits.fresh_token)
            else:
                discard(response, self._limits)
                with self._credential.lock:
                    if self._headers == sent:  # else another thread has just got a new one, for this or another
                        self._auth(self, response)
                        ours = dict(self._headers)
                if self._headers == sent:
                    break
            rewind(kwargs.get('data'))
        return response

    def _may_be_too_new(self, response: Response, limits: Limits) -> bool:
        """Return whether a token that was just given out is refused because the registry's clock is behind.

        It may be valid from now on by the clock of the token server: https://github.com/moby/moby/issues/22158
        """
        return bool(limits.retries) and self._credential.token is not None and refuses_token(response)

    def _whole(self, request: Callable[[], Response], limit: int) -> tuple[bytes, Response]:
        """Make a request whose answer fits into memory, again where that breaks off; return its body, and the answer.

        :param limit: bytes; more is an error
        """
        attempts = Attempts(self._limits)
        while True:
            response = request()
            expect(response, HTTPStatus.OK)
            try:
                return read_body(response, limit, self._limits), response
            except RequestException as error:
                if not is_transient(error) or not attempts.again(error=error):
                    raise

    def _response_needs_auth(self, response: Response) -> bool:
        """Return whether an answer is the registry's own challenge. dxf never answers another server's."""
        return response.status_code == HTTPStatus.UNAUTHORIZED and self._credential.covers(response.url)

    def _scopes(self, actions: Sequence[str] | str | None) -> tuple[str, ...]:
        """Return the scopes to ask a token for, if the caller rather than the challenge decides."""
        del actions  # they are a repository's
        return ()

    def authenticate(self, username: str | None = None, password: str | None = None,
                     actions: Sequence[str] | str | None = None, response: Response | None = None,
                     authorization: str | None = None, user_agent: str = USER_AGENT, *,
                     identity_token: str | None = None) -> str | None:
        """Answer the registry's challenge, and remember the result for the requests to come.

        Without user name and password and without ``authorization``, a token is asked for anonymously.

        :param actions: what a token is to allow: ``pull``, ``push``, ``delete``, ``*``, one or several;
            ``None`` for what the challenge asks for
        :param response: the 401 answer; ``None`` to ask the registry for one
        :param authorization: value of an Authorization header, to use in place of user name and password
        :param user_agent: sent to the token server
        :param identity_token: what some registries give out in place of a password, to get tokens with
        :return: the token; ``None`` where the registry wants none (no authentication, or Basic)
        :raises DXFAuthInsecureError: the registry asks for a credential over http; none was sent
        :raises DXFInvalidNameError: a credential that no header can carry, or is not UTF-8; nothing was sent
        :raises DXFUnauthorizedError: the token server refused the credential
        :raises DXFUnexpectedStatusCodeError: the registry's answer is neither 200 nor 401
        :raises DXFProtocolError: the challenge cannot be answered, or the token server's answer not be read
        """
        value = authorization_value(username, password, authorization)
        check_identity_token(identity_token)
        if response is None:
            response = self._send('get', self._base_url, auth=TokenRequestAuth(None))
            discard(response, self._limits)
        if not self._credential.covers(response.url or self._base_url):
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
            self._credential.authorization = value
            return None
        scopes = self._scopes(actions) or challenge.scopes or self._default_scopes()
        url = token_url(challenge, self._base_url, self._auth_host, scopes)
        if identity_token is not None:
            return self._get_token_by_oauth(url, identity_token, username or IDENTITY, user_agent)
        return self._get_token(url, value, user_agent)

    def _default_scopes(self) -> tuple[str, ...]:
        return ('registry:catalog:*',)

    def _get_token(self, url: str, authorization: str | None, user_agent: str) -> str:
        """https://distribution.github.io/distribution/spec/auth/token/#requesting-a-token"""
        with self._token_server(url):
            response = self._ask_for_token('get', url, auth=TokenRequestAuth(authorization),
                                           headers={'User-Agent': user_agent})
            return self._take_token(response, partial(self._get_token, url, authorization, user_agent))

    def _get_token_by_oauth(self, url: str, identity_token: str, username: str, user_agent: str) -> str:
        """https://distribution.github.io/distribution/spec/auth/oauth/#getting-a-token"""
        again = partial(self._get_token_by_oauth, url, identity_token, username, user_agent)
        address, form = oauth_request(url, identity_token)
        with self._token_server(url):
            response = self._ask_for_token('post', address, auth=TokenRequestAuth(None), data=form, headers={
                'User-Agent': user_agent, 'Content-Type': 'application/x-www-form-urlencoded'})
            if response.status_code not in OAUTH_REFUSALS:
                return self._take_token(response, again)
            if is_refused_by_oauth(response.status_code, discard(response, self._limits)):
                raise DXFUnauthorizedError(reason='the token server refused the identity token')
        return self._get_token(url, authorization_value(username, identity_token, None), user_agent)

    @contextmanager
    def _token_server(self, url: str) -> Iterator[None]:
        """Add to errors which token server they are about, and which variable names another."""
        try:
            yield
        except DXFUnauthorizedError:
            raise
        except (DXFError, RequestException) as error:
            if origin_of(url) != origin_of(self._base_url):
                host = public_host(url)
                add_hint(error, f'DXF_AUTH_HOST names {host} as the token server' if self._auth_host is not None else
                         f'the registry names {host} as its token server, DXF_AUTH_HOST names another')
            raise

    def _ask_for_token(self, method: str, url: str, **kwargs: Any) -> Response:
        """Send a request to a token server. It may not redirect."""
        return self._send(method, url, self._limits._replace(redirects=0), **kwargs)

    def _take_token(self, response: Response, again: Callable[[], str]) -> str:
        """Use the token in an answer from now on, and get another by ``again`` before it expires."""
        try:
            raise_for_status(response, self._limits)
        except DXFUnauthorizedError as error:
            error.reason = 'the token server refused the credential, such as a wrong password, or wants one'
            raise
        expect(response, HTTPStatus.OK)
        token, seconds = read_token(read_body(response, self._limits.token, self._limits))
        self.token = token
        self._credential.renew_after(seconds, again)
        return token

    def list_repos(self, batch_size: int | None = None, iterate: bool = False) -> list[str] | PaginatingResponse:
        """List the registry's repositories. Not all registries offer that.

        :param batch_size: names to ask for at a time; ``None`` for what the registry gives by itself
        :param iterate: return an iterable that fetches page by page, in place of a list
        :raises DXFHTTPError: the registry does not offer it
        :raises DXFInvalidNameError: a name is none of a repository; a folder lists such layouts last
        """
        return self._list('_catalog', 'repositories', check_repository, batch_size, iterate, self._catalog_page)

    def _catalog_page(self, path: str) -> Response:
        sentence = 'the registry does not list its repositories'
        try:
            return self._page(path, self._base_request)
        except DXFUnauthorizedError as error:
            if not self._is_login_good(error):
                raise
            raise DXFUnauthorizedError(f'unauthorized: {sentence} to this user', reason=error.reason) from None
        except HTTPError as error:
            response = error.response
            if response is None or effective_status(response, response.content) not in (403, 404, 405):
                raise
            raise DXFHTTPError(f'{sentence} ({error})', response=error.response) from None

    def _is_login_good(self, error: DXFUnauthorizedError) -> bool:
        """Return whether the credential itself is good, where the listing of repositories was refused by 401.

        It is where the token server gave a token; else ``/v2/`` tells.
        """
        response = error.response
        if response is not None and not urlsplit(response.url).path.endswith('/_catalog'):
            return False  # the token server's answer
        if response is not None and self._auth is not None and self.token is not None:
            return True
        with suppress(DXFError, RequestException):
            answer = self._send('get', self._base_url)
            discard(answer, self._limits)
            return answer.status_code == HTTPStatus.OK
        return False

    def _page(self, path: str, request: Callable[..., Response]) -> Response:
        # Artifactory answers 406 to any other Accept.
        response = request('get', path, headers={'Accept': 'application/json'})
        expect(response, HTTPStatus.OK)
        return response

    def _list(self, path: str, key: str, check: Callable[[str], str], batch_size: int | None, iterate: bool,
              fetch: Callable[[str], Response]) -> list[str] | PaginatingResponse:
        if batch_size is not None:
            path = f'{path}?n={batch_size_of(batch_size)}'
        names = PaginatingResponse(fetch, path, key, check, self._limits)
        return names if iterate else names.all()

    def api_version_check(self) -> tuple[str, Response]:
        """Ask ``/v2/`` whether the registry speaks the protocol, and takes the credentials.

        :return: the text of the answer, and the answer
        :raises DXFUnauthorizedError: it does not take them
        """
        response = self._base_request('get', '')
        return read_body(response, self._limits.page, self._limits).decode('utf-8', 'replace'), response
