"""The scripted registry itself, proved with dxf and with plain requests."""

import hashlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest
import requests
from requests.exceptions import ChunkedEncodingError
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ReadTimeout

from dxf import DXF, DXFBase

from ..helpers.waiting import eventually
from .certificates import Certificates
from .scripted_registry import KEPT, LOST, RESET, SILENCE, Answer, Request, ScriptedRegistry, error, guard, interim

CONTENT = b'0123456789' * 1000


@pytest.fixture(name='session')
def open_session() -> Iterator[requests.Session]:
    """A session of requests."""
    with requests.Session() as session:
        yield session


def digest_of(content: bytes) -> str:
    """Return a digest that dxf did not compute."""
    return 'sha256:' + hashlib.sha256(content).hexdigest()


# A correct registry

@pytest.mark.parametrize('tls', [False, True])
def test_dxf_pushes_names_pulls_mounts_lists_and_deletes(certificates: Certificates, tls: bool) -> None:
    with ScriptedRegistry(certificates if tls else None) as server:
        dxf = DXF(server.host, 'fred/a', None, not tls, None, certificates.ca)
        digest = dxf.push_blob(data=CONTENT)
        manifest = dxf.set_alias('latest', digest)
        assert dxf.get_manifest('latest') == manifest
        assert dxf.get_alias('latest') == [digest]
        assert b''.join(dxf.pull_blob(digest)) == CONTENT
        other = DXF.from_base(dxf, 'fred/b')
        assert other.mount_blob('fred/a', digest) == digest
        assert other.blob_size(digest) == len(CONTENT)
        assert dxf.list_repos() == ['fred/a', 'fred/b']
        assert dxf.list_aliases() == ['latest']
        assert dxf.del_alias('latest') == [digest]
        assert dxf.list_aliases() == []
        dxf.del_blob(digest)
        assert not server.memory.blobs['fred/a']
        assert server.memory.blobs['fred/b'] == {digest: CONTENT}
        assert not server.memory.uploads


def test_dxf_pushes_a_stream_in_parts(server: ScriptedRegistry) -> None:
    part = bytes(1 << 20)
    digest = DXF(server.host, 'fred/a', insecure=True).push_blob(data=iter([part] * 9))
    assert server.memory.blobs['fred/a'][digest] == part * 9
    assert [request.headers['Content-Range'] for request in server.of('PATCH')] == ['0-4194303', '4194304-8388607']


@pytest.mark.parametrize('asked, status, content, content_range', [
    ('bytes=2-4', 206, b'234', 'bytes 2-4/10'),
    ('bytes=8-', 206, b'89', 'bytes 8-9/10'),
    ('bytes=8-99', 206, b'89', 'bytes 8-9/10'),
    ('bytes=-3', 206, b'789', 'bytes 7-9/10'),
    ('bytes=10-', 416, None, 'bytes */10'),
    ('bytes=0-1,3-4', 200, b'0123456789', None),
    ('lines=1-2', 200, b'0123456789', None),
])
def test_a_part_of_a_blob_can_be_asked_for(server: ScriptedRegistry, session: requests.Session, asked: str,
                                           status: int, content: bytes | None, content_range: str | None) -> None:
    url = f'{server.url}/v2/a/blobs/{server.memory.put("a", b"0123456789")}'
    answer = session.get(url, headers={'Range': asked})
    assert (answer.status_code, answer.headers.get('Content-Range')) == (status, content_range)
    assert content is None or answer.content == content


def test_an_upload_follows_the_specification(server: ScriptedRegistry, session: requests.Session) -> None:
    opened = session.post(f'{server.url}/v2/a/blobs/uploads/')
    url = server.url + opened.headers['Location']
    first = session.patch(url, data=b'01', headers={'Content-Range': '0-1'})
    assert (first.status_code, first.headers['Range']) == (202, '0-1')
    assert first.headers['Location'] != opened.headers['Location']
    assert session.patch(url, data=b'01', headers={'Content-Range': '0-1'}).status_code == 416
    assert session.get(url).headers['Range'] == '0-1'
    assert session.put(url, params={'digest': digest_of(b'other')}).status_code == 400
    assert session.put(url, params={'digest': digest_of(b'0123')}, data=b'23').status_code == 201
    for method in ('GET', 'PATCH', 'PUT', 'DELETE'):
        assert session.request(method, url).json()['errors'][0]['code'] == 'BLOB_UPLOAD_UNKNOWN'
    whole = session.post(f'{server.url}/v2/a/blobs/uploads/', params={'digest': digest_of(b'9')}, data=b'9')
    assert whole.status_code == 201
    assert server.memory.blobs['a'] == {digest_of(b'0123'): b'0123', digest_of(b'9'): b'9'}


def test_a_mount_from_nowhere_opens_an_upload(server: ScriptedRegistry, session: requests.Session) -> None:
    answer = session.post(f'{server.url}/v2/a/blobs/uploads/', params={'mount': digest_of(b''), 'from': 'b'})
    assert answer.status_code == 202
    assert session.delete(server.url + answer.headers['Location']).status_code == 204
    assert not server.memory.uploads


def test_a_manifest_goes_by_tag_and_by_digest(server: ScriptedRegistry, session: requests.Session) -> None:
    manifests = f'{server.url}/v2/a/manifests'
    media_type = {'Content-Type': 'application/vnd.oci.image.manifest.v1+json'}
    digest = session.put(f'{manifests}/one', data=b'{}', headers=media_type).headers['Docker-Content-Digest']
    assert session.put(f'{manifests}/{digest_of(b"")}', data=b'{}').status_code == 400
    assert session.put(f'{manifests}/two', data=b'{}', headers=media_type).status_code == 201
    for reference in ('one', 'two', digest):
        answer = session.head(f'{manifests}/{reference}')
        assert (answer.headers['Content-Type'], answer.headers['Content-Length']) == (media_type['Content-Type'], '2')
    assert session.delete(f'{manifests}/two').status_code == 202
    assert session.get(f'{server.url}/v2/a/tags/list').json() == {'name': 'a', 'tags': ['one']}
    assert session.delete(f'{manifests}/{digest}').status_code == 202
    assert session.get(f'{manifests}/one').status_code == 404
    assert session.delete(f'{manifests}/{digest}').status_code == 404


def test_a_listing_comes_in_pages(server: ScriptedRegistry, session: requests.Session) -> None:
    for tag in 'dcbae':
        server.memory.put_manifest('a', tag, 'application/json', b'{}')
    first = session.get(f'{server.url}/v2/a/tags/list?n=2')
    assert first.json()['tags'] == ['a', 'b']
    assert first.links['next']['url'] == '/v2/a/tags/list?n=2&last=b'
    last = session.get(f'{server.url}/v2/a/tags/list?n=2&last=d')
    assert (last.json()['tags'], last.links) == (['e'], {})


@pytest.mark.parametrize('method, path, status', [
    ('GET', '/', 404),
    ('GET', '/v2/none/tags/list', 404),
    ('PUT', '/v2/', 405),
    ('GET', '/v2/a/blobs/sha256:0', 404),
    ('DELETE', '/v2/a/blobs/sha256:0', 404),
    ('GET', '/v2/a/manifests/none', 404),
])
def test_what_is_not_there_is_refused_in_the_registry_s_way(server: ScriptedRegistry, session: requests.Session,
                                                            method: str, path: str, status: int) -> None:
    answer = session.request(method, server.url + path)
    assert answer.status_code == status
    assert answer.json()['errors'][0]['code']


# The record

def test_everything_that_was_sent_is_in_the_record(server: ScriptedRegistry, session: requests.Session) -> None:
    session.put(f'{server.url}/v2/x?a=1&b=%2F&a=2', data=b'body', headers={'Authorization': 'Basic x'})
    session.patch(f'{server.url}/v2/x', data=iter([b'in ', b'chunks']))
    with requests.Session() as other:
        other.get(f'{server.url}/v2/')
    put, patch, get = server.requests
    assert (put.line, put.target, put.parameter('a')) == ('PUT /v2/x', '/v2/x?a=1&b=%2F&a=2', '2')
    assert (put.authorization, put.headers['content-length'], put.body, put.length) == ('Basic x', '4', b'body', 4)
    assert (patch.headers['Transfer-Encoding'], patch.body, patch.complete) == ('chunked', b'in chunks', True)
    assert (get.authorization, get.parameter('a')) == (None, None)
    assert [request.connection for request in server.requests] == [1, 1, 2]
    assert server.connections == 2
    assert server.lines() == ['PUT /v2/x', 'PATCH /v2/x', 'GET /v2/']


def test_of_a_large_body_the_length_is_in_the_record(server: ScriptedRegistry, session: requests.Session) -> None:
    content = bytes(KEPT + 1)
    session.post(f'{server.url}/v2/a/blobs/uploads/', params={'digest': digest_of(content)}, data=content)
    assert (server.requests[0].body, server.requests[0].length) == (b'', len(content))
    assert server.memory.blobs['a'][digest_of(content)] == content


def test_a_body_that_breaks_off_is_in_the_record_and_not_stored(server: ScriptedRegistry) -> None:
    connection = http.client.HTTPConnection(server.host, timeout=60)
    with closing(connection):
        connection.putrequest('PUT', '/v2/a/manifests/b')
        connection.putheader('Content-Length', '10')
        connection.endheaders(b'1234')
    assert eventually(lambda: bool(server.requests))
    assert (server.requests[0].body, server.requests[0].complete) == (b'1234', False)
    assert not server.memory.manifests['a']


# The script

def test_the_table_answers_before_early_and_early_before_the_hook(server: ScriptedRegistry,
                                                                  session: requests.Session) -> None:
    server.script('GET', '/v2/', [Answer(201), lambda request: Answer(202)])
    server.early = lambda request: Answer(203) if len(server.requests) < 3 else None
    server.hook = lambda request: Answer(299) if len(server.requests) < 5 else None
    statuses = [session.get(f'{server.url}/v2/?n={number}').status_code for number in range(5)]
    assert statuses == [201, 202, 203, 299, 200]


def test_a_hook_sees_the_request_and_may_spoil_the_ordinary_answer(server: ScriptedRegistry,
                                                                   session: requests.Session) -> None:
    def hook(request: Request) -> Answer | None:
        return replace(server.ordinary(request), head=False, reset=0) if request.body == b'9' else None

    server.hook = hook
    url = f'{server.url}/v2/a/blobs/uploads/?digest={digest_of(b"9")}'
    with pytest.raises(NoConnection):
        session.post(url, data=b'9')
    assert session.get(f'{server.url}/v2/a/blobs/{digest_of(b"9")}').content == b'9'  # stored, and the answer lost


def test_a_guard_asks_everybody_else_for_a_credential(server: ScriptedRegistry, session: requests.Session) -> None:
    server.hook = guard('Bearer right', 'Bearer realm="https://example.com/"')
    answer = session.get(f'{server.url}/v2/', headers={'Authorization': 'Bearer wrong'})
    assert (answer.status_code, answer.headers['WWW-Authenticate']) == (401, 'Bearer realm="https://example.com/"')
    assert session.get(f'{server.url}/v2/', headers={'Authorization': 'Bearer right'}).status_code == 200


def test_an_exception_in_a_hook_fails_the_test() -> None:
    def hook(request: Request) -> Answer:
        raise ZeroDivisionError(request.path)

    with pytest.raises(ZeroDivisionError, match='/v2/'), ScriptedRegistry() as server:
        server.hook = hook
        with pytest.raises(NoConnection):
            requests.get(f'{server.url}/v2/', timeout=60)


# The faults

@pytest.mark.parametrize('answer', [LOST, RESET])
@pytest.mark.parametrize('tls', [False, True])
def test_an_answer_can_be_lost(certificates: Certificates, answer: Answer, tls: bool) -> None:
    with ScriptedRegistry(certificates if tls else None) as server, requests.Session() as session:
        server.script('GET', '/v2/', [answer])
        with pytest.raises(NoConnection):
            session.get(f'{server.url}/v2/', verify=certificates.ca)
        assert session.get(f'{server.url}/v2/', verify=certificates.ca).status_code == 200
        assert server.connections == 2


def read(server: ScriptedRegistry, answer: Answer, certificates: Certificates | None = None, timeout: float = 5
         ) -> tuple[bytes, str]:
    """Return what came of a scripted answer's body, and how it ended: a name of an error, or nothing."""
    server.script('GET', '/v2/x', [answer])
    received = b''
    with requests.Session() as session:
        try:
            response = session.get(f'{server.url}/v2/x', stream=True, timeout=timeout,
                                   verify=True if certificates is None else certificates.ca)
            for piece in response.iter_content(1):
                received += piece
        except (ChunkedEncodingError, NoConnection, ReadTimeout) as problem:
            return received, str(problem)
    return received, ''


@pytest.mark.parametrize('answer, received, ending', [
    (Answer(body=b'12345'), b'12345', ''),
    (Answer(body=[b'12', b'345']), b'12345', ''),
    (Answer(body=b'12345', declared=7), b'12345', 'IncompleteRead(5 bytes read, 2 more expected)'),
    (Answer(body=b'12345', declared=3), b'123', ''),
    (Answer(body=[b'12', b'345'], declared=5), b'12345', ''),
    (Answer(body=b'12345', undelimited=True), b'12345', ''),
    (Answer(body=b'12345', reset=2), b'12', 'reset'),
    (Answer(body=b'12345', reset=0), b'', 'reset'),
    (Answer(body=b'12345', reset=5), b'12345', ''),
    (Answer(body=[b'1234', b'5'], reset=3), b'123', 'reset'),
    (Answer(body=b'12345', stall=3), b'123', 'timed out'),
    (SILENCE, b'', 'timed out'),
    (Answer(body=b'12345', drip=(2, 0.1)), b'12345', ''),
])
@pytest.mark.parametrize('tls', [False, True])
def test_each_fault_arrives_as_it_was_scripted(certificates: Certificates, tls: bool, answer: Answer,
                                               received: bytes, ending: str) -> None:
    with ScriptedRegistry(certificates if tls else None) as server:
        body, how = read(server, answer, certificates if tls else None, 1 if ending == 'timed out' else 5)
    assert body == received
    assert bool(ending) == bool(how)
    assert ending in how or (tls and ending == 'reset')  # Python's ssl reports a reset like any early end


def test_drips_are_as_slow_as_they_were_scripted(server: ScriptedRegistry) -> None:
    begin = time.monotonic()
    assert read(server, Answer(body=b'12345', drip=(1, 0.05))) == (b'12345', '')
    assert time.monotonic() - begin > 0.2


def test_a_body_need_not_be_read_before_it_is_refused(server: ScriptedRegistry) -> None:
    server.script('PUT', '/v2/x', [Answer(413, take=1000)])
    connection = http.client.HTTPConnection(server.host, timeout=60)
    with closing(connection):
        connection.putrequest('PUT', '/v2/x')
        connection.putheader('Content-Length', '1000000')
        connection.endheaders(bytes(1000))
        assert connection.getresponse().status == 413
    assert (server.requests[0].length, server.requests[0].complete) == (1000, False)


def test_informational_heads_come_before_the_answer(server: ScriptedRegistry) -> None:
    server.script('GET', '/v2/', [Answer(403, before=[interim(102), interim(103)])])
    host, port = server.host.split(':')
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b'GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        with connection.makefile('rb') as file:
            heads = file.read().split(b'\r\n\r\n')
    assert [head.split(b' ')[1] for head in heads if head] == [b'102', b'103', b'403']


def test_an_endless_body_ends_when_the_client_goes_away(server: ScriptedRegistry) -> None:
    sent = []

    def pieces() -> Iterator[bytes]:
        while True:
            sent.append(1)
            yield bytes(1 << 16)

    server.script('GET', '/v2/x', [Answer(body=pieces())])
    with requests.get(f'{server.url}/v2/x', stream=True, timeout=60) as response:
        assert len(next(response.iter_content(10))) == 10
    assert eventually(lambda: not server.open)
    assert len(sent) < 1000


def test_a_refusal_has_the_specification_s_form() -> None:
    answer = error(404, 'BLOB_UNKNOWN', headers={'X': 'y'})
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {'errors': [{'code': 'BLOB_UNKNOWN', 'message': 'blob unknown'}]}
    assert answer.headers == {'Content-Type': 'application/json', 'X': 'y'}


# The end

def test_a_client_that_goes_away_or_talks_nonsense_leaves_no_trace(certificates: Certificates,
                                                                   capfd: pytest.CaptureFixture[str]) -> None:
    for tls in (None, certificates):
        with ScriptedRegistry(tls) as server:
            address = ('127.0.0.1', int(server.host.partition(':')[2]))
            for nonsense in (b'', b'\x00\xff\r\n\r\n', b'GET /v2/ HTTP/1.1\r\n', bytes(100_000)):
                with socket.create_connection(address, timeout=60) as connection:
                    connection.sendall(nonsense)
            with pytest.raises(requests.exceptions.SSLError) if tls else closing(requests.Session()):
                DXFBase(server.host, insecure=tls is None).api_version_check()
    assert capfd.readouterr() == ('', '')


def test_it_is_gone_at_once_whatever_it_was_doing(certificates: Certificates) -> None:
    with ExitStack() as clients, ScriptedRegistry(certificates) as server:
        server.script('GET', '/v2/', [SILENCE, Answer(body=b'12', drip=(1, 600))])
        address = ('127.0.0.1', int(server.host.partition(':')[2]))
        context = ssl.create_default_context(cafile=certificates.ca)
        for _ in range(2):
            clients.enter_context(socket.create_connection(address, timeout=60))  # and does not even shake hands
            connection = clients.enter_context(context.wrap_socket(
                socket.create_connection(address, timeout=60), server_hostname='localhost'))
            connection.sendall(b'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n')
        assert eventually(lambda: len(server.requests) == 2)
        begin = time.monotonic()
    assert time.monotonic() - begin < 120
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1)


def test_two_are_two_origins(server: ScriptedRegistry, session: requests.Session) -> None:
    with ScriptedRegistry() as other:
        server.script('GET', '/v2/', [Answer(307, {'Location': f'{other.url}/v2/elsewhere'})])
        session.get(f'{server.url}/v2/')
        assert server.lines() == ['GET /v2/']
        assert other.lines() == ['GET /v2/elsewhere']
