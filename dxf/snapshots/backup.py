"""Backups: folders become a snapshot, of which only what is new is sent.

``tree`` finds the files, ``file_cutter`` cuts them, ``pack_writer`` stores what is new of them.
"""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

from requests.exceptions import HTTPError

from dxf.arguments import several
from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFInvalidDocumentError, DXFSizeMismatchError,
                            DXFSourceError)
from dxf.manifest import image
from dxf.manifest.image import EMPTY_CONTENT, Descriptor, ImageManifest
from dxf.manifest_refusals import lacks_blob
from dxf.names import FOLDER, check_alias, is_folder, shown_repository
from dxf.parameters import checked
from dxf.snapshots.blob_sender import BlobSender
from dxf.snapshots.entries import FILE, HARDLINK, LINK, Entry, check_entry, shown
from dxf.snapshots.exclusion import Exclusion
from dxf.snapshots.file_cutter import FileCutter
from dxf.snapshots.index import MAX_PACKS, IndexReader, IndexWriter
from dxf.snapshots.known_chunks import KnownChunks
from dxf.snapshots.pack_writer import PackWriter, pack_size, packs_to_rewrite
from dxf.snapshots.snapshot import INDEX_TYPE, PACK_TYPE, Snapshot, Totals, find, load, make_manifest
from dxf.snapshots.tree import Found, Root, Tree, roots_of, size_of
from dxf.transfer.parallel import each_once

if TYPE_CHECKING:
    from dxf.client import DXF

Notice = Callable[[str], object]


def _ignore(*_: object) -> None:
    """Do nothing."""


class _LostPackError(DXFError):
    """The registry does not have a pack of the last snapshot any more, or not all of it."""


class Wanted(NamedTuple):
    """What is to be stored, and how it is read.

    :param exclude: patterns of gitignore, relative to each folder; files ``.dxfignore`` hold such patterns too
    :param exclude_caches: of folders that a file ``CACHEDIR.TAG`` marks, only that file is stored
    :param one_file_system: of folders on another file system, only the folder itself is stored
    :param read_all: read files too whose size and time are those in the last snapshot
    """

    exclude: Sequence[str] = ()
    exclude_caches: bool = False
    one_file_system: bool = False
    read_all: bool = False


@checked
def backup(repository: 'DXF', folders: Sequence[str], alias: str, wanted: Wanted = Wanted(), *,
           parent: str | None = None, partial: bool = False, created: int | None = None,
           notice: Notice = _ignore, progress: Callable[..., object] = _ignore) -> Snapshot:
    """Store folders as a snapshot, and give it an alias. Only what the last snapshot does not have is sent.

    :param folders: paths; of several, each is a folder of the snapshot, by the last part of its path
    :param wanted: what is left out, and which files are read again
    :param parent: the last snapshot, an alias or the digest of a manifest; ``None`` for what ``alias`` names now, if
        that is a snapshot
    :param partial: set the alias even if something could not be read: see ``Snapshot.unread``
    :param created: seconds since 1970, for the annotation that says when; ``None`` for now
    :param notice: called with a line about each file that could not be read, or is left out
    :param progress: called as ``progress(digest, chunk, size)`` for what is sent
    :return: the snapshot; it is stored
    :raises DXFSourceError: something could not be read, or there is no such folder; the alias is as it was
    :raises DXFInvalidDocumentError: ``parent`` is no snapshot, or is damaged
    :raises DXFInvalidNameError: a pattern is not valid
    """
    roots = _roots(repository, folders, alias)
    last = _last(repository, alias, parent)
    if last is None:
        repository.push_blob(data=EMPTY_CONTENT)
    try:
        return _Backup(repository, roots, last, wanted, notice, progress).run(alias, partial, created)
    except (HTTPError, DXFInvalidDocumentError, DXFDigestMismatchError, DXFSizeMismatchError, _LostPackError) as error:
        if last is None or not _is_of_last(error, parent):
            raise
        notice(f'the last snapshot is not used: {error}')
    repository.push_blob(data=EMPTY_CONTENT)
    return _Backup(repository, roots, None, wanted, notice, progress).run(alias, partial, created)


def _is_of_last(error: Exception, parent: str | None) -> bool:
    """Return whether an error may be the fault of the last snapshot, without which a backup is to begin anew.

    Another process may have deleted it meanwhile, and its packs. One that is damaged must not be in the way for ever,
    unless it was asked for.
    """
    if isinstance(error, HTTPError):
        return lacks_blob(error)
    return parent is None or isinstance(error, _LostPackError)


@checked
def plan(repository: 'DXF', folders: Sequence[str], alias: str, wanted: Wanted = Wanted(), *,
         parent: str | None = None, notice: Notice = _ignore) -> Totals:
    """Return what :func:`backup` would find and send; nothing is sent.

    The parameters, and the errors, are those of :func:`backup`.
    """
    roots = _roots(repository, folders, alias)
    return _Backup(repository, roots, _last(repository, alias, parent), wanted, notice, None).measure()


def _last(repository: 'DXF', alias: str, parent: str | None) -> Snapshot | None:
    return find(repository, alias) if parent is None else load(repository, parent)


def _roots(repository: 'DXF', folders: Sequence[str], alias: str) -> list[Root]:
    """Return the folders to be stored; everything is checked before the first request."""
    check_alias(alias)
    roots = roots_of([os.fspath(folder) for folder in several(folders, 'backup')])
    if is_folder(repository._host):
        _check_apart(roots, os.fsencode(os.path.realpath(repository._host.removeprefix(FOLDER))))
    return roots


def _check_apart(roots: list[Root], registry: bytes) -> None:
    """Check that no folder is in the registry, or holds it: it would grow while it is read.

    :param registry: the path of the folder that is the registry
    :raises DXFSourceError: one is or does
    """
    for root in roots:
        path = os.path.realpath(root.folder)
        if os.path.commonpath((path, registry)) in (path, registry):
            raise DXFSourceError(f'{shown(root.folder)}: the registry {shown(registry)} is in this folder, or it in '
                                 'the registry: store it elsewhere')


class _FirstName(NamedTuple):
    """The path by which a file with several names was stored, and what it was like then."""

    path: bytes
    size: int
    mtime: int


class _Backup:
    """One backup on its way.

    :param last: the last snapshot, whose packs are used again
    :param progress: called for what is sent; ``None`` to send nothing
    """

    def __init__(self, repository: 'DXF', roots: list[Root], last: Snapshot | None, wanted: Wanted, notice: Notice,
                 progress: Callable[..., object] | None) -> None:
        self._repository = repository
        self._tree = Tree(roots, self._not_read, self._leave_out, Exclusion(wanted.exclude, wanted.exclude_caches),
                          wanted.one_file_system)
        self._last = last
        self._read_all = wanted.read_all
        self._notice = notice
        self._blobs = BlobSender(repository, progress)
        self._full = size_of(roots)
        self._unread: list[str] = []
        self._first_names: dict[bytes, _FirstName] = {}
        """Files with several names that were stored, by the path that was found first."""
        self._known = KnownChunks()
        self._totals = Totals()

    def _not_read(self, path: bytes, error: OSError) -> None:
        self._add_unread(f'cannot read {shown(path)}: {error.strerror}')

    def _add_unread(self, text: str) -> None:
        self._unread.append(text)
        self._notice(text)

    def _leave_out(self, path: bytes, kind: str) -> None:
        self._notice(f'left out: {shown(path)}: {kind}')

    def run(self, alias: str, partial: bool, created: int | None) -> Snapshot:
        """Store the snapshot, and set the alias."""
        text = self._store(alias, partial, created)
        manifest = _read(text)
        self._check_kept(manifest)
        self._repository.set_manifest(alias, text)
        return Snapshot(self._repository, manifest, self._totals, tuple(self._unread))

    def _check_kept(self, manifest: ImageManifest) -> None:
        """Check that the registry has the blobs that are named again, and were not sent now.

        Some registries take a manifest without its blobs, and all of them one of which a blob is damaged. A folder
        compares the sizes of its files when it gets the manifest.

        :raises _LostPackError: one is missing, or has another size
        """
        if self._last is None or is_folder(self._repository._host):
            return
        kept = {blob.digest: blob.size for blob in (manifest.config, *self._last.packs)}
        named = [blob.digest for blob in (manifest.config, *manifest.layers) if blob.digest in kept]
        found = each_once(lambda digest: self._repository.kept_size(digest, kept[digest]), named,
                          self._repository.options.jobs)
        for digest, size in found.items():
            if size is None:
                raise _LostPackError(f'{shown_repository(self._repository._repo)} has no blob {digest} of '
                                     f'{kept[digest]} bytes any more')

    def measure(self) -> Totals:
        """Return what :meth:`run` would find and send, where nothing is sent."""
        self._store('', True, None)
        return self._totals

    def _store(self, alias: str, partial: bool, created: int | None) -> str:
        """Store packs and index; return the text of the manifest."""
        with ExitStack() as opened:
            index = None if self._last is None else opened.enter_context(self._last.opened())
            kept = self._learn(index)
            writer = opened.enter_context(closing(IndexWriter()))
            first = 0 if index is None else len(index.sizes)
            packs = opened.enter_context(PackWriter(self._blobs.send, first, MAX_PACKS - kept,
                                                    pack_size(self._full, kept)))
            self._add_all(writer, FileCutter(self._tree, self._known, packs), index)
            if self._unread and not partial:
                raise DXFSourceError(f'{len(self._unread)} files or folders could not be read, and so the alias '
                                     f'{alias} was not set: {self._unread[0]}')
            packs.finish()
            return self._finish(writer, index, packs, created)

    def _learn(self, index: IndexReader | None) -> int:
        """Learn the chunks of the last snapshot, but of packs that are to be written anew; return how many are kept."""
        if index is None:
            return 0
        for chunk in index.chunks():
            self._known.add(chunk)
        rewritten = packs_to_rewrite(index.sizes, self._known.live_sizes(len(index.sizes)))
        self._known.forget(rewritten)
        return len(index.sizes) - len(rewritten)

    def _add_all(self, writer: IndexWriter, cutter: FileCutter, index: IndexReader | None) -> None:
        """Add all that is there to the index."""
        last = _Merge(iter(()) if index is None else index.entries())
        for found in self._tree.walk():
            entry = self._entry(found, last.at(found.path), cutter)
            if entry is not None:
                writer.add(entry)

    def _entry(self, found: Found, last: Entry | None, cutter: FileCutter) -> Entry | None:
        """Return the entry of what was found; ``None`` for what cannot be read, or is gone, or no index can hold."""
        entry = self._other_name(found)
        if entry is None:
            entry = self._file(found, last, cutter) if found.kind in (FILE, HARDLINK) else _described(found)
        if entry is None:
            return None
        try:
            check_entry(entry)
        except DXFInvalidDocumentError as error:
            self._add_unread(f'cannot store {str(error).removeprefix("invalid snapshot: ")}')
            return None
        if entry.kind == FILE and found.status.st_nlink > 1:
            self._first_names[found.target or found.path] = _FirstName(entry.path, entry.size, entry.mtime)
        return entry

    def _other_name(self, found: Found) -> Entry | None:
        """Return the entry of another name of a file that was stored as it is now; ``None`` for anything else.

        The first name may be gone, or be that of another file when it was read. And a file system may give the number
        of a file that is gone to a new one.
        """
        first = self._first_names.get(found.target) if found.kind == HARDLINK else None
        if first is None or (first.size, first.mtime) != (found.status.st_size, found.status.st_mtime_ns):
            return None
        return Entry(found.path, HARDLINK, target=first.path)

    def _file(self, found: Found, last: Entry | None, cutter: FileCutter) -> Entry | None:
        """Return the entry of a file, which is read unless it seems to be as it was in the last snapshot."""
        mode, mtime, size = stat.S_IMODE(found.status.st_mode), found.status.st_mtime_ns, found.status.st_size
        is_same = last is not None and (last.kind, last.size, last.mtime) == (FILE, size, mtime)
        chunks = self._known.relocated(last.chunks) if last is not None and is_same and not self._read_all else None
        if last is not None and chunks is not None:
            self._count(size, 0)
            return last if (last.mode, last.chunks) == (mode, chunks) else last._replace(mode=mode, chunks=chunks)
        try:
            entry = cutter.read(found.path, last)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._not_read(found.path, error)
            return None
        self._count(entry.size, 1)
        return entry

    def _count(self, size: int, read: int) -> None:
        totals = self._totals
        self._totals = totals._replace(files=totals.files + 1, size=totals.size + size, read=totals.read + read)

    def _finish(self, writer: IndexWriter, index: IndexReader | None, packs: PackWriter, created: int | None) -> str:
        """Store the index; return the text of the manifest."""
        old = [] if index is None else list(zip(index.header.packs, index.sizes, strict=True))
        known = dict(enumerate(old)) | {number: (pack.digest, pack.size) for number, pack in packs.packs.items()}
        with tempfile.TemporaryFile() as file:
            writer.write({number: digest for number, (digest, _) in known.items()}, file)
            size = file.tell()
            file.seek(0)
            blob = Descriptor(self._blobs.send(file, size), size, INDEX_TYPE)
        self._totals = self._totals._replace(new=packs.taken, sent=self._blobs.sent, packs=len(packs.packs))
        return make_manifest(blob, [Descriptor(*known[number], PACK_TYPE) for number in writer.used], self._totals,
                             created, None if self._last is None else self._last.digest,
                             self._repository.options.limits.manifest)


def _described(found: Found) -> Entry:
    """Return the entry of a folder or a link."""
    mode = 0 if found.kind == LINK else stat.S_IMODE(found.status.st_mode)
    return Entry(found.path, found.kind, mode, found.status.st_mtime_ns, target=found.target)


def _read(text: str) -> ImageManifest:
    """Return the manifest that was stored."""
    manifest = image.read(text)
    assert isinstance(manifest, ImageManifest)
    return manifest


class _Merge:
    """Finds the entries of the last snapshot by paths that come in the same order.

    :param entries: in the order of their paths
    """

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._next = next(entries, None)

    def at(self, path: bytes) -> Entry | None:
        """Return the entry at a path, which comes behind those that were asked for before."""
        while self._next is not None and self._next.path < path:
            self._next = next(self._entries, None)
        return self._next if self._next is not None and self._next.path == path else None
