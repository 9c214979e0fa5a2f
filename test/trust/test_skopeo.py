"""Skopeo as the second opinion: it reads what dxf writes as far as the formats allow, and dxf reads what it writes.

Measured with Debian's skopeo 1.9.3. Its rules, not dxf's, are why not everything works: it parses layers of Docker's
schema 2 as Docker's own types alone, and schema 1 with image ids alone. OCI's manifest it takes with any types.
"""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import dxf
from dxf.exceptions import DXFDigestNotAvailableForSchema1
from dxf.main import doit

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.images import Image, Index, by_platform, layer, write_index, write_layout

Skopeo = Callable[..., str]

BLOBS = (b'no tar, no JSON: \x00\xff', b'second', b'', b'third\n')
OCTETS = 'application/octet-stream'
OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
OCI_EMPTY = 'application/vnd.oci.empty.v1+json'
DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
REFUSED_LAYERS = 'unsupported docker v2s2 media type'
REFUSED_IDS = 'image ID .* is invalid'
NO_IMAGE = 'unsupported image-specific operation on artifact'
NO_JSON = 'invalid character'


def name(endpoint: Endpoint, repo: str, alias: str = 'a') -> str:
    """Return skopeo's name for an alias."""
    return f'docker://{endpoint.host}/{repo}:{alias}'


def write_alias(endpoint: Endpoint, repo: str, schema: str) -> str:
    """Let dxf store several blobs under the alias ``a``; return the manifest."""
    client = dxf.DXF(endpoint.host, repo, endpoint.auth(), endpoint.insecure, None, endpoint.ca or True, schema=schema)
    return client.set_alias('a', *(client.push_blob(data=blob) for blob in BLOBS))


def inspect(skopeo: Skopeo, endpoint: Endpoint, repo: str, *options: str) -> str:
    """Return what skopeo says of the alias ``a`` of an open registry."""
    return skopeo('inspect', '--tls-verify=false', *options, name(endpoint, repo))


def copy(skopeo: Skopeo, endpoint: Endpoint, repo: str, to: str, *options: str) -> None:
    """Let skopeo copy the alias ``a`` of an open registry."""
    skopeo('copy', '--src-tls-verify=false', '--dest-tls-verify=false', *options, name(endpoint, repo), to)


# Skopeo reads what dxf writes


@pytest.mark.parametrize('schema', ['v2', 'oci'])
def test_skopeo_shows_the_manifest_as_dxf_wrote_it(open_registry: Endpoint, repo: str, skopeo: Skopeo,
                                                   schema: str) -> None:
    manifest = write_alias(open_registry, repo, schema)
    assert inspect(skopeo, open_registry, repo, '--raw') == manifest


def test_skopeo_shows_the_schema_1_manifest_that_dxf_wrote(schema1_registry: Endpoint, repo: str,
                                                           skopeo: Skopeo) -> None:
    written = json.loads(write_alias(schema1_registry, repo, 'v1'))
    shown = inspect(skopeo, schema1_registry, repo, '--raw')
    assert dxf.DXF('', repo).get_alias(manifest=shown) == [dxf.hash_bytes(blob) for blob in BLOBS]
    assert {**json.loads(shown), 'signatures': None} == {**written, 'signatures': None}  # it signs with its own key


def test_skopeo_shows_the_first_blob_as_the_configuration_of_an_oci_alias(open_registry: Endpoint, repo: str,
                                                                          skopeo: Skopeo) -> None:
    client = dxf.DXF(open_registry.host, repo, insecure=True, schema='oci')
    client.set_alias('a', client.push_blob(data=b'{"any": "text"}'), client.push_blob(data=b'second'))
    assert inspect(skopeo, open_registry, repo, '--config', '--raw') == '{"any": "text"}'


def test_skopeo_copies_an_oci_alias_to_a_directory(open_registry: Endpoint, repo: str, skopeo: Skopeo,
                                                   tmp_path: Path) -> None:
    manifest = write_alias(open_registry, repo, 'oci')
    copy(skopeo, open_registry, repo, f'dir:{tmp_path}')
    assert (tmp_path / 'manifest.json').read_text() == manifest
    for blob in BLOBS:
        assert (tmp_path / dxf.split_digest(dxf.hash_bytes(blob))[1]).read_bytes() == blob


def test_skopeo_copies_an_oci_alias_to_a_layout_and_back(open_registry: Endpoint, repo: str, skopeo: Skopeo,
                                                         tmp_path: Path) -> None:
    manifest = write_alias(open_registry, repo, 'oci')
    copy(skopeo, open_registry, repo, f'oci:{tmp_path}:a')
    for content in (*BLOBS, manifest.encode()):
        assert (tmp_path / 'blobs' / 'sha256' / dxf.split_digest(dxf.hash_bytes(content))[1]).read_bytes() == content
    skopeo('copy', '--dest-tls-verify=false', f'oci:{tmp_path}:a', name(open_registry, f'{repo}-back'))
    client = open_registry.dxf(f'{repo}-back')
    assert client.get_manifest('a') == manifest
    assert [b''.join(client.pull_blob(digest)) for digest in client.get_alias('a')] == list(BLOBS)


@pytest.mark.parametrize('options', [(), ('--all', '--preserve-digests')], ids=['plain', 'preserving digests'])
def test_skopeo_copies_an_oci_alias_to_another_registry(open_registry: Endpoint, schema1_registry: Endpoint, repo: str,
                                                        skopeo: Skopeo, options: tuple[str, ...]) -> None:
    manifest = write_alias(open_registry, repo, 'oci')
    copy(skopeo, open_registry, repo, name(schema1_registry, repo), *options)
    client = schema1_registry.dxf(repo)
    assert client.get_manifest('a') == manifest
    assert [b''.join(client.pull_blob(digest)) for digest in client.get_alias('a')] == list(BLOBS)


@pytest.mark.parametrize('kind', ['basic_registry', 'token_registry'])
def test_skopeo_reads_an_oci_alias_with_the_same_credentials(request: pytest.FixtureRequest, kind: str, repo: str,
                                                             skopeo: Skopeo, tmp_path: Path) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    manifest = write_alias(endpoint, repo, 'oci')
    authority = tmp_path / 'authority'
    authority.mkdir()
    (authority / 'ca.crt').write_bytes(Path(str(endpoint.ca)).read_bytes())
    skopeo('copy', f'--src-creds={USERNAME}:{PASSWORD}', f'--src-cert-dir={authority}', name(endpoint, repo),
           f'dir:{tmp_path / "copy"}')
    assert (tmp_path / 'copy' / 'manifest.json').read_text() == manifest


def test_skopeo_lists_the_aliases_of_dxf(open_registry: Endpoint, repo: str, skopeo: Skopeo) -> None:
    client = open_registry.dxf(repo)
    for alias in ('may15-readings', 'June_16'):
        client.set_alias(alias, client.push_blob(data=b'readings'))
    listed = json.loads(skopeo('list-tags', '--tls-verify=false', f'docker://{open_registry.host}/{repo}'))
    assert sorted(listed['Tags']) == sorted(client.list_aliases()) == ['June_16', 'may15-readings']


# Where it does not, and why: pinned, so that a change is seen


@pytest.mark.parametrize(('schema', 'reason'), [
    pytest.param('v2', REFUSED_LAYERS, id='it wants layers of the type of a tar, the contract octets'),
    pytest.param('v1', REFUSED_IDS, id='it wants image ids in v1Compatibility, which the contract leaves empty'),
])
def test_skopeo_does_not_copy_docker_s_own_formats_with_blobs_of_any_kind(
        schema1_registry: Endpoint, repo: str, skopeo: Skopeo, tmp_path: Path, schema: str, reason: str) -> None:
    write_alias(schema1_registry, repo, schema)
    for attempt in (lambda: inspect(skopeo, schema1_registry, repo),
                    lambda: copy(skopeo, schema1_registry, repo, f'dir:{tmp_path}')):
        with pytest.raises(AssertionError, match=reason):
            attempt()


CONFIGURATIONS = [
    pytest.param(OCTETS, BLOBS[0], NO_IMAGE, id='the first blob, as octets: what dxf writes'),
    pytest.param(OCI_EMPTY, BLOBS[0], NO_IMAGE, id='the first blob, under the type of no configuration'),
    pytest.param('application/vnd.example.config', BLOBS[0], NO_IMAGE, id='the first blob, under a type of its own'),
    pytest.param(DOCKER_CONFIG, BLOBS[0], NO_IMAGE, id='the first blob, under the type of Docker'),
    pytest.param(OCI_CONFIG, BLOBS[0], NO_JSON, id='the first blob, as an image configuration'),
    pytest.param(OCI_EMPTY, b'{}', NO_IMAGE, id='an empty object, under its own type'),
    pytest.param(OCI_CONFIG, b'{}', None, id='an empty object, as an image configuration'),
]


@pytest.mark.parametrize(('media_type', 'content', 'refusal'), CONFIGURATIONS)
def test_skopeo_copies_an_oci_alias_with_any_configuration_but_inspects_few(
        open_registry: Endpoint, schema1_registry: Endpoint, repo: str, skopeo: Skopeo, tmp_path: Path, media_type: str,
        content: bytes, refusal: str | None) -> None:
    write_alias(open_registry, repo, 'oci')
    client = open_registry.dxf(repo)
    document = json.loads(str(client.get_manifest('a')))
    document['config'] = {'mediaType': media_type, 'digest': client.push_blob(data=content), 'size': len(content)}
    manifest = json.dumps(document, sort_keys=True)
    client.set_manifest('a', manifest)
    copy(skopeo, open_registry, repo, f'dir:{tmp_path / "dir"}')
    copy(skopeo, open_registry, repo, f'oci:{tmp_path / "oci"}:a')
    copy(skopeo, open_registry, repo, name(schema1_registry, repo))
    assert schema1_registry.dxf(repo).get_manifest('a') == manifest
    if refusal is None:
        assert json.loads(inspect(skopeo, open_registry, repo))['Layers'] == [dxf.hash_bytes(blob) for blob in BLOBS]
    else:
        with pytest.raises(AssertionError, match=refusal):
            inspect(skopeo, open_registry, repo)


# Dxf reads what skopeo writes

LAYERS = (b'first layer\n' * 1000, b'second layer', b'')
PLATFORMS = (('linux/amd64', LAYERS), ('linux/arm/v7', (b'arm', b'second layer')), ('unknown/unknown', (b'proof',)))


def push(skopeo: Skopeo, endpoint: Endpoint, repo: str, layout: Path, *options: str) -> None:
    """Let skopeo push a layout's latest image as the alias ``a``."""
    skopeo('copy', '--dest-tls-verify=false', *options, f'oci:{layout}:latest', name(endpoint, repo))


def check_blobs(client: dxf.DXF, sized: list[tuple[str, int]], contents: list[bytes]) -> None:
    """Insist that blobs have the sizes that they are said to have, and the contents."""
    assert [size for _, size in sized] == [len(content) for content in contents]
    for (digest, size), content in zip(sized, contents, strict=True):
        assert client.blob_size(digest) == size
        chunks, declared = client.pull_blob(digest, size=True)
        assert (b''.join(chunks), declared) == (content, size)


def run(endpoint: Endpoint, capture: pytest.CaptureFixture[bytes], *args: str, status: int = 0) -> bytes:
    """Run a command and return what it printed."""
    capture.readouterr()
    assert doit(args, endpoint.environ()) == status
    return capture.readouterr().out


@pytest.fixture(name='image')
def write_image(tmp_path: Path) -> Image:
    """A layout with an image of several layers, in the test's directory."""
    return write_layout(tmp_path, LAYERS)


@pytest.fixture(name='index')
def write_platforms(tmp_path: Path) -> Index:
    """A layout with an index, in the test's directory."""
    return write_index(tmp_path, PLATFORMS)


@pytest.mark.parametrize(('form', 'media_type'), [
    ('v2s2', 'application/vnd.docker.distribution.manifest.v2+json'),
    ('oci', 'application/vnd.oci.image.manifest.v1+json'),
])
def test_dxf_reads_and_deletes_an_image_that_skopeo_pushed(
        open_registry: Endpoint, repo: str, skopeo: Skopeo, tmp_path: Path, image: Image, form: str, media_type: str,
        capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    push(skopeo, open_registry, repo, tmp_path, '--format', form)
    client = open_registry.dxf(repo)
    contents = [layer(content) for content in LAYERS]
    assert client.list_aliases() == ['a']
    assert client.get_manifest('a') == inspect(skopeo, open_registry, repo, '--raw')
    assert json.loads(str(client.get_manifest('a')))['mediaType'] == media_type
    assert client.get_alias('a') == list(image.layers)
    check_blobs(client, list(client.get_alias('a', sizes=True, platform='any/any')), contents)
    assert run(open_registry, capfdbinary, 'pull-blob', repo, '@a') == b''.join(contents)
    assert run(open_registry, capfdbinary, 'blob-size', repo, '@a') == b'%d\n' % len(b''.join(contents))
    config = json.loads(inspect(skopeo, open_registry, repo, '--config', '--raw'))
    assert json.loads(b''.join(client.pull_blob(str(client.get_digest('a'))))) == config
    assert run(open_registry, capfdbinary, 'del-blob', repo, '@a') == b''
    assert run(open_registry, capfdbinary, 'blob-size', repo, image.layers[0], status=errno.ENOENT) == b''
    assert run(open_registry, capfdbinary, 'del-alias', repo, 'a') == ''.join(
        f'{digest}\n' for digest in image.layers).encode()
    assert client.list_aliases() == []


@pytest.mark.parametrize(('form', 'media_type'), [
    ('v2s2', 'application/vnd.docker.distribution.manifest.list.v2+json'),
    ('oci', 'application/vnd.oci.image.index.v1+json'),
])
def test_dxf_reads_and_deletes_an_index_that_skopeo_pushed(
        open_registry: Endpoint, repo: str, skopeo: Skopeo, tmp_path: Path, index: Index, form: str, media_type: str,
        capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    push(skopeo, open_registry, repo, tmp_path, '--all', '--format', form)
    client = open_registry.dxf(repo)
    text, _ = client.get_manifest_and_response('a')
    assert text == inspect(skopeo, open_registry, repo, '--raw')
    assert json.loads(text)['mediaType'] == media_type
    for image, (platform, layers) in zip(index.images[:2], PLATFORMS[:2], strict=True):  # the third is no image
        assert by_platform(client.get_alias('a'))[platform] == list(image.layers)
        assert client.get_alias('a', platform=platform) == list(image.layers)
        check_blobs(client, by_platform(client.get_alias('a', sizes=True))[platform], list(map(layer, layers)))
        assert doit(['pull-blob', repo, '@a'], {**open_registry.environ(), 'DXF_PLATFORM': platform}) == 0
        assert capfdbinary.readouterr() == (b''.join(map(layer, layers)), b'')
    deleted = json.loads(run(open_registry, capfdbinary, 'del-alias', repo, 'a'))
    assert set(deleted) >= {'linux/amd64', 'linux/arm/v7'}
    assert set(deleted.values()) <= {str(entry['digest']) for entry in json.loads(text)['manifests']}
    assert client.list_aliases() == []


def test_dxf_reads_and_deletes_a_schema_1_image_that_skopeo_pushed(
        schema1_registry: Endpoint, repo: str, skopeo: Skopeo, tmp_path: Path, image: Image,
        capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    push(skopeo, schema1_registry, repo, tmp_path, '--format', 'v2s1')
    client = schema1_registry.dxf(repo)
    document = json.loads(str(client.get_manifest('a')))
    assert document['schemaVersion'] == 1
    digests = client.get_alias('a')
    assert digests == [entry['blobSum'] for entry in document['fsLayers']]
    assert set(image.layers) <= set(digests)
    assert [digest for digest in reversed(digests) if digest in image.layers] == list(image.layers)
    known = dict(zip(image.layers, map(layer, LAYERS), strict=True))
    check_blobs(client, [one for one in client.get_alias('a', sizes=True, platform='any/any') if one[0] in known],
                [known[digest] for digest in digests if digest in known])
    with pytest.raises(DXFDigestNotAvailableForSchema1):
        client.get_digest('a')
    assert run(schema1_registry, capfdbinary, 'get-alias', repo, 'a').decode().splitlines() == digests
    pulled = run(schema1_registry, capfdbinary, 'pull-blob', repo, '@a')
    assert all(content in pulled for content in known.values())
    assert run(schema1_registry, capfdbinary, 'del-alias', repo, 'a').decode().splitlines() == digests
    assert run(schema1_registry, capfdbinary, 'del-blob', repo, *digests) == b''
    assert client.list_aliases() == []


def test_dxf_reads_schema_1_that_the_registry_made_of_schema_2_for_skopeo(
        schema1_registry: Endpoint, repo: str, skopeo: Skopeo, tmp_path: Path, image: Image) -> None:
    push(skopeo, schema1_registry, repo, tmp_path, '--format', 'v2s2')
    client = schema1_registry.dxf(repo)
    signed = client._request('get', 'manifests/a', headers={
        'Accept': 'application/vnd.docker.distribution.manifest.v1+prettyjws'}).text
    assert json.loads(signed)['schemaVersion'] == 1
    assert [digest for digest in reversed(client.get_alias(manifest=signed)) if digest in image.layers] == list(
        image.layers)


def test_dxf_moves_an_image_of_skopeo_s_to_another_registry(open_registry: Endpoint, schema1_registry: Endpoint,
                                                            repo: str,
                                                            skopeo: Skopeo, tmp_path: Path, image: Image) -> None:
    push(skopeo, open_registry, repo, tmp_path)
    source, target = open_registry.dxf(repo), schema1_registry.dxf(repo)
    config = str(source.get_digest('a'))
    for digest in (config, *source.get_alias('a')):
        assert target.push_blob(data=source.pull_blob(digest), digest=digest) == digest
    target.set_manifest('a', str(source.get_manifest('a')))
    assert json.loads(inspect(skopeo, schema1_registry, repo))['Layers'] == list(image.layers)
    skopeo('copy', '--src-tls-verify=false', name(schema1_registry, repo), f'dir:{tmp_path / "copy"}')
