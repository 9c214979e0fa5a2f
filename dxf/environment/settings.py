"""Settings: the record of what the variables of one command, or one registry, say. ``reader`` makes it."""

from typing import NamedTuple

from dxf.environment.variables import PREFIX
from dxf.limits import TIMEOUT, Limits
from dxf.options import JOBS
from dxf.transport.client_certificates import Cert
from dxf.transport.proxies import Proxies

HOST = 'DXF_HOST'
"""The variable that names the registry."""

BY_REPOSITORY = 'the repository'
"""What names a registry that stands before the repository."""


class Settings(NamedTuple):
    """What the variables say.

    ``prefix`` is how the names of the variables begin that the credential comes from. ``named_by`` is what names the
    registry. ``set_aside`` is the registry of ``DXF_HOST`` where the command names another: its credentials are not
    used.
    """

    host: str
    insecure: bool = False
    username: str | None = None
    password: str | None = None
    authorization: str | None = None
    token: str | None = None
    auth_host: str | None = None
    tlsverify: bool | str = True
    progress: str | None = None
    blob_info: bool = False
    chunk_size: int | None = None
    platform: str | None = None
    timeout: float | tuple[float, float] = TIMEOUT
    retries: int = Limits().retries
    schema: str | None = None
    jobs: int = JOBS
    state_folder: str = ''
    debug: bool = False
    cert: Cert | None = None
    proxies: Proxies = Proxies()
    rate: int | None = None
    prefix: str = PREFIX
    named_by: str = HOST
    set_aside: str = ''

    @property
    def host_option(self) -> str:
        """The option that a command needs to reach the registry, with a space before it; empty for ``DXF_HOST``."""
        return '' if self.named_by == HOST else f' --host={self.host}'

    @property
    def has_credential(self) -> bool:
        """Whether there is any."""
        return any(value is not None for value in (self.username, self.authorization, self.token))

    @property
    def credential(self) -> str:
        """Which credential is used, without its value."""
        prefix = self.prefix
        if self.username is not None:
            flaw = ', which ends with a line end' if (self.password or '').endswith(('\r', '\n')) else ''
            return f'the credential used is {prefix}PASSWORD of user {self.username}{flaw}'
        if self.authorization is not None:
            wanted = '' if ' ' in self.authorization else ', which has no scheme: want Basic ... or Bearer ...'
            if self.authorization.lower().startswith('authorization:'):
                wanted = ', which is the value of the header alone: leave out its name'
            return f'the credential used is {prefix}AUTHORIZATION{wanted}'
        if self.token is not None:
            return f'the credential used is {prefix}TOKEN, which may have expired'
        if self.insecure:
            return f'over http dxf sends no password: the registry needs TLS for that; a {prefix}TOKEN is sent'
        if self.set_aside:
            return f'no credential is set: the {prefix} variables are for {self.set_aside}; dxf login{self.host_option}'
        return f'no credential is set: see {prefix}USERNAME and {prefix}PASSWORD, or dxf login'
