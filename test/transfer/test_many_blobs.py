"""Many blobs at once: their order, how many requests there are at a time, what an error leaves, and bounded memory.

How one blob is sent or fetched is not the subject here.
"""

import errno
import gc
import hashlib
import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import RequestException

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFHTTPError, DXFInvalidNameError,
                            DXFUnexpectedDigestMethodError)
from dxf.main import doit
from dxf.options import JOBS

from ..helpers import fork_server
from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.processes import end
from ..helpers.traffic import Traffic
from ..helpers.waiting import eventually
from ..servers.scripted_registry import Answer, Hook, Request, ScriptedRegistry, error
from ..servers.token_server import TokenServer

REPO = 'fred/datalogger'
MIB = 1 << 20
LIMITS = Limits(retries=1, backoff=0.01, part=256 << 10, small_part=64 << 10)
WAITING = 60.0
"""Seconds after which a test that waits for something has failed."""

MISSING = 'sha256:' + '0' * 64
OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
EMPTY_JSON = hash_bytes(b'{}')


def content_of(number: int, size: int = 20_000) -> bytes:
    """Return a blob that is unlike all others."""
    return (b'%d ' % number * size)[:size]


def contents_of(count: int, size: int = 20_000) -> list[bytes]:
    """Return so many blobs."""
    return [content_of(number, size) for number in range(count)]


def digests_of(contents: list[bytes]) -> list[str]:
    """Return the digests of blobs."""
    return [hash_bytes(content) for content in contents]


def client_of(server: ScriptedRegistry, jobs: int = 4) -> DXF:
    """Return a new client of a scripted registry."""
    return DXF(server.host, REPO, insecure=True, timeout=WAITING, limits=LIMITS, jobs=jobs)


def store(server: ScriptedRegistry, contents: list[bytes]) -> list[str]:
    """Store blobs without a request, and return their digests."""
    return [server.memory.put(REPO, content) for content in contents]


def pulled(blobs: Iterator[tuple[str, Iterator[bytes], int]]) -> list[tuple[str, bytes, int]]:
    """Read blobs."""
    return [(digest, b''.join(chunks), size) for digest, chunks, size in blobs]


def expected(contents: list[bytes]) -> list[tuple[str, bytes, int]]:
    """Return what reading these blobs gives."""
    return [(hash_bytes(content), content, len(content)) for content in contents]


def own_threads() -> set[threading.Thread]:
    """Return the threads that are not those of a server."""
    servers = ('process_request_thread', 'serve_forever')
    return {thread for thread in threading.enumerate() if not any(name in thread.name for name in servers)}


class Gate:
    """Lets requests through when it is opened; a request that waits too long has not been meant to."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.arrived = threading.Event()

    def open(self) -> None:
        """Let all through, from now on."""
        self._event.set()

    def wait(self) -> None:
        """Wait until it is open."""
        self.arrived.set()
        assert self._event.wait(WAITING), 'nothing else happened meanwhile'


class Counter:
    """Counts the requests that a hook answers at the same time; ``most`` is the most there were at once.

    :param wanted: as many are waited for, once, so that they can meet
    """

    def __init__(self, server: ScriptedRegistry, wanted: int) -> None:
        self.most = 0
        self._server = server
        self._wanted = wanted
        self._now = 0
        self._changed = threading.Condition()

    def __call__(self, request: Request) -> Answer:
        with self._changed:
            self._now += 1
            self.most = max(self.most, self._now)
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self.most >= self._wanted, WAITING):
                self._wanted = 0  # they will not come
        time.sleep(0.005)  # in which one too many would come
        try:
            return self._server.ordinary(request)
        finally:
            with self._changed:
                self._now -= 1


@pytest.fixture(name='files')
def write_files(tmp_path: Path) -> Callable[[list[bytes]], list[Path]]:
    """What writes files of these contents, and returns their paths."""
    def write(contents: list[bytes]) -> list[Path]:
        paths = [tmp_path / f'{number}.dat' for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return paths
    return write


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Insist that a test leaves no thread behind."""
    before = own_threads()
    yield
    assert eventually(lambda: own_threads() <= before), own_threads() - before


# Order

def test_blobs_are_pulled_in_order_whatever_arrives_first(server: ScriptedRegistry) -> None:
    contents = contents_of(4)
    digests = store(server, contents)
    answered: list[str] = []
    gates = {digest: Gate() for digest in digests}

    def last_first(request: Request) -> Answer:
        digest = request.path.rpartition('/')[2]
        if len(answered) == 0 and digest == digests[-1]:
            gates[digest].open()
        gates[digest].wait()
        answered.append(digest)
        before = digests.index(digest) - 1
        if before >= 0:
            gates[digests[before]].open()
        return server.ordinary(request)
    server.hook = last_first
    with client_of(server) as client:
        assert pulled(client.pull_blobs(digests)) == expected(contents)
    assert answered == digests[::-1]


def test_digests_are_returned_in_order_whatever_is_stored_first(
        server: ScriptedRegistry, files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(4)
    paths = files(contents)
    stored: list[bytes] = []
    gates = {content: Gate() for content in contents}
    gates[contents[-1]].open()

    def last_first(request: Request) -> Answer | None:
        if request.method != 'PUT':
            return None
        gates[request.body].wait()
        answer = server.ordinary(request)
        stored.append(request.body)
        before = contents.index(request.body) - 1
        if before >= 0:
            gates[contents[before]].open()
        return answer
    server.hook = last_first
    with client_of(server) as client:
        assert client.push_blobs(paths) == digests_of(contents)
    assert stored == contents[::-1]


@pytest.mark.parametrize('jobs', [1, 4])
def test_sources_are_of_any_kind(server: ScriptedRegistry, tmp_path: Path, jobs: int) -> None:
    contents = contents_of(7, 150_000)
    paths = [tmp_path / name for name in 'ab']
    for path, content in zip(paths, contents, strict=False):
        path.write_bytes(content)
    with client_of(server, jobs) as client, paths[1].open('rb') as file:
        sources: list[Any] = [paths[0], str(paths[0]), file, bytearray(contents[2]), memoryview(contents[3]),
                              iter([contents[4][:70_000], contents[4][70_000:]]), contents[5]]
        assert client.push_blobs(sources) == [hash_bytes(contents[0]), *digests_of(contents[:6])]
        assert not file.closed
    assert server.memory.blobs[REPO] == {hash_bytes(content): content for content in contents[:6]}
    assert not server.memory.uploads


@pytest.mark.parametrize('jobs', [1, 4])
@pytest.mark.parametrize('chunk_size', [1000, 8192, 1 << 20, None])
def test_chunks_have_the_size_that_is_asked_for(server: ScriptedRegistry, chunk_size: int | None, jobs: int) -> None:
    contents = contents_of(3, 50_001)
    sizes = []
    with client_of(server, jobs) as client:
        for _, chunks, _ in client.pull_blobs(store(server, contents), chunk_size):
            sizes.append([len(chunk) for chunk in chunks])
    chunk_size = chunk_size or 8192
    one = [chunk_size] * (50_001 // chunk_size) + [50_001 % chunk_size]
    assert sizes == [one] * 3


@pytest.mark.parametrize('jobs', [1, 4])
def test_none_of_them_needs_no_request(server: ScriptedRegistry, jobs: int) -> None:
    with client_of(server, jobs) as client:
        assert client.push_blobs([]) == []
        assert not list(client.pull_blobs([]))
    assert not server.requests


@pytest.mark.parametrize('jobs', [1, 2, 4])
def test_the_same_blob_may_come_more_than_once(server: ScriptedRegistry, jobs: int,
                                               files: Callable[[list[bytes]], list[Path]]) -> None:
    one, two = contents_of(2)
    contents = [one, two, one, one, b'', b'']
    with client_of(server, jobs) as client:
        assert client.push_blobs(files(contents)) == digests_of(contents)
        assert pulled(client.pull_blobs(digests_of(contents))) == expected(contents)
    assert set(server.memory.blobs[REPO]) == set(digests_of(contents))
    assert not server.memory.uploads


@pytest.mark.usefixtures('asked_by_head')
def test_what_is_there_is_sent_again_only_where_that_is_wanted(server: ScriptedRegistry,
                                                               files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(6)
    paths = files(contents)
    digests = store(server, contents[::2])
    with client_of(server) as client:
        assert client.push_blobs(paths) == digests_of(contents)
        assert sorted(put.body for put in server.of('PUT')) == sorted(contents[1::2])
        assert len(server.of('HEAD')) == 6
        server.requests.clear()
        assert client.push_blobs(paths[::2], check_exists=False) == digests
    assert len(server.of('PUT')) == 3
    assert len(server.of('HEAD')) == 3  # each after it was sent


@pytest.mark.parametrize('jobs', [1, 4])
def test_progress_tells_of_each_file_from_its_beginning(server: ScriptedRegistry, jobs: int,
                                                        files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = [*contents_of(5), content_of(5, 700_000), b'']
    there = store(server, [contents[1]])
    told: dict[str, list[tuple[bytes, int]]] = {}

    def progress(digest: str, chunk: bytes, size: int) -> None:
        told.setdefault(digest, []).append((bytes(chunk), size))
    with client_of(server, jobs) as client:
        client.push_blobs(files(contents), progress)
    assert set(told) == set(digests_of(contents)) - set(there)
    for content in contents:
        for calls in [told.get(hash_bytes(content))]:
            assert calls is None or calls[0] == (b'', len(content))
            assert calls is None or b''.join(chunk for chunk, _ in calls) == content
            assert calls is None or {size for _, size in calls} == {len(content)}


def test_sizes_that_a_push_has_shown_are_not_asked_for(server: ScriptedRegistry,
                                                       files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(6)
    with client_of(server) as client:
        digests = client.push_blobs(files(contents))
        server.requests.clear()
        client.set_alias('all', *digests)
    assert server.lines() == [f'PUT /v2/{REPO}/manifests/all']


# How many at once

@pytest.mark.parametrize('jobs', [1, 2, 4])
def test_no_more_requests_are_made_at_once_than_jobs(server: ScriptedRegistry, jobs: int,
                                                     files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(9)
    counters = [Counter(server, jobs), Counter(server, jobs)]
    with client_of(server, jobs) as client:
        server.hook = counters[0]
        digests = client.push_blobs(files(contents))
        server.hook = counters[1]
        assert pulled(client.pull_blobs(digests)) == expected(contents)
    assert [counter.most for counter in counters] == [jobs, jobs]
    assert server.connections <= jobs


def test_six_at_once_are_the_default(server: ScriptedRegistry) -> None:
    contents = contents_of(9)
    server.hook = counter = Counter(server, 6)
    with DXF(server.host, REPO, insecure=True) as client:
        assert pulled(client.pull_blobs(store(server, contents))) == expected(contents)
    assert counter.most == 6


@pytest.mark.parametrize('jobs', [0, -1])
def test_fewer_than_one_at_once_are_refused(jobs: int) -> None:
    with pytest.raises(ValueError, match='jobs'):
        DXF('localhost:9', REPO, insecure=True, jobs=jobs)


@pytest.mark.usefixtures('asked_by_head')
def test_one_job_does_one_thing_after_another(server: ScriptedRegistry,
                                              files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(5)
    digests = digests_of(contents)
    with client_of(server, 1) as client:
        client.push_blobs(files(contents))
        assert [request.method for request in server.requests] == ['HEAD', 'POST', 'PUT'] * 5
        assert [put.body for put in server.of('PUT')] == contents
        server.requests.clear()
        for number, (digest, chunks, _) in enumerate(client.pull_blobs(digests)):
            assert digest == digests[number]
            assert b''.join(chunks) == contents[number]
            time.sleep(0.01)  # in which nothing is asked for ahead
            assert server.lines() == [f'GET /v2/{REPO}/blobs/{digest}' for digest in digests[:number + 1]]
    assert server.connections == 1


def test_one_job_needs_no_thread(server: ScriptedRegistry, files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(3)
    seen: set[threading.Thread] = set()
    before = own_threads()
    server.hook = lambda request: seen.update(own_threads())
    with client_of(server, 1) as client:
        assert pulled(client.pull_blobs(client.push_blobs(files(contents)))) == expected(contents)
    assert seen == before


# One token

@pytest.fixture(name='authorized')
def make_authorized(token_registry: Endpoint, repo: str) -> Iterator[DXF]:
    """A client that asks for all that it will need at its first challenge."""
    client = token_registry.dxf(repo)
    client._auth = lambda registry, response: registry.authenticate(USERNAME, PASSWORD, ['pull', 'push'],
                                                                    response=response)
    with client:
        yield client


def test_one_token_does_for_all(authorized: DXF, token_registry: Endpoint, tokens: TokenServer, repo: str,
                                traffic: Traffic, files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(20)
    digests = authorized.push_blobs(files(contents))
    assert digests == digests_of(contents)
    assert [request.scopes for request in tokens.requests] == [(f'repository:{repo}:pull,push',)]
    # A challenge and its token; a question that compares, as one is asked of every registry; a POST and a PUT for each.
    assert len(traffic.lines()) == 1 + 1 + 1 + 20 * 2
    assert len(traffic.connections) <= JOBS + 1
    traffic.clear()
    tokens.requests.clear()
    with token_registry.dxf(repo) as client:
        assert pulled(client.pull_blobs(digests)) == expected(contents)
    assert [request.scopes for request in tokens.requests] == [(f'repository:{repo}:pull',)]
    assert len(traffic.lines()) == 1 + 1 + 20
    assert len(traffic.connections) <= JOBS + 1


def test_a_token_that_ends_is_renewed_by_one(token_registry: Endpoint, authorized: DXF, tokens: TokenServer,
                                             repo: str) -> None:
    contents = contents_of(20)
    digests = authorized.push_blobs(contents)
    tokens.requests.clear()
    with token_registry.dxf(repo) as client:
        client.token = 'worthless'
        assert pulled(client.pull_blobs(digests)) == expected(contents)
    assert len(tokens.requests) == 1


def test_commands_ask_for_one_token(token_registry: Endpoint, tokens: TokenServer, repo: str, traffic: Traffic,
                                    files: Callable[[list[bytes]], list[Path]],
                                    capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    contents = contents_of(20)
    assert doit(['push-blob', repo, *map(str, files(contents)), '@all'], token_registry.environ()) == 0
    assert capfdbinary.readouterr().out.decode().split() == digests_of(contents)
    assert len(tokens.requests) == 1
    assert len(traffic.lines()) == 1 + 1 + 1 + 20 * 2 + 1
    traffic.clear()
    tokens.requests.clear()
    assert doit(['pull-blob', repo, '@all'], token_registry.environ()) == 0
    assert capfdbinary.readouterr().out == b''.join(contents)
    assert len(tokens.requests) == 1
    assert len(traffic.lines()) == 3 + 20


# Errors

def refuses(method: str, digest: str, status: int, first: Callable[[], Any] = bool) -> Hook:
    """Return a hook that refuses requests for a blob, when something has happened."""
    def hook(request: Request) -> Answer | None:
        if request.method != method or not request.path.endswith(digest):
            return None
        first()
        return error(status, 'DENIED')
    return hook


class Failure:
    """A hook that refuses a blob, and holds the requests for others until a job of the client has ended by that.

    :param digest: the blob's that is refused
    :param jobs: so many requests meet before the refusal, which is how many the client does at once
    """

    def __init__(self, digest: str, jobs: int) -> None:
        self._digest = digest
        self._jobs = jobs
        self._meeting = threading.Barrier(jobs)
        self._is_over = False
        self._before = own_threads()

    def running(self) -> int:
        """Return how many jobs have not ended."""
        return len(own_threads() - self._before)

    def __call__(self, request: Request) -> Answer | None:
        if not self._is_over:
            self._meeting.wait(WAITING)
        if request.path.endswith(self._digest):
            self._is_over = True
            return error(403, 'DENIED')
        assert eventually(lambda: self.running() < self._jobs)
        return None


@pytest.mark.parametrize('jobs', [1, 2, 4])
@pytest.mark.usefixtures('asked_by_head')
def test_nothing_is_begun_after_a_push_that_failed(server: ScriptedRegistry, jobs: int,
                                                   files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(20)
    digests = digests_of(contents)
    server.hook = failure = Failure(digests[1], jobs)
    with client_of(server, jobs) as client:
        with pytest.raises(DXFHTTPError) as raised:
            client.push_blobs(files(contents))
        assert raised.value.response.status_code == 403
        assert {request.path.rsplit('/', 1)[1] for request in server.of('HEAD')} == set(digests[:max(jobs, 2)])
        assert not failure.running()
    assert not server.memory.uploads
    assert all(hash_bytes(content) == digest for digest, content in server.memory.blobs[REPO].items())


@pytest.mark.usefixtures('asked_by_head')
def test_an_upload_is_given_up_where_another_failed(server: ScriptedRegistry,
                                                    files: Callable[[list[bytes]], list[Path]]) -> None:
    ends: list[BaseException] = []
    gate = Gate()

    def endless() -> Iterator[bytes]:
        try:
            yield bytes(200_000)
            gate.wait()
            for _ in range(3000):
                yield bytes(65_536)
                time.sleep(0.002)
        except BaseException as problem:
            ends.append(problem)
            raise
    path, = files(contents_of(1))
    deny = refuses('HEAD', hash_bytes(path.read_bytes()), 403, lambda: eventually(lambda: bool(server.of('PATCH'))))

    def hook(request: Request) -> Answer | None:
        answer = deny(request)
        if answer is not None:
            gate.open()
        return answer
    server.hook = hook
    with client_of(server, 2) as client:
        with pytest.raises(DXFHTTPError, match='403'):
            client.push_blobs([endless(), path])
        assert len(server.of('DELETE')) == 1
        assert not server.of('PUT')
        assert not server.memory.uploads
    assert len(server.of('PATCH')) < 2000


@pytest.mark.usefixtures('asked_by_head')
def test_the_first_error_is_raised_and_not_that_of_the_first_source(
        server: ScriptedRegistry, files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(3)
    digests = digests_of(contents)
    failure = Failure(digests[2], 3)

    def hook(request: Request) -> Answer | None:
        answer = failure(request)
        return error(418, 'TEAPOT') if request.path.endswith(digests[0]) else answer
    server.hook = hook
    with client_of(server) as client:
        with pytest.raises(DXFHTTPError, match='403'):
            client.push_blobs(files(contents))


@pytest.mark.parametrize('jobs', [1, 4])
def test_a_source_that_cannot_be_read_is_one_error(server: ScriptedRegistry, jobs: int, tmp_path: Path) -> None:
    invalid: list[Any] = [b'readings', None]
    with client_of(server, jobs) as client:
        with pytest.raises(OSError, match='missing'):
            client.push_blobs([tmp_path / 'missing', b'readings'])
        with pytest.raises(TypeError):
            client.push_blobs(invalid)


def test_a_push_that_is_interrupted_ends_at_once(server: ScriptedRegistry, files: Callable[[list[bytes]], list[Path]]
                                                 ) -> None:
    assert threading.current_thread() is threading.main_thread()
    contents = contents_of(20)

    def interrupt(request: Request) -> None:
        if request.method == 'PUT' and not gate.arrived.is_set():
            gate.arrived.set()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        if gate.arrived.is_set():
            assert noticed.wait(WAITING)

    def notice(number: int, frame: Any) -> None:
        noticed.set()
        signal.default_int_handler(number, frame)
    gate, noticed = Gate(), threading.Event()
    server.hook = interrupt
    before = signal.signal(signal.SIGINT, notice)
    try:
        with client_of(server, 2) as client:
            with pytest.raises(KeyboardInterrupt):
                client.push_blobs(files(contents))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(server.of('HEAD')) <= 6
    assert eventually(lambda: not server.memory.uploads)


def gone(_content: bytes) -> Answer:
    """Have the blob no more."""
    return error(404, 'BLOB_UNKNOWN')


def flipped(content: bytes) -> Answer:
    """Send another blob of the same size."""
    return Answer(200, {}, content[:-1] + bytes([content[-1] ^ 1]))


def longer(content: bytes) -> Answer:
    """Send a longer blob."""
    return Answer(200, {}, content + b'!')


def cut(content: bytes) -> Answer:
    """Send less than is declared, each time."""
    return Answer(200, {}, content[:-1], declared=len(content))


@pytest.mark.parametrize('spoil, outcome', [
    (gone, DXFHTTPError), (flipped, DXFDigestMismatchError), (longer, DXFDigestMismatchError),
    (cut, (DXFError, RequestException))])
@pytest.mark.parametrize('bad', [0, 1, 5, 7])
@pytest.mark.parametrize('jobs', [1, 4])
def test_what_comes_before_a_blob_that_fails_is_right(server: ScriptedRegistry, jobs: int, bad: int, outcome: Any,
                                                      spoil: Callable[[bytes], Answer]) -> None:
    contents = contents_of(8, 30_000)
    digests = store(server, contents)
    got: list[tuple[str, bytes]] = []

    def read() -> None:
        for digest, chunks, _ in client.pull_blobs(digests, 1000):
            got.append((digest, b''))
            for chunk in chunks:
                got[-1] = (digest, got[-1][1] + chunk)
    server.hook = lambda request: spoil(contents[bad]) if request.path.endswith(digests[bad]) else None
    with client_of(server, jobs) as client:
        with pytest.raises(outcome):
            read()
    assert got[:bad] == list(zip(digests, contents, strict=True))[:bad]
    assert len(got) <= bad + 1
    assert all(len(content) < len(contents[bad]) for _, content in got[bad:])


def test_a_later_error_is_kept_until_its_turn_and_nothing_is_begun_after_it(server: ScriptedRegistry) -> None:
    contents = contents_of(40)
    digests = store(server, contents)
    server.hook = Failure(digests[2], 4)
    with client_of(server) as client:
        blobs = client.pull_blobs(digests)
        for content in contents[:2]:
            digest, chunks, size = next(blobs)
            assert (digest, b''.join(chunks), size) == (hash_bytes(content), content, len(content))
        with pytest.raises(DXFHTTPError, match='403'):
            for _, chunks, _ in blobs:
                next(chunks)
        assert not list(blobs)
    assert {request.path.rsplit('/', 1)[1] for request in server.of('GET')} == set(digests[:4])


@pytest.mark.parametrize('jobs', [1, 4])
@pytest.mark.parametrize('digest', ['', 'latest', 'sha256:0', 'md5:' + '0' * 32, MISSING + '\n'])
def test_all_digests_are_checked_before_the_first_request(server: ScriptedRegistry, digest: str, jobs: int) -> None:
    with client_of(server, jobs) as client:
        with pytest.raises((DXFInvalidNameError, DXFUnexpectedDigestMethodError)):
            pulled(client.pull_blobs([*store(server, contents_of(2)), digest]))
        with pytest.raises(ValueError, match='chunk_size'):
            pulled(client.pull_blobs(store(server, contents_of(2)), -1))
    assert not server.requests


# A consumer that is slow, or leaves

class Fountain:
    """Serves blobs that are never all in memory, and counts the bytes that it could send.

    :param sizes: MiB of each
    """

    def __init__(self, server: ScriptedRegistry, sizes: list[int]) -> None:
        self.sent = 0
        self.digests: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        for number, size in enumerate(sizes):
            sha256 = hashlib.sha256()
            for piece in self._pieces(number, size, 0):
                sha256.update(piece)
            self.digests[f'sha256:{sha256.hexdigest()}'] = (number, size)
        server.hook = self

    def __call__(self, request: Request) -> Answer:
        number, size = self.digests[request.path.rpartition('/')[2]]
        return Answer(200, {}, self._pieces(number, size, 1), declared=size * MIB)

    def _pieces(self, number: int, size: int, count: int) -> Iterator[bytes]:
        piece = b'%d ' % number * (MIB // 2)
        for _ in range(size * MIB // (64 << 10)):
            yield piece[:64 << 10]
            with self._lock:
                self.sent += count * (64 << 10)

    def settled(self) -> int:
        """Wait until no more can be sent, and return how much was."""
        sent = -1
        deadline = time.monotonic() + WAITING
        while sent != self.sent and time.monotonic() < deadline:
            sent = self.sent
            time.sleep(0.25)
        return sent


SIZES = [24, 24, 24, 24, 24, 24, *[1] * 50]
BOUND = 64 * MIB


@pytest.mark.parametrize('jobs', [1, 4])
def test_little_is_fetched_ahead_of_a_consumer_that_is_slow(server: ScriptedRegistry, jobs: int) -> None:
    fountain = Fountain(server, SIZES)
    with client_of(server, jobs) as client:
        blobs = client.pull_blobs(list(fountain.digests), MIB)
        for number in range(2):
            digest, chunks, size = next(blobs)
            assert size == 24 * MIB
            next(chunks)
            assert fountain.settled() <= number * 24 * MIB + BOUND
            assert sum(map(len, chunks)) == 23 * MIB
        assert digest == list(fountain.digests)[1]
        assert [sum(map(len, chunks)) // MIB for _, chunks, _ in blobs] == SIZES[2:]
    assert eventually(lambda: fountain.sent == sum(SIZES) * MIB)  # the last piece is counted when it was sent


def leave_by_closing(blobs: Any) -> None:
    """Say that no more is wanted."""
    blobs.close()


def leave_by_error(blobs: Any) -> None:
    """Fail while reading."""
    with suppress(ZeroDivisionError):
        for _, chunks, _ in blobs:
            for _ in chunks:
                raise ZeroDivisionError


@pytest.mark.parametrize('leave', [leave_by_closing, leave_by_error, bool], ids=['closed', 'error', 'forgotten'])
@pytest.mark.parametrize('read', [0, 1, 2], ids=['nothing read', 'begun', 'one read'])
def test_a_reader_that_stops_leaves_nothing_behind(server: ScriptedRegistry, read: int,
                                                   leave: Callable[[Any], Any]) -> None:
    fountain = Fountain(server, [16] * 8)
    before = own_threads()
    with client_of(server) as client:
        blobs = client.pull_blobs(list(fountain.digests))
        if read:
            _, chunks, _ = next(blobs)
            next(chunks)
            if read == 2:
                assert sum(map(len, chunks)) < 16 * MIB
                next(blobs)
            del chunks
        leave(blobs)
        del blobs
        gc.collect()
        assert eventually(lambda: own_threads() <= before)
        assert eventually(lambda: server.open == 0)
        sent = fountain.settled()
        assert sent < sum([16] * 8) * MIB
    assert fountain.settled() == sent


def test_a_reader_that_stops_does_not_wait_for_a_server_that_is_silent(server: ScriptedRegistry) -> None:
    contents = contents_of(8)
    digests = store(server, contents)

    def hook(request: Request) -> Answer | None:
        return None if request.path.endswith(digests[0]) else replace(server.ordinary(request), stall=10)
    server.hook = hook
    with client_of(server) as client:
        blobs: Any = client.pull_blobs(digests)
        next(blobs)
        assert eventually(lambda: len(server.requests) >= 4)
        started = time.monotonic()
        blobs.close()
        assert time.monotonic() - started < WAITING / 2


@pytest.mark.parametrize('where', ['for _ in blobs: raise KeyboardInterrupt',
                                   'for _, chunks, _ in blobs:\n for _ in chunks: raise KeyboardInterrupt',
                                   'kept = next(blobs); raise KeyboardInterrupt'])
def test_a_program_that_is_interrupted_while_it_reads_ends(server: ScriptedRegistry, tmp_path: Path, where: str
                                                           ) -> None:
    fountain = Fountain(server, [2] * 40)
    program = tmp_path / 'program.py'
    program.write_text(f'import dxf\nclient = dxf.DXF({server.host!r}, {REPO!r}, insecure=True, jobs=32)\n'
                       f'blobs = client.pull_blobs({list(fountain.digests)!r})\n{where}\n')
    with ExitStack() as programs:  # several, as it may be a matter of luck in which state its threads are met
        running = [programs.enter_context(fork_server.start([], os.environ, program=program)) for _ in range(4)]
        for process in running:
            ended = end(process)
            assert ended.status == -signal.SIGINT
            assert ended.lines[-1] == 'KeyboardInterrupt'
    assert eventually(lambda: server.open == 0)


# The commands

class Shell:
    """Runs commands in this process against a scripted registry."""

    def __init__(self, server: ScriptedRegistry, capture: pytest.CaptureFixture[bytes]) -> None:
        self._server = server
        self._capture = capture

    def run(self, *args: str, **variables: str) -> tuple[int, bytes, str]:
        """Run a command; return its status, and what it wrote to standard output and to standard error."""
        self._capture.readouterr()
        environ = self._server.environ(DXF_RETRIES='0', **variables)
        try:
            status = doit(args, environ)
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = self._capture.readouterr()
        return status, out, err.decode()

    def captured(self) -> tuple[bytes, str]:
        """Return what a command that failed wrote."""
        out, err = self._capture.readouterr()
        return out, err.decode()

    def __call__(self, *args: str, **variables: str) -> bytes:
        """Run a command that must succeed without a word, and return what it wrote."""
        status, out, err = self.run(*args, **variables)
        assert (status, err) == (0, '')
        return out


@pytest.fixture(name='shell')
def make_shell(server: ScriptedRegistry, capfdbinary: pytest.CaptureFixture[bytes]) -> Shell:
    """A shell for the scripted registry."""
    return Shell(server, capfdbinary)


def name(server: ScriptedRegistry, alias: str, contents: list[bytes]) -> list[str]:
    """Store blobs and give them an alias, without a request; return their digests."""
    digests = store(server, contents)
    manifest = {'schemaVersion': 2, 'mediaType': OCI_MANIFEST,
                'config': {'mediaType': 'application/vnd.oci.empty.v1+json', 'digest': EMPTY_JSON, 'size': 2},
                'layers': [{'mediaType': 'application/octet-stream', 'digest': digest, 'size': len(content)}
                           for digest, content in zip(digests, contents, strict=True)]}
    server.memory.put_manifest(REPO, alias, OCI_MANIFEST, json.dumps(manifest).encode())
    return digests


def delayed(server: ScriptedRegistry, digests: list[str]) -> Hook:
    """Return a hook that answers the later blobs of each four first."""
    def hook(request: Request) -> Answer:
        digest = request.path.rpartition('/')[2]
        if digest in digests:
            time.sleep(0.003 * (3 - digests.index(digest) % 4))
        return server.ordinary(request)
    return hook


@pytest.mark.parametrize('variables', [{}, {'DXF_JOBS': '1'}, {'DXF_JOBS': '3'}, {'DXF_JOBS': '64'}, {'DXF_JOBS': ''}],
                         ids=lambda variables: variables.get('DXF_JOBS', 'default'))
def test_blobs_are_written_in_the_order_of_the_operands(server: ScriptedRegistry, shell: Shell,
                                                        variables: dict[str, str]) -> None:
    contents = [content_of(number, 3_000 * number + 1) for number in range(30)]
    digests = name(server, 'all', contents)
    name(server, 'last', contents[-2:])
    server.hook = delayed(server, digests)
    assert shell('pull-blob', REPO, '@all', **variables) == b''.join(contents)
    assert shell('pull-blob', REPO, digests[5], digests[3], digests[3], digests[4], **variables) == \
        contents[5] + contents[3] + contents[3] + contents[4]
    assert shell('pull-blob', REPO, digests[0], '@last', digests[1], '@last', **variables) == \
        contents[0] + b''.join(contents[-2:]) + contents[1] + b''.join(contents[-2:])


@pytest.mark.parametrize('jobs', ['1', '4'])
def test_each_blob_follows_its_digest_and_size(server: ScriptedRegistry, shell: Shell, jobs: str) -> None:
    contents = [content_of(number, 3_000 * number) for number in range(12)]
    digests = name(server, 'all', contents)
    server.hook = delayed(server, digests)
    assert shell('pull-blob', REPO, '@all', digests[3], DXF_BLOB_INFO='1', DXF_JOBS=jobs) == b''.join(
        f'{hash_bytes(content)} {len(content)}\n'.encode() + content for content in [*contents, contents[3]])


@pytest.mark.parametrize('variables, jobs', [({'DXF_JOBS': '1'}, 1), ({'DXF_JOBS': '2'}, 2), ({}, 6)])
def test_a_variable_says_how_many_are_fetched_at_once(server: ScriptedRegistry, shell: Shell, jobs: int,
                                                      variables: dict[str, str],
                                                      files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(9)
    digests = name(server, 'all', contents)
    paths = [str(path) for path in files([content + b'!' for content in contents])]

    def hook(request: Request) -> Answer:
        return counters[-1](request) if '/blobs/' in request.path else server.ordinary(request)
    server.hook = hook
    counters = [Counter(server, jobs)]
    assert shell('pull-blob', REPO, '@all', **variables) == b''.join(contents)
    counters.append(Counter(server, jobs))
    assert shell('push-blob', REPO, *paths, '@more', **variables).split() == [
        hash_bytes(content + b'!').encode() for content in contents]
    counters.append(Counter(server, jobs))
    shell('set-alias', REPO, 'again', *digests, **variables)
    assert [counter.most for counter in counters] == [jobs] * 3


def test_one_at_a_time_is_in_order(server: ScriptedRegistry, shell: Shell) -> None:
    digests = name(server, 'all', contents_of(8))
    shell('pull-blob', REPO, '@all', DXF_JOBS='1')
    assert server.lines()[1:] == [f'GET /v2/{REPO}/blobs/{digest}' for digest in digests]
    assert server.connections == 1


@pytest.mark.parametrize('jobs', ['0', '-1', 'x', '1.5', '1e2', '٣', ' ', '9' * 30])
@pytest.mark.parametrize('args', [('pull-blob', REPO, MISSING), ('push-blob', REPO, __file__), ('list-aliases', REPO)])
def test_an_invalid_number_of_jobs_is_wrong_usage(server: ScriptedRegistry, shell: Shell, args: tuple[str, ...],
                                                  jobs: str) -> None:
    status, out, err = shell.run(*args, DXF_JOBS=jobs)
    assert (status, out) == (2, b'')
    line, = err.splitlines()
    assert 'DXF_JOBS' in line
    assert not server.requests


def test_several_files_are_stored_and_named_in_their_order(server: ScriptedRegistry, shell: Shell,
                                                           files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = [*contents_of(10), content_of(3), b'']
    digests = digests_of(contents)
    out = shell('push-blob', REPO, *map(str, files(contents)), '@all')
    assert out.decode().splitlines() == digests
    assert shell('get-alias', REPO, 'all').decode().splitlines() == digests
    assert shell('pull-blob', REPO, '@all') == b''.join(contents)
    assert not server.memory.uploads


@pytest.mark.parametrize('operands', [
    ['{0}', '{1}'],
    ['{0}', '{1}', '{2}'],
    ['@all', '{0}', '{1}'],
    ['{0}', '@all', '{1}'],
    ['{0}', '@all', '@more'],
    ['{0}', '{1}', '@'],
    ['{0}', '{0}.missing', '@all'],
    ['{0}', '/', '@all'],
    ['@all'],
    [],
])
def test_operands_that_cannot_be_right_cost_no_request(server: ScriptedRegistry, shell: Shell, operands: list[str],
                                                       files: Callable[[list[bytes]], list[Path]]) -> None:
    paths = files(contents_of(3))
    status, out, err = shell.run('push-blob', REPO, *(operand.format(*paths) for operand in operands))
    assert (status, out) == (2, b'')
    assert len(err.splitlines()) == 1
    assert not server.requests


@pytest.mark.usefixtures('asked_by_head')
def test_a_push_of_several_that_fails_names_nothing(server: ScriptedRegistry, shell: Shell,
                                                    files: Callable[[list[bytes]], list[Path]]) -> None:
    contents = contents_of(8)
    server.hook = refuses('HEAD', hash_bytes(contents[5]), 404)  # which means that it is not there
    paths = [str(path) for path in files(contents)]
    assert shell.run('push-blob', REPO, *paths, '@all')[0] == 0
    server.hook = refuses('HEAD', hash_bytes(contents[5]), 401)
    server.memory.blobs.clear()
    server.requests.clear()
    status, out, err = shell.run('push-blob', REPO, *paths, '@more')
    assert (status, out) == (errno.EACCES, b'')
    assert len(err.splitlines()) == 1
    assert list(server.memory.tags[REPO]) == ['all']
    assert not server.memory.uploads


@pytest.mark.parametrize('jobs', ['1', '4'])
@pytest.mark.parametrize('info', ['0', '1'])
def test_the_output_ends_before_a_blob_that_is_missing(server: ScriptedRegistry, shell: Shell, jobs: str,
                                                       info: str) -> None:
    contents = contents_of(10)
    digests = name(server, 'all', contents)
    del server.memory.blobs[REPO][digests[6]]
    status, out, err = shell.run('pull-blob', REPO, '@all', DXF_JOBS=jobs, DXF_BLOB_INFO=info)
    assert (status, len(err.splitlines())) == (errno.ENOENT, 1)
    assert out == b''.join((f'{hash_bytes(content)} {len(content)}\n'.encode() if info == '1' else b'') + content
                           for content in contents[:6])


@pytest.mark.parametrize('jobs', ['1', '4'])
def test_the_output_ends_within_a_blob_that_is_wrong(server: ScriptedRegistry, shell: Shell, jobs: str) -> None:
    contents = contents_of(10)
    digests = name(server, 'all', contents)
    server.memory.blobs[REPO][digests[6]] = contents[6][:-1] + b'!'
    with pytest.raises(DXFDigestMismatchError):
        shell.run('pull-blob', REPO, '@all', DXF_JOBS=jobs)
    out, err = shell.captured()
    assert b''.join(contents[:7]).startswith(out)
    assert len(b''.join(contents[:6])) <= len(out) < len(b''.join(contents[:7]))
    assert err == ''


# Equal sources

@pytest.mark.parametrize('size', [0, 20_000, 600_000], ids=['empty', 'small', 'in parts'])
@pytest.mark.parametrize('jobs', [1, 4])
@pytest.mark.parametrize('check_exists', [True, False])
@pytest.mark.usefixtures('asked_by_head')
def test_equal_files_are_sent_once(server: ScriptedRegistry, files: Callable[[list[bytes]], list[Path]], jobs: int,
                                   check_exists: bool, size: int) -> None:
    one, other = content_of(1, size), content_of(2, size)
    contents = [one, other, one, one, content_of(3)]
    with client_of(server, jobs) as client:
        assert client.push_blobs(files(contents), check_exists=check_exists) == digests_of(contents)
    assert len(server.of('POST')) == len(set(contents)) == len(server.of('PUT'))
    assert server.memory.blobs[REPO] == {hash_bytes(content): content for content in contents}
    assert len(server.of('HEAD')) == len(set(contents))  # before it, or else after it


def test_equal_data_is_sent_once(server: ScriptedRegistry, files: Callable[[list[bytes]], list[Path]]) -> None:
    content = content_of(1)
    with client_of(server) as client:
        digests = client.push_blobs([content, io.BytesIO(content), *files([content])])
    assert digests == [hash_bytes(content)] * 3
    assert len(server.of('POST')) == 1


def test_an_equal_file_is_not_taken_for_stored_where_the_first_failed(
        server: ScriptedRegistry, files: Callable[[list[bytes]], list[Path]]) -> None:
    server.hook = lambda request: error(403, 'DENIED') if request.method == 'POST' else None
    with client_of(server) as client, pytest.raises(DXFHTTPError, match='^403'):
        client.push_blobs(files([content_of(1)] * 3))
    assert not server.memory.blobs[REPO]


@pytest.mark.parametrize('jobs', [1, 4])
def test_blobs_that_are_named_twice_are_copied_once(server: ScriptedRegistry, jobs: int) -> None:
    with client_of(server, jobs) as client, ScriptedRegistry() as source:
        digest = source.memory.put(REPO, content_of(1))
        client.copy_blobs(client_of(source), [digest] * 5)
    assert len(server.of('POST')) == 1
