"""``push-blob --resume`` that is killed: the same command goes on where the registry has kept what arrived, and starts
anew where it has not, or where the file or the note of the upload is not what it was.
"""

import base64
import json
import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dxf import hash_bytes

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.processes import Ended, Runner, digest_of, files
from ..servers.counting_proxy import CountingProxy
from ..servers.resumable_registry import ResumableRegistry

REPO = 'fred/backup'
MIB = 1 << 20
SIZE = 44 * MIB
PART = 16 * MIB
SLACK = MIB
"""Bytes that may be sent twice where the registry has kept all that arrived: fewer than a part."""

BLOCK = os.urandom(MIB - 8)
SECRETS = (PASSWORD, USERNAME + ':', base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode(), 'Bearer', 'Basic',
           'uthorization', 'token', 'password')


def write(path: Path, size: int, start: int = 0) -> str:
    """Write a file, no two mebibytes of which are the same, and return its digest."""
    with path.open('wb') as file:
        file.writelines((start + number).to_bytes(8, 'big') + BLOCK for number in range(size // MIB))
    return digest_of(path)


@pytest.fixture(name='path', scope='module')
def write_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of several parts, which does not outlive the tests."""
    path = tmp_path_factory.mktemp('large') / 'backup'
    write(path, SIZE)
    yield path
    path.unlink()


@pytest.fixture(name='digest', scope='module')
def read_digest(path: Path) -> str:
    """The digest of the file."""
    return digest_of(path)


@pytest.fixture(name='state')
def name_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for states, which does not exist yet."""
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'state'))
    return tmp_path / 'state'


@pytest.fixture(name='resumable')
def start_resumable() -> Iterator[ResumableRegistry]:
    """A registry that keeps the bytes of what broke off."""
    with ResumableRegistry() as registry:
        yield registry


def of(registry: ResumableRegistry, **variables: str) -> Runner:
    """Return what runs dxf with a registry."""
    return Runner({'DXF_HOST': registry.host, 'DXF_INSECURE': '1', **variables})


def push(runner: Runner, path: Path, digest: str, *options: str, repo: str = REPO, alias: str | None = None) -> None:
    """Push a file, and insist that it went well."""
    operands = (path,) if alias is None else (path, alias)
    ended = runner.run('push-blob', *options, repo, *operands).insist(0)
    assert ended.out.decode() == digest + '\n'


def kill(registry: ResumableRegistry, path: Path, after: int, *options: str, number: signal.Signals = signal.SIGKILL
         ) -> None:
    """Kill a push when so many bytes have arrived, and wait until what was under way has arrived, too."""
    of(registry).run_until(lambda action: registry.after(after, action), 'push-blob', *(options or ('--resume',)), REPO,
                           path, number=number)
    registry.settle()
    assert not registry.blobs


def note(state: Path) -> Path:
    """Return the one file in the folder for states."""
    found = files(state)
    assert len(found) == 1, found
    assert found[0].parent == state / 'dxf' / 'uploads'
    return found[0]


@pytest.mark.parametrize('after', [0, 10 * MIB, PART - 1, PART, SIZE - 10 * MIB])
def test_a_killed_upload_goes_on_where_it_was(resumable: ResumableRegistry, path: Path, digest: str, state: Path,
                                              after: int
                                              ) -> None:
    kill(resumable, path, after)
    note(state)
    push(of(resumable), path, digest, '--resume', alias='@backup')
    assert resumable.blobs.keys() == {digest}
    assert resumable.received <= SIZE + SLACK, resumable.received / MIB
    assert files(state) == []
    assert sum(line.startswith('POST ') for line in resumable.lines) == 1


def test_a_killed_upload_by_one_request_goes_on_where_it_was(resumable: ResumableRegistry, state: Path, tmp_path: Path
                                                             ) -> None:
    path = tmp_path / 'backup'
    digest = write(path, PART)
    kill(resumable, path, 2 * MIB)
    note(state)
    push(of(resumable), path, digest, '--resume')
    assert resumable.blobs.keys() == {digest}
    assert resumable.received <= PART + SLACK, resumable.received / MIB
    assert files(state) == []


def test_each_of_many_killed_uploads_goes_on_where_the_last_one_was(resumable: ResumableRegistry, path: Path,
                                                                    digest: str,
                                                                    state: Path) -> None:
    for mebibytes in (10, 25, 26, 34):
        kill(resumable, path, mebibytes * MIB)
    push(of(resumable), path, digest, '--resume')
    assert resumable.blobs.keys() == {digest}
    assert resumable.received <= SIZE + SLACK, resumable.received / MIB
    assert files(state) == []


def test_of_an_upload_that_was_complete_when_it_was_killed_nothing_is_left(resumable: ResumableRegistry, path: Path,
                                                                           digest: str, state: Path) -> None:
    of(resumable).run_until(lambda action: resumable.after(SIZE - 1, action), 'push-blob', '--resume', REPO, path)
    resumable.settle()
    assert resumable.blobs.keys() == {digest}
    note(state)
    push(of(resumable), path, digest, '--resume')
    assert resumable.received == SIZE
    assert files(state) == []


def test_an_interrupted_upload_goes_on_too(resumable: ResumableRegistry, path: Path, digest: str, state: Path) -> None:
    kill(resumable, path, 20 * MIB, number=signal.SIGINT)
    note(state)
    assert not any(line.startswith('DELETE ') for line in resumable.lines)
    push(of(resumable), path, digest, '--resume')
    assert resumable.blobs.keys() == {digest}
    assert resumable.received <= SIZE + PART
    assert files(state) == []


def test_an_upload_that_was_given_up_is_ended_without_resume(resumable: ResumableRegistry, path: Path, digest: str,
                                                             state: Path) -> None:
    kill(resumable, path, 20 * MIB, '--progress=none')
    assert not state.exists()
    push(of(resumable), path, digest)
    assert resumable.blobs.keys() == {digest}
    assert not state.exists()


def test_a_killed_upload_may_be_finished_without_resume(resumable: ResumableRegistry, path: Path, digest: str,
                                                        state: Path
                                                        ) -> None:
    kill(resumable, path, 20 * MIB)
    before = note(state).read_bytes()
    push(of(resumable), path, digest)
    assert resumable.blobs.keys() == {digest}
    assert note(state).read_bytes() == before
    push(of(resumable), path, digest, '--resume')  # it is there: nothing is to be done
    assert resumable.received <= 2 * SIZE


def test_an_upload_in_another_repository_is_another_one(resumable: ResumableRegistry, path: Path, digest: str,
                                                        state: Path
                                                        ) -> None:
    kill(resumable, path, 20 * MIB)
    first = note(state)
    push(of(resumable), path, digest, '--resume', repo='fred/other')
    assert files(state) == [first]
    assert resumable.received >= SIZE + 20 * MIB


def test_an_upload_to_another_registry_is_another_one(resumable: ResumableRegistry, path: Path, digest: str, state: Path
                                                      ) -> None:
    kill(resumable, path, 20 * MIB)
    lines = list(resumable.lines)
    with ResumableRegistry() as other:
        push(of(other), path, digest, '--resume')
        assert other.received == SIZE
        assert resumable.lines == lines
    push(of(resumable), path, digest, '--resume')
    assert resumable.received <= SIZE + SLACK
    assert files(state) == []


def test_a_file_that_changed_is_uploaded_from_its_start(resumable: ResumableRegistry, state: Path,
                                                        tmp_path: Path) -> None:
    path = tmp_path / 'changing'
    write(path, SIZE)
    kill(resumable, path, 20 * MIB)
    with path.open('r+b') as file:
        file.write(b'changed')
    changed = digest_of(path)
    push(of(resumable), path, changed, '--resume')
    assert resumable.blobs.keys() == {changed}
    assert files(state) == []
    path.unlink()


def test_a_file_that_changed_and_tells_nobody_is_stored_as_it_is(resumable: ResumableRegistry, state: Path,
                                                                 tmp_path: Path
                                                                 ) -> None:
    path = tmp_path / 'changing'
    write(path, SIZE)
    times = path.stat()
    kill(resumable, path, 20 * MIB)
    with path.open('r+b') as file:
        file.seek(10 * MIB)
        file.write(b'changed')
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    changed = digest_of(path)
    ended = of(resumable).run('push-blob', '--resume', REPO, path).insist(0, 1)
    if ended.status:  # the bytes that the registry has got are others: said, and not tried for ever
        push(of(resumable), path, changed, '--resume')
    assert resumable.blobs.keys() == {changed}
    assert files(state) == []
    path.unlink()


def test_an_upload_that_the_registry_has_forgotten_begins_anew(resumable: ResumableRegistry, path: Path, digest: str,
                                                               state: Path) -> None:
    kill(resumable, path, 20 * MIB)
    resumable.sessions.clear()
    push(of(resumable), path, digest, '--resume')
    assert resumable.blobs.keys() == {digest}
    assert resumable.received <= 2 * SIZE
    assert files(state) == []


@pytest.mark.parametrize('lost', [10 * MIB, 20 * MIB])
def test_an_upload_of_which_the_registry_has_lost_some_arrives(resumable: ResumableRegistry, path: Path, digest: str,
                                                               state: Path, lost: int) -> None:
    kill(resumable, path, 20 * MIB)
    for content in resumable.sessions.values():
        del content[-lost:]
    push(of(resumable), path, digest, '--resume')
    assert resumable.blobs.keys() == {digest}
    assert resumable.received <= 2 * SIZE
    assert files(state) == []


def test_an_upload_of_which_the_registry_has_too_much_arrives(resumable: ResumableRegistry, path: Path, digest: str,
                                                              state: Path) -> None:
    kill(resumable, path, 20 * MIB)
    for content in resumable.sessions.values():
        content += bytes(SIZE)
    push(of(resumable), path, digest, '--resume')
    assert resumable.blobs.keys() == {digest}
    assert files(state) == []


def test_an_upload_of_which_the_registry_has_other_bytes_is_not_the_last_word(
        resumable: ResumableRegistry, path: Path, digest: str, state: Path) -> None:
    kill(resumable, path, 20 * MIB)
    for content in resumable.sessions.values():
        content[5] ^= 1
    of(resumable).run('push-blob', '--resume', REPO, path).insist(0, 1)
    push(of(resumable), path, digest, '--resume')
    assert resumable.blobs.keys() == {digest}
    assert files(state) == []


# The note of an upload

def wrong_types(text: str) -> str:
    """Return a note with every value of another type."""
    return json.dumps({name: [value] for name, value in json.loads(text).items()})


def negative(text: str) -> str:
    """Return a note with every number below zero."""
    return json.dumps({name: -value - 1 if isinstance(value, int) else value
                       for name, value in json.loads(text).items()})


def enormous(text: str) -> str:
    """Return a note with every number beyond all files."""
    return json.dumps({name: 1 << 80 if isinstance(value, int) else value for name, value in json.loads(text).items()})


DAMAGES: dict[str, Callable[[str], str]] = {
    'garbage': lambda text: 'garbage \0\udcff',
    'empty': lambda text: '',
    'truncated': lambda text: text[:len(text) // 2],
    'huge': lambda text: ' ' * (4 * MIB) + text,
    'deep': lambda text: '[' * 100_000,
    'with nothing in it': lambda text: '{}',
    'a list': lambda text: '[]',
    'a long number': lambda text: '9' * 5000,
    'wrong types': wrong_types,
    'negative numbers': negative,
    'enormous numbers': enormous,
    'nothing': lambda text: text,
}
"""By what was done to a note; from its text to another."""


def test_a_note_that_cannot_be_true_is_ignored(resumable: ResumableRegistry, state: Path, tmp_path: Path) -> None:
    path = tmp_path / 'backup'
    digest = write(path, PART + 8 * MIB)
    kill(resumable, path, PART + MIB)
    damaged = note(state)
    text, sessions, received = damaged.read_text(encoding='utf-8'), dict(resumable.sessions), resumable.received
    for name, damage in DAMAGES.items():
        resumable.blobs.clear()
        resumable.sessions = {session: bytearray(content) for session, content in sessions.items()}
        resumable.received = received
        damaged.touch(0o600)
        damaged.write_text(damage(text), encoding='utf-8', errors='surrogateescape')
        ended = of(resumable).run('push-blob', '--resume', REPO, path)
        assert ended == Ended(0, f'{digest}\n'.encode(), []), name
        assert resumable.blobs.keys() == {digest}, name
        whole = PART + 8 * MIB
        if name == 'nothing':
            assert resumable.received <= whole + SLACK
        else:
            assert received + whole <= resumable.received <= 2 * whole, name
        assert files(state) == [], name
    path.unlink()


@pytest.mark.parametrize('leads', ['to another registry', 'to another scheme', 'nowhere'])
def test_a_note_that_leads_elsewhere_leads_to_no_harm(resumable: ResumableRegistry, state: Path, tmp_path: Path,
                                                      leads: str
                                                       ) -> None:
    path = tmp_path / 'backup'
    digest = write(path, PART + 8 * MIB)
    kill(resumable, path, PART + MIB)
    changed = note(state)
    text = changed.read_text(encoding='utf-8')
    assert f'http://{resumable.host}/' in text
    with ResumableRegistry() as other:
        elsewhere = {'to another registry': f'http://{other.host}/', 'to another scheme': f'file://{resumable.host}/',
                     'nowhere': '/etc/passwd?'}[leads]
        changed.write_text(text.replace(f'http://{resumable.host}/', elsewhere), encoding='utf-8')
        push(of(resumable), path, digest, '--resume')
        assert not other.blobs
    assert resumable.blobs.keys() == {digest}
    assert files(state) == []
    path.unlink()


@pytest.mark.parametrize('kind', ['a file', 'below a file', 'a loop', 'no folder of mine'])
def test_where_no_note_can_be_taken_that_is_told_before_anything_is_sent(
        resumable: ResumableRegistry, path: Path, digest: str, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / 'state'
    if kind == 'a loop':
        folder.symlink_to('state')
    elif kind == 'no folder of mine':
        folder.mkdir(0o555)
    else:
        folder.write_bytes(b'')
    where = f'{folder}/x' if kind == 'below a file' else str(folder)
    prefix = ('setpriv', '--bounding-set', '-dac_override', '--') if kind == 'no folder of mine' and not os.geteuid() \
        else ()
    runner = Runner({**of(resumable).environ, 'XDG_STATE_HOME': where}, prefix)
    ended = runner.run('push-blob', '--resume', REPO, path, cwd=tmp_path).insist(1)
    assert f'{folder}/' in ended.lines[0]
    assert not resumable.received
    push(runner, path, digest)
    assert resumable.blobs.keys() == {digest}


def test_a_folder_for_notes_that_is_not_absolute_is_ignored(resumable: ResumableRegistry, path: Path, digest: str,
                                                            tmp_path: Path) -> None:
    of(resumable, XDG_STATE_HOME='state').run_until(lambda action: resumable.after(20 * MIB, action), 'push-blob',
                                                    '--resume', REPO, path)
    assert files(Path(os.environ['HOME']))  # https://specifications.freedesktop.org/basedir-spec/latest/
    assert not list(tmp_path.iterdir())
    resumable.settle()
    push(of(resumable, XDG_STATE_HOME='state'), path, digest, '--resume')
    assert resumable.received <= SIZE + SLACK


def test_a_link_in_the_place_of_a_note_leads_nowhere(resumable: ResumableRegistry, state: Path, tmp_path: Path) -> None:
    path = tmp_path / 'backup'
    digest = write(path, PART + 8 * MIB)
    kill(resumable, path, PART + MIB)
    victim = tmp_path / 'victim'
    victim.write_bytes(b'precious')
    changed = note(state)
    changed.unlink()
    changed.symlink_to(victim)
    of(resumable).run('push-blob', '--resume', REPO, path).insist(0, 1)
    assert victim.read_bytes() == b'precious'
    push(of(resumable), path, digest)
    path.unlink()


def test_without_a_state_folder_of_their_own_notes_are_in_the_home_folder(resumable: ResumableRegistry, path: Path,
                                                                          digest: str) -> None:
    home = Path(os.environ['HOME'])
    kill(resumable, path, 20 * MIB)
    assert [found.parent for found in files(home)] == [home / '.local' / 'state' / 'dxf' / 'uploads']
    push(of(resumable), path, digest, '--resume')
    assert files(home) == []


def test_nothing_is_noted_without_resume(resumable: ResumableRegistry, path: Path, digest: str, state: Path) -> None:
    seen: list[bool] = []
    resumable.after(20 * MIB, lambda: seen.append(state.exists()))
    push(of(resumable), path, digest)
    assert seen == [False]
    assert not state.exists()
    assert files(Path(os.environ['HOME'])) == []


# On the real registry, whose upload is lost where a part breaks off

@pytest.mark.parametrize('after', [MIB, 20 * MIB])
def test_a_killed_upload_arrives_on_a_registry_that_has_lost_it(real_server: Endpoint, repo: str, state: Path,
                                                                tmp_path: Path, after: int) -> None:
    path = tmp_path / 'backup'
    digest = write(path, PART + 16 * MIB)
    with CountingProxy(real_server.host) as proxy:
        runner = Runner({**real_server.environ(), 'DXF_HOST': proxy.host})
        runner.run_until(lambda action: proxy.after_up(after, action), 'push-blob', '--resume', repo, path, '@backup')
        left = note(state)
        assert stat.S_IMODE(left.stat().st_mode) == 0o600
        assert stat.S_IMODE(left.parent.stat().st_mode) & 0o022 == 0
        text = left.read_text(encoding='utf-8')
        assert json.loads(text)
        assert [secret for secret in SECRETS if secret in text] == []
        push(runner, path, digest, '--resume', repo=repo, alias='@backup')
        assert files(state) == []
    with real_server.dxf(repo) as client:
        assert client.blob_size(digest) == PART + 16 * MIB
        assert client.get_alias('backup') == [digest]
        assert hash_bytes(b''.join(client.pull_blob(digest, chunk_size=MIB))) == digest
    path.unlink()
    shutil.rmtree(real_server.registry.storage / 'docker')  # large
