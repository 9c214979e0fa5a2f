"""Readers: open files whose content is fetched as it is read.

What is read in order comes in ever larger parts, and is verified at the end. What is read at random comes as it is
asked for, and cannot be verified: a digest is that of a whole blob.
"""

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from dxf.arguments import check_count
from dxf.reading.block_cache import MAX_BLOCK, BlockCache
from dxf.reading.content import Content
from dxf.reading.read_ahead import ReadAhead
from dxf.reading.running_hash import RunningHash
from dxf.reading.stream import Stream

BUFFER_SIZE = 64 << 10
"""Bytes that a read of unknown length (a line) takes."""

MAX_SKIP = 1 << 20
"""Bytes of a stream that are read and dropped: a new request would take longer, and the rest would not be verified."""


class RawBlobReader(io.RawIOBase):
    """The file below the buffer: it has the position, and decides what is fetched.

    :param name: what the file was opened by
    """

    mode = 'rb'

    def __init__(self, content: Content, blocks: BlockCache, name: str) -> None:
        super().__init__()
        self.name = name
        self._content = content
        self._blocks = blocks
        self._ahead = ReadAhead()
        self._hash = RunningHash()
        self._stream: Stream | None = None
        self._position = 0
        self._wanted = 0

    def readable(self) -> bool:
        """Return ``True``."""
        return True

    def seekable(self) -> bool:
        """Return ``True``."""
        return True

    def tell(self) -> int:
        """Return the number of the next byte."""
        return self._position

    def expect(self, end: int) -> None:
        """Take note of the byte after the last one that the reader wants; 0 where that is not known."""
        self._wanted = end

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Change the position; nothing is fetched yet.

        :raises ValueError: it would be before the beginning
        """
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._content.size}
        if self.closed:
            raise ValueError('I/O operation on closed file')
        if whence not in bases:
            raise ValueError(f'invalid whence ({whence}, should be 0, 1 or 2)')
        if bases[whence] + offset < 0:
            raise ValueError(f'negative seek position {bases[whence] + offset}')
        self._position = bases[whence] + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        """Read the next bytes, as many as have come; return how many.

        :raises requests.exceptions.RequestException: they did not come
        :raises DXFDigestMismatchError: they are the last ones of a blob that was read in order, and is something else
        """
        if self.closed:
            raise ValueError('I/O operation on closed file')
        with memoryview(buffer).cast('B') as target:
            if not target or self._position >= self._content.size:
                return 0
            content = self._checked(self._next(len(target))[:len(target)])
            target[:len(content)] = content
        self._position += len(content)
        return len(content)

    def readall(self) -> bytes:
        """Read all that follows."""
        self._wanted = self._content.size
        return b''.join(iter(lambda: self.read(MAX_BLOCK) or b'', b''))

    def _next(self, size: int) -> memoryview:
        """Return the bytes at the position: from a block that is kept, from the stream, or fetched now."""
        kept = self._blocks.get(self._position)
        if kept:
            return kept
        if self._stream is not None and self._is_near(self._stream):
            return self._taken(self._stream, size)
        self._leave()
        wanted = self._wanted if self._wanted > self._position else self._position + size
        place = self._content.at(self._position)
        start, end = self._content.span(self._position, self._ahead.end_of(self._position, wanted, place.end))
        self._ahead.fetched(end)
        if end - start > MAX_BLOCK:
            self._stream = Stream(self._content.stream(start, end), start, end)
            return self._taken(self._stream, size)
        self._blocks.put(start, self._content.fetch(start, end))
        return self._blocks.get(self._position)

    def _is_near(self, stream: Stream) -> bool:
        return stream.position <= self._position < min(stream.end, stream.position + MAX_SKIP)

    def _taken(self, stream: Stream, size: int) -> memoryview:
        """Return the next bytes of a stream; what is before the position is hashed and dropped."""
        try:
            while stream.position < self._position:
                start = stream.position
                dropped = stream.take(self._position - start)
                self._hash.add(self._content.at(start), start, dropped)
            return stream.take(size)
        except BaseException:
            self._leave()
            raise

    def _checked(self, content: memoryview) -> memoryview:
        """Return what is handed out, after it was hashed."""
        try:
            self._hash.add(self._content.at(self._position), self._position, content)
        except BaseException:
            self._leave()
            self._blocks.clear()  # what is wrong is fetched again
            raise
        return content

    def _leave(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def close(self) -> None:
        """Close the file; the connections stay with the client."""
        # io.IOBase calls close a second time when the object is collected.
        if not self.closed and hasattr(self, '_hash'):
            self._leave()
            self._hash.close()
            self._blocks.clear()
            self._content.close()
        super().close()


class BlobReader(io.BufferedReader):
    """An open file, as :meth:`dxf.DXF.open` returns it: seekable, and with :meth:`pread` for several threads.

    :param name: what the file was opened by
    """

    def __init__(self, content: Content, name: str) -> None:
        self._content = content
        self._blocks = BlockCache()
        self._reader = RawBlobReader(content, self._blocks, name)
        super().__init__(self._reader, BUFFER_SIZE)

    @property
    def size(self) -> int:
        """The bytes of the file."""
        return self._content.size

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of its blobs, in their order. They are those of the moment when it was opened."""
        return tuple(blob.digest for blob in self._content.blobs)

    @contextmanager
    def _wanting(self, size: int | None) -> Iterator[None]:
        """Let the reader below the buffer know how much is wanted; after an error the position is that of before.

        That reader sees only how large the buffer is: it would fetch more than is wanted, or by two requests. What a
        buffer has taken is lost with an error, and the next read must not leave it out.

        :param size: how many bytes; negative, or ``None``, for all
        """
        position = self.tell()
        self._reader.expect(self.size if size is None or size < 0 else position + size)
        try:
            yield
        except BaseException:
            if not self.closed:
                self.seek(position)
            raise

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes: ``size``, or fewer at the end; all without a size."""
        with self._wanting(size):
            return super().read(size)

    def read1(self, size: int = -1, /) -> bytes:
        """Return the next bytes, ``size`` at most, by one request."""
        with self._wanting(max(size, 0)):
            return super().read1(size)

    def readinto(self, buffer: Any, /) -> int:
        """Read the next bytes into a buffer; return how many, fewer than it takes only at the end."""
        with self._wanting(memoryview(buffer).nbytes):
            return super().readinto(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line."""
        with self._wanting(0):
            return super().readline(size)

    def pread(self, size: int, offset: int) -> bytes:
        """Return bytes from a place of the file; its position stays. Several threads may call this at once.

        :param size: how many; fewer come at the end of the file
        :param offset: the number of the first one
        :raises ValueError: ``size`` or ``offset`` is negative, or the file is closed
        :raises requests.exceptions.RequestException: they did not come
        """
        check_count(size, 'size', 'pread', ' of bytes')
        check_count(offset, 'offset', 'pread')
        if self.closed:
            raise ValueError('I/O operation on closed file')
        pieces = []
        end = min(offset + size, self.size)
        while offset < end:
            piece = self._piece(offset, end)[:end - offset]
            offset += len(piece)
            pieces.append(piece)
        return b''.join(pieces)

    def part(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` to ``end`` as they arrive; the position stays, and none is kept.

        Of a blob that lies wholly between them, the last ones are handed out when it is verified.

        :param end: the number of the byte after the last one
        :raises requests.exceptions.RequestException: they did not come
        """
        verified = RunningHash()
        try:
            while start < min(end, self.size):
                place = self._content.at(start)
                with closing(Stream(self._content.stream(start, min(end, place.end)), start, min(end, place.end))
                             ) as stream:
                    while start < stream.end:
                        piece = stream.take(MAX_BLOCK)
                        verified.add(place, start, piece)
                        start += len(piece)
                        yield bytes(piece)
        finally:
            verified.close()

    def _piece(self, position: int, end: int) -> memoryview:
        kept = self._blocks.get(position)
        if kept:
            return kept
        start, end = self._content.span(position, end)
        content = self._content.fetch(start, end)
        self._blocks.put(start, content)
        return memoryview(content)[position - start:]
