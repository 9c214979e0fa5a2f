"""What a caller's progress function raises during a pull is the caller's error: told as it is, once, nothing lost."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from dxf import DXF, artifacts, hash_bytes
from dxf.exceptions import DXFDigestMismatchError

from ..helpers import fork_server
from ..helpers.processes import Runner, files
from ..helpers.waiting import eventually
from ..servers.scripted_registry import Request, ScriptedRegistry
from .test_described_sizes import entry, name

REPO = 'fred/a'
BLOB = os.urandom(4 << 20)
DIGEST = hash_bytes(BLOB)
ERRORS = pytest.mark.parametrize('error', [
    OSError(5, 'no'), BrokenPipeError(32, 'gone'), TimeoutError('late'), requests.exceptions.ConnectionError('cut'),
    requests.exceptions.Timeout('late'), DXFDigestMismatchError('a', 'b'), ZeroDivisionError(), KeyboardInterrupt(),
], ids=lambda error: type(error).__name__)


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that holds a blob, and an alias of it."""
    server.memory.put(REPO, BLOB)
    name(server, entry(DIGEST, len(BLOB), 'name'))
    return server


@pytest.fixture(name='client')
def make_client(server: ScriptedRegistry) -> Iterator[DXF]:
    """A client of its repository."""
    with DXF(server.host, REPO, insecure=True) as client:
        yield client


class Failing:
    """A progress function that raises once so many bytes have moved."""

    def __init__(self, error: BaseException, after: int) -> None:
        self._error = error
        self._left = after

    def __call__(self, digest: str, chunk: bytes, size: int) -> None:
        self._left -= len(chunk)
        if self._left < 0:
            raise self._error


def to_file(client: DXF, folder: Path, progress: Callable[..., None]) -> None:
    """Pull to a file."""
    client.pull_to_file(folder / 'file', DIGEST, progress=progress)


def by_name(client: DXF, folder: Path, progress: Callable[..., None]) -> None:
    """Pull a file by its name."""
    artifacts.pull_files(client, 'a', str(folder), progress=progress)


@ERRORS
@pytest.mark.parametrize('pull', [to_file, by_name])
def test_an_error_of_the_callers_progress_comes_out_as_it_is(server: ScriptedRegistry, client: DXF, tmp_path: Path,
                                                             error: BaseException,
                                                             pull: Callable[[DXF, Path, Failing], None]) -> None:
    with pytest.raises(type(error)) as caught:
        pull(client, tmp_path, Failing(error, 1 << 20))
    assert caught.value is error
    assert len([line for line in server.lines() if line.startswith('GET') and line.endswith(DIGEST)]) == 1
    assert not (tmp_path / 'file').exists() and not (tmp_path / 'name').exists()


@ERRORS
@pytest.mark.parametrize('times', [1, 2])
def test_what_had_arrived_before_an_error_of_the_callers_progress_is_kept(server: ScriptedRegistry, client: DXF,
                                                                          tmp_path: Path, error: BaseException,
                                                                          times: int) -> None:
    for _ in range(times):  # the second time while it is told of what was there
        with pytest.raises(type(error)):
            to_file(client, tmp_path, Failing(error, 1 << 20))
    part, = files(tmp_path)
    assert part.stat().st_size > 1 << 20
    server.requests.clear()
    client.pull_to_file(tmp_path / 'file', DIGEST)
    assert files(tmp_path) == [tmp_path / 'file'] and (tmp_path / 'file').read_bytes() == BLOB
    assert [request.headers.get('Range', '')[:6] for request in server.of('GET')] == ['bytes=']


def test_a_reader_of_the_progress_who_goes_away_ends_a_pull_at_once(server: ScriptedRegistry, tmp_path: Path) -> None:
    small = [os.urandom(1000) for _ in range(50)]
    for blob in small:
        server.memory.put(REPO, blob)
    name(server, *(entry(hash_bytes(blob), len(blob)) for blob in small), entry(DIGEST, len(BLOB)))
    of, gone = Runner(server.environ()), tmp_path / 'gone'

    def answer(request: Request) -> None:
        if request.line == f'GET /v2/{REPO}/blobs/{DIGEST}':
            eventually(gone.exists)
    server.hook = answer
    script = (f'"$0" pull-blob {REPO} @a -o "$1/file" --progress=json 2>&1 | (head -1; exec <&-; > "$2")\n'
              'echo "${PIPESTATUS[*]}"')
    environ = {**os.environ, **of.environ}
    program = fork_server.write_program(tmp_path / 'dxf')
    folder = tmp_path / 'folder'
    folder.mkdir()
    done = subprocess.run(['bash', '-c', script, str(program), str(folder), str(gone)], env=environ,
                          capture_output=True, timeout=60, check=False)
    first, statuses = done.stdout.splitlines()
    assert first.startswith(b'{"blob"') and statuses == b'141 0'
    assert not done.stderr
    part, = files(folder)
    assert part.name.endswith('.part')
    of.run('pull-blob', REPO, '@a', '-o', folder / 'file').insist(0)
    assert (folder / 'file').read_bytes() == b''.join([*small, BLOB])
