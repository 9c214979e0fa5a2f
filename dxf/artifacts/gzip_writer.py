"""A gzip member that several threads compress, with the same bytes however many there are. Files are not known here.

The content is cut into blocks of 1 MiB. Each block is compressed by itself at level 6, with the 32 KiB before it as a
dictionary, and ends at the boundary of a byte (``Z_SYNC_FLUSH``). The last one, which may be full, ends the stream. All
together are one deflate stream: https://www.rfc-editor.org/rfc/rfc1951. Header and trailer are those of
https://www.rfc-editor.org/rfc/rfc1952, without a name and without a time.

The digest of a folder depends on all of this. Nothing of it may change: equal folders are to be equal blobs. For up to
1 MiB the bytes are those of ``gzip.GzipFile`` at level 6. Other implementations than zlib (zlib-ng) write other bytes.
"""

import os
import zlib
from typing import Any

from dxf.artifacts.ordered_tasks import OrderedTasks

BLOCK_SIZE = 1 << 20
WINDOW = 32 << 10
"""Bytes before a block to which it may refer: the most that deflate allows."""

LEVEL = 6
MEMORY_LEVEL = 8
HEADER = bytes.fromhex('1f8b 08 00 00000000 00 ff')
"""Magic number, deflate, no flags, no time, no extra flags, unknown system."""

MAX_THREADS = 6
"""Each takes up to 4 MB: its block, what that becomes, and what zlib needs. Eight exceeded 64 MB in all."""


def threads_for(jobs: int) -> int:
    """Return how many threads compress at once: none where one alone could."""
    count = min(jobs, MAX_THREADS, os.cpu_count() or 1)
    return count if count > 1 else 0


class GzipWriter:
    """A file that compresses what is written to it. It ends its threads where it is left, whether by an error or not.

    :param file: an open binary file; it stays open
    :param threads: how many compress; 0: each block is compressed when it is full, in the thread that writes
    """

    def __init__(self, file: Any, threads: int = 0) -> None:
        self._file = file
        self._most = threads + 2 if threads else 0
        """Blocks that wait to be compressed, or to be written."""
        self._buffer = bytearray()
        self._window = b''
        self._crc = self._size = 0
        self._blocks: OrderedTasks[bytes] = OrderedTasks(threads)

    def __enter__(self) -> 'GzipWriter':
        self._file.write(HEADER)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._blocks:
            if kind is None:
                self._finish()

    def write(self, content: bytes) -> int:
        """Compress the next bytes."""
        self._crc = zlib.crc32(content, self._crc)
        self._size += len(content)
        self._buffer += content
        while len(self._buffer) > BLOCK_SIZE:  # the last block, full or not, is for the end
            self._add(bytes(self._buffer[:BLOCK_SIZE]), zlib.Z_SYNC_FLUSH)
            del self._buffer[:BLOCK_SIZE]
            self._take(self._most)
        return len(content)

    def _finish(self) -> None:
        self._add(bytes(self._buffer), zlib.Z_FINISH)
        self._take(0)
        for number in (self._crc, self._size):
            self._file.write((number & 0xffffffff).to_bytes(4, 'little'))

    def _add(self, block: bytes, end: int) -> None:
        window, self._window = self._window, block[-WINDOW:]
        self._blocks.add(lambda: _compress(block, window, end))

    def _take(self, most: int) -> None:
        """Write what the blocks have become, until there are no more than so many."""
        while len(self._blocks) > most:
            self._file.write(self._blocks.take())


def _compress(block: bytes, window: bytes, end: int) -> bytes:
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, window)
    return deflate.compress(block) + deflate.flush(end)
