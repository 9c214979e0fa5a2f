"""Push: one large file of random bytes over http, new and already there."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from test.servers.registry import Registry
from urllib.request import Request, urlopen

from bench import contenders
from bench.contenders import Dxf
from bench.layout import write_layout
from bench.measuring import Command, Contender, Run, alternate, always, run
from bench.pulling import IMAGE, OPENSSL, REPO, of
from bench.report import Measure, Section, at_most, beside_the_slower, find, peak_at_most, timed
from bench.starting import start_of, starter
from bench.workspace import MIB, BenchError, Server, Workspace, digest_of, freshen, write_random

SENT_ALONE = '``curl -T`` alone, digest and session given'
CURL_PUSH = '``openssl dgst``, ``curl -T``'
ONE_REQUEST = '``curl``, one request'
PUSH, THERE = '``dxf push-blob``', '``dxf push-blob``, already there'


def environ_of(registry: Registry) -> dict[str, str]:
    """Return the command line's variables for a registry over http."""
    return {'DXF_HOST': registry.host, 'DXF_INSECURE': '1'}


def emptying(registry: Registry, size: int) -> Callable[[Run], float]:
    """Return what makes a registry forget all that was stored, and sees that a blob of that size was."""
    data = registry.storage / 'docker'

    def empty(cost: Run) -> float:
        if size not in [path.stat().st_size for path in data.glob('registry/v2/blobs/*/*/*/data')]:
            raise BenchError('the registry did not store the file')
        shutil.rmtree(data)
        return cost.seconds
    return empty


def push(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Push a file, new and already there."""
    return [section for server in workspace.servers for section in _push(workspace, runs, server, ours, peer)]


def _push(workspace: Workspace, runs: int, server: Server, ours: Dxf, peer: Dxf) -> list[Section]:
    with workspace.room('push') as room, Registry(room, binary=server.path) as registry:
        file = write_random(room / 'file', workspace.size)
        new = alternate([*_pushers(registry, room, file, ours, peer)], runs, workspace)
        run(Contender('the first push', always(ours.command('push-blob', REPO, str(file))), environ_of(registry)),
            workspace)
        there = alternate([*_knowers(registry, file, ours, peer)], runs, workspace)
    return [_new(workspace, new, server.suffix), _there(workspace, there, server.suffix)]


def _new(workspace: Workspace, measures: Sequence[Measure], suffix: str) -> Section:
    title = f'Push{suffix}'
    return timed(
        title, f'A file of {workspace.size // MIB} MiB, with other content in each run. ``skopeo`` and ``crane`` push '
        'an image that has the file as its one layer.', measures, SENT_ALONE,
        [at_most(measures, PUSH, 1.05, SENT_ALONE, f'{title}: '), peak_at_most(measures, PUSH, 40, f'{title}: ')])


def _there(workspace: Workspace, measures: Sequence[Measure], suffix: str) -> Section:
    title, request = f'Push of what is there{suffix}', find(measures, ONE_REQUEST)
    assert request is not None
    return timed(
        title, f'A file of {workspace.size // MIB} MiB that the registry has.', measures, OPENSSL,
        [beside_the_slower(measures, THERE, 1.15, (OPENSSL,), start_of(measures) + request.median, f'{title}: ')])


def _knowers(registry: Registry, file: Path, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    """Yield those that push what is there."""
    yield starter(ours)
    yield Contender(ONE_REQUEST, always(contenders.curl('-o', '/dev/null', f'{registry.url}/v2/')))
    yield Contender(OPENSSL, always(contenders.openssl(str(file))))
    for name, client in ((THERE, ours), (of(peer, 'push-blob') + ', already there', peer)):
        yield Contender(name, always(client.command('push-blob', REPO, str(file))), environ_of(registry))


def _pushers(registry: Registry, room: Path, file: Path, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    """Yield those that push a file, each with what empties the registry."""
    empty = emptying(registry, file.stat().st_size)
    yield Contender(CURL_PUSH, freshly(file, contenders.curl_push(registry.url, REPO, file)), after=empty)
    yield Contender(SENT_ALONE, lambda: _sent_alone(registry, file), after=empty)
    for name, client in ((PUSH, ours), (of(peer, 'push-blob'), peer)):
        yield Contender(name, freshly(file, client.command('push-blob', REPO, str(file))), environ_of(registry), empty)
    for tool, command in (('skopeo', contenders.skopeo_push), ('crane', contenders.crane_push)):
        path = contenders.optional(tool)
        if path is not None:
            layout = room / 'layout'
            yield Contender(f'``{"skopeo copy oci: docker:" if tool == "skopeo" else "crane push"}``',
                            _image_of(file, layout, command(path, registry.host, IMAGE, layout)), after=empty)


def freshly(file: Path, command: Command) -> Callable[[], list[Command]]:
    """Return what gives a file other content, and then the command."""
    def pipeline() -> list[Command]:
        freshen(file)
        return [command]
    return pipeline


def _image_of(file: Path, layout: Path, command: Command) -> Callable[[], list[Command]]:
    """Return what gives a file other content, makes a layout of it, and then the command."""
    def pipeline() -> list[Command]:
        freshen(file)
        shutil.rmtree(layout, ignore_errors=True)
        write_layout(layout, file)
        return [command]
    return pipeline


def _sent_alone(registry: Registry, file: Path) -> list[Command]:
    """Return the command that only sends a file with other content: its digest and an upload session are given."""
    freshen(file)
    digest = digest_of(file)
    with urlopen(Request(f'{registry.url}/v2/{REPO}/blobs/uploads/', b'', method='POST')) as opened:
        url = f'{opened.headers["Location"]}&digest={digest}'
    return [contenders.curl('-o', '/dev/null', '-T', str(file), url)]
