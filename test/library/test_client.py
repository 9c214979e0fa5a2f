"""A client as an object: what it shows of itself, how it is closed, copied and pickled, and what it says is there."""

import copy
import functools
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

import dxf
from dxf import (DXF, DXFBase, DXFError, DXFHTTPError, DXFNotFoundError, DXFUnauthorizedError, Limits, Options,
                 hash_bytes)
from dxf.transport.proxies import Proxies

from ..conftest import ONCE
from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.tables import on_folder_and_server
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.scripted_registry import REPO, Answer, ScriptedRegistry, error
from ..servers.token_server import TokenServer

RunPython = Callable[[str], str]

CONTENT = b'readings'
DIGEST = hash_bytes(CONTENT)
MISSING = hash_bytes(b'what no test ever stores')


# What it shows

def test_a_client_tells_its_registry_and_repository_and_no_secret() -> None:
    client = DXF('registry.example.com', 'fred/datalogger', lambda *_: None)
    client.token = 's3cret'
    assert repr(client) == "DXF('registry.example.com', 'fred/datalogger')"
    assert repr(DXFBase('')) == "DXFBase('registry-1.docker.io')"
    assert (client.host, client.repo) == ('registry.example.com', 'fred/datalogger')
    assert DXF('', 'alpine').repo == 'library/alpine'


class Named(DXF):
    """A subclass that has attributes of these names itself, as one that was written before dxf had them."""

    def __init__(self, host: str, repo: str) -> None:
        super().__init__(host, repo, insecure=True)
        self.host = host.upper()
        self.repo = repo.upper()


def test_a_subclass_may_have_attributes_of_these_names(open_registry: Endpoint, repo: str) -> None:
    client = Named(open_registry.host, repo)
    assert client.push_blob(data=CONTENT) == DIGEST
    assert client.repo == repo.upper()


def test_the_names_of_a_client_follow_what_programs_assign() -> None:
    client = DXF('registry.example.com', 'fred/datalogger')
    client._host, client._repo = 'other.example.com', 'fred/other'
    assert (client.host, client.repo) == ('other.example.com', 'fred/other')


# Closing

def test_a_closed_client_has_no_connection_and_opens_new_ones(open_registry: Endpoint, repo: str,
                                                              traffic: Traffic) -> None:
    client = open_registry.dxf(repo)
    client.push_blob(data=CONTENT)
    assert len(traffic.connections) == 1
    client.close()
    client.blob_size(DIGEST)
    assert len(traffic.connections) == 2


# What is there

def test_a_blob_or_an_alias_exists_or_does_not(endpoint: Endpoint, repo: str) -> None:
    client = endpoint.dxf(repo)
    client.push_blob(data=CONTENT)
    client.set_alias('there', DIGEST)
    assert [client.exists(name) for name in (DIGEST, 'there', MISSING, 'missing')] == [True, True, False, False]


def test_a_manifest_exists_by_its_alias_and_not_as_a_blob(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    client.set_alias('there', client.push_blob(data=CONTENT))
    assert not client.exists(client.manifest_digest('there'))


@pytest.mark.parametrize('name', [DIGEST, 'alias'])
@pytest.mark.parametrize('status, raised', [(401, DXFUnauthorizedError), (403, DXFHTTPError), (500, DXFHTTPError)])
def test_a_refusal_does_not_say_that_something_is_missing(name: str, status: int, raised: type[Exception]) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(status, 'DENIED')
        with pytest.raises(raised):
            DXF(server.host, REPO, insecure=True, limits=ONCE).exists(name)


@pytest.mark.parametrize('name', [DIGEST, 'alias'])
def test_a_token_server_that_is_not_there_does_not_say_that_something_is_missing(
        name: str, certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server, ScriptedRegistry(certificates) as tokens:
        server.hook = lambda request: Answer(
            401, {'WWW-Authenticate': f'Bearer realm="{tokens.url}/token",service="x"'})
        tokens.hook = lambda request: error(404, 'NOT_FOUND')
        client = DXF(server.host, REPO, lambda one, response: one.authenticate(USERNAME, PASSWORD, response=response),
                     tlsverify=certificates.ca, limits=ONCE)
        with pytest.raises(DXFHTTPError, match='404') as caught:
            client.exists(name)
        assert not isinstance(caught.value, DXFNotFoundError)


@pytest.mark.parametrize('name', ['', '@alias', 'a/b', 'sha256:1', 'md5:0cc175b9c0f1b6a831c399e269772661'])
def test_a_name_that_nothing_can_have_is_refused(name: str) -> None:
    with pytest.raises(DXFError):
        DXF('localhost:1', REPO).exists(name)


@on_folder_and_server('ask', [
    lambda client: client.blob_size(MISSING), lambda client: client.pull_blob(MISSING),
    lambda client: client.get_alias('missing'), lambda client: client.del_blob(MISSING),
    lambda client: client.set_alias('new', MISSING), lambda client: client.del_alias('missing'),
])
def test_what_is_missing_is_an_error_of_its_own(endpoint: Endpoint, repo: str, ask: Callable[[DXF], object]) -> None:
    client = endpoint.dxf(repo)
    client.push_blob(data=CONTENT)
    with pytest.raises(DXFNotFoundError) as caught:
        ask(client)
    assert isinstance(caught.value, (DXFHTTPError, requests.exceptions.HTTPError))
    assert caught.value.response is not None and caught.value.response.status_code == 404


# Copies and pickles

def answer_with(password: str, client: DXFBase, response: requests.Response) -> None:
    """Answer a challenge."""
    client.authenticate(USERNAME, password, response=response)


def test_a_pickled_client_has_its_settings_and_no_secret(certificates: Certificates) -> None:
    options = Options(limits=Limits(retries=1), cert=certificates.both, jobs=2, schema='oci',
                      proxies=Proxies(https='http://fred:s3cret@proxy:1'))
    client = DXF('registry.example.com', 'fred/datalogger', functools.partial(answer_with, 's3cret'), False,
                 'tokens.example.com', certificates.ca, 7, options=options)
    client.token = 's3cret'
    pickled = pickle.dumps(client)
    assert b's3cret' not in pickled
    twin = pickle.loads(pickled)
    for name in ('_host', '_repo', '_auth_host', '_insecure', '_tlsverify', '_timeout', '_base_url'):
        assert getattr(twin, name) == getattr(client, name)
    assert twin.options == options.replace(proxies=None)
    assert (twin.token, twin._auth, twin._headers) == (None, None, {})
    assert client.token == 's3cret' and client.options is options


@pytest.mark.parametrize('kind', [pickle.loads, lambda pickled: copy.deepcopy(pickle.loads(pickled))])
def test_an_unpickled_client_works_once_it_has_a_credential(token_registry: Endpoint, repo: str,
                                                            kind: Callable[[bytes], DXF]) -> None:
    client = token_registry.dxf(repo)
    client.push_blob(data=CONTENT)
    twin = kind(pickle.dumps(client))
    assert twin._sessions[0] is not client._sessions[0]
    with pytest.raises(DXFUnauthorizedError, match='no auth was given'):
        twin.blob_size(DIGEST)
    twin.authenticate(USERNAME, PASSWORD, actions='pull')
    assert twin.blob_size(DIGEST) == len(CONTENT)


def test_an_unpickled_client_of_a_folder_works(tmp_path: Any) -> None:
    client = DXF(f'oci:{tmp_path}', REPO)
    client.push_blob(data=CONTENT)
    assert pickle.loads(pickle.dumps(client)).blob_size(DIGEST) == len(CONTENT)
    assert pickle.loads(pickle.dumps(DXFBase(f'oci:{tmp_path}'))).list_repos() == [REPO]


def test_a_client_with_connections_is_pickled_without_them(open_registry: Endpoint, repo: str) -> None:
    with open_registry.dxf(repo) as client:
        client.push_blob(data=CONTENT)
        with pickle.loads(pickle.dumps(client)) as twin:
            assert twin.blob_size(DIGEST) == len(CONTENT)
        assert client.blob_size(DIGEST) == len(CONTENT)


def test_a_copy_of_a_client_shares_its_connections_and_token(token_registry: Endpoint, repo: str, traffic: Traffic,
                                                             tokens: TokenServer) -> None:
    client = token_registry.dxf(repo)
    client.push_blob(data=CONTENT)
    tokens.requests.clear()
    traffic.clear()
    twin = copy.copy(client)
    assert (twin.blob_size(DIGEST), twin.token) == (len(CONTENT), client.token)
    assert (tokens.requests, traffic.connections) == ([], [])


# The way of a request

def modules_on_the_stack() -> set[str]:
    """Return the modules of dxf that the running request has passed."""
    names = [frame.frame.f_globals.get('__name__', '') for frame in inspect.stack(0)]
    return {name for name in names if name.partition('.')[0] == 'dxf'}


def test_the_requests_of_a_pull_pass_five_modules(token_registry: Endpoint, repo: str,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    token_registry.dxf(repo).push_blob(data=CONTENT)
    passed: list[set[str]] = []
    send = HTTPAdapter.send

    def noting(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        passed.append(modules_on_the_stack())
        return send(adapter, request, **options)
    monkeypatch.setattr(HTTPAdapter, 'send', noting)
    assert b''.join(token_registry.dxf(repo).pull_blob(DIGEST)) == CONTENT
    assert len(passed) == 3  # the challenge, the token and the blob
    # The decorator of parameters checks the arguments, and then calls.
    assert set().union(*passed) - {'dxf.parameters'} == {
        'dxf.blobs', 'dxf.transfer.pulling', 'dxf.registry', 'dxf.transport.auth', 'dxf.transport.session'}


# The package

@pytest.fixture(name='run_python')
def make_run_python() -> RunPython:
    """What runs a program in a new interpreter, and returns its output."""
    return lambda program: subprocess.run([sys.executable, '-W', 'error', '-c', program], capture_output=True,
                                          text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize('line', [
    'import dxf; dxf.artifacts.push_files', 'import dxf; dxf.copying.copy', 'import dxf; dxf.credentials.stored',
    'import dxf; dxf.from_docker_config', 'from dxf import from_docker_config', 'from dxf import artifacts',
    'from dxf import *; from_docker_config, artifacts, DXFError',
])
def test_what_is_public_is_reached_from_the_package(line: str, run_python: RunPython) -> None:
    assert run_python(line) == ''


def test_what_is_listed_is_what_is_public() -> None:
    assert [name for name in dir(dxf) if not name.startswith('_')] == sorted(dxf.__all__)
    assert not [name for name in dxf.__all__ if not hasattr(dxf, name)]


def test_the_help_of_the_package_tells_what_is_public(run_python: RunPython) -> None:
    text = run_python('import pydoc, dxf; print(pydoc.plain(pydoc.render_doc(dxf)))')
    assert not [name for name in dxf.__all__ if name not in text]
    for module in ('importlib', '_late'):
        assert module not in text.lower()


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'dxf' has no attribute 'nothing'"):
        getattr(dxf, 'nothing')
