"""What some registries do differently, and what indexes hold that are not as plain as most: scripted, one by one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import (DXFDigestMismatchError, DXFHTTPError, DXFInvalidDocumentError, DXFProtocolError,
                            DXFUnauthorizedError)

from ..servers.scripted_registry import LOST, Answer, Request, ScriptedRegistry, error

REPO = 'fred/a'
BLOBS = f'/v2/{REPO}/blobs'
MANIFESTS = f'/v2/{REPO}/manifests'
OCI = 'application/vnd.oci.image.manifest.v1+json'
INDEX = 'application/vnd.oci.image.index.v1+json'
CONTENT = b'some content'
DIGEST = hash_bytes(CONTENT)
LINUX = {'os': 'linux', 'architecture': 'amd64'}
UNKNOWN = {'os': 'unknown', 'architecture': 'unknown'}


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that has one blob."""
    server.memory.put(REPO, CONTENT)
    return server


def client_of(server: ScriptedRegistry, schema: str = 'v2') -> DXF:
    """Return a client of its repository that tries everything once, or once more."""
    return DXF(server.host, REPO, insecure=True, limits=Limits(retries=1, backoff=0.01), schema=schema)


# Schema 1 where schema 2 is refused

def refuse(server: ScriptedRegistry, code: str, *schemas: str) -> list[str]:
    """Answer 400 to manifests of these schemas, and return the list of the types that were put."""
    put: list[str] = []

    def hook(request: Request) -> Answer | None:
        if request.method != 'PUT' or not request.path.startswith(MANIFESTS):
            return None
        put.append(request.headers['Content-Type'].rpartition('.')[2])
        return error(400, code) if any(schema in put[-1] for schema in schemas) else None
    server.hook = hook
    return put


def test_a_registry_that_refuses_schema_2_gets_a_signed_schema_1(server: ScriptedRegistry) -> None:
    put = refuse(server, 'MANIFEST_INVALID', 'v2+json')
    client = client_of(server)
    text = client.set_alias('a', DIGEST)
    assert put == ['v2+json', 'v1+prettyjws']
    assert server.of('PUT')[-1].body == text.encode()
    assert client.get_alias(manifest=text) == [DIGEST]
    assert json.loads(text)['name'] == REPO and json.loads(text)['tag'] == 'a'


def test_where_both_are_refused_the_first_refusal_is_told(server: ScriptedRegistry) -> None:
    put = refuse(server, 'MANIFEST_INVALID', 'v2+json', 'v1+prettyjws')
    with pytest.raises(DXFHTTPError, match='MANIFEST_INVALID') as caught:
        client_of(server).set_alias('a', DIGEST)
    assert put == ['v2+json', 'v1+prettyjws']
    assert caught.value.response is not None and 'v2' in str(caught.value.response.request.headers['Content-Type'])


@pytest.mark.parametrize(('schema', 'code', 'put'), [
    pytest.param('v2', 'MANIFEST_BLOB_UNKNOWN', ['v2+json'], id='schema 1 would lack the blob as well'),
    pytest.param('oci', 'MANIFEST_INVALID', ['v1+json'], id='who asks for OCI wants nothing else'),
    pytest.param('v1', 'MANIFEST_INVALID', ['v1+prettyjws'], id='there is nothing older'),
])
def test_other_refusals_are_final(server: ScriptedRegistry, schema: str, code: str, put: list[str]) -> None:
    tried = refuse(server, code, 'json', 'jws')
    with pytest.raises(DXFHTTPError, match=code) as caught:
        client_of(server, schema).set_alias('a', DIGEST)
    assert tried == put
    assert ('push the blobs first' in str(caught.value)) is (code == 'MANIFEST_BLOB_UNKNOWN')


def test_a_blob_that_is_not_there_is_named_with_what_to_do(server: ScriptedRegistry) -> None:
    missing = hash_bytes(b'missing')
    with pytest.raises(DXFHTTPError, match=f'404 Not Found: {REPO} has no blob {missing}; push it first'):
        client_of(server).set_alias('a', missing)
    assert server.lines() == [f'HEAD {BLOBS}/{missing}']
    server.script('HEAD', f'{BLOBS}/{missing}', [error(403, 'DENIED')])
    with pytest.raises(DXFHTTPError, match='403'):
        client_of(server).set_alias('a', missing)


# Sizes

def test_a_blob_whose_size_nobody_tells_is_pulled_all_the_same(server: ScriptedRegistry) -> None:
    server.hook = lambda request: replace(server.ordinary(request), undelimited=True) \
        if request.path == f'{BLOBS}/{DIGEST}' else None
    assert b''.join(client_of(server).pull_blob(DIGEST)) == CONTENT
    chunks, size = client_of(server).pull_blob(DIGEST, size=True)
    assert (b''.join(chunks), size) == (CONTENT, len(CONTENT))
    assert client_of(server).blob_size(DIGEST) == len(CONTENT)  # counted while it was hashed


def test_a_part_of_which_the_registry_has_some_is_continued(server: ScriptedRegistry) -> None:
    broken = iter([3, 2])

    def hook(request: Request) -> Answer | None:
        kept = next(broken, None) if request.method == 'PATCH' else None
        if kept is None:
            return None
        server.ordinary(replace(request, body=request.body[:kept]))
        return LOST
    server.hook = hook
    content = b'0123456789'
    limits = Limits(backoff=0.01, small_part=8)
    digest = DXF(server.host, REPO, insecure=True, limits=limits).push_blob(data=iter([content]))
    assert server.memory.blobs[REPO][digest] == content
    assert [request.body for request in server.of('PATCH')] == [content[:8], content[3:8], content[5:8]]


# Indexes

def entry(digest: str, platform: Any, media_type: str | None = OCI) -> dict[str, Any]:
    """Return an entry of an index."""
    typed = {} if media_type is None else {'mediaType': media_type}
    return {'digest': digest, 'size': 1, 'platform': platform, **typed}


def put_image(server: ScriptedRegistry, name: str = 'image') -> str:
    """Store an image that differs by a name, and return its digest."""
    blob = {'digest': DIGEST, 'size': len(CONTENT), 'mediaType': 'application/octet-stream'}
    image = {'schemaVersion': 2, 'mediaType': OCI, 'config': blob, 'layers': [blob], 'annotations': {'name': name}}
    return server.memory.put_manifest(REPO, name, OCI, json.dumps(image).encode())


def put_index(server: ScriptedRegistry, *entries: dict[str, Any], tag: str = 'index') -> str:
    """Store an index, and return its digest."""
    document = {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': entries}
    return server.memory.put_manifest(REPO, tag, INDEX, json.dumps(document).encode())


def test_an_attestation_that_is_gone_does_not_hide_the_images(server: ScriptedRegistry) -> None:
    put_index(server, entry(hash_bytes(b'gone'), UNKNOWN), entry(put_image(server), LINUX),
              entry(put_image(server, 'attestation'), UNKNOWN))
    client = client_of(server)
    assert set(client.get_alias('index')) == {'linux/amd64', f'unknown/unknown@{put_image(server, "attestation")}'}
    digests = client.get_digest('index')
    assert isinstance(digests, dict) and digests['linux/amd64'] == DIGEST


def put_text(server: ScriptedRegistry, text: bytes) -> str:
    """Store what may be no manifest, and return its digest."""
    return server.memory.put_manifest(REPO, 'odd', OCI, text)


@pytest.mark.parametrize('text', [
    pytest.param(b'<html>an attestation</html>', id='markup'),
    pytest.param(b'\xff\xfe', id='no text'),
    pytest.param(b'{"schemaVersion": 2, "mediaType": "application/vnd.acme.proof"}', id='another type'),
    pytest.param(b'{"schemaVersion": 1, "fsLayers": [], "history": []}', id='schema 1 without signatures'),
])
def test_an_attestation_that_is_odd_does_not_hide_the_images(server: ScriptedRegistry, text: bytes) -> None:
    put_index(server, entry(put_text(server, text), UNKNOWN), entry(put_image(server), LINUX))
    assert client_of(server).get_alias('index') == {'linux/amd64': [DIGEST]}


@pytest.mark.parametrize('answer, kind', [
    pytest.param(error(401, 'UNAUTHORIZED'), DXFUnauthorizedError, id='401'),
    pytest.param(error(403, 'DENIED'), DXFHTTPError, id='403'),
    pytest.param(error(429, 'TOOMANYREQUESTS'), DXFHTTPError, id='429'),
    pytest.param(error(500, 'UNKNOWN'), DXFHTTPError, id='500'),
    pytest.param(error(503, 'UNAVAILABLE'), DXFHTTPError, id='503'),
    pytest.param(Answer(200, {'Content-Type': 'text/html'}, b'<html>'), DXFDigestMismatchError, id='a web page'),
    pytest.param(Answer(200, {'Content-Type': OCI}, b'{}'), DXFDigestMismatchError, id='another document'),
    pytest.param(Answer(200, {'Content-Type': OCI}, b'\xff'), DXFDigestMismatchError, id='no text'),
    pytest.param(Answer(200, {'Content-Type': OCI, 'Content-Encoding': 'br'}, b'{}'), DXFProtocolError,
                 id='compressed'),
])
def test_an_attestation_that_is_refused_or_damaged_is_an_error(server: ScriptedRegistry, answer: Answer,
                                                               kind: type[Exception]) -> None:
    attestation = put_image(server, 'attestation')
    put_index(server, entry(attestation, UNKNOWN), entry(put_image(server), LINUX))
    server.hook = lambda request: answer if request.path.endswith(attestation) else None
    client = client_of(server)
    for ask in (client.get_alias, client.get_manifest, client.get_digest):
        with pytest.raises(kind):
            ask('index')
    assert client.get_alias('index', platform='linux/amd64') == [DIGEST]


def test_an_image_that_is_gone_is_an_error(server: ScriptedRegistry) -> None:
    put_index(server, entry(put_image(server), LINUX), entry(hash_bytes(b'gone'), {**LINUX, 'variant': 'v2'}))
    with pytest.raises(DXFHTTPError, match='404'):
        client_of(server).get_alias('index')
    assert client_of(server).get_alias('index', platform='linux/amd64') == [DIGEST]


def test_an_entry_without_a_type_is_reached(server: ScriptedRegistry) -> None:
    second = put_image(server, 'second')
    put_index(server, entry(put_image(server), LINUX), entry(second, LINUX, None))
    assert set(client_of(server).get_alias('index')) == {'linux/amd64', f'linux/amd64@{second}'}


def test_an_entry_of_a_type_that_is_no_manifest_is_passed_over(server: ScriptedRegistry) -> None:
    put_index(server, entry(put_image(server), LINUX), entry(hash_bytes(b'x'), UNKNOWN, 'application/x-other'))
    assert set(client_of(server).get_alias('index')) == {'linux/amd64'}


@pytest.mark.parametrize('said', [OCI, INDEX])
def test_an_entry_that_is_not_what_its_type_says_is_refused(server: ScriptedRegistry, said: str) -> None:
    image = put_image(server)
    inner = put_index(server, entry(image, LINUX), tag='inner')
    put_index(server, entry(inner if said == OCI else image, LINUX, said))
    with pytest.raises(DXFInvalidDocumentError, match='not what its type says'):
        client_of(server).get_alias('index')


def test_indexes_within_indexes_have_an_end(server: ScriptedRegistry) -> None:
    digest, media_type = put_image(server), OCI
    for _ in range(5):
        digest, media_type = put_index(server, entry(digest, LINUX, media_type)), INDEX
    with pytest.raises(DXFInvalidDocumentError, match='too deep'):
        client_of(server).get_alias('index')


def test_a_manifest_that_is_no_utf_8_is_refused(server: ScriptedRegistry) -> None:
    server.memory.put_manifest(REPO, 'a', OCI, b'{"schemaVersion": "\xff"}')
    with pytest.raises(DXFInvalidDocumentError, match='UTF-8'):
        client_of(server).get_alias('a')
