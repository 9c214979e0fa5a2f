"""Archives that are written: a folder becomes one compressed tar. Where it goes is not known here.

The same folder gives the same bytes: entries are sorted, times and owners dropped, and ``gzip_writer`` compresses
always in the same way. Nothing but folders and regular files goes in: links and devices are refused. ``tar_reader``
reads archives.
"""

import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any, BinaryIO, NamedTuple

from dxf.artifacts.gzip_writer import GzipWriter
from dxf.artifacts.patterns import ALL, Patterns
from dxf.artifacts.safe_paths import Paths, with_parents
from dxf.exceptions import DXFSourceError
from dxf.limits import READ_SIZE
from dxf.local.file_hash import hash_descriptor
from dxf.names import digest_of

EXECUTABLE, PLAIN = 0o755, 0o644


class Entry(NamedTuple):
    """A file, or a folder, that is to be packed."""

    filename: str
    path: str
    is_folder: bool


def contents(folder: str, name: str, patterns: Patterns = ALL) -> list[Entry]:
    """Return what is in a folder, sorted, itself first.

    :param name: what the folder is to be called; empty where files are called by their paths within it
    :param patterns: which files are wanted; if only some are included, folders without any are left out
    :raises DXFSourceError: there is something else than files and folders in it
    :raises DXFInvalidNameError: a file has a name that is refused when it is unpacked
    :raises OSError: it cannot be read
    """
    paths = Paths()
    found: list[Entry] = []
    waiting = [Entry(folder, name, True)]
    while waiting:
        entry = waiting.pop()
        if entry.path:
            paths.add(entry.path, entry.is_folder)
        found.append(entry)
        if entry.is_folder:
            waiting += sorted(_inside(entry, patterns), key=lambda inner: inner.path, reverse=True)
    return _included(found, patterns) if patterns.has_includes else found


def _included(entries: list[Entry], patterns: Patterns) -> list[Entry]:
    """Return entries without folders of which no file is wanted; the first one stays."""
    first, *others = entries
    parents = with_parents(os.path.dirname(entry.path) for entry in others if not entry.is_folder)
    return [first, *(entry for entry in others if not entry.is_folder or entry.path in parents
                     or patterns.is_included(entry.path, True))]


def _inside(folder: Entry, patterns: Patterns) -> Iterator[Entry]:
    with os.scandir(folder.filename) as listing:
        for entry in listing:
            is_folder = entry.is_dir(follow_symlinks=False)
            path = f'{folder.path}/{entry.name}' if folder.path else entry.name
            if patterns.is_excluded(path, is_folder) or not is_folder and not patterns.is_included(path, False):
                continue
            if not is_folder and not entry.is_file(follow_symlinks=False):
                kind = 'a symbolic link' if entry.is_symlink() else 'a device or the like'
                raise DXFSourceError(f'{path}: {kind} cannot be stored; --exclude leaves it out')
            yield Entry(entry.path, path, is_folder)


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


def pack(entries: list[Entry], file: Any, threads: int = 0) -> Packed:
    """Write an archive.

    :param entries: what :func:`contents` returned
    :param file: an open binary file
    :param threads: how many compress; 0: this one does
    :raises DXFSourceError: a file changed while it was read, or is something else now
    :raises OSError: one cannot be read, or the disk is full
    """
    blob: Any = _Hashed(file)
    with GzipWriter(blob, threads) as zipped:
        content: Any = _Hashed(zipped)
        with tarfile.TarFile(None, 'w', content, format=tarfile.PAX_FORMAT, encoding='utf-8',
                             copybufsize=READ_SIZE) as tar:
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
            packed: Any = _HashedReading(content, entry)
            tar.addfile(member, packed)
        if file.read(1):
            raise _changed(entry)
        after = os.fstat(file.fileno())
        # Times do not prove it: rsync and touch put them back, and writes to mapped memory need not change them. A file
        # whose size is not known, such as one in /proc, may have other bytes each time.
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or \
                content is file and hash_descriptor(file.fileno()) != packed.digest:
            raise _changed(entry)


class _HashedReading:
    """A file that hashes what is read of it, and must have as much as is asked for."""

    def __init__(self, file: BinaryIO, entry: Entry) -> None:
        self._file = file
        self._entry = entry
        self._sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return the next bytes.

        :raises DXFSourceError: the file has become shorter
        """
        piece = self._file.read(size)
        if len(piece) < size:
            raise _changed(self._entry)
        self._sha256.update(piece)
        return piece

    @property
    def digest(self) -> str:
        """The digest of what was read."""
        return digest_of(self._sha256)


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
