"""Comparisons: two aliases, or a folder on disk and an alias; what differs, and that an error is no difference."""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dxf import DXF, artifacts, comparison, hash_bytes, hash_file
from dxf.artifacts.file_lists import Content
from dxf.comparison import Difference
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.memory_measurement import MeasuredRun
from ..helpers.processes import Runner
from ..helpers.repository_content import OCI_MANIFEST, push_alias
from ..helpers.traffic import Traffic
from ..servers.scripted_registry import REPO, Answer, ScriptedRegistry
from .test_alias_listings import push_image, push_index

OLD = {'a.txt': 'same', 'b.txt': 'before', 'c.txt': 'gone'}
NEW = {'a.txt': 'same', 'b.txt': 'after that', 'd.txt': 'new'}
LINES = ['changed 6 10 b.txt', 'removed 4 - c.txt', 'added - 3 d.txt']


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files into a new folder, and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def push(client: DXF, alias: str, folder: Path, *names: str) -> str:
    """Store files and folders of a folder under their names, and return the digest of the manifest."""
    files = [artifacts.File(str(folder / name), name, 'application/octet-stream')
             for name in names or sorted(os.listdir(folder))]
    return artifacts.push_files(client, alias, files)


def content(text: str) -> Content:
    """Return the content of a file with a text."""
    return Content(hash_bytes(text.encode()), len(text))


def test_two_aliases_are_compared_by_the_names_of_their_files(endpoint: Endpoint, repo: str, tmp_path: Path,
                                                              capfd: pytest.CaptureFixture[str]) -> None:
    client = endpoint.dxf(repo)
    push(client, 'old', write(tmp_path / 'old', OLD))
    push(client, 'new', write(tmp_path / 'new', NEW))
    assert doit(['diff', repo, 'old', '@new'], endpoint.environ()) == 1
    printed = capfd.readouterr()
    assert (printed.out.splitlines(), printed.err) == (LINES, '')
    assert doit(['diff', repo, 'old', 'new', '--json'], endpoint.environ()) == 1
    assert [json.loads(line) for line in capfd.readouterr().out.splitlines()] == [
        {'action': 'changed', 'name': 'b.txt', 'old': content('before')._asdict(),
         'new': content('after that')._asdict()},
        {'action': 'removed', 'name': 'c.txt', 'old': content('gone')._asdict(), 'new': None},
        {'action': 'added', 'name': 'd.txt', 'old': None, 'new': content('new')._asdict()}]
    digest = client.manifest_digest('new')
    assert doit(['diff', repo, digest, 'new'], endpoint.environ()) == 0
    assert capfd.readouterr() == ('', '')


def test_a_folder_is_compared_with_an_alias(endpoint: Endpoint, repo: str, tmp_path: Path, traffic: Traffic,
                                            capfd: pytest.CaptureFixture[str]) -> None:
    push(endpoint.dxf(repo), 'old', write(tmp_path / 'old', OLD))
    new = write(tmp_path / 'new', NEW)
    traffic.clear()
    assert doit(['diff', repo, 'old', str(new)], endpoint.environ()) == 1
    assert capfd.readouterr().out.splitlines() == LINES
    assert not [line for line in traffic.lines() if '/blobs/' in line]
    assert doit(['diff', repo, str(new), 'old'], endpoint.environ()) == 1
    assert capfd.readouterr().out.splitlines() == [
        'changed 10 6 b.txt', 'added - 4 c.txt', 'removed 3 - d.txt']
    assert doit(['diff', repo, 'old', f'{tmp_path}/old/'], endpoint.environ()) == 0
    assert capfd.readouterr() == ('', '')


def test_a_folder_that_was_taken_for_an_alias_is_named(endpoint: Endpoint, repo: str, tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch,
                                                       capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    push(endpoint.dxf(repo), 'old', write(tmp_path / 'old', OLD))
    write(tmp_path / 'new', NEW)
    assert doit(['diff', repo, 'old', 'new'], endpoint.environ()) == 2
    line, = capfd.readouterr().err.splitlines()
    assert line == f'dxf: 404 Not Found: {repo} has no alias new; a folder on disk is written ./new'
    assert doit(['diff', repo, 'old', './new'], endpoint.environ()) == 1
    assert capfd.readouterr().out.splitlines() == LINES
    assert doit(['diff', repo, 'other', './new'], endpoint.environ()) == 2
    assert capfd.readouterr().err.endswith('prints its aliases\n')


def test_the_folder_one_is_in_and_the_one_above_are_folders(folder: Endpoint, repo: str, tmp_path: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    push(folder.dxf(repo), 'old', write(tmp_path / 'old', OLD))
    write(tmp_path / 'new', NEW).joinpath('inner').mkdir()
    runner = Runner(folder.environ())
    monkeypatch.chdir(tmp_path / 'old')
    runner.run('diff', repo, '.', 'old').insist(0)
    monkeypatch.chdir(tmp_path / 'new')
    assert runner.run('diff', repo, 'old', '.').out.decode().splitlines() == LINES
    monkeypatch.chdir(tmp_path / 'new' / 'inner')
    assert runner.run('diff', repo, 'old', '..').out.decode().splitlines() == LINES


def test_the_files_in_an_archive_are_compared_with_a_folder(endpoint: Endpoint, repo: str, tmp_path: Path,
                                                            capfd: pytest.CaptureFixture[str]) -> None:
    old = write(tmp_path / 'old', {f'data/{name}': text for name, text in OLD.items()} | {'notes': 'same'})
    push(endpoint.dxf(repo), 'old', old)
    new = write(tmp_path / 'new', {f'data/{name}': text for name, text in NEW.items()} | {'notes': 'diff'})
    assert doit(['diff', repo, 'old', str(old)], endpoint.environ()) == 0
    assert doit(['diff', repo, 'old', str(new)], endpoint.environ()) == 1
    assert capfd.readouterr().out.splitlines() == [
        'changed 6 10 data/b.txt', 'removed 4 - data/c.txt', 'added - 3 data/d.txt', 'changed 4 4 notes']
    assert sorted(os.listdir(tmp_path)) == ['new', 'old']


def test_the_files_in_archives_of_two_aliases_are_compared_where_that_is_asked_for(
        endpoint: Endpoint, repo: str, tmp_path: Path, traffic: Traffic, capfd: pytest.CaptureFixture[str]) -> None:
    client = endpoint.dxf(repo)
    for alias, files in (('old', OLD), ('new', NEW)):
        push(client, alias, write(tmp_path / alias, {f'data/{name}': text for name, text in files.items()} |
                                  {'same/x': 'x', f'{alias}/y': 'yy'}))
    traffic.clear()
    assert doit(['diff', repo, 'old', 'new'], endpoint.environ()) == 1
    lines = capfd.readouterr().out.splitlines()
    assert [re.sub(r'[\d-]+', '.', line) for line in lines] == [
        'changed . . data/', 'added . . new/', 'removed . . old/']
    assert not [line for line in traffic.lines() if '/blobs/' in line]
    assert doit(['diff', repo, 'old', 'new', '--inside'], endpoint.environ()) == 1
    assert capfd.readouterr().out.splitlines() == [
        'changed 6 10 data/b.txt', 'removed 4 - data/c.txt', 'added - 3 data/d.txt', 'added - 2 new/y',
        'removed 2 - old/y']
    same = next(layer for layer in json.loads(str(client.get_manifest('old')))['layers']
                if layer['annotations']['org.opencontainers.image.title'] == 'same')
    assert not [line for line in traffic.lines() if same['digest'] in line]


def test_an_archive_and_the_same_files_one_by_one_are_the_same_inside(folder: Endpoint, repo: str, tmp_path: Path
                                                                      ) -> None:
    client = folder.dxf(repo)
    source = write(tmp_path / 'source', {f'data/{name}': text for name, text in OLD.items()})
    push(client, 'archive', source)
    push(client, 'files', source, *(f'data/{name}' for name in OLD))
    assert comparison.compare(client, 'archive', 'files', inside=True) == []
    assert [one.name for one in comparison.compare(client, 'archive', 'files')] == [
        'data/', *(f'data/{name}' for name in OLD)]


NAMELESS = {
    'same': ('1 22', '1 22', []),
    'added behind': ('1', '1 22', ['added - 2 22']),
    'added before': ('22', '1 22', ['added - 1 1']),
    'removed': ('1 22 333', '1 333', ['removed 2 - 22']),
    'replaced': ('1 22', '1 333', ['removed 2 - 22', 'added - 3 333']),
    'another order': ('1 22 333', '22 1 333', ['moved 1 1 1', 'moved 2 2 22']),
    'once more': ('1 22', '1 22 1', ['added - 1 1']),
    'once less': ('1 1 22', '1 22', ['removed 1 - 1']),
    'moved and added': ('1 22', '22 333 1', ['added - 3 333', 'moved 1 1 1', 'moved 2 2 22']),
}


@pytest.mark.parametrize('case', NAMELESS)
def test_blobs_without_names_are_compared_by_content_and_order(folder: Endpoint, repo: str, case: str) -> None:
    old, new, expected = NAMELESS[case]
    client = folder.dxf(repo)
    for alias, words in (('old', old), ('new', new)):
        push_alias(client, *(word.encode() for word in words.split()), alias=alias)
    texts = {hash_bytes(text.encode()): text for text in f'{old} {new}'.split()}
    lines = [one.line() for one in comparison.compare(client, 'old', 'new')]
    assert [re.sub('sha256:[0-9a-f]+', lambda match: texts[match[0]], line) for line in lines] == expected


def test_another_configuration_of_an_image_is_a_difference(folder: Endpoint, repo: str) -> None:
    client = folder.dxf(repo)
    push_image(client, b'layer', b'{"os":"linux"}', 'old')
    push_image(client, b'layer', b'{"os":"plan9", "a":1}', 'new')
    assert [one.line().split()[:3] for one in comparison.compare(client, 'old', 'new')] == [
        ['removed', '14', '-'], ['added', '-', '21']]


def test_images_of_several_platforms_are_compared_by_platform(open_registry: Endpoint, repo: str,
                                                              capfd: pytest.CaptureFixture[str]) -> None:
    client = open_registry.dxf(repo)
    one, two = push_image(client, b'1'), push_image(client, b'22')
    arm = {**two, 'platform': {'os': 'linux', 'architecture': 'arm64'}}
    push_index(client, 'old', one, arm)
    push_index(client, 'new', two, arm)
    environ = open_registry.environ()
    assert doit(['diff', repo, 'old', 'new'], environ) == 1
    assert capfd.readouterr().out == f'changed {one["size"]} {two["size"]} linux/amd64\n'
    assert doit(['diff', repo, 'old', 'new'], {**environ, 'DXF_PLATFORM': 'linux/arm64'}) == 0
    assert doit(['diff', repo, 'old', 'new'], {**environ, 'DXF_PLATFORM': 'linux/amd64'}) == 1
    assert capfd.readouterr().out.splitlines() == [
        f'removed 1 - {hash_bytes(b"1")}', f'added - 2 {hash_bytes(b"22")}']


def test_a_blob_without_a_name_is_not_in_a_folder(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    client = folder.dxf(repo)
    push_alias(client, b'nameless')
    found = comparison.compare_folder(client, 'a', str(write(tmp_path / 'new', {'x': 'nameless'})))
    assert found == [Difference('x', None, Content(None, 8)),
                     Difference(hash_bytes(b'nameless'), content('nameless'), None)]


def test_a_name_that_could_drive_a_terminal_is_refused(server: ScriptedRegistry, client: DXF) -> None:
    entry = {'digest': server.memory.put(REPO, b'1'), 'size': 1}
    for alias, names in (('old', ['ok']), ('new', ['bad\x1b[2J']), ('twice', ['ok', 'ok']), ('up', ['../x'])):
        layers = [{**entry, 'annotations': {'org.opencontainers.image.title': name}} for name in names]
        document = {'schemaVersion': 2, 'config': entry, 'layers': layers}
        server.memory.put_manifest(REPO, alias, OCI_MANIFEST, json.dumps(document).encode())
    for alias in ('new', 'twice', 'up'):
        assert 'unsafe file name' in Runner(server.environ()).run('diff', REPO, 'old', alias).insist(2).lines[0]
    client.close()


ERRORS: dict[str, tuple[Callable[[str], list[str]], str]] = {
    'no such alias': (lambda repo: [repo, 'old', 'nope'], 'has no alias nope'),
    'no such alias for a folder': (lambda repo: [repo, 'nope', './old'], 'has no alias nope'),
    'no such repository': (lambda repo: [f'{repo}x', 'old', 'new'], '404 Not Found'),
    'no such folder': (lambda repo: [repo, 'old', './nope'], "cannot read './nope': No such file or directory"),
    'a file': (lambda repo: [repo, './old/a.txt', 'old'], 'is no folder: dxf verify'),
    'two folders': (lambda repo: [repo, './old', './old'], 'diff -r'),
    'a link': (lambda repo: [repo, 'old', './link'], 'only folders of files and folders can be compared'),
    'not an alias': (lambda repo: [repo, 'old', 'a b'], 'invalid alias'),
    'an empty operand': (lambda repo: [repo, 'old', ''], 'invalid alias'),
    'one operand': (lambda repo: [repo, 'old'], 'too few arguments'),
    'three operands': (lambda repo: [repo, 'old', 'old', 'old'], 'too many arguments'),
    'an index and an image': (lambda repo: [repo, 'index', 'old'], 'set DXF_PLATFORM to one of linux/amd64'),
    'an index and a folder': (lambda repo: [repo, './old', 'index'], 'set DXF_PLATFORM to one of linux/amd64'),
}


@pytest.mark.parametrize('case', ERRORS)
def test_what_cannot_be_compared_is_one_line_and_status_2(open_registry: Endpoint, repo: str, tmp_path: Path, case: str,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    client = open_registry.dxf(repo)
    push(client, 'old', write(tmp_path / 'old', OLD))
    write(tmp_path / 'link', OLD).joinpath('x').symlink_to('a.txt')
    push_index(client, 'index', push_image(client, b'layer'))
    words, said = ERRORS[case]
    ended = Runner(open_registry.environ()).run('diff', *words(repo)).insist(2)
    assert said in ended.lines[0] and ended.out == b''


def test_an_error_is_never_the_status_of_a_difference(server: ScriptedRegistry, client: DXF, tmp_path: Path) -> None:
    push(client, 'old', write(tmp_path / 'old', {'data/x': 'x' * 5000}))
    runner = Runner(server.environ())
    with open('/dev/full', 'wb') as full:
        runner.run('diff', REPO, 'old', f'{tmp_path}/', stdout=full).insist(2)
    blob = next(digest for digest in server.memory.blobs[REPO] if digest != hash_bytes(b'{}'))
    whole = server.memory.blobs[REPO][blob]
    for answer in (Answer(body=whole, reset=len(whole) // 2), Answer(body=whole[:-1], declared=len(whole)),
                   Answer(body=whole[:-1] + b'?'), Answer(503), Answer(403)):
        server.hook = lambda request, answer=answer: answer if request.path.endswith(blob) else None
        assert runner.run('diff', REPO, 'old', f'{tmp_path}/old').insist(2).out == b''
    server.hook = lambda request: Answer(401, {'WWW-Authenticate': 'Basic realm="x"'})
    runner.run('diff', REPO, 'old', f'{tmp_path}/old').insist(errno.EACCES)
    Runner({'DXF_HOST': '127.0.0.1:1', 'DXF_INSECURE': '1'}).run('diff', REPO, 'old', 'new').insist(2)


def test_a_file_that_cannot_be_read_is_an_error(folder: Endpoint, repo: str, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    push(folder.dxf(repo), 'old', write(tmp_path / 'old', OLD))

    def remove(path: str) -> str:
        os.unlink(path)
        return hash_file(path)
    monkeypatch.setattr('dxf.comparison.hash_file', remove)
    with pytest.raises(FileNotFoundError):
        comparison.compare_folder(folder.dxf(repo), 'old', str(tmp_path / 'old'))


def test_a_full_reference_in_a_folder_is_an_alias(folder: Endpoint, repo: str, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    push_alias(folder.dxf(repo), b'1')
    path = folder.registry.storage / repo / 'index.json'
    path.write_text(path.read_text().replace('"a"', '"docker.io/library/a:8.0"'))
    runner = Runner(folder.environ())
    for name in ('docker.io/library/a:8.0', '@docker.io/library/a:8.0', '8.0'):
        runner.run('diff', repo, name, '8.0').insist(0)
    write(tmp_path, {'docker.io/library/a:8.0/x': '1'})
    assert runner.run('diff', repo, 'docker.io/library/a:8.0', '@8.0').status == 1
    runner.run('diff', repo, '@docker.io/library/a:8.0', '@8.0').insist(0)


def test_an_archive_is_hashed_in_little_memory(server: ScriptedRegistry, client: DXF, tmp_path: Path) -> None:
    for name in ('old', 'new'):
        with open(write(tmp_path / name, {'data/small': name}) / 'data' / 'zeros', 'wb') as file:
            file.truncate(100 << 20)
    push(client, 'old', tmp_path / 'old')
    ran = MeasuredRun(tmp_path, server.environ(), 'diff', REPO, 'old', f'{tmp_path}/new')
    assert (ran.status, ran.out, ran.lines) == (1, b'changed 3 3 data/small\n', [])
    assert ran.peak < 90
