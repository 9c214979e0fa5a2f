"""The order of chunks: all chunks of a snapshot sorted by their places in packs, in bounded memory.

Runs of them are sorted, put into a temporary file, and merged.
"""

import heapq
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any

from dxf.snapshots.entries import Chunk

RUN = 100_000
"""Chunks that are sorted at once."""

BLOCK = 500
"""Chunks of each run that are read at once."""

_RECORD = struct.Struct('>BQQQ32s')
"""Pack, offset, length, size and hash: records are in the order of their bytes."""


def in_order(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield chunks in the order of packs and offsets; what comes several times is yielded once.

    :param chunks: no runs of zeros
    """
    records = (_RECORD.pack(*chunk[:4], bytes.fromhex(chunk.digest)) for chunk in chunks)
    with tempfile.TemporaryFile() as file:
        runs: list[Iterator[bytes]] = []
        while run := sorted(islice(records, RUN)):
            start = file.tell()
            file.write(b''.join(run))
            file.flush()
            runs.append(_read(file, start, file.tell()))
        for record, _ in groupby(heapq.merge(*runs)):
            pack, offset, length, size, digest = _RECORD.unpack(record)
            yield Chunk(pack, offset, length, size, digest.hex())


def _read(file: Any, start: int, end: int) -> Iterator[bytes]:
    """Yield the records of a run."""
    while start < end:
        block = os.pread(file.fileno(), min(BLOCK * _RECORD.size, end - start), start)
        start += len(block)
        for position in range(0, len(block), _RECORD.size):
            yield block[position:position + _RECORD.size]
