"""Every parser of what a server sends: it answers or raises a DXFError, whatever it is given, and it does so fast.

JSON has its own tests (test_strict_json), manifests theirs (test_manifests, test_schema1).
"""

import io
import json
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requests import Response
from requests.exceptions import RequestException

from dxf import Limits, hash_bytes, names
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFError
from dxf.strict_json import printable
from dxf.transfer.download import Download
from dxf.transfer.mount_answers import MountAnswers
from dxf.transfer.refused_sizes import RefusedSizes
from dxf.transfer.target import Target
from dxf.transfer.upload_session import UploadSession, next_url, stored_bytes
from dxf.transfer.verification import Verifier
from dxf.transport.attempts import retry_after
from dxf.transport.response_body import declared_size
from dxf.transport.challenge import Challenge, challenge_of, read_token, token_url
from dxf.transport.pagination import PaginatingResponse
from dxf.transport.responses import MESSAGE_LENGTH, error_codes, raise_for_status
from dxf.transport.urls import resolve

REGISTRY = 'https://registry.example.com:5000/v2/'
LISTING = REGISTRY + 'fred/x/tags/list'
LIMITS = Limits(retries=2, backoff=0, pages=3)
LONG = 60_000
"""Characters of the long inputs: http.client takes no longer header than 64 KiB."""

SECONDS = 30.0
CONTENT = b'0123456789'


def mixed(*fragments: str) -> st.SearchStrategy[str]:
    """Return what looks like a header made of fragments, with some noise; headers arrive as Latin-1."""
    noise = st.text(st.characters(max_codepoint=0xff), max_size=8)
    return st.lists(st.sampled_from(fragments) | noise, max_size=12).map(''.join)


URLS = mixed('https://', 'http://', '//', REGISTRY, LISTING, 'fred', '@', ':', '5000', '[', ']', '::1', '127.1', '0x7f',
             '.', '/', '..', '?', 'n=2&last=a', '#', '%', '%2e', '\\', '\t', '\n', ' ', '\x00', 'localhost', 'ftp:')
CHALLENGES = mixed('Bearer', 'bearer ', 'Basic ', 'Negotiate', ' ', ',', ', ', '=', '"', '\\"', 'realm', 'realm="x"',
                   'scope=""', 'service=a:b/c', 'scope="repository:a:pull"', '\t', ';', 'error="invalid_token"')
LINKS = URLS | mixed('<', '>', ';', ',', ' ', 'rel', '=', '"next"', 'rel="next"', f'<{LISTING}?last=b>; rel="next"',
                     '</v2/fred/x/tags/list?n=1>', "'", '=next', 'rel=next')
RANGES = mixed('bytes', ' ', '=', '-', '/', '*', '0', '5', '9', '10', '\u00b2', '99999999999999999999', '-1')
DATES = mixed('1', '120', '-', '.5', 'Fri, ', '31 Dec ', '1999 ', '23:59:59 ', 'GMT', '+9999', '-0000', ':', '99', ' ',
              '(', ')', ',', '99999999999', '\u00b2')
NAMES = mixed('a', 'A', '/', '.', '_', '__', '-', '@', ':', 'sha256:', 'a' * 64, 'md5:', '[', ']', '::', '443', '\n') \
    | st.text(max_size=20)


def answer(status: int = 200, body: bytes = b'', url: str = LISTING, **headers: str) -> Response:
    """Return an answer as it comes from the adapter: its body is not read yet."""
    response = Response()
    response.status_code = status
    response.url = url
    response.headers.update({name.replace('_', '-'): value for name, value in headers.items()})
    response.raw = io.BytesIO(body)
    return response


def read_challenge(header: str) -> None:
    """Read a challenge, and ask for the token's address where it names one."""
    challenge = challenge_of(answer(401, WWW_Authenticate=header))
    assert challenge is None or challenge.scheme in ('basic', 'bearer')
    if challenge is not None and challenge.scheme == 'bearer':
        read_realm(challenge.realm)


def read_realm(realm: str) -> None:
    """Ask for a token's address: what comes back may be sent a password."""
    url = token_url(Challenge('bearer', realm, 'service', ('a', 'b')), REGISTRY, None, ('repository:x:pull',))
    parts = urlsplit(url)
    assert parts.scheme == 'https' and parts.hostname and '@' not in parts.netloc and '#' not in url
    assert parts.hostname not in ('localhost.', '127.0.0.1', '::1') and not parts.hostname.startswith('127.')
    assert not set(url) & set(map(chr, (*range(0x21), *range(0x7f, 0xa0))))


def read_link(header: str) -> None:
    """List names in pages that all have the same Link."""
    asked = []

    def fetch(page: str) -> Response:
        asked.append(page)
        return answer(body=b'{"tags": ["a"]}', Link=header)
    try:
        assert set(PaginatingResponse(fetch, LISTING, 'tags', names.check_alias, LIMITS)) == {'a'}
    finally:
        assert len(asked) <= LIMITS.pages
        assert all(urlsplit(page)[:3] == urlsplit(LISTING)[:3] for page in asked)


def read_location(header: str) -> None:
    """Follow a Location: never from https to http."""
    assert resolve(answer(), header).startswith('https://')
    assert next_url(answer(Location=header)).startswith('https://')


def read_content_range(header: str) -> None:
    """Download a blob that breaks off once, and whose rest comes with this Content-Range."""
    def rest(start: int, _end: int | None) -> Response:
        return answer(206, CONTENT[start:], Content_Range=header)
    download = Download(len(CONTENT), rest, LIMITS, answer(body=CONTENT[:5]))
    assert b''.join(Verifier(hash_bytes(CONTENT), len(CONTENT), 3).chunks_of(download.pieces)) == CONTENT
    assert header in ('bytes 5-9/10', 'bytes 5-9/*')


def read_sizes(header: str) -> None:
    """Read a Range, a Content-Length, and what the shortest part of an upload is."""
    stored, size = stored_bytes(answer(Range=header)), declared_size(answer(Content_Length=header))
    assert (stored is None or 0 < stored <= 10 ** 19) and (size is None or 0 <= size < 10 ** 19)
    opening = answer(202, Location='/v2/a', OCI_Chunk_Min_Length=header)
    target = Target(lambda *_, **__: opening, lambda *_: opening, REGISTRY, LIMITS, RefusedSizes(), set(),
                    MountAnswers(), {})
    session = UploadSession(target)
    session.open()
    assert 0 <= session.shortest_part < 10 ** 19


def read_pause(header: str) -> None:
    """Read a Retry-After."""
    seconds = retry_after(header)
    assert seconds is None or 0 <= seconds < float('inf')


def read_name(name: str) -> None:
    """Check a name as everything that a name can be; what passes is plain."""
    for check in (names.check_host, names.check_repository, names.check_alias, names.check_digest, names.check_platform,
                  names.complete_digest, names.check_reference, lambda text: names.repository_at('localhost', text),
                  lambda text: ''.join(names.split_digest(text))):
        try:
            checked = check(name)
        except DXFError as error:
            assert len(line_of(error).splitlines()) == 1
        else:
            assert check is not names.check_host or not set(checked) & set('/@?#% \n')
            assert checked.isascii() and checked.isprintable() or name.startswith('sha256:')


def is_harmless(text: str) -> bool:
    """Say whether nothing in a text drives a terminal or hides; letters that this Python does not know do neither."""
    return not {unicodedata.category(c) for c in text} & {'Cc', 'Cf', 'Cs', 'Zl', 'Zp'}


def read_error(body: bytes, status: int = 400) -> None:
    """Read an answer that refuses: its text is one short line."""
    response = answer(status, body)
    with pytest.raises(DXFError) as caught:
        raise_for_status(response, LIMITS)
    assert all(isinstance(code, str) for code in error_codes(response))
    assert len(str(caught.value)) <= MESSAGE_LENGTH + 100
    line = line_of(caught.value)
    assert len(line.splitlines()) == 1 and is_harmless(line)


def answers_or_refuses(parse: Callable[[str], None], text: str) -> None:
    """Parse a text: an answer, or a DXFError that is one line; within bounds."""
    start = time.process_time()
    try:
        parse(text)
    except DXFError as error:
        assert line_of(error).isprintable()
    assert time.process_time() - start < SECONDS


PARSERS: dict[Callable[[str], None], tuple[st.SearchStrategy[str], tuple[str, ...]]] = {
    read_challenge: (CHALLENGES, ('', 'Bearer ')), read_realm: (URLS, ('https://', 'https://a/?')),
    read_link: (LINKS, ('', '<', f'<{LISTING}>; ')), read_location: (URLS, ('https://', '/')),
    read_content_range: (RANGES, ('bytes 5-',)), read_sizes: (RANGES, ('', '0-')), read_pause: (DATES, ('', 'Fri, ')),
    read_name: (NAMES, ('', 'sha256:', '['))}
"""Each parser, the texts for it, and what its nasty inputs begin with."""

NASTY = ('"', '\\"', '"\\', 'a=', 'a =', 'a=b,', 'a ', ' ', '\t', ', ', '<', ', <', '; ', '=', 'a', 'a-', '_', '-', '/',
         '../', '.', ':', '@', '[', '%', '?', '#', '&a=b', '9', '(', '\\', 'Bearer ', 'Basic a, ', ':0', '\xa0', '\xe9',
         '<a>; rel="next",', 'a.a/')


@pytest.mark.parametrize('parse', PARSERS, ids=lambda parse: str(parse.__name__))
def test_a_parser_answers_or_refuses(parse: Callable[[str], None]) -> None:
    def check(text: str) -> None:
        answers_or_refuses(parse, text)
    check_all = settings(deadline=None, derandomize=True, max_examples=200)(given(text=PARSERS[parse][0])(check))
    check_all()


@pytest.mark.parametrize('parse', PARSERS, ids=lambda parse: str(parse.__name__))
def test_a_long_input_takes_no_longer_than_a_moment(parse: Callable[[str], None]) -> None:
    for start in PARSERS[parse][1]:
        for piece in NASTY:
            answers_or_refuses(parse, start + (piece * LONG)[:LONG - len(start) - 1] + '!')


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=300),
                    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
                        st.sampled_from(['errors', 'code', 'message', 'token', 'access_token', 'expires_in']), inner))
BODIES = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()) | st.lists(
    st.dictionaries(st.sampled_from(['code', 'message', 'detail']), JSON), max_size=5).map(
        lambda errors: json.dumps({'errors': errors}).encode())


@settings(deadline=None, derandomize=True, max_examples=200)
@given(body=BODIES, status=st.sampled_from([400, 401, 403, 404, 418, 499, 503, 599, 999]))
@example(body=b'{"errors": [{"code": "\\ud800\\u202e\\n", "message": "\\u001b[2J\\u2028"}]}', status=400)
def test_a_refusal_is_one_short_line_whatever_it_says(body: bytes, status: int) -> None:
    read_error(body, status)


@pytest.mark.parametrize('depth', [1, 100, *range(850, 1000, 5), 5_000, 30_000])
def test_a_refusal_may_nest_as_deep_as_it_likes(depth: int) -> None:
    read_error(b'{"errors": [{"code": ' + b'[' * depth + b']' * depth + b'}]}')


@settings(deadline=None, derandomize=True, max_examples=200)
@given(body=BODIES | st.fixed_dictionaries({'token': JSON}, optional={'expires_in': JSON, 'access_token': JSON}).map(
    lambda value: json.dumps(value).encode()))
@example(body=b'{"token": "a", "expires_in": 1e999}')
@example(body=b'{"token": "a", "expires_in": ' + b'9' * 4000 + b'}')
@example(body=b'{"token": "a\\r\\nX: y"}')
def test_a_token_fits_in_a_header_and_lives_for_a_finite_time(body: bytes) -> None:
    try:
        token, seconds = read_token(body)
    except DXFError:
        return
    assert token.isascii() and token.isprintable() and ' ' not in token
    assert seconds is None or 0 < seconds < 1e10


@settings(deadline=None, derandomize=True)
@given(text=st.text() | st.text(st.characters(categories=['Cc', 'Cf', 'Cs', 'Zl', 'Zp'])))
def test_what_is_printed_is_one_line_without_control_characters(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert is_harmless(shown)
    shown.encode('utf-8')


@settings(deadline=None, derandomize=True)
@given(pieces=st.lists(st.tuples(st.integers(0, 10), st.sampled_from([200, 206]), RANGES | st.just('bytes 5-9/10')),
                       max_size=4))
def test_a_download_that_resumes_is_the_blob_or_an_error(pieces: list[tuple[int, int, str]]) -> None:
    rests = iter(pieces)

    def rest(start: int, _end: int | None) -> Response:
        end, status, header = next(rests, (10, 206, f'bytes {start}-9/10'))
        return answer(status, CONTENT[start if status == 206 else 0:end], Content_Range=header)
    download = Download(len(CONTENT), rest, LIMITS, answer(body=CONTENT[:3]))
    got = b''
    try:
        for chunk in Verifier(hash_bytes(CONTENT), len(CONTENT), 2).chunks_of(download.pieces):
            got += chunk
        assert got == CONTENT
    except (DXFError, RequestException):
        assert len(got) < len(CONTENT) and CONTENT.startswith(got)
