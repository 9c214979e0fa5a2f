"""Trees: the files that a manifest names, by their paths, and the folders that these are in."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from dxf.artifacts.safe_paths import Paths, with_parents
from dxf.exceptions import DXFFileNotFoundError, DXFIsADirectoryError, DXFInvalidDocumentError
from dxf.manifest import named_files
from dxf.manifest.image import EMPTY_TYPE, ImageManifest, Index
from dxf.manifest.platforms import Manifest

Blobs = tuple[tuple[str, int | None], ...]
"""The digests of blobs, with the sizes that are known."""


class File(NamedTuple):
    """A file: its blobs, its digest, and how it is packed if it is the archive of a folder."""

    digest: str
    blobs: Blobs
    media_type: str
    packing: str = ''

    @property
    def size(self) -> int | None:
        """Its bytes; ``None`` where a manifest of schema 1 does not tell."""
        sizes = [size for _, size in self.blobs]
        return sum(size or 0 for size in sizes) if None not in sizes else None

    @property
    def details(self) -> dict[str, Any]:
        """What a listing says of it, beside its size and its digest."""
        packing = {'packing': self.packing} if self.packing else {}
        return {'type': 'other' if self.packing else 'file', 'media_type': self.media_type, **packing}


class Tree:
    """Files by their paths. The path of a single file that has no name is empty.

    :param digest: of the manifest
    :param text: of the manifest; empty for a blob
    :param is_index: it is the index of several platforms, whose files are those of its images
    """

    def __init__(self, digest: str, text: str, files: dict[str, File], is_index: bool = False) -> None:
        self.digest = digest
        self.text = text
        self.files = files
        self.is_index = is_index
        self.folders = with_parents(path.rpartition('/')[0] for path in files)

    @property
    def is_file(self) -> bool:
        """Whether it is a single file without a name, in place of files with names."""
        return '' in self.files

    def of_one_platform(self) -> 'Tree':
        """Return the tree, if it has files.

        :raises DXFInvalidDocumentError: it is the index of several platforms
        """
        if self.is_index:
            raise DXFInvalidDocumentError('it has several platforms: choose one by the option platform')
        return self

    def file(self, path: str) -> File | None:
        """Return a file; ``None`` for a folder.

        :raises DXFFileNotFoundError: there is neither
        """
        if path in self.files:
            return self.files[path]
        if path not in self.folders or self.is_file:
            raise DXFFileNotFoundError(path, sorted(filter(None, self.files)))
        return None

    def file_to_read(self, path: str) -> File:
        """Return a file.

        :raises DXFFileNotFoundError: it is missing
        :raises DXFIsADirectoryError: it is a folder, packed or not
        """
        found = self.file(path)
        if found is None:
            raise DXFIsADirectoryError(path, 'it is a folder')
        if found.packing:
            raise DXFIsADirectoryError(path, f'it is packed as {found.packing}; open {found.digest!r} to read the '
                                       'archive')
        return found

    def children(self, folder: str) -> Iterator[str]:
        """Yield the paths of the files and folders that are directly in a folder."""
        start = f'{folder}/' if folder else ''
        for path in sorted({*self.files, *self.folders} - {''}):
            if path.startswith(start) and '/' not in path[len(start):]:
                yield path


def tree_of(manifest: Manifest) -> Tree:
    """Return the files of a manifest; one without names is a single file, all its blobs in their order.

    :raises DXFInvalidNameError: names in it are unsafe
    """
    if isinstance(manifest, Index):
        return Tree(manifest.digest, manifest.text, {}, is_index=True)
    if not isinstance(manifest, ImageManifest):
        return Tree(manifest.digest, manifest.text, {'': File(manifest.digest, tuple(
            (digest, None) for digest in manifest.blobs), '')})
    named = [layer for layer in named_files.read(manifest.text) if layer.title is not None]
    if not named and any(layer.media_type != EMPTY_TYPE for layer in manifest.layers):
        return Tree(manifest.digest, manifest.text, {'': _whole(manifest)})
    paths, files = Paths(), {}
    for layer in named:
        title = str(layer.title)
        if not layer.is_root:
            paths.add(title, bool(layer.packing))
        files[title] = File(layer.blob.digest, ((layer.blob.digest, layer.blob.size),), layer.blob.media_type,
                            layer.packing)
    return Tree(manifest.digest, manifest.text, files)


def blob_tree(digest: str, size: int) -> Tree:
    """Return what a blob is: a file without a name."""
    return Tree(digest, '', {'': File(digest, ((digest, size),), '')})


def _whole(manifest: ImageManifest) -> File:
    blobs = tuple((layer.digest, layer.size) for layer in manifest.layers)
    return File(blobs[0][0] if len(blobs) == 1 else manifest.digest, blobs, manifest.layers[0].media_type)
