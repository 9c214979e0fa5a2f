"""Batches: the sources of one call. Equal files are sent once."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

from dxf.exceptions import DXFSourceError
from dxf.local.special_files import read_twice


class Batch:
    """The sources that one call uploads, several at once.

    :param sources: paths of files, and others
    :raises DXFSourceError: a source that can be read only once is given twice
    """

    def __init__(self, sources: Sequence[Any] = ()) -> None:
        _check_distinct(sources)
        # Only files of one size can be equal. Others can be hashed while they are sent.
        self._sizes: Counter[int] = Counter()
        for source in sources:
            if isinstance(source, (str, os.PathLike)):
                with suppress(OSError):  # raised where the file is opened
                    self._sizes[os.stat(source).st_size] += 1
        self._lock = Lock()
        self._turns: dict[str, Lock] = {}
        self._stored: set[str] = set()

    def may_repeat(self, size: int) -> bool:
        """Return whether another file of the batch has this size, and may be equal."""
        return self._sizes[size] > 1

    @contextmanager
    def turn(self, digest: str) -> Iterator[bool]:
        """Wait until no other thread uploads a blob; yield whether another has stored it."""
        with self._lock:
            # One lock for each digest: threads with other blobs do not wait.
            turn = self._turns.setdefault(digest, Lock())
        with turn:
            yield digest in self._stored
            # Skipped if the upload raised: the thread that waits sends the blob itself then.
            self._stored.add(digest)


def _check_distinct(sources: Sequence[Any]) -> None:
    """Check that no pipe, open file or generator is given twice: each of its readers would get a part.

    :raises DXFSourceError: one is
    """
    twice = read_twice(source for source in sources if isinstance(source, (str, os.PathLike)))
    if twice is not None:
        raise DXFSourceError(f'{twice} is given twice, and can be read only once')
    once = Counter(id(source) for source in sources if hasattr(source, 'read') or isinstance(source, Iterator))
    if once and max(once.values()) > 1:
        raise DXFSourceError('an open file or a generator is given twice, and can be read only once')
