"""Writing: files that are stored when they are closed, and transactions, which end with one manifest an alias."""

import io
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from fsspec.transaction import Transaction

from dxf.client import DXF
from dxf.filesystem.edits import AliasEdits, Change, layer_of
from dxf.filesystem.location import Location
from dxf.writing import BlobWriter

Record = Callable[[Location, Change], None]
"""Takes what a file becomes."""


class FileWriter(BlobWriter):
    """A file that is written: its blob is stored when it is closed, and then its alias is set, or in the end.

    :param location: of the file
    :param is_new: there may be no such file yet
    :param record: takes the change; ``None`` if the transaction does
    """

    def __init__(self, repository: DXF, location: Location, is_new: bool, record: Record | None) -> None:
        super().__init__(lambda chunks: repository.push_blob(data=chunks), str(location))
        self._location = location
        self._is_new = is_new
        self._record = record

    def close(self) -> None:
        """Store the blob, and set the alias unless a transaction does that.

        :raises Exception: it is not stored, or the alias is not set
        """
        if self.closed:
            return
        super().close()
        if self._record is not None:
            self._hand_over(self._record)

    def _hand_over(self, record: Record) -> None:
        if self.digest is not None:
            record(self._location, Change(layer_of(self.digest, self._position, self._location.path), self._is_new))

    def commit(self, record: Record) -> None:
        """Hand over the change, if the file was not given up."""
        self.close()
        self._hand_over(record)

    def discard(self) -> None:
        """Store nothing."""
        self.abandon()


class TextWriter(io.TextIOWrapper):
    """A text file that is written. An exception in its ``with`` block stores nothing."""

    def __init__(self, writer: FileWriter, **options: Any) -> None:
        super().__init__(writer, **options)
        self._writer = writer

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if exc_type is not None:
            self._writer.abandon()
        else:
            self.close()

    def __del__(self) -> None:  # io.TextIOWrapper closes here, which would store a file that was given up
        if hasattr(self, '_writer'):
            self._writer.abandon()


class Step:
    """A change without a file that is open: of ``cp``, ``mv``, ``rm``, ``put`` and ``pipe``."""

    def __init__(self, location: Location, change: Change) -> None:
        self._location = location
        self._change = change

    def commit(self, record: Record) -> None:
        """Hand over the change."""
        record(self._location, self._change)

    def discard(self) -> None:
        """Do nothing: nothing was changed."""


class Pending:
    """Changes that become one manifest an alias, in the order in which the aliases were first changed.

    :param repository_of: returns the client of a repository
    """

    def __init__(self, repository_of: Callable[[str], DXF]) -> None:
        self._repository_of = repository_of
        self._edits: dict[str, AliasEdits] = {}
        self._deletions: dict[str, Location] = {}

    def delete(self, location: Location) -> None:
        """Delete an alias after all manifests are stored: its files may get new names by them."""
        self._deletions[location.root] = location

    def add(self, location: Location, change: Change) -> None:
        """Add a change."""
        if location.root not in self._edits:
            self._edits[location.root] = AliasEdits(self._repository_of(location.repository), location)
        self._edits[location.root].add(location.path, change)

    def store(self) -> None:
        """Store the manifests, and delete aliases."""
        for edits in self._edits.values():
            edits.store()
        for location in self._deletions.values():
            self._repository_of(location.repository).del_alias(location.reference)

    def store_on(self, bases: dict[str, str | None]) -> None:
        """Store the manifests, each if its alias is what it was.

        :param bases: the digests of the manifests that aliases had
        :raises DXFConflictError: one has another
        """
        for root, edits in self._edits.items():
            edits.store_on(bases[root])


class RegistryTransaction(Transaction):
    """Changes that are made together at the end, if each alias is still what it was at its first change."""

    files: deque[Any]

    def __init__(self, fs: Any) -> None:
        super().__init__(fs)
        self._filesystem = fs
        self.bases: dict[str, str | None] = {}
        """The digests of the manifests that aliases had at their first change; ``None`` for no alias."""

    def complete(self, commit: bool = True) -> None:
        """End the transaction.

        :param commit: make the changes; else drop them
        :raises DXFConflictError: somebody else has set an alias meanwhile; its changes are dropped
        """
        files, self.files = self.files, deque()
        filesystem, self.fs = self._filesystem, None
        try:
            if commit:
                pending = Pending(filesystem.repository)
                while files:
                    files[0].commit(pending.add)
                    files.popleft()
                pending.store_on(self.bases)
        finally:
            for file in files:
                file.discard()
            filesystem.leave_transaction()
