"""Commands that are about credentials: one function a subcommand.

Where credentials are kept is not known here.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

from dxf.cli import console, terminal
from dxf.cli.context import Job, UsageError
from dxf.exceptions import DXFCredentialsError, DXFError, DXFInvalidDocumentError
from dxf.names import check_registry, is_folder
from dxf.strict_json import is_utf_8, printable

ACTIONS = ('pull', 'push', 'delete', '*')
"""The actions on a repository: https://distribution.github.io/distribution/spec/auth/scope/#resource-actions."""


def auth(job: Job) -> None:
    """Print a token, where the registry gives any; over http none does."""
    settings = job.settings
    for action in job.operands:
        if action not in ACTIONS:  # some registries have more, such as metadata_read of Azure's
            console.complain(printable(f'{action!r} is an action that few registries know: '
                                       f'usual are {", ".join(ACTIONS[:-1])} and {ACTIONS[-1]}'))
    with job.registry() as repository:
        if settings.insecure or is_folder(settings.host):
            token = None
        elif settings.has_credential:
            token = repository.authenticate(settings.username, settings.password, job.operands,
                                            authorization=settings.authorization)
        else:
            token = job.stored_credentials(job.operands)(repository, None)
        if token is None:  # then the credentials are yet untried
            repository.api_version_check()
            if terminal.is_terminal(sys.stdout):  # where nobody looks, nothing is wrong
                console.complain('the registry gives no token: commands need no DXF_TOKEN there')
        else:
            job.tell('token', token)


def login(job: Job) -> None:
    """Check a user name and a password, and store them where docker login does."""
    username, password = _given_credential(job)
    checked = job._replace(settings=job.settings._replace(username=username, password=password, authorization=None,
                                                          token=None))
    job.used[job.prefix + job.settings.host] = lambda: 'nothing was stored'
    with checked.registry() as registry:
        token = registry.authenticate(username, password)
        if token is None and registry.token is None and not registry._headers:
            raise DXFError('the registry asks for no credential: nothing was stored')
        if token is None:
            registry.api_version_check()
    file = next(_credential_files(job), None)
    if file is None:
        raise DXFError('nothing was stored: HOME is not set')
    console.say(f'stored in {file.store(_server(job), username, password)}')


def logout(job: Job) -> None:
    """Forget the credential of a registry, wherever it is stored."""
    server = _server(job)
    found, failures = False, []
    for file in _credential_files(job):
        try:
            found |= file.erase(server)
        except DXFCredentialsError as error:  # the others are to forget it all the same
            failures.append(error)
        for key in file.special_keys(server):
            console.say(f'{file.path} keeps a credential for {key}')
    if failures:
        raise failures[0]
    if not found:
        console.say(f'no credential is stored for {server}')


def _server(job: Job) -> str:
    """Return the host that credentials are stored for."""
    if is_folder(job.settings.host):
        raise UsageError('a folder asks for no credential')
    return check_registry(job.settings.host)


def _credential_files(job: Job) -> Iterator[Any]:
    from dxf.credentials import config_file
    environ = {**os.environ, **job.environ}
    for path in config_file.files_of(environ):
        yield config_file.CredentialFile(path, environ)


def _given_credential(job: Job) -> tuple[str, str]:
    """Return user name and password: from the options, the settings, or the person at the terminal."""
    _server(job)
    username = job.options['username'] or job.environ.get('DXF_USERNAME')
    is_piped = job.options['password_stdin']
    if not username and (is_piped or not console.is_person()):
        raise UsageError('too few arguments: --username=USER is needed where nobody can be asked')
    username = username or console.ask('User name: ')
    if is_piped:
        password = _piped_password()
    elif job.settings.password is not None and username == job.settings.username:
        password = job.settings.password
    elif console.is_person():
        password = _typed_password()
    else:
        empty = '; DXF_PASSWORD is empty' if job.environ.get('DXF_PASSWORD') == '' else ''
        raise UsageError(f'too few arguments: --password-stdin is needed where nobody can be asked{empty}')
    if is_piped and not password:
        raise UsageError('no password was given, and standard input is empty')
    if not username or not password or ':' in username:
        raise UsageError('a user name, without a colon, and a password are needed')
    if not is_utf_8(username, password):
        raise UsageError('the user name or the password is not UTF-8')
    return username, password


def _piped_password() -> str:
    try:
        return console.read().removesuffix('\n').removesuffix('\r')
    except DXFInvalidDocumentError:
        raise UsageError('the password on standard input is not UTF-8') from None


def _typed_password() -> str:
    try:
        return console.ask_secretly('Password: ')
    except EOFError:
        return ''
    except UnicodeError:  # its text would show a character
        raise UsageError('the password is not UTF-8') from None
