"""Arguments of ``copy``: which aliases of which repositories it copies, and where to, checked before any request."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from dxf.cli import operands
from dxf.cli.context import Context, UsageError
from dxf.environment.reader import read_settings
from dxf.environment.variable_values import whole
from dxf.environment.variables import TARGET_PREFIX
from dxf.exceptions import DXFError, DXFInvalidNameError
from dxf.names import check_alias_at

FOR_ALL = ('match', 'skip_existing', 'delete', 'from_file', 'match_repo')
"""Options that make no sense for aliases that are named, by their names in a context."""


class Pair(NamedTuple):
    """A repository, and the one to which it is copied.

    :param is_named: print its name with each result, as there are several
    """

    source: Context
    target: Context
    is_named: bool = False


class Arguments(NamedTuple):
    """What is to be copied, and where to.

    :param aliases: empty for all of them
    :param to_alias: the name there of the only alias; ``None`` for the same name
    :param max_delete: the most aliases to delete; ``None`` for any number
    :param pairs: the repositories; empty for those of the registry that match
    """

    aliases: list[str]
    to_alias: str | None
    platform: str | None
    max_delete: int | None
    pairs: list[Pair]


def check(context: Context) -> Arguments:
    """Return what is to be copied, after all checks that need no request."""
    options = context.options
    is_several = options['from_file'] is not None or options['match_repo'] is not None
    _check_repositories(context, is_several)
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
    most = _check_options(context)
    names = [] if options['match_repo'] is not None else [str(context.repository)] if not is_several else \
        _names_in(options['from_file'], context.settings.host)
    pairs = [_pair(context, name, is_several) for name in names]
    for pair in pairs:
        for alias in aliases if to_alias is None else []:
            _check_target_alias(alias, pair.target.settings.host)
    if not pairs:
        _target_settings(context)
    return Arguments(aliases, to_alias, platform, most, pairs)


def _check_repositories(context: Context, is_several: bool) -> None:
    """Check that the repositories are named in one way, and that all of them keep their names."""
    options = context.options
    if context.repository is None and not is_several:
        raise UsageError('too few arguments: name a repository, or give --from-file=FILE or --match-repo=GLOB')
    if is_several and context.repository is not None:
        raise UsageError('too many arguments: --from-file and --match-repo name the repositories')
    if options['from_file'] is not None and options['match_repo'] is not None:
        raise UsageError('give --from-file or --match-repo, and not both')
    if is_several and options['to_repo'] is not None:
        raise UsageError('--to-repo is for one repository: several keep their names')


def _check_options(context: Context) -> int | None:
    """Check the options of a mirror; return the most aliases to delete."""
    options = context.options
    for name in FOR_ALL:
        flag = f'--{name.replace("_", "-")}'
        if options[name] not in (None, False) and not options['all']:
            raise UsageError(f'{flag} is for all aliases: give --all')
        if options[name] == '':
            raise UsageError(f'{flag} is empty')
    if options['max_delete'] is None:
        return None
    if not options['delete']:
        raise UsageError('--max-delete is for --delete')
    most = whole(options['max_delete'])
    if most is None:
        raise UsageError('--max-delete is a number of aliases, or 0')
    return most


def _names_in(path: str, host: str) -> list[str]:
    """Return the repositories that a file names, one a line; empty lines do not count."""
    try:
        with open(operands.file(path), encoding='utf-8') as file:
            names = list(dict.fromkeys(line.strip() for line in file if line.strip()))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f'cannot read {path!r}: {getattr(error, "strerror", None) or "it is not UTF-8"}') from None
    if not names:
        raise UsageError(f'{path} names no repository')
    for name in names:
        _check_line(path, name, host)
    return names


def _check_line(path: str, name: str, host: str) -> None:
    """Check a repository that a file names."""
    try:
        operands.repository(name, host)
    except UsageError as error:
        text = str(error).partition(', with . _ - or / between them')
        raise UsageError(f'{path}: {"".join(text[:2])}; a line is a repository alone: --match=GLOB chooses aliases, '
                         '--host=HOST names the registry') from None


def _target_settings(context: Context) -> Context:
    """Return a context with the settings of the registry to which is copied."""
    settings = read_settings(context.environ, TARGET_PREFIX, context.options['to'])
    actions = ('pull', 'push', 'delete') if context.options['delete'] else ('pull', 'push')
    return context._replace(settings=settings._replace(rate=context.settings.rate), actions=actions)


def _pair(context: Context, name: str, is_named: bool = False) -> Pair:
    """Return a repository, and the one to which it is copied."""
    options, target = context.options, _target_settings(context)
    operands.repository(name, context.settings.host)
    repository = name if options['to_repo'] is None else str(options['to_repo'])
    operands.repository(repository, target.settings.host)
    if options['to_repo'] is not None:  # a layout that is copied under its own name, the empty one, may be new
        operands.check_to_create(repository, target.settings.host)
    operands.check_place(repository, target.settings.host, '--to')
    return Pair(context._replace(repository=name), target._replace(repository=repository), is_named)


def _check_target_alias(alias: str, host: str) -> None:
    """Check that the target can have an alias: a registry has no full references, and no digests as aliases."""
    try:
        check_alias_at(host, alias)
    except DXFInvalidNameError as error:
        raise UsageError(f'{error} there: --to-alias=ALIAS names it') from None


def pairs_that_match(context: Context, left_out: list[str]) -> Iterator[Pair]:
    """Yield the repositories of the registry that --match-repo names; add invalid names to ``left_out``.

    :raises DXFError: no repository matches
    """
    pattern = context.options['match_repo']
    with context._replace(actions=()).registry() as registry:
        names = [name for name in registry.list_repos(iterate=True).valid(left_out) if fnmatchcase(name, pattern)]
    if not names:
        raise DXFError(f'no repository of {context.settings.host} matches {pattern}; dxf list-repos prints them')
    for name in names:
        yield _pair(context, name, True)
