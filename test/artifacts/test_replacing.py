"""``pull-files --overwrite`` replaces files, or leaves them as they are: no file is lost, whatever fails and wherever.

Which names are safe is the subject of test_unpacking.
"""

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from dxf import artifacts
from dxf.artifacts.staging import StagedFiles
from dxf.cli.error_messages import line_of

from ..helpers.endpoints import Endpoint
from .test_artifacts import tree

OLD, NEW = b'old', b'new'


def refuse(*_: Any, **__: Any) -> None:
    """Refuse, as Linux does with links of another owner's files, and file systems that have no links."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture(name='target')
def make_target(tmp_path: Path) -> Path:
    """A folder with files that are there already."""
    target = tmp_path / 'target'
    (target / 'in').mkdir(parents=True)
    for name in ('a', 'in/b', 'c'):
        (target / name).write_bytes(OLD)
    return target


BEFORE = {'a': OLD, 'in': None, 'in/b': OLD, 'c': OLD}


@pytest.fixture(name='links', params=[True, False], ids=['links', 'no links'], autouse=True)
def choose_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that allows hard links, and one that does not."""
    if not request.param:
        monkeypatch.setattr(os, 'link', refuse)


def test_all_files_are_replaced(target: Path) -> None:
    with StagedFiles(str(target), overwrite=True) as intake:
        for path in ('a', 'in/b', 'c', 'in/new'):
            intake.add(path, [NEW])
        intake.publish()
    assert tree(target) == {'a': NEW, 'in': None, 'in/b': NEW, 'c': NEW, 'in/new': NEW}


def test_a_replaced_file_keeps_its_permissions(folder: Endpoint, repo: str, target: Path, tmp_path: Path) -> None:
    """What only its owner could read must not become readable for all. An archive says what is executable."""
    source = tmp_path / 'source'
    (source / 'in').mkdir(parents=True)
    for name, mode in (('a', 0o644), ('in/b', 0o755), ('c', 0o644), ('in/d', 0o644)):
        (source / name).write_bytes(NEW)
        (source / name).chmod(mode)
    (target / 'in' / 'd').write_bytes(OLD)
    for name, mode in (('a', 0o600), ('in/b', 0o640), ('c', 0o755), ('in/d', 0o710)):
        (target / name).chmod(mode)
    client = folder.dxf(repo)
    artifacts.push_files(client, 'v1', [artifacts.File(str(source / name), name, 'text/plain')
                                        for name in ('a', 'in', 'c')])
    artifacts.pull_files(client, 'v1', str(target), overwrite=True)
    assert tree(target) == {**dict.fromkeys(BEFORE, NEW), 'in': None, 'in/d': NEW}
    assert {name: stat.S_IMODE((target / name).stat().st_mode) for name in ('a', 'in/b', 'c', 'in/d')} == {
        'a': 0o600, 'in/b': 0o750, 'c': 0o755, 'in/d': 0o600}


def test_a_file_that_was_replaced_comes_back_when_a_later_one_fails(target: Path) -> None:
    with StagedFiles(str(target), overwrite=True) as intake:
        for path in ('a', 'in/b', 'new', 'c'):
            intake.add(path, [NEW])
        (target / 'c').unlink()
        (target / 'c').mkdir()
        with pytest.raises(FileExistsError) as raised:
            intake.publish()
    assert raised.value.filename == 'c'
    assert tree(target) == {**BEFORE, 'c': None}


@pytest.mark.parametrize('at', ['replace', 'rename'])
def test_an_error_names_the_file_of_the_user(target: Path, at: str, monkeypatch: pytest.MonkeyPatch,
                                             request: pytest.FixtureRequest) -> None:
    failing = getattr(os, at)
    failed: list[str] = []

    def fail_at_c(source: str, name: str, **folders: int) -> None:
        if 'c' in (source, name) and not failed:
            failed.append(name)
            raise OSError(errno.EIO, os.strerror(errno.EIO), source, None, name)
        failing(source, name, **folders)
    if at == 'rename' and 'no links' not in request.node.name:
        monkeypatch.setattr(os, 'link', refuse)
    with StagedFiles(str(target), overwrite=True) as intake:
        for path in ('a', 'in/b', 'c'):
            intake.add(path, [NEW])
        with monkeypatch.context() as patch:
            patch.setattr(os, at, fail_at_c)
            with pytest.raises(OSError) as raised:
                intake.publish()
    assert line_of(raised.value) == 'c: Input/output error'
    assert tree(target) == BEFORE


def test_a_file_that_cannot_be_put_back_is_kept_and_the_error_says_where(target: Path, monkeypatch: pytest.MonkeyPatch
                                                                       ) -> None:
    whole = os.replace
    seen: list[str] = []

    def fail_after_two(source: str, name: str, **folders: int) -> None:
        seen.append(name)
        if len(seen) > 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO), source)
        whole(source, name, **folders)
    with pytest.raises(OSError, match='could not be put back') as raised:
        with StagedFiles(str(target), overwrite=True) as intake:
            for path in ('a', 'c'):
                intake.add(path, [NEW])
            monkeypatch.setattr(os, 'replace', fail_after_two)
            intake.publish()
    kept = Path(raised.value.filename)
    assert kept.parent == target and OLD in [path.read_bytes() for path in kept.iterdir()]
    assert line_of(raised.value).startswith(f'{kept}: ')


KILLED = '''
import os, sys
from dxf.artifacts.staging import StagedFiles
target, links, place = sys.argv[1:]

def refuse(*_, **__):
    raise PermissionError(1, 'no links')

def die(source, name, **folders):
    if name == 'b':
        if place == 'after':
            whole(source, name, **folders)
        os.kill(os.getpid(), 9)
    whole(source, name, **folders)
if links == 'no':
    os.link = refuse
whole, os.replace = os.replace, die
with StagedFiles(target, overwrite=True) as intake:
    for path in ('a', 'in/b', 'c'):
        intake.add(path, [b'new'])
    intake.publish()
'''


@pytest.mark.parametrize('endpoint', ['before', 'after'])
def test_what_a_process_was_replacing_when_it_was_killed_is_there_after_the_next(
        target: Path, endpoint: str, request: pytest.FixtureRequest) -> None:
    links = 'no' if 'no links' in request.node.name else 'yes'
    done = subprocess.run([sys.executable, '-c', KILLED, str(target), links, endpoint], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (target / 'in' / 'b').exists() is (endpoint == 'after' or links == 'yes')
    with StagedFiles(str(target)) as intake:
        intake.add('d', [NEW])
        intake.publish()
    assert tree(target) == {**BEFORE, 'a': NEW, 'in/b': NEW if endpoint == 'after' else OLD, 'd': NEW}


def test_what_a_killed_process_left_is_never_put_in_the_place_of_something_newer(target: Path) -> None:
    subprocess.run([sys.executable, '-c', KILLED, str(target), 'no', 'before'], timeout=60, check=False)
    (target / 'in' / 'b').write_bytes(b'newer')
    with StagedFiles(str(target)):
        pass
    assert tree(target) == {**BEFORE, 'a': NEW, 'in/b': b'newer'}


@pytest.mark.parametrize('name', ['../victim', '/etc/dxf-victim', 'link/victim', '', '.', 'in/../../victim',
                                  'nothing/a'])
def test_what_is_put_back_does_not_leave_the_folder(target: Path, name: str) -> None:
    (target.parent / 'elsewhere').mkdir()
    (target / 'link').symlink_to('../elsewhere')
    left = target / '.dxf-files.planted'
    left.mkdir()
    (left / '1.old').write_bytes(OLD)
    (left / '1.name').write_text(name)
    with StagedFiles(str(target)):
        pass
    assert sorted(os.listdir(target.parent)) == ['elsewhere', 'target']
    assert os.listdir(target.parent / 'elsewhere') == [] and not Path('/etc/dxf-victim').exists()
    assert sorted(os.listdir(left)) == ['1.name', '1.old']     # as it cannot be put back, it is not removed either


OTHER = '''
import os, sys
from dxf.artifacts.staging import StagedFiles
with StagedFiles(sys.argv[1], overwrite=True) as intake:
    for path in ('a', 'c'):
        intake.add(path, [b'new'])
    os.rmdir(sys.argv[1] + '/later') if sys.argv[2] == 'well' else None
    intake.add('later', [b'new'])
    intake.publish()
'''


@pytest.mark.parametrize('ending', ['well', 'badly'])
def test_files_of_another_owner_are_replaced_or_stay(ending: str) -> None:
    with tempfile.TemporaryDirectory() as name:     # pytest closes its own folders to others
        target = Path(name)
        target.chmod(0o777)
        (target / 'later').mkdir()
        for file in ('a', 'c'):
            (target / file).write_bytes(OLD)
            (target / file).chmod(0o600)
            if os.geteuid() == 0:
                os.chown(target / file, 12345, 12345)
        # in a namespace of its own, root may not do everything with the files of others
        done = subprocess.run(['unshare', '-r', sys.executable, '-c', OTHER, name, ending], timeout=60, check=False,
                              capture_output=True, text=True)
        if ending == 'well':
            assert done.returncode == 0, done.stderr
            assert tree(target) == {'a': NEW, 'c': NEW, 'later': NEW}
        else:
            assert 'FileExistsError' in done.stderr
            assert tree(target) == {'a': OLD, 'c': OLD, 'later': None}


# Mount points


NAMESPACE = ['unshare', '-m'] if os.geteuid() == 0 else ['unshare', '-rm']
TMPFS = 'mkdir -p {0}/m && mount -t tmpfs -o size=1m none {0}/m && '
BIND = 'mkdir -p {0}/m {0}/../other && mount --bind {0}/../other {0}/m && '
MOUNTS = {'another file system': TMPFS, 'the same file system once more': BIND}
CHECKED = '; status=$?; cat {0}/a {0}/m/a {0}/m/new {0}/new 2> /dev/null; ls -A {0} {0}/m; exit $status'


def pulled(folder: Endpoint, repo: str, target: Path, script: str, *names: str) -> tuple[int, str, str]:
    """Pull files within a namespace of mounts of its own; return the status, what is there then, and the errors."""
    (target.parent / 'source' / 'm').mkdir(parents=True)
    for name in names:
        (target.parent / 'source' / name).write_bytes(NEW if 'large' not in name else bytes(3 << 20))
    client = folder.dxf(repo)
    artifacts.push_files(client, 'a', [artifacts.File(str(target.parent / 'source' / name), name, 'text/plain')
                                       for name in names])
    pull = f'{sys.executable} -m dxf pull-files {repo} a --overwrite --to {target} > /dev/null'
    done = subprocess.run([*NAMESPACE, 'sh', '-c', (script + pull + CHECKED).format(target)], capture_output=True,
                          text=True, timeout=60, check=False, env={**os.environ, **folder.environ()})
    return done.returncode, done.stdout, done.stderr


LISTED = '{0}:\na\nc\nin\nm\n{1}\n{0}/m:\n{2}'


@pytest.mark.parametrize('mount', MOUNTS.values(), ids=MOUNTS)
def test_files_below_a_mount_point_are_pulled(folder: Endpoint, repo: str, target: Path, mount: str) -> None:
    prepare = mount + 'printf old > {0}/m/a && '
    status, out, problems = pulled(folder, repo, target, prepare, 'a', 'm/a', 'm/new', 'new')
    assert (status, problems) == (0, '')
    assert out == 'new' * 4 + LISTED.format(target, 'new\n', 'a\nnew\n')


@pytest.mark.parametrize('mount', MOUNTS.values(), ids=MOUNTS)
def test_files_below_a_mount_point_come_back_when_a_later_one_fails(folder: Endpoint, repo: str, target: Path,
                                                                    mount: str
                                                                    ) -> None:
    prepare = mount + 'printf old > {0}/m/a && touch {0}/c2 && mount --bind {0}/c {0}/c2 && '
    status, out, problems = pulled(folder, repo, target, prepare, 'a', 'm/a', 'm/new', 'c2')
    assert (status, problems) == (1, 'dxf: c2: Device or resource busy\n')
    assert out == 'old' * 2 + LISTED.format(target, '', 'a\n').replace('\nc\n', '\nc\nc2\n')


def test_a_full_disk_below_a_mount_point_is_told_before_any_file_appears(folder: Endpoint, repo: str, target: Path
                                                                         ) -> None:
    prepare = TMPFS + 'printf old > {0}/m/a && '
    status, out, problems = pulled(folder, repo, target, prepare, 'a', 'm/a', 'm/large')
    assert (status, problems) == (
        1, 'dxf: m/large: No space left on device; free space there, then repeat the command\n')
    assert out == 'old' * 2 + LISTED.format(target, '', 'a\n')


def test_a_mount_point_that_is_read_only_is_named(folder: Endpoint, repo: str, target: Path) -> None:
    prepare = TMPFS + 'printf old > {0}/m/a && mount -o remount,ro {0}/m && '
    status, out, problems = pulled(folder, repo, target, prepare, 'a', 'm/a')
    assert (status, problems) == (1, 'dxf: m/a: Read-only file system\n')
    assert out == 'old' * 2 + LISTED.format(target, '', 'a\n')
