"""Repositories: the clients of a filesystem, with the settings and credentials that the command line would have.

Each variable ``DXF_*`` is an option too, in lower case and without ``DXF_``.
"""

import os
import re
from collections.abc import Collection, Mapping
from threading import Lock
from typing import Any

from dxf import forking
from dxf.client import DXF
from dxf.credentials.stored import StoredCredentials
from dxf.environment.clients import auth_of, check_secure, options_of
from dxf.environment.reader import CREDENTIALS, SOURCE_SETTINGS, TARGET_SETTINGS, is_same_registry, read_settings
from dxf.environment.registries import split, without_credentials
from dxf.environment.settings import HOST, Settings
from dxf.environment.variable_values import SettingsError
from dxf.environment.variables import PREFIX
from dxf.exceptions import DXFInvalidNameError
from dxf.names import check_registry, is_folder

NO_HOST = "no registry is named: give the option host, such as host='oci:./folder' (pandas: storage_options={'host': " \
    "...}), or set DXF_HOST; or begin the path with it, as in registry.example.com/fred/x@may15"

REGISTRY = 'registry'
"""The option that fsspec takes from a URL."""

OF_ONE_REGISTRY = tuple(name.lower() for name in (*TARGET_SETTINGS, *SOURCE_SETTINGS))
"""The options that are for one registry: that of ``host``, or of the URL."""

OF_ALL = ('jobs', 'timeout', 'retries', 'platform')

_VARIABLE = rf'(?a)\b{PREFIX}([A-Z_]+)\b'

SECRET = tuple(name.lower() for name in CREDENTIALS)
"""The options that are not pickled."""


class Repositories:
    """The clients of repositories, made when they are first used.

    :param options: those of the filesystem, but for ``host``
    :raises TypeError: there is no such option
    :raises ValueError: credentials are given, and no registry that they are for
    """

    def __init__(self, host: str | None, options: Mapping[str, Any]) -> None:
        unknown = sorted(set(options) - {*OF_ONE_REGISTRY, *OF_ALL, REGISTRY})
        if unknown:
            raise TypeError(f'unknown option {unknown[0]!r}: want host, {", ".join((*OF_ONE_REGISTRY, *OF_ALL))}')
        self.host = host
        self._own = host or options.get(REGISTRY) or os.environ.get(HOST)
        self._options = {name: value for name, value in options.items() if value is not None and name != REGISTRY}
        if not self._own and any(name in self._options for name in SECRET):
            raise ValueError('credentials are for one registry: name it by the option host')
        self._lock = Lock()
        self.storing = Lock()
        """Held while manifests are changed: threads would undo the changes of one another, and repeat theirs."""
        forking.register(self)
        self._clients: dict[tuple[str, str], DXF] = {}
        self._settings: dict[str, Settings] = {}

    def renew_after_fork(self) -> None:
        """Share no lock with the parent process."""
        self._lock = Lock()
        self.storing = Lock()

    def open(self, repository: str) -> DXF:
        """Return the client of a repository, which may begin with its registry.

        :raises DXFInvalidNameError: that is no repository
        :raises ValueError: a setting is not valid
        """
        host, name = self._split(repository)
        with self._lock:
            if (host, name) not in self._clients:
                self._settings[host] = self.settings(host)
                self._clients[host, name] = _client(self._settings[host], name)
            return self._clients[host, name]

    def platform(self, repository: str) -> str | None:
        """Return the platform whose image is meant where there are several, for a repository that was opened."""
        return self._settings[self._split(repository)[0]].platform

    def _split(self, repository: str) -> tuple[str, str]:
        _check_repository(repository)
        first, _, rest = repository.partition('/')
        if self.host and rest and is_same_registry(first, self.host):
            return self.host, rest
        host, name = split(repository, is_host_known=bool(self.host))
        host = host or self.host or os.environ.get(HOST, '')
        if not host:
            raise ValueError(NO_HOST)
        return host, name

    def settings(self, host: str) -> Settings:
        """Return the settings for a registry: options win over variables, and credentials are those of one of them.

        The variables' credentials are for the registry of ``DXF_HOST``. Without it they are for that of the options: a
        filesystem may reach several, and a URL may come from others.

        :raises ValueError: one is not valid
        """
        owner = os.environ.get(HOST) or self._own
        is_owner = owner is not None and is_same_registry(host, owner)
        environ = {**(os.environ if is_owner else without_credentials(os.environ)), HOST: host}
        is_own = self._own is not None and is_same_registry(host, self._own)
        given = {name: value for name, value in self._options.items() if is_own or name in OF_ALL}
        if any(name in given for name in SECRET):
            environ = {name: value for name, value in environ.items() if name.removeprefix(PREFIX) not in CREDENTIALS}
        if given.get('tlsverify') is False:
            given['skiptlsverify'] = True
        if isinstance(given.get('tlsverify'), bool):
            del given['tlsverify']
        try:
            return read_settings({**environ, **{PREFIX + name.upper(): _text(value) for name, value in given.items()}})
        except SettingsError as error:
            raise ValueError(_by_option(str(error), [*given, *(['host'] if host == self.host else [])])) from None


def _client(settings: Settings, repository: str) -> DXF:
    check_secure(settings)
    client = DXF(settings.host, repository, auth_of(settings, StoredCredentials), settings.insecure,
                 settings.auth_host, settings.tlsverify, settings.timeout, options=options_of(settings))
    if settings.token is not None:
        client.token = settings.token
    return client


def _by_option(message: str, options: Collection[str]) -> str:
    """Return a message about a setting with options in place of variables, if an option gave the first one."""
    variable = re.match(_VARIABLE, message)
    is_given = variable is not None and variable[1].lower() in options
    return re.sub(_VARIABLE, lambda found: found[1].lower(), message) if is_given else message


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else os.fspath(value) if isinstance(value, os.PathLike) \
        else str(value)


def public(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without credentials, as they may leave the process."""
    kept = {name: value for name, value in options.items() if name not in SECRET}
    if kept.get('host'):
        kept['host'] = check_registry(kept['host'])  # the path of a folder is another one in another process
    return kept


def registry_of(path: str) -> dict[str, str]:
    """Return the option that a path of a URL stands for: its registry, if it begins with one."""
    host, _ = split(path.partition('@')[0], is_host_known=False)
    return {REGISTRY: host} if host else {}


def _check_repository(repository: str) -> None:
    """Check that a path does not begin with a folder, a URL or a password, and that no slash stands before its alias.

    :raises DXFInvalidNameError: it does, or one does
    """
    first, is_url, _ = repository.partition('://')
    if is_url or ':' in first and '/' not in first and not is_folder(first):  # it may be a password, which is not shown
        wrong = 'leave out the scheme, such as https://, at the beginning' if is_url else \
            'a path begins with a user name and a password: the options username and password give them'
        raise DXFInvalidNameError(f'{wrong}; a path is [REGISTRY/]REPOSITORY@ALIAS[/PATH]')
    if is_folder(repository):
        raise DXFInvalidNameError(f'invalid repository {repository!r}: a folder is given by the option host, '
                                  "host='oci:PATH', or by DXF_HOST; the repository is the path below it")
    if repository.endswith('/'):
        raise DXFInvalidNameError(f'invalid repository {repository!r}: write {repository.rstrip("/")}@ALIAS')
