"""Attributes: owners and extended attributes of files, as the system has them and as a line of an index has them.

``entries`` reads and writes the other members of a line; ``attribute_setter`` restores attributes.
"""

import base64
import binascii
import errno
import grp
import os
import pwd
from functools import lru_cache
from typing import NamedTuple

from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.strict_json import Json, is_utf_8, member

MAX_NUMBER = (1 << 32) - 2
"""The largest number of a user or a group; the next one stands for none."""

MAX_NAME = 255
MAX_VALUE = 64 << 10
"""Bytes of a name, and of a value. Linux allows as many: https://man7.org/linux/man-pages/man7/xattr.7.html"""

MAX_NAMES = 64 << 10
"""Bytes that the names of all attributes of a file may have together."""

Xattrs = tuple[tuple[str, bytes], ...]
"""Names and values, sorted."""


class Owner(NamedTuple):
    """The owner and the group of a file, by number and by name; a name that is not known is empty."""

    uid: int
    gid: int
    user: str = ''
    group: str = ''


@lru_cache(maxsize=1024)
def _name_of(number: int, is_group: bool) -> str:
    try:
        name = grp.getgrgid(number).gr_name if is_group else pwd.getpwuid(number).pw_name
    except (KeyError, OverflowError):
        return ''
    return name if is_utf_8(name) and len(name.encode()) <= MAX_NAME else ''


def owner_of(status: os.stat_result) -> Owner:
    """Return the owner of a file."""
    return Owner(status.st_uid, status.st_gid, _name_of(status.st_uid, False), _name_of(status.st_gid, True))


def check_xattrs() -> None:
    """Check that this system can read extended attributes.

    :raises DXFError: Python cannot, as on macOS
    """
    if not hasattr(os, 'listxattr'):
        raise DXFError('extended attributes cannot be read or set here: Python does so on Linux only')


def xattrs_of(file: int) -> Xattrs:
    """Return the extended attributes of an open file; a file system without them has none.

    :raises OSError: they cannot be read
    """
    try:
        names = os.listxattr(file)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return ()
    values = ((name, _value_of(file, name)) for name in names if is_utf_8(name))
    return tuple(sorted((name, value) for name, value in values if value is not None))


def _value_of(file: int, name: str) -> bytes | None:
    """Return the value of an extended attribute that was listed; ``None`` if it was removed meanwhile.

    :raises OSError: it cannot be read
    """
    try:
        return os.getxattr(file, name)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return None


# As a line of an index has them

def owner_document(owner: Owner) -> dict[str, Json]:
    """Return the members of an owner; names that are not known are left out."""
    return {key: value for key, value in owner._asdict().items() if value != ''}


def xattrs_document(xattrs: Xattrs) -> Json:
    """Return attributes as a JSON object, the values in base64."""
    return {name: base64.b64encode(value).decode('ascii') for name, value in xattrs}


def read_owner(document: Json) -> Owner | None:
    """Read an owner from a line that is not trusted; ``None`` where it has none.

    :raises DXFInvalidDocumentError: it cannot be right
    """
    if not isinstance(document, dict) or 'uid' not in document and 'gid' not in document:
        return None
    numbers = [member(document, key, int) for key in ('uid', 'gid')]
    names = [member(document, key, str) if key in document else '' for key in ('user', 'group')]
    if not all(0 <= number <= MAX_NUMBER for number in numbers) or not all(map(_is_user_name, names)):
        raise DXFInvalidDocumentError('invalid document: its owner cannot be right')
    return Owner(*numbers, *names)


def _is_user_name(name: str) -> bool:
    return is_utf_8(name) and len(name.encode()) <= MAX_NAME and '\0' not in name


def read_xattrs(document: Json) -> Xattrs | None:
    """Read attributes from a line that is not trusted; ``None`` where it has none.

    :raises DXFInvalidDocumentError: they cannot be right
    """
    if not isinstance(document, dict) or 'xattrs' not in document:
        return None
    found = {name: _value(value) for name, value in member(document, 'xattrs', dict).items()}
    if not all(name and _is_user_name(name) for name in found) or \
            sum(len(name.encode()) + 1 for name in found) > MAX_NAMES:
        raise DXFInvalidDocumentError('invalid document: no file can have its extended attributes')
    return tuple(sorted(found.items()))


def _value(value: Json) -> bytes:
    """Return the value of an attribute."""
    try:
        if isinstance(value, str):
            content = base64.b64decode(value, validate=True)
            if len(content) <= MAX_VALUE:
                return content
    except (binascii.Error, ValueError):
        pass
    raise DXFInvalidDocumentError('invalid document: the value of an extended attribute is no base64, or too long')
