"""Limited bodies: the bodies of requests, sent no faster than a rate limit allows."""

from collections.abc import Iterator
from typing import Any

from dxf.rate_limit import RateLimit


class LimitedBody:
    """A body that waits before each piece leaves.

    :param body: bytes, or an object with the attribute ``len`` that yields bytes
    """

    def __init__(self, body: Any, limit: RateLimit) -> None:
        self._body = body
        self._limit = limit
        self.len: int = len(body) if isinstance(body, bytes) else body.len
        """Bytes that it gives: requests takes its length from here."""

    def __iter__(self) -> Iterator[bytes]:
        size = self._limit.piece
        for piece in [self._body] if isinstance(self._body, bytes) else self._body:
            for start in range(0, len(piece), size):
                part = piece[start:start + size]
                self._limit.wait(len(part))
                yield part


def limited(body: Any, limit: RateLimit) -> Any:
    """Return a body that is sent within a limit.

    For a short one the wait is here, and it stays what it is. Forms, and other objects without ``len``, stay what they
    are, without a wait.
    """
    if isinstance(body, bytes):
        if len(body) > limit.piece:
            return LimitedBody(body, limit)
        limit.wait(len(body))
        return body
    return LimitedBody(body, limit) if hasattr(body, 'len') else body
