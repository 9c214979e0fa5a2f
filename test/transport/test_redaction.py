"""No secret of a URL gets into a text: errors, their causes, log records, what DXF_DEBUG shows."""

import http.client
import io
import logging
import ssl
import traceback
from collections.abc import Callable, Iterator
from itertools import repeat

import pytest
import requests
import urllib3
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requests import PreparedRequest, Response
from urllib3 import HTTPSConnectionPool
from urllib3.response import HTTPResponse

from dxf import DXF, Limits
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFError
from dxf.transport.log_redaction import public_argument
from dxf.transport.redaction import URL_LENGTH, causes, public_host, public_url, redact
from dxf.transport.response_body import pieces
from dxf.transport.responses import raise_for_status

from ..helpers.processes import Runner
from ..servers.certificates import Certificates
from ..servers.scripted_registry import LOST, RESET, Answer, Request, ScriptedRegistry, error

SECRET = 's3cret'
FAST = Limits(retries=1, backoff=0, longest_backoff=0)
TAGS = '/v2/fred/a/tags/list'

QUERIES = [
    f'X-Amz-Signature={SECRET}',
    f"response-content-disposition=attachment;filename*=UTF-8''x&X-Amz-Signature={SECRET}",
    f'a="b"&sig={SECRET}', f"a='{SECRET}", f'a=<b>&sig={SECRET}', f'a=[b]&sig=({SECRET})', f'a=b%20c&sig={SECRET}',
    f'a?b?{SECRET}', f'a=b/c/../{SECRET}', f'a=http://x/y?z&{SECRET}', f'&&={SECRET}', f';a\\{SECRET}', f'a@b:{SECRET}',
    f'a=%0A{SECRET}', f'a=%zz{SECRET}', f'{{{SECRET}}}', f'`{SECRET}`|^', f'a=\u00e4{SECRET}', SECRET,
]
NOISE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xff, categories=['L', 'N', 'P', 'S']), max_size=12)
SCHEMES = st.sampled_from(['https://', 'http://', 'HTTPS://', '//', 'ftp://', 'oci+x://'])
PATHS = st.sampled_from(['', '/', '/v2/fred/a/blobs/uploads/1', '/a%3Fb', '/a;b', '/a//b', '/a b', "/a'b"])
WITHIN = NOISE.map(lambda text: ''.join(set(text) - set('/?#\\@')))


@st.composite
def urls(draw: st.DrawFn) -> str:
    """Return a URL with a secret in its user name, password, query or fragment, or in several of them."""
    userinfo, query, fragment = (draw(st.booleans()) for _ in range(3))
    url = draw(SCHEMES)
    if userinfo or not (query or fragment):
        url += f'{draw(WITHIN)}{SECRET}{draw(WITHIN)}:{SECRET}{draw(WITHIN)}@'
    url += 'storage.example.com' + draw(st.sampled_from(['', ':5000', ':'])) + draw(PATHS)
    if query:
        url += '?' + draw(st.sampled_from(QUERIES) | NOISE.map(lambda text: text + SECRET))
    return url + ('#' + draw(NOISE) + SECRET if fragment else '')


# URLs

@settings(deadline=None, derandomize=True, max_examples=300)
@given(url=urls())
def test_of_a_url_scheme_host_and_path_are_shown(url: str) -> None:
    shown = public_url(url)
    assert SECRET not in shown and 'storage.example.com' in shown
    assert shown.isprintable() and not set(shown) & set('?#@')
    assert SECRET not in public_argument(url)


@pytest.mark.parametrize(('url', 'shown'), [
    ('https://fred:s3cret@host:5000/a/b?c#d', 'https://host:5000/a/b'),
    ('HTTPS://Host/a?b', 'HTTPS://Host/a'),
    ('//s3cret@host/a', '//host/a'),
    ('/v2/a/blobs/uploads/1?_state=s3cret', '/v2/a/blobs/uploads/1'),
    ('?_state=s3cret', ''),
    ('/v2//a?b', '/v2//a'),
    ('https://[::1]:5000/a#b', 'https://[::1]:5000/a'),
    ('https://a?b', 'https://a'),
    ('https://fred:s3/cret@host/', 'https://.../...'),     # malformed: the password is not escaped
    ('https:\\\\fred:s3cret@host\\a', '...'),
    ('https://\x1b[2J/', 'https://.../'),
    ('mailto:s3cret@host', '...'),
    ('https://host/\u202e\n', 'https://host/\\u202e\\n'),
    ('https://host/' + 'a' * 9999, 'https://host/' + 'a' * (URL_LENGTH - 13) + '...'),
    ('', ''),
])
def test_what_is_no_part_of_them_is_not_shown(url: str, shown: str) -> None:
    assert public_url(url) == shown


@pytest.mark.parametrize(('url', 'shown'), [
    ('https://host', 'host'), ('https://fred:s3cret@host:1/a', 'host:1'), ('http://a@b@host?c', 'host'),
    ('https://[::1]:5/', '[::1]:5'), ('https://host:s3cret/', '...'), ('https://a[b/', '...'), ('', '...'),
    ('https://s3cret[@host', 'host')])
def test_of_a_url_host_and_port_are_named(url: str, shown: str) -> None:
    assert public_host(url) == shown


# Errors

def errors_about(url: str) -> list[Exception]:
    """Return errors of the classes that requests, urllib3 and http.client raise, with texts that quote a URL."""
    pool = HTTPSConnectionPool('storage.example.com')
    request = PreparedRequest()
    request.prepare_method('GET')
    request.url = url
    response = Response()
    response.url, response.request = url, request
    text = f'cannot reach {url} at all'
    root = ConnectionRefusedError(111, 'Connection refused')
    aborted = urllib3.exceptions.ProtocolError('Connection aborted.', http.client.BadStatusLine(f'GET {url} HTTP/1.1'))
    found: list[Exception] = [
        kind(text, request=request) for kind in (
            requests.exceptions.ConnectionError, requests.exceptions.ReadTimeout, requests.exceptions.SSLError,
            requests.exceptions.ProxyError, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidHeader, requests.exceptions.ContentDecodingError,
            requests.exceptions.TooManyRedirects, requests.exceptions.RetryError)]
    found += [requests.exceptions.HTTPError(f'403 Client Error: Forbidden for url: {url}', response=response),
              requests.exceptions.HTTPError(text.encode(), response=response)]
    for cause in (urllib3.exceptions.MaxRetryError(pool, url, root),
                  urllib3.exceptions.ReadTimeoutError(pool, url, text),
                  urllib3.exceptions.NewConnectionError(url, text),     # type: ignore[arg-type]
                  urllib3.exceptions.LocationParseError(url), urllib3.exceptions.HostChangedError(pool, url),
                  urllib3.exceptions.InvalidChunkLength(HTTPResponse(), url.encode()), aborted,
                  urllib3.exceptions.ProxyError(text, OSError('x')), urllib3.exceptions.HeaderParsingError([], text),
                  urllib3.exceptions.MaxRetryError(pool, url, urllib3.exceptions.SSLError(ssl.SSLError(1, 'broken'))),
                  http.client.InvalidURL(text), ValueError(text), UnicodeEncodeError('ascii', url, 0, 1, 'no'),
                  UnicodeDecodeError('ascii', url.encode(), 0, 1, 'no'), http.client.IncompleteRead(url.encode(), 1)):
        found.append(requests.exceptions.ConnectionError(cause, request=request))
        found.append(_raised(cause, request))
    return found


def _raised(cause: Exception, request: PreparedRequest) -> Exception:
    """Return an error that was raised from another."""
    with pytest.raises(requests.exceptions.ChunkedEncodingError) as caught:
        try:
            raise cause
        except Exception as inner:
            raise requests.exceptions.ChunkedEncodingError('broken', request=request) from inner
    return caught.value


def texts_of(caught: BaseException) -> Iterator[str]:
    """Yield each text by which an error or one of its causes may be shown."""
    yield ''.join(traceback.format_exception(caught))
    for one in causes(caught):
        yield from (str(one), repr(one), repr(one.args), line_of(one))
        yield from (repr(value) for value in vars(one).values() if not isinstance(value, (PreparedRequest, Response)))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(url=urls())
@example(url=f"https://storage.example.com/x?filename*=UTF-8''x&X-Amz-Signature={SECRET}")
def test_no_secret_of_a_url_is_in_the_text_of_any_error(url: str) -> None:
    for failed in errors_about(url):
        kinds = [type(cause) for cause in causes(failed)]
        redact(failed)
        assert [type(cause) for cause in causes(failed)] == kinds
        for text in texts_of(failed):
            assert SECRET not in text
            assert text.isascii() or SECRET not in ascii(text)
        assert getattr(failed, 'request') is not None or getattr(failed, 'response') is not None


def test_an_error_keeps_method_address_and_the_reason_of_the_system() -> None:
    failed = errors_about(f'https://storage.example.com/a?{SECRET}')[12]
    redact(failed)
    assert str(failed) == 'MaxRetryError: GET https://storage.example.com/a (Connection refused)'
    assert line_of(failed) == 'cannot connect to storage.example.com: connection refused; is a registry running there?'


def test_an_error_that_the_caller_was_handling_keeps_its_text() -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: LOST
        try:
            raise requests.exceptions.ConnectionError('mine')
        except requests.exceptions.ConnectionError as mine:
            with pytest.raises(requests.exceptions.ConnectionError) as caught:
                connect(server).list_aliases()
            assert str(mine) == 'mine'
            assert mine in causes(caught.value)


# What really happens

def connect(server: ScriptedRegistry) -> DXF:
    """Return a client of a repository."""
    return DXF(server.host, 'fred/a', insecure=True, limits=FAST)


def echo(text: str) -> Iterator[tuple[str, Callable[[Request], Answer]]]:
    """Yield ways in which a server repeats what it was asked for, each by its name."""
    line = text.encode('utf-8')
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    heads = {
        'status line': [b'GET ' + line + b'\r\n\r\n'],
        'reason': [b'HTTP/1.1 500 ' + line + b'\r\nContent-Length: 0\r\n\r\n'],
        'header without a colon': [b'HTTP/1.1 200 OK\r\nA: b\r\n', line.replace(b':', b''),
                                   b'\r\nContent-Length: 9\r\n\r\n{}'],
        'length': [b'HTTP/1.1 200 OK\r\nContent-Length: ' + line + b'\r\n\r\n{}'],
        'two lengths': [b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\nX: ' + line + b'\r\n\r\n{}'],
        'size of a chunk': [chunked + line + b'\r\n'],
        'short chunk': [chunked + b'ffff\r\n' + line],
        'too many headers': [b'HTTP/1.1 200 OK\r\n' + b'X: ' + line + b'\r\n', *[b'X: ' + line + b'\r\n'] * 200],
        'endless headers': [b'HTTP/1.1 200 OK\r\n', *repeat(b'X: ' + line * 200 + b'\r\n', 100)],
    }
    for name, head in heads.items():
        yield name, lambda request, head=head: Answer(head=False, before=head)      # type: ignore[misc]
    yield 'lost', lambda request: LOST
    yield 'reset', lambda request: RESET
    yield 'cut', lambda request: Answer(body=b'{', declared=9)
    yield 'refused', lambda request: error(403, 'DENIED')
    yield 'unauthorised', lambda request: error(401, 'UNAUTHORIZED')
    yield 'nonsense', lambda request: Answer(body=b'<html>')
    yield 'redirect', lambda request: Answer(302, {'Location': f'ftp://storage.example.com/x?{SECRET}'})
    yield 'redirect within', lambda request: Answer(302, {'Location': f'https://fred:{SECRET}@[x/?a'})
    yield 'unavailable', lambda request: Answer(503)


@pytest.mark.parametrize('query', [query for query in QUERIES if query.isascii() and '\\' not in query])
def test_no_query_is_in_any_text_whatever_the_server_does(query: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedRegistry() as server:
        for name, answer in echo(f'/x?{query}'):
            server.hook = lambda request, answer=answer: answer(request) if request.path == '/x' else Answer(
                307, {'Location': f'/x?{query}#{SECRET}'})
            try:
                connect(server).list_aliases()
            except (DXFError, requests.exceptions.RequestException) as caught:
                for text in texts_of(caught):
                    assert SECRET not in text, name
                assert len(line_of(caught).splitlines()) == 1
    assert server.requests[-1].path == '/x' and SECRET in server.requests[-1].query
    assert len(caplog.records) > 20 and SECRET not in caplog.text
    assert not any(record.exc_info for record in caplog.records)


def test_log_records_of_other_users_of_urllib3_stay(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedRegistry() as server:
        connect(server).api_version_check()
        requests.get(f'{server.url}/v2/?mine', timeout=20)
    assert '/v2/?mine' in caplog.text


def test_the_text_of_a_refusal_is_bounded_whatever_the_path() -> None:
    response = Response()
    response.status_code, response.url = 403, f'https://host/v2/{"a" * 9999}?{SECRET}'
    response.raw = io.BytesIO()
    with pytest.raises(DXFError) as caught:
        raise_for_status(response, FAST)
    assert len(str(caught.value)) < 1000 and SECRET not in str(caught.value)


def test_a_body_that_breaks_tells_no_query() -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(body=b'{', declared=9)
        response = requests.get(f'{server.url}/x?{SECRET}', stream=True, timeout=20)
        with pytest.raises(requests.exceptions.ChunkedEncodingError) as caught:
            list(pieces(response, FAST))
        assert SECRET not in ''.join(texts_of(caught.value))


# Variables

@pytest.mark.parametrize('variables', [
    {'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 's3cr\udce4t'}, {'DXF_USERNAME': 's3cr\udce4t', 'DXF_PASSWORD': 'x'},
    {'DXF_AUTHORIZATION': 's3cr\udce4t'}, {'DXF_TOKEN': 's3cr\udce4t'},
    {'HTTPS_PROXY': 'http://fred:s3cr\udce4t@localhost:1'},
], ids=lambda variables: str(list(variables)[-1]))
def test_a_secret_that_is_not_utf_8_is_refused_by_name_before_any_request(
        variables: dict[str, str], certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server:
        server.hook = lambda request: Answer(401, {'WWW-Authenticate': 'Basic realm="x"'})
        line, = Runner({'DXF_HOST': server.host, 'REQUESTS_CA_BUNDLE': certificates.ca, **variables}).run(
            'list-aliases', 'fred/a').insist(2).lines
        assert not server.requests
    assert any(name in line for name, value in variables.items() if 's3cr' in value)
    assert 's3cr' not in line and 'udce4' not in line and 'xe4' not in line


def test_an_encoding_that_fails_is_told_without_a_character() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        's3cr\udce4t'.encode()
    assert line_of(caught.value) == 'UnicodeEncodeError: a text is not UTF-8'


# DXF_DEBUG

@pytest.mark.parametrize('length', [b'\x1b[2J\x9b1m', b'9' * 60_000, b'\xc2\x9b\xe2\x80\xae', b''])
def test_what_a_server_says_cannot_drive_the_terminal_of_dxf_debug(length: bytes) -> None:
    with ScriptedRegistry() as server:
        target = f'/v2/\xe9{"y" * 30_000}?{SECRET}'
        spoiled = b'HTTP/1.1 200 \x1b[2J\r\nConnection: close\r\nContent-Length: ' + length + b'\r\n\r\n{"tags": []}'
        server.hook = lambda request: Answer(head=False, before=[spoiled]) if request.query else Answer(
            307, {'Location': target})
        with Runner(server.environ(DXF_DEBUG='1', PYTHONUTF8='1')).start(
                'list-aliases', 'fred/a') as process:
            told = process.communicate(timeout=60)[1].decode()
    lines = told.split('\n')
    assert len(lines) >= 3 and lines.pop() == ''
    assert all(line.isprintable() and line.startswith('dxf: ') and len(line) < 1000 for line in lines)
    assert SECRET not in told and ' 307, 0 bytes sent, 0 to come' in lines[0]
    assert ' 200, 0 bytes sent, ' in lines[1] and server.requests[-1].query == SECRET
