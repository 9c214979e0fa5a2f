"""The filesystem as far as it reads. ``registry_filesystem`` writes.

``fsspec.spec`` makes all other methods of these.
"""

import errno
import io
import os
from collections.abc import Callable
from datetime import datetime
from functools import partial, wraps
from typing import Any, TypeVar

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import AbstractFileSystem, make_instance
from fsspec.utils import isfilelike, tokenize

from dxf.client import DXF
from dxf.exceptions import DXFIsADirectoryError, DXFNotFoundError
from dxf.filesystem.errors import usual_errors
from dxf.filesystem.location import Location, parse
from dxf.filesystem.lookups import AnyTree, Lookups
from dxf.filesystem.ranges import MAX_GAP, Range, Span, attempt, bounds, merged
from dxf.filesystem.repositories import Repositories, public, registry_of
from dxf.filesystem.file_tree import File
from dxf.filesystem.single_targets import SingleTargets
from dxf.filesystem.snapshot_tree import SnapshotFile, SnapshotTree
from dxf.local.atomic_files import Temporary
from dxf.manifest import creation_time
from dxf.reading.blob_reader import BlobReader
from dxf.strict_json import load_object
from dxf.transfer.parallel import all_of

Method = TypeVar('Method', bound=Callable[..., Any])

AnyFile = File | SnapshotFile
"""A file of an artifact, or of a snapshot."""

LISTINGS = ('use_listings_cache', 'listings_expiry_time', 'max_paths')
"""The options of fsspec's cache of listings."""

ASYNCHRONOUS = ('asynchronous', 'loop')
"""Options that zarr gives to all filesystems; it wraps those that are synchronous."""


def one_call(method: Method) -> Method:
    """Return a method that looks up each alias once, and raises the usual errors."""
    @wraps(method)
    def calling(self: 'ReadingFileSystem', *args: Any, **kwargs: Any) -> Any:
        with usual_errors(), self.lookups.once():
            return method(self, *args, **kwargs)
    return calling  # type: ignore[return-value]


class ReadingFileSystem(AbstractFileSystem):
    """The files of the aliases of registries.

    Paths are ``[REGISTRY/]REPOSITORY@ALIAS/PATH``; a digest may stand for the alias. Each variable ``DXF_*`` is an
    option too, in lower case and without ``DXF_``.

    :param host: the registry of paths without one, by default that of ``DXF_HOST``; ``oci:`` and a path: a folder
    :param options: ``username``, ``password`` and their like are for ``host``, or else for the registry in the URL.
        ``use_listings_cache=True`` and ``listings_expiry_time`` keep what aliases name, as for other filesystems
    """

    protocol = 'dxf'

    def __init__(self, host: str | None = None, **options: Any) -> None:
        listings = {'use_listings_cache': False, **{name: options.pop(name) for name in LISTINGS if name in options}}
        for name in ASYNCHRONOUS:
            options.pop(name, None)
        super().__init__(**listings)
        self._repositories = Repositories(host, options)
        self.lookups = Lookups(self.repository, self._repositories.platform, self.dircache)
        self._targets = SingleTargets()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped.lstrip('/') if isinstance(stripped, str) else stripped  # dxf:///x@a is the same as dxf://x@a

    @classmethod
    def _get_kwargs_from_urls(cls, path: str) -> dict[str, str]:
        return registry_of(cls._strip_protocol(path))

    @property
    def fsid(self) -> str:
        """The identity of the filesystem."""
        return f'dxf_{self._repositories.host or ""}'

    def __reduce__(self) -> Any:
        """Return what is pickled: no credentials."""
        args = tuple(public({'host': arg})['host'] for arg in self.storage_args)
        return make_instance, (type(self), args, public(self.storage_options))

    def to_dict(self, *, include_password: bool = True) -> dict[str, Any]:
        """Return what the filesystem can be made from again: no credentials."""
        found: dict[str, Any] = super().to_dict(include_password=include_password)
        return public(found)

    def __dask_tokenize__(self) -> str:
        return str(tokenize(type(self), self.storage_args, public(self.storage_options)))

    def repository(self, name: str) -> DXF:
        """Return the client of a repository."""
        return self._repositories.open(name)

    def invalidate_cache(self, path: str | None = None) -> None:
        """Look up what an alias names again, or what all do."""
        super().invalidate_cache(path)
        self.lookups.forget(None if path is None else parse(self._strip_protocol(path)).root)

    # Looking

    def _locate(self, path: str) -> Location:
        return parse(self._strip_protocol(path))

    def _info(self, location: Location, tree: AnyTree) -> dict[str, Any]:
        if tree.is_index and not location.path:
            return {'name': str(location), 'size': 0, 'type': 'other', 'digest': tree.digest}
        found = tree.of_one_platform().file(location.path)
        if found is None:
            digest = {} if location.path else {'digest': tree.digest}
            return {'name': str(location), 'size': 0, 'type': 'directory', **digest}
        return {'name': str(location), 'size': self._sized(location, found), 'digest': found.digest, **found.details}

    def _sized(self, location: Location, file: AnyFile) -> int:
        """Return the size of a file; a manifest of schema 1 has none, so the registry is asked."""
        return sum(self.repository(location.repository).sizes_of(list(file.blobs))) if file.size is None else file.size

    @one_call
    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Return what is known of a file or a folder: ``name``, ``size``, ``type`` and ``digest``.

        :raises FileNotFoundError: it is missing
        """
        location = self._locate(path)
        if not location.reference:
            if location.repository:
                self.repository(location.repository).list_aliases()
            return {'name': str(location), 'size': 0, 'type': 'directory'}
        return self._info(location, *self.lookups.trees([location], 1))

    @one_call
    def ls(self, path: str, detail: bool = True, refresh: bool = False, **kwargs: Any) -> Any:
        """List a folder, the files of an alias, or the aliases of a repository.

        :param refresh: look up the alias again
        :raises FileNotFoundError: it is missing
        """
        location = self._locate(path)
        if refresh:
            self.lookups.forget(location.root)
        if not location.reference:
            return self._aliases(location, detail)
        tree = self.lookups.tree(location)
        names = [location.path] if tree.file(location.path) is not None else list(tree.children(location.path))
        return [self._info(location._replace(path=name), tree) if detail else location.child(name) for name in names]

    def _aliases(self, location: Location, detail: bool) -> Any:
        repository = self.repository(location.repository)
        try:
            found = [Location(location.repository, alias) for alias in repository.list_aliases()]
        except DXFNotFoundError as error:
            if location.repository:
                raise
            raise FileNotFoundError(errno.ENOENT, 'no repository is named, and dxf.DXFBase(host).list_repos() lists '
                                    'them', str(location)) from error
        if not detail:
            return [one.root for one in found]
        trees = self.lookups.trees(found, repository.options.jobs)
        return [self._info(one, tree) for one, tree in zip(found, trees, strict=True)]

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Return whether there is a file or a folder; an error of the registry is raised."""
        try:
            self.info(path, **kwargs)
            return True
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _type(self, path: str) -> str:
        try:
            return str(self.info(path)['type'])
        except (FileNotFoundError, NotADirectoryError):
            return ''

    def isdir(self, path: str) -> bool:
        """Return whether there is a folder; an error of the registry is raised."""
        return self._type(path) == 'directory'

    def isfile(self, path: str) -> bool:
        """Return whether there is a file; an error of the registry is raised."""
        return self._type(path) == 'file'

    def walk(self, path: str, maxdepth: int | None = None, topdown: bool = True, on_error: Any = 'omit', **kwargs: Any
             ) -> Any:
        """Yield folders with what is in them, as ``os.walk`` does; an error of the registry is raised."""
        def handle(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):  # a connection that broke is an OSError too
                raise error
        return super().walk(path, maxdepth, topdown, handle if on_error == 'omit' else on_error, **kwargs)

    find = one_call(AbstractFileSystem.find)
    glob = one_call(AbstractFileSystem.glob)
    du = one_call(AbstractFileSystem.du)
    expand_path = one_call(AbstractFileSystem.expand_path)

    def ukey(self, path: str) -> str:
        """Return the digest of a file, or of the manifest of an alias."""
        return str(self.info(path)['digest'])

    def checksum(self, path: str) -> int:
        """Return the digest of a file as a number."""
        return int(self.ukey(path).partition(':')[2], 16)

    def modified(self, path: str) -> datetime:
        """Return when the manifest of an alias was made.

        :raises io.UnsupportedOperation: it does not tell
        """
        with usual_errors():
            text = self.lookups.tree(self._locate(path)).text
        found = creation_time.created(load_object(text)) if text else None
        if found is None:
            raise io.UnsupportedOperation(f'the manifest of {path} does not tell when it was made')
        return found

    def created(self, path: str) -> datetime:
        """Return what :meth:`modified` does: what is stored never changes."""
        return self.modified(path)

    def sign(self, path: str, expiration: int = 100, **kwargs: Any) -> str:
        """Raise an error: registries have no signed addresses."""
        raise io.UnsupportedOperation('registries have no signed addresses')

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Raise an error: this class reads."""
        raise io.UnsupportedOperation('this filesystem reads')

    def _rm(self, path: str) -> None:
        raise io.UnsupportedOperation('this filesystem reads')

    # Reading

    def _file(self, path: str) -> tuple[Location, AnyFile]:
        location = self._locate(path)
        if not location.reference:
            raise DXFIsADirectoryError(str(location), 'it is a repository: name an alias, REPOSITORY@ALIAS/PATH')
        try:
            return location, self.lookups.tree(location).file_to_read(location.path)
        except DXFIsADirectoryError as error:
            raise error if location.path else DXFIsADirectoryError(
                str(location), 'it is a folder: name a file in it, REPOSITORY@ALIAS/PATH') from None

    def _reader(self, path: str) -> BlobReader:
        location, file = self._file(path)
        tree = self.lookups.tree(location)
        if isinstance(tree, SnapshotTree):
            return tree.open(location.path)
        return self.repository(location.repository).open_blobs(str(location), list(file.blobs))

    @one_call
    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        """Return the content of a file, or the part that a slice of it would be."""
        with self._reader(path) as file:
            first, last = bounds(start, end, file.size)
            return file.read() if (first, last) == (0, file.size) else file.pread(last - first, first)

    @one_call
    def cat(self, path: Any, recursive: bool = False, on_error: str = 'raise', **kwargs: Any) -> Any:
        """Return the content of a file, or by path that of several: of a list, a pattern, or all in a folder."""
        if not recursive:
            return super().cat(path, on_error=on_error, **kwargs)
        names = [name for name in self.expand_path(path, recursive=True) if not self.isdir(name)]
        found = {name: attempt(partial(self.cat_file, name), 'raise' if on_error == 'raise' else 'return')
                 for name in names}
        return {name: content for name, content in found.items()
                if on_error == 'return' or not isinstance(content, Exception)}

    @one_call
    def cat_ranges(self, paths: list[str], starts: Any, ends: Any, max_gap: int | None = None,
                   on_error: str = 'return', **kwargs: Any) -> list[Any]:
        """Return parts of files, fetched over several connections.

        :param max_gap: bytes between two parts that are fetched too, to save a request
        :param on_error: ``return`` the exception of a part in its place, or ``raise`` it
        """
        firsts, lasts = (value if isinstance(value, list) else [value] * len(paths) for value in (starts, ends))
        readers = {path: attempt(partial(self._reader, path), on_error) for path in dict.fromkeys(paths)}
        wanted = [Range(path, *bounds(first, last, readers[path].size), number) for number, (path, first, last) in
                  enumerate(zip(paths, firsts, lasts, strict=True)) if isinstance(readers[path], BlobReader)]

        def fetch(span: Span, _check: Callable[[], None]) -> dict[int, Any]:
            return span.parts(attempt(partial(readers[span.path].pread, span.end - span.start, span.start), on_error))
        jobs = self.repository(self._locate(paths[0]).repository).options.jobs if paths else 1
        parts = all_of(fetch, merged(wanted, MAX_GAP if max_gap is None else max_gap), jobs)
        found = {number: part for span in parts for number, part in span.items()}
        return [found.get(number, readers[path]) for number, path in enumerate(paths)]

    @one_call
    def get_file(self, rpath: str, lpath: Any = None, callback: Any = DEFAULT_CALLBACK, outfile: Any = None,
                 **kwargs: Any) -> None:
        """Fetch a file. What is there is replaced when all is there and verified."""
        if outfile is not None or isfilelike(lpath):
            super().get_file(rpath, lpath, callback, outfile, **kwargs)
        elif self.isdir(rpath):
            os.makedirs(lpath, exist_ok=True)
        else:
            location, file = self._file(rpath)
            target = os.path.abspath(lpath)
            self._targets.add(target)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            callback.set_size(file.size)
            if isinstance(file, SnapshotFile):
                self._get_part_by_part(rpath, target, callback)
                return
            self.repository(location.repository).pull_to_file(
                lpath, *(digest if size is None else (digest, size) for digest, size in file.blobs),
                progress=lambda digest, chunk, size: callback.relative_update(len(chunk)))

    def _get_part_by_part(self, rpath: str, target: str, callback: Any) -> None:
        with self._reader(rpath) as file, Temporary(os.path.dirname(target)) as content:
            for piece in file.part(0, file.size):
                content.write(piece)
                callback.relative_update(len(piece))
            content.keep_access(target)
            content.sync()
            content.publish(target)

    @one_call
    def get(self, rpath: Any, lpath: Any, recursive: bool = False, callback: Any = DEFAULT_CALLBACK,
            maxdepth: int | None = None, **kwargs: Any) -> None:
        """Fetch files.

        :raises FileExistsError: two of them would get one name; the first one is there
        """
        with self._targets.of_one_call():
            super().get(rpath, lpath, recursive, callback, maxdepth, **kwargs)
