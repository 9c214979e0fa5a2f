"""Hints: what the message of an error should add, and only the code that raised it or passed it on knows.

They are plain texts in the error, so that it can be pickled. ``cli.error_messages`` writes them into the message.
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
