"""Owners and extended attributes: what a backup stores of them, and what a restore sets."""

import errno
import os
import stat
from pathlib import Path

import pytest

from dxf import DXF, hash_bytes, snapshots
from dxf.exceptions import DXFError
from dxf.snapshots.attributes import MAX_VALUE

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from .test_hostile_indexes import file, link, store_entries

BOTH = snapshots.Wanted(owners=True, xattrs=True)
VALUE = b'\xff\0value'


@pytest.fixture(name='source')
def make_source(tmp_path: Path) -> Path:
    """A folder whose file has attributes."""
    source = tmp_path / 'source'
    (source / 'a').mkdir(parents=True)
    (source / 'a' / 'x').write_bytes(b'21.5\n')
    os.setxattr(source / 'a' / 'x', 'user.comment', VALUE)
    os.setxattr(source / 'a', 'user.folder', b'')
    (source / 'a' / 'x').chmod(0o444)
    (source / 'link').symlink_to('a/x')
    return source


def as_root() -> bool:
    """Return whether owners can be changed."""
    return os.geteuid() == 0


def test_extended_attributes_are_stored_and_restored_where_they_are_wanted(client: DXF, source: Path, tmp_path: Path
                                                                           ) -> None:
    snapshot = snapshots.backup(client, [str(source)], 'nightly', BOTH)
    found = {entry.name: entry.document() for entry in snapshot.entries()}
    assert found['a/x']['xattrs'] == {'user.comment': '/wB2YWx1ZQ=='}
    assert 'xattrs' not in found['link'] and found['link']['uid'] == os.geteuid()
    for wanted, names in ((snapshots.Attributes(), []), (snapshots.Attributes(xattrs=True), ['user.comment'])):
        snapshot.restore(str(tmp_path / 'new'), attributes=wanted)  # the second time the file is there and equal
        assert os.listxattr(tmp_path / 'new' / 'a' / 'x') == names
    assert os.getxattr(tmp_path / 'new' / 'a' / 'x', 'user.comment') == VALUE
    assert os.getxattr(tmp_path / 'new' / 'a', 'user.folder') == b''


@pytest.mark.parametrize('number, names', [(errno.ENODATA, ['user.last']), (errno.ENOTSUP, None)])
def test_an_attribute_that_cannot_be_read_takes_no_others_along(
        client: DXF, source: Path, monkeypatch: pytest.MonkeyPatch, number: int, names: list[str] | None) -> None:
    """One that is gone before it is read is left out. One that the file system does not hand out is an error."""
    os.setxattr(source / 'a' / 'x', 'user.last', b'')
    read = os.getxattr

    def fail_once(descriptor: int, name: str) -> bytes:
        if name == 'user.comment':
            raise OSError(number, os.strerror(number))
        return read(descriptor, name)
    monkeypatch.setattr(os, 'getxattr', fail_once)
    monkeypatch.setattr(os, 'listxattr', lambda descriptor: ['user.comment', 'user.last']
                        if os.fstat(descriptor).st_size == 5 else [])
    if names is None:
        with pytest.raises(DXFError, match='cannot read a/x: Operation not supported'):
            snapshots.backup(client, [str(source)], 'nightly', BOTH)
    else:
        found = {entry.name: entry for entry in snapshots.backup(client, [str(source)], 'nightly', BOTH).entries()}
        assert [name for name, _ in found['a/x'].xattrs or ()] == names


def test_an_attribute_that_changed_alone_is_stored_without_reading_the_file(client: DXF, source: Path, tmp_path: Path
                                                                            ) -> None:
    snapshots.backup(client, [str(source)], 'nightly', BOTH)
    before = (source / 'a' / 'x').stat()
    (source / 'a' / 'x').chmod(0o644)
    os.setxattr(source / 'a' / 'x', 'user.comment', b'new')
    if as_root():
        os.chown(source / 'a' / 'x', 12345, 12346)
    assert (source / 'a' / 'x').stat().st_mtime_ns == before.st_mtime_ns
    snapshot = snapshots.backup(client, [str(source)], 'nightly', BOTH)
    assert (snapshot.totals.read, snapshot.totals.packs) == (0, 0)
    entry, = (entry for entry in snapshot.entries() if entry.name == 'a/x')
    assert entry.xattrs == (('user.comment', b'new'),) and entry.owner is not None
    assert (entry.owner.uid, entry.owner.user) == ((12345, '') if as_root() else entry.owner[::2])
    os.removexattr(source / 'a' / 'x', 'user.comment')
    snapshot = snapshots.backup(client, [str(source)], 'nightly', BOTH)
    snapshot.restore(str(tmp_path / 'new'), attributes=snapshots.Attributes(xattrs=True))
    assert os.listxattr(tmp_path / 'new' / 'a' / 'x') == []
    plain = snapshots.backup(client, [str(source)], 'nightly')
    assert not any('uid' in entry.document() or 'xattrs' in entry.document() for entry in plain.entries())


def hostile(client: DXF, **changed: object) -> snapshots.Snapshot:
    """Return a snapshot of one file with an owner."""
    sha256 = hash_bytes(bytes(7)).partition(':')[2]
    store_entries(client, {**file('run', [-1, 0, 0, 7, ''], sha256=sha256, mode=0o4755, uid=0, gid=0), **changed})
    return snapshots.load(client, 'hostile')


@pytest.mark.parametrize('changed, uid', [
    ({'uid': 12345, 'gid': 5}, 12345), ({'uid': 12345, 'user': 'no such user here'}, 12345),
    ({'uid': 12345, 'user': 'daemon'}, 1), ({'uid': 12345, 'user': '../root'}, 12345),
])
def test_an_owner_is_restored_by_name_where_it_is_known(client: DXF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                        changed: dict[str, object], uid: int) -> None:
    owners: list[tuple[int, int]] = []
    if not as_root():
        monkeypatch.setattr(os, 'fchown', lambda _file, *owner: owners.append(owner))
    snapshot = hostile(client, **changed)
    snapshot.restore(str(tmp_path / 'new'), attributes=snapshots.Attributes(owners=True))
    status = (tmp_path / 'new' / 'run').stat()
    assert (status.st_uid if as_root() else owners[0][0]) == uid
    assert stat.S_IMODE(status.st_mode) == 0o4755  # after the owner, which takes the bit away
    snapshot.restore(str(tmp_path / 'new'), attributes=snapshots.Attributes(numeric_owner=True))
    assert ((tmp_path / 'new' / 'run').stat().st_uid if as_root() else owners[-1][0]) == 12345


def test_an_owner_that_cannot_be_set_is_told_and_gives_no_rights(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    client = folder.dxf(repo)
    hostile(client, uid=12345, xattrs={'trusted.x': '', 'user.y': 'eQ=='})
    runner = Runner(folder.environ(), ('setpriv', '--bounding-set', '-chown,-fowner,-sys_admin', '--') if as_root()
                    else ())
    ended = runner.run('restore', repo, '@hostile', '--to', tmp_path / 'new', '--owners', '--all-xattrs')
    assert ended.lines == ['dxf: cannot set the owner of run: Operation not permitted',
                           'dxf: cannot set trusted.x of run: Operation not permitted',
                           'dxf: 2 owners or attributes could not be set; all else is restored']
    assert (ended.status, ended.out) == (1, b'run\n')
    assert stat.S_IMODE((tmp_path / 'new' / 'run').stat().st_mode) == 0o755
    assert os.listxattr(tmp_path / 'new' / 'run') == ['user.y']
    runner.run('restore', repo, '@hostile', '--to', tmp_path / 'again', '--xattrs').insist(0)
    with pytest.raises(DXFError, match='was made without --owners, and has none'):
        snapshots.backup(client, [str(tmp_path / 'new')], 'nightly').restore(
            str(tmp_path / 'third'), attributes=snapshots.Attributes(owners=True))
    assert not (tmp_path / 'third').exists()


def test_an_attribute_that_cannot_be_set_is_an_error_where_no_notice_is_wanted(
        client: DXF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    monkeypatch.setattr(os, 'setxattr', refuse)
    with pytest.raises(OSError, match='cannot set user.y: .*run'):
        hostile(client, xattrs={'user.y': ''}).restore(str(tmp_path / 'new'),
                                                       attributes=snapshots.Attributes(xattrs=True))
    assert not (tmp_path / 'new' / 'run').exists()


@pytest.mark.parametrize('changed', [
    {'uid': -1}, {'uid': 1 << 32}, {'gid': '0'}, {'gid': True}, {'user': 5}, {'group': 'x' * 256}, {'user': '\0'},
    {'xattrs': []}, {'xattrs': {'': ''}}, {'xattrs': {'user.x': '%'}}, {'xattrs': {'user.x': 5}},
    {'xattrs': {'user.x': 'A' * (4 * MAX_VALUE)}}, {'xattrs': {'user.' + 'x' * 255: ''}},
    {'xattrs': {f'user.{number:0200}': '' for number in range(400)}},
], ids=repr)
def test_attributes_that_cannot_be_right_are_refused(client: DXF, tmp_path: Path, changed: dict[str, object]) -> None:
    with pytest.raises(DXFError, match='^invalid snapshot: run: '):
        hostile(client, **changed).restore(str(tmp_path / 'new'))
    assert not (tmp_path / 'new' / 'run').exists()


def test_the_owner_of_a_link_is_restored_and_not_that_of_its_target(client: DXF, tmp_path: Path) -> None:
    (tmp_path / 'outside').write_bytes(b'')
    before = (tmp_path / 'outside').stat()
    uid = 12345 if as_root() else os.geteuid()
    store_entries(client, {**link('link', str(tmp_path / 'outside')), 'uid': uid, 'gid': os.getegid()})
    snapshots.load(client, 'hostile').restore(str(tmp_path / 'new'), attributes=snapshots.Attributes(owners=True))
    assert os.lstat(tmp_path / 'new' / 'link').st_uid == uid
    if as_root():
        os.lchown(tmp_path / 'new' / 'link', 5, 5)  # one that is there keeps its target, and gets its owner back
    snapshots.load(client, 'hostile').restore(str(tmp_path / 'new'), attributes=snapshots.Attributes(owners=True))
    assert os.lstat(tmp_path / 'new' / 'link').st_uid == uid
    assert (tmp_path / 'outside').stat() == before
