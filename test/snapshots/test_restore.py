"""Restores: what is fetched, what is replaced, and what is in the way."""

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, active_count

import pytest

import dxf
from dxf import DXF, snapshots
from dxf.exceptions import DXFDigestMismatchError, DXFFileNotFoundError
from dxf.hints import hint_of
from dxf.snapshots import pack_writer

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.programs import skopeo
from ..helpers.traffic import Traffic
from ..helpers.trees import described
from ..servers.scripted_registry import REPO, Answer, Request, ScriptedRegistry


@pytest.fixture(name='source')
def make_source(tmp_path: Path) -> Path:
    """A folder of one MiB in few files."""
    source = tmp_path / 'source'
    (source / 'a' / 'b').mkdir(parents=True)
    (source / 'a' / 'b' / 'x').write_bytes(b'21.5\n')
    (source / 'a' / 'y').write_bytes(random.Random(1).randbytes(60_000))
    (source / 'c').mkdir(mode=0o500)
    os.link(source / 'a' / 'y', source / 'again')
    os.link(source / 'a' / 'y', source / 'twice')
    (source / 'large').write_bytes(random.Random(2).randbytes(1_000_000))
    (source / 'link').symlink_to('a/y')
    return source


@pytest.fixture(name='snapshot')
def store_snapshot(folder: Endpoint, repo: str, source: Path) -> snapshots.Snapshot:
    """The snapshot of that folder."""
    return snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')


def test_some_paths_are_restored_with_the_folders_that_lead_to_them(snapshot: snapshots.Snapshot, source: Path,
                                                                    tmp_path: Path) -> None:
    assert snapshot.restore(str(tmp_path / 'new'), ['a/b/', 'link']) == ['a/b/x']
    assert described(tmp_path / 'new') == {path: entry for path, entry in described(source).items()
                                           if path in (b'a', b'a/b', b'a/b/x', b'link')}


def test_other_names_of_a_file_are_restored_without_it(snapshot: snapshots.Snapshot, source: Path, tmp_path: Path
                                                       ) -> None:
    snapshot.restore(str(tmp_path / 'new'), ['again', 'twice'])
    assert (tmp_path / 'new' / 'again').samefile(tmp_path / 'new' / 'twice')
    assert (tmp_path / 'new' / 'again').read_bytes() == (source / 'a' / 'y').read_bytes()
    assert sorted(path.name for path in (tmp_path / 'new').iterdir()) == ['again', 'twice']


def test_a_path_that_is_not_there_is_an_error_that_lists_the_top(snapshot: snapshots.Snapshot, tmp_path: Path) -> None:
    with pytest.raises(DXFFileNotFoundError, match="there is no file 'a/z' in it, but 'a', 'again', 'c', 'large', '"):
        snapshot.restore(str(tmp_path / 'new'), ['a/z', 'link'])
    assert not any((tmp_path / 'new').iterdir())


def test_one_file_is_fetched_by_ranges_in_few_requests(open_registry: Endpoint, repo: str, source: Path, tmp_path: Path,
                                                       traffic: Traffic) -> None:
    for number in range(4):
        (source / f'other{number}').write_bytes(os.urandom(1_000_000))
    (source / 'large').write_bytes(os.urandom(1 << 20))
    client = open_registry.dxf(repo)
    snapshots.backup(client, [str(source)], 'nightly')
    with (source / 'large').open('r+b') as file:  # its chunks are then in two packs
        file.seek(500_000)
        file.write(b'changed')
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    chunks = sum(chunk.length for entry in snapshot.entries() if entry.name == 'large' for chunk in entry.chunks)
    traffic.clear()
    snapshots.load(client, 'nightly').restore(str(tmp_path / 'new'), ['large'])
    assert len(traffic.requests) <= 5
    assert any(exchange.status == 206 for exchange in traffic.requests)
    fetched = sum(int(exchange.response_headers['Content-Length']) for exchange in traffic.requests
                  if '/blobs/' in exchange.path)
    assert chunks <= fetched - snapshot.index.size <= chunks + (64 << 10)
    assert (tmp_path / 'new' / 'large').read_bytes() == (source / 'large').read_bytes()


def test_a_registry_without_ranges_sends_whole_packs(server: ScriptedRegistry, source: Path, tmp_path: Path) -> None:
    def without_ranges(request: Request) -> Answer | None:
        del request.headers['Range']
        return server.ordinary(request)
    client = DXF(server.host, REPO, insecure=True)
    snapshots.backup(client, [str(source)], 'nightly')
    server.hook = without_ranges
    snapshots.load(client, 'nightly').restore(str(tmp_path / 'new'), ['a/y'])
    assert (tmp_path / 'new' / 'a' / 'y').read_bytes() == (source / 'a' / 'y').read_bytes()


def test_packs_are_fetched_several_at_once(server: ScriptedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                           ) -> None:
    monkeypatch.setattr(pack_writer, 'MIN_PACK', 30_000)
    source = tmp_path / 'source'
    source.mkdir()
    for number in range(4):
        (source / str(number)).write_bytes(os.urandom(15_000))
    client = DXF(server.host, REPO, insecure=True)
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    both = Barrier(len(snapshot.packs))

    def together(request: Request) -> None:
        if any(request.path.endswith(pack.digest) for pack in snapshot.packs):
            both.wait(60)
    server.hook = together
    snapshot.restore(str(tmp_path / 'new'))
    assert both.parties == 2
    assert described(tmp_path / 'new') == described(source)


@pytest.mark.parametrize('paths', [(), ('a/y',)])
def test_a_damaged_pack_leaves_no_file_of_it(folder: Endpoint, repo: str, snapshot: snapshots.Snapshot, tmp_path: Path,
                                             paths: tuple[str, ...]) -> None:
    pack = folder.file_of(repo, snapshot.packs[0].digest)
    content = bytearray(pack.read_bytes())
    content[30_000] ^= 1  # in a/y
    pack.chmod(0o600)
    pack.write_bytes(content)
    with pytest.raises(DXFDigestMismatchError) as caught:
        snapshot.restore(str(tmp_path / 'new'), paths)
    assert hint_of(caught.value) == f'the pack {snapshot.packs[0].digest} is damaged or missing, and a/y needs it'
    assert not (tmp_path / 'new' / 'a' / 'y').exists()
    assert (tmp_path / 'new' / 'a' / 'b' / 'x').exists() == (not paths)  # its chunk stands before that
    assert not list((tmp_path / 'new').glob('.dxf*'))


@pytest.mark.parametrize('packs', [1, 4])
def test_an_error_that_is_kept_keeps_no_connection(folder: Endpoint, repo: str, tmp_path: Path, packs: int,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_writer, 'MIN_PACK', 2_000_000)
    source = tmp_path / 'source'
    source.mkdir()
    for number in range(packs):
        (source / str(number)).write_bytes(os.urandom(2_100_000))
    snapshot = snapshots.backup(folder.dxf(repo), [str(source)], 'nightly')
    pack = folder.file_of(repo, snapshot.packs[0].digest)
    pack.chmod(0o600)
    with pack.open('r+b') as file:
        file.write(bytes(100))
    before = len(os.listdir('/proc/self/fd')), active_count()
    with pytest.raises(DXFDigestMismatchError) as caught:
        snapshot.restore(str(tmp_path / 'new'))
    assert (len(os.listdir('/proc/self/fd')), active_count()) == before
    assert hint_of(caught.value)


# What is there

def test_a_folder_is_there_though_one_whose_name_is_its_beginning_is_missing(client: DXF, tmp_path: Path) -> None:
    source, target = tmp_path / 'source', tmp_path / 'new'
    for path in ('a/b/x', 'ab/x', 'a-b/x', 'ab/b/x'):
        (source / path).parent.mkdir(parents=True)
        (source / path).write_bytes(path.encode())
    snapshot = snapshots.backup(client, [str(source)], 'nightly')
    snapshot.restore(str(target), ['ab', 'a-b'])
    assert snapshot.restore(str(target)) == ['a/b/x']
    assert described(target) == described(source)


def change(path: Path) -> None:
    """Change a file, and neither its size nor its time."""
    before = path.stat()
    with path.open('r+b') as file:
        file.write(b'other')
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))


def to_link(path: Path) -> None:
    """Put a link in the place of something."""
    path.unlink()
    path.symlink_to('/etc/passwd')


def to_file(path: Path) -> None:
    """Put a file in the place of something."""
    path.unlink()
    path.write_bytes(b'other')


@pytest.mark.parametrize('path, spoil', [
    ('a/y', change), ('large', lambda path: path.write_bytes(b'')), ('large', to_link), ('link', to_link),
    ('link', to_file), ('again', to_file),
])
def test_what_differs_is_replaced_only_if_that_is_allowed(snapshot: snapshots.Snapshot, source: Path, tmp_path: Path,
                                                          path: str, spoil: Callable[[Path], object]) -> None:
    target = tmp_path / 'new'
    snapshot.restore(str(target))
    passwd = Path('/etc/passwd').read_bytes()
    spoil(target / path)
    before = described(target)
    with pytest.raises(FileExistsError) as caught:
        snapshot.restore(str(target))
    assert caught.value.errno == errno.EEXIST and '--overwrite' in str(caught.value)
    assert described(target) == before
    snapshot.restore(str(target), overwrite=True)
    assert described(target) == described(source)
    assert Path('/etc/passwd').read_bytes() == passwd


@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize('path', ['a', 'a/b'])
def test_a_link_in_the_place_of_a_folder_is_not_followed(snapshot: snapshots.Snapshot, tmp_path: Path, path: str,
                                                         overwrite: bool) -> None:
    (tmp_path / 'beside').mkdir()
    (tmp_path / 'new' / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / 'new' / path).symlink_to(tmp_path / 'beside')
    with pytest.raises(NotADirectoryError, match='it is in the way'):
        snapshot.restore(str(tmp_path / 'new'), overwrite=overwrite)
    assert not any((tmp_path / 'beside').iterdir())


def test_a_folder_in_the_place_of_a_file_is_never_replaced(snapshot: snapshots.Snapshot, tmp_path: Path) -> None:
    (tmp_path / 'new' / 'large').mkdir(parents=True)
    with pytest.raises(FileExistsError, match='it is in the way, and is no file'):
        snapshot.restore(str(tmp_path / 'new'), overwrite=True)
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['large']


def test_a_file_that_runs_as_its_owner_loses_that_bit(folder: Endpoint, repo: str, source: Path, tmp_path: Path
                                                      ) -> None:
    (source / 'run').write_bytes(b'')
    (source / 'run').chmod(0o6755)
    snapshots.backup(folder.dxf(repo), [str(source)], 'nightly').restore(str(tmp_path / 'new'))
    assert (tmp_path / 'new' / 'run').stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize('path', ['large', 'link', 'again'])
def test_what_appears_at_a_path_meanwhile_is_not_replaced_though_others_may_be(
        snapshot: snapshots.Snapshot, tmp_path: Path, path: str) -> None:
    """As two names that are one for the file system of the target: the second would replace the first."""
    target = tmp_path / 'new'

    def appear(*_: object) -> None:
        if not os.path.lexists(target / path):
            (target / path).write_bytes(b'other')
    with pytest.raises(FileExistsError, match=path):
        snapshot.restore(str(target), overwrite=True, progress=appear)
    assert (target / path).read_bytes() == b'other'


# Copies

@pytest.mark.parametrize('places', [('folder', 'open_registry'), ('open_registry', 'folder'),
                                    ('token_registry', 'open_registry')], ids='-'.join)
def test_the_next_snapshot_is_copied_by_its_new_packs(places: tuple[str, str], request: pytest.FixtureRequest,
                                                      repo: str, source: Path, tmp_path: Path) -> None:
    here, there = (request.getfixturevalue(place).dxf(repo) for place in places)
    first = snapshots.backup(here, [str(source)], 'nightly')
    dxf.copy(here, there, 'nightly')
    (source / 'a' / 'b' / 'x').write_bytes(b'21.6\n')
    second = snapshots.backup(here, [str(source)], 'nightly')
    moved = dxf.Copying(here, there, 'nightly')
    assert moved.outcome.moved.keys() == {second.index.digest, second.packs[-1].digest}
    moved.carry_out()
    assert second.packs[0] == first.packs[0]
    snapshots.load(there, 'nightly').restore(str(tmp_path / 'new'))
    assert described(tmp_path / 'new') == described(source)


def test_a_snapshot_is_restored_after_all_before_it_were_pruned(endpoint: Endpoint, repo: str, source: Path,
                                                                tmp_path: Path) -> None:
    client = endpoint.dxf(repo)
    for day in range(1, 4):
        (source / 'a' / 'b' / 'x').write_bytes(b'21.6\n' * day)
        snapshots.backup(client, [str(source)], f'nightly-2026-11-0{day}',
                         parent=f'nightly-2026-11-0{day - 1}' if day > 1 else None)
    runner = Runner(endpoint.environ())
    runner.run('prune', repo, '--keep-last=1', '--delete').insist(0)
    if endpoint.host.startswith('oci:'):
        runner.run('gc', repo, '--delete').insist(0)
    assert client.list_aliases() == ['nightly-2026-11-03']
    snapshots.load(client, 'nightly-2026-11-03').restore(str(tmp_path / 'new'))
    assert described(tmp_path / 'new') == described(source)


def test_skopeo_copies_a_snapshot_to_a_layout_and_back(open_registry: Endpoint, repo: str, source: Path, tmp_path: Path
                                                       ) -> None:
    client = open_registry.dxf(repo)
    snapshots.backup(client, [str(source)], 'nightly')
    address = f'docker://{open_registry.host}/{repo}'
    skopeo('copy', '--src-tls-verify=false', f'{address}:nightly', f'oci:{tmp_path}/layout:nightly')
    skopeo('copy', '--dest-tls-verify=false', f'oci:{tmp_path}/layout:nightly', f'{address}:back')
    for number, snapshot in enumerate((snapshots.load(DXF(f'oci:{tmp_path}', 'layout'), 'nightly'),
                                       snapshots.load(client, 'back'))):
        snapshot.restore(str(tmp_path / f'new{number}'))
        assert described(tmp_path / f'new{number}') == described(source)
