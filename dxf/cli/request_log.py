"""The log of requests on standard error: with ``DXF_DEBUG`` all of them, on a terminal the first retry."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dxf.cli import console
from dxf.cli.error_messages import line_of
from dxf.strict_json import printable


class _OneLineFormatter(logging.Formatter):
    """Formats a log record as one line, safe to show."""

    def format(self, record: logging.LogRecord) -> str:
        error = getattr(record, 'error', None)
        return printable(super().format(record)) if error is None else f'{line_of(error)}; trying again'


class _StandardErrorHandler(logging.Handler):
    """Writes log records to standard error, each text once.

    :param once: leave out a text that was written already: several connections break for one reason
    """

    def __init__(self, once: bool) -> None:
        super().__init__()
        self.setFormatter(_OneLineFormatter())
        self._written: set[str] | None = set() if once else None

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if self._written is None or text not in self._written:
            console.print_error(text)
            if self._written is not None:
                self._written.add(text)


@contextmanager
def on_standard_error(once: bool) -> Iterator[None]:
    """Log to standard error in the ``with`` statement.

    :param once: log only the reasons of retries, each once; otherwise each request
    """
    handler = _StandardErrorHandler(once)
    log = logging.getLogger('dxf')
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO if once else logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
