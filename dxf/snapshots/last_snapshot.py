"""The last snapshot: which one it is, and a backup that begins anew without it where it cannot be used."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from requests.exceptions import HTTPError

from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFInvalidDocumentError, DXFNotFoundError,
                            DXFSizeMismatchError, DXFUnsupportedSchemaType)
from dxf.manifest import image
from dxf.manifest.image import EMPTY_CONTENT, ImageManifest
from dxf.manifest_refusals import lacks_blob
from dxf.names import is_folder, shown_repository
from dxf.snapshots.attribute_setter import Notice
from dxf.snapshots.snapshot import Snapshot, Totals, load
from dxf.transfer.parallel import each_once

if TYPE_CHECKING:
    from dxf.client import DXF


class _LostPackError(DXFError):
    """The registry does not have a pack of the last snapshot any more, or not all of it."""


def ignore(*_: object) -> None:
    """Do nothing."""


def last_of(repository: 'DXF', alias: str, parent: str | None, notice: Notice) -> Snapshot | None:
    """Return the last snapshot.

    :param parent: an alias or the digest of a manifest; ``None`` for what ``alias`` names now, if that is a snapshot
    :param notice: called with a line if ``alias`` names something else, which a backup replaces
    """
    last = None if parent is None else load(repository, parent)
    current = _current(repository, alias, notice)
    return current if last is None else last


def _current(repository: 'DXF', alias: str, notice: Notice) -> Snapshot | None:
    """Return the snapshot that an alias names; ``None`` where there is no such alias, or it names something else."""
    try:
        return load(repository, alias)
    except DXFNotFoundError:
        return None
    except (DXFInvalidDocumentError, DXFUnsupportedSchemaType):
        notice(f'{alias} is no snapshot, and a backup replaces it: now it names the manifest '
               f'{repository.manifest_digest(alias)}')
        return None


def with_last(repository: 'DXF', alias: str, parent: str | None, notice: Notice,
              store: Callable[[Snapshot | None], Snapshot]) -> Snapshot:
    """Store a snapshot that uses the last one; without it, if it cannot be used.

    :param store: stores the snapshot, and sets the alias
    :param notice: called with a line if the last snapshot is not used, or ``alias`` names something else
    """
    last = last_of(repository, alias, parent, notice)
    if last is None:
        repository.push_blob(data=EMPTY_CONTENT)
    try:
        return store(last)
    except (HTTPError, DXFInvalidDocumentError, DXFDigestMismatchError, DXFSizeMismatchError, _LostPackError) as error:
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
    if isinstance(error, HTTPError):
        return lacks_blob(error)
    return parent is None or isinstance(error, _LostPackError)


def set_alias(repository: 'DXF', alias: str, text: str, last: Snapshot | None, totals: Totals,
              unread: tuple[str, ...] = ()) -> Snapshot:
    """Give a snapshot whose packs and index are stored an alias, and return it.

    :param text: its manifest
    :param last: the last snapshot, whose packs it may name again
    :param totals: what was found and sent
    :param unread: lines about what could not be read
    """
    manifest = image.read(text)
    assert isinstance(manifest, ImageManifest)
    if last is not None:
        _check_kept(repository, manifest, last)
    repository.set_manifest(alias, text)
    return Snapshot(repository, manifest, totals, unread)


def _check_kept(repository: 'DXF', manifest: ImageManifest, last: Snapshot) -> None:
    """Check that the registry has the blobs that are named again, and were not sent now.

    Some registries take a manifest without its blobs, and all of them one of which a blob is damaged. A folder compares
    the sizes of its files when it gets the manifest.

    :raises _LostPackError: one is missing, or has another size
    """
    if is_folder(repository._host):
        return
    kept = {blob.digest: blob.size for blob in (manifest.config, *last.packs)}
    named = [blob.digest for blob in (manifest.config, *manifest.layers) if blob.digest in kept]
    found = each_once(lambda digest: repository.kept_size(digest, kept[digest]), named, repository.options.jobs)
    for digest, size in found.items():
        if size is None:
            raise _LostPackError(f'{shown_repository(repository._repo)} has no blob {digest} of {kept[digest]} bytes '
                                 'any more')
