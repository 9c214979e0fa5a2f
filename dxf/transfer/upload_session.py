"""Upload sessions: what a registry opens for one blob, one method a step of the protocol.

``upload`` decides which steps to take, and what to do where one fails. Authentication is not known here.
"""

import re
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from requests import Response
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import HTTPError, RequestException, Timeout

from dxf import forking
from dxf.exceptions import DXFError, DXFHTTPError, DXFProtocolError, DXFUnauthorizedError
from dxf.manifest.image import OCTET_STREAM
from dxf.transfer.outcome import DuplicateBytesError
from dxf.transfer.target import Target
from dxf.transport.redaction import public_host
from dxf.transport.response_body import discard
from dxf.transport.responses import check_digest_header, expect, is_forbidden, names_digest
from dxf.transport.urls import Origin, origin_of, resolve

# distribution sends 0-9, its specification bytes=0-9: https://github.com/distribution/distribution/issues/1240
_RANGE = r'(?a)(?:bytes=)?([0-9]{1,19})-([0-9]{1,19})'

UPLOAD_ADDRESS = 'upload_address'
"""An attribute of errors of requests that an upload to another server than the registry ended in."""

UPLOADS = 'blobs/uploads/'
"""Where uploads begin, below the repository."""

CANCEL_TIMEOUT = 2
"""Seconds that giving up an upload may take: a user who pressed Ctrl-C waits for it."""


class UploadSession:
    """An upload session of a registry.

    https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.url = ''
        self._origin: Origin | None = None
        """That of the registry, where it has just opened the session."""
        self._is_accepted = False
        """Whether the registry has said that the blob is complete."""
        self._is_named = False
        """Whether it has named the digest, too."""
        self._process = forking.Process.generation
        self.shortest_part = 0
        """The fewest bytes that the registry wants in a part that is not the last."""
        self.largest_part = 0
        """Bytes of the largest part that the registry has taken in this session."""

    def open(self) -> None:
        """Ask the registry to open a session."""
        self.take(self._target.request('post', UPLOADS, data=b''))

    def take(self, opened: Response) -> None:
        """Use the session that a response has opened.

        :raises DXFProtocolError: it has opened none
        """
        self._is_accepted = self._is_named = False
        expect(opened, HTTPStatus.ACCEPTED)
        self.url = next_url(opened)
        self._origin = origin_of(opened.url)
        shortest = opened.headers.get('OCI-Chunk-Min-Length', '')
        self.shortest_part = int(shortest) if shortest.isascii() and shortest.isdigit() and len(shortest) < 19 else 0
        self.largest_part = 0

    def add(self, body: Any, start: int, end: int) -> None:
        """Send a part.

        :param body: bytes ``start`` to ``end`` of the blob
        :raises DuplicateBytesError: the registry has some twice, and the session is of no use any more
        """
        response = self._send('patch', self.url, body, {'Content-Range': f'{start}-{end - 1}'})
        expect(response, HTTPStatus.ACCEPTED, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)
        self.url = next_url(response)
        # Fewer bytes are no error: the Range of ECR stays at the first part, and all parts are stored.
        # https://github.com/aws/containers-roadmap/issues/2831
        if (stored_bytes(response) or 0) > end:
            raise DuplicateBytesError('the registry counts more bytes of the upload than were sent')
        self.largest_part = max(end - start, self.largest_part)

    def _send(self, method: str, url: str, body: Any, headers: dict[str, str]) -> Response:
        """Send bytes of the blob.

        :raises DXFHTTPError: it is refused; where another server than the registry did that, its address is named
        """
        try:
            return self._target.request_url(method, url, data=body, headers={'Content-Type': OCTET_STREAM, **headers})
        except RequestException as error:
            if self._origin in (None, origin_of(url)):
                raise
            address = f'{url.partition(":")[0]}://{public_host(url)}'
            if isinstance(error, DXFHTTPError):
                raise type(error)(f'{error}; the registry sent the upload to {address}', response=error.response
                                   ) from None
            setattr(error, UPLOAD_ADDRESS, address)
            raise

    def stored(self, start: int, end: int) -> int | None:
        """Ask how many bytes of the blob the registry has.

        :param start: as many it must have
        :param end: more were not sent
        :return: ``None`` where the session is lost, or the response cannot be true
        """
        try:
            response = self._target.request_url('get', self.url)
            discard(response, self._target.limits)
            self.url = next_url(response) if 'Location' in response.headers else self.url
        except (DXFError, RequestException):
            return None
        stored = stored_bytes(response)
        if stored == 1 and start == 0:  # distribution says 0-0 of nothing, too
            # https://github.com/distribution/distribution/issues/2363
            stored = 0
        return stored if stored is not None and start <= stored <= end else None

    def finish(self, digest: str, body: Any) -> bool:
        """Close the session: the blob is complete.

        :param body: the rest of the blob
        :return: whether the registry confirmed the digest, and this is proof enough
        :raises DXFDigestMismatchError: it stored another
        """
        # The URL is extended textually: registries sign its query.
        url = f'{self.url}{"&" if "?" in self.url else "?"}digest={quote(digest, safe="")}'
        response = self._send('put', url, body, {})
        expect(response, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT, HTTPStatus.OK)
        check_digest_header(response, digest)
        self._is_accepted = True
        self._is_named = names_digest(response, digest)
        return self._is_named and not self._target.doubts(digest)

    def seems_stored(self, digest: str, size: int) -> bool:
        """Return whether the registry has a blob, after an error; a lookup that fails too tells nothing."""
        with suppress(RequestException, DXFUnauthorizedError):
            return self.has(digest, size)
        return False

    def has(self, digest: str, size: int) -> bool:
        """Return whether the registry is proven to have a blob."""
        try:
            return self._target.find(digest, size, acknowledged=self._is_accepted) is not None
        except (DXFUnauthorizedError, HTTPError) as error:
            if not (self._target.is_forced and self._is_named and is_forbidden(error)):
                raise
            return digest not in self._target.doubtful  # the credential may push and not pull: the response 201 counts

    def check_stored(self, digest: str, size: int) -> None:
        """Look for a blob whose upload the registry accepted.

        :raises DXFProtocolError: it does not have it
        """
        if not self.has(digest, size):
            raise DXFProtocolError('the registry accepted the blob, but does not have it')

    def cancel(self) -> None:
        """Tell the registry to forget the session, unless it belongs to the process that this one was forked from."""
        url, self.url = self.url, ''
        if url and self._process == forking.Process.generation:
            cancel_upload(self._target, url)


def cancel_upload(target: Target, url: str) -> None:
    """Give up an upload; the registry's response does not matter, as it forgets the upload in time anyway."""
    options = {'limits': target.limits._replace(retries=0, fresh_token=0), 'timeout': CANCEL_TIMEOUT}
    with suppress(Exception):  # what led here is the error to report, whatever an override makes of this
        try:
            target.request_url('delete', url, **options)
        except NoConnection as error:
            if not isinstance(error, Timeout):  # the connection that was kept had just been closed
                target.request_url('delete', url, **options)


def stored_bytes(response: Response) -> int | None:
    """Return how many bytes of an upload the registry has, by the Range of its response, ``a-b`` or ``bytes=a-b``."""
    match = re.fullmatch(_RANGE, response.headers.get('Range', ''))
    return int(match[2]) + 1 if match is not None else None


def next_url(response: Response) -> str:
    """Return the URL to which the next request of an upload goes, exactly as the registry gave it.

    :raises DXFProtocolError: it is missing, or it leads from https to another host's http
    """
    location = response.headers.get('Location')
    if not location:
        raise DXFProtocolError('the registry opened an upload without a Location')
    return resolve(response, location, lift=True)
