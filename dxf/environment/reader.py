"""The reader of the environment: variables become typed settings, once for a command or a client.

A variable that is empty counts as not set. ``variable_values`` checks what each one says.
"""

import os
from collections.abc import Mapping

from dxf.environment import variable_values as values
from dxf.environment.settings import Settings
from dxf.environment.variable_mistakes import about_value
from dxf.environment.variable_values import SettingsError
from dxf.environment.variables import PREFIX, PROGRESS, TARGET_PREFIX
from dxf.exceptions import DXFInvalidNameError
from dxf.limits import Limits
from dxf.names import check_host, check_registry, is_folder
from dxf.options import JOBS
from dxf.transport.proxies import Proxies, check_proxy, read_proxies

CREDENTIALS = ('USERNAME', 'PASSWORD', 'AUTHORIZATION', 'TOKEN')
TARGET_SETTINGS = (*CREDENTIALS, 'INSECURE', 'TLSVERIFY', 'CERT', 'KEY')
"""The variables that the registry to which is copied has for itself, without their prefix."""

SOURCE_SETTINGS = ('AUTH_HOST', 'SKIPTLSVERIFY')
"""The variables that are only for the registry of ``DXF_HOST``, without their prefix."""

MAX_DATE = 253402300799
"""The end of the year 9999, the last that RFC 3339 can write."""

READ = (*TARGET_SETTINGS, *SOURCE_SETTINGS, 'PROGRESS', 'BLOB_INFO', 'CHUNK_SIZE', 'PLATFORM', 'TIMEOUT', 'RETRIES',
        'SCHEMA', 'JOBS', 'DEBUG')
"""The variables that :func:`read_settings` reads, without their prefix."""

CA_BUNDLE = 'REQUESTS_CA_BUNDLE'

_PAIR = ('CERT', 'KEY')
"""Settings that belong together: if one is set for the target, the other is not taken from the source."""


class _Variables:
    """The variables of one registry.

    :param prefix: how the names begin of those that the registry has for itself
    :param is_same: the registry to which is copied is that of ``DXF_HOST``: what it lacks is taken from there
    """

    def __init__(self, environ: Mapping[str, str], prefix: str, is_same: bool) -> None:
        self._environ = environ
        self._prefix = prefix
        self._is_same = is_same
        self.prefix = PREFIX if is_same else prefix
        """How the names begin of the variables that the credential comes from."""

    def _name(self, setting: str) -> str:
        """Return the name of the variable of a setting."""
        own = PREFIX + setting
        together = _PAIR if setting in _PAIR else (setting,)
        has_own = any(self._environ.get(self._prefix + one) for one in together)
        if setting not in TARGET_SETTINGS or self._is_same and not has_own:
            return own
        return self._prefix + setting

    def of(self, setting: str) -> values.Variable:
        """Return the name of the variable of a setting, and its text; no name if the registry has no such variable."""
        if setting in SOURCE_SETTINGS and self._prefix != PREFIX and not self._is_same:
            return '', None
        name = self._name(setting)
        return name, self._environ.get(name)


def read_settings(environ: Mapping[str, str], prefix: str = PREFIX, host: str | None = None, *,
                  needs_no_password: bool = False) -> Settings:
    """Read the settings from an environment; a variable that is empty counts as not set.

    :param prefix: ``DXF_TO_`` for the registry to which is copied. Of the credentials for ``DXF_HOST`` it gets
        nothing, unless it is the same registry and has none of its own.
    :param host: the registry to which is copied
    :param needs_no_password: the command works with a user name alone
    :raises SettingsError: ``host``, or a variable, is missing or malformed
    """
    if (host is None) != (prefix == PREFIX):  # or another registry would get the credentials for DXF_HOST
        raise ValueError(f'a host is given with the prefix {TARGET_PREFIX}, and never without')
    is_same = host is not None and uses_own(environ, host)
    try:
        return _read(_Variables(environ, prefix, is_same), environ, host, needs_no_password)
    except SettingsError as error:
        raise SettingsError(f'{error}{about_value(str(error), environ)}') from None


def _read(read: _Variables, environ: Mapping[str, str], host: str | None, needs_no_password: bool) -> Settings:
    of = {setting: read.of(setting) for setting in READ}
    has_other = bool(of['TOKEN'][1] or of['AUTHORIZATION'][1])
    username, password = values.read_login(of['USERNAME'], of['PASSWORD'], may_be_incomplete=needs_no_password or
                                           has_other)
    insecure = values.read_flag(*of['INSECURE'])
    host = values.read_host('DXF_HOST', environ.get('DXF_HOST')) if host is None else values.read_host('--to', host)
    return Settings(
        host=host,
        insecure=insecure,
        username=username,
        password=password,
        authorization=values.read_authorization(*of['AUTHORIZATION']),
        token=values.read_authorization(*of['TOKEN']),
        auth_host=values.read_host(*of['AUTH_HOST'], check_host) if of['AUTH_HOST'][1] else None,
        tlsverify=values.read_tlsverify(of['SKIPTLSVERIFY'], of['TLSVERIFY'], (CA_BUNDLE, environ.get(CA_BUNDLE))),
        cert=values.read_certificate(of['CERT'], of['KEY']),
        progress=values.read_choice(*of['PROGRESS'], PROGRESS),
        blob_info=values.read_flag(*of['BLOB_INFO']),
        chunk_size=values.read_chunk_size(*of['CHUNK_SIZE']),
        platform=values.read_platform(*of['PLATFORM']),
        timeout=values.read_timeout(*of['TIMEOUT']),
        retries=values.read_retries(*of['RETRIES'], Limits().retries),
        schema=values.read_schema(*of['SCHEMA']),
        jobs=values.read_jobs(*of['JOBS'], JOBS),
        debug=values.read_flag(*of['DEBUG']),
        proxies=_read_proxy_settings(environ, host, insecure),
        state_folder=_state_folder(environ),
        prefix=read.prefix,
    )


def uses_own(environ: Mapping[str, str], host: str) -> bool:
    """Return whether the registry to which is copied gets the credentials for ``DXF_HOST``."""
    has_own = any(environ.get(TARGET_PREFIX + name) for name in CREDENTIALS)
    return not has_own and is_same_registry(host, environ.get('DXF_HOST', ''))


def is_same_registry(host: str, other: str) -> bool:
    """Return whether two names are those of one registry; false if one of them is invalid."""
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
    seconds = values.whole(value) if value else None
    if value and (seconds is None or seconds > MAX_DATE):
        text = 'SOURCE_DATE_EPOCH is a number of seconds since 1970'
        raise SettingsError(text + about_value(text, environ))
    return seconds


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


def _state_folder(environ: Mapping[str, str]) -> str:
    """Return the folder for the state of uploads.

    https://specifications.freedesktop.org/basedir-spec/latest/#variables
    """
    state = environ.get('XDG_STATE_HOME', '')
    if not os.path.isabs(state):
        state = os.path.join(environ.get('HOME') or os.path.expanduser('~'), '.local', 'state')
    return os.path.join(state, 'dxf', 'uploads')
