"""Restores that make a folder equal to a snapshot, and what they would do: ``--delete``, ``--dry-run``."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, snapshots
from dxf.exceptions import DXFDigestMismatchError, DXFError
from dxf.main import doit

from ..artifacts.test_replacing import NAMESPACE
from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.traffic import Traffic
from ..helpers.trees import described


@pytest.fixture(name='crowded')
def make_crowded(source: Path, tmp_path: Path) -> Path:
    """A folder with files of the snapshot, old and right ones, and much else; something that must stay is beside it."""
    (source / 'a' / 'link').symlink_to('x')
    os.link(source / 'b', source / 'c')
    target = tmp_path / 'target'
    for path in ('a/old/deep', 'a/.hidden', 'more/b'):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes(b'old')
    (target / 'b').write_bytes(b'another')
    (target / 'a' / 'x').write_bytes((source / 'a' / 'x').read_bytes())
    (tmp_path / 'outside').mkdir()
    (tmp_path / 'outside' / 'f').write_bytes(b'f')
    (target / 'beside').symlink_to('../outside')
    os.mkfifo(target / 'more' / 'pipe')
    (target / os.fsdecode(b'\xff\n')).write_bytes(b'')
    return target


def run(capfd: pytest.CaptureFixture[str], endpoint: Endpoint, *args: str | Path, status: int = 0) -> list[str]:
    """Run a command, and return the lines that it printed."""
    assert doit([str(arg) for arg in args], endpoint.environ()) == status
    return capfd.readouterr().out.splitlines()


def test_a_folder_becomes_equal_to_the_snapshot(endpoint: Endpoint, repo: str, source: Path, crowded: Path,
                                                capfd: pytest.CaptureFixture[str]) -> None:
    run(capfd, endpoint, 'backup', repo, source, '@nightly')
    args: list[str | Path] = ['restore', repo, '@nightly', '--to', crowded, '--delete']
    before = sorted(os.listdir(crowded))
    plan = run(capfd, endpoint, *args, '--dry-run')
    assert plan[:-1] == ['write a/link 0', 'adjust a/x 45000', 'replace b 5', 'write c 0', 'delete a/.hidden 3',
                         'delete a/old/deep 3', 'delete a/old 0', 'delete beside 10', 'delete more/b 3',
                         'delete more/pipe 0', 'delete more 0', 'delete \\udcff\\n 0']
    assert plan[-1] == 'total 5' and sorted(os.listdir(crowded)) == before
    assert run(capfd, endpoint, *args, '--max-delete=6') == [
        'b', 'delete a/.hidden', 'delete a/old/deep', 'delete beside', 'delete more/b', 'delete more/pipe',
        'delete \\udcff\\n']
    assert described(crowded) == described(source)
    assert (crowded.parent / 'outside' / 'f').read_bytes() == b'f'
    assert run(capfd, endpoint, *args) == []


def test_a_file_outside_that_is_a_hard_link_of_one_inside_stays_as_it_is(client: DXF, source: Path, tmp_path: Path
                                                                         ) -> None:
    """As after ``cp -al new kept``: the mode and the time of a file are those of all its names."""
    new, kept = tmp_path / 'new', tmp_path / 'kept'
    os.link(source / 'b', source / 'c')
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    snapshot.restore(str(new))
    (new / 'b').chmod(0o600)
    planned = snapshot.plan_restore(str(new), delete=True)
    assert [(action.action, action.path) for action in planned.actions] == [('adjust', b'b')]
    os.link(new / 'b', kept)
    before = kept.stat()
    with pytest.raises(FileExistsError, match='it is there already, and differs'):
        snapshot.restore(str(new))
    planned = snapshot.plan_restore(str(new), delete=True)
    assert [(action.action, action.path) for action in planned.actions] == [('replace', b'b'), ('replace', b'c')]
    snapshot.restore(str(new), delete=True)
    assert described(new) == described(source)
    after = kept.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, 1)


def test_an_empty_path_is_not_taken_for_the_current_folder(client: DXF, source: Path, crowded: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    monkeypatch.chdir(crowded)
    before = sorted(crowded.rglob('*'))
    for call in (snapshot.restore, snapshot.plan_restore):
        with pytest.raises(ValueError, match="the path of the folder is empty: '.' is the current one"):
            call('', delete=True)
    assert sorted(crowded.rglob('*')) == before


def test_paths_bound_what_is_deleted(client: DXF, source: Path, crowded: Path) -> None:
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    assert snapshot.restore(str(crowded), ['a', 'b'], delete=True) == ['b']
    assert described(crowded / 'a') == described(source / 'a')
    assert (crowded / 'more' / 'b').read_bytes() == b'old' and not (crowded / 'c').exists()
    (crowded / 'a' / 'y').write_bytes(b'')
    snapshot.restore(str(crowded), ['a/x'], delete=True)
    assert (crowded / 'a' / 'y').exists()


def test_a_dry_run_tells_what_would_be_fetched_and_fetches_no_pack(
        open_registry: Endpoint, repo: str, source: Path, tmp_path: Path, traffic: Traffic,
        capfd: pytest.CaptureFixture[str]) -> None:
    (source / os.fsdecode(b'\xfe')).write_bytes(os.urandom(70_000))
    (source / 'half').write_bytes(os.urandom(50_000))
    client = open_registry.dxf(repo)
    pack, = snapshots.backup(client, [str(source)], 'nightly').packs
    traffic.clear()
    args: list[str | Path] = ['restore', repo, '@nightly', '--to', tmp_path / 'new', '--json']
    found: list[Any] = [json.loads(line) for line in run(capfd, open_registry, *args, '--dry-run')]
    assert [(one['action'], one['type']) for one in found[:-1]] == [
        ('write', 'folder'), ('write', 'file'), ('write', 'file'), ('write', 'file'), ('write', 'file')]
    assert found[-2]['path64'] == '/g=='
    assert found[-1] == {'total': pack.size, 'write': 120_000 + 45_005}
    assert not any(pack.digest in exchange.path for exchange in traffic.requests) and not (tmp_path / 'new').exists()
    assert json.loads(run(capfd, open_registry, *args, 'half', '--dry-run')[-1]) == {'total': 50_000, 'write': 50_000}
    assert [json.loads(line) for line in run(capfd, open_registry, *args)] == [
        one for one in found[:-1] if one['type'] == 'file']


@pytest.mark.parametrize('damage', ['index', 'pack'])
def test_nothing_is_deleted_before_all_files_are_verified(folder: Endpoint, repo: str, source: Path, crowded: Path,
                                                          damage: str) -> None:
    snapshot = snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')
    file = folder.file_of(repo, snapshot.index.digest if damage == 'index' else snapshot.packs[0].digest)
    file.chmod(0o600)
    file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))
    (crowded / 'a' / 'x').write_bytes(b'so that a pack is needed')
    before = {path: entry[-1] for path, entry in described_without_pipe(crowded).items()}
    with pytest.raises(DXFDigestMismatchError):
        snapshot.restore(str(crowded), delete=True)
    assert {path: entry[-1] for path, entry in described_without_pipe(crowded).items() if path in before} == before


def described_without_pipe(folder: Path) -> dict[bytes, tuple[Any, ...]]:
    """Return the files and links in a folder."""
    (folder / 'more' / 'pipe').unlink(missing_ok=True)
    return {path: entry for path, entry in described(folder).items() if entry[0] != 'folder'}


def test_a_deletion_that_would_go_too_far_changes_nothing(folder: Endpoint, repo: str, source: Path, crowded: Path
                                                          ) -> None:
    client = folder.dxf(repo)
    snapshots.backup(client, [str(source)], 'nightly')
    (source.parent / 'none' / 'empty').mkdir(parents=True)
    snapshots.backup(client, [str(source.parent / 'none')], 'none')
    before = described_without_pipe(crowded)
    runner = Runner(folder.environ())
    args = ['restore', repo, '--delete', '--to', str(crowded)]
    assert runner.run(*args, '@nightly', '--max-delete=4').insist(1).lines == [
        'dxf: 5 files would be deleted, and --max-delete allows 4: nothing was changed']
    line, = runner.run(*args, '@none').insist(1).lines
    assert line == 'dxf: there are no files in it, so nothing is deleted'
    runner.run(*args, '@nightly', 'missing').insist(1, 2)
    runner.run('restore', repo, '@nightly', '--to', crowded, '--max-delete=4').insist(2)
    registry = folder.host.removeprefix('oci:')
    line, = runner.run('restore', repo, '@nightly', '--delete', '--to', registry).insist(1).lines
    assert 'holds the registry' in line
    assert described_without_pipe(crowded) == before


def test_folders_that_are_nested_too_deeply_are_an_error_and_stay(client: DXF, source: Path, tmp_path: Path
                                                                   ) -> None:
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    deep = tmp_path / 'new' / 'd' / '/'.join('d' * 600)
    deep.mkdir(parents=True)
    with pytest.raises(DXFError, match='nested too deeply in it, so nothing is deleted'):
        snapshot.restore(str(tmp_path / 'new'), delete=True)
    assert os.listdir(tmp_path / 'new') == ['d'] and deep.exists()
    subprocess.run(['rm', '-r', tmp_path / 'new'], check=True)


MOUNTED = """
mkdir {0}/a/m {0}/../m && touch {0}/../m/precious && mount --bind {0}/../m {0}/a/m &&
{1} -m dxf restore {2} @nightly {3} --delete --to {0}
"""


@pytest.mark.parametrize('path', ['', 'a'])
def test_another_file_system_within_the_folder_is_never_entered(folder: Endpoint, repo: str, source: Path,
                                                                crowded: Path, path: str) -> None:
    snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')
    done = subprocess.run([*NAMESPACE, 'sh', '-c', MOUNTED.format(crowded, sys.executable, repo, path)], timeout=60,
                          capture_output=True, text=True, check=False, env={**os.environ, **folder.environ()})
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr == 'dxf: a/m: another file system is mounted there, and --delete does not enter it\n'
    assert (crowded.parent / 'm' / 'precious').exists() and (crowded / 'b').read_bytes() == b'another'


def test_a_file_that_is_there_by_another_spelling_is_not_replaced(client: DXF, source: Path, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that ignores upper and lower case, where ``b`` of the snapshot would replace its ``B``."""
    (source / 'B').write_bytes(b'another')
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    (tmp_path / 'new').mkdir()
    (tmp_path / 'new' / 'B').write_bytes(b'another')
    stat, open_file = os.stat, os.open

    def folded(function: Any) -> Any:
        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            return function(b'B' if path == b'b' else path, *args, **kwargs)
        return call
    monkeypatch.setattr(os, 'stat', folded(stat))
    monkeypatch.setattr(os, 'open', folded(open_file))
    with pytest.raises(FileExistsError, match='by another spelling'):
        snapshot.restore(str(tmp_path / 'new'), overwrite=True)
    assert (tmp_path / 'new' / 'B').read_bytes() == b'another'


@pytest.mark.parametrize('delete', [False, True])
def test_files_that_are_names_of_one_file_get_a_mode_each(client: DXF, source: Path, tmp_path: Path, delete: bool
                                                          ) -> None:
    """As a program leaves them that finds equal files and links them."""
    for name, mode in (('b', 0o600), ('c', 0o644), ('d', 0o600)):
        (source / name).write_bytes(b'21.7\n')
        (source / name).chmod(mode)
        os.utime(source / name, (1, 1))
    os.link(source / 'b', source / 'e')
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    target = tmp_path / 'new'
    snapshot.restore(str(target))
    for name in 'cde':
        (target / name).unlink()
        os.link(target / 'b', target / name)
    before = described(target)
    with pytest.raises(FileExistsError, match='c'):
        snapshot.restore(str(target))
    assert described(target) == before
    snapshot.restore(str(target), overwrite=not delete, delete=delete)
    assert {path: entry[:4] for path, entry in described(target).items()} == \
        {path: entry[:4] for path, entry in described(source).items()}
    assert (target / 'd').samefile(target / 'b')  # it has the same mode and time, so that it stays


LINKED = """
mkdir {0}/m && mount -t tmpfs -o size=1m none {0}/m && printf old > {0}/m/again &&
{1} -m dxf restore {2} @nightly --overwrite --to {0}; echo $?; cat {0}/m/again
"""


def test_a_file_stays_if_the_link_that_replaces_it_cannot_be_made(folder: Endpoint, repo: str, source: Path,
                                                                  tmp_path: Path) -> None:
    (source / 'm').mkdir()
    os.link(source / 'b', source / 'm' / 'again')
    snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')
    (tmp_path / 'new').mkdir()
    done = subprocess.run([*NAMESPACE, 'sh', '-c', LINKED.format(tmp_path / 'new', sys.executable, repo)], timeout=100,
                          capture_output=True, text=True, check=False, env={**os.environ, **folder.environ()})
    assert done.stdout == '1\nold'
    assert done.stderr == 'dxf: m/again: Invalid cross-device link\n'


def test_a_full_disk_is_found_before_anything_is_changed(folder: Endpoint, repo: str, source: Path, tmp_path: Path
                                                         ) -> None:
    (source / 'large').write_bytes(os.urandom(2_000_000))
    snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')
    script = (f'mkdir {tmp_path}/disk && mount -t tmpfs -o size=1m none {tmp_path}/disk && touch {tmp_path}/disk/extra;'
              f'{sys.executable} -m dxf restore {repo} @nightly --delete --to {tmp_path}/disk; echo $?; '
              f'ls -A {tmp_path}/disk')
    done = subprocess.run([*NAMESPACE, 'sh', '-c', script], timeout=100, capture_output=True, text=True, check=False,
                          env={**os.environ, **folder.environ()})
    assert done.stdout == '1\nextra\n'
    assert 'not enough space' in done.stderr and done.stderr.count('\n') == 1
