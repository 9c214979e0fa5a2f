"""Rules of retention: which aliases stay and by which rule, from names and times alone."""

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

import hypothesis.strategies as st
import pytest
from hypothesis import given

from dxf.exceptions import DXFError
from dxf.retention import Decision, Rules, Span, TimeFormat, plan
from dxf.retention.rules import PERIODS

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
DAYS = [f'2026-{day}' for day in ('11-28', '11-27', '11-26', '11-20', '11-01', '10-31', '10-01')] + ['2025-12-31']
DIGITS = '0123456789abcdef' * 4


def planned(names: Iterable[str], rules: Rules, now: datetime = NOW) -> list[Decision]:
    """Return the plan for aliases whose names are their times."""
    form = TimeFormat()
    return plan({name: form.time_of(name) for name in names}, rules, now)


def kept(names: Iterable[str], rules: Rules) -> dict[str, str]:
    """Return why each alias that stays does."""
    return {one.alias: ' '.join(one.reasons) for one in planned(names, rules) if not one.goes}


HOURS = ['2026-11-28T11-50', '2026-11-28T11-10', '2026-11-28T09-00', '2026-11-27T23-59']
TABLE = {
    'the last two': (DAYS, Rules(last=2), {'2026-11-28': 'last', '2026-11-27': 'last'}),
    'one of each hour': (HOURS, Rules(hourly=2), {HOURS[0]: 'hourly', HOURS[2]: 'hourly'}),
    'the newest of a day': (HOURS, Rules(daily=1), {HOURS[0]: 'daily'}),
    'days without an alias do not count': (DAYS, Rules(daily=4), dict.fromkeys(DAYS[:4], 'daily')),
    'a week begins on Monday': (['2026-11-23', '2026-11-22', '2026-11-16', '2026-11-15'], Rules(weekly=2),
                                {'2026-11-23': 'weekly', '2026-11-22': 'weekly'}),
    'a week of two years': (['2026-01-01', '2025-12-29', '2025-12-28', '2025-12-27'], Rules(weekly=2),
                            {'2026-01-01': 'weekly', '2025-12-28': 'weekly'}),
    'one of each month': (DAYS, Rules(monthly=2), {'2026-11-28': 'monthly', '2026-10-31': 'monthly'}),
    'one of each year': (DAYS, Rules(yearly=2), {'2026-11-28': 'yearly', '2025-12-31': 'yearly'}),
    'the oldest stays if there are too few': (DAYS[:5], Rules(yearly=3),
                                              {'2026-11-28': 'yearly', '2026-11-01': 'yearly'}),
    'several rules keep one': (DAYS, Rules(last=1, daily=1, within=Span(days=1)),
                               {'2026-11-28': 'last daily within', '2026-11-27': 'within'}),
    'within counts from the newest': (['2020-03-31', '2020-03-01', '2020-02-29', '2020-02-28'],
                                      Rules(within=Span(months=1)), {'2020-03-31': 'within', '2020-03-01': 'within',
                                                                     '2020-02-29': 'within'}),
    'within nothing keeps the newest': (DAYS, Rules(within=Span()), {'2026-11-28': 'within'}),
    'within longer than there are years': (DAYS[-1:], Rules(within=Span(years=9999)), {'2025-12-31': 'within'}),
    'a pattern': (['v1', 'v2', *DAYS[:2]], Rules(last=1, match=('v*',)),
                  {'2026-11-28': 'last', 'v1': 'match no-time', 'v2': 'match no-time'}),
    'the future is kept and not counted': (['2026-11-29', *DAYS[:2]], Rules(last=1),
                                           {'2026-11-29': 'future', '2026-11-28': 'last'}),
    'nothing but the future': (['2027-01-01', '2027-01-02'], Rules(daily=1, within=Span(days=1)),
                               {'2027-01-02': 'future', '2027-01-01': 'future'}),
    'no time': (['latest', 'v1.2', *DAYS[:2]], Rules(last=1),
                {'2026-11-28': 'last', 'latest': 'no-time', 'v1.2': 'no-time'}),
    'what is attached': ([f'sha256-{DIGITS}', f'sha256-{DIGITS}.sig', *DAYS[:2]], Rules(last=1),
                         {'2026-11-28': 'last', f'sha256-{DIGITS}': 'attached', f'sha256-{DIGITS}.sig': 'attached'}),
    'equal times': (['a-2026-11-28', 'b-2026-11-28'], Rules(daily=1), {'b-2026-11-28': 'daily'}),
    'a count larger than there are': (DAYS[:2], Rules(last=999_999_999), dict.fromkeys(DAYS[:2], 'last')),
}


@pytest.mark.parametrize(('names', 'rules', 'wanted'), TABLE.values(), ids=TABLE)
def test_an_alias_stays_by_the_rules_that_keep_it(names: list[str], rules: Rules, wanted: dict[str, str]) -> None:
    assert kept(names, rules) == wanted
    assert [one.alias for one in planned(names, rules)] == [one.alias for one in planned(names[::-1], rules)]


@pytest.mark.parametrize('rules', [Rules(), Rules(last=-1, daily=1)])
def test_rules_that_keep_nothing_or_are_impossible_are_refused(rules: Rules) -> None:
    with pytest.raises(ValueError, match='rule'):
        planned(DAYS, rules)


def test_a_pattern_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(DXFError, match=r"^no alias matches the pattern 'relese-\*'"):
        planned([*DAYS, 'release-1'], Rules(match=('release-*', 'relese-*')))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match='the time of a has no time zone'):
        plan({'a': datetime(2026, 1, 1)}, Rules(last=1))


@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2030, 1, 1)), unique=True, max_size=40),
       st.builds(Rules, *[st.integers(0, 4)] * 6, within=st.none() | st.builds(Span, *[st.integers(0, 40)] * 4),
                 match=st.just(())))
def test_of_any_history_the_newest_stays_and_a_later_look_keeps_what_an_earlier_one_kept(
        moments: list[datetime], rules: Rules) -> None:
    times: dict[str, datetime | None] = {moment.isoformat(): moment.replace(tzinfo=timezone.utc) for moment in moments}
    if rules.keep_nothing:
        rules = rules._replace(last=1)
    decisions = plan(times, rules, NOW)
    assert [one.time for one in decisions] == sorted(filter(None, times.values()), reverse=True)
    past = [one for one in decisions if one.time is not None and one.time <= NOW]
    assert not past or not past[0].goes
    assert all(one.reasons == ('future',) for one in decisions if one not in past)
    for period, period_of in PERIODS.items():
        by_rule = [period_of(one.time) for one in past if period in one.reasons and one.time is not None]
        every = list(dict.fromkeys(period_of(one.time) for one in past if one.time is not None))
        assert list(dict.fromkeys(by_rule)) == every[:rules.count(period)]
    left = {one.alias: one.time for one in decisions if not one.goes}
    assert not any(one.goes for one in plan(left, rules, NOW))


NAMES = {
    'nightly-2026-11-28': '2026-11-28T00:00', '2026-11-28': '2026-11-28T00:00', '20261128': '2026-11-28T00:00',
    '2026.11.28': '2026-11-28T00:00', '2026_11_28': '2026-11-28T00:00', 'db-20261128-abc1234': '2026-11-28T00:00',
    '2026-11-28T03-04-05Z': '2026-11-28T03:04:05', '20261128T030405': '2026-11-28T03:04:05',
    '20261128030405': '2026-11-28T03:04:05', '20261128-0304': '2026-11-28T03:04', '2026-11-28_03.04':
    '2026-11-28T03:04', '2026-11-28-7': '2026-11-28T00:00', '2026-11-28-999999': '2026-11-28T00:00',
    '2026-11-28-1234567': '2026-11-28T00:00', 'a-99999999-2026-02-30-20261128': '2026-11-28T00:00',
    'latest': None, 'v1.2.3': None, '2026-11': None, '2026-1128': None, '2026-02-30': None, '18991231': None,
    'a20261128': None, '20261128b': None, '120261128': None, '2026112812': None, DIGITS: None,
}


@pytest.mark.parametrize(('name', 'time'), NAMES.items(), ids=NAMES)
def test_the_usual_forms_of_a_time_in_a_name_are_read(name: str, time: str | None) -> None:
    found = TimeFormat().time_of(name)
    assert found == (None if time is None else datetime.fromisoformat(time).replace(tzinfo=timezone.utc))


@pytest.mark.parametrize(('text', 'name', 'time'), [
    ('db_%d%m%Y', 'db_28112026', '2026-11-28'), ('%d.%m.%y', 'x-28.11.26', '2026-11-28'), ('%s', 'b-1795824000',
                                                                                           '2026-11-28'),
    ('%Y%j', '2026332', '2026-11-28'), ('%Y-%m-%dT%H%M%S', '2026-11-28T010203', '2026-11-28T01:02:03'),
    ('at.%Y', 'at.2026', '2026-01-01'), ('at.%Y', 'atx2026', None), ('%d%m%Y', '31022026', None),
    ('db_%d%m%Y', '2026-11-28', None), ('%s', '999999999999', None)])
def test_a_format_reads_times_in_names(text: str, name: str, time: str | None) -> None:
    found = TimeFormat(text).time_of(name)
    assert found == (None if time is None else datetime.fromisoformat(time).replace(tzinfo=timezone.utc))


@pytest.mark.parametrize('text', ['', '%', 'nightly', '%m-%d', '%Y%Y', '%Q', '%Y-%'])
def test_a_format_that_makes_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='invalid format'):
        TimeFormat(text)


@pytest.mark.parametrize(('text', 'earlier'), [
    ('30d', timedelta(30)), ('12h', timedelta(hours=12)), ('1y1m1d1h', timedelta(365 + 31 + 1, 3600)),
    ('0d', timedelta())])
def test_a_span_is_years_months_days_and_hours(text: str, earlier: timedelta) -> None:
    assert NOW - Span.parse(text).before(NOW) == earlier


@pytest.mark.parametrize('text', ['', '30', 'd', '1d1y', '-1d', '1w', '1.5d', '30 d', '１d', '30d\n'])
def test_a_span_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='invalid span'):
        Span.parse(text)
