"""Part plans: in which sizes a blob goes to a registry. Pure: no request, no clock.

A blob of at most ``Limits.part`` goes in one PUT. A larger one goes in parts of that size, the last one in the PUT. If
the registry refuses that, one PUT of the whole blob is next, and then parts of ``Limits.small_part``.
"""

from typing import NamedTuple

from dxf.limits import Limits
from dxf.transfer.refused_sizes import RefusedSizes

# distribution 3 keeps the bytes of a part that broke off. Others drop them, and it is sent again.
REMEMBERED_PART = 16 << 20
"""Bytes of a part of an upload that another process may continue: at most as many are sent twice. Only larger parts
grow."""

PART_SECONDS = 2.0
"""Seconds that a large part takes at least: on a slow line, parts stay as small as ``Limits.part``."""

MAX_PART = 1 << 30
"""Bytes to which parts grow at most."""


class PartPlan(NamedTuple):
    """How a blob is cut into requests.

    :param size: the blob's, in bytes
    :param part: bytes of a part; a blob that is no larger goes in one PUT
    :param alternatives: values for ``part`` that are left if the registry refuses this one
    :param early_part: bytes of a part while it may turn out that the registry has the blob
    :param small_part: bytes of a last part, where the registry has refused larger ones
    """

    size: int
    part: int
    alternatives: tuple[int, ...]
    early_part: int
    small_part: int

    def is_refused(self, part: int, refused: RefusedSizes) -> bool:
        """Return whether the registry has refused such parts, or the whole blob in one PUT, before."""
        # A part that is smaller than the blob goes by PATCH, the whole blob by PUT.
        return part >= refused.patch if part < self.size else self.size >= refused.put

    def after_refusal(self, refused: RefusedSizes) -> 'PartPlan':
        """Return the plan with the next size that the registry has not refused, or with the next one."""
        # If all sizes were refused before, the next one is tried all the same: the refusal may have had another cause.
        open_ones = [part for part in self.alternatives if not self.is_refused(part, refused)]
        part, *others = open_ones or self.alternatives
        return PartPlan(self.size, part, tuple(others), self.early_part, self.small_part)

    def part_size(self, shortest: int) -> int:
        """Return the bytes of a part.

        :param shortest: the fewest that the registry wants in a part that is not the last
        """
        # OCI-Chunk-Min-Length:
        # https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
        return max(self.part, shortest)

    def end_of_part(self, start: int, refused: RefusedSizes, *, shortest: int = 0, rate: float = 0.0,
                    is_early: bool = False) -> int:
        """Return where the part that begins at ``start`` ends.

        :param shortest: the fewest bytes that the registry wants in a part that is not the last
        :param rate: bytes a second so far: large parts save waiting for responses
        :param is_early: it may turn out that the registry has the blob: such a part is small
        """
        part = self.part_size(shortest)
        if part >= self.size:
            return self.size
        # A blob that the registry has costs one small part, and not a large one.
        if is_early:
            part = min(part, max(self.early_part, shortest))
        # Each part costs the wait for its response. Only parts that need not be small grow with the speed of the line.
        elif part > REMEMBERED_PART:
            grown = min(int(rate * PART_SECONDS), MAX_PART)
            part = grown if part < grown < refused.patch else part
        end = min(start + part, self.size)
        # The last part goes in the PUT, which may have a bound of its own. A PUT of one byte cannot be smaller.
        if end == self.size and end - start >= refused.put > 1:  # more than the registry takes in a PUT
            return end - max(min(int(refused.put) // 2, self.small_part), 1)
        return end


def make_plan(size: int, limits: Limits, refused: RefusedSizes, *, is_remembered: bool = False) -> PartPlan:
    """Return the plan for a blob.

    :param is_remembered: another process may continue the upload
    """
    part = min(limits.part, REMEMBERED_PART) if is_remembered else limits.part
    # An empty blob has a part too, or no part would reach its end.
    whole = max(size, 1)
    sizes = (part, whole, limits.small_part) if part < size else (whole, limits.small_part)
    # A part that is larger than the blob is the same as one PUT. Each size is tried once.
    useful = tuple(dict.fromkeys(one for one in sizes if one <= whole))
    # The first way: refusals that are known are skipped before the first request.
    plan = PartPlan(size, whole, useful, limits.part // 4, limits.small_part)
    return plan.after_refusal(refused)
