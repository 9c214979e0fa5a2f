"""Comparisons: in which files, or blobs, two aliases differ, or a folder on disk and an alias.

Manifests are fetched, and the indexes of snapshots, whose packs are not. Archives of whole folders are fetched only
where the files in them are asked for, no other blobs. ``inspection`` compares files with the blobs of an alias.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dxf.artifacts import file_lists
from dxf.artifacts.file_lists import Content
from dxf.artifacts.manifest import EMPTY, Layer, read
from dxf.artifacts.safe_paths import Paths
from dxf.client import DXF
from dxf.exceptions import DXFInvalidDocumentError, DXFSourceError
from dxf.hints import add_hint
from dxf.local.file_hash import hash_file
from dxf.manifest.image import ImageManifest, Index
from dxf.manifest.platforms import Manifest
from dxf.parameters import checked
from dxf.snapshots import differences
from dxf.snapshots.differences import Node
from dxf.snapshots.entries import FILE
from dxf.snapshots.snapshot import Snapshot, is_snapshot
from dxf.strict_json import Json, printable
from dxf.transfer.parallel import each_once


class Difference(NamedTuple):
    """A file, a blob without a name, or a platform, that is not the same on both sides.

    :param name: of the file; that of an archive of a folder ends with a slash; of a blob without a name, the digest
    :param old: ``None`` if only the second side has it
    :param new: ``None`` if only the first side has it
    """

    name: str
    old: Content | Node | None
    new: Content | Node | None

    @property
    def action(self) -> str:
        """What has become of the first side: ``added``, ``removed``, ``changed``; ``moved`` for a blob."""
        if self.old is None:
            return 'added'
        if self.new is None:
            return 'removed'
        return 'moved' if self.old == self.new else 'changed'

    def line(self) -> str:
        """Return the same as a line for people: the sizes before the name, ``-`` for none; a stream has no name."""
        sizes = ('-' if side is None or side.size is None else side.size for side in (self.old, self.new))
        return ' '.join(map(str, (self.action, *sizes, printable(self.name) or '-')))

    def document(self) -> dict[str, Json]:
        """Return the same as a JSON object."""
        old, new = (None if side is None else side._asdict() for side in (self.old, self.new))
        return {'action': self.action, 'name': self.name, 'old': old, 'new': new}


class _Side(NamedTuple):
    """What an alias holds.

    :param named: files by name, the archives of folders among them, or manifests by platform
    :param archives: those of ``named`` that are archives
    :param nameless: blobs without a name, in their order
    """

    digest: str
    named: dict[str, Content]
    archives: dict[str, Layer]
    nameless: tuple[Content, ...]

    def unpacked(self, repository: DXF, other: Mapping[str, Content]) -> dict[str, Content]:
        """Return the files by name, with those in archives that are not the same among ``other``."""
        if not self.archives:
            return self.named
        archives = {name: layer for name, layer in self.archives.items() if self.named[name] != other.get(name)}
        kept = {name: content for name, content in self.named.items() if name not in archives}
        paths = Paths()
        for name in kept:
            if name not in self.archives:
                paths.add(name)
        return kept | file_lists.in_archives(
            repository, {name.removesuffix('/'): layer for name, layer in archives.items()}, paths)


@checked
def compare(repository: DXF, old: str, new: str, platform: str | None = None, *, inside: bool = False
            ) -> list[Difference]:
    """Return in what one alias differs from another, sorted by name; blobs without a name follow, in their order.

    Two snapshots are compared by the type, the hash, the mode and the target of each path; a snapshot and something
    else by their files, whose archives are fetched.

    :param old: an alias, or the digest of a manifest; ``new`` as well
    :param platform: ``os/architecture[/variant]``: of multi-platform aliases, this platform's alone; without it, their
        manifests are compared by platform
    :param inside: compare the files in archives of folders; archives that differ are fetched, and nothing is written
    :raises DXFHTTPError: the registry refused; 404 where there is no such alias
    :raises DXFInvalidDocumentError: one has several platforms, and the other is a single image
    :raises DXFInvalidNameError: a name is unsafe, or there twice
    """
    manifests = [repository.resolve(reference, platform) for reference in (old, new)]
    if manifests[0].digest == manifests[1].digest:
        return []
    stored = [Snapshot(repository, manifest) for manifest in manifests if is_snapshot(manifest)]
    if len(stored) == len(manifests):
        return _of_changes(differences.between(*stored))
    several = [isinstance(manifest, Index) for manifest in manifests]
    if any(several) and not all(several):
        raise _choose_platform((old, new)[several.index(True)], repository, manifests[several.index(True)])
    first, second = (_side(repository, manifest) for manifest in manifests)
    before, after = (first.unpacked(repository, second.named), second.unpacked(repository, first.named)) if inside or \
        stored else (first.named, second.named)
    return [*_named_differences(before, after), *_nameless_differences(first.nameless, second.nameless)]


@checked
def compare_folder(repository: DXF, reference: str, folder: str, platform: str | None = None) -> list[Difference]:
    """Return in what a folder on disk differs from the files of an alias, which are the first side.

    The folder is one to which ``dxf pull-files`` has written, or in which ``dxf push-files`` has run. Files of the same
    size are hashed. Archives of folders are fetched and looked through, and nothing is written. With a snapshot, a
    folder is compared that ``dxf backup`` has stored: by the type, the hash, the mode and the target of each path.

    :param reference: an alias, or the digest of a manifest
    :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
    :raises DXFHTTPError: the registry refused; 404 where there is no such alias
    :raises DXFInvalidDocumentError: the alias has several platforms
    :raises DXFInvalidNameError: a name is unsafe, or there twice
    :raises DXFSourceError: there is something else than files and folders in the folder
    :raises OSError: a file cannot be read
    """
    manifest = repository.resolve(reference, platform)
    if is_snapshot(manifest):
        return _of_changes(differences.from_folders(Snapshot(repository, manifest), [folder]))
    try:
        paths = file_lists.in_folder(folder)
    except DXFSourceError as error:
        add_hint(error, 'only folders of files and folders can be compared')
        raise
    if isinstance(manifest, Index):
        raise _choose_platform(reference, repository, manifest)
    side = _side(repository, manifest, with_config=False)
    stored = side.unpacked(repository, {})
    found = _hashed(paths, stored, repository.options.jobs)
    return [*_named_differences(stored, found), *_nameless_differences(side.nameless, ())]


def _of_changes(changes: Iterable[differences.Change]) -> list[Difference]:
    return [Difference(change.name, change.old, change.new) for change in changes]


def _choose_platform(reference: str, repository: DXF, manifest: Manifest) -> DXFInvalidDocumentError:
    """Return the error for an alias with several platforms."""
    names = repository.platforms(manifest) if isinstance(manifest, Index) else ()
    return DXFInvalidDocumentError(f'{reference} has several platforms: set DXF_PLATFORM to one of '
                                   f'{", ".join(sorted(names))}')


def _side(repository: DXF, manifest: Manifest, with_config: bool = True) -> _Side:
    """Return what a manifest holds.

    :param with_config: a configuration that says something counts as a blob without a name
    """
    if isinstance(manifest, Index):
        named = {name: Content(entry.digest, entry.size) for name, entry in repository.platforms(manifest).items()}
        return _Side(manifest.digest, named, {}, ())
    if not isinstance(manifest, ImageManifest):
        return _Side(manifest.digest, {}, {}, tuple(Content(digest, None) for digest in manifest.blobs))
    if is_snapshot(manifest):
        return _Side(manifest.digest, _files_of(Snapshot(repository, manifest)), {}, ())
    layers = read(manifest.text)
    named = _by_name(layers)
    archives = {_shown(layer): layer for layer in layers if layer.packing}
    nameless = [layer.blob for layer in layers if layer.title is None and layer.blob.digest != EMPTY.digest]
    if with_config and manifest.config.digest not in {EMPTY.digest, *(layer.blob.digest for layer in layers)}:
        nameless.insert(0, manifest.config)
    return _Side(manifest.digest, named, archives, tuple(Content(blob.digest, blob.size) for blob in nameless))


def _files_of(snapshot: Snapshot) -> dict[str, Content]:
    """Return the files of a snapshot: an artifact has no folders, links and modes."""
    return {path.decode('utf-8', 'backslashreplace'): Content(node.digest, node.size)
            for path, node in differences.nodes(snapshot) if node.type == FILE}


def _shown(layer: Layer) -> str:
    """Return the name of a file; that of an archive of a folder ends with a slash."""
    return f'{layer.title}/' if layer.is_folder else str(layer.title)


def _by_name(layers: Iterable[Layer]) -> dict[str, Content]:
    """Return the files and archives that have names.

    :raises DXFInvalidNameError: a name is unsafe, or there twice
    """
    paths = Paths()
    named: dict[str, Content] = {}
    for layer in layers:
        if layer.title is not None:
            if not layer.is_root:
                paths.add(layer.title, layer.is_folder)
            named[_shown(layer)] = Content(layer.blob.digest, layer.blob.size)
    return named


def _hashed(paths: Mapping[str, str], stored: Mapping[str, Content], jobs: int) -> dict[str, Content]:
    """Return the content of files on disk. Those are hashed that may have the content that is stored.

    :param paths: where each file is, by name
    """
    sizes = {name: os.stat(path).st_size for name, path in paths.items()}
    same = [name for name, size in sizes.items() if name in stored and stored[name].size == size]
    digests = each_once(lambda name: hash_file(paths[name]), same, jobs)
    return {name: Content(digests.get(name), size) for name, size in sizes.items()}


def _named_differences(old: Mapping[str, Content], new: Mapping[str, Content]) -> Iterator[Difference]:
    for name in sorted({*old, *new}):
        first, second = old.get(name), new.get(name)
        if first is None or second is None or first.digest != second.digest:
            yield Difference(name, first, second)


def _nameless_differences(old: tuple[Content, ...], new: tuple[Content, ...]) -> Iterator[Difference]:
    """Yield the blobs that only one side has, and then those that both have in another order."""
    both = Counter(content.digest for content in old) & Counter(content.digest for content in new)
    gone, kept_old = _split(old, both)
    come, kept_new = _split(new, both)
    yield from (Difference(str(content.digest), content, None) for content in gone)
    yield from (Difference(str(content.digest), None, content) for content in come)
    for first, second in dict.fromkeys(zip(kept_old, kept_new, strict=True)):
        if first.digest != second.digest:
            yield Difference(str(first.digest), first, first)


def _split(side: tuple[Content, ...], both: Counter[str | None]) -> tuple[list[Content], list[Content]]:
    """Return the blobs that only this side has, and the others.

    :param both: how often both sides have each blob
    """
    left = Counter(both)
    alone: list[Content] = []
    kept: list[Content] = []
    for content in side:
        left[content.digest] -= 1
        (kept if left[content.digest] >= 0 else alone).append(content)
    return alone, kept
