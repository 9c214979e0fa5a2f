"""Credentials: challenges answered with what docker login, podman login and their like have stored."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from requests import Response
from requests.exceptions import HTTPError

from dxf.credentials.config_file import Credential, find
from dxf.exceptions import DXFCredentialHelperError, DXFUnauthorizedError
from dxf.transport.challenge import challenge_of
from dxf.transport.responses import effective_status

_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
"""How token servers refuse a credential; OAuth's answer to a token that has expired is the first."""


class StoredCredentials:
    """Answers challenges with what is stored, and anonymously where nothing is: to be used as ``auth`` of a ``DXF``.

    :param environ: where to look for the files, and what helpers are run in; ``None`` for ``os.environ``
    :param actions: what the first token is to allow; ``None`` for what the challenge asks for
    :param say: told, in a sentence, of what the caller should know
    """

    def __init__(self, environ: Mapping[str, str] | None = None, actions: Sequence[str] | None = None,
                 say: Callable[[str], Any] = warnings.warn) -> None:
        self._environ = os.environ if environ is None else environ
        self._actions = actions
        self._say = say
        self._found: dict[tuple[str, str | None], Credential | None] = {}
        self.place: str | None = None
        """Where the credential that was used last is stored."""
        self._helper_error: DXFCredentialHelperError | None = None

    @property
    def used(self) -> str | None:
        """Which credential was used last, without its value; ``None`` if none is stored."""
        if self._helper_error is not None:
            return f'no credential was used: {self._helper_error}'
        return self.place and f'the credential used is that in {self.place}'

    def __call__(self, dxf: Any, response: Response | None) -> str | None:
        """Authenticate.

        Reads go on without a credential that is refused, or whose helper fails: the repository may be public.

        :raises DXFCredentialsError: it cannot be read
        :raises DXFUnauthorizedError: it was refused
        """
        if dxf._insecure:  # nothing is looked for: a challenge over http is an error, an open registry needs nothing
            return _authenticate(dxf, response, None, None)
        actions, self._actions = self._actions, None
        self._helper_error = None
        try:
            credential = self._find(dxf._host, getattr(dxf, '_repo', None))
        except DXFCredentialHelperError as error:
            if response is None or not _is_read(response, actions):
                raise
            self._helper_error, credential = error.with_traceback(None), None
            self._say(f'{error}; reading without a credential')
        self.place = None if credential is None else credential.place
        try:
            return _authenticate(dxf, response, credential, actions)
        except (DXFUnauthorizedError, HTTPError) as error:
            if credential is None or response is None or not (_is_refusal(error) and _is_read(response, actions)):
                raise
        self._say(f'the credential stored in {self.place} was refused; reading without one')
        return _authenticate(dxf, response, None, actions)

    def _find(self, host: str, repository: str | None) -> Credential | None:
        """Return what is stored; it is looked for once, but again after an error: the user may unlock a keychain."""
        if (host, repository) not in self._found:
            self._found[host, repository] = find(host, repository, self._environ)
        return self._found[host, repository]


def _authenticate(dxf: Any, response: Response | None, credential: Credential | None,
                  actions: Sequence[str] | None) -> str | None:
    if credential is None:
        credential = Credential('')
    if credential.registry_token is not None:
        dxf.token = credential.registry_token
        if dxf._response_needs_auth(dxf.ping()):
            dxf.token = None
            raise DXFUnauthorizedError()
        return credential.registry_token
    token: str | None = dxf.authenticate(credential.username, credential.password, actions, response=response,
                                         identity_token=credential.identity_token)
    return token


def _is_refusal(error: Exception) -> bool:
    answer = getattr(error, 'response', None)
    return isinstance(error, DXFUnauthorizedError) or \
        answer is not None and effective_status(answer, answer.content) in _REFUSALS


def _is_read(response: Response, actions: Sequence[str] | None) -> bool:
    """Return whether a token is asked for that reads, and no more; a Basic challenge asks for none."""
    challenge = challenge_of(response)
    if challenge is None or challenge.scheme == 'basic':
        return False
    if actions is None:
        actions = [scope.rpartition(':')[2] for scope in challenge.scopes]
    return bool(actions) and set(actions) == {'pull'}


def from_docker_config(environ: Mapping[str, str] | None = None, surplus: object = None) -> StoredCredentials:
    """Return an ``auth`` for :class:`dxf.DXF` that answers with what docker login or podman login stored.

    :param environ: where to look for the files, and what helpers are run in; ``None`` for ``os.environ``
    :param surplus: ``None`` alone; the error for anything else says what to write
    :raises TypeError: ``environ`` is no mapping
    """
    if surplus is not None or not (environ is None or hasattr(environ, 'get')):
        raise TypeError('from_docker_config takes a mapping such as os.environ, or nothing: '
                        'write auth=from_docker_config()')
    return StoredCredentials(environ)
