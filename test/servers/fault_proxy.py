"""A TCP proxy that breaks things: it stands in front of a real registry and loses, resets, cuts and stalls.

It knows no HTTP but where a request ends and an answer begins: everything else passes as it is.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

PIECE = 64 << 10
UNAVAILABLE = b'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'


@dataclass(frozen=True)
class Fault:
    """What happens to one connection; by default nothing.

    :param up: after so many bytes from the client the connection is reset, and no more reach the registry
    :param down: after so many bytes from the registry the connection is reset, and no more reach the client
    :param lost: the registry gets everything, and the client a reset in place of the first byte of the answer
        to the request that starts with these bytes
    :param refused: the registry never gets the request that starts with these bytes: the client gets status 503
    :param stall: after so many bytes from the registry nothing more reaches the client, until the test is over
    """

    up: int | None = None
    down: int | None = None
    lost: bytes | None = None
    refused: bytes | None = None
    stall: int | None = None


Plan = Callable[[int], Fault]


class FaultProxy:
    """A proxy on a free port of 127.0.0.1, as a context manager.

    :param target: ``localhost:PORT`` of the registry
    :param plan: says what happens to the connection of a number, counted from 1; may be changed at any time
    """

    def __init__(self, target: str, plan: Plan = lambda number: Fault()) -> None:
        host, _, port = target.rpartition(':')
        self._target = host, int(port)
        self.plan = plan
        self.connections = 0
        self._listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.host = f'localhost:{self._listener.getsockname()[1]}'

    def __enter__(self) -> FaultProxy:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        self._listener.settimeout(0.02)
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(client, self.plan(self.connections)), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as registry:
            _Connection(client, registry, fault, self._ending).run()


class _Connection:
    """One connection: what the client sends goes up, what the registry answers comes down."""

    def __init__(self, client: socket.socket, registry: socket.socket, fault: Fault, ending: threading.Event) -> None:
        self._client = client
        self._registry = registry
        self._fault = fault
        self._ending = ending
        self._up = 0
        self._down = 0
        self._losing = False

    def run(self) -> None:
        """Carry bytes until one side ends or the fault is due."""
        for side in (self._client, self._registry):  # else a small piece waits until the one before is acknowledged
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not self._ending.is_set():
            readable, _, _ = select.select([self._client, self._registry], [], [], 0.02)
            for source in readable:
                piece = source.recv(PIECE)
                if not piece or not (self._carry_up(piece) if source is self._client else self._carry_down(piece)):
                    return

    def _carry_up(self, piece: bytes) -> bool:
        if self._fault.refused is not None and piece.startswith(self._fault.refused):
            self._client.sendall(UNAVAILABLE)
            return False
        if self._fault.lost is not None and piece.startswith(self._fault.lost):
            self._losing = True
        left = len(piece) if self._fault.up is None else self._fault.up - self._up
        self._registry.sendall(piece[:left])
        self._up += len(piece)
        return left >= len(piece) or self._reset()

    def _carry_down(self, piece: bytes) -> bool:
        if self._losing:
            return self._reset()
        if self._fault.stall is not None and self._down + len(piece) > self._fault.stall:
            self._client.sendall(piece[:self._fault.stall - self._down])
            self._ending.wait()
            return False
        left = len(piece) if self._fault.down is None else self._fault.down - self._down
        self._client.sendall(piece[:left])
        self._down += len(piece)
        return left >= len(piece) or self._reset()

    def _reset(self) -> bool:
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        return False
