"""Backup tools: dxf with a folder or a registry, restic and borg, each with a store of its own.

Owns how each is called. restic cannot store without encryption; borg does here.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from test.servers.registry import Registry

from bench.contenders import Dxf, optional
from bench.measuring import Command, Contender, Run, always, run
from bench.pushing import environ_of
from bench.workspace import Workspace

REPO = 'bench/snapshots'
FOLDER, REGISTRY = '``dxf backup``, to a folder', '``dxf backup``, to a registry'
RESTIC, BORG = '``restic``', '``borg``'


@dataclass
class Tool:
    """A tool with its store.

    :param name: how the tables call it
    :param store: the folder with all that it stores
    :param environ: variables for its commands
    :param backup: the command that stores a path as the snapshot with a number, from 1
    :param restore: the command that restores from the snapshot with a number to a folder, all or one path
    :param setup: the command that makes the store
    """

    name: str
    store: Path
    environ: Mapping[str, str]
    backup: Callable[[Path, int], Command]
    restore: Callable[[int, Path, Path | None], Command]
    setup: Command | None = None
    number: int = field(default=0)

    def size(self) -> int:
        """Return how many bytes the files of the store have."""
        return size_of(self.store)

    def empty(self, workspace: Workspace) -> None:
        """Make the store one in which nothing is."""
        shutil.rmtree(self.store, ignore_errors=True)
        self.number = 0
        if self.setup is not None:
            run(Contender(f'{self.name}: a new store', always(self.setup), self.environ), workspace)

    def next(self, source: Path) -> Command:
        """Return the command that makes the next snapshot."""
        self.number += 1
        return self.backup(source, self.number)


def size_of(folder: Path) -> int:
    """Return how many bytes the files in a folder have."""
    return sum(os.lstat(os.path.join(place, name)).st_size for place, _, names in os.walk(folder) for name in names)


class Meter:
    """Measures a tool: its time, and by how much its store grows.

    :param source: what is stored
    :param before: called before each run
    """

    def __init__(self, workspace: Workspace, tool: Tool, source: Path, before: Callable[[Tool], object]) -> None:
        self._workspace = workspace
        self._tool = tool
        self._source = source
        self._before = before
        self._size = 0
        self.grown: list[int] = []

    def contender(self) -> Contender:
        """Return what runs."""
        return Contender(self._tool.name, self._begin, self._tool.environ, self._end)

    def _begin(self) -> list[Command]:
        self._before(self._tool)
        self._size = self._tool.size()
        return [self._tool.next(self._source)]

    def _end(self, cost: Run) -> float:
        self.grown.append(self._tool.size() - self._size)
        return cost.seconds


def dxf_tool(name: str, store: Path, environ: Mapping[str, str], ours: Dxf) -> Tool:
    """Return dxf with a place: each night has an alias, and the night before it is the parent."""
    def backup(source: Path, number: int) -> Command:
        parent = [f'--parent=@night{number - 1}'] if number > 1 else []
        return ours.command('backup', REPO, str(source), f'@night{number}', *parent)

    def restore(number: int, target: Path, path: Path | None) -> Command:
        return ours.command('restore', REPO, f'@night{number}', *([] if path is None else [path.name]),
                            '--to', str(target))
    return Tool(name, store, environ, backup, restore)


def delta_tool(room: Path, ours: Dxf) -> Tool:
    """Return dxf that stores one file in a folder."""
    def push(source: Path, number: int) -> Command:
        del number
        return ours.command('push-blob', '--delta', REPO, str(source), '@disk')

    def pull(number: int, target: Path, path: Path | None) -> Command:
        del number, path
        return ours.command('pull-blob', REPO, '@disk', '-o', str(target / 'disk'))
    return Tool('``dxf push-blob --delta``', room / 'folder', {'DXF_HOST': f'oci:{room / "folder"}'}, push, pull)


def dxf_tools(room: Path, registry: Registry, ours: Dxf) -> list[Tool]:
    """Return dxf with a folder, and with a registry."""
    return [dxf_tool(FOLDER, room / 'folder', {'DXF_HOST': f'oci:{room / "folder"}'}, ours),
            dxf_tool(REGISTRY, registry.storage, environ_of(registry), ours)]


def others(room: Path) -> list[Tool]:
    """Return the other tools that are there."""
    return [tool for tool in (_restic(room), _borg(room)) if tool is not None]


def _restic(room: Path) -> Tool | None:
    """Return restic. 0.14 takes a store whose path begins with "rest" for the address of a server."""
    path = optional('restic')
    if path is None:
        return None
    store = room / 'store-of-restic'
    restic = [path, '-q', '-r', str(store)]

    def restore(number: int, target: Path, only: Path | None) -> Command:
        del number
        include = [] if only is None else ['--include', str(only)]
        return [*restic, 'restore', 'latest', '--target', str(target), *include]
    environ = {'RESTIC_PASSWORD': 'bench', 'RESTIC_CACHE_DIR': str(room / 'cache-of-restic')}
    return Tool(RESTIC, store, environ, lambda source, _: [*restic, 'backup', str(source)], restore,
                [*restic, 'init'])


def _borg(room: Path) -> Tool | None:
    """Return borg, which compresses as the others do."""
    path = optional('borg')
    if path is None:
        return None
    store = room / 'store-of-borg'

    def restore(number: int, target: Path, only: Path | None) -> Command:
        paths = [] if only is None else [str(only).lstrip('/')]
        return in_folder(target, path, 'extract', f'{store}::night{number}', *paths)
    environ = {'BORG_BASE_DIR': str(room / 'base-of-borg'), 'BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK': 'yes',
               'LC_ALL': 'C.UTF-8'}
    return Tool(BORG, store, environ, lambda source, number: [
        path, 'create', '--compression', 'zstd,3', f'{store}::night{number}', str(source)], restore,
        [path, 'init', '--encryption', 'none', str(store)])


def in_folder(folder: Path, *command: str) -> Command:
    """Return a command that runs in a folder."""
    return ['/bin/sh', '-euc', 'cd "$1"; shift; exec "$@"', 'sh', str(folder), *command]
