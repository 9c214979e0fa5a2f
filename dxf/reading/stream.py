"""A long part of a file that comes by one request, and is handed out as it arrives."""

from collections.abc import Iterator

from dxf.exceptions import DXFSizeMismatchError


class Stream:
    """The bytes from one position to another.

    :param pieces: the bytes, as they arrive
    """

    def __init__(self, pieces: Iterator[bytes], position: int, end: int) -> None:
        self._pieces = pieces
        self._left = memoryview(b'')
        self.position = position
        self.end = end

    def take(self, size: int) -> memoryview:
        """Return the next bytes, ``size`` at most and at least one.

        :raises DXFSizeMismatchError: fewer or more come than should
        """
        if not self._left:
            self._left = memoryview(self._next())
        # A view: short reads, as tarfile makes them, would each copy the rest of a piece of 2 MiB.
        taken, self._left = self._left[:size], self._left[size:]
        self.position += len(taken)
        return taken

    def _next(self) -> bytes:
        piece = next(filter(None, self._pieces), b'')
        arrived = self.position + len(piece)
        # At its end it is asked for more: that frees the connection, and none of a part that is too long goes out.
        if arrived == self.end:
            arrived += sum(map(len, self._pieces))
        if not piece or arrived > self.end:
            raise DXFSizeMismatchError(arrived, self.end)
        return piece

    def close(self) -> None:
        """Close its connection, if it was not read to its end."""
        if hasattr(self._pieces, 'close'):
            self._pieces.close()
