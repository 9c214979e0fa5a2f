"""A registry that says that it has a blob, and refuses a manifest that names it: ``push-blob --force`` sends it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFHTTPError, DXFProtocolError, DXFUnauthorizedError

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error

REPO = 'fred/datalogger'
CONTENTS = b'readings of May 15th', b'readings of May 16th'
DIGESTS = [hash_bytes(content) for content in CONTENTS]
LACKS = 'MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN'


def liar(server: ScriptedRegistry, code: str = 'MANIFEST_BLOB_UNKNOWN') -> Callable[[Request], Answer | None]:
    """Return a hook of a registry that answers HEAD for each blob, and knows at a manifest which it has."""
    told = dict(zip(DIGESTS, CONTENTS, strict=True))

    def hook(request: Request) -> Answer | None:
        digest = request.path.rpartition('/')[2]
        if request.method == 'HEAD' and digest in told:
            return Answer(200, {'Docker-Content-Digest': digest}, told[digest])
        if request.parameter('mount') in told:
            return Answer(201, {'Docker-Content-Digest': str(request.parameter('mount'))})
        named = re.findall(r'sha256:[a-f0-9]{64}', request.body.decode('latin-1'))
        is_manifest = request.method == 'PUT' and '/manifests/' in request.path
        return error(400, code) if is_manifest and not set(named) <= set(server.memory.blobs[REPO]) else None
    return hook


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that says that it has all blobs, and has none."""
    server.hook = liar(server)
    return server


@pytest.fixture(name='files')
def write_files(tmp_path: Path) -> list[str]:
    """Files of the blobs."""
    for number, content in enumerate(CONTENTS):
        (tmp_path / str(number)).write_bytes(content)
    return [str(tmp_path / str(number)) for number in range(len(CONTENTS))]


def runner(server: ScriptedRegistry, tmp_path: Path) -> Runner:
    """Return what runs dxf."""
    return Runner(server.environ(XDG_STATE_HOME=str(tmp_path / 'state')))


@pytest.mark.parametrize('code', LACKS)
def test_the_hint_of_a_refused_manifest_helps(server: ScriptedRegistry, tmp_path: Path, files: list[str], code: str
                                              ) -> None:
    server.hook = liar(server, code)
    dxf = runner(server, tmp_path)
    line, = dxf.run('push-blob', REPO, files[0], '@a').insist(1).lines
    assert f'{code}' in line and f'dxf push-blob --force {REPO} <file>' in line
    dxf.run('push-blob', '--force', REPO, files[0]).insist(0)
    dxf.run('push-blob', REPO, files[0], '@a').insist(0)
    assert server.memory.blobs[REPO] == {DIGESTS[0]: CONTENTS[0]}


@pytest.mark.parametrize('command', ['REPO FILE @a', '--resume REPO FILE @a', 'REPO FILE OTHER @a', 'REPO - @a',
                                     'REPO @a -- cat FILE'])
def test_force_sends_in_any_case(server: ScriptedRegistry, tmp_path: Path, files: list[str], command: str) -> None:
    places = {'REPO': REPO, 'FILE': files[0], 'OTHER': files[1]}
    words = [places.get(word, word) for word in command.split()]
    with open(files[0], 'rb') as stdin:
        ended = runner(server, tmp_path).run('push-blob', '--force', *words, stdin=stdin).insist(0)
    sent = DIGESTS if 'OTHER' in command else DIGESTS[:1]
    assert ended.out.decode().split() == sent
    assert sorted(server.memory.blobs[REPO]) == sorted(sent)
    asked = [request.method for request in server.requests if request.path.rpartition('/')[2] in sent]
    assert asked == ['HEAD'] * len(sent)  # after the upload, not before
    assert server.requests[0].method == 'POST'


def test_a_stream_that_goes_by_way_of_a_copy_is_sent_all_the_same(server: ScriptedRegistry) -> None:
    lying = liar(server)
    server.hook = lambda request: error(405, 'UNSUPPORTED') if request.method == 'PATCH' else lying(request)
    client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=0, small_part=8))
    assert client.push_blob(data=iter([CONTENTS[0]]), check_exists=False) == DIGESTS[0]
    assert server.memory.blobs[REPO] == {DIGESTS[0]: CONTENTS[0]}


KEPT = 'accepted the blob, but does not have it'


@pytest.mark.parametrize('command', ['REPO FILE', '--resume REPO FILE', 'REPO FILE @a', 'REPO FILE OTHER @a', 'REPO -',
                                     'REPO @a -- cat FILE'])
def test_a_truncated_blob_that_a_real_registry_keeps_is_a_failure(
        open_registry: Endpoint, tmp_path: Path, files: list[str], repo: str, command: str) -> None:
    dxf = Runner({**open_registry.environ(), 'XDG_STATE_HOME': str(tmp_path / 'state')})
    dxf.run('push-blob', repo, files[0]).insist(0)
    open_registry.file_of(repo, DIGESTS[0]).write_bytes(CONTENTS[0][:7])
    places = {'REPO': repo, 'FILE': files[0], 'OTHER': files[1]}
    with open(files[0], 'rb') as stdin:
        ended = dxf.run('push-blob', '--force', *[places.get(word, word) for word in command.split()], stdin=stdin)
    line, = ended.insist(1).lines
    assert KEPT in line
    with pytest.raises(DXFHTTPError, match='404'):
        open_registry.dxf(repo).get_alias('a')


@pytest.mark.parametrize('size', [100, 5 << 20], ids=['one PUT', 'hashed ahead, in parts'])
def test_a_program_learns_of_a_truncated_blob_that_a_real_registry_keeps(
        open_registry: Endpoint, tmp_path: Path, repo: str, size: int) -> None:
    (tmp_path / 'large').write_bytes(repo.encode() * size)
    client = DXF(open_registry.host, repo, insecure=True, limits=Limits(part=1 << 20, small_part=1 << 18))
    digest = client.push_blob(str(tmp_path / 'large'))
    assert client.push_blob(str(tmp_path / 'large'), check_exists=False) == digest
    open_registry.file_of(repo, digest).write_bytes(b'cut')
    with pytest.raises(DXFProtocolError, match=KEPT):
        client.push_blob(str(tmp_path / 'large'), check_exists=False)


def test_a_blob_of_which_head_tells_another_length_is_fetched_after_a_forced_push(server: ScriptedRegistry) -> None:
    def lying(request: Request) -> Answer | None:
        return Answer(200, {'Docker-Content-Digest': DIGESTS[0]}, declared=7) if request.method == 'HEAD' else None
    server.hook = lying
    client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=0))
    assert client.push_blob(data=CONTENTS[0], check_exists=False) == DIGESTS[0]
    assert [request.method for request in server.requests] == ['POST', 'PUT', 'HEAD', 'GET']


@pytest.mark.parametrize('status', [401, 403])
def test_a_credential_that_may_push_and_not_pull_pushes_by_force(server: ScriptedRegistry, status: int) -> None:
    server.hook = lambda request: error(status, 'DENIED') if request.method in ('HEAD', 'GET') else None
    client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=0))
    assert client.push_blob(data=CONTENTS[0], check_exists=False) == DIGESTS[0]
    assert server.memory.blobs[REPO] == {DIGESTS[0]: CONTENTS[0]}


@pytest.mark.parametrize('status', [401, 403])
def test_without_a_named_digest_a_forced_push_that_cannot_be_checked_fails(server: ScriptedRegistry, status: int
                                                                           ) -> None:
    def hook(request: Request) -> Answer | None:
        if request.method in ('HEAD', 'GET'):
            return error(status, 'DENIED')
        return Answer(201) if request.method == 'PUT' else None
    server.hook = hook
    client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=0))
    with pytest.raises((DXFHTTPError, DXFUnauthorizedError)):
        client.push_blob(data=CONTENTS[0], check_exists=False)


@pytest.mark.usefixtures('asked_by_head')
def test_without_force_nothing_is_sent_to_such_a_registry(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True, limits=Limits(retries=0))
    with pytest.raises(DXFHTTPError, match='--force'):
        client.set_alias('a', client.push_blob(data=CONTENTS[0]))
    assert not server.of('POST')
