"""Bounds of deletions: how many aliases may go at once."""

from dxf.counts import counted
from dxf.exceptions import DXFError


def check_number(count: int, most: int | None) -> None:
    """Check that no more aliases would be deleted than the caller allows.

    :param most: ``None`` for any number
    :raises DXFError: there are more
    """
    if most is not None and count > most:
        raise DXFError(f'{counted(count, "alias", "aliases")} would be deleted, and at most {most} may be: none was '
                       'deleted')
