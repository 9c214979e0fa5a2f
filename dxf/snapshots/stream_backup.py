"""Streams that are stored as a snapshot: a file, a pipe, the output of a program. Only what is new of them is sent.

``stream_cutter`` cuts a stream, ``snapshot_writer`` stores what is new, ``stream_reader`` puts it together again.
"""

import os
import stat
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from io import FileIO
from typing import TYPE_CHECKING, Any

from dxf.data import Data
from dxf.exceptions import DXFInvalidDocumentError, DXFSourceError
from dxf.names import check_alias
from dxf.parameters import checked
from dxf.snapshots.attribute_setter import Notice
from dxf.snapshots.blob_sender import BlobSender
from dxf.snapshots.chunk_store import append
from dxf.snapshots.entries import BILLION, FILE, Chunk, Entry
from dxf.snapshots.index import FROM_STREAM, IndexReader
from dxf.snapshots.last_snapshot import ignore, last_of, set_alias, with_last
from dxf.snapshots.open_files import is_unchanged, wait_until_settled
from dxf.snapshots.snapshot import Snapshot, Totals
from dxf.snapshots.snapshot_writer import SnapshotWriter
from dxf.snapshots.stream_cutter import cut_stream
from dxf.transfer.background_hash import BackgroundHash
from dxf.transfer.source import Source, open_source

if TYPE_CHECKING:
    from dxf.client import DXF

MODE = 0o644
"""The permissions of a stream: the format asks for some."""


@checked
def backup_stream(repository: 'DXF', stream: os.PathLike[str] | Data, alias: str, *,
                  parent: str | None = None, created: int | None = None, notice: Notice = ignore,
                  progress: Callable[..., object] = ignore) -> Snapshot:
    """Store a stream as a snapshot, and give it an alias. Only what the last snapshot does not have is sent.

    A pack is sent while the next one fills; no more than two packs are kept, in temporary files.

    :param stream: the path of a file, bytes, an open binary file, or an iterable of bytes
    :param parent: the last snapshot, an alias or the digest of a manifest; ``None`` for what ``alias`` names now, if
        that is a snapshot of a stream
    :param created: seconds since 1970, for the annotation that says when; ``None`` for now
    :param notice: called with a line if the last snapshot cannot be used, or the alias names something else
    :param progress: called as ``progress(digest, chunk, size)`` for what is sent
    :return: the snapshot; it is stored, and its ``totals.sha256`` is the hash of the whole stream
    :raises DXFSourceError: the stream could not be read; the alias is as it was
    :raises DXFInvalidDocumentError: ``parent`` is no snapshot of a stream, or is damaged
    """
    check_alias(alias)
    with closing(_opened(stream)) as source:
        backup = _StreamBackup(repository, source, parent, notice, progress)
        return with_last(repository, alias, parent, notice, lambda last: backup.run(last, alias, created))


@checked
def plan_stream(repository: 'DXF', stream: os.PathLike[str] | Data, alias: str, *,
                parent: str | None = None, notice: Notice = ignore) -> Totals:
    """Return what :func:`backup_stream` would find and send; nothing is sent, and the stream is read.

    The parameters, and the errors, are those of :func:`backup_stream`.
    """
    check_alias(alias)
    with closing(_opened(stream)) as source:
        last = last_of(repository, alias, parent, notice)
        return _StreamBackup(repository, source, parent, notice, None).store(last, None)[1]


def _opened(stream: Any) -> Source:
    """Return the source that a caller gave."""
    return open_source(stream, None) if isinstance(stream, (str, os.PathLike)) else open_source(None, stream)


class _StreamBackup:
    """One backup of a stream on its way.

    :param parent: what the caller wants as the last snapshot
    :param progress: called for what is sent; ``None`` to send nothing
    """

    def __init__(self, repository: 'DXF', source: Source, parent: str | None, notice: Notice,
                 progress: Callable[..., object] | None) -> None:
        self._repository = repository
        self._source = source
        self._parent = parent
        self._notice = notice
        self._progress = progress
        self._is_read = False

    def run(self, last: Snapshot | None, alias: str, created: int | None) -> Snapshot:
        """Store the snapshot, and set the alias."""
        text, totals = self.store(last, created)
        return set_alias(self._repository, alias, text, last, totals)

    def store(self, last: Snapshot | None, created: int | None) -> tuple[str, Totals]:
        """Store packs and index; return the text of the manifest, and what was found and sent."""
        with ExitStack() as opened:
            index = None if last is None else self._checked(opened.enter_context(last.opened()))
            former = None if index is None else next(index.entries(), None)
            blobs = BlobSender(self._repository, self._progress)
            total = max(self._source.size or 0, former.size if former is not None else 0)
            writer = opened.enter_context(SnapshotWriter(blobs, index, total, FROM_STREAM))
            entry = self._read(writer, former, created)
            writer.add(entry)
            totals = Totals(1, entry.size, 1, sha256=entry.sha256)
            parent = None if last is None or index is None else last.digest
            return writer.finish(totals, created, parent, self._repository.options.limits.manifest)

    def _checked(self, index: IndexReader) -> IndexReader | None:
        """Return the index of the last snapshot; ``None`` if that has folders, and was not asked for.

        :raises DXFInvalidDocumentError: it has folders, and was asked for
        """
        if index.is_of_stream:
            return index
        if self._parent is not None:
            raise DXFInvalidDocumentError(f'{self._parent} is a snapshot of folders: dxf backup continues it')
        self._notice('the last snapshot is not used: it is one of folders, and the new one is of a stream')
        return None

    def _read(self, writer: SnapshotWriter, former: Entry | None, created: int | None) -> Entry:
        """Store the chunks of the stream; return its entry.

        :param former: that of the last snapshot: an equal stream keeps its time, and so the index is equal, too
        """
        if self._is_read and self._source.size is None:
            raise DXFSourceError('the last snapshot was deleted meanwhile, and the stream cannot be read again: the '
                                 'alias is as it was; store the stream once more')
        self._is_read = True
        file = self._source.file
        before = None if file is None else wait_until_settled(file)
        chunks: list[Chunk] = []
        size = 0
        with closing(BackgroundHash()) as background:
            for content in cut_stream(self._source.read()):
                background.add(content)
                append(chunks, writer.chunks.store(content))
                size += len(content)
            sha256 = background.result().hexdigest()
        self._source.check()
        if file is not None and before is not None:
            self._check_unchanged(file, before, sha256)
        mtime = int(time.time() if created is None else created) * BILLION
        if former is not None and (former.size, former.sha256) == (size, sha256):
            mtime = former.mtime
        return Entry(b'', FILE, MODE, mtime, size, sha256, tuple(chunks))

    def _check_unchanged(self, file: FileIO, before: os.stat_result, sha256: str) -> None:
        """Check that a file did not change while it was read: what was read could be a mixture of old and new bytes.

        One of which only the status has changed, as by a new name, is read again.

        :param before: its status before it was read
        :param sha256: of what was read
        :raises DXFSourceError: it did
        """
        if stat.S_ISREG(before.st_mode) and not is_unchanged(file, before) and \
                (os.fstat(file.fileno()).st_mtime_ns != before.st_mtime_ns or
                 self._source.digest() != f'sha256:{sha256}'):
            raise self._source.changed()
