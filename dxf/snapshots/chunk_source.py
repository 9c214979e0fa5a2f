"""Chunks that are fetched: by ranges of packs, or by whole packs where most of one is wanted. Each is verified."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from requests.exceptions import RequestException

from dxf.exceptions import DXFDigestMismatchError, DXFInvalidDocumentError, DXFProtocolError
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


class _Range(NamedTuple):
    """A range of a pack, and the chunks in it."""

    start: int
    end: int
    chunks: list[Chunk]


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
        for number, group in groupby(sorted(chunks), key=lambda chunk: chunk.pack):
            wanted = list(group)
            _check_apart(wanted)
            digest, size = self._packs[number]
            if may_be_whole and 2 * sum(chunk.length for chunk in wanted) > size:
                yield from self._from_whole(digest, size, wanted)
            else:
                yield from self._from_ranges(digest, size, wanted)

    def _from_whole(self, digest: str, size: int, chunks: list[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
        for _, stream, _ in self._repository.pull_blobs([(digest, size)], chunk_size=0):
            yield from _cut_out(stream, _Range(0, size, chunks))
            for _ in stream:  # the last piece comes when the pack is verified
                pass

    def _from_ranges(self, digest: str, size: int, chunks: list[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
        limits = self._repository.options.limits
        ranges = Ranges(partial(fetch_range, self._repository._request, digest), size, limits)
        merged = _merged(chunks)
        for number, wanted in enumerate(merged):
            try:
                content = self._range(ranges, wanted)
            except DXFProtocolError:  # the registry does not know ranges, or sends others
                left = [chunk for other in merged[number:] for chunk in other.chunks]
                yield from self._from_whole(digest, size, left)
                return
            yield from _cut_out(iter((content,)), wanted)

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


def _check_apart(chunks: list[Chunk]) -> None:
    """Check that no byte of a pack is in two chunks: else a small pack could become any number of bytes.

    :raises DXFInvalidDocumentError: it is
    """
    end = 0
    for chunk in chunks:
        if chunk.offset < end:
            raise DXFInvalidDocumentError('invalid snapshot: two chunks of a pack overlap')
        end = chunk.offset + chunk.length


def _merged(chunks: list[Chunk]) -> list[_Range]:
    """Return ranges that cover chunks; those of neighbours are one."""
    found: list[_Range] = []
    for chunk in chunks:
        end = chunk.offset + chunk.length
        if found and chunk.offset - found[-1].end <= GAP and end - found[-1].start <= LONGEST:
            found[-1] = _Range(found[-1].start, end, [*found[-1].chunks, chunk])
        else:
            found.append(_Range(chunk.offset, end, [chunk]))
    return found


def _cut_out(stream: Iterator[bytes], wanted: _Range) -> Iterator[tuple[Chunk, bytes]]:
    """Yield the chunks of a range that comes in pieces."""
    buffer = bytearray()
    position = wanted.start
    for chunk in wanted.chunks:
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
