"""The folder of one layout: whether it is there, and its index, which is changed under a lock.

What a crash leaves, at any instant, is a layout that reads: ``index.json`` is replaced as a whole. ``index`` reads and
writes the file, ``store`` has the blobs.
https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from itertools import chain
from typing import NamedTuple

from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError
from dxf.layout import index_lookup
from dxf.layout.index import ENTRIES, entries_in, write_index
from dxf.layout.index_lookup import IndexLookup, Remembered
from dxf.layout.names import Entry, digest_of, is_usable, name_of, select
from dxf.layout.repositories import BLOBS, INDEX, MARKER, repositories
from dxf.local.atomic_files import Temporary, open_regular
from dxf.local.folders import make_folders
from dxf.local.locking import close_locked, wait_for_lock
from dxf.local.special_files import followed
from dxf.manifest.image import OCI_INDEX
from dxf.names import check_digest
from dxf.strict_json import Json, dump_json, load_object

VERSION = 'imageLayoutVersion'
RESERVED = (MARKER, INDEX, BLOBS)
"""What a layout has in its folder. No repository may be there, as it would be a part of the layout."""

MAX_MARKER_LENGTH = 64 << 10
NEW_MARKER: dict[str, Json] = {VERSION: '1.0.0'}
NEW_INDEX = {'schemaVersion': '2', 'mediaType': dump_json(OCI_INDEX), ENTRIES: ''}


class Removal(NamedTuple):
    """Which entries of an index go.

    :param keys: names and digests; each entry that goes has one of them
    :param covers: returns whether an entry goes
    """

    keys: Collection[str]
    covers: Callable[[Json], bool]


class LayoutFolder:
    """The folder of one layout, and its index.

    :param root: the folder of all repositories; nothing outside it is read or written, wherever links lead
    :param repository: its name, a path below ``root``; empty where ``root`` is the layout itself
    :raises DXFInvalidNameError: it would be inside another layout
    """

    def __init__(self, root: str, repository: str = '') -> None:
        # Links above the root are the user's own. Those below it may come with a layout that somebody else made.
        self._root = followed(root)
        self.folder = os.path.join(self._root, repository) if repository else self._root
        self.made: set[str] = set()
        """The digests of the entries without a name that were made through this object."""
        self._lookup = IndexLookup()
        self._referring: Remembered[dict[str, list[dict[str, Json]]]] = Remembered()
        self._check_place(repository.split('/'))

    def _check_place(self, parts: list[str]) -> None:
        """Check that the folder is not a part of another layout, and never becomes one.

        A repository of such a name that is there already can be used while no layout is around it.
        """
        for count, part in enumerate(parts):
            if part in RESERVED:
                around = os.path.join(self._root, *parts[:count])
                if os.path.lexists(os.path.join(around, MARKER)) or not os.path.isfile(self.path(MARKER)):
                    raise DXFInvalidNameError(f'invalid repository {"/".join(parts)!r}: {part} is a part of the layout '
                                              f'in {around}; choose another name')

    def path(self, *names: str) -> str:
        """Return the path of something in it.

        :raises DXFInvalidNameError: a symbolic link leads out of the root
        """
        path = os.path.join(self.folder, *names)
        # Checked at each use, not once: a folder may be replaced by a link while dxf runs. A link that stays inside is
        # allowed, as users share blobs between layouts by links.
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._root]) != self._root:
            raise DXFInvalidNameError(f'{path} leads out of {self._root}')
        return real

    def exists(self) -> bool:
        """Return whether it is there.

        :raises DXFInvalidDocumentError: something else is
        :raises OSError: it cannot be read
        """
        marker = self._marker()
        if marker:
            # A later 1.x adds to the format; dxf would misread another major version:
            # https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#oci-layout-file
            version = self._version(marker)
            if not isinstance(version, str) or not version.startswith('1.'):
                raise DXFInvalidDocumentError(f'{self.path(MARKER)}: no image layout of version 1')
            return True
        try:
            with os.scandir(self.path()) as found:
                # Hidden files are no reason to refuse: file managers leave them, and dxf's temporary files are hidden
                # too. Folders may be other repositories.
                names = [entry.name for entry in found if not entry.is_dir() and entry.name[0] != '.']
        except FileNotFoundError:
            return False
        if set(names) - {MARKER}:
            if self._marker():  # another process has just made the layout, and writes this file first
                return self.exists()
            raise DXFInvalidDocumentError(f'{self.folder} is no OCI image layout, and has other files: copy '
                                          'the layout again, or name another repository')
        self._check_inner()
        return False

    def make(self) -> None:
        """Make it, if it is not there.

        :raises DXFInvalidDocumentError: something else is
        :raises OSError: it cannot be written
        """
        make_folders(self._root)
        # The lock makes both files. Without it two processes could write an index each, and one alias would be lost.
        if not self.exists() or not os.path.exists(self.path(INDEX)):
            with self.locked():
                pass

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all others from changing it; make what it lacks."""
        lock = self._lock()
        try:
            # The lock is on oci-layout because this file is never replaced. A lock on index.json would have no effect
            # after index.json was replaced.
            if not os.fstat(lock).st_size:
                os.write(lock, dump_json(NEW_MARKER).encode('ascii'))
                os.fsync(lock)
            # A layout must have this folder, even if it is empty:
            # https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#blobs
            make_folders(self.path(BLOBS, 'sha256'))
            if not self._has_index():
                with self._index_file(NEW_INDEX, []) as new:
                    new.publish(self.path(INDEX))
            yield
        finally:
            close_locked(lock)

    def _check_inner(self) -> None:
        """Check that no repository is where a new layout here would have its own files."""
        for name in filter(lambda name: os.path.isdir(self.path(name)), RESERVED):
            inner = next(repositories(self.path(name)), None)
            if inner is not None or os.path.exists(self.path(name, MARKER)):
                raise DXFInvalidNameError(f'{self.path(name)} holds another repository: move that elsewhere, or choose '
                                          'another name')

    def _lock(self) -> int:
        while True:
            make_folders(self.path())
            with suppress(FileNotFoundError):  # another process made the folder, and has just removed it
                return wait_for_lock(self.path(MARKER))

    def _marker(self) -> bytes | None:
        try:
            with open_regular(self.path(MARKER)) as file:
                return file.read(MAX_MARKER_LENGTH)
        except FileNotFoundError:
            return None

    def _version(self, marker: bytes) -> Json:
        try:
            return load_object(marker).get(VERSION)
        except DXFInvalidDocumentError as error:
            raise DXFInvalidDocumentError(f'{self.path(MARKER)}: {error}; put {dump_json(NEW_MARKER)} into it'
                                          ) from None

    def entries(self) -> Iterator[Entry]:
        """Yield the descriptors of the manifests that the index names, except those of no use to dxf.

        :raises DXFInvalidDocumentError: the index cannot be read to its end
        """
        return (entry for entry in self.all_entries() if is_usable(entry))

    def all_entries(self) -> Iterator[Json]:
        """Yield whatever the index lists.

        :raises DXFInvalidDocumentError: the index cannot be read to its end
        """
        return (entry for entry, _ in self._parsed_entries({}))

    def entries_of(self, key: str) -> Iterable[Json]:
        """Return the entries that a name or a digest may mean, in their order; others may be among them.

        :raises DXFInvalidDocumentError: the index cannot be read to its end
        """
        found = self._lookup.entries(self.path(INDEX), key, self._parsed)
        return self.all_entries() if found is None else found

    def referring(self, find: Callable[[], dict[str, list[dict[str, Json]]]]) -> dict[str, list[dict[str, Json]]]:
        """Return what refers to manifests, by their digests.

        :param find: finds that out, from all manifests
        """
        # Manifests never change. So this is as old as the index, and to delete 1,000 aliases reads each of them once.
        return self._referring.get(self.path(INDEX), find)

    def _has_index(self) -> bool:
        """Return whether there is an index.

        :raises DXFInvalidDocumentError: it is missing, but there are blobs that it could name: it was lost, or a
            copy of the layout is not complete
        """
        # rsync and cp write files in any order. If index.json is still missing, an empty index would call all blobs
        # garbage.
        if os.path.exists(self.path(INDEX)):
            return True
        with suppress(FileNotFoundError):
            if next(self.blobs(), None) is not None and not os.path.exists(self.path(INDEX)):
                raise DXFInvalidDocumentError(f'{self.path(INDEX)} is missing, but there are blobs: copy it again, or '
                                              'move the blobs away')
        return os.path.exists(self.path(INDEX))

    def _parsed_entries(self, fields: dict[str, str]) -> Iterator[tuple[Json, str]]:
        """Yield the entries of the index with their texts; the texts of its other fields come into ``fields``."""
        if self._has_index():
            with self._naming_index(), open_regular(self.path(INDEX)) as file:
                yield from entries_in(file, fields)

    def _parsed(self, content: bytes, fields: dict[str, str]) -> Iterator[tuple[Json, str]]:
        """Yield the same of a content of the index."""
        with self._naming_index():
            yield from entries_in(BytesIO(content), fields)

    @contextmanager
    def _naming_index(self) -> Iterator[None]:
        """Name the index in an error about what is in it."""
        try:
            yield
        except DXFInvalidDocumentError as error:
            step = '; put a good copy in its place' if str(error).startswith('invalid') else ''
            raise DXFInvalidDocumentError(f'{self.path(INDEX)}: {error}{step}') from None

    def change_index(self, removal: Removal, added: Sequence[Entry] = (), first: Callable[[], None] = lambda: None
                     ) -> None:
        """Replace the index, which the caller has locked, by one with other entries.

        :param removal: the entries that go
        :param added: entries that come after those that stay
        :param first: called when the new index is written, and before it takes effect
        :raises DXFInvalidDocumentError: the new index would exceed a limit; nothing has changed, nor was ``first``
            called
        """
        known = self._lookup.current(self.path(INDEX), self._parsed, index_lookup.MAX_CHANGED)
        if known is None:
            self._change_large(removal, added, first)
            return
        gone = {number: entry for number, entry in known.entries_of(*removal.keys).items() if removal.covers(entry)}
        # An index that stays the same is not written: a deletion of nothing must work on a full disk, and backups see
        # no change.
        if not gone and not added:
            first()
            return
        known = known.changed(gone, [(entry, _dumped(entry)) for entry in added])
        content: list[bytes] = []
        with self._index_file(known.fields, known.texts.values(), content.append) as new:
            first()
            new.publish(self.path(INDEX))
        self._lookup.remember(known._replace(content=b''.join(content)))

    def _change_large(self, removal: Removal, added: Sequence[Entry], first: Callable[[], None]) -> None:
        """Replace an index that is read twice, and never held in memory. The lock keeps both readings equal."""
        fields: dict[str, str] = {}
        # Counted, and read to the end: fields may follow the entries.
        gone = sum(removal.covers(entry) for entry, _ in self._parsed_entries(fields))
        if not gone and not added:
            first()
            return
        # Entries and fields are copied as text. So members that other tools wrote, and dxf does not know, stay as they
        # are.
        kept = (text for entry, text in self._parsed_entries({}) if not removal.covers(entry))
        with self._index_file(fields or NEW_INDEX, chain(kept, map(_dumped, added))) as new:
            first()
            new.publish(self.path(INDEX))

    @contextmanager
    def _index_file(self, fields: Mapping[str, str], entries: Iterable[str],
                    written: Callable[[bytes], object] = lambda _: None) -> Iterator[Temporary]:
        """Provide a file with the content of an index, which is on the disk.

        :param written: called with the next bytes of it
        """
        def write(piece: bytes) -> None:
            new.write(piece)
            written(piece)
        with Temporary(self.path()) as new:
            try:
                write_index(write, fields, entries)
            except DXFInvalidDocumentError as error:
                raise DXFInvalidDocumentError(f'{self.path(INDEX)}: {error}') from None
            new.keep_access(self.path(INDEX))
            new.sync()
            yield new

    def select(self, alias: str) -> list[Entry]:
        """Return the entries that an alias names: see :func:`dxf.layout.names.select`.

        :raises DXFInvalidDocumentError: one of them is of no use to dxf
        """
        # Entries of no use are skipped only if the alias does not mean them. Their names count as taken.
        entries = self.entries_of(alias)
        found = select((entry for entry in entries if is_usable(entry) or name_of(entry) is not None), alias)
        for entry in found:
            if not is_usable(entry):
                raise self.unusable_error(entry, 'dxf set-alias replaces it')
        return found

    def unusable_error(self, entry: Json, consequence: str) -> DXFInvalidDocumentError:
        """Return the error for an entry that leads to something, and is of no use to dxf."""
        name = name_of(entry)
        what = 'an entry' if name is None else f'the alias {name!r}'
        return DXFInvalidDocumentError(f'{self.path(INDEX)}: {what} names {digest_of(entry) or "no digest"!r}: of '
                                       f'another algorithm than sha256, or of another kind; {consequence}')

    def blobs(self) -> Iterator[str]:
        """Yield the digests of all blobs; other files are left alone."""
        # Other tools keep files of their own beside blobs, such as their unfinished downloads. Garbage collection must
        # not delete these.
        with os.scandir(self.path(BLOBS, 'sha256')) as found:
            for entry in found:
                with suppress(DXFInvalidNameError):
                    yield check_digest(f'sha256:{entry.name}')


def _dumped(entry: Entry) -> str:
    """Return the text of an entry."""
    return dump_json(entry, sort_keys=False)
