"""The commands diff and verify for snapshots: what differs, what the registry has, and that no pack is fetched."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dxf import DXF, comparison, hash_bytes, snapshots
from dxf.snapshots import chunk_order, differences
from dxf.snapshots.compression import packed
from dxf.snapshots.entries import Chunk

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.traffic import Traffic
from .test_hostile_indexes import PACK, PLAIN, file, hardlink, link, store, text_of
from .test_snapshot_commands import run


@pytest.fixture(name='source')
def make_source(tmp_path: Path) -> Path:
    """A folder with files, another name of one, and a link."""
    source = tmp_path / 'source'
    (source / 'a').mkdir(parents=True, mode=0o755)
    (source / 'a' / 'x').write_bytes(b'21.5\n' * 40_000)
    (source / 'a-b').write_bytes(b'21.7\n')
    (source / 'gone').write_bytes(b'')
    (source / 'link').symlink_to('a/x')
    os.link(source / 'a' / 'x', source / 'z')
    return source


def change(source: Path) -> None:
    """Change what is in the folder; times alone are no difference."""
    (source / 'a-b').write_bytes(b'21.8\n')
    (source / 'a').chmod(0o700)
    (source / 'gone').unlink()
    (source / 'link').unlink()
    (source / 'link').symlink_to('a-b')
    (source / 'new').mkdir(mode=0o755)
    (source / 'z').unlink()
    shutil.copyfile(source / 'a' / 'x', source / 'z')
    (source / 'z').chmod((source / 'a' / 'x').stat().st_mode)
    os.utime(source / 'a' / 'x', ns=(0, 0))


LINES = ['changed - - a', 'changed 5 5 a-b', 'removed 0 - gone', 'changed - - link', 'added - - new']


def packs_in(traffic: Traffic, *stored: snapshots.Snapshot) -> list[str]:
    """Return the requests for the content of packs."""
    digests = {pack.digest for snapshot in stored for pack in snapshot.packs}
    return [request.path for request in traffic.requests
            if request.method == 'GET' and request.path.rpartition('/')[2] in digests]


def test_two_snapshots_or_a_folder_and_one_are_compared_without_their_packs(
        endpoint: Endpoint, repo: str, source: Path, traffic: Traffic, capfd: pytest.CaptureFixture[str]) -> None:
    client = endpoint.dxf(repo)
    first = snapshots.backup(client, [str(source)], 'first')
    run(capfd, endpoint, 'diff', repo, '@first', f'{source}/')
    change(source)
    (source / '.dxfignore').write_text('*.tmp\n')
    second = snapshots.backup(client, [str(source)], 'second')
    (source / '.dxfignore').unlink()
    traffic.clear()
    out, err = run(capfd, endpoint, 'diff', repo, 'first', 'second', status=1)
    assert (out.splitlines(), err) == (['added - 6 .dxfignore', *LINES], '')
    assert run(capfd, endpoint, 'diff', repo, 'first', f'{source}/', status=1)[0].splitlines() == LINES
    removed = run(capfd, endpoint, 'diff', repo, f'{source}/', first.digest, status=1)[0].splitlines()
    assert removed == [*LINES[:2], 'added - 0 gone', LINES[3], 'removed - - new']
    assert run(capfd, endpoint, 'diff', repo, 'first', first.digest) == ('', '')
    assert packs_in(traffic, first, second) == []


def test_an_index_with_hard_links_is_fetched_once(open_registry: Endpoint, repo: str, source: Path, traffic: Traffic
                                                  ) -> None:
    client = open_registry.dxf(repo)
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    traffic.clear()
    assert not snapshots.verify(client, 'nightly', [str(source)])
    (source / 'z').unlink()
    assert [change.path for change in differences.from_folders(snapshot, [str(source)])] == [b'z']
    assert len([request for request in traffic.requests if request.path.endswith(snapshot.index.digest)]) == 2


def test_a_hard_link_is_found_however_its_type_is_written(client: DXF) -> None:
    lines = text_of([file('a', PLAIN), hardlink('b', 'a'), link('c', 'a')], {
        'snapshot': 1, 'packs': [hash_bytes(PACK)], 'source': 'folder'}).replace(b'"hardlink"', b'"h\\u0061rdlink"')
    store(client, b''.join(packed(iter([lines]), len(lines))))
    found = dict(differences.nodes(snapshots.load(client, 'hostile')))
    assert found[b'b'] == found[b'a'] != found[b'c']


def test_differences_have_their_type_mode_and_target_as_json(folder: Endpoint, repo: str, source: Path,
                                                             capfd: pytest.CaptureFixture[str]) -> None:
    snapshots.backup(folder.dxf(repo), [str(source)], 'first')
    change(source)
    snapshots.backup(folder.dxf(repo), [str(source)], 'second')
    out, _ = run(capfd, folder, 'diff', repo, 'first', 'second', '--json', status=1)
    found = {line['name']: line for line in map(json.loads, out.splitlines())}
    none = {'digest': None, 'size': None}
    assert found['a'] == {'action': 'changed', 'name': 'a',
                          'old': {**none, 'type': 'folder', 'mode': 0o755, 'target': None},
                          'new': {**none, 'type': 'folder', 'mode': 0o700, 'target': None}}
    assert found['link']['new'] == {**none, 'type': 'link', 'mode': None, 'target': 'a-b'}
    assert (found['gone']['old']['type'], found['gone']['new']) == ('file', None)


def test_a_snapshot_and_an_artifact_are_compared_by_the_content_of_files(
        folder: Endpoint, repo: str, source: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
        ) -> None:
    snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')
    monkeypatch.chdir(source)
    run(capfd, folder, 'push-files', repo, 'files', 'a', 'a-b', 'z')
    assert run(capfd, folder, 'diff', repo, 'nightly', 'files', status=1)[0] == 'removed 0 - gone\n'
    assert run(capfd, folder, 'diff', repo, 'files', 'nightly', status=1)[0] == 'added - 0 gone\n'


def test_folders_are_verified_with_their_snapshot_without_its_packs(
        endpoint: Endpoint, repo: str, source: Path, tmp_path: Path, traffic: Traffic,
        capfd: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / 'other'
    other.mkdir()
    snapshot = snapshots.backup(endpoint.dxf(repo), [str(source), str(other)], 'nightly')
    traffic.clear()
    assert run(capfd, endpoint, 'verify', repo, source, other, '@nightly') == ('', '')
    assert packs_in(traffic, snapshot) == []
    change(source)
    line, = Runner(endpoint.environ()).run('verify', repo, str(source), str(other), '@nightly').insist(1).lines
    assert line == ('dxf: source/a differs; source/a-b differs; source/gone is only in the snapshot; '
                    'source/link differs; source/new is not in the snapshot')
    assert run(capfd, endpoint, 'verify', repo, '@nightly') == ('', '')


def test_every_chunk_is_read_once_with_read_packs(open_registry: Endpoint, repo: str, source: Path, traffic: Traffic,
                                                  capfd: pytest.CaptureFixture[str]) -> None:
    client = open_registry.dxf(repo)
    snapshots.backup(client, [str(source)], 'nightly')
    (source / 'a' / 'y').write_bytes(os.urandom(100_000))
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    traffic.clear()
    assert run(capfd, open_registry, 'verify', repo, '@nightly', '--read-packs') == ('', '')
    assert len(snapshot.packs) == len(packs_in(traffic, snapshot)) == 2


@pytest.mark.parametrize('damage, plain', [
    (lambda path: path.write_bytes(bytes(path.stat().st_size)), 'is missing'),  # a folder hashes it
    (lambda path: path.write_bytes(path.read_bytes()[:-1]), 'does not have'),
    (lambda path: path.unlink(), 'is missing'),
], ids=['changed', 'shorter', 'missing'])
def test_a_pack_that_is_damaged_is_named(folder: Endpoint, repo: str, source: Path, damage: Callable[[Path], object],
                                         plain: str) -> None:
    (source / 'random').write_bytes(os.urandom(300_000))
    snapshot = snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')
    [path] = folder.registry.storage.rglob(snapshot.packs[0].digest.partition(':')[2])
    path.chmod(0o644)
    damage(path)
    runner = Runner(folder.environ())
    line, = runner.run('verify', repo, '@nightly').insist(1).lines
    assert plain in line
    line, = runner.run('verify', repo, '@nightly', '--read-packs').insist(1).lines
    assert line.startswith(f'dxf: {snapshot.packs[0].digest}: ')
    line, = runner.run('restore', repo, '@nightly', 'random', '--to', source.parent / 'new').insist(
        1 if path.exists() else 2).lines
    assert line.endswith(f'; the pack {snapshot.packs[0].digest} is damaged or missing, and random needs it')


@pytest.mark.parametrize('operands, status, text', [
    (['{source}/missing', '@nightly', '--read-packs'], 2, 'no such folder'),
    (['{source}', '{source}/a-b', '@nightly'], 2, 'it is no folder'),
    (['{source}', '@files'], 1, 'files is no snapshot: dxf pull-files'),
    (['@missing'], 2, 'missing'),
])
def test_what_cannot_be_verified_is_one_line(folder: Endpoint, repo: str, source: Path, operands: list[str],
                                             status: int, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')
    monkeypatch.chdir(source)
    runner = Runner(folder.environ())
    runner.run('push-files', repo, 'files', 'a-b').insist(0)
    line, = runner.run('verify', repo, *(operand.format(source=source) for operand in operands)).insist(status).lines
    assert text in line


def test_chunks_are_sorted_in_runs_and_come_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_order, 'RUN', 7)
    monkeypatch.setattr(chunk_order, 'BLOCK', 2)
    chunks = [Chunk(number % 3, 1 << (number % 40), 5, 5, f'{number % 256:064x}') for number in range(100)]
    assert list(chunk_order.in_order([*chunks, *chunks[:20]])) == sorted(set(chunks))


def test_a_bit_that_a_restore_drops_is_no_difference_on_disk(folder: Endpoint, repo: str, source: Path, tmp_path: Path
                                                             ) -> None:
    (source / 'a-b').chmod(0o4755)
    client = folder.dxf(repo)
    snapshots.backup(client, [str(source)], 'nightly').restore(str(tmp_path / 'new'))
    assert not comparison.compare_folder(client, 'nightly', str(tmp_path / 'new'))
