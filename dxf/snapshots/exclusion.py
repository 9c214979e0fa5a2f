"""Exclusion: which files a backup leaves out, by patterns of gitignore that are given, and those of files.

``ignore_patterns`` reads the patterns. ``dxf.artifacts.patterns`` has those of ``push-files``, which are of another
kind.
"""

from collections.abc import Sequence

from dxf.arguments import several
from dxf.exceptions import DXFInvalidNameError
from dxf.snapshots.ignore_patterns import IgnorePattern, IgnorePatterns

IGNORE_FILE = b'.dxfignore'
"""The name of a file with patterns, for the folder that it is in and all below it."""

CACHE_TAG = b'CACHEDIR.TAG'
CACHE_SIGNATURE = b'Signature: 8a477f597d28d172789f06886806bc55'
"""How the file begins that marks a folder as a cache: https://bford.info/cachedir/."""

MAX_FILE = 1 << 20
"""Bytes that a file with patterns may have."""


class Exclusion:
    """Tells what is left out of a snapshot.

    :param patterns: relative to each folder that is stored; they win over those of files
    :param without_caches: of folders that are marked as caches, only the mark is stored
    :raises DXFInvalidNameError: a pattern is not valid
    """

    def __init__(self, patterns: Sequence[str] = (), without_caches: bool = False) -> None:
        self._given = _read(several(patterns, 'Wanted', 'exclude='), '') if patterns else None
        self.without_caches = without_caches
        self._patterns: dict[bytes, IgnorePatterns] = {}
        """The patterns of files, by the path of their folder."""

    def add(self, folder: bytes, content: bytes) -> None:
        """Add the patterns of a file.

        :param folder: the path of the folder that the file is in
        :raises DXFInvalidNameError: one of them is not valid
        """
        # As git does: other characters that end a line elsewhere may be in a name.
        lines = [line.removesuffix('\r') for line in content.decode('utf-8', 'surrogateescape').split('\n')]
        self._patterns[folder] = _read(lines, f' in {folder.decode("utf-8", "backslashreplace")}/.dxfignore')

    def covers(self, path: bytes, is_folder: bool, root: bytes) -> bool:
        """Return whether something is left out.

        :param root: the path of the folder that is stored, to which the patterns that were given are relative
        """
        if self._given is None and not self._patterns:
            return False
        found = None if self._given is None else _checked(self._given, path, is_folder, root)
        folder = path
        while found is None and folder:
            folder = folder.rpartition(b'/')[0]
            if folder in self._patterns:
                found = _checked(self._patterns[folder], path, is_folder, folder)
        return found is True


def _checked(patterns: IgnorePatterns, path: bytes, is_folder: bool, folder: bytes) -> bool | None:
    """Return whether patterns leave out a path, or keep it; ``None`` if none of them is about it."""
    inner = path[len(folder) + 1:] if folder else path
    return patterns.excludes(inner.decode('utf-8', 'surrogateescape'), is_folder)


def _read(lines: Sequence[str], place: str) -> IgnorePatterns:
    """Return the patterns of lines.

    :param place: where the lines are from, for the message
    """
    patterns = []
    for line in lines:
        try:
            patterns.append(IgnorePattern.parse(line))
        except ValueError:
            raise DXFInvalidNameError(f'invalid pattern {line[:255]!r}{place}: want one of gitignore') from None
    return IgnorePatterns(pattern for pattern in patterns if pattern is not None)
