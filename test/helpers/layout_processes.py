"""Processes that use a folder as a registry: many at once, and one that is killed or stopped before each of its steps.

A script, which test_layout_crash runs: the processes are forked from one that has imported dxf, so that hundreds of
them take seconds. What they do are acts, which tell what they have done as soon as they have done it.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import random
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dxf import DXF, DXFBase, hash_bytes, retention
from dxf.exceptions import DXFHTTPError, DXFMountFailed
from dxf.main import doit

NAME = 'org.opencontainers.image.ref.name'
REPO = 'fred/one'
OTHER = 'fred/two'
SECONDS = 60
FIRST, GARBAGE = random.Random(1).randbytes(3000), random.Random(2).randbytes(2000)
LARGE = random.Random(3).randbytes(4 << 20)

CHANGES = ('os.mkdir', 'os.rename', 'os.remove', 'os.rmdir', 'os.link')
CALLS = {'write': (True, True), 'pwrite': (True, False), 'stat': (False, True)}
"""Whether a call changes what is there, and whether it is seen by others or shows what they do."""


Said = tuple[str, ...]
Act = Callable[..., Iterator[Said]]
Result = tuple[int, list[str]]


# What is in a folder, found out without dxf

def layouts(root: Path) -> list[Path]:
    """Return the folders of all repositories that were begun."""
    return sorted(path.parent for path in root.rglob('oci-layout'))


def aliases(root: Path) -> dict[str, list[str]]:
    """Insist that a root reads; return the layers of what is named ``REPOSITORY:ALIAS``."""
    named = {}
    for folder in layouts(root):
        for path in folder.glob('blobs/sha256/*'):
            assert sha256(path.read_bytes()).hexdigest() == path.name, path
        index = read_index(folder)
        for entry in index:
            manifest = json.loads(part(folder, entry))
            for descriptor in (manifest['config'], *manifest['layers']):
                part(folder, descriptor)
            alias = entry.get('annotations', {}).get(NAME, entry['digest'])
            named[f'{folder.relative_to(root)}:{alias}'] = [layer['digest'] for layer in manifest['layers']]
    return named


def read_index(folder: Path) -> list[dict[str, Any]]:
    """Insist that a layout is one, if it was begun; return the descriptors of its index."""
    try:
        index = json.loads((folder / 'index.json').read_bytes())
    except FileNotFoundError:
        return []
    assert json.loads((folder / 'oci-layout').read_bytes()) == {'imageLayoutVersion': '1.0.0'}
    assert index['schemaVersion'] == 2
    found: list[dict[str, Any]] = index['manifests']
    return found


def part(folder: Path, descriptor: dict[str, Any]) -> bytes:
    """Return what a descriptor leads to."""
    found = (folder / 'blobs' / str(descriptor['digest']).replace(':', '/')).read_bytes()
    assert len(found) == descriptor['size']
    return found


def temporaries(root: Path) -> list[Path]:
    """Return the temporary files."""
    return list(root.rglob('.dxf.*'))


def blobs(root: Path) -> list[str]:
    """Return the paths of all blobs."""
    return sorted(str(path.relative_to(root)) for path in root.rglob('blobs/sha256/*'))


def insist_on(root: Path, said: list[Said]) -> dict[str, list[str]]:
    """Insist that a root reads, by itself and by dxf, and that what was told is so; return its aliases."""
    named = aliases(root)
    lasting: dict[str, list[str] | None] = {}
    for what, repo, name, *layers in said:
        if what == 'blob':
            assert (root / repo / 'blobs' / name.replace(':', '/')).exists(), f'{name} was told, and is not there'
        elif what in ('alias', 'gone'):
            lasting[f'{repo}:{name}'] = layers if what == 'alias' else None
    for name, told in lasting.items():
        assert named.get(name) == told, f'{name} is {named.get(name)}, and was told to be {told}'
    for folder in layouts(root):
        list(read(root, str(folder.relative_to(root))))
    return named


# Acts

@contextmanager
def tolerating(*texts: str) -> Iterator[None]:
    """Tolerate that the registry refuses with one of these texts."""
    try:
        yield
    except DXFHTTPError as error:
        if not any(text in str(error) for text in texts):
            raise


def client(root: Path, repo: str = REPO, jobs: int = 1) -> DXF:
    """Return a client of a repository in a folder, which does one thing after the other."""
    return DXF(f'oci:{root}', repo, jobs=jobs)


def push(root: Path, repo: str = REPO, alias: str = 'new') -> Iterator[Said]:
    """Push two blobs, one from a source of unknown size, and name them."""
    with client(root, repo) as dxf:
        first = dxf.push_blob(data=FIRST)
        yield 'blob', repo, first
        second = dxf.push_blob(data=iter([alias.encode(), b'second']))
        yield 'blob', repo, second
        dxf.set_alias(alias, first, second)
        yield 'alias', repo, alias, first, second


def push_nothing(root: Path, repo: str = REPO) -> Iterator[Said]:
    """Push an empty file, and name it."""
    with client(root, repo) as dxf:
        digest = dxf.push_blob('/dev/null')
        yield 'blob', repo, digest
        dxf.set_alias('empty', digest)
        yield 'alias', repo, 'empty', digest


def prepare(root: Path) -> Iterator[Said]:
    """Have an alias."""
    with client(root) as dxf:
        digest = dxf.push_blob(data=FIRST)
        dxf.set_alias('old', digest)
        yield 'alias', REPO, 'old', digest


def litter(root: Path) -> Iterator[Said]:
    """Have an alias, blobs that nothing leads to, and what somebody left who was killed."""
    with client(root) as dxf:
        dxf.set_alias('old', dxf.push_blob(data=GARBAGE))
        yield from prepare(root)
        dxf.push_blob(data=b'more garbage')
    for number in range(2):
        (root / REPO / f'.dxf.{number}').write_bytes(b'torn')


def replace(root: Path) -> Iterator[Said]:
    """Have an alias name something else."""
    with client(root) as dxf:
        digest = dxf.push_blob(data=b'something else')
        dxf.set_alias('old', digest)
        yield 'alias', REPO, 'old', digest


def name_again(root: Path) -> Iterator[Said]:
    """Give another name to what has one, so that both name one manifest; a deletion of that deletes both."""
    with client(root) as dxf:
        dxf.set_alias('twin', hash_bytes(FIRST))
        yield 'named', REPO, 'twin'


def delete(root: Path) -> Iterator[Said]:
    """Delete an alias, if it is there."""
    with client(root) as dxf, tolerating('MANIFEST_UNKNOWN'):
        dxf.del_alias('old')
    yield 'gone', REPO, 'old'


def prune(root: Path) -> Iterator[Said]:
    """Prune: the younger of two aliases stays."""
    with client(root) as dxf:
        times: dict[str, datetime | None] = {
            alias: datetime(2025, 1, 1 + (alias != 'old'), tzinfo=timezone.utc) for alias in dxf.list_aliases()}
        retention.apply(dxf, retention.plan(times, retention.Rules(last=1)))
        assert dxf.list_aliases() == ['twin'] and dxf.get_alias('twin') == [hash_bytes(FIRST)]
    yield 'gone', REPO, 'old'
    yield 'alias', REPO, 'twin', hash_bytes(FIRST)


def mount(root: Path) -> Iterator[Said]:
    """Mount a blob of another repository, and name it."""
    with client(root, OTHER) as dxf:
        digest = dxf.mount_blob(REPO, hash_bytes(FIRST))
        yield 'blob', OTHER, digest
        dxf.set_alias('mounted', digest)
        yield 'alias', OTHER, 'mounted', digest


def mount_copy(root: Path) -> Iterator[Said]:
    """Mount where there are no links."""
    def refuse(*_args: Any) -> None:
        raise PermissionError(1, 'Operation not permitted')
    link = os.link
    setattr(os, 'link', refuse)
    try:
        yield from mount(root)
    finally:
        setattr(os, 'link', link)


def push_elsewhere(root: Path) -> Iterator[Said]:
    """Push to another repository, and have the first."""
    yield from push(root, OTHER)
    yield from push_nothing(root)


def delete_and_collect(root: Path) -> Iterator[Said]:
    """Delete an alias, and all that it led to."""
    yield from delete(root)
    yield from collect(root)


def mount_garbage(root: Path) -> Iterator[Said]:
    """Mount a blob, and name it, unless it is gone."""
    with client(root, OTHER) as dxf:
        try:
            dxf.mount_blob(REPO, hash_bytes(GARBAGE))
        except DXFMountFailed:
            return
        dxf.set_alias('mounted', hash_bytes(GARBAGE))
        yield 'alias', OTHER, 'mounted', hash_bytes(GARBAGE)


def push_garbage(root: Path, alias: str = 'reused', more: bytes = b'') -> Iterator[Said]:
    """Push what is there, or was a moment ago, and name it, unless somebody removes it in between."""
    with client(root) as dxf:
        digests = [dxf.push_blob(data=data) for data in (GARBAGE, more or FIRST)]
        with tolerating('MANIFEST_BLOB_UNKNOWN'):
            dxf.set_alias(alias, *digests)
            yield 'alias', REPO, alias, *digests


def collect(root: Path) -> Iterator[Said]:
    """Collect the garbage, by the command."""
    assert doit(['gc', '--delete', REPO], {'DXF_HOST': f'oci:{root}'}) == 0
    yield 'collected', REPO, ''


def read(root: Path, repo: str = REPO) -> Iterator[Said]:
    """Fetch all that has an alias; an alias that was deleted since may be missing, and its blobs."""
    with client(root, repo) as dxf, tolerating('NAME_UNKNOWN'):
        for name in dxf.list_aliases():
            with tolerating('MANIFEST_UNKNOWN', 'BLOB_UNKNOWN'):
                for digest in dxf.get_alias(name):
                    assert hash_bytes(b''.join(dxf.pull_blob(digest))) == digest
                    yield 'read', repo, digest


def make_folders(root: Path) -> Iterator[Said]:
    """Have folders as they are just before an upload to them is given up."""
    (root / REPO).parent.mkdir(exist_ok=True)
    (root / 'given/up').mkdir(parents=True)
    yield 'made', '', ''


def remove_folders(root: Path) -> Iterator[Said]:
    """Remove them, as who gives up the upload does where nothing else is in them by then."""
    for folder in ('given/up', 'given', 'fred'):
        with suppress(OSError):
            (root / folder).rmdir()
    yield 'removed', '', ''


def list_repos(root: Path) -> Iterator[Said]:
    """List the repositories."""
    with DXFBase(f'oci:{root}') as base:
        yield 'listed', '', ' '.join(base.list_repos())


def give_up(root: Path, repo: str = REPO) -> Iterator[Said]:
    """Begin an upload, and give it up, as for a mount of what is not there."""
    with client(root, repo) as dxf:
        try:
            dxf.mount_blob(OTHER, hash_bytes(b'never pushed'))
        except DXFMountFailed:
            yield 'refused', repo, ''


# Acts of many at once

def push_several(root: Path, repo: str, number: int) -> Iterator[Said]:
    """Push blobs, some of which others push too, and set and delete aliases, one of which others set too."""
    chance = random.Random(number)
    with client(root, repo, 4) as dxf:
        for turn in range(3):
            size = chance.choice((0, 1, 70_000, 2 << 20))
            common = [LARGE[start:start + size] for start in chance.sample(range(4), 2)]
            digests = dxf.push_blobs([*common, f'{number} {turn}'.encode() + LARGE[:size]])
            yield from (('blob', repo, digest) for digest in digests)
            dxf.set_alias(f'own{number}.{turn}', *digests)
            yield 'alias', repo, f'own{number}.{turn}', *digests
            dxf.set_alias('shared', *reversed(digests))
            yield 'shared', repo, 'shared', *reversed(digests)
            if number % 2:
                dxf.set_alias(f'passing{number}', digests[-1])
                yield 'alias', repo, f'passing{number}', digests[-1]
                dxf.del_alias(f'passing{number}')
                yield 'gone', repo, f'passing{number}'


def push_beside_collector(root: Path, number: int) -> Iterator[Said]:
    """Name what is garbage until then."""
    for turn in range(15):
        yield from push_garbage(root, f'own{number}.{turn}', f'{number} {turn}'.encode())


def make_several(root: Path, number: int) -> Iterator[Said]:
    """Make repositories, and list all."""
    for turn in range(8):
        yield from push_nothing(root, f'made{number}/{turn}')
        for said in list_repos(root):
            assert f'made{number}/{turn}' in said[2].split()


def list_for_ever(root: Path) -> Iterator[Said]:
    """List all repositories, again and again."""
    while True:
        yield from list_repos(root)


def push_for_ever(root: Path, run: int) -> Iterator[Said]:
    """Push blobs of some MiB and name them."""
    chance = random.Random(run)
    with client(root) as dxf:
        yield 'begun', REPO, ''
        for turn in count():
            digest = dxf.push_blob(data=f'{run} {turn}'.encode() + LARGE[:chance.randrange(1 << 20, 3 << 20)])
            yield 'blob', REPO, digest
            dxf.set_alias(f'own{run}.{turn}', digest)
            yield 'alias', REPO, f'own{run}.{turn}', digest


def collect_for_ever(root: Path) -> Iterator[Said]:
    """Collect the garbage again and again, from when there is something on; in between others get their turn."""
    chance = random.Random(0)
    while True:
        if (root / REPO / 'index.json').exists():
            yield from collect(root)
        time.sleep(chance.uniform(0, 0.02))
        yield 'waited', REPO, ''


def give_up_for_ever(root: Path) -> Iterator[Said]:
    """Begin repositories that never come to be."""
    for turn in count():
        yield from give_up(root, f'never{turn % 3}/been')


def read_for_ever(root: Path) -> Iterator[Said]:
    """Fetch what has an alias, again and again, and insist that no alias is lost and that its blobs are there."""
    seen: set[str] = set()
    chance = random.Random(0)
    with client(root) as dxf:
        while True:
            names: list[str] = []
            with tolerating('NAME_UNKNOWN'):
                names = [name for name in dxf.list_aliases() if not name.startswith('passing')]
            assert seen <= set(names), f'{seen - set(names)} are lost'
            seen.update(names)
            read_index(root / REPO)
            for name in chance.sample(names, min(2, len(names))):
                for digest in dxf.get_alias(name):
                    assert hash_bytes(b''.join(dxf.pull_blob(digest))) == digest
            yield 'read', REPO, ''


# Processes

class Process:
    """A process that does something, and what it tells.

    :param begin: called in it first
    :param going: asked after each step whether to go on
    """

    def __init__(self, act: Iterator[Said], begin: Callable[[], object] = lambda: None,
                 going: Callable[[], bool] = lambda: True) -> None:
        self._told, to = os.pipe()
        self._lines = b''
        write = os.write

        def tell(*said: str) -> None:
            write(to, json.dumps(said).encode() + b'\n')
        self.pid = os.fork()
        if self.pid:
            os.close(to)
            return
        try:
            begin()
            for said in act:
                tell(*said)
                if not going():
                    break
        except BaseException as error:
            tell(*told_of(error))
        finally:
            os._exit(0)

    def listen(self, seconds: float) -> str | None:
        """Return what it tells next, its end being empty; ``None`` where it tells nothing for some time."""
        if not select.select([self._told], [], [], seconds)[0]:
            return None
        piece = os.read(self._told, 1 << 16)
        self._lines += piece
        return piece.decode()

    def end(self) -> tuple[list[Said], bool]:
        """Wait for its end; return what it told, and whether it was not killed."""
        while self.listen(SECONDS):
            pass
        os.close(self._told)
        return [tuple(json.loads(line)) for line in self._lines.splitlines()], os.waitpid(self.pid, 0)[1] == 0

    def stops(self) -> bool:
        """Wait until it has stopped or ended; say whether it has stopped."""
        found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return found is not None and found.si_code == os.CLD_STOPPED


def done(act: Iterator[Said]) -> list[Said]:
    """Do something in this process, undisturbed; return what it told."""
    return list(act)


def told_of(error: BaseException) -> Said:
    """Return how an error is told."""
    return 'error', type(error).__name__, str(error)


def insist_well(said: list[Said]) -> None:
    """Insist that no error was told."""
    failed = [told for told in said if told[0] == 'error']
    assert not failed, failed


def watch(root: Path, reached: Callable[[], None], for_others: bool) -> None:
    """Have something called in this process before each step that changes a folder.

    :param for_others: instead before each that shows what others do, or is seen by them
    """
    def heard(event: str, args: tuple[Any, ...]) -> None:
        if event == 'open':
            is_step = str(args[0]).startswith(str(root)) and (for_others or args[2] & os.O_CREAT)
        else:
            is_step = event in CHANGES or for_others and event in ('fcntl.flock', 'os.scandir')
        if is_step:
            reached()

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def calling(where: Any, *args: Any, **options: Any) -> Any:
            if CALLS[name][for_others] and (name != 'stat' or str(where).startswith(str(root))):
                reached()
            return call(where, *args, **options)
        return calling
    sys.addaudithook(heard)
    for name in CALLS:
        setattr(os, name, watched(name, getattr(os, name)))


def signalling(number: int, root: Path, signum: signal.Signals, for_others: bool = False
               ) -> Callable[[], None]:
    """Return what has a process send itself a signal before one of its steps."""
    numbers = count(1)

    def reached() -> None:
        if next(numbers) == number:
            os.kill(os.getpid(), signum)
    return lambda: watch(root, reached, for_others)


@contextmanager
def before_waiting(call: Callable[[], object]) -> Iterator[None]:
    """Have something called before this process waits for a lock that another one has."""
    flock = fcntl.flock

    def locking(file: int, flags: int) -> None:
        try:
            flock(file, flags | fcntl.LOCK_NB)
        except BlockingIOError:
            if flags & fcntl.LOCK_NB:
                raise
            call()
            flock(file, flags)
    setattr(fcntl, 'flock', locking)
    try:
        yield
    finally:
        setattr(fcntl, 'flock', flock)


# What the tests run: each returns how much was done, and what was wrong

class Template:
    """A folder, and copies of it, of which there is one at a time.

    :param before: acts that fill it
    """

    def __init__(self, folder: Path, before: list[str]) -> None:
        self._template, self._copy = folder / 'template', folder / 'copy'
        self._template.mkdir()
        for name in before:
            done(ACTS[name](self._template))
        self.aliases = aliases(self._template)

    def copy(self) -> Path:
        """Return a new copy."""
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._template, self._copy)
        return self._copy


def state(root: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Return the aliases, and all blobs, once the garbage is collected."""
    done(collect(root))
    return aliases(root), blobs(root)


def kill_at_each_step(folder: Path, before: list[str], name: str) -> Result:
    """Kill a process before each step of an act, see what is there, and have a second one do the same in full."""
    template = Template(folder, before)
    act = ACTS[name]
    done(act(root := template.copy()))
    wanted = state(root)
    problems: list[str] = []
    for number in count(1):
        said, is_complete = Process(act(root := template.copy()), signalling(number, root, signal.SIGKILL)).end()
        try:
            insist_well(said)
            if is_complete:
                return number - 1, problems
            found = insist_on(root, said)
            for alias in {**template.aliases, **wanted[0]}:
                assert found.get(alias) in (template.aliases.get(alias), wanted[0].get(alias)), f'{alias} has changed'
            done(act(root))
            assert not temporaries(root), temporaries(root)
            assert state(root) == wanted, f'{state(root)} after a second try, and not {wanted}'
        except Exception as error:
            problems.append(f'killed before step {number}: {type(error).__name__}: {error}')
    raise AssertionError('there is always a last step')


def stop_at_each_step(folder: Path, before: list[str], first: list[Any], second: list[Any]) -> Result:
    """Stop a process before each step of an act, and have another one do something in the meantime."""
    template = Template(folder, before)
    problems: list[str] = []
    for number in count(1):
        root = template.copy()
        one = Process(ACTS[first[0]](root, *first[1:]), signalling(number, root, signal.SIGSTOP, True))
        is_stopped = one.stops()
        try:
            with before_waiting(partial(os.kill, one.pid, signal.SIGCONT)):
                said = done(ACTS[second[0]](root, *second[1:]))
        except Exception as error:
            said = [told_of(error)]
        os.kill(one.pid, signal.SIGCONT)
        said = one.end()[0] + said
        try:
            insist_well(said)
            insist_on(root, said)
            assert not temporaries(root), temporaries(root)
        except Exception as error:
            problems.append(f'stopped before step {number}: {type(error).__name__}: {error}')
        if not is_stopped:
            return number - 1, problems
    raise AssertionError('there is always a last step')


def kill_at_any_time(folder: Path, times: int, seed: int) -> Result:
    """Kill a process that pushes for ever, again and again, see what is there, and have another one push."""
    chance = random.Random(seed)
    problems: list[str] = []
    said: list[Said] = []
    for run in range(times):
        process = Process(push_for_ever(folder, run))
        process.listen(SECONDS)
        time.sleep(chance.uniform(0.001, 0.06))
        os.kill(process.pid, signal.SIGKILL)
        said += process.end()[0]
        try:
            insist_well(said)
            insist_on(folder, said)
            done(push(folder))
            assert not temporaries(folder), temporaries(folder)
        except Exception as error:
            problems.append(f'run {run}: {type(error).__name__}: {error}')
    return len(said), problems


def all_at_once(folder: Path, workers: list[list[Any]], loopers: list[list[Any]]) -> list[list[Said]]:
    """Have processes do something at once, and others something for ever until the first have ended.

    :return: what each told
    """
    (start, begin), (stop, end) = os.pipe(), os.pipe()

    def has(pipe: int, seconds: float) -> bool:
        return bool(select.select([pipe], [], [], seconds)[0])
    processes = [Process(ACTS[name](folder, *args), lambda: has(start, SECONDS)) for name, *args in workers]
    others = [Process(ACTS[name](folder, *args), lambda: has(start, SECONDS), lambda: not has(stop, 0))
              for name, *args in loopers]
    os.write(begin, b'.')
    told = [process.end()[0] for process in processes]
    os.write(end, b'.')
    return told + [process.end()[0] for process in others]


ACTS: dict[str, Act] = {act.__name__: act for act in (
    push, push_nothing, push_elsewhere, push_garbage, prepare, litter, replace, name_again, delete,
    prune, delete_and_collect, collect, mount, mount_copy, mount_garbage, read, list_repos, give_up, make_folders,
    remove_folders, push_several, push_beside_collector, make_several,
    collect_for_ever, give_up_for_ever, read_for_ever, list_for_ever)}

RUNS: dict[str, Callable[..., object]] = {run.__name__: run for run in (
    kill_at_each_step, stop_at_each_step, kill_at_any_time, all_at_once)}


def warm_up() -> None:
    """Import here what each process would else import for itself."""
    with TemporaryDirectory() as folder:
        for act in (push, collect, delete, read):
            done(act(Path(folder)))
    gc.freeze()


def main() -> None:
    """Run what each line of the input tells, and answer with a line."""
    with open(os.dup(1), 'w', encoding='ascii') as answers, open(os.devnull, 'wb') as null:
        os.dup2(null.fileno(), 1)  # what commands print does not matter
        # Who is killed, unlike a machine without power, loses nothing that was written.
        setattr(os, 'fsync', lambda file: None)
        warm_up()
        for line in sys.stdin:
            run, folder, *args = json.loads(line)
            print(json.dumps(RUNS[run](Path(folder), *args)), file=answers, flush=True)


if __name__ == '__main__':
    main()
