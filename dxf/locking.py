"""Locks: files of which one process at a time is the owner."""

import fcntl
import os
from contextlib import suppress
from glob import escape, glob


def open_locked(path: str, mode: int = 0o666, wait: bool = False) -> int | None:
    """Open a file for reading and writing, made if there is none, and own it until it is closed.

    :param mode: its permissions, less the umask
    :param wait: wait until no other process owns it
    :return: the file's descriptor, ``None`` where another process owns it
    :raises OSError: it cannot be opened
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_at(file, path):
                return file
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its owner has just moved or removed it


def remove_unlocked(start: str) -> None:
    """Remove files that belong to nobody: whoever made them was killed.

    :param start: the path of each, but for the number at its end
    """
    for path in glob(f'{escape(start)}[0-9]*'):
        with suppress(OSError):
            file = open_locked(path)
            if file is not None:
                os.unlink(path)
                os.close(file)


def _is_at(file: int, path: str) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(file))
