"""The files that an image manifest names: titles, as oras writes them, and the paths of ModelPack.

``dxf.artifacts.manifest`` writes such manifests.
https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#pre-defined-annotation-keys
https://github.com/modelpack/model-spec/blob/main/docs/annotations.md
"""

import re
from typing import NamedTuple

from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError, DXFUnsupportedSchemaType
from dxf.manifest import image
from dxf.manifest.image import Descriptor, ImageManifest
from dxf.names import check_digest
from dxf.strict_json import Json, load_object

TITLE = 'org.opencontainers.image.title'
UNPACK = 'io.deis.oras.content.unpack'
CONTENT = 'io.deis.oras.content.digest'

FILE_PATHS = ('org.cncf.model.filepath', 'org.cnai.model.filepath')
"""The names of files in ModelPack; the second one before it joined the CNCF."""

TAR, TAR_GZIP = 'tar', 'tar+gzip'
_PACKING = r'(?a)\.(tar(?:\+[a-z0-9]+)?)'

ROOT = '.'
"""The name that ``oras push ... .`` gives to a folder: its files belong directly into the folder of the pull."""


class Layer(NamedTuple):
    """A file, or a folder, in an artifact.

    ``title`` is its name, ``None`` for something that is neither. Of a folder ``blob`` is a compressed tar, and
    ``content`` the digest of the tar before compression, if that is known. ``packing`` is how the blob is packed
    (``tar``, ``tar+gzip`` or another suffix of a media type), empty for a file as it is: ModelPack packs files too.
    """

    blob: Descriptor
    title: str | None
    is_folder: bool = False
    content: str | None = None
    packing: str = ''

    @property
    def is_root(self) -> bool:
        """Whether its files belong directly into the folder of the pull."""
        return bool(self.packing) and self.title == ROOT


def read(text: str) -> list[Layer]:
    """Read the manifest of an artifact that any tool made; names in it are not checked.

    What its configuration is, and whether it says its type, does not matter.

    :raises DXFInvalidDocumentError: it breaks its grammar
    :raises DXFUnsupportedSchemaType: it is a manifest that cannot have names of files
    """
    manifest = image.read(text)
    if not isinstance(manifest, ImageManifest):
        raise DXFUnsupportedSchemaType(image.media_type_of(text))
    documents = load_object(text)['layers']
    return [_layer(blob, document.get('annotations')) for blob, document in
            zip(manifest.layers, documents, strict=True)]


def name_of(annotations: dict[str, Json]) -> Json:
    """Return the name in the annotations of a layer, unchecked; ``None`` if they have no name.

    A path of ModelPack wins over a title: some tools write both, and a title alone would say that a tar is a file.
    """
    keys = (TITLE,) if annotations.get(UNPACK) == 'true' else (*FILE_PATHS, TITLE)
    return next((annotations[key] for key in keys if key in annotations), None)


def _layer(blob: Descriptor, annotations: Json) -> Layer:
    if annotations is None:
        return Layer(blob, None)
    if not isinstance(annotations, dict) or not all(isinstance(value, str) for value in annotations.values()):
        raise DXFInvalidDocumentError('invalid manifest: annotations that are no strings')
    name = name_of(annotations)
    if annotations.get(UNPACK) == 'true':
        return Layer(blob, name, True, _content(annotations.get(CONTENT)), TAR_GZIP)
    is_model = any(key in annotations for key in FILE_PATHS)
    return Layer(blob, name, packing=_packing(blob.media_type) if is_model else '')


def _content(digest: str | None) -> str | None:
    try:
        return None if digest is None else check_digest(digest)
    except DXFInvalidNameError as error:
        raise DXFInvalidDocumentError(str(error)) from None


def _packing(media_type: str) -> str:
    """Return how a blob of ModelPack is packed, by the end of its media type; ``.raw`` and others are files."""
    kind = image.base_type(media_type)
    found = re.search(_PACKING, kind)
    return found[1] if found is not None and found.end() == len(kind) else ''
