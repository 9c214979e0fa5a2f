"""A relay that counts: connections, the requests that clients send over them, and the bytes both ways.

It speaks TLS on both sides or on none, and understands of HTTP/1.1 where one request ends and the next begins.
Everything passes as it is.
"""

import asyncio
import ssl
from collections.abc import Callable
from test.servers.certificates import Certificates

from bench.relay import PIECE, Relay


class RequestReader:
    """Finds the requests in the bytes of one connection.

    :param found: called with ``METHOD path`` of each as soon as its first line is complete
    """

    def __init__(self, found: Callable[[str], None]) -> None:
        self._found = found
        self._data = bytearray()
        self._skip = 0
        self._headers: dict[str, str] = {}
        self._next = self._request_line

    def feed(self, piece: bytes) -> None:
        """Go on with the next bytes."""
        self._data += piece
        while True:
            skipped = min(self._skip, len(self._data))
            del self._data[:skipped]
            self._skip -= skipped
            line, end, _ = self._data.partition(b'\r\n')
            if self._skip > 0 or not end:
                return
            del self._data[:len(line) + len(end)]
            self._next(line.decode('latin-1'))

    def _request_line(self, line: str) -> None:
        if line:
            self._found(line.rpartition(' ')[0].partition('?')[0])
            self._headers = {}
            self._next = self._header

    def _header(self, line: str) -> None:
        name, _, value = line.partition(':')
        if line:
            self._headers[name.lower()] = value.strip().lower()
        elif self._headers.get('transfer-encoding') == 'chunked':
            self._next = self._chunk_size
        else:
            self._skip = int(self._headers.get('content-length', 0))
            self._next = self._request_line

    def _chunk_size(self, line: str) -> None:
        size = int(line.partition(';')[0], 16)
        self._skip = size + len('\r\n') if size > 0 else 0
        self._next = self._chunk_size if size > 0 else self._trailer

    def _trailer(self, line: str) -> None:
        if not line:
            self._next = self._request_line


class CountingRelay(Relay):
    """A relay, as a context manager; ``connections``, ``requests``, ``sent`` and ``received`` tell what happened.

    :param target: ``localhost:PORT`` of the server
    :param certificates: of the server, and of the relay too; ``None`` for no TLS
    """

    def __init__(self, target: str, certificates: Certificates | None = None) -> None:
        if certificates is None:
            super().__init__(target)
        else:
            super().__init__(target, accept=certificates.context(),
                             reach=ssl.create_default_context(cafile=certificates.ca))
        self.requests: list[str] = []
        self.sent = self.received = 0

    def clear(self) -> None:
        """Forget what happened so far."""
        self.requests.clear()
        self.connections = self.sent = self.received = 0

    async def carry_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, began: float) -> None:
        requests = RequestReader(self.requests.append)
        while piece := await reader.read(PIECE):
            requests.feed(piece)
            self.sent += len(piece)
            writer.write(piece)
            await writer.drain()

    async def carry_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(PIECE):
            self.received += len(piece)
            writer.write(piece)
            await writer.drain()
