"""Manifests as a registry sends and knows them: their text, and their digest."""

from contextlib import suppress
from typing import TYPE_CHECKING

from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFInvalidDocumentError, DXFUnexpectedDigestMethodError,
                            DXFUnsupportedSchemaType)
from dxf.manifest import image
from dxf.manifest.image import ImageManifest, Index
from dxf.names import hash_bytes
from dxf.strict_json import is_markup, load_object

if TYPE_CHECKING:  # it loads requests
    from dxf.manifest.platforms import Manifest

UNREADABLE = (DXFInvalidDocumentError, DXFUnsupportedSchemaType, DXFUnexpectedDigestMethodError)
"""Errors for a text that is no manifest, or is of a kind that dxf does not read."""


def check_content(body: bytes, digest: str) -> None:
    """Check that a response to a request by digest carries the manifest of that digest.

    Of schema 1 the digest is that of what was signed, and not of the text.

    :raises DXFDigestMismatchError: it carries something else, readable or not
    """
    actual = hash_bytes(body)
    if actual != digest:
        with suppress(*UNREADABLE):
            actual = image.read(decode(body)).digest
    if actual != digest:
        raise DXFDigestMismatchError(actual, digest)


def decode(body: bytes) -> str:
    """Return the text of a manifest as a registry sent it.

    :raises DXFInvalidDocumentError: it is no text, or a web page
    """
    if is_markup(body):
        raise DXFInvalidDocumentError('invalid manifest: it is a web page, and the server may be no registry')
    try:
        return body.decode('utf-8')
    except UnicodeDecodeError:
        raise DXFInvalidDocumentError('invalid manifest: not UTF-8') from None


def content_type_of(manifest: 'Manifest') -> str:
    """Return the Content-Type under which a manifest that was read is to be stored."""
    return manifest.media_type if isinstance(manifest, (ImageManifest, Index)) else image.media_type_of(manifest.text)


def digest_of(manifest: 'Manifest') -> str:
    """Return the digest by which a registry knows a manifest that was read unverified.

    Of schema 1 that is the digest of what was signed.
    https://github.com/distribution/distribution/blob/v2.8.2/docs/spec/api.md#digest-header
    """
    if isinstance(manifest, (ImageManifest, Index)) or not load_object(manifest.text).get('signatures'):
        return manifest.digest
    try:
        return image.read(manifest.text).digest
    except DXFError:  # the registry decides about what is wrong with a signature
        return manifest.digest
