"""Files of credentials, as docker login and podman login write them. They may name a helper that keeps the secrets.

``helper`` runs the programs that keep secrets. What a registry does with a credential is not known here.
https://docs.docker.com/reference/cli/docker/login/#credential-stores,
https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
"""

import codecs
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from dxf.credentials.helper import CredentialHelper
from dxf.exceptions import DXFCredentialHelperError, DXFCredentialsError, DXFInvalidDocumentError
from dxf.local.atomic_files import Temporary
from dxf.local.folders import make_folders
from dxf.local.locking import close_locked, remove_locked, wait_for_lock
from dxf.names import is_docker_hub
from dxf.strict_json import Json, dump_json, is_utf_8, load_object
from dxf.transport.auth import IDENTITY

DOCKER_HUB_KEY = 'https://index.docker.io/v1/'
"""The key under which docker stores the credential of Docker Hub."""

DOCKER_HUB_KEYS = (DOCKER_HUB_KEY, 'index.docker.io', 'docker.io', 'registry-1.docker.io')
MAX_FILE_LENGTH = 4 << 20
"""Bytes of a file of credentials, read or written."""

_REGISTRY_ADDRESS = r'(?i)https?://[^/]+(/v[12])?/?'
"""An address that older versions of docker stored for a whole registry."""


class Credential(NamedTuple):
    """What was stored for a registry: a password, an identity token or a registry token, and where it was found."""

    place: str
    username: str | None = None
    password: str | None = None
    identity_token: str | None = None
    registry_token: str | None = None


class CredentialFile:
    """A file in which docker or podman keeps credentials, or names a helper that does.

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
                content = file.read(MAX_FILE_LENGTH + 1)
            content = content.removeprefix(codecs.BOM_UTF8)  # editors on Windows write one
            return load_object(content, MAX_FILE_LENGTH, exact=True) if content.strip() else {}
        except (FileNotFoundError, NotADirectoryError):
            folder = self._environ.get('DOCKER_CONFIG', '')
            if os.path.isfile(folder) and os.path.dirname(self.path) == folder:
                raise DXFCredentialsError(f'cannot read {self.path}: DOCKER_CONFIG is the folder of config.json, and '
                                          'not a file') from None
            return {}
        except DXFInvalidDocumentError as error:
            raise DXFCredentialsError(f'{self.path} is no file of credentials: it holds no JSON object ({error})'
                                      ) from None
        except OSError as error:
            is_folder = isinstance(error, IsADirectoryError) and self.path == self._environ.get('REGISTRY_AUTH_FILE')
            hint = '; REGISTRY_AUTH_FILE is a file, such as auth.json in it' if is_folder else ''
            raise DXFCredentialsError(f'cannot read {self.path}: {error.strerror}{hint}') from None

    def _member(self, name: str) -> dict[str, Json]:
        value = self._document.get(name)
        return value if isinstance(value, dict) else {}

    def find(self, host: str, repository: str | None) -> Credential | None:
        """Return the credential for a repository; ``None`` without one. The longest key that fits wins.

        :param host: as :func:`dxf.names.check_host` returns it
        :raises DXFCredentialsError: it is there, but cannot be read
        """
        for key in keys_of(host, repository):
            helper = self._helper(key, host)
            kept = None if helper is None else helper.get(key)
            if helper is not None and kept is not None:
                return _credential(helper.program, *kept)
            for stored_key in self._keys_at(key):
                stored = self._stored(stored_key)
                if stored is not None:
                    return stored
        return None

    def _keys_at(self, key: str) -> list[str]:
        """Return the keys under which the file may hold what a key stands for: itself, addresses, then deeper ones."""
        others = [stored for stored in self._member('auths') if stored != key and _is_at(stored, key)]
        return [key, *sorted(others, key=_is_deep)]

    def _helper(self, key: str, host: str) -> CredentialHelper | None:
        """Return the helper that keeps the credential of a key; ``None`` where the file itself does.

        As in docker, the store is asked by the key of the registry alone, and a helper without a name is the file.
        """
        helpers = self._member('credHelpers')
        name = helpers[key] if key in helpers else self._document.get('credsStore') if key == key_of(host) else None
        return CredentialHelper(name, self._environ, wanted_by=self.path) if isinstance(name, str) and name else None

    def _stored(self, key: str) -> Credential | None:
        entry = self._member('auths').get(key)
        if not isinstance(entry, dict):
            return None
        username, password = entry.get('username'), entry.get('password')
        auth = entry.get('auth')
        if auth and not (isinstance(auth, str) and auth.isspace()):
            username, password = self._decoded(auth, key)
        for name, value in (('registry_token', entry.get('registrytoken')),
                            ('identity_token', entry.get('identitytoken'))):
            if isinstance(value, str) and value:
                return _checked(Credential(self.path, username if isinstance(username, str) else None, **{name: value}))
        if isinstance(username, str) and isinstance(password, str) and username:
            return _credential(self.path, username, password)
        return None

    def _decoded(self, auth: Json, key: str) -> tuple[str, str]:
        """Return user name and password from ``auth``.

        Some files are written by hand. The program ``base64`` writes line ends, which Docker skips. Some tools leave
        out the padding.
        """
        colon = ''
        with suppress(ValueError):  # binascii.Error and UnicodeError are such
            text = ''.join(auth.split()).rstrip('=') if isinstance(auth, str) else ''
            content = b64decode(text + '=' * (-len(text) % 4), validate=True)
            username, colon, password = content.decode('utf-8').partition(':')
        if not colon:
            raise DXFCredentialsError(f'{self.path}: what it stores for {key} is no credential')
        return username, password.rstrip('\0')

    # Keeping

    def store(self, host: str, username: str, password: str) -> str:
        """Keep a credential, by the helper where one is configured; return where.

        :raises DXFCredentialsError: the helper failed, or the credential could not be read again; the file is as it was
        :raises OSError: the file cannot be written
        """
        helpers = {key: self._helper(key, host) for key in keys_of(host, None)}
        key = next((key for key, helper in helpers.items() if helper is not None), key_of(host))
        helper = helpers[key]
        auth = b64encode(f'{username}:{password}'.encode()).decode('ascii')
        if helper is not None:
            self._store_by(helper, key, (username, password))
        with self._changing() as document:
            if not isinstance(document.get('auths'), dict):
                document['auths'] = {}
            self._drop(host, False)
            document['auths'][key] = {} if helper is not None else {'auth': auth}
            if helper is None and self._stored(key) != _credential(self.path, username, password):
                raise DXFCredentialsError(f'{self.path} cannot keep this password: another one would be read from it')
        return self.path if helper is None else helper.program

    def erase(self, host: str) -> bool:
        """Remove the credential of a registry; return whether there was one.

        :raises DXFCredentialsError: the helper failed
        :raises OSError: the file cannot be written
        """
        found = self._has(host)
        if found:
            with self._changing():
                self._drop(host, True)
        for key in keys_of(host, None):  # the file first, as a helper may fail
            helper = self._helper(key, host)
            if helper is not None and helper.get(key) is not None:
                self._erase_by(helper, key)
                found = True
        return found

    # A helper's exit status 0 proves nothing. Amazon's pretends success with AWS_ECR_IGNORE_CREDS_STORAGE:
    # https://github.com/awslabs/amazon-ecr-credential-helper

    def _store_by(self, helper: CredentialHelper, key: str, credential: tuple[str, str]) -> None:
        """Keep a credential by a helper, and read it again."""
        helper.store(key, *credential)
        if helper.get(key) != credential:
            raise DXFCredentialHelperError(f'{helper.program} did not store the credential for {key}, and reported no '
                                           f'error: {self.path} names it')

    def _erase_by(self, helper: CredentialHelper, key: str) -> None:
        """Remove a credential by a helper, and check that it is gone."""
        helper.erase(key)
        if helper.get(key) is not None:
            raise DXFCredentialHelperError(f'{helper.program} still has the credential for {key}, and reported no '
                                           f'error: {self.path} names it')

    def _has(self, host: str) -> bool:
        return any(stored in self._member('auths') for key in keys_of(host, None) for stored in self._keys_at(key))

    def _drop(self, host: str, deep: bool) -> None:
        """Remove from the document what it holds for a registry, under all of its names.

        :param deep: also what is stored under a deeper address, such as the tokens of Docker Desktop
        """
        for key in keys_of(host, None):
            for stored in self._keys_at(key):
                if deep or stored == key or not _is_deep(stored):
                    self._member('auths').pop(stored, None)

    def special_keys(self, host: str) -> list[str]:
        """Return the keys of those credentials that are for a part of a registry alone."""
        names = {host, *(DOCKER_HUB_KEYS if is_docker_hub(host) else ())}
        starts = tuple(f'{name.lower()}/' for name in names)
        auths, helpers = self._member('auths'), self._member('credHelpers')
        special = [key for key in dict.fromkeys([*auths, *helpers])
                   if key.lower().startswith(starts) and key not in DOCKER_HUB_KEYS]
        return [key for key in special if key in auths or self._may_be_kept(key)]

    def _may_be_kept(self, key: str) -> bool:
        """Return whether a helper has a credential for a key, or fails."""
        try:
            helper = self._helper(key, key)
            return helper is not None and helper.get(key) is not None
        except DXFCredentialsError:
            return True

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Json]]:
        """Yield what is in it, to be changed and then written as a whole, while no other dxf does so."""
        path = os.path.realpath(self.path)
        for made in make_folders(os.path.dirname(path)):
            os.chmod(made, 0o700)
        lock = wait_for_lock(f'{path}.lock', 0o600)
        try:
            self._document = self._read()
            yield self._document
            text = self._text()
            with Temporary(os.path.dirname(path), 0o600) as content:
                content.write(text.encode('ascii') + b'\n')
                content.keep_owner(path)
                content.sync()
                content.publish(path)
        finally:
            remove_locked(lock, f'{path}.lock')
            close_locked(lock)

    def _text(self) -> str:
        try:
            return dump_json(self._document, MAX_FILE_LENGTH - len('\n'), sort_keys=False, indent='\t')
        except DXFInvalidDocumentError as error:
            raise DXFCredentialsError(f'{self.path} cannot be written: {error}') from None


def _credential(place: str, username: str, secret: str) -> Credential:
    return _checked(Credential(place, None, None, secret) if username == IDENTITY else
                    Credential(place, username, secret))


def _checked(credential: Credential) -> Credential:
    """Return a credential if it can be sent."""
    if not is_utf_8(*credential[1:]):
        raise DXFCredentialsError(f'{credential.place} holds a credential that is no text')
    return credential


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


def _is_at(stored: str, key: str) -> bool:
    """Return whether a stored key is of the registry or repository that ``key`` names.

    It may be in another case, end in a slash, or be an address. Docker and podman ignore the path of an address, as
    it was that of their API once: https://index.docker.io/v1/.
    """
    stored, key = stored.lower(), key.lower()
    scheme, found, address = stored.partition('://')
    if found and scheme in ('http', 'https') and '/' not in key:
        return address.partition('/')[0] == key
    return key in (stored, stored.removesuffix('/'))


def _is_deep(stored: str) -> bool:
    """Return whether a stored key is an address with a path: https://HOST/path."""
    return '://' in stored and re.fullmatch(_REGISTRY_ADDRESS, stored) is None


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
    return [path for path in paths if not path.startswith('~/')]  # no home is known, or no shell has replaced it


def find(host: str, repository: str | None, environ: Mapping[str, str]) -> Credential | None:
    """Return the credential that is stored for a repository; ``None`` without one.

    :param host: as :func:`dxf.names.check_host` returns it
    :raises DXFCredentialsError: it cannot be read
    """
    for path in files_of(environ):
        found = CredentialFile(path, environ).find(host, repository)
        if found is not None:
            return found
    return None
