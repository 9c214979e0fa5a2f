"""Chunks that are fetched: by ranges of packs, or by whole packs where most of one is wanted. Each is verified."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, groupby
from typing import TYPE_CHECKING, NamedTuple

from requests.exceptions import RequestException

from dxf.exceptions import (DXFDigestMismatchError, DXFInvalidDocumentError, DXFNotFoundError, DXFProtocolError,
                            DXFSizeMismatchError)
from dxf.hints import add_hint
from dxf.snapshots.compression import decompressed
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


DAMAGE = (DXFDigestMismatchError, DXFInvalidDocumentError, DXFNotFoundError, DXFSizeMismatchError)
"""What a pack that is wrong or missing causes; other errors say nothing of it."""


class _Range(NamedTuple):
    """A range of a pack, and the chunks in it."""

    start: int
    end: int
    chunks: Iterable[Chunk]


class ChunkSource:
    """Fetches chunks of a snapshot.

    :param packs: digests and sizes of the packs, in the order of their numbers
    """

    def __init__(self, repository: 'DXF', packs: Sequence[tuple[str, int]]) -> None:
        self._repository = repository
        self._packs = packs

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
                    ) -> Iterator[tuple[Chunk, bytes]]:
        """Yield chunks with their content: see :meth:`fetch`.

        :param packs: the number of each pack, and its chunks in the order of their offsets; these are iterated several
            times
        """
        for number, wanted in packs:
            digest, size = self._packs[number]
            with _naming_pack(digest):
                _check_apart(wanted)
                if may_be_whole and _is_most(wanted, size):
                    yield from self._from_whole(digest, size, wanted)
                else:
                    yield from self._from_ranges(digest, size, wanted)

    def whole(self, number: int, chunks: Iterable[Chunk]) -> Iterator[bytes]:
        """Fetch a whole pack, verify it and chunks in it, and yield what these hold.

        :param chunks: in the order of their offsets; they need not fit in memory
        :raises DXFInvalidDocumentError: two of them overlap, or one is damaged
        :raises DXFDigestMismatchError: the registry sent something else
        """
        for _, content in self._from_whole(*self._packs[number], _apart(chunks)):
            yield content

    def cost(self, packs: Iterable[tuple[int, Iterable[Chunk]]]) -> int:
        """Return how many bytes :meth:`fetch_packs` would fetch."""
        total = 0
        for number, wanted in packs:
            size = self._packs[number][1]
            total += size if _is_most(wanted, size) else sum(part.end - part.start for part in _merged(wanted))
        return total

    def _from_whole(self, digest: str, size: int, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
        for _, stream, _ in self._repository.pull_blobs([(digest, size)], chunk_size=0):
            yield from _cut_out(stream, 0, chunks)
            for _ in stream:  # the last piece comes when the pack is verified
                pass

    def _from_ranges(self, digest: str, size: int, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
        limits = self._repository.options.limits
        ranges = Ranges(partial(fetch_range, self._repository._request, digest), size, limits)
        merged = _merged(chunks)
        for wanted in merged:
            try:
                content = self._range(ranges, wanted)
            except DXFProtocolError:  # the registry does not know ranges, or sends others
                left = [chunk for other in chain((wanted,), merged) for chunk in other.chunks]
                yield from self._from_whole(digest, size, left)
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


@contextmanager
def _naming_pack(digest: str) -> Iterator[None]:
    """Name a pack in an error about what is in it."""
    try:
        yield
    except DAMAGE as error:
        add_hint(error, f'the pack {digest} is damaged or missing')
        raise


def _is_most(chunks: Iterable[Chunk], size: int) -> bool:
    """Return whether chunks are more than half of their pack."""
    return 2 * sum(chunk.length for chunk in chunks) > size


def _check_apart(chunks: Iterable[Chunk]) -> None:
    """Check that no byte of a pack is in two chunks: see :func:`_apart`."""
    for _ in _apart(chunks):
        pass


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


def _cut_out(stream: Iterator[bytes], position: int, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
    """Yield the chunks of a range that comes in pieces.

    :param position: of its first byte
    """
    buffer = bytearray()
    for chunk in chunks:
        while position + len(buffer) < chunk.offset + chunk.length:
            skipped = min(max(chunk.offset - position, 0), len(buffer))
            del buffer[:skipped]
            position += skipped
            piece = next(stream, b'')
            if not piece:
                raise DXFInvalidDocumentError('invalid snapshot: a pack is shorter than its manifest says')
            buffer += piece
        start = chunk.offset - position
        yield chunk, _content(chunk, bytes(buffer[start:start + chunk.length]))
        del buffer[:start + chunk.length]
        position = chunk.offset + chunk.length


def _content(chunk: Chunk, stored: bytes) -> bytes:
    """Return what a chunk holds, verified.

    :raises DXFDigestMismatchError: it is something else
    """
    content = stored if chunk.length == chunk.size else decompressed(stored, chunk.size)
    digest = hashlib.sha256(content).hexdigest()
    if digest != chunk.digest:
        raise DXFDigestMismatchError(f'sha256:{digest}', f'sha256:{chunk.digest}')
    return content
