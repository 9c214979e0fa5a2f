"""Attempts: whether something that failed is tried again, and when."""

import logging
import random
import socket
import time
from email.utils import parsedate_to_datetime
from ssl import SSLEOFError

from requests import Response
from requests.exceptions import SSLError

from dxf.limits import Limits
from dxf.transport.adapter import status_of_proxy
from dxf.transport.redaction import causes, public_host
from dxf.transport.responses import phrase_of

_log = logging.getLogger('dxf')

# Not 501, which is final. A 403 that is a rate limit (GHCR) counts as 429.
# https://github.com/virtualcell/vcell/issues/1888
RETRIED = (408, 429, 500, 502, 503, 504)


class Attempts:
    """Counts the attempts at one thing, and sleeps between them."""

    _count = 0
    """Attempts after the first."""
    _waited = 0.0
    """Seconds slept before them."""

    def again(self, limits: Limits, response: Response | None = None, error: Exception | None = None) -> bool:
        """Sleep before another attempt, and return true; return false where no attempt is left.

        :param response: a response that may ask for a pause by Retry-After
        :param error: why there is no response
        """
        if self._count >= limits.retries:
            return False
        # Random, so that clients that failed together do not all come back at once.
        pause = min(limits.backoff * 2 ** self._count, limits.longest_backoff) * random.uniform(0.5, 1)
        if response is not None:
            asked = retry_after(response.headers.get('Retry-After'))
            pause = max(pause, min(asked or 0, limits.longest_retry_after))
        if self._waited + pause > limits.longest_waiting:
            return False
        if not self._count:
            _note_retry(response, error)
        self._count += 1
        self._waited += pause
        time.sleep(pause)
        return True


def _note_retry(response: Response | None, error: Exception | None) -> None:
    """Log that a request is sent again; the record has the error, whose text may carry the query of a URL."""
    if _log.isEnabledFor(logging.INFO):
        if response is None:
            _log.info('%s; trying again', type(error).__name__, extra={'error': error})
        else:
            _log.info('%s answers %s %s; trying again', public_host(response.url), response.status_code,
                      phrase_of(response.status_code))


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, given in seconds or as a date; ``None`` if neither.

    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        # Nine digits are 31 years. The caller waits a minute at most.
        return float(value.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def is_transient(error: BaseException) -> bool:
    """Return whether another attempt may succeed where one failed without a response.

    Not where a certificate is wrong, a name does not exist, or a proxy refuses for good.
    """
    found = list(causes(error))
    for cause in found:
        if isinstance(cause, socket.gaierror):
            return cause.errno == socket.EAI_AGAIN
        refused = status_of_proxy(cause)
        if refused is not None:
            return refused in RETRIED
    broken = any(isinstance(cause, SSLEOFError) for cause in found)  # the connection ended in the handshake
    return broken or not any(isinstance(cause, SSLError) for cause in found)
