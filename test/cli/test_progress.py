"""Progress bars: when they are shown, what they show, and that they never touch standard output."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import tqdm

import dxf
from dxf.cli.progress import Reports
from dxf.main import doit

from ..helpers import terminals
from ..helpers.endpoints import Endpoint

CONTENT = os.urandom(100_000)
DIGEST = dxf.hash_bytes(CONTENT)
TOTAL = len(CONTENT)
BAR = [f'{DIGEST[0:8]}:', ' 0%', ' 100%', f' 0/{TOTAL} ', f' {TOTAL}/{TOTAL} ']


@pytest.fixture(name='readings')
def write_readings(tmp_path: Path) -> str:
    """The path of a file."""
    path = tmp_path / 'readings.dat'
    path.write_bytes(CONTENT)
    return str(path)


def run(endpoint: Endpoint, *args: str, **variables: str) -> None:
    """Run a command that must succeed."""
    assert doit(args, {**endpoint.environ(), **variables}) == 0


def on_terminal(endpoint: Endpoint, *args: str, progress: dict[str, str] | None = None,
                columns: int = 80) -> tuple[bytes, str]:
    """Run a command with standard error on a terminal; return what it wrote to standard output, and to the terminal."""
    shown = terminals.on_terminal({**endpoint.environ(), **(progress or {})}, *args, stdout=False, columns=columns)
    assert shown.status == 0
    return shown.out, shown.written


# Shown or not


def test_a_bar_is_shown_for_a_push_if_it_is_asked_for(endpoint: Endpoint, repo: str, readings: str,
                                                      capfd: pytest.CaptureFixture[str]) -> None:
    run(endpoint, 'push-blob', repo, readings, DXF_PROGRESS='1')
    out, err = capfd.readouterr()
    assert out == DIGEST + '\n'
    assert [part for part in BAR if part not in err] == []
    assert err.endswith('\n')


def test_a_bar_is_shown_for_a_pull_if_it_is_asked_for(endpoint: Endpoint, repo: str,
                                                      capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    endpoint.dxf(repo).push_blob(data=CONTENT)
    run(endpoint, 'pull-blob', repo, DIGEST, DXF_PROGRESS='1')
    out, err = capfdbinary.readouterr()
    assert out == CONTENT
    assert [part for part in BAR if part not in err.decode()] == []
    assert err.endswith(b'\n')


def test_blob_info_and_bars_do_not_mix(open_registry: Endpoint, repo: str,
                                       capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    open_registry.dxf(repo).push_blob(data=CONTENT)
    run(open_registry, 'pull-blob', repo, DIGEST, DIGEST, DXF_PROGRESS='1', DXF_BLOB_INFO='1')
    out, err = capfdbinary.readouterr()
    assert out == (f'{DIGEST} {TOTAL}\n'.encode() + CONTENT) * 2
    assert err.count(b' 100%') >= 2


@pytest.mark.parametrize('progress', [
    pytest.param({}, id='not set'),
    pytest.param({'DXF_PROGRESS': ''}, id='empty'),
    pytest.param({'DXF_PROGRESS': '0'}, id='not wanted'),
])
def test_no_bar_is_shown_where_none_is_asked_for_and_there_is_no_terminal(
        open_registry: Endpoint, repo: str, readings: str, progress: dict[str, str],
        capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    run(open_registry, 'push-blob', repo, readings, **progress)
    run(open_registry, 'pull-blob', repo, DIGEST, **progress)
    assert capfdbinary.readouterr() == (f'{DIGEST}\n'.encode() + CONTENT, b'')


def test_no_bar_is_shown_for_a_blob_that_is_there(open_registry: Endpoint, repo: str, readings: str,
                                                  capfd: pytest.CaptureFixture[str]) -> None:
    open_registry.dxf(repo).push_blob(data=CONTENT)
    run(open_registry, 'push-blob', repo, readings, DXF_PROGRESS='1')
    assert capfd.readouterr() == (DIGEST + '\n', '')


@pytest.mark.parametrize('progress', [{}, {'DXF_PROGRESS': ''}, {'DXF_PROGRESS': '1'}], ids=str)
def test_a_bar_is_shown_on_a_terminal(open_registry: Endpoint, repo: str, readings: str,
                                      progress: dict[str, str]) -> None:
    out, shown = on_terminal(open_registry, 'push-blob', repo, readings, progress=progress)
    assert out == f'{DIGEST}\n'.encode()
    assert [part for part in BAR if part not in shown] == []
    assert shown.endswith('\n')
    out, shown = on_terminal(open_registry, 'pull-blob', repo, DIGEST, progress=progress)
    assert out == CONTENT
    assert [part for part in BAR if part not in shown] == []
    assert shown.endswith('\n')


@pytest.mark.parametrize('columns', [
    pytest.param(0, id='a new pseudo-terminal, as docker run -t and expect make it, does not know its size'),
    pytest.param(60, id='a narrow window'),
])
def test_a_bar_is_shown_on_a_terminal_of_another_size(open_registry: Endpoint, repo: str, readings: str,
                                                      columns: int) -> None:
    _, shown = on_terminal(open_registry, 'push-blob', repo, readings, columns=columns)
    assert [part for part in BAR if part not in shown] == []


def test_no_bar_is_shown_on_a_terminal_if_it_is_not_wanted(open_registry: Endpoint, repo: str, readings: str) -> None:
    unwanted = {'DXF_PROGRESS': '0'}
    pushed = on_terminal(open_registry, 'push-blob', repo, readings, progress=unwanted)
    assert pushed == (f'{DIGEST}\n'.encode(), '')
    assert on_terminal(open_registry, 'pull-blob', repo, DIGEST, progress=unwanted) == (CONTENT, '')


@pytest.mark.parametrize('args', [('get-alias', 'a'), ('blob-size', '@a'), ('list-aliases',), ('del-blob', '@a')],
                         ids=lambda args: str(args[0]))
def test_other_commands_show_no_bar(open_registry: Endpoint, repo: str, capfd: pytest.CaptureFixture[str],
                                    args: tuple[str, ...]) -> None:
    client = open_registry.dxf(repo)
    client.set_alias('a', client.push_blob(data=CONTENT))
    run(open_registry, args[0], repo, *args[1:], DXF_PROGRESS='1')
    assert capfd.readouterr().err == ''


def test_an_empty_blob_moves_with_a_bar(endpoint: Endpoint, repo: str, tmp_path: Path,
                                        capfd: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / 'empty'
    empty.touch()
    run(endpoint, 'push-blob', repo, str(empty), DXF_PROGRESS='1')
    assert capfd.readouterr().out == dxf.hash_bytes(b'') + '\n'
    run(endpoint, 'pull-blob', repo, dxf.hash_bytes(b''), DXF_PROGRESS='1')
    assert capfd.readouterr().out == ''


# What is asked of tqdm


class Bar:
    """All of tqdm that dxf may use."""

    __slots__ = ('desc', 'n', 'total', 'updates', 'closed')
    made: ClassVar[list['Bar']] = []

    def __init__(self, *, desc: str, total: int, **others: Any) -> None:
        assert not {'unit_scale', 'unit_divisor', 'bar_format'} & set(others)
        self.desc = desc
        self.total = total
        self.n = 0
        self.updates: list[int] = []
        self.closed = 0
        self.made.append(self)

    def update(self, n: int) -> None:
        """Move on."""
        assert not self.closed
        self.n += n
        self.updates.append(n)

    def close(self) -> None:
        """End."""
        self.closed += 1


@pytest.fixture(name='bars')
def replace_tqdm(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    """The bars that are made in place of tqdm's."""
    monkeypatch.setattr(tqdm, 'tqdm', Bar)
    monkeypatch.setattr(Bar, 'made', [])
    return Bar.made


def test_tqdm_is_looked_up_through_its_module_for_a_push(endpoint: Endpoint, repo: str, readings: str,
                                                         bars: list[Bar], capfd: pytest.CaptureFixture[str]) -> None:
    run(endpoint, 'push-blob', repo, readings, DXF_PROGRESS='1')
    made, = bars
    assert (made.desc, made.total, made.n, made.closed) == (DIGEST[0:8], TOTAL, TOTAL, 1)
    assert capfd.readouterr() == (DIGEST + '\n', '')


def test_tqdm_is_looked_up_through_its_module_for_a_pull(endpoint: Endpoint, repo: str, bars: list[Bar],
                                                         capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    client = endpoint.dxf(repo)
    client.set_alias('both', client.push_blob(data=CONTENT), client.push_blob(data=b'more'))
    run(endpoint, 'pull-blob', repo, '@both', DIGEST, DXF_PROGRESS='1', DXF_CHUNK_SIZE='30000')
    assert [(made.desc, made.total, made.n, made.closed) for made in bars] == [
        (DIGEST[0:8], TOTAL, TOTAL, 1), (dxf.hash_bytes(b'more')[0:8], 4, 4, 1), (DIGEST[0:8], TOTAL, TOTAL, 1)]
    assert [some for some in bars[0].updates if some] == [30000, 30000, 30000, 10000]
    assert capfdbinary.readouterr() == (CONTENT + b'more' + CONTENT, b'')


def test_a_large_push_moves_its_bar_more_than_once(open_registry: Endpoint, repo: str, tmp_path: Path,
                                                   bars: list[Bar]) -> None:
    path = tmp_path / 'large'
    path.write_bytes(os.urandom(5_000_000))
    run(open_registry, 'push-blob', repo, str(path), DXF_PROGRESS='1')
    made, = bars
    assert len([some for some in made.updates if some]) > 1
    assert (sum(made.updates), made.closed) == (5_000_000, 1)


def test_the_bar_of_an_empty_blob_is_closed(open_registry: Endpoint, repo: str, tmp_path: Path,
                                            bars: list[Bar]) -> None:
    path = tmp_path / 'empty'
    path.touch()
    run(open_registry, 'push-blob', repo, str(path), DXF_PROGRESS='1')
    run(open_registry, 'pull-blob', repo, dxf.hash_bytes(b''), DXF_PROGRESS='1')
    assert [(made.total, made.n, made.closed) for made in bars] == [(0, 0, 1), (0, 0, 1)]


def test_the_bar_of_a_transfer_that_fails_is_closed(open_registry: Endpoint, repo: str, bars: list[Bar],
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    open_registry.dxf(repo).push_blob(data=CONTENT)

    class Full:
        """A standard output that takes no more than one chunk."""

        def __init__(self) -> None:
            self.left = 1

        def write(self, some: bytes) -> int:
            """Take it, or say that there is no room."""
            self.left -= 1
            if self.left < 0:
                raise OSError(28, 'No space left on device')
            return len(some)

        def flush(self) -> None:
            """There is nothing to do."""

    with monkeypatch.context() as patched, pytest.raises(OSError, match='No space'):
        patched.setattr(sys, 'stdout', Full())
        run(open_registry, 'pull-blob', repo, DIGEST, DXF_PROGRESS='1', DXF_CHUNK_SIZE='8192')
    made, = bars
    assert (made.n, made.closed) == (8192, 1)


def test_tqdm_is_not_imported_without_a_bar(open_registry: Endpoint, repo: str, readings: str) -> None:
    code = 'import sys, dxf.main, os; dxf.main.doit(sys.argv[1:], os.environ); assert "tqdm" not in sys.modules'
    done = subprocess.run([sys.executable, '-c', code, 'push-blob', repo, readings], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, env={**os.environ, **open_registry.environ()}, timeout=90,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, DIGEST + '\n', '')


# Several blobs, and forms for programs


def test_several_blobs_have_a_bar_for_all_of_them_on_a_terminal(open_registry: Endpoint, repo: str,
                                                                tmp_path: Path) -> None:
    files = []
    for number in range(3):
        files.append(str(tmp_path / f'{number}'))
        Path(files[-1]).write_bytes(os.urandom(50_000))
    _, shown = on_terminal(open_registry, 'push-blob', repo, *files, '@a')
    assert 'total:' in shown and ' 150000/150000 ' in shown
    assert shown.count(' 50000/50000 ') >= 3
    _, shown = on_terminal(open_registry, 'pull-blob', repo, '@a', '-o', str(tmp_path / 'out'))
    assert 'total:' in shown and ' 150000/150000 ' in shown
    assert (tmp_path / 'out').read_bytes() == b''.join(Path(file).read_bytes() for file in files)


def test_a_bar_for_people_tells_the_rate_in_their_units(open_registry: Endpoint, repo: str, readings: str) -> None:
    _, shown = on_terminal(open_registry, 'push-blob', repo, readings)
    assert re.search(r'\[\d\d:\d\d<00:00, +[0-9.]+[kMG]?B/s\]', shown)


def lines_of(endpoint: Endpoint, capfd: pytest.CaptureFixture[str], *args: str, **variables: str) -> list[str]:
    """Run a command that must succeed; return its lines on standard error."""
    capfd.readouterr()
    run(endpoint, *args, **variables)
    return capfd.readouterr().err.splitlines()


@pytest.mark.parametrize('how', [('--progress=json',), ()])
def test_json_tells_programs_how_far_a_blob_is(open_registry: Endpoint, repo: str, readings: str, tmp_path: Path,
                                               capfd: pytest.CaptureFixture[str], how: tuple[str, ...]) -> None:
    variables = {} if how else {'DXF_PROGRESS': 'json'}
    for args in (('push-blob', repo, readings), ('pull-blob', repo, DIGEST, '-o', str(tmp_path / 'out'))):
        line, = lines_of(open_registry, capfd, *args, *how, **variables)
        entry = json.loads(line)
        assert entry.pop('rate') > 0
        assert entry == {'blob': DIGEST, 'bytes': TOTAL, 'total': TOTAL, 'eta': 0.0, 'done': True}


def test_json_of_standard_input_does_not_know_its_end(open_registry: Endpoint, repo: str,
                                                      monkeypatch: pytest.MonkeyPatch,
                                                      capfd: pytest.CaptureFixture[str]) -> None:
    class Pipe:
        """A standard input that can only be read."""

        def __init__(self) -> None:
            self._pieces = [os.urandom(3 << 20)] * 3 + [b'']

        def read(self, _size: int = -1) -> bytes:
            """Give the next piece."""
            return self._pieces.pop(0)
    monkeypatch.setattr(sys, 'stdin', Pipe())
    monkeypatch.setattr('dxf.cli.progress.INTERVALS', {'json': 0.0, 'lines': 0.0})
    entries = [json.loads(line) for line in lines_of(open_registry, capfd, 'push-blob', '--progress=json', repo, '-')]
    assert [entry['bytes'] for entry in entries][-1] == 9 << 20
    assert {(entry['blob'], entry['total'], entry['eta'], entry['done']) for entry in entries} == {
        (None, None, None, False)}


def test_lines_for_logs_come_at_their_interval(open_registry: Endpoint, repo: str, tmp_path: Path,
                                               capfd: pytest.CaptureFixture[str],
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'large'
    path.write_bytes(os.urandom(5 << 20))
    assert len(lines_of(open_registry, capfd, 'push-blob', '--progress=lines', repo, str(path))) == 1
    monkeypatch.setattr('dxf.cli.progress.INTERVALS', {'lines': 0.0})
    digest = dxf.hash_file(str(path))
    lines = lines_of(open_registry, capfd, 'pull-blob', '--progress=lines', '-o', str(tmp_path / 'out'), repo, digest)
    assert len(lines) >= 5
    form = rf'{digest} (\d+)/{5 << 20} bytes, (\d+)%, [0-9.]+ MB/s(, \d+ s left)?'
    matches = [re.fullmatch(form, line) for line in lines]
    assert all(matches)
    assert [int(match[1]) for match in matches if match] == sorted(int(match[1]) for match in matches if match)
    assert lines[-1].startswith(f'{digest} {5 << 20}/{5 << 20} bytes, 100%')


def test_no_progress_is_told_where_none_is_wanted(open_registry: Endpoint, repo: str, readings: str,
                                                  capfd: pytest.CaptureFixture[str]) -> None:
    assert not lines_of(open_registry, capfd, 'push-blob', '--progress=none', repo, readings, DXF_PROGRESS='1')


def test_what_broke_off_is_told_of_too(capfd: pytest.CaptureFixture[str]) -> None:
    reports = Reports(lambda transfer: f'{transfer.digest} {transfer.moved} {transfer.is_done}', 10)
    reports(DIGEST, b'some', TOTAL)
    reports.close()
    assert capfd.readouterr().err == f'{DIGEST} 4 False\n'


def test_an_invalid_progress_setting_is_refused(open_registry: Endpoint, repo: str, readings: str,
                                                capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(open_registry, 'push-blob', '--progress=loud', repo, readings)
    assert ended.value.code == 2
    assert 'loud' in capfd.readouterr().err
