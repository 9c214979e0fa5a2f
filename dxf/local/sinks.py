"""Sinks: streams that take bytes or text, of whatever kind, so that all of it arrives or an error is raised.

A raw file may take less than it is given: a pipe whose writer was stopped and continued, a disk that is nearly full.
With ``PYTHONUNBUFFERED=1`` standard output is a raw file. One that does not wait (``O_NONBLOCK``) may take nothing.
"""

import errno
import io
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def write_all(stream: Any, content: bytes | str) -> int:
    """Write all of ``content``, in as many calls as that takes, and return how much the stream took.

    :param stream: anything with ``write``; where that returns no number, it counts as having taken everything
    :raises OSError: the disk is full, the pipe has no reader, or the like
    """
    written, rest = 0, content
    while written < len(content):
        count = _write(stream, rest)
        if count <= 0:
            _wait(stream)
            continue
        written += count
        rest = _behind(content, written)
    return written


def _write(stream: Any, content: Any) -> int:
    """Call ``write`` once, and return how much of ``content`` the stream took."""
    try:
        count = stream.write(content)
    except BlockingIOError as error:  # from a buffer that is full, over a file that does not wait
        return int(getattr(error, 'characters_written', 0))
    if count is None and isinstance(stream, io.RawIOBase):
        return 0  # it would have to wait: https://docs.python.org/3/library/io.html#io.RawIOBase.write
    return count if isinstance(count, int) else len(content)


def _behind(content: bytes | str, start: int) -> Any:
    """Return the rest of ``content``, of bytes without a copy."""
    return content[start:] if isinstance(content, str) else memoryview(content)[start:]


def write_at(file: int, content: bytes, position: int) -> None:
    """Write all of ``content`` at a position of an open file.

    :raises OSError: the disk is full, or the like
    """
    written = os.pwrite(file, content, position)
    while written < len(content):
        written += os.pwrite(file, memoryview(content)[written:], position + written)


def flush(stream: Any) -> None:
    """Flush a stream; wait if it is non-blocking.

    :raises OSError: the disk is full, the pipe has no reader, or the like
    """
    while True:
        try:
            stream.flush()
            return
        except BlockingIOError:
            _wait(stream)


@contextmanager
def named(filename: str) -> Iterator[None]:
    """Make errors name the file of the user, and not a hidden one, nor a part of a path.

    :raises OSError: what was raised within
    """
    try:
        yield
    except OSError as error:
        if error.filename == filename:
            raise
        raise OSError(error.errno, error.strerror, filename) from error


def sync(file: int) -> None:
    """Write to the disk what the system has taken of an open file, or of a folder's names.

    A pipe, a terminal and the like are on no disk. The system refuses to sync them:
    https://man7.org/linux/man-pages/man2/fsync.2.html (EINVAL), on macOS with ENOTSUP.

    :raises OSError: the disk is full, or broken, or was removed
    """
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _wait(stream: Any) -> None:
    """Wait until a file takes more."""
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError):
        raise OSError(errno.EIO, 'the output takes nothing') from None
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    ready.poll()
