"""Values of variables: each text is checked and returned as its type.

A variable that is empty counts as not set. ``reader`` knows which variable a setting comes from.
"""

import os
import re
from collections.abc import Callable, Mapping

from dxf.client_arguments import NO
from dxf.environment.variable_mistakes import check_folder, flawed_host
from dxf.environment.variables import PREFIX, TARGET_PREFIX
from dxf.exceptions import DXFCertificateError, DXFInvalidNameError
from dxf.limits import TIMEOUT
from dxf.names import TO_COMMAND, check_platform, check_registry, is_folder
from dxf.options import SCHEMAS
from dxf.rate_limit import LEAST
from dxf.strict_json import is_utf_8
from dxf.transport.client_certificates import KEYLESS, Cert, check_certificate
from dxf.transport.header_value import check_authorization

MAX_JOBS = 64

_NUMBER = r'(?a)[0-9.eE+-]+'

_UNITS = {'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}

_EXAMPLES = 'registry.example.com:5000, docker.io for Docker Hub, or oci:./folder'


Variable = tuple[str, str | None]
"""A variable: its name, and its text; ``None`` if it is not set."""


class SettingsError(Exception):
    """A variable that is missing or malformed; the text names it."""


def read_flag(name: str, value: str | None) -> bool:
    """Return whether a variable is 1; 0 and empty mean no.

    :raises SettingsError: it is something else, which may mean yes or no
    """
    if value not in (None, '', '0', '1'):
        raise SettingsError(f'{name}: want 0 or 1')
    return value == '1'


def read_host(name: str, value: str | None, check: Callable[[str], str] = check_registry) -> str:
    """Return a registry, or with another ``check`` a host."""
    if not value:
        by_option = '; or give --host=HOST' if name == 'DXF_HOST' else ''
        raise SettingsError(f'{name} is not set: name the registry, such as {_EXAMPLES}{by_option}')
    try:
        check(value)
        if is_folder(value):
            check_folder(value)
    except DXFInvalidNameError as error:
        prefix = TARGET_PREFIX if name == '--to' else PREFIX
        text = flawed_host(value) or str(error).replace('insecure=True', f'{prefix}INSECURE=1')
        text = _with_repository_of_target(text, value) if name == '--to' else text
        raise SettingsError(f'{name}: {text}; examples: {_EXAMPLES}') from None
    return value


def _with_repository_of_target(text: str, value: str) -> str:
    """Return a message about a registry to copy to, with the option for a repository that stands there."""
    first, _, rest = value.partition('/')
    if '://' in value or not rest.strip('/'):
        return text
    if first == 'localhost' or '.' in first or ':' in first:
        return text.replace(TO_COMMAND, f'--to-repo={rest} names the repository there')
    return text.replace(f'leave out the path; {TO_COMMAND}',
                        f'--to=HOST names the registry, --to-repo={value} the repository there')


def read_login(user: Variable, secret: Variable, *, may_be_incomplete: bool) -> tuple[str | None, str | None]:
    """Return a user name and its password; ``None`` for both if one is missing.

    CI systems set a variable to nothing if a secret is missing.

    :param may_be_incomplete: another credential, or the user, can replace the missing one
    """
    for (this, value), (other, missing) in ((user, secret), (secret, user)):
        if value and not missing and not may_be_incomplete:
            raise SettingsError(f'{this} is set, but {other} is {"not" if missing is None else "empty"}')
        if not is_utf_8(value):
            raise SettingsError(f'{this} is not UTF-8: set it in a UTF-8 terminal or file')
    username, password = user[1], secret[1]
    return (username, password) if username and password else (None, None)


def read_authorization(name: str, value: str | None) -> str | None:
    """Return the value of an ``Authorization`` header, or a token."""
    try:
        return check_authorization(value) if value else None
    except DXFInvalidNameError:
        raise SettingsError(f'{name} has characters that no header can carry') from None


def read_tlsverify(off: Variable, *files: Variable) -> bool | str:
    """Return whether certificates are verified, or the file of CA certificates to verify with.

    :param off: what turns verification off; its name is in the message about a path that means no
    :param files: the variables that name a file; the first one that is set counts
    """
    if read_flag(*off):
        return False
    for name, path in files:
        if path and not os.access(path, os.R_OK):
            hint = f'; {off[0]}=1 is to verify no certificates' if off[0] and path.lower() in NO else ''
            raise SettingsError(f'{name}: cannot read {path}{hint}')
        if path:
            return path
    return True


def read_certificate(file: Variable, key: Variable) -> Cert | None:
    """Return a client certificate."""
    if not file[1]:
        if key[1]:
            raise SettingsError(f'{key[0]} is set, but {file[0]} is not')
        return None
    try:
        return check_certificate((file[1], key[1]) if key[1] else file[1])
    except DXFCertificateError as error:
        name = file[0] if error.path == file[1] else key[0]
        hint = f'; {key[0]} names the file of the key' if error.reason == KEYLESS else ''
        raise SettingsError(f'{name}: {error}{hint}') from None


def read_choice(name: str, value: str | None, choices: Mapping[str, str]) -> str | None:
    """Return what one of several words stands for."""
    if not value:
        return None
    if value not in choices:
        raise SettingsError(f'{name} is one of {", ".join(choices)}')
    return choices[value]


def read_schema(name: str, value: str | None) -> str | None:
    """Return what kind of manifest is written."""
    return read_choice(name, value, {schema: schema for schema in SCHEMAS})


def read_platform(name: str, value: str | None) -> str | None:
    """Return a platform."""
    try:
        return check_platform(value) if value else None
    except DXFInvalidNameError as error:
        raise SettingsError(f'{name}: {error}, such as linux/amd64') from None


def read_chunk_size(name: str, value: str | None) -> int | None:
    """Return a number of bytes."""
    size = whole(value) if value else None
    if value and not size:
        raise SettingsError(f'{name} is a number of bytes, at least 1')
    return size


def read_timeout(name: str, value: str | None) -> float | tuple[float, float]:
    """Return the seconds to wait."""
    if not value:
        return TIMEOUT
    try:
        seconds = float(value) if re.fullmatch(_NUMBER, value) else 0  # float() also takes blanks, 1_0 and other digits
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e6:
        raise SettingsError(f'{name} is a number of seconds, more than 0')
    return seconds


def read_jobs(name: str, value: str | None, default: int) -> int:
    """Return the number of blobs to move at once."""
    jobs = whole(value) if value else default
    if jobs is None or not 1 <= jobs <= MAX_JOBS:
        raise SettingsError(f'{name} is a number of blobs to move at once, 1 to {MAX_JOBS}')
    return jobs


def read_retries(name: str, value: str | None, default: int) -> int:
    """Return the number of attempts after the first."""
    retries = whole(value) if value else default
    if retries is None:
        raise SettingsError(f'{name} is a number of attempts, 0 or more')
    return retries


def read_rate(name: str, value: str) -> int:
    """Return the bytes a second that a text names: a number, which K, M or G multiplies by 1024 once or more."""
    number = value[:-1] if value[-1:].upper() in _UNITS else value
    rate = (whole(number) or 0) * _UNITS.get(value[len(number):].upper(), 1)
    if rate < LEAST:
        raise SettingsError(f'{name} is a number of bytes a second, at least {LEAST}, such as 500K, 10M or 1G')
    return rate


def whole(value: str) -> int | None:
    """Return the whole number that a text writes in decimal digits; ``None`` for another text."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
