"""The machine: what it is, and the versions of what was measured on it."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.contenders import Dxf
from bench.measuring import Command
from bench.report import Row
from bench.workspace import Server

PROGRAMS = {
    'docker-registry': ['--version'],
    'curl': ['--version'],
    'openssl': ['version'],
    'skopeo': ['--version'],
    'crane': ['version'],
    'restic': ['version'],
    'borg': ['--version'],
}
"""The arguments with which each tells its version."""


def describe(ours: Dxf, peer: Dxf, servers: Sequence[Server] = ()) -> list[Row]:
    """Return what the machine is and has, as pairs."""
    return [
        ('Processor', f'{_processor()}, {len(os.sched_getaffinity(0))} cores'),
        ('System', f'{platform.system()} {platform.release()}'),
        ('Python', f'{platform.python_implementation()} {platform.python_version()}'),
        ('dxf', version_of(ours.command('--version'))),
        ('The peer', f'{peer.name}, from PyPI'),
        *_versions(),
        *(('Second registry', server.name) for server in servers if server.path is not None),
    ]


def _processor() -> str:
    for line in Path('/proc/cpuinfo').read_text('utf-8').splitlines():
        name, _, value = line.partition(':')
        if name.strip() == 'model name':
            return ' '.join(value.split())
    return platform.machine()


def _versions() -> Iterator[Row]:
    for name, arguments in PROGRAMS.items():
        path = shutil.which(name)
        if path is None:
            yield name, 'not on this machine'
        else:
            yield name, version_of([path, *arguments])


def version_of(command: Command) -> str:
    """Return the first version number that a command prints."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=True)
    found = re.search(r'\d+(\.\d+)+\S*', done.stdout)
    return done.stdout.strip() if found is None else found[0]
