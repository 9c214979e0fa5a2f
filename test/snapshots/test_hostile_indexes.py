"""Hostile indexes: what cannot be right is one line, in bounded time and memory, and nothing outside the target."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, hash_bytes, snapshots
from dxf.exceptions import DXFDigestMismatchError, DXFError, DXFInvalidDocumentError, DXFInvalidNameError
from dxf.manifest.image import Descriptor
from dxf.snapshots.compression import ChunkCompressor, packed
from dxf.snapshots.snapshot import INDEX_TYPE, PACK_TYPE, Totals, make_manifest

from ..helpers.layouts import snapshot as all_in

Entry = dict[str, Any]
CONTENT = b'readings of May 15th\n' * 100
FRAME = ChunkCompressor().compressed(CONTENT)
PACK = b'0123456789' * 100 + FRAME
HASH = hash_bytes(b'01234').partition(':')[2]
PLAIN = [0, 0, 5, 5, HASH]
ZIPPED = [0, 1000, len(FRAME), len(CONTENT), hash_bytes(CONTENT).partition(':')[2]]


def file(path: str, *chunks: list[Any], **changed: Any) -> Entry:
    """Return the line of a file."""
    return {'path': path, 'type': 'file', 'mode': 0o644, 'mtime': '1700000000.000000000', 'sha256': HASH,
            'size': sum(chunk[3] for chunk in chunks), 'chunks': list(chunks), **changed}


def folder(path: str) -> Entry:
    """Return the line of a folder."""
    return {'path': path, 'type': 'folder', 'mode': 0o755, 'mtime': '1700000000.000000000'}


def link(path: str, target: str) -> Entry:
    """Return the line of a link."""
    return {'path': path, 'type': 'link', 'target': target}


def hardlink(path: str, target: str) -> Entry:
    """Return the line of another name of a file."""
    return {'path': path, 'type': 'hardlink', 'target': target}


@pytest.fixture(name='client')
def make_client(tmp_path: Path) -> DXF:
    """A repository in a folder."""
    return DXF(f'oci:{tmp_path}/registry', 'fred/backup')


def text_of(entries: list[Entry], header: Entry) -> bytes:
    """Return an index before it is compressed."""
    return b''.join(json.dumps(line).encode() + b'\n' for line in [header, *entries])


def store(client: DXF, index: bytes, pack: bytes = PACK) -> None:
    """Store a snapshot as it would come from somebody else."""
    client.push_blob(data=b'{}')
    blobs = [Descriptor(client.push_blob(data=index), len(index), INDEX_TYPE),
             Descriptor(client.push_blob(data=pack), len(pack), PACK_TYPE)]
    client.set_manifest('hostile', make_manifest(blobs[0], blobs[1:], Totals(), 0, None, 4 << 20))


def store_entries(client: DXF, *entries: Entry, pack: bytes = PACK, **header: Any) -> None:
    """Store a snapshot with these entries."""
    text = text_of(list(entries), {'snapshot': 1, 'packs': [hash_bytes(pack)], 'source': 'folder', **header})
    store(client, b''.join(packed(iter([text]), len(text))), pack)


def test_what_is_right_is_restored(client: DXF, tmp_path: Path) -> None:
    store_entries(client, file('a', PLAIN, ZIPPED, [-1, 0, 0, 7, '']), link('b', '/etc'), folder('c'),
                  {**file('c/d', PLAIN), 'unknown': [1]}, hardlink('e', 'a'))
    snapshots.load(client, 'hostile').restore(str(tmp_path / 'out'))
    assert (tmp_path / 'out' / 'a').read_bytes() == b'01234' + CONTENT + bytes(7)
    assert (tmp_path / 'out' / 'c' / 'd').read_bytes() == b'01234'


HOSTILE: list[tuple[str, list[Entry], str]] = [
    ('a path that leads out', [file('../a', PLAIN)], 'unsafe path'),
    ('a path that leads out by a folder', [folder('a'), file('a/../../b', PLAIN)], 'unsafe path'),
    ('an absolute path', [file('/etc/passwd', PLAIN)], 'unsafe path'),
    ('an empty path', [file('', PLAIN)], 'without one'),
    ('an empty path of a folder', [folder('')], 'unsafe path'),
    ('a path with a NUL', [file('a\0b', PLAIN)], 'unsafe path'),
    ('a dot', [file('./a', PLAIN)], 'unsafe path'),
    ('a path of a million bytes', [file('a' * 10 ** 6, PLAIN)], 'too long'),
    ('a path that is no text', [{**file('a', PLAIN), 'path': 5}], 'path is missing'),
    ('a surrogate', [file('\ud800', PLAIN)], 'not UTF-8'),
    ('a path64 that is no base64', [{key: value for key, value in {**file('a', PLAIN), 'path64': '%'}.items()
                                     if key != 'path'}], 'no base64'),
    ('a name of a hidden folder', [folder('.dxf-files.0123'), file('.dxf-files.0123/1', PLAIN)], 'begins with'),
    ('a path twice', [file('a', PLAIN), file('a', PLAIN)], 'twice'),
    ('paths out of order', [file('b', PLAIN), file('a', PLAIN)], 'out of order'),
    ('a file in no folder', [file('a/b', PLAIN)], 'in no folder'),
    ('a file in a link', [link('a', '/etc'), file('a/passwd', PLAIN)], 'in no folder'),
    ('a file in a file', [file('a', PLAIN), file('a/b', PLAIN)], 'in no folder'),
    ('a type that is not known', [{**file('a', PLAIN), 'type': 'device'}], 'type is not known'),
    ('an entry that is no object', [[1]], 'path is missing'),  # type: ignore[list-item]
    ('a range behind the pack', [file('a', [0, len(PACK) - 2, 5, 5, HASH])], 'outside its pack'),
    ('a negative offset', [file('a', [0, -1, 5, 5, HASH])], 'outside its pack'),
    ('a pack that is not there', [file('a', [1, 0, 5, 5, HASH])], 'outside its pack'),
    ('a negative pack', [file('a', [-2, 0, 5, 5, HASH])], 'outside its pack'),
    ('a true in place of a number', [file('a', [True, 0, 5, 5, HASH], size=5)], 'no list of four numbers'),
    ('a fraction in place of a number', [file('a', [0, 0.0, 5, 5, HASH])], 'no list of four numbers'),
    ('a chunk of nothing', [file('a', [0, 0, 0, 0, HASH])], 'cannot be right'),
    ('a chunk larger than its content', [file('a', [0, 0, 5, 4, HASH])], 'cannot be right'),
    ('a chunk of a terabyte', [file('a', [0, 1000, len(FRAME), 1 << 40, HASH])], 'cannot be right'),
    ('a hash that is not valid', [file('a', [0, 0, 5, 5, 'x'])], 'hash of a chunk'),
    ('a run of no zeros', [file('a', [-1, 0, 0, 0, ''])], 'outside its pack'),
    ('a size that lies', [file('a', PLAIN, size=6)], 'do not have its size'),
    ('a negative size', [file('a', [-1, 0, 0, -5, ''])], 'outside its pack'),
    ('a mode out of range', [file('a', PLAIN, mode=1 << 20)], 'out of range'),
    ('a time that is a word', [file('a', PLAIN, mtime='now')], 'mtime'),
    ('two chunks that overlap', [file('a', [0, 0, 9, 9, HASH], PLAIN)], 'overlap'),
    ('a frame without its magic number', [file('a', [0, 0, 5, 6, HASH])], 'zstd'),
    ('a frame that holds more', [file('a', [0, 1000, len(FRAME), len(FRAME) + 1, HASH])], 'another length'),
    ('a frame that holds less', [file('a', [0, 1000, len(FRAME), len(CONTENT) + 1, HASH])], 'another length'),
    ('a hard link to itself', [hardlink('a', 'a')], 'does not stand before'),
    ('a circle of hard links', [hardlink('a', 'b'), hardlink('b', 'a')], 'does not stand before'),
    ('a hard link to a hard link', [file('a', PLAIN), hardlink('b', 'a'), hardlink('c', 'b')], 'of no file'),
    ('a hard link to a link', [link('a', '/etc/passwd'), hardlink('b', 'a')], 'of no file'),
    ('a hard link to nothing', [hardlink('b', 'a')], 'of no file'),
    ('a hard link that leads out', [hardlink('b', '../a')], 'unsafe path'),
    ('a link to nothing', [link('a', '')], 'no link can have'),
]


@pytest.mark.parametrize('entries, reason', [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_an_index_that_cannot_be_right_is_refused(client: DXF, tmp_path: Path, entries: list[Entry], reason: str
                                                  ) -> None:
    store_entries(client, *entries)
    before = all_in(tmp_path / 'registry')
    (tmp_path / 'beside').write_bytes(b'')
    with pytest.raises((DXFInvalidDocumentError, DXFInvalidNameError), match=reason) as caught:
        snapshots.load(client, 'hostile').restore(str(tmp_path / 'out'))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500
    assert sorted(path.name for path in tmp_path.iterdir()) == ['beside', 'out', 'registry']
    assert [path for path in (tmp_path / 'out').rglob('*') if path.is_file() or path.is_symlink()] == []
    assert all_in(tmp_path / 'registry') == before


def test_a_chunk_with_another_content_is_refused(client: DXF, tmp_path: Path) -> None:
    store_entries(client, file('a', [0, 0, 5, 5, 'f' * 64]))
    with pytest.raises(DXFDigestMismatchError):
        snapshots.load(client, 'hostile').restore(str(tmp_path / 'out'))
    assert not any((tmp_path / 'out').iterdir())


@pytest.mark.parametrize('header, reason', [
    ({'snapshot': 2}, 'a newer dxf'), ({'snapshot': True}, 'a newer dxf'), ({'snapshot': 'x' * 10 ** 5}, 'a newer dxf'),
    ({'packs': ['sha256:' + 64 * '0']}, 'not those of its manifest'), ({'packs': [[]]}, 'not those of its manifest'),
    ({'packs': [hash_bytes(PACK)] * 2}, 'not those of its manifest'), ({'packs': 1}, 'packs is missing'),
    ({'source': 'tape'}, 'neither a folder'), ({'source': 'stream'}, 'a stream'),
])
def test_a_first_line_that_cannot_be_right_is_refused(client: DXF, tmp_path: Path, header: Entry, reason: str) -> None:
    store_entries(client, file('a', PLAIN), **header)
    with pytest.raises(DXFInvalidDocumentError, match=reason):
        snapshots.load(client, 'hostile').restore(str(tmp_path / 'out'))


def bomb(size: int) -> bytes:
    """Return a frame of spaces."""
    return b''.join(packed((b' ' * (1 << 20) for _ in range(size >> 20)), size))


GOOD = text_of([file('a', PLAIN)], {'snapshot': 1, 'packs': [hash_bytes(PACK)], 'source': 'folder'})


@pytest.mark.parametrize('index, reason', [
    pytest.param(lambda: b'', 'ends too early', id='nothing'),
    pytest.param(lambda: b'{}', 'zstd frame', id='no frame'),
    pytest.param(lambda: b''.join(packed(iter([GOOD]), len(GOOD)))[:-9], 'ends too early|zstd frame', id='cut off'),
    pytest.param(lambda: b''.join(packed(iter([GOOD]), len(GOOD))) + b'x', 'something follows', id='something behind'),
    pytest.param(lambda: b''.join(packed(iter([]), 0)), 'is empty', id='an empty frame'),
    pytest.param(lambda: bomb(1 << 28), 'a line of its index is too long', id='256 MiB of spaces'),
    pytest.param(lambda: b''.join(packed(iter([GOOD + b'[' * 10 ** 6]), len(GOOD) + 10 ** 6)), 'no JSON|too deep',
                 id='a million brackets'),
    pytest.param(lambda: b''.join(packed(iter([GOOD + b'\n' * 10 ** 7]), len(GOOD) + 10 ** 7)), 'no JSON',
                 id='ten million empty lines'),
    pytest.param(lambda: b''.join(packed(iter([GOOD + b'\xff\n']), len(GOOD) + 2)), 'no JSON', id='not UTF-8'),
])
def test_an_index_that_is_no_index_is_refused_in_bounded_memory(client: DXF, tmp_path: Path,
                                                                index: Callable[[], bytes], reason: str) -> None:
    store(client, index())
    tracemalloc.start()
    try:
        with pytest.raises(DXFError, match=reason):
            snapshots.load(client, 'hostile').restore(str(tmp_path / 'out'))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


def test_too_many_entries_are_refused(client: DXF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.snapshots.index.MAX_ENTRIES', 3)
    store_entries(client, *(file(f'{number}', PLAIN) for number in range(4)))
    with pytest.raises(DXFInvalidDocumentError, match='more than 3 entries'):
        snapshots.load(client, 'hostile').restore(str(tmp_path / 'out'))


def test_a_file_larger_than_the_disk_is_refused_before_anything_is_written(client: DXF, tmp_path: Path) -> None:
    chunk = [0, 0, 1000, 1000, hash_bytes(PACK[:1000]).partition(':')[2]]
    store_entries(client, file('a', *[chunk] * 10), *(file(f'b{number:03}', *[chunk] * 10 ** 4) for number in range(3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('os.statvfs', lambda _: type('Space', (), {'f_bavail': 1000, 'f_frsize': 1000}))
        with pytest.raises(OSError, match='not enough space'):
            snapshots.load(client, 'hostile').restore(str(tmp_path / 'out'))
    assert not any((tmp_path / 'out').iterdir())


WHOLE = hash_bytes(b'01234' + CONTENT + bytes(7)).partition(':')[2]
STREAM = [PLAIN, ZIPPED, [-1, 0, 0, 7, '']]
HOSTILE_STREAMS: list[tuple[str, list[Entry], str]] = [
    ('another hash of the whole', [file('', *STREAM, sha256=64 * '0')], 'expected digest'),
    ('another hash of a chunk', [file('', PLAIN, [*ZIPPED[:4], 64 * '0'], STREAM[2], sha256=WHOLE)], 'expected digest'),
    ('a chunk too much', [file('', *STREAM, PLAIN, sha256=WHOLE)], 'expected digest'),
    ('zeros too much', [file('', *STREAM, [-1, 0, 0, 1 << 20, ''], sha256=WHOLE)], 'expected digest'),
    ('a size that lies', [file('', *STREAM, sha256=WHOLE, size=5)], 'do not have its size'),
    ('a range behind the pack', [file('', [0, len(PACK), 5, 5, HASH], sha256=HASH)], 'outside its pack'),
    ('a pack that is not there', [file('', [1, 0, 5, 5, HASH], sha256=HASH)], 'outside its pack'),
    ('two streams', [file('', *STREAM, sha256=WHOLE)] * 2, 'there twice'),
    ('no stream', [], 'no stream'),
    ('a folder beside it', [file('', *STREAM, sha256=WHOLE), folder('a')], 'has no paths'),
    ('a link', [link('', '/etc/passwd')], 'unsafe path'),
]


@pytest.mark.parametrize('entries, reason', [row[1:] for row in HOSTILE_STREAMS],
                         ids=[row[0] for row in HOSTILE_STREAMS])
def test_a_stream_that_cannot_be_right_never_ends_well(client: DXF, tmp_path: Path, entries: list[Entry], reason: str
                                                       ) -> None:
    store_entries(client, *entries, source='stream')
    got = b''
    with pytest.raises((DXFInvalidDocumentError, DXFDigestMismatchError), match=reason):
        for piece in snapshots.load(client, 'hostile').stream().read():
            got += piece
    assert len(got) < len(b'01234' + CONTENT + bytes(7)) + (1 << 20)
    with pytest.raises((DXFInvalidDocumentError, DXFDigestMismatchError), match=reason):
        snapshots.load(client, 'hostile').stream().to_file(str(tmp_path / 'out'))
    assert [path.name for path in tmp_path.iterdir()] == ['registry']


def test_a_stream_that_is_right_is_put_together(client: DXF) -> None:
    store_entries(client, file('', *STREAM, sha256=WHOLE), source='stream')
    assert b''.join(snapshots.load(client, 'hostile').stream().read()) == b'01234' + CONTENT + bytes(7)
