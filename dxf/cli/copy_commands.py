"""The command that copies aliases to another registry or repository, or mirrors all of them there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import dxf
from dxf.cli import copy_arguments, operands
from dxf.cli.context import Context
from dxf.cli.copy_arguments import Arguments, Pair
from dxf.cli.error_messages import first_of, line_of
from dxf.cli.progress import progress
from dxf.deletion import bounds
from dxf.exceptions import DXFError
from dxf.hints import mark_as_target
from dxf.names import is_folder, shown_repository

MAX_LEFT_OUT = 20
"""The most sentences about what --all left out that an error message has."""


def copy(context: Context) -> None:
    """Copy aliases, and everything that they lead to, to another registry; print the digests of their manifests."""
    arguments = copy_arguments.check(context)
    if context.options['all']:
        _mirror(context, arguments)
        return
    pair, = arguments.pairs
    output = _Output(pair, {})
    with pair.source.registry() as source, pair.target.registry() as target:
        for alias in arguments.aliases:
            copying = dxf.Copying(source, target, alias, arguments.to_alias, arguments.platform,
                                  context.options['referrers'])
            _carry_out(output, copying, alias, partial(_copied, copying))
    _print_total(context, output.total)


def _copied(copying: Any, shown: Any) -> bool:
    """Copy an alias; return true, as an error would have ended it."""
    copying.carry_out(shown)
    return True


class _Output(NamedTuple):
    """What is printed about one repository.

    :param seen: the bytes to copy of each blob that was printed, with --dry-run
    """

    pair: Pair
    seen: dict[str, int]

    @property
    def total(self) -> int:
        """The bytes to copy."""
        return sum(self.seen.values())

    def print(self, key: str, result: str, text: str, **named: Any) -> None:
        """Print a result; after the name of its repository, if there are several.

        :param text: the result without --json
        """
        context = self.pair.source
        name = shown_repository(context.repository or '')
        if not context.options['json']:
            result = f'{name} {text}' if self.pair.is_named else text
        elif self.pair.is_named:
            named['repository'] = context.repository
        context.print_result(key, result, **named)


def _carry_out(output: _Output, copying: Any, alias: str, carry_out: Callable[[Any], bool]) -> None:
    """Copy an alias, and print the digest of its manifest; with --dry-run, print what that would take.

    :param carry_out: takes what shows the progress, and returns whether the alias was copied
    """
    context = output.pair.source
    if context.options['dry_run']:
        _print_plan(output, copying.outcome)
        return
    with progress(context.settings.progress, sum(copying.outcome.moved.values())) as shown:
        is_done = carry_out(shown)
    if is_done:
        output.print('digest', copying.outcome.digest, copying.outcome.digest, alias=alias)


def _print_plan(output: _Output, outcome: Any) -> None:
    """Print the blobs that would be copied or skipped, each once."""
    for word, blobs in (('copy', outcome.moved), ('skip', outcome.found)):
        for digest, size in blobs.items():
            if digest not in output.seen:
                output.print('action', word, f'{word} {digest} {size}', digest=digest, size=size)
                output.seen[digest] = size if word == 'copy' else 0


def _print_total(context: Context, total: int) -> None:
    """Print the bytes that would be copied, with --dry-run."""
    if context.options['dry_run']:
        context.print_total(total)


# All aliases


class _Mirror(NamedTuple):
    """A repository of which all aliases have been copied, and those of its target that are to be deleted."""

    output: _Output
    target: Any
    mirroring: Any
    surplus: list[str]


class _Problems:
    """What keeps a mirror from being complete. The first error of a single repository is raised at once."""

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._failed: list[str] = []

    @contextmanager
    def of(self, pair: Pair) -> Iterator[None]:
        """Go on with the next repository, if there are several, after an error that is about one."""
        try:
            yield
        except DXFError as error:
            if not pair.is_named:
                raise
            if pair.source.is_about_target(error):
                mark_as_target(error)
            self._failed.append(f'{shown_repository(pair.source.repository or "")}: {line_of(error)}')

    def check_deletions(self, count: int, most: int | None) -> bool:
        """Return whether so many aliases may be deleted, in all repositories together."""
        try:
            bounds.check_number(count, most)
        except DXFError as error:
            self._failed.append(str(error))
            return False
        return True

    def check(self) -> None:
        """Raise an error that names what was not mirrored, if there is anything."""
        parts = [f'{word}{first_of(texts, MAX_LEFT_OUT)}'
                 for word, texts in (('', self._failed), ('left out: ', self.left_out)) if texts]
        if parts:
            raise DXFError('; '.join(parts))


def _mirror(context: Context, arguments: Arguments) -> None:
    """Copy all aliases of one or more repositories; then delete what their targets have in addition.

    :raises DXFError: an alias or a repository could not be mirrored; the others were
    """
    problems = _Problems()
    mirrors: list[_Mirror] = []
    total = matched = 0
    for pair in arguments.pairs or copy_arguments.pairs_that_match(context, problems.left_out):
        with problems.of(pair):
            mirror = _copy_all(pair, arguments, problems)
            matched += len(mirror.mirroring.listed)
            total += mirror.output.total
            if mirror.surplus:
                mirrors.append(mirror)
    is_allowed = problems.check_deletions(sum(len(mirror.surplus) for mirror in mirrors), arguments.max_delete)
    for mirror in mirrors if is_allowed or context.options['dry_run'] else []:
        with problems.of(mirror.output.pair):
            _delete(mirror)
    _print_total(context, total)
    problems.check()
    if context.options['match'] is not None and not matched:
        raise DXFError(f'no alias matches {context.options["match"]}; dxf list-aliases prints them')


def _copy_all(pair: Pair, arguments: Arguments, problems: _Problems) -> _Mirror:
    """Copy all aliases of a repository."""
    options, output = pair.source.options, _Output(pair, {})
    left_out: list[str] = []
    with pair.source.registry() as source, pair.target.registry() as target:
        mirroring = dxf.Mirroring(source, target, match=options['match'], skip_existing=options['skip_existing'],
                                  delete=options['delete'], platform=arguments.platform,
                                  referrers=options['referrers'])
        copied: set[str] = set()
        for alias in mirroring.skipped if options['dry_run'] else []:
            output.print('action', 'exists', f'exists {alias}', alias=alias)
        for step in mirroring:
            _carry_out_step(output, mirroring, step)
            copied |= set() if step.copying is None else step.copying.manifests
        surplus = mirroring.surplus()
        if is_folder(pair.source.settings.host) and options['match'] is None:
            left_out = _without_alias(pair.source, mirroring, copied)
    problems.left_out += [*mirroring.left_out, *left_out]
    return _Mirror(output, target, mirroring, surplus)


def _carry_out_step(output: _Output, mirroring: Any, step: Any) -> None:
    """Copy an alias, unless it is the same on both sides, and print the digest of its manifest."""
    if step.copying is not None:
        _carry_out(output, step.copying, step.alias, lambda shown: mirroring.carry_out(step, shown))
    elif output.pair.source.options['dry_run']:
        output.print('action', 'unchanged', f'unchanged {step.alias}', alias=step.alias, digest=step.digest)
    else:
        output.print('digest', step.digest, step.digest, alias=step.alias)


def _without_alias(context: Context, mirroring: Any, copied: set[str]) -> list[str]:
    """Return a sentence for each manifest of a folder that no alias leads to.

    :param copied: the digests of the manifests that were copied
    """
    from dxf.layout import manifests
    layout = operands.layout_of(context)
    # One platform leaves out what is attached to the others, and to their index: that is what was asked for.
    with_referrers = context.options['referrers'] and context.options['platform'] is None
    found = manifests.without_alias(layout, copied, with_referrers)
    return manifests.without_alias(layout, copied | mirroring.manifests(), with_referrers) if found else []


def _delete(mirror: _Mirror) -> None:
    """Delete what a target has in addition, or with --dry-run print it."""
    deleted = mirror.surplus if mirror.output.pair.source.options['dry_run'] else \
        mirror.mirroring.delete(mirror.surplus)
    with mirror.target:
        for alias in deleted:
            mirror.output.print('action', 'delete', f'delete {alias}', alias=alias)
