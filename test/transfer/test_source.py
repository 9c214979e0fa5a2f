"""What is to be uploaded: how large it is, whether it can be read again, and what it says when it changed."""

import io
import os
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dxf.exceptions import DXFSourceError
from dxf.transfer.batch import Batch
from dxf.transfer.source import Source, open_source, spool

from ..helpers.changing_files import CONTENT, DIGEST, RESIZED, got_from, written
from ..servers.scripted_registry import Answer, ScriptedRegistry


@pytest.fixture(name='path')
def write_path(tmp_path: Path) -> Path:
    """A file that holds ``CONTENT``."""
    return written(tmp_path)


@pytest.fixture(name='small_reads')
def make_small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a source of ten bytes one of three pieces."""
    monkeypatch.setattr('dxf.transfer.source.READ_SIZE', 4)


@pytest.mark.usefixtures('small_reads')
def test_a_source_may_be_read_as_often_as_needed(source: Source) -> None:
    assert source.digest() == DIGEST
    for _ in range(2):
        assert list(source.read()) == [b'0123', b'4567', b'89']
    assert source.digest() == DIGEST
    next(source.read())  # a reading that was left does not disturb the next one
    assert b''.join(source.read()) == CONTENT


@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('start, end, pieces', [
    (0, 10, [b'0123', b'4567', b'89']),
    (0, 3, [b'012']),
    (3, 9, [b'3456', b'78']),
    (8, None, [b'89']),
    (10, 10, []),
    (4, 4, []),
])
@pytest.mark.parametrize('named', [True, False])
def test_a_stretch_of_a_source_may_be_read(path: Path, named: bool, start: int, end: int | None,
                                           pieces: list[bytes]) -> None:
    source = open_source(str(path) if named else None, io.BytesIO(CONTENT))
    assert list(source.read(start, end)) == pieces
    source.close()


def test_only_a_file_with_a_name_may_be_read_by_several_threads(source: Source) -> None:
    assert source.shared
    assert not any(open_source(None, data).shared for data in (CONTENT, io.BytesIO(CONTENT), [CONTENT]))


@pytest.mark.usefixtures('small_reads')
def test_two_readings_of_a_file_do_not_disturb_one_another(source: Source) -> None:
    assert list(zip(source.read(), source.read(), strict=True)) == [(piece, piece) for piece in source.read()]


@pytest.mark.parametrize('data, size', [
    (CONTENT, 10),
    (b'', 0),
    (bytearray(CONTENT), 10),
    (memoryview(CONTENT), 10),
    (memoryview(CONTENT)[2:5], 3),
    (memoryview(CONTENT).cast('H'), 10),  # five items, ten bytes
    (io.BytesIO(CONTENT), 10),
    ([CONTENT], None),
    (iter([CONTENT]), None),
])
def test_the_size_of_data_is_known_where_it_can_be_read_again(data: Any, size: int | None) -> None:
    source = open_source(None, data)
    assert source.size == size
    assert sum(map(len, source.read())) == (10 if size is None else size)


@pytest.mark.parametrize('start', [0, 3, 9])
def test_an_open_file_starts_where_it_stands_each_time(start: int) -> None:
    file = io.BytesIO(CONTENT)
    file.seek(start)
    source = open_source(None, file)
    assert source.size == 10 - start
    for _ in range(2):
        assert b''.join(source.read()) == CONTENT[start:]
    source.close()
    assert not file.closed


class Generous(io.BytesIO):
    """A file whose reads return up to three times of what they are asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None or size < 0 else 3 * size)


@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('start, end', [(0, None), (0, 5), (5, None), (1, 2)])
def test_a_file_that_reads_more_than_it_is_asked_for_gives_no_byte_twice_and_none_too_many(start: int, end: int | None
                                                                                           ) -> None:
    source = open_source(None, Generous(CONTENT))
    assert b''.join(source.read(start, end)) == CONTENT[start:end]
    assert source.digest() == DIGEST


def test_a_pipe_can_be_read_once() -> None:
    reader, writer = os.pipe()
    with open(reader, 'rb') as file:
        with open(writer, 'wb') as end:
            end.write(CONTENT)
        source = open_source(None, file)
        assert source.size is None
        assert b''.join(source.read()) == CONTENT


@pytest.mark.parametrize('buffering', [0, -1])
def test_a_pipe_that_does_not_block_and_has_no_bytes_yet_is_an_error(buffering: int) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(reader, 'rb', buffering) as pipe, open(writer, 'wb', 0) as end:
        end.write(CONTENT[:3])
        source = open_source(None, pipe)
        with pytest.raises(DXFSourceError, match='^cannot read data: it is non-blocking'):
            list(source.read())


class Odd(io.RawIOBase):
    """A file whose seek() and tell() are odd.

    :param ways: of seek(): ``stays`` where it is, ``raises`` at the end, never goes ``back``, returns ``nothing``
    """

    def __init__(self, *ways: str) -> None:
        super().__init__()
        self._file, self._ways = io.BytesIO(CONTENT), ways

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on."""
        return self._file.read(size)

    def tell(self) -> int:
        """Return the position, or 0 where it never changes."""
        return 0 if 'stays' in self._ways else self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> Any:
        """Seek, or not."""
        if 'stays' in self._ways:
            return 0
        if 'back' in self._ways and whence == io.SEEK_SET:
            raise io.UnsupportedOperation
        position = self._file.seek(offset, whence)
        if 'raises' in self._ways and whence == io.SEEK_END:
            raise io.UnsupportedOperation
        return None if 'nothing' in self._ways else position


@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('way', ['stays', 'raises', 'nothing'])
def test_an_open_file_whose_end_is_unknown_is_read_whole(way: str) -> None:
    source = open_source(None, Odd(way))
    assert source.size is None
    assert b''.join(source.read()) == CONTENT


@pytest.mark.parametrize('ways', [('back',), ('back', 'raises'), ('back', 'nothing')])
def test_an_open_file_that_does_not_go_back_is_an_error(ways: tuple[str, ...]) -> None:
    with pytest.raises(DXFSourceError, match='not back to where it stood'):
        open_source(None, Odd(*ways))


@pytest.mark.parametrize('path', ['/proc/self/status', '/proc/sys/kernel/ostype'])
def test_a_file_of_the_kernel_without_a_size_is_read_whole(path: str) -> None:
    content = Path(path).read_bytes()
    with open(path, 'rb') as file:
        for source in (open_source(path, None), open_source(None, file)):
            assert source.size is None
            assert b''.join(source.read())[:6] == content[:6]
            source.close()


def test_a_download_of_urllib_that_breaks_off_is_an_error(server: ScriptedRegistry) -> None:
    for answer in (Answer(body=CONTENT), Answer(body=iter([CONTENT]))):
        server.hook = lambda _request, answer=answer: answer
        with urllib.request.urlopen(f'http://{server.host}/') as response:
            assert b''.join(open_source(None, response).read()) == CONTENT
    server.hook = lambda _request: Answer(body=CONTENT, declared=len(CONTENT) + 5)
    with urllib.request.urlopen(f'http://{server.host}/') as response:
        with pytest.raises(DXFSourceError, match='^cannot read data: the connection broke, and 5 bytes are missing'):
            list(open_source(None, response).read())


def test_a_path_may_be_that_of_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / 'pipe'
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(CONTENT,))
    writer.start()
    source = open_source(str(path), None)
    try:
        assert source.size is None and not source.shared
        assert b''.join(source.read()) == CONTENT
    finally:
        source.close()
        writer.join()


def test_a_filename_wins_over_data(path: Path) -> None:
    source = open_source(str(path), b'something else')
    assert b''.join(source.read()) == CONTENT
    source.close()


@pytest.mark.parametrize('data', [None, 7, object()])
def test_what_holds_no_bytes_is_no_source(data: Any) -> None:
    with pytest.raises(TypeError):
        open_source(None, data)


@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('change', RESIZED)
def test_a_file_of_another_size_than_before_is_named(source: Source, path: Path,
                                                     change: Callable[[Path], None]) -> None:
    change(path)
    with pytest.raises(DXFSourceError, match='changed while it was being uploaded') as raised:
        list(source.read())
    assert str(path) in str(raised.value)


@pytest.mark.usefixtures('small_reads')
@pytest.mark.parametrize('change', RESIZED)
def test_a_file_that_changes_its_size_while_it_is_read_never_gives_all_bytes(source: Source, path: Path,
                                                                             change: Callable[[Path], None]) -> None:
    pieces = source.read()
    first = next(pieces)
    change(path)
    got = first + got_from(pieces)
    assert len(got) < len(CONTENT)
    assert CONTENT.startswith(got)


def test_an_open_file_that_grows_gives_no_more_than_it_had() -> None:
    file = io.BytesIO(CONTENT)
    source = open_source(None, file)
    file.seek(0, io.SEEK_END)
    file.write(b'more')
    assert got_from(source.read()) == b''


# Copies

def test_a_copy_can_be_read_again_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    copy = spool('data', iter([CONTENT[:3], b'', CONTENT[3:]]))
    assert (copy.name, copy.size) == ('data', 10)
    for _ in range(2):
        assert b''.join(copy.read()) == CONTENT
    assert not list(tmp_path.iterdir())  # it has no name
    copy.close()


def test_a_copy_that_has_no_place_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch,
                                                                   tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'missing'))
    with pytest.raises(DXFSourceError, match='cannot keep data in a temporary file.*TMPDIR'):
        spool('data', iter([CONTENT]))


def test_what_can_be_read_only_once_is_not_given_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    for source in (iter([CONTENT]), io.BytesIO(CONTENT), tmp_path / 'pipe'):
        with pytest.raises(DXFSourceError, match='given twice, and can be read only once'):
            Batch([source, CONTENT, source])
    for twice in (CONTENT, [CONTENT], written(tmp_path)):
        Batch([twice, twice])
