"""Copies: all that an alias leads to, from any place to any other, equal by digest in every part; and what that costs.

How copies break, and who sees which credential, have files of their own.
"""

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf import DXF, Limits, hash_bytes
from dxf.copying import Copied
from dxf.exceptions import (DXFConflictError, DXFDigestMismatchError, DXFHTTPError, DXFInvalidDocumentError,
                            DXFInvalidNameError, DXFPlatformDataNotFound, DXFSizeMismatchError)

from ..helpers.endpoints import Endpoint, Folder
from ..helpers.images import write_index
from ..helpers.layouts import snapshot
from ..helpers.programs import skopeo
from ..helpers.repository_content import (CONTENTS, OCI_INDEX, OCI_MANIFEST, lacks_alias, push_alias, push_referrer,
                                          reachable, set_document)
from ..helpers.traffic import Exchange, Traffic
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error

ENDPOINTS = ('open_registry', 'basic_registry', 'token_registry', 'folder')
PLATFORMS = (('linux/amd64', (b'first layer\n' * 1000, b'second layer')), ('linux/arm/v7', (b'arm', b'second layer')))
PUSHED = 'fred/pushed'


@pytest.fixture(name='pair', params=list(permutations(ENDPOINTS, 2)), ids='-to-'.join)
def each_pair(request: pytest.FixtureRequest) -> tuple[Endpoint, Endpoint]:
    """Every place, with every other to copy to."""
    source, target = map(request.getfixturevalue, request.param)
    return source, target


@pytest.fixture(name='target', params=['basic_registry', 'folder'])
def each_target(request: pytest.FixtureRequest, repo: str) -> DXF:
    """A repository of a server, and of a folder, to copy to."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return endpoint.dxf(repo)


@pytest.fixture(name='pushed', scope='module')
def push_images(open_registry: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> DXF:
    """A repository to which skopeo pushed an image of several platforms, as an OCI index and as a Docker list."""
    layout = tmp_path_factory.mktemp('layout')
    write_index(layout, PLATFORMS)
    for form in ('oci', 'v2s2'):
        skopeo('copy', '--all', '--dest-tls-verify=false', '--format', form, f'oci:{layout}:latest',
               f'docker://{open_registry.host}/{PUSHED}:{form}')
    return open_registry.dxf(PUSHED)


def of(endpoint: Endpoint, traffic: Traffic) -> list[Exchange]:
    """Return the requests to one place."""
    return [exchange for exchange in traffic.requests if endpoint.is_own(exchange.url)]


def lines(endpoint: Endpoint, traffic: Traffic) -> list[str]:
    """Return the same, each as ``METHOD path status`` without what goes before ``blobs`` or ``manifests``."""
    return [f'{exchange.method} {exchange.path.partition("/v2/")[2].split("/", 2)[2]} {exchange.status}'
            for exchange in of(endpoint, traffic)]


# What arrives


def test_an_alias_of_several_blobs_arrives(pair: tuple[Endpoint, Endpoint], repo: str) -> None:
    source, target = (endpoint.dxf(repo) for endpoint in pair)
    digests = push_alias(source, *CONTENTS)
    copied = dxf.copy(source, target, 'a')
    text = source.get_manifest('a')
    assert copied == Copied(hash_bytes(str(text).encode()), dict(zip(digests, map(len, CONTENTS), strict=True)), {})
    assert target.get_manifest('a') == text
    assert target.head_manifest_and_response('a')[0] == copied.digest
    assert reachable(target, 'a') == reachable(source, 'a')
    assert [pair[1].file_of(repo, digest).read_bytes() for digest in digests] == list(CONTENTS)


@pytest.mark.parametrize('name', ENDPOINTS)
def test_an_alias_arrives_in_another_repository_of_the_same_place_under_another_name(
        request: pytest.FixtureRequest, name: str, repo: str) -> None:
    endpoint: Endpoint = request.getfixturevalue(name)
    source, target = endpoint.dxf(repo), endpoint.dxf(f'{repo}-other')
    push_alias(source, *CONTENTS)
    dxf.copy(source, target, 'a', 'b')
    assert reachable(target, 'b') == reachable(source, 'a')
    assert target.list_aliases() == ['b']


def test_an_alias_gets_another_name_in_its_own_repository(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    push_alias(client, *CONTENTS)
    copied = dxf.copy(client, client, 'a', 'b')
    assert (copied.moved, len(copied.found)) == ({}, 3)
    assert reachable(client, 'b') == reachable(client, 'a')


@pytest.mark.parametrize('form', ['oci', 'v2s2'])
def test_an_image_of_several_platforms_that_skopeo_pushed_equals_the_original_in_every_part(
        pushed: DXF, target: DXF, form: str) -> None:
    copied = dxf.copy(pushed, target, form)
    original = reachable(pushed, form)
    assert len(original) == 1 + 2 + 2 + 3  # index, manifests, configurations, layers, one of which both have
    assert reachable(target, form) == original
    assert copied.digest == target.head_manifest_and_response(form)[0] == pushed.head_manifest_and_response(form)[0]
    assert copied.moved.keys() < original.keys()


def test_of_an_image_of_several_platforms_one_arrives_without_the_index(pushed: DXF, target: DXF) -> None:
    copied = dxf.copy(pushed, target, 'oci', platform='linux/arm/v7')
    text = pushed.get_manifest('oci', 'linux/arm/v7')
    assert target.get_manifest('oci') == text
    assert copied.digest == hash_bytes(str(text).encode())
    assert reachable(target, 'oci') == reachable(pushed, copied.digest)
    for digest in reachable(pushed, 'oci').keys() - reachable(target, 'oci').keys():
        for path in ('blobs', 'manifests'):
            with pytest.raises(DXFHTTPError, match='^404 '):
                target._request('head', f'{path}/{digest}')


def test_a_single_image_arrives_whatever_the_platform(open_registry: Endpoint, target: DXF, repo: str) -> None:
    source = open_registry.dxf(repo)
    push_alias(source, *CONTENTS)
    dxf.copy(source, target, 'a', platform='linux/arm/v7')
    assert reachable(target, 'a') == reachable(source, 'a')


def test_a_platform_that_is_not_there_changes_nothing(pushed: DXF, folder: Endpoint, repo: str) -> None:
    push_alias(folder.dxf(repo), b'other')
    before = snapshot(folder.registry.storage)
    with pytest.raises(DXFPlatformDataNotFound, match='^no data for platform linux/s390x$'):
        dxf.copy(pushed, folder.dxf(repo), 'oci', platform='linux/s390x')
    assert snapshot(folder.registry.storage) == before


def test_an_index_within_an_index_arrives(pushed: DXF, target: DXF) -> None:
    text, _ = pushed.get_manifest_and_response('oci')
    inner = {'mediaType': OCI_INDEX, 'digest': hash_bytes(text.encode()), 'size': len(text)}
    set_document(pushed, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [inner]}, 'outer')
    dxf.copy(pushed, target, 'outer')
    assert reachable(target, 'outer') == reachable(pushed, 'outer')
    assert reachable(pushed, 'outer').keys() > reachable(pushed, 'oci').keys()


def test_an_index_that_is_nested_without_end_is_refused(repo: str, target: DXF) -> None:
    with ScriptedRegistry() as registry:
        inner = registry.memory.put_manifest(repo, 'x', OCI_INDEX, json.dumps(
            {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': []}).encode())
        for _ in range(9):
            inner = registry.memory.put_manifest(repo, 'a', OCI_INDEX, json.dumps(
                {'schemaVersion': 2, 'mediaType': OCI_INDEX,
                 'manifests': [{'mediaType': OCI_INDEX, 'digest': inner, 'size': 100}]}).encode())
        with pytest.raises(DXFInvalidDocumentError, match='^invalid index: nested too deep'):
            dxf.copy(DXF(registry.host, repo, insecure=True), target, 'a')
    assert lacks_alias(target, 'a')


def test_signed_schema_1_goes_to_a_folder_and_comes_back(schema1_registry: Endpoint, folder: Endpoint,
                                                         repo: str) -> None:
    source, kept = DXF(schema1_registry.host, repo, insecure=True, schema='v1'), folder.dxf(repo)
    digests = push_alias(source, b'first', b'second')
    known = source.head_manifest_and_response('a')[0]
    assert dxf.copy(source, kept, 'a').digest == known == kept.head_manifest_and_response('a')[0]
    assert reachable(kept, 'a') == reachable(source, 'a')
    back = schema1_registry.dxf(f'{repo}-back')
    assert dxf.copy(kept, back, 'a').digest == known == back.head_manifest_and_response('a')[0]
    assert reachable(back, 'a') == reachable(source, 'a')
    assert back.get_alias('a') == digests
    assert json.loads(str(back.get_manifest('a')))['schemaVersion'] == 1


def test_a_registry_that_refuses_the_manifest_gets_no_alias(schema1_registry: Endpoint, open_registry: Endpoint,
                                                            repo: str
                                                            ) -> None:
    source = DXF(schema1_registry.host, repo, insecure=True, schema='v1')
    push_alias(source, b'first')
    target = DXF(open_registry.host, repo, insecure=True, limits=Limits(retries=0))
    with pytest.raises(DXFHTTPError, match='^500 '):
        dxf.copy(source, target, 'a')
    assert lacks_alias(target, 'a')


@pytest.mark.parametrize('kind', [
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
])
@pytest.mark.parametrize('there', [False, True])
def test_a_layer_that_registries_do_not_distribute_need_not_be_there(folder: Endpoint, repo: str, kind: str, there: bool
                                                                     ) -> None:
    content = f'foreign of {repo}'.encode()
    foreign = {'mediaType': kind, 'digest': hash_bytes(content), 'size': len(content), 'urls': ['https://example.com']}
    with ScriptedRegistry() as registry:
        config = {'mediaType': 'application/octet-stream', 'digest': registry.memory.put(repo, b'{}'), 'size': 2}
        if there:
            registry.memory.put(repo, content)
        source, target = DXF(registry.host, repo, insecure=True), folder.dxf(repo)
        set_document(source, {'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': config, 'layers': [foreign]},
                     'a')
        copied = dxf.copy(source, target, 'a')
        assert (foreign['digest'] in copied.moved) == there
        assert target.get_manifest('a') == source.get_manifest('a')


def test_a_layer_that_one_of_two_manifests_calls_foreign_has_to_be_there_for_the_other(repo: str) -> None:
    content = f'foreign of {repo}'.encode()
    foreign = {'mediaType': 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
               'digest': hash_bytes(content), 'size': len(content), 'urls': ['https://example.com']}
    with ScriptedRegistry() as registry, ScriptedRegistry() as other:
        config = {'mediaType': 'application/octet-stream', 'digest': registry.memory.put(repo, b'{}'), 'size': 2}
        source, target = (DXF(one.host, repo, insecure=True) for one in (registry, other))
        images = [json.dumps({'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': config, 'layers': [layer]})
                  for layer in ({**foreign, 'mediaType': 'application/octet-stream'}, foreign)]
        for text in images:
            source.set_manifest(hash_bytes(text.encode()), text)
        set_document(source, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
            {'mediaType': OCI_MANIFEST, 'digest': hash_bytes(text.encode()), 'size': len(text)} for text in images]},
                     'a')
        with pytest.raises(DXFHTTPError, match='^404 '):
            dxf.copy(source, target, 'a')
        assert lacks_alias(target, 'a')


FOREIGN = {'mediaType': 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'urls': ['https://example.com']}


def write_image(client: DXF, **layer: Any) -> str:
    """Write an image with one layer under an alias; return the layer's digest."""
    content = f'layer of {client._repo}'.encode()
    config = {'mediaType': 'application/octet-stream', 'digest': client.push_blob(data=b'{}'), 'size': 2}
    digest = client.push_blob(data=content)
    set_document(client, {'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': config,
                          'layers': [{**layer, 'digest': digest, 'size': len(content)}]}, 'a')
    return digest


@pytest.mark.parametrize('layer', [
    pytest.param({'mediaType': 'application/vnd.acme.foreign-exchange.rates', 'urls': ['https://example.com']},
                 id='the word in another type'),
    pytest.param({'mediaType': 'application/vnd.acme.nondistributable', 'urls': ['https://example.com']},
                 id='the other word in another type'),
    pytest.param({'mediaType': FOREIGN['mediaType']}, id='no address'),
    pytest.param({'mediaType': FOREIGN['mediaType'], 'urls': []}, id='an empty list of addresses'),
])
def test_a_layer_that_is_missing_is_left_out_only_by_its_exact_type_and_an_address(
        folder: Endpoint, tmp_path: Path, repo: str, layer: dict[str, Any]) -> None:
    with ScriptedRegistry() as registry:
        source = DXF(registry.host, repo, insecure=True)
        del registry.memory.blobs[repo][write_image(source, **layer)]
        for target in (folder.dxf(repo), DXF(f'oci:{tmp_path / "other"}', repo)):
            with pytest.raises(DXFHTTPError, match='^404 '):
                dxf.copy(source, target, 'a')
            assert lacks_alias(target, 'a')


def test_a_foreign_layer_that_is_damaged_in_the_source_is_not_left_out(folder: Endpoint, open_registry: Endpoint,
                                                                       repo: str) -> None:
    source, target = folder.dxf(repo), open_registry.dxf(repo)
    digest = write_image(source, **FOREIGN)
    path, = (path for path in Path(source._host.removeprefix('oci:')).rglob(digest.removeprefix('sha256:')))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DXFDigestMismatchError):
        dxf.copy(source, target, 'a')
    assert lacks_alias(target, 'a')


@pytest.mark.parametrize('headers', [{}, {'Docker-Content-Digest': hash_bytes(b'another')}],
                         ids=['no digest', 'the digest of another blob'])
def test_a_foreign_layer_of_which_the_source_tells_another_length_is_not_left_out(
        open_registry: Endpoint, repo: str, headers: dict[str, str]) -> None:
    with ScriptedRegistry() as registry:
        source, target = DXF(registry.host, repo, insecure=True, limits=Limits(retries=0)), open_registry.dxf(repo)
        digest = write_image(source, **FOREIGN)
        headers = {'Content-Type': 'application/octet-stream', **headers}
        registry.hook = lambda request: Answer(200, headers, b'other') if request.path.endswith(digest) else None
        with pytest.raises((DXFDigestMismatchError, DXFSizeMismatchError)):
            dxf.copy(source, target, 'a')
        assert lacks_alias(target, 'a')


def test_a_foreign_layer_of_which_the_source_tells_no_length_is_copied(open_registry: Endpoint, repo: str) -> None:
    with ScriptedRegistry() as registry:
        source, target = DXF(registry.host, repo, insecure=True), open_registry.dxf(repo)
        digest = write_image(source, **FOREIGN)
        content = registry.memory.blobs[repo][digest]
        registry.hook = lambda request: Answer(200, {}, content, undelimited=True) \
            if request.path.endswith(digest) else None
        assert digest in dxf.copy(source, target, 'a').moved
        assert b''.join(target.pull_blob(digest)) == content


def test_a_target_that_has_something_else_in_the_end_is_an_error(open_registry: Endpoint, repo: str) -> None:
    source = open_registry.dxf(repo)
    push_alias(source, b'first')
    with ScriptedRegistry() as registry:
        other = registry.memory.put_manifest(repo, 'a', OCI_MANIFEST, b'{}')
        registry.script('PUT', f'/v2/{repo}/manifests/a', [Answer(201)])
        with pytest.raises(DXFDigestMismatchError) as caught:
            dxf.copy(source, DXF(registry.host, repo, insecure=True), 'a')
    assert (caught.value.got, caught.value.expected) == (other, source.head_manifest_and_response('a')[0])


def test_a_target_that_names_no_digest_is_read(open_registry: Endpoint, repo: str) -> None:
    source = open_registry.dxf(repo)
    push_alias(source, b'first')

    def without_digest(request: Request) -> Answer:
        answer = registry.ordinary(request)
        return Answer(answer.status, {name: value for name, value in answer.headers.items()
                                      if name != 'Docker-Content-Digest'}, answer.body)
    with ScriptedRegistry() as registry:
        registry.hook = without_digest
        digest = dxf.copy(source, DXF(registry.host, repo, insecure=True), 'a').digest
        assert registry.lines()[-1] == f'GET /v2/{repo}/manifests/a'
        assert registry.memory.tags[repo] == {'a': digest}


@pytest.mark.parametrize('names', [('@a', None), ('a', 'b c'), ('', None), ('a', ''), (hash_bytes(b'x'), None)])
def test_invalid_names_are_refused_before_a_request(open_registry: Endpoint, repo: str, traffic: Traffic,
                                                    names: tuple[str, str | None]) -> None:
    with pytest.raises(DXFInvalidNameError):
        dxf.copy(open_registry.dxf(repo), open_registry.dxf(f'{repo}-other'), *names)
    assert traffic.connections == []


# What it costs


def test_what_the_target_has_is_neither_fetched_nor_sent(open_registry: Endpoint, basic_registry: Endpoint, repo: str,
                                                         traffic: Traffic) -> None:
    source, target = open_registry.dxf(repo), basic_registry.dxf(repo)
    there, new = push_alias(source, b'there', b'new')
    target.push_blob(data=b'there')
    source.options = target.options = source.options.replace(jobs=1)
    traffic.clear()
    copied = dxf.copy(source, target, 'a')
    assert (copied.moved, copied.found) == ({new: 3}, {there: 5})
    assert lines(open_registry, traffic) == ['GET manifests/a 200', f'GET blobs/{new} 200']
    upload = of(basic_registry, traffic)[3].path.rpartition('/')[2]
    assert lines(basic_registry, traffic) == [
        f'HEAD blobs/{there} 200', f'HEAD blobs/{new} 404', 'POST blobs/uploads/ 202',
        f'PUT blobs/uploads/{upload} 201', 'PUT manifests/a 201', 'HEAD manifests/a 200']
    assert len(traffic.connections) <= 1  # the one to the target was there


def test_a_copy_that_is_repeated_moves_nothing(pushed: DXF, basic_registry: Endpoint, repo: str, traffic: Traffic
                                               ) -> None:
    target = basic_registry.dxf(repo)
    first = dxf.copy(pushed, target, 'oci')
    traffic.clear()
    again = dxf.copy(pushed, target, 'oci')
    assert (again.moved, again.found) == ({}, first.moved)
    assert not [exchange for exchange in traffic.requests if '/blobs/' in exchange.path and exchange.method != 'HEAD']


@pytest.mark.parametrize('name', ['basic_registry', 'token_registry', 'folder'])
def test_within_a_registry_blobs_are_mounted(request: pytest.FixtureRequest, name: str, repo: str, traffic: Traffic
                                             ) -> None:
    endpoint: Endpoint = request.getfixturevalue(name)
    source, target = endpoint.dxf(repo), endpoint.dxf(f'{repo}-other')
    push_alias(source, *CONTENTS)
    traffic.clear()
    reported: list[str] = []
    dxf.copy(source, target, 'a', progress=lambda digest, *_: reported.append(digest))
    moved = [exchange for exchange in of(endpoint, traffic) if '/blobs/' in exchange.path and exchange.status != 401]
    assert sorted(f'{exchange.method} {exchange.status}' for exchange in moved) == ['HEAD 404'] * 3 + ['POST 201'] * 3
    assert not reported
    assert reachable(target, 'a') == reachable(source, 'a')


@pytest.mark.parametrize('refusal', [
    pytest.param(None, id='it opens an upload, as distribution has it'),
    pytest.param(error(401, 'UNAUTHORIZED'), id='the other repository is not for this user'),
    pytest.param(error(403, 'DENIED'), id='or so'),
    pytest.param(error(404, 'NAME_UNKNOWN'), id='or so, and it is not even told that there is one'),
    pytest.param(error(405, 'UNSUPPORTED'), id='it knows no mounting'),
])
def test_where_a_mount_is_refused_blobs_are_streamed(repo: str, refusal: Answer | None) -> None:
    def refuse(request: Request) -> Answer | None:
        if request.parameter('mount') is None or request.path.startswith(f'/v2/{repo}/'):
            return None
        if refusal is not None:
            return refusal
        upload = registry.memory.uploads['opened'] = b''
        return Answer(202, {'Location': f'/v2/{repo}-other/blobs/uploads/opened', 'Range': f'0-{len(upload)}'})
    with ScriptedRegistry() as registry:
        registry.hook = refuse
        source, target = (DXF(registry.host, name, insecure=True, limits=Limits(retries=0), jobs=1)
                          for name in (repo, f'{repo}-other'))
        digest, = push_alias(source, b'content')
        dxf.copy(source, target, 'a')
        assert registry.memory.blobs[f'{repo}-other'] == {digest: b'content'}
        assert 'a' in registry.memory.tags[f'{repo}-other']
        assert not registry.memory.uploads
        assert f'GET /v2/{repo}/blobs/{digest}' in registry.lines()


def test_the_alias_is_set_when_all_the_rest_is_there(pushed: DXF, basic_registry: Endpoint, repo: str, traffic: Traffic
                                                     ) -> None:
    dxf.copy(pushed, basic_registry.dxf(repo), 'oci')
    puts = [exchange.path for exchange in of(basic_registry, traffic) if exchange.method == 'PUT']
    assert puts[-1] == f'/v2/{repo}/manifests/oci'
    assert [path.rpartition('/')[0].rpartition('/')[2] for path in puts] == ['uploads'] * 5 + ['manifests'] * 3


def test_a_copy_is_reported_blob_by_blob_from_an_empty_piece_on(open_registry: Endpoint, basic_registry: Endpoint,
                                                                repo: str
                                                                ) -> None:
    source, target = open_registry.dxf(repo), basic_registry.dxf(repo)
    digests = push_alias(source, *CONTENTS)
    reports: dict[str, list[tuple[bytes, int]]] = {}
    dxf.copy(source, target, 'a', progress=lambda digest, piece, size: reports.setdefault(digest, []).append(
        (bytes(piece), size)))
    assert {digest: b''.join(piece for piece, _ in told) for digest, told in reports.items()} == dict(
        zip(digests, CONTENTS, strict=True))
    for digest, content in zip(digests, CONTENTS, strict=True):
        assert reports[digest][0] == (b'', len(content))
        assert {size for _, size in reports[digest]} == {len(content)}


def test_a_dry_run_asks_and_changes_nothing(open_registry: Endpoint, folder: Endpoint, repo: str,
                                            traffic: Traffic) -> None:
    source, target = open_registry.dxf(repo), folder.dxf(repo)
    digests = push_alias(source, *CONTENTS)
    before = snapshot(folder.registry.storage)
    traffic.clear()
    copied = dxf.copy(source, target, 'a', dry_run=True)
    assert copied.moved == dict(zip(digests, map(len, CONTENTS), strict=True))
    assert {exchange.method for exchange in traffic.requests} == {'GET', 'HEAD'}
    assert snapshot(folder.registry.storage) == before
    assert dxf.copy(source, target, 'a') == copied


def test_single_blobs_are_copied_and_none_twice(open_registry: Endpoint, target: DXF, repo: str, traffic: Traffic
                                                ) -> None:
    source = open_registry.dxf(repo)
    first, second, third = (source.push_blob(data=content) for content in CONTENTS)
    target.copy_blob(source, first)
    traffic.clear()
    target.copy_blob(source, first)
    assert [exchange.method for exchange in traffic.requests if exchange.status != 401] == ['HEAD']
    target.copy_blobs(source, [first, second, third])
    assert [b''.join(target.pull_blob(digest)) for digest in (first, second, third)] == list(CONTENTS)
    with pytest.raises(DXFHTTPError, match='^404 '):
        target.copy_blob(source, hash_bytes(b'nowhere'))
    with pytest.raises(DXFInvalidNameError):
        target.copy_blob(source, 'first', check_exists=False)


# What refers to it


@pytest.fixture(name='keeper', params=['open_registry', 'folder'])
def each_keeper(request: pytest.FixtureRequest, repo: str) -> DXF:
    """A repository where an index under a tag lists referrers, and one that is asked for them."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return endpoint.dxf(repo)


@pytest.fixture(name='other_folder')
def make_other_folder(tmp_path: Path, repo: str) -> DXF:
    """A repository of another folder."""
    return Endpoint(Folder(tmp_path / 'other')).dxf(repo)


@pytest.fixture(name='other')
def find_other(keeper: DXF, request: pytest.FixtureRequest, repo: str) -> DXF:
    """A repository in the place of the other kind."""
    other: Endpoint = request.getfixturevalue('folder' if keeper._insecure else 'open_registry')
    return other.dxf(f'{repo}-copied')


def named(client: DXF) -> str:
    """Name something to refer to, and return the digest of its manifest."""
    push_alias(client, b'subject')
    return str(client.head_manifest_and_response('a')[0])


def tag_of(digest: str) -> str:
    """Return the tag under which referrers are listed."""
    return digest.replace(':', '-')


def in_order(client: DXF, digest: str) -> list[dict[str, Any]]:
    """Return the descriptors of what refers to a manifest, by their digests."""
    return sorted(client.list_referrers(digest), key=lambda entry: str(entry['digest']))


def test_a_referrer_is_listed_with_its_kind_and_annotations(keeper: DXF) -> None:
    subject = named(keeper)
    assert keeper.list_referrers(subject) == []
    signature = push_referrer(keeper, subject, 'application/vnd.example.signature', signer='fred')
    text, _ = keeper.get_manifest_and_response(signature)
    assert keeper.list_referrers(subject) == [{
        'mediaType': OCI_MANIFEST, 'digest': signature, 'size': len(text),
        'artifactType': 'application/vnd.example.signature', 'annotations': {'signer': 'fred'}}]


def test_a_second_referrer_joins_the_first_and_none_comes_twice(keeper: DXF) -> None:
    subject = named(keeper)
    both = [push_referrer(keeper, subject, kind) for kind in ('application/x-one', 'application/x-two')]
    listed = in_order(keeper, subject)
    assert [entry['digest'] for entry in listed] == sorted(both)
    assert push_referrer(keeper, subject, 'application/x-one') == both[0]
    assert in_order(keeper, subject) == listed


def test_a_registry_that_lists_no_referrers_gets_an_index_of_them_under_a_tag(open_registry: Endpoint, repo: str,
                                                                              traffic: Traffic) -> None:
    client = open_registry.dxf(repo)
    subject = named(client)
    push_referrer(client, subject, 'application/x-one')
    text, _ = client.get_manifest_and_response(tag_of(subject))
    assert json.loads(text) == {'schemaVersion': 2, 'mediaType': OCI_INDEX,
                                'manifests': client.list_referrers(subject)}
    traffic.clear()
    push_referrer(client, subject, 'application/x-one')
    assert f'PUT manifests/{tag_of(subject)} 201' not in lines(open_registry, traffic)
    push_referrer(client, subject, 'application/x-two')
    assert f'PUT manifests/{tag_of(subject)} 201' in lines(open_registry, traffic)


def test_a_folder_gets_no_tag_for_referrers(folder: Endpoint, repo: str) -> None:
    client = folder.dxf(repo)
    push_referrer(client, named(client), 'application/x-one')
    assert client.list_aliases() == ['a']


def test_referrers_and_theirs_are_copied_where_they_are_wanted(keeper: DXF, other: DXF) -> None:
    subject = named(keeper)
    signature, report = (push_referrer(keeper, subject, f'application/x-{kind}', by='fred') for kind in ('signature',
                                                                                                         'report'))
    countersign = push_referrer(keeper, signature, 'application/x-countersign')
    dxf.copy(keeper, other, 'a')
    assert other.list_referrers(subject) == []
    dxf.copy(keeper, other, 'a', referrers=True)
    for digest, expected in ((subject, {signature, report}), (signature, {countersign}), (countersign, set())):
        assert {entry['digest'] for entry in other.list_referrers(digest)} == expected
        assert in_order(other, digest) == in_order(keeper, digest)
    for digest in (signature, report, countersign):
        assert reachable(other, digest) == reachable(keeper, digest)
    assert dxf.copy(keeper, other, 'a', referrers=True).moved == {}


@pytest.mark.parametrize('suffix', ['sig', 'att', 'sbom'])
def test_what_cosign_stored_under_tags_is_copied_with_the_referrers(keeper: DXF, other: DXF, suffix: str) -> None:
    subject = named(keeper)
    tag = f'{tag_of(subject)}.{suffix}'
    push_alias(keeper, suffix.encode(), alias=tag)
    countersign = f'{tag_of(keeper.manifest_digest(tag))}.sig'
    push_alias(keeper, b'of the signature', alias=countersign)
    dxf.copy(keeper, other, 'a')
    assert set(other.list_aliases()).isdisjoint({tag, countersign})
    dxf.copy(keeper, other, 'a', referrers=True)
    for alias in ('a', tag, countersign):
        assert reachable(other, alias) == reachable(keeper, alias)
    assert dxf.copy(keeper, other, 'a', referrers=True).moved == {}


def test_a_copy_fetches_a_manifest_of_cosign_once(keeper: DXF, other: DXF, traffic: Traffic) -> None:
    tag = f'{tag_of(named(keeper))}.sig'
    push_alias(keeper, b'one', alias=tag)
    digest = keeper.manifest_digest(tag)
    traffic.clear()
    dxf.copy(keeper, other, 'a', referrers=True)
    assert [exchange.method for exchange in traffic.requests
            if exchange.path.endswith((f'manifests/{tag}', f'manifests/{digest}'))].count('GET') == 1


def test_a_signature_of_cosign_that_only_the_target_has_is_not_replaced(keeper: DXF, other: DXF) -> None:
    tag = f'{tag_of(named(keeper))}.sig'
    push_alias(keeper, b'one', alias=tag)
    dxf.copy(keeper, other, 'a', referrers=True)
    push_alias(keeper, b'one', b'two', alias=tag)
    dxf.copy(keeper, other, 'a', referrers=True)
    assert reachable(other, tag) == reachable(keeper, tag)
    push_alias(other, b'one', b'three', alias=tag)
    before = reachable(other, tag)
    for dry_run in (True, False):
        with pytest.raises(DXFConflictError, match=tag):
            dxf.copy(keeper, other, 'a', referrers=True, dry_run=dry_run)
    assert reachable(other, tag) == before


def test_a_referrer_that_an_index_lists_too_is_listed_and_copied(folder: Endpoint, other_folder: DXF,
                                                                 repo: str) -> None:
    client = folder.dxf(repo)
    subject = named(client)
    signature = push_referrer(client, subject, 'application/x-signature')
    listed = client.list_referrers(subject)
    set_document(client, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': listed}, 'inner')
    inner = str(client.get_manifest_and_response('inner')[0]).encode()
    set_document(client, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
        {'mediaType': OCI_INDEX, 'digest': hash_bytes(inner), 'size': len(inner)}]}, 'inner')
    assert client.list_referrers(subject) == listed
    dxf.copy(client, other_folder, 'a', referrers=True)
    assert [entry['digest'] for entry in other_folder.list_referrers(subject)] == [signature]


def test_a_copy_of_a_list_of_referrers_keeps_what_is_attached_in_the_target(
        open_registry: Endpoint, basic_registry: Endpoint, repo: str) -> None:
    source, target = open_registry.dxf(repo), basic_registry.dxf(repo)
    subject = named(source)
    assert named(target) == subject
    theirs, ours = push_referrer(source, subject, 'application/x-theirs'), push_referrer(target, subject,
                                                                                         'application/x-ours')
    for _ in range(2):
        copied = dxf.copy(source, target, tag_of(subject))
        assert {entry['digest'] for entry in target.list_referrers(subject)} == {theirs, ours}
        assert copied.digest == target.manifest_digest(tag_of(subject))
    assert reachable(target, theirs) == reachable(source, theirs)


def test_a_list_of_referrers_that_the_target_does_not_have_arrives_byte_for_byte(
        open_registry: Endpoint, target: DXF, repo: str) -> None:
    source = open_registry.dxf(repo)
    subject = named(source)
    for kind in ('application/x-one', 'application/x-two'):
        push_referrer(source, subject, kind)
        dxf.copy(source, target, tag_of(subject))
        assert reachable(target, tag_of(subject)) == reachable(source, tag_of(subject))


def test_a_referrer_of_one_platform_is_copied(pushed: DXF, target: DXF) -> None:
    digest = hash_bytes(str(pushed.get_manifest('v2s2', 'linux/amd64')).encode())
    signature = push_referrer(pushed, digest, 'application/x-signature')
    dxf.copy(pushed, target, 'v2s2', referrers=True)
    assert [entry['digest'] for entry in target.list_referrers(digest)] == [signature]
    assert reachable(target, signature) == reachable(pushed, signature)


def test_referrers_that_go_round_in_circles_are_copied_once(repo: str, target: DXF) -> None:
    # Digests make that impossible; a registry that says so is wrong, and does no harm.
    with ScriptedRegistry() as registry:
        source = DXF(registry.host, repo, insecure=True)
        subject = named(source)
        entry = [{'mediaType': OCI_MANIFEST, 'digest': subject, 'size': 1}]
        listing = json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': entry}).encode()
        registry.hook = lambda request: Answer(200, {'Content-Type': OCI_INDEX}, listing) \
            if '/referrers/' in request.path else None
        dxf.copy(source, target, 'a', referrers=True)
    assert target.get_alias('a') == [hash_bytes(b'subject')]


def test_a_list_of_referrers_has_pages(repo: str) -> None:
    pages: list[list[str]] = [[hash_bytes(b'%d' % number)] for number in range(3)]

    def answer(request: Request) -> Answer:
        number = int(request.parameter('page') or 0)
        link = {'Link': f'<{request.path}?page={number + 1}>; rel="next"'} if number < 2 else {}
        listing = {'schemaVersion': 2, 'mediaType': OCI_INDEX,
                   'manifests': [{'mediaType': OCI_MANIFEST, 'digest': pages[number][0], 'size': 1}]}
        return Answer(200, {'Content-Type': OCI_INDEX, **link}, json.dumps(listing).encode())
    with ScriptedRegistry() as registry:
        registry.hook = answer
        client = DXF(registry.host, repo, insecure=True)
        assert [entry['digest'] for entry in client.list_referrers(hash_bytes(b'x'))] == [page[0] for page in pages]


def test_a_registry_that_fails_to_list_referrers_is_an_error_and_not_an_empty_list(repo: str) -> None:
    with ScriptedRegistry() as registry:
        registry.hook = lambda request: error(500, 'UNKNOWN') if '/referrers/' in request.path else None
        with pytest.raises(DXFHTTPError, match='^500 '):
            DXF(registry.host, repo, insecure=True, limits=Limits(retries=0)).list_referrers(hash_bytes(b'x'))
