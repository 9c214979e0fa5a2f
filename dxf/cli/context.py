"""Jobs: a command that is to be run, and how it reaches its registry, with whose credential.

What it does there is not known here.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from requests.exceptions import RequestException

import dxf
from dxf.cli import console
from dxf.cli.settings import OTHER, Settings, read_other_settings, uses_own
from dxf.exceptions import DXFAuthInsecureError, DXFInvalidNameError, DXFUnauthorizedError
from dxf.names import check_registry, is_folder
from dxf.transport.redaction import public_host


class UsageError(Exception):
    """Operands that cannot be right."""


def _is_about(error: Exception, host: str, other: str) -> bool:
    """Return whether an error came from one of two registries, and not from the other."""
    source: str | None = None
    if isinstance(error, DXFUnauthorizedError):
        source = error.host
    elif isinstance(error, RequestException):
        about = error.request if error.response is None else error.response
        source = None if about is None else public_host(str(about.url))
    try:
        first, second = check_registry(host).lower(), check_registry(other).lower()
    except DXFInvalidNameError:
        return False
    return source is not None and source.lower() == first != second


class Job(NamedTuple):
    """A command that is to be run: its settings, what it may ask a token for, and its operands."""

    settings: Settings
    actions: tuple[str, ...]
    repository: str | None
    operands: list[str]
    options: Mapping[str, Any]
    environ: Mapping[str, str]
    used: dict[str, Callable[[], str | None]]
    """Where the credential of each host came from, by prefix and host, if it is not that of the settings."""

    prefix: str = 'DXF_'
    """How the names of the variables begin that the settings come from."""

    def tell(self, key: str, result: Any, **named: Any) -> None:
        """Print a result, one item a line; with ``--json`` as an object a line.

        :param key: the result's in that object, where it is not one by platform
        :param named: what else is in it
        """
        if not self.options['json']:
            console.say(result)
            return
        named['platforms' if isinstance(result, dict) else key] = result
        console.say_json(named)

    def credential_for(self, error: Exception) -> str:
        """Return which credential was refused, without its value; of two registries each, if the error tells neither.
        """
        host = self._other_host
        own = self._credential(self.settings, self.prefix)
        if host is None:
            return own
        other = self._credential(read_other_settings(self.environ, host), OTHER).replace('DXF_', OTHER)
        own, other = f'for {self.settings.host}, {own}', f'for {host}, {other}'
        if self.is_about_target(error):
            return other
        return own if _is_about(error, self.settings.host, host) else f'{own}; {other}'

    @property
    def _other_host(self) -> str | None:
        """The registry to copy to, where it has settings of its own."""
        host: str | None = self.options['to'] if 'to_repo' in self.options else None
        return None if host is None or uses_own(self.environ, host) else host

    def is_about_target(self, error: Exception) -> bool:
        """Return whether an error came from the registry to copy to, and that has settings of its own."""
        host = self._other_host
        return host is not None and _is_about(error, host, self.settings.host)

    def _credential(self, settings: Settings, prefix: str) -> str:
        return self.used.get(prefix + settings.host, lambda: None)() or settings.credential

    def registry(self) -> Any:
        """Return the registry, or the repository where the command names one; no request is made."""
        settings = self.settings
        if settings.insecure and (settings.username or settings.authorization):
            raise DXFAuthInsecureError(f'Auth requires HTTPS: nothing was sent; unset {self.prefix}INSECURE, or the '
                                       'credentials')
        common = (self._auth(), settings.insecure, settings.auth_host, settings.tlsverify, settings.timeout)
        idle = settings.timeout if isinstance(settings.timeout, float) else settings.timeout[1]
        registry: Any = dxf.DXFBase(settings.host, *common) if self.repository is None else \
            dxf.DXF(settings.host, self.repository, *common)
        # A class in place of these need not take more than the parameters that programs rely on.
        registry.options = dxf.Options(limits=dxf.Limits(retries=settings.retries, stall_seconds=idle),
                                       cert=settings.cert, proxies=settings.proxies, jobs=settings.jobs,
                                       schema=settings.schema)
        if settings.token is not None:
            registry.token = settings.token
        return registry

    def _auth(self) -> Callable[[Any, Any], Any] | None:
        """Return what answers a challenge: the first with all that the command will need, later ones as they are.

        Nothing does over http, nor where a token is all that there is. Without a credential of dxf's own, what docker
        login and the like have stored is used.
        """
        settings = self.settings
        has_token_alone = settings.token is not None and not (settings.username or settings.authorization)
        if settings.insecure or is_folder(settings.host) or has_token_alone:
            return None
        if not settings.has_credential:
            return self.stored_credentials(self.actions)
        actions = [self.actions]

        def answer(registry: Any, response: Any) -> None:
            registry.authenticate(settings.username, settings.password, actions.pop() if actions else None,
                                  response=response, authorization=settings.authorization)
        return answer

    def stored_credentials(self, actions: Sequence[str]) -> Callable[[Any, Any], str | None]:
        """Return what answers challenges with what is stored.

        :param actions: what the first token is to allow; none for what the challenge asks for
        """
        from dxf.credentials.stored import StoredCredentials
        stored = StoredCredentials({**os.environ, **self.environ}, actions or None, console.complain)
        self.used[self.prefix + self.settings.host] = lambda: stored.used
        return stored
