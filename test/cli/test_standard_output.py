"""Standard output: binary content does not reach a terminal by mistake, and every encoding takes every text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dxf import DXF, hash_bytes

from ..helpers.processes import Runner
from ..helpers.terminals import on_terminal
from ..servers.scripted_registry import ScriptedRegistry

REPO = 'fred/a'
BINARY = b'\x7fELF\x02\x01\x01\0\0' + os.urandom(3_000_000)
TEXT = 'über\n'.encode() * 100
LATE = b'x' * 100_000 + b'\0'


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry with some blobs, and with an alias that names two of them."""
    for blob in (BINARY, TEXT, LATE, b'a\0', b''):
        server.memory.put(REPO, blob)
    with DXF(server.host, REPO, insecure=True) as client:
        client.set_alias('both', hash_bytes(TEXT), hash_bytes(BINARY))
    return server


# Binary content


@pytest.mark.parametrize('blob, variables', [
    (BINARY, {}), (b'a\0', {}), (BINARY, {'DXF_CHUNK_SIZE': '1'}), (BINARY, {'DXF_PROGRESS': '1'}),
    (BINARY, {'DXF_BLOB_INFO': '1'}), (BINARY, {'DXF_JOBS': '1'}),
], ids=['long', 'short', 'in small chunks', 'with a bar', 'with a line before it', 'one connection'])
def test_binary_content_is_not_written_to_a_terminal(server: ScriptedRegistry, blob: bytes,
                                                     variables: dict[str, str]) -> None:
    shown = on_terminal({**server.environ(), **variables}, 'pull-blob', REPO, hash_bytes(blob), columns=400)
    assert shown.status == 2
    line = next(line for line in shown.screen if line.startswith('dxf: '))
    assert line.startswith(f'dxf: {hash_bytes(blob)} is binary') and '-o FILE' in line and '-o - ' in line
    assert '\0' not in shown.written and f'{hash_bytes(blob)} {len(blob)}' not in shown.written


def test_binary_content_is_written_to_a_terminal_if_that_is_wanted(server: ScriptedRegistry) -> None:
    shown = on_terminal(server.environ(), 'pull-blob', REPO, hash_bytes(b'a\0'), '-o', '-')
    assert (shown.status, shown.written) == (0, 'a\0')


@pytest.mark.parametrize('blob', [TEXT, LATE, b''], ids=['text', 'a NUL far behind its start', 'nothing'])
def test_text_is_written_to_a_terminal(server: ScriptedRegistry, blob: bytes) -> None:
    shown = on_terminal(server.environ(), 'pull-blob', REPO, hash_bytes(blob))
    assert (shown.status, shown.written) == (0, blob.decode().replace('\n', '\r\n'))


def test_the_text_before_a_binary_blob_is_written_to_a_terminal(server: ScriptedRegistry) -> None:
    shown = on_terminal(server.environ(), 'pull-blob', REPO, '@both', columns=400)
    assert shown.status == 2
    assert shown.screen[:100] == TEXT.decode().split('\n')[:100]
    assert shown.screen[100].startswith(f'dxf: {hash_bytes(BINARY)} is binary')


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_binary_content_is_written_to_pipes_and_files(server: ScriptedRegistry, tmp_path: Path,
                                                      unbuffered: str) -> None:
    environ = {**server.environ(), 'PYTHONUNBUFFERED': unbuffered}
    assert Runner(environ).run('pull-blob', REPO, hash_bytes(BINARY)).insist(0).out == BINARY
    shown = on_terminal(environ, 'pull-blob', REPO, hash_bytes(BINARY), stdout=False)
    assert (shown.status, shown.out) == (0, BINARY)
    with (tmp_path / 'out').open('wb') as file:
        Runner(environ).run('pull-blob', REPO, hash_bytes(BINARY), stdout=file).insist(0)
    assert (tmp_path / 'out').read_bytes() == BINARY


def test_an_archive_is_unpacked_from_a_pipe_of_a_terminal(server: ScriptedRegistry, tmp_path: Path) -> None:
    (tmp_path / 'in').write_bytes(BINARY)
    archive = subprocess.run(['tar', 'c', 'in'], cwd=tmp_path, capture_output=True, check=True, timeout=60).stdout
    server.memory.put(REPO, archive)
    script = f'{sys.executable} -m dxf pull-blob {REPO} {hash_bytes(archive)} | tar xO > out; exit ${{PIPESTATUS[0]}}'
    shown = on_terminal({**server.environ(), 'PYTHONPATH': str(Path(__file__).parents[2])},
                        program=('bash', '-c', f'cd {tmp_path} && {script}'))
    assert shown.status == 0
    assert (tmp_path / 'out').read_bytes() == BINARY


# Encodings


OTHERS = pytest.mark.parametrize('variables', [
    {'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0', 'PYTHONUTF8': '0'}, {'PYTHONIOENCODING': 'ascii'},
    {'PYTHONIOENCODING': 'latin-1'},
], ids=['C', 'ascii', 'latin-1'])


@OTHERS
def test_what_an_encoding_does_not_have_is_escaped(server: ScriptedRegistry, variables: dict[str, str],
                                                   tmp_path: Path) -> None:
    (tmp_path / '日本').write_bytes(b'1')
    Runner(server.environ()).run('push-files', REPO, 'f', '日本', '--annotation', 'place=日本',
                                 cwd=tmp_path).insist(0)
    other = Runner({**server.environ(), **variables})
    lines = other.run('inspect', REPO, 'f').insist(0).out.decode('ascii').splitlines()
    assert 'annotation place=\\u65e5\\u672c' in lines
    assert any(line.endswith(' \\u65e5\\u672c') for line in lines)
    found = json.loads(other.run('inspect', '--json', REPO, 'f').insist(0).out)
    assert found['annotations']['place'] == '日本'


@OTHERS
def test_an_error_tells_what_an_encoding_does_not_have(server: ScriptedRegistry, variables: dict[str, str]) -> None:
    line, = Runner({**server.environ(), **variables}).run('push-blob', REPO, 'missing-日本').insist(2).lines
    assert 'cannot read' in line


@OTHERS
def test_bars_are_drawn_in_every_encoding(server: ScriptedRegistry, variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(BINARY[::-1])
    shown = on_terminal({**server.environ(), **variables}, 'push-blob', REPO, str(tmp_path / 'file'))
    assert shown.status == 0
    assert shown.screen[-1:] == [hash_bytes(BINARY[::-1])]
    assert ' 100%' in shown.screen[0] and '\\u' not in shown.written
