"""Differences: in which files, folders and links two snapshots differ, or folders of this machine and a snapshot.

No pack is fetched. Times are not compared, and another name of a file counts as a file.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from dxf.local.file_hash import hash_descriptor
from dxf.snapshots.attribute_setter import FILE_MODES, FOLDER_MODES
from dxf.snapshots.entries import FILE, FOLDER, HARDLINK, Entry, check_original
from dxf.snapshots.exclusion import Exclusion
from dxf.snapshots.snapshot import Snapshot
from dxf.snapshots.tree import Found, Tree, roots_of
from dxf.transfer.parallel import each_once


class Node(NamedTuple):
    """What there is at a path.

    :param digest: of a file; ``None`` where it need not be known
    :param type: ``file``, ``folder`` or ``link``
    :param target: what a link leads to
    """

    digest: str | None
    size: int | None
    type: str
    mode: int | None
    target: str | None


class Change(NamedTuple):
    """A path at which two sides differ; ``None`` stands for nothing."""

    path: bytes
    old: Node | None
    new: Node | None

    @property
    def name(self) -> str:
        """The path as a text; bytes that are not UTF-8 are escaped."""
        return _text(self.path)


Nodes = Iterator[tuple[bytes, Node]]
"""What there is, in the order of the bytes of the paths."""


def between(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    """Yield in what two snapshots differ, in the order of the bytes of the paths.

    :raises DXFInvalidDocumentError: something in one of them cannot be right
    """
    return (change for change in _joined(nodes(old), nodes(new)) if change.old != change.new)


def from_folders(snapshot: Snapshot, folders: Sequence[str]) -> Iterator[Change]:
    """Yield in what folders of this machine differ from a snapshot. Files of the same size are hashed.

    Of several, each is a folder of the snapshot, as when they are stored. What ``.dxfignore`` excludes, and what no
    snapshot holds, is left out. Bits of a mode that are not restored are not compared.

    :raises DXFSourceError: something is no folder
    :raises DXFInvalidDocumentError: something in the snapshot cannot be right
    :raises OSError: a file cannot be read
    """
    tree = Tree(roots_of(list(folders)), _refuse, lambda *_: None, Exclusion(()))
    stored = ((path, _restored(node)) for path, node in nodes(snapshot))
    differing = [change for change in _joined(stored, _found(tree)) if change.old != change.new]
    hashed = [os.fsdecode(change.path) for change in differing if _has_size_of_other(change)]
    digests = each_once(partial(_hash, tree), hashed, snapshot.repository.options.jobs)
    for change in differing:
        if change.new is not None:
            change = change._replace(new=change.new._replace(digest=digests.get(os.fsdecode(change.path))))
        if change.old != change.new:
            yield change


def nodes(snapshot: Snapshot) -> Nodes:
    """Yield what a snapshot has."""
    with snapshot.opened() as index:
        wanted = index.hardlink_targets()
        originals: dict[bytes, Entry] = {}
        for entry in index.entries():
            if entry.path in wanted:
                originals[entry.path] = entry._replace(chunks=())
            yield entry.path, _node(check_original(entry, originals.get(entry.target)) if entry.kind == HARDLINK
                                    else entry)


def _node(entry: Entry) -> Node:
    if entry.kind == FILE:
        return Node(f'sha256:{entry.sha256}', entry.size, FILE, entry.mode, None)
    return Node(None, None, FOLDER, entry.mode, None) if entry.kind == FOLDER else \
        Node(None, None, entry.kind, None, _text(entry.target))


def _found(tree: Tree) -> Nodes:
    """Yield what there is in folders, without hashes."""
    for found in tree.walk():
        yield found.path, _restored(_node_of(found))


def _node_of(found: Found) -> Node:
    mode = stat.S_IMODE(found.status.st_mode)
    if found.kind in (FILE, HARDLINK):
        return Node(None, found.status.st_size, FILE, mode, None)
    return Node(None, None, FOLDER, mode, None) if found.kind == FOLDER else \
        Node(None, None, found.kind, None, _text(found.target))


def _restored(node: Node) -> Node:
    """Return what is at a path after a restore."""
    if node.mode is None:
        return node
    return node._replace(mode=node.mode & (FILE_MODES if node.type == FILE else FOLDER_MODES))


def _has_size_of_other(change: Change) -> bool:
    return change.old is not None and change.new is not None and change.new.type == FILE and \
        change.old.size == change.new.size


def _hash(tree: Tree, path: str) -> str:
    with tree.open(os.fsencode(path)) as file:
        return hash_descriptor(file.fileno())


def _refuse(_: bytes, error: OSError) -> None:
    raise error


def _joined(old: Nodes, new: Nodes) -> Iterator[Change]:
    """Yield what is at each path of two sides."""
    first, second = next(old, None), next(new, None)
    while first is not None or second is not None:
        path = min(side[0] for side in (first, second) if side is not None)
        before = after = None
        if first is not None and first[0] == path:
            before, first = first[1], next(old, None)
        if second is not None and second[0] == path:
            after, second = second[1], next(new, None)
        yield Change(path, before, after)


def _text(content: bytes) -> str:
    return content.decode('utf-8', 'backslashreplace')
