"""Staging: files on their way into a folder, where all of them appear, or none.

Whatever their names are, nothing outside the folder is touched: no symbolic link in it is followed, on no part of a
path. Until all files are there they are in a hidden folder in it, which no other process owns. Where another file
system is mounted within, they are in a hidden folder there. Where they come from is not known here.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from dxf.artifacts.hidden_folders import HiddenFolder, mount_of
from dxf.artifacts.safe_paths import with_parents
from dxf.artifacts.target_folder import TargetFolder
from dxf.local.atomic_files import PERMISSIONS
from dxf.local.folders import make_folders, refusal_of
from dxf.local.sinks import named, write_all
from dxf.local.special_files import followed

READABLE, EXECUTABLE = 0o444, 0o111
"""The permissions of a mode to read, and to execute."""


def check_folder(folder: str) -> None:
    """Check that files can be put into a folder, or that it can be made.

    :raises OSError: it cannot
    """
    path = followed(folder)
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    reason = errno.ENOTDIR if not os.path.isdir(path) else 0 if os.access(path, os.W_OK | os.X_OK) else \
        refusal_of(path)
    if reason:
        raise OSError(reason, os.strerror(reason), folder)


def space_of(folder: str | int) -> int:
    """Return the bytes that the disk of a folder has free."""
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


def check_space(free: int, size: int, folder: str) -> None:
    """Check that a disk has space for so many bytes.

    :param free: bytes that it has free
    :param folder: what an error names
    :raises OSError: it has not
    """
    if size > free:
        raise OSError(errno.ENOSPC, f'not enough space: {size} bytes are needed and {free} are free', folder)


class _StagedFile(NamedTuple):
    """A file that waits for its name.

    :param is_executable: as the archive says; ``None`` where nothing says it
    """

    hidden: HiddenFolder
    name: str
    path: str
    is_executable: bool | None

    def keep_access(self, former: os.stat_result) -> None:
        """Take the permissions of the file that this one will replace, and as root its owner.

        What only its owner could read stays so. Some file systems have no permissions, and nothing to take.
        """
        mode = former.st_mode & PERMISSIONS
        if self.is_executable is not None:
            mode = mode | (mode & READABLE) >> 2 | stat.S_IXUSR if self.is_executable else mode & ~EXECUTABLE
        if os.geteuid() == 0:
            with suppress(OSError):
                os.chown(self.name, former.st_uid, former.st_gid, dir_fd=self.hidden.folder)
        with suppress(OSError):
            os.chmod(self.name, mode, dir_fd=self.hidden.folder)


class StagedFiles:
    """Files on their way into a folder, which is made where it is missing.

    Hidden folders of processes that were killed are removed.

    :param overwrite: replace files that are there
    :raises OSError: nothing can be written there
    """

    def __init__(self, folder: str, overwrite: bool = False) -> None:
        self._staged: list[_StagedFile] = []
        self._folders: list[str] = []
        self._present: list[str] = []
        self._is_published = False
        self._close = self._undo = ExitStack()
        with ExitStack() as undo:
            self._made = make_folders(followed(folder))
            undo.callback(self._remove_made)
            self.target = undo.enter_context(TargetFolder(folder, overwrite))
            self._close = undo
            self._mount = mount_of(self.target.root)
            self._hidden = {self._mount: self._make_hidden(self.target.root, self.target.path)}
            self._mounts: dict[str, tuple[int, int] | None] = {}
            self._close = undo.pop_all()

    def __enter__(self) -> 'StagedFiles':
        return self

    def __exit__(self, *_: object) -> None:
        self._close.close()

    def _make_hidden(self, parent: int, path: str) -> HiddenFolder:
        hidden = HiddenFolder(parent, path)
        self._close.callback(self._close_hidden, hidden)
        return hidden

    @staticmethod
    def _close_hidden(hidden: HiddenFolder) -> None:
        left = hidden.close()
        if left is not None:
            raise OSError(errno.EIO, 'a file that was to be replaced could not be put back; it is kept in this folder',
                          left)

    def _remove_made(self) -> None:
        if not self._is_published:
            with suppress(OSError):  # there is something else in it by now
                for folder in reversed(self._made):
                    os.rmdir(folder)

    @property
    def space(self) -> int:
        """Bytes that the disk has free."""
        return space_of(self.target.path)

    def check_space(self, size: int) -> None:
        """Check that the disk has space for so many bytes.

        :raises OSError: it has not
        """
        check_space(self.space, size, self.target.path)

    def _make_folder(self, folder: int, name: str, path: str) -> None:
        """Make a folder where it is missing."""
        try:
            os.mkdir(name, dir_fd=folder)
        except FileExistsError:
            return
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error
        self._undo.callback(self._remove, path, os.rmdir)

    # Taking files in

    def nameless(self) -> Any:
        """Return a file without a name, for what is to be unpacked; nothing of it is left at the end."""
        hidden = os.path.join(self.target.path, self._first.name)
        try:
            return self._close.enter_context(tempfile.TemporaryFile(dir=hidden, buffering=0))
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.target.path) from error

    @property
    def _first(self) -> HiddenFolder:
        """The hidden folder in which files are until all of them are there."""
        return self._hidden[self._mount]

    def add_folder(self, path: str) -> None:
        """Take in a folder.

        :param path: a checked one, as all are here
        """
        self._folders.append(path)

    def add_present(self, path: str) -> None:
        """Take in a file that is there already."""
        self._present.append(path)

    @property
    def files(self) -> list[str]:
        """The paths of all files."""
        return [*self._present, *(staged.path for staged in self._staged)]

    @property
    def folders(self) -> list[str]:
        """The paths of all folders that were taken in."""
        return self._folders

    def add(self, path: str, pieces: Iterable[bytes], is_executable: bool | None = None) -> None:
        """Take in a file; what raises an error before its end is not taken in.

        :param path: what it is to be called
        :param is_executable: ``None`` if it is to be as the file that it replaces
        :raises OSError: the disk is full, or the like
        """
        with named(path):
            name, staged = self._first.new_file(0o777 if is_executable else 0o666)
        with open(staged, 'wb', buffering=0) as file:
            for piece in pieces:
                write(file, piece, path)
            with named(path):
                os.fsync(file.fileno())
        self._staged.append(_StagedFile(self._first, name, path, is_executable))

    # The end

    def publish(self) -> None:
        """Give all of them their names; if one cannot have its name, none has.

        :raises OSError: that is so
        """
        with ExitStack() as self._undo:
            for path in self._folders:
                folder = self.target.descend(path.split('/'), self._make_folder)
                if folder is not None:
                    os.close(folder)
            self._staged = [self._moved_beside(staged) for staged in self._staged]
            for staged in self._staged:
                with self.target.parent(staged.path) as found, named(staged.path):
                    if found is not None:
                        self._give_name(staged, *found)
            self._is_published = True
            for hidden in self._hidden.values():
                hidden.forget()
            self._undo.pop_all()
        # The folder of a new folder too: else that may be missing after a power failure, with all that is in it.
        for path in with_parents({*self._folders, *map(os.path.dirname, self.files)}):
            self.target.sync(path)

    def _moved_beside(self, staged: _StagedFile) -> _StagedFile:
        """Move a file to a hidden folder on the file system of its name, from where it can get that by a rename.

        It is copied there before any file appears: the copy may fail, as there may be no space.
        """
        folder = os.path.dirname(staged.path)
        if folder not in self._mounts:
            with self.target.parent(staged.path, self._make_folder) as found:
                self._mounts[folder] = None if found is None else mount_of(found[0])
        mount = self._mounts[folder]
        if mount is None or mount == self._mount:
            return staged
        with named(staged.path):
            if mount not in self._hidden:
                self._hidden[mount] = self._hidden_of(mount, staged.path)
            hidden = self._hidden[mount]
            return staged._replace(hidden=hidden, name=hidden.adopt(staged.hidden, staged.name))

    def _hidden_of(self, mount: tuple[int, int], path: str) -> HiddenFolder:
        """Make a hidden folder in the uppermost folder of a mount, of which ``path`` is in one."""
        parts = path.split('/')[:-1]
        for count in range(1, len(parts) + 1):
            folder = self.target.descend(parts[:count])
            if folder is None:
                break
            try:
                if mount_of(folder) == mount:
                    return self._make_hidden(folder, os.path.join(self.target.path, *parts[:count]))
            finally:
                os.close(folder)
        raise OSError(errno.EXDEV, 'another file system was mounted there meanwhile', path)

    def _give_name(self, staged: _StagedFile, folder: int, name: str) -> None:
        """Move a file to its name, which it gets all at once."""
        hidden = staged.hidden
        if self.target.check_name(folder, name, staged.path):
            staged.keep_access(os.stat(name, dir_fd=folder, follow_symlinks=False))
            within = os.path.relpath(os.path.join(self.target.path, staged.path), hidden.parent_path)
            kept = hidden.keep(folder, name, within)
            self._undo.callback(self._restore_kept, hidden, kept, staged.path)
            os.replace(staged.name, name, src_dir_fd=hidden.folder, dst_dir_fd=folder)
            return
        ours = os.stat(staged.name, dir_fd=hidden.folder)
        self._undo.callback(self._remove, staged.path, os.unlink, ours)
        try:  # never in place of a file that another process has just made
            hidden.move_out(staged.name, folder, name)
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, 'it is there already', staged.path) from None

    def _restore_kept(self, hidden: HiddenFolder, kept: str, path: str) -> None:
        with suppress(OSError), self.target.parent(path) as found:
            if found is not None:
                hidden.put_back(kept, *found)

    def _remove(self, path: str, remove: Any, ours: os.stat_result | None = None) -> None:
        """Remove what has appeared.

        :param ours: a file that is to be removed, but not another of the same name
        """
        with suppress(OSError), self.target.parent(path) as found:
            if found is not None:
                folder, name = found
                if ours is None or os.path.samestat(ours, os.stat(name, dir_fd=folder, follow_symlinks=False)):
                    remove(name, dir_fd=folder)


def write(file: Any, piece: bytes, path: str) -> None:
    """Write all of a piece.

    :param path: what the file is called in an error
    :raises OSError: the disk is full, or the like
    """
    with named(path):
        write_all(file, piece)
