"""Pulls of files by their names: all that are wanted appear in a folder, or none does.

``staging`` gives files their names, ``unpacking`` unpacks archives, and ``folder_deletion`` removes other files.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dxf.arguments import check_not_empty, check_text, several
from dxf.artifacts.actions import DELETE, FETCH, SKIP, FileAction, OnFile
from dxf.artifacts.folder_deletion import FolderDeletion, check_outside
from dxf.artifacts.manifest import about_snapshot
from dxf.artifacts.safe_paths import MAX_PART_LENGTH, Paths, check_path
from dxf.artifacts.staging import StagedFiles, write
from dxf.artifacts.target_folder import TargetFolder
from dxf.artifacts.unpacking import Archive, Unpacking
from dxf.counts import counted
from dxf.exceptions import DXFError, DXFFileNotFoundError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.hints import add_hint
from dxf.manifest.image import Descriptor
from dxf.manifest.named_files import ROOT, TAR, TAR_GZIP, Layer, read
from dxf.names import is_sha256, shown_repository
from dxf.parameters import checked

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.client import DXF

Wanted = tuple[Layer, str]
"""A layer that is wanted, and its name."""


class Pulled(NamedTuple):
    """What was pulled: the names of files and folders, and what was left out as it has none."""

    names: list[str]
    skipped: list[Descriptor]


@checked
def pull_files(repository: 'DXF', reference: str, folder: str | None = None, *, names: Sequence[str] = (),
               overwrite: bool = False, platform: str | None = None, delete: bool = False,
               max_delete: int | None = None, progress: Callable[..., Any] | None = None,
               on_file: OnFile | None = None) -> Pulled:
    """Fetch files and folders, by the names that they have, into a folder.

    They appear when all are there and verified, or none does. Nothing outside the folder is touched, whatever the
    names are. A file that is there with the right content is not fetched. A folder that is one archive always is.

    :param reference: an alias, or the digest of a manifest
    :param folder: made where it is missing; ``None`` for the current one, though not with ``delete``
    :param names: of files and folders to fetch; empty for all. A folder stands for the files that are in it
    :param overwrite: replace files that are there with other content
    :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
    :param delete: make the folder equal to the alias: replace files, and when all of its files are there, delete
        everything else in the folder
    :param max_delete: the largest number of files to delete; if there are more, it is an error, and nothing is changed
    :param progress: called as ``progress(digest, chunk, size)``, first with an empty chunk for each blob
    :param on_file: called at the end with the :class:`FileAction` of each file
    :raises ValueError: the path of the folder is empty
    :raises DXFFileNotFoundError: it has no file of one of ``names``
    :raises DXFInvalidNameError: a name is unsafe, or there twice
    :raises DXFInvalidDocumentError: the manifest, or an archive, is not what it should be
    :raises DXFError: a file is packed in a way that dxf does not unpack, or ``delete`` would delete too much
    :raises DXFDigestMismatchError: the registry sent something else
    :raises DXFSizeMismatchError: a file has another size than the manifest says
    :raises OSError: a file is there already with other content, or cannot be written
    """
    pull = _Pull(repository, reference, folder, names, platform, delete)
    with StagedFiles(pull.folder, overwrite or delete) as staged:
        missing = pull.missing(staged.target)
        pull.fetch(missing, staged, progress or (lambda *_: None))
        deletion = FolderDeletion(staged.target, staged.files, staged.folders, max_delete) if delete else None
        staged.publish()
        if deletion is not None:
            deletion.carry_out()
    if on_file is not None:
        for action in pull.actions(missing, deletion):
            on_file(action)
    return Pulled([name for _, name in pull.wanted], pull.skipped)


@checked
def plan_pull(repository: 'DXF', reference: str, folder: str | None = None, *, names: Sequence[str] = (),
              overwrite: bool = False, platform: str | None = None, delete: bool = False,
              max_delete: int | None = None) -> list[FileAction]:
    """Return what :func:`pull_files` would do, and change nothing. The manifest is fetched, and no blob.

    :raises DXFError: with ``delete``, a folder is one archive, and what that brings is not known
    :raises OSError: a file is there already with other content

    The parameters, and the other errors, are those of :func:`pull_files`.
    """
    pull = _Pull(repository, reference, folder, names, platform, delete)
    with TargetFolder(pull.folder, overwrite or delete) as target:
        missing = pull.missing(target)
        packed = next((name for layer, name in missing if layer.packing), None)
        if delete and packed is not None:
            raise DXFError(f'{packed[:MAX_PART_LENGTH]!r} is one archive: which files are in it, and which would be '
                           'deleted, is known only when it is fetched')
        deletion = FolderDeletion(target, [name for _, name in pull.wanted], [], max_delete) if delete else None
    return pull.actions(missing, deletion)


def _target_path(folder: str | None, delete: bool) -> str:
    """Return the path of the target folder; where files are deleted, it must be given.

    :raises ValueError: it is not, or is empty
    """
    if folder is None:
        if delete:
            raise ValueError('delete needs a folder: everything in it is deleted but the files of the alias')
        return os.curdir
    check_not_empty(folder)
    return os.fspath(folder)


class _Pull:
    """What is wanted of an alias.

    :param names: of files and folders; empty for all
    :param delete: the folder is to be equal to the alias
    :raises DXFError: then all blobs need names, and ``names`` is empty
    """

    def __init__(self, repository: 'DXF', reference: str, folder: str | None, names: Sequence[str],
                 platform: str | None, delete: bool) -> None:
        self.folder = _target_path(folder, delete)
        names = several(names, 'pull_files', 'repository, reference, folder, names=')
        for name in names:
            check_text(name, 'each of the names')
        if delete and names:
            raise ValueError('delete makes a folder equal to the alias: it takes no names')
        layers = _layers(repository, reference, platform)
        if delete:
            check_outside(self.folder, repository.host)
        self._repository = repository
        self.skipped = [layer.blob for layer in layers if layer.title is None and not names]
        self.wanted = _wanted(layers, names)
        self._paths = _paths(self.wanted)
        if delete and self.skipped:
            raise DXFError(f'{counted(len(self.skipped), "blob has", "blobs have")} no name: a folder cannot be equal '
                           'to this alias, and nothing was changed')

    def missing(self, target: TargetFolder) -> list[Wanted]:
        """Return what is not there with the right content.

        :raises OSError: one of these may not get its name
        """
        from dxf.transfer.parallel import each_once  # it brings logging
        plain = {name: layer.blob for layer, name in self.wanted if not layer.packing}
        is_there = each_once(lambda name: target.has(name, plain[name].digest, plain[name].size), plain,
                             self._repository.options.jobs)
        missing = [(layer, name) for layer, name in self.wanted if layer.packing or not is_there[name]]
        for layer, name in missing:
            _check_name(layer, name, target)
        return missing

    def fetch(self, missing: list[Wanted], staged: StagedFiles, report: Callable[..., Any]) -> None:
        """Take in all files: those that are missing are fetched."""
        repository = self._repository
        for name in {name for _, name in self.wanted} - {name for _, name in missing}:
            staged.add_present(name)
        _check_space(repository, missing, staged)
        for archive in _fetched(repository, missing, staged, report):
            Unpacking(archive, self._paths, staged, repository.options.jobs > 1).run()

    def actions(self, missing: list[Wanted], deletion: FolderDeletion | None) -> list[FileAction]:
        """Return what was done, or is to be done, with each file."""
        fetched = {name for _, name in missing}
        return [*(FileAction(FETCH if name in fetched else SKIP, name, layer.blob.digest, layer.blob.size)
                  for layer, name in self.wanted),
                *(FileAction(DELETE, extra.path, None, extra.size)
                  for extra in ([] if deletion is None else deletion.extras) if not extra.is_folder)]


def _layers(repository: 'DXF', reference: str, platform: str | None) -> list[Layer]:
    text = repository.get_manifest(reference, platform)
    if isinstance(text, dict):
        raise DXFInvalidDocumentError(f'{reference} has several platforms: set DXF_PLATFORM to one of '
                                      f'{", ".join(sorted(text))}')
    layers = read(text)
    if all(layer.title is None for layer in layers):
        name = repository._repo
        hint = blob_hint(name) if is_sha256(reference) else \
            f'dxf pull-blob {shown_repository(name)} @{reference} -o FILE fetches them, one behind the other'
        raise DXFError('there are no files in it: no blob has a name; '
                       f'{about_snapshot(text, name, reference) or hint}')
    return layers


def blob_hint(repository: str) -> str:
    """Return the command that fetches one of several blobs without a name.

    :param repository: its name
    """
    return f'dxf pull-blob {shown_repository(repository)} HASH -o FILE fetches one'


def _as_listed(name: str) -> str:
    """Return a name as lists have it: a shell completes ``./photos/``."""
    return name.removeprefix('./').rstrip('/')


def _wanted(layers: list[Layer], names: Sequence[str]) -> list[Wanted]:
    found = [(layer, layer.title) for layer in layers if layer.title is not None]
    titles = {title for _, title in found}
    known = titles.union(*map(_folders_of, titles))
    names = [name if name in known or _as_listed(name) not in known else _as_listed(name) for name in names]
    for name in names:
        if name not in known:
            error = DXFFileNotFoundError(name, sorted(titles))
            folders = {layer.title for layer in layers if layer.is_folder}
            folder = next((part for part in _folders_of(name) if part in folders), '')
            if folder:
                add_hint(error, f'it may be in the folder {folder!r}, which is fetched whole, by its own name')
            raise error
    given = set(names)
    wanted = [(layer, title) for layer, title in found
              if not names or title in given or not given.isdisjoint(_folders_of(title))]
    for layer, title in wanted:
        if layer.packing not in ('', TAR, TAR_GZIP):
            raise DXFError(f'{title[:MAX_PART_LENGTH]!r} is packed as {layer.packing}, which dxf does not unpack: '
                           f'dxf pull-blob fetches it as {layer.blob.digest}')
    return wanted


def _folders_of(name: str) -> Iterator[str]:
    """Yield the paths of the folders that a file is in, from the innermost one."""
    while '/' in name:
        name = name.rpartition('/')[0]
        yield name


def _paths(wanted: list[Wanted]) -> Paths:
    """Return the checked names. What a tar of ModelPack brings is known when it is there: a file or a folder."""
    paths = Paths()
    for layer, name in wanted:
        if layer.is_folder and not layer.is_root or not layer.packing:
            paths.add(name, layer.is_folder)
        elif not layer.is_root:
            check_path(name)
    if sum(layer.is_root for layer, _ in wanted) > 1:
        raise DXFInvalidNameError(f'unsafe file name {ROOT!r}: it is there twice')
    return paths


def _check_name(layer: Layer, name: str, target: TargetFolder) -> None:
    """Check that a layer may get its name, as far as is known before it is fetched.

    :raises OSError: it may not
    """
    if layer.is_root:
        return
    if layer.is_folder or not layer.packing:
        target.check(name, layer.is_folder)
        return
    try:
        target.check(name, True)
    except NotADirectoryError:  # then it must be a file that a file may replace
        target.check(name)


def _check_space(repository: 'DXF', wanted: list[Wanted], staged: StagedFiles) -> None:
    """Check that the disk has space for the files.

    :raises OSError: it has not
    :raises DXFSizeMismatchError: the reason is a wrong size in the manifest
    """
    try:
        staged.check_space(sum(layer.blob.size for layer, _ in wanted))
    except OSError as error:
        wrong = repository.wrong_size((layer.blob.digest, layer.blob.size) for layer, _ in wanted)
        if wrong is None:
            raise
        raise wrong from error


def _fetched(repository: 'DXF', wanted: list[Wanted], staged: StagedFiles, report: Callable[..., Any]
             ) -> list[Archive]:
    """Take in all files; return the archives, which are closed with the staged files."""
    archived = []
    blobs = repository.pull_blobs([(layer.blob.digest, layer.blob.size) for layer, _ in wanted], chunk_size=0)
    for (layer, name), (_, chunks, _) in zip(wanted, blobs, strict=True):
        pieces = _reported(layer.blob, chunks, report)
        if not layer.packing:
            staged.add(name, pieces)
            continue
        file = staged.nameless()
        for piece in pieces:
            write(file, piece, name)
        archived.append(Archive(layer, name, file))
    return archived


def _reported(blob: Descriptor, chunks: Iterator[bytes], report: Callable[..., Any]) -> Iterator[bytes]:
    report(blob.digest, b'', blob.size)
    for chunk in chunks:
        yield chunk
        report(blob.digest, chunk, blob.size)
