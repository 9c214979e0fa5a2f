"""Write the completion scripts from the table of commands (make completion).

The scripts are kept in the tree, so that dxf needs no shtab; a test says when they are out of date. Repositories and
aliases come from the registry, by dxf itself, which checks each of them: none has a character that means something to a
shell.
"""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import shtab

from dxf.cli import command
from dxf.cli.command_parts import HOST
from dxf.cli.command_table import COMMANDS
from dxf.cli.login_commands import ACTIONS
from dxf.cli.parsers import SHELLS, add_option, make_tree

FOLDER = Path(__file__).resolve().parent.parent / 'dxf' / 'cli' / 'completion'

ASK = 'DXF_TIMEOUT=1 DXF_RETRIES=0 dxf {} 2> /dev/null | head -n 500'
"""The user waits for it after a key, so time and lines are few. Errors are discarded: they would corrupt the prompt."""

REPOSITORIES, ALIASES = ASK.format('list-repos'), ASK.format('list-aliases "{}"')

WITH_VALUE = ' '.join(sorted({flag for one in COMMANDS for option in (*one.options, HOST) if option.has_value
                              for flag in option.flags}))
"""The options with a value: the first word that is neither one nor a value is the repository."""

PREAMBLES = {
    # bash splits its words at @, but it replaces a text that has the @.
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


BASH_ENTRY = """
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


def _calls(function: str) -> dict[str, str]:
    return {'bash': function, 'zsh': function, 'fish': f'({function})'}


COMPLETIONS = {
    command.REPOSITORIES: _calls('_dxf_repositories'), command.ALIASES: _calls('_dxf_aliases'),
    command.BLOBS: _calls('_dxf_blobs'), command.FILES_OR_ALIASES: _calls('_dxf_files_or_alias'),
    command.FILES: shtab.FILE, command.FOLDERS: shtab.DIRECTORY,
}
"""What shtab calls for each kind of value."""


def _complete(action: Any, completion: str | None) -> None:
    """Set how a value is completed."""
    if completion in COMPLETIONS:
        action.complete = COMPLETIONS[completion]


def _add_operand(parser: argparse.ArgumentParser, operand: command.Operand) -> None:
    words = operand.name.replace('<', '').replace('>', '').replace('|', ' or ')
    count = argparse.REMAINDER if operand.many else '?' if operand.optional else None
    choices = ACTIONS[:-1] if operand.completion == command.ACTIONS else None  # a shell would expand the last one, *
    _complete(parser.add_argument(words, metavar=operand.usage, help=words, nargs=count, choices=choices),
              operand.completion)


def script(shell: str) -> str:
    """Return the script of a shell."""
    tree, parsers = make_tree(has_summaries=True)
    for one in COMMANDS:
        for option in (*one.options, HOST):
            _complete(add_option(parsers[one.name], option), option.completion)
        for operand in one.operands:
            _add_operand(parsers[one.name], operand)
    return shtab.complete(tree, shell, preamble=PREAMBLES[shell]) + (BASH_ENTRY if shell == 'bash' else '\n')


if __name__ == '__main__':
    for name in SHELLS:
        (FOLDER / f'dxf.{name}').write_text(script(name), encoding='utf-8')
