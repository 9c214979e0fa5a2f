"""Outcomes: what an error means for an upload. Pure: ``upload`` acts on it.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-blobs
"""

from enum import Enum
from http import HTTPStatus
from typing import NamedTuple

from requests import Response
from requests.exceptions import HTTPError

from dxf.exceptions import DXFDigestMismatchError, DXFProtocolError, DXFSourceError
from dxf.transport.attempts import RETRIED, is_transient
from dxf.transport.responses import effective_status, error_codes

# Nexus: https://github.com/sonatype/nexus-public/issues/967
RACED = (400, 409, 412)
"""Statuses where another process has stored the same blob meanwhile (Nexus: 400 BLOB_UPLOAD_INVALID)."""

# distribution answers 404 up to 2.8, and 416 since 3.0:
# https://github.com/distribution/distribution/pull/3755
LOST = (HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
"""Statuses by which registries say that they have forgotten a session, or count its bytes in another way."""

# Google takes no parts: https://github.com/podman-container-tools/skopeo/issues/1101
# GHCR answers 416 to parts above 4 MiB: https://github.com/oras-project/rust-oci-client/issues/35
# Cloudflare answers 413 above 100 MB: https://github.com/distribution/distribution/issues/2042
REFUSED = (400, 405, 411, 413, 415, 416, 500, 501)
"""Statuses by which registries refuse a way of sending: Google's any PATCH, GHCR's large ones, Cloudflare's both."""


class DuplicateBytesError(DXFProtocolError):
    """The registry counts more bytes of an upload than were sent: it has some of them twice."""


class FoundError(Exception):
    """The registry has the blob already.

    :param is_closed: the upload's session ended with that: only the response was lost
    """

    def __init__(self, is_closed: bool = False) -> None:
        super().__init__('the registry has the blob')
        self.is_closed = is_closed


class Outcome(Enum):
    """What to do after an error."""

    SMALLER_PARTS = 'the registry takes parts, but none that has grown as large as this one: send smaller ones'
    OTHER_SIZE = 'the registry refuses this way of sending: send the blob in parts of another size, or whole'
    RESUME = 'the session may be intact: ask how much arrived, and send the rest'
    RESTART = 'the session is of no use any more: open another one'
    FAIL = 'nothing helps'


class Attempt(NamedTuple):
    """One request that carries bytes ``start`` to ``end`` of a blob.

    :param size: the blob's
    :param part: bytes of a part that has not grown
    :param largest_part: bytes of the largest part that the registry has taken in this session
    :param has_alternative: the blob can be sent in another size
    :param is_resumable: the blob is large enough to ask how much of it has arrived
    """

    start: int
    end: int
    size: int
    part: int
    largest_part: int = 0
    has_alternative: bool = False
    is_resumable: bool = True

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return self.end - self.start

    @property
    def is_last(self) -> bool:
        """Whether it is the PUT that closes the session; else it is a PATCH."""
        return self.end == self.size

    @property
    def has_grown(self) -> bool:
        """Whether it is a part that is larger than planned."""
        return not self.is_last and self.length > self.part


def classify(error: Exception, attempt: Attempt) -> Outcome:
    """Return what to do after an error of a request.

    :param error: of requests, or :class:`DuplicateBytesError`
    """
    # More bytes cannot be taken back from a session. distribution 2.8 appends a part that is sent twice:
    # https://github.com/opencontainers/distribution-spec/issues/590
    if isinstance(error, DuplicateBytesError):
        return Outcome.RESTART
    is_refused = _refuses(error, attempt)
    # A grown part first: the size that the registry took before is known to be good.
    if is_refused and attempt.has_grown:
        return Outcome.SMALLER_PARTS
    if is_refused and attempt.has_alternative:
        return Outcome.OTHER_SIZE
    if not is_retryable(error):
        return Outcome.FAIL
    # To ask how much arrived is a request of its own. A small blob is sent again in the same time.
    return Outcome.RESUME if attempt.is_resumable and not is_refused else Outcome.RESTART


def _refuses(error: Exception, attempt: Attempt) -> bool:
    """Return whether an error means that the registry refuses the way of sending, and not what is sent by it."""
    if not attempt.is_last:
        # If the registry took a part of this size before, the size is not the reason.
        return attempt.length > attempt.largest_part and is_refusal(error)
    # DIGEST_INVALID is about the bytes: in another size they would be as wrong.
    # https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
    status = status_of(error)
    return status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or \
        attempt.start == 0 and status in REFUSED and 'DIGEST_INVALID' not in _codes_of(error)


def is_retryable(error: Exception) -> bool:
    """Return whether a new session, or a look whether the blob is there, may help where an upload failed."""
    status = status_of(error)
    return is_transient(error) if status is None else status in (*LOST, *RETRIED)


def is_race(error: Exception) -> bool:
    """Return whether an error may mean that the registry has the blob already, from another process."""
    # Wrong bytes are answered 400 as well.
    return status_of(error) in RACED and 'DIGEST_INVALID' not in _codes_of(error)


def is_refusal(error: Exception) -> bool:
    """Return whether an error of a first part means that the registry takes no parts of this size."""
    # 404 too: the session was opened a moment ago, so it is not lost, and the server may have no PATCH.
    return status_of(error) in (*REFUSED, HTTPStatus.NOT_FOUND)


def is_session_lost(error: Exception) -> bool:
    """Return whether the registry has forgotten the session, or miscounts it."""
    return isinstance(error, DuplicateBytesError) or status_of(error) in LOST


def is_final(error: BaseException) -> bool:
    """Return whether an upload that ended by this error can never be continued, in any process."""
    status = status_of(error) if isinstance(error, Exception) else None
    # 408, 429 and all from 500 on may pass: another process continues the upload then.
    return isinstance(error, (FoundError, DXFDigestMismatchError, DXFSourceError, DuplicateBytesError)) or \
        status is not None and status < 500 and status not in (408, 429)


def response_of(error: Exception) -> Response | None:
    """Return the response by which a registry refused a request, if the error is about one."""
    return error.response if isinstance(error, HTTPError) else None


def status_of(error: Exception) -> int | None:
    """Return the status of the response that an error is about."""
    response = response_of(error)
    # GHCR sends its rate limit as 403, which counts as 429: https://github.com/virtualcell/vcell/issues/1888
    return None if response is None else effective_status(response, response.content)


def _codes_of(error: Exception) -> tuple[str, ...]:
    response = response_of(error)
    return () if response is None else error_codes(response)
