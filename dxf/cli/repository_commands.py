"""Commands about whole repositories: one function a command."""

import os

from dxf.cli import operands
from dxf.cli.context import Context, UsageError
from dxf.cli.not_found import about_layouts
from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.names import FOLDER, check_registry, is_folder

MAX_LEFT_OUT = 5
"""The most names of what was left out that an error message has."""


def list_repos(context: Context) -> None:
    """Print the repositories of the registry, in its order.

    :raises DXFError: some folders in a folder cannot be read, or named
    """
    if is_folder(context.settings.host):
        _list_folder(context)
        return
    with context.registry() as registry:
        for name in registry.list_repos(iterate=True):
            context.print_result('repository', name)


def _list_folder(context: Context) -> None:
    """Print the repositories in a folder; raise an error that names what in it cannot be listed."""
    from dxf.layout.repositories import WITHOUT_MARKER, repositories
    root = os.path.realpath(check_registry(context.settings.host).removeprefix(FOLDER))
    os.stat(root)
    unreadable: list[str] = []
    misnamed: list[str] = []
    damaged: list[str] = []
    for name in sorted(repositories(root, unreadable, misnamed, damaged)):
        context.print_result('repository', name)
    left_out = [f'left out: {_first_of(unreadable)}: they cannot be read'] if unreadable else []
    if damaged:
        left_out.append(f'left out: {_first_of(sorted(damaged))}: {WITHOUT_MARKER}')
    if misnamed:
        first, *_ = misnamed = sorted(misnamed)
        left_out.append(f'left out: {_first_of([repr(name) for name in misnamed])}: no repository has such a name; '
                        f"read one by DXF_HOST={FOLDER}{os.path.join(root, first).rstrip(os.sep)} and '' as the "
                        'repository')
    if left_out:
        raise DXFError('; '.join(left_out))


def _first_of(names: list[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f' and {len(names) - MAX_LEFT_OUT} more' if len(names) > MAX_LEFT_OUT else ''
    return ', '.join(names[:MAX_LEFT_OUT]) + more


def list_aliases(context: Context) -> None:
    """Print the aliases of the repository, in the order of the registry or sorted.

    :raises DXFError: a folder has entries of other tools that cannot be read
    """
    prefix = operands.prefix(context.options['prefix'] or '', context.settings.host)
    with context.registry() as repository:
        # A folder lists its aliases sorted, and what cannot be read after all others.
        names = sorted(repository.list_aliases()) if context.options['sort'] and not is_folder(context.settings.host) \
            else repository.list_aliases(iterate=True)
        try:
            for name in names:
                if name.startswith(prefix):
                    context.print_result('alias', name)
        except DXFInvalidDocumentError:
            if not is_folder(context.settings.host) or not _are_left_out(context, prefix):
                raise


def _are_left_out(context: Context, prefix: str) -> bool:
    """Return whether a listing failed at its end, for aliases that dxf cannot read.

    :raises DXFError: the beginning of one of them is wanted
    """
    from dxf.layout import manifests
    _, left_out = manifests.listing(operands.layout_of(context))
    wanted = [name for name in left_out if name.startswith(prefix)]
    if wanted:
        raise DXFError(manifests.about_unreadable(wanted)) from None
    return bool(left_out)


def gc(context: Context) -> None:
    """Print or delete the blobs of a layout in a folder that no alias leads to."""
    from dxf.layout import garbage
    if not is_folder(check_registry(context.settings.host)):
        raise UsageError('gc is for folders, DXF_HOST=oci:PATH or --host=oci:PATH; a registry collects its garbage '
                         'itself')
    layout = operands.layout_of(context)
    if not layout.exists():
        raise UsageError(f'there is no layout in {layout.folder}{about_layouts(context)}')
    for digest, size in garbage.collect(layout, context.options['delete']):
        context.print_result('digest', digest if context.options['json'] else f'{digest} {size}', size=size)
