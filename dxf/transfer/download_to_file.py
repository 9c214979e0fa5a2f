"""Writing blobs into a file, one after the other. A call continues where an earlier one broke off.

A special file, such as a pipe, is written straight through. ``pulling`` fetches the blobs, verified.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from requests.exceptions import RequestException

from dxf.exceptions import DXFDigestMismatchError, DXFSizeMismatchError
from dxf.local import sinks
from dxf.local.atomic_files import PartFile
from dxf.local.special_files import enlarge_pipe
from dxf.names import digest_of
from dxf.transfer.background_hash import BackgroundHash

Blob = tuple[str, int]

Fetched = Iterable[tuple[str, Iterator[bytes], int]]
"""Blobs that are fetched: digest, chunks and size of each."""

Fetch = Callable[[int], Fetched]
"""Fetches the blobs from a number on."""

FetchRest = Callable[[str, int, int, Any], Iterator[bytes]]
"""Fetches the rest of a blob: called with its digest and size, the bytes that are there, and their hash."""


class Reporter:
    """Calls a caller's progress function, and remembers what it raised, to tell that from errors of network and disk.

    :param progress: called with a blob's digest, each piece of it and its size
    """

    def __init__(self, progress: Callable[[str, bytes, int], Any]) -> None:
        self._progress = progress
        self.error: BaseException | None = None

    def __call__(self, digest: str, chunk: bytes, size: int) -> None:
        self._call(self._progress, digest, chunk, size)

    def kept(self, digest: str, chunk: bytes, size: int) -> None:
        """Report a piece that was there already: by the method ``kept`` of a progress that has one."""
        kept = getattr(self._progress, 'kept', None)
        if kept is None:
            self(digest, chunk, size)
        else:
            self._call(kept, digest, len(chunk), size)

    def _call(self, function: Callable[..., Any], *args: Any) -> None:
        # Kept to be compared by identity: the function may raise an OSError, which looks like one of the disk.
        try:
            function(*args)
        except BaseException as error:
            self.error = error
            raise


def write_to_file(filename: str, blobs: Sequence[Blob], fetch: Fetch, fetch_rest: FetchRest, report: Reporter,
                  holes: int = 0) -> None:
    """Write blobs into a file, which gets its name when all of them are verified.

    :param report: called with what was there already, too
    :param holes: bytes in runs of zeros, which take no space in the file
    :raises OSError: the disk has too little space, or the file cannot be written; nothing is left of it then
    :raises DXFDigestMismatchError: the content is another; nothing is left of it
    """
    part = PartFile(filename, [digest for digest, _ in blobs], sum(size for _, size in blobs) - holes, holes > 0)
    try:
        _fill(part, blobs, fetch, fetch_rest, report)
        part.publish()
    except BaseException as error:
        # Bytes that arrived before the network or the progress failed are right: the next call continues there.
        part.close(keep=error is report.error or not _is_useless(error))
        raise


def _is_useless(error: BaseException) -> bool:
    """Return whether what has arrived is of no use after an error: it is wrong, or the disk cannot take it."""
    # The errors of requests are OSErrors as well:
    # https://requests.readthedocs.io/en/latest/api/#requests.RequestException
    return isinstance(error, (DXFDigestMismatchError, OSError)) and not isinstance(error, RequestException)


def _fill(part: PartFile, blobs: Sequence[Blob], fetch: Fetch, fetch_rest: FetchRest, report: Reporter) -> None:
    done = 0
    # Blobs that are complete need no request.
    while done < len(blobs) and _continue(part, blobs[done], fetch_rest, report):
        done += 1
    for digest, chunks, size in fetch(done):
        start = part.position
        report(digest, b'', size)
        for chunk in chunks:
            part.write(chunk)
            report(digest, chunk, size)
        _check_count(part.position - start, size)


def _continue(part: PartFile, blob: Blob, fetch_rest: FetchRest, report: Reporter) -> bool:
    """Complete a blob of which the file has a part already; return whether it is complete now."""
    digest, size = blob
    start = part.position
    # The file is hashed again: a crash of the machine may have lost blocks in the middle of it.
    with closing(BackgroundHash()) as background:
        for piece in part.kept(size):
            background.add(piece)
            report.kept(digest, piece, size)
        sha256 = background.result()
    kept = part.position - start
    if kept == size and digest_of(sha256) == digest:
        return True
    if 0 < kept < size:
        try:
            for piece in fetch_rest(digest, size, kept, sha256):
                part.write(piece)
                report(digest, piece, size)
            _check_count(part.position - start, size)
            return True
        # The bytes that were kept are wrong, or those that came. The blob is fetched anew, which tells the two apart.
        except DXFDigestMismatchError as error:
            if error is report.error:
                raise
    part.go_back(start)  # what was kept has suffered, by a crash of the machine perhaps
    return False


def write_to_stream(stream: io.FileIO, filename: str, blobs: Fetched, report: Reporter) -> None:
    """Write blobs to an open special file as they arrive; the last chunk of each when it is verified.

    What is on a disk, as a block device is, has all bytes there in the end.

    :param filename: what to call it in a message
    :raises OSError: it cannot be written: a pipe without a reader, for example
    """
    enlarge_pipe(stream)
    for digest, chunks, size in blobs:
        report(digest, b'', size)
        written = 0
        for chunk in chunks:
            with sinks.named(filename):
                written += sinks.write_all(stream, chunk)
            report(digest, chunk, size)
        _check_count(written, size)
    with sinks.named(filename):  # a block device takes bytes that it may lose later, when they reach the disk
        sinks.sync(stream.fileno())


def _check_count(written: int, size: int) -> None:
    # A subclass may override pull_blobs, so that its chunks may be unverified.
    if written != size:
        raise DXFSizeMismatchError(written, size)
