"""Console sessions in the documentation: what stands in them, and what a shell makes of it."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[2] / 'docs'
MARK = '=-=-= next =-=-='
"""Printed before each command: no output has it."""


class Typed(NamedTuple):
    """A command of a session, and what the page says that it prints."""

    command: str
    printed: str


def all_blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text, dedented, of all code blocks of a page, in their order."""
    pattern = r'^( *)\.\. code-block:: (\w+)\n\n((?:\1 +\S.*\n|\n)+)'
    return [(found[2], textwrap.dedent(found[3]).strip('\n') + '\n')
            for found in re.finditer(pattern, (DOCS / page).read_text('utf-8') + '\n', re.MULTILINE)]


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page in one language, dedented, in their order."""
    return [text for found, text in all_blocks(page) if found == language]


def session(page: str) -> list[Typed]:
    """Return all that is typed on a page, with what it prints: ``$`` begins a command, ``>`` goes on with it."""
    return parse_session(''.join(blocks(page, 'console')))


def parse_session(text: str) -> list[Typed]:
    """Return the commands of a console block, each with what it prints."""
    typed: list[Typed] = []
    for line in text.splitlines():
        if line.startswith('$ '):
            typed.append(Typed(line[2:] + '\n', ''))
        elif line.startswith('>') and not typed[-1].printed:
            typed[-1] = typed[-1]._replace(command=typed[-1].command + line[2:] + '\n')
        else:
            typed[-1] = typed[-1]._replace(printed=typed[-1].printed + line + '\n')
    return typed


def run(script: str, folder: Path, environ: dict[str, str]) -> str:
    """Run a script by one bash; return what it wrote to standard output and error, in the order of a terminal."""
    done = subprocess.run(['bash', '-c', script], cwd=folder, env={**os.environ, **environ}, check=False, timeout=900,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.decode()


def retype(typed: list[Typed], folder: Path, environ: dict[str, str]) -> list[Typed]:
    """Run commands by one bash, as one after the other is typed; return each with what it really printed."""
    script = ''.join(f'printf %s "{MARK}"\n{one.command}' for one in typed)
    printed = run(script, folder, environ).split(MARK)
    assert printed[0] == '' and len(printed) == len(typed) + 1
    return [Typed(one.command, text) for one, text in zip(typed, printed[1:], strict=True)]


def is_as_said(said: str, printed: str) -> bool:
    """Say whether output is what a page says, in which ``...`` stands for any text within a line."""
    return re.fullmatch('[^\n]*'.join(map(re.escape, said.split('...'))), printed) is not None
