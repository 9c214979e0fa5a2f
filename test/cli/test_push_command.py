"""``dxf push-blob <repo> @alias -- <command>`` stores the output of the command only if that ended with status 0."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dxf import DXF, hash_bytes
from dxf.cli.command_source import CommandSource
from dxf.exceptions import DXFHTTPError, DXFSourceError

from ..helpers.endpoints import Endpoint
from ..helpers.processes import SECONDS, Runner
from ..helpers.waiting import eventually
from ..servers.registry import Registry
from ..servers.scripted_registry import ScriptedRegistry, error

REPO = 'fred/backup'
SMALL, LARGE = 1000, 9 << 20
"""Bytes that fit into one request, and bytes that do not."""


@pytest.fixture(name='each', params=['open_registry', 'folder'])
def choose_each(request: pytest.FixtureRequest) -> Endpoint:
    """A registry, and a folder."""
    found: Endpoint = request.getfixturevalue(request.param)
    return found


def of(server: ScriptedRegistry, *prefix: str) -> Runner:
    """Return what runs dxf with a scripted registry."""
    return Runner(server.environ(), prefix)


def shell(script: str) -> tuple[str, ...]:
    """Return the command that runs a script."""
    return '--', 'sh', '-c', script


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, by a wait or as one that nobody waits for."""
    try:
        return Path(f'/proc/{pid}/stat').read_text('ascii').rpartition(')')[2].split()[0] in 'ZX'
    except FileNotFoundError:
        return True


def pid_in(path: Path) -> int:
    """Wait for a process to write its ID into a file, and return it."""
    assert eventually(lambda: path.exists() and path.read_text('ascii').endswith('\n'), SECONDS)
    return int(path.read_text('ascii'))


@pytest.mark.parametrize('size', [0, SMALL, LARGE])
def test_the_output_of_a_command_is_stored_and_gets_the_alias(each: Endpoint, repo: str, size: int) -> None:
    ended = Runner(each.environ()).run('push-blob', repo, '@nightly', '--', 'head', '-c', str(size), '/dev/zero')
    digest = hash_bytes(bytes(size))
    assert (ended.status, ended.out.decode()) == (0, digest + '\n')
    assert ended.lines == ([] if size else ['dxf: the command printed nothing: an empty blob is stored'])
    client = each.dxf(repo)
    assert client.get_alias('nightly') == [digest]
    assert b''.join(client.pull_blob(digest)) == bytes(size)


FAILURES = {
    'a status': ('exit 2', 'sh ended with status 2'),
    'a signal': ('kill -KILL $$', 'sh was ended by SIGKILL'),
    'a status after it has closed its output': ('exec >&-; exit 3', 'sh ended with status 3'),
}


@pytest.mark.parametrize('way', FAILURES)
@pytest.mark.parametrize('size', [0, SMALL, LARGE])
def test_the_output_of_a_command_that_fails_is_not_stored_and_the_alias_stays(each: Endpoint, repo: str, size: int,
                                                                              way: str) -> None:
    client = each.dxf(repo)
    kept = client.push_blob(data=b'the good backup')
    client.set_alias('nightly', kept)
    script, said = FAILURES[way]
    ended = Runner(each.environ()).run('push-blob', repo, '@nightly', *shell(f'head -c {size} /dev/zero; {script}'))
    assert ended.insist(1).lines == [f'dxf: {said}: nothing was stored']
    assert ended.out == b''
    assert client.get_alias('nightly') == [kept]
    with pytest.raises(DXFHTTPError, match='404'):
        client.blob_size(hash_bytes(bytes(size)))
    assert each.uploads(repo) == []


def test_a_failure_is_known_before_the_request_that_would_store_the_blob(server: ScriptedRegistry) -> None:
    of(server).run('push-blob', REPO, '@nightly', *shell(f'head -c {LARGE} /dev/zero; exit 1')).insist(1)
    assert server.of('PUT') == []
    assert len(server.of('PATCH')) == 2 and len(server.of('DELETE')) == 1


def test_a_failure_is_known_although_the_caller_of_dxf_ignores_the_ends_of_processes(server: ScriptedRegistry) -> None:
    ignoring = ('sh', '-c', 'trap "" CHLD; exec "$@"', 'sh')
    ended = of(server, *ignoring).run('push-blob', REPO, '@nightly', *shell('printf x; exit 2'))
    assert ended.insist(1).lines == ['dxf: sh ended with status 2: nothing was stored']
    assert server.requests == []


def test_an_alias_is_not_needed(folder: Endpoint, repo: str) -> None:
    ended = Runner(folder.environ()).run('push-blob', '--json', repo, '--progress', 'none', '--', 'printf', 'x')
    assert ended.insist(0).out.decode() == f'{{"digest": "{hash_bytes(b"x")}"}}\n'
    assert folder.dxf(repo).list_aliases() == []


def test_no_shell_and_no_option_of_dxf_is_behind_the_dashes(folder: Endpoint, repo: str) -> None:
    given = ['--json', '--help', '$HOME;', '--', '*', '@-']
    ended = Runner(folder.environ()).run('push-blob', repo, '--', 'printf', '%s ', *given)
    digest = hash_bytes(b'--json --help $HOME; -- * @- ')
    assert ended.insist(0).out.decode() == digest + '\n'


def test_the_command_has_the_input_and_the_errors_of_dxf(folder: Endpoint, repo: str) -> None:
    ended = Runner(folder.environ()).run('push-blob', repo, *shell('cat; echo a warning >&2'), input=b'typed')
    assert (ended.status, ended.out.decode(), ended.lines) == (0, hash_bytes(b'typed') + '\n', ['a warning'])


def test_what_the_children_of_a_command_print_belongs_to_its_output(folder: Endpoint, repo: str) -> None:
    ended = Runner(folder.environ()).run('push-blob', repo, *shell('(sleep 0.5; printf late) & printf early'))
    assert ended.insist(0).out.decode() == hash_bytes(b'earlylate') + '\n'


@pytest.mark.parametrize('command', ['no-such-program', './data', './folder', './nothing/in/it', '', 'nul\0'])
def test_a_command_that_cannot_be_started_is_wrong_usage_before_any_request(server: ScriptedRegistry, tmp_path: Path,
                                                                            command: str) -> None:
    (tmp_path / 'data').write_bytes(b'x')
    (tmp_path / 'folder').mkdir()
    if '\0' in command:     # no shell can write it
        with pytest.raises(ValueError, match='null byte'):
            CommandSource([command])
        return
    ended = of(server).run('push-blob', REPO, '@nightly', '--', command, cwd=tmp_path).insist(2)
    assert ended.lines[0].startswith(f'dxf: cannot run {command!r}: ')
    assert ended.lines[0].partition('; ')[2].startswith(('what follows -- is', 'write its words', 'a shell runs',
                                                         'chmod +x ./data makes'))
    assert server.requests == []


WRONG = {
    'no command': ('--',),
    'no repository': None,
    'a file and a command': ('logger.dat', '--', 'true'),
    'standard input and a command': ('-', '--', 'true'),
    'two aliases': ('@a', '@b', '--', 'true'),
    'an alias that is none': ('@a b', '--', 'true'),
    'what cannot be resumed': ('--resume', '@a', '--', 'true'),
}


@pytest.mark.parametrize('args', WRONG.values(), ids=WRONG)
def test_what_cannot_go_with_a_command_is_wrong_usage_before_the_command_is_started(
        server: ScriptedRegistry, tmp_path: Path, args: tuple[str, ...] | None) -> None:
    made = tmp_path / 'made'
    given = ('--', 'true') if args is None else (REPO, *args)
    ended = of(server).run('push-blob', *(str(word).replace('true', f'touch {made}') for word in given))
    ended.insist(2)
    assert server.requests == [] and not made.exists()


# What ends the command


ENDLESS = 'echo $$ > {pid}; {trap} while :; do head -c 100000 /dev/zero || exit; done'
"""Prints without end, and ends when nobody reads any more."""

DEAF = 'echo $$ > {pid}; {trap} head -c 6000000 /dev/zero; while :; do sleep 0.1; done'
"""Prints something and goes on without an end, whoever reads."""


@pytest.mark.parametrize('script', [ENDLESS, DEAF])
@pytest.mark.parametrize('trap', ['', 'trap "" TERM;'])
def test_a_command_is_ended_where_the_upload_fails(server: ScriptedRegistry, tmp_path: Path, script: str, trap: str
                                                   ) -> None:
    server.hook = lambda request: error(403, 'DENIED', 'read-only') if request.method == 'PATCH' else None
    ended = of(server).run('push-blob', REPO, '@nightly', *shell(script.format(pid=tmp_path / 'pid', trap=trap)))
    assert ended.insist(13).lines[0].startswith('dxf: 403 Forbidden: DENIED: read-only')
    assert is_gone(pid_in(tmp_path / 'pid'))
    assert server.memory.manifests == {}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('trap', ['', 'trap "" INT TERM;'])
def test_a_command_is_ended_with_dxf_by_a_signal(server: ScriptedRegistry, tmp_path: Path, number: signal.Signals,
                                                 trap: str) -> None:
    with of(server).start('push-blob', REPO, '@nightly', *shell(DEAF.format(pid=tmp_path / 'pid', trap=trap))
                          ) as process:
        assert eventually(lambda: bool(server.of('PATCH')), SECONDS)
        process.send_signal(number)
        out, problems = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, problems) == (-number, b'', b'')
    assert is_gone(pid_in(tmp_path / 'pid'))
    assert len(server.of('DELETE')) == 1 and server.of('PUT') == []


# In Python


def test_a_command_is_a_source_in_python_too(folder: Endpoint, repo: str) -> None:
    client: DXF = folder.dxf(repo)
    with CommandSource(['printf', '%s', 'x']) as source:
        assert client.push_blob(data=source) == hash_bytes(b'x')
    with CommandSource(['sh', '-c', 'printf y; exit 7']) as source:
        with pytest.raises(DXFSourceError, match='^sh ended with status 7: nothing was stored$'):
            client.push_blob(data=source)
    with CommandSource(['sh', '-c', 'printf z; exit 7'], {'PATH': os.defpath}) as source:
        with pytest.raises(DXFSourceError, match='status 7'):
            source.read()


def test_a_lost_status_is_no_success(folder: Endpoint, repo: str) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with CommandSource(['true']) as source, pytest.raises(DXFSourceError, match='is lost'):
            folder.dxf(repo).push_blob(data=source)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_forked_child_does_not_end_the_command_of_its_parent(tmp_path: Path) -> None:
    script = ('import os, sys\nfrom dxf.cli.command_source import CommandSource\n'
              'with CommandSource(["sh", "-c", "sleep 0.5; printf x; exit 5"]) as source:\n'
              '    child = os.fork()\n    if child == 0:\n        source.close()\n        os._exit(0)\n'
              '    os.waitpid(child, 0)\n    assert source.read(9) == b"x"\n    source.read(9)\n')
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, check=False, timeout=SECONDS,
                          cwd=os.getcwd(), env={**os.environ, 'TMPDIR': str(tmp_path)})
    assert 'sh ended with status 5' in done.stderr


def test_a_pipe_is_not_given_twice(tmp_path: Path) -> None:
    runner = Runner({'DXF_HOST': f'oci:{tmp_path / "registry"}'})
    os.mkfifo(tmp_path / 'pipe')
    for names in (('/dev/stdin', '/dev/stdin'), ('/dev/stdin', '/dev/fd/0'), (f'{tmp_path}/pipe', f'{tmp_path}//pipe')):
        for words in (('push-blob', REPO, *names, '@both'), ('set-alias', REPO, 'both', *names),
                      ('verify', REPO, *names, 'both')):
            ended = runner.run(*words, input=b'x' * SMALL)
            assert ended.status == 2 and f"'{names[1]}' is given twice" in ended.lines[0], words
    assert not (tmp_path / 'registry').exists()


def test_a_registry_that_takes_no_uploads_is_told(tmp_path: Path) -> None:
    with Registry(tmp_path, read_only=True) as registry:
        runner = Runner({'DXF_HOST': registry.host, 'DXF_INSECURE': '1'})
        for args in (('push-blob', 'fred/x', __file__), ('push-files', 'fred/x', 'a', __file__)):
            line, = runner.run(*args).insist(1, 2).lines
            assert line == 'dxf: 405 Method Not Allowed (fred/x/blobs/uploads/); this registry takes no uploads: it ' \
                'is read-only, or a mirror of another one, which --host=HOST names'


@pytest.mark.parametrize('options', [[], ['--delta']])
def test_a_dry_run_of_what_cannot_be_read_again_is_wrong_usage(tmp_path: Path, options: list[str]) -> None:
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    runner = Runner({'DXF_HOST': f'oci:{tmp_path}/store'})
    for given, said in ((['-', '@a'], "'-' cannot be read a second time"),
                        ([pipe, '@a'], f"'{pipe}' cannot be read a second time"),
                        (['@a', '--', 'touch', tmp_path / 'ran'], 'a command is not run for it')):
        line, = runner.run('push-blob', *options, '--dry-run', 'fred/data', *given).insist(2).lines
        assert line.startswith(f'dxf: --dry-run is for files: {said} ')
    assert os.listdir(tmp_path) == ['pipe']
