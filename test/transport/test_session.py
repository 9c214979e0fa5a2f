"""How dxf talks HTTP: redirects, retries, limits, errors, connections."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import HTTPError, ReadTimeout, SSLError
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError

import dxf.main
from dxf import DXF, DXFBase, Limits, hash_bytes, hash_file
from dxf.cli.error_messages import line_of
from dxf.exceptions import (DXFError, DXFHTTPError, DXFProtocolError, DXFSourceError, DXFUnauthorizedError,
                            DXFUnexpectedStatusCodeError)
from dxf.transport.attempts import is_transient, retry_after
from dxf.transport.redaction import causes
from dxf.transport.response_body import read_body
from dxf.transport.urls import NORMAL_URL, resolve

from ..helpers.endpoints import Endpoint
from ..helpers.traffic import Traffic
from ..helpers.waiting import eventually
from ..servers.certificates import Certificates
from ..servers.scripted_registry import LOST, RESET, SILENCE, Answer, Request, ScriptedRegistry, error

FAST = Limits(retries=2, backoff=0.01, longest_backoff=0.02)
TAGS = '/v2/fred/a/tags/list'
SECRET = 'Bearer s3cret'


@pytest.fixture(name='connect')
def make_client(certificates: Certificates) -> Callable[..., DXF]:
    """A maker of clients of a scripted registry that hold a credential."""
    def connect(server: ScriptedRegistry, limits: Limits = FAST, **options: Any) -> DXF:
        client = DXF(server.host, 'fred/a', None, server.insecure, None, certificates.ca, limits=limits, **options)
        client.token = SECRET.partition(' ')[2]
        return client
    return connect


def moved(url: str, status: int = 307) -> Answer:
    """Return a redirect that tries to leave a cookie behind."""
    return Answer(status, {'Location': url, 'Set-Cookie': 'session=1; Path=/'})


# Redirects

@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_a_get_or_head_is_redirected(server: ScriptedRegistry, connect: Callable[..., DXF], status: int) -> None:
    client = connect(server)
    digest = server.memory.put('other', b'content')
    path, stored = f'/v2/fred/a/blobs/{digest}', f'/v2/other/blobs/{digest}'
    for method, target in (('HEAD', stored), ('GET', server.url + stored)):     # relative or absolute
        server.script(method, path, [moved(target, status)])
    assert client.blob_size(digest) == 7
    assert b''.join(client.pull_blob(digest)) == b'content'
    assert server.lines() == [f'HEAD {path}', f'HEAD {stored}', f'GET {path}', f'GET {stored}']
    assert {request.authorization for request in server.requests} == {SECRET}   # the same origin


def chain(server: ScriptedRegistry, length: int) -> None:
    """Redirect the list of tags through so many addresses."""
    server.script('GET', TAGS, [moved('/hop/1')])
    for number in range(1, length):
        server.script('GET', f'/hop/{number}', [moved(f'/hop/{number + 1}')])
    server.script('GET', f'/hop/{length}', [Answer(body=b'{"tags": ["x"]}')])


def test_five_redirects_are_followed_and_not_six(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    chain(server, 5)
    assert connect(server).list_aliases() == ['x']
    chain(server, 6)
    with pytest.raises(DXFProtocolError):
        connect(server).list_aliases()
    assert len(server.requests) == 6 + 6


@pytest.mark.parametrize('location', ['?"', "?a='<b>", '?%', '?\xe9', '?a|b', f'{TAGS}?{{}}'])
def test_a_redirect_to_itself_ends_however_the_address_is_written(server: ScriptedRegistry,
                                                                  connect: Callable[..., DXF], location: str) -> None:
    server.hook = lambda request: moved(location)
    with pytest.raises(DXFProtocolError, match='circle'):
        connect(server).list_aliases()
    assert len(server.requests) == 2


@pytest.mark.parametrize('targets', [[TAGS], [TAGS + '#x'], ['/1', TAGS], ['/1', '/2', '/1']])
def test_redirects_in_a_circle_are_an_error(server: ScriptedRegistry, connect: Callable[..., DXF],
                                            targets: list[str]) -> None:
    for here, target in zip([TAGS, *targets], targets):
        server.script('GET', here.partition('#')[0], [moved(target)] * 9)
    with pytest.raises(DXFProtocolError):
        connect(server).list_aliases()
    assert len(server.requests) <= 6


def test_off_origin_neither_authorization_nor_cookies_go_along(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                               connect: Callable[..., DXF]) -> None:
    client = connect(secure)
    digest = elsewhere.memory.put('fred/a', b'content')
    path = f'/v2/fred/a/blobs/{digest}'
    for method in ('GET', 'HEAD'):
        secure.script(method, path, [moved(f'{elsewhere.url}{path}?signature=x')])
    assert b''.join(client.pull_blob(digest)) == b'content'
    assert client.blob_size(digest) == 7
    client.push_blob(data=b'more')
    assert [request.target for request in elsewhere.requests] == [f'{path}?signature=x'] * 2
    for request in elsewhere.requests:
        assert request.authorization is None
        assert 'Cookie' not in request.headers
    assert {request.authorization for request in secure.requests} == {SECRET}
    assert not any('Cookie' in request.headers for request in secure.requests)


def test_a_redirect_back_to_the_registry_has_the_credential_again(secure: ScriptedRegistry,
                                                                  elsewhere: ScriptedRegistry,
                                                                  connect: Callable[..., DXF]) -> None:
    secure.script('GET', TAGS, [moved(f'{elsewhere.url}/1')])
    elsewhere.script('GET', '/1', [moved(f'{secure.url}/2')])
    secure.script('GET', '/2', [Answer(body=b'{"tags": null}')])
    assert connect(secure).list_aliases() == []
    assert [request.authorization for request in (*secure.requests, *elsewhere.requests)] == [SECRET, SECRET, None]


@pytest.mark.parametrize('method', ['get', 'head', 'post', 'put', 'delete'])
def test_a_redirect_from_https_to_http_is_refused(secure: ScriptedRegistry, server: ScriptedRegistry,
                                                  connect: Callable[..., DXF], method: str) -> None:
    same_host = f'http://{secure.host}/v2/'
    for target in (server.url, same_host):
        secure.script(method.upper(), TAGS, [moved(target)])
        with pytest.raises(DXFProtocolError, match='https to http'):
            connect(secure)._request(method, 'tags/list', data=b'')
    assert not server.requests
    assert len(secure.requests) == 2


NO_HOSTS = ['http://a..b/', 'http://.a/', 'http://a../', 'http://../', f'http://{"a" * 64}.example/', 'http://[::1/',
            f'http://{".".join(["a" * 60] * 5)}/', 'https://[::1/', 'http://::1/', 'http://[::1]x/',
            'http://[fe80::1%25x]/',
            'http://[v1.a]/', 'http://a%2eb/', 'http://a%00b/', 'http://*.a/', 'http://a,b/', 'http://a!/',
            'http://localhost:65536/', 'http://localhost:0/', 'http://localhost:-1/', 'http://localhost:x/',
            'http://localhost:1:2/', 'http://b\xfccher.example/', 'http://a\xad.example/', 'http://xn--\xfc/',
            'http://fred@localhost/', 'http://\\localhost/', "http://'/", 'http://"/', 'http://a|b/']
"""URLs whose host could not be looked up, or is none."""


@pytest.mark.parametrize('url', NO_HOSTS)
@pytest.mark.usefixtures('asked_by_head')
def test_an_address_with_an_invalid_host_is_one_error_wherever_it_is_sent(server: ScriptedRegistry, url: str,
                                                                          connect: Callable[..., DXF]) -> None:
    client = connect(server)
    uploads = '/v2/fred/a/blobs/uploads/'
    server.script('GET', TAGS, [moved(url), Answer(200, {'Link': f'<{url}>; rel="next"'}, b'{"tags": []}')])
    server.script('POST', uploads, [Answer(202, {'Location': url}), moved(url)])
    for ask in [client.list_aliases] * 2 + [lambda: client.push_blob(data=b'x')] * 2:
        with pytest.raises(DXFProtocolError) as caught:
            ask()
        assert len(line_of(caught.value).splitlines()) == 1
        assert not any(isinstance(cause, ValueError) for cause in causes(caught.value))
    asked = [line for line in server.lines() if not line.startswith('HEAD')]
    assert asked == [f'GET {TAGS}'] * 2 + [f'POST {uploads}'] * 2


@settings(deadline=None, derandomize=True, max_examples=settings().max_examples * 3 // 2,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(st.sampled_from(
    ['http://', 'https://', '//', '/', 'localhost', 'a.example', ':', '1', '65536', '[', ']', '::1', '.', '..', '@',
     '?', '#', '%', '%2e', '%zz', '\\', ' ', '\t', 'xn--', 'a' * 64, '-', '_', '\xe9', '\xad', '*', ';', '"', "'",
     '{', '|']) |
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xff, exclude_categories=['Cc']), max_size=3),
    max_size=8).map(''.join))
@example(text='http://a..b/')
@example(text='http://[::1/')
def test_any_text_as_a_location_is_an_answer_or_an_error_of_dxf_or_requests(
        every_host_unknown: None, one_server: ScriptedRegistry, text: str) -> None:
    del every_host_unknown
    one_server.hook = lambda request: Answer(307, {'Location': text}) if request.path == TAGS else error(404, 'NO')
    client = DXF(one_server.host, 'fred/a', insecure=True, limits=Limits(retries=0))
    with pytest.raises((DXFError, requests.exceptions.RequestException)) as caught:
        client.list_aliases()
    assert len(line_of(caught.value).splitlines()) == 1


@pytest.fixture(name='one_server', scope='module')
def start_one_server() -> Iterator[ScriptedRegistry]:
    """A scripted registry over http for many examples."""
    with ScriptedRegistry() as server:
        yield server


@pytest.fixture(name='every_host_unknown')
def forget_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no name be found but localhost: an example must not ask a server elsewhere."""
    known = socket.getaddrinfo

    def find(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != 'localhost':
            raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')
        return known(host, *args, **kwargs)
    monkeypatch.setattr(socket, 'getaddrinfo', find)


@pytest.mark.parametrize('url', ['http://my_registry:5000/a', 'http://a.example./b', 'http://a.example:/b',
                                 'http://1.2.3.4', 'http://[2001:db8::1]:5000/', f'http://{"a" * 63}.example/',
                                 'HTTP://A.EXAMPLE/'])
def test_hosts_that_real_registries_name_are_taken(url: str) -> None:
    response = requests.Response()
    response.url = 'http://registry.example/v2/'
    assert resolve(response, url).lower() == url.lower()


@pytest.mark.parametrize('location', ['http://', 'https://fred:s3cret@localhost/', 'ftp://localhost/', 'http://[', '//',
                                      'http://localhost:99999/', 'javascript:x', 'http://a b/', '\xe9://', '\xff'])
def test_a_redirect_to_no_address_is_one_error(server: ScriptedRegistry, connect: Callable[..., DXF],
                                               location: str) -> None:
    server.script('GET', TAGS, [moved(location)])
    with pytest.raises((DXFError, requests.exceptions.RequestException)) as caught:
        connect(server).list_aliases()
    assert 's3cret' not in line_of(caught.value)
    assert 's3cret' not in str(caught.value)


@pytest.mark.parametrize('method', ['post', 'put', 'patch', 'delete'])
@pytest.mark.parametrize('status', [301, 302, 303])
def test_a_redirected_write_is_an_error_and_never_a_get(server: ScriptedRegistry, connect: Callable[..., DXF],
                                                        method: str, status: int) -> None:
    server.script(method.upper(), '/v2/fred/a/x', [moved('/login', status)])
    with pytest.raises(DXFError):
        connect(server)._request(method, 'x', data=b'content')
    assert server.lines() == [f'{method.upper()} /v2/fred/a/x']


@pytest.mark.parametrize('method', ['post', 'put', 'patch', 'delete'])
@pytest.mark.parametrize('status', [307, 308])
def test_a_write_redirected_for_good_keeps_its_method_and_body(server: ScriptedRegistry, connect: Callable[..., DXF],
                                                               method: str, status: int) -> None:
    server.script(method.upper(), '/v2/fred/a/x', [moved('/there', status)])
    server.script(method.upper(), '/there', [Answer(201, body=b'done')])
    assert connect(server)._request(method, 'x', data=b'content').content == b'done'
    assert [request.body for request in server.requests] == [b'content'] * 2
    assert server.lines() == [f'{method.upper()} {path}' for path in ('/v2/fred/a/x', '/there')]


def test_a_file_goes_whole_where_its_upload_is_redirected(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                          connect: Callable[..., DXF], tmp_path: Path) -> None:
    path = tmp_path / 'file'
    path.write_bytes(b'content' * 100_000)
    secure.hook = lambda request: moved(f'{elsewhere.url}/put') if request.method == 'PUT' else None
    stored = Answer(201, {'Docker-Content-Digest': hash_file(str(path))})
    elsewhere.hook = lambda request: stored if request.method == 'PUT' else None
    told: list[int] = []
    connect(secure).push_blob(str(path), lambda digest, chunk, size: told.append(len(chunk)))
    assert [(request.line, request.length, request.authorization) for request in elsewhere.requests] == [
        ('PUT /put', 700_000, None)]
    assert sum(told) == 700_000


def test_a_redirected_body_that_cannot_be_read_again_is_refused(server: ScriptedRegistry,
                                                                connect: Callable[..., DXF]) -> None:
    server.script('PUT', '/v2/fred/a/x', [moved('/there')])
    with pytest.raises(DXFSourceError):
        connect(server)._request('put', 'x', data=iter([b'content']))
    assert server.lines() == ['PUT /v2/fred/a/x']


def test_the_endless_body_of_a_redirect_is_not_read(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        while sum(sent) < 64 << 20:     # an end all the same, so that a failure is not for ever
            sent.append(1 << 16)
            yield bytes(1 << 16)

    server.script('GET', TAGS, [replace(moved('/there'), body=endless())])
    server.script('GET', '/there', [Answer(body=b'{"tags": []}')])
    assert connect(server).list_aliases() == []
    assert sum(sent) < 16 << 20


# The Location of an upload

def test_an_upload_goes_elsewhere_without_a_credential(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                       connect: Callable[..., DXF]) -> None:
    client = connect(secure)
    secure.hook = lambda request: Answer(202, {'Location': f'{elsewhere.url}/up?sig=a%2Fb&x=', 'Set-Cookie': 'a=b'}) \
        if request.method == 'POST' else None
    stored = Answer(201, {'Docker-Content-Digest': hash_bytes(b'content')})
    elsewhere.hook = lambda request: stored if request.method == 'PUT' else None
    digest = client.push_blob(data=b'content')
    assert elsewhere.requests[0].target == f'/up?sig=a%2Fb&x=&digest={digest.replace(":", "%3A")}'
    for request in elsewhere.requests:
        assert (request.authorization, request.headers.get('Cookie')) == (None, None)


def test_a_401_of_an_upload_elsewhere_is_never_answered(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                        certificates: Certificates) -> None:
    asked: list[requests.Response] = []
    secure.hook = lambda request: Answer(202, {'Location': f'{elsewhere.url}/up'}) if request.method == 'POST' else None
    elsewhere.hook = lambda request: Answer(401, {'WWW-Authenticate': 'Basic realm="x"'})
    client = DXF(secure.host, 'fred/a', lambda dxf, response: asked.append(response), tlsverify=certificates.ca)
    client.token = 's3cret'
    with pytest.raises(DXFUnauthorizedError):
        client.push_blob(data=b'content')
    assert not asked
    assert {request.authorization for request in elsewhere.requests} == {None}
    assert len(elsewhere.of('PUT')) == 1


def test_an_upload_from_https_to_http_is_refused(secure: ScriptedRegistry, server: ScriptedRegistry,
                                                 connect: Callable[..., DXF]) -> None:
    elsewhere = server.url.replace('localhost', '127.0.0.1')
    secure.hook = lambda request: Answer(202, {'Location': f'{elsewhere}/up'}) if request.method == 'POST' else None
    with pytest.raises(DXFProtocolError):
        connect(secure).push_blob(data=b'content')
    assert not server.requests


def test_an_upload_to_the_registry_s_own_http_is_lifted_to_https(secure: ScriptedRegistry,
                                                                 connect: Callable[..., DXF]) -> None:
    def hook(request: Request) -> Answer | None:
        answer = secure.ordinary(request)
        if request.method != 'POST':
            return answer
        return replace(answer, headers={'Location': f'http://{secure.host}{answer.headers["Location"]}'})

    secure.hook = hook
    digest = connect(secure).push_blob(data=b'content')     # behind a proxy that ends TLS
    assert secure.memory.blobs['fred/a'] == {digest: b'content'}


# Attempts

@pytest.mark.parametrize('answer', [
    *(error(status, 'X') for status in (408, 429, 500, 502, 503, 504)),
    RESET,
    LOST,
    Answer(503, body=b'x', declared=9),
])
@pytest.mark.parametrize('method', ['get', 'head', 'post', 'put', 'delete'])
def test_what_may_help_is_tried_again(server: ScriptedRegistry, connect: Callable[..., DXF], answer: Answer,
                                      method: str) -> None:
    server.script(method.upper(), '/v2/fred/a/x', [answer, answer, Answer(200)])
    assert connect(server)._request(method, 'x', data=b'content' if method == 'put' else b'').content == b''
    assert server.lines() == [f'{method.upper()} /v2/fred/a/x'] * 3
    assert {request.body for request in server.of('PUT')} <= {b'content'}


@pytest.mark.parametrize('status', [400, 401, 403, 404, 405, 406, 409, 413, 416, 501])
def test_what_does_not_help_is_not_tried_again(server: ScriptedRegistry, connect: Callable[..., DXF],
                                               status: int) -> None:
    server.hook = lambda request: error(status, 'X')
    with pytest.raises(DXFError):
        connect(server).list_aliases()
    assert len(server.requests) == 1


@pytest.mark.parametrize('answer', [error(503, 'X'), RESET, LOST])
def test_a_patch_is_never_repeated(server: ScriptedRegistry, connect: Callable[..., DXF], answer: Answer) -> None:
    server.hook = lambda request: answer
    with pytest.raises((DXFHTTPError, NoConnection)):
        connect(server)._request('patch', 'x', data=b'content')
    assert server.lines() == ['PATCH /v2/fred/a/x']


def test_after_the_last_attempt_the_last_answer_is_the_error(server: ScriptedRegistry,
                                                             connect: Callable[..., DXF]) -> None:
    server.script('GET', TAGS, [error(500, 'FIRST'), error(502, 'SECOND'), error(503, 'THIRD')])
    with pytest.raises(DXFHTTPError, match='^503 Service Unavailable: THIRD: third'):
        connect(server).list_aliases()
    assert len(server.requests) == 3


def test_after_the_last_attempt_the_network_s_failure_is_the_error(server: ScriptedRegistry,
                                                                   connect: Callable[..., DXF]) -> None:
    server.hook = lambda request: RESET
    with pytest.raises(NoConnection) as caught:
        connect(server).list_aliases()
    assert line_of(caught.value) == f'the connection to {server.host} broke; if it speaks TLS, unset DXF_INSECURE'
    assert len(server.requests) == 3


def test_silence_is_a_timeout_and_is_tried_again(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    server.script('GET', TAGS, [SILENCE, SILENCE, SILENCE])
    with pytest.raises(ReadTimeout) as caught:
        connect(server, timeout=0.3).list_aliases()
    assert line_of(caught.value).startswith(f'no answer from {server.host} in time')
    assert eventually(lambda: len(server.requests) == 3)


def test_a_refused_connection_is_tried_again(traffic: Traffic) -> None:
    with socket.socket() as closed:
        closed.bind(('127.0.0.1', 0))       # and does not listen
        port = closed.getsockname()[1]
        client = DXF(f'127.0.0.1:{port}', 'fred/a', insecure=True, limits=FAST)
        with pytest.raises(NoConnection) as caught:
            client.list_aliases()
    assert traffic.connections == [f'127.0.0.1:{port}'] * 3
    assert line_of(caught.value).startswith(f'cannot connect to 127.0.0.1:{port}: connection refused')


@pytest.mark.parametrize('retries', [0, 1, 3])
def test_dxf_retries_is_the_number_of_attempts_after_the_first(server: ScriptedRegistry, retries: int,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, 'sleep', pauses.append)
    server.hook = lambda request: error(503, 'X')
    environ = server.environ(DXF_RETRIES=str(retries))
    with pytest.raises(DXFHTTPError):
        dxf.main.doit(['list-aliases', 'fred/a'], environ)
    assert len(server.requests) == retries + 1
    assert len(pauses) == retries


def test_four_attempts_after_the_first_are_the_default_each_after_a_longer_pause(
        server: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, 'sleep', pauses.append)
    server.hook = lambda request: error(503, 'X')
    with pytest.raises(DXFHTTPError):
        DXF(server.host, 'fred/a', insecure=True).list_aliases()
    assert [longest / 2 <= pause <= longest for pause, longest in zip(pauses, (0.5, 1, 2, 4))] == [True] * 4
    assert len(server.requests) == 5


@pytest.mark.parametrize('value, shortest, longest', [
    ('3', 3, 3),                            # seconds
    ('0', 0, 0.02),
    ('99999', 60, 60),                      # at most a minute each
    ('soon', 0, 0.02),
    ('-5', 0, 0.02),
    ('in 50 s', 50 - 20, 50),               # a date
    ('an hour ago', 0, 0.02),
])
@pytest.mark.parametrize('status', [429, 503])
def test_retry_after_is_waited_for(server: ScriptedRegistry, connect: Callable[..., DXF], status: int, value: str,
                                   monkeypatch: pytest.MonkeyPatch, shortest: float, longest: float) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, 'sleep', pauses.append)
    dates = {'in 50 s': 50, 'an hour ago': -3600}
    value = formatdate(time.time() + dates[value], usegmt=True) if value in dates else value
    server.script('GET', TAGS, [Answer(status, {'Retry-After': value}), Answer(body=b'{"tags": []}')])
    assert connect(server).list_aliases() == []
    assert len(pauses) == 1
    assert shortest <= pauses[0] <= longest


def test_retry_after_is_really_slept(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    server.script('GET', TAGS, [Answer(429, {'Retry-After': '3000'}), Answer(body=b'{"tags": []}')])
    begin = time.monotonic()
    connect(server, FAST._replace(longest_retry_after=0.3)).list_aliases()
    assert 0.3 <= time.monotonic() - begin < 300


def test_all_waiting_together_has_a_limit(server: ScriptedRegistry, connect: Callable[..., DXF],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, 'sleep', pauses.append)
    server.hook = lambda request: Answer(429, {'Retry-After': '60'})
    with pytest.raises(DXFHTTPError, match='^429 Too Many Requests'):
        connect(server, Limits(retries=99)).list_aliases()
    assert pauses == [60] * 5       # five minutes


@pytest.mark.parametrize('value, seconds', [
    (None, None),
    ('', None),
    ('0', 0),
    ('120', 120),
    (' 7 ', 7),
    ('1.5', None),
    ('-1', None),
    ('+1', None),
    ('1e3', None),
    ('\u0663', None),                           # a digit, and no ASCII
    ('9' * 10_000, 999_999_999),
    ('tomorrow', None),
    ('Thu, 01 Jan 1970 00:00:00 GMT', 0),       # over already
    ('Mon, 01 Jan 0001 00:00:00 GMT', 0),
    ('Fri, 99 Foo 9999 99:99:99 GMT', None),
    ('Fri, 31 Dec 99999 23:59:59 GMT', None),
])
def test_retry_after_is_read(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


@pytest.mark.parametrize('zone', ['GMT', '+0000', '-0000'])
def test_retry_after_is_read_as_a_date(zone: str) -> None:
    seconds = retry_after(formatdate(time.time() + 100, usegmt=True).replace('GMT', zone))
    assert 80 <= (seconds or 0) <= 100


# Limits

def test_a_body_is_read_up_to_its_limit(server: ScriptedRegistry) -> None:
    for answer in (Answer(body=b'12345'), Answer(body=[b'123', b'45']), Answer(body=b'12345', undelimited=True)):
        server.script('GET', '/x', [answer, answer])
        with requests.get(f'{server.url}/x', stream=True, timeout=60) as response:
            assert read_body(response, 5, FAST) == b'12345'
            assert response.content == b'12345'         # for callers who look there
        with requests.get(f'{server.url}/x', stream=True, timeout=60) as response:
            with pytest.raises(DXFProtocolError, match='larger than 4 bytes'):
                read_body(response, 4, FAST)


def test_nothing_is_allocated_from_a_declared_size(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    server.script('GET', TAGS, [Answer(body=b'{"tags": []}', declared=1 << 60)])
    with pytest.raises((DXFError, requests.exceptions.RequestException)):
        connect(server).list_aliases()


def test_an_endless_answer_ends_at_its_limit(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        while sum(sent) < 256 << 20:
            sent.append(1 << 16)
            yield b' ' * (1 << 16)

    server.hook = lambda request: Answer(body=endless())
    client = connect(server)
    for call in (client.list_aliases, client.list_repos, client.api_version_check, lambda: client.get_alias('x')):
        sent.clear()
        with pytest.raises(DXFProtocolError, match='larger than 4194304 bytes'):
            call()
        assert sum(sent) < 32 << 20


@pytest.mark.parametrize('encoding', ['gzip', 'deflate', 'br', 'GZIP', 'gzip, identity', 'x'])
def test_compressed_metadata_is_refused(server: ScriptedRegistry, connect: Callable[..., DXF], encoding: str) -> None:
    server.hook = lambda request: Answer(body=b'{"tags": []}', headers={'Content-Encoding': encoding})
    client = connect(server)
    calls: tuple[Callable[[], object], ...] = (client.list_aliases, client.list_repos, lambda: client.get_alias('x'))
    for call in calls:
        with pytest.raises(DXFProtocolError, match='compressed'):
            call()
    assert {request.headers['Accept-Encoding'] for request in server.requests} == {'identity'}


@pytest.mark.parametrize('encoding', ['identity', 'Identity', ''])
def test_the_identity_encoding_is_no_compression(server: ScriptedRegistry, connect: Callable[..., DXF],
                                                 encoding: str) -> None:
    server.hook = lambda request: Answer(body=b'{"tags": []}', headers={'Content-Encoding': encoding})
    assert connect(server).list_aliases() == []


# Refusals

def refused(server: ScriptedRegistry, connect: Callable[..., DXF], answer: Answer) -> DXFHTTPError:
    """Return the error that a refusal becomes."""
    server.script('GET', TAGS, [answer])
    with pytest.raises(DXFHTTPError) as caught:
        connect(server).list_aliases()
    return caught.value


def body_of(*errors: Any) -> bytes:
    """Return the body of a refusal."""
    return json.dumps({'errors': list(errors)}).encode()


@pytest.mark.parametrize('status, body, text', [
    (403, body_of({'code': 'DENIED', 'message': 'not you'}), '403 Forbidden: DENIED: not you'),
    (404, body_of({'code': 'NAME_UNKNOWN'}), '404 Not Found: NAME_UNKNOWN'),
    (400, body_of({'message': 'bad'}), '400 Bad Request: bad'),
    (400, body_of({'code': 'A', 'message': 'a', 'detail': {'x': 1}}, {'code': 'B', 'message': 'b'}),
     '400 Bad Request: A: a; B: b'),
    (400, body_of({'code': 5, 'message': ['x']}), "400 Bad Request: 5: ['x']"),
    (400, body_of('text', None, 7), '400 Bad Request'),
    (400, b'{"errors": {"code": "A"}}', '400 Bad Request'),
    (400, b'{"errors": null}', '400 Bad Request'),
    (400, b'{"message": "no such thing"}', '400 Bad Request: no such thing'),   # gateways, and GitHub
    (400, b'{"errors": [], "message": "no such thing"}', '400 Bad Request: no such thing'),
    (400, b'{"errors": [{"code": "A"}], "message": "no such thing"}', '400 Bad Request: A ('),
    (400, b'{"message": {"a": "b"}}', '400 Bad Request ('),
    (400, b'<html>404 page not found</html>', '400 Bad Request'),
    (400, b'404 page not found\n', '400 Bad Request'),
    (400, b'\xff\xfe', '400 Bad Request'),
    (400, b'[' * 60_000, '400 Bad Request'),
    (400, b'', '400 Bad Request'),
    (418, b'', "418 I'm a Teapot"),
    (499, b'', '499 Error'),        # a status that no standard knows
])
def test_a_refusal_is_shown_as_code_and_message(server: ScriptedRegistry, connect: Callable[..., DXF], status: int,
                                                body: bytes, text: str) -> None:
    assert str(refused(server, connect, Answer(status, body=body))).startswith(text)


def test_a_long_message_is_shortened(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    text = str(refused(server, connect, Answer(400, body=body_of({'code': 'X', 'message': 'y' * 10_000}))))
    assert text.startswith('400 Bad Request: X: ' + 'y' * 197)
    assert 'y' * 198 not in text


def test_a_message_that_would_drive_the_terminal_is_shown_escaped(server: ScriptedRegistry,
                                                                  connect: Callable[..., DXF]) -> None:
    for body in (body_of({'code': '\x1b[2J\n\u202e', 'message': '\x9b'}),
                 json.dumps({'message': '\x1b[2J\n\u202e\x9b'}).encode()):
        line = line_of(refused(server, connect, Answer(400, body=body)))
        assert line.isprintable() and line.isascii()


@pytest.mark.parametrize('answer', [
    Answer(404, body=b'404 page not found', declared=9999),             # docker-registry's 416 does that
    Answer(404, body=b'404 page not found', declared=3),
    Answer(404, body=b'404 page not found', reset=5),
    Answer(404, body=b'x' * (65 << 10)),                                # larger than is read
    Answer(404, body=[b'x' * (65 << 10)]),
    Answer(404, body=b'404', undelimited=True),
    Answer(404, body=body_of({'code': 'X'}), headers={'Content-Encoding': 'gzip'}),
    Answer(404, body=b'x', headers={'Content-Encoding': 'nonsense'}),
    Answer(404, headers={'Content-Type': 'application/json'}),
])
def test_a_refusal_s_body_never_raises_another_error(server: ScriptedRegistry, connect: Callable[..., DXF],
                                                     answer: Answer) -> None:
    raised = refused(server, connect, answer)
    assert str(raised).startswith('404 Not Found')
    assert raised.response is not None
    assert isinstance(raised.response.content, bytes)
    assert connect(server).api_version_check()[1].status_code == 200


def test_a_refusal_s_body_that_does_not_end_is_given_up(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    server.script('GET', TAGS, [Answer(404, body=b'12345', stall=3)])
    with pytest.raises(DXFHTTPError, match='^404 Not Found'):
        connect(server, timeout=(60, 2)).list_aliases()
    assert len(server.requests) == 1


def test_the_error_has_the_real_response(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    raised = refused(server, connect, error(404, 'NAME_UNKNOWN', 'who?', {'X-Own': 'y'}))
    assert {HTTPError, DXFError} <= set(type(raised).__mro__)
    assert raised.response is not None
    assert (raised.response.status_code, raised.response.headers['X-Own']) == (404, 'y')
    assert raised.response.json() == {'errors': [{'code': 'NAME_UNKNOWN', 'message': 'who?'}]}
    assert raised.response.content == raised.response.text.encode()
    assert raised.request is raised.response.request


def test_a_real_registry_s_refusal_has_all_that_too(endpoint: Endpoint, repo: str) -> None:
    with pytest.raises(DXFHTTPError, match='^404 Not Found: NAME_UNKNOWN: ') as caught:
        endpoint.dxf(repo).list_aliases()
    assert caught.value.response is not None
    assert caught.value.response.json()['errors'][0]['code'] == 'NAME_UNKNOWN'


def test_a_401_is_unauthorized(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    server.hook = lambda request: error(401, 'UNAUTHORIZED')
    client = connect(server)
    for call in (client.list_aliases, client.api_version_check, lambda: client.push_blob(data=b'x'),
                 lambda: client.get_alias('x'), lambda: client.del_blob('sha256:' + '0' * 64)):
        with pytest.raises(DXFUnauthorizedError, match='^unauthorized'):
            call()


@pytest.mark.parametrize('status', [201, 204, 206, 304])
def test_a_success_that_the_step_does_not_know_is_an_error(server: ScriptedRegistry, connect: Callable[..., DXF],
                                                           status: int) -> None:
    server.hook = lambda request: Answer(status)
    with pytest.raises(DXFUnexpectedStatusCodeError) as caught:
        connect(server).list_aliases()
    assert (caught.value.got, caught.value.expected) == (status, 200)


def test_no_query_gets_into_an_error_s_text(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                            connect: Callable[..., DXF]) -> None:
    secure.hook = lambda request: moved(f'{elsewhere.url}/x?signature=s3cret')
    answers = [error(403, 'DENIED'), error(401, 'UNAUTHORIZED'), *[RESET] * 3, *[LOST] * 3, Answer(body=b'?'),
               Answer(body=b'{"tags": []}', declared=99), moved('http://localhost/?s3cret')]
    elsewhere.script('GET', '/x', answers)
    while len(elsewhere.requests) < len(answers):
        with pytest.raises((DXFError, requests.exceptions.RequestException)) as caught:
            connect(secure).list_aliases()
        assert 's3cret' not in str(caught.value)
        assert 's3cret' not in line_of(caught.value)


# Cookies

def test_cookies_are_neither_kept_nor_sent(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    def hook(request: Request) -> Answer:
        answer = server.ordinary(request)
        return replace(answer, headers={**answer.headers, 'Set-Cookie': 'session=1; Path=/'})

    server.hook = hook
    with requests.Session() as session:
        session.get(f'{server.url}/v2/')
        assert session.cookies.get('session') == '1'        # requests would
    client = connect(server)
    digest = client.push_blob(data=b'content')
    client.set_alias('x', digest)
    assert client.get_alias('x') == [digest]
    assert not client._sessions[0].cookies
    assert not any('Cookie' in request.headers for request in server.requests)


# Connections

@pytest.mark.parametrize('name', ['basic_registry', 'open_registry'])
def test_one_connection_serves_push_alias_and_pull(request: pytest.FixtureRequest, name: str, repo: str,
                                                   traffic: Traffic) -> None:
    endpoint: Endpoint = request.getfixturevalue(name)
    client = endpoint.dxf(repo)
    digest = client.push_blob(data=bytes(100_000))
    assert client.push_blob(data=bytes(100_000)) == digest
    client.set_alias('x', digest)
    assert client.get_alias('x') == [digest]
    assert client.head_manifest_and_response('x')[0] is not None
    assert len(b''.join(client.pull_blob(digest))) == 100_000
    assert client.list_aliases() == ['x']
    with pytest.raises(DXFHTTPError):
        client.get_alias('none')
    client.mount_blob(repo, digest)
    client.del_alias('x')
    client.del_blob(digest)
    assert traffic.connections == [endpoint.host]


def test_one_connection_to_each_serves_with_tokens(token_registry: Endpoint, repo: str, traffic: Traffic) -> None:
    assert token_registry.tokens is not None
    client = token_registry.dxf(repo)
    digest = client.push_blob(data=b'content')
    client.set_alias('x', digest)
    assert b''.join(client.pull_blob(*client.get_alias('x'))) == b'content'
    assert sorted(traffic.connections) == sorted([token_registry.host, token_registry.tokens.host])


def test_what_was_made_from_one_base_shares_its_connections(open_registry: Endpoint, repo: str,
                                                            traffic: Traffic) -> None:
    base = open_registry.base()
    base.api_version_check()
    for number in range(3):
        DXF.from_base(base, f'{repo}{number}').push_blob(data=b'content')
    assert len(traffic.connections) == 1


@pytest.mark.parametrize('status', [400, 403, 404, 405, 413])
@pytest.mark.usefixtures('asked_by_head')
def test_an_upload_that_is_not_opened_is_asked_for_once(server: ScriptedRegistry, connect: Callable[..., DXF],
                                                        status: int) -> None:
    server.hook = lambda request: error(status, 'X') if request.method == 'POST' else None
    with pytest.raises(DXFHTTPError, match=f'^{status} '):
        connect(server).push_blob(data=b'content')
    assert len(server.of('POST')) == 1
    assert server.connections == 1


def test_what_is_deleted_leaves_the_connection_free(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    def hook(request: Request) -> Answer | None:
        return replace(server.ordinary(request), body=b'gone') if request.method == 'DELETE' else None

    client = connect(server)
    for answers in (server.ordinary, hook):
        server.hook = answers
        digest = client.push_blob(data=b'content')
        client.set_alias('x', digest)
        client.del_alias('x')
        client.del_blob(digest)
        client.api_version_check()
    assert server.connections == 1


def test_a_connection_that_the_server_closed_is_replaced_unnoticed(server: ScriptedRegistry,
                                                                   connect: Callable[..., DXF]) -> None:
    client = connect(server, FAST._replace(retries=0))
    for number in range(3):
        server.script('GET', TAGS, [Answer(body=b'{"tags": ["x"]}', undelimited=True)])
        assert client.list_aliases() == ['x']
        assert server.connections == number + 1


def test_with_closes_the_connections_when_the_outermost_is_left(server: ScriptedRegistry,
                                                                connect: Callable[..., DXF]) -> None:
    client = connect(server)
    with client as entered:
        assert entered is client
        with client:
            client.api_version_check()
        client.api_version_check()
        assert server.connections == 1
    assert eventually(lambda: server.open == 0)
    client.api_version_check()      # and it works still
    assert server.connections == 2


def test_with_lets_errors_pass(server: ScriptedRegistry, connect: Callable[..., DXF]) -> None:
    with pytest.raises(ZeroDivisionError), connect(server):
        raise ZeroDivisionError


def test_any_session_may_take_the_place_of_ours(server: ScriptedRegistry) -> None:
    base = DXFBase(server.host, insecure=True)
    with requests.Session() as session:
        session.headers['X-Own'] = 'y'
        base._sessions[0] = session
        DXF.from_base(base, 'fred/a').push_blob(data=b'content')
    assert {request.headers['X-Own'] for request in server.requests} == {'y'}


# What failed

def nested(*errors: BaseException) -> BaseException:
    """Return the first of errors, with the others behind it."""
    for outer, inner in zip(errors, errors[1:]):
        outer.__cause__ = inner
    return errors[0]


def test_causes_are_found_through_every_wrapping() -> None:
    refusal = ConnectionRefusedError(111, 'refused')
    reason = OSError(refusal)
    wrapped = NoConnection(MaxRetryError(HTTPConnectionPool('x'), '/', reason))
    context = ValueError('context')
    context.__context__ = wrapped
    assert {refusal, reason, wrapped, context} <= set(causes(context))


def test_causes_in_a_circle_end() -> None:
    first, second = ValueError('1'), ValueError('2')
    first.__cause__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]


@pytest.mark.parametrize('failure, transient', [
    (NoConnection('x'), True),
    (ConnectionResetError(), True),
    (nested(NoConnection('x'), ConnectionRefusedError()), True),
    (ReadTimeout('x'), True),
    (SSLError('certificate verify failed'), False),
    (nested(NoConnection('x'), SSLError('x')), False),
    (NoConnection(socket.gaierror(socket.EAI_NONAME, 'x')), False),
    (NoConnection(socket.gaierror(socket.EAI_AGAIN, 'x')), True),       # the name server is what failed
    (nested(NoConnection('x'), OSError('y'), socket.gaierror(socket.EAI_AGAIN, 'x')), True),
])
def test_what_may_help_is_known_by_its_cause(failure: BaseException, transient: bool) -> None:
    assert is_transient(failure) is transient


def test_a_name_that_does_not_exist_is_asked_for_once(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')

    monkeypatch.setattr(socket, 'getaddrinfo', unknown)
    with pytest.raises(NoConnection) as caught:
        DXF('registry.example', 'fred/a', limits=FAST).list_aliases()
    assert len(traffic.requests) == 1
    assert line_of(caught.value) == 'cannot find registry.example: Name or service not known; is the name right, ' \
        'and is there a network?'
    with pytest.raises(NoConnection) as caught:
        DXF('blobs', 'fred/a', limits=FAST).list_aliases()
    assert line_of(caught.value) == 'cannot find blobs: Name or service not known; a folder is written oci:./blobs'


@settings(deadline=None, derandomize=True)
@given(host=st.sampled_from(['localhost', 'a.b-c', '1.2', 'A', 'a..b', '*.a', 'b\xfccher.example', '[::1]', 'u@a']),
       port=st.sampled_from(['', ':1', ':5000', ':59999', ':65536', ':0', ':080', ':x', ':']),
       rest=st.lists(st.sampled_from(['/', '//', '.', '..', 'a', 'A', '-', '?', '&', '=', '%3A', '%41', '%2D', '%2f',
                                      '%7E', '%zz', '%', ' ', '+', '~', '@', ':', '#', ';', "'", '\\', '[', '\xe9']),
                     max_size=8).map(''.join))
@example(host='localhost', port=':5000', rest='v2/a/blobs/uploads/1?_state=a-_b%3D%3D&digest=sha256%3Aab')
def test_a_url_that_is_taken_as_it_is_would_not_be_changed(host: str, port: str, rest: str) -> None:
    url = f'https://{host}{port}/{rest}'
    if NORMAL_URL.fullmatch(url) is not None:
        prepared = requests.PreparedRequest()
        prepared.prepare_url(url, None)
        assert prepared.url == url
    else:
        assert rest != 'v2/a/blobs/uploads/1?_state=a-_b%3D%3D&digest=sha256%3Aab' or host != 'localhost'


def test_what_a_program_sets_on_the_session_reaches_the_registry(server: ScriptedRegistry) -> None:
    client = DXF(server.host, 'fred/a', insecure=True)
    session, seen = client._sessions[0], []
    session.headers['X-Mine'] = 'mine'
    client.push_blob(data=b'one')
    assert [request.headers['X-Mine'] for request in server.requests] == ['mine'] * 2
    session.params = {'mine': 'too'}
    session.hooks['response'].append(lambda response, *_args, **_kwargs: seen.append(response.status_code))
    client.push_blob(data=b'two')
    assert server.requests[-1].parameter('mine') == 'too'
    assert seen[-1] == 201
