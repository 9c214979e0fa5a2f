"""Changes that are made together: those of one call, and those of a transaction. Each alias gets one manifest."""

from collections import deque
from collections.abc import Callable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from fsspec.transaction import Transaction

from dxf.client import DXF
from dxf.filesystem.edits import AliasEdits, Change
from dxf.filesystem.errors import usual_errors
from dxf.filesystem.location import Location

Record = Callable[[Location, Change], None]
"""Takes what a file becomes."""

Alias = tuple[DXF, str]
"""An alias, by the client of its repository: paths that name the registry or leave it out mean the same one."""


class Pending:
    """The changes of a call, or of a transaction. They become one manifest an alias.

    :param repository_of: returns the client of a repository; an alias is one of a client, however its path is written
    """

    def __init__(self, repository_of: Callable[[str], DXF]) -> None:
        self._repository_of = repository_of
        self._edits: dict[Alias, AliasEdits] = {}
        self._deletions: dict[Alias, str] = {}

    def _alias(self, location: Location) -> Alias:
        return self._repository_of(location.repository), location.reference

    def delete(self, location: Location, digest: str) -> None:
        """Delete an alias after all manifests are stored: its files may get new names by them.

        :param digest: of the manifest that it names
        """
        self._deletions[self._alias(location)] = digest

    def add(self, location: Location, change: Change) -> None:
        """Add a change, in place of an earlier one of the same file."""
        alias = self._alias(location)
        if alias not in self._edits:
            self._edits[alias] = AliasEdits(alias[0], location)
        self._edits[alias].add(location.path, change)

    def commit(self, record: Record) -> None:
        """Hand over the changes: the call that made them was part of a transaction."""
        for edits in self._edits.values():
            edits.hand_over(record)

    def discard(self) -> None:
        """Do nothing: nothing was changed."""

    def _in_order(self) -> list[tuple[Alias, AliasEdits]]:
        """Return the edits; a file that is moved is in its new alias before the old one loses it.

        :raises ValueError: there is no such order
        """
        try:
            return [(alias, self._edits[alias]) for alias in TopologicalSorter(self._earlier()).static_order()]
        except CycleError:
            raise ValueError('files of aliases would change places: give one of them another name first') from None

    def _earlier(self) -> dict[Alias, set[Alias]]:
        """Return for each alias those that are to be set before it."""
        adding = {alias for alias, edits in self._edits.items() if not edits.only_removes}
        earlier = {alias: adding if edits.only_removes else set() for alias, edits in self._edits.items()}
        for alias in adding:
            for source in self._edits[alias].sources():
                origin = self._alias(source)
                if origin in adding - {alias} and self._edits[origin].changes(source.path):
                    earlier[origin].add(alias)
        return earlier

    def store(self) -> None:
        """Store the manifests, and delete aliases.

        :raises ValueError: files would be moved into the alias that they are to leave, or change places between
            aliases; nothing is changed
        :raises DXFConflictError: somebody else has set an alias meanwhile; it stays
        """
        for alias in self._edits.keys() & self._deletions.keys():
            raise ValueError(f'all of the alias {alias[1]} cannot be moved into itself')
        for _, edits in self._in_order():
            edits.store()
        for (repository, reference), digest in self._deletions.items():
            repository.check_current(reference, digest)
            repository.del_alias(reference)

    def store_on(self, bases: Mapping[Alias, str | None]) -> None:
        """Store the manifests, if each alias is what it was; all of them are looked up before the first is stored.

        :param bases: the digests of the manifests that aliases had; ``None`` for no alias
        :raises DXFConflictError: one has another
        """
        trees = [(edits, edits.current(bases[alias])) for alias, edits in self._in_order()]
        for edits, tree in trees:
            edits.store_on(tree)


class RegistryTransaction(Transaction):
    """Changes that are made together at the end, if each alias is still what it was at its first change."""

    files: deque[Any]

    def __init__(self, fs: Any) -> None:
        super().__init__(fs)
        self._filesystem = fs
        self.bases: dict[Alias, str | None] = {}
        """The digests of the manifests that aliases had at their first change; ``None`` for no alias."""

    def start(self) -> None:
        """Begin.

        :raises ValueError: a transaction of this filesystem is open: its changes would be lost
        """
        if self._filesystem.in_transaction:
            raise ValueError('a transaction of this filesystem is open: end it first')
        super().start()

    def complete(self, commit: bool = True) -> None:
        """End the transaction.

        :param commit: make the changes; else drop them
        :raises DXFConflictError: somebody else has set an alias meanwhile; it stays
        """
        files, self.files = self.files, deque()
        filesystem, self.fs = self._filesystem, None
        try:
            if commit:
                pending = Pending(filesystem.repository)
                while files:
                    files[0].commit(pending.add)
                    files.popleft()
                with usual_errors():
                    pending.store_on(self.bases)
        finally:
            for file in files:
                file.discard()
            filesystem.leave_transaction()
