"""Manners: which ways of sending a registry has refused, remembered while the process lives.

What is sent instead is the upload's matter.
"""


class Manners:
    """What a registry has refused so far: the fewest bytes in a PATCH, and in a PUT."""

    def __init__(self) -> None:
        self.patch = self.put = float('inf')

    def learn(self, is_part: bool, size: int) -> None:
        """Take note that a body was refused: a PATCH's or, with the last part, a PUT's."""
        if is_part:
            self.patch = min(size, self.patch)
        else:
            self.put = min(size, self.put)


MANNERS: dict[str, Manners] = {}
"""Manners of registries by their URL."""


def manners_of(registry: str) -> Manners:
    """Return what has been learned of a registry; who learns more writes it there.

    :param registry: the registry's URL
    """
    return MANNERS.setdefault(registry, Manners())
