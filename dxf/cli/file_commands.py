"""Commands about files with their names: one function a command."""

import errno
import os
from typing import Any

from dxf.cli import console, operands
from dxf.cli.context import Context, UsageError
from dxf.cli.operand_mistakes import about_file
from dxf.cli.progress import progress
from dxf.cli.environment import read_date
from dxf.exceptions import DXFError, DXFInvalidNameError
from dxf.strict_json import is_utf_8, printable


def push_files(context: Context) -> None:
    """Store files and folders with their names under an alias; print the digest of the manifest."""
    from dxf import artifacts
    operand, *paths = context.operands
    alias = operands.alias(operand)
    given = _read_files(context, paths)
    if not _is_file_behind_at(operand):
        _check_no_file(operand, given['files'])
    with context.registry() as repository, progress(context.settings.progress) as shown:
        digest = artifacts.push_files(repository, alias, progress=shown, **given)
    context.print_result('digest', digest)


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
    from dxf import artifacts
    from dxf.artifacts import manifest
    annotations = _read_annotations(context.options['annotation'] or [])
    try:
        kind = manifest.UNKNOWN_TYPE if context.options['type'] is None else context.options['type']
        manifest.check_media_type(kind)
        files = artifacts.choose(paths)
    except DXFError as error:
        raise UsageError(str(error)) from None
    except (OSError, ValueError) as error:
        name = getattr(error, 'filename', None) or repr(paths)
        hint = next((about_file(path) for path in paths if path.startswith(name)), '')
        raise UsageError(f'cannot read {name}: {_reason(error)}{hint}') from None
    return {'files': files, 'artifact_type': kind, 'annotations': annotations, 'created': read_date(context.environ)}


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
    options = context.options
    operand, *names = context.operands
    reference = operands.reference(operand, context.settings.host)
    folder = os.curdir if options['to'] is None else options['to']
    check_folder(folder)
    with context.registry() as repository, progress(context.settings.progress) as shown:
        pulled = artifacts.pull_files(repository, reference, folder, names=names, overwrite=options['overwrite'],
                                      platform=context.settings.platform, progress=shown)
    for blob in pulled.skipped:
        console.print_error(f'left out, as it has no name: {blob.digest} ({printable(blob.media_type)})')
    for name in pulled.names:
        if options['json']:
            console.print_json({'name': name})
        else:
            console.write_exactly(f'{name}\n')
    if pulled.skipped:
        raise DXFError(f'{len(pulled.skipped)} blobs were left out: {pull.blob_hint(context.repository or "")}')


def check_folder(folder: str) -> None:
    """Check that files can be written into a folder."""
    from dxf.artifacts import staging
    if not folder:
        raise UsageError('--to is empty: want a folder')
    try:
        staging.check_folder(folder)
    except (OSError, ValueError) as error:
        hint = '; --to=DIR names a folder' if os.path.isfile(folder) else ''
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
