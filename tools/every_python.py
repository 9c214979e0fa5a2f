"""Run the tests on every CPython from 3.10 on, each in a venv of its own (make test-all).

Interpreters are looked for on PATH and in pyenv. One that does not start, as a shim of pyenv that points
nowhere, or that cannot make a venv, is passed over. The standard library is all that this script needs.
"""
from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = 10, 15
PACKAGING = [ROOT / 'setup.py', ROOT / 'pyproject.toml', ROOT / 'dxf' / 'version.py']

# Prints 3.12, or 3.13t for the build without a global lock; fails on all that cannot run the tests.
PROBE = f"""
import sys, ensurepip, venv
assert sys.implementation.name == 'cpython' and sys.version_info >= (3, {OLDEST})
print('%d.%d%s' % (*sys.version_info[:2], sys.abiflags), '%d.%d.%d' % sys.version_info[:3])
"""


def candidates() -> Iterator[str]:
    """Yield every path that may be a Python, those that the user's PATH prefers first."""
    for name in ['python3', *(f'python3.{minor}' for minor in range(OLDEST, NEWEST + 1))]:
        for folder in os.get_exec_path():
            found = shutil.which(name, path=folder)
            if found is not None:
                yield found
    if shutil.which('pyenv') is not None:
        pyenv = subprocess.run(['pyenv', 'root'], capture_output=True, text=True, check=True)
        for version in sorted(Path(pyenv.stdout.strip()).glob('versions/*/bin/python')):
            yield str(version)


def interpreters() -> dict[str, tuple[str, str]]:
    """Return ``{'3.12': (path, '3.12.1')}``: of each version the first that works; oldest first."""
    found: dict[str, tuple[str, str]] = {}
    for path in candidates():
        try:
            probe = subprocess.run([path, '-c', PROBE],
                                   capture_output=True, text=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            continue
        minor, full = probe.stdout.split()
        found.setdefault(minor, (path, full))
    return dict(sorted(found.items(), key=lambda item: [int(n) for n in item[1][1].split('.')]))


def prepare(minor: str, path: str) -> Path:
    """Make the venv of one interpreter unless it is there and up to date; return its Python."""
    venv = ROOT / '.venvs' / minor
    python, stamp = venv / 'bin' / 'python', venv / 'installed'
    if stamp.exists() and all(stamp.stat().st_mtime >= file.stat().st_mtime for file in PACKAGING):
        return python
    subprocess.run([path, '-m', 'venv', '--clear', str(venv)], check=True)
    pip = [str(python), '-m', 'pip', '--disable-pip-version-check', '-qq']
    subprocess.run([*pip, 'install', '-e', '.[test]'], cwd=ROOT, check=True)
    stamp.touch()
    return python


def passes(minor: str, path: str) -> bool:
    """Run the tests on one interpreter; say whether they passed."""
    try:
        python = prepare(minor, path)
        arguments = shlex.split(os.environ.get('PYTEST_ARGS', ''))
        subprocess.run([python, '-m', 'pytest', '-q', *arguments], cwd=ROOT, check=True)
    except subprocess.CalledProcessError:
        return False
    return True


def main() -> int:
    """Run them all, print a line for each, and return 1 if any failed."""
    found = interpreters()
    if not found:
        print(f'No CPython from 3.{OLDEST} on was found, on PATH or in pyenv', file=sys.stderr)
        return 1
    verdicts = []
    for minor, (path, full) in found.items():
        print(f'=== {full}: {path}', flush=True)
        verdict = 'passed' if passes(minor, path) else 'FAILED'
        verdicts.append(f'{verdict}  {full:8}  {path}')
    print('===', *verdicts, sep='\n')
    return int(any(line.startswith('FAILED') for line in verdicts))


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
