"""Rate limits: the bytes of all bodies together leave and arrive no faster than they may, and nothing else changes.

A transfer that is slower than its limit proves nothing, so these tests hold on any machine.
"""

import os
import pickle
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from dxf import DXF, Limits, RateLimit
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..servers.resumable_registry import ResumableRegistry
from ..servers.scripted_registry import ScriptedRegistry

RATE = 256 << 10
CONTENT = os.urandom(RATE)
"""What takes a second."""


@pytest.fixture(name='place', params=['open_registry', 'token_registry', 'folder'])
def each_place(request: pytest.FixtureRequest) -> Endpoint:
    """An open registry, one with tokens over TLS, and a folder."""
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return endpoint


@pytest.fixture(name='paths')
def write_paths(tmp_path: Path) -> list[str]:
    """Files that together take two seconds at the rate."""
    paths = [tmp_path / name for name in 'abcd']
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) + CONTENT[:RATE // 2])
    return [str(path) for path in paths]


def seconds(*args: str, environ: dict[str, str]) -> float:
    """Run a command with the limit, and return how long it took."""
    begun = time.monotonic()
    assert doit([*args, '--limit-rate', '256K'], environ) == 0
    return time.monotonic() - begun


def test_blobs_leave_and_arrive_at_the_rate_that_parallel_jobs_share(place: Endpoint, repo: str, paths: list[str],
                                                                     tmp_path: Path) -> None:
    environ = {**place.environ(), 'DXF_JOBS': '4'}
    assert seconds('push-blob', repo, *paths, '@all', environ=environ) > 1.5
    assert seconds('pull-blob', '-o', str(tmp_path / 'out'), repo, '@all', environ=environ) > 1.5
    assert (tmp_path / 'out').read_bytes() == b''.join(Path(path).read_bytes() for path in paths)


def test_files_and_copies_have_the_rate_too(open_registry: Endpoint, folder: Endpoint, repo: str, paths: list[str],
                                            tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [Path(path).name for path in paths]
    assert seconds('push-files', repo, 'all', *names, environ=open_registry.environ()) > 1.5
    assert seconds('pull-files', repo, 'all', '--to', 'out', environ=open_registry.environ()) > 1.5
    assert [(tmp_path / 'out' / name).read_bytes() for name in names] == [Path(path).read_bytes() for path in paths]
    assert seconds('copy', repo, 'all', '--to', folder.host, environ=open_registry.environ()) > 1.5
    assert len(folder.dxf(repo).get_alias('all')) == 4


def test_clients_with_one_limit_share_it(open_registry: Endpoint, repo: str) -> None:
    limits = Limits(rate=RateLimit(RATE))
    clients = [DXF(open_registry.host, f'{repo}-{name}', insecure=True, limits=limits) for name in 'ab']
    begun = time.monotonic()
    for client in clients:
        client.push_blob(data=CONTENT)
    assert time.monotonic() - begun > 1.5


def test_a_limit_sends_the_same_requests(server: ScriptedRegistry) -> None:
    sent: list[list[tuple[str, str | None, bytes]]] = []
    for limits in (Limits(), Limits(rate=RateLimit(100 << 20))):
        server.requests.clear()
        server.memory.blobs.clear()
        client = DXF(server.host, 'fred/a', insecure=True, limits=limits)
        client.set_alias('a', client.push_blob(data=CONTENT), client.push_blob(data=iter([CONTENT, b'more'])))
        sent.append([(request.method, request.headers['Content-Length'], request.body) for request in server.requests])
    assert sent[0] == sent[1]


def test_a_limited_transfer_ends_when_it_is_interrupted(tmp_path: Path) -> None:
    (tmp_path / 'large').write_bytes(CONTENT * 64)
    begun = time.monotonic()
    with ResumableRegistry() as registry:
        runner = Runner({'DXF_HOST': registry.host, 'DXF_INSECURE': '1'})
        runner.run_until(partial(registry.after, 1), 'push-blob', '--limit-rate=1K', 'fred/a', tmp_path / 'large',
                         number=signal.SIGINT)
    assert time.monotonic() - begun < 60  # the transfer would take four hours


def test_no_sleep_is_longer_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = [100.0]

    def sleep(length: float) -> None:
        slept.append(length)
        now[0] += length
    monkeypatch.setattr(time, 'sleep', sleep)
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    limit = RateLimit(1024)
    limit.wait(10 * 1024)
    assert sum(slept) == pytest.approx(10) and max(slept) <= 1
    now[0] += 3600
    limit.wait(1024)  # of an unused hour, half a second is made up for
    assert sum(slept) == pytest.approx(10.5)


@pytest.mark.parametrize('rate, kind', [(1023, ValueError), (0, ValueError), (1.5e6, TypeError), (True, TypeError),
                                        ('10M', TypeError)])
def test_a_rate_that_is_none_is_refused(rate: object, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        RateLimit(rate)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match='^rate of limits is a RateLimit, and not '):
        DXF('localhost', 'fred/a', limits=Limits(rate=rate))  # type: ignore[arg-type]


def test_a_client_with_a_limit_is_pickled_with_its_rate() -> None:
    client = DXF('localhost', 'fred/a', limits=Limits(rate=RateLimit(RATE)))
    assert repr(pickle.loads(pickle.dumps(client)).options.limits) == f'Limits(rate=RateLimit({RATE}))'
