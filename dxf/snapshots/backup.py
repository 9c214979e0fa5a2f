"""Backups: folders become a snapshot, of which only what is new is sent.

``tree`` finds the files, ``file_cutter`` cuts them, ``pack_writer`` stores what is new of them.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from dxf.arguments import several
from dxf.counts import counted
from dxf.exceptions import DXFInvalidDocumentError, DXFSourceError
from dxf.hints import PLACES, UNREAD
from dxf.local.folders import relation_to_registry
from dxf.names import check_alias
from dxf.parameters import checked
from dxf.snapshots.attribute_reader import AttributeReader
from dxf.snapshots.attribute_setter import Notice
from dxf.snapshots.blob_sender import BlobSender
from dxf.snapshots.entries import FILE, FOLDER, HARDLINK, LINK, Entry, check_entry, shown
from dxf.snapshots.exclusion import Exclusion
from dxf.snapshots.file_cutter import FileCutter, NotStored
from dxf.snapshots.index import FROM_FOLDER, IndexReader
from dxf.snapshots.last_snapshot import ignore, last_of, set_alias, with_last
from dxf.snapshots.snapshot import Snapshot, Totals
from dxf.snapshots.snapshot_writer import SnapshotWriter
from dxf.snapshots.tree import Found, Root, Tree, roots_of, size_of

if TYPE_CHECKING:
    from dxf.client import DXF

Reading = Callable[[int, int, int], object]


class Wanted(NamedTuple):
    """What is to be stored, and how it is read.

    :param exclude: patterns of gitignore, relative to each folder; files ``.dxfignore`` hold such patterns too
    :param exclude_caches: of folders that a file ``CACHEDIR.TAG`` marks, only that file is stored
    :param one_file_system: of folders on another file system, only the folder itself is stored
    :param read_all: read files too whose size and time are those in the last snapshot
    :param owners: store the owners of files, folders and links
    :param xattrs: store the extended attributes of files and folders
    """

    exclude: Sequence[str] = ()
    exclude_caches: bool = False
    one_file_system: bool = False
    read_all: bool = False
    owners: bool = False
    xattrs: bool = False


@checked
def backup(repository: 'DXF', folders: Sequence[str], alias: str, wanted: Wanted = Wanted(), *,
           parent: str | None = None, partial: bool = False, created: int | None = None,
           notice: Notice = ignore, progress: Callable[..., object] = ignore, reading: Reading = ignore) -> Snapshot:
    """Store folders as a snapshot, and give it an alias. Only what the last snapshot does not have is sent.

    :param folders: paths; of several, each is a folder of the snapshot, by the last part of its path
    :param wanted: what is left out, and which files are read again
    :param parent: the last snapshot, an alias or the digest of a manifest; ``None`` for what ``alias`` names now, if
        that is a snapshot
    :param partial: set the alias even if something could not be read: see ``Snapshot.unread``
    :param created: seconds since 1970, for the annotation that says when; ``None`` for now
    :param notice: called with a line about each file that could not be read, or is left out; and if the alias names
        something that is no snapshot, which is replaced
    :param progress: called as ``progress(digest, chunk, size)`` for what is sent
    :param reading: called as ``reading(count, size, files)`` for bytes of files that were read, or found unchanged:
        with their number, about that of all files, and the number of files so far
    :return: the snapshot; it is stored
    :raises DXFSourceError: something could not be read, there is no such folder, or no file is in one that had some in
        the last snapshot; the alias is as it was
    :raises DXFInvalidDocumentError: ``parent`` is no snapshot, or is damaged
    :raises DXFInvalidNameError: a pattern is not valid
    """
    roots = _roots(repository, folders, alias)
    return with_last(repository, alias, parent, notice, lambda last: _Backup(
        repository, roots, last, wanted, notice, progress, reading).run(alias, partial, created))


@checked
def plan(repository: 'DXF', folders: Sequence[str], alias: str, wanted: Wanted = Wanted(), *,
         parent: str | None = None, notice: Notice = ignore, reading: Reading = ignore) -> Totals:
    """Return what :func:`backup` would find and send; nothing is sent.

    The parameters, and the errors, are those of :func:`backup`.
    """
    roots = _roots(repository, folders, alias)
    last = last_of(repository, alias, parent, notice)
    return _Backup(repository, roots, last, wanted, notice, None, reading).measure()


def _roots(repository: 'DXF', folders: Sequence[str], alias: str) -> list[Root]:
    """Return the folders to be stored; everything is checked before the first request."""
    check_alias(alias)
    roots = roots_of([os.fspath(folder) for folder in several(folders, 'backup', 'repository, ')])
    for root in roots:
        relation = relation_to_registry(os.fsdecode(root.folder), repository.host)
        if relation:
            raise DXFSourceError(f'{shown(root.folder)} {relation} the registry {repository.host}, which would be '
                                 'stored in itself: store it elsewhere')
    return roots


class _FirstName(NamedTuple):
    """The path by which a file with several names was stored, and what it was like then."""

    path: bytes
    size: int
    mtime: int


class _Advance:
    """Reports bytes of files that were read, or found unchanged.

    :param total: about the bytes of all files
    """

    def __init__(self, reading: Reading, total: int) -> None:
        self._reading = reading
        self.total = total
        self.files = 1
        """The number of the file that is read now."""

    def __call__(self, count: int) -> None:
        if count:
            self._reading(count, self.total, self.files)


class _EmptyFolders:
    """The folders to be stored in which no file was found so far.

    :param roots: all that are to be stored
    """

    def __init__(self, roots: list[Root]) -> None:
        self._roots = roots
        self._left = list(roots)

    def found_in(self, root: Root) -> None:
        """Remember that there is a file in a folder."""
        if root in self._left:
            self._left.remove(root)

    def leave_out(self, folder: bytes) -> None:
        """Leave out a folder that could not be read, which is reported in another way."""
        self._left = [root for root in self._left if root.folder != folder]

    def that_had_files(self, index: IndexReader) -> Iterator[bytes]:
        """Yield those that had files in the last snapshot.

        :param index: that snapshot's
        """
        is_all = len(self._left) == len(self._roots)
        for root in self._left:
            start = b'' if is_all or not root.prefix else root.prefix + b'/'
            if any(entry.kind != FOLDER and entry.path.startswith(start) for entry in index.entries()):
                yield root.folder


class _Backup:
    """One backup on its way.

    :param last: the last snapshot, whose packs are used again
    :param progress: called for what is sent; ``None`` to send nothing
    """

    def __init__(self, repository: 'DXF', roots: list[Root], last: Snapshot | None, wanted: Wanted, notice: Notice,
                 progress: Callable[..., object] | None, reading: Reading) -> None:
        self._repository = repository
        self._tree = Tree(roots, self._not_read, self._leave_out, Exclusion(wanted.exclude, wanted.exclude_caches),
                          wanted.one_file_system)
        self._attributes = AttributeReader(self._tree, wanted.owners, wanted.xattrs)
        self._last = last
        self._read_all = wanted.read_all
        self._notice = notice
        self._advance = _Advance(reading, size_of(roots))
        self._blobs = BlobSender(repository, progress)
        self._unread: list[str] = []
        self._empty = _EmptyFolders(roots)
        self._first_names: dict[bytes, _FirstName] = {}
        """Files with several names that were stored, by the path that was found first."""
        self._totals = Totals()

    def _not_read(self, path: bytes, error: OSError) -> None:
        self._empty.leave_out(path)
        self._add_unread(f'cannot read {shown(path)}: {error.strerror}')

    def _add_unread(self, text: str) -> None:
        self._unread.append(text)
        self._totals = self._totals._replace(unread=len(self._unread))
        self._notice(text)

    def _leave_out(self, path: bytes, kind: str) -> None:
        self._notice(f'left out: {shown(path)}: {kind}')

    def run(self, alias: str, partial: bool, created: int | None) -> Snapshot:
        """Store the snapshot, and set the alias."""
        text = self._store(alias, partial, created)
        return set_alias(self._repository, alias, text, self._last, self._totals, tuple(self._unread))

    def measure(self) -> Totals:
        """Return what :meth:`run` would find and send, where nothing is sent."""
        self._store('', True, None)
        return self._totals

    def _store(self, alias: str, partial: bool, created: int | None) -> str:
        """Store packs and index; return the text of the manifest."""
        with ExitStack() as opened:
            index = None if self._last is None else opened.enter_context(self._last.opened())
            writer = opened.enter_context(SnapshotWriter(self._blobs, index, self._advance.total, FROM_FOLDER))
            try:
                self._add_all(writer, FileCutter(self._tree, writer.chunks, self._advance), index)
            except NotStored as error:
                raise error.__cause__ or error from None
            if index is not None:
                self._compare_with(index)
            if self._unread and not partial:
                raise DXFSourceError(f'{counted(len(self._unread), *PLACES)} {UNREAD}, and so the alias {alias} was '
                                     f'not set: {self._unread[0]}')
            text, self._totals = writer.finish(self._totals, created, None if self._last is None else self._last.digest,
                                               self._repository.options.limits.manifest)
            return text

    def _add_all(self, writer: SnapshotWriter, cutter: FileCutter, index: IndexReader | None) -> None:
        """Add all that is there to the index."""
        last = _Merge(iter(()) if index is None else index.entry_lines())
        for found in self._tree.walk():
            if found.kind != FOLDER:
                self._empty.found_in(self._tree.root_of(found.path))
            former = last.at(found.path)
            entry = self._entry(found, former, cutter)
            if entry is not None:
                writer.add(entry, last.line if entry is former else None)

    def _compare_with(self, index: IndexReader) -> None:
        """Report a last snapshot of a stream, and folders that have lost all files: a disk may not be mounted.

        Such a folder counts as one that cannot be read: an alias is not set to it by mistake.
        """
        if index.is_of_stream:
            self._notice('the last snapshot is one of a stream, and the new one is of folders')
        for folder in self._empty.that_had_files(index):
            self._add_unread(f'cannot read {shown(folder)}: no file was found in it, and the last snapshot has '
                             'some: is its disk mounted? --partial stores it as it is')

    def _entry(self, found: Found, last: Entry | None, cutter: FileCutter) -> Entry | None:
        """Return the entry of what was found; ``None`` for what cannot be read, or is gone, or no index can hold."""
        entry = self._other_name(found)
        if entry is None:
            entry = self._file(found, last, cutter) if found.kind in (FILE, HARDLINK) else _described(found)
        if entry is None:
            return None
        try:
            entry = self._attributes.added(entry, found)
            if entry is not last:  # which was checked when it was read
                check_entry(entry)
        except OSError as error:
            self._not_read(found.path, error)
            return None
        except DXFInvalidDocumentError as error:
            self._add_unread(f'cannot store {str(error).removeprefix("invalid snapshot: ")}')
            return None
        if entry.kind == FILE and found.status.st_nlink > 1:
            self._first_names[found.target or found.path] = _FirstName(entry.path, entry.size, entry.mtime)
        return entry

    def _other_name(self, found: Found) -> Entry | None:
        """Return the entry of another name of a file that was stored as it is now; ``None`` for anything else.

        The first name may be gone, or be that of another file when it was read. And a file system may give the number
        of a file that is gone to a new one.
        """
        first = self._first_names.get(found.target) if found.kind == HARDLINK else None
        if first is None or (first.size, first.mtime) != (found.status.st_size, found.status.st_mtime_ns):
            return None
        return Entry(found.path, HARDLINK, target=first.path)

    def _file(self, found: Found, last: Entry | None, cutter: FileCutter) -> Entry | None:
        """Return the entry of a file, which is read unless it seems to be as it was in the last snapshot."""
        mode, mtime, size = stat.S_IMODE(found.status.st_mode), found.status.st_mtime_ns, found.status.st_size
        is_same = last is not None and (last.kind, last.size, last.mtime) == (FILE, size, mtime)
        chunks = cutter.unchanged(last) if last is not None and is_same and not self._read_all else None
        if last is not None and chunks is not None:
            self._advance(size)
            self._count(size, 0)
            return last if (last.mode, last.chunks) == (mode, chunks) else last._replace(mode=mode, chunks=chunks)
        try:
            entry = cutter.read(found.path, last)
        except OSError as error:
            self._tree.report(found.path, error)
            return None
        self._count(entry.size, 1)
        return entry

    def _count(self, size: int, read: int) -> None:
        """Count a file whose bytes were reported before."""
        self._advance.files += 1
        totals = self._totals
        self._totals = Totals(totals.files + 1, totals.size + size, totals.read + read, unread=totals.unread)


def _described(found: Found) -> Entry:
    """Return the entry of a folder or a link."""
    mode = 0 if found.kind == LINK else stat.S_IMODE(found.status.st_mode)
    return Entry(found.path, found.kind, mode, found.status.st_mtime_ns, target=found.target)


class _Merge:
    """Finds the entries of the last snapshot by paths that come in the same order.

    :param lines: the entries in the order of their paths, each behind its line
    """

    def __init__(self, lines: Iterator[tuple[bytes, Entry]]) -> None:
        self._lines = lines
        self.line = b''
        """The line of the entry that was found last."""
        self._next: Entry | None = None
        self._advance()

    def _advance(self) -> None:
        self.line, self._next = next(self._lines, (b'', None))

    def at(self, path: bytes) -> Entry | None:
        """Return the entry at a path, which comes behind those that were asked for before."""
        while self._next is not None and self._next.path < path:
            self._advance()
        return self._next if self._next is not None and self._next.path == path else None
