"""Settings: the DXF_* variables, turned into typed values once."""

import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from dxf.blobs import JOBS
from dxf.cli.variable_mistakes import about_value, check_folder, flawed_host
from dxf.client import SCHEMAS
from dxf.exceptions import DXFCertificateError, DXFInvalidNameError
from dxf.limits import TIMEOUT, Limits
from dxf.names import check_host, check_platform, check_registry, is_folder
from dxf.strict_json import is_utf_8
from dxf.transport.auth import check_authorization
from dxf.transport.client_certificates import KEYLESS, Cert, check_certificate
from dxf.transport.proxies import Proxies, check_proxy, read_proxies

RETRIES = Limits().retries

VARIABLES = {
    'DXF_HOST': "the registry: registry.example.com:5000, docker.io for Docker Hub, oci:./folder for a folder",
    'DXF_INSECURE': '1: use http; no user name and password may be set then',
    'DXF_USERNAME': 'user to authenticate as',
    'DXF_PASSWORD': "the user's password",
    'DXF_AUTHORIZATION': 'value of an Authorization header, in place of user name and password',
    'DXF_TOKEN': 'a token, as printed by dxf auth; where it is refused the other credentials are used',
    'DXF_AUTH_HOST': 'host of the token server, in place of the one that the registry names',
    'DXF_PROGRESS': '1: show progress bars; 0: do not; lines, json: as --progress (default: bars on a terminal)',
    'DXF_BLOB_INFO': '1: pull-blob writes "<digest> <size>" and a newline before each blob',
    'DXF_CHUNK_SIZE': 'bytes that pull-blob writes at a time (default: as they arrive)',
    'DXF_JOBS': f'blobs to move at once (default {JOBS}); 1: strictly one after the other',
    'DXF_PLATFORM': 'os/architecture[/variant]: of a multi-platform alias, this platform alone',
    'DXF_SCHEMA': 'what push-blob and set-alias write: v2 (default), oci or v1',
    'DXF_TIMEOUT': 'seconds to wait for a connection and for the next byte (default 10 and 60)',
    'DXF_RETRIES': f'attempts after the first (default {RETRIES})',
    'DXF_DEBUG': '1: tell of each request on standard error: status, bytes and time; nothing secret',
    'DXF_SKIPTLSVERIFY': '1: do not verify certificates',
    'DXF_TLSVERIFY': 'file of CA certificates to verify with',
    'REQUESTS_CA_BUNDLE': 'the same, for everything that uses requests',
    'DXF_CERT': 'file of a client certificate (PEM), for the registry alone; it may hold the key too',
    'DXF_KEY': "file of the client certificate's key (PEM)",
    'HTTPS_PROXY': 'proxy for https: http://[user:password@]proxy.example.com:3128',
    'HTTP_PROXY': 'proxy for http',
    'ALL_PROXY': 'proxy for what has none of the two',
    'NO_PROXY': 'names, with all below them, addresses and networks that go without a proxy; *: all',
    'DXF_TO_USERNAME': 'user to authenticate as where copy copies to,',
    'DXF_TO_PASSWORD': "the user's password,",
    'DXF_TO_AUTHORIZATION': 'value of an Authorization header,',
    'DXF_TO_TOKEN': 'or a token, for there',
    'DXF_TO_INSECURE': '1: use http there',
    'DXF_TO_TLSVERIFY': 'file of CA certificates to verify with there',
    'DXF_TO_CERT': 'file of a client certificate for there,',
    'DXF_TO_KEY': 'and of its key',
    'DOCKER_CONFIG': 'folder of the config.json in which docker login stores credentials (default ~/.docker)',
    'REGISTRY_AUTH_FILE': 'file in which podman login stores them; looked into first',
    'SOURCE_DATE_EPOCH': 'seconds since 1970: when push-files and attach say that it was (default now)',
    'XDG_STATE_HOME': 'folder for what push-blob --resume remembers (default ~/.local/state)',
}
"""Every variable that dxf reads, with the text that the help prints for it."""


PROGRESS = {'1': 'bar', '0': 'none', 'lines': 'lines', 'json': 'json'}
"""By the value of DXF_PROGRESS, that of --progress."""

MOST_JOBS = 64
LAST_DATE = 253402300799
"""The end of the year 9999, the last that RFC 3339 can write."""

UNVERIFIED = '; DXF_SKIPTLSVERIFY=1 is to verify no certificates'
"""For the registry of ``DXF_HOST`` alone."""

NO = ('0', 'false', 'no', 'off', 'none')
"""What other programs take for no."""

_EXAMPLES = 'registry.example.com:5000, docker.io for Docker Hub, or oci:./folder'


class SettingsError(Exception):
    """A variable that is missing or malformed; the text names it."""


class Settings(NamedTuple):
    """The environment of one command."""

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
    retries: int = RETRIES
    schema: str | None = None
    jobs: int = JOBS
    state_folder: str = ''
    debug: bool = False
    cert: Cert | None = None
    proxies: Proxies = Proxies()

    @property
    def has_credential(self) -> bool:
        """Whether there is any."""
        return any(value is not None for value in (self.username, self.authorization, self.token))

    @property
    def credential(self) -> str:
        """Which credential is used, without its value."""
        if self.username is not None:
            flaw = ', which ends with a line end' if (self.password or '').endswith(('\r', '\n')) else ''
            return f'the credential used is DXF_PASSWORD of user {self.username}{flaw}'
        if self.authorization is not None:
            wanted = '' if ' ' in self.authorization else ', which has no scheme: want Basic ... or Bearer ...'
            return f'the credential used is DXF_AUTHORIZATION{wanted}'
        if self.token is not None:
            return 'the credential used is DXF_TOKEN, which may have expired'
        if self.insecure:
            return 'over http dxf sends no password: the registry needs TLS for that; a DXF_TOKEN is sent'
        return 'no credential is set: see DXF_USERNAME and DXF_PASSWORD, or dxf login'


OTHER = 'DXF_TO_'
"""How the names of variables begin that are for the registry to which is copied."""

CREDENTIALS = ('USERNAME', 'PASSWORD', 'AUTHORIZATION', 'TOKEN')
OTHERS = (*CREDENTIALS, 'INSECURE', 'TLSVERIFY', 'CERT', 'KEY')
OWN_ALONE = ('AUTH_HOST', 'SKIPTLSVERIFY')
"""What of the source's ways in has no counterpart, and is not for another registry."""


def read_other_settings(environ: Mapping[str, str], host: str) -> Settings:
    """Read the settings for the registry to which is copied.

    Nothing of the credentials for ``DXF_HOST`` is in them, unless the two are the same registry and none are given for
    this one.

    :param host: as in ``DXF_HOST``
    :raises SettingsError: ``host``, or a variable, is malformed
    """
    given = {f'DXF_{name}': environ[OTHER + name] for name in OTHERS if environ.get(OTHER + name)}
    if not uses_own(environ, host):
        kept = {name: value for name, value in environ.items()
                if name.removeprefix('DXF_') not in (*OTHERS, *OWN_ALONE)}
        empty = {f'DXF_{name}': '' for name in ('USERNAME', 'PASSWORD') if environ.get(OTHER + name) == ''}
        given = {**kept, **empty, **given}
    else:
        given = {**environ, **given}
    try:
        return read_settings({**given, 'DXF_HOST': host})
    except SettingsError as error:
        text = str(error).removesuffix(UNVERIFIED)
        raise SettingsError(with_other_names(text).replace('DXF_HOST', '--to')) from None


def with_other_names(text: str) -> str:
    """Return a message in which each variable has its name for the registry to which is copied."""
    return re.sub(rf'\bDXF_({"|".join(OTHERS)})\b', rf'{OTHER}\1', text)


def uses_own(environ: Mapping[str, str], host: str) -> bool:
    """Return whether the registry to copy to gets the credentials for ``DXF_HOST``."""
    return _is_same(host, environ.get('DXF_HOST', '')) and not any(environ.get(OTHER + name) for name in CREDENTIALS)


def _is_same(host: str, other: str) -> bool:
    try:
        return check_registry(host) == check_registry(other)
    except DXFInvalidNameError:
        return False


def read_settings(environ: Mapping[str, str], asks: bool = False) -> Settings:
    """Read the settings from an environment; a variable that is empty counts as not set.

    :param asks: whether the command can do without a password for the user name
    :raises SettingsError: a variable is missing or malformed
    """
    try:
        return _read_settings(environ, asks)
    except SettingsError as error:
        raise SettingsError(f'{error}{about_value(str(error), environ)}') from None


def _read_settings(environ: Mapping[str, str], asks: bool) -> Settings:
    def text(name: str) -> str | None:
        return environ.get(name) or None

    username, password = text('DXF_USERNAME'), text('DXF_PASSWORD')
    if not (asks or text('DXF_TOKEN') or text('DXF_AUTHORIZATION')):
        _check_complete(environ)
    for name, value in (('DXF_USERNAME', username), ('DXF_PASSWORD', password)):
        if not is_utf_8(value):
            raise SettingsError(f'{name} is not UTF-8: set it in a UTF-8 terminal or file')
    return Settings(
        host=_host('DXF_HOST', text('DXF_HOST'), check_registry),
        insecure=_flag('DXF_INSECURE', environ),
        username=username if password is not None else None,
        password=password if username is not None else None,
        authorization=_credential('DXF_AUTHORIZATION', text('DXF_AUTHORIZATION')),
        token=_credential('DXF_TOKEN', text('DXF_TOKEN')),
        auth_host=_host('DXF_AUTH_HOST', text('DXF_AUTH_HOST'), check_host) if text('DXF_AUTH_HOST') else None,
        tlsverify=_tlsverify(environ),
        progress=_progress(text('DXF_PROGRESS')),
        blob_info=_flag('DXF_BLOB_INFO', environ),
        chunk_size=_chunk_size(text('DXF_CHUNK_SIZE')),
        platform=_platform(text('DXF_PLATFORM')),
        timeout=_timeout(text('DXF_TIMEOUT')),
        retries=_retries(text('DXF_RETRIES')),
        schema=_schema(text('DXF_SCHEMA')),
        jobs=_jobs(text('DXF_JOBS')),
        state_folder=_state_folder(environ),
        debug=_flag('DXF_DEBUG', environ),
        cert=_cert(text('DXF_CERT'), text('DXF_KEY')),
        proxies=_proxies(environ),
    )


def _flag(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether a variable is 1; 0 and empty are no.

    :raises SettingsError: it is something else, which may be meant as yes or as no
    """
    value = environ.get(name) or '0'
    if value not in ('0', '1'):
        raise SettingsError(f'{name}: want 0 or 1')
    return value == '1'


def _check_complete(environ: Mapping[str, str]) -> None:
    """Check that user name and password are both set, or neither.

    CI systems set a variable to nothing where a secret is missing.
    """
    username, password = environ.get('DXF_USERNAME'), environ.get('DXF_PASSWORD')
    if username and not password:
        raise SettingsError(f'DXF_USERNAME is set, but DXF_PASSWORD is {"not" if password is None else "empty"}')
    if password and not username:
        raise SettingsError(f'DXF_PASSWORD is set, but DXF_USERNAME is {"not" if username is None else "empty"}')


def _host(name: str, value: str | None, check: Callable[[str], str]) -> str:
    if value is None:
        raise SettingsError(f'{name} is not set: name the registry, such as {_EXAMPLES}')
    try:
        check(value)
        if is_folder(value):
            check_folder(value)
    except DXFInvalidNameError as error:
        text = flawed_host(value) or str(error).replace('insecure=True', 'DXF_INSECURE=1')
        raise SettingsError(f'{name}: {text}; examples: {_EXAMPLES}') from None
    return value


def _credential(name: str, value: str | None) -> str | None:
    try:
        return None if value is None else check_authorization(value)
    except DXFInvalidNameError:
        raise SettingsError(f'{name} has characters that no header can carry') from None


def _tlsverify(environ: Mapping[str, str]) -> bool | str:
    if _flag('DXF_SKIPTLSVERIFY', environ):
        return False
    for name in ('DXF_TLSVERIFY', 'REQUESTS_CA_BUNDLE'):
        path = environ.get(name)
        if path:
            if not os.access(path, os.R_OK):
                hint = UNVERIFIED if path.lower() in NO else ''
                raise SettingsError(f'{name}: cannot read {path}{hint}')
            return path
    return True


def _cert(certificate: str | None, key: str | None) -> Cert | None:
    if certificate is None:
        if key is not None:
            raise SettingsError('DXF_KEY is set, but DXF_CERT is not')
        return None
    try:
        return check_certificate(certificate if key is None else (certificate, key))
    except DXFCertificateError as error:
        name = 'DXF_CERT' if error.path == certificate else 'DXF_KEY'
        hint = '; DXF_KEY names the file of the key' if error.reason == KEYLESS else ''
        raise SettingsError(f'{name}: {error}{hint}') from None


def _proxies(environ: Mapping[str, str]) -> Proxies:
    """Read the proxies; the one by which the registry would be reached must be right."""
    proxies = read_proxies(environ)
    host = check_registry(environ.get('DXF_HOST', ''))
    scheme = 'http' if environ.get('DXF_INSECURE') == '1' else 'https'
    address = '' if is_folder(host) else proxies.of(f'{scheme}://{host}/')
    try:
        if address:
            check_proxy(address)
    except DXFInvalidNameError as error:
        own = f'{scheme.upper()}_PROXY'
        name = own if environ.get(own.lower(), environ.get(own)) else 'ALL_PROXY'
        raise SettingsError(f'{name}: {error}') from None
    return proxies


def _progress(value: str | None) -> str | None:
    if value is not None and value not in PROGRESS:
        raise SettingsError(f'DXF_PROGRESS is one of {", ".join(PROGRESS)}')
    return None if value is None else PROGRESS[value]


def _platform(value: str | None) -> str | None:
    try:
        return None if value is None else check_platform(value)
    except DXFInvalidNameError as error:
        raise SettingsError(f'DXF_PLATFORM: {error}, such as linux/amd64') from None


def _chunk_size(value: str | None) -> int | None:
    if value is None:
        return None
    size = _whole(value)
    if size is None or size < 1:
        raise SettingsError('DXF_CHUNK_SIZE is a number of bytes, at least 1')
    return size


def _timeout(value: str | None) -> float | tuple[float, float]:
    if value is None:
        return TIMEOUT
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise SettingsError('DXF_TIMEOUT is a number of seconds, more than 0')
    return seconds


def _jobs(value: str | None) -> int:
    jobs = JOBS if value is None else _whole(value)
    if jobs is None or not 1 <= jobs <= MOST_JOBS:
        raise SettingsError(f'DXF_JOBS is a number of blobs to move at once, 1 to {MOST_JOBS}')
    return jobs


def _state_folder(environ: Mapping[str, str]) -> str:
    """https://specifications.freedesktop.org/basedir-spec/latest/#variables"""
    state = environ.get('XDG_STATE_HOME', '')
    if not os.path.isabs(state):
        state = os.path.join(environ.get('HOME') or os.path.expanduser('~'), '.local', 'state')
    return os.path.join(state, 'dxf', 'uploads')


def read_date(environ: Mapping[str, str]) -> int | None:
    """Return the time that is to stand for now, in seconds since 1970: https://reproducible-builds.org/specs/.

    It is not among the settings: other programs read it too, and a wrong one matters to few commands.

    :raises SettingsError: it is malformed
    """
    value = environ.get('SOURCE_DATE_EPOCH')
    seconds = _whole(value) if value else None
    if value and (seconds is None or seconds > LAST_DATE):
        raise SettingsError('SOURCE_DATE_EPOCH is a number of seconds since 1970')
    return seconds


def _retries(value: str | None) -> int:
    retries = RETRIES if value is None else _whole(value)
    if retries is None:
        raise SettingsError('DXF_RETRIES is a number of attempts, 0 or more')
    return retries


def _whole(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def _schema(value: str | None) -> str | None:
    if value is not None and value not in SCHEMAS:
        raise SettingsError(f'DXF_SCHEMA is one of {", ".join(SCHEMAS)}')
    return value
