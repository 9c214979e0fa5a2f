"""Edits: what manifests become where files are added, replaced or removed. No blob is read for that."""

import copy
import io
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from dxf.artifacts.manifest import EMPTY, UNKNOWN_TYPE, make
from dxf.artifacts.safe_paths import Paths
from dxf.client import DXF
from dxf.exceptions import DXFConflictError, DXFInvalidDocumentError, DXFIsADirectoryError, DXFNotFoundError
from dxf.filesystem.location import Location
from dxf.filesystem.file_tree import Tree, tree_of
from dxf.filesystem.snapshot_tree import SnapshotTree
from dxf.manifest import image
from dxf.manifest.creation_time import CREATED
from dxf.manifest.image import BYTES, EMPTY_CONTENT, EMPTY_TYPE, OCTET_STREAM
from dxf.manifest.named_files import FILE_PATHS, TITLE, name_of
from dxf.snapshots.snapshot import is_snapshot
from dxf.strict_json import Json, dump_json, load_object

ATTEMPTS = 20
"""Times that a change is made to a manifest which others change at the same moment."""


class Change(NamedTuple):
    """What a file of an alias becomes.

    :param layer: in the manifest; ``None`` for nothing
    :param is_new: there may be no such file yet
    :param was: the digest of the file that is moved or removed; one that was replaced meanwhile stays
    :param source: the file that has the content too
    """

    layer: dict[str, Json] | None
    is_new: bool = False
    was: str | None = None
    source: Location | None = None

    def is_for(self, digest: str) -> bool:
        """Return whether it may be made to a file of this digest: to the one that was meant, or a second time."""
        return self.was in (None, digest) or self.layer is not None and self.layer['digest'] == digest


def layer_of(digest: str, size: int, path: str) -> dict[str, Json]:
    """Return the layer of a file."""
    return {'mediaType': OCTET_STREAM, 'digest': digest, 'size': size, 'annotations': {TITLE: path}}


def renamed(text: str, path: str, new_path: str) -> dict[str, Json]:
    """Return the layer of a file in a manifest with another name; all else that is said of it stays."""
    layer = copy.deepcopy(next(layer for layer in load_object(text)['layers'] if _name(layer) == path))
    annotations = layer['annotations']
    for key in (TITLE, *FILE_PATHS):
        if key in annotations:
            annotations[key] = new_path
    return dict(layer)


def _name(layer: dict[str, Json]) -> Json:
    return name_of(layer.get('annotations') or {})


def edited(text: str, changes: Mapping[str, Change]) -> str:
    """Return a manifest with other files.

    :param changes: by path; a file that is there is replaced in its place
    :raises DXFIsADirectoryError: a file has the path of a folder
    :raises NotADirectoryError: a folder has the path of a file
    :raises FileExistsError: a file that had to be new is there
    :raises DXFInvalidNameError: a path is unsafe
    """
    document = load_object(text)
    left = dict(changes)
    layers = []
    for layer in document['layers']:
        name = _name(layer)
        if name in changes:
            layer = left.pop(name, Change(None)).layer
        if layer is not None and (name is not None or layer['mediaType'] != EMPTY_TYPE):
            layers.append(layer)
    layers += [change.layer for change in left.values() if change.layer is not None]
    _check([_name(layer) for layer in layers if _name(layer) is not None])
    layers = layers or [{'mediaType': EMPTY.media_type, 'digest': EMPTY.digest, 'size': EMPTY.size}]
    if layers == document['layers']:
        return text
    if CREATED in (document.get('annotations') or {}):
        document['annotations'][CREATED] = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
    document['layers'] = layers
    return dump_json(document)


def _check(names: Iterable[str]) -> None:
    """Check that files can be together."""
    files = set(names)
    for name in files:
        parts = name.split('/')
        above = next((found for found in ('/'.join(parts[:count]) for count in range(1, len(parts))) if found in files),
                     None)
        if above is not None:
            raise NotADirectoryError(f'{above!r} is a file, and {name!r} would be in it')
    paths = Paths()
    for name in sorted(files):
        paths.add(name)


def check_movable(tree: Tree | SnapshotTree, root: str) -> None:
    """Check that what an alias names is its files: all else is lost when these are moved, and the alias is deleted.

    :param root: the path of the alias
    :raises PermissionError: it is a snapshot, with folders, links, modes and times
    :raises io.UnsupportedOperation: it has more: blobs without a name beside files, a configuration, a type or
        annotations, of its own or of a blob without a name
    """
    hint = 'dxf set-alias gives it a second name, and dxf del-alias deletes the first'
    if isinstance(tree, SnapshotTree):
        raise PermissionError(f'{root} is a snapshot, and its files never change: {hint}')
    if tree.text and _has_more_than_files(load_object(tree.text)):
        raise io.UnsupportedOperation(f'{root} has more than files, which a move would lose: {hint}')


def _has_more_than_files(document: dict[str, Json]) -> bool:
    """Return whether a manifest says more than what files there are."""
    layers = [layer for layer in document.get('layers', []) if layer['mediaType'] != EMPTY_TYPE]
    nameless = [layer for layer in layers if _name(layer) is None]
    if 0 < len(nameless) < len(layers) or \
            any(layer['mediaType'] not in BYTES or layer.get('annotations') for layer in nameless):
        return True
    blobs = {EMPTY.digest, *(layer['digest'] for layer in layers)}
    says: dict[str, Json] = {'artifactType': UNKNOWN_TYPE, 'config': {'digest': EMPTY.digest}} | document
    return says['config']['digest'] not in blobs or says['artifactType'] != UNKNOWN_TYPE or \
        says.get('subject') is not None or not {CREATED}.issuperset(says.get('annotations') or ())


class AliasEdits:
    """The changes of one alias.

    :param repository: its client
    :param location: of the alias
    """

    def __init__(self, repository: DXF, location: Location) -> None:
        self._repository = repository
        self._location = location
        self._changes: dict[str, Change] = {}

    def add(self, path: str, change: Change) -> None:
        """Add a change, in place of an earlier one of the same file."""
        earlier = self._changes.get(path)
        self._changes[path] = change._replace(was=earlier.was) if earlier is not None and change.was is None else change

    def changes(self, path: str) -> bool:
        """Return whether a file is removed or replaced."""
        return path in self._changes

    def sources(self) -> list[Location]:
        """Return the files that have the content of those that the alias gets."""
        return [change.source for change in self._changes.values() if change.source is not None]

    def hand_over(self, record: Callable[[Location, Change], None]) -> None:
        """Give each change to a function, in their order."""
        for path, change in self._changes.items():
            record(self._location._replace(path=path), change)

    @property
    def only_removes(self) -> bool:
        """Whether the alias gets no file by them."""
        return all(change.layer is None for change in self._changes.values())

    def store(self) -> None:
        """Store a manifest with the changes, made anew if somebody else has set the alias meanwhile.

        :raises DXFConflictError: others set it each time, or have replaced a file that is moved or removed
        """
        for attempt in range(1, ATTEMPTS + 1):
            tree = current(self._repository, self._location)
            self._check(tree)
            try:
                self._put(tree)
                return
            except DXFConflictError:
                if attempt == ATTEMPTS:
                    raise

    def current(self, digest: str | None) -> Tree | None:
        """Return what the alias names, if that is what it was.

        :param digest: of its manifest; ``None`` for no alias
        :raises DXFConflictError: it is another one
        """
        tree = current(self._repository, self._location)
        if (None if tree is None else tree.digest) != digest:
            raise DXFConflictError(f'somebody else has set the alias {self._location.root} meanwhile; nothing was '
                                   'changed')
        return tree

    def store_on(self, tree: Tree | None) -> None:
        """Store a manifest with the changes, if the alias still names what it did.

        :param tree: what that is; ``None`` for no alias
        :raises DXFConflictError: somebody else has set it
        """
        self._check(tree)
        self._put(tree)

    def _put(self, tree: Tree | None) -> None:
        if tree is None:
            self._repository.push_blob(data=EMPTY_CONTENT)
            text = make(UNKNOWN_TYPE, [], {})
        else:
            text = tree.text
        new = edited(text, self._changes)
        image.check_size(len(new), self._repository.options.limits.manifest, len(self._changes))
        if tree is None:
            self._repository.set_manifest(self._location.reference, new, if_absent=True)
        elif new != text:
            self._repository.set_manifest(self._location.reference, new, if_match=tree.digest)

    def _check(self, tree: Tree | None) -> None:
        """Check the changes against what there is."""
        if tree is None:
            return
        if tree.is_file:
            raise NotADirectoryError(f'{self._location.root} is a file, and has no files in it')
        for path, change in self._changes.items():
            if change.is_new and path in tree.files:
                raise FileExistsError(self._location.child(path))
            if change.layer is not None and path in tree.folders:
                raise DXFIsADirectoryError(path, 'it is a folder')
            if path in tree.files and not change.is_for(tree.files[path].digest):
                raise DXFConflictError(f'somebody else has replaced {self._location.child(path)} meanwhile; it stays')


def current(repository: DXF, location: Location) -> Tree | None:
    """Return what an alias names now; ``None`` where there is no such alias.

    :raises PermissionError: it is a snapshot
    :raises DXFInvalidDocumentError: it is the index of several platforms
    """
    try:
        manifest = repository.resolve(location.reference)
    except DXFNotFoundError:
        return None
    if is_snapshot(manifest):
        raise PermissionError(f'{location.root} is a snapshot, and its files never change: dxf backup stores the next')
    tree = tree_of(manifest)
    if tree.is_index:
        raise DXFInvalidDocumentError(f'{location.root} has several platforms: write to another alias')
    return tree
