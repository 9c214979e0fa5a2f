"""Several jobs at once, in bounded memory, with their results in order. The callers decide what a job does."""

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any, Generic, TypeVar

from dxf import forking
from dxf.exceptions import DXFError

Item = TypeVar('Item')
Result = TypeVar('Result')

POLL_SECONDS = 0.2
"""Seconds of one wait: Python runs the handler of a signal between two waits."""

END_TIMEOUT = 2.0
"""Seconds to wait for threads that were told to end; a thread that waits for a server ends when the server answers."""

BUFFERED = 16 << 20
"""Bytes that all streams together keep for their reader; each may keep one piece more."""


class CancelledError(DXFError):
    """Raised in a job whose result is not needed any more, and by a stream that was left before its end."""

    def __init__(self, text: str = 'cancelled, as something else failed') -> None:
        super().__init__(text)


class _Workers:
    """Threads that take up tasks in their order.

    :param work: does the task of a number
    :param count: how many tasks there are
    """

    def __init__(self, work: Callable[[int], None], count: int, jobs: int) -> None:
        self._work = work
        self._count = count
        self.begun = 0
        """How many were taken up."""
        self.changed = Condition()
        self.ending = False
        """Whether no more tasks are to be begun."""
        self.cancelled = False
        """Whether those that were begun are to end as well."""
        self.is_forked_child = False
        """Whether this process was forked from the one that has the threads."""
        self._threads = [Thread(target=self._run, daemon=True) for _ in range(min(jobs, count))]

    def start(self) -> None:
        """Begin."""
        forking.register(self)
        for thread in self._threads:
            thread.start()

    def renew_after_fork(self) -> None:
        """Forget the threads, which a child does not have after a fork; one of them may have held the lock."""
        self.changed = Condition()
        self.ending = self.cancelled = self.is_forked_child = True
        self._threads = []

    def _run(self) -> None:
        while True:
            with self.changed:
                if self.ending or self.begun == self._count:
                    return
                number = self.begun
                self.begun += 1
            self._work(number)

    def finish(self) -> None:
        """Begin no more tasks."""
        with self.changed:
            self.ending = True
            self.changed.notify_all()

    def cancel(self) -> None:
        """End all tasks, and wait for the threads; daemons as they are, they keep no process from its end."""
        if sys.is_finalizing():  # they stand still by now, perhaps with what is locked below
            return
        with self.changed:
            self.ending = self.cancelled = True
            self.changed.notify_all()
        # Together, not each: a user who pressed Ctrl-C waits for all of them.
        deadline = monotonic() + END_TIMEOUT
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - monotonic()))

    def check(self) -> None:
        """Check that the result of a task is still wanted.

        :raises CancelledError: it is not
        """
        if self.cancelled:
            raise CancelledError


def all_of(work: Callable[[Item, Callable[[], None]], Result], items: Sequence[Item], jobs: int) -> list[Result]:
    """Return the results of ``work(item, check)`` for all items, in their order.

    The first error, in time, is raised; the others' work is cancelled: ``check()`` then raises in it.

    :param jobs: how many are done at once; with 1, one after the other in this thread
    """
    if jobs == 1 or len(items) < 2:
        return [work(item, lambda: None) for item in items]
    results: dict[int, Result] = {}
    errors: list[BaseException] = []
    ended = Event()

    def do(number: int) -> None:
        try:
            results[number] = work(items[number], workers.check)
        except BaseException as error:
            errors.append(error)
            workers.finish()
        if errors or len(results) == len(items):
            ended.set()
    workers = _Workers(do, len(items), jobs)
    try:
        workers.start()
        # One event, and no object for each result: with 10,000 items every wait would look at all of them.
        while not ended.wait(POLL_SECONDS):
            pass
    finally:
        workers.cancel()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(items))]


def each_once(work: Callable[[str], Result], items: Iterable[str], jobs: int) -> dict[str, Result]:
    """Return the result of ``work(item)`` by item, in the order of the items; each is done once.

    :param jobs: how many are done at once
    """
    distinct = list(dict.fromkeys(items))
    return dict(zip(distinct, all_of(lambda item, check: work(item), distinct, jobs), strict=True))


class _Stream:
    """What one task has fetched, and the reader has not taken yet."""

    def __init__(self) -> None:
        self.head: Any = None
        self.begun = False
        self.pieces: deque[bytes] = deque()
        self.buffered = 0
        self.reserved = 0
        self.ended = False
        self.is_left = False
        self.error: BaseException | None = None


class Streams(Generic[Item]):
    """Streams of bytes that are fetched at once and read one after the other.

    :param start: begins the stream of an item: returns a description of it, and its pieces
    """

    def __init__(self, start: Callable[[Item], tuple[Any, Iterator[bytes]]], items: Sequence[Item], jobs: int) -> None:
        self._start = start
        self._items = items
        self._jobs = jobs
        self._share = BUFFERED // (2 * jobs)
        self._streams = [_Stream() for _ in items]
        self._turn = 0
        self._reserved = 0
        self._workers = _Workers(self._fetch, len(items), jobs)
        self._error: BaseException | None = None

    def __iter__(self) -> Generator[tuple[Item, Any, Iterator[bytes]], None, None]:
        """Yield each item, its description, and its pieces; these must be read before the next item.

        An error of a stream is raised when its turn has come; no new ones are begun after it.

        :raises CancelledError: by a stream that was left before its end
        """
        if self._jobs == 1 or len(self._items) < 2:
            for item in self._items:
                head, pieces = self._start(item)
                yield item, head, pieces
            return
        try:
            self._workers.start()
            for number, item in enumerate(self._items):
                yield item, self._head(number), self._read(number)
        finally:
            self._workers.cancel()

    def finish(self, error: BaseException) -> None:
        """Begin no more streams: the reader has found one to be wrong.

        :param error: raised by those that were not begun
        """
        with self._workers.changed:
            self._error = self._error or error
            self._leave(self._streams[self._turn])
            self._workers.finish()

    # The tasks' side

    def _fetch(self, number: int) -> None:
        stream, changed = self._streams[number], self._workers.changed
        pieces: Iterator[bytes] = iter(())
        try:
            with changed:
                # The reader waits for the stream whose turn it is: that needs no free memory.
                changed.wait_for(lambda: number <= self._turn or self._workers.cancelled
                                 or self._reserved + self._share <= BUFFERED)
                self._reserve(stream, self._share)
            self._workers.check()
            stream.head, pieces = self._start(self._items[number])
            with changed:
                stream.begun = True
                changed.notify_all()
            for piece in pieces:
                with changed:
                    changed.wait_for(lambda: stream.buffered < self._share or not self._is_wanted(number))
                    if not self._is_wanted(number):
                        raise CancelledError
                    stream.pieces.append(piece)
                    stream.buffered += len(piece)
                    changed.notify_all()
        except CancelledError as error:
            stream.error = error
        except BaseException as error:
            stream.error = error
            self._error = self._error or error
            self._workers.finish()
        finally:
            if hasattr(pieces, 'close'):
                pieces.close()
            with changed:
                stream.begun = stream.ended = True
                self._reserve(stream, stream.buffered)
                changed.notify_all()

    def _is_wanted(self, number: int) -> bool:
        return number >= self._turn and not self._streams[number].is_left and not self._workers.cancelled

    def _reserve(self, stream: _Stream, size: int) -> None:
        """Count so many bytes of memory for a stream."""
        self._reserved += size - stream.reserved
        stream.reserved = size

    # The reader's side

    def _head(self, number: int) -> Any:
        stream, workers = self._streams[number], self._workers
        with workers.changed:
            self._turn = number
            if number:
                self._leave(self._streams[number - 1])
            workers.changed.notify_all()
            self._wait_for(lambda: stream.begun or workers.ending and number >= workers.begun)
        if not stream.begun and self._error is not None:  # an earlier stream failed, and the reader ignored the error
            raise self._error
        if stream.error is not None and not stream.pieces:
            raise stream.error
        return stream.head

    def _wait_for(self, is_so: Callable[[], Any]) -> None:
        if self._workers.is_forked_child:
            raise CancelledError('the threads of this transfer are in the parent process: begin it anew in this one')
        while not self._workers.changed.wait_for(is_so, POLL_SECONDS):
            pass

    def _leave(self, stream: _Stream) -> None:
        """Drop what is left of a stream, unread."""
        stream.is_left = bool(stream.pieces) or not stream.ended
        stream.pieces.clear()
        stream.buffered = 0
        self._reserve(stream, 0)

    def _read(self, number: int) -> Iterator[bytes]:
        stream, workers = self._streams[number], self._workers
        while True:
            with workers.changed:
                self._wait_for(lambda: stream.pieces or stream.ended or stream.is_left or workers.cancelled)
                if stream.is_left or workers.cancelled and not stream.ended:
                    raise CancelledError('a blob is to be read before the next one is asked for')
                if not stream.pieces:
                    break
                piece = stream.pieces.popleft()
                stream.buffered -= len(piece)
                if stream.ended:
                    self._reserve(stream, stream.buffered)
                workers.changed.notify_all()
            yield piece
        if stream.error is not None:
            raise stream.error
