"""Contents: the manifests and blobs that an alias leads to. ``copying`` moves them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from dxf import cosign_tags
from dxf.client import DXF
from dxf.exceptions import DXFInvalidDocumentError
from dxf.manifest.image import ImageManifest, Index
from dxf.manifest.platforms import Manifest
from dxf.names import check_digest
from dxf.transfer.parallel import all_of, each_once

DEPTH = 8
"""How deep indexes, and manifests that refer to others, may be nested."""

MAX_MANIFESTS = 10_000
MAX_ENTRIES = 20_000
"""Entries of all indexes and lists of referrers together."""

MAX_BLOBS = 100_000
MAX_BYTES = 1 << 30
"""Bytes of all manifests together."""

MAX_KEPT_BYTES = 4 << 20
"""Bytes of manifests that are kept in memory."""

BATCH_BYTES = 1 << 20
"""Bytes of manifests that are fetched at once. Reading one takes several times its size."""


class _Found(NamedTuple):
    """The part of a manifest that copying needs: the manifests and blobs that it names, by digest, with their sizes.

    ``required`` are the blobs that a registry must have.
    """

    digest: str
    text: str
    children: dict[str, int]
    blobs: dict[str, int]
    required: frozenset[str]


class Texts:
    """Texts of manifests, by digest. The first ones are kept in memory, up to :data:`MAX_KEPT_BYTES`."""

    def __init__(self, source: DXF) -> None:
        self._source = source
        self._kept: dict[str, str] = {}
        self._size = 0

    def keep(self, digest: str, text: str) -> None:
        """Keep a text, if there is space for it."""
        if self._size + len(text) <= MAX_KEPT_BYTES:
            self._size += len(text)
            self._kept[digest] = text

    def get(self, digest: str) -> str:
        """Return a text; fetch it again if it was not kept."""
        text = self._kept.get(digest)
        return self._source.resolve(digest).text if text is None else text


class Contents:
    """All that a manifest leads to. The constructor finds it out.

    :param top: the manifest
    :param with_referrers: include the manifests that refer to any of these
    :raises DXFInvalidDocumentError: there is too much, or it is nested too deep
    """

    def __init__(self, source: DXF, top: Manifest, with_referrers: bool) -> None:
        self._source = source
        self._top = top.digest
        self._with_referrers = with_referrers
        self._referrers: dict[str, dict[str, int]] = {}
        self._bytes = self._entries = 0
        self.children: dict[str, dict[str, int]] = {}
        """For each manifest, those that it names: their digests and sizes."""
        self.blobs: dict[str, int] = {}
        """The size of each blob, by digest."""
        self.required: set[str] = set()
        """The blobs that a registry must have."""
        self.tags: dict[str, str] = {}
        """Tags that cosign made for these manifests, and what each names."""
        self.texts = Texts(source)
        self._discover(self._read(top))

    def order(self) -> Iterator[str]:
        """Yield the digests of the manifests: what an index names before it, what refers to one after it."""
        done: set[str] = set()
        pending = [(self._top, False)]
        while pending:
            digest, is_due = pending.pop()
            if is_due:
                yield digest
            elif digest not in done:
                done.add(digest)
                pending += [(one, False) for one in reversed(self._referrers.get(digest, {}))]
                pending.append((digest, True))
                pending += [(one, False) for one in reversed(self.children[digest])]

    def _discover(self, top: _Found) -> None:
        """Find all that a manifest leads to, level by level, so that each manifest is fetched once."""
        level = [top.digest]
        asked = {top.digest}
        self._add(top)
        for depth in range(1, DEPTH + 1):
            new: dict[str, int] = {}
            for digest in level:
                new |= self.children[digest] | self._referring(digest)
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
            self.tags[tag] = tagged
        return self._referrers[digest]

    def _fetch(self, digest: str, _check: Callable[[], None]) -> _Found:
        return self._read(self._source.resolve(digest))._replace(digest=digest)

    def _read(self, manifest: Manifest) -> _Found:
        """Return the part of a manifest that is needed. The manifest itself may be large, and is dropped."""
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
        """Add a manifest."""
        self.children[found.digest] = found.children
        self.blobs.update(found.blobs)
        self.required |= found.required
        self._count(len(found.children), len(found.text))
        self.texts.keep(found.digest, found.text)

    def _count(self, entries: int, size: int) -> None:
        self._entries += entries
        self._bytes += size
        if self._entries > MAX_ENTRIES or self._bytes > MAX_BYTES or len(self.blobs) > MAX_BLOBS:
            raise DXFInvalidDocumentError(f'the alias leads to more than {MAX_ENTRIES} entries of indexes, '
                                          f'{MAX_BLOBS} blobs or {MAX_BYTES} bytes of manifests')


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
