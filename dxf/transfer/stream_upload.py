"""Streams: sources that can be read only once, and whose length is not known, on their way to a registry.

They go in parts, one of which is in memory at a time. If the registry takes no such parts, a temporary file holds the
source. Authentication is not known here.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain

from requests.exceptions import RequestException, Timeout

from dxf.exceptions import DXFError, DXFSourceError
from dxf.hints import add_hint
from dxf.names import digest_of
from dxf.transfer.background_hash import BackgroundHash
from dxf.transfer.cutter import Cutter
from dxf.transfer.outcome import is_race, is_refusal, is_retryable
from dxf.transfer.source import OnPiece, Source, check_expected_digest, spool
from dxf.transfer.target import Target
from dxf.transfer.upload import Upload
from dxf.transfer.upload_session import UploadSession
from dxf.transport.attempts import Attempts

RUN_AGAIN = 'run the pipeline again'
"""What to do where the upload of a pipe failed by the network."""

MAX_PARTS_IN_MEMORY = 4
"""How many small parts together are the longest that is kept in memory, where the registry wants longer ones."""


class StreamUpload:
    """One blob of unknown length on its way to a registry.

    :param source: its content
    :param on_piece: called with the digest, empty where it is not known yet, and each piece that was sent;
        ``None`` for no calls
    """

    def __init__(self, source: Source, target: Target, on_piece: OnPiece | None) -> None:
        self._source = source
        self._target = target
        self._session = UploadSession(target)
        self._limits = target.limits
        self._on_piece = on_piece
        self._check_exists = True

    def send(self, expected: str | None, check_exists: bool = True) -> tuple[str, int]:
        """Send the source.

        :param expected: what its digest should be, ``None`` for any
        :param check_exists: if the digest is known before anything is sent, ask for the blob
        :return: digest and size
        :raises DXFDigestMismatchError: the source has another digest; nothing is stored
        :raises DXFSourceError: it would have to be read again
        """
        self._check_exists = check_exists
        try:
            return self._send(expected)
        except RequestException as error:
            if is_retryable(error):
                add_hint(error, RUN_AGAIN)
            raise

    def _send(self, expected: str | None) -> tuple[str, int]:
        parts = _cut_into_parts(self._source.read(), self._limits.small_part)
        first, is_last = next(parts)
        # A source of one part has a digest before anything is sent: the registry may have the blob.
        if is_last:
            return self._send_copy(Source(self._source.name, io.BytesIO(first), len(first)), expected)
        if self._limits.small_part < self._target.refused_sizes.patch:
            self._session.open()
            with self._cancelled_on_failure():
                # The registry may want longer parts (OCI-Chunk-Min-Length), and parts are kept in memory:
                # https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
                if len(first) < self._session.shortest_part <= MAX_PARTS_IN_MEMORY * len(first):
                    parts = _cut_into_parts(chain([first], (part for part, _ in parts)), self._session.shortest_part)
                    first, is_last = next(parts)
                if is_last:
                    return self._send_rest(b'', [(first, True)], expected)
                if self._is_part_taken(first):
                    return self._send_rest(first, parts, expected)
            # No part was taken. The copy is sent in a new session, in the parts of a file.
            self._session.cancel()
        with closing(spool(self._source.name, chain([first], (part for part, _ in parts)))) as source:
            return self._send_copy(source, expected)

    @contextmanager
    def _cancelled_on_failure(self) -> Iterator[None]:
        """Cancel the session if the block fails."""
        try:
            yield
        except BaseException:
            self._session.cancel()
            raise

    def _is_part_taken(self, first: bytes) -> bool:
        """Send the first part; return whether the registry takes parts of this size."""
        try:
            if self._session.shortest_part <= len(first):
                self._add(first, 0)
                return True
        except RequestException as error:
            if is_race(error) and not is_refusal(error):
                return False  # a copy tells the digest, to look for the blob
            if not is_refusal(error):
                raise
        self._target.refused_sizes.learn(len(first), by_patch=True)
        return False

    def _send_rest(self, first: bytes, parts: Iterable[tuple[bytes, bool]], expected: str | None) -> tuple[str, int]:
        """Send every part but the last by PATCH, and that one in the PUT that closes the session."""
        sent = len(first)
        self._report(expected, first)
        # The last part waits for the digest, which is in the URL of the PUT that carries it.
        # https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
        with closing(BackgroundHash()) as background:
            background.add(first)
            for part, is_last in parts:
                background.add(part)
                if is_last:
                    digest = check_expected_digest(digest_of(background.result()), expected)
                    self._finish(digest, part, sent + len(part))
                else:
                    self._add(part, sent)
                sent += len(part)
                self._report(expected, part)
            return digest_of(background.result()), sent

    def _report(self, expected: str | None, part: bytes) -> None:
        if self._on_piece is not None:
            self._on_piece(expected or '', part)

    def _add(self, part: bytes, start: int) -> None:
        """Send a part; after an error, send what the registry lacks of it."""
        # Only the part in memory can be sent again. What came before it is gone.
        attempts = Attempts()
        end = start + len(part)
        while start < end:
            try:
                self._session.add(part[start - end:], start, end)
            except RequestException as error:
                # A first part that is refused is no error yet: the caller goes by way of a file then.
                if not is_retryable(error) or not start and is_refusal(error):
                    raise
                stored = self._session.stored(start, end)
                if stored is None:
                    raise DXFSourceError(f'the upload broke off ({_cause(error)}), and {self._source.name} cannot be '
                                         f'read a second time: {RUN_AGAIN}, or push from a file') from error
                if not attempts.again(self._limits, error.response, error):
                    raise
                start = stored
            else:
                start = end

    def _finish(self, digest: str, part: bytes, size: int) -> None:
        try:
            confirmed = self._session.finish(digest, part)
        except RequestException as error:
            # The response was lost, or another process was faster. In both cases the blob may be there.
            if not (is_retryable(error) or is_race(error)) or not self._session.seems_stored(digest, size):
                raise
            return
        if not confirmed:
            self._session.check_stored(digest, size)

    def _send_copy(self, source: Source, expected: str | None) -> tuple[str, int]:
        """Send what a copy holds, which can be read again."""
        # A copy is given up too if another upload of the same call fails.
        source.on_read = self._source.on_read
        digest = check_expected_digest(source.digest(), expected)
        size = source.size or 0
        if size <= self._limits.small_part or not (self._check_exists and self._session.has(digest, size)):
            Upload(source, self._target, self._on_piece).send(digest)
        return digest, size


def _cause(error: RequestException) -> str:
    """Return why an upload broke off; the text of an error of requests is for programs."""
    return str(error) if isinstance(error, DXFError) else \
        'no answer in time' if isinstance(error, Timeout) else 'the connection broke'


def _cut_into_parts(pieces: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Yield parts of exactly ``size`` bytes, and a last one of up to ``size``, each with whether it is the last."""
    cutter = Cutter(size)
    for piece in pieces:
        for part in cutter.add(piece):
            yield part, False
    yield cutter.held, True
