"""Deliveries: blobs into a file, one after the other, continued where a former delivery broke off.

Where the blobs come from is not known here: a delivery is handed what fetches them.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from requests.exceptions import RequestException

from dxf.exceptions import DXFDigestMismatchError
from dxf.files import PartFile
from dxf.names import digest_of

Blob = tuple[str, int]
Report = Callable[[str, bytes, int], Any]


Fetch = Callable[[Sequence[str]], Iterator[tuple[str, Iterator[bytes], int]]]
"""Fetches blobs by their digests: yields digest, chunks and size of each."""

FetchRest = Callable[[str, int, int, Any], Iterator[bytes]]
"""Fetches the rest of a blob: called with its digest and size, the bytes that are there, and their hash."""


def deliver(filename: str, blobs: Sequence[Blob], fetch: Fetch, fetch_rest: FetchRest, report: Report) -> None:
    """Have a file of this name hold the blobs.

    :param report: called with a blob's digest, each piece of it and its size, what was there already included
    :raises OSError: the disk has too little space, or the file cannot be written; nothing is left of it then
    :raises DXFDigestMismatchError: the content is another; nothing is left of it
    """
    part = PartFile(filename, [digest for digest, _ in blobs], sum(size for _, size in blobs))
    try:
        _fill(part, blobs, fetch, fetch_rest, report)
        part.publish()
    except BaseException as error:
        part.close(keep=not isinstance(error, (DXFDigestMismatchError, OSError)) or isinstance(error, RequestException))
        raise


def _fill(part: PartFile, blobs: Sequence[Blob], fetch: Fetch, fetch_rest: FetchRest, report: Report) -> None:
    done = 0
    while done < len(blobs) and _continue(part, blobs[done], fetch_rest, report):
        done += 1
    for digest, chunks, size in fetch([digest for digest, _ in blobs[done:]]):
        report(digest, b'', size)
        for chunk in chunks:
            part.write(chunk)
            report(digest, chunk, size)


def _continue(part: PartFile, blob: Blob, fetch_rest: FetchRest, report: Report) -> bool:
    """Make a blob whole of which the file holds something already; say whether it is whole now."""
    digest, size = blob
    start = part.position
    sha256 = hashlib.sha256()
    for piece in part.kept(size):
        sha256.update(piece)
        report(digest, piece, size)
    kept = part.position - start
    try:
        if kept and kept < size:
            for piece in fetch_rest(digest, size, kept, sha256):
                part.write(piece)
                report(digest, piece, size)
        elif digest_of(sha256) != digest:
            raise DXFDigestMismatchError(digest_of(sha256), digest)
    except DXFDigestMismatchError:  # what was kept has suffered, by a crash of the machine perhaps
        part.go_back(start)
    return part.position > start or digest_of(sha256) == digest
