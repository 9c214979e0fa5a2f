"""Upload sessions: what each step asks for, what it makes of the answer, and where the next one goes.

Which steps are taken is the subject of test_upload and test_stream_upload.
"""

from typing import Any

import pytest
from requests.exceptions import ConnectionError as NoConnection

from dxf.exceptions import DXFDigestMismatchError, DXFError, DXFProtocolError, DXFUnexpectedStatusCodeError
from dxf.transfer.outcome import DuplicateBytesError
from dxf.transfer.upload_session import UploadSession, next_url, stored_bytes

from ..helpers.changing_files import CONTENT, DIGEST
from ..helpers.in_memory_registry import NOWHERE, InMemoryRegistry, answer, ended

FIRST = NOWHERE + 'a?state=0'
OTHER = 'sha256:' + '0' * 64


def opened(registry: InMemoryRegistry) -> UploadSession:
    """Return a session that is open."""
    session = registry.session()
    session.open()
    return session


@pytest.mark.parametrize('location', [
    NOWHERE + 'a',
    NOWHERE + 'a?state=0',
    NOWHERE + 'a?empty=&_state=a%2Fb+c%3D&x',  # some registries sign their query: not a byte of it may change
    NOWHERE + 'a%2Fb',
])
def test_the_digest_is_appended_to_what_the_registry_gave(location: str) -> None:
    registry = InMemoryRegistry(location)
    assert opened(registry).finish(DIGEST, CONTENT)
    assert registry.sent == [('put', ended(location, DIGEST), CONTENT)]


def test_each_step_goes_where_the_one_before_it_said() -> None:
    registry = InMemoryRegistry()
    session = opened(registry)
    session.add(b'0123', 0, 4)
    session.add(b'4567', 4, 8)
    registry.answers = [answer(204, FIRST + '!', Range='0-7'), answer(204, Range='0-7')]
    assert session.stored(0, 10) == 8
    assert session.stored(0, 10) == 8  # this answer has no Location: the address stays
    session.finish(DIGEST, b'89')
    assert [(method, url) for method, url, _ in registry.sent] == [
        ('patch', FIRST), ('patch', FIRST + '1'), ('get', FIRST + '2'), ('get', FIRST + '!'),
        ('put', ended(FIRST + '!', DIGEST))]
    assert [headers.get('Content-Range') for headers in registry.headers] == ['0-3', '4-7', None, None, None]
    assert {headers['Content-Type'] for headers in registry.headers if headers} == {'application/octet-stream'}
    session.cancel()
    assert registry.cancelled == [FIRST + '!']


@pytest.mark.parametrize('status, location, error', [
    (200, FIRST, DXFUnexpectedStatusCodeError),
    (201, FIRST, DXFUnexpectedStatusCodeError),  # nothing was asked to be mounted
    (202, None, DXFProtocolError),
    (202, 'http://storage.example.com/a', DXFProtocolError),
])
def test_a_session_that_was_not_opened_is_an_error(status: int, location: str | None, error: type[DXFError]) -> None:
    registry = InMemoryRegistry()
    registry.opening = answer(status, location)
    session = registry.session()
    with pytest.raises(error):
        session.open()


@pytest.mark.parametrize('value, shortest', [
    (None, 0), ('', 0), ('0', 0), ('5', 5), ('5242880', 5 << 20), ('-1', 0), ('5 MB', 0), ('1e9', 0), ('\u00b2', 0),
    ('9' * 19, 0), ('9' * 5000, 0),  # nonsense is not followed, nor a number that no blob has bytes
])
def test_the_shortest_part_is_what_the_registry_says(value: str | None, shortest: int) -> None:
    assert opened(InMemoryRegistry(shortest=value)).shortest_part == shortest


@pytest.mark.parametrize('status', [201, 202, 204])
@pytest.mark.parametrize('told', [
    {'Range': '0-3'}, {'Range': 'bytes=0-3'}, {}, {'Range': 'nonsense'},
    {'Range': '0-0'},  # ECR's is stuck: only what is too much tells something
])
def test_a_part_is_taken(status: int, told: dict[str, str]) -> None:
    registry = InMemoryRegistry()
    session = opened(registry)
    registry.answers = [answer(status, FIRST + '1', **told)]
    session.add(b'0123', 0, 4)
    assert session.url == FIRST + '1'


@pytest.mark.parametrize('status, location, told, error', [
    (200, FIRST, '0-3', DXFUnexpectedStatusCodeError),
    (202, None, '0-3', DXFProtocolError),
    (202, FIRST, '0-4', DuplicateBytesError),  # a part that was sent twice, say
    (202, FIRST, 'bytes=0-999', DuplicateBytesError),
])
def test_a_part_is_not_taken(status: int, location: str | None, told: str, error: type[DXFError]) -> None:
    registry = InMemoryRegistry()
    session = opened(registry)
    registry.answers = [answer(status, location, Range=told)]
    with pytest.raises(error):
        session.add(b'0123', 0, 4)


@pytest.mark.parametrize('told, start, end, stored', [
    ('0-7', 4, 8, 8),
    ('0-7', 8, 8, 8),
    ('bytes=0-7', 4, 8, 8),
    ('0-4', 4, 8, 5),
    ('0-0', 0, 8, 0),  # distribution says so of nothing
    ('0-0', 1, 8, 1),
    ('0-2', 4, 8, None),  # fewer than it has confirmed
    ('0-8', 4, 8, None),  # more than were sent
    ('0-0', 4, 8, None),
    ('nonsense', 4, 8, None),
    ('', 4, 8, None),
])
def test_what_the_registry_has_is_believed_where_it_can_be_true(told: str, start: int, end: int, stored: int | None
                                                                ) -> None:
    registry = InMemoryRegistry()
    session = opened(registry)
    registry.answers = [answer(204, Range=told)]
    assert session.stored(start, end) == stored


@pytest.mark.parametrize('error', [NoConnection, DXFProtocolError])
def test_a_session_that_cannot_be_asked_for_is_lost(error: type[Exception]) -> None:
    def fail(*_args: Any) -> Any:
        raise error
    session = UploadSession(InMemoryRegistry().target()._replace(request_url=fail))
    session.open()
    assert session.stored(0, 4) is None


@pytest.mark.parametrize('location', ['', 'http://other.example.com/x', 'ftp://registry.example.com/x', 'https://['])
def test_a_session_that_goes_on_at_no_address_is_lost(location: str) -> None:
    registry = InMemoryRegistry(NOWHERE + 'a')
    session = opened(registry)
    registry.answers = [answer(204, location, Range='0-3')]
    assert session.stored(0, 4) is None
    assert session.url == NOWHERE + 'a'


@pytest.mark.parametrize('status', [200, 201, 204])
def test_the_end_is_confirmed_by_the_digest(status: int) -> None:
    registry = InMemoryRegistry()
    registry.answers = [answer(status, Docker_Content_Digest=DIGEST), answer(status)]
    assert opened(registry).finish(DIGEST, CONTENT)
    assert not opened(registry).finish(DIGEST, CONTENT)


@pytest.mark.parametrize('status, told, error', [
    (202, DIGEST, DXFUnexpectedStatusCodeError),
    (201, OTHER, DXFDigestMismatchError),
])
def test_an_invalid_end_is_an_error(status: int, told: str, error: type[DXFError]) -> None:
    registry = InMemoryRegistry()
    registry.answers = [answer(status, Docker_Content_Digest=told)]
    with pytest.raises(error):
        opened(registry).finish(DIGEST, CONTENT)


@pytest.mark.parametrize('header, stored', [
    ('0-9', 10), ('bytes=0-9', 10), ('0-0', 1), ('5-9', 10), ('bytes 0-9', None), ('0-', None), ('-9', None),
    ('', None), ('0-9/10', None), ('0-\u00b2', None), (' 0-9', None), ('0-9\n', None), ('0-' + '9' * 20, None),
])
def test_a_range_is_read_with_and_without_its_unit(header: str, stored: int | None) -> None:
    assert stored_bytes(answer(204, Range=header)) == stored


@pytest.mark.parametrize('url, location, expected', [
    (NOWHERE, NOWHERE + 'a?b=c', NOWHERE + 'a?b=c'),
    (NOWHERE, '/v2/a?b=c', 'https://registry.example.com/v2/a?b=c'),  # relative
    (NOWHERE, 'a?b=', NOWHERE + 'a?b='),
    (NOWHERE, '?b=c', NOWHERE + '?b=c'),
    (NOWHERE, '//storage.example.com/a', 'https://storage.example.com/a'),
    (NOWHERE, 'https://storage.example.com/a?sig=x%2By', 'https://storage.example.com/a?sig=x%2By'),
    (NOWHERE, '/a?blank=&x=%2F&y=+&z', 'https://registry.example.com/a?blank=&x=%2F&y=+&z'),  # verbatim
    (NOWHERE, 'http://registry.example.com/a?b=', 'https://registry.example.com/a?b='),  # behind a proxy that ends TLS
    (NOWHERE, 'http://REGISTRY.example.com/a', 'https://REGISTRY.example.com/a'),
    ('https://r:5000/v2/', 'http://r:5000/a', 'https://r:5000/a'),
    ('http://r:5000/v2/', 'http://r:5000/a', 'http://r:5000/a'),  # http all the way
    ('http://r:5000/v2/', 'http://s/a', 'http://s/a'),
    ('http://r:5000/v2/', '/a', 'http://r:5000/a'),
    ('http://r/v2/', 'https://r/a', 'https://r/a'),
])
def test_the_next_request_goes_where_the_registry_says(url: str, location: str, expected: str) -> None:
    assert next_url(answer(202, location, url)) == expected


@pytest.mark.parametrize('location', [
    None,
    '',
    'http://storage.example.com/a',  # from https to another host's http
    'http://registry.example.com.evil.example/a',
    'ftp://registry.example.com/a',
    'file:///etc/passwd',
    'https://user@registry.example.com/a',
    'https://registry.example.com/a b',
    'https://registry.example.com/a\tb',  # which Python would take out, and ask for /ab
    'https://registry.example.com:99999/a',
])
def test_the_next_request_goes_nowhere_else(location: str | None) -> None:
    with pytest.raises(DXFProtocolError):
        next_url(answer(202, location))
