"""Manifests: media types, descriptors, image manifests and indexes, read and made.

Docker schema 2 and OCI (https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md). Where a
manifest came from is not known here. ``schema1`` signs and verifies those of schema 1.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError, DXFUnsupportedSchemaType
from dxf.names import check_digest, check_platform, hash_bytes
from dxf.strict_json import Json, dump_json, load_object, member, members_of

if TYPE_CHECKING:  # it brings jwcrypto, which costs more than all the rest
    from dxf.manifest.schema1 import Schema1Manifest

DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
SCHEMA1_SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
SCHEMA1_UNSIGNED = 'application/vnd.docker.distribution.manifest.v1+json'
OCTET_STREAM = 'application/octet-stream'

EMPTY_CONTENT = b'{}'
EMPTY_TYPE = 'application/vnd.oci.empty.v1+json'
"""Content that says nothing, and its type:
https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidance-for-an-empty-descriptor
"""

ANY_DIGEST = 'sha256:' + '0' * 64
"""Has the length of every digest: stands for one that is not known yet."""

IMAGES = (DOCKER_MANIFEST, OCI_MANIFEST)
INDEXES = (DOCKER_LIST, OCI_INDEX)
SCHEMA1 = (SCHEMA1_SIGNED, SCHEMA1_UNSIGNED)
READABLE = (*IMAGES, *INDEXES, *SCHEMA1)
ACCEPT = ', '.join(READABLE)
"""Every type that dxf reads; registries convert or refuse what a client does not accept."""

BYTES = (OCTET_STREAM, 'binary/octet-stream')
"""Content types of any bytes. S3 gives the second to objects that were stored without a type:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_RequestSyntax
"""

FOREIGN = ('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
           'application/vnd.oci.image.layer.nondistributable.v1.tar',
           'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
           'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd')
"""Types of layers that registries need not have:
https://distribution.github.io/distribution/spec/manifest-v2-2/#media-types,
https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#non-distributable-layers
"""

_VAGUE = ('', 'application/json', 'text/plain', *BYTES)
"""Content types that say nothing about a manifest; some registries send these."""


class Descriptor(NamedTuple):
    """Points to content: https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md.

    ``has_urls`` tells whether it names other addresses of the content.
    """

    digest: str
    size: int
    media_type: str = OCTET_STREAM
    platform: str | None = None
    has_urls: bool = False


class ImageManifest(NamedTuple):
    """One image, or one alias that dxf wrote: a configuration, and layers in their order."""

    text: str
    digest: str
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def required(self) -> tuple[Descriptor, ...]:
        """The blobs that a registry must have, to have this manifest."""
        return (self.config, *(layer for layer in self.layers if not is_foreign(layer)))


class Index(NamedTuple):
    """Several manifests under one name, mostly one a platform; a Docker list or an OCI index."""

    text: str
    digest: str
    media_type: str
    manifests: tuple[Descriptor, ...]


def is_foreign(layer: Descriptor) -> bool:
    """Return whether a registry need not have a layer: its type says so, and the manifest names its address."""
    return layer.has_urls and layer.media_type in FOREIGN


def base_type(content_type: str | None) -> str:
    """Return the media type of a Content-Type header, in lower case and without its parameters."""
    return (content_type or '').partition(';')[0].strip().lower()


def platform_of(document: Json) -> str | None:
    """Return ``os/architecture[/variant]``, or ``None`` for what does not name one: the digest names the entry then."""
    if not isinstance(document, dict):
        return None
    parts: list[Any] = [document.get(key) for key in ('os', 'architecture', 'variant') if document.get(key)]
    if not document.get('os') or not document.get('architecture'):
        return None
    try:
        return check_platform('/'.join(map(str, parts)))
    except DXFInvalidNameError:
        return None


def _descriptor(document: Json) -> Descriptor:
    digest, size = members_of(document, digest=str, size=int)
    try:
        check_digest(digest)
    except DXFInvalidNameError as error:
        raise DXFInvalidDocumentError(str(error)) from None
    if size < 0:
        raise DXFInvalidDocumentError('invalid document: a negative size')
    media_type = document.get('mediaType', OCTET_STREAM)
    if not isinstance(media_type, str):
        raise DXFInvalidDocumentError('invalid document: mediaType is no str')
    urls = document.get('urls')
    return Descriptor(digest, size, media_type, platform_of(document.get('platform')),
                      isinstance(urls, list) and bool(urls))


def _descriptors(documents: list[Json]) -> tuple[Descriptor, ...]:
    return tuple(_descriptor(document) for document in documents)


def _media_type(document: dict[str, Json], content_type: str | None) -> str:
    """Return the media type of a document. Its ``mediaType``, the header and its form must agree.

    CVE-2021-41190: clients differ in how they read a document that is both a manifest and an index, or has the type of
    one and the form of the other.
    """
    declared = document.get('mediaType')
    header = base_type(content_type)
    if declared is not None and not isinstance(declared, str):
        raise DXFInvalidDocumentError('invalid manifest: mediaType is no str')
    if header in _VAGUE:
        header = ''
    if declared and header and declared != header:
        raise DXFInvalidDocumentError(
            f'invalid manifest: its mediaType {declared} contradicts its Content-Type {header}')
    image = 'config' in document or 'layers' in document
    index = 'manifests' in document
    if 'fsLayers' in document and (image or index):
        raise DXFInvalidDocumentError('invalid manifest: schema 1 and something newer in one')
    if image and index:
        raise DXFInvalidDocumentError('invalid manifest: both an image manifest and an index')
    media_type = declared or header or (OCI_INDEX if index else OCI_MANIFEST if image else '')
    if media_type in IMAGES and index or media_type in INDEXES and image:
        raise DXFInvalidDocumentError(f'invalid manifest: not what its type {media_type} says')
    return media_type


def _known_type(document: dict[str, Json], content_type: str | None) -> str:
    media_type = _media_type(document, content_type)
    if media_type not in IMAGES + INDEXES:
        raise DXFUnsupportedSchemaType(media_type or None)
    return media_type


def _is_schema1(document: dict[str, Json]) -> bool:
    return document.get('schemaVersion') == 1 and document['schemaVersion'] is not True


def read(text: str, content_type: str | None = None, verify: bool = True) -> 'ImageManifest | Index | Schema1Manifest':
    """Read a manifest of any kind.

    :param text: JSON; an OCI document may lack its ``mediaType``
    :param content_type: the header that came with it, if any
    :param verify: check the signatures of a schema 1 manifest
    :raises DXFUnsupportedSchemaType: its media type is of another kind
    :raises DXFInvalidDocumentError: it breaks its grammar, or contradicts itself or the header
    :raises DXFUnexpectedDigestMethodError: it names content by another algorithm than sha256

    What is wrong with a signature is told by the errors of :func:`dxf.manifest.schema1.read`.
    """
    document = load_object(text)
    if _is_schema1(document):
        for media_type in (base_type(content_type), document.get('mediaType', '')):
            if media_type not in (*SCHEMA1, *_VAGUE):
                raise DXFInvalidDocumentError(f'invalid manifest: schema 1 that is said to be {media_type}')
        if document.keys() & {'config', 'layers', 'manifests'}:
            raise DXFInvalidDocumentError('invalid manifest: schema 1 and something newer in one')
        from dxf.manifest import schema1
        return schema1.read(text, verify)
    media_type = _known_type(document, content_type)
    if document.get('schemaVersion') != 2:
        raise DXFInvalidDocumentError('invalid manifest: schemaVersion is not 2')
    digest = hash_bytes(text.encode('utf-8'))
    if media_type in INDEXES:
        return Index(text, digest, media_type, _descriptors(member(document, 'manifests', list)))
    config, layers = members_of(document, config=dict, layers=list)
    return ImageManifest(text, digest, media_type, _descriptor(config), _descriptors(layers))


def media_type_of(text: str) -> str:
    """Return the Content-Type under which a manifest is to be stored.

    :raises DXFInvalidDocumentError: it is no manifest
    :raises DXFUnsupportedSchemaType: a manifest of a kind that dxf does not know
    """
    document = load_object(text)
    if _is_schema1(document):
        return SCHEMA1_SIGNED if document.get('signatures') else SCHEMA1_UNSIGNED
    return _known_type(document, None)


def subject_of(text: str) -> str | None:
    """Return the digest of what a manifest refers to, if it does.

    https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#image-manifest-property-descriptions

    :raises DXFInvalidDocumentError: it breaks its grammar
    :raises DXFUnexpectedDigestMethodError: it refers to something by another algorithm than sha256
    """
    subject = load_object(text).get('subject')
    return None if subject is None else check_digest(member(subject, 'digest', str))


def subject_in(text: str) -> str | None:
    """Return what :func:`subject_of` does, for a text that was parsed before.

    It is parsed again only if it may have the member: a manifest may have 10,000 layers.
    """
    return subject_of(text) if '"subject"' in text or '\\' in text else None


def referrer(text: str, media_type: str | None = None) -> dict[str, Json]:
    """Return the descriptor by which a manifest is listed among those that refer to its subject.

    https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
    """
    document = load_object(text)
    config = document.get('config')
    found = {'mediaType': media_type or media_type_of(text), 'digest': hash_bytes(text.encode('utf-8')),
             'size': len(text.encode('utf-8')),
             'artifactType': document.get('artifactType') or
             (config.get('mediaType') if isinstance(config, dict) else None),
             'annotations': document.get('annotations')}
    return {key: value for key, value in found.items() if value}


def check_size(size: int, limit: int, count: int = 0) -> None:
    """Check that a manifest of ``size`` bytes can be read back.

    :param limit: the most bytes that are read
    :param count: how many files it names, for the error message
    :raises DXFInvalidDocumentError: it is too large
    """
    if size > limit:
        hint = f': about {count * limit // size} files fit under one alias; use a folder (one tar) or several ' \
               'aliases' if count else ''
        raise DXFInvalidDocumentError(f'a manifest of {size} bytes is too large: at most {limit} can be read{hint}')


def make(blobs: list[Descriptor], schema: str, limit: int | None = None) -> str:
    """Write an image manifest that names blobs.

    The configuration is a descriptor of the first blob: registries want one that they have.

    :param blobs: at least one, in the order in which the alias is to give them back
    :param schema: ``v2`` for Docker's schema 2, ``oci`` for OCI's manifest
    :param limit: the most bytes that are read of a manifest
    :return: JSON with sorted keys
    :raises ValueError: there are no blobs, or too many to be read back
    """
    if not blobs:
        raise DXFInvalidDocumentError('a manifest needs at least one blob')
    media_type, config_type = {'v2': (DOCKER_MANIFEST, DOCKER_CONFIG), 'oci': (OCI_MANIFEST, OCTET_STREAM)}[schema]
    text = dump_json({
        'schemaVersion': 2,
        'mediaType': media_type,
        'config': _entry(blobs[0], config_type),
        'layers': [_entry(blob, OCTET_STREAM) for blob in blobs],
    })
    if limit is not None:
        check_size(len(text), limit, len(blobs))
    return text


def _entry(blob: Descriptor, media_type: str) -> dict[str, Json]:
    return {'mediaType': media_type, 'digest': blob.digest, 'size': blob.size}
