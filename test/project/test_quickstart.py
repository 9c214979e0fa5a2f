"""``make quickstart``: what it shows, and that what it says to type next works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..helpers import console

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / 'tools' / 'quickstart.py'


def run(*arguments: str, folder: Path, program: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run the demonstration, with a folder for what it writes."""
    environ = {**os.environ, 'TMPDIR': str(folder), 'DXF_HOST': 'registry.example.com', 'DXF_PASSWORD': 'unused'}
    return subprocess.run([program, str(QUICKSTART), *arguments], env=environ, cwd=ROOT, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(name='shown', params=['folder', 'registry'], scope='module')
def show(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What it prints."""
    folder = tmp_path_factory.mktemp('quickstart')
    done = run(*(['--registry'] if request.param == 'registry' else []), folder=folder)
    assert (done.returncode, done.stderr) == (0, '')
    assert not list(folder.iterdir())
    return done.stdout


def test_the_quickstart_shows_what_the_readme_says(shown: str) -> None:
    promised = {'a pipe': r'\| dxf push-blob \S+ - @',
                'several files under one name': r'\$ dxf push-blob \S+ \S+\.dat \S+\.dat @',
                'a download that breaks off and continues': r'\$ (dxf pull-blob .* -o .*)\nKilled\n(?:.*\n)*\$ \1\n',
                'a copy': r'\$ dxf copy .* --to oci:'}
    said = ' '.join((ROOT / 'README.rst').read_text('utf-8').split())
    assert [name for name in promised if name not in said] == []
    assert [name for name, pattern in promised.items() if not re.search(pattern, shown)] == []


def test_the_quickstart_explains_each_step_by_a_comment(shown: str) -> None:
    groups = shown.partition('\nThat was dxf.')[0].split('\n\n')
    assert len(groups) > 7
    assert [group for group in groups if not re.match(r'# (?:dxf|[A-Z]).*[.?]$', group.splitlines()[0])] == []
    assert [group for group in groups if '\n$ ' not in group] == []


def test_what_arrived_before_the_break_is_seen_and_is_gone_at_the_end(shown: str) -> None:
    before, after = shown.split('\nKilled\n')
    assert '.part' not in before
    listed = after.partition('$ ls -A\n')[2].partition('\n\n')[0].splitlines()
    assert [name for name in listed if re.fullmatch(r'\.week\.dat\.\w+\.part', name)] and 'week.dat' not in listed
    assert '$ cat week.dat\n21.5\n20.9\n' in after


def test_what_the_quickstart_says_to_type_next_works(shown: str, tmp_path: Path) -> None:
    lines = re.findall(r'^ {4}(.*)$', shown.partition('To try dxf yourself, type:')[2], re.MULTILINE)
    activate, *rest = lines
    programs = Path(sys.executable).parent
    assert os.path.samefile(ROOT / activate.removeprefix('. '), programs / 'activate')
    printed = console.run('\n'.join(['set -e', f'. "{programs}/activate"', *rest]), tmp_path, {'DXF_HOST': ''})
    assert printed == 'sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\nhello\n'


def test_the_quickstart_fails_by_one_line_where_dxf_is_not_installed(tmp_path: Path) -> None:
    program = tmp_path / 'python3'
    program.symlink_to(sys.executable)
    done = run(folder=tmp_path, program=str(program))
    assert done.returncode == 1
    assert done.stderr == f'quickstart: {tmp_path / "dxf"} is missing: run this by make quickstart\n'
    assert sorted(tmp_path.iterdir()) == [program]


@pytest.mark.parametrize('content', ['exit 7', 'echo nothing'], ids=['fails', 'prints something else'])
def test_the_quickstart_fails_where_a_command_does_not_do_what_it_should(tmp_path: Path, content: str) -> None:
    programs, folder = tmp_path / 'bin', tmp_path / 'folder'
    programs.mkdir()
    folder.mkdir()
    (programs / 'python3').symlink_to(sys.executable)
    (programs / 'dxf').write_text(f'#!/bin/sh\n{content}\n')
    (programs / 'dxf').chmod(0o755)
    done = run(folder=folder, program=str(programs / 'python3'))
    assert done.returncode == 1
    line, = done.stderr.splitlines()
    assert line.startswith('quickstart: dxf push-blob demo/readings monday.dat @monday: ')
    assert not list(folder.iterdir())


def test_make_lists_its_targets_and_the_first_steps_come_first() -> None:
    done = subprocess.run(['make'], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
                          env={**os.environ, 'MAKEFLAGS': '', 'MAKELEVEL': ''})
    listed = re.findall(r'^  make ([a-z-]+) +\S', done.stdout, re.MULTILINE)
    assert listed[:4] == ['help', 'quickstart', 'quickstart-registry', 'test']
    phony = re.search(r'^\.PHONY: (.*)$', (ROOT / 'Makefile').read_text('utf-8'), re.MULTILINE)
    assert phony is not None and set(listed) == set(phony[1].split()) - {'registry', 'programs', 'backup-tools'}
    assert [line for line in done.stdout.splitlines() if len(line) > 100] == []


def test_make_names_the_network_where_pip_cannot_install(tmp_path: Path) -> None:
    programs = tmp_path / '.venv' / 'bin'
    programs.mkdir(parents=True)
    (tmp_path / '.venv' / 'made').touch()
    (programs / 'python').write_text('#!/bin/sh\necho "no matching distribution" >&2\nexit 1\n')
    (programs / 'python').chmod(0o755)
    (tmp_path / 'dxf').mkdir()
    for name in ('Makefile', 'setup.py', 'pyproject.toml', 'dxf/version.py'):
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(['make', 'quickstart'], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, 'MAKEFLAGS': '', 'MAKELEVEL': ''})
    assert done.returncode == 2
    assert done.stderr.startswith('no matching distribution\npip could not install that. It needs the package index: ')
    assert not (tmp_path / '.venv' / 'run').exists()
