"""Ways of uploading: whatever a registry refuses, a blob arrives by another way, and the way is learned.

What registries refuse is a table in ``upload_quirks``. Faults of the network are not the subject here.
"""

import gc
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import ConnectionError as NoConnection

from dxf import DXF, Limits, hash_bytes
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFDigestMismatchError, DXFHTTPError, DXFSourceError
from dxf.main import doit

from ..helpers import fork_server, processes
from ..helpers.endpoints import Endpoint
from ..helpers.tables import paired
from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry
from ..servers.upload_quirks import (LIMIT, LIMITS, LONG, PART, QUIRKS, REPO, SMALL, SOURCES, STREAMS, TOKEN, Elsewhere,
                                     Progress, Quirk, QuirkyRegistry, Step, any_of, check_manners, client_of, is_large,
                                     large, length, parts, random_bytes, refusal)

CONTENT = random_bytes(LONG)
OTHER = random_bytes(LONG, 1)
AROUND_SMALL = {0, 1, SMALL - 1, SMALL, SMALL + 1}
AROUND_PART = {0, PART - 1, PART, PART + 1, 2 * PART}
SIZES = {'file': AROUND_SMALL | AROUND_PART | {LONG - 9, LONG}, 'bytes': {0, LONG}, 'seekable': AROUND_PART - {0},
         'generator': AROUND_SMALL | {2 * SMALL, PART, LONG}, 'pipe': {0, SMALL, 2 * PART}}
"""The sizes that matter to each of ``SOURCES``."""

MIB = 1 << 20


def ids_of(quirks: dict[str, Quirk]) -> list[str]:
    """Return the names of quirks for the ids of tests."""
    return [f'{name} ({quirk.reason})' if len(name) < 40 else name[:40] for name, quirk in quirks.items()]


every_quirk = pytest.mark.parametrize('quirk', QUIRKS.values(), ids=ids_of(QUIRKS))
SIZED = {name: name for name in SOURCES if name not in STREAMS}


def each_with(rows: Mapping[str, Any]) -> list[Any]:
    """Return each row with a source that can be read again and with a stream, for ``parametrize``.

    Which of the two it is decides the way. All sources meet many rows. What each source gives is the subject of
    test_request_body and test_source.
    """
    return [*paired(rows, SIZED), *paired(rows, {name: name for name in STREAMS})]


# The blob arrives

@pytest.mark.parametrize('quirk, source', each_with(QUIRKS))
def test_a_blob_of_any_size_arrives(quirk: Quirk, source: str, tmp_path: Path) -> None:
    with QuirkyRegistry(quirk) as server:
        for size in sorted(SIZES[source]):
            server.reset_after_fork()
            content = CONTENT[:size]
            digest = hash_bytes(content)
            progress = Progress()
            with client_of(server) as client:
                assert client.push_blob(progress=progress, **SOURCES[source](content, tmp_path)) == digest
            assert server.memory.blobs[REPO] == {digest: content}
            check_manners(server)
            assert progress.content == content  # each byte once, and in order, however often it was sent
            if source == 'file':
                assert progress.calls[0] == (digest, 0, size)
                assert all((call[0], *call[2:]) == (digest, size) for call in progress.calls)
            assert not (quirk.harmless and server.refused), size
            assert len(server.refused) <= 3 * (1 + LIMITS.retries), size


@pytest.mark.parametrize('source', ['file', 'generator'])
@every_quirk
def test_what_was_refused_is_not_asked_for_again(quirk: Quirk, source: str, tmp_path: Path) -> None:
    with QuirkyRegistry(quirk) as server:
        for size in (LONG, PART - 1) if source in STREAMS else (LONG, LONG - 9, PART - 1):  # a stream has no size
            server.reset_after_fork()
            with client_of(server) as first:
                first.push_blob(**SOURCES[source](CONTENT[:size], tmp_path))
            known = [(request.method, length(request)) for request in server.refused]
            server.forget()
            content = OTHER[:size]
            with DXF.from_base(first, REPO) as client:  # it shares what the other has learned
                client.push_blob(**SOURCES[source](content, tmp_path))
            assert server.memory.blobs[REPO][hash_bytes(content)] == content
            assert not [request for request in server.refused for method, refused in known
                        if request.method == method and length(request) >= refused]
            if server.refused:  # shorter ones than before: how long parts are depends on when the file is hashed
                assert source == 'file' and len(server.refused) <= 2
                continue
            assert len(server.of('POST')) == 1
            assert not server.of('DELETE')
            check_manners(server)
            way = quirk.stream if source in STREAMS else quirk.middle if size < PART else quirk.file
            if way is not None and size != LONG - 9:
                assert server.steps() == way(size) or way is large and is_large(server.steps())


def test_what_a_client_has_learned_is_not_known_to_a_new_one(tmp_path: Path) -> None:
    with QuirkyRegistry(QUIRKS['PATCH 405']) as server:
        for _ in range(2):
            server.reset_after_fork()
            with client_of(server) as client:
                client.push_blob(**SOURCES['file'](CONTENT, tmp_path))
            assert [request.method for request in server.refused] == ['PATCH']


@pytest.mark.parametrize('name, source', each_with({name: name for name in [
    'none', 'PATCH 405', 'PATCH of 4 MiB at most', 'bodies of 20 MB at most', 'bodies of 20 MB at most, early',
    'signed addresses', 'relative addresses']}))
def test_no_credential_goes_where_the_bytes_go(name: str, source: str, tmp_path: Path) -> None:
    with Elsewhere(QUIRKS[name]) as endpoint, client_of(endpoint.registry) as client:
        for size in (SMALL + 1, LONG, PART):
            content = CONTENT[:size]
            assert client.push_blob(**SOURCES[source](content, tmp_path)) == hash_bytes(content)
            assert endpoint.registry.memory.blobs[REPO].pop(hash_bytes(content)) == content
        check_manners(endpoint.registry)
        check_manners(endpoint.storage, authorized=False)
        assert endpoint.storage.steps()
        assert not endpoint.registry.steps()
        assert {request.method for request in endpoint.registry.requests} <= {'HEAD', 'POST'}


@pytest.mark.parametrize('tls', [False, True], ids=['http', 'https'])
def test_a_refusal_that_comes_while_the_body_is_being_sent_is_heard(certificates: Certificates, tmp_path: Path,
                                                                    tls: bool) -> None:
    content = random_bytes(26 * MIB)
    limits = Limits(retries=2, backoff=0.01, part=12 * MIB, small_part=MIB)
    quirk = Quirk('more than the buffers of a connection hold', refusal(413, over=MIB), early=True)
    with QuirkyRegistry(quirk, certificates if tls else None) as server:
        with client_of(server, limits, tlsverify=certificates.ca) as client:
            assert client.push_blob(**SOURCES['file'](content, tmp_path)) == hash_bytes(content)
        assert [step for step in server.steps() if step[1] <= MIB] == parts(len(content), MIB)
        assert server.refused
    check_manners(server)


# Nothing is left

@pytest.mark.parametrize('statuses, source', each_with({f'{patch} and {put}': (patch, put) for patch, put in [
    (405, 413), (413, 413), (416, 413), (500, 413), (404, 405), (405, 500), (400, 400), (403, 403), (405, 403)]}))
def test_where_every_way_is_refused_there_is_one_error(source: str, statuses: tuple[int, int], tmp_path: Path) -> None:
    patch, put = statuses
    quirk = Quirk('nobody may write', any_of(refusal(patch, 'PATCH'), refusal(put, 'PUT', over=LIMIT)))
    for size in (PART - 1, LONG):
        with QuirkyRegistry(quirk) as server, client_of(server) as client:
            with pytest.raises(DXFHTTPError) as raised:
                client.push_blob(**SOURCES[source](CONTENT[:size], tmp_path))
        assert raised.value.response.status_code in (patch, put)
        assert '\n' not in line_of(raised.value)
        assert not server.memory.blobs[REPO]
        check_manners(server)


class Shell:
    """Runs dxf as a command against a scripted registry."""

    def __init__(self, directory: Path) -> None:
        self.temporary = directory / 'temporary'
        self.temporary.mkdir()
        self._program = fork_server.write_program(directory / 'dxf')

    def run(self, server: ScriptedRegistry, *operands: str, before: str = '', **given: Any
            ) -> subprocess.CompletedProcess[bytes]:
        """Run ``dxf push-blob`` on the repository.

        :param before: what the shell does before
        :param given: those of ``subprocess.run``
        """
        environ = {**os.environ, 'DXF_HOST': server.host, 'DXF_INSECURE': '1', 'DXF_TOKEN': TOKEN, 'DXF_RETRIES': '1',
                   'TMPDIR': str(self.temporary)}
        # What a shell sets for its own processes holds for an interpreter that it starts, and not for a forked one.
        command = ['sh', '-c', f'{before}exec "$0" "$@"', *processes.DXF] if before else [str(self._program)]
        done = subprocess.run([*command, 'push-blob', REPO, *operands], capture_output=True, timeout=90, check=False,
                              env=environ, **given)
        assert not list(self.temporary.iterdir())
        return done


@pytest.fixture(name='shell')
def make_shell(tmp_path: Path) -> Shell:
    """A shell whose temporary files are in a folder of its own."""
    return Shell(tmp_path)


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """Insist on a failure with one line on stderr and nothing on stdout, and return the line."""
    assert (done.returncode, done.stdout) == (1, b'')
    line, = done.stderr.decode().splitlines()
    assert line.startswith('dxf: ')
    return line


@pytest.mark.parametrize('piped', [True, False], ids=['standard input', 'file'])
def test_a_command_with_no_way_left_ends_with_one_line_and_names_nothing(shell: Shell, tmp_path: Path, piped: bool
                                                                        ) -> None:
    content = random_bytes(5 * MIB)
    path = tmp_path / 'content'
    path.write_bytes(content)
    quirk = Quirk('nobody may write', any_of(refusal(405, 'PATCH'), refusal(413, 'PUT')))
    with QuirkyRegistry(quirk) as server:
        done = shell.run(server, '-' if piped else str(path), '@latest', input=content)
    line = complaint(done)
    assert '405' in line or '413' in line
    check_manners(server)
    assert not server.memory.blobs[REPO]
    assert not any('/manifests/' in request.path for request in server.requests)


# Standard input, and where it is kept

NO_PATCH = QUIRKS['PATCH 405']
STREAM = random_bytes(9 * MIB)


@pytest.mark.parametrize('name, way', [('none', [*[('PATCH', 4 * MIB)] * 2, ('PUT', MIB)]),
                                       ('PATCH 405', [('PATCH', 4 * MIB), ('PUT', 9 * MIB)])])
def test_standard_input_is_stored_and_named(shell: Shell, name: str, way: list[Step]) -> None:
    with QuirkyRegistry(QUIRKS[name]) as server:
        done = shell.run(server, '-', '@nightly', input=STREAM)
    assert (done.returncode, done.stdout, done.stderr) == (0, f'{hash_bytes(STREAM)}\n'.encode(), b'')
    assert server.memory.blobs[REPO] == {hash_bytes(STREAM): STREAM}
    assert server.steps() == way
    manifest = json.loads(server.memory.manifests[REPO][server.memory.tags[REPO]['nightly']][1])
    assert [(layer['digest'], layer['size']) for layer in manifest['layers']] == [(hash_bytes(STREAM), len(STREAM))]
    check_manners(server)


def test_standard_input_may_be_a_file_and_is_read_from_where_it_stands(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / 'content'
    path.write_bytes(STREAM)
    with QuirkyRegistry(QUIRKS['none']) as server, path.open('rb', buffering=0) as file:
        file.seek(MIB)
        done = shell.run(server, '-', stdin=file)
    assert (done.returncode, done.stdout, done.stderr) == (0, f'{hash_bytes(STREAM[MIB:])}\n'.encode(), b'')
    assert server.memory.blobs[REPO] == {hash_bytes(STREAM[MIB:]): STREAM[MIB:]}


@pytest.mark.parametrize('name', ['none', 'PATCH 405', 'empty closing PUT 500'])
def test_standard_input_may_be_empty(shell: Shell, name: str) -> None:
    with QuirkyRegistry(QUIRKS[name]) as server:
        done = shell.run(server, '-', input=b'')
    assert (done.returncode, done.stdout) == (0, f'{hash_bytes(b"")}\n'.encode())
    assert done.stderr == b'dxf: standard input was empty: an empty blob is stored\n'
    assert server.memory.blobs[REPO] == {hash_bytes(b''): b''}
    assert server.steps() == [('PUT', 0)]


def test_standard_input_that_is_closed_is_one_line(shell: Shell) -> None:
    with QuirkyRegistry(QUIRKS['none']) as server:
        line = complaint(shell.run(server, '-', before='exec <&-; ', stdin=subprocess.DEVNULL))
    assert 'standard input' in line
    assert not server.memory.blobs[REPO]
    assert not server.memory.uploads


def test_a_full_disk_where_a_stream_is_kept_is_one_line(shell: Shell) -> None:
    with QuirkyRegistry(NO_PATCH) as server:  # a file of 1 MiB is all that may be written; in blocks of 512 bytes
        line = complaint(shell.run(server, '-', '@latest', before='ulimit -f 2048; ', input=STREAM))
    assert 'temporary file' in line and 'TMPDIR' in line
    assert not server.memory.blobs[REPO] and not server.memory.tags[REPO]
    check_manners(server)


def test_no_place_where_a_stream_could_be_kept_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'missing'))
    with QuirkyRegistry(NO_PATCH) as server, client_of(server) as client:
        with pytest.raises(DXFSourceError) as raised:
            client.push_blob(**SOURCES['pipe'](CONTENT, tmp_path))
    assert '\n' not in line_of(raised.value)
    assert not server.memory.blobs[REPO]
    check_manners(server)


def opened_below(folder: Path) -> list[str]:
    """Return the files below a folder that this process has open, those without a name, too."""
    found = []
    for entry in os.listdir('/proc/self/fd'):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f'/proc/self/fd/{entry}'))
    return [name for name in found if name.startswith(str(folder))]


@pytest.mark.parametrize('source', STREAMS)
def test_what_is_kept_of_a_stream_has_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str) -> None:
    folder = tmp_path / 'temporary'
    folder.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(folder))
    kept: list[int] = []
    with QuirkyRegistry(NO_PATCH) as server, client_of(server) as client:
        def look(request: Request) -> None:
            if request.method == 'PUT':
                kept.append(len(opened_below(folder)))
                assert not list(folder.iterdir())
        before_each(server, look)
        client.push_blob(**SOURCES[source](CONTENT, tmp_path))
    assert kept == [1]
    assert not opened_below(folder)


@pytest.mark.parametrize('name', ['none', 'PATCH 405', 'PATCH of 5 to 20 MiB', 'endless parts'])
@pytest.mark.parametrize('source', STREAMS)
def test_a_stream_with_another_digest_than_was_told_is_not_stored(name: str, source: str, tmp_path: Path) -> None:
    with QuirkyRegistry(QUIRKS[name]) as server, client_of(server) as client:
        for _ in range(2):
            with pytest.raises(DXFDigestMismatchError):
                client.push_blob(digest=hash_bytes(OTHER), **SOURCES[source](CONTENT, tmp_path))
    assert not server.memory.blobs[REPO]
    check_manners(server)


def failing(problem: Exception) -> Iterator[bytes]:
    """Yield some parts, and fail."""
    yield CONTENT
    raise problem


@every_quirk
def test_a_source_that_fails_leaves_nothing_behind(quirk: Quirk) -> None:
    with QuirkyRegistry(quirk) as server, client_of(server) as client:
        for _ in range(2):
            with pytest.raises(ValueError, match='no more'):
                client.push_blob(data=failing(ValueError('no more')))
    gc.collect()  # what was not closed is told here, and not in another test
    assert not server.memory.blobs[REPO]
    check_manners(server)


@pytest.mark.parametrize('kind, text', [(OSError, (5, 'Input/output error')), (NoConnection, ('https://a/?secret',)),
                                        (BrokenPipeError, ())])
@pytest.mark.parametrize('name', ['none', 'PATCH 405', 'PATCH of 5 to 20 MiB', 'endless parts'])
def test_a_source_that_cannot_be_read_is_not_taken_for_a_fault_of_another(name: str, kind: type[OSError],
                                                                          text: tuple[Any, ...]) -> None:
    with QuirkyRegistry(QUIRKS[name]) as server, client_of(server) as client:
        with pytest.raises(DXFSourceError) as raised:
            client.push_blob(data=failing(kind(*text)))
    line = line_of(raised.value)
    assert line.startswith('cannot read data')
    assert kind is not OSError or line.endswith(text[1])
    assert not any(word in line for word in ('None', 'temporary', 'secret'))
    del raised
    gc.collect()
    assert not server.memory.blobs[REPO]
    check_manners(server)


# Hashed while it is sent

def before_each(server: QuirkyRegistry, look: Callable[[Request], None]) -> None:
    """Have each request looked at when it has arrived, before it is answered."""
    answer = server.hook
    assert answer is not None

    def hook(request: Request) -> Answer | None:
        look(request)
        return answer(request)
    server.hook = hook


@pytest.fixture(name='path')
def write_path(tmp_path: Path) -> Path:
    """A file of several parts that was written long ago."""
    path = tmp_path / 'content'
    path.write_bytes(CONTENT)
    os.utime(path, (10 ** 9, 10 ** 9))
    return path


@pytest.mark.parametrize('name, source, sizes', [
    *[pytest.param(name, 'file', (PART + 1, LONG), id=shown)
      for name, shown in zip(QUIRKS, ids_of(QUIRKS), strict=True)],
    # No upload is opened: what the registry refuses and answers does not matter.
    ('none', 'file', (1, PART)), ('none', 'bytes', (1, PART, PART + 1, LONG))])
@pytest.mark.usefixtures('asked_by_head')
def test_what_the_registry_has_is_not_stored_again(name: str, source: str, sizes: tuple[int, ...], tmp_path: Path
                                                   ) -> None:
    quirk = QUIRKS[name]
    with QuirkyRegistry(quirk) as server:
        for size in sizes:
            server.reset_after_fork()
            content = CONTENT[:size]
            server.memory.put(REPO, content)
            progress = Progress()
            for _ in range(2):
                server.forget()
                with client_of(server) as client:
                    digest = client.push_blob(progress=progress, **SOURCES[source](content, tmp_path))
                assert digest == hash_bytes(content)
                assert not server.of('PUT')
                assert 1 <= len(server.of('HEAD')) <= 2
                sessions = len(server.of('POST'))
                assert sessions == len(server.of('DELETE')) <= ((source, size > PART) == ('file', True)) * (
                    2 if server.refused else 1)
                assert len(server.of('PATCH')) <= 4 * 3 + (0 if quirk.harmless else LIMITS.retries)
                check_manners(server)
            assert not progress.calls


@pytest.mark.parametrize('size, part', [(LONG, PART), (40 * MIB, 8 * MIB)])
def test_a_real_registry_keeps_no_session_of_a_file_that_it_has(open_registry: Endpoint, repo: str, tmp_path: Path,
                                                                size: int, part: int) -> None:
    path = tmp_path / 'content'
    path.write_bytes(random_bytes(size))
    sessions = open_registry.registry.storage / 'docker/registry/v2/repositories' / repo / '_uploads'
    with DXF(open_registry.host, repo, insecure=True, limits=Limits(part=part)) as client:
        for _ in range(4):
            client.push_blob(str(path))
            assert not list(sessions.rglob('data'))  # it keeps the state of its hash all the same


def test_a_command_sends_no_file_again_and_names_it(monkeypatch: pytest.MonkeyPatch, path: Path,
                                                    capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr('dxf.environment.clients.Limits', partial(Limits, part=PART, small_part=SMALL))
    with QuirkyRegistry(QUIRKS['none']) as server:
        server.memory.put(REPO, CONTENT)
        environ = server.environ(DXF_TOKEN=TOKEN, DXF_PROGRESS='1')
        assert doit(['push-blob', REPO, str(path), '@latest'], environ) == 0
    assert capfd.readouterr() == (f'{hash_bytes(CONTENT)}\n', '')
    assert len(server.of('DELETE')) == len(server.of('POST'))
    assert [request.path for request in server.of('PUT')] == [f'/v2/{REPO}/manifests/latest']
    check_manners(server)


def test_a_command_sends_a_new_file_in_parts_and_names_it(monkeypatch: pytest.MonkeyPatch, path: Path,
                                                          capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr('dxf.environment.clients.Limits', partial(Limits, part=PART, small_part=SMALL))
    with QuirkyRegistry(QUIRKS['none']) as server:
        environ = server.environ(DXF_TOKEN=TOKEN)
        assert doit(['push-blob', REPO, str(path), '@latest'], environ) == 0
    assert capfd.readouterr() == (f'{hash_bytes(CONTENT)}\n', '')
    assert is_large(server.steps())
    assert list(server.memory.tags[REPO]) == ['latest']
    check_manners(server)


def test_a_file_is_stored_without_a_question_where_that_is_wanted(path: Path) -> None:
    with QuirkyRegistry(QUIRKS['none']) as server, client_of(server) as client:
        server.memory.put(REPO, CONTENT)
        client.push_blob(str(path), check_exists=False)
    assert is_large(server.steps())
    assert [request.method for request in server.requests][-2:] == ['PUT', 'HEAD']  # afterwards
    assert len(server.of('HEAD')) == 1
    check_manners(server)


def test_a_file_with_another_digest_than_was_told_is_not_stored(path: Path) -> None:
    with QuirkyRegistry(QUIRKS['none']) as server, client_of(server) as client:
        with pytest.raises(DXFDigestMismatchError):
            client.push_blob(str(path), digest=hash_bytes(OTHER))
    assert not server.memory.blobs[REPO]
    check_manners(server)


def append(path: Path) -> None:
    """Let a file grow."""
    with path.open('ab') as file:
        file.write(b'more')


def shrink(path: Path) -> None:
    """Cut a file off behind its second part."""
    os.truncate(path, 2 * PART + 5)


def vanish(path: Path) -> None:
    """Leave nothing of a file."""
    os.truncate(path, 0)


def rewrite(path: Path) -> None:
    """Change all that a file holds, but not how much."""
    path.write_bytes(OTHER[:path.stat().st_size])


def rewrite_start(path: Path) -> None:
    """Change the first byte of a file."""
    with path.open('r+b') as file:
        file.write(bytes([CONTENT[0] ^ 1]))


def rewrite_end(path: Path) -> None:
    """Change the last byte of a file."""
    with path.open('r+b') as file:
        file.seek(-1, os.SEEK_END)
        file.write(b'!')


CHANGES = [append, shrink, vanish, rewrite, rewrite_start, rewrite_end]


@pytest.mark.parametrize('change', CHANGES)
@pytest.mark.parametrize('name, number', [
    ('none', 1), ('none', 2), ('none', 3),
    ('PATCH of 4 MiB at most', 1),  # which it refuses: all is to be sent again
    ('bodies of 20 MB at most', 1),
    ('bodies of 20 MB at most', 4),  # among the small parts
])
def test_a_file_that_changes_while_it_is_sent_in_parts_is_not_stored(path: Path, name: str, number: int,
                                                                     change: Callable[[Path], None]) -> None:
    changed: list[str] = []
    with QuirkyRegistry(QUIRKS[name]) as server, client_of(server) as client:
        def look(request: Request) -> None:
            if request.method == 'PATCH' and len(server.of('PATCH')) == number:
                change(path)
                changed.append(request.line)
        before_each(server, look)
        with pytest.raises(DXFSourceError) as raised:
            client.push_blob(str(path))
    assert len(changed) == 1
    assert str(raised.value) == f'{path} changed while it was being uploaded'
    assert not server.memory.blobs[REPO]
    check_manners(server)


@pytest.mark.parametrize('change', [append, shrink, vanish, rewrite_end])
def test_a_file_that_changes_while_it_is_sent_whole_is_not_stored(path: Path, change: Callable[[Path], None]) -> None:
    content = random_bytes(24 * MIB)  # more than the buffers of a connection hold
    path.write_bytes(content)
    os.utime(path, (10 ** 9, 10 ** 9))
    changed: list[str] = []
    with QuirkyRegistry(NO_PATCH) as server, client_of(server) as client:
        def early(head: Request) -> None:
            if head.method == 'PUT':
                change(path)
                changed.append(head.line)
        server.early = early
        with pytest.raises(DXFSourceError) as raised:
            client.push_blob(str(path))
    assert len(changed) == 1
    assert str(raised.value) == f'{path} changed while it was being uploaded'
    assert all(put.length < length(put) == len(content) for put in server.of('PUT'))
    assert not server.memory.blobs[REPO]
    check_manners(server)


@pytest.mark.parametrize('where', [0, LONG - 1])
def test_a_file_that_was_changed_before_is_stored_as_it_is(path: Path, where: int) -> None:
    """The tests above would pass where nothing is ever stored."""
    content = CONTENT[:where] + b'!' + CONTENT[where + 1:]
    path.write_bytes(content)
    with QuirkyRegistry(QUIRKS['none']) as server, client_of(server) as client:
        assert client.push_blob(str(path)) == hash_bytes(content)
    assert server.memory.blobs[REPO] == {hash_bytes(content): content}
