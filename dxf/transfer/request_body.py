"""Request bodies: parts of a source, hashed while they are sent. ``upload`` decides where they go."""

from collections.abc import Callable, Iterator
from typing import Any

from dxf.names import digest_of
from dxf.transfer.source import Source


class Body:
    """A stretch of a source of known size as the body of one request.

    requests takes its length from the attribute ``len``, several times, and its bytes by iterating; each iteration
    starts anew. The last piece of the source leaves only when all of it has the digest that was promised.

    :param start: the first byte
    :param end: the one after the last
    :param sha256: of what goes before; ``None`` where another thread hashes the source
    :param digest: the whole source's, where the stretch reaches its end
    :param on_piece: called with each piece that was sent, and where it ended; ``None`` for no calls
    """

    def __init__(self, source: Source, start: int, end: int, sha256: Any, digest: str | None,
                 on_piece: Callable[[bytes, int], None] | None) -> None:
        self._source = source
        self._start = start
        self._end = end
        self._before = sha256
        self._digest = digest
        self._on_piece = on_piece
        # requests sends a body without a length in chunks, which storage such as S3 refuses:
        # https://github.com/psf/requests/issues/6294
        self.len = end - start
        """Bytes that it gives."""
        self.sha256 = sha256
        """Of what was sent, and what went before."""

    # A generator would be empty at the second attempt, and requests would send that.
    def __iter__(self) -> Iterator[bytes]:
        # A copy of the hash: after a 401 the same bytes are sent, and hashed, again.
        self.sha256 = None if self._before is None else self._before.copy()
        position = self._start
        for piece in self._source.read(self._start, self._end):
            position += len(piece)
            if self.sha256 is not None:
                self.sha256.update(piece)
            # Checked before the last piece leaves: a registry stores nothing of a body that is too short.
            if position == self._source.size:
                self._source.check()
                if self.sha256 is not None and digest_of(self.sha256) != self._digest:
                    raise self._source.changed()
            # A piece counts as sent when the next one is asked for.
            yield piece
            if self._on_piece is not None:
                self._on_piece(piece, position)

    def rewind(self) -> None:
        """Do nothing: each iteration starts anew."""
