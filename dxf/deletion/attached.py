"""Attached manifests: what refers to the manifests that are deleted, and whether it goes with them.

``alias_deletion`` deletes them.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from requests.exceptions import HTTPError

from dxf.names import is_sha256
from dxf.options import Options
from dxf.transfer.parallel import each_once


class Target(NamedTuple):
    """What a reference leads to; ``digest`` is ``None`` for an alias whose manifest cannot be read.

    ``named`` is what the caller gets, ``children`` are the digests that an index lists.
    """

    reference: str
    digest: str | None = None
    named: Any = ()
    children: tuple[str, ...] = ()
    subject: str | None = None

    @property
    def is_alias(self) -> bool:
        """Whether it was given by a name."""
        return not is_sha256(self.reference)


class Attached:
    """The manifests that refer to others.

    :param referrers: returns the digests of those that refer to a manifest; ``None`` where that is not known
    :param look_at: returns what a digest leads to: the error if there is nothing, ``None`` if it cannot be read
    """

    def __init__(self, referrers: Callable[[str], set[str] | None],
                 look_at: Callable[[str], Target | HTTPError | None], options: Options) -> None:
        self._referrers = referrers
        self._look_at = look_at
        self._options = options
        self._referring: dict[str, set[str] | None] = {}
        """By the digest of a manifest, those of what refers to it."""
        self._missing: set[str] = set()
        """The digests that the registry lists as referrers, and does not have."""
        self._subjects: dict[str, str] = {}
        """The digests of subjects that are there, by those of what refers to them."""
        self.targets: dict[str, Target] = {}
        """What is to go with its subject, by its digest."""

    def ask(self, digests: Collection[str]) -> None:
        """Ask what refers to some manifests."""
        self._referring.update(each_once(self._referrers, [digest for digest in digests
                                                           if digest not in self._referring], self._options.jobs))

    def find(self, targets: Sequence[Target]) -> list[Target]:
        """Find what is to go with its subject, and with that what refers to it in turn; return the last ones first.

        What a registry lists without reason is no referrer: the manifest itself names its subject. If there are too
        many, they stay, and so does their subject.
        """
        known = {target.digest for target in targets}
        self._find_subjects(targets, known)
        subjects = [target.digest for target in targets if target.digest is not None]
        while subjects:
            self.ask(subjects)
            new = [digest for subject in subjects for digest in sorted(self._referring[subject] or ())
                   if digest not in known]
            if len(self.targets) + len(new) > self._options.limits.documents:
                break
            found = each_once(self._look_at, new, self._options.jobs)
            known |= found.keys()
            self._missing |= {digest for digest, one in found.items() if isinstance(one, HTTPError)}
            level = {digest: one for digest, one in found.items()
                     if isinstance(one, Target) and one.subject in self._referring}
            self.targets.update(level)
            self._subjects.update((digest, str(one.subject)) for digest, one in level.items())
            subjects = list(level)
        return list(self.targets.values())[::-1]

    def _find_subjects(self, targets: Sequence[Target], known: Collection[str | None]) -> None:
        """Find the subjects of what is deleted; one that is there and not deleted keeps what refers to it."""
        subjects = {target.digest: target.subject for target in targets
                    if target.digest is not None and target.subject is not None}
        found = each_once(self._look_at, set(subjects.values()).difference(known), self._options.jobs)
        self._subjects.update((digest, subject) for digest, subject in subjects.items()
                              if not isinstance(found.get(subject), HTTPError))

    def kept(self, going: set[str]) -> list[str]:
        """Return those of the manifests that go which have to stay: something that stays refers to them, or they to it.

        :param going: the digests of what goes, as far as it is known
        """
        kept = []
        for digest in going:
            referring = self._referring.get(digest, set())
            if referring is None or not referring - self._missing <= going or \
                    self._subjects.get(digest, digest) not in going:
                kept.append(digest)
        return kept
