"""The context of a command: its settings, operands and options, and how it reaches its registry.

The functions of the commands are in the ``..._commands`` modules.
"""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import dxf
from dxf.cli import console
from dxf.environment.clients import auth_of, check_secure, options_of
from dxf.environment.reader import read_settings, uses_own
from dxf.environment.settings import BY_REPOSITORY, Settings
from dxf.environment.variables import TARGET_PREFIX
from dxf.exceptions import DXFInvalidNameError, DXFUnauthorizedError
from dxf.names import check_registry, shown_repository
from dxf.transport.redaction import public_host


class UsageError(Exception):
    """Wrong operands or options."""


def target_of(options: Mapping[str, Any]) -> str | None:
    """Return the registry to which a command with these options copies; ``None`` for a command that copies nothing."""
    return options['to'] if 'to_repo' in options else None  # another --to is a folder


def _is_about(error: Exception, host: str, other: str) -> bool:
    """Return whether an error came from one of two registries, and not from the other."""
    source: str | None = None
    if isinstance(error, DXFUnauthorizedError):
        source = error.host
    else:
        response = getattr(error, 'response', None)
        about = getattr(error, 'request', None) if response is None else response
        source = None if about is None else public_host(str(about.url))
    try:
        first, second = check_registry(host).lower(), check_registry(other).lower()
    except DXFInvalidNameError:
        return False
    return source is not None and source.lower() == first != second


class Context(NamedTuple):
    """The context of a command.

    :param actions: the actions that its token must allow
    :param repository: the first operand, as it was typed; ``None`` for a command without operands
    :param operands: the other operands
    :param program: what follows ``--``
    :param used: functions that return where the credential of a registry came from, if that is not its settings; by
        :attr:`credential_key`
    """

    settings: Settings
    actions: tuple[str, ...]
    repository: str | None
    operands: list[str]
    options: Mapping[str, Any]
    environ: Mapping[str, str]
    program: list[str] | None
    used: dict[str, Callable[[], str | None]]

    @property
    def credential_key(self) -> str:
        """The key of the registry in ``used``."""
        return self.settings.prefix + self.settings.host

    @property
    def typed_repository(self) -> str:
        """The repository as another command needs it, with what names its registry."""
        if self.settings.named_by == BY_REPOSITORY:
            return f'{self.settings.host}/{self.repository}'
        return shown_repository(self.repository or '') + self.settings.host_option

    @property
    def credential(self) -> str:
        """Which credential is used for the registry, without its value."""
        return self._credential(self.settings)

    def print_result(self, key: str, result: Any, **named: Any) -> None:
        """Print a result, one item a line; with ``--json`` as an object a line.

        :param key: the key of the result in that object; ``platforms`` for a result by platform
        :param named: the other members of the object
        """
        if not self.options['json']:
            console.print_items(result)
            return
        named['platforms' if isinstance(result, dict) else key] = result
        console.print_json(named)

    def print_action(self, action: str, text: str, **named: Any) -> None:
        """Print what is done, or to be done, with something: a line ``ACTION NAME ...``, or an object with ``action``.

        :param text: what stands behind the action in a line
        :param named: the other members of the object
        """
        self.print_result('action', action if self.options['json'] else f'{action} {text}', **named)

    def print_total(self, total: int, **named: Any) -> None:
        """Print the last line of a list: bytes, of a plan those to move."""
        self.print_result('total', total if self.options['json'] else f'total {total}', **named)

    def print_record(self, record: Any) -> None:
        """Print a record as a line for people, or with ``--json`` as an object."""
        if self.options['json']:
            console.print_json(record.document())
        else:
            console.write_exactly(f'{record.line()}\n')

    def credential_for(self, error: Exception) -> str:
        """Return which credential was refused, without its value.

        A command with two registries gets the credentials of both, if the error does not tell which one refused.
        """
        host = self._target_host
        own = self._credential(self.settings)
        if host is None:
            return own
        target = self._credential(read_settings(self.environ, TARGET_PREFIX, host))
        own, target = f'for {self.settings.host}, {own}', f'for {host}, {target}'
        if self.is_about_target(error):
            return target
        return own if _is_about(error, self.settings.host, host) else f'{own}; {target}'

    @property
    def _target_host(self) -> str | None:
        """The registry to which is copied, if it has settings of its own."""
        host = target_of(self.options)
        return None if host is None or uses_own(self.environ, host) else host

    def is_about_target(self, error: Exception) -> bool:
        """Return whether an error came from the registry to which is copied, and that has settings of its own."""
        host = self._target_host
        return host is not None and _is_about(error, host, self.settings.host)

    def _credential(self, settings: Settings) -> str:
        used = self.used.get(settings.prefix + settings.host)
        return used and used() or settings.credential

    def registry(self) -> Any:
        """Return the registry, or the repository if the command names one; no request is made."""
        settings = self.settings
        check_secure(settings)
        # The first answer to a challenge asks for all actions that the command needs.
        auth = auth_of(settings, partial(self.stored_credentials, self.actions), self.actions)
        options = options_of(settings)
        common = (auth, settings.insecure, settings.auth_host, settings.tlsverify, settings.timeout)
        registry: Any = dxf.DXFBase(settings.host, *common) if self.repository is None else \
            dxf.DXF(settings.host, self.repository, *common)
        # A class in place of these need not take more than the parameters that programs rely on.
        registry.options = options
        if settings.tlsverify is False:  # the user has chosen that: no warning at each request
            from urllib3.exceptions import InsecureRequestWarning
            warnings.simplefilter('ignore', InsecureRequestWarning)
        if settings.token is not None:
            registry.token = settings.token
        return registry

    def stored_credentials(self, actions: Sequence[str]) -> Callable[[Any, Any], str | None]:
        """Return the function that answers challenges with a stored credential.

        :param actions: the actions of the first token; empty for those that the challenge names
        """
        from dxf.credentials.stored import StoredCredentials
        stored = StoredCredentials({**os.environ, **self.environ}, actions or None, console.print_error)
        self.used[self.credential_key] = lambda: stored.used
        return stored
