"""Tags of cosign: under which it stores signatures, attestations and lists of software that belong to a manifest.

The tag is computed from the manifest's digest: sha256-<hex>.sig.
https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md#tag-based-discovery
https://github.com/sigstore/cosign/blob/main/doc/cosign_attach_sbom.md has the names after the dot.
"""

from typing import Protocol

from dxf.client import DXF
from dxf.exceptions import DXFConflictError
from dxf.manifest import image
from dxf.manifest.image import ImageManifest
from dxf.referrers import tag_of
from dxf.transfer.parallel import each_once

SUFFIXES = ('sig', 'att', 'sbom')


def tags_for(repository: DXF, digest: str) -> dict[str, str]:
    """Return the digests of what belongs to a manifest by its tag, by that tag; each tag is one request."""
    tags = [f'{tag_of(digest)}.{suffix}' for suffix in SUFFIXES]
    found = each_once(repository.current_digest, tags, repository.options.jobs)
    return {tag: current for tag, current in found.items() if current is not None}


class Texts(Protocol):
    """Texts of manifests of the source."""

    def get(self, digest: str) -> str:
        """Return the text of a manifest."""


def check_replaceable(target: DXF, tag: str, digest: str, texts: Texts) -> None:
    """Check that a tag can be set without a loss: cosign keeps all signatures of a manifest as layers of one other.

    :param digest: of the manifest that replaces it
    :param texts: has the text of that manifest
    :raises DXFConflictError: the target has something under the tag that the replacement lacks
    """
    if target.current_digest(tag) in (None, digest):
        return
    current, replacement = target.resolve(tag), image.read(texts.get(digest))
    if not isinstance(current, ImageManifest) or not isinstance(replacement, ImageManifest) or \
            {layer.digest for layer in current.layers} - {layer.digest for layer in replacement.layers}:
        raise DXFConflictError(f'the target has something else under the tag {tag}, which a copy would lose; copy '
                               f'that tag by its name to replace it')
