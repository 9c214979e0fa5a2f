"""Chunks that are stored: a new one goes into a pack, zeros into none, and what is known already is named again."""

import hashlib
from collections.abc import Iterable

from dxf.snapshots.entries import Chunk, zeros
from dxf.snapshots.known_chunks import KnownChunks
from dxf.snapshots.pack_writer import PackWriter


class ChunkStore:
    """Stores chunks, each once.

    :param known: the chunks that are stored already
    """

    def __init__(self, known: KnownChunks, packs: PackWriter) -> None:
        self._known = known
        self._packs = packs
        self.new = 0
        """Bytes of the chunks that were not stored before; those that are only moved to another pack do not count."""

    def relocated(self, chunks: Iterable[Chunk]) -> tuple[Chunk, ...] | None:
        """Return where the chunks of an unchanged file are stored now: see :meth:`KnownChunks.relocated`."""
        return self._known.relocated(chunks)

    def store(self, content: bytes) -> Chunk:
        """Return where a chunk is stored; a new one is added to a pack."""
        if content[0] == 0 and not content.strip(b'\0'):
            return zeros(len(content))
        digest = hashlib.sha256(content).hexdigest()
        chunk = self._known.find(digest)
        if chunk is None:
            chunk = self._packs.add(content, digest)
            self.new += 0 if self._known.was_known(digest) else len(content)
            self._known.add(chunk)
        return chunk


def append(chunks: list[Chunk], chunk: Chunk) -> None:
    """Add a chunk to those of a file; a run of zeros makes the one before it longer."""
    if chunk.is_zeros and chunks and chunks[-1].is_zeros:
        chunk = zeros(chunk.size + chunks.pop().size)
    chunks.append(chunk)
