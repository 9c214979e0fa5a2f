"""A TCP proxy that counts: how many bytes went up and came down, and what is to be done when so many have.

It breaks nothing (``fault_proxy`` does) and knows no HTTP: TLS passes as well.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

PIECE = 256 << 10
HEARD = 4 << 20
"""Bytes of all clients together that are remembered."""

IN_FLIGHT = 256 << 10
"""Bytes that the system may hold for a client which does not read: they count as received."""


@dataclass
class Carried:
    """The bytes of one connection so far, from the client (``up``) and to it (``down``)."""

    up: int = 0
    down: int = 0


@dataclass(frozen=True)
class _Due:
    direction: str
    after: int
    action: Callable[[], object]


class CountingProxy:
    """A proxy on a free port of 127.0.0.1, as a context manager.

    ``connections`` are counted one by one, and ``heard`` is what the clients said first; :meth:`clear` forgets both.

    :param target: ``localhost:PORT`` of the registry
    :param pace: bytes a second that each connection carries at most, in either direction
    """

    def __init__(self, target: str, pace: float | None = None) -> None:
        self._pace = pace
        host, _, port = target.rpartition(':')
        self._target = host, int(port)
        self.connections: list[Carried] = []
        self.heard = bytearray()
        self._due: list[_Due] = []
        self._counting = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.host = f'localhost:{self._listener.getsockname()[1]}'

    def __enter__(self) -> CountingProxy:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None,
                 traceback: TracebackType | None) -> None:
        for opened in (self._listener, *self._sockets):
            _end(opened)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def up(self) -> int:
        """The bytes that all clients sent."""
        return sum(carried.up for carried in self.connections)

    @property
    def down(self) -> int:
        """The bytes that all clients were sent."""
        return sum(carried.down for carried in self.connections)

    def clear(self) -> None:
        """Count from nothing again, and forget what was to be done."""
        with self._counting:
            self.connections.clear()
            self.heard.clear()
            self._due.clear()

    def after_up(self, size: int, action: Callable[[], object]) -> None:
        """Call ``action`` once, before more than so many bytes reach the registry; all connections wait for it."""
        self._due.append(_Due('up', size, action))

    def after_down(self, size: int, action: Callable[[], object]) -> None:
        """Call ``action`` once, before more than so many bytes reach the clients; all connections wait for it."""
        self._due.append(_Due('down', size, action))

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is shut at the end
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        carried = Carried()
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as registry:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, IN_FLIGHT)
            for end in (client, registry):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._counting:
                self.connections.append(carried)
                self._sockets += [client, registry]
            upwards = threading.Thread(target=self._carry, args=(client, registry, carried, 'up'), daemon=True)
            upwards.start()
            self._carry(registry, client, carried, 'down')
            upwards.join()

    def _carry(self, source: socket.socket, sink: socket.socket, carried: Carried, direction: str) -> None:
        """Carry bytes one way until that ends, which ends the other way too."""
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE):
                with self._counting:
                    setattr(carried, direction, getattr(carried, direction) + len(piece))
                    self.heard += piece[:HEARD - len(self.heard)] if direction == 'up' else b''
                    self._do_what_is_due()
                sink.sendall(piece)
                if self._pace is not None:
                    time.sleep(len(piece) / self._pace)
        _end(source)
        _end(sink)

    def _do_what_is_due(self) -> None:
        for due in list(self._due):
            if getattr(self, due.direction) > due.after:
                self._due.remove(due)
                due.action()


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
