"""Counts: numbers with their nouns, as messages have them."""


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 file``, ``2 files``.

    :param plural: ``None`` for the noun with an ``s``
    """
    return f'{count} {noun if count == 1 else plural or f"{noun}s"}'
