"""The order of chunks: all chunks of a snapshot sorted by their places in packs, in bounded memory.

Runs of them are sorted, put into a temporary file, and merged.
"""

import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any

from dxf.snapshots import chunk_records
from dxf.snapshots.entries import Chunk

RUN = 100_000
"""Chunks that are sorted at once."""

BLOCK = 500
"""Chunks of each run that are read at once."""


def in_order(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield chunks in the order of packs and offsets; what comes several times is yielded once.

    :param chunks: no runs of zeros
    """
    records = map(chunk_records.packed, chunks)
    with tempfile.TemporaryFile() as file:
        runs: list[Iterator[bytes]] = []
        while run := sorted(islice(records, RUN)):
            start = file.tell()
            file.write(b''.join(run))
            file.flush()
            runs.append(_read(file, start, file.tell()))
        for record, _ in groupby(heapq.merge(*runs)):
            yield chunk_records.unpacked(record)


def _read(file: Any, start: int, end: int) -> Iterator[bytes]:
    """Yield the records of a run."""
    while start < end:
        block = os.pread(file.fileno(), min(BLOCK * chunk_records.SIZE, end - start), start)
        start += len(block)
        for position in range(0, len(block), chunk_records.SIZE):
            yield block[position:position + chunk_records.SIZE]
