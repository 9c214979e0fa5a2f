"""Garbage: the blobs of a layout that nothing leads to any more.

How a layout is kept is not known here.
"""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from dxf.documents import Json, load_json
from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.files import remove_temporaries
from dxf.layout import Layout
from dxf.limits import Limits
from dxf.names import check_digest


class Garbage(NamedTuple):
    """A blob that nothing leads to, and its bytes."""

    digest: str
    size: int


def collect(layout: Layout, delete: bool) -> list[Garbage]:
    """Return the blobs that neither the index nor what it leads to names, in the order of their digests.

    Meanwhile nobody else gives a name to anything.

    :param delete: remove them, and what is left of processes that were killed
    :raises DXFInvalidDocumentError: a manifest cannot be read, so that nobody knows what it names; nothing is removed
    :raises OSError: a file cannot be read, or removed
    """
    with layout.changing() as entries:
        named: set[str] = set()
        read: set[tuple[str, bool]] = set()
        for entry in entries:
            if isinstance(entry, dict):
                _mark(layout, entry, named, read, True)
        garbage = [Garbage(digest, layout.blob_size(digest) or 0) for digest in sorted(set(layout.blobs()) - named)]
        if delete:
            remove_temporaries(layout.path())
            for digest, _ in garbage:
                layout.remove_blob(digest)
        return garbage


def _mark(layout: Layout, descriptor: dict[str, Json], named: set[str], read: set[tuple[str, bool]],
          is_manifest: bool) -> None:
    """Note what a descriptor names, and whatever the document behind it does.

    Other tools write documents of kinds that dxf does not know: whatever in them looks like a digest counts.
    """
    digest = _digest(descriptor.get('digest'))
    if digest is None and is_manifest:
        _check_is_nothing(layout, descriptor.get('digest'))
    if digest is None or (digest, is_manifest) in read:
        return
    named.add(digest)
    read.add((digest, is_manifest))
    size = layout.blob_size(digest)
    if size is None or not is_manifest and not str(descriptor.get('mediaType', '+json')).endswith(('+json', 'jws')):
        return
    try:
        if size > Limits().manifest:
            raise DXFInvalidDocumentError('larger than a manifest')
        with open(layout.blob_path(digest), 'rb') as file:
            document = load_json(file.read())
    except DXFInvalidDocumentError as error:
        if is_manifest:
            raise DXFInvalidDocumentError(f'{layout.blob_path(digest)}: {error}: what it names is not known') from None
        return
    for inner, is_in_index in _inner(document):
        if isinstance(inner, dict):
            _mark(layout, inner, named, read, is_in_index)
        else:
            named.add(inner)


def _check_is_nothing(layout: Layout, digest: Json) -> None:
    """Insist that there is no manifest by another algorithm: it would name blobs, too."""
    if isinstance(digest, str) and os.path.exists(layout.path('blobs', *digest.partition(':')[::2])):
        raise DXFInvalidDocumentError(f'{digest}: what it names is not known')


def _inner(document: Json, is_in_index: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield the descriptors and bare digests in a document, and whether an index has them for its manifests."""
    pending: list[tuple[Json, bool]] = [(document, is_in_index)]
    while pending:
        one, is_in_index = pending.pop()
        if isinstance(one, dict):
            if isinstance(one.get('digest'), str):
                yield one, is_in_index
            pending += [(value, key == 'manifests') for key, value in one.items() if key != 'digest']
        elif isinstance(one, list):
            pending += [(value, is_in_index) for value in one]
        elif _digest(one) is not None:
            yield one, False


def _digest(value: Json) -> str | None:
    try:
        return check_digest(value) if isinstance(value, str) else None
    except DXFError:
        return None
