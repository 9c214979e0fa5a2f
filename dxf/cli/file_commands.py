"""Commands about files with their names: one function a command."""

import errno
import os
from typing import Any

from dxf.cli import console, operands
from dxf.cli.context import Context, UsageError
from dxf.cli.operand_mistakes import about_file, unreplaced
from dxf.cli.permissions import DENIED, about_denied
from dxf.cli.progress import progress
from dxf.counts import counted
from dxf.environment.reader import read_date
from dxf.exceptions import DXFError, DXFInvalidNameError, DXFSourceError
from dxf.names import check_registry
from dxf.strict_json import is_utf_8, printable

MAX_NAMED = 5
"""The most names that a warning has."""

PIPES = '; dxf push-blob stores what comes out of a pipe'

MAX_DIGITS = 15
"""The most digits of a number that an option has as its value."""


def push_files(context: Context) -> None:
    """Store files and folders with their names under an alias; print the digest of the manifest."""
    from dxf import artifacts
    operand, *paths = context.operands
    alias = operands.alias(operand)
    given = _read_files(context, paths)
    if not _is_file_behind_at(operand):
        _check_no_file(operand, given['files'])
    done: list[Any] = []
    with context.registry() as repository:
        if context.options['dry_run']:
            _print_plan(context, artifacts.plan_push(repository, alias, **given))
            return
        with progress(context.settings.progress) as shown:
            digest = artifacts.push_files(repository, alias, progress=shown, on_file=done.append, **given)
    context.print_result('digest', digest, files=[_document(file) for file in done])


def _is_file_behind_at(operand: str) -> bool:
    """Return whether an operand is an ``@`` and the name of a file here, and not itself the name of one."""
    return operand.startswith('@') and os.path.lexists(operand[1:]) and not os.path.lexists(operand)


def _check_no_file(alias: str, files: list[Any]) -> None:
    """Check that an alias is not the first file that a shell put in the place of a pattern: it would not be stored.

    ``attach`` needs no such check: its alias has to be in the registry.

    :param files: the files to store; an alias may have the name of one of them
    :raises UsageError: it has the name of another file
    """
    if os.path.lexists(alias) and os.path.abspath(alias) not in [os.path.abspath(file.filename) for file in files]:
        other = '' if alias.startswith('@') else f', or @{alias}'
        raise UsageError(f'invalid alias {alias!r}: it is also a file here, which would not be stored; '
                         f'write the alias before it{other}')


def attach(context: Context) -> None:
    """Store files and folders that belong to an alias; print the digest of their manifest."""
    from dxf import artifacts
    operand, *paths = context.operands
    reference = operands.reference(operand, context.settings.host)
    if context.options['type'] is None:
        raise UsageError('too few arguments: --type=MEDIA_TYPE says what the files are')
    given = _read_files(context, paths)
    with context.registry() as repository, progress(context.settings.progress) as shown:
        digest = artifacts.attach(repository, reference, progress=shown, **given)
    context.print_result('digest', digest)


def _read_files(context: Context, paths: list[str]) -> dict[str, Any]:
    """Return the files to push, their artifact type, annotations and time, as keyword arguments; all are checked."""
    from dxf.artifacts import manifest
    annotations = _read_annotations(context.options['annotation'] or [])
    try:
        kind = manifest.UNKNOWN_TYPE if context.options['type'] is None else context.options['type']
        manifest.check_media_type(kind)
        files = _select(context, paths)
        _check_apart(context, files)
    except DXFSourceError as error:
        raise UsageError(f'{error}{PIPES}') from None
    except DXFError as error:
        raise UsageError(str(error)) from None
    except (OSError, ValueError) as error:
        name = getattr(error, 'filename', None) or repr(paths)
        hint = next((about_file(path) for path in paths if path.startswith(name)), '')
        raise UsageError(f'cannot read {name}: {_reason(error)}{hint}') from None
    return {'files': files, 'artifact_type': kind, 'annotations': annotations, 'created': read_date(context.environ)}


def _check_apart(context: Context, files: list[Any]) -> None:
    """Check that no folder to be stored holds the registry, before the first request.

    :raises UsageError: one does
    """
    from dxf.artifacts import selection
    try:
        selection.check_apart(files, check_registry(context.settings.host),
                              '--exclude=' if 'each' in context.options else '')
    except DXFSourceError as error:
        raise UsageError(str(error)) from None


def _select(context: Context, paths: list[str]) -> list[Any]:
    """Return the files that operands and options select; warn about what is not kept, and useless patterns."""
    from dxf import artifacts
    options = context.options
    if 'each' not in options:
        return artifacts.choose(paths)
    found = artifacts.select(paths, each=options['each'], include=options['include'] or [],
                             exclude=options['exclude'] or [])
    if found.not_kept:
        more = f'; and {len(found.not_kept) - MAX_NAMED} more' if len(found.not_kept) > MAX_NAMED else ''
        console.print_error(f'lost by --each: {"; ".join(found.not_kept[:MAX_NAMED])}{more}')
    for pattern in found.unused:
        console.print_error(f'--exclude: no file fits {pattern!r}')
    return found.files


def _read_annotations(texts: list[str]) -> dict[str, str]:
    """Return annotations from texts of the form KEY=VALUE."""
    annotations: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition('=')
        if not key or not equals or key in annotations or not is_utf_8(text):
            raise UsageError(f'invalid annotation {text!r}: want KEY=VALUE, and each key once')
        annotations[key] = value
    return annotations


def _reason(error: OSError | ValueError) -> str | None:
    """Return why a path cannot be used; a ``ValueError`` is about a NUL character."""
    return error.strerror if isinstance(error, OSError) else os.strerror(errno.EINVAL)


def pull_files(context: Context) -> None:
    """Fetch files and folders into a folder, and print their names; report blobs without a name."""
    from dxf import artifacts
    from dxf.artifacts import pull
    operand, *names = context.operands
    reference = operands.reference(operand, context.settings.host)
    _check_deletion(context, names)
    folder = os.curdir if context.options['to'] is None else context.options['to']
    check_folder(folder)
    what: dict[str, Any] = {'names': names, 'overwrite': context.options['overwrite'],
                            'platform': context.settings.platform, 'delete': context.options['delete'],
                            'max_delete': count_of(context, 'max_delete')}
    done: list[Any] = []
    with context.registry() as repository:
        if context.options['dry_run']:
            _print_plan(context, artifacts.plan_pull(repository, reference, folder, **what))
            return
        with progress(context.settings.progress) as shown:
            pulled = artifacts.pull_files(repository, reference, folder, progress=shown, on_file=done.append, **what)
    for blob in pulled.skipped:
        console.print_error(f'left out, as it has no name: {blob.digest} ({printable(blob.media_type)})')
    for file in done:
        _print_pulled(context, file)
    if pulled.skipped:
        raise DXFError(f'{counted(len(pulled.skipped), "blob was", "blobs were")} left out: '
                       f'{pull.blob_hint(context.repository or "")}')


def _check_deletion(context: Context, names: list[str]) -> None:
    """Check that --delete names the folder in which files are deleted, and no files."""
    options = context.options
    if options['max_delete'] is not None and not options['delete']:
        raise UsageError('--max-delete is for --delete')
    if options['delete'] and names:
        raise UsageError('too many arguments: --delete makes a folder equal to the alias, so it takes no names')
    if options['delete'] and options['to'] is None:
        raise UsageError('too few arguments: --delete needs --to=DIR: everything in that folder is deleted but the '
                         'files of the alias')


def _print_pulled(context: Context, file: Any) -> None:
    """Print the name of a file; what was deleted is marked."""
    if context.options['json']:
        console.print_json(_document(file))
    else:
        console.write_exactly(f'delete {_shown(file)}\n' if file.action == 'delete' else f'{file.name}\n')


def _print_plan(context: Context, files: list[Any]) -> None:
    """Print what is to be done with each file, and the bytes to move."""
    for file in files:
        if context.options['json']:
            console.print_json(_document(file))
        else:
            console.write_exactly(f'{file.action} {_shown(file)} {file.size}\n')
    context.print_total(sum(file.size for file in files if file.action in ('fetch', 'send')))


def _shown(file: Any) -> str:
    """Return the name of a file; names in an alias can be shown, those of other files are escaped."""
    return printable(file.name) if file.action == 'delete' else str(file.name)


def _document(file: Any) -> dict[str, Any]:
    """Return what is done with a file as a JSON object; what is deleted has no digest."""
    document = {**file._asdict(), 'name': _shown(file)}
    return {key: value for key, value in document.items() if value is not None}


def count_of(context: Context, option: str) -> int | None:
    """Return the number that an option has as its value; ``None`` where it is not given."""
    text = context.options[option]
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise UsageError(f'--{option.replace("_", "-")}: {text!r} is no number')
    return int(text)


def check_folder(folder: str) -> None:
    """Check that files can be written into a folder."""
    from dxf.artifacts import staging
    if not folder:
        raise UsageError('--to is empty: want a folder')
    unlike = unreplaced(folder)
    if unlike:  # a folder named ~ is easily deleted by rm -r ~
        raise UsageError(f'--to: {unlike}')
    try:
        staging.check_folder(folder)
    except (OSError, ValueError) as error:
        denied = about_denied(os.path.abspath(folder)) if getattr(error, 'errno', None) in DENIED else ''
        hint = '; --to=DIR names a folder' if os.path.isfile(folder) else f'; {denied}' if denied else ''
        raise UsageError(f'cannot write into {folder!r}: {_reason(error)}{hint}') from None


def referrers(context: Context) -> None:
    """Print the digests and types of what is attached to an alias."""
    from dxf import artifacts
    from dxf.artifacts import manifest
    reference = operands.reference(context.operands[0], context.settings.host)
    wanted_type = context.options['type']
    try:
        wanted = None if wanted_type is None else manifest.check_media_type(wanted_type)
    except DXFInvalidNameError as error:
        raise UsageError(str(error)) from None
    with context.registry() as repository:
        for entry in artifacts.referrers(repository, reference, wanted):
            kind = str(entry.get('artifactType') or entry.get('mediaType') or '-')
            digest = entry['digest']
            context.print_result('digest', digest if context.options['json'] else f'{digest} {printable(kind)}',
                                 type=kind)
