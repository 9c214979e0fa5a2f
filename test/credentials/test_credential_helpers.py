"""The programs that keep secrets: how they are asked, and that nothing they do wrong tells a secret or lasts."""

import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

import pytest

from dxf.credentials.config_file import Credential, CredentialFile, find
from dxf.credentials.helper import CredentialHelper
from dxf.exceptions import DXFCredentialsError

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner, end
from ..helpers.stored_credentials import HelperProgram, write_file, write_program
from ..helpers.waiting import eventually

SECRET = 's3cr3t-of-fred'
HOST = 'registry.example.com:5000'
GOOD = json.dumps({'ServerURL': HOST, 'Username': 'fred', 'Secret': SECRET})
ENOUGH = (1, 5, 25)
"""Seconds for a helper that hangs: the first of them in which it has begun to."""

LONG = 600
"""Seconds that no test waits for."""


@pytest.fixture(name='helper_program')
def make_keychain(tmp_path: Path) -> HelperProgram:
    """A helper that works."""
    (tmp_path / 'bin').mkdir()
    return HelperProgram(tmp_path / 'bin')


def environ_of(folder: Path) -> dict[str, str]:
    """Return an environment with a folder on PATH."""
    return {'PATH': f'{folder}{os.pathsep}{os.environ["PATH"]}', 'HOME': str(folder)}


def script(folder: Path, text: str, seconds: float = 60) -> CredentialHelper:
    """Return a helper that is a script of the shell."""
    write_program(folder, 'bad', text)
    return CredentialHelper('bad', environ_of(folder), seconds)


def told(caught: pytest.ExceptionInfo[DXFCredentialsError]) -> str:
    """Insist on one line that holds no secret, nor does the traceback, and return it."""
    text = str(caught.value)
    assert text.isprintable() and len(text) < 200
    assert SECRET not in ''.join(traceback.format_exception(caught.type, caught.value, caught.tb))
    assert SECRET not in repr(caught.value.args)
    return text


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text('utf-8').rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_in(path: Path, count: int) -> list[int]:
    """Wait until a script has written down its processes."""
    assert eventually(lambda: path.exists() and len(path.read_text().split()) >= count)
    return [int(pid) for pid in path.read_text().split()]


def all_gone(pids: list[int]) -> bool:
    """Wait a moment for the kernel to clean up, and say whether none of the processes runs."""
    return eventually(lambda: not any(map(is_alive, pids)))


def kill(pids: list[int]) -> None:
    """Kill what a helper has left running, if it was."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# One that works


def test_a_helper_is_given_the_server_on_standard_input_alone(helper_program: HelperProgram) -> None:
    helper_program.keep(HOST, 'fred', SECRET)
    assert CredentialHelper('ring', {'PATH': helper_program.path}).get(HOST) == ('fred', SECRET)
    assert helper_program.asked == [['get', HOST]]


def test_a_helper_stores_what_only_standard_input_tells_it(helper_program: HelperProgram) -> None:
    helper = CredentialHelper('ring', {'PATH': helper_program.path})
    helper.store(HOST, 'fréd', SECRET)
    assert [arguments for *arguments, _ in helper_program.asked] == [['store']]
    assert json.loads(helper_program.asked[0][-1]) == {'ServerURL': HOST, 'Username': 'fréd', 'Secret': SECRET}
    assert helper.get(HOST) == ('fréd', SECRET)


def test_a_helper_erases_and_it_is_no_error_where_there_is_nothing(helper_program: HelperProgram) -> None:
    helper = CredentialHelper('ring', {'PATH': helper_program.path})
    helper_program.keep(HOST, 'fred', SECRET)
    helper.erase(HOST)
    helper.erase(HOST)
    assert helper_program.kept == {} and helper_program.asked == [['erase', HOST]] * 2


def test_a_helper_runs_in_the_environment_that_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(tmp_path, 'bad', 'printf \'{"Username": "%s", "Secret": "%s"}\' "$WHO" "${LEAKED-none}"')
    monkeypatch.setenv('LEAKED', 'yes')
    kept = CredentialHelper('bad', {**environ_of(tmp_path), 'WHO': 'wilma'}).get(HOST)
    assert kept == ('wilma', 'none')


@pytest.mark.parametrize('text', [
    "echo 'credentials not found in native keychain'; exit 1",
    "echo 'credentials not found'; exit 1",
    "echo 'Credentials not found in native keychain'; exit 2",
    'echo \'{"Username": "", "Secret": ""}\'',
])
def test_a_helper_that_has_none_says_so(tmp_path: Path, text: str) -> None:
    assert script(tmp_path, text).get(HOST) is None


def test_a_helper_need_not_read_what_it_is_given(tmp_path: Path) -> None:
    assert script(tmp_path, f"exec 0<&-; echo '{GOOD}'").get(HOST) == ('fred', SECRET)
    script(tmp_path, 'exec 0<&-; exit 0').erase('x' * 400000)


def test_what_a_helper_leaves_running_behind_it_is_waited_for_only_while_it_can_answer(tmp_path: Path) -> None:
    started = time.monotonic()
    agent = script(tmp_path, f"sleep 600 >/dev/null 2>&1 </dev/null & echo $! > {tmp_path}/pids; echo '{GOOD}'", LONG)
    assert agent.get(HOST) == ('fred', SECRET)
    assert time.monotonic() - started < LONG / 2
    kill(pids_in(tmp_path / 'pids', 1))


# Those that do not


@pytest.mark.parametrize('text', [
    pytest.param(f'echo {SECRET}; exit 1', id='fails, with a secret on its output'),
    pytest.param(f'echo {SECRET} >&2; exit 3', id='fails, with a secret on its errors'),
    pytest.param('kill -9 $$', id='is killed'),
    pytest.param(f'echo {SECRET}', id='no JSON'),
    pytest.param(f"echo '{GOOD}' {SECRET}", id='more than JSON'),
    pytest.param(f"echo '[\"{SECRET}\"]'", id='a list'),
    pytest.param(f"echo '{{\"Secret\": \"{SECRET}\"}}'", id='no user'),
    pytest.param("echo '{\"Username\": \"fred\", \"Secret\": 5}'", id='a number'),
    pytest.param("echo '{\"Username\": \"fred\", \"Secret\": null}'", id='null'),
    pytest.param(f"printf '{{\"Username\": \"fred\", \"Secret\": \"{SECRET}\\377\"}}'", id='not UTF-8'),
    pytest.param('exit 0', id='nothing'),
    pytest.param(f'while :; do echo {SECRET}; done', id='endless'),
    pytest.param(f"yes '{SECRET}' | tr -d '\\n'", id='an endless line'),
])
def test_a_helper_that_fails_or_prints_nonsense_is_one_line_with_its_name(tmp_path: Path, text: str) -> None:
    started = time.monotonic()
    with pytest.raises(DXFCredentialsError, match='^docker-credential-bad ') as caught:
        script(tmp_path, text, LONG).get(HOST)
    told(caught)
    assert time.monotonic() - started < LONG / 2  # the time that it may take was not waited for


@pytest.mark.parametrize('action', ['store', 'erase'])
def test_a_helper_that_does_not_store_or_erase_is_one_line(tmp_path: Path, action: str) -> None:
    helper = script(tmp_path, 'tee /dev/stderr; exit 1')
    with pytest.raises(DXFCredentialsError, match='^docker-credential-bad failed with status 1$') as caught:
        if action == 'store':
            helper.store(HOST, 'fred', SECRET)
        else:
            helper.erase(HOST)
    told(caught)


@pytest.mark.parametrize('text', [
    pytest.param('sleep 60 & echo $! $$ > {pids}; wait', id='hangs'),
    pytest.param('trap "" TERM INT HUP; sleep 60 & echo $! $$ > {pids}; wait; wait', id='ignores signals'),
    pytest.param('sleep 60 & echo $! $$ > {pids}; sleep 60', id='hangs before it answers'),
    pytest.param('exec 1>&-; sleep 60 & echo $! $$ > {pids}; wait', id='closes its output'),
    pytest.param('yes ' + SECRET + ' >&2 & echo $! $$ > {pids}; wait', id='endless errors'),
])
def test_a_helper_that_hangs_is_gone_after_its_time_with_what_it_started(tmp_path: Path, text: str) -> None:
    pids = tmp_path / 'pids'
    for seconds in ENOUGH:
        started = time.monotonic()
        helper = script(tmp_path, text.replace('{pids}', str(pids)), seconds)
        with pytest.raises(DXFCredentialsError, match=f'^docker-credential-bad took more than {seconds} s$') as caught:
            helper.get(HOST)
        told(caught)
        assert seconds <= time.monotonic() - started < LONG / 2
        if pids.exists() and len(pids.read_text().split()) == 2:
            break
    assert all_gone(pids_in(pids, 2))


@pytest.mark.parametrize('leave', ['sleep 600 &', 'setsid sleep 600 &'])
def test_a_daemon_that_a_helper_has_started_is_not_waited_for(tmp_path: Path, leave: str) -> None:
    started = time.monotonic()
    leave += f' echo $! >> {tmp_path}/pids;'
    assert script(tmp_path, f"{leave} echo '{GOOD}'", LONG).get(HOST) is not None
    with pytest.raises(DXFCredentialsError, match='^docker-credential-bad failed with status 1$'):
        script(tmp_path, f'{leave} exit 1', LONG).get(HOST)
    assert time.monotonic() - started < LONG / 2
    kill(pids_in(tmp_path / 'pids', 2))


def test_a_helper_whose_daemon_is_out_of_reach_is_waited_for_no_longer_than_it_may_take(tmp_path: Path) -> None:
    pids = tmp_path / 'pids'
    for seconds in ENOUGH:
        started = time.monotonic()
        with pytest.raises(DXFCredentialsError, match=f'^docker-credential-bad took more than {seconds} s$'):
            script(tmp_path, f'setsid sleep 600 & echo $! >> {pids}; sleep 600', seconds).get(HOST)
        assert seconds <= time.monotonic() - started < LONG / 2
        if pids.exists():
            break
    kill(pids_in(pids, 1))


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_who_gives_up_waiting_for_a_helper_leaves_nothing_running(
        number: signal.Signals, token_registry: Endpoint, tmp_path: Path) -> None:
    write_program(tmp_path, 'bad', f'cat > {tmp_path}/server; sleep 60 & echo $! $$ > {tmp_path}/pids; wait')
    write_file(tmp_path / '.docker' / 'config.json', credsStore='bad')
    runner = Runner({'DXF_HOST': token_registry.host, 'REQUESTS_CA_BUNDLE': str(token_registry.ca),
                     **environ_of(tmp_path)})
    with runner.fork('list-aliases', 'fred/a') as process:
        pids = pids_in(tmp_path / 'pids', 2)
        process.send_signal(number)
        ended = end(process)
    assert (ended.status, ended.lines) == (-number, [])
    assert all_gone(pids)


def _missing(folder: Path) -> None:
    del folder


def _not_executable(folder: Path) -> None:
    write_program(folder, 'bad', f"echo '{GOOD}'", 0o644)


def _folder(folder: Path) -> None:
    (folder / 'docker-credential-bad').mkdir()


def _no_interpreter(folder: Path) -> None:
    write_program(folder, 'bad', '#!/no/such/program\n')


def _no_program(folder: Path) -> None:
    write_program(folder, 'bad', '#!\0\1\2')


@pytest.mark.parametrize('make', [_missing, _not_executable, _folder, _no_interpreter, _no_program])
def test_a_helper_that_cannot_be_run_is_one_line_with_its_name(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path)
    with pytest.raises(DXFCredentialsError, match='docker-credential-bad') as caught:
        CredentialHelper('bad', environ_of(tmp_path)).get(HOST)
    told(caught)


@pytest.mark.parametrize('name', [
    '../bad', 'a/b', '/bin/sh', '..', '-x', 'a b', 'a\nb', 'a;b', '', '\0', 'é', pytest.param('x' * 5000, id='long')])
def test_what_is_no_name_of_a_program_is_never_run(tmp_path: Path, name: str) -> None:
    (tmp_path / 'docker-credential-..').mkdir()
    write_program(tmp_path, 'bad', f'touch {tmp_path}/ran')
    (tmp_path / 'bad').symlink_to('docker-credential-bad')
    with pytest.raises(DXFCredentialsError, match='docker-credential-') as caught:
        CredentialHelper(name, environ_of(tmp_path)).get(HOST)
    told(caught)
    assert not (tmp_path / 'ran').exists()


# Which one is asked


def found(helper_program: HelperProgram, home: Path, host: str = HOST, repository: str = 'fred/a') -> Credential | None:
    """Return what is found for a repository."""
    return find(host, repository, {'HOME': str(home), 'PATH': helper_program.path})


def test_the_helper_of_a_registry_comes_before_that_of_all_and_before_the_file(helper_program: HelperProgram,
                                                                               tmp_path: Path) -> None:
    (tmp_path / 'bin2').mkdir()
    special = HelperProgram(tmp_path / 'bin2', 'special')
    os.symlink(tmp_path / 'bin2' / special.program, tmp_path / 'bin' / special.program)
    config = tmp_path / '.docker' / 'config.json'
    auths = {HOST: ('file', 'x')}
    write_file(config, auths, credHelpers={HOST: 'special'}, credsStore='ring')
    for keeper, name in ((helper_program, 'general'), (special, 'special')):
        keeper.keep(HOST, name, SECRET)
    assert found(helper_program, tmp_path) == Credential(special.program, 'special', SECRET)
    assert helper_program.asked == []
    write_file(config, auths, credHelpers={'other.example.com': 'special'}, credsStore='ring')
    assert found(helper_program, tmp_path) == Credential(helper_program.program, 'general', SECRET)
    write_file(config, auths, credHelpers={'other.example.com': 'special'})
    assert found(helper_program, tmp_path) == Credential(str(config), 'file', 'x')
    assert len(special.asked) == len(helper_program.asked) == 1


def test_where_a_helper_has_none_the_next_place_is_looked_into(helper_program: HelperProgram, tmp_path: Path) -> None:
    config = write_file(tmp_path / '.docker' / 'config.json', {HOST: ('file', 'x')}, credsStore='ring')
    assert found(helper_program, tmp_path) == Credential(str(config), 'file', 'x')
    write_file(config, {HOST: {}}, credsStore='ring')
    other = write_file(tmp_path / '.config/containers/auth.json', {HOST: ('podman', 'y')})
    assert found(helper_program, tmp_path) == Credential(str(other), 'podman', 'y')
    assert helper_program.asked == [['get', HOST]] * 2


def test_the_credential_of_a_repository_comes_before_the_helper_of_the_registry(helper_program: HelperProgram,
                                                                                tmp_path: Path) -> None:
    config = write_file(tmp_path / '.docker' / 'config.json', {f'{HOST}/fred': ('file', 'x')}, credsStore='ring')
    helper_program.keep(HOST, 'fred', SECRET)
    assert found(helper_program, tmp_path) == Credential(str(config), 'file', 'x')
    assert helper_program.asked == []
    assert found(helper_program, tmp_path, repository='wilma/a') == Credential(helper_program.program, 'fred', SECRET)


def test_the_helper_of_another_registry_is_not_run(helper_program: HelperProgram, tmp_path: Path) -> None:
    write_file(tmp_path / '.docker' / 'config.json', credHelpers={'other.example.com': '../nonsense', 'x': 'ring'})
    assert found(helper_program, tmp_path) is None
    assert helper_program.asked == []


def test_a_helper_may_keep_an_identity_token(helper_program: HelperProgram, tmp_path: Path) -> None:
    write_file(tmp_path / '.docker' / 'config.json', credsStore='ring')
    helper_program.keep(HOST, '<token>', SECRET)
    assert found(helper_program, tmp_path) == Credential(helper_program.program, None, None, SECRET)


def test_docker_hub_is_asked_for_by_the_name_that_docker_uses(helper_program: HelperProgram, tmp_path: Path) -> None:
    write_file(tmp_path / '.docker' / 'config.json', credsStore='ring')
    helper_program.keep('https://index.docker.io/v1/', 'fred', SECRET)
    assert found(helper_program, tmp_path, 'registry-1.docker.io') == Credential(helper_program.program, 'fred', SECRET)
    assert helper_program.asked == [['get', 'https://index.docker.io/v1/']]


@pytest.mark.parametrize('text, status', [
    (f'echo {SECRET}; echo {SECRET} >&2; exit 1', 1), (f'echo {SECRET}', 1), (None, 1)])
def test_a_broken_helper_is_one_line_of_a_command_that_writes(token_registry: Endpoint, tmp_path: Path,
                                                              text: str | None,
                                                              status: int) -> None:
    if text is not None:
        write_program(tmp_path, 'bad', text)
    write_file(tmp_path / '.docker' / 'config.json', credHelpers={token_registry.host: 'bad'})
    runner = Runner({'DXF_HOST': token_registry.host, 'REQUESTS_CA_BUNDLE': str(token_registry.ca),
                     **environ_of(tmp_path)})
    (tmp_path / 'readings').write_bytes(b'21.5')
    ended = runner.run('push-blob', 'fred/a', tmp_path / 'readings').insist(status)
    assert 'docker-credential-bad' in ended.lines[0] and SECRET not in ended.lines[0]
    assert ended.out == b'' and sys.executable not in ended.lines[0]


def test_docker_hub_is_kept_by_its_helper_under_whichever_of_its_names(helper_program: HelperProgram,
                                                                       tmp_path: Path) -> None:
    config = write_file(tmp_path / '.docker' / 'config.json', {'index.docker.io': ('old', 'old')},
                        credHelpers={'docker.io': helper_program.name})
    file = CredentialFile(str(config), {'PATH': helper_program.path})
    assert file.store('registry-1.docker.io', 'fred', SECRET) == helper_program.program
    assert helper_program.kept.keys() == {'docker.io'}
    assert json.loads(config.read_text())['auths'] == {'docker.io': {}}
    kept = found(helper_program, tmp_path, 'registry-1.docker.io')
    assert kept is not None and (kept.username, kept.password) == ('fred', SECRET)


def test_a_helper_without_a_name_is_the_file(helper_program: HelperProgram, tmp_path: Path) -> None:
    write_file(tmp_path / '.docker' / 'config.json', {HOST: ('file', 'x')}, credHelpers={HOST: ''}, credsStore='ring')
    helper_program.keep(HOST, 'general', SECRET)
    kept = found(helper_program, tmp_path)
    assert kept is not None and kept.username == 'file' and helper_program.asked == []


def test_a_secret_that_is_no_text_is_one_line_with_the_name(tmp_path: Path) -> None:
    write_program(tmp_path, 'bad', """echo '{"Username": "u", "Secret": "a\\ud800b"}'""")
    write_file(tmp_path / '.docker' / 'config.json', credsStore='bad')
    with pytest.raises(DXFCredentialsError, match='^docker-credential-bad ') as caught:
        find(HOST, None, environ_of(tmp_path))
    told(caught)
