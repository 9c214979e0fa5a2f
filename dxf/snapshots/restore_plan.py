"""The plan of a restore: what of a snapshot is wanted, and is not in the target already.

The whole index is read, and all that is in the way is found, before anything is changed. ``restore`` carries it out.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dxf.exceptions import DXFError, DXFFileNotFoundError
from dxf.snapshots.attribute_setter import Attributes
from dxf.snapshots.entries import FOLDER, HARDLINK, LINK, Entry, check_original, shown, text_member
from dxf.snapshots.entry_table import SHOWN
from dxf.snapshots.index import IndexReader
from dxf.snapshots.places import Places
from dxf.snapshots.restore_target import PartFile, RestoreTarget
from dxf.strict_json import Json

DELETE = 'delete'


class RestoreAction(NamedTuple):
    """What a restore does with a path.

    :param action: ``write`` (nothing is there), ``replace``, ``adjust`` (a file has the content, and another mode,
        time, owner or attribute; or a link another owner) or ``delete``
    :param kind: ``file``, ``folder``, ``link`` or ``hardlink``; what is deleted is a ``file`` or a ``folder``
    :param path: in the folder
    :param size: of a file, in bytes
    """

    action: str
    kind: str
    path: bytes
    size: int

    def document(self) -> dict[str, Json]:
        """Return the action as a JSON object; a path that is not UTF-8 is there as ``path64``."""
        return {'action': self.action, 'type': self.kind, **text_member('path', self.path), 'size': self.size}


class RestorePlan:
    """What is to be done to restore some paths, or all.

    :param paths: of files and folders; empty for all
    :param keeps: remember the paths of all that is wanted, also of what is there already
    :raises DXFFileNotFoundError: there is nothing at one of the paths
    :raises DXFInvalidDocumentError: something in the index cannot be right
    :raises OSError: something is in the way
    """

    def __init__(self, index: IndexReader, target: RestoreTarget, paths: Sequence[bytes], keeps: bool) -> None:
        self._index = index
        self._target = target
        self.folders: list[Entry] = []
        self._new_folders: list[Entry] = []
        self.links: list[Entry] = []
        self.hardlinks: list[Entry] = []
        """Each with the path of the file that is restored as its target."""
        self.files: list[PartFile] = []
        self.places = Places()
        """Where the chunks of the files go."""
        self.paths = {path.strip(b'/') for path in paths}
        self._above = {path[:end] for path in self.paths for end in range(len(path)) if path[end:end + 1] == b'/'}
        self.kept: set[bytes] = set()
        """The paths of all that is wanted and is no folder."""
        for entry in self._wanted():
            self._plan(entry)
            if keeps and entry.kind != FOLDER:
                self.kept.add(entry.path)
        self._plan_hardlinks()

    def _wanted(self) -> Iterator[Entry]:
        """Yield the entries that are wanted.

        :raises DXFFileNotFoundError: there is nothing at one of the paths
        """
        missing = set(self.paths)
        top: list[str] = []
        for entry in self._index.entries():
            if b'/' not in entry.path and len(top) < SHOWN:
                top.append(shown(entry.path))
            missing.discard(entry.path)
            if self.is_wanted(entry):
                yield entry
        if missing:
            raise DXFFileNotFoundError(shown(min(missing)), top)

    def is_wanted(self, entry: Entry) -> bool:
        """Return whether an entry is at one of the paths, in one of them, or a folder that leads to one."""
        if not self.paths or entry.kind == FOLDER and entry.path in self._above:
            return True
        path = entry.path
        while path and path not in self.paths:
            path = path.rpartition(b'/')[0]
        return bool(path)

    def _plan(self, entry: Entry) -> None:
        """Check that an entry can be restored, and remember it unless it is there already."""
        if entry.kind == FOLDER:
            if not self._target.has_folder(entry.path):
                self._new_folders.append(entry)
            self.folders.append(entry)
        elif entry.kind == LINK:
            if not self._target.has_link(entry):
                self.links.append(entry)
        elif entry.kind == HARDLINK:
            self.hardlinks.append(entry)
        elif not self._target.has_file(entry):
            self._plan_file(entry)

    def _plan_file(self, entry: Entry) -> None:
        number = len(self.files)
        file = PartFile(entry)
        self.files.append(file)
        offset = 0
        for chunk in entry.chunks:
            if not chunk.is_zeros:
                self.places.add(chunk, number, offset)
                file.left += 1
            offset += chunk.size

    def _plan_hardlinks(self) -> None:
        """Plan the other names of files. A file of which only such names are wanted is restored by the first one."""
        wanted, self.hardlinks = self.hardlinks, []
        targets = {entry.target for entry in wanted}
        originals = {entry.path: entry for entry in self._index.entries() if entry.path in targets} if targets else {}
        written = {file.entry.path for file in self.files if file.entry.path in targets}
        first: dict[bytes, bytes] = {}
        staying: list[Entry] = []
        for entry in wanted:
            original = check_original(entry, originals.get(entry.target))
            name = entry.target if self.is_wanted(original) else first.setdefault(entry.target, entry.path)
            if name == entry.path:
                if not self._target.has_file(original := original._replace(path=name)):
                    self._plan_file(original)
                    written.add(name)
            else:
                is_there = self._target.has_hardlink(entry.path, name, name in written)
                (staying if is_there else self.hardlinks).append(entry._replace(target=name))
        self._plan_shared(staying)

    def _plan_shared(self, staying: list[Entry]) -> None:
        """Plan to replace the files whose attributes would become those of files that are not restored, too.

        :param staying: the other names of files that are there and would stay
        """
        replaced = self._target.replace_shared()
        for entry in replaced:
            self._plan_file(entry)
        paths = {entry.path for entry in replaced}
        for entry in staying:
            if entry.target in paths:
                self._target.replace(entry.path)
                self.hardlinks.append(entry)

    def actions(self) -> Iterator[RestoreAction]:
        """Yield what is to be done, or was, in the order of the paths."""
        made = [*(file.entry for file in self.files), *self.links, *self.hardlinks, *self._new_folders]
        for entry in sorted([*made, *self._target.changed.values()], key=lambda entry: entry.path):
            yield RestoreAction(self._target.action_on(entry), entry.kind, entry.path, entry.size)


def check_attributes(wanted: Attributes, index: IndexReader) -> None:
    """Check that a snapshot has the attributes that are wanted: one that was made without them has none.

    :raises DXFError: it has not
    """
    for is_wanted, member, option in ((wanted.with_owners, 'owner', '--owners'),
                                      (wanted.with_xattrs, 'xattrs', '--xattrs')):
        if is_wanted and all(getattr(entry, member) is None for entry in index.entries()):
            raise DXFError(f'the snapshot was made without {option}, and has none')
