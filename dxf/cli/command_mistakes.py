"""Mistakes in the name of a command: what other programs call it, and the whole line to type in its place."""

import os
from collections.abc import Sequence
from shlex import quote

from dxf.cli.command import Command
from dxf.cli.command_table import COMMANDS as TABLE
from dxf.cli.mistakes import nearest
from dxf.cli.repository_mistakes import Address, address_of, copy_line, line_for, place

COMMANDS = {
    **dict.fromkeys(('tag', 'retag', 'set', 'name', 'alias', 'link', 'ln', 'mv', 'move', 'rename'), 'set-alias'),
    **dict.fromkeys(('rm', 'rmi', 'untag', 'delete', 'remove', 'del', 'unlink'), 'del-alias'),
    **dict.fromkeys(('ls', 'list', 'tags', 'log', 'history', 'snapshots', 'versions'), 'list-aliases'),
    **dict.fromkeys(('images', 'repos', 'repo', 'repositories', 'catalog', 'search', 'find'), 'list-repos'),
    **dict.fromkeys(('push', 'upload', 'put', 'add', 'store', 'commit', 'save', 'create', 'blob'),
                    'push-blob'),
    **dict.fromkeys(('pull', 'download', 'fetch', 'get', 'cat', 'checkout', 'load', 'read'), 'pull-blob'),
    **dict.fromkeys(('cp', 'mirror', 'sync', 'clone', 'export', 'import'), 'copy'),
    **dict.fromkeys(('info', 'stat', 'show', 'describe', 'view'), 'inspect'),
    **dict.fromkeys(('clean', 'cleanup', 'purge'), 'gc'), **dict.fromkeys(('forget', 'expire', 'rotate'), 'prune'),
    **dict.fromkeys(('check', 'fsck'), 'verify'), **dict.fromkeys(('compare', 'cmp', 'status'), 'diff'),
    **dict.fromkeys(('stats', 'df'), 'du'),
    **dict.fromkeys(('help', 'usage'), '--help'),
    **dict.fromkeys(('size', 'wc'), 'blob-size'),
    **dict.fromkeys(('unpack', 'extract'), 'pull-files'),
    **dict.fromkeys(('ping', 'capabilities', 'doctor'), 'probe'),
    'version': '--version', 'manifest': 'get-manifest', 'digest': 'get-manifest-digest', 'mount': 'mount-blob',
    'discover': 'referrers',
}
"""Commands of dxf, by the names that other programs give them."""

SECOND = {
    **dict.fromkeys(('ls', 'list', 'tags'), {'repo': 'list-repos', 'tag': 'list-aliases'}),
    **dict.fromkeys(('rm', 'del', 'delete'), {'tag': 'del-alias', 'manifest': 'del-alias', 'blob': 'del-blob'}),
    **dict.fromkeys(('get', 'fetch'), {'manifest': 'get-manifest', 'blob': 'pull-blob'}),
    **dict.fromkeys(('put', 'push'), {'blob': 'push-blob'}),
    **dict.fromkeys(('head', 'digest'), {'manifest': 'get-manifest-digest', 'blob': 'blob-size'}),
}
"""Commands of dxf, by the second word and the first one of other programs: ``tag ls``."""

_BEGINNINGS = ('init', 'mb', 'mkdir', 'create-repo')
"""Commands of other programs that make a place to store into."""

_TO_FOLDERS = ('sync', 'mirror', 'clone')
"""Commands of other programs that take folders, where ``cp`` takes files."""

_AT_THE_TOP = ('ls', 'list')
"""Commands of other programs that list the repositories where none is given."""

_TO_ANOTHER_PLACE = ('set-alias', 'copy')
"""Commands whose names in other programs take the address of a second repository."""

_TABLE = {command.name: command for command in TABLE}


def about_command(name: str, words: Sequence[str], names: Sequence[str]) -> str:
    """Return what is wrong with a command that does not exist, and what to type.

    :param words: what follows it
    :param names: the commands that exist
    """
    if name.lower() in _BEGINNINGS:
        return f'no command {name!r}: a repository begins with what is stored first: {_TABLE["push-blob"].line}'
    two = SECOND.get(words[0], {}).get(name) if words else None
    if name == 'repo' and words[:1] == ['tags']:
        two = 'list-aliases'
    known = 'list-repos' if name.lower() in _AT_THE_TOP and not words else COMMANDS.get(name.lower())
    near = two or known or nearest(name, names)
    if not near:
        return f'no command {name!r}'
    typed = f'{name} {words[0]}' if two else name
    line = _with_disk(name, words) if near == 'copy' else ''
    return f'no command {typed!r}: did you mean {line or _line(near, words[1:] if two else words)}?'


def _with_disk(name: str, words: Sequence[str]) -> str:
    """Return the line for a copy from a file or folder on disk, or to one; empty where no word is on this disk."""
    on_disk = [word for word in words if os.path.lexists(word)]
    others = [word for word in words if not os.path.lexists(word)]
    address = _address(others[0]) if others else None
    if len(words) > 2 or not on_disk or any(word.startswith('-') for word in words):
        return ''
    repository = address.repository if address is not None and address.repository else '<repo>'
    host = f' --host={address.host}' if address is not None and address.host else ''
    is_first, path = words[0] == on_disk[0], quote(on_disk[0])
    alias = f'@{address.reference}' if address is not None and address.reference else '@alias'
    if is_first:
        stored = f'push-blob {repository} {path}' if os.path.isfile(on_disk[0]) else f'backup {repository} {path}'
        return f'dxf {stored} {alias}{host}'
    fetched = f'restore {repository} {alias} --to={path}' if name in _TO_FOLDERS else \
        f'pull-blob {repository} {alias} -o FILE'
    return f'dxf {fetched}{host}'


def _line(name: str, words: Sequence[str]) -> str:
    """Return the line to type in place of a command and its operands; with options only how the command is written."""
    command = _TABLE.get(name)
    first = words[0] if words else ''
    if command is None:
        return f'dxf {first} {name}' if name == '--help' and first in _TABLE else f'dxf {name}'
    address = None if os.path.lexists(first) or any(word.startswith('-') for word in words) else _address(first)
    if address is not None and not command.operands:
        return f'dxf {name} --host={address.host or address.repository}'
    if address is None or not address.repository:
        return command.line
    others = [_other(word, is_plain_enough=name in _TO_ANOTHER_PLACE) for word in words[1:]]
    elsewhere = next((other for other in others if other is not None and place(other) != place(address)), None)
    if elsewhere is not None:
        return copy_line(address, elsewhere) if name in _TO_ANOTHER_PLACE else command.line
    rest = [word if other is None else other.reference or word for word, other in zip(words[1:], others, strict=True)]
    if name == 'set-alias':
        return _second_name(command, address, rest)
    return line_for(command, address, rest)[0]


def _address(operand: str) -> Address | None:
    """Return what an operand names; a registry alone is one too."""
    host, _, port = operand.partition(':')
    if '/' not in operand and (port.isdigit() or not port and '.' in host):
        return Address(operand, '', '')
    return address_of(operand, is_plain_enough=True)


def _other(operand: str, *, is_plain_enough: bool) -> Address | None:
    """Return what one of the other operands names, if that is another alias, a repository or a folder.

    :param is_plain_enough: it may be a repository alone
    """
    from dxf import names  # it brings hashlib, and few mistakes need it
    if names.is_folder(operand):
        return Address(operand, '', '')
    return None if os.path.lexists(operand) else address_of(operand, is_plain_enough and '/' in operand)


def _second_name(command: Command, address: Address, words: Sequence[str]) -> str:
    """Return the line for ``tag repo:old repo:new``, or ``tag repo old new``."""
    old = [address.reference] if address.reference else list(words[:1])
    new = words[len(old) - bool(address.reference):][:1]
    return line_for(command, address._replace(reference=''), [*(new or ['<alias>']), *(f'@{one}' for one in old)]
                    )[0] if old else command.line
