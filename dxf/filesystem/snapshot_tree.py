"""Trees of snapshots: their files and folders by path, with the index read when it is first needed.

``file_tree`` has those of other aliases. A link to a file of the snapshot stands for that file. One that leads to a
folder, to nothing, or out of the snapshot is shown, and cannot be read.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from dxf.client import DXF
from dxf.exceptions import DXFIsADirectoryError
from dxf.filesystem.file_tree import Blobs
from dxf.manifest.image import OCTET_STREAM, ImageManifest
from dxf.names import hash_bytes
from dxf.reading.blob_reader import BlobReader
from dxf.snapshots.entries import FILE, FOLDER, LINK, Entry
from dxf.snapshots.entry_table import EntryTable
from dxf.snapshots.snapshot import Snapshot


class SnapshotFile(NamedTuple):
    """A file, or a link that cannot be read.

    :param entry: of the file, that of a link to it, or that of a link
    :param target: what a link leads to; ``None`` for what is no link
    """

    entry: Entry
    target: bytes | None
    blobs: Blobs = ()
    """No blob is the file."""

    @property
    def digest(self) -> str:
        """The hash of the file, or of the target of a link."""
        return f'sha256:{self.entry.sha256}' if self.entry.kind == FILE else hash_bytes(self.entry.target)

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.entry.size

    @property
    def details(self) -> dict[str, Any]:
        """What a listing says of it."""
        link = {} if self.target is None else {'islink': True, 'destination': _text(self.target)}
        return {'type': self.entry.kind, 'media_type': OCTET_STREAM, 'mode': self.entry.mode,
                'mtime': self.entry.mtime / 10 ** 9, **link}


class SnapshotTree:
    """The files and folders of a snapshot.

    :param repository: where it is
    :param used: called with the tree before each use of its index
    """

    is_index = False
    """A snapshot is one manifest: see :class:`dxf.filesystem.file_tree.Tree`."""

    def __init__(self, repository: DXF, manifest: ImageManifest, used: Callable[['SnapshotTree'], None]) -> None:
        self.digest = manifest.digest
        self.text = manifest.text
        self._snapshot = Snapshot(repository, manifest)
        self._used = used
        self._root: tuple[SnapshotFile | None] | None = None
        """What :meth:`file` returns for the whole, when that is known: a list of aliases needs no more."""

    def of_one_platform(self) -> 'SnapshotTree':
        """Return the tree: it has files."""
        return self

    def release(self) -> None:
        """Forget the index, which is fetched again when it is needed."""
        self._snapshot.forget()

    def file(self, path: str) -> SnapshotFile | None:
        """Return a file or a link, of a stream without its chunks; ``None`` for a folder.

        :raises DXFFileNotFoundError: there is nothing
        """
        if path:
            return self._found(path)
        if self._root is None:
            found = self._found(path)
            self._root = (found and found._replace(entry=found.entry._replace(chunks=())),)
        return self._root[0]

    def _found(self, path: str) -> SnapshotFile | None:
        table = self._table()
        name = _bytes(path)
        entry = table.find(name)
        if entry is None and not name:
            return None
        found = table.followed(name) if entry is None or entry.kind == LINK else table.original(entry)
        target = entry.target if entry is not None and entry.kind == LINK else None
        if target is not None and (found is None or found.kind == FOLDER):
            found = entry
        if found is None:
            raise table.missing(name)
        return None if found.kind == FOLDER else SnapshotFile(found, target)

    def file_to_read(self, path: str) -> SnapshotFile:
        """Return a file.

        :raises DXFFileNotFoundError: it is missing, or a link that leads to no file
        :raises DXFIsADirectoryError: it is a folder
        """
        found = self._found(path)
        if found is None:
            raise DXFIsADirectoryError(path, 'it is a folder')
        if found.entry.kind != FILE:
            raise self._table().missing(_bytes(path), found.entry)
        return found

    def children(self, folder: str) -> Iterator[str]:
        """Yield the paths of what is directly in a folder."""
        table = self._table()
        name = _bytes(folder)
        entry = table.followed(name)
        real = name if entry is None else entry.path
        for path in table.children(real):
            yield _text(name + path[len(real):])

    def open(self, path: str) -> BlobReader:
        """Open a file: see :meth:`file_to_read`."""
        return self._snapshot.open_entry(self.file_to_read(path).entry)

    def _table(self) -> EntryTable:
        self._used(self)
        return self._snapshot.table()


def _bytes(path: str) -> bytes:
    return path.encode('utf-8', 'surrogateescape')


def _text(path: bytes) -> str:
    return path.decode('utf-8', 'surrogateescape')
