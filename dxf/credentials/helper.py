"""Credential helpers: the programs by which docker and podman keep credentials in a keychain, and how to talk to them.

https://github.com/docker/docker-credential-helpers#development
"""

import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

from dxf.exceptions import DXFCredentialHelperError, DXFInvalidDocumentError
from dxf.strict_json import dump_json, is_utf_8, load_object, member

PREFIX = 'docker-credential-'
SECONDS = 30.0
"""How long a helper may take: somebody may have to type the password of the keychain."""

POLL_MILLISECONDS = 50
MAX_ANSWER_LENGTH = 64 << 10
_NAME = r'(?a)[A-Za-z0-9][A-Za-z0-9._-]{0,99}'
_NOT_FOUND = 'credentials not found'


class CredentialHelper:
    """A program that keeps credentials.

    :param name: what follows ``docker-credential-`` in the program's name
    :param environ: the environment to find it, and to run it, in
    :param seconds: that it may take
    :param wanted_by: the file that names it, for the error if it is missing
    :raises DXFCredentialHelperError: no program can have that name
    """

    def __init__(self, name: str, environ: Mapping[str, str], seconds: float = SECONDS,
                 wanted_by: str = '') -> None:
        if re.fullmatch(_NAME, name) is None:
            raise DXFCredentialHelperError(f'{PREFIX}{name[:50]!r} is no name of a credential helper')
        self.program = PREFIX + name
        self._environ = environ
        self._seconds = seconds
        self._wanted_by = wanted_by

    def get(self, server: str) -> tuple[str, str] | None:
        """Return the user name and the secret that are kept for a server; ``None`` where there are none.

        :raises DXFCredentialHelperError: the helper is missing, fails, takes too long or answers nonsense
        """
        status, answer = self._run('get', server)
        if status != 0 and _is_not_found(answer):
            return None
        self._check(status)
        try:
            document = load_object(answer)
            username, secret = member(document, 'Username', str), member(document, 'Secret', str)
        except DXFInvalidDocumentError:
            raise DXFCredentialHelperError(f'{self.program} answered something else than a credential') from None
        if not is_utf_8(username, secret):
            raise DXFCredentialHelperError(f'{self.program} holds a credential that is no text')
        return (username, secret) if secret else None

    def store(self, server: str, username: str, secret: str) -> None:
        """Keep a credential.

        :raises DXFCredentialHelperError: the helper is missing, fails or takes too long, or the credential is too long
        """
        try:
            given = dump_json({'ServerURL': server, 'Username': username, 'Secret': secret}, MAX_ANSWER_LENGTH)
        except DXFInvalidDocumentError:
            raise DXFCredentialHelperError(f'the credential is too long: it could not be read from {self.program} again'
                                      ) from None
        self._check(self._run('store', given)[0])

    def erase(self, server: str) -> None:
        """Remove the credential for a server, if there is one.

        :raises DXFCredentialHelperError: the helper is missing, fails or takes too long
        """
        status, answer = self._run('erase', server)
        if not _is_not_found(answer):
            self._check(status)

    def _check(self, status: int) -> None:
        if status != 0:  # what it printed may be, or hold, a secret
            raise DXFCredentialHelperError(f'{self.program} failed with status {status}')

    def _run(self, action: str, given: str) -> tuple[int, bytes]:
        """Run it; return its exit status, and what it printed."""
        program = shutil.which(self.program, path=self._environ.get('PATH'))
        if program is None:
            hint = f': {self._wanted_by} names it' if self._wanted_by else ''
            raise DXFCredentialHelperError(f'{self.program} is not installed, or not on PATH{hint}')
        try:
            process = subprocess.Popen([program, action], env=dict(self._environ), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:
            raise DXFCredentialHelperError(f'cannot run {self.program}: {error.strerror}') from None
        with process:
            try:
                return self._talk(process, given, time.monotonic() + self._seconds)
            except subprocess.TimeoutExpired:
                raise DXFCredentialHelperError(f'{self.program} took more than {self._seconds:g} s') from None
            finally:
                if process.poll() is None:  # the caller has given up
                    _kill(process)

    def _talk(self, process: 'subprocess.Popen[bytes]', given: str, deadline: float) -> tuple[int, bytes]:
        """Return its exit status, and what it printed; a daemon that it started may keep its output open."""
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(given.encode('utf-8'))
            process.stdin.close()
        answer = b''
        arrivals = select.poll()
        arrivals.register(process.stdout)
        while True:
            has_ended = process.poll() is not None
            if arrivals.poll(0 if has_ended else POLL_MILLISECONDS):
                piece = os.read(process.stdout.fileno(), MAX_ANSWER_LENGTH)
                answer += piece
                if not piece:
                    return process.wait(deadline - time.monotonic()), answer
                if len(answer) > MAX_ANSWER_LENGTH:
                    raise DXFCredentialHelperError(f'{self.program} answered something else than a credential')
            elif has_ended:
                return process.returncode, answer
            elif time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.program, self._seconds)


def _is_not_found(answer: bytes) -> bool:
    """Return whether a helper says that it has no such credential."""
    return answer.decode('utf-8', 'replace').strip().lower().startswith(_NOT_FOUND)


def _kill(process: 'subprocess.Popen[bytes]') -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
