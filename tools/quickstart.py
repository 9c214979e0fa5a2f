"""Show dxf at work on a folder (make quickstart), or on a real registry (make quickstart-registry).

Every line behind a ``$`` is run by a shell as it is printed, and what it prints follows. The folder, or the registry
with its data and its log, is deleted at the end, also after an error.
"""
from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

# The command beside the Python that runs this: the dxf of the same venv, not another one on PATH.
PROGRAMS = Path(sys.executable).parent
REAL = '--registry'
START_SECONDS = 60
COMMAND_SECONDS = 120

CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: '{folder}/data'}}, delete: {{enabled: true}}}}
http: {{addr: '127.0.0.1:{port}'}}
"""

NEXT = """
That was dxf. The folder with all of it is deleted now. To try dxf yourself, type:

    . {activate}
    export DXF_HOST=oci:./blobs
    echo hello | dxf push-blob demo/first - @hi
    dxf pull-blob demo/first @hi

Then read docs/tutorial.rst, and see all commands with: dxf --help"""


class Failed(Exception):
    """Something went wrong; the text is the one line that the reader sees."""


def free_port() -> int:
    """Return a port of this machine on which no server listens."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return int(listener.getsockname()[1])


def without(*prefixes: str) -> dict[str, str]:
    """Return this process's environment less the reader's own settings, which would change what is shown."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def answers(port: int) -> bool:
    """Return whether a registry answers on the port."""
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
def registry(folder: Path) -> Iterator[dict[str, str]]:
    """Run a registry on a free port over plain http, and yield the variables that lead to it.

    :param folder: for all that it writes
    """
    port, config, log = free_port(), folder / 'config.yml', folder / 'log'
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
    """Prints a line as one would type it, runs it by ``sh``, and prints what comes out.

    :param folder: where the lines are run
    :param settings: the variables that they need; printed first
    """

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        if not (PROGRAMS / 'dxf').exists():
            raise Failed(f'{PROGRAMS / "dxf"} is missing: run this by make quickstart')
        # A proxy of the reader's must not be asked for what is on this machine.
        self._environment = without('DXF_') | settings | {
            'NO_PROXY': 'localhost', 'no_proxy': 'localhost',
            'PATH': f'{PROGRAMS}{os.pathsep}{os.environ.get("PATH", os.defpath)}'}
        self.folder = folder
        self.type('export ' + ' '.join(f'{name}={value}' for name, value in settings.items()))

    def say(self, comment: str) -> None:
        """Print a comment, after an empty line."""
        self._print('\n' + '\n'.join(f'# {line}' for line in comment.splitlines()))

    def type(self, line: str, expected: str = '') -> None:
        """Run a line, and fail unless it ends with status 0 and prints what is expected.

        :param expected: a part of what it prints
        """
        self._print(f'$ {line}')
        with self.start(line, subprocess.STDOUT) as running:
            try:
                output = running.communicate(timeout=COMMAND_SECONDS)[0].decode(errors='replace').rstrip('\n')
            except BaseException as error:
                kill(running)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise Failed(f'{line}: took more than {COMMAND_SECONDS} s') from error
                raise
        if output:
            self._print(output)
        if running.returncode:
            raise Failed(f'{line}: ended with status {running.returncode}')
        if expected not in output:
            raise Failed(f'{line}: should have printed {expected}')

    def start(self, line: str, stderr: int) -> subprocess.Popen[bytes]:
        """Start a line, in a process group of its own."""
        return subprocess.Popen(['sh', '-c', line], env=self._environment, cwd=self.folder, start_new_session=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr)

    def type_and_kill(self, line: str, part: str) -> None:
        """Run a download, and kill it when its first blob has arrived.

        It reports its progress to a pipe that is full. So it stops after the first blob, however fast it is.

        :param part: pattern of the file that holds what has arrived
        """
        self._print(f'$ {line}')
        reader, writer = os.pipe()
        try:
            fill(writer)
            with self.start(f'exec {line} --progress=json', writer) as running:
                try:
                    self._wait_for_part(running, line, part)
                finally:
                    kill(running)
        finally:
            os.close(reader)
            os.close(writer)
        self._print('Killed')

    def _wait_for_part(self, running: subprocess.Popen[bytes], line: str, part: str) -> None:
        deadline = time.monotonic() + COMMAND_SECONDS
        while not any(file.stat().st_size for file in self.folder.glob(part)):
            if running.poll() is not None or time.monotonic() > deadline:
                raise Failed(f'{line}: left no {part}')
            time.sleep(0.01)

    @staticmethod
    def _print(text: str) -> None:
        print(text, flush=True)


def kill(running: subprocess.Popen[bytes]) -> None:
    """Kill all processes of a line."""
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)


def fill(writer: int) -> None:
    """Write to a pipe until it is full."""
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b'\n' * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)


def show(shell: Shell) -> None:
    """Show the main job, and what README says that is shown; fail where what comes back is not what was stored."""
    shell.say('Store a file under a name, @monday. The hash of its content is printed.')
    shell.type('echo 21.5 > monday.dat')
    shell.type('dxf push-blob demo/readings monday.dat @monday', 'sha256:')
    shell.say('Get it back.')
    shell.type('dxf pull-blob demo/readings @monday', '21.5')

    shell.say('Pipes: "-" is standard input.')
    shell.type('echo hello | dxf push-blob demo/first - @hi', 'sha256:')
    shell.type('dxf pull-blob demo/first @hi | tr a-z A-Z', 'HELLO')
    shell.say('Or store what a command prints. If the command fails, nothing is stored.')
    shell.type('dxf push-blob demo/backup @nightly -- tar c monday.dat', 'sha256:')
    shell.type('dxf pull-blob demo/backup @nightly | tar t', 'monday.dat')

    shell.say('Several files under one name. Monday is stored already, and is not sent again.')
    shell.type('echo 20.9 > tuesday.dat')
    shell.type('dxf push-blob demo/readings monday.dat tuesday.dat @week', 'sha256:')
    show_resume(shell)

    shell.say('Copy it to another place: here a folder, as on a USB disk. Another registry works the same.')
    shell.type('dxf copy demo/readings week --to oci:./usb', 'sha256:')
    shell.type('DXF_HOST=oci:./usb dxf pull-blob demo/readings @week | cmp - week.dat')
    shell.say('What is stored?')
    shell.type('dxf list-repos', 'demo/readings')
    shell.type('dxf list-aliases demo/readings', 'week')


def show_resume(shell: Shell) -> None:
    """Show a download to a file that is killed, and continues."""
    download = 'dxf pull-blob demo/readings @week -o week.dat'
    part = '.week.dat.*.part'
    shell.say('Get both into a file, with -o. We kill the command in the middle, as a power cut would.\n'
              'There is no week.dat then, but a hidden file with what has arrived.')
    shell.type_and_kill(download, part)
    shell.type('ls -A', '.week.dat.')
    shell.say('Type the same command again: it continues. week.dat appears when it is complete and correct.')
    shell.type(download)
    if list(shell.folder.glob(part)):
        raise Failed(f'{download}: left its {part}')
    shell.type('cat monday.dat tuesday.dat | cmp - week.dat')
    shell.type('cat week.dat', '21.5\n20.9')


def end(signum: int, _frame: object) -> None:
    """Leave through the clean-up when told to end."""
    sys.exit(128 + signum)


def main() -> int:
    """Run the demonstration; return the exit status."""
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    try:
        with TemporaryDirectory(prefix='dxf-quickstart-') as temporary:
            folder, work = Path(temporary), Path(temporary, 'work')
            work.mkdir()
            with registry(folder) if REAL in sys.argv else nullcontext({'DXF_HOST': 'oci:./blobs'}) as settings:
                print('# dxf keeps your data in a Docker registry.' if REAL in sys.argv else
                      '# dxf keeps your data in a Docker registry. Here a folder takes its place.', flush=True)
                show(Shell(work, settings))
        print(NEXT.format(activate=shlex.quote(os.path.relpath(PROGRAMS / 'activate'))), flush=True)
    except KeyboardInterrupt:
        return 130
    except (Failed, OSError) as reason:
        print(f'quickstart: {reason}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
