"""Hashes that are computed by a thread of their own, while the next bytes arrive and the last ones are written.

``verification`` decides what is hashed. ``hash_ahead`` hashes files that are sent.
"""

import hashlib
import sys
from queue import SimpleQueue
from threading import Thread
from typing import Any

from dxf import forking
from dxf.transfer.parallel import CancelledError

THREAD_FROM = 1 << 20
"""Bytes that are hashed without a thread: small blobs do not pay for one."""

MAX_AHEAD = 2 << 20
"""Bytes that may wait for the thread when more are added."""

END_TIMEOUT = 2.0
"""Seconds to wait for the thread that was told to end; it has to hash what waits, at most."""

Content = bytes | memoryview


class BackgroundHash:
    """A SHA-256 of bytes that are added in their order. They must not change after that.

    The thread begins with a large blob, and ends by :meth:`close`. It is a daemon: it keeps no process from its end.

    :param sha256: the hash of what goes before; ``None`` where that is nothing
    """

    def __init__(self, sha256: Any = None) -> None:
        self._sha256 = sha256
        self._added = 0
        self._ahead = 0
        self._waiting: SimpleQueue[Content | None] = SimpleQueue()
        self._hashed: SimpleQueue[int] = SimpleQueue()
        self._thread: Thread | None = None
        self._process = forking.Process.generation

    def add(self, content: Content) -> None:
        """Hash more bytes, now or soon."""
        self._added += len(content)
        if self._sha256 is None:
            self._sha256 = hashlib.sha256()
        if self._thread is None and self._added <= THREAD_FROM:
            self._sha256.update(content)
            return
        if self._thread is None:
            self._start()
        self._wait(MAX_AHEAD)
        self._ahead += len(content)
        self._waiting.put(content)

    def result(self) -> Any:
        """Wait until all that was added is hashed; return the hash, which may be read until more is added."""
        self._wait(0)
        return hashlib.sha256() if self._sha256 is None else self._sha256

    def close(self) -> None:
        """End the thread."""
        # An iterator that was left may be closed as late as that. The thread stands still: Python 3.13 waits for it in
        # vain, and 3.14 raises an error. https://docs.python.org/3/library/threading.html#threading.Thread.join
        if sys.is_finalizing():
            return
        if self._thread is not None and self._process == forking.Process.generation:
            self._waiting.put(None)
            if self._thread.ident is not None:  # a signal may have come before it began
                self._thread.join(END_TIMEOUT)
        self._thread = None

    def _start(self) -> None:
        self._process = forking.Process.generation
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (content := self._waiting.get()) is not None:
            self._sha256.update(content)  # lets other threads run, as hashlib does for more than 2,047 bytes
            self._hashed.put(len(content))

    def _wait(self, ahead: int) -> None:
        """Wait until at most so many bytes are not hashed yet.

        :raises CancelledError: the thread is in the parent process
        """
        while self._ahead > ahead:
            # A child has no such thread: get() would wait for ever.
            if self._process != forking.Process.generation:
                raise CancelledError('the thread of this transfer is in the parent process: begin it anew in this one')
            self._ahead -= self._hashed.get()
