"""Actions: what a push or a pull does with each file."""

from collections.abc import Callable
from typing import NamedTuple

SEND, FETCH, SKIP, DELETE = 'send', 'fetch', 'skip', 'delete'
"""A file is skipped if it is there already with the right content."""


class FileAction(NamedTuple):
    """What is done with a file, or with a folder that is one archive.

    :param action: ``send``, ``fetch``, ``skip`` (it is there with the right content) or ``delete``
    :param digest: of the blob; ``None`` for what is deleted
    :param size: of the blob, or of the file that is deleted, in bytes
    """

    action: str
    name: str
    digest: str | None
    size: int


OnFile = Callable[[FileAction], object]
"""Called with what was done, once for each file, when everything is done."""
