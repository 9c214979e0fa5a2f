"""Blob lookups: whether a registry has a blob, and how large it is, by responses that prove it.

A status 200 proves nothing: web pages and login pages have it too. The callers decide what follows from a
lookup. ``find`` proves that a blob is there, and ``measure`` its size. ``unproven_size``, ``size_by_head`` and
``still_has`` believe the response.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#checking-if-content-exists-in-the-registry
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TypeVar

from requests import Response
from requests.exceptions import HTTPError

from dxf.exceptions import DXFDigestMismatchError, DXFProtocolError, DXFSizeMismatchError, DXFUnauthorizedError
from dxf.limits import READ_SIZE, Limits
from dxf.manifest.image import BYTES, base_type
from dxf.transfer.download import Download
from dxf.transfer.ranges import fetch_range
from dxf.transfer.verification import Verifier
from dxf.transport.response_body import close, discard, is_encoded, stated_size
from dxf.transport.responses import (check_digest_header, contradicts, expect, is_head_refused, is_not_found,
                                     is_range_refused, names_digest)

PROOF = {'Want-Repr-Digest': 'sha-256=1'}
"""Asks a folder to hash the file, whose name alone proves nothing; registries ignore it.

https://www.rfc-editor.org/rfc/rfc9530#section-4
"""

Result = TypeVar('Result')
Request = Callable[..., Response]
"""Makes a request of the repository, as ``DXF._request`` does."""


def find(request: Request, digest: str, size: int | None, limits: Limits, *, acknowledged: bool = False,
         doubtful: set[str] | None = None) -> int | None:
    """Return the size of a blob that the registry is proven to have, else ``None``.

    :param size: the blob's, if it is known: a response with this length is a proof then, and one with another proves
        nothing
    :param acknowledged: the registry has said before that it stored the blob: if it states another length, the whole
        blob is fetched
    :param doubtful: gets the digest where the registry stated another length: it may have, and keep, a damaged blob
    :raises DXFHTTPError: the registry refused; not for 404
    """
    if size is None:
        return _if_there(partial(measure, request, digest, limits))
    response = _if_there(partial(_evidence, request, digest, limits))
    if response is None:
        return None
    # Another length may come from a damaged copy. The registry of go-containerregistry had such:
    # https://github.com/google/go-containerregistry/pull/2272
    # Sending the blob does not repair it everywhere, so after an upload only the content is a proof.
    if _states_another_size(response, digest, size):
        if doubtful is not None:
            doubtful.add(digest)
        return _if_there(partial(_read_whole, request, digest, size, limits)) if acknowledged else None
    return size if _proves(response, digest, size, acknowledged) else None


def _if_there(ask: Callable[[], Result]) -> Result | None:
    """Return what ``ask`` finds out about a blob; ``None`` where it is missing, or the response is something else.

    :raises DXFHTTPError: the registry refused; not for 404
    """
    try:
        return ask()
    except HTTPError as error:
        if is_not_found(error):
            return None
        raise
    # A response that proves nothing is no error: the blob is sent, and the response to that decides.
    except (DXFProtocolError, DXFDigestMismatchError, DXFSizeMismatchError):
        return None


def _evidence(request: Request, digest: str, limits: Limits) -> Response:
    """Return the response to HEAD, or to a GET of the first byte where HEAD is refused, or tells nothing."""
    # HEAD first: it moves no bytes, and most registries answer it with digest and length.
    response = _head(request, digest, PROOF)
    if response is None or stated_size(response) is None and _is_silent(response, digest):
        return _first_byte(request, digest, limits)
    return response


def _states_another_size(response: Response, digest: str, size: int) -> bool:
    """Return whether a response is about the blob, and gives it another length.

    Harbor does under compression. A damaged copy has one: distribution keeps it although it is sent again, and says
    that it stored the blob.
    """
    is_about_blob = names_digest(response, digest) or \
        _has_type_of_blob(response) and not contradicts(response, digest)
    return is_about_blob and stated_size(response) not in (None, size)


def _is_silent(response: Response, digest: str) -> bool:
    """Return whether a response neither confirms nor contradicts a digest."""
    return not names_digest(response, digest) and not contradicts(response, digest)


def _proves(response: Response, digest: str, size: int, acknowledged: bool) -> bool:
    """Return whether a response to HEAD, or to a GET of the first byte, can only be that of a blob of this size."""
    stated = stated_size(response)
    if contradicts(response, digest) or stated not in (None, size):
        return False
    if names_digest(response, digest):
        return True
    return stated is not None and (size > 0 or acknowledged)  # many servers answer 200 with no content to anything


def measure(request: Request, digest: str, limits: Limits) -> int:
    """Return the size of a blob, by a response that can only be about this blob.

    Only where the registry sends no Docker-Content-Digest, or no length, part of the blob is fetched.

    :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
    :raises DXFDigestMismatchError: the response is not the blob
    :raises DXFProtocolError: the response does not tell the size
    """
    response = _head(request, digest, PROOF)
    if response is not None:
        check_digest_header(response, digest)
        stated = stated_size(response)
        if stated is not None and names_digest(response, digest):
            return stated
    return _fetched_size(request, digest, limits)


def size_by_head(request: Request, digest: str) -> int | None:
    """Return the size of a blob that a response to HEAD tells; ``None`` where it tells none. It proves nothing."""
    # The caller makes a GET next. If the registry refuses that too, the error is of the GET, and has a body.
    with suppress(HTTPError, DXFProtocolError):
        response = _head(request, digest)
        return None if response is None else stated_size(response)
    return None


def unproven_size(request: Request, digest: str, limits: Limits) -> int:
    """Return the size of a blob that the response to HEAD tells, else that to a GET. It need not be true.

    :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
    :raises DXFProtocolError: no response tells the size
    """
    stated = size_by_head(request, digest)
    if stated is None:
        stated = stated_size(_first_byte(request, digest, limits))
    return _fetched_size(request, digest, limits) if stated is None else stated


def still_has(request: Request, digest: str, limits: Limits) -> bool:
    """Return whether the registry answers for a blob as if it had it.

    :raises DXFHTTPError: the registry refused; not for 404
    """
    # A copy asks this for blobs that a registry need not have, such as layers that may not be distributed:
    # https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers
    try:
        if _head(request, digest) is None:
            _first_byte(request, digest, limits)
    except HTTPError as error:
        if not is_not_found(error):
            raise
        return False
    return True


def _head(request: Request, digest: str, headers: Mapping[str, str] | None = None) -> Response | None:
    """Return the response to HEAD; ``None`` where HEAD is refused, and a GET may not be."""
    try:
        response = request('head', f'blobs/{digest}', headers=dict(headers or {}))
    # 401 too: storage answers so to a HEAD of an address that was signed for GET. GHCR and Docker Hub (403):
    # https://github.com/containerd/stargz-snapshotter/pull/167
    except (HTTPError, DXFUnauthorizedError) as error:
        if not is_head_refused(error):
            raise
        return None
    expect(response, HTTPStatus.OK)
    return response


def _get_first_byte(request: Request, digest: str) -> Response:
    """Ask for the first byte of a blob, or for all of it where it has none; the body is not read yet."""
    try:
        return fetch_range(request, digest, 0, 1)
    except HTTPError as error:
        # An empty blob has no first byte, so its range is refused:
        # https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17
        if not is_range_refused(error):
            raise
        return fetch_range(request, digest, 0, None)


def _first_byte(request: Request, digest: str, limits: Limits) -> Response:
    """Return the response to a GET of the first byte; its body is not kept."""
    response = _get_first_byte(request, digest)
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        # One byte is read, and the connection is used again. A 200 has the whole blob: closing costs less than reading.
        discard(response, limits)
    else:
        close(response)
    return response


def _fetched_size(request: Request, digest: str, limits: Limits) -> int:
    """Return the size that the response to a range tells, or the length of a whole response with the right hash.

    Storage behind a redirect (GitLab's CDN, S3) knows no Docker-Content-Digest, but ranges. So does a web server that
    sends one page for every path: ranges of another type than a blob's prove nothing.
    """
    response = _get_first_byte(request, digest)
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        stated = stated_size(response)
        discard(response, limits)
        if stated is None and not is_encoded(response):
            raise DXFProtocolError('the registry does not say how large the blob is')
        if stated is not None and (names_digest(response, digest) or _has_type_of_blob(response)):
            return stated
        return _read_whole(request, digest, None, limits)
    return _read_whole(request, digest, None, limits, response)


def _read_whole(request: Request, digest: str, size: int | None, limits: Limits, response: Response | None = None
                ) -> int:
    """Read a blob to its end, and return its length.

    :param size: the blob's; ``None`` for what the response tells
    :param response: the response that carries it; ``None`` to ask for it
    :raises DXFDigestMismatchError: it is something else
    :raises DXFSizeMismatchError: it is longer or shorter
    """
    if response is None:
        response = request('get', f'blobs/{digest}')
        check_digest_header(response, digest)
    expect(response, HTTPStatus.OK)
    size = stated_size(response) if size is None else size
    download = Download(size, partial(fetch_range, request, digest), limits, response)
    # The chunks are only counted, and large ones take the least time.
    return sum(map(len, Verifier(digest, size, READ_SIZE).chunks_of(download.pieces)))


def _has_type_of_blob(response: Response) -> bool:
    """Return whether a response has a Content-Type that registries and storage give to blobs, and to no page."""
    media_type = base_type(response.headers.get('Content-Type'))
    # The page of a web server is text/html. A registry gives the type of the layer, or that of any bytes.
    return media_type in BYTES or media_type.startswith('application/vnd.')
