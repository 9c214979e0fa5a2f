"""A registry that does as it is told: a correct one in memory, any of whose answers a test may replace or spoil.

Owns the wire (connections, records, faults) and a minimal distribution-spec registry that answers whatever no test
has scripted. A second instance serves as another origin, one that records whatever reaches it.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import socket
import ssl
import struct
import sys
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from .certificates import Certificates

REPO = 'fred/a'
"""The repository that most tests use."""

KEPT = 16 << 20
"""Bytes of the largest request body that stays in the record."""

PIECE = 64 << 10


@dataclass(frozen=True)
class Request:
    """One request, as it arrived.

    ``path`` has no query, and ``query`` is raw. ``body`` is whole for a hook; in the record it is empty where it was
    larger than :data:`KEPT`, and ``length`` tells how long it was. ``complete`` is False where the client stopped
    before its end, or the answer that was scripted did not take it all. ``connection`` numbers the connections from 1.
    ``certified``: the client has shown a certificate.
    """

    method: str
    path: str
    query: str
    headers: Message
    connection: int
    body: bytes = b''
    length: int = 0
    complete: bool = True
    certified: bool = False

    @property
    def line(self) -> str:
        """``METHOD path``, for comparisons."""
        return f'{self.method} {self.path}'

    @property
    def target(self) -> str:
        """The path with its query."""
        return f'{self.path}?{self.query}' if self.query else self.path

    @property
    def authorization(self) -> str | None:
        """The Authorization header."""
        return self.headers.get('Authorization')

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query, the last where there are several; ``None`` without one."""
        return parse_qs(self.query, keep_blank_values=True).get(name, [None])[-1]


@dataclass(frozen=True)
class Answer:
    """What the server does with a request; by default all of it well.

    :param body: bytes, sent with their Content-Length; or an iterable of them, sent chunked as it yields.
    :param declared: a Content-Length that is not the body's; the connection is closed after the body.
    :param undelimited: neither a Content-Length nor chunks: the closed connection ends the body.
    :param head: False sends no head, hence no body either: the connection is closed or ``reset``, or stalls.
    :param reset: after so many bytes of the body the connection is reset (a RST, not an end).
    :param stall: after so many bytes of the body nothing more comes, until the test is over.
    :param drip: (bytes, seconds): the body comes so many bytes at a time, with a pause before each.
    :param before: bytes sent as they are before the head: interim responses; or a whole response that never ends.
    :param take: read no more of the request's body once so many bytes are there, answer, and close the connection.
        Only where the answer is chosen before the body was read: by ``early`` or the table.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b''
    declared: int | None = None
    undelimited: bool = False
    head: bool = True
    reset: int | None = None
    stall: int | None = None
    drip: tuple[int, float] | None = None
    take: int | None = None
    before: Iterable[bytes] = ()

    @property
    def closes(self) -> bool:
        """Whether the connection cannot be used after it."""
        return not self.head or self.undelimited or not (
            self.declared is None and self.reset is None and self.stall is None and self.take is None)


LOST = Answer(head=False)
"""No answer: the connection just ends."""

RESET = Answer(head=False, reset=0)
"""No answer but a reset connection."""

SILENCE = Answer(head=False, stall=0)
"""No answer, for ever."""

Hook = Callable[[Request], Answer | None]


def error(status: int, code: str, message: str = '', headers: Mapping[str, str] | None = None) -> Answer:
    """Return a refusal in the form of the distribution-spec."""
    document = {'errors': [{'code': code, 'message': message or code.lower().replace('_', ' ')}]}
    return Answer(status, {'Content-Type': 'application/json', **(headers or {})}, json.dumps(document).encode())


def interim(status: int) -> bytes:
    """Return an interim response: https://www.rfc-editor.org/rfc/rfc9110#section-15.2."""
    return b'HTTP/1.1 %d %b\r\nLink: </style.css>; rel=preload\r\n\r\n' % (status, HTTPStatus(status).phrase.encode())


def guard(authorization: str, challenge: str, status: int = 401) -> Hook:
    """Return a hook that refuses every request with another Authorization header than this one."""
    def hook(request: Request) -> Answer | None:
        if request.authorization == authorization:
            return None
        return error(status, 'UNAUTHORIZED', headers={'WWW-Authenticate': challenge})
    return hook


class ScriptedRegistry:
    """A registry on a free port of 127.0.0.1, as a context manager.

    :param tls: speak https with this certificate.
    :param asks: ask clients for a certificate of the same authority.

    A request is answered by the first of these that has something to say; ``None`` from a hook passes it on:

    - the table, filled by :meth:`script`;
    - ``early(request)``, called when only the head of the request was read;
    - ``hook(request)``, called with the body;
    - :meth:`ordinary`, which is what a correct registry does. A hook may call it and spoil what it returns:
      ``server.hook = lambda request: replace(server.ordinary(request), reset=100)``.

    ``requests`` is everything it was sent, ``memory`` what the ordinary registry holds. An exception in a hook is
    raised when the context is left.
    """

    def __init__(self, tls: Certificates | None = None, *, asks: bool = False) -> None:
        self.requests: list[Request] = []
        self.hook: Hook | None = None
        self.early: Hook | None = None
        self.memory = Memory()
        self._table: dict[tuple[str, str], list[Answer | Hook]] = defaultdict(list)
        self._server = _Server(self, None if tls is None else tls.context(asks))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.insecure = tls is None
        self.host = f'localhost:{self._server.server_address[1]}'
        self.url = f'{"http" if self.insecure else "https"}://{self.host}'

    def __enter__(self) -> ScriptedRegistry:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._server.stop()
        self._thread.join()
        if problem is None and self._server.failures:
            raise self._server.failures[0]

    @property
    def connections(self) -> int:
        """The number of connections that clients have opened so far."""
        return self._server.connected

    @property
    def open(self) -> int:
        """The number of connections that are open now."""
        return len(self._server.numbers)

    @property
    def stalls(self) -> bool:
        """Whether an answer in the table stalls."""
        return any(isinstance(answer, Answer) and answer.stall is not None
                   for answers in self._table.values() for answer in answers)

    @property
    def drips(self) -> bool:
        """Whether an answer in the table drips."""
        return any(isinstance(answer, Answer) and answer.drip is not None
                   for answers in self._table.values() for answer in answers)

    def environ(self, **variables: str) -> dict[str, str]:
        """Return the command line's variables; a subprocess needs those of ``os.environ`` beside them."""
        return {'DXF_HOST': self.host, **({'DXF_INSECURE': '1'} if self.insecure else {}), **variables}

    def script(self, method: str, path: str, answers: Iterable[Answer | Hook]) -> None:
        """Answer the next requests of a path like this, one after another; the query does not matter."""
        self._table[method, path].extend(answers)

    def ordinary(self, request: Request) -> Answer:
        """Do what a correct registry does, and return its answer."""
        return self.memory.answer(request)

    def lines(self) -> list[str]:
        """Return ``METHOD path`` of each request."""
        return [request.line for request in self.requests]

    def of(self, method: str) -> list[Request]:
        """Return the requests that have this method."""
        return [request for request in self.requests if request.method == method]

    def choose_early(self, head: Request) -> Answer | None:
        """Return the answer for a request whose body was not read yet, if one is scripted."""
        answers = self._table[head.method, head.path]
        if not answers:
            return None if self.early is None else self.early(head)
        first = answers[0]
        if not isinstance(first, Answer):
            return None
        answers.pop(0)
        return first

    def choose(self, request: Request) -> Answer:
        """Return the answer for a request."""
        answers = self._table[request.method, request.path]
        for hook in (answers.pop(0) if answers else None, self.hook):
            answer = hook(request) if callable(hook) else hook
            if answer is not None:
                return answer
        return self.ordinary(request)


# The wire

class _Server(ThreadingHTTPServer):
    """Numbers its connections, shakes hands with each in its own thread, and ends all of them at once."""

    daemon_threads = False  # so that server_close waits for them: nothing outlives the test
    request_queue_size = 128

    def __init__(self, registry: ScriptedRegistry, context: ssl.SSLContext | None) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.registry = registry
        self.connected = 0
        self.numbers: dict[socket.socket, int] = {}
        self.failures: list[BaseException] = []
        self.ending = threading.Event()
        self._context = context

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = self.socket.accept()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.connected += 1
        self.numbers[connection] = self.connected
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.numbers.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what a hook raised; a client that went away is no error."""
        problem = sys.exc_info()[1]
        if problem is not None and not isinstance(problem, OSError):
            self.failures.append(problem)

    def stop(self) -> None:
        """End everything."""
        self.ending.set()
        self.shutdown()
        for connection in list(self.numbers):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self.server_close()


class _Stop(OSError):
    """The fault that was scripted is done: the connection ends here."""


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1, kept alive; every method goes the same way."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def _serve(self) -> None:
        path, _, query = self.path.partition('?')
        head = Request(self.command, path, query, self.headers, self.server.numbers[self.connection],
                       certified=isinstance(self.connection, ssl.SSLSocket) and bool(self.connection.getpeercert()))
        registry = self.server.registry
        answer = registry.choose_early(head)
        request = self._read(head, None if answer is None else answer.take)
        registry.requests.append(request if request.length <= KEPT else replace(request, body=b''))
        if answer is None:
            if not request.complete:
                raise _Stop
            answer = registry.choose(request)
        self._send(answer)

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = _serve

    def _read(self, head: Request, limit: int | None) -> Request:
        """Read the body, as much of it as there is and as is wanted."""
        body = bytearray()
        complete = False
        pieces = self._chunks() if 'Transfer-Encoding' in self.headers else \
            self._declared(int(self.headers.get('Content-Length', 0)))
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while not complete and (limit is None or len(body) < limit):
                piece = next(pieces, b'')
                body += piece
                complete = not piece
        return replace(head, body=bytes(body), length=len(body), complete=complete)

    def _declared(self, length: int) -> Iterator[bytes]:
        while length:
            piece = self.rfile.read1(min(length, PIECE))
            if not piece:
                raise ConnectionError
            length -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while length := int(self._line(), 16):
            yield self.rfile.read(length)
            self._line()
        self._line()

    def _line(self) -> bytes:
        line = self.rfile.readline(100)
        if not line.endswith(b'\n'):
            raise ConnectionError
        return line

    def _send(self, answer: Answer) -> None:
        # A response to HEAD has no body that could be cut. Closed without a word, its connection would fail the next
        # request, or not, by chance.
        if answer.closes and not (answer.head and self.command == 'HEAD'):
            self.close_connection = True
        for piece in answer.before:
            self.wfile.write(piece)
        if answer.head:
            self._send_head(answer)
        try:
            if answer.head and self.command != 'HEAD':
                self._send_body(answer)
            elif not answer.head:
                self._limit(answer, 0)
        finally:
            self.wfile.flush()

    def _send_head(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes) or answer.declared is not None:
            whole = len(answer.body) if isinstance(answer.body, bytes) else 0
            if not answer.undelimited and answer.status != HTTPStatus.NO_CONTENT:
                self.send_header('Content-Length', str(whole if answer.declared is None else answer.declared))
        elif not answer.undelimited:
            self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()

    def _send_body(self, answer: Answer) -> None:
        pieces: Iterable[bytes] = [answer.body] if isinstance(answer.body, bytes) else answer.body
        chunked = not isinstance(answer.body, bytes) and answer.declared is None and not answer.undelimited
        sent = 0
        for piece in _cut(pieces, answer):
            self._limit(answer, sent)
            if answer.drip is not None:
                self._flush_and_wait(answer.drip[1])
            self.wfile.write(b'%x\r\n%b\r\n' % (len(piece), bytes(piece)) if chunked else piece)
            sent += len(piece)
        self._limit(answer, sent)
        if chunked:
            self.wfile.write(b'0\r\n\r\n')

    def _limit(self, answer: Answer, sent: int) -> None:
        """Reset or stall, if that is due after so many bytes."""
        if sent == answer.reset:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            self.connection.close()  # as soon as the files on it are closed, and without an orderly end
            raise _Stop
        if sent == answer.stall:
            self._flush_and_wait(None)

    def _flush_and_wait(self, seconds: float | None) -> None:
        self.wfile.flush()
        if self.server.ending.wait(seconds):
            raise _Stop

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: ``ScriptedRegistry.requests`` is the log."""


def _cut(pieces: Iterable[bytes], answer: Answer) -> Iterator[memoryview]:
    """Cut a body where the answer's faults are due, and into its drips; copy none of it."""
    marks = [mark for mark in (answer.reset, answer.stall) if mark]
    size = PIECE if answer.drip is None else answer.drip[0]
    sent = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            length = min([size, *(mark - sent for mark in marks if mark > sent)])
            yield rest[:length]
            sent += len(rest[:length])
            rest = rest[length:]


# The registry

class Memory:
    """A minimal registry: answers requests, and holds what it was given.

    ``blobs`` by repository and digest; ``manifests`` by repository and digest, (media type, content); ``tags`` by
    repository and name; ``uploads`` by their id, what has arrived.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.manifests: dict[str, dict[str, tuple[str, bytes]]] = defaultdict(dict)
        self.tags: dict[str, dict[str, str]] = defaultdict(dict)
        self.uploads: dict[str, bytes] = {}
        name = r'/v2/(?P<name>.+)'
        routes: tuple[tuple[str, dict[str, Callable[..., Answer]]], ...] = (
            ('/v2/', {'GET': lambda request: Answer(body=b'{}')}),
            ('/v2/_catalog', {'GET': self._catalog}),
            (f'{name}/tags/list', {'GET': self._list_tags}),
            (f'{name}/blobs/uploads/', {'POST': self._open_upload}),
            (f'{name}/blobs/uploads/(?P<upload>[^/]+)', {
                'GET': self._ask_upload, 'PATCH': self._extend_upload, 'PUT': self._close_upload,
                'DELETE': self._cancel_upload}),
            (f'{name}/blobs/(?P<digest>[^/]+)', {
                'GET': self._get_blob, 'HEAD': self._get_blob, 'DELETE': self._delete_blob}),
            (f'{name}/manifests/(?P<reference>[^/]+)', {
                'GET': self._get_manifest, 'HEAD': self._get_manifest, 'PUT': self._put_manifest,
                'DELETE': self._delete_manifest}),
        )
        self._routes = [(re.compile(pattern), methods) for pattern, methods in routes]

    def answer(self, request: Request) -> Answer:
        """Do what a request asks for."""
        for pattern, methods in self._routes:
            match = pattern.fullmatch(request.path)
            if match is not None:
                if request.method not in methods:
                    return error(405, 'UNSUPPORTED')
                return methods[request.method](request, **match.groupdict())
        return error(404, 'NAME_UNKNOWN')

    def put(self, name: str, content: bytes) -> str:
        """Store a blob without a request, and return its digest."""
        digest = _digest(content)
        self.blobs[name][digest] = content
        return digest

    def put_manifest(self, name: str, tag: str, media_type: str, content: bytes) -> str:
        """Store a manifest under a tag without a request, and return its digest."""
        digest = _digest(content)
        self.manifests[name][digest] = (media_type, content)
        self.tags[name][tag] = digest
        return digest

    def _catalog(self, request: Request) -> Answer:
        return _page(request, 'repositories', {name for name in (*self.blobs, *self.manifests)
                                               if self.blobs[name] or self.manifests[name]})

    def _list_tags(self, request: Request, name: str) -> Answer:
        if name not in self.manifests:
            return error(404, 'NAME_UNKNOWN')
        return _page(request, 'tags', set(self.tags[name]), name=name)

    def _get_blob(self, request: Request, name: str, digest: str) -> Answer:
        content = self.blobs[name].get(digest)
        if content is None:
            return error(404, 'BLOB_UNKNOWN')
        headers = {'Content-Type': 'application/octet-stream', 'Docker-Content-Digest': digest,
                   'Accept-Ranges': 'bytes'}
        asked = re.fullmatch(r'bytes=(\d*)-(\d*)', request.headers.get('Range', ''))
        if asked is None or request.method == 'HEAD' or not any(asked.groups()):
            return Answer(200, headers, content)
        start = int(asked[1]) if asked[1] else max(len(content) - int(asked[2]), 0)
        end = min(int(asked[2]), len(content) - 1) if asked[1] and asked[2] else len(content) - 1
        if start > end:
            return error(416, 'RANGE_INVALID', headers={'Content-Range': f'bytes */{len(content)}'})
        headers['Content-Range'] = f'bytes {start}-{end}/{len(content)}'
        return Answer(206, headers, content[start:end + 1])

    def _delete_blob(self, _request: Request, name: str, digest: str) -> Answer:
        return error(404, 'BLOB_UNKNOWN') if self.blobs[name].pop(digest, None) is None else Answer(202)

    def _open_upload(self, request: Request, name: str) -> Answer:
        mount, source = request.parameter('mount'), request.parameter('from')
        if mount is not None and source is not None and mount in self.blobs[source]:
            return self._stored(name, self.blobs[source][mount])
        upload = uuid.uuid4().hex
        self.uploads[upload] = b''
        if request.parameter('digest') is not None:
            return self._close_upload(request, name, upload)
        return self._progress(name, upload, 202)

    def _progress(self, name: str, upload: str, status: int) -> Answer:
        """Say how much of an upload has arrived; its address changes with that, as real ones do."""
        size = len(self.uploads[upload])
        return Answer(status, {'Location': f'/v2/{name}/blobs/uploads/{upload}?_state={size}',
                               'Range': f'0-{max(size - 1, 0)}', 'Docker-Upload-UUID': upload})

    def _ask_upload(self, _request: Request, name: str, upload: str) -> Answer:
        return self._progress(name, upload, 204) if upload in self.uploads else error(404, 'BLOB_UPLOAD_UNKNOWN')

    def _extend_upload(self, request: Request, name: str, upload: str) -> Answer:
        if upload not in self.uploads:
            return error(404, 'BLOB_UPLOAD_UNKNOWN')
        start = request.headers.get('Content-Range', '').partition('-')[0]
        if start and int(start) != len(self.uploads[upload]):
            return replace(self._progress(name, upload, 416), body=error(416, 'RANGE_INVALID').body)
        self.uploads[upload] += request.body
        return self._progress(name, upload, 202)

    def _close_upload(self, request: Request, name: str, upload: str) -> Answer:
        if upload not in self.uploads:
            return error(404, 'BLOB_UPLOAD_UNKNOWN')
        content = self.uploads[upload] + request.body
        if _digest(content) != request.parameter('digest'):
            return error(400, 'DIGEST_INVALID')
        del self.uploads[upload]
        return self._stored(name, content)

    def _stored(self, name: str, content: bytes) -> Answer:
        digest = self.put(name, content)
        return Answer(201, {'Location': f'/v2/{name}/blobs/{digest}', 'Docker-Content-Digest': digest})

    def _cancel_upload(self, _request: Request, name: str, upload: str) -> Answer:
        del name
        return error(404, 'BLOB_UPLOAD_UNKNOWN') if self.uploads.pop(upload, None) is None else Answer(204)

    def _get_manifest(self, _request: Request, name: str, reference: str) -> Answer:
        digest = self.tags[name].get(reference, reference)
        if digest not in self.manifests[name]:
            return error(404, 'MANIFEST_UNKNOWN')
        media_type, content = self.manifests[name][digest]
        return Answer(200, {'Content-Type': media_type, 'Docker-Content-Digest': digest}, content)

    def _put_manifest(self, request: Request, name: str, reference: str) -> Answer:
        digest = _digest(_signed(request.body))
        if ':' in reference and reference != digest:
            return error(400, 'DIGEST_INVALID')
        self.manifests[name][digest] = (request.headers.get('Content-Type', ''), request.body)
        if ':' not in reference:
            self.tags[name][reference] = digest
        return Answer(201, {'Location': f'/v2/{name}/manifests/{digest}', 'Docker-Content-Digest': digest})

    def _delete_manifest(self, _request: Request, name: str, reference: str) -> Answer:
        if self.tags[name].pop(reference, None) is not None:
            return Answer(202)
        if self.manifests[name].pop(reference, None) is None:
            return error(404, 'MANIFEST_UNKNOWN')
        self.tags[name] = {tag: digest for tag, digest in self.tags[name].items() if digest != reference}
        return Answer(202)


def _signed(manifest: bytes) -> bytes:
    """Return what the digest of a manifest is of: of signed schema 1 that is what was signed, as in distribution."""
    try:
        protected = json.loads(_decoded(json.loads(manifest)['signatures'][0]['protected']))
        return manifest[:protected['formatLength']] + _decoded(protected['formatTail'])
    except (ValueError, KeyError, TypeError):
        return manifest


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


def _digest(content: bytes) -> str:
    return 'sha256:' + hashlib.sha256(content).hexdigest()


def _page(request: Request, key: str, names: set[str], **members: str) -> Answer:
    """Return the part of a listing that ``n`` and ``last`` ask for."""
    last, asked = request.parameter('last') or '', request.parameter('n')
    rest = sorted(name for name in names if name > last)
    page = rest if asked is None else rest[:int(asked)]
    headers = {'Content-Type': 'application/json'}
    if page and len(page) < len(rest):
        headers['Link'] = f'<{request.path}?n={asked}&last={page[-1]}>; rel="next"'
    return Answer(200, headers, json.dumps({**members, key: page}).encode())
