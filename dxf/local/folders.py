"""Folders: made where they are missing, and written to the disk with the names in them.

A folder may be the registry, too: ``relation_to_registry`` compares another folder with it.
"""

import errno
import os
import stat
from contextlib import suppress

from dxf.local.sinks import sync
from dxf.names import FOLDER, is_folder

ATTEMPTS = 100

HOLDS, IS_IN = 'holds', 'is in'
"""How a folder is related to the registry."""


def registry_folder(host: str) -> str:
    """Return the path of a registry that is a folder, without symbolic links."""
    return os.path.realpath(host.removeprefix(FOLDER))


def relation_to_registry(folder: str, host: str) -> str:
    """Return how a folder is related to the registry; empty if they are apart, or the registry is no folder.

    :return: ``HOLDS``, also for the registry itself, or ``IS_IN``; symbolic links are followed
    """
    if not is_folder(host):
        return ''
    path, registry = os.path.realpath(folder), registry_folder(host)
    common = os.path.commonpath([path, registry])
    return HOLDS if common == path else IS_IN if common == registry else ''


def is_in_registry(folder: str, host: str) -> bool:
    """Return whether a folder is the registry, or in it; symbolic links are followed."""
    return f'{os.path.realpath(folder)}{os.sep}'.startswith(f'{registry_folder(host)}{os.sep}')


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
