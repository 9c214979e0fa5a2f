"""Patterns: which files of those that operands name are stored, by their names.

A pattern is compared with a name part by part. ``*``, ``?`` and ``[...]`` stand for characters within one part, as in a
shell; upper and lower case differ. ``**`` as a part stands for any number of parts. A pattern without ``/`` is compared
with the last part of a name, one with ``/`` with the whole name. A pattern that fits a folder stands for everything in
it. With ``/`` at its end it fits folders only. These are not the patterns of gitignore: those are for snapshots, and
``dxf.snapshots.exclusion`` reads them.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from dxf.exceptions import DXFInvalidNameError

ANY_PARTS = '**'


class Pattern:
    """A pattern, and whether it was of use.

    :raises DXFInvalidNameError: no name can fit it
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_used = False
        self._is_for_folders = text.endswith('/')
        parts = text.removeprefix('./').removesuffix('/').split('/')
        if not all(parts) or {'.', '..'} & set(parts):
            raise DXFInvalidNameError(f'invalid pattern {text!r}: names are relative, with one / between their parts')
        self._parts = [ANY_PARTS, *parts] if len(parts) == 1 else parts

    def fits(self, path: str, is_folder: bool = False) -> bool:
        """Return whether a name, or a folder that it is in, fits."""
        places = self._behind_any({0})
        *folders, last = path.split('/')
        for part in folders:
            places = self._next(places, part)
            if len(self._parts) in places:
                return self._use()
        is_candidate = is_folder or not self._is_for_folders
        return is_candidate and len(self._parts) in self._next(places, last) and self._use()

    def _use(self) -> bool:
        self.is_used = True
        return True

    def _next(self, places: set[int], part: str) -> set[int]:
        """Return the places in the pattern after one more part of a name."""
        found = set()
        for place in places:
            if place < len(self._parts):
                if self._parts[place] == ANY_PARTS:
                    found.add(place)
                elif fnmatchcase(part, self._parts[place]):
                    found.add(place + 1)
        return self._behind_any(found)

    def _behind_any(self, places: set[int]) -> set[int]:
        """Return places, and those that follow where ``**`` stands for no more parts."""
        found = set(places)
        for place in sorted(places):
            while place < len(self._parts) and self._parts[place] == ANY_PARTS:
                place += 1
                found.add(place)
        return found


class Patterns:
    """Patterns of the files to store.

    :param include: only files that fit one of these are stored; all if empty
    :param exclude: files that fit one of these are not stored, whatever ``include`` says
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = [Pattern(text) for text in include]
        self._exclude = [Pattern(text) for text in exclude]

    def is_excluded(self, path: str, is_folder: bool) -> bool:
        """Return whether a file, or a folder with all that is in it, is not stored."""
        return _fits_any(self._exclude, path, is_folder)

    def is_included(self, path: str, is_folder: bool) -> bool:
        """Return whether a file that is not excluded is stored; a folder, whether all that is in it is."""
        return not self._include or _fits_any(self._include, path, is_folder)

    @property
    def has_includes(self) -> bool:
        """Whether only files that fit a pattern are stored."""
        return bool(self._include)

    @property
    def unused_includes(self) -> list[str]:
        """The patterns of ``include`` that no file fits."""
        return [pattern.text for pattern in self._include if not pattern.is_used]

    @property
    def unused_excludes(self) -> list[str]:
        """The patterns of ``exclude`` that no file fits."""
        return [pattern.text for pattern in self._exclude if not pattern.is_used]


def _fits_any(patterns: list[Pattern], path: str, is_folder: bool) -> bool:
    """Return whether a name fits one of several patterns; all are tried, and remember that they were of use."""
    return sum(pattern.fits(path, is_folder) for pattern in patterns) > 0


ALL = Patterns()
"""The patterns of everything."""
