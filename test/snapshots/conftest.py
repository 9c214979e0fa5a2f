"""Fixtures of the tests about snapshots."""

from pathlib import Path

import pytest

from dxf import DXF

from ..helpers.endpoints import Endpoint


@pytest.fixture(name='client')
def make_client(folder: Endpoint, repo: str) -> DXF:
    """A repository in a folder."""
    return folder.dxf(repo)


@pytest.fixture(name='source')
def make_source(tmp_path: Path) -> Path:
    """A folder with two files."""
    source = tmp_path / 'source'
    (source / 'a').mkdir(parents=True)
    (source / 'a' / 'x').write_bytes(b'21.5\n' * 9000)
    (source / 'b').write_bytes(b'21.7\n')
    return source
