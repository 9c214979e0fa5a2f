"""Sessions: how dxf talks HTTP. Redirects, policies; one :func:`send` for everything.

``auth`` decides which request carries a credential, ``responses`` what a response means, ``attempts`` whether to send
a request again. requests keeps the connections.
"""

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple

from requests import PreparedRequest, Request, Response, Session
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import InvalidProxyURL, InvalidURL, RequestException, Timeout
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies
from urllib3.exceptions import LocationValueError

from dxf.exceptions import DXFProtocolError, DXFSourceError
from dxf.limits import Limits
from dxf.transport.adapter import Adapter
from dxf.transport.attempts import RETRIED, Attempts, is_transient
from dxf.transport.client_certificates import Cert
from dxf.transport.limited_body import limited
from dxf.transport.log_redaction import REQUESTED, filter_logs
from dxf.transport.proxies import Proxies
from dxf.transport.redaction import public_url, redact
from dxf.transport.response_body import close, discard, read_body
from dxf.transport.responses import effective_status, expect
from dxf.transport.urls import MALFORMED_URL, NORMAL_URL, resolve
from dxf.version import VERSION

USER_AGENT = f'python-dxf/{VERSION}'
CONNECTIONS = 10
HEADERS = {'User-Agent': USER_AGENT, 'Accept-Encoding': 'identity'}
"""What every request says, by whatever session it goes.

A blob is its bytes: a compressed transfer would have to be undone before they could be verified.
"""

REDIRECTS = (301, 302, 303, 307, 308)
METHOD_KEPT = (307, 308)
"""Redirects that keep the method by definition: https://www.rfc-editor.org/rfc/rfc9110#section-15.4."""

SECRET_HEADERS = ('Authorization', 'Proxy-Authorization')

MAX_REMEMBERED = 64
"""Origins whose proxies are remembered: the registry, its token server, and storage."""

_log = logging.getLogger('dxf')

_NUMBER = r'(?a)[0-9]{1,20}'


class _NoCookies(RequestsCookieJar):
    """Keeps no cookie that a server sets: Harbor's turn later calls into a browser's, which need a CSRF token."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Do nothing."""


class _Request(PreparedRequest):
    """A request that takes less effort to prepare: it carries no cookies, and most of its URLs need no change."""

    def prepare_url(self, url: Any, params: Any) -> None:
        """Take a URL as it is if requests would not change it, else as requests does."""
        if params or NORMAL_URL.fullmatch(url) is None:
            super().prepare_url(url, params)
        else:
            self.url = url

    def prepare_cookies(self, cookies: Any) -> None:
        """Do nothing: requests makes two jars to find out that no cookie is sent."""


class GivenAuth(AuthBase):
    """The Authorization header of one request, as it is given, or none; never what requests finds in ``~/.netrc``.

    :param authorization: value of the header, ``None`` for an anonymous request
    """

    def __init__(self, authorization: str | None) -> None:
        self._authorization = authorization

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        if self._authorization is not None:
            r.headers['Authorization'] = self._authorization
        return r


class EnvironmentProxies:
    """The proxies that this process's environment names, as requests reads them, remembered for each origin.

    To read them takes a sixth of the time of a small request. They are read again when a variable that counts has
    changed.
    """

    def __init__(self) -> None:
        self._remembered: tuple[tuple[object, ...], dict[str, dict[str, str]]] = ((), {})
        """The variables, and what they mean for each origin: one object, as other threads may replace it."""

    def of(self, url: str) -> dict[str, str]:
        """Return the proxies for a URL, by scheme."""
        if sys.platform in ('darwin', 'win32'):  # the settings of the system count, too
            return get_environ_proxies(url)
        # Python takes the names in upper, lower and mixed case. HTTP_PROXY does not count in a CGI program.
        # https://docs.python.org/3/library/urllib.request.html#urllib.request.getproxies
        variables = tuple((name, os.environ.get(name)) for name in os.environ
                          if name[-6:].lower() == '_proxy' or name == 'REQUEST_METHOD')
        known, found = self._remembered
        if variables != known or len(found) > MAX_REMEMBERED:
            self._remembered = variables, (found := {})
        scheme, _, rest = url.partition('://')
        origin = f'{scheme}://{rest.partition("/")[0]}'
        if origin not in found:
            found[origin] = get_environ_proxies(origin)
        return found[origin]


class RegistrySession(Session):
    """A session with the policies of a registry client."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies = _NoCookies(DefaultCookiePolicy(allowed_domains=()))
        self._environment = EnvironmentProxies()
        # Applications may log what urllib3 does. Upload sessions and storage services keep secrets in queries.
        filter_logs()
        for scheme in ('http://', 'https://'):
            self.mount(scheme, Adapter(pool_maxsize=CONNECTIONS))

    def prepare_request(self, request: Request) -> PreparedRequest:
        """Return a request with the headers of the session, as requests does, with less effort."""
        if self.params or self.auth or self.hooks['response'] or request.cookies or not request.auth:
            return super().prepare_request(request)  # settings of a program
        headers: CaseInsensitiveDict[Any] = CaseInsensitiveDict(self.headers)
        headers.update(request.headers)
        prepared = _Request()
        prepared.prepare(method=request.method, url=request.url, files=request.files, data=request.data,
                         json=request.json, params=request.params, auth=request.auth, hooks=request.hooks,
                         headers={name: value for name, value in headers.items() if value is not None})
        return prepared

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return the settings of a request, with the proxies of the environment, as requests does."""
        if self.proxies or not self.trust_env or proxies and 'no_proxy' in proxies:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        if verify is True or verify is None:
            verify = os.environ.get('REQUESTS_CA_BUNDLE') or os.environ.get('CURL_CA_BUNDLE') or verify
        return {'proxies': {**self._environment.of(url), **(proxies or {})},
                'stream': self.stream if stream is None else stream,
                'verify': self.verify if verify is None else verify,
                'cert': self.cert if cert is None else cert}

    def get_redirect_target(self, resp: Response) -> None:
        """Return no target, ever: requests would read the whole body of a redirect, even one it need not follow."""


class Route(NamedTuple):
    """How requests reach servers: by which proxies, and which of the servers see the client certificate.

    :param covers: returns whether a URL is the registry's own
    """

    covers: Callable[[str], bool]
    cert: Cert | None = None
    proxies: Proxies | None = None

    def options(self, url: str) -> dict[str, Any]:
        """Return what ``requests`` is to be told for a URL. No other server than the registry sees the certificate."""
        options: dict[str, Any] = {}
        if self.cert is not None and url.startswith('https:') and self.covers(url):
            options['cert'] = self.cert
        if self.proxies is not None:
            # An empty address wins over those of the process.
            options['proxies'] = {url.partition(':')[0]: self.proxies.of(url)}
        return options


def send(session: Session, method: str, url: str, limits: Limits, route: Route, **kwargs: Any) -> Response:
    """Send a request, again where that may help, and follow redirects.

    The body of the response is not read yet. ``kwargs`` are those of ``requests.Session.request``;
    ``auth`` must be among them, or requests would look for a credential in ``~/.netrc``.

    :return: the last response, whatever its status
    :raises requests.exceptions.RequestException: there is no response
    :raises DXFProtocolError: a redirect that dxf does not follow
    """
    attempts = Attempts()
    outer = sys.exc_info()[1]
    body = kwargs.get('data')
    # A PATCH sent twice would append its part twice. A body that was read once (a file, a generator) is empty now.
    # https://github.com/GoogleContainerTools/jib/issues/4526
    repeatable = method.lower() != 'patch' and (body is None or isinstance(body, bytes))
    while True:
        try:
            response = _follow(session, method, url, limits, route, **kwargs)
        except RequestException as error:
            redact(error, outer)
            _forget_secrets(error.request)
            if not (isinstance(error, (NoConnection, Timeout)) and repeatable and is_transient(error) and
                    attempts.again(limits, error=error)):
                raise
        else:
            if not (repeatable and _asks_for_another(response, limits) and attempts.again(limits, response)):
                return response
            discard(response, limits)


def _asks_for_another(response: Response, limits: Limits) -> bool:
    """Return whether another attempt may help; the body of a 403 is read for that, and stays readable."""
    if response.status_code != HTTPStatus.FORBIDDEN:
        return response.status_code in RETRIED
    return effective_status(response, discard(response, limits)) in RETRIED


def _follow(session: Session, method: str, url: str, limits: Limits, route: Route, **kwargs: Any) -> Response:
    """Send a request and follow redirects: each keeps its method and its body, or is an error.

    A 302 of a PUT would become a GET by custom, and the login page that it leads to a success.
    """
    seen: set[str] = set()
    history: list[Response] = []
    while True:
        begun = time.monotonic()
        options = {**route.options(url), **kwargs}
        if limits.rate is not None:
            options['data'] = limited(kwargs.get('data'), limits.rate)
        response = _request(session, method, url, options)
        _forget_secrets(response.request)
        response.url = response.url or url  # a transport need not say
        _note(method, response, kwargs.get('data'), begun)
        location = response.headers.get('Location')
        if response.status_code not in REDIRECTS or location is None:
            response.history = history or response.history
            return response
        discard(response, limits)
        if len(history) == limits.redirects or \
                method.lower() not in ('get', 'head') and response.status_code not in METHOD_KEPT:
            raise DXFProtocolError(f'the registry redirects a {method.upper()}, which dxf does not follow')
        seen |= {url, response.url}  # requests writes some characters in another way
        url = resolve(response, location)
        if url in seen:
            raise DXFProtocolError('the registry redirects in circles')
        rewind(kwargs.get('data'))
        kwargs.pop('params', None)
        history.append(response)


def _request(session: Session, method: str, url: str, options: Mapping[str, Any]) -> Response:
    """Send one request, and return the final response to it.

    :raises DXFProtocolError: the URL, which a server may have sent, has no host that could be looked up; or an interim
        response is all that comes, as by 101, or by a session of the caller's: the next one would be out of step
    """
    response: Response | None = None
    REQUESTED.url = url
    try:
        response = session.request(method, url, **{**options, 'stream': True, 'allow_redirects': False})
    except InvalidProxyURL:
        raise
    except (InvalidURL, LocationValueError):
        pass  # their texts quote the URL
    finally:
        REQUESTED.url = None
    if response is None:
        raise DXFProtocolError(MALFORMED_URL)
    if response.status_code < HTTPStatus.OK:
        close(response)
        raise DXFProtocolError(f'the server sent {response.status_code}, which is no final response')
    return response


def _note(method: str, response: Response, body: Any, begun: float) -> None:
    """Log a request and its response, without what is secret: of the URL host and path, of the headers the length."""
    if _log.isEnabledFor(logging.DEBUG):
        sent = len(body) if hasattr(body, '__len__') else getattr(body, 'len', '-') if body is not None else 0
        length = response.headers.get('Content-Length', '-')
        # A server may repeat the query in place of a number, and the query may hold a secret.
        to_come = length if length == '-' or re.fullmatch(_NUMBER, length) else '?'
        _log.debug('%s %s %s, %s bytes sent, %s to come, %.3f s', method.upper(), public_url(response.url),
                   response.status_code, sent, to_come, time.monotonic() - begun)


def _forget_secrets(request: Any) -> None:
    """Remove the credential from a request that was sent.

    Responses and errors keep their request. To pickle or store one (``multiprocessing`` pickles errors) would store the
    credential too. The body of a request for a token may be one as well.
    """
    if isinstance(request, PreparedRequest):
        request.body = None
        for name in SECRET_HEADERS:
            request.headers.pop(name, None)


def fetch_whole(request: Callable[[], Response], limit: int, limits: Limits) -> tuple[bytes, Response]:
    """Make a request whose response fits into memory, again where that breaks off; return its body, and the response.

    :param limit: bytes; more is an error
    """
    attempts = Attempts()
    while True:
        response = request()
        expect(response, HTTPStatus.OK)
        try:
            return read_body(response, limit, limits), response
        except RequestException as error:
            if not is_transient(error) or not attempts.again(limits, error=error):
                raise


def rewind(body: Any) -> None:
    """Take a request's body back to its start, so that the request can be sent again.

    :raises DXFSourceError: it can be read only once
    """
    if body is None or isinstance(body, (bytes, str)):
        return
    again = getattr(body, 'rewind', None)
    if again is None:
        raise DXFSourceError('the registry asked for the body of a request again, but its source cannot be read twice')
    again()
