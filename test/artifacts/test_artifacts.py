"""Files with their names: what push-files writes is what OCI asks for, and pull-files reads what oras writes.

What hostile names and archives do is the subject of test_unpacking.
"""

import gzip
import io
import json
import os
import stat
import tarfile
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf import DXF, artifacts
from dxf.artifacts.manifest import EMPTY
from dxf.exceptions import (DXFError, DXFInvalidDocumentError, DXFInvalidNameError, DXFSizeMismatchError,
                            DXFSourceError, DXFUnsupportedSchemaType)
from dxf.main import doit
from dxf.manifest.image import EMPTY_CONTENT

from ..helpers.endpoints import Endpoint
from ..helpers.images import write_index, write_layout
from ..helpers.tables import paired

EPOCH = 1715731200
MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
EMPTY_DESCRIPTOR = {'mediaType': 'application/vnd.oci.empty.v1+json', 'size': 2,
                    'digest': 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'}
TITLE = 'org.opencontainers.image.title'
OLD, NEW = b'21.5\n', b'21.7\n' * 1000
SCRIPT = '#!/bin/sh\n'


@pytest.fixture(name='work')
def make_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a file and a folder of files in it."""
    work = tmp_path / 'work'
    (work / 'charts' / 'may' / 'empty').mkdir(parents=True)
    (work / 'logger.dat').write_bytes(NEW)
    (work / 'charts' / 'run').write_text(SCRIPT)
    (work / 'charts' / 'run').chmod(0o700)
    (work / 'charts' / 'may' / 'größe.txt').write_text('15')
    (work / 'charts' / ('x' * 200)).write_bytes(b'')
    monkeypatch.chdir(work)
    return work


@pytest.fixture(name='client')
def make_client(folder: Endpoint, repo: str) -> DXF:
    """A repository in a folder, quick to write to."""
    return folder.dxf(repo)


def run(capfd: pytest.CaptureFixture[str], endpoint: Endpoint, *args: str, **variables: str) -> str:
    """Run a command that must succeed, without a word on stderr; return what it printed."""
    assert doit(args, {**endpoint.environ(), **variables}) == 0
    out, err = capfd.readouterr()
    assert err == ''
    return out


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return all that is below a folder: contents of files, ``None`` for folders."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
            for path in folder.rglob('*')}


def blob(content: bytes, title: str | None = None, media_type: str = 'application/octet-stream',
         **annotations: str) -> dict[str, Any]:
    """Return a descriptor as oras writes it."""
    named = {**annotations, **({} if title is None else {TITLE: title})}
    return {'mediaType': media_type, 'digest': dxf.hash_bytes(content), 'size': len(content),
            **({'annotations': named} if named else {})}


def set_artifact(client: DXF, alias: str, layers: list[dict[str, Any]], contents: list[bytes], **more: Any) -> None:
    """Store a manifest that somebody else has written."""
    for content in (*contents, EMPTY_CONTENT):
        client.push_blob(data=content)
    client.set_manifest(alias, json.dumps({'schemaVersion': 2, 'mediaType': MANIFEST, 'config': EMPTY_DESCRIPTOR,
                                           'layers': layers, **more}))


# Round trips


@pytest.mark.usefixtures('work')
def test_files_and_folders_come_back_as_they_were(endpoint: Endpoint, repo: str, tmp_path: Path,
                                                  capfd: pytest.CaptureFixture[str]) -> None:
    digest = run(capfd, endpoint, 'push-files', repo, 'a', 'logger.dat', 'charts/')
    assert digest.strip() == dxf.hash_bytes(run(capfd, endpoint, 'get-manifest', repo, 'a').encode())
    assert run(capfd, endpoint, 'pull-files', repo, 'a', '--to',
               str(tmp_path / 'new' / 'copy')) == 'logger.dat\ncharts\n'
    copy = tmp_path / 'new' / 'copy'
    assert tree(copy) == tree(Path())
    assert stat.S_IMODE((copy / 'charts' / 'run').stat().st_mode) & 0o111
    assert not stat.S_IMODE((copy / 'logger.dat').stat().st_mode) & 0o111


@pytest.mark.usefixtures('work')
def test_some_of_the_files_may_be_pulled(client: DXF, tmp_path: Path) -> None:
    artifacts.push_files(client, 'a', ['logger.dat', 'charts'])
    assert artifacts.pull_files(client, 'a', str(tmp_path / 'copy'), names=['charts']).names == ['charts']
    assert os.listdir(tmp_path / 'copy') == ['charts']
    with pytest.raises(DXFError, match="no file 'other' in it, but 'charts', 'logger.dat'"):
        artifacts.pull_files(client, 'a', str(tmp_path / 'copy'), names=['logger.dat', 'other'])
    assert os.listdir(tmp_path / 'copy') == ['charts']


def test_equal_folders_are_equal_blobs(client: DXF, work: Path) -> None:
    first = artifacts.push_files(client, 'a', ['charts'], created=EPOCH)
    for path in [work / 'charts', *work.glob('charts/**/*')]:
        os.utime(path, (1, 1))
        path.chmod(path.stat().st_mode & 0o700)
    assert artifacts.push_files(client, 'b', ['charts'], created=EPOCH) == first
    (work / 'charts' / 'run').chmod(0o600)
    assert artifacts.push_files(client, 'c', ['charts'], created=EPOCH) != first


def test_a_folder_of_several_blocks_is_the_same_for_any_number_of_jobs(folder: Endpoint, repo: str, work: Path,
                                                                       tmp_path: Path) -> None:
    for name in ('one', 'two'):
        (work / 'charts' / name).write_bytes(os.urandom(3 << 19) + bytes(3 << 19))
    pushed = set()
    for jobs in (1, 4):
        with DXF(folder.host, f'{repo}/{jobs}', jobs=jobs) as client:
            pushed.add(artifacts.push_files(client, 'a', ['charts'], created=EPOCH))
            artifacts.pull_files(client, 'a', str(tmp_path / str(jobs)))
            assert tree(tmp_path / str(jobs) / 'charts') == tree(work / 'charts')
    assert len(pushed) == 1


def test_a_large_folder_is_packed_and_unpacked_in_bounded_memory(open_registry: Endpoint, repo: str, work: Path,
                                                                 tmp_path: Path) -> None:
    client = open_registry.dxf(repo)
    with open(work / 'charts' / 'zeros', 'wb') as file:
        file.truncate(32 << 20)
    tracemalloc.start()
    artifacts.push_files(client, 'a', ['charts'])
    artifacts.pull_files(client, 'a', str(tmp_path / 'copy'))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20
    assert (tmp_path / 'copy' / 'charts' / 'zeros').stat().st_size == 32 << 20


# The manifest


@pytest.mark.usefixtures('work')
def test_the_manifest_is_what_the_guidelines_ask_for(endpoint: Endpoint, repo: str,
                                                     capfd: pytest.CaptureFixture[str]) -> None:
    run(capfd, endpoint, 'push-files', repo, 'a', 'logger.dat:text/csv', 'charts',
        '--type', 'application/vnd.example.readings', '--annotation', 'station=3', '--annotation', 'note=a=b',
        SOURCE_DATE_EPOCH=str(EPOCH))
    client = endpoint.dxf(repo)
    text = client.get_manifest('a')
    assert isinstance(text, str)
    manifest = json.loads(text)
    archive = b''.join(client.pull_blob(manifest['layers'][1]['digest']))
    content = gzip.decompress(archive)
    assert manifest == {
        'schemaVersion': 2,
        'mediaType': MANIFEST,
        'artifactType': 'application/vnd.example.readings',
        'config': EMPTY_DESCRIPTOR,
        'layers': [
            blob(NEW, 'logger.dat', 'text/csv'),
            blob(archive, 'charts', 'application/vnd.oci.image.layer.v1.tar+gzip', **{
                'io.deis.oras.content.unpack': 'true', 'io.deis.oras.content.digest': dxf.hash_bytes(content)}),
        ],
        'annotations': {'org.opencontainers.image.created': '2024-05-15T00:00:00Z', 'station': '3', 'note': 'a=b'},
    }
    assert b''.join(client.pull_blob(EMPTY.digest)) == b'{}'


@pytest.mark.usefixtures('work')
def test_an_archive_holds_the_folder_by_its_name_sorted_and_without_times_and_owners(client: DXF) -> None:
    artifacts.push_files(client, 'a', ['charts'])
    archive = b''.join(client.pull_blob(*client.get_alias('a')))
    with tarfile.open(fileobj=io.BytesIO(archive), mode='r:gz') as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [
        'charts', 'charts/may', 'charts/may/empty', 'charts/may/größe.txt', 'charts/run', 'charts/' + 'x' * 200]
    assert {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in members} == {
        (0, 0, 0, '', '')}
    assert [oct(member.mode) for member in members if member.isfile()] == ['0o644', '0o755', '0o644']


@pytest.mark.usefixtures('work')
def test_without_a_word_an_artifact_is_what_oras_calls_unknown_and_of_now(client: DXF) -> None:
    artifacts.push_files(client, 'a', ['logger.dat'])
    manifest = json.loads(str(client.get_manifest('a')))
    assert manifest['artifactType'] == 'application/vnd.unknown.artifact.v1'
    assert manifest['layers'] == [blob(NEW, 'logger.dat')]
    assert list(manifest['annotations']) == ['org.opencontainers.image.created']
    assert manifest['annotations']['org.opencontainers.image.created'] > '2024'


@pytest.mark.parametrize('start', ['open_registry', 'folder'])
@pytest.mark.usefixtures('work')
def test_skopeo_copies_it_to_a_layout_and_back(request: pytest.FixtureRequest, start: str, repo: str, tmp_path: Path,
                                               skopeo: Callable[..., str]) -> None:
    endpoint: Endpoint = request.getfixturevalue(start)
    digest = artifacts.push_files(endpoint.dxf(repo), 'a', ['logger.dat', 'charts'])
    there = f'{endpoint.host}/{repo}' if endpoint.is_folder else f'docker://{endpoint.host}/{repo}'
    for source, target in ((f'{there}:a', f'oci:{tmp_path / "layout"}:a'),
                           (f'oci:{tmp_path / "layout"}:a', f'{there}-back:a')):
        skopeo('copy', '--src-tls-verify=false', '--dest-tls-verify=false', source, target)
    for client in (DXF(f'oci:{tmp_path / "layout"}', ''), endpoint.dxf(f'{repo}-back')):
        assert dxf.hash_bytes(str(client.get_manifest('a')).encode()) == digest
        copy = tmp_path / f'copy-{client._repo.replace("/", "-")}'
        artifacts.pull_files(client, 'a', str(copy))
        assert tree(copy) == tree(Path())


# Names of what is pushed


@pytest.mark.parametrize(('operand', 'name', 'media_type', 'reason'), [
    ('logger.dat', 'logger.dat', 'application/octet-stream', 'a name'),
    ('./logger.dat', 'logger.dat', 'application/octet-stream', 'here'),
    ('charts/run', 'charts/run', 'application/octet-stream', 'in a folder'),
    ('charts//may/../run', 'charts/run', 'application/octet-stream', 'normalised'),
    ('../work/logger.dat', 'logger.dat', 'application/octet-stream', 'leads upwards'),
    ('{work}/charts/run', 'run', 'application/octet-stream', 'absolute'),
    ('charts/', 'charts', 'application/vnd.oci.image.layer.v1.tar+gzip', 'a folder'),
    ('.', 'work', 'application/vnd.oci.image.layer.v1.tar+gzip', 'this folder'),
    ('charts:application/x-charts', 'charts', 'application/x-charts', 'a folder of a type'),
    ('logger.dat:text/csv', 'logger.dat', 'text/csv', 'a type'),
    ('logger.dat:', 'logger.dat', 'application/octet-stream', 'an empty type'),
    ('a:b', 'a:b', 'application/octet-stream', 'a colon in a name'),
    ('a:b:text/csv', 'a:b', 'text/csv', 'a colon in a name, and a type'),
])
def test_a_file_is_called_by_its_path(work: Path, operand: str, name: str, media_type: str, reason: str) -> None:
    (work / 'a:b').write_bytes(b'')
    chosen = artifacts.choose([operand.replace('{work}', str(work))])
    assert [(file.name, file.media_type) for file in chosen] == [(name, media_type)], reason


REFUSED = {
    'no such file': ('cannot read', ['none']), 'no such file with a type': ('cannot read', ['none:text/csv']),
    'a type that is not valid': ('invalid media type', ['logger.dat:text']),
    'twice': ('twice', ['logger.dat', './logger.dat']), 'by case alone': ('case', ['logger.dat', 'Logger.dat']),
    'in a folder and alone': ('twice', ['charts', 'charts/run']), 'a pipe': ('neither', ['pipe']),
    'a link in a folder': ('link', ['links']), 'a pipe in a folder': ('cannot be stored', ['pipes']),
    'a name with a newline': ('unsafe', ['new\nline']), 'a name with a backslash': ('unsafe', ['folder']),
    'a type of the whole that is not valid': ('invalid media type', ['logger.dat', '--type', 'text']),
    'no annotation': ('invalid annotation', ['logger.dat', '--annotation', 'a']),
    'an annotation without a key': ('invalid annotation', ['logger.dat', '--annotation', '=a']),
    'an annotation twice': ('invalid annotation', ['logger.dat', '--annotation', 'a=1', '--annotation', 'a=2']),
    'a NUL': ('cannot read', ['a\0']), 'empty': ('cannot read', ['']), 'the root': ('unsafe', ['/']),
    'a loop': ('cannot read', ['loop']),
}


@pytest.mark.parametrize('command', ['push-files', 'attach'])
@pytest.mark.parametrize(('said', 'args'), REFUSED.values(), ids=REFUSED)
def test_what_could_not_be_pulled_is_not_pushed(work: Path, command: str, said: str, args: list[str],
                                                capfd: pytest.CaptureFixture[str]) -> None:
    (work / 'Logger.dat').write_bytes(b'')
    for path in ('links', 'pipes', 'folder'):
        (work / path).mkdir()
    os.mkfifo(work / 'pipe')
    os.mkfifo(work / 'pipes' / 'pipe')
    (work / 'links' / 'link').symlink_to('../logger.dat')
    (work / 'new\nline').write_bytes(b'')
    (work / 'folder' / 'back\\slash').write_bytes(b'')
    (work / 'loop').symlink_to('loop')
    if command == 'attach' and '--type' not in args:
        args = [*args, '--type', 'a/b']
    with pytest.raises(SystemExit) as ended:
        doit([command, 'fred/a', 'a', *args], {'DXF_HOST': 'localhost:1', 'DXF_RETRIES': '0'})
    out, err = capfd.readouterr()
    assert (ended.value.code, out) == (2, '')
    assert err.startswith('dxf: ') and err.count('\n') == 1 and said in err


@pytest.mark.usefixtures('work')
@pytest.mark.parametrize(('said', 'args'), [
    ('SOURCE_DATE_EPOCH', ['push-files', 'fred/a', 'a', 'logger.dat']),
    ('--type', ['attach', 'fred/a', 'a', 'logger.dat']),
    ('invalid alias', ['push-files', 'fred/a', '@.a', 'logger.dat']),
    ('invalid alias', ['push-files', 'fred/a', 'sha256:' + 'a' * 64, 'logger.dat']),
    ('invalid digest', ['pull-files', 'fred/a', 'sha256:a']),
    ('invalid alias', ['referrers', 'fred/a', '@.a']),
    ('invalid media type', ['referrers', 'fred/a', 'a', '--type', 'a']),
])
def test_what_cannot_be_right_is_told_before_any_request(said: str, args: list[str],
                                                         capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        doit(args, {'DXF_HOST': 'localhost:1', 'DXF_RETRIES': '0', 'SOURCE_DATE_EPOCH': 'now'})
    assert ended.value.code == 2
    assert said in capfd.readouterr().err


def test_a_folder_that_holds_the_registry_is_not_pushed_into_it(work: Path, tmp_path: Path) -> None:
    client = DXF(f'oci:{work}/blobs', 'demo/r')
    client.set_alias('old', client.push_blob(data=b'old'))
    store = list((work / 'blobs').rglob('*'))
    (tmp_path / 'link').symlink_to(work)
    for files in (['.'], [str(tmp_path / 'link')], artifacts.select(['.'], each=True).files,
                  artifacts.select(['.'], exclude=['demo/x']).files):
        for push in (partial(artifacts.push_files, client, 'new'), partial(artifacts.plan_push, client, 'new'),
                     partial(artifacts.attach, client, 'old', artifact_type='text/plain')):
            with pytest.raises(DXFSourceError, match=f'registry {work}/blobs is in this folder, and would be stored '
                                                     'in itself: keep it elsewhere'):
                push(files)
    assert list((work / 'blobs').rglob('*')) == store
    for apart in (artifacts.select(['.'], each=True, exclude=['blobs']).files,
                  artifacts.select(['.'], exclude=['blobs']).files, ['charts', 'logger.dat'],
                  [str(work / 'blobs' / 'demo' / 'r' / 'index.json')]):
        artifacts.push_files(client, 'new', apart)
    artifacts.push_files(DXF(f'oci:{work}', 'demo/s'), 'new', ['charts'])


def test_a_link_that_is_named_itself_is_followed(client: DXF, work: Path, tmp_path: Path) -> None:
    (work / 'link').symlink_to('logger.dat')
    artifacts.push_files(client, 'a', ['link'])
    artifacts.pull_files(client, 'a', str(tmp_path / 'copy'))
    assert tree(tmp_path / 'copy') == {'link': NEW}


# What others have written


def oras_folder(*members: tuple[str, bytes | None]) -> bytes:
    """Return a tar as Go's tool writes it: times kept, folders without a slash, links to nothing."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode='w', format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.mtime = EPOCH
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            member.size = len(content or b'')
            tar.addfile(member, io.BytesIO(content or b''))
    return archive.getvalue()


FOLDER = oras_folder(('data', None), ('data/in', None), ('data/in/a.txt', b'a'), ('data/b.txt', b'b'))
ZIPPED = gzip.compress(FOLDER)
UNPACK = {'io.deis.oras.content.unpack': 'true', 'io.deis.oras.content.digest': dxf.hash_bytes(FOLDER)}
TAR_GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'


@pytest.mark.parametrize('more', [
    pytest.param({'artifactType': 'application/vnd.unknown.artifact.v1',
                  'annotations': {'org.opencontainers.image.created': '2024-05-15T00:00:00Z'}}, id='oras 1.2'),
    pytest.param({'config': blob(b'{"a": 1}', None, 'application/vnd.acme.rocket.config.v1+json')},
                 id='a configuration, and no type'),
    pytest.param({'config': {**EMPTY_DESCRIPTOR, 'mediaType': 'application/vnd.acme.rocket.config'}},
                 id='the type in the configuration, oras before 1.1'),
    pytest.param({'config': {**EMPTY_DESCRIPTOR, 'data': 'e30='}}, id='with its data'),
])
def test_an_artifact_of_oras_is_read(client: DXF, tmp_path: Path, more: dict[str, Any]) -> None:
    set_artifact(client, 'a', [
        blob(b'hello', 'hi.txt', 'application/vnd.oci.image.layer.v1.tar'),
        blob(b'hello', 'in/hi.txt', 'application/vnd.me.hi', colour='red'),
        blob(ZIPPED, 'data', TAR_GZIP, **UNPACK),
        blob(ZIPPED, 'kept.tar.gz', TAR_GZIP),
    ], [b'hello', ZIPPED, b'{"a": 1}'], **more)
    pulled = artifacts.pull_files(client, 'a', str(tmp_path / 'copy'))
    assert pulled == (['hi.txt', 'in/hi.txt', 'data', 'kept.tar.gz'], [])
    assert tree(tmp_path / 'copy') == {
        'hi.txt': b'hello', 'in': None, 'in/hi.txt': b'hello', 'data': None, 'data/in': None, 'data/in/a.txt': b'a',
        'data/b.txt': b'b', 'kept.tar.gz': ZIPPED}


@pytest.mark.parametrize(('title', 'content', 'reason'), [
    ('data', FOLDER, 'by its name'),
    ('in/data', FOLDER, 'by the last part of it'),
    ('in/data', oras_folder(('in/data/b.txt', b'b'), ('in/data/in/a.txt', b'a')), 'by all of it'),
    ('data', oras_folder(('./data/', None), ('./data/in/a.txt', b'a'), ('./data/b.txt', b'b')), 'after a dot'),
])
def test_a_folder_is_unpacked_whatever_part_of_its_name_stands_before_its_files(
        client: DXF, tmp_path: Path, title: str, content: bytes, reason: str) -> None:
    zipped = gzip.compress(content)
    set_artifact(client, 'a', [blob(zipped, title, TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'})], [zipped])
    artifacts.pull_files(client, 'a', str(tmp_path))
    assert tree(tmp_path / title) == {'in': None, 'in/a.txt': b'a', 'b.txt': b'b'}, reason


ROOT = oras_folder(('.', None), ('a.txt', b'a'), ('in', None), ('in/b.txt', b'b'), ('in/empty', None))
"""What ``oras push ... .`` packs: the names are those within the folder."""


@pytest.mark.parametrize('content', [
    pytest.param(ROOT, id='oras'),
    pytest.param(oras_folder(('./', None), ('./a.txt', b'a'), ('./in/', None), ('./in/b.txt', b'b'),
                             ('./in/empty/', None)), id='tar of a dot'),
    pytest.param(oras_folder(('in/b.txt', b'b'), ('in/empty', None), ('a.txt', b'a')), id='without the folders'),
])
def test_a_folder_called_dot_is_unpacked_into_the_folder_of_the_pull(
        folder: Endpoint, open_registry: Endpoint, repo: str, tmp_path: Path, capfd: pytest.CaptureFixture[str],
        content: bytes) -> None:
    zipped = gzip.compress(content)
    layers = [blob(zipped, '.', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true',
                                             'io.deis.oras.content.digest': dxf.hash_bytes(content)}),
              blob(b'beside', 'in/beside')]
    target = tmp_path / 'target'
    (target / 'in').mkdir(parents=True)
    (target / 'mine').write_bytes(OLD)
    for endpoint in (folder, open_registry):
        set_artifact(endpoint.dxf(repo), 'a', layers, [zipped, b'beside'])
        assert run(capfd, endpoint, 'pull-files', repo, 'a', '--to', str(target), '--overwrite') == '.\nin/beside\n'
        assert tree(target) == {'mine': OLD, 'a.txt': b'a', 'in': None, 'in/b.txt': b'b', 'in/empty': None,
                                'in/beside': b'beside'}
    assert run(capfd, folder, 'pull-files', repo, 'a', '.', '--to', str(tmp_path / 'new')) == '.\n'
    assert tree(tmp_path / 'new') == {'a.txt': b'a', 'in': None, 'in/b.txt': b'b', 'in/empty': None}


def test_a_folder_called_dot_replaces_a_file_only_if_that_is_wanted(client: DXF, tmp_path: Path) -> None:
    zipped = gzip.compress(ROOT)
    set_artifact(client, 'a', [blob(zipped, '.', TAR_GZIP, **{'io.deis.oras.content.unpack': 'true'})], [zipped])
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'b.txt').write_bytes(OLD)
    with pytest.raises(FileExistsError, match='in/b.txt'):
        artifacts.pull_files(client, 'a', str(tmp_path))
    assert tree(tmp_path) == {'in': None, 'in/b.txt': OLD}
    artifacts.pull_files(client, 'a', str(tmp_path), overwrite=True)
    assert tree(tmp_path) == {'a.txt': b'a', 'in': None, 'in/b.txt': b'b', 'in/empty': None}


# ModelPack: https://github.com/modelpack/model-spec/blob/main/docs/annotations.md


MODEL_KEYS = {'cncf': 'org.cncf.model.filepath', 'cnai': 'org.cnai.model.filepath'}


def model_layer(vendor: str, content: bytes, path: str, kind: str, **annotations: str) -> dict[str, Any]:
    """Return a descriptor as modctl writes it."""
    media_type = kind if '/' in kind else f'application/vnd.{vendor}.model.{kind}'
    return blob(content, None, media_type, **{MODEL_KEYS[vendor]: path, **annotations})


def packed(content: bytes, kind: str) -> bytes:
    """Return a tar as a media type says that it is."""
    return gzip.compress(content) if kind.endswith('gzip') else content


@pytest.mark.parametrize('vendor', MODEL_KEYS)
def test_a_model_of_raw_files_is_pulled(open_registry: Endpoint, repo: str, tmp_path: Path, vendor: str,
                                        capfd: pytest.CaptureFixture[str]) -> None:
    set_artifact(open_registry.dxf(repo), 'a', [
        model_layer(vendor, b'weights', 'model.gguf', 'weight.v1.raw'),
        model_layer(vendor, b'part', 'unet/model.safetensors', 'weight.v1.safetensors'),
        model_layer(vendor, b'{}', 'unet/config.json', 'weight.config.v1.raw'),
        model_layer(vendor, b'MIT', 'LICENSE', 'doc.v1.raw', **{TITLE: 'LICENSE'}),
        model_layer(vendor, b'other', 'code.py', 'application/octet-stream'),
    ], [b'weights', b'part', b'{}', b'MIT', b'other'], artifactType=f'application/vnd.{vendor}.model.manifest.v1+json',
        config=blob(EMPTY_CONTENT, None, f'application/vnd.{vendor}.model.config.v1+json'))
    out = run(capfd, open_registry, 'pull-files', repo, 'a', '--to', str(tmp_path / 'copy'))
    assert out == 'model.gguf\nunet/model.safetensors\nunet/config.json\nLICENSE\ncode.py\n'
    assert tree(tmp_path / 'copy') == {
        'model.gguf': b'weights', 'unet': None, 'unet/model.safetensors': b'part', 'unet/config.json': b'{}',
        'LICENSE': b'MIT', 'code.py': b'other'}
    run(capfd, open_registry, 'pull-files', repo, 'a', 'LICENSE', '--to', str(tmp_path / 'one'))
    assert tree(tmp_path / 'one') == {'LICENSE': b'MIT'}
    lines = run(capfd, open_registry, 'inspect', repo, 'a').splitlines()
    assert f'blob {dxf.hash_bytes(b"weights")} 7 model.gguf' in lines


KINDS = {f'{vendor} {kind}': (vendor, kind) for vendor, kind in (
    ('cncf', 'weight.v1.tar'), ('cncf', 'weight.v1.tar+gzip'), ('cnai', 'weight.v1.tar'), ('cnai', 'doc.v1.tar+gzip'),
    ('cnai', 'application/vnd.oci.image.layer.v1.tar'), ('cnai', 'application/vnd.oci.image.layer.v1.tar+gzip'),
    ('cncf', 'application/vnd.cncf.model.weight.v1.TAR+GZIP; version=1'))}
TARS: dict[str, tuple[str, bytes, dict[str, bytes | None]]] = {
    'a file': ('README', oras_folder(('README', b'hi')), {'README': b'hi'}),
    'a file after a dot': ('README', oras_folder(('./README', b'hi')), {'README': b'hi'}),
    'by its path': ('in/a.bin', oras_folder(('in/a.bin', b'a')), {'in': None, 'in/a.bin': b'a'}),
    'by its last part': ('in/a.bin', oras_folder(('a.bin', b'a')), {'in': None, 'in/a.bin': b'a'}),
    'a folder': ('data', FOLDER, {'data': None, 'data/in': None, 'data/in/a.txt': b'a', 'data/b.txt': b'b'}),
    'a folder that is not in it itself': ('data', oras_folder(('data/in/a.txt', b'a')), {
        'data': None, 'data/in': None, 'data/in/a.txt': b'a'}),
    'an empty folder': ('data', oras_folder(('data', None)), {'data': None}),
    'a dot': ('.', ROOT, {'a.txt': b'a', 'in': None, 'in/b.txt': b'b', 'in/empty': None}),
}


@pytest.mark.parametrize(('tar', 'layer'), paired(TARS, KINDS))
def test_a_tar_of_a_model_is_unpacked(client: DXF, tmp_path: Path, tar: tuple[str, bytes, dict[str, bytes | None]],
                                      layer: tuple[str, str]) -> None:
    (path, content, files), (vendor, kind) = tar, layer
    archive = packed(content, kind.partition(';')[0].lower())
    set_artifact(client, 'a', [model_layer(vendor, archive, path, kind, **{TITLE: 'title'}),
                               model_layer(vendor, b'x', 'beside', 'doc.v1.raw')], [archive, b'x'])
    assert artifacts.pull_files(client, 'a', str(tmp_path / 'copy')) == ([path, 'beside'], [])
    assert tree(tmp_path / 'copy') == {**files, 'beside': b'x'}


def test_a_tar_with_nothing_but_a_title_stays_a_file_as_oras_pulls_it(client: DXF, tmp_path: Path) -> None:
    set_artifact(client, 'a', [blob(FOLDER, 'data.tar', 'application/vnd.cncf.model.weight.v1.tar')], [FOLDER])
    artifacts.pull_files(client, 'a', str(tmp_path))
    assert tree(tmp_path) == {'data.tar': FOLDER}


@pytest.mark.parametrize('packing', ['tar+zstd', 'tar+xz'])
def test_a_tar_that_cannot_be_unpacked_is_named_before_anything_is_fetched(client: DXF, tmp_path: Path, packing: str
                                                                           ) -> None:
    set_artifact(client, 'a', [model_layer('cncf', b'raw', 'a', 'doc.v1.raw'),
                               model_layer('cncf', b'zstd', 'b', f'weight.v1.{packing}')], [b'raw', b'zstd'])
    with pytest.raises(DXFError) as raised:
        artifacts.pull_files(client, 'a', str(tmp_path / 'copy'))
    assert str(raised.value) == (f"'b' is packed as {packing}, which dxf does not unpack: dxf pull-blob fetches it as "
                                 f'{dxf.hash_bytes(b"zstd")}')
    assert not (tmp_path / 'copy').exists()
    assert artifacts.pull_files(client, 'a', str(tmp_path / 'copy'), names=['a']).names == ['a']


def test_a_tar_of_a_model_that_is_empty_is_refused(client: DXF, tmp_path: Path) -> None:
    empty = oras_folder()
    set_artifact(client, 'a', [model_layer('cncf', empty, 'data', 'weight.v1.tar')], [empty])
    with pytest.raises(DXFInvalidDocumentError, match="'data' is not in it"):
        artifacts.pull_files(client, 'a', str(tmp_path / 'copy'))
    assert not (tmp_path / 'copy').exists()


@pytest.mark.parametrize('kind', ['weight.v1.raw', 'weight.v1.tar'])
def test_a_file_of_a_model_that_is_there_is_told_before_anything_is_fetched(client: DXF, tmp_path: Path, kind: str
                                                                            ) -> None:
    content = b'new' if kind.endswith('raw') else oras_folder(('README', b'new'))
    set_artifact(client, 'a', [model_layer('cncf', content, 'README', kind)], [content])
    (tmp_path / 'README').write_bytes(OLD)
    client.del_blob(dxf.hash_bytes(content))
    with pytest.raises(FileExistsError, match='--overwrite'):
        artifacts.pull_files(client, 'a', str(tmp_path))
    client.push_blob(data=content)
    artifacts.pull_files(client, 'a', str(tmp_path), overwrite=True)
    assert tree(tmp_path) == {'README': b'new'}


def test_what_has_no_name_is_left_out_and_that_is_said(client: DXF, folder: Endpoint, tmp_path: Path,
                                                       capfd: pytest.CaptureFixture[str]) -> None:
    set_artifact(client, 'a', [blob(b'hello', 'hi.txt'), blob(b'more', None, 'x/\x1b[2J'), blob(b'x', colour='red')],
                 [b'hello', b'more', b'x'])
    said = f'^2 blobs were left out: dxf pull-blob {client._repo} HASH -o FILE fetches one$'
    with pytest.raises(DXFError, match=said):
        doit(['pull-files', client._repo, 'a', '--to', str(tmp_path / 'c')], folder.environ())
    out, err = capfd.readouterr()
    assert out == 'hi.txt\n'
    assert [dxf.hash_bytes(content) in line for content, line in
            zip([b'more', b'x'], err.splitlines(), strict=True)] == [True, True]
    assert err.replace('\n', '').isprintable()
    assert tree(tmp_path / 'c') == {'hi.txt': b'hello'}


def test_an_alias_without_names_says_which_command_is_for_it(client: DXF, tmp_path: Path) -> None:
    client.set_alias('a', client.push_blob(data=b'hello'))
    for reference, named in (('a', f'dxf pull-blob {client._repo} @a -o FILE fetches them, one behind the other'),
                             (client.manifest_digest('a'), f'dxf pull-blob {client._repo} HASH -o FILE fetches one')):
        with pytest.raises(DXFError) as caught:
            artifacts.pull_files(client, reference, str(tmp_path / 'copy'))
        assert str(caught.value) == f'there are no files in it: no blob has a name; {named}'
    assert not (tmp_path / 'copy').exists()


def test_a_manifest_that_lies_about_a_size_is_refused(open_registry: Endpoint, repo: str, tmp_path: Path) -> None:
    client = open_registry.dxf(repo)
    set_artifact(client, 'a', [{**blob(b'hello', 'hi.txt'), 'size': 4}], [b'hello'])
    with pytest.raises(DXFSizeMismatchError):
        artifacts.pull_files(client, 'a', str(tmp_path / 'copy'))
    assert not (tmp_path / 'copy').exists()


def test_a_schema_1_manifest_has_no_files(schema1_registry: Endpoint, repo: str, tmp_path: Path) -> None:
    client = DXF(schema1_registry.host, repo, insecure=True, schema='v1')
    client.set_alias('a', client.push_blob(data=b'hello'))
    with pytest.raises(DXFUnsupportedSchemaType):
        artifacts.pull_files(client, 'a', str(tmp_path))
    with pytest.raises(DXFUnsupportedSchemaType):
        artifacts.attach(client, 'a', [], artifact_type='a/b')


def test_of_several_platforms_one_is_chosen(tmp_path: Path) -> None:
    write_index(tmp_path / 'layout', [('linux/amd64', [b'a']), ('linux/arm64', [b'b'])])
    client = DXF(f'oci:{tmp_path / "layout"}', '')
    with pytest.raises(DXFError, match='DXF_PLATFORM to one of linux/amd64, linux/arm64'):
        artifacts.pull_files(client, 'latest', str(tmp_path))
    with pytest.raises(DXFError, match='no blob has a name'):
        artifacts.pull_files(client, 'latest', str(tmp_path), platform='linux/amd64')


# What is attached


@pytest.mark.usefixtures('work')
def test_what_is_attached_is_found_and_pulled(endpoint: Endpoint, repo: str, tmp_path: Path,
                                              capfd: pytest.CaptureFixture[str]) -> None:
    subject = run(capfd, endpoint, 'push-files', repo, 'a', 'charts').strip()
    assert run(capfd, endpoint, 'referrers', repo, 'a') == ''
    first = run(capfd, endpoint, 'attach', repo, 'a', 'logger.dat', '--type', 'application/vnd.example.sums').strip()
    second = run(capfd, endpoint, 'attach', repo, subject, 'charts/run', '--type', 'a/b', '--annotation',
                 'by=fred')[:-1]
    text = str(endpoint.dxf(repo).get_manifest(second))
    manifest = json.loads(text)
    described = run(capfd, endpoint, 'get-manifest', repo, 'a')
    assert manifest['subject'] == {'mediaType': MANIFEST, 'digest': subject, 'size': len(described.encode())}
    assert (manifest['artifactType'], manifest['config'], dxf.hash_bytes(text.encode())) == (
        'a/b', EMPTY_DESCRIPTOR, second)
    listed = {f'{first} application/vnd.example.sums', f'{second} a/b'}
    assert set(run(capfd, endpoint, 'referrers', repo, 'a').splitlines()) == listed
    assert set(run(capfd, endpoint, 'referrers', repo, subject).splitlines()) == listed
    assert run(capfd, endpoint, 'referrers', repo, 'a', '--type', 'a/b') == f'{second} a/b\n'
    annotations: Any = artifacts.referrers(endpoint.dxf(repo), 'a', 'a/b')[0]['annotations']
    assert annotations['by'] == 'fred'
    assert run(capfd, endpoint, 'pull-files', repo, second, '--to', str(tmp_path / 'copy')) == 'charts/run\n'
    assert tree(tmp_path / 'copy') == {'charts': None, 'charts/run': SCRIPT.encode()}


def test_what_has_no_files_can_be_attached_for_its_annotations(client: DXF, tmp_path: Path) -> None:
    write_layout(tmp_path, [b'a'])
    client = DXF(f'oci:{tmp_path}', '')
    digest = artifacts.attach(client, 'latest', [], artifact_type='a/b', annotations={'checked': 'yes'})
    manifest = json.loads(str(client.get_manifest(digest)))
    assert manifest['layers'] == [EMPTY_DESCRIPTOR]
    assert [entry['digest'] for entry in client.list_referrers(manifest['subject']['digest'])] == [digest]


@pytest.mark.usefixtures('work')
def test_a_copy_with_referrers_takes_along_what_is_attached(client: DXF, open_registry: Endpoint, repo: str) -> None:
    artifacts.push_files(client, 'a', ['logger.dat'])
    digest = artifacts.attach(client, 'a', ['charts/run'], artifact_type='a/b')
    target = open_registry.dxf(repo)
    dxf.copy(client, target, 'a', referrers=True)
    assert [entry['digest'] for entry in artifacts.referrers(target, 'a')] == [digest]


def test_an_alias_that_is_not_there_is_not_found(client: DXF, folder: Endpoint, work: Path,
                                                 capfd: pytest.CaptureFixture[str]) -> None:
    for args in (['pull-files', client._repo, 'a'], ['referrers', client._repo, 'a'],
                 ['attach', client._repo, 'a', 'logger.dat', '--type', 'a/b']):
        assert doit(args, folder.environ()) == 2
        assert 'Not Found' in capfd.readouterr().err
    assert sorted(os.listdir(work)) == ['charts', 'logger.dat']
    assert not list(Path(folder.registry.storage).glob(f'{client._repo}/blobs/*/*'))


def test_files_that_are_there_are_replaced_only_if_that_is_wanted(client: DXF, work: Path, tmp_path: Path) -> None:
    copy = tmp_path / 'copy'
    (copy / 'charts').mkdir(parents=True)
    (copy / 'charts' / 'run').write_bytes(OLD)
    (copy / 'charts' / 'mine').write_bytes(OLD)
    artifacts.push_files(client, 'a', ['logger.dat', 'charts'])
    with pytest.raises(FileExistsError):
        artifacts.pull_files(client, 'a', str(copy))
    assert tree(copy) == {'charts': None, 'charts/run': OLD, 'charts/mine': OLD}
    artifacts.pull_files(client, 'a', str(copy), overwrite=True)
    assert tree(copy) == {**tree(work), 'charts/mine': OLD}


# What was found by review


def test_where_a_folder_goes_does_not_depend_on_where_one_is(client: DXF, tmp_path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    set_artifact(client, 'a', [blob(ZIPPED, 'data', TAR_GZIP, **UNPACK)], [ZIPPED])
    (tmp_path / 'here').mkdir()
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'here' / 'data').symlink_to(tmp_path / 'elsewhere')
    monkeypatch.chdir(tmp_path / 'here')
    artifacts.pull_files(client, 'a', str(tmp_path / 'copy'))
    assert (tmp_path / 'copy/data/b.txt').read_bytes() == b'b'
    assert not list((tmp_path / 'elsewhere').iterdir())


@pytest.mark.parametrize('title', ['.dxf-files.abc/keep', '.DXF-Files.x', 'a/.dxf-files.x/b',
                                   '/'.join(20 * ['x' * 250])])
def test_a_name_that_is_ours_or_that_no_system_can_open_is_refused(client: DXF, tmp_path: Path, title: str) -> None:
    set_artifact(client, 'a', [blob(b'1', 'one'), blob(b'2', title)], [b'1', b'2'])
    with pytest.raises(DXFInvalidNameError, match='unsafe file name'):
        artifacts.pull_files(client, 'a', str(tmp_path / 'copy'))
    assert not (tmp_path / 'copy').exists()


def test_what_has_no_name_is_told_where_all_was_asked_for(client: DXF, tmp_path: Path) -> None:
    set_artifact(client, 'a', [blob(b'1', 'one'), blob(b'2')], [b'1', b'2'])
    assert artifacts.pull_files(client, 'a', str(tmp_path / 'x'), names=['one']) == (['one'], [])
    assert len(artifacts.pull_files(client, 'a', str(tmp_path / 'y')).skipped) == 1


def test_a_referrer_with_an_odd_type_hides_no_other(client: DXF, folder: Endpoint, repo: str,
                                                    capfd: pytest.CaptureFixture[str]) -> None:
    set_artifact(client, 'a', [blob(b'1', 'one')], [b'1'])
    subject = {'mediaType': MANIFEST, 'digest': client.manifest_digest('a'), 'size': 1}
    for alias, kind in (('b', 'weird type\x1b'), ('c', 'text/x')):
        set_artifact(client, alias, [], [], artifactType=kind, subject=subject)
    kinds = [line.split(' ', 1)[1] for line in run(capfd, folder, 'referrers', repo, 'a').splitlines()]
    assert sorted(kinds) == ['text/x', 'weird type\\x1b']
    kinds = [json.loads(line)['type'] for line in run(capfd, folder, 'referrers', repo, 'a', '--json').splitlines()]
    assert sorted(kinds) == ['text/x', 'weird type\x1b']


@pytest.mark.parametrize('damage', [Path.unlink, lambda path: path.write_bytes(b'{}')])
def test_a_manifest_that_cannot_be_read_may_refer_to_another(client: DXF, folder: Endpoint, repo: str,
                                                             damage: Callable[[Path], object]) -> None:
    set_artifact(client, 'a', [blob(b'1', 'one')], [b'1'])
    subject = {'mediaType': MANIFEST, 'digest': client.manifest_digest('a'), 'size': 1}
    set_artifact(client, 'b', [], [], subject=subject)
    digest = client.manifest_digest('b')
    assert [entry['digest'] for entry in client.list_referrers(client.manifest_digest('a'))] == [digest]
    damage(folder.file_of(repo, digest))
    with pytest.raises(DXFInvalidDocumentError, match='missing or damaged'):
        client.list_referrers(client.manifest_digest('a'))


@pytest.mark.usefixtures('work')
@pytest.mark.parametrize('args', [
    ('pull-files', 'a', '--to', ''), ('push-files', 'b', 'logger.dat', '--type', ''),
    ('attach', 'a', 'logger.dat', '--type', ''), ('push-files', 'b', 'logger.dat', '--annotation', 'k=\udcff'),
    ('push-files', 'b', 'logger.dat', '')])
def test_an_operand_that_is_empty_or_no_text_is_wrong_usage(
        client: DXF, folder: Endpoint, repo: str, args: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    set_artifact(client, 'a', [blob(b'1', 'one')], [b'1'])
    with pytest.raises(SystemExit) as ended:
        doit([args[0], repo, *args[1:]], folder.environ())
    assert ended.value.code == 2
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert client.list_aliases() == ['a'] and client.list_referrers(client.manifest_digest('a')) == []


@pytest.mark.usefixtures('work')
def test_what_was_attached_is_looked_at_and_deleted_by_its_digest(client: DXF, folder: Endpoint, repo: str,
                                                                  capfd: pytest.CaptureFixture[str]) -> None:
    set_artifact(client, 'a', [blob(b'1', 'one')], [b'1'])
    digest = run(capfd, folder, 'attach', repo, 'a', 'logger.dat', '--type', 'text/x').strip()
    lines = run(capfd, folder, 'inspect', repo, digest).splitlines()
    assert lines[-1] == f'blob {dxf.hash_bytes(NEW)} {len(NEW)} logger.dat'
    shown, = json.loads(run(capfd, folder, 'inspect', repo, digest, '--json'))['blobs']
    assert shown['title'] == 'logger.dat'
    assert dxf.hash_bytes(run(capfd, folder, 'get-manifest', repo, digest).encode()) == digest
    run(capfd, folder, 'del-alias', repo, digest)
    assert run(capfd, folder, 'referrers', repo, 'a') == ''
