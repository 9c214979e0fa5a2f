"""Connections: urllib3's, with some rules more.

An answer that drips is a stalled one, wherever in it the drips fall: a socket's timeout starts anew with each byte, so
that one byte a second never ends, in a header or in the size of a chunk no more than in a body. A body may leave as
slowly as it likes, as long as some of it leaves: urllib3 would have the first one on a connection gone in the time that
connecting may take, a whole piece at a time. What urllib3 logs has no queries of URLs: uploads and storage services
keep secrets there. And the escapes in an address stay as they are.
"""

import io
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from ssl import SSLEOFError
from typing import Any
from urllib.parse import unquote

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from dxf.limits import Limits


STALL_BYTES = Limits().stall_bytes

SLICE = 256 << 10
"""Bytes that a socket is given at a time."""

_QUERY = re.compile(r'\?[^\s\'"<>]+')


def without_queries(value: Any) -> Any:
    """Return a text without the queries of the URLs in it, and anything else as it is."""
    return _QUERY.sub('?...', value) if isinstance(value, str) else value


class _NoQueries(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(map(without_queries, record.args))
        return True


for _logger in ('urllib3.connection', 'urllib3.connectionpool', 'urllib3.util.retry'):
    logging.getLogger(_logger).addFilter(_NoQueries())


_wanted = threading.local()

_TARGET = re.compile(r'/[\x21-\x7e]*', re.ASCII)


@contextmanager
def verbatim(url: str) -> Iterator[None]:
    """Have the request of a URL that this thread makes ask for it as it is written.

    requests and urllib3 would write its escapes in their own way; a registry that signs its addresses may mind.
    """
    target = '/' + url.partition('://')[2].partition('/')[2].partition('#')[0]
    if _TARGET.fullmatch(target):
        _wanted.target = target
    try:
        yield
    finally:
        _wanted.__dict__.clear()


class _Watched(io.RawIOBase):
    """The bytes of one answer, as they come from its socket.

    :param timeout: seconds that the socket waits for a byte; ``None`` for ever
    """

    def __init__(self, raw: io.RawIOBase, timeout: float | None) -> None:
        super().__init__()
        self._raw = raw
        self._timeout = timeout
        self._waited = 0.0
        self._arrived = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """Read what has arrived.

        :raises TimeoutError: in as many seconds as one byte may take, all of them together brought next to nothing
        """
        start = time.monotonic()
        count = self._raw.readinto(buffer)
        self._waited += time.monotonic() - start
        self._arrived += count or 0
        if self._arrived >= STALL_BYTES:
            self._waited, self._arrived = 0.0, 0
        elif count and self._timeout is not None and self._waited > self._timeout:
            raise TimeoutError('timed out')
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = io.BufferedReader(_Watched(self.fp.detach(), sock.gettimeout()))


class _Patience(HTTPConnection):
    """A connection whose bodies have the time of an answer."""

    response_class = _Answer
    idle: float | None = None
    """Seconds that nothing may leave; ``None`` for ever."""

    def connect(self) -> None:
        """Connect, in the time that connecting may take."""
        super().connect()
        self.sock.settimeout(self.idle)

    def send(self, data: Any) -> None:
        """Send bytes, each slice of them within ``idle``.

        :raises BrokenPipeError: nobody takes them any more; there may be an answer that tells why
        """
        view = memoryview(data)
        try:
            for start in range(0, len(view), SLICE):
                super().send(view[start:start + SLICE])
        except SSLEOFError as error:  # the same in the words of TLS, which urllib3 does not understand
            raise BrokenPipeError from error


class _SecurePatience(_Patience, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    """A pool of such connections."""

    ConnectionCls = _Patience

    def _make_request(self, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        conn.idle = kwargs['timeout'].read_timeout
        wanted = getattr(_wanted, 'target', url)
        return super()._make_request(conn, method, wanted if unquote(wanted) == unquote(url) else url, *args, **kwargs)


class _SecurePool(_Pool, HTTPSConnectionPool):
    """The same with TLS."""

    ConnectionCls = _SecurePatience


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


_POOLS = {'http': _Pool, 'https': _SecurePool}
