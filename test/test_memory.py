"""Memory: what dxf holds does not grow with what a server sends, nor with a blob.

Blobs of 1 GiB by default; ``DXF_TEST_5GIB=1`` makes them 5 GiB. The peak is VmHWM of the process itself: ``ru_maxrss``
begins with that of the process that started it, which is pytest.
"""

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from typing import IO

import pytest

from .certificates import Certificates
from .scripted_registry import Answer, Request, ScriptedRegistry

BLOB = (5 if os.environ.get('DXF_TEST_5GIB') == '1' else 1) << 30
MIB = 1 << 20
HUGE = 300
"""MiB of what should be small."""

DIGEST = 'sha256:' + '0' * 64
CHILD = """
import sys
from dxf.main import main
status = main()
with open('/proc/self/status') as file:
    peak = next(line.split()[1] for line in file if line.startswith('VmHWM:'))
with open(sys.argv[0] + '.peak', 'w') as file:
    file.write(peak)
sys.exit(status)
"""


class Dxf:
    """Runs dxf, measured; ``status``, ``out``, ``lines`` (of stderr), ``peak`` (MB) and ``seconds`` tell how it went.

    :param stdout: where its output goes in place of ``out``
    """

    def __init__(self, directory: Path, environ: dict[str, str], *args: str, stdout: int | IO[bytes] = subprocess.PIPE
                 ) -> None:
        script = directory / 'child'
        script.write_text(CHILD, encoding='utf-8')
        start = time.monotonic()
        done = subprocess.run([sys.executable, str(script), *args], stdin=subprocess.DEVNULL, stdout=stdout,
                              stderr=subprocess.PIPE, timeout=100, check=False, cwd=Path(__file__).parents[1], env={
                                  **os.environ, 'PYTHONPATH': str(Path(__file__).parents[1]), 'DXF_RETRIES': '0',
                                  'DXF_PROGRESS': '0', **environ})
        self.seconds = time.monotonic() - start
        self.status = done.returncode
        self.out = done.stdout
        self.lines = done.stderr.decode().splitlines()
        self.peak = int(script.with_suffix('.peak').read_text(encoding='utf-8')) / 1000

    def failed(self) -> bool:
        """Say whether it failed as it should: one line, quickly and in little memory."""
        return self.status not in (0, None) and len(self.lines) == 1 and self.lines[0].startswith('dxf: ') \
            and self.seconds < 5 and self.peak < 100


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


@pytest.mark.parametrize('args, status, start', [
    pytest.param(('get-manifest', 'fred/x', 'name'), 200, b'{"schemaVersion": 2', id='manifest'),
    pytest.param(('get-alias', 'fred/x', 'name'), 200, b'{"layers": [', id='manifest of an alias'),
    pytest.param(('get-alias', 'fred/x', 'name'), 403, b'{"errors": [{"code": "', id='error body'),
    pytest.param(('blob-size', 'fred/x', '@name'), 500, b'<html>', id='error body of a server that is ill'),
    pytest.param(('pull-blob', 'fred/x', DIGEST), 418, b'', id='error body of a blob'),
    pytest.param(('list-aliases', 'fred/x'), 200, b'{"tags": ["a",', id='tag page'),
    pytest.param(('list-repos',), 200, b'{"repositories": ["a",', id='page of repositories'),
])
@pytest.mark.parametrize('declared', [None, HUGE * MIB, 1 << 50], ids=['chunked', 'declared', 'declared a pebibyte'])
def test_a_huge_answer_is_one_line_in_little_memory(tmp_path: Path, certificates: Certificates, args: tuple[str, ...],
                                                    status: int, start: bytes, declared: int | None) -> None:
    with ScriptedRegistry() as registry:
        registry.hook = lambda request: Answer(status, body=huge(start), declared=declared)
        ran = Dxf(tmp_path, of(registry, certificates), *args)
    assert ran.failed() and ran.out == b'', (ran.lines, ran.peak, ran.seconds)


def test_a_huge_token_answer_is_one_line_in_little_memory(tmp_path: Path, certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as registry:
        challenge = {'WWW-Authenticate': f'Bearer realm="{registry.url}/token",service="x",scope="y"'}
        registry.hook = lambda request: Answer(401, challenge, huge(b'{')) if request.path != '/token' else \
            Answer(body=huge(b'{"token": "a", "x": "'))
        ran = Dxf(tmp_path, {**of(registry, certificates), 'DXF_USERNAME': 'a', 'DXF_PASSWORD': 'b'},
                  'list-aliases', 'fred/x')
    assert ran.failed() and ran.out == b'', (ran.lines, ran.peak, ran.seconds)


class _Discarding(BaseHTTPRequestHandler):
    """Takes uploads, and keeps nothing but their digests and sizes."""

    protocol_version = 'HTTP/1.1'
    stored: dict[str, int] = {}

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in {'Content_Length': '0', **headers}.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()

    def _serve(self) -> None:
        length = int(self.headers.get('Content-Length', 0))
        sha256, view, left = hashlib.sha256(), memoryview(bytearray(MIB)), length
        while left:
            size = self.rfile.readinto(view[:left])
            sha256.update(view[:size])
            left -= size
        if self.command == 'PUT':
            self.stored['sha256:' + sha256.hexdigest()] = length
        known = self.stored.get(self.path.rpartition('/')[2])
        self._answer({'HEAD': 404 if known is None else 200, 'POST': 202, 'PUT': 201}[self.command],
                     Location='/v2/fred/x/blobs/uploads/1', Content_Length=str(known or 0))

    do_HEAD = do_POST = do_PUT = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


def test_a_large_blob_is_pushed_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / 'sparse'
    with file.open('wb') as opened:
        opened.truncate(BLOB)
    with ThreadingHTTPServer(('127.0.0.1', 0), _Discarding) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            ran = Dxf(tmp_path, {'DXF_HOST': f'localhost:{server.server_port}', 'DXF_INSECURE': '1'},
                      'push-blob', 'fred/x', str(file))
        finally:
            server.shutdown()
            thread.join()
    assert _Discarding.stored == {zeros_digest(BLOB // MIB): BLOB}
    assert ran.status == 0 and ran.lines == [] and ran.peak < 100, (ran.lines, ran.peak)


def zeros(registry: ScriptedRegistry) -> str:
    """Have a registry serve a large blob of zeros, and return its digest."""
    digest = zeros_digest(BLOB // MIB)
    pieces: Iterable[bytes] = repeat(bytes(MIB), BLOB // MIB)
    registry.script('GET', f'/v2/fred/x/blobs/{digest}', [Answer(body=pieces, declared=BLOB)])
    return digest


def test_a_large_blob_is_pulled_in_little_memory(tmp_path: Path, certificates: Certificates) -> None:
    with ScriptedRegistry() as registry:
        ran = Dxf(tmp_path, of(registry, certificates), 'pull-blob', 'fred/x', zeros(registry),
                  stdout=subprocess.DEVNULL)
    assert ran.status == 0 and ran.lines == [] and ran.peak < 100, (ran.lines, ran.peak)


def test_a_full_disk_is_one_line_in_little_memory(tmp_path: Path, certificates: Certificates) -> None:
    with ScriptedRegistry() as registry, open('/dev/full', 'wb') as full:
        ran = Dxf(tmp_path, of(registry, certificates), 'pull-blob', 'fred/x', zeros(registry), stdout=full)
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
        ran = Dxf(tmp_path, of(registry, certificates), 'list-aliases', 'fred/x')
    assert ran.status == 0 and ran.lines == [] and ran.peak < 64, (ran.lines, ran.peak)
    assert ran.out.decode().split() == names
