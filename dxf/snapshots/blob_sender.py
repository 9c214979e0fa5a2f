"""Sends the packs and the index of a snapshot, and counts their bytes; or only counts them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dxf.local.file_hash import hash_descriptor

if TYPE_CHECKING:
    from dxf.client import DXF


class BlobSender:
    """Stores blobs, one at a time.

    :param progress: called as ``progress(digest, chunk, size)`` for what is sent; ``None`` to send nothing
    """

    def __init__(self, repository: 'DXF', progress: Callable[..., object] | None) -> None:
        self._repository = repository
        self._progress = progress
        self.sent = 0
        """Bytes that were sent, or would be."""

    def send(self, file: Any, size: int) -> str:
        """Store an open file; return its digest."""
        progress = self._progress
        if progress is None:
            self.sent += size
            return hash_descriptor(file.fileno())

        def report(digest: str, chunk: bytes, *_: object) -> None:
            self.sent += len(chunk)
            progress(digest, chunk, size)
        return self._repository.push_blob(data=file, progress=report)
