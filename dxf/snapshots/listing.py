"""Listings: the files of a snapshot, or of an alias that push-files or oras made."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dxf.artifacts import manifest as artifact
from dxf.exceptions import DXFFileNotFoundError
from dxf.parameters import checked
from dxf.snapshots.entries import FILE, FOLDER, Entry, shown
from dxf.snapshots.entry_table import SHOWN
from dxf.snapshots.snapshot import Snapshot, is_snapshot

if TYPE_CHECKING:
    from dxf.client import DXF


@checked
def list_files(repository: 'DXF', reference: str, path: str = '') -> Iterator[Entry]:
    """Yield the files, folders and links of a snapshot, or the files of an alias that push-files made.

    Of the latter only the path, the size and the hash of what is stored are known. A folder is one entry.

    :param reference: an alias, or the digest of a manifest
    :param path: only what is at it, or in it; empty for everything
    :raises DXFFileNotFoundError: there is nothing at ``path``
    """
    found = repository.resolve(reference)
    entries = Snapshot(repository, found).entries() if is_snapshot(found) else _named(found.text)
    return _within(entries, path.strip('/').encode('utf-8', 'surrogateescape'))


def _named(text: str) -> Iterator[Entry]:
    """Yield the files of an artifact."""
    for layer in artifact.read(text):
        if layer.title is not None:
            kind = FOLDER if layer.is_folder else FILE
            yield Entry(layer.title.encode('utf-8', 'surrogatepass'), kind, size=layer.blob.size,
                        sha256=layer.blob.digest.partition(':')[2])


def _within(entries: Iterator[Entry], path: bytes) -> Iterator[Entry]:
    """Yield what is at a path, or in it.

    :raises DXFFileNotFoundError: there is nothing; it has a few names that are there
    """
    is_found = not path
    top: dict[str, None] = {}
    for entry in entries:
        if not path or entry.path == path or entry.path.startswith(path + b'/'):
            is_found = True
            yield entry
        elif not is_found and len(top) < SHOWN:
            top[shown(entry.path.partition(b'/')[0])] = None
    if not is_found:
        raise DXFFileNotFoundError(shown(path), [*top])
