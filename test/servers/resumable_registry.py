"""A registry that keeps what it received of a body that broke off, as distribution 3 does, and counts every byte.

Takes uploads and aliases only; ``scripted_registry`` answers everything, and forgets what broke.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

PIECE = 1 << 20
IN_FLIGHT = 256 << 10
"""Bytes that the system may hold for the registry: what a killed client has sent still arrives."""


class ResumableRegistry:
    """A registry on a free port of 127.0.0.1, as a context manager.

    ``received`` counts the bytes of bodies; ``lines`` are the requests, ``METHOD path`` and the Content-Range of a
    part; ``blobs`` what is stored, and ``sessions`` what arrived of uploads, by their id.
    """

    def __init__(self) -> None:
        self.received = 0
        self.lines: list[str] = []
        self.blobs: dict[str, bytes] = {}
        self.sessions: dict[str, bytearray] = {}
        self.due: tuple[int, Callable[[], object]] | None = None
        self.counting = threading.Lock()
        self._idle = threading.Condition()
        self._busy = 0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self.host = f'localhost:{self._server.server_address[1]}'

    def __enter__(self) -> ResumableRegistry:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def after(self, size: int, action: Callable[[], object]) -> None:
        """Call ``action`` once, when more than so many bytes of bodies have arrived."""
        self.due = size, action

    def count(self, size: int) -> None:
        """Count bytes of a body, and do what is due then."""
        with self.counting:
            self.received += size
            if self.due is not None and self.received > self.due[0]:
                action, self.due = self.due[1], None
                action()

    def begin(self) -> None:
        """Note that a connection is being served."""
        with self._idle:
            self._busy += 1

    def end(self) -> None:
        """Note that it is not any more."""
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def settle(self) -> None:
        """Wait until all that clients sent has been taken, and all of them are gone."""
        with self._idle:
            assert self._idle.wait_for(lambda: not self._busy, timeout=60)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, registry: ResumableRegistry) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.registry = registry

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, IN_FLIGHT)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet: clients are killed here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        self.server.registry.begin()
        try:
            super().handle()
        finally:
            self.server.registry.end()

    def _serve(self) -> None:
        registry = self.server.registry
        path, _, query = self.path.partition('?')
        start = self.headers.get('Content-Range', '').partition('-')[0]
        registry.lines.append(f'{self.command} {path} {self.headers.get("Content-Range", "")}'.rstrip())
        upload = re.fullmatch(r'(.*)/blobs/uploads/([^/]*)', path)
        if upload is None:
            manifest = bytearray()
            self._read(manifest)
            self._answer_other(path, bytes(manifest))
            return
        name, session = upload[1], upload[2]
        if self.command == 'POST':
            session = uuid.uuid4().hex
            registry.sessions[session] = bytearray()
        content = registry.sessions.get(session)
        if content is None or start and int(start) != len(content):
            self._read(bytearray())
            self._answer(404 if content is None else 416, name, session)
            return
        self._read(content)
        status = {'POST': 202, 'GET': 204, 'PATCH': 202, 'PUT': 201, 'DELETE': 204}[self.command]
        if self.command == 'PUT':
            digest = 'sha256:' + hashlib.sha256(content).hexdigest()
            if query.rpartition('digest=')[2].replace('%3A', ':') == digest:
                registry.blobs[digest] = bytes(content)
                del registry.sessions[session]
            else:
                status = 400
        elif self.command == 'DELETE':
            del registry.sessions[session]
        self._answer(status, name, session)

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = _serve

    def _read(self, content: bytearray) -> None:
        """Append the body as it arrives; what has arrived stays, whatever becomes of the rest."""
        left = int(self.headers.get('Content-Length', 0))
        while left:
            piece = self.rfile.read1(min(left, PIECE))
            if not piece:
                raise ConnectionError
            content += piece
            left -= len(piece)
            self.server.registry.count(len(piece))

    def _answer_other(self, path: str, content: bytes) -> None:
        """Answer a request for a blob, or that which stores a manifest."""
        known = self.server.registry.blobs.get(path.rpartition('/')[2])
        status = 201 if self.command == 'PUT' else 404 if known is None else 200
        self.send_response_only(status)
        if self.command == 'PUT' or known is not None:
            digest = hashlib.sha256(content if known is None else known).hexdigest()
            self.send_header('Docker-Content-Digest', f'sha256:{digest}')
        self.send_header('Content-Length', str(len(known or b'')))
        self.end_headers()

    def _answer(self, status: int, name: str, session: str) -> None:
        """Answer a request for an upload; its address changes with what has arrived, as real ones do."""
        size = len(self.server.registry.sessions.get(session, b''))
        self.send_response_only(status)
        self.send_header('Location', f'{name}/blobs/uploads/{session}?_state={size}')
        self.send_header('Range', f'0-{max(size - 1, 0)}')
        if status != 204:
            self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""
