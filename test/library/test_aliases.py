"""Aliases on each kind of registry: of one image and of several platforms, in Docker's form and in OCI's."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from requests.exceptions import HTTPError

from dxf import DXF, hash_bytes
from dxf.exceptions import (DXFError, DXFHTTPError, DXFInvalidDocumentError, DXFInvalidNameError,
                            DXFPlatformDataNotFound, DXFUnsupportedSchemaType)
from dxf.layout.store import Layout

from ..helpers.endpoints import Endpoint
from ..helpers.images import by_platform
from ..helpers.tables import on_folder_and_server, paired
from ..helpers.traffic import Traffic

DOCKER = 'application/vnd.docker.distribution.manifest.v2+json'
DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json'
OCI = 'application/vnd.oci.image.manifest.v1+json'
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
OCTET_STREAM = 'application/octet-stream'

MISSING = hash_bytes(b'what no test ever stores')

Ask = Callable[[DXF, str], Any]

one_server = pytest.mark.parametrize('endpoint', ['open', 'oci'], indirect=True)
"""For what is refused before any request, and for what manifests mean: the way in changes neither."""


@pytest.fixture(name='client')
def open_client(endpoint: Endpoint, repo: str) -> Iterator[DXF]:
    """A client of a repository that nobody has used yet."""
    with endpoint.dxf(repo) as client:
        yield client


@pytest.fixture(name='blobs')
def push_blobs(client: DXF) -> list[str]:
    """Three blobs of the repository: of 1, 2 and 3 bytes."""
    return [client.push_blob(data=content) for content in (b'a', b'bb', b'ccc')]


@pytest.fixture(name='oci_client')
def open_oci_client(endpoint: Endpoint, repo: str, blobs: list[str]) -> Iterator[DXF]:
    """A client of the same repository that writes OCI manifests."""
    assert blobs
    verify = True if endpoint.ca is None else endpoint.ca
    with DXF(endpoint.host, repo, endpoint.auth(), endpoint.insecure, None, verify, schema='oci') as client:
        yield client


def stored(client: DXF, alias: str) -> tuple[str, str]:
    """Return what the registry keeps under an alias, and its type."""
    text, response = client.get_manifest_and_response(alias)
    return text, response.headers['Content-Type']


def own_requests(traffic: Traffic, endpoint: Endpoint) -> list[str]:
    """Return the requests of the registry that were not mere occasions to ask for a credential."""
    return [f'{request.method} {request.path}' for request in traffic.requests
            if request.status != 401 and endpoint.is_own(request.url)]


# One image

def test_an_alias_names_its_blobs_in_their_order(client: DXF, blobs: list[str]) -> None:
    a, b, c = blobs
    for named in ([a], [c, a, b], [b, b], [a, b, a, c]):
        client.set_alias('alias', *named)
        assert client.get_alias('alias') == named
        assert client.get_digest('alias') == named[0]
    assert client.list_aliases() == ['alias']


def test_the_sizes_come_with_the_digests_on_demand(client: DXF, blobs: list[str], traffic: Traffic) -> None:
    client.set_alias('alias', *blobs, blobs[0])
    traffic.clear()
    a, b, c = blobs
    assert client.get_alias('alias', sizes=True) == [(a, 1), (b, 2), (c, 3), (a, 1)]
    assert len(traffic.requests) == 1  # the manifest tells


def test_the_text_is_the_same_where_it_is_made_set_and_got(client: DXF, blobs: list[str]) -> None:
    made = client.make_manifest(*blobs)
    assert client.set_alias('alias', *blobs) == made
    assert client.get_manifest('alias') == made
    text, response = client.get_manifest_and_response('alias')
    assert text == made
    assert response.content == made.encode()
    assert response.headers['Docker-Content-Digest'] == hash_bytes(made.encode())


def test_the_manifest_is_dockers_schema_2_and_ocis_in_a_folder(client: DXF, endpoint: Endpoint,
                                                               blobs: list[str]) -> None:
    text = client.make_manifest(*blobs)
    assert json.loads(text) == {
        'schemaVersion': 2,
        'mediaType': OCI if endpoint.is_folder else DOCKER,
        'config': {'mediaType': OCTET_STREAM if endpoint.is_folder else DOCKER_CONFIG, 'digest': blobs[0], 'size': 1},
        'layers': [{'mediaType': OCTET_STREAM, 'digest': digest, 'size': size}
                   for size, digest in enumerate(blobs, 1)],
    }
    assert text == json.dumps(json.loads(text), sort_keys=True)


def test_a_manifest_is_made_without_being_stored(client: DXF, blobs: list[str]) -> None:
    client.make_manifest(*blobs)
    client.set_alias('alias', blobs[0])
    assert client.list_aliases() == ['alias']


def test_an_oci_manifest_is_written_on_demand(oci_client: DXF, blobs: list[str]) -> None:
    text = oci_client.set_alias('alias', *blobs)
    document = json.loads(text)
    assert (document['schemaVersion'], document['mediaType']) == (2, OCI)
    assert document['config']['digest'] == blobs[0]
    assert [layer['digest'] for layer in document['layers']] == blobs
    assert stored(oci_client, 'alias') == (text, OCI)
    assert text == json.dumps(document, sort_keys=True)


def test_what_an_oci_client_wrote_any_client_reads(client: DXF, oci_client: DXF, blobs: list[str]) -> None:
    text = oci_client.set_alias('alias', *blobs)
    assert client.get_alias('alias', sizes=True) == list(zip(blobs, (1, 2, 3), strict=True))
    assert client.get_digest('alias') == blobs[0]
    assert client.get_manifest('alias') == text


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(ValueError, match='schema is one of v2, oci, v1'):
        DXF('registry.example.com', 'fred/datalogger', schema='v3')


def test_setting_an_alias_after_a_push_costs_one_request(client: DXF, repo: str, blobs: list[str],
                                                         traffic: Traffic) -> None:
    traffic.clear()
    client.set_alias('alias', *blobs)
    assert traffic.lines() == [f'PUT /v2/{repo}/manifests/alias 201']


def test_setting_an_alias_after_a_push_of_what_was_there_costs_one_request(endpoint: Endpoint, repo: str,
                                                                           blobs: list[str],
                                                                           traffic: Traffic) -> None:
    with endpoint.dxf(repo) as later:
        assert later.push_blob(data=b'bb') == blobs[1]
        later.push_blob(data=b'new')
        traffic.clear()
        later.set_alias('alias', blobs[1])
        assert traffic.lines() == [f'PUT /v2/{repo}/manifests/alias 201']


def test_the_size_of_a_blob_that_was_not_pushed_here_is_asked_once(endpoint: Endpoint, repo: str, blobs: list[str],
                                                                   traffic: Traffic) -> None:
    with endpoint.dxf(repo) as later:
        traffic.clear()
        later.set_alias('alias', blobs[0], blobs[0], blobs[1])
        *asked, put = own_requests(traffic, endpoint)
        assert sorted(asked) == [f'HEAD /v2/{repo}/blobs/{digest}' for digest in sorted(blobs[:2])]
        assert put == f'PUT /v2/{repo}/manifests/alias'


def test_getting_an_alias_costs_one_request(endpoint: Endpoint, repo: str, client: DXF, blobs: list[str],
                                            traffic: Traffic) -> None:
    client.set_alias('alias', *blobs)
    with endpoint.dxf(repo) as later:
        traffic.clear()
        assert later.get_alias('alias') == blobs
        assert own_requests(traffic, endpoint) == [f'GET /v2/{repo}/manifests/alias']
        assert sum(request.path == '/token' for request in traffic.requests) == (endpoint.tokens is not None)
        traffic.clear()
        assert later.get_alias('alias') == blobs
        assert traffic.lines() == [f'GET /v2/{repo}/manifests/alias 200']


def test_an_alias_is_replaced(client: DXF, blobs: list[str]) -> None:
    first = client.set_alias('alias', blobs[0])
    client.set_alias('alias', blobs[1])
    assert client.get_alias('alias') == [blobs[1]]
    assert client.get_alias(hash_bytes(first.encode())) == [blobs[0]]  # by its digest it is still there
    assert client.list_aliases() == ['alias']


def test_a_digest_of_a_manifest_serves_as_an_alias(client: DXF, blobs: list[str]) -> None:
    text = client.set_alias('alias', *blobs)
    digest = hash_bytes(text.encode())
    assert client.get_alias(digest) == blobs
    assert client.get_manifest(digest) == text
    assert client.get_digest(digest) == blobs[0]
    assert client.get_manifest_and_response(digest)[0] == text
    assert client.head_manifest_and_response(digest)[0] == digest


def test_a_head_tells_the_digest_of_a_manifest(client: DXF, blobs: list[str], traffic: Traffic) -> None:
    text = client.set_alias('alias', *blobs)
    traffic.clear()
    digest, response = client.head_manifest_and_response('alias')
    assert digest == hash_bytes(text.encode())
    assert response.status_code == 200
    assert response.headers['Content-Length'] == str(len(text))
    assert response.content == b''
    assert [request.method for request in traffic.requests] == ['HEAD']


def test_a_text_is_read_in_place_of_an_alias_without_a_request(client: DXF, blobs: list[str],
                                                               traffic: Traffic) -> None:
    text = client.make_manifest(*blobs)
    traffic.clear()
    assert client.get_alias(manifest=text) == blobs
    assert client.get_alias('ignored', text, True, True) == list(zip(blobs, (1, 2, 3), strict=True))
    assert client.get_digest(manifest=text) == blobs[0]
    assert traffic.lines() == []


def test_a_platform_changes_nothing_for_a_single_image(client: DXF, blobs: list[str]) -> None:
    text = client.set_alias('alias', *blobs)
    assert client.get_alias('alias', platform='linux/amd64') == blobs
    assert client.get_manifest('alias', 'linux/amd64') == text
    assert client.get_digest('alias', platform='linux/amd64') == blobs[0]


@on_folder_and_server('ask', [DXF.get_alias, DXF.get_manifest, DXF.get_digest, DXF.del_alias,
                              DXF.get_manifest_and_response, DXF.head_manifest_and_response])
def test_a_missing_alias_is_told_with_the_answer(client: DXF, blobs: list[str], ask: Ask) -> None:
    client.set_alias('alias', *blobs)
    for missing in ('other', MISSING):
        with pytest.raises(HTTPError) as raised:
            ask(client, missing)
        assert isinstance(raised.value, DXFError)
        assert raised.value.response is not None
        assert raised.value.response.status_code == 404


FULL_REFERENCES = ('a/b', 'a' * 129)
"""Names that only a folder may know: other tools write them there."""


ASKS: dict[str, Ask] = {
    'get_alias': DXF.get_alias, 'get_manifest': DXF.get_manifest, 'get_digest': DXF.get_digest,
    'del_alias': DXF.del_alias, 'set_alias': lambda client, alias: client.set_alias(alias, MISSING),
    'set_manifest': lambda client, alias: client.set_manifest(alias, '{}'),
}


@one_server
@pytest.mark.parametrize(('alias', 'ask'), paired({repr(alias): alias for alias in (
    '', '@alias', *FULL_REFERENCES, '..', 'a b', 'a\n', 'a?b', 'ä')}, ASKS))
def test_what_is_no_alias_is_refused_before_anything_is_sent(client: DXF, traffic: Traffic, alias: str,
                                                             ask: Ask) -> None:
    if client._host.startswith('oci:') and alias in FULL_REFERENCES:
        with pytest.raises((DXFHTTPError, DXFInvalidNameError, DXFUnsupportedSchemaType)):
            ask(client, alias)
        return
    with pytest.raises(DXFInvalidNameError):
        ask(client, alias)
    assert traffic.lines() == []


def test_neither_an_alias_nor_a_text_is_an_error(client: DXF) -> None:
    with pytest.raises(ValueError):
        client.get_alias()
    with pytest.raises(ValueError):
        client.get_digest()


def test_an_alias_of_a_blob_that_is_missing_is_not_set(client: DXF, blobs: list[str]) -> None:
    client.set_alias('alias', blobs[0])
    with pytest.raises(HTTPError) as raised:
        client.set_alias('alias', blobs[0], MISSING)
    assert raised.value.response.status_code == 404
    assert client.get_alias('alias') == [blobs[0]]


def test_an_alias_of_a_blob_that_was_deleted_elsewhere_is_not_set(client: DXF, endpoint: Endpoint, repo: str,
                                                                  blobs: list[str]) -> None:
    with endpoint.dxf(repo) as other:
        other.del_blob(blobs[2])
    with pytest.raises(HTTPError) as raised:
        client.set_alias('alias', *blobs)  # the size is known from the push, so the registry has to say no
    assert raised.value.response.json()['errors'][0]['code'] == 'MANIFEST_BLOB_UNKNOWN'
    with pytest.raises(HTTPError):
        client.get_alias('alias')


def test_an_alias_of_nothing_is_refused_before_anything_is_sent(client: DXF, traffic: Traffic) -> None:
    with pytest.raises(ValueError):
        client.set_alias('alias')
    assert traffic.lines() == []


# Manifests set as they are

def image_text(client: DXF, blobs: list[str], media_type: str | None, named: str) -> str:
    """Return an image manifest by hand, spaced as dxf would not do it."""
    document = json.loads(client.make_manifest(*blobs))
    del document['mediaType']
    if media_type is not None:
        document['mediaType'] = media_type
    document['config']['mediaType'] = named
    return json.dumps(document, indent=3)


@pytest.mark.parametrize('media_type, sent', [
    (DOCKER, DOCKER),
    (OCI, OCI),
    (None, OCI),  # OCI alone may leave it out
])
def test_a_manifest_goes_out_as_it_is_with_its_own_type(client: DXF, blobs: list[str], traffic: Traffic,
                                                        media_type: str | None, sent: str) -> None:
    text = image_text(client, blobs, media_type, 'application/vnd.oci.image.config.v1+json')
    client.set_manifest('alias', text)
    assert traffic.requests[-1].headers['Content-Type'] == sent
    assert stored(client, 'alias') == (text, sent)
    assert client.get_manifest('alias') == text
    assert client.get_alias('alias') == blobs


@pytest.mark.parametrize('media_type, sent, child', [
    (DOCKER_LIST, DOCKER_LIST, DOCKER),
    (OCI_INDEX, OCI_INDEX, OCI),
    (None, OCI_INDEX, OCI),
])
def test_an_index_goes_out_as_it_is_with_its_own_type(client: DXF, blobs: list[str], traffic: Traffic,
                                                      media_type: str | None, sent: str, child: str) -> None:
    image = image_text(client, blobs, child, DOCKER_CONFIG)
    client.set_manifest(hash_bytes(image.encode()), image)
    text = index_text(media_type, entry(image, 'linux/amd64'))
    client.set_manifest('alias', text)
    assert traffic.requests[-1].headers['Content-Type'] == sent
    assert stored(client, 'alias') == (text, sent)
    assert client.get_alias('alias') == {'linux/amd64': blobs}
    assert client.get_manifest('alias') == {'linux/amd64': image}


def test_letters_of_any_kind_survive(client: DXF, blobs: list[str]) -> None:
    document = json.loads(client.make_manifest(*blobs)) | {'mediaType': OCI, 'annotations': {'by': 'Zoë Пароль'}}
    text = json.dumps(document, ensure_ascii=False) + '\n'
    client.set_manifest('alias', text)
    assert client.get_manifest('alias') == text
    assert client.get_manifest(hash_bytes(text.encode())) == text


@on_folder_and_server('text, error', [
    ('', DXFInvalidDocumentError),
    ('{', DXFInvalidDocumentError),
    ('[]', DXFInvalidDocumentError),
    ('{"schemaVersion": 2}', DXFUnsupportedSchemaType),
    ('{"schemaVersion": 2, "mediaType": "text/html"}', DXFUnsupportedSchemaType),
    ('{"schemaVersion": 2, "layers": [], "manifests": []}', DXFInvalidDocumentError),  # CVE-2021-41190
    (f'{{"schemaVersion": 2, "mediaType": "{OCI}", "manifests": []}}', DXFInvalidDocumentError),
    (f'{{"schemaVersion": 2, "mediaType": "{OCI}", "config": {{}}, "layers": []}}', DXFInvalidDocumentError),
])
def test_what_is_no_manifest_is_neither_sent_nor_read(client: DXF, traffic: Traffic, text: str,
                                                      error: type[Exception]) -> None:
    with pytest.raises(error):
        client.set_manifest('alias', text)
    with pytest.raises(error):
        client.get_alias(manifest=text)
    with pytest.raises(error):
        client.get_digest(manifest=text)
    assert traffic.lines() == []


def test_a_manifest_whose_blob_is_missing_is_refused_by_the_registry(client: DXF, blobs: list[str]) -> None:
    text = client.make_manifest(blobs[0]).replace(blobs[0], MISSING)
    with pytest.raises(HTTPError) as raised:
        client.set_manifest('alias', text)
    assert 'MANIFEST_BLOB_UNKNOWN' in str(raised.value)
    with pytest.raises(HTTPError):
        client.get_alias('alias')


# Deletion and lists

def test_a_deleted_alias_is_gone_and_its_blobs_stay(client: DXF, blobs: list[str], traffic: Traffic) -> None:
    text = client.set_alias('alias', blobs[1], blobs[0])
    assert client.del_alias('alias') == [blobs[1], blobs[0]]
    deletion, look = [request for request in traffic.requests
                      if '/manifests/' in request.path and request.status != 401][-2:]
    assert (deletion.method, look.method) == ('DELETE', 'HEAD') and look.path.endswith('/manifests/alias')
    # A folder takes the manifest along with its last name.
    name = 'alias' if client._host.startswith('oci:') else hash_bytes(text.encode())
    assert deletion.path.endswith(f'/manifests/{name}')
    for reference in ('alias', hash_bytes(text.encode())):
        with pytest.raises(HTTPError) as raised:
            client.get_alias(reference)
        assert raised.value.response.status_code == 404
    assert [client.blob_size(digest) for digest in blobs] == [1, 2, 3]
    client.set_alias('alias', blobs[2])
    assert client.get_alias('alias') == [blobs[2]]


def test_an_alias_of_the_same_blobs_goes_with_others_only(client: DXF, blobs: list[str]) -> None:
    client.set_alias('one', *blobs)
    client.set_alias('two', *blobs)
    client.set_alias('three', blobs[0])
    client.del_aliases('one', with_others=True)
    assert client.list_aliases() == ['three']


def test_aliases_are_listed(client: DXF, blobs: list[str]) -> None:
    names = [f'v{number}' for number in range(5)]
    for name in names:
        client.set_alias(name, *blobs)
    assert sorted(client.list_aliases()) == names  # 2.8.2 lists them in no order
    lazily = client.list_aliases(iterate=True)
    assert sorted(lazily) == names
    assert sorted(lazily) == names  # it may be walked again


def test_no_alias_is_left_after_the_last_is_deleted(client: DXF, blobs: list[str]) -> None:
    client.set_alias('alias', *blobs)
    client.del_alias('alias')
    assert client.list_aliases() == []
    assert not list(client.list_aliases(iterate=True))


def test_a_repository_that_nobody_has_used_has_no_list(client: DXF) -> None:
    with pytest.raises(HTTPError) as raised:
        client.list_aliases()
    assert raised.value.response.json()['errors'][0]['code'] == 'NAME_UNKNOWN'


# Several platforms

def entry(text: str, platform: str | None = None) -> dict[str, Any]:
    """Return what an index says of a manifest."""
    content = text.encode()
    document = json.loads(text)
    found = {'mediaType': document['mediaType'], 'digest': hash_bytes(content), 'size': len(content)}
    if platform is not None:
        found['platform'] = dict(zip(('os', 'architecture', 'variant'), platform.split('/'), strict=False))
    return found


def index_text(media_type: str | None, *entries: dict[str, Any]) -> str:
    """Return an index by hand."""
    document: dict[str, Any] = {'schemaVersion': 2, 'manifests': entries}
    if media_type is not None:
        document['mediaType'] = media_type
    return json.dumps(document)


class Images:
    """Makes images of one blob each, puts them under their digests, and indexes of them."""

    def __init__(self, client: DXF, manifest_type: str, index_type: str) -> None:
        self._client = client
        self._manifest_type = manifest_type
        self._index_type = index_type

    def image(self, content: bytes) -> str:
        """Store an image, and return its text."""
        digest = self._client.push_blob(data=content)
        document = json.loads(self._client.make_manifest(digest)) | {'mediaType': self._manifest_type}
        text = json.dumps(document)
        self._client.set_manifest(hash_bytes(text.encode()), text)
        return text

    def index(self, *entries: dict[str, Any]) -> str:
        """Return the text of an index."""
        return index_text(self._index_type, *entries)


@pytest.fixture(name='images', params=['docker', 'oci'])
def make_images(request: pytest.FixtureRequest, client: DXF) -> Images:
    """A maker of images and indexes, in either form."""
    return Images(client, *{'docker': (DOCKER, DOCKER_LIST), 'oci': (OCI, OCI_INDEX)}[request.param])


PLATFORMS = ('linux/amd64', 'linux/arm/v7', 'windows/amd64')


@pytest.fixture(name='texts')
def set_multi(client: DXF, images: Images) -> dict[str, str]:
    """The images of the alias ``multi`` by platform."""
    texts = {platform: images.image(platform.encode()) for platform in PLATFORMS}
    client.set_manifest('multi', images.index(*(entry(text, platform) for platform, text in texts.items())))
    return texts


@one_server
def test_a_multi_platform_alias_answers_by_platform(client: DXF, texts: dict[str, str]) -> None:
    digests = {platform: hash_bytes(platform.encode()) for platform in PLATFORMS}
    assert client.get_alias('multi') == {platform: [digest] for platform, digest in digests.items()}
    assert client.get_alias('multi', sizes=True) == {platform: [(digest, len(platform))]
                                                     for platform, digest in digests.items()}
    assert client.get_digest('multi') == digests
    assert client.get_manifest('multi') == texts


@one_server
def test_one_platform_answers_alone(client: DXF, texts: dict[str, str], traffic: Traffic) -> None:
    for platform in PLATFORMS:
        digest = hash_bytes(platform.encode())
        traffic.clear()
        assert client.get_alias('multi', platform=platform) == [digest]
        assert [request.method for request in traffic.requests] == ['GET', 'GET']  # the index and one image
        assert client.get_alias('multi', sizes=True, platform=platform) == [(digest, len(platform))]
        assert client.get_digest('multi', platform=platform) == digest
        assert client.get_manifest('multi', platform) == texts[platform]


@one_server
@pytest.mark.parametrize('ask', [DXF.get_alias, DXF.get_manifest, DXF.get_digest])
@pytest.mark.usefixtures('texts')
def test_a_platform_that_is_missing_is_told(client: DXF, ask: Callable[..., Any]) -> None:
    for platform in ('linux/riscv64', 'linux/arm', 'linux', ''):  # the entry of linux/arm has a variant
        with pytest.raises(DXFPlatformDataNotFound) as raised:
            ask(client, 'multi', platform=platform)
        assert raised.value.args == (platform,)


@one_server
def test_the_text_of_an_index_is_read_in_place_of_an_alias(client: DXF, texts: dict[str, str]) -> None:
    text, _ = client.get_manifest_and_response('multi')
    expected = client.get_alias('multi')
    client.del_alias('multi')
    assert client.get_alias(manifest=text) == expected
    assert client.get_alias(manifest=text, platform='linux/arm/v7') == [hash_bytes(b'linux/arm/v7')]
    assert client.get_digest(manifest=text) == {platform: hash_bytes(platform.encode()) for platform in texts}
    with pytest.raises(DXFPlatformDataNotFound):
        client.get_digest(manifest=text, platform='plan9/mips')


@one_server
def test_a_multi_platform_alias_is_deleted_and_its_images_stay(client: DXF, texts: dict[str, str]) -> None:
    digest, _ = client.head_manifest_and_response('multi')
    assert client.del_alias('multi') == {platform: hash_bytes(text.encode()) for platform, text in texts.items()}
    for reference in ('multi', str(digest)):
        with pytest.raises(HTTPError):
            client.get_alias(reference)
    for platform, text in texts.items():
        assert client.get_manifest(hash_bytes(text.encode())) == text
        assert client.blob_size(hash_bytes(platform.encode())) == len(platform)


@one_server
def test_a_multi_platform_manifest_is_got_as_it_is_stored(client: DXF, texts: dict[str, str]) -> None:
    text, response = client.get_manifest_and_response('multi')
    assert [entry['digest'] for entry in json.loads(text)['manifests']] == [
        hash_bytes(text.encode()) for text in texts.values()]
    assert response.content == text.encode()
    assert client.head_manifest_and_response('multi')[0] == hash_bytes(text.encode())


@one_server
def test_an_image_that_is_gone_from_its_index_is_told(client: DXF, texts: dict[str, str]) -> None:
    digest = hash_bytes(texts['windows/amd64'].encode())
    if client._host.startswith('oci:'):  # which keeps what an index lists
        assert Layout(client._host.removeprefix('oci:'), client._repo).remove_blob(digest)
    else:
        client.del_aliases(digest, with_others=True)
    with pytest.raises(HTTPError) as raised:
        client.get_alias('multi')
    assert raised.value.response.status_code == 404
    assert client.get_alias('multi', platform='linux/amd64') == [hash_bytes(b'linux/amd64')]
    assert by_platform(client.del_alias('multi')).keys() == texts.keys()


def all_digests(client: DXF, alias: str) -> list[str]:
    """Return the one blob of each image of an alias, each asked for by the name that the alias gives to it."""
    names = by_platform(client.get_alias(alias))
    assert list(client.get_manifest(alias)) == list(client.get_digest(alias)) == list(names)
    for name, digests in names.items():
        assert client.get_alias(alias, platform=name) == digests
    return [digest for digests in names.values() for digest in digests]


@one_server
def test_entries_that_are_no_images_break_nothing(client: DXF, images: Images) -> None:
    texts = [images.image(content) for content in (b'image', b'attestation', b'another attestation')]
    platforms = ('linux/amd64', 'unknown/unknown', 'unknown/unknown')
    client.set_manifest('alias', images.index(*map(entry, texts, platforms)))
    assert client.get_alias('alias', platform='linux/amd64') == [hash_bytes(b'image')]
    assert by_platform(client.get_alias('alias'))['linux/amd64'] == [hash_bytes(b'image')]
    assert set(all_digests(client, 'alias')) >= {hash_bytes(b'image')}
    assert by_platform(client.del_alias('alias'))['linux/amd64'] == hash_bytes(texts[0].encode())


@one_server
def test_entries_of_an_unheard_of_type_break_nothing(client: DXF, images: Images) -> None:
    text = images.image(b'image')
    strange = {'mediaType': 'application/vnd.example.signature', 'digest': MISSING, 'size': 1,
               'platform': {'os': 'linux', 'architecture': 'amd64'}}
    for entries in ([strange, entry(text, 'linux/amd64')], [entry(text, 'linux/amd64'), strange]):
        assert client.get_alias(manifest=images.index(*entries)) == {'linux/amd64': [hash_bytes(b'image')]}


@one_server
def test_entries_of_one_platform_are_both_reachable(client: DXF, images: Images) -> None:
    contents = [b'first', b'second', b'third']
    platforms = ('linux/amd64', 'linux/amd64', 'linux/arm64')
    client.set_manifest('alias', images.index(*map(entry, map(images.image, contents), platforms)))
    assert client.get_alias('alias', platform='linux/amd64') == [hash_bytes(b'first')]
    assert client.get_alias('alias', platform='linux/arm64') == [hash_bytes(b'third')]
    assert all_digests(client, 'alias') == [hash_bytes(content) for content in contents]
    assert len(client.del_alias('alias')) == 3


@one_server
def test_one_image_under_two_platforms_is_there_twice(client: DXF, images: Images) -> None:
    text = images.image(b'both')
    client.set_manifest('alias', images.index(entry(text, 'linux/amd64'), entry(text, 'linux/arm64')))
    assert client.get_manifest('alias') == {'linux/amd64': text, 'linux/arm64': text}


@one_server
def test_entries_without_a_platform_are_all_reachable(client: DXF, images: Images) -> None:
    contents = [b'first', b'second', b'third']
    platforms = (None, None, 'linux/amd64')
    client.set_manifest('alias', images.index(*map(entry, map(images.image, contents), platforms)))
    assert sorted(all_digests(client, 'alias')) == sorted(hash_bytes(content) for content in contents)
    assert client.get_alias('alias', platform='linux/amd64') == [hash_bytes(b'third')]


@one_server
def test_an_index_within_an_index_is_read(client: DXF, images: Images) -> None:
    inner = images.index(entry(images.image(b'inner'), 'linux/amd64'), entry(images.image(b'arm'), 'linux/arm64'))
    client.set_manifest(hash_bytes(inner.encode()), inner)
    outer = images.index(entry(images.image(b'outer'), 'windows/amd64'), entry(inner))
    client.set_manifest('alias', outer)
    expected = {'windows/amd64': [hash_bytes(b'outer')], 'linux/amd64': [hash_bytes(b'inner')],
                'linux/arm64': [hash_bytes(b'arm')]}
    assert client.get_alias('alias') == expected
    assert client.get_alias(manifest=outer) == expected
    assert client.get_alias('alias', platform='linux/arm64') == [hash_bytes(b'arm')]
    assert by_platform(client.del_alias('alias')).keys() == expected.keys()
    assert by_platform(client.get_alias(hash_bytes(inner.encode()))).keys() == {'linux/amd64', 'linux/arm64'}


@one_server
def test_platforms_of_an_index_within_an_index_may_repeat(client: DXF, images: Images) -> None:
    inner = images.index(entry(images.image(b'inner'), 'linux/amd64'))
    client.set_manifest(hash_bytes(inner.encode()), inner)
    client.set_manifest('alias', images.index(entry(images.image(b'outer'), 'linux/amd64'), entry(inner)))
    assert all_digests(client, 'alias') == [hash_bytes(b'outer'), hash_bytes(b'inner')]


def test_an_empty_index_names_nothing(client: DXF) -> None:
    text = index_text(OCI_INDEX)
    assert client.get_alias(manifest=text) == {}
    with pytest.raises(DXFPlatformDataNotFound):
        client.get_alias(manifest=text, platform='linux/amd64')
