"""Growth: the same contenders at one size after another, each size bounded in runs and in time."""

from collections.abc import Callable, Iterable, Sequence

from bench.measuring import Contender, alternate
from bench.report import Curve, Measure
from bench.workspace import Workspace

PATIENCE = 20.0
"""Seconds after which a size gets no further round."""


def steps(limit: int, *wanted: int) -> tuple[int, ...]:
    """Return the sizes up to a limit; where it is below all of them, the limit itself."""
    return tuple(size for size in wanted if size <= limit) or (limit,)


def label_of(size: int) -> str:
    """Return how the tables write a number of things."""
    return f'{size:,}'


def label_of_bytes(size: int) -> str:
    """Return how the tables write a number of bytes."""
    names = ('B', 'KiB', 'MiB', 'GiB')
    exponent = max(number for number in range(len(names)) if size >= 1 << 10 * number)
    return f'{size / (1 << 10 * exponent):g} {names[exponent]}'


def grow(sizes: Iterable[int], contenders_at: Callable[[int], Sequence[Contender]], runs: int, workspace: Workspace,
         label: Callable[[int], str] = label_of) -> tuple[Curve, ...]:
    """Measure what the contenders cost at each size.

    :param contenders_at: prepares a size, and returns who runs; the names are those of the curves
    """
    found: dict[str, list[tuple[int, str, Measure]]] = {}
    for size in sizes:
        for measure in alternate(contenders_at(size), runs, workspace, patience=PATIENCE):
            found.setdefault(measure.what, []).append((size, label(size), measure))
    return tuple(Curve(what, tuple(points)) for what, points in found.items())


def at(curves: Iterable[Curve], what: str, size: int) -> Measure | None:
    """Return the measure of a contender at a size; ``None`` where it did not run at that."""
    return next((measure for curve in curves if curve.what == what for each, _, measure in curve.points
                 if each == size), None)


def last(curves: Iterable[Curve]) -> tuple[Measure, ...]:
    """Return the measures of all at the largest size that each had."""
    return tuple(curve.points[-1][2] for curve in curves)
