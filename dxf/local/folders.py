"""Folders: made where they are missing, and written to the disk with the names in them."""

import errno
import os
import stat
from contextlib import suppress

from dxf.local.sinks import sync

ATTEMPTS = 100


def refusal_of(folder: str) -> int:
    """Return the number of the error for a folder that cannot be written to: read-only, or not permitted."""
    return errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES


def make_folders(path: str, attempts: int = ATTEMPTS) -> list[str]:
    """Make a folder, and those that it is in, where they are missing; return the paths of those that were.

    :param attempts: how often others may remove one of them meanwhile
    :raises OSError: one cannot be made
    """
    if os.path.isdir(path):
        return []
    parent = os.path.dirname(path)
    made = make_folders(parent)
    try:
        os.mkdir(path)
        sync_folder(parent)
    except FileExistsError:
        _insist_on_folder(path)
        return [*made, *make_folders(path)]
    except FileNotFoundError:  # who made the parent before has just removed it
        if not attempts:
            raise
        return make_folders(path, attempts - 1)
    return [*made, path]


def _insist_on_folder(path: str) -> None:
    with suppress(FileNotFoundError):  # who made it before has just removed it
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)


def sync_folder(path: str) -> None:
    """Write the names in a folder to the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(folder)
    finally:
        os.close(folder)
