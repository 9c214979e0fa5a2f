"""Pushes of files with their names: how folders are packed, what is sent.

``selection`` says which files are meant, ``manifest`` writes the manifest, ``tar_writer`` the archive of a folder.
``pull`` fetches what is pushed here.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dxf import exceptions
from dxf.arguments import several
from dxf.artifacts import tar_writer
from dxf.artifacts.actions import SEND, SKIP, FileAction, OnFile
from dxf.artifacts.gzip_writer import threads_for
from dxf.artifacts.manifest import UNKNOWN_TYPE, Layer, check_media_type, descriptor_of, make
from dxf.artifacts.selection import File, check_apart, chosen, contents_of
from dxf.exceptions import DXFSourceError
from dxf.local.file_hash import hash_file
from dxf.manifest.image import ANY_DIGEST, EMPTY_CONTENT, Descriptor, referrer
from dxf.names import check_alias, hash_bytes
from dxf.parameters import checked

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.client import DXF


class _Ready(NamedTuple):
    """A file that can be sent: what to send, and what has become of a folder."""

    file: File
    source: Any
    packed: tar_writer.Packed | None

    @property
    def size(self) -> int:
        """Bytes to send."""
        return os.stat(self.file.filename).st_size if self.packed is None else self.packed.size

    def layer(self, digest: str, size: int) -> Layer:
        """Return what the manifest says of it."""
        return Layer(Descriptor(digest, size, self.file.media_type), self.file.name, self.packed is not None,
                     None if self.packed is None else self.packed.content)


class _Stored(NamedTuple):
    """What was stored: the layers of the manifest, and which blobs were sent for them."""

    layers: list[Layer]
    sent: set[str]


@checked
def push_files(repository: 'DXF', alias: str, files: Sequence[File | str], *, artifact_type: str = UNKNOWN_TYPE,
               annotations: Mapping[str, str] | None = None, created: int | None = None,
               progress: Callable[..., Any] | None = None, on_file: OnFile | None = None) -> str:
    """Store files and folders with their names, and give them an alias.

    :param files: each a path, or what :func:`choose` or :func:`select` made of it; a folder becomes one compressed tar
    :param artifact_type: media type that says what the whole is
    :param annotations: of the whole
    :param created: seconds since 1970, for the annotation that says when; ``None`` for now
    :param progress: called as ``progress(digest, chunk, size)`` by several threads, though never by two at once
    :param on_file: called at the end with the :class:`FileAction` of each file
    :return: the manifest's digest
    :raises DXFInvalidNameError: a name of a file, or a media type, is not valid
    :raises DXFInvalidDocumentError: the manifest would be too large to be read back; nothing is sent
    :raises ValueError: no files are given
    :raises DXFSourceError: a file changed on its way, or is neither a file nor a folder; or a folder holds the
        registry, which would be stored in itself
    :raises OSError: a file cannot be read
    """
    chosen_files = _to_push(repository, alias, files)
    manifest = partial(_manifest, repository, artifact_type, annotations, created)
    stored = _push(repository, chosen_files, manifest, progress)
    text = manifest(stored.layers)
    repository.set_manifest(alias, text)
    if on_file is not None:
        for action in _actions(stored.layers, stored.sent):
            on_file(action)
    return hash_bytes(text.encode('utf-8'))


@checked
def plan_push(repository: 'DXF', alias: str, files: Sequence[File | str], *, artifact_type: str = UNKNOWN_TYPE,
              annotations: Mapping[str, str] | None = None, created: int | None = None) -> list[FileAction]:
    """Return what :func:`push_files` would do, and store nothing. The registry is asked for each blob.

    The parameters, and the errors, are those of :func:`push_files`.
    """
    from dxf.transfer.parallel import each_once  # it brings logging
    chosen_files = _to_push(repository, alias, files)
    manifest = partial(_manifest, repository, artifact_type, annotations, created)
    with _packed_files(repository, chosen_files, manifest) as ready:
        layers = [one.layer(hash_file(one.source) if one.packed is None else one.packed.digest, one.size)
                  for one in ready]
    sizes = {layer.blob.digest: layer.blob.size for layer in layers}
    found = each_once(lambda digest: repository.stored_size(digest, sizes[digest]), sizes, repository.options.jobs)
    return _actions(layers, {digest for digest, size in found.items() if size is None})


def _to_push(repository: 'DXF', alias: str, files: Sequence[File | str]) -> list[File]:
    check_alias(alias)
    found = chosen(several(files, 'push_files', 'repository, alias, '))
    if not found:
        raise ValueError('push_files needs at least one file or folder')
    check_apart(found, repository.host)
    return found


def _manifest(repository: 'DXF', artifact_type: str, annotations: Mapping[str, str] | None, created: int | None,
              layers: list[Layer], subject: Descriptor | None = None) -> str:
    return make(artifact_type, layers, annotations or {}, created, subject, repository.options.limits.manifest)


def _actions(layers: list[Layer], sent: set[str]) -> list[FileAction]:
    """Return what was done, or is to be done, for each layer; of equal files only the first is sent."""
    actions: list[FileAction] = []
    left = set(sent)
    for layer in layers:
        blob = layer.blob
        actions.append(FileAction(SEND if blob.digest in left else SKIP, layer.title or '', blob.digest, blob.size))
        left.discard(blob.digest)
    return actions


@checked
def attach(repository: 'DXF', reference: str, files: Sequence[File | str], *, artifact_type: str,
           annotations: Mapping[str, str] | None = None, created: int | None = None,
           progress: Callable[..., Any] | None = None) -> str:
    """Store files and folders that belong to something which is there already.

    :param reference: its alias, or the digest of its manifest
    :return: the digest of the manifest that refers to it; it has no alias

    The other parameters, and the errors, are those of :func:`push_files`.
    """
    files = chosen(several(files, 'attach', 'repository, reference, '))
    check_apart(files, repository.host)
    check_media_type(artifact_type)
    subject = _subject(repository, reference)
    manifest = partial(_manifest, repository, artifact_type, annotations, created, subject=subject)
    text = manifest(_push(repository, files, manifest, progress).layers)
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
          progress: Callable[..., Any] | None) -> _Stored:
    """Store the blobs of files; return what the manifest says of them.

    :param check: called with layers of the same length in JSON, before anything is sent
    """
    from dxf.transfer.parallel import each_once  # it brings logging
    sent: set[str] = set()
    with _packed_files(repository, files, check) as ready:
        sizes = {one.packed.digest: one.packed.size for one in ready if one.packed is not None}

        def report(digest: str, chunk: bytes, size: int | None = None) -> None:
            sent.add(digest)
            if progress is not None:
                progress(digest, chunk, sizes.get(digest, size))
        digests = repository.push_blobs([one.source for one in ready], report)
    repository.push_blob(data=EMPTY_CONTENT)
    lengths = each_once(repository.known_size, digests, repository.options.jobs)
    return _Stored([one.layer(digest, lengths[digest]) for one, digest in zip(ready, digests, strict=True)], sent)


@contextmanager
def _packed_files(repository: 'DXF', files: list[File], check: Callable[[list[Layer]], object]
                  ) -> Iterator[list[_Ready]]:
    """Provide files that can be sent; folders are packed.

    :param check: called with layers of the same length in JSON
    """
    with ExitStack() as opened:
        threads = threads_for(repository.options.jobs)
        ready = [_packed(file, opened, threads) if os.path.isdir(file.filename) else _Ready(file, file.filename, None)
                 for file in files]
        check([one.layer(ANY_DIGEST, one.size) for one in ready])
        yield ready


def _packed(file: File, opened: ExitStack, threads: int) -> _Ready:
    """Pack a folder into a temporary file that has no name: nothing of it is left, however the process ends."""
    from dxf.transfer.source import HashedFile  # it brings http.client
    kept = opened.enter_context(tempfile.TemporaryFile())
    try:
        entries = contents_of(file)
        found, before = tar_writer.pack(entries, kept, threads), hash(tuple(entries))
        del entries  # there may be 100,000 of them: no second list beside the first
        if hash(tuple(contents_of(file))) != before:
            raise DXFSourceError(f'{file.filename} changed while it was being packed: a file came, or went')
        kept.seek(0)
    except OSError as error:
        if error.filename is not None:
            raise
        raise DXFSourceError(f'cannot keep {file.filename} in a temporary file: {error.strerror}; TMPDIR chooses the '
                             'folder') from error
    return _Ready(file, HashedFile(file.filename, kept, found.size, found.digest), found)
