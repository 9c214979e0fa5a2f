"""The command line's door: the parser, the dispatch to a command, errors to exit statuses."""

import argparse
import errno
import os
import re
import signal
import sys
import textwrap
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from requests import Response
from requests.exceptions import HTTPError
from urllib3.exceptions import InsecureRequestWarning

from dxf.cli import console, mistakes, next_steps, not_found, operands, request_log
from dxf.cli.command_table import COMMANDS, COMMON, Command
from dxf.cli.context import Job, UsageError
from dxf.cli.error_messages import FAILED, line_of, status_of
from dxf.cli.interruption import TerminatedError, signals_raised
from dxf.cli.settings import VARIABLES, SettingsError, read_settings, with_other_names
from dxf.exceptions import DXFUnauthorizedError
from dxf.hints import is_of_target, mark_as_target
from dxf.strict_json import printable
from dxf.version import VERSION

USAGE_ERROR = 2
WIDTH = 79
"""Of help, whatever the terminal's is: it fits 80 columns."""


_EXPLICIT = re.compile(r'ignored explicit argument .*', re.DOTALL)
"""What argparse says of --password-stdin=SECRET."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help whose paragraphs are broken where we want them."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=20, width=WIDTH)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        message = _EXPLICIT.sub('it takes no value', message)
        console.complain(printable(f'{message} (see {self.prog} --help)'))
        sys.exit(USAGE_ERROR)

    def _print_message(self, message: str, file: Any = None) -> None:
        console.write(message)  # argparse would let a full disk pass for success


class _Completion(argparse.Action):
    """Prints the script with which a shell completes, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        from dxf.cli import completion
        console.write(completion.script(values))
        parser.exit()


def _wrapped(text: str, first: str = '', rest: str = '') -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False,
                         break_long_words=False)


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """Return names, each with its meaning, in two columns."""
    pairs = list(rows)
    width = max((len(name) for name, _ in pairs), default=0)
    return '\n'.join(_wrapped(meaning, f'  {name:{width}}  ', ' ' * (width + 4)) for name, meaning in pairs)


def _listed(names: Iterable[str]) -> str:
    return _table((name, VARIABLES[name]) for name in names)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of what stands before a command, with the help that lists the commands."""
    parser = _Parser(prog='dxf', usage='dxf [--help] [--version] [--completion=SHELL] <command> ...',
                     description='Store and fetch arbitrary data in a Docker or OCI registry.\n\ncommands:\n'
                     + _table((command.name, command.summary) for command in COMMANDS), formatter_class=_Help,
                     epilog='environment variables:\n' + _listed(VARIABLES) + '\n\n' + _wrapped(
                         'exit statuses: 0 stored, or verified and complete; 1 failed; 2 wrong usage, or not found; '
                         '13 unauthorised. "dxf <command> --help" tells more of each.'))
    parser.add_argument('--version', action='version', version=f'dxf {VERSION}')
    parser.add_argument('--completion', action=_Completion, choices=('bash', 'zsh', 'fish'),
                        help='print a script with which a shell completes what is typed')
    return parser


def make_command_parser(command: Command) -> argparse.ArgumentParser:
    """Return the parser of what follows a command's name."""
    epilog = f'example:\n  {command.example}\n'
    if command.variables:
        epilog += f'\nenvironment variables:\n{_listed(command.variables)}\n'
    epilog += '\nfor all commands (see dxf --help):\n' + _wrapped(' '.join(COMMON), '  ', '  ')
    summary, _, more = command.purpose.partition('\n')
    description = '\n'.join(_wrapped(' '.join(text.split())) for text in (summary, more) if text)
    parser = _Parser(prog=f'dxf {command.name}', description=description, epilog=epilog,
                     usage='\n       '.join(wrapped for line in command.lines
                                            for wrapped in textwrap.wrap(line, WIDTH - 7, break_on_hyphens=False)),
                     formatter_class=_Help, allow_abbrev=False)
    parser.add_argument('operands', nargs='*', help=argparse.SUPPRESS)
    for option in command.options:
        how: dict[str, Any] = {'action': 'store_true'} if not option.value else {'metavar': option.value} if \
            isinstance(option.value, str) else {'choices': option.value}
        how |= {'action': 'append'} if option.many else {}
        parser.add_argument(*option.flags, help=option.purpose, **how)
    return parser


def _check_count(command: Command, given: list[str], runs: list[str] | None) -> None:
    """Check the number of operands.

    :param given: the operands
    :param runs: the command that follows ``--``, if one may
    """
    if runs is not None:
        if not given or not runs:
            raise UsageError(f'too few arguments: dxf {command.name} {command.runs}')
        return
    wanted = f': dxf {command.name} {command.operands}'.rstrip()
    if len(given) < command.fewest:
        raise UsageError('too few arguments' + wanted)
    if command.most is not None and len(given) > command.most:
        raise UsageError('too many arguments' + wanted + (mistakes.about_surplus(command.name) if command.most == 0
                                                          else ''))


def _job(command: Command, given: dict[str, Any], environ: Mapping[str, str]) -> Job:
    settings = read_settings(environ, command.asks)
    repository = None
    rest = given['operands']
    if command.has_repository:
        repository, *rest = rest
        operands.repository(repository, settings.host)
        if command.creates:
            operands.check_to_create(repository, settings.host)
    if given.get('progress') is not None:
        settings = settings._replace(progress=given['progress'])
    return Job(settings, command.actions, repository, rest, given, environ, {})


def _parse(args: Sequence[str]) -> tuple[Command, argparse.ArgumentParser, dict[str, Any]]:
    """Return the command that is asked for, its parser and what was given to it."""
    for command in COMMANDS:
        if args and args[0] == command.name:
            parser = make_command_parser(command)
            own, runs = _split(args[1:]) if command.runs else (args[1:], None)
            given, unknown = parser.parse_known_intermixed_args(own)
            if unknown:
                flags = [flag for option in command.options for flag in option.flags]
                parser.error(mistakes.about_unknown(unknown, flags, command.name))
            return command, parser, {**vars(given), 'command': runs}
    parser = make_parser()
    if args and not args[0].startswith('-'):
        parser.error(mistakes.about_command(args[0], [command.name for command in COMMANDS]))
    if not args:
        parser.print_help()
    _, unknown = parser.parse_known_args(args)
    if unknown:
        parser.error(mistakes.about_unknown(unknown[:1], (), ''))
    parser.error('too few arguments: a command is needed')


def _split(args: Sequence[str]) -> tuple[Sequence[str], list[str] | None]:
    """Return the arguments before the first ``--``, and the command behind it; ``None`` where there is no ``--``."""
    if '--' not in args:
        return args, None
    place = list(args).index('--')
    return args[:place], list(args[place + 1:])


def _run(command: Command, job: Job) -> int:
    """Run a command; where the registry says that it may not, or that it has not, return what that stands for."""
    try:
        with warnings.catch_warnings(), request_log.on_standard_error(job.settings.debug):
            if job.settings.tlsverify is False:  # as the user wants it: no need to be told so at each request
                warnings.simplefilter('ignore', InsecureRequestWarning)
            command.run(job)
    except Exception as error:
        if job.is_about_target(error):
            mark_as_target(error)
        next_steps.add_next_step(job, error)
        if not isinstance(error, (DXFUnauthorizedError, HTTPError)) or status_of(error) == FAILED:
            raise
        console.complain(_refusal(job, error))
        return status_of(error)
    return 0


def _refusal(job: Job, error: DXFUnauthorizedError | HTTPError) -> str:
    """Return the line for what the registry does not allow or does not have."""
    line = line_of(error)
    if status_of(error) == errno.EACCES:
        return line + printable(f'; {job.credential_for(error)}')
    response: Response | None = getattr(error, 'response', None)
    return line if response is None else not_found.explained(job, response, line)


def doit(args: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command.

    :param args: the arguments, without the program's name
    :param environ: the environment to run it in
    :return: 0; ``errno.EACCES`` when unauthorised; ``errno.ENOENT`` when the registry does not have it
    :raises SystemExit: with status 2 for wrong usage, with 0 after ``--help`` and ``--version``
    :raises Exception: whatever else goes wrong
    """
    console.flush()  # what was printed by others before comes first
    command, parser, given = _parse(args)
    try:
        _check_count(command, given['operands'], given['command'])
        return _run(command, _job(command, given, environ))
    except SettingsError as error:
        return parser.error(str(error))
    except UsageError as error:
        line = f'dxf {command.name} {command.operands}'
        return parser.error(str(error) + mistakes.about_order(command.name, line, given['operands']))


def _die(signum: signal.Signals) -> int:
    """End as a program does that leaves a signal to the system, so that the shell sees which it was."""
    _abandon_output()
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)
    return 128 + signum


def _abandon_output() -> None:
    """Keep the interpreter from trying once more, at its end, to write what could not be written."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _finish() -> int:
    """Run the command that the shell asked for, and return its exit status; an error is told in one line.

    :raises BrokenPipeError: the reader of the output has gone
    """
    try:
        try:
            status = doit(sys.argv[1:], os.environ)
        except SystemExit as ended:  # help, or wrong usage
            status = int(ended.code or 0)
        console.finish()  # a full disk, or a reader who has gone, is told here and not after the end
        return status
    except BrokenPipeError:
        raise
    except Exception as error:
        with suppress(OSError, ValueError):  # perhaps the same error; what was printed before another one leaves
            console.flush()
        line = line_of(error)
        console.complain(with_other_names(line) if is_of_target(error) else line)
        _abandon_output()
        return status_of(error)


def main() -> int:
    """Run the command that the shell asked for, and return its exit status; no error is a traceback."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where the parent ignores it, no command would have a status
    try:
        with signals_raised():
            return _finish()
    except BrokenPipeError:
        return _die(signal.SIGPIPE)
    except KeyboardInterrupt:
        return _die(signal.SIGINT)
    except TerminatedError:
        return _die(signal.SIGTERM)
