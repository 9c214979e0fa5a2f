"""Logged in: commands with what is stored, ``dxf login`` and ``dxf logout``, and what each says, and never says."""

import errno
import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import termios
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from dxf import hash_bytes
from dxf.cli.error_messages import line_of, status_of
from dxf.main import doit

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.processes import DXF, Ended, Runner
from ..helpers.stored_credentials import HelperProgram, encoded, entry_that_is_refused, write_file, write_program
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.registry import Registry
from ..servers.scripted_registry import Answer, ScriptedRegistry, error
from ..servers.token_server import TokenServer

CONTENT = b'readings'
DIGEST = hash_bytes(CONTENT)
WRONG = 'a-wrong-secret'
IDENTITY = 'an-identity-token-of-fred'
OTHER = 'wilma', 'An0ther!Secret'


@dataclass
class Home:
    """Somebody's home, with what is stored there, and the commands that are typed there."""

    folder: Path
    endpoint: Endpoint
    helper_program: HelperProgram
    capture: pytest.CaptureFixture[str]

    @property
    def config(self) -> Path:
        """Docker's configuration."""
        return self.folder / '.docker' / 'config.json'

    @property
    def document(self) -> Any:
        """What stands in it."""
        return json.loads(self.config.read_text())

    def environ(self, **variables: str) -> dict[str, str]:
        """Return the environment: no credential is in it."""
        return {'DXF_HOST': self.endpoint.host, 'REQUESTS_CA_BUNDLE': self.endpoint.ca or '', 'HOME': str(self.folder),
                'PATH': self.helper_program.path, 'DXF_RETRIES': '0', **variables}

    def run(self, *args: str, **variables: str) -> Ended:
        """Run a command in this process, and do with errors what the program does."""
        line: list[str] = []
        self.capture.readouterr()
        try:
            status = doit(args, self.environ(**variables))
        except SystemExit as ended:
            status = int(str(ended.code))
        except Exception as problem:
            status, line = status_of(problem), [f'dxf: {line_of(problem)}']
        out, problems = self.capture.readouterr()
        for secret in (PASSWORD, WRONG, IDENTITY, OTHER[1]):
            assert secret not in problems + ''.join(line) and encoded(USERNAME, secret) not in problems
        return Ended(status, out.encode(), [*problems.splitlines(), *line])


@pytest.fixture(name='home')
def make_home(tmp_path: Path, token_registry: Endpoint, tokens: TokenServer, capfd: pytest.CaptureFixture[str]
              ) -> Iterator[Home]:
    """A home of a user of the registry that takes tokens."""
    tokens.identities[IDENTITY] = USERNAME
    yield home_of(tmp_path, token_registry, capfd)
    tokens.identities.clear()


@pytest.fixture(name='each_home', params=['basic_registry', 'token_registry'])
def make_each_home(request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Home:
    """A home of a user of each registry that wants a password."""
    return home_of(tmp_path, request.getfixturevalue(request.param), capfd)


def home_of(folder: Path, endpoint: Endpoint, capture: pytest.CaptureFixture[str]) -> Home:
    """Return a home that is empty but for a helper that nobody has configured."""
    (folder / 'bin').mkdir()
    return Home(folder, endpoint, HelperProgram(folder / 'bin'), capture)


@pytest.fixture(name='other', scope='module')
def start_other(directory: Callable[[], Path], certificates: Certificates) -> Iterator[Endpoint]:
    """Another registry, with another user."""
    with Registry(directory(), tls=certificates, users=dict([OTHER])) as registry:
        yield Endpoint(registry, certificates.ca, *OTHER)


@pytest.fixture(name='readings')
def write_readings(tmp_path: Path) -> str:
    """The path of a file to push."""
    path = tmp_path / 'readings.dat'
    path.write_bytes(CONTENT)
    return str(path)


# What is stored is used


@pytest.mark.parametrize('kind', ['token_registry', 'basic_registry'])
def test_who_has_logged_in_with_docker_pushes_with_no_variable_but_the_host(
        request: pytest.FixtureRequest, kind: str, tmp_path: Path, repo: str, readings: str) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    helper_program = HelperProgram(tmp_path)
    helper_program.keep(endpoint.host, USERNAME, PASSWORD)
    write_file(tmp_path / '.docker' / 'config.json', {endpoint.host: {}}, credsStore=helper_program.name)
    environ = {'DXF_HOST': endpoint.host, 'REQUESTS_CA_BUNDLE': str(endpoint.ca), 'PATH': helper_program.path,
               'HOME': str(tmp_path)}
    done = subprocess.run([*DXF, 'push-blob', repo, readings, '@a'], env=environ, capture_output=True, timeout=90,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f'{DIGEST}\n'.encode(), b'')
    assert endpoint.dxf(repo).get_alias('a') == [DIGEST]
    assert helper_program.asked == [['get', endpoint.host]]


def test_a_helper_is_run_once_a_command(each_home: Home, repo: str, readings: str, tmp_path: Path) -> None:
    each_home.helper_program.keep(each_home.endpoint.host, USERNAME, PASSWORD)
    write_file(each_home.config, credHelpers={each_home.endpoint.host: each_home.helper_program.name})
    more = tmp_path / 'more.dat'
    more.write_bytes(CONTENT * 2)
    for number, args in enumerate([('push-blob', repo, readings, str(more), '@a'), ('pull-blob', repo, '@a'),
                                   ('get-alias', repo, 'a'), ('list-aliases', repo), ('auth', repo, 'pull'),
                                   ('list-repos',), ('mount-blob', f'{repo}/b', repo, DIGEST),
                                   ('del-alias', repo, 'a')], 1):
        each_home.run(*args).insist(0)
        assert each_home.helper_program.asked == [['get', each_home.endpoint.host]] * number


def test_a_helper_is_not_run_where_the_registry_asks_for_nothing(open_registry: Endpoint, tmp_path: Path, repo: str,
                                                                 capfd: pytest.CaptureFixture[str]) -> None:
    home = home_of(tmp_path, open_registry, capfd)
    write_file(home.config, credsStore=home.helper_program.name)
    open_registry.dxf(repo).push_blob(data=CONTENT)
    home.run('blob-size', repo, DIGEST, DXF_INSECURE='1').insist(0)
    home.run('auth', repo, 'pull', DXF_INSECURE='1').insist(0)
    assert home.helper_program.asked == []


def test_a_helper_is_not_run_for_a_folder(home: Home, tmp_path: Path, repo: str, readings: str) -> None:
    write_file(home.config, credsStore=home.helper_program.name)
    folder = f'oci:{tmp_path}/blobs'
    home.run('push-blob', repo, readings, '@a', DXF_HOST=folder).insist(0)
    home.run('auth', repo, 'pull', DXF_HOST=folder).insist(0)
    assert home.helper_program.asked == []


@pytest.mark.parametrize('entry', [{'auth': encoded(USERNAME, PASSWORD)}, {'identitytoken': IDENTITY}],
                         ids=['password', 'identity token'])
def test_auth_prints_a_token_that_opens_the_registry(home: Home, repo: str, readings: str, entry: dict[str, str]
                                                     ) -> None:
    write_file(home.config, {home.endpoint.host: entry})
    token = home.run('auth', repo, 'pull', 'push').insist(0).out.decode().strip()
    home.config.unlink()
    home.run('push-blob', repo, readings, DXF_TOKEN=token).insist(0)


def test_auth_of_a_stored_credential_that_is_wrong_is_an_error(each_home: Home, repo: str) -> None:
    write_file(each_home.config, {each_home.endpoint.host: (USERNAME, WRONG)})
    ended = each_home.run('auth', repo, 'push').insist(errno.EACCES)
    assert str(each_home.config) in ended.lines[0] and ended.out == b''


def test_an_identity_token_is_no_argument_and_in_no_address(home: Home, repo: str, readings: str, tokens: TokenServer,
                                                            traffic: Traffic) -> None:
    write_file(home.config, {home.endpoint.host: {'identitytoken': IDENTITY}})
    home.run('push-blob', repo, readings, '@a').insist(0)
    assert {(request.method, request.query) for request in tokens.requests} == {('POST', '')}
    assert not [one for one in traffic.requests if IDENTITY in f'{one.url}{one.headers}']


@pytest.mark.parametrize('variables, status', [
    ({'DXF_USERNAME': USERNAME, 'DXF_PASSWORD': PASSWORD}, 0),
    ({'DXF_USERNAME': USERNAME, 'DXF_PASSWORD': WRONG}, errno.EACCES),
    ({'DXF_AUTHORIZATION': 'Basic ' + b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()}, 0),
    ({'DXF_AUTHORIZATION': f'Basic {WRONG}'}, errno.EACCES),
    ({'DXF_TOKEN': WRONG}, errno.EACCES),
])
@pytest.mark.parametrize('stored', ['helper', 'nonsense'])
def test_variables_win_and_nothing_else_is_looked_at_then(home: Home, repo: str, variables: dict[str, str],
                                                          status: int, stored: str) -> None:
    home.endpoint.dxf(repo).set_alias('a', home.endpoint.dxf(repo).push_blob(data=CONTENT))
    home.helper_program.keep(home.endpoint.host, USERNAME, PASSWORD)
    write_file(home.config, credsStore=home.helper_program.name)
    if stored == 'nonsense':
        home.config.write_text('nonsense')
    ended = home.run('list-aliases', repo, **variables).insist(status)
    assert status == 0 or next(iter(variables)).replace('USERNAME', 'PASSWORD') in ended.lines[0]
    assert home.helper_program.asked == []


def test_over_http_nothing_is_looked_for_nor_sent(home: Home) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Basic realm="x"'})
        home.helper_program.keep(server.host, USERNAME, PASSWORD)
        for document in ({'credsStore': home.helper_program.name},
                         {'auths': {server.host: {'registrytoken': IDENTITY}}}):
            home.config.parent.mkdir(exist_ok=True)
            home.config.write_text(json.dumps(document))
            home.run('list-aliases', 'fred/a', DXF_HOST=server.host, DXF_INSECURE='1').insist(errno.EACCES)
            home.run('auth', 'fred/a', 'pull', DXF_HOST=server.host, DXF_INSECURE='1').insist(errno.EACCES)
        assert {request.authorization for request in server.requests} == {None}
    assert home.helper_program.asked == []


@pytest.mark.parametrize('document', ['nonsense', '[]', f'{{"auths": {{"HOST": {{"auth": "{WRONG}"}}}}}}'])
def test_a_file_that_makes_no_sense_is_one_line_of_a_command(home: Home, repo: str, document: str) -> None:
    write_file(home.config)
    home.config.write_text(document.replace('HOST', home.endpoint.host))
    runner = Runner(home.environ())
    ended = runner.run('list-aliases', repo).insist(1)
    assert str(home.config) in ended.lines[0] and WRONG not in ended.lines[0] and ended.out == b''


@pytest.mark.parametrize('key', ['{}/', 'https://{}/any/path'])
def test_a_file_that_was_written_by_hand_opens_a_registry(each_home: Home, repo: str, readings: str, key: str) -> None:
    auth = encoded(USERNAME, PASSWORD).rstrip('=')
    write_file(each_home.config, {key.format(each_home.endpoint.host): {'auth': f'{auth[:7]}\n{auth[7:]}\n'}})
    each_home.config.write_text('\ufeff' + each_home.config.read_text(), 'utf-8')
    assert each_home.run('push-blob', repo, readings).insist(0).out.decode() == f'{DIGEST}\n'
    each_home.run('logout').insist(0)
    assert each_home.document == {'auths': {}}


# What is stored is refused


@pytest.mark.parametrize('kind', ['password', 'identitytoken', 'registrytoken'])
def test_with_a_credential_that_is_refused_commands_read_anonymously_and_say_so(home: Home, repo: str, kind: str,
                                                                                tokens: TokenServer) -> None:
    home.endpoint.dxf(repo).set_alias('a', home.endpoint.dxf(repo).push_blob(data=CONTENT))
    write_file(home.config, {home.endpoint.host: entry_that_is_refused(kind, WRONG, tokens, repo)})
    ended = home.run('pull-blob', repo, '@a')
    assert (ended.status, ended.out, len(ended.lines)) == (0, CONTENT, 1)
    assert ended.lines[0].startswith('dxf: ') and str(home.config) in ended.lines[0]


@pytest.mark.parametrize('kind', ['password', 'identitytoken', 'registrytoken'])
def test_with_a_credential_that_is_refused_commands_do_not_write_and_say_where_it_is(
        home: Home, repo: str, kind: str, tokens: TokenServer, readings: str) -> None:
    write_file(home.config, {home.endpoint.host: entry_that_is_refused(kind, WRONG, tokens, repo)})
    ended = home.run('push-blob', repo, readings).insist(errno.EACCES)
    assert str(home.config) in ended.lines[0]


def test_the_helper_that_keeps_what_is_refused_is_named(each_home: Home, repo: str, readings: str) -> None:
    each_home.helper_program.keep(each_home.endpoint.host, USERNAME, WRONG)
    write_file(each_home.config, credsStore=each_home.helper_program.name)
    ended = each_home.run('push-blob', repo, readings).insist(errno.EACCES)
    assert each_home.helper_program.program in ended.lines[0]
    assert len(each_home.helper_program.asked) == 1


def test_who_has_no_credential_is_told_how_to_get_one(each_home: Home, repo: str, readings: str) -> None:
    ended = each_home.run('push-blob', repo, readings).insist(errno.EACCES)
    assert 'dxf login' in ended.lines[0]


def test_a_private_repository_is_13_where_what_is_stored_is_refused(home: Home, repo: str, tokens: TokenServer) -> None:
    tokens.anonymous = set()
    write_file(home.config, {home.endpoint.host: (USERNAME, WRONG)})
    ended = home.run('pull-blob', repo, '@a')
    assert ended.status == errno.EACCES and ended.out == b''
    assert str(home.config) in ended.lines[-1]


# The helper fails

HELPERS = {'missing': None, 'fails': f'echo {WRONG}; echo {WRONG} >&2; exit 1', 'nonsense': f'echo {WRONG}',
           'no text': """echo '{"Username": "u", "Secret": "a\\ud800b"}'"""}


@pytest.fixture(name='bad_home', params=list(HELPERS.values()), ids=list(HELPERS))
def make_bad_home(request: pytest.FixtureRequest, home: Home) -> Home:
    """A home with a credential helper that does not work."""
    write_file(home.config, {home.endpoint.host: {}}, credsStore='bad')
    if request.param is not None:
        write_program(home.folder / 'bin', 'bad', request.param)
    return home


def test_where_the_helper_fails_commands_read_anonymously_and_say_so(bad_home: Home, repo: str, tokens: TokenServer
                                                                     ) -> None:
    bad_home.endpoint.dxf(repo).set_alias('a', bad_home.endpoint.dxf(repo).push_blob(data=CONTENT))
    tokens.requests.clear()
    for args, out in ((('pull-blob', repo, '@a'), CONTENT), (('list-aliases', repo), b'a\n')):
        ended = bad_home.run(*args)
        assert (ended.status, ended.out, len(ended.lines)) == (0, out, 1)
        assert ended.lines[0].startswith('dxf: docker-credential-bad ') and ended.lines[0].isprintable()
        assert ended.lines[0].endswith('; reading without a credential')
    assert {request.authorization for request in tokens.requests} == {None}


def test_where_the_helper_fails_a_private_repository_is_13_and_the_helper_is_named(bad_home: Home, repo: str,
                                                                                   tokens: TokenServer) -> None:
    bad_home.endpoint.dxf(repo).set_alias('a', bad_home.endpoint.dxf(repo).push_blob(data=CONTENT))
    tokens.anonymous = set()
    ended = bad_home.run('pull-blob', repo, '@a')
    assert (ended.status, ended.out, len(ended.lines)) == (errno.EACCES, b'', 2)
    assert 'unauthorized' in ended.lines[1] and 'no credential was used: docker-credential-bad ' in ended.lines[1]


def test_where_the_helper_fails_nothing_is_written(bad_home: Home, repo: str, readings: str, traffic: Traffic,
                                                   tokens: TokenServer) -> None:
    bad_home.endpoint.dxf(repo).set_alias('a', bad_home.endpoint.dxf(repo).push_blob(data=CONTENT))
    tokens.requests.clear()
    traffic.clear()
    for args in (('push-blob', repo, readings, '@b'), ('set-alias', repo, 'b', DIGEST), ('del-alias', repo, 'a'),
                 ('del-blob', repo, DIGEST), ('auth', repo, 'pull'), ('list-repos',)):
        ended = bad_home.run(*args).insist(1)
        assert ended.lines[0].startswith('dxf: docker-credential-bad ') and ended.out == b''
    assert tokens.requests == [] and {request.method for request in traffic.requests} <= {
        'GET', 'HEAD', 'DELETE', 'POST'}
    # The one POST asks whether the registry has the blob: it has no body, and is refused.
    asked, = [request for request in traffic.requests if request.method == 'POST']
    assert (asked.path, asked.status) == (f'/v2/{repo}/blobs/uploads/', 401)
    assert '?mount=sha256%3A' in asked.url and asked.headers['Content-Length'] == '0'
    assert bad_home.endpoint.dxf(repo).list_aliases() == ['a']


def test_where_the_helper_fails_a_basic_registry_is_the_helper_s_error(
        basic_registry: Endpoint, tmp_path: Path, repo: str, capfd: pytest.CaptureFixture[str]) -> None:
    home = home_of(tmp_path, basic_registry, capfd)
    write_file(home.config, credsStore='bad')
    ended = home.run('list-aliases', repo).insist(1)
    assert ended.lines[0].startswith('dxf: docker-credential-bad is not installed')


# Two registries


def test_a_copy_gives_each_registry_its_own_credential(home: Home, other: Endpoint, repo: str, traffic: Traffic,
                                                       tokens: TokenServer) -> None:
    home.endpoint.dxf(repo).set_alias('a', home.endpoint.dxf(repo).push_blob(data=CONTENT))
    tokens.anonymous = set()
    write_file(home.config, {home.endpoint.host: (USERNAME, PASSWORD), other.host: OTHER})
    for source, target, alias in ((home.endpoint, other, 'b'), (other, home.endpoint, 'c')):
        traffic.clear()
        host = {'DXF_HOST': source.host}
        home.run('copy', repo, 'a' if alias == 'b' else 'b', '--to', target.host, '--to-alias', alias, **host).insist(0)
        assert tokens.requests and other.dxf(repo).get_alias('b') == [DIGEST]
        for one in traffic.requests:
            shown = str(one.headers.get('Authorization', ''))
            assert not shown.startswith('Basic ') or shown == 'Basic ' + (
                encoded(*OTHER) if one.url.startswith(other.url) else encoded(USERNAME, PASSWORD)), one.url
            assert shown.startswith('Basic ') is one.url.startswith((other.url, f'https://{tokens.host}')) or not shown
    assert home.endpoint.dxf(repo).get_alias('c') == [DIGEST]


def test_a_copy_gives_a_registry_without_a_credential_none(home: Home, other: Endpoint, repo: str, traffic: Traffic
                                                           ) -> None:
    home.endpoint.dxf(repo).set_alias('a', home.endpoint.dxf(repo).push_blob(data=CONTENT))
    write_file(home.config, {home.endpoint.host: (USERNAME, PASSWORD)})
    traffic.clear()
    ended = home.run('copy', repo, 'a', '--to', other.host).insist(errno.EACCES)
    assert ended.lines == [f'dxf: unauthorized; for {other.host}, no credential is set: see DXF_TO_USERNAME and '
                           'DXF_TO_PASSWORD, or dxf login']
    assert not [one for one in traffic.requests if one.url.startswith(other.url) and one.headers.get('Authorization')]


@pytest.mark.parametrize('is_target', [True, False])
def test_a_copy_takes_one_credential_from_variables_and_one_from_where_it_is_stored(
        home: Home, other: Endpoint, repo: str, is_target: bool) -> None:
    home.endpoint.dxf(repo).set_alias('a', home.endpoint.dxf(repo).push_blob(data=CONTENT))
    write_file(home.config, {home.endpoint.host: (USERNAME, PASSWORD)} if is_target else {other.host: OTHER})
    given = {'DXF_TO_USERNAME': OTHER[0], 'DXF_TO_PASSWORD': OTHER[1]} if is_target else \
        {'DXF_USERNAME': USERNAME, 'DXF_PASSWORD': PASSWORD}
    home.run('copy', repo, 'a', '--to', other.host, **given).insist(0)
    assert other.dxf(repo).get_alias('a') == [DIGEST]


def test_a_copy_within_a_registry_names_the_credential_that_each_side_used(home: Home, repo: str) -> None:
    home.endpoint.dxf(repo).set_alias('a', home.endpoint.dxf(repo).push_blob(data=CONTENT))
    write_file(home.config, {home.endpoint.host: (USERNAME, PASSWORD)})
    ended = home.run('copy', repo, 'a', '--to', home.endpoint.host, '--to-repo', f'{repo}/b', DXF_TO_USERNAME=USERNAME,
                     DXF_TO_PASSWORD=WRONG).insist(errno.EACCES)
    assert str(home.config) in ended.lines[0] and 'DXF_TO_PASSWORD' in ended.lines[0]


# Login


@contextmanager
def typed(monkeypatch: pytest.MonkeyPatch, text: bytes) -> Iterator[None]:
    """Have something on standard input."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, 'stdin', TextIOWrapper(BytesIO(text)))
        yield


@pytest.fixture(name='login')
def make_login(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """What logs in with a password from standard input."""
    def login(home: Home, password: str | bytes = PASSWORD, username: str = USERNAME, **variables: str) -> Ended:
        with typed(monkeypatch, password if isinstance(password, bytes) else password.encode()):
            return home.run('login', '--username', username, '--password-stdin', **variables)
    return login


@pytest.mark.parametrize('end', ['', '\n', '\r\n'])
def test_a_password_that_is_right_is_stored_and_used(each_home: Home, login: Callable[..., Ended], repo: str,
                                                     readings: str, end: str) -> None:
    ended = login(each_home, PASSWORD + end).insist(0)
    assert ended.out.decode() == f'stored in {each_home.config}\n'
    assert each_home.document == {'auths': {each_home.endpoint.host: {'auth': encoded(USERNAME, PASSWORD)}}}
    assert stat.S_IMODE(each_home.config.stat().st_mode) == 0o600
    assert os.listdir(each_home.config.parent) == ['config.json']
    each_home.run('push-blob', repo, readings).insist(0)


@pytest.mark.parametrize('file', ['nothing', 'something'])
def test_a_password_that_is_wrong_is_13_and_not_stored(each_home: Home, login: Callable[..., Ended], file: str) -> None:
    if file == 'something':
        write_file(each_home.config, {each_home.endpoint.host: (USERNAME, PASSWORD)})
    before = each_home.config.read_bytes() if each_home.config.exists() else None
    for password, username in ((WRONG, USERNAME), (PASSWORD, 'wilma'), (PASSWORD + ' ', USERNAME)):
        ended = login(each_home, password, username).insist(errno.EACCES)
        assert 'nothing was stored' in ended.lines[0] and ended.out == b''
    assert (each_home.config.read_bytes() if each_home.config.exists() else None) == before


@pytest.mark.parametrize('text', [b'', b'\n', b'\r\n', b'\xff\xfe'])
def test_an_invalid_password_is_wrong_usage(home: Home, login: Callable[..., Ended], text: bytes) -> None:
    ended = login(home, text)
    assert ended.status in (1, 2) and len(ended.lines) == 1 and 'password' in ended.lines[0]
    assert ended.status == 2 or text.startswith(b'\xff')
    assert not home.config.exists() and 'manifest' not in ended.lines[0]


def test_a_password_is_sent_and_stored_as_it_is(home: Home, login: Callable[..., Ended], tokens: TokenServer,
                                                repo: str) -> None:
    password = ' pä:ss\twörd "\\ '
    tokens.users['fréd'] = password
    login(home, password + '\n', 'fréd').insist(0)
    tokens.requests.clear()
    home.run('auth', repo, 'push').insist(0)
    assert [request.authorization for request in tokens.requests] == [f'Basic {encoded("fréd", password)}']


def test_a_user_name_with_a_colon_which_no_header_can_carry_is_not_stored(
        home: Home, login: Callable[..., Ended], tokens: TokenServer) -> None:
    tokens.users['fred'] = 'b:secret'
    ended = login(home, 'secret', 'fred:b')
    assert ended.status != 0 and len(ended.lines) == 1
    assert not home.config.exists()


def test_where_nobody_can_be_asked_that_is_wrong_usage(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with typed(monkeypatch, PASSWORD.encode()):
        assert '--username' in home.run('login').insist(2).lines[0]
        assert '--username' in home.run('login', '--password-stdin').insist(2).lines[0]
        assert '--password-stdin' in home.run('login', '--username', USERNAME).insist(2).lines[0]
        ended = home.run('login', DXF_USERNAME=USERNAME, DXF_PASSWORD='').insist(2)
        assert '--password-stdin' in ended.lines[0] and 'DXF_PASSWORD is empty' in ended.lines[0]
    assert not home.config.exists()


def test_a_login_takes_the_password_that_is_set(each_home: Home) -> None:
    each_home.run('login', DXF_USERNAME=USERNAME, DXF_PASSWORD=PASSWORD).insist(0)
    assert each_home.document['auths'] == {each_home.endpoint.host: {'auth': encoded(USERNAME, PASSWORD)}}


def test_a_login_takes_the_user_name_that_is_set(each_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with typed(monkeypatch, PASSWORD.encode()):
        each_home.run('login', '--password-stdin', DXF_USERNAME=USERNAME).insist(0)
    assert each_home.document['auths'] == {each_home.endpoint.host: {'auth': encoded(USERNAME, PASSWORD)}}
    each_home.run('logout', DXF_USERNAME=USERNAME).insist(0)
    assert each_home.document['auths'] == {}


def test_the_folder_of_credentials_is_made_for_its_owner_alone(home: Home, login: Callable[..., Ended]) -> None:
    login(home).insist(0)
    assert stat.S_IMODE(home.config.parent.stat().st_mode) == 0o700


def test_a_login_checks_what_it_was_given_and_not_another_credential(each_home: Home, login: Callable[..., Ended]
                                                                     ) -> None:
    right = 'Basic ' + encoded(USERNAME, PASSWORD)
    write_file(each_home.config, {each_home.endpoint.host: (USERNAME, PASSWORD)})
    before = each_home.config.read_bytes()
    login(each_home, WRONG, DXF_AUTHORIZATION=right).insist(errno.EACCES)
    assert each_home.config.read_bytes() == before


def test_a_registry_that_asks_for_nothing_stores_nothing(certificates: Certificates, tmp_path: Path,
                                                         login: Callable[..., Ended],
                                                         capfd: pytest.CaptureFixture[str]) -> None:
    with ScriptedRegistry(certificates) as server:
        endpoint = Endpoint(Registry(tmp_path), certificates.ca)
        home = home_of(tmp_path, endpoint, capfd)
        ended = login(home, DXF_HOST=server.host).insist(1)
        assert 'nothing was stored' in ended.lines[0]
        assert {request.authorization for request in server.requests} == {None}
    assert not home.config.exists()


def test_a_password_is_not_stored_if_the_registry_refuses_the_token_that_it_gave(
        home: Home, secure: ScriptedRegistry, login: Callable[..., Ended]) -> None:
    """A token server may take a wrong password for no password: its token is for anybody."""
    refused = error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': f'Bearer realm="{secure.url}/token",service="x"'})
    given = Answer(200, {'Content-Type': 'application/json'}, b'{"token": "anonymous"}')
    secure.hook = lambda request: given if request.path == '/token' else refused
    write_file(home.config, {secure.host: (USERNAME, PASSWORD)})
    before = home.config.read_bytes()
    ended = login(home, WRONG, DXF_HOST=secure.host).insist(errno.EACCES)
    assert 'nothing was stored' in ended.lines[0] and ended.out == b''
    assert home.config.read_bytes() == before


def test_a_login_over_http_sends_and_stores_nothing(home: Home, login: Callable[..., Ended]) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Basic realm="x"'})
        assert login(home, DXF_HOST=server.host, DXF_INSECURE='1').insist(2).lines == [
            'dxf: DXF_INSECURE is 1, and a password is sent over TLS alone: set up TLS on the registry or on a proxy '
            'before it; what needs no login works without one (see dxf login --help)']
        assert not server.requests
    assert not home.config.exists()


@pytest.mark.parametrize('command', ['login', 'logout'])
def test_a_folder_needs_no_login(home: Home, tmp_path: Path, command: str) -> None:
    assert 'folder' in home.run(command, DXF_HOST=f'oci:{tmp_path}').insist(2).lines[0]
    assert not home.config.exists()


# Where login stores


def test_what_else_stands_in_the_file_is_kept(home: Home, login: Callable[..., Ended]) -> None:
    members: dict[str, Any] = {'HttpHeaders': {'X-Ü': 'ü'}, 'credHelpers': {'gcr.io': 'gcloud'}, 'detachKeys': 'ctrl-e',
                               'stackOrchestrator': None, 'number': 1.5}
    auths = {'other.example.com': {'auth': encoded(*OTHER), 'email': 'x'}, 'https://index.docker.io/v1/': {}}
    write_file(home.config, auths, **members)
    home.config.chmod(0o644)
    login(home).insist(0)
    assert home.document == {
        'auths': {**auths, home.endpoint.host: {'auth': encoded(USERNAME, PASSWORD)}}, **members}
    assert stat.S_IMODE(home.config.stat().st_mode) == 0o600
    home.run('logout').insist(0)
    assert home.document == {'auths': auths, **members}


def test_the_file_keeps_its_owner_when_root_stores_a_login(home: Home, login: Callable[..., Ended]) -> None:
    write_file(home.config, {'other.example.com': OTHER})
    if os.geteuid() == 0:
        os.chown(home.config, 12345, 12346)
    before = home.config.stat()
    login(home).insist(0)
    home.run('logout').insist(0)
    after = home.config.stat()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


def test_a_symbolic_link_stays_one(home: Home, login: Callable[..., Ended], tmp_path: Path) -> None:
    real = write_file(tmp_path / 'dotfiles' / 'docker.json', {'other.example.com': OTHER})
    home.config.parent.mkdir()
    home.config.symlink_to('../dotfiles/docker.json')
    login(home).insist(0)
    assert home.config.is_symlink() and home.config.resolve() == real
    assert set(home.document['auths']) == {'other.example.com', home.endpoint.host}
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


@pytest.mark.parametrize('document', ['{"auths": null}', '{"auths": []}', '{}', '', '{"auths": {"HOST": null}}'])
def test_a_file_without_credentials_gets_one(home: Home, login: Callable[..., Ended], document: str) -> None:
    home.config.parent.mkdir()
    home.config.write_text(document.replace('HOST', home.endpoint.host))
    login(home).insist(0)
    assert home.document == {'auths': {home.endpoint.host: {'auth': encoded(USERNAME, PASSWORD)}}}


def test_a_file_that_makes_no_sense_is_left_as_it_is(home: Home, login: Callable[..., Ended]) -> None:
    home.config.parent.mkdir()
    home.config.write_text('nonsense')
    assert str(home.config) in login(home).insist(1).lines[0]
    assert 'config' in home.run('logout').insist(1).lines[0]
    assert home.config.read_text() == 'nonsense' and os.listdir(home.config.parent) == ['config.json']


def test_the_file_that_is_named_is_written(home: Home, login: Callable[..., Ended], tmp_path: Path) -> None:
    login(home, DOCKER_CONFIG=str(tmp_path / 'deep' / 'docker')).insist(0)
    path = tmp_path / 'podman.json'
    assert str(path) in login(home, REGISTRY_AUTH_FILE=str(path)).insist(0).out.decode()
    for written in (path, tmp_path / 'deep' / 'docker' / 'config.json'):
        assert json.loads(written.read_text()) == {'auths': {home.endpoint.host: {'auth': encoded(USERNAME, PASSWORD)}}}
    assert not home.config.exists()


def test_a_helper_that_is_configured_keeps_the_secret_and_the_file_does_not(
        each_home: Home, login: Callable[..., Ended], repo: str, readings: str) -> None:
    host = each_home.endpoint.host
    write_file(each_home.config, {host: (USERNAME, 'old')}, credsStore=each_home.helper_program.name)
    assert each_home.helper_program.program in login(each_home).insist(0).out.decode()
    stores = [asked for asked in each_home.helper_program.asked if asked[0] == 'store']
    assert [len(asked) for asked in stores] == [2]
    assert json.loads(stores[0][1]) == {'ServerURL': host, 'Username': USERNAME, 'Secret': PASSWORD}
    assert each_home.document == {'auths': {host: {}}, 'credsStore': each_home.helper_program.name}
    each_home.run('push-blob', repo, readings).insist(0)
    assert each_home.run('logout').insist(0).out == b''
    assert each_home.helper_program.kept == {}
    assert each_home.document == {'auths': {}, 'credsStore': each_home.helper_program.name}


def test_a_helper_that_fails_to_store_is_one_line_and_the_file_does_not_hold_the_secret(
        home: Home, login: Callable[..., Ended], tmp_path: Path) -> None:
    write_program(tmp_path / 'bin', 'bad', 'tee /dev/stderr; exit 1')
    write_file(home.config, credHelpers={home.endpoint.host: 'bad'})
    before = home.config.read_bytes()
    assert 'docker-credential-bad' in login(home).insist(1).lines[0]
    assert home.config.read_bytes() == before


def write_idle_helper(home: Home, folder: Path, answer: str) -> None:
    """Configure a helper that reports no error, does nothing, and always gives one answer."""
    write_program(folder / 'bin', 'idle', f'cat > /dev/null; [ $1 != get ] || {{ {answer}; }}')
    write_file(home.config, credHelpers={home.endpoint.host: 'idle'})


@pytest.mark.parametrize('answer', [
    pytest.param('echo credentials not found in native keychain; exit 1', id='nothing'),
    pytest.param(f"""echo '{{"Username": "{USERNAME}", "Secret": "{WRONG}"}}'""", id='another password'),
    pytest.param(f"""echo '{{"Username": "{OTHER[0]}", "Secret": "{PASSWORD}"}}'""", id='another user'),
])
def test_a_login_that_the_helper_does_not_store_is_an_error(home: Home, login: Callable[..., Ended], tmp_path: Path,
                                                            answer: str) -> None:
    write_idle_helper(home, tmp_path, answer)
    before = home.config.read_bytes()
    ended = login(home).insist(1)
    assert ended.lines == [f'dxf: docker-credential-idle did not store the credential for {home.endpoint.host}, and '
                           f'reported no error: {home.config} names it']
    assert ended.out == b'' and home.config.read_bytes() == before


def test_a_logout_that_the_helper_does_not_carry_out_is_an_error(home: Home, tmp_path: Path) -> None:
    write_idle_helper(home, tmp_path, f"""echo '{{"Username": "{USERNAME}", "Secret": "{PASSWORD}"}}'""")
    assert home.run('logout').insist(1).lines == [
        f'dxf: docker-credential-idle still has the credential for {home.endpoint.host}, and reported no error: '
        f'{home.config} names it']


def test_logins_at_the_same_time_lose_nothing(basic_registry: Endpoint, token_registry: Endpoint,
                                              tmp_path: Path) -> None:
    hosts = [f'{name}:{endpoint.host.partition(":")[2]}' for endpoint in (basic_registry, token_registry)
             for name in ('localhost', '127.0.0.1')]
    config = write_file(tmp_path / '.docker' / 'config.json', {'other.example.com': OTHER}, x=1)

    def log_in(host: str) -> Ended:
        runner = Runner({'DXF_HOST': host, 'REQUESTS_CA_BUNDLE': str(basic_registry.ca), 'HOME': str(tmp_path),
                         'DXF_USERNAME': USERNAME, 'DXF_PASSWORD': PASSWORD})
        return runner.run('login')
    with ThreadPoolExecutor(4) as pool:
        for ended in pool.map(log_in, hosts):
            ended.insist(0)
    document = json.loads(config.read_text())
    assert document['x'] == 1 and set(document['auths']) == {'other.example.com', *hosts}
    assert os.listdir(config.parent) == ['config.json']


# Logout


def test_a_logout_forgets_what_is_stored_and_says_where_there_is_nothing(home: Home, login: Callable[..., Ended]
                                                                         ) -> None:
    nothing = f'no credential is stored for {home.endpoint.host}\n'.encode()
    assert home.run('logout').insist(0).out == nothing
    assert not home.config.parent.exists()
    login(home).insist(0)
    assert home.run('logout').insist(0).out == b''
    assert home.document == {'auths': {}}
    assert home.run('logout').insist(0).out == nothing


def test_a_logout_forgets_it_in_every_file_and_under_every_key(home: Home, tmp_path: Path) -> None:
    host = home.endpoint.host
    podman = write_file(tmp_path / '.config/containers/auth.json', {host: (USERNAME, PASSWORD), 'x': OTHER})
    own = USERNAME, PASSWORD
    write_file(home.config, {host: own, f'https://{host}/v1/': own, f'x{host}': OTHER})
    assert home.run('logout').insist(0).out == b''
    assert set(home.document['auths']) == {f'x{host}'}
    assert set(json.loads(podman.read_text())['auths']) == {'x'}


@pytest.mark.parametrize('kept', [True, False])
def test_a_logout_has_the_helper_forget_it(home: Home, kept: bool) -> None:
    host = home.endpoint.host
    home.helper_program.keep('other.example.com', *OTHER)
    if kept:
        home.helper_program.keep(host, USERNAME, PASSWORD)
    write_file(home.config, credHelpers={host: home.helper_program.name})
    assert (b'no credential' in home.run('logout').insist(0).out) is not kept
    assert set(home.helper_program.kept) == {'other.example.com'}


@pytest.mark.parametrize('kept', [True, False])
def test_a_logout_says_what_a_helper_keeps_for_a_path(home: Home, kept: bool) -> None:
    key = f'{home.endpoint.host}/fred'
    if kept:
        home.helper_program.keep(key, USERNAME, PASSWORD)
    write_file(home.config, credHelpers={key: home.helper_program.name, 'other.example.com/x': 'missing'})
    said = home.run('logout').insist(0).out.decode()
    assert (f'{home.config} keeps a credential for {key}\n' in said) is kept
    assert 'other.example.com' not in said


def test_a_logout_forgets_what_files_hold_though_a_helper_fails(home: Home, tmp_path: Path) -> None:
    host = home.endpoint.host
    podman = write_file(tmp_path / '.config/containers/auth.json', {host: (USERNAME, PASSWORD)})
    write_file(home.config, {host: (USERNAME, PASSWORD)}, credsStore='gone')
    assert 'docker-credential-gone' in home.run('logout').insist(1).lines[0]
    assert home.document['auths'] == json.loads(podman.read_text())['auths'] == {}


def test_a_logout_says_what_it_leaves(home: Home) -> None:
    host = home.endpoint.host
    write_file(home.config, {host: (USERNAME, PASSWORD), f'{host}/team': OTHER})
    assert home.run('logout').insist(0).out == f'{home.config} keeps a credential for {host}/team\n'.encode()
    assert set(home.document['auths']) == {f'{host}/team'}


def test_a_logout_needs_no_registry_that_answers(home: Home) -> None:
    write_file(home.config, {'localhost:1': (USERNAME, PASSWORD)})
    home.run('logout', DXF_HOST='localhost:1').insist(0)
    assert home.document['auths'] == {}


# The terminal


@dataclass
class Terminal:
    """A pseudo terminal with a command on it."""

    process: 'subprocess.Popen[bytes]'
    file: int
    shown: str = ''

    def wait_for(self, text: str) -> None:
        """Read what is shown until a text has come."""
        while text not in self.shown:
            assert select.select([self.file], [], [], 60)[0] and self._read(), self.shown

    def type(self, text: str) -> None:
        """Type, as somebody would who waits for the echo to be off where it shall be."""
        os.write(self.file, text.encode('utf-8', 'surrogateescape'))

    def wait_for_silence(self) -> None:
        """Wait until what is typed is not shown any more."""
        deadline = time.monotonic() + 60
        while self.echoes:
            assert time.monotonic() < deadline, self.shown
            time.sleep(0.01)

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self.file)[3] & termios.ECHO)

    def _read(self) -> bool:
        try:
            piece = os.read(self.file, 4096).decode()
        except OSError:  # EIO: nobody has the other side open any more
            piece = ''
        self.shown += piece
        return bool(piece)


@contextmanager
def terminal(home: Home, *args: str) -> Iterator[Terminal]:
    """Run a command on a terminal of its own."""
    master, slave = pty.openpty()
    with subprocess.Popen(['setsid', '--ctty', *DXF, *args], stdin=slave, stdout=slave, stderr=slave,
                          env={**os.environ, **home.environ()}) as process:
        try:
            yield Terminal(process, master)
        finally:
            process.kill()
            os.close(slave)
            os.close(master)


@pytest.mark.parametrize('args', [(), ('--username', USERNAME)])
def test_a_person_is_asked_and_the_password_is_not_shown(each_home: Home, args: tuple[str, ...]) -> None:
    with terminal(each_home, 'login', *args) as screen:
        if not args:
            screen.wait_for('User name: ')
            screen.type(f'{USERNAME}\n')
        screen.wait_for('Password: ')
        screen.wait_for_silence()
        screen.type(f'{PASSWORD}\n')
        screen.wait_for(f'stored in {each_home.config}')
        assert screen.process.wait(60) == 0
        assert screen.echoes
    assert PASSWORD not in screen.shown and 'Traceback' not in screen.shown
    assert (USERNAME in screen.shown.replace(str(each_home.config), '')) is not bool(args)
    assert each_home.document['auths'] == {each_home.endpoint.host: {'auth': encoded(USERNAME, PASSWORD)}}


def test_a_person_who_mistypes_the_password_is_told_and_it_is_not_shown(home: Home) -> None:
    with terminal(home, 'login', '--username', USERNAME) as screen:
        screen.wait_for('Password: ')
        screen.wait_for_silence()
        screen.type(f'{WRONG}\n')
        screen.wait_for('nothing was stored')
        assert screen.process.wait(60) == errno.EACCES
    assert WRONG not in screen.shown
    assert not home.config.exists()


def test_a_typed_password_that_is_not_utf_8_is_told_without_any_of_it(home: Home) -> None:
    with terminal(home, 'login', '--username', USERNAME) as screen:
        screen.wait_for('Password: ')
        screen.wait_for_silence()
        screen.type('s3cr\udce4t\n')
        screen.wait_for('not UTF-8')
        assert screen.process.wait(30) == 2
        assert screen.echoes
    assert 's3cr' not in screen.shown and 'e4' not in screen.shown and 'Traceback' not in screen.shown
    assert not home.config.exists()


def test_a_user_name_that_is_not_utf_8_is_wrong_usage(home: Home, login: Callable[..., Ended]) -> None:
    line, = login(home, PASSWORD, 'fr\udce4d').insist(2).lines
    assert 'UTF-8' in line and 'udce4' not in line
    assert not home.config.exists()


@pytest.mark.parametrize('key, status', [('\x03', -signal.SIGINT), ('\x04', 2)], ids=['Ctrl-C', 'Ctrl-D'])
def test_a_person_may_give_up_and_the_terminal_is_as_before(home: Home, key: str, status: int) -> None:
    with terminal(home, 'login', '--username', USERNAME) as screen:
        screen.wait_for('Password: ')
        screen.wait_for_silence()
        screen.type(key)
        assert screen.process.wait(60) == status
        assert screen.echoes
        if key == '\x04':
            screen.wait_for('a user name, without a colon, and a password are needed')
    assert not home.config.exists() and 'Error' not in screen.shown
