"""What a server sends that is not the body of its final response: interim responses, headers, chunk sizes, trailers."""

import contextlib
import json
import resource
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import repeat

import pytest
import requests
from requests.exceptions import RequestException

from dxf import DXF, Limits, hash_bytes
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFError, DXFHTTPError, DXFProtocolError
from dxf.transport.adapter import MAX_FRAMING, MAX_INTERIM
from dxf.transport.proxies import Proxies

from ..helpers.processes import Runner
from ..helpers.tables import paired
from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error

FAST = Limits(retries=1, backoff=0)
CONTENT = b'what is stored'
DIGEST = hash_bytes(CONTENT)
MANIFEST = json.dumps({'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json', 'layers': [],
                       'config': {'mediaType': 'application/json', 'digest': DIGEST, 'size': len(CONTENT)}})
HINTS = b'HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nContent-Length: 5\r\n\r\n'
CONTINUE = b'HTTP/1.1 100 Continue\r\n\r\n'
PROCESSING = b'HTTP/1.1 102 Processing\r\n\r\n'
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
SECONDS = 30
"""An endless response ends in far less; a slow machine may need more than a moment."""


@pytest.fixture(name='server', params=['http', 'https'])
def start_server(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[ScriptedRegistry]:
    """A scripted registry."""
    with ScriptedRegistry(certificates if request.param == 'https' else None) as server:
        yield server


@pytest.fixture(name='client')
def make_client(server: ScriptedRegistry, certificates: Certificates) -> DXF:
    """A client of a repository there."""
    return connect(server, certificates)


def connect(server: ScriptedRegistry, certificates: Certificates, limits: Limits = FAST) -> DXF:
    """Return a client of a repository of a registry."""
    return DXF(server.host, 'fred/a', insecure=server.insecure, tlsverify=certificates.ca, limits=limits)


@contextlib.contextmanager
def tunnel(server: ScriptedRegistry, before: bytes, opens: bool = True) -> Iterator[str]:
    """Run a proxy that takes CONNECT; yield its address.

    :param before: what it sends before it opens the tunnel
    :param opens: whether it does so at all
    """
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while b'\r\n\r\n' not in connection.recv(4096):
                pass
            connection.sendall(before)
            if not opens:
                return
            connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
            with socket.create_connection(('127.0.0.1', int(server.host.partition(':')[2]))) as onward:
                while True:
                    for one in select.select([connection, onward], [], [])[0]:
                        piece = one.recv(65536)
                        if not piece:
                            return
                        (onward if one is connection else connection).sendall(piece)

    def listen() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield f'http://localhost:{listener.getsockname()[1]}'
        finally:
            ended.set()
            thread.join()


# Interim responses

@pytest.mark.parametrize('interim', [
    HINTS, CONTINUE, PROCESSING, HINTS * 3, CONTINUE + HINTS + PROCESSING, b'HTTP/1.1 199 x\nA: b\n\n', CONTINUE * 50,
], ids=['103', '100', '102', '103 three times', 'several', '199 with bare line feeds', '100 fifty times'])
def test_an_interim_response_is_not_the_final_one(server: ScriptedRegistry, client: DXF, interim: bytes) -> None:
    server.memory.put('fred/a', CONTENT)
    server.hook = lambda request: replace(server.ordinary(request), before=[interim])
    assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    assert client.blob_size(DIGEST) == len(CONTENT)
    assert client.push_blob(data=b'more') == hash_bytes(b'more')
    client.set_alias('latest', DIGEST)
    assert client.list_aliases() == ['latest']
    client.del_blob(DIGEST)
    assert DIGEST not in server.memory.blobs['fred/a']
    assert server.connections == 1      # nothing was left over that the next request could take for its answer


@pytest.mark.parametrize('interim, ask', paired({'103': HINTS, '102': PROCESSING, '100 and 103': CONTINUE + HINTS}, {
    'del_blob': lambda client: client.del_blob(DIGEST),
    'blob_size': lambda client: client.blob_size(DIGEST),
    'push_blob': lambda client: client.push_blob(data=CONTENT),
    'set_manifest': lambda client: client.set_manifest('latest', MANIFEST),
    'mount_blob': lambda client: client.mount_blob('fred/b', DIGEST),
    'list_aliases': lambda client: client.list_aliases(),
    'pull_blob': lambda client: b''.join(client.pull_blob(DIGEST)),
}))
def test_a_refusal_after_an_interim_response_is_a_refusal(server: ScriptedRegistry, client: DXF, interim: bytes,
                                                          ask: Callable[[DXF], object]) -> None:
    server.hook = lambda request: replace(error(403, 'DENIED'), before=[interim])
    with pytest.raises(DXFHTTPError) as caught:
        ask(client)
    assert caught.value.response is not None and caught.value.response.status_code == 403


@pytest.mark.parametrize('interim', [HINTS, PROCESSING])
def test_an_interim_response_and_then_nothing_is_a_broken_connection(server: ScriptedRegistry, client: DXF,
                                                                     interim: bytes) -> None:
    server.hook = lambda request: Answer(head=False, before=[interim])
    with pytest.raises(requests.exceptions.ConnectionError):
        client.del_blob(DIGEST)
    assert len(server.requests) == 2    # it was tried again


def test_a_server_that_switches_protocols_is_an_error(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: Answer(head=False, before=[b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'])
    with pytest.raises(DXFProtocolError, match='101'):
        client.del_blob(DIGEST)
    assert len(server.requests) == 1


def test_an_interim_response_by_a_session_of_the_caller_s_is_no_success(certificates: Certificates) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: replace(error(403, 'DENIED'), before=[HINTS])
        client = connect(server, certificates)
        client._sessions[0] = requests.Session()    # which takes 103 for the final response
        with pytest.raises(DXFProtocolError, match='103'):
            client.del_blob(DIGEST)


def test_the_command_says_that_a_refused_deletion_failed() -> None:
    with ScriptedRegistry() as server:
        server.memory.put('fred/a', CONTENT)
        server.hook = lambda request: replace(error(403, 'SOME_CODE'), before=[HINTS])
        ended = Runner(server.environ()).run('del-blob', 'fred/a', DIGEST).insist(1)
        assert 'SOME_CODE' in ended.lines[0]
        assert DIGEST in server.memory.blobs['fred/a']


def test_an_interim_response_of_a_proxy_to_connect_is_skipped(certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server, tunnel(server, HINTS + PROCESSING) as proxy:
        client = connect(server, certificates)
        client.options = client.options.replace(proxies=Proxies(https=proxy))
        assert client.push_blob(data=CONTENT) == DIGEST
        assert server.memory.blobs['fred/a'][DIGEST] == CONTENT


@pytest.mark.parametrize('answer', [HINTS + b'HTTP/1.1 403 no\r\n\r\n', b'HTTP/1.1 101 x\r\n\r\n',
                                    CONTINUE * (MAX_INTERIM + 1)], ids=['103, 403', '101', '100 for ever'])
def test_a_proxy_that_says_no_after_an_interim_response_says_no(certificates: Certificates, answer: bytes) -> None:
    with ScriptedRegistry(certificates) as server, tunnel(server, answer, opens=False) as proxy:
        client = connect(server, certificates)
        client.options = client.options.replace(proxies=Proxies(https=proxy))
        with pytest.raises(requests.exceptions.ProxyError) as caught:
            client.push_blob(data=CONTENT)
        assert f'the proxy {proxy}' in line_of(caught.value)
        assert not server.requests


# Framing without end

def fragments(*pieces: bytes) -> Iterator[bytes]:
    """Yield pieces, the last one for ever."""
    yield from pieces[:-1]
    yield from repeat(pieces[-1])


HEADS: dict[str, Callable[[], Iterable[bytes]]] = {
    '100 Continue': lambda: repeat(CONTINUE),
    '103 with a header': lambda: repeat(HINTS),
    'one 103 whose headers never end': lambda: fragments(b'HTTP/1.1 103 x\r\n', b'X: y\r\n'),
    'long interim headers': lambda: repeat(b'HTTP/1.1 102 x\r\nX: ' + b'y' * 60_000 + b'\r\n\r\n'),
    'headers': lambda: fragments(b'HTTP/1.1 200 OK\r\n', b'X: y\r\n'),
    'long headers': lambda: fragments(b'HTTP/1.1 200 OK\r\n', b'X: ' + b'y' * 60_000 + b'\r\n'),
    'one header': lambda: fragments(b'HTTP/1.1 200 OK\r\nX: ', b'y' * 1000),
    'a status line': lambda: fragments(b'HTTP/1.1 200 ', b'y' * 1000),
    'empty lines before the status line': lambda: repeat(b'\r\n'),
}
ENDLESS: dict[str, Callable[[], Iterable[bytes]]] = {
    **HEADS,
    'trailers': lambda: fragments(CHUNKED + b'0\r\n', b'X: y\r\n'),
    'long trailers': lambda: fragments(CHUNKED + b'0\r\n', b'X: ' + b'y' * 60_000 + b'\r\n'),
    'trailers after a body': lambda: fragments(CHUNKED + b'2\r\n{}\r\n0\r\n', b'X: y\r\n'),
    'the size of a chunk': lambda: fragments(CHUNKED, b'0' * 1000),
    'extensions of a chunk': lambda: fragments(CHUNKED + b'1;', b'x=y;' * 1000),
    'extensions of many chunks': lambda: fragments(CHUNKED, b'1;' + b'x=y;' * 10_000 + b'\r\n \r\n'),
}


@pytest.mark.parametrize('what', ENDLESS)
@pytest.mark.parametrize('ask', [
    pytest.param(lambda client: client.list_aliases(), id='a listing'),
    pytest.param(lambda client: b''.join(client.pull_blob(DIGEST)), id='a blob'),
])
def test_what_never_ends_is_one_line(what: str, ask: Callable[[DXF], object], certificates: Certificates) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(head=False, before=ENDLESS[what]())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        with pytest.raises((DXFError, RequestException)) as caught:
            ask(connect(server, certificates))
        assert len(line_of(caught.value).splitlines()) == 1
        assert time.process_time() - start < SECONDS
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10   # KiB
        assert len(server.requests) <= 3    # a second attempt, and for a blob its size


@pytest.mark.parametrize('what', HEADS)
def test_a_deletion_whose_response_never_begins_is_one_line(what: str, certificates: Certificates) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(head=False, before=ENDLESS[what]())
        with pytest.raises((DXFError, RequestException)) as caught:
            connect(server, certificates).del_blob(DIGEST)
        assert len(line_of(caught.value).splitlines()) == 1
        assert len(server.requests) <= 2


@pytest.mark.parametrize('what', ['100 Continue', 'trailers', 'extensions of many chunks'])
def test_a_command_ends_where_a_server_does_not(what: str) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(head=False, before=ENDLESS[what]())
        ended = Runner(server.environ()).run('list-aliases', 'fred/a').insist(1)
        assert 'the server sent more than' in ended.lines[0]


@pytest.mark.parametrize('piece', [CONTINUE, HINTS], ids=['100', '103'])
def test_interim_responses_that_drip_are_a_stall(piece: bytes, certificates: Certificates) -> None:
    with ScriptedRegistry() as server:
        def drips() -> Iterator[bytes]:
            while not ended.wait(0.2):
                yield piece
        ended = threading.Event()
        server.hook = lambda request: Answer(head=False, before=drips())
        client = connect(server, certificates, Limits(retries=0))
        client._timeout = 0.5       # each pause is shorter
        with pytest.raises(requests.exceptions.ReadTimeout):
            client.del_blob(DIGEST)
        ended.set()


def test_trailers_that_drip_are_a_stall(certificates: Certificates) -> None:
    with ScriptedRegistry() as server:
        def drips() -> Iterator[bytes]:
            yield CHUNKED + b'e\r\n' + CONTENT + b'\r\n0\r\n'
            while not ended.wait(0.2):
                yield b'X: y\r\n'
        ended = threading.Event()
        server.hook = lambda request: Answer(head=False, before=drips())
        client = connect(server, certificates, Limits(retries=0))
        client._timeout = 0.5
        with pytest.raises(requests.exceptions.ReadTimeout):
            list(client.pull_blob(DIGEST))
        ended.set()


# What is legal stays legal

def chunks(content: bytes, size: int, line: bytes) -> Iterator[bytes]:
    """Yield a chunked response; ``line`` formats the size of a chunk."""
    yield CHUNKED
    for piece in (content[start:start + size] for start in range(0, len(content), size)):
        yield line % len(piece) + b'\r\n' + piece + b'\r\n'


@pytest.mark.parametrize('line', [b'%x', b'%08X', b'%x;a=b'], ids=['plain', 'padded', 'with an extension'])
def test_a_body_in_chunks_of_one_byte_is_read(line: bytes, certificates: Certificates) -> None:
    content = bytes(10_000)
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(declared=10_000) if request.method == 'HEAD' else Answer(
            head=False, before=[b''.join(chunks(content, 1, line)) + b'0\r\nX-Checksum: y\r\n\r\n'])
        assert b''.join(connect(server, certificates).pull_blob(hash_bytes(content))) == content


def test_a_response_with_many_headers_is_read(server: ScriptedRegistry, client: DXF) -> None:
    server.memory.put('fred/a', CONTENT)
    headers = {f'X-{number}': 'y' * 2000 for number in range(90)}      # 180 kB

    def hook(request: Request) -> Answer:
        answer = server.ordinary(request)
        return replace(answer, headers={**answer.headers, **headers})
    server.hook = hook
    assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    assert MAX_FRAMING > 180_000
