"""Selections: which files and folders operands name, and which files in the folders are stored.

``patterns`` compares names with patterns. ``push`` sends what was selected.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dxf.arguments import check_path_type, several
from dxf.artifacts import tar_writer
from dxf.artifacts.manifest import FILE_TYPE, FOLDER_TYPE, check_media_type
from dxf.artifacts.patterns import ALL, Patterns
from dxf.artifacts.safe_paths import Paths, check_path
from dxf.exceptions import DXFInvalidNameError, DXFSourceError
from dxf.local.folders import HOLDS, is_in_registry, registry_folder, relation_to_registry
from dxf.parameters import checked


class File(NamedTuple):
    """A file, or a folder, that is to be pushed: where it is, what it is to be called, and its media type.

    :param patterns: which files of a folder are stored; ``None`` for all
    :param folder: of a file of a folder whose files are stored one by one, the path of that folder
    """

    filename: str
    name: str
    media_type: str
    patterns: Patterns | None = None
    folder: str | None = None


class Selection(NamedTuple):
    """What is to be pushed.

    :param files: files, and folders that become archives
    :param not_kept: what is not stored of files that are stored one by one: empty folders, and that a file is
        executable
    :param unused: patterns of ``exclude`` that no file fits
    """

    files: list[File]
    not_kept: list[str]
    unused: list[str]


@checked
def choose(operands: Iterable[str]) -> list[File]:
    """Return the files that operands name, checked.

    An operand is the path of a file or a folder. If that does not exist, what follows the last colon is its media type.
    A file is to be called by its path; where that is absolute or leads upwards, by the last part of it.

    :raises DXFInvalidNameError: a name cannot be pulled, two files have the same, or a media type is not valid
    :raises DXFSourceError: something is neither a file nor a folder
    :raises OSError: a file cannot be read
    """
    return chosen(several(operands, 'choose'))


@checked
def select(operands: Iterable[str], *, each: bool = False, include: Iterable[str] = (), exclude: Iterable[str] = ()
           ) -> Selection:
    """Return the files that operands and patterns select, checked.

    The operands are those of :func:`choose`. A pattern is compared with the name that a file is to have.

    :param each: store the files of folders one by one, each by its own name. Those of the folder ``.`` are called by
        their paths within it
    :param include: patterns; only files that fit one of them are stored
    :param exclude: patterns; files that fit one of them are not stored, and folders not read
    :raises DXFInvalidNameError: a pattern is not valid, no file fits one of ``include``, or no file is left; and what
        :func:`choose` raises
    :raises DXFSourceError: something that is not excluded is neither a file nor a folder
    :raises OSError: a file cannot be read
    """
    patterns = Patterns(*(several(some, 'select', 'operands, include=') for some in (include, exclude)))
    files: list[File] = []
    not_kept: list[str] = []
    for operand in several(operands, 'select'):
        file = _file(_path(operand), each)._replace(patterns=patterns)
        if each and os.path.isdir(file.filename):
            files += _each(file, patterns, not_kept)
        elif _is_selected(file, patterns):
            files.append(file)
    _check_used(patterns, files)
    return Selection(_checked(files), not_kept, patterns.unused_excludes)


def chosen(files: Iterable[File | str]) -> list[File]:
    """Return files that are given by their paths, or as records, checked."""
    return _checked([file if isinstance(file, File) else _file(_path(file)) for file in files])


def _path(file: str | os.PathLike[str]) -> str:
    check_path_type(file, 'each of the files')
    return os.fspath(file)


def _checked(files: list[File]) -> list[File]:
    """Return files and folders that can be pulled again under their names."""
    paths = Paths()
    for file in files:
        check_media_type(file.media_type)
        if os.path.isdir(file.filename):
            for entry in contents_of(file):
                paths.add(entry.path, entry.is_folder)
        else:
            paths.add(file.name)
    return files


def contents_of(file: File) -> list[tar_writer.Entry]:
    """Return what is stored of a folder, sorted, itself first."""
    return tar_writer.contents(file.filename, file.name, file.patterns or ALL)


def check_apart(files: list[File], host: str, option: str = '') -> None:
    """Check that no folder to be stored holds the registry, which would be stored in itself, and grow each time.

    :param option: what leaves a file out, for the message
    :raises DXFSourceError: one does, and no pattern leaves the registry out
    """
    for folder in dict.fromkeys(file.folder or file.filename for file in files):
        if os.path.isdir(folder) and relation_to_registry(folder, host) == HOLDS and \
                any(is_in_registry(path, host) for path in {*map(os.path.dirname, _paths_of(files, folder))}):
            root = registry_folder(host)
            left_out = f', or leave it out: {option}{os.path.basename(root)}' if option else ''
            raise DXFSourceError(f'{folder}: the registry {root} is in this folder, and would be stored in itself: '
                                 f'keep it elsewhere{left_out if os.path.realpath(folder) != root else ""}')


def _paths_of(files: list[File], folder: str) -> Iterator[str]:
    """Yield the paths of what is stored of a folder, as an archive or one by one."""
    for file in files:
        if file.filename == folder:
            yield from (entry.filename for entry in contents_of(file))
        elif file.folder == folder:
            yield file.filename


def _each(folder: File, patterns: Patterns, not_kept: list[str]) -> Iterator[File]:
    """Yield the files of a folder; add what is lost of it to ``not_kept``."""
    if folder.name and patterns.is_excluded(folder.name, True):
        return
    for entry in contents_of(folder):
        if not entry.is_folder:
            if os.stat(entry.filename).st_mode & stat.S_IXUSR:
                not_kept.append(f'{entry.path} is executable')
            yield File(entry.filename, entry.path, folder.media_type, folder=folder.filename)
        elif not os.listdir(entry.filename):
            not_kept.append(f'{entry.path or entry.filename} is an empty folder')


def _is_selected(file: File, patterns: Patterns) -> bool:
    """Return whether a file is stored, or a file in a folder."""
    is_folder = os.path.isdir(file.filename)
    if patterns.is_excluded(file.name, is_folder):
        return False
    if patterns.is_included(file.name, is_folder):
        return True
    return is_folder and any(not entry.is_folder for entry in contents_of(file))


def _check_used(patterns: Patterns, files: list[File]) -> None:
    """Check that each pattern of what to store fits something, and that something is left."""
    if patterns.unused_includes:
        raise DXFInvalidNameError(f'no file fits {patterns.unused_includes[0]!r}: a pattern with a / is compared with '
                                  'the whole name that a file gets, one without with its last part')
    if not files:
        raise DXFInvalidNameError('no file is left to store')


def _file(operand: str, is_each: bool = False) -> File:
    filename, media_type = operand, ''
    if not os.path.lexists(operand) and ':' in operand:
        filename, _, media_type = operand.rpartition(':')
    try:
        default = FOLDER_TYPE if _is_folder(filename) and not is_each else FILE_TYPE
        name = '' if is_each and os.path.normpath(filename) == os.curdir else _name(filename)
        return File(filename, name, media_type or default)
    except OSError as error:
        error.filename = error.filename or repr(operand)
        raise


def _is_folder(filename: str) -> bool:
    mode = os.stat(filename).st_mode
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise DXFSourceError(f'{filename}: neither a file nor a folder')
    if not os.access(filename, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), filename)
    return stat.S_ISDIR(mode)


def _name(filename: str) -> str:
    path = os.path.normpath(filename)
    if os.path.isabs(path) or path.split(os.sep)[0] in (os.pardir, os.curdir):
        path = os.path.basename(os.path.abspath(path))
    return check_path(path)
