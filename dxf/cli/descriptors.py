"""Descriptors: the files that this process inherited may be named by their numbers, those that dxf opens may not.

``/dev/fd/4`` and ``/dev/stdout`` lead to whatever has the number. Where the caller has nothing open there, that may be
a pipe or a socket of dxf: what is written to it is lost.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

from dxf.cli.parsers import CommandLine, fail
from dxf.local import special_files

LAST_STANDARD = 2
"""The number of standard error, the last standard stream."""

NAMES = ('standard input', 'standard output', 'standard error')


def fill_standard() -> None:
    """Open the null device in the place of standard streams that are closed.

    Else a file that dxf opens would get such a number, and a C library would write its error messages into the file.
    Python's own streams stay closed, and so do those of programs that dxf runs.
    """
    with suppress(OSError):  # no /dev/null, or no more descriptors
        while (number := os.open(os.devnull, os.O_RDONLY)) <= LAST_STANDARD:
            pass
        os.close(number)


def check_named(line: CommandLine) -> None:
    """Check that the descriptors that a command line names by their paths are inherited.

    :raises SystemExit: with status 2, one of them is not
    """
    for word in _words(line):
        number = _number_of_own(word)
        if number is not None:
            name = NAMES[number] if number <= LAST_STANDARD else f'descriptor {number}'
            fail(f'dxf {line.command.name}', f'cannot use {word!r}: {name} was closed when dxf started')


def _words(line: CommandLine) -> Iterator[str]:
    """Yield the operands, and the values of the options."""
    yield from line.operands
    for value in line.options.values():
        yield from [value] if isinstance(value, str) else value if isinstance(value, list) else []


def _number_of_own(word: str) -> int | None:
    """Return the number of the descriptor to which a path leads, if this process has opened it itself.

    A descriptor that was inherited stays open in programs that are run, or it would not be there. Python opens all
    others so that they do not: https://peps.python.org/pep-0446/
    """
    number = special_files.descriptor_of(word) if os.path.islink(word) else None
    with suppress(OSError):
        return None if number is None or os.get_inheritable(number) else number
    return None
