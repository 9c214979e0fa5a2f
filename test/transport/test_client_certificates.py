"""Client certificates: who is shown one, who never is, and how each fault is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from dxf import DXF, DXFBase, Limits
from dxf.environment.reader import read_settings
from dxf.environment.variable_values import SettingsError
from dxf.environment.variables import TARGET_PREFIX
from dxf.exceptions import DXFCertificateError, DXFHTTPError
from dxf.main import doit
from dxf.transport.client_certificates import MAX_LENGTH
from dxf.transport.proxies import Proxies

from ..helpers.processes import Runner
from ..servers.certificates import Certificates
from ..servers.nginx import Nginx
from ..servers.registry import Registry
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry
from ..servers.tinyproxy import Tinyproxy

FAST = Limits(retries=1, backoff=0.01)
PASSPHRASE = b'passphrase'


@pytest.fixture(name='others', scope='module')
def make_others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Another authority, and what it signed."""
    return Certificates(tmp_path_factory.mktemp('others'))


@pytest.fixture(name='nginx', scope='module')
def start_nginx(directory: Callable[[], Path], certificates: Certificates) -> Iterator[Nginx]:
    """A registry behind an nginx that demands a client certificate."""
    with Registry(directory()) as registry, Nginx(directory(), [registry.host], tls=certificates) as nginx:
        yield nginx


@pytest.fixture(name='registry', scope='module')
def start_registry(directory: Callable[[], Path], certificates: Certificates) -> Iterator[Registry]:
    """A registry that demands a client certificate itself."""
    with Registry(directory(), tls=certificates, clients=certificates) as registry:
        yield registry


@pytest.fixture(name='asking')
def start_asking(certificates: Certificates) -> Iterator[ScriptedRegistry]:
    """A scripted registry that asks for a certificate, and notes whether it was shown one."""
    with ScriptedRegistry(certificates, asks=True) as asking:
        yield asking


@pytest.fixture(name='elsewhere')
def start_elsewhere(certificates: Certificates) -> Iterator[ScriptedRegistry]:
    """Another origin that asks for one too."""
    with ScriptedRegistry(certificates, asks=True) as elsewhere:
        yield elsewhere


@pytest.fixture(name='client')
def make_client(asking: ScriptedRegistry, certificates: Certificates) -> DXF:
    """A client of the scripted registry that has a certificate."""
    return DXF(asking.host, 'fred/a', tlsverify=certificates.ca, limits=FAST, cert=certificates.both)


def pair(certificates: Certificates) -> dict[str, str]:
    """Return the variables of a client certificate."""
    return {'DXF_CERT': certificates.client, 'DXF_KEY': certificates.client_key}


# Where one is demanded

@pytest.fixture(name='server', params=['nginx', 'registry'])
def each_server(request: pytest.FixtureRequest) -> Nginx | Registry:
    """Each of the servers that demand one."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, (Nginx, Registry))
    return server


def test_a_push_and_a_pull_work_with_a_certificate(server: Nginx | Registry, certificates: Certificates,
                                                   tmp_path: Path, repo: str) -> None:
    file = tmp_path / 'readings'
    file.write_bytes(os.urandom(1 << 20))
    environ = {'DXF_HOST': server.host, 'REQUESTS_CA_BUNDLE': certificates.ca}
    for variables in (pair(certificates), {'DXF_CERT': certificates.both}):
        dxf = Runner({**environ, **variables})
        dxf.run('push-blob', repo, file, '@a').insist(0)
        assert dxf.run('pull-blob', repo, '@a').insist(0).out == file.read_bytes()


def test_the_library_takes_a_file_or_a_pair(server: Nginx | Registry, certificates: Certificates, repo: str) -> None:
    for cert in (certificates.both, (certificates.client, certificates.client_key)):
        client = DXF(server.host, repo, tlsverify=certificates.ca, limits=FAST, cert=cert, jobs=3)
        digests = client.push_blobs([b'one', b'two', b'three'])
        assert [b''.join(chunks) for _, chunks, _ in client.pull_blobs(digests)] == [b'one', b'two', b'three']
        base = DXFBase(server.host, tlsverify=certificates.ca, limits=FAST, cert=cert)
        assert DXF.from_base(base, repo).blob_size(digests[2]) == 5


def test_that_one_is_demanded_is_told(server: Nginx | Registry, certificates: Certificates) -> None:
    environ = {'DXF_HOST': server.host, 'REQUESTS_CA_BUNDLE': certificates.ca}
    line, = Runner(environ).run('list-repos').insist(1).lines
    assert f'{server.host} demands a client certificate: set DXF_CERT' in line


def test_that_one_is_refused_is_told(server: Nginx | Registry, certificates: Certificates,
                                     others: Certificates) -> None:
    environ = {'DXF_HOST': server.host, 'REQUESTS_CA_BUNDLE': certificates.ca}
    line, = Runner({**environ, **pair(others)}).run('list-repos').insist(1).lines
    assert f'{server.host} refuses the client certificate' in line and 'DXF_CERT' in line


def test_a_certificate_goes_through_a_tunnel(registry: Registry, certificates: Certificates, tmp_path: Path,
                                             repo: str) -> None:
    with Tinyproxy(tmp_path) as proxy:
        client = DXF(registry.host, repo, tlsverify=certificates.ca, limits=FAST, cert=certificates.both)
        client.options = client.options.replace(proxies=Proxies(https=proxy.url))
        assert client.push_blob(data=b'content')
        assert proxy.requests() == [f'CONNECT {registry.host}']


def test_a_copy_shows_each_side_its_own(certificates: Certificates, others: Certificates, registry: Registry,
                                        tmp_path: Path, repo: str) -> None:
    environ = {'DXF_HOST': registry.host, 'DXF_TLSVERIFY': certificates.ca, **pair(certificates)}
    assert doit(['push-blob', repo, certificates.ca, '@a'], environ) == 0
    with Registry(tmp_path, tls=others, clients=others) as target:
        args = ['copy', repo, 'a', '--to', target.host]
        variables = {'DXF_TO_TLSVERIFY': others.ca, 'DXF_TO_CERT': others.client, 'DXF_TO_KEY': others.client_key}
        assert doit(args, {**environ, **variables}) == 0
        del variables['DXF_TO_CERT'], variables['DXF_TO_KEY']
        Runner({**environ, **variables}).run(*args).insist(1)


# Who never sees it

def test_the_registry_sees_it_and_no_redirect_elsewhere(client: DXF, asking: ScriptedRegistry,
                                                        elsewhere: ScriptedRegistry) -> None:
    digest = elsewhere.memory.put('fred/a', b'content')
    path = f'/v2/fred/a/blobs/{digest}'
    asking.script('GET', path, [Answer(307, {'Location': elsewhere.url + path})])
    assert b''.join(client.pull_blob(digest)) == b'content'
    elsewhere.script('GET', '/1', [Answer(307, {'Location': f'{asking.url}/2'})])
    asking.script('GET', '/v2/fred/a/tags/list', [Answer(307, {'Location': f'{elsewhere.url}/1'})])
    asking.script('GET', '/2', [Answer(body=b'{"tags": ["a"]}')])
    assert client.list_aliases() == ['a']
    assert [request.certified for request in asking.requests] == [True] * 3
    assert [request.certified for request in elsewhere.requests] == [False] * 2


def test_storage_elsewhere_that_takes_an_upload_does_not_see_it(client: DXF, asking: ScriptedRegistry,
                                                                elsewhere: ScriptedRegistry) -> None:
    location = elsewhere.memory.answer(Request('POST', '/v2/fred/a/blobs/uploads/', '', Message(), 1)).headers
    asking.script('POST', '/v2/fred/a/blobs/uploads/', [
        Answer(202, {'Location': elsewhere.url + location['Location']})])
    asking.memory.put('fred/a', b'content')  # what the storage gets is the registry's
    client.push_blob(data=b'content', check_exists=False)
    assert [request.certified for request in elsewhere.requests] == [False]
    assert {request.certified for request in asking.requests} == {True}


def test_a_token_server_elsewhere_does_not_see_it_and_the_registry_s_own_does(
        client: DXF, asking: ScriptedRegistry, elsewhere: ScriptedRegistry) -> None:
    for tokens, certified in ((elsewhere, False), (asking, True)):
        challenge = {'WWW-Authenticate': f'Bearer realm="{tokens.url}/token",service="x"'}
        asking.script('GET', '/v2/', [Answer(401, challenge)])
        tokens.script('GET', '/token', [Answer(body=b'{"token": "abc"}')])
        assert client.authenticate('fred', 'password') == 'abc'
        assert [request.certified for request in tokens.requests if request.path == '/token'] == [certified]


def test_a_copy_does_not_show_it_to_the_other_side(client: DXF, asking: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                   certificates: Certificates) -> None:
    other = DXF(elsewhere.host, 'fred/b', tlsverify=certificates.ca, limits=FAST)
    other.copy_blob(client, client.push_blob(data=b'content'))
    client.copy_blob(other, other.push_blob(data=b'more'))
    assert {request.certified for request in asking.requests} == {True}
    assert {request.certified for request in elsewhere.requests} == {False}


def test_http_shows_it_to_nobody(certificates: Certificates) -> None:
    with ScriptedRegistry() as plain:
        assert doit(['list-repos'], {'DXF_HOST': plain.host, 'DXF_INSECURE': '1', **pair(certificates)}) == 0
        assert len(plain.requests) == 1


def test_a_connection_made_with_one_is_not_used_without_it_nor_with_another(client: DXF, asking: ScriptedRegistry,
                                                                            certificates: Certificates) -> None:
    client.api_version_check()
    plain = DXF.from_base(client, 'fred/b')
    assert plain.options.cert == client.options.cert
    plain.options = plain.options.replace(cert=None)
    plain.api_version_check()
    client.api_version_check()
    plain.options = plain.options.replace(cert=(certificates.client, certificates.client_key))
    plain.api_version_check()
    assert [(request.connection, request.certified) for request in asking.requests] == [
        (1, True), (2, False), (1, True), (3, True)]


def test_a_request_of_one_s_own_may_bring_another(client: DXF, asking: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                  certificates: Certificates) -> None:
    client.options = client.options.replace(cert=None)
    asking.script('GET', '/v2/', [Answer(307, {'Location': f'{elsewhere.url}/v2/'})])
    client._base_request('get', '', cert=certificates.both)
    assert [request.certified for request in (*asking.requests, *elsewhere.requests)] == [True, False]


# Files that cannot be used

def encrypted(certificates: Certificates) -> bytes:
    """Return the client's key, encrypted."""
    key = serialization.load_pem_private_key(Path(certificates.client_key).read_bytes(), None)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.BestAvailableEncryption(PASSPHRASE))


@pytest.fixture(name='files')
def make_files(tmp_path: Path, certificates: Certificates, others: Certificates,
               monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of which some can be used, as the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
            'my.pem': Path(certificates.client).read_bytes(), 'my.key': Path(certificates.client_key).read_bytes(),
            'both': Path(certificates.both).read_bytes(), 'other.key': Path(others.client_key).read_bytes(),
            'encrypted.key': encrypted(certificates), 'empty': b'', 'noise': b'\x00\xff' * 500,
            'encrypted': Path(certificates.client).read_bytes() + encrypted(certificates),
            'cut.pem': Path(certificates.client).read_bytes()[:200] + b'\n-----END CERTIFICATE-----\n',
            'cut.key': b'-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
            'large': b'#' * (MAX_LENGTH + 1) + Path(certificates.both).read_bytes()}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / 'directory').mkdir()
    os.mkfifo(tmp_path / 'fifo')
    return tmp_path


FAULTS = {
    'no such certificate': ('nowhere.pem', None, 'DXF_CERT', 'No such file'),
    'a certificate that is a directory': ('directory', None, 'DXF_CERT', 'Is a directory'),
    'a certificate that is a pipe': ('fifo', 'my.key', 'DXF_CERT', 'not a regular file'),
    'a certificate that is empty': ('empty', 'my.key', 'DXF_CERT', 'no certificate in PEM'),
    'a certificate that is noise': ('noise', None, 'DXF_CERT', 'no certificate in PEM'),
    'a certificate that is a key': ('my.key', 'my.key', 'DXF_CERT', 'no certificate in PEM'),
    'a certificate that is damaged': ('cut.pem', 'my.key', 'DXF_CERT', 'no certificate in PEM'),
    'a certificate behind too much': ('large', None, 'DXF_CERT', 'no certificate in PEM'),
    'a certificate without its key': ('my.pem', None, 'DXF_CERT', 'DXF_KEY names the file of the key'),
    'a certificate with an encrypted key': ('encrypted', None, 'DXF_CERT', 'is encrypted'),
    'a name with an escape sequence': ('\x1b[2J', None, 'DXF_CERT', 'No such file'),
    'a name with a NUL': ('a\0b', None, 'DXF_CERT', 'Invalid argument'),
    'a key without a certificate': (None, 'my.key', 'DXF_KEY', 'DXF_CERT is not'),
    'no such key': ('my.pem', 'nowhere.key', 'DXF_KEY', 'No such file'),
    'a key that is a directory': ('my.pem', 'directory', 'DXF_KEY', 'Is a directory'),
    'a key that is a certificate': ('my.pem', 'my.pem', 'DXF_CERT', 'no private key'),
    'a key that is noise': ('my.pem', 'noise', 'DXF_KEY', 'no private key'),
    'a key that is damaged': ('my.pem', 'cut.key', 'DXF_KEY', 'cannot be used'),
    'the key of another certificate': ('my.pem', 'other.key', 'DXF_KEY', 'not that of the certificate'),
    'an encrypted key': ('my.pem', 'encrypted.key', 'DXF_KEY', 'is encrypted'),
}


@pytest.mark.parametrize(('certificate', 'key', 'variable', 'words'), FAULTS.values(), ids=FAULTS)
@pytest.mark.usefixtures('files')
def test_files_that_cannot_be_used_are_told_before_the_first_request(
        certificate: str | None, key: str | None, variable: str, words: str, asking: ScriptedRegistry,
        capfd: pytest.CaptureFixture[str]) -> None:
    given = {name: value for name, value in (('DXF_CERT', certificate), ('DXF_KEY', key)) if value is not None}
    with pytest.raises(SystemExit) as ended:
        doit(['list-repos'], {'DXF_HOST': asking.host, **given})
    out, err = capfd.readouterr()
    assert (ended.value.code, out, asking.connections) == (2, '', 0)
    assert err.startswith(f'dxf: {variable}') and words in err
    assert err.count('\n') == 1 and err[:-1].isprintable()
    if certificate is not None:
        with pytest.raises(DXFCertificateError):
            DXFBase('localhost', cert=certificate if key is None else (certificate, key))


@pytest.mark.usefixtures('files')
def test_a_key_that_may_not_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, _mode: str) -> None:
        raise PermissionError(13, 'Permission denied', path)

    monkeypatch.setattr('dxf.transport.client_certificates.open', refuse, raising=False)     # root may read everything
    with pytest.raises(SettingsError, match='DXF_CERT: cannot use my.pem: Permission denied'):
        read_settings({'DXF_HOST': 'localhost', 'DXF_CERT': 'my.pem', 'DXF_KEY': 'my.key'})


@pytest.mark.usefixtures('files')
def test_files_that_can_be_used_become_settings() -> None:
    host = {'DXF_HOST': 'localhost:5000'}
    assert read_settings({**host, 'DXF_CERT': 'both'}).cert == 'both'
    own = {**host, 'DXF_CERT': 'my.pem', 'DXF_KEY': 'my.key'}
    assert read_settings(own).cert == ('my.pem', 'my.key')
    assert read_settings({**host, 'DXF_CERT': '', 'DXF_KEY': ''}).cert is None
    assert read_settings(own, TARGET_PREFIX, 'localhost:5001').cert is None
    assert read_settings(own, TARGET_PREFIX, 'localhost:5000').cert == ('my.pem', 'my.key')
    assert read_settings({**own, 'DXF_TO_CERT': 'both'}, TARGET_PREFIX, 'localhost:5001').cert == 'both'
    for name, value, words in (('DXF_TO_CERT', 'empty', 'DXF_TO_CERT: '), ('DXF_TO_KEY', 'my.key', 'DXF_TO_KEY is'),
                               ('DXF_TO_CERT', 'my.pem', '; DXF_TO_KEY names')):
        with pytest.raises(SettingsError, match=words):
            read_settings({**own, name: value}, TARGET_PREFIX, 'localhost:5001')


def test_a_refusal_for_another_reason_is_told_as_ever(certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server:
        server.hook = lambda request: Answer(403, body=b'No required SSL certificate was sent')
        with pytest.raises(DXFHTTPError) as caught:
            DXFBase(server.host, tlsverify=certificates.ca, limits=FAST).list_repos()
    assert 'DXF_CERT' not in str(caught.value)
