"""Places: where the chunks of a restore go. There may be a million of them, so each takes little memory."""

import struct
from collections.abc import Iterator

from dxf.snapshots.entries import Chunk

_CHUNK = struct.Struct('>BQLL32s')
_TARGET = struct.Struct('>LQ')
"""Big-endian numbers without a sign: as bytes they have the order of packs and offsets."""


class PackChunks:
    """The chunks of one pack, each once, in the order of their offsets; they can be iterated several times."""

    def __init__(self, places: list[bytes], start: int, end: int) -> None:
        self._places = places
        self._start = start
        self._end = end

    def __iter__(self) -> Iterator[Chunk]:
        last = b''
        for position in range(self._start, self._end):
            chunk = self._places[position][:_CHUNK.size]
            if chunk != last:
                last = chunk
                pack, offset, length, size, digest = _CHUNK.unpack(chunk)
                yield Chunk(pack, offset, length, size, digest.hex())


class Places:
    """Chunks, and for each the files that it is written to, and the offsets there."""

    def __init__(self) -> None:
        self._places: list[bytes] = []
        self._position = 0
        self.size = 0
        """Bytes that are to be written."""

    def add(self, chunk: Chunk, file: int, offset: int) -> None:
        """Add a place: the number of a file, and the offset in it."""
        self._places.append(_packed(chunk) + _TARGET.pack(file, offset))
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

    def next_file(self, pack: int) -> int | None:
        """Return the number of the file that the next chunk is for; ``None`` if that is not in a pack."""
        place = self._places[self._position] if self._position < len(self._places) else b''
        return _TARGET.unpack_from(place, _CHUNK.size)[0] if place and place[0] == pack else None

    def take(self, chunk: Chunk) -> Iterator[tuple[int, int]]:
        """Yield the places of the next chunk, in the order of :meth:`by_pack`: numbers of files, and offsets."""
        wanted = _packed(chunk)
        while self._position < len(self._places) and self._places[self._position].startswith(wanted):
            file, offset = _TARGET.unpack_from(self._places[self._position], _CHUNK.size)
            yield file, offset
            self._position += 1


def _packed(chunk: Chunk) -> bytes:
    return _CHUNK.pack(*chunk[:4], bytes.fromhex(chunk.digest))
