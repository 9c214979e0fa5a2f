"""Repositories of a folder: where the layouts in it are, and which of them a repository's name leads to.

``store`` knows what a layout has inside.
"""

import os
from collections.abc import Iterator

from dxf.exceptions import DXFInvalidNameError
from dxf.names import check_repository

MARKER = 'oci-layout'
"""The file that makes a folder a layout: https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md."""


def repositories(root: str, left_out: list[str] | None = None, misnamed: list[str] | None = None) -> Iterator[str]:
    """Yield the names of the layouts in a folder.

    :param left_out: where to add the folders in it that cannot be read; ``None`` to raise an error for the first
    :param misnamed: where to add the paths, below ``root``, of layouts whose path is no repository's name; that of
        ``root`` is empty. Hidden folders are passed over. ``None`` not to look for them
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
    for folder, inner, files in os.walk(root, onerror=note):
        is_layout = MARKER in files
        inner[:] = sorted(name for name in inner if not (is_layout and name == 'blobs') and (
            _is_name(name) or misnamed is not None and name[0] != '.'))
        name = _below(root, folder)
        if is_layout and _is_name(name):
            yield name
        elif is_layout and misnamed is not None:
            misnamed.append(name)


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
