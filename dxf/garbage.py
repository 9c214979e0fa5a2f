"""Garbage: the blobs of a layout that nothing leads to any more.

How a layout is kept is not known here.
"""

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
        for entry in entries:
            if isinstance(entry, dict):
                _mark(layout, entry, named, True)
        garbage = [Garbage(digest, layout.blob_size(digest) or 0) for digest in sorted(set(layout.blobs()) - named)]
        if delete:
            remove_temporaries(layout.path())
            for digest, _ in garbage:
                layout.remove_blob(digest)
        return garbage


def _mark(layout: Layout, descriptor: dict[str, Json], named: set[str], is_manifest: bool) -> None:
    """Note what a descriptor names, and whatever the document behind it does.

    Other tools write documents of kinds that dxf does not know: whatever in them looks like a digest counts.
    """
    digest = _digest(descriptor.get('digest'))
    if digest is None or digest in named:
        return
    named.add(digest)
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
            _mark(layout, inner, named, is_in_index)
        else:
            named.add(inner)


def _inner(document: Json, is_in_index: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield the descriptors and bare digests in a document, and whether an index has them for its manifests."""
    pending: list[tuple[Json, bool]] = [(document, is_in_index)]
    while pending:
        one, is_in_index = pending.pop()
        if isinstance(one, dict):
            if _digest(one.get('digest')) is not None:
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
