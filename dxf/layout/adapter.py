"""A folder as a registry: answers the requests of a session from OCI image layouts, with no server.

This module finds out what a request is for, and takes uploads. ``listings``, ``blob_requests`` and
``manifest_requests`` do the rest; ``store`` knows the files. What a client makes of the responses is not known here.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints
"""

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from dxf import forking
from dxf.exceptions import DXFInvalidNameError
from dxf.layout import blob_requests, listings, manifest_requests
from dxf.layout.messages import LayoutRequest, RefusedError, respond
from dxf.layout.store import Layout
from dxf.local.atomic_files import Temporary
from dxf.local.special_files import followed
from dxf.names import check_digest, check_repository
from dxf.strict_json import dump_json

_REPOSITORY = r'(?:(?P<repository>.*)/)?'
_DIGEST = r'(?P<name>sha256:[a-f0-9]{64})'


class LayoutAdapter(BaseAdapter):
    """The transport of a session to a folder of layouts.

    :param root: the folder; its blobs and manifests are in layouts, in folders of their repositories' names
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = followed(root)
        self._layouts: dict[str, Layout] = {}
        self._uploads: dict[str, Temporary] = {}
        self._numbers = count(1)
        # No host has a name in .invalid (https://www.rfc-editor.org/rfc/rfc2606#section-2): if a request ever went to
        # another adapter by mistake, it could not leave this machine. The hash keeps tokens and referrers of two
        # folders apart.
        mark = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:16]
        self.url = f'https://{mark}.layout.invalid/v2/'
        """Stands for the folder where a URL is needed. No other folder has the same."""
        forking.register(self)

    def renew_after_fork(self) -> None:
        """Leave the uploads of the parent process to it."""
        self._uploads = {}

    def send(self, request: PreparedRequest, *_args: Any, **_kwargs: Any) -> Response:
        """Answer a request.

        :raises DXFError: the folder is something else than it should be
        :raises OSError: it cannot be read or written
        """
        try:
            response = self._answer(request)
        except RefusedError as refused:
            body = dump_json({'errors': [{'code': refused.code, 'message': str(refused)}]}).encode('utf-8')
            response = respond(refused.status, body)
        response.request = request
        response.url = request.url or self.url
        # HEAD has the headers of GET and no body: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2. One function
        # answers both, so that they cannot differ.
        if request.method == 'HEAD':
            response.raw.close()
            response.raw = io.BytesIO()
        return response

    def close(self) -> None:
        """Give up all uploads."""
        while self._uploads:
            self._uploads.popitem()[1].discard()

    def _answer(self, request: PreparedRequest) -> Response:
        # Only our own client sends requests here, but names in them come from users and from documents of other tools.
        # So the patterns are as strict as those of a registry.
        url = urlsplit(request.url or '')
        _, _, path = str(url.path).partition('/v2/')
        for pattern, methods in self._routes():
            match = re.fullmatch(pattern, path, re.ASCII)
            if match is not None:
                method = methods.get('GET' if request.method == 'HEAD' else request.method or '')
                if method is None:
                    break
                named = match.groupdict()
                query = {key: values[0] for key, values in parse_qs(str(url.query), True).items()}
                repository = named.get('repository') or ''
                return method(LayoutRequest(repository, self._layout(repository), named.get('name') or '', query,
                                            request))
        raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, 'UNSUPPORTED', 'a folder does not offer that')

    def _routes(self) -> tuple[tuple[str, dict[str, Callable[[LayoutRequest], Response]]], ...]:
        """Return what answers requests, by the pattern of their path and their method."""
        return (
            (r'', {'GET': _version}),
            (r'_catalog', {'GET': partial(listings.catalog, self._root)}),
            (rf'{_REPOSITORY}tags/list', {'GET': listings.tags}),
            (rf'{_REPOSITORY}blobs/{_DIGEST}', {'GET': blob_requests.get, 'DELETE': blob_requests.delete}),
            (rf'{_REPOSITORY}blobs/uploads/', {'POST': self._open_upload}),
            (rf'{_REPOSITORY}blobs/uploads/(?P<name>[0-9]+)', {
                'PATCH': self._add_to_upload, 'GET': self._upload_status,
                'PUT': self._close_upload, 'DELETE': self._cancel_upload}),
            (rf'{_REPOSITORY}manifests/(?P<name>[^/]+)', {
                'GET': manifest_requests.get, 'PUT': manifest_requests.put, 'DELETE': manifest_requests.delete}),
            (rf'{_REPOSITORY}manifests/', {'DELETE': manifest_requests.delete_several}),
            (rf'{_REPOSITORY}referrers/{_DIGEST}', {'GET': manifest_requests.referrers}),
        )

    def _layout(self, repository: str) -> Layout:
        try:
            if repository:
                check_repository(repository)
        except DXFInvalidNameError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, 'NAME_INVALID', str(error)) from None
        # Kept, as a layout remembers what other repositories the root has.
        return self._layouts.setdefault(repository, Layout(self._root, repository))

    # Uploads

    def _open_upload(self, request: LayoutRequest) -> Response:
        digest, source = request.query.get('mount'), request.query.get('from')
        if digest and source is not None and _is_mounted(request, check_digest(digest), self._layout(source)):
            return respond(HTTPStatus.CREATED, b'', {'Docker-Content-Digest': digest})
        # Refuses what is no layout now, not after all bytes were sent. The layout itself is made when the blob is
        # complete, so a push that fails leaves no empty repository.
        request.layout.exists()
        upload = str(next(self._numbers))
        # In the layout's own folder, as a rename does not cross file systems.
        self._uploads[upload] = Temporary(request.layout.path())
        return self._uploaded(request, upload, HTTPStatus.ACCEPTED)

    def _add_to_upload(self, request: LayoutRequest) -> Response:
        _write(self._upload(request), request.pieces)
        return self._uploaded(request, request.name, HTTPStatus.ACCEPTED)

    def _upload_status(self, request: LayoutRequest) -> Response:
        self._upload(request)
        return self._uploaded(request, request.name, HTTPStatus.NO_CONTENT)

    def _close_upload(self, request: LayoutRequest) -> Response:
        content = self._upload(request)
        _write(content, request.pieces)
        # The hash is of the bytes that were written to the file, not of what the client says it has sent.
        if content.digest != request.query.get('digest'):
            raise RefusedError(HTTPStatus.BAD_REQUEST, 'DIGEST_INVALID', 'the content has another digest')
        request.layout.add_blob(content)
        del self._uploads[request.name]
        return respond(HTTPStatus.CREATED, b'', {'Docker-Content-Digest': content.digest})

    def _cancel_upload(self, request: LayoutRequest) -> Response:
        self._upload(request).discard()
        del self._uploads[request.name]
        return respond(HTTPStatus.NO_CONTENT)

    def _upload(self, request: LayoutRequest) -> Temporary:
        if request.name not in self._uploads:
            raise RefusedError(HTTPStatus.NOT_FOUND, 'BLOB_UPLOAD_UNKNOWN', 'there is no such upload')
        return self._uploads[request.name]

    def _uploaded(self, request: LayoutRequest, upload: str, status: int) -> Response:
        path = f'{request.repository}/blobs/uploads/{upload}'.lstrip('/')
        return respond(status, b'', {'Location': self.url + path,
                                     'Range': f'0-{max(self._uploads[upload].size - 1, 0)}'})


def _version(_request: LayoutRequest) -> Response:
    return respond(HTTPStatus.OK, b'{}')


def _is_mounted(request: LayoutRequest, digest: str, source: Layout) -> bool:
    """Make a blob of another repository one of this too; return whether that has it.

    Where the repository is its own source, its file is hashed: a damaged one is to be sent again.

    :raises DXFInvalidDocumentError: the repository is no layout
    """
    if source is request.layout:
        return source.exists() and source.has_intact(digest)
    return request.layout.mount_blob(digest, source)


def _write(content: Temporary, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        content.write(piece)
