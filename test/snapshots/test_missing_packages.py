"""Packages of the extra ``snapshots`` that are missing: one line, with the command that installs them."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dxf import DXF, snapshots
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFError
from dxf.filesystem import RegistryFileSystem
from dxf.main import doit

FASTCDC, ZSTD = ('pyfastcdc',), ('backports.zstd', 'compression.zstd')
HOST = 'oci:registry'


def line(*command: str) -> str:
    """Return the line that a command prints which fails."""
    with pytest.raises(DXFError) as caught:
        doit(command, {'DXF_HOST': HOST})
    return line_of(caught.value)


def error(act: Callable[[], object]) -> str:
    """Return the line of an exception of the library."""
    with pytest.raises(DXFError) as caught:
        act()
    return line_of(caught.value)


def filesystem() -> RegistryFileSystem:
    """Return a new filesystem."""
    return RegistryFileSystem(HOST, skip_instance_cache=True)


USES: dict[str, Callable[[], str]] = {
    'backup': lambda: line('backup', 'fred/x', 'source', '@tree'),
    'backup of what is new': lambda: line('backup', 'fred/x', 'source', '@new'),
    'backup --dry-run': lambda: line('backup', 'fred/x', 'source', '@new', '--dry-run'),
    'push-blob': lambda: line('push-blob', '--delta', 'fred/x', 'source/large', '@stream'),
    'push-blob of what is new': lambda: line('push-blob', '--delta', 'fred/x', 'source/large', '@new'),
    'pull-blob': lambda: line('pull-blob', 'fred/x', '@stream', '-o', 'out'),
    'blob-size': lambda: line('blob-size', 'fred/x', '@stream'),
    'restore': lambda: line('restore', 'fred/x', '@tree', '--to', 'out'),
    'list-files': lambda: line('list-files', 'fred/x', '@tree'),
    'diff': lambda: line('diff', 'fred/x', '@tree', './source'),
    'verify': lambda: line('verify', 'fred/x', '@tree', '--read-packs'),
    'Snapshot.open': lambda: error(lambda: snapshots.load(DXF(HOST, 'fred/x'), 'tree').open('large')),
    'the listing of a folder': lambda: error(lambda: filesystem().ls('fred/x@tree')),
    'a file': lambda: error(lambda: filesystem().cat_file('fred/x@tree/large')),
}


@pytest.fixture(autouse=True)
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots of a folder, and of the file in it, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'source').mkdir()
    (tmp_path / 'source' / 'large').write_bytes(os.urandom(100_000))
    client = DXF(HOST, 'fred/x')
    snapshots.backup(client, ['source'], 'tree')
    snapshots.backup_stream(client, Path('source/large'), 'stream')
    (tmp_path / 'source' / 'large').write_bytes(os.urandom(100_000))


def check_all(missing: tuple[str, ...], package: str, uses: list[str]) -> None:
    """Check what all these uses say without some modules, and that nothing is half-done."""
    with pytest.MonkeyPatch.context() as patch:
        for module in missing:
            patch.setitem(sys.modules, module, None)
        for use in uses:
            expected = f"snapshots need {package}, which is not installed: pip install 'python-dxf[snapshots]'"
            assert (use, USES[use]()) == (use, expected)
    assert sorted(DXF(HOST, 'fred/x').list_aliases()) == ['stream', 'tree']
    assert sorted(os.listdir()) == ['registry', 'source']


def test_a_missing_zstd_is_one_line_with_the_command() -> None:
    check_all(ZSTD, 'zstd', list(USES))


def test_a_missing_pyfastcdc_is_one_line_with_the_command_of_what_cuts() -> None:
    check_all(FASTCDC, 'pyfastcdc', [use for use in USES if use.startswith(('backup', 'push-blob'))])


def test_what_only_reads_needs_no_pyfastcdc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'pyfastcdc', None)
    for command in (['restore', 'fred/x', '@tree', '--to', 'out'], ['pull-blob', 'fred/x', '@stream', '-o', 'large'],
                    ['verify', 'fred/x', 'out', '@tree', '--read-packs']):
        assert doit(command, {'DXF_HOST': HOST}) == 0
    assert Path('out/large').read_bytes() == Path('large').read_bytes()
