"""Arguments: of a wrong type, as they are easily given to the library, each with what to write instead.

What the names in them may be is decided by ``names``. No message quotes a value: it may be a secret, or large.
"""

import os
from collections.abc import Iterable
from typing import Any

_BYTES = (bytes, bytearray, memoryview)

AUTH = 'auth=lambda dxf, response: dxf.authenticate(USERNAME, PASSWORD, response=response)'
"""How what answers challenges is written."""


def check_auth(auth: Any) -> None:
    """Check that what is to answer challenges can be called; requests itself takes a pair of user and password.

    :raises TypeError: it cannot
    """
    if auth is not None and not callable(auth):
        raise TypeError(f'auth is a function: {AUTH}')


def check_filename(filename: Any) -> None:
    """Check that the first argument of ``push_blob`` is a path.

    :raises TypeError: it is what to store
    """
    if not isinstance(filename, (str, os.PathLike)):
        raise TypeError(f'filename is the path of a file, and not {_kind(filename)}: '
                        'write push_blob(data=...) for what to store')


def several(values: Iterable[Any], name: str, first: str = '') -> list[Any]:
    """Return the items of an argument that takes several.

    :param name: the method's
    :param first: its arguments before them, as they are written
    :raises TypeError: it is one item, of which each character, byte or line would be taken for one; or nothing
    """
    if isinstance(values, (str, *_BYTES, os.PathLike)) or not hasattr(values, '__iter__') \
            or hasattr(values, 'read'):
        raise TypeError(f'{name} takes a list, and not {_kind(values)}: write {name}({first}[...])')
    return list(values)


def check_one(digest: Any, name: str, several_by: str = '') -> None:
    """Check that the digest of one blob was given.

    :param name: the method's
    :param several_by: what to write for several; by default a loop
    :raises TypeError: it is a list, or the like
    """
    if isinstance(digest, str):
        return
    several_by = several_by or f'for digest in [...]: {name}(digest)'
    hint = '' if digest is None or not hasattr(digest, '__iter__') or isinstance(digest, _BYTES) else \
        f': write {several_by}'
    raise TypeError(f'{name} takes one digest, a str, and not {_kind(digest)}{hint}')


def check_blobs(values: Iterable[Any], name: str, written: str) -> None:
    """Check that blobs were given one by one: each by its digest, or with its size.

    :param name: the method's
    :param written: how it is called
    :raises TypeError: one of them is a list of several, or the like
    """
    for value in values:
        if not isinstance(value, str) and not _is_sized(value):
            raise TypeError(f'{name} takes each digest, or (digest, size), by itself, and not {_kind(value)}: '
                            f'write {written}')


def _is_sized(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], str) \
        and (value[1] is None or isinstance(value[1], int))


def check_each(values: Iterable[Any], name: str, first: str = '') -> None:
    """Check that digests or aliases were given one by one.

    :param name: the method's
    :param first: its arguments before them, as they are written
    :raises TypeError: one of them is a list, or the like
    """
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f'{name} takes texts one by one, and not {_kind(value)}: write {name}({first}*[...])')


def _kind(value: Any) -> str:
    if value is None:
        return 'None'
    kind = type(value).__name__
    return f'{"an" if kind[0].lower() in "aeiou" else "a"} {kind}' if kind != 'bytes' else kind
