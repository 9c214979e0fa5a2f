"""Images: what an alias leads to, one image or one for each of several platforms.

Requests are made elsewhere: a manifest that an index names is fetched by what the caller hands in.
https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md
"""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from requests.exceptions import HTTPError

from dxf.exceptions import (DXFDigestNotAvailableForSchema1, DXFDisallowedSignatureAlgorithmError, DXFError,
                            DXFInvalidDocumentError, DXFMissingSignaturesError, DXFPlatformDataNotFound,
                            DXFSignatureChainNotImplementedError, DXFUnexpectedDigestMethodError,
                            DXFUnexpectedKeyTypeError, DXFUnsupportedSchemaType)
from dxf.http_errors import DXFNotFoundError
from dxf.limits import Limits
from dxf.manifest.image import INDEXES, OCTET_STREAM, READABLE, Descriptor, ImageManifest, Index

if TYPE_CHECKING:  # it brings jwcrypto, which costs more than all the rest
    from dxf.manifest.schema1 import Schema1Manifest

T = TypeVar('T')
Image: TypeAlias = 'ImageManifest | Schema1Manifest'
Manifest: TypeAlias = 'Image | Index'
Fetch: TypeAlias = 'Callable[[str], Manifest]'

INDEX_DEPTH = 4
NO_PLATFORM = 'unknown/unknown'
"""The platform of entries of an index that are no images, such as attestations. These may be missing or odd."""

ODD = (DXFInvalidDocumentError, DXFUnsupportedSchemaType, DXFUnexpectedDigestMethodError,
       DXFDigestNotAvailableForSchema1, DXFMissingSignaturesError, DXFDisallowedSignatureAlgorithmError,
       DXFSignatureChainNotImplementedError, DXFUnexpectedKeyTypeError)
"""Errors for a manifest that arrived undamaged, and that dxf does not read."""


class Reading:
    """The manifests that one operation fetches: each index once, and not more than the limits allow.

    :param fetch: returns the manifest of a digest, verified
    """

    def __init__(self, fetch: Fetch, limits: Limits) -> None:
        self._fetch = fetch
        self._limits = limits
        self._indexes: dict[str, tuple[Descriptor, ...]] = {}
        self._walked: set[tuple[str, str | None]] = set()
        self._documents = self._descriptors = self._bytes = 0

    def check(self) -> None:
        """Check that another manifest may be fetched.

        :raises DXFInvalidDocumentError: it may not
        """
        limits = self._limits
        if self._documents >= limits.documents or self._descriptors > limits.descriptors or self._bytes > limits.total:
            raise DXFInvalidDocumentError(
                f'invalid index: it leads to more than {limits.documents} manifests, {limits.descriptors} entries '
                f'or {limits.total} bytes of manifests; choose one platform')

    def manifest(self, digest: str) -> Manifest:
        """Fetch a manifest."""
        self.check()
        self._documents += 1
        manifest = self._fetch(digest)
        self._bytes += len(manifest.text)
        return manifest

    def image(self, entry: Descriptor) -> Image:
        """Fetch the image manifest of an entry."""
        manifest = self.manifest(entry.digest)
        if isinstance(manifest, Index):
            raise DXFInvalidDocumentError('invalid index: an entry is not what its type says')
        return manifest

    def walk(self, descriptors: tuple[Descriptor, ...], outer: str | None = None, depth: int = 1
             ) -> Iterator[tuple[str, Descriptor]]:
        """Yield the platform of each image in an index, and its descriptor, those of an index within it too.

        An inner index is fetched when its turn comes. A second time it is walked for another platform alone.

        :param outer: the platform of entries that have none themselves
        """
        if depth > INDEX_DEPTH:
            raise DXFInvalidDocumentError('invalid index: indexes nested too deep')
        for entry in descriptors:
            self._descriptors += 1
            self.check()
            platform = entry.platform or outer
            if entry.media_type in INDEXES:
                if (entry.digest, platform) not in self._walked:
                    self._walked.add((entry.digest, platform))
                    yield from self.walk(self._index(entry.digest), platform, depth + 1)
            elif entry.media_type in (*READABLE, OCTET_STREAM):  # bytes: what an entry without a type stands for
                yield platform or entry.digest, entry

    def _index(self, digest: str) -> tuple[Descriptor, ...]:
        if digest not in self._indexes:
            inner = self.manifest(digest)
            if not isinstance(inner, Index):
                raise DXFInvalidDocumentError('invalid index: an entry is not what its type says')
            self._indexes[digest] = inner.manifests
        return self._indexes[digest]


def for_each_platform(manifest: Manifest, platform: str | None, fetch: Fetch, answer: Callable[[Image], T],
                      limits: Limits = Limits()) -> T | dict[str, T]:
    """Return ``answer`` for a single image; for an index one a platform, or that of the platform asked for.

    Entries that are no images by their platform (attestations) are left out if they are missing or odd.

    :param platform: ``os/architecture[/variant]``; a single image is taken whatever its platform
    :param fetch: returns the manifest of a digest, verified; it is called once for each
    :raises DXFPlatformDataNotFound: the index has nothing for ``platform``
    :raises DXFInvalidDocumentError: the index leads to more manifests than the limits allow
    """
    if not isinstance(manifest, Index):
        return answer(manifest)
    reading = Reading(fetch, limits)
    if platform is not None:
        return answer(reading.image(find(manifest, platform, reading)))
    answers: dict[str, T] = {}
    by_digest: dict[str, T] = {}
    for name, entry in _all(manifest, reading).items():
        if entry.digest not in by_digest:
            reading.check()
            try:
                by_digest[entry.digest] = answer(reading.image(entry))
            except (DXFError, HTTPError) as error:
                if not (name.startswith(NO_PLATFORM) and is_missing_or_odd(error)):
                    raise
        if entry.digest in by_digest:
            answers[name] = by_digest[entry.digest]
    return answers


def is_missing_or_odd(error: Exception) -> bool:
    """Return whether an error says that the registry has no such manifest, or that it has one that dxf does not read.

    All other errors leave open what the manifest is: a refusal, an overloaded registry, wrong bytes.
    """
    if isinstance(error, HTTPError) and not isinstance(error, DXFError):
        return error.response is not None and error.response.status_code == HTTPStatus.NOT_FOUND
    return isinstance(error, (DXFNotFoundError, *ODD))


def entries(index: Index, fetch: Fetch, limits: Limits = Limits()) -> dict[str, Descriptor]:
    """Return the image manifests of an index by platform, those of an index within it too.

    An entry without a platform is named by its digest, and so is, behind the platform, one whose platform an
    entry before it has.

    :raises DXFInvalidDocumentError: the index leads to more manifests than the limits allow
    """
    return _all(index, Reading(fetch, limits))


def find(index: Index, platform: str, reading: Reading) -> Descriptor:
    """Return the entry that :func:`entries` would name by a platform; no index behind it is fetched.

    Of several entries with one platform that is the first:
    https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions

    :raises DXFPlatformDataNotFound: the index has no such entry
    """
    named: dict[str, Descriptor] = {}
    for name, entry in reading.walk(index.manifests):
        _add(named, name, entry)
        if platform in named:
            return named[platform]
    raise DXFPlatformDataNotFound(platform)


def _all(index: Index, reading: Reading) -> dict[str, Descriptor]:
    named: dict[str, Descriptor] = {}
    for name, entry in reading.walk(index.manifests):
        _add(named, name, entry)
    return named


def config_digest(image: Image) -> str:
    """Return the digest of an image's configuration.

    :raises DXFDigestNotAvailableForSchema1: it has none
    """
    if not isinstance(image, ImageManifest):
        raise DXFDigestNotAvailableForSchema1()
    return image.config.digest


def _add(named: dict[str, Descriptor], name: str, entry: Descriptor) -> None:
    if named.setdefault(name, entry).digest != entry.digest:
        named[f'{name}@{entry.digest}'] = entry
