"""Archives with entries beyond POSIX, as GNU tar writes them: refused, and named for what they are."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from dxf import DXF, hash_bytes

from ..helpers.processes import Runner

REPO = 'fred/a'
TITLE = 'org.opencontainers.image.title'
UNPACK = 'io.deis.oras.content.unpack'


def archived(folder: Path, *options: str) -> bytes:
    """Return the tar of a folder ``d`` that has a file with a hole, as GNU tar makes it."""
    inner = folder / 'd'
    inner.mkdir()
    with (inner / 'hole').open('wb') as file:
        file.truncate(5 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b'end\n')
    return subprocess.run(['tar', *options, '-cf', '-', 'd'], cwd=folder, stdout=subprocess.PIPE, timeout=60,
                          check=True).stdout


def store(folder: Path, tar: bytes) -> Runner:
    """Store a tar as oras stores a folder, under the alias a; return what runs dxf."""
    blob = gzip.compress(tar)
    host = f'oci:{folder / "registry"}'
    with DXF(host, REPO) as client:
        manifest = {
            'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
            'config': {'mediaType': 'application/vnd.oci.empty.v1+json', 'size': 2,
                       'digest': client.push_blob(data=b'{}')},
            'layers': [{'mediaType': 'application/vnd.oci.image.layer.v1.tar+gzip', 'size': len(blob),
                        'digest': client.push_blob(data=blob), 'annotations': {TITLE: 'd', UNPACK: 'true'}}]}
        client.set_manifest('a', json.dumps(manifest))
    assert hash_bytes(blob) in json.dumps(manifest)
    return Runner({'DXF_HOST': host})


@pytest.mark.parametrize('options, said', [
    (['--format=gnu', '--sparse'], "'d/hole' is a sparse file"),
    (['--format=posix', '--sparse', '--sparse-version=0.0'], "'d/hole' is a sparse file"),
    (['--format=posix', '--sparse', '--sparse-version=0.1'], "'d/hole' is a sparse file"),
    (['--format=posix', '--sparse', '--sparse-version=1.0'], "'d/hole' is a sparse file"),
    (['--format=gnu', '--label=backup'], "'backup' is the label of a volume"),
    (['--format=gnu', '--listed-incremental=list'], 'is the list of a folder'),
], ids=lambda value: ' '.join(value) if isinstance(value, list) else '')
def test_an_extended_archive_is_named_for_what_it_is(tmp_path: Path, options: list[str], said: str) -> None:
    runner = store(tmp_path, archived(tmp_path, *options))
    line, = runner.run('pull-files', REPO, 'a', '--to', tmp_path / 'out').insist(1).lines
    assert line.startswith('dxf: unsupported archive: ') and said in line and 'pull-blob' in line
    assert 'device' not in line
    assert not list((tmp_path / 'out').rglob('*'))


def test_an_archive_that_has_a_pipe_is_still_unsafe(tmp_path: Path) -> None:
    (tmp_path / 'd').mkdir()
    os.mkfifo(tmp_path / 'd' / 'pipe')
    tar = subprocess.run(['tar', '-cf', '-', 'd'], cwd=tmp_path, stdout=subprocess.PIPE, timeout=60, check=True).stdout
    line, = store(tmp_path, tar).run('pull-files', REPO, 'a', '--to', tmp_path / 'out').insist(1).lines
    assert line == "dxf: unsafe archive: 'd/pipe' is a device or the like"


@pytest.mark.parametrize('form', ['gnu', 'posix', 'ustar'])
def test_an_archive_of_another_tool_without_extensions_is_unpacked(tmp_path: Path, form: str) -> None:
    runner = store(tmp_path, archived(tmp_path, f'--format={form}'))
    runner.run('pull-files', REPO, 'a', '--to', tmp_path / 'out').insist(0)
    assert (tmp_path / 'out/d/hole').read_bytes() == bytes(5 << 20) + b'end\n'
