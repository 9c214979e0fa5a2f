"""The command that deletes the aliases which no rule keeps."""

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from dxf.cli import new_stores, operands
from dxf.cli.context import Context, UsageError
from dxf.environment.variable_values import whole
from dxf.exceptions import DXFError
from dxf.names import shown_repository
from dxf.retention.rules import ATTACHED, NO_TIME, PERIODS, Decision, Rules, Span
from dxf.retention.time_format import TimeFormat

NO_RULE = 'no rule keeps anything: give one, such as --keep-daily=14'


class _Selection(NamedTuple):
    """Which aliases the rules are for: those that match one of the patterns, and begin with a text."""

    patterns: list[str]
    prefix: str

    def has(self, alias: str) -> bool:
        """Return whether the rules are for an alias."""
        return alias.startswith(self.prefix) and (
            not self.patterns or any(fnmatchcase(alias, pattern) for pattern in self.patterns))

    def check(self, aliases: Iterable[str], repository: str) -> None:
        """Check that every pattern, and the beginning, match something: one may be mistyped.

        :raises DXFError: a pattern, or the beginning, matches no alias of a repository that has some
        """
        there = list(aliases)
        for pattern in self.patterns if there else []:
            if not any(fnmatchcase(alias, pattern) for alias in there):
                raise DXFError(f'no alias of {repository} matches the pattern {pattern!r}: nothing was deleted'
                               f'{_about_pattern(pattern, there)}')
        if there and not any(map(self.has, there)):
            raise DXFError(f'no alias of {repository} begins with {self.prefix!r} and matches: nothing was deleted')


def prune(context: Context) -> None:
    """Print which aliases go and which stay, by which rules; with --delete, delete the first."""
    options = context.options
    most = _number(context, 'max_delete')
    selection, rules, time_format = _selection(context), _rules(context), _time_format(context)
    if not options['delete']:
        context = context._replace(actions=('pull',))
    with context.registry() as repository:
        from dxf import retention
        aliases = repository.list_aliases()
        selection.check(aliases, shown_repository(repository.repo))
        found = retention.times_of(repository, [alias for alias in aliases if selection.has(alias) or
                                                retention.subject_of(alias) is not None], time_format)
        decisions = retention.plan(found.times, rules) if found.times else []
        _check_times(decisions, repository.repo)
        _print_plan(context, [decision for decision in decisions if _is_decided(decision, selection)])
        retention.check_number(decisions, most)
        if options['delete']:
            times = {decision.alias: decision.time for decision in decisions}
            retention.apply(repository, decisions, digests=found.digests,
                            on_deleted=lambda reference: _print_deleted(context, reference, times))
    goes = any(decision.goes for decision in decisions)
    if options['delete'] and goes:
        new_stores.suggest_gc(context)
    new_stores.suggest_deletion(goes and not options['delete'])


def _selection(context: Context) -> _Selection:
    """Return which aliases the rules are for.

    :raises UsageError: the pattern or the beginning cannot be right
    """
    patterns, start = context.options['match'] or [], context.options['prefix']
    if '' in patterns:
        raise UsageError('--match is empty; is a variable unset?')
    if start == '':
        raise UsageError('--prefix is empty: the rules would be for all aliases; is a variable unset?')
    return _Selection(patterns, operands.prefix(start or '', context.settings.host))


def _check_times(decisions: list[Decision], repository: str) -> None:
    """Check that a rule can apply: aliases without a time stay for ever, and a job would never delete anything.

    Attached tags do not count: they have no time of their own.

    :raises DXFError: no alias has a time, or is kept by its name
    """
    reasons = {decision.reasons for decision in decisions} - {(ATTACHED,)}
    if reasons == {(NO_TIME,)}:
        raise DXFError(f'no alias of {shown_repository(repository)} has a time, so all stay: put the date into names, '
                       'as @nightly-$(date +%F) does; --time-format=FORMAT reads other dates, such as %d-%m-%Y')


def _about_pattern(pattern: str, aliases: Iterable[str]) -> str:
    """Return the hint for a pattern that is a regular expression, or a part of names; empty for others."""
    plain = pattern.replace('.*', '*').strip('^$')
    for like in (plain, f'{plain}*', f'*{plain}*'):
        if any(fnmatchcase(alias, like) for alias in aliases):
            return f'; {like} matches some'
    return ''


def _is_decided(decision: Decision, selection: _Selection) -> bool:
    """Return whether a plan can say what becomes of an alias that the rules are for.

    An attached tag goes with its manifest. Whether that goes is found out when it is deleted, unless a rule keeps the
    tag by its name.
    """
    return selection.has(decision.alias) and decision.reasons != (ATTACHED,)


def _rules(context: Context) -> Rules:
    """Return the rules that the options are.

    :raises UsageError: one is wrong, or no rule keeps anything
    """
    counts = {name: _number(context, f'keep_{name}') or 0 for name in ('last', *PERIODS)}
    within = None
    if context.options['keep_within'] is not None:
        try:
            within = Span.parse(context.options['keep_within'])
        except ValueError as error:
            raise UsageError(f'--keep-within: {error}') from None
    rules = Rules(**counts, within=within, match=tuple(context.options['keep_match'] or ()))
    if rules.keep_nothing:
        raise UsageError(NO_RULE)
    return rules


def _time_format(context: Context) -> TimeFormat | None:
    """Return how a time stands in a name, ``None`` for the usual forms."""
    text = context.options['time_format']
    try:
        return None if text is None else TimeFormat(text)
    except ValueError as error:
        raise UsageError(f'--time-format: {error}') from None


def _number(context: Context, name: str) -> int | None:
    """Return the number that an option has as its value, ``None`` without the option."""
    text = context.options[name]
    if text is None:
        return None
    number = whole(text)
    if number is None:
        raise UsageError(f'--{name.replace("_", "-")}: {text!r} is no whole number from 0')
    return number


def _print_plan(context: Context, decisions: list[Decision]) -> None:
    """Print what stays, and why; and what would go, unless it is deleted now."""
    for decision in decisions:
        if decision.goes and context.options['delete']:
            continue
        action = 'delete' if decision.goes else 'keep'
        _print(context, action, decision.alias, decision.time, list(decision.reasons))


def _print_deleted(context: Context, reference: str, times: dict[str, datetime | None]) -> None:
    """Print what is gone: an alias, or the digest of what referred to a manifest that is gone."""
    _print(context, 'delete', reference, times.get(reference))


def _print(context: Context, action: str, alias: str, time: datetime | None, rules: list[str] | None = None) -> None:
    """Print a line of the plan."""
    shown = None if time is None else f'{time:%Y-%m-%dT%H:%M:%SZ}'
    named: dict[str, Any] = {'time': shown} if rules is None else {'time': shown, 'rules': rules}
    context.print_action(action, ' '.join([alias, shown or '-', ','.join(rules or ())]).rstrip(),
                         **{'digest' if alias.startswith('sha256:') else 'alias': alias}, **named)
