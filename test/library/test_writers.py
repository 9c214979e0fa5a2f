"""What can be written can be read: each writer has the limits and the strictness of its reader, before it writes."""

import json
import os
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dxf import DXF, Limits, artifacts, copying, hash_bytes
from dxf.artifacts.safe_paths import MAX_PART_LENGTH, MAX_PARTS
from dxf.cli.error_messages import line_of
from dxf.credentials.config_file import MAX_FILE_LENGTH, CredentialFile, find
from dxf.credentials.helper import MAX_ANSWER_LENGTH, CredentialHelper
from dxf.exceptions import (DXFCredentialsError, DXFDigestMismatchError, DXFError, DXFInvalidDocumentError,
                            DXFInvalidNameError)
from dxf.main import doit
from dxf.manifest.image import EMPTY_CONTENT, OCI_MANIFEST
from dxf.transfer.source import open_source
from dxf.transfer.upload_journal import MAX_SIZE, UploadJournal

from ..helpers.endpoints import Endpoint, Folder
from ..helpers.layouts import REPO, snapshot
from ..helpers.stored_credentials import HelperProgram
from ..servers.scripted_registry import ScriptedRegistry

MANIFEST_LIMIT = 4 << 20
HOST = 'registry.example.com:5000'
NUMBERS = ['0.1000000000000000055', '1.0', '1E2', '-0.0', '1e-400', '12345678901234567890123456789']
"""Numbers that are written in other ways by those that read them as a float."""


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that takes manifests of any size, and has a blob that is an empty object."""
    server.memory.put(REPO, EMPTY_CONTENT)
    return server


@pytest.fixture(name='layout')
def make_layout(tmp_path: Path) -> Path:
    """A layout with a blob that is an empty object, and an alias of it."""
    client = DXF(f'oci:{tmp_path / "blobs"}', REPO)
    client.set_alias('first', client.push_blob(data=EMPTY_CONTENT))
    return tmp_path / 'blobs' / REPO


def client_of(layout: Path, **options: Any) -> DXF:
    """Return a client of a layout."""
    return DXF(f'oci:{layout.parents[1]}', REPO, **options)


def limited(server: ScriptedRegistry, limit: int = MANIFEST_LIMIT, schema: str | None = None) -> DXF:
    """Return a client that reads manifests of so many bytes at most."""
    return DXF(server.host, REPO, insecure=True, limits=Limits(manifest=limit), schema=schema)


def padded(size: int) -> str:
    """Return a manifest of so many bytes, of a blob that is an empty object."""
    descriptor = {'mediaType': 'application/octet-stream', 'digest': hash_bytes(EMPTY_CONTENT), 'size': 2}
    document = {'schemaVersion': 2, 'mediaType': OCI_MANIFEST, 'config': descriptor, 'layers': [descriptor],
                'annotations': {'padding': ''}}
    document['annotations'] = {'padding': 'x' * (size - len(json.dumps(document)))}
    return json.dumps(document)


def rewrite(path: Path, text: str) -> None:
    """Replace the first brace of a JSON object by a text."""
    path.write_text(path.read_text('utf-8').replace('{', text, 1), encoding='utf-8')


# Manifests


@pytest.mark.parametrize('kind', ['folder', 'open_registry'])
def test_the_largest_manifest_is_stored_read_listed_copied_deleted_and_collected(
        kind: str, request: pytest.FixtureRequest, repo: str, tmp_path: Path) -> None:
    endpoint: Endpoint = request.getfixturevalue(kind)
    client, text = endpoint.dxf(repo), padded(MANIFEST_LIMIT)
    blob = client.push_blob(data=EMPTY_CONTENT)
    client.set_manifest('largest', text)
    assert client.get_manifest('largest') == text
    assert client.get_alias('largest') == [blob]
    assert client.list_aliases() == ['largest']
    other = Endpoint(Folder(tmp_path / 'copy'))
    assert copying.copy(client, other.dxf(repo), 'largest').digest == hash_bytes(text.encode())
    assert other.dxf(repo).get_manifest('largest') == text
    assert client.del_alias('largest') == [blob]
    assert client.list_aliases() == []
    other.dxf(repo).del_alias('largest')
    assert doit(['gc', repo, '--delete'], other.environ()) == 0
    assert snapshot(other.file_of(repo, blob).parent) == {str(other.file_of(repo, blob).parent): None}


@pytest.mark.parametrize('condition', [{}, {'if_absent': True}, {'if_match': hash_bytes(EMPTY_CONTENT)}])
def test_a_manifest_of_one_byte_more_is_refused_before_anything_is_sent(server: ScriptedRegistry, layout: Path,
                                                                        condition: dict[str, Any]) -> None:
    before = snapshot(layout)
    for client in limited(server), client_of(layout):
        with pytest.raises(DXFInvalidDocumentError, match='a manifest of 4194305 bytes .* at most 4194304 can be read'):
            client.set_manifest('larger', padded(MANIFEST_LIMIT + 1), **condition)
    assert not server.requests
    assert snapshot(layout) == before


def test_a_folder_takes_no_manifest_that_it_would_not_give_back(layout: Path) -> None:
    client = client_of(layout, limits=Limits(manifest=2 * MANIFEST_LIMIT))
    before = snapshot(layout)
    with pytest.raises(DXFError, match='MANIFEST_INVALID: a manifest of 4194305 bytes is too large'):
        client.set_manifest('larger', padded(MANIFEST_LIMIT + 1))
    assert snapshot(layout) == before


FEWER = 400 << 10
"""Bytes of a manifest that need a tenth of the files."""


@pytest.fixture(name='few')
def let_commands_read_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands read manifests of :data:`FEWER` bytes."""
    monkeypatch.setattr('dxf.environment.clients.Limits', partial(Limits, manifest=FEWER))


@pytest.mark.parametrize('count, length', [(2_300, 8), (530, 200)], ids=['many files', 'long names'])
@pytest.mark.usefixtures('few')
def test_files_whose_names_need_too_large_a_manifest_are_refused_before_any_is_sent(
        server: ScriptedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, length: int) -> None:
    monkeypatch.chdir(tmp_path)
    # Four parts of 200 bytes: a path, not a name, has the length that makes 530 files too many.
    folder = Path(*['d' * length] * (4 if length > 8 else 1))
    folder.mkdir(parents=True)
    names = [str(folder / f'{number:0{length}}') for number in range(count)]
    for name in names:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
    with pytest.raises(DXFInvalidDocumentError) as caught:
        doit(['push-files', REPO, 'many', *names], server.environ())
    check_hint(caught.value, count)
    assert not server.requests


def check_hint(problem: Exception, count: int) -> None:
    """Insist on one line that names a number of files that would fit."""
    line = line_of(problem)
    assert f'at most {FEWER} can be read: about ' in line
    assert 'files fit under one alias; use a folder (one tar) or several aliases' in line
    fit = int(line.partition('about ')[2].partition(' ')[0])
    assert count // 2 < fit < count


@pytest.mark.parametrize('schema', ['v2', 'oci', 'v1'])
@pytest.mark.usefixtures('few')
def test_push_blob_of_too_many_files_for_an_alias_makes_no_request(server: ScriptedRegistry, tmp_path: Path, schema: str
                                                                  ) -> None:
    path = tmp_path / 'empty'
    path.write_bytes(b'')
    with pytest.raises(DXFInvalidDocumentError) as caught:
        doit(['push-blob', REPO, *[str(path)] * 3_700, '@many'], {**server.environ(), 'DXF_SCHEMA': schema})
    check_hint(caught.value, 3_700)
    assert not server.requests


def push_files(client: DXF, paths: list[str]) -> None:
    """Give an alias to files by their names."""
    artifacts.push_files(client, 'many', paths, created=0)


def attach(client: DXF, paths: list[str]) -> None:
    """Attach files to a manifest."""
    artifacts.attach(client, 'first', paths, artifact_type='application/vnd.example.sums', created=0)


def set_alias(client: DXF, paths: list[str]) -> None:
    """Give an alias to as many blobs."""
    client.set_alias('many', *[hash_bytes(EMPTY_CONTENT)] * len(paths))


def make_manifest(client: DXF, paths: list[str]) -> None:
    """Write a manifest of as many blobs, and store it."""
    client.set_manifest('many', client.make_manifest(*[hash_bytes(EMPTY_CONTENT)] * len(paths)))


def push_blobs(client: DXF, paths: list[str]) -> None:
    """Do what the command push-blob does with several files and an alias."""
    client.check_alias_size('many', [os.stat(path).st_size for path in paths])
    client.set_alias('many', *client.push_blobs(paths))


@pytest.mark.parametrize('way, schema', [(push_files, None), (attach, None), (set_alias, 'v2'), (set_alias, 'oci'),
                                         (set_alias, 'v1'), (make_manifest, 'v2'), (push_blobs, 'v2'),
                                         (push_blobs, 'v1')])
def test_the_largest_that_fits_is_read_back_and_one_byte_less_refuses_it(
        server: ScriptedRegistry, tmp_path: Path, way: Callable[[DXF, list[str]], None], schema: str | None) -> None:
    server.memory.put_manifest(REPO, 'first', OCI_MANIFEST, padded(1000).encode())
    paths = [str(tmp_path / str(number)) for number in range(10)]
    for path in paths:
        Path(path).write_bytes(b'x' * 1000)
    known = set(server.memory.manifests[REPO])
    way(limited(server, schema=schema), paths)
    stored = {digest: content for digest, (_, content) in server.memory.manifests[REPO].items()
              if digest not in known and b'image.index.v1' not in content}  # nor is it a list of referrers
    digest, text = max(stored.items(), key=lambda item: len(item[1]))
    exact = limited(server, len(text), schema)
    way(exact, paths)
    again = exact.get_manifest_and_response(digest)[0]
    assert len(again) == len(text)
    assert schema == 'v1' or again == text.decode()  # schema 1 is signed with a new key each time
    server.requests.clear()
    server.memory.blobs[REPO] = {hash_bytes(EMPTY_CONTENT): EMPTY_CONTENT}
    with pytest.raises(DXFInvalidDocumentError, match=f'a manifest of {len(text)} bytes is too large'):
        way(limited(server, len(text) - 1, schema), paths)
    assert {request.method for request in server.requests} <= {'GET', 'HEAD'}


def test_a_list_of_referrers_that_cannot_take_one_more_is_left_as_it_is(server: ScriptedRegistry, tmp_path: Path
                                                                        ) -> None:
    server.memory.put_manifest(REPO, 'first', OCI_MANIFEST, padded(1000).encode())
    (tmp_path / 'sums').write_bytes(b'15')
    push = partial(artifacts.attach, reference='first', files=[artifacts.File(str(tmp_path / 'sums'), 'sums', 'a/b')],
                   artifact_type='application/vnd.example.sums')
    push(limited(server, 1500), created=0)
    tag, index = next((name, server.memory.manifests[REPO][digest][1])
                      for name, digest in server.memory.tags[REPO].items() if name.startswith('sha256-'))
    with pytest.raises(DXFInvalidDocumentError, match=r'^sha256:[0-9a-f]{64} is stored, but the list of what refers to '
                                                      r'its subject cannot take it: a document of [0-9]+ bytes'):
        while True:
            push(limited(server, 1500), created=len(server.requests))
            index = server.memory.manifests[REPO][server.memory.tags[REPO][tag]][1]
            assert len(index) <= 1500
    assert server.memory.manifests[REPO][server.memory.tags[REPO][tag]][1] == index


def test_a_manifest_is_stored_under_no_digest_but_its_own(server: ScriptedRegistry) -> None:
    with pytest.raises(DXFDigestMismatchError):
        limited(server).set_manifest(hash_bytes(b'another'), padded(1000))
    assert not server.requests


# What a file is called, and what is said of it


@pytest.mark.parametrize('file', [
    artifacts.File('data', '../data', 'text/plain'), artifacts.File('data', '/data', 'text/plain'),
    artifacts.File('data', 'x' * 256, 'text/plain'), artifacts.File('data', 'a\\b', 'text/plain'),
    artifacts.File('data', 'a\ud800', 'text/plain'), artifacts.File('data', 'data', 'text'),
    artifacts.File('data', 'DATA', 'text/plain'), artifacts.File('folder', '../folder', 'text/plain')], ids=ascii)
def test_a_file_gets_no_name_that_pull_files_would_refuse(server: ScriptedRegistry, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch, file: artifacts.File
                                                          ) -> None:
    monkeypatch.chdir(tmp_path)
    Path('data').write_text('15', encoding='ascii')
    Path('folder').mkdir()
    with pytest.raises(DXFInvalidNameError):
        artifacts.push_files(limited(server), 'a', ['data', file])
    assert not server.requests


@pytest.mark.parametrize('count, length', [(MAX_PARTS, 45), (11, MAX_PART_LENGTH)], ids=['deepest', 'longest'])
def test_the_deepest_and_the_longest_path_come_back_and_more_is_not_sent(
        server: ScriptedRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, length: int) -> None:
    (tmp_path / 'work').mkdir()
    monkeypatch.chdir(tmp_path / 'work')
    top, *parts = ['d' * length] * count
    Path(top, *parts[:-1]).mkdir(parents=True)
    Path(top, *parts).write_bytes(b'15')
    client = limited(server)
    artifacts.push_files(client, 'folder', [top])
    artifacts.push_files(client, 'file', [str(Path(top, *parts))])
    for alias in 'folder', 'file':
        assert artifacts.pull_files(client, alias, str(tmp_path / alias)).names
        monkeypatch.chdir(tmp_path / alias)
        assert Path(top, *parts).read_bytes() == b'15'
    monkeypatch.chdir(tmp_path / 'work')
    server.requests.clear()
    Path(top, *parts).unlink()
    Path(top, *parts, *['d' * length] * 2).mkdir(parents=True)
    with pytest.raises(DXFInvalidNameError, match='it is too long'):
        artifacts.push_files(client, 'folder', [top])
    assert not server.requests


@pytest.mark.parametrize('annotations', [{'key': '\ud800'}, {'\udfff': 'value'}, {'key': 5}, {'key': None}, {5: 'x'}],
                         ids=ascii)
def test_an_annotation_is_text_or_nothing_is_sent(server: ScriptedRegistry, tmp_path: Path, annotations: Any) -> None:
    (tmp_path / 'data').write_text('15')
    with pytest.raises(DXFInvalidDocumentError, match='^invalid annotation '):
        artifacts.push_files(limited(server), 'a', [str(tmp_path / 'data')], annotations=annotations)
    assert not server.requests


# The index of a layout


class Limit(NamedTuple):
    """The most bytes of an index, and what it has now."""

    most: int
    now: int


@pytest.fixture(name='full')
def fill_index(layout: Path, monkeypatch: pytest.MonkeyPatch) -> Limit:
    """A limit for index.json that the layout reaches exactly with one alias more."""
    client, before = client_of(layout), layout / 'index.json'
    kept = before.read_bytes()
    client.set_alias('second', hash_bytes(EMPTY_CONTENT))
    limit = Limit(before.stat().st_size, len(kept))
    before.write_bytes(kept)
    monkeypatch.setattr('dxf.layout.index.MAX_LENGTH', limit.most)
    return limit


def test_an_index_never_grows_larger_than_it_can_be_read(layout: Path, full: Limit) -> None:
    client = client_of(layout)
    client.set_alias('second', hash_bytes(EMPTY_CONTENT), hash_bytes(EMPTY_CONTENT))
    assert (layout / 'index.json').stat().st_size == full.most
    assert client.list_aliases() == ['first', 'second']
    before = snapshot(layout)
    with pytest.raises(DXFInvalidDocumentError, match=r'index\.json: the index would be .* use another repository$'):
        client.set_manifest('t', padded(1000))
    assert snapshot(layout) == before  # the blob of the manifest neither
    client.del_alias('second')
    client.set_manifest('t', padded(1000))
    assert client.list_aliases() == ['first', 't']


def test_an_index_that_is_larger_than_it_can_be_read_says_so(layout: Path, full: Limit) -> None:
    rewrite(layout / 'index.json', '{' + ' ' * full.most)
    with pytest.raises(DXFInvalidDocumentError, match=rf'index\.json: .*larger than {full.most} bytes'):
        client_of(layout).list_aliases()


@pytest.mark.parametrize('number', ['1e400', '-1e999', '9' * 400 + '.0'])
@pytest.mark.parametrize('command', [['set-alias', REPO, 'b', hash_bytes(EMPTY_CONTENT)], ['del-alias', REPO, 'first'],
                                     ['push-blob', REPO, os.devnull, '@b'], ['gc', REPO, '--delete'],
                                     ['list-aliases', REPO]], ids=lambda command: str(command[0]))
def test_an_index_with_a_number_that_does_not_fit_is_named_and_left_as_it_is(layout: Path, number: str,
                                                                             command: list[str]) -> None:
    rewrite(layout / 'index.json', f'{{"other": [{number}], ')
    before = (layout / 'index.json').read_bytes()
    with pytest.raises(DXFInvalidDocumentError) as caught:
        doit(command, {'DXF_HOST': f'oci:{layout.parents[1]}'})
    assert str(layout / 'index.json') in line_of(caught.value)
    assert len(line_of(caught.value)) < 400
    assert (layout / 'index.json').read_bytes() == before


def test_an_index_keeps_the_numbers_that_others_wrote_there(layout: Path) -> None:
    rewrite(layout / 'index.json', f'{{"other": [{", ".join(NUMBERS)}], ')
    client_of(layout).set_alias('second', hash_bytes(EMPTY_CONTENT))
    assert numbers_in(layout / 'index.json') == NUMBERS
    assert client_of(layout).list_aliases() == ['first', 'second']


def numbers_in(path: Path) -> list[str]:
    """Return the numbers in the member ``other`` of a JSON object, as they are written there."""
    found: list[str] = json.loads(path.read_text('utf-8'), parse_int=str, parse_float=str)['other']
    return found


def test_a_list_of_referrers_keeps_the_numbers_that_others_wrote_there(server: ScriptedRegistry, tmp_path: Path
                                                                       ) -> None:
    subject = server.memory.put_manifest(REPO, 'first', OCI_MANIFEST, padded(1000).encode())
    tag = subject.replace(':', '-')
    entry = json.dumps({'mediaType': OCI_MANIFEST, 'digest': hash_bytes(b'x'), 'size': 5})
    listed = f'{{"schemaVersion": 2, "manifests": [{{"other": [{", ".join(NUMBERS)}], {entry[1:]}]}}'
    server.memory.put_manifest(REPO, tag, 'application/vnd.oci.image.index.v1+json', listed.encode())
    (tmp_path / 'sums').write_text('15')
    artifacts.attach(limited(server), 'first', [str(tmp_path / 'sums')], artifact_type='application/vnd.example.sums')
    content = server.memory.manifests[REPO][server.memory.tags[REPO][tag]][1]
    first, second = json.loads(content, parse_int=str, parse_float=str)['manifests']
    assert first['other'] == NUMBERS
    assert second['artifactType'] == 'application/vnd.example.sums'


# Credentials


@pytest.fixture(name='config')
def write_config(tmp_path: Path) -> Path:
    """Docker's configuration, with something that is not dxf's."""
    path = tmp_path / '.docker' / 'config.json'
    path.parent.mkdir()
    path.write_text('{"HttpHeaders": {"X": "y"}}')
    return path


def store(config: Path, password: str = 'secret') -> None:
    """Store a credential."""
    CredentialFile(str(config), {}).store(HOST, 'fred', password)


def test_a_file_of_credentials_never_grows_larger_than_it_can_be_read(config: Path) -> None:
    store(config)
    room = MAX_FILE_LENGTH - config.stat().st_size
    config.write_text(json.dumps({'HttpHeaders': {'X': 'y' * (room + 1)}}))
    store(config)
    assert config.stat().st_size == MAX_FILE_LENGTH
    found = find(HOST, None, {'HOME': str(config.parents[1])})
    assert found is not None and found.password == 'secret'
    before = config.read_bytes()
    with pytest.raises(DXFCredentialsError, match=rf'^{config} cannot be written: a document of [0-9]+ bytes: at most'):
        store(config, 'a longer secret')
    assert config.read_bytes() == before


@pytest.mark.parametrize('change', [store, lambda config: CredentialFile(str(config), {}).erase(HOST)])
def test_a_file_of_credentials_with_a_number_that_does_not_fit_is_named_and_left_as_it_is(
        config: Path, change: Callable[[Path], Any]) -> None:
    rewrite(config, '{"other": 1e400, ')
    before = config.read_bytes()
    with pytest.raises(DXFCredentialsError, match=f'^{config} is no file of credentials: .* 1e400 is no number'):
        change(config)
    assert config.read_bytes() == before


def test_a_file_of_credentials_keeps_the_numbers_that_others_wrote_there(config: Path) -> None:
    rewrite(config, f'{{"other": [{", ".join(NUMBERS)}], ')
    store(config)
    assert numbers_in(config) == NUMBERS
    assert b64decode(json.loads(config.read_text())['auths'][HOST]['auth']) == b'fred:secret'


def test_a_password_that_would_be_read_as_another_is_not_stored(config: Path) -> None:
    before = config.read_bytes()
    with pytest.raises(DXFCredentialsError, match=f'^{config} cannot keep this password'):
        store(config, 'secret\0')  # docker pads passwords with NUL
    assert config.read_bytes() == before


def test_a_secret_that_its_helper_could_not_give_back_is_not_handed_to_it(tmp_path: Path) -> None:
    helper_program = HelperProgram(tmp_path)
    helper = CredentialHelper(helper_program.name, {'PATH': helper_program.path})
    helper.store(HOST, 'fred', 'x' * (MAX_ANSWER_LENGTH - 200))
    assert helper.get(HOST) == ('fred', 'x' * (MAX_ANSWER_LENGTH - 200))
    with pytest.raises(DXFCredentialsError, match='^the credential is too long'):
        helper.store(HOST, 'fred', 'y' * MAX_ANSWER_LENGTH)
    assert helper.get(HOST) == ('fred', 'x' * (MAX_ANSWER_LENGTH - 200))


# How far an upload has come


def test_a_journal_remembers_nothing_that_it_could_not_read(tmp_path: Path) -> None:
    (tmp_path / 'data').write_bytes(b'x')
    source: Any = open_source(str(tmp_path / 'data'), None)
    journal = UploadJournal(str(tmp_path / 'state'), f'https://{HOST}/v2/{REPO}', source, hash_bytes(b'x'))
    url = f'https://{HOST}/v2/{REPO}/blobs/uploads/1?state='
    journal.write(url, 5)
    assert journal.read() == (url, 5)
    journal.write(url + 'x' * MAX_SIZE, 6)
    assert journal.read() is None
    assert (next((tmp_path / 'state').iterdir())).stat().st_size == 0
    journal.write(url, 7)
    assert journal.read() == (url, 7)
    journal.close()
    source.close()
