"""The contenders: dxf, python-dxf from PyPI in a virtual environment of its own, and the machine's other programs.

Owns how each is called. python-dxf is used by its command and by its public methods alone.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from test.helpers.programs import program

from bench.measuring import Command
from bench.workspace import BenchError

PEER = '12.1.1'
ROOT = Path(__file__).parents[1]
OUR_FOLDER, PEER_FOLDER, DATA_FOLDER = (ROOT / '.venvs' / name for name in ('dxf', 'peer', 'data'))
DATA = ('pyarrow', 's3fs', 'moto', 'flask', 'flask-cors')
"""What reads tables, and an S3 server: about 400 MB that dxf itself does not need."""

LIBRARY = Path(__file__).with_name('library.py')


@dataclass(frozen=True)
class Dxf:
    """A dxf that is installed: what the tables call it, its command and its Python."""

    name: str
    path: str
    python: str

    def command(self, *arguments: str) -> Command:
        """Return a command line."""
        return [self.path, *arguments]

    def library(self, do: str, host: str, repo: str, files: Iterable[Path] | Path, *, insecure: bool = True,
                alias: str | None = None, many: bool = False, context: bool = False, chunk_size: int | None = None
                ) -> Command:
        """Return the command that uses it as a library; ``library`` says what the parameters mean.

        :param files: paths, or one path of a file that has them, one a line
        """
        task = {'do': do, 'host': host, 'repo': repo, 'insecure': insecure, 'alias': alias, 'many': many,
                'files': str(files) if isinstance(files, Path) else [str(path) for path in files],
                'context': context, 'chunk_size': chunk_size}
        return [self.python, '-I', str(LIBRARY), json.dumps(task)]


def ours() -> Dxf:
    """Return this dxf, installed as users install it: a development install takes longer to start.

    :raises BenchError: it cannot be installed
    """
    found = _installed('dxf', OUR_FOLDER, f'{ROOT}[snapshots]')
    _do([found.python, *PIP, '--no-deps', '--force-reinstall', str(ROOT)])  # it may have changed since
    return found


def with_tables() -> Dxf:
    """Return this dxf with what reads tables, from a registry and from an S3 server.

    :raises BenchError: it cannot be installed
    """
    found = _installed('dxf with fsspec', DATA_FOLDER, f'{ROOT}[fsspec]', *DATA)
    _do([found.python, *PIP, '--no-deps', '--force-reinstall', str(ROOT)])
    return found


def peer() -> Dxf:
    """Return python-dxf from PyPI, which is installed if it is not there.

    :raises BenchError: it cannot be installed
    """
    return _installed(f'python-dxf {PEER}', PEER_FOLDER, f'python-dxf=={PEER}')


PIP = ('-m', 'pip', '--disable-pip-version-check', '-qq', 'install')


def _installed(name: str, folder: Path, *packages: str) -> Dxf:
    """Return packages in a virtual environment of its own, which is made if it is not there."""
    found = Dxf(name, str(folder / 'bin' / 'dxf'), str(folder / 'bin' / 'python'))
    made = folder / f'made-{name.rpartition(" ")[2]}'
    if not made.exists():
        _do([sys.executable, '-m', 'venv', '--clear', str(folder)])
        _do([found.python, *PIP, *packages])
        made.touch()
    return found


def _do(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f'{" ".join(command)}: {done.stderr.strip()}')


def optional(name: str) -> str | None:
    """Return the path of a program that need not be there."""
    return shutil.which(name)


def curl(*arguments: str) -> Command:
    """Return a command line of curl that fails where the server refuses."""
    return [program('curl'), '-q', '-sS', '--fail', *arguments]


def curl_many(urls: Iterable[str], config: Path, jobs: int = 1) -> Command:
    """Return the command that pulls several blobs over as many connections as there are jobs; it verifies nothing.

    :param config: the file that gets the addresses
    """
    config.write_text(''.join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls), encoding='utf-8')
    parallel = () if jobs == 1 else ('--parallel', '--parallel-immediate', '--parallel-max', str(jobs))
    return curl(*parallel, '-K', str(config))


def openssl(*files: str) -> Command:
    """Return the command that hashes files, or what it reads."""
    return [program('openssl'), 'dgst', '-sha256', *files]


def cat() -> Command:
    """Return the command that reads a pipe to its end."""
    return [program('cat')]


def curl_push(url: str, repo: str, file: Path) -> Command:
    """Return the command that pushes a file with standard tools: hashed, a session opened, then one PUT."""
    return ['/bin/sh', '-euc', CURL_PUSH, 'sh', f'{url}/v2/{repo}/blobs/uploads/', str(file)]


CURL_PUSH = """
digest=$(openssl dgst -sha256 -r "$2" | cut -c 1-64)
session=$(curl -q -sS --fail -X POST -o /dev/null -D - "$1" | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p')
exec curl -q -sS --fail -o /dev/null -T "$2" "$session&digest=sha256:$digest"
"""


def skopeo_pull(path: str, host: str, image: str, folder: Path) -> Command:
    """Return the command that copies an image to a folder."""
    return [path, '--insecure-policy', 'copy', '-q', '--src-tls-verify=false', f'docker://{host}/{image}',
            f'dir:{folder}']


def skopeo_push(path: str, host: str, image: str, layout: Path) -> Command:
    """Return the command that pushes the image of a layout as it is, nothing compressed."""
    return [path, '--insecure-policy', 'copy', '-q', '--preserve-digests', '--dest-tls-verify=false',
            f'oci:{layout}:latest', f'docker://{host}/{image}']


def crane_pull(path: str, host: str, repo: str, digest: str) -> Command:
    """Return the command that writes a blob to standard output."""
    return [path, 'blob', f'{host}/{repo}@{digest}']


def crane_tags(path: str, host: str, repo: str) -> Command:
    """Return the command that lists the tags of a repository."""
    return [path, 'ls', f'{host}/{repo}']


def skopeo_tags(path: str, host: str, repo: str) -> Command:
    """Return the command that lists the tags of a repository."""
    return [path, 'list-tags', '--tls-verify=false', f'docker://{host}/{repo}']


def skopeo_read(path: str, folder: Path, tag: str) -> Command:
    """Return the command that writes the manifest that a tag of a layout names."""
    return [path, 'inspect', '--raw', f'oci:{folder}:{tag}']


def skopeo_set(path: str, source: Path, folder: Path, tag: str) -> Command:
    """Return the command that gives an image of another layout a tag in a layout."""
    return [path, '--insecure-policy', 'copy', '-q', '--preserve-digests', f'oci:{source}:latest',
            f'oci:{folder}:{tag}']


def crane_push(path: str, host: str, image: str, layout: Path) -> Command:
    """Return the command that pushes the image of a layout."""
    return [path, 'push', str(layout), f'{host}/{image}']
