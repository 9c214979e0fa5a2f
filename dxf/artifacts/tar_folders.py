"""Archives: a folder as one compressed tar, packed and read; where it goes or comes from is not known here.

The same folder gives the same bytes: names are sorted, and times, owners and the like left out. Nothing but folders and
regular files goes in or comes out: links and devices are refused, both ways.
"""

import errno
import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, BinaryIO, NamedTuple

from dxf.artifacts.safe_paths import Paths, check_path
from dxf.exceptions import DXFDigestMismatchError, DXFError, DXFInvalidDocumentError, DXFSourceError
from dxf.limits import READ_SIZE
from dxf.names import digest_of

COMPRESSION = 6
MAX_HEADER_LENGTH = 16 << 10
"""Bytes that are read at once of what says how a file is called: the longest path takes 4 KiB."""

FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
EXECUTABLE, PLAIN = 0o755, 0o644

EXTENSIONS = {
    'S': 'a sparse file, as GNU tar --sparse stores it',
    'D': 'the list of a folder, as GNU tar --listed-incremental stores it',
    'M': 'the rest of a file from another volume, as GNU tar --multi-volume stores it',
    'V': 'the label of a volume, as GNU tar --label stores it',
}
"""Types of entries beyond POSIX: https://www.gnu.org/software/tar/manual/html_node/Standard.html"""

UNKNOWN = 'an entry of a type that dxf does not know'


class Entry(NamedTuple):
    """A file, or a folder, that is to be packed."""

    filename: str
    path: str
    is_folder: bool


class Member(NamedTuple):
    """A file, or a folder, in an archive: where it is to be, and what is to be known of it."""

    path: str
    is_folder: bool
    is_executable: bool
    size: int


# Packing


def contents(folder: str, name: str) -> list[Entry]:
    """Return what is in a folder, sorted, itself first.

    :param name: what the folder is to be called
    :raises DXFSourceError: there is something else than files and folders in it
    :raises DXFInvalidNameError: a file has a name that is refused when it is unpacked
    :raises OSError: it cannot be read
    """
    paths = Paths()
    found: list[Entry] = []
    waiting = [Entry(folder, name, True)]
    while waiting:
        entry = waiting.pop()
        paths.add(entry.path, entry.is_folder)
        found.append(entry)
        if entry.is_folder:
            waiting += sorted(_inside(entry), key=lambda inner: inner.path, reverse=True)
    return found


def _inside(folder: Entry) -> Iterator[Entry]:
    with os.scandir(folder.filename) as listing:
        for entry in listing:
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_folder and not entry.is_file(follow_symlinks=False):
                kind = 'a symbolic link' if entry.is_symlink() else 'a device or the like'
                raise DXFSourceError(f'{entry.path}: {kind} cannot be packed')
            yield Entry(entry.path, f'{folder.path}/{entry.name}', is_folder)


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        """Write the next bytes."""
        self._sha256.update(content)
        self._file.write(content)
        self.size += len(content)
        return len(content)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    def flush(self) -> None:
        """Hold nothing back."""

    @property
    def digest(self) -> str:
        """The digest of what was written."""
        return digest_of(self._sha256)


class Packed(NamedTuple):
    """What has become of a folder: the archive's digest and size, and the digest of the tar before compression."""

    digest: str
    size: int
    content: str


def pack(entries: list[Entry], file: Any) -> Packed:
    """Write an archive.

    :param entries: what :func:`contents` returned
    :param file: an open binary file
    :raises DXFSourceError: a file changed while it was read, or is something else now
    :raises OSError: one cannot be read, or the disk is full
    """
    blob: Any = _Hashed(file)
    with gzip.GzipFile('', 'wb', COMPRESSION, blob, mtime=0) as zipped:
        content: Any = _Hashed(zipped)
        with tarfile.TarFile(None, 'w', content, format=tarfile.PAX_FORMAT, encoding='utf-8') as tar:
            for entry in entries:
                _add(tar, entry)
                tar.getmembers().clear()  # it would remember them all
    return Packed(blob.digest, blob.size, content.digest)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    member = tarfile.TarInfo(entry.path)
    member.mode = EXECUTABLE
    if entry.is_folder:
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
        return
    # O_NONBLOCK: what is a pipe by now is noticed, and not waited for
    with open(os.open(entry.filename, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), 'rb') as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise _changed(entry)
        member.mode = EXECUTABLE if before.st_mode & stat.S_IXUSR else PLAIN
        with _measured(file, before.st_size) as content:
            member.size = os.fstat(content.fileno()).st_size
            packed: Any = _HashedReading(content)
            try:
                tar.addfile(member, packed)
            except tarfile.TarError:
                raise _changed(entry) from None
        if file.read(1):
            raise _changed(entry)
        after = os.fstat(file.fileno())
        # Times do not prove it: rsync and touch put them back, and writes to mapped memory need not change them. A file
        # whose size is not known, such as one in /proc, may have other bytes each time.
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or \
                content is file and _digest_now(file.fileno()) != packed.digest:
            raise _changed(entry)


class _HashedReading:
    """A file that hashes what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        piece = self._file.read(size)
        self._sha256.update(piece)
        return piece

    @property
    def digest(self) -> str:
        """The digest of what was read."""
        return digest_of(self._sha256)


def _digest_now(descriptor: int) -> str:
    """Return the digest of what a file has at this moment; no buffer keeps what it had before."""
    sha256 = hashlib.sha256()
    position = 0
    while piece := os.pread(descriptor, READ_SIZE, position):
        sha256.update(piece)
        position += len(piece)
    return digest_of(sha256)


@contextmanager
def _measured(file: BufferedReader, size: int) -> Iterator[BinaryIO]:
    """Provide a file whose size is known: a copy of one that has size 0 and is not empty, as files in /proc."""
    if size or not file.peek(1):
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(file, copy, READ_SIZE)
        copy.seek(0)
        yield copy


def _changed(entry: Entry) -> DXFSourceError:
    return DXFSourceError(f'{entry.filename} changed while it was being packed')


# Reading


class _Content:
    """The tar in an archive, read forward, hashed on its way, in bounded memory whatever it says of itself.

    :param most: bytes that it may have
    :param is_compressed: by gzip
    """

    def __init__(self, file: Any, most: int, is_compressed: bool) -> None:
        self._file = gzip.GzipFile(fileobj=file) if is_compressed else file
        self._most = most
        self._sha256 = hashlib.sha256()
        self._position = 0
        self.last = b''
        """What :meth:`read` returned last."""

    def take(self, size: int) -> bytes:
        """Return the next bytes, fewer only at the end."""
        try:
            piece = self._file.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _broken(error) from None
        self._sha256.update(piece)
        self._position += len(piece)
        if self._position > self._most:
            raise OSError(errno.ENOSPC, 'not enough space for what is in the archive')
        return piece

    def read(self, size: int) -> bytes:
        """Return the next bytes of a header."""
        if not 0 <= size <= MAX_HEADER_LENGTH:
            raise DXFInvalidDocumentError('invalid archive: a header is too long')
        self.last = self.take(size)
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


def members(file: Any, name: str, most: int, digest: str | None = None, is_compressed: bool = True
            ) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Read an archive of a folder, and yield what is in it with its bytes; these are to be read before the next.

    :param file: an open binary file, at its beginning
    :param name: what the folder is called; all that is in the archive must be in that, or be a file of that name;
        empty for an archive whose files are in no folder
    :param most: bytes that it may unpack to
    :param digest: of the tar before compression, if that is known
    :param is_compressed: by gzip
    :raises DXFInvalidDocumentError: it is no such archive, or has links, devices or the like in it
    :raises DXFInvalidNameError: a name in it is unsafe
    :raises DXFDigestMismatchError: at the end: it is another
    :raises OSError: it has too many bytes, or ``file`` cannot be read
    """
    content: Any = _Content(file, most, is_compressed)
    tar: Any
    try:
        with tarfile.TarFile(None, 'r', content) as tar:
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
