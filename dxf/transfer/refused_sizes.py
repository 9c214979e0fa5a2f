"""Request sizes that a registry has refused. A client and its copies share them; ``part_plan`` avoids them."""

from math import inf


class RefusedSizes:
    """The smallest body that a registry has refused, of a PATCH and of a PUT, in bytes; infinite before the first."""

    # Apart: Google refuses every PATCH and takes the same bytes in one PUT.
    # https://github.com/podman-container-tools/skopeo/issues/1101
    patch: float = inf
    put: float = inf

    def learn(self, size: int, *, by_patch: bool) -> None:
        """Remember that a body was refused.

        :param by_patch: it was the body of a PATCH; else that of the PUT with the last part
        """
        # Threads share this object, and no lock is needed: at worst one more request is refused.
        if by_patch:
            self.patch = min(size, self.patch)
        else:
            self.put = min(size, self.put)
