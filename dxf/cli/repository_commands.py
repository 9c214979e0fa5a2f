"""Commands about whole repositories: one function a command."""

import os

from dxf.cli import operands
from dxf.cli.context import Context, UsageError
from dxf.exceptions import DXFError
from dxf.names import FOLDER, check_registry, is_folder

MAX_LEFT_OUT = 5
"""The most folders that cannot be read that an error message names."""


def list_repos(context: Context) -> None:
    """Print the repositories of the registry, in its order.

    :raises DXFError: some folders in a folder cannot be read
    """
    if is_folder(context.settings.host):
        _list_folder(context)
        return
    with context.registry() as registry:
        for name in registry.list_repos(iterate=True):
            context.print_result('repository', name)


def _list_folder(context: Context) -> None:
    """Print the repositories in a folder; raise an error that names the folders in it that cannot be read."""
    from dxf.layout import store
    root = os.path.realpath(check_registry(context.settings.host).removeprefix(FOLDER))
    os.stat(root)
    left_out: list[str] = []
    for name in sorted(store.repositories(root, left_out)):
        context.print_result('repository', name)
    if left_out:
        more = f' and {len(left_out) - MAX_LEFT_OUT} more' if len(left_out) > MAX_LEFT_OUT else ''
        raise DXFError(f'left out: {", ".join(left_out[:MAX_LEFT_OUT])}{more}: they cannot be read')


def list_aliases(context: Context) -> None:
    """Print the aliases of the repository, in the order of the registry or sorted.

    :raises DXFError: a folder has entries of other tools that cannot be read
    """
    prefix = context.options['prefix'] or ''
    with context.registry() as repository:
        names = sorted(repository.list_aliases()) if context.options['sort'] else repository.list_aliases(iterate=True)
        for name in names:
            if name.startswith(prefix):
                context.print_result('alias', name)
    if is_folder(context.settings.host):
        from dxf.layout import manifests
        layout = operands.layout(context.settings.host, context.repository or '')
        left_out = [f'{name!r}' for name in manifests.unreadable(layout) if name.startswith(prefix)]
        if left_out:
            raise DXFError(f'left out: {", ".join(left_out)}: of a digest that is no sha256, or of another kind')


def gc(context: Context) -> None:
    """Print or delete the blobs of a layout in a folder that no alias leads to."""
    from dxf.layout import garbage
    if not is_folder(check_registry(context.settings.host)):
        raise UsageError('gc is for folders, DXF_HOST=oci:PATH; a registry collects its garbage itself')
    layout = operands.layout(context.settings.host, context.repository or '')
    if not layout.exists():
        raise UsageError(f'there is no layout in {layout.folder}; dxf list-repos prints the repositories')
    for digest, size in garbage.collect(layout, context.options['delete']):
        context.print_result('digest', digest if context.options['json'] else f'{digest} {size}', size=size)
