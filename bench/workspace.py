"""The workspace: a folder for registries and files that is gone at the end, and the environment that children see."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
COPIES = 6
"""How many copies of the large blob lie there at once, with some room."""

MEMORY = Path('/dev/shm')
PRIVATE = ('DXF_', 'XDG_', 'PYTHON', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'SSL_CERT', 'NETRC', 'DOCKER_',
           'REGISTRY_', 'RESTIC_', 'BORG_')
"""How the names of variables begin that would let the machine's own settings in."""


class BenchError(Exception):
    """The benchmark cannot go on; the text is one line for the person who runs it."""


@dataclass(frozen=True)
class Server:
    """A registry's program: its path, and how titles call it, which is nothing for the one that is always there."""

    path: str | None = None
    name: str = ''

    @property
    def suffix(self) -> str:
        """What a title ends with where it was measured on this one."""
        return f', {self.name}' if self.name else ''


MOST = 100_000
"""How many things of a kind there are at most where their number grows."""


class Workspace:
    """A folder, and what children are started with.

    :param folder: an empty folder
    :param size: bytes of the large blob
    :param most: how many blobs, tags or aliases there are at most
    :param servers: the registries that throughput and requests are measured on
    """

    def __init__(self, folder: Path, size: int, most: int = MOST, servers: Sequence[Server] = (Server(),)) -> None:
        self.folder = folder
        self.size = size
        self.most = most
        self.servers = tuple(servers)
        self.environ = {name: value for name, value in os.environ.items()
                        if not name.startswith(PRIVATE) and not name.upper().endswith('_PROXY')}
        home = folder / 'home'
        home.mkdir()
        self.environ['HOME'] = str(home)

    @contextmanager
    def room(self, name: str) -> Iterator[Path]:
        """Make a folder for as long as it is needed, and yield its path."""
        path = self.folder / name
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def holds(self, size: int) -> bool:
        """Return whether so many bytes more fit into the folder, and leave the processes their memory."""
        return size < (_free_memory() if MEMORY in self.folder.parents else shutil.disk_usage(self.folder).free)


def write_random(path: Path, size: int) -> Path:
    """Write a file of random bytes and return its path."""
    with path.open('wb') as file:
        for start in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - start)))
    return path


def freshen(path: Path) -> None:
    """Make a file one that no registry has: its first bytes become others."""
    with path.open('r+b') as file:
        file.write(os.urandom(32))


def digest_of(path: Path) -> str:
    """Return the digest of a file."""
    sha256 = hashlib.sha256()
    with path.open('rb') as file:
        while piece := file.read(MIB):
            sha256.update(piece)
    return f'sha256:{sha256.hexdigest()}'


def _free_memory() -> int:
    """Return how many bytes a folder in memory can hold, and leave the processes as much as they need."""
    with open('/proc/meminfo', encoding='ascii') as file:
        amounts = dict(line.split(':') for line in file)
    return min(shutil.disk_usage(MEMORY).free, int(amounts['MemAvailable'].split()[0]) * 1024 - 1024 * MIB)


def _fits_memory(size: int) -> bool:
    """Return whether a folder in memory can be made that holds so many bytes."""
    return MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and size < _free_memory()


@contextmanager
def workspace(size: int, most: int = MOST, servers: Sequence[Server] = (Server(),)) -> Iterator[Workspace]:
    """Make a workspace, in memory where there is room, and remove it at the end; the parameters are a workspace's."""
    home = str(MEMORY) if _fits_memory(COPIES * size) else None
    with tempfile.TemporaryDirectory(prefix='dxf-bench-', dir=home) as folder:
        yield Workspace(Path(folder), size, most, servers)
