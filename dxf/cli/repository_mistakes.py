"""Mistakes in a repository: written as an address, with its alias, or as a pattern, and what to type in its place.

``names`` says what a repository is, for the library too. Here the whole command is known.
"""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from dxf.cli.command import Command, Operand
from dxf.cli.mistakes import is_repository

_ADDRESS = (r'(?ais)(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<user>[^/]*@(?=[^@]*/))?'
            r'(?P<path>[^@:]*(?::[0-9]+/[^@:]*)?)(?::(?P<alias>[^:@/]+))?(?:@(?P<last>[^/]+))?')
"""What stands before an ``@`` and a path is a user name, perhaps with a password. It has no place in a command."""
_WILD = r'[*?\[]'
_METHOD = r'(?a)sha[0-9]+|md5|blake3'
_HUB = ('docker', 'oras', 'registry')
"""Schemes of other programs, whose addresses may be of Docker Hub without naming it."""


class Address(NamedTuple):
    """What an operand names, which is more than a repository.

    :param host: empty where it names none
    :param reference: an alias or a hash; empty where it names none
    """

    host: str
    repository: str
    reference: str


def about_repository(command: Command, operand: str, message: str) -> str:
    """Return what a message about usage ends with, if the repository is written with what does not belong to it.

    :param operand: the first one
    :param message: about the repository, or about too few operands
    """
    is_named = message.startswith('invalid repository ')
    if is_named and re.search(_WILD, operand):
        return '; dxf list-repos prints the repositories'
    is_path = operand.startswith(('/', './', '../')) and os.path.isdir(operand)
    if is_named and (is_path or operand.startswith('oci:') and '/' in operand):
        return '; a folder is given by --host=oci:PATH, and the repository is the path below it'
    from dxf import names  # it brings hashlib, and few commands have an operand that is wrong
    if is_named and names.is_registry_alone(operand):
        return f'; the registry is given by --host={operand}'
    address = None if os.path.lexists(operand) else address_of(operand)
    if address is None or not is_named and not message.startswith('too few '):
        return ''
    if not is_named:
        return f'; did you mean {line_for(command, address)[0]}?' if address.repository else ''
    host = f'; the registry is given by --host={address.host}' if '://' in operand else ''
    return host + (_about_line(command, address) if address.repository else '')


def address_of(operand: str, is_plain_enough: bool = False) -> Address | None:
    """Return what an operand names, if that is a repository and more.

    :param is_plain_enough: it may be a repository alone
    """
    if is_plain_enough and is_repository(operand):
        return Address('', operand, '')
    found = re.fullmatch(_ADDRESS, operand)
    if found is None or re.fullmatch(_METHOD, found['path']):
        return None
    host, repository = _split(found['scheme'], found['path'].rstrip('/'), has_host=found['user'] is not None)
    reference = found['last'] or found['alias'] or ''
    if ':' not in reference and found['last'] and (found['alias'] or found['scheme']):  # user:password@host
        return None
    is_address = is_repository(repository) and (host != '' or reference != '') if repository else not reference
    return Address(host, repository, reference) if is_address and (host or repository) else None


def _split(scheme: str | None, path: str, *, has_host: bool) -> tuple[str, str]:
    """Split a path without reference into host and repository; each may be empty.

    :param has_host: the first part is a host, whatever it looks like
    """
    first, _, rest = path.partition('/')
    has_host = has_host or ':' in first and rest != '' or scheme is not None and (
        scheme.lower() not in _HUB or bool(set('.:') & set(first)) or first == 'localhost')
    return (first, rest) if has_host else ('docker.io' if scheme is not None else '', path)


def _about_line(command: Command, address: Address) -> str:
    line, is_placed = line_for(command, address)
    alone = '' if is_placed or not address.reference else f'; dxf {command.name} takes a repository alone'
    return f'{alone}: {line}'


def line_for(command: Command, address: Address, words: Sequence[str] = ()) -> tuple[str, bool]:
    """Return the command to type, with the repository by itself, and whether the alias or hash has a place in it.

    :param words: the other operands; what is missing is shown as in the usage line
    """
    from shlex import quote
    left = list(words)
    typed, is_placed = ['dxf', command.name, address.repository], False
    typed += [option.usage for option in command.options if option.required]
    for operand in command.operands[1:]:
        written = '' if is_placed or not address.reference else _written(operand, address.reference)
        is_placed = is_placed or written != ''
        count = len(left) if operand.many else 0 if written else 1
        taken, left = left[:count], left[count:]
        found = [written] * (written != '') + [word if word[:1] == '<' else quote(_written(operand, word) or word)
                                               for word in taken]
        typed += found or ([] if operand.optional and (address.reference or words) else [operand.usage])
    return ' '.join([*typed, *([f'--host={address.host}'] if address.host else [])]), is_placed


def place(address: Address) -> tuple[str, str]:
    """Return the registry and the repository of an address, as docker splits them."""
    from dxf.environment import registries
    return address[:2] if address.host else registries.split(address.repository, is_host_known=False)


def copy_line(address: Address, target: Address) -> str:
    """Return the command that copies to another registry or repository."""
    host, repository = place(target)
    options = {'--host': address.host, '--to': host or 'HOST',
               '--to-repo': repository if repository != place(address)[1] else '',
               '--to-alias': target.reference if target.reference != address.reference else ''}
    return ' '.join(['dxf copy', address.repository, address.reference or '<alias>...',
                     *(f'{option}={value}' for option, value in options.items() if value)])


def _written(operand: Operand, reference: str) -> str:
    """Return an alias or a hash as an operand takes it; empty for an operand that takes no such thing."""
    if ':' in reference:
        return reference if operand.name.startswith(('<hash>', '<alias>')) else ''
    if operand.name in ('<alias>', '<alias>|<folder>'):
        return reference
    return f'@{reference.removeprefix("@")}' if '@alias' in operand.name else ''
