"""The terminal: the manual page is current and reads well, the wheel has it, and colours are for people alone."""

import os
import pty
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from dxf.cli.command_table import COMMANDS
from dxf.cli.settings import VARIABLES

ROOT = Path(__file__).parent.parent
PAGE = ROOT / 'share' / 'man' / 'man1' / 'dxf.1'


def test_the_manual_page_is_current() -> None:
    script = runpy.run_path(str(ROOT / 'tools' / 'manual.py'))
    assert PAGE == script['PAGE']
    assert PAGE.read_text('utf-8') == script['manual'](), 'write it anew: make manual'


@pytest.fixture(name='page', scope='module')
def read_page() -> str:
    """The manual page as ``man`` shows it, where nothing is to be warned of."""
    environ = {**os.environ, 'MANWIDTH': '80', 'LC_ALL': 'C.UTF-8'}
    done = subprocess.run(['man', '--warnings', '-l', str(PAGE)], capture_output=True, text=True, timeout=60,
                          check=True, env=environ)
    assert done.stderr == ''
    return done.stdout


def test_the_manual_page_has_all_commands_and_variables(page: str) -> None:
    words = ' '.join(page.split())
    assert [command.name for command in COMMANDS if f'dxf {command.name} usage: dxf' not in words] == []
    assert [name for name in VARIABLES if name not in words] == []
    for command in COMMANDS:
        assert all(line.strip() in page for line in command.example.splitlines())


def test_the_manual_page_fits_80_columns(page: str) -> None:
    assert [line for line in page.splitlines() if len(line) > 80] == []


def test_the_wheel_has_the_manual_page_and_all_rooms(tmp_path: Path) -> None:
    for name in ('dxf', 'share'):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('setup.py', 'pyproject.toml', 'README.rst', 'LICENCE'):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run([sys.executable, '-c', 'from setuptools.build_meta import build_wheel; build_wheel(".")'],
                   cwd=tmp_path, check=True, timeout=60, capture_output=True)
    wheel, = tmp_path.glob('*.whl')
    with ZipFile(wheel) as content:
        names = content.namelist()
    assert any(name.endswith('.data/data/share/man/man1/dxf.1') for name in names)
    assert {f'dxf/{file.name}' for file in (ROOT / 'dxf').glob('*.py')} | {'dxf/py.typed'} <= set(names)


def shown_on_a_terminal(environ: dict[str, str]) -> str:
    """Run ``dxf pull-blob --help`` on a terminal; return what it writes there."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, '-m', 'dxf', 'pull-blob', '--help'], {**os.environ, **environ})
    seen = b''
    try:
        while piece := os.read(terminal, 65536):
            seen += piece
    except OSError:  # so Linux says that nobody writes any more
        pass
    finally:
        os.close(terminal)
        assert os.waitpid(child, 0)[1] == 0
    return seen.decode()


@pytest.mark.parametrize('environ', [{'NO_COLOR': '1', 'TERM': 'xterm'}, {'TERM': 'dumb'}], ids=['NO_COLOR', 'dumb'])
def test_nothing_is_coloured_for_who_wants_none(environ: dict[str, str]) -> None:
    text = shown_on_a_terminal(environ)
    assert 'pull-blob' in text and '\x1b' not in text


@pytest.mark.parametrize('arguments', [['--help'], ['copy', '--help'], ['--completion=bash'], ['nothing']],
                         ids=' '.join)
def test_nothing_is_coloured_off_a_terminal(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, '-m', 'dxf', *arguments], capture_output=True, timeout=60, check=False,
                          env={**os.environ, 'TERM': 'xterm-256color'})
    assert b'\x1b' not in done.stdout + done.stderr
