"""Checks of arguments: the error for a wrong type says what to write instead.

``client_arguments`` has those of the classes. ``parameters`` decides which parameter gets which check.
What the names in them may be is decided by ``names``. No message quotes a value: it may be a secret, or large.
"""

import errno
import os
from collections.abc import Iterable, Mapping
from typing import Any

from dxf.exceptions import DXFInvalidDocumentError

BYTES = (bytes, bytearray, memoryview)


def check_flag(value: Any, name: str, function: str) -> None:
    """Check that a truth value was given: any text, path or file would count as true.

    :param name: the argument's
    :param function: the function's
    :raises TypeError: something else
    """
    if value is None or isinstance(value, int) and value in (0, 1):
        return
    if isinstance(value, (str, *BYTES, os.PathLike, int, float)) or callable(value) or \
            any(hasattr(value, each) for each in ('__iter__', 'read', 'write')):
        hint = _in_place_of_size(value) if function == 'pull_blob' else f'write {name}=True'
        raise TypeError(f'{name} is True or False, and not {kind_of(value)}: {hint}')


def _in_place_of_size(value: Any) -> str:
    """Return what to write in place of the second argument of ``pull_blob``."""
    if isinstance(value, (int, float)):
        return 'write pull_blob(digest, chunk_size=...)'
    if isinstance(value, str) and value.startswith('sha256:'):
        return 'write pull_blobs([...])'
    return 'write pull_to_file(filename, digest) to store a blob in a file'


def check_path_type(path: Any, name: str) -> None:
    """Check that a path was given.

    :param name: the argument's
    :raises TypeError: something else
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f'{name} is a path, a str, and not {kind_of(path)}')


def check_not_empty(folder: str | os.PathLike[str]) -> None:
    """Check that the path of a folder to write to is not empty, as that of an unset variable is.

    It would be the current folder, in which files are replaced and deleted.

    :raises ValueError: it is empty
    """
    if not os.fspath(folder):
        raise ValueError("the path of the folder is empty: '.' is the current one")


def check_home(path: str | os.PathLike[str], name: str) -> None:
    """Check that a path does not begin with a ``~`` that stands for a home: a file of that name would be made.

    :param name: the argument's
    :raises FileNotFoundError: it does, and there is no such file or folder here
    """
    text = os.fsdecode(path)
    if os.path.expanduser(text) != text and not os.path.lexists(text.split(os.sep)[0]):
        raise FileNotFoundError(errno.ENOENT, f'{os.strerror(errno.ENOENT)}; ~ is not replaced: write '
                                f'os.path.expanduser({name})', text)


def check_path_to_hash(path: Any) -> None:
    """Check that a path was given, not a number, which ``open`` takes for a file that is open.

    :raises TypeError: something else
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise TypeError(f'filename is the path of a file, and not {kind_of(path)}')


def check_bytes(content: Any) -> None:
    """Check that what is to be hashed is no text.

    :raises TypeError: it is
    """
    if isinstance(content, str):
        raise TypeError('buf is bytes, and not a str: write hash_bytes(text.encode()), or hash_file(filename)')


def check_mapping(mapping: Any, name: str, _function: str) -> None:
    """Check that a mapping was given.

    :param name: the argument's
    :raises TypeError: something else
    """
    if not isinstance(mapping, Mapping):
        raise TypeError(f'{name} is a dict, and not {kind_of(mapping)}: write {name}={{...: ...}}')


def check_conditions(if_absent: Any, if_match: Any) -> dict[str, Any]:
    """Check that an alias is to be set on one condition at most; return that as the arguments of ``set_manifest``.

    :return: empty without a condition: subclasses override ``set_manifest`` without these arguments
    :raises ValueError: on both
    """
    if if_absent and if_match is not None:
        raise ValueError('if_absent and if_match exclude each other')
    return {'if_absent': if_absent, 'if_match': if_match} if if_absent or if_match is not None else {}


def check_created(created: Any, _name: str, _function: str) -> None:
    """Check a moment in seconds since 1970.

    :raises TypeError: it is no whole number
    """
    if not hasattr(created, '__index__'):
        hint = ': write int(created.timestamp())' if hasattr(created, 'timestamp') else ''
        raise TypeError(f'created is an int, seconds since 1970, and not {kind_of(created)}{hint}')


def check_manifest_by_name(alias: Any, manifest: Any) -> None:
    """Check that what follows an alias is no argument that must be given by its name.

    :raises DXFInvalidDocumentError: it is a text such as that of a platform
    """
    if alias is not None and isinstance(manifest, str) and not manifest.lstrip().startswith('{'):
        raise DXFInvalidDocumentError("manifest is the text of a manifest, which begins with {; other arguments are "
                                      "written by name: platform='linux/amd64', sizes=True")


def check_manifest(manifest: Any, name: str) -> None:
    """Check that a manifest was given as its text.

    :param name: the argument's
    :raises TypeError: it is a document that was parsed: its text, and so its digest, is not known any more
    """
    if not isinstance(manifest, (str, *BYTES)):
        hint = ': write json.dumps(...)' if isinstance(manifest, dict) else ''
        raise TypeError(f'{name} is the text of a manifest, and not {kind_of(manifest)}{hint}')


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
        raise TypeError(f'{name} is a str, and not {kind_of(value)}' + (f': write {written}' if written else ''))


def check_progress(progress: Any, _name: str, _function: str) -> None:
    """Check that ``progress`` can be called.

    :raises TypeError: it cannot
    """
    if progress is not None and not callable(progress):
        hint = '; set_alias(alias, digest) sets an alias' if isinstance(progress, str) else ''
        raise TypeError(f'progress is a function, and not {kind_of(progress)}{hint}')


def check_callback(callback: Any, name: str, _function: str) -> None:
    """Check that an argument can be called.

    :raises TypeError: it cannot
    """
    if not callable(callback):
        raise TypeError(f'{name} is a function, and not {kind_of(callback)}')


def check_count(count: Any, name: str, _function: str, counted: str = '', least: int = 0) -> None:
    """Check that an argument is a whole number that is large enough.

    :param counted: what it counts, as it follows "a number": ``' of bytes'``
    :raises TypeError: it is no whole number
    :raises ValueError: it is less than ``least``
    """
    if not hasattr(count, '__index__'):
        raise TypeError(f'{name} is an int, and not {kind_of(count)}')
    if count < least:
        raise ValueError(f'{name} is a number{counted}, at least {least}')


def check_client(client: Any, name: str, method: str) -> None:
    """Check that a repository was given by its client.

    :param name: the argument's
    :param method: one that it must have
    :raises TypeError: it is the name of a registry, or the like
    """
    if isinstance(client, type) or not hasattr(client, method):
        raise TypeError(f'{name} is a DXF, and not {kind_of(client)}: write DXF(host, repo)')


def check_batch_size(batch_size: Any, _name: str, _function: str) -> None:
    """Check how many names are to be asked for at a time.

    :raises TypeError: it is no number: the name of a repository, say
    :raises ValueError: it is less than 1: some registries would answer with no names
    """
    try:
        number = int(batch_size)
    except (TypeError, ValueError):
        raise TypeError(f'batch_size is an int, and not {kind_of(batch_size)}: the repository is given by '
                        'DXF(host, repo)') from None
    if number < 1:
        raise ValueError('batch_size is a number of names to ask for at a time, at least 1')


def check_chunk_size(chunk_size: Any, name: str, function: str) -> None:
    """Check how many bytes are to be handed out at a time.

    :raises TypeError: it is no whole number
    :raises ValueError: it is less than 0
    """
    if chunk_size is not None:
        check_count(chunk_size, name, function, ' of bytes')


def check_filename(filename: Any, name: str, function: str) -> None:
    """Check that the first argument of ``push_blob`` or ``pull_to_file`` is a path.

    :param name: the argument's
    :param function: the function's
    :raises TypeError: it is what to store, or an open file
    """
    if not isinstance(filename, (str, os.PathLike)):
        hint = 'write push_blobs([...])' if function == 'push_blob' and isinstance(filename, (list, tuple)) else \
            'write push_blob(data=...) for what to store' if function == 'push_blob' else \
            'write for chunk in pull_blob(digest): file.write(chunk)' if hasattr(filename, 'write') else \
            'write pull_to_file(filename, digest)'
        raise TypeError(f'{name} is the path of a file, and not {kind_of(filename)}: {hint}')
    check_home(filename, name)


def several(values: Iterable[Any], name: str, first: str = '') -> list[Any]:
    """Return the items of an argument that takes several.

    :param name: the method's
    :param first: its arguments before them, as they are written
    :raises TypeError: it is one item (its characters, bytes or lines would count as items), or nothing
    """
    if isinstance(values, (str, *BYTES, os.PathLike)) or not hasattr(values, '__iter__') \
            or hasattr(values, 'read'):
        raise TypeError(f'{name} takes a list, and not {kind_of(values)}: write {name}({first}[...])')
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
    hint = '' if digest is None or not hasattr(digest, '__iter__') or isinstance(digest, BYTES) else \
        f': write {several_by}'
    raise TypeError(f'{name} takes one digest, a str, and not {kind_of(digest)}{hint}')


def check_blobs(values: Iterable[Any], name: str, written: str) -> None:
    """Check that blobs were given one by one: each by its digest, or with its size.

    :param name: the method's
    :param written: how it is called
    :raises TypeError: one of them is a list of several, or the like
    """
    for value in values:
        if not isinstance(value, str) and not _is_sized(value):
            raise TypeError(f'{name} takes each digest, or (digest, size), by itself, and not {kind_of(value)}: '
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
        if isinstance(value, BYTES):
            raise TypeError(f'{name} takes texts, and not {kind_of(value)}: push_blob(data=...) stores bytes and '
                            'returns their digest')
        if not isinstance(value, str):
            written = f'{first}digest' if value is None and first else f'{first}*[...]'
            raise TypeError(f'{name} takes texts one by one, and not {kind_of(value)}: write {name}({written})')


def kind_of(value: Any) -> str:
    """Return what a value is, as a message shows it: its type with an article."""
    if value is None:
        return 'None'
    kind = type(value).__name__
    return f'{"an" if kind[0].lower() in "aeiou" else "a"} {kind}' if kind != 'bytes' else kind
