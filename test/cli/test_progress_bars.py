"""Bars on a terminal: what stands on its screen when a command has ended, what they count, and what is no speed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dxf import DXF, hash_bytes

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.terminals import Shown, on_terminal, screen_of
from ..servers.scripted_registry import Answer, ScriptedRegistry

REPO = 'fred/a'
KEPT, REST = 64 << 20, 1000
SIZE = 3_000_000


@pytest.fixture(name='files')
def write_files(tmp_path: Path) -> list[str]:
    """Five files."""
    paths = [tmp_path / str(number) for number in range(5)]
    for path in paths:
        path.write_bytes(os.urandom(SIZE))
    return [str(path) for path in paths]


def digests_of(files: list[str]) -> list[str]:
    """Return the digests of files."""
    return [hash_bytes(Path(file).read_bytes()) for file in files]


# The screen


def test_a_screen_is_what_was_written_last() -> None:
    written = 'one\r\ntwo\r\n\x1b[A\x1b[ATHREE\r\n\x1b[Kx\r\n12345\r\x1b[J6\r\n'
    assert screen_of(written) == ['THREE', 'x', '6']


def test_hashes_stand_alone_in_their_lines_below_the_bars(server: ScriptedRegistry, files: list[str]) -> None:
    shown = on_terminal(server.environ(), 'push-blob', REPO, *files, '@a')
    assert shown.status == 0
    assert shown.screen[-5:] == digests_of(files)
    assert shown.screen[-6].startswith('total: 100%')


def test_a_hash_stands_alone_below_one_bar(server: ScriptedRegistry, files: list[str]) -> None:
    shown = on_terminal(server.environ(), 'push-blob', REPO, files[0])
    assert [line[:10] for line in shown.screen[:-1]] == [digests_of(files)[0][:8] + ': ']
    assert shown.screen[-1:] == digests_of(files[:1])


def test_names_stand_alone_below_the_bars(server: ScriptedRegistry, files: list[str], tmp_path: Path) -> None:
    shown = on_terminal(server.environ(), 'push-files', REPO, 'a', *files)
    assert re.fullmatch(r'sha256:[0-9a-f]{64}', shown.screen[-1])
    shown = on_terminal(server.environ(), 'pull-files', REPO, 'a', '--to', str(tmp_path / 'out'))
    assert shown.screen[-5:] == [Path(file).name for file in files]


def test_a_message_stands_alone_in_its_line_while_bars_are_shown(server: ScriptedRegistry, files: list[str]) -> None:
    answers = iter([Answer(503)])
    server.hook = lambda request: next(answers, None) if request.method == 'PUT' else None
    shown = on_terminal(server.environ(), 'push-blob', REPO, *files, '@a')
    assert shown.status == 0
    assert shown.screen[-5:] == digests_of(files)
    assert [line for line in shown.screen if 'again' in line] == [
        f'dxf: {server.host} answers 503 Service Unavailable; trying again']


@pytest.mark.parametrize('progress', [{}, {'DXF_PROGRESS': '1'}], ids=['as it is', 'with bars'])
def test_text_on_a_terminal_is_not_overwritten(server: ScriptedRegistry, progress: dict[str, str]) -> None:
    text = 'one\ntwo\nthree'
    server.memory.put(REPO, text.encode())
    shown = on_terminal(server.environ(**progress), 'pull-blob', REPO, hash_bytes(text.encode()))
    assert shown.screen[:3] == text.split('\n')
    assert len(shown.screen) == (4 if progress else 3)


def test_no_escape_sequence_is_written_to_a_terminal_that_knows_none(server: ScriptedRegistry,
                                                                     files: list[str]) -> None:
    shown = on_terminal(server.environ(TERM='dumb'), 'push-blob', REPO, files[0])
    assert shown.screen[-1:] == digests_of(files[:1])
    assert '\x1b' not in shown.written


# What is counted


def test_a_total_counts_files_that_were_there(server: ScriptedRegistry, files: list[str]) -> None:
    for file in files[:3]:
        server.memory.put(REPO, Path(file).read_bytes())
    shown = on_terminal(server.environ(), 'push-blob', REPO, *files, files[4], '@a')
    total, = [line for line in shown.screen if line.startswith('total:')]
    assert total.startswith('total: 100%') and f' {6 * SIZE}/{6 * SIZE} ' in total


def test_a_total_counts_blobs_that_are_mounted(open_registry: Endpoint, repo: str, files: list[str]) -> None:
    client = open_registry.dxf(repo)
    client.set_alias('a', *(client.push_blob(file) for file in files[:2]))
    shown = on_terminal(open_registry.environ(), 'copy', repo, 'a', '--to', open_registry.host,
                        '--to-repo', f'{repo}/other')
    assert shown.status == 0
    total, = [line for line in shown.screen if line.startswith('total:')]
    assert total.startswith('total: 100%') and f' {2 * SIZE}/{2 * SIZE} ' in total


def test_a_progress_function_is_not_told_of_blobs_that_were_there(server: ScriptedRegistry, files: list[str]) -> None:
    server.memory.put(REPO, Path(files[0]).read_bytes())
    told: set[str] = set()
    with DXF(server.host, REPO, insecure=True) as client:
        client.push_blobs(files[:2], lambda digest, chunk, size: told.add(digest))
    assert told == {digests_of(files)[1]}


def test_a_pipe_has_no_total(server: ScriptedRegistry, files: list[str]) -> None:
    for args in ([REPO, '-'], [REPO, '@a', '--', 'cat', files[0]]):
        stdin = os.open(files[0], os.O_RDONLY)
        try:
            shown = on_terminal(server.environ(), 'push-blob', '--progress=bar', *args, stdin=stdin)
        finally:
            os.close(stdin)
        assert shown.screen[-1:] == digests_of(files[:1])
        assert 'None' not in shown.written and '?/' not in shown.written


def test_an_unsized_pipe_shows_its_bytes_and_their_rate(server: ScriptedRegistry, files: list[str]) -> None:
    shown = on_terminal(server.environ(), 'push-blob', REPO, '@a', '--', 'cat', files[0])
    assert re.search(rf': {SIZE} bytes \[\d\d:\d\d, +[0-9.]+[kMG]?B/s\]', shown.written)


# What is no speed


@pytest.fixture(name='broken')
def pull_most(server: ScriptedRegistry, tmp_path: Path) -> str:
    """The digest of a blob of which nearly all was pulled to a file before the pull broke off."""
    blob = bytes(KEPT + REST)
    digest = hash_bytes(blob)
    server.memory.put(REPO, blob)
    server.hook = lambda request: Answer(200, {}, blob[:SIZE], declared=len(blob)) if request.method == 'GET' else None
    Runner(server.environ()).run('pull-blob', REPO, digest, '-o', tmp_path / 'out').insist(1)
    server.hook = lambda request: None
    part, = tmp_path.glob('.out*')
    os.truncate(part, KEPT)  # of zeros, as the blob is
    return digest


def test_bytes_that_a_pull_had_before_are_no_speed_of_a_bar(server: ScriptedRegistry, broken: str,
                                                            tmp_path: Path) -> None:
    shown = on_terminal(server.environ(), 'pull-blob', REPO, broken, '-o', str(tmp_path / 'out'))
    assert shown.status == 0
    line, = shown.screen
    assert f' {KEPT + REST}/{KEPT + REST} ' in line
    assert re.search(r' [0-9.]+k?B/s\]$', line), line  # a thousand bytes, after a millisecond at least
    assert (tmp_path / 'out').stat().st_size == KEPT + REST


def test_bytes_that_a_pull_had_before_are_no_speed_for_programs(server: ScriptedRegistry, broken: str,
                                                                tmp_path: Path) -> None:
    shown = on_terminal(server.environ(), 'pull-blob', '--progress=json', REPO, broken, '-o', str(tmp_path / 'out'))
    last = json.loads(shown.screen[-1])
    assert last['bytes'] == last['total'] == KEPT + REST and last['done']
    assert last['rate'] <= REST / 0.001


def test_a_progress_function_is_told_of_bytes_that_a_pull_had_before(server: ScriptedRegistry, broken: str,
                                                                     tmp_path: Path) -> None:
    pieces: list[int] = []
    with DXF(server.host, REPO, insecure=True) as client:
        client.pull_to_file(tmp_path / 'out', broken, progress=lambda digest, chunk, size: pieces.append(len(chunk)))
    assert sum(pieces) == KEPT + REST


# Without standard error


@pytest.mark.parametrize('mode', ['bar', 'lines', 'json', 'none'])
def test_progress_that_nothing_can_show_is_left_out(server: ScriptedRegistry, files: list[str], tmp_path: Path,
                                                    mode: str) -> None:
    def run(*args: str) -> bytes:
        done = subprocess.run(['sh', '-c', 'exec "$@" 2>&-', 'sh', sys.executable, '-m', 'dxf', args[0],
                               f'--progress={mode}', *args[1:]], env={**os.environ, **server.environ()}, timeout=120,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
        assert done.returncode == 0
        return bytes(done.stdout)
    assert run('push-blob', REPO, *files, '@a').decode().splitlines() == digests_of(files)
    if mode == 'bar':  # the other commands in one mode are enough: each says what it does, whatever shows it
        content = b''.join(Path(file).read_bytes() for file in files)
        assert run('pull-blob', REPO, '@a') == content
        assert run('pull-blob', REPO, '@a', '-o', str(tmp_path / 'out')) == b''
        assert (tmp_path / 'out').read_bytes() == content
        assert run('push-blob', REPO, '--', 'cat', files[0]).decode().splitlines() == digests_of(files[:1])


def test_the_screen_of_a_pull_to_a_pipe_is_a_bar_alone(server: ScriptedRegistry, files: list[str]) -> None:
    content = Path(files[0]).read_bytes()
    server.memory.put(REPO, content)
    shown: Shown = on_terminal(server.environ(), 'pull-blob', REPO, hash_bytes(content), stdout=False)
    assert (shown.status, shown.out, len(shown.screen)) == (0, content, 1)
