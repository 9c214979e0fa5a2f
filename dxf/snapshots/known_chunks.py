"""Known chunks: where the registry has the chunks of the last snapshot, and those that were sent since."""

from collections.abc import Iterable

from dxf.snapshots.chunk_records import packed_place, unpacked_place
from dxf.snapshots.entries import Chunk


class KnownChunks:
    """The places of chunks, by their hash."""

    def __init__(self) -> None:
        self._places: dict[bytes, bytes] = {}
        self._is_partial = False
        """Whether some were forgotten."""
        self._forgotten: set[bytes] = set()

    def add(self, chunk: Chunk) -> None:
        """Remember where a chunk is, unless another place is known."""
        self._places.setdefault(bytes.fromhex(chunk.digest), packed_place(chunk))

    def find(self, digest: str) -> Chunk | None:
        """Return where the chunk with a hash is."""
        place = self._places.get(bytes.fromhex(digest))
        return None if place is None else Chunk(*unpacked_place(place), digest)

    def relocated(self, chunks: Iterable[Chunk]) -> tuple[Chunk, ...] | None:
        """Return chunks by the places that are known; ``None`` if one is not known any more."""
        if not self._is_partial:
            return tuple(chunks)
        found = [chunk if chunk.is_zeros else self.find(chunk.digest) for chunk in chunks]
        return None if None in found else tuple(chunk for chunk in found if chunk is not None)

    def was_known(self, digest: str) -> bool:
        """Return whether the place of the chunk with a hash was known, and was forgotten."""
        return bytes.fromhex(digest) in self._forgotten

    def live_sizes(self, count: int) -> list[int]:
        """Return how many bytes the chunks have in each pack.

        :param count: how many packs there are
        """
        sizes = [0] * count
        for place in self._places.values():
            pack, _, length, _ = unpacked_place(place)
            sizes[pack] += length
        return sizes

    def forget(self, packs: set[int]) -> None:
        """Forget the chunks in some packs."""
        if packs:
            self._is_partial = True
            self._forgotten.update(digest for digest, place in self._places.items() if place[0] in packs)
            self._places = {digest: place for digest, place in self._places.items() if place[0] not in packs}
