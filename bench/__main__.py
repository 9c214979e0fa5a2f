"""The benchmark itself: ``python -m bench`` from the project's folder.

``settings`` says which variables bound it. When all parts ran, ``docs/benchmarks.rst`` and its pictures are written
anew.
"""

import datetime
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from test.helpers.programs import MissingProgramError

from bench import (economy, folders, growing_aliases, growing_blobs, growing_jobs, growth, machine, many, pulling,
                   pushing, reading, report, snapshots, starting, startup, tables)
from bench.contenders import Dxf, ours, peer
from bench.report import Row, Section
from bench.settings import Settings, read_settings
from bench.workspace import MIB, BenchError, Workspace, workspace

PAGE, PICTURE = 'benchmarks.rst', 'benchmarks.svg'
PICTURED = ('pull', 'pull-tls', 'push')
"""The parts whose first table is in the picture of bars."""

PARTS: Mapping[str, Callable[[Workspace, int, Dxf, Dxf], list[Section]]] = {
    'pull': pulling.pull,
    'pull-tls': pulling.pull_over_tls,
    'push': pushing.push,
    'read': reading.read,
    'tables': tables.read,
    'folders': folders.folders,
    'snapshots': snapshots.snapshots,
    'requests': lambda place, runs, first, second: economy.count(place, (first, second)),
    'latency': many.latency,
    'small': many.small,
    'startup': startup.start,
    'sizes': growing_blobs.larger,
    'blobs': growing_blobs.more,
    'tags': growing_blobs.tags,
    'aliases': growing_aliases.aliases,
    'jobs': growing_jobs.jobs,
}


def measure(settings: Settings, clients: tuple[Dxf, Dxf]) -> dict[str, list[Section]]:
    """Run the parts, and print the table of each when it is ready."""
    found = {}
    with workspace(settings.mebibytes * MIB, settings.most, settings.servers) as place:
        for part in settings.parts:
            print(f'bench: {part} ...', file=sys.stderr, flush=True)
            found[part] = PARTS[part](place, settings.runs, *clients)
            for section in found[part]:
                print(report.section_text(section), end='\n\n', flush=True)
    return found


def write(folder: Path, settings: Settings, found: Mapping[str, Sequence[Section]], about: Sequence[Row]) -> None:
    """Write the page and its pictures."""
    intro = (f'dxf beside its peers, measured by ``make bench`` on {datetime.date.today():%Y-%m-%d}: medians of '
             f'{settings.runs} alternating runs ({startup.RUNS * settings.runs} for the start-up) of whole processes, '
             'with a docker-registry on the same machine. Where something grows, no further round begins at a size '
             f'after {growth.PATIENCE:.0f} s. Only ratios say something about other machines. A peak is that of the '
             'largest process; less than 10 MB cannot be seen.')
    sections = [section for part in settings.parts for section in found[part]]
    pictures = [*_draw_bars(folder, settings, found), *_draw_growth(folder, found)]
    (folder / PAGE).write_text(report.page(intro, pictures, sections, about), encoding='utf-8')


def _draw_bars(folder: Path, settings: Settings, found: Mapping[str, Sequence[Section]]) -> Iterator[tuple[str, str]]:
    """Draw the throughput of the parts that ran."""
    from bench import picture
    size = f'{settings.mebibytes} MiB, seconds (less is better)'
    panels = [(f'{found[part][0].title} {size}', [
        each for each in found[part][0].measures if each.what != starting.START])
              for part in PICTURED if part in found]
    if panels:
        picture.draw(folder / PICTURE, panels)
        yield PICTURE, 'Seconds to pull and to push a large blob: dxf beside its peers'


def _draw_growth(folder: Path, found: Mapping[str, Sequence[Section]]) -> Iterator[tuple[str, str]]:
    """Draw a picture for each part in which something grows."""
    from bench import picture
    for part, sections in found.items():
        panels = [(section.title, section.curves) for section in sections if section.curves]
        if panels:
            path = f'benchmarks-{part}.svg'
            picture.draw_curves(folder / path, panels)
            yield path, f'Seconds, dxf beside its peers: {"; ".join(title for title, _ in panels)}'


def end(signum: int, _frame: object) -> None:
    """Leave through the clean-up when told to end."""
    sys.exit(128 + signum)


def main() -> int:
    """Run the benchmark; return the exit status."""
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    # distribution 3 looks for a collector of traces unless it is told not to:
    # https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection
    os.environ.setdefault('OTEL_TRACES_EXPORTER', 'none')
    try:
        settings = read_settings(os.environ, PARTS)
        clients = ours(), peer()
        found = measure(settings, clients)
        print(report.budgets_text(section for sections in found.values() for section in sections))
        if settings.folder is not None:
            write(settings.folder, settings, found, machine.describe(*clients, settings.servers))
    except (BenchError, MissingProgramError) as error:
        print(f'bench: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
