"""dxf keeps arbitrary data in a Docker or OCI registry: blobs by their hash, and aliases that name sets of them.

::

    from dxf import DXF

    dxf = DXF('registry.example.com', 'fred/datalogger', auth)
    digest = dxf.push_blob('logger.dat')
    dxf.set_alias('may15-readings', digest)
"""

from dxf import exceptions, names, version
from dxf.client import DXF
from dxf.copying import Copying, copy
from dxf.limits import Limits
from dxf.manifest import image
from dxf.names import hash_bytes, hash_file, split_digest
from dxf.registry import DXFBase
from dxf.transport.pagination import PaginatingResponse

__version__ = version.VERSION
_to_bytes_2and3 = names.to_bytes

# Programs that depend on dxf compare media types with these.
_schema1_mimetype = image.SCHEMA1_SIGNED
_schema2_mimetype = image.DOCKER_MANIFEST
_schema2_list_mimetype = image.DOCKER_LIST
_ociv1_manifest_mimetype = image.OCI_MANIFEST
_ociv1_index_mimetype = image.OCI_INDEX

__all__ = ['Copying', 'DXF', 'DXFBase', 'Limits', 'PaginatingResponse', 'copy', 'exceptions', 'hash_bytes', 'hash_file',
           'split_digest']
