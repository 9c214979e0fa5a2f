"""What a registry has answered to mounts from a repository itself. ``mounting`` decides what follows from that."""

from threading import Lock


class MountAnswers:
    """What is known of one registry. A client and its copies share it, and several threads may change it."""

    def __init__(self) -> None:
        self._compared = Lock()
        self.is_proven = False
        """Whether it has answered 201, with the digest, for a blob that it has."""
        self.is_useless = False
        """Whether it refuses the question, or ignores it: then 202 tells nothing."""
        self.expects_blob = False
        """Whether the last blob was there; the next one probably is."""

    def begin_comparison(self) -> bool:
        """Return whether to ask for a blob that is known to be there: true once, for one of several threads."""
        return not self.is_proven and self._compared.acquire(blocking=False)
