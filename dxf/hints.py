"""Hints: what an error should tell beyond its text, and only who raised or passed it on knows.

Kept with the error as plain texts, so that it can still be pickled. What its message becomes is decided by ``faults``.
"""

NO_DELETIONS = 'the registry must allow deletions (distribution: storage.delete.enabled)'

_HINT, _TARGET = 'dxf_hint', 'dxf_target'


def add_hint(error: BaseException, hint: str) -> None:
    """Have the message of an error end with a hint."""
    setattr(error, _HINT, hint)


def hint_of(error: BaseException) -> str:
    """Return the hint that was added to an error; empty without one."""
    return str(getattr(error, _HINT, ''))


def mark_as_target(error: BaseException) -> None:
    """Remember that an error came from the registry that a command copies to."""
    setattr(error, _TARGET, True)


def is_of_target(error: BaseException) -> bool:
    """Return whether an error came from the registry that a command copies to."""
    return getattr(error, _TARGET, False) is True
