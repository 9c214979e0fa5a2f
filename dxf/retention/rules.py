"""Rules: which aliases stay, decided from their names and times. No requests.

The words mean what they mean for restic: https://restic.readthedocs.io/en/stable/060_forget.html
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from typing import NamedTuple

from dxf.exceptions import DXFError

MATCH = 'match'
"""The rule about names."""

NO_TIME = 'no-time'
FUTURE = 'future'
ATTACHED = 'attached'
"""Reasons to stay that are no rules."""

_ATTACHED_TAG = r'(?a)(sha256)-([a-f0-9]{64})(?:\.[A-Za-z0-9._-]+)?'
"""The tags under which clients store what belongs to a manifest: see ``referrers`` and ``cosign_tags``."""

_SPAN = r'(?a)(?:(\d{1,4})y)?(?:(\d{1,5})m)?(?:(\d{1,6})d)?(?:(\d{1,7})h)?'

PERIODS: dict[str, Callable[[datetime], object]] = {
    'hourly': lambda time: (time.date(), time.hour),
    'daily': lambda time: time.date(),
    'weekly': lambda time: time.isocalendar()[:2],
    'monthly': lambda time: (time.year, time.month),
    'yearly': lambda time: time.year,
}
"""The period that a time is in, in UTC, by the name of the rule; a week begins on Monday."""


class Span(NamedTuple):
    """A length of time: years and months of the calendar, days and hours."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    @classmethod
    def parse(cls, text: str) -> 'Span':
        """Return the span that a text such as ``30d`` or ``1y6m`` names.

        :raises ValueError: the text is no span
        """
        found = re.fullmatch(_SPAN, text)
        if not text or found is None:
            raise ValueError(f'invalid span {text!r}: write years, months, days and hours such as 30d, 1y6m or 12h')
        return cls(*(int(number or 0) for number in found.groups()))

    def before(self, time: datetime) -> datetime:
        """Return the moment that is so long before a time; the last day of a month that is too short for its day."""
        month = time.year * 12 + time.month - 1 - self.years * 12 - self.months
        year = month // 12
        earliest = datetime.min.replace(tzinfo=time.tzinfo)
        if year < earliest.year:
            return earliest
        day = min(time.day, monthrange(year, month % 12 + 1)[1])
        try:
            return time.replace(year=year, month=month % 12 + 1, day=day) - timedelta(days=self.days, hours=self.hours)
        except OverflowError:
            return earliest


class Rules(NamedTuple):
    """What stays. An alias stays if one rule says so.

    :param last: the newest so many
    :param hourly: the newest of each of the last so many hours that have an alias; ``daily`` and the others likewise
    :param within: all that are at most so much older than the newest
    :param match: all whose names match one of these patterns of the shell
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: Span | None = None
    match: tuple[str, ...] = ()

    @property
    def keep_nothing(self) -> bool:
        """Whether no rule keeps anything."""
        return not any((self.last, self.within is not None, self.match, *map(self.count, PERIODS)))

    def count(self, period: str) -> int:
        """Return how many periods of a kind keep an alias."""
        number: int = getattr(self, period)
        return number


class Decision(NamedTuple):
    """What becomes of an alias.

    :param time: ``None`` if it is not known
    :param reasons: the rules by which it stays, or ``no-time``, ``future`` or ``attached``; empty if it goes
    """

    alias: str
    time: datetime | None
    reasons: tuple[str, ...] = ()

    @property
    def goes(self) -> bool:
        """Whether no rule keeps it."""
        return not self.reasons


def plan(times: Mapping[str, datetime | None], rules: Rules, now: datetime | None = None) -> list[Decision]:
    """Decide which aliases stay, and why; no request is made.

    An alias without a time stays. One whose time is in the future stays, and no rule counts it. A tag such as
    ``sha256-<hex>.sig`` stays as long as the manifest that it belongs to.

    :param times: of all aliases that the rules are for, with time zones
    :param now: what is after it is in the future; ``None`` for the present moment
    :return: the newest first; those without a time at the end
    :raises ValueError: there is no rule, a count below 0, or a time without a zone
    :raises DXFError: no alias matches a pattern of ``rules.match``: it may be mistyped, and keeps nothing
    """
    _check(rules, times)
    moment = datetime.now(timezone.utc) if now is None else now
    reasons: dict[str, list[str]] = {alias: [] for alias in times}
    dated = sorted(((time.astimezone(timezone.utc), alias) for alias, time in times.items()
                    if time is not None and subject_of(alias) is None), reverse=True)
    past = [(time, alias) for time, alias in dated if time <= moment]
    for rule, aliases in (*_by_time(past, rules), (MATCH, _matching(times, rules.match))):
        for alias in aliases:
            reasons[alias].append(rule)
    for _, alias in dated[:len(dated) - len(past)]:
        reasons[alias].append(FUTURE)
    undated = sorted(times.keys() - {alias for _, alias in dated})
    return [*(Decision(alias, time, tuple(reasons[alias])) for time, alias in dated),
            *(Decision(alias, None, (*reasons[alias], NO_TIME if subject_of(alias) is None else ATTACHED))
              for alias in undated)]


def subject_of(alias: str) -> str | None:
    """Return the digest of the manifest to which a tag such as ``sha256-<hex>.sig`` belongs; ``None`` for another."""
    found = re.fullmatch(_ATTACHED_TAG, alias)
    return None if found is None else ':'.join(found.groups())


def _check(rules: Rules, times: Mapping[str, datetime | None]) -> None:
    """Check that there is a rule, that the counts are possible, and that the times can be compared."""
    if rules.last < 0 or any(rules.count(period) < 0 for period in PERIODS):
        raise ValueError('the counts of rules are 0 or more')
    if rules.keep_nothing:
        raise ValueError('no rule keeps anything: give one, such as Rules(daily=14)')
    for alias, time in times.items():
        if time is not None and time.tzinfo is None:
            raise ValueError(f'the time of {alias} has no time zone: write datetime(..., tzinfo=timezone.utc)')


def _by_time(past: Sequence[tuple[datetime, str]], rules: Rules) -> Iterable[tuple[str, list[str]]]:
    """Yield each rule about times with the aliases that it keeps.

    :param past: times and aliases, the newest first
    """
    yield 'last', [alias for _, alias in past[:rules.last]]
    for period, period_of in PERIODS.items():
        yield period, _newest_of_each(past, period_of, rules.count(period))
    if rules.within is not None and past:
        start = rules.within.before(past[0][0])
        yield 'within', [alias for time, alias in past if time >= start]


def _newest_of_each(past: Sequence[tuple[datetime, str]], period_of: Callable[[datetime], object], count: int
                    ) -> list[str]:
    """Return the newest alias of each of the last so many periods that have one.

    If there are fewer periods, the oldest alias stays as well, as restic has it: it becomes the one of an old period.
    """
    newest: dict[object, str] = {}
    for time, alias in past:
        newest.setdefault(period_of(time), alias)
    kept = list(newest.values())[:count]
    if len(kept) < count and past and past[-1][1] not in kept:
        kept.append(past[-1][1])
    return kept


def _matching(aliases: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Return the aliases that match a pattern.

    :raises DXFError: a pattern matches no alias
    """
    found = {pattern: [alias for alias in aliases if fnmatchcase(alias, pattern)] for pattern in patterns}
    for pattern, those in found.items():
        if not those:
            raise DXFError(f'no alias matches the pattern {pattern!r}, which is to keep some: nothing was deleted')
    return list(dict.fromkeys(alias for those in found.values() for alias in those))
