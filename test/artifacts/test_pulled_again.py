"""``pull-files`` into a folder that has files already: what is right stays, what differs is refused, and with
``--delete`` the folder becomes equal to the alias.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf import DXF, artifacts
from dxf.exceptions import DXFError

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.traffic import Traffic
from .test_artifacts import blob, run, set_artifact, tree
from .test_replacing import NAMESPACE

FILES = {'data/a.csv': b'robin\n' * 1000, 'data/in/b.csv': b'wren\n' * 1000, 'c.txt': b'finch\n'}


@pytest.fixture(name='source')
def make_source(tmp_path: Path) -> Path:
    """A folder with the files of an alias."""
    return write_all(tmp_path / 'source', FILES)


@pytest.fixture(name='client')
def make_client(folder: Endpoint, repo: str) -> DXF:
    """A repository in a folder, quick to write to."""
    return folder.dxf(repo)


def write_all(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def push(client: DXF, source: Path) -> None:
    """Store the files one by one, under the alias ``v1``."""
    artifacts.push_files(client, 'v1', [artifacts.File(str(source / name), name, 'text/plain') for name in FILES])


def blobs_fetched(traffic: Traffic) -> int:
    """Return how many blobs came."""
    return sum(one.method == 'GET' and '/blobs/' in one.path and one.status in (200, 206) for one in traffic.requests)


def pull(client: DXF, target: Path, **options: Any) -> dict[str, str]:
    """Pull all files; return what was done with each."""
    done: list[artifacts.FileAction] = []
    artifacts.pull_files(client, 'v1', str(target), on_file=done.append, **options)
    return {file.name: file.action for file in done}


def test_files_that_are_there_are_not_fetched(endpoint: Endpoint, repo: str, source: Path, tmp_path: Path,
                                              traffic: Traffic) -> None:
    client = endpoint.dxf(repo)
    push(client, source)
    target = write_all(tmp_path / 'target', {**FILES, 'other': b'stays'})
    (target / 'c.txt').unlink()
    before = (target / 'data' / 'a.csv').stat()
    traffic.clear()
    assert pull(client, target) == {'data/a.csv': 'skip', 'data/in/b.csv': 'skip', 'c.txt': 'fetch'}
    assert blobs_fetched(traffic) == 1
    after = (target / 'data' / 'a.csv').stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (target / 'c.txt').read_bytes() == FILES['c.txt'] and (target / 'other').exists()


def test_only_files_that_differ_are_refused_or_replaced_whatever_their_times_say(
        client: DXF, source: Path, tmp_path: Path, traffic: Traffic) -> None:
    push(client, source)
    target = write_all(tmp_path / 'target', {**FILES, 'data/a.csv': b'ROBIN\n' * 1000})
    same = (source / 'data' / 'a.csv').stat()
    os.utime(target / 'data' / 'a.csv', ns=(same.st_atime_ns, same.st_mtime_ns))
    before = tree(target)
    traffic.clear()
    with pytest.raises(FileExistsError, match='--overwrite') as raised:
        pull(client, target)
    assert raised.value.filename == 'data/a.csv'
    assert (blobs_fetched(traffic), tree(target)) == (0, before)
    assert pull(client, target, overwrite=True) == {'data/a.csv': 'fetch', 'data/in/b.csv': 'skip', 'c.txt': 'skip'}
    assert (blobs_fetched(traffic), tree(target)) == (1, tree(source))


def test_a_link_or_a_folder_in_the_place_of_a_file_is_not_taken_for_it(client: DXF, source: Path, tmp_path: Path
                                                                      ) -> None:
    push(client, source)
    target = write_all(tmp_path / 'target', FILES)
    (target / 'c.txt').rename(tmp_path / 'elsewhere')
    (target / 'c.txt').symlink_to('../elsewhere')
    with pytest.raises(FileExistsError, match='is no file'):
        pull(client, target, overwrite=True)
    (target / 'c.txt').unlink()
    (target / 'c.txt').mkdir()
    with pytest.raises(FileExistsError, match='is no file'):
        pull(client, target, overwrite=True)


def test_a_name_of_a_folder_stands_for_the_files_in_it(client: DXF, source: Path, tmp_path: Path) -> None:
    push(client, source)
    found = artifacts.pull_files(client, 'v1', str(tmp_path / 'target'), names=['./data/in/', 'c.txt'])
    assert found.names == ['data/in/b.csv', 'c.txt']
    with pytest.raises(DXFError, match="no file 'dat' in it"):
        artifacts.pull_files(client, 'v1', str(tmp_path / 'target'), names=['dat'])


def test_a_pipe_in_the_place_of_an_empty_file_is_not_taken_for_it(client: DXF, tmp_path: Path) -> None:
    set_artifact(client, 'v1', [blob(b'', 'empty')], [b''])
    os.mkfifo(tmp_path / 'empty')
    with pytest.raises(FileExistsError, match='is no file'):
        pull(client, tmp_path, overwrite=True)


def test_arguments_that_mean_nothing_are_refused(client: DXF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                 ) -> None:
    arguments: Any = [({'max_delete': 'x'}, TypeError, 'max_delete is an int'),
                      ({'max_delete': -1}, ValueError, 'at least 0'),
                      ({'on_file': 'x'}, TypeError, 'on_file is a function'), ({'delete': 'x'}, TypeError, 'delete'),
                      ({'delete': True}, ValueError, 'delete needs a folder'),
                      ({'delete': True, 'folder': ''}, ValueError, 'the path of the folder is empty'),
                      ({'delete': True, 'folder': str(tmp_path), 'names': ['a']}, ValueError, 'takes no names')]
    monkeypatch.chdir(tmp_path)  # should it delete something, then here
    for given, error, text in arguments:
        with pytest.raises(error, match=text):
            artifacts.pull_files(client, 'v1', **given)


@pytest.mark.parametrize('jobs', [1, 4])
def test_files_of_an_archive_that_are_there_are_not_written_again(folder: Endpoint, repo: str, source: Path,
                                                                  tmp_path: Path, jobs: int) -> None:
    client = DXF(folder.host, repo, jobs=jobs)
    (source / 'run').write_text('run')
    (source / 'run').chmod(0o700)
    (source / 'empty').write_bytes(b'')
    artifacts.push_files(client, 'v1', [artifacts.File(str(source), 'd', 'application/x')])
    target = tmp_path / 'target'
    assert pull(client, target) == {'d': 'fetch'}
    inodes = {path: path.stat().st_ino for path in target.rglob('*')}
    assert pull(client, target) == {'d': 'fetch'}
    assert {path: path.stat().st_ino for path in target.rglob('*')} == inodes
    (target / 'd' / 'c.txt').write_bytes(FILES['c.txt'].upper())
    with pytest.raises(FileExistsError, match='--overwrite') as raised:
        pull(client, target)
    assert raised.value.filename == 'd/c.txt'
    pull(client, target, overwrite=True)
    assert tree(target / 'd') == tree(source)
    changed = {path.name for path, inode in inodes.items() if path.stat().st_ino != inode}
    assert changed == {'c.txt'}
    (target / 'd' / 'run').chmod(0o600)
    pull(client, target, overwrite=True)
    assert (target / 'd' / 'run').stat().st_mode & 0o100


# --delete


@pytest.fixture(name='crowded')
def make_crowded(tmp_path: Path) -> Path:
    """A folder with files of the alias, old and right ones, and much else; something that must stay is beside it."""
    target = write_all(tmp_path / 'target', {'data/a.csv': FILES['data/a.csv'], 'c.txt': b'old', 'more/x/y': b'y',
                                             'data/old.csv': b'old', 'data/.hidden': b'', '.profile': b'p'})
    (target / 'empty' / 'in').mkdir(parents=True)
    write_all(tmp_path / 'outside', {'f': b'f'})
    (target / 'link').symlink_to('../outside')
    (target / 'more' / 'gone').symlink_to('nowhere')
    os.mkfifo(target / 'data' / 'fifo')
    return target


EXTRAS = ['.profile', 'data/.hidden', 'data/fifo', 'data/old.csv', 'link', 'more/gone', 'more/x/y']


def test_a_folder_becomes_equal_to_the_alias(endpoint: Endpoint, repo: str, source: Path, crowded: Path,
                                             capfd: pytest.CaptureFixture[str]) -> None:
    push(endpoint.dxf(repo), source)
    args = ('pull-files', repo, 'v1', '--to', str(crowded), '--delete')
    plan = run(capfd, endpoint, *args, '--dry-run').splitlines()
    assert (crowded / 'link').is_symlink()
    assert plan[:3] == ['skip data/a.csv 6000', 'fetch data/in/b.csv 5000', 'fetch c.txt 6']
    assert [line.split()[:2] for line in plan[3:-1]] == [['delete', name] for name in EXTRAS]
    assert plan[-1] == 'total 5006'
    printed = run(capfd, endpoint, *args, '--max-delete=7').splitlines()
    assert printed == [*FILES, *(f'delete {name}' for name in EXTRAS)]
    assert tree(crowded) == tree(source)
    assert (crowded.parent / 'outside' / 'f').read_bytes() == b'f'
    found = [json.loads(line) for line in run(capfd, endpoint, *args, '--json').splitlines()]
    assert [(one['action'], one['name'], one['size']) for one in found] == [
        ('skip', name, len(content)) for name, content in FILES.items()]
    (crowded / 'data' / 'z').write_text('zz')
    assert json.loads(run(capfd, endpoint, *args, '--json').splitlines()[-1]) == {
        'action': 'delete', 'name': 'data/z', 'size': 2}


def test_what_an_archive_brings_is_not_deleted(client: DXF, source: Path, crowded: Path) -> None:
    (source / 'data' / 'empty').mkdir()
    artifacts.push_files(client, 'v1', [artifacts.File(str(source / 'data'), 'data', 'application/x')])
    with pytest.raises(DXFError, match='is known only when it is fetched'):
        artifacts.plan_pull(client, 'v1', str(crowded), delete=True)
    pull(client, crowded, delete=True)
    assert tree(crowded / 'data') == tree(source / 'data')
    assert os.listdir(crowded) == ['data']


def refused(endpoint: Endpoint, *args: str) -> tuple[int, str]:
    """Run a command that must fail; return its status and the one line of its error."""
    ended = Runner(endpoint.environ()).run(*args)
    assert len(ended.lines) == 1, ended
    return ended.status, ended.lines[0]


def test_a_deletion_that_would_go_too_far_changes_nothing(folder: Endpoint, repo: str, source: Path, crowded: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    client = folder.dxf(repo)
    push(client, source)
    monkeypatch.chdir(crowded)  # should it delete something, then here
    before = sorted(str(path) for path in crowded.rglob('*'))
    args = ('pull-files', repo, 'v1', '--delete')
    assert refused(folder, *args, '--to', str(crowded), '--max-delete=6') == (
        1, 'dxf: 7 files would be deleted, and --max-delete allows 6: nothing was changed')
    assert refused(folder, *args) == (
        2, 'dxf: too few arguments: --delete needs --to=DIR: everything in that folder is deleted but the files of the '
        'alias (see dxf pull-files --help)')
    assert refused(folder, *args, 'c.txt', '--to', str(crowded))[0] == 2
    assert refused(folder, *args, '--to', str(crowded), '--max-delete=-1')[0] == 2
    assert refused(folder, 'pull-files', repo, 'v1', '--max-delete=1')[0] == 2
    assert refused(folder, 'pull-files', repo, 'v2', '--delete', '--to', str(crowded))[0] == 2
    client.set_alias('v1', client.push_blob(data=b'no name'))
    status, line = refused(folder, *args, '--to', str(crowded))
    assert (status, 'no blob has a name' in line) == (1, True)
    assert sorted(str(path) for path in crowded.rglob('*')) == before
    assert (crowded / 'c.txt').read_bytes() == b'old'


def test_an_alias_without_files_and_one_with_nameless_blobs_delete_nothing(client: DXF, source: Path, crowded: Path
                                                                           ) -> None:
    (source / 'empty').mkdir()
    artifacts.push_files(client, 'v1', [artifacts.File(str(source / 'empty'), 'data', 'application/x')])
    before = sorted(str(path) for path in crowded.rglob('*'))
    with pytest.raises(DXFError, match='there are no files in it, so nothing is deleted'):
        pull(client, crowded, delete=True)
    set_artifact(client, 'v1', [blob(b'a', 'c.txt'), blob(b'b')], [b'a', b'b'])
    with pytest.raises(DXFError, match='1 blob has no name'):
        pull(client, crowded, delete=True)
    assert sorted(str(path) for path in crowded.rglob('*')) == before


def test_a_registry_that_is_in_the_folder_is_not_deleted(folder: Endpoint, repo: str, source: Path) -> None:
    client = folder.dxf(repo)
    push(client, source)
    for target in (folder.registry.storage, folder.registry.storage.parent):
        with pytest.raises(DXFError, match='holds the registry oci:'):
            pull(client, target, delete=True)
        with pytest.raises(DXFError, match='holds the registry oci:'):
            artifacts.plan_pull(client, 'v1', str(target), delete=True)
    assert client.list_aliases() == ['v1']


@pytest.mark.parametrize('inner', ['', 'blobs/sha256', 'new'])
def test_a_folder_that_is_in_the_registry_loses_nothing(folder: Endpoint, repo: str, source: Path, inner: str) -> None:
    client = folder.dxf(repo)
    push(client, source)
    before = sorted(str(path) for path in folder.registry.storage.rglob('*'))
    target = folder.registry.storage / repo / inner
    for call in (artifacts.pull_files, artifacts.plan_pull):
        with pytest.raises(DXFError, match='is in the registry oci:.*nothing was changed'):
            call(client, 'v1', str(target), delete=True)
    assert sorted(str(path) for path in folder.registry.storage.rglob('*')) == before


@pytest.mark.parametrize('damage', ['missing', 'other'])
def test_nothing_is_deleted_before_all_files_are_verified(folder: Endpoint, repo: str, source: Path, crowded: Path,
                                                          damage: str) -> None:
    client = folder.dxf(repo)
    push(client, source)
    before = sorted(str(path) for path in crowded.rglob('*'))
    file = folder.file_of(repo, dxf.hash_bytes(FILES['c.txt']))
    if damage == 'missing':
        file.unlink()
    else:
        file.chmod(0o600)
        file.write_bytes(FILES['c.txt'].upper())
    with pytest.raises(DXFError):
        pull(client, crowded, delete=True)
    assert sorted(str(path) for path in crowded.rglob('*')) == before
    assert (crowded / 'c.txt').read_bytes() == b'old'


def test_a_file_that_the_disk_knows_by_another_spelling_is_not_deleted(client: DXF, source: Path, crowded: Path
                                                                       ) -> None:
    """A hard link stands for a file system that ignores upper and lower case."""
    push(client, source)
    os.link(crowded / 'data' / 'a.csv', crowded / 'data' / 'A.csv')
    (crowded / 'C.TXT').write_bytes(b'another file')
    pull(client, crowded, delete=True)
    assert tree(crowded) == {**tree(source), 'data/A.csv': FILES['data/a.csv']}


MOUNTED = """
mkdir {0}/data/m {0}/../m && touch {0}/../m/precious && mount --bind {0}/../m {0}/data/m &&
{1} -m dxf pull-files {2} v1 --delete --to {0}
"""


def test_another_file_system_within_the_folder_is_never_entered(folder: Endpoint, repo: str, source: Path, crowded: Path
                                                                ) -> None:
    push(folder.dxf(repo), source)
    done = subprocess.run([*NAMESPACE, 'sh', '-c', MOUNTED.format(crowded, sys.executable, repo)], timeout=60,
                          capture_output=True, text=True, check=False, env={**os.environ, **folder.environ()})
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr == 'dxf: data/m: another file system is mounted there, and --delete does not enter it\n'
    assert (crowded.parent / 'm' / 'precious').exists() and (crowded / 'c.txt').read_bytes() == b'old'


KILLED = """
import os, shutil, sys
from dxf.layout.adapter import LayoutAdapter
from dxf.main import doit
host, repo, crowded = sys.argv[1:]
count, fork = 0, os.fork

def dying(function):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == last:
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return call
LayoutAdapter.send = dying(LayoutAdapter.send)
for name in ('link', 'replace', 'rename', 'unlink', 'rmdir'):
    setattr(os, name, dying(getattr(os, name)))
status, last = 9, 0
while status == 9:
    last, count = last + 1, -1000
    target = f'{crowded}{last}'
    shutil.copytree(crowded, target, symlinks=True, ignore=shutil.ignore_patterns('fifo'))
    child = fork()
    if not child:
        count = 0
        args = ['pull-files', repo, 'v1', '--delete', '--to', target]
        os._exit(doit(args, {'DXF_HOST': host, 'DXF_JOBS': '1'}))
    status = os.waitpid(child, 0)[1]
sys.exit(status)
"""


def test_a_process_that_is_killed_at_any_step_loses_no_file_of_the_alias(folder: Endpoint, repo: str, source: Path,
                                                                         crowded: Path) -> None:
    push(folder.dxf(repo), source)
    done = subprocess.run([sys.executable, '-c', KILLED, folder.host, repo, str(crowded)], timeout=300,
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    targets = sorted(crowded.parent.glob('target?*'), key=lambda path: int(path.name.removeprefix('target')))
    assert len(targets) > 15 and tree(targets[-1]) == tree(source)
    for target in targets:
        is_done = {name: (target / name).exists() and (target / name).read_bytes() == content
                   for name, content in FILES.items()}
        assert is_done['data/a.csv'] and (is_done['c.txt'] or (target / 'c.txt').read_bytes() == b'old')
        if not all((target / name).is_symlink() or (target / name).exists() for name in EXTRAS if 'fifo' not in name):
            assert all(is_done.values())
        assert pull(folder.dxf(repo), target, delete=True)
        assert tree(target) == tree(source)
