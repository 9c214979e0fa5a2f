"""Copies, as tests look at them: all that an alias leads to, how the target is told to dxf, manifests that refer.

What dxf makes of a manifest is not known here.
"""

import json
from typing import Any

from dxf import DXF, hash_bytes
from dxf.exceptions import DXFHTTPError

from ..servers.scripted_registry import ScriptedRegistry
from .endpoints import Endpoint

OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
EMPTY = 'application/vnd.oci.empty.v1+json'
CONTENTS = (b'first', bytes(range(256)) * 1000, b'')


def reachable(client: DXF, reference: str) -> dict[str, bytes]:
    """Return all that an alias, or the digest of a manifest, leads to: manifests and blobs, each by its digest.

    Of schema 1, which registries sign anew, only the digest is told.
    """
    text, response = client.get_manifest_and_response(reference)
    digest, document = response.headers['Docker-Content-Digest'], json.loads(text)
    if document['schemaVersion'] == 1:
        return {digest: b''} | {layer['blobSum']: pulled(client, layer['blobSum']) for layer in document['fsLayers']}
    assert digest == hash_bytes(text.encode())
    found = {digest: text.encode()}
    for entry in document.get('manifests', []):
        found |= reachable(client, entry['digest'])
    for entry in [document['config'], *document['layers']] if 'layers' in document else []:
        found[entry['digest']] = pulled(client, entry['digest'])
    return found


def pulled(client: DXF, digest: str) -> bytes:
    """Return a blob, hashed once more."""
    content = b''.join(client.pull_blob(digest))
    assert hash_bytes(content) == digest
    return content


def push_alias(client: DXF, *contents: bytes, alias: str = 'a') -> list[str]:
    """Give blobs an alias, and return their digests."""
    digests = [client.push_blob(data=content) for content in contents]
    client.set_alias(alias, *digests)
    return digests


def push_referrer(client: DXF, subject: str, kind: str, **annotations: str) -> str:
    """Store a manifest that refers to another, as signatures do, and return its digest."""
    config, layer = (client.push_blob(data=content) for content in (b'{}', kind.encode()))
    text, _ = client.get_manifest_and_response(subject)
    document = {
        'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'artifactType': kind,
        'config': {'mediaType': EMPTY, 'digest': config, 'size': 2},
        'layers': [{'mediaType': 'application/octet-stream', 'digest': layer, 'size': len(kind)}],
        'subject': {'mediaType': json.loads(text)['mediaType'], 'digest': subject, 'size': len(text.encode())},
        **({'annotations': annotations} if annotations else {})}
    return set_document(client, document)


def set_document(client: DXF, document: dict[str, Any], alias: str | None = None) -> str:
    """Store a manifest, and return its digest, under which it is stored if no alias is given."""
    text = json.dumps(document)
    digest = hash_bytes(text.encode())
    client.set_manifest(digest if alias is None else alias, text)
    return digest


def lacks_alias(client: DXF, alias: str) -> bool:
    """Say whether a repository has no such alias."""
    try:
        client.head_manifest_and_response(alias)
    except DXFHTTPError as error:
        return error.response is not None and error.response.status_code == 404
    return False


def target_variables(endpoint: Endpoint) -> dict[str, str]:
    """Return the variables for a registry that is copied to."""
    names = {'DXF_TO_INSECURE': '1' if endpoint.insecure else None, 'DXF_TO_USERNAME': endpoint.username,
             'DXF_TO_PASSWORD': endpoint.password, 'DXF_TO_TLSVERIFY': endpoint.ca}
    return {name: value for name, value in names.items() if value is not None}


def requests_with(registry: ScriptedRegistry, *secrets: str) -> list[str]:
    """Return the requests to a registry in which there is something that it must not see."""
    return [request.line for request in registry.requests if any(
        secret in f'{request.target}\n{request.headers}\n{request.body.decode("latin-1")}' for secret in secrets)]
