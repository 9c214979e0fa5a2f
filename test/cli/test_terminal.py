"""The terminal: the manual page is current, the distributions are complete, only people get colours."""

import os
import pty
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from dxf.cli.command_table import COMMANDS
from dxf.environment.variables import VARIABLES

ROOT = Path(__file__).parents[2]
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
        assert all(line in page for line in command.examples)


def test_the_manual_page_fits_80_columns(page: str) -> None:
    assert [line for line in page.splitlines() if len(line) > 80] == []


@pytest.fixture(name='source', scope='module')
def copy_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the distributions are made of."""
    source = tmp_path_factory.mktemp('source')
    for name in ('dxf', 'share'):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('setup.py', 'pyproject.toml', 'README.rst', 'LICENCE', 'MANIFEST.in'):
        shutil.copy(ROOT / name, source)
    return source


def build(source: Path, kind: str) -> None:
    """Build a distribution, in its folder."""
    subprocess.run([sys.executable, '-c', f'from setuptools.build_meta import build_{kind}; build_{kind}(".")'],
                   cwd=source, check=True, timeout=60, capture_output=True)


CONTENT = {str(file.relative_to(ROOT)) for pattern in ('*.py', 'cli/completion/dxf.*')
           for file in (ROOT / 'dxf').rglob(pattern)} | {'dxf/py.typed'}


def test_the_wheel_has_the_manual_page_the_completion_scripts_and_all_modules(source: Path) -> None:
    build(source, 'wheel')
    wheel, = source.glob('*.whl')
    with ZipFile(wheel) as content:
        names = content.namelist()
    assert any(name.endswith('.data/data/share/man/man1/dxf.1') for name in names)
    assert len(CONTENT) > 60
    assert CONTENT <= set(names)


def test_the_source_distribution_has_them_too(source: Path) -> None:
    build(source, 'sdist')
    distribution, = source.glob('*.tar.gz')
    with tarfile.open(distribution) as content:
        names = {name.partition('/')[2] for name in content.getnames()}
    assert CONTENT | {'share/man/man1/dxf.1'} <= names


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
