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
from bench.report import Section, at_most, peak_at_most, timed
from bench.workspace import Workspace, digest_of, write_random

REPO = 'bench/blob'
ROUND_TRIP = 0.01
READS, READ_SIZE = 1000, 4 << 10
PULL, OPEN = 'dxf: library, ``pull_blob``', 'dxf: library, ``open``'
CURL = '``curl``, one connection'
IN_ORDER, AT_RANDOM = 'Read a file in order', 'Read a file at random'


def read(workspace: Workspace, runs: int, ours: Dxf, _peer: Dxf) -> list[Section]:
    """Read a blob by the library: all of it, and small parts over a network that takes its time."""
    with workspace.room('read') as room, Registry(room) as registry:
        blob = write_random(room / 'blob', workspace.size)
        run(Contender('the first push', always(ours.library('push', registry.host, REPO, [blob]))), workspace)
        with DelayRelay(registry.host, ROUND_TRIP / 2) as relay:
            return [_in_order(workspace, runs, registry.host, blob, ours),
                    _at_random(workspace, runs, relay.host, blob, ours)]


def _in_order(workspace: Workspace, runs: int, host: str, blob: Path, ours: Dxf) -> Section:
    digest = digest_of(blob)
    measures = alternate([
        Contender(name, always(ours.library(do, host, REPO, [blob], alias=digest, chunk_size=1 << 20)))
        for name, do in ((PULL, 'read'), (OPEN, 'open'))], runs, workspace)
    return timed(IN_ORDER, 'One large blob, verified, in pieces of 1 MiB whose bytes are counted.', measures, PULL,
                 [at_most(measures, OPEN, 1.1, PULL, f'{IN_ORDER}: '),
                  peak_at_most(measures, OPEN, 64, f'{IN_ORDER}: ')])


def _at_random(workspace: Workspace, runs: int, host: str, blob: Path, ours: Dxf) -> Section:
    random = Random(16)
    places = [random.randrange(workspace.size - READ_SIZE) for _ in range(min(READS, 4 * workspace.most))]
    listed, output = blob.with_name('places'), blob.with_name('seconds')
    listed.write_text('\n'.join(map(str, places)), 'utf-8')
    digest = digest_of(blob)
    measures = alternate([
        Contender(CURL, always(_curl(f'http://{host}/v2/{REPO}/blobs/{digest}', blob.with_name('ranges'), places))),
        Contender(OPEN, always(ours.library('reads', host, REPO, listed, alias=digest, chunk_size=READ_SIZE)),
                  after=told(output), stdout=str(output))], runs, workspace)
    return timed(AT_RANDOM, f'{len(places)} reads of {READ_SIZE >> 10} KiB, one after the other, over a round trip of '
                 f'{ROUND_TRIP * 1000:.0f} ms. {CURL} asks for the same ranges.', measures, CURL,
                 [at_most(measures, OPEN, 1.05, CURL, f'{AT_RANDOM}: ')])


def _curl(url: str, config: Path, places: Sequence[int]) -> Command:
    """Return the command of curl that asks for parts of a blob."""
    config.write_text('\nnext\n'.join(
        f'url = "{url}"\nrange = "{place}-{place + READ_SIZE - 1}"\noutput = "/dev/null"\nsilent\nfail'
        for place in places), 'utf-8')
    return contenders.curl('--config', str(config))
