"""Arguments: of a wrong type, as they are easily given to the library, each with what to write instead.

What the names in them may be is decided by ``names``. No message quotes a value: it may be a secret, or large.
"""

import os
from collections.abc import Iterable
from typing import Any


def check_auth(auth: Any) -> None:
    """Check that what is to answer challenges can be called; requests itself takes a pair of user and password.

    :raises TypeError: it cannot
    """
    if auth is not None and not callable(auth):
        raise TypeError('auth is a function: auth=lambda dxf, response: '
                        'dxf.authenticate(USERNAME, PASSWORD, response=response)')


def check_filename(filename: Any) -> None:
    """Check that the first argument of ``push_blob`` is a path.

    :raises TypeError: it is what to store
    """
    if not isinstance(filename, (str, os.PathLike)):
        raise TypeError(f'filename is the path of a file, and not {_kind(filename)}: '
                        'write push_blob(data=...) for what to store')


def several(values: Iterable[Any], name: str) -> list[Any]:
    """Return the items of an argument that takes several.

    :param name: the method's
    :raises TypeError: it is one item, of which each character, byte or line would be taken for one
    """
    if isinstance(values, (str, bytes, bytearray, memoryview, os.PathLike)) or hasattr(values, 'read'):
        raise TypeError(f'{name} takes a list, and not {_kind(values)}: write {name}([...])')
    return list(values)


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
    kind = type(value).__name__
    return f'{"an" if kind[0].lower() in "aeiou" else "a"} {kind}' if kind != 'bytes' else kind
