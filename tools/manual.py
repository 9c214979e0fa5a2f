"""Write the manual page from the tables that the parser is made of (make manual).

The page is kept in the tree, so that an installation needs none of this; a test says when it is out of date.
"""
from __future__ import annotations

import re
from pathlib import Path

from argparse_manpage.manpage import Manpage

from dxf.cli.command_table import COMMANDS
from dxf.cli.parsers import add_option, make_tree
from dxf.environment.variables import VARIABLES
from dxf.version import VERSION

PAGE = Path(__file__).resolve().parent.parent / 'share' / 'man' / 'man1' / 'dxf.1'

STATUSES = {'0': 'stored, or verified and complete', '1': 'failed', '2': 'wrong usage, or not found',
            '13': 'unauthorised', '130': 'interrupted', '141': 'the reader of standard output has ended'}
FILES = {'~/.docker/config.json': 'credentials that docker login, or dxf login, has stored',
         '~/.local/state/dxf/uploads': 'what push-blob --resume remembers'}


def escaped(text: str) -> str:
    """Return text with nothing in it that roff would take for a request."""
    return re.sub(r"^(?=[.'])", r'\\&', text.replace('\\', r'\e').replace('-', r'\-'), flags=re.MULTILINE)


def terms(meanings: dict[str, str]) -> str:
    """Return a list of terms with what each means."""
    return '\n'.join(f'.TP\n\\fB{escaped(term)}\\fR\n{escaped(meaning)}' for term, meaning in meanings.items())


def examples() -> str:
    """Return an example of each command, as it is typed."""
    lines = [line for command in COMMANDS for line in command.examples]
    return '.nf\n.in -5n\n' + '\n'.join(map(escaped, lines)) + '\n.in\n.fi'


def manual() -> str:
    """Return the page in roff."""
    tree, parsers = make_tree(has_summaries=False)
    for command in COMMANDS:
        for option in command.options:
            add_option(parsers[command.name], option)
    page = Manpage(tree, format='single-commands-section')
    page.date, page.source, page.manual = '', f'dxf {VERSION}', 'User Commands'
    page.description = 'keep anything in a Docker or OCI registry'
    for heading, content in (('environment', terms(VARIABLES)), ('exit status', terms(STATUSES)),
                             ('files', terms(FILES)), ('examples', examples())):
        page.add_section(heading, '=', content)
    return '\n'.join(line.rstrip() for line in str(page).splitlines()) + '\n'


if __name__ == '__main__':
    PAGE.write_text(manual(), encoding='utf-8')
