"""Parsers of the command line, and the help that they print, made from the table of commands."""

import argparse
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from dxf.cli import command_mistakes, console, mistakes, repository_mistakes
from dxf.cli.command import Command, Option
from dxf.cli.command_parts import HOST
from dxf.cli.command_table import COMMANDS, GROUPS
from dxf.environment.variables import COMMON, VARIABLES
from dxf.strict_json import printable
from dxf.version import VERSION

WRONG_USAGE = 2
WIDTH = 79
"""Columns of the help, in every terminal: it fits 80 columns."""

USAGE = 'dxf [--help] [--help-env] [--version] [--completion=SHELL] <command> ...'
PURPOSE = 'Store and fetch arbitrary data in a Docker or OCI registry.'
STATUSES = 'status: 0 stored or verified; 1 failed; 2 usage, or not found; 13 unauthorised'
ALIASES = 'An alias is written @alias; where only an alias can stand, alias will do.'
HOST_HELP = f'--host=HOST after a command names {HOST.help}.'
SHELLS = ('bash', 'zsh', 'fish')

_COMMANDS = {command.name: command for command in COMMANDS}
_EXPLICIT = r'(?s)ignored explicit argument .*'
"""The error of argparse for --password-stdin=SECRET."""
_WITHOUT_VALUE = r'^argument (-[^/:]*).*: expected one argument'
"""The error of argparse for an option at the end of the line."""


class CommandLine(NamedTuple):
    """What was typed: a command with its operands and options, and the program that follows ``--``."""

    command: Command
    operands: list[str]
    options: dict[str, Any]
    program: list[str] | None


def fail(program: str, message: str) -> NoReturn:
    """Print one line about wrong usage, and exit with status 2.

    :param program: ``dxf``, or ``dxf`` and a command, whose help the line names
    """
    console.print_error(printable(f'{message} (see {program} --help)'))
    sys.exit(WRONG_USAGE)


def fail_about_operands(line: CommandLine, message: str) -> NoReturn:
    """Print one line about wrong operands, with a hint about the repository or their order; exit with status 2."""
    command = line.command
    first = line.operands[0] if line.operands else ''
    hint = mistakes.about_taken(line.options, command, first, message) or \
        (repository_mistakes.about_repository(command, first, message) if line.operands else '')
    if not hint and command.name == 'push-blob' and line.program is None and message.startswith('too few '):
        hint = mistakes.about_missing(command.line, line.operands)
    hint = hint or mistakes.about_order(command.name, command.line, line.operands)
    if not hint:
        from dxf.cli.name_spelling import about_spelling  # it brings hashlib, and few mistakes need it
        hint = about_spelling(message, line.operands)
    fail(f'dxf {command.name}', message + hint)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help of a fixed width, whose paragraphs keep their lines."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=22, width=WIDTH)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line.

    :param describe: returns usage, description and epilog, which only the help needs
    """

    def __init__(self, program: str, describe: Callable[[], tuple[str, str, str]], **options: Any) -> None:
        super().__init__(prog=program, usage='%(prog)s', formatter_class=_HelpFormatter, **options)
        self._describe = describe

    def format_help(self) -> str:
        self.usage, self.description, self.epilog = self._describe()
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        lone = re.search(_WITHOUT_VALUE, message)
        if lone is not None:  # argparse names all ways to write the option
            action = self._option_string_actions[lone[1]]
            message = f'{lone[1]} needs a value: {lone[1]} {action.metavar or "|".join(action.choices or [])}'
        fail(self.prog, re.sub(_EXPLICIT, 'it takes no value', message))

    def _print_message(self, message: str, file: Any = None) -> None:
        console.write(message)  # argparse ignores errors of writing, such as a full disk


class _StoreOnce(argparse.Action):
    """Stores the value of an option that may be given once: a second value would silently replace the first."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f'{option_string} was given twice: it takes one value')
        setattr(namespace, self.dest, values)


class _PrintVariables(argparse.Action):
    """Prints the environment variables, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        console.write(f'environment variables (an empty one counts as not set):\n{_explained(VARIABLES)}\n')
        parser.exit()


class _PrintCompletion(argparse.Action):
    """Prints the script by which a shell completes commands, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        console.write(completion_script(values))
        parser.exit()


def completion_script(shell: str) -> str:
    """Return the completion script of a shell, a file that ``make completion`` writes."""
    with open(os.path.join(os.path.dirname(__file__), 'completion', f'dxf.{shell}'), encoding='utf-8') as file:
        return file.read()


def _wrapped(text: str, first: str = '', rest: str = '') -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False,
                         break_long_words=False)


def _table(rows: Iterable[tuple[str, str]], width: int) -> str:
    """Return names with their meanings, in two columns."""
    return '\n'.join(_wrapped(meaning, f'  {name:{width}}  ', ' ' * (width + 4)) for name, meaning in rows)


def _explained(names: Iterable[str]) -> str:
    """Return variables with their meanings, in two columns."""
    rows = [(name, VARIABLES[name]) for name in names]
    return _table(rows, max(len(name) for name, _ in rows))


def _list_of_commands() -> str:
    width = max(map(len, _COMMANDS))
    return '\n'.join(f'{group}:\n' + _table(((one.name, one.summary) for one in COMMANDS if one.group == group), width)
                     for group in GROUPS)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the options before a command; its help lists the commands."""
    parser = _Parser('dxf', lambda: (USAGE, f'{PURPOSE}\n\n{_list_of_commands()}',
                                     f'{ALIASES}\n{HOST_HELP}\n{_wrapped(STATUSES)}'))
    add_general_options(parser)
    return parser


def add_general_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that stand before a command."""
    parser.add_argument('--help-env', action=_PrintVariables, nargs=0, help='print the environment variables')
    parser.add_argument('--version', action='version', version=f'dxf {VERSION}', help='print the version')
    parser.add_argument('--completion', action=_PrintCompletion, choices=SHELLS, metavar='SHELL',
                        help=f'print the completion script of {", ".join(SHELLS[:-1])} or {SHELLS[-1]}')


def add_option(parser: argparse.ArgumentParser, option: Option) -> argparse.Action:
    """Add an option of a command to its parser."""
    how: dict[str, Any] = {'action': 'store_true'}
    if option.has_value:
        how = {'action': 'append' if option.many else _StoreOnce, 'metavar': option.value,
               'choices': option.choices or None}
    return parser.add_argument(*option.flags, help=' '.join(option.help.split()).replace('%', '%%'), **how)


def make_command_parser(command: Command) -> argparse.ArgumentParser:
    """Return the parser of what follows a command."""
    parser = _Parser(f'dxf {command.name}', lambda: (_usage(command), _description(command), _epilog(command)),
                     allow_abbrev=False)
    parser.add_argument('operands', nargs='*', help=argparse.SUPPRESS)
    for option in command.options:
        add_option(parser, option)
    parser.add_argument(*HOST.flags, action=_StoreOnce, help=argparse.SUPPRESS)
    return parser


def _usage(command: Command) -> str:
    """Return all ways to write a command."""
    lines = [part for line in command.usage for part in textwrap.wrap(line, WIDTH - 7, break_on_hyphens=False)]
    return '\n       '.join(lines)


def _description(command: Command) -> str:
    """Return what a command does, in two paragraphs."""
    return '\n'.join(_wrapped(' '.join(text.split())) for text in (command.summary, command.details) if text)


def _epilog(command: Command) -> str:
    """Return the examples of a command and its variables."""
    examples = ['example:' if len(command.examples) == 1 else 'examples:', *(f'  {one}' for one in command.examples)]
    variables = ['', 'environment variables:', _explained(command.variables)] if command.variables else []
    common = ['', 'for all commands (see dxf --help and dxf --help-env):',
              _wrapped(' '.join([HOST.usage[1:-1], *COMMON]), '  ', '  ')]
    return '\n'.join([*examples, *variables, *common])


def parse(args: Sequence[str]) -> CommandLine:
    """Parse the command line, and check the number of operands.

    :param args: the arguments, without the program's name
    :raises SystemExit: with status 2 for wrong usage, with 0 after ``--help`` and the like
    """
    command = _COMMANDS.get(args[0]) if args else None
    if command is None:
        _parse_without_command(args)
    given, program = _split(args[1:]) if command.program_operands else (args[1:], None)
    parser = make_command_parser(command)
    found, unknown = parser.parse_known_intermixed_args(_with_values(given, command))
    if unknown:
        parser.error(mistakes.about_unknown(unknown, [*command.flags, *HOST.flags], command.name))
    options = vars(found)
    line = CommandLine(command, options.pop('operands'), options, program)
    _check_count(line)
    return line


def _with_values(args: Sequence[str], command: Command) -> list[str]:
    """Return the arguments, where each option that may stand without a value has one.

    What follows such an option is its value only if it is one of the choices, and not the only operand.
    """
    lone = {flag: option for option in command.options if option.alone is not None for flag in option.flags}
    words = [arg for arg in args if not arg.startswith('-')]
    return [f'{arg}={lone[arg].alone}' if arg in lone and not (after in lone[arg].choices and len(words) > 1) else arg
            for arg, after in zip(args, [*args[1:], ''], strict=False)]


def _split(args: Sequence[str]) -> tuple[Sequence[str], list[str] | None]:
    """Return the arguments before the first ``--``, and the program after it; ``None`` without ``--``."""
    if '--' not in args:
        return args, None
    place = list(args).index('--')
    return args[:place], list(args[place + 1:])


def _parse_without_command(args: Sequence[str]) -> NoReturn:
    """Print what ``--help`` and the like ask for, or what is wrong."""
    parser = make_parser()
    if args and not args[0].startswith('-'):
        parser.error(command_mistakes.about_command(args[0], args[1:], list(_COMMANDS)))
    if not args:
        parser.print_help()
    _, unknown = parser.parse_known_args(args)
    if unknown:
        parser.error(mistakes.about_unknown(unknown[:1], ('--help-env', '--version', '--completion'), ''))
    parser.error('too few arguments: a command is needed')


def _check_count(line: CommandLine) -> None:
    """Check the number of operands."""
    command, count = line.command, len(line.operands)
    if line.program is not None:
        if not count or not line.program:
            fail_about_operands(line, f'too few arguments: {command.program_line}')
        return
    least, most = command.numbers_of_operands
    if count < least:
        fail_about_operands(line, f'too few arguments: {command.line}')
    if most is not None and count > most:
        fail_about_operands(line, f'too many arguments: {command.line}'
                                  f'{mistakes.about_surplus(command.name, line.operands)}')


def make_tree(*, has_summaries: bool) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return one parser for everything, and those of the commands: to make other texts from, not to parse with.

    :param has_summaries: list the summaries of the commands, which a manual does not need
    """
    tree = argparse.ArgumentParser(prog='dxf', usage=USAGE, description=PURPOSE, formatter_class=_UnbrokenFormatter)
    add_general_options(tree)
    commands = tree.add_subparsers(title='commands', metavar='<command>', required=True)
    parsers = {}
    for command in COMMANDS:
        how: dict[str, Any] = {'help': command.summary} if has_summaries else {}
        description = f'{command.summary}\n{command.details}'.rstrip()
        parsers[command.name] = commands.add_parser(command.name, usage='\n'.join(command.usage),
                                                    description=description, formatter_class=_UnbrokenFormatter, **how)
    return tree, parsers


class _UnbrokenFormatter(argparse.RawDescriptionHelpFormatter):
    """Help whose lines are not broken: a shell or a manual breaks them."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=10_000)
