"""Throughput: one large blob of random bytes, over http and TLS, between whole processes and a registry beside them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from test.servers.certificates import Certificates
from test.servers.registry import Registry
from urllib.request import Request, urlopen

from bench import contenders
from bench.contenders import Dxf
from bench.layout import write_layout
from bench.measuring import Command, Contender, Run, alternate, always, run
from bench.report import Section, at_most, peak_at_most, timed
from bench.workspace import MIB, BenchError, Workspace, digest_of, freshen, write_random

REPO, IMAGE = 'bench/blob', 'bench/image:latest'
CURL = '``curl -o /dev/null``'
CURL_HASHED = '``curl`` into ``openssl dgst``'
SENT_ALONE = '``curl -T`` alone, digest and session given'
CURL_PUSH = '``openssl dgst``, ``curl -T``'
PULL, PUSH, THERE = '``dxf pull-blob``', '``dxf push-blob``', '``dxf push-blob``, already there'
STREAM = '``dxf pull-blob``, ``DXF_JOBS=1``'
TO_FILE = '``dxf pull-blob -o``'
CRANE_PULL = '``crane blob``'


def _environ(registry: Registry) -> dict[str, str]:
    return {'DXF_HOST': registry.host, 'DXF_INSECURE': '1'}


def _of(peer: Dxf, command: str) -> str:
    return f'{peer.name}: ``{command}``'


def pull(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Pull a blob, to /dev/null and to a file."""
    with workspace.room('pull') as room, Registry(room) as registry:
        blob = write_random(room / 'blob', workspace.size)
        digest = digest_of(blob)
        environ = _environ(registry)
        run(Contender('the first push', always(ours.command('push-blob', REPO, str(blob))), environ), workspace)
        return [_pull(workspace, runs, [*_pullers(registry, digest, ours, peer)], _of(peer, 'pull-blob')),
                _pull_to_file(workspace, runs, [*_writers(registry, digest, workspace, room, ours, peer)])]


def _pullers(registry: Registry, digest: str, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    url, environ = f'{registry.url}/v2/{REPO}/blobs/{digest}', _environ(registry)
    yield Contender(CURL, always(contenders.curl('-o', '/dev/null', url)))
    yield Contender(CURL_HASHED, always(contenders.curl(url), contenders.openssl()))
    yield Contender(PULL, always(ours.command('pull-blob', REPO, digest)), environ)
    yield Contender(STREAM, always(ours.command('pull-blob', REPO, digest)), {**environ, 'DXF_JOBS': '1'})
    yield Contender(_of(peer, 'pull-blob'), always(peer.command('pull-blob', REPO, digest)), environ)
    crane = contenders.optional('crane')
    if crane is not None:
        yield Contender(CRANE_PULL, always(contenders.crane_pull(crane, registry.host, REPO, digest)))


def _pull(workspace: Workspace, runs: int, pullers: list[Contender], peer: str) -> Section:
    measures = alternate(pullers, runs, workspace)
    return timed(
        'Pull', f'A blob of {workspace.size // MIB} MiB, written to /dev/null. All but {CURL} verify it.', measures,
        CURL, [at_most(measures, PULL, 1.45, CURL), at_most(measures, PULL, 0.7, CRANE_PULL),
               at_most(measures, PULL, 0.55, peer), peak_at_most(measures, PULL, 64),
               peak_at_most(measures, STREAM, 40)])


def _writers(registry: Registry, digest: str, workspace: Workspace, room: Path, ours: Dxf, peer: Dxf
             ) -> Iterator[Contender]:
    """Yield those that pull to a file, each with what removes it."""
    environ, file, folder = _environ(registry), room / 'pulled', room / 'image'

    def remove(cost: Run) -> float:
        if file.stat().st_size != workspace.size:
            raise BenchError('the file is not as long as the blob')
        file.unlink()
        return cost.seconds

    def remove_folder(cost: Run) -> float:
        shutil.rmtree(folder)
        return cost.seconds
    yield Contender('``curl -o``', always(
        contenders.curl('-o', str(file), f'{registry.url}/v2/{REPO}/blobs/{digest}')), after=remove)
    yield Contender(TO_FILE, always(ours.command('pull-blob', '-o', str(file), REPO, digest)), environ, remove)
    yield Contender(_of(peer, 'pull-blob > file'), always(peer.command('pull-blob', REPO, digest)), environ, remove,
                    str(file))
    skopeo = contenders.optional('skopeo')
    if skopeo is not None:
        layout = room / 'layout'
        write_layout(layout, room / 'blob')
        run(Contender('the first push of an image', always(
            contenders.skopeo_push(skopeo, registry.host, IMAGE, layout))), workspace)
        yield Contender('``skopeo copy docker: dir:``', always(
            contenders.skopeo_pull(skopeo, registry.host, IMAGE, folder)), after=remove_folder)


def _pull_to_file(workspace: Workspace, runs: int, writers: list[Contender]) -> Section:
    measures = alternate(writers, runs, workspace)
    return timed(
        'Pull to a file', 'The same blob, to a file of the file system that the registry uses. ``curl`` verifies '
        'nothing; ``skopeo`` copies an image that has the blob as its one layer.', measures, '``curl -o``',
        [peak_at_most(measures, TO_FILE, 64)])


def pull_over_tls(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Pull a blob over TLS, to /dev/null."""
    with workspace.room('tls') as room:
        certificates = Certificates(room)
        with Registry(room, tls=certificates) as registry:
            blob = write_random(room / 'blob', workspace.size)
            digest = digest_of(blob)
            environ = {'DXF_HOST': registry.host, 'REQUESTS_CA_BUNDLE': certificates.ca}
            run(Contender('the first push', always(ours.command('push-blob', REPO, str(blob))), environ), workspace)
            url = f'{registry.url}/v2/{REPO}/blobs/{digest}'
            measures = alternate([
                Contender(CURL, always(contenders.curl('--cacert', certificates.ca, '-o', '/dev/null', url))),
                Contender(PULL, always(ours.command('pull-blob', REPO, digest)), environ),
                Contender(_of(peer, 'pull-blob'), always(peer.command('pull-blob', REPO, digest)), environ),
            ], runs, workspace)
    prefix = 'TLS: '
    return [timed(
        'Pull over TLS', f'A blob of {workspace.size // MIB} MiB, written to /dev/null. All but {CURL} verify it.',
        measures, CURL, [at_most(measures, PULL, 1.45, CURL, prefix), peak_at_most(measures, PULL, 64, prefix)])]


class _Store:
    """The registry that files are pushed to, and its disk."""

    def __init__(self, registry: Registry, size: int) -> None:
        self._data = registry.storage / 'docker'
        self._size = size

    def empty(self, cost: Run) -> float:
        """Forget all that was stored, which must be the file."""
        stored = [path.stat().st_size for path in self._data.glob('registry/v2/blobs/*/*/*/data')]
        if self._size not in stored:
            raise BenchError('the registry did not store the file')
        shutil.rmtree(self._data)
        return cost.seconds


def push(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Push a file, new and already there."""
    with workspace.room('push') as room, workspace.room('there') as there, \
            Registry(room) as registry, Registry(there) as knowing:
        file = write_random(room / 'file', workspace.size)
        known = write_random(there / 'file', workspace.size)
        run(Contender('the first push', always(ours.command('push-blob', REPO, str(known))), _environ(knowing)),
            workspace)
        pushers = [*_pushers(registry, room, file, ours, peer)]
        pushers = [Contender(each.name, each.pipeline, each.environ, _Store(registry, workspace.size).empty)
                   for each in pushers]
        knowers = [Contender(name, always(client.command('push-blob', REPO, str(known))), _environ(knowing))
                   for name, client in ((THERE, ours), (_of(peer, 'push-blob') + ', already there', peer))]
        measures = alternate([*pushers, *knowers], runs, workspace)
    return [timed(
        'Push', f'A file of {workspace.size // MIB} MiB, with other content in each run, and one that the registry '
        'has. ``skopeo`` and ``crane`` push an image that has the file as its one layer.', measures, CURL_PUSH,
        [at_most(measures, PUSH, 0.85, CURL_PUSH), at_most(measures, PUSH, 0.85, _of(peer, 'push-blob')),
         at_most(measures, THERE, 0.35, PUSH), peak_at_most(measures, PUSH, 40)])]


def _pushers(registry: Registry, room: Path, file: Path, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    """Yield those that push a file."""
    environ = _environ(registry)

    def new(command: Command) -> list[Command]:
        freshen(file)
        return [command]

    def new_image(program: str, tool: str) -> list[Command]:
        freshen(file)
        layout = room / 'layout'
        shutil.rmtree(layout, ignore_errors=True)
        write_layout(layout, file)
        return [(contenders.skopeo_push if tool == 'skopeo' else contenders.crane_push)(
            program, registry.host, IMAGE, layout)]

    def sent_alone() -> list[Command]:
        freshen(file)
        digest = digest_of(file)
        with urlopen(Request(f'{registry.url}/v2/{REPO}/blobs/uploads/', b'', method='POST')) as opened:
            url = f'{opened.headers["Location"]}&digest={digest}'
        return [contenders.curl('-o', '/dev/null', '-T', str(file), url)]
    yield Contender(CURL_PUSH, lambda: new(contenders.curl_push(registry.url, REPO, file)))
    yield Contender(SENT_ALONE, sent_alone)
    yield Contender(PUSH, lambda: new(ours.command('push-blob', REPO, str(file))), environ)
    yield Contender(_of(peer, 'push-blob'), lambda: new(peer.command('push-blob', REPO, str(file))), environ)
    skopeo, crane = contenders.optional('skopeo'), contenders.optional('crane')
    if skopeo is not None:
        yield Contender('``skopeo copy oci: docker:``', lambda: new_image(skopeo, 'skopeo'))
    if crane is not None:
        yield Contender('``crane push``', lambda: new_image(crane, 'crane'))
