"""The content of a file of a snapshot, for a reader of ``reading``: each chunk is verified before it is handed out."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from dxf.reading.content import Content, OpenBlob
from dxf.snapshots.chunk_source import ChunkSource
from dxf.snapshots.chunk_windows import Part, chunks_in, contents, parts, windows
from dxf.snapshots.entries import Chunk, Entry

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
        chunks = map(self._chunks.__getitem__, range(number, len(self._chunks)))
        for window in windows(parts(chunks, self._offsets[number], start, end), MAX_WINDOW):
            yield from contents(window, self._fetched(window))

    def _fetched(self, window: Sequence[Part]) -> dict[Chunk, bytes]:
        """Return the content of the chunks of a window."""
        chunks, last = chunks_in(window), self._last
        found = {} if last is None or last[0] not in chunks else dict([last])
        found |= self._source.fetch([chunk for chunk in chunks if chunk not in found])
        if chunks:
            self._last = chunks[-1], found[chunks[-1]]
        return found
