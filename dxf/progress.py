"""Progress bars on standard error; the only room that knows tqdm, which is imported when a bar is shown."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm as Bar

class Bars:
    """One bar after another, one a blob: give it to ``push_blob`` as ``progress``, or call it for each chunk."""

    def __init__(self) -> None:
        self._bar: 'Bar[NoReturn] | None' = None
        self._digest = ''

    def __call__(self, digest: str, chunk: bytes, size: int) -> None:
        """Show that ``chunk`` of a blob of ``size`` bytes has moved."""
        import tqdm
        bar = self._bar
        if bar is None or digest != self._digest:
            self.close()
            bar = self._bar = tqdm.tqdm(desc=digest[0:8], total=size, leave=True)
            self._digest = digest
        bar.update(len(chunk))
        if bar.n >= (bar.total or 0):
            self.close()

    def close(self) -> None:
        """Leave the bar as it is and end its line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


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
