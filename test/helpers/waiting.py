"""Waiting for what other threads and processes do: as long as a slow machine needs, and no longer than it takes."""

import time
from collections.abc import Callable

SECONDS = 60.0
"""How long a slow machine may take; what fails takes as long, what succeeds does not."""


def eventually(condition: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Wait until something holds; say whether it did."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()
