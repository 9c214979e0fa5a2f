"""A folder as a registry, seen by the requests that it answers, as a server would.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from requests import Response, Session

from dxf import DXF, DXFBase, hash_bytes
from dxf.exceptions import DXFHTTPError, DXFInvalidNameError
from dxf.layout.adapter import LayoutAdapter

from ..helpers.endpoints import Endpoint
from ..helpers.layouts import NAME, REPO, enter, entries, put, snapshot

CONTENT = b'The quick brown fox jumps over the lazy dog.'
DIGEST = hash_bytes(CONTENT)
MISSING = hash_bytes(b'what no test ever stores')
OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
ARTIFACT = 'application/vnd.oci.artifact.manifest.v1+json'
TAGS = f'{REPO}/tags/list'
BLOB = f'{REPO}/blobs/{DIGEST}'
UPLOADS = f'{REPO}/blobs/uploads/'


@pytest.fixture(name='client')
def open_client(store: Endpoint) -> Iterator[DXF]:
    """A client of that repository, which holds ``CONTENT`` and the alias ``a`` of it."""
    with store.dxf(REPO) as client:
        client.set_alias('a', client.push_blob(data=CONTENT))
        yield client


def ask(client: DXFBase, method: str, path: str, status: int, **kwargs: Any) -> Response:
    """Make a request that has to be answered with this status."""
    try:
        response = client._base_request(method, path, **kwargs)
    except DXFHTTPError as error:
        assert error.response is not None
        response = error.response
    assert response.status_code == status, (method, path, response.status_code)
    return response


def code_of(response: Response) -> str:
    """Return the code of an error."""
    code: str = json.loads(response.content)['errors'][0]['code']
    return code


def pages(client: DXFBase, path: str, key: str) -> list[list[str]]:
    """Return the names of a listing, page by page, as the links lead."""
    found = []
    while path:
        response = ask(client, 'get', path, 200)
        found.append(response.json()[key])
        path = response.links.get('next', {}).get('url', '')
    return found


# Listings

@pytest.fixture(name='listed')
def write_many(store: Endpoint, client: DXF) -> DXF:
    """A client of a folder of five repositories, one of which has five aliases."""
    for repo in ('zoe/z', 'b', 'fred/a', 'fred/a/b'):
        with store.dxf(repo) as other:
            other.push_blob(data=CONTENT)
    for alias in ('Z', 'b-2', 'b.1', '_x'):
        client.set_alias(alias, DIGEST)
    return client


REPOS = ['b', 'fred/a', 'fred/a/b', REPO, 'zoe/z']
ALIASES = ['Z', '_x', 'a', 'b-2', 'b.1']


@pytest.mark.parametrize(('path', 'key', 'names'), [
    pytest.param(TAGS, 'tags', ALIASES, id='tags'), pytest.param('_catalog', 'repositories', REPOS, id='catalog')])
def test_a_listing_comes_in_pages_as_they_are_asked_for(listed: DXF, path: str, key: str, names: list[str]) -> None:
    assert pages(listed, path, key) == [names]
    assert pages(listed, f'{path}?n=2', key) == [names[:2], names[2:4], names[4:]]
    assert pages(listed, f'{path}?n=5', key) == pages(listed, f'{path}?n=100', key) == [names]
    assert pages(listed, f'{path}?n=3&last={names[0]}', key) == [names[1:4], names[4:]]
    assert pages(listed, f'{path}?last={names[3]}', key) == [names[4:]]
    assert pages(listed, f'{path}?last={names[4]}', key) == pages(listed, f'{path}?n=0', key) == [[]]
    assert pages(listed, f'{path}?last=a0', key) == [[name for name in names if name > 'a0']]
    assert 'Link' not in ask(listed, 'get', f'{path}?n=5', 200).headers


def test_a_listing_says_whose_it_is(listed: DXF) -> None:
    response = ask(listed, 'get', TAGS, 200)
    assert response.headers['Content-Type'] == 'application/json'
    assert response.json() == {'name': REPO, 'tags': ALIASES}


def test_the_client_follows_the_pages(listed: DXF) -> None:
    assert listed.list_aliases(batch_size=2) == ALIASES
    assert list(listed.list_aliases(batch_size=1, iterate=True)) == ALIASES
    assert listed.list_repos(batch_size=2) == REPOS


def test_what_is_no_layout_is_not_listed(listed: DXF, store: Endpoint) -> None:
    (store.registry.storage / 'fred/empty').mkdir(parents=True)
    assert listed.list_repos() == REPOS


@pytest.mark.parametrize('name', ['Upper/case', 'fred/not..a/repository'])
def test_a_layout_whose_path_is_no_repository_s_name_is_an_error_of_a_listing(listed: DXF, store: Endpoint, name: str
                                                                              ) -> None:
    (store.registry.storage / name).mkdir(parents=True)
    (store.registry.storage / name / 'oci-layout').write_text('{"imageLayoutVersion": "1.0.0"}')
    with pytest.raises(DXFInvalidNameError, match=f"^invalid repository '{re.escape(name)}'"):
        listed.list_repos()


def test_the_tags_of_a_repository_that_is_not_there_are_an_error(client: DXF) -> None:
    assert code_of(ask(client, 'get', 'fred/other/tags/list', 404)) == 'NAME_UNKNOWN'
    ask(client, 'delete', f'{REPO}/manifests/a', 202)
    assert ask(client, 'get', TAGS, 200).json()['tags'] == []


# Blobs

def test_a_blob_is_answered_with_its_size_and_digest(client: DXF) -> None:
    proof = {'Want-Repr-Digest': 'sha-256=1'}
    got = ask(client, 'get', BLOB, 200)
    assert got.content == CONTENT
    assert ask(client, 'head', BLOB, 200, headers=proof).headers['Docker-Content-Digest'] == DIGEST
    for answer in (got, ask(client, 'head', BLOB, 200)):
        assert answer.headers['Content-Length'] == str(len(CONTENT))
        assert 'Docker-Content-Digest' not in answer.headers  # the file was not hashed
        assert answer.headers['Content-Type'] == 'application/octet-stream'
        assert answer.headers['Docker-Distribution-API-Version'] == 'registry/2.0'


@pytest.mark.parametrize(('wanted', 'start', 'end'), [
    ('bytes=0-', 0, 44), ('bytes=0-0', 0, 1), ('bytes=4-8', 4, 9), ('bytes=43-', 43, 44), ('bytes=40-999', 40, 44)])
def test_a_range_of_a_blob_is_answered_with_what_it_is(client: DXF, wanted: str, start: int, end: int) -> None:
    for method, content in (('get', CONTENT[start:end]), ('head', b'')):
        response = ask(client, method, BLOB, 206, headers={'Range': wanted})
        assert response.content == content
        assert response.headers['Content-Length'] == str(end - start)
        assert response.headers['Content-Range'] == f'bytes {start}-{end - 1}/{len(CONTENT)}'


@pytest.mark.parametrize('wanted', ['bytes=44-', 'bytes=99-100', 'bytes=7-6'])
def test_a_range_that_the_blob_does_not_have_is_416(client: DXF, wanted: str) -> None:
    assert code_of(ask(client, 'get', BLOB, 416, headers={'Range': wanted})) == 'RANGE_INVALID'


@pytest.mark.parametrize('wanted', ['bytes=-5', 'bytes=0-1,4-5', 'lines=1-2', 'bytes=a-b', ''])
def test_a_range_of_another_form_is_ignored_as_it_may_be(client: DXF, wanted: str) -> None:
    assert ask(client, 'get', BLOB, 200, headers={'Range': wanted}).content == CONTENT


def test_a_blob_can_be_read_in_pieces_and_not_at_all(client: DXF) -> None:
    response = ask(client, 'get', BLOB, 200)
    assert list(response.iter_content(10)) == [CONTENT[start:start + 10] for start in range(0, 44, 10)]
    assert response.raw.closed
    unread = ask(client, 'get', BLOB, 200)
    unread.close()
    assert unread.raw.closed


@pytest.mark.parametrize('path', [BLOB, f'{REPO}/manifests/a', TAGS, '_catalog', '', f'{REPO}/referrers/{DIGEST}'])
def test_a_head_is_a_get_without_its_body(client: DXF, path: str) -> None:
    got, head = ask(client, 'get', path, 200), ask(client, 'head', path, 200)
    assert got.content
    assert head.content == b''
    assert head.headers == got.headers
    assert int(head.headers['Content-Length']) == len(got.content)


@pytest.mark.parametrize(('method', 'path', 'code'), [
    ('get', f'{REPO}/blobs/{MISSING}', 'BLOB_UNKNOWN'),
    ('delete', f'{REPO}/blobs/{MISSING}', 'BLOB_UNKNOWN'),
    ('get', f'fred/other/blobs/{DIGEST}', 'BLOB_UNKNOWN'),
    ('delete', f'fred/other/blobs/{DIGEST}', 'BLOB_UNKNOWN'),
    ('get', f'{REPO}/manifests/b', 'MANIFEST_UNKNOWN'),
    ('get', f'{REPO}/manifests/{MISSING}', 'MANIFEST_UNKNOWN'),
    ('get', f'{REPO}/manifests/{DIGEST}', 'MANIFEST_UNKNOWN'),
    ('delete', f'{REPO}/manifests/b', 'MANIFEST_UNKNOWN'),
    ('delete', f'{REPO}/manifests/{MISSING}', 'MANIFEST_UNKNOWN'),
    ('delete', f'{REPO}/manifests/{DIGEST}', 'MANIFEST_UNKNOWN'),
    ('get', 'fred/other/manifests/a', 'MANIFEST_UNKNOWN'),
    ('delete', 'fred/other/manifests/a', 'MANIFEST_UNKNOWN'),
    ('patch', f'{UPLOADS}7', 'BLOB_UPLOAD_UNKNOWN'),
    ('put', f'{UPLOADS}7?digest={DIGEST}', 'BLOB_UPLOAD_UNKNOWN'),
    ('get', f'{UPLOADS}7', 'BLOB_UPLOAD_UNKNOWN'),
    ('delete', f'{UPLOADS}7', 'BLOB_UPLOAD_UNKNOWN'),
])
def test_what_is_not_there_is_404_with_its_code(client: DXF, layout: Path, method: str, path: str, code: str) -> None:
    before = snapshot(layout)
    response = ask(client, method, path, 404)
    assert code_of(response) == code
    assert response.reason == 'Not Found'
    assert snapshot(layout) == before


@pytest.mark.parametrize(('method', 'path'), [
    ('get', 'nowhere'), ('get', f'{REPO}/tags'), ('post', TAGS), ('delete', '_catalog'), ('put', BLOB),
    ('get', UPLOADS), ('post', f'{REPO}/manifests/a'), ('get', f'{REPO}/blobs/sha256:7'), ('patch', BLOB),
    ('options', ''), ('get', f'{UPLOADS}seven')])
def test_what_a_folder_does_not_offer_is_405(client: DXF, method: str, path: str) -> None:
    assert code_of(ask(client, method, path, 405)) == 'UNSUPPORTED'


def test_a_folder_speaks_the_protocol(client: DXF) -> None:
    text, response = client.api_version_check()
    assert (text, response.status_code) == ('{}', 200)
    assert response.headers['Docker-Distribution-API-Version'] == 'registry/2.0'


def test_two_folders_have_addresses_of_their_own(store: Endpoint, tmp_path: Path) -> None:
    with store.base() as one, DXFBase(f'oci:{tmp_path}') as two, store.base() as again:
        assert one._base_url == again._base_url != two._base_url
        assert str(urlsplit(one._base_url).hostname).endswith('.invalid')  # https://www.rfc-editor.org/rfc/rfc2606


def test_a_session_that_the_caller_brings_reaches_the_folder(client: DXF) -> None:
    with Session() as session:
        client._sessions = [session]
        assert client.get_alias('a') == [DIGEST]
        assert isinstance(session.get_adapter(client._base_url), LayoutAdapter)


# Uploads

def test_a_blob_is_uploaded_in_parts(client: DXF) -> None:
    opened = ask(client, 'post', UPLOADS, 202)
    location = opened.headers['Location']
    assert location.startswith(client._base_url + UPLOADS)
    assert opened.headers['Range'] == '0-0'
    assert ask(client, 'patch', location, 202, data=b'one ').headers['Range'] == '0-3'
    patched = ask(client, 'patch', location, 202, data=iter([b't', b'w', b'o ']))
    assert (patched.headers['Range'], patched.headers['Location']) == ('0-7', location)
    assert ask(client, 'get', location, 204).headers['Range'] == '0-7'
    digest = hash_bytes(b'one two three')
    closed = ask(client, 'put', f'{location}?digest={digest}', 201, data=b'three')
    assert closed.headers['Docker-Content-Digest'] == digest
    assert b''.join(client.pull_blob(digest)) == b'one two three'
    ask(client, 'get', location, 404)


def test_an_upload_that_is_cancelled_leaves_nothing(client: DXF, layout: Path) -> None:
    before = snapshot(layout)
    location = ask(client, 'post', UPLOADS, 202).headers['Location']
    ask(client, 'patch', location, 202, data=b'begun')
    assert snapshot(layout) != before
    ask(client, 'delete', location, 204)
    assert snapshot(layout) == before
    for method in ('get', 'patch', 'put', 'delete'):
        ask(client, method, location, 404)


def test_an_upload_is_given_up_when_the_session_is_closed(client: DXF, store: Endpoint, layout: Path) -> None:
    before = snapshot(layout)
    with store.dxf(REPO) as other:
        ask(other, 'post', UPLOADS, 202)
        ask(other, 'post', UPLOADS, 202)
        assert len(list(layout.glob('.dxf.*'))) == 2
    assert snapshot(layout) == before
    assert client.get_alias('a') == [DIGEST]


def test_an_upload_of_another_digest_is_refused_and_stores_nothing(client: DXF, layout: Path) -> None:
    before = snapshot(layout)
    location = ask(client, 'post', UPLOADS, 202).headers['Location']
    for path in (f'{location}?digest={MISSING}', location):
        assert code_of(ask(client, 'put', path, 400, data=b'content')) == 'DIGEST_INVALID'
    ask(client, 'delete', location, 204)
    assert snapshot(layout) == before


def test_what_cannot_be_mounted_becomes_an_upload(client: DXF) -> None:
    for source in ('fred/other', ''):
        ask(client, 'post', UPLOADS, 202, params={'mount': MISSING, 'from': source})
    mounted = ask(client, 'post', 'fred/new/blobs/uploads/', 201, params={'mount': DIGEST, 'from': REPO})
    assert mounted.headers['Docker-Content-Digest'] == DIGEST
    ask(client, 'head', f'fred/new/blobs/{DIGEST}', 200)


# Manifests

def test_a_manifest_is_answered_with_its_type_and_digest(client: DXF) -> None:
    manifest = str(client.get_manifest('a')).encode()
    digest = hash_bytes(manifest)
    for reference in ('a', digest):
        response = ask(client, 'get', f'{REPO}/manifests/{reference}', 200)
        assert response.content == manifest
        assert response.headers['Docker-Content-Digest'] == digest
        assert response.headers['Content-Type'] == OCI_MANIFEST
        assert response.headers['Content-Length'] == str(len(manifest))


def test_a_tag_that_is_deleted_leaves_a_manifest_that_has_another(client: DXF, layout: Path) -> None:
    manifest = str(client.get_manifest('a'))
    client.set_manifest('b', manifest)
    ask(client, 'delete', f'{REPO}/manifests/a', 202)
    assert client.list_aliases() == ['b']
    assert client.get_manifest(hash_bytes(manifest.encode())) == manifest
    ask(client, 'delete', f'{REPO}/manifests/b', 202)
    assert entries(layout) == []
    ask(client, 'get', f'{REPO}/manifests/{hash_bytes(manifest.encode())}', 404)


def test_a_manifest_that_is_deleted_takes_its_tags_with_it(client: DXF, layout: Path) -> None:
    manifest = str(client.get_manifest('a'))
    client.set_manifest('b', manifest)
    ask(client, 'delete', f'{REPO}/manifests/{hash_bytes(manifest.encode())}', 202)
    assert entries(layout) == []
    ask(client, 'get', f'{REPO}/manifests/{hash_bytes(manifest.encode())}', 404)
    assert client.blob_size(DIGEST) == len(CONTENT)


def test_the_tag_of_a_full_reference_can_be_deleted(client: DXF, layout: Path) -> None:
    named = {**entries(layout)[0], 'annotations': {NAME: 'docker.io/library/alpine:3'}}
    enter(layout, named)
    assert client.list_aliases() == ['3', 'a']
    ask(client, 'delete', f'{REPO}/manifests/3', 202)
    assert client.list_aliases() == ['a']


@pytest.mark.parametrize(('reference', 'content', 'kind', 'code'), [
    ('b', b'no JSON', OCI_MANIFEST, 'MANIFEST_INVALID'),
    ('b', b'\xff', OCI_MANIFEST, 'MANIFEST_INVALID'),
    ('b', b'{"schemaVersion": 2, "mediaType": "text/plain"}', 'text/plain', 'MANIFEST_INVALID'),
    ('b', None, OCI_INDEX, 'MANIFEST_INVALID'),
    (MISSING, None, OCI_MANIFEST, 'DIGEST_INVALID'),
])
def test_an_invalid_manifest_is_refused_and_not_stored(client: DXF, layout: Path, reference: str,
                                                       content: bytes | None, kind: str, code: str) -> None:
    content = content if content is not None else str(client.get_manifest('a')).encode()
    before = snapshot(layout)
    response = ask(client, 'put', f'{REPO}/manifests/{reference}', 400, data=content, headers={'Content-Type': kind})
    assert code_of(response) == code
    assert snapshot(layout) == before


@pytest.mark.parametrize('of', ['config', 'layers', 'manifests'])
def test_a_manifest_that_names_what_is_not_there_is_refused(client: DXF, layout: Path, of: str) -> None:
    there, not_there = ({'mediaType': OCI_MANIFEST, 'digest': digest, 'size': client.blob_size(DIGEST)}
                        for digest in (DIGEST, MISSING))
    manifest = {'mediaType': OCI_INDEX, 'manifests': [there, not_there]} if of == 'manifests' else {
        'mediaType': OCI_MANIFEST, 'config': there, 'layers': [there], of: not_there if of == 'config' else [not_there]}
    before = snapshot(layout)
    response = ask(client, 'put', f'{REPO}/manifests/b', 400, data=json.dumps({'schemaVersion': 2, **manifest}))
    assert code_of(response) == 'MANIFEST_BLOB_UNKNOWN'
    assert MISSING in response.json()['errors'][0]['message']
    assert snapshot(layout) == before


def test_a_layer_that_is_not_distributed_need_not_be_there(client: DXF) -> None:
    manifest = json.loads(str(client.get_manifest('a')))
    manifest['layers'].append({'mediaType': 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
                               'digest': MISSING, 'size': 7, 'urls': ['https://example.com/']})
    client.set_manifest('b', json.dumps(manifest))
    assert client.get_alias('b') == [DIGEST, MISSING]


def test_a_layer_whose_type_only_sounds_foreign_has_to_be_there(client: DXF) -> None:
    manifest = json.loads(str(client.get_manifest('a')))
    manifest['layers'].append({'mediaType': 'application/vnd.acme.foreign-exchange.rates', 'digest': MISSING,
                               'size': 7, 'urls': ['https://example.com/']})
    with pytest.raises(DXFHTTPError, match='MANIFEST_BLOB_UNKNOWN'):
        client.set_manifest('b', json.dumps(manifest))


def test_what_an_index_leads_to_needs_no_entry_of_its_own(client: DXF, layout: Path) -> None:
    child = str(client.get_manifest('a')) + ' '
    digest = hash_bytes(child.encode())
    client.set_manifest(digest, child)
    client.set_manifest(digest, child)
    assert [entry['digest'] for entry in entries(layout)].count(digest) == 1
    index = json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
        {'mediaType': OCI_MANIFEST, 'digest': digest, 'size': len(child)}]})
    client.set_manifest('i', index)
    assert [entry['annotations'][NAME] for entry in entries(layout)] == ['a', 'i']
    assert client.get_manifest(digest) == child


# Referrers

def refer(client: DXF, reference: str | None, **fields: Any) -> tuple[str, str]:
    """Store a manifest that refers to a subject; return its text and its digest."""
    manifest = json.loads(str(client.get_manifest('a')))
    content = json.dumps({**manifest, 'subject': {'mediaType': OCI_MANIFEST, 'digest': MISSING, 'size': 7}, **fields})
    digest = hash_bytes(content.encode())
    response = ask(client, 'put', f'{REPO}/manifests/{reference or digest}', 201, data=content.encode(),
                   headers={'Content-Type': OCI_MANIFEST})
    assert response.headers['OCI-Subject'] == MISSING
    assert response.headers['Docker-Content-Digest'] == digest
    return content, digest


def referrers(client: DXF, digest: str, repo: str = REPO) -> list[Any]:
    """Return what refers to a digest."""
    response = ask(client, 'get', f'{repo}/referrers/{digest}', 200)
    assert response.headers['Content-Type'] == OCI_INDEX
    index = response.json()
    assert (index['schemaVersion'], index['mediaType']) == (2, OCI_INDEX)
    found: list[Any] = index['manifests']
    return found


def test_what_refers_to_a_subject_is_listed(client: DXF) -> None:
    config = {'mediaType': 'application/vnd.example.config', 'digest': DIGEST, 'size': len(CONTENT)}
    first, one = refer(client, None, artifactType='application/vnd.example.signature', annotations={'by': 'fred'})
    second, two = refer(client, 'signed', config=config)
    client.set_manifest('signed-too', second)
    assert referrers(client, MISSING) == [
        {'mediaType': OCI_MANIFEST, 'digest': one, 'size': len(first), 'annotations': {'by': 'fred'},
         'artifactType': 'application/vnd.example.signature'},
        {'mediaType': OCI_MANIFEST, 'digest': two, 'size': len(second),
         'artifactType': 'application/vnd.example.config'}]
    assert client.get_manifest_and_response(one)[0] == first
    client.del_aliases('signed', 'signed-too')
    assert [found['digest'] for found in referrers(client, MISSING)] == [one]


def test_nothing_refers_to_what_nothing_refers_to(client: DXF) -> None:
    refer(client, None)
    assert referrers(client, DIGEST) == referrers(client, MISSING, 'fred/other') == []


def test_a_manifest_of_another_kind_may_refer_to_a_subject_too(client: DXF, layout: Path) -> None:
    digest = put(layout, {'mediaType': ARTIFACT, 'artifactType': 'text/x', 'blobs': [],
                          'subject': {'mediaType': OCI_MANIFEST, 'digest': MISSING, 'size': 7}})
    enter(layout, {'mediaType': ARTIFACT, 'digest': digest, 'size': 7})
    _, other = refer(client, None)
    assert {found['digest'] for found in referrers(client, MISSING)} == {digest, other}


def test_what_a_client_has_listed_under_the_tag_refers_too(client: DXF) -> None:
    content, digest = refer(client, None)
    listed = [{'mediaType': OCI_MANIFEST, 'digest': digest, 'size': len(content)}]
    client.set_manifest(MISSING.replace(':', '-'), json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX,
                                                              'manifests': listed}))
    assert [found['digest'] for found in referrers(client, MISSING)] == [digest]
    _, other = refer(client, 'too', annotations={'by': 'wilma'})
    assert {found['digest'] for found in referrers(client, MISSING)} == {digest, other}


@pytest.mark.parametrize('content', [b'no JSON', b'\xff', b'[]', b'{"subject": []}', b'{"subject": {"digest": 7}}'])
def test_a_document_of_another_kind_refers_to_nothing(client: DXF, layout: Path, content: bytes) -> None:
    enter(layout, {'mediaType': 'application/vnd.example', 'digest': put(layout, content), 'size': len(content)})
    _, digest = refer(client, None)
    assert [found['digest'] for found in referrers(client, MISSING)] == [digest]
