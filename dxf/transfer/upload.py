"""Uploads: the ways in which a source that can be read again goes to a registry, and what to do where they break.

An upload gets a function that makes its requests, and knows no authentication.
"""

import hashlib
import time
from http import HTTPStatus
from typing import Any, Protocol

from requests import Response
from requests.exceptions import HTTPError, RequestException

from dxf.exceptions import DXFDigestMismatchError, DXFProtocolError, DXFSourceError
from dxf.limits import Limits
from dxf.transfer.hash_ahead import HashAhead, IsStored
from dxf.transfer.refused_sizes import refused_sizes_of
from dxf.transfer.request_body import Body
from dxf.transfer.source import OnPiece, Source
from dxf.transfer.upload_session import DuplicateBytesError, UploadSession
from dxf.transport.responses import effective_status, error_codes
from dxf.transport.session import RETRIED, Attempts, is_transient

MAX_LOST_SESSIONS = 2
"""How often a source is sent anew because the registry forgot its session."""

RACED = (400, 409, 412)
"""Statuses where another process has stored the same blob meanwhile (Nexus: 400 BLOB_UPLOAD_INVALID)."""

LOST = (HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
REFUSED = (400, 405, 411, 413, 415, 416, 500, 501)
"""Statuses by which registries refuse a way of sending: Google's any PATCH, GHCR's large ones, Cloudflare's both."""

REMEMBERED_PART = 16 << 20
"""Bytes of a part of an upload that another process may continue: at most as many are sent twice."""

PART_SECONDS = 2.0
"""Seconds that a large part may take at least: no larger ones than ``Limits.part`` on a slow line."""

MAX_PART = 1 << 30

PART_END_SECONDS = 1.0
"""Seconds in which the part on its way should end, where there is nothing more to send after it."""


class Journal(Protocol):
    """Remembers how far an upload has come, for another process."""

    def read(self) -> tuple[str, int] | None:
        """Return the session's URL, and the bytes that it has at least; ``None`` where nothing is remembered."""

    def write(self, url: str, stored: int) -> None:
        """Remember."""

    def clear(self) -> None:
        """Forget."""


class _FoundError(Exception):
    """The registry has the blob already."""


class Upload:
    """One blob on its way to a registry.

    :param source: its content, of known size
    :param session: the steps of the protocol
    :param is_stored: returns whether the registry has a blob of this digest and size
    :param registry: the registry's URL, for the sizes that it has refused
    :param on_piece: called with the digest and each piece that was sent, once, with an empty piece before the
        first; ``None`` for no calls
    :param journal: remembers where to continue; an upload that has one is not cancelled where it breaks off
    """

    def __init__(self, source: Source, session: UploadSession, is_stored: IsStored,
                 registry: str, limits: Limits, on_piece: OnPiece | None, journal: Journal | None = None) -> None:
        self._source = source
        self._session = session
        self._has = is_stored
        self._refused_sizes = refused_sizes_of(registry)
        self._limits = limits
        self._on_piece = on_piece
        self._journal = journal
        self._hash_ahead: HashAhead | None = None
        self._is_hashed_ahead = False
        self._expected: str | None = None
        self._digest = ''
        self._attempts = Attempts(limits)
        self._last_body = False, 0
        self._part_end = 0
        self._largest_part = 0
        self._begun = time.monotonic()
        self._stored = 0
        self._reported = 0

    @property
    def _size(self) -> int:
        return self._source.size or 0

    def send(self, digest: str) -> None:
        """Send the source, by as many sessions as it takes.

        :param digest: the source's
        :raises DXFSourceError: it changed
        """
        self._known(digest)
        self._send()

    def send_hashed_ahead(self, expected: str | None, check_exists: bool) -> str:
        """Send a source that several threads may read, and stop where the registry turns out to have it.

        It is hashed ahead of what is sent of it, and looked for then. Nothing is reported before that is known. What is
        sent is hashed again only if the source could not tell that it changed meanwhile; the registry does that anyway.

        :param expected: what its digest should be, ``None`` for any
        :param check_exists: look for it
        :return: the digest
        :raises DXFDigestMismatchError: the source has another digest; nothing is stored
        :raises DXFSourceError: it changed
        """
        self._expected = expected
        self._is_hashed_ahead = self._source.tells_changes
        self._hash_ahead = hash_ahead = HashAhead(self._source, self._has if check_exists else lambda *_: False)
        try:
            self._send()
        except _FoundError:
            pass
        finally:
            hash_ahead.end()
        return self._digest

    def _known(self, digest: str) -> None:
        self._digest = digest
        if self._on_piece is not None:
            self._on_piece(digest, b'')

    def _use_result_of_hash_ahead(self) -> None:
        """Use what the hash ahead has found out.

        :raises _FoundError: there is nothing to send
        """
        if self._hash_ahead is not None:
            digest, found = self._hash_ahead.result()
            self._hash_ahead = None
            if found:
                self._digest = check_expected_digest(digest, self._expected)
                raise _FoundError
            self._known(check_expected_digest(digest, self._expected))

    def _send(self) -> None:
        ways = self._ways()
        lost = 0
        while True:
            self._stored = self._open()
            try:
                self._send_by(ways[0])
                return
            except (RequestException, DuplicateBytesError) as error:
                is_lost = isinstance(error, DuplicateBytesError) or _status_of(error) in LOST
                lost += is_lost
                if self._is_part_too_large(error, ways[0]):
                    continue
                if len(ways) > 1 and self._refuses(error):
                    self._refused_sizes.learn(*self._last_body)
                    ways = [way for way in ways[1:] if self._is_open(way)] or ways[1:]
                elif not (is_lost or is_retryable(error)) or lost > MAX_LOST_SESSIONS or \
                        not self._attempts.again(_answer(error), error):
                    if self._is_stored_meanwhile(error):
                        return
                    raise

    def _is_stored_meanwhile(self, error: Exception) -> bool:
        """Return whether a part was refused because another process has stored the blob.

        :raises _FoundError: the same, where the blob's digest was not known yet
        """
        is_part, _ = self._last_body
        if not is_part or not is_raced(error):
            return False
        self._use_result_of_hash_ahead()
        return self._is_stored()

    def _ways(self) -> list[int]:
        """Return the ways to try, as the bytes of a part; with no more than a part, all goes in one PUT."""
        part, small_part = self._limits.part, self._limits.small_part
        if self._journal is not None:
            part = min(part, REMEMBERED_PART)
        ways = [way for way in (part, small_part) if way < self._size]
        ways.insert(part < self._size, max(self._size, 1))
        return [way for way in ways if self._is_open(way)] or ways

    def _is_open(self, way: int) -> bool:
        """Return whether the registry has not refused such a body before."""
        return way < self._refused_sizes.patch if way < self._size else self._size < self._refused_sizes.put

    def _refuses(self, error: Exception) -> bool:
        """Return whether the registry refuses the way itself, and not what is sent by it."""
        status = _status_of(error)
        is_part, size = self._last_body
        if is_part:
            return size > self._largest_part and is_refusal(error)
        return status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or \
            self._stored == 0 and status in REFUSED and 'DIGEST_INVALID' not in _codes_of(error)

    def _send_by(self, way: int) -> None:
        """Send what the registry has not got, in the session that is open."""
        try:
            self._send_rest(self._stored, max(way, self._session.shortest_part))
        except BaseException as error:
            if self._journal is None or _is_over(error):
                self._session.cancel()
                self._forget()
            raise
        self._forget()

    def _open(self) -> int:
        """Open a session, or take up the one that the journal remembers; return the bytes that the registry has."""
        remembered = None if self._journal is None else self._journal.read()
        if remembered is not None:
            self._session.url, least = remembered
            stored = self._session.stored(least, self._size)
            if stored is not None:
                return stored
        self._session.open()
        self._largest_part = 0
        self._remember(0)
        return 0

    def _remember(self, stored: int) -> None:
        self._stored = stored
        if self._journal is not None:
            self._journal.write(self._session.url, stored)

    def _forget(self) -> None:
        if self._journal is not None:
            self._journal.clear()

    def _send_rest(self, start: int, part: int) -> None:
        """Send what follows the first ``start`` bytes: all parts but the last by PATCH, and that one in the PUT."""
        sha256 = None if self._is_hashed_ahead else self._hashed(hashlib.sha256(), 0, start)
        while True:
            if self._hash_ahead is not None and self._hash_ahead.done:
                self._use_result_of_hash_ahead()
            end = self._end_of_part(start, part)
            try:
                sha256 = self._send_part(start, end, sha256)
            except RequestException as error:
                if not self._is_part_too_large(error, part):
                    if end == self._size and (is_retryable(error) or is_raced(error)) and self._is_stored():
                        if _answer(error) is not None:  # else only the answer was lost
                            self._session.cancel()
                        return
                    if not is_retryable(error) or self._refuses(error):
                        raise
                stored = self._session.stored(start, end) if self._size > part or end > self._limits.part else None
                if stored is None or not self._attempts.again(_answer(error), error):
                    raise
                sha256, start = self._hashed(sha256, start, stored), stored
            else:
                if end == self._size:
                    return
                start = end
                self._attempts = Attempts(self._limits)
            self._remember(start)

    def _end_of_part(self, start: int, part: int) -> int:
        """Return where the next part ends: early, as long as it may turn out that none are wanted.

        Later ones grow with the speed at which they leave: each waits for an answer, which takes time of its own.
        """
        if part >= self._size:
            return self._size
        if self._hash_ahead is not None:
            part = min(part, max(self._limits.part // 4, self._session.shortest_part))
        elif self._journal is None and part > REMEMBERED_PART:
            grown = min(int(self._rate(start) * PART_SECONDS), MAX_PART)
            part = grown if part < grown < self._refused_sizes.patch else part
        end = min(start + part, self._size)
        if end == self._size and end - start >= self._refused_sizes.put > 1:  # more than the registry takes in a PUT
            return end - max(min(int(self._refused_sizes.put) // 2, self._limits.small_part), 1)
        return end

    def _is_part_too_large(self, error: Exception, part: int) -> bool:
        """Return whether the registry takes parts, but not one as large as this; remember the size then."""
        is_part, size = self._last_body
        if not is_part or size <= part or not self._refuses(error):
            return False
        self._refused_sizes.learn(is_part, size)
        return True

    def _send_part(self, start: int, end: int, sha256: Any) -> Any:
        """Send a part, the last one together with the digest; return the hash of all up to its end."""
        is_last = end == self._size
        self._last_body = not is_last, end - start
        self._part_end = end
        if is_last:
            self._use_result_of_hash_ahead()
        body = Body(self._source, start, end, sha256, self._digest, self._report)
        # requests would declare no length of an empty body of ours; reading it notices a file that has grown
        content: Any = body if end > start else b''.join(body)
        if not is_last:
            self._session.add(content, start, end)
            self._largest_part = max(end - start, self._largest_part)
        elif not self._session.finish(self._digest, content) and not self._is_stored():
            raise DXFProtocolError('the registry accepted the blob, but does not have it')
        return body.sha256

    def _hashed(self, sha256: Any, start: int, end: int) -> Any:
        """Return the hash with a part of the source added; ``None`` where only the thread of ``HashAhead`` hashes."""
        if sha256 is None:
            return None
        after = sha256.copy()
        for piece in self._source.read(start, end):
            after.update(piece)
        return after

    def _is_stored(self) -> bool:
        return self._has(self._digest, self._size)

    def _report(self, piece: bytes, end: int) -> None:
        """Tell of a piece that was sent: once, and not before it is known that there is something to send."""
        if self._hash_ahead is not None and self._hash_ahead.done and not self._is_nearly_there(end):
            self._use_result_of_hash_ahead()
        if self._hash_ahead is not None or self._on_piece is None or end <= self._reported:
            return
        for earlier in self._source.read(self._reported, end - len(piece)):
            self._on_piece(self._digest, earlier)
        self._on_piece(self._digest, piece[max(self._reported - end, -len(piece)):])
        self._reported = end

    def _rate(self, sent: int) -> float:
        """Return bytes a second, so far."""
        return sent / max(time.monotonic() - self._begun, 0.001)

    def _is_nearly_there(self, end: int) -> bool:
        """Return whether a part ends soon: distribution 2.x can only cancel a session whose last request has ended."""
        return (self._part_end - end) / self._rate(end) < PART_END_SECONDS


def check_expected_digest(actual: str, expected: str | None) -> str:
    """Return the digest that a source turned out to have.

    :raises DXFDigestMismatchError: another was expected
    """
    if expected not in (None, actual):
        raise DXFDigestMismatchError(actual, expected)
    return actual


def is_retryable(error: Exception) -> bool:
    """Return whether a new session, or a look whether the blob is there, may help where an upload failed."""
    status = _status_of(error)
    return is_transient(error) if status is None else status in (*LOST, *RETRIED)


def is_raced(error: Exception) -> bool:
    """Return whether an error may mean that the registry has the blob already, from another process."""
    return _status_of(error) in RACED and 'DIGEST_INVALID' not in _codes_of(error)


def is_refusal(error: Exception) -> bool:
    """Return whether an error of a first part means that the registry takes no parts of this size."""
    return _status_of(error) in (*REFUSED, HTTPStatus.NOT_FOUND)


def _answer(error: Exception) -> Response | None:
    return error.response if isinstance(error, HTTPError) else None


def _status_of(error: Exception) -> int | None:
    answer = _answer(error)
    return None if answer is None else effective_status(answer, answer.content)


def _codes_of(error: Exception) -> tuple[str, ...]:
    answer = _answer(error)
    return () if answer is None else error_codes(answer)


def _is_over(error: BaseException) -> bool:
    """Return whether an upload that ended by this error can never be continued, in any process."""
    status = _status_of(error) if isinstance(error, Exception) else None
    return isinstance(error, (_FoundError, DXFDigestMismatchError, DXFSourceError, DuplicateBytesError)) or \
        status is not None and status < 500 and status not in (408, 429)
