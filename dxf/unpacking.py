"""Unpacking: files on their way into a folder, where all of them appear, or none.

Whatever their names are, nothing outside the folder is touched: no symbolic link in it is followed, on no part of a
path. Until all files are there they are in a hidden folder in it, which nobody else owns. Where they come from is not
known here.
"""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import escape, glob
from typing import Any

from dxf.files import make_folders
from dxf.paths import HIDDEN

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_folder(folder: str) -> None:
    """Check that files can be put into a folder, or that it can be made.

    :raises OSError: it cannot
    """
    path = os.path.realpath(folder)
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    reason = errno.ENOTDIR if not os.path.isdir(path) else 0 if os.access(path, os.W_OK | os.X_OK) else errno.EACCES
    if reason:
        raise OSError(reason, os.strerror(reason), folder)


class Intake:
    """Files on their way into a folder, which is made where it is missing.

    Hidden folders of processes that were killed are removed.

    :param overwrite: replace files that are there
    :raises OSError: nothing can be written there
    """

    def __init__(self, folder: str, overwrite: bool = False) -> None:
        self._folder = os.path.realpath(folder)
        self._overwrite = overwrite
        self._staged: list[tuple[str, str]] = []
        self._folders: list[str] = []
        self._is_published = False
        self._close = self._undo = ExitStack()
        with ExitStack() as undo:
            self._made = make_folders(self._folder)
            undo.callback(self._remove_made)
            self._root = _open(self._folder)
            undo.callback(os.close, self._root)
            _remove_hidden(self._folder)
            self._hidden, self._owned = _make_hidden(self._folder)
            undo.callback(os.close, self._owned)
            undo.callback(shutil.rmtree, self._hidden, ignore_errors=True)
            self._close = undo.pop_all()

    def __enter__(self) -> 'Intake':
        return self

    def __exit__(self, *_: object) -> None:
        self._close.close()

    def _remove_made(self) -> None:
        if not self._is_published:
            with suppress(OSError):  # there is something else in it by now
                for folder in reversed(self._made):
                    os.rmdir(folder)

    @property
    def space(self) -> int:
        """Bytes that the disk has free."""
        space = os.statvfs(self._folder)
        return space.f_bavail * space.f_frsize

    def check_space(self, size: int) -> None:
        """Check that the disk has space for so many bytes.

        :raises OSError: it has not
        """
        if size > self.space:
            raise OSError(errno.ENOSPC, f'not enough space: {size} bytes are needed and {self.space} are free',
                          self._folder)

    # The way to a name

    def _descend(self, parts: list[str], make: bool = False) -> int | None:
        """Return the descriptor of a folder within; ``None`` where it is missing and is not to be made."""
        folder = os.dup(self._root)
        try:
            for count, part in enumerate(parts, 1):
                with suppress(FileExistsError):
                    if make:
                        os.mkdir(part, dir_fd=folder)
                        self._undo.callback(self._remove, '/'.join(parts[:count]), os.rmdir)
                inner = self._step(folder, part, '/'.join(parts[:count]))
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
    def _step(folder: int, part: str, path: str) -> int | None:
        try:
            return os.open(part, FOLDER, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            raise NotADirectoryError(errno.ENOTDIR, 'it is in the way: a symbolic link, or no folder', path) from None

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
        """Say whether there is a file of this name, which may be replaced."""
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
        return self._close.enter_context(tempfile.TemporaryFile(dir=self._hidden, buffering=0))

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
        staged = str(len(self._staged))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(staged, flags, 0o777 if is_executable else 0o666, dir_fd=self._owned), 'wb',
                  buffering=0) as file:
            for piece in pieces:
                write(file, piece, path)
            os.fsync(file.fileno())
        self._staged.append((staged, path))

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
            for staged, path in self._staged:
                with self._parent(path, make=True) as found:
                    if found is not None:
                        self._appear(staged, *found, path)
            self._is_published = True
            self._undo.pop_all()
        folders = {*self._folders, *(os.path.dirname(path) for _, path in self._staged)}
        for path in folders:
            folder = self._descend(path.split('/') if path else [])
            if folder is not None:
                os.fsync(folder)
                os.close(folder)

    def _appear(self, staged: str, folder: int, name: str, path: str) -> None:
        """Move a file to its name, which it gets all at once."""
        if self._check_name(folder, name, path):
            kept = f'{staged}.old'
            with suppress(OSError):  # a file system without hard links: what is replaced cannot be brought back
                os.link(name, kept, src_dir_fd=folder, dst_dir_fd=self._owned, follow_symlinks=False)
                self._undo.callback(self._bring_back, kept, path)
            os.replace(staged, name, src_dir_fd=self._owned, dst_dir_fd=folder)
            return
        try:  # never in place of a file that another process has just made
            os.link(staged, name, src_dir_fd=self._owned, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, 'it is there already', path) from None
        except OSError:
            os.rename(staged, name, src_dir_fd=self._owned, dst_dir_fd=folder)
        else:
            os.unlink(staged, dir_fd=self._owned)
        self._undo.callback(self._remove, path, os.unlink)

    def _bring_back(self, kept: str, path: str) -> None:
        with suppress(OSError), self._parent(path) as found:
            if found is not None:
                os.replace(kept, found[1], src_dir_fd=self._owned, dst_dir_fd=found[0])

    def _remove(self, path: str, remove: Any) -> None:
        with suppress(OSError), self._parent(path) as found:
            if found is not None:
                remove(found[1], dir_fd=found[0])


def write(file: Any, piece: bytes, path: str) -> None:
    """Write all of a piece.

    :param path: what the file is called in an error
    :raises OSError: the disk is full, or the like
    """
    view = memoryview(piece)
    try:
        while view:
            view = view[file.write(view):]
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _open(folder: str) -> int:
    return os.open(folder, FOLDER)


def _owned(path: str) -> int | None:
    """Open a folder and own it, until it is closed; ``None`` where another process does."""
    folder = _open(path)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(folder)):
            return folder
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(folder)
        raise
    os.close(folder)
    return None


def _make_hidden(folder: str) -> tuple[str, int]:
    while True:
        path = tempfile.mkdtemp(prefix=HIDDEN, dir=folder)
        with suppress(FileNotFoundError):  # another process has just taken it for one that nobody owns
            owned = _owned(path)
            if owned is not None:
                return path, owned


def _remove_hidden(folder: str) -> None:
    for path in glob(os.path.join(escape(folder), f'{HIDDEN}*')):
        with suppress(OSError):
            owned = _owned(path)
            if owned is not None:
                shutil.rmtree(path)
                os.close(owned)
