"""Measuring: one run of whole processes, and the runs of all contenders in turn.

Owns what a run costs. Which commands run is said in ``contenders`` and by the sections; what is made of the numbers in
``report``.
"""

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.report import Measure
from bench.workspace import BenchError, Workspace

Command = Sequence[str]
SPAWN = Path(__file__).with_name('spawn.py')


@dataclass(frozen=True)
class Run:
    """What one run cost: its seconds, the bytes that its largest process had at its peak, its seconds of CPU."""

    seconds: float
    peak: int
    cpu: float = 0


def _whole(cost: Run) -> float:
    return cost.seconds


@dataclass(frozen=True)
class Contender:
    """What runs beside others.

    :param name: how the tables call it
    :param pipeline: returns the commands, joined by pipes; called before each run, which it may prepare
    :param environ: variables for them, on top of the workspace's
    :param after: called with each run, not measured; returns the seconds that count
    :param stdout: the file that the last command writes to
    :param status: the exit status that is right
    """

    name: str
    pipeline: Callable[[], Sequence[Command]]
    environ: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[Run], float] = _whole
    stdout: str = '/dev/null'
    status: int = 0


def always(*pipeline: Command) -> Callable[[], Sequence[Command]]:
    """Return what a contender's ``pipeline`` is where every run is the same."""
    return lambda: pipeline


def run(contender: Contender, workspace: Workspace) -> Run:
    """Run a contender once.

    :raises BenchError: one of its commands ended with another status than the contender's; the text has what they wrote
    """
    pipeline = [list(command) for command in contender.pipeline()]
    task = {'pipeline': pipeline, 'environ': {**workspace.environ, **contender.environ}, 'stdout': contender.stdout}
    done = subprocess.run([sys.executable, '-I', '-S', str(SPAWN)], input=json.dumps(task), capture_output=True,
                          text=True, cwd=workspace.folder, check=False)
    if done.returncode != 0:
        raise BenchError(f'{contender.name}: {done.stderr.strip()}')
    outcome = json.loads(done.stdout)
    if set(outcome['statuses']) != {contender.status}:
        raise BenchError(f'{contender.name}: statuses {outcome["statuses"]}: {done.stderr.strip()}')
    return Run(outcome['seconds'], max(outcome['peaks']), outcome['cpu'])


def alternate(contenders: Sequence[Contender], runs: int, workspace: Workspace, *, warm_up: bool = False,
              patience: float = math.inf) -> tuple[Measure, ...]:
    """Run the contenders in turn, so that what disturbs the machine disturbs all of them.

    Each round begins with another contender.

    :param warm_up: begin with a round that does not count
    :param patience: seconds after which no other round begins
    """
    begin = time.monotonic()
    costs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(-1 if warm_up else 0, runs):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            cost = run(contender, workspace)
            cost = replace(cost, seconds=contender.after(cost))
            if number >= 0:
                costs[contender.name].append(cost)
        if number >= 0 and time.monotonic() - begin > patience:
            break
    return tuple(_measure(name, found) for name, found in costs.items())


def _measure(name: str, found: Sequence[Run]) -> Measure:
    """Return what the runs of one contender cost together."""
    return Measure(name, tuple(cost.seconds for cost in found), max(cost.peak for cost in found) / 1e6,
                   statistics.median(cost.cpu for cost in found))
