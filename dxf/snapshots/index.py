"""The index of a snapshot: JSON Lines in one zstd frame, written line by line, and read as something hostile.

``entries`` reads and writes one line. Neither writing nor reading keeps all lines in memory.
"""

import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from dxf.exceptions import DXFInvalidDocumentError, DXFSourceError
from dxf.limits import READ_SIZE
from dxf.snapshots.compression import packed, unpacked
from dxf.snapshots.entries import FOLDER, HARDLINK, ZERO_PACK, Chunk, Entry, read_chunks, read_entry, shown
from dxf.strict_json import Json, dump_line, load_object, load_part, member, shortened

VERSION = 1
FROM_FOLDER, FROM_STREAM = 'folder', 'stream'

MAX_PACKS = 99
MAX_ENTRIES = 2_000_000
MAX_LINE = 32 << 20
"""Bytes of a line: a file of 1 TiB has one of 29 MB."""

MAX_TEXT = 2 << 30
"""Bytes that all lines may have together."""

MAX_BLOB = 1 << 30
"""Bytes that an index may have compressed."""

MAX_HEADER = 16 << 10
"""More bytes than the first line has, with the digests of ``MAX_PACKS`` packs."""


SEVERAL = 'store the folders as several snapshots, or leave some out'
"""What to do with more than one snapshot holds."""


class Header(NamedTuple):
    """The first line: the digests of the packs, and whether the source was a folder or a stream."""

    packs: tuple[str, ...]
    source: str = FROM_FOLDER


class IndexWriter:
    """Takes entries, in the order of their paths, and writes the index when the packs are known.

    The numbers of packs in the entries may have gaps: what is not used is left out of the index. An index that
    :class:`IndexReader` would refuse as too large is not written.

    :param source: ``FROM_FOLDER`` or ``FROM_STREAM``
    """

    def __init__(self, source: str = FROM_FOLDER) -> None:
        self._source = source
        self._lines: Any = tempfile.TemporaryFile()
        self._used: set[int] = set()
        self._count = 0
        self._size = MAX_HEADER

    def close(self) -> None:
        """Delete the temporary file."""
        self._lines.close()

    def add(self, entry: Entry, line: bytes | None = None) -> None:
        """Add an entry.

        :param line: the line from which it was read, if it was: to write it again takes less time
        :raises DXFSourceError: the index would be too large to be read
        """
        line = _line(entry.document()) if line is None else line + b'\n'
        self._count += 1
        self._size += len(line)
        if len(line) > MAX_LINE:
            name = shown(entry.path) or 'the stream'
            raise DXFSourceError(f'{name}: it has too many chunks: no snapshot holds so large a file')
        if self._count > MAX_ENTRIES:
            raise DXFSourceError(f'there are more than {MAX_ENTRIES} files, folders and links: {SEVERAL}')
        if self._size > MAX_TEXT:
            raise _too_large(MAX_TEXT)
        self._used.update(chunk.pack for chunk in entry.chunks)
        self._lines.write(line)

    @property
    def used(self) -> list[int]:
        """The numbers of the packs that entries name."""
        return sorted(self._used - {ZERO_PACK})

    def write(self, packs: dict[int, str], file: Any) -> None:
        """Write the index.

        :param packs: digests by number; those of :attr:`used` at least
        :param file: an open binary file
        :raises DXFSourceError: the index would be too large to be read
        """
        header = _line({'snapshot': VERSION, 'packs': [packs[number] for number in self.used],
                        'source': self._source})
        numbers = {number: position for position, number in enumerate(self.used)} | {ZERO_PACK: ZERO_PACK}
        if any(number != position for number, position in numbers.items()):
            self._renumber(numbers)
        size = len(header) + self._lines.tell()
        self._lines.seek(0)
        for piece in packed(_pieces(header, self._lines), size):
            file.write(piece)
        if file.tell() > MAX_BLOB:
            raise _too_large(MAX_BLOB)

    def _renumber(self, numbers: dict[int, int]) -> None:
        """Write the lines anew, with other numbers of packs."""
        old, self._lines = self._lines, tempfile.TemporaryFile()
        with old:
            old.seek(0)
            for line in old:
                document = load_object(line)
                if 'chunks' in document:
                    document['chunks'] = [[numbers[chunk[0]], *chunk[1:]] for chunk in document['chunks']]
                self._lines.write(_line(document))


def _too_large(most: int) -> DXFSourceError:
    return DXFSourceError(f'the index has more than {most} bytes: {SEVERAL}')


def _line(document: dict[str, Json]) -> bytes:
    return dump_line(document).encode('ascii') + b'\n'


def _pieces(header: bytes, file: Any) -> Iterator[bytes]:
    yield header
    while piece := file.read(READ_SIZE):
        yield piece


class IndexReader:
    """Reads an index that is not trusted: see the module's docstring.

    :param file: an open binary file with the blob; it can be read several times
    :param sizes: the sizes of the packs, by their digests, as the manifest gives them
    :raises DXFInvalidDocumentError: its first line cannot be right
    """

    def __init__(self, file: Any, sizes: dict[str, int]) -> None:
        self._file = file
        self.header = _header(self._first(), sizes)
        self.sizes = [sizes[digest] for digest in self.header.packs]
        """The sizes of the packs, in the order of their numbers."""

    @property
    def is_of_stream(self) -> bool:
        """Whether the source was a stream."""
        return self.header.source == FROM_STREAM

    def _first(self) -> dict[str, Json]:
        for line in self._lines():
            return load_object(line)
        raise DXFInvalidDocumentError('invalid snapshot: its index is empty')

    def _lines(self) -> Iterator[bytes]:
        self._file.seek(0)
        return lines(unpacked(iter(lambda: self._file.read(READ_SIZE), b''), MAX_TEXT))

    def entries(self) -> Iterator[Entry]:
        """Yield the entries in the order of their paths.

        :raises DXFInvalidDocumentError: one of them cannot be right
        """
        for _, entry in self.entry_lines():
            yield entry

    @property
    def packs(self) -> list[tuple[str, int]]:
        """The digests and sizes of the packs, in the order of their numbers."""
        return list(zip(self.header.packs, self.sizes, strict=True))

    def entry_lines(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield the entries, each behind its line, from which :meth:`entry` reads it again.

        :raises DXFInvalidDocumentError: one of them cannot be right
        """
        order = _Order(self.is_of_stream)
        for line in self._entry_lines():
            entry = self.entry(line)
            order.check(entry)
            yield line, entry

    def entry(self, line: bytes) -> Entry:
        """Return the entry of a line.

        :raises DXFInvalidDocumentError: it cannot be right
        """
        return read_entry(_document(line), self.sizes)

    def _entry_lines(self) -> Iterator[bytes]:
        """Yield the lines behind the first one."""
        for number, line in enumerate(self._lines()):
            if number > MAX_ENTRIES:
                raise DXFInvalidDocumentError(f'invalid snapshot: it has more than {MAX_ENTRIES} entries')
            if number:
                yield line

    def hardlink_targets(self) -> set[bytes]:
        """Return the targets of hard links. Other lines are hardly looked at: it takes a tenth of :meth:`entries`.

        :raises DXFInvalidDocumentError: one of the links cannot be right
        """
        found = set()
        for line in self._entry_lines():
            if HARDLINK.encode('ascii') in line or b'\\' in line:  # a backslash may stand for a letter of it
                entry = self.entry(line)
                if entry.kind == HARDLINK:
                    found.add(entry.target)
        return found

    def chunks(self) -> Iterator[Chunk]:
        """Yield the chunks of all entries that packs have; some may come several times. Nothing else is checked."""
        for line in self._entry_lines():
            for chunk in read_chunks(_document(line), self.sizes):
                if chunk.pack != ZERO_PACK:
                    yield chunk


def _document(line: bytes) -> Json:
    try:
        text = line.decode('utf-8')
    except UnicodeDecodeError:
        text = ''
    found = load_part(text, 0)
    if found is None or found[1] != len(text):
        raise DXFInvalidDocumentError(f'invalid snapshot: a line of its index is no JSON: {shown(line)}')
    return found[0]


def lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines of a text that comes in pieces.

    :raises DXFInvalidDocumentError: one is too long
    """
    rest: list[bytes] = []
    length = 0
    for piece in pieces:
        first, *others = piece.split(b'\n')
        rest.append(first)
        length += len(first)
        if length > MAX_LINE:
            raise DXFInvalidDocumentError('invalid snapshot: a line of its index is too long')
        if others:
            yield b''.join(rest)
            yield from others[:-1]
            rest, length = [others[-1]], len(others[-1])
    if length:
        yield b''.join(rest)


def _header(document: dict[str, Json], sizes: dict[str, int]) -> Header:
    version = document.get('snapshot')
    if version != VERSION or version is True:
        raise DXFInvalidDocumentError(f'the snapshot has the format {shortened(repr(version), 20)}, and this dxf reads '
                                      f'{VERSION}: a newer dxf may read it')
    packs = tuple(str(digest) for digest in member(document, 'packs', list))
    if len(packs) > MAX_PACKS or len(set(packs)) < len(packs) or set(packs) - sizes.keys():
        raise DXFInvalidDocumentError('invalid snapshot: the packs of its index are not those of its manifest')
    source = member(document, 'source', str)
    if source not in (FROM_FOLDER, FROM_STREAM):
        raise DXFInvalidDocumentError('invalid snapshot: its source is neither a folder nor a stream')
    return Header(packs, source)


class _Order:
    """Checks that paths come in their order, each once, and behind the folder that they are in.

    :param is_stream: there is only the empty path, which no folder has
    """

    def __init__(self, is_stream: bool) -> None:
        self._is_stream = is_stream
        self._last: bytes | None = None
        self._open: list[bytes] = []
        self._folders: set[bytes] = set()

    def check(self, entry: Entry) -> None:
        """Check the next entry.

        :raises DXFInvalidDocumentError: it is not in its place
        """
        path = entry.path
        if bool(path) == self._is_stream:
            raise DXFInvalidDocumentError(f'invalid snapshot: {shown(path)!r}: a stream has no paths, and a folder has '
                                          'no file without one')
        if self._last is not None and path <= self._last:
            raise DXFInvalidDocumentError(f'invalid snapshot: {shown(path)}: it is there twice, or out of order')
        self._last = path
        # What is in the folder "a" begins with "a/", and so comes before "a0".
        while self._open and path >= self._open[-1] + b'0':
            self._folders.remove(self._open.pop())
        parent = path.rpartition(b'/')[0]
        if parent and parent not in self._folders:
            raise DXFInvalidDocumentError(f'invalid snapshot: {shown(path)}: it is in no folder')
        if entry.kind == FOLDER:
            self._open.append(path)
            self._folders.add(path)
