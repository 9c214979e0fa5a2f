"""Artifacts: files that go into a repository with their names, and come out of it with them.

:func:`push_files` and :func:`pull_files` write and read what oras does; :func:`attach` and :func:`referrers` are for
what belongs to something else: a signature, a list of contents. How the manifest is written is not known here, nor how
files get their names.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from dxf.arguments import check_client, check_progress, check_text, several
from dxf.artifacts import tar_folders
from dxf.artifacts.manifest import (EMPTY_CONTENT, FILE_TYPE, FOLDER_TYPE, ROOT, TAR, TAR_GZIP, UNKNOWN_TYPE, Layer,
                                    check_media_type, descriptor_of, make, read)
from dxf.artifacts.safe_paths import LONGEST_PART, MOST_FILES, Paths, check_path
from dxf.artifacts.staging import Intake, write
from dxf.client import DXF
from dxf.exceptions import DXFError, DXFFileNotFoundError, DXFInvalidDocumentError, DXFInvalidNameError, DXFSourceError
from dxf.manifest.image import ANY_DIGEST, Descriptor
from dxf.names import check_alias, hash_bytes

Report = Callable[..., Any]

HEADERS = MOST_FILES << 10
"""Bytes of an archive that may be spent on what says how files are called."""


class File(NamedTuple):
    """A file, or a folder, that is to be pushed: where it is, what it is to be called, and its media type."""

    filename: str
    name: str
    media_type: str


class Pulled(NamedTuple):
    """What was pulled: the names of files and folders, and what was left out as it has none."""

    names: list[str]
    skipped: list[Descriptor]


# Pushing


def choose(operands: Iterable[str]) -> list[File]:
    """Return the files that operands name, checked.

    An operand is the path of a file or a folder; if there is none of this name, what follows its last colon is its
    media type. A file is to be called by its path; where that is absolute or leads upwards, by the last part of it.

    :raises DXFInvalidNameError: a file has a name that nobody could pull, two have the same, or a media type is none
    :raises DXFSourceError: something is neither a file nor a folder
    :raises OSError: a file cannot be read
    """
    files = []
    for operand in operands:
        try:
            files.append(_file(operand))
        except OSError as error:
            error.filename = error.filename or repr(operand)
            raise
    return _checked(files)


def _checked(files: list[File]) -> list[File]:
    """Return files and folders that can be pulled again under their names."""
    paths = Paths()
    for file in files:
        check_media_type(file.media_type)
        if os.path.isdir(file.filename):
            for entry in tar_folders.contents(file.filename, file.name):
                paths.add(entry.path, entry.is_folder)
        else:
            paths.add(file.name)
    return files


def _file(operand: str) -> File:
    filename, media_type = operand, ''
    if not os.path.lexists(operand) and ':' in operand:
        filename, _, media_type = operand.rpartition(':')
    is_folder = _is_folder(filename)
    default = FOLDER_TYPE if is_folder else FILE_TYPE
    return File(filename, _name(filename), media_type or default)


def _is_folder(filename: str) -> bool:
    mode = os.stat(filename).st_mode
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise DXFSourceError(f'{filename}: neither a file nor a folder')
    if not os.access(filename, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), filename)
    return stat.S_ISDIR(mode)


def _name(filename: str) -> str:
    path = os.path.normpath(filename)
    if os.path.isabs(path) or path.split(os.sep)[0] in (os.pardir, os.curdir):
        path = os.path.basename(os.path.abspath(path))
    return check_path(path)


def push_files(repository: DXF, alias: str, files: Sequence[File | str], *, artifact_type: str = UNKNOWN_TYPE,
               annotations: Mapping[str, str] | None = None, created: int | None = None,
               progress: Report | None = None) -> str:
    """Store files and folders with their names, and give them an alias.

    :param files: each a path, or what :func:`choose` made of it; a folder becomes one compressed tar
    :param artifact_type: media type that says what the whole is
    :param annotations: of the whole
    :param created: seconds since 1970, for the annotation that says when; ``None`` for now
    :param progress: called as ``progress(digest, chunk, size)`` by several threads, though never by two at once
    :return: the manifest's digest
    :raises DXFInvalidNameError: a name of a file, or a media type, is not valid
    :raises DXFInvalidDocumentError: the manifest would be too large to be read back; nothing is sent
    :raises DXFSourceError: a file changed on its way, or is none
    :raises OSError: a file cannot be read
    """
    check_client(repository, 'repository', 'push_blobs')
    check_text(alias, 'alias', 'push_files(repository, alias, [...])')
    check_progress(progress)
    check_alias(alias)
    chosen = _chosen(several(files, 'push_files', 'repository, alias, '))
    if not chosen:
        raise ValueError('push_files needs at least one file or folder')

    def manifest(layers: list[Layer]) -> str:
        return make(artifact_type, layers, annotations or {}, created, limit=repository._limits.manifest)
    text = manifest(_push(repository, chosen, manifest, progress))
    repository.set_manifest(alias, text)
    return hash_bytes(text.encode('utf-8'))


def attach(repository: DXF, reference: str, files: Sequence[File | str], *, artifact_type: str,
           annotations: Mapping[str, str] | None = None, created: int | None = None,
           progress: Report | None = None) -> str:
    """Store files and folders that belong to something which is there already.

    :param reference: its alias, or the digest of its manifest
    :return: the digest of the manifest that refers to it; it has no alias

    The other parameters, and the errors, are those of :func:`push_files`.
    """
    check_client(repository, 'repository', 'push_blobs')
    check_progress(progress)
    chosen = _chosen(several(files, 'attach', 'repository, reference, '))
    check_media_type(artifact_type)
    subject = _subject(repository, reference)

    def manifest(layers: list[Layer]) -> str:
        return make(artifact_type, layers, annotations or {}, created, subject, repository._limits.manifest)
    text = manifest(_push(repository, chosen, manifest, progress))
    digest = hash_bytes(text.encode('utf-8'))
    repository.set_manifest(digest, text)
    return digest


def referrers(repository: DXF, reference: str, artifact_type: str | None = None) -> list[dict[str, Any]]:
    """Return the descriptors of what is attached to something.

    :param reference: its alias, or the digest of its manifest
    :param artifact_type: leave out all of other types
    :return: each with ``digest``, ``size`` and ``mediaType``, and with ``artifactType`` and ``annotations`` where
        there are any
    """
    check_client(repository, 'repository', 'list_referrers')
    found = repository.list_referrers(_subject(repository, reference).digest)
    return [entry for entry in found if artifact_type in (None, entry.get('artifactType'))]


def _chosen(files: Sequence[File | str]) -> list[File]:
    return _checked([file if isinstance(file, File) else _file(os.fspath(file)) for file in files])


def _subject(repository: DXF, reference: str) -> Descriptor:
    return descriptor_of(repository.resolve(reference))


def _push(repository: DXF, files: list[File], check: Callable[[list[Layer]], object], progress: Report | None
          ) -> list[Layer]:
    """Store the blobs of files; return what the manifest says of them.

    :param check: called with layers of the same length in JSON, before anything is sent
    """
    with ExitStack() as opened:
        packed = [_packed(file, opened) if os.path.isdir(file.filename) else None for file in files]
        check([_layer(file, found and found[0], ANY_DIGEST, os.stat(file.filename).st_size if found is None else
                      found[0].size) for file, found in zip(files, packed, strict=True)])
        sizes = {found.digest: found.size for found, _ in filter(None, packed)}

        def report(digest: str, chunk: bytes, size: int | None = None) -> None:
            if progress is not None:
                progress(digest, chunk, sizes.get(digest, size))
        sources = [file.filename if found is None else found[1] for file, found in zip(files, packed, strict=True)]
        digests = repository.push_blobs(sources, report)
    repository.push_blob(data=EMPTY_CONTENT)
    lengths = repository._each_once(repository._known_size, digests)
    return [_layer(file, found and found[0], digest, lengths[digest])
            for file, found, digest in zip(files, packed, digests, strict=True)]


def _layer(file: File, packed: tar_folders.Packed | None, digest: str, size: int) -> Layer:
    return Layer(Descriptor(digest, size, file.media_type), file.name, packed is not None,
                 None if packed is None else packed.content)


def _packed(file: File, opened: ExitStack) -> tuple[tar_folders.Packed, Any]:
    """Pack a folder into a temporary file that has no name: nothing of it is left, however the process ends."""
    kept = opened.enter_context(tempfile.TemporaryFile())
    try:
        found = tar_folders.pack(tar_folders.contents(file.filename, file.name), kept)
    except OSError as error:
        if error.filename is not None:
            raise
        raise DXFSourceError(f'cannot keep {file.filename} in a temporary file: {error.strerror}; TMPDIR chooses the '
                             'folder') from error
    kept.seek(0)
    return found, kept


# Pulling


def pull_files(repository: DXF, reference: str, folder: str = '.', *, names: Sequence[str] = (),
               overwrite: bool = False, platform: str | None = None, progress: Report | None = None) -> Pulled:
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
    with Intake(folder, overwrite) as intake:
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


def _layers(repository: DXF, reference: str, platform: str | None) -> list[Layer]:
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
            raise DXFError(f'{title[:LONGEST_PART]!r} is packed as {layer.packing}, which dxf does not unpack: '
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


def _check_name(layer: Layer, name: str, intake: Intake) -> None:
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


def _check_space(repository: DXF, wanted: list[tuple[Layer, str]], intake: Intake) -> None:
    """Check that the disk has space for the files.

    :raises OSError: it has not
    :raises DXFSizeMismatchError: the reason is a wrong size in the manifest
    """
    try:
        intake.check_space(sum(layer.blob.size for layer, _ in wanted))
    except OSError as error:
        wrong = repository._wrong_size((layer.blob.digest, layer.blob.size) for layer, _ in wanted)
        if wrong is None:
            raise
        raise wrong from error


def _fetched(repository: DXF, wanted: list[tuple[Layer, str]], intake: Intake, report: Report
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


def _reported(blob: Descriptor, chunks: Iterator[bytes], report: Report) -> Iterator[bytes]:
    report(blob.digest, b'', blob.size)
    for chunk in chunks:
        yield chunk
        report(blob.digest, chunk, blob.size)


def _check(layer: Layer, name: str, archive: Any, paths: Paths, intake: Intake) -> None:
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
        raise DXFInvalidDocumentError(f'invalid archive: {name[:LONGEST_PART]!r} is not in it')
    intake.check_space(size)


def _unpack(layer: Layer, name: str, archive: Any, intake: Intake) -> None:
    if layer.is_folder and not layer.is_root:
        intake.add_folder(name)
    for member, pieces in _members(layer, name, archive, intake):
        if member.is_folder and member.path:
            intake.add_folder(member.path)
        elif not member.is_folder:
            intake.add(member.path, pieces, member.is_executable)


def _members(layer: Layer, name: str, archive: Any, intake: Intake
             ) -> Iterator[tuple[tar_folders.Member, Iterator[bytes]]]:
    archive.seek(0)
    return tar_folders.members(archive, '' if layer.is_root else name, intake.space + HEADERS, layer.content,
                            layer.packing == TAR_GZIP)
