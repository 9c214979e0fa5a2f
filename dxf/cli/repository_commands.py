"""Commands about whole repositories: one function a command."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from dxf.cli import new_stores, operands
from dxf.cli.context import Context, UsageError
from dxf.cli.error_messages import first_of
from dxf.cli.not_found import about_layouts
from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.names import FOLDER, check_registry, is_folder

MAX_LEFT_OUT = 5
"""The most names of what was left out that an error message has."""


def list_repos(context: Context) -> None:
    """Print the repositories of the registry, in its order.

    :raises DXFError: some folders in a folder cannot be read, or named
    """
    prefix = operands.repository_prefix(context.options['prefix'] or '')
    if is_folder(context.settings.host):
        _list_folder(context, prefix)
        return
    with context.registry() as registry:
        for name in registry.list_repos(iterate=True):
            if name.startswith(prefix):
                context.print_result('repository', name)


def _list_folder(context: Context, prefix: str) -> None:
    """Print the repositories in a folder; raise an error that names what in it cannot be listed."""
    from dxf.layout.repositories import WITHOUT_MARKER, repositories
    root = os.path.realpath(check_registry(context.settings.host).removeprefix(FOLDER))
    os.stat(root)
    unreadable: list[str] = []
    misnamed: list[str] = []
    damaged: list[str] = []
    for name in sorted(repositories(root, unreadable, misnamed, damaged)):
        if name.startswith(prefix):
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
    """Print the aliases of the repository, or what they hold, in the order of the registry or sorted.

    :raises DXFError: a folder has entries of other tools that cannot be read, or there is an alias without a manifest
        that can be read
    """
    options = context.options
    prefix = operands.prefix(options['prefix'] or '', context.settings.host)
    left_out: list[str] = []
    with context.registry() as repository:
        names = _sorted_names(_names(context, repository, prefix, left_out), options['sort'])
        if options['long'] or options['sort'] in ('time', 'size'):
            _print_entries(context, repository, names, left_out)
        else:
            for name in names:
                context.print_result('alias', name)
    _raise_for(left_out)


def _names(context: Context, repository: Any, prefix: str, left_out: list[str]) -> Iterator[str]:
    """Yield the aliases with a prefix; add a sentence about those of a folder that cannot be read to ``left_out``."""
    host = context.settings.host
    # A list has a limit, and a folder lists what cannot be read after all others.
    is_whole = context.options.get('sort') is not None and not is_folder(host)
    try:
        yield from (name for name in repository.list_aliases(iterate=not is_whole) if name.startswith(prefix))
    except DXFInvalidDocumentError:
        unreadable = _unreadable(context)
        if not unreadable:
            raise
        wanted = [name for name in unreadable if name.startswith(prefix)]
        if wanted:
            from dxf.layout import manifests
            left_out.append(manifests.about_unreadable(wanted))


def _unreadable(context: Context) -> list[str]:
    """Return the names of entries of a folder that dxf cannot read; none of a registry."""
    if not is_folder(context.settings.host):
        return []
    from dxf.layout import manifests
    return manifests.listing(operands.layout_of(context))[1]


def _sorted_names(names: Iterator[str], order: str | None) -> Iterable[str]:
    """Return aliases in an order that needs nothing but their names; for the other orders as they are."""
    if order == 'version':
        from dxf import listing
        return sorted(names, key=listing.by_version)
    return sorted(names) if order == 'name' else names


def _print_entries(context: Context, repository: Any, names: Iterable[str], left_out: list[str]) -> None:
    """Print what aliases hold, or with ``--sort`` alone their names."""
    from dxf import listing
    keys = {'time': listing.by_time, 'size': listing.by_size}
    order = context.options['sort']
    found: Iterable[listing.Entry] = listing.entries(repository, names, left_out)
    for entry in sorted(found, key=keys[order]) if order in keys else found:
        if context.options['long']:
            context.print_record(entry)
        else:
            context.print_result('alias', entry.alias)


def _raise_for(left_out: list[str]) -> None:
    """Raise an error that names what was left out, if there is anything."""
    if left_out:
        raise DXFError(first_of(left_out, MAX_LEFT_OUT))


def du(context: Context) -> None:
    """Print the bytes of each alias, and of all of them together.

    :raises DXFError: as :func:`list_aliases`; what was left out is not counted
    """
    left_out: list[str] = []
    with context.registry() as repository:
        from dxf import usage
        found = usage.usage(repository, _names(context, repository, '', left_out), left_out)
    for alias in found.aliases:
        context.print_record(alias)
    context.print_total(found.total)
    _raise_for(left_out)


def gc(context: Context) -> None:
    """Print or delete the blobs of a layout in a folder that no alias leads to."""
    from dxf.layout import garbage
    if not is_folder(check_registry(context.settings.host)):
        raise UsageError('gc is for folders, DXF_HOST=oci:PATH or --host=oci:PATH; a registry collects its garbage '
                         'itself')
    layout = operands.layout_of(context)
    if not layout.exists():
        raise UsageError(f'there is no layout in {layout.folder}{about_layouts(context)}')
    found = garbage.collect(layout, context.options['delete'])
    for digest, size in found:
        context.print_result('digest', digest if context.options['json'] else f'{digest} {size}', size=size)
    new_stores.suggest_deletion(bool(found) and not context.options['delete'])
