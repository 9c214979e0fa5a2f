"""A registry that is down: somebody at a terminal is told at the first retry, and a script only at the end."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dxf import DXF, DXFBase, Limits, hash_bytes

from ..helpers.processes import Runner
from ..helpers.terminals import on_terminal
from ..servers.scripted_registry import Answer, ScriptedRegistry

REPO = 'fred/a'
BLOB = os.urandom(3_000_000)
FAST = Limits(retries=1, backoff=0.01)


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry with a blob."""
    server.memory.put(REPO, BLOB)
    return server


@pytest.fixture(name='closed')
def find_port() -> Iterator[str]:
    """A host and a port at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        yield f'127.0.0.1:{taken.getsockname()[1]}'


def environ_of(host: str, retries: int = 1) -> dict[str, str]:
    """Return the variables by which a registry is reached."""
    return {'DXF_HOST': host, 'DXF_INSECURE': '1', 'DXF_RETRIES': str(retries)}


def test_a_registry_that_is_down_is_told_at_the_first_retry(closed: str) -> None:
    shown = on_terminal(environ_of(closed, 2), 'list-repos', columns=400)
    assert shown.status == 1
    first, last = shown.screen
    assert first == f'{last}; trying again' and last.startswith(f'dxf: cannot connect to {closed}')


def test_it_is_told_before_the_command_ends(closed: str) -> None:
    interrupted: list[str] = []

    def interrupt(process: subprocess.Popen[bytes], written: str) -> None:
        if '; trying again' in written and not interrupted:
            interrupted.append(written)
            process.send_signal(signal.SIGINT)
    shown = on_terminal(environ_of(closed, 1000), 'list-repos', columns=400, on_output=interrupt)
    assert interrupted and shown.status == -signal.SIGINT
    assert len(shown.screen) == 1


@pytest.mark.parametrize('status, words', [
    (500, '500 Internal Server Error'), (502, '502 Bad Gateway'), (503, '503 Service Unavailable'),
    (429, '429 Too Many Requests'),
])
def test_an_answer_that_may_pass_is_told_once(server: ScriptedRegistry, status: int, words: str) -> None:
    server.hook = lambda request: Answer(status)
    shown = on_terminal(environ_of(server.host, 2), 'list-repos', columns=400)
    assert shown.status == 1
    assert [line for line in shown.screen if 'again' in line] == [f'dxf: {server.host} answers {words}; trying again']
    assert len(shown.screen) == 2


def test_several_connections_tell_the_same_once(server: ScriptedRegistry, tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(6)]
    for file in files:
        file.write_bytes(os.urandom(1000))
    server.hook = lambda request: Answer(503) if request.method in ('HEAD', 'POST') else None
    shown = on_terminal(environ_of(server.host), 'push-blob', REPO, *map(str, files), '@a', columns=400)
    assert shown.status == 1
    assert shown.written.count('; trying again') == 1


def test_a_pull_that_breaks_and_goes_on_is_told(server: ScriptedRegistry, tmp_path: Path) -> None:
    answers = iter([Answer(200, {}, BLOB, reset=1_500_000)])
    server.hook = lambda request: next(answers, None) if request.method == 'GET' else None
    shown = on_terminal(environ_of(server.host), 'pull-blob', REPO, hash_bytes(BLOB), '-o', str(tmp_path / 'out'),
                        columns=400)
    assert shown.status == 0
    assert any(line == f'dxf: the connection to {server.host} broke; trying again' for line in shown.screen)
    assert (tmp_path / 'out').read_bytes() == BLOB


def test_nothing_of_retries_is_told_to_a_script(server: ScriptedRegistry) -> None:
    answers = iter([Answer(503)])
    server.hook = lambda request: next(answers, None)
    assert Runner(environ_of(server.host)).run('blob-size', REPO, hash_bytes(BLOB)).insist(0).out == b'3000000\n'


def test_a_success_after_a_retry_is_a_success(server: ScriptedRegistry) -> None:
    answers = iter([Answer(503)])
    server.hook = lambda request: next(answers, None)
    shown = on_terminal(environ_of(server.host), 'blob-size', REPO, hash_bytes(BLOB), stdout=False)
    assert (shown.status, shown.out) == (0, b'3000000\n')
    assert len(shown.screen) == 1


def test_what_a_url_carries_is_not_told(server: ScriptedRegistry, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedRegistry() as storage:
        storage.hook = lambda request: Answer(503)
        away = Answer(307, {'Location': f'http://{storage.host}/x?X-Amz-Signature=secret'})
        server.hook = lambda request: away if request.method == 'GET' else None
        shown = on_terminal(environ_of(server.host), 'pull-blob', REPO, hash_bytes(BLOB), columns=400)
        assert f'dxf: {storage.host} answers 503 Service Unavailable; trying again' in shown.screen
        assert 'secret' not in shown.written
        with DXF(server.host, REPO, insecure=True, limits=FAST) as client, caplog.at_level(logging.INFO, 'dxf'), \
                pytest.raises(Exception, match='503'):
            client.pull_blob(hash_bytes(BLOB))
    assert 'trying again' in caplog.text and 'secret' not in caplog.text


def test_the_library_writes_nothing_of_retries(closed: str) -> None:
    code = ('import sys, requests, dxf\n'
            'try:\n    dxf.DXFBase(sys.argv[1], insecure=True, limits=dxf.Limits(retries=1, backoff=0.01))'
            '.list_repos()\nexcept requests.exceptions.ConnectionError:\n    print("failed")')
    done = subprocess.run([sys.executable, '-c', code, closed], capture_output=True, text=True, timeout=120,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, 'failed\n', '')


def test_a_program_can_log_retries(closed: str, caplog: pytest.LogCaptureFixture) -> None:
    with DXFBase(closed, insecure=True, limits=FAST) as base, caplog.at_level(logging.INFO, 'dxf'), \
            pytest.raises(OSError):
        base.list_repos()
    assert [record.getMessage() for record in caplog.records if record.name == 'dxf'] == [
        'ConnectionError; trying again']
