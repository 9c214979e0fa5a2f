"""Requests for the blobs of a folder. ``adapter`` takes uploads, as these last for several requests.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs
"""

import io
import os
import re
from http import HTTPStatus

from requests import Response

from dxf.layout import manifests
from dxf.layout.messages import LayoutRequest, RefusedError, respond
from dxf.local.atomic_files import open_regular
from dxf.manifest.image import OCTET_STREAM

_RANGE = r'(?a)bytes=([0-9]{1,19})-([0-9]{0,19})'


class _FileRange(io.FileIO):
    """A range of a file, as the body of a response."""

    def __init__(self, path: str, start: int, size: int) -> None:
        # open_regular does not wait for a named pipe, which a stranger's layout may have in place of a blob.
        with open_regular(path) as file:
            super().__init__(os.dup(file.fileno()))
        self._position = start
        self._left = size

    def __del__(self) -> None:
        self.close()  # a response need not be read

    def read(self, size: int | None = -1, /) -> bytes:
        """Read what is left, ``size`` bytes at most; at the end the file is closed.

        The position is our own: that of the file would be shared with child processes.
        """
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        piece = b'' if self.closed else os.pread(self.fileno(), wanted, self._position)
        self._position += len(piece)
        self._left -= len(piece)
        if not piece:
            self.close()
        return piece


def get(request: LayoutRequest) -> Response:
    """Return the bytes of a blob, or a range of them."""
    request.check_exists('BLOB_UNKNOWN')
    size = request.layout.blob_size(request.name)
    if size is None:
        raise _unknown()
    headers = {'Content-Type': OCTET_STREAM}
    # A registry proves by this header that it has the blob. Here only hashing the file proves it, and that takes as
    # long as a download; so only clients that ask for it wait: https://www.rfc-editor.org/rfc/rfc9530#section-4
    if 'Want-Repr-Digest' in request.prepared.headers:
        headers['Docker-Content-Digest'] = _hashed(request)
    # Other forms of Range are ignored, as a server may: https://www.rfc-editor.org/rfc/rfc9110#section-14.2. dxf sends
    # no other form.
    start, end = 0, size
    wanted = re.fullmatch(_RANGE, request.prepared.headers.get('Range', ''))
    if wanted is not None:
        start, end = int(wanted[1]), min(int(wanted[2]) + 1, size) if wanted[2] else size
        if not start < end:
            raise RefusedError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 'RANGE_INVALID',
                               'the blob does not have these bytes')
        headers['Content-Range'] = f'bytes {start}-{end - 1}/{size}'
    try:
        body = _FileRange(request.layout.blob_path(request.name), start, end - start)
    except FileNotFoundError:  # another process has just removed it
        raise _unknown() from None
    return respond(HTTPStatus.OK if wanted is None else HTTPStatus.PARTIAL_CONTENT, body,
                   {**headers, 'Content-Length': str(end - start)})


def delete(request: LayoutRequest) -> Response:
    """Delete a blob, and no manifest.

    :raises RefusedError: it is missing, or is a manifest
    :raises DXFInvalidDocumentError: another layout has the same folder of blobs
    """
    request.check_exists('BLOB_UNKNOWN')
    if manifests.is_named(request.layout, request.name):  # registries keep manifests apart from blobs
        raise RefusedError(HTTPStatus.NOT_FOUND, 'BLOB_UNKNOWN', 'it is a manifest, and dxf del-alias deletes it')
    request.layout.check_sole_owner()
    if not request.layout.remove_blob(request.name):
        raise _unknown()
    return respond(HTTPStatus.ACCEPTED)


def _hashed(request: LayoutRequest) -> str:
    """Return the digest of a blob if its file has it; the name of a file that a copy left behind proves nothing."""
    actual = request.layout.digest_in_file(request.name)
    if actual is None:
        raise _unknown()
    if actual != request.name:
        raise RefusedError(HTTPStatus.NOT_FOUND, 'BLOB_UNKNOWN', 'the file of the blob is damaged')
    return actual


def _unknown() -> RefusedError:
    return RefusedError(HTTPStatus.NOT_FOUND, 'BLOB_UNKNOWN', 'the repository does not have the blob')
