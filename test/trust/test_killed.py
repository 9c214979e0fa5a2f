"""All that replaces or deletes, killed before and after each of its requests, and in folders between any two steps.

What was to stay stays, what was to be replaced is the old or the new, and to do it once more completes it.
"""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import fsspec
import pytest
from requests.exceptions import HTTPError

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFError

from ..helpers.endpoints import Endpoint, Folder
from ..helpers.killed_processes import KILLED, Killing, Run
from ..helpers.repository_content import push_alias, push_referrer, reachable
from ..servers.scripted_registry import ScriptedRegistry

OLD, NEW, OTHER = b'old', b'new', b'other'
NIGHTS = [f'nightly-2025-11-{day}' for day in range(20, 23)]
State = dict[str, str]
"""By the name of an alias or a file, what is there: ``broken`` for an alias that does not read to its end."""


@dataclass
class Place:
    """Two repositories, of one host, and a folder of files.

    :param files: the folder
    :param when: ``after`` a request, or before a ``step``: commands are killed there. They send one request after the
        other: what there is before a request is what there was after the one before it.
    """

    host: str
    repos: tuple[str, str]
    files: Path
    when: str
    fill: Callable[['Place'], None]
    keep: Callable[[], Callable[[], None]] | None = None
    _restore: Callable[[], None] | None = None
    _clients: dict[str, DXF] = field(default_factory=dict)

    def client(self, number: int = 0) -> DXF:
        """Return a client of one of the repositories."""
        repo = self.repos[number]
        if repo not in self._clients:
            self._clients[repo] = DXF(self.host, repo, insecure=True, limits=Limits(retries=0, settle=0.001))
        return self._clients[repo]

    def reset(self) -> None:
        """Have what there is before the command: what was kept, or all of it made anew."""
        if self._restore is not None:
            self._restore()
            return
        if self.keep is None:
            self.repos = (f'{self.repos[0]}x', f'{self.repos[1]}x')
        shutil.rmtree(self.files, ignore_errors=True)
        self.files.mkdir()
        self.fill(self)
        self._restore = self.keep and self.keep()

    def run(self, killing: Killing, args: tuple[Any, ...], number: int = 0) -> int:
        """Run a command, which may be killed; return its exit status."""
        names = {'host': self.host, 'repo': self.repos[0], 'other': self.repos[1], 'files': self.files}
        environ = {'DXF_HOST': self.host, 'DXF_INSECURE': '1', 'DXF_TO_INSECURE': '1', 'SOURCE_DATE_EPOCH': '1'}
        return killing.run(Run([_filled(arg, names) for arg in args], environ, number, self.when,
                               str(self.files.parent)))

    def state(self) -> State:
        """Return what there is."""
        found = {str(path.relative_to(self.files)): repr(path.read_bytes()) for path in self.files.rglob('*')
                 if path.is_file() and '.dxf' not in str(path)}
        for number in range(2):
            client = self.client(number)
            found |= {f'{number} {alias}': _content(client, alias) for alias in _aliases(client)}
        return found


def _filled(arg: Any, names: dict[str, Any]) -> Any:
    """Return an argument with the names of a place."""
    if isinstance(arg, list):
        return [_filled(one, names) for one in arg]
    return arg.format(**names) if isinstance(arg, str) else arg


def _aliases(client: DXF) -> list[str]:
    try:
        return client.list_aliases()
    except DXFError:  # there is no repository yet
        return []


def _content(client: DXF, alias: str) -> str:
    """Return what an alias names, without the time at which that was made, after all that it leads to was read."""
    try:
        document = json.loads(next(iter(reachable(client, alias).values())))
    except (DXFError, HTTPError):
        return 'broken'
    return repr([document.get('manifests'), document.get('config'), document.get('layers')])


def check(found: State, before: State, wanted: State) -> None:
    """Check that everything is as it was or as it is to be, and that nothing goes before all else is as it is to be."""
    for name in before.keys() | wanted.keys() | found.keys():
        if name in wanted or name not in before:  # what goes may be in the middle of that
            assert found.get(name) in (before.get(name), wanted.get(name)), name
    if any(found.get(name) != content for name, content in wanted.items()):
        assert {name: found.get(name) for name in before.keys() - wanted.keys()}.items() <= before.items()


# What is done

def fill_nights(place: Place) -> None:
    """Have three nights, two of them the same, with signatures of these in both forms."""
    client = place.client()
    for number, night in enumerate(NIGHTS):
        push_alias(client, b'%d' % max(number, 1), alias=night)
    digest = client.manifest_digest(NIGHTS[0])
    push_referrer(client, digest, 'application/x-signature')
    push_alias(client, b'signature', alias=f'{digest.replace(":", "-")}.sig')


def fill_aliases(place: Place) -> None:
    """Have two aliases, a second name of one of them, and garbage."""
    client = place.client()
    client.push_blob(data=b'garbage')
    push_alias(client, OLD, OTHER, alias='old')
    push_alias(client, NEW, OTHER, alias='new')
    push_alias(client, NEW, OTHER, alias='twin')


def fill_both(place: Place) -> None:
    """Have aliases on both sides: some are the same, some have changed, some are only on one side."""
    for number in range(2):
        push_alias(place.client(number), b'same', alias='same')
    push_alias(place.client(0), NEW, alias='changed')
    push_alias(place.client(1), OLD, alias='changed')
    push_alias(place.client(1), b'gone', alias='gone')
    push_alias(place.client(1), b'same', alias='second')  # of the manifest of an alias that stays


def fill_files(place: Place) -> None:
    """Have an alias with files, which a folder has in part, with others."""
    filesystem(place).pipe({f'{place.repos[0]}@files/{name}': content for name, content in (
        ('a', OLD), ('in/b', NEW), ('c', OTHER))})
    (place.files / 'a').write_bytes(OLD)
    (place.files / 'c').write_bytes(b'changed')
    (place.files / 'surplus').write_bytes(b'surplus')


def fill_snapshots(place: Place) -> None:
    """Have a snapshot of a folder in which files have changed since."""
    from dxf import snapshots
    for name in 'abc':
        (place.files / name).write_bytes(name.encode() * 5000)
    snapshots.backup(place.client(), [str(place.files)], 'nightly')
    (place.files / 'b').write_bytes(b'changed')
    (place.files / 'c').unlink()


def filesystem(place: Place) -> Any:
    """Return a filesystem of a place, which does not remember what was there."""
    return fsspec.filesystem('dxf', host=place.host, insecure=True, skip_instance_cache=True)


@dataclass(frozen=True)
class Act:
    """A command, as :class:`Run` has it, and what there is before it.

    :param again: the statuses that it may have after it was killed: 2 where it had deleted already what it names; none
        if it means something else then
    :param others: commands that do the rest then; by default the same
    """

    fill: Callable[[Place], None]
    args: tuple[Any, ...]
    again: tuple[int, ...] = (0,)
    others: tuple[tuple[Any, ...], ...] = ()


ACTS = {
    'prune': Act(fill_nights, ('prune', '{repo}', '--keep-last=1', '--delete')),
    'an alias is deleted': Act(fill_aliases, ('del-alias', '{repo}', 'old'), (0, 2)),
    'one of two aliases of a manifest is deleted': Act(fill_aliases, ('del-alias', '{repo}', 'twin'), (0, 2)),
    'both aliases of a manifest are deleted': Act(fill_aliases, ('del-alias', '{repo}', 'twin', 'new'), (0, 2),
                                                  (('del-alias', '{repo}', 'twin'), ('del-alias', '{repo}', 'new'))),
    'blobs are deleted': Act(fill_aliases, ('del-blob', '{repo}', '@old'), (0, 2),
                             tuple(('del-blob', '{repo}', hash_bytes(blob)) for blob in (OLD, OTHER))),
    'a mirror': Act(fill_both, ('copy', '{repo}', '--all', '--delete', '--to={host}', '--to-repo={other}')),
    'a copy': Act(fill_both, ('copy', '{repo}', 'changed', '--to={host}', '--to-repo={other}')),
    'an alias is set': Act(fill_aliases, ('set-alias', '{repo}', 'old', '@new')),
    'files are pushed': Act(fill_files, ('push-files', '{repo}', 'files', '--each', '{files}')),
    'files are pulled': Act(fill_files, ('pull-files', '{repo}', 'files', '--to={files}', '--overwrite')),
    'a folder becomes an alias': Act(fill_files, ('pull-files', '{repo}', 'files', '--to={files}', '--delete')),
    'a restore': Act(fill_snapshots, ('restore', '{repo}', '@nightly', '--to={files}', '--overwrite')),
    'a file is removed': Act(fill_files, ('fsspec', 'rm', '{repo}@files/a'), (0, 1)),
    'an alias is removed': Act(fill_files, ('fsspec', 'rm', '{repo}@files', True), (0, 1)),
    'an alias is moved': Act(fill_files, ('fsspec', 'mv', '{repo}@files', '{repo}@moved', {'recursive': True}), ()),
    'a file is put over another': Act(fill_files, ('fsspec', 'put', '{files}/c', '{repo}@files/a')),
    'a transaction': Act(fill_files, ('fsspec', 'together', ['put_file', '{files}/c', '{repo}@files/a'],
                                      ['put_file', '{files}/c', '{repo}@second/a'], ['rm_file', '{repo}@files/in/b']),
                         ()),
}
COLLECT = Act(fill_aliases, ('gc', '--delete', '{repo}'))


def kill_everywhere(place: Place, act: Act, killing: Killing) -> int:
    """Kill a command everywhere, and check each time what is there; return at how many requests or steps that was."""
    place.reset()
    before = place.state()
    assert place.run(killing, act.args) == 0
    wanted = place.state()
    assert 'broken' not in [before[name] for name in before]
    for number in count(1):
        place.reset()
        status = place.run(killing, act.args, number)
        found = place.state()
        check(found, before, wanted)
        if status != KILLED:
            assert (status, found) == (0, wanted)
            return number - 1
        if not act.again or found == before and place.when != 'step':  # nothing has happened there
            continue
        for args in act.others or (act.args,):
            assert place.run(killing, args) in act.again, number
        assert _settled(place.state()) == _settled(wanted), number
    raise AssertionError('there is always a last step')


def _settled(state: State) -> State:
    """Return a state without tags of what is attached: of a manifest that is gone, nothing says that it was here."""
    return {name: content for name, content in state.items() if ' sha256-' not in name}


@pytest.fixture(name='repos')
def name_repos(repo: str) -> tuple[str, str]:
    """Two repositories."""
    return f'{repo}-a', f'{repo}-b'


@pytest.mark.parametrize('act', ACTS.values(), ids=ACTS)
def test_what_is_killed_at_any_request_loses_nothing_that_stays(
        server: ScriptedRegistry, act: Act, repos: tuple[str, str], tmp_path: Path, killing: Killing) -> None:
    memory = server.memory

    def keep() -> Callable[[], None]:
        stores, files = deepcopy((memory.tags, memory.manifests, memory.blobs)), tmp_path / 'kept'
        shutil.copytree(tmp_path / 'files', files)

        def restore() -> None:
            memory.tags, memory.manifests, memory.blobs = deepcopy(stores)
            shutil.rmtree(tmp_path / 'files')
            shutil.copytree(files, tmp_path / 'files')
        return restore
    place = Place(server.host, repos, tmp_path / 'files', 'after', act.fill, keep)
    assert kill_everywhere(place, act, killing) > 1


@pytest.mark.parametrize('act', [*ACTS.values(), COLLECT], ids=[*ACTS, 'garbage is collected'])
def test_what_is_killed_before_any_step_in_a_folder_loses_nothing_that_stays(
        act: Act, repos: tuple[str, str], tmp_path: Path, killing: Killing) -> None:
    root = tmp_path / 'root'

    def keep() -> Callable[[], None]:
        shutil.copytree(root, tmp_path / 'kept', symlinks=True)

        def restore() -> None:
            shutil.rmtree(root)
            shutil.copytree(tmp_path / 'kept', root, symlinks=True)
        return restore
    root.mkdir()
    place = Place(Folder(root / 'blobs').host, repos, root / 'files', 'step', act.fill, keep)
    assert kill_everywhere(place, act, killing) > 1


def test_a_prune_that_is_killed_at_any_request_to_docker_s_registry_loses_nothing_that_stays(
        open_registry: Endpoint, repos: tuple[str, str], tmp_path: Path, killing: Killing) -> None:
    act = ACTS['prune']
    assert kill_everywhere(Place(open_registry.host, repos, tmp_path / 'files', 'after', act.fill), act, killing) > 20
