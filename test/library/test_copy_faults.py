"""Copies that break: they go on, or end with one clear error and nothing false in the target; a repeated one continues.

Connections are broken between dxf and real registries; what no real one does, a scripted one does.
"""

import json
import random
import time
from pathlib import Path

import pytest
from requests.exceptions import ConnectionError as NoConnection

import dxf
from dxf import DXF, Limits, hash_bytes
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFDigestMismatchError, DXFHTTPError, DXFSizeMismatchError, DXFSourceError

from ..helpers.endpoints import Endpoint
from ..helpers.layouts import under
from ..helpers.processes import Runner, files
from ..helpers.repository_content import lacks_alias, push_alias, reachable, target_variables
from ..helpers.traffic import Exchange, Traffic
from ..servers.fault_proxy import Fault, FaultProxy
from ..servers.resumable_registry import ResumableRegistry
from ..servers.scripted_registry import LOST, Answer, Request, ScriptedRegistry, error

LARGE = 3 << 20
CUT = 1 << 20
LIMITS = Limits(retries=2, backoff=0.01)
PARTS = LIMITS._replace(part=1 << 20, small_part=1 << 20)


def content_of(repo: str, size: int = LARGE) -> bytes:
    """Return a blob that no other test has."""
    return random.Random(repo).randbytes(size)


def client_of(host: str, repo: str, limits: Limits = LIMITS, jobs: int = 1) -> DXF:
    """Return a repository of an open server."""
    return DXF(host, repo, insecure=True, limits=limits, jobs=jobs, timeout=20)


def fetches(traffic: Traffic, host: str, digest: str) -> list[Exchange]:
    """Return the requests by which a blob was fetched from a server."""
    return [exchange for exchange in traffic.requests
            if exchange.method == 'GET' and exchange.url.split('/')[2] == host and exchange.path.endswith(digest)]


def ranges(traffic: Traffic, host: str, digest: str) -> list[str | None]:
    """Return the ranges by which it was fetched; ``None`` for the whole."""
    return [exchange.headers.get('Range') for exchange in fetches(traffic, host, digest)]


@pytest.fixture(name='endpoint', params=['basic_registry', 'folder'])
def each_target(request: pytest.FixtureRequest) -> Endpoint:
    """A server, and a folder, to copy to."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return endpoint


def check_given_up(endpoint: Endpoint, repo: str, traffic: Traffic) -> None:
    """Insist that an upload that broke off was cancelled.

    Whether distribution 2.x does that, where the request that broke has not ended there, is a matter of luck.
    """
    ends = {exchange.path: f'{exchange.method} {exchange.status}' for exchange in traffic.requests
            if endpoint.is_own(exchange.url) and '/uploads/' in exchange.path and exchange.method != 'POST'}
    assert [end for end in ends.values() if end != 'PUT 201' and not end.startswith('DELETE ')] == []
    assert [end for end in ends.values() if end.startswith('DELETE ')]
    if endpoint.is_folder:
        assert endpoint.uploads(repo) == []


# The source breaks


def test_a_source_that_breaks_off_is_resumed_where_it_was(open_registry: Endpoint, endpoint: Endpoint, repo: str,
                                                          traffic: Traffic) -> None:
    digest, = push_alias(open_registry.dxf(repo), content_of(repo))
    with FaultProxy(open_registry.host, lambda number: Fault(down=CUT) if number == 1 else Fault()) as proxy:
        traffic.clear()
        dxf.copy(client_of(proxy.host, repo), endpoint.dxf(repo), 'a')
        first, second = ranges(traffic, proxy.host, digest)
    assert first is None and second is not None
    start, _, end = second.removeprefix('bytes=').partition('-')
    assert 0 < int(start) <= CUT and int(end) == LARGE - 1
    assert reachable(endpoint.dxf(repo), 'a') == reachable(open_registry.dxf(repo), 'a')


def test_a_source_that_dies_for_good_is_one_clear_error_and_leaves_nothing(
        open_registry: Endpoint, endpoint: Endpoint, repo: str, traffic: Traffic) -> None:
    small, digest = push_alias(open_registry.dxf(repo), b'small', content_of(repo))
    target = endpoint.dxf(repo)
    target.options = target.options.replace(jobs=1)
    with FaultProxy(open_registry.host, lambda number: Fault(down=CUT) if number == 1 else Fault(down=0)) as proxy:
        source = client_of(proxy.host, repo)
        with pytest.raises(DXFSourceError) as caught:
            dxf.copy(source, target, 'a')
        assert line_of(caught.value) == f'cannot read {digest} of {repo}: the connection broke'
        check_given_up(endpoint, repo, traffic)
        assert lacks_alias(target, 'a')
        with pytest.raises(DXFHTTPError, match='^404 '):
            target.blob_size(digest)
        proxy.plan = lambda number: Fault()
        traffic.clear()
        copied = dxf.copy(source, target, 'a')
        assert (copied.moved, copied.found) == ({digest: LARGE}, {small: 5})
        assert fetches(traffic, proxy.host, small) == []
    assert reachable(target, 'a') == reachable(open_registry.dxf(repo), 'a')


@pytest.mark.parametrize('jobs', [1, 4])
def test_a_source_with_wrong_bytes_is_told_and_nothing_is_stored(open_registry: Endpoint, endpoint: Endpoint, repo: str,
                                                                 traffic: Traffic, jobs: int) -> None:
    source, target = client_of(open_registry.host, repo, jobs=jobs), endpoint.dxf(repo)
    target.options = target.options.replace(jobs=jobs)
    content = content_of(repo, 1 << 20)
    _, digest = push_alias(source, b'small', content)
    damaged = bytes([content[0] ^ 1]) + content[1:]
    open_registry.file_of(repo, digest).write_bytes(damaged)
    traffic.clear()
    with pytest.raises(DXFDigestMismatchError) as caught:
        dxf.copy(source, target, 'a')
    assert (caught.value.got, caught.value.expected) == (hash_bytes(damaged), digest)
    for absent in (digest, hash_bytes(damaged)):
        with pytest.raises(DXFHTTPError, match='^404 '):
            target.blob_size(absent)
    assert lacks_alias(target, 'a')
    check_given_up(endpoint, repo, traffic)


@pytest.mark.parametrize('size', [9, 11])
def test_a_source_that_sends_less_or_more_than_the_blob_is_an_error(endpoint: Endpoint, repo: str, size: int) -> None:
    with ScriptedRegistry() as registry:
        source = client_of(registry.host, repo)
        digest, = push_alias(source, b'0123456789')
        registry.hook = lambda request: Answer(200, {}, bytes(size)) \
            if request.line == f'GET /v2/{repo}/blobs/{digest}' else None
        with pytest.raises(DXFSizeMismatchError, match='has 10 bytes, and it has'):
            dxf.copy(source, endpoint.dxf(repo), 'a')
    assert lacks_alias(endpoint.dxf(repo), 'a')
    assert not endpoint.is_folder or endpoint.uploads(repo) == []


def test_a_source_that_does_not_have_a_blob_any_more_is_told(open_registry: Endpoint, endpoint: Endpoint,
                                                             repo: str) -> None:
    source, target = open_registry.dxf(repo), endpoint.dxf(repo)
    _, digest = push_alias(source, b'small', content_of(repo, 100))
    source.del_blob(digest)
    with pytest.raises(DXFHTTPError, match=f'^404 .*{digest}'):
        dxf.copy(source, target, 'a')
    assert lacks_alias(target, 'a')
    assert endpoint.uploads(repo) == []


@pytest.mark.parametrize('spoilt', [
    pytest.param(b'{"schemaVersion": 2}', id='it is no manifest'),
    pytest.param(None, id='it has another digest'),
])
def test_a_manifest_in_an_index_that_is_not_what_it_should_be_changes_nothing(repo: str, endpoint: Endpoint,
                                                                              spoilt: bytes | None) -> None:
    kind = 'application/vnd.oci.image.index.v1+json'
    with ScriptedRegistry() as registry:
        source = client_of(registry.host, repo)
        push_alias(source, b'content')
        inner, memory = registry.memory.tags[repo]['a'], registry.memory
        media_type, content = memory.manifests[repo][inner]
        memory.put_manifest(repo, 'all', kind, json.dumps({'schemaVersion': 2, 'manifests': [
            {'mediaType': media_type, 'digest': inner, 'size': len(content)}]}).encode())
        memory.manifests[repo][inner] = media_type, content + b'\n' if spoilt is None else spoilt
        with pytest.raises(DXFDigestMismatchError):
            dxf.copy(source, endpoint.dxf(repo), 'all')
    assert lacks_alias(endpoint.dxf(repo), 'all')


# The target breaks


def test_a_target_that_loses_a_session_gets_the_blob_anew_from_the_source(open_registry: Endpoint, repo: str,
                                                                          traffic: Traffic) -> None:
    digest, = push_alias(open_registry.dxf(repo), content_of(repo, 1000))
    with ScriptedRegistry() as registry:
        lost = iter([True])
        registry.hook = lambda request: error(404, 'BLOB_UPLOAD_UNKNOWN') \
            if request.method == 'PUT' and '/uploads/' in request.path and next(lost, False) else None
        traffic.clear()
        dxf.copy(client_of(open_registry.host, repo), client_of(registry.host, repo), 'a')
        assert registry.memory.blobs[repo] == {digest: content_of(repo, 1000)}
        assert len(registry.of('POST')) == 2
    assert ranges(traffic, open_registry.host, digest) == [None, 'bytes=0-999']


def test_a_target_that_loses_a_session_in_the_middle_gets_the_blob_anew(open_registry: Endpoint, repo: str,
                                                                        traffic: Traffic) -> None:
    digest, = push_alias(open_registry.dxf(repo), content_of(repo))
    with ScriptedRegistry() as registry:
        def lose(request: Request) -> Answer:
            if request.method == 'PATCH' and len(registry.of('PATCH')) == 2:
                registry.memory.uploads.clear()
            return registry.ordinary(request)
        registry.hook = lose
        traffic.clear()
        told: list[bytes] = []
        dxf.copy(client_of(open_registry.host, repo), client_of(registry.host, repo, PARTS), 'a',
                 progress=lambda digest, piece, size: told.append(bytes(piece)))
        assert b''.join(told) == content_of(repo)  # none of it twice
        assert registry.memory.blobs[repo] == {digest: content_of(repo)}
        assert (len(registry.of('POST')), registry.memory.uploads) == (2, {})
    assert ranges(traffic, open_registry.host, digest) == [None, f'bytes=0-{LARGE - 1}']


def test_a_target_that_breaks_off_is_sent_the_rest(open_registry: Endpoint, repo: str, traffic: Traffic) -> None:
    digest, = push_alias(open_registry.dxf(repo), content_of(repo))
    with ResumableRegistry() as registry, FaultProxy(
            registry.host, lambda number: Fault(up=LARGE // 2) if number == 1 else Fault()) as proxy:
        traffic.clear()
        client_of(proxy.host, repo, PARTS).copy_blob(client_of(open_registry.host, repo), digest)
        assert registry.blobs == {digest: content_of(repo)}
        assert registry.received < LARGE + (1 << 20)
    first, second = ranges(traffic, open_registry.host, digest)
    assert first is None and second is not None and not second.startswith('bytes=0-')


@pytest.mark.parametrize('wrong, said', [
    (bytes(1000), 'changed while it was being uploaded$'),
    (b'', ': it is shorter than it should be$'),
])
def test_what_is_read_anew_is_verified_too(repo: str, wrong: bytes, said: str) -> None:
    content = content_of(repo, 1000)
    with ScriptedRegistry() as origin, ScriptedRegistry() as registry:
        source, target = client_of(origin.host, repo), client_of(registry.host, repo)
        digest, = push_alias(source, content)
        origin.hook = lambda request: Answer(206, {'Content-Range': 'bytes 0-999/1000'}, wrong) \
            if 'Range' in request.headers else None
        lost = iter([True])
        registry.hook = lambda request: error(404, 'BLOB_UPLOAD_UNKNOWN') \
            if request.method == 'PUT' and '/uploads/' in request.path and next(lost, False) else None
        with pytest.raises(DXFSourceError, match=said):
            dxf.copy(source, target, 'a')
        assert digest not in registry.memory.blobs[repo]
        assert (registry.memory.uploads, registry.memory.tags[repo]) == ({}, {})


@pytest.mark.parametrize('honoured', [True, False])
def test_a_source_without_ranges_is_read_anew_from_its_beginning(repo: str, honoured: bool) -> None:
    content = content_of(repo)
    with ScriptedRegistry() as origin, ScriptedRegistry() as registry:
        source, target = client_of(origin.host, repo), client_of(registry.host, repo, PARTS)
        digest, = push_alias(source, content)
        origin.hook = lambda request: Answer(200, {}, content) \
            if 'Range' in request.headers and not honoured else None
        broken = iter([False, True])
        registry.early = lambda request: LOST if request.method == 'PATCH' and next(broken, False) else None
        dxf.copy(source, target, 'a')
        assert registry.memory.blobs[repo] == {digest: content}


def test_a_target_that_dies_is_its_own_error(open_registry: Endpoint, repo: str) -> None:
    source = open_registry.dxf(repo)
    push_alias(source, content_of(repo, 1000))
    with ScriptedRegistry() as registry:
        registry.early = lambda request: LOST if request.method == 'PUT' else None
        with pytest.raises(NoConnection) as caught:
            dxf.copy(source, client_of(registry.host, repo), 'a')
        assert line_of(caught.value) == f'the connection to {registry.host} broke'
        assert registry.memory.tags[repo] == {}


def test_a_target_without_room_is_told(open_registry: Endpoint, folder: Endpoint, repo: str) -> None:
    push_alias(open_registry.dxf(repo), content_of(repo))
    runner = under(Runner({**open_registry.environ(), 'PYTHONDONTWRITEBYTECODE': '1'}), 'ulimit -f 1024')
    ended = runner.run('copy', repo, 'a', '--to', folder.host).insist(1)
    assert 'File too large' in ended.lines[0]
    assert folder.uploads(repo) == []
    assert lacks_alias(folder.dxf(repo), 'a')


# Several at once


def test_the_first_error_is_told_and_the_others_are_given_up(repo: str) -> None:
    contents = [content_of(f'{repo}{number}', 100_000) for number in range(6)]
    with ScriptedRegistry() as origin, ScriptedRegistry() as registry:
        source, target = client_of(origin.host, repo, jobs=4), client_of(registry.host, repo, jobs=4)
        digests = push_alias(source, *contents)

        def answer(request: Request) -> Answer | None:
            digest = request.path.rpartition('/')[2]
            if request.method != 'GET' or digest not in digests:
                return None
            if digest == digests[2]:
                return error(403, 'DENIED')
            return Answer(200, {}, contents[digests.index(digest)], drip=(20, 0.05))
        origin.hook = answer
        start = time.monotonic()
        with pytest.raises(DXFHTTPError, match='^403 .*DENIED'):
            dxf.copy(source, target, 'a')
        assert time.monotonic() - start < 60  # all of it would take four minutes
        assert not registry.memory.blobs[repo]
        assert (registry.memory.uploads, registry.memory.tags[repo]) == ({}, {})
        assert not any(digest in line for digest in digests[4:] for line in origin.lines() if line.startswith('GET'))


def test_several_at_once_arrive_through_a_line_that_breaks_and_breaks(open_registry: Endpoint, basic_registry: Endpoint,
                                                                      repo: str) -> None:
    contents = [content_of(f'{repo}{number}', 400_000 + number) for number in range(6)]
    push_alias(open_registry.dxf(repo), *contents)
    with FaultProxy(open_registry.host, lambda number: Fault(down=300_000) if number < 5 else Fault()) as proxy:
        dxf.copy(client_of(proxy.host, repo, LIMITS._replace(retries=6), jobs=4), basic_registry.dxf(repo), 'a')
    assert reachable(basic_registry.dxf(repo), 'a') == reachable(open_registry.dxf(repo), 'a')


# What stays in memory


def test_nothing_is_written_to_the_disk(open_registry: Endpoint, basic_registry: Endpoint, repo: str,
                                        tmp_path: Path) -> None:
    push_alias(open_registry.dxf(repo), *(content_of(f'{repo}{number}') for number in range(3)))
    runner = under(Runner({**open_registry.environ(), **target_variables(basic_registry), 'TMPDIR': str(tmp_path),
                           'HOME': str(tmp_path), 'PYTHONDONTWRITEBYTECODE': '1'}), 'ulimit -f 0')
    runner.run('copy', repo, 'a', '--to', basic_registry.host).insist(0)
    assert files(tmp_path) == []
    assert reachable(basic_registry.dxf(repo), 'a') == reachable(open_registry.dxf(repo), 'a')
