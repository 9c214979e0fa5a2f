"""The client: a repository in a registry, one short method a protocol step.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from requests import Response
from requests.exceptions import HTTPError

from dxf import images, manifests
from dxf.answers import check_digest_header, error_codes, expect, is_encoded, is_not_found, read_body
from dxf.download import CHUNK_SIZE, Download, declared_size
from dxf.exceptions import (DXFDigestMismatchError, DXFHTTPError, DXFInvalidDocumentError, DXFMountFailed,
                            DXFProtocolError)
from dxf.images import Image, Manifest
from dxf.limits import TIMEOUT, Limits
from dxf.listing import PaginatingResponse
from dxf.manifests import ACCEPT, Descriptor, ImageManifest, Index
from dxf.names import check_alias, check_digest, check_reference, hash_bytes, is_digest, repository_at, to_bytes
from dxf.registry import Auth, DXFBase, Timeout
from dxf.source import OnPiece, Source, open_source
from dxf.upload import Upload, next_url

SCHEMAS = ('v2', 'oci', 'v1')
CANCEL_TIMEOUT = 2
"""Seconds that giving up an upload may take: whoever pressed Ctrl-C waits for it."""


class DXF(DXFBase):
    """A repository in a registry.

    :param host: ``name[:port]``; the empty string is Docker Hub
    :param repo: the repository's name; on Docker Hub ``library/`` is put before a name of one part
    :param schema: what :meth:`set_alias` writes: ``v2`` (Docker schema 2), ``oci``, or ``v1`` (signed schema 1)

    The other parameters are those of :class:`DXFBase`.

    :raises DXFInvalidNameError: ``host``, ``repo`` or ``auth_host`` is none
    """

    def __init__(self, host: str, repo: str, auth: Auth | None = None, insecure: bool = False,
                 auth_host: str | None = None, tlsverify: bool | str = True, timeout: Timeout = TIMEOUT, *,
                 limits: Limits = Limits(), schema: str = 'v2') -> None:
        super().__init__(host, auth, insecure, auth_host, tlsverify, timeout, limits=limits)
        if schema not in SCHEMAS:
            raise ValueError(f'schema is one of {", ".join(SCHEMAS)}')
        self._repo = repository_at(self._host, repo)
        self._schema = schema
        self._sizes: dict[str, int] = {}

    @classmethod
    def from_base(cls, base: DXFBase, repo: str) -> 'DXF':
        """Return a repository of the same registry, with the settings, connections and credentials of ``base``.

        A token that either obtains serves both, where its scope allows.

        :raises DXFInvalidNameError: ``repo`` is none
        """
        dxf = cls(base._host, repo, base._auth, base._insecure, base._auth_host, base._tlsverify, base._timeout)
        dxf._limits = base._limits
        dxf._schema = getattr(base, '_schema', dxf._schema)
        dxf._sessions = base._sessions
        dxf._credential = base._credential
        return dxf

    def _request(self, method: str, path: str, **kwargs: Any) -> Response:
        """Make a request of the repository: :meth:`_base_request` with a path below its name."""
        return self._base_request(method, f'{self._repo}/{path}', **kwargs)

    def _scopes(self, actions: Sequence[str] | str | None) -> tuple[str, ...]:
        if not actions:
            return ()
        return (f'repository:{self._repo}:{actions if isinstance(actions, str) else ",".join(actions)}',)

    def _default_scopes(self) -> tuple[str, ...]:
        return ()

    # Blobs

    def push_blob(self, filename: str | None = None, progress: Callable[..., Any] | None = None, data: Any = None,
                  digest: str | None = None, check_exists: bool = True) -> str:
        """Store a blob.

        :param filename: path of the file to store; wins over ``data``
        :param progress: called as ``progress(digest, chunk, size)`` for a file, first with an empty chunk, as
            ``progress(digest, chunk)`` for ``data``, with every chunk of bytes sent; not at all for a blob that
            the registry has already
        :param data: what to store: bytes, an open binary file (from where it stands), or an iterable of bytes
        :param digest: the blob's, if it is known; without it a source that can be read only once is sent even where the
            registry has it
        :param check_exists: ask whether the registry has the blob, and then send nothing
        :return: the digest
        :raises DXFDigestMismatchError: the source has another digest; nothing is stored
        :raises DXFSourceError: the source changed on its way
        :raises OSError: the file cannot be read
        """
        if digest is not None:
            check_digest(digest)
        source = open_source(filename, data)
        try:
            if source.size is not None:
                actual = source.digest()
                if digest not in (None, actual):
                    raise DXFDigestMismatchError(actual, digest)
                digest = actual
            if check_exists and digest is not None and self._stored_size(digest) is not None:
                return digest
            return self._upload(source, digest, _reporter(progress, filename is not None, digest, source.size))
        finally:
            source.close()

    def _stored_size(self, digest: str) -> int | None:
        """Return the size of a blob that the registry has, else ``None``."""
        try:
            self._sizes[digest] = self.blob_size(digest)
        except HTTPError as error:
            if is_not_found(error):
                return None
            raise
        return self._sizes[digest]

    def _upload(self, source: Source, digest: str | None, on_piece: OnPiece) -> str:
        upload = Upload(source, self._begin_upload, self._base_request, self._stored_size, self._cancel_upload,
                        self._limits)
        digest, size = upload.send(digest, on_piece)
        self._sizes[digest] = size
        return digest

    def _begin_upload(self, **kwargs: Any) -> Response:
        return self._request('post', 'blobs/uploads/', data=b'', **kwargs)

    def _cancel_upload(self, url: str) -> None:
        """Give up an upload; the registry's answer does not matter, as it forgets the upload in time anyway."""
        with suppress(Exception):  # what led here is the error to tell, whatever an override makes of this
            self._base_request('delete', url, limits=replace(self._limits, retries=0), timeout=CANCEL_TIMEOUT)

    def pull_blob(self, digest: str, size: bool = False, chunk_size: int | None = None) -> Any:
        """Fetch a blob.

        The request is made at once. The iterator raises before it yields the last chunk if the content is not
        what the digest says, so that whoever got all chunks has a verified blob.

        :param size: return the blob's size in bytes too
        :param chunk_size: bytes of every chunk but the last; 8192 by default
        :return: an iterator of bytes, or ``(iterator, size)``
        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        :raises DXFDigestMismatchError: from the iterator: the content is another
        """
        check_digest(digest)
        if chunk_size is not None and chunk_size < 1:
            raise ValueError('chunk_size is a number of bytes, at least 1')
        response = self._request('get', f'blobs/{digest}')
        expect(response, HTTPStatus.OK)
        check_digest_header(response, digest)
        actual = None if is_encoded(response) else declared_size(response)
        if actual is None:
            try:
                actual = self.blob_size(digest)
            except DXFProtocolError:  # nobody tells: then the digest alone decides
                if size:
                    raise
        rest = partial(self._rest_of_blob, digest)
        chunks = Download(response, digest, actual, rest, self._limits).chunks(chunk_size or CHUNK_SIZE)
        return (chunks, actual) if size else chunks

    def _rest_of_blob(self, digest: str, start: int) -> Response:
        response = self._request('get', f'blobs/{digest}', headers={'Range': f'bytes={start}-'})
        expect(response, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
        return response

    def blob_size(self, digest: str) -> int:
        """Return the size of a blob in bytes.

        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        """
        response = self._request('head', f'blobs/{check_digest(digest)}')
        expect(response, HTTPStatus.OK)
        size = declared_size(response)
        if size is None:
            raise DXFProtocolError('the registry does not say how large the blob is')
        return size

    def mount_blob(self, repo: str, digest: str) -> str:
        """Make a blob of another repository of the same registry a blob of this one, without moving its bytes.

        :param repo: the other repository
        :return: the digest
        :raises DXFMountFailed: the registry does not do it; push the blob instead
        """
        source = repository_at(self._host, repo)
        response = self._begin_upload(params={'mount': check_digest(digest), 'from': source})
        if response.status_code == HTTPStatus.ACCEPTED:  # it opened an upload instead
            self._cancel_upload(next_url(response))
        if response.status_code != HTTPStatus.CREATED:
            raise DXFMountFailed(f'the registry did not mount {digest} from {repo}')
        check_digest_header(response, digest)
        return digest

    def del_blob(self, digest: str) -> None:
        """Delete a blob from the repository. The registry frees its space when it collects garbage.

        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        """
        self._sizes.pop(check_digest(digest), None)
        self._request('delete', f'blobs/{digest}')

    # Manifests and aliases

    def get_manifest_and_response(self, alias: str) -> tuple[str, Response]:
        """Fetch a manifest.

        :param alias: an alias, or the digest of a manifest
        :return: its text as the registry keeps it, and the answer that carried it
        :raises DXFDigestMismatchError: it is not what its digest says
        """
        response = self._request('get', f'manifests/{check_reference(alias)}', headers={'Accept': ACCEPT})
        expect(response, HTTPStatus.OK)
        body = read_body(response, self._limits.manifest, self._limits)
        text = _decode(body)
        if is_digest(alias) and hash_bytes(body) != alias:
            actual = manifests.read(text).digest  # of schema 1 the digest is that of what was signed
            if actual != alias:
                raise DXFDigestMismatchError(actual, alias)
        return text, response

    def head_manifest_and_response(self, alias: str) -> tuple[str | None, Response]:
        """Ask for a manifest's digest, without fetching it.

        :param alias: an alias, or the digest of a manifest
        :return: the digest, ``None`` where the registry does not tell, and the answer
        """
        response = self._request('head', f'manifests/{check_reference(alias)}', headers={'Accept': ACCEPT})
        expect(response, HTTPStatus.OK)
        return response.headers.get('Docker-Content-Digest'), response

    def _stored(self, reference: str) -> Manifest:
        text, response = self.get_manifest_and_response(reference)
        stored = manifests.read(text, response.headers.get('Content-Type'))
        check_digest_header(response, stored.digest)
        return stored

    def _stored_or_given(self, alias: str | None, manifest: str | None, verify: bool = True) -> Manifest:
        if manifest is not None:
            return manifests.read(manifest, verify=verify)
        if alias is None:
            raise ValueError('an alias or a manifest is needed')
        return self._stored(alias)

    def get_manifest(self, alias: str, platform: str | None = None) -> str | dict[str, str]:
        """Fetch an alias's manifest.

        :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
        :return: the manifest's text; of a multi-platform alias, texts by platform
        :raises DXFPlatformDataNotFound: it has nothing for ``platform``
        """
        return images.each(self._stored(alias), platform, self._stored, lambda image: image.text)

    def get_alias(self, alias: str | None = None, manifest: str | None = None, verify: bool = True,
                  sizes: bool = False, platform: str | None = None) -> Any:
        """Return the blobs that an alias names, in its order.

        :param manifest: text of a manifest, to read in place of an alias's
        :param verify: check the signatures of a schema 1 ``manifest``
        :param sizes: return ``(digest, size)`` for each blob
        :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
        :return: a list of digests; of a multi-platform alias, lists by platform
        :raises DXFPlatformDataNotFound: it has nothing for ``platform``
        """
        return images.each(self._stored_or_given(alias, manifest, verify), platform, self._stored,
                           lambda image: self._blobs(image, sizes))

    def _blobs(self, image: Image, sizes: bool) -> list[str] | list[tuple[str, int]]:
        if isinstance(image, ImageManifest):
            return [(layer.digest, layer.size) for layer in image.layers] if sizes else \
                [layer.digest for layer in image.layers]
        if not sizes:
            return list(image.blobs)
        size = {digest: self.blob_size(digest) for digest in dict.fromkeys(image.blobs)}
        return [(digest, size[digest]) for digest in image.blobs]

    def get_digest(self, alias: str | None = None, manifest: str | None = None,
                   platform: str | None = None) -> str | dict[str, str]:
        """Return the digest of an alias's configuration, which is what Docker calls the image's id.

        :param manifest: text of a manifest, to read in place of an alias's
        :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
        :return: a digest; of a multi-platform alias, digests by platform
        :raises DXFDigestNotAvailableForSchema1: a schema 1 manifest has none
        :raises DXFPlatformDataNotFound: it has nothing for ``platform``
        """
        return images.each(self._stored_or_given(alias, manifest), platform, self._stored, images.config_digest)

    def make_manifest(self, *digests: str) -> str:
        """Return the text of a manifest that names blobs, in their order; nothing is stored.

        The registry is asked for the sizes that are not known from a push.
        """
        for digest in digests:
            check_digest(digest)
        schema = 'oci' if self._schema == 'oci' else 'v2'
        return manifests.make([Descriptor(digest, self._known_size(digest)) for digest in digests], schema)

    def _known_size(self, digest: str) -> int:
        """Return the size of a blob that a manifest is to name; the registry is asked once."""
        if digest not in self._sizes:
            try:
                self._sizes[digest] = self.blob_size(digest)
            except HTTPError as error:
                if not is_not_found(error):
                    raise
                raise DXFHTTPError(f'404 Not Found: {self._repo} has no blob {digest}; push it first: '
                                   f'dxf push-blob {self._repo} <file>', response=error.response) from None
        return self._sizes[digest]

    def make_unsigned_manifest(self, alias: str, *digests: str) -> str:
        """Return the text of an unsigned schema 1 manifest that names blobs, in their order; nothing is stored."""
        from dxf import schema1
        return schema1.make_unsigned(self._repo, check_alias(alias), tuple(map(check_digest, digests)))

    def set_manifest(self, alias: str, manifest_json: str) -> None:
        """Store a manifest under an alias.

        :param manifest_json: its text, stored as it is; its own media type is sent with it
        :raises DXFHTTPError: the registry refused; mostly as it lacks a blob that the manifest names
        """
        check_reference(alias)
        content = to_bytes(manifest_json)
        stored = manifests.read(_decode(content), verify=False)
        headers = {'Content-Type': manifests.media_type_of(stored.text)}
        try:
            response = self._request('put', f'manifests/{alias}', data=content, headers=headers)
        except HTTPError as error:
            if not _lacks_blob(error):
                raise
            raise DXFHTTPError(f'{error}; push the blobs first: dxf push-blob {self._repo} <file>',
                               response=error.response) from None
        expect(response, HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED)
        if isinstance(stored, (ImageManifest, Index)):
            check_digest_header(response, stored.digest)

    def set_alias(self, alias: str, *digests: str) -> str:
        """Give a name to blobs.

        A registry that answers 400 to a schema 2 manifest gets a signed schema 1 manifest instead.

        :param alias: up to 128 letters, digits and ``_.-``; an alias of that name is replaced
        :param digests: at least one, of blobs that the registry has
        :return: the manifest that was stored
        """
        check_alias(alias)
        if self._schema == 'v1':
            return self._set_schema1(alias, digests)
        manifest = self.make_manifest(*digests)
        try:
            self.set_manifest(alias, manifest)
        except HTTPError as error:
            if not (self._schema == 'v2' and _refuses_schema(error)):
                raise
            try:
                return self._set_schema1(alias, digests)
            except HTTPError:
                raise error from None
        return manifest

    def _set_schema1(self, alias: str, digests: tuple[str, ...]) -> str:
        from dxf import schema1
        manifest = schema1.sign(self.make_unsigned_manifest(alias, *digests))
        self.set_manifest(alias, manifest)
        return manifest

    def del_alias(self, alias: str) -> Any:
        """Delete an alias: the manifest behind it, with every other alias of it; its blobs stay.

        :return: the digests of the blobs that it named; of a multi-platform alias, manifest digests by platform
        """
        stored = self._stored(alias)
        named: Any = self._blobs(stored, False) if not isinstance(stored, Index) else {
            name: entry.digest for name, entry in images.entries(stored, self._stored).items()}
        self._request('delete', f'manifests/{stored.digest}')
        return named

    def list_aliases(self, batch_size: int | None = None, iterate: bool = False) -> list[str] | PaginatingResponse:
        """List the repository's aliases.

        :param batch_size: names to ask for at a time; ``None`` for what the registry gives by itself
        :param iterate: return an iterable that fetches page by page, in place of a list
        """
        return self._list('tags/list', 'tags', check_alias, batch_size, iterate, self._tags_page)

    def _tags_page(self, path: str) -> Response:
        return self._page(path, self._request if path.startswith('tags/') else self._base_request)


def _decode(body: bytes) -> str:
    try:
        return body.decode('utf-8')
    except UnicodeDecodeError:
        raise DXFInvalidDocumentError('invalid manifest: not UTF-8') from None


def _lacks_blob(error: HTTPError) -> bool:
    return error.response is not None and 'MANIFEST_BLOB_UNKNOWN' in error_codes(error.response)


def _refuses_schema(error: HTTPError) -> bool:
    return error.response is not None and error.response.status_code == HTTPStatus.BAD_REQUEST \
        and not _lacks_blob(error)


def _reporter(progress: Callable[..., Any] | None, of_file: bool, digest: str | None,
              size: int | None) -> OnPiece:
    """Return what an upload reports its pieces to, in the form that the caller's ``progress`` has.

    A digest that only the source's end will tell is reported as an empty string.
    """
    if progress is None:
        return lambda piece: None
    digest = digest or ''
    if not of_file:
        return lambda piece: progress(digest, piece)
    progress(digest, b'', size)
    return lambda piece: progress(digest, piece, size)
