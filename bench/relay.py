"""A TCP relay in front of a server: what the delaying and the counting one have in common.

Owns the listener, the thread and the ends of connections. Carries bytes as they are.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

PIECE = 1 << 16
STEPS = 4
"""Turns of the loop in which what was accepted gets a task of its own, and what was closed is."""

Self = TypeVar('Self', bound='Relay')


class Relay:
    """A relay on a free port of 127.0.0.1, as a context manager.

    :param target: ``localhost:PORT`` of the server
    :param accept: TLS towards the clients
    :param reach: TLS towards the server
    """

    def __init__(self, target: str, *, accept: ssl.SSLContext | None = None, reach: ssl.SSLContext | None = None
                 ) -> None:
        name, _, port = target.rpartition(':')
        self._target = name, int(port)
        self._accept = accept
        self._reach = reach
        self._listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        # Inherited by what it accepts; asyncio itself does not see that these are TCP. Without it, small pieces may
        # wait 40 ms for an acknowledgement.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.host = f'localhost:{self._listener.getsockname()[1]}'
        self.connections = 0

    def __enter__(self: Self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._listener, ssl=self._accept)
        await self._ended.wait()
        self._loop.remove_reader(self._listener)  # asyncio loses what was accepted just before a close
        await _settle()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)
        await _settle()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        task = self._loop.create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client until it or the server hangs up."""
        began = self._loop.time()
        try:
            with contextlib.suppress(OSError):
                name, port = self._target
                answers, requests = await asyncio.open_connection(
                    '127.0.0.1', port, ssl=self._reach, server_hostname=name if self._reach is not None else None)
                self._writers.append(requests)
                try:
                    await _first(self.carry_up(reader, requests, began), self.carry_down(answers, writer))
                finally:
                    requests.close()
        finally:
            writer.close()  # not waited for: a peer may take long to end its TLS

    async def carry_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, began: float) -> None:
        """Carry what the client sends, until it hangs up.

        :param began: the loop's time at which it connected
        """
        del began
        await self.carry_down(reader, writer)

    async def carry_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what the server answers, until it hangs up."""
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()


async def _settle() -> None:
    for _ in range(STEPS):
        await asyncio.sleep(0)


async def _first(*directions: Coroutine[Any, Any, None]) -> None:
    """Run both directions until one of them ends: then the other has nothing more to say to anybody."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
