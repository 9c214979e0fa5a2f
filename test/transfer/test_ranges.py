"""Downloads by several connections: begun where that pays, never at the price of a wrong byte.

Whether more connections count as faster is set by the tests: what a busy machine measures decides nothing here.
"""

import hashlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from typing import Any

import pytest
from requests.exceptions import RequestException

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFDigestMismatchError

from ..servers.scripted_registry import Answer, Request, ScriptedRegistry

REPO = 'fred/datalogger'
KIB = 1 << 10
BLOB = os.urandom(1000 * KIB)
DIGEST = hash_bytes(BLOB)
PIECE = 8 * KIB
PACED = 56
"""More pieces than dxf needs to see how fast one, two and four connections are; the others come as fast as they can."""

LIMITS = Limits(ranges=256 * KIB, fast=1 << 60, backoff=0, retries=2)
"""A trial is 64 KiB; the blob is more than large enough, and no connection is fast enough."""


@pytest.fixture(autouse=True)
def make_small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the blob in many segments."""
    monkeypatch.setattr('dxf.transfer.download.SEGMENT', 32 * KIB)


@pytest.fixture(autouse=True)
def make_more_connections_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each further connection count as faster, whatever was measured."""
    monkeypatch.setattr('dxf.transfer.download.MIN_GAIN', 0)


class Paced:
    """Answers for a blob as a storage service does: with ranges, and no faster than it likes.

    :param each: seconds that each of the first pieces takes on a connection
    :param spoil: makes of a right answer what is sent
    """

    def __init__(self, each: float = 0,
                 spoil: Callable[[Request, Answer], Answer] = lambda request, answer: answer) -> None:
        self._each = each
        self._spoil = spoil
        self._lock = threading.Lock()
        self.ranges: list[tuple[int, int]] = []
        self.now = self.most = self._sent = 0

    def __call__(self, request: Request) -> Answer | None:
        if request.method != 'GET':
            return None
        match = re.fullmatch(r'bytes=(\d+)-(\d*)', request.headers.get('Range', ''))
        start, end = (int(match[1]), int(match[2] or len(BLOB) - 1) + 1) if match else (0, len(BLOB))
        if match:
            self.ranges.append((start, end))
        headers = {'Content-Range': f'bytes {start}-{end - 1}/{len(BLOB)}'} if match else {}
        answer = Answer(206 if match else 200, headers, self._pieces(BLOB[start:end]), declared=end - start)
        return self._spoil(request, answer)

    def _pieces(self, content: bytes) -> Iterator[bytes]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            for start in range(0, len(content), PIECE):
                with self._lock:
                    self._sent += 1
                    is_paced = self._sent <= PACED
                if is_paced:
                    time.sleep(self._each)
                yield content[start:start + PIECE]
        finally:
            with self._lock:
                self.now -= 1


def pull(paced: Paced, limits: Limits = LIMITS, jobs: int = 4) -> bytes:
    """Return the blob, pulled from such a registry."""
    with ScriptedRegistry() as server:
        server.hook = paced
        with DXF(server.host, REPO, None, True, limits=limits, jobs=jobs) as client:
            return b''.join(client.pull_blob(DIGEST))


def test_a_slow_connection_is_helped_by_others() -> None:
    paced = Paced(each=0.02)  # so that they are at work together
    assert pull(paced) == BLOB
    assert 2 <= paced.most <= 5  # the first one may still be ending
    assert paced.ranges[0][1] - paced.ranges[0][0] == 1  # asked for, to see what comes
    segments = paced.ranges[1:]
    assert max(end - start for start, end in segments) == 32 * KIB
    assert sorted(segments)[-1][1] == len(BLOB)
    assert len(set(segments)) == len(segments)  # nothing is asked twice
    asked = sum(end - start for start, end in segments)
    assert asked < len(BLOB) - LIMITS.ranges // 4 + 32 * KIB


def test_connections_that_bring_nothing_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.transfer.download.MIN_GAIN', inf)
    paced = Paced()
    assert pull(paced) == BLOB
    *_, (start, end) = paced.ranges
    assert end == len(BLOB) and end - start > len(BLOB) // 2  # the rest by one


@pytest.mark.parametrize('limits, jobs, reason', [
    (LIMITS._replace(ranges=len(BLOB) + 1), 4, 'a small blob'),
    (LIMITS._replace(fast=1), 4, 'fast enough'),
    (LIMITS, 1, 'strictly one after the other'),
])
def test_one_connection_is_used_where_more_are_not_wanted(limits: Limits, jobs: int, reason: str) -> None:
    paced = Paced()
    assert pull(paced, limits, jobs) == BLOB, reason
    assert not paced.ranges, reason


def test_several_blobs_are_not_split_as_well() -> None:
    paced = Paced()
    with ScriptedRegistry() as server:
        server.hook = paced
        with DXF(server.host, REPO, None, True, limits=LIMITS) as client:
            assert [b''.join(chunks) for _, chunks, _ in client.pull_blobs([DIGEST, DIGEST])] == [BLOB, BLOB]
    assert not paced.ranges


def without_ranges(request: Request, answer: Answer) -> Answer:
    """Send the whole blob, whatever was asked for."""
    return Answer(200, body=BLOB) if 'Range' in request.headers else answer


def refused(request: Request, answer: Answer) -> Answer:
    """Refuse ranges."""
    return Answer(416) if 'Range' in request.headers else answer


def another_range(request: Request, answer: Answer) -> Answer:
    """Send another range than was asked for."""
    headers = {'Content-Range': f'bytes 1-2/{len(BLOB)}'}
    return replace(answer, headers=headers) if 'Range' in request.headers else answer


def compressed(request: Request, answer: Answer) -> Answer:
    """Say that it is compressed."""
    return replace(answer, headers={**answer.headers, 'Content-Encoding': 'gzip'}) if 'Range' in request.headers \
        else answer


@pytest.mark.parametrize('spoil', [without_ranges, refused, another_range, compressed])
def test_a_registry_that_does_not_honour_ranges_is_asked_once(spoil: Callable[[Request, Answer], Answer]) -> None:
    paced = Paced(spoil=spoil)
    assert pull(paced) == BLOB
    assert len(paced.ranges) == 1


def later(spoil: Callable[[Answer], Answer]) -> Callable[[Request, Answer], Answer]:
    """Return what spoils the answers for some of the segments, and no others."""
    def spoiled(request: Request, answer: Answer) -> Answer:
        match = re.fullmatch(r'bytes=(\d+)-(\d+)', request.headers.get('Range', ''))
        is_segment = match and int(match[2]) - int(match[1]) < 32 * KIB
        return spoil(answer) if match and is_segment and int(match[1]) > 300 * KIB else answer
    return spoiled


@pytest.mark.parametrize('spoil', [
    lambda answer: Answer(503), lambda answer: Answer(200, body=BLOB), lambda answer: replace(answer, reset=PIECE),
    lambda answer: Answer(206, answer.headers, next(iter(answer.body)), declared=32 * KIB),
    lambda answer: Answer(206, answer.headers, next(iter(answer.body))), lambda answer: Answer(401),
    lambda answer: Answer(404),
], ids=['unavailable', 'whole', 'reset', 'cut', 'short', 'unauthorised', 'gone'])
def test_what_breaks_by_several_goes_on_by_one(spoil: Callable[[Answer], Answer]) -> None:
    assert pull(Paced(spoil=later(spoil))) == BLOB


def test_wrong_bytes_of_a_segment_are_never_taken_for_the_blob() -> None:
    def wrong(answer: Answer) -> Answer:
        return replace(answer, body=bytes(answer.declared or 0))
    got = b''
    paced = Paced(spoil=later(wrong))
    with ScriptedRegistry() as server:
        server.hook = paced
        with DXF(server.host, REPO, None, True, limits=LIMITS) as client, pytest.raises(DXFDigestMismatchError):
            for chunk in client.pull_blob(DIGEST):
                got += chunk
    assert len(got) < len(BLOB)


def test_a_registry_that_goes_away_is_an_error() -> None:
    def gone(request: Request, answer: Answer) -> Answer:
        return replace(answer, reset=PIECE) if 'Range' in request.headers else answer
    with pytest.raises(RequestException):
        pull(Paced(spoil=gone))


def test_a_reader_that_goes_away_ends_the_threads() -> None:
    before = set(threading.enumerate())
    with ScriptedRegistry() as server:
        paced = server.hook = Paced()
        with DXF(server.host, REPO, None, True, limits=LIMITS) as client:
            chunks: Any = client.pull_blob(DIGEST, chunk_size=PIECE)
            sha256 = hashlib.sha256()
            while len(paced.ranges) < 8:
                sha256.update(next(chunks))
            chunks.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()
