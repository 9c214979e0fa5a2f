"""A folder as a registry: answers the requests of a session from OCI image layouts, with no server.

How a layout and its manifests are kept is not known here, nor what a client makes of the answers.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints
"""

import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import count
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from dxf import forking
from dxf.exceptions import DXFError, DXFInvalidNameError
from dxf.layout import manifests, reachability
from dxf.layout.names import name_of, raise_ambiguous
from dxf.layout.store import Layout, digest_of, repositories
from dxf.limits import READ_SIZE, Limits
from dxf.local.atomic_files import Temporary, hash_regular, open_regular
from dxf.manifest import image
from dxf.manifest.image import OCI_INDEX, OCTET_STREAM
from dxf.names import FOLDER, check_digest, check_reference_at, check_repository, is_sha256
from dxf.strict_json import Json, dump_json
from dxf.transport.responses import phrase_of

_REPOSITORY = r'(?:(?P<repository>.*)/)?'
MOST_LISTED = 3 << 20
"""Maximum number of characters of the names in one page of a listing: dxf reads pages of 4 MiB."""

_DIGEST = r'(?P<name>sha256:[a-f0-9]{64})'
_RANGE = re.compile(r'bytes=([0-9]{1,19})-([0-9]{0,19})', re.ASCII)


class _RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _Asked(NamedTuple):
    """A request: of which repository, for what in it, and how."""

    repository: str
    layout: Layout
    name: str
    query: Mapping[str, str]
    request: PreparedRequest

    @property
    def pieces(self) -> Iterator[bytes]:
        """The body, as it comes."""
        body: Any = self.request.body
        if isinstance(body, str):
            body = body.encode('utf-8')
        if isinstance(body, bytes):
            return iter([body])
        if hasattr(body, 'read'):
            return iter(lambda: body.read(READ_SIZE), b'')
        return iter(body or ())

    def check(self, code: str = 'NAME_UNKNOWN') -> None:
        """Insist that the repository is there.

        :param code: of the error
        """
        if not self.layout.exists():
            raise _RefusedError(HTTPStatus.NOT_FOUND, code, f'there is no layout in {self.layout.folder}')


class _Stretch(io.FileIO):
    """A part of a file as the body of an answer."""

    def __init__(self, path: str, start: int, size: int) -> None:
        with open_regular(path) as file:
            super().__init__(os.dup(file.fileno()))
        self._position = start
        self._left = size

    def __del__(self) -> None:
        self.close()  # an answer need not be read

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


class LayoutAdapter(BaseAdapter):
    """The transport of a session to a folder of layouts.

    :param root: the folder; its blobs and manifests are in layouts, in folders of their repositories' names
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = os.path.realpath(root)
        self._layouts: dict[str, Layout] = {}
        self._uploads: dict[str, Temporary] = {}
        self._numbers = count(1)
        mark = hashlib.sha256(os.fsencode(self._root)).hexdigest()[:16]
        self.url = f'https://{mark}.layout.invalid/v2/'
        """What stands for the folder where a URL is needed; nobody else has it."""
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
        except _RefusedError as refused:
            body = dump_json({'errors': [{'code': refused.code, 'message': str(refused)}]}).encode('utf-8')
            response = _response(refused.status, body)
        response.request = request
        response.url = request.url or self.url
        if request.method == 'HEAD':
            response.raw.close()
            response.raw = io.BytesIO()
        return response

    def close(self) -> None:
        """Give up all uploads."""
        while self._uploads:
            self._uploads.popitem()[1].discard()

    def _answer(self, request: PreparedRequest) -> Response:
        url = urlsplit(request.url or '')
        _, _, path = str(url.path).partition('/v2/')
        for pattern, methods in self._ROUTES:
            match = re.fullmatch(pattern, path, re.ASCII)
            if match is not None:
                method = methods.get('GET' if request.method == 'HEAD' else request.method or '')
                if method is None:
                    break
                named = match.groupdict()
                query = {key: values[0] for key, values in parse_qs(str(url.query), True).items()}
                repository = named.get('repository') or ''
                return method(self, _Asked(repository, self._layout(repository), named.get('name') or '', query,
                                           request))
        raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, 'UNSUPPORTED', 'a folder does not offer that')

    def _layout(self, repository: str) -> Layout:
        try:
            if repository:
                check_repository(repository)
        except DXFInvalidNameError as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, 'NAME_INVALID', str(error)) from None
        return self._layouts.setdefault(repository, Layout(self._root, repository))

    def _version(self, _asked: _Asked) -> Response:
        return _response(HTTPStatus.OK, b'{}')

    # Listings

    def _catalog(self, asked: _Asked) -> Response:
        os.stat(self._root)
        return self._page(asked, 'repositories', sorted(repositories(self._root)))

    def _tags(self, asked: _Asked) -> Response:
        asked.check()
        return self._page(asked, 'tags', manifests.aliases(asked.layout), {'name': asked.repository})

    def _page(self, asked: _Asked, key: str, names: list[str], start: Mapping[str, Any] | None = None) -> Response:
        most, last = asked.query.get('n', ''), asked.query.get('last', '')
        shown = names = names[names.index(last) + 1:] if last in names else [name for name in names if name > last]
        if most.isascii() and most.isdigit():
            shown = shown[:int(most)]
        shown = shown[:_fitting(shown)]
        headers = {}
        if shown and len(shown) < len(names):
            url = str(asked.request.url).partition('?')[0]
            size = f'n={most}&' if most else ''
            headers['Link'] = f'<{url}?{size}last={quote(shown[-1], safe="")}>; rel="next"'
        return _response(HTTPStatus.OK, dump_json({**(start or {}), key: shown}).encode('utf-8'),
                         {'Content-Type': 'application/json', **headers})

    # Blobs

    def _blob(self, asked: _Asked) -> Response:
        asked.check('BLOB_UNKNOWN')
        size = asked.layout.blob_size(asked.name)
        if size is None:
            raise _blob_unknown()
        headers = {'Content-Type': OCTET_STREAM}
        if 'Want-Repr-Digest' in asked.request.headers:
            headers['Docker-Content-Digest'] = _hashed(asked)
        start, end = 0, size
        wanted = _RANGE.fullmatch(asked.request.headers.get('Range', ''))
        if wanted is not None:
            start, end = int(wanted[1]), min(int(wanted[2]) + 1, size) if wanted[2] else size
            if not start < end:
                raise _RefusedError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 'RANGE_INVALID',
                                    'the blob does not have these bytes')
            headers['Content-Range'] = f'bytes {start}-{end - 1}/{size}'
        try:
            body = _Stretch(asked.layout.blob_path(asked.name), start, end - start)
        except FileNotFoundError:  # somebody has just removed it
            raise _blob_unknown() from None
        return _response(HTTPStatus.OK if wanted is None else HTTPStatus.PARTIAL_CONTENT, body,
                         {**headers, 'Content-Length': str(end - start)})

    def _delete_blob(self, asked: _Asked) -> Response:
        asked.check('BLOB_UNKNOWN')
        if not asked.layout.remove_blob(asked.name):
            raise _blob_unknown()
        return _response(HTTPStatus.ACCEPTED)

    # Uploads

    def _open_upload(self, asked: _Asked) -> Response:
        digest, source = asked.query.get('mount'), asked.query.get('from')
        if digest and source is not None and asked.layout.mount_blob(check_digest(digest), self._layout(source)):
            return _response(HTTPStatus.CREATED, b'', {'Docker-Content-Digest': digest})
        asked.layout.exists()
        upload = str(next(self._numbers))
        self._uploads[upload] = Temporary(asked.layout.path())
        return self._uploaded(asked, upload, HTTPStatus.ACCEPTED)

    def _add_to_upload(self, asked: _Asked) -> Response:
        _write(self._upload(asked), asked.pieces)
        return self._uploaded(asked, asked.name, HTTPStatus.ACCEPTED)

    def _upload_status(self, asked: _Asked) -> Response:
        self._upload(asked)
        return self._uploaded(asked, asked.name, HTTPStatus.NO_CONTENT)

    def _close_upload(self, asked: _Asked) -> Response:
        content = self._upload(asked)
        _write(content, asked.pieces)
        if content.digest != asked.query.get('digest'):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, 'DIGEST_INVALID', 'the content has another digest')
        asked.layout.add_blob(content)
        del self._uploads[asked.name]
        return _response(HTTPStatus.CREATED, b'', {'Docker-Content-Digest': content.digest})

    def _cancel_upload(self, asked: _Asked) -> Response:
        self._upload(asked).discard()
        del self._uploads[asked.name]
        return _response(HTTPStatus.NO_CONTENT)

    def _upload(self, asked: _Asked) -> Temporary:
        if asked.name not in self._uploads:
            raise _RefusedError(HTTPStatus.NOT_FOUND, 'BLOB_UPLOAD_UNKNOWN', 'there is no such upload')
        return self._uploads[asked.name]

    def _uploaded(self, asked: _Asked, upload: str, status: int) -> Response:
        path = f'{asked.repository}/blobs/uploads/{upload}'.lstrip('/')
        return _response(status, b'', {'Location': self.url + path,
                                       'Range': f'0-{max(self._uploads[upload].size - 1, 0)}'})

    # Manifests

    def _manifest(self, asked: _Asked) -> Response:
        asked.check('MANIFEST_UNKNOWN')
        found = manifests.find(asked.layout, _reference(asked))
        if found is None:
            raise _manifest_unknown(asked)
        return _response(HTTPStatus.OK, found.content, {
            'Content-Type': found.media_type, 'Docker-Content-Digest': found.digest})

    def _set_manifest(self, asked: _Asked) -> Response:
        reference = _reference(asked)
        content = b''.join(asked.pieces)
        try:
            image.check_size(len(content), Limits().manifest)
            manifest = image.read(content.decode('utf-8'), asked.request.headers.get('Content-Type'))
            subject = image.subject_of(manifest.text)
        except (DXFError, UnicodeDecodeError) as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, 'MANIFEST_INVALID', str(error)) from None
        if is_sha256(reference) and reference != manifest.digest:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, 'DIGEST_INVALID', 'the manifest has another digest')
        asked.layout.exists()
        _check_has_all(manifests.missing(asked.layout, manifest))
        asked.layout.make()
        with asked.layout.locked(), Temporary(asked.layout.path()) as temporary:
            _check_has_all(manifests.missing_part(asked.layout, manifest))  # nothing can be removed now
            _check_condition(asked, reference)
            temporary.write(content)
            entry = manifests.entry_of(manifest, reference)
            stays = manifests.stays_beside(entry, manifest)
            latest = manifests.nameless_latest(asked.layout, entry, manifest)
            named = [] if latest is None else [manifests.called_latest(latest)]
            asked.layout.change_index(lambda other: (latest is None or other != latest) and stays(other),
                                      [*named, entry], lambda: asked.layout.add_blob(temporary))
        return _response(HTTPStatus.CREATED, b'', {'Docker-Content-Digest': manifest.digest,
                                                   **({'OCI-Subject': subject} if subject else {})})

    def _delete_manifest(self, asked: _Asked) -> Response:
        """Delete what was named: one alias, or a manifest with all its aliases.

        The file of the manifest goes if nothing else leads to it.
        """
        asked.check('MANIFEST_UNKNOWN')
        reference = _reference(asked)
        with asked.layout.locked():
            digests, unwanted = _deleted(asked, reference)
            asked.layout.change_index(lambda entry: not unwanted(entry))
        reachability.remove_manifests(asked.layout, digests)
        return _response(HTTPStatus.ACCEPTED)

    def _referrers(self, asked: _Asked) -> Response:
        """https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers"""
        found = manifests.referrers(asked.layout, asked.name) if asked.layout.exists() else []
        body = dump_json({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': found})
        return _response(HTTPStatus.OK, body.encode('utf-8'), {'Content-Type': OCI_INDEX})

    _ROUTES: tuple[tuple[str, dict[str, Callable[..., Response]]], ...] = (
        (r'', {'GET': _version}),
        (r'_catalog', {'GET': _catalog}),
        (rf'{_REPOSITORY}tags/list', {'GET': _tags}),
        (rf'{_REPOSITORY}blobs/{_DIGEST}', {'GET': _blob, 'DELETE': _delete_blob}),
        (rf'{_REPOSITORY}blobs/uploads/', {'POST': _open_upload}),
        (rf'{_REPOSITORY}blobs/uploads/(?P<name>[0-9]+)', {
            'PATCH': _add_to_upload, 'GET': _upload_status,
            'PUT': _close_upload, 'DELETE': _cancel_upload}),
        (rf'{_REPOSITORY}manifests/(?P<name>[^/]+)', {
            'GET': _manifest, 'PUT': _set_manifest, 'DELETE': _delete_manifest}),
        (rf'{_REPOSITORY}referrers/{_DIGEST}', {'GET': _referrers}),
    )


def _response(status: int, body: bytes | io.FileIO = b'', headers: Mapping[str, str] | None = None) -> Response:
    response = Response()
    response.status_code = int(status)
    response.reason = phrase_of(status)
    response.headers['Docker-Distribution-API-Version'] = 'registry/2.0'
    if isinstance(body, bytes):
        response.headers['Content-Length'] = str(len(body))
    response.headers.update(headers or {})
    response.raw = io.BytesIO(body) if isinstance(body, bytes) else body
    return response


def _hashed(asked: _Asked) -> str:
    """Return the digest of a blob if its file has it; the name of a file that a copy left behind proves nothing."""
    try:
        actual = hash_regular(asked.layout.blob_path(asked.name))
    except FileNotFoundError:  # another process has just removed it
        raise _blob_unknown() from None
    if actual != asked.name:
        raise _RefusedError(HTTPStatus.NOT_FOUND, 'BLOB_UNKNOWN', 'the file of the blob is damaged')
    return actual


def _blob_unknown() -> _RefusedError:
    return _RefusedError(HTTPStatus.NOT_FOUND, 'BLOB_UNKNOWN', 'the repository does not have the blob')


def _manifest_unknown(asked: _Asked) -> _RefusedError:
    """Return the error for a manifest that is not there; it tells whether only its file is missing.

    :raises DXFInvalidDocumentError: its file is damaged, or too large
    """
    message = 'the repository does not have the manifest'
    if not is_sha256(asked.name) and (entries := manifests.entries_named(asked.layout, unquote(asked.name))):
        digest = entries[0]['digest']
        if asked.layout.blob_size(digest) is not None:
            raise manifests.unreadable_error(asked.layout, digest, 'damaged')
        message = f'the file of the manifest is missing: {digest}'
    return _RefusedError(HTTPStatus.NOT_FOUND, 'MANIFEST_UNKNOWN', message)


def _reference(asked: _Asked) -> str:
    """Return what names a manifest: an alias, which may be a full reference, or a digest."""
    return check_reference_at(FOLDER, unquote(asked.name))


def _deleted(asked: _Asked, reference: str) -> tuple[set[str], Callable[[Json], bool]]:
    """Return the digests of the manifests that a reference names, and what tells which entries go.

    :raises DXFAmbiguousAliasError: an alias is the tag of several full references
    """
    layout = asked.layout
    alias = reference
    if is_sha256(reference):
        digests = {entry['digest'] for entry in layout.entries()
                   if reference in (entry['digest'], manifests.known_as(entry))}
        of_index = None if digests or layout.blob_size(reference) is not None else \
            manifests.alias_of_index(layout, reference)
        if of_index is None:
            if not digests and manifests.find(layout, reference) is None:
                raise _manifest_unknown(asked)
            digest = next(iter(digests), reference)
            return {digest}, lambda entry: digest_of(entry) == digest
        alias = of_index
    entries = manifests.entries_named(layout, alias)
    if not entries:
        raise _manifest_unknown(asked)
    names = {name_of(entry) for entry in entries}
    if len(names) > 1:
        raise_ambiguous(alias, entries)
    manifests.digest_for(layout, alias)  # several manifests of one name are ambiguous, unless they are platforms
    return {entry['digest'] for entry in entries}, \
        lambda entry: entry in entries if names == {None} else name_of(entry) in names


def _fitting(names: list[str]) -> int:
    """Return how many names fit into one page of a listing."""
    size = 0
    for number, name in enumerate(names):
        size += len(name) + 4
        if size > MOST_LISTED:
            return number
    return len(names)


def _write(content: Temporary, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        content.write(piece)


def _check_has_all(missing: str | None) -> None:
    """Insist that a layout lacks nothing that a manifest names."""
    if missing is not None:
        raise _RefusedError(HTTPStatus.BAD_REQUEST, 'MANIFEST_BLOB_UNKNOWN', f'the repository has no blob {missing}')


def _check_condition(asked: _Asked, reference: str) -> None:
    """Insist on If-Match and If-None-Match: https://www.rfc-editor.org/rfc/rfc9110#section-13.1."""
    headers = asked.request.headers
    wanted, unwanted = headers.get('If-Match'), headers.get('If-None-Match')
    if wanted is None and unwanted is None:
        return
    digest = None if is_sha256(reference) else manifests.digest_for(asked.layout, reference)
    if unwanted == '*' and digest is not None or wanted is not None and wanted != f'"{digest}"':
        raise _RefusedError(HTTPStatus.PRECONDITION_FAILED, 'DENIED', 'the alias names something else')
