"""Registries: which one a text names, and which variables are for it."""

from collections.abc import Mapping

from dxf.environment.reader import CREDENTIALS, is_same_registry
from dxf.environment.settings import HOST
from dxf.environment.variables import PREFIX
from dxf.exceptions import DXFInvalidNameError
from dxf.names import check_host

OF_ONE_REGISTRY = (*CREDENTIALS, 'CERT', 'KEY', 'AUTH_HOST', 'SKIPTLSVERIFY')
"""The variables, without prefix, by which another registry than that of ``DXF_HOST`` could get a secret."""


def variables_for(environ: Mapping[str, str], host: str) -> dict[str, str]:
    """Return an environment with the registry in ``DXF_HOST``, and without credentials for another one."""
    default = environ.get(HOST, '')
    is_other = default != '' and not is_same_registry(host, default)
    return {**(without_credentials(environ) if is_other else environ), HOST: host}


def without_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what is for one registry."""
    return {name: value for name, value in environ.items()
            if name not in [PREFIX + setting for setting in OF_ONE_REGISTRY]}


def split(operand: str, *, is_host_known: bool) -> tuple[str, str]:
    """Split a repository into its registry, which may be empty, and its name.

    The first part is a registry if docker takes it for one: it has a dot or a colon, or is ``localhost``.
    https://github.com/distribution/reference/blob/v0.6.0/normalize.go

    :param is_host_known: the registry is known: the first part is another one only if it has a port
    """
    first, slash, rest = operand.partition('/')
    is_host = ':' in first or not is_host_known and ('.' in first or first == 'localhost')
    if not slash or not rest or not is_host:
        return '', operand
    try:
        check_host(first)
    except DXFInvalidNameError:
        return '', operand
    return first, rest
