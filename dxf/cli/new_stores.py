"""New stores: a folder that a command fills first is told on a terminal, as it may be the wrong one.

A disk that is not mounted leaves an empty folder, and a relative path is another folder elsewhere. Programs read
standard error too, and a success is silent there: so nothing is told without a terminal.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dxf.cli import console, terminal
from dxf.cli.context import Context
from dxf.names import FOLDER, check_registry, is_folder


@contextmanager
def told(*registries: str) -> Iterator[None]:
    """Print which of some registries are folders that were empty, and are not after the ``with``; for a terminal."""
    empty = [root for root in map(_root, registries) if not _has_files(root)]
    yield
    for root in empty:
        if _has_files(root):
            console.print_error(f'created a new store in {root}')


def suggest_gc(context: Context) -> None:
    """Tell on a terminal that a deletion in a folder has freed nothing yet."""
    if is_folder(context.settings.host) and terminal.is_terminal(sys.stderr):
        console.print_error(f'the blobs stay there; dxf gc {context.typed_repository} --delete deletes those that '
                            'nothing names')


def suggest_deletion(is_any: bool) -> None:
    """Tell on a terminal that what was printed is still there.

    :param is_any: whether there is something to delete
    """
    if is_any and terminal.is_terminal(sys.stderr):
        console.print_error('this is the plan: nothing was deleted, --delete does it')


def _root(registry: str) -> str:
    return check_registry(registry).removeprefix(FOLDER) if is_folder(registry) else ''


def _has_files(folder: str) -> bool:
    """Return whether a folder has anything in it, or cannot be looked at; an empty path is no folder."""
    if not folder:
        return True
    try:
        return bool(os.listdir(folder))
    except FileNotFoundError:
        return False
    except OSError:
        return True
