"""The start of a process, as part of a longer measurement: what of it a command that talks to a registry may spend."""

from collections.abc import Sequence

from bench.contenders import Dxf
from bench.measuring import Contender, always
from bench.report import Measure, find

START = '``python -c "import requests"``'
MORE = 0.015
"""Seconds that a command may start longer."""


def starter(ours: Dxf) -> Contender:
    """Return the contender that only starts."""
    return Contender(START, always([ours.python, '-c', 'import requests']))


def start_of(measures: Sequence[Measure]) -> float:
    """Return how many seconds a command's start may take."""
    measure = find(measures, START)
    assert measure is not None
    return measure.median + MORE
