"""What counts as stored: answers that only a registry which has a blob or a manifest can give.

Web pages with a good status, damaged copies, useless digest headers and lost answers are told apart from success.
"""

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from requests.exceptions import HTTPError, RequestException

import dxf
from dxf import DXF, Limits, hash_bytes
from dxf.cli.error_messages import line_of, status_of
from dxf.exceptions import (DXFConflictError, DXFDigestMismatchError, DXFError, DXFHTTPError, DXFMountFailed,
                            DXFProtocolError, DXFUnexpectedStatusCodeError)
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.waiting import eventually
from ..servers.scripted_registry import LOST, Answer, Request, ScriptedRegistry, error, interim

REPO = 'fred/datalogger'
CONTENT = b'readings of May 15th'
DIGEST = hash_bytes(CONTENT)
EMPTY = hash_bytes(b'')
OTHER = hash_bytes(b'other')
BLOBS = f'/v2/{REPO}/blobs'
MANIFESTS = f'/v2/{REPO}/manifests'
PAGE = b'<!DOCTYPE html><title>Sign in</title>'
HTML = {'Content-Type': 'text/html'}
USELESS = ('', 'x', 'sha512:' + '0' * 128, None)
"""Values of Docker-Content-Digest that confirm nothing; ``None`` for no header."""


@pytest.fixture(name='client')
def make_client(server: ScriptedRegistry) -> DXF:
    """A client of its repository that tries twice."""
    return DXF(server.host, REPO, insecure=True, limits=Limits(retries=1, backoff=0.001))


def named(answer: Answer, digest: str | None, **changes: Any) -> Answer:
    """Return an answer with another Docker-Content-Digest, or with none."""
    headers = {name: value for name, value in answer.headers.items() if name != 'Docker-Content-Digest'}
    return replace(answer, headers=headers if digest is None else {**headers, 'Docker-Content-Digest': digest},
                   **changes)


def renaming(server: ScriptedRegistry, digest: str | None, *methods: str) -> None:
    """Let the registry answer these methods with another Docker-Content-Digest, or with none."""
    server.hook = lambda request: named(server.ordinary(request), digest) if request.method in methods else None


# A look after an error

@pytest.mark.parametrize('status', [401, 403])
@pytest.mark.parametrize('data', [b'hello', [b'hello', b' world']], ids=['bytes', 'a stream'])
def test_an_error_is_not_hidden_by_that_of_the_look_after_it(server: ScriptedRegistry, client: DXF, status: int,
                                                             data: Any) -> None:
    reason = error(409, 'DENIED', 'the real reason')
    server.hook = lambda request: {'PUT': reason, 'HEAD': Answer(status)}.get(request.method)
    with pytest.raises(HTTPError, match='the real reason'):
        client.push_blob(data=data if isinstance(data, bytes) else iter(data), check_exists=False)


# Web pages

COMMANDS: dict[str, tuple[str, ...]] = {
    'push-blob': ('push-blob', REPO, 'FILE'),
    'push-blob with an alias': ('push-blob', REPO, 'FILE', '@mine'),
    'push-blob of nothing': ('push-blob', REPO, 'EMPTY'),
    'push-blob of two': ('push-blob', REPO, 'FILE', 'EMPTY', '@mine'),
    'push-blob --resume': ('push-blob', '--resume', REPO, 'FILE'),
    'push-files': ('push-files', REPO, 'mine', 'FILE'),
    'attach': ('attach', REPO, 'mine', 'FILE', '--type', 'text/plain'),
    'set-alias': ('set-alias', REPO, 'mine', DIGEST),
    'set-alias of nothing': ('set-alias', REPO, 'mine', EMPTY),
    'set-alias --if-absent': ('set-alias', '--if-absent', REPO, 'mine', DIGEST),
    'copy': ('copy', 'fred/x', 'mine', '--to', 'SERVER'),
    'mount-blob': ('mount-blob', REPO, 'fred/other', DIGEST),
    'del-blob': ('del-blob', REPO, DIGEST),
    'del-alias': ('del-alias', REPO, 'mine'),
    'blob-size': ('blob-size', REPO, DIGEST),
    'get-manifest-digest': ('get-manifest-digest', REPO, 'mine'),
}


def run(arguments: tuple[str, ...], environ: dict[str, str]) -> tuple[int, list[str]]:
    """Run a command; return its status, and its lines on standard error."""
    lines = io.StringIO()
    with contextlib.redirect_stderr(lines), contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        try:
            status = doit(arguments, {'DXF_PROGRESS': '0', 'DXF_RETRIES': '0', **environ})
        except (DXFError, RequestException) as failure:
            status = status_of(failure)
            print(line_of(failure), file=lines)
    return status, lines.getvalue().splitlines()


@pytest.mark.parametrize('command, status, body', [
    pytest.param(command, status, body, id=f'{command}, {status}, {"page" if body else "empty"}')
    for command in COMMANDS for status in (200, 201, 202) for body in (PAGE, b'')
    if (command, status, body) != ('del-blob', 202, b'')])  # what a registry answers
def test_a_page_with_a_good_status_to_everything_is_never_a_success(
        server: ScriptedRegistry, tmp_path: Path, command: str, status: int, body: bytes) -> None:
    server.hook = lambda request: Answer(status, HTML, body)
    (tmp_path / 'file').write_bytes(CONTENT)
    (tmp_path / 'empty').write_bytes(b'')
    with DXF(f'oci:{tmp_path}/layouts', 'fred/x') as folder:
        folder.set_alias('mine', folder.push_blob(data=CONTENT))
    places = {'FILE': str(tmp_path / 'file'), 'EMPTY': str(tmp_path / 'empty'), 'SERVER': server.host}
    arguments = tuple(places.get(part, part) for part in COMMANDS[command])
    host = f'oci:{tmp_path}/layouts' if command == 'copy' else server.host
    result, lines = run(arguments, {'DXF_HOST': host, 'DXF_INSECURE': '1', 'DXF_TO_INSECURE': '1',
                                    'XDG_STATE_HOME': str(tmp_path / 'state')})
    assert result != 0
    assert len(lines) == 1
    assert server.requests


# Blobs

@pytest.mark.parametrize('digest, changes, is_there', [
    (DIGEST, {}, True),
    (None, {}, True),  # Artifactory and Nexus send no digest: the length that we know will do
    (None, {'declared': len(PAGE)}, False),
    (DIGEST, {'declared': len(CONTENT) - 1}, False),  # a damaged copy
    (OTHER, {}, False),
    ('x', {}, True),
    (DIGEST, {'undelimited': True}, True),
    (None, {'undelimited': True}, True),  # by the first byte, with which the length comes
])
@pytest.mark.usefixtures('asked_by_head')
def test_a_blob_is_sent_where_the_answer_does_not_prove_that_it_is_there(
        server: ScriptedRegistry, client: DXF, digest: str | None, changes: dict[str, Any], is_there: bool) -> None:
    server.memory.put(REPO, CONTENT)
    server.hook = lambda request: named(server.ordinary(request), digest, **changes) \
        if request.method == 'HEAD' else None
    assert client.push_blob(data=CONTENT) == DIGEST
    assert len(server.of('PUT')) == (not is_there)
    assert client.make_manifest(DIGEST).count(f'"size": {len(CONTENT)}') == 2


@pytest.mark.parametrize('digest, gets', [(DIGEST, 0), (None, 1)])
@pytest.mark.usefixtures('asked_by_head')
def test_the_length_of_a_compressed_answer_is_not_the_blob_s(server: ScriptedRegistry, client: DXF,
                                                             digest: str | None, gets: int) -> None:
    server.memory.put(REPO, CONTENT)

    def compressed(request: Request) -> Answer | None:
        if request.method != 'HEAD':
            return None
        answer = named(server.ordinary(request), digest, declared=7)
        return replace(answer, headers={**answer.headers, 'Content-Encoding': 'gzip'})
    server.hook = compressed
    client.push_blob(data=CONTENT)
    assert [request.headers.get('Range') for request in server.of('GET')] == ['bytes=0-0'] * gets
    assert not server.of('PUT')
    assert client.blob_size(DIGEST) == len(CONTENT)  # by its first byte


def test_an_empty_blob_is_there_only_by_its_digest(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: Answer(200) if request.method == 'HEAD' else None
    assert client.push_blob(data=b'') == EMPTY
    assert server.memory.blobs[REPO] == {EMPTY: b''}


@pytest.mark.parametrize('data', [b'', iter([])])
@pytest.mark.parametrize('status', [400, 404, 409, 412, 500])
def test_an_empty_blob_that_was_refused_is_not_there_as_anything_is(server: ScriptedRegistry, client: DXF, status: int,
                                                                    data: Any) -> None:
    server.hook = lambda request: Answer(200) if request.method == 'HEAD' else \
        error(status, 'UNSUPPORTED') if request.method == 'PUT' else None
    with pytest.raises(DXFHTTPError, match=f'^{status} '):
        client.push_blob(data=data)


@pytest.mark.parametrize('digest', USELESS)
def test_an_empty_blob_that_was_taken_needs_no_digest(server: ScriptedRegistry, client: DXF, digest: str | None
                                                      ) -> None:
    renaming(server, digest, 'HEAD', 'PUT')
    assert client.push_blob(data=b'') == EMPTY
    assert server.memory.blobs[REPO] == {EMPTY: b''}


@pytest.mark.parametrize('digest', USELESS)
def test_a_blob_whose_digest_is_not_confirmed_is_measured_by_its_first_byte(server: ScriptedRegistry, client: DXF,
                                                                            digest: str | None) -> None:
    server.memory.put(REPO, CONTENT)
    renaming(server, digest, 'HEAD', 'GET')
    assert client.blob_size(DIGEST) == len(CONTENT)
    assert server.lines() == [f'HEAD {BLOBS}/{DIGEST}', f'GET {BLOBS}/{DIGEST}']
    assert server.requests[1].headers['Range'] == 'bytes=0-0'
    assert f'"size": {len(CONTENT)}' in client.set_alias('mine', DIGEST)


def test_a_blob_whose_digest_is_confirmed_is_measured_by_one_request(server: ScriptedRegistry, client: DXF) -> None:
    server.memory.put(REPO, CONTENT)
    assert client.blob_size(DIGEST) == len(CONTENT)
    assert server.lines() == [f'HEAD {BLOBS}/{DIGEST}']


@pytest.mark.parametrize('content', [CONTENT, b''])
def test_where_there_are_no_ranges_the_whole_blob_proves_itself(server: ScriptedRegistry, client: DXF, content: bytes
                                                                ) -> None:
    digest = server.memory.put(REPO, content)
    server.hook = lambda request: named(server.ordinary(request), None, declared=7) if request.method == 'HEAD' else \
        Answer(200, {}, content)
    assert client.blob_size(digest) == len(content)


def test_an_empty_blob_without_a_digest_is_measured_although_it_has_no_first_byte(server: ScriptedRegistry,
                                                                                  client: DXF) -> None:
    server.memory.put(REPO, b'')
    renaming(server, None, 'HEAD', 'GET')
    assert client.blob_size(EMPTY) == 0


@pytest.mark.parametrize('answer, problem', [
    (Answer(200, HTML, PAGE), DXFDigestMismatchError),
    (Answer(200, {'Docker-Content-Digest': OTHER}, CONTENT), DXFDigestMismatchError),
    (Answer(206, {}, CONTENT[:1]), DXFProtocolError),
    (Answer(206, {'Content-Range': 'bytes 1-1/20'}, CONTENT[:1]), DXFProtocolError),
    (Answer(206, {'Content-Range': 'bytes 0-0/*'}, CONTENT[:1]), DXFProtocolError),
    (Answer(204), DXFUnexpectedStatusCodeError),
])
def test_what_is_not_the_blob_has_no_size_and_gets_no_alias(server: ScriptedRegistry, client: DXF, answer: Answer,
                                                            problem: type[Exception]) -> None:
    server.hook = lambda request: Answer(200, HTML, PAGE) if request.method == 'HEAD' else answer
    with pytest.raises(problem):
        client.blob_size(DIGEST)
    with pytest.raises(problem):
        client.set_alias('mine', DIGEST)
    assert not server.of('PUT')


@pytest.mark.parametrize('media_type', ['text/html', 'text/html; charset=utf-8', 'application/json', ''])
def test_a_page_that_knows_ranges_is_not_the_blob(server: ScriptedRegistry, client: DXF, media_type: str) -> None:
    def page(request: Request) -> Answer | None:
        if request.method not in ('HEAD', 'GET') or not request.path.startswith(f'{BLOBS}/sha256:'):
            return Answer(201) if request.parameter('mount') else None
        headers = {'Content-Type': media_type}
        if request.headers.get('Range') != 'bytes=0-0':
            return Answer(200, headers, PAGE)
        return Answer(206, {**headers, 'Content-Range': f'bytes 0-0/{len(PAGE)}'}, PAGE[:1])
    server.hook = page
    for ask in (client.blob_size, lambda digest: client.set_alias('mine', digest)):
        with pytest.raises(DXFDigestMismatchError):
            ask(DIGEST)
    with pytest.raises(DXFMountFailed):
        client.mount_blob('fred/other', DIGEST)
    assert not server.of('PUT')
    assert client.push_blob(data=iter([CONTENT]), digest=DIGEST) == DIGEST  # which is sent
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}


@pytest.mark.parametrize('media_type', ['text/plain', 'application/json'])
def test_a_blob_of_an_unusual_type_is_measured_by_its_content(server: ScriptedRegistry, client: DXF, media_type: str
                                                              ) -> None:
    server.memory.put(REPO, CONTENT)

    def typed(request: Request) -> Answer:
        answer = named(server.ordinary(request), None)
        return replace(answer, headers={**answer.headers, 'Content-Type': media_type})
    server.hook = typed
    assert client.blob_size(DIGEST) == len(CONTENT)
    assert [request.headers.get('Range') for request in server.of('GET')] == ['bytes=0-0', None]


def test_a_pull_whose_size_cannot_be_learned_leaves_no_answer_unread(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: Answer(200, {}, iter([CONTENT] * 100)) if request.method == 'GET' else \
        error(404, 'BLOB_UNKNOWN')
    with pytest.raises(DXFHTTPError) as raised:
        client.pull_blob(DIGEST, size=True)
    assert server.connections == 2
    assert eventually(lambda: server.open == 1)  # that of the second request, which is kept
    assert raised.traceback  # it holds the answer that is not read


def test_a_generator_is_sent_where_a_page_answers_for_its_digest(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: Answer(200, HTML, PAGE) \
        if request.path == f'{BLOBS}/{DIGEST}' and request.method in ('HEAD', 'GET') and not server.of('PUT') else None
    assert client.push_blob(data=iter([CONTENT]), digest=DIGEST) == DIGEST
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}


SPOILT = [b'', CONTENT[:7], CONTENT + b'x', bytes(len(CONTENT)), CONTENT[::-1]]
"""Content of a damaged file: of another length, or of the blob's, as a crash leaves it that came before the bytes."""


@pytest.mark.parametrize('content', SPOILT)
def test_a_damaged_blob_in_a_folder_is_sent_again(folder: Endpoint, repo: str, content: bytes) -> None:
    client = folder.dxf(repo)
    client.push_blob(data=CONTENT)
    path = Path(folder.host.removeprefix('oci:')) / repo / 'blobs' / 'sha256' / DIGEST.removeprefix('sha256:')
    path.write_bytes(content)
    assert client.push_blob(data=CONTENT) == DIGEST
    assert b''.join(client.pull_blob(DIGEST)) == path.read_bytes() == CONTENT


@pytest.mark.parametrize('content', [CONTENT[:7], bytes(len(CONTENT))])
def test_a_damaged_blob_in_a_folder_gets_no_alias_by_its_digest(folder: Endpoint, repo: str, content: bytes) -> None:
    folder.dxf(repo).push_blob(data=CONTENT)
    path = Path(folder.host.removeprefix('oci:')) / repo / 'blobs' / 'sha256' / DIGEST.removeprefix('sha256:')
    path.write_bytes(content)
    client = folder.dxf(repo)
    for ask in (client.blob_size, lambda digest: client.set_alias('mine', digest)):
        with pytest.raises(DXFHTTPError, match='404'):
            ask(DIGEST)
    assert client.list_aliases() == []


@pytest.mark.parametrize('content', SPOILT)
def test_a_damaged_blob_in_the_target_is_copied_again(server: ScriptedRegistry, client: DXF, folder: Endpoint,
                                                      repo: str,
                                                      content: bytes) -> None:
    client.set_alias('mine', client.push_blob(data=CONTENT))
    target = folder.dxf(repo)
    path = Path(folder.host.removeprefix('oci:')) / repo / 'blobs' / 'sha256' / DIGEST.removeprefix('sha256:')
    target.push_blob(data=CONTENT)
    path.write_bytes(content)
    assert dxf.copy(client, target, 'mine').moved == {DIGEST: len(CONTENT)}
    assert path.read_bytes() == CONTENT
    assert server.of('GET')


def resumable(server: ScriptedRegistry, content: bytes) -> None:
    """Have a registry keep a damaged blob, and say that it stored what it is sent, as distribution does."""
    server.memory.put(REPO, CONTENT)
    server.memory.blobs[REPO][DIGEST] = content
    server.hook = lambda request: named(Answer(201), DIGEST) \
        if request.method == 'PUT' and request.parameter('digest') == DIGEST else None


@pytest.mark.parametrize('content', [b'', CONTENT[:7], CONTENT + b'x'])
@pytest.mark.parametrize('store', [
    lambda client, path: client.push_blob(str(path)),
    lambda client, path: client.push_blob(data=CONTENT),
    lambda client, path: client.push_blob(str(path), resume=str(path.parent / 'state')),
    lambda client, path: client.push_blobs([str(path), b'other']),
], ids=['file', 'bytes', 'resume', 'several'])
@pytest.mark.usefixtures('asked_by_head')
def test_a_registry_that_keeps_a_damaged_blob_has_not_stored_it(
        server: ScriptedRegistry, client: DXF, tmp_path: Path, content: bytes, store: Callable[[DXF, Path], Any]
        ) -> None:
    resumable(server, content)
    path = tmp_path / 'file'
    path.write_bytes(CONTENT)
    with pytest.raises(DXFProtocolError, match='accepted the blob, but does not have it'):
        store(client, path)


def test_a_registry_that_keeps_a_damaged_blob_gets_no_copy(server: ScriptedRegistry, client: DXF, folder: Endpoint,
                                                           repo: str) -> None:
    source = folder.dxf(repo)
    source.set_alias('mine', source.push_blob(data=CONTENT))
    resumable(server, CONTENT[:7])
    with pytest.raises(DXFProtocolError, match='accepted the blob, but does not have it'):
        dxf.copy(source, client, 'mine')
    assert not server.memory.tags[REPO]


def test_a_damaged_blob_that_a_real_registry_keeps_is_a_failure(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    digest = client.push_blob(data=repo.encode())
    open_registry.file_of(repo, digest).write_bytes(b'cut')
    with pytest.raises(DXFProtocolError, match='accepted the blob, but does not have it'):
        client.push_blob(data=repo.encode())


@pytest.mark.usefixtures('asked_by_head')
def test_a_blob_of_which_head_tells_another_length_is_stored_if_it_can_be_fetched(server: ScriptedRegistry,
                                                                                  client: DXF) -> None:
    # Harbor tells the length of what it would compress.
    server.memory.put(REPO, CONTENT)
    server.hook = lambda request: named(server.ordinary(request), DIGEST, declared=7) \
        if request.method == 'HEAD' else None
    assert client.push_blob(data=CONTENT) == DIGEST
    assert [request.method for request in server.requests] == ['HEAD', 'POST', 'PUT', 'HEAD', 'GET']


# Mounts

@pytest.mark.parametrize('digest', USELESS)
def test_a_mount_without_the_digest_is_looked_at(server: ScriptedRegistry, client: DXF, digest: str | None) -> None:
    server.memory.put('fred/other', CONTENT)
    renaming(server, digest, 'POST')
    assert client.mount_blob('fred/other', DIGEST) == DIGEST
    assert [request.method for request in server.requests] == ['POST', 'HEAD']


@pytest.mark.parametrize('digest', USELESS)
def test_a_mount_that_stored_nothing_fails(server: ScriptedRegistry, client: DXF, digest: str | None) -> None:
    answer = named(Answer(201), digest)
    server.hook = lambda request: answer if request.method == 'POST' else None
    with pytest.raises(DXFMountFailed, match='does not have it'):
        client.mount_blob('fred/other', DIGEST)


def test_a_copy_sends_a_blob_whose_mount_stored_nothing(server: ScriptedRegistry, client: DXF) -> None:
    server.memory.put('fred/other', CONTENT)
    server.hook = lambda request: Answer(201) if request.parameter('mount') else None
    client.copy_blob(DXF.from_base(client, 'fred/other'), DIGEST)
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}


# Deletions

@pytest.mark.parametrize('status', [200, 202, 204])
def test_a_deletion_is_looked_at_again(server: ScriptedRegistry, client: DXF, status: int) -> None:
    server.memory.put(REPO, CONTENT)
    server.hook = lambda request: replace(server.ordinary(request), status=status) \
        if request.method == 'DELETE' else None
    client.del_blob(DIGEST)
    assert [request.method for request in server.requests] == ['DELETE', 'HEAD']
    assert not server.memory.blobs[REPO]


@pytest.mark.parametrize('status, page', [(200, PAGE), (202, PAGE), (202, b''), (204, b'')])
def test_a_deletion_that_deletes_nothing_is_an_error(server: ScriptedRegistry, client: DXF, status: int, page: bytes
                                                     ) -> None:
    server.memory.put(REPO, CONTENT)
    server.hook = lambda request: Answer(status, HTML, page) if request.method == 'DELETE' else None
    with pytest.raises(DXFProtocolError, match=f'still has {DIGEST}'):
        client.del_blob(DIGEST)


@pytest.mark.parametrize('status', [201, 203, 206, 207, 304])
def test_a_deletion_with_another_status_is_an_error(server: ScriptedRegistry, client: DXF, status: int) -> None:
    server.memory.put(REPO, CONTENT)
    server.script('DELETE', f'{BLOBS}/{DIGEST}', [Answer(status)])
    with pytest.raises(DXFUnexpectedStatusCodeError):
        client.del_blob(DIGEST)


def test_a_deletion_that_is_refused_after_an_early_hint_is_an_error(server: ScriptedRegistry, client: DXF) -> None:
    server.memory.put(REPO, CONTENT)
    server.script('DELETE', f'{BLOBS}/{DIGEST}', [replace(error(403, 'DENIED'), before=[interim(103)])])
    with pytest.raises(DXFError):
        client.del_blob(DIGEST)
    assert server.memory.blobs[REPO]


# Manifests

@pytest.mark.parametrize('status', [200, 201, 202])
@pytest.mark.parametrize('digest', USELESS)
def test_a_manifest_whose_digest_is_not_confirmed_is_read_back(server: ScriptedRegistry, client: DXF, status: int,
                                                               digest: str | None) -> None:
    client.push_blob(data=CONTENT)
    server.requests.clear()
    server.hook = lambda request: named(server.ordinary(request), digest, status=status) \
        if request.method == 'PUT' else None
    client.set_alias('mine', DIGEST)
    assert [request.line for request in server.requests] == [f'PUT {MANIFESTS}/mine', f'HEAD {MANIFESTS}/mine']


def test_a_manifest_is_read_back_whole_where_head_tells_no_digest_either(server: ScriptedRegistry, client: DXF) -> None:
    client.push_blob(data=CONTENT)
    renaming(server, None, 'PUT', 'HEAD', 'GET')
    manifest = client.set_alias('mine', DIGEST)
    assert client.get_manifest('mine') == manifest


@pytest.mark.parametrize('status', [200, 201, 202])
@pytest.mark.parametrize('before, problem', [
    (None, DXFProtocolError), ('another', DXFDigestMismatchError)])
def test_a_manifest_that_was_not_stored_is_an_error(server: ScriptedRegistry, client: DXF, status: int,
                                                    before: str | None, problem: type[Exception]) -> None:
    client.push_blob(data=CONTENT)
    if before is not None:
        client.set_alias('mine', client.push_blob(data=before.encode()))
    server.hook = lambda request: Answer(status, HTML, PAGE) if request.method == 'PUT' else None
    with pytest.raises(problem):
        client.set_alias('mine', DIGEST)


def test_a_manifest_s_digest_is_not_taken_from_an_invalid_header(server: ScriptedRegistry, client: DXF) -> None:
    client.push_blob(data=CONTENT)
    manifest = client.set_alias('mine', DIGEST)
    server.hook = lambda request: named(server.ordinary(request), 'sha256:\x1b[31mx') \
        if request.method == 'HEAD' else None
    assert client.manifest_digest('mine') == hash_bytes(manifest.encode())


def condition(client: DXF, kind: str) -> dict[str, Any]:
    """Return a condition that holds: the alias is not there, or names what it names."""
    if kind == 'if_absent':
        return {'if_absent': True}
    client.set_alias('mine', client.push_blob(data=b'before'))
    return {'if_match': client.manifest_digest('mine')}


@pytest.mark.parametrize('schema', ['v2', 'oci', 'v1'])
@pytest.mark.parametrize('status', [400, 403, 409, 412])
@pytest.mark.parametrize('kind', ['if_absent', 'if_match'])
def test_a_conditional_alias_whose_answer_was_lost_is_set(server: ScriptedRegistry, kind: str, status: int,
                                                          schema: str) -> None:
    client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=1, backoff=0.001), schema=schema)
    client.push_blob(data=CONTENT)
    held = condition(client, kind)

    def lose(request: Request) -> Answer:
        server.ordinary(request)
        return LOST
    server.script('PUT', f'{MANIFESTS}/mine', [lose, error(status, 'DENIED')])
    client.set_alias('mine', DIGEST, **held)
    assert client.get_alias('mine') == [DIGEST]


@pytest.mark.parametrize('kind', ['if_absent', 'if_match'])
def test_a_conditional_alias_that_another_has_set_meanwhile_is_a_conflict(server: ScriptedRegistry, client: DXF,
                                                                          kind: str) -> None:
    client.push_blob(data=CONTENT)
    held = condition(client, kind)
    other = DXF(server.host, REPO, insecure=True)

    def be_faster(_request: Request) -> Answer:
        other.set_alias('mine', other.push_blob(data=b'faster'))
        return error(412, 'DENIED')
    server.script('PUT', f'{MANIFESTS}/mine', [be_faster])
    with pytest.raises(DXFConflictError):
        client.set_alias('mine', DIGEST, **held)


def test_an_immutable_tag_that_has_this_manifest_already_is_no_error(server: ScriptedRegistry, client: DXF) -> None:
    client.push_blob(data=CONTENT)
    client.set_alias('mine', DIGEST)
    server.hook = lambda request: error(409, 'CONFLICT') if request.path.startswith(MANIFESTS) \
        and request.method == 'PUT' else None
    client.set_alias('mine', DIGEST)
    with pytest.raises(DXFHTTPError, match='^409'):
        client.set_alias('mine', client.push_blob(data=b'another'))


# Another process is faster

def faster(server: ScriptedRegistry, status: int) -> Callable[[Request], Answer]:
    """Return what stores the blob for another process, and refuses ours."""
    def step(_request: Request) -> Answer:
        server.memory.put(REPO, CONTENT)
        return error(status, 'BLOB_UPLOAD_INVALID')
    return step


@pytest.mark.parametrize('status', [400, 404, 409, 412, 416])
@pytest.mark.parametrize('method', ['PUT', 'PATCH'])
@pytest.mark.parametrize('source', ['file', 'data', 'generator'])
def test_a_blob_that_another_process_stored_meanwhile_is_there(server: ScriptedRegistry, tmp_path: Path, status: int,
                                                               method: str, source: str) -> None:
    client = DXF(server.host, REPO, insecure=True, limits=Limits(
        retries=0, backoff=0.001, part=12, small_part=12))
    path = tmp_path / 'file'
    path.write_bytes(CONTENT)
    step = faster(server, status)
    server.hook = lambda request: step(request) if request.method in ('PUT', method) else None
    filename = str(path) if source == 'file' else None
    assert client.push_blob(filename, data=iter([CONTENT]) if source == 'generator' else CONTENT) == DIGEST
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}


@pytest.mark.usefixtures('asked_by_head')
def test_a_refusal_of_the_digest_is_not_looked_at(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: error(400, 'DIGEST_INVALID') if request.method == 'PUT' else None
    with pytest.raises(DXFHTTPError, match='DIGEST_INVALID'):
        client.push_blob(data=CONTENT)
    assert [request.method for request in server.requests] == ['HEAD', 'POST', 'PUT', 'DELETE']
