"""Connections: urllib3's, with time limits and bounds, by the proxies of the environment.

* A response that arrives slower than ``STALL_BYTES`` per timeout counts as stalled, in headers, chunk sizes and body
  alike. The timeout of a socket starts anew with each byte, so one byte a second would never end.
* All that is not body (interim responses, headers, chunk sizes, trailers) is bounded.
* A request's body may take any time, while some of it is sent. urllib3 would give the first body on a connection the
  time limit of connecting, for a whole piece.
* The escapes in an address stay as they are.

The same rules hold behind a proxy. A proxy's own response is bounded, and no text has its password.
"""

import io
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPResponse
from ssl import SSLEOFError
from typing import Any, NoReturn
from urllib.parse import unquote

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ProxyError

from dxf.exceptions import DXFProtocolError
from dxf.limits import Limits
from dxf.transport.log_redaction import REQUESTED
from dxf.transport.proxies import check_proxy, credential_of

STALL_BYTES = Limits().stall_bytes

SLICE = 256 << 10
"""Bytes that a socket is given at a time."""

LINE = 64 << 10
"""Bytes of a line to read at a time."""

MAX_PROXY_RESPONSE_LENGTH = 64 << 10
"""Maximum size of a proxy's response to CONNECT, in bytes."""

MAX_FRAMING = 256 << 10
"""Bytes of a response that are not its body: status lines, headers, sizes of chunks, trailers.

A real registry sends a few thousand. http.client alone would take 6 MiB of headers, and trailers without end.
"""

FRAMING_CREDIT = 8
"""How many more such bytes each byte of the body allows: a chunk of one byte brings at least three."""

MAX_INTERIM = 100
"""Interim responses before the final one: a server may send 102 (Processing) as long as it is busy."""


_REFUSED = 'Tunnel connection failed: '
"""How http.client begins to say that a proxy refuses a CONNECT; its status comes next."""


def status_of_proxy(error: BaseException) -> int | None:
    """Return the status with which a proxy refused to go on, if an error is about that."""
    status = str(error).partition(_REFUSED)[2][:3] if isinstance(error, OSError) else ''
    return int(status) if status.isascii() and status.isdigit() else None


_TARGET = re.compile(r'/[\x21-\x7e]*', re.ASCII)


def _verbatim(url: str) -> str:
    """Return what to ask a server for in place of a URL that was normalized: it keeps the escapes that dxf has.

    requests and urllib3 normalize them, which may break the signature of a registry's address.
    """
    target = '/' + (REQUESTED.url or '').partition('://')[2].partition('/')[2].partition('#')[0]
    wanted = _origin_in(url) + (target if _TARGET.fullmatch(target) else '')
    return wanted if wanted == url or unquote(wanted) == unquote(url) else url


class _StallGuard(io.RawIOBase):
    """Reads one response from its socket, and raises where it stalls or is too long.

    :param timeout: seconds that the socket waits for a byte; ``None`` for no limit
    :param most: maximum size of the response, in bytes
    """

    def __init__(self, raw: io.RawIOBase, timeout: float | None, most: float) -> None:
        super().__init__()
        self._most = most
        self._raw = raw
        self._timeout = timeout
        self._waited = 0.0
        self._arrived = 0
        self.total = 0
        """Bytes that have arrived."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """Read what has arrived.

        :raises TimeoutError: fewer than ``STALL_BYTES`` arrived within the timeout
        :raises OSError: the response is larger than ``most``
        """
        start = time.monotonic()
        count = self._raw.readinto(buffer)
        self._waited += time.monotonic() - start
        self._arrived += count or 0
        self.total += count or 0
        self._most -= count or 0
        if self._most < 0:
            raise OSError('the answer is too long')
        if self._arrived >= STALL_BYTES:
            self._waited, self._arrived = 0.0, 0
        elif count and self._timeout is not None and self._waited > self._timeout:
            raise TimeoutError('timed out')
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Lines(io.BufferedReader):
    """The bytes of one response, with a bound on those that are not its body.

    http.client and urllib3 read everything by lines but the body, and some of that to an end that may never come:
    interim responses, trailers, many chunks with long extensions.
    """

    def __init__(self, raw: _StallGuard) -> None:
        super().__init__(raw)
        self._guard = raw
        self._framing = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line that is not part of the body.

        :raises DXFProtocolError: there are too many such bytes
        """
        line = super().readline(size)
        self._framing += len(line)
        if self._framing > MAX_FRAMING + FRAMING_CREDIT * (self._guard.total - self._framing):
            raise DXFProtocolError(f'the server sent more than {MAX_FRAMING} bytes of headers, chunk sizes or '
                                   'trailers: dxf does not read on')
        return line


class _Answer(HTTPResponse):
    most = float('inf')

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = _Lines(_StallGuard(self.fp.detach(), sock.gettimeout(), self.most))

    def _read_status(self) -> tuple[str, int, str]:
        """Read the status line of the final response; skip interim ones, with their headers.

        http.client skips 100 alone, and takes 103 (Early Hints) for the final response:
        https://www.rfc-editor.org/rfc/rfc9110#section-15.2. 101 is final: dxf never asks to switch protocols.
        """
        read_status = getattr(super(), '_read_status')
        for _ in range(MAX_INTERIM + 1):
            line: tuple[str, int, str] = read_status()
            if line[1] >= HTTPStatus.OK or line[1] == HTTPStatus.SWITCHING_PROTOCOLS:
                return line
            while self.fp.readline(LINE) not in (b'\r\n', b'\n', b''):
                pass
        self._refuse(f'the server sent more than {MAX_INTERIM} interim responses and no final one')

    def _refuse(self, text: str) -> NoReturn:
        raise DXFProtocolError(text)


class _ProxyResponse(_Answer):
    """A proxy's response to CONNECT, with a bound: http.client reads its headers to an end that may never come."""

    most = MAX_PROXY_RESPONSE_LENGTH

    def _refuse(self, text: str) -> NoReturn:
        raise OSError(text)  # which urllib3 takes for the proxy's fault


class _SlowBodyConnection(HTTPConnection):
    """A connection that uses the read timeout while it sends a body too."""

    response_class = _Answer
    idle: float | None = None
    """Maximum seconds without sending a byte; ``None`` for no limit."""

    def connect(self) -> None:
        """Connect within the connect timeout, and set the read timeout."""
        super().connect()
        self.sock.settimeout(self.idle)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        """Begin a request with the read timeout: on a kept connection urllib3 has just set the connect timeout."""
        if self.sock is not None:
            self.sock.settimeout(self.idle)
        super().putrequest(*args, **kwargs)

    def _tunnel(self) -> None:
        self.response_class = _ProxyResponse
        refused: int | None = None
        try:
            super()._tunnel()
        except BaseException as error:
            self.close()  # so that urllib3 takes it for the proxy's fault, whichever it is
            refused = status_of_proxy(error)
            if refused is None:
                raise
        finally:
            self.response_class = _Answer
        if refused is not None:
            raise OSError(f'{_REFUSED}{refused}')  # without the proxy's own words

    def send(self, data: Any) -> None:
        """Send bytes, each slice of them within ``idle``.

        :raises BrokenPipeError: the server closed the connection; its response may tell why
        """
        view = memoryview(data)
        try:
            for start in range(0, len(view), SLICE):
                super().send(view[start:start + SLICE])
        except SSLEOFError as error:  # the same in the words of TLS, which urllib3 does not understand
            raise BrokenPipeError from error


class _SecureSlowBodyConnection(_SlowBodyConnection, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    """A pool of such connections."""

    ConnectionCls = _SlowBodyConnection

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        conn.idle = kwargs['timeout'].read_timeout
        response = super()._make_request(conn, method, _verbatim(url), *args, **kwargs)
        if conn.proxy_is_forwarding and _is_of_proxy(response.status, response.headers):
            response.close()
            # As it would be for a tunnel.
            raise ProxyError('the proxy refuses', OSError(f'{_REFUSED}{response.status}'))
        return response

    def _put_conn(self, conn: Any) -> None:
        """Take a connection back; one to a proxy that forwards is not used again.

        tinyproxy closes it after a response that does not say so, and may do that under the next request.
        """
        if conn is not None and conn.proxy_is_forwarding:
            conn.close()
        super()._put_conn(conn)


def _is_of_proxy(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether a response to a forwarded request is the proxy's own demand for another user.

    tinyproxy says 401 for 407 where the password is wrong; a response that a proxy forwards has a Via, and a registry's
    a header of its own.
    """
    return status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED or status == HTTPStatus.UNAUTHORIZED and not (
        'Via' in headers or 'Docker-Distribution-Api-Version' in headers)


def _origin_in(url: str) -> str:
    """Return what stands before the path in the URL that a proxy is asked for; nothing where a server is asked."""
    scheme, found, rest = url.partition('://')
    return '' if url.startswith('/') or not found else f'{scheme}://{rest.partition("/")[0]}'


class _SecurePool(_Pool, HTTPSConnectionPool):
    """The same with TLS."""

    ConnectionCls = _SecureSlowBodyConnection


class Adapter(HTTPAdapter):
    """requests' transport over such connections, by a proxy or without."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of connections by way of a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return what tells a proxy who asks, in UTF-8: https://www.rfc-editor.org/rfc/rfc7617#section-2.1."""
        credential = credential_of(proxy)
        if credential is None:
            return {}
        value = ':'.join(credential).encode('utf-8', 'surrogateescape')
        return {'Proxy-Authorization': 'Basic ' + b64encode(value).decode('ascii')}

    def get_connection_with_tls_context(self, request: PreparedRequest, verify: Any, proxies: Any = None,
                                        cert: Any = None) -> Any:
        """Return the pool for a request.

        :raises DXFInvalidNameError: the proxy's address is not valid; requests' own error would show its password
        """
        url = str(request.url)
        proxy = select_proxy(url, proxies) if proxies else None
        if proxy:
            # urllib3 takes the name in name:3128 for a scheme.
            proxies = {url.partition(':')[0]: check_proxy(proxy)}
        return super().get_connection_with_tls_context(request, verify, proxies, cert)


_POOLS = {'http': _Pool, 'https': _SecurePool}
