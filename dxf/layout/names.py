"""Names in a layout: which entries of its index an alias names, and under which aliases entries are listed.

An entry's name is any text. Tools write a tag (``8.0``), a full reference (``docker.io/library/mysql:8.0``) or a name
without a tag (``mysql``). The tag of a full reference is a short name for it.
https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys
"""

from collections.abc import Iterable
from typing import Any, NoReturn

from dxf.exceptions import DXFAmbiguousAliasError, DXFError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.names import check_alias, check_digest, check_full_reference
from dxf.strict_json import Json

NAME = 'org.opencontainers.image.ref.name'

BY_DIGEST = 'vnd.dxf.by.digest'
"""Annotation of an entry that dxf wrote for a manifest that was stored under its digest."""

KNOWN_AS = 'vnd.dxf.schema1.digest'
"""Annotation of a schema 1 manifest: its digest, which is that of what was signed and not of the text."""

SOLE = 'latest'
"""The alias of a manifest without a name that is the only one of its layout."""

MAX_OF_ONE_NAME = 1000
"""Maximum number of entries with one name: one for each platform. They are kept in memory."""

Entry = dict[str, Json]


def name_of(entry: Json) -> str | None:
    """Return the name of an entry of an index, which may be anything; ``None`` where it has none."""
    name = annotations_of(entry).get(NAME)
    return name if isinstance(name, str) and name else None


def annotations_of(entry: Json) -> dict[str, Json]:
    """Return the annotations of an entry of an index, which may be anything."""
    annotations = entry.get('annotations') if isinstance(entry, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def known_digest(entry: Json) -> str | None:
    """Return the digest by which clients know a schema 1 manifest; ``None`` for an entry of another kind."""
    digest = annotations_of(entry).get(KNOWN_AS)
    return digest if isinstance(digest, str) and digest else None


def may_be_latest(entry: Entry) -> bool:
    """Return whether an entry without a name may be ``latest``: as on a registry, a digest alone makes no alias."""
    return name_of(entry) is None and BY_DIGEST not in annotations_of(entry)


def short_name(name: str) -> str | None:
    """Return the tag of a full reference; ``None`` where it has none, as ``mysql`` and ``mysql@sha256:...``."""
    _, colon, tag = name.rpartition(':')
    return tag if colon and '@' not in name and is_tag(tag) else None


def is_tag(name: str) -> bool:
    """Return whether a name is an alias that a registry takes too."""
    try:
        check_alias(name)
    except DXFInvalidNameError:
        return False
    return True


def select(entries: Iterable[Any], alias: str) -> list[Entry]:
    """Return the entries that an alias names: the name itself comes before the tag of a full reference.

    Several entries of one name are the platforms of one image, if their platforms differ.

    :raises DXFAmbiguousAliasError: it is the tag of several full references that name different manifests
    """
    exact: list[Entry] = []
    short: list[Entry] = []
    for entry in entries:
        name = name_of(entry)
        if name == alias:
            _add(exact, entry, alias)
        elif name is not None and name.endswith(f':{alias}') and short_name(name) == alias:
            _add(short, entry, alias)
    # The whole name wins, so that every entry can be reached, also one whose name is another's tag.
    if exact:
        return exact
    if len({str(name_of(entry)) for entry in short}) > 1 and len({str(entry.get('digest')) for entry in short}) > 1:
        raise_ambiguous(alias, short)
    return short


def _add(found: list[Entry], entry: Entry, alias: str) -> None:
    if len(found) == MAX_OF_ONE_NAME:
        raise DXFInvalidDocumentError(f'more than {MAX_OF_ONE_NAME} entries of the index are called {alias}')
    found.append(entry)


def raise_ambiguous(alias: str, entries: list[Entry]) -> NoReturn:
    """Raise the error that lists what an alias could mean: full references, else digests."""
    names = sorted({str(name_of(entry)) for entry in entries})
    if len(names) == 1:
        names = sorted({str(entry.get('digest')) for entry in entries})
    raise DXFAmbiguousAliasError(f'the alias {alias} is ambiguous, use one of: {", ".join(names)}')


def listed(entries: Iterable[Entry]) -> list[str]:
    """Return the aliases under which entries can be reached, sorted; names that break the grammar come last.

    A full reference is listed by its tag, unless something else has that tag too.
    """
    names = {name for entry in entries if (name := name_of(entry)) is not None}
    tags: dict[str, int] = {}
    for name in names:
        tag = short_name(name)
        if tag is not None:
            tags[tag] = tags.get(tag, 0) + 1
    shown: set[str] = set()
    broken: set[str] = set()
    for name in names:
        tag = None if is_tag(name) else short_name(name)
        if tag is not None and tag not in names and tags[tag] == 1:
            shown.add(tag)
        else:
            (shown if is_full_reference(name) else broken).add(name)
    return sorted(shown) + sorted(broken)


def is_full_reference(name: str) -> bool:
    """Return whether a name can be written as an alias."""
    try:
        check_full_reference(name)
    except DXFInvalidNameError:
        return False
    return True


def digest_of(entry: Json) -> str | None:
    """Return the digest of an entry of an index, which may be anything."""
    digest = entry.get('digest') if isinstance(entry, dict) else None
    return digest if isinstance(digest, str) else None


def is_usable(entry: Json) -> bool:
    """Return whether an entry of an index is a descriptor whose content dxf can verify."""
    try:
        check_digest(entry['digest'])
    except (TypeError, KeyError, AttributeError, DXFError):
        return False
    return isinstance(entry.get('mediaType', ''), str)
