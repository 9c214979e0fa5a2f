"""Commands about snapshots: one function a command."""

import os
import shlex
import stat
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dxf.cli import console, operands
from dxf.cli.context import Context, UsageError
from dxf.environment.reader import read_date
from dxf.cli.file_commands import check_folder
from dxf.cli.operand_mistakes import about_excluded
from dxf.cli.progress import progress
from dxf.exceptions import DXFError, DXFInvalidNameError
from dxf.strict_json import is_utf_8, printable

if TYPE_CHECKING:
    from dxf.snapshots import Entry, Totals, Wanted

LETTERS = {'file': '-', 'folder': 'd', 'link': 'l', 'hardlink': 'h'}
"""The kinds of entries, as ls shows them."""


def backup(context: Context) -> None:
    """Store folders as a snapshot; print the digest of its manifest."""
    *folders, operand = context.operands
    alias = operands.at_alias(operand)
    options = context.options
    parent = None if options['parent'] is None else operands.reference(options['parent'], context.settings.host)
    for folder in folders:
        _check_source(folder)
    created = read_date(context.environ)
    start = time.monotonic()
    from dxf import snapshots
    wanted = _wanted(options, folders)
    with context.registry() as repository:
        if options['dry_run']:
            totals = snapshots.plan(repository, folders, alias, wanted, parent=parent, notice=console.print_error)
            _print_plan(context, totals)
            return
        with progress(context.settings.progress) as shown:
            snapshot = snapshots.backup(repository, folders, alias, wanted, parent=parent, partial=options['partial'],
                                        created=created, notice=console.print_error, progress=shown or _ignore)
    context.print_result('digest', snapshot.digest, **_members(snapshot.totals),
                         seconds=round(time.monotonic() - start, 3))
    if snapshot.unread:
        raise DXFError(f'{len(snapshot.unread)} files or folders could not be read, and are not in the snapshot')


def _wanted(options: Mapping[str, Any], folders: list[str]) -> 'Wanted':
    """Return what is to be stored.

    :raises UsageError: a pattern is not valid, or is a path that fits nothing in the folders
    """
    from dxf import snapshots
    from dxf.snapshots import exclusion
    patterns = tuple(options['exclude'] or ())
    for pattern in patterns:
        meant = about_excluded(pattern, folders)
        if meant or not pattern:
            hint = f' fits nothing: a pattern begins in the folder that is stored: write {shlex.quote(meant)}'
            raise UsageError(f'--exclude: {pattern!r}{hint}' if meant else '--exclude is empty')
    try:
        exclusion.Exclusion(patterns)
    except DXFInvalidNameError as error:
        raise UsageError(f'--exclude: {error}') from None
    return snapshots.Wanted(patterns, options['exclude_caches'], options['one_file_system'], options['read_all'])


def _members(totals: 'Totals') -> dict[str, int]:
    return {'files': totals.files, 'bytes': totals.size, 'read': totals.read, 'new': totals.new, 'sent': totals.sent,
            'packs': totals.packs}


def _print_plan(context: Context, totals: 'Totals') -> None:
    """Print what a backup would send, and how much of the files is there already."""
    if context.options['json']:
        console.print_json(_members(totals))
        return
    share = 100 * (totals.size - totals.new) / totals.size if totals.size else 100
    console.write(f'{totals.files} files with {totals.size} bytes, of which {share:.1f} % are there or zeros; '
                  f'{totals.sent} bytes would be sent\n')


def _ignore(*_: object) -> None:
    """Show nothing."""


def _check_source(folder: str) -> None:
    if not os.path.isdir(folder):
        reason = 'it is no folder; dxf push-blob and dxf push-files store files' if os.path.lexists(folder) else \
            'no such folder'
        raise UsageError(f'cannot read {folder!r}: {reason}')


def restore(context: Context) -> None:
    """Put files of a snapshot into a folder; print the paths of those that were written."""
    operand, *paths = context.operands
    reference = operands.reference(operand, context.settings.host)
    options = context.options
    if options['to'] is None:
        raise UsageError('too few arguments: --to=DIR names the folder to write to')
    check_folder(options['to'])
    from dxf import snapshots
    with context.registry() as repository, progress(context.settings.progress) as shown:
        written = snapshots.load(repository, reference).restore(options['to'], paths, overwrite=options['overwrite'],
                                                                progress=shown or _ignore)
    for path in written:
        if options['json']:
            console.print_json(_named(path))
        else:
            console.write_exactly(f'{printable(path)}\n')


def list_files(context: Context) -> None:
    """Print the files, folders and links of a snapshot."""
    operand, *paths = context.operands
    reference = operands.reference(operand, context.settings.host)
    from dxf import snapshots
    is_empty = True
    with context.registry() as repository:
        for entry in snapshots.list_files(repository, reference, *paths):
            is_empty = False
            if context.options['json']:
                console.print_json(_document(entry))
            else:
                console.write_exactly(_line(entry, context.options['long']) + '\n')
    if is_empty:
        console.print_error(f'there are no files in it: dxf inspect {context.typed_repository} {reference} shows what '
                            'it is')


def _named(path: str) -> dict[str, Any]:
    """Return the member that names a path; one that is not UTF-8 is shown with its bytes escaped."""
    return {'path': path if is_utf_8(path) else printable(path)}


def _document(entry: 'Entry') -> dict[str, Any]:
    """Return what an object of ``--json`` says: a line of the index, without the chunks."""
    return {key: value for key, value in entry.document().items() if key != 'chunks'}


def _line(entry: 'Entry', is_long: bool) -> str:
    name = printable(entry.name)
    if not is_long:
        return name
    target = printable(entry.target.decode('utf-8', 'surrogateescape'))
    moment = time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(entry.mtime // 10 ** 9))
    mode = LETTERS[entry.kind] + stat.filemode(entry.mode)[1:]
    return f'{mode} {entry.size:>12} {moment} {name}' + (f' -> {target}' if target else '')
