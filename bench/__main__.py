"""The benchmark itself: ``python -m bench`` from the project's folder.

``BENCH_MIB`` is the size of the large blob (default 1024), ``BENCH_RUNS`` how often everything runs (default 5), and
``BENCH_ONLY`` names the parts that run, separated by commas. When all of them ran, ``docs/benchmarks.rst`` and
``docs/benchmarks.svg`` are written anew.
"""

import datetime
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from test.helpers.programs import MissingProgramError

from bench import economy, folders, machine, many, picture, report, startup, throughput
from bench.contenders import Dxf, ours, peer
from bench.report import Row, Section
from bench.workspace import MIB, BenchError, Workspace, workspace

DOCS = Path(__file__).parents[1] / 'docs'
PAGE, PICTURE = 'benchmarks.rst', 'benchmarks.svg'

PARTS: Mapping[str, Callable[[Workspace, int, Dxf, Dxf], list[Section]]] = {
    'pull': throughput.pull,
    'pull-tls': throughput.pull_over_tls,
    'push': throughput.push,
    'folders': folders.folders,
    'requests': lambda place, runs, first, second: economy.count(place, (first, second)),
    'latency': many.latency,
    'small': many.small,
    'startup': startup.start,
}


@dataclass(frozen=True)
class Settings:
    """What to run: MiB of the large blob, number of runs, names of the parts."""

    mebibytes: int
    runs: int
    parts: tuple[str, ...]


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return what the variables say.

    :raises BenchError: one of them makes no sense
    """
    parts = tuple(environ.get('BENCH_ONLY', '').replace(',', ' ').split()) or tuple(PARTS)
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise BenchError(f'BENCH_ONLY: no {", ".join(sorted(unknown))}; there are {", ".join(PARTS)}')
    return Settings(_number(environ, 'BENCH_MIB', '1024'), _number(environ, 'BENCH_RUNS', '5'), parts)


def _number(environ: Mapping[str, str], name: str, default: str) -> int:
    value = environ.get(name) or default
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise BenchError(f'{name} is a whole number, at least 1')
    return int(value)


def measure(settings: Settings, clients: tuple[Dxf, Dxf]) -> dict[str, list[Section]]:
    """Run the parts, and print the table of each when it is ready."""
    found = {}
    with workspace(settings.mebibytes * MIB) as place:
        for part in settings.parts:
            print(f'bench: {part} ...', file=sys.stderr, flush=True)
            found[part] = PARTS[part](place, settings.runs, *clients)
            for section in found[part]:
                print(report.section_text(section), end='\n\n', flush=True)
    return found


def write(settings: Settings, found: Mapping[str, Sequence[Section]], about: Sequence[Row]) -> None:
    """Write the page and its picture."""
    intro = (f'dxf beside its peers, measured by ``make bench`` on {datetime.date.today():%Y-%m-%d}: medians of '
             f'{settings.runs} alternating runs ({startup.RUNS * settings.runs} for the start-up) of whole processes, '
             'with a docker-registry on the same machine. Only ratios say something about other machines. A peak is '
             'that of the largest process; less than 10 MB cannot be seen.')
    sections = [section for part in settings.parts for section in found[part]]
    (DOCS / PAGE).write_text(report.page(intro, PICTURE, sections, about), encoding='utf-8')
    size = f'{settings.mebibytes} MiB, seconds (less is better)'
    picture.draw(DOCS / PICTURE, [
        (f'{section.title} {size}', section.measures) for section in (found['pull'][0], found['push'][0])])


def end(signum: int, _frame: object) -> None:
    """Leave through the clean-up when told to end."""
    sys.exit(128 + signum)


def main() -> int:
    """Run the benchmark; return the exit status."""
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    try:
        settings = read_settings(os.environ)
        clients = ours(), peer()
        found = measure(settings, clients)
        print(report.budgets_text(section for sections in found.values() for section in sections))
        if set(settings.parts) == set(PARTS):
            write(settings, found, machine.describe(*clients))
    except (BenchError, MissingProgramError) as error:
        print(f'bench: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
