"""dxf keeps arbitrary data in a Docker or OCI registry: blobs by their hash, and aliases that name sets of them.

::

    from dxf import DXF

    dxf = DXF('registry.example.com', 'fred/datalogger', auth)
    digest = dxf.push_blob('logger.dat')
    dxf.set_alias('may15-readings', digest)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dxf.version import VERSION

if TYPE_CHECKING:
    from dxf import artifacts, copying, credentials, exceptions, mirroring, names, retention, snapshots
    from dxf.client import DXF
    from dxf.copying import Copying, copy
    from dxf.credentials import from_docker_config
    from dxf.exceptions import DXFError, DXFHTTPError, DXFNotFoundError, DXFUnauthorizedError
    from dxf.limits import Limits
    from dxf.local.file_hash import hash_file
    from dxf.manifest import image
    from dxf.mirroring import Mirroring, mirror
    from dxf.names import hash_bytes, split_digest
    from dxf.options import Options
    from dxf.rate_limit import RateLimit
    from dxf.registry import DXFBase
    from dxf.transport.pagination import PaginatingResponse

    _to_bytes_2and3 = names.to_bytes
    _schema1_mimetype, _schema2_mimetype = image.SCHEMA1_SIGNED, image.DOCKER_MANIFEST
    _schema2_list_mimetype = image.DOCKER_LIST
    _ociv1_manifest_mimetype, _ociv1_index_mimetype = image.OCI_MANIFEST, image.OCI_INDEX

__version__ = VERSION

__all__ = ['Copying', 'DXF', 'DXFBase', 'DXFError', 'DXFHTTPError', 'DXFNotFoundError', 'DXFUnauthorizedError',
           'Limits', 'Mirroring', 'Options', 'PaginatingResponse', 'RateLimit', 'artifacts', 'copy', 'copying',
           'credentials', 'exceptions', 'from_docker_config', 'hash_bytes', 'hash_file', 'mirror', 'retention',
           'snapshots', 'split_digest']

_SOURCES = {
    'Copying': 'copying.Copying', 'DXF': 'client.DXF', 'DXFBase': 'registry.DXFBase', 'Limits': 'limits.Limits',
    'Mirroring': 'mirroring.Mirroring', 'RateLimit': 'rate_limit.RateLimit', 'mirror': 'mirroring.mirror',
    'Options': 'options.Options', 'from_docker_config': 'credentials.from_docker_config',
    **{name: f'exceptions.{name}' for name in ('DXFError', 'DXFHTTPError', 'DXFNotFoundError',
                                               'DXFUnauthorizedError')},
    'PaginatingResponse': 'transport.pagination.PaginatingResponse', 'copy': 'copying.copy',
    'hash_bytes': 'names.hash_bytes', 'hash_file': 'local.file_hash.hash_file', 'split_digest': 'names.split_digest',
    '_to_bytes_2and3': 'names.to_bytes',
    # Programs that depend on dxf compare media types with these.
    '_schema1_mimetype': 'manifest.image.SCHEMA1_SIGNED', '_schema2_mimetype': 'manifest.image.DOCKER_MANIFEST',
    '_schema2_list_mimetype': 'manifest.image.DOCKER_LIST', '_ociv1_manifest_mimetype': 'manifest.image.OCI_MANIFEST',
    '_ociv1_index_mimetype': 'manifest.image.OCI_INDEX',
}
"""Where each name comes from. It is loaded when it is first used: https://peps.python.org/pep-0562/.

So ``dxf --help`` does not load requests, which takes longer than all the rest.
"""

if not TYPE_CHECKING:
    def __getattr__(name: str) -> Any:
        """Return a name of :data:`_SOURCES`, or a module of dxf."""
        module, _, attribute = _SOURCES.get(name, '').rpartition('.')
        if module:
            return globals().setdefault(name, getattr(import_module(f'dxf.{module}'), attribute))
        if not name.startswith('_'):
            try:
                return import_module(f'dxf.{name}')
            except ModuleNotFoundError as error:
                if error.name != f'dxf.{name}':
                    raise
            written = import_module('dxf.parameters').about_name(name, import_module('dxf.client').DXF)
            raise AttributeError(f'module {__name__!r} has no attribute {name!r}{written}')
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def __dir__() -> list[str]:
        return sorted({*__all__, *_SOURCES, *(name for name in globals() if name.startswith('__'))})
