"""Restoring: files, folders and links of a snapshot appear in a folder, each file when it is complete.

``restore_target`` touches the folder, ``chunk_source`` fetches and verifies.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from dxf.exceptions import DXFFileNotFoundError, DXFInvalidDocumentError
from dxf.snapshots.chunk_source import ChunkSource
from dxf.snapshots.entries import FILE, FOLDER, HARDLINK, LINK, Chunk, Entry, shown
from dxf.snapshots.index import FROM_STREAM, IndexReader
from dxf.snapshots.restore_target import PartFile, RestoreTarget

if TYPE_CHECKING:
    from dxf.client import DXF


Report = Callable[[bytes, int], object]

SHOWN = 20
"""The most names that the error for a wrong path lists."""


class _Place(NamedTuple):
    """Where a chunk goes: the number of a file, and the offset in it."""

    chunk: Chunk
    file: int
    offset: int


def restore(repository: 'DXF', index: IndexReader, folder: str, paths: Sequence[bytes], overwrite: bool,
            report: Report) -> list[str]:
    """Put what a snapshot has into a folder: see :meth:`Snapshot.restore`.

    :param report: called with what was written, and the size of all that is to be written
    """
    if index.header.source == FROM_STREAM:
        raise DXFInvalidDocumentError('the snapshot is a stream: dxf pull-blob writes it')
    with ExitStack() as opened:
        target = opened.enter_context(RestoreTarget(folder, overwrite))
        return _Restoring(repository, index, target, paths).run(report)


class _Restoring:
    """One restore on its way."""

    def __init__(self, repository: 'DXF', index: IndexReader, target: RestoreTarget, paths: Sequence[bytes]) -> None:
        self._index = index
        self._target = target
        self._source = ChunkSource(repository, list(zip(index.header.packs, index.sizes, strict=True)))
        self._folders: list[Entry] = []
        self._links: list[Entry] = []
        self._hardlinks: list[Entry] = []
        self._files: list[PartFile] = []
        self._places: list[_Place] = []
        self._paths = {path.strip(b'/') for path in paths}
        self._above = {path[:end] for path in self._paths for end in range(len(path)) if path[end:end + 1] == b'/'}

    def run(self, report: Report) -> list[str]:
        """Restore what is wanted; return the paths of the files that were written."""
        for entry in self._wanted():
            self._plan(entry)
        self._plan_hardlinks()
        size = sum(place.chunk.size for place in self._places)
        self._target.check_space(size)
        for folder in self._folders:
            self._target.make_folder(folder)
        for file in self._files:
            if not file.left:
                self._target.finish(file)
        self._fetch(report, size)
        for entry in self._hardlinks:
            self._target.make_hardlink(entry.path, entry.target)
        for entry in self._links:
            self._target.make_link(entry)
        self._target.adjust()
        for folder in reversed(self._folders):
            self._target.finish_folder(folder)
        self._target.sync()
        return [file.entry.name for file in self._files]

    def _wanted(self) -> Iterator[Entry]:
        """Yield the entries that are wanted.

        :raises DXFFileNotFoundError: there is nothing at one of the paths
        """
        missing = set(self._paths)
        top: list[str] = []
        for entry in self._index.entries():
            if b'/' not in entry.path and len(top) < SHOWN:
                top.append(shown(entry.path))
            missing.discard(entry.path)
            if self._is_wanted(entry):
                yield entry
        if missing:
            raise DXFFileNotFoundError(shown(min(missing)), top)

    def _is_wanted(self, entry: Entry) -> bool:
        """Return whether an entry is at one of the paths, in one of them, or a folder that leads to one."""
        if not self._paths or entry.kind == FOLDER and entry.path in self._above:
            return True
        path = entry.path
        while path and path not in self._paths:
            path = path.rpartition(b'/')[0]
        return bool(path)

    def _plan(self, entry: Entry) -> None:
        """Check that an entry can be restored, and remember it unless it is there already."""
        if entry.kind == FOLDER:
            self._target.check_folder(entry.path)
            self._folders.append(entry)
        elif entry.kind == LINK:
            if not self._target.has_link(entry):
                self._links.append(entry)
        elif entry.kind == HARDLINK:
            self._hardlinks.append(entry)
        elif not self._target.has_file(entry):
            self._plan_file(entry)

    def _plan_file(self, entry: Entry) -> None:
        number = len(self._files)
        file = PartFile(entry)
        self._files.append(file)
        offset = 0
        for chunk in entry.chunks:
            if not chunk.is_zeros:
                self._places.append(_Place(chunk, number, offset))
                file.left += 1
            offset += chunk.size

    def _plan_hardlinks(self) -> None:
        """Plan the other names of files. A file of which only such names are wanted is restored by the first one."""
        wanted, self._hardlinks = self._hardlinks, []
        targets = {entry.target for entry in wanted}
        originals = {entry.path: entry for entry in self._index.entries() if entry.path in targets} if targets else {}
        written = {file.entry.path for file in self._files if file.entry.path in targets}
        first: dict[bytes, bytes] = {}
        for entry in wanted:
            original = originals.get(entry.target)
            if original is None or original.kind != FILE:
                raise DXFInvalidDocumentError(f'invalid snapshot: {shown(entry.path)}: it is another name of no file')
            name = entry.target if self._is_wanted(original) else first.setdefault(entry.target, entry.path)
            if name == entry.path:
                if not self._target.has_file(original := original._replace(path=name)):
                    self._plan_file(original)
                    written.add(name)
            elif not self._target.has_hardlink(entry.path, name, name in written):
                self._hardlinks.append(entry._replace(target=name))

    def _fetch(self, report: Report, size: int) -> None:
        """Fetch the chunks, each once, and write them to all places where they belong."""
        self._places.sort()
        chunks = list(dict.fromkeys(place.chunk for place in self._places))
        position = 0
        for chunk, content in self._source.fetch(chunks):
            while position < len(self._places) and self._places[position].chunk == chunk:
                place = self._places[position]
                file = self._files[place.file]
                self._target.write(file, place.offset, content)
                report(content, size)
                file.left -= 1
                if not file.left:
                    self._target.finish(file)
                position += 1
