"""dxf keeps arbitrary data in a Docker or OCI registry: blobs by their hash, and aliases that name sets of them.

::

    from dxf import DXF

    dxf = DXF('registry.example.com', 'fred/datalogger', auth)
    digest = dxf.push_blob('logger.dat')
    dxf.set_alias('may15-readings', digest)
"""

import importlib
from typing import TYPE_CHECKING

from dxf import exceptions, names, version
from dxf.client import DXF
from dxf.exceptions import DXFError, DXFHTTPError, DXFNotFoundError, DXFUnauthorizedError
from dxf.limits import Limits
from dxf.manifest import image
from dxf.names import hash_bytes, hash_file, split_digest
from dxf.options import Options
from dxf.registry import DXFBase
from dxf.transport.pagination import PaginatingResponse

if TYPE_CHECKING:
    from dxf import artifacts, copying, credentials
    from dxf.copying import Copying, copy
    from dxf.credentials import from_docker_config

__version__ = version.VERSION
_to_bytes_2and3 = names.to_bytes

# Programs that depend on dxf compare media types with these.
_schema1_mimetype = image.SCHEMA1_SIGNED
_schema2_mimetype = image.DOCKER_MANIFEST
_schema2_list_mimetype = image.DOCKER_LIST
_ociv1_manifest_mimetype = image.OCI_MANIFEST
_ociv1_index_mimetype = image.OCI_INDEX

__all__ = ['Copying', 'DXF', 'DXFBase', 'DXFError', 'DXFHTTPError', 'DXFNotFoundError', 'DXFUnauthorizedError',
           'Limits', 'Options', 'PaginatingResponse', 'artifacts', 'copy', 'copying', 'credentials', 'exceptions',
           'from_docker_config', 'hash_bytes', 'hash_file', 'split_digest']

_LATE = {'Copying': 'dxf.copying', 'artifacts': 'dxf.artifacts', 'copy': 'dxf.copying', 'copying': 'dxf.copying',
         'credentials': 'dxf.credentials', 'from_docker_config': 'dxf.credentials'}
"""What is imported when it is first used, so that ``import dxf`` stays quick, and the module that has it."""


def __getattr__(name: str) -> object:
    """Import what is public and not imported yet: https://peps.python.org/pep-0562/."""
    if name not in _LATE:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    module = importlib.import_module(_LATE[name])
    return module if module.__name__ == f'{__name__}.{name}' else getattr(module, name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*__all__, *(name for name in globals() if name.startswith('__'))])
