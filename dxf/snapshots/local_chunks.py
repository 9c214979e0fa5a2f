"""Chunks that a file of this machine holds: an older state of a stream, of which most has stayed."""

import hashlib
import os
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from dxf.local.atomic_files import open_regular
from dxf.snapshots.entries import Chunk
from dxf.snapshots.stream_cutter import cut_stream
from dxf.transfer.source import Source


class _Place(NamedTuple):
    """Where the file has a chunk."""

    offset: int
    size: int


class LocalChunks:
    """Finds chunks in a file, which is cut as streams are.

    :param path: the file's
    :param wanted: chunks that are to be found
    :raises OSError: it cannot be read, or is no regular file
    """

    def __init__(self, path: str, wanted: Iterable[Chunk]) -> None:
        self._path = path
        self._places: dict[str, _Place] = {}
        digests = {chunk.digest for chunk in wanted}
        with open_regular(path) as file:
            self._cut(file, digests)

    def _cut(self, file: BinaryIO, wanted: set[str]) -> None:
        """Remember where the chunks with some hashes are."""
        offset = 0
        for content in cut_stream(Source(self._path, file, None).read()):
            digest = hashlib.sha256(content).hexdigest()
            if digest in wanted:
                self._places.setdefault(digest, _Place(offset, len(content)))
            offset += len(content)

    def find(self, chunks: Iterable[Chunk]) -> dict[str, bytes]:
        """Return the content of those chunks that the file holds, verified: it may have changed meanwhile.

        :raises OSError: it cannot be read any more
        """
        found: dict[str, bytes] = {}
        with open_regular(self._path) as file:
            for chunk in chunks:
                place = self._places.get(chunk.digest)
                if place is not None and place.size == chunk.size:
                    content = os.pread(file.fileno(), place.size, place.offset)
                    if hashlib.sha256(content).hexdigest() == chunk.digest:
                        found[chunk.digest] = content
        return found
