"""Layouts: repositories in a folder, as OCI image layouts: blobs by their digest, and an index that names some of them.

Content gets its name when it has been verified and is on the disk. ``folder`` has the index and its lock. Requests are
not known here.
https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
"""

import os
import stat
from contextlib import suppress
from functools import cached_property
from itertools import chain

from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.layout.folder import LayoutFolder
from dxf.layout.repositories import BLOBS, repositories
from dxf.limits import READ_SIZE
from dxf.local.atomic_files import Temporary, hash_synced, open_regular
from dxf.local.folders import make_folders, sync_folder
from dxf.names import check_digest, split_digest


class Layout(LayoutFolder):
    """One repository: its folder, its index and its blobs."""

    def blob_path(self, digest: str) -> str:
        """Return where a blob is, or would be."""
        return self.path(BLOBS, *split_digest(check_digest(digest)))

    def blob_size(self, digest: str) -> int | None:
        """Return the size of a blob in bytes; ``None`` where it is missing."""
        try:
            status = os.stat(self.blob_path(digest))
        except FileNotFoundError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def add_blob(self, content: Temporary) -> None:
        """Give verified content its name, in place of whatever has it.

        What another repository of the root holds too is stored once, where the file system can link.
        """
        self.make()
        # On the disk before it has its name: after a power failure a name must not lead to an empty file.
        content.sync()
        path = self.blob_path(content.digest)
        make_folders(os.path.dirname(path))
        # A file that is there already may be damaged. What has just been verified replaces it; so a push repairs a
        # blob.
        if not (self.blob_size(content.digest) is None and self._link_twin(content, path)):
            content.publish(path)

    @cached_property
    def _others(self) -> list['Layout']:
        """The layouts that were in the root when this was first asked for; none where not all of it can be read."""
        try:
            # Remembered: else a push of 3,000 blobs would walk through the root for each. A repository that appears
            # later is only not linked to.
            return [Layout(self._root, repository) for repository in repositories(self._root)]
        except (OSError, DXFError):
            return []

    def _link_twin(self, content: Temporary, path: str) -> bool:
        """Link to another repository's blob, if there is one and it is undamaged; return whether it was done."""
        for other in self._others:
            # Another repository that cannot be read is no reason to refuse this push. The twin is hashed: a link to a
            # damaged file would spread the damage.
            with suppress(OSError, DXFError):
                twin = other.blob_path(content.digest)
                if other.blob_size(content.digest) == content.size and hash_synced(twin) == content.digest:
                    # A link replaces no file, so a blob that another process stored meanwhile stays (FileExistsError
                    # leads to publish).
                    os.link(twin, path)
                    sync_folder(os.path.dirname(path))
                    content.discard()
                    return True
        return False

    def mount_blob(self, digest: str, other: 'Layout') -> bool:
        """Make a blob of another repository one of this too; return whether that has it.

        Both files are hashed: a damaged one is neither linked nor taken for the blob.

        :raises DXFInvalidDocumentError: the other repository's file is damaged
        """
        if other.blob_size(digest) is None:
            return False
        source = other.blob_path(digest)
        try:
            # Hashed before it is linked: the client skips the upload if the blob was mounted, so nothing else would
            # verify it. Other programs, such as skopeo, may have written it without a sync to the disk.
            if hash_synced(source) != digest:
                raise DXFInvalidDocumentError(f'{source} is not what its name says: push the blob again')
            self.make()
            if not self.has_intact(digest):
                self._link(source, self.blob_path(digest))
        except FileNotFoundError:  # another process has just removed it
            return False
        except OSError:  # another file system, or one without links
            return self._copy(source, digest)
        return True

    def digest_in_file(self, digest: str) -> str | None:
        """Return the digest of what is in the file of a blob; ``None`` where that is missing.

        The file and its name are on the disk then: by this answer a push counts as stored.
        """
        try:
            return None if self.blob_size(digest) is None else hash_synced(self.blob_path(digest))
        except FileNotFoundError:  # another process has just removed it
            return None

    def has_intact(self, digest: str) -> bool:
        """Return whether a blob is there and undamaged."""
        return self.digest_in_file(digest) == digest

    def _link(self, source: str, path: str) -> None:
        """Give a file a second name, in place of a damaged file that has it."""
        make_folders(os.path.dirname(path))
        try:
            os.link(source, path)
            sync_folder(os.path.dirname(path))
        # link cannot replace a file. A second link beside it, renamed over it, can, and leaves no moment without the
        # blob.
        except FileExistsError:
            with Temporary(self.path()) as beside:
                beside.link(source, path)

    def _copy(self, source: str, digest: str) -> bool:
        try:
            file = open_regular(source)
        except FileNotFoundError:
            return False
        with file, Temporary(self.path()) as content:
            while piece := file.read(READ_SIZE):
                content.write(piece)
            # Hashed again while it is copied, since the file may have changed after the first time.
            if content.digest != digest:
                raise DXFInvalidDocumentError(f'{source} is not what its name says: push the blob again')
            self.make()
            content.sync()
            make_folders(os.path.dirname(self.blob_path(digest)))
            content.publish(self.blob_path(digest))
        return True

    def remove_blob(self, digest: str) -> bool:
        """Remove a blob; return whether it was there."""
        folder, name = split_digest(check_digest(digest))
        try:
            os.unlink(os.path.join(self.path(BLOBS, folder), name))  # the link, where it is one
        except FileNotFoundError:
            return False
        return True

    def sharer(self) -> str | None:
        """Return with what folder this layout shares its blobs by a symbolic link; ``None`` if it does not.

        What this layout does not need may be needed there.

        :raises OSError: a folder of the root cannot be read
        """
        own = self.path(BLOBS, 'sha256')
        if own != os.path.join(self.path(), BLOBS, 'sha256'):
            return own
        misnamed: list[str] = []
        # Looked for each time, and a folder that cannot be read is an error: what is not known may be shared.
        for repository in chain(repositories(self._root, misnamed=misnamed), misnamed):
            folder = os.path.normpath(os.path.join(self._root, repository))
            if os.path.realpath(os.path.join(folder, BLOBS, 'sha256')) == own and \
                    os.path.realpath(folder) != self.path():
                return folder
        return None

    def check_sole_owner(self) -> None:
        """Check that no other layout has the same folder of blobs.

        :raises DXFInvalidDocumentError: one has
        :raises OSError: a folder of the root cannot be read, so that it is not known
        """
        other = self.sharer()
        if other is not None:
            raise DXFInvalidDocumentError(f'{os.path.join(self.folder, "blobs")} is shared with {other} by a symbolic '
                                          'link, and nothing is deleted: put a copy of the folder in place of the link')
