"""The commands backup, restore and list-files: what they print, what they ask of a registry, what they refuse."""

import json
import os
import socket
from pathlib import Path

import pytest

from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.traffic import Traffic
from ..helpers.trees import described

CONTENT = b'readings of May 15th\n' * 5000


@pytest.fixture(name='source')
def make_source(tmp_path: Path) -> Path:
    """A folder with a few files."""
    source = tmp_path / 'source'
    (source / 'a' / 'b').mkdir(parents=True)
    (source / 'a' / 'x').write_bytes(os.urandom(200_000))
    (source / 'a-b').write_bytes(CONTENT)
    (source / 'a' / 'b' / 'empty').write_bytes(b'')
    (source / 'link').symlink_to('a/x')
    os.link(source / 'a' / 'x', source / 'z')
    return source


def run(capfd: pytest.CaptureFixture[str], endpoint: Endpoint, *args: str | Path, status: int = 0) -> tuple[str, str]:
    """Run a command, and return what it printed on standard output and standard error."""
    assert doit([str(arg) for arg in args], endpoint.environ()) == status
    out, err = capfd.readouterr()
    return out, err


def test_a_folder_is_stored_listed_and_restored(endpoint: Endpoint, repo: str, source: Path, tmp_path: Path,
                                                capfd: pytest.CaptureFixture[str]) -> None:
    out, err = run(capfd, endpoint, 'backup', repo, source, '@nightly', '--json')
    said = json.loads(out)
    assert err == ''
    assert (said['files'], said['bytes'], said['read'], said['packs']) == (3, 200_000 + len(CONTENT), 3, 1)
    assert said['digest'] == endpoint.dxf(repo).manifest_digest('nightly')
    assert run(capfd, endpoint, 'list-files', repo, '@nightly')[0] == 'a\na-b\na/b\na/b/empty\na/x\nlink\nz\n'
    assert run(capfd, endpoint, 'restore', repo, '@nightly', '--to', tmp_path / 'new') == ('a-b\na/b/empty\na/x\n', '')
    assert described(tmp_path / 'new') == described(source)


def test_a_second_backup_sends_what_is_new_in_few_requests(token_registry: Endpoint, repo: str, source: Path,
                                                           traffic: Traffic, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(300):
        (source / f'{number}').write_bytes(os.urandom(8000))
    run(capfd, token_registry, 'backup', repo, source, '@nightly')
    (source / '7').write_bytes(os.urandom(9000))
    with (source / 'a' / 'x').open('r+b') as file:
        file.write(b'changed')
    traffic.clear()
    said = json.loads(run(capfd, token_registry, 'backup', repo, source, '@nightly', '--json')[0])
    assert len(traffic.requests) <= 12, traffic.lines()
    assert said['read'] == 2
    assert said['sent'] < 9000 + 5 * (64 << 10)  # the chunks that changed, and the index


def test_a_file_of_the_same_size_and_time_is_not_read_again(folder: Endpoint, repo: str, source: Path, tmp_path: Path,
                                                            capfd: pytest.CaptureFixture[str]) -> None:
    run(capfd, folder, 'backup', repo, source, '@nightly')
    path = source / 'a-b'
    before = path.stat()
    path.write_bytes(bytes(reversed(CONTENT)))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    run(capfd, folder, 'backup', repo, source, '@nightly')
    run(capfd, folder, 'restore', repo, '@nightly', 'a-b', '--to', tmp_path / 'old')
    assert (tmp_path / 'old' / 'a-b').read_bytes() == CONTENT
    run(capfd, folder, 'backup', repo, source, '@nightly', '--read-all')
    run(capfd, folder, 'restore', repo, '@nightly', 'a-b', '--to', tmp_path / 'new')
    assert (tmp_path / 'new' / 'a-b').read_bytes() == bytes(reversed(CONTENT))


def test_sockets_and_pipes_are_left_out_and_told(folder: Endpoint, repo: str, source: Path,
                                                 capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(source / 'pipe')
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(source / 'socket'))
        out, err = run(capfd, folder, 'backup', repo, source, '@nightly')
    assert out.startswith('sha256:')
    assert err == 'dxf: left out: pipe: a named pipe\ndxf: left out: socket: a socket\n'
    assert 'pipe' not in run(capfd, folder, 'list-files', repo, '@nightly')[0]
