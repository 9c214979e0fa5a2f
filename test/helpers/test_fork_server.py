"""The server that forks commands: a command does the same as in an interpreter of its own."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from . import fork_server
from .processes import Runner, end


@pytest.mark.parametrize('args', [
    ('--version',), ('push-blob', '--help'), ('push-blob', 'fred/a', 'file', '@a'), ('get-alias', 'fred/a', 'missing'),
    ('push-blob', 'fred/a', 'missing'), ('\udcff', '\x1b'), (),
], ids=repr)
def test_a_forked_command_does_as_one_in_an_interpreter_of_its_own(args: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'readings')
    runner = Runner({'DXF_HOST': 'oci:./blobs'})
    forked = runner.run(*args, cwd=tmp_path)
    with runner.start(*args, cwd=tmp_path) as process:
        assert end(process) == forked
    assert forked.status in (0, 2) and (forked.out or forked.lines)


def test_what_an_interpreter_reads_at_its_start_wants_one_of_its_own() -> None:
    assert fork_server.can_run(os.environ, {'stdin': subprocess.DEVNULL})
    assert fork_server.can_run({**os.environ, 'DXF_HOST': 'x', 'HOME': '/'}, {'cwd': '/'})
    for name in ('PYTHONUTF8', 'LC_ALL', 'COVERAGE_PROCESS_CONFIG'):
        assert not fork_server.can_run({**os.environ, name: 'other'}, {})
    assert not fork_server.can_run(os.environ, {'input': b''})


def test_a_forked_command_is_a_process_that_a_signal_ends(tmp_path: Path) -> None:
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    environ = {**os.environ, 'DXF_HOST': f'oci:{tmp_path}/blobs'}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        def stop(process: int, number: signal.Signals = number) -> None:
            with fifo.open('wb'):   # waits until the command has opened its other end
                os.kill(process, number)
        done = fork_server.run(['push-blob', 'fred/a', str(fifo)], environ, 100, started=stop)
        assert (done.returncode, done.stdout, done.stderr) == (-number, b'', b'')


def test_a_forked_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'fifo')
    with pytest.raises(subprocess.TimeoutExpired):
        fork_server.run(['push-blob', 'fred/a', str(tmp_path / 'fifo')], {
            **os.environ, 'DXF_HOST': f'oci:{tmp_path}/blobs'}, 1)
