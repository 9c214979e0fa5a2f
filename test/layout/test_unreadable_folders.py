"""Folders that cannot be read, or named, in one that stands for a registry: they are in the way of nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dxf import DXFBase, hash_bytes
from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError
from dxf.layout.repositories import WITHOUT_MARKER
from dxf.names import check_repository

from ..helpers.layouts import bound
from ..helpers.processes import Ended, Runner

BLOB = os.urandom(1000)


@pytest.fixture(name='root')
def make_root(tmp_path: Path) -> Iterator[Path]:
    """A folder in which two folders cannot be read."""
    root = tmp_path / 'root'
    for closed in (root / 'b' / 'closed', root / 'lost+found'):
        closed.mkdir(parents=True)
        closed.chmod(0)
    (tmp_path / 'blob').write_bytes(BLOB)
    yield root
    for folder, inner, _ in os.walk(root):
        for name in inner:
            os.chmod(os.path.join(folder, name), 0o700)


def run(root: str, *args: str | Path) -> Ended:
    """Run dxf with a folder as the registry, by a user whom permissions bind."""
    return bound(Runner({'DXF_HOST': f'oci:{root}'})).run(*args)


def test_the_repositories_beside_a_folder_that_cannot_be_read_are_listed(root: Path, tmp_path: Path) -> None:
    for repo in ('b/x', 'a', 'c'):
        run(str(root), 'push-blob', repo, tmp_path / 'blob', '@a').insist(0)
    listed = run(str(root), 'list-repos').insist(1)
    assert listed.out == b'a\nb/x\nc\n'
    assert listed.lines == [f'dxf: left out: {root}/b/closed: they cannot be read']  # + is in no repository's name


def test_a_folder_that_can_be_read_is_listed_with_status_0(root: Path, tmp_path: Path) -> None:
    run(str(root / 'b' / 'inner'), 'push-blob', 'x', tmp_path / 'blob', '@a').insist(0)
    assert run(str(root / 'b' / 'inner'), 'list-repos').insist(0).out == b'x\n'


def test_many_folders_that_cannot_be_read_are_counted(root: Path) -> None:
    for number in range(9):
        (root / f'f{number}').mkdir(mode=0)
    line, = run(str(root), 'list-repos').insist(1).lines
    assert line.endswith(f'{root}/f3 and 5 more: they cannot be read')


@pytest.mark.parametrize('folder', ['b/closed', 'missing'])
def test_a_registry_that_cannot_be_read_itself_is_an_error(root: Path, folder: str) -> None:
    ended = run(str(root / folder), 'list-repos')
    assert ended.status in (1, 2) and ended.out == b''
    assert len(ended.lines) == 1 and f'{root / folder}: ' in ended.lines[0]


def test_the_root_of_the_file_system_is_a_registry(tmp_path: Path) -> None:
    repo = check_repository(str(tmp_path / 'x').lower().lstrip('/'))
    (tmp_path / 'blob').write_bytes(BLOB)
    assert run('/', 'push-blob', repo, tmp_path / 'blob', '@a').insist(0).out.decode().strip() == hash_bytes(BLOB)
    assert run('/', 'pull-blob', repo, '@a').insist(0).out == BLOB
    assert run('/', 'list-aliases', repo).insist(0).out == b'a\n'
    run('/', 'del-alias', repo, 'a').insist(0)


MISNAMED = "left out: {}: no repository has such a name; read one by DXF_HOST=oci:{} and '' as the repository"


def make_layouts(root: Path, blob: Path, *names: str) -> None:
    """Make layouts below a folder, also where no repository's name leads to."""
    for name in names:
        Runner({'DXF_HOST': f'oci:{root / name}'}).run('push-blob', 'new', blob, '@a').insist(0)
        for path in (root / name / 'new').iterdir():
            path.rename(root / name / path.name)
        (root / name / 'new').rmdir()


def test_a_layout_that_no_name_of_a_repository_leads_to_is_told(root: Path, tmp_path: Path) -> None:
    make_layouts(root, tmp_path / 'blob', 'Upper/x', 'a', 'a/b_.c', 'lost', '.Trash/old', 'a/.Trash/old')
    listed = run(str(root), 'list-repos').insist(1)
    assert listed.out == b'a\nlost\n'
    assert listed.lines == [f'dxf: left out: {root}/b/closed: they cannot be read; '
                            + MISNAMED.format("'Upper/x', 'a/b_.c'", root / 'Upper' / 'x')]
    assert Runner({'DXF_HOST': f'oci:{root / "Upper" / "x"}'}).run('list-aliases', '').insist(0).out == b'a\n'


@pytest.mark.parametrize('spoil', [
    lambda marker: marker.unlink(), lambda marker: (marker.unlink(), marker.mkdir())], ids=['missing', 'a folder'])
def test_a_repository_that_has_lost_its_marker_is_told(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    (tmp_path / 'blob').write_bytes(BLOB)
    root = tmp_path / 'root'
    make_layouts(root, tmp_path / 'blob', 'a', 'b/x', 'c')
    spoil(root / 'b' / 'x' / 'oci-layout')
    (root / 'site').mkdir()
    (root / 'site' / 'index.json').write_text('{}', encoding='utf-8')  # of something else
    listed = Runner({'DXF_HOST': f'oci:{root}'}).run('list-repos').insist(1)
    assert (listed.out, listed.lines) == (b'a\nc\n', [f'dxf: left out: {root}/b/x: {WITHOUT_MARKER}'])
    found = []
    with pytest.raises(DXFInvalidDocumentError, match=f'left out: {root}/b/x: '):
        for name in DXFBase(f'oci:{root}').list_repos(iterate=True):
            found.append(name)
    assert found == ['a', 'c']


def test_a_repository_to_which_a_link_leads_is_listed(tmp_path: Path) -> None:
    (tmp_path / 'blob').write_bytes(BLOB)
    root = tmp_path / 'root'
    make_layouts(root, tmp_path / 'blob', 'a', 'team/x', '.hidden', '../outside')
    for name, target in (('b', 'a'), ('c', '.hidden'), ('group', 'team'), ('out', '../outside'), ('self', '.'),
                         ('team/back', '../team'), ('team/a', '../a')):
        (root / name).symlink_to(target)
    for name, target in (('p', 'q'), ('q', 'p')):  # a circle
        (root / name).mkdir()
        (root / name / target).symlink_to(root / target)
    names = ['a', 'b', 'c', 'group/a', 'group/x', 'team/a', 'team/x']
    runner = Runner({'DXF_HOST': f'oci:{root}'})
    assert runner.run('list-repos').insist(0).out.decode().split() == names
    assert DXFBase(f'oci:{root}').list_repos() == names
    for name in names:
        assert runner.run('pull-blob', name, '@a').insist(0).out == BLOB


def test_a_layout_that_is_the_folder_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / 'blob').write_bytes(BLOB)
    make_layouts(tmp_path, tmp_path / 'blob', 'root', 'root/inner')
    listed = Runner({'DXF_HOST': f'oci:{tmp_path / "root"}'}).run('list-repos').insist(1)
    assert (listed.out, listed.lines) == (b'inner\n', [f'dxf: {MISNAMED.format(repr(""), tmp_path / "root")}'])


def test_the_library_lists_the_other_repositories_before_the_error_for_a_name_that_is_none(tmp_path: Path) -> None:
    (tmp_path / 'blob').write_bytes(BLOB)
    make_layouts(tmp_path / 'root', tmp_path / 'blob', 'Upper/x', 'b', 'b\udcff', 'c')
    registry = DXFBase(f'oci:{tmp_path / "root"}')
    listed = []
    with pytest.raises(DXFInvalidNameError, match=r"^invalid repository 'Upper/x'"):
        for name in registry.list_repos(iterate=True):
            listed.append(name)
    assert listed == ['b', 'c']
    with pytest.raises(DXFInvalidNameError, match=r"^invalid repository 'Upper/x'"):
        registry.list_repos()
