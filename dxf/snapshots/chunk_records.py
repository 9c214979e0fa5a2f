"""Records of chunks: as bytes a chunk takes a quarter of the memory, and can be put into a file.

A record is the place of a chunk, and its hash. Records are in the order of their bytes: by pack, then by offset. Runs
of zeros have none.
"""

import struct

from dxf.snapshots.entries import Chunk

_PLACE = struct.Struct('>BQLL')
"""Pack, offset, length and size; a chunk has less than 4 GiB."""

SIZE = _PLACE.size + 32


def packed_place(chunk: Chunk) -> bytes:
    """Return the place of a chunk; the first byte is the number of the pack."""
    return _PLACE.pack(*chunk[:4])


def unpacked_place(place: bytes) -> tuple[int, int, int, int]:
    """Return the pack, the offset, the length and the size of a place, or of a record."""
    return _PLACE.unpack_from(place)


def packed(chunk: Chunk) -> bytes:
    """Return the record of a chunk."""
    return packed_place(chunk) + bytes.fromhex(chunk.digest)


def unpacked(record: bytes) -> Chunk:
    """Return the chunk of a record."""
    return Chunk(*unpacked_place(record), record[_PLACE.size:].hex())
