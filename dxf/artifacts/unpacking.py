"""Unpacking: an archive that was fetched becomes files and folders in the target folder.

``tar_reader`` reads archives, ``staging`` gives files their names.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from dxf.artifacts import tar_reader
from dxf.artifacts.manifest import TAR_GZIP, Layer
from dxf.artifacts.safe_paths import MAX_FILES, MAX_PART_LENGTH, Paths
from dxf.artifacts.staging import StagedFiles
from dxf.exceptions import DXFInvalidDocumentError
from dxf.local.sinks import named

HEADERS = MAX_FILES << 10
"""Maximum number of bytes in an archive that give the names of its files."""

SMALL_ARCHIVE = 1 << 20
"""Bytes of a compressed archive that are not worth a thread."""


class Archive(NamedTuple):
    """A layer that was fetched and is to be unpacked: its name, and the open file that has it."""

    layer: Layer
    name: str
    file: Any


class Unpacking:
    """An archive on its way into the files that it brings.

    It is read once: its files are taken in while it is looked through, as none gets its name before the end. They take
    at most half of what the disk has free. An archive with more than that (it may be a bomb) is looked through to its
    end, and a second reading takes in the rest. Files that are there with the same bytes are not written again.

    :param paths: what all archives and files of the pull are called
    :param is_parallel: a thread decompresses ahead of what is used
    """

    def __init__(self, archive: Archive, paths: Paths, staged: StagedFiles, is_parallel: bool) -> None:
        self._archive = archive
        self._paths = paths
        self._staged = staged
        self._is_ahead = is_parallel and archive.layer.blob.size > SMALL_ARCHIVE
        self._space = staged.space
        self._needed = 0
        """Bytes of the files that were found, and are not there."""
        self._taken = 0
        """Those of them that were taken in."""
        self._rest: set[int] = set()
        """Numbers of the files that the second reading takes in."""

    def run(self) -> None:
        """Take in all that is in it.

        :raises DXFInvalidDocumentError: it does not bring what the manifest names
        :raises OSError: the disk has too little space
        """
        layer, name = self._archive.layer, self._archive.name
        if layer.is_folder and not layer.is_root:
            self._staged.add_folder(name)
        if not self._look_through() and not layer.is_folder:
            raise DXFInvalidDocumentError(f'invalid archive: {name[:MAX_PART_LENGTH]!r} is not in it')
        if self._rest:
            self._take_rest()

    def _look_through(self) -> int:
        """Check all files and folders, and take in the first ones; return the number of all."""
        found = 0
        with closing(self._members()) as members:
            for found, (member, pieces) in enumerate(members, 1):
                self._note(member)
                if member.is_folder:
                    self._take_folder(member)
                else:
                    self._look_at(found, member, pieces)
        self._staged.check_space(self._needed - self._taken)
        return found

    def _note(self, member: tar_reader.Member) -> None:
        """Check the name of a member."""
        layer, name = self._archive.layer, self._archive.name
        if member.path and (not layer.is_folder or member.path != name or not member.is_folder):
            self._paths.add(member.path, member.is_folder)

    def _take_folder(self, member: tar_reader.Member) -> None:
        if member.path:
            self._staged.target.check(member.path, True)
            self._staged.add_folder(member.path)

    def _look_at(self, number: int, member: tar_reader.Member, pieces: Iterator[bytes]) -> None:
        """Take in a file, unless it is there already or comes later."""
        is_there = self._is_there(member, pieces)
        if is_there:
            self._staged.add_present(member.path)
            return
        self._staged.target.check(member.path)
        self._needed += member.size
        # What was compared with a file has been read: the second reading brings it.
        if is_there is False or self._needed > self._space // 2:
            self._rest.add(number)
        else:
            self._staged.add(member.path, pieces, member.is_executable)
            self._taken += member.size

    def _is_there(self, member: tar_reader.Member, pieces: Iterator[bytes]) -> bool | None:
        """Return whether the file is there with the same bytes; ``None`` where it need not be compared."""
        with self._staged.target.opened(member.path, member.size, member.is_executable) as file:
            if file is None:
                return None
            position = 0
            for piece in pieces:
                if os.pread(file, len(piece), position) != piece:
                    return False
                position += len(piece)
            with named(member.path):
                os.fsync(file)
            return True

    def _take_rest(self) -> None:
        with closing(self._members()) as members:
            for number, (member, pieces) in enumerate(members, 1):
                if number in self._rest:
                    self._staged.add(member.path, pieces, member.is_executable)

    def _members(self) -> Generator[tuple[tar_reader.Member, Iterator[bytes]], None, None]:
        layer, name, file = self._archive
        file.seek(0)
        return tar_reader.members(file, '' if layer.is_root else name, self._space + HEADERS, layer.content,
                                  layer.packing == TAR_GZIP, self._is_ahead)
