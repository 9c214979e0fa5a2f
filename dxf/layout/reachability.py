"""Reachability: what the entries of a layout's index lead to, which must therefore stay.

One rule for garbage collection, for deletions and for new manifests. What is not known is an error, and never empty: a
manifest that is missing or damaged may name any blob.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.layout.names import name_of
from dxf.layout.store import Layout
from dxf.limits import READ_SIZE, Limits
from dxf.local.atomic_files import open_regular
from dxf.manifest.image import EMPTY_TYPE
from dxf.names import check_digest, digest_of, hash_bytes
from dxf.strict_json import Json, load_json

_OTHER_DIGEST = r'(?a)[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]{32,}'
_ANY_DIGEST = rb'sha256:[a-f0-9]{64}'
_DIGEST_LENGTH = 71


class _Found(NamedTuple):
    """A descriptor, where it was found."""

    descriptor: dict[str, Json]
    is_manifest: bool
    is_optional: bool
    root: str


def reachable(layout: Layout, entries: Iterable[Json]) -> set[str]:
    """Return the digests of all that entries of an index lead to, their own included.

    Other tools write documents of kinds that dxf does not know: whatever in them looks like a digest counts.

    :raises DXFInvalidDocumentError: a manifest is missing or cannot be read, so that it is not known what it names
    :raises OSError: a file cannot be read
    """
    named: set[str] = set()
    read: set[tuple[str, bool, bool]] = set()
    for entry in entries:
        if not isinstance(entry, dict):
            continue
        # One entry at a time, so that only the documents of one image wait in memory.
        pending = [_Found(entry, True, False, _root_of(entry))]
        while pending:
            found = pending.pop()
            digest = _digest(found.descriptor.get('digest'))
            if digest is None:
                _check_is_nothing(found)
            elif (digest, found.is_manifest, found.is_optional) not in read:
                read.add((digest, found.is_manifest, found.is_optional))
                named.add(digest)
                pending += _behind(layout, found, digest, named)
    return named


def _root_of(entry: dict[str, Json]) -> str:
    """Return what a message calls an entry of the index."""
    name = name_of(entry)
    return f'the alias {name}' if name is not None else f'the entry {entry.get("digest")} of its index'


def _behind(layout: Layout, found: _Found, digest: str, named: set[str]) -> Iterator[_Found]:
    """Yield the descriptors in the document behind another; add the bare digests in it to ``named``."""
    media_type = str(found.descriptor.get('mediaType', '+json')).partition(';')[0].strip().lower()
    # Layers are not read: a layer may have 60 GB, and names nothing by its type. Configurations are, as some tools name
    # blobs there.
    if not found.is_manifest and (not media_type.endswith(('+json', '/json', 'jws')) or media_type == EMPTY_TYPE):
        return  # ``{}`` names nothing, and tools need not store it
    try:
        document = _document(layout, digest, found.is_manifest, named)
    except FileNotFoundError:
        if found.is_optional:
            return
        raise _unknown(layout, found, digest, 'missing') from None
    except DXFInvalidDocumentError as error:
        raise _unknown(layout, found, digest, str(error)) from None
    for inner, is_in_index, is_optional in _inner(document):
        if isinstance(inner, dict):
            yield _Found(inner, is_in_index, is_optional, found.root)
        else:
            named.add(inner)


def _document(layout: Layout, digest: str, is_manifest: bool, named: set[str]) -> Json:
    """Return the JSON behind a digest, ``None`` for what is undamaged and no JSON.

    Whatever in its text looks like a digest is added to ``named``: it may be a key, or a part of a reference. A
    document that is larger than a manifest is not parsed.

    :raises FileNotFoundError: it is not there
    :raises DXFInvalidDocumentError: it is damaged, or no manifest and should be one
    """
    size = layout.blob_size(digest)
    if size is None:
        raise FileNotFoundError
    # A configuration may be larger than dxf parses. Searched as text, it still keeps what it names.
    path = layout.blob_path(digest)
    if size > Limits().manifest:
        if is_manifest:
            raise DXFInvalidDocumentError('larger than a manifest')
        named.update(_digests_in(path, digest))
        return None
    with open_regular(path) as file:
        content = file.read(size)
    # A damaged document may have lost a digest. To believe it would delete that blob.
    if hash_bytes(content) != digest:
        raise DXFInvalidDocumentError('damaged')
    try:
        document = load_json(content)
    except DXFInvalidDocumentError:
        if is_manifest:
            raise
        document = None
    named.update(_digests_in_text(content))
    return document


def _digests_in(path: str, digest: str) -> set[str]:
    """Return whatever in a file looks like a digest.

    :param digest: the file's
    :raises DXFInvalidDocumentError: it is damaged
    """
    found: set[str] = set()
    sha256 = hashlib.sha256()
    with open_regular(path) as file:
        text = b''
        while piece := file.read(READ_SIZE):
            sha256.update(piece)
            # The end of the piece before stays, as a digest may lie across two pieces.
            text = text[1 - _DIGEST_LENGTH:] + piece
            found.update(_digests_in_text(text))
    if digest_of(sha256) != digest:
        raise DXFInvalidDocumentError('damaged')
    return found


def _digests_in_text(text: bytes) -> Iterator[str]:
    return (match.decode('ascii') for match in re.findall(_ANY_DIGEST, text))


def _unknown(layout: Layout, found: _Found, digest: str, reason: str) -> DXFInvalidDocumentError:
    return DXFInvalidDocumentError(
        f'{layout.blob_path(digest)}: {reason}: what it names is not known, so nothing is removed; {found.root} leads '
        'to it: copy that again, or delete it by dxf del-alias')


def _check_is_nothing(found: _Found) -> None:
    """Check that a manifest has no digest by another algorithm: it would name blobs, too."""
    digest = found.descriptor.get('digest')
    if found.is_manifest and isinstance(digest, str) and re.fullmatch(_OTHER_DIGEST, digest) is not None:
        raise DXFInvalidDocumentError(f'{digest}: what it names is not known, so nothing is removed: dxf reads no '
                                      f'other algorithm than sha256; {found.root} leads to it')


def _inner(document: Json) -> Iterator[tuple[Any, bool, bool]]:
    """Yield the descriptors and bare digests in a document: are they an index's manifests, may they be missing.

    A subject may be missing: https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md, "subject".
    """
    pending: list[tuple[Json, bool, bool]] = [(document, False, False)]
    while pending:
        one, is_in_index, is_optional = pending.pop()
        if isinstance(one, dict):
            if isinstance(one.get('digest'), str):
                yield one, is_in_index, is_optional
            pending += [(value, key == 'manifests', key == 'subject')
                        for key, value in one.items() if key != 'digest']
        elif isinstance(one, list):
            pending += [(value, is_in_index, is_optional) for value in one]
        elif _digest(one) is not None:
            yield one, False, is_optional


def _digest(value: Json) -> str | None:
    try:
        return check_digest(value) if isinstance(value, str) else None
    except DXFError:
        return None


def remove_manifests(layout: Layout, digests: Iterable[str]) -> None:
    """Remove the files of those manifests that no entry of the index leads to; keep them where that is not known."""
    with layout.locked():
        # The deletion itself has been done. A file that stays is only garbage, and gc reports why.
        try:
            if layout.sharer() is not None:
                return
            needed = reachable(layout, layout.all_entries())
        except (OSError, DXFInvalidDocumentError):
            return
        for digest in digests:
            if digest not in needed:
                layout.remove_blob(digest)
