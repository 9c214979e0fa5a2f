"""The manifest of an artifact: files by their names, as oras writes and reads them; made and read.

https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
Those of ModelPack are read too: https://github.com/modelpack/model-spec/blob/main/docs/annotations.md

Where the files are is not known here.
"""

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError, DXFUnsupportedSchemaType
from dxf.manifest import image
from dxf.manifest.creation_time import CREATED
from dxf.manifest.image import (EMPTY_CONTENT, EMPTY_TYPE, OCI_MANIFEST, OCTET_STREAM, Descriptor, ImageManifest,
                                Index)
from dxf.names import check_digest, hash_bytes
from dxf.strict_json import Json, dump_json, encoded, load_object, printable

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.manifest.platforms import Manifest

EMPTY = Descriptor(hash_bytes(EMPTY_CONTENT), len(EMPTY_CONTENT), EMPTY_TYPE)
"""Stands where there is nothing to say, such as for the configuration."""

UNKNOWN_TYPE = 'application/vnd.unknown.artifact.v1'
"""The type of an artifact whose maker gives none, as in oras."""

FILE_TYPE = OCTET_STREAM
FOLDER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'

TITLE = 'org.opencontainers.image.title'
UNPACK = 'io.deis.oras.content.unpack'
CONTENT = 'io.deis.oras.content.digest'

FILE_PATHS = ('org.cncf.model.filepath', 'org.cnai.model.filepath')
"""The names of files in ModelPack; the second one before it joined the CNCF."""

TAR, TAR_GZIP = 'tar', 'tar+gzip'
_PACKING = re.compile(r'\.(tar(?:\+[a-z0-9]+)?)', re.ASCII)

ROOT = '.'
"""The name that ``oras push ... .`` gives to a folder: its files belong directly into the folder of the pull."""

_MEDIA_TYPE_PART = r'[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}'
_MEDIA_TYPE = re.compile(f'{_MEDIA_TYPE_PART}/{_MEDIA_TYPE_PART}', re.ASCII)


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


def check_media_type(text: str) -> str:
    """Return ``text`` if it is a media type: https://www.rfc-editor.org/rfc/rfc6838#section-4.2.

    :raises DXFInvalidNameError: it is not
    """
    if _MEDIA_TYPE.fullmatch(text) is None:
        raise DXFInvalidNameError(f'invalid media type {text[:255]!r}: want type/subtype')
    return text


def make(artifact_type: str, layers: list[Layer], annotations: Mapping[str, str], created: int | None = None,
         subject: Descriptor | None = None, limit: int | None = None) -> str:
    """Write the manifest of an artifact.

    :param artifact_type: media type of the whole
    :param created: seconds since 1970, for an annotation that says when; ``None`` for now
    :param subject: what it refers to
    :param limit: the most bytes that are read of a manifest
    :return: JSON with sorted keys
    :raises DXFInvalidDocumentError: it would be too large to be read back, or an annotation is no text
    """
    for key, value in annotations.items():
        _check_annotation(key, value)
    moment = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(created))
    document = {
        'schemaVersion': 2,
        'mediaType': OCI_MANIFEST,
        'artifactType': check_media_type(artifact_type),
        'config': _descriptor(EMPTY),
        'layers': [_descriptor(layer.blob, _annotations(layer)) for layer in layers] or [_descriptor(EMPTY)],
        'annotations': {CREATED: moment, **annotations},
    }
    if subject is not None:
        document['subject'] = _descriptor(subject)
    text = dump_json(document)
    if limit is not None:
        image.check_size(len(text), limit, len(layers))
    return text


def _check_annotation(key: object, value: object) -> None:
    """Require text: https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md#rules.

    :raises DXFInvalidDocumentError: something else, or a surrogate alone, which readers of JSON change or refuse
    """
    if not isinstance(key, str) or not isinstance(value, str):
        raise DXFInvalidDocumentError(f'invalid annotation {key!r}: key and value are strings')
    try:
        encoded(key + value)
    except DXFInvalidDocumentError:
        raise DXFInvalidDocumentError(f'invalid annotation {printable(key)!r}: not UTF-8') from None


def _annotations(layer: Layer) -> dict[str, Json]:
    folder = {UNPACK: 'true', CONTENT: layer.content} if layer.is_folder else {}
    return {TITLE: layer.title, **folder}


def _descriptor(blob: Descriptor, annotations: dict[str, Json] | None = None) -> dict[str, Json]:
    document = {'mediaType': blob.media_type, 'digest': blob.digest, 'size': blob.size}
    return document if annotations is None else {**document, 'annotations': annotations}


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
    found = _PACKING.search(kind)
    return found[1] if found is not None and found.end() == len(kind) else ''


def descriptor_of(manifest: 'Manifest') -> Descriptor:
    """Return what refers to a manifest.

    :raises DXFUnsupportedSchemaType: it is one of schema 1, to which no manifest can refer
    """
    if not isinstance(manifest, (ImageManifest, Index)):
        raise DXFUnsupportedSchemaType(image.media_type_of(manifest.text))
    return Descriptor(manifest.digest, len(manifest.text.encode('utf-8')), manifest.media_type)
