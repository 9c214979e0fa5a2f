"""Streams that are stored as snapshots: what ``push-blob --delta`` stores, and ``pull-blob`` and ``blob-size`` read."""

import os
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dxf.cli import blob_output, console, operands, snapshot_commands
from dxf.cli.context import Context, UsageError
from dxf.cli.operands import Target
from dxf.cli.progress import progress
from dxf.counts import counted
from dxf.environment.reader import read_date

if TYPE_CHECKING:
    from dxf.snapshots import StreamReader, Totals

STDIN = '-'

USAGE = 'dxf push-blob --delta <repo> <file>|- @alias, or dxf push-blob --delta <repo> @alias -- <command>...'

SNAPSHOT = 'vnd.dxf.snapshot.'
"""What is in the manifest of each snapshot."""


def push(context: Context) -> None:
    """Store a stream as a snapshot; print the digest of the whole stream."""
    for option in ('resume', 'force'):
        if context.options[option]:
            raise UsageError(f'--{option} is for whole blobs: --delta sends only what the registry does not have')
    *files, last = context.operands or ['']
    if not last.startswith('@') or len(files) != (context.program is None):
        raise UsageError(f'--delta is for one stream and the @alias whose snapshot it continues: {USAGE}')
    alias = operands.at_alias(last)
    for file in files:
        if file != STDIN:
            operands.file(file, '; dxf backup stores folders')
    check_dry_run(context, files)
    created = read_date(context.environ)
    with ExitStack() as stack:
        repository = stack.enter_context(context.registry())
        stream = _stream(context, files, stack)
        from dxf import snapshots
        if context.options['dry_run']:
            totals = snapshots.plan_stream(repository, stream, alias, notice=console.print_error)
            snapshot_commands.print_plan(context, _members(totals), totals, counted(totals.size, 'byte'))
            return
        shown = stack.enter_context(progress(context.settings.progress))
        snapshot = snapshots.backup_stream(repository, stream, alias, created=created, notice=console.print_error,
                                           progress=shown or snapshot_commands.ignore)
    if not snapshot.totals.size:
        console.print_error('the stream was empty: an empty one is stored')
    context.print_result('digest', f'sha256:{snapshot.totals.sha256}', manifest=snapshot.digest,
                         **_members(snapshot.totals))


def is_stream(file: str) -> bool:
    """Return whether an operand is standard input, a pipe (``<(tar c photos)`` in a shell) or a device."""
    return file == STDIN or not stat.S_ISREG(os.stat(file).st_mode)


def check_dry_run(context: Context, files: list[str]) -> None:
    """Check that a dry run reads only files, which the push after it can read again.

    :raises UsageError: it would read a command, a pipe or standard input
    """
    if not context.options['dry_run']:
        return
    if context.program is not None:
        raise UsageError('--dry-run is for files: a command is not run for it')
    for file in filter(is_stream, files):
        raise UsageError(f'--dry-run is for files: {file!r} cannot be read a second time')


def _stream(context: Context, files: list[str], stack: ExitStack) -> Any:
    """Return what is to be stored: the path of a file, standard input, or the output of a command."""
    if context.program is None:
        return console.binary_input() if files == [STDIN] else files[0]
    return stack.enter_context(operands.output_of(context.program, context.environ))


def _members(totals: 'Totals') -> dict[str, int]:
    return {'bytes': totals.size, 'new': totals.new, 'sent': totals.sent, 'packs': totals.packs}


def loaded(target: Target, repository: Any) -> Target:
    """Return a target with the manifest that it names, fetched; a class in place of ours reads it itself."""
    from dxf.client import DXF  # there is a repository: requests is loaded
    if target.digest is not None or target.manifest is not None or \
            getattr(type(repository), 'get_alias', None) is not DXF.get_alias:
        return target
    return target._replace(manifest=repository.resolve(target.alias))


def stream_of(context: Context, repository: Any, targets: list[Target]) -> 'StreamReader | None':
    """Return the stream that a command is to read; ``None`` if it is to read blobs.

    :param targets: what its operands name, loaded
    """
    using = context.options['using']
    found = [target for target in targets if _is_snapshot(target)]
    if found and len(targets) > 1:
        raise UsageError(f'too many arguments: {found[0].shown} is a snapshot, which is pulled alone')
    if found:
        stream: StreamReader = _snapshot(repository, found[0]).stream(using)
        return stream
    if using is not None:
        name = targets[0].digest or targets[0].shown
        raise UsageError(f'--using is for a stream that push-blob --delta stored, and {name} is something else')
    return None


def check_using(context: Context) -> None:
    """Check that the file from which a stream is put together can be read."""
    using = context.options['using']
    if using is not None and not stat.S_ISREG(os.stat(operands.file(using)).st_mode):
        raise UsageError(f'--using: {using!r} is no file that can be read at any place')


def _is_snapshot(target: Target) -> bool:
    """Return whether a target is a snapshot; the library is imported only for what looks like one."""
    text = getattr(target.manifest, 'text', target.manifest)
    if text is None or SNAPSHOT not in text:
        return False
    from dxf.snapshots import snapshot
    return snapshot.is_snapshot(_manifest(target))


def _manifest(target: Target) -> Any:
    from dxf.manifest import image
    return image.read(target.manifest) if isinstance(target.manifest, str) else target.manifest


def _snapshot(repository: Any, target: Target) -> Any:
    from dxf.snapshots import Snapshot
    return Snapshot(repository, _manifest(target))


def pull(context: Context, stream: 'StreamReader', file: str | None) -> None:
    """Write a stream to a file; for ``None`` to standard output."""
    if file is None:
        chunks = stream.read(context.settings.chunk_size or 0)
        blob_output.print_blobs(context, [(stream.digest, chunks, stream.size)], context.settings.blob_info)
        console.sync()
        return
    with progress(context.settings.progress) as shown:
        stream.to_file(file, progress=shown or snapshot_commands.ignore)


def size_of(repository: Any, target: Target) -> int | None:
    """Return the size of the stream that a target names; ``None`` if it names none."""
    if not _is_snapshot(target):
        return None
    from dxf.snapshots import StreamReader
    with _snapshot(repository, target).opened() as index:
        return StreamReader(repository, index, None).size if index.is_of_stream else None


def about_snapshot(context: Context, repository: Any, alias: str) -> str:
    """Return how files are compared with a snapshot; nothing for an alias that is no snapshot."""
    if not _is_snapshot(loaded(Target(alias=alias), repository)):
        return ''
    repo = context.typed_repository
    return (f'{alias} is a snapshot, whose blobs are no files: dxf pull-blob {repo} @{alias} | cmp - FILE compares a '
            f'stream, and dxf verify {repo} FOLDER @{alias} a folder')


def opened(repository: Any, target: Target, platform: str | None) -> Any:
    """Open a blob, or the blobs of an alias, as one file."""
    blobs = target.described(repository, platform) if target.digest is None and target.manifest is not None else None
    if isinstance(blobs, list):
        named = [(blob, None) if isinstance(blob, str) else blob for blob in blobs]
        return repository.open_blobs(target.alias, named)
    return repository.open(target.digest or target.alias, platform=platform)
