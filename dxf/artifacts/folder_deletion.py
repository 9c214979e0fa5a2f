"""Folder deletion: what is in the target folder, and belongs to no file of the alias, is removed.

Nothing outside the folder is touched: no symbolic link is followed, and no other file system within is entered. What is
to be kept is known before, by its paths; a file that is also known by such a path is never removed.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from dxf.artifacts.hidden_folders import FOLDER, KEPT_PREFIX, mount_of
from dxf.artifacts.safe_paths import HIDDEN, key_of, with_parents
from dxf.artifacts.target_folder import TargetFolder
from dxf.counts import counted
from dxf.exceptions import DXFError
from dxf.local.folders import relation_to_registry
from dxf.local.sinks import named


def check_outside(folder: str, host: str) -> None:
    """Check that no registry is deleted that is itself a folder, nor a part of it.

    :raises DXFError: it is in the target folder, or that in the registry
    """
    relation = relation_to_registry(folder, host)
    if relation:
        raise DXFError(f'{folder} {relation} the registry {host}, which would be deleted: nothing was changed')


def _check_mount(folder: int, mount: tuple[int, int], path: str) -> None:
    """Check that a folder is on a file system.

    :raises OSError: another one is mounted there
    """
    if mount_of(folder) != mount:
        raise OSError(errno.EXDEV, 'another file system is mounted there, and --delete does not enter it', path)


class Extra(NamedTuple):
    """A file, or a folder, that is to be removed: its path in the folder, and the bytes of a file."""

    path: str
    is_folder: bool
    size: int


class FolderDeletion:
    """Removes from a folder what is not among certain files and folders.

    The constructor looks at all that is there. :meth:`carry_out` removes it.

    :param target: the folder
    :param files: the paths of the files to keep
    :param folders: those of the folders, without those that the files are in
    :param limit: the largest number of files that may be removed; ``None`` for any
    :param within: the paths of the folders that are looked into; the empty path is the target folder
    :raises DXFError: there are no files to keep, there are more to remove than ``limit``, or folders are nested too
        deeply
    :raises OSError: a folder cannot be read, or another file system is mounted there
    """

    def __init__(self, target: TargetFolder, files: Iterable[str], folders: Iterable[str], limit: int | None = None,
                 within: Iterable[str] = ('',)) -> None:
        self._target = target
        self._files = set(files)
        if not self._files:
            raise DXFError('there are no files in it, so nothing is deleted')
        self._folders = with_parents([*folders, *map(os.path.dirname, self._files)])
        self._keys = {key_of(path): path for path in (*self._files, *self._folders)}
        try:
            self.extras = [extra for path in within for extra in self._look(path)]
        except RecursionError:
            raise DXFError('folders are nested too deeply in it, so nothing is deleted') from None
        count = sum(not extra.is_folder for extra in self.extras)
        if limit is not None and count > limit:
            raise DXFError(f'{counted(count, "file")} would be deleted, and --max-delete allows {limit}: nothing was '
                           'changed')

    def _look(self, path: str) -> Iterator[Extra]:
        """Yield what is to be removed of a folder, what is in a folder before the folder."""
        root, folder = self._target.descend([]), None
        try:
            folder = self._target.descend(path.split('/') if path else [])
            if root is not None and folder is not None:
                mount = mount_of(root)
                _check_mount(folder, mount, path)
                yield from self._look_into(folder, f'{path}/' if path else '', mount)
        finally:
            for descriptor in (root, folder):
                if descriptor is not None:
                    os.close(descriptor)

    def _look_into(self, folder: int, start: str, mount: tuple[int, int]) -> Iterator[Extra]:
        with named(start or self._target.path):
            names = sorted(os.listdir(folder))
        for name in names:
            if name.startswith((HIDDEN, KEPT_PREFIX)):  # of a process that is running, or a file of the user
                continue
            path = f'{start}{name}'
            with named(path):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                if not self._is_kept(path, status):
                    yield Extra(path, False, status.st_size)
                continue
            yield from self._look_within(folder, name, path, mount)
            if not self._is_kept(path, status):
                yield Extra(path, True, 0)

    def _look_within(self, folder: int, name: str, path: str, mount: tuple[int, int]) -> Iterator[Extra]:
        with named(path):
            inner = os.open(name, FOLDER, dir_fd=folder)
        try:
            _check_mount(inner, mount, path)
            yield from self._look_into(inner, f'{path}/', mount)
        finally:
            os.close(inner)

    def _is_kept(self, path: str, status: os.stat_result) -> bool:
        """Return whether a path is one to keep; some file systems know it by another spelling."""
        if path in self._files or path in self._folders:
            return True
        kept = self._keys.get(key_of(path))
        if kept is None:
            return False
        with self._target.parent(kept) as found:
            try:
                return found is not None and \
                    os.path.samestat(status, os.stat(found[1], dir_fd=found[0], follow_symlinks=False))
            except FileNotFoundError:
                return False

    def carry_out(self) -> None:
        """Remove it; that is on the disk then.

        :raises OSError: something cannot be removed
        """
        for extra in self.extras:
            with named(extra.path), self._target.parent(extra.path) as found, suppress(FileNotFoundError):
                if found is not None:
                    (os.rmdir if extra.is_folder else os.unlink)(found[1], dir_fd=found[0])
        gone = {extra.path for extra in self.extras}
        for parent in {os.path.dirname(path) for path in gone} - gone:
            self._target.sync(parent)
