"""Golden snapshots: those that an earlier dxf wrote stay readable for ever, by dxf and by the reader of the docs."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, hash_bytes, snapshots

from ..helpers.console import DOCS
from ..helpers.trees import described

GOLDEN = Path(__file__).parent / 'golden'
NEW_FILE = '4362af30'
"""How the hash of the file in ``packs`` begins whose content is random."""


def sha(content: bytes) -> str:
    """Return how the hash of a file's content begins."""
    return hashlib.sha256(content).hexdigest()[:8]


def counted(number: int) -> bytes:
    """Return the content of a file of ``packs``."""
    return b'%d' % number * 700 + bytes(range(256)) * 3


TEXT = b'readings of May 15th\n' * 1000
SAME = (b'a/text', b'again')
TREES: dict[str, dict[bytes, tuple[Any, ...]]] = {
    'empty': {},
    'kinds': {
        b'a': ('folder', 0o755, 1700000004000000000), b'a/b': ('folder', 0o700, 1700000003000000000),
        b'a/few': ('file', 0o600, -1500000000, sha(b'21.5\n')), b'a/empty': ('file', 0o755, 0, sha(b'')),
        b'a-': ('file', 0o644, 4102444800000000001, sha(b'21.5\n')),
        b'a/text': ('file', 0o644, 1700000000123456789, sha(TEXT), *SAME),
        b'again': ('file', 0o644, 1700000000123456789, sha(TEXT), *SAME),
        b'link': ('link', b'a/text', 1700000001000000000), b'link64': ('link', b'\xff', 1700000002000000000),
        b'sparse': ('file', 0o644, 1, sha(bytes(100_000) + b'21.7\n' + bytes(199_995))),
        b'\xff\n': ('file', 0o644, 5, sha(b'bytes'))},
    'packs': {
        b'0': ('file', 0o644, 0, sha(counted(0))), b'1': ('file', 0o644, 9, sha(b'new')),
        b'2': ('file', 0o644, 2, sha(counted(2))), b'3': ('file', 0o644, 9, NEW_FILE)},
}


def shortened(tree: dict[bytes, tuple[Any, ...]], has_times_of_links: bool = True) -> dict[bytes, tuple[Any, ...]]:
    """Return a tree with the beginnings of its hashes, and without the times of links, which the reader leaves."""
    return {path: (*entry[:3], entry[3][:8], *entry[4:]) if entry[0] == 'file' else
            entry[:2] if entry[0] == 'link' and not has_times_of_links else entry for path, entry in tree.items()}


@pytest.fixture(name='client')
def make_client(tmp_path: Path) -> DXF:
    """A folder that is a layout."""
    return DXF(f'oci:{tmp_path}', 'layout')


def store(client: DXF, name: str) -> None:
    """Store a golden snapshot as it was written down."""
    golden = json.loads((GOLDEN / f'{name}.json').read_text('ascii'))
    for blob in golden['blobs']:
        client.push_blob(data=base64.b64decode(blob))
    client.set_manifest('golden', golden['manifest'])


DIGESTS = {
    'empty': 'sha256:4b827e4697f6e3eba38985f22006baf6ab408fb997b3c769ddb77b3558fd5041',
    'kinds': 'sha256:b6d1dd625d0b7a592a75e284f1645314d73894d515e401733b8ab9c415d84329',
    'packs': 'sha256:237b19749cb5393c7ccd2fb96b2023d1ef61678bc13564482dbfed97ddd7906d',
    'stream': 'sha256:06c902d78f4b475b698204d80fbcef18a90dff7d9c89515b3847b62643e1fee0',
}

STREAM = (b'night 2\n' * 1000).ljust(3 << 18, b'\0') + bytes(range(256))


@pytest.mark.parametrize('name', DIGESTS)
def test_a_golden_snapshot_is_what_it_was(client: DXF, name: str) -> None:
    store(client, name)
    assert hash_bytes(client.get_manifest('golden', None).encode()) == DIGESTS[name]  # type: ignore[union-attr]


@pytest.mark.parametrize('name', TREES)
def test_a_golden_snapshot_is_restored(client: DXF, name: str, tmp_path: Path) -> None:
    store(client, name)
    snapshots.load(client, 'golden').restore(str(tmp_path / 'out'))
    assert shortened(described(tmp_path / 'out')) == TREES[name]


def test_a_golden_stream_is_put_together(client: DXF, tmp_path: Path) -> None:
    store(client, 'stream')
    stream = snapshots.load(client, 'golden').stream()
    assert b''.join(stream.read()) == STREAM
    assert b''.join(stream.part(7990, 8010)) == STREAM[7990:8010]
    stream.to_file(str(tmp_path / 'out'))
    assert (tmp_path / 'out').read_bytes() == STREAM


def test_the_reader_of_the_documentation_puts_a_golden_stream_together(client: DXF, tmp_path: Path) -> None:
    store(client, 'stream')
    subprocess.run([sys.executable, '-I', DOCS / 'snapshot-reader.py', tmp_path / 'layout', 'golden', tmp_path / 'out'],
                   check=True, timeout=60)
    assert (tmp_path / 'out').read_bytes() == STREAM


@pytest.mark.parametrize('name', TREES)
def test_the_reader_of_the_documentation_restores_a_golden_snapshot(client: DXF, name: str, tmp_path: Path) -> None:
    store(client, name)
    reader = DOCS / 'snapshot-reader.py'
    assert len(reader.read_text('ascii').splitlines()) <= 60
    subprocess.run([sys.executable, '-I', reader, tmp_path / 'layout', 'golden', tmp_path / 'out'], check=True,
                   timeout=60)
    assert shortened(described(tmp_path / 'out'), False) == shortened(TREES[name], False)
