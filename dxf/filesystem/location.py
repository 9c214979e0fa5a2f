"""Locations: the paths of a filesystem, ``[REGISTRY/]REPOSITORY[@ALIAS[/PATH]]``."""

from typing import NamedTuple

from dxf.exceptions import DXFIsADirectoryError
from dxf.names import is_sha256


class Location(NamedTuple):
    """A path, in its parts.

    :param repository: the repository as it was written, perhaps with its registry
    :param reference: an alias, or a digest; empty for the repository itself
    :param path: of the file in it; empty for all of it
    """

    repository: str
    reference: str = ''
    path: str = ''

    @property
    def root(self) -> str:
        """The path of all that the alias names."""
        return f'{self.repository}@{self.reference}' if self.reference else self.repository

    @property
    def is_pinned(self) -> bool:
        """Whether it is named by a digest: that never changes."""
        return is_sha256(self.reference)

    def __str__(self) -> str:
        return f'{self.root}/{self.path}' if self.path else self.root

    def child(self, path: str) -> str:
        """Return the path of something else that the alias names."""
        return str(Location(self.repository, self.reference, path))

    def check_writable(self) -> 'Location':
        """Return the location if a file can be stored there.

        :raises DXFIsADirectoryError: it names no file
        :raises PermissionError: it is named by a digest
        """
        if self.is_pinned:
            raise PermissionError(f'{self.root} is named by its digest, and never changes: write to an alias')
        if not self.reference or not self.path:
            raise DXFIsADirectoryError(str(self), 'name a file in an alias: REPOSITORY@ALIAS/PATH')
        return self


def parse(path: str) -> Location:
    """Return the parts of a path. A slash ends the alias, so that aliases with slashes cannot be named."""
    repository, _, rest = path.partition('@')
    reference, _, inner = rest.partition('/')
    return Location(repository, reference, inner.rstrip('/'))
