"""Snapshots: folders, or a stream, stored so that the next backup sends only what changed.

:func:`backup` stores folders under an alias, :func:`backup_stream` a stream, :func:`load` returns what is stored.
``docs/snapshots.rst`` describes the format.
"""

from dxf.snapshots.attribute_setter import Attributes
from dxf.snapshots.attributes import Owner
from dxf.snapshots.backup import Wanted, backup, plan
from dxf.snapshots.entries import Chunk, Entry
from dxf.snapshots.listing import list_files
from dxf.snapshots.restore import PlannedRestore
from dxf.snapshots.restore_plan import RestoreAction
from dxf.snapshots.snapshot import Snapshot, Totals, load
from dxf.snapshots.stream_backup import backup_stream, plan_stream
from dxf.snapshots.stream_reader import StreamReader
from dxf.snapshots.verification import verify

__all__ = ['Attributes', 'Chunk', 'Entry', 'Owner', 'PlannedRestore', 'RestoreAction', 'Snapshot', 'StreamReader',
           'Totals', 'Wanted', 'backup', 'backup_stream', 'list_files', 'load', 'plan', 'plan_stream', 'verify']
