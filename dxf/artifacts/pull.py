"""Pulls of files by their names: all that are wanted appear in a folder, or none does.

``staging`` gives files their names. ``tar_reader`` reads archives.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from dxf.arguments import check_text, several
from dxf.artifacts import tar_reader
from dxf.artifacts.safe_paths import MAX_PART_LENGTH, MAX_FILES, Paths, check_path
from dxf.artifacts.staging import StagedFiles, write
from dxf.exceptions import DXFError, DXFFileNotFoundError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.hints import add_hint
from dxf.manifest.image import Descriptor
from dxf.manifest.named_files import ROOT, TAR, TAR_GZIP, Layer, read
from dxf.names import is_sha256, shown_repository
from dxf.parameters import checked

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.client import DXF

HEADERS = MAX_FILES << 10
"""Maximum number of bytes in an archive that give the names of its files."""

SMALL_ARCHIVE = 1 << 20
"""Bytes of a compressed archive that are not worth a thread."""


class _Archive(NamedTuple):
    """A layer that was fetched and is to be unpacked: its name, and the open file that has it."""

    layer: Layer
    name: str
    file: Any


class Pulled(NamedTuple):
    """What was pulled: the names of files and folders, and what was left out as it has none."""

    names: list[str]
    skipped: list[Descriptor]


@checked
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
    names = several(names, 'pull_files', 'repository, reference, folder, names=')
    for name in names:
        check_text(name, 'each of the names')
    layers = _layers(repository, reference, platform)
    wanted = _wanted(layers, names)
    paths = _paths(wanted)
    with StagedFiles(folder, overwrite) as staged:
        for layer, name in wanted:
            _check_name(layer, name, staged)
        _check_space(repository, wanted, staged)
        for archive in _fetched(repository, wanted, staged, progress or (lambda *_: None)):
            _Unpacking(archive, paths, staged, repository.options.jobs > 1).run()
        staged.publish()
    return Pulled([name for _, name in wanted],
                  [layer.blob for layer in layers if layer.title is None and not names])


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
        raise DXFError(f'there are no files in it: no blob has a name; {hint}')
    return layers


def blob_hint(repository: str) -> str:
    """Return the command that fetches one of several blobs without a name.

    :param repository: its name
    """
    return f'dxf pull-blob {shown_repository(repository)} HASH -o FILE fetches one'


def _wanted(layers: list[Layer], names: Sequence[str]) -> list[tuple[Layer, str]]:
    found = [(layer, layer.title) for layer in layers if layer.title is not None]
    titles = {title for _, title in found}
    for name in names:
        if name not in titles:
            error = DXFFileNotFoundError(name, sorted(titles))
            folders = {layer.title for layer in layers if layer.is_folder}
            folder = next((part for part in _folders_of(name) if part in folders), '')
            if folder:
                add_hint(error, f'it may be in the folder {folder!r}, which is fetched whole, by its own name')
            raise error
    wanted = [(layer, title) for layer, title in found if not names or title in names]
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


def _check_name(layer: Layer, name: str, staged: StagedFiles) -> None:
    """Check that a layer may get its name, as far as is known before it is fetched.

    :raises OSError: it may not
    """
    if layer.is_root:
        return
    if layer.is_folder or not layer.packing:
        staged.check(name, layer.is_folder)
        return
    try:
        staged.check(name, True)
    except NotADirectoryError:  # then it must be a file that a file may replace
        staged.check(name)


def _check_space(repository: 'DXF', wanted: list[tuple[Layer, str]], staged: StagedFiles) -> None:
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


def _fetched(repository: 'DXF', wanted: list[tuple[Layer, str]], staged: StagedFiles, report: Callable[..., Any]
             ) -> list[_Archive]:
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
        archived.append(_Archive(layer, name, file))
    return archived


def _reported(blob: Descriptor, chunks: Iterator[bytes], report: Callable[..., Any]) -> Iterator[bytes]:
    report(blob.digest, b'', blob.size)
    for chunk in chunks:
        yield chunk
        report(blob.digest, chunk, blob.size)


class _Unpacking:
    """An archive on its way into the files that it brings.

    It is read once: its files are taken in while it is looked through, as none gets its name before the end. They take
    at most half of what the disk has free. An archive with more than that (it may be a bomb) is looked through to its
    end, and a second reading takes in the rest.

    :param paths: what all archives and files of the pull are called
    :param is_parallel: a thread decompresses ahead of what is used
    """

    def __init__(self, archive: _Archive, paths: Paths, staged: StagedFiles, is_parallel: bool) -> None:
        self._archive = archive
        self._paths = paths
        self._staged = staged
        self._is_ahead = is_parallel and archive.layer.blob.size > SMALL_ARCHIVE
        self._space = staged.space
        self._size = 0
        """Bytes of all files that were found."""

    def run(self) -> None:
        """Take in all that is in it.

        :raises DXFInvalidDocumentError: it does not bring what the manifest names
        :raises OSError: the disk has too little space
        """
        layer, name = self._archive.layer, self._archive.name
        if layer.is_folder and not layer.is_root:
            self._staged.add_folder(name)
        found, taken = self._look_through()
        if not found and not layer.is_folder:
            raise DXFInvalidDocumentError(f'invalid archive: {name[:MAX_PART_LENGTH]!r} is not in it')
        if taken < found:
            self._take_rest(taken)

    def _look_through(self) -> tuple[int, int]:
        """Check all files and folders, and take in the first ones; return the number of all, and of those taken in."""
        found = taken = written = 0
        with closing(self._members()) as members:
            for found, (member, pieces) in enumerate(members, 1):
                self._check(member)
                if self._size <= self._space // 2:
                    self._take(member, pieces)
                    taken, written = found, self._size
        self._staged.check_space(self._size - written)
        return found, taken

    def _take_rest(self, taken: int) -> None:
        with closing(self._members()) as members:
            for member, pieces in islice(members, taken, None):
                self._take(member, pieces)

    def _check(self, member: tar_reader.Member) -> None:
        self._size += member.size
        layer, name = self._archive.layer, self._archive.name
        if member.path:
            if not layer.is_folder or member.path != name or not member.is_folder:
                self._paths.add(member.path, member.is_folder)
            self._staged.check(member.path, member.is_folder)

    def _take(self, member: tar_reader.Member, pieces: Iterator[bytes]) -> None:
        if member.is_folder and member.path:
            self._staged.add_folder(member.path)
        elif not member.is_folder:
            self._staged.add(member.path, pieces, member.is_executable)

    def _members(self) -> Generator[tuple[tar_reader.Member, Iterator[bytes]], None, None]:
        layer, name, file = self._archive
        file.seek(0)
        return tar_reader.members(file, '' if layer.is_root else name, self._space + HEADERS, layer.content,
                                  layer.packing == TAR_GZIP, self._is_ahead)
