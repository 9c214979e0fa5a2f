"""Mistakes: what is typed as for other programs, or in another order, and what to write in its place.

``about_unknown`` returns the whole message. The others return what a message ends with; empty where they do not know
the mistake. Names of commands are in ``command_mistakes``, options of other programs in ``option_mistakes``, hints
about a single operand in ``operand_mistakes`` and ``repository_mistakes``, or in ``names`` where they hold for the
library too. What a registry lacks is explained by ``not_found``.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence

from dxf.cli.command import Command
from dxf.cli.option_mistakes import CREDENTIALS, HOST_BY, about_option
from dxf.exceptions import DXFError

ALIAS_SECOND = ('push-files', 'attach', 'set-alias')
"""Commands whose alias stands before what it names."""

_HOST = r'(?a)localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+(?::[0-9]+)?|[a-z0-9.-]+:[0-9]+'
"""What can only be a registry."""

OF_ALL_ALIASES = {'prune': '--match=GLOB looks at some aliases only; dxf del-alias deletes one',
                  'du': 'it counts all aliases; dxf inspect prints the size of one'}
"""What to do for one alias, where a command takes none."""

WITHOUT_OPERANDS = ('list-repos', 'login', 'logout')
MOST_WORDS = 20
"""The most words of one file's name that are put together for a message."""

TAKE_FILES = (*ALIAS_SECOND, 'push-blob', 'verify')


def about_unknown(arguments: Sequence[str], flags: Sequence[str], command: str) -> str:
    """Return what is wrong with options that do not exist. Their values are left out: one may be a password.

    :param flags: the options that exist
    :param command: the command that they follow; empty for those before it
    """
    given = [argument for argument in arguments if argument.startswith('-')]
    names = [argument.partition('=')[0] if argument.startswith('--') else argument[:2] for argument in given]
    near = nearest(names[0], flags) if names else ''
    hint = next(filter(None, (_about_dash(argument) or about_option(command, name, flags)
                              for argument, name in zip(given, names, strict=True))), '')
    if not hint and command == 'login':
        hint = f'; {CREDENTIALS}'
    elif not hint:
        hint = f'; did you mean {near}?' if near else '' if command else '; options follow the command'
    return f'unrecognized arguments: {" ".join(names)}{hint}'


def _about_dash(argument: str) -> str:
    """Return what to write for a file whose name begins with a dash; empty if it is not there."""
    return f'; a file is written {shlex.quote(os.path.join(os.curdir, argument))}' if os.path.lexists(argument) else ''


def about_taken(options: Mapping[str, object], command: Command, first: str, message: str) -> str:
    """Return what an option took as its value, where the repository is missing and the value looks like one.

    :param first: the first operand; empty without one
    :param message: about the repository, or about the number of operands
    """
    if _is_only_repository(first) and not message.startswith('too few '):
        return ''
    for option in command.options:
        value = options.get(option.flags[-1].lstrip('-').replace('-', '_'))
        is_taken = option.has_value and isinstance(value, str) and '/' in value and _is_only_repository(value)
        if is_taken and not os.path.lexists(str(value)):
            return f'; {option.flags[0]} took {value} as its {option.value}: write {option.flags[0]} {option.value}'
    return ''


CLOSE = 0.7
"""How similar a name must be to be suggested, from 0 to 1: ``--file`` is not meant as ``--force``."""


def nearest(name: str, names: Sequence[str]) -> str:
    """Return the most similar name; empty if none is similar."""
    import difflib
    longer = [other for other in names if name.startswith(other) and other.startswith('--')]
    words = {other.lstrip('-'): other for other in names}  # two dashes make short names similar
    near = difflib.get_close_matches(name.lstrip('-'), words, 1, CLOSE)
    return next(iter(longer or [words[word] for word in near]), '')


def about_surplus(command: str, operands: Sequence[str]) -> str:
    """Return what follows the message about too many operands: where there may be none, most are a registry."""
    if command == 'list-aliases':
        return '; --prefix=TEXT lists those that start with TEXT'
    if command in OF_ALL_ALIASES:
        return f'; {OF_ALL_ALIASES[command]}'
    if command not in WITHOUT_OPERANDS:
        return ''
    first, *others = operands
    # Another word may be a password, which is not shown.
    is_host = not others and re.fullmatch(_HOST, first) is not None
    by_host = f'the registry is given by dxf {command} --host={first}' if is_host else HOST_BY
    return f'; {by_host}' + (f'; {CREDENTIALS}' if command == 'login' else '')


def about_missing(line: str, operands: Sequence[str]) -> str:
    """Return what ``push-blob`` lacks, where too little was given.

    :param line: how the command is written
    :param operands: all of them, the repository among them
    """
    first, *rest = operands or ['']
    if not all(operand.startswith('@') for operand in rest):
        return ''
    is_file = os.path.isfile(first) or first == '-'
    return f'; the repository comes first: {line}' if is_file else '; - is standard input' if first else ''


def about_order(command: str, line: str, operands: Sequence[str]) -> str:
    """Return the right order of operands that cannot be right, where they seem to stand in another.

    :param line: how the command is written
    :param operands: all of them, the repository among them
    """
    first, *rest = operands or ['']
    spaced = _with_spaces(rest)
    if spaced:
        return f'; a name with spaces stands in quotation marks: {shlex.quote(spaced)}, or "$NAME"'
    if _is_repository_later(command, first, rest):
        return f'; the repository comes first: {line}'
    if len(rest) < 2:
        return ''
    if command in ALIAS_SECOND and _is_content(rest[0]):
        return _about_alias_second(line, rest)
    is_before_files = command == 'verify' and os.path.exists(rest[-1]) and _is_alias(rest[0].removeprefix('@'))
    if is_before_files or command == 'backup' and rest[0].startswith('@') and os.path.isdir(rest[-1]):
        return f'; the alias comes last: {line}'
    return ''


def _with_spaces(operands: Sequence[str]) -> str:
    """Return the path of which a shell made several operands, where its parts are no paths; else an empty text."""
    for start, first in enumerate(operands):
        words = [first]
        for word in operands[start + 1:start + MOST_WORDS] if not os.path.lexists(first) else ():
            words.append(word)
            if os.path.lexists(' '.join(words)):
                return ' '.join(words)
    return ''


def _about_alias_second(line: str, rest: Sequence[str]) -> str:
    """Return the hint for what an alias names, in the place of the alias."""
    if _is_alias(rest[-1].removeprefix('@')):
        return f'; the alias comes second: {line}'
    is_no_alias = '/' in rest[0] or is_digest(rest[0])
    return f'; the alias is missing: {line}' if is_no_alias and all(map(_is_content, rest)) else ''


def _is_repository_later(command: str, first: str, rest: Sequence[str]) -> bool:
    """Return whether a repository stands behind what it should stand before."""
    later = [operand for operand in rest if _is_only_repository(operand) and not os.path.lexists(operand)]
    if not _is_only_repository(first):  # a repository with a mistake of its own is in its place
        return bool(later) and (first.startswith(('@', '.', '/', '~')) or _is_content(first))
    if command in TAKE_FILES:
        return bool(later) and (os.path.isfile(first) or '/' not in first and _is_second(command, first, rest, later))
    return '/' not in first and rest[:1] == later[:1] and any('/' in operand for operand in rest[:1])


def _is_second(command: str, first: str, rest: Sequence[str], later: Sequence[str]) -> bool:
    """Return whether what looks like a repository is in the second place, and no path that is only missing."""
    is_path = '/' in rest[0] and rest[0] == later[0]
    is_missing_file = os.path.lexists(os.path.dirname(rest[0]))
    return is_path and (command in ALIAS_SECOND or os.path.isdir(first) and not is_missing_file)


def _is_content(operand: str) -> bool:
    """Return whether an operand is a file or a digest."""
    return operand != '' and os.path.lexists(operand) or is_digest(operand)


def is_digest(operand: str) -> bool:
    """Return whether an operand is the digest of a blob, in one of its two forms."""
    from dxf import names
    try:
        names.complete_digest(operand)
    except DXFError:
        return False
    return True


def is_repository(text: str) -> bool:
    """Return whether a text can be the name of a repository; 64 hexadecimal digits can be one, too."""
    from dxf import names
    try:
        names.check_repository(text)
    except DXFError:
        return False
    return True


def _is_only_repository(operand: str) -> bool:
    return is_repository(operand) and not is_digest(operand)


def _is_alias(operand: str) -> bool:
    from dxf import names
    try:
        names.check_alias(operand)
    except DXFError:
        return False
    return not _is_content(operand)
