"""The cache on disk: blobs that were fetched whole and verified, for all processes of this machine.

It is an OCI image layout without aliases, so that every command can read it: ``DXF_HOST=oci:$DXF_CACHE``, and ``''`` as
the repository. Blobs that something in it names are never removed.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from dxf.layout.garbage import unnamed
from dxf.layout.store import Layout
from dxf.local.atomic_files import Temporary, open_regular
from dxf.local.locking import close_locked, remove_locked, wait_for_lock
from dxf.reading.content import OpenBlob, local_blob

ATTEMPTS = 3
"""How often a blob is fetched that another process removes before it could be opened."""


def default_folder() -> str:
    """Return the folder of the cache: that of DXF_CACHE, or ``dxf`` where programs of this user keep caches.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    base = os.environ.get('XDG_CACHE_HOME', '')
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser('~'), '.cache')
    return os.environ.get('DXF_CACHE') or os.path.join(base, 'dxf')


class DiskCache:
    """A folder with blobs.

    :param folder: its path; it is made where it is missing
    :param limit: bytes that all blobs may take together
    """

    def __init__(self, folder: str, limit: int) -> None:
        self._layout = Layout(folder, '')
        self._limit = limit

    def check_space(self, size: int) -> None:
        """Check that blobs of so many bytes may be in it at once.

        :raises OSError: they are too large
        """
        if size > self._limit:
            raise OSError(errno.EFBIG, f'the cache keeps {self._limit} bytes, and {size} are wanted: set '
                          'Limits(cache=...), or open without verify', self._layout.folder)

    def open(self, digest: str, size: int, fetch: Callable[[], Iterator[bytes]]) -> OpenBlob:
        """Return a blob as an open file; fetch it where it is missing.

        :param fetch: returns its verified content
        :raises OSError: it cannot be written or read
        """
        found = self._opened(digest, size)
        for _ in range(ATTEMPTS):
            if found is not None:
                return found
            with self._alone(digest):  # each other process that wants it waits, and finds it
                found = self._opened(digest, size)
                if found is None:
                    self._add(digest, fetch())
                    found = self._opened(digest, size)
            self._make_space(digest)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, 'another program removes blobs from the cache', self._layout.folder)
        return found

    def _opened(self, digest: str, size: int) -> OpenBlob | None:
        """Return a blob that is there, and note that it was used; ``None`` where it is missing or has another size."""
        try:
            file = open_regular(self._layout.blob_path(digest))
        except FileNotFoundError:
            return None
        if os.fstat(file.fileno()).st_size != size:
            file.close()
            return None
        with suppress(OSError):  # a cache of another user may be read all the same
            os.utime(file.fileno())
        return local_blob(file, digest, size)

    @contextmanager
    def _alone(self, digest: str) -> Iterator[None]:
        """Keep other processes from fetching the same blob."""
        self._layout.make()
        path = self._layout.path(f'.lock.{digest.partition(":")[2]}')
        lock = wait_for_lock(path)
        try:
            yield
        finally:
            remove_locked(lock, path)
            close_locked(lock)

    def _add(self, digest: str, chunks: Iterator[bytes]) -> None:
        with Temporary(self._layout.path()) as content:
            for chunk in chunks:
                content.write(chunk)
            content.sync()
            content.publish(self._layout.blob_path(digest))

    def _make_space(self, digest: str) -> None:
        """Remove the blobs that were not used for the longest time, until the rest is within the limit."""
        used: list[tuple[float, str, int]] = []
        for other in unnamed(self._layout):
            with suppress(FileNotFoundError):  # another process has just removed it
                status = os.stat(self._layout.blob_path(other))
                used.append((status.st_mtime, other, status.st_size))
        total = sum(size for _, _, size in used)
        for _, other, size in sorted(used):
            if total > self._limit and other != digest:
                self._layout.remove_blob(other)
                total -= size
