"""Names of what is opened: a digest, an alias, or an alias and the name of a file in it, and the blobs they lead to."""

from collections.abc import Iterator
from typing import NamedTuple

from dxf.exceptions import DXFFileNotFoundError, DXFInvalidDocumentError, DXFInvalidNameError, DXFIsADirectoryError
from dxf.hints import add_hint
from dxf.manifest import named_files
from dxf.manifest.image import Descriptor, ImageManifest, Index
from dxf.manifest.named_files import Layer
from dxf.manifest.platforms import Manifest
from dxf.names import check_reference_at, is_folder, is_sha256
from dxf.transfer.pulling import Blob


class Name(NamedTuple):
    """What leads to a manifest (an alias, or its digest), and the name of a file in it; ``None`` for all blobs."""

    reference: str
    path: str | None


def readings(host: str, name: str) -> Iterator[Name]:
    """Yield what a name may mean, the likeliest first. Only the aliases of a folder can have a slash themselves.

    :raises DXFInvalidNameError: the last one is not valid
    """
    if is_folder(host):
        parts = name.split('/')
        for count in range(len(parts), 1, -1):
            try:
                reference = check_reference_at(host, '/'.join(parts[:count]))
            except DXFInvalidNameError:
                continue
            yield Name(reference, '/'.join(parts[count:]) or None)
    reference, slash, path = name.partition('/')
    yield Name(check_reference_at(host, reference), path if slash else None)


def is_blob(name: str) -> bool:
    """Return whether a name is the digest of a blob; that of a manifest is followed by the name of a file."""
    return is_sha256(name) and '/' not in name


def blobs_of(manifest: Manifest, name: Name) -> list[Blob]:
    """Return the blobs that a name leads to, with the sizes that the manifest gives.

    :raises DXFFileNotFoundError: the manifest names no such file
    :raises DXFIsADirectoryError: what it names so is a folder
    :raises DXFInvalidDocumentError: it is the index of several platforms
    """
    if isinstance(manifest, Index):
        raise DXFInvalidDocumentError(f'{name.reference} has several platforms: choose one by platform=')
    if name.path is not None:
        blob = _file(named_files.read(manifest.text), name.path)
        return [(blob.digest, blob.size)]
    if isinstance(manifest, ImageManifest):
        return [(blob.digest, blob.size) for blob in manifest.layers]
    return [(digest, None) for digest in manifest.blobs]


def _file(layers: list[Layer], path: str) -> Descriptor:
    found = [layer for layer in layers if layer.title == path]
    if len(found) > 1:
        raise DXFInvalidNameError(f'{path!r} is there {len(found)} times: open one by its digest, '
                                  f'{" or ".join(layer.blob.digest for layer in found)}')
    if not found:
        raise _missing(layers, path)
    if found[0].packing:
        raise DXFIsADirectoryError(path, f'it is packed as {found[0].packing}; open {found[0].blob.digest!r} to read '
                                   'the archive')
    return found[0].blob


def _missing(layers: list[Layer], path: str) -> DXFInvalidNameError:
    """Return the error for a path that no file has: a folder, the path of a file in an archive, or nothing."""
    titles = sorted({layer.title for layer in layers if layer.title is not None})
    inside = [title for title in titles if title.startswith(f'{path.rstrip("/")}/')]
    if inside:
        return DXFIsADirectoryError(path, f'it is a folder with {", ".join(map(repr, inside))}')
    error = DXFFileNotFoundError(path, titles)
    archive = next((layer for layer in layers if layer.packing and path.startswith(f'{layer.title}/')), None)
    if archive is not None:
        add_hint(error, f'it may be in {archive.title!r}, which is stored as one archive: {archive.blob.digest}')
    return error
