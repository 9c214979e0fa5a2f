"""Records that describe a command: its operands, its options, and the usage lines that are made of them.

``command_table`` lists the commands. ``parsers`` makes parsers and help of these records.
"""

from typing import NamedTuple

REPOSITORIES, ALIASES, BLOBS, FILES, FOLDERS, FILES_OR_ALIASES, ACTIONS = (
    'repositories', 'aliases', 'blobs', 'files', 'folders', 'files or aliases', 'actions')
"""What a shell may complete a value with."""


class Operand(NamedTuple):
    """An operand of a command.

    :param name: as the usage line shows it, such as ``<repo>``
    :param many: it may be given several times
    :param optional: it may be left out
    :param completion: what a shell completes it with
    """

    name: str
    many: bool = False
    optional: bool = False
    completion: str | None = None

    @property
    def usage(self) -> str:
        """What the usage line shows: ``<file>...``, ``[@alias]``."""
        text = f'{self.name}...' if self.many else self.name
        return f'[{text}]' if self.optional else text


class Option(NamedTuple):
    """An option of a command.

    :param flags: how it is written; the usage line shows the first one
    :param help: what it does
    :param value: the name of its value; ``None`` for an option without a value
    :param choices: the values that it takes, in place of a name
    :param required: it must be given
    :param many: it may be given several times
    :param completion: what a shell completes its value with
    :param alone: the value that it has where none is given; ``None`` if it needs one
    """

    flags: tuple[str, ...]
    help: str
    value: str | None = None
    choices: tuple[str, ...] = ()
    required: bool = False
    many: bool = False
    completion: str | None = None
    alone: str | None = None

    @property
    def has_value(self) -> bool:
        """Whether a value follows it."""
        return self.value is not None or bool(self.choices)

    @property
    def usage(self) -> str:
        """What the usage line shows: ``[--to=DIR]``, ``[-o FILE]``."""
        text = flag = self.flags[0]
        if self.has_value:
            value = (' ' if len(flag) == 2 else '=') + (self.value or '|'.join(self.choices))
            text += value if self.alone is None else f'[{value}]'
        return f'{text if self.required else f"[{text}]"}{"..." if self.many else ""}'


class Command(NamedTuple):
    """A command.

    :param group: the group of commands under which ``dxf --help`` lists it
    :param summary: what it does, in one sentence
    :param details: what else its help says
    :param operands: what follows its name; the first one is the repository, if there are any
    :param actions: the actions that its token must allow; empty if the registry's challenge says it better
    :param variables: the variables that it reads, without those that all commands read
    :param needs_no_password: it works with DXF_USERNAME alone: it asks for the password, or uses none
    :param creates_repository: it creates a repository that does not exist
    :param program_operands: its operands before ``--`` and a program, if it may run one
    """

    name: str
    group: str
    summary: str
    details: str = ''
    operands: tuple[Operand, ...] = ()
    options: tuple[Option, ...] = ()
    examples: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    needs_no_password: bool = False
    creates_repository: bool = False
    program_operands: tuple[Operand, ...] = ()

    @property
    def min_operands(self) -> int:
        """The smallest number of operands."""
        return sum(not operand.optional for operand in self.operands)

    @property
    def max_operands(self) -> int | None:
        """The largest number of operands; ``None`` for any number."""
        return None if any(operand.many for operand in self.operands) else len(self.operands)

    @property
    def numbers_of_operands(self) -> tuple[int, int | None]:
        """The smallest and the largest number of operands; ``None`` for any number."""
        return self.min_operands, self.max_operands

    @property
    def flags(self) -> list[str]:
        """All flags of its options."""
        return [flag for option in self.options for flag in option.flags]

    @property
    def line(self) -> str:
        """How it is written, without options."""
        return ' '.join(['dxf', self.name, *(operand.usage for operand in self.operands)])

    @property
    def program_line(self) -> str | None:
        """How it is written before a program, if it may run one."""
        if not self.program_operands:
            return None
        return ' '.join(['dxf', self.name, *(operand.usage for operand in self.program_operands), '-- <command>...'])

    @property
    def usage(self) -> list[str]:
        """All ways to write it, with its options."""
        words = ['dxf', self.name, *(option.usage for option in self.options),
                 *(operand.usage for operand in self.operands)]
        return [' '.join(words), *([] if self.program_line is None else [self.program_line])]
