"""The terminal on which progress bars are drawn, and the other output on it.

A bar is drawn again and again in its line. It is cleared before anything else is written, and drawn again below that.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any

from dxf.local import sinks

CLEAR_BELOW = '\r\x1b[J'
"""Clears the line of the cursor and all below it (ECMA-48, section 8.3.39: ED)."""

MOVE_UP = '\x1b[A'
"""tqdm writes this if there are several bars. When they end, one may be left below the cursor."""

NO_SEQUENCES = ('', 'dumb')
"""Values of TERM for a terminal without escape sequences."""


class ProgressStream:
    """Standard error for progress. A full disk there is ignored: the exit status is about the transfer alone.

    curl and wget end with 0 then, too. A pipe whose reader has ended is an error: it ends the command at once.

    :param stream: standard error
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:
        """The encoding of standard error: tqdm draws with other characters where that is not Unicode."""
        return getattr(self._stream, 'encoding', None) or 'ascii'

    def write(self, text: str) -> None:
        """Write text, if that can be done."""
        with _no_error_but_a_broken_pipe():
            self._stream.write(text)

    def flush(self) -> None:
        """Flush what was written, if that can be done."""
        with _no_error_but_a_broken_pipe():
            self._stream.flush()


@contextmanager
def _no_error_but_a_broken_pipe() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        pass


class BarStream:
    """Standard error for bars, which remembers whether there are any on the screen.

    :param stream: standard error, which is a terminal
    """

    def __init__(self, stream: Any) -> None:
        self._stream = ProgressStream(stream)
        self._is_drawn = False
        self._has_several = False
        self._is_in_line = False

    @property
    def encoding(self) -> str:
        """The encoding of standard error."""
        return self._stream.encoding

    def write(self, text: str) -> None:
        """Draw text; on a new line, if other output has not ended its line."""
        if text:
            if self._is_in_line:
                self._stream.write('\n')
            self._has_several = self._has_several or MOVE_UP in text
            self._is_in_line, self._is_drawn = False, text != '\n' or self._has_several
            self._stream.write(text)

    def flush(self) -> None:
        """Flush what was drawn."""
        self._stream.flush()

    def clear(self) -> None:
        """Remove all bars from the screen."""
        if self._is_drawn:
            columns = shape().get('ncols', 80)
            is_plain = os.environ.get('TERM', '') in NO_SEQUENCES
            self._stream.write(f'\r{" " * (columns - 1)}\r' if is_plain else CLEAR_BELOW)
            self._is_drawn = False
            self.flush()

    def note_end(self, is_in_line: bool) -> None:
        """Remember where the cursor is after other output.

        :param is_in_line: the output has not ended its line
        """
        self._is_in_line = is_in_line


class _Current:
    """The stream of the bars that are shown now, or ``None``."""

    stream: BarStream | None = None
    lock = RLock()


def shape() -> dict[str, int]:
    """Return the columns and rows of the terminal on standard error, as arguments of tqdm; empty without a terminal.

    A new pseudo-terminal that does not know its size gets 80 columns and 24 rows.
    """
    with suppress(OSError, ValueError, AttributeError):
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
        return {'ncols': columns, 'nrows': rows} if columns and rows else {'ncols': 80, 'nrows': 24}
    return {}


@contextmanager
def bars() -> Iterator[BarStream]:
    """Provide the stream for bars on standard error. At the end, the screen below the cursor is clear."""
    stream = _Current.stream = BarStream(sys.stderr)
    try:
        yield stream
    finally:
        with drawing():
            stream.clear()
            _Current.stream = None


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the ``with`` statement: another thread that writes waits for its end."""
    with _Current.lock:
        yield


@contextmanager
def paused() -> Iterator[None]:
    """Write whole lines in the ``with`` statement, after the bars have been cleared."""
    with _Current.lock:
        if _Current.stream is not None:
            _Current.stream.clear()
        yield


class SharedOutput:
    """Standard output on the terminal on which bars are drawn.

    :param output: the stream
    """

    def __init__(self, output: Any) -> None:
        self._output = output

    def write(self, content: Any) -> int:
        """Write all of ``content`` after clearing the bars, and return its length."""
        with paused():
            written = sinks.write_all(self._output, content)
            if content:
                sinks.flush(self._output)
                if _Current.stream is not None:
                    _Current.stream.note_end(content[-1:] not in ('\n', b'\n'))
            return written

    def flush(self) -> None:
        """Flush what was written."""
        sinks.flush(self._output)


def shared(output: Any) -> Any:
    """Return the stream to write to: ``output``, or a wrapper that clears bars on the same terminal.

    :param output: standard output, for bytes or text
    """
    return output if _Current.stream is None or not is_terminal(sys.stdout) else SharedOutput(output)


def is_terminal(stream: Any) -> bool:
    """Return whether a standard stream is a terminal; a closed stream, or an object without ``isatty``, is not."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):
        return False
