"""Bodies of requests: what a stretch of a source gives, each time, and what is found out ahead of it.

What is sent where is not the subject here.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from requests import PreparedRequest

from dxf.exceptions import DXFSourceError
from dxf.transfer.hash_ahead import HashAhead
from dxf.transfer.request_body import Body
from dxf.transfer.source import Source

from ..helpers.changing_files import CHANGED, CONTENT, DIGEST, RESIZED, got_from, written

PIECES = [b'0123', b'4567', b'89']
WAITING = 60.0
"""Seconds after which a test that waits for something has failed."""


@pytest.fixture(name='path')
def write_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that holds ``CONTENT``, and is read in three pieces."""
    monkeypatch.setattr('dxf.transfer.source.READ_SIZE', 4)
    return written(tmp_path)


def ignore(_piece: bytes, _end: int) -> None:
    """Take a piece, and do nothing with it."""


def body_of(source: Source, on_piece: Callable[[bytes, int], None] = ignore) -> Body:
    """Return a body of the whole source."""
    return Body(source, 0, 10, hashlib.sha256(), DIGEST, on_piece)


def test_a_body_declares_the_size_of_its_source(source: Source) -> None:
    assert body_of(source).len == 10


def test_a_body_gives_the_same_bytes_each_time_and_tells_where_they_end(source: Source) -> None:
    told: list[tuple[bytes, int]] = []
    body = body_of(source, lambda *piece: told.append(piece))
    for _ in range(2):
        assert list(body) == PIECES
        assert told == [(b'0123', 4), (b'4567', 8), (b'89', 10)]
        assert body.sha256.digest() == hashlib.sha256(CONTENT).digest()
        told.clear()
        body.rewind()


def test_a_piece_is_told_of_when_the_next_one_is_asked_for(source: Source) -> None:
    told: list[bytes] = []
    pieces = iter(body_of(source, lambda piece, end: told.append(piece)))
    assert [next(pieces), next(pieces)] == [b'0123', b'4567']
    assert told == [b'0123']  # whether the second arrived is not known yet


@pytest.mark.parametrize('change', CHANGED)
def test_a_body_whose_source_changed_never_gives_all_bytes(source: Source, path: Path,
                                                           change: Callable[[Path], None]) -> None:
    change(path)
    assert len(got_from(iter(body_of(source)))) < len(CONTENT)


@pytest.mark.parametrize('start, end', [(0, 4), (3, 9), (9, 10), (0, 0)])
def test_a_stretch_declares_gives_and_hashes_its_own_bytes(source: Source, start: int, end: int) -> None:
    body = Body(source, start, end, hashlib.sha256(CONTENT[:start]), DIGEST, ignore)
    request = PreparedRequest()
    request.prepare('PUT', 'http://localhost/', data=body)
    assert body.len == end - start
    assert request.headers.get('Content-Length') == (str(end - start) if end > start else None)
    for _ in range(2):
        assert b''.join(body) == CONTENT[start:end]
        assert body.sha256.digest() == hashlib.sha256(CONTENT[:end]).digest()


def test_a_stretch_knows_what_was_sent_before_it_and_does_not_end_where_that_was_another(source: Source) -> None:
    last = Body(source, 4, 10, hashlib.sha256(b'3210'), DIGEST, ignore)
    assert got_from(iter(last)) == b'4567'
    assert b''.join(Body(source, 4, 9, hashlib.sha256(b'3210'), None, ignore)) == b'45678'  # that is seen at the end


@pytest.mark.parametrize('change', RESIZED)
def test_a_stretch_at_the_end_of_a_source_that_changed_never_gives_all_bytes(source: Source, path: Path,
                                                                             change: Callable[[Path], None]) -> None:
    body = Body(source, 4, 10, hashlib.sha256(CONTENT[:4]), DIGEST, ignore)
    change(path)
    assert len(got_from(iter(body))) < 6


# What is found out ahead

@pytest.mark.parametrize('found', [True, False])
def test_a_hash_ahead_tells_the_digest_and_whether_the_registry_has_it(source: Source, found: bool) -> None:
    asked: list[tuple[str, int]] = []

    def is_stored(digest: str, size: int) -> bool:
        asked.append((digest, size))
        return found
    hash_ahead = HashAhead(source, is_stored)
    assert hash_ahead.result() == (DIGEST, found)
    assert hash_ahead.done
    assert asked == [(DIGEST, len(CONTENT))]
    hash_ahead.end()


def test_a_hash_ahead_is_not_done_before_it_knows_all(source: Source) -> None:
    asked, answered = threading.Event(), threading.Event()

    def is_stored(_digest: str, _size: int) -> bool:
        asked.set()
        assert answered.wait(WAITING)
        return True
    hash_ahead = HashAhead(source, is_stored)
    assert asked.wait(WAITING)
    assert not hash_ahead.done
    answered.set()
    assert hash_ahead.result() == (DIGEST, True)
    hash_ahead.end()


@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_what_a_hash_ahead_cannot_find_out_is_raised_where_it_is_asked_for(source: Source,
                                                                           error: type[BaseException]) -> None:
    def fail(_digest: str, _size: int) -> bool:
        raise error
    hash_ahead = HashAhead(source, fail)
    with pytest.raises(error):
        hash_ahead.result()
    hash_ahead.end()


def test_a_hash_ahead_sees_that_the_source_changed(source: Source, path: Path) -> None:
    path.write_bytes(CONTENT + b'more')
    hash_ahead = HashAhead(source, lambda digest, size: True)
    with pytest.raises(DXFSourceError):
        hash_ahead.result()
    hash_ahead.end()


def test_a_hash_ahead_that_is_ended_reads_no_further_and_asks_nothing(monkeypatch: pytest.MonkeyPatch,
                                                                      source: Source) -> None:
    reading = threading.Event()
    asked: list[str] = []

    def is_stored(digest: str, _size: int) -> bool:
        asked.append(digest)
        return True

    def read() -> Iterator[bytes]:
        deadline = time.monotonic() + WAITING
        while time.monotonic() < deadline:
            yield CONTENT
            reading.set()
    monkeypatch.setattr(source, 'read', read)
    hash_ahead = HashAhead(source, is_stored)
    assert reading.wait(WAITING)
    started = time.monotonic()
    hash_ahead.end()
    assert time.monotonic() - started < WAITING / 2
    assert not hash_ahead.done and not asked
