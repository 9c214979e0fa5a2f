"""Long paths: folders and files are opened in steps where a path is longer than a system takes."""

import os

STEP = 3000
"""Bytes of a path that are opened at once. Linux takes 4,096, and the path of a folder may stand before them."""

OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Parent:
    """The folder that a path is in, open in steps where the path is longer than a system takes.

    :param folder: the folder from which the path leads
    """

    def __init__(self, folder: bytes, path: bytes) -> None:
        self._folder = folder
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> tuple[int | None, bytes]:
        """Return the descriptor of the folder, ``None`` for the current one, and the rest of the path."""
        if not self._path:
            return None, self._folder
        rest = self._path
        start = self._folder
        while len(rest) > STEP:
            end = rest.rindex(b'/', 0, STEP)
            self._step(os.path.join(start, rest[:end]))
            start, rest = b'', rest[end + 1:]
        return self._descriptor, os.path.join(start, rest)

    def _step(self, path: bytes) -> None:
        old, self._descriptor = self._descriptor, None
        try:
            self._descriptor = os.open(path, OPEN_FOLDER, dir_fd=old)
        finally:
            if old is not None:
                os.close(old)

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Opened:
    """A file or a folder, open until it is left.

    :param flags: those of ``os.open``; the folder from which the path leads may be a link
    """

    def __init__(self, folder: bytes, path: bytes, flags: int) -> None:
        self._parent = Parent(folder, path)
        self._flags = flags if path else flags & ~os.O_NOFOLLOW
        self._descriptor = -1

    def __enter__(self) -> int:
        with self._parent as (folder, path):
            self._descriptor = os.open(path, self._flags, dir_fd=folder)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
