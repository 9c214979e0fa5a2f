"""Commands about aliases and their manifests: one function a command.

A function checks all its operands before the first request, and prints its result.
"""

import os
from typing import Any

from dxf.cli import console, new_stores, operands, stream_commands
from dxf.cli.context import Context, UsageError
from dxf.cli.mistakes import is_digest
from dxf.cli.progress import progress
from dxf.cli.repository_mistakes import Address, address_of, copy_line
from dxf.cli.snapshot_commands import check_source, ignore
from dxf.exceptions import DXFError
from dxf.local.file_hash import hash_file
from dxf.strict_json import load_object, printable

COMPARED = '; verify compares files: dxf pull-files fetches a folder to compare'
MAX_DIFFERENCES = 5
"""The most differences that an error message names."""


def set_alias(context: Context) -> None:
    """Name blobs, each given by its digest or by a file with the same content, and print the manifest.

    What an alias names gets a second name.
    """
    alias = operands.alias(context.operands[0])
    existing = operands.alias_to_copy(context.operands[1:])
    if existing is not None:
        existing, condition = operands.reference(existing, context.settings.host), _condition(context)
        with context.registry() as repository:
            _print_manifest(context, repository.add_alias(alias, existing, **condition), alias)
        return
    blobs = [_blob_to_name(context, operand) for operand in context.operands[1:]]
    operands.check_read_once([blob for blob in blobs if os.sep in blob])
    condition = _condition(context)
    digests = [hash_file(blob) if os.sep in blob else blob for blob in blobs]
    with context.registry() as repository:
        if context.options['dry_run']:
            _print_manifest(context, _planned_manifest(repository, alias, digests, condition), alias)
        else:
            _print_manifest(context, repository.set_alias(alias, *digests, **condition), alias)


def _blob_to_name(context: Context, operand: str) -> str:
    """Return the digest, or the path of the file, by which ``set-alias`` gets a blob.

    :raises UsageError: it is neither; the message for an alias tells how that gets another name
    """
    if os.sep in operand:
        return _file_to_name(context, operand)
    try:
        return operands.digest(operand, f'./{operand}', 'a file')
    except UsageError as error:
        is_alias = ':' not in operand and not os.path.lexists(operand) and not is_digest(context.operands[0])
        second = f'; an alias gets a second name by dxf set-alias {context.typed_repository} ' \
            f'{operands.alias(context.operands[0])} @{operand}'
        raise UsageError(f'{error}{second if is_alias else ""}') from None


def _file_to_name(context: Context, operand: str) -> str:
    """Return the path of a file; the message for an alias of another repository tells how that is copied."""
    try:
        return operands.file(operand)
    except UsageError as error:
        address = address_of(operand)
        if address is None or not address.reference or os.path.lexists(operand):
            raise
        settings = context.settings
        source = address if address.host or not settings.host_option else address._replace(host=settings.host)
        target = Address(settings.host, context.repository or '', operands.alias(context.operands[0]))
        raise UsageError(f'{error}; {copy_line(source, target)}') from None


def _planned_manifest(repository: Any, alias: str, digests: list[str], condition: dict[str, Any]) -> str:
    """Return the manifest that would be stored, after a check of the condition."""
    if condition:
        repository.check_current(alias, condition['if_match'])
    manifest: str = repository.make_unsigned_manifest(alias, *digests) if repository.schema == 'v1' else \
        repository.make_manifest(*digests)
    return manifest


def _condition(context: Context) -> dict[str, Any]:
    """Return the condition under which the alias is set, as keyword arguments; empty without one."""
    if_absent, if_match = context.options['if_absent'], context.options['if_match']
    if if_match is not None:
        if_match = operands.manifest_digest(if_match, '--if-match')
        if if_absent:
            raise UsageError('--if-absent and --if-match exclude each other')
    return {'if_absent': if_absent, 'if_match': if_match} if if_absent or if_match is not None else {}


def _print_manifest(context: Context, manifest: str, alias: str) -> None:
    if context.options['json']:
        console.print_json({'alias': alias, 'manifest': load_object(manifest, exact=True)})
    else:
        console.write_exactly(manifest)


def get_alias(context: Context) -> None:
    """Print the digests that aliases name."""
    targets = operands.aliases(context)
    with context.registry() as repository:
        for target in targets:
            context.print_result('blobs', target.blobs(repository, context.settings.platform), **target.named)


def del_alias(context: Context) -> None:
    """Delete aliases, and print the digests that each named, after its deletion."""
    aliases = [operands.reference(operand, context.settings.host) for operand in context.operands]
    with context.registry() as repository:
        from dxf.deletion import alias_deletion
        deletion = alias_deletion.AliasDeletion(repository, aliases, context.options['with_others'])
        if context.options['dry_run']:
            _print_deletion(context, deletion.plan())
            return
        for alias, named in deletion:
            context.print_result('blobs', named, alias=alias)
    new_stores.suggest_gc(context)


def _print_deletion(context: Context, plan: list[tuple[str, str | None]]) -> None:
    """Print the aliases that would be deleted, each with the digest of its manifest if that goes too."""
    for alias, digest in plan:
        context.print_action('delete', alias if digest in (None, alias) else f'{alias} {digest}', alias=alias,
                             **({} if digest is None else {'digest': digest}))


def get_digest(context: Context) -> None:
    """Print the digests of the configurations of aliases."""
    targets = operands.aliases(context)
    with context.registry() as repository:
        for target in targets:
            digest = repository.get_digest(target.alias, target.manifest, platform=context.settings.platform)
            context.print_result('digest', target.check_found(digest), **target.named)


def get_manifest(context: Context) -> None:
    """Print the manifests of aliases as they are stored."""
    aliases = [operands.reference(operand, context.settings.host) for operand in context.operands]
    with context.registry() as repository:
        for alias in aliases:
            manifest = operands.Target(alias=alias).check_found(
                repository.get_manifest(alias, context.settings.platform))
            if isinstance(manifest, dict):
                context.print_result('manifest', manifest, alias=alias)
            else:
                _print_manifest(context, manifest, alias)


def get_manifest_digest(context: Context) -> None:
    """Print the digests of the manifests that aliases name, each by one request without a body."""
    aliases = [operands.named(operand, context.settings.host) for operand in context.operands]
    with context.registry() as repository:
        for alias in aliases:
            context.print_result('digest', repository.manifest_digest(alias), alias=alias)


def inspect(context: Context) -> None:
    """Print what an alias names: digest, media type, size, annotations, blobs or platforms."""
    alias = operands.reference(context.operands[0], context.settings.host)
    with context.registry() as repository:
        from dxf import inspection
        found = inspection.inspect(repository, alias, context.settings.platform)
    if context.options['json']:
        console.print_json({'alias': alias, **found.document()})
    else:
        for line in found.lines():
            console.print_items(printable(line))


def verify(context: Context) -> None:
    """Compare files with the blobs that an alias names, in their order, or folders with a snapshot."""
    *given, last = context.operands
    alias, hint = operands.named(last, context.settings.host), ''
    if context.options['read_packs'] or not given or any(map(os.path.isdir, given)):
        differences = _differences_from_snapshot(context, operands.reference(last, context.settings.host), given)
    else:
        files = [operands.file(operand, COMPARED) for operand in given]
        operands.check_read_once(files)
        with context.registry() as repository:
            from dxf import inspection
            differences = inspection.differences(repository, alias, files, context.settings.platform)
            hint = stream_commands.about_snapshot(context, repository, alias) if differences else ''
    if differences:
        raise DXFError(hint or '; '.join(differences[:MAX_DIFFERENCES]) + _count_of_others(differences))


def _differences_from_snapshot(context: Context, reference: str, folders: list[str]) -> list[str]:
    """Return in what folders differ from a snapshot, and what the registry does not have of it."""
    for folder in folders:
        check_source(folder)
    with context.registry() as repository, progress(context.settings.progress) as shown:
        from dxf import snapshots
        return snapshots.verify(repository, reference, folders, read_packs=context.options['read_packs'],
                                progress=shown or ignore)


def _count_of_others(differences: list[str]) -> str:
    others = len(differences) - MAX_DIFFERENCES
    return f'; {others} more' if others > 0 else ''
