"""Start-up: what a command costs that does little or nothing, beside the start of Python itself."""

from test.servers.registry import Registry

from bench.contenders import Dxf
from bench.measuring import Contender, alternate, always, run
from bench.pushing import environ_of
from bench.report import Budget, Measure, Section, find, timed
from bench.starting import START, start_of, starter
from bench.workspace import Workspace, write_random

REPO = 'bench/blob'
PYTHON = '``python -c pass``'
TALKING = ('``dxf list-aliases``', '``dxf pull-blob``, 1 byte', '``dxf push-blob``, the registry has it')
QUICK = ('``dxf --help``', '``dxf --version``', '``dxf push-blob --help``', '``dxf push-blob``, a usage error',
         '``dxf push-blob``, a file that is missing', '``dxf push-files``, a file that is missing')
"""What needs no registry: messages about operands come before the first request."""

RUNS = 4
"""Runs for each that slower things get."""


def start(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Start commands that have little to do."""
    with workspace.room('startup') as room, Registry(room) as registry:
        environ = environ_of(registry)
        file = write_random(room / 'file', 1)
        run(Contender('the first push', always(ours.command('push-blob', REPO, str(file), '@alias')), environ),
            workspace)
        measures = alternate([
            Contender(PYTHON, always([ours.python, '-c', 'pass'])),
            starter(ours),
            Contender(QUICK[0], always(ours.command('--help'))),
            Contender(QUICK[1], always(ours.command('--version'))),
            Contender(QUICK[2], always(ours.command('push-blob', '--help'))),
            Contender(QUICK[3], always(ours.command('push-blob')), environ, status=2),
            Contender(QUICK[4], always(ours.command('push-blob', REPO, './missing')), environ, status=2),
            Contender(QUICK[5], always(ours.command('push-files', REPO, 'alias', './missing')), environ, status=2),
            Contender(TALKING[0], always(ours.command('list-aliases', REPO)), environ),
            Contender(TALKING[1], always(ours.command('pull-blob', REPO, '@alias')), environ),
            Contender(TALKING[2], always(ours.command('push-blob', REPO, str(file))), environ),
            Contender(f'{peer.name}: ``--help``', always(peer.command('--help'))),
            Contender(f'{peer.name}: ``list-aliases``', always(peer.command('list-aliases', REPO)), environ),
        ], RUNS * runs, workspace, warm_up=True)
    return [timed('Start-up', 'On an open registry, over http; no shell in between.', measures, START,
                  _budgets(measures), milliseconds=True)]


def _budgets(measures: tuple[Measure, ...]) -> list[Budget]:
    python = find(measures, PYTHON)
    assert python is not None
    limits = {**dict.fromkeys(QUICK, python.median + 0.035), **dict.fromkeys(TALKING, start_of(measures))}
    found = [measure for measure in measures if measure.what in limits]
    return [Budget(f'Start-up of {measure.what}', 1000 * measure.median, 1000 * limits[measure.what], 'ms', 1)
            for measure in found]
