"""Memory: what dxf holds does not grow with what a server sends, nor with a blob.

Blobs of 256 MiB by default, more than three times what any command may take; ``DXF_TEST_5GIB=1`` makes them 5 GiB.
"""

import hashlib
import json
import os
import re
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from ..helpers.memory_measurement import MeasuredRun
from ..helpers.tables import paired
from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry

BLOB = (5 << 30) if os.environ.get('DXF_TEST_5GIB') == '1' else (256 << 20)
MIB = 1 << 20
HUGE = 300
"""MiB of what should be small."""

DIGEST = 'sha256:' + '0' * 64


def of(registry: ScriptedRegistry, certificates: Certificates) -> dict[str, str]:
    """Return the variables for a scripted registry."""
    return {'DXF_HOST': registry.host, 'REQUESTS_CA_BUNDLE': certificates.ca} | (
        {'DXF_INSECURE': '1'} if registry.insecure else {})


@cache
def zeros_digest(mebibytes: int) -> str:
    """Return the digest of so many MiB of zeros."""
    sha256 = hashlib.sha256()
    for piece in repeat(bytes(MIB), mebibytes):
        sha256.update(piece)
    return 'sha256:' + sha256.hexdigest()


def huge(start: bytes) -> Iterator[bytes]:
    """Yield a document of 300 MB that begins in a plausible way."""
    yield start
    yield from repeat(b' ' * MIB, HUGE)


ANSWERS = {
    'manifest': (('get-manifest', 'fred/x', 'name'), 200, b'{"schemaVersion": 2'),
    'error body': (('get-alias', 'fred/x', 'name'), 403, b'{"errors": [{"code": "'),
    'tag page': (('list-aliases', 'fred/x'), 200, b'{"tags": ["a",'),
    'manifest of an alias': (('get-alias', 'fred/x', 'name'), 200, b'{"layers": ['),
    'error body of a server that is ill': (('blob-size', 'fred/x', '@name'), 500, b'<html>'),
    'page of repositories': (('list-repos',), 200, b'{"repositories": ["a",'),
    'error body of a blob': (('pull-blob', 'fred/x', DIGEST), 418, b''),
}
SIZES = {'chunked': None, 'declared': HUGE * MIB, 'declared a pebibyte': 1 << 50}


@pytest.mark.parametrize(('answer', 'declared'), paired(ANSWERS, SIZES))
def test_a_huge_answer_is_one_line_in_little_memory(tmp_path: Path, certificates: Certificates,
                                                    answer: tuple[tuple[str, ...], int, bytes], declared: int | None
                                                    ) -> None:
    args, status, start = answer
    with ScriptedRegistry() as registry:
        registry.hook = lambda request: Answer(status, body=huge(start), declared=declared)
        ran = MeasuredRun(tmp_path, of(registry, certificates), *args)
    assert ran.failed() and ran.out == b'', (ran.lines, ran.peak, ran.seconds)


def test_a_huge_token_answer_is_one_line_in_little_memory(tmp_path: Path, certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as registry:
        challenge = {'WWW-Authenticate': f'Bearer realm="{registry.url}/token",service="x",scope="y"'}
        registry.hook = lambda request: Answer(401, challenge, huge(b'{')) if request.path != '/token' else \
            Answer(body=huge(b'{"token": "a", "x": "'))
        ran = MeasuredRun(tmp_path, {**of(registry, certificates), 'DXF_USERNAME': 'a', 'DXF_PASSWORD': 'b'},
                          'list-aliases', 'fred/x')
    assert ran.failed() and ran.out == b'', (ran.lines, ran.peak, ran.seconds)


class _Zeros(BaseHTTPRequestHandler):
    """A registry of blobs of zeros: takes uploads, keeps digests and sizes, and gives as many zeros, also by ranges."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    blobs: dict[str, int] = {}
    uploads: dict[str, Any] = {}
    manifests: dict[str, bytes] = {}
    ranges: list[str] = []
    pause: float = 0
    """Seconds before each mebibyte of a blob."""

    def _answer(self, status: int, size: int = 0, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in {'Content_Length': str(size), **headers}.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()

    def _read(self, take: Callable[[memoryview], object]) -> int:
        length = int(self.headers.get('Content-Length', 0))
        view, left = memoryview(bytearray(MIB)), length
        while left:
            size = self.rfile.readinto(view[:left])
            if not size:
                raise ConnectionError
            take(view[:size])
            left -= size
        return length

    def _serve(self) -> None:
        path, _, _ = self.path.partition('?')
        if '/manifests/' in path:
            self._serve_manifest(path)
        elif '/blobs/uploads/' in path:
            self._serve_upload(path.rpartition('/')[2])
        else:
            self._serve_blob(path.rpartition('/')[2])

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = _serve

    def _serve_upload(self, upload: str) -> None:
        if self.command == 'POST':
            upload = uuid.uuid4().hex
            self.uploads[upload] = hashlib.sha256(), []
        sha256, sizes = self.uploads[upload]
        sizes.append(self._read(sha256.update))
        if self.command == 'PUT':
            self.blobs['sha256:' + sha256.hexdigest()] = sum(sizes)
        status = {'POST': 202, 'PATCH': 202, 'PUT': 201, 'DELETE': 204}[self.command]
        self._answer(status, Location=f'/v2/fred/x/blobs/uploads/{upload}', Range=f'0-{max(sum(sizes) - 1, 0)}')

    def _serve_blob(self, digest: str) -> None:
        size = self.blobs.get(digest)
        if size is None or self.command == 'HEAD':
            self._answer(404 if size is None else 200, size or 0)
            return
        asked = re.fullmatch(r'bytes=(\d+)-(\d*)', self.headers.get('Range', ''))
        start, end = (int(asked[1]), int(asked[2] or size - 1)) if asked is not None else (0, size - 1)
        ranged = {} if asked is None else {'Content_Range': f'bytes {start}-{end}/{size}'}
        self.ranges += ranged.values()
        self._answer(206 if ranged else 200, end + 1 - start, **ranged)
        for piece in cut(end + 1 - start):
            time.sleep(self.pause)
            self.wfile.write(piece)

    def _serve_manifest(self, path: str) -> None:
        if self.command == 'PUT':
            content = bytearray()
            self._read(content.extend)
            self.manifests[path] = bytes(content)
            self._answer(201)
        else:
            self._answer(200, len(self.manifests[path]), Content_Type=json.loads(self.manifests[path])['mediaType'])
            if self.command == 'GET':
                self.wfile.write(self.manifests[path])

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet: clients go when they have enough."""


@pytest.fixture(name='environ')
def start_zeros() -> Iterator[dict[str, str]]:
    """The variables for a registry of zeros, which is empty."""
    stores: tuple[Any, ...] = (_Zeros.blobs, _Zeros.uploads, _Zeros.manifests, _Zeros.ranges)
    for kept in stores:
        kept.clear()
    with _Server(('127.0.0.1', 0), _Zeros) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield {'DXF_HOST': f'localhost:{server.server_port}', 'DXF_INSECURE': '1'}
        finally:
            server.shutdown()
            thread.join()


def cut(size: int) -> Iterator[bytes]:
    """Yield so many zeros."""
    yield from repeat(bytes(MIB), size // MIB)
    yield bytes(size % MIB)


def sparse(path: Path, size: int) -> Path:
    """Make a file of so many zeros."""
    with path.open('wb') as opened:
        opened.truncate(size)
    return path


EIGHT = [(64 << 20) + number for number in range(8)]
"""The sizes of several blobs, no two of them the same."""

JOBS = pytest.mark.parametrize('jobs, most', [('1', 40), ('6', 64)])
"""Parallel jobs, and the MB that they may take."""


@JOBS
def test_a_large_blob_is_pushed_in_little_memory(tmp_path: Path, environ: dict[str, str], jobs: str, most: int) -> None:
    ran = MeasuredRun(tmp_path, {**environ, 'DXF_JOBS': jobs}, 'push-blob', 'fred/x',
                      str(sparse(tmp_path / 'large', BLOB)))
    assert _Zeros.blobs == {zeros_digest(BLOB // MIB): BLOB}
    assert ran.status == 0 and ran.lines == [] and ran.peak < most, (ran.lines, ran.peak)


def test_a_large_blob_of_unknown_length_is_pushed_in_little_memory(tmp_path: Path, environ: dict[str, str]) -> None:
    with subprocess.Popen(['cat', str(sparse(tmp_path / 'large', BLOB))], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        ran = MeasuredRun(tmp_path, environ, 'push-blob', 'fred/x', '-', stdin=cat.stdout)
    assert _Zeros.blobs == {zeros_digest(BLOB // MIB): BLOB}
    assert ran.status == 0 and ran.lines == [] and ran.peak < 64, (ran.lines, ran.peak)


@JOBS
def test_a_large_blob_is_pulled_in_little_memory(tmp_path: Path, environ: dict[str, str], jobs: str, most: int) -> None:
    _Zeros.blobs[zeros_digest(BLOB // MIB)] = BLOB
    ran = MeasuredRun(tmp_path, {**environ, 'DXF_JOBS': jobs}, 'pull-blob', 'fred/x', zeros_digest(BLOB // MIB),
                      stdout=subprocess.DEVNULL)
    assert ran.status == 0 and ran.lines == [] and ran.peak < most, (ran.lines, ran.peak)


@JOBS
@pytest.mark.parametrize('slow', [False, True])
def test_a_blob_is_pulled_to_a_file_in_little_memory(tmp_path: Path, environ: dict[str, str],
                                                     monkeypatch: pytest.MonkeyPatch, slow: bool, jobs: str, most: int
                                                     ) -> None:
    _Zeros.blobs[zeros_digest(200)] = 200 * MIB
    monkeypatch.setattr(_Zeros, 'pause', 0.015 if slow else 0)
    file = tmp_path / 'file'
    ran = MeasuredRun(tmp_path, {**environ, 'DXF_JOBS': jobs}, 'pull-blob', '-o', str(file), 'fred/x',
                      zeros_digest(200))
    assert ran.status == 0 and ran.lines == [] and ran.peak < most, (ran.lines, ran.peak)
    assert file.stat().st_size == 200 * MIB
    if slow or jobs == '1':  # a fast one may look slow on a machine that has much to do
        assert (len(_Zeros.ranges) > 5) == (jobs != '1')  # several connections where one is slow
    file.unlink()


def test_several_blobs_are_pushed_and_pulled_at_once_in_little_memory(tmp_path: Path, environ: dict[str, str]) -> None:
    files = [str(sparse(tmp_path / str(size), size)) for size in EIGHT]
    environ['DXF_JOBS'] = '6'
    pushed = MeasuredRun(tmp_path, environ, 'push-blob', 'fred/x', *files, '@all')
    assert sorted(_Zeros.blobs.values()) == EIGHT
    assert pushed.status == 0 and pushed.lines == [] and pushed.peak < 64, (pushed.lines, pushed.peak)
    with subprocess.Popen(['wc', '-c'], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as counting:
        pulled = MeasuredRun(tmp_path, environ, 'pull-blob', 'fred/x', '@all', stdout=counting.stdin)
        assert counting.stdin is not None
        counting.stdin.close()
        assert counting.stdout is not None and int(counting.stdout.read()) == sum(EIGHT)
    assert pulled.status == 0 and pulled.lines == [] and pulled.peak < 64, (pulled.lines, pulled.peak)


def zeros(registry: ScriptedRegistry) -> str:
    """Have a registry serve a large blob of zeros, and return its digest."""
    digest = zeros_digest(BLOB // MIB)
    pieces: Iterable[bytes] = repeat(bytes(MIB), BLOB // MIB)
    registry.script('GET', f'/v2/fred/x/blobs/{digest}', [Answer(body=pieces, declared=BLOB)])
    return digest


def test_a_full_disk_is_one_line_in_little_memory(tmp_path: Path, certificates: Certificates) -> None:
    with ScriptedRegistry() as registry, open('/dev/full', 'wb') as full:
        ran = MeasuredRun(tmp_path, of(registry, certificates), 'pull-blob', 'fred/x', zeros(registry), stdout=full)
    assert ran.failed() and 'No space left' in ran.lines[0], (ran.lines, ran.peak)


@pytest.mark.parametrize('pages', [1, 100])
def test_a_hundred_thousand_names_are_listed_in_little_memory(tmp_path: Path, certificates: Certificates,
                                                              pages: int) -> None:
    names = [f'v{number:06}' for number in range(100_000)]
    size = len(names) // pages

    def answer(request: Request) -> Answer:
        page = int(request.parameter('page') or 0)
        link = {'Link': f'<{request.path}?page={page + 1}>; rel="next"'} if page + 1 < pages else {}
        return Answer(200, link, ('{"tags": ["' + '", "'.join(names[page * size:][:size]) + '"]}').encode())
    with ScriptedRegistry() as registry:
        registry.hook = answer
        ran = MeasuredRun(tmp_path, of(registry, certificates), 'list-aliases', 'fred/x')
    assert ran.status == 0 and ran.lines == [] and ran.peak < 64, (ran.lines, ran.peak)
    assert ran.out.decode().split() == names


def test_a_large_file_is_backed_up_and_restored_in_little_memory(tmp_path: Path) -> None:
    (tmp_path / 'source').mkdir()
    with (tmp_path / 'source' / 'large').open('wb') as file:
        file.writelines(os.urandom(MIB) for _ in range(100))
    environ = {'DXF_HOST': f'oci:{tmp_path}/registry'}
    for arguments in (['backup', 'fred/x', str(tmp_path / 'source'), '@a'],
                      ['restore', 'fred/x', '@a', '--to', str(tmp_path / 'new')]):
        run = MeasuredRun(tmp_path, environ, *arguments)
        assert (run.status, run.lines) == (0, [])
        assert run.peak < 100, arguments
