"""Two docker-registry processes on one storage behind nginx, one of which is killed: everything arrives.

What is stored is read past nginx and past dxf: from the registries by plain requests, and from their files. Bodies
that a real nginx finds too large are here, too.
"""

import io
import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from dxf import DXF, Limits, hash_bytes
from dxf.main import doit

from ..servers.counting_proxy import CountingProxy
from ..servers.fault_proxy import Fault, FaultProxy
from ..servers.nginx import Nginx
from ..servers.registry import Registry

JOBS = 4
FILES = 40
SMALLEST, LARGEST = 1 << 10, 8 << 20
LIMITS = Limits(backoff=0.05, part=1 << 20, small_part=256 << 10, ranges=2 << 20)
MIB = 1 << 20


def contents(seed: int) -> list[bytes]:
    """Return what files hold: the smallest, the largest, and others of all magnitudes from 1 KiB to 2 MiB."""
    chance = random.Random(seed)
    sizes = [SMALLEST, LARGEST, *(int(SMALLEST * 2 ** chance.uniform(0, 11)) for _ in range(FILES - 2))]
    chance.shuffle(sizes)
    return [chance.randbytes(size) for size in sizes]


CONTENTS = contents(40)
DIGESTS = [hash_bytes(content) for content in CONTENTS]
TOTAL = sum(map(len, CONTENTS))


@dataclass
class Pair:
    """Two registries on one storage, and the nginx in front of them."""

    registries: tuple[Registry, Registry]
    nginx: Nginx

    def kill(self, victim: int) -> None:
        """Kill one of the registries, if it is not dead already."""
        self.registries[victim].stop()

    def check(self, repo: str, contents_by_digest: dict[str, bytes]) -> None:
        """Insist that each of the registries that is alive, and the storage, has these blobs with these bytes."""
        for registry in self.registries:
            if registry.running:
                with requests.Session() as session:
                    for digest, content in contents_by_digest.items():
                        response = session.get(f'{registry.url}/v2/{repo}/blobs/{digest}')
                        assert response.status_code == 200
                        assert response.content == content
        for digest, content in contents_by_digest.items():
            algorithm, _, encoded = digest.partition(':')
            stored = self.registries[0].storage.joinpath('docker', 'registry', 'v2', 'blobs', algorithm, encoded[:2],
                                                         encoded, 'data').read_bytes()
            assert stored == content

    def check_alias(self, repo: str, alias: str) -> None:
        """Insist that each registry that is alive says that an alias names all blobs, in order, with their sizes."""
        for registry in self.registries:
            if registry.running:
                response = requests.get(f'{registry.url}/v2/{repo}/manifests/{alias}', headers={
                    'Accept': 'application/vnd.docker.distribution.manifest.v2+json'}, timeout=60)
                assert response.status_code == 200
                layers = json.loads(response.content)['layers']
                assert [(layer['digest'], layer['size']) for layer in layers] == [
                    (digest, len(content)) for digest, content in zip(DIGESTS, CONTENTS)]


@pytest.fixture(name='pair')
def start_pair(tmp_path: Path) -> Iterator[Pair]:
    """Two registries on one storage behind nginx."""
    folders = [tmp_path / name for name in ('first', 'second', 'nginx')]
    for folder in folders:
        folder.mkdir()
    first, second = (Registry(folder, storage=tmp_path / 'storage', secret='of both') for folder in folders[:2])
    with first, second, Nginx(folders[2], [first.host, second.host]) as nginx:
        yield Pair((first, second), nginx)


@pytest.fixture(name='paths', scope='module')
def write_paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files that hold ``CONTENTS``."""
    folder = tmp_path_factory.mktemp('files')
    paths = [folder / f'{number:02}' for number in range(FILES)]
    for path, content in zip(paths, CONTENTS):
        path.write_bytes(content)
    return paths


class Countdown:
    """A ``progress`` that does something once, when so many bytes have moved."""

    def __init__(self, after: int, action: Callable[[], None]) -> None:
        self.left = after
        self.done = False
        self._action = action
        self._counting = threading.Lock()

    def __call__(self, _digest: str, chunk: bytes, _size: int | None = None) -> None:
        with self._counting:
            self.left -= len(chunk)
            if self.left <= 0 and not self.done:
                self.done = True
                self._action()


def client(pair: Pair, repo: str, **settings: Any) -> DXF:
    """Return a client that goes through nginx."""
    return DXF(pair.nginx.host, repo, insecure=True, timeout=20, **{'limits': LIMITS, 'jobs': JOBS, **settings})


def environ(host: str) -> dict[str, str]:
    """Return the variables for the command line."""
    return {'DXF_HOST': host, 'DXF_INSECURE': '1', 'DXF_JOBS': str(JOBS), 'DXF_PROGRESS': '0'}


def store(pair: Pair, repo: str, alias: str | None = None) -> None:
    """Have the registries store ``CONTENTS``, without nginx between."""
    with DXF(pair.registries[0].host, repo, insecure=True) as direct:
        direct.push_blobs(CONTENTS, check_exists=False)
        if alias is not None:
            direct.set_alias(alias, *DIGESTS)


def test_nginx_hands_requests_to_the_registries_in_turn(pair: Pair, tmp_path: Path) -> None:
    folder = tmp_path / 'counting'
    folder.mkdir()
    first, second = (CountingProxy(registry.host) for registry in pair.registries)
    with first, second, Nginx(folder, [first.host, second.host]) as nginx:
        for _ in range(4):
            assert requests.get(f'http://{nginx.host}/v2/', timeout=60).status_code == 200
        assert (len(first.connections), len(second.connections)) == (2, 2)


@pytest.mark.parametrize('victim, after', [(0, 0), (1, MIB), (0, TOTAL // 2), (1, TOTAL - 1)])
def test_pushes_lose_nothing_when_a_registry_is_killed(pair: Pair, paths: list[Path], repo: str, victim: int,
                                                       after: int) -> None:
    countdown = Countdown(after, partial(pair.kill, victim))
    with client(pair, repo) as pushing:
        digests = pushing.push_blobs(paths, progress=countdown)
        assert countdown.done
        assert digests == DIGESTS
        pushing.set_alias('all', *digests)
    stored = dict(zip(DIGESTS, CONTENTS))
    pair.check(repo, stored)
    pair.check_alias(repo, 'all')
    with pair.registries[victim]:
        pair.kill(1 - victim)
        pair.check(repo, stored)
        pair.check_alias(repo, 'all')


def test_pushes_lose_nothing_when_the_registries_come_and_go(pair: Pair, paths: list[Path], repo: str) -> None:
    # A registry dies with the thread that started it, and those of a client do not live long.
    with ExitStack() as stack, ThreadPoolExecutor(1) as starter:
        def restart(victim: int) -> None:
            pair.kill(victim)
            starter.submit(stack.enter_context, pair.registries[victim]).result()
        countdowns = [Countdown(share * TOTAL // 3, partial(restart, share % 2)) for share in range(1, 3)]

        def progress(*arguments: Any) -> None:
            for countdown in countdowns:
                countdown(*arguments)
        # Both may be among those that nginx leaves alone for a second.
        with client(pair, repo, limits=LIMITS._replace(backoff=0.4)) as pushing:
            assert pushing.push_blobs(paths, progress=progress) == DIGESTS
        assert all(countdown.done for countdown in countdowns)
        assert all(registry.running for registry in pair.registries)
        pair.check(repo, dict(zip(DIGESTS, CONTENTS)))


@pytest.mark.parametrize('victim, after', [(1, 0), (0, TOTAL // 3), (1, TOTAL - 1)])
def test_pulls_lose_nothing_when_a_registry_is_killed(pair: Pair, repo: str, victim: int, after: int) -> None:
    store(pair, repo)
    countdown = Countdown(after, partial(pair.kill, victim))
    with client(pair, repo) as pulling:
        for (digest, chunks, size), expected in zip(pulling.pull_blobs(DIGESTS), CONTENTS, strict=True):
            got = bytearray()
            for chunk in chunks:
                got += chunk
                countdown(digest, chunk)
            assert (digest, size) == (hash_bytes(expected), len(expected))
            assert got == expected
    assert countdown.done


def test_pulls_that_began_before_the_first_is_read_survive_a_killed_registry(pair: Pair, repo: str) -> None:
    store(pair, repo)
    with client(pair, repo) as pulling:
        blobs = pulling.pull_blobs(DIGESTS)
        _, chunks, _ = next(blobs)
        pair.kill(1)
        assert b''.join(chunks) == CONTENTS[0]
        assert [b''.join(chunks) for _, chunks, _ in blobs] == CONTENTS[1:]


@pytest.mark.parametrize('victim, after', [(0, 100), (1, TOTAL // 2)])
def test_an_alias_is_pulled_to_a_file_when_a_registry_is_killed(pair: Pair, repo: str, tmp_path: Path, victim: int,
                                                                after: int) -> None:
    store(pair, repo, 'all')
    file = tmp_path / 'file'
    with CountingProxy(pair.nginx.host) as proxy:
        proxy.after_down(after, partial(pair.kill, victim))
        assert doit(['pull-blob', '-o', str(file), repo, '@all'], environ(proxy.host)) == 0
    assert not pair.registries[victim].running
    assert file.read_bytes() == b''.join(CONTENTS)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith('.')] == []


def test_an_alias_whose_manifest_breaks_off_is_asked_for_again(pair: Pair, repo: str) -> None:
    store(pair, repo, 'all')
    with FaultProxy(pair.nginx.host, lambda number: Fault(down=1000) if number == 1 else Fault()) as proxy:
        with DXF(proxy.host, repo, insecure=True, limits=LIMITS) as reading:
            assert reading.get_alias('all') == DIGESTS
        assert proxy.connections == 2


@pytest.mark.parametrize('victim, after', [(0, 100), (1, TOTAL // 2)])
def test_files_are_pushed_under_an_alias_when_a_registry_is_killed(
        pair: Pair, paths: list[Path], repo: str, capfd: pytest.CaptureFixture[str], victim: int, after: int) -> None:
    with CountingProxy(pair.nginx.host) as proxy:
        proxy.after_up(after, partial(pair.kill, victim))
        assert doit(['push-blob', repo, *map(str, paths), '@all'], environ(proxy.host)) == 0
    assert not pair.registries[victim].running
    assert capfd.readouterr().out.split() == DIGESTS
    pair.check(repo, dict(zip(DIGESTS, CONTENTS)))
    pair.check_alias(repo, 'all')


@pytest.mark.parametrize('size, buffering', [
    pytest.param(900 << 10, False, id='small enough'),
    pytest.param(3 * MIB, False, id='one PUT is too large'),
    pytest.param(10 * MIB, False, id='parts and one PUT are too large'),
    pytest.param(10 * MIB, True, id='nginx reads all first'),
])
def test_what_nginx_finds_too_large_arrives_in_small_parts(tmp_path: Path, repo: str, size: int, buffering: bool
                                                           ) -> None:
    for name in ('registry', 'nginx'):
        (tmp_path / name).mkdir()
    content = random.Random(size).randbytes(size)
    digest = hash_bytes(content)
    path = tmp_path / 'content'
    path.write_bytes(content)
    with Registry(tmp_path / 'registry') as registry, \
            Nginx(tmp_path / 'nginx', [registry.host], largest_body='1m', buffering=buffering) as nginx, \
            DXF(nginx.host, repo, insecure=True, timeout=20,
                limits=Limits(retries=1, backoff=0.01, part=4 * MIB, small_part=512 << 10)) as pushing:
        assert pushing.push_blob(str(path)) == digest
        assert b''.join(pushing.pull_blob(digest)) == content
        assert pushing.push_blob(data=iter([content, b'more'])) == hash_bytes(content + b'more')
        assert pushing.push_blob(data=io.BytesIO(content + b'other')) == hash_bytes(content + b'other')
        assert b''.join(pushing.pull_blob(hash_bytes(content + b'other'))) == content + b'other'
