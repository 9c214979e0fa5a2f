"""Hidden folders: where files wait until they get their names, and where files that are replaced are kept meanwhile.

One process owns each. What a killed process has left is removed by the next process that makes a hidden folder in the
same place. A file that was moved away from its name is put back first, if nothing else has that name.
"""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dxf.artifacts.safe_paths import HIDDEN, MAX_PATH_LENGTH, check_path
from dxf.exceptions import DXFInvalidNameError
from dxf.limits import READ_SIZE
from dxf.local.locking import close_locked, is_owned, own

KEPT_PREFIX = '.dxf-kept.'
"""Prefix of a hidden folder that is not removed: it holds a file that could not be put back."""

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)
"""What file systems without hard links answer: vfat and exfat EPERM, FUSE ENOSYS or ENOTSUP, Android's storage EACCES.

https://man7.org/linux/man-pages/man2/link.2.html
"""

OLD, NAME = '.old', '.name'
"""Endings of a file that is being replaced, and of the file that says where it was."""


class HiddenFolder:
    """A hidden folder, open and owned until it is closed.

    :param parent: descriptor of the folder in which it is made
    :param path: what that folder is called in an error
    :raises OSError: it cannot be made
    """

    def __init__(self, parent: int, path: str) -> None:
        self.parent_path = path
        self._parent = os.dup(parent)
        self._count = 0
        self._to_put_back: set[str] = set()
        try:
            _remove_left(self._parent)
            self.name, self.folder = _make(self._parent)
        except OSError as error:
            os.close(self._parent)
            raise OSError(error.errno, error.strerror, path) from error

    def new_file(self, mode: int) -> tuple[str, int]:
        """Make a file; return its name and its descriptor.

        :param mode: its permissions, less the umask
        """
        name = self.new_name()
        return name, os.open(name, NEW_FILE, mode, dir_fd=self.folder)

    def new_name(self) -> str:
        """Return a name that nothing has here."""
        self._count += 1
        return str(self._count)

    def adopt(self, other: 'HiddenFolder', name: str) -> str:
        """Move a file here from a hidden folder on another file system; return its new name."""
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=other.folder)
        with open(source, 'rb', buffering=0) as old:
            own_name, target = self.new_file(stat.S_IMODE(os.fstat(source).st_mode))
            with open(target, 'wb') as new:
                while piece := old.read(READ_SIZE):
                    new.write(piece)
                new.flush()
                os.fsync(new.fileno())
        os.unlink(name, dir_fd=other.folder)
        return own_name

    def keep(self, folder: int, name: str, path: str) -> str:
        """Keep a file that is to be replaced; return what it is called here.

        A hard link is best, as the file keeps its name meanwhile. Linux refuses that for files of another owner
        (``fs.protected_hardlinks``), and some file systems have no links: then the file itself is moved here.

        :param folder: descriptor of the folder that it is in
        :param path: where that is, from the folder in which this one is
        """
        self._count += 1
        kept = f'{self._count}{OLD}'
        try:
            os.link(name, kept, src_dir_fd=folder, dst_dir_fd=self.folder, follow_symlinks=False)
        except OSError:
            with open(os.open(_note(kept), NEW_FILE, 0o600, dir_fd=self.folder), 'wb') as file:
                file.write(os.fsencode(path))
                file.flush()
                os.fsync(file.fileno())
            os.rename(name, kept, src_dir_fd=folder, dst_dir_fd=self.folder)
        return kept

    def put_back(self, kept: str, folder: int, name: str) -> None:
        """Give a file that was kept its name again, in place of what has that now."""
        self._to_put_back.add(kept)
        os.replace(kept, name, src_dir_fd=self.folder, dst_dir_fd=folder)
        self._to_put_back.remove(kept)
        with suppress(FileNotFoundError):
            os.unlink(_note(kept), dir_fd=self.folder)

    def move_out(self, name: str, folder: int, target: str) -> None:
        """Move a file from here to its name, never in place of another file.

        :param folder: descriptor of the folder in which it gets the name
        :param target: its name there
        :raises FileExistsError: there is a file of that name
        """
        try:
            os.link(name, target, src_dir_fd=self.folder, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            self._move_without_links(name, folder, target)
        else:
            os.unlink(name, dir_fd=self.folder)

    def _move_without_links(self, name: str, folder: int, target: str) -> None:
        """Move a file to its name by a rename, in place of an empty file that was made for that.

        The empty file keeps the name from other processes, which may not write to it.
        """
        empty = os.open(target, NEW_FILE, 0, dir_fd=folder)
        try:
            _check_reserved(empty, folder, target)
            os.rename(name, target, src_dir_fd=self.folder, dst_dir_fd=folder)
            _check_empty(empty, target)  # root may write to it all the same
        except BaseException:
            with suppress(OSError):
                _check_reserved(empty, folder, target)
                os.unlink(target, dir_fd=folder)
            raise
        finally:
            os.close(empty)

    def forget(self) -> None:
        """Forget the files that were replaced: they are not put back any more."""
        for name in os.listdir(self.folder):
            if name.endswith(NAME):
                os.unlink(name, dir_fd=self.folder)

    def close(self) -> str | None:
        """Remove it, with all that is in it.

        :return: where it is, if it holds a file that could not be put back
        """
        left = None
        try:
            if is_owned(self.folder):
                if _put_all_back(self._parent, self.folder) and not self._to_put_back:
                    _remove(self._parent, self.name, self.folder)
                else:
                    left = KEPT_PREFIX + self.name.removeprefix(HIDDEN)
                    os.rename(self.name, left, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        finally:
            close_locked(self.folder)
            os.close(self._parent)
        return None if left is None else os.path.join(self.parent_path, left)


def mount_of(folder: int) -> tuple[int, int]:
    """Return what differs between two mount points: no file can be moved from one to another.

    The device alone does not tell: one may be mounted twice.
    https://man7.org/linux/man-pages/man2/rename.2.html (EXDEV)
    """
    number = 0
    with suppress(OSError, ValueError):
        with open(f'/proc/self/fdinfo/{folder}', 'rb') as lines:
            number = next(int(line.split()[1]) for line in lines if line.startswith(b'mnt_id:'))
    return os.fstat(folder).st_dev, number


def _check_reserved(empty: int, folder: int, name: str) -> None:
    """Insist that an empty file has its name still.

    :raises FileExistsError: another process has written to it, or replaced it
    """
    _check_empty(empty, name)
    if not os.path.samestat(os.fstat(empty), os.stat(name, dir_fd=folder, follow_symlinks=False)):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def _check_empty(empty: int, name: str) -> None:
    if os.fstat(empty).st_size:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


def _note(kept: str) -> str:
    return kept.removesuffix(OLD) + NAME


def _make(parent: int) -> tuple[str, int]:
    while True:
        name = HIDDEN + secrets.token_hex(8)
        os.mkdir(name, 0o700, dir_fd=parent)
        with suppress(FileNotFoundError):  # another process has just taken it for one without an owner
            folder = _owned(parent, name)
            if folder is not None:
                return name, folder


def _owned(parent: int, name: str) -> int | None:
    """Open a hidden folder and own it, until it is closed; ``None`` where another process does."""
    folder = os.open(name, FOLDER, dir_fd=parent)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(name, dir_fd=parent, follow_symlinks=False), os.fstat(folder)):
            own(folder)
            return folder
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(folder)
        raise
    os.close(folder)
    return None


def _remove_left(parent: int) -> None:
    """Remove the hidden folders of killed processes of the same user, after their files were put back.

    In a folder that others may write to, what another user has put there must not be moved anywhere.
    """
    for name in os.listdir(parent):
        if name.startswith(HIDDEN):
            with suppress(OSError):
                folder = _owned(parent, name)
                if folder is not None:
                    try:
                        if os.fstat(folder).st_uid == os.geteuid() and _put_all_back(parent, folder):
                            _remove(parent, name, folder)
                    finally:
                        close_locked(folder)


def _remove(parent: int, name: str, folder: int) -> None:
    for file in os.listdir(folder):
        os.unlink(file, dir_fd=folder)
    os.rmdir(name, dir_fd=parent)


def _put_all_back(parent: int, folder: int) -> bool:
    """Put back the files that were moved away, where nothing has their name; return whether none is left.

    Where something has the name, the file was replaced, as was wanted.
    """
    is_empty = True
    for note in os.listdir(folder):
        if note.endswith(NAME):
            try:
                _put_back(parent, folder, note)
            except (OSError, DXFInvalidNameError):
                is_empty = False
    return is_empty


def _put_back(parent: int, folder: int, note: str) -> None:
    kept = note.removesuffix(NAME) + OLD
    if kept in os.listdir(folder):  # else it was not moved yet
        with open(os.open(note, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), 'rb') as file:
            *parts, name = check_path(os.fsdecode(file.read(MAX_PATH_LENGTH + 1))).split('/')
        with _opened(parent, parts) as place:
            try:
                os.stat(name, dir_fd=place, follow_symlinks=False)
            except FileNotFoundError:
                os.rename(kept, name, src_dir_fd=folder, dst_dir_fd=place)
    os.unlink(note, dir_fd=folder)


@contextmanager
def _opened(parent: int, parts: list[str]) -> Iterator[int]:
    """Open a folder within another; no symbolic link is followed.

    :raises NotADirectoryError: it is not there
    """
    folder = os.dup(parent)
    try:
        for part in parts:
            try:
                inner = os.open(part, FOLDER, dir_fd=folder)
            except FileNotFoundError as error:
                raise NotADirectoryError(error.errno, error.strerror) from error
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)
