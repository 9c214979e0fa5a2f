"""Snapshots that were stored can be read: a backup refuses what its reader would refuse, and leaves nothing out
silently.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dxf import DXF, snapshots
from dxf.exceptions import DXFSourceError
from dxf.snapshots.file_cutter import FileCutter
from dxf.snapshots.tree import Found, Tree

from ..helpers.trees import described


@pytest.mark.parametrize('limit, most, reason', [
    ('MAX_ENTRIES', 2, 'more than 2 files, folders and links'), ('MAX_LINE', 600, 'a/x: it has too many chunks'),
    ('MAX_TEXT', 17_000, 'the index has more than 17000 bytes'), ('MAX_BLOB', 100, 'the index has more than 100 bytes'),
])
def test_more_than_a_reader_takes_is_refused(client: DXF, source: Path, monkeypatch: pytest.MonkeyPatch, limit: str,
                                             most: int, reason: str) -> None:
    for number in range(3):
        (source / f'{number}{"x" * 200}').write_bytes(b'')
    (source / 'a' / 'x').write_bytes(os.urandom(1_000_000))
    monkeypatch.setattr(f'dxf.snapshots.index.{limit}', most)
    with pytest.raises(DXFSourceError, match=reason):
        snapshots.backup(client, [str(source)], 'nightly')
    assert client.list_aliases() == []


def test_as_much_as_a_reader_takes_is_stored(client: DXF, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.snapshots.index.MAX_ENTRIES', 3)
    assert len(list(snapshots.backup(client, [str(source)], 'nightly').entries())) == 3


def test_a_file_whose_path_no_reader_takes_is_named(client: DXF, source: Path, monkeypatch: pytest.MonkeyPatch
                                                    ) -> None:
    monkeypatch.setattr('dxf.snapshots.entries.MAX_PART', 9)
    (source / 'much too long').write_bytes(b'')
    os.link(source / 'much too long', source / 'short')  # a later name, which takes the place of the first one
    notices: list[str] = []
    with pytest.raises(DXFSourceError, match='could not be read'):
        snapshots.backup(client, [str(source)], 'nightly', notice=notices.append)
    assert len(notices) == 1 and notices[0].endswith(': its path is too long')
    snapshot = snapshots.backup(client, [str(source)], 'nightly', partial=True)
    assert [(entry.name, entry.kind) for entry in snapshot.entries()][3:] == [('short', 'file')]


@pytest.mark.parametrize('name', ['.dxf-files.0123', '.DXF-Files.0123'])
def test_what_a_restore_would_refuse_as_a_hidden_folder_is_left_out(client: DXF, source: Path, tmp_path: Path,
                                                                    name: str) -> None:
    (source / 'a' / name).mkdir()
    notices: list[str] = []
    snapshots.backup(client, [str(source)], 'nightly', notice=notices.append).restore(str(tmp_path / 'new'))
    assert notices == [f'left out: a/{name}: a restore that was killed left it']


def test_another_name_of_a_file_that_was_replaced_meanwhile_keeps_its_content(
        client: DXF, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.link(source / 'b', source / 'c')
    os.link(source / 'b', source / 'd')
    read = FileCutter.read

    def replace_and_read(cutter: FileCutter, path: bytes, last: snapshots.Entry | None) -> snapshots.Entry:
        if path == b'b':
            (source / 'new').write_bytes(b'another file\n')
            os.replace(source / 'new', source / 'b')
        return read(cutter, path, last)
    monkeypatch.setattr(FileCutter, 'read', replace_and_read)
    snapshots.backup(client, [str(source)], 'nightly').restore(str(tmp_path / 'new'))
    assert described(tmp_path / 'new') == described(source)


@pytest.mark.parametrize('others', [[], ['other']])
def test_a_folder_that_vanishes_before_it_is_read_is_an_error(client: DXF, source: Path, tmp_path: Path,
                                                              others: list[str], monkeypatch: pytest.MonkeyPatch
                                                              ) -> None:
    walk = Tree.walk

    def vanish_and_walk(tree: Tree) -> Iterator[Found]:
        shutil.rmtree(source)
        return walk(tree)
    monkeypatch.setattr(Tree, 'walk', vanish_and_walk)
    for other in others:
        (tmp_path / other).mkdir()
    with pytest.raises(DXFSourceError, match='cannot read .*: No such file or directory'):
        snapshots.backup(client, [str(source), *(str(tmp_path / other) for other in others)], 'nightly')
    assert client.list_aliases() == []


def test_a_file_with_patterns_that_is_too_long_is_an_error(client: DXF, source: Path) -> None:
    (source / '.dxfignore').write_text('# read\n' * 150_000 + 'a/keep\n')
    with pytest.raises(DXFSourceError, match=r'cannot read \.dxfignore: File too large'):
        snapshots.backup(client, [str(source)], 'nightly')


def test_only_a_new_line_ends_a_pattern(client: DXF, source: Path) -> None:
    (source / '.dxfignore').write_bytes('no\u2028a\nno\fb\r\nc\r\n'.encode())
    (source / 'c').write_bytes(b'')
    names = [entry.name for entry in snapshots.backup(client, [str(source)], 'nightly').entries()]
    assert names == ['.dxfignore', 'a', 'a/x', 'b']
