"""Sources: what is to be uploaded, how long it is, and whether it can be read again.

``request_body`` sends parts of a source. ``upload`` decides where they go.
"""

import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from http.client import HTTPResponse
from typing import Any, BinaryIO

from dxf.data import as_bytes, check_data, check_left, check_source
from dxf.exceptions import DXFDigestMismatchError, DXFError, DXFSourceError
from dxf.limits import READ_SIZE
from dxf.local.sinks import write_all
from dxf.local.special_files import enlarge_pipe
from dxf.names import digest_of
from dxf.transfer.callbacks import CallerError

OnPiece = Callable[[str, bytes], None]
"""Called with a digest and a piece that was sent; the digest is empty where it is not known yet."""


class Source:
    """What is to be uploaded.

    :param name: what to call it in a message
    :param stream: an open file; read from where it stands
    :param size: bytes from there to its end, ``None`` where it can be read only once and its end is not known
    """

    shared = False
    """Whether several threads may read it at once."""

    def __init__(self, name: str, stream: Any, size: int | None) -> None:
        self.name = name
        self.size = size
        self.on_read: Callable[[], None] | None = None
        """Called for each piece that is read, if it is set; raises where the source is not wanted any more."""
        self._stream = stream
        self._start = stream.tell() if size is not None else 0
        self._ahead = b''

    def look_ahead(self) -> None:
        """Read the start of a source that seems to be empty; one that is not is read only once.

        The kernel tells the size 0 of files in /proc, and of /dev/zero, that are not empty. Some objects ignore seek().
        """
        if self.size == 0:
            self._ahead = self._read_on(READ_SIZE)
            self.size = None if self._ahead else 0

    def digest(self) -> str:
        """Read a source of known size through, and return its digest."""
        sha256 = hashlib.sha256()
        for piece in self.read():
            sha256.update(piece)
        return digest_of(sha256)

    def read(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield its bytes.

        :param start: the first; ignored for a source that is read only once, which goes on where it was
        :param end: the one after the last; ``None`` for all
        :raises DXFSourceError: it cannot be read, or does not have the size that it had when it was opened
        """
        if self.size is None:
            while piece := self._ahead or self._read_on(READ_SIZE):
                self._ahead = b''
                if self.on_read is not None:
                    self.on_read()
                yield piece
            return
        end = self.size if end is None else end
        # A file that was empty may have grown. The loop below would read none of it.
        if self.size == 0 and self._read_at(0, 1):
            raise self.changed()
        while start < end:
            piece = self._read_at(start, min(end - start, READ_SIZE))
            start += len(piece)
            # One byte is read beyond the end: a file that grows is not sent as if it were complete.
            if not piece or start == self.size and self._read_at(start, 1):
                raise self.changed()
            if self.on_read is not None:
                self.on_read()
            yield piece

    def _read_at(self, start: int, size: int) -> bytes:
        try:
            self._stream.seek(self._start + start)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            return self._read_on(size)[:size]  # a caller's object may return more than it was asked for
        except DXFError:
            raise
        except Exception as error:  # one of urllib3's would pass for a failure of the network
            raise CallerError(error) from error

    def _read_on(self, size: int) -> bytes:
        try:
            content = self._stream.read(size)
        except OSError as error:  # else it would pass for a failure of the network
            raise self._unreadable(error) from error
        # So a non-blocking file says that it has nothing yet:
        # https://docs.python.org/3/library/io.html#io.RawIOBase.read
        if content is None:
            raise DXFSourceError(f'cannot read {self.name}: it is non-blocking, and has no bytes yet')
        return as_bytes(content) or self._end()

    def _end(self) -> bytes:
        """Return no bytes: the source has ended. A body of http.client may end too early, and raises no error."""
        if isinstance(self._stream, HTTPResponse) and self._stream.length:
            raise DXFSourceError(f'cannot read {self.name}: the connection broke, and {self._stream.length} bytes '
                                 'are missing')
        return b''

    def _unreadable(self, error: OSError) -> DXFSourceError:
        return DXFSourceError(f'cannot read {self.name}: {error.strerror or type(error).__name__}')

    def check(self) -> None:
        """Check that the source has not changed since it was opened, as far as that can be seen.

        :raises DXFSourceError: it is not
        """

    @property
    def tells_changes(self) -> bool:
        """Whether :meth:`check` notices whatever is written to it from now on."""
        return False

    @property
    def file(self) -> io.FileIO | None:
        """The file that it reads and can read again; ``None`` for a pipe, and for what has the bytes in another way."""
        file = getattr(getattr(self._stream, 'file', self._stream), 'raw', self._stream)
        return file if self.size is not None and isinstance(file, io.FileIO) else None

    def changed(self) -> DXFSourceError:
        """Return the error for a source that changed."""
        return DXFSourceError(f'{self.name} changed while it was being uploaded')

    def close(self) -> None:
        """Close what was opened for it; a caller's file stays open."""


class HashedFile(Source):
    """A file of which the digest is known: it was hashed while it was written.

    What is sent of it is hashed again, and must have this digest: ``request_body``.

    :param name: what to call it in a message
    :param file: an open file; read from where it stands
    """

    def __init__(self, name: str, file: BinaryIO, size: int, digest: str) -> None:
        super().__init__(name, file, size)
        self._digest = digest

    def digest(self) -> str:
        """Return the known digest."""
        return self._digest


def check_expected_digest(actual: str, expected: str | None) -> str:
    """Return the digest that a source turned out to have.

    :raises DXFDigestMismatchError: another was expected
    """
    if expected not in (None, actual):
        raise DXFDigestMismatchError(actual, expected)
    return actual


# git has the same problem: https://git-scm.com/docs/racy-git
# FAT counts two seconds, others count one. Elsewhere the clock of the kernel ticks every few milliseconds.
FINE, COARSE = 100_000_000, 3_000_000_000
"""Nanoseconds in which a file may be written to twice without another time of modification."""


class File(Source):
    """A file that was opened by its name.

    :param file: opened without a buffer; it is closed with the source
    """

    def __init__(self, name: str, file: io.FileIO) -> None:
        super().__init__(name, file, _size_left(name, file))
        self.look_ahead()
        self.shared = self.size is not None
        self.status = os.fstat(file.fileno())

    def _read_at(self, start: int, size: int) -> bytes:
        try:
            # pread moves no position: two threads read the file at once.
            return os.pread(self._stream.fileno(), size, self._start + start)
        except OSError as error:
            raise self._unreadable(error) from error

    def check(self) -> None:
        """Check that it was not written to: what was read could be a mixture of old and new bytes.

        :raises DXFSourceError: it was
        """
        # Nanoseconds as an integer: a float cannot tell two moments within some hundred nanoseconds.
        if os.fstat(self._stream.fileno()).st_mtime_ns != self.status.st_mtime_ns:
            raise self.changed()

    @property
    def tells_changes(self) -> bool:
        """Whether :meth:`check` notices whatever is written to it from now on.

        Not where it was written to a moment ago: its time would stay the same. Some file systems count whole seconds.
        """
        modified = self.status.st_mtime_ns
        moment = COARSE if modified % 1_000_000_000 == 0 else FINE
        return 0 < modified < time.time_ns() - moment

    def close(self) -> None:
        """Close it."""
        self._stream.close()


class _Pieces(io.RawIOBase):
    """Lets an iterable of bytes be read like a file."""

    def __init__(self, iterable: Iterable[bytes]) -> None:
        super().__init__()
        self._iterator = iter(iterable)

    def read(self, _size: int = -1, /) -> bytes:
        """Return the next piece that is not empty, however large."""
        for piece in self._iterator:
            content = as_bytes(piece)
            if content:
                return content
        return b''


def open_source(filename: str | os.PathLike[str] | None, data: Any) -> Source:
    """Return the source that a caller of ``push_blob`` gave.

    :param filename: path of a file; wins over ``data``
    :param data: bytes, a str (its UTF-8), an open binary file, or an iterable of bytes
    :raises OSError: the file cannot be read
    :raises TypeError: neither was given, or one of a wrong type
    :raises DXFSourceError: a str that UTF-8 cannot encode
    """
    if filename is not None:
        return File(os.fspath(filename), _opened(filename))
    if isinstance(data, HashedFile):
        return data
    check_data(data)
    if isinstance(data, str):
        data = _utf_8(data)
    # nbytes, not len: an item of a memoryview may have several bytes.
    if isinstance(data, (bytes, bytearray, memoryview)):
        return Source('data', io.BytesIO(data), memoryview(data).nbytes)
    check_source(data)
    if hasattr(data, 'read'):

        enlarge_pipe(data)
        source = Source('data', data, _size_left('data', data))
        source.look_ahead()
        check_left(data, source.size)
        return source
    return Source('data', _Pieces(data), None)


def _opened(filename: str | os.PathLike[str]) -> io.FileIO:
    try:
        return io.FileIO(filename)
    except IsADirectoryError as error:
        raise IsADirectoryError(error.errno, f'{error.strerror}; dxf.artifacts.push_files stores folders',
                                error.filename) from None


def _utf_8(text: str) -> bytes:
    try:
        return text.encode('utf-8')
    except UnicodeEncodeError as error:  # a lone surrogate; the error's own text would quote the data
        raise DXFSourceError(f'data: the character at {error.start} has no UTF-8 encoding') from None


def spool(name: str, pieces: Iterable[bytes]) -> Source:
    """Return a source of known size with the content of one that can be read only once.

    It is kept in a temporary file that has no name: nothing of it is left, however the process ends.

    :raises DXFSourceError: the disk is full, or the like
    """
    try:
        # Closed if the disk is full; else by the source.
        with ExitStack() as undo:
            file = undo.enter_context(tempfile.TemporaryFile(buffering=0))
            for piece in pieces:
                write_all(file, piece)
            undo.pop_all()
    except OSError as error:
        raise DXFSourceError(f'cannot keep {name} in a temporary file, which this registry needs: {error.strerror}; '
                             'TMPDIR chooses the folder') from error
    file.seek(0)
    return File(name, file)


_UNSEEKABLE = (AttributeError, OSError, TypeError, ValueError)
"""What objects without a position raise; TypeError: seek of codecs' readers returns nothing."""


def _size_left(name: str, file: BinaryIO) -> int | None:
    """Return the bytes from where a file stands to its end; ``None`` for a pipe, a socket and the like.

    :raises DXFSourceError: it moved, and cannot go back
    """
    try:
        start = file.tell()
    except _UNSEEKABLE:
        return None
    try:
        size = max(file.seek(0, io.SEEK_END) - start, 0)
    except _UNSEEKABLE:  # it may have moved all the same
        size = None
    if size is None and _stands_at(file, start) or _returns_to(file, start):
        return size
    raise DXFSourceError(f'cannot read {name}: it can seek to its end, but not back to where it stood; hand in an '
                         "iterable of its bytes, such as iter(lambda: file.read(65536), b'')")


def _returns_to(file: BinaryIO, start: int) -> bool:
    try:
        file.seek(start)
    except _UNSEEKABLE:
        return False
    return _stands_at(file, start)


def _stands_at(file: BinaryIO, start: int) -> bool:
    try:
        return file.tell() == start
    except _UNSEEKABLE:
        return False
