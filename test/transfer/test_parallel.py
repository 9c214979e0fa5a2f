"""Jobs alone: their order, how many there are at once, what they keep in memory, and how they end.

What they are good for, blobs, is the subject of test_many_blobs.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from dxf.transfer import parallel as dxf_jobs
from dxf.transfer.parallel import CancelledError, Streams, all_of

WAITING = 60.0
"""Seconds after which a test that waits for something has failed."""

Check = Callable[[], None]


class Oops(Exception):
    """What goes wrong in these tests."""


class Gauge:
    """Counts how many threads are at something, and what they are at, in the order in which they began it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun: list[int] = []
        self.now = 0
        self.most = 0
        self.threads: set[threading.Thread] = set()

    def __call__(self, number: int) -> 'Gauge':
        with self.lock:
            self.begun.append(number)
            self.threads.add(threading.current_thread())
        return self

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


def wait(event: threading.Event) -> None:
    """Wait for an event, but not for ever."""
    assert event.wait(WAITING)


def wait_for_end(check: Check) -> None:
    """Work until the job is cancelled, as an upload does that looks after each piece."""
    deadline = time.monotonic() + WAITING
    while time.monotonic() < deadline:
        check()
        time.sleep(0.001)


def outcome_of(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the error that it raises; fail where it does neither."""
    outcomes: list[Any] = []

    def run() -> None:
        try:
            outcomes.append(call())
        except Exception as error:
            outcomes.append(error)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WAITING)
    assert outcomes, 'it hangs'
    return outcomes[0]


@pytest.fixture(name='gauge')
def make_gauge() -> Gauge:
    """A gauge for what happens in jobs."""
    return Gauge()


@pytest.fixture(name='impatient')
def make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody wait for long for a thread that does not end."""
    monkeypatch.setattr('dxf.transfer.parallel.END_TIMEOUT', 0.05)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Let no test leave a thread behind."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(WAITING)
        assert not thread.is_alive()


# Results of all

@pytest.mark.parametrize('jobs', [2, 3, 4, 9])
def test_results_are_in_the_order_of_the_items_whatever_is_done_first(jobs: int) -> None:
    done = [threading.Event() for _ in range(jobs)]

    def work(item: str, _check: Check) -> str:
        number = int(item)
        if number + 1 < jobs:
            wait(done[number + 1])  # the last is done first
        if number < jobs:
            done[number].set()
        return item * 2
    items = [str(number) for number in range(9)]
    assert all_of(work, items, jobs) == [item * 2 for item in items]


@pytest.mark.parametrize('jobs', [2, 4])
def test_as_many_things_are_done_at_once_as_there_are_jobs_and_no_more(gauge: Gauge, jobs: int) -> None:
    together = threading.Barrier(jobs)

    def work(item: int, _check: Check) -> None:
        with gauge(item):
            together.wait(WAITING)
    all_of(work, range(3 * jobs), jobs)
    assert gauge.most == jobs
    assert len(gauge.threads) == jobs and threading.current_thread() not in gauge.threads
    assert sorted(gauge.begun) == list(range(3 * jobs))
    assert all(abs(number - place) < jobs for place, number in enumerate(gauge.begun))  # taken up in their order


def test_no_more_threads_are_made_than_there_are_items(gauge: Gauge) -> None:
    together = threading.Barrier(2)

    def work(item: int, _check: Check) -> None:
        with gauge(item):
            together.wait(WAITING)
            counts.append(threading.active_count())
    counts: list[int] = []
    before = threading.active_count()
    all_of(work, range(2), 100)
    assert max(counts) <= before + 2


@pytest.mark.parametrize('items, jobs', [(range(3), 1), (range(1), 4), (range(1), 1)])
def test_one_job_or_one_item_is_done_in_the_calling_thread(gauge: Gauge, items: Sequence[int], jobs: int) -> None:
    def work(item: int, check: Check) -> int:
        check()
        with gauge(item):
            return item
    assert all_of(work, items, jobs) == list(items)
    assert gauge.begun == list(items)
    assert gauge.threads == {threading.current_thread()}


@pytest.mark.parametrize('jobs', [1, 4])
def test_of_nothing_there_is_nothing(jobs: int) -> None:
    assert not all_of(lambda item, check: item, [], jobs)


def test_one_job_ends_with_the_first_error(gauge: Gauge) -> None:
    def work(item: int, _check: Check) -> None:
        with gauge(item):
            if item:
                raise Oops
    with pytest.raises(Oops):
        all_of(work, range(4), 1)
    assert gauge.begun == [0, 1]


@pytest.mark.parametrize('bad', range(3))
def test_the_first_error_in_time_is_raised_and_the_others_are_cancelled(bad: int) -> None:
    begun = [threading.Event() for _ in range(3)]
    ends: list[type[BaseException]] = []

    def work(item: int, check: Check) -> None:
        begun[item].set()
        if item == bad:
            for event in begun:
                wait(event)
            raise Oops(item)
        try:
            wait_for_end(check)
        except CancelledError as error:
            ends.append(type(error))
            raise ValueError from error  # what comes of that is nobody's concern
    with pytest.raises(Oops, match=str(bad)):
        all_of(work, range(3), 3)
    assert ends == [CancelledError] * 2


def test_nothing_is_begun_after_an_error(gauge: Gauge) -> None:
    second = threading.Event()

    def work(item: int, check: Check) -> None:
        with gauge(item):
            if item == 0:
                wait(second)
                raise Oops
            second.set()
            wait_for_end(check)
    with pytest.raises(Oops):
        all_of(work, range(9), 2)
    assert sorted(gauge.begun) == [0, 1]


@pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit, CancelledError, Oops])
def test_whatever_is_raised_in_a_job_is_raised(error: type[BaseException]) -> None:
    def work(item: int, _check: Check) -> None:
        if item == 1:
            raise error
    with pytest.raises(error):
        all_of(work, range(3), 2)


def test_a_job_that_does_not_end_is_not_waited_for(impatient: None) -> None:
    del impatient
    begun, released = threading.Event(), threading.Event()

    def work(item: int, _check: Check) -> None:
        if item == 0:
            wait(begun)
            raise Oops
        begun.set()
        wait(released)
    started = time.monotonic()
    with pytest.raises(Oops):
        all_of(work, range(2), 2)
    assert time.monotonic() - started < WAITING / 2
    released.set()


def test_who_interrupts_the_wait_cancels_all() -> None:
    begun = threading.Barrier(2)
    ends: list[BaseException] = []

    def work(item: int, check: Check) -> None:
        begun.wait(WAITING)
        if item == 0:
            os.kill(os.getpid(), signal.SIGINT)
        try:
            wait_for_end(check)
        except CancelledError as error:
            ends.append(error)
            raise
    with pytest.raises(KeyboardInterrupt):
        all_of(work, range(5), 2)
    assert len(ends) == 2


# Streams

class Sources:
    """Gives streams of pieces, and takes note of what becomes of them.

    :param streams: the pieces of each; an event among them is waited for, an error is raised
    """

    def __init__(self, *streams: Sequence[Any]) -> None:
        self.streams = streams
        self.gauge = Gauge()
        self.given = [0] * len(streams)
        """How many bytes of each were given."""
        self.ended = [threading.Event() for _ in streams]
        self.threads: dict[int, threading.Thread] = {}

    def start(self, number: int) -> tuple[str, Iterator[bytes]]:
        """Begin a stream."""
        self.threads[number] = threading.current_thread()
        self.gauge(number)
        if self.streams[number] and self.streams[number][0] is Oops:
            raise Oops(number)
        return f'head {number}', self._pieces(number)

    def _pieces(self, number: int) -> Iterator[bytes]:
        try:
            with self.gauge:
                for piece in self.streams[number]:
                    if isinstance(piece, bytes):
                        self.given[number] += len(piece)
                        yield piece
                    elif isinstance(piece, threading.Event):
                        wait(piece)
                    else:
                        raise Oops(number)
        finally:
            self.ended[number].set()

    def read(self, jobs: int = 4) -> Any:
        """Return all streams, to be read."""
        return iter(Streams(self.start, range(len(self.streams)), jobs))


def content_of(streams: Any) -> list[tuple[int, str, bytes]]:
    """Read streams."""
    return [(number, head, b''.join(pieces)) for number, head, pieces in streams]


def numbered(count: int) -> list[list[bytes]]:
    """Return different streams."""
    return [[b'%d,' % number] * (number % 3) for number in range(count)]


@pytest.mark.parametrize('jobs', [1, 2, 4, 30])
@pytest.mark.parametrize('count', [0, 1, 2, 20])
def test_streams_are_whole_and_in_order(jobs: int, count: int) -> None:
    given = numbered(count)
    assert content_of(Sources(*given).read(jobs)) == [
        (number, f'head {number}', b''.join(pieces)) for number, pieces in enumerate(given)]


def test_streams_are_in_order_whichever_comes_first() -> None:
    second, third = threading.Event(), threading.Event()
    sources = Sources([second, b'a'], [b'b', third, b'c'], [b'd'])
    sources.ended[1] = second
    sources.ended[2] = third
    assert content_of(sources.read()) == [(0, 'head 0', b'a'), (1, 'head 1', b'bc'), (2, 'head 2', b'd')]


@pytest.mark.parametrize('jobs', [2, 4])
def test_as_many_streams_are_fetched_at_once_as_there_are_jobs_and_no_more(jobs: int) -> None:
    sources = Sources(*[[b'a', b'b']] * 12)
    assert content_of(sources.read(jobs)) == [(number, f'head {number}', b'ab') for number in range(12)]
    assert sources.gauge.most <= jobs
    together = threading.Barrier(jobs)

    def start(number: int) -> tuple[int, Iterator[bytes]]:
        together.wait(WAITING)
        return number, iter([b'%d' % number])
    assert len(content_of(Streams(start, range(2 * jobs), jobs))) == 2 * jobs


@pytest.mark.parametrize('count, jobs', [(4, 1), (1, 1), (1, 4)])
def test_one_job_or_one_stream_is_fetched_in_the_calling_thread_when_it_is_asked_for(count: int, jobs: int) -> None:
    sources = Sources(*[[b'a', b'b']] * count)
    streams = sources.read(jobs)
    assert not sources.gauge.begun
    for number, _, pieces in streams:
        assert sources.gauge.begun == list(range(number + 1))
        assert sources.given[number] == 0
        assert next(pieces) == b'a'
        assert sources.given[number] == 1
        assert next(pieces) == b'b'
    assert sources.gauge.threads == {threading.current_thread()}


def test_nothing_is_begun_before_somebody_reads() -> None:
    sources = Sources(*numbered(4))
    streams = sources.read()
    streams.close()
    assert not sources.gauge.begun


def test_what_follows_is_fetched_while_the_first_is_read() -> None:
    sources = Sources([b'a'], [b'b'], [b'c'], [b'd'])
    streams = sources.read()
    next(streams)
    for ended in sources.ended:
        wait(ended)
    assert sources.given == [1, 1, 1, 1]
    streams.close()


@pytest.mark.parametrize('sizes', [
    pytest.param([5000] * 8, id='large ones'),
    pytest.param([90] * 200, id='small ones'),
    pytest.param([30, 5000, *[30] * 200, 5000], id='both'),
])
def test_what_is_kept_for_a_slow_reader_is_bounded(monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> None:
    monkeypatch.setattr('dxf.transfer.parallel.BUFFERED', 800)
    most = 800 + 100 + 4 * 2 * 10  # all, the share of the one that is read, and a piece each on its way and one more
    sources = Sources(*([b'0123456789'] * (size // 10) for size in sizes))
    too_many = threading.Event()
    read = 0

    class Given(list[int]):
        """What was given; seen each time that more is."""

        def __setitem__(self, number: Any, size: Any) -> None:
            super().__setitem__(number, size)
            if sum(self) - read > most:
                too_many.set()
    sources.given = Given(sources.given)
    for number, _, pieces in sources.read():
        if number in (0, 1, 100):
            assert not too_many.wait(0.2)
        total = 0
        for piece in pieces:
            total += len(piece)
            read += len(piece)
        assert total == sizes[number]
        assert not too_many.is_set()


def test_a_reader_that_waits_for_one_stream_does_not_stop_another() -> None:
    sources = Sources([b'a'], [b'b'] * 50)
    streams = sources.read(2)
    next(streams)
    wait(sources.ended[1])
    assert next(streams)[0] == 1
    streams.close()


# Streams that fail

@pytest.mark.parametrize('jobs', [1, 4])
@pytest.mark.parametrize('bad', [0, 1, 3])
@pytest.mark.parametrize('pieces', [[Oops], [b'a', Oops]], ids=['at once', 'in the middle'])
def test_an_error_comes_when_its_turn_has_come(jobs: int, bad: int, pieces: list[Any]) -> None:
    sources = Sources(*([b'x'] if number != bad else pieces for number in range(5)))
    got: list[tuple[int, bytes]] = []
    with pytest.raises(Oops, match=str(bad)):
        for number, _, stream in sources.read(jobs):
            for piece in stream:
                got.append((number, piece))
    assert got == [(number, b'x') for number in range(bad)] + [(bad, b'a')] * (len(pieces) - 1)


def test_nothing_is_begun_after_a_stream_that_failed() -> None:
    failed = threading.Event()
    sources = Sources([b'a', failed, b'b'], [Oops], *[[b'c']] * 8)
    streams = sources.read(2)
    _, _, pieces = next(streams)
    assert next(pieces) == b'a'
    sources.threads[1].join(WAITING)  # it has nothing more to do
    failed.set()
    assert list(pieces) == [b'b']
    with pytest.raises(Oops):
        next(streams)
    assert sorted(sources.gauge.begun) == [0, 1]


@pytest.mark.parametrize('read', [True, False], ids=['read', 'left unread'])
def test_a_reader_that_goes_on_after_an_error_does_not_wait_for_ever(read: bool) -> None:
    sources = Sources([b'a', Oops], *[[b'b']] * 20)
    streams = sources.read(2)
    _, _, pieces = next(streams)
    if read:
        with pytest.raises(Oops):
            list(pieces)
    for thread in list(sources.threads.values()):
        thread.join(WAITING)  # what was begun is done, and nothing more is begun
    got = outcome_of(lambda: content_of(streams))
    assert isinstance(got, Exception) or len(got) == 20


@pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit])
def test_whatever_is_raised_in_a_stream_is_raised(error: type[BaseException]) -> None:
    def start(number: int) -> tuple[int, Iterator[bytes]]:
        if number == 1:
            raise error
        return number, iter([b'a'])
    with pytest.raises(error):
        content_of(Streams(start, range(3), 3))


# Readers that leave

@pytest.mark.parametrize('jobs', [1, 2, 4])
def test_a_stream_that_is_left_unread_does_not_stand_in_the_way(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    monkeypatch.setattr('dxf.transfer.parallel.BUFFERED', 16 * jobs)
    sources = Sources(*[[b'abcd'] * 100] * 12)
    for number, head, pieces in sources.read(jobs):
        assert head == f'head {number}'
        if number % 4 == 1:
            assert next(pieces) == b'abcd'
        elif number % 4 == 3:
            assert b''.join(pieces) == b'abcd' * 100
    if jobs > 1:
        for ended in sources.ended:
            wait(ended)
    assert sources.given[3::4] == [400] * 3
    assert sum(sources.given) < 12 * 400


@pytest.mark.parametrize('size', [1, 100])
@pytest.mark.parametrize('leave', ['for the next', 'for good'])
def test_what_was_left_is_never_taken_for_the_whole(monkeypatch: pytest.MonkeyPatch, size: int, leave: str) -> None:
    monkeypatch.setattr('dxf.transfer.parallel.BUFFERED', 64)
    sources = Sources(*[[b'abcd'] * size] * 3)
    streams = sources.read()
    _, _, pieces = next(streams)
    if leave == 'for good':
        streams.close()
    else:
        next(streams)
    got = outcome_of(lambda: b''.join(pieces))
    assert isinstance(got, Exception) or got == b'abcd' * size
    streams.close()


@pytest.mark.parametrize('read', range(4))
def test_who_goes_away_ends_all(read: int) -> None:
    sources = Sources([b'a', b'b'], *[[b'c'] * 5] * 9)
    streams = sources.read()
    if read:
        _, _, pieces = next(streams)
        if read > 1:
            assert next(pieces) == b'a'
        if read > 2:
            next(streams)
    streams.close()
    for thread in sources.gauge.threads:
        thread.join(WAITING)
        assert not thread.is_alive()
    assert all(sources.ended[number].is_set() for number in sources.gauge.begun if sources.given[number])


def test_who_goes_away_closes_what_was_being_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.transfer.parallel.BUFFERED', 64)
    sources = Sources(*[[b'abcd'] * 1000] * 9)
    streams = sources.read()
    _, _, pieces = next(streams)
    next(pieces)
    streams.close()
    for number in sources.gauge.begun:
        if sources.given[number]:
            wait(sources.ended[number])
    assert sum(sources.given) < 1000


def test_who_goes_away_does_not_wait_for_a_stream_that_is_silent(impatient: None) -> None:
    del impatient
    silent = threading.Event()
    sources = Sources([b'a'], *[[silent, b'b']] * 3)
    streams = sources.read()
    next(streams)
    started = time.monotonic()
    streams.close()
    assert time.monotonic() - started < WAITING / 2
    silent.set()


@pytest.mark.parametrize('where', ['head', 'piece'])
def test_who_is_interrupted_while_waiting_leaves_nothing(where: str) -> None:
    ended = threading.Event()

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        ended.set()

    def start(number: int) -> tuple[int, Iterator[bytes]]:
        if number == 0 and where == 'head':
            interrupt()
            wait(ended)
        return number, pieces(number)

    def pieces(number: int) -> Iterator[bytes]:
        yield b'a'
        if number == 0:
            interrupt()
        yield b'b'
    with pytest.raises(KeyboardInterrupt):
        for _, _, stream in Streams(start, range(3), 2):
            for _ in stream:
                pass
        threading.Event().wait(WAITING)  # the signal may come late


def test_the_defaults_are_a_few_mib_and_less_than_the_seconds_that_an_interrupt_may_take() -> None:
    assert dxf_jobs.BUFFERED <= 16 << 20
    assert dxf_jobs.END_TIMEOUT < 3
