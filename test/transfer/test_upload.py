"""Files on their way: by which requests each goes, what is told of it, and that one that changes is not stored.

What registries refuse is the subject of test_upload_ways, how uploads break that of test_upload_faults.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requests import Response
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import HTTPError

from dxf import hash_bytes
from dxf.exceptions import DXFDigestMismatchError, DXFSourceError
from dxf.transfer.request_body import Body
from dxf.transfer.source import Source

from ..helpers.changing_files import CHANGED, CONTENT, DIGEST, written
from ..helpers.endpoints import Endpoint
from ..helpers.in_memory_registry import NOWHERE, InMemoryRegistry, answer, ended, ignore
from ..helpers.traffic import Traffic

FIRST = NOWHERE + 'a?state=0'
OTHER = hash_bytes(b'')


@pytest.fixture(name='path')
def write_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that holds ``CONTENT``, and is read in three pieces."""
    monkeypatch.setattr('dxf.transfer.source.READ_SIZE', 4)
    return written(tmp_path)


class Told(list[tuple[str, bytes]]):
    """An ``on_piece`` that remembers what it was told."""

    def __call__(self, digest: str, piece: bytes) -> None:
        self.append((digest, piece))


# Ways

@pytest.mark.parametrize('limits', [{}, {'part': 10, 'small_part': 3}, {'part': 20}])
def test_a_file_that_is_no_larger_than_a_part_goes_in_one_put(source: Source, limits: dict[str, Any]) -> None:
    registry = InMemoryRegistry()
    registry.upload(source, ignore, **limits).send(DIGEST)
    assert registry.sent == [('put', ended(FIRST, DIGEST), CONTENT)]
    assert registry.opened == 1
    assert not registry.cancelled


@pytest.mark.parametrize('part, parts', [
    (9, [b'012345678', b'9']),
    (8, [b'01234567', b'89']),
    (5, [b'01234', b'56789']),  # the last part is never empty: ECR answers 500 to an empty one
    (3, [b'012', b'345', b'678', b'9']),
])
def test_parts_follow_the_locations_that_the_registry_gives(source: Source, part: int, parts: list[bytes]) -> None:
    registry, told = InMemoryRegistry(), Told()
    registry.upload(source, told, part=part).send(DIGEST)
    urls = [FIRST + (str(number) if number else '') for number in range(len(parts))]
    urls[-1] = ended(urls[-1], DIGEST)
    assert registry.sent == list(zip(['patch'] * (len(parts) - 1) + ['put'], urls, parts, strict=True))
    assert [headers['Content-Range'] for headers in registry.headers[:-1]] == [
        f'{part * number}-{part * (number + 1) - 1}' for number in range(len(parts) - 1)]
    assert {headers['Content-Type'] for headers in registry.headers} == {'application/octet-stream'}
    assert told[0] == (DIGEST, b'')
    assert b''.join(piece for _, piece in told) == CONTENT
    assert {digest for digest, _ in told} == {DIGEST}


class LargePartsRefused(InMemoryRegistry):
    """Takes parts of a few bytes, and counts what it has; larger ones it refuses.

    :param keeps: whether its session outlives a refusal
    """

    def __init__(self, most: int, status: int, keeps: bool) -> None:
        super().__init__()
        self._most = most
        self._status = status
        self._keeps = keeps
        self._count = 0

    def begin(self) -> Response:
        """Open a session."""
        self._count = 0
        return super().begin()

    def request(self, method: str, url: str, data: Any = b'', headers: dict[str, str] | None = None, **_options: Any
                ) -> Response:
        """Take a part, if it is not too large, or tell how much is there."""
        if method == 'get':
            if not self._keeps:
                raise HTTPError(response=answer(404))
            return answer(204, NOWHERE + 'a', Range=f'0-{self._count - 1}')
        response = super().request(method, url, data, headers)
        if method == 'delete':
            return response
        length = data.len if isinstance(data, Body) else len(data)
        if method == 'patch' and length > self._most:
            raise HTTPError(response=answer(self._status))
        self._count += length
        return response


@pytest.mark.parametrize('status', [400, 405, 413, 416, 500])
@pytest.mark.parametrize('keeps', [True, False])
def test_parts_grow_until_they_are_refused(source: Source, monkeypatch: pytest.MonkeyPatch, status: int,
                                           keeps: bool) -> None:
    monkeypatch.setattr('dxf.transfer.part_plan.REMEMBERED_PART', 1)
    monkeypatch.setattr('dxf.transfer.part_plan.MAX_PART', 7)
    registry, told = LargePartsRefused(4, status, keeps), Told()
    registry.upload(source, told, part=2, backoff=0, retries=3).send(DIGEST)
    sent = [(method, data) for method, _, data in registry.sent]
    assert sent[:2] == [('patch', b'01'), ('patch', b'2345678')]  # as fast as that is, it is worth a larger part
    rest = sent[2:]
    assert b''.join(data for _, data in rest) == (CONTENT[2:] if keeps else CONTENT)
    assert max(len(data) for _, data in rest) <= 6 and rest[-1][0] == 'put'
    assert b''.join(piece for _, piece in told) == CONTENT
    assert len(registry.cancelled) == registry.opened - 1 == (not keeps)


def test_parts_do_not_grow_on_a_slow_line(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.transfer.part_plan.REMEMBERED_PART', 1)
    monkeypatch.setattr('dxf.transfer.part_plan.PART_SECONDS', 1e-9)
    registry = InMemoryRegistry()
    registry.upload(source, ignore, part=2).send(DIGEST)
    assert [len(data) for _, _, data in registry.sent] == [2] * 5


@pytest.mark.parametrize('part', [9, 5, 4, 3])
def test_a_source_that_is_hashed_ahead_is_sent_once_in_parts(source: Source, part: int) -> None:
    registry, told = InMemoryRegistry(), Told()
    assert registry.upload(source, told, part=part).send_hashed_ahead(None, True) == DIGEST
    assert b''.join(data for _, _, data in registry.sent) == CONTENT
    assert [method for method, _, _ in registry.sent] == ['patch'] * (len(registry.sent) - 1) + ['put']
    assert max(len(data) for _, _, data in registry.sent) <= part
    assert told[0] == (DIGEST, b'')
    assert b''.join(piece for _, piece in told) == CONTENT


@pytest.mark.parametrize('shortest, parts', [('4', [b'0123', b'4567', b'89']), ('7', [b'0123456', b'789']),
                                             ('99', [CONTENT])])
def test_no_part_is_shorter_than_the_registry_wants_it(source: Source, shortest: str, parts: list[bytes]) -> None:
    registry = InMemoryRegistry(shortest=shortest)
    registry.upload(source, part=4).send(DIGEST)
    assert [data for _, _, data in registry.sent] == parts


def test_a_way_that_was_refused_is_not_tried_again_by_anybody(source: Source) -> None:
    registry = InMemoryRegistry()
    registry.refused['patch'] = 405
    for patches in (1, 0):
        registry.sent.clear()
        registry.upload(source, part=4, small_part=4).send(DIGEST)
        assert [method for method, _, _ in registry.sent] == ['patch'] * patches + ['put']
    assert registry.opened == 3 and len(registry.cancelled) == 1


# Hashed ahead

def test_a_file_with_another_digest_is_not_closed_but_cancelled(source: Source) -> None:
    registry, told = InMemoryRegistry(), Told()
    with pytest.raises(DXFDigestMismatchError) as raised:
        registry.upload(source, told, part=4).send_hashed_ahead(OTHER, True)
    assert (raised.value.got, raised.value.expected) == (DIGEST, OTHER)
    assert 'put' not in [method for method, _, _ in registry.sent]
    assert len(registry.cancelled) == registry.opened == 1
    assert not told


def test_a_file_that_the_registry_has_is_not_closed_but_cancelled_and_nothing_is_told(source: Source) -> None:
    registry, told = InMemoryRegistry(), Told()
    registry.stored[DIGEST] = 10
    assert registry.upload(source, told, part=4).send_hashed_ahead(None, True) == DIGEST
    assert 'put' not in [method for method, _, _ in registry.sent]
    assert len(registry.cancelled) == registry.opened == 1
    assert not told


def test_a_file_that_the_registry_has_is_sent_where_nobody_asks_for_that(source: Source) -> None:
    registry = InMemoryRegistry()
    registry.stored[DIGEST] = 10
    assert registry.upload(source, part=4).send_hashed_ahead(DIGEST, False) == DIGEST
    assert b''.join(data for _, _, data in registry.sent) == CONTENT


# What is told

@pytest.mark.parametrize('broken_after', [[1], [2], [2, 1], [1, 2], [0, 2]])
def test_what_is_sent_a_second_time_is_told_of_once(source: Source, broken_after: list[int]) -> None:
    registry, told = InMemoryRegistry(), Told()
    registry.broken_after = [*broken_after]
    registry.upload(source, told, retries=2).send(DIGEST)
    assert [data for _, _, data in registry.sent][-1] == CONTENT
    assert len(registry.sent) == len(broken_after) + 1
    assert told[0] == (DIGEST, b'')
    assert b''.join(piece for _, piece in told) == CONTENT


def test_what_broke_off_was_told_of_as_far_as_it_is_known_to_have_arrived(source: Source) -> None:
    registry, told = InMemoryRegistry(), Told()
    registry.broken_after = [2]
    with pytest.raises(NoConnection):
        registry.upload(source, told).send(DIGEST)
    assert [piece for _, piece in told] == [b'', b'0123', b'4567']  # the third was asked for: these had left
    assert registry.cancelled == [FIRST]


def test_parts_that_are_sent_a_second_time_are_told_of_once(source: Source) -> None:
    registry, told = InMemoryRegistry(), Told()
    registry.broken_after = [None, 0]  # the first part arrives, and the second does not
    registry.refused['get'] = 404
    registry.upload(source, told, part=7, retries=2).send(DIGEST)
    assert [(method, data) for method, _, data in registry.sent] == [
        ('patch', b'0123456'), ('put', b''), ('get', b''), ('patch', b'0123456'), ('put', b'789')]
    assert b''.join(piece for _, piece in told) == CONTENT


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError])
def test_an_upload_that_is_interrupted_is_cancelled_where_it_has_come_to(source: Source, error: type[BaseException]
                                                                         ) -> None:
    def interrupt(_digest: str, piece: bytes) -> None:
        if piece == b'5678':
            raise error
    registry = InMemoryRegistry()
    with pytest.raises(error):
        registry.upload(source, interrupt, part=5).send(DIGEST)
    assert registry.cancelled == [FIRST + '1']


@pytest.mark.parametrize('change', CHANGED)
@pytest.mark.parametrize('part', [4, 10])
def test_a_file_that_changed_is_not_closed_but_cancelled(source: Source, path: Path, part: int,
                                                         change: Callable[[Path], None]) -> None:
    registry = InMemoryRegistry()
    upload = registry.upload(source, ignore, part=part)
    change(path)
    with pytest.raises(DXFSourceError):
        upload.send(DIGEST)
    sent = b''.join(data for _, _, data in registry.sent)
    assert len(sent) < 10
    assert len(registry.cancelled) == registry.opened == 1


# On a real registry

@pytest.mark.parametrize('change', CHANGED)
def test_a_file_that_changes_after_it_was_hashed_is_not_stored(open_registry: Endpoint, repo: str, path: Path,
                                                               traffic: Traffic,
                                                               change: Callable[[Path], None]) -> None:
    def progress(digest: str, chunk: bytes, size: int) -> None:
        assert (digest, size) == (DIGEST, 10)
        if not chunk:
            change(path)
    with open_registry.dxf(repo) as client:
        with pytest.raises(DXFSourceError) as raised:
            client.push_blob(str(path), progress)
        assert str(raised.value) == f'{path} changed while it was being uploaded'
        assert traffic.requests[-1].method == 'DELETE'
        for content in (CONTENT, path.read_bytes()):
            with pytest.raises(HTTPError):
                client.blob_size(hash_bytes(content))


def test_a_body_is_sent_again_whole_after_a_challenge(monkeypatch: pytest.MonkeyPatch, token_registry: Endpoint,
                                                      repo: str, path: Path, traffic: Traffic) -> None:
    told: list[bytes] = []
    with token_registry.dxf(repo) as client:
        request = client._base_request

        def expired_at_the_end(method: str, path: str, **kwargs: Any) -> Response:
            if method == 'put':
                client.token = 'worthless'
            response: Response = request(method, path, **kwargs)
            return response
        monkeypatch.setattr(client, '_base_request', expired_at_the_end)
        assert client.push_blob(str(path), lambda digest, chunk, size: told.append(chunk)) == DIGEST
        assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    assert [request.status for request in traffic.requests if request.method == 'PUT'] == [401, 201]
    assert b''.join(told) == CONTENT
