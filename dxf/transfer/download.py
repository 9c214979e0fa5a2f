"""Downloads: the bytes of a blob as they arrive, resumed where the connection broke.

They are not verified here: :mod:`dxf.transfer.verification` does that where they are handed out. Authentication is
not known here either: a download is handed what asks for the rest of a blob.
"""

import hashlib
import re
import time
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from http import HTTPStatus

from requests import Response
from requests.exceptions import HTTPError, RequestException

from dxf import forking
from dxf.exceptions import DXFDigestMismatchError, DXFError, DXFProtocolError, DXFSizeMismatchError
from dxf.limits import READ_SIZE, Limits
from dxf.names import digest_of
from dxf.transfer.parallel import Streams
from dxf.transfer.verification import Verifier
from dxf.transport.responses import close, is_encoded, is_range_refused, pieces
from dxf.transport.session import Attempts, is_transient

CHUNK_SIZE = 8192
SEGMENT = 2 << 20
"""Bytes that one connection of several is asked for at a time: no more than :class:`Streams` keeps of each."""

TRIAL_DIVISOR = 4
"""A quarter of the smallest blob that is worth several connections shows how fast one is."""

MIN_GAIN = 1.2
"""How much faster more connections must be."""

MAX_EMPTY = 1 << 20
"""Compressed bytes in a row that may decode to nothing."""

REFILL = 1 << 20
"""Bytes of progress after which a download may break as often again."""

Rest = Callable[[int, int | None], Response]

_CONTENT_RANGE = re.compile(r'bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)', re.ASCII)


def declared_size(response: Response) -> int | None:
    """Return the bytes that an answer says its body has, or ``None`` where it does not say."""
    value = response.headers.get('Content-Length', '')
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


class RateMeter:
    """A stream, and how fast it comes.

    ``arrived`` counts its bytes so far; what its reader does with them takes no time here.
    """

    def __init__(self, stream: Iterator[bytes]) -> None:
        self._stream = stream
        self._waited = 0.0
        self.arrived = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            start = time.monotonic()
            piece = next(self._stream, None)
            self._waited += time.monotonic() - start
            if piece is None:
                return
            self.arrived += len(piece)
            yield piece

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.arrived / max(self._waited, 1e-6)


class Download:
    """One blob on its way.

    :param size: the blob's, in bytes; ``None`` where the registry does not tell
    :param rest: asks for a stretch of the blob: called with 5 and 9, sends ``Range: bytes=5-8``; with 5 and ``None``,
        ``Range: bytes=5-``; with 0 and ``None``, no Range
    :param response: the answer that carries the blob from its beginning, if it was asked for
    :param start: bytes that are there already
    :param jobs: connections to use at most
    """

    def __init__(self, size: int | None, rest: Rest, limits: Limits, response: Response | None = None,
                 start: int = 0, jobs: int = 1) -> None:
        self._size = size
        self._rest = rest
        self._limits = limits
        self._response = response
        self._received = start
        self._jobs = jobs
        self._takes_ranges = True
        self._digest_so_far: Callable[[], str] | None = None
        self._process = forking.generation()

    def pieces(self, digest_so_far: Callable[[], str] | None = None) -> Generator[bytes, None, None]:
        """Yield the blob's bytes as they arrive, unverified.

        :param digest_so_far: returns the digest of all that was yielded; ``None`` where the reader lags behind
        :raises requests.exceptions.RequestException: the connection broke, and resuming did not help
        """
        self._digest_so_far = digest_so_far
        try:
            for piece in self._resumed() if self._response is None or not self._is_encoded(self._response) else \
                    self._decoded(self._response):
                self._received += len(piece)
                yield piece
                if self._size is not None and self._received > self._size:
                    return
        finally:
            if self._response is not None:
                close(self._response)

    def verified(self, verifier: Verifier) -> Iterator[bytes]:
        """Yield the blob in chunks, each piece verified before the next one is asked for.

        :raises requests.exceptions.RequestException: the connection broke, and resuming did not help
        :raises DXFError: what :meth:`Verifier.chunks` raises
        """
        with closing(self.pieces(verifier.digest_so_far)) as arriving:
            yield from verifier.chunks(arriving)

    def _is_encoded(self, response: Response) -> bool:
        """Say whether the body has to be decoded.

        One that is as long as the blob is the blob: a stored ``.gz`` that something on the way mislabels.
        """
        return is_encoded(response) and (self._size is None or declared_size(response) != self._size)

    def _decoded(self, response: Response) -> Iterator[bytes]:
        """Yield a body that was compressed although that was not asked for; it cannot be resumed.

        What follows the end of the compressed data is an error: zlib would collect it in memory without bound. So are
        endless blocks that hold nothing: they would never end.
        """
        if response.headers['Content-Encoding'].strip().lower() not in ('gzip', 'x-gzip'):
            raise DXFProtocolError('the registry sent a blob in an encoding that dxf does not read')
        decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        empty = 0
        try:
            for piece in pieces(response, self._limits, self._process):
                empty += len(piece)
                while piece and not decoder.eof:
                    decoded = decoder.decompress(piece, READ_SIZE)
                    empty = 0 if decoded else empty
                    yield decoded
                    piece = decoder.unconsumed_tail or decoder.unused_data
                if empty > MAX_EMPTY:
                    raise DXFProtocolError(f'the registry sent {MAX_EMPTY} bytes of a gzip encoding that hold nothing')
                if piece:
                    raise DXFProtocolError('the registry sent data behind the end of a gzip encoding')
            yield decoder.flush()
        except zlib.error:
            raise DXFProtocolError('the registry sent a blob whose gzip encoding is broken') from None

    def _resumed(self) -> Iterator[bytes]:
        """Yield the body, and where the connection breaks, what follows from another.

        When a piece is asked for, all that were yielded before have been counted.
        """
        attempts, start = Attempts(self._limits), self._received
        begun = self._following() if self._response is None else pieces(self._response, self._limits, self._process)
        stream = self._accelerated(begun)
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
            failure = broken or DXFSizeMismatchError(self._received, self._size)
            if broken is not None and not is_transient(broken) or not attempts.again(error=failure):
                raise failure
            stream = self._following()

    def _accelerated(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Yield a stream; where it is a slow one of a large blob, what several connections bring in its place."""
        limits = self._limits
        trial = limits.ranges // TRIAL_DIVISOR
        meter = RateMeter(stream)
        for piece in meter:
            yield piece
            if self._jobs > 1 and meter.arrived >= trial:
                if self._size is None or self._size < limits.ranges or self._size - self._received < 2 * trial or \
                        meter.rate >= limits.fast or not self._honours_ranges():
                    self._jobs = 1
                    continue
                with suppress(RequestException, DXFError):  # then one will do
                    yield from self._by_ranges(self._size, meter.rate)
                self._jobs = 1
                if self._received < self._size:
                    yield from self._following()
                return

    def _honours_ranges(self) -> bool:
        """Ask for a byte; say whether that is what the registry sends."""
        try:
            with closing(self._rest(self._received, self._received + 1)) as response:
                check_range(response, self._received, self._size, self._received + 1)
                return response.status_code == HTTPStatus.PARTIAL_CONTENT and not is_encoded(response)
        except (RequestException, DXFError):
            return False

    def _by_ranges(self, size: int, rate: float) -> Iterator[bytes]:
        """Yield the rest by two connections, or by four, if each step brings more than the one before; else no more.

        :param rate: bytes a second by one connection
        """
        trial = self._limits.ranges // TRIAL_DIVISOR
        chosen = 1
        for jobs in (2, 4):
            if jobs <= self._jobs:
                meter = RateMeter(self._segments(min(self._received + trial, size), jobs))
                yield from meter
                if meter.rate < MIN_GAIN * rate:
                    break
                chosen, rate = jobs, meter.rate
        if chosen > 1:
            yield from self._segments(size, chosen)

    def _segments(self, end: int, jobs: int) -> Iterator[bytes]:
        """Yield what follows, up to a byte, by as many connections."""
        if self._response is not None:
            close(self._response)
            self._response = None
        starts = range(self._received, end, SEGMENT)
        with closing(iter(Streams(self._segment, [(start, min(start + SEGMENT, end)) for start in starts], jobs))
                     ) as streams:
            for (_, last), _, stream in streams:
                yield from stream
                if self._received != last:
                    raise DXFSizeMismatchError(self._received, last)

    def _segment(self, segment: tuple[int, int]) -> tuple[None, Iterator[bytes]]:
        start, end = segment
        response = self._rest(start, end)
        check_range(response, start, self._size, end)
        return None, self._closed_after(response)

    def _closed_after(self, response: Response) -> Iterator[bytes]:
        try:
            yield from pieces(response, self._limits)
        finally:
            close(response)

    def _following(self) -> Iterator[bytes]:
        """Return what follows the bytes that have been received."""
        if self._response is not None:
            close(self._response)
        self._response = response = self._rest_or_whole()
        if is_encoded(response):
            raise DXFProtocolError('the registry compressed the rest of a blob, which was not asked for')
        stream = pieces(response, self._limits)
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            check_range(response, self._received, self._size)
        elif self._received:
            stream = _without_start(stream, self._received, self._digest_so_far and self._digest_so_far())
        return stream

    def _rest_or_whole(self) -> Response:
        """Ask for what follows; where the registry refuses the range (416), for the whole blob.

        The range has an end where the size is known: the registry of go-containerregistry (``crane registry serve``)
        answers 416 to one without. https://github.com/anchore/stereoscope/pull/695

        :raises DXFSizeMismatchError: the blob has another size: the one in a manifest may be wrong, and then there may
            be no such range (https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17)
        """
        if self._takes_ranges and (self._received or self._size):
            try:
                return self._rest(self._received, self._size)
            except HTTPError as error:
                if not is_range_refused(error):
                    raise
                self._takes_ranges = False
        response = self._rest(0, None)
        told = None if is_encoded(response) else declared_size(response)
        if None not in (self._size, told) and told != self._size:
            close(response)
            raise DXFSizeMismatchError(told, self._size)
        return response


def check_range(response: Response, start: int, size: int | None, end: int | None = None) -> None:
    """Insist on exactly the range that was asked for (https://www.rfc-editor.org/rfc/rfc9110#section-14.4).

    :param size: the blob's
    :param end: the byte after the last; ``None`` for the blob's end
    """
    match = _CONTENT_RANGE.fullmatch(response.headers.get('Content-Range', ''))
    end = size if end is None else end
    if match is None or int(match[1]) != start or end not in (None, int(match[2]) + 1) or \
            match[3] not in ('*', match[3] if size is None else str(size)):
        close(response)
        raise DXFProtocolError('the registry sent another range of the blob than was asked for')


def _without_start(stream: Iterator[bytes], start: int, digest: str | None) -> Iterator[bytes]:
    """Yield what follows the first ``start`` bytes, which have been seen.

    :param digest: of what has been seen, and must come again. ``None`` where its reader is behind a queue and does not
        know: to hash it twice would cost every download. The digest of the whole decides at the end all the same.
    """
    sha256 = hashlib.sha256()
    left = start
    for piece in stream:
        known, rest = piece[:left], piece[left:]
        if left:
            left -= len(known)
            if digest is not None:
                sha256.update(known)
                if not left and digest_of(sha256) != digest:
                    raise DXFDigestMismatchError(digest_of(sha256), digest)
        if rest:
            yield rest
