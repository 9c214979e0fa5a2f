"""Commands that are about files with their names: one function a subcommand."""

import errno
import os
from typing import Any

from dxf.cli import console, operands
from dxf.cli.context import Job, UsageError
from dxf.cli.operand_mistakes import about_file
from dxf.cli.progress import progress
from dxf.cli.settings import read_date
from dxf.exceptions import DXFError, DXFInvalidNameError
from dxf.strict_json import is_utf_8, printable


def push_files(job: Job) -> None:
    """Store files and folders with their names under an alias; print the digest of the manifest."""
    from dxf import artifacts
    alias, *paths = job.operands
    is_explicit = _is_file_behind_at(alias)
    alias = operands.alias(alias[1:] if is_explicit else alias)
    given = _about_files(job, paths)
    if not is_explicit:
        _check_no_file(alias, given['files'])
    with job.registry() as repository, progress(job.settings.progress) as shown:
        digest = artifacts.push_files(repository, alias, progress=shown, **given)
    job.tell('digest', digest)


def _is_file_behind_at(operand: str) -> bool:
    """Return whether an operand is an ``@`` and the name of a file here; no other alias has an ``@`` here."""
    return operand.startswith('@') and os.path.lexists(operand[1:]) and not os.path.lexists(operand)


def _check_no_file(alias: str, files: list[Any]) -> None:
    """Check that an alias is not the first file that a shell put in the place of a pattern: it would not be stored.

    ``attach`` needs no such check: its alias has to be in the registry.

    :param files: all that is to be stored; an alias may have the name of one of them
    :raises UsageError: it has the name of another file
    """
    if os.path.lexists(alias) and os.path.abspath(alias) not in [os.path.abspath(file.filename) for file in files]:
        raise UsageError(f'invalid alias {alias!r}: it is also a file here, which would not be stored; '
                         f'write the alias before it, or @{alias}')


def attach(job: Job) -> None:
    """Store files and folders that belong to an alias; print the digest of the manifest that says so."""
    from dxf import artifacts
    reference, *paths = job.operands
    operands.reference(reference, job.settings.host)
    if job.options['type'] is None:
        raise UsageError('too few arguments: --type=MEDIA_TYPE says what the files are')
    given = _about_files(job, paths)
    with job.registry() as repository, progress(job.settings.progress) as shown:
        digest = artifacts.attach(repository, reference, progress=shown, **given)
    job.tell('digest', digest)


def _about_files(job: Job, paths: list[str]) -> dict[str, Any]:
    """Return what is to be pushed, and what is to be said of it; all of it is checked."""
    from dxf import artifacts
    from dxf.artifacts import manifest
    annotations: dict[str, str] = {}
    for annotation in job.options['annotation'] or []:
        key, equals, value = annotation.partition('=')
        if not key or not equals or key in annotations or not is_utf_8(annotation):
            raise UsageError(f'invalid annotation {annotation!r}: want KEY=VALUE, and each key once')
        annotations[key] = value
    try:
        kind = manifest.UNKNOWN_TYPE if job.options['type'] is None else job.options['type']
        manifest.check_media_type(kind)
        files = artifacts.choose(paths)
    except DXFError as error:
        raise UsageError(str(error)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else os.strerror(errno.EINVAL)  # a NUL character
        name = getattr(error, 'filename', None) or repr(paths)
        hint = next((about_file(path) for path in paths if path.startswith(name)), '')
        raise UsageError(f'cannot read {name}: {reason}{hint}') from None
    return {'files': files, 'artifact_type': kind, 'annotations': annotations, 'created': read_date(job.environ)}


def pull_files(job: Job) -> None:
    """Fetch files and folders into a folder, and print their names; tell what has none."""
    from dxf import artifacts
    from dxf.artifacts import staging
    reference, *names = job.operands
    operands.reference(reference, job.settings.host)
    folder = os.curdir if job.options['to'] is None else job.options['to']
    if not folder:
        raise UsageError('--to is empty: want a folder')
    try:
        staging.check_folder(folder)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else os.strerror(errno.EINVAL)  # a NUL character
        hint = '; --to=DIR names a folder' if os.path.isfile(folder) else ''
        raise UsageError(f'cannot write into {folder!r}: {reason}{hint}') from None
    with job.registry() as repository, progress(job.settings.progress) as shown:
        pulled = artifacts.pull_files(repository, reference, folder, names=names, overwrite=job.options['overwrite'],
                                      platform=job.settings.platform, progress=shown)
    for blob in pulled.skipped:
        console.complain(f'left out, as it has no name: {blob.digest} ({printable(blob.media_type)})')
    for name in pulled.names:
        if job.options['json']:
            console.say_json({'name': name})
        else:
            console.write_exactly(f'{name}\n')
    if pulled.skipped:
        raise DXFError(f'{len(pulled.skipped)} blobs were left out: dxf pull-blob fetches them by their hashes')


def referrers(job: Job) -> None:
    """Print the digests of what is attached to an alias, and what it is."""
    from dxf import artifacts
    from dxf.artifacts import manifest
    reference, = job.operands
    operands.reference(reference, job.settings.host)
    kind = job.options['type']
    try:
        wanted = None if kind is None else manifest.check_media_type(kind)
    except DXFInvalidNameError as error:
        raise UsageError(str(error)) from None
    with job.registry() as repository:
        for entry in artifacts.referrers(repository, reference, wanted):
            kind = str(entry.get('artifactType') or entry.get('mediaType') or '-')
            job.tell('digest', entry['digest'] if job.options['json'] else f'{entry["digest"]} {printable(kind)}',
                     type=kind)
