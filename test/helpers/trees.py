"""Trees of files: what is in a folder, told so that two can be compared."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Any


def described(folder: Path | bytes) -> dict[bytes, tuple[Any, ...]]:
    """Return all that is in a folder, by its path: its kind, mode, time and content; files with several names by these.
    """
    root = os.fsencode(folder)
    found: dict[bytes, tuple[Any, ...]] = {}
    names: dict[tuple[int, int], list[bytes]] = {}
    waiting = [b'']
    while waiting:
        path = waiting.pop()
        for name in os.listdir(os.path.join(root, path)):
            inner = os.path.join(path, name)
            status = os.lstat(os.path.join(root, inner))
            found[inner] = _entry(os.path.join(root, inner), status)
            if stat.S_ISDIR(status.st_mode):
                waiting.append(inner)
            elif status.st_nlink > 1:
                names.setdefault((status.st_dev, status.st_ino), []).append(inner)
    for same in names.values():
        for inner in same:
            found[inner] += tuple(sorted(same))
    return found


def _entry(path: bytes, status: os.stat_result) -> tuple[Any, ...]:
    if stat.S_ISLNK(status.st_mode):
        return 'link', os.readlink(path), status.st_mtime_ns
    if stat.S_ISDIR(status.st_mode):
        return 'folder', stat.S_IMODE(status.st_mode), status.st_mtime_ns
    with open(path, 'rb') as file:
        return 'file', stat.S_IMODE(status.st_mode), status.st_mtime_ns, hashlib.sha256(file.read()).hexdigest()
