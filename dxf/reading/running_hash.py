"""The hash of what a reader was handed out, blob by blob: what is read from start to end is verified."""

from dxf.exceptions import DXFDigestMismatchError
from dxf.names import digest_of
from dxf.reading.content import Place
from dxf.transfer.background_hash import BackgroundHash


class RunningHash:
    """The hash of the bytes of one blob that were handed out in their order.

    It begins anew at the first byte of a blob. A jump does not end it: a reader may return to where it was. The last
    bytes of a blob that was found to be wrong are never handed out.
    """

    def __init__(self) -> None:
        self._hash = BackgroundHash()
        self._next = -1
        self._wrong: dict[str, str] = {}
        """What blobs were in place of what they should be, by digest."""

    def add(self, place: Place, position: int, content: memoryview) -> None:
        """Hash bytes that are handed out next. They must not change.

        :param place: the blob that they are of
        :raises DXFDigestMismatchError: they are the last ones, and the blob is something else
        """
        end = position + len(content)
        if position == place.start:
            self._hash.close()
            self._hash = BackgroundHash()
        elif position != self._next:
            if end == place.end:
                self._check(place.blob.digest)
            return
        self._hash.add(content)
        self._next = end
        if end == place.end:
            self._finish(place.blob.digest)

    def _finish(self, expected: str) -> None:
        self._next = -1
        self._wrong.pop(expected, None)
        digest = digest_of(self._hash.result())
        self._hash.close()
        if digest != expected:
            self._wrong[expected] = digest
        self._check(expected)

    def _check(self, digest: str) -> None:
        if digest in self._wrong:
            raise DXFDigestMismatchError(self._wrong[digest], digest)

    def close(self) -> None:
        """End the thread that hashes."""
        self._hash.close()
