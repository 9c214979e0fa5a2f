"""A folder as a registry where something is wrong: names that would leave it, and what is no layout, may not be read or
written, or does not fit: one line each, and the disk as it was.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, DXFBase, hash_bytes
from dxf.cli.error_messages import line_of, status_of
from dxf.exceptions import DXFError, DXFHTTPError, DXFInvalidNameError
from dxf.layout.garbage import collect
from dxf.layout.store import Layout
from dxf.local.folders import make_folders
from dxf.main import doit

from ..helpers.endpoints import Endpoint, Folder
from ..helpers.layouts import NAME, REPO, bound, enter, entries, snapshot, under
from ..helpers.processes import Ended, Runner

CONTENT = b'The quick brown fox jumps over the lazy dog.'
DIGEST = hash_bytes(CONTENT)
BLOB = 'blobs/sha256/' + DIGEST.removeprefix('sha256:')
LARGE = bytes(256 << 10)


@pytest.fixture(name='root')
def make_root(tmp_path: Path) -> Path:
    """A folder with a repository that has a blob and an alias of it."""
    root = tmp_path / 'blobs'
    with Endpoint(Folder(root)).dxf(REPO) as client:
        client.set_alias('a', client.push_blob(data=CONTENT))
    return root


@pytest.fixture(name='layout')
def name_layout(root: Path) -> Path:
    """The folder of that repository."""
    return root / REPO


@pytest.fixture(name='client')
def open_client(root: Path) -> Iterator[DXF]:
    """A client of it."""
    with Endpoint(Folder(root)).dxf(REPO) as client:
        yield client


@pytest.fixture(name='fox')
def write_fox(tmp_path: Path) -> Path:
    """A file that holds the blob."""
    path = tmp_path / 'fox'
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(name='outside')
def make_outside(tmp_path: Path) -> Path:
    """A folder that is none of dxf's business."""
    outside = tmp_path / 'outside'
    outside.mkdir()
    return outside


def of(root: Path) -> Runner:
    """Return what runs dxf with a folder."""
    return Runner(Endpoint(Folder(root)).environ())


def refused(runner: Runner, *args: str | Path, status: int = 1, names: str | Path = '', **options: Any) -> Ended:
    """Run a command that has to fail with this status and one line, which names something."""
    ended = runner.run(*args, **options).insist(status)
    assert str(names) in ended.lines[0], ended.lines
    assert 'Error' not in ended.lines[0] and '.dxf.' not in ended.lines[0], ended.lines
    assert ended.out == b''
    return ended


# Links that lead out

OPERATIONS: dict[str, Callable[[DXF, Layout], Any]] = {
    'pull': lambda client, layout: b''.join(client.pull_blob(DIGEST)),
    'size': lambda client, layout: client.blob_size(DIGEST),
    'push': lambda client, layout: client.push_blob(data=CONTENT, check_exists=False),
    'get alias': lambda client, layout: client.get_alias('a'),
    'set alias': lambda client, layout: client.set_alias('b', DIGEST),
    'del alias': lambda client, layout: client.del_alias('a'),
    'list': lambda client, layout: client.list_aliases(),
    'mount': lambda client, layout: client.mount_blob('other', DIGEST),
    'gc': lambda client, layout: collect(layout, True),
}
ON_BLOBS = ('pull', 'size', 'push', 'get alias', 'set alias', 'mount', 'gc')
LINKS = [
    ('.', tuple(OPERATIONS)),
    ('..', tuple(OPERATIONS)),
    ('oci-layout', tuple(OPERATIONS)),
    ('index.json', ('get alias', 'set alias', 'del alias', 'list', 'gc')),
    ('blobs', ON_BLOBS),
    ('blobs/sha256', ON_BLOBS),
    (BLOB, ('pull', 'size', 'push', 'mount')),
]


def move(piece: Path, to: Path) -> None:
    """Move a file or folder, and leave a link that leads to where it is now."""
    piece = Path(os.path.normpath(piece))
    piece.rename(to / piece.name)
    piece.symlink_to(os.path.relpath(to / piece.name, piece.parent))


@pytest.mark.parametrize(('piece', 'operations'), LINKS)
def test_a_link_that_leads_out_of_the_folder_is_not_followed(client: DXF, root: Path, layout: Path, outside: Path,
                                                             tmp_path: Path, piece: str, operations: tuple[str, ...]
                                                             ) -> None:
    with Endpoint(Folder(root)).dxf('other') as other:
        other.push_blob(data=CONTENT)
    move(layout / piece, outside)
    before = snapshot(tmp_path)
    for name in operations:
        with pytest.raises(DXFInvalidNameError, match=f'leads out of {root}'):
            OPERATIONS[name](client, Layout(str(root), REPO))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize('piece', ['.', 'index.json', BLOB])
def test_a_link_that_leads_out_of_the_folder_is_one_line(root: Path, layout: Path, outside: Path, tmp_path: Path,
                                                         piece: str) -> None:
    move(layout / piece, outside)
    before = snapshot(tmp_path)
    refused(of(root), 'pull-blob', REPO, '@a', names=f'leads out of {root}')
    assert snapshot(tmp_path) == before


def test_a_temporary_file_that_is_a_link_leads_nowhere(client: DXF, layout: Path, outside: Path) -> None:
    (outside / 'precious').write_bytes(b'precious')
    (layout / '.dxf.1').symlink_to(outside / 'precious')
    client.push_blob(data=b'other')
    assert (outside / 'precious').read_bytes() == b'precious'


def test_what_is_outside_is_neither_listed_nor_linked_nor_mounted(root: Path, outside: Path) -> None:
    shutil.copytree(root / REPO, outside / 'there')
    shutil.rmtree(root / 'fred')
    (root / 'linked').symlink_to(outside / 'there')
    with DXFBase(f'oci:{root}') as base, DXF.from_base(base, 'mine') as mine:
        assert base.list_repos() == []
        with pytest.raises(DXFInvalidNameError, match='leads out of'):
            mine.mount_blob('linked', DIGEST)
        mine.push_blob(data=CONTENT)
        assert base.list_repos() == ['mine']
    assert not os.path.samefile(root / 'mine' / BLOB, outside / 'there' / BLOB)


@pytest.mark.parametrize('piece', [piece for piece, _ in LINKS])
def test_a_link_that_stays_in_the_folder_is_followed(client: DXF, root: Path, layout: Path, piece: str) -> None:
    (root / 'kept').mkdir()
    move(layout / piece, root / 'kept')
    assert client.get_alias('a') == [DIGEST]
    assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    client.set_alias('b', client.push_blob(data=CONTENT, check_exists=False), client.push_blob(data=b'other'))
    assert sorted(client.list_aliases()) == ['a', 'b']
    client.del_alias('a')
    assert [entry['annotations'][NAME] for entry in entries(layout)] == ['b']
    assert os.path.lexists(os.path.normpath(layout / piece))


def test_of_a_blob_that_is_a_link_the_link_is_deleted(root: Path, client: DXF, layout: Path) -> None:
    with Endpoint(Folder(root)).dxf('other') as other:
        other.push_blob(data=CONTENT)
        (layout / BLOB).unlink()
        (layout / BLOB).symlink_to(os.path.relpath(root / 'other' / BLOB, (layout / BLOB).parent))
        client.del_blob(DIGEST)
        assert not os.path.lexists(layout / BLOB)
        assert b''.join(other.pull_blob(DIGEST)) == CONTENT


def test_the_folder_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / 'link').symlink_to(root)
    with DXF(f'oci:{tmp_path}/link', REPO) as client, DXFBase(f'oci:{tmp_path}/link') as base:
        assert client.get_alias('a') == [DIGEST]
        client.set_alias('b', client.push_blob(data=b'other'))
        assert base.list_repos() == [REPO]
    assert not collect(Layout(f'{tmp_path}/link', REPO), True)
    assert (tmp_path / 'link').is_symlink()
    assert len(entries(root / REPO)) == 2


@pytest.mark.parametrize('repository', ['..', '../outside', 'fred/../..', '/etc', 'fred//x', '.', 'fred/.', '.dxf.1',
                                        'FRED', 'fred/x/', 'fred\\x'])
def test_a_repository_cannot_be_named_that_is_not_below_the_folder(root: Path, repository: str) -> None:
    with pytest.raises(DXFInvalidNameError), DXF(f'oci:{root}', repository):
        pass
    with DXFBase(f'oci:{root}') as base, pytest.raises(DXFHTTPError, match='400') as raised:
        base._base_request('post', 'fred/x/blobs/uploads/', params={'mount': DIGEST, 'from': repository})
    assert 'NAME_INVALID' in str(raised.value)


# What is no layout

def spoil(name: str, content: str | None) -> Callable[[Path], None]:
    """Return what gives a file of a layout another content; ``None`` removes it."""
    def change(layout: Path) -> None:
        (layout / name).unlink()
        if content is not None:
            (layout / name).write_text(content)
    return change


def foreign(layout: Path) -> None:
    """Have a folder with a file that is nobody's layout's in the place of a layout."""
    shutil.rmtree(layout)
    layout.mkdir()
    (layout / 'notes.txt').write_text('notes')


def no_folder(path: Path) -> None:
    """Have a file in the place of a folder."""
    shutil.rmtree(path)
    path.write_text('notes')


def no_file(path: Path) -> None:
    """Have a folder in the place of a file."""
    path.unlink()
    path.mkdir()


PUSH = ('push-blob', 'get-alias')
NAMED = ('set-alias', 'get-alias', 'del-alias')
WRONG: dict[str, tuple[Callable[[Path], None], tuple[str, ...], str]] = {
    'a layout of another version': (spoil('oci-layout', '{"imageLayoutVersion": "2.0.0"}'), PUSH, 'version 1'),
    'a layout of no version': (spoil('oci-layout', '{}'), PUSH, 'oci-layout'),
    'a layout of a version that is no text': (spoil('oci-layout', '{"imageLayoutVersion": 1}'), PUSH, 'oci-layout'),
    'a marker that is no JSON': (spoil('oci-layout', 'imageLayoutVersion: 1.0.0'), PUSH, 'oci-layout: invalid JSON'),
    'a marker that is a list': (spoil('oci-layout', '["1.0.0"]'), PUSH, 'oci-layout: invalid JSON'),
    'a layout without its marker': (spoil('oci-layout', None), PUSH, 'is no OCI image layout'),
    'an index that is no JSON': (spoil('index.json', '{"manifests": ['), NAMED, 'index.json: invalid JSON'),
    'an index that is empty': (spoil('index.json', ''), NAMED, 'index.json: invalid JSON'),
    'an index that is a list': (spoil('index.json', '[]'), NAMED, 'index.json: invalid JSON'),
    'an index without manifests': (spoil('index.json', '{"schemaVersion": 2}'), NAMED, 'index.json: invalid index'),
    'an index of other manifests': (spoil('index.json', '{"manifests": {}}'), NAMED, 'index.json: invalid index'),
    'a folder of other files': (foreign, PUSH, 'is no OCI image layout'),
    'a file in the place of the repository': (no_folder, PUSH, 'Not a directory'),
    'a file in the place of the folder above': (lambda layout: no_folder(layout.parent), PUSH, 'Not a directory'),
    'a folder in the place of the index': (lambda layout: no_file(layout / 'index.json'), NAMED, 'json: Is a dir'),
    'a folder in the place of a blob': (lambda layout: no_file(layout / BLOB), ('push-blob',), 'Is a directory'),
    'a file in the place of the blobs': (lambda layout: no_folder(layout / 'blobs'), ('push-blob', 'pull-blob'),
                                         'Not a directory'),
}
OPERANDS: dict[str, tuple[str, ...]] = {
    'push-blob': ('fox',), 'get-alias': ('a',), 'set-alias': ('b', DIGEST), 'del-alias': ('a',), 'pull-blob': (DIGEST,),
}


@pytest.mark.parametrize(('change', 'commands', 'said'), WRONG.values(), ids=WRONG)
def test_what_is_not_as_it_should_be_is_one_line_and_stays(root: Path, layout: Path, fox: Path, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch, said: str,
                                                           change: Callable[[Path], None], commands: tuple[str, ...]
                                                           ) -> None:
    change(layout)
    before = snapshot(tmp_path)
    refused(of(root), commands[0], REPO, *OPERANDS[commands[0]], names=said, cwd=fox.parent)
    monkeypatch.chdir(fox.parent)
    for command in commands[1:]:
        with pytest.raises((DXFError, OSError)) as raised:
            doit([command, REPO, *OPERANDS[command]], of(root).environ)
        assert status_of(raised.value) == 1
        assert said in line_of(raised.value)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize('command', PUSH)
def test_a_file_in_the_place_of_the_root_is_wrong_usage_and_stays(root: Path, fox: Path, tmp_path: Path, command: str
                                                                  ) -> None:
    no_folder(root)
    before = snapshot(tmp_path)
    refused(of(root), command, REPO, *OPERANDS[command], status=2, cwd=fox.parent,
            names=f"dxf: DXF_HOST: invalid folder 'oci:{root}': it is no folder; ")
    assert snapshot(tmp_path) == before


def test_a_folder_in_the_place_of_a_blob_is_not_found(root: Path, layout: Path) -> None:
    no_file(layout / BLOB)
    refused(of(root), 'pull-blob', REPO, DIGEST, status=2, names='404')


def test_the_root_of_other_files_is_no_repository_but_may_hold_some(root: Path, fox: Path, tmp_path: Path) -> None:
    (root / 'notes.txt').write_text('notes')
    before = snapshot(tmp_path)
    refused(of(root), 'push-blob', '', fox, names='is no OCI image layout')
    refused(of(root), 'list-aliases', '', names='is no OCI image layout')
    assert snapshot(tmp_path) == before
    of(root).run('push-blob', REPO, fox, '@b').insist(0)


# What is no file

SPECIAL = [('oci-layout', ('list-aliases', 'push-blob', 'set-alias', 'gc')),
           ('index.json', ('list-aliases', 'get-alias', 'set-alias', 'del-alias', 'gc')),
           ('blobs', ('push-blob', 'pull-blob', 'gc')),
           ('blobs/sha256', ('push-blob', 'pull-blob', 'gc'))]


def fifo(path: Path) -> None:
    """Have a FIFO in the place of something: who opens it waits for a writer."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    os.mkfifo(path)


def link_to_fifo(path: Path) -> None:
    """Have a link that leads to a FIFO, which stays in the folder."""
    fifo(path)
    path.rename(path.parent.parent / 'fifo')
    path.symlink_to('../fifo')


@pytest.mark.parametrize('change', [fifo, link_to_fifo])
@pytest.mark.parametrize(('piece', 'commands'), SPECIAL)
def test_a_fifo_in_the_place_of_a_file_is_one_line_and_no_wait(root: Path, layout: Path, fox: Path, piece: str,
                                                               commands: tuple[str, ...], change: Callable[[Path], None]
                                                               ) -> None:
    change(layout / piece)
    names = sorted(root.rglob('*'))
    for command in commands:
        ended = of(root).run(command, REPO, *OPERANDS.get(command, ()), cwd=fox.parent).insist(1)
        assert len(ended.lines) == 1 and ended.out == b'', ended.lines
        assert 'not a regular file' in ended.lines[0] or 'Not a directory' in ended.lines[0]
    assert sorted(root.rglob('*')) == names


def test_a_fifo_in_the_place_of_a_blob_is_not_found(root: Path, layout: Path) -> None:
    fifo(layout / BLOB)
    refused(of(root), 'pull-blob', REPO, DIGEST, status=2, names='404')
    refused(of(root), 'mount-blob', 'other', REPO, DIGEST, names='did not mount')


# Repositories within layouts

INSIDE = ['blobs', 'blobs/sha256', 'blobs/x', 'index.json', 'oci-layout', 'x/blobs/y']


@pytest.mark.parametrize('inner', INSIDE)
@pytest.mark.parametrize('around', ['', 'fred/new', REPO], ids=['the root', 'what may become a layout', 'a layout'])
def test_a_repository_is_not_made_in_what_is_or_may_become_a_part_of_another(root: Path, fox: Path, around: str,
                                                                             inner: str) -> None:
    repository = f'{around}/{inner}'.lstrip('/')
    before = snapshot(root)
    refused(of(root), 'push-blob', repository, fox, '@a', names='is a part of the layout in')
    refused(of(root), 'copy', REPO, 'a', '--to', f'oci:{root}', '--to-repo', repository, names='is a part of')
    assert snapshot(root) == before


def test_a_repository_that_is_there_already_can_be_used_until_a_layout_is_around_it(root: Path, layout: Path,
                                                                                    fox: Path) -> None:
    shutil.copytree(layout, root / 'old' / 'blobs')
    assert of(root).run('pull-blob', 'old/blobs', '@a').insist(0).out == CONTENT
    of(root).run('push-blob', 'old/blobs', fox, '@b').insist(0)
    before = snapshot(root)
    refused(of(root), 'push-blob', 'old', fox, names='holds another repository')
    assert snapshot(root) == before
    shutil.copy(layout / 'oci-layout', root / 'old')
    refused(of(root), 'pull-blob', 'old/blobs', '@a', names='is a part of the layout in')


# What may not be read or written

@pytest.mark.parametrize(('piece', 'commands'), [
    ('.', ('get-alias', 'push-blob')),
    ('..', ('push-blob',)),
    ('index.json', ('get-alias', 'set-alias')),
    ('oci-layout', ('push-blob',)),
    (BLOB, ('pull-blob',)),
])
def test_what_may_not_be_read_is_one_line(root: Path, layout: Path, fox: Path, piece: str, commands: tuple[str, ...]
                                          ) -> None:
    before = snapshot(root)
    path = Path(os.path.normpath(layout / piece))
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        for command in commands:
            refused(bound(of(root)), command, REPO, *OPERANDS[command], names='Permission denied', cwd=fox.parent)
    finally:
        path.chmod(mode)
    assert snapshot(root) == before


def read_only(root: Path, action: Callable[[], object]) -> None:
    """Do something while nothing below a folder may be changed."""
    pieces = [root, *root.rglob('*')]
    for piece in pieces:
        piece.chmod(0o555 if piece.is_dir() else 0o444)
    try:
        action()
    finally:
        for piece in pieces:
            piece.chmod(0o755 if piece.is_dir() else 0o644)


@pytest.mark.parametrize('args', [
    ('push-blob', REPO, 'other'),
    ('push-blob', 'fred/new', 'other'),
    ('mount-blob', 'new', REPO, DIGEST),
    ('set-alias', REPO, 'b', DIGEST),
    ('del-alias', REPO, 'a'),
    ('del-blob', REPO, DIGEST),
    ('gc', REPO, '--delete'),
])
def test_what_may_not_be_written_is_one_line(root: Path, tmp_path: Path, args: tuple[str, ...]) -> None:
    (tmp_path / 'other').write_bytes(b'other')
    before = snapshot(root)
    read_only(root, lambda: refused(bound(of(root)), *args, names='Permission denied', cwd=tmp_path))
    assert snapshot(root) == before


def test_what_may_not_be_written_can_be_read(root: Path, fox: Path) -> None:
    def read() -> None:
        runner = bound(of(root))
        assert runner.run('pull-blob', REPO, '@a').insist(0).out == CONTENT
        assert runner.run('list-repos').insist(0).out.decode() == f'{REPO}\n'
        assert runner.run('push-blob', REPO, fox).insist(0).out.decode() == f'{DIGEST}\n'  # it is there already
    read_only(root, read)


# What does not fit

@pytest.mark.parametrize('repository', [REPO, 'new'])
def test_a_full_disk_is_one_line_and_the_next_push_succeeds(root: Path, tmp_path: Path, repository: str) -> None:
    path = tmp_path / 'large'
    path.write_bytes(LARGE)
    before = snapshot(tmp_path)
    ended = refused(under(of(root), 'ulimit -f 8'), 'push-blob', repository, path, '@large', names=root / repository)
    assert 'large' in ended.lines[0] or 'space' in ended.lines[0]
    assert snapshot(tmp_path) == before
    of(root).run('push-blob', repository, path, '@large').insist(0)
    assert of(root).run('blob-size', repository, '@large').insist(0).out.decode() == f'{len(LARGE)}\n'


def test_an_index_that_does_not_fit_leaves_the_old_one(root: Path, layout: Path) -> None:
    enter(layout, *({'digest': hash_bytes(b'%d' % number), 'mediaType': 'text/plain'} for number in range(100)))
    index = (layout / 'index.json').read_bytes()
    refused(under(of(root), 'ulimit -f 8'), 'set-alias', REPO, 'b', DIGEST, names=layout)
    assert (layout / 'index.json').read_bytes() == index
    assert not list(layout.glob('.dxf.*'))
    of(root).run('set-alias', REPO, 'b', DIGEST).insist(0)
    assert of(root).run('list-aliases', REPO).insist(0).out == b'a\nb\n'


CHANGES = {
    'a mirror': ('copy', 'fred/source', '--all', '--delete', '--to-repo', REPO, '--to'),
    'a prune': ('prune', REPO, '--keep-last=1', '--delete'),
    'an alias of two': ('set-alias', REPO, 'night-2025-11-01', '@night-2025-11-02'),
}


@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
def test_a_full_disk_in_the_middle_of_a_change_loses_no_alias(root: Path, layout: Path, change: tuple[str, ...]
                                                              ) -> None:
    for repo, aliases in ((REPO, ('night-2025-11-01', 'night-2025-11-02')), ('fred/source', ('new', 'a'))):
        with Endpoint(Folder(root)).dxf(repo) as client:
            for alias in aliases:
                client.set_alias(alias, client.push_blob(data=f'{repo} {alias}'.encode()))
    enter(layout, *({'digest': hash_bytes(b'%d' % number), 'mediaType': 'text/plain'} for number in range(100)))
    runner = under(Runner({**of(root).environ, 'PYTHONDONTWRITEBYTECODE': '1'}), 'ulimit -f 8')
    args = (*change, f'oci:{root}') if change[-1] == '--to' else change
    index = (layout / 'index.json').read_bytes()
    ended = refused(runner, *args, names=layout) if change[0] != 'prune' else \
        runner.run(*args).insist(1)
    assert 'large' in ended.lines[0] or 'space' in ended.lines[0]
    assert (layout / 'index.json').read_bytes() == index and not list(layout.glob('.dxf.*'))
    with Endpoint(Folder(root)).dxf(REPO) as client:
        for alias in client.list_aliases():
            assert all(b''.join(client.pull_blob(digest)) for digest in client.get_alias(alias))
    of(root).run(*args).insist(0)
    assert (layout / 'index.json').read_bytes() != index


# What is not there

@pytest.mark.parametrize('args', [('list-aliases', REPO), ('get-alias', '', 'a'), ('pull-blob', REPO, DIGEST),
                                  ('del-blob', REPO, DIGEST)])
def test_a_root_that_is_missing_is_not_found_and_stays_missing(tmp_path: Path, args: tuple[str, ...]) -> None:
    refused(of(tmp_path / 'missing'), *args, status=2, names='404')
    assert not list(tmp_path.iterdir())


def test_the_repositories_of_a_root_that_is_missing_are_one_line(tmp_path: Path) -> None:
    refused(of(tmp_path / 'missing'), 'list-repos', status=2, names=tmp_path / 'missing')
    assert not list(tmp_path.iterdir())


# How it is named

def test_a_folder_needs_a_path(fox: Path) -> None:
    ended = refused(Runner({'DXF_HOST': 'oci:'}), 'push-blob', REPO, fox, status=2, names='DXF_HOST', cwd=fox.parent)
    assert 'oci: and a path' in ended.lines[0]
    assert list(fox.parent.iterdir()) == [fox]


def test_a_folder_has_no_nul(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DXFInvalidNameError, match='invalid folder'):
        DXFBase('oci:blobs\0')
    with pytest.raises(SystemExit) as raised:
        doit(['list-repos'], {'DXF_HOST': 'oci:blobs\0'})
    assert raised.value.code == 2
    assert capfd.readouterr().err.startswith("dxf: DXF_HOST: invalid folder 'oci:blobs\\x00'")


@pytest.mark.parametrize('name', ['store', 'sub/../store', '5000', 'a%2f b?c#d:e\u00e9'])
def test_a_path_that_is_not_absolute_begins_where_dxf_does(fox: Path, name: str) -> None:
    host = f'oci:./{name}' if name.isdigit() else f'oci:{name}'
    Runner({'DXF_HOST': host}).run('push-blob', REPO, fox, '@a', cwd=fox.parent).insist(0)
    folder = Path(os.path.normpath(fox.parent / name))
    assert json.loads((folder / REPO / 'oci-layout').read_bytes())
    assert sorted(fox.parent.iterdir()) == sorted([fox, folder])


def test_a_client_keeps_its_folder_when_the_process_goes_elsewhere(root: Path, outside: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    with DXFBase('oci:blobs') as base, DXF('oci:blobs', REPO) as client, DXF.from_base(base, 'fred/other') as other:
        monkeypatch.chdir(outside)
        assert base.list_repos() == [REPO]
        client.set_alias('b', client.push_blob(data=b'other'), DIGEST)
        other.mount_blob(REPO, DIGEST)
        assert DXF.from_base(client, REPO).list_aliases() == ['a', 'b']
    assert not list(outside.iterdir())


def test_a_path_of_digits_is_the_port_of_a_host() -> None:
    with DXF('oci:5000', 'fred/x') as client:
        assert client._base_url == 'https://oci:5000/v2/'


def test_a_folder_that_nobody_can_make_is_an_error_at_once() -> None:
    with pytest.raises(OSError):
        make_folders('/proc/dxf/fred/datalogger')
