"""What a backup replaces: an alias of something else, and a snapshot that had files, are never replaced silently."""

import os
import shutil
from pathlib import Path

import pytest

from dxf import DXF, snapshots
from dxf.exceptions import DXFSourceError

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner

LOST = 'no file was found in it, and the last snapshot has some: is its disk mounted? --partial stores it as it is'


@pytest.fixture(name='photos')
def make_photos(tmp_path: Path) -> Path:
    """A folder with a file."""
    photos = tmp_path / 'photos'
    (photos / '2026').mkdir(parents=True)
    (photos / '2026' / 'robin.jpg').write_bytes(b'robin')
    return photos


@pytest.mark.parametrize('command', [['backup', '{repo}', '{source}', '@night'],
                                     ['backup', '{repo}', '{source}', '@night', '--parent=other'],
                                     ['push-blob', '--delta', '{repo}', '{source}/b', '@night']])
def test_an_alias_that_is_no_snapshot_is_replaced_with_a_line(endpoint: Endpoint, repo: str, source: Path,
                                                              command: list[str]) -> None:
    client, runner = endpoint.dxf(repo), Runner(endpoint.environ())
    runner.run('push-files', repo, 'night', source / 'b').insist(0)
    snapshots.backup(client, [str(source)], 'other')
    digest = client.manifest_digest('night')
    typed = [word.format(repo=repo, source=source) for word in command]
    line = f'dxf: night is no snapshot, and a backup replaces it: now it names the manifest {digest}'
    planned = runner.run(*typed, '--dry-run')
    assert (planned.status, planned.lines, client.manifest_digest('night')) == (0, [line], digest)
    ended = runner.run(*typed)
    assert (ended.status, ended.lines) == (0, [line])
    assert client.manifest_digest('night') != digest
    runner.run(*typed).insist(0)


def test_a_snapshot_of_another_kind_is_replaced_with_a_line(folder: Endpoint, repo: str, source: Path) -> None:
    runner = Runner(folder.environ())
    runner.run('backup', repo, source, '@night').insist(0)
    stream = runner.run('push-blob', '--delta', repo, source / 'b', '@night')
    assert (stream.status, stream.lines) == \
        (0, ['dxf: the last snapshot is not used: it is one of folders, and the new one is of a stream'])
    folders = runner.run('backup', repo, source, '@night')
    assert (folders.status, folders.lines) == \
        (0, ['dxf: the last snapshot is one of a stream, and the new one is of folders'])
    runner.run('backup', repo, source, '@night').insist(0)


def test_a_folder_that_has_lost_all_files_is_not_stored_by_mistake(folder: Endpoint, repo: str, photos: Path) -> None:
    client, runner = folder.dxf(repo), Runner(folder.environ())
    runner.run('backup', repo, photos, '@night').insist(0)
    before = client.manifest_digest('night')
    (photos / '2026' / 'robin.jpg').unlink()
    for args in ([], ['--read-all'], ['--parent=night']):
        ended = runner.run('backup', repo, photos, '@night', *args)
        assert (ended.status, ended.out, ended.lines) == (1, b'', [
            f'dxf: cannot read {photos}: {LOST}',
            'dxf: 1 file or folder could not be read, and so the alias night was not set: '
            f'cannot read {photos}: {LOST}'])
    planned = runner.run('backup', repo, photos, '@night', '--dry-run')
    assert (planned.status, planned.lines[0]) == (1, f'dxf: cannot read {photos}: {LOST}')
    assert client.manifest_digest('night') == before
    ended = runner.run('backup', repo, photos, '@night', '--partial')
    assert (ended.status, ended.out.decode().strip()) == (1, client.manifest_digest('night'))
    assert client.manifest_digest('night') != before
    ended = runner.run('backup', repo, photos, '@night')
    assert (ended.status, ended.lines) == (0, ['dxf: there were no files: a snapshot without any is stored'])


def test_one_of_several_folders_may_have_lost_all_files(client: DXF, source: Path, photos: Path) -> None:
    other = photos.parent / 'empty'
    other.mkdir()
    folders = [str(folder) for folder in (source, photos, other)]
    first = snapshots.backup(client, folders, 'night')
    shutil.rmtree(photos / '2026')
    with pytest.raises(DXFSourceError, match=f'cannot read {photos}: no file was found in it'):
        snapshots.backup(client, folders, 'night')
    with pytest.raises(DXFSourceError, match=f'2 files or folders .* cannot read {photos}: no file was found in it'):
        snapshots.backup(client, folders[1:], 'night')  # no file at all
    assert client.manifest_digest('night') == first.digest
    (photos / 'link').symlink_to('elsewhere')
    assert snapshots.backup(client, folders, 'night').unread == ()


def test_a_folder_that_cannot_be_read_is_named_once(client: DXF, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots.backup(client, [str(photos)], 'night')
    listed = os.listdir

    def refuse(folder: int) -> list[str]:
        if os.path.samestat(os.stat(folder), photos.stat()):
            raise PermissionError(13, 'Permission denied')
        return listed(folder)
    monkeypatch.setattr(os, 'listdir', refuse)
    unread = snapshots.backup(client, [str(photos)], 'night', partial=True).unread
    assert unread == (f'cannot read {photos}: Permission denied',)
