"""Lookups: what aliases and digests name. What a digest names is kept; an alias is looked up once in each call."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock, local
from typing import Any

from dxf import forking
from dxf.client import DXF
from dxf.filesystem.location import Location
from dxf.filesystem.file_tree import Tree, blob_tree, tree_of
from dxf.filesystem.snapshot_tree import SnapshotTree
from dxf.manifest.image import ImageManifest
from dxf.snapshots.snapshot import is_snapshot
from dxf.transfer.parallel import all_of

AnyTree = Tree | SnapshotTree
"""What an alias or a digest names."""

MAX_SNAPSHOTS = 4
"""Snapshots whose indexes are kept at most: those that were used last."""

MAX_KEPT = 64
"""Trees of digests that are kept at most, and snapshots of which only is kept what a list of aliases says."""


class _Call(local):
    """What the outermost call of this thread has looked up."""

    depth = 0

    def __init__(self) -> None:
        super().__init__()
        self.trees: dict[str, AnyTree] = {}


class Lookups:
    """Finds what aliases and digests name.

    :param repository_of: returns the client of a repository
    :param platform: that of images with several
    :param listings: fsspec's cache of listings, which is off unless the options of the filesystem turn it on
    """

    def __init__(self, repository_of: Callable[[str], DXF], platform: Callable[[str], str | None], listings: Any
                 ) -> None:
        self._repository_of = repository_of
        self._platform = platform
        self._listings = listings
        self._pinned: dict[str, AnyTree] = {}
        self._call = _Call()
        self._snapshots = SnapshotTrees()

    @contextmanager
    def once(self) -> Iterator[None]:
        """Look up each alias once until the end."""
        self._call.depth += 1
        try:
            yield
        finally:
            self._call.depth -= 1
            if not self._call.depth:
                self._call.trees.clear()

    def forget(self, root: str | None = None) -> None:
        """Look up an alias again, or all of them."""
        for cache in (self._call.trees, self._listings):
            if root is None:
                cache.clear()
            else:
                cache.pop(root, None)

    def tree(self, location: Location) -> AnyTree:
        """Return what an alias or a digest names.

        :raises DXFNotFoundError: it is missing
        :raises DXFInvalidDocumentError: it is the index of several platforms
        """
        return self.trees([location], 1)[0].of_one_platform()

    def trees(self, locations: Sequence[Location], jobs: int) -> list[AnyTree]:
        """Return what several aliases or digests name; an index of several platforms too.

        :param jobs: how many are looked up at once
        :raises DXFNotFoundError: one is missing
        """
        found = {location.root: self._kept(location.root) for location in locations}
        missing = [location for location in locations if found[location.root] is None]
        for location, tree in zip(missing, all_of(lambda one, check: self._found(one), missing, jobs), strict=True):
            self._keep(location, tree)
            found[location.root] = tree
        return [tree for tree in map(found.get, (location.root for location in locations)) if tree is not None]

    def _kept(self, root: str) -> AnyTree | None:
        for cache in (self._pinned, self._call.trees, self._listings):
            kept: AnyTree | None = cache.get(root)  # in one step: a thread may empty it, and a listing expire
            if kept is not None:
                return kept
        return None

    def _keep(self, location: Location, tree: AnyTree) -> None:
        if location.is_pinned:
            if len(self._pinned) >= MAX_KEPT:
                self._pinned.clear()
            self._pinned[location.root] = tree
        else:
            self._listings[location.root] = tree
            if self._call.depth:
                self._call.trees[location.root] = tree

    def _found(self, location: Location) -> AnyTree:
        repository = self._repository_of(location.repository)
        if location.is_pinned and not location.path:
            size = repository.stored_size(location.reference)
            if size is not None:
                return blob_tree(location.reference, size)
        manifest = repository.resolve(location.reference, self._platform(location.repository))
        return self._snapshots.tree(repository, manifest) if is_snapshot(manifest) else tree_of(manifest)


class SnapshotTrees:
    """Snapshots that were looked up. What a list of aliases says of each is kept, and the indexes of a few."""

    def __init__(self) -> None:
        self._trees: OrderedDict[tuple[DXF, str], SnapshotTree] = OrderedDict()
        self._with_index: list[SnapshotTree] = []
        self._lock = Lock()
        forking.register(self)

    def renew_after_fork(self) -> None:
        """Share no lock with the parent process."""
        self._lock = Lock()

    def tree(self, repository: DXF, manifest: ImageManifest) -> SnapshotTree:
        """Return the files of a snapshot."""
        key = repository, manifest.digest
        with self._lock:
            tree = self._trees.pop(key, None) or SnapshotTree(repository, manifest, self._use_index)
            self._trees[key] = tree
            if len(self._trees) > MAX_KEPT:
                self._trees.popitem(last=False)
        return tree

    def _use_index(self, tree: SnapshotTree) -> None:
        """Keep the index of a snapshot, and release that of the one which was not used for the longest time."""
        with self._lock:
            used = [*(other for other in self._with_index if other is not tree), tree]
            released, self._with_index = used[:-MAX_SNAPSHOTS], used[-MAX_SNAPSHOTS:]
        for other in released:
            other.release()
