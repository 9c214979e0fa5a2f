"""What a child process must not share with the parent that forked it: connections, locks, unfinished transfers.

Objects that hold such things register here, and are called in the child directly after the fork, when only one thread
runs in it. Files with locks are the subject of :mod:`dxf.local.locking`.
"""

import os
from contextlib import ExitStack
from typing import Any, Protocol
from weakref import WeakValueDictionary


class Renewable(Protocol):
    """An object that replaces what it must not share with its parent process."""

    def renew_after_fork(self) -> None:
        """Replace it. Called in the child, where locks may be held by threads that no longer exist."""


class Process:
    """This process, in its line of forks.

    ``generation`` is the number of forks between the process that imported dxf and this one. A process ID would not
    do: a grandchild may get that of a process that has ended.
    """

    generation = 0


_renewables: 'WeakValueDictionary[int, Any]' = WeakValueDictionary()


def register(renewable: Renewable) -> None:
    """Call ``renew_after_fork`` of an object in each child process, as long as the object exists.

    The key is the identity: a subclass of a public class may define equality and so have no hash.
    """
    _renewables[id(renewable)] = renewable


def _renew_all() -> None:
    Process.generation += 1
    with ExitStack() as renewals:  # an error of one object does not stop the others
        for renewable in list(_renewables.values()):
            renewals.callback(renewable.renew_after_fork)


os.register_at_fork(after_in_child=_renew_all)
