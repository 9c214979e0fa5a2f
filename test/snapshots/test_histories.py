"""Histories: random trees and streams, edits, kills, faults and deletions; an alias restores what it named."""

import contextlib
import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dxf import DXF, snapshots
from dxf.snapshots.last_snapshot import ignore, last_of
from dxf.exceptions import DXFError, DXFNotFoundError
from dxf.layout.garbage import collect
from dxf.layout.store import Layout

from ..helpers.edits import Editor, edited
from ..helpers.endpoints import Endpoint
from ..helpers.killed_processes import CRASHED, KILLED, Killing, Run, started
from ..helpers.trees import described
from ..servers.fault_proxy import Fault, FaultProxy

HISTORIES = int(os.environ.get('DXF_TEST_HISTORIES', '4'))
"""Random histories, as many in folders as on a registry behind the fault proxy.

They are the same at each run: to find what is new, run more of them.
"""

STEPS = 8
TREES, STREAMS = ['nightly', 'weekly', 'other'], ['image', 'dump']
SMALL = {'dxf.snapshots.pack_writer.MIN_PACK': 60_000, 'dxf.snapshots.pack_writer.MOST_KEPT': 4,
         'dxf.snapshots.pack_writer.LEFT_KEPT': 2}
"""With these, packs are full, and written anew, in small trees too."""

STARTS = [b'POST ', b'PUT ', b'PATCH ', b'HEAD ', b'GET ', b'PUT /v2/fred/']

Tree = dict[bytes, tuple[Any, ...]]
Content = Tree | str
"""What a snapshot holds: a described tree, or the hash of a stream."""


class Place(NamedTuple):
    """Where a history happens.

    :param client: reaches it without faults
    :param environ: the variables of commands
    :param killing: runs these
    :param proxy: stands before a registry, and has the commands meet faults
    """

    client: DXF
    environ: dict[str, str]
    killing: Killing
    proxy: FaultProxy | None = None


class History:
    """A history: what is stored, and what it must restore.

    :param root: an empty folder of its own
    """

    def __init__(self, place: Place, root: Path, seed: int) -> None:
        self._place = place
        self._client = place.client
        self._root = root
        self._chance = random.Random(seed)
        self._tree, self._stream = root / 'tree', root / 'stream'
        self._tree.mkdir()
        self._editor = Editor(self._tree, self._chance)
        self._stream.write_bytes(self._chance.randbytes(200_000))
        self._constants = self._chance.choice([{}, SMALL])
        self._named: dict[str, str] = {}
        self._contents: dict[str, Content] = {}
        self._numbers = count()

    def happen(self) -> None:
        """Store, restore and delete at random."""
        steps: list[Callable[[], None]] = [self._back_up] * 3 + [self._back_up_stream] * 2 + [
            self._restore, self._pull, self._delete, self._prune, self._back_up_while_the_last_is_deleted]
        for _ in range(STEPS):
            self._chance.choice(steps)()
        self._check_all()

    def _run(self, *args: str, may_fail: bool = True) -> int:
        """Run a command, which may be killed or meet faults; return its exit status."""
        proxy, chance = self._place.proxy, self._chance
        run = Run([*args], self._place.environ, constants=self._constants)
        if may_fail and chance.random() < 0.4:
            run = run._replace(number=chance.randrange(1, 9), when=chance.choice(['before', 'after']))
        if proxy is not None:
            faults = [self._fault() for _ in range(chance.randrange(5))] if may_fail else []
            first = proxy.connections + 1
            proxy.plan = lambda number: faults[number - first] if number - first < len(faults) else Fault()
        status = self._place.killing.run(run)
        assert status != CRASHED
        return status

    def _fault(self) -> Fault:
        chance = self._chance
        size = chance.choice([0, chance.randrange(1500), chance.randrange(100_000)])
        return chance.choice([Fault(), Fault(up=size), Fault(down=size), Fault(lost=chance.choice(STARTS)),
                              Fault(refused=chance.choice(STARTS))])

    # Backups

    def _back_up(self) -> None:
        self._edit()
        alias, parent = self._chance.choice(TREES), self._chance.choice([*TREES, None, None])
        options = ['--parent', parent] if parent in self._named else []
        options += self._chance.choice([[], [], ['--read-all']])
        self._store(alias, described(self._tree), 'backup', self._client.repo, str(self._tree), f'@{alias}', *options)

    def _back_up_stream(self) -> None:
        content = edited(self._stream.read_bytes(), self._chance, self._tree)
        self._stream.write_bytes(content)
        alias = self._chance.choice(STREAMS)
        self._store(alias, hashlib.sha256(content).hexdigest(), 'push-blob', '--delta', self._client.repo,
                    str(self._stream), f'@{alias}')

    def _edit(self) -> None:
        for _ in range(12):
            self._editor.edit()

    def _store(self, alias: str, content: Content, *args: str) -> None:
        """Run a backup: the alias then names its source; or, unless that ended with 0, what it named before."""
        status = self._run(*args)
        assert status in (0, 1, KILLED)
        self._check_stored(alias, content, status == 0)

    def _check_stored(self, alias: str, content: Content, is_stored: bool) -> None:
        digest = self._client.current_digest(alias)
        if digest is None or digest == self._named.get(alias):
            assert digest is not None or alias not in self._named
            assert not is_stored or digest is not None and self._contents[digest] == content
            return
        self._named[alias] = digest
        assert self._contents.setdefault(digest, content) == content
        self._check(alias)

    def _back_up_while_the_last_is_deleted(self) -> None:
        """Store the tree in this process, and delete the last snapshot before one of its requests."""
        self._edit()
        alias, number = self._chance.choice(TREES), self._chance.randrange(1, 9)
        request, requests = self._client._base_request, count(1)

        def delete_and_request(*args: Any, **kwargs: Any) -> Any:
            if next(requests) == number and self._named:
                self._remove(self._chance.choice([alias, *self._named]))
            return request(*args, **kwargs)
        is_stored = False
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(DXFError):
            for name, value in self._constants.items():
                patch.setattr(name, value)
            patch.setattr(self._client, '_base_request', delete_and_request)
            snapshots.backup(self._client, [str(self._tree)], alias)
            is_stored = True
        self._check_stored(alias, described(self._tree), is_stored)
        self._check_all()

    # Restores

    def _restore(self) -> None:
        """Restore a snapshot over another one; if that is killed, it goes on."""
        if alias := self._choose(TREES):
            target, content = self._root / 'restored', self._contents[self._named[alias]]
            assert isinstance(content, dict)
            if all(entry[0] != 'file' for entry in content.values()):  # --delete refuses what has no files
                shutil.rmtree(target, ignore_errors=True)
            before = described(target) if target.exists() else {}
            options = ['--overwrite', '--delete'] if before else []
            args = ('restore', self._client.repo, f'@{alias}', '--to', str(target), *options)
            if self._run(*args) != 0:
                self._check_whole(target, before, content)
                assert self._run(*args, may_fail=False) == 0
            assert described(target) == content

    def _check_whole(self, target: Path, before: Tree, content: Tree) -> None:
        """Check that each file is what it was or what it is to be."""
        for path, entry in described(target).items() if target.exists() else ():
            if entry[0] == 'file' and not path.lower().startswith(b'.dxf'):
                assert entry[3] in [there[path][3:4] == entry[3:4] and entry[3] for there in (before, content)
                                    if path in there], path

    def _pull(self) -> None:
        """Pull a stream into a file; if that is killed, it goes on."""
        if alias := self._choose(STREAMS):
            target = self._root / 'pulled'
            using = ['--using', str(self._stream)] if self._chance.random() < 0.5 else []
            args = ('pull-blob', self._client.repo, f'@{alias}', '-o', str(target), *using)
            before = target.read_bytes() if target.exists() else None
            if self._run(*args) != 0:
                after = target.read_bytes() if target.exists() else None
                assert after == before or self._is_stream(target, alias)
                assert self._run(*args, may_fail=False) == 0
            assert self._is_stream(target, alias)

    def _is_stream(self, path: Path, alias: str) -> bool:
        return hashlib.sha256(path.read_bytes()).hexdigest() == self._contents[self._named[alias]]

    def _choose(self, aliases: list[str]) -> str | None:
        found = [alias for alias in aliases if alias in self._named]
        return self._chance.choice(found) if found else None

    # Deletions

    def _delete(self) -> None:
        """Delete a snapshot by the command; if that is killed, once more; then all blobs that only it needed."""
        if alias := self._choose([*TREES, *STREAMS]):
            if self._run('del-alias', self._client.repo, alias) != 0:
                self._run('del-alias', self._client.repo, alias, may_fail=False)
            self._remove(alias)
            if self._place.proxy is None and self._run('gc', self._client.repo, '--delete') != 0:
                assert self._run('gc', self._client.repo, '--delete', may_fail=False) == 0
            self._check_all()

    def _prune(self) -> None:
        """Delete all but some snapshots by the command, which keeps at least one."""
        self._run('prune', self._client.repo, '--keep-last', '2', '--delete')
        left = self._aliases()
        assert left or not self._named
        for alias in self._named.keys() - left:
            self._remove(alias)
        self._check_all()

    def _remove(self, alias: str) -> None:
        """Delete a snapshot, and all blobs that no other one needs."""
        client = self._client
        gone = last_of(client, alias, None, ignore)
        self._named.pop(alias, None)
        if gone is not None:
            client.del_alias(alias)
        if self._place.proxy is None:
            collect(Layout(client.host.removeprefix('oci:'), client.repo), True)
        elif gone is not None:  # what the registry's own collection of garbage does
            kept = {digest for other in self._aliases() for digest in client.get_alias(other)}
            for digest in {blob.digest for blob in (gone.index, *gone.packs)} - kept:
                client.del_blob(digest)

    # Checks

    def _aliases(self) -> set[str]:
        try:
            return set(self._client.list_aliases())
        except DXFNotFoundError:  # nothing was stored yet
            return set()

    def _check_all(self) -> None:
        assert self._aliases() == set(self._named)
        for alias, digest in self._named.items():
            assert self._client.current_digest(alias) == digest
            self._check(alias)

    def _check(self, alias: str) -> None:
        """Check that an alias restores what it named."""
        snapshot, content = snapshots.load(self._client, alias), self._contents[self._named[alias]]
        if isinstance(content, str):
            assert hashlib.sha256(b''.join(snapshot.stream().read())).hexdigest() == content
            return
        target = self._root / f'checked{next(self._numbers)}'
        snapshot.restore(str(target))
        assert described(target) == content
        shutil.rmtree(target)


@pytest.fixture(name='killing', scope='module')
def start_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    """What runs commands that are killed."""
    with started(tmp_path_factory.mktemp('home')) as killing:
        yield killing


@pytest.fixture(name='proxy', scope='module')
def start_proxy(open_registry: Endpoint) -> Iterator[FaultProxy]:
    """The proxy in front of a registry."""
    with FaultProxy(open_registry.host) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def write_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: no machine without power is tested here."""
    monkeypatch.setattr(os, 'fsync', lambda file: None)


@pytest.mark.parametrize('seed', range(HISTORIES))
def test_each_snapshot_of_a_random_history_restores_its_source(killing: Killing, tmp_path: Path, seed: int) -> None:
    environ = {'DXF_HOST': f'oci:{tmp_path}/registry'}
    History(Place(DXF(environ['DXF_HOST'], 'fred/backup'), environ, killing), tmp_path, seed).happen()


@pytest.mark.parametrize('seed', range(HISTORIES))
def test_a_history_on_a_registry_behind_faults_restores_its_sources(
        killing: Killing, proxy: FaultProxy, open_registry: Endpoint, repo: str, tmp_path: Path, seed: int) -> None:
    environ = {'DXF_HOST': proxy.host, 'DXF_INSECURE': '1', 'DXF_RETRIES': '2'}
    with open_registry.dxf(repo) as client:
        History(Place(client, environ, killing, proxy), tmp_path, seed).happen()
