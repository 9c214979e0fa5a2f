"""New entries: how the index of a layout changes when a manifest is stored.

The only manifest without a name is ``latest``. It gets that name when another manifest gets a name.
How manifests are found is decided in ``manifests``.
"""

from collections.abc import Callable

from dxf.layout.manifests import KNOWN_AS, sole
from dxf.layout.names import NAME, SOLE, Entry, name_of
from dxf.layout.store import Layout, digest_of
from dxf.manifest import image
from dxf.manifest.image import Index
from dxf.manifest.platforms import Manifest
from dxf.names import hash_bytes, is_sha256
from dxf.strict_json import Json


def change_for(layout: Layout, manifest: Manifest, reference: str) -> tuple[Callable[[Json], bool], list[Entry]]:
    """Return how the index changes when a manifest is stored: which entries stay, and which ones are added.

    The new entry replaces those of its name. What an index leads to needs no entry without a name.

    :param reference: the alias or the digest under which it is stored
    """
    entry = _entry_of(manifest, reference)
    name = name_of(entry)
    # skopeo takes every entry for an image of its own. Entries for the images of an index would be copied twice.
    inner = {child.digest for child in manifest.manifests} if isinstance(manifest, Index) else set()
    # What an index leads to may have been stored for it a moment ago, and is no alias.
    latest = None if name in (None, SOLE) else sole(layout, inner)
    if name is None:
        inner.add(entry['digest'])

    def is_kept(other: Json) -> bool:
        if name_of(other) is None:
            return digest_of(other) not in inner and (latest is None or other != latest)
        return name_of(other) != name
    return is_kept, [entry] if latest is None else [_called_latest(latest), entry]


def _entry_of(manifest: Manifest, reference: str) -> Entry:
    """Return the entry for a manifest that is stored under a reference, an alias or its digest."""
    content = manifest.text.encode('utf-8')
    entry: Entry = {'mediaType': image.media_type_of(manifest.text), 'digest': hash_bytes(content),
                    'size': len(content)}
    annotations = {KNOWN_AS: manifest.digest} if manifest.digest != entry['digest'] else {}
    if not is_sha256(reference):
        annotations[NAME] = reference
    return {**entry, 'annotations': annotations} if annotations else entry


def _called_latest(entry: Entry) -> Entry:
    """Return an entry with the name by which it was reached without one."""
    annotations = entry.get('annotations')
    return {**entry, 'annotations': {**(annotations if isinstance(annotations, dict) else {}), NAME: SOLE}}
