"""Folders as registries, used by many processes at once, some of which are killed: what was told to be there stays,
all of it reads, and nothing else is left.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, hash_bytes

from ..helpers.layout_processes import OTHER, REPO, Said, aliases, insist_on, insist_well, temporaries
from ..helpers.processes import Runner, end, files
from ..helpers.programs import skopeo

SCRIPT = Path(__file__).parents[1] / 'helpers' / 'layout_processes.py'
NEEDED = ('COV', 'LD_', 'PATH', 'PY', 'TMP')
"""How the variables begin that Python wants; requests looks through all that there are, at each request."""


class Nursery:
    """The process from which all others are forked."""

    def __init__(self, process: 'subprocess.Popen[str]') -> None:
        self._process = process

    def begin(self, name: str, folder: Path, *args: Any) -> None:
        """Begin to run something of layout_processes."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, str(folder), *args]) + '\n')
        self._process.stdin.flush()

    def found(self) -> Any:
        """Return what came of it."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def run(self, name: str, folder: Path, *args: Any) -> Any:
        """Run something of layout_processes, and return what came of it."""
        self.begin(name, folder, *args)
        return self.found()

    def told(self) -> list[Said]:
        """Return what processes told that were begun all at once, and insist that none told of an error."""
        said = [tuple(told) for process in self.found() for told in process]
        insist_well(said)
        return said


@pytest.fixture(name='nursery', scope='module')
def start_nursery() -> Iterator[Nursery]:
    """The process from which all others are forked."""
    environ = {name: value for name, value in os.environ.items() if name.startswith(NEEDED)}
    with subprocess.Popen([sys.executable, SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=environ) as process:
        try:
            yield Nursery(process)
        finally:
            process.kill()


# Killed

@pytest.mark.parametrize('before, act, least', [
    pytest.param([], 'push', 20, id='the first push'),
    pytest.param(['prepare'], 'push_nothing', 8, id='an empty blob'),
    pytest.param(['prepare'], 'push', 8, id='a push of what is there in part'),
    pytest.param(['push_elsewhere'], 'push', 12, id='a push of what another repository has'),
    pytest.param(['prepare'], 'replace', 8, id='an alias is replaced'),
    pytest.param(['prepare'], 'delete', 3, id='an alias is deleted'),
    pytest.param(['prepare', 'name_again'], 'delete', 3, id='both aliases of a manifest are deleted'),
    pytest.param(['prepare', 'name_again'], 'prune', 3, id='an alias is pruned'),
    pytest.param(['prepare'], 'mount', 12, id='a mount'),
    pytest.param(['prepare'], 'mount_copy', 12, id='a mount where there are no links'),
    pytest.param(['litter'], 'collect', 3, id='garbage is collected'),
])
def test_a_process_that_is_killed_before_any_of_its_steps_leaves_what_reads_and_can_be_completed(
        nursery: Nursery, tmp_path: Path, before: list[str], act: str, least: int) -> None:
    steps, problems = nursery.run('kill_at_each_step', tmp_path, before, act)
    assert problems == []
    assert steps >= least


def test_pushes_that_are_killed_at_any_time_leave_what_reads(nursery: Nursery, tmp_path: Path) -> None:
    told, problems = nursery.run('kill_at_any_time', tmp_path, 10, 1)
    assert problems == []
    assert told >= 10


# At once

@pytest.mark.parametrize('before, first, second', [
    pytest.param([], ['push_nothing'], ['push'], id='two first pushes'),
    pytest.param([], ['read'], ['push'], id='a read and the first push'),
    pytest.param([], ['give_up'], ['push'], id='a push that fails and the first one'),
    pytest.param(['make_folders'], ['give_up'], ['remove_folders'], id='two pushes that fail'),
    pytest.param(['prepare', 'make_folders'], ['list_repos'], ['remove_folders'], id='a listing and a push that fails'),
    pytest.param(['prepare'], ['delete'], ['push'], id='an alias is deleted and another is set'),
    pytest.param(['prepare'], ['delete'], ['name_again'], id='an alias is deleted and its manifest gets one'),
    pytest.param(['prepare'], ['name_again'], ['delete'], id='a manifest gets another alias and loses one'),
    pytest.param(['prepare'], ['read'], ['replace'], id='a read and an alias is replaced'),
    pytest.param(['prepare'], ['read'], ['delete_and_collect'], id='a read and all of it is deleted'),
    pytest.param(['litter'], ['push_garbage'], ['collect'], id='a push of garbage and its collection'),
    pytest.param(['litter'], ['collect'], ['push_garbage'], id='a collection and a push of garbage'),
    pytest.param(['litter'], ['collect'], ['delete'], id='a collection and an alias is deleted'),
    pytest.param(['push_elsewhere', 'litter'], ['mount_garbage'], ['collect'], id='a mount of garbage and its end'),
])
def test_a_process_may_do_anything_between_any_two_steps_of_another(
        nursery: Nursery, tmp_path: Path, before: list[str], first: list[str], second: list[str]) -> None:
    steps, problems = nursery.run('stop_at_each_step', tmp_path, before, first, second)
    assert problems == []
    assert steps


@pytest.mark.parametrize('repos', [[REPO], [REPO, OTHER]])
def test_processes_that_push_and_name_at_once_lose_nothing(nursery: Nursery, tmp_path: Path, repos: list[str]) -> None:
    root, file = tmp_path / 'root', tmp_path / 'file'
    file.write_bytes(b'file')
    workers = [['push_several', repos[number % len(repos)], number] for number in range(8)]
    nursery.begin('all_at_once', root, workers, [['read_for_ever']])
    runner = Runner({'DXF_HOST': f'oci:{root}'})
    with runner.start('push-blob', repos[0], file, '@first') as one, \
            runner.start('push-blob', repos[-1], file, '@second') as other:
        ended = [end(process).insist(0) for process in (one, other)]
    said = nursery.told()
    named = insist_on(root, said)
    wanted = {f'{repo}:{name}' for what, repo, name, *_ in said if what in ('alias', 'shared')}
    gone = {f'{repo}:{name}' for what, repo, name, *_ in said if what == 'gone'}
    assert set(named) == wanted - gone | {f'{repos[0]}:first', f'{repos[-1]}:second'}
    for repo in repos:
        assert ('shared', repo, 'shared', *named[f'{repo}:shared']) in said
    assert {one.out.decode() for one in ended} == {hash_bytes(b'file') + '\n'}
    assert not temporaries(root)
    assert len(json.loads(skopeo('inspect', '--raw', f'oci:{root}/{repos[0]}:own0.2'))['layers']) == 3


def test_garbage_is_collected_beside_pushes_and_no_alias_leads_to_what_is_missing(nursery: Nursery, tmp_path: Path
                                                                                   ) -> None:
    nursery.begin('all_at_once', tmp_path, [['push_beside_collector', number] for number in range(3)],
                  [['collect_for_ever'], ['read_for_ever']])
    said = nursery.told()
    named = insist_on(tmp_path, said)
    assert set(named) == {f'{repo}:{name}' for what, repo, name, *_ in said if what == 'alias'}
    assert named
    assert ('collected', REPO, '') in said
    assert not temporaries(tmp_path)


def test_repositories_that_come_and_go_do_not_disturb_others(nursery: Nursery, tmp_path: Path) -> None:
    nursery.begin('all_at_once', tmp_path, [['make_several', number] for number in range(2)],
                  [['give_up_for_ever'], ['give_up_for_ever'], ['list_for_ever']])
    named = insist_on(tmp_path, nursery.told())
    assert len(named) == 16
    assert {path.relative_to(tmp_path).parts[0] for path in files(tmp_path)} == {'made0', 'made1'}


# Threads

def test_threads_may_share_a_repository(tmp_path: Path) -> None:
    contents = [[f'{thread} {number}'.encode() * (1 + number * 10_000) for number in range(20)] for thread in range(2)]
    with DXF(f'oci:{tmp_path}', REPO, jobs=4) as client, ThreadPoolExecutor(2) as threads:
        pushed = list(threads.map(client.push_blobs, contents))
    assert pushed == [[hash_bytes(content) for content in several] for several in contents]
    assert not temporaries(tmp_path)
    insist_on(tmp_path, [('blob', REPO, digest) for several in pushed for digest in several])


def test_threads_may_set_aliases_at_once(tmp_path: Path) -> None:
    def name(thread: int) -> None:
        with DXF(f'oci:{tmp_path}', REPO) as client:
            digest = client.push_blob(data=str(thread).encode())
            for number in range(10):
                client.set_alias(f'{thread}.{number}', digest)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(name, range(2)))
    assert aliases(tmp_path) == {f'{REPO}:{thread}.{number}': [hash_bytes(str(thread).encode())]
                                 for thread in range(2) for number in range(10)}
    assert not temporaries(tmp_path)
