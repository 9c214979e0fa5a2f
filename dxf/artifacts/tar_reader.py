"""Archives that are read: what is in a tar of a folder, with its bytes. Where these go is not known here.

Nothing but folders and regular files is accepted: links and devices are refused. ``tar_writer`` writes archives.
"""

import errno
import gzip
import hashlib
import stat
import tarfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from dxf.artifacts.ordered_tasks import OrderedTasks
from dxf.artifacts.safe_paths import check_path
from dxf.exceptions import DXFDigestMismatchError, DXFError, DXFInvalidDocumentError
from dxf.limits import READ_SIZE
from dxf.names import digest_of

MAX_HEADER_LENGTH = 16 << 10
"""Bytes that are read at once of what says how a file is called: the longest path takes 4 KiB."""

PIECES_AHEAD = 4
"""Pieces of ``READ_SIZE`` that a thread decompresses before they are used."""

FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)

EXTENSIONS = {
    'S': 'a sparse file, as GNU tar --sparse stores it',
    'D': 'the list of a folder, as GNU tar --listed-incremental stores it',
    'M': 'the rest of a file from another volume, as GNU tar --multi-volume stores it',
    'V': 'the label of a volume, as GNU tar --label stores it',
}
"""Types of entries beyond POSIX: https://www.gnu.org/software/tar/manual/html_node/Standard.html"""

UNKNOWN = 'an entry of a type that dxf does not know'


class Member(NamedTuple):
    """A file, or a folder, in an archive: where it is to be, and what is to be known of it."""

    path: str
    is_folder: bool
    is_executable: bool
    size: int


class _Content:
    """The tar in an archive, read forward, hashed on its way, in bounded memory whatever it says of itself.

    :param source: yields its bytes, in pieces of any size
    :param most: bytes that it may have
    """

    def __init__(self, source: Iterator[bytes], most: int) -> None:
        self._source = source
        self._piece = b''
        self._start = 0
        """Where in the piece the bytes begin that were not returned yet."""
        self._left = most
        self._sha256 = hashlib.sha256()
        self._position = 0
        self.last = b''
        """What :meth:`read` returned last."""

    def take(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; none only at the end."""
        if self._start == len(self._piece):
            self._piece, self._start = self._next_piece(), 0
        taken = self._piece[self._start:self._start + size]
        self._start += len(taken)
        self._position += len(taken)
        return taken

    def _next_piece(self) -> bytes:
        piece = next(self._source, b'')
        self._sha256.update(piece)
        self._left -= len(piece)
        if self._left < 0:
            raise OSError(errno.ENOSPC, 'not enough space for what is in the archive')
        return piece

    def read(self, size: int) -> bytes:
        """Return the next bytes of a header, fewer than ``size`` only at the end."""
        if not 0 <= size <= MAX_HEADER_LENGTH:
            raise DXFInvalidDocumentError('invalid archive: a header is too long')
        self.last = self.take(size)
        while len(self.last) < size and (more := self.take(size - len(self.last))):
            self.last += more
        return self.last

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def seek(self, position: int) -> int:
        """Pass over bytes."""
        if position < self._position:
            raise DXFInvalidDocumentError('invalid archive: it leads back')
        while self._position < position and self.take(min(position - self._position, READ_SIZE)):
            pass
        return self._position

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield that many of the next bytes."""
        while size:
            piece = self.take(min(size, READ_SIZE))
            if not piece:
                raise DXFInvalidDocumentError('invalid archive: it ends too early')
            size -= len(piece)
            yield piece

    def finish(self) -> str:
        """Read what is behind the last file, which must be nothing; return the digest of all."""
        if self.last.strip(b'\0'):
            raise DXFInvalidDocumentError('invalid archive: a header is broken')
        while piece := self.take(READ_SIZE):
            if piece.strip(b'\0'):
                raise DXFInvalidDocumentError('invalid archive: there is something behind its end')
        return digest_of(self._sha256)


def _as_it_is(file: Any) -> Generator[bytes, None, None]:
    while piece := file.read(READ_SIZE):
        yield piece


def _decompressed(file: Any, is_ahead: bool) -> Generator[bytes, None, None]:
    """Yield what a gzip file holds.

    :param is_ahead: a thread decompresses ahead of what is used
    :raises DXFInvalidDocumentError: it is no gzip file, or damaged
    """
    source = gzip.GzipFile(fileobj=file)

    def read() -> bytes:
        try:
            return source.read(READ_SIZE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _broken(error) from None
    with OrderedTasks[bytes](1 if is_ahead else 0) as tasks:
        for _ in range(PIECES_AHEAD if is_ahead else 1):
            tasks.add(read)
        while piece := tasks.take():
            tasks.add(read)
            yield piece


def members(file: Any, name: str, most: int, digest: str | None = None, is_compressed: bool = True,
            is_ahead: bool = False) -> Generator[tuple[Member, Iterator[bytes]], None, None]:
    """Read an archive of a folder, and yield what is in it with its bytes; these are to be read before the next.

    :param file: an open binary file, at its beginning
    :param name: what the folder is called; all that is in the archive must be in that, or be a file of that name;
        empty for an archive whose files are in no folder
    :param most: bytes that it may unpack to
    :param digest: of the tar before compression, if that is known
    :param is_compressed: by gzip
    :param is_ahead: a thread decompresses ahead of what is used
    :raises DXFInvalidDocumentError: it is no such archive, or has links, devices or the like in it
    :raises DXFInvalidNameError: a name in it is unsafe
    :raises DXFDigestMismatchError: at the end: it is another
    :raises OSError: it has too many bytes, or ``file`` cannot be read
    """
    source = _decompressed(file, is_ahead) if is_compressed else _as_it_is(file)
    content: Any = _Content(source, most)
    tar: Any
    try:
        with closing(source), tarfile.TarFile(None, 'r', content) as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # it would remember them all
                member = _member(info, name)
                yield member, content.pieces(member.size)
            found = content.finish()
    except (DXFError, OSError):
        raise
    except Exception as error:  # tarfile has many, for what it does not understand
        raise _broken(error) from None
    if digest is not None and found != digest:
        raise DXFDigestMismatchError(found, digest)


def _broken(error: Exception) -> DXFInvalidDocumentError:
    return DXFInvalidDocumentError(f'invalid archive: {str(error) or type(error).__name__}')


def _member(info: tarfile.TarInfo, name: str) -> Member:
    if info.issym() or info.islnk() or info.isdev():
        kind = 'a device or the like' if info.isdev() else 'a link'
        raise DXFInvalidDocumentError(f'unsafe archive: {info.name[:255]!r} is {kind}')
    if not info.isdir() and (info.type not in FILES or info.issparse()):
        kind = EXTENSIONS['S'] if info.issparse() else EXTENSIONS.get(info.type.decode('latin-1'), UNKNOWN)
        raise DXFInvalidDocumentError(f'unsupported archive: {info.name[:255]!r} is {kind}; dxf pull-blob fetches the '
                                      'archive for other tools')
    size = 0 if info.isdir() else info.size
    if size < 0:
        raise DXFInvalidDocumentError('invalid archive: a negative size')
    path = _path(info.name, name)
    if not path and not info.isdir():
        raise DXFInvalidDocumentError(f'unsafe archive: {info.name[:255]!r} is no folder')
    return Member(path, info.isdir(), bool(info.mode & stat.S_IXUSR), size)


def _path(found: str, name: str) -> str:
    """Return where a file is to be; some tools write the whole name of the folder before it, some the last part.

    In an archive whose files are in no folder, ``.`` is the folder of the pull itself, and its path is empty.
    """
    if not name:
        return '' if found == '.' else check_path(found.removeprefix('./'))
    check_path(found.removeprefix('./'))
    for top in (name, name.rpartition('/')[2]):
        if f'{found.removeprefix("./")}/'.startswith(f'{top}/'):
            return name + found.removeprefix('./')[len(top):]
    raise DXFInvalidDocumentError(f'unsafe archive: {found[:255]!r} is not in {name[:255]!r}')
