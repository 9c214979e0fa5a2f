"""The target folder: where files are pulled to, and what is there already, by paths within it.

No symbolic link in it is followed, on no part of a path. ``staging`` puts files into it, ``folder_deletion`` removes
files from it. Restores of snapshots, whose paths are bytes, have a target of their own and use the functions here.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import AnyStr

from dxf.artifacts.hidden_folders import FOLDER
from dxf.local.file_hash import hash_descriptor
from dxf.local.sinks import named
from dxf.local.special_files import followed

EXISTING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Make = Callable[[int, str, str], None]
"""Called with the descriptor of a folder, a name in it, and a path: makes a folder there if it is missing."""


def descend(folder: int, steps: Iterable[tuple[AnyStr, str]],
            make: Callable[[int, AnyStr, str], None] | None = None) -> int | None:
    """Return the descriptor of a folder within another; ``None`` where one on the way is missing.

    :param steps: the names of the folders that lead there, each with the path that an error names
    :param make: called before each step
    :raises OSError: something else is in the way
    """
    inner = os.dup(folder)
    for name, path in steps:
        outer = inner
        try:
            if make is not None:
                make(outer, name, path)
            found = _open_inner(outer, name, path)
        finally:
            os.close(outer)
        if found is None:
            return None
        inner = found
    return inner


def _open_inner(folder: int, part: str | bytes, path: str) -> int | None:
    """Open a folder in another one, but no link; return ``None`` where it is missing."""
    try:
        return os.open(part, FOLDER, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise OSError(error.errno, error.strerror, path) from error
        reason = 'it is in the way: a symbolic link, or no folder; move it away'
        raise NotADirectoryError(errno.ENOTDIR, reason, path) from None


def check_replaceable(is_file: bool, overwrite: bool, path: str) -> None:
    """Check that what is at a path may be replaced.

    :param is_file: whether it is of a kind that is replaced at all
    :raises FileExistsError: it may not
    """
    if not is_file:
        raise FileExistsError(errno.EEXIST, 'it is in the way, and is no file: move it away', path)
    if not overwrite:
        raise FileExistsError(errno.EEXIST, 'it is there already, and differs (--overwrite replaces it)', path)


class TargetFolder:
    """A folder by its path, open until it is closed; one that is missing holds nothing.

    :param path: where it is a symbolic link, the folder that this leads to
    :param overwrite: files that are there may be replaced
    :raises OSError: it is no folder, or cannot be opened
    """

    def __init__(self, path: str, overwrite: bool = False) -> None:
        self.path = followed(path)
        self._overwrite = overwrite
        self._root: int | None = None
        with suppress(FileNotFoundError):
            self._root = os.open(self.path, FOLDER)

    def __enter__(self) -> 'TargetFolder':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def root(self) -> int:
        """The descriptor of the folder itself.

        :raises FileNotFoundError: it is missing
        """
        if self._root is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
        return self._root

    def close(self) -> None:
        """Close it."""
        if self._root is not None:
            os.close(self._root)

    def descend(self, parts: list[str], make: Make | None = None) -> int | None:
        """Return the descriptor of a folder within; ``None`` where it is missing and is not to be made."""
        if self._root is None:
            return None
        return descend(self._root, ((part, '/'.join(parts[:count])) for count, part in enumerate(parts, 1)), make)

    @contextmanager
    def parent(self, path: str, make: Make | None = None) -> Iterator[tuple[int, str] | None]:
        """Provide the folder that a path is in, and its name there; ``None`` where there is no such folder."""
        *parts, name = path.split('/')
        folder = self.descend(parts, make)
        if folder is None:
            yield None
            return
        try:
            yield folder, name
        finally:
            os.close(folder)

    def check(self, path: str, is_folder: bool = False) -> None:
        """Check that a file, or a folder, may get this name.

        :raises OSError: it may not: one is there that must not be replaced, or something is in the way
        """
        if is_folder:
            folder = self.descend(path.split('/'))
            if folder is not None:
                os.close(folder)
            return
        with self.parent(path) as found:
            if found is not None:
                self.check_name(*found, path)

    def check_name(self, folder: int, name: str, path: str) -> bool:
        """Return whether there is a file of this name, which may be replaced.

        :raises OSError: it may not be replaced, or is no file
        """
        try:
            there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        check_replaceable(stat.S_ISREG(there.st_mode), self._overwrite, path)
        return True

    @contextmanager
    def opened(self, path: str, size: int, is_executable: bool | None = None) -> Iterator[int | None]:
        """Provide the descriptor of a regular file of this size; ``None`` where no such file can be read.

        :param is_executable: what its owner may do; ``None`` for either
        """
        file = None
        with suppress(OSError), self.parent(path) as found:
            if found is not None:
                file = os.open(found[1], EXISTING, dir_fd=found[0])
        try:
            yield file if file is not None and _is_like(os.fstat(file), size, is_executable) else None
        finally:
            if file is not None:
                os.close(file)

    def has(self, path: str, digest: str, size: int) -> bool:
        """Return whether there is a file with this content, which is on the disk then.

        :raises OSError: the disk is full, or broken
        """
        with self.opened(path, size) as file:
            if file is None:
                return False
            with named(path):
                os.fsync(file)
                return hash_descriptor(file) == digest

    def sync(self, path: str) -> None:
        """Write the names in a folder to the disk; the empty path is the target folder."""
        folder = self.descend(path.split('/') if path else [])
        if folder is not None:
            os.fsync(folder)
            os.close(folder)


def _is_like(status: os.stat_result, size: int, is_executable: bool | None) -> bool:
    """Return whether a file is a regular one of this size, and executable or not."""
    return stat.S_ISREG(status.st_mode) and status.st_size == size and \
        is_executable in (None, bool(status.st_mode & stat.S_IXUSR))
