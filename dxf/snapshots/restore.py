"""Restoring: files, folders and links of a snapshot appear in a folder, each file when it is complete.

``restore_plan`` finds what is to be done, ``restore_target`` touches the folder, ``chunk_source`` fetches and verifies.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from dxf.arguments import check_not_empty
from dxf.artifacts.folder_deletion import Extra, FolderDeletion, check_outside
from dxf.artifacts.target_folder import TargetFolder
from dxf.exceptions import DXFInvalidDocumentError
from dxf.hints import add_hint, hint_of
from dxf.snapshots.attribute_setter import Attributes, AttributeSetter, Notice
from dxf.snapshots.chunk_source import DAMAGE, ChunkSource
from dxf.snapshots.entries import FILE, FOLDER, shown
from dxf.snapshots.index import FROM_STREAM, IndexReader
from dxf.snapshots.restore_plan import DELETE, RestoreAction, RestorePlan, check_attributes
from dxf.snapshots.restore_target import PartFile, RestoreTarget
from dxf.snapshots.target_paths import TargetPaths

if TYPE_CHECKING:
    from dxf.client import DXF

Report = Callable[[bytes, int], object]
OnAction = Callable[[RestoreAction], object]


class Demand(NamedTuple):
    """What is to be restored, and where: see :meth:`Snapshot.restore`."""

    folder: str
    paths: Sequence[bytes] = ()
    overwrite: bool = False
    delete: bool = False
    max_delete: int | None = None
    attributes: Attributes = Attributes()


class PlannedRestore(NamedTuple):
    """What a restore would do.

    :param actions: with each path; files that are there and equal have none
    :param size: bytes that would be written, without holes
    :param fetched: bytes that would be fetched, beside the index
    """

    actions: list[RestoreAction]
    size: int
    fetched: int


def restore(repository: 'DXF', index: IndexReader, demand: Demand, report: Report, notice: Notice | None,
            on_action: OnAction | None) -> list[str]:
    """Put what a snapshot has into a folder: see :meth:`Snapshot.restore`.

    :param report: called with what was written, and the size of all that is to be written
    """
    with _planned(repository, index, demand, notice, True) as (target, plan):
        with TargetFolder(demand.folder) as folder:
            deletion = _deletion(plan, demand, folder)
            _carry_out(_source(repository, index), target, plan, report)
            if deletion is not None:
                deletion.carry_out()
            _finish(target, plan)
        if on_action is not None:
            for action in chain(plan.actions(), _deleted(deletion)):
                on_action(action)
        return [file.entry.name for file in plan.files]


def plan_restore(repository: 'DXF', index: IndexReader, demand: Demand) -> PlannedRestore:
    """Return what :func:`restore` would do; nothing is changed."""
    with _planned(repository, index, demand, None, False) as (_, plan), TargetFolder(demand.folder) as folder:
        actions = [*plan.actions(), *_deleted(_deletion(plan, demand, folder))]
        return PlannedRestore(actions, plan.places.size, _source(repository, index).cost(plan.places.by_pack()))


@contextmanager
def _planned(repository: 'DXF', index: IndexReader, demand: Demand, notice: Notice | None, make: bool
             ) -> Iterator[tuple[RestoreTarget, RestorePlan]]:
    """Provide the target, and what is to be done there.

    :param make: make the folder where it is missing
    """
    check_not_empty(demand.folder)
    if index.header.source == FROM_STREAM:
        raise DXFInvalidDocumentError('the snapshot is a stream: dxf pull-blob writes it')
    if demand.delete:
        check_outside(demand.folder, repository.host)
    setter = AttributeSetter(demand.attributes, notice)
    check_attributes(demand.attributes, index)
    paths = TargetPaths(demand.folder, make)
    with RestoreTarget(paths, demand.overwrite or demand.delete, setter) as target:
        yield target, RestorePlan(index, target, demand.paths, demand.delete)


def _source(repository: 'DXF', index: IndexReader) -> ChunkSource:
    return ChunkSource(repository, index.packs)


def _deletion(plan: RestorePlan, demand: Demand, folder: TargetFolder) -> FolderDeletion | None:
    """Return what is to be deleted, in the folders among the paths if there are such; ``None`` where nothing is.

    :raises DXFError: there is too much
    """
    if not demand.delete:
        return None
    folders = {entry.path for entry in plan.folders}
    within = {path for path in plan.paths & folders if not any(path.startswith(other + b'/') for other in plan.paths)}
    return FolderDeletion(folder, map(os.fsdecode, plan.kept), map(os.fsdecode, folders), demand.max_delete,
                          map(os.fsdecode, sorted(within)) if plan.paths else ('',))


def _deleted(deletion: FolderDeletion | None) -> list[RestoreAction]:
    extras: list[Extra] = [] if deletion is None else deletion.extras
    return [RestoreAction(DELETE, FOLDER if extra.is_folder else FILE, os.fsencode(extra.path), extra.size)
            for extra in extras]


def _carry_out(source: ChunkSource, target: RestoreTarget, plan: RestorePlan, report: Report) -> None:
    """Make all that is missing."""
    target.check_space(plan.places.size)
    for folder in plan.folders:
        target.make_folder(folder)
    for file in plan.files:
        if not file.left:
            target.finish(file)
    _fetch(source, target, plan, report)
    for entry in plan.hardlinks:
        target.make_hardlink(entry.path, entry.target)
    for entry in plan.links:
        target.make_link(entry)


def _fetch(source: ChunkSource, target: RestoreTarget, plan: RestorePlan, report: Report) -> None:
    """Fetch the chunks, each once, and write them to all places where they belong."""
    with _naming_file(source, plan), closing(source.fetch_packs(plan.places.by_pack())) as chunks:
        for chunk, content in chunks:
            for number, offset in plan.places.take(chunk):
                _write(target, plan.files[number], offset, content)
                report(content, plan.places.size)


@contextmanager
def _naming_file(source: ChunkSource, plan: RestorePlan) -> Iterator[None]:
    """Name a file that cannot be restored, in an error about what is in a pack."""
    try:
        yield
    except DAMAGE as error:
        pack, number = plan.places.next_target() or (None, 0)
        if pack is not None and hint_of(error) == source.damage_of(pack):
            add_hint(error, f'{hint_of(error)}, and {shown(plan.files[number].entry.path)} needs it')
        raise


def _write(target: RestoreTarget, file: PartFile, offset: int, content: bytes) -> None:
    """Write a chunk of a file, which gets its name after the last one."""
    if len(content) == file.entry.size:
        target.write_whole(file.entry, content)
        return
    target.write(file, offset, content)
    file.left -= 1
    if not file.left:
        target.finish(file)


def _finish(target: RestoreTarget, plan: RestorePlan) -> None:
    """Give what was there, and the folders, their attributes, when all is in them."""
    target.adjust()
    for folder in reversed(plan.folders):
        target.finish_folder(folder)
    target.sync()
