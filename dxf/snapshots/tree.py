"""Trees: folders of this machine, walked in the order of an index, and their files read in pieces.

What is stored of them is not known here.
"""

import errno
import heapq
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO, NamedTuple

from dxf.artifacts.safe_paths import is_hidden
from dxf.exceptions import DXFSourceError
from dxf.snapshots.entries import FILE, FOLDER, HARDLINK, LINK, shown
from dxf.snapshots.exclusion import CACHE_SIGNATURE, CACHE_TAG, IGNORE_FILE, MAX_FILE, Exclusion
from dxf.snapshots.long_paths import OPEN_FILE, OPEN_FOLDER, Opened, Parent

KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: LINK}
OTHERS = {stat.S_IFSOCK: 'a socket', stat.S_IFIFO: 'a named pipe', stat.S_IFBLK: 'a device', stat.S_IFCHR: 'a device'}

UNMOUNTED = 'it was removed or unmounted meanwhile'

Place = tuple[bytes, bytes]
"""A folder that was given, and a path within it."""


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
    """Return about how many bytes the files of folders have; what cannot be read is not counted, nor a second name."""
    total = 0
    linked: set[tuple[int, int]] = set()
    waiting = [root.folder for root in roots]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink == 1 or (status.st_dev, status.st_ino) not in linked:
                        total += status.st_size
                    if status.st_nlink > 1:
                        linked.add((status.st_dev, status.st_ino))
    return total


class Mounts:
    """Folders that must stay while they are walked: those that were given, and those where file systems are mounted.

    Between two files, no file is open. So a disk can be unmounted then, and its files would seem to have vanished.
    """

    def __init__(self) -> None:
        self._devices: dict[Place, int] = {}

    def add(self, place: Place, device: int) -> None:
        """Add a folder, unless the nearest one above it is on its device."""
        if [self._devices[folder] for folder in self._above(place)[-1:]] != [device]:
            self._devices[place] = device

    def _above(self, place: Place) -> list[Place]:
        """Return the folders above something that were added, the uppermost first."""
        root, inner = place
        found: list[Place] = []
        while inner:
            inner = inner.rpartition(b'/')[0]
            if (root, inner) in self._devices:
                found.insert(0, (root, inner))
        return found

    def lost(self, place: Place) -> list[bytes]:
        """Return the folders above something that are missing, or on another device now; each is returned once.

        Numbers of inodes are not compared: some network file systems give a folder another one each time.
        """
        lost = [folder for folder in self._above(place) if not _is_on(_path_of(folder), self._devices[folder])]
        for folder in lost:
            del self._devices[folder]
        return [_path_of(folder) for folder in lost]


def _path_of(place: Place) -> bytes:
    root, inner = place
    return os.path.join(root, inner) if inner else root


def _is_on(folder: bytes, device: int) -> bool:
    try:
        return os.stat(folder).st_dev == device
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG


def _check_mounted(folder: int, device: int) -> None:
    """Check that no file system was unmounted from a folder since it was found.

    To open a folder may mount a file system there (autofs). What was unmounted leaves the device of the parent.

    :param folder: its descriptor
    :param device: its device when it was found
    :raises OSError: one was
    """
    now = os.fstat(folder).st_dev
    if now != device and os.stat(b'..', dir_fd=folder).st_dev == now:
        raise OSError(errno.ESTALE, UNMOUNTED)


class Tree:
    """Folders that are walked.

    :param unreadable: called with a path and an error, for what cannot be read
    :param left_out: called with a path and what is there, for what no snapshot has: sockets, pipes, devices
    :param exclusion: tells what is not wanted
    :param one_file_system: what is in a folder of another file system is left out
    """

    def __init__(self, roots: list[Root], unreadable: Callable[[bytes, OSError], object],
                 left_out: Callable[[bytes, str], object], exclusion: Exclusion, one_file_system: bool = False
                 ) -> None:
        self._roots = sorted(roots)
        self._prefixes = frozenset(root.prefix for root in roots)
        self._exclusion = exclusion
        self._devices = [os.stat(root.folder).st_dev for root in self._roots] if one_file_system else None
        self._unreadable = unreadable
        self._left_out = left_out
        self._links: dict[tuple[int, int], bytes] = {}
        """The paths of files with several names, by device and inode."""
        self._mounts = Mounts()

    def walk(self) -> Iterator[Found]:
        """Yield what is there, in the order of the bytes of the paths.

        What vanishes while the tree is walked is left out, as it is not there; but not the folders that were given,
        nor file systems that are mounted in them.
        """
        self._links.clear()
        self._mounts = Mounts()
        # All that is in a folder comes behind it: the least path is always the next one.
        waiting: list[bytes] = []
        for root in self._roots:
            if root.prefix:
                heapq.heappush(waiting, root.prefix)
            else:
                self._add_root(root, waiting)
        while waiting:
            path = heapq.heappop(waiting)
            found = self._look(path)
            if found is not None:
                yield found
                if found.kind == FOLDER and (self._devices is None or found.status.st_dev in self._devices):
                    self._add_inner(path, found.status.st_dev, waiting)

    def _add_root(self, root: Root, waiting: list[bytes]) -> None:
        """Add what is in the only folder that is walked."""
        try:
            device = os.stat(root.folder).st_dev
        except OSError as error:
            self._unreadable(root.folder, error)
            return
        self._add_inner(root.prefix, device, waiting)

    def _add_inner(self, path: bytes, device: int, waiting: list[bytes]) -> None:
        """Add what is in a folder.

        :param device: its device when it was found
        """
        try:
            with self.opened(path, True) as folder:
                _check_mounted(folder, device)
                self._mounts.add(self._root(path), os.fstat(folder).st_dev)
                names = [os.fsencode(name) for name in os.listdir(folder)]
        except OSError as error:
            self.report(path, error)
            return
        for name in self._wanted(path, names):
            if is_hidden(os.fsdecode(name)):
                self._left_out(_joined(path, name), 'a restore that was killed left it')
            else:
                heapq.heappush(waiting, _joined(path, name))

    def report(self, path: bytes, error: OSError) -> None:
        """Report what cannot be read, unless it has vanished: then a folder is reported that vanished with all in it.

        Such a folder is one that was given, or that a file system was mounted on.
        """
        if path in self._prefixes:
            self._unreadable(self.root_of(path).folder, error)
        elif not isinstance(error, FileNotFoundError):
            self._unreadable(path, error)
        else:
            for folder in self._mounts.lost(self._root(path)):
                self._unreadable(folder, OSError(errno.ESTALE, UNMOUNTED))

    def _wanted(self, path: bytes, names: list[bytes]) -> list[bytes]:
        """Return the names that may be wanted of those in a folder, whose file of patterns is read."""
        if IGNORE_FILE in names:
            patterns = self._start_of(_joined(path, IGNORE_FILE), MAX_FILE + 1)
            if len(patterns) > MAX_FILE:  # the last pattern of a part of them could be a part of a pattern
                self._unreadable(_joined(path, IGNORE_FILE), OSError(errno.EFBIG, os.strerror(errno.EFBIG)))
            else:
                self._exclusion.add(path, patterns)
        is_cache = self._exclusion.without_caches and CACHE_TAG in names and \
            self._start_of(_joined(path, CACHE_TAG), len(CACHE_SIGNATURE)) == CACHE_SIGNATURE
        return [CACHE_TAG] if is_cache else names

    def _start_of(self, path: bytes, size: int) -> bytes:
        """Return the first bytes of a file."""
        try:
            with self.open(path) as file:
                return os.pread(file.fileno(), size, 0) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b''
        except OSError as error:
            self._unreadable(path, error)
            return b''

    def _look(self, path: bytes) -> Found | None:
        is_root = path in self._prefixes
        try:
            with self._parent(path) as (folder, name):
                status = os.stat(name, dir_fd=folder, follow_symlinks=is_root)
                target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(status.st_mode) else b''
        except OSError as error:
            self.report(path, error)
            return None
        kind = KINDS.get(stat.S_IFMT(status.st_mode))
        if not is_root and self._exclusion.covers(path, kind == FOLDER, self.root_of(path).prefix):
            return None
        if kind is None:
            self._left_out(path, OTHERS.get(stat.S_IFMT(status.st_mode), 'no file'))
            return None
        if kind == FILE and status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                return Found(path, HARDLINK, status, first)
        return Found(path, kind, status, target)

    def _root(self, path: bytes) -> Place:
        """Return the folder of this machine that a path of the snapshot is in, and the path within it."""
        root = self.root_of(path)
        return root.folder, path[len(root.prefix) + 1:] if root.prefix else path

    def root_of(self, path: bytes) -> Root:
        """Return the root that a path of the snapshot is in."""
        if len(self._roots) == 1:  # as usual: found for each file, several times
            return self._roots[0]
        return next(root for root in self._roots
                    if path == root.prefix or path.startswith(root.prefix + b'/'))

    def _parent(self, path: bytes) -> 'Parent':
        folder, inner = self._root(path)
        return Parent(folder, inner)

    def opened(self, path: bytes, is_folder: bool) -> 'Opened':
        """Provide the descriptor of a folder, or of a file, which must not be a link now."""
        folder, inner = self._root(path)
        return Opened(folder, inner, OPEN_FOLDER if is_folder else OPEN_FILE)

    def open(self, path: bytes) -> BinaryIO:
        """Open a file, which must not be a link now.

        :raises OSError: it cannot be opened
        """
        with self.opened(path, False) as descriptor:
            return open(os.dup(descriptor), 'rb', buffering=0)


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b'/' + name if folder else name
