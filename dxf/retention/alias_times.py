"""Alias times: when the content of an alias was made, from its name if possible, else from its manifest.

``time_format`` reads names. What the times mean for an alias is decided by ``rules``.
"""

from collections.abc import Iterable
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple

from requests.exceptions import HTTPError

from dxf.client import DXF
from dxf.exceptions import DXFError, DXFSizeMismatchError
from dxf.listing import is_about_one
from dxf.manifest.creation_time import created, read_time
from dxf.manifest.image import ImageManifest, Index
from dxf.manifest.platforms import Manifest
from dxf.retention.rules import subject_of
from dxf.retention.time_format import TimeFormat
from dxf.strict_json import Json, load_object
from dxf.transfer.parallel import each_once

NO_DATE = datetime(1980, 1, 2, tzinfo=timezone.utc)
"""Before it, a time in a manifest says nothing: builds that can be repeated write the beginning of 1970 or 1980.

https://ko.build/advanced/faq/#why-are-my-images-all-created-in-1970
https://buildpacks.io/docs/for-app-developers/concepts/reproducibility/
"""


class Times(NamedTuple):
    """The times of aliases, ``None`` for one without a time; and the digests of the manifests that were read."""

    times: dict[str, datetime | None]
    digests: dict[str, str]


def times_of(repository: DXF, aliases: Iterable[str], time_format: TimeFormat | None = None) -> Times:
    """Find out the times of aliases.

    A name with a time in it costs no request. For another, the manifest is read: its annotation
    ``org.opencontainers.image.created``, or else ``created`` in its configuration. A manifest that is missing or
    cannot be read has no time.

    :param time_format: ``None`` for the usual forms
    :raises DXFHTTPError: the registry refused to hand out a manifest
    """
    form = TimeFormat() if time_format is None else time_format
    times = {alias: form.time_of(alias) for alias in aliases}
    unnamed = [alias for alias, time in times.items() if time is None and subject_of(alias) is None]
    read = each_once(partial(_read, repository), unnamed, repository.options.jobs)
    times.update((alias, time) for alias, (time, _) in read.items())
    return Times(times, {alias: digest for alias, (_, digest) in read.items() if digest is not None})


def _read(repository: DXF, alias: str) -> tuple[datetime | None, str | None]:
    """Return the time of an alias by its manifest, and the digest of that; ``None`` for what is not known."""
    digest = None
    try:
        stored = repository.resolve(alias)
        digest = stored.digest
        return _created(repository, stored), digest
    except (DXFError, HTTPError) as error:
        if not is_about_one(error) and not isinstance(error, DXFSizeMismatchError):
            raise
        return None, digest


def _created(repository: DXF, stored: Manifest) -> datetime | None:
    """Return the time in a manifest: of an index without one, that of its newest image if all have one."""
    time = _meaningful(created(load_object(stored.text)))
    if time is not None:
        return time
    if isinstance(stored, ImageManifest):
        return _meaningful(read_time(_configuration(repository, stored).get('created')))
    return _newest_image(repository, stored) if isinstance(stored, Index) else None


def _newest_image(repository: DXF, index: Index) -> datetime | None:
    """Return the time of the newest image of an index, ``None`` if one has no time."""
    newest = None
    for entry in repository.platforms(index).values():
        stored = repository.resolve(entry.digest)
        time = _created(repository, stored) if isinstance(stored, ImageManifest) else None
        if time is None:
            return None
        newest = time if newest is None else max(newest, time)
    return newest


def _configuration(repository: DXF, manifest: ImageManifest) -> dict[str, Json]:
    """Return the configuration of an image; nothing for an alias of dxf, which names its first blob there."""
    config = manifest.config
    if config.size > repository.options.limits.manifest or config.digest in [blob.digest for blob in manifest.layers]:
        return {}
    for _, chunks, _ in repository.pull_blobs([(config.digest, config.size)]):
        return load_object(b''.join(chunks))
    return {}


def _meaningful(time: datetime | None) -> datetime | None:
    """Return a time in a document, to the second; ``None`` for one before :data:`NO_DATE`."""
    return None if time is None or time < NO_DATE else time.replace(microsecond=0)
