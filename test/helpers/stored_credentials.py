"""Stored credentials: what docker login and podman login leave behind, and the programs that keep secrets for them.

Owns the folder of the programs, what those keep, and the record of what they were asked. Which of it dxf uses is not
known here.
"""

import base64
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..servers.token_server import TokenServer
from .endpoints import USERNAME

NOBODY = 65534

_HELPER = '''#!{python} -ISE
import json, os, sys
folder, action, given = {folder!r}, sys.argv[1], sys.stdin.read()
with open(folder + '/log', 'a') as log:
    log.write(json.dumps([*sys.argv[1:], given]) + chr(10))
with open(folder + '/kept') as file:
    kept = json.load(file)
if action == 'store':
    document = json.loads(given)
    kept[document['ServerURL']] = [document['Username'], document['Secret']]
elif given not in kept:
    print('credentials not found in native keychain')
    sys.exit(1)
elif action == 'get':
    print(json.dumps(dict(zip(('ServerURL', 'Username', 'Secret'), (given, *kept[given])))))
else:
    del kept[given]
with open(folder + '/kept', 'w') as file:
    json.dump(kept, file)
'''


class HelperProgram:
    """A credential helper that works, in a folder of its own, as docker-credential-helpers describes them.

    :param folder: an existing folder, for the program, what it keeps and what it was asked
    """

    def __init__(self, folder: Path, name: str = 'ring') -> None:
        self.name = name
        self.program = f'docker-credential-{name}'
        self._folder = folder
        self._log = folder / 'log'
        self._kept = folder / 'kept'
        self._log.touch()
        self._kept.write_text('{}')
        write_program(folder, name, _HELPER.format(python=sys.executable, folder=str(folder)))

    def keep(self, server: str, username: str, secret: str) -> None:
        """Have it keep a credential."""
        self._kept.write_text(json.dumps({**self.kept, server: [username, secret]}))

    @property
    def kept(self) -> dict[str, list[str]]:
        """User name and secret of each server."""
        kept: dict[str, list[str]] = json.loads(self._kept.read_text())
        return kept

    @property
    def asked(self) -> list[list[str]]:
        """Each run: its arguments, and then what it was given on standard input."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    @property
    def path(self) -> str:
        """The value of PATH."""
        return f'{self._folder}{os.pathsep}{os.environ["PATH"]}'


def write_program(folder: Path, name: str, script: str, mode: int = 0o755) -> None:
    """Make a script a credential helper; without a first line of its own it is the shell's."""
    path = folder / f'docker-credential-{name}'
    path.write_text(script if script.startswith('#!') else f'#!/bin/sh\n{script}\n')
    path.chmod(mode)


def encoded(username: str, password: str) -> str:
    """Return the value of ``auth``, as of a Basic header."""
    return base64.b64encode(f'{username}:{password}'.encode()).decode()


def entry_that_is_refused(kind: str, secret: str, tokens: TokenServer, repo: str) -> dict[str, str]:
    """Return an entry of a file whose credential has expired, or was never right.

    :param kind: ``password``, ``identitytoken`` or ``registrytoken``
    :param secret: a wrong password
    """
    if kind != 'registrytoken':
        return {'password': {'auth': encoded(USERNAME, secret)}, 'identitytoken': {'identitytoken': secret}}[kind]
    tokens.backdate = tokens.lifetime + 120
    token = tokens.token(USERNAME, f'repository:{repo}:pull,push')
    tokens.backdate = 0
    return {'registrytoken': token}


def write_file(path: Path, auths: dict[str, Any] | None = None, **members: Any) -> Path:
    """Write a file of credentials, and return its path.

    :param auths: its member of this name; in place of an object a pair of user name and password may stand
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = {key: {'auth': encoded(*entry)} if isinstance(entry, tuple) else entry
               for key, entry in (auths or {}).items()}
    path.write_text(json.dumps({'auths': entries, **members}))
    return path


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user who may not read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
