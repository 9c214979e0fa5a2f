"""The shell's door: whatever happens, one line and the right status, and never a traceback or a secret."""

import contextlib
import errno
import fcntl
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf.transfer.upload_session import CANCEL_TIMEOUT

from ..helpers import processes
from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.repository_content import OCI_INDEX, OCI_MANIFEST, set_document
from ..helpers.tables import on_folder_and_server
from ..helpers.traffic import Traffic
from ..servers.token_server import TokenServer

MODULE = [sys.executable, '-m', 'dxf']
CONTENT = b'readings\n' * 1000
DIGEST = dxf.hash_bytes(CONTENT)
NOBODY = 'localhost:1'
"""A port on which nothing listens."""

Variables = dict[str, str | None]


def environ_of(endpoint: Endpoint | None, variables: Variables | None = None) -> dict[str, str]:
    """Return the environment of a process; a variable that is None is not set, and output is buffered."""
    merged: Variables = {**os.environ, 'PYTHONUNBUFFERED': None, 'DXF_RETRIES': '0',
                         **(endpoint.environ() if endpoint is not None else {}), **(variables or {})}
    return {name: value for name, value in merged.items() if value is not None}


def run(endpoint: Endpoint | None, *args: str, variables: Variables | None = None,
        **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return processes.run(args, environ_of(endpoint, variables), **options)


def failure(done: subprocess.CompletedProcess[bytes], status: int = 1) -> str:
    """Insist on the status and on one clean line without secrets, and return it."""
    line = done.stderr.decode()
    assert done.returncode == status, line
    assert line.startswith('dxf: ') and line.endswith('\n') and line.count('\n') == 1
    assert line[:-1].isprintable()
    assert 'Traceback' not in line and PASSWORD not in line and 'Error:' not in line
    return line


# Success, by each door


@pytest.fixture(name='console_script')
def find_console_script() -> str:
    """The script beside the interpreter that runs the tests."""
    path = Path(sys.executable).parent / 'dxf'
    assert path.exists(), 'pip install -e .'
    return str(path)


def test_the_console_script_and_the_module_are_the_same_program(open_registry: Endpoint, repo: str, tmp_path: Path,
                                                                console_script: str) -> None:
    path = tmp_path / 'readings.dat'
    path.write_bytes(CONTENT)
    environ = environ_of(open_registry)
    for command in ([console_script], MODULE):
        done = subprocess.run([*command, 'push-blob', repo, str(path), '@a'], env=environ,
                              capture_output=True, timeout=90, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, f'{DIGEST}\n'.encode(), b'')
    missing = [subprocess.run([*command, 'get-alias', repo, 'missing'], env=environ, capture_output=True,
                              timeout=90, check=False) for command in ([console_script], MODULE)]
    assert [(done.returncode, done.stdout) for done in missing] == [(errno.ENOENT, b'')] * 2
    assert missing[0].stderr == missing[1].stderr


# Statuses


def test_what_is_not_found_is_status_2(endpoint: Endpoint, repo: str) -> None:
    endpoint.dxf(repo).push_blob(data=CONTENT)
    line = failure(run(endpoint, 'get-alias', repo, 'missing'), errno.ENOENT)
    assert 'Not Found' in line


def test_a_platform_or_a_file_that_an_alias_does_not_have_is_not_found(endpoint: Endpoint, repo: str,
                                                                       tmp_path: Path) -> None:
    (tmp_path / 'a.csv').write_bytes(CONTENT)
    assert run(endpoint, 'push-files', repo, 'files', 'a.csv', cwd=tmp_path).returncode == 0
    line = failure(run(endpoint, 'pull-files', repo, 'files', 'b.csv', cwd=tmp_path), errno.ENOENT)
    assert line == "dxf: there is no file 'b.csv' in it, but 'a.csv'; --to=DIR names the folder to write to\n"
    with endpoint.dxf(repo) as client:
        set_document(client, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [{
            'mediaType': OCI_MANIFEST, 'digest': client.manifest_digest('files'),
            'size': len(str(client.get_manifest('files')).encode()),
            'platform': {'os': 'linux', 'architecture': 'amd64'}}]}, 'all')
    line = failure(run(endpoint, 'get-alias', repo, 'all', variables={'DXF_PLATFORM': 'linux/s390x'}), errno.ENOENT)
    assert line == 'dxf: no data for platform linux/s390x\n'


def test_wrong_usage_is_status_2(open_registry: Endpoint) -> None:
    assert 'too few arguments' in failure(run(open_registry, 'push-blob'), 2)
    assert 'DXF_HOST' in failure(run(None, 'list-repos'), 2)
    assert 'too few arguments' in failure(run(open_registry), 2)


@pytest.mark.parametrize('kind', ['basic_registry', 'token_registry'])
def test_a_wrong_password_is_status_13(request: pytest.FixtureRequest, kind: str, repo: str) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    for args in (('auth', repo, 'pull'), ('list-aliases', repo)):
        done = run(endpoint, *args, variables={'DXF_PASSWORD': 'a-wrong-secret'})
        assert 'a-wrong-secret' not in failure(done, errno.EACCES)
        assert done.stdout == b''


def test_a_token_that_is_refused_is_status_13_and_not_told(token_registry: Endpoint, repo: str,
                                                           tokens: TokenServer) -> None:
    tokens.backdate = tokens.lifetime + 120
    expired = tokens.token(USERNAME, f'repository:{repo}:pull')
    done = run(token_registry, 'list-aliases', repo,
               variables={'DXF_USERNAME': None, 'DXF_PASSWORD': None, 'DXF_TOKEN': expired})
    line = failure(done, errno.EACCES)
    assert not any(part in line for part in expired.split('.'))


def test_credentials_over_http_are_refused(open_registry: Endpoint, repo: str) -> None:
    done = run(open_registry, 'list-aliases', repo, variables={'DXF_USERNAME': USERNAME, 'DXF_PASSWORD': PASSWORD})
    assert 'HTTPS' in failure(done)


# The network


@pytest.mark.parametrize('insecure', ['1', None], ids=['http', 'https'])
def test_a_registry_that_is_not_running_is_named(insecure: str | None, repo: str) -> None:
    line = failure(run(None, 'list-aliases', repo, variables={'DXF_HOST': NOBODY, 'DXF_INSECURE': insecure}))
    assert NOBODY in line and 'refused' in line


def test_a_host_that_does_not_exist_is_named(repo: str) -> None:
    line = failure(run(None, 'list-aliases', repo, variables={'DXF_HOST': 'no-such-host.invalid'}))
    assert 'no-such-host.invalid' in line and 'find' in line


def test_an_authority_that_is_not_known_is_told_with_what_to_set(token_registry: Endpoint, repo: str) -> None:
    line = failure(run(token_registry, 'list-aliases', repo, variables={'REQUESTS_CA_BUNDLE': None}))
    assert 'certificate' in line and 'REQUESTS_CA_BUNDLE' in line and token_registry.host in line


def test_a_certificate_of_another_host_is_told_apart(token_registry: Endpoint, repo: str) -> None:
    host = '127.1:' + token_registry.host.partition(':')[2]
    line = failure(run(token_registry, 'list-aliases', repo, variables={'DXF_HOST': host}))
    assert 'certificate' in line and host in line and 'signed by a CA of your own' not in line


@pytest.mark.parametrize('content', ['', 'no certificate\n'], ids=['empty', 'text'])
def test_a_bundle_that_holds_no_certificate_is_named(token_registry: Endpoint, repo: str, tmp_path: Path,
                                                     content: str) -> None:
    path = tmp_path / 'ca.pem'
    path.write_text(content)
    line = failure(run(token_registry, 'list-aliases', repo, variables={'REQUESTS_CA_BUNDLE': str(path)}))
    assert 'ca.pem' in line or 'REQUESTS_CA_BUNDLE' in line


def test_a_server_without_tls_is_told_apart(open_registry: Endpoint, repo: str) -> None:
    line = failure(run(open_registry, 'list-aliases', repo, variables={'DXF_INSECURE': None}))
    assert 'TLS' in line and 'DXF_INSECURE' in line and 'certificate' not in line


def test_a_server_with_tls_that_is_spoken_to_without_is_one_line(token_registry: Endpoint, repo: str) -> None:
    plain: Variables = {'DXF_INSECURE': '1', 'DXF_USERNAME': None, 'DXF_PASSWORD': None}
    line = failure(run(token_registry, 'list-aliases', repo, variables=plain))
    assert '400' in line or 'HTTPS' in line or 'TLS' in line


def test_a_server_that_hangs_up_is_one_line(repo: str) -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        host = f'localhost:{server.getsockname()[1]}'
        line = failure(run(None, 'list-aliases', repo, variables={'DXF_HOST': host, 'DXF_INSECURE': '1'}))
        thread.join()
    assert host in line


def test_a_server_that_is_silent_is_one_line_after_the_timeout(repo: str) -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        host = f'localhost:{server.getsockname()[1]}'
        line = failure(run(None, 'list-aliases', repo,
                           variables={'DXF_HOST': host, 'DXF_INSECURE': '1', 'DXF_TIMEOUT': '0.2'}))
    assert host in line and 'DXF_TIMEOUT' in line


# What the registry has is not what it should be


@pytest.mark.parametrize(('damage', 'reason'), [
    pytest.param(lambda content: content[:-1] + b'?', 'one byte is another', id='changed'),
    pytest.param(lambda content: content[:-1], 'too short', id='truncated'),
    pytest.param(lambda content: content + b'?', 'too long', id='grown'),
    pytest.param(lambda content: b'', 'nothing left', id='emptied'),
])
def test_a_blob_that_is_damaged_is_a_failure_and_never_whole(endpoint: Endpoint, repo: str,
                                                             damage: Callable[[bytes], bytes], reason: str) -> None:
    content = CONTENT + f'{repo} {reason}'.encode()
    digest = endpoint.dxf(repo).push_blob(data=content)
    endpoint.file_of(repo, digest).write_bytes(damage(content))
    done = run(endpoint, 'pull-blob', repo, digest)
    line = failure(done)
    assert f'expected digest {digest}, got sha256:' in line, reason
    assert len(done.stdout) < len(content)


def test_a_blob_whose_file_is_gone_is_not_found(endpoint: Endpoint, repo: str) -> None:
    content = CONTENT + repo.encode()
    digest = endpoint.dxf(repo).push_blob(data=content)
    endpoint.file_of(repo, digest).unlink()
    done = run(endpoint, 'pull-blob', repo, digest)
    assert 'Not Found' in failure(done, errno.ENOENT)
    assert done.stdout == b''


def test_a_manifest_that_is_damaged_is_a_failure(endpoint: Endpoint, repo: str) -> None:
    client = endpoint.dxf(repo)
    manifest = client.set_alias('a', client.push_blob(data=CONTENT + repo.encode()))
    path = endpoint.file_of(repo, dxf.hash_bytes(manifest.encode()))
    path.write_text(manifest.replace('"size": 9', '"size": 8'))
    assert path.read_text() != manifest
    for args in (('get-alias', repo, 'a'), ('get-manifest', repo, 'a'), ('pull-blob', repo, '@a')):
        done = run(endpoint, *args)
        failure(done)
        assert done.stdout == b''


# Standard output, error and input


@pytest.mark.parametrize('args', [('pull-blob', DIGEST), ('get-alias', 'a'), ('set-alias', 'b', DIGEST),
                                  ('list-aliases',), ('blob-size', DIGEST)], ids=lambda args: str(args[0]))
def test_a_full_disk_is_a_failure(open_registry: Endpoint, repo: str, args: tuple[str, ...]) -> None:
    client = open_registry.dxf(repo)
    client.set_alias('a', client.push_blob(data=CONTENT))
    with open('/dev/full', 'wb') as full:
        line = failure(run(open_registry, args[0], repo, *args[1:], stdout=full))
    assert 'No space left on device' in line


HELP = pytest.mark.parametrize('args', [('--help',), ('--version',), ('pull-blob', '--help')], ids=' '.join)
UNBUFFERED = pytest.mark.parametrize('unbuffered', [None, '1'], ids=['buffered', 'unbuffered'])


@HELP
@UNBUFFERED
def test_help_that_finds_the_disk_full_is_a_failure(args: tuple[str, ...], unbuffered: str | None) -> None:
    with open('/dev/full', 'wb') as full:
        done = run(None, *args, variables={'PYTHONUNBUFFERED': unbuffered}, stdout=full)
    assert 'No space left on device' in failure(done)


@contextlib.contextmanager
def pipe_without_reader() -> Iterator[int]:
    """Provide the end of a pipe to write to, whose other end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        yield writing
    finally:
        os.close(writing)


@pytest.mark.parametrize('args', [('pull-blob', DIGEST), ('get-alias', 'a'), ('list-aliases',)],
                         ids=lambda args: str(args[0]))
def test_a_pipe_that_nobody_reads_ends_silently_by_sigpipe(open_registry: Endpoint, repo: str,
                                                           args: tuple[str, ...]) -> None:
    client = open_registry.dxf(repo)
    client.set_alias('a', client.push_blob(data=CONTENT))
    with pipe_without_reader() as pipe:
        done = run(open_registry, args[0], repo, *args[1:], stdout=pipe)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b'')


@HELP
@UNBUFFERED
def test_help_into_a_pipe_that_nobody_reads_ends_silently_by_sigpipe(args: tuple[str, ...],
                                                                     unbuffered: str | None) -> None:
    with pipe_without_reader() as pipe:
        done = run(None, *args, variables={'PYTHONUNBUFFERED': unbuffered}, stdout=pipe)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b'')


def test_head_ends_pull_blob_silently_with_status_141(endpoint: Endpoint, repo: str) -> None:
    digest = endpoint.dxf(repo).push_blob(data=os.urandom(3_000_000))
    script = f'"$0" -m dxf pull-blob {repo} {digest} | head -c 1 >/dev/null; echo "${{PIPESTATUS[*]}}"'
    done = subprocess.run(['bash', '-c', script, sys.executable], env=environ_of(endpoint), capture_output=True,
                          timeout=90, check=False)
    assert (done.stdout, done.stderr) == (b'141 0\n', b'')


def test_a_closed_standard_output_is_a_failure(open_registry: Endpoint, repo: str) -> None:
    digest = open_registry.dxf(repo).push_blob(data=CONTENT)
    for args in (('pull-blob', repo, digest), ('blob-size', repo, digest)):
        done = subprocess.run(['sh', '-c', 'exec "$0" -m dxf "$@" >&-', sys.executable, *args],
                              env=environ_of(open_registry), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=90, check=False)
        failure(done)


@pytest.mark.parametrize(('args', 'status'), [
    (('blob-size', DIGEST), 0), (('get-alias', 'missing'), 2), (('blob-size',), 2), (('blob-size', 'x'), 2),
    (('mount-blob', 'fred/other', dxf.hash_bytes(b'missing')), 1),
], ids=str)
def test_a_closed_standard_error_changes_no_status(open_registry: Endpoint, repo: str, args: tuple[str, ...],
                                                   status: int) -> None:
    open_registry.dxf(repo).push_blob(data=CONTENT)
    done = subprocess.run(['sh', '-c', 'exec "$0" -m dxf "$@" 2>&-', sys.executable, args[0], repo, *args[1:]],
                          env=environ_of(open_registry), stdin=subprocess.DEVNULL, capture_output=True, timeout=90,
                          check=False)
    assert (done.returncode, done.stderr) == (status, b'')
    assert done.stdout == (b'' if status else f'{len(CONTENT)}\n'.encode())


@pytest.mark.parametrize('given', [b'\xff\xfe', b'{', b'[' * 100_000, b'{"schemaVersion": 1}'],
                         ids=['no UTF-8', 'no JSON', 'nested deep', 'unsigned schema 1'])
def test_nonsense_on_standard_input_is_one_line(open_registry: Endpoint, repo: str, given: bytes) -> None:
    for command in ('get-alias', 'pull-blob', 'del-blob'):
        done = run(open_registry, command, repo, input=given)
        failure(done)
        assert done.stdout == b''


@pytest.mark.parametrize('encoding', ['latin-1', 'ascii'])
def test_manifests_are_printed_as_stored_in_every_locale(open_registry: Endpoint, repo: str, encoding: str) -> None:
    client = open_registry.dxf(repo)
    manifest = client.make_manifest(client.push_blob(data=CONTENT))
    manifest = manifest.replace('{"config"', '{"annotations": {"name": "Messwerte für Mai ☂"}, "config"', 1)
    client.set_manifest('a', manifest)
    done = run(open_registry, 'get-manifest', repo, 'a', variables={'PYTHONIOENCODING': encoding})
    assert (done.returncode, done.stdout, done.stderr) == (0, manifest.encode(), b'')
    again = run(open_registry, 'get-alias', repo, input=manifest.encode(), variables={'PYTHONIOENCODING': encoding})
    assert (again.returncode, again.stdout, again.stderr) == (0, f'{DIGEST}\n'.encode(), b'')


def test_a_pipe_in_the_place_of_a_file_is_stored_whole(open_registry: Endpoint, repo: str) -> None:
    content = CONTENT * 1000
    done = run(open_registry, 'push-blob', repo, '/dev/stdin', '@a', input=content)
    assert (done.returncode, done.stdout, done.stderr) == (0, f'{dxf.hash_bytes(content)}\n'.encode(), b'')
    assert run(open_registry, 'pull-blob', repo, '@a').stdout == content


# Signals


class Stuck:
    """A registry that opens an upload, reads a little of it and then says nothing any more.

    ``reached`` is set once a PUT has begun; ``lines`` are the requests that came.
    """

    def __init__(self, answers_delete: bool) -> None:
        self.lines: list[str] = []
        self.reached = threading.Event()
        released = self._released = threading.Event()
        stuck = self

        class Handler(BaseHTTPRequestHandler):
            """What it answers."""

            protocol_version = 'HTTP/1.1'

            def _answer(self) -> None:
                stuck.lines.append(f'{self.command} {self.path}')
                if self.command == 'PUT' or self.command == 'DELETE' and not answers_delete:
                    stuck.reached.set()
                    released.wait(20)
                    self.close_connection = True
                    return
                self.send_response({'HEAD': 404, 'POST': 202, 'DELETE': 204}[self.command])
                if self.command == 'POST':
                    self.send_header('Location', '/v2/fred/stuck/blobs/uploads/1')
                self.send_header('Content-Length', '0')
                self.end_headers()

            do_HEAD = do_POST = do_PUT = do_DELETE = _answer

            def log_message(self, format: str, *args: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.host = f'localhost:{self._server.server_address[1]}'

    def __enter__(self) -> 'Stuck':
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def on_terminal(environ: dict[str, str], *args: str) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], str]]]:
    """Run a command with its errors on a terminal and its output in a pipe; provide what reads the terminal."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))

    def read() -> str:
        shown = b''
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            while piece := os.read(master, 65536):
                shown += piece
        return shown.decode()

    try:
        with subprocess.Popen([*MODULE, *args], env={**environ, 'PYTHONFAULTHANDLER': '1'}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=slave) as process:
            os.close(slave)
            try:
                yield process, read
            finally:
                process.kill()
    finally:
        os.close(master)


def end_by(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal, and require that the process dies by it, before the servers here let it go on after 20 s."""
    process.send_signal(number)
    assert process.wait(15) == -number


SIGNALS = [signal.SIGINT, signal.SIGTERM]


@on_folder_and_server('number', SIGNALS)
def test_a_signal_ends_a_download_cleanly(endpoint: Endpoint, repo: str, number: signal.Signals) -> None:
    content = os.urandom(8_000_000)
    digest = endpoint.dxf(repo).push_blob(data=content)
    with on_terminal(environ_of(endpoint), 'pull-blob', repo, digest) as (process, read):
        assert process.stdout is not None
        assert process.stdout.read(1) == content[:1]  # it has begun, and stops when the pipe is full
        end_by(process, number)
        shown = read()
        rest = process.stdout.read()
    assert digest[0:8] in shown and shown.endswith('\n')
    assert 'Traceback' not in shown and 'Error' not in shown and 'Exception' not in shown
    assert len(rest) < len(content) - 1


@pytest.mark.parametrize('answers_delete', [True, False], ids=['it answers', 'it is dead'])
@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_ends_an_upload_cleanly_and_tells_the_registry(number: signal.Signals, answers_delete: bool,
                                                                tmp_path: Path) -> None:
    path = tmp_path / 'large'
    with path.open('wb') as file:
        file.truncate(20_000_000)
    with Stuck(answers_delete) as registry:
        environ = environ_of(None, {'DXF_HOST': registry.host, 'DXF_INSECURE': '1'})
        with on_terminal(environ, 'push-blob', 'fred/stuck', str(path)) as (process, read):
            assert registry.reached.wait(60)
            end_by(process, number)
            shown = read()
    assert registry.lines[-1] == 'DELETE /v2/fred/stuck/blobs/uploads/1'
    assert 'sha256:' in shown and shown.endswith('\n')
    assert 'Traceback' not in shown and 'Error' not in shown and 'Exception' not in shown


def test_giving_up_an_upload_takes_less_than_the_seconds_that_an_interrupt_may_take() -> None:
    assert CANCEL_TIMEOUT < 3


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_ends_the_wait_for_an_answer(number: signal.Signals, repo: str) -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        host = f'localhost:{server.getsockname()[1]}'
        environ = environ_of(None, {'DXF_HOST': host, 'DXF_INSECURE': '1', 'DXF_PROGRESS': '0'})
        with on_terminal(environ, 'pull-blob', repo, DIGEST) as (process, read):
            with server.accept()[0]:
                end_by(process, number)
                assert read() == ''


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_ends_the_wait_between_two_attempts(number: signal.Signals, repo: str) -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        host = f'localhost:{server.getsockname()[1]}'
        environ = environ_of(None, {'DXF_HOST': host, 'DXF_INSECURE': '1', 'DXF_PROGRESS': '0', 'DXF_RETRIES': '9'})
        with on_terminal(environ, 'pull-blob', repo, DIGEST) as (process, read):
            for _ in range(2):
                server.accept()[0].close()
            end_by(process, number)
            shown = read()
    assert shown.endswith('; trying again\r\n') and shown.count('\n') == 1


TAKEN_BY_A_THREAD = """
import signal, sys, threading
from dxf import main
def take(number):
    sys.stdin.buffer.read(1)
    signal.pthread_kill(threading.get_ident(), number)  # interrupts no system call of the main thread
threading.Thread(target=take, args=(int(sys.argv.pop(1)),), daemon=True).start()
sys.exit(main.main())
"""


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_that_interrupts_no_system_call_ends_the_wait_for_an_answer(number: signal.Signals, repo: str) -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        environ = environ_of(None, {'DXF_HOST': f'localhost:{server.getsockname()[1]}', 'DXF_INSECURE': '1'})
        with subprocess.Popen([sys.executable, '-c', TAKEN_BY_A_THREAD, str(int(number)), 'pull-blob', repo, DIGEST],
                              env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            with server.accept()[0] as connection:
                assert connection.recv(65536).startswith(b'GET ')
                assert process.stdin is not None
                process.stdin.write(b'x')
                process.stdin.flush()
                assert process.wait(30) == -number  # the answer, or its absence, would take a minute


# Secrets


def test_no_secret_is_in_the_output_of_any_command(token_registry: Endpoint, repo: str, tmp_path: Path) -> None:
    path = tmp_path / 'readings.dat'
    path.write_bytes(CONTENT)
    commands = [('push-blob', repo, str(path), '@a'), ('pull-blob', repo, '@a'), ('blob-size', repo, DIGEST),
                ('get-alias', repo, 'a'), ('get-alias', repo, 'missing'), ('get-manifest', repo, 'a'),
                ('mount-blob', f'{repo}-other', repo, 'sha256:' + '0' * 64), ('list-aliases', repo), ('list-repos',),
                ('del-alias', repo, 'a'), ('del-blob', repo, DIGEST), ('del-blob', repo, DIGEST), ('nonsense',), ()]
    token = run(token_registry, 'auth', repo, '*').stdout.decode().strip()
    assert token
    statuses = set()
    for args in commands:
        done = run(token_registry, *args, variables={'DXF_TOKEN': token})
        statuses.add(done.returncode)
        for secret in (PASSWORD, token, token.split('.')[2]):
            assert secret.encode() not in done.stdout + done.stderr, args
        assert done.stderr.count(b'\n') == (done.returncode != 0)
    assert statuses == {0, 1, 2}


def test_the_machine_s_own_credentials_are_left_alone(token_registry: Endpoint, repo: str, tmp_path: Path,
                                                      traffic: Traffic) -> None:
    host = token_registry.host.partition(':')[0]
    netrc = tmp_path / '.netrc'
    netrc.write_text(f'machine {host} login {USERNAME} password {PASSWORD}\n')
    netrc.chmod(0o600)
    done = run(token_registry, 'push-blob', repo, str(netrc),
               variables={'DXF_USERNAME': None, 'DXF_PASSWORD': None, 'HOME': str(tmp_path), 'NETRC': str(netrc)})
    failure(done, errno.EACCES)
    assert traffic.requests == []
