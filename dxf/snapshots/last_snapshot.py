"""The last snapshot: which one it is, and a backup that begins anew without it where it cannot be used."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from requests.exceptions import HTTPError

from dxf.exceptions import DXFDigestMismatchError, DXFInvalidDocumentError, DXFSizeMismatchError
from dxf.manifest.image import EMPTY_CONTENT
from dxf.manifest_refusals import lacks_blob
from dxf.snapshots.snapshot import Snapshot, find, load

if TYPE_CHECKING:
    from dxf.client import DXF

Notice = Callable[[str], object]


def ignore(*_: object) -> None:
    """Do nothing."""


def last_of(repository: 'DXF', alias: str, parent: str | None) -> Snapshot | None:
    """Return the last snapshot.

    :param parent: an alias or the digest of a manifest; ``None`` for what ``alias`` names now, if that is a snapshot
    """
    return find(repository, alias) if parent is None else load(repository, parent)


def with_last(repository: 'DXF', alias: str, parent: str | None, notice: Notice,
              store: Callable[[Snapshot | None], Snapshot]) -> Snapshot:
    """Store a snapshot that uses the last one; without it, if it cannot be used.

    :param store: stores the snapshot, and sets the alias
    :param notice: called with a line if the last snapshot is not used
    """
    last = last_of(repository, alias, parent)
    if last is None:
        repository.push_blob(data=EMPTY_CONTENT)
    try:
        return store(last)
    except (HTTPError, DXFInvalidDocumentError, DXFDigestMismatchError, DXFSizeMismatchError) as error:
        if last is None or not _is_of_last(error, parent):
            raise
        notice(f'the last snapshot is not used: {error}')
    repository.push_blob(data=EMPTY_CONTENT)
    return store(None)


def _is_of_last(error: Exception, parent: str | None) -> bool:
    """Return whether an error may be the fault of the last snapshot, without which a backup is to begin anew.

    Another process may have deleted it meanwhile, and its packs. One that is damaged must not be in the way for ever,
    unless it was asked for.
    """
    return lacks_blob(error) if isinstance(error, HTTPError) else parent is None
