"""Copies: all that an alias leads to, from one repository to another. Both are registries or folders.

``contents`` finds out what an alias leads to. The two clients move blobs and manifests.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from dxf import cosign_tags
from dxf.client import DXF
from dxf.contents import MAX_KEPT_BYTES, Contents
from dxf.exceptions import (DXFDigestMismatchError, DXFInvalidDocumentError, DXFInvalidNameError,
                            DXFUnsupportedSchemaType)
from dxf.manifest.image import OCI_INDEX, media_type_of
from dxf.names import check_alias_at, check_reference_at
from dxf.parameters import checked
from dxf.referrers import by_tag, descriptors, subject_of_tag
from dxf.strict_json import encoded
from dxf.transfer import blob_lookup
from dxf.transfer.parallel import each_once


class Copied(NamedTuple):
    """What was copied, or would be: the digest that the alias names on both sides, and the blobs, with their bytes.

    Where a list of referrers was added to the target's own, the digest is that of the target.

    ``moved`` are those that the target did not have: within one registry they are mounted, if it does that.
    """

    digest: str
    moved: dict[str, int]
    found: dict[str, int]


@checked
def copy(source: DXF, target: DXF, alias: str, to_alias: str | None = None, *, platform: str | None = None,
         referrers: bool = False, dry_run: bool = False, progress: Callable[..., Any] | None = None) -> Copied:
    """Copy all that an alias leads to, byte for byte: manifests, configurations and blobs.

    What the target has is not sent again, and the alias is set last. So a copy that broke off continues when it is
    repeated.

    :param alias: an alias; in a folder also the full reference that another tool wrote, or a manifest's digest
    :param to_alias: its name in the target; ``None`` for the same
    :param platform: ``os/architecture[/variant]``: of a multi-platform alias copy this platform's image alone
    :param referrers: copy the manifests that refer to any of these too, and what cosign stored for them under tags
        (``sha256-<hash>.sig``, ``.att``, ``.sbom``): signatures, attestations and the like; three more requests each
    :param dry_run: change nothing
    :param progress: called as ``progress(digest, chunk, size)`` for each blob that is streamed, first with an empty
        chunk
    :return: what was copied, or would be
    :raises DXFPlatformDataNotFound: the alias has nothing for ``platform``
    :raises DXFDigestMismatchError: a registry sent something else than was asked for, or has something else now
    :raises DXFConflictError: the target has something else under a tag of cosign, which a copy would lose
    :raises DXFHTTPError: a registry refused
    """
    copying = Copying(source, target, alias, to_alias, platform, referrers)
    if not dry_run:
        copying.carry_out(progress)
    return copying.outcome


def _alias_in(target: DXF, alias: str, to_alias: str | None) -> str:
    """Return the alias that the target gets: a registry has no full references, and no digests."""
    if to_alias is not None:
        return check_alias_at(target._host, to_alias)
    try:
        return check_alias_at(target._host, alias)
    except DXFInvalidNameError as error:
        hint = '' if alias.startswith('@') else '; to_alias names it in the target'
        raise DXFInvalidNameError(f'{error}{hint}') from None


class Copying:
    """One alias that is to be copied. The constructor finds out what that takes.

    The parameters are those of :func:`copy`.
    """

    @checked
    def __init__(self, source: DXF, target: DXF, alias: str, to_alias: str | None = None,
                 platform: str | None = None, referrers: bool = False) -> None:
        self._source = source
        self._target = target
        self._alias = _alias_in(target, alias, to_alias)
        top = source.resolve(check_reference_at(source._host, alias), platform)
        self._top = top.digest, top.text
        self._contents = Contents(source, top, referrers)
        self._tags = {tag: digest for tag, digest in self._contents.tags.items() if tag != self._alias}
        each_once(self._check_tag, self._tags, target.options.jobs)
        self.outcome = self._compare()

    @property
    def manifests(self) -> set[str]:
        """The digests of the manifests that the alias leads to."""
        return set(self._contents.children)

    def _check_tag(self, tag: str) -> None:
        """Check that to set a tag of cosign loses nothing in the target, before anything is copied."""
        digest = self._tags[tag]
        cosign_tags.check_replaceable(self._target, tag, digest, self._contents.texts)

    def _compare(self) -> Copied:
        """Find out what the target lacks."""
        moved, found = {}, {}
        blobs = self._contents.blobs
        stored = each_once(lambda digest: self._target.stored_size(digest, blobs[digest]), blobs,
                           self._target.options.jobs)
        for digest, size in blobs.items():
            if stored[digest] is not None:
                found[digest] = size
            elif digest in self._contents.required or self._is_there(digest):
                moved[digest] = size
        return Copied(self._top[0], moved, found)

    def _is_there(self, digest: str) -> bool:
        """Return whether the source has a blob, in whatever state: it is missing only after a 404."""
        return blob_lookup.still_has(self._source._request, digest, self._source.options.limits)

    def carry_out(self, progress: Callable[..., Any] | None = None) -> None:
        """Copy what the target lacks, set the alias, and check the digest that it names then."""
        self._target.copy_blobs(self._source, self.outcome.moved, progress, check_exists=False,
                                sizes=self.outcome.moved)
        top, text = self._top
        self._put_manifests_below(top)
        for tag, digest in self._tags.items():
            self._set(tag, digest, self._contents.texts.get(digest))
        if self._adds_to_list(text):
            self.outcome = self.outcome._replace(digest=self._target.manifest_digest(self._alias))
            return
        self._set(self._alias, top, text)

    def _set(self, alias: str, digest: str, text: str) -> None:
        """Set an alias in the target, and check that it names the manifest."""
        self._target.set_manifest(alias, text)
        actual = self._target.manifest_digest(alias)
        if actual != digest:
            raise DXFDigestMismatchError(actual, digest)

    def _adds_to_list(self, text: str) -> bool:
        """Add to the target's list of referrers, if the alias is its tag and it has other entries.

        To replace that list would lose what was attached in the target.

        :return: whether that was done
        """
        subject = subject_of_tag(self._alias)
        if subject is None or media_type_of(text) != OCI_INDEX:
            return False
        entries = descriptors(encoded(text), exact=True)
        try:
            listed = by_tag(self._target._request, subject, self._target.options.limits).entries
        except (DXFInvalidDocumentError, DXFUnsupportedSchemaType):  # it is no list, and is replaced as any alias is
            return False
        if {entry['digest'] for entry in listed} <= {entry['digest'] for entry in entries}:
            return False
        self._target.list_under_tag(subject, entries)
        return True

    def _put_manifests_below(self, top: str) -> None:
        """Store all manifests but one, and list those that have a subject."""
        unlisted: dict[str, list[dict[str, Any]]] = {}
        size = 0
        for digest in self._contents.order():
            if digest != top:
                size += self._put(digest, unlisted)
                if size > MAX_KEPT_BYTES:  # the entries to list have a part of each manifest
                    self._list(unlisted)
                    size = 0
        self._list(unlisted)

    def _put(self, digest: str, unlisted: dict[str, list[dict[str, Any]]]) -> int:
        """Store a manifest in the target, and return its length."""
        text = self._contents.texts.get(digest)
        self._target.put_manifest(digest, encoded(text), {}, unlisted)
        return len(text)

    def _list(self, unlisted: dict[str, list[dict[str, Any]]]) -> None:
        """List manifests under the referrers tags of their subjects, all of one subject at once."""
        for subject, entries in unlisted.items():
            self._target.list_under_tag(subject, entries)
        unlisted.clear()
