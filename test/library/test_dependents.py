"""What programs that import dxf rely on: methods to override, sessions to replace, objects that share."""

import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import HTTPError
from urllib3 import HTTPResponse

import dxf
from dxf import DXF, DXFBase, Limits, hash_bytes
from dxf.exceptions import DXFMountFailed, DXFUnauthorizedError

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.token_server import TokenServer

CONTENT = b'what dependents keep'
DIGEST = hash_bytes(CONTENT)
MISSING = hash_bytes(b'what no test ever stores')


def settings(endpoint: Endpoint) -> tuple[Any, ...]:
    """Return what follows the repository in the call of a client."""
    return endpoint.auth(), endpoint.insecure, None, True if endpoint.ca is None else endpoint.ca


def token_auth() -> Callable[[Any, requests.Response], Any]:
    """Return a callable that answers a challenge as the README tells."""
    return lambda client, response: client.authenticate(USERNAME, PASSWORD, response=response)


# Methods to override

class Counting(DXF):
    """Counts the requests, and adds a header to each."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.calls: list[str] = []

    def _base_request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        self.calls.append(method)
        kwargs['headers'] = {**kwargs.get('headers', {}), 'X-Dependent': 'yes'}
        return super()._base_request(method, path, **kwargs)


def use_everything(client: DXF) -> None:
    """Make every request that the client knows."""
    repo = client._repo
    client.api_version_check()
    client.push_blob(data=CONTENT)
    client.push_blob(data=iter([CONTENT, b'more']))
    client.blob_size(DIGEST)
    list(client.pull_blob(DIGEST))
    client.mount_blob(repo, DIGEST)
    with pytest.raises(DXFMountFailed):
        client.mount_blob(f'{repo}/nobody', MISSING)
    client.set_alias('alias', DIGEST)
    client.get_alias('alias', sizes=True)
    client.get_manifest('alias')
    client.get_digest('alias')
    client.head_manifest_and_response('alias')
    client.list_aliases()
    client.list_repos()
    client.del_alias('alias')
    client.del_blob(DIGEST)


def test_every_request_can_be_overridden(endpoint: Endpoint, repo: str, traffic: Traffic) -> None:
    client = Counting(endpoint.host, repo, *settings(endpoint))
    use_everything(client)
    ours = [request for request in traffic.requests if endpoint.is_own(request.url)]
    assert not [f'{request.method} {request.path}' for request in ours if 'X-Dependent' not in request.headers]
    # What was refused for want of a credential was sent twice, by one call.
    assert Counter(client.calls) == Counter(request.method.lower() for request in ours if request.status != 401)
    # The token server is another's, and gets nothing of what is meant for the registry.
    assert all(request in ours for request in traffic.requests if 'X-Dependent' in request.headers)


class Deaf(DXF):
    """Does its own deletes, and returns nothing."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.deleted: list[str] = []

    def _request(self, method: str, path: str, **kwargs: Any) -> Any:
        if method != 'delete':
            return super()._request(method, path, **kwargs)
        assert not kwargs
        self.deleted.append(path)
        return None


def test_what_a_delete_returns_does_not_matter(open_registry: Endpoint, repo: str) -> None:
    client = Deaf(open_registry.host, repo, *settings(open_registry))
    client.push_blob(data=CONTENT)
    manifest = client.set_alias('alias', DIGEST)
    assert client.del_alias('alias') == [DIGEST]
    client.del_blob(DIGEST)
    assert client.deleted == [f'manifests/{hash_bytes(manifest.encode())}', f'blobs/{DIGEST}']
    assert client.blob_size(DIGEST) == len(CONTENT)


@pytest.mark.parametrize('request_of, path', [
    (lambda client, path, **extra: client._request('get', path, **extra), 'tags/list'),
    (lambda client, path, **extra: client._base_request('get', path, **extra), '{repo}/tags/list'),
])
@pytest.mark.parametrize('extra', [
    {},
    {'params': {'n': '7'}},
    {'headers': {'Accept': 'application/json'}},
    {'timeout': 5},
    {'verify': False},
    {'stream': True},  # what requests' users say for a large answer
    {'allow_redirects': False},
    {'data': b'x'},
])
def test_a_request_of_ones_own_takes_what_requests_takes(open_registry: Endpoint, repo: str, traffic: Traffic,
                                                         request_of: Callable[..., requests.Response], path: str,
                                                         extra: dict[str, Any]) -> None:
    client = open_registry.dxf(repo)
    client.push_blob(data=CONTENT)
    client.set_alias('alias', DIGEST)
    response = request_of(client, path.format(repo=repo), **extra)
    assert response.json()['tags'] == ['alias']
    sent = traffic.requests[-1]
    assert sent.url.endswith('?n=7') == ('params' in extra)
    assert (sent.headers['Accept'] == 'application/json') == ('headers' in extra)


def test_a_request_of_ones_own_is_authenticated(token_registry: Endpoint, repo: str) -> None:
    client = token_registry.dxf(repo)
    client.push_blob(data=CONTENT)
    client.set_alias('alias', DIGEST)
    client.token = None
    assert client._request('get', 'tags/list').json()['tags'] == ['alias']
    with pytest.raises(HTTPError) as raised:
        client._request('get', f'blobs/{MISSING}')
    assert raised.value.response.status_code == 404


def test_a_challenge_needs_authentication_where_it_is_our_registrys(token_registry: Endpoint, repo: str) -> None:
    client = token_registry.dxf(repo)
    challenge = requests.get(f'{token_registry.url}/v2/', verify=token_registry.ca, timeout=60)
    assert challenge.status_code == 401
    assert client._response_needs_auth(challenge)
    for status, url in ((200, challenge.url), (403, challenge.url), (401, 'https://storage.example.com/blob')):
        challenge.status_code, challenge.url = status, url
        assert not client._response_needs_auth(challenge)


class Resigned(DXF):
    """Answers no challenge."""

    def _response_needs_auth(self, response: requests.Response) -> bool:
        return False


def test_whether_to_authenticate_can_be_overridden(token_registry: Endpoint, repo: str, tokens: TokenServer) -> None:
    with pytest.raises(DXFUnauthorizedError):
        Resigned(token_registry.host, repo, *settings(token_registry)).list_aliases()
    assert tokens.requests == []


# Sessions to replace

class Recording(HTTPAdapter):
    """Sends what it is given, and remembers it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str | None, str | None]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request."""
        response = super().send(request, *args, **kwargs)
        self.seen.append((request.method, request.url))
        return response


def test_any_session_will_do(endpoint: Endpoint, repo: str) -> None:
    client = endpoint.dxf(repo)
    with requests.Session() as session:
        session.headers['X-Session'] = 'mine'
        client._sessions[0] = session
        use_everything(client)


def test_a_session_may_have_adapters_of_its_own(real_server: Endpoint, repo: str, traffic: Traffic) -> None:
    client = real_server.dxf(repo)
    adapter = Recording()
    with requests.Session() as session:
        session.mount('http://', adapter)
        session.mount('https://', adapter)
        client._sessions[0] = session
        use_everything(client)
    assert adapter.seen == [(request.method, request.url) for request in traffic.requests]
    assert len(adapter.seen) > 20


def test_a_session_may_be_replaced_in_the_middle(token_registry: Endpoint, repo: str, tokens: TokenServer) -> None:
    client = token_registry.dxf(repo)
    client.push_blob(data=CONTENT)
    tokens.requests.clear()
    with requests.Session() as session:
        client._sessions[0] = session
        assert client.blob_size(DIGEST) == len(CONTENT)
    assert tokens.requests == []  # the credential is not the session's


# Recorded answers

class Recorder:
    """Stands for the network: answers by path, and never sends anything.

    :param raw: makes what the body is read from
    """

    def __init__(self, answers: dict[str, tuple[int, str, bytes]], raw: Callable[[bytes], Any]) -> None:
        self._answers = answers
        self._raw = raw
        self.asked: list[str] = []

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        """Answer a request as an adapter does."""
        self.asked.append(f'{request.method} {request.path_url}')
        response = requests.Response()
        status, content_type, body = self._answers[request.path_url]
        response.status_code = status
        response.headers['Content-Type'] = content_type
        response.request = request
        response.raw = self._raw(body)
        if status == 200:
            response.headers['Content-Length'] = str(len(body))
        return response


@pytest.mark.parametrize('raw', [
    io.BytesIO,
    lambda body: HTTPResponse(body=io.BytesIO(body), preload_content=False),
])
def test_recorded_answers_are_enough(monkeypatch: pytest.MonkeyPatch, raw: Callable[[bytes], Any]) -> None:
    manifest = json.dumps({
        'schemaVersion': 2, 'mediaType': 'application/vnd.docker.distribution.manifest.v2+json',
        'config': {'mediaType': 'application/octet-stream', 'digest': DIGEST, 'size': len(CONTENT)},
        'layers': [{'mediaType': 'application/octet-stream', 'digest': DIGEST, 'size': len(CONTENT)}]})
    answers = {
        '/v2/fred/datalogger/manifests/may15':
            (200, 'application/vnd.docker.distribution.manifest.v2+json', manifest.encode()),
        f'/v2/fred/datalogger/blobs/{DIGEST}': (200, 'application/octet-stream', CONTENT),
        '/v2/fred/datalogger/tags/list': (200, 'application/json', b'{"name": "fred/datalogger", "tags": ["may15"]}'),
        '/v2/fred/datalogger/manifests/may16':
            (404, 'application/json', b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "gone"}]}'),
    }
    recorder = Recorder(answers, raw)
    monkeypatch.setattr(HTTPAdapter, 'send', lambda adapter, request, **options: recorder.send(request, **options))
    client = DXF('registry.example.com', 'fred/datalogger')
    assert client.get_alias('may15') == [DIGEST]
    chunks, size = client.pull_blob(DIGEST, size=True, chunk_size=8)
    assert size == len(CONTENT)
    assert list(chunks) == [CONTENT[:8], CONTENT[8:16], CONTENT[16:]]
    assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    assert client.list_aliases() == ['may15']
    assert recorder.asked == ['GET ' + path for path in (*list(answers)[:2], *list(answers)[1:3])]
    with pytest.raises(HTTPError, match='MANIFEST_UNKNOWN: gone') as raised:
        client.get_alias('may16')
    assert raised.value.response.json()['errors'][0]['code'] == 'MANIFEST_UNKNOWN'


# Objects that share

def move(source: DXF, target: DXF, alias: str) -> None:
    """Move an image from one repository to another, as image movers do."""
    manifest = source.get_manifest(alias)
    assert isinstance(manifest, str)
    for digest in (source.get_digest(manifest=manifest), *source.get_alias(manifest=manifest)):
        assert isinstance(digest, str)
        chunks, size = source.pull_blob(digest, size=True)
        assert target.push_blob(data=chunks, digest=digest) == digest
        assert target.blob_size(digest) == size
    target.set_manifest(alias, manifest)


def test_an_image_is_moved_between_two_registries(token_registry: Endpoint, open_registry: Endpoint, repo: str) -> None:
    contents = [os.urandom(100_000), b'', CONTENT]
    with token_registry.base() as token_base, open_registry.base() as open_base:
        source = DXF.from_base(token_base, repo)
        target = DXF.from_base(open_base, f'{repo}/copy')
        digests = [source.push_blob(data=content) for content in contents]
        text = source.set_alias('alias', *digests)
        move(source, target, 'alias')
        assert target.get_manifest('alias') == text
        assert [b''.join(target.pull_blob(digest)) for digest in target.get_alias('alias')] == contents
        # and from there into another repository of the same registry, without its bytes
        other = DXF.from_base(open_base, f'{repo}/other')
        for digest in digests:
            assert other.mount_blob(f'{repo}/copy', digest) == digest
        other.set_manifest('alias', text)
        assert other.get_alias('alias') == digests
        assert set(open_base.list_repos()) >= {f'{repo}/copy', f'{repo}/other'}


def test_an_image_is_moved_back(token_registry: Endpoint, open_registry: Endpoint, repo: str) -> None:
    with open_registry.dxf(repo) as source, token_registry.dxf(repo) as target:
        source.set_alias('alias', source.push_blob(data=CONTENT))
        move(source, target, 'alias')
        assert b''.join(target.pull_blob(*target.get_alias('alias'))) == CONTENT


@pytest.fixture(name='base', params=['registry', 'repository'])
def make_base(request: pytest.FixtureRequest, token_registry: Endpoint, repo: str) -> Iterator[DXFBase]:
    """What a repository is made from: a registry, or another repository."""
    with token_registry.base() if request.param == 'registry' else token_registry.dxf(f'{repo}/base') as base:
        yield base


def test_a_repository_from_a_base_has_its_settings(certificates: Certificates) -> None:
    auth = token_auth()
    base = DXFBase('registry.example.com:5000', auth, False, 'tokens.example.com', certificates.ca, 7,
                   limits=Limits(retries=1))
    client = DXF.from_base(base, 'fred/datalogger')
    assert isinstance(client, DXF)
    assert client._repo == 'fred/datalogger'
    for name in ('_host', '_auth', '_auth_host', '_insecure', '_tlsverify', '_timeout', '_base_url', '_headers',
                 'options'):
        assert getattr(client, name) == getattr(base, name)
    assert client._sessions[0] is base._sessions[0]
    assert DXF.from_base(DXFBase('', insecure=True), 'alpine')._repo == 'library/alpine'


def test_a_repository_from_another_writes_the_same_schema(open_registry: Endpoint, repo: str) -> None:
    base = DXF(open_registry.host, repo, *settings(open_registry), schema='oci')
    client = DXF.from_base(base, repo)
    text = client.set_alias('alias', client.push_blob(data=CONTENT))
    assert json.loads(text)['mediaType'] == 'application/vnd.oci.image.manifest.v1+json'


@pytest.mark.usefixtures('asked_by_head')
def test_a_repository_from_a_base_of_a_subclass_is_one(open_registry: Endpoint, repo: str) -> None:
    client = Counting.from_base(open_registry.base(), repo)
    assert isinstance(client, Counting)
    client.push_blob(data=CONTENT)
    assert client.calls == ['head', 'post', 'put']


def test_a_token_that_either_obtains_serves_both(base: DXFBase, repo: str, tokens: TokenServer) -> None:
    client = DXF.from_base(base, repo)
    token = client.authenticate(USERNAME, PASSWORD, actions=['pull', 'push'])
    assert token is not None
    assert (client.token, base.token) == (token, token)
    base.token = tokens.token(USERNAME, f'repository:{repo}:pull,push', 'registry:catalog:*')
    assert client.token == base.token
    tokens.requests.clear()
    client.push_blob(data=CONTENT)
    assert repo in base.list_repos()
    assert tokens.requests == []


def test_connections_are_shared_too(base: DXFBase, repo: str, traffic: Traffic) -> None:
    client = DXF.from_base(base, repo)
    client.push_blob(data=CONTENT)
    base.api_version_check()
    DXF.from_base(client, repo).blob_size(DIGEST)
    assert len(traffic.connections) == 2  # the registry and its token server
    with requests.Session() as session:
        client._sessions[0] = session
        assert base._sessions[0] is session


# Attributes

def test_the_attributes_are_there() -> None:
    auth = token_auth()
    client = DXF('registry.example.com:5000', 'fred/datalogger', auth, False, 'tokens.example.com', '/ca.pem', 7)
    assert (client._host, client._repo) == ('registry.example.com:5000', 'fred/datalogger')
    assert client._base_url == 'https://registry.example.com:5000/v2/'
    assert client._auth is auth
    assert (client._auth_host, client._insecure) == ('tokens.example.com', False)
    assert (client._tlsverify, client._timeout) == ('/ca.pem', 7)
    assert not client._headers
    assert isinstance(client._sessions[0], requests.Session)
    client.token = 'a-token'
    assert client._headers == {'Authorization': 'Bearer a-token'}


def test_the_attributes_have_defaults() -> None:
    client = DXF('', 'alpine', insecure=True)
    assert (client._host, client._repo) == ('registry-1.docker.io', 'library/alpine')
    assert client._base_url == 'http://registry-1.docker.io/v2/'
    assert (client._auth, client._auth_host, client._tlsverify, client.token) == (None, None, True, None)
    assert client._timeout is not None


def test_text_becomes_bytes() -> None:
    to_bytes = getattr(dxf, '_to_bytes_2and3')
    assert to_bytes('é') == b'\xc3\xa9'
    assert to_bytes(b'\xff') == b'\xff'


def test_the_media_types_have_the_names_that_programs_use() -> None:
    assert {name: getattr(dxf, f'_{name}_mimetype') for name in (
        'schema1', 'schema2', 'schema2_list', 'ociv1_manifest', 'ociv1_index')} == {
            'schema1': 'application/vnd.docker.distribution.manifest.v1+prettyjws',
            'schema2': 'application/vnd.docker.distribution.manifest.v2+json',
            'schema2_list': 'application/vnd.docker.distribution.manifest.list.v2+json',
            'ociv1_manifest': 'application/vnd.oci.image.manifest.v1+json',
            'ociv1_index': 'application/vnd.oci.image.index.v1+json'}


def test_a_media_type_of_a_response_equals_its_name(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    client.set_alias('alias', client.push_blob(data=CONTENT))
    _, response = client.get_manifest_and_response('alias')
    assert response.headers['Content-Type'] == getattr(dxf, '_schema2_mimetype')


def test_headers_that_were_assigned_are_not_replaced_by_the_renewal_of_an_older_token(
        token_registry: Endpoint, repo: str, tokens: TokenServer) -> None:
    tokens.lifetime = 1
    client = token_registry.dxf(repo)
    client.push_blob(data=CONTENT)
    tokens.lifetime = 300
    assigned = 'Bearer ' + tokens.token(USERNAME, f'repository:{repo}:pull,push')
    client._headers = {'Authorization': assigned}
    tokens.requests.clear()
    time.sleep(1)  # the older token is due by now
    client.blob_size(DIGEST)
    assert (client._headers, tokens.requests) == ({'Authorization': assigned}, [])


def test_the_headers_may_be_assigned(open_registry: Endpoint, repo: str, traffic: Traffic) -> None:
    client = open_registry.dxf(repo)
    client._headers['X-One'] = '1'
    client.api_version_check()
    client._headers = {'X-Two': '2'}
    client.api_version_check()
    assert [{name for name in request.headers if name.startswith('X-')} for request in traffic.requests] == [
        {'X-One'}, {'X-Two'}]


def test_a_token_may_be_assigned_as_a_header(token_registry: Endpoint, repo: str, tokens: TokenServer) -> None:
    client = DXF(token_registry.host, repo, tlsverify=str(token_registry.ca))
    client._headers = {'Authorization': 'Bearer ' + tokens.token(USERNAME, f'repository:{repo}:pull,push')}
    client.push_blob(data=CONTENT)
    assert tokens.requests == []
    assert client.token is not None


def test_the_timeout_may_be_assigned(monkeypatch: pytest.MonkeyPatch, open_registry: Endpoint, repo: str) -> None:
    seen = []
    send = HTTPAdapter.send

    def watching(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        seen.append(options['timeout'])
        return send(adapter, request, **options)
    monkeypatch.setattr(HTTPAdapter, 'send', watching)
    client = open_registry.dxf(repo)
    timeouts = [client._timeout, 5, (3, 4), None]
    for timeout in timeouts:
        client._timeout = timeout
        client.api_version_check()
    assert seen == timeouts


def test_whom_to_trust_may_be_assigned_at_any_time(basic_registry: Endpoint, repo: str, certificates: Certificates,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    client = basic_registry.dxf(repo)
    client.push_blob(data=CONTENT)
    client._tlsverify = True  # the machine's authorities, and ours is not among them
    with pytest.raises(requests.exceptions.SSLError):  # although a connection is open
        client.blob_size(DIGEST)
    monkeypatch.setenv('REQUESTS_CA_BUNDLE', certificates.ca)
    assert client.blob_size(DIGEST) == len(CONTENT)
    monkeypatch.delenv('REQUESTS_CA_BUNDLE')
    with pytest.raises(requests.exceptions.SSLError):
        client.blob_size(DIGEST)
    client._tlsverify = certificates.ca
    assert client.blob_size(DIGEST) == len(CONTENT)


def test_trusting_nobody_in_particular_does_not_last(basic_registry: Endpoint, repo: str) -> None:
    client = DXF(basic_registry.host, repo, basic_registry.auth(), tlsverify=False)
    with pytest.warns(Warning, match='Unverified HTTPS request'):
        client.push_blob(data=CONTENT)
    client._tlsverify = True
    with pytest.raises(requests.exceptions.SSLError):
        client.blob_size(DIGEST)


# Contexts

def test_a_context_closes_its_connections_and_may_be_entered_again(open_registry: Endpoint, repo: str,
                                                                   traffic: Traffic) -> None:
    client = open_registry.dxf(repo)
    for opened in (1, 2):
        with client as entered:
            assert entered is client
            client.push_blob(data=CONTENT)
            with client:
                client.blob_size(DIGEST)
            client.blob_size(DIGEST)  # the inner one closed nothing
            assert len(traffic.connections) == opened
    client.blob_size(DIGEST)
    client.blob_size(DIGEST)  # without a context connections are kept too
    assert len(traffic.connections) == 3


def test_a_context_is_left_by_an_error_too(open_registry: Endpoint, repo: str, traffic: Traffic) -> None:
    with pytest.raises(HTTPError), open_registry.dxf(repo) as client:
        client.blob_size(MISSING)
    with pytest.raises(HTTPError):
        client.blob_size(MISSING)
    assert len(traffic.connections) == 2


def test_a_context_within_that_of_its_base_leaves_the_base_usable(open_registry: Endpoint, repo: str) -> None:
    with open_registry.base() as base:
        with DXF.from_base(base, repo) as client:
            client.push_blob(data=CONTENT)
        assert repo in base.list_repos()
        assert client.blob_size(DIGEST) == len(CONTENT)
