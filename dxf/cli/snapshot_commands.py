"""Commands about snapshots: one function a command."""

import os
import shlex
import stat
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from dxf.cli import console, operands
from dxf.cli.context import Context, UsageError
from dxf.environment.reader import read_date
from dxf.cli.file_commands import check_folder, count_of
from dxf.cli.operand_mistakes import about_file
from dxf.cli.operand_mistakes import about_excluded
from dxf.cli.progress import progress
from dxf.counts import counted
from dxf.exceptions import DXFError, DXFInvalidNameError
from dxf.hints import PLACES, UNREAD
from dxf.strict_json import printable

if TYPE_CHECKING:
    from dxf.snapshots import Entry, PlannedRestore, RestoreAction, Totals, Wanted

LINES = 1000
"""Lines that are printed together."""

LETTERS = {'file': '-', 'folder': 'd', 'link': 'l', 'hardlink': 'h'}
"""The kinds of entries, as ls shows them."""


def backup(context: Context) -> None:
    """Store folders as a snapshot; print the digest of its manifest."""
    *folders, operand = context.operands
    alias = operands.at_alias(operand)
    options = context.options
    parent = None if options['parent'] is None else operands.reference(options['parent'], context.settings.host)
    for folder in folders:
        check_source(folder)
    created = read_date(context.environ)
    start = time.monotonic()
    from dxf import snapshots
    what: dict[str, Any] = {'wanted': _wanted(options, folders), 'parent': parent, 'notice': console.print_error}
    with context.registry() as repository, progress(context.settings.progress) as shown:
        what['reading'] = shown.reading if shown else ignore
        if options['dry_run']:
            totals = snapshots.plan(repository, folders, alias, **what)
        else:
            snapshot = snapshots.backup(repository, folders, alias, partial=options['partial'], created=created,
                                        progress=shown or ignore, **what)
            totals = snapshot.totals
    if options['dry_run']:
        print_plan(context, _members(totals), totals,
                   f'{counted(totals.files, "file")} with {counted(totals.size, "byte")}')
    else:
        if not totals.files:
            console.print_error('there were no files: a snapshot without any is stored')
        context.print_result('digest', snapshot.digest, **_members(totals), seconds=round(time.monotonic() - start, 3))
    _check_unread(totals)


def _check_unread(totals: 'Totals') -> None:
    """Check that all could be read.

    :raises DXFError: some could not
    """
    if totals.unread:
        raise DXFError(f'{counted(totals.unread, *PLACES)} {UNREAD}: not in the snapshot')


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
    return snapshots.Wanted(patterns, options['exclude_caches'], options['one_file_system'], options['read_all'],
                            options['owners'], options['xattrs'])


def _members(totals: 'Totals') -> dict[str, int]:
    return {'files': totals.files, 'bytes': totals.size, 'read': totals.read, 'new': totals.new, 'sent': totals.sent,
            'packs': totals.packs, 'unread': totals.unread}


def print_plan(context: Context, members: dict[str, int], totals: 'Totals', found: str) -> None:
    """Print what a backup would send, and how much is there already.

    :param members: what ``--json`` prints
    :param found: what there is to be stored
    """
    if not context.options['json']:
        share = 1000 * (totals.size - totals.new) // totals.size / 10 if totals.size else 100.0  # only if all is there
        console.write(f'{found}, of which {share:.1f} % are there or zeros\n')
    context.print_total(totals.sent, **members)


def ignore(*_: object) -> None:
    """Show nothing."""


def check_source(folder: str) -> None:
    """Check that a folder can be stored, or compared with what was.

    :raises UsageError: it is no folder
    """
    if not os.path.isdir(folder):
        reason = 'it is no folder; dxf push-blob and dxf push-files store files' if os.path.lexists(folder) else \
            f'no such folder{about_file(folder)}'
        raise UsageError(f'cannot read {folder!r}: {reason}')


def restore(context: Context) -> None:
    """Put files of a snapshot into a folder; print the paths of those that were written, or deleted."""
    operand, *paths = context.operands
    reference = operands.reference(operand, context.settings.host)
    options = context.options
    _check_restore(options)
    check_folder(options['to'])
    from dxf import snapshots
    unset: list[str] = []
    what: dict[str, Any] = {
        'overwrite': options['overwrite'], 'delete': options['delete'], 'max_delete': count_of(context, 'max_delete'),
        'attributes': snapshots.Attributes(*(options[name] for name in snapshots.Attributes._fields))}

    def tell(line: str) -> None:
        console.print_error(line)
        unset.append(line)
    with context.registry() as repository, progress(context.settings.progress) as shown:
        snapshot = snapshots.load(repository, reference)
        if options['dry_run']:
            _print_restore_plan(context, snapshot.plan_restore(options['to'], paths, **what))
            return
        lines: list[str] = []
        snapshot.restore(options['to'], paths, progress=shown or ignore, notice=tell,
                         on_action=partial(_print_restored, context, lines), **what)
        console.write_exactly(''.join(lines))
    if unset:
        raise DXFError(f'{counted(len(unset), "owner or attribute", "owners or attributes")} could not be set; all '
                       'else is restored')


def _check_restore(options: Mapping[str, Any]) -> None:
    """Check that the options of a restore fit each other.

    :raises UsageError: they do not
    """
    if options['to'] is None:
        raise UsageError('too few arguments: --to=DIR names the folder to write to')
    if options['max_delete'] is not None and not options['delete']:
        raise UsageError('--max-delete is for --delete')


def _print_restored(context: Context, lines: list[str], action: 'RestoreAction') -> None:
    """Print the path of a file that was written, or of what was deleted.

    :param lines: those that are not printed yet: each call takes longer than a small file
    """
    if action.kind != 'file' or action.action == 'adjust':
        return
    if context.options['json']:
        console.print_json(action.document())
    else:
        name = printable(os.fsdecode(action.path))
        lines.append(f'delete {name}\n' if action.action == 'delete' else f'{name}\n')
        if len(lines) >= LINES:
            console.write_exactly(''.join(lines))
            lines.clear()


def _print_restore_plan(context: Context, planned: 'PlannedRestore') -> None:
    """Print what is to be done with each path, and the bytes to fetch; with ``--json`` also those to write."""
    for action in planned.actions:
        if context.options['json']:
            console.print_json(action.document())
        else:
            console.write_exactly(f'{action.action} {printable(os.fsdecode(action.path))} {action.size}\n')
    context.print_total(planned.fetched, write=planned.size)


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


def _document(entry: 'Entry') -> dict[str, Any]:
    """Return what an object of ``--json`` says: a line of the index, without the chunks."""
    return {key: value for key, value in entry.document().items() if key != 'chunks'}


def _line(entry: 'Entry', is_long: bool) -> str:
    """Return an entry as a line for people; ``-`` stands for what is not known, and for the name of a stream."""
    name = printable(entry.name) or '-'
    if not is_long:
        return name
    target = printable(entry.target.decode('utf-8', 'surrogateescape'))
    moment = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(entry.mtime // 10 ** 9)) \
        if entry.mode or entry.mtime else '-'
    mode = LETTERS[entry.kind] + stat.filemode(entry.mode)[1:]
    return f'{mode} {entry.size:>12} {moment:>20} {name}' + (f' -> {target}' if target else '')
