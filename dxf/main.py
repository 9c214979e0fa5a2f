"""The entry point of the command line: parser, dispatch, exit status.

Requests and the functions of the commands are loaded only when a command runs: help and wrong usage do without.
"""

import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TextIO

from dxf.cli import console, descriptors, parsers
from dxf.cli.interruption import TerminatedError, signals_raised

NEW_OBJECTS = 10_000
"""Python looks for cycles among objects whenever there are so many new ones. After 700, the default, it looks 37 times
while requests is imported, and finds nothing."""


def doit(args: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command.

    :param args: the arguments, without the program's name
    :param environ: the environment to run it in
    :return: 0; ``errno.EACCES`` when unauthorised; ``errno.ENOENT`` when the registry does not have it
    :raises SystemExit: with status 2 for wrong usage, with 0 after ``--help`` and ``--version``
    :raises Exception: another error
    """
    console.flush()  # output that the caller has printed comes first
    return _run(parsers.parse(args), environ)


def _run(line: parsers.CommandLine, environ: Mapping[str, str]) -> int:
    from dxf.cli import dispatch
    return dispatch.run(line, environ)


def _die(signum: signal.Signals) -> int:
    """End by a signal, as a program that does not handle it, so that the shell sees which one it was."""
    _abandon_output()
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
    return 128 + signum


def _abandon_output(stream: TextIO | None = None) -> None:
    """Prevent the interpreter from writing again, at its end, what could not be written.

    :param stream: standard output by default
    """
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())


def _finish_errors() -> None:
    """Flush standard error. If it is full, the interpreter would change the exit status to 120 at its end."""
    try:
        sys.stderr.flush()
    except OSError:
        _abandon_output(sys.stderr)
    except (AttributeError, ValueError):  # closed
        pass


def _finish() -> int:
    """Run the command that the shell asked for, and return its exit status; an error is printed as one line.

    :raises BrokenPipeError: the reader of the output has ended
    """
    command = ''
    try:
        try:
            line = parsers.parse(sys.argv[1:])
            command = line.command.name
            descriptors.check_named(line)
            status = _run(line, os.environ)
        except SystemExit as ended:  # help, or wrong usage
            status = int(ended.code or 0)
        console.finish()  # a full disk, or a reader that has ended, is an error here and not after the end
        return status
    except BrokenPipeError:
        raise
    except Exception as error:
        from dxf.cli import error_messages
        with suppress(OSError, ValueError):  # perhaps the same error; output before another error is written
            console.flush()
        console.print_error(error_messages.line_of(error))
        _abandon_output()
        return error_messages.status_of(error, command)


def main() -> int:
    """Run the command that the shell asked for, and return its exit status; no error is a traceback."""
    descriptors.fill_standard()
    gc.set_threshold(NEW_OBJECTS)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if the parent ignores it, no program would have a status
    try:
        with signals_raised():
            status = _finish()
            _finish_errors()
            return status
    except BrokenPipeError:
        return _die(signal.SIGPIPE)
    except KeyboardInterrupt:
        return _die(signal.SIGINT)
    except TerminatedError:
        return _die(signal.SIGTERM)
    finally:
        gc.freeze()  # the interpreter would look for cycles among all modules once more, before it ends: 20 ms
