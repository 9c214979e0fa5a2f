"""Windows: the parts of chunks that make up a range, in groups that are fetched together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from dxf.snapshots.entries import Chunk, zero_bytes

MOST_CHUNKS = 4096
"""The most chunks that are fetched together."""


class Part(NamedTuple):
    """What is wanted of a chunk."""

    chunk: Chunk
    start: int
    end: int


def parts(chunks: Iterable[Chunk], position: int, start: int, end: int) -> Iterator[Part]:
    """Yield the parts of chunks that make up a range.

    :param position: of the first byte of the first chunk
    """
    for chunk in chunks:
        if position >= end:
            break
        if position + chunk.size > start:
            yield Part(chunk, max(start - position, 0), min(end - position, chunk.size))
        position += chunk.size


def windows(wanted: Iterable[Part], most: int) -> Iterator[list[Part]]:
    """Yield parts in groups of bounded size.

    :param most: bytes of the chunks of a group, unless one has more
    """
    window: list[Part] = []
    size = 0
    for part in wanted:
        length = 0 if part.chunk.is_zeros else part.chunk.size
        if window and (size + length > most or len(window) == MOST_CHUNKS):
            yield window
            window, size = [], 0
        window.append(part)
        size += length
    if window:
        yield window


def chunks_in(window: Sequence[Part]) -> list[Chunk]:
    """Return the chunks of a window that packs have, each once."""
    # By all that is said of them: an index may lie about the size of one of two chunks with the same hash.
    return list(dict.fromkeys(part.chunk for part in window if not part.chunk.is_zeros))


def contents(window: Sequence[Part], found: Mapping[Chunk, bytes]) -> Iterator[bytes]:
    """Yield the bytes of a window.

    :param found: the content of its chunks
    """
    for chunk, start, end in window:
        if chunk.is_zeros:
            yield from zero_bytes(end - start)
        else:
            yield found[chunk][start:end]
