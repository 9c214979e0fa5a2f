"""Write the reference of commands and variables, as reStructuredText, from the tables that the parser is made of.

docs/conf.py puts it into docs/reference.rst while Sphinx reads that: what the help says, the page says.
"""
from __future__ import annotations

import re
import textwrap

from dxf.cli.command import Command, Option
from dxf.cli.command_table import COMMANDS
from dxf.environment.variables import COMMON, VARIABLES


def escaped(text: str) -> str:
    """Return text with nothing in it that RST would take for markup, and with links to the variables that it names."""
    text = re.sub(r'([\\*`|])', r'\\\1', ' '.join(text.split()))
    return re.sub(r'\b[A-Z]+(?:_[A-Z]+)+\b(?!=)',
                  lambda found: variable(found[0]) if found[0] in VARIABLES else found[0], text)


def variable(name: str) -> str:
    """Return a link to what is said of a variable."""
    return f':envvar:`{name}`'


def literal(text: str) -> str:
    """Return a block of text that is shown as it is."""
    return f'.. code-block:: shell\n\n{textwrap.indent(text, "   ")}\n'


def option(one: Option) -> str:
    """Return the description of an option."""
    value = one.value or f'{{{",".join(one.choices)}}}' if one.has_value else ''
    flags = ', '.join(f'{flag} {value}'.rstrip() for flag in one.flags)
    needed = (' Required.' if one.required else '') + (' It may be given several times.' if one.many else '')
    return f'.. option:: {flags}\n\n   {escaped(one.help)}.{needed}\n'


def command(one: Command) -> str:
    """Return the section of a command."""
    usage = '\n\n'.join(f'``{line}``' for line in one.usage)
    parts = [f'.. _dxf-{one.name}:\n', f'{one.name}\n{"~" * len(one.name)}\n', f'.. program:: dxf {one.name}\n',
             f'{usage}\n', f'{escaped(f"{one.summary} {one.details}")}\n', *map(option, one.options)]
    if one.variables:
        parts.append(f'Reads {", ".join(map(variable, one.variables))}, and what all commands read.\n')
    return '\n'.join([*parts, f'For example:\n\n{literal(chr(10).join(one.examples))}'])


def variables() -> str:
    """Return the descriptions of all variables."""
    return '\n'.join(f'.. envvar:: {name}\n\n   {escaped(text[0].upper() + text[1:])}.\n'
                     for name, text in VARIABLES.items())


def reference() -> str:
    """Return the sections of the commands, and of the variables."""
    everywhere = ', '.join(map(variable, COMMON))
    return '\n'.join(['Commands\n--------\n', f'All commands read {everywhere}.\n', *map(command, COMMANDS),
                      'Environment variables\n---------------------\n', variables()])
