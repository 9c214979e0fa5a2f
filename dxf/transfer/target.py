"""Uploads: the record of what is to be stored, and that of the repository where it goes. No authentication is known."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dxf.limits import Limits
from dxf.transfer import blob_lookup
from dxf.transfer.batch import Batch
from dxf.transfer.mount_answers import MountAnswers
from dxf.transfer.refused_sizes import RefusedSizes


class Push(NamedTuple):
    """One blob to store, as the caller of ``push_blob`` gave it.

    :param digest: what the digest should be; ``None`` for any
    :param check: called for each piece that is read; raises where the blob is not wanted any more
    :param batch: the other blobs of the same call; ``None`` for one blob
    """

    filename: Any = None
    data: Any = None
    progress: Callable[..., Any] | None = None
    digest: str | None = None
    check_exists: bool = True
    resume: str | None = None
    check: Callable[[], None] | None = None
    batch: Batch | None = None


class Target(NamedTuple):
    """A repository to which blobs are sent.

    :param request: makes a request of the repository, as ``DXF._request`` does
    :param request_url: makes a request of a whole URL, as ``DXF._base_request`` does
    :param url: the repository's
    :param repository: its name; empty for a folder that is a layout itself
    :param refused_sizes: sizes that its registry has refused; uploads add to them
    :param doubtful: digests for which the registry reported another length. It may have, and keep, a damaged blob, as
        distribution does: then its response to an upload is no proof
    :param mount_answers: how its registry answers mounts; uploads add to that, too
    :param known: digests and sizes of blobs that it is known to have
    :param is_forced: blobs are sent without asking for them first, so each of them is doubtful
    """

    request: blob_lookup.Request
    request_url: blob_lookup.Request
    url: str
    limits: Limits
    # Shared by all uploads of a client: what one learns spares the others a request.
    refused_sizes: RefusedSizes
    doubtful: set[str]
    mount_answers: MountAnswers
    known: Mapping[str, int]
    is_forced: bool = False
    repository: str = ''

    def find(self, digest: str, size: int | None = None, *, acknowledged: bool = False) -> int | None:
        """Return the size of a blob that the registry is proven to have, else ``None``.

        :param size: the blob's, if it is known
        :param acknowledged: the registry has said that it stored the blob
        """
        found = blob_lookup.find(self.request, digest, size, self.limits, acknowledged=acknowledged,
                                 doubtful=self.doubtful)
        # The registry answers with the right length now: the damaged copy was replaced.
        if found is not None:
            self.doubtful.discard(digest)
        return found

    def doubts(self, digest: str) -> bool:
        """Return whether the registry's word that it stored a blob is no proof."""
        return self.is_forced or digest in self.doubtful
