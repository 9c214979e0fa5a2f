"""Commands about credentials: one function a command.

``credentials.config_file`` knows where credentials are stored.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

from dxf.cli import console, terminal
from dxf.cli.context import Context, UsageError
from dxf.environment.clients import OVER_TLS
from dxf.exceptions import DXFAuthInsecureError, DXFCredentialsError, DXFError, DXFInvalidDocumentError
from dxf.names import check_registry, is_folder
from dxf.strict_json import is_utf_8, printable
from dxf.transport.redaction import causes, lacks_tls

ACTIONS = ('pull', 'push', 'delete', '*')
"""The actions on a repository: https://distribution.github.io/distribution/spec/auth/scope/#resource-actions."""


def auth(context: Context) -> None:
    """Print a token, if the registry issues tokens; over http none is asked for."""
    settings = context.settings
    for action in context.operands:
        if action not in ACTIONS:  # some registries have more, such as metadata_read of Azure's
            console.print_error(printable(f'{action!r} is an action that few registries know: '
                                          f'usual are {", ".join(ACTIONS[:-1])} and {ACTIONS[-1]}'))
    with context.registry() as repository:
        if settings.insecure or is_folder(settings.host):
            token = None
        elif settings.has_credential:
            token = repository.authenticate(settings.username, settings.password, context.operands,
                                            authorization=settings.authorization)
        else:
            token = context.stored_credentials(context.operands)(repository, None)
        if token is None:  # the credentials have not been tried yet
            repository.api_version_check()
            if terminal.is_terminal(sys.stdout):  # a script gets the empty output, and status 0
                console.print_error('the registry gives no token: commands need no DXF_TOKEN there')
        else:
            context.print_result('token', token)


def login(context: Context) -> None:
    """Check a user name and a password, and store them where docker login does."""
    if context.settings.insecure:
        raise UsageError(f'DXF_INSECURE is 1, and {OVER_TLS}; what needs no login works without one')
    username, password = _read_credential(context)
    settings = context.settings._replace(username=username, password=password, authorization=None, token=None)
    context.used[context.credential_key] = lambda: 'nothing was stored'
    with context._replace(settings=settings).registry() as registry:
        token = _authenticate(registry, username, password)
        if token is None and not registry._headers:
            raise DXFError('the registry asks for no credential: nothing was stored')
        # A token server may take a wrong password for no password, and give a token that the registry refuses.
        registry.api_version_check()
    file = next(_credential_files(context), None)
    if file is None:
        raise DXFError('nothing was stored: HOME is not set')
    console.print_items(f'stored in {file.store(_server(context), username, password)}')


def _authenticate(registry: Any, username: str, password: str) -> str | None:
    """Return the token for a user, or ``None`` where the registry takes the password itself.

    :raises DXFAuthInsecureError: the registry does not speak TLS
    """
    try:
        token: str | None = registry.authenticate(username, password)
        return token
    except OSError as error:  # the errors of requests are OSErrors
        if any(map(lacks_tls, causes(error))):
            raise DXFAuthInsecureError(f'{registry.host} does not speak TLS, and {OVER_TLS}; what needs no login works '
                                       'with DXF_INSECURE=1') from error
        raise


def logout(context: Context) -> None:
    """Delete the stored credentials of a registry from all files."""
    server = _server(context)
    found, failures = False, []
    for file in _credential_files(context):
        try:
            found |= file.erase(server)
        except DXFCredentialsError as error:  # the other files are changed in any case
            failures.append(error)
        for key in file.special_keys(server):
            console.print_items(f'{file.path} keeps a credential for {key}')
    if failures:
        raise failures[0]
    if not found:
        console.print_items(f'no credential is stored for {server}')


def _server(context: Context) -> str:
    """Return the host that credentials are stored for."""
    if is_folder(context.settings.host):
        raise UsageError('a folder asks for no credential')
    return check_registry(context.settings.host)


def _credential_files(context: Context) -> Iterator[Any]:
    from dxf.credentials import config_file
    environ = {**os.environ, **context.environ}
    for path in config_file.files_of(environ):
        yield config_file.CredentialFile(path, environ)


def _read_credential(context: Context) -> tuple[str, str]:
    """Return user name and password: from the options, the settings, or a prompt."""
    _server(context)
    username = context.options['username'] or context.environ.get('DXF_USERNAME')
    is_piped = context.options['password_stdin']
    if not username and (is_piped or not console.can_prompt()):
        raise UsageError('too few arguments: --username=USER is needed without a terminal')
    username = username or console.prompt('User name: ')
    password = _piped_password() if is_piped else _read_password(context, username)
    if is_piped and not password:
        raise UsageError('no password was given, and standard input is empty')
    if not username or not password or ':' in username:
        raise UsageError('a user name, without a colon, and a password are needed')
    if not is_utf_8(username, password):
        raise UsageError('the user name or the password is not UTF-8')
    return username, password


def _read_password(context: Context, username: str) -> str:
    """Return the password of a user: from the settings, or a prompt."""
    if context.settings.password is not None and username == context.settings.username:
        return context.settings.password
    if console.can_prompt():
        return _typed_password()
    empty = '; DXF_PASSWORD is empty' if context.environ.get('DXF_PASSWORD') == '' else ''
    raise UsageError(f'too few arguments: --password-stdin is needed without a terminal{empty}')


def _piped_password() -> str:
    try:
        return console.read().removesuffix('\n').removesuffix('\r')
    except DXFInvalidDocumentError:
        raise UsageError('the password on standard input is not UTF-8') from None


def _typed_password() -> str:
    try:
        return console.prompt_for_secret('Password: ')
    except EOFError:
        return ''
    except UnicodeError:  # its text would show a character
        raise UsageError('the password is not UTF-8') from None
