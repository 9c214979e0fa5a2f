"""Completion: the script by which a shell completes dxf's commands, options, files, repositories and aliases.

Knows the commands by their table alone. Names come from the registry, by dxf itself, which checks each of them: none
has a character that means something to a shell.
"""

import argparse
from typing import Any

import shtab

from dxf.cli.command_table import COMMANDS, Option
from dxf.version import VERSION

SHELLS = ('bash', 'zsh', 'fish')
WIDTH = 10_000
"""Of a line of help: the shell breaks it."""

ACTIONS = ('pull', 'push', 'delete')

ASK = 'DXF_TIMEOUT=1 DXF_RETRIES=0 dxf {} 2> /dev/null | head -n 500'
"""The user waits for it after a key, so time and lines are few. Errors are discarded: they would corrupt the prompt."""

REPOSITORIES, ALIASES = ASK.format('list-repos'), ASK.format('list-aliases "{}"')

WITH_VALUE = ' '.join(sorted({flag for command in COMMANDS for option in command.options if option.value
                              for flag in option.flags}))
"""The options that are followed by a value: the first word that is neither one nor a value is the repository."""

PREAMBLES = {
    # bash splits its words at @, but what it puts a reply in the place of has the @.
    'bash': f"""
_dxf_repositories() {{
  compgen -W "$({REPOSITORIES})" -- "$1"
}}
_dxf_repository() {{
  local word value=''
  for word in "${{COMP_WORDS[@]:2}}"; do
    if [[ $value ]]; then value=''
    elif [[ " {WITH_VALUE} " == *" $word "* ]]; then value=1
    elif [[ $word != -* ]]; then printf '%s\\n' "$word"; return; fi
  done
}}
_dxf_aliases() {{
  compgen -W "$({ALIASES.format('$(_dxf_repository)')})" -- "$1"
}}
_dxf_blobs() {{
  compgen -P @ -W "$({ALIASES.format('$(_dxf_repository)')})" -- "${{1#@}}"
}}
_dxf_files_or_alias() {{
  local before=" ${{COMP_WORDS[*]:2:COMP_CWORD-2}} "
  if [[ ${{COMP_WORDS[1]}} == push-blob && $before == *' -- ' ]]; then compgen -c -- "$1"
  elif [[ $1 == @* || ${{COMP_WORDS[COMP_CWORD-1]}} == @ ]]; then _dxf_blobs "$1"
  else compgen -f -- "$1"; fi
}}
""",
    'zsh': f"""
_dxf_repositories() {{
  local -a names
  names=(${{(f)"$({REPOSITORIES})"}})
  compadd -a names
}}
_dxf_aliases() {{
  local -a names
  names=(${{(f)"$({ALIASES.format('$line[1]')})"}})
  compadd -a names
}}
_dxf_blobs() {{
  local -a names
  names=(${{(f)"$({ALIASES.format('$line[1]')})"}})
  names=("@${{^names[@]}}")
  compadd -a names
}}
_dxf_files_or_alias() {{
  if [[ $service == dxf && $words[1] == push-blob && $words[CURRENT-1] == -- ]]; then _command_names -e
  elif [[ $PREFIX == @* ]]; then _dxf_blobs; else _files; fi
}}
""",
    'fish': f"""
function _dxf_repositories
  env {REPOSITORIES}
end
function _dxf_repository
  set -l value
  set -l typed (commandline -opc)
  for word in $typed[3..-1]
    if set -q value[1]
      set value
    else if contains -- $word {WITH_VALUE}
      set value 1
    else if not string match -q -- '-*' $word
      printf '%s\\n' $word
      return
    end
  end
end
function _dxf_aliases
  set -l repository (_dxf_repository)
  env {ALIASES.format('$repository')}
end
function _dxf_blobs
  printf '@%s\\n' (_dxf_aliases)
end
function _dxf_files_or_alias
  set -l typed (commandline -opc)
  if test "$typed[2] $typed[-1]" = 'push-blob --'
    __fish_complete_command
    return
  end
  switch (commandline -ct)
    case '@*'
      _dxf_blobs
    case '*'
      __fish_complete_path (commandline -ct)
  end
end
""",
}


BASH_DOOR = """
# bash makes a word of the = in --option=value, and would quote an alias as a file's name.
_dxf() {
  local i words=() current=$COMP_CWORD
  for i in "${!COMP_WORDS[@]}"; do
    if [[ ${COMP_WORDS[i]} != "=" ]]; then words+=("${COMP_WORDS[i]}")
    elif (( i == COMP_CWORD )); then words+=('')
    elif (( i < COMP_CWORD )); then (( current -= 1 )); fi
  done
  COMP_WORDS=("${words[@]}") COMP_CWORD=$current
  _shtab_dxf "$@"
  if [[ ${COMPREPLY[0]} == @* ]]; then compopt +o filenames 2> /dev/null; fi
}
complete -o bashdefault -F _dxf dxf
"""


def _calls(name: str) -> dict[str, str]:
    return {'bash': name, 'zsh': name, 'fish': f'({name})'}


def _complete(action: Any, what: str) -> None:
    """Say how a value is completed that the usage calls ``what``."""
    known = {'FILE': shtab.FILE, 'DIR': shtab.DIRECTORY, 'REPO': _calls('_dxf_repositories'),
             'repo': _calls('_dxf_repositories'), 'from-repo': _calls('_dxf_repositories'),
             'alias': _calls('_dxf_aliases'), 'hash|file': shtab.FILE, 'hash|@alias': _calls('_dxf_blobs'),
             'file': _calls('_dxf_files_or_alias'), '@alias': _calls('_dxf_files_or_alias')}
    if what in known:
        action.complete = known[what]


def _add_operand(parser: argparse.ArgumentParser, word: str) -> None:
    """Add what one word of the usage stands for, such as ``[<hash>|<@alias>...]``."""
    name = word.strip('[].').replace('<', '').replace('>', '')
    how: dict[str, Any] = {'nargs': argparse.REMAINDER} if '...' in word else {'nargs': '?'} if word[0] == '[' else {}
    if name == 'action':
        how['choices'] = ACTIONS
    _complete(parser.add_argument(name, metavar=word, help=name.replace('|', ' or '), **how), name)


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    how: dict[str, Any] = {'action': 'store_true'} if not option.value else {'metavar': option.value} if \
        isinstance(option.value, str) else {'choices': option.value}
    how |= {'action': 'append'} if option.many else {}
    added = parser.add_argument(*option.flags, help=' '.join(option.purpose.split()), **how)
    if isinstance(option.value, str):
        _complete(added, option.value)


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=WIDTH)


def make_tree(*, is_for_shells: bool = True) -> argparse.ArgumentParser:
    """Return one parser with all commands as its subparsers: to read, not to parse with.

    :param is_for_shells: whether summaries and operands are in it, which a manual says by usage and description
    """
    tree = argparse.ArgumentParser(prog='dxf', usage='dxf [--help] [--version] [--completion=SHELL] <command> ...',
                                   description='Store and fetch arbitrary data in a Docker or OCI registry.',
                                   formatter_class=_formatter)
    tree.add_argument('--version', action='version', version=f'dxf {VERSION}', help='show the version')
    tree.add_argument('--completion', choices=SHELLS, help='print a script with which a shell completes what is typed')
    commands = tree.add_subparsers(title='commands', metavar='<command>', required=True)
    for command in COMMANDS:
        summary: dict[str, Any] = {'help': command.summary} if is_for_shells else {}
        parser = commands.add_parser(command.name, usage='\n'.join(command.lines), description=command.purpose,
                                     formatter_class=_formatter, **summary)
        for option in command.options:
            _add_option(parser, option)
        for word in command.operands.split() if is_for_shells else ():
            _add_operand(parser, word)
    return tree


def script(shell: str) -> str:
    """Return the script for a shell.

    :param shell: one of :data:`SHELLS`
    """
    return shtab.complete(make_tree(), shell, preamble=PREAMBLES[shell]) + (BASH_DOOR if shell == 'bash' else '\n')
