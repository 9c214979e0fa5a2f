"""The system's programs that tests run: where they are, and which line installs a missing one.

Tests never skip: a missing program is an error that says what to type.
"""

import shutil
import subprocess


class MissingProgramError(Exception):
    """A program that the tests need is not installed; the text is the line that installs it."""


def program(name: str) -> str:
    """Return the path of an installed program, whose Debian package has the same name.

    :raises MissingProgramError: it is not installed.
    """
    path = shutil.which(name) or shutil.which(name, path='/usr/sbin')  # servers are not on everybody's PATH
    if path is None:
        raise MissingProgramError(f'apt-get install {name}')
    return path


def dying_with_parent() -> list[str]:
    """Have the kernel end the program of the command that follows where the test run was killed and cannot.

    That takes setpriv of util-linux, and the thread that starts the program must live as long as it.
    """
    setpriv = shutil.which('setpriv')
    return [setpriv, '--pdeathsig', 'KILL', '--'] if setpriv is not None else []


def skopeo(*arguments: str) -> str:
    """Run skopeo and return what it printed.

    The trust policy of the machine is left out of it, so that a machine without one will do.

    :raises AssertionError: it failed; the text holds its stderr.
    :raises MissingProgramError: it is not installed.
    """
    command = [program('skopeo'), '--insecure-policy', *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f'skopeo {" ".join(arguments)}: exit {done.returncode}\n{done.stderr}')
    return done.stdout
