"""The pictures: bars of seconds, and curves of seconds as something grows; those of dxf are highlighted.

The same numbers give the same bytes. Only importer of matplotlib.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from bench.report import Curve, Measure

WIDTH = 8.3
"""Inches: as wide as a README is shown, at matplotlib's 100 dots an inch."""

ROW = 0.32
OURS, THEIRS = '#1f6feb', '#b6bdc6'
SHADES = {True: (OURS, '#0a3069', '#54aeff'), False: ('#6e7781', THEIRS, '#424a53')}
"""Colours of curves: of dxf, and of the others."""

STYLES, MARKERS = ('-', '--', ':'), 'osD^vPX'
CURVES = 9
"""Rows that a panel of curves is high."""


def draw(path: Path, panels: Sequence[tuple[str, Sequence[Measure]]]) -> None:
    """Write the picture.

    :param panels: pairs of title and measures
    """
    _save(path, [len(measures) + 1 for _, measures in panels], [
        partial(_bars, title=title, measures=measures) for title, measures in panels])


def draw_curves(path: Path, panels: Sequence[tuple[str, Sequence[Curve]]]) -> None:
    """Write a picture of growth, both axes logarithmic: what grows in proportion has a slope of one.

    :param panels: pairs of title and curves
    """
    _save(path, [CURVES for _ in panels], [partial(_curves, title=title, curves=curves) for title, curves in panels])


def _save(path: Path, heights: Sequence[int], panels: Sequence[Callable[[Axes], None]]) -> None:
    """Draw panels of these heights under one another, and write them."""
    with mpl.rc_context({'svg.hashsalt': 'dxf', 'svg.fonttype': 'path', 'font.size': 10}):
        figure = Figure(figsize=(WIDTH, ROW * sum(heights) + 0.9), facecolor='white', layout='constrained')
        FigureCanvasSVG(figure)
        grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={'height_ratios': heights})
        for axes, panel in zip(grid.flat, panels, strict=True):
            panel(axes)
        figure.savefig(path, format='svg', metadata={'Date': None})


def _curves(axes: Axes, title: str, curves: Sequence[Curve]) -> None:
    numbers = {True: count(), False: count()}
    for curve in curves:
        name = curve.what.replace('``', '')
        ours = name.startswith('dxf')
        number = next(numbers[ours])
        axes.plot([size for size, _, _ in curve.points], [measure.median for _, _, measure in curve.points],
                  label=name, color=SHADES[ours][number % 3], linestyle=STYLES[number % 3],
                  marker=MARKERS[number % len(MARKERS)], markersize=4, linewidth=2 if ours else 1.2)
    axes.set_title(f'{title} (seconds)', loc='left', fontweight='bold', fontsize=10)
    axes.grid(axis='y', linewidth=0.4)
    axes.legend(loc='center left', bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
    _scale(axes, curves)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)


def _scale(axes: Axes, curves: Sequence[Curve]) -> None:
    """Make both axes logarithmic, and name the sizes that were measured."""
    axes.set_xscale('log')
    axes.set_yscale('log')
    labels = dict(sorted((size, label) for curve in curves for size, label, _ in curve.points))
    axes.set_xticks(list(labels), list(labels.values()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _bars(axes: Axes, title: str, measures: Sequence[Measure]) -> None:
    names = [measure.what.replace('``', '') for measure in measures]
    colours = [OURS if name.startswith('dxf') else THEIRS for name in names]
    bars = axes.barh(names, [measure.median for measure in measures], color=colours, height=0.7)
    axes.bar_label(bars, fmt='%.2f', padding=3)
    axes.set_title(title, loc='left', fontweight='bold', fontsize=10)
    axes.margins(x=0.1)
    axes.invert_yaxis()
    axes.xaxis.set_visible(False)
    axes.tick_params(axis='y', length=0)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_fontweight('bold' if name.startswith('dxf') else 'normal')
    for side in ('top', 'right', 'bottom'):
        axes.spines[side].set_visible(False)
