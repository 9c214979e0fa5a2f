"""Waiting for what other threads and processes do: as long as a slow machine needs, and no longer than it takes."""

import time
from collections.abc import Callable

SECONDS = 10.0


def eventually(condition: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Wait until something holds; say whether it did."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()
