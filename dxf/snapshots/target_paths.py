"""Target paths: what is in the folder into which a snapshot is restored, by paths within it.

No symbolic link in it is followed, on no part of a path. ``restore_target`` makes files there.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType

from dxf.artifacts.hidden_folders import FOLDER
from dxf.artifacts.safe_paths import HIDDEN, is_hidden
from dxf.artifacts.target_folder import EXISTING, descend
from dxf.exceptions import DXFInvalidNameError
from dxf.local.folders import make_folders
from dxf.local.sinks import named
from dxf.local.special_files import followed
from dxf.snapshots.entries import shown


class AtPath:
    """Makes errors name a path, as ``named`` does. Its text is made for an error only: there are many files.

    :raises OSError: what was raised within
    """

    __slots__ = ('_path',)

    def __init__(self, path: bytes) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
                 ) -> None:
        if isinstance(error, OSError):
            with named(shown(self._path)):
                raise error


class TargetPaths:
    """A folder that is open until it is closed; one that is missing holds nothing.

    :param make: make it where it is missing
    :raises OSError: it is no folder, or cannot be made
    """

    def __init__(self, folder: str, make: bool) -> None:
        self.folder = followed(folder)
        if make:
            make_folders(self.folder)
        self._root: int | None = None
        self._near: tuple[bytes, int] | None = None
        """The folder that was used last: most files are in the same one as the file before."""
        self._missing = b''
        """The folder that was found missing last, until one is made; empty for none."""
        self._listed: tuple[bytes | None, frozenset[str]] = (None, frozenset())
        """The names in the folder that was listed last."""
        with suppress(FileNotFoundError):
            self._root = os.open(self.folder, FOLDER)

    @property
    def root(self) -> int:
        """The descriptor of the folder itself.

        :raises FileNotFoundError: it is missing
        """
        if self._root is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.folder)
        return self._root

    def close(self) -> None:
        """Close it."""
        self._forget()
        if self._root is not None:
            os.close(self._root)

    def _forget(self) -> None:
        if self._near is not None:
            os.close(self._near[1])
            self._near = None

    def descend(self, path: bytes) -> int | None:
        """Return the descriptor of a folder, which stays open until another is asked for; ``None`` if it is missing.

        :param path: empty for the folder itself
        """
        if self._root is None or not path:
            return self._root
        known, descriptor = self._near or (b'', self._root)
        if path == known:
            return descriptor
        if self._missing and (path + b'/').startswith(self._missing + b'/'):
            return None
        start, rest = (descriptor, path[len(known) + 1:]) if path.startswith(known + b'/') else (self._root, path)
        folder = descend(start, ((part, shown(path)) for part in rest.split(b'/')))
        if folder is None:
            self._missing = path
        else:
            self._forget()
            self._near = (path, folder)
        return folder

    def make(self, path: bytes) -> None:
        """Make a folder where it is missing, which its owner alone may use.

        :raises OSError: something else is in the way
        """
        folder, name = self.parent(path)
        self._missing = b''
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            self.check_folder(path)

    def parent(self, path: bytes) -> tuple[int, bytes]:
        """Return the descriptor of the folder that a path is in, and its name there.

        :raises FileNotFoundError: there is no such folder
        """
        parent, _, name = path.rpartition(b'/')
        folder = self.descend(parent)
        if folder is None:
            raise FileNotFoundError(errno.ENOENT, 'its folder was removed meanwhile', shown(path))
        return folder, name

    def check_folder(self, path: bytes) -> None:
        """Check that a folder may be made, or is there.

        :raises OSError: something else is in the way
        """
        _check_name(path)
        self.descend(path)

    def status(self, path: bytes) -> os.stat_result | None:
        """Return the status of what is at a path; ``None`` if there is nothing."""
        _check_name(path)
        parent, _, name = path.rpartition(b'/')
        if parent and parent == self._missing:  # as for most files of a restore to an empty folder
            return None
        with AtPath(path):
            folder = self.descend(parent)
            try:
                return None if folder is None else os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def has_spelling(self, path: bytes) -> bool:
        """Return whether what is at a path has this very name: some file systems know it by other spellings too."""
        parent, _, name = path.rpartition(b'/')
        if self._listed[0] != parent:
            with AtPath(path):
                folder = self.descend(parent)
                self._listed = parent, frozenset(() if folder is None else os.listdir(folder))
        return os.fsdecode(name) in self._listed[1]

    def target_of(self, path: bytes) -> bytes:
        """Return what a link leads to."""
        with AtPath(path):
            folder, name = self.parent(path)
            return os.readlink(name, dir_fd=folder)

    @contextmanager
    def opened(self, path: bytes) -> Iterator[int]:
        """Provide the descriptor of a file that is there."""
        with AtPath(path):
            folder, name = self.parent(path)
            file = os.open(name, EXISTING, dir_fd=folder)
            try:
                yield file
            finally:
                os.close(file)


def _check_name(path: bytes) -> None:
    """Check that a path is not that of a hidden folder of dxf.

    :raises DXFInvalidNameError: it is
    """
    text = os.fsdecode(path)
    if HIDDEN in text.casefold() and any(map(is_hidden, text.split('/'))):
        raise DXFInvalidNameError(f'unsafe file name {shown(path)!r}: a part of it begins with {HIDDEN}')
