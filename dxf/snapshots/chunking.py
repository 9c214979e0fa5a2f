"""Chunking: where a file is cut, so that an edit changes few chunks. The only module that knows the chunker.

The chunker is no part of the format: any boundaries are right, and equal boundaries save bytes. This one is FastCDC
(https://www.usenix.org/conference/atc16/technical-sessions/presentation/xia) in its version of 2020.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from dxf.exceptions import DXFError
from dxf.snapshots.compression import INSTALL

MIN_AVERAGE = 64 << 10
MAX_AVERAGE = 4 << 20
CHUNKS = 4096
"""Chunks that a file is to have at most, unless it is larger than ``MAX_AVERAGE`` times so many bytes."""

SPREAD = 4
"""The smallest chunk is a fourth of the average, the largest four times the average."""

MAX_CHUNK = SPREAD * MAX_AVERAGE

TRUSTED = 16
"""Chunks from which the average size by which a file was cut can be told."""

KEPT_FACTOR = 4
"""How far the average may be from the best one, to keep that of the last snapshot."""


def average_for(size: int, last: int | None = None) -> int:
    """Return the average size of the chunks of a file.

    :param size: the file's
    :param last: the average of the last snapshot, which is kept if it is near; ``None`` if it is not known
    """
    best = MIN_AVERAGE
    while best < MAX_AVERAGE and best * CHUNKS < size:
        best *= 2
    if last is not None and best <= KEPT_FACTOR * last and last <= KEPT_FACTOR * best:
        return last
    return best


def average_of(sizes: list[int]) -> int | None:
    """Return the average by which a file was cut into chunks; ``None`` if these are too few to tell."""
    if len(sizes) < TRUSTED:
        return None
    mean = sum(sizes) / len(sizes)
    average = MIN_AVERAGE
    while average < MAX_AVERAGE and average * 1.5 < mean:
        average *= 2
    return average


def cut(source: Any, average: int) -> Iterator[bytes]:
    """Yield the chunks of what an open binary file holds from where it stands.

    :raises DXFError: the library is not installed
    """
    try:
        fastcdc = import_module('pyfastcdc')
    except ModuleNotFoundError:
        raise DXFError(f'snapshots need pyfastcdc, which is not installed: {INSTALL}') from None
    chunker = fastcdc.FastCDC(average, min_size=average // SPREAD, max_size=average * SPREAD)
    for chunk in chunker.cut_stream(source):
        yield bytes(chunk.data)
