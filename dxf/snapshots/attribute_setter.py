"""Setting attributes: files, folders and links that are restored get their owners, extended attributes, modes, times.

``attributes`` reads them.
"""

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from dxf.snapshots.attributes import Xattrs, check_xattrs, xattrs_of
from dxf.snapshots.entries import FOLDER, Entry, shown

FILE_MODES = 0o777
FOLDER_MODES = 0o3777
"""The bits of a mode that are restored without owners: a file that runs as its owner could be anything."""

USER = 'user.'
"""How the names of attributes begin that any program may set; the others are of the system, and may grant rights."""

Notice = Callable[[str], object]


class Attributes(NamedTuple):
    """What is restored besides content, modes and times.

    :param owners: owners, by name where this system knows it, else by number; with them the bits that let a file run
        as its owner
    :param numeric_owner: owners by number alone
    :param xattrs: the extended attributes whose names begin with ``user.``
    :param all_xattrs: the others too: of security modules, capabilities, access control lists
    """

    owners: bool = False
    numeric_owner: bool = False
    xattrs: bool = False
    all_xattrs: bool = False

    @property
    def with_owners(self) -> bool:
        """Whether owners are restored."""
        return self.owners or self.numeric_owner

    @property
    def with_xattrs(self) -> bool:
        """Whether some extended attributes are restored."""
        return self.xattrs or self.all_xattrs


@lru_cache(maxsize=1024)
def _number_of(name: str, is_group: bool, number: int) -> int:
    """Return the number of a user or a group on this system; the one that was stored where there is no such name."""
    try:
        return number if not name else grp.getgrnam(name).gr_gid if is_group else pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return number


class AttributeSetter:
    """Sets the attributes of what is restored.

    :param notice: called with a line about each owner or attribute that cannot be set; ``None`` to raise the error
    :raises DXFError: this system has no extended attributes, and they are wanted
    """

    def __init__(self, wanted: Attributes, notice: Notice | None) -> None:
        if wanted.with_xattrs:
            check_xattrs()
        self._wanted = wanted
        self._notice = notice

    def is_set(self, file: int, entry: Entry) -> bool:
        """Return whether an open file has the mode, the time, the owner and the attributes of an entry."""
        there = os.fstat(file)
        mode = entry.mode & self._bits(entry, self._wanted.with_owners and entry.owner is not None)
        return (stat.S_IMODE(there.st_mode), there.st_mtime_ns) == (mode, entry.mtime) and \
            self.has_owner(there, entry) and (not self._has_xattrs(entry) or not self._xattr_changes(file, entry))

    def agree(self, first: Entry, second: Entry) -> bool:
        """Return whether two files are to have the same mode, time, owner and attributes."""
        return self._wish(first) == self._wish(second)

    def _wish(self, entry: Entry) -> tuple[object, ...]:
        owner = self._owner(entry)
        return (entry.mode & self._bits(entry, owner is not None), entry.mtime, owner,
                entry.xattrs if self._has_xattrs(entry) else None)

    def has_owner(self, there: os.stat_result, entry: Entry) -> bool:
        """Return whether something has the owner that it is to have, if any."""
        owner = self._owner(entry)
        return owner is None or (there.st_uid, there.st_gid) == owner

    def apply(self, file: int, entry: Entry) -> None:
        """Give an open file, or a folder, its attributes.

        A new owner takes away the bits of a mode that run a file as its owner, and capabilities: it comes first. In a
        file that may not be written to, no attribute can be set: the mode comes last.
        """
        is_owned = self._set_owner(file, entry)
        if self._has_xattrs(entry):
            self._set_xattrs(file, entry)
        os.fchmod(file, entry.mode & self._bits(entry, is_owned))
        os.utime(file, ns=(entry.mtime, entry.mtime))

    def apply_to_link(self, folder: int, name: bytes, entry: Entry) -> None:
        """Give a symbolic link its owner and its time."""
        owner = self._owner(entry)
        if owner is not None and not self.has_owner(os.stat(name, dir_fd=folder, follow_symlinks=False), entry):
            try:
                os.chown(name, *owner, dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                self._tell('the owner', entry, error)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=folder, follow_symlinks=False)

    def _bits(self, entry: Entry, is_owned: bool) -> int:
        """Return the bits of a mode that are restored.

        :param is_owned: it has the owner that is stored with it
        """
        return 0o7777 if is_owned else FOLDER_MODES if entry.kind == FOLDER else FILE_MODES

    def _owner(self, entry: Entry) -> tuple[int, int] | None:
        """Return the numbers of the owner and the group that an entry is to have; ``None`` for any."""
        owner = entry.owner
        if owner is None or not self._wanted.with_owners:
            return None
        if self._wanted.numeric_owner:
            return owner.uid, owner.gid
        return _number_of(owner.user, False, owner.uid), _number_of(owner.group, True, owner.gid)

    def _set_owner(self, file: int, entry: Entry) -> bool:
        """Give an open file its owner; return whether it has one that is stored with it."""
        owner = self._owner(entry)
        if owner is None:
            return False
        if not self.has_owner(os.fstat(file), entry):
            try:
                os.fchown(file, *owner)
            except OSError as error:
                self._tell('the owner', entry, error)
                return False
        return True

    def _has_xattrs(self, entry: Entry) -> bool:
        return self._wanted.with_xattrs and entry.xattrs is not None

    def _is_wanted(self, name: str) -> bool:
        return self._wanted.all_xattrs or name.startswith(USER)

    def _xattr_changes(self, file: int, entry: Entry) -> dict[str, bytes | None]:
        """Return the attributes that are to be set, and with ``None`` those that are to be removed."""
        there = dict(xattrs_of(file))
        stored: Xattrs = entry.xattrs or ()
        names = {name for name, _ in stored}
        removed: dict[str, bytes | None] = {name: None for name in there if name.startswith(USER) and name not in names}
        return removed | {name: value for name, value in stored
                          if self._is_wanted(name) and there.get(name) != value}

    def _set_xattrs(self, file: int, entry: Entry) -> None:
        for name, value in self._xattr_changes(file, entry).items():
            try:
                if value is None:
                    os.removexattr(file, name)
                else:
                    os.setxattr(file, name, value)
            except OSError as error:
                self._tell(shown(name.encode()), entry, error)

    def _tell(self, what: str, entry: Entry, error: OSError) -> None:
        """Tell what cannot be set; a full disk is an error all the same.

        :raises OSError: no notice is wanted, or the disk is full or broken
        """
        if self._notice is None or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise OSError(error.errno, f'cannot set {what}: {error.strerror}', shown(entry.path)) from error
        self._notice(f'cannot set {what} of {shown(entry.path)}: {error.strerror}')
