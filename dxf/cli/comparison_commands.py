"""The command that compares two aliases, or a folder on disk and an alias."""

import os
import shlex
import stat
import sys
from typing import Any, NamedTuple

from dxf.cli import console, operands, terminal
from dxf.cli.context import Context, UsageError
from dxf.names import is_folder
from dxf.strict_json import printable

DIFFERENT = 1
"""The exit status of a comparison that has found differences, as that of diff."""


class _Side(NamedTuple):
    """One side of a comparison: an alias or the digest of a manifest, or the path of a folder."""

    name: str
    is_path: bool


def diff(context: Context) -> int:
    """Print in what two aliases, or a folder on disk and an alias, differ; return 0 if they are the same."""
    old, new = (_side(context, operand) for operand in context.operands)
    inside, platform = context.options['inside'], context.settings.platform
    if old.is_path and new.is_path:
        raise UsageError('one of the two is an alias, @ALIAS if it looks like a path; diff -r compares folders')
    with context.registry() as repository:
        from dxf import comparison
        if old.is_path or new.is_path:
            found = comparison.compare_folder(repository, *((new.name, old.name) if old.is_path else
                                                            (old.name, new.name)), platform)
        else:
            found = comparison.compare(repository, old.name, new.name, platform, inside=inside)
    if old.is_path or new.is_path:
        _suggest_parent(context, *((new, old) if old.is_path else (old, new)), found)
    for difference in found:
        # The folder is the second side there.
        context.print_record(difference._replace(old=difference.new, new=difference.old) if old.is_path else difference)
    return DIFFERENT if found else 0


def _suggest_parent(context: Context, alias: _Side, folder: _Side, found: list[Any]) -> None:
    """Tell a person which folder to compare, if all names of an alias begin with that of the folder.

    ``push-files`` stores such names. :func:`diff` compares the folder in which it has run.
    """
    start = f'{os.path.basename(os.path.abspath(folder.name))}/'
    names = [difference.name for difference in found if difference.new is None]
    is_apart = len(names) > 0 and all(difference.old is None or difference.new is None for difference in found)
    if is_apart and all(name.startswith(start) for name in names) and terminal.is_terminal(sys.stderr):
        parent = os.path.normpath(os.path.join(folder.name, os.pardir))
        parent = parent if os.sep in parent or parent in (os.curdir, os.pardir) else os.path.join(os.curdir, parent)
        console.print_error(f'the names in {alias.name} begin with {printable(start)}: dxf diff '
                            f'{context.typed_repository} {alias.name} {shlex.quote(parent)} compares the folder '
                            'around it')


def _side(context: Context, operand: str) -> _Side:
    """Return what an operand names: ``.``, ``..``, or with a path separator and without an ``@``, a folder on disk."""
    host = context.settings.host
    is_path = operand in (os.curdir, os.pardir) or \
        os.sep in operand and not operand.startswith('@') and not _is_full_reference(operand, host)
    return _Side(_folder(operand) if is_path else operands.reference(operand, host), is_path)


def _is_full_reference(operand: str, host: str) -> bool:
    """Return whether an operand can only be the full reference by which another tool named a manifest in a folder."""
    return is_folder(host) and not operand.startswith((os.sep, os.curdir)) and not os.path.lexists(operand)


def _folder(operand: str) -> str:
    """Return the path of a folder.

    :raises UsageError: there is no such folder, or it is a file
    """
    try:
        is_directory = stat.S_ISDIR(os.stat(operand).st_mode)
    except (OSError, ValueError) as error:  # ValueError: a NUL character
        raise UsageError(f'cannot read {operand!r}: {getattr(error, "strerror", error)}; an alias is written without '
                         'a path separator') from None
    if not is_directory:
        raise UsageError(f'{operand!r} is no folder: dxf verify compares files with the blobs of an alias')
    return operand
