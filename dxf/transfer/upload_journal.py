"""Journals: how far an upload has come, remembered for another process.

One file an upload, in a folder of the user's own: the address of the session, and what it belongs to; no credential.
"""

import hashlib
import os
import re
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.local.locking import close_locked, is_owned, open_locked, remove_locked
from dxf.strict_json import dump_json, load_object
from dxf.transfer.source import File
from dxf.transfer.upload import Journal

# Registries sign the URL of a session, and a signature may take some KiB.
MAX_SIZE = 64 << 10
"""Bytes of a journal."""

NAME_LENGTH = 32
NAME = f'(?a)[0-9a-f]{{{NAME_LENGTH}}}\\.json'
"""The name of a journal. Other files in its folder are the user's."""

# https://distribution.github.io/distribution/about/configuration/#uploadpurging
LIFETIME = 7 * 86400
"""Seconds after which registries have forgotten a session (distribution: a week)."""


class UploadJournal(Journal):
    """The journal of one file's upload to one repository, which it owns until it is closed.

    Where another process uploads the same file, it remembers nothing.

    :param folder: where journals are; made if it does not exist
    :param repository: URL of the repository
    :param file: what is uploaded
    :param digest: the file's
    :raises OSError: the folder cannot be made, or not be written to
    """

    def __init__(self, folder: str, repository: str, file: File, digest: str) -> None:
        path = os.path.realpath(file.name)
        self._repository = repository
        self._identity = {'repository': repository, 'file': path, 'digest': digest, 'size': file.size,
                          'modified': file.status.st_mtime_ns}
        self._file: int | None = None
        try:
            # For the user alone: the URL of a session may be all that is needed to write to it.
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _remove_old(folder)
            # A path may have bytes that are not UTF-8: https://peps.python.org/pep-0383/
            name = hashlib.sha256(f'{repository}\n{path}'.encode('utf-8', 'surrogateescape')).hexdigest()
            self._path = os.path.join(folder, f'{name[:NAME_LENGTH]}.json')
            self._file = open_locked(self._path, 0o600)
            self.is_kept = self._file is not None  # else another process has it, and none could continue this upload
        except OSError as error:
            raise OSError(error.errno, f'cannot remember the upload there: {error.strerror}', folder) from error

    def read(self) -> tuple[str, int] | None:
        """Return the session's URL, and the bytes that it has at least; ``None`` where nothing is remembered."""
        if self._file is None:
            return None
        try:
            # Bounded: another program may have written the file.
            entry = load_object(os.pread(self._file, MAX_SIZE, 0))
        except DXFError:
            return None
        url, stored = entry.pop('url', None), entry.pop('stored', None)
        # A changed file has another identity. The scheme is checked, as other programs can write the journal.
        if entry != self._identity or not isinstance(url, str) or not isinstance(stored, int) or \
                urlsplit(url).scheme not in ('https', urlsplit(self._repository).scheme):
            return None
        return url, stored

    def write(self, url: str, stored: int) -> None:
        """Remember a session's URL, and the bytes that it has; nothing if that could not be read again."""
        if self._file is not None:
            entry: dict[str, Any] = {**self._identity, 'url': url, 'stored': stored}
            try:
                content = dump_json(entry, MAX_SIZE, sort_keys=False).encode('ascii')
            except DXFInvalidDocumentError:
                content = b''
            # Written first, cut afterwards. An entry that breaks off between the two is no JSON, and is not used.
            os.ftruncate(self._file, os.pwrite(self._file, content, 0))

    def clear(self) -> None:
        """Remove the entry."""
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Leave it to other processes; one that holds nothing is removed."""
        if self._file is not None:
            # In a child after a fork the journal belongs to the parent.
            if is_owned(self._file) and not os.fstat(self._file).st_size:
                remove_locked(self._file, self._path)
            close_locked(self._file)
            self._file = None


def _remove_old(folder: str) -> None:
    """Remove the journals of sessions that registries have forgotten."""
    for entry in os.scandir(folder):
        # Other processes remove old journals at the same time.
        with suppress(OSError):
            # The folder is the user's, and may have other files in it.
            if re.fullmatch(NAME, entry.name) is not None and entry.stat().st_mtime < time.time() - LIFETIME:
                os.unlink(entry.path)
