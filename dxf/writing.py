"""Writing: a blob that is open as a file, and is stored when it is closed without an error.

A thread of its own stores what is written, as it comes: a few parts of it are in memory at a time. ``blob_files`` has
what opens it.
"""

import io
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import RLock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dxf import forking

if TYPE_CHECKING:  # typing has it since Python 3.11
    from typing_extensions import Self

CHUNK_SIZE = 1 << 20
CHUNKS = 4
"""Chunks that may wait for the thread."""


class _AbandonedError(Exception):
    """The writer has given up: nothing is to be stored."""


class _Storing:
    """The thread that stores chunks, and how it ended.

    :param store: stores what an iterator yields, and returns the digest
    """

    def __init__(self, store: Callable[[Iterator[bytes]], str]) -> None:
        self._store = store
        self.lock = RLock()
        """Held by the thread that writes or closes: two of them would hand over the same bytes."""
        self._chunks: SimpleQueue[bytes | None | _AbandonedError] = SimpleQueue()
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(CHUNKS):
            self._free.put(None)
        self._error: BaseException | None = None
        self.digest: str | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        forking.register(self)

    def renew_after_fork(self) -> None:
        """Give up in a child process: the thread is in its parent, which has the file."""
        self.lock = RLock()
        self._chunks, self._free = SimpleQueue(), SimpleQueue()
        self._free.put(None)
        self._error = ValueError('the file was opened in the parent process: write it there')

    def add(self, chunk: bytes) -> None:
        """Hand over a chunk; wait while enough of them wait.

        :raises Exception: storing failed
        """
        self._free.get()
        self._check()
        self._chunks.put(chunk)

    def finish(self) -> str | None:
        """Store all; return the digest.

        :raises Exception: storing failed
        """
        self._chunks.put(None)
        self._thread.join()
        self._check()
        return self.digest

    def abandon(self) -> None:
        """Store nothing."""
        self._chunks.put(_AbandonedError())
        self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            self._free.put(None)  # the next call must not wait for a thread that has ended
            raise self._error

    def _run(self) -> None:
        try:
            self.digest = self._store(self._read())
        except BaseException as error:  # raised where the file is written or closed
            self._error = error
        finally:
            self._free.put(None)

    def _read(self) -> Iterator[bytes]:
        while (chunk := self._chunks.get()) is not None:
            if isinstance(chunk, _AbandonedError):
                raise chunk
            self._free.put(None)
            yield chunk


class BlobWriter(io.BufferedIOBase):
    """A file that is written, as :meth:`dxf.DXF.open` returns it for ``'wb'``.

    :meth:`close` stores it. An exception in its ``with`` block, :meth:`abandon`, and an object that is collected
    without having been closed store nothing.

    :param store: stores what an iterator yields, and returns the digest
    :param name: what the file was opened by
    """

    mode = 'wb'

    def __init__(self, store: Callable[[Iterator[bytes]], str], name: str) -> None:
        super().__init__()
        self.name = name
        self.digest: str | None = None
        """The digest of the blob, when it is stored."""
        self._held = bytearray()
        self._position = 0
        self._storing = _Storing(store)

    def writable(self) -> bool:
        """Return ``True``."""
        return True

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self._position

    def write(self, buffer: Any, /) -> int:
        """Write bytes; return how many: all of them. Several threads may call this at once.

        :raises Exception: what :meth:`dxf.DXF.push_blob` raises; then nothing is stored
        """
        with self._storing.lock, memoryview(buffer).cast('B') as content:
            if self.closed:
                raise ValueError('I/O operation on closed file')
            for start in range(0, len(content), CHUNK_SIZE):
                self._held += content[start:start + CHUNK_SIZE]
                while len(self._held) >= CHUNK_SIZE:
                    self._storing.add(bytes(self._held[:CHUNK_SIZE]))
                    del self._held[:CHUNK_SIZE]
            self._position += len(content)
            return len(content)

    def close(self) -> None:
        """Store what was written, unless it is stored already.

        :raises Exception: what :meth:`dxf.DXF.push_blob` raises; then nothing is stored
        """
        with self._storing.lock:
            if self.closed:
                return
            try:
                if self._held:
                    self._storing.add(bytes(self._held))
                self.digest = self._storing.finish()
            except BaseException:
                self.abandon()
                raise
            super().close()

    def abandon(self) -> None:
        """Close the file, and store nothing."""
        if not self.closed:
            self._held.clear()
            self._storing.abandon()
            super().close()

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if exc_type is None:
            self.close()
        else:
            self.abandon()

    def __enter__(self) -> 'Self':
        return self

    # io.IOBase calls close here, which would store a file that its program forgot, or gave up by an exception.
    def __del__(self) -> None:
        if hasattr(self, '_storing'):
            self.abandon()
