"""What is uploaded: sources that are read again, or change on their way, and the URLs to which they go."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from requests import Response
from requests.exceptions import HTTPError

from dxf import Limits, hash_bytes, upload
from dxf.exceptions import DXFDigestMismatchError, DXFProtocolError, DXFSourceError
from dxf.source import Body, Source, open_source
from dxf.upload import Upload, next_url

from .places import Place
from .traffic import Traffic

CONTENT = b'0123456789'
DIGEST = hash_bytes(CONTENT)
NOWHERE = 'https://registry.example.com/v2/fred/datalogger/blobs/uploads/'


@pytest.fixture(name='path')
def write_path(tmp_path: Path) -> Path:
    """A file that holds ``CONTENT``."""
    path = tmp_path / 'content'
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(name='source')
def open_path(path: Path) -> Iterator[Source]:
    """The source that the file makes."""
    source = open_source(str(path), None)
    yield source
    source.close()


@pytest.fixture(name='small_reads')
def make_small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a source of ten bytes one of three pieces."""
    monkeypatch.setattr('dxf.source.READ_SIZE', 4)


def ignore(_: bytes) -> None:
    """Take a piece, and do nothing with it."""


def got_from(stream: Iterator[bytes]) -> bytes:
    """Return what a stream yields before it says that its source changed."""
    got = b''
    with pytest.raises(DXFSourceError):
        for piece in stream:
            got += piece
    return got


# Sources

@pytest.mark.usefixtures('small_reads')
def test_a_source_may_be_read_as_often_as_needed(source: Source) -> None:
    assert source.digest() == DIGEST
    for _ in range(2):
        assert list(source.read()) == [b'0123', b'4567', b'89']
    assert source.digest() == DIGEST
    next(source.read())  # a reading that was left does not disturb the next one
    assert b''.join(source.read()) == CONTENT


@pytest.mark.parametrize('data, size', [
    (CONTENT, 10),
    (b'', 0),
    (bytearray(CONTENT), 10),
    (memoryview(CONTENT), 10),
    (memoryview(CONTENT)[2:5], 3),
    (memoryview(CONTENT).cast('H'), 10),  # five items, ten bytes
    (io.BytesIO(CONTENT), 10),
    ([CONTENT], None),
    (iter([CONTENT]), None),
])
def test_the_size_of_data_is_known_where_it_can_be_read_again(data: Any, size: int | None) -> None:
    source = open_source(None, data)
    assert source.size == size
    assert sum(map(len, source.read())) == (10 if size is None else size)


@pytest.mark.parametrize('start', [0, 3, 10])
def test_an_open_file_starts_where_it_stands_each_time(start: int) -> None:
    file = io.BytesIO(CONTENT)
    file.seek(start)
    source = open_source(None, file)
    assert source.size == 10 - start
    for _ in range(2):
        assert b''.join(source.read()) == CONTENT[start:]
    source.close()
    assert not file.closed


def test_a_pipe_can_be_read_once() -> None:
    reader, writer = os.pipe()
    with open(reader, 'rb') as file:
        with open(writer, 'wb') as end:
            end.write(CONTENT)
        source = open_source(None, file)
        assert source.size is None
        assert b''.join(source.read()) == CONTENT


def test_a_path_may_be_that_of_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / 'pipe'
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(CONTENT,))
    writer.start()
    source = open_source(str(path), None)
    try:
        assert source.size is None
        assert b''.join(source.read()) == CONTENT
    finally:
        source.close()
        writer.join()


def test_a_filename_wins_over_data(path: Path) -> None:
    source = open_source(str(path), b'something else')
    assert b''.join(source.read()) == CONTENT
    source.close()


@pytest.mark.parametrize('data', [None, 'text', 7, object()])
def test_what_holds_no_bytes_is_no_source(data: Any) -> None:
    with pytest.raises(TypeError):
        open_source(None, data)


def append(path: Path) -> None:
    """Let a file grow."""
    with path.open('ab') as file:
        file.write(b'more')


def shrink(path: Path) -> None:
    """Cut a file off."""
    os.truncate(path, 7)


def vanish(path: Path) -> None:
    """Leave nothing of a file."""
    os.truncate(path, 0)


def rewrite(path: Path) -> None:
    """Change what a file holds, but not how much."""
    path.write_bytes(b'9876543210')


RESIZED = [append, shrink, vanish]


@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('change', RESIZED)
def test_a_file_of_another_size_than_before_is_named(source: Source, path: Path,
                                                     change: Callable[[Path], None]) -> None:
    change(path)
    with pytest.raises(DXFSourceError, match='changed while it was being uploaded') as raised:
        list(source.read())
    assert str(path) in str(raised.value)


@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('change', RESIZED)
def test_a_file_that_changes_its_size_while_it_is_read_never_gives_all_bytes(source: Source, path: Path,
                                                                             change: Callable[[Path], None]) -> None:
    pieces = source.read()
    first = next(pieces)
    change(path)
    got = first + got_from(pieces)
    assert len(got) < len(CONTENT)
    assert CONTENT.startswith(got)


def test_an_open_file_that_grows_gives_no_more_than_it_had() -> None:
    file = io.BytesIO(CONTENT)
    source = open_source(None, file)
    file.seek(0, io.SEEK_END)
    file.write(b'more')
    assert got_from(source.read()) == b''


# Bodies

def test_a_body_declares_the_size_of_its_source(source: Source) -> None:
    assert len(Body(source, DIGEST, ignore)) == 10


@pytest.mark.usefixtures('small_reads')
def test_a_body_gives_the_same_bytes_each_time_and_tells_of_them_once(source: Source) -> None:
    told: list[bytes] = []
    body = Body(source, DIGEST, told.append)
    assert list(body) == [b'0123', b'4567', b'89']
    assert told == [b'0123', b'4567', b'89']
    body.rewind()
    assert list(body) == [b'0123', b'4567', b'89']
    assert told == [b'0123', b'4567', b'89']


@pytest.mark.usefixtures('small_reads')
def test_a_body_that_broke_off_goes_on_telling_where_it_stopped(source: Source) -> None:
    told: list[bytes] = []
    body = Body(source, DIGEST, told.append)
    pieces = iter(body)
    assert [next(pieces), next(pieces)] == [b'0123', b'4567']
    assert told == [b'0123']  # whether the second arrived is not known yet
    assert list(body) == [b'0123', b'4567', b'89']
    assert b''.join(told) == CONTENT


@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('change', [*RESIZED, rewrite])
def test_a_body_whose_source_changed_never_gives_all_bytes(source: Source, path: Path,
                                                           change: Callable[[Path], None]) -> None:
    change(path)
    assert len(got_from(iter(Body(source, DIGEST, ignore)))) < len(CONTENT)


# Uploads

def answer(status: int, location: str | None = None, url: str = NOWHERE, **headers: str) -> Response:
    """Return an answer as it comes from the adapter."""
    response = Response()
    response.status_code = status
    response.url = url
    response.raw = io.BytesIO()
    if location is not None:
        response.headers['Location'] = location
    response.headers.update({name.replace('_', '-'): value for name, value in headers.items()})
    return response


class Desk:
    """Plays the client to an upload: takes what it is asked to send, and answers as a registry does.

    Each part is answered with another ``Location``, as registries may.
    """

    def __init__(self, location: str = NOWHERE + 'a?state=0') -> None:
        self.location = location
        self.sent: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.cancelled: list[str] = []

    def begin(self) -> Response:
        """Open a session."""
        return answer(202, self.location)

    def request(self, method: str, url: str, data: Any, headers: dict[str, str]) -> Response:
        """Take a part, or the end."""
        self.sent.append((method, url, data if isinstance(data, bytes) else b''.join(data)))
        self.headers.append(headers)
        if method == 'put':
            return answer(201, Docker_Content_Digest=hash_bytes(b''.join(data for _, _, data in self.sent)))
        return answer(202, f'{self.location}{len(self.sent)}')

    def upload(self, source: Source) -> Upload:
        """Return an upload of a source."""
        return Upload(source, self.begin, self.request, lambda digest: None, self.cancelled.append, Limits(retries=0))


def ended(url: str, digest: str) -> str:
    """Return the URL that closes a session."""
    return f'{url}{"&" if "?" in url else "?"}digest={digest.replace(":", "%3A")}'


@pytest.mark.parametrize('location', [
    NOWHERE + 'a',
    NOWHERE + 'a?state=0',
    NOWHERE + 'a?empty=&_state=a%2Fb+c%3D&x',  # some registries sign their query: not a byte of it may change
    NOWHERE + 'a%2Fb',
])
def test_the_digest_is_appended_to_what_the_registry_gave(source: Source, location: str) -> None:
    desk = Desk(location)
    assert desk.upload(source).send(DIGEST, ignore) == (DIGEST, 10)
    assert desk.sent == [('put', ended(location, DIGEST), CONTENT)]


@pytest.mark.parametrize('size, parts', [
    (0, [b'']),
    (3, [b'012']),
    (4, [b'0123']),
    (5, [b'0123', b'4']),
    (8, [b'0123', b'4567']),
    (10, [b'0123', b'4567', b'89']),
])
@pytest.mark.parametrize('told', [False, True])
def test_parts_follow_the_locations_that_the_registry_gives(monkeypatch: pytest.MonkeyPatch, size: int,
                                                            parts: list[bytes], told: bool) -> None:
    monkeypatch.setattr(upload, 'PART_SIZE', 4)
    desk = Desk()
    content = CONTENT[:size]
    digest = hash_bytes(content)
    pieces = open_source(None, iter([content[:1], content[1:]]))
    assert desk.upload(pieces).send(digest if told else None, ignore) == (digest, size)
    urls = [NOWHERE + 'a?state=0' + (str(number) if number else '') for number in range(len(parts))]
    urls[-1] = ended(urls[-1], digest)
    methods = ['patch'] * (len(parts) - 1) + ['put']
    assert desk.sent == list(zip(methods, urls, parts, strict=True))
    assert [headers['Content-Range'] for headers in desk.headers[:-1]] == ['0-3', '4-7'][:len(parts) - 1]
    assert {headers['Content-Type'] for headers in desk.headers} == {'application/octet-stream'}
    assert not desk.cancelled


def test_a_stream_with_another_digest_is_not_closed_but_cancelled() -> None:
    desk = Desk()
    with pytest.raises(DXFDigestMismatchError) as raised:
        desk.upload(open_source(None, iter([CONTENT]))).send(hash_bytes(b''), ignore)
    assert (raised.value.got, raised.value.expected) == (DIGEST, hash_bytes(b''))
    assert not desk.sent
    assert desk.cancelled == [desk.location]


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError, DXFSourceError])
def test_an_upload_whose_source_fails_is_cancelled_where_it_has_come_to(monkeypatch: pytest.MonkeyPatch,
                                                                        error: type[BaseException]) -> None:
    monkeypatch.setattr(upload, 'PART_SIZE', 4)

    def pieces() -> Iterator[bytes]:
        yield CONTENT
        raise error
    desk = Desk()
    with pytest.raises(error):
        desk.upload(open_source(None, pieces())).send(None, ignore)
    assert [data for _, _, data in desk.sent] == [b'0123', b'4567']
    assert desk.cancelled == [desk.location + '2']


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


# On a real registry

@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('change', [*RESIZED, rewrite])
def test_a_file_that_changes_after_it_was_hashed_is_not_stored(open_registry: Place, repo: str, path: Path,
                                                               traffic: Traffic,
                                                               change: Callable[[Path], None]) -> None:
    def progress(digest: str, chunk: bytes, size: int) -> None:
        assert (digest, size) == (DIGEST, 10)
        if not chunk:
            change(path)
    with open_registry.dxf(repo) as client:
        with pytest.raises(DXFSourceError) as raised:
            client.push_blob(str(path), progress)
        assert str(raised.value) == f'{path} changed while it was being uploaded'
        assert traffic.requests[-1].method == 'DELETE'
        for content in (CONTENT, path.read_bytes()):
            with pytest.raises(HTTPError):
                client.blob_size(hash_bytes(content))


@pytest.mark.usefixtures('small_reads')
def test_a_body_is_sent_again_whole_after_a_challenge(monkeypatch: pytest.MonkeyPatch, token_registry: Place,
                                                      repo: str, path: Path, traffic: Traffic) -> None:
    told: list[bytes] = []
    with token_registry.dxf(repo) as client:
        request = client._base_request

        def expired_at_the_end(method: str, path: str, **kwargs: Any) -> Response:
            if method == 'put':
                client.token = 'worthless'
            response: Response = request(method, path, **kwargs)
            return response
        monkeypatch.setattr(client, '_base_request', expired_at_the_end)
        assert client.push_blob(str(path), lambda digest, chunk, size: told.append(chunk)) == DIGEST
        assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    assert [request.status for request in traffic.requests if request.method == 'PUT'] == [401, 201]
    assert b''.join(told) == CONTENT
