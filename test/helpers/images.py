"""Small images as OCI layout directories, written by hand for skopeo to push.

Owns the bytes of layers, configs, manifests and indexes (https://github.com/opencontainers/image-spec). The
layers are honest: gzipped tars whose diff ids are right, so that skopeo can convert them to any format. The
same arguments give the same bytes, so two images with equal layers share their blobs.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
INDEX = 'application/vnd.oci.image.index.v1+json'
CONFIG = 'application/vnd.oci.image.config.v1+json'
LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'


@dataclass(frozen=True)
class Image:
    """The digests of one image in a layout; ``platform`` is ``os/architecture[/variant]``."""

    platform: str
    digest: str
    config: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Index:
    """The digest of an index in a layout, and its images in their order."""

    digest: str
    images: tuple[Image, ...]


def write_layout(directory: Path, layers: Sequence[bytes], tag: str = 'latest',
                 platform: str = 'linux/amd64') -> Image:
    """Write a layout with one image.

    :param directory: made if missing; what it held before stays, but only this image has a name.
    :param layers: for each layer, the content of the one file that it holds.
    """
    image, descriptor = _write_image(directory, layers, platform)
    _write_names(directory, descriptor, tag)
    return image


def write_index(directory: Path, images: Sequence[tuple[str, Sequence[bytes]]],
                tag: str = 'latest') -> Index:
    """Write a layout with an index of several images.

    :param images: pairs of platform and layers; a platform may come twice; ``unknown/unknown`` is one too.
    """
    written = [_write_image(directory, layers, platform) for platform, layers in images]
    entries = [{**descriptor, 'platform': _platform(image.platform)} for image, descriptor in written]
    descriptor = _write_json(directory, INDEX, {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': entries})
    _write_names(directory, descriptor, tag)
    return Index(descriptor['digest'], tuple(image for image, _ in written))


def layer(content: bytes) -> bytes:
    """Return a gzipped tar that holds one file, as ``write_layout`` makes it of a layer's content."""
    return gzip.compress(_tar(content), mtime=0)


def _write_image(directory: Path, layers: Sequence[bytes], platform: str) -> tuple[Image, dict[str, Any]]:
    descriptors = [_write_blob(directory, LAYER, layer(content)) for content in layers]
    config = _write_json(directory, CONFIG, {
        **_platform(platform), 'config': {},
        'rootfs': {'type': 'layers', 'diff_ids': [_digest(_tar(content)) for content in layers]},
        'history': [{'created_by': f'layer {number}'} for number in range(len(layers))]})
    manifest = _write_json(directory, MANIFEST, {
        'schemaVersion': 2, 'mediaType': MANIFEST, 'config': config, 'layers': descriptors})
    digests = tuple(descriptor['digest'] for descriptor in descriptors)
    return Image(platform, manifest['digest'], config['digest'], digests), manifest


def _write_names(directory: Path, descriptor: dict[str, Any], tag: str) -> None:
    named = {**descriptor, 'annotations': {'org.opencontainers.image.ref.name': tag}}
    (directory / 'index.json').write_text(json.dumps({'schemaVersion': 2, 'manifests': [named]}))
    (directory / 'oci-layout').write_text('{"imageLayoutVersion": "1.0.0"}')


def _write_json(directory: Path, media_type: str, document: dict[str, Any]) -> dict[str, Any]:
    return _write_blob(directory, media_type, json.dumps(document).encode())


def _write_blob(directory: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = _digest(content)
    path = directory.joinpath('blobs', *digest.split(':'))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {'mediaType': media_type, 'digest': digest, 'size': len(content)}


def by_platform(found: Any) -> dict[str, Any]:
    """Return what a method returned for a multi-platform alias."""
    assert isinstance(found, dict)
    return found


def _tar(content: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w') as tar:
        entry = tarfile.TarInfo('content')
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _platform(platform: str) -> dict[str, str]:
    return dict(zip(('os', 'architecture', 'variant'), platform.split('/'), strict=False))


def _digest(content: bytes) -> str:
    return 'sha256:' + hashlib.sha256(content).hexdigest()
