"""Patterns of gitignore: which paths they cover.

https://git-scm.com/docs/gitignore#_pattern_format

What that page leaves open is as git does it: a set ``[...]`` never covers a slash, and may have classes such as
``[:digit:]``; a pattern that does not end a set covers nothing.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_CLASSES = {'alnum': '0-9A-Za-z', 'alpha': 'A-Za-z', 'blank': r' \t', 'cntrl': r'\x00-\x1f\x7f', 'digit': '0-9',
            'graph': r'\x21-\x7e', 'lower': 'a-z', 'print': r'\x20-\x7e',
            'punct': r'\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e', 'space': r' \t\n\r', 'upper': 'A-Z',
            'xdigit': '0-9A-Fa-f'}
"""The characters of the classes of a set."""

_PIECE = r'\\(?P<literal>.)|(?P<stars>\*+)|(?P<any>\?)|(?P<set>\[)|(?P<plain>.)'
_ITEM = r'\[:(?P<name>[^\]]*):\]|(?:\\(?P<literal>.)|(?P<plain>.))(?:-(?!\])(?:\\(?P<end>.)|(?P<last>.)))?'
"""An item of a set: a class, a character, or the first and the last of a range."""


class IgnorePattern(NamedTuple):
    """A pattern.

    :param names: the regular expression of what it covers
    :param excludes: whether that is left out; else it is kept
    :param is_for_folders: it covers folders alone
    :param is_for_paths: it is compared with a whole path; else with the last part
    """

    names: re.Pattern[str]
    excludes: bool
    is_for_folders: bool
    is_for_paths: bool

    @classmethod
    def parse(cls, line: str) -> 'IgnorePattern | None':
        """Return the pattern of a line; ``None`` for a comment, and for a line that covers nothing.

        :raises ValueError: it ends with a backslash, or consists of ``!``
        """
        if line.startswith('#'):
            return None
        text = _without_spaces(line)
        excludes = not text.startswith('!')
        text = text.removeprefix('!')
        if not text and not excludes:
            raise ValueError('a pattern follows !')
        is_for_folders = text.endswith('/')
        text = text.removesuffix('/')
        is_for_paths = '/' in text
        text = text.removeprefix('/')
        expression = _expression(text) if text else None
        return None if expression is None else \
            cls(re.compile(expression, re.DOTALL), excludes, is_for_folders, is_for_paths)

    def covers(self, path: str, is_folder: bool) -> bool:
        """Return whether it covers a path."""
        if self.is_for_folders and not is_folder:
            return False
        return self.names.fullmatch(path if self.is_for_paths else path.rpartition('/')[2]) is not None


class IgnorePatterns:
    """Several patterns, of which the last one that covers a path decides."""

    def __init__(self, patterns: Iterable[IgnorePattern]) -> None:
        self._last_first = list(patterns)[::-1]

    def excludes(self, path: str, is_folder: bool) -> bool | None:
        """Return whether a path is left out, or kept; ``None`` if no pattern covers it.

        The folders that it is in are not looked at: what is in one that is left out is not asked for.
        """
        return next((pattern.excludes for pattern in self._last_first if pattern.covers(path, is_folder)), None)


def _without_spaces(line: str) -> str:
    """Return a line without the spaces at its end; one behind a backslash belongs to the pattern."""
    found = re.fullmatch(r'((?:\\.|[^\\])*?) *', line, re.DOTALL)
    return line if found is None else found[1]


def _expression(text: str) -> str | None:
    """Return the regular expression of a pattern; ``None`` if a set in it has no end, or no such class.

    :raises ValueError: it ends with a backslash
    """
    expression = ''
    position = 0
    while position < len(text):
        found = re.compile(_PIECE, re.DOTALL).match(text, position)
        if found is None or text[position:] == '\\':
            raise ValueError('a backslash is at the end')
        start, position = position, found.end()
        if found['set']:
            item = _set(text, position)
            if item is None:
                return None
            piece, position = item
        elif found['stars']:
            piece, position = _stars(text, start, position)
        else:
            piece = '[^/]' if found['any'] else re.escape(found['literal'] or found['plain'])
        expression += piece
    return expression


def _stars(text: str, start: int, end: int) -> tuple[str, int]:
    """Return the regular expression of asterisks, and where the pattern goes on."""
    is_part = end - start > 1 and text[start - 1:start] in ('', '/') and text[end:end + 1] in ('', '/')
    if not is_part:
        return '[^/]*', end
    return ('(?:.*/)?', end + 1) if end < len(text) else ('.*', end)


def _set(text: str, start: int) -> tuple[str, int] | None:
    """Return the regular expression of a set, and where the pattern goes on; ``None`` if it has no end.

    :param start: behind the bracket
    """
    is_negated = text[start:start + 1] in ('!', '^')
    position = first = start + is_negated
    items = ''
    while position == first or text[position:position + 1] != ']':
        found = re.compile(_ITEM, re.DOTALL).match(text, position)
        if found is None or found['name'] is not None and found['name'] not in _CLASSES:
            return None
        items += _CLASSES[found['name']] if found['name'] is not None else _range(found)
        position = found.end()
    if is_negated:
        return f'[^/{items}]', position + 1
    return f'(?!/)[{items}]', position + 1


def _range(found: re.Match[str]) -> str:
    """Return a character, or the first and the last of a range, for a set of a regular expression."""
    first = found['literal'] or found['plain']
    last = found['end'] or found['last'] or first
    return f'{re.escape(first)}-{re.escape(last)}' if first < last else re.escape(first)
