"""Commands that are about whole repositories: one function a subcommand."""

from typing import Any

import dxf
from dxf import operands
from dxf.job import Job, UsageError
from dxf.names import FOLDER, check_registry, is_folder
from dxf.progress import progress
from dxf.settings import OTHER, read_other_settings, uses_own


def copy(job: Job) -> None:
    """Copy aliases, and all that they lead to, to another registry; print the digests of their manifests."""
    options = job.options
    aliases = [operands.alias(operand) for operand in job.operands]
    if options['all'] == bool(aliases):
        raise UsageError('too few arguments: name aliases, or give --all' if not aliases else
                         'too many arguments: --all is for all aliases')
    if options['to'] is None:
        raise UsageError('too few arguments: --to=HOST names the registry to copy to')
    if options['to_alias'] is not None and len(aliases) != 1:
        raise UsageError('--to-alias is for one alias')
    to_alias = None if options['to_alias'] is None else operands.alias(options['to_alias'])
    platform = None if options['platform'] is None else operands.platform_of(options['platform'])
    settings = read_other_settings(job.environ, options['to'])
    repository = str(job.repository if options['to_repo'] is None else options['to_repo'])
    operands.repository(repository, settings.host)
    other = job._replace(settings=settings, repository=repository, actions=('pull', 'push'),
                         prefix='DXF_' if uses_own(job.environ, options['to']) else OTHER)
    with job.registry() as source, other.registry() as target:
        seen: dict[str, int] = {}
        for alias in aliases or source.list_aliases(iterate=True):
            copying = dxf.Copying(source, target, alias, to_alias, platform, options['referrers'])
            if options['dry_run']:
                _tell_plan(job, copying.outcome, seen)
            else:
                with progress(job.settings.progress, sum(copying.outcome.moved.values())) as shown:
                    copying.carry_out(shown)
                job.tell('digest', copying.outcome.digest, alias=alias)
    if options['dry_run']:
        total = sum(seen.values())
        job.tell('total', total if options['json'] else f'total {total}')


def _tell_plan(job: Job, outcome: Any, seen: dict[str, int]) -> None:
    """Print what would be moved and has not been named yet, and what need not be."""
    for word, blobs in (('copy', outcome.moved), ('skip', outcome.found)):
        for digest, size in blobs.items():
            if digest not in seen:
                job.tell('action', word if job.options['json'] else f'{word} {digest} {size}', digest=digest, size=size)
                seen[digest] = size if word == 'copy' else 0


def gc(job: Job) -> None:
    """Print, or remove, the blobs of a layout in a folder that nothing leads to."""
    from dxf import garbage, layout
    folder = check_registry(job.settings.host)
    if not is_folder(folder):
        raise UsageError('gc is for folders, DXF_HOST=oci:PATH; a registry collects its garbage itself')
    repository = layout.Layout(folder.removeprefix(FOLDER), job.repository or '')
    if not repository.exists():
        raise UsageError(f'there is no layout in {repository.folder}')
    for digest, size in garbage.collect(repository, job.options['delete']):
        job.tell('digest', digest if job.options['json'] else f'{digest} {size}', size=size)
