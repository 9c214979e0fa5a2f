"""Start: help, wrong usage and every check of operands do without requests, and without what else is slow to load."""

import json
import os
import subprocess
import sys
from pathlib import Path

from dxf.cli.command_table import COMMANDS

SLOW = {'requests', 'urllib3', 'tqdm', 'jwcrypto', 'www_authenticate', 'dataclasses', 'email', 'http.client', 'logging',
        'socket', 'ssl', 'subprocess'}
"""What no check needs. requests takes longer to load than all of dxf."""

SCRIPT = """
import json, os, sys
before = set(sys.modules)
from dxf.main import main
rows, slow, report = json.loads(sys.argv[1])
found = []
for environ, arguments in rows:
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ['dxf', *arguments]
    status = main()
    found.append([status, sorted(set(slow) & sys.modules.keys() - before)])
with open(report, 'w') as file:
    json.dump(found, file)
"""

OPEN = {'DXF_HOST': '127.0.0.1:1', 'DXF_INSECURE': '1'}
FOLDER = {'DXF_HOST': 'oci:./missing'}

HELP: list[tuple[dict[str, str], list[str], int]] = [
    *(({}, [command.name, '--help'], 0) for command in COMMANDS),
    *(({}, [option], 0) for option in ('--help', '--help-env', '--version', '--completion=zsh')),
]
USAGE: list[tuple[dict[str, str], list[str], int]] = [
    ({}, [], 2), ({}, ['no-such-command'], 2), ({}, ['--no-such-option'], 2),
    *((OPEN, [command.name, '--no-such-option'], 2) for command in COMMANDS),
]
CHECKS: list[tuple[dict[str, str], list[str], int]] = [
    *(({}, [command.name, *['a'] * command.min_operands], 2) for command in COMMANDS),  # DXF_HOST is missing
    *((OPEN, [command.name, 'UPPER', *['a'] * (command.min_operands - 1)], 2) for command in COMMANDS
      if command.operands),
    ({'DXF_HOST': 'a b'}, ['list-repos'], 2),
    ({**OPEN, 'DXF_TIMEOUT': 'soon'}, ['list-repos'], 2),
    ({**OPEN, 'HTTP_PROXY': 'socks5://proxy.example.com'}, ['list-repos'], 2),
    ({**OPEN, 'DXF_SKIPTLSVERIFY': '1', 'DXF_TLSVERIFY': './missing'}, ['list-aliases', 'UPPER'], 2),
    ({**OPEN, 'DXF_AUTHORIZATION': 'a\nb'}, ['list-repos'], 2),
    ({**OPEN, 'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 'secret'}, ['list-repos'], 1),  # over http
    (OPEN, ['push-blob', 'a/b', './missing', '@may15'], 2),
    (OPEN, ['push-blob', 'a/b', '--resume', '-'], 2),
    (OPEN, ['push-blob', 'a/b', '@x', '@y', '--', 'true'], 2),
    (OPEN, ['pull-blob', 'a/b'], 2),  # standard input is empty
    (OPEN, ['pull-blob', 'a/b', 'may15'], 2),
    (OPEN, ['pull-blob', 'a/b', '@may15', '-o', './missing/blob'], 2),
    (OPEN, ['blob-size', 'a/b', 'may15'], 2),
    (OPEN, ['mount-blob', 'a/b', 'a/c', 'may15'], 2),
    (OPEN, ['del-blob', 'a/b', 'sha256:0'], 2),
    (OPEN, ['verify', 'a/b', './missing', 'may15'], 2),
    (OPEN, ['set-alias', 'a/b', 'may15', './missing'], 2),
    (OPEN, ['set-alias', 'a/b', 'may15', 'sha256:' + 64 * '0', '--if-match=may14'], 2),
    *((OPEN, [name, 'a/b', '@@may15'], 2) for name in (
        'get-alias', 'del-alias', 'get-digest', 'get-manifest', 'get-manifest-digest', 'inspect', 'referrers')),
    (OPEN, ['copy', 'a/b', 'may15'], 2),
    (OPEN, ['copy', 'a/b', 'may15', '--to=c d'], 2),
    (OPEN, ['copy', 'a/b', 'may15', '--to=example.com', '--platform=linux'], 2),
    (OPEN, ['push-files', 'a/b', 'may15', './missing'], 2),
    (OPEN, ['pull-files', 'a/b', 'may15', '--to='], 2),
    (OPEN, ['attach', 'a/b', 'may15', './missing', '--type=a/b'], 2),
    (OPEN, ['referrers', 'a/b', 'may15', '--type=a'], 2),
    (OPEN, ['gc', 'a/b'], 2), (OPEN, ['prune', 'a/b'], 2), (OPEN, ['prune', 'a/b', '--keep-within=x'], 2),
    (OPEN, ['prune', 'a/b', '--keep-last=1', '--time-format=%q'], 2),
    (OPEN, ['backup', 'a/b', './missing', '@may15'], 2),
    (OPEN, ['backup', 'a/b', '.', 'may15'], 2),
    (OPEN, ['restore', 'a/b', '@may15'], 2),
    (OPEN, ['restore', 'a/b', '@may15', '--to='], 2),
    (OPEN, ['list-files', 'a/b', '@@may15'], 2),
    (OPEN, ['login'], 2),
    (FOLDER, ['logout'], 2),
    (FOLDER, ['push-blob', '', './pyproject.toml'], 2),
    (FOLDER, ['list-repos'], 2),
]


def run(rows: list[tuple[dict[str, str], list[str], int]], slow: set[str], folder: Path) -> list[str]:
    """Run commands in one process, one after the other; return what each loaded that is slow, or its wrong status."""
    report = folder / 'report'
    given = json.dumps([[row[:2] for row in rows], sorted(slow), str(report)])
    subprocess.run([sys.executable, '-c', SCRIPT, given], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, cwd=folder, timeout=300, check=True,
                   env={**os.environ, 'PYTHONPATH': str(Path(__file__).parents[2])})
    found = json.loads(report.read_text('utf-8'))
    return [f'{arguments}: status {status}, loaded {loaded}'
            for (_, arguments, wanted), (status, loaded) in zip(rows, found, strict=True) if loaded or status != wanted]


def test_help_version_and_wrong_usage_load_nothing_that_is_slow(tmp_path: Path) -> None:
    assert run([*HELP, *USAGE], {*SLOW, 'tempfile', 'hashlib'}, tmp_path) == []


def test_every_check_of_operands_comes_before_requests_is_loaded(tmp_path: Path) -> None:
    assert run(CHECKS, SLOW, tmp_path) == []


def test_a_command_hardly_looks_for_cycles_among_the_objects_of_its_modules(tmp_path: Path) -> None:
    script = ('import gc, sys\nlooks = []\ngc.callbacks.append(lambda phase, _: looks.append(phase))\n'
              'from dxf.main import main\nsys.argv = ["dxf", "list-repos"]\nmain()\n'
              'with open("report", "w") as file:\n'
              '    print("requests" in sys.modules, looks.count("start"), gc.get_freeze_count(), file=file)')
    subprocess.run([sys.executable, '-c', script], stderr=subprocess.DEVNULL, cwd=tmp_path, timeout=300, check=True,
                   env={**os.environ, **OPEN, 'PYTHONPATH': str(Path(__file__).parents[2])})
    is_loaded, looks, frozen = (tmp_path / 'report').read_text('utf-8').split()
    assert is_loaded == 'True'
    assert int(looks) < 15  # by default it is 50
    assert int(frozen) > 20_000  # which the interpreter does not look at when it ends
