"""The commands backup, restore and list-files: what they print, what they ask of a registry, what they refuse."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dxf import DXF, snapshots
from dxf.cli import snapshot_commands
from dxf.main import doit

from ..artifacts.test_replacing import NAMESPACE
from ..helpers.endpoints import Endpoint
from ..helpers.layouts import bound, under
from ..helpers.layouts import snapshot as all_in
from ..helpers.processes import Runner
from ..helpers.terminals import on_terminal
from ..helpers.traffic import Traffic
from ..helpers.trees import described
from ..servers.scripted_registry import REPO, Answer, Request, ScriptedRegistry, error
from .test_hostile_indexes import store_entries

CONTENT = b'readings of May 15th\n' * 5000


@pytest.fixture(name='source')
def make_source(tmp_path: Path) -> Path:
    """A folder with a few files."""
    source = tmp_path / 'source'
    (source / 'a' / 'b').mkdir(parents=True)
    (source / 'a' / 'x').write_bytes(os.urandom(200_000))
    (source / 'a-b').write_bytes(CONTENT)
    (source / 'a' / 'b' / 'empty').write_bytes(b'')
    (source / 'link').symlink_to('a/x')
    os.link(source / 'a' / 'x', source / 'z')
    return source


def run(capfd: pytest.CaptureFixture[str], endpoint: Endpoint, *args: str | Path, status: int = 0) -> tuple[str, str]:
    """Run a command, and return what it printed on standard output and standard error."""
    assert doit([str(arg) for arg in args], endpoint.environ()) == status
    out, err = capfd.readouterr()
    return out, err


def test_a_folder_is_stored_listed_and_restored(endpoint: Endpoint, repo: str, source: Path, tmp_path: Path,
                                                capfd: pytest.CaptureFixture[str]) -> None:
    out, err = run(capfd, endpoint, 'backup', repo, source, '@nightly', '--json')
    said = json.loads(out)
    assert err == ''
    assert (said['files'], said['bytes'], said['read'], said['packs']) == (3, 200_000 + len(CONTENT), 3, 1)
    assert said['digest'] == endpoint.dxf(repo).manifest_digest('nightly')
    assert run(capfd, endpoint, 'list-files', repo, '@nightly')[0] == 'a\na-b\na/b\na/b/empty\na/x\nlink\nz\n'
    assert run(capfd, endpoint, 'restore', repo, '@nightly', '--to', tmp_path / 'new') == ('a-b\na/b/empty\na/x\n', '')
    assert described(tmp_path / 'new') == described(source)


def test_all_files_are_printed_if_there_are_more_than_are_printed_at_once(
        folder: Endpoint, repo: str, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_commands, 'LINES', 2)
    run(capfd, folder, 'backup', repo, source, '@nightly')
    assert run(capfd, folder, 'restore', repo, '@nightly', '--to', tmp_path / 'new') == ('a-b\na/b/empty\na/x\n', '')


def test_a_second_backup_sends_what_is_new_in_few_requests(token_registry: Endpoint, repo: str, source: Path,
                                                           traffic: Traffic, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(300):
        (source / f'{number}').write_bytes(os.urandom(8000))
    run(capfd, token_registry, 'backup', repo, source, '@nightly')
    (source / '7').write_bytes(os.urandom(9000))
    with (source / 'a' / 'x').open('r+b') as file:
        file.write(b'changed')
    traffic.clear()
    said = json.loads(run(capfd, token_registry, 'backup', repo, source, '@nightly', '--json')[0])
    assert len(traffic.requests) <= 12, traffic.lines()
    assert said['read'] == 2
    assert said['sent'] < 9000 + 5 * (64 << 10)  # the chunks that changed, and the index


def test_a_file_of_the_same_size_and_time_is_not_read_again(folder: Endpoint, repo: str, source: Path, tmp_path: Path,
                                                            capfd: pytest.CaptureFixture[str]) -> None:
    run(capfd, folder, 'backup', repo, source, '@nightly')
    path = source / 'a-b'
    before = path.stat()
    path.write_bytes(bytes(reversed(CONTENT)))
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    run(capfd, folder, 'backup', repo, source, '@nightly')
    run(capfd, folder, 'restore', repo, '@nightly', 'a-b', '--to', tmp_path / 'old')
    assert (tmp_path / 'old' / 'a-b').read_bytes() == CONTENT
    run(capfd, folder, 'backup', repo, source, '@nightly', '--read-all')
    run(capfd, folder, 'restore', repo, '@nightly', 'a-b', '--to', tmp_path / 'new')
    assert (tmp_path / 'new' / 'a-b').read_bytes() == bytes(reversed(CONTENT))


def test_sockets_and_pipes_are_left_out_and_told(folder: Endpoint, repo: str, source: Path,
                                                 capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(source / 'pipe')
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(source / 'socket'))
        out, err = run(capfd, folder, 'backup', repo, source, '@nightly')
    assert out.startswith('sha256:')
    assert err == 'dxf: left out: pipe: a named pipe\ndxf: left out: socket: a socket\n'
    assert 'pipe' not in run(capfd, folder, 'list-files', repo, '@nightly')[0]


def test_a_full_disk_is_one_line_and_leaves_no_half_file(folder: Endpoint, repo: str, source: Path, tmp_path: Path,
                                                         capfd: pytest.CaptureFixture[str]) -> None:
    run(capfd, folder, 'backup', repo, source, '@nightly')
    runner = under(Runner(folder.environ()), 'ulimit -f 100')  # kibibytes, or half of that
    line, = runner.run('restore', repo, '@nightly', '--to', tmp_path / 'new').insist(1).lines
    assert 'File too large' in line
    found = [path for path in (tmp_path / 'new').rglob('*') if path.is_file()]
    assert all(path.read_bytes() == (source / path.relative_to(tmp_path / 'new')).read_bytes() for path in found)


@pytest.mark.parametrize('command', [['restore', '--to', 'new'], ['list-files', 'a']])
def test_an_alias_that_is_no_snapshot_is_named_with_what_reads_it(folder: Endpoint, repo: str, source: Path,
                                                                  monkeypatch: pytest.MonkeyPatch, command: list[str]
                                                                  ) -> None:
    monkeypatch.chdir(source)
    runner = Runner(folder.environ())
    runner.run('push-files', repo, 'files', 'a-b').insist(0)
    runner.run('push-blob', repo, 'a-b', '@blob').insist(0)
    runner.run('backup', repo, '.', '@night').insist(0)
    if command[0] == 'restore':
        line, = runner.run('restore', repo, '@files', *command[1:]).insist(1).lines
        assert line == f'dxf: files is no snapshot: dxf pull-files {repo} files fetches its files'
        line, = runner.run('restore', repo, '@blob', *command[1:]).insist(1).lines
        assert line == f'dxf: blob is no snapshot: dxf pull-blob {repo} @blob fetches its blobs, and dxf verify ' \
            f'{repo} FILE... blob compares files with them'
        assert runner.run('verify', repo, '@blob').insist(1).lines == [line]
        listed = runner.run('list-aliases', repo, '--long').insist(0).out.decode().splitlines()
        assert [line.split()[-1] for line in listed] == ['blobs', 'files', 'snapshot']
    else:
        assert runner.run('list-files', repo, '@files').insist(0).out == b'a-b\n'
        assert runner.run('list-files', repo, '@files', 'a').insist(2).out == b''
        assert runner.run('list-files', repo, '@missing').insist(2).out == b''


def test_a_snapshot_in_place_of_files_is_named_with_its_command(folder: Endpoint, repo: str, source: Path) -> None:
    runner = Runner(folder.environ())
    runner.run('backup', repo, str(source), '@night').insist(0)
    wanted = f'it is a snapshot: dxf restore {repo} @night --to=DIR fetches its files, and dxf pull-blob that of a ' \
        'stream'
    assert runner.run('pull-files', repo, 'night').insist(1).lines == \
        [f'dxf: there are no files in it: no blob has a name; {wanted}']


def test_a_listing_without_files_is_told(folder: Endpoint, repo: str) -> None:
    runner = Runner(folder.environ())
    runner.run('push-blob', repo, '-', '@blob', input=b'x').insist(0)
    ended = runner.run('list-files', repo, '@blob')
    assert (ended.status, ended.out, ended.lines) == \
        (0, b'', [f'dxf: there are no files in it: dxf inspect {repo} blob shows what it is'])


def test_a_listing_shows_names_that_are_safe_to_show(folder: Endpoint, repo: str, source: Path,
                                                     capfd: pytest.CaptureFixture[str]) -> None:
    (source / 'b\n\x1b[1m').write_bytes(b'')
    os.mkdir(os.fsencode(source) + b'/\xff', 0o700)
    run(capfd, folder, 'backup', repo, source, '@nightly')
    out, _ = run(capfd, folder, 'list-files', repo, '@nightly', 'b\n\x1b[1m')
    assert out == 'b\\n\\x1b[1m\n'
    out, _ = run(capfd, folder, 'list-files', repo, '@nightly', '--json')
    assert json.loads(out.splitlines()[-1])['path64'] == '/w=='
    out, _ = run(capfd, folder, 'list-files', repo, '@nightly', '--long')
    assert '-> a/x\n' in out and 'drwx------' in out


def test_a_path_that_is_not_in_a_snapshot_is_named_with_those_that_are(folder: Endpoint, repo: str, source: Path
                                                                        ) -> None:
    runner = Runner(folder.environ())
    runner.run('backup', repo, source, '@nightly').insist(0)
    line, = runner.run('list-files', repo, '@nightly', 'source').insist(2).lines
    assert line == "dxf: there is no file 'source' in it, but 'a', 'a-b', 'link', 'z'"


def test_a_long_listing_shows_times_in_utc_and_none_that_is_not_known(folder: Endpoint, repo: str, source: Path,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source)
    os.utime('a-b', (1_700_000_000, 1_700_000_000))
    runner = Runner({**folder.environ(), 'TZ': 'Asia/Tokyo'})
    runner.run('backup', repo, '.', '@nightly').insist(0)
    runner.run('push-files', repo, 'files', 'a-b').insist(0)
    plain, = runner.run('list-files', repo, '@nightly', 'a-b', '--long').insist(0).out.decode().splitlines()
    assert plain.split()[1:] == [str(len(CONTENT)), '2023-11-14T22:13:20Z', 'a-b']
    other, = runner.run('list-files', repo, '@nightly', 'z', '--long').insist(0).out.decode().splitlines()
    assert other.split() == ['h---------', '0', '-', 'z', '->', 'a/x']
    pushed, = runner.run('list-files', repo, '@files', '--long').insist(0).out.decode().splitlines()
    assert pushed.split()[1:] == [str(len(CONTENT)), '-', 'a-b']


def test_a_first_backup_without_a_file_is_told_as_its_disk_may_not_be_mounted(folder: Endpoint, repo: str,
                                                                              tmp_path: Path) -> None:
    (tmp_path / 'mnt').mkdir()
    runner = Runner(folder.environ())
    ended = runner.run('backup', repo, tmp_path / 'mnt', '@nightly')
    assert (ended.status, ended.lines) == (0, ['dxf: there were no files: a snapshot without any is stored'])


def test_files_are_not_compared_with_the_blobs_of_a_snapshot(folder: Endpoint, repo: str, source: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source)
    runner = Runner(folder.environ())
    runner.run('push-blob', '--delta', repo, 'a-b', '@stream').insist(0)
    line, = runner.run('verify', repo, 'a-b', '@stream').insist(1).lines
    assert line.startswith(f'dxf: stream is a snapshot, whose blobs are no files: dxf pull-blob {repo} @stream | cmp -')
    line, = runner.run('verify', repo, '@stream', 'a').insist(2).lines
    assert '; the alias comes last: dxf verify' in line
    assert runner.run('diff', repo, 'stream', '.').out.decode().splitlines()[0] == f'removed {len(CONTENT)} - -'


def test_a_dry_run_prints_what_would_be_sent(folder: Endpoint, repo: str, source: Path,
                                             capfd: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capfd, folder, 'backup', repo, source, '@nightly', '--dry-run', '--exclude=z', '--exclude=a-b')
    assert re.fullmatch(r'2 files with 200000 bytes, of which 0\.0 % are there or zeros\ntotal 20\d{4}\n',
                        out)
    assert not list(folder.registry.storage.glob('**/index.json'))
    run(capfd, folder, 'backup', repo, source, '@nightly')
    said = json.loads(run(capfd, folder, 'backup', repo, source, '@nightly', '--dry-run', '--json')[0])
    assert (said['new'], said['packs'], said['read'], said['total']) == (0, 0, 0, said['sent'])
    (source / 'new').write_bytes(b'x')
    assert ' 99.9 % are there' in run(capfd, folder, 'backup', repo, source, '@nightly', '--dry-run')[0]


def test_progress_of_a_backup_and_of_a_restore_is_shown(folder: Endpoint, repo: str, source: Path, tmp_path: Path,
                                                        capfd: pytest.CaptureFixture[str]) -> None:
    size = 200_000 + len(CONTENT)
    _, err = run(capfd, folder, 'backup', repo, source, '@nightly', '--progress=json')
    assert {'bytes': size, 'files': 3, 'total': size, 'done': True}.items() <= json.loads(err.splitlines()[0]).items()
    last = json.loads(err.splitlines()[1])
    assert last['done'] and last['bytes'] == last['total'] > 200_000
    _, err = run(capfd, folder, 'backup', repo, source, '@nightly', '--progress=json')
    last = json.loads(err.splitlines()[0])  # of what is not read again
    assert (last['files'], last['bytes'], last['total'], last['done']) == (3, size, size, True)
    _, err = run(capfd, folder, 'restore', repo, '@nightly', '--to', tmp_path / 'new', '--progress=json')
    last = json.loads(err.splitlines()[-1])
    assert last['done'] and last['bytes'] == last['total'] == 200_000 + len(CONTENT)


def test_progress_of_a_backup_on_a_terminal_has_files_bytes_and_rate(folder: Endpoint, repo: str, source: Path
                                                                     ) -> None:
    for known in (False, True):
        shown = on_terminal(folder.environ(), 'backup', repo, str(source), '@nightly', stdout=False)
        assert shown.status == 0
        size = 200_000 + len(CONTENT)
        assert re.search(rf'3 files: 100%.*{size}/{size} \[.*B/s', shown.written), (known, shown.screen)


# Bad input

def test_a_dry_run_with_files_that_cannot_be_read_has_the_status_of_a_backup(folder: Endpoint, repo: str, source: Path
                                                                             ) -> None:
    (source / 'a-b').chmod(0)
    runner = bound(Runner(folder.environ()))
    ended = runner.run('backup', repo, source, '@nightly', '--dry-run', '--json')
    assert ended.status == 1
    assert ended.lines == ['dxf: cannot read a-b: Permission denied',
                           'dxf: 1 file or folder could not be read: not in the snapshot']
    said = json.loads(ended.out)
    assert (said['files'], said['new'], said['unread']) == (2, 200_000, 1)


@pytest.mark.parametrize('command, status, line', [
    (['backup', 'missing', '@nightly'], 2, "dxf: cannot read 'missing': no such folder (see dxf backup --help)"),
    (['backup', 'source/a-b', '@nightly'], 2, "dxf: cannot read 'source/a-b': it is no folder; "),
    (['backup', '.', '@nightly'], 1, 'store it elsewhere'),
    (['backup', 'registry/fred', '@nightly'], 1, 'store it elsewhere'),
    (['restore', '@nightly', '--to', 'source/a-b'], 2, "dxf: cannot write into 'source/a-b': Not a directory"),
    (['restore', '@nightly', 'missing', '--to', 'new'], 2, "there is no file 'missing' in it"),
    (['restore', '@missing', '--to', 'new'], 2, 'missing'),
    (['restore', '@nightly', '--to', ''], 2, 'dxf: --to is empty: want a folder'),
    (['restore', '@nightly', '--to', 'new', '--max-delete=1'], 2, '--max-delete is for --delete'),
    (['restore', '@newer', '--to', 'new'], 1, 'a newer dxf may read it'),
])
def test_a_mistake_is_one_line_and_changes_nothing(source: Path, monkeypatch: pytest.MonkeyPatch, command: list[str],
                                                   status: int, line: str) -> None:
    monkeypatch.chdir(source.parent)
    client = DXF('oci:registry', 'fred/backup')
    snapshots.backup(client, ['source'], 'nightly')
    store_entries(client, snapshot=2)
    client.add_alias('newer', 'hostile')
    (source.parent / 'new').mkdir()
    before = all_in(source.parent)
    runner = Runner({'DXF_HOST': 'oci:registry'})
    found, = runner.run(command[0], 'fred/backup', *command[1:]).insist(status).lines
    assert line in found
    assert all_in(source.parent) == before


def test_a_repository_that_cannot_be_pushed_to_is_one_line_and_has_no_new_alias(server: ScriptedRegistry, source: Path
                                                                               ) -> None:
    def refuse(request: Request) -> Answer | None:
        return server.ordinary(request) if request.method in ('GET', 'HEAD') else \
            error(403, 'DENIED', 'requested access to the resource is denied')
    server.hook = refuse
    runner = Runner({'DXF_HOST': server.host, 'DXF_INSECURE': '1'})
    ended = runner.run('backup', REPO, source, '@nightly').insist(errno.EACCES)
    assert 'denied' in ended.lines[0] and not server.memory.manifests.get(REPO)
    assert runner.run('backup', REPO, source, '@nightly', '--dry-run').insist(0).out.startswith(b'3 files')


def test_names_of_all_kinds_are_restored_as_they_are_under_a_strict_mask(tmp_path: Path, source: Path) -> None:
    for name in (b'\xff' * 255, b'new\nline', b'A-B', b'-- "'):
        (source / os.fsdecode(name)).write_bytes(name)
    (source / 'A-B').chmod(0o666)
    runner = under(Runner({'DXF_HOST': f'oci:{tmp_path}/registry'}), 'umask 077')
    runner.run('backup', 'fred/backup', source, '@nightly').insist(0)
    assert not any(path.stat().st_mode & 0o077 for path in (tmp_path / 'registry').rglob('blobs/*/*'))
    runner.run('restore', 'fred/backup', '@nightly', '--to', tmp_path / 'new').insist(0)
    assert described(tmp_path / 'new') == described(source)
    (tmp_path / 'new' / 'A-B').write_bytes(b'changed')
    ended = runner.run('restore', 'fred/backup', '@nightly', b'\xff' * 255, 'A-B', '--overwrite', '--to',
                       tmp_path / 'new')
    assert ended.insist(0).out == b'A-B\n'
    assert described(tmp_path / 'new') == described(source)


@pytest.mark.parametrize('partial', [(), ('--partial',)], ids=['whole', 'partial'])
def test_a_backup_onto_a_full_disk_says_that_this_disk_is_full(tmp_path: Path, repo: str, partial: tuple[str, ...]
                                                              ) -> None:
    """A file is cut into several packs, of which the disk takes the first one alone."""
    (tmp_path / 'source').mkdir()
    (tmp_path / 'source' / 'large').write_bytes(os.urandom(60_000_000))
    disk = tmp_path / 'disk'
    command = f'dxf backup {repo} {tmp_path}/source @night {" ".join(partial)} --host=oci:{disk}/registry'
    script = (f'mkdir {disk} && mount -t tmpfs -o size=20m none {disk} && {sys.executable} -m {command}; echo $?; '
              f'{sys.executable} -m dxf list-aliases {repo} --host=oci:{disk}/registry')
    done = subprocess.run([*NAMESPACE, 'sh', '-c', script], timeout=100, capture_output=True, text=True, check=False)
    assert done.stderr == (f'dxf: {disk}/registry/{repo}: No space left on device; free space there, then repeat the '
                           'command\n')
    assert done.stdout == '1\n'
