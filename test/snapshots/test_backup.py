"""Backups: what is read and what is not, what is told, and which packs are kept."""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from dxf import DXF, snapshots
from dxf.artifacts.manifest import EMPTY
from dxf.exceptions import DXFError, DXFInvalidDocumentError, DXFInvalidNameError, DXFSourceError
from dxf.snapshots.file_cutter import FileCutter
from dxf.snapshots.pack_writer import MAX_PACK, MIN_PACK, pack_size, packs_to_rewrite

from ..artifacts.test_replacing import NAMESPACE
from ..helpers import changing_files
from ..helpers.endpoints import Endpoint
from ..helpers.layouts import bound
from ..helpers.processes import Runner
from ..helpers.traffic import Traffic
from ..helpers.trees import described
from ..servers.scripted_registry import REPO, ScriptedRegistry


def restored(snapshot: snapshots.Snapshot, folder: Path) -> bool:
    """Return whether a snapshot restores what is in a folder."""
    target = folder.parent / f'restored {snapshot.digest[-8:]}'
    snapshot.restore(str(target))
    return described(target) == described(folder)


# What cannot be read

def test_a_file_that_cannot_be_read_is_named_and_the_alias_stays(folder: Endpoint, repo: str, source: Path) -> None:
    client = folder.dxf(repo)
    before = snapshots.backup(client, [str(source)], 'nightly').digest
    (source / 'new').write_bytes(b'')
    (source / 'secret').write_bytes(b'secret')
    (source / 'secret').chmod(0)
    (source / 'hidden').mkdir(0)
    runner = bound(Runner(folder.environ()))
    ended = runner.run('backup', repo, source, '@nightly')
    assert (ended.status, ended.out) == (1, b'')
    hidden, secret = ended.lines[:2]
    assert hidden == 'dxf: cannot read hidden: Permission denied'
    assert secret == 'dxf: cannot read secret: Permission denied'
    assert ended.lines[2:] == ['dxf: 2 files or folders could not be read, and so the alias nightly was not set: '
                               'cannot read hidden: Permission denied; --exclude=PATTERN leaves out what a pattern '
                               'fits, --partial stores the rest']
    assert runner.run('verify', repo, source, '@nightly').insist(1).lines == [
        f'dxf: {source}/hidden: Permission denied']
    assert client.manifest_digest('nightly') == before
    ended = runner.run('backup', repo, source, '@nightly', '--partial')
    assert ended.status == 1
    assert ended.out.decode().strip() == client.manifest_digest('nightly') != before
    assert [entry.name for entry in snapshots.load(client, 'nightly').entries()] == ['a', 'a/x', 'b', 'hidden', 'new']


@pytest.fixture(name='changes')
def change_while_reading(source: Path, monkeypatch: pytest.MonkeyPatch) -> list[Callable[[Path], None]]:
    """Changes of the file a/x, each made when it has been read."""
    changes: list[Callable[[Path], None]] = []
    cut = FileCutter.chunks_of

    def cut_and_change(cutter: FileCutter, file: BinaryIO, size: int, last: snapshots.Entry | None) -> Any:
        result = cut(cutter, file, size, last)
        if changes and os.path.samestat(os.fstat(file.fileno()), (source / 'a' / 'x').stat()):
            changes.pop()(source / 'a' / 'x')
        return result
    monkeypatch.setattr(FileCutter, 'chunks_of', cut_and_change)
    return changes


@pytest.mark.parametrize('change', changing_files.CHANGED)
def test_a_file_that_changes_while_it_is_read_is_read_once_more(
        client: DXF, source: Path, changes: list[Callable[[Path], None]], change: Callable[[Path], None]) -> None:
    changes.append(change)
    assert restored(snapshots.backup(client, [str(source)], 'nightly'), source)
    assert not changes


def test_a_file_that_changes_each_time_it_is_read_is_an_error(client: DXF, source: Path,
                                                              changes: list[Callable[[Path], None]]) -> None:
    changes += [changing_files.append] * 2
    with pytest.raises(DXFSourceError, match='cannot read a/x: it changed while it was read'):
        snapshots.backup(client, [str(source)], 'nightly')
    assert client.list_aliases() == []


def test_a_file_that_vanishes_before_it_is_read_is_not_in_the_snapshot(client: DXF, source: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    read = FileCutter.read

    def vanish_and_read(cutter: FileCutter, path: bytes, last: snapshots.Entry | None) -> snapshots.Entry:
        if path == b'b':
            os.unlink(source / 'b')
        return read(cutter, path, last)
    monkeypatch.setattr(FileCutter, 'read', vanish_and_read)
    os.link(source / 'b', source / 'c')  # which takes the place of its first name
    os.link(source / 'b', source / 'd')
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    assert [(entry.name, entry.kind) for entry in snapshot.entries()][2:] == [('c', 'file'), ('d', 'hardlink')]
    assert restored(snapshot, source)


@pytest.mark.parametrize('others', [[], ['other']])
def test_a_folder_that_is_removed_while_its_files_are_read_is_an_error(
        client: DXF, source: Path, tmp_path: Path, others: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    read = FileCutter.read

    def read_and_remove(cutter: FileCutter, path: bytes, last: snapshots.Entry | None) -> snapshots.Entry:
        entry = read(cutter, path, last)
        if path.endswith(b'a/x'):
            shutil.rmtree(source)
        return entry
    monkeypatch.setattr(FileCutter, 'read', read_and_remove)
    for other in others:
        (tmp_path / other).mkdir()
    with pytest.raises(DXFSourceError, match=f'cannot read {source}: it was removed or unmounted meanwhile'):
        snapshots.backup(client, [str(source), *(str(tmp_path / other) for other in others)], 'nightly')
    assert client.list_aliases() == []


UNMOUNTED = """
import os, subprocess, sys
from dxf import DXF, snapshots

top, disk, host, repo, *again = sys.argv[1:]
subprocess.run(['mount', '-t', 'tmpfs', 'none', disk], check=True)
for number in range(5):
    with open(f'{disk}/{number}', 'wb') as file:
        file.write(os.urandom(1000))
for folder in again:
    subprocess.run(['mount', '--bind', disk, folder], check=True)
    disk = folder

def unmount(count, size, files):
    if files == 3 + 5 * len(again):  # when that is read next, nothing is mounted any more
        subprocess.run(['umount', '-l', disk], check=False)

snapshots.backup(DXF(host, repo), [top], 'nightly', reading=unmount)
"""


@pytest.mark.parametrize('inner', [('',), ('disk',), ('disk', 'there-too')], ids=['given', 'inner', 'mounted-twice'])
def test_a_disk_that_is_unmounted_while_it_is_read_is_an_error(folder: Endpoint, repo: str, tmp_path: Path,
                                                               inner: tuple[str, ...]) -> None:
    """No file is open between two files, and so nothing keeps a disk from being unmounted."""
    disk, *again = [tmp_path / 'top' / path for path in inner]
    for path in (disk, *again):
        path.mkdir(parents=True)
    done = subprocess.run([*NAMESPACE, sys.executable, '-c', UNMOUNTED, tmp_path / 'top', disk, folder.host, repo,
                           *again], timeout=100, capture_output=True, text=True, check=False)
    lost = [disk, *again][-1]
    assert done.stderr.splitlines()[-1].endswith(f'cannot read {lost}: it was removed or unmounted meanwhile')
    assert folder.dxf(repo).list_aliases() == []


@pytest.mark.parametrize('folders, reason', [
    (['missing'], 'no such folder'), (['source/b'], 'no folder'), (['source', 'other/../source'], 'would be called'),
])
def test_what_is_no_folder_is_refused(client: DXF, source: Path, folders: list[str], reason: str,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source.parent)
    (source.parent / 'other').mkdir()
    with pytest.raises(DXFSourceError, match=reason):
        snapshots.backup(client, folders, 'nightly')


def test_a_folder_that_holds_the_registry_is_refused(tmp_path: Path) -> None:
    client = DXF(f'oci:{tmp_path}/registry', 'fred/backup')
    client.push_blob(data=b'content')
    for folder in (tmp_path, tmp_path / 'registry' / 'fred'):
        with pytest.raises(DXFSourceError, match='store it elsewhere'):
            snapshots.backup(client, [str(folder)], 'nightly')


def test_several_folders_are_folders_of_the_snapshot(client: DXF, source: Path, tmp_path: Path) -> None:
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'c').write_bytes(b'c')
    snapshot = snapshots.backup(client, [str(source), str(tmp_path / 'other')], 'nightly')
    assert [entry.name for entry in snapshot.entries()] == ['other', 'other/c', 'source', 'source/a', 'source/a/x',
                                                            'source/b']
    snapshot.restore(str(tmp_path / 'new'))
    assert described(tmp_path / 'new' / 'source') == described(source)


def test_paths_longer_than_a_system_takes_are_stored_and_restored(client: DXF, tmp_path: Path) -> None:
    source = tmp_path / 'source'
    source.mkdir()
    folder = os.open(source, os.O_RDONLY)
    for _ in range(40):
        os.mkdir('x' * 250, dir_fd=folder)
        inner = os.open('x' * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    with open(os.open('deep', os.O_CREAT | os.O_WRONLY, dir_fd=folder), 'wb') as file:
        file.write(b'content')
    os.close(folder)
    snapshots.backup(client, [str(source)], 'nightly').restore(str(tmp_path / 'new'))
    again = snapshots.backup(client, [str(tmp_path / 'new')], 'nightly')
    assert again.totals.read == 0
    last = list(again.entries())[-1]
    assert (len(last.path), last.size) == (40 * 251 + 4, 7)


# The last snapshot

def test_an_alias_that_is_no_snapshot_is_replaced(client: DXF, source: Path) -> None:
    client.set_alias('nightly', client.push_blob(data=b'something else'))
    assert restored(snapshots.backup(client, [str(source)], 'nightly'), source)


def test_a_parent_that_is_no_snapshot_is_refused(client: DXF, source: Path) -> None:
    client.set_alias('other', client.push_blob(data=b'something else'))
    with pytest.raises(DXFInvalidDocumentError, match='other is no snapshot: dxf pull-blob'):
        snapshots.backup(client, [str(source)], 'nightly', parent='other')


def test_packs_of_a_parent_that_vanish_meanwhile_are_sent_again(open_registry: Endpoint, repo: str, source: Path
                                                                ) -> None:
    client = open_registry.dxf(repo)
    first = snapshots.backup(client, [str(source)], 'nightly')

    packs = list(first.packs)

    def prune(_line: str) -> None:
        while packs:
            client.del_blob(packs.pop().digest)
    os.mkfifo(source / 'pipe')
    second = snapshots.backup(client, [str(source)], 'nightly', notice=prune)
    os.unlink(source / 'pipe')
    os.utime(source, ns=(0, 0))
    assert 'vnd.dxf.snapshot.parent' not in second.annotations
    assert restored(second, source)


@pytest.mark.parametrize('parent', [None, 'nightly'])
def test_a_registry_that_takes_manifests_without_their_blobs_gets_what_it_has_lost(
        server: ScriptedRegistry, source: Path, parent: str | None) -> None:
    client = DXF(server.host, REPO, insecure=True)
    first = snapshots.backup(client, [str(source)], 'nightly')
    for digest in (EMPTY.digest, *(pack.digest for pack in first.packs)):
        client.del_blob(digest)
    lines: list[str] = []
    second = snapshots.backup(client, [str(source)], 'nightly', parent=parent, notice=lines.append)
    assert restored(second, source)
    assert client.blob_size(EMPTY.digest) == EMPTY.size
    assert [line.partition(': ')[0] for line in lines] == ['the last snapshot is not used']


def test_a_pack_that_the_registry_has_cut_short_and_keeps_so_is_an_error(open_registry: Endpoint, repo: str,
                                                                         source: Path) -> None:
    client = open_registry.dxf(repo)
    (source / 'own').write_bytes(os.urandom(100))  # its repositories share blobs: another test may store the same pack
    first = snapshots.backup(client, [str(source)], 'nightly')
    pack = first.packs[0]
    os.truncate(open_registry.file_of(repo, pack.digest), pack.size - 1)
    with pytest.raises(DXFError, match='accepted the blob, but does not have it'):
        snapshots.backup(client, [str(source)], 'nightly')
    assert client.manifest_digest('nightly') == first.digest


def test_a_pack_of_which_a_folder_has_only_a_part_is_stored_again(folder: Endpoint, repo: str, source: Path) -> None:
    client = folder.dxf(repo)
    pack = snapshots.backup(client, [str(source)], 'nightly').packs[0]
    file = folder.file_of(repo, pack.digest)
    file.chmod(0o600)
    os.truncate(file, pack.size - 1)
    assert restored(snapshots.backup(client, [str(source)], 'nightly'), source)


@pytest.mark.parametrize('damage', [lambda path: path.unlink(), lambda path: path.write_bytes(b'damaged')])
def test_a_damaged_snapshot_is_not_used_unless_it_was_asked_for(folder: Endpoint, repo: str, source: Path,
                                                                damage: Callable[[Path], object]) -> None:
    client = folder.dxf(repo)
    index = folder.file_of(repo, snapshots.backup(client, [str(source)], 'nightly').index.digest)
    index.chmod(0o600)
    damage(index)
    (source / 'new').write_bytes(b'so that the index is another')
    if index.exists():
        with pytest.raises(DXFError):
            snapshots.backup(client, [str(source)], 'other', parent='nightly')
    lines: list[str] = []
    assert restored(snapshots.backup(client, [str(source)], 'nightly', notice=lines.append), source)
    assert [line.partition(': ')[0] for line in lines] == ['the last snapshot is not used']


def test_a_moved_file_is_read_and_not_sent(client: DXF, source: Path) -> None:
    (source / 'a' / 'x').write_bytes(os.urandom(300_000))
    snapshots.backup(client, [str(source)], 'nightly')
    os.rename(source / 'a' / 'x', source / 'y')
    totals = snapshots.backup(client, [str(source)], 'nightly').totals
    assert (totals.read, totals.packs) == (1, 0)


def test_an_edit_of_a_large_file_sends_little_of_it(client: DXF, source: Path) -> None:
    content = random.Random(1).randbytes(10_000_000)
    (source / 'image').write_bytes(content)
    snapshots.backup(client, [str(source)], 'nightly')
    (source / 'image').write_bytes(content[:5_000_000] + b'inserted' + content[5_000_000:])
    assert snapshots.backup(client, [str(source)], 'nightly').totals.sent < 600_000


# Packs

def test_packs_of_which_little_is_used_are_written_anew() -> None:
    assert packs_to_rewrite([100, 100, 100], [49, 50, 100]) == {0}
    assert packs_to_rewrite([100, 100, 100], [55, 65, 75]) == {0}  # of all, more than 40 in 100 would be unused
    assert packs_to_rewrite(list(range(1, 91)), list(range(1, 91))) == set()
    assert packs_to_rewrite(list(range(1, 92)), list(range(1, 92))) == set(range(31))


@pytest.mark.parametrize('total, kept, size', [
    (0, 0, MIN_PACK), (1 << 30, 90, max(MIN_PACK, (1 << 30) // 8 + 1)), (100 << 30, 0, (100 << 30) // 64),
    (700 << 30, 0, MAX_PACK), (10 << 40, 0, (10 << 40) // 98 + 1),
])
def test_packs_are_as_large_as_their_number_demands(total: int, kept: int, size: int) -> None:
    assert pack_size(total, kept) == size


def test_many_nights_keep_few_packs_and_little_more_than_one_snapshot(client: DXF, source: Path,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.snapshots.pack_writer.MOST_KEPT', 12)
    monkeypatch.setattr('dxf.snapshots.pack_writer.LEFT_KEPT', 6)
    draw = random.Random(2)
    for number in range(40):
        (source / str(number)).write_bytes(draw.randbytes(20_000))
    for night in range(40):
        (source / str(draw.randrange(40))).write_bytes(draw.randbytes(20_000))
        snapshot = snapshots.backup(client, [str(source)], 'nightly')
        assert not night or snapshot.totals.new == 20_000  # what only gets another pack is not new
        assert len(snapshot.packs) <= 14
        assert sum(pack.size for pack in snapshot.packs) < 2.2 * 800_000
    assert restored(snapshot, source)


def test_sixty_nights_take_at_most_one_and_a_half_times_a_snapshot_and_a_hundred_layers(client: DXF, source: Path
                                                                                       ) -> None:
    draw = random.Random(1)
    for number in range(134):
        (source / str(number)).write_bytes(draw.randbytes(4000))
    for night in range(60):
        for _ in range(2):
            (source / str(draw.randrange(134))).write_bytes(draw.randbytes(3000 + night))
        snapshot = snapshots.backup(client, [str(source)], 'nightly')
        stored = sum(blob.size for blob in (snapshot.index, *snapshot.packs))
        assert stored <= 1.5 * sum(path.stat().st_size for path in source.rglob('*') if path.is_file())
        assert 1 + len(snapshot.packs) <= 100
    assert restored(snapshot, source)


def test_a_plan_is_honest_about_pages_that_change_all_over(client: DXF, source: Path) -> None:
    draw = random.Random(1)
    content = bytearray(draw.randbytes(16 << 20))
    (source / 'database').write_bytes(content)
    snapshots.backup(client, [str(source)], 'nightly')
    pages = draw.sample(range(len(content) // 4096), len(content) // 4096 // 200)
    for page in pages:
        content[4096 * page:4096 * (page + 1)] = draw.randbytes(4096)
    (source / 'database').write_bytes(content)
    planned = snapshots.plan(client, [str(source)], 'nightly')
    assert planned.new > 8 * 4096 * len(pages)  # a chunk for each page
    assert snapshots.backup(client, [str(source)], 'nightly').totals == planned


# What is left out

@pytest.mark.parametrize('wanted, left', [
    (snapshots.Wanted(['*.o', '/b']), 'a a/b a/x cache cache/CACHEDIR.TAG cache/c deep deep/b'),
    (snapshots.Wanted(['b/']), 'a a/b a/x a/x.o b cache cache/CACHEDIR.TAG cache/c deep'),
    (snapshots.Wanted(['a/**', '!a/x', 'deep']), 'a a/x b cache cache/CACHEDIR.TAG cache/c'),
    (snapshots.Wanted(exclude_caches=True), 'a a/b a/x a/x.o b cache cache/CACHEDIR.TAG deep deep/b'),
])
def test_patterns_leave_files_out(client: DXF, source: Path, wanted: snapshots.Wanted, left: str) -> None:
    for path in ('a/b', 'a/x.o', 'cache/c', 'deep/b/c.o'):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(b'')
    (source / 'cache' / 'CACHEDIR.TAG').write_bytes(b'Signature: 8a477f597d28d172789f06886806bc55\n# made by a test')
    names = [entry.name for entry in snapshots.backup(client, [str(source)], 'nightly', wanted).entries()]
    assert ' '.join(name for name in names if name != 'deep/b/c.o') == left


def test_patterns_leave_out_what_they_leave_out_for_git(client: DXF, source: Path) -> None:
    for path in ('data/1', 'data1/1', 'datax/1', 'build/1', 'build/in/1', 'a/b', 'a-b', 'a]', 'A', '7', '*', 'x ', 'é',
                 'deep/a/b', '^', '#', '!'):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(b'')
    subprocess.run(['git', 'init', '-q', str(source)], check=True)
    for text in ('data[!0-9]', 'build/**/', 'a[!x]b', 'a[+-0]b', '[[:alpha:]]', '[^[:digit:]]*', '[a\\]]]', '[]a]*',
                 '[a', '*a[', '**/b', 'deep/**', '/**/b', 'a/*', 'd**1', '\\*', '\\#', '\\!', 'x\\ ', 'x ', 'x\t', '#',
                 '*\n!a-b\n!deep/', '[b-a]', '[^b-a]', '/data', 'data/', 'a/*\n!a/b', '?', '[9-]', '//', 'deep//a',
                 '[[:no:]]', '[[:digit:]', ''):
        (source / '.gitignore').write_text(text + '\né\n')
        (source / '.dxfignore').write_text(text + '\né\n')
        kept = subprocess.run(['git', '-C', str(source), 'ls-files', '-oz', '--exclude-per-directory=.gitignore'],
                              check=True, stdout=subprocess.PIPE).stdout.decode().split('\0')[:-1]
        snapshot = snapshots.backup(client, [str(source)], 'nightly', snapshots.Wanted(['/.git/']), partial=True)
        assert (text, [entry.name for entry in snapshot.entries() if entry.kind == 'file']) == (text, sorted(kept))


def test_a_file_with_patterns_is_for_its_folder(client: DXF, source: Path) -> None:
    (source / '.dxfignore').write_text('*.o\n')
    (source / 'a' / '.dxfignore').write_text('# but here\n!keep.o\n/x\n')
    for path in ('x.o', 'keep.o', 'a/x.o', 'a/keep.o', 'x'):
        (source / path).write_bytes(b'')
    names = [entry.name for entry in snapshots.backup(client, [str(source)], 'nightly').entries()]
    assert names == ['.dxfignore', 'a', 'a/.dxfignore', 'a/keep.o', 'b', 'x']
    names = [entry.name for entry in snapshots.backup(client, [str(source)], 'nightly',
                                                      snapshots.Wanted(['keep.o', '!b'])).entries()]
    assert names == ['.dxfignore', 'a', 'a/.dxfignore', 'b', 'x']


def test_a_pattern_that_is_not_valid_is_refused(client: DXF, source: Path) -> None:
    with pytest.raises(DXFInvalidNameError, match='invalid pattern'):
        snapshots.backup(client, [str(source)], 'nightly', snapshots.Wanted(['\\']))
    (source / 'a' / '.dxfignore').write_text('\\\n')
    with pytest.raises(DXFInvalidNameError, match=r'invalid pattern .* in a/\.dxfignore'):
        snapshots.backup(client, [str(source)], 'nightly')


def test_a_plan_tells_what_would_be_sent_and_sends_nothing(client: DXF, source: Path, traffic: Traffic) -> None:
    (source / 'large').write_bytes(os.urandom(300_000))
    snapshots.backup(client, [str(source)], 'nightly')
    (source / 'large').write_bytes(os.urandom(200_000))
    traffic.clear()
    planned = snapshots.plan(client, [str(source)], 'nightly')
    assert {exchange.method for exchange in traffic.requests} == {'GET'}
    assert planned.new == 200_000 and 0 <= planned.sent - 200_000 < 5000
    assert snapshots.backup(client, [str(source)], 'nightly').totals == planned


def test_a_text_is_not_taken_for_a_list_of_its_characters(client: DXF, source: Path, tmp_path: Path) -> None:
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    for call in (lambda: snapshots.backup(client, [str(source)], 'nightly', snapshots.Wanted(exclude='*.o')),
                 lambda: snapshot.restore(str(tmp_path / 'new'), 'z'),
                 lambda: snapshot.plan_restore(str(tmp_path / 'new'), 'z'),
                 lambda: snapshots.verify(client, 'nightly', str(source))):
        with pytest.raises(TypeError, match=r'^\w+ takes a list, and not a str: write \w+\(.*\[\.\.\.\]\)$'):
            call()
    assert client.manifest_digest('nightly') == snapshot.digest and not (tmp_path / 'new').exists()
