"""Packs: chunks one after the other in one blob, which is sent while the next one fills."""

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from dxf.artifacts.ordered_tasks import OrderedTasks
from dxf.exceptions import DXFSourceError
from dxf.snapshots.compression import ChunkCompressor
from dxf.snapshots.entries import Chunk
from dxf.snapshots.index import MAX_PACKS

MIN_PACK = 16 << 20
MAX_PACK = 8 << 30
"""Bytes of a pack. GitHub's registry takes layers of 10 GB."""

SHARE = 64
"""A pack is to be about this part of all bytes."""

GROWTH = 8
"""A pack of a stream is to be about this part of what was written before it: 60 packs have 60 GB, and 99 have 300."""

MOST_KEPT = 90
"""The most packs of the last snapshot that are kept, so that new ones have their place."""

LEFT_KEPT = 60
"""The packs that are left of more than these: then many nights need no rewriting."""

MOST_STORED = 1.4
"""The bytes of packs for each byte that is used, from which the packs with the most unused bytes are written anew. The
next night may leave a few more unused: a snapshot is to take at most one and a half times its bytes."""


def pack_size(total: int, kept: int) -> int:
    """Return the bytes at which a pack is full.

    :param total: bytes of all files
    :param kept: packs of the last snapshot that are kept
    """
    wanted = min(max(total // SHARE, MIN_PACK), MAX_PACK)
    return max(wanted, total // (MAX_PACKS - kept - 1) + 1)


def packs_to_rewrite(sizes: list[int], live: list[int]) -> set[int]:
    """Return the numbers of the packs whose chunks are to be written anew.

    :param sizes: of the packs of the last snapshot
    :param live: bytes of each that the last snapshot uses
    """
    rewritten = {number for number, size in enumerate(sizes) if 2 * live[number] < size}
    kept = sorted(set(range(len(sizes))) - rewritten, key=lambda number: sizes[number])
    if len(kept) > MOST_KEPT:
        rewritten.update(kept[:len(kept) - LEFT_KEPT])
    return rewritten | _wasteful(sizes, live, rewritten)


def _wasteful(sizes: list[int], live: list[int], rewritten: set[int]) -> set[int]:
    """Return the numbers of further packs to be written anew, so that all together have few unused bytes."""
    unused = {number: size - live[number] for number, size in enumerate(sizes) if number not in rewritten}
    left, most = sum(unused.values()), (MOST_STORED - 1) * sum(live)
    found = set()
    for number in sorted(unused, key=lambda number: unused[number] / (sizes[number] or 1), reverse=True):
        if left <= most:
            break
        found.add(number)
        left -= unused[number]
    return found


class Pack(NamedTuple):
    """A pack that was stored."""

    digest: str
    size: int


class PackWriter:
    """Takes chunks, and stores them in packs. It waits for its thread where it is left.

    :param push: stores an open file of a size as a blob, and returns its digest
    :param first: the number of the first pack
    :param most: how many packs there may be; the last one is never full
    :param full: bytes at which a pack is full
    :param grows: the more was written, the larger are the packs: the source may be larger than is known
    """

    def __init__(self, push: Callable[[Any, int], str], first: int, most: int, full: int, grows: bool = False) -> None:
        self._push = push
        self._compressor = ChunkCompressor()
        self._full = full
        self._grows = grows
        self._number = first
        self._last = first + most - 1
        self._file: Any = None
        self._size = 0
        self._written = 0
        """Bytes of the packs before this one."""
        self._uploads: OrderedTasks[None] = OrderedTasks(1)
        self.packs: dict[int, Pack] = {}
        """What was stored, by its number."""

    def __enter__(self) -> 'PackWriter':
        return self

    def __exit__(self, *_: object) -> None:
        with self._uploads:
            if self._file is not None:
                self._file.close()

    def add(self, content: bytes, digest: str) -> Chunk:
        """Add a chunk, and return where it is.

        :param digest: its SHA-256, in hexadecimal digits
        """
        stored = self._compressor.compressed(content)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()
            self._file.write(stored)
        except OSError as error:
            raise DXFSourceError(f'cannot keep a pack in a temporary file: {error.strerror}; TMPDIR chooses the folder'
                                 ) from error
        chunk = Chunk(self._number, self._size, len(stored), len(content), digest)
        self._size += len(stored)
        if self._size >= self._full and self._number < self._last:
            self._send()
        return chunk

    def _send(self) -> None:
        """Store the pack, while the next one fills."""
        self._wait(0)
        self._uploads.add(partial(self._store, self._number, self._file, self._size))
        self._written += self._size
        self._file, self._size = None, 0
        self._number += 1
        if self._grows:
            self._full = max(self._full, min(self._written // GROWTH, MAX_PACK))

    def _wait(self, most: int) -> None:
        while len(self._uploads) > most:
            self._uploads.take()

    def _store(self, number: int, file: Any, size: int) -> None:
        with file:
            file.seek(0)
            self.packs[number] = Pack(self._push(file, size), size)

    def finish(self) -> None:
        """Store the last pack, and wait until all are stored."""
        if self._file is not None:
            self._send()
        self._wait(0)
