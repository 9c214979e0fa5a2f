"""Growth in a registry: blobs under one alias, sizes of a blob, tags of a repository."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from test.servers.registry import Registry

from bench import contenders
from bench.contenders import Dxf
from bench.growth import at, grow, label_of_bytes, last, steps
from bench.many import told
from bench.measuring import Command, Contender, always, run
from bench.pulling import CURL, CURL_HASHED, PULL, REPO, of
from bench.pushing import CURL_PUSH, PUSH, emptying, environ_of, freshly
from bench.report import Budget, Curve, Section, grown, linear, peak_at_most
from bench.workspace import Workspace, digest_of, write_random

SMALL = 2 << 10
MANY = 3_000
LIBRARY, COMMAND, FOLDER = 'dxf: library', 'dxf: command', 'dxf: command, in a folder'
CURL_MANY = '``curl``, on one connection'
LIST = '``dxf list-aliases``'
SIZES = tuple(1 << exponent for exponent in (10, 15, 20, 25, 30))


class _Blobs:
    """Files with small blobs, and the registry and the folder that they go to."""

    def __init__(self, workspace: Workspace, room: Path, registry: Registry, clients: tuple[Dxf, Dxf]) -> None:
        self._workspace = workspace
        self._room = room
        self._registry = registry
        self._clients = clients
        self._repos = (f'bench/new{number}' for number in count())
        self._output = room / 'seconds'
        self._files: list[Path] = []

    def _list(self, size: int) -> Path:
        """Return the path of a file that has the paths of so many files, which are written."""
        for number in range(len(self._files), size):
            self._files.append(write_random(self._room / f'{number}', SMALL))
        listed = self._room / f'list{size}'
        listed.write_text(''.join(f'{path}\n' for path in self._files[:size]), encoding='utf-8')
        return listed

    def _library(self, do: str, client: Dxf, listed: Path, repo: str) -> Command:
        ours = client is self._clients[0]
        return client.library(do, self._registry.host, repo, listed, alias='all', many=ours, context=not ours)

    def _targets(self) -> Iterator[tuple[str, dict[str, str]]]:
        yield COMMAND, environ_of(self._registry)
        yield FOLDER, {'DXF_HOST': f'oci:{self._room / "folder"}'}

    def pushers(self, size: int) -> list[Contender]:
        """Return those that push so many blobs and their alias to a new repository."""
        listed, names = self._list(size), [str(path) for path in self._files[:size]]
        ours, peer = self._clients

        def library(client: Dxf) -> Callable[[], list[Command]]:
            return lambda: [self._library('push', client, listed, next(self._repos))]

        def command() -> list[Command]:
            return [ours.command('push-blob', next(self._repos), *names, '@all')]
        return [Contender(LIBRARY, library(ours), after=told(self._output), stdout=str(self._output)),
                *(Contender(name, command, environ) for name, environ in self._targets()),
                Contender(f'{peer.name}: library', library(peer), after=told(self._output), stdout=str(self._output))]

    def pullers(self, size: int) -> list[Contender]:
        """Return those that pull so many blobs by their alias, from a repository that has them."""
        listed, repo = self._list(size), f'bench/pulled{size}'
        ours, peer = self._clients
        for name, environ in self._targets():
            run(Contender(name, always(ours.command('push-blob', repo, *map(str, self._files[:size]), '@all')),
                          environ), self._workspace)
        urls = (f'{self._registry.url}/v2/{repo}/blobs/{digest_of(path)}' for path in self._files[:size])
        return [Contender(CURL_MANY, always(contenders.curl_many(urls, self._room / 'urls'))),
                *(Contender(name, always(self._library('pull', client, listed, repo)), after=told(self._output),
                            stdout=str(self._output))
                  for name, client in ((LIBRARY, ours), (f'{peer.name}: library', peer))),
                *(Contender(name, always(ours.command('pull-blob', repo, '@all')), environ)
                  for name, environ in self._targets())]


def more(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Push and pull more and more small blobs under one alias."""
    sizes = steps(workspace.most, 10, 100, 1_000, MANY, 10_000)
    with workspace.room('blobs') as room, Registry(room) as registry:
        place = _Blobs(workspace, room, registry, (ours, peer))
        pushed = grow(sizes, place.pushers, runs, workspace)
        pulled = grow(sizes, place.pullers, runs, workspace)
    about = 'blobs of 2 KiB and their alias, over http. The start of the library is not counted, that of a command is.'
    return [grown(f'{do} of many blobs', f'{do} of {about}', curves, _blob_budgets(do, curves, limit))
            for do, curves, limit in (('Push', pushed, 1.0), ('Pull', pulled, 0.5))]


def _blob_budgets(do: str, curves: Sequence[Curve], limit: float) -> list[Budget]:
    prefix = f'{do} of many blobs, '
    measure = at(curves, COMMAND, MANY)
    return [Budget(f'{prefix}CPU for each of {MANY:,}', None if measure is None else 1000 * measure.cpu / MANY, limit,
                   'ms'),
            linear(curves, COMMAND, prefix), linear(curves, FOLDER, prefix),
            peak_at_most(last(curves), COMMAND, 64, prefix)]


def larger(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Push and pull larger and larger blobs."""
    wanted = [size for size in steps(5 * workspace.size, *SIZES, 5 << 30) if workspace.holds(5 * size // 2)]
    with workspace.room('pushed') as room, Registry(room) as registry:
        pushed = grow(wanted, partial(_size_pushers, registry, room / 'file', ours, peer), runs, workspace,
                      label_of_bytes)
    with workspace.room('pulled') as room, Registry(room) as registry:
        def pullers(size: int) -> list[Contender]:
            file = write_random(room / 'file', size)
            digest = digest_of(file)
            run(Contender('push', always(ours.command('push-blob', REPO, str(file))), environ_of(registry)), workspace)
            file.unlink()
            return [*_size_pullers(registry, digest, ours, peer)]
        pulled = grow(wanted, pullers, runs, workspace, label_of_bytes)
    about = 'One blob over http, whole processes. The largest is 5 times that of the other tables, where memory allows.'
    return [
        grown('Push of a larger blob', about, pushed,
              [linear(pushed, PUSH), peak_at_most(last(pushed), PUSH, 40, 'The largest blob, ')]),
        grown('Pull of a larger blob', f'{about} All but {CURL} verify it.', pulled,
              [linear(pulled, PULL), peak_at_most(last(pulled), PULL, 64, 'The largest blob, ')])]


def _size_pushers(registry: Registry, file: Path, ours: Dxf, peer: Dxf, size: int) -> list[Contender]:
    write_random(file, size)
    empty = emptying(registry, size)
    return [Contender(CURL_PUSH, freshly(file, contenders.curl_push(registry.url, REPO, file)), after=empty),
            *(Contender(name, freshly(file, client.command('push-blob', REPO, str(file))), environ_of(registry), empty)
              for name, client in ((PUSH, ours), (of(peer, 'push-blob'), peer)))]


def _size_pullers(registry: Registry, digest: str, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    url = f'{registry.url}/v2/{REPO}/blobs/{digest}'
    yield Contender(CURL, always(contenders.curl('-o', '/dev/null', url)))
    yield Contender(CURL_HASHED, always(contenders.curl(url), contenders.openssl()))
    for name, client in ((PULL, ours), (of(peer, 'pull-blob'), peer)):
        yield Contender(name, always(client.command('pull-blob', REPO, digest)), environ_of(registry))
    crane = contenders.optional('crane')
    if crane is not None:
        yield Contender('``crane blob``', always(contenders.crane_pull(crane, registry.host, REPO, digest)))


def tags(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """List more and more tags."""
    with workspace.room('tags') as room, Registry(room) as registry:
        file = write_random(room / 'file', SMALL)
        run(Contender('the first push', always(ours.command('push-blob', REPO, str(file), '@t')),
                      environ_of(registry)), workspace)
        found = registry.storage / f'docker/registry/v2/repositories/{REPO}/_manifests/tags'
        link = (found / 't/current/link').read_bytes()

        def listers(size: int) -> list[Contender]:
            _write_tags(found, link, size)
            return [*_listers(registry, ours, peer)]
        listed = grow(steps(workspace.most, 10, 100, 1_000, 10_000, 100_000), listers, runs, workspace)
    return [grown('Listing of many tags', 'All tags of one repository, written to the storage of the registry, then '
                  'listed over http. ``curl`` gets as many as one answer has.', listed,
                  [linear(listed, LIST, 'Listing of many tags, '), peak_at_most(last(listed), LIST, 64)])]


def _write_tags(folder: Path, link: bytes, size: int) -> None:
    """Give a repository of docker-registry as many tags, as it writes them itself, one is there already."""
    for number in range(1, size):
        current = folder / f't{number}' / 'current'
        if not current.exists():
            current.mkdir(parents=True)
            (current / 'link').write_bytes(link)


def _listers(registry: Registry, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    yield Contender('``curl``, one request', always(
        contenders.curl('-o', '/dev/null', f'{registry.url}/v2/{REPO}/tags/list?n=100000')))
    for name, client in ((LIST, ours), (of(peer, 'list-aliases'), peer)):
        yield Contender(name, always(client.command('list-aliases', REPO)), environ_of(registry))
    for tool, command in (('skopeo list-tags', contenders.skopeo_tags), ('crane ls', contenders.crane_tags)):
        path = contenders.optional(tool.partition(' ')[0])
        if path is not None:
            yield Contender(f'``{tool}``', always(command(path, registry.host, REPO)))
