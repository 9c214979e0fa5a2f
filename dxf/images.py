"""Images: what an alias leads to, one image or one for each of several platforms.

Requests are made elsewhere: a manifest that an index names is fetched by what the caller hands in.
https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from requests.exceptions import HTTPError

from dxf.exceptions import (DXFDigestNotAvailableForSchema1, DXFError, DXFInvalidDocumentError,
                            DXFPlatformDataNotFound)
from dxf.manifests import INDEXES, OCTET_STREAM, READABLE, Descriptor, ImageManifest, Index

if TYPE_CHECKING:  # it brings jwcrypto, which costs more than all the rest
    from dxf.schema1 import Schema1Manifest

T = TypeVar('T')
Image: TypeAlias = 'ImageManifest | Schema1Manifest'
Manifest: TypeAlias = 'Image | Index'
Fetch: TypeAlias = 'Callable[[str], Manifest]'

INDEX_DEPTH = 4
NO_PLATFORM = 'unknown/unknown'
"""What entries of an index have for a platform that are no images, such as attestations; nobody misses them."""


def each(manifest: Manifest, platform: str | None, fetch: Fetch, answer: Callable[[Image], T]) -> T | dict[str, T]:
    """Return ``answer`` for a single image; for an index one a platform, or that of the platform asked for.

    :param platform: ``os/architecture[/variant]``; a single image is taken whatever its platform
    :param fetch: returns the manifest of a digest, verified
    :raises DXFPlatformDataNotFound: the index has nothing for ``platform``
    """
    if not isinstance(manifest, Index):
        return answer(manifest)
    named = entries(manifest, fetch)
    if platform is not None:
        if platform not in named:
            raise DXFPlatformDataNotFound(platform)
        return answer(_image(named[platform], fetch))
    answers = {}
    for name, entry in named.items():
        with suppress(*([DXFError, HTTPError] if name.startswith(NO_PLATFORM) else [])):
            answers[name] = answer(_image(entry, fetch))
    return answers


def entries(index: Index, fetch: Fetch, outer: str | None = None, depth: int = 1) -> dict[str, Descriptor]:
    """Return the image manifests of an index by platform, those of an index within it too.

    An entry without a platform is named by its digest, and so is, behind the platform, one whose platform an
    entry before it has.
    """
    if depth > INDEX_DEPTH:
        raise DXFInvalidDocumentError('invalid index: indexes nested too deep')
    named: dict[str, Descriptor] = {}
    for entry in index.manifests:
        platform = entry.platform or outer
        if entry.media_type in INDEXES:
            inner = fetch(entry.digest)
            if not isinstance(inner, Index):
                raise DXFInvalidDocumentError('invalid index: an entry is not what its type says')
            for name, descriptor in entries(inner, fetch, platform, depth + 1).items():
                _add(named, name, descriptor)
        elif entry.media_type in (*READABLE, OCTET_STREAM):  # bytes: what an entry without a type stands for
            _add(named, platform or entry.digest, entry)
    return named


def config_digest(image: Image) -> str:
    """Return the digest of an image's configuration.

    :raises DXFDigestNotAvailableForSchema1: it has none
    """
    if not isinstance(image, ImageManifest):
        raise DXFDigestNotAvailableForSchema1()
    return image.config.digest


def _image(entry: Descriptor, fetch: Fetch) -> Image:
    manifest = fetch(entry.digest)
    if isinstance(manifest, Index):
        raise DXFInvalidDocumentError('invalid index: an entry is not what its type says')
    return manifest


def _add(named: dict[str, Descriptor], name: str, entry: Descriptor) -> None:
    if named.setdefault(name, entry).digest != entry.digest:
        named[f'{name}@{entry.digest}'] = entry
