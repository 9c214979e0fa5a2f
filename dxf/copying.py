"""Copies: all that an alias leads to, from one repository to another, wherever the two are.

How a blob or a manifest is moved is not known here.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from dxf import cosign_tags
from dxf.arguments import check_client, check_progress, check_text
from dxf.client import DXF
from dxf.exceptions import (DXFDigestMismatchError, DXFInvalidDocumentError, DXFInvalidNameError,
                            DXFUnsupportedSchemaType)
from dxf.manifest.image import OCI_INDEX, ImageManifest, Index, media_type_of
from dxf.manifest.platforms import Manifest
from dxf.names import check_alias_at, check_digest, check_reference_at
from dxf.referrers import by_tag, descriptors, subject_of_tag
from dxf.strict_json import encoded
from dxf.transfer import blob_lookup
from dxf.transfer.parallel import all_of, each_once

DEPTH = 8
"""How deep indexes, and manifests that refer to others, may be nested."""

MAX_MANIFESTS = 10_000
MAX_ENTRIES = 20_000
"""Of indexes, and of lists of referrers."""

MAX_BLOBS = 100_000
MAX_BYTES = 1 << 30
"""Of all manifests together."""

MAX_KEPT_BYTES = 4 << 20
"""Bytes of manifests that are kept in memory."""

BATCH_BYTES = 1 << 20
"""Bytes of manifests that are fetched at once. Reading one takes several times its size."""


class Copied(NamedTuple):
    """What was copied, or would be: the digest that the alias names on both sides, and the blobs, with their bytes.

    Where a list of referrers was added to the target's own, the digest is that of the target.

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
    :param referrers: copy the manifests that refer to any of these too, and what cosign stored for them under tags
        (``sha256-<hash>.sig``, ``.att``, ``.sbom``): signatures, attestations and the like; three more requests each
    :param dry_run: change nothing
    :param progress: called as ``progress(digest, chunk, size)`` for each blob that is streamed, first with an empty
        chunk
    :return: what was copied, or would be
    :raises DXFPlatformDataNotFound: the alias has nothing for ``platform``
    :raises DXFDigestMismatchError: a registry sent something else than was asked for, or has something else now
    :raises DXFHTTPError: a registry refused
    """
    check_progress(progress)
    copying = Copying(source, target, alias, to_alias, platform, referrers)
    if not dry_run:
        copying.carry_out(progress)
    return copying.outcome


class _Found(NamedTuple):
    """What copying needs to know of a manifest: those that it names and its blobs, by digest and with their sizes.

    ``required`` are the blobs that a registry must have.
    """

    digest: str
    text: str
    children: dict[str, int]
    blobs: dict[str, int]
    required: frozenset[str]


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
    """One alias that is to be copied; what that takes is found out when this is made.

    Texts of manifests are kept up to some bytes. Others are fetched again when they are copied.

    The parameters are those of :func:`copy`.
    """

    def __init__(self, source: DXF, target: DXF, alias: str, to_alias: str | None = None,
                 platform: str | None = None, referrers: bool = False) -> None:
        check_client(source, 'source', 'resolve')
        check_client(target, 'target', 'set_manifest')
        check_text(alias, 'alias')
        self._source = source
        self._target = target
        self._alias = _alias_in(target, alias, to_alias)
        self._with_referrers = referrers
        self._children: dict[str, dict[str, int]] = {}
        self._referrers: dict[str, dict[str, int]] = {}
        self._tags: dict[str, list[str]] = {}
        self._texts: dict[str, str] = {}
        self._kept = self._bytes = self._entries = 0
        self._blobs: dict[str, int] = {}
        self._required: set[str] = set()
        top = source.resolve(check_reference_at(source._host, alias), platform)
        self._top = top.digest, top.text
        self._discover(self._read(top))
        self.outcome = self._compare()

    @property
    def manifests(self) -> set[str]:
        """The digests of the manifests that the alias leads to."""
        return set(self._children)

    # What there is

    def _discover(self, top: _Found) -> None:
        """Find all that a manifest leads to, level by level, so that each manifest is fetched once."""
        level = [top.digest]
        asked = {top.digest}
        self._add(top)
        for depth in range(1, DEPTH + 1):
            new: dict[str, int] = {}
            for digest in level:
                new |= self._children[digest] | self._referring(digest)
            level = [digest for digest in new if digest not in asked]
            if not level:
                return
            asked.update(level)
            if depth == DEPTH or len(asked) > MAX_MANIFESTS:
                break
            for batch in _batches(level, new, self._source.options.jobs):
                for found in all_of(self._fetch, batch, self._source.options.jobs):
                    self._add(found)
        raise DXFInvalidDocumentError('invalid index: nested too deep, or too large')

    def _referring(self, digest: str) -> dict[str, int]:
        """Return the manifests that refer to one, if they are wanted: their digests and sizes."""
        if not self._with_referrers:
            return {}
        found = self._source.list_referrers(digest)
        self._count(len(found), 0)
        self._referrers[digest] = {check_digest(str(entry['digest'])): _size(entry) for entry in found}
        for tag, tagged in cosign_tags.tags_for(self._source, digest).items():
            self._referrers[digest].setdefault(tagged, BATCH_BYTES)
            self._tags.setdefault(tagged, []).append(tag)
        return self._referrers[digest]

    def _fetch(self, digest: str, _check: Callable[[], None]) -> _Found:
        return self._read(self._source.resolve(digest))._replace(digest=digest)

    def _read(self, manifest: Manifest) -> _Found:
        """Return what is to be known of a manifest, which may be large, so that the rest of it can be forgotten."""
        if isinstance(manifest, Index):
            children = {entry.digest: entry.size for entry in manifest.manifests}
            return _Found(manifest.digest, manifest.text, children, {}, frozenset())
        if isinstance(manifest, ImageManifest):
            blobs = (manifest.config, *manifest.layers)
            return _Found(manifest.digest, manifest.text, {}, {blob.digest: blob.size for blob in blobs},
                          frozenset(blob.digest for blob in manifest.required))
        sizes = each_once(self._source.blob_size, manifest.blobs, self._source.options.jobs)
        return _Found(manifest.digest, manifest.text, {}, sizes, frozenset(sizes))

    def _add(self, found: _Found) -> None:
        """Take note of a manifest."""
        self._children[found.digest] = found.children
        self._blobs.update(found.blobs)
        self._required |= found.required
        self._count(len(found.children), len(found.text))
        if self._kept + len(found.text) <= MAX_KEPT_BYTES:
            self._kept += len(found.text)
            self._texts[found.digest] = found.text

    def _count(self, entries: int, size: int) -> None:
        self._entries += entries
        self._bytes += size
        if self._entries > MAX_ENTRIES or self._bytes > MAX_BYTES or len(self._blobs) > MAX_BLOBS:
            raise DXFInvalidDocumentError(f'the alias leads to more than {MAX_ENTRIES} entries of indexes, '
                                          f'{MAX_BLOBS} blobs or {MAX_BYTES} bytes of manifests')

    def _compare(self) -> Copied:
        """Find out what the target lacks."""
        moved, found = {}, {}
        stored = each_once(lambda digest: self._target.stored_size(digest, self._blobs[digest]), self._blobs,
                           self._target.options.jobs)
        for digest, size in self._blobs.items():
            if stored[digest] is not None:
                found[digest] = size
            elif digest in self._required or self._is_there(digest):
                moved[digest] = size
        return Copied(self._top[0], moved, found)

    def _is_there(self, digest: str) -> bool:
        """Return whether the source has a blob, in whatever state: only its 404 says that it has none."""
        return blob_lookup.still_has(self._source._request, digest, self._source.options.limits)

    # Moving it

    def carry_out(self, progress: Callable[..., Any] | None = None) -> None:
        """Copy what the target lacks; at the end set the alias, and see that it is what it should be."""
        tags = {tag: digest for digest, named in self._tags.items() for tag in named if tag != self._alias}
        for tag, digest in tags.items():
            cosign_tags.check_replaceable(self._target, tag, self._source.resolve(digest))
        self._target.copy_blobs(self._source, self.outcome.moved, progress, check_exists=False,
                                sizes=self.outcome.moved)
        top, text = self._top
        unlisted: dict[str, list[dict[str, Any]]] = {}
        size = 0
        for digest in self._order():
            if digest != top:
                size += self._put(digest, unlisted)
                if size > MAX_KEPT_BYTES:
                    self._list(unlisted)
                    size = 0
        self._list(unlisted)
        for tag, digest in tags.items():
            self._set(tag, digest, self._text(digest))
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

    def _order(self) -> Iterator[str]:
        """Yield the digests of the manifests: what an index names before it, what refers to one after it."""
        done: set[str] = set()
        pending = [(self._top[0], False)]
        while pending:
            digest, is_due = pending.pop()
            if is_due:
                yield digest
            elif digest not in done:
                done.add(digest)
                pending += [(one, False) for one in reversed(self._referrers.get(digest, {}))]
                pending.append((digest, True))
                pending += [(one, False) for one in reversed(self._children[digest])]

    def _put(self, digest: str, unlisted: dict[str, list[dict[str, Any]]]) -> int:
        """Store a manifest in the target, and return its length."""
        text = self._text(digest)
        self._target.put_manifest(digest, encoded(text), {}, unlisted)
        return len(text)

    def _text(self, digest: str) -> str:
        """Return the text of a manifest, which is fetched again unless it was kept."""
        text = self._texts.get(digest)
        return self._source.resolve(digest).text if text is None else text

    def _list(self, unlisted: dict[str, list[dict[str, Any]]]) -> None:
        """List manifests under the referrers tags of their subjects, all of one subject at once."""
        for subject, entries in unlisted.items():
            self._target.list_under_tag(subject, entries)
        unlisted.clear()


def _size(entry: dict[str, object]) -> int:
    """Return the size that a descriptor declares; a large one for no size."""
    size = entry.get('size')
    return size if isinstance(size, int) and size >= 0 else BATCH_BYTES


def _batches(digests: list[str], sizes: dict[str, int], jobs: int) -> Iterator[list[str]]:
    """Yield manifests that may be in memory at once."""
    batch: list[str] = []
    total = 0
    for digest in digests:
        if batch and (len(batch) == jobs or total + sizes[digest] > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(digest)
        total += sizes[digest]
    if batch:
        yield batch
