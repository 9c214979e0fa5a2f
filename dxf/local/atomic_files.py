"""Atomic files: content that gets its name when all of it is on the disk.

Until then it is in another file beside it: a part file, which another process may continue, or a temporary one. The
callers know what the content is.
"""

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from glob import escape, glob
from typing import BinaryIO

from dxf.limits import READ_SIZE
from dxf.local import special_files
from dxf.local.folders import make_folders, refusal_of, sync_folder
from dxf.local.locking import (check_is_at, check_regular, close_locked, is_owned, open_locked, remove_if_unlocked,
                               remove_locked, remove_unlocked)
from dxf.local.sinks import named, sync, write_at
from dxf.names import digest_of

MAX_NAME_LENGTH = 200
"""Bytes of a file's name that the name of its part file repeats. A name has at most 255 bytes."""

PART = r'[0-9a-f]{12}\.part(?:\.[0-9]+)?'
"""How the names of part files end: a mark of the blobs, and a number if another process has the file without one."""

FOLDER_ERRORS = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
"""Why a folder takes no new file, whatever its name."""

PERMISSIONS = 0o777
"""The bits of a mode that are kept: other content must not run as the owner of a file."""

OWNER_WRITES = 0o600
"""The permissions that a file on its way needs."""

TEMPORARY = '.dxf.'
"""How the names of temporary files begin."""


def check_target(filename: str) -> None:
    """Check that a file of this name can be made, or replaced, or written to where it is special.

    :raises OSError: it cannot
    """
    try:
        if special_files.check(filename):
            return
    except ValueError:  # a NUL character
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), filename) from None
    final = special_files.followed(filename)
    folder = os.path.dirname(final)
    reason = 0
    try:
        if filename.endswith(os.sep) or os.path.isdir(final):
            reason = errno.EISDIR
        elif not os.path.isdir(folder):
            reason = errno.ENOENT
        elif not os.access(folder, os.W_OK | os.X_OK):
            reason = refusal_of(folder)
        else:
            os.stat(final)
    except FileNotFoundError:
        pass
    if reason:
        raise OSError(reason, os.strerror(reason), filename)


class PartFile:
    """Content on its way into a file.

    :param filename: the file's name; where it is a symbolic link, the file that this leads to
    :param digests: of the blobs that it is to hold; one with others is never continued
    :param size: bytes that it will take
    :param has_holes: pieces of zeros become holes
    :raises OSError: it cannot be made, or the disk has too little space
    """

    def __init__(self, filename: str, digests: Sequence[str], size: int, has_holes: bool = False) -> None:
        self._filename = filename
        self._has_holes = has_holes
        self._final = special_files.followed(filename)
        self._folder, name = os.path.split(self._final)
        mark = hashlib.sha256('\n'.join(digests).encode('ascii')).hexdigest()[:12]
        short = os.fsdecode(os.fsencode(name)[:MAX_NAME_LENGTH])
        self._path = os.path.join(self._folder, f'.{short}.{mark}.part')
        file = self._open()
        self._is_shared = file is not None
        if file is None:  # another process writes it: this one begins a new file, which is not continued later
            self._path = f'{self._path}.{time.time_ns()}'
            file = self._open()
            if file is None:
                raise OSError(errno.EBUSY, 'another thread is writing the same file', filename)
            os.ftruncate(file, 0)
        else:
            remove_unlocked(f'{self._path}.')
        self._file = file
        keep_access(file, self._final, OWNER_WRITES)  # others may not read it, and another process continues it
        self._position = 0
        if short == name:  # else the parts of several names look alike
            self._remove_others(os.path.join(self._folder, f'.{short}.'))
        try:
            self._check_space(filename, size)
        except BaseException:
            self.close(keep=True)
            raise

    def _open(self) -> int | None:
        try:
            return open_locked(self._path)
        except OSError as error:
            if error.errno not in FOLDER_ERRORS:  # the part file is the problem, and not its folder
                raise
            raise OSError(error.errno, error.strerror, self._filename) from error

    def _remove_others(self, start: str) -> None:
        """Remove the parts of other blobs that were to have the same name: the alias has moved since.

        Those that another process owns stay.
        """
        for path in glob(f'{escape(start)}*.part*'):
            if path != self._path and re.fullmatch(PART, path[len(start):], re.ASCII):
                remove_if_unlocked(path)

    def _check_space(self, filename: str, size: int) -> None:
        space = os.statvfs(self._folder)
        needed, free = size - os.fstat(self._file).st_size, space.f_bavail * space.f_frsize
        if needed > free:
            raise OSError(errno.ENOSPC, f'not enough space: {needed} bytes are needed and {free} are free', filename)

    def kept(self, size: int) -> Iterator[bytes]:
        """Yield what the file holds already of the next ``size`` bytes, and go on behind it."""
        while size and (piece := os.pread(self._file, min(size, READ_SIZE), self._position)):
            self._position += len(piece)
            size -= len(piece)
            yield piece

    @property
    def position(self) -> int:
        """Where the next byte is written."""
        return self._position

    def go_back(self, position: int) -> None:
        """Drop what was written from a byte on."""
        self._position = position
        os.ftruncate(self._file, position)

    def write(self, content: bytes) -> None:
        """Write the next bytes.

        :raises OSError: the disk is full, or the like
        """
        if not self._has_holes or content.strip(b'\0'):
            with named(self._filename):
                write_at(self._file, content, self._position)
        self._position += len(content)

    def publish(self) -> None:
        """Give the file its name: it has all its bytes, and they are on the disk."""
        os.ftruncate(self._file, self._position)
        keep_access(self._file, self._final)
        os.fsync(self._file)
        check_is_at(self._file, self._path, self._filename)
        with named(self._filename):
            os.replace(self._path, self._final)
        sync_folder(self._folder)
        close_locked(self._file)

    def close(self, keep: bool) -> None:
        """Close it.

        :param keep: leave it, to be continued by another process; else it is removed
        """
        if is_owned(self._file) and not (keep and self._is_shared and os.fstat(self._file).st_size):
            remove_locked(self._file, self._path)
        close_locked(self._file)


class Temporary:
    """Content in a hidden file, which is removed if it gets no name.

    Those of processes that were killed are removed when the next one is made in the same folder.

    :param folder: on the file system where it will stay; made where it is missing
    :param mode: its permissions, less the umask
    :raises OSError: it cannot be made
    """

    def __init__(self, folder: str, mode: int = 0o666) -> None:
        self._folder = folder
        self._sha256 = hashlib.sha256()
        self.size = 0
        self._made: list[str] = []
        remove_temporaries(folder)
        file = None
        while file is None:
            self._made += make_folders(folder)
            self._path = os.path.join(folder, f'{TEMPORARY}{time.time_ns()}')
            try:
                file = open_locked(self._path, mode)
            except FileNotFoundError:  # who made the folder before has just removed it
                continue
            except OSError as error:
                raise OSError(error.errno, error.strerror, folder) from error
        self._file = file
        self._is_open = True

    def __enter__(self) -> 'Temporary':
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    @property
    def digest(self) -> str:
        """The digest of what was written so far."""
        return digest_of(self._sha256)

    def write(self, content: bytes) -> None:
        """Write the next bytes.

        :raises OSError: the disk is full, or the like
        """
        with named(self._folder):
            write_at(self._file, content, self.size)
        self._sha256.update(content)
        self.size += len(content)

    def keep_owner(self, path: str) -> None:
        """Take the owner of the file that this one will replace: see :func:`keep_owner`."""
        keep_owner(self._file, path)

    def keep_access(self, path: str) -> None:
        """Take the permissions and the owner of the file that this one will replace: see :func:`keep_access`."""
        keep_access(self._file, path)

    def sync(self) -> None:
        """Write all of it to the disk.

        :raises OSError: the disk is full, or broken
        """
        with named(self._folder):
            os.fsync(self._file)

    def publish(self, path: str) -> None:
        """Give the file its name, and replace what has that name. Nothing is left to discard then."""
        check_is_at(self._file, self._path, path)
        self._rename(path)

    def _rename(self, path: str) -> None:
        with named(path):
            os.replace(self._path, path)
        self._is_open = False
        close_locked(self._file)
        sync_folder(os.path.dirname(path))

    def link(self, source: str, path: str) -> None:
        """Give the name to another file by a hard link instead, and replace what has that name."""
        os.unlink(self._path)
        os.link(source, self._path)
        self._rename(path)

    def discard(self) -> None:
        """Remove it, unless it has got its name, and with it folders that were made for it alone."""
        if not self._is_open:
            return
        self._is_open = False
        if not is_owned(self._file):  # the parent process made the file, and continues it
            close_locked(self._file)
            return
        remove_locked(self._file, self._path)
        close_locked(self._file)
        with suppress(OSError):  # there is something else in it by now
            for folder in reversed(self._made):
                os.rmdir(folder)


def keep_owner(file: int, path: str) -> None:
    """As root, give an open file the owner of the one that it will replace: ``sudo`` must not close it to its owner.

    If that is missing, the owner is the user who runs this.
    """
    if os.geteuid() == 0:
        with suppress(OSError):
            former = os.stat(path, follow_symlinks=False)
            os.fchown(file, former.st_uid, former.st_gid)


def keep_access(file: int, path: str, more: int = 0) -> None:
    """Give an open file the permissions of the one that it will replace, and its owner: see :func:`keep_owner`.

    A file that its owner alone may read must not become readable for others. One that others may read must stay so,
    whatever the umask is.

    :param more: permissions that it has until it is complete
    """
    keep_owner(file, path)
    with suppress(OSError):
        former = os.stat(path, follow_symlinks=False).st_mode
        if stat.S_ISREG(former):
            os.fchmod(file, former & PERMISSIONS | more)


def remove_temporaries(folder: str) -> None:
    """Remove the temporary files of processes that were killed."""
    remove_unlocked(os.path.join(folder, TEMPORARY))


def open_regular(path: str) -> BinaryIO:
    """Open a file for reading; a FIFO or a device in its place is an error at once, not a wait.

    :raises OSError: it cannot be read, or is no regular file
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        check_regular(file, path)
        return open(file, 'rb', buffering=0)
    except BaseException:
        os.close(file)
        raise


def hash_synced(path: str) -> str:
    """Return the digest of a regular file's content, which is on the disk then, and its name too.

    :raises OSError: it cannot be read, or is no regular file, or the disk is full or broken
    """
    with open_regular(path) as file:
        sha256 = hashlib.sha256()
        while piece := file.read(READ_SIZE):
            sha256.update(piece)
        with named(path):
            sync(file.fileno())
            sync_folder(os.path.dirname(path))
    return digest_of(sha256)
