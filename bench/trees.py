"""Trees: many files of text and of random bytes, the same in each run, and what changes in them in a night."""

import random
from collections.abc import Sequence
from pathlib import Path

MEAN = 14_900
"""Bytes that a file has on average: 24,000 of them have 341 MiB."""

MEDIAN, SPREAD, LARGEST = 3_600, 1.7, 8 << 20
"""Of the sizes, which are distributed by the normal law of their logarithms: many small ones, and a few large ones."""

IN_FOLDER = 60
"""Files of a folder."""

TEXT = 0.6
"""The part of the files that are text."""

EDITED, NEW = 0.012, 0.003
"""The parts of the files that change, and that are new, in a night. As many as are new are deleted."""

EDIT = 100
"""Bytes that an edit replaces; it inserts as many."""


class Tree:
    """A folder with files, which change.

    :param folder: it is made
    :param size: bytes of all files, about
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._random = random.Random(17)
        self._phrases = [' '.join(self._word() for _ in range(3)) for _ in range(20_000)]
        self._count = 0
        self.large = folder / 'large.bin'
        """A file of 1 MiB, half of it text."""
        self._paths = [self._add(length) for length in self._sizes(max(size // MEAN, 20), size)]
        half = min(1 << 19, size // 16)
        self.large.write_bytes(self._text(half) + self._random.randbytes(half))

    @property
    def files(self) -> int:
        """The number of files."""
        return len(self._paths) + 1

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(path.stat().st_size for path in (*self._paths, self.large))

    def _word(self) -> str:
        return ''.join(self._random.choices('aaabcdeeeefghiiklmnnoooprrsstttuvwy', k=self._random.randint(2, 9)))

    def _sizes(self, count: int, total: int) -> Sequence[int]:
        """Return sizes of files that have a sum."""
        sizes = [min(MEDIAN * self._random.lognormvariate(0, SPREAD), LARGEST) for _ in range(count)]
        factor = total / sum(sizes)
        return [int(size * factor) for size in sizes]

    def _text(self, size: int) -> bytes:
        return '\n'.join(self._random.choices(self._phrases, k=size // 20 + 1)).encode('ascii')[:size]

    def _add(self, size: int) -> Path:
        """Write one file more, and return its path."""
        number = self._count
        self._count += 1
        folder = self.folder / f'{number // IN_FOLDER // 20}' / f'{number // IN_FOLDER}'
        folder.mkdir(parents=True, exist_ok=True)
        is_text = self._random.random() < TEXT
        path = folder / f'{number}.{"txt" if is_text else "bin"}'
        path.write_bytes(self._text(size) if is_text else self._random.randbytes(size))
        return path

    def age(self) -> None:
        """Change what changes in a night."""
        for path in self._random.sample(self._paths, max(round(EDITED * len(self._paths)), 1)):
            self._edit(path)
        new = max(round(NEW * len(self._paths)), 1)
        for path in self._random.sample(self._paths, new):
            self._paths.remove(path)
            path.unlink()
        self._paths += [self._add(length) for length in self._sizes(new, new * MEAN)]

    def _edit(self, path: Path) -> None:
        """Replace some bytes in the middle of a file by twice as many."""
        content = path.read_bytes()
        start = self._random.randrange(len(content) + 1)
        path.write_bytes(content[:start] + self._text(2 * EDIT) + content[start + EDIT:])
