"""Streams: a file, standard input or the output of a program, of which the next one sends only what changed."""

import io
import json
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, hash_bytes, snapshots
from dxf.exceptions import DXFDigestMismatchError, DXFInvalidDocumentError, DXFSourceError
from dxf.snapshots.local_chunks import LocalChunks
from dxf.snapshots.stream_cutter import average_at, cut_stream

from ..helpers.console import DOCS
from ..helpers.endpoints import Endpoint
from ..helpers.memory_measurement import MeasuredRun
from ..helpers.processes import Runner
from ..helpers.traffic import Traffic

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that nothing compresses."""
    return random.Random(seed).randbytes(size)


def pieces(content: bytes, size: int = MIB) -> Iterator[bytes]:
    """Yield a content in pieces."""
    for start in range(0, len(content), size):
        yield content[start:start + size]


def content_of(client: DXF, alias: str) -> bytes:
    """Return the stream that an alias names."""
    return b''.join(snapshots.load(client, alias).stream().read())


@pytest.fixture(name='image')
def make_image(tmp_path: Path) -> Path:
    """A file with a hole."""
    path = tmp_path / 'disk.img'
    path.write_bytes(noise(900 * KIB) + bytes(2 * MIB) + noise(300 * KIB, 1))
    return path


def test_a_stream_is_stored_and_put_together(endpoint: Endpoint, repo: str, image: Path, tmp_path: Path) -> None:
    runner, content = Runner(endpoint.environ()), image.read_bytes()
    line = f'{hash_bytes(content)}\n'.encode()
    assert runner.run('push-blob', '--delta', repo, image, '@nightly').insist(0).out == line
    assert runner.run('blob-size', repo, '@nightly').insist(0).out == f'{len(content)}\n'.encode()
    assert runner.run('pull-blob', repo, '@nightly').insist(0).out == content
    assert runner.run('pull-blob', repo, '@nightly', '--range=800000-3000000').insist(0).out == content[800000:3000001]
    runner.run('pull-blob', repo, '@nightly', '-o', tmp_path / 'out').insist(0)
    assert (tmp_path / 'out').read_bytes() == content
    assert (tmp_path / 'out').stat().st_blocks * 512 < 2 * MIB
    changed = b'new' + content
    said = json.loads(runner.run('push-blob', '--delta', repo, '-', '@nightly', '--json', input=changed).insist(0).out)
    assert said['digest'] == hash_bytes(changed)
    assert said['manifest'] == endpoint.dxf(repo).manifest_digest('nightly')
    assert (said['bytes'], said['packs']) == (len(changed), 1)
    assert said['sent'] < 300 * KIB
    output = runner.run('push-blob', '--delta', repo, '@nightly', '--', 'cat', image).insist(0).out
    assert output == line
    assert content_of(endpoint.dxf(repo), 'nightly') == content


def test_an_image_of_which_one_per_cent_has_changed_sends_two(client: DXF) -> None:
    content = bytearray(noise(32 * MIB))
    first = snapshots.backup_stream(client, content, 'nightly')
    content[11 * MIB:11 * MIB + len(content) // 100] = noise(len(content) // 100, 1)
    second = snapshots.backup_stream(client, content, 'nightly')
    assert second.totals.sent <= len(content) // 50 + second.index.size
    assert second.annotations['vnd.dxf.snapshot.parent'] == first.digest
    assert second.totals.sha256 == hash_bytes(bytes(content)).partition(':')[2]
    third = snapshots.backup_stream(client, content, 'nightly')
    assert (third.totals.sent, third.totals.packs) == (0, 0)
    assert content_of(client, 'nightly') == content


def test_tars_of_two_nights_with_one_changed_file_send_little(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    (tmp_path / 'tree').mkdir()
    for number in range(300):
        (tmp_path / 'tree' / f'{number}').write_bytes(noise(number * 200, number))
    runner = Runner(folder.environ())
    command = ('push-blob', '--delta', repo, '@nightly', '--json', '--', 'tar', 'c', '-C', str(tmp_path), 'tree')
    first = json.loads(runner.run(*command).insist(0).out)
    (tmp_path / 'tree' / '150').write_bytes(noise(30_500, 500))
    second = json.loads(runner.run(*command).insist(0).out)
    assert second['sent'] < first['bytes'] // 20
    with subprocess.Popen(['tar', 'x', '-C', tmp_path / 'tree'], stdin=subprocess.PIPE) as tar:
        tar.communicate(runner.run('pull-blob', repo, '@nightly').insist(0).out)
    assert (tmp_path / 'tree' / 'tree' / '150').read_bytes() == noise(30_500, 500)


def tar_of(sizes: list[int], layout: int = tarfile.GNU_FORMAT, mtime: float = 0) -> bytes:
    """Return a tar of files of these sizes."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w', format=layout) as tar:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f'{number}/' * 60)
            member.size, member.mtime = size, mtime
            tar.addfile(member, io.BytesIO(noise(size, number)))
    return file.getvalue()


@pytest.mark.parametrize('layout', [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_is_cut_where_large_members_begin(layout: int) -> None:
    content = tar_of([100, 10, 30_000, 300_000, 10, 10, 70_000], layout, 0.5)
    ends, position = set(), 0
    for chunk in cut_stream(pieces(content)):
        position += len(chunk)
        ends.add(position)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        begins = [member.offset_data - 512 for member in tar if member.size > 20_000]
    # A header with a long name, or with times, stands before that of the member.
    assert any(begins[1] - 4 * 512 <= end <= begins[1] for end in ends)
    assert any(begins[1] + 300_000 <= end <= begins[2] for end in ends)


@pytest.mark.parametrize('content', [
    tar_of([20_000, 100, 300_000, 70_000, 10]), tar_of([20_000, 70_000])[:50_000], tar_of([100])[:300], noise(400_000),
    bytes(10_240), tar_of([40_000])[:512] * 2 + noise(90_000), b'x', b''])
def test_where_a_stream_is_cut_does_not_depend_on_the_pieces_that_come(content: bytes) -> None:
    chunks = list(cut_stream(pieces(content)))
    assert b''.join(chunks) == content
    for size in (511, 1000, 65536, 100_001):
        assert list(cut_stream(pieces(content, size))) == chunks


def test_chunks_grow_with_the_position() -> None:
    assert [average_at(position) for position in (0, 256 * MIB - 1, 256 * MIB, 9 * GIB, 16 * GIB, 1 << 50)] == [
        (64 * KIB, 256 * MIB), (64 * KIB, 256 * MIB), (128 * KIB, 512 * MIB), (4 * MIB, None), (4 * MIB, None),
        (4 * MIB, None)]


def test_an_insertion_changes_few_chunks_behind_it_though_chunks_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.snapshots.stream_cutter.CHUNKS', 32)
    content = noise(8 * MIB)
    before = list(cut_stream(pieces(content)))
    after = list(cut_stream(pieces(content[:100_000] + b'new' + content[100_000:])))
    assert max(map(len, before[:9])) <= 256 * KIB < max(map(len, before))
    assert b''.join(before) == content
    assert len(set(after) - set(before)) <= 9 < len(before) // 4


def test_packs_of_a_stream_whose_size_is_not_known_grow(client: DXF, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.snapshots.pack_writer.MIN_PACK', 64 * KIB)
    snapshot = snapshots.backup_stream(client, pieces(noise(24 * MIB)), 'nightly')
    assert len(snapshot.packs) < 60
    assert max(pack.size for pack in snapshot.packs) < 5 * MIB


def test_packs_of_which_little_is_left_are_written_anew_and_never_too_many(client: DXF, monkeypatch: pytest.MonkeyPatch
                                                                           ) -> None:
    monkeypatch.setattr('dxf.snapshots.pack_writer.MIN_PACK', MIB)
    monkeypatch.setattr('dxf.snapshots.pack_writer.MOST_KEPT', 9)
    monkeypatch.setattr('dxf.snapshots.pack_writer.LEFT_KEPT', 6)
    content = bytearray(noise(3 * MIB))
    for night in range(25):
        content[night * 120 * KIB:night * 120 * KIB + 100] = noise(100, night)
        snapshot = snapshots.backup_stream(client, content, 'nightly')
        assert len(snapshot.packs) <= 9 + 3
        assert content_of(client, 'nightly') == content
    assert sum(pack.size for pack in snapshot.packs) < 2 * len(content)


@pytest.mark.parametrize('error', [OSError(5, 'Input/output error'), ZeroDivisionError()])
def test_a_stream_that_fails_in_the_middle_leaves_the_alias(client: DXF, error: Exception) -> None:
    snapshots.backup_stream(client, b'old', 'nightly')

    class Failing(io.RawIOBase):
        """A file whose disk fails."""

        left = 3

        def read(self, _size: int = -1, /) -> bytes:
            self.left -= 1
            if not self.left:
                raise error
            return noise(300_000, self.left)
    with pytest.raises((DXFSourceError, ZeroDivisionError)):
        snapshots.backup_stream(client, Failing(), 'nightly')
    assert content_of(client, 'nightly') == b'old'


def test_a_command_that_fails_leaves_the_alias(folder: Endpoint, repo: str, image: Path) -> None:
    runner = Runner(folder.environ())
    runner.run('push-blob', '--delta', repo, '-', '@nightly', input=b'old').insist(0)
    runner.run('push-blob', '--delta', repo, '@nightly', '--', 'sh', '-c', f'cat {image}; exit 3').insist(1)
    assert runner.run('pull-blob', repo, '@nightly').insist(0).out == b'old'


@pytest.mark.parametrize('opened', [Path, io.FileIO, io.open])
def test_a_file_that_changes_while_it_is_read_leaves_the_alias(
        client: DXF, image: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Any]) -> None:
    snapshots.backup_stream(client, b'old', 'nightly')

    def write() -> None:
        with open(image, 'r+b') as file:
            file.write(os.urandom(8))

    def write_and_put_back_the_time() -> None:
        before = image.stat()
        write()
        os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    for change in (write, write_and_put_back_the_time, lambda: image.chmod(0o600)):
        def cut_and_change(read: Iterator[bytes], change: Callable[[], None] = change) -> Iterator[bytes]:
            yield from cut_stream(read)
            change()
        monkeypatch.setattr('dxf.snapshots.stream_backup.cut_stream', cut_and_change)
        with closing(opened(image, 'rb')) if opened is not Path else nullcontext(image) as file:
            if change.__name__.startswith('write'):
                with pytest.raises(DXFSourceError, match='changed while'):
                    snapshots.backup_stream(client, file, 'nightly')
                assert content_of(client, 'nightly') == b'old'
            else:  # its bytes are the same
                snapshots.backup_stream(client, file, 'nightly')
                assert content_of(client, 'nightly') == image.read_bytes()


def test_a_last_snapshot_that_is_deleted_meanwhile_is_an_error_for_what_is_read_once(endpoint: Endpoint, repo: str,
                                                                                     image: Path) -> None:
    client, content, notices = endpoint.dxf(repo), image.read_bytes(), list[str]()
    last = snapshots.backup_stream(client, content, 'nightly')

    def deleting() -> Iterator[bytes]:
        yield content[:MIB]
        for pack in last.packs:
            client.del_blob(pack.digest)
        yield content[MIB:] + b'new'
    with pytest.raises(DXFSourceError, match='once more'):
        snapshots.backup_stream(client, deleting(), 'nightly', notice=notices.append)
    assert client.manifest_digest('nightly') == last.digest
    snapshots.backup_stream(client, content, 'nightly', notice=notices.append)
    assert len(notices) == 2
    assert content_of(client, 'nightly') == content


def fetched(traffic: Traffic) -> int:
    """Return the bytes of blobs that came."""
    return sum(int(exchange.response_headers.get('Content-Length', 0)) for exchange in traffic.requests
               if exchange.method == 'GET' and '/blobs/' in exchange.path)


def test_what_an_older_file_holds_is_not_fetched(endpoint: Endpoint, repo: str, tmp_path: Path, traffic: Traffic
                                                 ) -> None:
    client, content = endpoint.dxf(repo), noise(3 * MIB)
    snapshot = snapshots.backup_stream(client, content, 'nightly')
    old = tmp_path / 'old'
    old.write_bytes(content[:MIB] + b'old' + content[MIB:])
    traffic.clear()
    stream = snapshots.load(client, 'nightly').stream(str(old))
    assert b''.join(stream.read()) == content
    assert fetched(traffic) < snapshot.index.size + 600 * KIB
    stream.to_file(str(old))
    assert old.read_bytes() == content


def test_an_older_file_that_changes_meanwhile_is_not_used(client: DXF, image: Path) -> None:
    snapshots.backup_stream(client, image, 'nightly')
    entry = next(snapshots.load(client, 'nightly').entries())
    wanted = [chunk for chunk in entry.chunks if not chunk.is_zeros]
    local = LocalChunks(str(image), entry.chunks)
    assert set(local.find(wanted)) == {chunk.digest for chunk in wanted}
    with image.open('r+b') as file:
        file.write(b'new')
    assert set(local.find(wanted)) == {chunk.digest for chunk in wanted[1:]}


def test_a_download_that_broke_off_goes_on(endpoint: Endpoint, repo: str, tmp_path: Path, traffic: Traffic) -> None:
    client, content = endpoint.dxf(repo), noise(40 * MIB)
    stream = snapshots.backup_stream(client, content, 'nightly').stream()

    def stop(_digest: str, chunk: bytes, _size: int) -> None:
        if chunk and (tmp_path / '.out').with_name(next(name for name in os.listdir(tmp_path) if 'part' in name)
                                                   ).stat().st_size > 20 * MIB:
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        stream.to_file(str(tmp_path / 'out'), progress=stop)
    assert not (tmp_path / 'out').exists()
    traffic.clear()
    stream.to_file(str(tmp_path / 'out'))
    assert (tmp_path / 'out').read_bytes() == content
    assert fetched(traffic) < 22 * MIB
    assert os.listdir(tmp_path) == ['out']


def test_a_pack_that_is_damaged_is_an_error_and_no_file(client: DXF, folder: Endpoint, repo: str, tmp_path: Path,
                                                        image: Path) -> None:
    snapshot = snapshots.backup_stream(client, image, 'nightly')
    path = folder.file_of(repo, snapshot.packs[0].digest)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(DXFDigestMismatchError):
        snapshot.stream().to_file(str(tmp_path / 'out'))
    assert not (tmp_path / 'out').exists()
    runner = Runner(folder.environ())
    assert image.read_bytes() != runner.run('pull-blob', repo, '@nightly').insist(1).out


def test_a_snapshot_of_folders_and_one_of_a_stream_name_the_command_for_the_other(
        folder: Endpoint, repo: str, source: Path, tmp_path: Path) -> None:
    client, runner = folder.dxf(repo), Runner(folder.environ())
    snapshots.backup(client, [str(source)], 'tree')
    snapshots.backup_stream(client, b'21.5\n', 'stream')
    for args, status, part in (
            (('pull-blob', repo, '@tree'), 1, 'dxf restore'),
            (('pull-blob', repo, '@tree', '--range=0-5'), 1, 'dxf restore'),
            (('restore', repo, '@stream', '--to', tmp_path / 'new'), 1, 'dxf pull-blob'),
            (('pull-files', repo, 'stream', '--to', tmp_path / 'new'), 1, 'dxf pull-blob'),
            (('verify', repo, source / 'b', 'stream'), 1, 'dxf pull-blob'),
            (('pull-blob', repo, '@stream', '@tree'), 2, 'alone'),
            (('pull-blob', repo, '@stream', '--using', tmp_path), 2, 'directory'),
            (('pull-blob', repo, '@stream', '--using', '/dev/null'), 2, 'no file'),
            (('pull-blob', repo, hash_bytes(b'x'), '--using', source / 'b'), 2, '--using'),
            (('push-blob', '--delta', repo, source / 'b'), 2, '--delta'),
            (('push-blob', '--delta', repo, source / 'b', source / 'b', '@stream'), 2, '--delta'),
            (('push-blob', '--delta', repo, source, '@stream'), 2, 'dxf backup'),
            (('push-blob', '--delta', '--resume', repo, source / 'b', '@stream'), 2, '--resume'),
            (('push-blob', '--delta', '--dry-run', repo, '-', '@stream'), 2, '--dry-run')):
        line, = runner.run(*args).insist(status).lines
        assert part in line
    assert runner.run('list-files', repo, '@stream').insist(0).out == b'-\n'
    runner.run('set-alias', repo, 'second', '@stream').insist(0)
    assert runner.run('pull-blob', repo, '@second').insist(0).out == b'21.5\n'
    with pytest.raises(DXFInvalidDocumentError, match='dxf backup'):
        snapshots.backup_stream(client, b'21.5\n', 'stream', parent='tree')
    assert 'vnd.dxf.snapshot.parent' not in snapshots.backup_stream(client, b'21.5\n', 'tree').annotations


def test_a_dry_run_says_what_a_stream_would_send(folder: Endpoint, repo: str, image: Path) -> None:
    runner = Runner(folder.environ())
    command = ('push-blob', '--delta', '--dry-run', repo, image, '@nightly')
    said = runner.run(*command).insist(0).out.decode()
    assert said.startswith(f'{image.stat().st_size} bytes, of which 55.1 % are there or zeros\ntotal 12')
    assert not list(folder.registry.storage.glob('**/index.json'))
    runner.run('push-blob', '--delta', repo, image, '@nightly').insist(0)
    sent = snapshots.load(folder.dxf(repo), 'nightly').index.size
    assert json.loads(runner.run(*command, '--json').insist(0).out) == {
        'bytes': image.stat().st_size, 'new': 0, 'packs': 0, 'sent': sent, 'total': sent}


def test_the_reader_of_the_documentation_puts_a_stream_together(client: DXF, folder: Endpoint, repo: str, image: Path,
                                                                tmp_path: Path) -> None:
    snapshots.backup_stream(client, image, 'nightly')
    subprocess.run([sys.executable, '-I', DOCS / 'snapshot-reader.py', folder.registry.storage / repo, 'nightly',
                    tmp_path / 'out'], check=True, timeout=60)
    assert (tmp_path / 'out').read_bytes() == image.read_bytes()


def test_a_large_stream_takes_little_memory(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    path = tmp_path / 'disk.img'
    path.write_bytes(noise(120 * MIB))
    os.truncate(path, 256 * MIB)
    pushed = MeasuredRun(tmp_path, folder.environ(), 'push-blob', '--delta', repo, str(path), '@nightly')
    assert (pushed.status, pushed.lines) == (0, [])
    assert pushed.peak < 150
    pulled = MeasuredRun(tmp_path, folder.environ(), 'pull-blob', repo, '@nightly', '-o', str(tmp_path / 'out'))
    assert (pulled.status, pulled.lines) == (0, [])
    assert pulled.peak < 150
    subprocess.run(['cmp', path, tmp_path / 'out'], check=True)
