"""Spelling of names: for a name that is not valid, one like it that is."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from dxf.exceptions import DXFInvalidNameError
from dxf.names import check_alias, check_repository

_NOT_IN_ALIAS = r'(?a)[^A-Za-z0-9_.-]+'
_NOT_IN_REPOSITORY = r'(?a)[^a-z0-9/]+'


def about_spelling(message: str, operands: Sequence[str]) -> str:
    """Return the hint for an operand that a message calls an invalid name, and no more; empty without one like it."""
    for operand in operands:
        name = operand.removeprefix('@')
        like = ''
        if message == _error_of(check_alias, name):
            like = _alias_like(name)
        elif message == _error_of(check_repository, name):
            like = _repository_like(name)
        if like:
            return f'; {like} would be right' + ('; is a variable unset?' if '' in name.split('/') else '')
    return ''


def _error_of(check: Callable[[str], str], name: str) -> str:
    """Return what a check says of a name."""
    try:
        check(name)
    except DXFInvalidNameError as error:
        return str(error)
    return ''


def _alias_like(name: str) -> str:
    """Return a valid alias for what may be a date of ``date -Is``, a branch or a sentence; empty without one."""
    if '@' in name or '://' in name:  # an address, which may hold a password
        return ''
    like = re.sub(_NOT_IN_ALIAS, '-', _in_utc(name)).lstrip('.-').rstrip('-')
    try:
        return check_alias(like)
    except DXFInvalidNameError:
        return ''


def _in_utc(name: str) -> str:
    """Return a time with an offset in UTC, in which ``prune`` reads times in aliases; another name unchanged."""
    try:
        time = datetime.fromisoformat(name)
        return name if time.tzinfo is None else time.astimezone(timezone.utc).strftime('%Y-%m-%dT%H-%M-%S')
    except (ValueError, OverflowError):
        return name


def _repository_like(name: str) -> str:
    """Return a valid repository for one in other letters; empty for an address, which has hints of its own."""
    if ':' in name or '@' in name:
        return ''
    parts = re.sub(_NOT_IN_REPOSITORY, '-', name.lower()).split('/')
    like = '/'.join(filter(None, (part.strip('-') for part in parts)))
    try:
        return check_repository(like)
    except DXFInvalidNameError:
        return ''
