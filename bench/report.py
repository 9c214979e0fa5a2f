"""The report: medians, ratios, what became of the budgets, and the page that says it all.

Owns the arithmetic and the text (reStructuredText); measures nothing. The picture is in ``picture``.
"""

import statistics
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Row = Sequence[str]
WIDTH = 118


@dataclass(frozen=True)
class Measure:
    """What one contender's runs cost: the seconds of each, the MB of its largest process in any, the median of CPU."""

    what: str
    seconds: tuple[float, ...]
    peak: float
    cpu: float = 0

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Budget:
    """A limit, and what was measured; ``value`` is ``None`` where this machine could not tell."""

    what: str
    value: float | None
    limit: float
    unit: str
    digits: int = 2

    @property
    def met(self) -> str:
        """``yes``, ``no`` or ``not measured``."""
        if self.value is None:
            return 'not measured'
        return 'yes' if self.value <= self.limit else '**no**'

    def row(self) -> Row:
        """Return its row of the table of all budgets."""
        return self.what, '-' if self.value is None else self._text(self.value), self._text(self.limit), self.met

    def _text(self, number: float) -> str:
        return f'{number:.{self.digits}f} {self.unit}'.rstrip()


@dataclass(frozen=True)
class Curve:
    """What one contender's runs cost as something grows: a measure for each size, and how the tables write the size."""

    what: str
    points: tuple[tuple[int, str, Measure], ...]


@dataclass(frozen=True)
class Section:
    """One table, with the text above it.

    ``measures`` and ``curves`` are for the pictures; ``budgets`` go to the table of all budgets.
    """

    title: str
    text: str
    headers: Row
    rows: Sequence[Row]
    budgets: Sequence[Budget]
    measures: Sequence[Measure] = ()
    curves: Sequence[Curve] = ()


def find(measures: Iterable[Measure], what: str) -> Measure | None:
    """Return the measure of a contender, ``None`` where it did not run."""
    return next((measure for measure in measures if measure.what == what), None)


def ratio(measures: Sequence[Measure], what: str, other: str) -> float | None:
    """Return by how much one contender's median is longer than another's, ``None`` where one of them did not run."""
    one, two = find(measures, what), find(measures, other)
    return None if one is None or two is None else one.median / two.median


def at_most(measures: Sequence[Measure], what: str, limit: float, other: str, prefix: str = '') -> Budget:
    """Return the budget of one contender beside another."""
    return Budget(f'{prefix}{what}, beside {other}', ratio(measures, what, other), limit, 'x')


def peak_at_most(measures: Sequence[Measure], what: str, limit: float, prefix: str = '') -> Budget:
    """Return the budget of a contender's memory."""
    measure = find(measures, what)
    return Budget(f'{prefix}{what}, peak memory', None if measure is None else measure.peak, limit, 'MB', 0)


def time_at_most(measures: Sequence[Measure], what: str, limit: float, prefix: str = '') -> Budget:
    """Return the budget of a contender's time, in seconds."""
    measure = find(measures, what)
    return Budget(prefix + what, None if measure is None else measure.median, limit, 's')


def beside_the_slower(measures: Sequence[Measure], what: str, limit: float, others: Sequence[str], start: float,
                      prefix: str = '') -> Budget:
    """Return the budget of a contender, without the seconds that its start may take, beside the slower of others."""
    measure, found = find(measures, what), [find(measures, other) for other in others]
    there = [other.median for other in found if other is not None]
    value = None if measure is None or len(there) < len(others) else (measure.median - start) / max(there)
    return Budget(f'{prefix}{what}, less its start, beside {" or ".join(others)}', value, limit, 'x')


def timed(title: str, text: str, measures: Sequence[Measure], reference: str, budgets: Sequence[Budget], *,
          milliseconds: bool = False) -> Section:
    """Return the section of contenders that were timed, with the ratio of each to one of them."""
    scale, digits, unit = (1000, 1, 'ms') if milliseconds else (1, 3, 's')

    def row(measure: Measure) -> Row:
        median, low, high = (f'{scale * seconds:.{digits}f}' for seconds in
                             (measure.median, min(measure.seconds), max(measure.seconds)))
        return measure.what, median, f'{low} - {high}', _text(ratio(measures, measure.what, reference)), \
            f'{measure.peak:.0f}'
    headers = ('What', f'Median, {unit}', 'Range', 'Ratio', 'Peak, MB')
    return Section(title, f'{text} Ratios are to {reference}.', headers, [row(measure) for measure in measures],
                   budgets, measures)


def grown(title: str, text: str, curves: Sequence[Curve], budgets: Sequence[Budget]) -> Section:
    """Return the section of contenders that were timed as something grows: a column for each size."""
    sizes = dict(sorted((size, label) for curve in curves for size, label, _ in curve.points))

    def row(curve: Curve) -> Row:
        found = {size: measure for size, _, measure in curve.points}
        largest = found[max(found)]
        return curve.what, *(f'{found[size].median:.3f}' if size in found else '-' for size in sizes), \
            f'{largest.cpu:.2f}', f'{largest.peak:.0f}'
    return Section(title, f'{text} Seconds; CPU and memory are those of the last column that has a time.',
                   ('What', *sizes.values(), 'CPU, s', 'Peak, MB'), [row(curve) for curve in curves], budgets,
                   curves=curves)


def linear(curves: Sequence[Curve], what: str, prefix: str = '') -> Budget:
    """Return the budget of growth: what one more costs at the largest size, beside what it costs at the one before."""
    points = next(curve.points for curve in curves if curve.what == what)
    if len(points) < 2:
        return Budget(f'{prefix}{what}, growth', None, LINEAR, 'x')
    (less, less_label, before), (more, more_label, last) = points[-2:]
    return Budget(f'{prefix}{what}, seconds for each at {more_label}, beside {less_label}',
                  last.median / more / (before.median / less), LINEAR, 'x')


LINEAR = 1.1
"""How much more one costs among many, at most, where time grows linearly: a tenth is noise."""


def _text(number: float | None) -> str:
    return '-' if number is None else f'{number:.2f}'


def table(headers: Row, rows: Sequence[Row]) -> str:
    """Return a simple table in reStructuredText."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    rule = ' '.join('=' * width for width in widths)
    lines = [' '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
             for row in (headers, *rows)]
    return '\n'.join([rule, lines[0], rule, *lines[1:], rule])


def heading(title: str, line: str) -> str:
    """Return a heading, underlined."""
    return f'{title}\n{line * len(title)}'


def wrap(text: str) -> str:
    """Return a paragraph in lines."""
    return textwrap.fill(text, WIDTH, break_on_hyphens=False, break_long_words=False)


def section_text(section: Section) -> str:
    """Return a section as it stands on the page."""
    return '\n\n'.join([heading(section.title, '-'), wrap(section.text), table(section.headers, section.rows)])


def budgets_text(sections: Iterable[Section]) -> str:
    """Return the table of all budgets."""
    rows = [budget.row() for section in sections for budget in section.budgets]
    return table(('Budget', 'Measured', 'At most', 'Met'), rows)


def page(intro: str, pictures: Iterable[tuple[str, str]], sections: Sequence[Section], machine: Sequence[Row]
         ) -> str:
    """Return the whole page.

    :param intro: what was done, and when
    :param pictures: the path of each, beside the page, and its text
    :param machine: what the machine is and has: pairs
    """
    return '\n\n'.join([
        heading('Benchmarks', '='),
        *(f'.. image:: {path}\n   :alt: {text}' for path, text in pictures),
        wrap(intro), *map(section_text, sections), heading('The machine', '-'), table(('What', 'Which'), machine),
        heading('Budgets', '-'), 'What dxf is to reach, in ratios taken in one run, and whether it did.',
        budgets_text(sections)]) + '\n'
