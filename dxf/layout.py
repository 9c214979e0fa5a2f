"""Layouts: repositories in a folder, as OCI image layouts: blobs by their digest, and an index that names some of them.

What a crash leaves, at any instant, is a layout that reads: content gets its name when it has been verified and is on
the disk, and ``index.json`` is replaced as a whole, under a lock. Requests are not known here.
https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property

from dxf.documents import Json, load_object
from dxf.exceptions import DXFError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.files import Temporary, make_folders, sync_folder
from dxf.limits import READ_SIZE
from dxf.locking import close_locked, wait_for_lock
from dxf.manifests import OCI_INDEX
from dxf.names import check_alias, check_digest, check_repository, hash_file, split_digest

MARKER = 'oci-layout'
INDEX = 'index.json'
VERSION = 'imageLayoutVersion'
NAME = 'org.opencontainers.image.ref.name'
"""https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys"""

SOLE = 'latest'
"""The alias of a manifest that is the only one of its layout, and that nobody named."""

LONGEST_INDEX = 64 << 20
Entry = dict[str, Json]


class Layout:
    """One repository.

    :param root: the folder of all repositories; nothing outside it is read or written, wherever links lead
    :param repository: its name, a path below ``root``; empty where ``root`` is the layout itself
    """

    def __init__(self, root: str, repository: str = '') -> None:
        self._root = os.path.realpath(root)
        self.folder = os.path.join(self._root, repository) if repository else self._root

    def path(self, *names: str) -> str:
        """Return the path of something in it.

        :raises DXFInvalidNameError: a symbolic link leads out of the root
        """
        path = os.path.join(self.folder, *names)
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._root]) != self._root:
            raise DXFInvalidNameError(f'{path} leads out of {self._root}')
        return real

    # The layout itself

    def exists(self) -> bool:
        """Say whether it is there.

        :raises DXFInvalidDocumentError: something else is
        :raises OSError: it cannot be read
        """
        marker = self._read(MARKER)
        if marker:
            version = self._parsed(MARKER, marker).get(VERSION)
            if not isinstance(version, str) or not version.startswith('1.'):
                raise DXFInvalidDocumentError(f'{self.path(MARKER)}: no image layout of version 1')
            return True
        try:
            with os.scandir(self.path()) as found:
                names = [entry.name for entry in found if not entry.is_dir() and entry.name[0] != '.']
        except FileNotFoundError:
            return False
        if set(names) - {MARKER}:
            if self._read(MARKER):  # who makes it writes that first, and has done so since
                return self.exists()
            raise DXFInvalidDocumentError(f'{self.folder} is no OCI image layout, and has other files')
        return False

    def make(self) -> None:
        """Have it be there.

        :raises DXFInvalidDocumentError: something else is
        :raises OSError: it cannot be written
        """
        make_folders(self._root)
        if not self.exists() or self._read(INDEX) is None:
            with self._locked():
                pass

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep all others from changing it; make what it lacks."""
        lock = self._lock()
        try:
            if not os.fstat(lock).st_size:
                os.write(lock, json.dumps({VERSION: '1.0.0'}).encode('ascii'))
                os.fsync(lock)
            make_folders(self.path('blobs', 'sha256'))
            if self._read(INDEX) is None:
                self._write_index({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': []})
            yield
        finally:
            close_locked(lock)

    def _lock(self) -> int:
        while True:
            make_folders(self.path())
            with suppress(FileNotFoundError):  # who made the folder before has just removed it
                return wait_for_lock(self.path(MARKER))

    def _read(self, name: str) -> bytes | None:
        try:
            with open(self.path(name), 'rb') as file:
                return file.read(min(os.fstat(file.fileno()).st_size, LONGEST_INDEX))
        except FileNotFoundError:
            return None

    def _parsed(self, name: str, content: bytes) -> dict[str, Json]:
        try:
            return load_object(content)
        except DXFInvalidDocumentError as error:
            raise DXFInvalidDocumentError(f'{self.path(name)}: {error}') from None

    # Blobs

    def blob_path(self, digest: str) -> str:
        """Return where a blob is, or would be."""
        return self.path('blobs', *split_digest(check_digest(digest)))

    def blob_size(self, digest: str) -> int | None:
        """Return the bytes of a blob; ``None`` where there is none."""
        try:
            status = os.stat(self.blob_path(digest))
        except FileNotFoundError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def add_blob(self, content: Temporary) -> None:
        """Give verified content its name, in place of whatever has it.

        What another repository of the root holds too is stored once, where the file system can link.
        """
        self.make()
        content.sync()
        path = self.blob_path(content.digest)
        make_folders(os.path.dirname(path))
        if not (self.blob_size(content.digest) is None and self._link_twin(content, path)):
            content.publish(path)

    @cached_property
    def _others(self) -> list['Layout']:
        """The layouts that were in the root when this was first asked for; none where not all of it can be read."""
        try:
            return [Layout(self._root, repository) for repository in repositories(self._root)]
        except OSError:
            return []

    def _link_twin(self, content: Temporary, path: str) -> bool:
        """Link to another repository's blob, if there is one and it is what it should be; say whether it was done."""
        for other in self._others:
            with suppress(OSError, DXFError):
                twin = other.blob_path(content.digest)
                if other.blob_size(content.digest) == content.size and hash_file(twin) == content.digest:
                    os.link(twin, path)
                    sync_folder(os.path.dirname(path))
                    content.discard()
                    return True
        return False

    def mount_blob(self, digest: str, other: 'Layout') -> bool:
        """Make a blob of another repository one of this too; say whether that has it."""
        if other.blob_size(digest) is None:
            return False
        self.make()
        source, path = other.blob_path(digest), self.blob_path(digest)
        try:
            os.link(source, path)
            sync_folder(os.path.dirname(path))
        except FileExistsError:
            pass
        except FileNotFoundError:  # somebody has just removed it
            return False
        except OSError:  # another file system, or one without links
            return self._copy(source, digest)
        return True

    def _copy(self, source: str, digest: str) -> bool:
        try:
            file = open(source, 'rb', buffering=0)
        except FileNotFoundError:
            return False
        with file, Temporary(self.path()) as content:
            while piece := file.read(READ_SIZE):
                content.write(piece)
            if content.digest != digest:
                raise DXFInvalidDocumentError(f'{source} is not what its name says')
            content.sync()
            content.publish(self.blob_path(digest))
        return True

    def remove_blob(self, digest: str) -> bool:
        """Remove a blob; say whether it was there."""
        folder, name = split_digest(check_digest(digest))
        try:
            os.unlink(os.path.join(self.path('blobs', folder), name))  # the link, where it is one
        except FileNotFoundError:
            return False
        return True

    def remove_manifest(self, digest: str) -> None:
        """Remove a manifest that the index does not name, or not any more."""
        with self._locked():
            if all(entry['digest'] != digest for entry in self.entries()):
                self.remove_blob(digest)

    def blobs(self) -> Iterator[str]:
        """Yield the digests of all blobs; other files are left alone."""
        with os.scandir(self.path('blobs', 'sha256')) as found:
            for entry in found:
                with suppress(DXFInvalidNameError):
                    yield check_digest(f'sha256:{entry.name}')

    # The index

    def entries(self) -> list[Entry]:
        """Return the descriptors of the manifests that it names, those of no use to dxf left out."""
        index = self._read(INDEX)
        return [] if index is None else [entry for entry in self._index(index)['manifests'] if _is_usable(entry)]

    @contextmanager
    def changing(self) -> Iterator[list[Entry]]:
        """Yield the descriptors to be changed, and then write them, while nobody else changes them."""
        with self._locked():
            index = self._index(self._read(INDEX) or b'')
            before = json.dumps(index)
            yield index['manifests']
            if json.dumps(index) != before:
                self._write_index(index)

    def _index(self, content: bytes) -> dict[str, Json]:
        index = self._parsed(INDEX, content)
        if not isinstance(index.get('manifests'), list):
            raise DXFInvalidDocumentError(f'{self.path(INDEX)}: invalid index: manifests is no list')
        return index

    def _write_index(self, index: dict[str, Json]) -> None:
        with Temporary(self.path()) as content:
            content.write(json.dumps(index, indent=1).encode('ascii'))
            content.sync()
            content.publish(self.path(INDEX))

    def names(self) -> dict[str, Entry]:
        """Return the aliases, and what they name.

        Some tools write a whole reference, ``docker.io/library/alpine:3``, of which the alias is the tag.
        """
        return _named(self.entries())

    def entry(self, alias: str) -> Entry | None:
        """Return what an alias names; ``None`` where there is no such alias."""
        entries = self.entries()
        sole = entries[0] if alias == SOLE and len(entries) == 1 and name_of(entries[0]) is None else None
        return _named(entries).get(alias, sole)


def _named(entries: list[Entry]) -> dict[str, Entry]:
    named: dict[str, Entry] = {}
    for entry in entries:
        named.setdefault(name_of(entry) or '', entry)
    for entry in entries:
        named.setdefault((name_of(entry) or '').rpartition(':')[2], entry)
    return {name: entry for name, entry in named.items() if _passes(check_alias, name)}


def repositories(root: str) -> Iterator[str]:
    """Yield the names of the layouts in a folder.

    :raises OSError: a folder cannot be read
    """
    for folder, inner, files in os.walk(root, onerror=_raise):
        is_layout = MARKER in files
        inner[:] = sorted(name for name in inner
                          if _passes(check_repository, name) and not (is_layout and name == 'blobs'))
        name = os.path.relpath(folder, root)
        if is_layout and _passes(check_repository, name):
            yield name


def _passes(check: Callable[[str], str], name: str) -> bool:
    """Say whether a name is one, by the function that checks such names."""
    try:
        check(name)
    except DXFInvalidNameError:
        return False
    return True


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # who made a folder may just have removed it
        raise error


def name_of(entry: Json) -> str | None:
    """Return what names an entry of an index."""
    annotations = entry.get('annotations') if isinstance(entry, dict) else None
    name = annotations.get(NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else None


def digest_of(entry: Json) -> str | None:
    """Return the digest of an entry of an index, which may be anything."""
    digest = entry.get('digest') if isinstance(entry, dict) else None
    return digest if isinstance(digest, str) else None


def _is_usable(entry: Json) -> bool:
    try:
        check_digest(entry['digest'])
    except (TypeError, KeyError, AttributeError, DXFError):
        return False
    return isinstance(entry.get('mediaType', ''), str)
