"""The content of a file of a snapshot, for a reader of ``reading``: each chunk is verified before it is handed out."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from dxf.reading.content import Content, OpenBlob
from dxf.snapshots.chunk_source import ChunkSource
from dxf.snapshots.entries import Chunk, Entry, zero_bytes

MAX_WINDOW = 8 << 20
"""Bytes of chunks that are fetched together, unless one has more."""


class FileContent(Content):
    """The bytes of a file. Several threads may use it.

    :param entry: of a file
    :raises DXFDigestMismatchError: it is said to be empty, and has the hash of something else
    """

    def __init__(self, source: ChunkSource, entry: Entry) -> None:
        self._source = source
        self._chunks = entry.chunks
        self._offsets = list(accumulate((chunk.size for chunk in entry.chunks), initial=0))
        self._last: tuple[Chunk, bytes] | None = None
        """The chunk that was fetched last: one may be larger than what a reader keeps."""
        super().__init__([OpenBlob(f'sha256:{entry.sha256}', entry.size, self._part, lambda: None)])

    def _number(self, position: int) -> int:
        """Return the number of the chunk that has the byte at a position."""
        return bisect_right(self._offsets, position) - 1

    def span(self, position: int, end: int) -> tuple[int, int]:
        """Return what to fetch for the bytes from a position: whole chunks, as no part of one can be verified."""
        start, end = super().span(position, end)
        first, last = self._number(start), self._number(end - 1)
        return (start if self._chunks[first].is_zeros else self._offsets[first],
                end if self._chunks[last].is_zeros else self._offsets[last + 1])

    def _part(self, start: int, end: int) -> Iterator[bytes]:
        """Yield verified bytes, in pieces."""
        number = self._number(start)
        while start < end:
            window = self._window(number, end)
            fetched = self._fetched([chunk for chunk in window if not chunk.is_zeros])
            for number, chunk in enumerate(window, number):
                stop = min(end, self._offsets[number + 1])
                if chunk.is_zeros:
                    yield from zero_bytes(stop - start)
                else:
                    yield fetched[chunk][start - self._offsets[number]:stop - self._offsets[number]]
                start = stop
            number += 1

    def _window(self, number: int, end: int) -> list[Chunk]:
        """Return the next chunks that are fetched together."""
        window: list[Chunk] = []
        size = 0
        while number < len(self._chunks) and self._offsets[number] < end:
            chunk = self._chunks[number]
            size += 0 if chunk.is_zeros else chunk.size
            if window and size > MAX_WINDOW:
                break
            window.append(chunk)
            number += 1
        return window

    def _fetched(self, chunks: list[Chunk]) -> dict[Chunk, bytes]:
        """Return the content of chunks."""
        last = self._last
        found = {} if last is None or last[0] not in chunks else dict([last])
        found |= self._source.fetch([chunk for chunk in dict.fromkeys(chunks) if chunk not in found])
        if chunks:
            self._last = chunks[-1], found[chunks[-1]]
        return found
