"""Entry tables: the entries of a snapshot, found by their paths, in bounded memory.

Paths are in memory, about 130 bytes an entry. All else is in a temporary file, and is read when it is wanted.
"""

import os
import tempfile
import weakref
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import Any

from dxf.exceptions import DXFFileNotFoundError, DXFIsADirectoryError
from dxf.hints import add_hint
from dxf.snapshots.entries import FOLDER, HARDLINK, LINK, Entry, check_original, shown
from dxf.snapshots.index import IndexReader

MAX_LINKS = 40
"""Links that are followed from one path, as Linux does: https://man7.org/linux/man-pages/man7/path_resolution.7.html"""

SHOWN = 20
"""The most names that the error for a wrong path lists."""


class EntryTable:
    """The entries of a snapshot by their paths. Several threads may use it.

    :param index: it is read whole, and checked
    :raises DXFInvalidDocumentError: something in it cannot be right
    """

    def __init__(self, index: IndexReader) -> None:
        self._index = index
        self.packs = index.packs
        """The digests and sizes of the packs, in the order of their numbers."""
        self._paths: list[bytes] = []
        self._ends = array('Q', [0])
        self._lines: Any = tempfile.TemporaryFile()
        weakref.finalize(self, self._lines.close)
        for line, entry in index.entry_lines():
            self._lines.write(line)
            self._paths.append(entry.path)
            self._ends.append(self._ends[-1] + len(line))
        self._lines.flush()

    def _entry(self, number: int) -> Entry:
        start, end = self._ends[number:number + 2]
        return self._index.entry(os.pread(self._lines.fileno(), end - start, start))

    def find(self, path: bytes) -> Entry | None:
        """Return the entry at a path; ``None`` where nothing is. No link is followed."""
        number = bisect_left(self._paths, path)
        return self._entry(number) if self._paths[number:number + 1] == [path] else None

    def children(self, folder: bytes) -> Iterator[bytes]:
        """Yield the paths of what is directly in a folder; of all that is in no folder for an empty path."""
        start = folder + b'/' if folder else b''
        number = bisect_left(self._paths, start)
        while number < len(self._paths) and self._paths[number].startswith(start):
            path = self._paths[number]
            inner = path.find(b'/', len(start))
            if inner < 0:
                yield path
                number += 1
            else:  # the next path behind those in that folder: "a0" follows "a/"
                number = bisect_left(self._paths, path[:inner] + b'0', number)

    def file(self, path: bytes) -> Entry:
        """Return a file; for another name of a file, that file.

        :raises DXFFileNotFoundError: there is nothing, or a link
        :raises DXFIsADirectoryError: it is a folder
        """
        entry = self.find(path)
        if entry is None or entry.kind == LINK:
            raise self.missing(path, entry)
        if entry.kind == FOLDER:
            raise DXFIsADirectoryError(shown(path), 'it is a folder')
        return self.original(entry)

    def missing(self, path: bytes, link: Entry | None = None) -> DXFFileNotFoundError:
        """Return the error for a path at which there is no file.

        :param link: a link that is there
        """
        error = DXFFileNotFoundError(shown(path), self._near(path))
        if link is not None:
            add_hint(error, f'it is a link to {shown(link.target)!r}')
        return error

    def _near(self, path: bytes) -> list[str]:
        """Return a few names in the folder that a path is in; of the snapshot, if there is no such folder."""
        parent = path.rpartition(b'/')[0]
        entry = self.find(parent)
        names = self.children(parent if entry is not None and entry.kind == FOLDER else b'')
        return [shown(name) for name, _ in zip(names, range(SHOWN), strict=False)]

    def original(self, entry: Entry) -> Entry:
        """Return the file of which an entry is another name; else the entry itself.

        :raises DXFInvalidDocumentError: it is another name of something else
        """
        return check_original(entry, self.find(entry.target)) if entry.kind == HARDLINK else entry

    def followed(self, path: bytes) -> Entry | None:
        """Return what is at a path when links are followed; ``None`` if one leads to nothing, or out of the snapshot.
        """
        left = deque(path.split(b'/'))
        place: list[bytes] = []
        links = 0
        while left:
            part = left.popleft()
            if part == b'..':
                if not place:
                    return None
                place.pop()
            elif part not in (b'', b'.'):
                place.append(part)
                entry = self.find(b'/'.join(place))
                if entry is not None and entry.kind == LINK:
                    links += 1
                    if links > MAX_LINKS or entry.target.startswith(b'/'):
                        return None
                    place.pop()
                    left.extendleft(reversed(entry.target.split(b'/')))
        found = self.find(b'/'.join(place))
        return None if found is None else self.original(found)
