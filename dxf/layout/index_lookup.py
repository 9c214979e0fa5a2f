"""Lookups in an index by name or digest: a file that stays the same is read once for all of them.

Without this, to look at each of 20,000 aliases would read an index of 4 MiB 20,000 times.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from dxf.layout.names import digest_of, known_digest, name_of
from dxf.local.atomic_files import open_regular
from dxf.strict_json import Json, load_json

MAX_SIZE = 8 << 20
"""Bytes of the largest index that is remembered; a larger one is read each time, in memory that does not grow."""

SETTLED = 2.0
"""Seconds from a change until a file counts as settled. Two changes in one tick of its clock look like one."""

T = TypeVar('T')
Version = tuple[int, ...]
Read = Callable[[], Iterator[tuple[Json, str]]]
"""Yields the entries of the index, and the text of each."""


class IndexLookup:
    """Remembers the entries of one index. Several threads may ask; at worst each of them reads the file."""

    def __init__(self) -> None:
        self._asked: Version | None = None
        """The version at the last question. Most commands ask once: the second question has the index remembered."""
        self._known: tuple[Version | None, dict[str, list[str]]] = (None, {})

    def entries(self, path: str, key: str, read: Read) -> Iterable[Json]:
        """Return the entries that a name or a digest may mean, in their order; others may be among them.

        :param path: of the index
        :raises DXFInvalidDocumentError: what ``read`` raises
        """
        version = _version_of(path)
        known, texts = self._known
        if version is not None and version == known:
            return [load_json(text) for text in texts.get(key, ())]
        if version is None or version != self._asked:
            self._asked = version
            return (entry for entry, _ in read())
        texts = {}
        for entry, text in read():
            for each in _keys_of(entry):
                texts.setdefault(each, []).append(text)
        if _version_of(path) == version:
            self._known = version, texts
        return [load_json(text) for text in texts.get(key, ())]


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


def is_small(path: str) -> bool:
    """Return whether an index may be held in memory."""
    return os.path.exists(path) and os.path.getsize(path) <= MAX_SIZE


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
