"""Limits: how long dxf waits, how often it tries and how much it reads."""

from typing import NamedTuple

from dxf.rate_limit import RateLimit

TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection, and for the next byte on it."""

READ_SIZE = 512 << 10
"""Bytes to read at a time. Larger reads are not faster, and allocate memory each time."""

RECEIVE_SIZE = 64 << 10
"""Bytes to read at a time from a connection whose body has no known length, and of which memory is asked anew."""

PATIENCE = 0.05
"""Seconds in which a buffer may fill; then what has arrived of a slow body is handed out."""


class _Fields(NamedTuple):
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
    names: int = 250_000
    documents: int = 10_000
    descriptors: int = 20_000
    total: int = 32 << 20
    referrers: int = 8 << 20
    settle: float = 0.5
    part: int = 64 << 20
    small_part: int = 4 << 20
    ranges: int = 64 << 20
    fast: float = 100 << 20
    fresh_token: float = 1.0
    rate: RateLimit | None = None
    cache: int = 16 << 30


class Limits(_Fields):
    """How often dxf tries, how long it waits (seconds), how much it reads, and in which parts it sends (bytes).

    A file larger than ``part`` is hashed while it goes out in such parts: larger ones would be refused by some proxies
    (Cloudflare's: 100 MB), smaller ones wait for more answers; on a fast line they grow until they are refused.
    ``small_part`` is for sources of unknown length, which are kept in memory part by part, and for registries that take
    no larger one (GHCR). A blob of ``ranges`` bytes or more may be pulled over several connections, where one brings
    less than ``fast`` bytes a second.

    ``names`` are the most that one list holds. One operation reads at most ``documents`` manifests and ``descriptors``
    entries of indexes, keeps at most ``total`` bytes of their texts, and at most ``referrers`` bytes of what refers to
    a manifest. ``settle`` is the shortest wait before a referrers tag that was written is read again. ``fresh_token``
    is the wait before a token that was refused although it is new is tried once more. ``cache`` is what the cache on
    disk keeps.

    ``rate`` is a :class:`dxf.RateLimit` for the bytes of all bodies, ``None`` for no limit. Clients that have the same
    object share it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a text of what is not the default."""
        usual = _Fields()
        values = {name: value for name, value in self._asdict().items() if value != getattr(usual, name)}
        return f'Limits({", ".join(f"{name}={value!r}" for name, value in values.items())})'
