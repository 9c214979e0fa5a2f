"""The progress of an upload: each byte is reported once, however often it is sent."""

import time

from dxf.transfer.source import OnPiece, Source


class UploadProgress:
    """Reports what was sent of a source, in order, and how fast it leaves.

    :param on_piece: called with the digest and each piece that was sent, once, with an empty piece before the
        first; ``None`` for no calls
    """

    def __init__(self, source: Source, on_piece: OnPiece | None) -> None:
        self._source = source
        self._on_piece = on_piece
        self.is_wanted = on_piece is not None
        self._digest = ''
        self._reported = 0
        self._start = time.monotonic()

    def begin(self, digest: str) -> None:
        """Report from now on: it is known now what is sent, and that it has to be sent."""
        self._digest = digest
        if self._on_piece is not None:
            # A bar appears before the first byte has been sent.
            self._on_piece(digest, b'')

    def report(self, piece: bytes, end: int) -> None:
        """Report a piece that was sent, after those before it; nothing before :meth:`begin`.

        :param end: of the piece, in the source
        """
        # After an error bytes are sent again, and were reported before.
        if not self._digest or self._on_piece is None or end <= self._reported:
            return
        self.catch_up(end - len(piece))
        self._on_piece(self._digest, piece[max(self._reported - end, -len(piece)):])
        self._reported = end

    def catch_up(self, end: int) -> None:
        """Report what was sent before :meth:`begin`, up to ``end``."""
        if self._on_piece is not None and self._reported < end:
            # Read again from the file: it was sent before its digest, and so the name of its bar, was known.
            for earlier in self._source.read(self._reported, end):
                self._on_piece(self._digest, earlier)
            self._reported = end

    def rate(self, sent: int) -> float:
        """Return bytes a second, so far."""
        # The clock may stand still between two calls.
        return sent / max(time.monotonic() - self._start, 0.001)
