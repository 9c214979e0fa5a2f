"""The picture: bars of seconds for a pull and for a push, those of dxf highlighted.

The same numbers give the same bytes. Only importer of matplotlib.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bench.report import Measure

WIDTH = 8.3
"""Inches: as wide as a README is shown, at matplotlib's 100 dots an inch."""

ROW = 0.32
OURS, THEIRS = '#1f6feb', '#b6bdc6'


def draw(path: Path, panels: Sequence[tuple[str, Sequence[Measure]]]) -> None:
    """Write the picture.

    :param panels: pairs of title and measures
    """
    heights = [len(measures) + 1 for _, measures in panels]
    with mpl.rc_context({'svg.hashsalt': 'dxf', 'svg.fonttype': 'path', 'font.size': 10}):
        figure = Figure(figsize=(WIDTH, ROW * sum(heights) + 0.9), facecolor='white', layout='constrained')
        FigureCanvasSVG(figure)
        axes = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={'height_ratios': heights})
        for room, (title, measures) in zip(axes.flat, panels, strict=True):
            _panel(room, title, measures)
        figure.savefig(path, format='svg', metadata={'Date': None})


def _panel(axes: Axes, title: str, measures: Sequence[Measure]) -> None:
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
