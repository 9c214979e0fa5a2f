"""Places: where the chunks of a restore go. There may be a million of them, so each takes little memory."""

import struct
from collections.abc import Iterator

from dxf.snapshots import chunk_records
from dxf.snapshots.entries import Chunk

_TARGET = struct.Struct('>LQ')
"""What stands behind the record of a chunk: the number of a file, and the offset in it."""


class PackChunks:
    """The chunks of one pack, each once, in the order of their offsets; they can be iterated several times."""

    def __init__(self, places: list[bytes], start: int, end: int) -> None:
        self._places = places
        self._start = start
        self._end = end

    def __iter__(self) -> Iterator[Chunk]:
        last = b''
        for position in range(self._start, self._end):
            record = self._places[position][:chunk_records.SIZE]
            if record != last:
                last = record
                yield chunk_records.unpacked(record)


class Places:
    """Chunks, and for each the files that it is written to, and the offsets there."""

    def __init__(self) -> None:
        self._places: list[bytes] = []
        self._position = 0
        self.size = 0
        """Bytes that are to be written."""

    def add(self, chunk: Chunk, file: int, offset: int) -> None:
        """Add a place: the number of a file, and the offset in it."""
        self._places.append(chunk_records.packed(chunk) + _TARGET.pack(file, offset))
        self.size += chunk.size

    def by_pack(self) -> Iterator[tuple[int, PackChunks]]:
        """Yield the number of each pack, and its chunks; all places are added before."""
        self._places.sort()
        start = 0
        while start < len(self._places):
            number = self._places[start][0]
            end = next((position for position in range(start, len(self._places))
                        if self._places[position][0] != number), len(self._places))
            yield number, PackChunks(self._places, start, end)
            start = end

    def next_target(self) -> tuple[int, int] | None:
        """Return the pack of the next chunk, and the number of the file that it is for; ``None`` behind the last."""
        if self._position == len(self._places):
            return None
        place = self._places[self._position]
        return place[0], _TARGET.unpack_from(place, chunk_records.SIZE)[0]

    def take(self, chunk: Chunk) -> Iterator[tuple[int, int]]:
        """Yield the places of the next chunk, in the order of :meth:`by_pack`: numbers of files, and offsets."""
        wanted = chunk_records.packed(chunk)
        while self._position < len(self._places) and self._places[self._position].startswith(wanted):
            file, offset = _TARGET.unpack_from(self._places[self._position], chunk_records.SIZE)
            yield file, offset
            self._position += 1
