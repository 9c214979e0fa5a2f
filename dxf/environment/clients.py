"""Clients: what their constructors take, by the settings."""

from collections.abc import Callable, Sequence
from typing import Any

from dxf.environment.settings import Settings
from dxf.exceptions import DXFAuthInsecureError
from dxf.limits import Limits
from dxf.names import is_folder
from dxf.options import Options
from dxf.rate_limit import RateLimit

OVER_TLS = 'a password is sent over TLS alone: set up TLS on the registry or on a proxy before it'

Auth = Callable[[Any, Any], Any]
"""Answers a challenge: called with the client and the response."""


def check_secure(settings: Settings) -> None:
    """Check that no user name and password are set for a registry over http.

    :raises DXFAuthInsecureError: they are
    """
    if settings.insecure and (settings.username or settings.authorization):
        raise DXFAuthInsecureError(f'Auth requires HTTPS: nothing was sent; {OVER_TLS}, and unset '
                                   f'{settings.prefix}INSECURE; what needs no login works without credentials')


def options_of(settings: Settings) -> Options:
    """Return the options of a client."""
    idle = settings.timeout if isinstance(settings.timeout, float) else settings.timeout[1]
    rate = None if settings.rate is None else RateLimit(settings.rate)
    return Options(limits=Limits(retries=settings.retries, stall_seconds=idle, rate=rate), cert=settings.cert,
                   proxies=settings.proxies, jobs=settings.jobs, schema=settings.schema)


def auth_of(settings: Settings, stored: Callable[[], Auth], first_actions: Sequence[str] | None = None) -> Auth | None:
    """Return the function that answers challenges; ``None`` over http, or if a token is the only credential.

    Later answers ask for what the challenge names. Without a credential in the settings, the one that docker login has
    stored is used.

    :param stored: returns what answers with a stored credential
    :param first_actions: what the answer to the first challenge asks for; ``None`` for what the challenge names
    """
    has_login = settings.username is not None or settings.authorization is not None
    if settings.insecure or is_folder(settings.host) or settings.token is not None and not has_login:
        return None
    if not has_login:
        return stored()
    actions = [] if first_actions is None else [first_actions]

    def answer(registry: Any, response: Any) -> None:
        registry.authenticate(settings.username, settings.password, actions.pop() if actions else None,
                              response=response, authorization=settings.authorization)
    return answer
