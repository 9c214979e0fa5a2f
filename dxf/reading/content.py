"""The content of an open file: the bytes of its blobs, one after the other, by their position."""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import BinaryIO, NamedTuple

from dxf.exceptions import DXFDigestMismatchError, DXFSizeMismatchError
from dxf.limits import READ_SIZE
from dxf.names import hash_bytes
from dxf.transfer.pulling import Puller

SMALL_BLOB = 128 << 10
"""Bytes of a blob that is always fetched whole: then it is verified, whatever part of it is read."""


EMPTY_DIGEST = hash_bytes(b'')


class OpenBlob(NamedTuple):
    """A blob of which parts can be read.

    :param size: in bytes
    :param part: returns its bytes from one position to before another, in pieces, unverified
    :param close: gives up what it holds
    """

    digest: str
    size: int
    part: Callable[[int, int], Iterator[bytes]]
    close: Callable[[], object]


def remote_blob(puller: Puller, digest: str, size: int) -> OpenBlob:
    """Return a blob of a registry; it holds nothing, as the client has the connections."""
    return OpenBlob(digest, size, partial(puller.part, digest, size), lambda: None)


def local_blob(file: BinaryIO, digest: str, size: int) -> OpenBlob:
    """Return a blob in a file of this machine, which stays open: it can be read when the file has been removed."""
    return OpenBlob(digest, size, partial(_part_of_file, file), file.close)


def _part_of_file(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    while start < end and (piece := os.pread(file.fileno(), min(end - start, READ_SIZE), start)):
        start += len(piece)
        yield piece


class Place(NamedTuple):
    """A blob, and the position of its first byte in the file."""

    blob: OpenBlob
    start: int

    @property
    def end(self) -> int:
        """The position behind its last byte."""
        return self.start + self.blob.size


class Content:
    """The bytes of some blobs, one after the other. Several threads may use it.

    :param blobs: in their order
    :raises DXFDigestMismatchError: one that is said to be empty has the digest of something else
    """

    def __init__(self, blobs: Sequence[OpenBlob]) -> None:
        for blob in blobs:
            if not blob.size and blob.digest != EMPTY_DIGEST:  # no byte of it will be read, and so none verified
                raise DXFDigestMismatchError(EMPTY_DIGEST, blob.digest)
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
