"""Commands that are about whole repositories: one function a subcommand."""

import os
from collections.abc import Iterator
from typing import Any

import dxf
from dxf.cli import operands
from dxf.cli.context import Job, UsageError
from dxf.cli.not_found import about_layouts
from dxf.cli.progress import progress
from dxf.cli.settings import OTHER, read_other_settings, uses_own
from dxf.exceptions import DXFAmbiguousAliasError, DXFError, DXFInvalidNameError
from dxf.names import FOLDER, check_alias_at, check_registry, is_folder

NAMED = 5
"""Names of what was left out that an error message has."""


def list_aliases(job: Job) -> None:
    """Print the repository's aliases as the registry gives them out, or sorted.

    :raises DXFError: in a folder some cannot be read, as other tools wrote them
    """
    prefix = job.options['prefix'] or ''
    with job.registry() as repository:
        names = sorted(repository.list_aliases()) if job.options['sort'] else repository.list_aliases(iterate=True)
        for name in names:
            if name.startswith(prefix):
                job.tell('alias', name)
    if is_folder(job.settings.host):
        from dxf.layout import manifests
        left_out = [f'{name!r}' for name in manifests.unreadable(_layout(job)) if name.startswith(prefix)]
        if left_out:
            raise DXFError(f'left out: {", ".join(left_out)}: of a digest that is no sha256, or of another kind')


def list_repos(job: Job) -> None:
    """Print the registry's repositories as it gives them out.

    :raises DXFError: of a folder, some folders in it cannot be read, or named
    """
    if is_folder(job.settings.host):
        _list_folder(job)
        return
    with job.registry() as registry:
        for name in registry.list_repos(iterate=True):
            job.tell('repository', name)


def _list_folder(job: Job) -> None:
    """Print the repositories in a folder, and name what in it cannot be listed."""
    from dxf.layout.repositories import repositories
    root = os.path.realpath(check_registry(job.settings.host).removeprefix(FOLDER))
    os.stat(root)
    unreadable: list[str] = []
    misnamed: list[str] = []
    for name in sorted(repositories(root, unreadable, misnamed)):
        job.tell('repository', name)
    left_out = [f'left out: {_some(unreadable)}: they cannot be read'] if unreadable else []
    if misnamed:
        first, *_ = misnamed = sorted(misnamed)
        left_out.append(f'left out: {_some([repr(name) for name in misnamed])}: no repository has such a name; read '
                        f"one by DXF_HOST={FOLDER}{os.path.join(root, first).rstrip(os.sep)} and '' as the repository")
    if left_out:
        raise DXFError('; '.join(left_out))


def _some(names: list[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f' and {len(names) - NAMED} more' if len(names) > NAMED else ''
    return ', '.join(names[:NAMED]) + more


def _layout(job: Job) -> Any:
    return operands.layout(job.settings.host, job.repository or '')


def copy(job: Job) -> None:
    """Copy aliases, and all that they lead to, to another registry; print the digests of their manifests."""
    options = job.options
    if options['to'] is None:
        raise UsageError('too few arguments: --to=HOST names the registry to copy to')
    aliases = [operands.named(operand, job.settings.host) for operand in job.operands]
    if options['all'] == bool(aliases):
        raise UsageError('too few arguments: name aliases, or give --all' if not aliases else
                         'too many arguments: --all is for all aliases')
    if options['to_alias'] is not None and len(aliases) != 1:
        raise UsageError('--to-alias is for one alias')
    to_alias = None if options['to_alias'] is None else operands.alias(options['to_alias'], options['to'])
    platform = None if options['platform'] is None else operands.platform_of(options['platform'])
    other = _target_of(job)
    for alias in aliases if to_alias is None else []:
        _check_target_alias(alias, other.settings.host)
    left_out: list[str] = []
    copied: set[str] = set()
    with job.registry() as source, other.registry() as target:
        seen: dict[str, int] = {}
        for alias in aliases or _all_aliases(source, left_out):
            try:
                copying = dxf.Copying(source, target, alias, to_alias, platform, options['referrers'])
            except (DXFAmbiguousAliasError, DXFInvalidNameError) as error:
                if not options['all']:
                    raise
                left_out.append(str(error))
                continue
            copied |= copying.manifests
            _carry_out(job, copying, alias, seen)
    if options['dry_run']:
        total = sum(seen.values())
        job.tell('total', total if options['json'] else f'total {total}')
    if options['all']:
        _tell_left_out(job, left_out, copied)


def _carry_out(job: Job, copying: Any, alias: str, seen: dict[str, int]) -> None:
    """Copy an alias, and print the digest of its manifest; with --dry-run, print what that would take."""
    if job.options['dry_run']:
        _tell_plan(job, copying.outcome, seen)
        return
    with progress(job.settings.progress, sum(copying.outcome.moved.values())) as shown:
        copying.carry_out(shown)
    job.tell('digest', copying.outcome.digest, alias=alias)


def _target_of(job: Job) -> Job:
    """Return the job whose repository is the one to copy to."""
    options = job.options
    settings = read_other_settings(job.environ, options['to'])
    repository = str(job.repository if options['to_repo'] is None else options['to_repo'])
    operands.repository(repository, settings.host)
    return job._replace(settings=settings, repository=repository, actions=('pull', 'push'),
                        prefix='DXF_' if uses_own(job.environ, options['to']) else OTHER)


def _check_target_alias(alias: str, host: str) -> None:
    """Insist that the target can have an alias: a registry has no full references, and no digests."""
    try:
        check_alias_at(host, alias)
    except DXFInvalidNameError as error:
        raise UsageError(f'{error} there: --to-alias=ALIAS names it') from None


def _all_aliases(source: Any, left_out: list[str]) -> Iterator[str]:
    """Yield the aliases of a repository; a name that breaks the grammar comes last, and is added to ``left_out``."""
    try:
        yield from source.list_aliases(iterate=True)
    except DXFInvalidNameError as error:
        left_out.append(str(error))


def _tell_left_out(job: Job, left_out: list[str], copied: set[str]) -> None:
    """Raise the error that names what --all could not copy, if there is anything.

    :param copied: the digests of the manifests that were copied
    """
    if is_folder(job.settings.host):
        from dxf.layout import manifests
        left_out += manifests.without_alias(_layout(job), copied)
    if left_out:
        raise DXFError(f'left out: {"; ".join(left_out)}')


def _tell_plan(job: Job, outcome: Any, seen: dict[str, int]) -> None:
    """Print what would be moved and has not been named yet, and what need not be."""
    for word, blobs in (('copy', outcome.moved), ('skip', outcome.found)):
        for digest, size in blobs.items():
            if digest not in seen:
                job.tell('action', word if job.options['json'] else f'{word} {digest} {size}', digest=digest, size=size)
                seen[digest] = size if word == 'copy' else 0


def gc(job: Job) -> None:
    """Print, or remove, the blobs of a layout in a folder that nothing leads to."""
    from dxf.layout import garbage
    if not is_folder(check_registry(job.settings.host)):
        raise UsageError('gc is for folders, DXF_HOST=oci:PATH; a registry collects its garbage itself')
    repository = _layout(job)
    if not repository.exists():
        raise UsageError(f'there is no layout in {repository.folder}{about_layouts(job)}')
    for digest, size in garbage.collect(repository, job.options['delete']):
        job.tell('digest', digest if job.options['json'] else f'{digest} {size}', size=size)
