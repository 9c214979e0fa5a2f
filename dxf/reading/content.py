"""The content of an open file: the bytes of its blobs, one after the other, by their position."""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import BinaryIO, NamedTuple, Protocol

from dxf.exceptions import DXFDigestMismatchError, DXFSizeMismatchError
from dxf.limits import READ_SIZE
from dxf.names import hash_bytes
from dxf.transfer.pulling import Puller

SMALL_BLOB = 128 << 10
"""Bytes of a blob that is always fetched whole: then it is verified, whatever part of it is read."""


class Blob(Protocol):
    """A blob of which parts can be read."""

    @property
    def digest(self) -> str:
        """Its digest."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    def part(self, start: int, end: int) -> Iterator[bytes]:
        """Yield its bytes from ``start`` to ``end``, unverified."""

    def close(self) -> None:
        """Give up what it holds."""


class RemoteBlob(NamedTuple):
    """A blob of a registry."""

    puller: Puller
    digest: str
    size: int

    def part(self, start: int, end: int) -> Iterator[bytes]:
        """Yield its bytes from ``start`` to ``end``, unverified."""
        return self.puller.part(self.digest, self.size, start, end)

    def close(self) -> None:
        """Do nothing: the client has the connections."""


class LocalBlob(NamedTuple):
    """A blob in a file of this machine, which stays open: it can be read when the file has been removed."""

    file: BinaryIO
    digest: str
    size: int

    def part(self, start: int, end: int) -> Iterator[bytes]:
        """Yield its bytes from ``start`` to ``end``, unverified."""
        while start < end and (piece := os.pread(self.file.fileno(), min(end - start, READ_SIZE), start)):
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Place(NamedTuple):
    """A blob, and the position of its first byte in the file."""

    blob: Blob
    start: int

    @property
    def end(self) -> int:
        """The position behind its last byte."""
        return self.start + self.blob.size


class Content:
    """The bytes of some blobs, one after the other. Several threads may use it.

    :param blobs: in their order
    """

    def __init__(self, blobs: Sequence[Blob]) -> None:
        self.blobs = tuple(blobs)
        ends = list(accumulate((blob.size for blob in blobs), initial=0))
        self.size = ends.pop()
        self._starts = ends

    def at(self, position: int) -> Place:
        """Return the blob that has the byte at a position."""
        # Blobs without bytes begin where the next one begins: the last of them is the one that has the byte.
        number = bisect_right(self._starts, position) - 1
        return Place(self.blobs[number], self._starts[number])

    def span(self, position: int, end: int) -> tuple[int, int]:
        """Return what to fetch for the bytes from a position: no byte of another blob, and a small blob whole."""
        place = self.at(position)
        if place.blob.size <= SMALL_BLOB:
            return place.start, place.end
        return position, min(end, place.end)

    def stream(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` to ``end``, all of one blob, unverified."""
        place = self.at(start)
        return place.blob.part(start - place.start, end - place.start)

    def fetch(self, start: int, end: int) -> bytes:
        """Return the bytes from ``start`` to ``end``, all of one blob. They are verified if that is the whole blob.

        :raises DXFSizeMismatchError: fewer bytes came, or more
        :raises DXFDigestMismatchError: it is the whole blob, and is something else
        """
        place = self.at(start)
        content = b''.join(self.stream(start, end))
        if len(content) != end - start:
            raise DXFSizeMismatchError(len(content), end - start)
        if (start, end) == (place.start, place.end):
            digest = hash_bytes(content)
            if digest != place.blob.digest:
                raise DXFDigestMismatchError(digest, place.blob.digest)
        return content

    def close(self) -> None:
        """Close all blobs."""
        for blob in self.blobs:
            blob.close()
