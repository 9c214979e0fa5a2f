"""Trees: folders of this machine, walked in the order of an index, and their files read in pieces.

What is stored of them is not known here.
"""

import errno
import heapq
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

from dxf.artifacts.safe_paths import HIDDEN
from dxf.exceptions import DXFSourceError
from dxf.limits import READ_SIZE
from dxf.snapshots.entries import FILE, FOLDER, HARDLINK, LINK, shown

STEP = 3000
"""Bytes of a path that a system takes at once, with room for what is before them."""

KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}
OTHERS = {stat.S_IFSOCK: 'a socket', stat.S_IFIFO: 'a named pipe', stat.S_IFBLK: 'a device', stat.S_IFCHR: 'a device'}

TICK = 20_000_000
COARSE_TICK = 2_000_000_000
"""Nanoseconds in which a file may change twice with one time: of usual file systems, and of those with whole seconds.
"""

OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Found(NamedTuple):
    """What was found at a path.

    :param path: within the snapshot
    :param target: what a link leads to, or the path of the file of which it is another name
    """

    path: bytes
    kind: str
    status: os.stat_result
    target: bytes = b''


class Root(NamedTuple):
    """A folder that is to be walked: the path in front of its files in the snapshot, and where it is here."""

    prefix: bytes
    folder: bytes


def roots_of(folders: list[str]) -> list[Root]:
    """Return the folders to be walked. Of several, each is a folder of the snapshot, by the last part of its path.

    :raises DXFSourceError: something is no folder, or two have one name
    """
    paths = [os.fsencode(folder) for folder in folders]
    for path in paths:
        if not os.path.isdir(path):
            raise DXFSourceError(f'{shown(path)}: no such folder' if not os.path.lexists(path) else
                                 f'{shown(path)}: no folder; dxf push-files stores a file')
    if len(paths) == 1:
        return [Root(b'', paths[0])]
    names = [os.path.basename(os.path.abspath(path)) for path in paths]
    for name in names:
        if not name or names.count(name) > 1:
            raise DXFSourceError(f'two of the folders would be called {shown(name)!r} in the snapshot')
    return [Root(name, path) for name, path in zip(names, paths, strict=True)]


def size_of(roots: list[Root]) -> int:
    """Return about how many bytes the files of folders have; what cannot be read is not counted."""
    total = 0
    waiting = [root.folder for root in roots]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


class Tree:
    """Folders that are walked.

    :param unreadable: called with a path and an error, for what cannot be read
    :param left_out: called with a path and what is there, for what no snapshot has: sockets, pipes, devices
    """

    def __init__(self, roots: list[Root], unreadable: Callable[[bytes, OSError], object],
                 left_out: Callable[[bytes, str], object]) -> None:
        self._roots = sorted(roots)
        self._unreadable = unreadable
        self._left_out = left_out
        self._links: dict[tuple[int, int], bytes] = {}
        """The paths of files with several names, by device and inode."""

    def walk(self) -> Iterator[Found]:
        """Yield what is there, in the order of the bytes of the paths.

        What vanishes while the tree is walked is left out, as it is not there.
        """
        self._links.clear()
        # All that is in a folder comes behind it: the least path is always the next one.
        waiting: list[bytes] = []
        for root in self._roots:
            if root.prefix:
                heapq.heappush(waiting, root.prefix)
            else:
                self._add_inner(b'', waiting)
        while waiting:
            path = heapq.heappop(waiting)
            found = self._look(path)
            if found is not None:
                yield found
                if found.kind == FOLDER:
                    self._add_inner(path, waiting)

    def _add_inner(self, path: bytes, waiting: list[bytes]) -> None:
        try:
            with self._opened(path, OPEN_FOLDER) as folder:
                names = [os.fsencode(name) for name in os.listdir(folder)]
        except FileNotFoundError:
            return
        except OSError as error:
            self._unreadable(path, error)
            return
        for name in names:
            if name.startswith(os.fsencode(HIDDEN)):
                self._left_out(path + b'/' + name if path else name, 'a restore that was killed left it')
                continue
            heapq.heappush(waiting, path + b'/' + name if path else name)

    def _look(self, path: bytes) -> Found | None:
        try:
            with self._parent(path) as (folder, name):
                status = os.stat(name, dir_fd=folder, follow_symlinks=self._is_root(path))
                target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(status.st_mode) else b''
        except FileNotFoundError:
            return None
        except OSError as error:
            self._unreadable(path, error)
            return None
        kind = KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            self._left_out(path, OTHERS.get(stat.S_IFMT(status.st_mode), 'no file'))
            return None
        if kind == FILE and status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                return Found(path, HARDLINK, status, first)
        return Found(path, kind, status, target)

    def _is_root(self, path: bytes) -> bool:
        return any(root.prefix == path for root in self._roots)

    def _root(self, path: bytes) -> tuple[bytes, bytes]:
        """Return the folder of this machine that a path of the snapshot is in, and the path within it."""
        for prefix, folder in self._roots:
            if not prefix:
                return folder, path
            if path == prefix or path.startswith(prefix + b'/'):
                return folder, path[len(prefix) + 1:]
        raise ValueError(path)

    def _parent(self, path: bytes) -> '_Parent':
        folder, inner = self._root(path)
        return _Parent(folder, inner)

    def _opened(self, path: bytes, flags: int) -> '_Opened':
        folder, inner = self._root(path)
        return _Opened(folder, inner, flags)

    def open(self, path: bytes) -> BinaryIO:
        """Open a file, which must not be a link now.

        :raises OSError: it cannot be opened
        """
        with self._opened(path, OPEN_FILE) as descriptor:
            return open(os.dup(descriptor), 'rb', buffering=0)


class _Parent:
    """The folder that a path is in, open in steps where the path is longer than a system takes.

    :param folder: the folder from which the path leads
    """

    def __init__(self, folder: bytes, path: bytes) -> None:
        self._folder = folder
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> tuple[int | None, bytes]:
        """Return the descriptor of the folder, ``None`` for the current one, and the rest of the path."""
        if not self._path:
            return None, self._folder
        rest = self._path
        start = self._folder
        while len(rest) > STEP:
            end = rest.rindex(b'/', 0, STEP)
            self._step(os.path.join(start, rest[:end]))
            start, rest = b'', rest[end + 1:]
        return self._descriptor, os.path.join(start, rest)

    def _step(self, path: bytes) -> None:
        old, self._descriptor = self._descriptor, None
        try:
            self._descriptor = os.open(path, OPEN_FOLDER, dir_fd=old)
        finally:
            if old is not None:
                os.close(old)

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _Opened:
    """A file or a folder, open until it is left.

    :param flags: those of ``os.open``; the folder from which the path leads may be a link
    """

    def __init__(self, folder: bytes, path: bytes, flags: int) -> None:
        self._parent = _Parent(folder, path)
        self._flags = flags if path else flags & ~os.O_NOFOLLOW
        self._descriptor = -1

    def __enter__(self) -> int:
        with self._parent as (folder, path):
            self._descriptor = os.open(path, self._flags, dir_fd=folder)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def wait_until_settled(file: BinaryIO) -> os.stat_result:
    """Wait until a change of a file would show in its time; return its status.

    A file that changed in this very moment could change once more, and have the same time and size.
    """
    status = os.fstat(file.fileno())
    tick = TICK if status.st_mtime_ns % 1_000_000_000 else COARSE_TICK
    left = status.st_mtime_ns + tick - time.time_ns()
    if 0 < left <= tick:
        time.sleep(left / 1e9)
        status = os.fstat(file.fileno())
    return status


def is_unchanged(file: BinaryIO, before: os.stat_result) -> bool:
    """Return whether a file is as it was: by its size and its times, of which programs can put back only one."""
    after = os.fstat(file.fileno())
    if os.pread(file.fileno(), 1, before.st_size):  # files in /proc have the size 0, and content
        return False
    return (after.st_size, after.st_mtime_ns, after.st_ctime_ns) == \
        (before.st_size, before.st_mtime_ns, before.st_ctime_ns)


class Extent(NamedTuple):
    """A part of a file: its bytes, or a hole."""

    start: int
    end: int
    is_hole: bool


def extents(file: BinaryIO, size: int) -> Iterator[Extent]:
    """Yield the parts of a file, holes among them where its file system tells of them."""
    position = 0
    while position < size:
        start = _seek(file, position, os.SEEK_DATA, size)
        if start > position:
            yield Extent(position, start, True)
        if start < size:
            end = _seek(file, start, os.SEEK_HOLE, size)
            yield Extent(start, end, False)
            start = end
        position = start


def _seek(file: BinaryIO, position: int, whence: int, size: int) -> int:
    """Return where data, or a hole, begins; a file system without holes has one at the end of each file."""
    try:
        return min(os.lseek(file.fileno(), position, whence), size)
    except OSError as error:
        return position if whence == os.SEEK_DATA and error.errno != errno.ENXIO else size


class Reading:
    """A part of an open file, as a file for the chunker; all that it returns goes to a hash too.

    :param sha256: of the whole file
    """

    def __init__(self, file: BinaryIO, extent: Extent, sha256: Any) -> None:
        self._file = file
        self._position = extent.start
        self._end = extent.end
        self._sha256 = sha256

    def read(self, size: int = READ_SIZE) -> bytes:
        """Return the next bytes; fewer than the part has where the file has become shorter."""
        content = os.pread(self._file.fileno(), min(size, self._end - self._position), self._position)
        self._position += len(content)
        self._sha256.update(content)
        return content

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer; return how many there were."""
        content = self.read(len(buffer))
        buffer[:len(content)] = content
        return len(content)
