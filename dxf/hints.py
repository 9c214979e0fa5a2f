"""Hints: texts at the end of an error message, added where the error is raised or passed on.

They are plain attributes, so that the error can still be pickled. ``cli.error_messages`` makes the message.
"""

NO_DELETIONS = 'the registry must allow deletions (distribution: storage.delete.enabled)'

PLACES = 'file or folder', 'files or folders'
"""What a backup reads: one of them, and several."""

UNREAD = 'could not be read'
"""What the error of a backup says, for which a command knows more than one option."""

_HINT, _TARGET = 'dxf_hint', 'dxf_target'


def add_hint(error: BaseException, hint: str) -> None:
    """Add a hint, with which the message of an error ends."""
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
