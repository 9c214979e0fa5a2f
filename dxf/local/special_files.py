"""Special files: descriptors by their path, pipes and devices. A file cannot replace them, so they are written to.

What is written is not known here.
"""

import errno
import fcntl
import io
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

MAX_LINKS = 40
"""Symbolic links to follow one after the other, as Linux does."""

PIPE_SIZE = 1 << 20
"""Bytes that a pipe shall hold: the most that Linux allows a user by default; 64 KiB are usual.

https://man7.org/linux/man-pages/man7/pipe.7.html
"""

_DESCRIPTOR = r'(?:/proc/{}(?:/task/[0-9]+)?|/dev)/fd/([0-9]+)'


def check(filename: str) -> bool:
    """Return whether a file is special; if it is, check that it can be written to.

    :raises OSError: it cannot
    """
    number = descriptor_of(filename)
    if number is not None:
        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, 'it is open for reading only', filename)
        return True
    if not _is_special(filename):
        return False
    if stat.S_ISSOCK(os.stat(filename).st_mode):
        raise OSError(errno.ENXIO, 'it is a socket', filename)
    if not os.access(filename, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), filename)
    return True


def open_to_write(filename: str) -> io.FileIO | None:
    """Open a special file; return ``None`` for one that is regular or missing.

    :raises OSError: it cannot be written to
    """
    number = descriptor_of(filename)
    if number is not None:  # opened anew by its path, a file would be written from its start
        return io.FileIO(os.dup(number), 'w')
    if not _is_special(filename):
        return None
    return io.FileIO(os.open(filename, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC), 'w')


def read_twice(paths: Iterable[str | os.PathLike[str]]) -> str | None:
    """Return the first path that leads to the same pipe or terminal as one before it; ``None`` if all are different.

    What one of the two readers gets is missing for the other.
    """
    seen = set()
    for path in paths:
        with suppress(OSError, ValueError):  # raised where it is opened
            status = os.stat(path)
            if stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
                if (status.st_dev, status.st_ino) in seen:
                    return os.fspath(path)
                seen.add((status.st_dev, status.st_ino))
    return None


def enlarge_pipe(stream: Any) -> None:
    """Let a pipe hold more bytes, where the system allows it: its two processes wait for each other less often.

    :param stream: anything; only a pipe is changed
    """
    with suppress(AttributeError, OSError, TypeError, ValueError):  # AttributeError: not on Linux, or no file at all
        fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def descriptor_of(filename: str) -> int | None:
    """Return the number of the descriptor of this process that a path leads to, as ``/dev/stdout`` does to 1."""
    path, pattern = filename, re.compile(_DESCRIPTOR.format(os.getpid()), re.ASCII)
    for _ in range(MAX_LINKS):
        folder, name = os.path.split(path)
        path = os.path.join(os.path.realpath(folder or os.curdir), name)
        match = pattern.fullmatch(path)
        if match is not None:
            return int(match[1])
        if not os.path.islink(path):
            return None
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return None


def followed(path: str) -> str:
    """Return where a path leads, if the system itself would go there.

    In a folder such as /tmp, Linux follows no symbolic link that another user has made (``fs.protected_symlinks``): it
    may lead to a file of the victim. ``os.path.realpath`` follows it all the same.
    https://docs.kernel.org/admin-guide/sysctl/fs.html#protected-symlinks

    :raises PermissionError: it would not
    """
    try:
        os.stat(path)
    except PermissionError:
        raise
    except (OSError, ValueError):  # missing, or an error that using the file will report
        pass
    return os.path.realpath(path)


def _is_special(filename: str) -> bool:
    try:
        mode = os.stat(filename).st_mode
    except OSError:  # missing, or an error that making the file will report
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
