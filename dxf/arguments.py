"""Arguments: of a wrong type, as they are easily given to the library, each with what to write instead.

What the names in them may be is decided by ``names``. No message quotes a value: it may be a secret, or large.
"""

import io
import os
from collections.abc import Iterable
from typing import Any, Protocol


class Shown:
    """A public attribute that shows a private one.

    It is no property: a subclass that was written before dxf had it may have an attribute of that name itself.

    :param name: the private attribute's
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Any = None) -> str:
        return str(getattr(instance, self._name, ''))


_BYTES = (bytes, bytearray, memoryview)
NO = ('0', 'false', 'no', 'off', 'none')
_YES = ('1', 'true', 'yes', 'on')
"""What variables and files of settings hold in place of a truth value."""


class Readable(Protocol):
    """An open binary file, or what is read as one."""

    def read(self, size: int, /) -> bytes:
        """Return some bytes, none at the end."""


Data = str | bytes | bytearray | memoryview | Readable | Iterable[bytes]
"""What can be stored."""

AUTH = 'auth=lambda dxf, response: dxf.authenticate(USERNAME, PASSWORD, response=response)'
"""How what answers challenges is written."""


def check_auth(auth: Any) -> None:
    """Check that what is to answer challenges can be called; requests itself takes a pair of user and password.

    :raises TypeError: it cannot, or is the function that returns it
    """
    if getattr(auth, '__name__', '') == 'from_docker_config':
        raise TypeError('auth is what from_docker_config returns: write auth=from_docker_config()')
    if auth is not None and not callable(auth):
        raise TypeError(f'auth is a function: {AUTH}')


def check_security(insecure: Any, tlsverify: Any) -> None:
    """Check the arguments that say how safe a connection is: the text 'false' would count as true.

    :raises TypeError: a text in place of a truth value
    """
    if isinstance(insecure, str) and insecure.lower() in NO:
        raise TypeError(f'insecure is True or False, and not {_kind(insecure)}: write insecure=False')
    wanted = 'tlsverify is True, False or the path of a file of CA certificates'
    if isinstance(tlsverify, _BYTES):
        raise TypeError(f'{wanted}, and not {_kind(tlsverify)}')
    word = tlsverify.lower() if isinstance(tlsverify, str) and not os.path.lexists(tlsverify) else ''
    if word in (*NO, *_YES):
        raise TypeError(f'{wanted}, and not a str: write tlsverify={word in _YES}')


def check_limits(limits: Any) -> None:
    """Check that limits are ours.

    :raises TypeError: they are not
    """
    if not hasattr(limits, 'retries'):
        raise TypeError(f'limits is a Limits, and not {_kind(limits)}: write dxf.Limits(retries=...)')


def check_manifest(manifest: Any, name: str) -> None:
    """Check that a manifest was given as its text.

    :param name: the argument's
    :raises TypeError: it is a document that was parsed: its text, and so its digest, is not known any more
    """
    if not isinstance(manifest, (str, *_BYTES)):
        hint = ': write json.dumps(...)' if isinstance(manifest, dict) else ''
        raise TypeError(f'{name} is the text of a manifest, and not {_kind(manifest)}{hint}')


def check_to_pull(filename: Any, blobs: Any) -> None:
    """Check that a file stands before the blobs that are to be written into it, and that there are blobs.

    :raises TypeError: a digest stands there, or nothing follows: the file would be emptied
    """
    if isinstance(filename, str) and filename.startswith('sha256:') and os.sep not in filename and (
            not blobs or not str(blobs[0]).startswith('sha256:')):
        raise TypeError('filename is the path of a file, and not a digest: write pull_to_file(filename, digest)')
    if not blobs:
        raise TypeError('pull_to_file needs at least one digest: write pull_to_file(filename, digest)')


def check_text(value: Any, name: str, written: str = '') -> None:
    """Check that a name is a text.

    :param name: the argument's
    :param written: what to write
    :raises TypeError: it is not
    """
    if not isinstance(value, str):
        raise TypeError(f'{name} is a str, and not {_kind(value)}' + (f': write {written}' if written else ''))


def check_progress(progress: Any) -> None:
    """Check that what is to be told of progress can be called.

    :raises TypeError: it cannot
    """
    if progress is not None and not callable(progress):
        hint = '; set_alias(alias, digest) sets an alias' if isinstance(progress, str) else ''
        raise TypeError(f'progress is a function, and not {_kind(progress)}{hint}')


def check_client(client: Any, name: str, method: str) -> None:
    """Check that a repository was given by its client.

    :param name: the argument's
    :param method: one that it must have
    :raises TypeError: it is the name of a registry, or the like
    """
    if not hasattr(client, method):
        raise TypeError(f'{name} is a DXF, and not {_kind(client)}: write DXF(host, repo)')


def check_jobs(jobs: Any) -> None:
    """Check how many things are to be done at once.

    :raises TypeError: it is no whole number
    :raises ValueError: it is less than 1
    """
    if not hasattr(jobs, '__index__'):
        raise TypeError(f'jobs is an int, and not {_kind(jobs)}')
    if jobs < 1:
        raise ValueError('jobs is a number of things to do at once, at least 1')


def check_connection(host: object, auth: object, insecure: object, auth_host: object, tlsverify: object,
                     timeout: object) -> None:
    """Check the types of a client's arguments: of those by which it reaches a registry.

    :raises TypeError: one has another type
    """
    check_text(host, 'host', "'registry.example.com:5000', '' for Docker Hub, or 'oci:./folder'")
    if auth_host is not None:
        check_text(auth_host, 'auth_host')
    check_auth(auth)
    check_security(insecure, tlsverify)
    check_timeout(timeout)


def check_timeout(timeout: Any) -> None:
    """Check that seconds are a number, or a pair of numbers; urllib3 would refuse others at the first request.

    :raises TypeError: they are not
    """
    parts = timeout if isinstance(timeout, (tuple, list)) else (timeout,)
    wrong = [part for part in parts if isinstance(part, (str, *_BYTES, tuple, list))]
    if wrong or isinstance(timeout, list) or isinstance(timeout, tuple) and len(timeout) != 2:
        raise TypeError(f'timeout is a number of seconds, or a pair of two, and not {_kind((*wrong, timeout)[0])}')


def batch_size_of(value: Any) -> int:
    """Return how many names are to be asked for at a time.

    :raises TypeError: it is no number: the name of a repository, say
    """
    try:
        return int(value)
    except (TypeError, ValueError):
        raise TypeError(f'batch_size is an int, and not {_kind(value)}: the repository is given by DXF(host, repo)'
                        ) from None


def check_chunk_size(chunk_size: Any) -> None:
    """Check how many bytes are to be handed out at a time.

    :raises TypeError: it is no whole number
    :raises ValueError: it is less than 0
    """
    if chunk_size is not None and not hasattr(chunk_size, '__index__'):
        raise TypeError(f'chunk_size is an int, and not {_kind(chunk_size)}')
    if chunk_size is not None and chunk_size < 0:
        raise ValueError('chunk_size is a number of bytes, or 0')


def check_data(data: Any) -> None:
    """Check what ``push_blob`` is to store, as far as that can be seen before it is read.

    :raises TypeError: it is a path, a file of text, or nothing that can be read
    """
    if data is None:
        raise TypeError('push_blob needs a filename, or data: bytes, a str, a binary file or an iterable of bytes')
    if isinstance(data, os.PathLike):
        raise TypeError(f'data is what to store, and not {_kind(data)}: write push_blob(filename)')
    if isinstance(data, io.StringIO):
        raise TypeError('data is a StringIO, whose text is not bytes: write push_blob(data=....getvalue())')
    if isinstance(getattr(data, 'file', data), io.TextIOBase):
        raise TypeError("data is a file of text: open it with 'rb'")
    if not hasattr(data, 'read') and not hasattr(data, '__iter__') and not hasattr(data, '__getitem__') \
            and not isinstance(data, _BYTES):
        raise TypeError(f'data is bytes, a str, a binary file or an iterable of bytes, and not {_kind(data)}')


def as_bytes(piece: Any) -> bytes:
    """Return a piece of what ``push_blob`` is to store, as it was read.

    :raises TypeError: it is a text, or a number, of which bytes() would make that many zeros
    """
    try:
        return piece if isinstance(piece, bytes) else memoryview(piece).tobytes()
    except TypeError:
        hint = ": write text.encode(), or open a file with 'rb'" if isinstance(piece, str) else ''
        raise TypeError(f'data consists of bytes, and not of {_kind(piece)}{hint}') from None


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
        if isinstance(value, _BYTES):
            raise TypeError(f'{name} takes texts, and not {_kind(value)}: push_blob(data=...) stores bytes and returns '
                            'their digest')
        if not isinstance(value, str):
            raise TypeError(f'{name} takes texts one by one, and not {_kind(value)}: write {name}({first}*[...])')


def _kind(value: Any) -> str:
    if value is None:
        return 'None'
    kind = type(value).__name__
    return f'{"an" if kind[0].lower() in "aeiou" else "a"} {kind}' if kind != 'bytes' else kind
