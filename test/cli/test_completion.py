"""Completion: real shells read the script, and complete what is typed."""

import os
import pty
import re
import runpy
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from dxf.cli.command_table import COMMANDS
from dxf.cli.parsers import SHELLS, completion_script, make_tree
from dxf.main import doit

from ..helpers import fork_server

ROOT = Path(__file__).parents[2]

Asker = Callable[[Path, str], list[str]]


@pytest.fixture(name='workplace', scope='module')
def make_workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with files, a registry in a folder, the scripts, and ``dxf`` in ``bin``."""
    place = tmp_path_factory.mktemp('workplace')
    (place / 'bin').mkdir()
    program = fork_server.write_program(place / 'bin' / 'dxf')
    for shell in SHELLS:
        (place / f'script.{shell}').write_text(completion_script(shell))
    (place / 'monday.dat').write_bytes(b'21.5\n')
    (place / 'may').mkdir()
    for alias in ('@may15', '@may16', '@june'):
        subprocess.run([program, 'push-blob', 'fred/datalogger', 'monday.dat', alias], cwd=place, check=True,
                       timeout=60, env={**os.environ, **environ(place)}, stdout=subprocess.DEVNULL)
    return place


def environ(place: Path, **variables: str) -> dict[str, str]:
    """Return what a shell in the workplace is to know."""
    return {'PATH': f'{place / "bin"}:/usr/bin:/bin', 'HOME': str(place), 'DXF_HOST': 'oci:./blobs', 'TERM': 'dumb',
            **variables}


def asked_bash(place: Path, line: str, **variables: str) -> list[str]:
    """Ask the script, in bash, for what goes on with the last word of a line."""
    words = line.split(' ')
    quoted = ' '.join(f"'{word}'" for word in words)
    asking = (f'. ./script.bash; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; '
              '_dxf dxf; printf "%s\\n" "${COMPREPLY[@]}"')
    return shell_says(place, ['bash', '-c', asking], **variables)


def asked_fish(place: Path, line: str, **variables: str) -> list[str]:
    """Ask fish itself."""
    asking = f"source ./script.fish; complete -C '{line}'"
    return [answer.partition('\t')[0] for answer in shell_says(place, ['fish', '-c', asking], **variables)]


def shell_says(place: Path, command: list[str], **variables: str) -> list[str]:
    """Run a shell, which must say nothing on standard error; return the lines that it prints, sorted."""
    done = subprocess.run(command, cwd=place, env=environ(place, **variables), capture_output=True, text=True,
                          timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.stderr == ''
    return sorted(filter(None, done.stdout.split('\n')))


ASKED = [
    ('dxf list-', ['list-aliases', 'list-files', 'list-repos'], 'commands'),
    ('dxf copy --to-', ['--to-alias', '--to-repo'], 'options'),
    ('dxf pull-blob --progress l', ['lines'], 'the values of an option'),
    ('dxf auth fred/datalogger pu', ['pull', 'push'], 'actions'),
    ('dxf get-alias fred/d', ['fred/datalogger'], 'repositories'),
    ('dxf get-alias fred/datalogger may', ['may15', 'may16'], 'aliases'),
    ('dxf get-alias fred/datalogger june may1', ['may15', 'may16'], 'several aliases'),
    ('dxf get-alias --json fred/datalogger may', ['may15', 'may16'], 'aliases after an option'),
    ('dxf pull-files --overwrite --to copy fred/datalogger may', ['may15', 'may16'], 'aliases after a value'),
    ('dxf get-alias fred/nothing m', [], 'a repository that there is not'),
    ('dxf push-blob fred/datalogger mo', ['monday.dat'], 'files'),
    ('dxf push-blob fred/datalogger @new -- dx', ['dxf'], 'the command that follows two dashes'),
    ('dxf push-blob fred/datalogger @new -- cat mo', ['monday.dat'], 'the files of that command'),
    ('dxf set-alias fred/datalogger new mond', ['monday.dat'], 'files after an alias'),
    ('dxf list-aliases $(touch${IFS}made) m', [], 'what a shell would run'),
]


@pytest.mark.parametrize(('line', 'answers', 'reason'), ASKED, ids=[reason for *_, reason in ASKED])
@pytest.mark.parametrize('ask', [asked_bash, asked_fish])
def test_a_shell_completes(workplace: Path, line: str, answers: list[str], reason: str, ask: Asker) -> None:
    assert ask(workplace, line) == answers, reason
    assert not (workplace / 'made').exists()


def typed(place: Path, shell: list[str], lines: Iterable[str]) -> list[str]:
    """Type lines and a Tab after each into an interactive shell; return what stands in each line then."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(place)
        os.execvpe(shell[0], shell, environ(place))
    try:
        until(terminal, 'ready!', b'')
        return [completed(terminal, line) for line in lines]
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def completed(terminal: int, line: str) -> str:
    """Type a line and a Tab; return what stands in the line then."""
    os.write(terminal, line.encode() + b'\t')
    seen = until(terminal, re.split('[ @=]', line)[-1] + r'\w', b'')
    os.write(terminal, b'\x01echo "<\x05>"\n')
    seen = until(terminal, r'\n<dxf[^\n]*>', seen)
    found = re.search(r'\n<(dxf[^\n]*?) *>', seen.decode())
    assert found is not None
    return found[1]


def until(terminal: int, wanted: str, seen: bytes) -> bytes:
    """Read what a terminal shows until that has been seen."""
    deadline = time.monotonic() + 100
    while not re.search(wanted, seen.decode(errors='replace')):
        assert time.monotonic() < deadline and select.select([terminal], [], [], 100)[0], seen
        seen += os.read(terminal, 65536)
    return seen


BASH = ['bash', '--noprofile', '--rcfile', 'rc.bash', '-i']
ZSH = ['zsh', '-d', '-i']


@pytest.fixture(name='interactive', scope='module')
def write_startup_files(workplace: Path) -> Path:
    """The workplace with what an interactive shell reads when it starts."""
    (workplace / 'rc.bash').write_text('PS1=; . ./script.bash; bind "set enable-bracketed-paste off"\n'
                                       'echo "ready""!"\n')
    (workplace / '.zshrc').write_text('PS1=; autoload -Uz compinit; compinit -u -D; unsetopt zle_bracketed_paste\n'
                                      'eval "$(<script.zsh)"; echo ready"!"\n')
    return workplace


TYPED = {
    'dxf list-al': 'dxf list-aliases',
    'dxf pull-blob --progress li': 'dxf pull-blob --progress lines',
    'dxf pull-blob fred/d': 'dxf pull-blob fred/datalogger',
    'dxf pull-blob fred/datalogger @ju': 'dxf pull-blob fred/datalogger @june',
    'dxf get-alias fred/datalogger ju': 'dxf get-alias fred/datalogger june',
    'dxf get-alias --json fred/datalogger ju': 'dxf get-alias --json fred/datalogger june',
    'dxf pull-files --overwrite --to copy fred/datalogger ju':
        'dxf pull-files --overwrite --to copy fred/datalogger june',
    'dxf push-blob fred/datalogger mond': 'dxf push-blob fred/datalogger monday.dat',
    'dxf push-blob fred/datalogger monday.dat @ju': 'dxf push-blob fred/datalogger monday.dat @june',
}


@pytest.mark.parametrize('shell', [BASH, ZSH], ids=['bash', 'zsh'])
def test_a_tab_completes_what_is_typed(interactive: Path, shell: list[str]) -> None:
    assert typed(interactive, shell, TYPED) == list(TYPED.values())


def test_bash_completes_a_value_behind_its_equals_sign(interactive: Path) -> None:
    assert typed(interactive, BASH, ['dxf pull-blob --progress=li']) == ['dxf pull-blob --progress=lines']


def test_the_parser_prints_the_script_of_each_shell(capfd: pytest.CaptureFixture[str]) -> None:
    for shell in SHELLS:
        with pytest.raises(SystemExit) as ended:
            doit([f'--completion={shell}'], {})
        out, err = capfd.readouterr()
        assert (ended.value.code, out, err) == (0, completion_script(shell), '')


def test_a_shell_that_is_unknown_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        doit(['--completion=csh'], {})
    out, err = capfd.readouterr()
    assert (ended.value.code, out) == (2, '')
    assert err.startswith('dxf: ') and err.count('\n') == 1 and 'csh' in err and all(map(err.__contains__, SHELLS))


def test_the_completion_scripts_are_current() -> None:
    made = runpy.run_path(str(ROOT / 'tools' / 'completion.py'))
    stale = [shell for shell in SHELLS if completion_script(shell) != made['script'](shell)]
    assert stale == [], 'write them anew: make completion'  # to compare the texts here would take pytest minutes
    assert sorted(file.name for file in made['FOLDER'].iterdir()) == sorted(f'dxf.{shell}' for shell in SHELLS)


def test_all_commands_and_options_are_in_the_tree_and_the_scripts() -> None:
    scripts = [completion_script(shell) for shell in SHELLS]
    for text in (make_tree(has_summaries=True)[0].format_help(), *scripts):
        assert [command.name for command in COMMANDS if command.name not in text] == []
    flags = {flag.lstrip('-') for command in COMMANDS for flag in command.flags} | {'help-env', 'completion', 'version'}
    for text in scripts:
        assert [flag for flag in flags if flag not in text] == []


def test_a_registry_that_does_not_answer_does_not_keep_the_user_waiting(workplace: Path) -> None:
    with socket.create_server(('127.0.0.1', 0)) as silent:
        start = time.monotonic()
        host = f'127.0.0.1:{silent.getsockname()[1]}'
        assert asked_bash(workplace, 'dxf get-alias fred/datalogger m', DXF_HOST=host, DXF_INSECURE='1') == []
        assert time.monotonic() - start < 30


def test_without_a_registry_nothing_is_said(workplace: Path) -> None:
    assert asked_bash(workplace, 'dxf get-alias fred/datalogger m', DXF_HOST='') == []
