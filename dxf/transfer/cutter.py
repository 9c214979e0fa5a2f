"""Cutting: streams of bytes in chunks of one size. ``verification`` hashes what is cut."""


class Cutter:
    """Cuts pieces into chunks of exactly ``chunk_size`` bytes, each byte copied once at most.

    :param chunk_size: 0 to leave the pieces as they are
    """

    def __init__(self, chunk_size: int) -> None:
        self._chunk_size = chunk_size
        self._held: list[bytes | memoryview] = []
        self._held_size = 0

    @property
    def held(self) -> bytes:
        """The bytes that came last and may be the end of the stream."""
        return b''.join(self._held)

    def add(self, piece: bytes) -> list[bytes]:
        """Take a piece, and return the chunks that have a byte behind them by now; the rest is held."""
        if not piece:
            return []
        chunks = []
        size, start = self._chunk_size or len(piece), 0
        if self._held and self._held_size + len(piece) > size:
            start = size - self._held_size if self._chunk_size else 0
            chunks.append(self._joined(piece, start))
        # Not >=: a full chunk may be the last one, which is held until all is verified.
        end = start + (len(piece) - start - 1) // size * size
        chunks += [piece[begin:begin + size] for begin in range(start, end, size)]
        # A view: its bytes are copied when they are handed out, and not before.
        self._hold(memoryview(piece)[end:] if end else piece)
        return chunks

    def _joined(self, piece: bytes, end: int) -> bytes:
        """Return the chunk of what was held and the start of a piece."""
        held, self._held, self._held_size = self._held, [], 0
        return b''.join([*held, memoryview(piece)[:end]] if end else held)

    def _hold(self, rest: bytes | memoryview) -> None:
        self._held.append(rest)
        self._held_size += len(rest)
