"""An image around a file: an OCI layout with the file as its one layer, for the programs that know images alone.

The layer is called an uncompressed tar, which none of them looks at.
"""

import json
import os
from pathlib import Path
from typing import Any

from bench.workspace import digest_of

MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
CONFIG = 'application/vnd.oci.image.config.v1+json'
LAYER = 'application/vnd.oci.image.layer.v1.tar'


def write_layout(folder: Path, file: Path) -> None:
    """Write a layout whose layer is a hard link to the file.

    :param folder: empty, on the file's file system
    """
    blobs = folder / 'blobs' / 'sha256'
    blobs.mkdir(parents=True)
    digest = digest_of(file)
    os.link(file, blobs / digest.partition(':')[2])
    config = _write_blob(blobs, CONFIG, {'architecture': 'amd64', 'os': 'linux', 'config': {},
                                         'rootfs': {'type': 'layers', 'diff_ids': [digest]}})
    layer = {'mediaType': LAYER, 'digest': digest, 'size': file.stat().st_size}
    manifest = _write_blob(blobs, MANIFEST, {'schemaVersion': 2, 'mediaType': MANIFEST, 'config': config,
                                             'layers': [layer]})
    manifest['annotations'] = {'org.opencontainers.image.ref.name': 'latest'}
    _write(folder / 'index.json', {'schemaVersion': 2, 'manifests': [manifest]})
    _write(folder / 'oci-layout', {'imageLayoutVersion': '1.0.0'})


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document), encoding='utf-8')


def _write_blob(blobs: Path, media_type: str, document: dict[str, Any]) -> dict[str, Any]:
    """Write a JSON blob under its digest and return its descriptor."""
    path = blobs / 'new'
    _write(path, document)
    digest, size = digest_of(path), path.stat().st_size
    path.rename(blobs / digest.partition(':')[2])
    return {'mediaType': media_type, 'digest': digest, 'size': size}


def add_tags(folder: Path, size: int) -> None:
    """Add images to a layout until it has as many, each with a tag; they differ in an annotation of their manifest."""
    index = folder / 'index.json'
    document = json.loads(index.read_text('utf-8'))
    images, blobs = document['manifests'], folder / 'blobs' / 'sha256'
    pattern = json.loads((blobs / images[0]['digest'].partition(':')[2]).read_text('utf-8'))
    for number in range(len(images), size):
        manifest = _write_blob(blobs, images[0]['mediaType'], {**pattern, 'annotations': {'number': str(number)}})
        images.append({**manifest, 'annotations': {'org.opencontainers.image.ref.name': f'tag{number}'}})
    _write(index, document)
