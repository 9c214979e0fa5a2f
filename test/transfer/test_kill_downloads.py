"""Pulls to a file that are killed, disturbed or refused: its name never holds wrong or partial bytes, and what has
arrived is not sent twice.

The bytes are counted between dxf and a real registry.
"""

import hashlib
import os
import shutil
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF
from dxf.cli.error_messages import line_of, status_of
from dxf.exceptions import DXFError
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner, digest_of, end, files
from ..servers.counting_proxy import CountingProxy
from ..servers.registry import Registry
from ..servers.scripted_registry import Answer, ScriptedRegistry

REPO = 'fred/backup'
MIB = 1 << 20
LARGE = 112 * MIB
WIDE = 72 * MIB
MIDDLE = 40 * MIB
SMALL = 8 * MIB
SLACK = 16 * MIB
"""Bytes that a killed process may have received in vain: those that the system and the process held in memory."""

BLOCK = os.urandom(MIB - 8)
BAD = [2, 1]


def blocks(size: int, start: int = 0) -> Iterator[bytes]:
    """Yield a blob, no two mebibytes of which are the same."""
    for number in range(size // MIB):
        yield (start + number).to_bytes(8, 'big') + BLOCK


def plant(registry: Registry, pieces: Iterable[bytes]) -> str:
    """Have a registry store a blob that is not sent to it, and return its digest."""
    root = registry.storage / 'docker' / 'registry' / 'v2'
    root.mkdir(parents=True, exist_ok=True)
    new = root / 'new'
    sha256 = hashlib.sha256()
    with new.open('wb') as file:
        for piece in pieces:
            sha256.update(piece)
            file.write(piece)
    encoded = sha256.hexdigest()
    digest = f'sha256:{encoded}'
    data = root / 'blobs' / 'sha256' / encoded[:2] / encoded / 'data'
    link = root / 'repositories' / REPO / '_layers' / 'sha256' / encoded / 'link'
    for path in (data, link):
        path.parent.mkdir(parents=True, exist_ok=True)
    new.rename(data)
    link.write_text(digest, encoding='ascii')
    return digest


@pytest.fixture(name='registry', scope='module')
def start_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry whose large storage does not outlive the tests."""
    folder = tmp_path_factory.mktemp('registry')
    with Registry(folder) as registry:
        yield registry
    shutil.rmtree(folder)


@pytest.fixture(name='large', scope='module')
def plant_large(registry: Registry) -> str:
    """The digest of a blob that takes long."""
    return plant(registry, blocks(LARGE))


@pytest.fixture(name='wide', scope='module')
def plant_wide(registry: Registry) -> str:
    """The digest of a blob that is worth several connections."""
    return plant(registry, blocks(WIDE, 7000))


@pytest.fixture(name='middle', scope='module')
def plant_middle(registry: Registry) -> str:
    """The digest of a blob that takes a while."""
    return plant(registry, blocks(MIDDLE, 5000))


@pytest.fixture(name='small', scope='module')
def plant_small(registry: Registry) -> str:
    """The digest of a blob that does not."""
    return plant(registry, blocks(SMALL, 9000))


@pytest.fixture(name='proxy')
def start_proxy(registry: Registry) -> Iterator[CountingProxy]:
    """What counts the bytes that come from the registry."""
    with CountingProxy(registry.host) as proxy:
        yield proxy


@pytest.fixture(name='file')
def name_file(tmp_path: Path) -> Iterator[Path]:
    """The name of a file, alone in its folder, that does not exist yet; large files do not outlive the test."""
    folder = tmp_path / 'folder'
    folder.mkdir()
    yield folder / 'file'
    for path in files(folder):
        with suppress(OSError):
            path.unlink()


def of(host: str) -> Runner:
    """Return what runs dxf with a host."""
    return Runner({'DXF_HOST': host, 'DXF_INSECURE': '1'})


def partial(file: Path) -> Path:
    """Return the one part file beside a file."""
    found = list(file.parent.glob(f'.{file.name}.*.part'))
    assert len(found) == 1, found
    return found[0]


def kill(proxy: CountingProxy, file: Path, after: int, *operands: str, number: signal.Signals = signal.SIGKILL
         ) -> int:
    """Kill a pull to a file when so many bytes have come, and return how many came in the end."""
    before = file.read_bytes() if file.exists() else None
    of(proxy.host).run_until(lambda action: proxy.after_down(after, action), 'pull-blob', '-o', file, REPO, *operands,
                             number=number)
    assert (file.read_bytes() if file.exists() else None) == before
    received = proxy.down
    proxy.clear()
    return received


def alone(file: Path) -> bool:
    """Say whether there is nothing but a file in its folder."""
    return list(file.parent.iterdir()) == [file]


def test_a_large_blob_that_was_killed_in_the_middle_goes_on(proxy: CountingProxy, large: str, file: Path) -> None:
    received = kill(proxy, file, 48 * MIB, large)
    seen: list[bool] = []
    proxy.after_down(32 * MIB, lambda: seen.append(file.exists()))
    of(proxy.host).run('pull-blob', '-o', file, REPO, large).insist(0)
    assert seen == [False]
    assert digest_of(file) == large
    assert received + proxy.down <= LARGE + SLACK, (received / MIB, proxy.down / MIB)
    assert alone(file)


@pytest.mark.parametrize('after', [0, 10 * MIB, 20 * MIB, MIDDLE - MIB])
def test_an_old_file_stays_until_the_new_one_is_complete(proxy: CountingProxy, middle: str, file: Path, after: int
                                                         ) -> None:
    file.write_bytes(b'old')
    received = kill(proxy, file, after, middle)
    seen: list[bytes] = []
    proxy.after_down(SMALL if after < 30 * MIB else 100, lambda: seen.append(file.read_bytes()))
    of(proxy.host).run('pull-blob', '-o', file, REPO, middle).insist(0)
    assert seen == [b'old']
    assert digest_of(file) == middle
    assert received + proxy.down <= MIDDLE + SLACK
    assert alone(file)


def test_each_of_many_killed_pulls_goes_on_where_the_last_one_was(proxy: CountingProxy, middle: str, file: Path
                                                                  ) -> None:
    received = [kill(proxy, file, 12 * MIB, middle) for _ in range(3)]
    of(proxy.host).run('pull-blob', '-o', file, REPO, middle).insist(0)
    assert digest_of(file) == middle
    assert sum(received) + proxy.down <= MIDDLE + 2 * SLACK, [size / MIB for size in (*received, proxy.down)]
    assert alone(file)


@pytest.mark.parametrize('after', [30 * MIB, 50 * MIB])
def test_a_pull_by_several_connections_goes_on_too(registry: Registry, wide: str, file: Path, after: int) -> None:
    connections: list[int] = []
    with CountingProxy(registry.host, pace=40 * MIB) as proxy:
        proxy.after_down(after - 1, lambda: connections.append(len(proxy.connections)))
        received = kill(proxy, file, after, wide)
        assert connections[0] > 1
        of(proxy.host).run('pull-blob', '-o', file, REPO, wide).insist(0)
        assert received + proxy.down <= WIDE + SLACK, (received / MIB, proxy.down / MIB)
    assert digest_of(file) == wide
    assert alone(file)


def test_what_an_interrupted_pull_has_got_is_kept(proxy: CountingProxy, middle: str, file: Path) -> None:
    received = kill(proxy, file, 30 * MIB, middle, number=signal.SIGINT)
    assert partial(file).stat().st_size > 0
    of(proxy.host).run('pull-blob', '-o', file, REPO, middle).insist(0)
    assert digest_of(file) == middle
    assert received + proxy.down <= MIDDLE + SLACK
    assert alone(file)


@pytest.mark.parametrize('after', [4 * MIB, SMALL + 25 * MIB, SMALL + MIDDLE + 2 * MIB])
def test_the_blobs_of_an_alias_are_one_file_that_goes_on_too(registry: Registry, proxy: CountingProxy, small: str,
                                                             middle: str, file: Path, after: int) -> None:
    last = plant(registry, blocks(SMALL, 20_000))
    nothing = plant(registry, [])
    with DXF(registry.host, REPO, insecure=True) as client:
        client.set_alias('several', small, middle, nothing, last, small)
    received = kill(proxy, file, after, '@several')
    of(proxy.host).run('pull-blob', '-o', file, REPO, '@several').insist(0)
    with file.open('rb') as opened:
        for start, size in ((9000, SMALL), (5000, MIDDLE), (20_000, SMALL), (9000, SMALL)):
            assert all(opened.read(MIB) == block for block in blocks(size, start))
        assert opened.read() == b''
    assert received + proxy.down <= MIDDLE + 3 * SMALL + 2 * SLACK  # of blobs that were fetched ahead, too
    assert alone(file)


# What happens to the part file between two runs

def flip(part: Path) -> None:
    """Change bytes in the middle."""
    with part.open('r+b') as file:
        file.seek(part.stat().st_size // 3)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def lose_end(part: Path) -> None:
    """Leave zeros where the last bytes were, as a file system may after a loss of power."""
    size = part.stat().st_size
    os.truncate(part, max(size - 3 * MIB, 0))
    os.truncate(part, size)


def lose_all(part: Path) -> None:
    """Leave nothing but zeros."""
    size = part.stat().st_size
    os.truncate(part, 0)
    os.truncate(part, size)


def cut(part: Path) -> None:
    """Leave half of it."""
    os.truncate(part, part.stat().st_size // 2)


def empty(part: Path) -> None:
    """Leave nothing."""
    os.truncate(part, 0)


def extend(part: Path) -> None:
    """Make it longer than the blob."""
    with part.open('ab') as file:
        file.write(bytes(MIDDLE + 1))


def replace_by_blob(part: Path) -> None:
    """Have all of it arrived."""
    part.write_bytes(b''.join(blocks(MIDDLE, 5000)))


def replace_by_folder(part: Path) -> None:
    """Have something there that is no file."""
    part.unlink()
    part.mkdir()


@pytest.mark.parametrize('damage', [flip, lose_end, lose_all, cut, empty, extend, replace_by_blob])
def test_a_part_that_was_damaged_does_no_harm(proxy: CountingProxy, middle: str, file: Path,
                                              damage: Callable[[Path], None]) -> None:
    kill(proxy, file, 30 * MIB, middle)
    damage(partial(file))
    of(proxy.host).run('pull-blob', '-o', file, REPO, middle).insist(0)
    assert digest_of(file) == middle
    assert proxy.down <= 2 * MIDDLE + SLACK
    assert alone(file)


def test_a_folder_in_the_place_of_a_part_does_no_harm(proxy: CountingProxy, middle: str, file: Path) -> None:
    kill(proxy, file, 30 * MIB, middle)
    replace_by_folder(partial(file))
    ended = of(proxy.host).run('pull-blob', '-o', file, REPO, middle).insist(0, *BAD)
    assert file.exists() == (ended.status == 0)


def test_a_link_in_the_place_of_a_part_leads_nowhere(proxy: CountingProxy, middle: str, file: Path, tmp_path: Path
                                                     ) -> None:
    kill(proxy, file, 30 * MIB, middle)
    victim = tmp_path / 'victim'
    victim.write_bytes(b'precious')
    part = partial(file)
    part.unlink()
    part.symlink_to(victim)
    ended = of(proxy.host).run('pull-blob', '-o', file, REPO, middle).insist(0, *BAD)
    assert victim.read_bytes() == b'precious'
    assert not file.is_symlink()
    assert file.exists() == (ended.status == 0)


def test_the_part_of_another_blob_is_removed_when_a_new_pull_to_its_name_starts(
        proxy: CountingProxy, middle: str, small: str, file: Path) -> None:
    kill(proxy, file, 30 * MIB, middle)
    others = [file.with_name(f'.{file.name}.{name}') for name in ('x.0123456789ab.part', '0123456789ab.partly',
                                                                  '0123456789AB.part')]
    for other in others:
        other.write_bytes(b'not of this file')
    of(proxy.host).run('pull-blob', '-o', file, REPO, small).insist(0)
    assert digest_of(file) == small
    assert sorted(file.parent.iterdir()) == sorted([*others, file])


# Two at once

@pytest.mark.parametrize('killed', [None, 0, 1])
def test_two_pulls_to_one_file_do_not_disturb_each_other(registry: Registry, middle: str, file: Path,
                                                         killed: int | None) -> None:
    begun, both = threading.Event(), threading.Event()
    operands = ('pull-blob', '-o', file, REPO, middle)
    with CountingProxy(registry.host) as proxy, CountingProxy(registry.host) as other, \
            of(proxy.host).fork(*operands) as first:
        def wait() -> None:
            begun.set()
            both.wait(50)
        proxy.after_down(16 * MIB, wait)
        assert begun.wait(60)
        with of(other.host).fork(*operands) as second:
            def meet() -> None:
                if killed is not None:
                    (first, second)[killed].kill()
                both.set()
            other.after_down(SMALL, meet)
            statuses = [end(process).status for process in (first, second)]
    assert statuses == [-signal.SIGKILL if number == killed else 0 for number in range(2)]
    assert digest_of(file) == middle
    if killed is not None:
        of(registry.host).run(*operands).insist(0)
    assert alone(file)


def test_two_pulls_of_different_blobs_to_one_file_leave_one_of_them(registry: Registry, middle: str, small: str,
                                                                    file: Path) -> None:
    with CountingProxy(registry.host) as proxy, \
            of(proxy.host).fork('pull-blob', '-o', file, REPO, middle) as process:
        there = threading.Event()
        proxy.after_down(16 * MIB, lambda: there.wait(50))
        of(registry.host).run('pull-blob', '-o', file, REPO, small).insist(0)
        assert digest_of(file) == small
        there.set()
        end(process).insist(0)
    assert digest_of(file) == middle
    assert alone(file)


@pytest.mark.parametrize('is_removed_only', [True, False])
def test_a_part_that_another_process_has_replaced_does_not_get_the_name(
        registry: Registry, small: str, file: Path, is_removed_only: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def replace(opened: int) -> None:
        fsync(opened)
        for part in file.parent.glob('.*.part'):  # all has arrived: now another program cleans up
            part.unlink()
            if not is_removed_only:  # and the same command is started again, and killed
                part.write_bytes(b'partial')
    monkeypatch.setattr(os, 'fsync', replace)
    with pytest.raises(OSError) as caught:
        doit(['pull-blob', '-o', str(file), REPO, small], of(registry.host).environ)
    assert status_of(caught.value) == 1
    assert 'hidden file' in line_of(caught.value) and line_of(caught.value).startswith(f'{file}: ')
    assert [part.read_bytes() for part in file.parent.iterdir()] == ([] if is_removed_only else [b'partial'])


# Where it cannot be written

def test_too_little_free_space_is_told_before_anything_is_written(
        registry: Registry, middle: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(function: Callable[[Any], os.statvfs_result]) -> Callable[[Any], os.statvfs_result]:
        def asked(path: Any) -> os.statvfs_result:
            fields = list(function(path))
            fields[3] = fields[4] = SMALL // fields[1]  # f_bfree and f_bavail, in blocks of f_frsize
            return os.statvfs_result(fields)
        return asked
    monkeypatch.setattr(os, 'statvfs', full(os.statvfs))
    monkeypatch.setattr(os, 'fstatvfs', full(os.fstatvfs))
    with CountingProxy(registry.host) as proxy:
        with pytest.raises((DXFError, OSError)) as caught:
            doit(['pull-blob', '-o', str(file), REPO, middle], of(proxy.host).environ)
        assert proxy.down < MIB
    assert status_of(caught.value) in BAD
    assert len(line_of(caught.value).splitlines()) == 1
    assert 'space' in line_of(caught.value).lower()
    assert not os.listdir(file.parent)


def test_a_disk_that_fills_up_is_one_line(proxy: CountingProxy, middle: str, file: Path) -> None:
    limited = Runner(of(proxy.host).environ, ('sh', '-c', f'ulimit -f {SMALL // 512}; exec "$@"', 'sh'))
    ended = limited.run('pull-blob', '-o', file, REPO, middle).insist(1)
    assert 'large' in ended.lines[0] or 'space' in ended.lines[0]
    assert not file.exists()
    of(proxy.host).run('pull-blob', '-o', file, REPO, middle).insist(0)
    assert digest_of(file) == middle
    assert alone(file)


def without_privilege(runner: Runner) -> Runner:
    """Return a runner that the permissions of a folder bind, also where the tests are run by root."""
    if os.geteuid():
        return runner
    return Runner(runner.environ, ('setpriv', '--bounding-set', '-dac_override', '--'))


@pytest.mark.parametrize('name', ['.', 'missing/file', 'missing/', '', 'file\n/x', 'loop', 'old/file', 'a' * 256])
def test_a_file_that_cannot_be_is_one_line_before_any_blob_is_asked_for(registry: Registry, middle: str, file: Path,
                                                                        name: str) -> None:
    file.with_name('old').write_bytes(b'old')
    file.with_name('loop').symlink_to('loop')
    before = sorted(file.parent.iterdir())
    with CountingProxy(registry.host) as proxy:
        of(proxy.host).run('pull-blob', '-o', name and f'{file.parent}/{name}', REPO, middle).insist(*BAD)
        assert proxy.down < MIB
    assert sorted(file.parent.iterdir()) == before


@pytest.mark.parametrize('existing', [False, True])
def test_a_folder_that_may_not_be_written_is_one_line(registry: Registry, small: str, file: Path, existing: bool
                                                      ) -> None:
    if existing:
        file.write_bytes(b'old')
    before = list(file.parent.iterdir())
    file.parent.chmod(0o555)
    try:
        ended = without_privilege(of(registry.host)).run('pull-blob', '-o', file, REPO, small).insist(*BAD)
    finally:
        file.parent.chmod(0o755)
    assert 'Permission denied' in ended.lines[0]
    assert list(file.parent.iterdir()) == before
    assert not existing or file.read_bytes() == b'old'


def test_a_socket_is_refused_and_stays_what_it_is(registry: Registry, small: str, file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(file))
    before = file.lstat()
    ended = of(registry.host).run('pull-blob', '-o', file, REPO, small).insist(*BAD)
    assert not ended.out
    after = file.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert alone(file)


@pytest.mark.parametrize('existing', [False, True])
@pytest.mark.parametrize('absolute', [False, True])
def test_the_target_of_a_link_is_written_and_the_link_stays(proxy: CountingProxy, middle: str, file: Path,
                                                            existing: bool, absolute: bool) -> None:
    target = file.parent / 'elsewhere' / 'target'
    target.parent.mkdir()
    if existing:
        target.write_bytes(b'old')
    file.symlink_to(target if absolute else target.relative_to(file.parent))
    kill(proxy, file, 20 * MIB, middle)
    of(proxy.host).run('pull-blob', '-o', file, REPO, middle).insist(0)
    assert file.is_symlink() and not target.is_symlink()
    assert digest_of(target) == middle
    assert files(file.parent) == [target, file]


@pytest.mark.parametrize('name', ['a' * 255, '-', 'ünïcödé', ' ', '.part', 'a\nb', '*'])
def test_a_file_may_have_any_name(registry: Registry, small: str, file: Path, name: str) -> None:
    of(registry.host).run('pull-blob', '-o', f'{file.parent}/{name}', REPO, small).insist(0)
    assert [path.name for path in file.parent.iterdir()] == [name]
    assert digest_of(file.with_name(name)) == small


def test_a_file_may_have_a_name_that_is_no_text(registry: Registry, small: str, file: Path) -> None:
    name = os.fsencode(file) + b'\xff\xfe'
    of(registry.host).run('pull-blob', '-o', name, REPO, small).insist(0)
    assert os.listdir(os.fsencode(file.parent)) == [os.path.basename(name)]


def test_a_file_may_be_named_without_its_folder(registry: Registry, small: str, file: Path) -> None:
    of(registry.host).run('pull-blob', '-o', file.name, REPO, small, cwd=file.parent).insist(0)
    assert digest_of(file) == small
    assert alone(file)


@pytest.mark.parametrize('umask, mode', [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0, 0o666)])
def test_a_new_file_has_the_permissions_that_the_umask_leaves(registry: Registry, small: str, file: Path, umask: int,
                                                              mode: int) -> None:
    of(registry.host).run('pull-blob', '-o', file, REPO, small, umask=umask).insist(0)
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_an_empty_blob_is_an_empty_file(registry: Registry, file: Path) -> None:
    of(registry.host).run('pull-blob', '-o', file, REPO, plant(registry, [])).insist(0)
    assert file.read_bytes() == b''
    assert alone(file)


def test_a_file_is_all_that_is_written(registry: Registry, small: str, file: Path) -> None:
    ended = of(registry.host).run('pull-blob', '-o', file, REPO, small).insist(0)
    assert ended.out == b''


# What fails

@pytest.mark.parametrize('answer, kept', [
    pytest.param(Answer(200, body=b'x' * SMALL), False, id='other bytes'),
    pytest.param(Answer(200, body=b'x' * MIB, declared=SMALL), True, id='cut'),
    pytest.param(Answer(200, body=b'x' * SMALL, reset=MIB), True, id='reset'),
    pytest.param(Answer(404), False, id='unknown'),
    pytest.param(Answer(500), False, id='ill'),
])
@pytest.mark.parametrize('old', [None, b'old'])
def test_a_pull_that_fails_leaves_the_file_as_it_was(file: Path, small: str, answer: Answer, kept: bool,
                                                     old: bytes | None) -> None:
    if old is not None:
        file.write_bytes(old)
    content = b''.join(blocks(SMALL, 9000))
    with ScriptedRegistry() as server:
        server.memory.put(REPO, content)
        server.script('GET', f'/v2/{REPO}/blobs/{small}', [answer])
        of(server.host).run('pull-blob', '-o', file, REPO, small).insist(*BAD)
        assert (file.read_bytes() if file.exists() else None) == old
        if not kept:
            assert [path for path in file.parent.iterdir() if path != file] == []
        of(server.host).run('pull-blob', '-o', file, REPO, small).insist(0)
        assert len(server.of('GET')) <= 3  # bytes that were wrong are asked for again
    assert file.read_bytes() == content
    assert alone(file)


def test_a_registry_that_is_gone_leaves_nothing(file: Path, small: str) -> None:
    of('localhost:1').run('pull-blob', '-o', file, REPO, small).insist(1)
    assert not os.listdir(file.parent)


def test_a_file_is_pulled_where_credentials_are_wanted(endpoint: Endpoint, repo: str, file: Path) -> None:
    content = os.urandom(MIB)
    digest = endpoint.dxf(repo).push_blob(data=content)
    Runner(endpoint.environ()).run('pull-blob', '-o', file, repo, digest).insist(0)
    assert file.read_bytes() == content
    assert alone(file)
