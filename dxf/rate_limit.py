"""Rate limits: how many bytes a second all bodies of requests and responses may have together.

``transport`` counts the bytes where they leave and where they arrive.
"""

import time
from threading import Lock
from typing import Any

from dxf import forking

LEAST = 1 << 10
"""The smallest rate. A slower request would outlast the timeouts of registries."""

LARGEST_PIECE = 64 << 10
"""Bytes that are sent or received between two waits."""

LONGEST_SLEEP = 0.2
"""Seconds of one sleep: Python runs the handler of a signal between two sleeps."""

CREDIT = 0.5
"""Seconds of an unused rate that may be made up for."""


class RateLimit:
    """A number of bytes a second, shared by all requests of all clients that have it in their ``Limits``.

    :param rate: bytes a second, at least 1024
    :raises ValueError: it is less
    :raises TypeError: it is no whole number
    """

    def __init__(self, rate: int) -> None:
        if isinstance(rate, bool) or not isinstance(rate, int):
            raise TypeError('rate is a whole number of bytes a second: RateLimit(10 << 20)')
        if rate < LEAST:
            raise ValueError(f'rate is at least {LEAST} bytes a second')
        self.rate = rate
        self.piece = min(LARGEST_PIECE, max(LEAST, rate // 10))
        """The most bytes to send or receive between two waits."""
        self._lock = Lock()
        self._due = time.monotonic()
        """When all bytes so far are within the rate."""
        forking.register(self)

    def __repr__(self) -> str:
        return f'RateLimit({self.rate})'

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle makes another one from: two processes share no limit."""
        return type(self), (self.rate,)

    def renew_after_fork(self) -> None:
        """Replace the lock, which another thread of the parent process may have held."""
        self._lock = Lock()

    def wait(self, count: int) -> None:
        """Wait until so many more bytes are within the rate."""
        with self._lock:
            self._due = max(self._due, time.monotonic() - CREDIT) + count / self.rate
            due = self._due
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, LONGEST_SLEEP))
