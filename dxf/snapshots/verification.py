"""Verification: whether folders of this machine hold what a snapshot does, and the registry has all of its packs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from dxf.arguments import several
from dxf.parameters import checked
from dxf.snapshots import differences
from dxf.snapshots.chunk_order import in_order
from dxf.snapshots.chunk_source import DAMAGE, ChunkSource
from dxf.snapshots.differences import Change
from dxf.snapshots.entries import Chunk
from dxf.snapshots.snapshot import Snapshot, load
from dxf.transfer.parallel import each_once

if TYPE_CHECKING:
    from dxf.client import DXF


@checked
def verify(repository: 'DXF', reference: str, folders: Sequence[str] = (), *, read_packs: bool = False,
           progress: Callable[..., object] = lambda *_: None) -> list[str]:
    """Return in what folders differ from a snapshot, and what the registry does not have of it: a sentence each.

    The index is fetched and checked. The registry is asked for each pack and its size; what a pack holds is known only
    with ``read_packs``: each pack is fetched once, and each chunk is verified. Memory is bounded.

    :param reference: an alias, or the digest of a manifest
    :param folders: those that were stored; empty to look at the registry alone
    :param progress: called as ``progress(digest, chunk, size)`` for what was verified, with the digest and the size of
        the pack
    :raises DXFHTTPError: the registry refused; 404 where there is no such alias
    :raises DXFInvalidDocumentError: it is no snapshot, or its index cannot be right
    :raises DXFSourceError: something is no folder
    :raises OSError: a file cannot be read
    """
    given = several(folders, 'verify', 'repository, reference, ')
    snapshot = load(repository, reference)
    if given:
        found = [_sentence(change) for change in differences.from_folders(snapshot, given)]
    else:
        found = []
        for _ in snapshot.entries():
            pass
    return [*found, *(_damaged(snapshot, progress) if read_packs else _missing(snapshot))]


def _sentence(change: Change) -> str:
    what = 'differs' if None not in (change.old, change.new) else \
        'is not in the snapshot' if change.old is None else 'is only in the snapshot'
    return f'{change.name} {what}'


def _missing(snapshot: Snapshot) -> Iterator[str]:
    """Yield what is wrong with the packs, as far as the registry tells without sending them."""
    repository = snapshot.repository
    stored = each_once(repository.stored_size, [pack.digest for pack in snapshot.packs], repository.options.jobs)
    for pack in snapshot.packs:
        if stored[pack.digest] != pack.size:
            yield f'{pack.digest} is missing in the repository, or does not have {pack.size} bytes'


def _damaged(snapshot: Snapshot, progress: Callable[..., object]) -> Iterator[str]:
    """Fetch each pack once, and yield what is wrong with it."""
    with snapshot.opened() as index:
        packs = index.packs
        source = ChunkSource(snapshot.repository, packs)
        left = set(range(len(packs)))
        for number, chunks in groupby(in_order(index.chunks()), key=lambda chunk: chunk.pack):
            left.remove(number)
            yield from _damage(source, number, packs[number], chunks, progress)
        for number in sorted(left):  # no file needs them
            yield from _damage(source, number, packs[number], (), progress)


def _damage(source: ChunkSource, number: int, pack: tuple[str, int], chunks: Iterable[Chunk],
            progress: Callable[..., object]) -> Iterator[str]:
    try:
        for content in source.whole(number, chunks):
            progress(pack[0], content, pack[1])
    except DAMAGE as error:
        yield f'{pack[0]}: {error}'
