"""Remote files: a blob of a repository, read like a file. ``pulling`` opens one."""

import io
from collections.abc import Iterator

from requests.exceptions import RequestException

from dxf.exceptions import DXFError, DXFSourceError
from dxf.transfer.ranges import Ranges
from dxf.transport.response_body import close


class RemoteFile(io.RawIOBase):
    """A blob that is fetched as it is read.

    Read in order, it is one stream, which is verified before its last piece. After :meth:`seek` the bytes are not
    verified: the reader has to do that.

    :param name: what to call it in a message
    :param size: the blob's, in bytes
    :param stream: its content from the beginning, verified
    :param ranges: the blob's, for what follows a :meth:`seek`
    """

    def __init__(self, name: str, size: int, stream: Iterator[bytes], ranges: Ranges) -> None:
        super().__init__()
        self.name = name
        self.size = size
        self._stream: Iterator[bytes] | None = stream
        self._ranges = ranges
        self._position = 0
        self._left: bytes | memoryview = b''

    def seekable(self) -> bool:
        """Return ``True``."""
        return True

    def tell(self) -> int:
        """Return the number of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Change the position; the next read makes a request for it."""
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        # At the end or behind it there is nothing to ask for.
        if position != self._position and position < self.size:
            self._leave()
        self._position = position
        return position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, as many as have arrived, and ``size`` at most.

        :raises DXFSourceError: they did not arrive
        """
        if self._position >= self.size or size == 0:
            return b''
        try:
            if self._stream is None:
                self._stream = self._from(self._position)
            # Fewer bytes than asked for are allowed: https://docs.python.org/3/library/io.html#io.RawIOBase.read
            piece: bytes | memoryview = self._left or next(self._stream, b'')
        except RequestException as error:  # else it would pass for a failure of the registry that gets the bytes
            cause = str(error) if isinstance(error, DXFError) else 'the connection broke'
            raise DXFSourceError(f'cannot read {self.name}: {cause}') from error
        # Ranges end silently where the connection was closed early.
        if not piece:
            raise DXFSourceError(f'cannot read {self.name}: it is shorter than it should be')
        end = len(piece) if size is None or size < 0 else size
        # A view: short reads, as tarfile makes them, would each copy the rest of a piece of 2 MiB.
        self._left = memoryview(piece)[end:]
        content = bytes(piece[:end])
        self._position += len(content)
        return content

    def _from(self, position: int) -> Iterator[bytes]:
        # None: the bytes before this position were not read, and cannot be compared.
        response, stream = self._ranges.rest(position, None)
        try:
            yield from stream
        finally:
            close(response)

    def _leave(self) -> None:
        self._left = b''
        # Closing the generator closes its response.
        if self._stream is not None and hasattr(self._stream, 'close'):
            self._stream.close()
        self._stream = None

    def close(self) -> None:
        """Close the connection."""
        # io.IOBase calls close a second time when the object is collected.
        if not self.closed:
            self._leave()
        super().close()
