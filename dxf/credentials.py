"""Credentials: those that docker login, podman login and their like have stored, found for a repository, and kept.

What a registry does with one is not known here; the programs that keep secrets have a room of their own.
https://docs.docker.com/reference/cli/docker/login/#credential-stores,
https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
"""

import binascii
import json
import os
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from requests import Response
from requests.exceptions import HTTPError

from dxf.auth import IDENTITY, challenge_of
from dxf.credential_helpers import CredentialHelper
from dxf.documents import Json, load_object
from dxf.exceptions import DXFCredentialsError, DXFInvalidDocumentError, DXFUnauthorizedError
from dxf.files import Temporary, make_folders
from dxf.locking import open_locked
from dxf.names import is_docker_hub

DOCKER_HUB_KEY = 'https://index.docker.io/v1/'
"""Under which docker stores the credential of Docker Hub."""

DOCKER_HUB_KEYS = (DOCKER_HUB_KEY, 'index.docker.io', 'docker.io', 'registry-1.docker.io')
LONGEST_FILE = 4 << 20


class Credential(NamedTuple):
    """What was stored for a registry: a password, an identity token or a registry token, and where it was found."""

    place: str
    username: str | None = None
    password: str | None = None
    identity_token: str | None = None
    registry_token: str | None = None


class CredentialFile:
    """A file in which docker or podman keeps credentials, or says which helper does.

    :param path: of a file that need not be there
    :param environ: the environment that helpers are run in
    :raises DXFCredentialsError: it cannot be read
    """

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        self.path = path
        self._environ = environ
        self._document = self._read()

    def _read(self) -> dict[str, Json]:
        try:
            with open(self.path, 'rb') as file:
                content = file.read(LONGEST_FILE)
            return load_object(content) if content.strip() else {}
        except FileNotFoundError:
            return {}
        except (NotADirectoryError, DXFInvalidDocumentError):
            raise DXFCredentialsError(f'{self.path} is no file of credentials: it holds no JSON object') from None
        except OSError as error:
            raise DXFCredentialsError(f'cannot read {self.path}: {error.strerror}') from None

    def _member(self, name: str) -> dict[str, Json]:
        value = self._document.get(name)
        return value if isinstance(value, dict) else {}

    def find(self, host: str, repository: str | None) -> Credential | None:
        """Return the credential for a repository, or ``None`` where there is none; the longest key that fits wins.

        :param host: as :func:`dxf.names.check_host` returns it
        :raises DXFCredentialsError: it is there, but cannot be had
        """
        for key in keys_of(host, repository):
            helper = self._helper(key, host)
            kept = None if helper is None else helper.get(key)
            if helper is not None and kept is not None:
                return _credential(helper.program, *kept)
            stored = self._stored(key)
            if stored is not None:
                return stored
        return None

    def _helper(self, key: str, host: str) -> CredentialHelper | None:
        """Return the helper that keeps the credential of a key; ``None`` where the file itself does."""
        name = self._member('credHelpers').get(key) or (
            self._document.get('credsStore') if key == key_of(host) else None)
        return CredentialHelper(name, self._environ) if isinstance(name, str) and name else None

    def _stored(self, key: str) -> Credential | None:
        entry = self._member('auths').get(key)
        if not isinstance(entry, dict):
            return None
        username, password = entry.get('username'), entry.get('password')
        if entry.get('auth'):
            username, password = self._decoded(entry['auth'], key)
        for name, value in (('registry_token', entry.get('registrytoken')),
                            ('identity_token', entry.get('identitytoken'))):
            if isinstance(value, str) and value:
                return Credential(self.path, username or None, **{name: value})
        if isinstance(username, str) and isinstance(password, str) and username:
            return _credential(self.path, username, password)
        return None

    def _decoded(self, auth: Json, key: str) -> tuple[str, str]:
        try:
            username, colon, password = b64decode(auth, validate=True).decode('utf-8').partition(':')
        except (TypeError, ValueError, binascii.Error):
            colon = ''
        if not colon:
            raise DXFCredentialsError(f'{self.path}: what it stores for {key} is no credential')
        return username, password.rstrip('\0')

    # Keeping

    def store(self, host: str, username: str, password: str) -> str:
        """Keep a credential, by the helper where one is configured; return where.

        :raises DXFCredentialsError: the helper failed
        :raises OSError: the file cannot be written
        """
        key = key_of(host)
        helper = self._helper(key, host)
        auth = b64encode(f'{username}:{password}'.encode()).decode('ascii')
        if helper is not None:
            helper.store(key, username, password)
        with self._changing() as document:
            document.setdefault('auths', {})[key] = {} if helper is not None else {'auth': auth}
        return self.path if helper is None else helper.program

    def erase(self, host: str) -> bool:
        """Keep the credential of a registry no longer; say whether there was one.

        :raises DXFCredentialsError: the helper failed
        :raises OSError: the file cannot be written
        """
        found = False
        for key in keys_of(host, None):
            helper = self._helper(key, host)
            if helper is not None and helper.get(key) is not None:
                helper.erase(key)
                found = True
            if key in self._member('auths'):
                with self._changing() as document:
                    del document['auths'][key]
                found = True
        return found

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Json]]:
        """Yield what is in it, to be changed and then written as a whole, while no other dxf does so."""
        path = os.path.realpath(self.path)
        make_folders(os.path.dirname(path))
        lock = open_locked(f'{path}.lock', 0o600, wait=True)
        assert lock is not None  # as it waited
        try:
            self._document = self._read()
            yield self._document
            with Temporary(os.path.dirname(path), 0o600) as content:
                content.write(json.dumps(self._document, indent='\t').encode('utf-8') + b'\n')
                content.sync()
                content.publish(path)
        finally:
            os.unlink(f'{path}.lock')
            os.close(lock)


def _credential(place: str, username: str, secret: str) -> Credential:
    return Credential(place, None, None, secret) if username == IDENTITY else Credential(place, username, secret)


def key_of(host: str) -> str:
    """Return the key under which the credential of a registry is stored."""
    return DOCKER_HUB_KEY if is_docker_hub(host) else host


def keys_of(host: str, repository: str | None) -> Iterator[str]:
    """Yield the keys under which a credential for a repository may be stored, the most special first."""
    parts = repository.split('/') if repository else []
    hosts = DOCKER_HUB_KEYS if is_docker_hub(host) else (host,)
    for count in range(len(parts), 0, -1):
        for name in hosts:
            if not name.startswith('https://'):
                yield '/'.join([name, *parts[:count]])
    yield from hosts
    for name in hosts:
        if not name.startswith('https://'):
            yield from (f'https://{name}', f'https://{name}/', f'https://{name}/v1/', f'https://{name}/v2/')


def files_of(environ: Mapping[str, str]) -> list[str]:
    """Return the paths of the files to look into, in that order; the first is the one that ``dxf login`` writes.

    ``REGISTRY_AUTH_FILE``, docker's configuration (in ``DOCKER_CONFIG``, ``~/.docker`` by default), podman's.
    """
    home = environ.get('HOME') or os.path.expanduser('~')
    paths = [environ['REGISTRY_AUTH_FILE']] if environ.get('REGISTRY_AUTH_FILE') else []
    paths.append(os.path.join(environ.get('DOCKER_CONFIG') or os.path.join(home, '.docker'), 'config.json'))
    if environ.get('XDG_RUNTIME_DIR'):
        paths.append(os.path.join(environ['XDG_RUNTIME_DIR'], 'containers', 'auth.json'))
    paths.append(os.path.join(environ.get('XDG_CONFIG_HOME') or os.path.join(home, '.config'), 'containers',
                              'auth.json'))
    return paths


def find(host: str, repository: str | None, environ: Mapping[str, str]) -> Credential | None:
    """Return the credential that is stored for a repository; ``None`` where there is none.

    :param host: as :func:`dxf.names.check_host` returns it
    :raises DXFCredentialsError: it cannot be had
    """
    for path in files_of(environ):
        found = CredentialFile(path, environ).find(host, repository)
        if found is not None:
            return found
    return None


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

    def __call__(self, dxf: Any, response: Response | None) -> str | None:
        """Authenticate.

        A credential that is refused is left away where only reading is asked for: the repository may be public.

        :raises DXFCredentialsError: it cannot be had
        :raises DXFUnauthorizedError: it was refused
        """
        credential = self._find(dxf._host, getattr(dxf, '_repo', None))
        actions, self._actions = self._actions, None
        self.place = None if credential is None else credential.place
        try:
            return _authenticate(dxf, response, credential, actions)
        except (DXFUnauthorizedError, HTTPError):
            if credential is None or response is None or not _is_read(response, actions):
                raise
        self._say(f'the credential stored in {self.place} was refused; reading without one')
        return _authenticate(dxf, response, None, actions)

    def _find(self, host: str, repository: str | None) -> Credential | None:
        """Return what is stored; it is looked for once."""
        if (host, repository) not in self._found:
            self._found[host, repository] = find(host, repository, self._environ)
        return self._found[host, repository]


def _authenticate(dxf: Any, response: Response | None, credential: Credential | None,
                  actions: Sequence[str] | None) -> str | None:
    if credential is None:
        credential = Credential('')
    if credential.registry_token is not None:
        dxf.token = credential.registry_token
        return credential.registry_token
    token: str | None = dxf.authenticate(credential.username, credential.password, actions, response=response,
                                         identity_token=credential.identity_token)
    return token


def _is_read(response: Response, actions: Sequence[str] | None) -> bool:
    """Say whether a token is asked for that reads, and no more."""
    if actions is None:
        challenge = challenge_of(response)
        actions = [] if challenge is None else [scope.rpartition(':')[2] for scope in challenge.scopes]
    return bool(actions) and set(actions) == {'pull'}


def from_docker_config(environ: Mapping[str, str] | None = None) -> StoredCredentials:
    """Return an ``auth`` for :class:`dxf.DXF` that answers with what docker login or podman login stored.

    :param environ: where to look for the files, and what helpers are run in; ``None`` for ``os.environ``
    """
    return StoredCredentials(environ)
