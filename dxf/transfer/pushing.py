"""Pushing: what is given to be stored becomes a blob of a repository, unless the registry has it already.

``upload`` and ``stream_upload`` send it. Authentication is not known here.
"""

from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

from dxf.transfer.callbacks import progress_callback
from dxf.transfer.mounting import find_or_open
from dxf.transfer.source import File, OnPiece, Source, check_expected_digest, open_source
from dxf.transfer.stream_upload import StreamUpload
from dxf.transfer.target import Push, Target
from dxf.transfer.upload import Journal, Upload
from dxf.transfer.upload_session import UploadSession

if TYPE_CHECKING:
    from dxf.transfer.remote_file import RemoteFile


def push(target: Target, given: Push) -> tuple[str, int]:
    """Store a blob; return its digest and its size."""
    with closing(open_source(given.filename, given.data)) as source:
        source.on_read = given.check
        size = source.size
        on_piece = progress_callback(given.progress, given.filename is not None, size)
        if size is None:
            if given.check_exists and given.digest is not None:
                found = target.find(given.digest)
                if found is not None:
                    return given.digest, found
            return StreamUpload(source, target, on_piece).send(given.digest, given.check_exists)
        is_single = given.batch is None or not given.batch.may_repeat(size)
        if source.shared and size > target.limits.part and given.resume is None and is_single:
            return Upload(source, target, on_piece).send_hashed_ahead(given.digest, given.check_exists), size
        digest = check_expected_digest(source.digest(), given.digest)
        with nullcontext(False) if given.batch is None else given.batch.turn(digest) as is_stored:
            if not is_stored:
                _store(target, source, given, digest, on_piece)
        return digest, size


def _store(target: Target, source: Source, given: Push, digest: str, on_piece: OnPiece | None) -> None:
    """Send a source of known digest and size, unless the registry has it."""
    with closing(_journal(target, source, digest, given.resume)) as journal:
        session = UploadSession(target)
        if not given.check_exists:
            is_found = False
        elif journal.is_kept:  # it may remember a session
            is_found = target.find(digest, source.size) is not None
        else:
            is_found = find_or_open(target, session, digest, source.size or 0)
        if not is_found:
            Upload(source, target, on_piece, journal, session).send(digest)
        journal.clear()


def _journal(target: Target, source: Source, digest: str, folder: str | None) -> Journal:
    """Return the journal of an upload; one that remembers nothing if there is no folder for it."""
    if folder is None or not isinstance(source, File):
        return Journal()
    from dxf.transfer.upload_journal import UploadJournal
    return UploadJournal(folder, target.url, source, digest)


def push_remote(target: Target, file: 'RemoteFile', digest: str, progress: Callable[..., Any] | None,
                check: Callable[[], None]) -> None:
    """Store a blob of another repository, which is read while it is sent.

    :param file: it is closed
    :param progress: called as ``progress(digest, chunk, size)``
    :param check: called for each piece that is read; raises where the blob is not wanted any more
    """
    with closing(file):
        source = Source(file.name, file, file.size)
        source.on_read = check
        Upload(source, target, progress_callback(progress, True, file.size)).send(digest)
