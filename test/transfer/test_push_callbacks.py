"""Errors of the caller's own code while a blob is uploaded: they come out as they are, and end the upload at once.

requests and urllib3 would take some of them for failures of the network.
"""

import http.client
import io
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pytest
import requests
import urllib3
from requests.exceptions import HTTPError

import dxf
from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFSourceError
from dxf.transfer.hash_ahead import HashAhead
from dxf.transfer.source import File, open_source
from dxf.transfer.upload_journal import UploadJournal

from ..helpers import fork_server
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry

REPO = 'fred/datalogger'
CONTENT = bytes(range(250)) * 80
DIGEST = hash_bytes(CONTENT)
SECONDS = 60
"""After which a test that waits for a process has failed."""

ERRORS = [OSError(5, 'Input/output error'), BrokenPipeError(32, 'Broken pipe'), TimeoutError(), ConnectionResetError(),
          requests.ConnectionError('no'), requests.ReadTimeout('no'), requests.HTTPError('no'),
          urllib3.exceptions.ProtocolError('no'), http.client.IncompleteRead(b''), ValueError('no'),
          dxf.exceptions.DXFError('no'), StopIteration(), KeyboardInterrupt()]
LIMITS = Limits(retries=3, backoff=0.001)
IN_PARTS = LIMITS._replace(part=6000, small_part=6000)


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch) -> ScriptedRegistry:
    """A registry; files are read in short pieces."""
    monkeypatch.setattr('dxf.transfer.source.READ_SIZE', 1000)
    return server


@pytest.fixture(name='path')
def write_path(tmp_path: Path) -> Path:
    """A file that holds the content, written long ago."""
    path = tmp_path / 'file'
    path.write_bytes(CONTENT)
    os.utime(path, (10 ** 9, 10 ** 9))
    return path


class Progress:
    """A callback that raises an error when it is called with the third piece of the blob."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    def __call__(self, digest: str, chunk: bytes, _size: int | None = None) -> None:
        self.calls += bool(chunk) and digest in ('', DIGEST)
        if self.calls == 3:
            raise self.error


Push = Callable[[DXF, Path, Progress], Any]
WAYS: dict[str, tuple[Limits, Push]] = {
    'a file': (LIMITS, lambda client, path, progress: client.push_blob(str(path), progress)),
    'a file in parts': (IN_PARTS, lambda client, path, progress: client.push_blob(str(path), progress)),
    'bytes': (LIMITS, lambda client, path, progress: client.push_blob(progress=progress, data=CONTENT)),
    'an open file': (LIMITS, lambda client, path, progress: client.push_blob(progress=progress,
                                                                             data=io.BytesIO(CONTENT))),
    'a generator': (IN_PARTS._replace(small_part=3000), lambda client, path, progress: client.push_blob(
        progress=progress, data=iter([CONTENT]))),
    'a generator in one request': (LIMITS, lambda client, path, progress: client.push_blob(
        progress=progress, data=iter([CONTENT]))),
    'several': (LIMITS, lambda client, path, progress: client.push_blobs([str(path), io.BytesIO(b'x')], progress)),
    'a copy': (LIMITS, lambda client, path, progress: client.copy_blob(other_of(client), DIGEST, progress)),
}


def other_of(client: DXF) -> DXF:
    """Return a repository that looks like another registry's, and has the blob."""
    other = DXF(client._host.replace('localhost', '127.0.0.1'), 'fred/other', insecure=True)
    other.push_blob(data=CONTENT)
    return other


MISTAKABLE = (OSError, requests.ConnectionError, StopIteration, KeyboardInterrupt)
"""One for each kind of error that dxf handles: of a file, of a connection, the end of an iterator, an interrupt."""


@pytest.mark.parametrize('way, error', [
    pytest.param(way, error, id=f'{way}-{type(error).__name__}') for way in WAYS for error in ERRORS
    if way in ('a file in parts', 'a generator') or type(error) in MISTAKABLE])  # in parts, each part is tried again
def test_an_error_of_progress_comes_out_and_the_upload_is_given_up(server: ScriptedRegistry, path: Path, way: str,
                                                                   error: BaseException) -> None:
    limits, push = WAYS[way]
    progress = Progress(error)
    with DXF(server.host, REPO, insecure=True, limits=limits) as client, pytest.raises(type(error)) as raised:
        push(client, path, progress)
    assert raised.value is error
    assert progress.calls == 3
    assert DIGEST not in server.memory.blobs[REPO]
    assert not server.memory.uploads
    sent = [request for request in server.requests if request.path.startswith(f'/v2/{REPO}/') and request.body]
    assert len(CONTENT) > sum(request.length for request in sent if request.body != b'x')  # and not once more


@pytest.mark.parametrize('error', [OSError(5, 'Input/output error'), BrokenPipeError(), ValueError('no')])
def test_an_upload_whose_progress_fails_can_be_resumed(server: ScriptedRegistry, path: Path, tmp_path: Path,
                                                       error: Exception) -> None:
    state = str(tmp_path / 'state')
    progress = Progress(error)
    progress.calls = -7  # when the first part has arrived
    with DXF(server.host, REPO, insecure=True, limits=IN_PARTS) as client:
        with pytest.raises(type(error)) as raised:
            client.push_blob(str(path), progress, resume=state)
        assert raised.value is error
        sent = len(server.of('POST'))
        assert client.push_blob(str(path), resume=state) == DIGEST
    assert len(server.of('POST')) == sent == 1
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}


def test_an_error_of_progress_comes_before_the_registry_has_all_where_hashing_is_slow(
        server: ScriptedRegistry, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HashAhead, 'done', property(lambda _self: False))  # so that nothing is reported before the PUT
    progress = Progress(OSError(5, 'Input/output error'))
    with DXF(server.host, REPO, insecure=True, limits=IN_PARTS) as client, pytest.raises(OSError) as raised:
        client.push_blob(path, progress)
    assert raised.value is progress.error
    assert not server.of('PUT') and DIGEST not in server.memory.blobs[REPO]


def test_old_files_of_the_user_stay_where_uploads_are_remembered(server: ScriptedRegistry, path: Path, tmp_path: Path
                                                                 ) -> None:
    state = tmp_path / 'state'
    state.mkdir()
    own, forgotten = state / 'measurements.json', state / f'{"0" * 32}.json'
    for file in (own, forgotten):
        file.write_text('{}')
        os.utime(file, (0, 0))
    with DXF(server.host, REPO, insecure=True) as client:
        assert client.push_blob(str(path), resume=state) == DIGEST
    assert own.read_text() == '{}'
    assert not forgotten.exists()


def test_an_upload_that_another_process_remembers_is_cancelled_if_it_fails(server: ScriptedRegistry, path: Path,
                                                                           tmp_path: Path) -> None:
    source = open_source(path, None)
    assert isinstance(source, File)
    server.hook = lambda request: Answer(500) if request.method == 'PUT' else None
    with DXF(server.host, REPO, insecure=True, limits=Limits(retries=0)) as client:
        url = f'http://{server.host}/v2/{REPO}'
        with closing(UploadJournal(str(tmp_path), url, source, DIGEST)), pytest.raises(HTTPError):
            client.push_blob(path, resume=tmp_path)
        assert len(server.of('DELETE')) == 1
        with pytest.raises(HTTPError):
            client.push_blob(path, resume=tmp_path)
    assert len(server.of('DELETE')) == 1  # this one may be continued
    source.close()


def test_an_error_of_progress_keeps_its_cause(server: ScriptedRegistry) -> None:
    cause = ValueError('the cause')

    def progress(*_args: Any) -> None:
        raise OSError('mine') from cause
    with DXF(server.host, REPO, insecure=True, limits=LIMITS) as client, pytest.raises(OSError, match='mine') as raised:
        client.push_blob(data=CONTENT, progress=progress)
    assert raised.value.__cause__ is cause
    assert raised.value.__context__ is cause or raised.value.__context__ is None


class Failing(io.BytesIO):
    """A file that fails when it is read a second time behind its first bytes."""

    def __init__(self, error: Exception) -> None:
        super().__init__(CONTENT)
        self.error = error
        self.behind = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read."""
        self.behind += self.tell() == 2000
        if self.behind == 2:  # it was hashed before
            raise self.error
        return super().read(size)


@pytest.mark.parametrize('error', ERRORS[:-1], ids=lambda error: type(error).__name__)
def test_an_error_of_a_source_ends_the_upload_at_once(server: ScriptedRegistry, error: Exception) -> None:
    expected = DXFSourceError if isinstance(error, OSError) else type(error)
    with DXF(server.host, REPO, insecure=True, limits=LIMITS) as client, pytest.raises(expected) as raised:
        client.push_blob(data=Failing(error))
    assert raised.value is error or expected is DXFSourceError
    assert len(server.of('POST')) == 1 >= len(server.of('PUT'))
    assert not server.memory.blobs[REPO] and not server.memory.uploads


TOLD_OFTEN = """
import sys
from dxf import main
from dxf.cli import progress
from dxf.transfer import source
progress.INTERVALS['json'] = 0.0
source.READ_SIZE = 1000
sys.exit(main.main())
"""


def push_told_often(server: ScriptedRegistry, path: Path, stderr: int | IO[bytes]) -> fork_server.Forked:
    """Start a push of a file whose progress is told after each thousand bytes."""
    program = path.with_name('program.py')
    program.write_text(TOLD_OFTEN)
    return fork_server.start(['push-blob', '--progress=json', REPO, str(path)],
                             {**os.environ, 'DXF_HOST': server.host, 'DXF_INSECURE': '1'}, program=program,
                             stdout=subprocess.DEVNULL, stderr=stderr)


def test_push_blob_ends_when_nobody_reads_its_progress(server: ScriptedRegistry, path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)  # as head -1 does when it has its line
    with os.fdopen(writer, 'wb') as stderr, push_told_often(server, path, stderr) as process:
        assert process.wait(SECONDS) == -signal.SIGPIPE
    assert len(server.of('PUT')) <= 1
    assert not server.memory.blobs[REPO] and not server.memory.uploads


def test_push_blob_ends_when_the_reader_of_its_progress_leaves_in_the_middle(server: ScriptedRegistry, path: Path
                                                                             ) -> None:
    left = threading.Event()
    path.write_bytes(bytes(2 << 20))  # no small blob, for which an upload is opened by the question whether it is there

    def wait(request: Request) -> None:
        if request.method == 'POST':  # the first line has been written, and the bytes are not on their way yet
            left.wait(SECONDS)
    server.hook = wait
    with push_told_often(server, path, subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b'{')
        process.stderr.close()  # as head -1 does
        left.set()
        assert process.wait(SECONDS) == -signal.SIGPIPE
    assert len(server.of('PUT')) == 1
    assert not server.memory.blobs[REPO] and not server.memory.uploads
