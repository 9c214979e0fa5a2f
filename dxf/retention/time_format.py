"""Time formats: how a time stands in the name of an alias."""

import re
from datetime import datetime, timedelta, timezone

_DIRECTIVES = {'Y': r'(?P<Y>[0-9]{4})', 'm': r'(?P<m>[0-9]{2})', 'd': r'(?P<d>[0-9]{2})', 'H': r'(?P<H>[0-9]{2})',
               'M': r'(?P<M>[0-9]{2})', 'S': r'(?P<S>[0-9]{2})', 'y': r'(?P<y>[0-9]{2})', 'j': r'(?P<j>[0-9]{3})',
               's': r'(?P<s>[0-9]{1,12})', '%': '%'}
"""The directives of a format, each with what it matches in a name."""

_DATES = ('Y', 'y', 's')

_USUAL = ''.join((
    r'(?P<Y>(?:19|20)[0-9]{2})(?P<p>[-._]?)(?P<m>[0-9]{2})(?P=p)(?P<d>[0-9]{2})',
    r'(?:[-._tT]?(?P<H>[01][0-9]|2[0-3])(?P<q>[-._:]?)(?P<M>[0-5][0-9])(?:(?P=q)(?P<S>[0-5][0-9]))?[zZ]?)?'))
"""2026-11-28, 2026.11.28 or 20261128; with 03-00, 03-00-00, 0300 or 030000 behind it, after T, a sign or nothing."""


class TimeFormat:
    """Reads times in names of aliases, in UTC.

    The time may stand anywhere in the name, with no letter or digit directly before or behind it.

    :param text: ``%Y %m %d %H %M %S %y %j %s`` as ``date`` has them, and other text as it stands; ``None`` for the
        usual forms
    :raises ValueError: there is another directive, one is there twice, or no date can be made of them
    """

    def __init__(self, text: str | None = None) -> None:
        pattern = _USUAL if text is None else _pattern_of(text)
        self._pattern = re.compile(f'(?<![0-9A-Za-z])(?:{pattern})(?![0-9A-Za-z])', re.ASCII)

    def time_of(self, name: str) -> datetime | None:
        """Return the time in a name, the first if there are several; ``None`` without one."""
        for found in self._pattern.finditer(name):
            time = _time_from({key: int(value) for key, value in found.groupdict().items()
                               if value is not None and key in _DIRECTIVES})
            if time is not None:
                return time
        return None


def _pattern_of(text: str) -> str:
    """Return the regular expression of a format."""
    used: set[str] = set()
    pieces = re.split(r'%(.?)', text, flags=re.DOTALL)
    pattern = re.escape(pieces[0])
    for directive, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        if directive not in _DIRECTIVES or directive in used:
            raise ValueError(f'invalid format {text!r}: it takes each of %Y %m %d %H %M %S %y %j %s once, and %%')
        used |= {directive} - {'%'}
        pattern += _DIRECTIVES[directive] + re.escape(literal)
    if not used.intersection(_DATES):
        raise ValueError(f'invalid format {text!r}: it has no year; write one such as nightly-%Y-%m-%d')
    return pattern


def _time_from(parts: dict[str, int]) -> datetime | None:
    """Return the time that the numbers in a name make; ``None`` if there is no such time."""
    try:
        if 's' in parts:
            return datetime.fromtimestamp(parts['s'], timezone.utc)
        year = parts['Y'] if 'Y' in parts else 2000 + parts['y']
        time = datetime(year, parts.get('m', 1), parts.get('d', 1), parts.get('H', 0), parts.get('M', 0),
                        min(parts.get('S', 0), 59), tzinfo=timezone.utc)
        return time + timedelta(days=parts['j'] - 1) if 'j' in parts else time
    except (ValueError, OverflowError, OSError):
        return None
