"""Next steps: what a message ends with, where the command knows more of an error than the library that raised it.

What a registry answered 404 for is explained by ``not_found``.
"""

import errno
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dxf.cli import not_found
from dxf.cli.context import Context, target_of
from dxf.cli.permissions import DENIED, about_denied
from dxf.exceptions import (DXFConflictError, DXFDigestMismatchError, DXFFileNotFoundError, DXFMountFailed,
                            DXFSizeMismatchError, DXFSourceError, DXFUnexpectedStatusCodeError)
from dxf.hints import UNREAD, add_hint, hint_of
from dxf.names import FOLDER, check_registry, is_folder

if TYPE_CHECKING:  # commands check their operands without requests
    from requests import Response

MISSING = (errno.ENOENT, errno.ENOTDIR)
_BUSY = 'the registry, or a proxy before it, does not work now: wait, or set DXF_RETRIES higher'
_LATER = {
    413: 'a proxy before the registry allows no larger request: nginx has client_max_body_size for that',
    429: 'the registry limits requests: wait before the next command',
    **dict.fromkeys((502, 503, 504), _BUSY),
    507: 'the disk of the registry is full: free space there, then repeat the command'}
"""What to do about statuses, which registries often send without a word."""

_WILD = r'[*?\[]'
_DIGEST = r'(?a)sha256:[a-f0-9]{64}'
_MANIFEST = r'(?a)/v2/.*/manifests/sha256:[a-f0-9]{64}'


def add_next_step(context: Context, error: Exception) -> None:
    """Add what can be done to an error that a command raised, where that is known and the error does not tell it."""
    step = '' if hint_of(error) else _next_step(context, error)
    if step:
        add_hint(error, step)


def _next_step(context: Context, error: Exception) -> str:
    response: 'Response | None' = getattr(error, 'response', None)
    if isinstance(error, (DXFDigestMismatchError, DXFSizeMismatchError)):
        found = re.search(_DIGEST, str(error))
        return '' if found is None else not_found.damaged(context, found[0])
    if isinstance(error, DXFConflictError):
        return _about_conflict(context)
    if isinstance(error, DXFMountFailed):
        source, digest = context.operands[:2]
        return f'dxf blob-size {source} {digest}{context.settings.host_option} tells whether it is there; dxf copy ' \
            'does without mounting'
    if isinstance(error, DXFUnexpectedStatusCodeError):
        return 'the server may be no registry, or a proxy before it answers'
    return _about_files(context, error) if response is None else _about_status(response)


def _about_status(response: 'Response') -> str:
    """Return the hint for the status of a response."""
    about = {405: _about_uploads, 500: _about_manifest}.get(response.status_code)
    return _LATER.get(response.status_code, '') if about is None else about(response)


def _about_files(context: Context, error: Exception) -> str:
    """Return the hint for files that are not in an alias, or cannot be read or written."""
    if isinstance(error, DXFFileNotFoundError) and {'to', 'overwrite'} <= set(context.options):
        return '--to=DIR names the folder to write to' if context.options['to'] is None else _about_names(error.name)
    return _about_path(context, error) if isinstance(error, OSError) else _about_unread(context, error)


def _about_names(name: str) -> str:
    """Return the hint for a name that the alias lacks, and other programs take: a pattern, or ``.`` for all files."""
    if os.path.normpath(name) == os.curdir:
        return 'without a name, all files are written'
    return 'a folder stands for all that is in it, and no pattern is taken' if re.search(_WILD, name) else ''


def _about_unread(context: Context, error: Exception) -> str:
    """Return the hint for a backup of what cannot be read."""
    is_unread = isinstance(error, DXFSourceError) and 'partial' in context.options and UNREAD in str(error) and \
        '--partial' not in str(error)
    return '--exclude=PATTERN leaves out what a pattern fits, --partial stores the rest' if is_unread else ''


def _about_conflict(context: Context) -> str:
    """Return the hint for a condition of ``set-alias`` that does not hold."""
    if context.options.get('if_absent'):
        return 'without --if-absent it is replaced'
    if context.options.get('if_match'):
        return f'dxf get-manifest-digest {context.typed_repository} {context.operands[0]} prints what --if-match takes'
    return ''


def _about_manifest(response: 'Response') -> str:
    """Return the hint for a blob that was asked for as a manifest.

    distribution 2.8 answers 500 then: https://github.com/distribution/distribution/issues/3122
    """
    is_manifest = re.fullmatch(_MANIFEST, urlsplit(str(response.url)).path) is not None
    return 'if this is the hash of a blob, dxf pull-blob fetches it' if is_manifest else ''


def _about_uploads(response: 'Response') -> str:
    """Return the hint for an upload that a registry does not take.

    distribution answers 405 if it is read-only, or a mirror of another registry:
    https://distribution.github.io/distribution/about/configuration/#readonly
    """
    is_upload = response.request.method == 'POST' and urlsplit(str(response.url)).path.endswith('/blobs/uploads/')
    return 'this registry takes no uploads: it is read-only, or a mirror of another one, which --host=HOST names' \
        if is_upload else ''


def _about_path(context: Context, error: OSError) -> str:
    """Return the hint for an error of the system."""
    if error.errno in DENIED:
        return about_denied(error.filename)
    return _about_root(context, error) if error.errno in MISSING else ''


def _about_root(context: Context, error: OSError) -> str:
    """Return the hint for an error that comes from a wrong folder in ``DXF_HOST`` or ``--to``."""
    if _is_below(context.settings.host, error.filename):
        return not_found.missing_root(context.settings)
    target = target_of(context.options)
    if target is not None and _is_below(target, error.filename):
        return f'--to names {target.removeprefix(FOLDER)}, and no folder can be made there'
    return ''


def _is_below(host: str, path: object) -> bool:
    """Return whether a path is the folder that is the registry at ``host``, or below it."""
    if not is_folder(host):
        return False
    root = os.path.realpath(check_registry(host).removeprefix(FOLDER))
    return f'{path}{os.sep}'.startswith(f'{root}{os.sep}')
