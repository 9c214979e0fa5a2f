"""Request sizes that a registry has refused, remembered while the process lives.

``upload`` decides what to send instead.
"""


class RefusedSizes:
    """The smallest body that a registry has refused, of a PATCH and of a PUT, in bytes; infinite before the first."""

    def __init__(self) -> None:
        self.patch = self.put = float('inf')

    def learn(self, is_part: bool, size: int) -> None:
        """Remember that a body was refused.

        :param is_part: the body of a PATCH; else that of the PUT with the last part
        """
        if is_part:
            self.patch = min(size, self.patch)
        else:
            self.put = min(size, self.put)


REFUSED_SIZES: dict[str, RefusedSizes] = {}
"""What each registry has refused, by its URL."""


def refused_sizes_of(registry: str) -> RefusedSizes:
    """Return what a registry has refused so far; the caller adds to it.

    :param registry: the registry's URL
    """
    return REFUSED_SIZES.setdefault(registry, RefusedSizes())
