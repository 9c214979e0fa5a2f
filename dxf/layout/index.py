"""Index files: ``index.json`` of a layout, read and written entry by entry, in memory that does not grow with it.

``folder`` decides when an index is replaced, ``names`` what its entries mean.
https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#indexjson-file
"""

import os
import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO

from dxf.exceptions import DXFInvalidDocumentError
from dxf.strict_json import Json, dump_json, load_json, load_part

MAX_LENGTH = 64 << 20
"""Maximum size of an index, in bytes, for reading and for writing."""

MAX_ENTRIES = 250_000
"""Maximum number of its entries: their names are kept in memory, about 100 bytes each."""

NEXT_STEP = '; delete aliases, or use another repository'
"""What to do about an index that would exceed a limit, at the end of an error message."""

MAX_VALUE_LENGTH = 512 << 10
"""Maximum size of one entry, or of another field. Parsed JSON takes up to 25 times the memory of its text."""

ENTRIES = 'manifests'
_INSIDE_NUMBER = ('', '.', 'e', 'E')
"""What may follow the beginning of a number, at the end of the text that has been read so far."""
_PIECE = 64 << 10
_SPACE = re.compile(r'[ \t\n\r]*')
_COMMA = re.compile(r'[ \t\n\r]*,[ \t\n\r]*')


class _Text:
    """JSON text that is read from a file as far as it is needed."""

    def __init__(self, file: BinaryIO) -> None:
        # Before anything is read: this is the quick answer to a file of many gigabytes. What grows while it is read is
        # caught in _read.
        if file.seek(0, os.SEEK_END) > MAX_LENGTH:
            raise DXFInvalidDocumentError(f'larger than {MAX_LENGTH} bytes')
        file.seek(0)
        self._file = file
        self._decode = getincrementaldecoder('utf-8')().decode
        self._text = ''
        self._start = 0
        self._left = MAX_LENGTH + 1
        self._is_whole = False

    def _read(self, size: int) -> None:
        """Add at least one character to the text, or find that there are no more."""
        piece = self._file.read(min(size, self._left))
        self._left -= len(piece)
        if not self._left:
            raise DXFInvalidDocumentError(f'larger than {MAX_LENGTH} bytes')
        self._is_whole = not piece
        try:
            added = self._decode(piece, self._is_whole)
        except UnicodeDecodeError:
            raise DXFInvalidDocumentError('invalid JSON: not UTF-8') from None
        self._text = self._text[self._start:] + added
        self._start = 0

    def peek(self) -> str:
        """Return the next character that is no white space, an empty string at the end."""
        while True:
            match = _SPACE.match(self._text, self._start)
            self._start = self._start if match is None else match.end()
            if self._start < len(self._text):
                return self._text[self._start]
            if self._is_whole:
                return ''
            self._read(_PIECE)

    def take(self, *wanted: str) -> str:
        """Return the next character, which must be one of those wanted."""
        found = self.peek()
        if found not in wanted:
            raise DXFInvalidDocumentError('invalid JSON: ' + (f'{found!r} is misplaced' if found else 'it breaks off'))
        self._start += 1
        return found

    def value(self) -> tuple[Json, str]:
        """Return the next value, and its text."""
        self.peek()
        while True:
            found = load_part(self._text, self._start)
            # At the end of what was read, 12 may be the beginning of 123 or of 1.5e3. So the next character must be
            # known.
            if found is not None and (self._is_whole or self._text[found[1]:found[1] + 1] not in _INSIDE_NUMBER):
                text = self._text[self._start:found[1]]
                self._start = found[1]
                return found[0], text
            if self._is_whole:
                load_json(self._text[self._start:])  # it tells what is wrong
                raise DXFInvalidDocumentError('invalid JSON')
            # Without this bound one endless string would be held in memory as a whole.
            if len(self._text) - self._start > MAX_VALUE_LENGTH:
                raise DXFInvalidDocumentError(f'invalid JSON, or a value of more than {MAX_VALUE_LENGTH} bytes')
            # Twice as much each time. With a fixed step, parsing a long value would be quadratic.
            self._read(max(_PIECE, len(self._text) - self._start))

    def has_next(self) -> bool:
        """Return whether another element of a list follows, and go on to it, or behind the list."""
        # One match for the usual case: an index of 250,000 entries is read character by character otherwise.
        comma = _COMMA.match(self._text, self._start)
        if comma is not None and comma.end() < len(self._text):
            self._start = comma.end()
            return True
        return self.take(',', ']') == ','


def entries_in(file: BinaryIO, fields: dict[str, str]) -> Iterator[tuple[Json, str]]:
    """Yield the entries of an index with their texts, in their order.

    The file is read to its end, so that what follows the last entry is checked too.

    :param fields: receives the texts of all fields by name, in their order; that of the entries is empty
    :raises DXFInvalidDocumentError: it is no index, or exceeds a limit
    """
    text = _Text(file)
    size = 0
    for name in _members(text):
        fields[name] = ''
        if name != ENTRIES:
            _, fields[name] = text.value()
            size += len(name) + len(fields[name])
            if size > MAX_VALUE_LENGTH:
                raise DXFInvalidDocumentError(f'invalid index: fields of more than {MAX_VALUE_LENGTH} bytes')
        elif text.peek() == '[':
            yield from _elements(text)
        else:
            raise DXFInvalidDocumentError('invalid index: manifests is no list')
    if text.peek():
        raise DXFInvalidDocumentError('invalid JSON: something follows the index')
    if ENTRIES not in fields:
        raise DXFInvalidDocumentError('invalid index: manifests is no list')


def _members(text: _Text) -> Iterator[str]:
    """Yield the names of the members of an object; the caller reads each value before it asks for the next name."""
    if text.peek() != '{':
        text.value()
        raise DXFInvalidDocumentError('invalid JSON: not an object')
    text.take('{')
    if text.peek() == '}':
        text.take('}')
        return
    seen: set[str] = set()
    while True:
        if text.peek() != '"':
            text.take('"')
        name, _ = text.value()
        # Parsers differ in which of two equal keys they take, so two tools would see two indexes. dxf refuses such a
        # text everywhere.
        if name in seen:
            raise DXFInvalidDocumentError('invalid JSON: a key stands twice in one object')
        seen.add(name)
        text.take(':')
        yield name
        if text.take(',', '}') == '}':
            return


def _elements(text: _Text) -> Iterator[tuple[Json, str]]:
    text.take('[')
    if text.peek() == ']':
        text.take(']')
        return
    for _ in range(MAX_ENTRIES):
        yield text.value()
        if not text.has_next():
            return
    raise DXFInvalidDocumentError(f'invalid index: more than {MAX_ENTRIES} entries')


def write_index(write: Callable[[bytes], None], fields: Mapping[str, str], entries: Iterable[str]) -> None:
    """Write an index.

    :param write: takes the next bytes
    :param fields: texts by name, as :func:`entries_in` finds them
    :param entries: the texts of the entries
    :raises DXFInvalidDocumentError: it would exceed a limit for reading
    """
    size, pending = 0, ''
    # Gathered, so that an entry does not cost a system call of its own.
    for piece in _pieces(fields, entries):
        pending += piece
        if len(pending) >= _PIECE:
            size += _flush(write, pending, size)
            pending = ''
    _flush(write, pending, size)


def _flush(write: Callable[[bytes], None], text: str, size: int) -> int:
    content = text.encode('utf-8')
    if size + len(content) > MAX_LENGTH:
        raise DXFInvalidDocumentError(f'the index would be larger than {MAX_LENGTH} bytes{NEXT_STEP}')
    write(content)
    return len(content)


def _pieces(fields: Mapping[str, str], entries: Iterable[str]) -> Iterator[str]:
    separator = '{'
    for name, text in fields.items():
        yield f'{separator}\n {dump_json(name)}: '
        separator = ','
        if name != ENTRIES:
            yield text
            continue
        opening = '['
        for number, entry in enumerate(entries):
            if number == MAX_ENTRIES:
                raise DXFInvalidDocumentError(f'the index would have more than {MAX_ENTRIES} entries{NEXT_STEP}')
            if len(entry) > MAX_VALUE_LENGTH:
                raise DXFInvalidDocumentError(f'an entry of the index would be larger than {MAX_VALUE_LENGTH} bytes')
            yield f'{opening}\n  {entry}'
            opening = ','
        yield '[]' if opening == '[' else '\n ]'
    yield '\n}'
