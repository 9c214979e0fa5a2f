"""Progress bars on standard error; the only room that knows tqdm, which is imported when a bar is shown."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dxf.console import shape


class Bars:
    """One bar after another, one a blob: give it to ``push_blob`` as ``progress``, or call it for each chunk."""

    def __init__(self) -> None:
        self._open: Any = None
        self._digest = ''

    def __call__(self, digest: str, chunk: bytes, size: int | None) -> None:
        """Show that ``chunk`` of a blob of ``size`` bytes has moved; ``None`` where only its end will tell."""
        import tqdm
        if self._open is None or digest != self._digest:
            self.close()
            self._open = tqdm.tqdm(desc=digest[0:8], total=size, **shape())
            self._digest = digest
        self._open.update(len(chunk))
        if self._open.total is not None and self._open.n >= self._open.total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        if self._open is not None:
            self._open.close()
            self._open = None


@contextmanager
def bars(wanted: bool | None) -> Iterator[Bars | None]:
    """Provide bars if they are wanted, and close what is open at the end.

    :param wanted: ``None`` for: on a terminal
    """
    if wanted is None:
        wanted = sys.stderr is not None and sys.stderr.isatty()
    if not wanted:
        yield None
        return
    shown = Bars()
    try:
        yield shown
    finally:
        shown.close()
