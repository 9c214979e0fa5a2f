"""Format the files of the repository (make format), or print what is not formatted (make lint).

pycodestyle finds the Python files that are not formatted, and autopep8 formats them. Other text files get no spaces at
the end of a line, and one line end at the end of the file.
"""
from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ('dxf', 'test', 'tools', 'bench', 'docs/conf.py', 'setup.py')
TEXT = ('*.rst', '*.toml', '*.yaml', '.editorconfig', '.gitattributes', '.gitignore', '.pylintrc', 'LICENCE',
        'MANIFEST.in', 'Makefile', '.ci/*', '.github/**/*.yml', 'docs/*.rst', 'docs/how-to/*.rst', 'tools/*.sh')
"""Pictures and the manual page are not in the list: other programs write them."""

# pycodestyle's own list, and two more: a closing bracket may stand where its line begins (E124), and pylint knows which
# lines may be long (E501).
STYLE = ('--max-line-length=120', '--ignore=E121,E123,E124,E126,E133,E226,E24,E501,E704,W503,W504')


def python_files(*, quiet: bool) -> tuple[str, ...]:
    """Return the Python files that are not formatted; print what is wrong in them unless ``quiet``."""
    command = [sys.executable, '-m', 'pycodestyle', *STYLE, *PYTHON]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not quiet:
        print(done.stdout, end='')
    if done.stderr:
        raise SystemExit(done.stderr)
    return tuple(dict.fromkeys(line.partition(':')[0] for line in done.stdout.splitlines()))


def text_files() -> Iterator[Path]:
    """Yield the other text files that are not formatted."""
    for pattern in TEXT:
        for file in sorted(ROOT.glob(pattern)):
            text = file.read_text('utf-8')
            if formatted(text) != text:
                yield file


def formatted(text: str) -> str:
    """Return a text without spaces at line ends, with one line end at its end."""
    return '\n'.join(line.rstrip() for line in text.rstrip().split('\n')) + '\n'


def check_files() -> int:
    """Print what is not formatted; return 1 if there is any."""
    python, text = python_files(quiet=False), list(text_files())
    for file in text:
        print(f'{file.relative_to(ROOT)}: spaces or empty lines at an end')
    if python or text:
        print('make format changes most of this', file=sys.stderr)
    return 1 if python or text else 0


def format_files() -> int:
    """Format all files; return 1 if something is left that a person must change."""
    files = python_files(quiet=True)
    if files:
        command = [sys.executable, '-m', 'autopep8', '--in-place', *STYLE, *files]
        subprocess.run(command, cwd=ROOT, check=True)
    for file in text_files():
        file.write_text(formatted(file.read_text('utf-8')), encoding='utf-8')
    return 1 if python_files(quiet=False) else 0


def main() -> int:
    """Format the files, or check them only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='change no file')
    return check_files() if parser.parse_args().check else format_files()


if __name__ == '__main__':
    sys.exit(main())
