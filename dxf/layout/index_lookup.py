"""What is known of an index: a file that stays the same is parsed once, for all lookups and changes.

Without this, to look at each of 20,000 aliases would parse an index of 4 MiB 20,000 times, and so would setting them.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from dxf.layout.names import digest_of, known_digest, name_of
from dxf.local.atomic_files import open_regular
from dxf.strict_json import Json, load_json

MAX_SIZE = 8 << 20
"""Bytes of the largest index that is remembered; a larger one is read each time, in memory that does not grow."""

MAX_CHANGED = 5 << 20
"""Bytes of the largest index that is remembered when it is changed: that takes six times as much memory."""

SETTLED = 2.0
"""Seconds from a change until a file counts as settled. Two changes in one tick of its clock look like one."""

T = TypeVar('T')
Version = tuple[int, ...]
Parse = Callable[[bytes, dict[str, str]], Iterator[tuple[Json, str]]]
"""Yields the entries of an index, and the text of each; the texts of its other fields come into the dictionary."""


class KnownIndex(NamedTuple):
    """What one content of an index means. It is never changed, so that threads may share it.

    :param fields: the texts of its fields, without the entries
    :param texts: those of the entries, in their order, by numbers that grow
    :param numbers: those of the entries that a name or a digest may mean
    """

    content: bytes
    fields: dict[str, str]
    texts: dict[int, str]
    numbers: dict[str, list[int]]

    @classmethod
    def parsed(cls, content: bytes, parse: Parse) -> 'KnownIndex':
        """Return what a content means.

        :raises DXFInvalidDocumentError: what ``parse`` raises
        """
        known = cls(content, {}, {}, {})
        for number, (entry, text) in enumerate(parse(content, known.fields)):
            known.texts[number] = text
            for key in _keys_of(entry):
                known.numbers.setdefault(key, []).append(number)
        return known

    def entries_of(self, *keys: str) -> dict[int, Json]:
        """Return the entries that names or digests may mean, in their order, by their numbers."""
        numbers = {number for key in keys for number in self.numbers.get(key, ())}
        return {number: load_json(self.texts[number]) for number in sorted(numbers)}

    def changed(self, gone: Mapping[int, Json], added: Iterable[tuple[Json, str]]) -> 'KnownIndex':
        """Return what the index means without some entries, and with others at its end; its content is not known."""
        texts = {number: text for number, text in self.texts.items() if number not in gone}
        numbers = dict(self.numbers)
        for key in {key for entry in gone.values() for key in _keys_of(entry)}:
            left = [number for number in numbers.pop(key) if number not in gone]
            if left:
                numbers[key] = left
        for number, (entry, text) in enumerate(added, 1 + next(reversed(self.texts), 0)):
            texts[number] = text
            for key in _keys_of(entry):
                numbers[key] = [*numbers.get(key, ()), number]
        return KnownIndex(b'', self.fields, texts, numbers)


class IndexLookup:
    """Remembers the entries of one index. Several threads may ask; at worst each of them parses the file."""

    def __init__(self) -> None:
        self._is_asked = False
        """Whether there was a question. Most commands ask once: the second question has the index remembered."""
        self._known: tuple[Version | None, KnownIndex | None] = (None, None)

    def entries(self, path: str, key: str, parse: Parse) -> Iterable[Json] | None:
        """Return the entries that a name or a digest may mean, in their order; others may be among them.

        :param path: of the index
        :return: ``None`` if the index is to be read without remembering it
        :raises DXFInvalidDocumentError: what ``parse`` raises
        """
        version, known = self._known
        if known is None or version is None or version != _version_of(path):
            is_asked, self._is_asked = self._is_asked, True
            known = self.current(path, parse) if is_asked else None
        return None if known is None else known.entries_of(key).values()

    def current(self, path: str, parse: Parse, most: int | None = None) -> KnownIndex | None:
        """Return what the index means now: what is known, if the file is the same, byte for byte.

        :param most: bytes of the largest index that is remembered; ``None`` for ``MAX_SIZE``
        :return: ``None`` if it is missing, cannot be read, or is too large to be remembered
        :raises DXFInvalidDocumentError: what ``parse`` raises
        """
        version = _version_of(path)  # before the content: what is remembered is at least as new
        content = _content_of(path, MAX_SIZE if most is None else most)
        if content is None:
            return None
        known = self._known[1]
        if known is None or known.content != content:
            known = KnownIndex.parsed(content, parse)
        self._known = version, known
        return known

    def remember(self, known: KnownIndex) -> None:
        """Remember an index that was written just now."""
        self._known = None, known if len(known.content) <= MAX_CHANGED else None


class Remembered(Generic[T]):
    """Remembers what was found out about a layout, as long as its index stays the same."""

    def __init__(self) -> None:
        self._known: tuple[Version, T] | None = None

    def get(self, path: str, find: Callable[[], T]) -> T:
        """Return what is known, or found out now.

        :param path: of the index
        """
        version, known = _version_of(path), self._known
        if known is not None and version == known[0]:
            return known[1]
        found = find()
        if version is not None and _version_of(path) == version:
            self._known = version, found
        return found


def _content_of(path: str, most: int) -> bytes | None:
    """Return the content of a file; ``None`` if it cannot be read, or has more bytes than ``most``."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            content = b''
            while size <= most and len(content) <= most and (piece := file.read(size + 1)):
                content += piece
    except OSError:
        return None
    return content if max(size, len(content)) <= most else None


def _version_of(path: str) -> Version | None:
    """Return numbers that differ after each change of a file; ``None`` where the file must be read each time.

    That is a file that was changed just now, is missing, or is too large to remember.
    """
    try:
        with open_regular(path) as file:  # network file systems look for changes when a file is opened
            found = os.fstat(file.fileno())
    except OSError:
        return None
    if found.st_size > MAX_SIZE or max(found.st_mtime, found.st_ctime) > time.time() - SETTLED:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _keys_of(entry: Json) -> set[str]:
    """Return the names and digests that may mean an entry: of a full reference its tag, too."""
    name, digest = name_of(entry), digest_of(entry)
    keys = {digest, known_digest(entry), name, name if name is None else name.rpartition(':')[2]}
    return {key for key in keys if key is not None}
