"""A network that takes time: a relay that holds everything for a while, and has any bandwidth.

Bytes are delivered a fixed time after they arrived, however many are on their way, in either direction. A connection
costs its round trip as well: the client's first bytes leave one round trip later than it sent them, for on loopback it
was connected at once. Neither TCP's slow start nor a loss is played.
"""

import asyncio

from bench.relay import PIECE, Relay

Held = tuple[float, bytes]


class DelayRelay(Relay):
    """A relay, as a context manager.

    :param target: ``localhost:PORT`` of the server
    :param delay: seconds for each direction: half a round trip
    """

    def __init__(self, target: str, delay: float) -> None:
        super().__init__(target)
        self._delay = delay

    async def carry_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, began: float) -> None:
        await self._hold(reader, writer, began + 2 * self._delay)

    async def carry_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._hold(reader, writer, 0)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, open_at: float) -> None:
        """Carry one direction, the end included; nothing counts as sent before ``open_at``."""
        held: asyncio.Queue[Held] = asyncio.Queue()
        delivering = asyncio.ensure_future(self._deliver(held, writer))
        try:
            piece = None
            while piece != b'':
                piece = await reader.read(PIECE)
                held.put_nowait((max(self._loop.time(), open_at) + self._delay, piece))
            await delivering
        finally:
            delivering.cancel()

    async def _deliver(self, held: asyncio.Queue[Held], writer: asyncio.StreamWriter) -> None:
        while True:
            due, piece = await held.get()
            await asyncio.sleep(due - self._loop.time())
            if not piece:
                return
            writer.write(piece)
            await writer.drain()
