"""Environment: the variables of one command are read once, and become typed settings.

A variable that is empty counts as not set.
"""

import os
import re
from collections.abc import Callable, Mapping

from dxf.client_arguments import NO
from dxf.cli.settings import Settings
from dxf.cli.variable_mistakes import about_value, check_folder, flawed_host
from dxf.cli.variables import PREFIX, PROGRESS, TARGET_PREFIX
from dxf.exceptions import DXFCertificateError, DXFInvalidNameError
from dxf.limits import TIMEOUT, Limits
from dxf.names import check_host, check_platform, check_registry, is_folder
from dxf.options import JOBS, SCHEMAS
from dxf.strict_json import is_utf_8
from dxf.transport.client_certificates import KEYLESS, Cert, check_certificate
from dxf.transport.header_value import check_authorization
from dxf.transport.proxies import Proxies, check_proxy, read_proxies

CREDENTIALS = ('USERNAME', 'PASSWORD', 'AUTHORIZATION', 'TOKEN')
TARGET_SETTINGS = (*CREDENTIALS, 'INSECURE', 'TLSVERIFY', 'CERT', 'KEY')
"""The variables that the registry to which is copied has for itself, without their prefix."""

SOURCE_SETTINGS = ('AUTH_HOST', 'SKIPTLSVERIFY')
"""The variables that are only for the registry of ``DXF_HOST``, without their prefix."""

MAX_JOBS = 64
MAX_DATE = 253402300799
"""The end of the year 9999, the last that RFC 3339 can write."""

_NUMBER = re.compile(r'[0-9.eE+-]+', re.ASCII)

_PAIR = ('CERT', 'KEY')
"""Settings that belong together: if one is set for the target, the other is not taken from the source."""

_EXAMPLES = 'registry.example.com:5000, docker.io for Docker Hub, or oci:./folder'


class SettingsError(Exception):
    """A variable that is missing or malformed; the text names it."""


class _Variables:
    """The variables of one registry.

    :param prefix: how the names begin of those that the registry has for itself
    :param is_same: the registry to which is copied is that of ``DXF_HOST``: what it lacks is taken from there
    """

    def __init__(self, environ: Mapping[str, str], prefix: str, is_same: bool) -> None:
        self._environ = environ
        self._prefix = prefix
        self._is_same = is_same

    @property
    def prefix(self) -> str:
        """How the names begin of the variables that the credential comes from."""
        return PREFIX if self._is_same else self._prefix

    def name(self, setting: str) -> str:
        """Return the name of the variable of a setting."""
        own = PREFIX + setting
        together = _PAIR if setting in _PAIR else (setting,)
        has_own = any(self._environ.get(self._prefix + one) for one in together)
        if setting not in TARGET_SETTINGS or self._is_same and not has_own:
            return own
        return self._prefix + setting

    def text(self, setting: str) -> str | None:
        """Return the text of a setting, which may be empty."""
        if setting in SOURCE_SETTINGS and self._prefix != PREFIX and not self._is_same:
            return None
        return self._environ.get(self.name(setting))

    def of(self, setting: str) -> tuple[str, str | None]:
        """Return the name of the variable of a setting, and its text."""
        return self.name(setting), self.text(setting)

    def flag(self, setting: str) -> bool:
        """Return whether a setting is on."""
        return _read_flag(*self.of(setting))

    def login(self, prompts_for_password: bool) -> tuple[str | None, str | None]:
        """Return user name and password."""
        has_other = bool(self.text('TOKEN') or self.text('AUTHORIZATION'))
        names = self.name('USERNAME'), self.name('PASSWORD')
        return _read_login(names, (self.text('USERNAME'), self.text('PASSWORD')),
                           may_be_incomplete=prompts_for_password or has_other)

    def tlsverify(self) -> bool | str:
        """Return whether certificates are verified, or the file of CA certificates to verify with."""
        if self.flag('SKIPTLSVERIFY'):
            return False
        off = PREFIX + 'SKIPTLSVERIFY' if self._prefix == PREFIX else None
        for name in (self.name('TLSVERIFY'), 'REQUESTS_CA_BUNDLE'):
            if path := self._environ.get(name):
                return _read_ca_file(name, path, off)
        return True

    def certificate(self) -> Cert | None:
        """Return the client certificate."""
        return _read_certificate((self.name('CERT'), self.name('KEY')), self.text('CERT'), self.text('KEY'))


def read_settings(environ: Mapping[str, str], prefix: str = PREFIX, host: str | None = None, *,
                  prompts_for_password: bool = False) -> Settings:
    """Read the settings from an environment; a variable that is empty counts as not set.

    :param prefix: ``DXF_TO_`` for the registry to which is copied. Of the credentials for ``DXF_HOST`` it gets
        nothing, unless it is the same registry and has none of its own.
    :param host: the registry to which is copied
    :param prompts_for_password: the command needs no password for the user name
    :raises SettingsError: ``host``, or a variable, is missing or malformed
    """
    if (host is None) != (prefix == PREFIX):  # or another registry would get the credentials for DXF_HOST
        raise ValueError(f'a host is given with the prefix {TARGET_PREFIX}, and never without')
    is_same = host is not None and uses_own(environ, host)
    try:
        return _read(_Variables(environ, prefix, is_same), environ, host, prompts_for_password)
    except SettingsError as error:
        raise SettingsError(f'{error}{about_value(str(error), environ)}') from None


def _read(read: _Variables, environ: Mapping[str, str], host: str | None, prompts_for_password: bool) -> Settings:
    username, password = read.login(prompts_for_password)
    insecure = read.flag('INSECURE')
    host = _read_host('DXF_HOST', environ.get('DXF_HOST')) if host is None else _read_host('--to', host)
    settings = Settings(
        host=host,
        insecure=insecure,
        username=username,
        password=password,
        authorization=_read_authorization(*read.of('AUTHORIZATION')),
        token=_read_authorization(*read.of('TOKEN')),
        auth_host=_read_host(*read.of('AUTH_HOST'), check_host) if read.text('AUTH_HOST') else None,
        tlsverify=read.tlsverify(),
        cert=read.certificate(),
        proxies=_read_proxy_settings(environ, host, insecure),
        prefix=read.prefix,
    )
    return _with_transfer_settings(settings, read)._replace(state_folder=_state_folder(environ))


def _with_transfer_settings(settings: Settings, read: _Variables) -> Settings:
    """Return settings with what does not depend on the registry: how blobs are moved, shown and written."""
    return settings._replace(
        progress=_read_choice(*read.of('PROGRESS'), PROGRESS),
        blob_info=read.flag('BLOB_INFO'),
        chunk_size=_read_chunk_size(*read.of('CHUNK_SIZE')),
        platform=_read_platform(*read.of('PLATFORM')),
        timeout=_read_timeout(*read.of('TIMEOUT')),
        retries=_read_retries(*read.of('RETRIES'), Limits().retries),
        schema=_read_schema(*read.of('SCHEMA')),
        jobs=_read_jobs(*read.of('JOBS'), JOBS),
        debug=read.flag('DEBUG'),
    )


def uses_own(environ: Mapping[str, str], host: str) -> bool:
    """Return whether the registry to which is copied gets the credentials for ``DXF_HOST``."""
    has_own = any(environ.get(TARGET_PREFIX + name) for name in CREDENTIALS)
    return not has_own and _is_same(host, environ.get('DXF_HOST', ''))


def _is_same(host: str, other: str) -> bool:
    try:
        return check_registry(host) == check_registry(other)
    except DXFInvalidNameError:
        return False


def read_date(environ: Mapping[str, str]) -> int | None:
    """Return the time to use in place of now, in seconds since 1970: https://reproducible-builds.org/specs/.

    It is not among the settings: other programs read it too, and a malformed one matters to few commands.

    :raises SettingsError: it is malformed
    """
    value = environ.get('SOURCE_DATE_EPOCH')
    seconds = _whole(value) if value else None
    if value and (seconds is None or seconds > MAX_DATE):
        text = 'SOURCE_DATE_EPOCH is a number of seconds since 1970'
        raise SettingsError(text + about_value(text, environ))
    return seconds


def _read_flag(name: str, value: str | None) -> bool:
    """Return whether a variable is 1; 0 and empty mean no.

    :raises SettingsError: it is something else, which may mean yes or no
    """
    if value not in (None, '', '0', '1'):
        raise SettingsError(f'{name}: want 0 or 1')
    return value == '1'


def _read_host(name: str, value: str | None, check: Callable[[str], str] = check_registry) -> str:
    """Return a registry, or with another ``check`` a host."""
    if not value:
        raise SettingsError(f'{name} is not set: name the registry, such as {_EXAMPLES}')
    try:
        check(value)
        if is_folder(value):
            check_folder(value)
    except DXFInvalidNameError as error:
        prefix = TARGET_PREFIX if name == '--to' else PREFIX
        text = flawed_host(value) or str(error).replace('insecure=True', f'{prefix}INSECURE=1')
        raise SettingsError(f'{name}: {text}; examples: {_EXAMPLES}') from None
    return value


def _read_login(names: tuple[str, str], values: tuple[str | None, str | None], *,
                may_be_incomplete: bool) -> tuple[str | None, str | None]:
    """Return a user name and its password; ``None`` for both if one is missing.

    :param names: the variables of user name and password
    :param values: their values; CI systems set a variable to nothing if a secret is missing
    :param may_be_incomplete: another credential, or the user, can replace the missing one
    """
    for (this, other), (value, missing) in ((names, values), (names[::-1], values[::-1])):
        if value and not missing and not may_be_incomplete:
            raise SettingsError(f'{this} is set, but {other} is {"not" if missing is None else "empty"}')
        if not is_utf_8(value):
            raise SettingsError(f'{this} is not UTF-8: set it in a UTF-8 terminal or file')
    username, password = values
    return (username, password) if username and password else (None, None)


def _read_authorization(name: str, value: str | None) -> str | None:
    """Return the value of an ``Authorization`` header, or a token."""
    try:
        return check_authorization(value) if value else None
    except DXFInvalidNameError:
        raise SettingsError(f'{name} has characters that no header can carry') from None


def _read_ca_file(name: str, path: str, off: str | None) -> str:
    """Return the path of a file of CA certificates.

    :param off: the variable that turns verification off, for the message about a path that means no
    """
    if not os.access(path, os.R_OK):
        hint = f'; {off}=1 is to verify no certificates' if off is not None and path.lower() in NO else ''
        raise SettingsError(f'{name}: cannot read {path}{hint}')
    return path


def _read_certificate(names: tuple[str, str], certificate: str | None, key: str | None) -> Cert | None:
    """Return a client certificate.

    :param names: the variables of certificate and key
    """
    if not certificate:
        if key:
            raise SettingsError(f'{names[1]} is set, but {names[0]} is not')
        return None
    try:
        return check_certificate((certificate, key) if key else certificate)
    except DXFCertificateError as error:
        name = names[0] if error.path == certificate else names[1]
        hint = f'; {names[1]} names the file of the key' if error.reason == KEYLESS else ''
        raise SettingsError(f'{name}: {error}{hint}') from None


def _read_proxy_settings(environ: Mapping[str, str], host: str, insecure: bool) -> Proxies:
    """Return the proxies, after a check of the one by which the registry would be reached."""
    proxies = read_proxies(environ)
    if not (proxies.http or proxies.https) or is_folder(host):
        return proxies
    scheme = 'http' if insecure else 'https'
    address = proxies.of(f'{scheme}://{check_registry(host)}/')
    try:
        if address:
            check_proxy(address)
    except DXFInvalidNameError as error:
        own = f'{scheme.upper()}_PROXY'
        name = own if environ.get(own.lower(), environ.get(own)) else 'ALL_PROXY'
        raise SettingsError(f'{name}: {error}') from None
    return proxies


def _read_choice(name: str, value: str | None, choices: Mapping[str, str]) -> str | None:
    """Return what one of several words stands for."""
    if not value:
        return None
    if value not in choices:
        raise SettingsError(f'{name} is one of {", ".join(choices)}')
    return choices[value]


def _read_schema(name: str, value: str | None) -> str | None:
    """Return what kind of manifest is written."""
    return _read_choice(name, value, {schema: schema for schema in SCHEMAS})


def _read_platform(name: str, value: str | None) -> str | None:
    """Return a platform."""
    try:
        return check_platform(value) if value else None
    except DXFInvalidNameError as error:
        raise SettingsError(f'{name}: {error}, such as linux/amd64') from None


def _read_chunk_size(name: str, value: str | None) -> int | None:
    """Return a number of bytes."""
    size = _whole(value) if value else None
    if value and not size:
        raise SettingsError(f'{name} is a number of bytes, at least 1')
    return size


def _read_timeout(name: str, value: str | None) -> float | tuple[float, float]:
    """Return the seconds to wait."""
    if not value:
        return TIMEOUT
    try:
        seconds = float(value) if _NUMBER.fullmatch(value) else 0  # float() also takes blanks, 1_0 and other digits
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise SettingsError(f'{name} is a number of seconds, more than 0')
    return seconds


def _read_jobs(name: str, value: str | None, default: int) -> int:
    """Return the number of blobs to move at once."""
    jobs = _whole(value) if value else default
    if jobs is None or not 1 <= jobs <= MAX_JOBS:
        raise SettingsError(f'{name} is a number of blobs to move at once, 1 to {MAX_JOBS}')
    return jobs


def _read_retries(name: str, value: str | None, default: int) -> int:
    """Return the number of attempts after the first."""
    retries = _whole(value) if value else default
    if retries is None:
        raise SettingsError(f'{name} is a number of attempts, 0 or more')
    return retries


def _state_folder(environ: Mapping[str, str]) -> str:
    """Return the folder for the state of uploads.

    https://specifications.freedesktop.org/basedir-spec/latest/#variables
    """
    state = environ.get('XDG_STATE_HOME', '')
    if not os.path.isabs(state):
        state = os.path.join(environ.get('HOME') or os.path.expanduser('~'), '.local', 'state')
    return os.path.join(state, 'dxf', 'uploads')


def _whole(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
