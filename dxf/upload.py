"""Uploads: what is to be sent, how long it is, and how it goes out.

A source knows whether it can be read again; a body is a source on its way, and never sends more or fewer
bytes than it declared. Authentication is not known here: a session is handed what makes its requests.
"""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import quote

from requests import Response

from dxf.auth import origin_of
from dxf.exceptions import DXFDigestMismatchError, DXFProtocolError, DXFSourceError
from dxf.manifests import OCTET_STREAM
from dxf.names import HASH_READ_SIZE, digest_of
from dxf.session import Limits, check_digest_header, discard, expect, resolve

PART_SIZE = 4 << 20
"""Bytes in a part of an upload whose length is not known; GHCR takes no larger one."""

OnPiece = Callable[[bytes], None]


class Source:
    """What is to be uploaded.

    :param name: what to call it in a message
    :param stream: an open file; read from where it stands
    :param size: bytes from there to its end, ``None`` where it can be read only once and its end is not known
    """

    def __init__(self, name: str, stream: Any, size: int | None) -> None:
        self.name = name
        self.size = size
        self._stream = stream
        self._start = stream.tell() if size is not None else 0

    def digest(self) -> str:
        """Read a source of known size through, and return its digest."""
        sha256 = hashlib.sha256()
        for piece in self.read():
            sha256.update(piece)
        return digest_of(sha256)

    def read(self) -> Iterator[bytes]:
        """Yield its bytes, from the beginning where it can be read again.

        :raises DXFSourceError: it does not have the size that it had when it was opened
        """
        if self.size is None:
            while piece := self._stream.read(HASH_READ_SIZE):
                yield piece
            return
        self._stream.seek(self._start)
        left = self.size
        while left:
            piece = self._stream.read(min(left, HASH_READ_SIZE))
            if not piece:
                raise self.changed()
            left -= len(piece)
            if not left and self._stream.read(1):
                raise self.changed()
            yield piece

    def changed(self) -> DXFSourceError:
        """Return the error that says so."""
        return DXFSourceError(f'{self.name} changed while it was being uploaded')

    def close(self) -> None:
        """Close what :func:`open_source` opened; a caller's file stays open."""


class _File(Source):
    def __init__(self, filename: str) -> None:
        file = io.FileIO(filename)
        super().__init__(filename, file, _size_left(file))

    def close(self) -> None:
        self._stream.close()


class _Pieces(io.RawIOBase):
    """Lets an iterable of bytes be read like a file."""

    def __init__(self, iterable: Iterable[bytes]) -> None:
        super().__init__()
        self._iterator = iter(iterable)

    def read(self, _size: int = -1, /) -> bytes:
        """Return the next piece that is not empty, however large."""
        return next((piece for piece in map(bytes, self._iterator) if piece), b'')


def open_source(filename: str | None, data: Any) -> Source:
    """Return the source that a caller of ``push_blob`` gave.

    :param filename: path of a file; wins over ``data``
    :param data: bytes, an open binary file, or an iterable of bytes
    :raises OSError: the file cannot be read
    :raises TypeError: neither was given
    """
    if filename is not None:
        return _File(filename)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return Source('data', io.BytesIO(data), memoryview(data).nbytes)
    if hasattr(data, 'read'):
        return Source('data', data, _size_left(data))
    if data is None or isinstance(data, str):
        raise TypeError('push_blob needs a filename, or data: bytes, a binary file or an iterable of bytes')
    return Source('data', _Pieces(data), None)


def _size_left(file: BinaryIO) -> int | None:
    """Return the bytes from where a file stands to its end; ``None`` for a pipe, a socket and the like."""
    try:
        start = file.tell()
        end = file.seek(0, io.SEEK_END)
        file.seek(start)
    except (AttributeError, OSError, ValueError):
        return None
    return max(end - start, 0)


class Body:
    """A source of known size as the body of one request.

    requests takes its length from ``len`` and its bytes by iterating; each iteration starts anew.
    """

    def __init__(self, source: Source, on_piece: OnPiece) -> None:
        self._source = source
        self._on_piece = on_piece
        self._reported = 0

    def __len__(self) -> int:
        return self._source.size or 0

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        for piece in self._source.read():
            yield piece
            sent += len(piece)
            if sent > self._reported:  # what is sent a second time is no progress
                self._reported = sent
                self._on_piece(piece)

    def rewind(self) -> None:
        """Do nothing: each iteration starts anew."""


class UploadSession:
    """An upload that a registry has opened.

    :param request: makes a request of the registry, and raises where it refuses
    :param opened: the answer that opened it

    ``url`` is where the next request of it goes, ``sent`` the bytes that the registry has confirmed.
    https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs
    """

    def __init__(self, request: Callable[..., Response], opened: Response, limits: Limits) -> None:
        self._request = request
        self._limits = limits
        self.url = _next_url(opened)
        self.sent = 0

    def send(self, source: Source, digest: str | None, on_piece: OnPiece) -> str:
        """Send a source, and close the upload.

        :param digest: the source's, ``None`` where only reading it will tell
        :return: the digest
        :raises DXFDigestMismatchError: the source has another; nothing is stored
        """
        if source.size is None or digest is None:
            return self._send_parts(source, digest, on_piece)
        body = Body(source, on_piece) if source.size else b''  # requests would declare no length for 0
        self._finish(digest, body)
        self.sent = source.size
        return digest

    def _send_parts(self, source: Source, digest: str | None, on_piece: OnPiece) -> str:
        """Send every full part by PATCH, and the last one in the PUT that closes the upload."""
        sha256 = hashlib.sha256()
        part = bytearray()
        for piece in source.read():
            sha256.update(piece)
            part += piece
            while len(part) > PART_SIZE:
                self._send_part(bytes(part[:PART_SIZE]))
                del part[:PART_SIZE]
            on_piece(piece)
        actual = digest_of(sha256)
        if digest is not None and actual != digest:
            raise DXFDigestMismatchError(actual, digest)
        self._finish(actual, bytes(part))
        self.sent += len(part)
        return actual

    def _send_part(self, part: bytes) -> None:
        response = self._request('patch', self.url, data=part, headers={
            'Content-Type': OCTET_STREAM, 'Content-Range': f'{self.sent}-{self.sent + len(part) - 1}'})
        discard(response, self._limits)
        expect(response, HTTPStatus.ACCEPTED, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)
        self.url = _next_url(response)
        self.sent += len(part)

    def _finish(self, digest: str, body: bytes | Body) -> None:
        # The URL is extended textually: registries sign its query.
        url = f'{self.url}{"&" if "?" in self.url else "?"}digest={quote(digest, safe="")}'
        response = self._request('put', url, data=body, headers={'Content-Type': OCTET_STREAM})
        discard(response, self._limits)
        expect(response, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)
        check_digest_header(response, digest)


def _next_url(response: Response) -> str:
    """Return the URL to which the next request of an upload goes, exactly as the registry gave it.

    A registry behind a proxy that ends TLS may write ``http``: on its own host that is lifted to https.

    :raises DXFProtocolError: there is none, or it leads from https to another host's http
    """
    location = response.headers.get('Location')
    if not location:
        raise DXFProtocolError('the registry opened an upload without a Location')
    scheme, host, _ = origin_of(response.url)
    if scheme == 'https' and location.startswith('http://') and origin_of(location)[1] == host:
        location = 'https' + location.removeprefix('http')
    return resolve(response, location)
