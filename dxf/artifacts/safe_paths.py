"""Safe paths: the names of files within one folder, as a manifest that is not trusted gives them.

``staging`` gives files their names.
"""

import os
import unicodedata
from collections.abc import Iterable

from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError
from dxf.strict_json import printable

MAX_FILES = 100_000
"""Maximum number of files and folders in one alias."""

MAX_BYTES = 16 << 20
"""Bytes that their paths may have together, with those of the folders that they are in: 167 for each, if there are as
many as there may be. A compressed archive of 300 KB could hold 300 MB of them.
"""

MAX_PART_LENGTH = 255
MAX_PATH_LENGTH = 3000
MAX_PARTS = 64
"""Bytes of a name and of all of a path, which systems allow, and how deep folders may be nested."""

HIDDEN = '.dxf-files.'
"""How the names of the hidden folders begin in which files are until all of them are there."""

_JOINERS = dict.fromkeys((0x200c, 0x200d))
"""Format characters that some languages, and emoji, cannot be written without; unlike others they hide nothing."""


def check_path(path: str) -> str:
    """Return ``path`` if it is safe: it stays within its folder, and can be shown.

    :param path: relative, its parts joined by ``/``
    :raises DXFInvalidNameError: it is absolute, leads out, is empty, too long or has characters that deceive
    """
    reason = _fault(path)
    if reason is not None:
        raise DXFInvalidNameError(f'unsafe file name {path[:MAX_PART_LENGTH]!r}: {reason}')
    return path


def is_hidden(name: str) -> bool:
    """Return whether a name is that of a hidden folder of dxf, by the rules of whatever file system."""
    return name.casefold().startswith(HIDDEN)


def with_parents(paths: Iterable[str]) -> set[str]:
    """Return checked paths, and those of the folders that they are in; the empty path is the target folder."""
    found = {''}
    for path in paths:
        while path not in found:
            found.add(path)
            path = os.path.dirname(path)
    return found


def _fault(path: str) -> str | None:
    parts = path.split('/')
    shown = path.translate(_JOINERS)
    faults = {
        'it is empty': not path,
        'it is absolute': path.startswith('/'),
        'it leads out of its folder': '..' in parts,
        'a part of it is empty, or a dot': '' in parts or '.' in parts,
        f'a part of it begins with {HIDDEN}': any(map(is_hidden, parts)),
        'it has a backslash': '\\' in path,
        'it has characters that cannot be shown':
            printable(shown) != shown or not all(map(str.strip, shown.split('/'))),
    }
    for reason, is_so in faults.items():
        if is_so:
            return reason
    is_long = len(parts) > MAX_PARTS or len(path.encode('utf-8')) > MAX_PATH_LENGTH or \
        any(len(part.encode('utf-8')) > MAX_PART_LENGTH for part in parts)
    return 'it is too long' if is_long else None


def key_of(path: str) -> str:
    """Return a key that is equal for paths that differ only by upper and lower case."""
    folded = unicodedata.normalize('NFC', path.translate(_JOINERS)).casefold()
    return unicodedata.normalize('NFC', folded)


class Paths:
    """Paths that are to be in one folder, no two of them the same file, on whatever file system."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[bytes, bool]] = {}
        self._folders: set[bytes] = set()
        self._bytes = 0

    def add(self, path: str, is_folder: bool = False) -> None:
        """Add a path, and the folders that it is in.

        :raises DXFInvalidNameError: it is unsafe, or is there already, by the same spelling or by upper and lower case
        :raises DXFInvalidDocumentError: there are too many
        """
        parts = check_path(path).encode('utf-8').split(b'/')
        for count in range(self._count_known(parts) + 1, len(parts)):
            self._note(b'/'.join(parts[:count]), True)
        self._note(b'/'.join(parts), is_folder)

    def _count_known(self, parts: list[bytes]) -> int:
        """Return how many parts lead to a folder that is known; usually that is the one which the path is in."""
        return next((count for count in range(len(parts) - 1, 0, -1) if b'/'.join(parts[:count]) in self._folders), 0)

    def _note(self, path: bytes, is_folder: bool) -> None:
        key = key_of(path.decode('utf-8')).encode('utf-8')
        if key not in self._known:
            self._remember(path, path if key == path else key, is_folder)
            return
        known, was_folder = self._known[key]
        start = f'unsafe file name {path.decode("utf-8")[:MAX_PART_LENGTH]!r}: '
        if known != path:
            raise DXFInvalidNameError(f'{start}by upper and lower case alone it differs from '
                                      f'{known.decode("utf-8")[:MAX_PART_LENGTH]!r}')
        if not (is_folder and was_folder):
            raise DXFInvalidNameError(f'{start}it is there twice')

    def _remember(self, path: bytes, key: bytes, is_folder: bool) -> None:
        self._known[key] = (path, is_folder)
        if is_folder:
            self._folders.add(path)
        self._bytes += len(path)
        if len(self._known) > MAX_FILES:
            raise DXFInvalidDocumentError(f'there are more than {MAX_FILES} files')
        if self._bytes > MAX_BYTES:
            raise DXFInvalidDocumentError(f'the names of the files have more than {MAX_BYTES} bytes')
