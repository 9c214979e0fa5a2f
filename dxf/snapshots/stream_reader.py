"""A stream that is put together from the chunks of a snapshot, in its order, in constant memory, and verified.

``chunk_source`` fetches, ``local_chunks`` has what a file of this machine holds. What is handed out last is hashed as a
whole: ``transfer.verification``.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from dxf.artifacts.ordered_tasks import OrderedTasks
from dxf.exceptions import DXFInvalidDocumentError
from dxf.local import atomic_files, special_files
from dxf.snapshots.chunk_source import ChunkSource
from dxf.snapshots.chunk_windows import Part, chunks_in, contents, parts, windows
from dxf.snapshots.entries import Chunk
from dxf.snapshots.index import IndexReader
from dxf.snapshots.local_chunks import LocalChunks
from dxf.transfer import download_to_file
from dxf.transfer.verification import Verifier

if TYPE_CHECKING:
    from dxf.client import DXF

WINDOW = 16 << 20
"""Bytes of the chunks that are fetched together, while those before them are handed out."""


class StreamReader:
    """The stream that a snapshot holds: ``Snapshot.stream`` returns it.

    :param using: the path of a file that may hold some of it; ``None`` for none
    :raises DXFInvalidDocumentError: there is no stream in the snapshot, or something in it cannot be right
    :raises OSError: the file cannot be read
    """

    def __init__(self, repository: 'DXF', index: IndexReader, using: str | None) -> None:
        if not index.is_of_stream:
            raise DXFInvalidDocumentError('the snapshot is one of folders: dxf restore writes them')
        entries = list(index.entries())
        if not entries:
            raise DXFInvalidDocumentError('invalid snapshot: it has no stream')
        self._entry = entries[0]
        self._source = ChunkSource(repository, index.packs)
        self._local = None if using is None else LocalChunks(using, self._entry.chunks)

    @property
    def digest(self) -> str:
        """The digest of the whole stream."""
        return f'sha256:{self._entry.sha256}'

    @property
    def size(self) -> int:
        """The bytes of the whole stream."""
        return self._entry.size

    def read(self, chunk_size: int = 0) -> Generator[bytes, None, None]:
        """Yield the stream, the last bytes when all of it is verified.

        :param chunk_size: bytes of every chunk but the last; 0 for pieces as they come
        :raises DXFDigestMismatchError: it is something else
        :raises DXFInvalidDocumentError: a chunk is damaged
        """
        return Verifier(self.digest, self.size, chunk_size, holds_piece=True).chunks(self.part(0, self.size))

    def part(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``start`` to ``end``. Each chunk is verified before something of it is handed out.

        :raises DXFDigestMismatchError: a chunk is something else
        :raises DXFInvalidDocumentError: a chunk is damaged
        """
        with OrderedTasks[dict[Chunk, bytes]](1) as tasks:
            ahead: list[list[Part]] = []
            for window in windows(parts(self._entry.chunks, 0, start, end), WINDOW):
                tasks.add(partial(self._fetch, window))
                ahead.append(window)
                if len(ahead) > 1:
                    yield from contents(ahead.pop(0), tasks.take())
            for window in ahead:
                yield from contents(window, tasks.take())

    def _fetch(self, window: Sequence[Part]) -> dict[Chunk, bytes]:
        """Return the content of the chunks of a window."""
        wanted = chunks_in(window)
        local = {} if self._local is None else self._local.find(wanted)
        found = {chunk: local[chunk.digest] for chunk in wanted if len(local.get(chunk.digest, b'')) == chunk.size}
        missing = [chunk for chunk in wanted if chunk not in found]
        return found | dict(self._source.fetch(missing, may_be_whole=False))

    def _rest(self, digest: str, size: int, start: int, sha256: Any) -> Iterator[bytes]:
        """Yield what follows the first bytes, whose hash is given."""
        return Verifier(digest, size, 0, start, sha256, holds_piece=True).chunks(self.part(start, size))

    def to_file(self, filename: str, progress: Callable[..., object] = lambda *_: None) -> None:
        """Write the stream into a file, which gets its name when all of it is verified.

        A call continues where an earlier one broke off. Runs of zeros are holes. A pipe or a device is written as the
        stream arrives.

        :param filename: path of the file; one that is there is replaced in the end
        :param progress: called as ``progress(digest, chunk, size)``
        :raises DXFDigestMismatchError: it is something else; nothing of it is left
        :raises OSError: the disk has too little space, or the file cannot be written
        """
        report = download_to_file.Reporter(progress)
        with closing(self.read()) as pieces:
            self._to_file(filename, [(self.digest, pieces, self.size)], report)

    def _to_file(self, filename: str, fetched: list[tuple[str, Iterator[bytes], int]],
                 report: download_to_file.Reporter) -> None:
        special = special_files.open_to_write(filename)
        if special is not None:
            with special:
                download_to_file.write_to_stream(special, filename, fetched, report)
            return
        atomic_files.check_target(filename)
        holes = sum(chunk.size for chunk in self._entry.chunks if chunk.is_zeros)
        download_to_file.write_to_file(filename, [(self.digest, self.size)], lambda done: fetched[done:], self._rest,
                                       report, holes)
