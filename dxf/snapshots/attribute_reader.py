"""Reading attributes: what is stored gets its owner and its extended attributes, as they are now."""

from dxf.snapshots.attributes import check_xattrs, owner_of, xattrs_of
from dxf.snapshots.entries import FOLDER, HARDLINK, LINK, Entry
from dxf.snapshots.tree import Found, Tree


class AttributeReader:
    """Adds attributes to entries; what is not wanted is removed, though the last snapshot may have it.

    :raises DXFError: this system has no extended attributes, and they are wanted
    """

    def __init__(self, tree: Tree, owners: bool, xattrs: bool) -> None:
        if xattrs:
            check_xattrs()
        self._tree = tree
        self._owners = owners
        self._xattrs = xattrs

    def added(self, entry: Entry, found: Found) -> Entry:
        """Return an entry with the attributes of what was found.

        :raises OSError: they cannot be read
        """
        if entry.kind == HARDLINK:
            return entry
        owner = owner_of(found.status) if self._owners else None
        xattrs = None
        if self._xattrs and entry.kind != LINK:
            with self._tree.opened(found.path, entry.kind == FOLDER) as descriptor:
                xattrs = xattrs_of(descriptor)
        if (entry.owner, entry.xattrs) == (owner, xattrs):
            return entry
        return entry._replace(owner=owner, xattrs=xattrs)
