"""Files that are read: cut into chunks, of which the new ones are stored, with the hash of each and of the whole."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from dxf.snapshots.chunk_store import ChunkStore, append
from dxf.snapshots.chunking import MIN_AVERAGE, SPREAD, average_for, average_of, cut
from dxf.snapshots.entries import FILE, Chunk, Entry, zero_bytes, zeros
from dxf.snapshots.open_files import Extent, Reading, extents, is_unchanged, wait_until_settled
from dxf.snapshots.tree import Tree

ATTEMPTS = 2
"""How often a file is read that changes meanwhile."""


class NotStored(Exception):
    """What was read of a file could not be stored; the cause says why.

    Disks that are full and broken connections are an ``OSError`` too, and say nothing of the file.
    """


class FileCutter:
    """Reads files, and stores what is new in them.

    :param store: stores the chunks
    :param advance: called with the number of bytes of each chunk
    """

    def __init__(self, tree: Tree, store: ChunkStore, advance: Callable[[int], object]) -> None:
        self._tree = tree
        self._store = store
        self._advance = advance

    def unchanged(self, last: Entry) -> tuple[Chunk, ...] | None:
        """Return the chunks of a file that is as it was; ``None`` if some are not stored any more."""
        return self._store.relocated(last.chunks)

    def read(self, path: bytes, last: Entry | None) -> Entry:
        """Store a file; return its entry.

        :param last: what the last snapshot has at its path
        :raises OSError: it cannot be read, or changes while it is
        :raises NotStored: it can be read, and not be stored
        """
        with self._tree.open(path) as file:
            for _ in range(ATTEMPTS):
                before = wait_until_settled(file)
                if not stat.S_ISREG(before.st_mode):
                    raise OSError(errno.EINVAL, 'it is no file any more')
                chunks, sha256 = self.chunks_of(file, before.st_size, last)
                if is_unchanged(file, before) and sum(chunk.size for chunk in chunks) == before.st_size:
                    return Entry(path, FILE, stat.S_IMODE(before.st_mode), before.st_mtime_ns, before.st_size, sha256,
                                 tuple(chunks))
        raise OSError(errno.EBUSY, 'it changed while it was read')

    def chunks_of(self, file: BinaryIO, size: int, last: Entry | None) -> tuple[list[Chunk], str]:
        """Store the chunks of a file; return them, and the hash of the whole."""
        if 0 < size <= MIN_AVERAGE // SPREAD:
            content = os.pread(file.fileno(), size, 0)
            self._advance(len(content))
            return ([] if not content else [self._stored(content)]), hashlib.sha256(content).hexdigest()
        sha256 = hashlib.sha256()
        sizes = [] if last is None else [chunk.size for chunk in last.chunks if not chunk.is_zeros]
        average = average_for(size, average_of(sizes))
        chunks: list[Chunk] = []
        for extent in extents(file, size):
            for chunk in self._of_extent(file, extent, average, sha256):
                self._advance(chunk.size)
                append(chunks, chunk)
        return chunks, sha256.hexdigest()

    def _of_extent(self, file: BinaryIO, extent: Extent, average: int, sha256: Any) -> Iterator[Chunk]:
        if not extent.is_hole:
            for content in cut(Reading(file, extent, sha256), average):
                yield self._stored(content)
            return
        for content in zero_bytes(extent.end - extent.start):
            sha256.update(content)
        yield zeros(extent.end - extent.start)

    def _stored(self, content: bytes) -> Chunk:
        try:
            return self._store.store(content)
        except OSError as error:
            raise NotStored from error
