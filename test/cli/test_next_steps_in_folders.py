"""Messages about folders that name the next step: what is missing, damaged or elsewhere, and what to do about it."""

import os
from pathlib import Path

import pytest

from dxf import DXF, hash_bytes
from dxf.layout.store import Layout

from ..helpers.endpoints import Endpoint
from ..helpers.layouts import bound
from ..helpers.processes import Runner
from ..helpers.terminals import on_terminal
from .test_next_steps import REPO, answered

BLOB = hash_bytes(b'hello')


@pytest.fixture(name='layout')
def stocked(tmp_path: Path) -> Layout:
    """A repository in a folder, with an alias."""
    (tmp_path / 'hello').write_bytes(b'hello')
    Runner({'DXF_HOST': f'oci:{tmp_path}/blobs'}).run('push-blob', REPO, tmp_path / 'hello', '@a').insist(0)
    return Layout(str(tmp_path / 'blobs'), REPO)


def host(layout: Layout) -> dict[str, str]:
    """Return the variables for the folder that a layout is in."""
    return {'DXF_HOST': f'oci:{layout.folder.removesuffix("/" + REPO)}'}


@pytest.mark.parametrize('typed', [f'list-aliases {REPO}', f'pull-blob {REPO} @a', 'list-repos', f'gc {REPO}'])
@pytest.mark.parametrize(('name', 'said'), [
    ('./blobs', 'DXF_HOST names ./blobs, and {}/blobs does not exist: write the whole path in DXF_HOST'),
    ('{}/blobs', 'DXF_HOST names {}/blobs, which does not exist: is that right?')])
def test_a_folder_that_is_not_there_is_told_by_its_name(typed: str, name: str, said: str, tmp_path: Path) -> None:
    line = answered({'DXF_HOST': f'oci:{name.format(tmp_path)}'}, 2, *typed.split(), cwd=tmp_path)
    assert line.removesuffix(' (see dxf gc --help)').endswith(f'; {said.format(tmp_path)}')


@pytest.mark.parametrize('typed', [f'list-aliases {REPO}', f'push-blob {REPO} hello @a', 'list-repos'])
def test_a_file_in_place_of_a_folder_is_told(typed: str, tmp_path: Path) -> None:
    (tmp_path / 'hello').write_bytes(b'hello')
    assert answered({'DXF_HOST': 'oci:./hello'}, 2, *typed.split(), cwd=tmp_path).startswith(
        "DXF_HOST: invalid folder 'oci:./hello': it is no folder; ")


@pytest.mark.parametrize('content', [b'hellO', b'hell'])
@pytest.mark.parametrize('typed', ['pull-blob {} @a', 'pull-blob {} {}', 'pull-blob {} {} -o new', 'blob-size {} {}',
                                   'copy {} a --to oci:./other'])
def test_a_damaged_blob_is_told_with_its_file(layout: Layout, typed: str, content: bytes, tmp_path: Path) -> None:
    file = Path(layout.blob_path(BLOB))
    file.write_bytes(content)
    ended = Runner(host(layout)).run(*typed.format(REPO, BLOB).split(), cwd=tmp_path).insist(1, 2)
    assert ended.lines[0].endswith(f'; {file} is damaged: push the blob again, or copy it again')
    Runner(host(layout)).run('push-blob', REPO, tmp_path / 'hello').insist(0)
    Runner(host(layout)).run(*typed.format(REPO, BLOB).split(), cwd=tmp_path).insist(0)


def test_a_blob_that_an_alias_names_and_that_is_not_there_is_told_with_what_to_do(layout: Layout) -> None:
    Path(layout.blob_path(BLOB)).unlink()
    assert answered(host(layout), 2, 'pull-blob', REPO, '@a') == \
        f'404 Not Found: {REPO} has no blob {BLOB}; the alias names it: push it again, or copy the alias again'


def test_an_alias_whose_manifest_is_not_there_is_told_with_its_file(layout: Layout) -> None:
    file = Path(layout.blob_path(layout.select('a')[0]['digest']))
    file.unlink()
    assert answered(host(layout), 2, 'pull-blob', REPO, '@a') == \
        f'404 Not Found: {file}, the manifest of the alias a, is missing or damaged: copy it again, or delete the ' \
        'alias by dxf del-alias'
    Runner(host(layout)).run('del-alias', REPO, 'a').insist(0)


@pytest.mark.parametrize('content', ['', '{', '[]', '{"manifests": 3}'])
@pytest.mark.parametrize('typed', [f'list-aliases {REPO}', f'pull-blob {REPO} @a', f'push-blob {REPO} hello @b'])
def test_an_index_that_cannot_be_read_is_told_with_its_file(layout: Layout, typed: str, content: str, tmp_path: Path
                                                            ) -> None:
    file = Path(layout.path('index.json'))
    kept = file.read_bytes()
    file.write_bytes(content.encode())
    line = answered(host(layout), 1, *typed.split(), cwd=tmp_path)
    assert line.startswith(f'{file}: invalid ') and line.endswith('; put a good copy in its place')
    file.write_bytes(kept)
    Runner(host(layout)).run(*typed.split(), cwd=tmp_path).insist(0)


def test_a_marker_that_cannot_be_read_is_told_with_what_it_holds(layout: Layout) -> None:
    marker = Path(layout.path('oci-layout'))
    marker.write_bytes(b'x')
    line = answered(host(layout), 1, 'pull-blob', REPO, '@a')
    start, _, rest = line.partition('; put ')
    assert start == f'{marker}: invalid JSON: Expecting value'
    marker.write_bytes(rest.removesuffix(' into it').encode())
    assert Runner(host(layout)).run('pull-blob', REPO, '@a').insist(0).out == b'hello'


@pytest.mark.parametrize('kind', ['folder', 'open_registry'])
def test_the_command_for_a_second_name_of_an_alias_gives_it_one(kind: str, request: pytest.FixtureRequest, repo: str
                                                                ) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    with endpoint.dxf(repo) as repository:
        manifest = repository.set_alias('old', repository.push_blob(data=b'hello'))
    line = answered(endpoint.environ(), 2, 'set-alias', repo, 'new', 'old')
    command = line.partition('; an alias gets a second name by dxf ')[2].removesuffix(' (see dxf set-alias --help)')
    Runner(endpoint.environ()).run(*command.split()).insist(0)
    assert endpoint.dxf(repo).get_manifest('new') == manifest


def test_a_new_store_is_told_on_a_terminal_alone(tmp_path: Path) -> None:
    (tmp_path / 'hello').write_bytes(b'hello')
    (tmp_path / 'disk').mkdir()  # of a disk that is not mounted
    store, disk = {'DXF_HOST': f'oci:{tmp_path}/blobs', 'DXF_PROGRESS': '0'}, f'oci:{tmp_path}/disk'
    push = ('push-blob', REPO, str(tmp_path / 'hello'), '@a')
    assert on_terminal(store, *push, stdout=False).screen == [f'dxf: created a new store in {tmp_path}/blobs']
    assert on_terminal(store, *push, stdout=False).screen == []
    copied = on_terminal(store, 'copy', REPO, 'a', f'--to={disk}', stdout=False)
    assert copied.screen == [f'dxf: created a new store in {tmp_path}/disk']
    Runner({'DXF_HOST': f'oci:{tmp_path}/second'}).run(*push).insist(0)  # without a terminal nothing is told


@pytest.mark.parametrize('typed', ['pull-blob fred/other @a', f'pull-blob {REPO} @nope'])
def test_a_relative_store_that_lacks_something_is_told_with_its_whole_path(typed: str, layout: Layout) -> None:
    root = Path(layout.folder.removesuffix('/' + REPO))
    line = answered({'DXF_HOST': 'oci:./blobs'}, 2, *typed.split(), cwd=root.parent)
    assert line.endswith(f'; oci:./blobs is {root} here: write the whole path in DXF_HOST')
    line = answered(host(layout), 2, *typed.split(), cwd=root.parent)
    assert 'write the whole path' not in line


@pytest.mark.parametrize('typed', ['push-blob {repo} {file} @a', 'push-files {repo} a {file}',
                                   'copy {repo} a --to=oci:{closed}/new'])
def test_a_store_that_cannot_be_made_is_told_with_the_folder_that_cannot_be_written(typed: str, layout: Layout,
                                                                                    tmp_path: Path) -> None:
    closed = tmp_path / 'closed'
    closed.mkdir(mode=0o555)
    words = typed.format(repo=REPO, file=tmp_path / 'hello', closed=closed).split()
    store = host(layout) if words[0] == 'copy' else {'DXF_HOST': f'oci:{closed}/new'}
    line, = bound(Runner(store)).run(*words).insist(1).lines
    assert line == f'dxf: {closed}/new: Permission denied; the folder {closed} cannot be written to'


def test_the_hash_of_a_blob_behind_an_at_sign_is_told(layout: Layout) -> None:
    assert answered(host(layout), 2, 'pull-blob', REPO, f'@{BLOB}') == \
        f'404 Not Found: {REPO} has no manifest {BLOB}; the hash of a blob is written without the @'


def test_the_path_of_a_repository_is_told_with_the_option_for_its_folder(layout: Layout, tmp_path: Path) -> None:
    line = answered(host(layout), 2, 'pull-blob', f'./blobs/{REPO}', '@a', cwd=tmp_path)
    assert line.endswith('; a folder is given by --host=oci:PATH, and the repository is the path below it (see dxf '
                         'pull-blob --help)')


@pytest.mark.parametrize('sign', '@:')
def test_an_alias_of_another_repository_is_told_with_the_line_that_copies_it(sign: str, layout: Layout) -> None:
    line = answered(host(layout), 2, 'set-alias', 'fred/y', 'b', f'{REPO}{sign}a')
    words = line.partition('; dxf ')[2].partition(' (see')[0].split()
    assert words[:3] == ['copy', REPO, 'a']
    Runner(host(layout)).run(*words).insist(0)
    assert DXF(host(layout)['DXF_HOST'], 'fred/y').get_alias('b') == [BLOB]


def test_the_line_that_copies_an_alias_names_both_registries(layout: Layout, tmp_path: Path) -> None:
    line = answered({}, 2, 'set-alias', 'localhost:5000/fred/y', 'b', f'{REPO}:a', cwd=tmp_path)
    assert f'; dxf copy {REPO} a --host=localhost:5000 --to=localhost:5000 --to-repo=fred/y --to-alias=b (see' in line
    line = answered(host(layout), 2, 'set-alias', 'fred/y', 'b', f'localhost:5000/{REPO}:b', cwd=tmp_path)
    assert f'; dxf copy {REPO} b --host=localhost:5000 --to={host(layout)["DXF_HOST"]} --to-repo=fred/y (see' in line


@pytest.mark.parametrize(('typed', 'said'), [
    ('pull-blob {repo} @a -o {closed}/new', 'the folder {closed} cannot be written to'),
    ('pull-blob {repo} @a -o {closed}/old', 'the folder {closed} cannot be written to'),
    ('pull-files {repo} a --to {closed}/new', 'the folder {closed} cannot be written to'),
    ('restore {repo} @a --to {closed}', 'chmod u+w {closed} permits it'),
    ('push-blob {repo} hello @b', 'chmod u+w {store} permits it')])
def test_a_place_that_cannot_be_written_to_is_told_with_what_permits_it(typed: str, said: str, layout: Layout,
                                                                        tmp_path: Path) -> None:
    closed, store = tmp_path / 'closed', Path(layout.folder)
    closed.mkdir()
    (closed / 'old').touch()
    (tmp_path / 'hello').write_bytes(b'another')
    for path in (closed, store):
        path.chmod(0o555)
    words = typed.format(repo=REPO, closed=closed).split()
    line, = bound(Runner(host(layout))).run(*words, cwd=tmp_path).insist(1, 2).lines
    for path in (closed, store):
        path.chmod(0o755)
    assert line.partition(' (see')[0].endswith(f': Permission denied; {said.format(closed=closed, store=store)}')


@pytest.mark.parametrize('typed', ['pull-blob {repo} @a -o {disk}/old', 'pull-files {repo} a --to {disk}',
                                   'copy {repo} a --to=oci:{disk}/new'])
def test_no_permission_helps_on_a_read_only_file_system(typed: str, layout: Layout, tmp_path: Path) -> None:
    disk = tmp_path / 'disk'
    disk.mkdir()
    mount = f'mount -t tmpfs none {disk} && touch {disk}/old && mount -o remount,ro {disk} && exec "$@"'
    namespace = ('unshare', '-m') if os.geteuid() == 0 else ('unshare', '-rm')
    runner = Runner(host(layout), (*namespace, 'sh', '-c', mount, 'sh'))
    line, = runner.run(*typed.format(repo=REPO, disk=disk).split()).insist(1, 2).lines
    assert line.partition(' (see')[0].endswith(': Read-only file system')


@pytest.mark.parametrize(('name', 'said'), [
    ('.', 'without a name, all files are written'),
    ('*.txt', 'a folder stands for all that is in it, and no pattern is taken')])
def test_a_name_that_other_programs_take_is_told_with_what_to_write(name: str, said: str, layout: Layout,
                                                                    tmp_path: Path) -> None:
    Runner(host(layout)).run('push-files', REPO, 'files', 'hello', cwd=tmp_path).insist(0)
    assert answered(host(layout), 2, 'pull-files', REPO, 'files', name, f'--to={tmp_path}/new') == \
        f"there is no file '{name}' in it, but 'hello'; {said}"


def test_an_index_keeps_its_permissions_when_it_is_replaced(layout: Layout, tmp_path: Path) -> None:
    index = Path(layout.path('index.json'))
    index.chmod(0o664)
    run = Runner(host(layout), prefix=('sh', '-c', 'umask 077; exec "$@"', 'sh'))
    run.run('push-blob', REPO, tmp_path / 'hello', '@b').insist(0)
    assert index.stat().st_mode & 0o777 == 0o664


def test_on_a_terminal_it_is_told_that_an_alias_stays_without_its_blobs(layout: Layout) -> None:
    shown = on_terminal(host(layout), 'del-blob', REPO, '@a', stdout=False, columns=200).screen
    assert shown == [f'dxf: the blobs are deleted, and the alias a stays without them; dxf del-alias {REPO} a '
                     'deletes it']


@pytest.mark.parametrize('typed', ['del-alias {repo} a-2026-11-01', 'prune {repo} --keep-last=1 --delete'])
def test_on_a_terminal_it_is_told_that_the_blobs_stay_until_garbage_is_collected(layout: Layout, typed: str) -> None:
    client = DXF(host(layout)['DXF_HOST'], REPO)
    for day in '12':
        client.set_alias(f'a-2026-11-0{day}', client.push_blob(data=day.encode()))
    shown = on_terminal(host(layout), *typed.format(repo=REPO).split(), stdout=False, columns=200)
    assert shown.screen == [f'dxf: the blobs stay there; dxf gc {REPO} --delete deletes those that nothing names']
    assert not Runner(host(layout)).run('del-alias', REPO, 'a').insist(0).lines


@pytest.mark.parametrize(('typed', 'parent'), [('./birds', '.'), ('.', '..'), ('{}/birds', '{}'),
                                               ('x/birds', './x')])
def test_on_a_terminal_it_is_told_which_folder_has_the_names_of_an_alias(
        layout: Layout, tmp_path: Path, typed: str, parent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    birds = tmp_path / ('x' if typed.startswith('x') else '') / 'birds'
    birds.mkdir(parents=True)
    (birds / 'a.csv').write_text('21.5')
    run = Runner(host(layout))
    run.run('push-files', REPO, 'v2', 'birds', '--each', cwd=birds.parent).insist(0)
    monkeypatch.chdir(birds if typed == '.' else tmp_path)
    shown = on_terminal(host(layout), 'diff', REPO, 'v2', typed.format(tmp_path), stdout=False, columns=400)
    assert shown.screen == [f'dxf: the names in v2 begin with birds/: dxf diff {REPO} v2 {parent.format(tmp_path)} '
                            'compares the folder around it']
    ended = run.run('diff', REPO, 'v2', typed.format(tmp_path))
    assert (ended.status, ended.out, ended.lines) == (1, b'added - 4 a.csv\nremoved 4 - birds/a.csv\n', [])
    assert b'birds/a.csv' not in run.run('diff', REPO, 'v2', parent.format(tmp_path)).out
    birds.rename(birds.with_name('others'))
    assert not on_terminal(host(layout), 'diff', REPO, 'v2', str(birds.with_name('others')), stdout=False).screen


@pytest.mark.parametrize('typed', ['gc {repo}', 'prune {repo} --keep-last=1'])
def test_on_a_terminal_it_is_told_that_a_plan_has_deleted_nothing(layout: Layout, typed: str) -> None:
    client = DXF(host(layout)['DXF_HOST'], REPO)
    for day in '12':
        client.set_alias(f'a-2026-11-0{day}', client.push_blob(data=day.encode()))
    client.push_blob(data=b'unused')
    words = typed.format(repo=REPO).split()
    shown = on_terminal(host(layout), *words, stdout=False, columns=200)
    assert shown.screen == ['dxf: this is the plan: nothing was deleted, --delete does it']
    assert Runner(host(layout)).run(*words).insist(0).out
    Runner(host(layout)).run(*words, '--delete').insist(0)
    if words[0] == 'gc':
        assert not on_terminal(host(layout), *words, stdout=False, columns=200).screen


@pytest.mark.parametrize('typed', ['push-blob {repo} link @b', 'push-files {repo} b link'])
def test_a_link_to_what_is_not_there_is_told_with_what_it_leads_to(layout: Layout, typed: str, tmp_path: Path) -> None:
    (tmp_path / 'link').symlink_to('/mnt/gone')
    line = answered(host(layout), 2, *typed.format(repo=REPO).split(), cwd=tmp_path)
    assert line.partition(' (see')[0].endswith(': No such file or directory; it is a link to /mnt/gone')
