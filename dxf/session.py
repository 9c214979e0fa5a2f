"""Sessions: how dxf talks HTTP. Timeouts, attempts, redirects, limits; one :func:`send` for everything.

Whose credential a request carries is decided elsewhere (auth); what an answer means, too. requests keeps
the connections.
"""

import random
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from io import BytesIO
from typing import Any
from urllib.parse import urljoin, urlsplit

from requests import Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ConnectionError as NoConnection, ReadTimeout, SSLError, Timeout
from urllib3.exceptions import HTTPError as Urllib3Error, ReadTimeoutError

from dxf.auth import origin_of, split_url
from dxf.documents import load_object
from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFHTTPError, DXFProtocolError, DXFSourceError,
                            DXFUnauthorizedError, DXFUnexpectedStatusCodeError)
from dxf.version import VERSION

USER_AGENT = f'python-dxf/{VERSION}'
TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection, and for the next byte on it."""

READ_SIZE = 1 << 20
CONNECTIONS = 10
REDIRECTS = (301, 302, 303, 307, 308)
KEPT = (307, 308)
"""Redirects that keep the method by definition: https://www.rfc-editor.org/rfc/rfc9110#section-15.4."""

RETRIED = (408, 429, 500, 502, 503, 504)
MESSAGE_LENGTH = 200

_CONTROL = re.compile(r'[\x00-\x20\x7f-\x9f]')
_QUERY = re.compile(r'\?[^\s\'"<>]+')


@dataclass(frozen=True)
class Limits:
    """How often dxf tries, how long it waits (seconds) and how much it reads (bytes)."""

    retries: int = 4
    backoff: float = 0.5
    longest_backoff: float = 8
    longest_retry_after: float = 60
    longest_waiting: float = 300
    stall_seconds: float = 60
    stall_bytes: int = 16 << 10
    redirects: int = 5
    manifest: int = 4 << 20
    token: int = 128 << 10
    error: int = 64 << 10
    page: int = 4 << 20
    pages: int = 10_000


class RegistrySession(Session):
    """A session with the policies of a registry client."""

    def __init__(self) -> None:
        super().__init__()
        self.headers['User-Agent'] = USER_AGENT
        # A blob is its bytes: a compressed transfer would have to be undone before they could be verified.
        self.headers['Accept-Encoding'] = 'identity'
        # Harbor's session cookies turn later calls into a browser's, which need a CSRF token.
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ('http://', 'https://'):
            self.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))

    def get_redirect_target(self, resp: Response) -> None:
        """Return no target, ever: requests would read the whole body of a redirect, even one it need not follow."""


def send(session: Session, method: str, url: str, limits: Limits, **kwargs: Any) -> Response:
    """Send a request, again where that may help, and follow redirects.

    The body of the answer is not read yet. ``kwargs`` are those of ``requests.Session.request``;
    ``auth`` must be among them, or requests would look for a credential in ``~/.netrc``.

    :return: the last answer, whatever its status
    :raises requests.exceptions.RequestException: there is no answer
    :raises DXFProtocolError: a redirect that dxf does not follow
    """
    attempts = Attempts(limits)
    body = kwargs.get('data')
    # A part that was sent once must not be appended to an upload a second time, and a generator is empty by then.
    repeatable = method.lower() != 'patch' and (body is None or isinstance(body, bytes))
    while True:
        try:
            response = _follow(session, method, url, limits, **kwargs)
        except (NoConnection, Timeout) as error:
            _redact(error)
            if not (repeatable and is_transient(error) and attempts.next()):
                raise
        else:
            if response.status_code not in RETRIED or not repeatable or not attempts.next(response):
                return response
            discard(response, limits)


def _follow(session: Session, method: str, url: str, limits: Limits, **kwargs: Any) -> Response:
    """Send a request and follow redirects: each keeps its method and its body, or is an error.

    A 302 of a PUT would become a GET by custom, and the login page that it leads to a success.
    """
    seen: set[str] = set()
    while True:
        response = session.request(method, url, **{**kwargs, 'stream': True, 'allow_redirects': False})
        response.url = response.url or url  # a transport need not say
        location = response.headers.get('Location')
        if response.status_code not in REDIRECTS or location is None:
            return response
        discard(response, limits)
        if len(seen) == limits.redirects or method.lower() not in ('get', 'head') and response.status_code not in KEPT:
            raise DXFProtocolError(f'the registry redirects a {method.upper()}, which dxf does not follow')
        seen.add(response.url)
        url = resolve(response, location)
        if url in seen:
            raise DXFProtocolError('the registry redirects in circles')
        rewind(kwargs.get('data'))
        kwargs.pop('params', None)


def resolve(response: Response, location: str) -> str:
    """Return the URL that a Location or Link of ``response`` names.

    :raises DXFProtocolError: it leads from https to http, or is no address to follow
    """
    if _CONTROL.search(location):  # urljoin would drop some silently
        raise DXFProtocolError('the registry sent an address that dxf does not follow')
    try:
        url = urljoin(response.url, location)
    except ValueError:
        raise DXFProtocolError('the registry sent an address that dxf does not follow') from None
    if split_url(url).scheme == 'http' and origin_of(response.url)[0] == 'https':
        raise DXFProtocolError('the registry redirects from https to http: dxf does not follow that')
    return url


class Attempts:
    """Counts the attempts at one thing, and sleeps between them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._attempts = 0
        self._waited = 0.0

    def next(self, response: Response | None = None) -> bool:
        """Sleep before another attempt; say no where there is none left.

        :param response: an answer that may ask for a pause by Retry-After
        """
        limits = self._limits
        if self._attempts >= limits.retries:
            return False
        pause = min(limits.backoff * 2 ** self._attempts, limits.longest_backoff) * random.uniform(0.5, 1)
        if response is not None:
            asked = retry_after(response.headers.get('Retry-After'))
            pause = max(pause, min(asked or 0, limits.longest_retry_after))
        if self._waited + pause > limits.longest_waiting:
            return False
        self._attempts += 1
        self._waited += pause
        time.sleep(pause)
        return True


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, given in seconds or as a date; ``None`` if neither.

    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it, through the wrappings of requests and urllib3."""
    pending: list[Any] = [error]
    seen = set()
    while pending:
        one = pending.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [one.__context__, one.__cause__, getattr(one, 'reason', None), *one.args]


def _redact(error: BaseException) -> None:
    """Take the queries of URLs out of the texts of an error: uploads and storage services keep secrets there."""
    for cause in causes(error):
        cause.args = tuple(_QUERY.sub('?...', arg) if isinstance(arg, str) else arg for arg in cause.args)


def is_transient(error: BaseException) -> bool:
    """Say whether an attempt that failed without an answer may be worth another.

    Not where a certificate is wrong, nor where a name does not exist.
    """
    for cause in causes(error):
        if isinstance(cause, SSLError):
            return False
        if isinstance(cause, socket.gaierror):
            return cause.errno == socket.EAI_AGAIN
    return True


def is_encoded(response: Response) -> bool:
    """Say whether the body of an answer was compressed or the like, although ``identity`` was asked for."""
    return response.headers.get('Content-Encoding', 'identity').strip().lower() not in ('', 'identity')


def pieces(response: Response, limits: Limits) -> Iterator[bytes]:
    """Yield the body of an answer as it arrives, undecoded.

    A timeout of the socket never fires on one byte a second; here such a stream ends too.

    :raises requests.exceptions.RequestException: the connection broke or stalled; too few bytes arrived
    """
    if response.raw is None:  # a transport that had read it already
        yield response.content
        return
    read = getattr(response.raw, 'read1', response.raw.read)
    waited, arrived = 0.0, 0
    try:
        while True:
            start = time.monotonic()
            piece = read(READ_SIZE)
            waited += time.monotonic() - start
            if not piece:
                return
            yield piece
            arrived += len(piece)
            if arrived >= limits.stall_bytes:
                waited, arrived = 0.0, 0
            elif waited >= limits.stall_seconds:
                raise ReadTimeout(f'fewer than {limits.stall_bytes} bytes in {waited:.0f} s', response=response)
    except ReadTimeoutError as error:
        raise ReadTimeout(error, response=response) from error
    except (Urllib3Error, OSError) as error:
        raise ChunkedEncodingError(error, response=response) from error


def read_body(response: Response, limit: int, limits: Limits) -> bytes:
    """Read a whole answer into memory, and leave it in ``response`` for callers who look there.

    :param limit: bytes; more is an error
    :raises DXFProtocolError: it is larger, or compressed although that was not asked for
    """
    if is_encoded(response):
        response.close()
        raise DXFProtocolError('the registry compressed an answer, which was not asked for')
    body = bytearray()
    for piece in pieces(response, limits):
        body += piece
        if len(body) > limit:
            response.close()
            raise DXFProtocolError(f"the registry's answer is larger than {limit} bytes")
    response.raw = BytesIO(body)
    return bytes(body)


def discard(response: Response, limits: Limits) -> bytes:
    """Read an answer that nobody waits for, so that its connection can be used again.

    :return: what could be read of it; never an error, as error bodies lie about their length
    """
    try:
        return read_body(response, limits.error, limits)
    except (DXFError, OSError):  # OSError: all that requests raises
        response.close()
        response.raw = BytesIO()
        return b''


def raise_for_status(response: Response, limits: Limits) -> None:
    """Raise the error that a refusing answer stands for.

    :raises DXFUnauthorizedError: 401
    :raises DXFHTTPError: any other status from 400 on; its text is the registry's own ``CODE: message``, and
        what was asked for, without the query: that may hold a secret
    """
    status = response.status_code
    if status < 400:
        return
    message = _message(discard(response, limits))
    if status == HTTPStatus.UNAUTHORIZED:
        raise DXFUnauthorizedError()
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = 'Error'
    _, _, name = urlsplit(response.url).path.partition('/v2/')
    raise DXFHTTPError(f'{status} {reason}' + (f': {message}' if message else '') + (f' ({name})' if name else ''),
                       response=response)


def error_codes(response: Response) -> tuple[str, ...]:
    """Return the codes in a refusal that :func:`raise_for_status` raised, such as ``('MANIFEST_UNKNOWN',)``."""
    return tuple(str(entry.get('code')) for entry in _errors(response.content))


def _errors(body: bytes) -> list[dict[str, Any]]:
    """https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes"""
    try:
        errors = load_object(body).get('errors')
    except DXFError:
        return []
    return [entry for entry in errors if isinstance(entry, dict)] if isinstance(errors, list) else []


def _message(body: bytes) -> str:
    messages = [': '.join(str(entry[key]) for key in ('code', 'message') if entry.get(key)) for entry in _errors(body)]
    return '; '.join(messages)[:MESSAGE_LENGTH]


def expect(response: Response, *statuses: int) -> None:
    """Insist that an answer has one of the statuses that its step knows.

    :raises DXFUnexpectedStatusCodeError: it has another
    """
    if response.status_code not in statuses:
        response.close()
        raise DXFUnexpectedStatusCodeError(response.status_code, statuses[0])


def check_digest_header(response: Response, digest: str) -> None:
    """Insist that Docker-Content-Digest, where it is sent and by sha256, agrees with the digest that we know.

    :raises DXFDigestMismatchError: it is another
    """
    header = response.headers.get('Docker-Content-Digest', '')
    if header.startswith('sha256:') and header != digest:
        response.close()
        raise DXFDigestMismatchError(header, digest)


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
