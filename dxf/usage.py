"""Usage: how many bytes the aliases of a repository take, and how many of them each has for itself.

``listing`` asks for the manifests. ``layout.garbage`` finds the blobs of a folder that no alias needs.
"""

from collections.abc import Iterable
from typing import NamedTuple

from requests.exceptions import HTTPError

from dxf.client import DXF
from dxf.contents import Contents
from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.listing import about_left_out, each, is_about_one
from dxf.manifest.image import ImageManifest
from dxf.manifest.platforms import Manifest
from dxf.parameters import checked
from dxf.strict_json import Json

MAX_BLOBS = 500_000
"""Maximum number of different blobs. Each takes about 200 bytes of memory."""

SHARED = -1
"""Stands in place of the number of the only alias that needs a blob."""


class AliasUsage(NamedTuple):
    """The bytes of the different blobs of an alias.

    :param own: the bytes of those that no other alias needs
    """

    alias: str
    size: int
    own: int

    @property
    def shared(self) -> int:
        """The bytes of the blobs that another alias needs, too."""
        return self.size - self.own

    def line(self) -> str:
        """Return the same as a line for people."""
        return f'{self.alias} {self.size} {self.own} {self.shared}'

    def document(self) -> dict[str, Json]:
        """Return the same as a JSON object."""
        return {'alias': self.alias, 'size': self.size, 'own': self.own, 'shared': self.shared}


class Usage(NamedTuple):
    """The bytes that aliases take.

    :param total: those of all different blobs
    """

    aliases: tuple[AliasUsage, ...]
    total: int


@checked
def usage(repository: DXF, aliases: Iterable[str] | None = None, left_out: list[str] | None = None) -> Usage:
    """Return how many bytes the blobs of aliases have.

    Each alias costs one request, and several are asked for at once. Each manifest of an index, and each blob of schema
    1, costs one more. Manifests, and layers that a registry need not have, are not counted.

    :param aliases: all aliases of the repository if they are not given
    :param left_out: gets a sentence for each alias whose manifest is missing or cannot be read; without it, that is an
        error
    :raises DXFHTTPError: the registry refused
    :raises DXFInvalidDocumentError: there are more than :data:`MAX_BLOBS` blobs
    """
    counts = _Counts()
    for alias, found in each(repository, aliases, _needs, left_out):
        if isinstance(found, dict):
            counts.add(alias, found)
            continue
        try:
            counts.add(alias, _all_needs(repository, found))
        except (DXFError, HTTPError) as error:
            if left_out is None or not is_about_one(error):
                raise
            left_out.append(about_left_out(alias, error))
    return counts.result()


def _needs(alias: str, manifest: Manifest) -> 'tuple[str, dict[str, int] | Manifest]':
    """Return an alias and the sizes of the blobs that it needs; or its manifest, if that does not tell."""
    if isinstance(manifest, ImageManifest):
        return alias, {blob.digest: blob.size for blob in manifest.required}
    return alias, manifest


def _all_needs(repository: DXF, manifest: Manifest) -> dict[str, int]:
    """Return the sizes of the blobs that an index, or a manifest of schema 1, leads to."""
    contents = Contents(repository, manifest, False)
    return {digest: size for digest, size in contents.blobs.items() if digest in contents.required}


class _Counts:
    """The bytes of each alias. Of each blob it keeps the size, and which alias alone needs it."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._totals: list[int] = []
        self._own: list[int] = []
        self._sizes: dict[bytes, int] = {}
        self._owners: dict[bytes, int] = {}

    def add(self, alias: str, blobs: dict[str, int]) -> None:
        """Add an alias, and the sizes of the blobs that it needs, by digest."""
        number = len(self._names)
        self._names.append(alias)
        self._totals.append(0)
        self._own.append(0)
        for digest, size in blobs.items():
            self._add_blob(number, bytes.fromhex(digest.partition(':')[2]), size)
        if len(self._sizes) > MAX_BLOBS:
            raise DXFInvalidDocumentError(f'the aliases name more than {MAX_BLOBS} different blobs')

    def _add_blob(self, number: int, blob: bytes, size: int) -> None:
        # A manifest may declare a wrong size. The first one counts for all, so that the sums agree.
        size = self._sizes.setdefault(blob, size)
        self._totals[number] += size
        owner = self._owners.setdefault(blob, number)
        if owner == number:
            self._own[number] += size
        elif owner != SHARED:
            self._own[owner] -= size
            self._owners[blob] = SHARED

    def result(self) -> Usage:
        """Return the bytes of all aliases."""
        rows = zip(self._names, self._totals, self._own, strict=True)
        return Usage(tuple(AliasUsage(*row) for row in rows), sum(self._sizes.values()))
