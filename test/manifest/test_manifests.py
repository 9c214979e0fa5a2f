"""Image manifests and indexes: read from a stranger, made from blobs, named by their media type."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dxf.exceptions import (DXFError, DXFInvalidDocumentError, DXFMissingSignaturesError,
                            DXFUnexpectedDigestMethodError, DXFUnsupportedSchemaType)
from dxf.manifest import image as manifests
from dxf.manifest.image import Descriptor, ImageManifest, Index

V2 = 'application/vnd.docker.distribution.manifest.v2+json'
DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
OCI = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
UNSIGNED = 'application/vnd.docker.distribution.manifest.v1+json'
OCTETS = 'application/octet-stream'
A, B, C = (f'sha256:{letter * 64}' for letter in 'abc')


def descriptor(digest: str = A, size: Any = 1, **more: Any) -> dict[str, Any]:
    """Return a descriptor."""
    return {'digest': digest, 'size': size, **more}


def image(media_type: str | None = V2, **more: Any) -> dict[str, Any]:
    """Return an image manifest of one config and two layers."""
    return {'schemaVersion': 2, **({} if media_type is None else {'mediaType': media_type}),
            'config': descriptor(C, 3, mediaType=DOCKER_CONFIG),
            'layers': [descriptor(B, 2, mediaType=OCTETS), descriptor(A, 1)], **more}


def index(media_type: str | None = DOCKER_LIST, **more: Any) -> dict[str, Any]:
    """Return an index of one entry."""
    return {'schemaVersion': 2, **({} if media_type is None else {'mediaType': media_type}),
            'manifests': [descriptor(mediaType=V2, platform={'os': 'linux', 'architecture': 'amd64'})], **more}


def read(document: Any, content_type: str | None = None) -> Any:
    """Read a document that is not text yet."""
    return manifests.read(json.dumps(document), content_type)


# Reading

@pytest.mark.parametrize('declared, content_type, media_type', [
    pytest.param(V2, V2, V2, id='Docker, as registries send it'),
    pytest.param(V2, None, V2, id='Docker, from a file'),
    pytest.param(OCI, OCI, OCI, id='OCI'),
    pytest.param(None, OCI, OCI, id='OCI without mediaType, which is legal'),
    pytest.param(None, None, OCI, id='OCI without mediaType, from a file'),
    pytest.param(None, V2, V2, id='the header alone tells'),
    pytest.param(V2, f'{V2}; charset=utf-8', V2, id='header with a parameter'),
    pytest.param(V2, f' {V2.upper()} ;charset="utf-8"; x=y', V2, id='header in upper case, with spaces'),
    pytest.param(V2, '', V2, id='empty header'),
    pytest.param(V2, 'application/json', V2, id='vague: JSON'),
    pytest.param(OCI, 'application/json; charset=utf-8', OCI, id='vague, with a parameter'),
    pytest.param(V2, 'application/octet-stream', V2, id='vague: bytes'),
    pytest.param(OCI, 'text/plain', OCI, id='vague: text'),
    pytest.param(V2, 'binary/octet-stream', V2, id='vague: what S3 calls an object without a type'),
    pytest.param(None, 'text/plain; charset=utf-8', OCI, id='vague, and no mediaType'),
])
def test_an_image_manifest_is_read(declared: str | None, content_type: str | None, media_type: str) -> None:
    text = json.dumps(image(declared), indent=3)
    assert manifests.read(text, content_type) == ImageManifest(
        text, 'sha256:' + hashlib.sha256(text.encode()).hexdigest(), media_type,
        Descriptor(C, 3, DOCKER_CONFIG), (Descriptor(B, 2, OCTETS), Descriptor(A, 1, OCTETS)))


@pytest.mark.parametrize('declared, content_type, media_type', [
    pytest.param(DOCKER_LIST, DOCKER_LIST, DOCKER_LIST, id='Docker'),
    pytest.param(OCI_INDEX, OCI_INDEX, OCI_INDEX, id='OCI'),
    pytest.param(None, OCI_INDEX, OCI_INDEX, id='OCI without mediaType'),
    pytest.param(None, None, OCI_INDEX, id='OCI without mediaType, from a file'),
    pytest.param(None, 'application/json', OCI_INDEX, id='OCI without mediaType under a vague header'),
    pytest.param(DOCKER_LIST, 'binary/octet-stream', DOCKER_LIST, id='vague: what S3 calls an object without a type'),
])
def test_an_index_is_read(declared: str | None, content_type: str | None, media_type: str) -> None:
    text = json.dumps(index(declared))
    assert manifests.read(text, content_type) == Index(
        text, 'sha256:' + hashlib.sha256(text.encode()).hexdigest(), media_type,
        (Descriptor(A, 1, V2, 'linux/amd64'),))


@pytest.mark.parametrize('platform, name', [
    pytest.param({'os': 'linux', 'architecture': 'amd64'}, 'linux/amd64', id='two parts'),
    pytest.param({'os': 'linux', 'architecture': 'arm', 'variant': 'v7'}, 'linux/arm/v7', id='with a variant'),
    pytest.param({'os': 'linux', 'architecture': 'arm', 'variant': ''}, 'linux/arm', id='empty variant'),
    pytest.param({'os': 'windows', 'architecture': 'amd64', 'os.version': '10.0.17763.1'}, 'windows/amd64',
                 id='more is known'),
    pytest.param({'os': 'unknown', 'architecture': 'unknown'}, 'unknown/unknown', id='an attestation'),
    pytest.param({'architecture': 'amd64'}, None, id='no system'),
    pytest.param({'os': 'linux', 'architecture': ''}, None, id='empty architecture'),
    pytest.param({'os': {'a': 1}, 'architecture': 'x'}, None, id='an object'),
    pytest.param({'os': ['linux'], 'architecture': 'x'}, None, id='a list'),
    pytest.param({'os': '\x1b[2J', 'architecture': 'x'}, None, id='a terminal sequence'),
    pytest.param({'os': 'linux/amd64', 'architecture': 'x', 'variant': 'y'}, None, id='a slash too many'),
    pytest.param({}, None, id='empty platform'),
    pytest.param(None, None, id='null'),
])
def test_an_entry_is_named_by_its_platform(platform: Any, name: str | None) -> None:
    entry = descriptor(mediaType=OCI, platform=platform)
    assert read(index(OCI_INDEX, manifests=[entry])).manifests == (Descriptor(A, 1, OCI, name),)


def test_an_entry_without_a_platform_is_read() -> None:
    entries = [descriptor(A, mediaType=OCI), descriptor(B, mediaType='application/x')]
    assert [entry.platform for entry in read(index(manifests=entries)).manifests] == [None, None]


@pytest.mark.parametrize('document', [
    pytest.param(image(layers=[]), id='no layers'),
    pytest.param(image(layers=[descriptor(size=0)]), id='empty layer'),
    pytest.param(image(layers=[descriptor(size=5 << 40)]), id='large layer'),
    pytest.param(image(layers=[descriptor()] * 3), id='one layer thrice'),
    pytest.param(image(layers=[descriptor(urls=['http://localhost/'])]), id='layer elsewhere'),
    pytest.param(image(annotations={'a': 'b'}, subject=descriptor(), artifactType='application/x'), id='more keys'),
    pytest.param(index(manifests=[]), id='empty index'),
])
def test_what_is_legal_is_read(document: dict[str, Any]) -> None:
    assert isinstance(read(document), (ImageManifest, Index))


# Refusals

@pytest.mark.parametrize('where', ['config', 'layers', 'manifests'])
@pytest.mark.parametrize('digest, method', [(f'sha512:{"a" * 128}', 'sha512'), (f'md5:{"a" * 32}', 'md5')])
def test_another_digest_method_is_refused_by_its_name(where: str, digest: str, method: str) -> None:
    entry = descriptor(digest)
    made = index() if where == 'manifests' else image()
    document = {**made, where: entry if where == 'config' else [descriptor(), entry]}
    with pytest.raises(DXFUnexpectedDigestMethodError) as caught:
        read(document)
    assert (caught.value.got, caught.value.expected) == (method, 'sha256')


@pytest.mark.parametrize('document, content_type', [
    pytest.param(image(manifests=[]), None, id='image with an empty list of manifests'),
    pytest.param(image(manifests=index()['manifests']), V2, id='image with manifests'),
    pytest.param(image(None, manifests=index()['manifests']), OCI, id='OCI, image by its header'),
    pytest.param(image(None, manifests=index()['manifests']), OCI_INDEX, id='OCI, index by its header'),
    pytest.param(image(None, manifests=[]), None, id='by nobody told'),
    pytest.param(index(layers=[]), None, id='index with an empty list of layers'),
    pytest.param(index(layers=None), None, id='index with null for layers'),
    pytest.param(index(config=descriptor()), DOCKER_LIST, id='index with a config'),
    pytest.param(image(DOCKER_LIST), None, id='image that calls itself a list'),
    pytest.param(image(OCI_INDEX), OCI_INDEX, id='image that calls itself an index, and so does the header'),
    pytest.param(index(V2), None, id='list that calls itself an image'),
    pytest.param(index(OCI), OCI, id='index that calls itself an image, and so does the header'),
    pytest.param(image(None), OCI_INDEX, id='image, index by its header'),
    pytest.param(index(None), OCI, id='index, image by its header'),
    pytest.param(image(V2), OCI, id='Docker under the header of OCI'),
    pytest.param(image(OCI), V2, id='OCI under the header of Docker'),
    pytest.param(index(DOCKER_LIST), OCI_INDEX, id='list under the header of OCI'),
    pytest.param(image(V2), DOCKER_LIST, id='image under the header of a list'),
    pytest.param(image(V2), SIGNED, id='schema 2 under the header of schema 1'),
    pytest.param(image(V2), 'text/html', id='image under the header of a page'),
    pytest.param(image(fsLayers=[{'blobSum': A}]), None, id='image with the layers of schema 1'),
    pytest.param(image(None, fsLayers=[]), OCI, id='OCI, with an empty list of the layers of schema 1'),
    pytest.param(index(fsLayers=[{'blobSum': A}]), None, id='index with the layers of schema 1'),
])
def test_what_others_would_read_differently_is_refused(document: dict[str, Any], content_type: str | None) -> None:
    # CVE-2021-41190
    with pytest.raises(DXFInvalidDocumentError, match='^invalid manifest: '):
        read(document, content_type)


@pytest.mark.parametrize('more, content_type', [
    pytest.param({}, V2, id='under the header of schema 2'),
    pytest.param({}, OCI_INDEX, id='under the header of an index'),
    pytest.param({}, 'text/html', id='under the header of a page'),
    pytest.param({'mediaType': V2}, SIGNED, id='its own type is schema 2'),
    pytest.param({'mediaType': OCI_INDEX}, UNSIGNED, id='its own type is an index'),
    pytest.param({'manifests': index()['manifests']}, SIGNED, id='an index, too'),
    pytest.param({'config': descriptor(), 'layers': [descriptor(B)]}, SIGNED, id='an image of schema 2, too'),
    pytest.param({'layers': [descriptor(B)]}, SIGNED, id='the layers of schema 2, too'),
])
def test_schema_1_that_others_would_read_as_something_else_is_refused(more: dict[str, Any],
                                                                      content_type: str) -> None:
    document = {'schemaVersion': 1, 'name': 'fred/x', 'tag': 'x', 'fsLayers': [{'blobSum': A}],
                'history': [{'v1Compatibility': '{}'}], **more}
    with pytest.raises(DXFInvalidDocumentError):
        manifests.read(json.dumps(document), content_type, verify=False)


@pytest.mark.parametrize('document, content_type, media_type', [
    pytest.param({}, None, None, id='an empty object'),
    pytest.param({'schemaVersion': 2}, 'application/json', None, id='no form'),
    pytest.param(image('application/x'), None, 'application/x', id='by its own word'),
    pytest.param(image(None), 'application/x', 'application/x', id='by the header'),
    pytest.param(image(None), 'text/html; charset=utf-8', 'text/html', id='a page by its header'),
    pytest.param({'schemaVersion': 2, 'mediaType': SIGNED}, None, SIGNED, id='schema 1 in the guise of schema 2'),
    pytest.param({'mediaType': 'application/vnd.oci.artifact.manifest.v1+json', 'blobs': []}, None,
                 'application/vnd.oci.artifact.manifest.v1+json', id='an artifact manifest, withdrawn from OCI'),
])
def test_other_types_are_unsupported_by_name(document: dict[str, Any], content_type: str | None,
                                             media_type: str | None) -> None:
    with pytest.raises(DXFUnsupportedSchemaType) as caught:
        read(document, content_type)
    assert caught.value.media_type == media_type


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a document that lacks a key."""
    return {name: value for name, value in document.items() if name != key}


@pytest.mark.parametrize('document', [
    pytest.param([], id='a list'),
    pytest.param('x', id='text'),
    pytest.param(7, id='a number'),
    pytest.param(None, id='null'),
    pytest.param(image(mediaType=7), id='mediaType: number'),
    pytest.param(image(mediaType=[V2]), id='mediaType: list'),
    pytest.param(without(image(), 'schemaVersion'), id='schemaVersion: missing'),
    pytest.param(image(schemaVersion='2'), id='schemaVersion: text'),
    pytest.param(image(schemaVersion=3), id='schemaVersion: the future'),
    pytest.param(image(schemaVersion=None), id='schemaVersion: null'),
    pytest.param(image(schemaVersion=[2]), id='schemaVersion: list'),
    pytest.param(image(schemaVersion=True), id='schemaVersion: true, which Python takes for 1'),
    pytest.param(without(image(), 'config'), id='config: missing'),
    pytest.param(image(config=None), id='config: null'),
    pytest.param(image(config=[]), id='config: list'),
    pytest.param(image(config=A), id='config: text'),
    pytest.param(without(image(), 'layers'), id='layers: missing'),
    pytest.param(image(layers=None), id='layers: null'),
    pytest.param(image(layers={}), id='layers: object'),
    pytest.param(image(layers=A), id='layers: text'),
    pytest.param(image(layers=[A]), id='layer: text'),
    pytest.param(image(layers=[None]), id='layer: null'),
    pytest.param(image(layers=[[]]), id='layer: list'),
    pytest.param(image(layers=[{}]), id='layer: empty'),
    pytest.param(image(layers=[{'digest': A}]), id='size: missing'),
    pytest.param(image(layers=[descriptor(size='1')]), id='size: text'),
    pytest.param(image(layers=[descriptor(size=1.0)]), id='size: float'),
    pytest.param(image(layers=[descriptor(size=True)]), id='size: true'),
    pytest.param(image(layers=[descriptor(size=None)]), id='size: null'),
    pytest.param(image(layers=[descriptor(size=-1)]), id='size: negative'),
    pytest.param(image(layers=[{'size': 1}]), id='digest: missing'),
    pytest.param(image(layers=[{'size': 1, 'digest': 7}]), id='digest: number'),
    pytest.param(image(layers=[descriptor('')]), id='digest: empty'),
    pytest.param(image(layers=[descriptor('a' * 64)]), id='digest: no method'),
    pytest.param(image(layers=[descriptor(f'{A[:-1]}A')]), id='digest: upper case'),
    pytest.param(image(layers=[descriptor(f'{A}\n')]), id='digest: newline'),
    pytest.param(image(layers=[descriptor('sha256:../../../x')]), id='digest: a path'),
    pytest.param(image(config=descriptor(mediaType=7)), id='mediaType of a descriptor: number'),
    pytest.param(image(layers=[descriptor(mediaType={})]), id='mediaType of a descriptor: object'),
    pytest.param(index(manifests={}), id='manifests: object'),
    pytest.param(index(manifests=None), id='manifests: null'),
    pytest.param(index(manifests='x'), id='manifests: text'),
    pytest.param(index(manifests=[A]), id='entry: text'),
])
def test_wrong_types_are_refused_in_one_line(document: Any) -> None:
    with pytest.raises(DXFInvalidDocumentError) as caught:
        read(document)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize('text', [
    pytest.param('', id='nothing'),
    pytest.param('<html>', id='a page'),
    pytest.param('{"schemaVersion": 2, "schemaVersion": 1}', id='duplicate key'),
    pytest.param(json.dumps(image())[:-1] + ', "layers": []}', id='layers twice'),
    pytest.param(json.dumps(image())[:-1] + ', "x": NaN}', id='NaN'),
    pytest.param(json.dumps(image())[:-1] + ', "x": "\ud800"}', id='a surrogate, as of a file read carelessly'),
])
def test_broken_text_is_refused(text: str) -> None:
    with pytest.raises(DXFInvalidDocumentError):
        manifests.read(text)


def test_schema_1_is_recognised_by_its_version() -> None:
    text = '{"schemaVersion": 1, "fsLayers": []}'
    for content_type in (None, SIGNED, UNSIGNED, 'application/json', f'{SIGNED}; charset=utf-8'):
        with pytest.raises(DXFMissingSignaturesError):
            manifests.read(text, content_type)


# Making

BLOBS = [Descriptor(B, 2), Descriptor(A, 1), Descriptor(B, 2)]


@pytest.mark.parametrize('schema, text', [
    ('v2', '{"config": {"digest": "%(b)s", "mediaType": "application/vnd.docker.container.image.v1+json", "size": 2}, '
           '"layers": [{"digest": "%(b)s", "mediaType": "application/octet-stream", "size": 2}, '
           '{"digest": "%(a)s", "mediaType": "application/octet-stream", "size": 1}, '
           '{"digest": "%(b)s", "mediaType": "application/octet-stream", "size": 2}], '
           '"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "schemaVersion": 2}'),
    ('oci', '{"config": {"digest": "%(b)s", "mediaType": "application/octet-stream", "size": 2}, '
            '"layers": [{"digest": "%(b)s", "mediaType": "application/octet-stream", "size": 2}, '
            '{"digest": "%(a)s", "mediaType": "application/octet-stream", "size": 1}, '
            '{"digest": "%(b)s", "mediaType": "application/octet-stream", "size": 2}], '
            '"mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2}'),
])
def test_a_made_manifest_has_sorted_keys_and_the_callers_order(schema: str, text: str) -> None:
    made = manifests.make(BLOBS, schema)
    assert made == text % {'a': A, 'b': B}
    assert made == json.dumps(json.loads(made), sort_keys=True)


@pytest.mark.parametrize('schema, media_type', [('v2', V2), ('oci', OCI)])
def test_what_is_made_can_be_read(schema: str, media_type: str) -> None:
    text = manifests.make(BLOBS, schema)
    found = manifests.read(text, media_type)
    assert isinstance(found, ImageManifest)
    assert (found.text, found.media_type, found.layers) == (text, media_type, tuple(BLOBS))
    assert (found.config.digest, found.config.size) == (B, 2)


@pytest.mark.parametrize('schema', ['v2', 'oci'])
def test_no_manifest_is_made_without_blobs(schema: str) -> None:
    with pytest.raises(ValueError, match='at least one blob') as caught:
        manifests.make([], schema)
    assert isinstance(caught.value, DXFError)


# Media types

@pytest.mark.parametrize('document, media_type', [
    pytest.param(image(V2), V2, id='Docker'),
    pytest.param(image(OCI), OCI, id='OCI'),
    pytest.param(image(None), OCI, id='an image without its own word'),
    pytest.param(index(DOCKER_LIST), DOCKER_LIST, id='Docker list'),
    pytest.param(index(OCI_INDEX), OCI_INDEX, id='OCI index'),
    pytest.param(index(None), OCI_INDEX, id='an index without its own word'),
    pytest.param({'schemaVersion': 1, 'signatures': [{}]}, SIGNED, id='signed schema 1'),
    pytest.param({'schemaVersion': 1}, UNSIGNED, id='unsigned schema 1'),
])
def test_a_manifest_is_stored_under_its_own_type(document: dict[str, Any], media_type: str) -> None:
    assert manifests.media_type_of(json.dumps(document)) == media_type


@pytest.mark.parametrize('document, error', [
    pytest.param([], DXFInvalidDocumentError, id='a list'),
    pytest.param(image(manifests=[]), DXFInvalidDocumentError, id='both image and index'),
    pytest.param({}, DXFUnsupportedSchemaType, id='an empty object'),
    pytest.param({'mediaType': 'text/html'}, DXFUnsupportedSchemaType, id='a page'),
])
def test_what_is_no_manifest_has_no_type(document: Any, error: type[DXFError]) -> None:
    with pytest.raises(error):
        manifests.media_type_of(json.dumps(document))


@pytest.mark.parametrize('content_type, base', [
    (None, ''), ('', ''), (V2, V2), (f'{V2};charset=utf-8', V2), (f' {OCI.upper()} ; a="b;c"', OCI), (';', '')])
def test_parameters_are_no_part_of_a_media_type(content_type: str | None, base: str) -> None:
    assert manifests.base_type(content_type) == base


def test_every_type_that_is_read_is_accepted() -> None:
    assert set(manifests.ACCEPT.split(', ')) == {V2, DOCKER_LIST, OCI, OCI_INDEX, SIGNED, UNSIGNED}


# Whatever comes

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.floats(), st.text(max_size=3),
    st.sampled_from([A, f'sha512:{"a" * 128}', V2, DOCKER_LIST, OCI, OCI_INDEX, SIGNED, 'linux', 'arm', '\ud800']))
KEYS = ('schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'fsLayers', 'blobSum', 'signatures', 'header',
        'protected', 'signature', 'digest', 'size', 'platform', 'os', 'architecture', 'variant')
WILD = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3)
                    | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5), max_leaves=15)
PLATFORMS = st.fixed_dictionaries({}, optional={'os': SCALARS, 'architecture': SCALARS, 'variant': SCALARS})
DESCRIPTORS = WILD | st.fixed_dictionaries({'digest': st.just(A) | SCALARS, 'size': st.just(1) | SCALARS}, optional={
    'mediaType': st.just(OCI) | SCALARS, 'platform': PLATFORMS | WILD})
DOCUMENTS = WILD | st.fixed_dictionaries({}, optional={
    'schemaVersion': st.sampled_from([1, 2, 2, 2]) | SCALARS,
    'mediaType': st.sampled_from([V2, DOCKER_LIST, OCI, OCI_INDEX]) | WILD,
    'config': DESCRIPTORS, 'layers': st.lists(DESCRIPTORS, max_size=2) | WILD,
    'manifests': st.lists(DESCRIPTORS, max_size=2) | WILD, 'fsLayers': WILD, 'signatures': WILD})


@settings(max_examples=5 * settings().max_examples, deadline=None)
@given(DOCUMENTS, st.sampled_from([None, '', V2, DOCKER_LIST, OCI, OCI_INDEX, SIGNED, 'text/plain']), st.booleans(),
       st.booleans())
def test_any_document_is_read_or_a_dxf_error(document: Any, content_type: str | None, verify: bool,
                                             ascii_only: bool) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only)
    try:
        assert manifests.read(text, content_type, verify).text == text
    except DXFError:
        pass


@pytest.mark.parametrize('member', ['subject', 'subj\\u0065ct', '\\u0073ubject', 'config'])
def test_a_subject_is_found_however_its_name_is_written(member: str) -> None:
    text = '{"schemaVersion": 2, "%s": {"digest": "%s"}}' % (member, A)
    assert manifests.subject_in(text) == manifests.subject_of(text)
