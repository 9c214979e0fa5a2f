"""Copies of blobs: from another repository of the same registry by mounting, from any other by streaming."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from dxf.arguments import check_one, several
from dxf.blobs import BlobStore
from dxf.exceptions import DXFHTTPError, DXFMountFailed, DXFUnauthorizedError
from dxf.names import check_blob, repository_at, shown_repository
from dxf.parameters import checked
from dxf.transfer.callbacks import SerializedProgress, call_unwrapped
from dxf.transfer.parallel import all_of
from dxf.transfer.pulling import Puller

if TYPE_CHECKING:
    from dxf.transfer.remote_file import RemoteFile


class BlobCopying(BlobStore):
    """A repository into which blobs of others can be copied."""

    @checked
    def mount_blob(self, repo: str, digest: str) -> str:
        """Make a blob of another repository of the same registry a blob of this one, without moving its bytes.

        :param repo: the other repository
        :return: the digest
        :raises DXFMountFailed: the registry does not do it; push the blob instead
        """
        from dxf.transfer.mounting import mount  # most commands only read
        mount(self._target(), repository_at(self._host, repo), check_blob(digest), None)
        return digest

    @checked
    def copy_blob(self, source: 'BlobStore', digest: str, progress: Callable[..., object] | None = None,
                  check_exists: bool = True) -> None:
        """Make a blob of any other repository a blob of this one.

        Within one registry it is mounted, if the registry does that; else it is streamed from one to the other.

        :param source: the other repository
        :param progress: called as ``progress(digest, chunk, size)``, first with an empty chunk; not at all for a blob
            that is there, or that is mounted
        :param check_exists: ask whether the blob is there, and then do nothing; ``False`` copies it in any case, and
            believes a response that names the digest
        :raises DXFHTTPError: one of the registries refused; 404 for a blob that the other does not have
        :raises DXFDigestMismatchError: what the other sent is not the blob; nothing is stored
        :raises DXFSourceError: it broke off on the other's side
        """
        self.copy_blobs(source, [digest], progress, check_exists)

    @checked
    def copy_blobs(self, source: 'BlobStore', digests: Iterable[str], progress: Callable[..., object] | None = None,
                   check_exists: bool = True, *, sizes: Mapping[str, int] | None = None) -> None:
        """Make several blobs of any other repository blobs of this one, up to ``jobs`` of them at once.

        :param progress: as for :meth:`copy_blob`; called by several threads, though never by two at once
        :param sizes: of the blobs, as far as they are known: a blob of another size counts as missing
        :raises Exception: what :meth:`copy_blob` raises, for the first that failed; the others are given up then
        """
        report = None if progress is None else SerializedProgress(progress)

        def copy(digest: str, check: Callable[[], None]) -> None:
            size = None if sizes is None else sizes.get(digest)
            if not (check_exists and self.stored_size(digest, size) is not None
                    or self._is_mounted(source, digest, size)):
                file = puller.open((digest, size), f'{digest} of {shown_repository(source._repo)}')
                self._relay(file, digest, report, check)
            elif report is not None:
                report.found(size)
        wanted = several(digests, 'copy_blobs', 'source, ')
        for digest in wanted:
            check_one(digest, 'copy_blobs', 'copy_blobs(source, [digest, ...])')
        distinct = list(dict.fromkeys(map(check_blob, wanted)))
        jobs = source.options.jobs if len(distinct) == 1 else 1  # connections for each: several come at once already
        puller = Puller(source._request, source.options.limits, jobs)
        all_of(copy, distinct, self._jobs)

    def _is_mounted(self, source: 'BlobStore', digest: str, size: int | None) -> bool:
        """Mount a blob of another repository of the same registry; return whether the registry did that."""
        from dxf.transfer.mounting import mount
        if source._base_url != self._base_url:
            return False
        with suppress(DXFMountFailed, DXFUnauthorizedError, DXFHTTPError):  # registries refuse that in many ways
            mount(self._target(), source._repo, digest, size)
            return True
        return False

    def _relay(self, file: 'RemoteFile', digest: str, progress: Callable[..., object] | None,
               check: Callable[[], None]) -> None:
        """Stream a blob from another repository."""
        from dxf.transfer.pushing import push_remote
        call_unwrapped(partial(push_remote, self._target(), file, digest, progress, check))
        self._sizes[digest] = file.size
