"""Proxies: what goes by one and what does not, who sees which password, and how each failure is told."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from requests import Session
from requests.exceptions import ProxyError, RequestException
from requests.utils import get_environ_proxies

from dxf import DXF, DXFBase, Limits, hash_bytes
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFInvalidNameError
from dxf.main import doit
from dxf.transport.adapter import MAX_PROXY_RESPONSE_LENGTH, Adapter
from dxf.transport.proxies import Proxies, check_proxy
from dxf.transport.redaction import causes
from dxf.transport.session import EnvironmentProxies

from ..helpers.endpoints import Endpoint
from ..helpers.memory_measurement import MeasuredRun
from ..helpers.processes import Ended, Runner
from ..servers.certificates import Certificates
from ..servers.counting_proxy import CountingProxy
from ..servers.scripted_registry import SILENCE, Answer, Request, ScriptedRegistry
from ..servers.tinyproxy import Tinyproxy

USER = 'fred'
WORD = 'pa55.w0rd'
ESCAPED = 'p%6155.w0rd'
"""The same, as a URL may write it."""

FAST = Limits(retries=2, backoff=0.01, longest_backoff=0.02)
LARGE = 100 << 20


@pytest.fixture(name='proxy', scope='module')
def start_proxy(directory: Callable[[], Path]) -> Iterator[Tinyproxy]:
    """A proxy that wants a password."""
    with Tinyproxy(directory(), user=(USER, WORD)) as proxy:
        yield proxy


@pytest.fixture(name='tap')
def listen_before(proxy: Tinyproxy) -> Iterator[CountingProxy]:
    """Hears what the proxy is told."""
    with CountingProxy(proxy.host) as tap:
        yield tap


@pytest.fixture(name='registry')
def start_registry(certificates: Certificates) -> Iterator[ScriptedRegistry]:
    """A scripted registry over https."""
    with ScriptedRegistry(certificates) as registry:
        yield registry


def address(host: str, user: str = USER, word: str = ESCAPED) -> str:
    """Return the address of a proxy with a password in it."""
    return f'http://{user}:{word}@{host}'


@contextlib.contextmanager
def impostor(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """Run what takes one connection after another, reads the head of a request and does something; yield its host."""
    ended = threading.Event()
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(2)
                        head = b''
                        while b'\r\n\r\n' not in head:
                            head += connection.recv(4096)
                        answer(connection)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f'localhost:{listener.getsockname()[1]}'
        finally:
            ended.set()
            thread.join()


# What goes by a proxy

def test_all_that_a_push_and_a_pull_need_goes_by_the_proxy(token_registry: Endpoint, proxy: Tinyproxy,
                                                           tap: CountingProxy,
                                                           tmp_path: Path, repo: str) -> None:
    file = tmp_path / 'readings'
    file.write_bytes(os.urandom(3 << 20))
    dxf = Runner({**token_registry.environ(), 'HTTPS_PROXY': address(tap.host)})
    before = len(proxy.requests())
    pushed = dxf.run('push-blob', repo, file, '@a').insist(0)
    assert dxf.run('pull-blob', repo, '@a').insist(0).out == file.read_bytes()
    assert pushed.out.startswith(b'sha256:')
    assert token_registry.tokens is not None
    assert set(proxy.requests()[before:]) == {f'CONNECT {token_registry.host}', f'CONNECT {token_registry.tokens.host}'}
    heard = bytes(tap.heard)
    assert b'Proxy-Authorization: Basic ' in heard
    for secret in (b'\r\nAuthorization', b'Bearer', b'/v2/', b'User-Agent: python-dxf'):
        assert secret not in heard


def test_http_goes_by_its_own_proxy_which_alone_sees_its_password(proxy: Tinyproxy, tap: CountingProxy,
                                                                  certificates: Certificates) -> None:
    with ScriptedRegistry() as registry:
        environ = {'DXF_HOST': registry.host, 'DXF_INSECURE': '1', 'DXF_TOKEN': 's3cret', 'DXF_RETRIES': '0',
                   'http_proxy': address(tap.host), 'HTTPS_PROXY': 'http://localhost:1'}
        before = len(proxy.requests())
        assert doit(['push-blob', 'fred/a', certificates.ca, '@a'], environ) == 0
        assert doit(['pull-blob', 'fred/a', '@a'], environ) == 0
        asked = proxy.requests()[before:]
        assert [line.partition('?')[0].split('/', 3)[:3] for line in asked] == [
            [f'{request.method} http:', '', registry.host] for request in registry.requests]
        for request in registry.requests:
            assert 'Proxy-Authorization' not in request.headers
            assert request.authorization == 'Bearer s3cret'
    assert tap.heard.count(b'Proxy-Authorization: Basic ') == len(asked)
    assert len(tap.connections) == len(asked)       # tinyproxy closes each, and does not say so before


def test_storage_elsewhere_is_reached_by_the_proxy_too(registry: ScriptedRegistry, certificates: Certificates,
                                                       proxy: Tinyproxy) -> None:
    with ScriptedRegistry(certificates) as storage:
        digest = storage.memory.put('fred/a', b'content')
        registry.memory.put('fred/a', b'content')  # what the storage gets is the registry's
        path = f'/v2/fred/a/blobs/{digest}'
        registry.script('GET', path, [Answer(307, {'Location': storage.url + path})] * 2)
        registry.script('POST', '/v2/fred/a/blobs/uploads/', [
            Answer(202, {'Location': f'{storage.url}/upload'})] * 2)
        storage.script('PUT', '/upload', [Answer(201, {'Docker-Content-Digest': digest})] * 2)
        environ = {'DXF_HOST': registry.host, 'REQUESTS_CA_BUNDLE': certificates.ca, 'ALL_PROXY': address(proxy.host)}
        before = len(proxy.requests())
        for bypassed in ('', storage.host, '*'):
            client = DXF(registry.host, 'fred/a', tlsverify=certificates.ca, limits=FAST)
            client.options = client.options.replace(proxies=Proxies(https=environ['ALL_PROXY'], bypassed=bypassed))
            if bypassed != '*':
                assert b''.join(client.pull_blob(digest)) == b'content'
                client.push_blob(data=b'content', check_exists=False)
            else:
                client.api_version_check()
            asked = set(proxy.requests()[before:])
            before = len(proxy.requests())
            assert asked == {'': {f'CONNECT {registry.host}', f'CONNECT {storage.host}'},
                             storage.host: {f'CONNECT {registry.host}'}, '*': set()}[bypassed]
        assert [request.line for request in storage.requests] == [f'GET {path}', 'PUT /upload'] * 2
        assert not any('Proxy-Authorization' in request.headers for request in (*registry.requests, *storage.requests))


def test_the_command_line_obeys_the_environment_that_it_is_given_and_no_other(
        registry: ScriptedRegistry, certificates: Certificates, proxy: Tinyproxy,
        monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {'DXF_HOST': registry.host, 'REQUESTS_CA_BUNDLE': certificates.ca, 'DXF_RETRIES': '0'}
    monkeypatch.setenv('HTTPS_PROXY', 'http://localhost:1')
    assert doit(['list-repos'], environ) == 0
    assert doit(['list-repos'], {**environ, 'HTTPS_PROXY': address(proxy.host)}) == 0
    monkeypatch.setenv('NO_PROXY', '*')
    before = len(proxy.requests())
    assert doit(['list-repos'], {**environ, 'HTTPS_PROXY': address(proxy.host)}) == 0
    assert len(proxy.requests()) == before + 1


def test_the_library_obeys_the_environment_of_the_process(registry: ScriptedRegistry, certificates: Certificates,
                                                          proxy: Tinyproxy, monkeypatch: pytest.MonkeyPatch) -> None:
    base = DXFBase(registry.host, tlsverify=certificates.ca, limits=FAST)
    before = len(proxy.requests())
    base.api_version_check()
    assert len(proxy.requests()) == before
    monkeypatch.setenv('HTTPS_PROXY', address(proxy.host))
    base.api_version_check()
    assert DXF.from_base(base, 'fred/a').options.proxies is None
    assert len(proxy.requests()) == before + 1
    monkeypatch.setenv('NO_PROXY', 'localhost')
    base.api_version_check()
    assert len(proxy.requests()) == before + 1
    assert len(registry.requests) == 3


def test_what_is_made_from_a_base_goes_by_its_proxy(registry: ScriptedRegistry, certificates: Certificates,
                                                    proxy: Tinyproxy) -> None:
    base = DXFBase(registry.host, tlsverify=certificates.ca, limits=FAST)
    base.options = base.options.replace(proxies=Proxies(https=address(proxy.host)))
    before = len(proxy.requests())
    assert DXF.from_base(base, 'fred/a').push_blob(data=b'content')
    assert proxy.requests()[before:] == [f'CONNECT {registry.host}']    # and the tunnel is kept


def test_proxies_are_those_of_requests_after_each_change_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = EnvironmentProxies()
    urls = [f'{scheme}://{host}/v2/' for scheme in ('http', 'https') for host in ('a.example', 'b.example:5000')]
    for name, value in (('HTTP_PROXY', 'http://one:1'), ('http_proxy', 'http://two:2'), ('REQUEST_METHOD', 'GET'),
                        ('http_proxy', None), ('HTTPS_PROXY', 'http://three:3'), ('NO_PROXY', 'a.example'),
                        ('no_proxy', 'b.example:5000'), ('no_proxy', None), ('NO_PROXY', '*'), ('NO_PROXY', None),
                        ('REQUEST_METHOD', None), ('Https_Proxy', 'http://four:4'), ('HTTPS_PROXY', None),
                        ('Https_Proxy', 'http://seven:7'), ('Ftp_Proxy', 'http://eight:8'),
                        ('ALL_PROXY', 'http://five:5'), ('all_proxy', 'http://six:6'), ('HTTP_PROXY', None)):
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
        for url in urls:
            assert environment.of(url) == get_environ_proxies(url)
            assert environment.of(url) == get_environ_proxies(url)


def test_a_variable_that_comes_as_another_one_goes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    environment, url = EnvironmentProxies(), 'https://a.example/v2/'
    monkeypatch.setenv('DXF_SOMETHING', '1')
    assert environment.of(url) == get_environ_proxies(url)
    monkeypatch.delenv('DXF_SOMETHING')
    monkeypatch.setenv('Https_Proxy', 'http://nine:9')
    assert environment.of(url) == get_environ_proxies(url) == {'https': 'http://nine:9'}


def test_a_proxy_that_is_named_between_two_requests_counts_for_the_second(server: ScriptedRegistry,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('NO_PROXY', 'elsewhere.example')
    client = DXF(server.host, 'fred/x', insecure=True, limits=Limits(retries=0))
    digest = client.push_blob(data=b'content')
    monkeypatch.setenv('http_proxy', 'http://localhost:1')
    with pytest.raises(ProxyError):
        client.blob_size(digest)
    monkeypatch.setenv('NO_PROXY', 'localhost')
    assert client.blob_size(digest) == 7


def test_what_a_session_of_the_caller_says_of_proxies_is_obeyed(registry: ScriptedRegistry, certificates: Certificates,
                                                                proxy: Tinyproxy) -> None:
    base = DXFBase(registry.host, tlsverify=certificates.ca, limits=FAST)
    base._sessions[0] = Session()
    base._sessions[0].proxies = {'https': address(proxy.host)}
    before = len(proxy.requests())
    with base:
        base.api_version_check()
    assert proxy.requests()[before:] == [f'CONNECT {registry.host}']


def test_an_address_reaches_a_server_behind_a_proxy_as_it_is_written(proxy: Tinyproxy) -> None:
    with ScriptedRegistry() as registry:
        location = '/upload/%7e%41?_state=a%2Fb==&blank=&%c3%bc'
        registry.script('POST', '/v2/fred/a/blobs/uploads/', [Answer(202, {'Location': location})])
        registry.script('PUT', '/upload/%7e%41', [Answer(201, {'Docker-Content-Digest': hash_bytes(b'content')})])
        client = DXF(registry.host, 'fred/a', insecure=True, limits=FAST)
        client.options = client.options.replace(proxies=Proxies(http=address(proxy.host)))
        client.push_blob(data=b'content')
        put, = registry.of('PUT')
        assert put.target.startswith(location + '&digest=sha256%3A')


def test_a_hundred_megabytes_go_through_a_tunnel_in_little_memory(basic_registry: Endpoint, proxy: Tinyproxy,
                                                                  tmp_path: Path,
                                                                  repo: str) -> None:
    file = tmp_path / 'large'
    with file.open('wb') as large:
        large.truncate(LARGE)
    pushed = MeasuredRun(tmp_path, {**basic_registry.environ(), 'https_proxy': address(proxy.host)}, 'push-blob', repo,
                         str(file))
    assert (pushed.status, pushed.lines) == (0, [])
    assert basic_registry.dxf(repo).blob_size(pushed.out.decode().strip()) == LARGE
    assert pushed.peak < 100
    with file.open('rb') as large:
        piped = MeasuredRun(tmp_path, {**basic_registry.environ(), 'https_proxy': address(proxy.host)}, 'push-blob',
                            f'{repo}/piped', '-', stdin=large)
    assert (piped.status, piped.out) == (0, pushed.out)
    assert piped.peak < 100


def test_a_registry_that_takes_nothing_is_a_stall_through_a_tunnel_too(registry: ScriptedRegistry, proxy: Tinyproxy,
                                                                       certificates: Certificates) -> None:
    def early(request: Request) -> Answer | None:
        return replace(SILENCE, take=0) if request.method == 'PUT' else None

    registry.early = early
    client = DXF(registry.host, 'fred/a', tlsverify=certificates.ca, timeout=(30, 0.5), limits=Limits(retries=0))
    client.options = client.options.replace(proxies=Proxies(https=address(proxy.host)))
    ended: list[BaseException] = []

    def push() -> None:
        try:
            client.push_blob(data=bytes(40 << 20))
        except RequestException as error:
            ended.append(error)
    thread = threading.Thread(target=push, daemon=True)
    thread.start()
    thread.join(50)                             # neither for ever nor in the time that connecting may take
    assert len(ended) == 1


# NO_PROXY

@pytest.mark.parametrize(('bypassed', 'url', 'direct'), [
    ('', 'https://example.com/', False),
    ('*', 'https://example.com/', True),
    ('example.com', 'https://example.com/', True),
    ('example.com', 'https://EXAMPLE.com:5000/', True),
    ('EXAMPLE.com', 'https://example.com/', True),
    ('example.com', 'https://registry.example.com/', True),
    ('.example.com', 'https://registry.example.com/', True),
    ('.example.com', 'https://example.com/', True),
    ('*.example.com', 'https://registry.example.com/', True),
    ('example.com', 'https://badexample.com/', False),
    ('example.com', 'https://example.com.evil.org/', False),
    ('a, example.com ,b', 'https://example.com/', True),
    ('a example.com', 'https://example.com/', True),
    ('example.com:5000', 'https://example.com:5000/', True),
    ('example.com:5000', 'https://example.com/', False),
    ('example.com:443', 'https://example.com/', True),
    ('10.0.0.0/8', 'https://10.1.2.3:5000/', True),
    ('10.0.0.0/8', 'https://11.1.2.3/', False),
    ('10.1.2.3', 'https://10.1.2.3/', True),
    ('10.1.2.3:5000', 'https://10.1.2.3/', False),
    ('1.2.3', 'https://10.1.2.3/', False),
    ('::1', 'https://[::1]:5000/', True),
    ('[::1]', 'https://[::1]/', True),
    ('[::1]:5000', 'https://[::1]:5000/', True),
    ('[::1]:5000', 'https://[::1]/', False),
    ('fd00::/8', 'https://[fd00::7]/', True),
    ('0.0.0.0/0', 'https://example.com/', False),
    (',, ,', 'https://example.com/', False),
    ('.', 'https://example.com/', False),
    ('*.', 'https://example.com/', False),
])
def test_no_proxy_names_what_goes_without(bypassed: str, url: str, direct: bool) -> None:
    assert Proxies('http://one', 'http://two', bypassed).of(url) == ('' if direct else 'http://two')


# Addresses

@pytest.mark.parametrize('good', ['http://proxy', 'http://proxy:3128/', 'https://proxy', 'HTTP://proxy', 'proxy:3128',
                                  '192.0.2.1:8080', 'http://[::1]:3128', 'http://fred:pw@proxy', 'fred:p@w@proxy:1',
                                  'http://fred@proxy', 'http://frëd:pä@proxy'])
def test_an_address_of_a_proxy_is_taken(good: str) -> None:
    assert check_proxy(good).endswith(good)


@pytest.mark.parametrize('bad', ['http://', '://proxy', 'http://fred:s3cret#@proxy', 'http://fred:s3/cret@proxy',
                                 'http://fred:s3?cret@proxy', 'http://fred:s3 cret@proxy', 'http://fred:s3cret@pro xy',
                                 'http://fred:s3cret@proxy:0', 'http://fred:s3cret@proxy:99999', 'http://fred:s3cret@',
                                 'http://fred:s3cret@proxy/path', 'http://fred:s3cret@proxy?x', 'gopher://s3cret@proxy',
                                 'socks5://fred:s3cret@proxy', 'SOCKS4a://s3cret@proxy',
                                 'http://fred:s3\r\ncret@proxy', 'http://fred:s3cret\u2100@proxy',
                                 'http://s3cret[@proxy', 'http://fred:s3\udce4cret@proxy'])
def test_what_is_no_address_of_a_proxy_is_refused_without_its_password(bad: str, registry: ScriptedRegistry,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DXFInvalidNameError) as caught:
        check_proxy(bad)
    monkeypatch.setenv('HTTPS_PROXY', bad)
    with pytest.raises(DXFInvalidNameError) as again:
        DXFBase(registry.host, limits=FAST).api_version_check()
    for error in [*causes(caught.value), *causes(again.value)]:
        assert 'cret' not in str(error)
    assert not registry.requests


def test_a_password_is_sent_in_utf_8_as_it_is_meant() -> None:
    headers = Adapter().proxy_headers('http://fr%C3%ABd:p%40ss:w%2Frd%E2%82%AC@proxy')
    assert headers == {'Proxy-Authorization': 'Basic ZnLDq2Q6cEBzczp3L3Jk4oKs'}
    assert Adapter().proxy_headers('http://fr%E4d:x@proxy') == {'Proxy-Authorization': 'Basic ZnLkZDp4'}  # Latin-1
    assert Adapter().proxy_headers('http://fred@proxy') == {'Proxy-Authorization': 'Basic ZnJlZDo='}
    assert not Adapter().proxy_headers('http://proxy')


# How each failure is told

def failed(registry: ScriptedRegistry, certificates: Certificates, proxy: str, **variables: str) -> str:
    """Run a command by a proxy that is of no use; return its one line."""
    environ = {'DXF_HOST': registry.host, 'REQUESTS_CA_BUNDLE': certificates.ca, 'DXF_TIMEOUT': '50',
               'DXF_INSECURE': '1' if registry.insecure else '', 'ALL_PROXY': proxy, **variables}
    ended: Ended = Runner(environ).run('list-repos').insist(1)
    line, = ended.lines
    assert WORD not in line and ESCAPED not in line and USER + ':' not in line.replace('user:', '')
    assert not registry.requests
    return line


@pytest.mark.parametrize('secure', [True, False])
def test_each_fault_of_a_proxy_is_told(secure: bool, proxy: Tinyproxy, certificates: Certificates) -> None:
    with ScriptedRegistry(certificates if secure else None) as registry, socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))
        port = closed.getsockname()[1]
        before = len(proxy.requests())
        many = {'DXF_RETRIES': '3'}
        variable = 'HTTPS_PROXY' if secure else 'HTTP_PROXY'
        line = failed(registry, certificates, address(proxy.host, word='wr0ng'), **many)
        assert line.startswith(f'dxf: the proxy {proxy.url} refuses the user name and password') and variable in line
        assert 'wr0ng' not in line
        line = failed(registry, certificates, proxy.url, **many)
        assert line.startswith(f'dxf: the proxy {proxy.url} wants a user name and a password') and variable in line
        assert len(proxy.requests()) == before + 2      # asking again would not help
        line = failed(registry, certificates, address(f'localhost:{port}'))
        assert line.startswith(f'dxf: cannot connect to the proxy http://localhost:{port}: connection refused')
        assert variable in line and 'NO_PROXY' in line
        line = failed(registry, certificates, address('proxy.invalid:3128'))
        assert line.startswith('dxf: cannot find the proxy http://proxy.invalid:3128: ')


def test_a_proxy_that_makes_no_tunnel_is_told(registry: ScriptedRegistry, certificates: Certificates,
                                              tmp_path: Path) -> None:
    with Tinyproxy(tmp_path, ports=[443]) as strict:
        line = failed(registry, certificates, strict.url, DXF_RETRIES='3')
        assert line == f'dxf: the proxy {strict.url} does not connect to {registry.host}: 403 Forbidden'
        assert len(strict.requests()) == 1


@pytest.mark.parametrize(('answer', 'words'), [
    (lambda connection: None, 'the connection to the proxy {} broke'),
    (lambda connection: connection.sendall(b'SSH-2.0-x\r\n\r\n'), 'the connection to the proxy {} broke'),
    (lambda connection: connection.recv(1), 'no answer from the proxy {} in time'),
    (lambda connection: connection.sendall(b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * MAX_PROXY_RESPONSE_LENGTH),
     'the connection to the proxy {} broke'),
    (lambda connection: connection.sendall(b'HTTP/1.1 599 \x1b[2J\r\n\r\n'), 'the proxy {} does not connect to '),
], ids=['hangs up', 'is none', 'is silent', 'never ends', 'says what it likes'])
def test_what_is_no_proxy_is_told(registry: ScriptedRegistry, certificates: Certificates,
                                  answer: Callable[[socket.socket], object], words: str) -> None:
    with impostor(answer) as host:
        line = failed(registry, certificates, address(host), DXF_TIMEOUT='1' if 'in time' in words else '60')
    assert line.startswith('dxf: ' + words.format(f'http://{host}'))


def test_what_fails_behind_the_proxy_is_not_its_fault(registry: ScriptedRegistry, tmp_path: Path,
                                                      proxy: Tinyproxy) -> None:
    line = failed(registry, Certificates(tmp_path), address(proxy.host))
    assert line.startswith(f'dxf: cannot verify the certificate of {registry.host}: ')


def test_no_text_holds_the_password(registry: ScriptedRegistry, certificates: Certificates, proxy: Tinyproxy,
                                    caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = 's3cret.w0rd'
    with ScriptedRegistry() as plain:
        for server in (registry, plain):
            for host, word in ((proxy.host, WORD), (proxy.host, wrong), ('localhost:1', wrong)):
                url = address(host, word=word)
                client = DXFBase(server.host, insecure=server.insecure, tlsverify=certificates.ca, limits=FAST)
                client.options = client.options.replace(proxies=Proxies(url, url))
                try:
                    client.api_version_check()
                except ProxyError as error:
                    texts = [text for one in causes(error) for text in (str(one), repr(one), line_of(one))]
                    assert not any(wrong in text or 's3cret' in text for text in texts)
                    assert word == wrong
                else:
                    assert word == WORD
    assert urlsplit(proxy.url).netloc in caplog.text or registry.host in caplog.text
    assert WORD not in caplog.text and wrong not in caplog.text and 'Basic ' not in caplog.text
