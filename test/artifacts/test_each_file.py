"""``push-files --each``: the files of a folder one by one; patterns that choose among files; pushes that are only
planned.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf import DXF, artifacts
from dxf.artifacts.patterns import Patterns
from dxf.exceptions import DXFInvalidNameError, DXFSourceError
from dxf.transfer.source import HashedFile

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..helpers.traffic import Traffic
from ..servers.counting_proxy import CountingProxy
from .test_artifacts import run, tree

FILES = {'a.csv': b'robin', 'b.csv': b'robin', 'in/c.tmp': b'wren', 'in/deep/d.csv': b'finch', '.git/x': b'git'}


@pytest.fixture(name='work')
def make_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the folder ``data``."""
    for name, content in FILES.items():
        path = tmp_path / 'work' / 'data' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path / 'work')
    return tmp_path / 'work'


@pytest.fixture(name='client')
def make_client(folder: Endpoint, repo: str) -> DXF:
    """A repository in a folder, quick to write to."""
    return folder.dxf(repo)


def names(*operands: str, **options: Any) -> list[str]:
    """Return the names that operands and options select."""
    return [file.name for file in artifacts.select(operands, **options).files]


# Patterns


@pytest.mark.parametrize('pattern, fitting, others', [
    ('*.csv', ['a.csv', 'in/b.csv'], ['a.csv.gz', 'csv', 'A.CSV']),
    ('data', ['data', 'data/a', 'x/data/a'], ['data2', 'mydata/a']),
    ('data/*.csv', ['data/a.csv'], ['data/in/a.csv', 'x/data/a.csv', 'a.csv']),
    ('data/**/*.csv', ['data/a.csv', 'data/in/deep/a.csv'], ['x/data/a.csv', 'data/a.txt']),
    ('**/in', ['in', 'x/in/a', 'x/y/in'], ['x/inn']),
    ('data/**', ['data/a', 'data/in/a'], ['x/data/a']),
    ('in/', ['in/a', 'x/in/a'], ['in', 'x/in']),
    ('./data/a?', ['data/a1'], ['data/a', 'data/a/']),
    ('[ab]*/c', ['a/c', 'bb/c'], ['c/c', 'a/b/c']),
    ('**/**/a', ['a', 'x/y/z/a'], ['b']),
    ('*', ['a', 'x/a', '.hidden'], []),
])
def test_a_pattern_fits_these_names_and_not_those(pattern: str, fitting: list[str], others: list[str]) -> None:
    assert [name for name in fitting if not Patterns([pattern]).is_included(name, False)] == []
    assert [name for name in others if Patterns([pattern]).is_included(name, False)] == []


def test_a_pattern_with_many_stars_takes_no_time() -> None:
    assert not Patterns(['/'.join(['**', 'a'] * 30) + '/b']).is_included('/'.join(['a'] * 60), False)


@pytest.mark.parametrize('pattern', ['', '/', '/data', 'data//a', '../a', 'a/./b', 'data//'])
@pytest.mark.usefixtures('work')
def test_a_pattern_that_no_name_can_fit_is_refused(pattern: str) -> None:
    with pytest.raises(DXFInvalidNameError, match='invalid pattern'):
        names('data', exclude=[pattern])


@pytest.mark.parametrize('options, expected', [
    ({}, ['data/.git/x', 'data/a.csv', 'data/b.csv', 'data/in/c.tmp', 'data/in/deep/d.csv']),
    ({'exclude': ['.git', '*.tmp']}, ['data/a.csv', 'data/b.csv', 'data/in/deep/d.csv']),
    ({'include': ['*.csv']}, ['data/a.csv', 'data/b.csv', 'data/in/deep/d.csv']),
    ({'include': ['data/in', 'a.csv'], 'exclude': ['deep/']}, ['data/a.csv', 'data/in/c.tmp']),
])
@pytest.mark.usefixtures('work')
def test_patterns_choose_among_the_files_of_a_folder(options: dict[str, Any], expected: list[str]) -> None:
    assert names('data', each=True, **options) == expected


def test_a_packed_folder_has_only_the_files_that_were_chosen(client: DXF, work: Path, tmp_path: Path) -> None:
    (work / 'data' / 'empty').mkdir()
    (work / 'data' / 'link').symlink_to('a.csv')
    chosen: dict[str, dict[str, Any]] = {'v1': {'exclude': ['.git', 'link']}, 'v2': {'include': ['deep']}}
    for alias, options in chosen.items():
        artifacts.push_files(client, alias, artifacts.select(['data'], **options).files)
        artifacts.pull_files(client, alias, str(tmp_path / alias))
    assert tree(tmp_path / 'v1' / 'data') == {
        **{name: content for name, content in FILES.items() if '.git' not in name},
        'in': None, 'in/deep': None, 'empty': None}
    assert tree(tmp_path / 'v2') == {'data': None, 'data/in': None, 'data/in/deep': None,
                                     'data/in/deep/d.csv': b'finch'}


@pytest.mark.usefixtures('work')
def test_patterns_that_fit_nothing_are_told(folder: Endpoint, repo: str) -> None:
    runner = Runner(folder.environ())
    ended = runner.run('push-files', repo, 'v1', '--each', 'data', '--exclude', '*.tpm', '--exclude', '.git')
    assert (ended.status, ended.lines) == (0, ["dxf: --exclude: no file fits '*.tpm'"])
    ended = runner.run('push-files', repo, 'v2', '--each', 'data', '--include', '*.csv', '--include', 'a/*.tpm')
    assert (ended.status, len(ended.lines)) == (2, 1) and "no file fits 'a/*.tpm'" in ended.lines[0]
    ended = runner.run('push-files', repo, 'v2', 'data', '--exclude', 'data')
    assert (ended.status, len(ended.lines)) == (2, 1) and 'no file is left to store' in ended.lines[0]
    assert folder.dxf(repo).list_aliases() == ['v1']


# File by file


def test_the_files_of_a_folder_are_stored_one_by_one_and_come_back(endpoint: Endpoint, repo: str, work: Path,
                                                                   tmp_path: Path, capfd: pytest.CaptureFixture[str]
                                                                   ) -> None:
    (work / 'more.txt').write_bytes(b'more')
    printed = json.loads(run(capfd, endpoint, 'push-files', repo, 'v1', '--each', 'data', 'more.txt', '--json'))
    manifest = endpoint.dxf(repo).resolve('v1').text
    assert printed['digest'] == dxf.hash_bytes(manifest.encode())
    assert [(one['name'], one['action']) for one in printed['files']] == [
        ('data/.git/x', 'send'), ('data/a.csv', 'send'), ('data/b.csv', 'skip'), ('data/in/c.tmp', 'send'),
        ('data/in/deep/d.csv', 'send'), ('more.txt', 'send')]
    assert [(one['digest'], one['size']) for one in printed['files']] == [
        (layer['digest'], layer['size']) for layer in json.loads(manifest)['layers']]
    run(capfd, endpoint, 'pull-files', repo, 'v1', '--to', str(tmp_path / 'copy'), '--delete')
    assert tree(tmp_path / 'copy') == tree(work)
    (work / 'data' / 'a.csv').write_bytes(b'changed')
    plan = run(capfd, endpoint, 'push-files', repo, 'v2', '--each', 'data', '--dry-run').splitlines()
    assert plan == ['skip data/.git/x 3', 'send data/a.csv 7', 'skip data/b.csv 5', 'skip data/in/c.tmp 4',
                    'skip data/in/deep/d.csv 5', 'total 7']
    assert endpoint.dxf(repo).list_aliases() == ['v1']


def test_files_of_the_folder_itself_are_called_by_their_paths_within_it(work: Path, monkeypatch: pytest.MonkeyPatch
                                                                        ) -> None:
    monkeypatch.chdir(work / 'data' / 'in')
    assert names('.', each=True) == ['c.tmp', 'deep/d.csv']
    assert names(str(work / 'data' / 'in'), each=True) == names('../in', each=True) == ['in/c.tmp', 'in/deep/d.csv']
    assert names('deep/d.csv', each=True) == ['deep/d.csv']


def test_one_changed_file_costs_one_blob(open_registry: Endpoint, repo: str, work: Path) -> None:
    """In 24 files of 200 MB a change of 2 MB may cost 9 MB; this is the same at an eighth of the size."""
    size, count = 1 << 20, 24
    for number in range(count):
        (work / 'data' / f'{number}').write_bytes(os.urandom(size))
    with CountingProxy(open_registry.host) as proxy:
        client = DXF(proxy.host, repo, insecure=True)
        artifacts.push_files(client, 'v1', artifacts.select(['data'], each=True).files)
        assert sum(one.up for one in proxy.connections) > count * size
        with (work / 'data' / '7').open('r+b') as file:
            file.write(os.urandom(size // 4))
        client.close()
        proxy.clear()
        artifacts.push_files(DXF(proxy.host, repo, insecure=True), 'v2', artifacts.select(['data'], each=True).files)
        assert size < sum(one.up for one in proxy.connections) < count * size * 9 // 200


def test_what_cannot_be_kept_is_named(folder: Endpoint, repo: str, work: Path) -> None:
    (work / 'data' / 'a.csv').chmod(0o700)
    for number in range(6):
        (work / 'data' / f'empty{number}').mkdir()
    ended = Runner(folder.environ()).run('push-files', repo, 'v1', '--each', 'data', '--exclude', 'empty0')
    assert (ended.status, ended.lines) == (0, [
        'dxf: lost by --each: data/a.csv is executable; ' + '; '.join(
            f'data/empty{number} is an empty folder' for number in range(1, 5)) + '; and 1 more'])


def test_a_link_is_refused_unless_it_is_excluded(work: Path) -> None:
    (work / 'data' / 'in' / 'link').symlink_to('/etc/passwd')
    with pytest.raises(DXFSourceError, match='data/in/link: a symbolic link cannot be stored; --exclude leaves it out'):
        names('data', each=True)
    assert 'data/in/link' not in names('data', each=True, exclude=['link'])
    with pytest.raises(DXFInvalidNameError, match='it is there twice'):
        names('data', 'data/a.csv', each=True, exclude=['link'])


@pytest.mark.parametrize('is_each', [True, False])
@pytest.mark.usefixtures('work')
def test_a_planned_push_only_asks(endpoint: Endpoint, repo: str, traffic: Traffic, is_each: bool) -> None:
    client = endpoint.dxf(repo)
    chosen = artifacts.select(['data'], each=is_each).files
    plan = artifacts.plan_push(client, 'v1', chosen)
    assert {one.method for one in traffic.requests if '/v2/' in one.path} <= {'GET', 'HEAD'}
    done: list[artifacts.FileAction] = []
    artifacts.push_files(client, 'v1', chosen, on_file=done.append)
    assert done == plan
    assert {one.action for one in artifacts.plan_push(endpoint.dxf(repo), 'v1', chosen)} == {'skip'}


# The archive of a folder


class Reads(io.FileIO):
    """A file that counts the bytes that are read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes."""
        piece = super().read(size) or b''
        self.count += len(piece)
        return piece


def test_an_archive_is_hashed_while_it_is_written_and_again_only_while_it_is_sent(client: DXF, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / 'archive').write_bytes(content)
    with Reads(tmp_path / 'archive') as file:
        sources: list[Any] = [HashedFile('archive', file, len(content), dxf.hash_bytes(content))]
        assert client.push_blobs(sources) == [dxf.hash_bytes(content)]
        assert len(content) <= file.count < len(content) + 10
        sources = [HashedFile('archive', file, len(content), dxf.hash_bytes(b'other'))]
        with pytest.raises(DXFSourceError, match='archive changed while it was being uploaded'):
            client.push_blobs(sources)
    assert client.stored_size(dxf.hash_bytes(b'other')) is None
