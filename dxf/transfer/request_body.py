"""Request bodies: parts of a source, hashed while they are sent; and a hash of the source ahead of them.

``upload`` decides where they go.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any

from dxf.names import digest_of
from dxf.transfer.source import Source

IsStored = Callable[[str, int], bool]
"""Returns whether the registry has a blob of this digest and size."""

END_TIMEOUT = 0.5
"""Seconds to wait for a thread that was told to end."""


class Body:
    """A stretch of a source of known size as the body of one request.

    requests takes its length from ``len`` and its bytes by iterating; each iteration starts anew. The last piece of
    the source leaves only when all of it has the digest that was promised.

    :param start: the first byte
    :param end: the one after the last
    :param sha256: of what goes before; ``None`` where another thread hashes the source
    :param digest: the whole source's, where the stretch reaches its end
    :param on_piece: called with each piece that was sent, and where it ended
    """

    def __init__(self, source: Source, start: int, end: int, sha256: Any, digest: str | None,
                 on_piece: Callable[[bytes, int], None]) -> None:
        self._source = source
        self._start = start
        self._end = end
        self._before = sha256
        self._digest = digest
        self._on_piece = on_piece
        self.sha256 = sha256
        """Of what was sent, and what went before."""

    def __len__(self) -> int:
        return self._end - self._start

    def __iter__(self) -> Iterator[bytes]:
        self.sha256 = None if self._before is None else self._before.copy()
        position = self._start
        for piece in self._source.read(self._start, self._end):
            position += len(piece)
            if self.sha256 is not None:
                self.sha256.update(piece)
            if position == self._source.size:
                self._source.check()
                if self.sha256 is not None and digest_of(self.sha256) != self._digest:
                    raise self._source.changed()
            yield piece
            self._on_piece(piece, position)

    def rewind(self) -> None:
        """Do nothing: each iteration starts anew."""


class HashAhead:
    """Finds out, while a file is sent, what its digest is and whether the registry has it already.

    A thread reads the file ahead of what is sent, as fast as it can hash.

    :param is_stored: returns whether the registry has a blob of this digest and size
    """

    def __init__(self, source: Source, is_stored: IsStored) -> None:
        self._source = source
        self._is_stored = is_stored
        self._found: Future[tuple[str, bool]] = Future()
        self._ending = Event()
        self._thread = Thread(target=self._find, daemon=True)
        self._thread.start()

    def _find(self) -> None:
        try:
            sha256 = hashlib.sha256()
            for piece in self._source.read():
                sha256.update(piece)
                if self._ending.is_set():
                    return
            digest = digest_of(sha256)
            self._found.set_result((digest, self._is_stored(digest, self._source.size or 0)))
        except BaseException as error:
            self._found.set_exception(error)

    @property
    def done(self) -> bool:
        """Whether it is known."""
        return self._found.done()

    def result(self) -> tuple[str, bool]:
        """Wait until it is known; return the digest, and whether the registry has the blob.

        :raises Exception: the error of the thread
        """
        return self._found.result()

    def end(self) -> None:
        """Stop reading the file. A request of the thread may go on; its answer is not used."""
        self._ending.set()
        self._thread.join(END_TIMEOUT)
