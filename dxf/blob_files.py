"""Blobs as files: opened by a digest, an alias, or the name of a file in it, and read or written.

``reading`` and ``writing`` have the files themselves.
"""

import io
import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

from dxf.exceptions import DXFInvalidNameError, DXFNotFoundError
from dxf.manifest_store import ManifestStore
from dxf.names import check_alias, check_blob
from dxf.parameters import checked
from dxf.transfer.pulling import Blob

if TYPE_CHECKING:
    from dxf.reading.blob_reader import BlobReader
    from dxf.reading.content import OpenBlob
    from dxf.writing import BlobWriter


class BlobFiles(ManifestStore):
    """A repository whose blobs can be opened as files. The parameters are those of :class:`dxf.DXF`."""

    @overload
    def open(self, name: str, mode: Literal['rb'] = 'rb', *, platform: str | None = None, verify: bool = False,
             cache: str | os.PathLike[str] | None = None) -> 'BlobReader': ...

    @overload
    def open(self, name: str, mode: Literal['wb']) -> 'BlobWriter': ...

    @overload
    def open(self, name: str, mode: str = 'rb', *, platform: str | None = None, verify: bool = False,
             cache: str | os.PathLike[str] | None = None) -> Any: ...

    @checked
    def open(self, name: str, mode: str = 'rb', *, platform: str | None = None, verify: bool = False,
             cache: str | os.PathLike[str] | None = None) -> Any:
        """Open what a name leads to, as a file.

        ``'rb'``: the file is fetched as it is read, and no more of it. Read from start to end, each blob is verified
        before its last bytes are handed out. Parts that are read at random cannot be verified, as a digest is that of a
        whole blob: open with ``verify`` where that matters. What an alias names is looked up once, here.

        ``'wb'``: what is written is stored when the file is closed, and not at all if an exception ends its ``with``
        block. Its ``digest`` is that of the blob then. An object around it that closes it, such as
        ``io.TextIOWrapper``, hides the exception, and what was written until then is stored.

        :param name: a digest; an alias, whose blobs are one file in their order; or ``alias/path``, the file of that
            name in it, as ``push_files`` stores them. To write: an alias that is set in the end, the digest that the
            blob must have, or the empty string for neither
        :param mode: ``'rb'`` or ``'wb'``
        :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's image
        :param verify: fetch the whole into the cache first, and verify it
        :param cache: the folder of that cache, an OCI image layout that processes may share; ``None`` for that of the
            environment variable DXF_CACHE, by default ``~/.cache/dxf``. It keeps ``Limits.cache`` bytes
        :return: an ``io.BufferedReader`` with ``pread(size, offset)``, ``size`` and ``digests``; or a file to write to
        :raises DXFNotFoundError: there is no such blob or alias; it is a ``FileNotFoundError`` too
        :raises DXFFileNotFoundError: the alias has no file of that name; it is a ``FileNotFoundError`` too
        :raises DXFIsADirectoryError: that is a folder
        :raises DXFDigestMismatchError: with ``verify``, a blob is something else; always, if it is said to be empty
        :raises ValueError: another mode
        """
        if mode == 'wb':
            return self._open_to_write(name)
        if mode != 'rb':
            raise io.UnsupportedOperation(f"mode {mode!r}: 'rb' reads, 'wb' writes, and what is stored never changes")
        return self.open_blobs(name, self._named_blobs(name, platform), cache, verify)

    def _named_blobs(self, name: str, platform: str | None) -> list[Blob]:
        """Return the blobs that a name leads to."""
        from dxf.reading import named_blobs
        if named_blobs.is_blob(name):
            return [(check_blob(name), None)]
        missing: DXFNotFoundError | None = None
        for reading in named_blobs.readings(self._host, name):
            try:
                return named_blobs.blobs_of(self.resolve(reading.reference, platform), reading)
            except DXFNotFoundError as error:
                missing = error
        raise missing or DXFInvalidNameError(f'invalid name {name!r}')

    @checked
    def open_blobs(self, name: str, blobs: list[Blob], cache: str | os.PathLike[str] | None = None,
                   verify: bool = False) -> 'BlobReader':
        """Open blobs as one file. See :meth:`open`.

        :param name: what the file is called
        :param blobs: their digests and sizes; the registry is asked for a size that is ``None``
        :raises DXFDigestMismatchError: a blob that is said to be empty has the digest of something else
        """
        from dxf.reading.blob_reader import BlobReader
        from dxf.reading.content import Content, remote_blob
        sized = list(zip((digest for digest, _ in blobs), self.sizes_of(blobs), strict=True))
        opened = self._cached(sized, cache) if verify else [remote_blob(self._puller, *blob) for blob in sized]
        return BlobReader(Content(opened), name)

    def _cached(self, blobs: list[tuple[str, int]], cache: str | os.PathLike[str] | None) -> 'list[OpenBlob]':
        """Fetch blobs into the cache, as far as it does not have them; return them as files."""
        from dxf.reading.disk_cache import DiskCache, default_folder
        disk = DiskCache(default_folder() if cache is None else os.fspath(cache), self._limits.cache)
        disk.check_space(sum(size for _, size in dict(blobs).items()))
        opened: list[OpenBlob] = []
        try:
            for digest, size in blobs:
                opened.append(disk.open(digest, size, partial(self._verified_chunks, (digest, size))))
        except BaseException:
            for blob in opened:
                blob.close()
            raise
        return opened

    def _verified_chunks(self, blob: Blob) -> Iterator[bytes]:
        return self._puller.one(blob, 0, True)[0]

    def _name_blob(self, alias: str, digest: str) -> None:
        """Set an alias that names one blob."""
        raise NotImplementedError

    def _open_to_write(self, name: str) -> 'BlobWriter':
        from dxf.reading import named_blobs
        from dxf.writing import BlobWriter
        if '/' in name:
            raise DXFInvalidNameError(f'{name!r} is a file of an alias: push_files stores files with names')
        digest = check_blob(name) if named_blobs.is_blob(name) else None
        alias = check_alias(name) if name and digest is None else None

        def store(chunks: Iterator[bytes]) -> str:
            stored = self.push_blob(data=chunks, digest=digest)
            if alias is not None:
                self._name_blob(alias, stored)
            return stored
        return BlobWriter(store, name)
