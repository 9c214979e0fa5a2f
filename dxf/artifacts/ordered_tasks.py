"""Tasks that a few threads do, whose results are taken in the order of the tasks. What a task does is not known here.

Each task is short: what leaves the ``with`` before the end, by an error or by Ctrl-C, waits for those that run.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from dxf.exceptions import DXFError
from dxf.forking import Process

if TYPE_CHECKING:  # it brings logging, and commands check their operands without that
    from concurrent.futures import Future

Result = TypeVar('Result')

POLL_SECONDS = 0.2
"""Seconds of one wait: a child that was forked meanwhile notices after it that it has no threads."""


class OrderedTasks(Generic[Result]):
    """Tasks that were given, and whose results were not taken yet.

    :param threads: how many there are at most; 0: each task is done in the thread that takes its result, at that time
    """

    def __init__(self, threads: int) -> None:
        from concurrent import futures
        self._executor = futures.ThreadPoolExecutor(threads, 'dxf-folder') if threads else None
        self._results: deque[Callable[[], Result]] = deque()
        self._generation = Process.generation

    def __enter__(self) -> 'OrderedTasks[Result]':
        return self

    def __exit__(self, *_: object) -> None:
        self._results.clear()
        if self._executor is not None and self._generation == Process.generation:
            self._executor.shutdown(cancel_futures=True)

    def __len__(self) -> int:
        return len(self._results)

    def add(self, task: Callable[[], Result]) -> None:
        """Give one more task."""
        self._check_process()
        self._results.append(task if self._executor is None else partial(self._wait, self._executor.submit(task)))

    def take(self) -> Result:
        """Return the result of the first task that was given, when it is done; raise its error."""
        self._check_process()
        return self._results.popleft()()

    def _wait(self, future: 'Future[Result]') -> Result:
        from concurrent import futures
        while not futures.wait([future], POLL_SECONDS).done:
            self._check_process()
        return future.result()

    def _check_process(self) -> None:
        """Check that this process has the threads.

        :raises DXFError: it was forked from the one that has them, and one of them may have held a lock
        """
        if self._executor is not None and self._generation != Process.generation:
            raise DXFError('the threads of this transfer are in the parent process: begin it anew in this one')
