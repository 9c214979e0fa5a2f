"""Entries: what an index says of a file, a folder or a link; written as JSON, and read as something hostile.

``index`` writes and reads all of them. Paths are bytes here, as systems have them.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dxf.exceptions import DXFInvalidDocumentError
from dxf.snapshots import attributes
from dxf.snapshots.attributes import Owner, Xattrs
from dxf.snapshots.chunking import MAX_CHUNK
from dxf.strict_json import Json, member, shortened

FILE, FOLDER, LINK, HARDLINK = 'file', 'folder', 'link', 'hardlink'

ZERO_PACK = -1
"""Stands in place of the number of a pack for a run of zeros."""

MAX_SIZE = 1 << 62
"""Bytes that a file may have: more than any file system takes."""

MAX_PATH = 64 << 10
"""Bytes that a path may have; systems take 4096 at a time, and longer ones in steps."""

MAX_PART = 255
MAX_TARGET = 4096
"""Bytes that the target of a link may have."""

MAX_MODE = 0o7777
BILLION = 10 ** 9
ZEROS = bytes(1 << 20)

CHUNK_TYPES = [int, int, int, int, str]

_MTIME = re.compile(r'(-?)([0-9]{1,15})(?:\.([0-9]{1,9}))?', re.ASCII)
_HEX = re.compile(r'[0-9a-f]{64}', re.ASCII)


class Chunk(NamedTuple):
    """A part of a file: bytes of a pack, or a run of zeros."""

    pack: int
    offset: int
    length: int
    size: int
    digest: str

    @property
    def is_zeros(self) -> bool:
        """Whether it is a run of zeros, which no pack has."""
        return self.pack == ZERO_PACK


def zeros(size: int) -> Chunk:
    """Return a run of zeros."""
    return Chunk(ZERO_PACK, 0, 0, size, '')


def zero_bytes(size: int) -> Iterator[bytes]:
    """Yield what a run of zeros holds, in pieces."""
    for position in range(0, size, len(ZEROS)):
        yield ZEROS[:size - position]


class Entry(NamedTuple):
    """A file, a folder, a link, or another name of a file.

    :param path: relative, its parts joined by ``/``; empty for a stream
    :param kind: ``file``, ``folder``, ``link`` or ``hardlink``
    :param mtime: nanoseconds since 1970
    :param sha256: of all of a file, in hexadecimal digits
    :param target: what a link leads to, or the path of the file of which it is another name
    :param owner: of a file, a folder or a link, where it was asked for
    :param xattrs: extended attributes of a file or a folder, where they were asked for
    """

    path: bytes
    kind: str
    mode: int = 0
    mtime: int = 0
    size: int = 0
    sha256: str = ''
    chunks: tuple[Chunk, ...] = ()
    target: bytes = b''
    owner: Owner | None = None
    xattrs: Xattrs | None = None

    @property
    def name(self) -> str:
        """The path as a text; bytes that are not UTF-8 are surrogates."""
        return self.path.decode('utf-8', 'surrogateescape')

    def document(self) -> dict[str, Json]:
        """Return the entry as a line of the index has it."""
        found: dict[str, Json] = {**text_member('path', self.path), 'type': self.kind}
        if self.kind in (FILE, FOLDER):
            found['mode'] = self.mode
        if self.kind != HARDLINK:
            found['mtime'] = _shown_time(self.mtime)
        if self.kind == FILE:
            found |= {'size': self.size, 'sha256': self.sha256, 'chunks': self.chunks}
        if self.kind in (LINK, HARDLINK):
            found |= text_member('target', self.target)
        if self.owner is not None:
            found |= attributes.owner_document(self.owner)
        if self.xattrs is not None:
            found['xattrs'] = attributes.xattrs_document(self.xattrs)
        return found


def read_entry(document: Json, packs: list[int]) -> Entry:
    """Read an entry from a document that is not trusted.

    :param packs: the sizes of the packs, in bytes
    :raises DXFInvalidDocumentError: something in it cannot be right
    """
    path = _bytes_of(document, 'path')
    if path or document.get('type') != FILE:
        check_path(path)
    try:
        return _READERS[member(document, 'type', str)](path, document, packs)
    except KeyError:
        raise _invalid(path, 'its type is not known') from None
    except DXFInvalidDocumentError as error:
        if path and str(error).startswith('invalid document'):
            raise _invalid(path, str(error).removeprefix('invalid document: ')) from None
        raise


def check_entry(entry: Entry) -> None:
    """Check that :func:`read_entry` takes what is made here of a file, a folder or a link, whatever its chunks are.

    :raises DXFInvalidDocumentError: it does not: a file system may allow longer names, or later times
    """
    read_entry({**entry._replace(size=0).document(), 'chunks': []}, [])


def read_chunks(document: Json, packs: list[int]) -> list[Chunk]:
    """Read the chunks of an entry, and nothing else of it; what is no file has none.

    :raises DXFInvalidDocumentError: one of them cannot be right
    """
    chunks = document.get('chunks', []) if isinstance(document, dict) else None
    if not isinstance(chunks, list):
        raise DXFInvalidDocumentError('invalid snapshot: the chunks of a file are no list')
    return [_chunk(b'', chunk, packs) for chunk in chunks]


def check_original(entry: Entry, found: Entry | None) -> Entry:
    """Return the file of which an entry is another name.

    :param found: what is at its target
    :raises DXFInvalidDocumentError: that is no file
    """
    if found is None or found.kind != FILE:
        raise _invalid(entry.path, 'it is another name of no file')
    return found


def check_path(path: bytes) -> None:
    """Check that a path stays within its folder.

    Names of a snapshot may have all characters that systems allow: they are those of the source.

    :raises DXFInvalidDocumentError: it leads out, is absolute, or no system takes it
    """
    parts = path.split(b'/')
    if b'' in parts or b'.' in parts or b'..' in parts or b'\0' in path:
        raise _invalid(path, 'unsafe path')
    if len(path) > MAX_PART and (len(path) > MAX_PATH or max(map(len, parts)) > MAX_PART):
        raise _invalid(path, 'its path is too long')


def _file(path: bytes, document: Json, packs: list[int]) -> Entry:
    chunks = tuple(_chunk(path, chunk, packs) for chunk in member(document, 'chunks', list))
    size = _number(document, 'size', MAX_SIZE)
    if sum(chunk.size for chunk in chunks) != size:
        raise _invalid(path, 'its chunks do not have its size')
    sha256 = member(document, 'sha256', str)
    if _HEX.fullmatch(sha256) is None:
        raise _invalid(path, 'its sha256 is no hash')
    return Entry(path, FILE, _mode(document), _time(path, document), size, sha256, chunks,
                 owner=attributes.read_owner(document), xattrs=attributes.read_xattrs(document))


def _folder(path: bytes, document: Json, _packs: list[int]) -> Entry:
    return Entry(path, FOLDER, _mode(document), _time(path, document), owner=attributes.read_owner(document),
                 xattrs=attributes.read_xattrs(document))


def _link(path: bytes, document: Json, _packs: list[int]) -> Entry:
    target = _bytes_of(document, 'target')
    if not 0 < len(target) <= MAX_TARGET or b'\0' in target:
        raise _invalid(path, 'no link can have its target')
    mtime = _time(path, document) if 'mtime' in document else 0
    return Entry(path, LINK, mtime=mtime, target=target, owner=attributes.read_owner(document))


def _hardlink(path: bytes, document: Json, _packs: list[int]) -> Entry:
    target = _bytes_of(document, 'target')
    check_path(target)
    if target >= path:  # so there are no circles
        raise _invalid(path, 'it is another name of a file that does not stand before it')
    return Entry(path, HARDLINK, target=target)


_READERS: dict[str, Callable[[bytes, Json, list[int]], Entry]] = {
    FILE: _file, FOLDER: _folder, LINK: _link, HARDLINK: _hardlink}


def _chunk(path: bytes, document: Json, packs: list[int]) -> Chunk:
    if not isinstance(document, list) or list(map(type, document)) != CHUNK_TYPES:  # a bool is no int here
        raise _invalid(path, 'a chunk is no list of four numbers and a hash')
    pack, offset, length, size, digest = chunk = Chunk(*document)
    if pack == ZERO_PACK and chunk == zeros(size) and 0 < size <= MAX_SIZE:
        return chunk
    if not 0 <= pack < len(packs) or offset < 0 or offset + length > packs[pack]:
        raise _invalid(path, 'a chunk is outside its pack')
    if not 0 < length <= size <= MAX_CHUNK:
        raise _invalid(path, 'the size of a chunk cannot be right')
    if _HEX.fullmatch(digest) is None:
        raise _invalid(path, 'the hash of a chunk is not valid')
    return chunk


def _mode(document: Json) -> int:
    return _number(document, 'mode', MAX_MODE)


def _number(document: Json, key: str, most: int) -> int:
    number: int = member(document, key, int)
    if not 0 <= number <= most:
        raise DXFInvalidDocumentError(f'invalid document: {key} is out of range')
    return number


def _time(path: bytes, document: Json) -> int:
    match = _MTIME.fullmatch(member(document, 'mtime', str))
    if match is None:
        raise _invalid(path, 'its mtime is no time')
    sign, seconds, fraction = match.groups('')
    time = int(seconds + fraction.ljust(9, '0'))
    return -time if sign else time


def _shown_time(mtime: int) -> str:
    seconds, fraction = divmod(abs(mtime), BILLION)
    return f'{"-" if mtime < 0 else ""}{seconds}.{fraction:09d}'


def text_member(key: str, content: bytes) -> dict[str, Json]:
    """Return bytes as a member that JSON can hold."""
    try:
        return {key: content.decode('utf-8')}
    except UnicodeDecodeError:
        return {f'{key}64': base64.b64encode(content).decode('ascii')}


def _bytes_of(document: Json, key: str) -> bytes:
    """Return the bytes of a member that :func:`text_member` wrote."""
    if isinstance(document, dict) and f'{key}64' in document and key not in document:
        try:
            return base64.b64decode(member(document, f'{key}64', str), validate=True)
        except (binascii.Error, ValueError):
            raise DXFInvalidDocumentError(f'invalid document: {key}64 is no base64') from None
    try:
        return bytes(member(document, key, str).encode('utf-8'))
    except UnicodeEncodeError:
        raise DXFInvalidDocumentError(f'invalid document: {key} is not UTF-8') from None


def _invalid(path: bytes, reason: str) -> DXFInvalidDocumentError:
    name = f'{shown(path)}: ' if path else ''  # a stream has none
    return DXFInvalidDocumentError(f'invalid snapshot: {name}{reason}')


def shown(path: bytes) -> str:
    """Return a path as a message shows it."""
    return shortened(path.decode('utf-8', 'backslashreplace'), MAX_PART)
