"""Descriptors in the place of files: those that the caller has open may be named, those of dxf itself may not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dxf import hash_bytes

from ..helpers.processes import Ended
from ..servers.scripted_registry import ScriptedRegistry

REPO = 'fred/a'
BLOB = os.urandom(3000)
DIGEST = hash_bytes(BLOB)
PULL = f'pull-blob {REPO} {DIGEST} -o'


@pytest.fixture(name='server')
def start_server() -> Iterator[ScriptedRegistry]:
    """A registry with a blob."""
    with ScriptedRegistry() as server:
        server.memory.put(REPO, BLOB)
        yield server


def shell(server: ScriptedRegistry, folder: Path, command: str) -> Ended:
    """Run a command of dxf by a shell; $DXF is what comes before it."""
    environ = {**os.environ, **server.environ(), 'DXF_RETRIES': '0', 'PYTHONPATH': str(Path(__file__).parents[1])}
    done = subprocess.run(['bash', '-c', f'"{sys.executable}" -m dxf {command}'], cwd=folder, env=environ,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    return Ended(done.returncode, done.stdout, done.stderr.decode().splitlines())


NUMBERS = pytest.mark.parametrize('number', range(3, 10))


@NUMBERS
def test_a_blob_is_not_written_to_a_descriptor_that_the_caller_has_not_opened(
        server: ScriptedRegistry, tmp_path: Path, number: int) -> None:
    shell(server, tmp_path, f'{PULL} /dev/fd/{number}').insist(2)
    assert not server.requests


@NUMBERS
def test_a_descriptor_that_the_caller_has_not_opened_is_not_stored(
        server: ScriptedRegistry, tmp_path: Path, number: int) -> None:
    shell(server, tmp_path, f'push-blob {REPO} /dev/fd/{number}').insist(2)
    assert not server.requests


@pytest.mark.parametrize('command, name', [
    (f'{PULL} /dev/stdout <&- >&-', '/dev/stdout'),
    (f'{PULL} /dev/stdout >&-', '/dev/stdout'),
    (f'{PULL} /proc/self/fd/1 <&- >&-', '/proc/self/fd/1'),
    (f'{PULL} link <&- >&-', 'link'),
    (f'push-blob {REPO} /dev/stdin <&-', '/dev/stdin'),
    (f'push-blob {REPO} /dev/stdin @alias <&- >&-', '/dev/stdin'),
    (f'set-alias {REPO} alias /dev/stdin <&-', '/dev/stdin'),
    (f'push-files {REPO} alias /dev/stdin <&-', '/dev/stdin'),
])
def test_a_standard_stream_that_is_closed_is_named_before_any_request(
        server: ScriptedRegistry, tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / 'link').symlink_to('/dev/stdout')
    line, = shell(server, tmp_path, command).insist(2).lines
    stream = 'input' if 'stdin' in name else 'output'
    assert line == f'dxf: cannot use {name!r}: standard {stream} was closed when dxf started ' \
                   f'(see dxf {command.split()[0]} --help)'
    assert not server.requests


def test_a_blob_reaches_its_file_where_all_standard_streams_are_closed(
        server: ScriptedRegistry, tmp_path: Path) -> None:
    shell(server, tmp_path, f'{PULL} out <&- >&- 2>&-').insist(0)
    assert (tmp_path / 'out').read_bytes() == BLOB


def test_a_program_finds_the_standard_streams_closed_that_dxf_found_closed(
        server: ScriptedRegistry, tmp_path: Path) -> None:
    program = "sh -c 'test ! -e /dev/fd/0 && test ! -e /dev/fd/2 && printf closed'"
    shell(server, tmp_path, f'push-blob {REPO} @alias -- {program} <&- 2>&-').insist(0)
    assert server.memory.blobs[REPO][hash_bytes(b'closed')] == b'closed'


def test_no_file_of_dxf_takes_the_place_of_a_closed_standard_stream(server: ScriptedRegistry, tmp_path: Path) -> None:
    program = "sh -c 'cd /proc/$PPID/fd && readlink 0 1 2'"
    shell(server, tmp_path, f'push-blob {REPO} @alias -- {program} <&- >&- 2>&-')
    assert list(server.memory.blobs[REPO].values())[1:] == [b'/dev/null\n' * 3]


def test_a_descriptor_that_the_caller_has_opened_is_stored(server: ScriptedRegistry, tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'from a file')
    shell(server, tmp_path, f'push-blob {REPO} /dev/fd/7 7< file').insist(0)
    shell(server, tmp_path, f'push-blob {REPO} <(printf piped)').insist(0)
    assert {hash_bytes(b'from a file'), hash_bytes(b'piped')} <= server.memory.blobs[REPO].keys()
