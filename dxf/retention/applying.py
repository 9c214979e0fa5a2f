"""Applying a plan: the aliases that go are deleted, and with them what belongs to them alone.

``dxf.deletion`` keeps what another alias, an index or a referrer needs.
"""

from collections.abc import Callable, Mapping, Sequence

from dxf.client import DXF
from dxf.deletion import bounds
from dxf.deletion.alias_deletion import AliasDeletion
from dxf.exceptions import DXFConflictError
from dxf.names import shown_repository
from dxf.retention.rules import MATCH, Decision, subject_of
from dxf.transfer.parallel import each_once


def check_number(decisions: Sequence[Decision], most: int | None) -> None:
    """Check that a plan does not delete more aliases than expected.

    :param most: ``None`` for any number
    :raises DXFError: it does
    """
    bounds.check_number(sum(decision.goes for decision in decisions), most)


def apply(repository: DXF, decisions: Sequence[Decision], *, digests: Mapping[str, str] | None = None,
          max_delete: int | None = None, on_deleted: Callable[[str], object] | None = None) -> list[str]:
    """Delete the aliases that go by a plan, the oldest first. Blobs stay.

    A manifest goes with its last alias, unless an index or a referrer that stays needs it. What refers to a manifest
    that goes is deleted before it: signatures, say; so are tags such as ``sha256-<hex>.sig`` that are in the plan,
    unless a rule keeps their names. What goes with a manifest does not count for ``max_delete``.

    :param decisions: what :func:`plan` returns
    :param digests: the digests for which the times hold, as :func:`times_of` returns them
    :param max_delete: the most aliases that may go; ``None`` for any number
    :param on_deleted: called with each alias, and each digest of what referred to it, when it is gone
    :return: all of these
    :raises DXFError: more would go than ``max_delete``; nothing was deleted
    :raises DXFHTTPError: the registry refused; what was not deleted is as it was
    :raises DXFConflictError: somebody else has set an alias since its time was read
    """
    check_number(decisions, max_delete)
    going = [decision.alias for decision in reversed(decisions) if decision.goes]
    deleted: list[str] = []
    if not going:
        return deleted

    def delete(deletion: AliasDeletion) -> None:
        for reference, _ in deletion:
            deleted.append(reference)
            if on_deleted is not None:
                on_deleted(reference)
    deletion = AliasDeletion(repository, going, with_referrers=True)
    _check_unchanged(repository, deletion.digests, digests or {})
    delete(deletion)
    tags = _tags_left(repository, decisions, set(deletion.digests.values()))
    if tags:
        delete(AliasDeletion(repository, tags, with_referrers=True))
    return deleted


def _check_unchanged(repository: DXF, current: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Check that aliases name the manifests whose times were read.

    :raises DXFConflictError: one does not
    """
    for alias, digest in current.items():
        if expected.get(alias, digest) != digest:
            raise DXFConflictError(f'somebody else has set the alias {alias} of {shown_repository(repository.repo)} '
                                   'meanwhile: nothing was deleted')


def _tags_left(repository: DXF, decisions: Sequence[Decision], subjects: set[str]) -> list[str]:
    """Return the tags that belong to manifests which are gone, without those that a rule keeps by their names."""
    tags = {decision.alias: str(subject_of(decision.alias)) for decision in decisions
            if MATCH not in decision.reasons and subject_of(decision.alias) in subjects}
    found = each_once(repository.current_digest, tags.values(), repository.options.jobs)
    left = [tag for tag, subject in tags.items() if found[subject] is None]
    there = each_once(repository.current_digest, left, repository.options.jobs)
    return [tag for tag in left if there[tag] is not None]
