"""Hashes that a thread computes: equal to any other hash, bounded, and ended with what they belong to."""

import hashlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxf import forking, hash_bytes
from dxf.exceptions import DXFDigestMismatchError
from dxf.transfer import background_hash
from dxf.transfer.background_hash import BackgroundHash
from dxf.transfer.parallel import CancelledError
from dxf.transfer.verification import Verifier

MIB = 1 << 20
BLOB = bytes(range(256)) * (8 * MIB // 256)
PIECES = [BLOB[start:start + MIB] for start in range(0, len(BLOB), MIB)]


@pytest.fixture(name='threads')
def fixture_threads() -> Iterator[set[threading.Thread]]:
    """Check that a test leaves no thread behind, in its own time."""
    before = set(threading.enumerate())
    yield before
    assert set(threading.enumerate()) <= before


@given(pieces=st.lists(st.binary(max_size=3000), max_size=12), start=st.binary(max_size=20),
       thread_from=st.integers(0, 20_000), ahead=st.integers(0, 8000))
def test_the_hash_is_that_of_all_pieces(pieces: list[bytes], start: bytes, thread_from: int, ahead: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(background_hash, 'THREAD_FROM', thread_from)
        patched.setattr(background_hash, 'MAX_AHEAD', ahead)
        one = BackgroundHash(hashlib.sha256(start))
        expected = hashlib.sha256(start)
        for piece in pieces:
            one.add(memoryview(piece))
            expected.update(piece)
        assert one.result().digest() == expected.digest()
        one.add(b'more')
        expected.update(b'more')
        assert one.result().digest() == expected.digest()
        one.close()


def test_small_blobs_have_no_thread(threads: set[threading.Thread]) -> None:
    one = BackgroundHash()
    one.add(BLOB[:MIB])
    assert set(threading.enumerate()) == threads
    assert one.result().digest() == hashlib.sha256(BLOB[:MIB]).digest()


class Slow:
    """A hash that waits until it may go on: as often as there are items in ``may``."""

    def __init__(self) -> None:
        self.may: SimpleQueue[None] = SimpleQueue()

    def update(self, _content: bytes) -> None:
        """Wait."""
        self.may.get()

    def go_on(self, times: int) -> None:
        """Let so many calls return."""
        for _ in range(times):
            self.may.put(None)


@pytest.mark.usefixtures('threads')
def test_no_more_bytes_wait_than_are_allowed() -> None:
    slow: Any = Slow()
    one = BackgroundHash(slow)
    slow.go_on(2)  # for what is hashed without a thread, and for the first piece of the thread
    added = []

    def add() -> None:
        for piece in PIECES:
            one.add(piece)
            added.append(len(piece))
    adder = threading.Thread(target=add)
    adder.start()
    bound = background_hash.MAX_AHEAD + 3 * MIB  # the two that are hashed, and the one that was added last
    deadline = time.monotonic() + 60
    while sum(added) < bound and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sum(added) == bound
    slow.go_on(len(PIECES))
    adder.join()
    one.close()


@pytest.mark.parametrize('chunk_size', [0, 8192, 3 * MIB])
def test_a_stream_that_is_left_ends_its_thread(threads: set[threading.Thread], chunk_size: int) -> None:
    chunks: Any = Verifier(hash_bytes(BLOB), len(BLOB), chunk_size).chunks(iter(PIECES))
    assert BLOB.startswith(next(chunks))
    for _ in range(1 if chunk_size > MIB else 300 if chunk_size else 4):
        last = next(chunks, b'')
    assert last and set(threading.enumerate()) != threads
    chunks.close()
    assert set(threading.enumerate()) == threads


def test_a_wrong_stream_ends_its_thread_and_withholds_its_last_chunk(threads: set[threading.Thread]) -> None:
    got = 0
    with pytest.raises(DXFDigestMismatchError):
        for chunk in Verifier(hash_bytes(b''), len(BLOB), 0).chunks(iter(PIECES)):
            got += len(chunk)
    assert got == len(BLOB) - MIB
    assert set(threading.enumerate()) == threads


@pytest.mark.usefixtures('threads')
def test_a_child_process_is_told_that_the_thread_is_in_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    one = BackgroundHash()
    for piece in PIECES:
        one.add(piece)
    with monkeypatch.context() as child:
        child.setattr(forking.Process, 'generation', forking.Process.generation + 1)
        child.setattr(background_hash, 'MAX_AHEAD', -1)
        with pytest.raises(CancelledError, match='parent'):
            one.add(PIECES[0])
    one.close()


def test_a_signal_that_comes_before_the_thread_begins_is_the_only_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_thread: threading.Thread) -> None:
        raise KeyboardInterrupt
    one = BackgroundHash()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt), closing(one):
        patched.setattr(threading.Thread, 'start', interrupted)
        for piece in PIECES:
            one.add(piece)


@pytest.mark.usefixtures('threads')
def test_an_iterator_that_is_closed_at_the_end_of_python_waits_for_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_thread: threading.Thread, timeout: float | None = None) -> None:
        raise RuntimeError(f'joined at the end, with a timeout of {timeout}')
    one = BackgroundHash()
    for piece in PIECES:
        one.add(piece)
    with monkeypatch.context() as patched:
        patched.setattr(sys, 'is_finalizing', lambda: True)
        patched.setattr(threading.Thread, 'join', refused)
        one.close()
    one.close()
