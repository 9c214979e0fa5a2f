"""Pulling: blobs of one repository, asked for, fetched and verified. It knows no authentication.

``download`` fetches the bytes of one blob, ``verification`` hashes them.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from dxf.exceptions import DXFError, DXFSizeMismatchError
from dxf.limits import Limits
from dxf.names import check_blob
from dxf.transfer import blob_lookup
from dxf.transfer.download import CHUNK_SIZE, Download
from dxf.transfer.parallel import Streams
from dxf.transfer.ranges import Ranges, fetch_range
from dxf.transfer.verification import Verifier
from dxf.transport.response_body import close, stated_size
from dxf.transport.responses import check_digest_header, expect

if TYPE_CHECKING:
    from dxf.transfer.remote_file import RemoteFile

Wanted = str | tuple[str, int]
"""A blob that is to be fetched: its digest, or that and the size which a manifest gives for it."""

Blob = tuple[str, int | None]
"""The same after the check of its digest; ``None`` where no size was given."""


def check_wanted(wanted: Iterable[Wanted]) -> list[Blob]:
    """Return blobs that are to be fetched, with a size where one was given.

    :raises DXFInvalidNameError: a digest is not valid
    """
    given = [(blob, None) if isinstance(blob, str) else blob for blob in wanted]
    return [(check_blob(digest), size) for digest, size in given]


class Puller:
    """Fetches blobs of one repository.

    :param request: makes a request of the repository, as ``DXF._request`` does
    :param jobs: connections to use at most
    """

    def __init__(self, request: blob_lookup.Request, limits: Limits, jobs: int) -> None:
        self._request = request
        self._limits = limits
        self._jobs = jobs

    def one(self, blob: Blob, chunk_size: int | None, sized: bool) -> tuple[Iterator[bytes], int | None]:
        """Ask for a blob; return its chunks and its size.

        :param blob: its digest, which is valid, and the size that a manifest gives for it
        :param sized: find out the size whatever it takes; else it is ``None`` where neither GET nor HEAD tells it
        """
        download, size = self._begin(blob, self._jobs, sized)
        verifier = Verifier(blob[0], size, CHUNK_SIZE if chunk_size is None else chunk_size)
        return verifier.chunks_of(download.pieces), size

    def several(self, wanted: Iterable[Wanted], chunk_size: int | None) -> Iterator[tuple[str, Iterator[bytes], int]]:
        """Check what is wanted, and return an iterator of digest, chunks and size of each blob."""
        # Not in the generator: that would check only when the first blob is asked for.
        return self._in_order(check_wanted(wanted), CHUNK_SIZE if chunk_size is None else chunk_size)

    def open(self, blob: Blob, name: str) -> 'RemoteFile':
        """Return a blob as a file that is fetched as it is read.

        :param name: what to call it in a message
        """
        from dxf.transfer.remote_file import RemoteFile
        stream, size = self.one(blob, 0, True)
        ranges = Ranges(partial(fetch_range, self._request, blob[0]), size, self._limits)
        return RemoteFile(name, size or 0, stream, ranges)  # size: never None

    def part(self, digest: str, size: int, start: int, end: int) -> Iterator[bytes]:
        """Return the bytes of a blob from ``start`` to ``end``, in pieces, unverified.

        All of it is asked for by a request without a Range, as :meth:`one` does.

        :param size: the blob's, in bytes
        """
        if (start, end) == (0, size):
            return self._begin((digest, size), self._jobs, True)[0].pieces()
        ask = partial(fetch_range, self._request, digest)
        return Download(size, ask, self._limits, None, start, self._jobs, end).pieces()

    def rest(self, digest: str, size: int, start: int, sha256: Any) -> Iterator[bytes]:
        """Yield what follows the first bytes of a blob, in pieces.

        :param start: how many are there already
        :param sha256: their hash
        """
        download = Download(size, partial(fetch_range, self._request, digest), self._limits, None, start, self._jobs)
        return Verifier(digest, size, 0, start, sha256).chunks_of(download.pieces)

    def _begin(self, blob: Blob, jobs: int, sized: bool) -> tuple[Download, int | None]:
        """Ask for a blob; return what brings its bytes, and its size: see :meth:`one`.

        :raises DXFSizeMismatchError: it has another size than the manifest gives
        """
        digest, described = blob
        response = self._request('get', f'blobs/{digest}')
        expect(response, HTTPStatus.OK)
        check_digest_header(response, digest)
        size = stated_size(response)
        # A size that differs is an error before the first byte is handed out.
        if described is not None and size not in (None, described):
            close(response)
            raise DXFSizeMismatchError(size, described, digest)
        if size is None:
            size = described
        if size is None:
            try:  # where HEAD does not tell it either, the digest alone decides
                size = blob_lookup.measure(self._request, digest, self._limits) if sized else \
                    blob_lookup.size_by_head(self._request, digest)
            except BaseException:
                close(response)
                raise
        return Download(size, partial(fetch_range, self._request, digest), self._limits, response, jobs=jobs), size

    def _in_order(self, wanted: list[Blob], chunk_size: int) -> Iterator[tuple[str, Iterator[bytes], int]]:
        # Of several blobs each has a connection; one alone may be split among them.
        if len(wanted) == 1:
            # One blob has all connections for itself: a slow one is fetched in ranges, by several at once.
            digest = wanted[0][0]
            download, size = self._begin(wanted[0], self._jobs, True)
            # Without the digest so far: the piece that is held back is not hashed yet.
            yield digest, Verifier(digest, size, chunk_size, holds_piece=True).chunks(download.pieces()), size or 0
            return

        def start(blob: Blob) -> tuple[int, Iterator[bytes]]:
            download, size = self._begin(blob, 1, True)
            return size or 0, download.pieces()  # never None: it was asked for
        streams = Streams(start, wanted, self._jobs)
        with closing(iter(streams)) as started:
            for (digest, _), size, pieces in started:  # verified behind the queue: what leaves is what was checked
                yield digest, _verified(Verifier(digest, size, chunk_size, holds_piece=True), pieces, streams), size


def _verified(verifier: Verifier, pieces: Iterator[bytes], streams: Streams[Any]) -> Iterator[bytes]:
    """Yield the chunks of a blob; if they are not what they should be, begin no more blobs."""
    try:
        yield from verifier.chunks(pieces)
    except DXFError as error:
        streams.finish(error)
        raise
