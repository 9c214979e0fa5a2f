"""Permissions: what a file or folder of this machine lacks, where the system denied access to it."""

import errno
import os
import pwd
from shlex import quote

DENIED = (errno.EACCES, errno.EPERM)


def about_denied(path: object) -> str:
    """Return the hint for a whole path that cannot be read, made or changed; empty where that is not known."""
    if not isinstance(path, str) or not os.path.isabs(path):
        return ''
    if not os.path.lexists(path):
        return _about_folder(os.path.dirname(path.rstrip(os.sep)))
    owned = _owned(path).removeprefix(': ')
    if owned:
        return owned
    if not os.access(path, os.R_OK):
        return f'chmod u+r {quote(path)} permits it'
    folder = os.path.dirname(path)
    if not os.path.isdir(path) and not os.access(folder, os.W_OK):
        return _about_folder(folder)
    return '' if os.access(path, os.W_OK) else f'chmod u+w {quote(path)} permits it'


def _about_folder(folder: str) -> str:
    """Return the hint for what cannot be made or reached in a folder, or in the first one above that is there."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    lacks = 'be entered' if not os.access(folder, os.X_OK) else 'be written to'
    return f'the folder {folder} cannot {lacks}{_owned(folder)}'


def _owned(path: str) -> str:
    """Return whose file it is, and who runs this; empty if it is the user's own."""
    owner = os.lstat(path).st_uid
    return '' if owner == os.geteuid() else f': it belongs to {_user(owner)}, and this is run by {_user(os.geteuid())}'


def _user(number: int) -> str:
    """Return the name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # containers run with numbers that have no name
        return f'user {number}'
