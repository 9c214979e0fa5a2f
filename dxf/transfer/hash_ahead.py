"""A hash of a file, computed by a thread ahead of what is sent of it.

It tells early whether the registry has the blob already. ``upload`` decides what follows from that.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Thread

from dxf.names import digest_of
from dxf.transfer.source import Source, check_expected_digest

IsStored = Callable[[str, int], bool]
"""Returns whether the registry has a blob of this digest and size."""

END_TIMEOUT = 0.5
"""Seconds to wait for a thread that was told to end."""


class HashAhead:
    """Finds out, while a file is sent, what its digest is and whether the registry has it already.

    A thread reads the file ahead of what is sent, as fast as it can hash.

    :param is_stored: returns whether the registry has a blob of this digest and size
    :param expected: what the digest should be; ``None`` for any
    """

    def __init__(self, source: Source, is_stored: IsStored, expected: str | None = None) -> None:
        self._source = source
        self._is_stored = is_stored
        self._expected = expected
        self._found: Future[tuple[str, bool]] = Future()
        self._ending = Event()
        # A daemon: the process can end while this thread waits for the response to its lookup.
        self._thread = Thread(target=self._find, daemon=True)
        self._thread.start()

    def _find(self) -> None:
        try:
            sha256 = hashlib.sha256()
            for piece in self._source.read():
                sha256.update(piece)
                # Asked after each piece: to hash one takes less than a millisecond.
                if self._ending.is_set():
                    return
            digest = check_expected_digest(digest_of(sha256), self._expected)
            self._found.set_result((digest, self._is_stored(digest, self._source.size or 0)))
        # Every error goes to the thread that waits for the result. Without that it would wait for ever.
        except BaseException as error:
            self._found.set_exception(error)

    @property
    def done(self) -> bool:
        """Whether the result is known."""
        return self._found.done()

    def result(self) -> tuple[str, bool]:
        """Wait for the result; return the digest, and whether the registry has the blob.

        :raises DXFDigestMismatchError: another digest was expected
        :raises Exception: the error of the thread
        """
        return self._found.result()

    def end(self) -> None:
        """Stop reading the file. A request of the thread may go on; its response is not used."""
        self._ending.set()
        self._thread.join(END_TIMEOUT)
