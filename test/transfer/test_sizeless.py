"""Files that tell size 0 and are not empty, as those in /proc, and files that grow from nothing.

All of such a file is sent, or none of it.
"""

import io
import os
from pathlib import Path

import pytest

from dxf import DXF, artifacts, hash_bytes, hash_file
from dxf.artifacts import tar_reader, tar_writer
from dxf.exceptions import DXFSourceError
from dxf.main import doit
from dxf.transfer.source import open_source

from ..servers.scripted_registry import REPO, Request, ScriptedRegistry

SIZELESS = '/proc/sys/kernel/hostname'
CONTENT = Path(SIZELESS).read_bytes()
VERSION = '/proc/version'
DIGEST = hash_bytes(CONTENT)
EMPTY = hash_bytes(b'')


def test_the_kernel_tells_no_size_of_what_is_not_empty() -> None:
    assert os.stat(SIZELESS).st_size == 0 < len(CONTENT)


@pytest.mark.parametrize('name', [SIZELESS, '/dev/zero', '/dev/urandom'])
def test_a_file_that_tells_size_0_and_is_not_empty_is_a_stream(name: str) -> None:
    source = open_source(name, None)
    assert source.size is None and not source.shared
    assert next(source.read())
    source.close()
    with open(name, 'rb') as file:
        assert open_source(None, file).size is None


@pytest.mark.parametrize('name', ['/dev/null', 'empty'])
def test_an_empty_file_has_size_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').write_bytes(b'')
    source = open_source(name, None)
    assert source.size == 0 and not list(source.read())
    source.close()


@pytest.mark.parametrize('options', [(), ('--resume',)])
def test_push_blob_stores_all_of_a_file_that_tells_size_0(server: ScriptedRegistry, tmp_path: Path,
                                                          capfd: pytest.CaptureFixture[str],
                                                          options: tuple[str, ...]) -> None:
    environ = server.environ(XDG_STATE_HOME=str(tmp_path))
    assert doit(('push-blob', *options, REPO, SIZELESS, '@mine'), environ) == 0
    assert capfd.readouterr().out == f'{DIGEST}\n'
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}
    assert doit(('verify', REPO, SIZELESS, 'mine'), environ) == 0
    assert hash_file(SIZELESS) == DIGEST


def test_an_open_file_that_tells_size_0_is_sent_from_where_it_stands(server: ScriptedRegistry, client: DXF) -> None:
    content = Path(VERSION).read_bytes()[3:]
    with open(VERSION, 'rb') as file:
        file.seek(3)
        assert client.push_blob(data=file) == hash_bytes(content)
    assert server.memory.blobs[REPO] == {hash_bytes(content): content}


def test_push_files_stores_all_of_a_file_that_tells_size_0(server: ScriptedRegistry, client: DXF) -> None:
    artifacts.push_files(client, 'mine', [SIZELESS])
    assert server.memory.blobs[REPO][DIGEST] == CONTENT
    assert EMPTY not in server.memory.blobs[REPO]
    assert client.get_alias('mine', sizes=True) == [(DIGEST, len(CONTENT))]


def test_a_folder_of_files_that_tell_size_0_is_packed_whole() -> None:
    folder = Path('/proc/sys/kernel/pty')
    packed = io.BytesIO()
    tar_writer.pack(tar_writer.contents(str(folder), 'pty'), packed)
    packed.seek(0)
    found = {member.path: b''.join(pieces) for member, pieces in tar_reader.members(packed, 'pty', 1 << 20)}
    assert found == {'pty': b'', **{f'pty/{file.name}': file.read_bytes() for file in folder.iterdir()}}
    assert found['pty/max']


@pytest.mark.parametrize('method', ['HEAD', 'POST'])
@pytest.mark.usefixtures('asked_by_head')
def test_a_file_that_grows_from_nothing_while_it_is_sent_is_an_error(server: ScriptedRegistry, client: DXF,
                                                                     tmp_path: Path, method: str) -> None:
    path = tmp_path / 'file'
    path.write_bytes(b'')

    def grow(request: Request) -> None:
        if request.method == method:
            path.write_bytes(b'more')
    server.hook = grow
    with pytest.raises(DXFSourceError, match=f'{path} changed while it was being uploaded'):
        client.push_blob(str(path))
    assert not server.memory.blobs[REPO] and not server.memory.uploads
    server.hook = None
    client.push_blob(str(path))
    assert list(server.memory.blobs[REPO].values()) == [b'more']


def test_an_open_file_that_grows_from_nothing_is_an_error(server: ScriptedRegistry, client: DXF) -> None:
    file = io.BytesIO()

    def grow(request: Request) -> None:
        if request.method == 'POST':
            file.write(b'more')
    server.hook = grow
    with pytest.raises(DXFSourceError, match='data changed while it was being uploaded'):
        client.push_blob(data=file)
    assert not server.memory.blobs[REPO]
