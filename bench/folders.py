"""Folders: 200 files of text as one archive, between dxf with a registry and ``tar`` with ``gzip``, whole processes."""

import shutil
import sysconfig
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from test.helpers.programs import program
from test.servers.registry import Registry

from bench.contenders import Dxf, optional
from bench.measuring import Contender, Run, alternate, always, run
from bench.pushing import environ_of
from bench.report import Section, at_most, peak_at_most, timed
from bench.workspace import BenchError, Workspace

FILES = 200
SHARE = 5
"""The text is this part of the large blob: 205 MiB by default."""

REPO, ALIAS = 'bench/folder', 'text'
TAR_GZIP, TAR_PIGZ, UNTAR = '``tar | gzip``', '``tar | pigz``', '``tar -xz``'
PUSH, PUSH_ALONE = '``dxf push-files``', '``dxf push-files``, ``DXF_JOBS=1``'
PULL, PULL_ALONE = '``dxf pull-files``', '``dxf pull-files``, ``DXF_JOBS=1``'


def _write_text(folder: Path, size: int) -> Path:
    """Write files of text, pieces of Python's own library, and return their folder."""
    sources = cycle(sorted(Path(sysconfig.get_path('stdlib')).glob('*.py')))
    folder.mkdir()
    for number in range(FILES):
        with (folder / f'{number}.txt').open('wb') as file:
            while file.tell() < size // FILES:
                file.write(next(sources).read_bytes())
            file.truncate(size // FILES)
    return folder


def folders(workspace: Workspace, runs: int, ours: Dxf, _peer: Dxf) -> list[Section]:
    """Push and pull a folder of text."""
    with workspace.room('folders') as room, workspace.room('archives') as knowing, \
            Registry(room) as registry, Registry(knowing) as full:
        text = _write_text(room / 'text', workspace.size // SHARE)
        archive = room / 'archive.tar.gz'
        packed = alternate([*_packers(registry, text, archive, ours)], runs, workspace)
        run(Contender('the first push', always(ours.command('push-files', REPO, ALIAS, str(text))),
                      environ_of(full)), workspace)
        unpacked = alternate([*_unpackers(full, text, archive, room / 'out', ours)], runs, workspace)
    about = f'{FILES} files of text, {workspace.size // SHARE >> 20} MiB'
    return [
        timed('Push of a folder', f'{about}: compressed, and stored in a registry or in a file.', packed, TAR_GZIP,
              [at_most(packed, PUSH, 0.6, TAR_GZIP), peak_at_most(packed, PUSH, 64),
               peak_at_most(packed, PUSH_ALONE, 40)]),
        timed('Pull of a folder', f'{about}: unpacked, from a registry or from a file. dxf verifies it, and waits '
              'until it is on the disk.', unpacked, UNTAR,
              [at_most(unpacked, PULL, 1.2, UNTAR), peak_at_most(unpacked, PULL, 64),
               peak_at_most(unpacked, PULL_ALONE, 40)])]


def _packers(registry: Registry, text: Path, archive: Path, ours: Dxf) -> Iterator[Contender]:
    """Yield those that compress the folder, each to what is not there yet; the first one writes the archive."""
    data = registry.storage / 'docker'

    def forget(cost: Run) -> float:
        if not any(data.glob('registry/v2/blobs/*/*/*/data')):
            raise BenchError('the registry did not store the folder')
        shutil.rmtree(data)
        return cost.seconds
    tar = [program('tar'), '-C', str(text.parent), '-cf', '-', text.name]
    yield Contender(TAR_GZIP, always(tar, [program('gzip')]), stdout=str(archive))
    pigz = optional('pigz')
    if pigz is not None:
        yield Contender(TAR_PIGZ, always(tar, [pigz]), stdout=str(archive))
    push = always(ours.command('push-files', REPO, ALIAS, str(text)))
    yield Contender(PUSH, push, environ_of(registry), forget)
    yield Contender(PUSH_ALONE, push, {**environ_of(registry), 'DXF_JOBS': '1'}, forget)


def _unpackers(registry: Registry, text: Path, archive: Path, out: Path, ours: Dxf) -> Iterator[Contender]:
    """Yield those that unpack the folder, each with what removes what came out."""
    size = sum(path.stat().st_size for path in text.iterdir())

    def remove(cost: Run) -> float:
        if sum(path.stat().st_size for path in (out / text.name).iterdir()) != size:
            raise BenchError('what was unpacked is not what was packed')
        shutil.rmtree(out / text.name)
        return cost.seconds
    out.mkdir()
    yield Contender(UNTAR, always([program('tar'), '-C', str(out), '-xzf', str(archive)]), after=remove)
    pull = always(ours.command('pull-files', REPO, ALIAS, '--to', str(out)))
    yield Contender(PULL, pull, environ_of(registry), remove)
    yield Contender(PULL_ALONE, pull, {**environ_of(registry), 'DXF_JOBS': '1'}, remove)
