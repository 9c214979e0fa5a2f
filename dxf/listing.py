"""Listings: what the aliases of a repository hold, by one request for each.

``usage`` counts the bytes that aliases share. ``transport.pagination`` reads the names.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from requests.exceptions import HTTPError

from dxf.artifacts.manifest import SNAPSHOT_TYPE, name_of
from dxf.client import DXF
from dxf.exceptions import DXFDigestMismatchError, DXFError
from dxf.manifest.creation_time import created
from dxf.manifest.image import DOCKER_CONFIG, OCI_CONFIG, ImageManifest, Index
from dxf.manifest.platforms import Manifest, is_missing_or_odd
from dxf.parameters import checked
from dxf.strict_json import Json, load_object
from dxf.transfer.parallel import all_of

Result = TypeVar('Result')

BATCH = 32
"""The fewest aliases whose manifests are asked for before the first result is handed out."""

BLOBS, FILES, IMAGE, INDEX, SNAPSHOT, ARTIFACT, SCHEMA1 = \
    'blobs', 'files', 'image', 'index', 'snapshot', 'artifact', 'schema1'
"""The kinds of what an alias names."""

_RUN = r'(?a)\d+|\D+'
_PRE_RELEASE, _END, _TEXT, _NUMBER = range(4)
"""How the parts of a version are ordered. A version with a hyphen comes before the one without:
https://semver.org/#spec-item-11
"""


class Entry(NamedTuple):
    """An alias, and what it names.

    :param digest: of the manifest
    :param size: the bytes of the blobs, as ``dxf blob-size`` adds them up; ``None`` where the manifest does not tell:
        an index, and schema 1
    :param created: when the manifest was made, in UTC, by its annotation; ``None`` without one
    :param kind: ``blobs`` that dxf has named, ``files`` with names, an ``image``, an ``index`` of several manifests,
        a ``snapshot`` of ``dxf backup``, another ``artifact``, or ``schema1``
    """

    alias: str
    digest: str
    size: int | None
    created: datetime | None
    kind: str

    @property
    def time(self) -> str | None:
        """When the manifest was made, as text, in seconds."""
        return None if self.created is None else f'{self.created.replace(tzinfo=None).isoformat("T", "seconds")}Z'

    def line(self) -> str:
        """Return the same as a line for people; ``-`` stands for what is not known."""
        return f'{self.alias} {self.digest} {"-" if self.size is None else self.size} {self.time or "-"} {self.kind}'

    def document(self) -> dict[str, Json]:
        """Return the same as a JSON object."""
        return {'alias': self.alias, 'digest': self.digest, 'size': self.size, 'created': self.time,
                'kind': self.kind}


@checked
def entries(repository: DXF, aliases: Iterable[str] | None = None, left_out: list[str] | None = None
            ) -> Iterator[Entry]:
    """Yield what aliases hold, in their order. Each costs one request, and several are asked for at once.

    :param aliases: all aliases of the repository if they are not given
    :param left_out: gets a sentence for each alias whose manifest is missing or cannot be read; without it, that is an
        error
    :raises DXFHTTPError: the registry refused
    """
    return each(repository, aliases, _entry, left_out)


def each(repository: DXF, aliases: Iterable[str] | None, read: Callable[[str, Manifest], Result],
         left_out: list[str] | None) -> Iterator[Result]:
    """Yield what ``read`` makes of each alias and its manifest. The manifests themselves are not kept.

    The other parameters are those of :func:`entries`.
    """
    names = iter(repository.list_aliases() if aliases is None else aliases)
    ask = partial(_ask, repository, read)
    while batch := list(islice(names, max(BATCH, 4 * repository.options.jobs))):
        for alias, answer in zip(batch, all_of(ask, batch, repository.options.jobs), strict=True):
            if not isinstance(answer, _Failed):
                yield answer
            elif left_out is None:
                raise answer.error
            else:
                left_out.append(about_left_out(alias, answer.error))


def about_left_out(alias: str, error: Exception) -> str:
    """Return the sentence about an alias that cannot be read."""
    return f'the alias {alias} is left out: {error}'


def is_about_one(error: Exception) -> bool:
    """Return whether an error is about the manifest of one alias: others may be read all the same."""
    return isinstance(error, DXFDigestMismatchError) or is_missing_or_odd(error)


class _Failed(NamedTuple):
    """An alias that cannot be read."""

    error: Exception


def _ask(repository: DXF, read: Callable[[str, Manifest], Result], alias: str, _check: Callable[[], None]
         ) -> 'Result | _Failed':
    try:
        return read(alias, repository.resolve(alias))
    except (DXFError, HTTPError) as error:
        if not is_about_one(error):
            raise
        return _Failed(error)


def _entry(alias: str, manifest: Manifest) -> Entry:
    document = load_object(manifest.text)
    size = sum(layer.size for layer in manifest.layers) if isinstance(manifest, ImageManifest) else None
    return Entry(alias, manifest.digest, size, created(document), _kind(manifest, document))


def _kind(manifest: Manifest, document: dict[str, Json]) -> str:
    """Return the kind of what a manifest names."""
    if isinstance(manifest, Index):
        return INDEX
    if not isinstance(manifest, ImageManifest):
        return SCHEMA1
    if document.get('artifactType') == SNAPSHOT_TYPE:
        return SNAPSHOT
    if any(_has_name(layer) for layer in document['layers']):
        return FILES
    # dxf gives the first blob as the configuration, which is no image's.
    if manifest.config.digest in {layer.digest for layer in manifest.layers}:
        return BLOBS
    return IMAGE if manifest.config.media_type in (DOCKER_CONFIG, OCI_CONFIG) else ARTIFACT


def _has_name(layer: Json) -> bool:
    """Return whether a layer is a file with a name."""
    annotations = layer.get('annotations')
    return isinstance(annotations, dict) and name_of(annotations) is not None


def by_version(alias: str) -> Any:
    """Return a key by which aliases are sorted as versions: ``v1.9``, ``v1.10-rc1``, ``v1.10``."""
    runs = re.findall(_RUN, re.sub(r'\A[vV](?=\d)', '', alias))
    return [*map(_part, runs), (_END, 0, '')], alias


def _part(run: str) -> tuple[int, int, str]:
    """Return the key of a part of a version, a number or a text."""
    if run.isdecimal():
        return _NUMBER, int(run), ''
    return _PRE_RELEASE if run.startswith('-') else _TEXT, 0, run


def by_time(entry: Entry) -> Any:
    """Return a key by which entries are sorted by their times, the latest last; those without a time come first."""
    return entry.created is not None, entry.created, entry.alias


def by_size(entry: Entry) -> Any:
    """Return a key by which entries are sorted by their sizes, the largest last; those without a size come first."""
    return entry.size is not None, entry.size or 0, entry.alias
