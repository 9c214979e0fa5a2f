"""Snapshots: a tree of many files, stored night after night, and restored; beside restic and borg."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from test.helpers.programs import program
from test.servers.registry import Registry

from bench import disk_images
from bench.backup_tools import BORG, FOLDER, REGISTRY, REPO, RESTIC, Meter, Tool, dxf_tools, in_folder, others, size_of
from bench.contenders import Dxf
from bench.counting import CountingRelay
from bench.measuring import Contender, Run, alternate, always, run
from bench.report import Budget, Measure, Row, Section, at_most, find, peak_at_most, ratio
from bench.trees import EDITED, NEW, Tree
from bench.workspace import MIB, BenchError, Workspace
from dxf import DXF
from dxf.snapshots import Snapshot, load

SHARE = 3
"""The tree is this part of the large blob: 341 MiB by default, in 24,000 files."""

NIGHTS = 60
HEADERS = ('What', 'Median, s', 'Range', 'Ratio', 'Peak, MB', 'MiB stored', 'Requests')
TAR = '``dxf pull-blob | tar x``'
RESTORE = {FOLDER: '``dxf restore``, from a folder', REGISTRY: '``dxf restore``, from a registry'}
LEAST_TREE = 10 * MIB
"""A tree below this says nothing of shares: what a request or an index costs is more than the files."""


class _Place:
    """The tree, the tools and the registry.

    :param room: an empty folder
    """

    def __init__(self, workspace: Workspace, runs: int, room: Path, registry: Registry, ours: Dxf) -> None:
        self.workspace = workspace
        self.runs = runs
        self.room = room
        self.registry = registry
        self.ours = ours
        self.tree = Tree(room / 'tree', workspace.size // SHARE)
        self.about = f'{self.tree.files:,} files of {self.tree.size / MIB:.0f} MiB, text and random bytes'
        self.tools = [*dxf_tools(room, registry, ours), *others(room)]
        self.requests = 0

    def tool(self, name: str) -> Tool:
        """Return a tool that is there."""
        return next(tool for tool in self.tools if tool.name == name)

    def measured(self, tools: Sequence[Tool], runs: int, before: Callable[[Tool], object]
                 ) -> tuple[tuple[Measure, ...], Mapping[str, float]]:
        """Make a backup with each of the tools, in turn; return what it cost, and the bytes that were stored."""
        meters = [Meter(self.workspace, tool, self.tree.folder, before) for tool in tools]
        measures = alternate([meter.contender() for meter in meters], runs, self.workspace)
        return measures, {tool.name: median(meter.grown) for tool, meter in zip(tools, meters, strict=True)}

    @contextmanager
    def counted(self) -> Iterator[tuple[CountingRelay, Mapping[str, str]]]:
        """Provide a relay in front of the registry, and the variables with which dxf uses it."""
        with CountingRelay(self.registry.host) as relay:
            yield relay, {**self.tool(REGISTRY).environ, 'DXF_HOST': relay.host}

    def count(self, before: Callable[[Tool], object]) -> CountingRelay:
        """Make a backup through a relay, and return that."""
        tool = self.tool(REGISTRY)
        before(tool)
        with self.counted() as (relay, environ):
            run(Contender(tool.name, always(tool.next(self.tree.folder)), environ), self.workspace)
        return relay

    def snapshot(self) -> Snapshot:
        """Return the last snapshot in the registry."""
        tool = self.tool(REGISTRY)
        return load(DXF(self.registry.host, REPO, insecure=True), f'night{tool.number}')


def snapshots(workspace: Workspace, runs: int, ours: Dxf, _peer: Dxf) -> list[Section]:
    """Store a tree night after night, and restore it; store an image of a disk."""
    with workspace.room('snapshots') as room, workspace.room('registry') as second, Registry(second) as registry:
        place = _Place(workspace, runs, room, registry, ours)
        sections = [_first(place), _unchanged(place), _changed(place), _nights(place), _one_file(place), _all(place)]
    return [*sections, *disk_images.extremes(workspace, ours)]


def _ignore(_tool: Tool) -> None:
    """Do nothing."""


def _rows(measures: Sequence[Measure], stored: Mapping[str, float], relay: CountingRelay, reference: str
          ) -> list[Row]:
    """Return the rows of a table; the requests are those of the registry."""
    rows: list[Row] = []
    for measure in measures:
        low, high = min(measure.seconds), max(measure.seconds)
        share = ratio(measures, measure.what, reference)
        rows.append((measure.what, f'{measure.median:.3f}', f'{low:.3f} - {high:.3f}',
                     '-' if share is None else f'{share:.2f}', f'{measure.peak:.0f}',
                     f'{stored[measure.what] / MIB:.2f}',
                     str(len(relay.requests)) if measure.what == REGISTRY else '-'))
    return rows


def _beside(title: str, stored: Mapping[str, float], limit: float) -> Budget:
    """Return the budget of the bytes that are stored beside those of restic."""
    value = stored[FOLDER] / stored[RESTIC] if RESTIC in stored else None
    return Budget(f'{title}: bytes stored, beside {RESTIC}', value, limit, 'x')


def _first(place: _Place) -> Section:
    title = 'First backup of a tree'

    def empty(tool: Tool) -> None:
        tool.empty(place.workspace)
    relay = place.count(empty)
    measures, stored = place.measured(place.tools, place.runs, empty)
    return Section(
        title, f'{place.about}, to an empty store on the file system of the tree. {RESTIC} encrypts, which it always '
        f'does; {BORG} does not (``--encryption none``), and compresses as dxf does (``zstd,3``). Bytes are those by '
        f'which the store grows. Ratios are to {BORG}.', HEADERS, _rows(measures, stored, relay, BORG),
        [at_most(measures, FOLDER, 1.0, BORG, f'{title}: '), _beside(title, stored, 1.2),
         peak_at_most(measures, REGISTRY, 150, f'{title}: ')], measures)


def _unchanged(place: _Place) -> Section:
    title = 'Backup of a tree that has not changed'
    relay = place.count(_ignore)
    measures, stored = place.measured(place.tools, place.runs, _ignore)
    return Section(
        title, f'The same tree. No file is read again. Ratios are to {RESTIC}.', HEADERS,
        _rows(measures, stored, relay, RESTIC), [at_most(measures, FOLDER, 1.0, RESTIC, f'{title}: ')], measures)


class _Aging:
    """Lets a night pass before all tools have their turn.

    :param count: of the tools
    """

    def __init__(self, tree: Tree, count: int) -> None:
        self._tree = tree
        self._count = count
        self._calls = 0

    def __call__(self, _tool: Tool) -> None:
        if self._calls % self._count == 0:
            self._tree.age()
        self._calls += 1


def _changed(place: _Place) -> Section:
    title = 'Backup of a tree of which 1.5 % has changed'
    relay = place.count(_Aging(place.tree, 1))
    is_large = place.tree.size > LEAST_TREE
    for tool in place.tools:
        if tool.name != REGISTRY:  # which has this night
            run(Contender(tool.name, always(tool.next(place.tree.folder)), tool.environ), place.workspace)
    sent = relay.sent / place.tree.size * 100
    measures, stored = place.measured(place.tools, place.runs, _Aging(place.tree, len(place.tools)))
    return Section(
        title, f'Each night {100 * EDITED:.1f} % of the files are edited, {100 * NEW:.1f} % are new, and as many are '
        f'deleted. dxf sent {relay.sent / MIB:.2f} MiB to the registry, {sent:.2f} % of the tree, with the index, the '
        f'manifest and the headers of the requests. One request for each pack that is kept shows that the registry has '
        f'it: some take a manifest without its blobs. Ratios are to {RESTIC}.', HEADERS,
        _rows(measures, stored, relay, RESTIC),
        [Budget(f'{title}: sent, of the bytes of the tree', sent if is_large else None, 1.5, '%'),
         Budget(f'{title}: requests', len(relay.requests), 12, '', 0),
         at_most(measures, FOLDER, 1.0, RESTIC, f'{title}: '), _beside(title, stored, 1.2)], measures)


def _nights(place: _Place) -> Section:
    """Let nights pass; the last backup was the first one of them."""
    nights = min(NIGHTS, place.workspace.most // 10 + 2)
    title = f'{nights} nights of that'
    tools = [tool for tool in place.tools if tool.name != REGISTRY]
    for tool in tools:
        tool.empty(place.workspace)
        run(Contender(tool.name, always(tool.next(place.tree.folder)), tool.environ), place.workspace)
    first = {tool.name: tool.size() for tool in tools}
    place.measured(tools, nights - 1, _Aging(place.tree, len(tools)))
    rows = [(tool.name, f'{first[tool.name] / MIB:.1f}', f'{tool.size() / MIB:.1f}',
             f'{tool.size() / first[tool.name]:.2f}') for tool in tools]
    folder = place.tool(FOLDER)
    last = load(DXF(folder.environ['DXF_HOST'], REPO), f'night{folder.number}')
    is_large = place.tree.size > LEAST_TREE
    return Section(
        title, f'All of them are kept, and each can be restored. What is kept of each night is its changed files and '
        f'its index. The last one of dxf has {len(last.packs) + 1} layers.',
        ('What', 'MiB after the first', f'MiB after {nights}', 'Ratio'), rows,
        [Budget(f'{title}: bytes stored, beside one snapshot',
                folder.size() / first[FOLDER] if is_large else None, 1.5, 'x'),
         _beside(title, {tool.name: tool.size() for tool in tools}, 1.2),
         Budget(f'{title}: layers', len(last.packs) + 1, 100, '', 0)])


def _restorer(tool: Tool, target: Path, size: int, only: Path | None = None) -> Contender:
    """Return what restores a tree, or one file of it, and removes it again."""
    def begin() -> list[Sequence[str]]:
        target.mkdir()
        return [tool.restore(tool.number, target, only)]
    return Contender(RESTORE.get(tool.name, tool.name), begin, tool.environ, _remove(target, size))


def _remove(target: Path, size: int) -> Callable[[Run], float]:
    """Return what removes a folder, which must hold so many bytes."""
    def end(cost: Run) -> float:
        if size_of(target) != size:
            raise BenchError('what was restored is not what was stored')
        shutil.rmtree(target)
        return cost.seconds
    return end


def _caught_up(place: _Place) -> None:
    """Store the tree as it is now with the registry, too."""
    place.count(_ignore)


def _one_file(place: _Place) -> Section:
    _caught_up(place)
    file = place.tree.large
    size = file.stat().st_size
    title = f'One file of {size / MIB:.2f} MiB restored'
    target = place.room / 'out'
    measures = alternate([_restorer(tool, target, size, file) for tool in place.tools], place.runs, place.workspace)
    with place.counted() as (relay, environ):
        run(replace(_restorer(place.tool(REGISTRY), target, size, file), environ=environ), place.workspace)
        shutil.rmtree(target)
    snapshot = place.snapshot()
    chunks = sum(chunk.length for entry in snapshot.entries() if entry.name == file.name for chunk in entry.chunks)
    least = snapshot.index.size + chunks
    rows = [(measure.what, f'{measure.median:.3f}', f'{measure.peak:.0f}',
             *((f'{relay.received / 1024:.0f}', str(len(relay.requests))) if measure.what == RESTORE[REGISTRY]
               else ('-', '-'))) for measure in measures]
    return Section(
        title, f'From the snapshot of the tree. Its index has {snapshot.index.size >> 10} KiB, and the chunks of the '
        f'file {chunks >> 10} KiB.', ('What', 'Median, s', 'Peak, MB', 'KiB fetched', 'Requests'), rows,
        [Budget('One file restored: bytes fetched, more than index and chunks', (relay.received - least) / 1024, 64,
                'KiB', 0),
         Budget('One file restored: requests', len(relay.requests), 5, '', 0)], measures)


def _all(place: _Place) -> Section:
    title = 'Restore of a tree'
    tree, target, size = place.tree, place.room / 'out', place.tree.size
    environ = place.tool(REGISTRY).environ
    run(Contender('the tar', always(in_folder(tree.folder.parent, *place.ours.command(
        'push-blob', REPO, '@tar', '--', program('tar'), 'c', tree.folder.name))), environ), place.workspace)

    def begin() -> list[Sequence[str]]:
        target.mkdir()
        return [place.ours.command('pull-blob', REPO, '@tar'), [program('tar'), 'x', '-C', str(target)]]
    measures = alternate([*(_restorer(tool, target, size) for tool in place.tools),
                          Contender(TAR, begin, environ, _remove(target, size))], place.runs, place.workspace)
    tar = find(measures, TAR)
    assert tar is not None
    rows = [(measure.what, f'{measure.median:.3f}', f'{min(measure.seconds):.3f} - {max(measure.seconds):.3f}',
             f'{measure.median / tar.median:.2f}', f'{measure.peak:.0f}') for measure in measures]
    return Section(
        title, 'All of it. dxf verifies each chunk, writes each file under another name, renames it when it is whole, '
        f'and waits until the files are on the disk. Ratios are to {TAR}, '
        'a blob in the same registry.', ('What', 'Median, s', 'Range', 'Ratio', 'Peak, MB'), rows,
        [at_most(measures, RESTORE[REGISTRY], 1.2, TAR, f'{title}: '),
         peak_at_most(measures, RESTORE[REGISTRY], 150, f'{title}: ')], measures)
