"""Manifests from a registry that lies about them: what was asked for by digest is hashed, whoever asks."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dxf import DXF, hash_bytes
from dxf.exceptions import DXFDigestMismatchError, DXFInvalidDocumentError
from dxf.main import doit

from ..servers.scripted_registry import REPO, Answer, Request, ScriptedRegistry

OCI = 'application/vnd.oci.image.manifest.v1+json'
INDEX = 'application/vnd.oci.image.index.v1+json'


def image(name: str) -> bytes:
    """Return an image manifest that differs by a name."""
    entry = {'digest': hash_bytes(name.encode()), 'size': len(name), 'mediaType': 'application/octet-stream'}
    return json.dumps({'schemaVersion': 2, 'mediaType': OCI, 'config': entry, 'layers': [entry]}).encode()


TRUE, FALSE = image('true'), image('false')
TRUE_DIGEST = hash_bytes(TRUE)


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that holds an image and an index of it, and gives out another image for that."""
    server.memory.put_manifest(REPO, 'image', OCI, TRUE)
    entry = {'digest': TRUE_DIGEST, 'size': len(TRUE), 'mediaType': OCI,
             'platform': {'os': 'linux', 'architecture': 'amd64'}}
    index = {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': [entry]}
    server.memory.put_manifest(REPO, 'index', INDEX, json.dumps(index).encode())
    return server


def lie(server: ScriptedRegistry, **changes: Any) -> None:
    """Change what the registry answers to a GET of the image by its digest."""
    def hook(request: Request) -> Answer | None:
        if request.line == f'GET /v2/{REPO}/manifests/{TRUE_DIGEST}':
            return replace(server.ordinary(request), **changes)
        return None
    server.hook = hook


@pytest.mark.parametrize('ask', [
    pytest.param(lambda client: client.get_manifest_and_response(TRUE_DIGEST), id='the text and the answer'),
    pytest.param(lambda client: client.get_manifest(TRUE_DIGEST), id='the text'),
    pytest.param(lambda client: client.get_alias(TRUE_DIGEST), id='the blobs'),
    pytest.param(lambda client: client.get_digest(TRUE_DIGEST), id='the configuration'),
    pytest.param(lambda client: client.del_alias(TRUE_DIGEST), id='before it is deleted'),
    pytest.param(lambda client: client.get_manifest('index'), id='a child of an index'),
    pytest.param(lambda client: client.get_alias('index', platform='linux/amd64'), id='the child of one platform'),
])
def test_another_manifest_than_the_digest_names_is_an_error(server: ScriptedRegistry, client: DXF,
                                                            ask: Callable[[DXF], object]) -> None:
    lie(server, body=FALSE)
    with pytest.raises(DXFDigestMismatchError) as caught:
        ask(client)
    assert not server.of('DELETE')
    assert TRUE_DIGEST in (caught.value.expected, caught.value.got)


@pytest.mark.parametrize(('header', 'accepted'), [
    pytest.param(hash_bytes(FALSE), False, id='of other content'),
    pytest.param(TRUE_DIGEST, True, id='of this content'),
    pytest.param(None, True, id='none'),
    pytest.param('sha512:' + 'a' * 128, True, id='by another algorithm, which is not checked'),
])
def test_the_digest_header_must_not_contradict_the_content(server: ScriptedRegistry, client: DXF, header: str | None,
                                                           accepted: bool) -> None:
    lie(server, headers={'Content-Type': OCI, **({} if header is None else {'Docker-Content-Digest': header})})
    if accepted:
        assert client.get_manifest(TRUE_DIGEST) == TRUE.decode()
        return
    with pytest.raises(DXFDigestMismatchError):
        client.get_manifest(TRUE_DIGEST)


def test_a_manifest_under_the_type_of_an_index_is_refused(server: ScriptedRegistry, client: DXF) -> None:
    lie(server, headers={'Content-Type': INDEX})
    with pytest.raises(DXFInvalidDocumentError, match='contradicts'):
        client.get_manifest('index')


NO_DIGESTS = ['', 'x', 'sha256:', 'sha256:\x1b[2J', f'sha256:{"A" * 64}', f'sha512:{"a" * 128}', f'{TRUE_DIGEST},x',
              TRUE_DIGEST.removeprefix('sha256:')]


@pytest.mark.parametrize('header', NO_DIGESTS)
def test_a_digest_header_that_is_no_digest_is_not_printed(server: ScriptedRegistry, client: DXF,
                                                          capfd: pytest.CaptureFixture[str], header: str) -> None:
    answer = Answer(200, {'Content-Type': OCI, 'Docker-Content-Digest': header}, TRUE)
    server.hook = lambda request: answer if request.method == 'HEAD' else None
    assert client.head_manifest_and_response('image')[0] is None
    assert client.manifest_digest('image') == TRUE_DIGEST  # by the content
    assert doit(['get-manifest-digest', REPO, 'image'], server.environ()) == 0
    assert capfd.readouterr().out == f'{TRUE_DIGEST}\n'


def test_a_digest_header_that_contradicts_the_digest_asked_for_is_an_error(server: ScriptedRegistry, client: DXF
                                                                           ) -> None:
    answer = Answer(200, {'Content-Type': OCI, 'Docker-Content-Digest': hash_bytes(FALSE)}, TRUE)
    server.hook = lambda request: answer if request.method == 'HEAD' else None
    for ask in (client.head_manifest_and_response, client.manifest_digest):
        with pytest.raises(DXFDigestMismatchError):
            ask(TRUE_DIGEST)
