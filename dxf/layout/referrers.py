"""Referrers of a layout: the manifests that refer to another, wherever an entry or an index leads to them.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
"""

from collections.abc import Iterator
from contextlib import suppress

from dxf.exceptions import DXFError, DXFInvalidDocumentError, DXFUnexpectedDigestMethodError
from dxf.layout.index import ENTRIES
from dxf.layout.manifests import read_manifest, unreadable_error
from dxf.layout.names import Entry, digest_of, is_usable
from dxf.layout.store import Layout
from dxf.manifest import image
from dxf.manifest.image import Index
from dxf.strict_json import Json, load_object


def referrers(layout: Layout, digest: str) -> list[dict[str, Json]]:
    """Return the descriptors of the manifests that refer to another; a document of another kind does not.

    :raises DXFInvalidDocumentError: a manifest is missing, damaged or of a digest that is no sha256, so that it is not
        known whether it does
    """
    return layout.referring(lambda: _by_subject(layout)).get(digest, [])


def _by_subject(layout: Layout) -> dict[str, list[dict[str, Json]]]:
    """Return the same of all manifests that others refer to, by their digests."""
    # A referrer may have an entry of its own, be in the index that a client keeps under a tag, or be named by another
    # index alone. All three places are searched, the tag as any other index.
    # https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#referrers-tag-schema
    found: dict[str, list[dict[str, Json]]] = {}
    pending = list({entry['digest']: entry for entry in _entries(layout)}.values())
    seen = {entry['digest'] for entry in pending}
    for entry in pending:
        content = read_manifest(layout, entry['digest'])
        if content is None:
            raise unreadable_error(layout, entry['digest'], 'missing or damaged: it is not known what it refers to')
        with suppress(DXFError, UnicodeDecodeError):
            subject = image.subject_of(content.decode('utf-8'))
            if subject is not None:
                found.setdefault(subject, []).append(image.referrer(content.decode('utf-8'), entry.get('mediaType')))
        for inner in _inner(layout, entry['digest'], content):
            if inner['digest'] not in seen:
                seen.add(inner['digest'])
                pending.append(inner)
    return found


def _entries(layout: Layout) -> Iterator[Entry]:
    """Yield the entries of the index that lead to a manifest."""
    for entry in layout.all_entries():
        if is_usable(entry):
            yield entry
        elif digest_of(entry) is not None:
            raise layout.unusable_error(entry, 'it is not known what it refers to')


def _inner(layout: Layout, digest: str, content: bytes) -> list[Entry]:
    """Return the manifests that an index lists. They have no entries of their own.

    :raises DXFInvalidDocumentError: one is named by another algorithm than sha256
    """
    try:
        index = image.read(content.decode('utf-8'), verify=False)
    except DXFUnexpectedDigestMethodError as error:
        if ENTRIES in load_object(content):
            raise DXFInvalidDocumentError(f'{layout.blob_path(digest)}: {error}: it is not known what that refers to'
                                          ) from None
        return []
    except (DXFError, UnicodeDecodeError):
        return []
    return [{'digest': entry.digest, 'mediaType': entry.media_type} for entry in index.manifests] \
        if isinstance(index, Index) else []
