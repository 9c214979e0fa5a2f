"""Interruption: SIGINT and SIGTERM end the command, also when they arrive just before a system call waits.

Python runs the handler of a signal in the main thread, between two of its own instructions. A signal that arrives after
the last of them, and before the system call, interrupts nothing. Its handler runs when the call returns: with a silent
server, after a minute. A signal that another thread took has the same effect. So a
thread of its own watches the signals, and sends each again until its handler has run.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

RESEND_SECONDS = 0.2
"""Seconds after which a signal whose handler has not run is sent again."""


class TerminatedError(BaseException):
    """SIGTERM arrived."""


class _Resender:
    """Sends a signal to the main thread again, until its handler has run.

    Only the first signal is sent again: after it the command ends, and must not be disturbed in doing so.
    """

    def __init__(self) -> None:
        self._is_handled = threading.Event()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Start to watch: Python writes the number of each signal into the pipe."""
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        signal.set_wakeup_fd(-1)
        self._is_handled.set()
        os.close(self._writer)
        self._thread.join()
        os.close(self._reader)

    def raise_for(self, signum: int, _: FrameType | None) -> NoReturn:
        """Raise the exception that ends the command.

        :raises KeyboardInterrupt: it is SIGINT
        :raises TerminatedError: it is SIGTERM
        """
        self._is_handled.set()
        raise KeyboardInterrupt if signum == signal.SIGINT else TerminatedError

    def _watch(self) -> None:
        while number := os.read(self._reader, 1):
            while number[0] in (signal.SIGINT, signal.SIGTERM) and not self._is_handled.wait(RESEND_SECONDS):
                signal.pthread_kill(threading.main_thread().ident or 0, number[0])


@contextmanager
def signals_raised() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise in the ``with`` statement; a SIGINT that the parent process ignores stays ignored.

    :raises KeyboardInterrupt: SIGINT arrived
    :raises TerminatedError: SIGTERM arrived
    """
    resender = _Resender()
    signal.signal(signal.SIGTERM, resender.raise_for)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, resender.raise_for)
    resender.start()
    try:
        yield
    finally:
        resender.stop()
