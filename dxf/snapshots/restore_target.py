"""The folder into which a snapshot is restored. No symbolic link in it is followed, on no part of a path.

A file is in a hidden folder until it is complete. Where it comes from is not known here.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from dxf.artifacts.hidden_folders import FOLDER, HiddenFolder, mount_of
from dxf.artifacts.safe_paths import HIDDEN, is_hidden
from dxf.artifacts.staging import check_space, space_of
from dxf.artifacts.target_folder import EXISTING, check_replaceable, descend
from dxf.exceptions import DXFInvalidNameError
from dxf.local.file_hash import hash_descriptor
from dxf.local.folders import make_folders
from dxf.local.sinks import named
from dxf.local.special_files import followed
from dxf.snapshots.entries import Entry, shown

FILE_MODES = 0o777
FOLDER_MODES = 0o3777
"""The bits of a mode that are restored: a file that runs as its owner could be anything."""

MOST_OPEN = 64
"""Files that are open at once; others wait closed for the rest of their chunks."""


class PartFile:
    """A file on its way.

    :param entry: what it is to become
    """

    __slots__ = ('entry', 'left', 'hidden', 'name')

    def __init__(self, entry: Entry) -> None:
        self.entry = entry._replace(chunks=(), sha256='')  # there may be 100,000 of them
        self.left = 0
        """Chunks that are still to come."""
        self.hidden: HiddenFolder | None = None
        self.name = ''
        """Its name in the hidden folder."""


class RestoreTarget:
    """A folder that is made where it is missing.

    :param overwrite: replace files and links that are there and differ
    :raises OSError: nothing can be written there
    """

    def __init__(self, folder: str, overwrite: bool) -> None:
        self._folder = followed(folder)
        self._overwrite = overwrite
        self._hidden: dict[tuple[int, int], HiddenFolder] = {}
        self._last_hidden: tuple[list[bytes], HiddenFolder] | None = None
        """The folder that a hidden folder was looked for last, and that hidden folder."""
        self._open: dict[PartFile, int] = {}
        self._replaced: set[bytes] = set()
        """Paths at which there is something that may be replaced; what appears at others meanwhile stays."""
        self._changed: list[Entry] = []
        """Files that are there, and whose mode or time differs."""
        self._close = ExitStack()
        make_folders(self._folder)
        self._root = os.open(self._folder, FOLDER)
        self._near: tuple[list[bytes], int] = ([], os.dup(self._root))
        """The folder that was used last: most files are in the same one as the file before."""

    def __enter__(self) -> 'RestoreTarget':
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in (*self._open.values(), self._near[1], self._root):
            os.close(descriptor)
        self._close.close()

    def check_space(self, size: int) -> None:
        """Check that the disk has space for so many bytes.

        :raises OSError: it has not
        """
        check_space(space_of(self._root), size, self._folder)

    # Folders

    def _descend(self, parts: list[bytes]) -> int | None:
        """Return the descriptor of a folder, which stays open until another is asked for; ``None`` if it is missing."""
        known, descriptor = self._near
        if parts == known:
            return descriptor
        is_below = parts[:len(known)] == known
        path = shown(b'/'.join(parts))
        folder = descend(descriptor if is_below else self._root,
                         ((part, path) for part in (parts[len(known):] if is_below else parts)))
        if folder is None:
            return None
        os.close(self._near[1])
        self._near = (parts, folder)
        return folder

    def _parent(self, path: bytes) -> tuple[int | None, bytes]:
        """Return the descriptor of the folder that a path is in, and its name there."""
        *parts, name = path.split(b'/')
        return self._descend(parts), name

    def _existing_parent(self, path: bytes) -> tuple[int, bytes]:
        folder, name = self._parent(path)
        if folder is None:
            raise FileNotFoundError(errno.ENOENT, 'its folder was removed meanwhile', shown(path))
        return folder, name

    def check_folder(self, path: bytes) -> None:
        """Check that a folder may be made, or is there.

        :raises OSError: something else is in the way
        """
        _check_name(path)
        self._descend(path.split(b'/'))

    def make_folder(self, entry: Entry) -> None:
        """Make a folder where it is missing; it gets its mode by :meth:`finish_folder`."""
        with named(shown(entry.path)):
            folder, name = self._existing_parent(entry.path)
            try:
                os.mkdir(name, 0o700, dir_fd=folder)
            except FileExistsError:
                self.check_folder(entry.path)

    def finish_folder(self, entry: Entry) -> None:
        """Give a folder its mode and its time, when all is in it."""
        with named(shown(entry.path)):
            folder = self._descend(entry.path.split(b'/'))
            if folder is not None:
                os.fsync(folder)
                os.fchmod(folder, entry.mode & FOLDER_MODES)
                os.utime(folder, ns=(entry.mtime, entry.mtime))

    def sync(self) -> None:
        """Write the names in the folder itself to the disk; :meth:`finish_folder` does so for the others."""
        with named(self._folder):
            os.fsync(self._root)

    # What is there

    def _status(self, path: bytes) -> os.stat_result | None:
        """Return the status of what is at a path; ``None`` if there is nothing."""
        _check_name(path)
        with named(shown(path)):
            folder, name = self._parent(path)
            try:
                return None if folder is None else os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None

    def _check_replaceable(self, path: bytes, there: os.stat_result) -> None:
        """Check that what is at a path may be replaced.

        :raises FileExistsError: it may not
        """
        is_file = stat.S_ISREG(there.st_mode) or stat.S_ISLNK(there.st_mode)
        check_replaceable(is_file, self._overwrite, shown(path))
        self._replaced.add(path)

    def has_file(self, entry: Entry) -> bool:
        """Return whether a file is there and equal, and on the disk then.

        :raises FileExistsError: another one is there, and is not to be replaced
        """
        there = self._status(entry.path)
        if there is None:
            return False
        if stat.S_ISREG(there.st_mode) and there.st_size == entry.size and self._has_content(entry):
            if (stat.S_IMODE(there.st_mode), there.st_mtime_ns) != (entry.mode & FILE_MODES, entry.mtime):
                self._changed.append(entry)
            return True
        self._check_replaceable(entry.path, there)
        return False

    def _has_content(self, entry: Entry) -> bool:
        with self._reopened(entry.path) as file:
            os.fsync(file)
            return hash_descriptor(file) == f'sha256:{entry.sha256}'

    @contextmanager
    def _reopened(self, path: bytes) -> Iterator[int]:
        with named(shown(path)):
            folder, name = self._existing_parent(path)
            file = os.open(name, EXISTING, dir_fd=folder)
            try:
                yield file
            finally:
                os.close(file)

    def has_link(self, entry: Entry) -> bool:
        """Return whether a link is there that leads to the same.

        :raises FileExistsError: something else is there, and is not to be replaced
        """
        there = self._status(entry.path)
        if there is None:
            return False
        folder, name = self._existing_parent(entry.path)
        if stat.S_ISLNK(there.st_mode) and os.readlink(name, dir_fd=folder) == entry.target:
            return True
        self._check_replaceable(entry.path, there)
        return False

    def has_hardlink(self, path: bytes, target: bytes, is_replaced: bool) -> bool:
        """Return whether two paths are names of one file already, and stay so.

        :param is_replaced: another file is going to be at ``target``
        :raises FileExistsError: something else is there, and is not to be replaced
        """
        there, other = self._status(path), self._status(target)
        if there is None:
            return False
        if other is not None and not is_replaced and os.path.samestat(there, other):
            return True
        self._check_replaceable(path, there)
        return False

    # What is made

    def write(self, file: PartFile, offset: int, content: bytes) -> None:
        """Write a chunk of a file."""
        with named(shown(file.entry.path)):
            descriptor = self._descriptor(file)
            view = memoryview(content)
            while view:
                written = os.pwrite(descriptor, view, offset)
                offset += written
                view = view[written:]

    def _descriptor(self, file: PartFile) -> int:
        """Return the descriptor of a file, which is made or opened if it is not open."""
        descriptor = self._open.get(file)
        if descriptor is None:
            if file.hidden is None:
                file.hidden = self._hidden_for(file.entry.path)
                file.name, descriptor = file.hidden.new_file(0o600)
                os.ftruncate(descriptor, file.entry.size)
            else:
                descriptor = os.open(file.name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=file.hidden.folder)
            if len(self._open) >= MOST_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            self._open[file] = descriptor
        return descriptor

    def _hidden_for(self, path: bytes) -> HiddenFolder:
        """Return the hidden folder on the file system of a path, from where a file can get its name by a rename."""
        folder, _ = self._existing_parent(path)
        if self._last_hidden is not None and self._near[0] == self._last_hidden[0]:
            return self._last_hidden[1]
        mount = mount_of(folder)
        if mount not in self._hidden:
            root = self._root if mount == mount_of(self._root) else folder
            hidden = HiddenFolder(root, self._folder)
            self._close.callback(hidden.close)
            self._hidden[mount] = hidden
        self._last_hidden = self._near[0], self._hidden[mount]
        return self._hidden[mount]

    def finish(self, file: PartFile) -> None:
        """Give a file that is complete its mode, its time and its name."""
        entry = file.entry
        with named(shown(entry.path)):
            descriptor = self._descriptor(file)
            os.fsync(descriptor)
            os.fchmod(descriptor, entry.mode & FILE_MODES)
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))
            os.close(self._open.pop(file))
            if file.hidden is not None:
                self._give_name(file.hidden, file.name, entry.path)

    def _give_name(self, hidden: HiddenFolder, name: str, path: bytes) -> None:
        folder, own_name = self._existing_parent(path)
        if path in self._replaced:
            os.replace(name, own_name, src_dir_fd=hidden.folder, dst_dir_fd=folder)
            return
        try:
            hidden.move_out(name, folder, os.fsdecode(own_name))
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, 'it is there already', shown(path)) from None

    def make_link(self, entry: Entry) -> None:
        """Make a symbolic link."""
        with named(shown(entry.path)):
            folder, name = self._existing_parent(entry.path)
            self._make_room(folder, name, entry.path)
            os.symlink(entry.target, name, dir_fd=folder)
            os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=folder, follow_symlinks=False)

    def make_hardlink(self, path: bytes, target: bytes) -> None:
        """Give a file another name."""
        with named(shown(path)):
            folder, name = self._existing_parent(target)
            source = os.dup(folder)
            try:
                folder, own_name = self._existing_parent(path)
                self._make_room(folder, own_name, path)
                os.link(name, own_name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
            finally:
                os.close(source)

    def _make_room(self, folder: int, name: bytes, path: bytes) -> None:
        """Remove what is to be replaced."""
        if path in self._replaced:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)

    def adjust(self) -> None:
        """Give the files that were there the modes and times of the snapshot."""
        for entry in self._changed:
            with self._reopened(entry.path) as file:
                os.fchmod(file, entry.mode & FILE_MODES)
                os.utime(file, ns=(entry.mtime, entry.mtime))


def _check_name(path: bytes) -> None:
    """Check that a path is not that of a hidden folder of dxf.

    :raises DXFInvalidNameError: it is
    """
    if any(is_hidden(os.fsdecode(part)) for part in path.split(b'/')):
        raise DXFInvalidNameError(f'unsafe file name {shown(path)!r}: a part of it begins with {HIDDEN}')
