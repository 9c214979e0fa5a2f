"""The server that forks commands: a command does the same as in an interpreter of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from . import fork_server
from .processes import Ended, Runner, end


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
    assert fork_server.can_run({**os.environ, 'PYTHONUNBUFFERED': '1'}, {})
    assert not fork_server.can_run(os.environ, {'input': b''})
    assert not fork_server.can_run(os.environ, {'stdin': subprocess.PIPE})


@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_forked_program_writes_and_ends_as_in_an_interpreter_of_its_own(tmp_path: Path, unbuffered: str) -> None:
    environ, program = {**os.environ, 'PYTHONUNBUFFERED': unbuffered}, tmp_path / 'program.py'
    for ending in ('', 'sys.exit(3)', 'raise KeyboardInterrupt', 'os.kill(os.getpid(), 9)', '1 / 0', 'os._exit(4)'):
        program.write_text(f'import os, sys\nprint("a" * 100, sys.argv[1:], __name__)\n{ending}\n')
        with fork_server.start(['x', 'y'], environ, program=program) as forked:
            out, err = forked.communicate(100)
        own = subprocess.run([sys.executable, str(program), 'x', 'y'], env=environ, capture_output=True, check=False,
                             timeout=100)
        assert (forked.returncode, out) == (own.returncode, own.stdout), ending
        assert (err or b'').splitlines()[-1:] == own.stderr.splitlines()[-1:]


def test_a_forked_command_that_is_left_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'fifo')
    runner = Runner({'DXF_HOST': f'oci:{tmp_path}/blobs'})
    with runner.fork('push-blob', 'fred/a', tmp_path / 'fifo') as process:
        assert os.path.exists(f'/proc/{process.pid}')
    assert not os.path.exists(f'/proc/{process.pid}')


def test_a_forked_command_has_the_umask_that_it_is_given(tmp_path: Path) -> None:
    Runner({'DXF_HOST': f'oci:{tmp_path}/blobs'}).run('push-blob', 'fred/a', __file__, umask=0o077).insist(0)
    assert (tmp_path / 'blobs').stat().st_mode & 0o777 == 0o700


def test_a_forked_command_is_a_process_that_a_signal_ends(tmp_path: Path) -> None:
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    environ = {**os.environ, 'DXF_HOST': f'oci:{tmp_path}/blobs'}
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with fork_server.start(['push-blob', 'fred/a', fifo], environ) as process:
            with fifo.open('wb'):   # waits until the command has opened its other end
                process.send_signal(number)
            assert end(process) == Ended(-number, b'', [])


def test_a_forked_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'fifo')
    with pytest.raises(subprocess.TimeoutExpired, match='after 1 seconds'):
        fork_server.run(['push-blob', 'fred/a', str(tmp_path / 'fifo')], {
            **os.environ, 'DXF_HOST': f'oci:{tmp_path}/blobs'}, 1)


SHELL = """
"$DXF" push-blob fred/a - @a < file | cat
"$DXF" pull-blob fred/a @a; echo $?
"$DXF" get-alias fred/a missing 2>&1; echo $?
cd /; "$DXF" pull-blob fred/a @a | wc -c
"""


def test_a_shell_gets_from_a_forked_command_what_it_gets_from_dxf(tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'readings')
    own = tmp_path / 'own'
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dxf "$@"\n')
    own.chmod(0o755)
    done = [subprocess.run(['bash', '-c', SHELL], cwd=tmp_path, capture_output=True, timeout=100, check=False, env={
        **os.environ, 'DXF_HOST': f'oci:{tmp_path}/blobs', 'DXF': str(program)})
            for program in (fork_server.write_program(tmp_path / 'forked'), own)]
    assert (done[0].returncode, done[0].stdout, done[0].stderr) == (done[1].returncode, done[1].stdout, b'')
    assert b'readings0\n' in done[0].stdout and done[0].stdout.endswith(b'\n2\n8\n'), done[0].stdout


def test_a_shell_learns_the_signal_that_ended_a_forked_command(tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(bytes(8 << 20))
    dxf = fork_server.write_program(tmp_path / 'dxf')
    script = f'{dxf} push-blob fred/a file @a >digest; {dxf} pull-blob fred/a @a | head -c 1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(['bash', '-c', script], cwd=tmp_path, capture_output=True, timeout=100, check=False,
                          env={**os.environ, 'DXF_HOST': 'oci:./blobs'})
    assert (done.stdout, done.stderr) == (b'\x00141\n', b'')


def test_a_forked_interpreter_runs_a_script_and_code_as_an_interpreter_does(tmp_path: Path) -> None:
    forked = fork_server.write_program(tmp_path / 'python', 'python')
    script = tmp_path / 'script.py'
    script.write_text('import sys\nprint(__name__, *sys.argv)\nsys.exit(sys.argv[1])\n')
    for args in (('-I', str(script), 'a', '-I'), ('-c', 'import sys; print(sys.argv)', 'b'), ('-I', '-c', '1 / 0')):
        done, own = (subprocess.run([program, *args], capture_output=True, timeout=100, check=False)
                     for program in (str(forked), sys.executable))
        assert (done.returncode, done.stdout) == (own.returncode, own.stdout)
        assert done.stderr.splitlines()[-1:] == own.stderr.splitlines()[-1:]
