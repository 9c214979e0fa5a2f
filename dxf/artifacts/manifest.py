"""The manifest of an artifact: files by their names, as oras writes and reads them.

https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage

``dxf.manifest.named_files`` reads such manifests. Where the files are is not known here.
"""

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError, DXFUnsupportedSchemaType
from dxf.manifest import image
from dxf.manifest.creation_time import CREATED
from dxf.manifest.image import (EMPTY_CONTENT, EMPTY_TYPE, OCI_MANIFEST, OCTET_STREAM, Descriptor, ImageManifest,
                                Index)
from dxf.manifest.named_files import (CONTENT, FILE_PATHS, ROOT, TAR, TAR_GZIP, TITLE, UNPACK, Layer, name_of,
                                      read)
from dxf.names import hash_bytes, shown_repository
from dxf.strict_json import Json, dump_json, encoded, load_object, printable

if TYPE_CHECKING:  # commands check their operands without requests
    from dxf.manifest.platforms import Manifest

__all__ = ['CONTENT', 'CREATED', 'EMPTY', 'FILE_PATHS', 'FILE_TYPE', 'FOLDER_TYPE', 'ROOT', 'TAR', 'TAR_GZIP', 'TITLE',
           'SNAPSHOT_TYPE', 'UNKNOWN_TYPE', 'UNPACK', 'Layer', 'about_snapshot', 'check_media_type', 'descriptor_of',
           'make', 'name_of', 'read']

EMPTY = Descriptor(hash_bytes(EMPTY_CONTENT), len(EMPTY_CONTENT), EMPTY_TYPE)
"""Stands where there is nothing to say, such as for the configuration."""

SNAPSHOT_TYPE = 'application/vnd.dxf.snapshot.v1'
"""The type of a snapshot, whose blobs hold files under no names."""

UNKNOWN_TYPE = 'application/vnd.unknown.artifact.v1'
"""The type of an artifact whose maker gives none, as in oras."""

FILE_TYPE = OCTET_STREAM
FOLDER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip'

_MEDIA_TYPE_PART = r'[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}'
_MEDIA_TYPE = f'(?a){_MEDIA_TYPE_PART}/{_MEDIA_TYPE_PART}'


def check_media_type(text: str) -> str:
    """Return ``text`` if it is a media type: https://www.rfc-editor.org/rfc/rfc6838#section-4.2.

    :raises DXFInvalidNameError: it is not
    """
    if re.fullmatch(_MEDIA_TYPE, text) is None:
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


def descriptor_of(manifest: 'Manifest') -> Descriptor:
    """Return what refers to a manifest.

    :raises DXFUnsupportedSchemaType: it is one of schema 1, to which no manifest can refer
    """
    if not isinstance(manifest, (ImageManifest, Index)):
        raise DXFUnsupportedSchemaType(image.media_type_of(manifest.text))
    return Descriptor(manifest.digest, len(manifest.text.encode('utf-8')), manifest.media_type)


def about_snapshot(text: str, repository: str, reference: str) -> str:
    """Return the command that fetches the files of a snapshot; empty for any other manifest.

    :param repository: its name
    """
    if load_object(text).get('artifactType') != SNAPSHOT_TYPE:
        return ''
    return f'it is a snapshot: dxf restore {shown_repository(repository)} @{reference} --to=DIR fetches its ' \
        'files, and dxf pull-blob that of a stream'
