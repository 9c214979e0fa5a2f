"""Upload targets: a repository as uploads see it, in one record. It knows no authentication."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dxf.limits import Limits
from dxf.transfer import blob_lookup
from dxf.transfer.mount_answers import MountAnswers
from dxf.transfer.refused_sizes import RefusedSizes


@dataclass(frozen=True)
class Target:
    """A repository to which blobs are sent.

    :param request: makes a request of the repository, as ``DXF._request`` does
    :param request_url: makes a request of a whole URL, as ``DXF._base_request`` does
    :param url: the repository's
    :param repository: its name; empty for a folder that is a layout itself
    :param refused_sizes: sizes that its registry has refused; uploads add to them
    :param mount_answers: how its registry answers mounts; uploads add to that, too
    :param known: digests and sizes of blobs that it is known to have
    :param doubtful: digests for which the registry reported another length: it may have a damaged blob, and keep that
        (distribution does), so its word that it stored such a blob is no proof
    :param is_forced: blobs are sent without asking for them first, so each of them is doubtful
    """

    request: blob_lookup.Request
    request_url: blob_lookup.Request
    url: str
    limits: Limits
    refused_sizes: RefusedSizes = field(default_factory=RefusedSizes)
    doubtful: set[str] = field(default_factory=set)
    is_forced: bool = False
    repository: str = ''
    mount_answers: MountAnswers = field(default_factory=MountAnswers)
    known: Mapping[str, int] = field(default_factory=dict)

    def find(self, digest: str, size: int | None = None, *, acknowledged: bool = False) -> int | None:
        """Return the size of a blob that the registry is proven to have, else ``None``.

        :param size: the blob's, if it is known
        :param acknowledged: the registry has said that it stored the blob
        """
        found = blob_lookup.find(self.request, digest, size, self.limits, acknowledged=acknowledged,
                                 doubtful=self.doubtful)
        if found is not None:
            self.doubtful.discard(digest)
        return found

    def doubts(self, digest: str) -> bool:
        """Return whether the registry's word that it stored a blob is no proof."""
        return self.is_forced or digest in self.doubtful
