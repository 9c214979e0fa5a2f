"""Staging: files on their way into a folder, where all of them appear, or none.

Whatever their names are, nothing outside the folder is touched: no symbolic link in it is followed, on no part of a
path. Until all files are there they are in a hidden folder in it, which no other process owns. Where another file
system is mounted within, they are in a hidden folder there. Where they come from is not known here.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

from dxf.artifacts.hidden_folders import FOLDER, HiddenFolder, mount_of
from dxf.artifacts.safe_paths import with_parents
from dxf.local.atomic_files import make_folders, refusal_of
from dxf.local.sinks import named, write_all


def check_folder(folder: str) -> None:
    """Check that files can be put into a folder, or that it can be made.

    :raises OSError: it cannot
    """
    path = os.path.realpath(folder)
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


def open_inner(folder: int, part: str | bytes, path: str) -> int | None:
    """Open a folder in another one, but no link; return ``None`` where it is missing.

    :param path: what an error names
    :raises OSError: something else is in the way
    """
    try:
        return os.open(part, FOLDER, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise OSError(error.errno, error.strerror, path) from error
        raise NotADirectoryError(errno.ENOTDIR, 'it is in the way: a symbolic link, or no folder', path) from None


class _StagedFile(NamedTuple):
    """A file that waits for its name."""

    hidden: HiddenFolder
    name: str
    path: str


class StagedFiles:
    """Files on their way into a folder, which is made where it is missing.

    Hidden folders of processes that were killed are removed.

    :param overwrite: replace files that are there
    :raises OSError: nothing can be written there
    """

    def __init__(self, folder: str, overwrite: bool = False) -> None:
        self._folder = os.path.realpath(folder)
        self._overwrite = overwrite
        self._staged: list[_StagedFile] = []
        self._folders: list[str] = []
        self._is_published = False
        self._close = self._undo = ExitStack()
        with ExitStack() as undo:
            self._made = make_folders(self._folder)
            undo.callback(self._remove_made)
            self._root = os.open(self._folder, FOLDER)
            undo.callback(os.close, self._root)
            self._close = undo
            self._mount = mount_of(self._root)
            self._hidden = {self._mount: self._make_hidden(self._root, self._folder)}
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
        return space_of(self._folder)

    def check_space(self, size: int) -> None:
        """Check that the disk has space for so many bytes.

        :raises OSError: it has not
        """
        check_space(self.space, size, self._folder)

    # The way to a name

    def _descend(self, parts: list[str], make: bool = False) -> int | None:
        """Return the descriptor of a folder within; ``None`` where it is missing and is not to be made."""
        folder = os.dup(self._root)
        try:
            for count, part in enumerate(parts, 1):
                path = '/'.join(parts[:count])
                if make and self._make_folder(folder, part, path):
                    self._undo.callback(self._remove, path, os.rmdir)
                inner = open_inner(folder, part, path)
                if inner is None:
                    os.close(folder)
                    return None
                os.close(folder)
                folder = inner
        except BaseException:
            os.close(folder)
            raise
        return folder

    @staticmethod
    def _make_folder(folder: int, name: str, path: str) -> bool:
        """Make a folder where it is missing; return whether it was."""
        try:
            os.mkdir(name, dir_fd=folder)
        except FileExistsError:
            return False
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from error
        return True

    @contextmanager
    def _parent(self, path: str, make: bool = False) -> Iterator[tuple[int, str] | None]:
        """Provide the folder that a path is in, and its name there; ``None`` where there is no such folder."""
        *parts, name = path.split('/')
        folder = self._descend(parts, make)
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
            folder = self._descend(path.split('/'))
            if folder is not None:
                os.close(folder)
            return
        with self._parent(path) as found:
            if found is not None:
                self._check_name(*found, path)

    def _check_name(self, folder: int, name: str, path: str) -> bool:
        """Return whether there is a file of this name, which may be replaced."""
        try:
            there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(there.st_mode):
            raise FileExistsError(errno.EEXIST, 'it is in the way, and is no file', path)
        if not self._overwrite:
            raise FileExistsError(errno.EEXIST, 'it is there already (--overwrite replaces it)', path)
        return True

    # Taking files in

    def nameless(self) -> Any:
        """Return a file without a name, for what is to be unpacked; nothing of it is left at the end."""
        hidden = os.path.join(self._folder, self._first.name)
        try:
            return self._close.enter_context(tempfile.TemporaryFile(dir=hidden, buffering=0))
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._folder) from error

    @property
    def _first(self) -> HiddenFolder:
        """The hidden folder in which files are until all of them are there."""
        return self._hidden[self._mount]

    def add_folder(self, path: str) -> None:
        """Take in a folder.

        :param path: a checked one, as all are here
        """
        self._folders.append(path)

    def add(self, path: str, pieces: Iterable[bytes], is_executable: bool = False) -> None:
        """Take in a file; what raises an error before its end is not taken in.

        :param path: what it is to be called
        :raises OSError: the disk is full, or the like
        """
        with named(path):
            name, staged = self._first.new_file(0o777 if is_executable else 0o666)
        with open(staged, 'wb', buffering=0) as file:
            for piece in pieces:
                write(file, piece, path)
            with named(path):
                os.fsync(file.fileno())
        self._staged.append(_StagedFile(self._first, name, path))

    # The end

    def publish(self) -> None:
        """Give all of them their names; if one cannot have its name, none has.

        :raises OSError: that is so
        """
        with ExitStack() as self._undo:
            for path in self._folders:
                folder = self._descend(path.split('/'), make=True)
                if folder is not None:
                    os.close(folder)
            self._staged = [self._moved_beside(staged) for staged in self._staged]
            for staged in self._staged:
                with self._parent(staged.path) as found, named(staged.path):
                    if found is not None:
                        self._give_name(staged, *found)
            self._is_published = True
            for hidden in self._hidden.values():
                hidden.forget()
            self._undo.pop_all()
        # The folder of a new folder too: else that may be missing after a power failure, with all that is in it.
        for path in with_parents({*self._folders, *(os.path.dirname(staged.path) for staged in self._staged)}):
            folder = self._descend(path.split('/') if path else [])
            if folder is not None:
                os.fsync(folder)
                os.close(folder)

    def _moved_beside(self, staged: _StagedFile) -> _StagedFile:
        """Move a file to a hidden folder on the file system of its name, from where it can get that by a rename.

        It is copied there before any file appears: the copy may fail, as there may be no space.
        """
        folder = os.path.dirname(staged.path)
        if folder not in self._mounts:
            with self._parent(staged.path, make=True) as found:
                self._mounts[folder] = None if found is None else mount_of(found[0])
        mount = self._mounts[folder]
        if mount is None or mount == self._mount:
            return staged
        with named(staged.path):
            if mount not in self._hidden:
                self._hidden[mount] = self._hidden_of(mount, staged.path)
            hidden = self._hidden[mount]
            return _StagedFile(hidden, hidden.adopt(staged.hidden, staged.name), staged.path)

    def _hidden_of(self, mount: tuple[int, int], path: str) -> HiddenFolder:
        """Make a hidden folder in the uppermost folder of a mount, of which ``path`` is in one."""
        parts = path.split('/')[:-1]
        for count in range(1, len(parts) + 1):
            folder = self._descend(parts[:count])
            if folder is None:
                break
            try:
                if mount_of(folder) == mount:
                    return self._make_hidden(folder, os.path.join(self._folder, *parts[:count]))
            finally:
                os.close(folder)
        raise OSError(errno.EXDEV, 'another file system was mounted there meanwhile', path)

    def _give_name(self, staged: _StagedFile, folder: int, name: str) -> None:
        """Move a file to its name, which it gets all at once."""
        hidden = staged.hidden
        if self._check_name(folder, name, staged.path):
            within = os.path.relpath(os.path.join(self._folder, staged.path), hidden.parent_path)
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
        with suppress(OSError), self._parent(path) as found:
            if found is not None:
                hidden.put_back(kept, *found)

    def _remove(self, path: str, remove: Any, ours: os.stat_result | None = None) -> None:
        """Remove what has appeared.

        :param ours: a file that is to be removed, but not another of the same name
        """
        with suppress(OSError), self._parent(path) as found:
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
