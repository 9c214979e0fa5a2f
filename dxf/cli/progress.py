"""Progress on standard error, for people and for programs; the only module that imports tqdm.

tqdm is imported when a bar is shown. Standard output carries data alone.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Protocol

from dxf.cli import terminal
from dxf.counts import counted
from dxf.strict_json import dump_json

INTERVALS = {'lines': 10.0, 'json': 1.0}
"""Seconds between two lines about one blob."""

ON_TERMINAL = {'unit': 'B', 'unit_scale': True, 'unit_divisor': 1024}
"""Arguments of tqdm on a terminal, for a rate in units that people read. Elsewhere bars have tqdm's defaults."""

SIZED = '{l_bar}{bar}| {n}/{total} [{elapsed}<{remaining}, {rate_fmt}]'
UNSIZED = '{desc}: {n} bytes [{elapsed}, {rate_fmt}]'
"""The format of a bar on a terminal, with and without a known size."""

FILES = 'files'
"""What stands for the files of a backup among the digests of blobs."""

NOT_MOVED = ('n', 'initial', 'last_print_n')
"""Attributes of a bar from which tqdm computes the rate."""


class Progress(Protocol):
    """Shows transfers: give it to ``push_blob`` as ``progress``, or call it for each chunk."""

    def __call__(self, digest: str, chunk: bytes, size: int | None) -> None:
        """Show that ``chunk`` of a blob of ``size`` bytes has moved; ``None`` for an unknown size."""

    def kept(self, digest: str, count: int, size: int) -> None:
        """Show that ``count`` bytes of a blob were there already, from a transfer that broke off."""

    def found(self, count: int) -> None:
        """Show that a whole blob of ``count`` bytes was there already."""

    def reading(self, count: int, size: int, files: int) -> None:
        """Show that ``count`` more of ``size`` bytes of files were read, the number of which is ``files`` so far."""

    def close(self) -> None:
        """End the display."""


class Bars:
    """A bar for each blob that moves, and one for the total of several blobs.

    :param total: bytes of all blobs; ``None`` for no bar of the total
    :param options: further arguments of tqdm
    """

    def __init__(self, total: int | None, options: dict[str, Any]) -> None:
        self._options = options
        self._bars: dict[str, Any] = {}
        self._total = None if total is None else self._bar('total', total)

    def __call__(self, digest: str, chunk: bytes, size: int | None) -> None:
        """Show that ``chunk`` of a blob of ``size`` bytes has moved; ``None`` for an unknown size."""
        with terminal.drawing():
            self._of(digest, size).update(len(chunk))
            self._close_if_done(digest)
            if self._total is not None:
                self._total.update(len(chunk))

    def kept(self, digest: str, count: int, size: int) -> None:
        """Show that ``count`` bytes of a blob were there already, from a transfer that broke off."""
        with terminal.drawing():
            _advance(self._of(digest, size), count)
            self._close_if_done(digest)
        self.found(count)

    def found(self, count: int) -> None:
        """Show that a whole blob of so many bytes was there already: it has no bar."""
        with terminal.drawing():
            if self._total is not None:
                _advance(self._total, count)

    def reading(self, count: int, size: int, files: int) -> None:
        """Show that ``count`` more of ``size`` bytes of files were read, the number of which is ``files`` so far."""
        with terminal.drawing():
            shown = self._of(FILES, size)
            if hasattr(shown, 'set_description_str'):  # a replacement of tqdm may not have it
                shown.set_description_str(counted(files, 'file'), refresh=False)
            shown.update(count)

    def _of(self, digest: str, size: int | None) -> Any:
        """Return the bar of a blob."""
        if digest not in self._bars:
            self._bars[digest] = self._bar(digest[0:8] if digest else 'blob', size)
        return self._bars[digest]

    def _close_if_done(self, digest: str) -> None:
        shown = self._bars[digest]
        if shown.total is not None and shown.n >= shown.total:
            self._bars.pop(digest).close()

    def _bar(self, name: str, size: int | None) -> Any:
        import tqdm
        options = self._options
        if 'unit' in options:
            options = {**options, 'bar_format': UNSIZED if size is None else SIZED}
        return tqdm.tqdm(desc=name, total=size, **options)

    def close(self) -> None:
        """Leave the bars as they are and end their lines."""
        with terminal.drawing():
            for shown in [*self._bars.values(), *([] if self._total is None else [self._total])]:
                shown.close()
            self._bars.clear()
            self._total = None


def _advance(shown: Any, count: int) -> None:
    """Advance a bar by bytes that were there already, and keep them out of the rate."""
    for name in NOT_MOVED:
        if hasattr(shown, name):  # a replacement of tqdm may have only the first
            setattr(shown, name, getattr(shown, name) + count)
    shown.update(0)


class _Transfer:
    """The state of one transfer."""

    def __init__(self, digest: str, size: int | None) -> None:
        self.digest = digest
        self.size = size
        self.moved = self.kept = 0
        self.files: int | None = None
        """The number of files so far, of a backup's."""
        self.start = self.printed = time.monotonic()

    @property
    def is_done(self) -> bool:
        """Whether the whole blob has moved."""
        return self.size is not None and self.moved >= self.size

    @property
    def rate(self) -> float:
        """Bytes a second, so far."""
        return (self.moved - self.kept) / max(time.monotonic() - self.start, 0.001)

    def keep(self, count: int) -> None:
        """Count bytes that were there already. The rate is measured from now on."""
        self.moved += count
        self.kept += count
        self.start = time.monotonic()

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes at this rate."""
        return None if self.size is None or not self.rate else max(self.size - self.moved, 0) / self.rate


class Reports:
    """Lines about transfers: one in each interval, and one at the end of each.

    :param describe: returns the line for a transfer
    :param interval: seconds between two lines about one transfer
    """

    def __init__(self, describe: Callable[[_Transfer], str], interval: float) -> None:
        self._describe = describe
        self._interval = interval
        self._transfers: dict[str, _Transfer] = {}

    def __call__(self, digest: str, chunk: bytes, size: int | None) -> None:
        """Count ``chunk`` of a blob of ``size`` bytes; ``None`` for an unknown size."""
        transfer = self._transfers.setdefault(digest, _Transfer(digest, size))
        transfer.moved += len(chunk)
        self._report(transfer)

    def kept(self, digest: str, count: int, size: int) -> None:
        """Count bytes of a blob that were there already, from a transfer that broke off."""
        transfer = self._transfers.setdefault(digest, _Transfer(digest, size))
        transfer.keep(count)
        self._report(transfer)

    def found(self, count: int) -> None:
        """Ignore a blob that was there already."""

    def reading(self, count: int, size: int, files: int) -> None:
        """Count bytes of files that were read."""
        transfer = self._transfers.setdefault(FILES, _Transfer(FILES, size))
        transfer.moved += count
        transfer.files = files
        self._report(transfer)

    def _report(self, transfer: _Transfer) -> None:
        if transfer.is_done or time.monotonic() - transfer.printed >= self._interval:
            transfer.printed = time.monotonic()
            self._print(transfer)
        if transfer.is_done:
            del self._transfers[transfer.digest]

    def _print(self, transfer: _Transfer) -> None:
        if sys.stderr is not None:
            print(self._describe(transfer), file=terminal.ProgressStream(sys.stderr), flush=True)

    def close(self) -> None:
        """Print the state of the transfers that did not end."""
        for transfer in self._transfers.values():
            self._print(transfer)
        self._transfers.clear()


def _line(transfer: _Transfer) -> str:
    percent = 100 if transfer.is_done else 100 * transfer.moved // (transfer.size or 1)
    share = '' if transfer.size is None else f'/{transfer.size} bytes, {percent}%'
    left = '' if transfer.left is None or transfer.is_done else f', {transfer.left:.0f} s left'
    name = transfer.digest or 'blob' if transfer.files is None else counted(transfer.files, 'file')
    return f'{name} {transfer.moved}{share or " bytes"}, {transfer.rate / 1e6:.1f} MB/s{left}'


def _json(transfer: _Transfer) -> str:
    subject = {'blob': transfer.digest or None} if transfer.files is None else {'files': transfer.files}
    return dump_json({
        **subject, 'bytes': transfer.moved, 'total': transfer.size,
        'rate': round(transfer.rate), 'eta': None if transfer.left is None else round(transfer.left, 1),
        'done': transfer.is_done}, sort_keys=False)


def progress(mode: str | None, total: int | None = None) -> AbstractContextManager[Progress | None]:
    """Return what provides the display of progress, or ``None`` without one, and ends it after the ``with`` statement.

    :param mode: one of ``variables.PROGRESS_MODES``; ``None`` for bars on a terminal, and nothing elsewhere
    :param total: bytes of all blobs, if there are several
    """
    on_terminal = mode != 'none' and terminal.is_terminal(sys.stderr)
    mode = mode or ('bar' if on_terminal else 'none')
    return nullcontext() if mode == 'none' or sys.stderr is None else _shown(mode, total, on_terminal)


@contextmanager
def _shown(mode: str, total: int | None, on_terminal: bool) -> Iterator[Progress]:
    with ExitStack() as open_until_the_end:
        shown: Progress
        if mode != 'bar':
            shown = Reports({'lines': _line, 'json': _json}[mode], INTERVALS[mode])
        elif on_terminal:
            stream = open_until_the_end.enter_context(terminal.bars())
            shown = Bars(total, {**ON_TERMINAL, 'file': stream, **terminal.shape()})
        else:
            shown = Bars(None, {'file': terminal.ProgressStream(sys.stderr)})
        open_until_the_end.callback(shown.close)
        yield shown
