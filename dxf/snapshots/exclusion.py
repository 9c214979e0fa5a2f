"""Exclusion: which files a backup leaves out, by patterns of gitignore. The only module that knows pathspec.

https://git-scm.com/docs/gitignore#_pattern_format

``dxf.artifacts.patterns`` has the patterns of ``push-files``, which are of another kind.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from dxf.arguments import several
from dxf.exceptions import DXFError, DXFInvalidNameError
from dxf.snapshots.compression import INSTALL

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
        self._given = _spec(several(patterns, 'Wanted', 'exclude='), '') if patterns else None
        self.without_caches = without_caches
        self._specs: dict[bytes, Any] = {}
        """The patterns of files, by the path of their folder."""

    def add(self, folder: bytes, content: bytes) -> None:
        """Add the patterns of a file.

        :param folder: the path of the folder that the file is in
        :raises DXFInvalidNameError: one of them is not valid
        """
        # As git does: other characters that end a line elsewhere may be in a name.
        lines = [line.removesuffix('\r') for line in content.decode('utf-8', 'surrogateescape').split('\n')]
        self._specs[folder] = _spec(lines, f' in {folder.decode("utf-8", "backslashreplace")}/.dxfignore')

    def covers(self, path: bytes, is_folder: bool, root: bytes) -> bool:
        """Return whether something is left out.

        :param root: the path of the folder that is stored, to which the patterns that were given are relative
        """
        if self._given is None and not self._specs:
            return False
        found = None if self._given is None else _checked(self._given, path, is_folder, root)
        folder = path
        while found is None and folder:
            folder = folder.rpartition(b'/')[0]
            if folder in self._specs:
                found = _checked(self._specs[folder], path, is_folder, folder)
        return found is True


def _checked(spec: Any, path: bytes, is_folder: bool, folder: bytes) -> bool | None:
    """Return whether patterns leave out a path, or keep it; ``None`` if none of them is about it."""
    inner = path[len(folder) + 1:] if folder else path
    text = inner.decode('utf-8', 'surrogateescape') + ('/' if is_folder else '')
    found: bool | None = spec.check_file(text).include
    return found


def _spec(patterns: Sequence[str], place: str) -> Any:
    try:
        pathspec = import_module('pathspec')
    except ModuleNotFoundError:
        raise DXFError(f'patterns need pathspec, which is not installed: {INSTALL}') from None
    for pattern in patterns:
        try:
            pathspec.GitIgnoreSpec.from_lines([pattern])
        except ValueError:
            raise DXFInvalidNameError(f'invalid pattern {pattern[:255]!r}{place}: want one of gitignore') from None
    # For pathspec "a/**" covers "a/", the folder itself. For git it covers what is in it, as "a/*" does.
    return pathspec.GitIgnoreSpec.from_lines(pattern[:-1] if pattern.endswith('/**') else pattern
                                             for pattern in patterns)
