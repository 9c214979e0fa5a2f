"""Locks: files of which one process at a time is the owner.

A lock belongs to the open file, which a child process shares after a fork. The child would keep the lock as long as it
lives, so it closes its copy at once.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from glob import escape, glob

_owned: set[int] = set()
"""Descriptors of files that this process has locked."""


def open_locked(path: str, mode: int = 0o666) -> int | None:
    """Open a file for reading and writing, or make it, and own it until it is closed.

    :param mode: its permissions, less the umask
    :return: the file's descriptor, ``None`` where another process owns it
    :raises OSError: it cannot be opened
    """
    try:
        return _open(path, mode, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def wait_for_lock(path: str, mode: int = 0o666) -> int:
    """Do the same as :func:`open_locked`, but wait until no other process owns the file."""
    return _open(path, mode, fcntl.LOCK_EX)


def own(file: int) -> None:
    """Remember that this process has locked a file, so that its children do not keep the lock."""
    _owned.add(file)


def is_owned(file: int) -> bool:
    """Return whether this process locked a file, and not the parent that it was forked from."""
    return file in _owned


def close_locked(file: int) -> None:
    """Close a locked file, which ends the lock."""
    _owned.discard(file)
    os.close(file)


def _leave_to_parent() -> None:
    """Close this process's copies of the locked files, in a child after a fork.

    The descriptors stay open, on an empty file: what closes them later must not close another file of that number.
    """
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        while _owned:
            os.dup2(nothing, _owned.pop(), inheritable=False)
        os.close(nothing)


os.register_at_fork(after_in_child=_leave_to_parent)


def _open(path: str, mode: int, how: int) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
        try:
            check_regular(file, path)
            fcntl.flock(file, how)
            if is_at(file, path):
                own(file)
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its owner has just moved or removed it


def remove_unlocked(start: str) -> None:
    """Remove files that no process owns: those that made them were killed.

    :param start: the path of each, but for the number at its end
    """
    for path in glob(f'{escape(start)}[0-9]*'):
        remove_if_unlocked(path)


def remove_if_unlocked(path: str) -> None:
    """Remove a file, unless another process owns it."""
    with suppress(OSError):
        file = open_locked(path)
        if file is not None:
            try:
                os.unlink(path)
            finally:
                close_locked(file)


def check_is_at(file: int, path: str, filename: str) -> None:
    """Insist that a locked, hidden file has its path still, before a rename of that path gives it its name.

    A program that cleans up may have removed it. Another process may have made a file of that path, which is not
    complete.

    :param filename: the name that it is to get
    :raises OSError: it has not
    """
    if not is_at(file, path):
        raise OSError(errno.ESTALE, f'another program has removed its hidden file, {os.path.basename(path)}: try again',
                      filename)


def remove_locked(file: int, path: str) -> None:
    """Remove a locked file, unless it has lost its path: what has that now belongs to another process."""
    if is_at(file, path):
        with suppress(FileNotFoundError):
            os.unlink(path)


def check_regular(file: int, path: str) -> None:
    """Check that an open file is a regular one: reading a FIFO or a device may take for ever.

    :raises OSError: it is something else
    """
    mode = os.fstat(file).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, 'not a regular file', path)


def is_at(file: int, path: str) -> bool:
    """Return whether an open file has a path still, or again."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file))
