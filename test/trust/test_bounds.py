"""Bounds of one operation: indexes that lead to ever more, lists without an end, and the memory of a copy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf import DXF, Limits, hash_bytes, inspection
from dxf.exceptions import DXFInvalidDocumentError, DXFPlatformDataNotFound

from ..helpers.endpoints import Endpoint
from ..helpers.memory_measurement import MeasuredRun
from ..helpers.repository_content import CONTENTS, OCI_INDEX, OCI_MANIFEST, push_alias, push_referrer, reachable
from ..servers.certificates import Certificates
from ..servers.scripted_registry import REPO, Answer, Request, ScriptedRegistry
from .test_memory import of

EMPTY = hash_bytes(b'{}')
MANY = 300
"""How often an index lists another one."""

LARGE = 4_000_000
"""Bytes of a manifest that is as large as registries take it."""


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry."""
    server.memory.put(REPO, b'{}')
    return server


def put(server: ScriptedRegistry, media_type: str, alias: str = '', **members: Any) -> dict[str, Any]:
    """Store a manifest, and return its descriptor."""
    content = json.dumps({'schemaVersion': 2, 'mediaType': media_type, **members}).encode()
    digest = hash_bytes(content)
    server.memory.manifests[REPO][digest] = media_type, content
    if alias:
        server.memory.tags[REPO][alias] = digest
    return {'mediaType': media_type, 'digest': digest, 'size': len(content)}


def image(server: ScriptedRegistry, name: object = 0, padding: int = 0) -> dict[str, Any]:
    """Store an image manifest, the larger by some padding, and return its descriptor."""
    config = {'mediaType': 'application/vnd.oci.empty.v1+json', 'digest': EMPTY, 'size': 2}
    return put(server, OCI_MANIFEST, config=config, layers=[config],
               annotations={'name': f'{name}', 'padding': 'x' * padding})


def index(server: ScriptedRegistry, *entries: dict[str, Any], alias: str = '') -> dict[str, Any]:
    """Store an index, and return its descriptor."""
    return put(server, OCI_INDEX, alias, manifests=list(entries))


def on(entry: dict[str, Any], architecture: object) -> dict[str, Any]:
    """Return an entry for a platform."""
    return {**entry, 'platform': {'os': 'linux', 'architecture': f'{architecture}'}}


def bomb(server: ScriptedRegistry, spread: bool) -> None:
    """Store an index that lists an inner one 300 times, which lists another one 300 times, as ``a``.

    :param spread: each time for another platform
    """
    entry = image(server)
    for number in range(3):
        is_spread = spread and number < 2
        entry = index(server, *(on(entry, f'{number}.{one}') if is_spread else entry for one in range(MANY)),
                      alias='a' if number == 2 else '')


OPERATIONS: dict[str, Callable[[DXF], Any]] = {
    'get-alias': lambda client: client.get_alias('a'),
    'get-manifest': lambda client: client.get_manifest('a'),
    'get-digest': lambda client: client.get_digest('a'),
    'one platform': lambda client: client.get_alias('a', platform='linux/none'),
    'resolve': lambda client: client.resolve('a', 'linux/none'),
    'inspect': lambda client: inspection.inspect(client, 'a'),
}


@pytest.mark.parametrize('ask', OPERATIONS.values(), ids=OPERATIONS)
def test_an_index_that_lists_one_inner_index_many_times_costs_it_once(server: ScriptedRegistry, client: DXF,
                                                                      ask: Callable[[DXF], Any]) -> None:
    bomb(server, False)
    try:
        ask(client)
    except DXFPlatformDataNotFound:
        pass
    assert len(server.requests) <= 4
    assert len(set(server.lines())) == len(server.requests)


@pytest.mark.parametrize('ask', OPERATIONS.values(), ids=OPERATIONS)
def test_an_index_that_leads_to_too_many_entries_is_one_error_after_a_few_requests(
        server: ScriptedRegistry, client: DXF, ask: Callable[[DXF], Any]) -> None:
    bomb(server, True)
    with pytest.raises((DXFInvalidDocumentError, DXFPlatformDataNotFound)) as caught:
        ask(client)
    assert 'leads to more than' in str(caught.value) or server.requests == server.requests[:4]
    assert len(server.requests) <= 4


@pytest.mark.parametrize('limits, requests', [
    (Limits(documents=5), 6), (Limits(descriptors=9), 1), (Limits(total=2500), 3),
])
def test_one_operation_fetches_no_more_manifests_than_the_limits_allow(server: ScriptedRegistry, limits: Limits,
                                                                       requests: int) -> None:
    index(server, *(on(image(server, number, 900), number) for number in range(10)), alias='a')
    client = DXF(server.host, REPO, insecure=True, limits=limits)
    with pytest.raises(DXFInvalidDocumentError, match='choose one platform'):
        client.get_manifest('a')
    assert len(server.requests) == requests


def test_entries_that_are_no_images_do_not_hide_that_there_are_too_many(server: ScriptedRegistry) -> None:
    unknown = {'os': 'unknown', 'architecture': 'unknown'}
    index(server, *({**image(server, number), 'platform': unknown} for number in range(10)), alias='a')
    with pytest.raises(DXFInvalidDocumentError, match='choose one platform'):
        DXF(server.host, REPO, insecure=True, limits=Limits(documents=5)).get_alias('a')


def test_one_image_for_several_platforms_is_fetched_once(server: ScriptedRegistry, client: DXF) -> None:
    one, other = image(server, 1), image(server, 2)
    index(server, on(one, 'a'), on(other, 'b'), on(one, 'c'), alias='a')
    assert client.get_alias('a') == {f'linux/{name}': [EMPTY] for name in 'abc'}
    assert len(server.requests) == 3


def test_of_a_large_index_one_platform_costs_two_requests(server: ScriptedRegistry, client: DXF) -> None:
    inner = index(server, on(image(server, 'inner'), 'inner'))
    index(server, *(on(image(server, number), number) for number in range(MANY)), inner, alias='a')
    assert client.get_alias('a', platform='linux/200') == [EMPTY]
    assert isinstance(client.resolve('a', 'linux/200').text, str)
    assert len(server.requests) == 4
    assert client.get_alias('a', platform='linux/inner') == [EMPTY]
    assert len(server.requests) == 7


# Copies

def test_a_copy_fetches_each_manifest_once_however_often_it_is_named(server: ScriptedRegistry, client: DXF,
                                                                     folder: Endpoint, repo: str) -> None:
    leaf = image(server, 'leaf')
    inner = index(server, leaf, image(server, 'inner'))
    index(server, inner, *[leaf] * 30, index(server, inner, leaf), *[inner] * 30, alias='a')
    dxf.copy(client, folder.dxf(repo), 'a')
    fetched = [request.line for request in server.of('GET') if '/manifests/' in request.path]
    assert len(set(fetched)) == len(fetched) == 5
    assert reachable(folder.dxf(repo), 'a') == reachable(client, 'a')


def test_what_an_index_names_is_stored_before_it_in_whatever_order_it_is_found(server: ScriptedRegistry, client: DXF,
                                                                               open_registry: Endpoint,
                                                                               repo: str) -> None:
    # The registry refuses an index whose manifests it does not have.
    third = index(server, image(server, 3))
    second = index(server, third, image(server, 2))
    index(server, third, second, alias='a')  # the third is nearer by way of the first
    dxf.copy(client, open_registry.dxf(repo), 'a')
    index(server, second, third, alias='b')
    dxf.copy(client, open_registry.dxf(repo), 'b')
    assert reachable(open_registry.dxf(repo), 'b') == reachable(client, 'b')


@pytest.mark.parametrize('name, most', [('MAX_MANIFESTS', 9), ('MAX_ENTRIES', 9), ('MAX_BYTES', 2000),
                                        ('MAX_BLOBS', 0)])
def test_a_copy_of_too_much_is_one_error_that_changes_nothing(
        server: ScriptedRegistry, client: DXF, folder: Endpoint, repo: str, monkeypatch: pytest.MonkeyPatch, name: str,
        most: int) -> None:
    index(server, *(image(server, number) for number in range(10)), alias='a')
    monkeypatch.setattr(f'dxf.contents.{name}', most)
    with pytest.raises(DXFInvalidDocumentError):
        dxf.copy(client, folder.dxf(repo), 'a')
    assert not (folder.registry.storage / repo).exists()


def test_a_copy_whose_manifests_are_not_kept_fetches_them_again(server: ScriptedRegistry, client: DXF, folder: Endpoint,
                                                                repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    index(server, index(server, *(image(server, number) for number in range(5))), alias='a')
    monkeypatch.setattr('dxf.contents.MAX_KEPT_BYTES', 1000)
    dxf.copy(client, folder.dxf(repo), 'a')
    assert reachable(folder.dxf(repo), 'a') == reachable(client, 'a')


def test_referrers_that_are_not_kept_are_listed_at_the_target(open_registry: Endpoint, folder: Endpoint, repo: str,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = folder.dxf(repo), open_registry.dxf(repo)
    push_alias(source, *CONTENTS)
    subject = source.manifest_digest('a')
    signatures = {push_referrer(source, subject, f'application/x-{number}') for number in range(4)}
    monkeypatch.setattr(dxf.copying, 'MAX_KEPT_BYTES', 1000)
    dxf.copy(source, target, 'a', referrers=True)
    assert {str(entry['digest']) for entry in target.list_referrers(subject)} == signatures


# Memory

def generated(server: ScriptedRegistry, count: int) -> dict[str, int]:
    """Serve an index of large manifests, made when they are asked for; return each manifest's digest and number."""
    def content(number: int) -> bytes:
        config = {'mediaType': 'application/vnd.oci.empty.v1+json', 'digest': EMPTY, 'size': 2}
        return json.dumps({'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': config, 'layers': [config],
                           'annotations': {'number': f'{number}', 'padding': 'x' * LARGE}}).encode()
    made = [(hash_bytes(text := content(number)), len(text)) for number in range(count)]
    index(server, *(on({'mediaType': OCI_MANIFEST, 'digest': digest, 'size': size}, number)
                    for number, (digest, size) in enumerate(made)), alias='a')
    numbers = {digest: number for number, (digest, _) in enumerate(made)}

    def hook(request: Request) -> Answer | None:
        number = numbers.get(request.path.rpartition('/')[2])
        return None if number is None else Answer(200, {'Content-Type': OCI_MANIFEST}, content(number))
    server.hook = hook
    return numbers


def test_a_copy_of_many_large_manifests_takes_little_memory(server: ScriptedRegistry, certificates: Certificates,
                                                            tmp_path: Path) -> None:
    numbers = generated(server, 20)
    target = f'oci:{tmp_path / "target"}'
    ran = MeasuredRun(tmp_path, of(server, certificates), 'copy', REPO, 'a', '--to', target, '--to-repo', 'one')
    assert ran.status == 0 and ran.lines == [] and ran.peak < 100, (ran.lines, ran.peak)
    assert {f'sha256:{path.name}' for path in (tmp_path / 'target' / 'one' / 'blobs' / 'sha256').iterdir()} == {
        *numbers, EMPTY, server.memory.tags[REPO]['a']}


def test_an_index_of_many_large_manifests_is_one_line_in_little_memory(server: ScriptedRegistry,
                                                                       certificates: Certificates, tmp_path: Path
                                                                       ) -> None:
    generated(server, 20)
    for command in ('get-manifest', 'get-alias', 'get-digest'):
        ran = MeasuredRun(tmp_path, of(server, certificates), command, REPO, 'a')
        assert ran.failed() and 'choose one platform' in ran.lines[0], (ran.lines, ran.peak)


def test_pages_of_referrers_without_an_end_are_one_line_in_little_memory(server: ScriptedRegistry,
                                                                         certificates: Certificates, tmp_path: Path
                                                                         ) -> None:
    push_alias(DXF(server.host, REPO, insecure=True), b'subject')
    entries = [{'mediaType': OCI_MANIFEST, 'digest': hash_bytes(b'%d' % number), 'size': 1,
                'annotations': {f'{one}': '' for one in range(800)}} for number in range(500)]
    body = json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': entries}, separators=(',', ':'))
    assert 3 << 20 < len(body) < 4 << 20

    def hook(request: Request) -> Answer | None:
        link = f'<{request.path}?last={len(server.requests)}>; rel="next"'
        return Answer(200, {'Link': link, 'Content-Type': OCI_INDEX}, body.encode()) \
            if '/referrers/' in request.path else None
    server.hook = hook
    ran = MeasuredRun(tmp_path, of(server, certificates), 'referrers', REPO, 'a')
    assert ran.failed() and 'referrers of sha256:' in ran.lines[0], (ran.lines, ran.peak)


def test_a_list_of_names_without_an_end_is_one_line_in_little_memory(server: ScriptedRegistry,
                                                                     certificates: Certificates, tmp_path: Path
                                                                     ) -> None:
    def hook(request: Request) -> Answer:
        first = int(request.parameter('last') or 0)
        names = ', '.join(f'"{"t" * 100}{number}"' for number in range(first, first + 30_000))
        return Answer(200, {'Link': f'<{request.path}?last={first + 30_000}>; rel="next"'},
                      f'{{"tags": [{names}]}}'.encode())
    server.hook = hook
    ran = MeasuredRun(tmp_path, of(server, certificates), 'list-aliases', REPO, '--sort')
    assert ran.failed() and 'more than' in ran.lines[0], (ran.lines, ran.peak)
