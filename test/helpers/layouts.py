"""Image layouts in folders, as tests look at them from outside and spoil them. Dxf's own rooms are not known here."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from .processes import Runner

REPO = 'fred/datalogger'
NAME = 'org.opencontainers.image.ref.name'


def entries(layout: Path) -> list[Any]:
    """Return what the index of a layout names."""
    named: list[Any] = json.loads((layout / 'index.json').read_text('utf-8'))['manifests']
    return named


def enter(layout: Path, *added: Any) -> None:
    """Add entries to the index of a layout."""
    index = json.loads((layout / 'index.json').read_text('utf-8'))
    index['manifests'] += added
    (layout / 'index.json').write_text(json.dumps(index), encoding='utf-8')


SIZES: dict[str, int] = {}
"""Bytes of what :func:`put` has put into layouts, by digest."""


def put(layout: Path, content: Any, method: str = 'sha256') -> str:
    """Put a blob into a layout, as another tool would, and return its digest.

    :param content: bytes, or a document that becomes JSON
    """
    content = content if isinstance(content, bytes) else json.dumps(content).encode('utf-8')
    value = hashlib.new(method, content).hexdigest()
    path = layout / 'blobs' / method / value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    SIZES[f'{method}:{value}'] = len(content)
    return f'{method}:{value}'


def blobs(layout: Path) -> set[str]:
    """Return the digests of the blobs of a layout."""
    return {f'sha256:{path.name}' for path in (layout / 'blobs' / 'sha256').iterdir()}


def snapshot(folder: Path) -> dict[str, Any]:
    """Return all that is in a folder: its files with their content, links with their target, folders."""
    return {str(path): os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            for path in [folder, *folder.rglob('*')] if os.path.lexists(path)}


def bound(runner: Runner) -> Runner:
    """Return a runner that permissions bind, also where the tests are run by root."""
    if os.geteuid():
        return runner
    return Runner(runner.environ, ('setpriv', '--bounding-set', '-dac_override,-dac_read_search', '--'))


def under(runner: Runner, limit: str) -> Runner:
    """Return a runner under a limit or a mask of the shell: ``ulimit -f 8``, ``umask 027``.

    Its coverage is not measured: a limit would be in the way of what that writes.
    """
    return Runner(runner.environ, ('sh', '-c', f'unset COVERAGE_PROCESS_CONFIG; {limit}; exec "$@"', 'sh'))
