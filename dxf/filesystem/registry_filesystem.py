"""The filesystem: ``reading_filesystem``, and what writes. A call that changes files stores one manifest an alias."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.implementations.local import LocalFileSystem

from dxf.artifacts.safe_paths import check_path
from dxf.artifacts.selection import File, check_apart
from dxf.exceptions import DXFIsADirectoryError
from dxf.filesystem.edits import Change, check_movable, current, layer_of, renamed
from dxf.filesystem.errors import usual_errors
from dxf.filesystem.file_writer import FileWriter, TextWriter
from dxf.filesystem.location import Location
from dxf.filesystem.reading_filesystem import ReadingFileSystem, one_call
from dxf.filesystem.transaction import Pending, RegistryTransaction
from dxf.names import check_alias_at, is_folder


class _Together(local):
    """The changes of a call that makes several."""

    pending: Pending | None = None


class RegistryFileSystem(ReadingFileSystem):
    """The files of the aliases of registries, to read and to write. Its parameters are those of ``ReadingFileSystem``.

    A file that is written is stored when it is closed. In ``with fs.transaction:`` all changes are made at the end, one
    manifest for each alias, and only if the alias is still what it was at its first change.
    """

    transaction_type = RegistryTransaction

    def __init__(self, host: str | None = None, **options: Any) -> None:
        super().__init__(host, **options)
        self._together = _Together()

    def open(self, path: str, mode: str = 'rb', block_size: int | None = None, cache_options: Any = None,
             compression: str | None = None, **kwargs: Any) -> Any:
        """Open a file. One that is written is stored when it is closed, and not if an exception ends its ``with``.

        :param mode: ``r``, ``w``, or ``x`` for a file that may not be there yet; text without ``b``
        :raises FileNotFoundError: it is missing
        :raises FileExistsError: it is there, and ``x`` was given
        :raises IsADirectoryError: it is a folder
        :raises ValueError: another mode
        """
        if mode.replace('t', '') not in ('r', 'w', 'x', 'rb', 'wb', 'xb'):
            raise io.UnsupportedOperation(f'mode {mode!r}: r reads, w and x write, and what is stored never changes')
        if compression is not None and 'r' not in mode:
            raise ValueError('fsspec.open(..., compression=...) writes compressed files: it closes both')
        if 'b' in mode or 'r' in mode:
            return super().open(path, mode, block_size, cache_options, compression, **kwargs)
        text = {name: kwargs.pop(name) for name in ('encoding', 'errors', 'newline') if name in kwargs}
        return TextWriter(super().open(path, f'{mode.replace("t", "")}b', **kwargs), **text)

    @one_call
    def _open(self, path: str, mode: str = 'rb', block_size: int | None = None, autocommit: bool = True,
              cache_options: Any = None, **kwargs: Any) -> Any:
        if mode == 'rb':
            return self._reader(path)
        location = self._writable(path, mode == 'xb')
        return FileWriter(self.repository(location.repository), location, mode == 'xb', self._record, autocommit)

    def _writable(self, path: str, is_new: bool) -> Location:
        location = self._locate(path).check_writable()
        check_path(location.path)
        check_alias_at(self.repository(location.repository).host, location.reference)
        if is_new and self.exists(path):
            raise FileExistsError(f'{location} is there')
        if self._intrans:
            self._begin(location)
        return location

    def _begin(self, location: Location) -> None:
        """Take note of what an alias names before it is changed in the transaction."""
        bases = self.transaction.bases
        repository = self.repository(location.repository)
        if (repository, location.reference) not in bases:
            tree = current(repository, location)
            bases.setdefault((repository, location.reference), None if tree is None else tree.digest)

    @property
    def in_transaction(self) -> bool:
        """Whether changes are made at the end of a transaction."""
        return bool(self._intrans)

    def leave_transaction(self) -> None:
        """Make changes at once again."""
        self._intrans = False
        self._transaction = None
        self.invalidate_cache()

    def _record(self, location: Location, change: Change) -> None:
        """Make a change: at once, at the end of the call, or at that of the transaction."""
        with usual_errors(), self._one_manifest() as pending:
            if self._intrans:
                self._begin(location)
            pending.add(location, change)

    @contextmanager
    def _one_manifest(self) -> Iterator[Pending]:
        """Make the changes of a call at its end, if that is not a part of another call; an exception drops them."""
        outer = self._together.pending
        pending = self._together.pending = outer or Pending(self.repository)
        try:
            yield pending
        finally:
            self._together.pending = outer
        if outer is not None:
            return
        if self._intrans:
            self.transaction.files.append(pending)
            return
        with self._repositories.storing:
            pending.store()
        self.invalidate_cache()

    def _push(self, path: str, is_new: bool, **source: Any) -> None:
        """Store a file whose content is known."""
        location = self._writable(path, is_new)
        self._targets.add(str(location))
        repository = self.repository(location.repository)
        digest = repository.push_blob(**source)
        layer = layer_of(digest, repository.known_size(digest), location.path)
        self._record(location, Change(layer, is_new))

    @one_call
    def pipe_file(self, path: str, value: Any, mode: str = 'overwrite', **kwargs: Any) -> None:
        """Store bytes as a file.

        :param mode: ``create`` for a file that may not be there yet
        :raises FileExistsError: it is there
        :raises TypeError: they are no bytes
        """
        self._push(path, mode == 'create', data=bytes(memoryview(value)))  # bytes(5) would be five zero bytes

    @one_call
    def put_file(self, lpath: Any, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = 'overwrite', **kwargs: Any
                 ) -> None:
        """Store a file of this machine; of a folder there is nothing to store.

        :param mode: ``create`` for a file that may not be there yet
        """
        if not os.path.isdir(lpath):
            callback.set_size(os.stat(lpath).st_size)
            self._push(rpath, mode == 'create', filename=lpath,
                       progress=lambda digest, chunk, size: callback.relative_update(len(chunk)))

    @one_call
    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Give a second name to the content of a file. Within a registry no byte is moved."""
        if self.isdir(path1):
            return
        source, file = self._file(path1)
        target = self._writable(path2, False)
        self._targets.add(str(target))
        if len(file.blobs) != 1:
            with self.open(path1) as reader, self.open(path2, 'wb') as writer:
                shutil.copyfileobj(reader, writer)
            return
        [(digest, _)] = file.blobs
        self._bring(source, target, digest)
        text = self.lookups.tree(source).text if source.path else ''
        layer = renamed(text, source.path, target.path) if text else \
            layer_of(digest, self._sized(source, file), target.path)
        self._record(target, Change(layer, source=source))

    def _bring(self, source: Location, target: Location, digest: str) -> None:
        """Make a blob of one repository a blob of another."""
        repository, other = self.repository(target.repository), self.repository(source.repository)
        if repository is not other:
            repository.copy_blob(other, digest)

    @one_call
    def rm_file(self, path: str) -> None:
        """Remove a file from its alias, or delete an alias that is a file. The blob stays.

        :raises FileNotFoundError: it is missing
        :raises IsADirectoryError: it is a folder
        """
        location = self._locate(path)
        tree = self.lookups.tree(location)
        file = tree.file(location.path)
        if file is None:
            raise DXFIsADirectoryError(str(location), 'it is a folder: rm(..., recursive=True) removes it')
        if not location.path:
            self._delete(location)
        else:
            location.check_writable()
            self._record(location, Change(None, was=file.digest))

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def _delete(self, location: Location) -> None:
        if self._intrans:
            raise ValueError('a transaction sets aliases, and deletes none')
        with self._one_manifest() as pending:
            pending.delete(location, self.lookups.tree(location).digest)

    @one_call
    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files, and with ``recursive`` folders and whole aliases, by one manifest for each alias."""
        self._remove(path, recursive, maxdepth, lambda location: None)

    def _remove(self, path: Any, recursive: bool, maxdepth: int | None, check: Callable[[Location], None]) -> None:
        """Remove files.

        :param check: called with each alias that goes, before anything is changed
        """
        found = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)
        whole = {self._locate(name).root for name in found if recursive and self._is_whole(name) and maxdepth is None}
        with self._one_manifest():
            for root in whole:
                check(self._locate(root))
                self._delete(self._locate(root))
            for name in found:
                location = self._locate(name)
                if location.root not in whole and not (recursive and self.isdir(name)):
                    if not location.path:
                        check(location)
                    self.rm_file(name)

    def _is_whole(self, path: str) -> bool:
        """Return whether a path is that of a whole alias."""
        location = self._locate(path)
        if not location.reference:
            raise DXFIsADirectoryError(str(location), 'it is a repository: name an alias, REPOSITORY@ALIAS')
        return not location.path

    @one_call
    def copy(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None,
             on_error: str | None = None, **kwargs: Any) -> None:
        """Copy files, by one manifest for each alias that gets them.

        :param on_error: ``ignore`` leaves out files that are missing
        :raises FileExistsError: two of them would get one name
        """
        with self._one_manifest(), self._targets.of_one_call():
            # What a call lists is one manifest: a file of it that is missing is an error, with recursive too.
            super().copy(path1, path2, recursive, maxdepth, on_error or 'raise', **kwargs)

    def _check_movable(self, location: Location) -> None:
        """Check that an alias which goes as its files are moved has nothing else."""
        check_movable(self.lookups.tree(location), location.root)

    @one_call
    def mv(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> None:
        """Move files: within an alias by one manifest, else the target gets them before the source loses them.

        :raises IsADirectoryError: one is a folder, and ``recursive`` is off, or two lists say what becomes what
        :raises PermissionError: it is a snapshot, or a file of one
        :raises io.UnsupportedOperation: a whole alias has more than files with names: all else would be lost
        """
        if self._strip_protocol(path1) == self._strip_protocol(path2):
            return
        is_listed = isinstance(path1, list) and isinstance(path2, list)
        if is_listed and len(path1) != len(path2):
            raise ValueError(f'{len(path1)} files cannot get {len(path2)} names')
        with self._one_manifest():
            # In this order, as a later change of a file wins: what is moved to the place of another one stays.
            self._remove(path1, recursive and not is_listed, maxdepth, self._check_movable)
            self.copy(path1, path2, recursive, maxdepth, **kwargs)

    @one_call
    def put(self, lpath: Any, rpath: Any, recursive: bool = False, callback: Any = DEFAULT_CALLBACK,
            maxdepth: int | None = None, **kwargs: Any) -> None:
        """Store files of this machine, by one manifest for each alias.

        :raises FileExistsError: two of them would get one name
        :raises DXFSourceError: a folder holds the registry, which would be stored in itself
        """
        if recursive and not isinstance(rpath, list):  # of two lists no folder is read
            self._check_apart(lpath, rpath, maxdepth)
        with self._one_manifest(), self._targets.of_one_call():
            super().put(lpath, rpath, recursive, callback, maxdepth, **kwargs)

    def _check_apart(self, lpath: Any, rpath: str, maxdepth: int | None) -> None:
        """Check that no folder to be stored, all that is in it, holds the registry."""
        host = self.repository(self._locate(rpath).repository).host
        if is_folder(host):
            local_files = LocalFileSystem()
            check_apart([File(path, path, '', folder=folder) for folder in local_files.expand_path(lpath)
                         for path in local_files.expand_path(folder, recursive=True, maxdepth=maxdepth)
                         if not os.path.isdir(path)], host)

    @one_call
    def pipe(self, path: Any, value: Any = None, **kwargs: Any) -> None:
        """Store bytes as a file, or those of a dictionary as several, by one manifest for each alias.

        :raises FileExistsError: two paths are those of one file
        """
        with self._one_manifest(), self._targets.of_one_call():
            super().pipe(path, value, **kwargs)
