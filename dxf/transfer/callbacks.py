"""Callbacks and streams of the caller, whose errors reach the caller unchanged.

They run within a request. There requests and urllib3 take an ``OSError`` for a failure of the network: they swallow it,
or send the request again. So an error of the caller's is wrapped where it occurs, and unwrapped outside.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

Result = TypeVar('Result')


class CallerError(Exception):
    """Carries an error of the caller's through the HTTP libraries.

    :param error: what was raised
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def wrap_errors(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls ``callback``, and wraps its errors."""
    def call(*args: Any) -> Any:
        try:
            return callback(*args)
        # KeyboardInterrupt and SystemExit stay as they are: the HTTP libraries pass them on.
        except Exception as error:
            raise CallerError(error) from error
    return call


def call_unwrapped(work: Callable[[], Result]) -> Result:
    """Return the result of ``work``, or raise the caller's error that it wrapped."""
    try:
        return work()
    except CallerError as wrapped:
        error = wrapped.error
    raise error  # outside of the handler: the error gets no context that the caller did not give it


class SerializedProgress:
    """Calls ``progress`` for several threads, never twice at once.

    A ``progress`` with a method ``found`` gets the size of each blob that was there already by it.
    """

    def __init__(self, progress: Callable[..., Any]) -> None:
        # The progress of a caller, tqdm for example, may break if two threads call it at once.
        self._progress = progress
        self._found = getattr(progress, 'found', None)
        self._lock = Lock()

    def __call__(self, *args: Any) -> None:
        with self._lock:
            self._progress(*args)

    def found(self, size: int | None) -> None:
        """Report a blob of this size that was there already."""
        # None: the registry has the blob, and its size was not asked for.
        if self._found is not None and size is not None:
            with self._lock:
                self._found(size)


class TrackedProgress:
    """Calls ``progress`` for one blob, and remembers whether that was done."""

    def __init__(self, progress: Callable[..., Any]) -> None:
        self._progress = progress
        self.is_called = False

    def __call__(self, *args: Any) -> None:
        self.is_called = True
        self._progress(*args)


def progress_callback(progress: Callable[..., Any] | None, of_file: bool, size: int | None
             ) -> Callable[[str, bytes], None] | None:
    """Return what an upload calls for each piece, in the form of the caller's ``progress``; ``None`` without one."""
    if progress is None:
        return None
    report = wrap_errors(progress)
    # Only the progress of a file gets an empty first chunk: a bar appears with it. Programs rely on both forms.
    if of_file:
        return lambda digest, piece: report(digest, piece, size)
    return lambda digest, piece: report(digest, piece) if piece else None
