"""A file of ten bytes, and the ways in which files change while they are read: for the tests of what is uploaded.

Servers are not known here, nor is dxf beyond its errors.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dxf import hash_bytes
from dxf.exceptions import DXFSourceError

CONTENT = b'0123456789'
DIGEST = hash_bytes(CONTENT)


def written(directory: Path) -> Path:
    """Return the path of a new file that holds ``CONTENT``."""
    path = directory / 'content'
    path.write_bytes(CONTENT)
    return path


def append(path: Path) -> None:
    """Let a file grow."""
    with path.open('ab') as file:
        file.write(b'more')


def shrink(path: Path) -> None:
    """Cut a file off."""
    os.truncate(path, 7)


def vanish(path: Path) -> None:
    """Leave nothing of a file."""
    os.truncate(path, 0)


def rewrite(path: Path) -> None:
    """Change what a file holds, but not how much."""
    path.write_bytes(b'9876543210')


RESIZED: list[Callable[[Path], None]] = [append, shrink, vanish]
CHANGED = [*RESIZED, rewrite]


def got_from(stream: Iterator[bytes]) -> bytes:
    """Return what a stream yields before it says that its source changed."""
    got = b''
    with pytest.raises(DXFSourceError):
        for piece in stream:
            got += piece
    return got
