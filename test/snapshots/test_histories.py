"""Histories: random trees and random edits; each snapshot that was stored restores what its source was."""

import os
import random
import shutil
import stat
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxf import DXF, snapshots
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.trees import described

NAMES = [b'a', b'a-', b'a0', b'b', b'\xff\xfe', 'größe'.encode(), b'new\nline', b'x' * 253, b'-- "q\\']
SIZES = [0, 1, 5000, 16384, 16385, 70_000, 400_000]
MODES = [0o644, 0o600, 0o755, 0o444]


class Editor:
    """Edits a tree at random."""

    def __init__(self, root: Path, seed: int) -> None:
        self._root = os.fsencode(root)
        self._random = random.Random(seed)

    def tosses(self) -> bool:
        """Return one of two answers."""
        return self._random.random() < 0.5

    def choose(self, names: list[str]) -> str:
        """Return one of several names."""
        return self._random.choice(names)

    def edit(self) -> None:
        """Change something."""
        self._random.choice([self._write, self._write, self._write, self._patch, self._link, self._hardlink,
                             self._remove, self._make_folder, self._rename, self._change_mode, self._write_sparse])()

    def _folders(self) -> list[bytes]:
        return sorted(folder for folder, _, _ in os.walk(self._root))

    def _files(self) -> list[bytes]:
        return sorted(path for folder, _, names in os.walk(self._root) for name in names
                      if stat.S_ISREG(os.lstat(path := os.path.join(folder, name)).st_mode))

    def _new(self) -> bytes:
        """Return a path at which nothing is."""
        while True:
            path = os.path.join(self._random.choice(self._folders()), self._random.choice(NAMES) + b'%d' %
                                self._random.randrange(20))
            if not os.path.lexists(path) and len(os.path.basename(path)) < 256:
                return path

    def _write(self) -> None:
        path = self._new()
        size = self._random.choice(SIZES)
        content = self._random.randbytes(size) if self._random.random() < 0.7 else b'the same text\n' * (size // 14)
        with open(path, 'wb') as file:
            file.write(content)
        os.utime(path, ns=(0, self._random.randrange(-10 ** 12, 10 ** 18)))

    def _patch(self) -> None:
        if files := self._files():
            with open(path := self._random.choice(files), 'r+b') as file:
                file.seek(self._random.randrange(os.path.getsize(path) + 1))
                file.write(self._random.randbytes(self._random.randrange(3000)))

    def _write_sparse(self) -> None:
        with open(self._new(), 'wb') as file:
            file.seek(self._random.randrange(1 << 20))
            file.write(self._random.randbytes(100))
            file.truncate(file.tell() + self._random.randrange(1 << 20))

    def _link(self) -> None:
        os.symlink(self._random.choice([b'a', b'../b', b'/etc', b'\xff']), self._new())

    def _hardlink(self) -> None:
        if files := self._files():
            os.link(self._random.choice(files), self._new())

    def _remove(self) -> None:
        path = self._random.choice(self._folders()[1:] + self._files() or [b''])
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif path:
            os.unlink(path)

    def _make_folder(self) -> None:
        os.mkdir(self._new())

    def _rename(self) -> None:
        if files := self._files():
            os.rename(self._random.choice(files), self._new())

    def _change_mode(self) -> None:
        if files := self._files():
            os.chmod(self._random.choice(files), self._random.choice(MODES))


@pytest.fixture(name='paths', scope='module')
def make_paths() -> 'count[int]':
    """Numbers of the folders of this module's histories."""
    return count()


@pytest.fixture(name='root', scope='module')
def make_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all histories."""
    return tmp_path_factory.mktemp('histories')


def prune(client: DXF, alias: str, stored: dict[str, Any]) -> None:
    """Delete a snapshot, and all blobs that only it needs."""
    digest = client.manifest_digest(alias)
    client.del_alias(alias)
    if digest not in [client.manifest_digest(other) for other in client.list_aliases()]:
        del stored[digest]
    assert doit(['gc', client.repo, '--delete'], {'DXF_HOST': client.host}) == 0


def follow(client: DXF, root: Path, seed: int, nights: int) -> None:
    """Edit a tree night after night, and store it each time; insist that every snapshot restores what it was.

    In a folder, snapshots are deleted in between.
    """
    source = root / 'source'
    source.mkdir(parents=True)
    editor = Editor(source, seed)
    stored: dict[str, dict[bytes, tuple[Any, ...]]] = {}
    for night in range(nights):
        for _ in range(8):
            editor.edit()
        before = described(source)
        parent = f'night{night - 1}' if night and f'night{night - 1}' in client.list_aliases() else None
        assert snapshots.backup(client, [str(source)], f'night{night}', parent=parent).unread == ()
        stored[client.manifest_digest(f'night{night}')] = before
        if client.host.startswith('oci:') and editor.tosses():
            prune(client, editor.choose(client.list_aliases()), stored)
    for number, (digest, before) in enumerate(stored.items()):
        snapshots.load(client, digest).restore(str(root / f'restored{number}'))
        assert described(root / f'restored{number}') == before
    shutil.rmtree(root)


@settings(max_examples=8)
@given(seed=st.integers(0, 2 ** 32), small_packs=st.booleans())
def test_each_snapshot_of_a_random_history_restores_its_source(root: Path, paths: 'count[int]', seed: int,
                                                               small_packs: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if small_packs:  # so that they are full, and written anew, in small trees too
            patch.setattr('dxf.snapshots.pack_writer.MIN_PACK', 60_000)
            patch.setattr('dxf.snapshots.pack_writer.MOST_KEPT', 4)
            patch.setattr('dxf.snapshots.pack_writer.LEFT_KEPT', 2)
        own = root / str(next(paths))
        follow(DXF(f'oci:{own}/registry', 'fred/backup'), own / 'work', seed, 5)


def test_a_history_on_a_registry_restores_its_sources(open_registry: Endpoint, repo: str, tmp_path: Path) -> None:
    with open_registry.dxf(repo) as client:
        follow(client, tmp_path / 'work', 1, 3)
