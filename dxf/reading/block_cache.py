"""Blocks: parts of an open file that were fetched, and are kept in memory within a bound."""

from collections import OrderedDict
from threading import Lock

from dxf import forking

MAX_BLOCK = 2 << 20
"""Bytes of the largest block that is kept."""

MAX_BYTES = 16 << 20
"""Bytes of all blocks of a file together."""

MAX_BLOCKS = 256
"""The number of blocks of a file: all of them are looked through for each read."""


class BlockCache:
    """The blocks of a file that were used last. Several threads may use it."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()
        forking.register(self)

    def renew_after_fork(self) -> None:
        """Begin with a lock that no thread of the parent process holds, and without blocks, as it may have held it."""
        self._lock = Lock()
        self._blocks, self._size = OrderedDict(), 0

    def get(self, position: int) -> memoryview:
        """Return what is kept of the bytes from a position on; nothing where the first one is not kept."""
        with self._lock:
            for start in reversed(self._blocks):
                block = self._blocks[start]
                if start <= position < start + len(block):
                    self._blocks.move_to_end(start)
                    return memoryview(block)[position - start:]
        return memoryview(b'')

    def put(self, start: int, block: bytes) -> None:
        """Keep a block, and drop those that were not used for the longest time."""
        if len(block) > MAX_BLOCK:
            return
        with self._lock:
            self._size += len(block) - len(self._blocks.pop(start, b''))
            self._blocks[start] = block
            while self._size > MAX_BYTES or len(self._blocks) > MAX_BLOCKS:
                self._size -= len(self._blocks.popitem(last=False)[1])

    def clear(self) -> None:
        """Drop all blocks."""
        with self._lock:
            self._blocks.clear()
            self._size = 0
