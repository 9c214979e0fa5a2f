"""Remaining aliases: what the aliases of a repository that are not deleted still need.

What is deleted, and how, belongs to ``alias_deletion``.
"""

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, NamedTuple, Protocol

from requests import Response
from requests.exceptions import HTTPError

from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.manifest.image import IMAGES, SCHEMA1, Index, base_type
from dxf.manifest.platforms import Manifest
from dxf.names import is_sha256
from dxf.options import Options
from dxf.strict_json import load_object
from dxf.transfer.parallel import all_of, each_once
from dxf.transport.responses import is_not_found

DEPTH = 8
"""How deep indexes may be nested."""

MAX_INDEXES = 10_000
"""How many indexes are read."""

NO_INDEXES = (*IMAGES, *SCHEMA1)
"""Types of entries that are no indexes. What has another type, or none, may be one."""

REFUSALS = (DXFError, HTTPError)
"""What a registry says or sends that leaves a question open; a broken network is an error of its own."""


class Repository(Protocol):
    """What a deletion needs of :class:`dxf.DXF`."""

    _host: str
    _repo: str
    options: Options

    @property
    def schema(self) -> str:
        """What is written: ``v2``, ``oci`` or ``v1``."""

    def _request(self, method: str, path: str, **kwargs: Any) -> Response: ...

    def manifest_path(self, reference: str) -> str:
        """Return the path of a manifest."""

    def resolve(self, alias: str) -> Manifest:
        """Fetch what an alias names, and read it."""

    def set_manifest(self, alias: str, manifest_json: str) -> None:
        """Store a manifest under an alias."""

    def get_manifest_and_response(self, alias: str) -> tuple[str, Response]:
        """Fetch a manifest."""

    def head_manifest_and_response(self, alias: str) -> tuple[str | None, Response]:
        """Ask for a manifest's digest."""

    def manifest_digest(self, alias: str) -> str:
        """Return the digest of the manifest that an alias names."""

    def list_aliases(self, batch_size: int | None = None, iterate: bool = False) -> Iterable[str]:
        """List the aliases."""

    def push_blob(self, filename: str | None = None, progress: None = None, data: Any = None) -> str:
        """Store a blob."""

    def list_under_tag(self, subject: str, entries: list[dict[str, Any]], gone: Collection[str] = ()) -> None:
        """Change the index under the referrers tag of a manifest."""

    def list_referrers(self, digest: str) -> list[dict[str, object]]:
        """Return the descriptors of the manifests that refer to another."""


class Needs(NamedTuple):
    """What the remaining aliases need, of the digests that were asked for.

    ``named`` are the aliases that name a digest themselves, ``listed`` those whose index lists it. ``unknown`` says
    why this may be incomplete; ``None`` if it is complete.
    """

    named: dict[str, list[str]]
    listed: dict[str, list[str]]
    unknown: str | None = None

    def users(self, digest: str) -> list[str]:
        """Return the aliases that need a digest."""
        return list(dict.fromkeys([*self.named.get(digest, ()), *self.listed.get(digest, ())]))


class _Head(NamedTuple):
    """What is known of an alias: the digest of its manifest, and whether that may be an index.

    ``unknown`` says why nothing is known; without it and without a digest there is no such manifest.
    """

    digest: str | None = None
    may_be_index: bool = False
    unknown: str | None = None


class _Listed(NamedTuple):
    """What an index lists: of the digests that were asked for, and indexes; ``unknown`` says why it was not read."""

    wanted: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    unknown: str | None = None


def find_needs(dxf: Repository, digests: Collection[str], going: Collection[str],
               ignored: Collection[tuple[str, str]] = ()) -> Needs:
    """Find out which of some manifests are needed by the aliases of a repository that are not deleted.

    The aliases are listed once. A HEAD asks for each, several at once. Only indexes are fetched, each once. A listing
    that lacks an alias which is there is not complete.

    :param digests: of the manifests
    :param going: the aliases that are deleted, which are there; and digests
    :param ignored: pairs of an alias and a digest that its index may list without needing it
    """
    try:
        names = list(dict.fromkeys(dxf.list_aliases(iterate=True)))
    except REFUSALS as error:
        return Needs({}, {}, f'the aliases cannot be listed: {error}')
    leaving = _listed_names(names, going)
    heads = each_once(partial(_head, dxf), [name for name in names if name not in leaving], dxf.options.jobs)
    named: dict[str, list[str]] = {}
    indexes: dict[str, list[str]] = {}
    for name, head in heads.items():
        if head.digest in digests:
            named.setdefault(str(head.digest), []).append(name)
        if head.digest is not None and head.may_be_index:
            indexes.setdefault(head.digest, []).append(name)
    listed, unread = _walk(dxf, digests, indexes, ignored)
    unknown = _left_out(names, leaving) or next(filter(None, (head.unknown for head in heads.values())), None)
    return Needs(named, listed, unknown or unread or _still_listed(
        dxf, [name for name, head in heads.items() if head == _Head()]))


def _listed_names(names: Collection[str], references: Collection[str]) -> set[str]:
    """Return the names that a listing has for aliases: a folder lists a full reference by its tag, if that is free."""
    there = set(names)
    return {alias if alias in there else alias.rpartition(':')[2] for alias in references if not is_sha256(alias)}


def _left_out(names: Collection[str], there: Collection[str]) -> str | None:
    """Return why a listing is not complete: it lacks an alias that is there; ``None`` if it has all of these."""
    missing = set(there).difference(names)
    return f'the listing of the aliases leaves out {min(missing)}' if missing else None


def _head(dxf: Repository, alias: str) -> _Head:
    """Ask which manifest an alias names; fetch it only if the registry does not tell."""
    try:
        digest, response = dxf.head_manifest_and_response(alias)
        if digest is not None and digest.startswith('sha256:'):
            return _Head(digest, base_type(response.headers.get('Content-Type')) not in NO_INDEXES)
        stored = dxf.resolve(alias)
        return _Head(stored.digest, isinstance(stored, Index))
    except REFUSALS as error:
        if isinstance(error, HTTPError) and is_not_found(error):
            return _Head()
        return _Head(unknown=f'the alias {alias} cannot be read: {error}')


def _still_listed(dxf: Repository, missing: list[str]) -> str | None:
    """Return why it is not known what aliases without a manifest need; ``None`` if they have been deleted meanwhile.

    An alias that is still listed is damaged, and may have named an index.
    """
    if not missing:
        return None
    try:
        names = set(dxf.list_aliases(iterate=True))
    except REFUSALS as error:
        return f'the aliases cannot be listed: {error}'
    return next((f'the manifest of the alias {name} is missing' for name in missing if name in names), None)


def _walk(dxf: Repository, digests: Collection[str], indexes: dict[str, list[str]],
          ignored: Collection[tuple[str, str]]) -> tuple[dict[str, list[str]], str | None]:
    """Read indexes, and those within them.

    :param indexes: by digest, the aliases that name it
    :return: by digest, the aliases whose index lists it; and why some could not be read
    """
    listed: dict[str, list[str]] = {}
    seen = set(indexes)
    for _ in range(DEPTH):
        if not indexes:
            return listed, None
        if len(seen) > MAX_INDEXES:
            return listed, f'there are more than {MAX_INDEXES} indexes'
        read = all_of(lambda digest, check: _read_index(dxf, digest, digests), list(indexes), dxf.options.jobs)
        inner: dict[str, list[str]] = {}
        for aliases, index in zip(indexes.values(), read, strict=True):
            if index.unknown is not None:
                return listed, index.unknown
            for digest in index.wanted:
                listed.setdefault(digest, []).extend(
                    alias for alias in aliases if (alias, digest) not in ignored)
            inner.update((digest, aliases) for digest in index.indexes if digest not in seen)
        seen |= inner.keys()
        indexes, ignored = inner, ()
    return listed, 'indexes are nested too deep' if indexes else None


def _read_index(dxf: Repository, digest: str, digests: Collection[str]) -> _Listed:
    """Fetch an index; a manifest of a kind that dxf does not know lists what its ``manifests`` name."""
    try:
        text, _ = dxf.get_manifest_and_response(digest)
        entries = load_object(text).get('manifests', [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DXFInvalidDocumentError('invalid index: manifests is no list of descriptors')
        entries = [entry for entry in entries if isinstance(entry.get('digest'), str)]
        return _Listed(tuple(entry['digest'] for entry in entries if entry['digest'] in digests),
                       tuple(entry['digest'] for entry in entries if entry.get('mediaType') not in NO_INDEXES))
    except REFUSALS as error:
        return _Listed(unknown=f'the index {digest} cannot be read: {error}')
