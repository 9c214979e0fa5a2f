"""What a backup writes: packs with what is new, the index, and the manifest that names them.

``backup`` says what is in a folder, ``stream_backup`` what is in a stream. The packs of the last snapshot that are
still mostly in use are named again.
"""

import tempfile
from contextlib import ExitStack, closing

from dxf.manifest.image import Descriptor
from dxf.snapshots.blob_sender import BlobSender
from dxf.snapshots.chunk_store import ChunkStore
from dxf.snapshots.entries import Entry
from dxf.snapshots.index import FROM_STREAM, MAX_PACKS, IndexReader, IndexWriter
from dxf.snapshots.known_chunks import KnownChunks
from dxf.snapshots.pack_writer import PackWriter, pack_size, packs_to_rewrite
from dxf.snapshots.snapshot import INDEX_TYPE, PACK_TYPE, Totals, make_manifest


class SnapshotWriter:
    """Writes one snapshot. Leaving its ``with`` block deletes temporary files.

    :param blobs: stores packs and index
    :param last: the index of the last snapshot, whose packs are used again
    :param total: bytes of the source, as far as they are known
    :param source: ``FROM_FOLDER`` or ``FROM_STREAM``
    :raises DXFInvalidDocumentError: ``last`` cannot be right
    """

    def __init__(self, blobs: BlobSender, last: IndexReader | None, total: int, source: str) -> None:
        self._blobs = blobs
        self._old = [] if last is None else last.packs
        self.known = KnownChunks()
        kept = len(self._old) - len(self._learn(last))
        with ExitStack() as opened:
            self._index = opened.enter_context(closing(IndexWriter(source)))
            self._packs = opened.enter_context(PackWriter(
                blobs.send, len(self._old), MAX_PACKS - kept, pack_size(total, kept), source == FROM_STREAM))
            self._opened = opened.pop_all()
        self.chunks = ChunkStore(self.known, self._packs)

    def __enter__(self) -> 'SnapshotWriter':
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _learn(self, last: IndexReader | None) -> set[int]:
        """Learn the chunks of the last snapshot, but of packs that are to be written anew; return these."""
        if last is None:
            return set()
        for chunk in last.chunks():
            self.known.add(chunk)
        rewritten = packs_to_rewrite(last.sizes, self.known.live_sizes(len(last.sizes)))
        self.known.forget(rewritten)
        return rewritten

    def add(self, entry: Entry, line: bytes | None = None) -> None:
        """Add an entry to the index.

        :param line: that of the last snapshot, if it is the same entry
        :raises DXFSourceError: the index would be too large to be read
        """
        self._index.add(entry, line)

    def finish(self, totals: Totals, created: int | None, parent: str | None, limit: int) -> tuple[str, Totals]:
        """Store the last pack and the index; return the text of the manifest, and what was sent.

        :param totals: what was found
        :param created: seconds since 1970; ``None`` for now
        :param parent: the digest of the manifest of the last snapshot
        :param limit: the most bytes that are read of a manifest
        """
        self._packs.finish()
        known = dict(enumerate(self._old)) | {number: (pack.digest, pack.size)
                                              for number, pack in self._packs.packs.items()}
        with tempfile.TemporaryFile() as file:
            self._index.write({number: digest for number, (digest, _) in known.items()}, file)
            size = file.tell()
            file.seek(0)
            blob = Descriptor(self._blobs.send(file, size), size, INDEX_TYPE)
        totals = totals._replace(new=self.chunks.new, sent=self._blobs.sent, packs=len(self._packs.packs))
        packs = [Descriptor(*known[number], PACK_TYPE) for number in self._index.used]
        return make_manifest(blob, packs, totals, created, parent, limit), totals
