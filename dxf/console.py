"""The console: what a command reads and writes, whatever stands in the place of the standard streams.

A stream may be closed (``None``), or an object with nothing but ``read``, or ``write`` and ``flush``.
"""

import errno
import os
import sys
from contextlib import suppress
from typing import Any

from dxf.documents import dump_json
from dxf.exceptions import DXFInvalidDocumentError


def _output() -> Any:
    if sys.stdout is None:
        raise OSError(errno.EBADF, 'standard output is closed')
    return sys.stdout


def binary_output() -> Any:
    """Return what takes the bytes of blobs; what was written as text before has left when it is returned."""
    output = _output()
    output.flush()
    return getattr(output, 'buffer', output)


def write(text: str) -> None:
    """Write text of our own to standard output."""
    _output().write(text)


def say(result: Any) -> None:
    """Print one item a line; a multi-platform result as one JSON object."""
    if isinstance(result, dict):
        say_json(result)
    elif isinstance(result, list):
        for item in result:
            write(f'{item}\n')
    else:
        write(f'{result}\n')


def say_json(document: dict[str, Any]) -> None:
    """Print an object on a line, with sorted keys."""
    write(dump_json(document) + '\n')


def write_exactly(text: str) -> None:
    """Write text as the bytes that it is stored as, in every locale."""
    if hasattr(_output(), 'buffer'):
        binary_output().write(text.encode('utf-8'))
    else:
        write(text)


def read() -> str:
    """Read standard input, as UTF-8 in every locale."""
    content = binary_input().read()
    try:
        return content.decode('utf-8') if isinstance(content, bytes) else str(content)
    except UnicodeDecodeError:
        raise DXFInvalidDocumentError('standard input holds no manifest: it is not UTF-8') from None


def binary_input() -> Any:
    """Return what gives the bytes on standard input."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, 'standard input is closed')
    return getattr(sys.stdin, 'buffer', sys.stdin)


def is_person() -> bool:
    """Say whether somebody sits there who can be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask(question: str) -> str:
    """Ask whoever sits there."""
    print(question, end='', file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def ask_secretly(question: str) -> str:
    """Ask whoever sits there for something that nobody else should see."""
    import getpass
    try:
        return getpass.getpass(question, sys.stderr)
    except EOFError:
        print(file=sys.stderr)
        raise


def complain(line: str) -> None:
    """Write a line about what went wrong to standard error, if there is one."""
    if sys.stderr is not None:
        print(f'dxf: {line}', file=sys.stderr)


def shape() -> dict[str, Any]:
    """Return the columns and rows to assume of a terminal on standard error that does not know its own."""
    with suppress(OSError, ValueError, AttributeError):
        if 0 in os.get_terminal_size(sys.stderr.fileno()):
            return {'ncols': 80, 'nrows': 24}
    return {}
