"""Edits at random: of a tree of files, and of a stream."""

import io
import os
import random
import shutil
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

NAMES = [b'a', b'a-', b'a0', b'b', b'\xff\xfe', 'größe'.encode(), b'new\nline', b'x' * 253, b'-- "q\\']
SIZES = [0, 1, 5000, 16384, 16385, 70_000, 400_000]
MODES = [0o644, 0o600, 0o755, 0o444]


class Editor:
    """Edits a tree at random."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self._root = os.fsencode(root)
        self._random = chance

    def edit(self) -> None:
        """Change something."""
        self._random.choice([*[self._write] * 3, *[self._patch] * 3, self._link, self._hardlink, self._remove,
                             self._make_folder, self._rename, self._change_mode, self._write_sparse])()

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
                start = self._random.randrange(os.path.getsize(path) + 1)
                most = self._random.choice([os.path.getsize(path) - start, 3000])  # the size often stays
                file.seek(start)
                file.write(self._random.randbytes(min(most, 3000)))

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


def edited(content: bytes, chance: random.Random, tree: Path) -> bytes:
    """Return the content of a stream after an edit; it may become a tar of a tree."""
    start = chance.randrange(len(content) + 1)
    new = chance.randbytes(chance.choice([1, 3000, 80_000]))
    edits: list[Callable[[], bytes]] = [
        lambda: content[:start] + new + content[start:],
        lambda: content[:start] + new + content[start + len(new):],
        lambda: content[:start] + bytes(chance.randrange(200_000)) + content[start:],
        lambda: content[start:],
        lambda: content + new,
        lambda: tar_of(tree),
    ]
    return chance.choice(edits)()[-600_000:]


def tar_of(tree: Path) -> bytes:
    """Return a tar of all that is in a folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w') as tar:
        tar.add(tree, '.')
    return file.getvalue()
