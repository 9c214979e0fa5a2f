"""A snapshot: its manifest, made and read, and what can be done with one that is stored."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from dxf import forking
from dxf.arguments import several
from dxf.artifacts.manifest import CREATED, EMPTY, SNAPSHOT_TYPE
from dxf.exceptions import DXFInvalidDocumentError
from dxf.manifest.image import OCI_MANIFEST, Descriptor, ImageManifest, check_size
from dxf.names import shown_repository
from dxf.parameters import checked
from dxf.reading.blob_reader import BlobReader
from dxf.snapshots.attribute_setter import Attributes, Notice
from dxf.snapshots.chunk_source import ChunkSource
from dxf.snapshots.entries import Entry
from dxf.snapshots.entry_table import EntryTable
from dxf.snapshots.file_content import FileContent
from dxf.snapshots.index import MAX_BLOB, MAX_PACKS, IndexReader
from dxf.snapshots.restore import Demand, OnAction, PlannedRestore, plan_restore, restore
from dxf.snapshots.stream_reader import StreamReader
from dxf.strict_json import Json, dump_json, load_object

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.client import DXF

INDEX_TYPE = 'application/vnd.dxf.snapshot.index.v1+zstd'
PACK_TYPE = 'application/vnd.dxf.snapshot.pack.v1'

FILES, BYTES, ADDED, PARENT = (f'vnd.dxf.snapshot.{name}' for name in ('files', 'bytes', 'added', 'parent'))


class Totals(NamedTuple):
    """What a backup has found and sent.

    :param files: regular files
    :param size: bytes of these
    :param read: files that were read; the others are as they were in the last snapshot
    :param new: bytes in these that the last snapshot did not have
    :param sent: bytes of packs and index that were sent
    :param packs: packs that were sent
    :param unread: files and folders that could not be read, and folders that have lost all files
    :param sha256: of a stream: the hash of the whole, in hexadecimal digits
    """

    files: int = 0
    size: int = 0
    read: int = 0
    new: int = 0
    sent: int = 0
    packs: int = 0
    unread: int = 0
    sha256: str = ''


def make_manifest(index: Descriptor, packs: Sequence[Descriptor], totals: Totals, created: int | None,
                  parent: str | None, limit: int) -> str:
    """Write the manifest of a snapshot.

    :param created: seconds since 1970; ``None`` for now
    :param parent: the digest of the manifest of the last snapshot
    :param limit: the most bytes that are read of a manifest
    """
    annotations = {CREATED: time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(created)), FILES: str(totals.files),
                   BYTES: str(totals.size), ADDED: str(totals.sent)}
    if parent is not None:
        annotations[PARENT] = parent
    text = dump_json({
        'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'artifactType': SNAPSHOT_TYPE, 'config': _descriptor(EMPTY),
        'layers': [_descriptor(blob) for blob in (index, *packs)], 'annotations': annotations})
    check_size(len(text), limit)
    return text


def _descriptor(blob: Descriptor) -> dict[str, Json]:
    return {'mediaType': blob.media_type, 'digest': blob.digest, 'size': blob.size}


def is_snapshot(manifest: object) -> TypeGuard[ImageManifest]:
    """Return whether a manifest is that of a snapshot, by its artifact type."""
    return isinstance(manifest, ImageManifest) and load_object(manifest.text).get('artifactType') == SNAPSHOT_TYPE


NAMES = {**dict.fromkeys(('files', 'list', 'ls', 'names', 'list_files', 'walk'), 'entries()'),
         **dict.fromkeys(('read', 'get', 'cat', 'read_bytes'), 'open(path).read()'),
         **dict.fromkeys(('extract', 'extractall', 'download', 'pull'), 'restore(folder)')}
"""How methods of a snapshot are written, by the names that archives of other libraries have for them."""


class Snapshot:
    """A snapshot that is stored in a repository: :func:`load` returns it.

    :param repository: where it is
    :param manifest: a checked one
    :param totals: what its backup found and sent, where this program made it
    :param unread: lines about what that could not read
    """

    def __init__(self, repository: 'DXF', manifest: ImageManifest, totals: Totals = Totals(),
                 unread: tuple[str, ...] = ()) -> None:
        self._repository = repository
        self.digest = manifest.digest
        """The digest of its manifest."""
        self.index, self.packs = _layers(manifest)
        annotations = load_object(manifest.text).get('annotations')
        self.annotations: dict[str, str] = annotations if isinstance(annotations, dict) else {}
        self.totals = totals
        self.unread = unread
        self._table: EntryTable | None = None
        self._lock = Lock()
        forking.register(self)

    def renew_after_fork(self) -> None:
        """Share no lock with the parent process."""
        self._lock = Lock()

    if not TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any:
            if name in NAMES:
                raise AttributeError(f'Snapshot has no {name}: write {NAMES[name]}')
            return object.__getattribute__(self, name)  # it raises its own error

    @property
    def repository(self) -> 'DXF':
        """The repository where it is."""
        return self._repository

    def __repr__(self) -> str:
        return f'Snapshot({self._repository!r}, {self.digest!r})'

    def entries(self) -> Iterator[Entry]:
        """Yield its files, folders and links, in the order of their paths.

        :raises DXFInvalidDocumentError: something in it cannot be right
        """
        with self.opened() as index:
            yield from index.entries()

    @contextmanager
    def opened(self) -> Iterator[IndexReader]:
        """Provide its index, which is fetched and verified."""
        with tempfile.TemporaryFile() as file:
            for _, pieces, _ in self._repository.pull_blobs([(self.index.digest, self.index.size)], chunk_size=0):
                for piece in pieces:
                    file.write(piece)
            yield IndexReader(file, {pack.digest: pack.size for pack in self.packs})

    def table(self) -> EntryTable:
        """Return its entries by their paths. Its index is fetched for the first call, and kept.

        :raises DXFInvalidDocumentError: something in it cannot be right
        """
        with self._lock:
            if self._table is None:
                with self.opened() as index:
                    self._table = EntryTable(index)
            return self._table

    def forget(self) -> None:
        """Keep no entries: :meth:`table` fetches the index again."""
        with self._lock:
            self._table = None

    def open(self, path: str) -> BlobReader:
        """Open a file, which is fetched as it is read. Each part is verified before a byte of it is handed out.

        For another name of a file, that file is opened. The index is fetched for the first file, and kept.

        :param path: within the snapshot; empty for a stream
        :return: an ``io.BufferedReader`` with ``pread(size, offset)``, ``size`` and ``digests``
        :raises DXFFileNotFoundError: there is no such file, or it is a link; it is a ``FileNotFoundError`` too
        :raises DXFIsADirectoryError: it is a folder; it is an ``IsADirectoryError`` too
        :raises DXFInvalidDocumentError: something in the snapshot cannot be right
        """
        return self.open_entry(self.table().file(path.encode('utf-8', 'surrogateescape')))

    def open_entry(self, entry: Entry) -> BlobReader:
        """Open a file by its entry, as :meth:`open` does by its path."""
        source = ChunkSource(self._repository, self.table().packs)
        return BlobReader(FileContent(source, entry), entry.name)

    def stream(self, using: str | None = None) -> StreamReader:
        """Return the stream that it holds.

        :param using: the path of a file: what that holds of the stream is not fetched
        :raises DXFInvalidDocumentError: it holds folders, or something in it cannot be right
        :raises OSError: the file cannot be read
        """
        with self.opened() as index:
            return StreamReader(self._repository, index, using)

    def restore(self, folder: str, paths: Sequence[str] = (), *, overwrite: bool = False, delete: bool = False,
                max_delete: int | None = None, attributes: Attributes = Attributes(),
                progress: Callable[..., object] = lambda *_: None, notice: Notice | None = None,
                on_action: OnAction | None = None) -> list[str]:
        """Put files, folders and links into a folder, each verified; what is there and equal is not fetched.

        :param folder: made where it is missing
        :param paths: of files and folders; empty for all
        :param overwrite: replace files that are there and differ
        :param delete: replace files, and when all are there, delete everything else in the folder; with ``paths``, in
            the folders among these
        :param max_delete: the largest number of files to delete; if there are more, it is an error, and nothing is
            changed
        :param attributes: owners and extended attributes, where the snapshot has them
        :param progress: called as ``progress(digest, chunk, size)`` for what is written, with the digest of the
            manifest and the bytes of all files that are to be written, without holes
        :param notice: called with a line about each owner or attribute that cannot be set; ``None`` to raise the error
        :param on_action: called at the end with each :class:`RestoreAction`
        :return: the paths of the files that were written
        :raises ValueError: the path of the folder is empty
        :raises DXFFileNotFoundError: it has nothing at one of ``paths``
        :raises DXFInvalidDocumentError: something in it cannot be right
        :raises DXFDigestMismatchError: the registry sent something else
        :raises DXFError: too much would be deleted, or it has no such attributes
        :raises OSError: a file is there already and differs, or cannot be written
        """
        demand = Demand(folder, _encoded(paths), overwrite, delete, max_delete, attributes)
        with self.opened() as index:
            return restore(self._repository, index, demand, partial(progress, self.digest), notice, on_action)

    def plan_restore(self, folder: str, paths: Sequence[str] = (), *, overwrite: bool = False, delete: bool = False,
                     max_delete: int | None = None, attributes: Attributes = Attributes()) -> PlannedRestore:
        """Return what :meth:`restore` would do; nothing is changed, and no pack is fetched.

        The parameters, and the errors, are those of :meth:`restore`.
        """
        with self.opened() as index:
            return plan_restore(self._repository, index,
                                Demand(folder, _encoded(paths), overwrite, delete, max_delete, attributes))


def _encoded(paths: Sequence[str]) -> list[bytes]:
    """Return paths as an index has them."""
    return [path.encode('utf-8', 'surrogateescape') for path in several(paths, 'restore', 'folder, ')]


def _layers(manifest: ImageManifest) -> tuple[Descriptor, tuple[Descriptor, ...]]:
    """Return the index and the packs.

    :raises DXFInvalidDocumentError: the manifest does not have them
    """
    first, *packs = manifest.layers or (EMPTY,)
    if first.media_type != INDEX_TYPE or any(pack.media_type != PACK_TYPE for pack in packs):
        raise DXFInvalidDocumentError('invalid snapshot: its layers are not an index and packs')
    if len(packs) > MAX_PACKS or first.size > MAX_BLOB:
        raise DXFInvalidDocumentError('invalid snapshot: it has too many packs, or too large an index')
    return first, tuple(packs)


def _hint(manifest: Any, repository: str, reference: str) -> str:
    """Return what to do with something that is no snapshot."""
    name = shown_repository(repository)
    if not isinstance(manifest, ImageManifest):
        return f'dxf inspect {name} {reference} shows what it is'
    if 'org.opencontainers.image.title' in manifest.text:
        return f'dxf pull-files {name} {reference} fetches its files'
    return f'dxf pull-blob {name} @{reference} fetches its blobs, and dxf verify {name} FILE... {reference} compares ' \
        'files with them'


@checked
def load(repository: 'DXF', reference: str) -> Snapshot:
    """Return a snapshot of a repository.

    :param reference: its alias, or the digest of its manifest
    :raises DXFHTTPError: the registry refused; 404 where there is no such alias
    :raises DXFInvalidDocumentError: it is no snapshot
    """
    manifest = repository.resolve(reference)
    if not is_snapshot(manifest):
        raise DXFInvalidDocumentError(f'{reference} is no snapshot: {_hint(manifest, repository._repo, reference)}')
    return Snapshot(repository, manifest)
