"""Pulls of files by their names: all that are wanted appear in a folder, or none does.

``staging`` gives files their names. ``tar_folders`` reads archives.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dxf.arguments import check_client, check_progress, several
from dxf.artifacts import tar_folders
from dxf.artifacts.manifest import ROOT, TAR, TAR_GZIP, Layer, read
from dxf.artifacts.safe_paths import MAX_PART_LENGTH, MAX_FILES, Paths, check_path
from dxf.artifacts.staging import StagedFiles, write
from dxf.exceptions import DXFError, DXFFileNotFoundError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.manifest.image import Descriptor

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.client import DXF

HEADERS = MAX_FILES << 10
"""Bytes of an archive that may be spent on what says how files are called."""


class Pulled(NamedTuple):
    """What was pulled: the names of files and folders, and what was left out as it has none."""

    names: list[str]
    skipped: list[Descriptor]


def pull_files(repository: 'DXF', reference: str, folder: str = '.', *, names: Sequence[str] = (),
               overwrite: bool = False, platform: str | None = None,
               progress: Callable[..., Any] | None = None) -> Pulled:
    """Fetch files and folders, by the names that they have, into a folder.

    They appear when all are there and verified, or none does. Nothing outside the folder is touched, whatever the
    names are.

    :param reference: an alias, or the digest of a manifest
    :param folder: made where it is missing
    :param names: of files and folders to fetch; all if there are none
    :param overwrite: replace files that are there
    :param platform: ``os/architecture[/variant]``: of a multi-platform alias, this platform's alone
    :param progress: called as ``progress(digest, chunk, size)``, first with an empty chunk for each blob
    :raises DXFFileNotFoundError: it has no file of one of ``names``
    :raises DXFInvalidNameError: a name is unsafe, or there twice
    :raises DXFInvalidDocumentError: the manifest, or an archive, is not what it should be
    :raises DXFError: a file is packed in a way that dxf does not unpack
    :raises DXFDigestMismatchError: the registry sent something else
    :raises DXFSizeMismatchError: a file has another size than the manifest says
    :raises OSError: a file is there already, or cannot be written
    """
    check_client(repository, 'repository', 'pull_blobs')
    check_progress(progress)
    names = several(names, 'pull_files', 'repository, reference, folder, names=')
    layers = _layers(repository, reference, platform)
    wanted = _wanted(layers, names)
    paths = _paths(wanted)
    with StagedFiles(folder, overwrite) as intake:
        for layer, name in wanted:
            _check_name(layer, name, intake)
        _check_space(repository, wanted, intake)
        folders = _fetched(repository, wanted, intake, progress or (lambda *_: None))
        for found in folders:
            _check(*found, paths, intake)
        for found in folders:
            _unpack(*found, intake)
        intake.publish()
    return Pulled([name for _, name in wanted],
                  [layer.blob for layer in layers if layer.title is None and not names])


def _layers(repository: 'DXF', reference: str, platform: str | None) -> list[Layer]:
    text = repository.get_manifest(reference, platform)
    if isinstance(text, dict):
        raise DXFInvalidDocumentError(f'{reference} has several platforms: set DXF_PLATFORM to one of '
                                      f'{", ".join(sorted(text))}')
    return read(text)


def _wanted(layers: list[Layer], names: Sequence[str]) -> list[tuple[Layer, str]]:
    found = [(layer, layer.title) for layer in layers if layer.title is not None]
    if not found:
        raise DXFError('there are no files in it: nothing has a name; pull-blob fetches what has none')
    titles = {title for _, title in found}
    for name in names:
        if name not in titles:
            raise DXFFileNotFoundError(name, sorted(titles))
    wanted = [(layer, title) for layer, title in found if not names or title in names]
    for layer, title in wanted:
        if layer.packing not in ('', TAR, TAR_GZIP):
            raise DXFError(f'{title[:MAX_PART_LENGTH]!r} is packed as {layer.packing}, which dxf does not unpack: '
                           f'dxf pull-blob fetches it as {layer.blob.digest}')
    return wanted


def _paths(wanted: list[tuple[Layer, str]]) -> Paths:
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


def _check_name(layer: Layer, name: str, intake: StagedFiles) -> None:
    """Check that a layer may get its name, as far as is known before it is fetched.

    :raises OSError: it may not
    """
    if layer.is_root:
        return
    if layer.is_folder or not layer.packing:
        intake.check(name, layer.is_folder)
        return
    try:
        intake.check(name, True)
    except NotADirectoryError:  # then it must be a file that a file may replace
        intake.check(name)


def _check_space(repository: 'DXF', wanted: list[tuple[Layer, str]], intake: StagedFiles) -> None:
    """Check that the disk has space for the files.

    :raises OSError: it has not
    :raises DXFSizeMismatchError: the reason is a wrong size in the manifest
    """
    try:
        intake.check_space(sum(layer.blob.size for layer, _ in wanted))
    except OSError as error:
        wrong = repository.wrong_size((layer.blob.digest, layer.blob.size) for layer, _ in wanted)
        if wrong is None:
            raise
        raise wrong from error


def _fetched(repository: 'DXF', wanted: list[tuple[Layer, str]], intake: StagedFiles, report: Callable[..., Any]
             ) -> list[tuple[Layer, str, Any]]:
    """Take in all files; return the archives, which are closed with the intake."""
    archived = []
    blobs = repository.pull_blobs([(layer.blob.digest, layer.blob.size) for layer, _ in wanted], chunk_size=0)
    for (layer, name), (_, chunks, _) in zip(wanted, blobs, strict=True):
        pieces = _reported(layer.blob, chunks, report)
        if not layer.packing:
            intake.add(name, pieces)
            continue
        archive = intake.nameless()
        for piece in pieces:
            write(archive, piece, name)
        archived.append((layer, name, archive))
    return archived


def _reported(blob: Descriptor, chunks: Iterator[bytes], report: Callable[..., Any]) -> Iterator[bytes]:
    report(blob.digest, b'', blob.size)
    for chunk in chunks:
        yield chunk
        report(blob.digest, chunk, blob.size)


def _check(layer: Layer, name: str, archive: Any, paths: Paths, intake: StagedFiles) -> None:
    """Look through a whole archive, before any of it is written.

    :raises DXFInvalidDocumentError: it does not bring what the manifest names
    """
    size, is_there = 0, layer.is_folder
    for member, _ in _members(layer, name, archive, intake):
        is_there = True
        size += member.size
        if not member.path:
            continue
        if not layer.is_folder or member.path != name or not member.is_folder:
            paths.add(member.path, member.is_folder)
        intake.check(member.path, member.is_folder)
    if not is_there:
        raise DXFInvalidDocumentError(f'invalid archive: {name[:MAX_PART_LENGTH]!r} is not in it')
    intake.check_space(size)


def _unpack(layer: Layer, name: str, archive: Any, intake: StagedFiles) -> None:
    if layer.is_folder and not layer.is_root:
        intake.add_folder(name)
    for member, pieces in _members(layer, name, archive, intake):
        if member.is_folder and member.path:
            intake.add_folder(member.path)
        elif not member.is_folder:
            intake.add(member.path, pieces, member.is_executable)


def _members(layer: Layer, name: str, archive: Any, intake: StagedFiles
             ) -> Iterator[tuple[tar_folders.Member, Iterator[bytes]]]:
    archive.seek(0)
    return tar_folders.members(archive, '' if layer.is_root else name, intake.space + HEADERS, layer.content,
                               layer.packing == TAR_GZIP)
