"""The documentation: what it shows is run, and what there is stands in it."""

import html
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import dxf
from dxf.cli.command_parts import HOST
from dxf.cli.command_table import COMMANDS
from dxf.environment.variables import VARIABLES

from ..helpers import console, fork_server
from ..helpers.console import DOCS, Typed
from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint


@pytest.fixture(name='workplace')
def make_workplace(tmp_path: Path) -> Path:
    """An empty directory to work in, beside one with ``dxf`` and ``python3`` for the shell."""
    programs = tmp_path / 'bin'
    programs.mkdir()
    fork_server.write_program(programs / 'dxf')
    (programs / 'python3').write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / 'python3').chmod(0o755)
    (tmp_path / 'work').mkdir()
    return tmp_path / 'work'


def path(workplace: Path) -> str:
    """Return the ``PATH`` with the workplace's programs."""
    return f'{workplace.parent / "bin"}:/usr/bin:/bin'


def test_each_command_of_the_tutorial_prints_what_the_tutorial_says(token_registry: Endpoint, workplace: Path) -> None:
    said = console.session('tutorial.rst')
    assert len(said) > 40
    real = [Typed(one.command.replace('registry.example.com', token_registry.host)
                  .replace('fred\n', f'{USERNAME}\n').replace('somepassword', PASSWORD), '') for one in said]
    printed = console.retype(real, workplace, {'PATH': path(workplace), 'REQUESTS_CA_BUNDLE': str(token_registry.ca)})
    assert [(one, text.printed) for one, text in zip(said, printed, strict=True)
            if not console.is_as_said(one.printed, text.printed)] == []


def test_all_of_the_tutorial_that_can_be_typed_is_run() -> None:
    languages = re.findall(r'^ *\.\. code-block:: (\w+)', (DOCS / 'tutorial.rst').read_text(), re.MULTILINE)
    assert set(languages) == {'console'}
    assert '::\n\n' not in re.sub(r'\.\. [\w-]+::.*\n\n', '', (DOCS / 'tutorial.rst').read_text())


@pytest.mark.parametrize('kind', ['folder', 'token_registry'])
def test_each_command_of_the_backup_that_looks_after_itself_prints_what_the_page_says(
        kind: str, request: pytest.FixtureRequest, workplace: Path) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    said = console.session('how-to/self-keeping-backup.rst')
    assert len(said) > 20 and {language for language, _ in console.all_blocks('how-to/self-keeping-backup.rst')} == {
        'console'}
    host = 'oci:./registry' if endpoint.is_folder else endpoint.host
    real = [Typed(one.command.replace('oci:./registry', host), '') for one in said]
    printed = console.retype(real, workplace, {**endpoint.environ(), 'PATH': path(workplace)})
    assert [(one, text.printed) for one, text in zip(said, printed, strict=True)
            if not console.is_as_said(one.printed, text.printed)] == []


HOW_TO = {
    'backups': 'mkdir photos; echo sunset > photos/1; echo dawn > photos/2',
    'ci': 'echo program > program.tar',
    'datasets': "mkdir -p birds/train; for name in train/2025 test labels; do echo robin,1 > birds/$name.csv; "
                'echo $(basename $name) >> birds/$name.csv; done',
    'air-gap': 'echo 21.5 > logger.dat; dxf push-blob fred/datalogger logger.dat @may15',
    'mirror': 'for n in 14 15; do echo $n > logger.dat; dxf push-blob fred/datalogger logger.dat @2026-05-$n; done',
}
"""What has to be there before the scripts of a page are run."""


@pytest.mark.parametrize('page', HOW_TO)
def test_the_scripts_of_the_how_to_pages_run(page: str, workplace: Path) -> None:
    script = 'set -e\n' + '\n'.join([HOW_TO[page], *console.blocks(f'how-to/{page}.rst', 'shell'), 'echo "all done"'])
    printed = console.run(script, workplace, {'PATH': path(workplace), 'DXF_HOST': 'oci:./registry'})
    assert printed.endswith('all done\n')
    assert 'dxf: ' not in printed


def test_the_programs_of_the_page_about_pandas_run(token_registry: Endpoint, workplace: Path) -> None:
    code = '\n'.join(console.blocks('how-to/data-science.rst', 'python'))
    assert len(code.splitlines()) > 25
    real = code.replace('registry.example.com', token_registry.host)
    # A worker of dask that loses its scheduler at the end writes that to standard error, on a busy machine.
    environ = {**os.environ, **token_registry.environ(), 'DASK_LOGGING__DISTRIBUTED': 'critical'}
    done = subprocess.run([sys.executable, '-c', real], cwd=workplace, env=environ, capture_output=True, text=True,
                          timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, '')


def pages() -> dict[str, str]:
    """Return the text of every page, and of the README, by its name."""
    files = [*DOCS.rglob('*.rst'), DOCS.parent / 'README.rst']
    return {str(file.relative_to(DOCS.parent)): file.read_text('utf-8') for file in files if '_build' not in file.parts}


@pytest.mark.parametrize(('name', 'text'), pages().items(), ids=pages())
def test_pages_name_no_command_and_no_option_that_there_is_not(name: str, text: str) -> None:
    commands = {command.name: command for command in COMMANDS}
    single = '|'.join(command for command in commands if '-' not in command)
    for used, rest in re.findall(rf'\bdxf ([a-z]+(?:-[a-z]+)+|{single})\b([^`\n]*)', text):
        assert used in commands, name
        flags = {flag for option in commands[used].options for flag in option.flags} | {'--help', *HOST.flags}
        found = set(re.findall(r'(?<= )--[a-z-]+|(?<= )-[a-z]\b', re.split(r' \| | -- ', rest)[0]))
        assert found <= flags, f'{name}: {rest}'
    assert set(re.findall(r'\bDXF_[A-Z_]+\b', text)) <= set(VARIABLES), name


@pytest.mark.parametrize('page', sorted(str(file.relative_to(DOCS)) for file in DOCS.rglob('*.rst')))
def test_shell_blocks_are_bash(page: str, workplace: Path) -> None:
    for block in console.blocks(page, 'shell'):
        assert console.run(f'set -n\n{block}', workplace, {}) == '', block


@pytest.fixture(name='site', scope='module')
def build_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as ``make docs`` builds it, where a warning is an error."""
    site = tmp_path_factory.mktemp('site')
    options = ['-W', '--keep-going', '-n', '-q', '-E', '-b', 'html', '-d', str(site / 'doctrees')]
    done = subprocess.run([sys.executable, '-m', 'sphinx', *options, str(DOCS), str(site)], cwd=DOCS.parent,
                          capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    return site


def test_every_command_and_option_stands_in_the_reference(site: Path) -> None:
    text = (site / 'reference.html').read_text()
    for command in COMMANDS:
        assert f'id="dxf-{command.name}"' in text
        assert html.escape(command.line.split()[1]) in text
        for option in command.options:
            for flag in option.flags:
                assert f'id="cmdoption-dxf-{command.name}{flag[1:] if flag[:2] == "--" else flag}"' in text, flag


def test_every_variable_stands_in_the_reference(site: Path) -> None:
    text = (site / 'reference.html').read_text()
    assert [name for name in VARIABLES if f'id="envvar-{name}"' not in text] == []


def test_every_public_name_stands_in_the_reference_of_the_library(site: Path) -> None:
    text = (site / 'api.html').read_text()
    methods = [f'DXF.{name}' for name, value in inspect.getmembers(dxf.DXF)
               if not name.startswith('_') and (callable(value) or isinstance(value, property))]
    errors = [f'exceptions.{name}' for name in vars(dxf.exceptions) if name.startswith('DXF')]
    names = [name for name in dxf.__all__ if not isinstance(getattr(dxf, name), ModuleType)]
    assert [name for name in (*names, *methods, *errors)
            if not re.search(rf'id="dxf\.(exceptions\.|credentials\.)?{name}"', text)] == []
    assert 'id="dxf.DXF.host"' in text and 'id="dxf.DXF.repo"' in text


def test_every_page_begins_with_its_title(site: Path) -> None:
    """The page of changes too, which includes another file."""
    for name in [str(file.relative_to(DOCS).with_suffix('')) for file in DOCS.rglob('*.rst')]:
        assert (site / f'{name}.html').read_text().count('<h1>') == 1, name


def test_every_page_is_reached_from_the_first(site: Path) -> None:
    text = (site / 'index.html').read_text()
    names = [str(file.relative_to(DOCS).with_suffix('')) for file in DOCS.rglob('*.rst')]
    assert [name for name in names if name != 'index' and f'href="{name}.html"' not in text] == []
