"""Each way on which a blob leaves dxf, whatever the registry sends: equal bytes, or an error and fewer bytes."""

import gzip
import io
import json
import os
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.exceptions import RequestException

from dxf import DXF, Limits, artifacts, hash_bytes
from dxf.exceptions import DXFError, DXFProtocolError
from dxf.main import doit

from ..servers.scripted_registry import Answer, Request, ScriptedRegistry

REPO = 'fred/a'
OCI = 'application/vnd.oci.image.manifest.v1+json'
HELLO = b'hello'
OTHER = b'another blob, which is right'
MIB = 1 << 20


@dataclass(frozen=True)
class Pull:
    """One blob that is to leave a registry, with the alias ``a`` that names it, and another one after it."""

    client: DXF
    digest: str
    chunk_size: int
    folder: Path
    environ: dict[str, str]

    def run(self, *args: str) -> None:
        """Run a command in this process."""
        assert doit(args, {**self.environ, 'DXF_CHUNK_SIZE': str(self.chunk_size or '')}) == 0


Got = Iterator[bytes]
"""What has come out, piece by piece; an error ends it."""


def by_pull_blob(pull: Pull) -> Got:
    """Iterate over one blob."""
    yield from pull.client.pull_blob(pull.digest, chunk_size=pull.chunk_size)


def by_pull_blobs(pull: Pull) -> Got:
    """Iterate over two blobs, which are fetched at once."""
    blobs = pull.client.pull_blobs([pull.digest, hash_bytes(OTHER)], pull.chunk_size)
    for digest, chunks, _ in blobs:
        if digest == pull.digest:
            yield from chunks
        else:
            assert b''.join(chunks) == OTHER


def by_described_blobs(pull: Pull) -> Got:
    """Iterate over the blobs of an alias, with the sizes that its manifest gives."""
    for _, chunks, _ in pull.client.pull_blobs(pull.client.get_alias('a', sizes=True), pull.chunk_size):
        yield from chunks


def by_file(pull: Pull) -> Got:
    """Fetch into a file."""
    pull.client.pull_to_file(pull.folder / 'file', pull.digest)
    yield (pull.folder / 'file').read_bytes()


def by_names(pull: Pull) -> Got:
    """Fetch a file by its name."""
    artifacts.pull_files(pull.client, 'a', str(pull.folder))
    yield (pull.folder / 'name').read_bytes()


def by_command_to_file(pull: Pull) -> Got:
    """Run pull-blob -o."""
    pull.run('pull-blob', REPO, '@a', '-o', str(pull.folder / 'file'))
    yield (pull.folder / 'file').read_bytes()


def by_command(pull: Pull) -> Got:
    """Run pull-blob, with a pipe for standard output."""
    reading, writing = os.pipe()
    problem: Exception | None = None
    before = sys.stdout
    with open(reading, 'rb') as pipe, ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read)  # meanwhile: a pipe holds less than the largest blob
        with io.TextIOWrapper(io.FileIO(writing, 'w'), write_through=True) as sys.stdout:
            try:
                pull.run('pull-blob', REPO, '@a')
            except (DXFError, RequestException) as error:
                problem = error
        sys.stdout = before
        yield read.result()
    if problem is not None:
        raise problem


WAYS = (by_pull_blob, by_pull_blobs, by_described_blobs, by_file, by_names, by_command_to_file, by_command)


@pytest.fixture(name='server', scope='module')
def start_server() -> Iterator[ScriptedRegistry]:
    """A registry that holds what each test puts there."""
    with ScriptedRegistry() as server:
        yield server


def store(server: ScriptedRegistry, blob: bytes) -> str:
    """Have a registry hold a blob under an alias, as a file with a name; return its digest."""
    digest = server.memory.put(REPO, blob)
    server.memory.put(REPO, OTHER)
    entry = {'digest': digest, 'size': len(blob), 'mediaType': 'application/octet-stream'}
    layer = {**entry, 'annotations': {'org.opencontainers.image.title': 'name'}}
    manifest = {'schemaVersion': 2, 'mediaType': OCI, 'config': entry, 'layers': [layer]}
    server.memory.put_manifest(REPO, 'a', OCI, json.dumps(manifest).encode())
    return digest


def pulled(server: ScriptedRegistry, way: Callable[[Pull], Got], blob: bytes, answer: Answer, chunk_size: int = 0
           ) -> tuple[bytes, Exception | None]:
    """Pull a blob for which the registry answers so; return what came out, and the error."""
    digest = store(server, blob)

    def hook(request: Request) -> Answer | None:
        return answer if request.line == f'GET /v2/{REPO}/blobs/{digest}' and 'Range' not in request.headers else None
    server.hook = hook
    got = b''
    environ = server.environ(DXF_RETRIES='0', HOME=os.environ['HOME'])
    with tempfile.TemporaryDirectory() as folder, \
            DXF(server.host, REPO, insecure=True, limits=Limits(retries=0)) as client:
        try:
            for piece in way(Pull(client, digest, chunk_size, Path(folder), environ)):
                got += piece
        except (DXFError, RequestException) as error:
            return got, error
    return got, None


@dataclass(frozen=True)
class Sent:
    """What a registry sends for a blob: how it is encoded and cut, and what is wrong with it."""

    GZIP: ClassVar[dict[str, str]] = {'Content-Encoding': 'gzip'}

    blob: bytes
    encoded: bool
    chunked: bool
    cuts: list[int]
    fault: str

    @property
    def claimed(self) -> int:
        """The size that the blob has by the registry's word: HEAD tells the true one."""
        body = self.answer().body
        return len(body) if isinstance(body, bytes) and not self.encoded else len(self.blob)

    def answer(self) -> Answer:
        """Return the answer; an empty blob is damaged by one byte more."""
        content = {'flipped': bytes([self.blob[0] ^ 1]) + self.blob[1:] if self.blob else b'x', 'short': self.blob[:-1],
                   'long': self.blob + b'x'}.get(self.fault, self.blob)
        body = gzip.compress(content, 1) if self.encoded else content
        body = {'cut': body[:-9], 'junk': body + b'junk' * 9}.get(self.fault, body)
        marks = sorted({0, len(body), *(cut % (len(body) + 1) for cut in self.cuts)})
        pieces = [body[start:end] for start, end in zip(marks, marks[1:], strict=False)]
        return Answer(200, self.GZIP if self.encoded else {}, pieces if self.chunked else body)


SENT = st.builds(Sent, st.binary(max_size=300) | st.integers(0, 40_000).map(lambda size: b'0123456' * size),
                 st.booleans(), st.booleans(), st.lists(st.integers(0, 1 << 20), max_size=8),
                 st.sampled_from(['none', 'none', 'none', 'flipped', 'short', 'long', 'cut', 'junk']))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=SENT, way=st.sampled_from(WAYS), chunk_size=st.sampled_from([0, 1, 7, 1000, 8192, 1 << 30]))
def test_equal_bytes_leave_or_an_error_and_fewer_bytes(server: ScriptedRegistry, sent: Sent,
                                                       way: Callable[[Pull], Got], chunk_size: int) -> None:
    if chunk_size == 1 and len(sent.blob) > 3000:
        chunk_size = 97
    got, problem = pulled(server, way, sent.blob, sent.answer(), chunk_size)
    if problem is None:
        assert got == sent.blob
    else:
        assert len(got) < max(sent.claimed, 1)
    if sent.fault == 'none':
        assert problem is None


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('chunked', [False, True])
def test_a_blob_that_was_compressed_on_its_way_leaves_once(server: ScriptedRegistry, way: Callable[[Pull], Got],
                                                           chunked: bool) -> None:
    body = gzip.compress(HELLO)
    answer = Answer(200, {'Content-Encoding': 'gzip'}, [body[:12], body[12:]] if chunked else body)
    assert pulled(server, way, HELLO, answer) == (HELLO, None)


@pytest.mark.parametrize('way', WAYS)
def test_what_follows_a_compressed_blob_is_an_error_at_once(server: ScriptedRegistry, way: Callable[[Pull], Got]
                                                            ) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield gzip.compress(HELLO)
        for _ in range(64):
            sent += 1
            yield bytes(MIB)
    tracemalloc.start()
    got, problem = pulled(server, way, HELLO, Answer(200, {'Content-Encoding': 'gzip'}, endless()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(problem, DXFProtocolError)
    assert len(got) < len(HELLO)
    assert sent < 32
    assert peak < 16 * MIB


@pytest.mark.parametrize('way', WAYS)
def test_compressed_blocks_that_hold_nothing_end(server: ScriptedRegistry, way: Callable[[Pull], Got]) -> None:
    sent = 0
    empty = b'\x00\x00\x00\xff\xff'  # https://www.rfc-editor.org/rfc/rfc1951#page-11

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield gzip.compress(HELLO)[:10]
        for _ in range(64):
            sent += 1
            yield empty * (MIB // len(empty))
    got, problem = pulled(server, way, HELLO, Answer(200, {'Content-Encoding': 'gzip'}, endless()))
    assert isinstance(problem, DXFProtocolError)
    assert got == b''
    assert sent < 32


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('wrong', [
    pytest.param(lambda blob: Answer(200, {}, blob[:-1] + b'!'), id='another end'),
    pytest.param(lambda blob: Answer(200, {}, [blob + b'!']), id='longer than declared'),
    pytest.param(lambda blob: Answer(200, {}, [blob[:-1]]), id='shorter than declared'),
])
def test_a_wrong_blob_leaves_on_no_way(server: ScriptedRegistry, way: Callable[[Pull], Got],
                                       wrong: Callable[[bytes], Answer]) -> None:
    blob = os.urandom(2999) + b'.'  # else another end is once in a while the same
    server.memory.put(REPO, blob)
    answer = wrong(blob)
    if answer.body == [blob[:-1]]:  # what is resumed is wrong too
        answer = Answer(200, {'Content-Encoding': 'gzip'}, gzip.compress(blob[:-1]))
    got, problem = pulled(server, way, blob, answer)
    assert isinstance(problem, DXFError)
    assert got == b''


def test_unread_blobs_are_not_begun_after_one_that_was_wrong(server: ScriptedRegistry) -> None:
    blobs = [os.urandom(1000) for _ in range(40)]
    digests = [server.memory.put(REPO, blob) for blob in blobs]
    first = f'/v2/{REPO}/blobs/{digests[0]}'
    server.hook = lambda request: Answer(200, {}, blobs[1]) if request.path == first else None
    server.requests.clear()
    with DXF(server.host, REPO, insecure=True, limits=Limits(retries=0), jobs=1) as client:
        pulling: Any = client.pull_blobs(digests)
        _, chunks, _ = next(pulling)
        with pytest.raises(DXFError):
            list(chunks)
        pulling.close()
    assert [request.path for request in server.requests] == [first]
