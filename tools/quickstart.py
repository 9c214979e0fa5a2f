"""Show dxf at work on a folder (make quickstart), or on a real registry (make quickstart-registry).

Every dxf command is printed as it is run. The folder, or the registry with its data and its log, is gone at the end,
whatever the end is.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection, HTTPException
import os
from pathlib import Path
import shlex
import signal
import socket
import subprocess
import sys
from tempfile import TemporaryDirectory
import time

ROOT = Path(__file__).resolve().parent.parent
# The command beside the Python that runs this: the dxf of the same venv, not another one on PATH.
DXF = Path(sys.executable).parent / 'dxf'
REAL = '--registry'
START_SECONDS = 20
COMMAND_SECONDS = 60

CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: '{folder}/data'}}, delete: {{enabled: true}}}}
http: {{addr: '127.0.0.1:{port}'}}
"""


class Failed(Exception):
    """Something went wrong; the text is the one line that the reader sees."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return int(listener.getsockname()[1])


def without(*prefixes: str) -> dict[str, str]:
    """Return this process's environment less the reader's own settings, which would change what is shown."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def answers(port: int) -> bool:
    """Say whether a registry answers on the port."""
    connection = HTTPConnection('127.0.0.1', port, timeout=2)
    try:
        connection.request('GET', '/v2/')
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when the registry answers; fail when it ends, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        if server.poll() is not None or time.monotonic() > deadline:
            last = log.read_text(encoding='utf-8', errors='replace').strip().splitlines()[-1:]
            raise Failed(f'docker-registry did not start: {"".join(last) or "it said nothing"}')
        time.sleep(0.02)


@contextmanager
def registry(folder: str) -> Iterator[dict[str, str]]:
    """Run a registry on a free port over plain http, and yield the variables that lead to it.

    :param folder: for all that it writes
    """
    port, config, log = free_port(), Path(folder, 'config.yml'), Path(folder, 'log')
    config.write_text(CONFIG.format(folder=folder, port=port), encoding='utf-8')
    with log.open('wb') as sink:
        try:
            server = subprocess.Popen(
                ['docker-registry', 'serve', config], env=without('REGISTRY_'),
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        except FileNotFoundError as missing:
            raise Failed('docker-registry is missing: apt-get install docker-registry') from missing
    with server:
        try:
            wait_for(server, port, log)
            yield {'DXF_HOST': f'localhost:{port}', 'DXF_INSECURE': '1'}
        finally:
            server.kill()


class Shell:
    """Prints a dxf command as one would type it, runs it, and prints what it answers."""

    def __init__(self, settings: dict[str, str]) -> None:
        # A proxy of the reader's must not be asked for what is on this machine.
        self._environment = without('DXF_') | settings | {'NO_PROXY': 'localhost', 'no_proxy': 'localhost'}
        self._say('$ export ' + ' '.join(f'{name}={value}' for name, value in settings.items()))

    @staticmethod
    def _say(line: str) -> None:
        print(line, flush=True)

    def _run(self, arguments: tuple[str, ...]) -> bytes:
        try:
            done = subprocess.run(
                [DXF, *arguments], env=self._environment, cwd=ROOT, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=COMMAND_SECONDS, check=False)
        except FileNotFoundError as missing:
            raise Failed(f'{DXF} is missing: run this by make quickstart') from missing
        except subprocess.TimeoutExpired as slow:
            raise Failed(f'dxf {arguments[0]} took more than {COMMAND_SECONDS} s') from slow
        if done.returncode != 0:
            reason = done.stderr.decode(errors='replace').strip().splitlines()[-1:]
            raise Failed(f'dxf {arguments[0]} ended with status {done.returncode}: {"".join(reason)}')
        return done.stdout

    def dxf(self, *arguments: str) -> str:
        """Run a command that prints text; return that without the last newline."""
        self._say('$ dxf ' + shlex.join(arguments))
        text = self._run(arguments).decode().rstrip('\n')
        self._say(text)
        return text

    def compare(self, file: str, *arguments: str) -> None:
        """Run a command that writes a blob, and compare that with the file, as cmp would."""
        self._say(f'$ dxf {shlex.join(arguments)} | cmp - {file}')
        if self._run(arguments) != (ROOT / file).read_bytes():
            raise Failed(f'dxf {arguments[0]} gave other bytes than those of {file}')


def show(shell: Shell, folder: str) -> None:
    """Push, pull, list and copy; fail where what comes back is not what was sent.

    :param folder: where the copy goes
    """
    digest = shell.dxf('push-blob', 'demo/readme', 'README.rst', '@latest')
    shell.compare('README.rst', 'pull-blob', 'demo/readme', digest)
    shell.compare('README.rst', 'pull-blob', 'demo/readme', '@latest')
    size = (ROOT / 'README.rst').stat().st_size
    for expected, arguments in [
            (digest, ['get-alias', 'demo/readme', 'latest']),
            (str(size), ['blob-size', 'demo/readme', '@latest']),
            ('latest', ['list-aliases', 'demo/readme']),
            ('demo/readme', ['list-repos'])]:
        answer = shell.dxf(*arguments)
        if answer != expected:
            raise Failed(f'dxf {arguments[0]} should have printed {expected}')
    copied = shell.dxf('copy', 'demo/readme', 'latest', '--to', f'oci:{folder}/copies')
    if not list(Path(folder, 'copies').rglob(copied.partition(':')[2])):
        raise Failed('dxf copy left no manifest')


def end(signum: int, _frame: object) -> None:
    """Leave through the clean-up when told to end."""
    sys.exit(128 + signum)


def main() -> int:
    """Run the demonstration; return the exit status."""
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    try:
        with TemporaryDirectory(prefix='dxf-quickstart-') as folder, \
                registry(folder) if REAL in sys.argv else nullcontext({'DXF_HOST': f'oci:{folder}/blobs'}) as settings:
            show(Shell(settings), folder)
        print(f'README.rst came back the same, by hash and by alias. {folder} is gone again.')
    except KeyboardInterrupt:
        return 130
    except (Failed, OSError) as reason:
        print(f'quickstart: {reason}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
