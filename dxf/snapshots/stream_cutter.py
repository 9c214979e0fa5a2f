"""Streams that are cut into chunks: their size is not known, and they are read once.

The average size of the chunks grows with the position, and so an equal stream is cut at equal places every night. A tar
is cut where its large members begin, too: a member before them that has become longer changes no chunk of theirs.
"""

import tarfile
from collections.abc import Iterator
from typing import Any

from dxf.exceptions import DXFSizeMismatchError
from dxf.limits import READ_SIZE
from dxf.snapshots.chunking import CHUNKS, MAX_AVERAGE, MIN_AVERAGE, SPREAD, cut

BLOCK = tarfile.BLOCKSIZE


def average_at(position: int) -> tuple[int, int | None]:
    """Return the average size of the chunks from a position of a stream on, and where the next one begins.

    A stream of any size has at most about four times as many chunks as a file of that size.
    """
    average = MIN_AVERAGE
    while average < MAX_AVERAGE and position >= average * CHUNKS:
        average *= 2
    return average, None if average == MAX_AVERAGE else average * CHUNKS


class TarMembers:
    """Finds the members of a tar by their headers. What is no tar has none."""

    def __init__(self) -> None:
        self.next: int | None = 0
        """Where the next header is; ``None`` behind the last one."""
        self._is_after_large = False

    def is_boundary(self, header: bytes, large: int) -> bool:
        """Return whether to cut before the next header: at the beginning of a large member, and behind one.

        :param header: the bytes of a block
        :param large: bytes of a large member; the chunks of small ones would be many
        """
        assert self.next is not None
        try:
            member = tarfile.TarInfo.frombuf(header, 'utf-8', 'surrogateescape')
        except (tarfile.HeaderError, ValueError):  # the end, or no tar
            self.next = None
            return self._is_after_large
        size = max(member.size, 0) if member.isreg() or member.type not in tarfile.SUPPORTED_TYPES or \
            member.type in _PREFIXES else 0
        self.next += BLOCK + (size + BLOCK - 1) // BLOCK * BLOCK
        is_large = size >= large
        was_large, self._is_after_large = self._is_after_large, is_large
        return is_large or was_large


_PREFIXES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
             tarfile.SOLARIS_XHDTYPE)
"""The types of headers whose content belongs to the header that follows."""


class Segments:
    """A stream in segments, each of which is cut by itself. It is a file for the chunker, which ends with the segment.

    :param pieces: what is read, in pieces of any size
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = b''
        self._start = 0
        """Where in the buffer the bytes begin that were not returned yet."""
        self.position = 0
        """Bytes that were returned."""
        self._begin = 0
        self._end: int | None = None
        """Where the segment begins and ends, as far as that is known."""
        self._average = MIN_AVERAGE
        self._members = TarMembers()

    def averages(self) -> Iterator[int]:
        """Begin each segment, and yield the average size of its chunks."""
        while self._has(1):
            self._begin = self.position
            self._average, self._end = average_at(self.position)
            yield self._average

    def _has(self, size: int) -> bool:
        """Read on until so many bytes wait in the buffer; return whether there are so many."""
        while len(self._buffer) - self._start < size:
            piece = next(self._pieces, b'')
            if not piece:
                return False
            self._buffer = self._buffer[self._start:] + piece
            self._start = 0
        return True

    def read(self, size: int = READ_SIZE) -> bytes:
        """Return the next bytes of the segment, at most ``size``; none at its end."""
        if self.position == self._end or not self._has(1):
            return b''
        end = self._without_boundary(self.position + min(size, len(self._buffer) - self._start))
        content = self._buffer[self._start:self._start + end - self.position]
        self._start += len(content)
        self.position = end
        return content

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer; return how many there were."""
        content = self.read(len(buffer))
        buffer[:len(content)] = content
        return len(content)

    def _without_boundary(self, end: int) -> int:
        """Return where to stop before a position: at the end of the segment, which may be found here."""
        end = end if self._end is None else min(end, self._end)
        smallest = self._average // SPREAD
        while self._members.next is not None and self._members.next < end:
            at = self._members.next
            self._has(at - self.position + BLOCK)
            start = self._start + at - self.position
            if self._members.is_boundary(self._buffer[start:start + BLOCK], smallest) and at - self._begin >= smallest:
                self._end = end = at
        return end


def cut_stream(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a stream.

    :param pieces: what is read of it, none of them empty
    :raises DXFError: the library is not installed
    :raises DXFSizeMismatchError: it lost bytes
    """
    segments = Segments(pieces)
    size = 0
    for average in segments.averages():
        for chunk in cut(segments, average):
            size += len(chunk)
            yield chunk
        if size != segments.position:
            raise DXFSizeMismatchError(size, segments.position)
