"""Backups and restores that are killed before or after any of their requests: an alias restores what it named."""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from random import Random

import pytest

from dxf import snapshots

from ..helpers.endpoints import Endpoint
from ..helpers.killed_processes import KILLED, Run, started
from ..helpers.traffic import Traffic
from ..helpers.trees import described

Act = Callable[..., int]


@pytest.fixture(name='act', scope='module')
def start_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Act]:
    """What runs a command that is killed at a request, and returns its exit status."""
    with started(tmp_path_factory.mktemp('home')) as killing:
        def act(endpoint: Endpoint, number: int, when: str, *args: str) -> int:
            return killing.run(Run([*args], endpoint.environ(), number, when))
        yield act


@pytest.fixture(name='place', params=['open_registry', 'folder'])
def choose_place(request: pytest.FixtureRequest) -> Endpoint:
    """A registry, and a folder."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Endpoint)
    return found


Draw = Callable[[int], bytes]


@pytest.fixture(name='draw')
def draw_content() -> Draw:
    """What returns so many random bytes, the same in each run: a backup that keeps one more pack asks once more."""
    return Random(1).randbytes


@pytest.fixture(name='source')
def make_source(tmp_path: Path, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of several packs."""
    monkeypatch.setattr('dxf.snapshots.pack_writer.MIN_PACK', 30_000)
    source = tmp_path / 'source'
    (source / 'a').mkdir(parents=True)
    for number in range(12):
        (source / 'a' / str(number)).write_bytes(draw(15_000))
    return source


def test_an_alias_restores_after_a_backup_that_was_killed_at_any_request(place: Endpoint, repo: str, source: Path,
                                                                         draw: Draw, tmp_path: Path, act: Act
                                                                         ) -> None:
    client = place.dxf(repo)
    stored = {snapshots.backup(client, [str(source)], 'nightly').digest: described(source)}
    trees = list(stored.values())
    for number in range(1, 50):
        statuses = []
        for when in ('before', 'after'):
            (source / 'new').write_bytes(draw(40_000))
            trees.append(described(source))
            statuses.append(act(place, number, when, 'backup', repo, str(source), '@nightly'))
            digest = client.manifest_digest('nightly')
            if digest not in stored:
                snapshots.load(client, 'nightly').restore(str(tmp_path / digest))
                assert described(tmp_path / digest) == trees[-1]
                stored[digest] = trees[-1]
        assert set(statuses) <= {0, KILLED}
        if statuses == [0, 0]:
            break
    assert number > 5
    # Killed after the last request, and those that were not killed.
    assert len(stored) >= 1 + 1 + 2
    for digest, tree in stored.items():
        shutil.rmtree(tmp_path / digest, ignore_errors=True)
        snapshots.load(client, digest).restore(str(tmp_path / digest))
        assert described(tmp_path / digest) == tree


def test_an_alias_names_a_whole_stream_after_a_backup_that_was_killed_at_any_request(
        place: Endpoint, repo: str, draw: Draw, tmp_path: Path, act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.snapshots.pack_writer.MIN_PACK', 100_000)
    client = place.dxf(repo)
    path = tmp_path / 'image'
    path.write_bytes(draw(500_000))
    contents = {snapshots.backup_stream(client, path, 'nightly').digest: path.read_bytes()}
    for number in range(1, 50):
        statuses = []
        for when in ('before', 'after'):
            with path.open('r+b') as file:
                file.write(draw(150_000))
            statuses.append(act(place, number, when, 'push-blob', '--delta', repo, str(path), '@nightly'))
            snapshot = snapshots.load(client, 'nightly')
            content = b''.join(snapshot.stream().read())
            assert content == contents.setdefault(snapshot.digest, path.read_bytes())
        assert set(statuses) <= {0, KILLED}
        if statuses == [0, 0]:
            break
    assert number > 4
    # Killed after the last request, and those that were not killed.
    assert len(contents) >= 1 + 1 + 2


def test_a_restore_that_was_killed_at_any_request_goes_on(place: Endpoint, repo: str, source: Path, tmp_path: Path,
                                                          act: Act) -> None:
    client = place.dxf(repo)
    snapshots.backup(client, [str(source)], 'nightly')
    target = tmp_path / 'restored'
    for number in range(1, 50):
        status = act(place, number, 'after', 'restore', repo, '@nightly', '--to', str(target))
        if status == 0:
            break
        assert status == KILLED
        shutil.rmtree(target, ignore_errors=True)
        assert act(place, number, 'before', 'restore', repo, '@nightly', '--to', str(target)) == KILLED
        done = described(target) if target.exists() else {}
        assert act(place, 1000, 'after', 'restore', repo, '@nightly', '--to', str(target)) == 0
        assert described(target) == described(source)
        assert {path: entry for path, entry in done.items() if entry[0] == 'file' and b'.dxf' not in path}.items() <= \
            described(source).items()
        shutil.rmtree(target)
    assert number > 4


def test_a_restore_that_was_killed_fetches_what_is_missing(open_registry: Endpoint, repo: str, source: Path,
                                                           tmp_path: Path, act: Act, traffic: Traffic) -> None:
    client = open_registry.dxf(repo)
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    target, missing = tmp_path / 'restored', []
    for number in range(4, 7):  # two requests fetch the manifest and the index
        shutil.rmtree(target, ignore_errors=True)
        assert act(open_registry, number, 'before', 'restore', repo, '@nightly', '--to', str(target)) == KILLED
        missing.append(15_000 * (12 - len(list(target.glob('a/*')))))
        traffic.clear()
        snapshots.load(client, 'nightly').restore(str(target))
        fetched = sum(int(exchange.response_headers['Content-Length']) for exchange in traffic.requests
                      if any(pack.digest in exchange.path for pack in snapshot.packs))
        assert fetched == missing[-1]
    assert missing == [150_000, 120_000, 90_000]


def test_a_restore_that_was_killed_at_any_request_has_deleted_nothing(place: Endpoint, repo: str, source: Path,
                                                                      tmp_path: Path, act: Act) -> None:
    snapshots.backup(place.dxf(repo), [str(source)], 'nightly')
    target = tmp_path / 'restored'
    (target / 'b').mkdir(parents=True)
    (target / 'b' / 'extra').write_bytes(b'extra')
    number = 0
    for number, when in product(range(1, 50), ('before', 'after')):
        shutil.rmtree(target / 'a', ignore_errors=True)
        (target / 'a').mkdir()
        (target / 'a' / '1').write_bytes(b'old')
        status = act(place, number, when, 'restore', repo, '@nightly', '--to', str(target), '--delete', '--overwrite')
        if status == 0:
            break
        assert status == KILLED and (target / 'b' / 'extra').exists()
    assert number > 4
    assert described(target) == described(source)


def test_what_was_restored_whole_is_not_fetched_again(folder: Endpoint, repo: str, source: Path, tmp_path: Path
                                                      ) -> None:
    client = folder.dxf(repo)
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    snapshot.restore(str(tmp_path / 'restored'))
    (tmp_path / 'restored' / 'a' / '7').unlink()
    os.utime(tmp_path / 'restored' / 'a' / '8', ns=(5, 5))
    assert snapshot.restore(str(tmp_path / 'restored')) == ['a/7']
    assert described(tmp_path / 'restored') == described(source)
