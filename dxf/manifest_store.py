"""Manifests: those of one repository in a registry, fetched and stored, one short method a protocol step.

``client`` decides what an alias means to a user, ``manifest`` what a manifest means.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from requests import Response
from requests.exceptions import HTTPError, RequestException

from dxf.arguments import check_conditions, check_manifest
from dxf.blob_copying import BlobCopying
from dxf.exceptions import (DXFConflictError, DXFDigestMismatchError, DXFError, DXFInvalidDocumentError,
                            DXFProtocolError, DXFUnauthorizedError)
from dxf.manifest import image, platforms
from dxf.manifest.image import ACCEPT, Descriptor, ImageManifest, Index
from dxf.manifest.platforms import Manifest
from dxf.manifest.received import check_content, content_type_of, decode, digest_of
from dxf.manifest_refusals import is_failed_precondition, lacks_blob, may_be_there
from dxf.names import (check_alias_at, check_digest, check_platform, check_reference_at, is_sha256,
                       shown_repository)
from dxf.parameters import checked
from dxf.strict_json import encoded
from dxf.transfer.parallel import all_of
from dxf.transport.responses import (check_digest_header, digest_header, expect, is_head_refused, is_not_found,
                                     names_digest, refusal)
from dxf.transport.session import fetch_whole


class ManifestStore(BlobCopying):
    """The blobs and manifests of a repository in a registry; its parameters are those of :class:`BlobCopying`."""

    def manifest_path(self, reference: str) -> str:
        """Return the path of a manifest in the repository. In a folder a full reference, with slashes, is an alias."""
        return f'manifests/{quote(reference, safe=":@")}'

    def _check_reference(self, reference: str) -> str:
        return check_reference_at(self._host, reference)

    @checked
    def get_manifest_and_response(self, alias: str) -> tuple[str, Response]:
        """Fetch a manifest.

        :param alias: an alias, or the digest of a manifest
        :return: its text as the registry keeps it, and the response that carried it
        :raises DXFDigestMismatchError: it is not what its digest says
        """
        path = self.manifest_path(self._check_reference(alias))
        body, response = fetch_whole(partial(self._request, 'get', path, headers={'Accept': ACCEPT}),
                                     self.options.limits.manifest, self.options.limits)
        if is_sha256(alias):
            check_content(body, alias)
        return decode(body), response

    @checked
    def head_manifest_and_response(self, alias: str) -> tuple[str | None, Response]:
        """Ask for a manifest's digest, without fetching it.

        :param alias: an alias, or the digest of a manifest
        :return: the digest, ``None`` where the registry does not tell one by sha256, and the response
        :raises DXFDigestMismatchError: ``alias`` is a digest, and the registry tells another
        """
        response = self._request('head', self.manifest_path(self._check_reference(alias)), headers={'Accept': ACCEPT})
        expect(response, HTTPStatus.OK)
        digest = digest_header(response)
        if is_sha256(alias) and digest not in (None, alias):
            raise DXFDigestMismatchError(digest, alias)
        return digest, response

    @checked
    def manifest_digest(self, alias: str) -> str:
        """Return the digest of the manifest that an alias names; it is fetched only where the registry does not tell.

        :raises DXFHTTPError: the registry refused; 404 where there is no such alias
        """
        try:
            digest, _ = self.head_manifest_and_response(alias)
        except (HTTPError, DXFUnauthorizedError) as error:  # GitLab's proxies redirect manifests to storage, too:
            if not is_head_refused(error):                  # https://github.com/moby/moby/issues/50065
                raise
            digest = None
        # The specification lets a registry leave the header out, or use another algorithm.
        return self._stored(alias).digest if digest is None else digest

    def _stored(self, reference: str) -> Manifest:
        text, response = self.get_manifest_and_response(reference)
        stored = image.read(text, response.headers.get('Content-Type'))
        check_digest_header(response, stored.digest)
        return stored

    @checked
    def resolve(self, alias: str, platform: str | None = None) -> Manifest:
        """Fetch what an alias names, and read it.

        :param alias: an alias, or the digest of a manifest
        :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's image
        :return: an image manifest, an index, or a schema 1 manifest: see ``dxf.manifest.image``
        :raises DXFPlatformDataNotFound: it has nothing for ``platform``
        """
        stored = self._stored(alias)
        if platform is None or not isinstance(stored, Index):
            return stored
        reading = platforms.Reading(self._stored, self.options.limits)
        return reading.image(platforms.find(stored, check_platform(platform), reading))

    def platforms(self, index: Index) -> dict[str, Descriptor]:
        """Return the image manifests of an index by platform, those of an index within it too."""
        return platforms.entries(index, self._stored, self.options.limits)

    @checked
    def set_manifest(self, alias: str, manifest_json: str, *, if_absent: bool = False,
                     if_match: str | None = None) -> None:
        """Store a manifest under an alias.

        With a condition the alias is looked up before, the registry is told the condition, and the alias is read back.
        A folder, and registries with conditional PUT, keep others out. On all others (distribution is one) two writers
        at the same moment may both succeed.

        It is no error if an immutable tag names this manifest already.

        :param manifest_json: its text, stored as it is; its own media type is sent with it
        :param if_absent: only where there is no such alias yet
        :param if_match: only where the alias names the manifest of this digest
        :raises DXFConflictError: the condition does not hold, or somebody else has set the alias meanwhile
        :raises DXFInvalidDocumentError: it could not be read back; nothing is sent
        :raises ValueError: both conditions are asked for
        :raises DXFHTTPError: the registry refused; mostly as it lacks a blob that the manifest names
        """
        check_manifest(manifest_json, 'manifest_json')
        text: str | bytes = manifest_json  # callers pass what they read from a file, too
        content = encoded(text) if isinstance(text, str) else text
        image.check_size(len(content), self.options.limits.manifest)
        if not if_absent and if_match is None:
            self.put_manifest(alias, content, {})
            return
        check_conditions(if_absent, if_match)
        condition = {'If-None-Match': '*'} if if_match is None else {'If-Match': f'"{check_digest(if_match)}"'}
        self.check_current(alias, if_match)
        try:
            digest = self.put_manifest(alias, content, condition)
        except HTTPError as error:
            # Harbor answers 412 for an immutable tag, too. Another manifest under the alias proves a conflict.
            if not is_failed_precondition(error) or self.current_digest(alias) == if_match:
                raise
            raise self._set_meanwhile(alias) from None
        if self.current_digest(alias) != digest:
            raise self._set_meanwhile(alias)

    @checked
    def add_alias(self, alias: str, existing: str, *, if_absent: bool = False, if_match: str | None = None) -> str:
        """Give a second name to what an alias names, an index too: the same manifest, byte for byte. No blob is read.

        :param alias: the new name; an alias of that name is replaced
        :param existing: an alias, or the digest of a manifest
        :param if_absent: only where there is no such alias yet; see :meth:`set_manifest`
        :param if_match: only where the alias names the manifest of this digest
        :return: the manifest's text
        :raises DXFConflictError: the condition does not hold
        :raises DXFHTTPError: the registry refused; 404 where there is nothing of the name ``existing``
        """
        self._check_reference(alias)
        condition = check_conditions(if_absent, if_match)
        text = self._stored(existing).text
        self.set_manifest(alias, text, **condition)
        return text

    def check_current(self, alias: str, digest: str | None) -> None:
        """Check that an alias names the manifest of a digest.

        :param digest: ``None`` to check that the alias is missing
        :raises DXFConflictError: it names another manifest, or is missing
        """
        current = self.current_digest(check_alias_at(self._host, alias))
        if current != digest:
            raise DXFConflictError(f'{shown_repository(self._repo)} has no alias {alias}' if current is None else
                                   f'the alias {alias} of {shown_repository(self._repo)} names {current}')

    def _set_meanwhile(self, alias: str) -> DXFConflictError:
        return DXFConflictError(f'somebody else has set the alias {alias} of {shown_repository(self._repo)} meanwhile')

    def current_digest(self, alias: str) -> str | None:
        """Return the digest of the manifest that an alias names, ``None`` where there is no such alias."""
        try:
            return self.manifest_digest(alias)
        except HTTPError as error:
            if is_not_found(error):
                return None
            raise

    def put_manifest(self, alias: str, content: bytes, condition: dict[str, str],
                     unlisted: dict[str, list[dict[str, Any]]] | None = None) -> str:
        """Store a manifest, and return its digest.

        :param condition: headers
        :param unlisted: gets the descriptor, by the digest of its subject, if the registry does not list it among the
            referrers. ``None`` to list it under the referrers tag at once
        """
        self._check_reference(alias)
        stored = image.read(decode(content), verify=False)
        if is_sha256(alias) and isinstance(stored, (ImageManifest, Index)) and stored.digest != alias:
            raise DXFDigestMismatchError(stored.digest, alias)
        subject = image.subject_in(stored.text)
        headers = {'Content-Type': content_type_of(stored), **condition}
        digest = digest_of(stored)
        is_listed = False
        try:
            response = self._request('put', self.manifest_path(alias), data=content, headers=headers)
        except HTTPError as error:
            # Harbor, Nexus and Artifactory refuse an immutable tag that names this manifest already. All refuse a
            # second request whose condition the first, whose response was lost, has made untrue.
            if not (may_be_there(error) and self._names(alias, digest)):
                raise self._refusal(error) from None
            is_listed = subject is not None and self._lists_referrer(subject, digest)
        else:
            expect(response, HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED)
            self._confirm(alias, digest, response)
            # A registry that lists the manifest names its subject.
            # https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests-with-subject
            is_listed = response.headers.get('OCI-Subject', '').strip() == subject
        if subject is not None and not is_listed:
            entry = image.referrer(stored.text)
            if unlisted is None:
                self.list_under_tag(subject, [entry])
            else:
                unlisted.setdefault(subject, []).append(entry)
        return digest

    def _refusal(self, error: HTTPError) -> Exception:
        """Return the error to raise where the registry refused a manifest."""
        if lacks_blob(error):
            # It may have said before that it has them: https://github.com/sonatype/nexus-public/issues/264
            name = shown_repository(self._repo)
            return refusal(f'{error}; push the blobs first: dxf push-blob --force {name} <file>', error.response)
        return error

    def _names(self, reference: str, digest: str) -> bool:
        """Return whether an alias names a manifest; false if the registry does not tell."""
        try:
            return self.manifest_digest(reference) == digest
        except (DXFError, RequestException):
            return False

    def _lists_referrer(self, subject: str, digest: str) -> bool:
        """Return whether the registry lists a manifest among the referrers of another; false if it does not tell."""
        try:
            return any(entry['digest'] == digest for entry in self.list_referrers(subject))
        except (DXFError, RequestException):
            return False

    def _confirm(self, reference: str, digest: str, response: Response) -> None:
        """Check that the registry has a manifest: by the response to its PUT, or by reading it back.

        :raises DXFDigestMismatchError: it has another
        :raises DXFProtocolError: it has none
        """
        check_digest_header(response, digest)
        if names_digest(response, digest):
            return
        try:
            found = self.manifest_digest(reference)
        except HTTPError as error:
            if not is_not_found(error):
                raise
            raise DXFProtocolError('the registry accepted the manifest, but does not have it') from None
        except DXFInvalidDocumentError as error:
            raise DXFProtocolError(f'the registry accepted the manifest, but answers with something else: {error}'
                                   ) from None
        if found != digest:
            raise DXFDigestMismatchError(found, digest)

    def list_under_tag(self, subject: str, entries: list[dict[str, Any]], gone: Collection[str] = ()) -> None:
        """Add descriptors to the index under the referrers tag of their subject.

        :param gone: digests of manifests that were deleted: their descriptors are removed
        """
        from dxf import referrers
        tag = referrers.tag_of(subject)

        def write(text: str, condition: dict[str, str]) -> None:
            try:
                self.put_manifest(tag, encoded(text), condition)
            except HTTPError as error:
                if condition and is_failed_precondition(error):
                    raise self._set_meanwhile(tag) from None
                raise
        read = partial(referrers.by_tag, self._request, subject, self.options.limits)
        referrers.ReferrersTag(subject, read, write, self._missing_manifests, self.options.limits).change(entries, gone)

    def _missing_manifests(self, digests: Sequence[str]) -> set[str]:
        """Return those of some digests of which the registry has no manifest, of any type."""
        def is_missing(digest: str, _check: Callable[[], None]) -> bool:
            try:
                self._request('head', f'manifests/{check_digest(digest)}', headers={'Accept': f'{ACCEPT}, */*'})
            except HTTPError as error:
                if is_not_found(error):
                    return True
                raise
            return False
        found = all_of(is_missing, digests, self.options.jobs)
        return {digest for digest, missing in zip(digests, found, strict=True) if missing}

    @checked
    def list_referrers(self, digest: str) -> list[dict[str, object]]:
        """Return the descriptors of the manifests that refer to another by their ``subject``.

        :param digest: the other manifest's
        :return: each with ``digest``, ``size`` and ``mediaType``, and with ``artifactType`` and ``annotations`` where
            there are any. Only the digest was checked.
        """
        from dxf import referrers
        return referrers.listed(self._request, self._base_request, digest, self.options.limits)
