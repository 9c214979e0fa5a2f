"""The README: all that it shows is typed, from top to bottom, in a copy of what a clone holds."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import site
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from dxf import hash_file

from ..helpers import console
from ..helpers.console import Typed
from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint

ROOT = Path(__file__).parents[2]
README = '../README.rst'
TEXT = (ROOT / 'README.rst').read_text('utf-8')
CLONED = ('.gitignore', 'CHANGELOG.rst', 'LICENCE', 'MANIFEST.in', 'Makefile', 'README.rst', 'docs', 'dxf',
          'pyproject.toml', 'setup.py', 'share', 'tools')
"""What a clone holds, without the tests and the benchmarks."""

ANYTHING = '...\n'
"""Stands below a command whose output is not shown."""

PYTHON_EXAMPLE = '21.5\n21.7\n'
LOGIN = 'export DXF_HOST=registry.example.com\ndxf login\n'


@pytest.fixture(name='clone')
def make_clone(tmp_path: Path) -> Path:
    """A copy of the project, beside a ``python3`` for the shell and a home."""
    clone = tmp_path / 'clone'
    for name in CLONED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns('__pycache__', '_build'))
        elif (ROOT / name).exists():  # a source distribution has no .gitignore
            clone.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, clone)
    for name, arguments in (('dxf', '-m dxf '), ('python3', '')):
        script = tmp_path / ('bin' if name == 'python3' else 'installed') / name
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        script.chmod(0o755)
    return clone


def newcomer(clone: Path) -> dict[str, str]:
    """Return the environment of a new user: no dxf, no registry.

    The packages that dxf needs are taken from this venv: a test asks no package index.
    """
    # pip takes 0 here for --no-build-isolation: https://github.com/pypa/pip/issues/5735
    packages = os.pathsep.join(path for path in site.getsitepackages() if path.startswith(sys.prefix))
    return {'HOME': str(clone.parent), 'PATH': f'{clone.parent / "bin"}:/usr/bin:/bin', 'PYTHONPATH': packages,
            'PIP_NO_INDEX': '1', 'PIP_NO_BUILD_ISOLATION': '0', 'PIP_DISABLE_PIP_VERSION_CHECK': '1',
            'VIRTUAL_ENV': '', 'PYTHON': 'python3', 'MAKEFLAGS': '', 'MAKELEVEL': '', 'DXF_HOST': ''}


def steps() -> list[Typed]:
    """Return all that the README has one type, from top to bottom, up to the login at a registry."""
    typed: list[Typed] = []
    for language, text in console.all_blocks(README):
        if language == 'console':
            typed += console.parse_session(text)
        elif language == 'python':
            typed.append(Typed(f"python3 - <<'END'\n{text}END\n", PYTHON_EXAMPLE))
        elif text != LOGIN:
            typed += [Typed(f'{line}\n', ANYTHING) for line in text.splitlines()]
    return typed


def test_all_of_the_readme_works_as_it_is_typed_from_top_to_bottom(clone: Path) -> None:
    typed = steps()
    assert [one.command.strip() for one in typed[:2]] == ['make quickstart', 'make test']
    # The tests do not run themselves: make tells what it would run.
    typed[1] = typed[1]._replace(command='make --dry-run test\n')
    printed = console.retype([Typed('set -eo pipefail\n', ''), *typed], clone, newcomer(clone))[1:]
    assert 'pytest' in printed[1].printed and 'quickstart' not in printed[1].printed
    assert [(one, text.printed) for one, text in zip(typed, printed, strict=True)
            if one.printed != ANYTHING and not console.is_as_said(one.printed, text.printed)] == []


def test_all_blocks_of_the_readme_are_typed() -> None:
    languages = [language for language, _ in console.all_blocks(README)]
    assert len(languages) == TEXT.count('code-block::') and '::\n' not in TEXT
    assert set(languages) == {'shell', 'console', 'python'}
    assert ('shell', LOGIN) in console.all_blocks(README)


def test_the_login_of_the_readme_asks_for_name_and_password(token_registry: Endpoint, clone: Path) -> None:
    login = LOGIN.replace('registry.example.com', token_registry.host)
    script = login + 'dxf push-blob fred/readme LICENCE'
    environ = {**os.environ, 'HOME': str(clone.parent), 'REQUESTS_CA_BUNDLE': str(token_registry.ca),
               'PATH': f'{clone.parent / "installed"}:/usr/bin:/bin', 'DOCKER_CONFIG': str(clone.parent / 'docker'),
               'DXF_PROGRESS': '0'}
    master, slave = pty.openpty()
    with subprocess.Popen(['setsid', '--ctty', 'bash', '-ec', script], stdin=slave, stdout=slave, stderr=slave,
                          cwd=clone, env=environ) as process:
        try:
            read_until(master, 'User name: ')
            os.write(master, f'{USERNAME}\n'.encode())
            read_until(master, 'Password: ')
            wait_for_no_echo(master)
            os.write(master, f'{PASSWORD}\n'.encode())
            assert 'stored in' in read_until(master, hash_file(str(ROOT / 'LICENCE')))
        finally:
            process.kill()
            os.close(slave)
            os.close(master)


def read_until(master: int, text: str) -> str:
    """Read what a terminal shows until a text has come; return all of it."""
    shown = ''
    while text not in shown:
        assert select.select([master], [], [], 120)[0], shown
        shown += os.read(master, 4096).decode(errors='replace')
    return shown


def wait_for_no_echo(master: int) -> None:
    """Wait until a terminal does not show what is typed."""
    deadline = time.monotonic() + 120
    while termios.tcgetattr(master)[3] & termios.ECHO:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_files_that_the_readme_links_are_there() -> None:
    targets = re.findall(r'<([^<>]+)>`_', TEXT) + re.findall(r'(?:image::|:target:) (\S+)', TEXT)
    assert 'docs/benchmarks.svg' in targets and len(targets) > 15
    assert [target for target in targets if '://' in target or not (ROOT / target).is_file()] == []


def test_every_page_of_the_documentation_is_linked_from_the_readme() -> None:
    # These show something only when Sphinx has built them.
    generated = {'index', 'api', 'changes', 'contributing', 'security', 'releasing'}
    pages = {str(file.relative_to(ROOT)) for file in (ROOT / 'docs').rglob('*.rst')
             if '_build' not in file.parts and file.stem not in generated}
    assert pages - set(re.findall(r'<([^<>]+)>`_', TEXT)) == set()


def test_the_first_screen_of_the_readme_holds_the_two_commands_and_the_session() -> None:
    screen = '\n'.join(TEXT.splitlines()[:40])
    wanted = ('make quickstart', 'make test', 'pip install .', 'export DXF_HOST=oci:./blobs',
              'echo hello | dxf push-blob demo/first - @hi', 'dxf pull-blob demo/first @hi')
    assert [line for line in wanted if line not in screen] == []


@pytest.mark.parametrize('page', sorted(str(file.relative_to(ROOT)) for file in
                                        [ROOT / 'README.rst', *(ROOT / 'docs').rglob('*.rst')]))
def test_no_page_installs_the_package_that_another_project_has_on_the_index(page: str) -> None:
    text = (ROOT / page).read_text('utf-8')
    told = 'It is not on the package index yet: there, ``pip install python-dxf`` still gives version 12.'
    assert 'pip install python-dxf' not in text.replace(told, '')


def test_the_readme_is_ready_for_a_package_index() -> None:
    """No tab, no trailing space, no line beyond 120 columns; each title as long as its rule."""
    lines = TEXT.splitlines()
    assert [line for line in lines if '\t' in line or line != line.rstrip() or len(line) > 120] == []
    for above, line in zip(lines, lines[1:], strict=False):
        if re.fullmatch(r'=+|-+|~+', line) and above:
            assert len(above) == len(line), above
