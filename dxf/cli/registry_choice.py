"""The choice of a registry: by ``--host``, by the repository, or by ``DXF_HOST``; and which variables are for it."""

from collections.abc import Mapping
from typing import NamedTuple

from dxf.cli.context import UsageError
from dxf.environment.reader import TARGET_SETTINGS, is_same_registry, uses_own
from dxf.environment.registries import split, variables_for
from dxf.environment.settings import BY_REPOSITORY, HOST, Settings
from dxf.environment.variable_values import read_host
from dxf.environment.variables import PREFIX, TARGET_PREFIX
from dxf.exceptions import DXFInvalidNameError
from dxf.names import check_repository

OPTION = '--host'


class Choice(NamedTuple):
    """The registry of a command.

    :param environ: the environment with the registry in ``DXF_HOST``, and without credentials for another one
    :param repository: the repository without the registry
    :param named_by: what names the registry
    :param set_aside: the registry of ``DXF_HOST``, if that is another: its credentials are not used
    """

    environ: Mapping[str, str]
    repository: str | None
    named_by: str
    set_aside: str


def choose(environ: Mapping[str, str], option: str | None, operand: str | None, target: str | None = None) -> Choice:
    """Return the registry of a command.

    :param option: the value of ``--host``
    :param target: the registry to copy to; that of ``DXF_HOST`` keeps its variables, as those with ``TO_``
    :param operand: the repository as it was typed, which may begin with the registry
    :raises UsageError: two registries are named, or the repository is invalid where none is
    :raises SettingsError: the value of ``--host`` is no registry
    """
    default = environ.get(HOST, '')
    host, repository = split(operand or '', is_host_known=bool(option or default))
    if option is not None:
        read_host(OPTION, option)
        if host and not is_same_registry(host, option):
            raise UsageError(f'two registries are named, {host} and {OPTION}={option}: leave out one of them')
        host = option
    if not host:
        if not default and operand is not None:
            _check_without_registry(operand)
        return Choice(environ, operand, HOST, '')
    is_other = default != '' and not is_same_registry(host, default)
    kept = variables_for(environ, host)
    if is_other and target is not None and uses_own(environ, target):
        kept |= {TARGET_PREFIX + setting: environ[PREFIX + setting] for setting in TARGET_SETTINGS
                 if environ.get(PREFIX + setting) and not environ.get(TARGET_PREFIX + setting)}
    return Choice(kept, None if operand is None else repository,
                  BY_REPOSITORY if option is None else OPTION, default if is_other else '')


def within(settings: Settings, operand: str) -> str:
    """Return a second repository of a command without its registry, if that is the same as the first one's."""
    host, repository = split(operand, is_host_known=settings.named_by != BY_REPOSITORY)
    return repository if host and is_same_registry(host, settings.host) else operand


def _check_without_registry(operand: str) -> None:
    try:
        check_repository(operand)
    except DXFInvalidNameError as error:
        raise UsageError(str(error)) from None
