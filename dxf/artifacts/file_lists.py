"""File lists: the files in the archives of an artifact, and in a folder, by their names. Nothing is written.

``tar_reader`` reads archives, ``tar_writer`` finds the files of a folder.
"""

import hashlib
import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from dxf.artifacts import tar_reader, tar_writer
from dxf.artifacts.manifest import TAR, TAR_GZIP, Layer
from dxf.artifacts.safe_paths import MAX_PART_LENGTH, Paths
from dxf.exceptions import DXFError
from dxf.names import digest_of

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.client import DXF

TOP = 'folder'
"""Stands for the name of the folder that is listed."""


class Content(NamedTuple):
    """The content of a file, or a blob.

    :param digest: ``None`` where it need not be known: a file on disk that nothing is to be compared with
    :param size: in bytes; ``None`` where a manifest does not tell it
    """

    digest: str | None
    size: int | None


class _Received(io.RawIOBase):
    """A blob that is read as it arrives."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._left = memoryview(b'')

    def readable(self) -> bool:
        """Return ``True``."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Put the next bytes into a buffer; return their number, 0 only at the end."""
        if not self._left:
            self._left = memoryview(next(self._pieces, b''))
        taken = self._left[:len(buffer)]
        buffer[:len(taken)] = taken
        self._left = self._left[len(taken):]
        return len(taken)


def in_archives(repository: 'DXF', archives: Mapping[str, Layer], paths: Paths) -> dict[str, Content]:
    """Fetch archives, and return the files in them by name. Each is read once, and nothing of it is kept.

    :param archives: by name, without a slash at the end
    :param paths: the other names; those in the archives are added
    :raises DXFError: one is packed in a way that dxf does not unpack
    :raises DXFInvalidDocumentError: one is no archive, or has links, devices or the like in it
    :raises DXFDigestMismatchError: the registry sent something else
    """
    for name, layer in archives.items():
        if layer.packing not in (TAR, TAR_GZIP):
            raise DXFError(f'{name[:MAX_PART_LENGTH]!r} is packed as {layer.packing}, which dxf does not unpack: '
                           f'dxf pull-blob fetches it as {layer.blob.digest}')
    found: dict[str, Content] = {}
    blobs = repository.pull_blobs([(layer.blob.digest, layer.blob.size) for layer in archives.values()], chunk_size=0)
    for (name, layer), (_, pieces, _) in zip(archives.items(), blobs, strict=True):
        _add_files(name, layer, pieces, paths, found)
    return found


def _add_files(name: str, layer: Layer, pieces: Iterator[bytes], paths: Paths, found: dict[str, Content]) -> None:
    """Add the files in an archive to those that were found."""
    file = io.BufferedReader(_Received(pieces))
    # Nothing is written, so that the disk sets no limit; ``paths`` limits the number of the files.
    members = tar_reader.members(file, '' if layer.is_root else name, sys.maxsize, layer.content,
                                 layer.packing == TAR_GZIP)
    with closing(members):
        for member, content in members:
            if member.path and (member.path != name or not member.is_folder):
                paths.add(member.path, member.is_folder)
            if not member.is_folder:
                found[member.path] = Content(_digest(content), member.size)


def _digest(pieces: Iterator[bytes]) -> str:
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return digest_of(sha256)


def in_folder(folder: str) -> dict[str, str]:
    """Return the paths of the files in a folder, by their names within it; they are sorted.

    :raises DXFSourceError: there is something else than files and folders in it
    :raises DXFInvalidNameError: a file has a name that no alias can hold
    :raises OSError: it cannot be read
    """
    return {entry.path.removeprefix(f'{TOP}/'): entry.filename
            for entry in tar_writer.contents(folder, TOP) if not entry.is_folder}
