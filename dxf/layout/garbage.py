"""Garbage: the blobs of a layout that nothing leads to any more.

``reachability`` decides what leads to what.
"""

from typing import NamedTuple

from dxf.layout.reachability import reachable
from dxf.layout.store import Layout
from dxf.local.atomic_files import remove_temporaries


class Garbage(NamedTuple):
    """A blob that nothing leads to, and its bytes."""

    digest: str
    size: int


def collect(layout: Layout, delete: bool) -> list[Garbage]:
    """Return the blobs that neither the index nor what it leads to names, in the order of their digests.

    Meanwhile no other process can name anything.

    :param delete: remove them, and the temporary files of processes that were killed
    :raises DXFInvalidDocumentError: a manifest is missing or cannot be read, so that it is not known what it names, or
        another layout has the same blobs; nothing is removed
    :raises OSError: a file cannot be read, or removed
    """
    # Locked until the end: a blob that is pushed and named meanwhile must not be taken for garbage. A blob that was
    # pushed before and is not named yet may be removed, as in any registry; set_alias says so.
    with layout.locked():
        layout.check_sole_owner()
        garbage = [Garbage(digest, layout.blob_size(digest) or 0) for digest in unnamed(layout)]
        if delete:
            remove_temporaries(layout.path())
            for digest, _ in garbage:
                layout.remove_blob(digest)
        return garbage


def unnamed(layout: Layout) -> list[str]:
    """Return the digests of the blobs that can be removed: neither the index nor what it leads to names them.

    :raises DXFInvalidDocumentError: a manifest is missing or cannot be read, so that it is not known what it names
    """
    # Sorted, so that two runs print the same plan.
    return sorted(set(layout.blobs()) - reachable(layout, layout.all_entries()))
