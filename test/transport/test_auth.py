"""Authentication: what is asked of whom, who sees which credential, and what becomes of an answer."""

import base64
import io
import os
import pickle
import socket
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.exceptions import InvalidURL
from requests.structures import CaseInsensitiveDict

from dxf import DXF, DXFBase, Limits
from dxf.client_arguments import AUTH
from dxf.cli.error_messages import line_of
from dxf.exceptions import (DXFAuthInsecureError, DXFError, DXFHTTPError, DXFInvalidNameError, DXFProtocolError,
                            DXFSourceError, DXFUnauthorizedError, DXFUnexpectedStatusCodeError)
from dxf.transport.auth import RegistryAuth, authorization_value
from dxf.transport.challenge import Challenge, challenge_of, read_token, token_url
from dxf.transport.redaction import causes
from dxf.transport.session import GivenAuth
from dxf.transport.urls import split_url

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.registry import Registry
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error, guard
from ..servers.token_server import TokenServer

HUB = 'https://registry-1.docker.io/v2/'
LOGIN = 'dxf login stores one for from_docker_config()'
STORED = 'auth=dxf.credentials.from_docker_config() for a login that is stored'
FAST = Limits(retries=1, backoff=0.01)
BASIC = 'Basic ' + base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()


@pytest.fixture(name='client')
def make_client(secure: ScriptedRegistry, certificates: Certificates) -> Callable[..., DXF]:
    """A maker of clients of the scripted registry: ``client(auth)``."""
    return lambda auth=None, **options: DXF(secure.host, 'fred/a', auth, tlsverify=certificates.ca, limits=FAST,
                                            **options)


def log_in(dxf: DXFBase, response: requests.Response) -> None:
    """Authenticate with the user name and password of the test servers."""
    dxf.authenticate(USERNAME, PASSWORD, response=response)


def give_token(dxf: DXFBase, response: requests.Response) -> None:
    """Authenticate with a token that was obtained elsewhere."""
    assert response.status_code == 401
    dxf.token = 'right'


def bearer(realm: str) -> str:
    """Return a challenge."""
    return f'Bearer realm="{realm}/token",service="registry",scope="repository:fred/a:pull"'


def token_answer(token: str = 'right') -> Answer:
    """Return a token server's answer."""
    return Answer(body=b'{"token": "%b"}' % token.encode())


# Who may see a credential

@pytest.mark.parametrize('base, url, covered', [
    ('https://a.example/v2/', 'https://a.example/v2/x', True),
    ('https://a.example/v2/', 'https://a.example/other?x=y#z', True),   # any path
    ('https://a.example/v2/', 'https://A.EXAMPLE/v2/', True),           # host names have no case
    ('https://A.Example/v2/', 'https://a.example/v2/', True),
    ('https://a.example/v2/', 'https://a.example:443/v2/', True),       # the default port
    ('https://a.example:443/v2/', 'https://a.example/v2/', True),
    ('http://a.example/v2/', 'http://a.example:80/v2/', True),
    ('https://a.example:5000/v2/', 'https://a.example:5000/', True),
    ('https://[::1]:5000/v2/', 'https://[::1]:5000/', True),
    ('https://a.example/v2/', 'http://a.example/v2/', False),           # https only
    ('https://a.example/v2/', 'http://a.example:443/v2/', False),
    ('http://a.example/v2/', 'https://a.example/v2/', False),           # another scheme is another origin
    ('https://a.example/v2/', 'https://a.example:5000/v2/', False),     # another port may be another's
    ('https://a.example:5000/v2/', 'https://a.example/v2/', False),
    ('https://a.example/v2/', 'https://b.example/v2/', False),
    ('https://a.example/v2/', 'https://x.a.example/v2/', False),        # neither below
    ('https://x.a.example/v2/', 'https://a.example/v2/', False),        # nor above
    ('https://a.example/v2/', 'https://a.example.evil.example/', False),
    ('https://a.example/v2/', 'https://evil.example/a.example/', False),
    ('https://a.example/v2/', 'https://a.example@evil.example/', False),
    ('https://a.example/v2/', None, False),                             # a request that was not prepared
])
def test_a_credential_is_for_one_scheme_host_and_port(base: str, url: str | None, covered: bool) -> None:
    credential = RegistryAuth(base)
    credential.authorization = 'Basic secret'
    assert credential.covers(url) is covered
    if url is not None:
        prepared = requests.Request('GET', url, auth=credential).prepare()
        assert ('Authorization' in prepared.headers) is covered


def test_a_credential_can_be_read_replaced_and_forgotten() -> None:
    credential = RegistryAuth(HUB)
    assert (credential.authorization, credential.token) == (None, None)
    credential.authorization = 'Bearer x'
    assert (credential.authorization, credential.token) == ('Bearer x', 'x')
    credential.authorization = BASIC
    assert (credential.authorization, credential.token) == (BASIC, None)
    credential.authorization = None
    assert not credential.headers


@pytest.mark.parametrize('username, password, authorization, value', [
    ('fred', '!WordPass0', None, BASIC),
    ('fred', '!WordPass0', 'Negotiate x', BASIC),           # user name and password win
    ('fred', '', None, 'Basic ZnJlZDo='),                   # an empty password is one
    ('zoë', 'пароль', None, 'Basic em/DqzrQv9Cw0YDQvtC70Yw='),  # UTF-8, RFC 7617
    ('a', 'b:c', None, 'Basic YTpiOmM='),
    ('fred', None, 'Negotiate x', 'Negotiate x'),
    (None, None, 'Negotiate x', 'Negotiate x'),             # verbatim
    (None, None, None, None),                               # anonymous
])
def test_credentials_become_a_header(username: str | None, password: str | None, authorization: str | None,
                                     value: str | None) -> None:
    assert authorization_value(username, password, authorization) == value


# Challenges

def challenged(header: str | None) -> requests.Response:
    """Return an answer with a challenge."""
    response = requests.Response()
    response.status_code = 401
    response.headers = CaseInsensitiveDict({} if header is None else {'WWW-Authenticate': header})
    return response


FULL = Challenge('bearer', 'https://auth.example/token', 'registry', ('repository:a:pull',))


@pytest.mark.parametrize('header, expected', [
    ('Bearer realm="https://auth.example/token",service="registry",scope="repository:a:pull"', FULL),
    ('Bearer realm="https://auth.example/token", service="registry", scope="repository:a:pull"', FULL),
    ('bearer REALM="https://auth.example/token",Service="registry",SCOPE="repository:a:pull"', FULL),   # no case
    ('BEARER realm="https://auth.example/token",service="registry",scope="repository:a:pull"', FULL),
    ('Bearer realm=https://auth.example/token,service=registry,scope=repository:a:pull', FULL),     # unquoted
    ('Bearer scope="repository:a:pull",service="registry",realm="https://auth.example/token"', FULL),   # any order
    ('Bearer realm="https://auth.example/token",service="registry",scope="repository:a:pull",error="invalid_token"',
     FULL),
    ('Bearer realm="https://auth.example/token"', Challenge('bearer', 'https://auth.example/token')),
    ('Bearer realm="https://a/",service="",scope=""', Challenge('bearer', 'https://a/')),   # empty ones
    ('Bearer realm="https://a/",scope="repository:a:pull repository:b:pull,push"',      # several in one
     Challenge('bearer', 'https://a/', None, ('repository:a:pull', 'repository:b:pull,push'))),
    ('Bearer realm="https://a/?x=y,z&bearer =1"', Challenge('bearer', 'https://a/?x=y,z&bearer =1')),
    ('Bearer realm="https://one/", Bearer realm="https://two/"', Challenge('bearer', 'https://one/')),  # the first
    ('Basic realm="registry"', Challenge('basic')),
    ('basic realm=registry', Challenge('basic')),
    ('Basic', Challenge('basic')),
    ('Basic realm="the bearer of this"', Challenge('basic')),
    ('Basic realm="r", Bearer realm="https://a/"', Challenge('bearer', 'https://a/')),      # Bearer beats Basic
    ('Bearer realm="https://a/", Basic realm="r"', Challenge('bearer', 'https://a/')),      # in either order
    ('Negotiate, Basic realm="r"', Challenge('basic')),
    ('Digest realm="r", nonce="n", Bearer realm="https://a/"', Challenge('bearer', 'https://a/')),
    ('Negotiate', None),
    ('Digest realm="r", nonce="n"', None),
    ('', None),
    (None, None),       # as GCR does
])
def test_a_challenge_is_read(header: str | None, expected: Challenge | None) -> None:
    assert challenge_of(challenged(header)) == expected


@pytest.mark.parametrize('header', [
    '"', '=', ',', ',,,', 'Bearer realm', 'Bearer realm="https://a/', 'Bearer realm="\\', '=Bearer x=', 'Bearer =x',
    'Bearer bearer bearer', '\x00\xff', 'Bearer realm=""', 'Bearer', 'Bearer scope', ', ' * 10_000, 'Bearer ' * 10_000,
    'Bearer realm="' + 'a,' * 10_000 + '"', 'x="' * 1000,
])
def test_garbage_is_no_challenge_that_could_be_answered(header: str) -> None:
    try:
        challenge = challenge_of(challenged(header))
    except DXFProtocolError:
        return
    if challenge is not None:
        with pytest.raises(DXFProtocolError):
            token_url(challenge, HUB, None, ())


@pytest.mark.parametrize('header', ['a' * 15_000, 'Bearer ' + '-' * 15_000, 'Bearer realm="' + '\\' * 60_000,
                                    'Bearer x="",' * 5000, ' ' * 60_000])
def test_a_long_challenge_takes_no_long_time(header: str) -> None:
    begin = time.process_time()
    with suppress(DXFProtocolError, AttributeError):  # which of them is said above
        challenge_of(challenged(header))
    assert time.process_time() - begin < 5


# Token URLs

def challenge_to(realm: str, service: str | None = None) -> Challenge:
    """Return a challenge with a realm."""
    return Challenge('bearer', realm, service)


@pytest.mark.parametrize('realm, service, auth_host, scopes, expected', [
    ('https://auth.example/token', 'registry', None, ('a:b:c',),
     'https://auth.example/token?service=registry&scope=a:b:c'),
    ('https://auth.example/token', None, None, (), 'https://auth.example/token'),
    ('https://auth.example', 'x', None, (), 'https://auth.example?service=x'),
    ('https://auth.example/token?account=x&y=', 's', None, (), 'https://auth.example/token?account=x&y=&service=s'),
    ('https://auth.example/?q=a%2Fb%26c%3D%2B', None, None, ('s',), 'https://auth.example/?q=a%2Fb%26c%3D%2B&scope=s'),
    ('https://auth.example/', None, None, ('a:b:pull', 'c:d:pull,push'),      # several are several parameters
     'https://auth.example/?scope=a:b:pull&scope=c:d:pull,push'),
    ('https://auth.example/', 'a b&c=d', None, (), 'https://auth.example/?service=a+b%26c%3Dd'),
    ('http://auth.example/token', None, None, (), 'https://auth.example/token'),      # lifted to https
    ('http://auth.example:8080/token', None, None, (), 'https://auth.example:8080/token'),
    ('https://auth.example:5001/token', None, 'own.example', (), 'https://own.example/token'),
    ('http://auth.example/token?a=b', None, 'own.example:8443', (), 'https://own.example:8443/token?a=b'),
    ('https://127.0.0.1/token', None, 'own.example', (), 'https://own.example/token'),   # what a refusal suggests
    ('https://auth.example/token', None, '127.0.0.1:5001', (), 'https://127.0.0.1:5001/token'),
    ('https://8.8.8.8/token', None, None, (), 'https://8.8.8.8/token'),     # a public address
    ('https://[2001:4860:4860::8888]:1/', None, None, (), 'https://[2001:4860:4860::8888]:1/'),
])
def test_the_token_url_is_the_realm_with_what_is_asked(realm: str, service: str | None, auth_host: str | None,
                                                       scopes: tuple[str, ...], expected: str) -> None:
    got, wanted = urlsplit(token_url(challenge_to(realm, service), HUB, auth_host, scopes)), urlsplit(expected)
    assert got[:3] == wanted[:3]
    assert parse_qs(got.query, keep_blank_values=True) == parse_qs(wanted.query, keep_blank_values=True)


@pytest.mark.parametrize('realm', [
    '', 'token', '/token', '//auth.example/token', 'auth.example/token', 'ftp://auth.example/', 'file:///etc/passwd',
    'https://', 'https:///token', 'https://:5000/', 'javascript:alert(1)',
    'https://fred@auth.example/', 'https://fred:secret@auth.example/', 'https://@auth.example/',    # userinfo
    'https://auth.example\\@evil.example/', 'https://auth.example\\evil',
    'https://auth.example/\n', 'https://auth.example/\r\nX: y', 'https://auth .example/', 'https://a\x00/',
    'https://auth.example/\x7f', 'https://auth.example/\x85', '\thttps://auth.example/',            # control characters
    'https://auth.example:0/', 'https://auth.example:65536/', 'https://auth.example:x/',    # ports that are none
    'https://[::1/', 'https://[x]/',
])
def test_a_realm_that_is_no_plain_address_is_refused(realm: str) -> None:
    with pytest.raises(DXFProtocolError, match='DXF_AUTH_HOST') as caught:
        token_url(challenge_to(realm), HUB, None, ())
    assert 'secret' not in str(caught.value)


LITERALS = (
    '127.0.0.1', '127.1', '127.0.1', '127.255.255.254', '2130706433', '0x7f000001', '0x7F.1', '0x7f.0.0.1',
    '017700000001', '0177.0.0.1', '0177.1', '00000177.0.0.1',       # loopback
    '[::1]', '[0:0:0:0:0:0:0:1]', '[0000::0001]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:FFFF:7F00:1]',
    '0', '0.0.0.0', '0x0', '00', '[::]', '[::ffff:0.0.0.0]',        # unspecified
    '10.0.0.1', '10.1', '0xa.1', '167772161', '172.16.0.1', '172.31.255.255', '192.168.1.1', '192.168.257', '[fc00::1]',
    '[fd12:3456::1]', '[::ffff:10.0.0.1]', '[::ffff:c0a8:101]',     # private
    '169.254.169.254', '169.254.43518', '0xa9fea9fe', '2852039166', '[fe80::1]', '[fe80::1%25eth0]', '[fe80::1%eth0]',
    '[::ffff:169.254.169.254]', '[fec0::1]',                        # link-local and site-local
    '100.64.0.1', '224.0.0.1', '255.255.255.255', '[ff02::1]',      # shared, multicast, broadcast
    '[::127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b::a00:1]', '[2002:7f00:1::]', '[2002:a00:1::1]',   # IPv4 within IPv6
)


@pytest.mark.parametrize('host', LITERALS)
def test_a_realm_in_the_client_s_own_machine_or_network_is_refused(host: str) -> None:
    for port in ('', ':5001'):
        with pytest.raises(DXFProtocolError, match='DXF_AUTH_HOST'):
            token_url(challenge_to(f'https://{host}{port}/token'), HUB, None, ())


@pytest.mark.parametrize('host', [
    'localhost', 'LOCALHOST', 'LocalHost', 'localhost.', 'a.localhost', 'auth.LOCALHOST.', 'localhost.localdomain',
    'localhost4', 'localhost6.localdomain6', 'ip6-localhost', 'ip6-loopback', '127.0.0.1.', '10.1.', '0x7f.1.'])
@pytest.mark.parametrize('registry', [HUB, 'https://registry.example.com:5000/v2/', 'https://10.9.9.9:5000/v2/'])
def test_a_realm_on_a_name_of_the_client_s_own_machine_is_refused(host: str, registry: str) -> None:
    for port in ('', ':5001'):
        with pytest.raises(DXFProtocolError, match='DXF_AUTH_HOST'):
            token_url(challenge_to(f'https://{host}{port}/token'), registry, None, ())


@pytest.mark.parametrize('host', ['localhost.example.com', 'notlocalhost', 'my-localhost', 'localhost-auth.example',
                                  'local', 'auth.internal', 'printer.localdomain', 'auth.example.com.'])
def test_a_realm_on_another_name_is_taken_whatever_it_resolves_to(host: str) -> None:
    assert token_url(challenge_to(f'https://{host}/token'), HUB, None, ()) == f'https://{host}/token'


def test_no_password_goes_to_a_realm_on_localhost_for_a_registry_elsewhere(
        secure: ScriptedRegistry, elsewhere: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    known = socket.getaddrinfo      # the registry is elsewhere by its name
    monkeypatch.setattr(socket, 'getaddrinfo', lambda host, *args, **kwargs: known(
        '127.0.0.1' if host == 'registry.example' else host, *args, **kwargs))
    port = secure.host.partition(':')[2]
    secure.hook = guard('Bearer right', bearer(elsewhere.url))
    dxf = DXF(f'registry.example:{port}', 'fred/a', log_in, tlsverify=False, limits=FAST)
    with warnings.catch_warnings(), pytest.raises(DXFProtocolError, match='DXF_AUTH_HOST'):
        warnings.simplefilter('ignore')
        dxf.list_aliases()
    assert secure.requests and not elsewhere.requests


@pytest.mark.parametrize('host', [
    '\uff11\uff12\uff17.0.0.1',    # full-width digits
    '127\u30020.0.1',              # an ideographic full stop
    '\xb927.0.0.1',                # a superscript one
    '1\xad27.0.0.1',               # a soft hyphen
])
def test_a_realm_that_unicode_makes_an_address_is_never_asked(host: str) -> None:
    with pytest.raises((DXFProtocolError, InvalidURL)):
        requests.Request('GET', token_url(challenge_to(f'https://{host}/token'), HUB, None, ())).prepare()


@pytest.mark.parametrize('registry, realm', [
    ('https://localhost:5000/v2/', 'https://localhost:5001/token'),
    ('https://127.0.0.1:5000/v2/', 'https://127.0.0.1:5001/token'),     # the same host on another port
    ('https://127.0.0.1:5000/v2/', 'http://127.0.0.1/token'),
    ('https://10.1.2.3/v2/', 'https://10.1.2.3/token'),
    ('https://[::1]:5000/v2/', 'https://[::1]:5001/token'),
    ('https://[fd00::1]/v2/', 'https://[FD00::1]/token'),
    ('https://localhost:5000/v2/', 'https://LOCALHOST.:5001/token'),
    ('https://auth.localhost/v2/', 'https://auth.localhost./token'),
    ('https://127.0.0.1:5000/v2/', 'https://127.0.0.1.:5001/token'),
    ('https://127.0.0.1:5000/v2/', 'https://localhost:5001/token'),     # the same machine by another name
    ('https://localhost:5000/v2/', 'https://[::1]:5001/token'),
])
def test_a_registry_s_own_host_may_be_private(registry: str, realm: str) -> None:
    assert token_url(challenge_to(realm), registry, None, ()).startswith('https://')


def test_another_private_host_than_the_registry_s_is_refused() -> None:
    with pytest.raises(DXFProtocolError):
        token_url(challenge_to('https://127.0.0.1:5001/'), 'https://10.1.2.3/v2/', None, ())


def test_a_fragment_never_gets_into_a_token_url() -> None:
    try:
        url = token_url(challenge_to('https://auth.example/token#fragment'), HUB, None, ('s',))
    except DXFProtocolError:
        return
    assert '#' not in url and url.endswith('scope=s')


@pytest.mark.parametrize('url', ['https://a.example/x?y=z', 'http://a.example:5000', 'https://[::1]:5000/'])
def test_an_address_to_follow_is_taken_apart(url: str) -> None:
    assert split_url(url).geturl() == url


@pytest.mark.parametrize('credential', [
    {'username': 'fr\udce4d', 'password': 'x'}, {'username': 'fred', 'password': 's3cr\udce4t'},
    {'username': 'fred', 'password': '\ud83d'}, {'authorization': 'Basic s3cr\udce4t'},
    {'username': 'fred', 'identity_token': 's3cr\udce4t'}])
def test_a_credential_that_is_not_utf_8_is_refused_before_anything_is_sent(
        secure: ScriptedRegistry, client: Callable[..., DXF], credential: dict[str, str]) -> None:
    secure.hook = guard('Bearer right', bearer(secure.url))
    with pytest.raises(DXFInvalidNameError, match='invalid credential') as caught:
        client().authenticate(**cast(Any, credential))
    for cause in causes(caught.value):
        assert not any('\ud800' <= letter <= '\udfff' for letter in str(cause)) and 's3cr' not in repr(vars(cause))
        assert '\\ud' not in repr(cause)
    assert not secure.requests


def test_a_token_that_is_not_utf_8_is_refused(client: Callable[..., DXF]) -> None:
    with pytest.raises(DXFInvalidNameError, match='invalid credential') as caught:
        client().token = 's3cr\udce4t'
    assert 's3cr' not in str(caught.value)


# Token servers' answers

@pytest.mark.parametrize('answer, token, seconds', [
    (b'{"token": "abc"}', 'abc', None),
    (b'{"access_token": "abc"}', 'abc', None),
    (b'{"token": "t", "access_token": "a"}', 'a', None),        # if it is not empty
    (b'{"token": "t", "access_token": ""}', 't', None),
    (b'{"token": "t", "access_token": null}', 't', None),
    (b'{"token": "a.b-c_d~e+f/g=", "expires_in": 300, "more": [1]}', 'a.b-c_d~e+f/g=', 300),
    (b'{"token": "t", "expires_in": 59.5}', 't', 59.5),
    (b'{"token": "t", "expires_in": 0}', 't', None),
    (b'{"token": "t", "expires_in": -1}', 't', None),
    (b'{"token": "t", "expires_in": "300"}', 't', None),
    (b'{"token": "t", "expires_in": true}', 't', None),
    (b'{"token": "t", "expires_in": 99999999999999999999}', 't', None),
])
def test_a_token_is_read(answer: bytes, token: str, seconds: float | None) -> None:
    assert read_token(answer) == (token, seconds)


@pytest.mark.parametrize('answer', [
    b'', b'abc', b'[]', b'null', b'"token"', b'{}', b'{"token": ""}', b'{"token": null}', b'{"token": 5}',
    b'{"token": ["a"]}', b'{"token": {"a": "b"}}', b'{"token": "a b"}', b'{"token": "a\\r\\nX: y"}',
    b'{"token": "a\\u0000"}', '{"token": "пароль"}'.encode(), b'{"token": "a", "token": "b"}', b'\xff',
    b'{"token": "a"', b'{"expires_in": NaN, "token": "a"}', b'[' * 100_000,
    b'{"x": ' + b'9' * 5000 + b', "token": "a"}', b'{"token": "t", "expires_in": 1e999}',
])
def test_an_answer_without_a_fit_token_is_refused(answer: bytes) -> None:
    with pytest.raises(DXFProtocolError, match='token'):
        read_token(answer)


# authenticate, with real registries

def test_authenticate_at_a_registry_without_authentication_returns_none(secure: ScriptedRegistry,
                                                                        client: Callable[..., DXF]) -> None:
    dxf = client()
    assert dxf.authenticate(USERNAME, PASSWORD) is None
    assert dxf.token is None
    assert [request.authorization for request in secure.requests] == [None]


HTTP_CREDENTIALS = ((USERNAME, PASSWORD, None), (None, None, BASIC), (None, None, None))


def test_authenticate_at_an_open_http_registry_returns_none_and_sends_no_credential(open_registry: Endpoint, repo: str,
                                                                                    traffic: Traffic) -> None:
    for dxf in (open_registry.base(), open_registry.dxf(repo)):
        for username, password, authorization in HTTP_CREDENTIALS:
            assert dxf.authenticate(username, password, authorization=authorization) is None
            assert dxf.token is None and not dxf._headers
    assert {(request.method, request.path, request.headers.get('Authorization')) for request in traffic.requests} == {
        ('GET', '/v2/', None)}


@pytest.mark.parametrize('challenge', ['Basic realm="x"', 'Bearer realm="https://localhost:1/token",service="x"'])
def test_authenticate_answers_no_challenge_over_http(challenge: str) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': challenge})
        dxf = DXF(server.host, 'fred/a', insecure=True, limits=Limits(retries=0))
        for username, password, authorization in HTTP_CREDENTIALS:
            with pytest.raises(DXFAuthInsecureError, match='^Auth requires HTTPS$'):
                dxf.authenticate(username, password, authorization=authorization)
        assert {(request.line, request.authorization) for request in server.requests} == {('GET /v2/', None)}
        assert dxf.token is None and not dxf._headers


def test_authenticate_over_http_names_an_unexpected_status() -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: error(403, 'DENIED')
        with pytest.raises(DXFUnexpectedStatusCodeError) as raised:
            DXF(server.host, 'fred/a', insecure=True, limits=Limits(retries=0)).authenticate(USERNAME, PASSWORD)
        assert (raised.value.got, raised.value.expected) == (403, 401)


def test_basic_authentication_is_remembered_and_returns_none(basic_registry: Endpoint, repo: str,
                                                             traffic: Traffic) -> None:
    for dxf in (basic_registry.base(), basic_registry.dxf(repo)):
        dxf._auth = None
        assert dxf.authenticate(USERNAME, PASSWORD) is None
        assert dxf.token is None
        dxf.api_version_check()
    assert [exchange.status for exchange in traffic.requests] == [401, 200, 401, 200]
    assert [exchange.headers.get('Authorization') for exchange in traffic.requests] == [None, BASIC, None, BASIC]


def test_a_wrong_password_is_unauthorized(basic_registry: Endpoint, token_registry: Endpoint, repo: str,
                                          traffic: Traffic) -> None:
    def wrong(dxf: DXFBase, response: requests.Response) -> None:
        dxf.authenticate(USERNAME, 'wrong', response=response)

    for endpoint, reason in ((basic_registry, 'the registry refused the credential, such as a wrong password'),
                             (token_registry, 'the token server refused the credential, such as a wrong password, '
                                              'or wants one')):
        traffic.clear()
        dxf = DXF(endpoint.host, repo, wrong, tlsverify=str(endpoint.ca))
        with pytest.raises(DXFUnauthorizedError, match=f'^unauthorized: {reason}$'):
            dxf.list_aliases()
        assert [exchange.status for exchange in traffic.requests] == [401, 401]


def test_without_credentials_basic_authentication_is_unauthorized(basic_registry: Endpoint, repo: str) -> None:
    for auth, reason in ((None, f'no auth was given: pass {AUTH}, or {STORED}'),
                         (lambda dxf, response: dxf.authenticate(response=response),
                          f'auth has set no credential: {AUTH} does; {LOGIN}')):
        with pytest.raises(DXFUnauthorizedError) as caught:
            DXF(basic_registry.host, repo, auth, tlsverify=str(basic_registry.ca)).list_aliases()
        assert str(caught.value) == f'unauthorized: {reason}'
        assert str(pickle.loads(pickle.dumps(caught.value))) == f'unauthorized: {reason}'


def test_without_credentials_a_list_of_repositories_is_answered_with_what_to_pass(basic_registry: Endpoint) -> None:
    with pytest.raises(DXFUnauthorizedError) as caught:
        DXFBase(basic_registry.host, tlsverify=str(basic_registry.ca)).list_repos()
    assert str(caught.value) == f'unauthorized: no auth was given: pass {AUTH}, or {STORED}'


@pytest.mark.parametrize('username, password', [('zoë', 'пароль'), ('fred', '\N{SNOWMAN}:\N{SNOWMAN}'), ('jörg', 'ü ')])
def test_a_password_may_be_of_any_letters(tmp_path: Path, certificates: Certificates, repo: str, username: str,
                                          password: str) -> None:
    def auth(dxf: DXFBase, response: requests.Response) -> None:
        dxf.authenticate(username, password, response=response)

    (tmp_path / 'basic').mkdir()
    (tmp_path / 'token').mkdir()
    with TokenServer(certificates, {username: password}) as tokens, \
            Registry(tmp_path / 'basic', tls=certificates, users={username: password}) as basic, \
            Registry(tmp_path / 'token', tls=certificates, tokens=tokens) as token:
        for registry in (basic, token):
            dxf = DXF(registry.host, repo, auth, tlsverify=certificates.ca)
            assert b''.join(dxf.pull_blob(dxf.push_blob(data=b'content'))) == b'content'


def test_a_token_is_fetched_remembered_and_returned(token_registry: Endpoint, tokens: TokenServer, repo: str,
                                                    traffic: Traffic) -> None:
    dxf = token_registry.dxf(repo)
    dxf._auth = None
    token = dxf.authenticate(USERNAME, PASSWORD, ['pull', 'push'])
    assert token is not None and dxf.token == token
    assert tokens.requests[0].scopes == (f'repository:{repo}:pull,push',)
    assert (tokens.requests[0].service, tokens.requests[0].authorization) == (tokens.service, BASIC)
    traffic.clear()
    dxf.push_blob(data=b'content')
    assert {exchange.headers['Authorization'] for exchange in traffic.requests} == {f'Bearer {token}'}
    assert 401 not in [exchange.status for exchange in traffic.requests]


@pytest.mark.parametrize('actions, scopes', [
    (['pull', 'push'], ('repository:{}:pull,push',)),
    (('pull',), ('repository:{}:pull',)),
    ('pull', ('repository:{}:pull',)),          # one string is one action, not its letters
    ('*', ('repository:{}:*',)),
    ('pull,push', ('repository:{}:pull,push',)),
    (None, ()),                                 # /v2/ asks for no scope
    ([], ()),
])
def test_actions_become_the_scope(token_registry: Endpoint, tokens: TokenServer, repo: str, actions: Any,
                                  scopes: tuple[str, ...]) -> None:
    assert token_registry.dxf(repo).authenticate(USERNAME, PASSWORD, actions)
    assert tokens.requests[0].scopes == tuple(scope.format(repo) for scope in scopes)


def test_without_actions_the_challenge_decides(token_registry: Endpoint, tokens: TokenServer, repo: str) -> None:
    dxf = token_registry.dxf(repo)
    dxf.push_blob(data=b'content')
    dxf.mount_blob(repo, dxf.push_blob(data=b'content'))
    asked = {scope for request in tokens.requests for scope in request.scopes}
    assert asked <= {f'repository:{repo}:pull', f'repository:{repo}:pull,push', f'repository:{repo}:push,pull'}
    assert len(tokens.requests) == 1


def test_with_no_repository_the_catalogue_is_asked_for(token_registry: Endpoint, tokens: TokenServer) -> None:
    assert token_registry.base().authenticate(USERNAME, PASSWORD)
    assert tokens.requests[0].scopes == ('registry:catalog:*',)


def test_several_scopes_of_a_challenge_are_several_parameters(secure: ScriptedRegistry, client: Callable[..., DXF],
                                                              certificates: Certificates) -> None:
    with TokenServer(certificates, {USERNAME: PASSWORD}, realm_query='account=x') as tokens:
        secure.hook = guard('', f'Bearer realm="{tokens.realm}",scope="repository:a:pull repository:b:push"')
        assert client().authenticate(USERNAME, PASSWORD)
    assert tokens.requests[0].scopes == ('repository:a:pull', 'repository:b:push')
    assert tokens.requests[0].query.startswith('account=x&')
    assert 'service' not in tokens.requests[0].query


@pytest.mark.parametrize('host, repository, scope', [
    ('', 'alpine', 'repository:library/alpine:pull'),
    ('docker.io', 'alpine', 'repository:library/alpine:pull'),
    ('index.docker.io', 'alpine', 'repository:library/alpine:pull'),
    ('registry-1.docker.io:443', 'alpine', 'repository:library/alpine:pull'),
    ('registry-1.docker.io', 'fred/alpine', 'repository:fred/alpine:pull'),
    ('registry.example', 'alpine', 'repository:alpine:pull'),
    ('mirror-registry-1.docker.io', 'alpine', 'repository:alpine:pull'),    # hosts that only look alike
    ('xdocker.io', 'alpine', 'repository:alpine:pull'),
    ('registry-1.docker.io.example', 'alpine', 'repository:alpine:pull'),
])
def test_on_docker_hub_the_scope_has_library(certificates: Certificates, host: str, repository: str,
                                             scope: str) -> None:
    challenge = challenged('Bearer realm="https://auth.docker.io/token",service="registry.docker.io"')
    with TokenServer(certificates, {USERNAME: PASSWORD}) as tokens:
        dxf = DXF(host, repository, auth_host=tokens.host, tlsverify=certificates.ca)
        assert dxf.authenticate(USERNAME, PASSWORD, 'pull', response=challenge)
    assert tokens.requests[0].scopes == (scope,)


@pytest.mark.parametrize('answer_key', ['token', 'access_token', 'both'])
def test_the_token_is_found_under_either_name(token_registry: Endpoint, tokens: TokenServer, repo: str,
                                              answer_key: str) -> None:
    setattr(tokens, 'answer_key', answer_key)
    assert token_registry.dxf(repo).push_blob(data=b'content')


def test_an_anonymous_user_gets_a_token_too(token_registry: Endpoint, tokens: TokenServer, repo: str) -> None:
    digest = token_registry.dxf(repo).push_blob(data=b'content')
    tokens.requests.clear()
    dxf = DXF(token_registry.host, repo, lambda dxf, response: dxf.authenticate(response=response),
              tlsverify=str(token_registry.ca))
    assert b''.join(dxf.pull_blob(digest)) == b'content'
    assert [request.authorization for request in tokens.requests] == [None]


def test_an_authorization_value_goes_to_the_token_server_verbatim(token_registry: Endpoint, tokens: TokenServer,
                                                                  repo: str) -> None:
    dxf = token_registry.dxf(repo)
    assert dxf.authenticate(authorization=BASIC, actions='pull')
    assert dxf.authenticate(USERNAME, PASSWORD, authorization='Basic wrong', actions='pull')
    assert [request.authorization for request in tokens.requests] == [BASIC, BASIC]
    with pytest.raises(DXFUnauthorizedError):
        dxf.authenticate(authorization='Basic wrong', actions='pull')


def test_an_authorization_value_serves_basic_authentication_too(basic_registry: Endpoint, repo: str) -> None:
    def auth(dxf: DXFBase, response: requests.Response) -> None:
        dxf.authenticate(authorization=BASIC, response=response)

    assert DXF(basic_registry.host, repo, auth, tlsverify=str(basic_registry.ca)).push_blob(data=b'content')


def test_the_user_agent_goes_to_the_token_server(token_registry: Endpoint, tokens: TokenServer, repo: str) -> None:
    dxf = token_registry.dxf(repo)
    dxf.authenticate(USERNAME, PASSWORD, 'pull', None, None, 'Docker-Client/24.0')
    dxf.authenticate(USERNAME, PASSWORD, 'pull')
    first, second = (str(request.user_agent) for request in tokens.requests)
    assert first == 'Docker-Client/24.0'
    assert second.startswith('python-dxf/')


def test_a_wrong_password_leaves_no_token(token_registry: Endpoint, repo: str) -> None:
    dxf = token_registry.dxf(repo)
    with pytest.raises(DXFUnauthorizedError):
        dxf.authenticate(USERNAME, 'wrong', 'pull')
    assert dxf.token is None


def test_a_token_can_be_set(token_registry: Endpoint, tokens: TokenServer, repo: str) -> None:
    dxf = DXF(token_registry.host, repo, tlsverify=str(token_registry.ca))
    dxf.token = tokens.token(USERNAME, f'repository:{repo}:pull,push')
    assert dxf.push_blob(data=b'content')
    dxf.token = 'wrong'
    with pytest.raises(DXFUnauthorizedError):
        dxf.push_blob(data=b'other')
    assert not tokens.requests


def test_a_token_that_expired_is_renewed(token_registry: Endpoint, tokens: TokenServer, repo: str,
                                         traffic: Traffic) -> None:
    dxf = token_registry.dxf(repo)
    tokens.backdate = tokens.lifetime + 120
    expired = dxf.authenticate(USERNAME, PASSWORD, ['pull', 'push'])
    tokens.backdate = 0
    traffic.clear()
    digest = dxf.push_blob(data=b'content')
    assert b''.join(dxf.pull_blob(digest)) == b'content'
    assert dxf.token not in (None, expired)
    assert [exchange.status for exchange in traffic.requests][:3] == [401, 200, 202]


def test_one_token_serves_all_that_was_made_from_one_base(token_registry: Endpoint, tokens: TokenServer,
                                                          repo: str) -> None:
    base = token_registry.base()
    first, second = DXF.from_base(base, repo), DXF.from_base(base, repo)
    digest = first.push_blob(data=b'content')
    asked = len(tokens.requests)
    assert base.token is not None
    assert first.token == second.token == base.token
    assert b''.join(second.pull_blob(digest)) == b'content'
    assert len(tokens.requests) == asked
    base.token = None
    assert first.token is None


def test_objects_that_were_not_made_from_one_base_share_nothing(token_registry: Endpoint, repo: str) -> None:
    first, second = token_registry.dxf(repo), token_registry.dxf(repo)
    first.push_blob(data=b'content')
    assert second.token is None


# authenticate, with a registry that does as it is told

@pytest.mark.parametrize('status', [204, 301, 403, 404, 500])
def test_an_answer_that_is_neither_ok_nor_401_is_unexpected(secure: ScriptedRegistry, client: Callable[..., DXF],
                                                            certificates: Certificates, status: int) -> None:
    secure.hook = lambda request: Answer(status)
    with pytest.raises(DXFUnexpectedStatusCodeError) as caught:
        client().authenticate(USERNAME, PASSWORD)
    assert (caught.value.got, caught.value.expected) == (status, 401)
    assert str(caught.value) == f'expected status code 401, got {status}'
    response = requests.get(secure.url, verify=certificates.ca, timeout=60)
    with pytest.raises(DXFUnexpectedStatusCodeError):
        client().authenticate(USERNAME, PASSWORD, response=response)


@pytest.mark.parametrize('challenge', ['Negotiate', '', 'Digest realm="r"'])
def test_a_challenge_that_dxf_cannot_answer_is_unauthorized(secure: ScriptedRegistry, client: Callable[..., DXF],
                                                            challenge: str) -> None:
    secure.hook = guard('', challenge)
    with pytest.raises(DXFUnauthorizedError) as caught:
        client(log_in).list_aliases()
    assert str(caught.value) == 'unauthorized: the registry asks for neither Basic nor Bearer authentication'
    assert [request.authorization for request in secure.requests] == [None]


def test_a_401_of_another_origin_is_never_answered(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                   client: Callable[..., DXF]) -> None:
    asked = []
    secure.hook = lambda request: Answer(307, {'Location': f'{elsewhere.url}/blob'})
    for challenge in ('Basic realm="x"', bearer(elsewhere.url), bearer(secure.url)):
        elsewhere.hook = guard('', challenge)
        with pytest.raises(DXFUnauthorizedError):
            client(lambda dxf, response: asked.append(response)).list_aliases()
    assert not asked
    assert elsewhere.lines() == ['GET /blob'] * 3


def test_authenticate_answers_no_challenge_of_another_origin_either(secure: ScriptedRegistry,
                                                                    elsewhere: ScriptedRegistry,
                                                                    client: Callable[..., DXF]) -> None:
    secure.hook = lambda request: Answer(307, {'Location': f'{elsewhere.url}/v2/'})
    elsewhere.script('GET', '/token', [token_answer()])
    elsewhere.hook = guard('', bearer(elsewhere.url))
    dxf = client()
    with pytest.raises(DXFError):
        dxf.authenticate(USERNAME, PASSWORD)
    assert [request.authorization for request in elsewhere.requests] == [None]
    assert dxf.token is None


def test_an_auth_that_sets_the_token_is_enough(secure: ScriptedRegistry, client: Callable[..., DXF]) -> None:
    secure.hook = guard('Bearer right', 'Bearer realm="https://unused.example/"')
    dxf = client(give_token)
    digest = dxf.push_blob(data=b'content')
    assert b''.join(dxf.pull_blob(digest)) == b'content'
    assert [request.authorization for request in secure.requests].count(None) == 1


def test_an_auth_that_changes_nothing_costs_no_second_request(secure: ScriptedRegistry,
                                                              client: Callable[..., DXF]) -> None:
    asked = []
    secure.hook = guard('Bearer right', 'Basic realm="x"')
    for token, reason in ((None, f'auth has set no credential: {AUTH} does; {LOGIN}'),
                          ('wrong', 'the registry refused the token')):
        dxf = client(lambda dxf, response: asked.append(response.status_code))
        dxf.token = token
        with pytest.raises(DXFUnauthorizedError) as caught:
            dxf.list_aliases()
        assert str(caught.value) == f'unauthorized: {reason}'
    assert asked == [401, 401]
    assert len(secure.requests) == 2


def test_an_auth_is_asked_once_for_a_request(secure: ScriptedRegistry, client: Callable[..., DXF]) -> None:
    asked: list[int] = []

    def auth(dxf: DXFBase, response: requests.Response) -> None:
        asked.append(response.status_code)
        dxf.token = f'wrong{len(asked)}'

    secure.hook = guard('Bearer right', 'Basic realm="x"')
    with pytest.raises(DXFUnauthorizedError):
        client(auth).list_aliases()
    assert asked == [401]
    assert [request.authorization for request in secure.requests] == [None, 'Bearer wrong1']


def test_what_an_auth_raises_is_not_hidden(secure: ScriptedRegistry, client: Callable[..., DXF]) -> None:
    def auth(dxf: DXFBase, response: requests.Response) -> None:
        raise ZeroDivisionError

    secure.hook = guard('', 'Basic realm="x"')
    with pytest.raises(ZeroDivisionError):
        client(auth).list_aliases()


def once_refused(server: ScriptedRegistry, method: str) -> None:
    """Have the first request of a method, its body read, answered with a challenge."""
    refused: list[Request] = []

    def hook(request: Request) -> Answer | None:
        if request.method != method or refused:
            return None
        refused.append(request)
        return error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Bearer realm="https://unused.example/"'})
    server.hook = hook


CONTENT = os.urandom(3 << 20)


@pytest.mark.parametrize('make', [
    lambda path: {'filename': path},
    lambda path: {'data': CONTENT},
    lambda path: {'data': io.BytesIO(CONTENT)},
    lambda path: {'data': io.FileIO(path)},
    lambda path: {'data': iter([CONTENT[:1 << 20], CONTENT[1 << 20:]])},
])
@pytest.mark.parametrize('method', ['POST', 'PUT', 'HEAD'])
def test_a_401_in_the_middle_of_an_upload_has_it_sent_again_whole(
        secure: ScriptedRegistry, client: Callable[..., DXF], tmp_path: Path,
        make: Callable[[str], dict[str, Any]], method: str) -> None:
    path = tmp_path / 'file'
    path.write_bytes(CONTENT)
    once_refused(secure, method)
    source = make(str(path))
    digest = client(give_token).push_blob(**source)
    if hasattr(source.get('data'), 'close'):
        source['data'].close()
    assert secure.memory.blobs['fred/a'] == {digest: CONTENT}
    assert {request.length for request in secure.of('PUT')} == {len(CONTENT)}
    assert secure.of('PUT')[-1].authorization in ('Bearer right', None)
    if method == 'PUT':
        assert [request.authorization for request in secure.of('PUT')] == [None, 'Bearer right']


def test_a_401_at_a_part_of_a_stream_has_that_part_sent_again(secure: ScriptedRegistry,
                                                              client: Callable[..., DXF]) -> None:
    once_refused(secure, 'PATCH')
    digest = client(give_token).push_blob(data=iter([CONTENT, CONTENT]))
    assert secure.memory.blobs['fred/a'] == {digest: CONTENT + CONTENT}
    first, second = secure.of('PATCH')
    assert first.body == second.body
    assert second.authorization == 'Bearer right'


def test_a_body_that_cannot_be_read_again_is_refused_and_not_sent_empty(secure: ScriptedRegistry,
                                                                        client: Callable[..., DXF]) -> None:
    once_refused(secure, 'PUT')
    with pytest.raises(DXFSourceError, match='again'):
        client(give_token)._request('put', 'manifests/x', data=iter([b'content']))
    assert [request.body for request in secure.requests] == [b'content']


def test_the_progress_of_what_is_sent_twice_is_told_once(secure: ScriptedRegistry, client: Callable[..., DXF],
                                                         tmp_path: Path) -> None:
    path = tmp_path / 'file'
    path.write_bytes(CONTENT)
    once_refused(secure, 'PUT')
    told: list[int] = []
    client(give_token).push_blob(str(path), lambda digest, chunk, size: told.append(len(chunk)))
    assert sum(told) == len(CONTENT)


def test_netrc_is_never_consulted(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                  client: Callable[..., DXF], monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = Path(os.environ['HOME']) / '.netrc'
    netrc.write_text('machine localhost login fred password secret\ndefault login fred password secret\n', 'utf-8')
    netrc.chmod(0o600)
    assert requests.utils.get_netrc_auth(secure.url) == ('fred', 'secret')    # requests would
    for variable in (None, str(netrc)):
        if variable is not None:
            monkeypatch.setenv('NETRC', variable)
        client().push_blob(data=b'content')
        client().authenticate()
        dxf = client(log_in)
        dxf.token = 'mine'
        digest = dxf.push_blob(data=b'other', check_exists=False)
        secure.script('GET', f'/v2/fred/a/blobs/{digest}', [Answer(307, {'Location': f'{elsewhere.url}/blob'})])
        elsewhere.hook = lambda request: Answer(body=b'other')
        assert b''.join(dxf.pull_blob(digest)) == b'other'
        secure.hook = guard('Bearer right', bearer(elsewhere.url))
        elsewhere.script('GET', '/token', [token_answer()])
        client(lambda dxf, response: dxf.authenticate(response=response)).push_blob(data=b'anonymous')
        secure.hook = None
    assert {request.authorization for request in secure.requests} == {None, 'Bearer mine', 'Bearer right'}
    assert {request.authorization for request in elsewhere.requests} == {None}


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_a_token_request_follows_no_redirect(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                             client: Callable[..., DXF], certificates: Certificates,
                                             status: int) -> None:
    secure.hook = guard('', bearer(elsewhere.url))
    with ScriptedRegistry(certificates) as third:
        for target in (third.url, elsewhere.url):
            elsewhere.script('GET', '/token', [Answer(status, {'Location': f'{target}/moved'})])
            with pytest.raises(DXFError):
                client().authenticate(USERNAME, PASSWORD)
        assert not third.requests
    assert elsewhere.lines() == ['GET /token'] * 2


def test_the_password_goes_to_the_token_server_and_the_token_to_the_registry(
        secure: ScriptedRegistry, elsewhere: ScriptedRegistry, client: Callable[..., DXF]) -> None:
    secure.hook = guard('Bearer right', bearer(elsewhere.url))
    elsewhere.script('GET', '/token', [token_answer()])
    client(log_in).push_blob(data=b'content')
    assert [request.authorization for request in elsewhere.requests] == [BASIC]
    assert {request.authorization for request in secure.requests} == {None, 'Bearer right'}


def test_auth_host_replaces_the_host_of_the_realm(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                  client: Callable[..., DXF]) -> None:
    secure.hook = guard('Bearer right', 'Bearer realm="https://10.0.0.1/token?account=x"')
    elsewhere.script('GET', '/token', [token_answer()])
    assert client(auth_host=elsewhere.host).authenticate(USERNAME, PASSWORD) == 'right'
    assert elsewhere.requests[0].parameter('account') == 'x'
    with pytest.raises(DXFProtocolError, match='DXF_AUTH_HOST'):
        client().authenticate(USERNAME, PASSWORD)


@pytest.mark.parametrize('answer, raised', [
    (error(401, 'UNAUTHORIZED'), DXFUnauthorizedError),
    (error(403, 'DENIED'), DXFHTTPError),
    (error(404, 'NOT_FOUND'), DXFHTTPError),
    (Answer(204), DXFUnexpectedStatusCodeError),
    (Answer(body=b'no JSON'), DXFProtocolError),
    (Answer(body=b'{"token": "a", "x": "' + bytes(128 << 10) + b'"}'), DXFProtocolError),   # over 128 KiB
    (Answer(body=b'{"token": "a"}', headers={'Content-Encoding': 'gzip'}), DXFProtocolError),
])
def test_a_token_server_s_refusal_is_an_error(secure: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                              client: Callable[..., DXF], answer: Answer,
                                              raised: type[Exception]) -> None:
    secure.hook = guard('', bearer(elsewhere.url))
    elsewhere.hook = lambda request: answer
    dxf = client()
    with pytest.raises(raised) as caught:
        dxf.authenticate(USERNAME, PASSWORD)
    assert caught.type is raised
    assert dxf.token is None


def test_the_anonymous_request_is_really_anonymous() -> None:
    prepared = requests.Request('GET', HUB, auth=GivenAuth(None)).prepare()
    assert 'Authorization' not in prepared.headers


@pytest.mark.parametrize('secret', ['s3cret\n', 's3cret\r\nX: y', 's3cret\N{SNOWMAN}'])
def test_a_token_that_does_not_fit_in_a_header_is_not_shown(secure: ScriptedRegistry, client: Callable[..., DXF],
                                                            secret: str) -> None:
    dxf = client()
    with pytest.raises(Exception) as caught:
        dxf.token = secret
        dxf.list_aliases()
    assert 's3cret' not in line_of(caught.value)
    assert 's3cret' not in str(caught.value)
    assert not secure.requests


def test_threads_whose_requests_need_different_tokens_are_not_refused(token_registry: Endpoint, repo: str) -> None:
    client = token_registry.dxf(repo)

    def change(number: int) -> None:
        for turn in range(4):
            digest = client.push_blob(data=f'{number} {turn}'.encode())
            client.set_alias(f'a{number}', digest)
            assert client.get_alias(f'a{number}') == [digest]
            client.del_alias(f'a{number}')
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(change, range(6))) == [None] * 6
