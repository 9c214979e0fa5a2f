"""Pull: one large blob of random bytes, over http and TLS, to /dev/null, into a pipe, to a file, and by the library."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from test.servers.certificates import Certificates
from test.servers.registry import Registry

from bench import contenders
from bench.contenders import Dxf
from bench.layout import write_layout
from bench.measuring import Contender, Run, alternate, always, run
from bench.report import Section, at_most, beside_the_slower, peak_at_most, timed
from bench.starting import start_of, starter
from bench.workspace import MIB, BenchError, Server, Workspace, digest_of, write_random

REPO, IMAGE = 'bench/blob', 'bench/image:latest'
CURL, CURL_PIPED, CURL_FILE = '``curl -o /dev/null``', '``curl | cat``', '``curl -o FILE``'
CURL_HASHED = '``curl | openssl dgst``'
OPENSSL = '``openssl dgst``'
PULL, STREAM = '``dxf pull-blob``', '``dxf pull-blob``, ``DXF_JOBS=1``'
PIPED = '``dxf pull-blob | cat``'
TO_FILE = '``dxf pull-blob -o``'
CRANE = '``crane blob``'
ARRIVING = 'dxf: library, pieces as they arrive'
CHUNKS = {f'dxf: library, chunks of {text}': size for text, size in (
    ('8 KiB', 8 << 10), ('64 KiB', 64 << 10), ('1 MiB', 1 << 20), ('4 MiB', 4 << 20))}


def of(peer: Dxf, command: str) -> str:
    """Return how the tables call a command of python-dxf."""
    return f'{peer.name}: ``{command}``'


@dataclass(frozen=True)
class _Source:
    """A registry that has the blob, the file that it came from, and what clients are told of them."""

    registry: Registry
    room: Path
    digest: str
    environ: Mapping[str, str]
    trust: Sequence[str]
    suffix: str

    @property
    def blob(self) -> Path:
        """The file that the blob came from."""
        return self.room / 'blob'

    def curl(self, *arguments: str) -> Sequence[str]:
        """Return the command of curl that pulls the blob."""
        return contenders.curl(*self.trust, *arguments, f'{self.registry.url}/v2/{REPO}/blobs/{self.digest}')

    def pull(self, client: Dxf, *options: str) -> Sequence[str]:
        """Return the command of dxf that pulls the blob."""
        return client.command('pull-blob', *options, REPO, self.digest)

    def library(self, client: Dxf, chunk_size: int | None) -> Sequence[str]:
        """Return the command that pulls the blob by the library."""
        return client.library('read', self.registry.host, REPO, [self.blob], insecure=self.registry.insecure,
                              alias=self.digest, chunk_size=chunk_size)


@contextmanager
def _source(workspace: Workspace, server: Server, ours: Dxf, tls: bool) -> Iterator[_Source]:
    """Start a registry that has the blob."""
    with workspace.room('pull') as room:
        certificates = Certificates(room) if tls else None
        with Registry(room, tls=certificates, binary=server.path) as registry:
            digest = digest_of(write_random(room / 'blob', workspace.size))
            environ = {'DXF_HOST': registry.host, 'DXF_INSECURE': '1'}
            trust: Sequence[str] = ()
            if certificates is not None:
                trust = ('--cacert', certificates.ca)
                environ |= {'DXF_INSECURE': '0', 'REQUESTS_CA_BUNDLE': certificates.ca,
                            'SSL_CERT_FILE': certificates.ca}
            run(Contender('the first push', always(ours.command('push-blob', REPO, str(room / 'blob'))), environ),
                workspace)
            yield _Source(registry, room, digest, environ, trust, f'{" over TLS" if tls else ""}{server.suffix}')


def pull(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Pull a blob over http."""
    return _pull(workspace, runs, ours, peer, False)


def pull_over_tls(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf) -> list[Section]:
    """Pull a blob over TLS."""
    return _pull(workspace, runs, ours, peer, True)


def _pull(workspace: Workspace, runs: int, ours: Dxf, peer: Dxf, tls: bool) -> list[Section]:
    sections = []
    for server in workspace.servers:
        with _source(workspace, server, ours, tls) as source:
            sections += [measure(workspace, runs, source, ours, peer)
                         for measure in (_to_nothing, _into_a_pipe, _to_a_file, _by_the_library)]
    return sections


def _to_nothing(workspace: Workspace, runs: int, source: _Source, ours: Dxf, peer: Dxf) -> Section:
    measures = alternate([*_readers(source, ours, peer)], runs, workspace)
    title, start = f'Pull{source.suffix}', start_of(measures)
    prefix = f'{title}: '
    return timed(
        title, f'A blob of {workspace.size // MIB} MiB, written to /dev/null. All but {CURL} verify it.',
        measures, CURL,
        [beside_the_slower(measures, PULL, 1, (CURL, OPENSSL), start, prefix) if not source.trust
         else beside_the_slower(measures, PULL, 1, (CURL,), start, prefix),
         at_most(measures, PULL, 0.85 if source.trust else 0.75, CRANE, prefix),
         *([] if source.trust else [at_most(measures, PULL, 0.45, of(peer, 'pull-blob'), prefix)]),
         peak_at_most(measures, PULL, 64, prefix), peak_at_most(measures, STREAM, 40, prefix)])


def _readers(source: _Source, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    yield starter(ours)
    yield Contender(CURL, always(source.curl('-o', '/dev/null')))
    yield Contender(OPENSSL, always(contenders.openssl(str(source.blob))))
    yield Contender(CURL_HASHED, always(source.curl(), contenders.openssl()))
    yield Contender(PULL, always(source.pull(ours)), source.environ)
    yield Contender(STREAM, always(source.pull(ours)), {**source.environ, 'DXF_JOBS': '1'})
    yield Contender(of(peer, 'pull-blob'), always(source.pull(peer)), source.environ)
    crane = contenders.optional('crane')
    if crane is not None:
        yield Contender(CRANE, always(
            contenders.crane_pull(crane, source.registry.host, REPO, source.digest)), source.environ)


def _into_a_pipe(workspace: Workspace, runs: int, source: _Source, ours: Dxf, peer: Dxf) -> Section:
    measures = alternate([
        starter(ours),
        Contender(CURL_PIPED, always(source.curl(), contenders.cat())),
        Contender(PIPED, always(source.pull(ours), contenders.cat()), source.environ),
        Contender(of(peer, 'pull-blob | cat'), always(source.pull(peer), contenders.cat()), source.environ),
    ], runs, workspace)
    title = f'Pull into a pipe{source.suffix}'
    limit = 1.0 if source.trust else 0.9
    return timed(
        title, f'The same blob, through ``cat`` to /dev/null. {CURL_PIPED} verifies nothing.', measures, CURL_PIPED,
        [beside_the_slower(measures, PIPED, limit, (CURL_PIPED,), start_of(measures), f'{title}: '),
         peak_at_most(measures, PIPED, 64, f'{title}: ')])


def _to_a_file(workspace: Workspace, runs: int, source: _Source, ours: Dxf, peer: Dxf) -> Section:
    measures = alternate([*_writers(source, workspace, ours, peer)], runs, workspace)
    title = f'Pull to a file{source.suffix}'
    others = (CURL_FILE,) if source.trust else (CURL_FILE, OPENSSL)
    return timed(
        title, f'The same blob, to a file of the file system that the registry uses. {CURL_FILE} verifies nothing; '
        '``skopeo`` copies an image that has the blob as its one layer.', measures, CURL_FILE,
        [beside_the_slower(measures, TO_FILE, 1, others, start_of(measures), f'{title}: '),
         peak_at_most(measures, TO_FILE, 64, f'{title}: ')])


def _writers(source: _Source, workspace: Workspace, ours: Dxf, peer: Dxf) -> Iterator[Contender]:
    """Yield those that pull to a file, each with what removes it."""
    file, folder = source.room / 'pulled', source.room / 'image'

    def remove_folder(cost: Run) -> float:
        shutil.rmtree(folder)
        return cost.seconds
    remove = _removing(file, workspace.size)
    yield starter(ours)
    yield Contender(CURL_FILE, always(source.curl('-o', str(file))), after=remove)
    yield Contender(OPENSSL, always(contenders.openssl(str(source.blob))))
    yield Contender(TO_FILE, always(source.pull(ours, '-o', str(file))), source.environ, remove)
    yield Contender(of(peer, 'pull-blob > file'), always(source.pull(peer)), source.environ, remove, str(file))
    skopeo = contenders.optional('skopeo')
    if skopeo is not None:
        layout = source.room / 'layout'
        write_layout(layout, source.blob)
        run(Contender('the first push of an image', always(
            contenders.skopeo_push(skopeo, source.registry.host, IMAGE, layout))), workspace)
        yield Contender('``skopeo copy docker: dir:``', always(
            contenders.skopeo_pull(skopeo, source.registry.host, IMAGE, folder)), after=remove_folder)


def _removing(file: Path, size: int) -> Callable[[Run], float]:
    """Return what removes a file after a run, and sees that it has its size."""
    def remove(cost: Run) -> float:
        if file.stat().st_size != size:
            raise BenchError('the file is not as long as the blob')
        file.unlink()
        return cost.seconds
    return remove


def _by_the_library(workspace: Workspace, runs: int, source: _Source, ours: Dxf, peer: Dxf) -> Section:
    chunked = [Contender(name, always(source.library(ours, size)), source.environ) for name, size in CHUNKS.items()]
    measures = alternate([
        Contender(ARRIVING, always(source.library(ours, 0)), source.environ), *chunked,
        Contender(PULL, always(source.pull(ours)), source.environ),
        Contender(f'{peer.name}: library, chunks of 8 KiB', always(source.library(peer, None)), source.environ),
        Contender(f'{peer.name}: library, chunks of 1 MiB', always(source.library(peer, 1 << 20)), source.environ),
    ], runs, workspace)
    title = f'Pull by the library{source.suffix}'
    return timed(
        title, 'The same blob, by a program that counts the bytes of the chunks that it gets, and by the command.',
        measures, ARRIVING, [at_most(measures, name, 1.15, ARRIVING, f'{title}: ') for name in CHUNKS])
