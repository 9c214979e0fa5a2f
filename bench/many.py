"""Many blobs: over a round trip of 50 ms, and many small ones over TLS."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from test.servers.certificates import Certificates
from test.servers.registry import Registry

from bench.contenders import Dxf, curl
from bench.delay import DelayRelay
from bench.measuring import Command, Contender, Run, alternate, always, run
from bench.report import Section, peak_at_most, time_at_most, timed
from bench.workspace import Workspace, write_random

DELAY = 0.025
FEW, FEW_SIZE = 20, 64 << 10
MANY, MANY_SIZE = 200, 4 << 10
PULLED = 'bench/pulled'
INSIDE, LIBRARY, COMMAND = 'dxf: library, its start not counted', 'dxf: library', 'dxf: command'


@dataclass(frozen=True)
class _Place:
    """Where the blobs go: a registry, and the files that hold them."""

    host: str
    files: Sequence[Path]
    insecure: bool = True

    def environ(self) -> dict[str, str]:
        """Return the command line's variables."""
        return {'DXF_HOST': self.host, 'DXF_INSECURE': '1' if self.insecure else '0'}


class _Repos:
    """Names of repositories that have nothing yet: what is pushed there is new."""

    def __init__(self) -> None:
        self._numbers = count()

    def next(self) -> str:
        """Return another name."""
        return f'bench/new{next(self._numbers)}'


def _files(room: Path, number: int, size: int) -> list[Path]:
    return [write_random(room / f'file{each}', size) for each in range(number)]


def latency(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Push and pull some blobs and their alias over a network that takes its time."""
    with workspace.room('latency') as room, Registry(room) as registry, DelayRelay(registry.host, DELAY) as relay:
        near = _Place(registry.host, _files(room, min(FEW, 4 * workspace.most), FEW_SIZE))
        far = _Place(relay.host, near.files)
        run(Contender('the first push', always(peer.library('push', near.host, PULLED, near.files, alias='all',
                                                            context=True))), workspace)
        output = room / 'seconds'
        return [_over(workspace, runs, len(far.files), 'Push', 0.7, [*_far_pushers(far, output, ours, peer)]),
                _over(workspace, runs, len(far.files), 'Pull', 0.4, [*_far_pullers(far, output, ours, peer)])]


def told(output: Path) -> Callable[[Run], float]:
    """Return what reads the seconds that the library's script wrote: those of its start are not among them."""
    def seconds(cost: Run) -> float:
        del cost
        return float(output.read_text('utf-8'))
    return seconds


def _far_pushers(far: _Place, output: Path, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    repos = _Repos()

    def library(client: Dxf, many: bool) -> Callable[[], list[Command]]:
        return lambda: [client.library('push', far.host, repos.next(), far.files, alias='all', many=many,
                                       context=not many)]
    yield Contender(ONE, always(curl('-o', '/dev/null', f'http://{far.host}/v2/')))
    yield Contender(INSIDE, library(ours, True), {}, told(output), str(output))
    yield Contender(LIBRARY, library(ours, True))
    yield Contender(COMMAND, lambda: [ours.command('push-blob', repos.next(), *map(str, far.files), '@all')],
                    far.environ())
    yield Contender(f'{peer.name}: library, in a ``with``', library(peer, False))


def _far_pullers(far: _Place, output: Path, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    library = always(ours.library('pull', far.host, PULLED, far.files, alias='all', many=True))
    yield Contender(ONE, always(curl('-o', '/dev/null', f'http://{far.host}/v2/')))
    yield Contender(INSIDE, library, {}, told(output), str(output))
    yield Contender(LIBRARY, library)
    yield Contender(COMMAND, always(ours.command('pull-blob', PULLED, '@all')), far.environ())
    yield Contender(f'{peer.name}: library, in a ``with``', always(
        peer.library('pull', far.host, PULLED, far.files, alias='all', context=True)))


ONE = '``curl``, one request'


def _over(workspace: Workspace, runs: int, number: int, title: str, limit: float, clients: list[Contender]
          ) -> Section:
    measures = alternate(clients, runs, workspace)
    slowest = clients[-1].name
    prefix = f'{title} of {number} blobs over {2000 * DELAY:.0f} ms, '
    budgets = [time_at_most(measures, INSIDE, limit, prefix),
               *(peak_at_most(measures, what, 64, prefix) for what in (LIBRARY, COMMAND))]
    return timed(f'{title} over a round trip of {2000 * DELAY:.0f} ms',
                 f'{number} blobs of {FEW_SIZE >> 10} KiB and their alias. A connection costs a round trip, too.',
                 measures, slowest, budgets)


def small(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Push and pull many small blobs over TLS, by the libraries."""
    with workspace.room('small') as room:
        certificates = Certificates(room)
        with Registry(room, tls=certificates) as registry:
            place = _Place(registry.host, _files(room, min(MANY, 4 * workspace.most), MANY_SIZE), False)
            environ = {'REQUESTS_CA_BUNDLE': certificates.ca}
            run(Contender('the first push', always(peer.library('push', place.host, PULLED, place.files, insecure=False,
                                                                context=True)), environ), workspace)
            return [_rates(workspace, runs, len(place.files), do, [
                *_small(do, place, environ, room / 'seconds', ours, peer)]) for do in ('push', 'pull')]


def _small(do: str, place: _Place, environ: dict[str, str], output: Path, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    repos = _Repos()

    def job(client: Dxf, many: bool, context: bool) -> Callable[[], list[Command]]:
        return lambda: [client.library(do, place.host, repos.next() if do == 'push' else PULLED, place.files,
                                       insecure=False, many=many, context=context)]
    for name, client, many, context in (
            (f'dxf: ``{do}_blobs``', ours, True, False), (f'dxf: ``{do}_blob``', ours, False, False),
            (f'{peer.name}: ``{do}_blob``, in a ``with``', peer, False, True),
            (f'{peer.name}: ``{do}_blob``', peer, False, False)):
        yield Contender(name, job(client, many, context), environ, told(output), str(output))


def _rates(workspace: Workspace, runs: int, number: int, do: str, clients: list[Contender]) -> Section:
    measures = alternate(clients, runs, workspace)
    plain = timed(
        f'{do.capitalize()} of many small blobs',
        f'{number} blobs of {MANY_SIZE >> 10} KiB over TLS, by the library, in one process whose start does not count.',
        measures, clients[-1].name, [peak_at_most(measures, clients[0].name, 64, f'{number} small blobs, ')])
    return replace(plain, headers=(*plain.headers, 'Blobs a second'), rows=[
        (*row, f'{number / measure.median:.0f}') for row, measure in zip(plain.rows, measures, strict=True)])
