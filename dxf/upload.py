"""Uploads: the ways in which a source goes to a registry, and what to do where they break.

Authentication is not known here: an upload is handed what makes its requests.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import quote

from requests import Response
from requests.exceptions import HTTPError, RequestException

from dxf.answers import check_digest_header, discard, expect
from dxf.exceptions import DXFDigestMismatchError, DXFError, DXFProtocolError, DXFSourceError
from dxf.limits import Limits
from dxf.manifests import OCTET_STREAM
from dxf.names import digest_of
from dxf.session import RETRIED, Attempts, is_transient, resolve
from dxf.source import Body, OnPiece, Source

PART_SIZE = 4 << 20
"""Bytes in a part of an upload whose length is not known; GHCR takes no larger one."""

SESSION_LOST = (HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, *RETRIED)
"""Statuses after which an upload may go well in a new session."""

SESSIONS_LOST = 2

_RANGE = re.compile(r'(?:bytes=)?([0-9]{1,19})-([0-9]{1,19})', re.ASCII)


class Upload:
    """One blob on its way to a registry.

    :param source: its content
    :param begin: asks for an upload session, and returns the answer that opens it
    :param request: makes a request of a whole URL, and raises where the registry refuses
    :param stored_size: returns the size of a blob that the registry has, else ``None``
    :param cancel: tells the registry to forget the session at a URL

    https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs
    """

    def __init__(self, source: Source, begin: Callable[[], Response], request: Callable[..., Response],
                 stored_size: Callable[[str], int | None], cancel: Callable[[str], None], limits: Limits) -> None:
        self._source = source
        self._begin = begin
        self._request = request
        self._stored_size = stored_size
        self._cancel = cancel
        self._limits = limits
        self._url = ''
        self._sent = 0

    def send(self, digest: str | None, on_piece: OnPiece) -> tuple[str, int]:
        """Send the source, by as many sessions as it takes.

        :param digest: the source's, ``None`` where only reading it will tell
        :return: digest and size
        :raises DXFDigestMismatchError: the source has another digest; nothing is stored
        :raises DXFSourceError: it changed, or would have to be read again and cannot
        """
        if self._source.size is None or digest is None:
            self._open()
            with self._given_up_on_failure():
                return self._send_parts(digest, on_piece)
        body = Body(self._source, digest, on_piece) if self._source.size else b''  # requests would declare no length
        attempts = Attempts(self._limits)
        lost = 0
        while True:
            self._open()
            try:
                with self._given_up_on_failure():
                    self._finish(digest, body)
                return digest, self._source.size
            except RequestException as error:
                if not _may_help(error):
                    raise
                if self._stored_size(digest) == self._source.size:  # only the answer was lost
                    return digest, self._source.size
                lost += isinstance(error, HTTPError)
                if lost > SESSIONS_LOST or not attempts.again(error.response):
                    raise

    def _open(self) -> None:
        """Open a session."""
        opened = self._begin()
        expect(opened, HTTPStatus.ACCEPTED)
        self._url = next_url(opened)
        self._sent = 0

    @contextmanager
    def _given_up_on_failure(self) -> Iterator[None]:
        """Have the registry forget the session if what is done in it fails."""
        try:
            yield
        except BaseException:
            self._cancel(self._url)
            raise

    def _send_parts(self, digest: str | None, on_piece: OnPiece) -> tuple[str, int]:
        """Send every full part by PATCH, and the last one in the PUT that closes the session."""
        sha256 = hashlib.sha256()
        part = bytearray()
        for piece in self._source.read():
            sha256.update(piece)
            part += piece
            while len(part) > PART_SIZE:
                self._send_part(bytes(part[:PART_SIZE]))
                del part[:PART_SIZE]
            on_piece(piece)
        actual = digest_of(sha256)
        if digest not in (None, actual):
            raise DXFDigestMismatchError(actual, digest)
        size = self._sent + len(part)
        try:
            self._finish(actual, bytes(part))
        except RequestException as error:
            if not _may_help(error) or self._stored_size(actual) != size:
                raise
        return actual, size

    def _send_part(self, part: bytes) -> None:
        """Send a part, and where that breaks what the registry has not got of it."""
        attempts = Attempts(self._limits)
        end = self._sent + len(part)
        while self._sent < end:
            try:
                response = self._request('patch', self._url, data=part, headers={
                    'Content-Type': OCTET_STREAM, 'Content-Range': f'{self._sent}-{end - 1}'})
                expect(response, HTTPStatus.ACCEPTED, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)
            except RequestException as error:
                if not _may_help(error):
                    raise
                stored = self._stored_part()
                if stored is None or not self._sent <= stored <= end:
                    raise DXFSourceError(f'the upload broke off, and {self._source.name} cannot be read a second '
                                         'time; push it from a file') from error
                if not attempts.again(error.response):
                    raise
                part = part[stored - self._sent:]
                self._sent = stored
            else:
                self._url = next_url(response)
                if (stored_bytes(response) or 0) > end:
                    raise DXFProtocolError('the registry counts more bytes of the upload than were sent')
                self._sent = end

    def _stored_part(self) -> int | None:
        """Ask how many bytes of the session the registry has; ``None`` where the session is lost."""
        try:
            response = self._request('get', self._url)
        except (DXFError, RequestException):
            return None
        discard(response, self._limits)
        self._url = next_url(response) if 'Location' in response.headers else self._url
        stored = stored_bytes(response)
        return 0 if stored == 1 and not self._sent else stored  # distribution says 0-0 of nothing, too

    def _finish(self, digest: str, body: bytes | Body) -> None:
        # The URL is extended textually: registries sign its query.
        url = f'{self._url}{"&" if "?" in self._url else "?"}digest={quote(digest, safe="")}'
        response = self._request('put', url, data=body, headers={'Content-Type': OCTET_STREAM})
        expect(response, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT, HTTPStatus.OK)
        check_digest_header(response, digest)
        if 'Docker-Content-Digest' not in response.headers and self._stored_size(digest) is None:
            raise DXFProtocolError('the registry accepted the blob, but does not have it')


def _may_help(error: Exception) -> bool:
    """Say whether a new session, or a look whether the blob is there, may help where an upload failed."""
    if isinstance(error, HTTPError):
        return error.response is not None and error.response.status_code in SESSION_LOST
    return is_transient(error)


def stored_bytes(response: Response) -> int | None:
    """Return how many bytes of an upload the registry has, by the Range of its answer, ``a-b`` or ``bytes=a-b``."""
    match = _RANGE.fullmatch(response.headers.get('Range', ''))
    return int(match[2]) + 1 if match is not None else None


def next_url(response: Response) -> str:
    """Return the URL to which the next request of an upload goes, exactly as the registry gave it.

    :raises DXFProtocolError: there is none, or it leads from https to another host's http
    """
    location = response.headers.get('Location')
    if not location:
        raise DXFProtocolError('the registry opened an upload without a Location')
    return resolve(response, location, lift=True)
