"""Read-ahead: how much more than was asked for is fetched. It grows while a file is read in order."""

from dxf.reading.block_cache import MAX_BLOCK

FIRST_WINDOW = 128 << 10
GROWTH = 4


class ReadAhead:
    """The window of a reader: none after a jump, a larger one after each read that continues the one before.

    The beginning of a file continues nothing, and counts as if it did: most files are read from there in order.
    """

    def __init__(self) -> None:
        self._expected = 0
        self._window = 0

    def end_of(self, position: int, wanted: int, limit: int) -> int:
        """Return up to which byte to fetch.

        :param wanted: the byte after the last one that the reader wants
        :param limit: the byte after the last one that there is
        """
        self._window = max(GROWTH * self._window, FIRST_WINDOW) if position == self._expected else 0
        # Past the largest block one request brings all the rest: it is read as a stream.
        window = limit - position if self._window > MAX_BLOCK else self._window
        return min(max(wanted, position + window), limit)

    def fetched(self, end: int) -> None:
        """Take note of how far was fetched."""
        self._expected = end
