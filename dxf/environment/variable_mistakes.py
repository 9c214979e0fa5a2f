"""Mistakes in the value of a variable, as files and programs make them that set it, and what to do about them."""

import os
import re
from collections.abc import Mapping

from dxf.exceptions import DXFInvalidNameError
from dxf.names import FOLDER

_LINE_ENDS = '\r\n'
_QUOTES = ('"', "'")
_UNEXPANDED = r'(?a)(?P<word>\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[^}]*\}|\([^)]*\)))[^/]*'
"""What a shell would replace, up to the end of that part of a path."""

_HOME = r'(?P<word>~[^/]*)'

_WITH_ALIAS = r'(?as)(?P<folder>.*[^/:]):(?P<alias>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})'
"""The path of a folder and an alias, as skopeo writes them."""

_NAME = r'(?a)(?:DXF|REQUESTS|SOURCE)_[A-Z_]+|[A-Z]+_PROXY'


def flaw_of(value: str) -> str:
    """Return what stands around a value and does not belong to it; empty if there is nothing of that kind."""
    if value != value.rstrip(_LINE_ENDS):
        return 'it ends with a line end: remove that'
    if len(value) > 1 and value[0] in _QUOTES and value[0] == value[-1]:
        return 'the quotation marks are part of it: remove them'
    return 'it begins or ends with a space: remove that' if value != value.strip() else ''


def flawed_host(host: str) -> str:
    """Return what is wrong with a host that is invalid, if that is what stands around it; else an empty text."""
    flaw = '' if '@' in host or host.startswith(FOLDER) else flaw_of(host)  # a password may stand before an @
    return f'invalid host {host!r}: {flaw}' if flaw else ''


def about_value(message: str, environ: Mapping[str, str]) -> str:
    """Return what the message about a variable ends with, if something stands around its value.

    :param message: begins with the variable's name
    """
    name = re.match(_NAME, message)
    value = environ.get(name[0], '') if name is not None else ''
    flaw = flaw_of(value) or (_unreplaced(value) if 'cannot ' in message else '')
    return f'; {flaw}' if flaw and flaw not in message else ''


def _unreplaced(path: str) -> str:
    """Return what to do about a path with what no program but a shell replaces; empty without that."""
    found = re.match(_HOME, path) or re.search(_UNEXPANDED, path)
    return '' if found is None else f'{found["word"]} is not replaced here: write the whole path'


def check_folder(registry: str) -> None:
    """Check the path of a folder for what a push would make a folder of: a variable, a line end, an alias.

    Programs that read variables from a file do not replace ``$HOME``, and may keep the line ends of Windows. A folder
    that exists is used, whatever its name.

    :raises DXFInvalidNameError: it has such a part
    """
    path = registry.removeprefix(FOLDER)
    # In this order: another process may make it between the two looks.
    wrong = flaw_of(path) if not os.path.lexists(path) else '' if os.path.isdir(path) else 'it is no folder'
    for found in () if wrong else re.finditer(_UNEXPANDED, path):
        if not os.path.lexists(path[:found.end()]):
            wrong = f'{found["word"]} is not replaced here: write the whole path; make the folder first if that is ' \
                'its name'
            break
    wrong = wrong or _about_alias(path)
    if wrong:
        raise DXFInvalidNameError(f'invalid folder {registry!r}: {wrong}')


def _about_alias(path: str) -> str:
    """Return what to write in place of a path that seems to end with an alias; empty if it does not, or is there."""
    found = None if os.path.lexists(path) else re.fullmatch(_WITH_ALIAS, path)
    return '' if found is None else f'the alias {found["alias"]} is given to the command: write ' \
        f'{FOLDER}{found["folder"]}; make the folder {path} first if that is its name'
