"""Verification: the stage that hands out the bytes of a blob, cuts, hashes and counts them.

It is the last stage on each way out: nothing after it changes, repeats or drops a byte. How the bytes arrive is not
known here.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from dxf.exceptions import DXFDigestMismatchError, DXFSizeMismatchError
from dxf.names import digest_of


class Cutter:
    """Cuts pieces into chunks of exactly ``chunk_size`` bytes, each byte copied a fixed number of times.

    :param chunk_size: 0 to leave the pieces as they are
    """

    def __init__(self, chunk_size: int) -> None:
        self._chunk_size = chunk_size
        self._held: bytes | bytearray = b''

    @property
    def held(self) -> bytes:
        """The bytes that came last and may be the end of the stream."""
        return bytes(self._held)

    def add(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece, and yield the chunks that have a byte behind them by now; the rest is held."""
        if not piece:
            return
        if not self._chunk_size:
            before, self._held = self._held, piece
            if before:
                yield bytes(before)
            return
        start = 0
        while len(self._held) + len(piece) - start > self._chunk_size:
            end = start + self._chunk_size - len(self._held)
            chunk = bytes(self._held + piece[start:end]) if self._held else piece[start:end]
            start, self._held = end, b''
            yield chunk
        self._hold(piece[start:])

    def _hold(self, rest: bytes) -> None:
        """Keep what is no whole chunk; an array that grows, as joining bytes anew would be quadratic."""
        if not self._held:
            self._held = rest
            return
        if isinstance(self._held, bytes):
            self._held = bytearray(self._held)
        self._held += rest


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
        self._sha256 = sha256
        self._holds_piece = holds_piece

    def chunks(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the blob.

        :param pieces: what arrives of it, in its order; it is closed in the end
        :raises DXFDigestMismatchError: it is something else
        :raises DXFSizeMismatchError: it is longer or shorter than ``size``
        """
        if self._sha256 is None:
            self._sha256 = hashlib.sha256()
        arrived, last = self._count, b''
        try:
            for piece in pieces:
                arrived += len(piece)
                if self._size is not None and arrived > self._size:
                    raise DXFSizeMismatchError(arrived, self._size)
                if self._holds_piece and piece:
                    piece, last = last, piece
                for chunk in self._cutter.add(piece):
                    yield self._counted(chunk)
        finally:
            if hasattr(pieces, 'close'):
                pieces.close()
        held = [self._counted(chunk) for chunk in self._cutter.add(last)]
        held.append(self._counted(self._cutter.held))
        self._check()
        yield from filter(None, held)

    def _check(self) -> None:
        if self._size is not None and self._count != self._size:
            raise DXFSizeMismatchError(self._count, self._size)
        if digest_of(self._sha256) != self._digest:
            raise DXFDigestMismatchError(digest_of(self._sha256), self._digest)

    def _counted(self, chunk: bytes) -> bytes:
        """Hash and count a chunk, and return it: it is handed out next."""
        self._sha256.update(chunk)
        self._count += len(chunk)
        return chunk

    def digest_so_far(self) -> str:
        """Return the digest of all that has arrived, what is held back included."""
        sha256 = hashlib.sha256() if self._sha256 is None else self._sha256.copy()
        sha256.update(self._cutter.held)
        return digest_of(sha256)
