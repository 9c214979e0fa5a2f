"""Snapshots: folders, or a stream, stored so that the next backup sends only what changed.

:func:`backup` stores folders under an alias, :func:`backup_stream` a stream, :func:`load` returns what is stored.
``docs/snapshots.rst`` describes the format.
"""

from dxf.snapshots.backup import Wanted, backup, plan
from dxf.snapshots.entries import Chunk, Entry
from dxf.snapshots.listing import list_files
from dxf.snapshots.snapshot import Snapshot, Totals, load
from dxf.snapshots.stream_backup import backup_stream, plan_stream
from dxf.snapshots.stream_reader import StreamReader

__all__ = ['Chunk', 'Entry', 'Snapshot', 'StreamReader', 'Totals', 'Wanted', 'backup', 'backup_stream', 'list_files',
           'load', 'plan', 'plan_stream']
