"""Mirrors: a repository whose aliases are kept as they are in another one.

Here it is decided which aliases are copied and which are deleted. ``copying`` copies one, ``deletion`` deletes it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from dxf.client import DXF
from dxf.contents import Contents
from dxf.copying import Copied, Copying
from dxf.deletion.bounds import check_number
from dxf.exceptions import (DXFAmbiguousAliasError, DXFDigestMismatchError, DXFError, DXFHTTPError,
                            DXFInvalidDocumentError, DXFInvalidNameError, DXFNotFoundError)
from dxf.manifest.platforms import ODD
from dxf.names import FOLDER, check_alias_at, is_folder, shown_repository
from dxf.parameters import checked
from dxf.referrers import subject_of_tag
from dxf.transfer import blob_lookup
from dxf.transfer.parallel import each_once
from dxf.transport.responses import is_not_found

if TYPE_CHECKING:
    from dxf.layout.store import Layout

BATCH = 64
"""Aliases of which the digests are asked for at once."""

WITHOUT_DIGEST = (DXFAmbiguousAliasError, DXFInvalidNameError, *ODD)
"""Errors of an alias that names several manifests, or one that dxf does not read: no digest can be compared."""

UNREADABLE = (*ODD, DXFDigestMismatchError, DXFNotFoundError)
"""Errors of an alias that leads to what dxf does not read, or to what is damaged or missing."""


class Step(NamedTuple):
    """One alias of the source: what it takes to have it in the target.

    :param digest: of its manifest
    :param copying: copies it; ``None`` if the alias names the same manifest in the target
    """

    alias: str
    digest: str
    copying: Copying | None = None


class Mirrored(NamedTuple):
    """What :func:`mirror` did, or would do.

    :param copied: by alias
    :param unchanged: by alias, the digest of the manifest that it names on both sides
    :param skipped: aliases that the target has, with ``skip_existing``
    :param deleted: aliases of the target
    :param left_out: a sentence for each alias of the source that cannot be copied
    """

    copied: dict[str, Copied]
    unchanged: dict[str, str]
    skipped: list[str]
    deleted: list[str]
    left_out: list[str]


@checked
def mirror(source: DXF, target: DXF, *, match: str | None = None, skip_existing: bool = False, delete: bool = False,
           max_delete: int | None = None, platform: str | None = None, referrers: bool = False, dry_run: bool = False,
           progress: Callable[..., Any] | None = None) -> Mirrored:
    """Copy the aliases of a repository that another one lacks, or has with other manifests.

    An alias that names the same manifest on both sides costs one HEAD each. Its blobs are not asked for, as an alias is
    set last: :func:`dxf.copy` asks for each. In a target that is a folder, their files are looked for.

    :param match: a pattern of the shell, such as ``2026-*``: the aliases that are copied, and that may be deleted
    :param skip_existing: do not look at an alias that the target has, whatever it names
    :param delete: delete the aliases of the target that the source does not have, after everything has been copied
    :param max_delete: the most aliases to delete; if there are more, all stay
    :param platform: as for :func:`dxf.copy`
    :param referrers: as for :func:`dxf.copy`; every alias is then looked at in full
    :param dry_run: change nothing
    :param progress: as for :func:`dxf.copy`
    :raises DXFError: more than ``max_delete`` aliases would be deleted, or it is not known what the source has
    :raises DXFHTTPError: a registry refused; 404 for a source that is not there
    """
    mirroring = Mirroring(source, target, match=match, skip_existing=skip_existing, delete=delete, platform=platform,
                          referrers=referrers)
    copied, unchanged = _copied(mirroring, None if dry_run else lambda step: mirroring.carry_out(step, progress))
    surplus = mirroring.surplus()
    check_number(len(surplus), max_delete)
    deleted = surplus if dry_run else list(mirroring.delete(surplus))
    return Mirrored(copied, unchanged, mirroring.skipped, deleted, mirroring.left_out)


def _copied(steps: Iterable[Step], carry_out: Callable[[Step], bool] | None
            ) -> tuple[dict[str, Copied], dict[str, str]]:
    """Carry out steps; return by alias what was copied, or would be, and the digests of what is unchanged.

    :param carry_out: copies an alias, and returns whether that was done; ``None`` to change nothing
    """
    copied, unchanged = {}, {}
    for step in steps:
        if step.copying is None:
            unchanged[step.alias] = step.digest
        elif carry_out is None or carry_out(step):
            copied[step.alias] = step.copying.outcome
    return copied, unchanged


class Mirroring:
    """The aliases of a repository that are to be mirrored in another one. The constructor lists them.

    Iterating yields what each of them takes; the caller has :meth:`carry_out` do it.

    :raises DXFHTTPError: a registry refused; 404 for a source that is not there

    The parameters are those of :func:`mirror`.
    """

    @checked
    def __init__(self, source: DXF, target: DXF, *, match: str | None = None, skip_existing: bool = False,
                 delete: bool = False, platform: str | None = None, referrers: bool = False) -> None:
        self._source = source
        self._target = target
        self._match = match
        self._platform = platform
        self._referrers = referrers
        self._deletes = delete
        self.left_out: list[str] = []
        """A sentence for each alias of the source that cannot be copied."""
        self.listed = list(dict.fromkeys(name for name in self._source_aliases() if self._is_meant(name)))
        """The aliases of the source that match."""
        self._there = self._target_aliases(is_needed=skip_existing or delete)
        self.skipped = [alias for alias in self.listed if skip_existing and alias in (self._there or ())]
        """Aliases that are not looked at."""

    def _is_meant(self, alias: str) -> bool:
        return self._match is None or fnmatchcase(alias, self._match)

    def _source_aliases(self) -> Iterator[str]:
        """Yield the valid aliases of the source; in a folder, what cannot be read comes after all others."""
        try:
            yield from self._source.list_aliases(iterate=True).valid(self.left_out)
        except DXFInvalidDocumentError as error:
            if not is_folder(self._source._host) or not self._has_unreadable():
                raise
            self.left_out.append(str(error).removeprefix('left out: '))

    def _has_unreadable(self) -> bool:
        """Return whether a folder has entries of other tools that dxf cannot read."""
        from dxf.layout import manifests
        return bool(manifests.listing(_layout(self._source))[1])

    def _target_aliases(self, is_needed: bool) -> frozenset[str] | None:
        """Return the aliases of the target; ``None`` if it does not list them, and no option needs that."""
        try:
            return frozenset(self._target.list_aliases(iterate=True))
        except DXFError as error:
            if isinstance(error, DXFHTTPError) and is_not_found(error):  # it is made by the first copy
                return frozenset()
            if is_needed:
                raise
            return None

    def __iter__(self) -> Iterator[Step]:
        """Yield the step for each alias that is not skipped, in the order of the source."""
        skipped = set(self.skipped)
        aliases = [alias for alias in self.listed if alias not in skipped]
        for start in range(0, len(aliases), BATCH):
            batch = aliases[start:start + BATCH]
            unchanged = self._unchanged(batch)
            for alias in batch:
                if alias in unchanged:
                    yield Step(alias, unchanged[alias])
                elif (copying := self._copying(alias)) is not None:
                    yield Step(alias, copying.outcome.digest, copying)

    def _unchanged(self, aliases: Sequence[str]) -> dict[str, str]:
        """Return the digests of the aliases that name the same manifest on both sides; the target is asked first."""
        if self._referrers or self._platform is not None:  # there may be more than the manifest, or less
            return {}
        known = [alias for alias in aliases if self._there is None or alias in self._there]
        theirs = each_once(lambda alias: _digest_in(self._target, alias), known, self._target.options.jobs)
        there = [alias for alias, digest in theirs.items() if digest is not None]
        ours = each_once(lambda alias: _digest_in(self._source, alias), there, self._source.options.jobs)
        return {alias: digest for alias, digest in ours.items()
                if digest is not None and digest == theirs[alias] and self._is_whole_in_folder(alias)}

    def _is_whole_in_folder(self, alias: str) -> bool:
        """Return whether a folder has all files that an alias needs, which its index does not prove; else true."""
        if not is_folder(self._target._host):
            return True
        from dxf.layout import manifests
        with suppress(DXFError):
            return manifests.missing(_layout(self._target), self._target.resolve(alias)) is None
        return False

    def _copying(self, alias: str) -> Copying | None:
        """Return what copies an alias; ``None`` if it cannot be copied, which ``left_out`` tells."""
        try:
            return Copying(self._source, self._target, alias, None, self._platform, self._referrers)
        except (DXFAmbiguousAliasError, DXFInvalidNameError) as error:
            self.left_out.append(str(error))
        except UNREADABLE as error:
            if self._is_readable(alias):  # something is wrong with the target
                raise
            self.left_out.append(f'{alias}: {error}')
        return None

    def _is_readable(self, alias: str) -> bool:
        """Return whether all manifests of an alias of the source can be read."""
        with suppress(*UNREADABLE):
            Contents(self._source, self._source.resolve(alias, self._platform), self._referrers)
            return True
        return False

    def carry_out(self, step: Step, progress: Callable[..., Any] | None = None) -> bool:
        """Copy an alias; return whether that was done, or there was nothing to do.

        An alias of the source is left out if one of its blobs is damaged or missing there.

        :param progress: as for :func:`mirror`
        """
        if step.copying is None:
            return True
        try:
            step.copying.carry_out(progress)
        except (DXFDigestMismatchError, DXFNotFoundError) as error:
            if not self._is_about_blob(error, step.copying.outcome.moved):
                raise
            self.left_out.append(f'{step.alias}: {error}')
            return False
        return True

    def _is_about_blob(self, error: DXFError, blobs: Mapping[str, int]) -> bool:
        """Return whether a copy failed because the source has one of some blobs in another state, or not at all.

        :param blobs: their sizes by digest
        """
        if isinstance(error, DXFDigestMismatchError):
            return error.expected in blobs
        return not all(blob_lookup.still_has(self._source._request, digest, self._source.options.limits)
                       for digest in blobs)

    def manifests(self) -> set[str]:
        """Return the digests of the manifests to which the aliases lead that need not be copied; each is fetched."""
        found: set[str] = set()
        for alias in self.listed:
            with suppress(*WITHOUT_DIGEST, *UNREADABLE):
                found |= set(Contents(self._source, self._source.resolve(alias), False).children)
        return found

    # What the source does not have

    def surplus(self) -> list[str]:
        """Return the aliases to delete: those of the target that the source does not have, by its listing and by HEAD.

        Tags of referrers stay: a registry with a referrers API has none of them. An alias that the source cannot have
        stays too.

        :raises DXFError: it is not known what the source has
        """
        if not self._deletes:
            return []
        listed = set(self.listed)
        found = [alias for alias in sorted(self._there or ()) if alias not in listed and self._is_meant(alias)
                 and subject_of_tag(alias) is None and self._may_have(alias)]
        if found and not listed:
            raise DXFError(f'{shown_repository(self._source._repo)} lists no alias'
                           f'{"" if self._match is None else f" that matches {self._match}"}: none was deleted there')
        if found and self.left_out:
            raise DXFError(f'left out: {self.left_out[0]}; so no alias was deleted there')
        # A listing may be incomplete, and another process may have set the alias meanwhile.
        asked = each_once(self._source.current_digest, found, self._source.options.jobs)
        return [alias for alias, digest in asked.items() if digest is None]

    def _may_have(self, alias: str) -> bool:
        """Return whether the name is an alias for the source, too."""
        with suppress(DXFInvalidNameError):
            check_alias_at(self._source._host, alias)
            return True
        return False

    def delete(self, aliases: Sequence[str]) -> Iterator[str]:
        """Delete aliases of the target, and yield each when it is gone; what other aliases need stays.

        :raises DXFHTTPError: the registry refused
        """
        from dxf.deletion import alias_deletion
        if aliases:
            for alias, _ in alias_deletion.AliasDeletion(self._target, aliases):
                yield alias


def _layout(repository: DXF) -> 'Layout':
    """Return a repository in a folder as the layout that it is."""
    from dxf.layout import store
    return store.Layout(repository._host.removeprefix(FOLDER), repository._repo)


def _digest_in(repository: DXF, alias: str) -> str | None:
    """Return the digest of the manifest that an alias names; ``None`` where the alias is missing or unreadable."""
    with suppress(*WITHOUT_DIGEST):
        return repository.current_digest(alias)
    return None
