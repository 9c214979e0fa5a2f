"""Chunks that are fetched: by ranges of packs, or by whole packs where most of one is wanted. Each is verified."""

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from requests.exceptions import RequestException

from dxf.exceptions import (DXFDigestMismatchError, DXFInvalidDocumentError, DXFNotFoundError, DXFProtocolError,
                            DXFSizeMismatchError)
from dxf.hints import add_hint
from dxf.snapshots.compression import ChunkDecompressor
from dxf.snapshots.entries import Chunk
from dxf.transfer.ranges import Ranges, fetch_range
from dxf.transport.attempts import Attempts, is_transient
from dxf.transport.response_body import close, pieces

if TYPE_CHECKING:
    from dxf.client import DXF

GAP = 64 << 10
"""Bytes between two chunks that are fetched with them: another request would take longer."""

LONGEST = 8 << 20
"""Bytes of one range."""

Stored = tuple[Chunk, memoryview]
"""A chunk, and the bytes of the pack that hold it."""

DAMAGE = (DXFDigestMismatchError, DXFInvalidDocumentError, DXFNotFoundError, DXFSizeMismatchError)
"""What a pack that is wrong or missing causes; other errors say nothing of it."""


class _Range(NamedTuple):
    """A range of a pack, and the chunks in it."""

    start: int
    end: int
    chunks: Iterable[Chunk]


class _Pack(NamedTuple):
    """A pack, and the chunks in it that are wanted.

    :param is_whole: whether all of it is fetched
    """

    digest: str
    size: int
    chunks: Iterable[Chunk]
    is_whole: bool = True


class ChunkSource:
    """Fetches chunks of a snapshot.

    :param packs: digests and sizes of the packs, in the order of their numbers
    """

    def __init__(self, repository: 'DXF', packs: Sequence[tuple[str, int]]) -> None:
        self._repository = repository
        self._packs = packs
        self._decompressor = ChunkDecompressor()

    def fetch(self, chunks: Sequence[Chunk], may_be_whole: bool = True) -> Iterator[tuple[Chunk, bytes]]:
        """Yield chunks with their content, in the order of packs and offsets.

        :param chunks: no runs of zeros, each chunk once
        :param may_be_whole: fetch all of a pack of which most is wanted: no more chunks of it are asked for later
        :raises DXFInvalidDocumentError: two of them overlap, or one is damaged
        :raises DXFDigestMismatchError: the registry sent something else
        """
        groups = groupby(sorted(chunks), key=lambda chunk: chunk.pack)
        return self.fetch_packs(((number, list(group)) for number, group in groups), may_be_whole)

    def fetch_packs(self, packs: Iterable[tuple[int, Iterable[Chunk]]], may_be_whole: bool = True
                    ) -> Generator[tuple[Chunk, bytes], None, None]:
        """Yield chunks with their content: see :meth:`fetch`.

        :param packs: the number of each pack, and its chunks in the order of their offsets; these are iterated several
            times
        """
        checked = []
        for number, wanted in packs:
            digest, size = self._packs[number]
            is_most = _is_most(_apart(wanted), size)
            checked.append(_Pack(digest, size, wanted, is_most and may_be_whole))
        for is_whole, group in groupby(checked, key=lambda pack: pack.is_whole):
            for contents in self._from_whole(list(group)) if is_whole else map(self._from_ranges, group):
                yield from contents

    def whole(self, number: int, chunks: Iterable[Chunk]) -> Iterator[bytes]:
        """Fetch a whole pack, verify it and chunks in it, and yield what these hold.

        :param chunks: in the order of their offsets; they need not fit in memory
        :raises DXFInvalidDocumentError: two of them overlap, or one is damaged
        :raises DXFDigestMismatchError: the registry sent something else
        """
        for contents in self._from_whole([_Pack(*self._packs[number], _apart(chunks))]):
            for _, content in contents:
                yield content

    def cost(self, packs: Iterable[tuple[int, Iterable[Chunk]]]) -> int:
        """Return how many bytes :meth:`fetch_packs` would fetch."""
        total = 0
        for number, wanted in packs:
            size = self._packs[number][1]
            total += size if _is_most(wanted, size) else sum(part.end - part.start for part in _merged(wanted))
        return total

    def damage_of(self, number: int) -> str:
        """Return the hint of an error about what is in a pack."""
        return _damage_of(self._packs[number][0])

    def _from_whole(self, packs: list[_Pack]) -> Iterator[Iterator[tuple[Chunk, bytes]]]:
        """Fetch packs, several at once, and yield the contents of each; these are to be used before the next pack."""
        with closing(self._streams(packs)) as streams:
            for pack in packs:
                yield self._unpacked(pack, _cut_next(streams, pack.chunks))

    def _streams(self, packs: list[_Pack]) -> Generator[Iterator[bytes], None, None]:
        """Fetch packs, several at once, and yield the bytes of each."""
        for _, stream, _ in self._repository.pull_blobs([(pack.digest, pack.size) for pack in packs], chunk_size=0):
            yield stream

    def _from_ranges(self, pack: _Pack) -> Iterator[tuple[Chunk, bytes]]:
        return self._unpacked(pack, self._stored_in_ranges(pack))

    def _stored_in_ranges(self, pack: _Pack) -> Generator[Stored, None, None]:
        digest, size, chunks, _ = pack
        limits = self._repository.options.limits
        ranges = Ranges(partial(fetch_range, self._repository._request, digest), size, limits)
        merged = _merged(chunks)
        for wanted in merged:
            try:
                content = self._range(ranges, wanted)
            except DXFProtocolError:  # the registry does not know ranges, or sends others
                left = [chunk for other in chain((wanted,), merged) for chunk in other.chunks]
                with closing(self._streams([pack])) as streams:
                    yield from _cut_next(streams, left)
                return
            yield from _cut_out(iter((content,)), wanted.start, wanted.chunks)

    def _range(self, ranges: Ranges, wanted: _Range) -> bytes:
        """Return the bytes of a range; after an error of the connection ask once more."""
        attempts = Attempts()
        limits = self._repository.options.limits
        while True:
            try:
                response = ranges.closed(wanted.start, wanted.end)
                try:
                    content = b''.join(pieces(response, limits))
                finally:
                    close(response)
                if len(content) == wanted.end - wanted.start:
                    return content
                failure: Exception = DXFProtocolError('the registry sent fewer bytes than it said')
            except RequestException as error:
                if not is_transient(error):
                    raise
                failure = error
            if not attempts.again(limits, error=failure):
                raise failure

    def _unpacked(self, pack: _Pack, stored: Generator[Stored, None, None]) -> Iterator[tuple[Chunk, bytes]]:
        """Yield chunks of a pack with their content, verified. After an error, no more of the pack is fetched.

        A thread that does so while this one writes files makes both slower: each call for a small file gives the lock
        of the interpreter away, and waits for it.
        """
        try:
            with closing(stored):  # the traceback of an error would keep it, and its connections
                for chunk, content in stored:
                    yield chunk, self._content(chunk, content)
        except DAMAGE as error:
            add_hint(error, _damage_of(pack.digest))
            raise

    def _content(self, chunk: Chunk, stored: memoryview) -> bytes:
        """Return what a chunk holds, verified.

        :raises DXFDigestMismatchError: it is something else
        """
        content = bytes(stored) if chunk.length == chunk.size else self._decompressor.decompressed(stored, chunk.size)
        digest = hashlib.sha256(content).hexdigest()
        if digest != chunk.digest:
            raise DXFDigestMismatchError(f'sha256:{digest}', f'sha256:{chunk.digest}')
        return content


def _damage_of(digest: str) -> str:
    return f'the pack {digest} is damaged or missing'


def _is_most(chunks: Iterable[Chunk], size: int) -> bool:
    """Return whether chunks are more than half of their pack."""
    return 2 * sum(chunk.length for chunk in chunks) > size


def _apart(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks of a pack, if no byte is in two: else a small pack could become any number of bytes.

    :raises DXFInvalidDocumentError: two overlap
    """
    end = 0
    for chunk in chunks:
        if chunk.offset < end:
            raise DXFInvalidDocumentError('invalid snapshot: two chunks of a pack overlap')
        end = chunk.offset + chunk.length
        yield chunk


def _merged(chunks: Iterable[Chunk]) -> Iterator[_Range]:
    """Yield ranges that cover chunks; those of neighbours are one."""
    start = end = 0
    merged: list[Chunk] = []
    for chunk in chunks:
        last = chunk.offset + chunk.length
        if merged and (chunk.offset - end > GAP or last - start > LONGEST):
            yield _Range(start, end, merged)
            merged = []
        if not merged:
            start = chunk.offset
        merged.append(chunk)
        end = last
    if merged:
        yield _Range(start, end, merged)


def _cut_out(stream: Iterator[bytes], position: int, chunks: Iterable[Chunk]) -> Iterator[Stored]:
    """Yield the chunks of a range that comes in pieces.

    :param position: of its first byte
    """
    piece = memoryview(b'')
    for chunk in chunks:
        while position + len(piece) <= chunk.offset:
            position += len(piece)
            piece = memoryview(_next(stream))
        start = chunk.offset - position
        if start + chunk.length > len(piece):
            piece = memoryview(_joined(piece[start:], stream, chunk.length))
            position, start = chunk.offset, 0
        yield chunk, piece[start:start + chunk.length]


def _cut_next(streams: Iterator[Iterator[bytes]], chunks: Iterable[Chunk]) -> Generator[Stored, None, None]:
    """Yield chunks of the next stream, which is a whole pack; its last piece comes when it is verified."""
    for stream in islice(streams, 1):
        yield from _cut_out(stream, 0, chunks)
        for _ in stream:
            pass


def _next(stream: Iterator[bytes]) -> bytes:
    """Return the next piece of a pack.

    :raises DXFInvalidDocumentError: the pack has ended
    """
    piece = next(stream, b'')
    if not piece:
        raise DXFInvalidDocumentError('invalid snapshot: a pack is shorter than its manifest says')
    return piece


def _joined(start: memoryview, stream: Iterator[bytes], size: int) -> bytes:
    """Return the start of a piece, and the pieces behind it, until there are so many bytes."""
    parts: list[bytes | memoryview] = [start]
    length = len(start)
    while length < size:
        parts.append(piece := _next(stream))
        length += len(piece)
    return b''.join(parts)
