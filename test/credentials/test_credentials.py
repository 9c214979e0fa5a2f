"""Credentials that docker login and podman login have stored: where they are looked for, and who is sent them."""

import base64
import json
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
import requests

import dxf
from dxf import DXF, Limits
from dxf.credentials.config_file import Credential, CredentialFile, find
from dxf.credentials.stored import StoredCredentials, from_docker_config
from dxf.exceptions import DXFAuthInsecureError, DXFCredentialHelperError, DXFCredentialsError, DXFUnauthorizedError
from dxf.names import check_host, repository_at
from dxf.transport.redaction import causes

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.stored_credentials import HelperProgram, as_nobody, encoded, entry_that_is_refused, write_file
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.scripted_registry import ScriptedRegistry, error
from ..servers.token_server import TokenServer

HOST = 'registry.example.com:5000'
HUB = 'registry-1.docker.io'
SECRET = 's3cr3t-of-fred'
IDENTITY = 'an-identity/token+of=fred'
CONTENT = b'readings'


@pytest.fixture(name='config')
def config_path(tmp_path: Path) -> Path:
    """The path of docker's configuration, which is not there yet."""
    return tmp_path / '.docker' / 'config.json'


@pytest.fixture(name='oauth')
def prepare_oauth(tokens: TokenServer) -> Iterator[TokenServer]:
    """The token server of ``token_registry``, which knows an identity token for the time of the test."""
    tokens.identities[IDENTITY] = USERNAME
    yield tokens
    tokens.identities.clear()
    tokens.post_status, tokens.post_refusal = None, 401


def found(folder: Path, host: str = HOST, repository: str | None = 'fred/a') -> Credential | None:
    """Return what is found for a repository, with a folder as the home."""
    return find(host, repository, {'HOME': str(folder)})


def client(endpoint: Endpoint, repo: str, folder: Path, **options: Any) -> DXF:
    """Return a client with what is stored in a folder."""
    auth = from_docker_config({'HOME': str(folder)})
    return DXF(endpoint.host, repo, auth, tlsverify=str(endpoint.ca), limits=Limits(retries=0), **options)


# What a file holds


@pytest.mark.parametrize('entry, expected', [
    pytest.param({'auth': encoded('fred', SECRET)}, {'username': 'fred', 'password': SECRET}, id='auth'),
    pytest.param({'auth': encoded('fred', SECRET), 'email': 'fred@example.com'},
                 {'username': 'fred', 'password': SECRET}, id='auth and what nobody wants'),
    pytest.param({'auth': encoded('fred', 'a:b:c')}, {'username': 'fred', 'password': 'a:b:c'}, id='colons'),
    pytest.param({'auth': encoded('fred', 'pässwörd')}, {'username': 'fred', 'password': 'pässwörd'}, id='UTF-8'),
    pytest.param({'auth': encoded('fred', SECRET + '\0')}, {'username': 'fred', 'password': SECRET}, id='NUL'),
    pytest.param({'auth': encoded('fred', SECRET).rstrip('=')}, {'username': 'fred', 'password': SECRET},
                 id='no padding'),
    pytest.param({'auth': encoded('fred', 'xyz').rstrip('=')}, {'username': 'fred', 'password': 'xyz'},
                 id='no padding, of one character'),
    pytest.param({'auth': encoded('fred', SECRET) + '\n'}, {'username': 'fred', 'password': SECRET}, id='a line end'),
    pytest.param({'auth': encoded('fred', SECRET) + '\r\n'}, {'username': 'fred', 'password': SECRET},
                 id='a line end of Windows'),
    pytest.param({'auth': base64.encodebytes(b'fred:' + b'x' * 200).decode()},
                 {'username': 'fred', 'password': 'x' * 200}, id='wrapped'),
    pytest.param({'auth': '\n', 'username': 'fred', 'password': SECRET}, {'username': 'fred', 'password': SECRET},
                 id='nothing but a line end'),
    pytest.param({'username': 'fred', 'password': SECRET}, {'username': 'fred', 'password': SECRET}, id='apart'),
    pytest.param({'auth': encoded('fred', SECRET), 'username': 'wilma', 'password': 'x'},
                 {'username': 'fred', 'password': SECRET}, id='auth wins'),
    pytest.param({'identitytoken': IDENTITY}, {'identity_token': IDENTITY}, id='identitytoken'),
    pytest.param({'auth': encoded('00000000-0000-0000-0000-000000000000', ''), 'identitytoken': IDENTITY},
                 {'username': '00000000-0000-0000-0000-000000000000', 'identity_token': IDENTITY}, id="Azure's"),
    pytest.param({'auth': encoded('<token>', IDENTITY)}, {'identity_token': IDENTITY}, id='<token>'),
    pytest.param({'registrytoken': 'abc'}, {'registry_token': 'abc'}, id='registrytoken'),
])
def test_what_docker_login_stored_is_found(config: Path, tmp_path: Path, entry: Any, expected: dict[str, str]) -> None:
    write_file(config, {HOST: entry})
    assert found(tmp_path) == Credential(str(config), **expected)


@pytest.mark.parametrize('entry', [{}, {'auth': ''}, {'auth': None}, {'username': 'fred'}, {'password': SECRET}, None,
                                   [], 'fred', {'auth': encoded('', SECRET)}, {'identitytoken': ''},
                                   {'username': 5, 'password': 6}, {'registrytoken': 7}])
def test_an_entry_that_holds_no_credential_is_passed_over(config: Path, tmp_path: Path, entry: Any) -> None:
    write_file(config, {HOST: entry})
    assert found(tmp_path) is None


@pytest.mark.parametrize('document', ['{}', '', ' \n', '{"auths": null}', '{"auths": []}', '{"credsStore": ""}',
                                      '{"credHelpers": null}', '{"credsStore": 5, "credHelpers": {"x": 1}}',
                                      '{"HttpHeaders": {"X": "y"}}'])
def test_a_file_without_credentials_is_fine(config: Path, tmp_path: Path, document: str) -> None:
    config.parent.mkdir()
    config.write_text(document)
    assert found(tmp_path) is None


def test_an_entry_of_another_registry_need_not_make_sense(config: Path, tmp_path: Path) -> None:
    write_file(config, {'other.example.com': {'auth': '???'}, HOST: ('fred', SECRET)})
    assert found(tmp_path) == Credential(str(config), 'fred', SECRET)


# Keys


@pytest.mark.parametrize('repository, key', [
    pytest.param('team/repo', f'{HOST}/team/repo', id='the longest'),
    pytest.param('team/repo/deep', f'{HOST}/team/repo', id='below the longest'),
    pytest.param('team/other', f'{HOST}/team', id='the team'),
    pytest.param('team/repos', f'{HOST}/team', id='no whole component of the repository'),
    pytest.param('teams/repo', HOST, id='no whole component of the team'),
    pytest.param('repo', HOST, id='one component'),
    pytest.param(None, HOST, id='the registry itself'),
])
def test_the_longest_key_wins(config: Path, tmp_path: Path, repository: str | None, key: str) -> None:
    keys = (f'{HOST}/tea', f'{HOST}/team', f'{HOST}/team/repo', f'{HOST}/team/rep', f'{HOST}/other', HOST)
    for order in (keys, keys[::-1]):
        write_file(config, {name: (name, SECRET) for name in order})
        one = found(tmp_path, repository=repository)
        assert one is not None and one.username is not None and one.password is not None
        assert f'{one.username}:{one.password}' == f'{key}:{SECRET}'


@pytest.mark.parametrize('key', [f'{HOST}/tea', f'{HOST}/other', f'{HOST}/team/repo/deep', f'{HOST}/team/repository',
                                 f'{HOST}/repo', 'registry.example.com', 'registry.example.com:500', f'x{HOST}',
                                 'example.com:5000', f'https://{HOST}0/v1/', f'https://x.{HOST}', 'docker.io',
                                 'https://index.docker.io/v1/', '', '/', 'https://', f'{HOST}@other.example.com'])
def test_the_key_of_another_is_not_used(config: Path, tmp_path: Path, key: str) -> None:
    write_file(config, {key: ('wilma', SECRET)})
    assert found(tmp_path, repository='team/repo') is None


@pytest.mark.parametrize('mark', ['', '\ufeff'])
def test_a_byte_order_mark_is_skipped(config: Path, tmp_path: Path, mark: str) -> None:
    write_file(config, {HOST: ('fred', SECRET)})
    config.write_text(mark + config.read_text(), 'utf-8')
    assert found(tmp_path) == Credential(str(config), 'fred', SECRET)
    config.write_text(mark, 'utf-8')
    assert found(tmp_path) is None


def test_a_file_with_a_byte_order_mark_is_changed_by_a_login_and_read_again(config: Path, tmp_path: Path) -> None:
    write_file(config, {'other.example.com': ('wilma', SECRET)}, HttpHeaders={'X': 'y'})
    config.write_text('\ufeff' + config.read_text(), 'utf-8')
    CredentialFile(str(config), {}).store(HOST, 'fred', SECRET)
    document = json.loads(config.read_text('utf-8'))
    assert (document['auths'].keys(), document['HttpHeaders']) == ({'other.example.com', HOST}, {'X': 'y'})
    assert found(tmp_path) == Credential(str(config), 'fred', SECRET)


def test_of_several_addresses_that_of_the_registry_comes_first(config: Path, tmp_path: Path) -> None:
    write_file(config, {f'https://{HOST}/a/path': ('wilma', SECRET), f'https://{HOST}/v2/': ('fred', SECRET)})
    assert found(tmp_path) == Credential(str(config), 'fred', SECRET)


def test_a_login_leaves_what_is_stored_under_a_deeper_address_and_a_logout_erases_it(config: Path, tmp_path: Path
                                                                                     ) -> None:
    tokens = ['https://index.docker.io/v1/access-token', 'https://index.docker.io/v1/refresh-token']
    for host, deep in ((HOST, [f'https://{HOST}/a/path']), (HUB, tokens)):
        write_file(config, {key: ('wilma', SECRET) for key in (*deep, f'https://{HOST}/v1/')})
        file = CredentialFile(str(config), {})
        file.store(host, 'fred', SECRET)
        assert found(tmp_path, host) == Credential(str(config), 'fred', SECRET)
        assert set(deep) < set(json.loads(config.read_text())['auths'])
        assert file.erase(host)
        assert found(tmp_path, host) is None
        assert not set(deep) & set(json.loads(config.read_text())['auths'])


@pytest.mark.parametrize('key', ['team/', 'team/repo/', 'TEAM/repo/'])
def test_a_key_of_a_repository_may_end_in_a_slash(config: Path, tmp_path: Path, key: str) -> None:
    write_file(config, {f'{HOST}/{key}': ('fred', SECRET), HOST: ('wilma', SECRET)})
    assert found(tmp_path, repository='team/repo') == Credential(str(config), 'fred', SECRET)
    assert found(tmp_path, repository='teams/repo') == Credential(str(config), 'wilma', SECRET)


@pytest.mark.parametrize('key', ['https://{}', 'https://{}/', 'https://{}/v1/', 'https://{}/v2/', 'https://{}/v1',
                                 'https://{}/v2', 'http://{}', 'http://{}/v1/', '{}/', 'https://{}/team/repo',
                                 'https://{}/v2/team', 'http://{}/any/path/'])
def test_a_key_may_be_an_address(config: Path, tmp_path: Path, key: str) -> None:
    write_file(config, {key.format(HOST): ('fred', SECRET)})
    assert found(tmp_path) == Credential(str(config), 'fred', SECRET)
    write_file(config, {key.format(HOST): ('fred', SECRET), HOST: ('wilma', SECRET)})
    one = found(tmp_path)
    assert one is not None and one.username == 'wilma'


@pytest.mark.parametrize('name', ['', 'docker.io', 'index.docker.io', HUB])
@pytest.mark.parametrize('key', [
    'https://index.docker.io/v1/', 'index.docker.io', 'docker.io', HUB, 'https://index.docker.io', 'https://docker.io',
    f'https://{HUB}', f'https://{HUB}/v2/', 'https://docker.io/v1/', 'docker.io/library', 'docker.io/library/alpine',
    'https://index.docker.io/v2/', 'https://index.docker.io/v1'])
def test_docker_hub_has_one_credential_by_all_its_names(config: Path, tmp_path: Path, name: str, key: str) -> None:
    write_file(config, {'example.com': ('wilma', SECRET), key: ('fred', SECRET)})
    host = check_host(name)
    assert found(tmp_path, host, repository_at(host, 'alpine')) == Credential(str(config), 'fred', SECRET)


def test_the_key_of_a_team_on_docker_hub_is_not_that_of_another(config: Path, tmp_path: Path) -> None:
    write_file(config, {'docker.io/fred': ('fred', SECRET), 'docker.io.example.com': ('wilma', SECRET)})
    assert found(tmp_path, HUB, 'wilma/a') is None
    assert found(tmp_path, HUB, 'fred/a') is not None


# Files


def test_files_are_looked_into_in_their_order(tmp_path: Path) -> None:
    environ = {'HOME': str(tmp_path / 'home'), 'DOCKER_CONFIG': str(tmp_path / 'docker'),
               'REGISTRY_AUTH_FILE': str(tmp_path / 'podman.json'), 'XDG_RUNTIME_DIR': str(tmp_path / 'run')}
    paths = [tmp_path / name for name in ('podman.json', 'docker/config.json', 'run/containers/auth.json',
                                          'home/.config/containers/auth.json')]
    for path in [*paths, tmp_path / 'home/.docker/config.json']:
        write_file(path, {HOST: ('fred', path.parent.name)})
    for path in paths:
        assert find(HOST, None, environ) == Credential(str(path), 'fred', path.parent.name)
        path.unlink()
    assert find(HOST, None, environ) is None  # DOCKER_CONFIG stands in place of ~/.docker
    assert find(HOST, None, {**environ, 'DOCKER_CONFIG': ''}) == Credential(
        str(tmp_path / 'home/.docker/config.json'), 'fred', '.docker')


def test_a_file_without_this_registry_hides_none_behind_it(config: Path, tmp_path: Path) -> None:
    write_file(config, {'other.example.com': ('wilma', SECRET), f'{HOST}/other': ('wilma', SECRET)})
    other = write_file(tmp_path / '.config/containers/auth.json', {HOST: ('fred', SECRET)})
    assert found(tmp_path) == Credential(str(other), 'fred', SECRET)


@pytest.mark.parametrize('home', ['nowhere', 'file', '/dev/null'])
def test_files_that_are_missing_are_fine(tmp_path: Path, home: str) -> None:
    (tmp_path / 'file').touch()
    folder = str(tmp_path / home)  # /dev/null stays itself
    assert find(HOST, None, {'HOME': folder, 'DOCKER_CONFIG': '', 'XDG_RUNTIME_DIR': folder}) is None
    assert find(HOST, None, {'HOME': folder, 'REGISTRY_AUTH_FILE': f'{tmp_path}/nowhere'}) is None


def test_without_an_environment_that_of_the_process_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                           basic_registry: Endpoint, repo: str) -> None:
    write_file(tmp_path / 'config.json', {basic_registry.host: (USERNAME, PASSWORD)})
    monkeypatch.setenv('DOCKER_CONFIG', str(tmp_path))
    assert DXF(basic_registry.host, repo, from_docker_config(), tlsverify=str(basic_registry.ca)).push_blob(
        data=CONTENT) == dxf.hash_bytes(CONTENT)


def _folder(path: Path) -> None:
    path.mkdir()


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _writer(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


_AUTHS = json.dumps({HOST: {'auth': encoded('fred', SECRET), 'password': SECRET}})


@pytest.mark.parametrize('make', [
    pytest.param(_writer(SECRET.encode()), id='no JSON'),
    pytest.param(_writer(f'{{"auths": {_AUTHS}'.encode()), id='half of it'),
    pytest.param(_writer(f'["{SECRET}"]'.encode()), id='a list'),
    pytest.param(_writer(f'"{SECRET}"'.encode()), id='a string'),
    pytest.param(_writer(f'{{"auths": {_AUTHS}, "x": "'.encode() + b'\xff"}'), id='not UTF-8'),
    pytest.param(_writer(b'{"x": ' + b'[' * 100000), id='deep'),
    pytest.param(_writer(f'{{"{SECRET}": 1, "{SECRET}": 2}}'.encode()), id='a key twice'),
    pytest.param(_writer(f'{{"auths": {_AUTHS}, "x": "{"y" * (5 << 20)}"}}'.encode()), id='huge'),
    pytest.param(_folder, id='a folder'), pytest.param(_loop, id='a loop'),
    *(pytest.param(_writer(json.dumps({'auths': {HOST: {'auth': auth}}}).encode()), id=f'auth: {auth}') for auth in [
        f'{SECRET}!', SECRET, base64.b64encode(SECRET.encode()).decode(), encoded('fred', SECRET)[:-3],
        f'{encoded("fred", SECRET)}!', 5, [SECRET], {'x': SECRET},
        base64.b64encode(b'fred:\xff' + SECRET.encode()).decode(), f'{SECRET}é', True]),
])
def test_a_file_that_makes_no_sense_is_one_line_with_its_path_and_no_content(
        config: Path, tmp_path: Path, make: Callable[[Path], object]) -> None:
    config.parent.mkdir()
    make(config)
    with pytest.raises(DXFCredentialsError) as caught:
        found(tmp_path)
    insist_on_path(caught, config)


def test_a_file_that_may_not_be_read_is_one_line_with_its_path(config: Path, tmp_path: Path) -> None:
    write_file(config, {HOST: ('fred', SECRET)}).chmod(0)
    with as_nobody(), pytest.raises(DXFCredentialsError, match='Permission denied') as caught:
        found(tmp_path)
    insist_on_path(caught, config)


def insist_on_path(caught: pytest.ExceptionInfo[DXFCredentialsError], path: Path) -> None:
    """Insist on one line that names a file, and holds nothing of its content; nor does the traceback."""
    text = str(caught.value)
    assert str(path) in text and text.isprintable()
    whole = ''.join(traceback.format_exception(caught.type, caught.value, caught.tb)) + repr(caught.value.args)
    assert SECRET not in whole and base64.b64encode(SECRET.encode()).decode()[:12] not in text


def test_what_another_process_has_just_stored_or_erased_is_no_error(config: Path) -> None:
    write_file(config, {HOST: ('fred', SECRET)})
    first, second, third = (CredentialFile(str(config), {}) for _ in range(3))
    third.store('other.example.com', 'wilma', SECRET)
    assert first.erase(HOST)
    second.erase(HOST)
    assert set(json.loads(config.read_text())['auths']) == {'other.example.com'}


# The library


def test_importing_dxf_does_not_import_what_is_for_stored_credentials_alone() -> None:
    code = 'import sys, dxf; sys.exit(bool({"dxf.credentials", "dxf.credentials.helper"} & set(sys.modules)))'
    for arguments in (['-c', code], ['-c', code.replace('dxf;', 'dxf.main;')]):
        subprocess.run([sys.executable, *arguments], timeout=60, check=True)


def test_what_answers_is_importable_as_the_readme_says() -> None:
    code = 'from dxf.credentials import from_docker_config; from_docker_config(); import dxf; dxf.credentials'
    subprocess.run([sys.executable, '-W', 'error', '-c', code], timeout=60, check=True)


@pytest.mark.parametrize('kind', ['basic_registry', 'token_registry'])
def test_a_stored_password_opens_a_registry(request: pytest.FixtureRequest, kind: str, config: Path, tmp_path: Path,
                                            repo: str) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    write_file(config, {endpoint.host: (USERNAME, PASSWORD)})
    digest = client(endpoint, repo, tmp_path).push_blob(data=CONTENT)
    assert b''.join(client(endpoint, repo, tmp_path).pull_blob(digest)) == CONTENT


@pytest.mark.parametrize('kind', ['basic_registry', 'token_registry'])
def test_a_helper_is_run_once_for_all_that_a_client_does(request: pytest.FixtureRequest, kind: str, config: Path,
                                                         tmp_path: Path, repo: str) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    helper_program = HelperProgram(tmp_path)
    helper_program.keep(endpoint.host, USERNAME, PASSWORD)
    write_file(config, credsStore=helper_program.name)
    auth = from_docker_config({'HOME': str(tmp_path), 'PATH': helper_program.path})
    with DXF(endpoint.host, repo, auth, tlsverify=str(endpoint.ca), jobs=4) as repository:
        digests = repository.push_blobs([bytes([number]) * 9 for number in range(8)])
        repository.set_alias('a', *digests)
        repository.token = None
        assert repository.get_alias('a') == digests
    assert helper_program.asked == [['get', endpoint.host]]


def test_an_identity_token_is_exchanged_by_post_and_seen_by_nobody_else(
        token_registry: Endpoint, oauth: TokenServer, config: Path, tmp_path: Path, repo: str,
        traffic: Traffic) -> None:
    write_file(config, {token_registry.host: {'auth': encoded('fred', ''), 'identitytoken': IDENTITY}})
    repository = client(token_registry, repo, tmp_path)
    repository.set_alias('a', repository.push_blob(data=CONTENT))
    assert oauth.requests
    for request in oauth.requests:
        assert (request.method, request.query, request.authorization) == ('POST', '', None)
        form = parse_qs(request.body)
        assert form.pop('client_id')[0]
        assert form.pop('scope')[0].startswith(f'repository:{repo}:')
        assert form == {'grant_type': ['refresh_token'], 'service': [oauth.service], 'refresh_token': [IDENTITY]}
    leaks = (IDENTITY, quote(IDENTITY, ''), encoded('fred', IDENTITY), encoded('<token>', IDENTITY))
    for exchange in traffic.requests:
        assert not [leak for leak in leaks if leak in exchange.url or leak in str(exchange.headers)]


@pytest.mark.parametrize('status', [401, 403, 404, 405])
def test_a_server_that_knows_no_oauth_is_asked_by_get(token_registry: Endpoint, oauth: TokenServer, config: Path,
                                                      tmp_path: Path, repo: str, traffic: Traffic, status: int) -> None:
    oauth.post_status = status
    write_file(config, {token_registry.host: {'identitytoken': IDENTITY}})
    assert client(token_registry, repo, tmp_path).push_blob(data=CONTENT, check_exists=False)
    assert [request.method for request in oauth.requests] == ['POST', 'GET']
    asked = oauth.requests[1]
    assert asked.authorization == f'Basic {encoded("<token>", IDENTITY)}'
    assert asked.service == oauth.service
    assert asked.scopes in [(f'repository:{repo}:pull,push',), (f'repository:{repo}:push,pull',)]  # by chance
    for exchange in traffic.requests:
        assert 'identity' not in exchange.url
        assert oauth.host in exchange.url or 'Basic' not in str(exchange.headers)


@pytest.mark.parametrize('refusal', [400, 401])
def test_an_identity_token_that_is_refused_is_not_tried_as_a_password(
        token_registry: Endpoint, oauth: TokenServer, config: Path, tmp_path: Path, repo: str, refusal: int) -> None:
    oauth.post_refusal = refusal
    oauth.identities.clear()
    write_file(config, {token_registry.host: {'identitytoken': IDENTITY}})
    with pytest.raises(DXFUnauthorizedError) as caught:
        client(token_registry, repo, tmp_path).push_blob(data=CONTENT, check_exists=False)
    assert [request.method for request in oauth.requests] == ['POST']
    assert IDENTITY not in ''.join(traceback.format_exception(caught.type, caught.value, caught.tb))


@pytest.mark.parametrize('status', [None, 404])
def test_a_short_lived_token_is_renewed_with_the_identity_token(
        token_registry: Endpoint, oauth: TokenServer, config: Path, tmp_path: Path, repo: str,
        status: int | None) -> None:
    oauth.lifetime, oauth.post_status = 1, status
    helper_program = HelperProgram(tmp_path)
    helper_program.keep(token_registry.host, '<token>', IDENTITY)
    write_file(config, credsStore=helper_program.name)
    auth = from_docker_config({'HOME': str(tmp_path), 'PATH': helper_program.path})
    repository = DXF(token_registry.host, repo, auth, tlsverify=str(token_registry.ca))
    repository.push_blob(data=CONTENT)
    before, token = len(oauth.requests), repository.token
    time.sleep(1)
    repository.push_blob(data=CONTENT * 2)
    assert len(oauth.requests) > before and repository.token != token
    assert {request.method for request in oauth.requests[before:]} == {'POST' if status is None else 'GET'}
    assert oauth.requests[before].scopes == oauth.requests[before - 1].scopes
    assert helper_program.asked == [['get', token_registry.host]]


def test_a_registry_token_is_used_as_it_is(token_registry: Endpoint, tokens: TokenServer, config: Path, tmp_path: Path,
                                           repo: str) -> None:
    token = tokens.token(USERNAME, f'repository:{repo}:pull,push')
    write_file(config, {token_registry.host: {'registrytoken': token}})
    assert client(token_registry, repo, tmp_path).push_blob(data=CONTENT)
    assert tokens.requests == []


@pytest.mark.parametrize('kind', ['password', 'identitytoken', 'registrytoken'])
def test_a_credential_that_is_refused_is_left_away_for_reading_with_a_warning(
        token_registry: Endpoint, tokens: TokenServer, config: Path, tmp_path: Path, repo: str, kind: str) -> None:
    digest = token_registry.dxf(repo).push_blob(data=CONTENT)
    write_file(config, {token_registry.host: entry_that_is_refused(kind, SECRET, tokens, repo)})
    repository = client(token_registry, repo, tmp_path)
    with pytest.warns(UserWarning) as caught:
        assert b''.join(repository.pull_blob(digest)) == CONTENT
    assert [str(config) in str(one.message) and SECRET not in str(one.message) for one in caught] == [True]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert repository.blob_size(digest) == len(CONTENT)


@pytest.mark.parametrize('kind', ['password', 'identitytoken', 'registrytoken'])
def test_a_credential_that_is_refused_is_an_error_for_writing(
        token_registry: Endpoint, tokens: TokenServer, config: Path, tmp_path: Path, repo: str, kind: str) -> None:
    write_file(config, {token_registry.host: entry_that_is_refused(kind, SECRET, tokens, repo)})
    auth = StoredCredentials({'HOME': str(tmp_path)})
    repository = DXF(token_registry.host, repo, auth, tlsverify=str(token_registry.ca), limits=Limits(retries=0))
    with pytest.raises(DXFUnauthorizedError):
        repository.push_blob(data=CONTENT, check_exists=False)
    assert auth.place == str(config)
    assert not [request for request in tokens.requests if request.authorization is None and request.method == 'GET']


def test_where_a_helper_fails_a_program_reads_with_a_warning_and_does_not_write(
        token_registry: Endpoint, config: Path, tmp_path: Path, repo: str) -> None:
    digest = token_registry.dxf(repo).push_blob(data=CONTENT)
    write_file(config, credHelpers={token_registry.host: 'bad'})
    repository = client(token_registry, repo, tmp_path)
    with pytest.warns(UserWarning, match='^docker-credential-bad is not installed.*; reading without a credential$'):
        assert b''.join(repository.pull_blob(digest)) == CONTENT
    with pytest.raises(DXFCredentialHelperError, match='docker-credential-bad'):
        repository.push_blob(data=CONTENT * 2, check_exists=False)


def test_a_helper_that_works_again_is_asked_again(token_registry: Endpoint, config: Path, tmp_path: Path, repo: str
                                                  ) -> None:
    write_file(config, credsStore='ring')
    helper_program = HelperProgram(tmp_path)
    helper_program.keep(token_registry.host, USERNAME, PASSWORD)
    program = tmp_path / helper_program.program
    program.chmod(0)
    auth = from_docker_config({'HOME': str(tmp_path), 'PATH': helper_program.path})
    repository = DXF(token_registry.host, repo, auth, tlsverify=str(token_registry.ca))
    with pytest.raises(DXFCredentialHelperError):
        repository.push_blob(data=CONTENT, check_exists=False)
    program.chmod(0o755)
    assert repository.push_blob(data=CONTENT, check_exists=False) == dxf.hash_bytes(CONTENT)


def test_without_a_credential_reading_is_anonymous_and_no_warning(token_registry: Endpoint, tmp_path: Path,
                                                                  repo: str) -> None:
    digest = token_registry.dxf(repo).push_blob(data=CONTENT)
    assert b''.join(client(token_registry, repo, tmp_path).pull_blob(digest)) == CONTENT


@pytest.mark.parametrize('entry', [{'auth': encoded(USERNAME, PASSWORD)}, {'identitytoken': IDENTITY},
                                   {'registrytoken': SECRET}], ids=lambda entry: str(*entry))
@pytest.mark.parametrize('challenge', ['Basic realm="x"', 'Bearer realm="https://localhost:1/token",service="x"'])
def test_over_http_nothing_is_sent(config: Path, tmp_path: Path, entry: dict[str, str], challenge: str) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': challenge})
        write_file(config, {server.host: entry})
        repository = DXF(server.host, 'fred/a', from_docker_config({'HOME': str(tmp_path)}), insecure=True,
                         limits=Limits(retries=0))
        with pytest.raises((DXFAuthInsecureError, DXFUnauthorizedError)):
            repository.push_blob(data=CONTENT)
        assert server.requests and {request.authorization for request in server.requests} == {None}


def test_over_http_nothing_is_looked_for(config: Path, tmp_path: Path) -> None:
    helper_program = HelperProgram(tmp_path)
    write_file(config, credsStore=helper_program.name)
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Basic realm="x"'})
        auth = from_docker_config({'HOME': str(tmp_path), 'PATH': helper_program.path})
        with pytest.raises((DXFAuthInsecureError, DXFUnauthorizedError)):
            DXF(server.host, 'fred/a', auth, insecure=True, limits=Limits(retries=0)).blob_size(dxf.hash_bytes(b''))
    assert helper_program.asked == []


def test_one_object_serves_clients_of_several_registries_with_the_credential_of_each(
        config: Path, tmp_path: Path, certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as first, ScriptedRegistry(certificates) as second:
        for server in (first, second):
            server.hook = lambda request: None if request.authorization else error(
                401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Basic realm="x"'})
        write_file(config, {f'{first.host}/fred': ('fred', SECRET), f'{first.host}/wilma': ('wilma', SECRET),
                            second.host: ('barney', SECRET)})
        auth = from_docker_config({'HOME': str(tmp_path)})
        for server, repo in ((first, 'fred/a'), (first, 'wilma/a'), (second, 'fred/a')):
            DXF(server.host, repo, auth, tlsverify=certificates.ca).push_blob(data=CONTENT)
        users = [{(request.path.split('/')[2], request.authorization) for request in server.requests
                  if request.authorization} for server in (first, second)]
    assert users == [{('fred', f'Basic {encoded("fred", SECRET)}'), ('wilma', f'Basic {encoded("wilma", SECRET)}')},
                     {('fred', f'Basic {encoded("barney", SECRET)}')}]


# The token server of the tests, which knows OAuth2


def test_the_token_server_exchanges_identity_tokens_and_nothing_else(token_registry: Endpoint,
                                                                     oauth: TokenServer) -> None:
    form = {'grant_type': 'refresh_token', 'service': oauth.service, 'client_id': 'me', 'refresh_token': IDENTITY,
            'scope': 'repository:fred/a:pull registry:catalog:*'}
    with requests.Session() as session:
        session.verify = str(token_registry.ca)
        answer = session.post(oauth.realm, form)
        assert answer.status_code == 200 and 'token' not in answer.json()
        assert oauth.requests[-1].scopes == ('repository:fred/a:pull', 'registry:catalog:*')
        catalogue = session.get(f'{token_registry.url}/v2/_catalog', headers={
            'Authorization': f'Bearer {answer.json()["access_token"]}'})
        assert catalogue.status_code == 200
        for name, wrong in (('refresh_token', PASSWORD), ('grant_type', 'password'), ('client_id', '')):
            assert session.post(oauth.realm, {**form, name: wrong}).status_code == 401
        oauth.post_refusal = 400
        assert session.post(oauth.realm, {**form, 'refresh_token': 'x'}).status_code == 400
        assert session.post(f'{oauth.realm}s', form).status_code == 404
        oauth.post_status = 405
        assert session.post(oauth.realm, form).status_code == 405
        assert session.get(oauth.realm, auth=('<token>', IDENTITY)).status_code == 200


@pytest.mark.parametrize(('key', 'host'), [
    ('GHCR.example.com', 'ghcr.example.com'), ('ghcr.example.com', 'GHCR.Example.com'),
    ('https://GHCR.example.com/v1/', 'ghcr.example.com')])
def test_upper_and_lower_case_are_the_same_host(config: Path, tmp_path: Path, key: str, host: str) -> None:
    write_file(config, {key: ('fred', SECRET)})
    assert found(tmp_path, host) == Credential(str(config), 'fred', SECRET)


@pytest.mark.parametrize('entry', [{'identitytoken': 'a\ud800b'}, {'username': 'fred', 'password': '\ud800'}])
def test_a_secret_that_is_no_text_is_one_line_with_the_file(config: Path, tmp_path: Path, entry: Any) -> None:
    write_file(config, {HOST: entry})
    with pytest.raises(DXFCredentialsError, match=str(config)) as caught:
        found(tmp_path)
    assert len(list(causes(caught.value))) == 1     # the error of an encoding would hold the secret


def test_a_file_of_credentials_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / 'fr\udce4d.json'
    write_file(path, {HOST: ('fred', SECRET)})
    assert find(HOST, None, {'REGISTRY_AUTH_FILE': str(path), 'HOME': str(tmp_path)}) == Credential(
        str(path), 'fred', SECRET)
