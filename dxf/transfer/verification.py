"""Verification: the stage that hands out the bytes of a blob, hashes, cuts and counts them.

It is the last stage on each way out: nothing after it changes, repeats or drops a byte. How the bytes arrive is not
known here.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from dxf.exceptions import DXFDigestMismatchError, DXFSizeMismatchError
from dxf.names import digest_of
from dxf.transfer.background_hash import BackgroundHash
from dxf.transfer.cutter import Cutter


class Verifier:
    """Hands out one blob in chunks, the last one only when the size and the digest of all of them are right.

    :param digest: the blob's
    :param size: the blob's, in bytes; ``None`` where the digest alone decides
    :param chunk_size: bytes of every chunk but the last; 0 for pieces as they arrive
    :param start: bytes that the reader has already
    :param sha256: their hash
    :param holds_piece: hold back the whole piece that arrived last: a wrong blob that came as one piece yields nothing
    """

    def __init__(self, digest: str, size: int | None, chunk_size: int, start: int = 0, sha256: Any = None,
                 holds_piece: bool = False) -> None:
        self._digest = digest
        self._size = size
        self._cutter = Cutter(chunk_size)
        self._count = start
        self._hash = BackgroundHash(sha256)
        self._holds_piece = holds_piece

    def chunks_of(self, fetch: Callable[[Callable[[], str]], Iterable[bytes]]) -> Generator[bytes, None, None]:
        """Yield the blob, each piece verified before the next one is asked for.

        :param fetch: begins the download; it is handed a function that returns the digest of all that has arrived
        """
        return self.chunks(fetch(self.digest_so_far))

    def chunks(self, pieces: Iterable[bytes]) -> Generator[bytes, None, None]:
        """Yield the blob.

        :param pieces: what arrives of it, in its order; it is closed in the end
        :raises DXFDigestMismatchError: it is something else
        :raises DXFSizeMismatchError: it is longer or shorter than ``size``
        """
        arrived, last = self._count, b''
        try:
            for piece in pieces:
                arrived += len(piece)
                # Before the piece is cut: no byte behind the end is handed out.
                if self._size is not None and arrived > self._size:
                    raise DXFSizeMismatchError(arrived, self._size)
                if self._holds_piece and piece:
                    piece, last = last, piece
                yield from self._cut(piece)
            held = [*(self._cut(last) if last else ()), self._counted(self._cutter.held)]
            self._check(arrived)
        finally:
            self._hash.close()
            if hasattr(pieces, 'close'):
                pieces.close()
        yield from filter(None, held)

    def _cut(self, piece: bytes) -> Iterator[bytes]:
        """Hash a piece, and yield the chunks that it completes: slices of the bytes that are hashed."""
        self._hash.add(piece)
        return map(self._counted, self._cutter.add(piece))

    def _counted(self, chunk: bytes) -> bytes:
        """Count a chunk, and return it: it is handed out next."""
        self._count += len(chunk)
        return chunk

    def _check(self, arrived: int) -> None:
        """Check what was handed out, and what is to be handed out last."""
        if self._count != (arrived if self._size is None else self._size):
            raise DXFSizeMismatchError(self._count, self._size)
        digest = digest_of(self._hash.result())
        if digest != self._digest:
            raise DXFDigestMismatchError(digest, self._digest)

    def digest_so_far(self) -> str:
        """Return the digest of all that has arrived, what the cutter holds included; not where a piece is held back."""
        return digest_of(self._hash.result())
