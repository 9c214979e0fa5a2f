"""Mistakes in one operand: a file, a hash or an alias that cannot be one, and what to write in its place.

Each function returns what a message ends with; empty where it does not know the mistake. Operands in another order,
options and commands are in ``mistakes``.
"""

import os
import re
import shlex
from collections.abc import Sequence
from glob import glob

from dxf.cli.mistakes import is_digest
from dxf.cli.permissions import DENIED, about_denied

NAMES_STORED = '; dxf set-alias gives a name to what is stored'
ONLY_FOR_PUSH_BLOB = '; - is standard input for dxf push-blob alone'
_ALIASES_ONE_BY_ONE = '; aliases are named one by one: dxf list-aliases prints them'
_HASHES = 'dxf get-alias prints those of an alias'
_LOWER = '; a hash is written in lower case'
_QUOTES = ('"', "'")
_URL = r'(?ais)(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.*)'
_PART_OF_HASH = r'(?a)sha256:[a-f0-9]{0,63}|[a-f0-9]{7,63}'
_WILD = r'[*?\[]'
_ASSIGNMENT = r'(?a)[A-Za-z_][A-Za-z0-9_]*='
_OF_SHELLS = ('cd', 'pushd', 'source', '.', 'export', 'set', 'shopt', 'ulimit', 'umask', 'unset')
_NOT_BY_SHELL = 'a shell replaces ~ and $NAME outside of quotation marks alone: write the whole path'
_UNREPLACED = r'(?a)~[^/]*|\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[^}]*\})'
_REGISTRIES = ('docker', 'oci', 'containers-storage', 'registry')


def about_empty(operand: str) -> str:
    """Return what an operand without any text may come from."""
    return '' if operand else '; is a variable unset?'


def about_file(operand: str) -> str:
    """Return what to write in place of a file that is not there."""
    if operand == '-' or is_digest(operand):
        return ONLY_FOR_PUSH_BLOB if operand == '-' else NAMES_STORED
    if os.path.islink(operand):
        return f'; it is a link to {os.readlink(operand)}'
    url = re.fullmatch(_URL, operand)
    if url is not None:
        return _about_url(url['scheme'].lower(), url['rest'])
    if operand[:1] in _QUOTES and operand[:1] == operand[-1:] and os.path.lexists(operand[1:-1]):
        return '; the quotation marks are part of the name: leave them out'
    if operand.startswith('~') or re.match(r'\$[A-Za-z_{]', operand):
        return f'; {_NOT_BY_SHELL}'
    return _about_pattern(operand) if re.search(_WILD, operand) else _about_files(operand)


def _about_pattern(operand: str) -> str:
    """Return the hint for a pattern that no shell has replaced, as none of its files is there, or as it is quoted."""
    return '; a shell replaces a pattern outside of quotation marks alone' if glob(operand) else \
        '; no file here matches the pattern'


def _about_files(operand: str) -> str:
    """Return the hint for a file behind an ``@``, as curl has it, or for several files that are one operand."""
    if operand.startswith('@') and os.path.lexists(operand[1:]):
        return f'; a file is written {operand[1:]}'
    parts = operand.split()
    if len(parts) > 1 and all(map(os.path.lexists, parts)):
        return '; several files are given one by one: leave out the quotation marks around all of them'
    return _about_joined(operand)


def _about_url(scheme: str, rest: str) -> str:
    if scheme == 'file':
        return f'; a file is written {rest}'
    if scheme in _REGISTRIES:
        return '; dxf copy copies from one registry to another'
    fetched = 'curl -fsSL URL' if scheme in ('http', 'https') else '<command>...'
    return f'; a program fetches it: dxf push-blob <repo> [@alias] -- {fetched}'


def _about_joined(operand: str) -> str:
    """Return the hint for an alias that is joined to a file, as in ``name.txt@alias``."""
    for sign in '@:':
        file, _, alias = operand.rpartition(sign)
        if file and alias and os.path.isfile(file):
            return f'; {file} is a file: the alias {alias} is given by itself'
    return ''


def about_digest(operand: str) -> str:
    """Return what to write in place of a hash that is not valid."""
    if not is_digest(operand) and is_digest(operand.lower()):
        return _LOWER
    if re.fullmatch(_PART_OF_HASH, operand):
        return f'; a hash is given whole: {_HASHES}'
    if operand.startswith('@'):
        return f'; {_HASHES}'
    if operand.startswith(':'):
        return f'; an alias is written @{operand[1:]}'
    return _ALIASES_ONE_BY_ONE if re.search(_WILD, operand) else ''


def about_alias(operand: str) -> str:
    """Return what to write in place of an alias that is not valid."""
    if not is_digest(operand) and is_digest(operand.lower()):
        return _LOWER
    if is_digest(operand):
        return '; dxf get-manifest and dxf inspect take the hash of a manifest, dxf pull-blob that of a blob'
    return _ALIASES_ONE_BY_ONE if re.search(_WILD, operand) else ''


def about_output(filename: str, number: int | None) -> str:
    """Return what to do about a file that cannot be written.

    :param number: of the error
    """
    denied = about_denied(os.path.abspath(filename)) if number in DENIED else ''
    if denied:
        return f'; {denied}'
    unlike = unreplaced(filename)
    if unlike:
        return f'; {unlike}'
    folder = os.path.dirname(filename.rstrip(os.sep))
    if filename.endswith(os.sep) or os.path.isdir(filename):
        return f'; name a file in it, such as {os.path.join(filename, "blob")}'
    return '' if os.path.lexists(folder or os.curdir) else f'; make the folder first: mkdir -p {folder}'


def unreplaced(path: str) -> str:
    """Return what to write for a path that begins with what a shell replaces; empty if that is there.

    A shell replaces the ~ of ``--to ~/out``, and not that of ``--to=~/out``.
    """
    word = re.match(_UNREPLACED, path)
    if word is None or os.path.lexists(path.split(os.sep)[0]):
        return ''
    meant = f'$HOME{path[1:]}' if word[0] == '~' else 'the whole path'
    return f'{word[0]} is not replaced here: write {meant}, or ./{path} if that is its name'


def about_program(command: list[str]) -> str:
    """Return what to write for a program that cannot be started."""
    if len(command) == 1 and any(sign in command[0] for sign in '|<>&;'):
        return f'a shell runs pipes and the like: -- bash -o pipefail -c {shlex.quote(command[0])}'
    if len(command) == 1 and ' ' in command[0]:
        return f'write its words without quotes around all of them: -- {command[0]}'
    return _about_shell(command) or 'what follows -- is a program and its arguments'


def _about_shell(command: list[str]) -> str:
    """Return what to write for what a shell runs or replaces; empty for everything else."""
    program = command[0]
    if program in _OF_SHELLS:
        return 'a shell has it: -- bash -c ' + shlex.quote(f'{shlex.join(command)} && <command>...')
    if re.match(_ASSIGNMENT, program):
        return f'env sets variables: -- env {shlex.join(command)}'
    if re.match(_UNREPLACED, program):
        return _NOT_BY_SHELL
    if program.startswith('-') and os.path.isfile(program):
        return f'a file stands before the @alias, without --: {shlex.quote(os.path.join(os.curdir, program))}'
    if os.path.isfile(program) and os.sep not in program:
        return f'a program in this folder is written ./{program}'
    is_plain = os.path.isfile(program) and not os.access(program, os.X_OK)
    return f'chmod +x {shlex.quote(program)} makes a program of it' if is_plain else ''


def about_excluded(pattern: str, folders: Sequence[str]) -> str:
    """Return what to write in place of a pattern of ``backup`` that is a path, as for rsync or tar; empty if it fits.

    :param folders: those to be stored, to which a pattern with a ``/`` is relative
    """
    wild = re.search(_WILD, pattern)
    path = pattern.rstrip(os.sep) if wild is None else pattern[:wild.start()].rpartition(os.sep)[0]
    rest = pattern[len(path):]
    if os.sep not in path + rest.rstrip(os.sep):
        return ''
    for folder in folders:
        inner = os.path.relpath(path or os.sep, folder)
        if inner.split(os.sep)[0] != os.pardir and os.path.lexists(path) and not _is_in(folder, path):
            return os.path.normpath(os.sep + inner) + rest if inner != os.curdir else rest
    return pattern.removeprefix(os.curdir) if pattern.startswith(f'{os.curdir}{os.sep}') else ''


def _is_in(folder: str, path: str) -> bool:
    """Return whether a path that begins at a folder, as patterns do, leads to something."""
    is_plain = path.split(os.sep)[0] not in (os.curdir, os.pardir)
    return is_plain and os.path.lexists(os.path.join(folder, path.lstrip(os.sep)))
