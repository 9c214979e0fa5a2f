"""Redaction of logs: what urllib3 writes about the requests of dxf, without secrets.

``redaction`` decides what may be shown.
"""

import logging
import threading
from typing import Any

from dxf.transport.redaction import public_url


def public_argument(value: Any) -> Any:
    """Return an argument of a log record of urllib3 as it may be shown: of an object only the name of its class."""
    if isinstance(value, str):
        return public_url(value)
    return value if value is None or isinstance(value, (int, float)) else type(value).__name__


class _Requested(threading.local):
    url: str | None = None


REQUESTED = _Requested()
"""The URL that each thread is requesting, as dxf has it; ``None`` while it requests none."""


class _NoSecrets(logging.Filter):
    """Rewrites the log records of urllib3 about our own requests; those of other users of urllib3 stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        if REQUESTED.url is not None and isinstance(record.args, tuple):
            record.args = tuple(map(public_argument, record.args))
            record.exc_info = None  # of headers that cannot be parsed it quotes all
        return True


LOGGERS = ('urllib3.connection', 'urllib3.connectionpool', 'urllib3.util.retry', 'urllib3.poolmanager')
"""The loggers of urllib3, whose records quote URLs."""

_NO_SECRETS = _NoSecrets()


def filter_logs() -> None:
    """Keep secrets out of what urllib3 logs about dxf's requests. A second call changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_NO_SECRETS)
