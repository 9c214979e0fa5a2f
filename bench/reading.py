"""Reading in place: a large blob that is open as a file, read in order and at random."""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from test.servers.registry import Registry

from bench import contenders
from bench.contenders import Dxf
from bench.delay import DelayRelay
from bench.many import told
from bench.measuring import Command, Contender, alternate, always, run
from bench.report import Budget, Measure, Section, at_most, find, peak_at_most, timed
from bench.workspace import Workspace, digest_of, write_random

REPO = 'bench/blob'
ROUND_TRIP = 0.01
READS, READ_SIZE = 1000, 4 << 10
PULL, OPEN = 'dxf: library, ``pull_blob``', 'dxf: library, ``open``'
RANGES = 'dxf: fsspec, ``cat_ranges``'
CURL, CURL_FOUR = '``curl``, one connection', '``curl --parallel``, four connections'
IN_ORDER, AT_RANDOM = 'Read a file in order', 'Read a file at random'


def read(workspace: Workspace, runs: int, ours: Dxf, _peer: Dxf) -> list[Section]:
    """Read a blob by the library: all of it, and small parts over a network that takes its time."""
    tables = contenders.with_tables()
    with workspace.room('read') as room, Registry(room) as registry:
        blob = write_random(room / 'blob', workspace.size)
        run(Contender('the first push', always(ours.library('push', registry.host, REPO, [blob]))), workspace)
        with DelayRelay(registry.host, ROUND_TRIP / 2) as relay:
            return [_in_order(workspace, runs, registry.host, blob, ours),
                    _at_random(workspace, runs, relay.host, blob, (ours, tables))]


def _in_order(workspace: Workspace, runs: int, host: str, blob: Path, ours: Dxf) -> Section:
    digest = digest_of(blob)
    measures = alternate([
        Contender(name, always(ours.library(do, host, REPO, [blob], alias=digest, chunk_size=1 << 20)))
        for name, do in ((PULL, 'read'), (OPEN, 'open'))], runs, workspace)
    return timed(IN_ORDER, 'One large blob, verified, in pieces of 1 MiB whose bytes are counted.', measures, PULL,
                 [at_most(measures, OPEN, 1.1, PULL, f'{IN_ORDER}: '),
                  peak_at_most(measures, OPEN, 64, f'{IN_ORDER}: ')])


def _at_random(workspace: Workspace, runs: int, host: str, blob: Path, clients: tuple[Dxf, Dxf]) -> Section:
    """Read small parts.

    :param clients: ours, and the one that has fsspec
    """
    random = Random(16)
    places = [random.randrange(workspace.size - READ_SIZE) for _ in range(min(READS, 4 * workspace.most))]
    listed, output = blob.with_name('places'), blob.with_name('seconds')
    listed.write_text('\n'.join(map(str, places)), 'utf-8')
    digest = digest_of(blob)
    command = _curl(f'http://{host}/v2/{REPO}/blobs/{digest}', blob.with_name('ranges'), places)
    measures = alternate([
        Contender(CURL, always(command)),
        Contender(CURL_FOUR, always([*command, '--parallel', '--parallel-immediate', '--parallel-max', '4'])),
        *(Contender(name, always(client.library(do, host, REPO, listed, alias=digest, chunk_size=READ_SIZE)),
                    after=told(output), stdout=str(output))
          for name, do, client in zip((OPEN, RANGES), ('reads', 'ranges'), clients, strict=True))], runs, workspace)
    least = len(places) * ROUND_TRIP
    return timed(AT_RANDOM, f'{len(places)} reads of {READ_SIZE >> 10} KiB over a round trip of '
                 f'{ROUND_TRIP * 1000:.0f} ms: {least:.1f} s of round trips, one after the other. ``curl`` asks '
                 f'for the same ranges. {RANGES} merges none of them, and has four connections.', measures, CURL,
                 [at_most(measures, OPEN, 1.05, CURL, f'{AT_RANDOM}: '),
                  at_most(measures, RANGES, 1.05 / 4, CURL, f'{AT_RANDOM}: '),
                  *(Budget(f'{AT_RANDOM}: {what}, beside the round trips', ratio_to(measures, what, least), limit, 'x')
                    for what, limit in ((OPEN, 1.05), (RANGES, 1.05 / 4))),
                  *(peak_at_most(measures, what, 64, f'{AT_RANDOM}: ') for what in (OPEN, RANGES))])


def ratio_to(measures: Sequence[Measure], what: str, seconds: float) -> float | None:
    """Return by how much a contender's median is longer than a time."""
    measure = find(measures, what)
    return None if measure is None else measure.median / seconds


def _curl(url: str, config: Path, places: Sequence[int]) -> Command:
    """Return the command of curl that asks for parts of a blob."""
    config.write_text('\nnext\n'.join(
        f'url = "{url}"\nrange = "{place}-{place + READ_SIZE - 1}"\noutput = "/dev/null"\nsilent\nfail'
        for place in places), 'utf-8')
    return contenders.curl('--config', str(config))
