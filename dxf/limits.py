"""Limits: how long dxf waits, how often it tries and how much it reads."""

from dataclasses import dataclass

TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection, and for the next byte on it."""

READ_SIZE = 1 << 20
"""Bytes to read at a time: the largest that still gains."""


@dataclass(frozen=True)
class Limits:
    """How often dxf tries, how long it waits (seconds) and how much it reads (bytes)."""

    retries: int = 4
    backoff: float = 0.5
    longest_backoff: float = 8
    longest_retry_after: float = 60
    longest_waiting: float = 300
    stall_seconds: float = 60
    stall_bytes: int = 16 << 10
    redirects: int = 5
    manifest: int = 4 << 20
    token: int = 128 << 10
    error: int = 64 << 10
    page: int = 4 << 20
    pages: int = 10_000
