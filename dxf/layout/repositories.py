"""Repositories of a folder: where the layouts in it are, and which of them a repository's name leads to.

``store`` knows what a layout has inside.
"""

import os
from collections.abc import Iterator

from dxf.exceptions import DXFInvalidNameError
from dxf.names import check_repository

BLOBS = 'blobs'
INDEX = 'index.json'
MARKER = 'oci-layout'
"""The file that makes a folder a layout: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md."""

WITHOUT_MARKER = f'a layout without its file {MARKER}: copy it again'
"""What is wrong with a folder that has all of a layout but its marker."""


def repositories(root: str, left_out: list[str] | None = None, misnamed: list[str] | None = None,
                 damaged: list[str] | None = None) -> Iterator[str]:
    """Yield the names of the layouts in a folder, also of those to which symbolic links within it lead.

    :param left_out: where to add the folders in it that cannot be read; ``None`` to raise an error for the first
    :param misnamed: where to add the paths, below ``root``, of layouts whose path is no repository's name; that of
        ``root`` is empty. Hidden folders are passed over. ``None`` not to look for them
    :param damaged: where to add the folders that have all of a layout but its marker; ``None`` not to look for them
    :raises OSError: a folder cannot be read
    """
    def note(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):  # who made a folder may just have removed it
            return
        if error.filename != root and not _is_name(_below(root, error.filename)):  # such as lost+found
            return
        if left_out is None or error.filename == root:
            raise error
        left_out.append(str(error.filename))
    links = _Links(root)
    for folder, inner, files in os.walk(root, onerror=note, followlinks=True):
        is_layout = MARKER in files
        is_damaged = not is_layout and (MARKER in inner or INDEX in files) and BLOBS in inner
        inner[:] = sorted(name for name in inner if not ((is_layout or is_damaged) and name == BLOBS) and (
            _is_name(name) or misnamed is not None and name[0] != '.') and links.is_followed(folder, name))
        name = _below(root, folder)
        if is_layout and _is_name(name):
            yield name
        elif is_layout and misnamed is not None:
            misnamed.append(name)
        elif is_damaged and damaged is not None:
            damaged.append(folder)


class _Links:
    """The symbolic links in a folder, each of which is followed so that the walk ends."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._followed: set[str] = set()

    def is_followed(self, folder: str, name: str) -> bool:
        """Return whether a folder is entered: a link out of the root, or to a folder around it, is not.

        Of several links to one folder that is no layout, the first is.
        """
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            return True
        target, around = os.path.realpath(path), os.path.realpath(self._root)
        if os.path.commonpath([target, around]) != around or target in self._above(folder):
            return False
        is_new = target not in self._followed
        self._followed.add(target)
        return is_new or os.path.exists(os.path.join(target, MARKER))

    def _above(self, folder: str) -> Iterator[str]:
        """Yield where the folders lead that the walk has passed on its way."""
        while len(folder) > len(self._root):
            yield os.path.realpath(folder)
            folder = os.path.dirname(folder)
        yield os.path.realpath(folder)


def _below(root: str, folder: str) -> str:
    """Return the path of a folder below another; empty if they are the same."""
    return '' if folder == root else os.path.relpath(folder, root)


def _is_name(name: str) -> bool:
    """Return whether a text is the name of a repository."""
    try:
        check_repository(name)
    except DXFInvalidNameError:
        return False
    return True
