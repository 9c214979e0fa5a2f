"""Uploads: how a source that can be read again goes to a registry, and what to do where that breaks.

``part_plan`` decides how large the parts are, ``outcome`` what an error means, ``upload_session`` makes the requests.
"""

import hashlib
from typing import Any

from requests.exceptions import RequestException

from dxf.transfer.hash_ahead import HashAhead
from dxf.transfer.outcome import (Attempt, DuplicateBytesError, FoundError, Outcome, classify, is_final, is_race,
                                  is_retryable, is_session_lost, response_of)
from dxf.transfer.part_plan import make_plan
from dxf.transfer.request_body import Body
from dxf.transfer.source import OnPiece, Source
from dxf.transfer.target import Target
from dxf.transfer.upload_progress import UploadProgress
from dxf.transfer.upload_session import UploadSession
from dxf.transport.attempts import Attempts

MAX_LOST_SESSIONS = 2
"""How often a source is sent anew because the registry forgot its session."""

PART_END_SECONDS = 1.0
"""Seconds in which the part on its way should end, if there is nothing more to send after it."""


class Journal:
    """Remembers how far an upload has come. This one remembers nothing; that of ``upload_journal`` does."""

    is_kept = False
    """Whether another process can continue the upload; then it is not cancelled where it breaks off."""

    def read(self) -> tuple[str, int] | None:
        """Return the session's URL, and the bytes that it has at least; ``None`` where nothing is remembered."""
        return None

    def write(self, url: str, stored: int) -> None:
        """Remember a session's URL, and the bytes that it has."""

    def clear(self) -> None:
        """Remove the entry."""

    def close(self) -> None:
        """Leave the journal to other processes."""


class Upload:
    """One blob on its way to a registry.

    :param source: its content, of known size
    :param on_piece: called with the digest and each piece that was sent, once, with an empty piece before the
        first; ``None`` for no calls
    :param journal: remembers where to continue
    :param session: to send it by, if one is there; it may be open
    """

    def __init__(self, source: Source, target: Target, on_piece: OnPiece | None, journal: Journal = Journal(),
                 session: UploadSession | None = None) -> None:
        self._source = source
        self._target = target
        self._session = session or UploadSession(target)
        self._progress = UploadProgress(source, on_piece)
        self._journal = journal
        self._plan = make_plan(source.size or 0, target.limits, target.refused_sizes,
                               is_remembered=journal.is_kept)
        self._attempts = Attempts()
        self._lost_sessions = 0
        self._digest: str | None = None
        """``None`` until it is known."""
        self._hash_ahead: HashAhead | None = None
        """Until its result is used."""
        self._sha256: Any = None
        """Of the bytes before the next part; ``None`` where only the thread of ``HashAhead`` hashes."""

    def send(self, digest: str) -> None:
        """Send the source.

        :param digest: the source's
        :raises DXFSourceError: it changed
        """
        self._digest = digest
        self._sha256 = hashlib.sha256()
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
        self._sha256 = None if self._source.tells_changes else hashlib.sha256()
        self._hash_ahead = hash_ahead = HashAhead(self._source, self._session.has if check_exists else
                                                  lambda *_: False, expected)
        try:
            self._send()
        finally:
            hash_ahead.end()
        return self._known_digest()

    def _send(self) -> None:
        """Send the source, in as many requests and sessions as it takes."""
        start: int | None = 0 if self._session.url else None
        try:
            if self._digest is not None:
                self._progress.begin(self._digest)
            while True:
                start = self._open() if start is None else start
                attempt = self._next_attempt(start)
                try:
                    if self._send_part(attempt):
                        break
                except (RequestException, DuplicateBytesError) as error:
                    start = self._recover(error, attempt)
                    continue
                start = attempt.end
                self._attempts = Attempts()
                self._journal.write(self._session.url, start)
        except FoundError as error:
            self._leave_session(error)
        except BaseException as error:
            self._leave_session(error)
            raise
        else:
            self._journal.clear()

    def _open(self) -> int:
        """Open a session, or take up the one that the journal remembers; return the bytes that the registry has."""
        remembered = self._journal.read()
        stored = None
        if remembered is not None:
            self._session.url, least = remembered
            stored = self._session.stored(least, self._plan.size)
        if stored is None:
            self._session.open()
            stored = 0
            self._journal.write(self._session.url, 0)
        self._hash_between(0, stored)
        return stored

    def _next_attempt(self, start: int) -> Attempt:
        """Return what to send next, after using the hash ahead if it is there."""
        if self._hash_ahead is not None and self._hash_ahead.done:
            self._known_digest()
        plan, session = self._plan, self._session
        end = plan.end_of_part(start, self._target.refused_sizes, shortest=session.shortest_part,
                               rate=self._progress.rate(start) if start else 0.0, is_early=self._hash_ahead is not None)
        part = plan.part_size(session.shortest_part)
        return Attempt(start, end, plan.size, part, session.largest_part, bool(plan.alternatives),
                       part < plan.size or plan.size > self._target.limits.part)

    def _send_part(self, attempt: Attempt) -> bool:
        """Send a part by PATCH, or the last one by the PUT that closes the session; return whether it was the last."""
        def report(piece: bytes, end: int) -> None:
            if self._hash_ahead is not None and self._hash_ahead.done and not self._is_nearly_sent(attempt, end):
                self._known_digest()
            self._progress.report(piece, end)
        digest = self._known_digest() if attempt.is_last else None
        if digest is not None and attempt.start:  # an error of the caller's comes before the registry has all
            self._progress.catch_up(attempt.start)
        is_reported = self._hash_ahead is not None or self._progress.is_wanted
        body = Body(self._source, attempt.start, attempt.end, self._sha256, digest, report if is_reported else None)
        # requests would declare no length of an empty body of ours; reading it notices a file that has grown
        # https://github.com/psf/requests/issues/6294
        content: Any = body if body.len else b''.join(body)
        if digest is None:
            self._session.add(content, attempt.start, attempt.end)
        elif not self._session.finish(digest, content):
            self._session.check_stored(digest, attempt.size)
        self._sha256 = body.sha256
        return digest is not None

    def _recover(self, error: Exception, attempt: Attempt) -> int | None:
        """Return where to go on after an error; ``None`` for a new session.

        :raises FoundError: the registry has the blob
        :raises Exception: ``error``, if nothing helps
        """
        if attempt.is_last and (is_retryable(error) or is_race(error)):
            if self._is_stored():
                raise FoundError(is_closed=response_of(error) is None)
        outcome = classify(error, attempt)
        if outcome in (Outcome.SMALLER_PARTS, Outcome.OTHER_SIZE):
            self._target.refused_sizes.learn(attempt.length, by_patch=not attempt.is_last)
        if outcome in (Outcome.SMALLER_PARTS, Outcome.RESUME):
            stored = self._session.stored(attempt.start, attempt.end)
            if stored is not None and self._attempts.again(self._target.limits, response_of(error), error):
                self._hash_between(attempt.start, stored)
                self._journal.write(self._session.url, stored)
                return stored
        self._leave_session(error)
        self._prepare_session(error, attempt, outcome)
        return None

    def _prepare_session(self, error: Exception, attempt: Attempt, outcome: Outcome) -> None:
        """Prepare for another session, where one failed.

        :raises FoundError: the registry has the blob
        :raises Exception: ``error``, if another session is of no use
        """
        if is_session_lost(error):
            self._lost_sessions += 1
        if outcome is Outcome.OTHER_SIZE:
            self._plan = self._plan.after_refusal(self._target.refused_sizes)
        elif outcome is not Outcome.SMALLER_PARTS:
            if outcome is Outcome.FAIL or self._lost_sessions > MAX_LOST_SESSIONS or \
                    not self._attempts.again(self._target.limits, response_of(error), error):
                if not attempt.is_last and is_race(error) and self._is_stored():
                    raise FoundError
                raise error
        self._sha256 = None if self._sha256 is None else hashlib.sha256()

    def _hash_between(self, start: int, end: int) -> None:
        """Add bytes that the registry has to the hash of what is before the next part."""
        if self._sha256 is not None and start < end:
            for piece in self._source.read(start, end):
                self._sha256.update(piece)

    def _known_digest(self) -> str:
        """Return the digest, which the hash ahead may have to find out.

        :raises FoundError: the registry has the blob, so there is nothing to send
        :raises DXFDigestMismatchError: another was expected
        """
        if self._hash_ahead is not None:
            self._digest, is_found = self._hash_ahead.result()
            self._hash_ahead = None
            if is_found:
                raise FoundError
            self._progress.begin(self._digest)
        return self._digest or ''

    def _is_stored(self) -> bool:
        return self._session.seems_stored(self._known_digest(), self._plan.size)

    def _is_nearly_sent(self, attempt: Attempt, end: int) -> bool:
        """Return whether a part ends soon: distribution 2.x can only cancel a session whose last request has ended."""
        return (attempt.end - end) / self._progress.rate(end) < PART_END_SECONDS

    def _leave_session(self, error: BaseException) -> None:
        """Cancel the session, unless it is closed, or another process may continue it."""
        if self._journal.is_kept and not is_final(error):
            return
        if not (isinstance(error, FoundError) and error.is_closed):
            self._session.cancel()
        self._journal.clear()
