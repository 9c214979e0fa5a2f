"""Growth with jobs: some blobs moved over more and more connections, on networks of different delay."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from test.servers.registry import Registry

from bench import contenders
from bench.contenders import Dxf
from bench.delay import DelayRelay
from bench.growth import grow, steps
from bench.measuring import Command, Contender, always, run
from bench.report import Section, grown
from bench.workspace import Workspace, digest_of, write_random

BLOBS, SIZE = 32, 64 << 10
PULLED = 'bench/pulled'
ROUND_TRIPS = (0, 10, 50)
"""Milliseconds; 0 is a connection without the relay."""


class _Network:
    """A registry beyond some round trip, and the blobs that go there and back."""

    def __init__(self, room: Path, host: str, files: Sequence[Path], clients: tuple[Dxf, Dxf]) -> None:
        self._room = room
        self._host = host
        self._files = files
        self._clients = clients
        self._repos = (f'bench/{host.partition(":")[2]}/{number}' for number in count())

    def _pushed(self, client: Dxf) -> list[Command]:
        return [client.library('push', self._host, next(self._repos), self._files, alias='all', context=True)]

    def contenders(self, number: int) -> list[Contender]:
        """Return those that use so many connections; python-dxf has one."""
        return [*self._with_jobs(number), *(self._with_one() if number == 1 else ())]

    def _with_jobs(self, number: int) -> Iterator[Contender]:
        ours, files = self._clients[0], [str(path) for path in self._files]
        environ = {'DXF_HOST': self._host, 'DXF_INSECURE': '1', 'DXF_JOBS': str(number)}
        yield Contender('``dxf push-blob``', lambda: [
            ours.command('push-blob', next(self._repos), *files, '@all')], environ)
        yield Contender('``dxf pull-blob``', always(ours.command('pull-blob', PULLED, '@all')), environ)
        urls = (f'http://{self._host}/v2/{PULLED}/blobs/{digest_of(path)}' for path in self._files)
        yield Contender('``curl --parallel``, pull', always(
            contenders.curl_many(urls, self._room / f'urls{number}', number)))

    def _with_one(self) -> Iterator[Contender]:
        peer = self._clients[1]
        yield Contender(f'{peer.name}: library, push', lambda: self._pushed(peer))
        yield Contender(f'{peer.name}: library, pull', always(
            peer.library('pull', self._host, PULLED, self._files, alias='all', context=True)))


def jobs(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Push and pull some blobs with more and more jobs, over each delay."""
    with workspace.room('jobs') as room, Registry(room) as registry:
        files = [write_random(room / f'file{number}', SIZE) for number in range(min(BLOBS, 4 * workspace.most))]
        run(Contender('the first push', always(ours.library('push', registry.host, PULLED, files, alias='all'))),
            workspace)
        return [_over(workspace, runs, room, registry.host, milliseconds, files, (ours, peer))
                for milliseconds in ROUND_TRIPS]


def _over(workspace: Workspace, runs: int, room: Path, host: str, milliseconds: int, files: Sequence[Path],
          clients: tuple[Dxf, Dxf]) -> Section:
    with contextlib.ExitStack() as stack:
        if milliseconds > 0:
            host = stack.enter_context(DelayRelay(host, milliseconds / 2000)).host
        network = _Network(room, host, files, clients)
        curves = grow(steps(workspace.most, 1, 2, 4, 8, 16), network.contenders, runs, workspace)
    return grown(f'Jobs, over a round trip of {milliseconds} ms',
                 f'{len(files)} blobs of {SIZE >> 10} KiB and their alias, by so many jobs (``DXF_JOBS``; default 6). '
                 'A connection costs a round trip, too.', curves, [])
