"""Bodies of responses: how long they are, their bytes as they arrive, undecoded, or the whole of one within a limit.

``responses`` says what a response means.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPResponse
from io import BytesIO
from typing import Any

from requests import Response
from requests.exceptions import ChunkedEncodingError, ReadTimeout, RequestException
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import ReadTimeoutError

from dxf.exceptions import DXFError, DXFProtocolError
from dxf.forking import Process
from dxf.limits import PATIENCE, READ_SIZE, RECEIVE_SIZE, Limits
from dxf.transport.redaction import redact

# 19 digits hold every size of 63 bits. int() raises ValueError for thousands of digits:
# https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
_FIRST_OF = r'(?a)bytes 0-0/([0-9]{1,19})'


def pieces(response: Response, limits: Limits, process: int | None = None) -> Iterator[bytes]:
    """Yield the body of a response as it arrives, undecoded.

    A timeout of the socket never fires on one byte a second; such a body ends here, by whatever session it came.

    :param process: the process that asked, by :class:`dxf.forking.Process`: what its child would read from the
        shared connection would be missing in the parent; ``None`` for this one
    :raises requests.exceptions.RequestException: the connection broke or stalled; too few bytes arrived
    """
    if response.raw is None:  # a transport that had read it already
        yield response.content
        return
    outer = sys.exc_info()[1]
    receive = _receiver(response.raw) if limits.rate is None else _small_receiver(response.raw, limits.rate.piece)
    process = Process.generation if process is None else process
    waited, arrived = 0.0, 0
    while True:
        # Parent and child share the socket. Each byte that one of them reads is missing in the other.
        if process != Process.generation:
            raise ChunkedEncodingError('the connection is in the parent process', response=response)
        start = time.monotonic()
        try:
            piece = receive()
        except (Urllib3Error, OSError) as error:
            raise _error_of_requests(error, response, outer) from error
        waited += time.monotonic() - start
        if not piece:
            return
        if limits.rate is not None:
            limits.rate.wait(len(piece))
        yield piece
        arrived += len(piece)
        if arrived >= limits.stall_bytes:
            waited, arrived = 0.0, 0
        elif waited >= limits.stall_seconds:
            raise ReadTimeout(f'fewer than {limits.stall_bytes} bytes in {waited:.0f} s', response=response)


def _error_of_requests(error: Exception, response: Response, outer: BaseException | None) -> RequestException:
    """Return what requests raises for an error of urllib3 or of a socket, without secrets.

    requests wraps them only in its own ``iter_content``. dxf does not use that: it decodes, and reads fixed sizes.
    """
    is_timeout = isinstance(error, (ReadTimeoutError, TimeoutError))
    wrapped = (ReadTimeout if is_timeout else ChunkedEncodingError)(error, response=response)
    redact(wrapped, outer)
    return wrapped


def _small_receiver(raw: Any, size: int) -> Callable[[], bytes]:
    """Return what receives at most so many bytes of a body at a time."""
    read = getattr(raw, 'read1', raw.read)
    return lambda: bytes(read(size))


def _receiver(raw: Any) -> Callable[[], bytes]:
    """Return what receives the next bytes of a body, and nothing at its end."""
    # read1 returns what has arrived. read would wait until its buffer is full, and drips would not be seen.
    read = getattr(raw, 'read1', raw.read)
    http = getattr(raw, '_fp', None)
    # Only a body of known length has its bytes on the connection as they are. Another one comes in chunks:
    # https://www.rfc-editor.org/rfc/rfc9112#section-7.1
    if isinstance(http, HTTPResponse) and http.length is not None and http.length > RECEIVE_SIZE and \
            not http.chunked and hasattr(http.fp, 'readinto1'):
        return _BufferedBody(raw, http, read).receive
    size = RECEIVE_SIZE if http is not None else READ_SIZE  # a file of a folder comes without a connection
    return _small_receiver(raw, size)


class _BufferedBody:
    """A body of known length that is received into one buffer, which is used again.

    ``read1`` asks the system for memory anew each time, and over TLS it brings one record, of at most 16 KiB. To pull
    1 GiB over TLS took 2.9 s so; it takes 1.1 s through such a buffer.

    :param raw: urllib3's response
    :param http: the response of ``http.client`` in it
    :param read: reads the body in the ordinary way
    """

    def __init__(self, raw: Any, http: HTTPResponse, read: Callable[[int], bytes]) -> None:
        self._raw = raw
        self._http = http
        self._read = read
        # A slice of it is no copy: the system writes the bytes to where they stay until they are handed out.
        self._buffer = memoryview(bytearray(min(READ_SIZE, http.length or 0)))
        self._size = min(RECEIVE_SIZE, len(self._buffer))
        self._error: OSError | None = None

    def receive(self) -> bytes:
        """Return the next bytes, a copy of their own: what arrives within a moment, or the buffer is full of."""
        filled = 0 if self._error is not None else self._fill(min(self._size, self._http.length or 0))
        if not filled and self._error is not None:
            self._raw.close()  # as urllib3 does after an error
            raise self._error
        self._size = min(2 * self._size, len(self._buffer))  # the first bytes leave soon, the others in large pieces
        if not filled:  # the end, or an early one: urllib3 tells them apart, and gives the connection back
            return bytes(self._read(RECEIVE_SIZE))
        # Both count what is to come. They would take the rest of the body for missing.
        self._http.length = (self._http.length or 0) - filled
        if self._raw.length_remaining is not None:
            self._raw.length_remaining -= filled
        return bytes(self._buffer[:filled])

    def _fill(self, size: int) -> int:
        """Receive into the buffer; return how many bytes."""
        filled, end = 0, time.monotonic() + PATIENCE
        while filled < size:
            try:
                count: int = self._http.fp.readinto1(self._buffer[filled:size])
            except OSError as error:
                self._error = error  # what came before it is handed out first
                break
            filled += count
            if not count or time.monotonic() > end:
                break
        return filled


def close(response: Response) -> None:
    """Close a response that is not read to its end."""
    if response.raw is not None:  # a transport had read it already
        response.close()


def is_encoded(response: Response) -> bool:
    """Return whether the body of a response is compressed, or encoded in another way, against our ``identity``."""
    return response.headers.get('Content-Encoding', 'identity').strip().lower() not in ('', 'identity')


def declared_size(response: Response) -> int | None:
    """Return the bytes that a response says its body has, or ``None`` where it does not say."""
    value = response.headers.get('Content-Length', '')
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def stated_size(response: Response) -> int | None:
    """Return the whole size of what a response carries; the response has all of it, or its first byte.

    :return: bytes; ``None`` where the response does not tell it, or its body is compressed
    """
    # The length is that of the compressed body: https://www.rfc-editor.org/rfc/rfc9110#section-8.6
    if is_encoded(response):
        return None
    # Content-Length is that of the range, Content-Range has the whole size:
    # https://www.rfc-editor.org/rfc/rfc9110#section-14.4
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        match = re.fullmatch(_FIRST_OF, response.headers.get('Content-Range', ''))
        return None if match is None else int(match[1])
    return declared_size(response)


def read_body(response: Response, limit: int, limits: Limits) -> bytes:
    """Read a whole response into memory, and leave it in ``response`` for callers who look there.

    :param limit: bytes; more is an error
    :raises DXFProtocolError: it is larger, or compressed although that was not asked for
    """
    # A small response could decompress to gigabytes, before a limit counts them.
    if is_encoded(response):
        close(response)
        raise DXFProtocolError('the registry compressed an answer, which was not asked for')
    body = bytearray()
    for piece in pieces(response, limits):
        body += piece
        if len(body) > limit:
            close(response)
            raise DXFProtocolError(f"the registry's answer is larger than {limit} bytes")
    # Callers of the library may read response.content or response.json() afterwards.
    response.raw = BytesIO(body)
    return bytes(body)


def discard(response: Response, limits: Limits) -> bytes:
    """Read a response to its end, so that its connection can be used again.

    :return: what could be read of it; never an error, as error bodies lie about their length
    """
    try:
        return read_body(response, limits.error, limits)
    # distribution 2.8 sends a 416 with a wrong Content-Length.
    except (DXFError, OSError):  # OSError: all that requests raises
        close(response)
        response.raw = BytesIO()
        return b''
