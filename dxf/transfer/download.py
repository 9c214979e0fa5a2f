"""Downloads: the bytes of a blob as they arrive, resumed where the connection broke.

They are not verified here: :mod:`dxf.transfer.verification` does that where they are handed out. Authentication is
not known here either: a download is handed what asks for ranges of a blob.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress

from requests import Response
from requests.exceptions import RequestException

from dxf import forking
from dxf.exceptions import DXFError, DXFSizeMismatchError
from dxf.limits import Limits
from dxf.transfer import gzip_body
from dxf.transfer.parallel import Streams
from dxf.transfer.ranges import Ask, Ranges
from dxf.transport.attempts import Attempts, is_transient
from dxf.transport.response_body import close, declared_size, is_encoded, pieces

CHUNK_SIZE = 8192
SEGMENT = 2 << 20
"""Bytes that one connection of several is asked for at a time: no more than :class:`Streams` keeps of each."""

TRIAL_DIVISOR = 4
"""A quarter of the smallest blob that is worth several connections shows how fast one is."""

MIN_GAIN = 1.2
"""How much faster more connections must be."""

REFILL = 1 << 20
"""Bytes of progress after which a download may break as often again."""


class Position:
    """How far a download has come: every stage that takes bytes from a connection counts them here.

    :param size: the blob's, in bytes, or where the part of it ends that is wanted; ``None`` where it is not known
    :param received: bytes that are there already
    """

    def __init__(self, size: int | None, received: int) -> None:
        self.size = size
        self.received = received

    def count(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Yield a stream, counted; it ends where there are more bytes than the blob has."""
        for piece in stream:
            self.received += len(piece)
            yield piece
            if self.is_exceeded:
                return

    @property
    def is_exceeded(self) -> bool:
        """Whether more bytes have arrived than the blob has."""
        return self.size is not None and self.received > self.size

    @property
    def is_complete(self) -> bool:
        """Whether exactly the bytes of the blob have arrived; false where the size is not known."""
        return self.received == self.size


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
    :param ask: asks for a range of the blob
    :param response: the response that carries the blob from its beginning, if it was asked for
    :param start: bytes that are there already
    :param jobs: connections to use at most
    :param end: the byte after the last; ``None`` for the blob's end
    """

    def __init__(self, size: int | None, ask: Ask, limits: Limits, response: Response | None = None,
                 start: int = 0, jobs: int = 1, end: int | None = None) -> None:
        self._position = Position(size if end is None else end, start)
        self._ranges = Ranges(ask, size, limits, end)
        self._limits = limits
        self._response = response
        self._jobs = jobs
        self._process = forking.Process.generation

    def pieces(self, digest_so_far: Callable[[], str] | None = None) -> Generator[bytes, None, None]:
        """Yield the blob's bytes as they arrive, unverified.

        :param digest_so_far: returns the digest of all that was yielded; ``None`` where the reader lags behind
        :raises requests.exceptions.RequestException: the connection broke, and resuming did not help
        """
        try:
            if self._response is not None and self._is_encoded(self._response):
                yield from self._position.count(gzip_body.decoded(self._response, self._body(self._response)))
            else:
                yield from self._resumed(digest_so_far)
        finally:
            self._close_response()

    def _is_encoded(self, response: Response) -> bool:
        """Return whether the body has to be decoded; a body that is compressed cannot be resumed.

        One that is as long as the blob is the blob: a stored ``.gz`` that something on the way mislabels.
        """
        # Content-Length counts the body as it is sent: https://www.rfc-editor.org/rfc/rfc9110#section-8.6
        size = self._position.size
        return is_encoded(response) and (size is None or declared_size(response) != size)

    def _body(self, response: Response) -> Iterator[bytes]:
        return pieces(response, self._limits, self._process)

    def _resumed(self, digest_so_far: Callable[[], str] | None) -> Iterator[bytes]:
        """Yield the body, and where the connection breaks, what follows from another."""
        position, attempts = self._position, Attempts()
        start = position.received
        stream = self._first_stream(digest_so_far)
        while True:
            broken: RequestException | None = None
            try:
                yield from stream
            except RequestException as error:
                broken = error
            # a closed connection may end a body early without an error
            if position.is_complete or broken is None and (position.size is None or position.is_exceeded):
                return
            if position.received - start >= REFILL:
                attempts, start = Attempts(), position.received
            failure = broken or DXFSizeMismatchError(position.received, position.size)
            if broken is not None and not is_transient(broken) or not attempts.again(self._limits, error=failure):
                raise failure
            stream = self._following(digest_so_far)

    def _first_stream(self, digest_so_far: Callable[[], str] | None) -> Iterator[bytes]:
        """Return the body of the response, or what follows what is there; by several connections, if that is faster."""
        stream = self._following(digest_so_far) if self._response is None else \
            self._position.count(self._body(self._response))
        return stream if self._jobs == 1 else self._accelerated(stream, digest_so_far)

    def _following(self, digest_so_far: Callable[[], str] | None) -> Iterator[bytes]:
        """Ask for what follows the bytes that have been received; return it."""
        self._close_response()
        digest = None if digest_so_far is None else digest_so_far()
        self._response, stream = self._ranges.rest(self._position.received, digest)
        return self._position.count(stream)

    def _close_response(self) -> None:
        # A response whose body is not read to its end keeps its connection from other requests.
        if self._response is not None:
            close(self._response)
            self._response = None

    def _accelerated(self, stream: Iterator[bytes], digest_so_far: Callable[[], str] | None) -> Iterator[bytes]:
        """Yield a stream; where it is a slow one of a large blob, what several connections bring in its place."""
        meter = RateMeter(stream)
        is_tried = False
        for piece in meter:
            yield piece
            if not is_tried and meter.arrived >= self._trial:
                is_tried = True
                if self._is_worth_splitting(meter.rate):
                    break
        else:
            return
        with suppress(RequestException, DXFError):  # then one will do
            yield from self._by_ranges(meter.rate)
        if not self._position.is_complete and not self._position.is_exceeded:
            yield from self._following(digest_so_far)

    @property
    def _trial(self) -> int:
        """Bytes that show how fast the connections are."""
        return self._limits.ranges // TRIAL_DIVISOR

    def _is_worth_splitting(self, rate: float) -> bool:
        """Return whether several connections may bring the rest faster than one, at ``rate`` bytes a second."""
        size, received = self._position.size, self._position.received
        return size is not None and size >= self._limits.ranges and size - received >= 2 * self._trial and \
            rate < self._limits.fast and self._ranges.are_honoured(received)

    def _by_ranges(self, rate: float) -> Iterator[bytes]:
        """Yield the rest by two connections, or by four, if each step brings more than the one before; else no more.

        :param rate: bytes a second by one connection
        """
        size = self._position.size or 0  # never None: it is worth splitting
        chosen = 1
        # Not more than four: each is a connection of its own to a registry that others use, too.
        for jobs in (2, 4):
            if jobs <= self._jobs:
                meter = RateMeter(self._segments(min(self._position.received + self._trial, size), jobs))
                yield from meter
                if meter.rate < MIN_GAIN * rate:
                    break
                chosen, rate = jobs, meter.rate
        if chosen > 1:
            yield from self._segments(size, chosen)

    def _segments(self, end: int, jobs: int) -> Iterator[bytes]:
        """Yield what follows, up to a byte, by as many connections."""
        self._close_response()
        starts = range(self._position.received, end, SEGMENT)
        with closing(iter(Streams(self._segment, [(start, min(start + SEGMENT, end)) for start in starts], jobs))
                     ) as streams:
            for (_, last), _, stream in streams:
                yield from self._position.count(stream)
                if self._position.received != last:
                    raise DXFSizeMismatchError(self._position.received, last)

    def _segment(self, segment: tuple[int, int]) -> tuple[None, Iterator[bytes]]:
        return None, self._closed_after(self._ranges.closed(*segment))

    def _closed_after(self, response: Response) -> Iterator[bytes]:
        try:
            yield from pieces(response, self._limits)
        finally:
            close(response)
