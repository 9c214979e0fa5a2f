"""A snapshot: its manifest, made and read, and what can be done with one that is stored."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from dxf import exceptions
from dxf.artifacts.manifest import CREATED, EMPTY, SNAPSHOT_TYPE
from dxf.exceptions import DXFInvalidDocumentError, DXFUnsupportedSchemaType
from dxf.manifest.image import OCI_MANIFEST, Descriptor, ImageManifest, check_size
from dxf.names import shown_repository
from dxf.parameters import checked
from dxf.snapshots.entries import Entry
from dxf.snapshots.index import MAX_BLOB, MAX_PACKS, IndexReader
from dxf.snapshots.restore import restore
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
    """

    files: int = 0
    size: int = 0
    read: int = 0
    new: int = 0
    sent: int = 0
    packs: int = 0


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

    def restore(self, folder: str, paths: Sequence[str] = (), *, overwrite: bool = False,
                progress: Callable[..., object] = lambda *_: None) -> list[str]:
        """Put files, folders and links into a folder, each verified; what is there and equal is not fetched.

        :param folder: made where it is missing
        :param paths: of files and folders; empty for all
        :param overwrite: replace files that are there and differ
        :param progress: called as ``progress(digest, chunk, size)`` for what is written, with the digest of the
            manifest and the bytes of all files that are to be written, without holes
        :return: the paths of the files that were written
        :raises DXFFileNotFoundError: it has nothing at one of ``paths``
        :raises DXFInvalidDocumentError: something in it cannot be right
        :raises DXFDigestMismatchError: the registry sent something else
        :raises OSError: a file is there already and differs, or cannot be written
        """
        with self.opened() as index:
            return restore(self._repository, index, folder, [path.encode('utf-8', 'surrogateescape') for path in paths],
                           overwrite, partial(progress, self.digest))


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
    has_names = isinstance(manifest, ImageManifest) and 'org.opencontainers.image.title' in manifest.text
    return f'dxf pull-files {name} {reference} fetches its files' if has_names else \
        f'dxf inspect {name} {reference} shows what it is'


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


def find(repository: 'DXF', reference: str) -> Snapshot | None:
    """Return the snapshot that an alias names; ``None`` where there is no such alias, or it names something else."""
    try:
        return load(repository, reference)
    except (exceptions.DXFNotFoundError, DXFInvalidDocumentError, DXFUnsupportedSchemaType):
        return None
