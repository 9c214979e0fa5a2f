"""Tables: one row group of a large Parquet file, from a registry and from an S3 server, counted on the wire.

Owns the counting. ``table_script`` is the program that reads.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from test.servers.registry import Registry
from typing import Any

from bench.contenders import Dxf, with_tables
from bench.counting import CountingRelay
from bench.measuring import Command, Contender, Run, alternate, always, run
from bench.pushing import environ_of
from bench.report import Budget, Measure, Row, Section
from bench.workspace import MIB, Workspace

REPO, ALIAS, FILE, BUCKET = 'bench/table', 'may', 'readings.parquet', 'bench'
GROUPS = 64
TITLE = 'A row group of a Parquet file'
DXF, S3, S3_PLAIN = 'dxf: fsspec', 's3fs, from moto', "s3fs, from moto, ``default_cache_type='none'``"
SCRIPT = Path(__file__).with_name('table_script.py')


def command(tools: Dxf, do: str, **task: Any) -> Command:
    """Return the command that does something with a table."""
    return [tools.python, '-I', str(SCRIPT), json.dumps({'do': do, **task})]


class _Reader:
    """A contender that reads a row group through a relay, and what its last run cost.

    :param task: what the script is told of the file
    :param output: what the script writes to
    """

    def __init__(self, name: str, relay: CountingRelay, tools: Dxf, output: Path, task: Mapping[str, Any]) -> None:
        self.name = name
        self._relay = relay
        self._command = command(tools, 'read', group=GROUPS // 2, **task)
        self._output = output
        self.requests: list[int] = []
        self.received: list[int] = []
        self.asked = 0

    def contender(self) -> Contender:
        """Return what runs."""
        return Contender(self.name, self._prepare, after=self._take, stdout=str(self._output))

    def _prepare(self) -> list[Command]:
        self._relay.clear()
        return [self._command]

    def _take(self, cost: Run) -> float:
        """Take note of what a run cost; return its seconds without those of its start."""
        del cost
        told = json.loads(self._output.read_text('utf-8'))
        self.asked = told['asked']
        self.requests.append(len(self._relay.requests))
        self.received.append(self._relay.received)
        return float(told['seconds'])

    def row(self, measure: Measure) -> Row:
        """Return the row of the table."""
        return (self.name, f'{measure.median:.3f}', f'{min(measure.seconds):.3f} - {max(measure.seconds):.3f}',
                str(max(self.requests)), f'{median(self.received) / MIB:.2f}', f'{self.asked / MIB:.2f}',
                f'{measure.peak:.0f}')


def read(workspace: Workspace, runs: int, ours: Dxf, _peer: Dxf) -> list[Section]:
    """Read a row group of a table."""
    tools = with_tables()
    with workspace.room('tables') as room, Registry(room) as registry, _s3(tools) as host:
        file = room / FILE
        run(Contender('a table', always(command(tools, 'write', file=str(file), size=workspace.size, groups=GROUPS))),
            workspace)
        run(Contender('the first push', always(['/bin/sh', '-euc', 'cd "$1"; shift; exec "$@"', 'sh', str(room),
                                                *ours.command('push-files', REPO, ALIAS, FILE)]),
                      environ_of(registry)), workspace)
        run(Contender('the first copy to S3', always(command(tools, 'store', file=str(file), **_of_s3(host)))),
            workspace)
        with CountingRelay(registry.host) as near, CountingRelay(host) as far:
            task = {'protocol': 'dxf', 'options': {'host': near.host, 'insecure': True},
                    'path': f'{REPO}@{ALIAS}/{FILE}'}
            return [_section(workspace, runs, _Reader(DXF, near, tools, room / 'seconds', task), [
                _Reader(S3, far, tools, room / 'seconds', _of_s3(far.host)),
                _Reader(S3_PLAIN, far, tools, room / 'seconds', _of_s3(far.host, default_cache_type='none'))])]


def _of_s3(host: str, **options: str) -> dict[str, Any]:
    return {'protocol': 's3', 'path': f'{BUCKET}/{FILE}', 'options': {
        'key': 'any', 'secret': 'any', 'endpoint_url': f'http://{host}', **options}}


@contextmanager
def _s3(tools: Dxf) -> Iterator[str]:
    """Run an S3 server, and yield its ``localhost:PORT``."""
    with subprocess.Popen(command(tools, 'serve'), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield f'localhost:{int(server.stdout.readline())}'
        server.communicate('')


def _section(workspace: Workspace, runs: int, ours: _Reader, others: Sequence[_Reader]) -> Section:
    readers = [ours, *others]
    measures = alternate([reader.contender() for reader in readers], runs, workspace)
    rows = [reader.row(measure) for reader, measure in zip(readers, measures, strict=True)]
    return Section(
        TITLE, f'One of {GROUPS} row groups of a file of {workspace.size // MIB} MiB, read by pyarrow with '
        '``pre_buffer=True``, from opening it on. Requests and bytes are counted on the wire. moto, an S3 server for '
        'tests, reads all of the file for each request: its seconds say nothing of S3.',
        ('What', 'Median, s', 'Range', 'Requests', 'MiB fetched', 'MiB asked for', 'Peak, MB'), rows,
        [Budget(f'{TITLE}: {DXF}, requests', max(ours.requests), 3, '', 0),
         Budget(f'{TITLE}: {DXF}, bytes, beside those that pyarrow asks for', max(ours.received) / ours.asked, 1.2,
                'x')], measures)
