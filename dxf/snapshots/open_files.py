"""Open files: their parts, holes among them, and whether they change while they are read."""

import errno
import os
import time
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from dxf.limits import READ_SIZE

TICK = 20_000_000
COARSE_TICK = 2_000_000_000
"""Nanoseconds in which a file may change twice with one time: of usual file systems, and of those with whole seconds.
"""


def wait_until_settled(file: BinaryIO) -> os.stat_result:
    """Wait until a change of a file would show in its time; return its status.

    A file that changed in this very moment could change once more, and have the same time and size.
    """
    status = os.fstat(file.fileno())
    tick = TICK if status.st_mtime_ns % 1_000_000_000 else COARSE_TICK
    left = status.st_mtime_ns + tick - time.time_ns()
    if 0 < left <= tick:
        time.sleep(left / 1e9)
        status = os.fstat(file.fileno())
    return status


def is_unchanged(file: BinaryIO, before: os.stat_result) -> bool:
    """Return whether a file is as it was: by its size and its times, of which programs can put back only one."""
    after = os.fstat(file.fileno())
    if os.pread(file.fileno(), 1, before.st_size):  # files in /proc have the size 0, and content
        return False
    return (after.st_size, after.st_mtime_ns, after.st_ctime_ns) == \
        (before.st_size, before.st_mtime_ns, before.st_ctime_ns)


class Extent(NamedTuple):
    """A part of a file: its bytes, or a hole."""

    start: int
    end: int
    is_hole: bool


def extents(file: BinaryIO, size: int) -> Iterator[Extent]:
    """Yield the parts of a file, holes among them where its file system reports them."""
    position = 0
    while position < size:
        start = _seek(file, position, os.SEEK_DATA, size)
        if start > position:
            yield Extent(position, start, True)
        if start < size:
            end = _seek(file, start, os.SEEK_HOLE, size)
            yield Extent(start, end, False)
            start = end
        position = start


def _seek(file: BinaryIO, position: int, whence: int, size: int) -> int:
    """Return where data, or a hole, begins; a file system without holes has one at the end of each file."""
    try:
        return min(os.lseek(file.fileno(), position, whence), size)
    except OSError as error:
        return position if whence == os.SEEK_DATA and error.errno != errno.ENXIO else size


class Reading:
    """A part of an open file, as a file for the chunker; all that it returns goes to a hash too.

    :param sha256: of the whole file
    """

    def __init__(self, file: BinaryIO, extent: Extent, sha256: Any) -> None:
        self._file = file
        self._position = extent.start
        self._end = extent.end
        self._sha256 = sha256

    def read(self, size: int = READ_SIZE) -> bytes:
        """Return the next bytes; fewer than the part has where the file has become shorter."""
        content = os.pread(self._file.fileno(), min(size, self._end - self._position), self._position)
        self._position += len(content)
        self._sha256.update(content)
        return content

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes into a buffer; return how many there were."""
        content = self.read(len(buffer))
        buffer[:len(content)] = content
        return len(content)
