"""Alias deletion: an alias goes, and its manifest with it if nothing that remains needs it.

``remaining_aliases`` finds out what the other aliases need. ``tag_deletion`` deletes a name without its manifest.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#content-management
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from requests import Response
from requests.exceptions import HTTPError

from dxf import referrers
from dxf.deletion.attached import Attached, Target
from dxf.deletion.remaining_aliases import REFUSALS, Needs, Repository, find_needs
from dxf.deletion.tag_deletion import DELETED, UNSUPPORTED, TagDeletion, refused, still_there
from dxf.exceptions import DXFConflictError, DXFDigestMismatchError
from dxf.manifest import image, platforms
from dxf.manifest.image import ImageManifest, Index
from dxf.manifest.platforms import Manifest
from dxf.names import check_reference_at, is_folder, is_sha256
from dxf.strict_json import dump_json, load_json
from dxf.transfer.parallel import all_of
from dxf.transport.responses import expect, is_not_found

UNREADABLE = (*platforms.ODD, DXFDigestMismatchError)
"""Errors for a manifest that the registry sent, and that is damaged or of a kind that dxf does not read."""


class AliasDeletion:
    """Deletes aliases of a repository, and manifests by their digests.

    The constructor looks at all of them. Iterating deletes them.

    :param dxf: the repository
    :param references: aliases, or digests of manifests
    :param with_others: delete the manifests, with all other aliases of them, whatever needs them
    :param with_referrers: delete what refers to the manifests that go too, before them, unless something needs it
    :raises DXFHTTPError: the registry refused; 404 for an alias that it does not have
    :raises DXFConflictError: an alias or an index needs a manifest that was given by its digest
    """

    def __init__(self, dxf: Repository, references: Iterable[str], with_others: bool = False, *,
                 with_referrers: bool = False) -> None:
        self._dxf = dxf
        self._targets = self._look_at(list(dict.fromkeys(
            check_reference_at(dxf._host, reference) for reference in references)))
        self._needs = Needs({}, {})
        self._staying: set[str] = set()
        self._attached = Attached(self._referrers, self._attached_target, dxf.options)
        if with_referrers:
            self._targets = [*self._attached.find(self._targets), *self._targets]
        if not with_others and any(target.digest is not None for target in self._targets):
            self._find_staying()
        self._tags = TagDeletion(dxf, is_folder(dxf._host))
        self._deleted: set[str] = set()
        self._unseen: set[str] = set()
        """Digests that a subclass has deleted in its own way; they are not looked at again."""
        self._unlisted: dict[str, list[str]] = {}
        """By the digest of a subject, those of deleted manifests that its referrers tag may still list."""

    # What there is

    def _look_at(self, references: list[str]) -> list[Target]:
        """Fetch what all references lead to."""
        found = all_of(lambda reference, check: self._target(reference), references, self._dxf.options.jobs)
        missing = [one for one in found if isinstance(one, HTTPError)]
        names: set[str] = set()
        if missing:
            with suppress(*REFUSALS):  # a folder lists what it can before it names what it cannot
                for name in self._dxf.list_aliases(iterate=True):
                    names.add(name)
        targets = []
        for reference, one in zip(references, found, strict=True):
            if not isinstance(one, HTTPError):
                targets.append(one)
            elif reference in names:  # its manifest is missing
                targets.append(Target(reference, named=[]))
            else:
                raise one
        return targets

    def _target(self, reference: str) -> Target | HTTPError:
        """Fetch what a reference leads to; return the error if there is nothing."""
        try:
            stored = self._dxf.resolve(reference)
        except HTTPError as error:
            if is_not_found(error):
                return error
            raise
        except UNREADABLE:
            if is_sha256(reference):
                raise
            return Target(reference, named=[])
        children: tuple[str, ...] = ()
        subject = None
        if isinstance(stored, Index):
            children = tuple(entry.digest for entry in stored.manifests)
        with suppress(*UNREADABLE):
            subject = image.subject_in(stored.text)
        return Target(reference, stored.digest, self._named(stored), children, subject)

    def _named(self, stored: Manifest) -> Any:
        """Return the digests of blobs, by platform those of manifests; nothing where an inner index cannot be read."""
        if isinstance(stored, ImageManifest):
            return [layer.digest for layer in stored.layers]
        if not isinstance(stored, Index):
            return list(stored.blobs)
        try:
            named = platforms.entries(stored, self._dxf.resolve, self._dxf.options.limits)
            return {name: entry.digest for name, entry in named.items()}
        except UNREADABLE:
            return {}
        except HTTPError as error:
            if not is_not_found(error):
                raise
            return {}

    # What stays

    def _find_staying(self) -> None:
        """Find out which manifests stay.

        :raises DXFConflictError: one of them was given by its digest, or it is not known whether it is needed
        """
        digests = {target.digest for target in self._targets if target.digest is not None}
        if is_folder(self._dxf._host) and all(target.is_alias for target in self._targets):
            self._staying = digests  # a folder deletes a name, and then what nothing else leads to
            return
        given = [target.reference for target in self._targets
                 if not target.is_alias and target.reference not in self._attached.targets]
        ignored = {(referrers.tag_of(target.subject), target.digest) for target in self._targets
                   if target.subject is not None and target.digest is not None}
        needs = find_needs(self._dxf, digests, {target.reference for target in self._targets}, ignored)
        self._needs = needs
        if needs.unknown is not None:
            if given:
                raise DXFConflictError(f'it is not known what needs {given[0]}, and nothing was deleted '
                                       f'({needs.unknown}); --with-others deletes it all the same')
            self._staying = digests
            return
        self._stay(digest for digest in digests if needs.users(digest))
        self._stay_with_subjects(digests)
        for digest in given:
            if digest in self._staying:
                users = ', '.join(needs.users(digest)) or 'an index, or what is attached to it'
                raise DXFConflictError(f'{digest} is needed by {users}, and nothing was deleted; --with-others deletes '
                                       'it all the same')

    def _stay(self, digests: Iterable[str]) -> None:
        """Keep manifests, and what they list if they are indexes."""
        pending = list(digests)
        children = {target.digest: target.children for target in self._targets}
        while pending:
            digest = pending.pop()
            if digest in children and digest not in self._staying:
                self._staying.add(digest)
                pending += children[digest]

    def _stay_with_subjects(self, digests: set[str]) -> None:
        """Keep the manifests to which others refer, unless all of those go too; and what refers to one that stays."""
        self._attached.ask(digests - self._staying)
        while kept := self._attached.kept(digests - self._staying):
            self._stay(kept)

    def _referrers(self, digest: str) -> set[str] | None:
        """Return the digests of the manifests that refer to another; ``None`` where that is not known."""
        try:
            return {str(entry['digest']) for entry in self._dxf.list_referrers(digest)}
        except REFUSALS:
            return None

    def _attached_target(self, digest: str) -> Target | HTTPError | None:
        """Return what a digest leads to: the error if there is nothing, ``None`` if it cannot be read."""
        try:
            return self._target(digest)
        except REFUSALS:
            return None

    # Deletion

    def plan(self) -> list[tuple[str, str | None]]:
        """Return each reference, with the digest of its manifest if that is deleted too."""
        return [(target.reference, None if target.digest in self._staying else target.digest)
                for target in self._targets]

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the manifests that the references named when they were looked at."""
        return {target.reference: target.digest for target in self._targets if target.digest is not None}

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Delete one reference after the other; yield each, when it is gone, with what it named.

        :raises DXFHTTPError: the registry refused
        :raises DXFProtocolError: it said that it has deleted something, and still has it
        :raises DXFConflictError: somebody else has set an alias meanwhile
        """
        going = [target for target in self._targets
                 if target.digest not in self._staying or target.reference not in self._attached.targets]
        last = {target.subject: target for target in going}
        self._delete_together(going)
        for target in going:
            try:
                self._delete(target)
            except REFUSALS:
                self._unlist(*self._unlisted)
                raise
            if target.subject is not None and target is last[target.subject]:
                self._unlist(target.subject)
            yield target.reference, target.named
        self._delete_listed()

    def _delete_together(self, going: list[Target]) -> None:
        """Delete at once what can be deleted so, in a folder: each change writes its whole index.

        What follows finds that these are gone, and deletes the rest.
        """
        if not is_folder(self._dxf._host) or len(going) < 2:
            return
        wanted = {target.reference if target.digest in self._staying else target.digest: target.digest
                  for target in going if target.digest is not None}
        response: Response | None = self._dxf._request('delete', 'manifests/', data=dump_json(wanted).encode('ascii'))
        if response is not None:  # else a subclass deletes in its own way
            self._deleted.update(load_json(response.content))

    def _delete(self, target: Target) -> None:
        """Delete a manifest by its digest; if it stays, delete the alias alone."""
        if target.digest is None or target.digest in self._staying:
            others = [] if target.digest is None else self._needs.named.get(target.digest, [])
            self._tags.delete(target.reference, target.digest, others)
        else:
            self._delete_manifest(target, target.digest)

    def _delete_listed(self) -> None:
        """Delete aliases that are listed still, although they name nothing any more.

        A deletion that fails in the middle leaves such a tag in distribution: the manifest goes before its tags. HEAD
        does not find it, and the listing has it.

        :raises DXFProtocolError: the registry lists one of them still
        """
        dangling = self._tags.dangling()
        for alias in dangling:
            self._tags.delete(alias, None, [])
        for alias in self._tags.dangling() if dangling else []:
            raise still_there(self._dxf, alias)

    def _delete_manifest(self, target: Target, digest: str) -> None:
        """Delete a manifest by its digest, and check that the reference is gone."""
        error = self._delete_by_digest(digest)
        if digest in self._unseen:
            return
        if target.is_alias:
            if error is not None:
                self._tags.doubtful.append(target.reference)
            # Some registries keep the tag of a manifest that was deleted: https://github.com/getnora-io/nora/issues/658
            is_gone = self._tags.is_gone(target.reference, digest) or \
                self._tags.delete_by_name(target.reference, digest)
        else:  # a folder keeps what an index lists that goes later, until its garbage is collected
            is_left = is_folder(self._dxf._host) and digest in self._attached.targets
            is_gone = is_left or self._tags.is_gone(digest, digest)
        if not is_gone:
            raise still_there(self._dxf, target.reference) if error is None else \
                refused(self._dxf, target.reference, error)
        if error is None and target.subject is not None:
            self._unlisted.setdefault(target.subject, []).append(digest)

    def _delete_by_digest(self, digest: str) -> HTTPError | None:
        """Delete a manifest, once; return the error if the registry does not do that or does not have it."""
        if digest in self._deleted:
            return None
        try:
            response: Response | None = self._dxf._request('delete', f'manifests/{digest}')
        except HTTPError as error:
            if error.response is None or error.response.status_code not in UNSUPPORTED:
                raise
            return error
        if response is None:
            self._unseen.add(digest)
        else:
            expect(response, *DELETED)
        self._deleted.add(digest)
        return None

    def _unlist(self, *subjects: str) -> None:
        """Take the deleted manifests out of the referrers tags of subjects, if the registry has no referrers API.

        All of one subject are taken out at once: each change of a tag waits until other writers have ended.
        https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#deleting-manifests
        """
        for subject in subjects:
            deleted = self._unlisted.pop(subject, [])
            if deleted:
                with suppress(*REFUSALS):  # the specification only recommends it
                    self._dxf.list_under_tag(subject, [], deleted)
