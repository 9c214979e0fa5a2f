"""Downloads: a blob as a stream that resumes where it broke, and is verified before it ends.

Authentication is not known here: a download is handed what asks for the rest of a blob.
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from requests import Response
from requests.exceptions import RequestException

from dxf.answers import close, is_encoded, pieces
from dxf.exceptions import DXFDigestMismatchError, DXFProtocolError, DXFSizeMismatchError
from dxf.limits import READ_SIZE, Limits
from dxf.names import digest_of
from dxf.session import Attempts, is_transient

CHUNK_SIZE = 8192
REFILL = 1 << 20
"""Bytes of progress after which a download may break as often again."""

_CONTENT_RANGE = re.compile(r'bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)', re.ASCII)


def declared_size(response: Response) -> int | None:
    """Return the bytes that an answer says its body has, or ``None`` where it does not say."""
    value = response.headers.get('Content-Length', '')
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


class Download:
    """One blob on its way.

    :param response: the answer that carries the blob from its beginning
    :param digest: the blob's
    :param size: the blob's, in bytes; ``None`` where the registry does not tell
    :param rest: asks for the blob from a byte on: called with 5, sends ``Range: bytes=5-``
    """

    def __init__(self, response: Response, digest: str, size: int | None, rest: Callable[[int], Response],
                 limits: Limits) -> None:
        self._response = response
        self._digest = digest
        self._size = size
        self._rest = rest
        self._limits = limits
        self._received = 0
        self._sha256: Any = None

    def chunks(self, chunk_size: int) -> Iterator[bytes]:
        """Yield the blob in chunks, the last one only when size and digest are right.

        :param chunk_size: bytes of every chunk but the last
        :raises DXFDigestMismatchError: the registry sent something else
        :raises DXFSizeMismatchError: it sent more or less than it declared
        :raises requests.exceptions.RequestException: the connection broke, and resuming did not help
        """
        try:
            yield from held_back(self._checked(), chunk_size)
        finally:
            close(self._response)

    def _checked(self) -> Iterator[bytes]:
        """Yield the blob as it arrives, and raise at its end if it is not what it should be."""
        self._sha256 = hashlib.sha256()
        for piece in self._decoded() if self._is_encoded() else self._resumed():
            self._sha256.update(piece)
            self._received += len(piece)
            if self._size is not None and self._received > self._size:
                break
            yield piece
        if self._size is not None and self._received != self._size:
            raise DXFSizeMismatchError(self._received, self._size)
        if digest_of(self._sha256) != self._digest:
            raise DXFDigestMismatchError(digest_of(self._sha256), self._digest)

    def _is_encoded(self) -> bool:
        """Say whether the body has to be decoded.

        One that is as long as the blob is the blob: a stored ``.gz`` that something on the way mislabels.
        """
        return is_encoded(self._response) and (self._size is None or declared_size(self._response) != self._size)

    def _decoded(self) -> Iterator[bytes]:
        """Yield a body that was compressed although that was not asked for; it cannot be resumed."""
        if self._response.headers['Content-Encoding'].strip().lower() not in ('gzip', 'x-gzip'):
            raise DXFProtocolError('the registry sent a blob in an encoding that dxf does not read')
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            for piece in pieces(self._response, self._limits):
                while piece:
                    yield decoder.decompress(piece, READ_SIZE)
                    piece = decoder.unconsumed_tail
            yield decoder.flush()
        except zlib.error:
            raise DXFProtocolError('the registry sent a blob whose gzip encoding is broken') from None

    def _resumed(self) -> Iterator[bytes]:
        """Yield the body, and where the connection breaks, what follows from another.

        When a piece is asked for, all that were yielded before have been hashed and counted.
        """
        attempts, start = Attempts(self._limits), 0
        stream = pieces(self._response, self._limits)
        while True:
            broken: RequestException | None = None
            try:
                yield from stream
            except RequestException as error:
                broken = error
            # a closed connection may end a body early without an error
            if broken is None and (self._size is None or self._received > self._size) or self._received == self._size:
                return
            if self._received - start >= REFILL:
                attempts, start = Attempts(self._limits), self._received
            if broken is not None and not is_transient(broken) or not attempts.again():
                raise broken or DXFSizeMismatchError(self._received, self._size)
            stream = self._following()

    def _following(self) -> Iterator[bytes]:
        """Return what follows the bytes that have been received."""
        close(self._response)
        self._response = response = self._rest(self._received)
        if is_encoded(response):
            raise DXFProtocolError('the registry compressed the rest of a blob, which was not asked for')
        stream = pieces(response, self._limits)
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            self._check_range(response, self._received)
        elif self._received:
            stream = _without_start(stream, self._received, digest_of(self._sha256))
        return stream

    def _check_range(self, response: Response, start: int) -> None:
        """Insist on exactly the range asked for (https://www.rfc-editor.org/rfc/rfc9110#section-14.4)."""
        match = _CONTENT_RANGE.fullmatch(response.headers.get('Content-Range', ''))
        if match is None or int(match[1]) != start or self._size is not None and (
                int(match[2]) != self._size - 1 or match[3] not in ('*', str(self._size))):
            raise DXFProtocolError('the registry sent another range of the blob than was asked for')


def _without_start(stream: Iterator[bytes], start: int, digest: str) -> Iterator[bytes]:
    """Yield what follows the first ``start`` bytes, which have been seen and must be the same again."""
    sha256 = hashlib.sha256()
    left = start
    for piece in stream:
        known, rest = piece[:left], piece[left:]
        if left:
            sha256.update(known)
            left -= len(known)
            if not left and digest_of(sha256) != digest:
                raise DXFDigestMismatchError(digest_of(sha256), digest)
        if rest:
            yield rest


def held_back(stream: Iterable[bytes], chunk_size: int) -> Iterator[bytes]:
    """Cut a stream into chunks of exactly ``chunk_size`` bytes, and hold the last one back until the stream has ended.

    A stream that raises at its end has then yielded fewer bytes than it holds.
    """
    rest = b''
    for piece in stream:
        rest = rest + piece if rest else piece
        whole = (len(rest) - 1) // chunk_size * chunk_size
        for start in range(0, whole, chunk_size):
            yield rest[start:start + chunk_size]
        rest = rest[whole:]
    if rest:
        yield rest
