"""New entries: how the index of a layout changes when a manifest is stored, or several are deleted.

A manifest that another tool stored without a name may be ``latest``. It gets that name when another manifest gets one.
``manifests`` finds manifests.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from dxf.layout.folder import Removal
from dxf.layout.manifests import sole
from dxf.layout.names import (BY_DIGEST, KNOWN_AS, NAME, SOLE, Entry, annotations_of, digest_of, is_usable, name_of,
                              short_name)
from dxf.layout.store import Layout
from dxf.manifest import image
from dxf.manifest.image import Index
from dxf.manifest.platforms import Manifest
from dxf.manifest.received import content_type_of
from dxf.names import hash_bytes, is_sha256
from dxf.strict_json import Json


class Change(NamedTuple):
    """How an index changes: which entries go, and which ones are added.

    ``made`` are the digests of new entries that may go when an index lists them; ``unmade`` those of entries that go.
    """

    removal: Removal
    added: list[Entry]
    made: frozenset[str] = frozenset()
    unmade: frozenset[str] = frozenset()


def change_for(layout: Layout, manifest: Manifest, reference: str) -> Change:
    """Return how the index changes when a manifest is stored.

    The new entry replaces those of its name. What an index leads to needs no entry without a name, if this client has
    made that entry. Entries that were there before stay.

    :param reference: the alias or the digest under which it is stored
    """
    entry = _entry_of(manifest, reference)
    # skopeo takes every entry for an image of its own. Entries for the images of an index would be copied twice.
    unwanted = frozenset(child.digest for child in manifest.manifests if child.digest in layout.made) \
        if isinstance(manifest, Index) else frozenset()
    if is_sha256(reference):
        return _change_by_digest(layout, manifest, entry, unwanted)
    latest = None if reference == SOLE else sole(layout)

    def goes(other: Json) -> bool:
        if name_of(other) is not None:
            return name_of(other) == reference
        return digest_of(other) in unwanted or latest is not None and other == latest
    if latest is None:
        return Change(Removal({reference, *unwanted}, goes), [entry], unmade=unwanted)
    return Change(Removal({reference, latest['digest'], *unwanted}, goes), [_annotated(latest, NAME, SOLE), entry],
                  unmade=unwanted)


def _change_by_digest(layout: Layout, manifest: Manifest, entry: Entry, unwanted: frozenset[str]
                      ) -> Change:
    """Return how the index changes when a manifest is stored under its digest."""
    digest = str(entry['digest'])
    before = next((other for other in layout.entries_of(digest)
                   if is_usable(other) and name_of(other) is None and other['digest'] == digest), None)
    is_changed = False
    if before is not None:
        # Its members and annotations stay: they may be another tool's, and ``latest`` may depend on them.
        annotations = {**annotations_of(before), **annotations_of(entry)}
        entry = {**before, **entry, **({'annotations': annotations} if annotations else {})}
        is_changed = entry != before

    def goes(other: Json) -> bool:
        return name_of(other) is None and digest_of(other) in unwanted or is_changed and other == before
    removal = Removal({digest, *unwanted}, goes)
    if before is not None:
        return Change(removal, [entry] if is_changed else [], unmade=unwanted)
    # What is attached needs its entry also if an index lists it: the index may go.
    if image.subject_in(manifest.text) is not None:
        return Change(removal, [entry], unmade=unwanted)
    return Change(removal, [_annotated(entry, BY_DIGEST, 'true')], frozenset({digest}), unwanted)


def _entry_of(manifest: Manifest, reference: str) -> Entry:
    """Return the entry for a manifest that is stored under a reference, an alias or its digest."""
    content = manifest.text.encode('utf-8')
    entry: Entry = {'mediaType': content_type_of(manifest), 'digest': hash_bytes(content),
                    'size': len(content)}
    if manifest.digest != entry['digest']:
        entry = _annotated(entry, KNOWN_AS, manifest.digest)
    return entry if is_sha256(reference) else _annotated(entry, NAME, reference)


def _annotated(entry: Entry, key: str, value: str) -> Entry:
    """Return an entry with one more annotation."""
    return {**entry, 'annotations': {**annotations_of(entry), key: value}}


def single(entries: Iterable[Json], wanted: Mapping[str, str]) -> set[str]:
    """Return the references that mean entries of one manifest alone, and nothing that needs a closer look.

    That is the tag of a full reference, say, or a manifest without an entry.

    :param wanted: by alias or digest, the digest of the manifest that it is to mean
    """
    found: set[str] = set()
    others: set[str | None] = set()
    for entry in entries:
        name, digest = name_of(entry), digest_of(entry)
        if name in wanted:
            (found if is_usable(entry) and wanted[str(name)] == digest else others).add(str(name))
        elif name is not None:
            others.add(short_name(name))
        if digest in wanted:
            found.add(str(digest))
    return found - others
