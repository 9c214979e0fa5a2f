"""An upload whose address is wrong: a proxy before the registry has dropped the port, or names another server."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from ..helpers.processes import Ended, Runner
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error

REPO = 'fred/datalogger'


def send_uploads(server: ScriptedRegistry, url: str) -> None:
    """Let the registry send uploads to another address."""
    def hook(request: Request) -> Answer | None:
        answer = server.ordinary(request)
        if request.method != 'POST':
            return answer
        return replace(answer, headers={**answer.headers, 'Location': f'{url}{answer.headers["Location"]}&sig=secret'})
    server.hook = hook


def push(server: ScriptedRegistry, tmp_path: Path) -> Ended:
    """Push a small file."""
    path = tmp_path / 'file'
    path.write_bytes(b'content')
    return Runner(server.environ()).run('push-blob', REPO, path)


def test_an_address_that_lost_its_port_is_named_in_the_words_of_an_upload(server: ScriptedRegistry, tmp_path: Path
                                                                          ) -> None:
    send_uploads(server, 'http://registry.invalid')
    line, = push(server, tmp_path).insist(1).lines
    place = 'http://registry.invalid (the address that the registry gave for the upload, without a port)'
    assert line.startswith(f'dxf: cannot find {place}: ')
    assert 'secret' not in line


def test_an_address_where_nothing_listens_is_named_in_the_words_of_an_upload(server: ScriptedRegistry, tmp_path: Path
                                                                             ) -> None:
    with socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))  # and does not listen
        port = closed.getsockname()[1]
        send_uploads(server, f'http://127.0.0.1:{port}')
        line, = push(server, tmp_path).insist(1).lines
    place = f'http://127.0.0.1:{port} (the address that the registry gave for the upload)'
    assert line.startswith(f'dxf: cannot connect to {place}: connection refused')
    assert 'secret' not in line


@pytest.mark.parametrize('status', [403, 404])
def test_another_server_that_refuses_an_upload_is_named(server: ScriptedRegistry, tmp_path: Path, status: int) -> None:
    with ScriptedRegistry() as other:
        other.hook = lambda request: error(status, 'UNSUPPORTED')
        send_uploads(server, other.url)
        line, = push(server, tmp_path).insist(1, 2).lines
    assert f'{status} ' in line and f'; the registry sent the upload to {other.url}' in line
    assert server.host not in line and 'secret' not in line


def test_a_registry_that_refuses_an_upload_itself_is_not_called_another(server: ScriptedRegistry, tmp_path: Path
                                                                        ) -> None:
    server.hook = lambda request: error(403, 'UNSUPPORTED') if request.method == 'PUT' else None
    line, = push(server, tmp_path).insist(1).lines
    assert '403 ' in line and 'sent the upload' not in line
