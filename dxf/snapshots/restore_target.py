"""The folder into which a snapshot is restored: what is there and equal stays, all else is made or replaced.

``target_paths`` looks at paths, and follows no link. ``attribute_setter`` sets owners, modes and times. A file is in a
hidden folder until it is complete. Where it comes from is not known here.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

from dxf.artifacts.hidden_folders import HiddenFolder, mount_of
from dxf.artifacts.staging import check_space, space_of
from dxf.artifacts.target_folder import check_replaceable
from dxf.local.file_hash import hash_descriptor
from dxf.local.sinks import named, write_at
from dxf.snapshots.attribute_setter import AttributeSetter
from dxf.snapshots.entries import LINK, Entry, shown
from dxf.snapshots.target_paths import AtPath, TargetPaths

WRITE, REPLACE, ADJUST = 'write', 'replace', 'adjust'
"""What is done with a file: nothing is there; another one is; or it has the content, and another mode or the like."""

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
    """A folder that files are restored to. It closes the paths where it is left.

    :param overwrite: replace files and links that are there and differ
    """

    def __init__(self, paths: TargetPaths, overwrite: bool, setter: AttributeSetter) -> None:
        self._paths = paths
        self._overwrite = overwrite
        self._setter = setter
        self._hidden: dict[tuple[int, int], HiddenFolder] = {}
        self._last_hidden: tuple[bytes, HiddenFolder] | None = None
        """The folder that a hidden folder was looked for last, and that hidden folder."""
        self._open: dict[PartFile, int] = {}
        self._replaced: set[bytes] = set()
        """Paths at which there is something that may be replaced; what appears at others meanwhile stays."""
        self.changed: dict[bytes, Entry] = {}
        """Files that are there, and whose mode, time, owner or attributes differ; and links whose owner differs."""
        self._kept: dict[tuple[int, int], Entry] = {}
        """Files with several names that are there and stay, by device and inode."""
        self._names: Counter[tuple[int, int]] = Counter()
        """How many names each of these has among those that are restored."""
        self._shared: dict[bytes, os.stat_result] = {}
        """Those of ``changed`` that have several names."""
        self._close = ExitStack()

    def __enter__(self) -> 'RestoreTarget':
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._close.close()
        self._paths.close()

    def check_space(self, size: int) -> None:
        """Check that the disk has space for so many bytes.

        :raises OSError: it has not
        """
        check_space(space_of(self._paths.root), size, self._paths.folder)

    # What is there

    def has_folder(self, path: bytes) -> bool:
        """Return whether a folder is there.

        :raises OSError: something else is in the way
        """
        self._paths.check_folder(path)
        return self._paths.descend(path) is not None

    def action_on(self, entry: Entry) -> str:
        """Return what is done with an entry that is not there, or differs."""
        return REPLACE if entry.path in self._replaced else ADJUST if entry.path in self.changed else WRITE

    def _check_replaceable(self, path: bytes, there: os.stat_result) -> None:
        """Check that what is at a path may be replaced.

        :raises FileExistsError: it may not
        """
        is_file = stat.S_ISREG(there.st_mode) or stat.S_ISLNK(there.st_mode)
        check_replaceable(is_file, self._overwrite, shown(path))
        if not self._paths.has_spelling(path):  # it may be another file of the snapshot
            raise FileExistsError(errno.EEXIST, 'it is there by another spelling, and is not replaced', shown(path))
        self._replaced.add(path)

    def has_file(self, entry: Entry) -> bool:
        """Return whether a file is there and equal, and on the disk then.

        :raises FileExistsError: another one is there, and is not to be replaced
        """
        there = self._paths.status(entry.path)
        if there is None:
            return False
        if stat.S_ISREG(there.st_mode) and there.st_size == entry.size and self._may_stay(there, entry) and \
                self._has_content(entry):
            if there.st_nlink > 1:
                self._kept[there.st_dev, there.st_ino] = entry._replace(chunks=())
                self._names[there.st_dev, there.st_ino] += 1
                if entry.path in self.changed:
                    self.changed[entry.path] = entry
                    self._shared[entry.path] = there
            return True
        self._check_replaceable(entry.path, there)
        return False

    def _may_stay(self, there: os.stat_result, entry: Entry) -> bool:
        """Return whether a file may stay: not if it is another file of the snapshot too, with another mode or time."""
        kept = self._kept.get((there.st_dev, there.st_ino))
        return kept is None or self._setter.agree(kept, entry)

    def _has_content(self, entry: Entry) -> bool:
        with self._paths.opened(entry.path) as file:
            os.fsync(file)
            if hash_descriptor(file) != f'sha256:{entry.sha256}':
                return False
            if not self._setter.is_set(file, entry):
                self.changed[entry.path] = entry._replace(chunks=())
            return True

    def has_link(self, entry: Entry) -> bool:
        """Return whether a link is there that leads to the same.

        :raises FileExistsError: something else is there, and is not to be replaced
        """
        there = self._paths.status(entry.path)
        if there is None:
            return False
        if stat.S_ISLNK(there.st_mode) and self._paths.target_of(entry.path) == entry.target:
            if not self._setter.has_owner(there, entry):
                self.changed[entry.path] = entry
            return True
        self._check_replaceable(entry.path, there)
        return False

    def has_hardlink(self, path: bytes, target: bytes, is_replaced: bool) -> bool:
        """Return whether two paths are names of one file already, and stay so.

        :param is_replaced: another file is going to be at ``target``
        :raises FileExistsError: something else is there, and is not to be replaced
        """
        there, other = self._paths.status(path), self._paths.status(target)
        if there is None:
            return False
        if other is not None and not is_replaced and os.path.samestat(there, other):
            self._names[there.st_dev, there.st_ino] += 1
            return True
        self._check_replaceable(path, there)
        return False

    def replace_shared(self) -> list[Entry]:
        """Return the files whose attributes differ, and which have names that are not restored.

        They are replaced: else the files of the other names would get their attributes, too.

        :raises FileExistsError: they are not to be replaced
        """
        names = [path for path, there in self._shared.items()
                 if there.st_nlink > self._names[there.st_dev, there.st_ino]]
        for path in names:
            self.replace(path)
        return [self.changed.pop(path) for path in names]

    def replace(self, path: bytes) -> None:
        """Remember that what is at a path is to be replaced.

        :raises FileExistsError: it is not to be
        """
        there = self._paths.status(path)
        if there is not None:
            self._check_replaceable(path, there)

    # Folders

    def make_folder(self, entry: Entry) -> None:
        """Make a folder where it is missing; it gets its mode by :meth:`finish_folder`."""
        with AtPath(entry.path):
            self._paths.make(entry.path)

    def finish_folder(self, entry: Entry) -> None:
        """Give a folder its owner, its mode and its time, when all is in it."""
        with AtPath(entry.path):
            folder = self._paths.descend(entry.path)
            if folder is not None:
                os.fsync(folder)
                self._setter.apply(folder, entry)

    def sync(self) -> None:
        """Write the names in the folder itself to the disk; :meth:`finish_folder` does so for the others."""
        with named(self._paths.folder):
            os.fsync(self._paths.root)

    # What is made

    def write_whole(self, entry: Entry, content: bytes) -> None:
        """Make a file that is one chunk: most are, and this takes less time than :meth:`write` and :meth:`finish`."""
        with AtPath(entry.path):
            hidden = self._hidden_for(entry.path)
            name, descriptor = hidden.new_file(0o600)
            try:
                write_at(descriptor, content, 0)
                self._complete(descriptor, entry)
            finally:
                os.close(descriptor)
            self._give_name(hidden, name, entry.path)

    def write(self, file: PartFile, offset: int, content: bytes) -> None:
        """Write a chunk of a file."""
        with AtPath(file.entry.path):
            write_at(self._descriptor(file), content, offset)

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
        parent = path.rpartition(b'/')[0]
        if self._last_hidden is not None and parent == self._last_hidden[0]:
            return self._last_hidden[1]
        folder, _ = self._paths.parent(path)
        mount = mount_of(folder)
        if mount not in self._hidden:
            root = self._paths.root if mount == mount_of(self._paths.root) else folder
            hidden = HiddenFolder(root, self._paths.folder)
            self._close.callback(hidden.close)
            self._hidden[mount] = hidden
        self._last_hidden = parent, self._hidden[mount]
        return self._hidden[mount]

    def finish(self, file: PartFile) -> None:
        """Give a file that is complete its owner, its mode, its time and its name."""
        with AtPath(file.entry.path):
            self._complete(self._descriptor(file), file.entry)
            os.close(self._open.pop(file))
            if file.hidden is not None:
                self._give_name(file.hidden, file.name, file.entry.path)

    def _complete(self, descriptor: int, entry: Entry) -> None:
        """Write a file to the disk, and give it all but its name."""
        os.fsync(descriptor)
        self._setter.apply(descriptor, entry)

    def _give_name(self, hidden: HiddenFolder, name: str, path: bytes) -> None:
        folder, own_name = self._paths.parent(path)
        if path in self._replaced:
            os.replace(name, own_name, src_dir_fd=hidden.folder, dst_dir_fd=folder)
            return
        try:
            hidden.move_out(name, folder, os.fsdecode(own_name))
        except FileExistsError:
            raise FileExistsError(errno.EEXIST, 'it is there already', shown(path)) from None

    def make_link(self, entry: Entry) -> None:
        """Make a symbolic link."""
        with AtPath(entry.path):
            folder, name = self._paths.parent(entry.path)
            self._make(entry.path, folder, name,
                       lambda place, new: os.symlink(entry.target, new, dir_fd=place))
            self._setter.apply_to_link(folder, name, entry)

    def make_hardlink(self, path: bytes, target: bytes) -> None:
        """Give a file another name."""
        with AtPath(path):
            folder, name = self._paths.parent(target)
            source = os.dup(folder)
            try:
                folder, own_name = self._paths.parent(path)
                self._make(path, folder, own_name, lambda place, new: os.link(
                    name, new, src_dir_fd=source, dst_dir_fd=place, follow_symlinks=False))
            finally:
                os.close(source)

    def _make(self, path: bytes, folder: int, name: bytes, make: Callable[[int, str | bytes], None]) -> None:
        """Make a link; what it replaces goes when it is made.

        :param make: makes it in a folder, under a name
        """
        if path not in self._replaced:
            make(folder, name)
            return
        hidden = self._hidden_for(path)
        new = hidden.new_name()
        make(hidden.folder, new)
        os.replace(new, name, src_dir_fd=hidden.folder, dst_dir_fd=folder)

    def adjust(self) -> None:
        """Give the files and links that were there the modes, times, owners and attributes of the snapshot."""
        for entry in self.changed.values():
            if entry.kind == LINK:
                with AtPath(entry.path):
                    self._setter.apply_to_link(*self._paths.parent(entry.path), entry)
            else:
                with self._paths.opened(entry.path) as file:
                    self._setter.apply(file, entry)
