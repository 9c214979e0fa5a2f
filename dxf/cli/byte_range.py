"""Ranges of bytes, as ``--range`` gives them: in the form of HTTP.

https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2
"""

import re
from typing import NamedTuple

from dxf.cli.context import UsageError
from dxf.exceptions import DXFError

# 19 digits hold every size of 63 bits. int() raises ValueError for thousands of digits.
_RANGE = r'(?a)([0-9]{0,19})-([0-9]{0,19})'


class ByteRange(NamedTuple):
    """A range: the first byte and the last one; without the first one, the last bytes, so many."""

    text: str
    first: int | None
    last: int | None

    def within(self, size: int) -> tuple[int, int]:
        """Return the first byte, and the one after the last, of a content of ``size`` bytes.

        :raises DXFError: it has no byte in the range
        """
        if self.first is None:
            start, end = max(size - (self.last or 0), 0), size
        else:
            start, end = self.first, size if self.last is None else min(self.last + 1, size)
        if start >= end:
            raise DXFError(f'--range={self.text}: there are only {size} bytes')
        return start, end


def parse(text: str) -> ByteRange:
    """Return the range that a text means: ``0-99`` the first 100 bytes, ``100-`` all after them, ``-8`` the last 8.

    :raises UsageError: it is no range
    """
    found = re.fullmatch(_RANGE, text)
    first, last = (int(digits) if digits else None for digits in found.groups()) if found else (None, None)
    is_empty = last == 0 if first is None else last is not None and last < first
    if first is None and last is None or is_empty:
        raise UsageError(f'invalid range {text[:100]!r}: want FIRST-LAST (0-99 are the first 100 bytes), FIRST- or, '
                         'for the last bytes, -COUNT')
    return ByteRange(text, first, last)
