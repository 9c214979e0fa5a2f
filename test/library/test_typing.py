"""Types: a program that uses dxf passes mypy in its strictest form, without dxf's own configuration."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CONSUMER = HERE / 'consumer.py'


def mypy(program: Path, folder: Path, *options: str) -> tuple[int, str]:
    """Check a program in a folder of its own; return mypy's status and what it printed."""
    done = subprocess.run(
        [sys.executable, '-m', 'mypy', '--strict', '--config-file=', '--follow-imports=silent', '--cache-dir=cache',
         *options, str(program)], cwd=folder, env={**os.environ, 'MYPYPATH': str(HERE.parents[1])}, capture_output=True,
        text=True, timeout=600, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(name='folder', scope='module')
def make_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which mypy keeps what it has found out of dxf."""
    return tmp_path_factory.mktemp('consumer')


def test_a_program_that_uses_dxf_passes_mypy(folder: Path) -> None:
    program = folder / 'program.py'
    program.write_text(CONSUMER.read_text())
    assert mypy(program, folder) == (0, 'Success: no issues found in 1 source file\n')


WRONG = ['client.pull_blob("d").decode()', 'client.get_alias("a").items()', 'client.list_aliases().all()',
         'client.__enter__().nothing', 'Options(Limits())', 'DXF("registry.example.com")']


def test_a_wrong_use_of_what_a_caller_gets_is_an_error(folder: Path) -> None:
    program = folder / 'wrong.py'
    program.write_text('from dxf import DXF, Limits, Options\ndef wrong(client: DXF) -> None:\n'
                       + ''.join(f'    {line}\n' for line in WRONG))
    status, text = mypy(program, folder)
    found = {int(number) for number in re.findall(r'^wrong\.py:(\d+): error: ', text.replace(f'{folder}/', ''), re.M)}
    assert status == 1 and [line for number, line in enumerate(WRONG, 3) if number not in found] == [], text
