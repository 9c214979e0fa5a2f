"""Tag deletion: a name goes, and the manifest that it names stays.

Which manifests have to stay is decided by ``alias_deletion``.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#deleting-tags
"""

import secrets
from http import HTTPStatus
from typing import Any

from requests import Response
from requests.exceptions import HTTPError, RequestException

from dxf.deletion.remaining_aliases import Repository
from dxf.exceptions import DXFConflictError, DXFError, DXFHTTPError, DXFProtocolError
from dxf.hints import NO_DELETIONS
from dxf.manifest import image
from dxf.manifest.image import DOCKER_CONFIG, DOCKER_MANIFEST, EMPTY_CONTENT, EMPTY_TYPE, OCI_MANIFEST, OCTET_STREAM
from dxf.names import hash_bytes, shown_repository
from dxf.strict_json import dump_json
from dxf.transport.responses import expect, is_not_found, refusal

UNSUPPORTED = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
"""Statuses by which registries refuse a deletion by tag; distribution 2.8 answers 400 DIGEST_INVALID.

https://github.com/distribution/distribution/issues/1566
"""

DELETED = (HTTPStatus.ACCEPTED, HTTPStatus.OK, HTTPStatus.NO_CONTENT)
"""Statuses of a deletion that succeeded; the specification wants 202."""

PLACEHOLDER_TYPE = 'application/vnd.dxf.deleted'

CLEANUP_TIMEOUT = 2
"""Seconds that putting an alias back may take after an interrupt."""


class TagDeletion:
    """Deletes names of one repository.

    A registry that deletes no names gets a unique small manifest under the name, which is then deleted by its digest.

    :param keeps_manifests: whether it is known that a manifest stays when its name is deleted
    """

    def __init__(self, dxf: Repository, keeps_manifests: bool = False) -> None:
        self._dxf = dxf
        self._name = shown_repository(dxf._repo)
        self._keeps_manifests = keeps_manifests
        """Whether a manifest has been seen to stay when its name was deleted."""
        self.doubtful: list[str] = []
        """Aliases whose manifests are gone although no response confirmed that: their tags may be left."""
        self._needs_placeholder = False
        """Whether the registry deletes by digest, and not by name."""

    def delete(self, alias: str, digest: str | None, others: list[str]) -> None:
        """Delete an alias; its manifest stays.

        :param digest: of its manifest; ``None`` if that cannot be read
        :param others: the other aliases of that manifest
        :raises DXFConflictError: the alias names something else now
        :raises DXFHTTPError: the registry refused; the alias is as it was
        """
        text = None
        if digest is not None and not self._keeps_manifests:
            text = self._text(alias, digest)
        if digest is not None and text is None and self.is_gone(alias, digest):
            return
        if self._needs_placeholder or not self.delete_by_name(alias, digest):
            self._replace(alias, digest, text)
        elif digest is not None and not self._keeps_manifests:
            self._check_manifest(digest, text, others)

    def _text(self, alias: str, digest: str) -> str | None:
        """Return the text of an alias's manifest, ``None`` if the alias is gone.

        :raises DXFConflictError: it names another manifest now
        """
        try:
            stored = self._dxf.resolve(alias)
        except HTTPError as error:
            if is_not_found(error):
                return None
            raise
        if stored.digest != digest:
            raise self._changed(alias)
        return stored.text

    def _changed(self, alias: str) -> DXFError:
        return DXFConflictError(f'somebody else has set the alias {alias} of {self._name} meanwhile')

    def delete_by_name(self, alias: str, digest: str | None) -> bool:
        """Delete an alias by its name, if the registry does that, and return whether it is gone."""
        try:
            response: Response | None = self._dxf._request('delete', self._dxf.manifest_path(alias))
        except HTTPError as error:
            if error.response is None or error.response.status_code not in UNSUPPORTED:
                raise
        else:
            if response is None:  # a subclass deletes in its own way
                self._keeps_manifests = True
                return True
        return self.is_gone(alias, digest)

    def is_gone(self, alias: str, digest: str | None) -> bool:
        """Return whether an alias is gone.

        :param digest: of the manifest that it named; ``None`` if that cannot be read: then the listing decides
        :raises DXFHTTPError: the registry refused to look it up, or to list the aliases
        :raises DXFConflictError: it names another manifest now
        """
        if digest is None:
            return self._is_missing(alias) and not self._listed([alias])
        current = self._digest(alias)
        if current not in (None, digest):
            raise self._changed(alias)
        return current is None

    def _is_missing(self, reference: str) -> bool:
        try:
            self._dxf.head_manifest_and_response(reference)
        except HTTPError as error:
            if is_not_found(error):
                return True
            raise
        return False

    def _digest(self, reference: str) -> str | None:
        """Return the digest of the manifest of an alias or digest; ``None`` where it is missing."""
        try:
            return self._dxf.manifest_digest(reference)
        except HTTPError as error:
            if is_not_found(error):
                return None
            raise

    def _listed(self, aliases: list[str]) -> list[str]:
        """Return those of some aliases that the registry lists.

        :raises DXFHTTPError: the listing was refused, so that it is not known
        """
        try:
            names = set(self._dxf.list_aliases(iterate=True))
        except HTTPError as error:
            if is_not_found(error):  # distribution forgets a repository whose last manifest is gone
                return []
            raise refusal(f'{error}; it is not known whether {", ".join(aliases)} of {self._name} is gone',
                          error.response) from None
        return [alias for alias in aliases if alias in names]

    def dangling(self) -> list[str]:
        """Return the doubtful aliases that are listed and name nothing.

        :raises DXFHTTPError: the listing was refused, so that it is not known
        """
        return [alias for alias in self._listed(self.doubtful) if self._is_missing(alias)] if self.doubtful else []

    # Registries that delete the manifest with its name, as zot once did: https://github.com/project-zot/zot/issues/67

    def _check_manifest(self, digest: str, text: str | None, others: list[str]) -> None:
        """Make sure that a manifest is still there; store it again, under its other names too, if it is not."""
        if not self._is_missing(digest):
            self._keeps_manifests = True
            return
        if text is None:
            return
        self._dxf.set_manifest(digest, text)
        for other in others:
            if self._is_missing(other):
                self._dxf.set_manifest(other, text)

    # Registries that delete no names

    def _replace(self, alias: str, digest: str | None, text: str | None) -> None:
        """Put a unique manifest under an alias, and delete that by its digest.

        regclient's documentation describes this for registries that do not delete by tag. If the deletion fails, the
        alias gets its own manifest again.

        :param text: the manifest of the alias; ``None`` if it was not fetched, or cannot be read
        """
        if not self._needs_placeholder:
            self._check_deletions(alias)
            text = None  # of some time ago
        if digest is not None and text is None:
            text = self._text(alias, digest)
            if text is None:
                return
        placeholder, placeholder_digest = self._placeholder()
        try:
            self._dxf.set_manifest(alias, placeholder)
            if not self._delete_by_digest(placeholder_digest):
                self.doubtful.append(alias)
            if not self.is_gone(alias, placeholder_digest):
                raise still_there(self._dxf, alias)
        except BaseException as error:
            if text is not None:
                self._restore(alias, text, placeholder_digest, error)
            if isinstance(error, HTTPError):
                raise refused(self._dxf, alias, error) from None
            raise

    def _placeholder(self) -> tuple[str, str]:
        """Return the text of a manifest like no other, that names nothing but an empty blob, and its digest."""
        is_oci = self._dxf.schema == 'oci'
        blob = {'digest': hash_bytes(EMPTY_CONTENT), 'size': len(EMPTY_CONTENT)}
        document: dict[str, Any] = {
            'schemaVersion': 2, 'mediaType': OCI_MANIFEST if is_oci else DOCKER_MANIFEST,
            'config': {**blob, 'mediaType': EMPTY_TYPE if is_oci else DOCKER_CONFIG},
            'layers': [{**blob, 'mediaType': EMPTY_TYPE if is_oci else OCTET_STREAM}],
            'annotations': {'vnd.dxf.deleted': secrets.token_hex(16)}}
        if is_oci:
            document['artifactType'] = PLACEHOLDER_TYPE
        text = dump_json(document)
        return text, hash_bytes(text.encode('utf-8'))

    def _check_deletions(self, alias: str) -> None:
        """Make sure that the registry deletes by digest, with a manifest that has no name.

        A deletion of what is not there yet comes first: a registry that refuses it is left as it is.
        """
        text, digest = self._placeholder()
        try:
            self._delete_by_digest(digest)
            self._dxf.push_blob(data=EMPTY_CONTENT)
            self._dxf.set_manifest(digest, text)
            self._delete_by_digest(digest)
        except HTTPError as error:
            raise refused(self._dxf, alias, error) from None
        if not self._is_missing(digest):
            raise still_there(self._dxf, alias)
        self._needs_placeholder = True

    def _delete_by_digest(self, digest: str) -> bool:
        """Delete a manifest; return whether it was there.

        One that is not there is deleted: the response to a first attempt may have been lost.
        """
        try:
            response: Response | None = self._dxf._request('delete', f'manifests/{digest}')
        except HTTPError as error:
            if not is_not_found(error):
                raise
            return False
        if response is not None:
            expect(response, *DELETED)
        return True

    def _restore(self, alias: str, text: str, placeholder: str, error: BaseException) -> None:
        """Give an alias its own manifest again, if it names the placeholder.

        :param error: what has happened; there is little time after an interrupt
        :raises DXFError: it could not be done
        """
        quick: dict[str, Any] = {} if isinstance(error, Exception) else {
            'limits': self._dxf.options.limits._replace(retries=0), 'timeout': CLEANUP_TIMEOUT}
        path = self._dxf.manifest_path(alias)
        try:
            try:
                response = self._dxf._request('head', path, headers={'Accept': image.ACCEPT}, **quick)
            except HTTPError as failure:
                if is_not_found(failure):
                    return
                raise
            if response.headers.get('Docker-Content-Digest', placeholder) == placeholder:
                self._dxf._request('put', path, data=text.encode('utf-8'),
                                   headers={'Content-Type': image.media_type_of(text)}, **quick)
        except (DXFError, RequestException):
            if isinstance(error, Exception):
                digest = image.read(text, verify=False).digest
                raise DXFError(f'the alias {alias} of {self._name} could not be deleted, and may name an empty '
                               f'manifest now: its own is {digest}') from error


def still_there(dxf: Repository, reference: str) -> DXFError:
    """Return the error for what is still there after its deletion."""
    return DXFProtocolError(f'the registry has accepted the deletion of {reference} of {shown_repository(dxf._repo)}, '
                            'and still has it')


def refused(dxf: Repository, reference: str, error: HTTPError) -> DXFError:
    """Return the error for a registry that refuses to delete something, and still has it."""
    hint = '' if error.response is None or error.response.status_code != HTTPStatus.METHOD_NOT_ALLOWED else \
        f'; {NO_DELETIONS}'
    return DXFHTTPError(f'{error}; {reference} of {shown_repository(dxf._repo)} is as it was{hint}',
                        response=error.response)
