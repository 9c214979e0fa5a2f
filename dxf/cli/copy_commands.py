"""The command that copies aliases to another registry or repository."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import dxf
from dxf.cli import operands
from dxf.cli.context import Context, UsageError
from dxf.cli.environment import read_settings
from dxf.cli.progress import progress
from dxf.cli.variables import TARGET_PREFIX
from dxf.exceptions import DXFAmbiguousAliasError, DXFError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.names import check_alias_at, is_folder

MAX_LEFT_OUT = 20
"""The most names of what --all left out that an error message has."""


class _Arguments(NamedTuple):
    """What is to be copied, and where to; everything is checked.

    :param aliases: empty for all of them
    :param to_alias: the name there of the only alias; ``None`` for the same name
    :param target: the context of the repository to which is copied
    """

    aliases: list[str]
    to_alias: str | None
    platform: str | None
    target: Context


def copy(context: Context) -> None:
    """Copy aliases, and everything that they lead to, to another registry; print the digests of their manifests."""
    options, arguments = context.options, _check(context)
    left_out: list[str] = []
    copied: set[str] = set()
    seen: dict[str, int] = {}
    with context.registry() as source, arguments.target.registry() as target:
        for alias in arguments.aliases or _all_aliases(context, source, left_out):
            try:
                copying = dxf.Copying(source, target, alias, arguments.to_alias, arguments.platform,
                                      options['referrers'])
            except (DXFAmbiguousAliasError, DXFInvalidNameError) as error:
                if not options['all']:
                    raise
                left_out.append(str(error))
                continue
            copied |= copying.manifests
            _carry_out(context, copying, alias, seen)
    if options['dry_run']:
        total = sum(seen.values())
        context.print_result('total', total if options['json'] else f'total {total}')
    if options['all']:
        _raise_for_left_out(context, left_out, copied)


def _check(context: Context) -> _Arguments:
    """Return what is to be copied, after all checks that need no request."""
    options = context.options
    if options['to'] is None:
        raise UsageError('too few arguments: --to=HOST names the registry to copy to')
    aliases = [operands.named(operand, context.settings.host) for operand in context.operands]
    if options['all'] == bool(aliases):
        raise UsageError('too few arguments: name aliases, or give --all' if not aliases else
                         'too many arguments: --all is for all aliases')
    if options['to_alias'] is not None and len(aliases) != 1:
        raise UsageError('--to-alias is for one alias')
    to_alias = None if options['to_alias'] is None else operands.alias(options['to_alias'], options['to'])
    platform = None if options['platform'] is None else operands.platform_of(options['platform'])
    target = _make_target(context)
    for alias in aliases if to_alias is None else []:
        _check_target_alias(alias, target.settings.host)
    return _Arguments(aliases, to_alias, platform, target)


def _make_target(context: Context) -> Context:
    """Return the context of the repository to which is copied."""
    options = context.options
    settings = read_settings(context.environ, TARGET_PREFIX, options['to'])
    repository = str(context.repository if options['to_repo'] is None else options['to_repo'])
    operands.repository(repository, settings.host)
    if options['to_repo'] is not None:  # a layout that is copied under its own name, the empty one, may be new
        operands.check_to_create(repository, settings.host)
    operands.check_place(repository, settings.host, '--to')
    return context._replace(settings=settings, repository=repository, actions=('pull', 'push'))


def _check_target_alias(alias: str, host: str) -> None:
    """Check that the target can have an alias: a registry has no full references, and no digests as aliases."""
    try:
        check_alias_at(host, alias)
    except DXFInvalidNameError as error:
        raise UsageError(f'{error} there: --to-alias=ALIAS names it') from None


def _all_aliases(context: Context, source: Any, left_out: list[str]) -> Iterator[str]:
    """Yield the aliases of a repository; add what is wrong with invalid names to ``left_out``."""
    try:
        yield from source.list_aliases(iterate=True).valid(left_out)
    except DXFInvalidDocumentError:
        # In a folder, what cannot be read comes after all other aliases, and is named at the end with the rest.
        if not is_folder(context.settings.host) or not _unreadable(context):
            raise


def _unreadable(context: Context) -> list[str]:
    """Return the names of entries of a folder that dxf cannot read."""
    from dxf.layout import manifests
    return manifests.listing(operands.layout_of(context))[1]


def _carry_out(context: Context, copying: Any, alias: str, seen: dict[str, int]) -> None:
    """Copy an alias, and print the digest of its manifest; with --dry-run, print what that would take."""
    if context.options['dry_run']:
        _print_plan(context, copying.outcome, seen)
        return
    with progress(context.settings.progress, sum(copying.outcome.moved.values())) as shown:
        copying.carry_out(shown)
    context.print_result('digest', copying.outcome.digest, alias=alias)


def _print_plan(context: Context, outcome: Any, seen: dict[str, int]) -> None:
    """Print the blobs that would be copied or skipped, each once."""
    for word, blobs in (('copy', outcome.moved), ('skip', outcome.found)):
        for digest, size in blobs.items():
            if digest not in seen:
                context.print_result('action', word if context.options['json'] else f'{word} {digest} {size}',
                                     digest=digest, size=size)
                seen[digest] = size if word == 'copy' else 0


def _raise_for_left_out(context: Context, left_out: list[str], copied: set[str]) -> None:
    """Raise an error that names what --all could not copy, if there is anything.

    :param copied: the digests of the manifests that were copied
    """
    if is_folder(context.settings.host):
        from dxf.layout import manifests
        layout = operands.layout_of(context)
        # One platform leaves out what is attached to the others, and to their index: that is what was asked for.
        left_out += manifests.without_alias(layout, copied,
                                            context.options['referrers'] and context.options['platform'] is None)
    if left_out:
        more = f'; and {len(left_out) - MAX_LEFT_OUT} more' if len(left_out) > MAX_LEFT_OUT else ''
        raise DXFError(f'left out: {"; ".join(left_out[:MAX_LEFT_OUT])}{more}')
