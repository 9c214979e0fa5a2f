"""The table of commands, from which parsers, help, manual, reference and completion are made.

``dispatch`` names the function of each command.
"""

from dxf.cli.command_tables.aliases import ALIAS_COMMANDS
from dxf.cli.command_tables.blobs import BLOB_COMMANDS
from dxf.cli.command_tables.files import FILE_COMMANDS
from dxf.cli.command_tables.images import IMAGE_COMMANDS
from dxf.cli.command_tables.registries import REGISTRY_COMMANDS
from dxf.cli.command_tables.snapshots import SNAPSHOT_COMMANDS

GROUPS = ('blobs', 'aliases', 'files', 'snapshots', 'images', 'registry and login')
"""The groups of commands, in the order of ``dxf --help``."""

COMMANDS = (*BLOB_COMMANDS, *ALIAS_COMMANDS, *FILE_COMMANDS, *SNAPSHOT_COMMANDS, *IMAGE_COMMANDS,
            *REGISTRY_COMMANDS)
