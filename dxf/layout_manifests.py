"""Manifests of a layout: how they are found, what they lead to, and the entries of its index that name them."""

from collections.abc import Iterable
from contextlib import suppress

from dxf import manifests
from dxf.documents import Json
from dxf.exceptions import DXFError
from dxf.images import Manifest
from dxf.layout import NAME, Entry, Layout, digest_of, name_of
from dxf.limits import Limits
from dxf.manifests import ImageManifest, Index
from dxf.names import hash_bytes, is_digest

KNOWN_AS = 'vnd.dxf.schema1.digest'
"""Annotation of a schema 1 manifest: its digest, which is that of what was signed and not of the text."""


def known_as(entry: Entry) -> str:
    """Return the digest by which clients know a manifest."""
    annotations = entry.get('annotations')
    return str((annotations if isinstance(annotations, dict) else {}).get(KNOWN_AS) or entry['digest'])


def entry_of(manifest: Manifest, reference: str) -> Entry:
    """Return the entry for a manifest that is stored under a reference, an alias or its digest."""
    content = manifest.text.encode('utf-8')
    entry: Entry = {'mediaType': manifests.media_type_of(manifest.text), 'digest': hash_bytes(content),
                    'size': len(content)}
    annotations = {KNOWN_AS: manifest.digest} if manifest.digest != entry['digest'] else {}
    if not is_digest(reference):
        annotations[NAME] = reference
    return {**entry, 'annotations': annotations} if annotations else entry


def enter(entries: list[Entry], entry: Entry, manifest: Manifest) -> None:
    """Put a manifest into an index: in place of what has its name; what an index leads to needs no entry itself."""
    name = name_of(entry)
    inner = {child.digest for child in manifest.manifests} if isinstance(manifest, Index) else set()
    if name is None:
        inner.add(entry['digest'])
    entries[:] = [other for other in entries if (
        digest_of(other) not in inner if name_of(other) is None else name_of(other) != name)]
    entries.append(entry)


def find(layout: Layout, reference: str) -> tuple[bytes, Entry] | None:
    """Return a manifest's text and descriptor; by its digest also one that only another manifest names.

    :param reference: alias or digest
    :return: ``None`` where there is none
    """
    if is_digest(reference):
        entry = next((entry for entry in layout.entries() if reference in (entry['digest'], known_as(entry))),
                     {'digest': reference})
    else:
        entry = layout.entry(reference) or {}
    content = _content(layout, entry['digest']) if entry else None
    if content is None or 'mediaType' not in entry and not _is_manifest(content):
        return None
    return content, entry


def _content(layout: Layout, digest: str) -> bytes | None:
    """Return the text of a manifest; ``None`` where there is no such blob, or a larger one than manifests are."""
    size = layout.blob_size(digest)
    if size is None or size > Limits().manifest:
        return None
    try:
        with open(layout.blob_path(digest), 'rb') as file:
            return file.read(size)
    except FileNotFoundError:  # somebody has just removed it
        return None


def _is_manifest(content: bytes) -> bool:
    try:
        manifests.read(content.decode('utf-8'), verify=False)
    except (DXFError, UnicodeDecodeError):
        return False
    return True


def missing(layout: Layout, manifest: Manifest) -> str | None:
    """Return the digest of something that a manifest names and the layout lacks; ``None`` if there is nothing."""
    return next((digest for digest in _parts(manifest) if layout.blob_size(digest) is None), None)


def _parts(manifest: Manifest) -> Iterable[str]:
    if isinstance(manifest, Index):
        return [entry.digest for entry in manifest.manifests]
    if isinstance(manifest, ImageManifest):
        return [blob.digest for blob in (manifest.config, *manifest.layers) if not manifests.is_foreign(blob)]
    return manifest.blobs


def referrers(layout: Layout, digest: str) -> list[dict[str, Json]]:
    """Return the descriptors of the manifests that refer to another; what cannot be read does not."""
    found = {}
    for entry in [*layout.entries(), *_listed(layout, digest)]:
        content = _content(layout, entry['digest'])
        with suppress(DXFError, UnicodeDecodeError):
            if content is not None and manifests.subject_of(content.decode('utf-8')) == digest:
                found[entry['digest']] = manifests.referrer(content.decode('utf-8'), entry.get('mediaType'))
    return list(found.values())


def _listed(layout: Layout, digest: str) -> list[Entry]:
    """Return the entries of the index that lists what refers to a manifest, which clients keep for some registries.

    https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema
    """
    found = find(layout, digest.replace(':', '-'))
    with suppress(DXFError, UnicodeDecodeError):
        index = None if found is None else manifests.read(found[0].decode('utf-8'))
        if isinstance(index, Index):
            return [{'digest': entry.digest, 'mediaType': entry.media_type} for entry in index.manifests]
    return []
