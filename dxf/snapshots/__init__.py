"""Snapshots: folders stored so that the next backup sends only what changed.

:func:`backup` stores folders under an alias, :func:`load` returns what is stored. ``docs/snapshots.rst`` describes the
format.
"""

from dxf.snapshots.backup import backup
from dxf.snapshots.entries import Chunk, Entry
from dxf.snapshots.listing import list_files
from dxf.snapshots.snapshot import Snapshot, Totals, load

__all__ = ['Chunk', 'Entry', 'Snapshot', 'Totals', 'backup', 'list_files', 'load']
