"""Copies: all that an alias leads to, from one repository to another, wherever the two are.

How a blob or a manifest is moved is not known here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from dxf.client import DXF
from dxf.exceptions import DXFDigestMismatchError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.images import Manifest
from dxf.jobs import all_of
from dxf.manifests import ImageManifest, Index, is_foreign
from dxf.names import check_alias_at, check_digest, check_reference_at

DEPTH = 8
"""How deep indexes, and manifests that refer to others, may be nested."""

MOST_MANIFESTS = 10_000


class Copied(NamedTuple):
    """What was copied, or would be: the digest that the alias names on both sides, and the blobs, with their bytes.

    ``moved`` are those that the target did not have: within one registry they are mounted, if it does that.
    """

    digest: str
    moved: dict[str, int]
    found: dict[str, int]


def copy(source: DXF, target: DXF, alias: str, to_alias: str | None = None, *, platform: str | None = None,
         referrers: bool = False, dry_run: bool = False, progress: Callable[..., Any] | None = None) -> Copied:
    """Copy all that an alias leads to, byte for byte: manifests, configurations and blobs.

    What the target has is not sent again; the alias is set when all the rest is there, so that a copy that broke off
    can be repeated, and continues.

    :param alias: an alias; in a folder also the full reference that another tool wrote, or a manifest's digest
    :param to_alias: its name in the target; ``None`` for the same
    :param platform: ``os/architecture[/variant]``: of a multi-platform alias copy this platform's image alone
    :param referrers: copy the manifests that refer to any of these too: signatures, attestations and the like
    :param dry_run: change nothing
    :param progress: called as ``progress(digest, chunk, size)`` for each blob that is streamed, first with an empty
        chunk
    :return: what was copied, or would be
    :raises DXFPlatformDataNotFound: the alias has nothing for ``platform``
    :raises DXFDigestMismatchError: a registry sent something else than was asked for, or has something else now
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
        raise DXFInvalidNameError(f'{error}: name it in the target (--to-alias)') from None


class Copying:
    """One alias that is to be copied; what that takes is found out when this is made.

    The parameters are those of :func:`copy`.
    """

    def __init__(self, source: DXF, target: DXF, alias: str, to_alias: str | None = None,
                 platform: str | None = None, referrers: bool = False) -> None:
        self._source = source
        self._target = target
        self._alias = _alias_in(target, alias, to_alias)
        self._with_referrers = referrers
        self._manifests: dict[str, Manifest] = {}
        self._blobs: dict[str, int] = {}
        self._optional: set[str] = set()
        self._top = source.resolve(check_reference_at(source._host, alias), platform)
        self._add(self._top, 1)
        self.outcome = self._compare()

    @property
    def manifests(self) -> set[str]:
        """The digests of the manifests that the alias leads to."""
        return set(self._manifests)

    # What there is

    def _add(self, manifest: Manifest, depth: int) -> None:
        """Take note of a manifest and of what it leads to, which comes before it."""
        if manifest.digest in self._manifests:
            return
        if depth > DEPTH or len(self._manifests) >= MOST_MANIFESTS:
            raise DXFInvalidDocumentError('invalid index: nested too deep, or too large')
        if isinstance(manifest, Index):
            self._add_all([entry.digest for entry in manifest.manifests], depth)
        elif isinstance(manifest, ImageManifest):
            for blob in (manifest.config, *manifest.layers):
                self._blobs[blob.digest] = blob.size
                if is_foreign(blob):
                    self._optional.add(blob.digest)
        else:
            self._blobs.update(self._source._each_once(self._source.blob_size, manifest.blobs))
        self._manifests[manifest.digest] = manifest
        if self._with_referrers:
            self._add_all([check_digest(entry['digest']) for entry in self._source.list_referrers(manifest.digest)],
                          depth)

    def _add_all(self, digests: list[str], depth: int) -> None:
        new = [digest for digest in dict.fromkeys(digests) if digest not in self._manifests]
        for manifest in all_of(lambda digest, check: self._source.resolve(digest), new, self._source._jobs):
            self._add(manifest, depth + 1)

    def _compare(self) -> Copied:
        """Find out what the target lacks."""
        moved, found = {}, {}
        stored = self._target._each_once(self._target._stored_size, self._blobs)
        for digest, size in self._blobs.items():
            if stored[digest] is not None:
                found[digest] = size
            elif digest not in self._optional or self._source._stored_size(digest) is not None:
                moved[digest] = size
        return Copied(self._top.digest, moved, found)

    # Moving it

    def carry_out(self, progress: Callable[..., Any] | None = None) -> None:
        """Copy what the target lacks; at the end set the alias, and see that it is what it should be."""
        self._target.copy_blobs(self._source, self.outcome.moved, progress, check_exists=False)
        for manifest in self._manifests.values():
            if manifest is not self._top:
                self._target.set_manifest(manifest.digest, manifest.text)
        self._target.set_manifest(self._alias, self._top.text)
        digest = self._target.manifest_digest(self._alias)
        if digest != self._top.digest:
            raise DXFDigestMismatchError(digest, self._top.digest)
