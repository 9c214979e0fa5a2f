"""Sources: what is to be uploaded, how long it is, and whether it can be read again.

A body is a source on its way, and never sends more or fewer bytes than it declared. Where it goes is not known here.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from dxf.exceptions import DXFSourceError
from dxf.limits import READ_SIZE
from dxf.names import digest_of

OnPiece = Callable[[bytes], None]


class Source:
    """What is to be uploaded.

    :param name: what to call it in a message
    :param stream: an open file; read from where it stands
    :param size: bytes from there to its end, ``None`` where it can be read only once and its end is not known
    """

    def __init__(self, name: str, stream: Any, size: int | None) -> None:
        self.name = name
        self.size = size
        self._stream = stream
        self._start = stream.tell() if size is not None else 0

    def digest(self) -> str:
        """Read a source of known size through, and return its digest."""
        sha256 = hashlib.sha256()
        for piece in self.read():
            sha256.update(piece)
        return digest_of(sha256)

    def read(self) -> Iterator[bytes]:
        """Yield its bytes, from the beginning where it can be read again.

        :raises DXFSourceError: it cannot be read, or does not have the size that it had when it was opened
        """
        if self.size is None:
            while piece := self._read(READ_SIZE):
                yield piece
            return
        self._stream.seek(self._start)
        left = self.size
        while left:
            piece = self._read(min(left, READ_SIZE))
            left -= len(piece)
            if not piece or not left and self._read(1):
                raise self.changed()
            yield piece

    def _read(self, size: int) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except OSError as error:  # else it would pass for a failure of the network
            raise DXFSourceError(f'cannot read {self.name}: {error.strerror}') from error

    def changed(self) -> DXFSourceError:
        """Return the error that says so."""
        return DXFSourceError(f'{self.name} changed while it was being uploaded')

    def close(self) -> None:
        """Close what :func:`open_source` opened; a caller's file stays open."""


class _File(Source):
    def __init__(self, filename: str) -> None:
        file = io.FileIO(filename)
        super().__init__(filename, file, _size_left(file))

    def close(self) -> None:
        self._stream.close()


class _Pieces(io.RawIOBase):
    """Lets an iterable of bytes be read like a file."""

    def __init__(self, iterable: Iterable[bytes]) -> None:
        super().__init__()
        self._iterator = iter(iterable)

    def read(self, _size: int = -1, /) -> bytes:
        """Return the next piece that is not empty, however large."""
        for piece in self._iterator:
            content = memoryview(piece).tobytes()  # refuses numbers, of which bytes() would make that many zeros
            if content:
                return content
        return b''


def open_source(filename: str | None, data: Any) -> Source:
    """Return the source that a caller of ``push_blob`` gave.

    :param filename: path of a file; wins over ``data``
    :param data: bytes, an open binary file, or an iterable of bytes
    :raises OSError: the file cannot be read
    :raises TypeError: neither was given
    """
    if filename is not None:
        return _File(filename)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return Source('data', io.BytesIO(data), memoryview(data).nbytes)
    if hasattr(data, 'read'):
        return Source('data', data, _size_left(data))
    if data is None or isinstance(data, str):
        raise TypeError('push_blob needs a filename, or data: bytes, a binary file or an iterable of bytes')
    return Source('data', _Pieces(data), None)


def _size_left(file: BinaryIO) -> int | None:
    """Return the bytes from where a file stands to its end; ``None`` for a pipe, a socket and the like."""
    try:
        start = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(start)
    except (AttributeError, OSError, ValueError):
        return None
    return max(end - start, 0)


class Body:
    """A source of known size as the body of one request.

    requests takes its length from ``len`` and its bytes by iterating; each iteration starts anew. The last piece
    leaves only when all of it, together with what went before, has the digest that was promised.
    """

    def __init__(self, source: Source, digest: str, on_piece: OnPiece) -> None:
        self._source = source
        self._digest = digest
        self._on_piece = on_piece
        self._reported = 0

    def __len__(self) -> int:
        return self._source.size or 0

    def __iter__(self) -> Iterator[bytes]:
        sha256 = hashlib.sha256()
        sent = 0
        for piece in self._source.read():
            sha256.update(piece)
            sent += len(piece)
            if sent == len(self) and digest_of(sha256) != self._digest:
                raise self._source.changed()
            yield piece
            if sent > self._reported:  # what is sent a second time is no progress
                self._reported = sent
                self._on_piece(piece)

    def rewind(self) -> None:
        """Do nothing: each iteration starts anew."""
