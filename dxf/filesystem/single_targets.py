"""Single targets: of the files that one call copies, no two become one file. The second would replace the first."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import local


class SingleTargets(local):
    """The targets of a call that copies several files; each thread has its own."""

    def __init__(self) -> None:
        self._found: set[str] | None = None

    @contextmanager
    def of_one_call(self) -> Iterator[None]:
        """Compare the targets that are added with each other, until the call ends."""
        outer = self._found
        self._found = set()
        try:
            yield
        finally:
            self._found = outer

    def add(self, target: str) -> None:
        """Add the target of a file.

        :raises FileExistsError: another file of the same call has it
        """
        if self._found is None:
            return
        if target in self._found:
            raise FileExistsError(f'two files would become {target}')
        self._found.add(target)
