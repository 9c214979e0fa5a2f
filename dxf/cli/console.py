"""The console: what a command reads from standard input, and writes to standard output and standard error.

A stream may be closed (``None``), or an object that has only ``read``, or only ``write`` and ``flush``. All output goes
through :mod:`dxf.local.sinks`: ``TextIOWrapper`` drops what a raw file (``PYTHONUNBUFFERED=1``) does not take at once.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dxf.cli import terminal
from dxf.exceptions import DXFInvalidDocumentError
from dxf.local import sinks
from dxf.masking import without_password
from dxf.strict_json import dump_json

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk, a quota or a limit that is full."""


def _output() -> Any:
    if sys.stdout is None:
        raise OSError(errno.EBADF, 'standard output is closed')
    return sys.stdout


@contextmanager
def naming_output() -> Iterator[None]:
    """Name standard output in an error that it is full, within the ``with`` statement."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, 'standard output') from error


def binary_output() -> Any:
    """Return the stream for the bytes of blobs, to be written by ``sinks``; text that was written before is flushed."""
    output = _output()
    sinks.flush(output)
    return terminal.shared(getattr(output, 'buffer', output))


def flush() -> None:
    """Flush standard output, if there is one.

    :raises OSError: the disk is full, the reader of the pipe has ended, or the like
    """
    if sys.stdout is not None:
        with naming_output():
            sinks.flush(sys.stdout)


def finish() -> None:
    """Flush standard output, and check that the system has taken everything.

    Some file systems, NFS among them, report a full disk or quota only when a file is closed. Closing a copy of the
    descriptor is enough: https://man7.org/linux/man-pages/man2/close.2.html

    :raises OSError: the disk is full, the reader of the pipe has ended, or the like
    """
    flush()
    try:
        copy = os.dup(sys.stdout.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or an object without a descriptor
        return
    with naming_output():
        os.close(copy)


def sync() -> None:
    """Flush standard output, and write it to the disk if it is a file or a block device.

    :raises OSError: the disk is full, or broken, or the like
    """
    flush()
    try:
        number = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or an object without a descriptor
        return
    with sinks.named('standard output'):
        sinks.sync(number)


def write(text: str) -> None:
    """Write text to standard output, in its encoding."""
    with terminal.paused(), naming_output():
        _write_text(_output(), text)


def _write_text(stream: Any, text: str, encoding: str | None = None) -> None:
    """Write all of a text.

    :param encoding: ``None`` for the stream's own
    """
    buffer = getattr(stream, 'buffer', None)
    if buffer is None:
        sinks.write_all(stream, text)
        return
    if encoding is None:
        content = _encoded(text, getattr(stream, 'encoding', None) or 'utf-8', getattr(stream, 'errors', None))
    else:
        content = text.encode(encoding)
    sinks.write_all(buffer, content)
    if getattr(stream, 'line_buffering', False):
        sinks.flush(buffer)


def _encoded(text: str, encoding: str, errors: str | None) -> bytes:
    """Return a text in the encoding of a stream; characters that the encoding lacks are escaped."""
    try:
        return text.encode(encoding, errors or 'strict')
    except UnicodeEncodeError:
        return text.encode(encoding, 'backslashreplace')


def print_items(result: Any) -> None:
    """Print one item a line; a result by platform as one JSON object."""
    if isinstance(result, dict):
        print_json(result)
    elif isinstance(result, list):
        for item in result:
            write(f'{item}\n')
    else:
        write(f'{result}\n')


def print_json(document: dict[str, Any]) -> None:
    """Print a JSON object on one line, with sorted keys."""
    write(dump_json(document) + '\n')


def write_exactly(text: str) -> None:
    """Write text as UTF-8 in every locale."""
    with terminal.paused(), naming_output():
        _write_text(_output(), text, 'utf-8')


def read() -> str:
    """Read standard input, as UTF-8 in every locale."""
    content = binary_input().read()
    try:
        text = content.decode('utf-8') if isinstance(content, bytes) else str(content)
    except UnicodeDecodeError:
        raise DXFInvalidDocumentError('standard input holds no manifest: it is not UTF-8') from None
    return text


def binary_input() -> Any:
    """Return the stream with the bytes of standard input."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, 'standard input is closed')
    return getattr(sys.stdin, 'buffer', sys.stdin)


def is_typed() -> bool:
    """Return whether standard input is a terminal, where a person types."""
    return terminal.is_terminal(sys.stdin)


def can_prompt() -> bool:
    """Return whether a person can be asked: standard input and standard error are terminals."""
    return terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stderr)


def prompt(question: str) -> str:
    """Ask the person at the terminal, and return the answer."""
    print(question, end='', file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def prompt_for_secret(question: str) -> str:
    """Ask the person at the terminal for a secret, which the terminal does not show."""
    import getpass
    try:
        return getpass.getpass(question, sys.stderr)
    except EOFError:
        print(file=sys.stderr)
        raise


def print_error(line: str) -> None:
    """Write one line, an error or a warning, to standard error, if there is one. It shows no password.

    An error of writing is ignored: the exit status does not depend on it.
    """
    if sys.stderr is not None:
        with suppress(OSError), terminal.paused():
            _write_text(sys.stderr, f'dxf: {without_password(line)}\n')
            sinks.flush(sys.stderr)
