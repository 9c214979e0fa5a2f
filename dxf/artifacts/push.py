"""Pushes of files with their names: which files operands name, how folders are packed, what is sent.

``manifest`` writes the manifest, ``tar_writer`` the archive of a folder. ``pull`` fetches what is pushed here.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dxf import exceptions
from dxf.arguments import check_path_type, several
from dxf.artifacts import tar_writer
from dxf.artifacts.gzip_writer import threads_for
from dxf.artifacts.manifest import (FILE_TYPE, FOLDER_TYPE, UNKNOWN_TYPE, Layer, check_media_type,
                                    descriptor_of, make)
from dxf.artifacts.safe_paths import Paths, check_path
from dxf.exceptions import DXFSourceError
from dxf.manifest.image import ANY_DIGEST, EMPTY_CONTENT, Descriptor, referrer
from dxf.names import check_alias, hash_bytes
from dxf.parameters import checked

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.client import DXF


class File(NamedTuple):
    """A file, or a folder, that is to be pushed: where it is, what it is to be called, and its media type."""

    filename: str
    name: str
    media_type: str


@checked
def choose(operands: Iterable[str]) -> list[File]:
    """Return the files that operands name, checked.

    An operand is the path of a file or a folder. If that does not exist, what follows the last colon is its media type.
    A file is to be called by its path; where that is absolute or leads upwards, by the last part of it.

    :raises DXFInvalidNameError: a name cannot be pulled, two files have the same, or a media type is not valid
    :raises DXFSourceError: something is neither a file nor a folder
    :raises OSError: a file cannot be read
    """
    return _chosen(several(operands, 'choose'))


def _chosen(files: Iterable[File | str]) -> list[File]:
    return _checked([file if isinstance(file, File) else _file(_path(file)) for file in files])


def _path(file: str | os.PathLike[str]) -> str:
    check_path_type(file, 'each of the files')
    return os.fspath(file)


def _checked(files: list[File]) -> list[File]:
    """Return files and folders that can be pulled again under their names."""
    paths = Paths()
    for file in files:
        check_media_type(file.media_type)
        if os.path.isdir(file.filename):
            for entry in tar_writer.contents(file.filename, file.name):
                paths.add(entry.path, entry.is_folder)
        else:
            paths.add(file.name)
    return files


def _file(operand: str) -> File:
    filename, media_type = operand, ''
    if not os.path.lexists(operand) and ':' in operand:
        filename, _, media_type = operand.rpartition(':')
    try:
        default = FOLDER_TYPE if _is_folder(filename) else FILE_TYPE
        return File(filename, _name(filename), media_type or default)
    except OSError as error:
        error.filename = error.filename or repr(operand)
        raise


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


@checked
def push_files(repository: 'DXF', alias: str, files: Sequence[File | str], *, artifact_type: str = UNKNOWN_TYPE,
               annotations: Mapping[str, str] | None = None, created: int | None = None,
               progress: Callable[..., Any] | None = None) -> str:
    """Store files and folders with their names, and give them an alias.

    :param files: each a path, or what :func:`choose` made of it; a folder becomes one compressed tar
    :param artifact_type: media type that says what the whole is
    :param annotations: of the whole
    :param created: seconds since 1970, for the annotation that says when; ``None`` for now
    :param progress: called as ``progress(digest, chunk, size)`` by several threads, though never by two at once
    :return: the manifest's digest
    :raises DXFInvalidNameError: a name of a file, or a media type, is not valid
    :raises DXFInvalidDocumentError: the manifest would be too large to be read back; nothing is sent
    :raises ValueError: no files are given
    :raises DXFSourceError: a file changed on its way, or is neither a file nor a folder
    :raises OSError: a file cannot be read
    """
    check_alias(alias)
    chosen = _chosen(several(files, 'push_files', 'repository, alias, '))
    if not chosen:
        raise ValueError('push_files needs at least one file or folder')

    def manifest(layers: list[Layer]) -> str:
        return make(artifact_type, layers, annotations or {}, created, limit=repository.options.limits.manifest)
    text = manifest(_push(repository, chosen, manifest, progress))
    repository.set_manifest(alias, text)
    return hash_bytes(text.encode('utf-8'))


@checked
def attach(repository: 'DXF', reference: str, files: Sequence[File | str], *, artifact_type: str,
           annotations: Mapping[str, str] | None = None, created: int | None = None,
           progress: Callable[..., Any] | None = None) -> str:
    """Store files and folders that belong to something which is there already.

    :param reference: its alias, or the digest of its manifest
    :return: the digest of the manifest that refers to it; it has no alias

    The other parameters, and the errors, are those of :func:`push_files`.
    """
    chosen = _chosen(several(files, 'attach', 'repository, reference, '))
    check_media_type(artifact_type)
    subject = _subject(repository, reference)

    def manifest(layers: list[Layer]) -> str:
        return make(artifact_type, layers, annotations or {}, created, subject, repository.options.limits.manifest)
    text = manifest(_push(repository, chosen, manifest, progress))
    digest = hash_bytes(text.encode('utf-8'))
    repository.set_manifest(digest, text)
    return digest


@checked
def referrers(repository: 'DXF', reference: str, artifact_type: str | None = None) -> list[dict[str, object]]:
    """Return the descriptors of what is attached to something.

    :param reference: its alias, or the digest of its manifest
    :param artifact_type: leave out all of other types; manifests that are listed without a type are fetched
    :return: each with ``digest``, ``size`` and ``mediaType``, and with ``artifactType`` and ``annotations`` where
        there are any
    """
    found = repository.list_referrers(_subject(repository, reference).digest)
    if artifact_type is None:
        return found
    # Older clients list a manifest under the referrers tag without its type.
    untyped = [str(entry['digest']) for entry in found if not entry.get('artifactType')]
    from dxf.transfer.parallel import each_once  # it brings logging
    types = each_once(partial(_type_of, repository), untyped, repository.options.jobs)
    typed = [{**entry, 'artifactType': entry.get('artifactType') or types[str(entry['digest'])]} for entry in found]
    return [entry for entry in typed if entry['artifactType'] == artifact_type]


def _type_of(repository: 'DXF', digest: str) -> object:
    """Return the artifact type that a manifest has; ``None`` where there is no such manifest, or it has none."""
    try:
        return referrer(repository.resolve(digest).text).get('artifactType')
    except exceptions.DXFNotFoundError:  # loaded with requests, which the checks of operands do without
        return None


def _subject(repository: 'DXF', reference: str) -> Descriptor:
    return descriptor_of(repository.resolve(reference))


def _push(repository: 'DXF', files: list[File], check: Callable[[list[Layer]], object],
          progress: Callable[..., Any] | None) -> list[Layer]:
    """Store the blobs of files; return what the manifest says of them.

    :param check: called with layers of the same length in JSON, before anything is sent
    """
    from dxf.transfer.parallel import each_once  # it brings logging
    with ExitStack() as opened:
        threads = threads_for(repository.options.jobs)
        packed = [_packed(file, opened, threads) if os.path.isdir(file.filename) else None for file in files]
        check([_layer(file, found and found[0], ANY_DIGEST, os.stat(file.filename).st_size if found is None else
                      found[0].size) for file, found in zip(files, packed, strict=True)])
        sizes = {found.digest: found.size for found, _ in filter(None, packed)}

        def report(digest: str, chunk: bytes, size: int | None = None) -> None:
            if progress is not None:
                progress(digest, chunk, sizes.get(digest, size))
        sources = [file.filename if found is None else found[1] for file, found in zip(files, packed, strict=True)]
        digests = repository.push_blobs(sources, report)
    repository.push_blob(data=EMPTY_CONTENT)
    lengths = each_once(repository.known_size, digests, repository.options.jobs)
    return [_layer(file, found and found[0], digest, lengths[digest])
            for file, found, digest in zip(files, packed, digests, strict=True)]


def _layer(file: File, packed: tar_writer.Packed | None, digest: str, size: int) -> Layer:
    return Layer(Descriptor(digest, size, file.media_type), file.name, packed is not None,
                 None if packed is None else packed.content)


def _packed(file: File, opened: ExitStack, threads: int) -> tuple[tar_writer.Packed, Any]:
    """Pack a folder into a temporary file that has no name: nothing of it is left, however the process ends."""
    kept = opened.enter_context(tempfile.TemporaryFile())
    try:
        entries = tar_writer.contents(file.filename, file.name)
        found, before = tar_writer.pack(entries, kept, threads), hash(tuple(entries))
        del entries  # there may be 100,000 of them: no second list beside the first
        if hash(tuple(tar_writer.contents(file.filename, file.name))) != before:
            raise DXFSourceError(f'{file.filename} changed while it was being packed: a file came, or went')
    except OSError as error:
        if error.filename is not None:
            raise
        raise DXFSourceError(f'cannot keep {file.filename} in a temporary file: {error.strerror}; TMPDIR chooses the '
                             'folder') from error
    kept.seek(0)
    return found, kept
