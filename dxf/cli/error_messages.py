"""Error messages: one line for every error, and its exit status. ``request_errors`` is for errors of requests."""

import errno
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeGuard

from dxf.environment.variables import TARGET_PREFIX
from dxf.exceptions import DXFError, DXFFileNotFoundError, DXFPlatformDataNotFound, DXFUnauthorizedError
from dxf.hints import hint_of, is_of_target
from dxf.strict_json import shortened
from dxf.transport.redaction import public_host

if TYPE_CHECKING:
    from requests import RequestException

FAILED = 1

FAILED_COMPARISON = {'diff': 2}
"""By command: the status of errors where 1 means that two things differ."""

LINE_LENGTH = 4000
"""The most characters of an error message: a server may write 64 KiB into a header."""

NOT_FOUND = (DXFPlatformDataNotFound, DXFFileNotFoundError, FileNotFoundError)
"""Errors that mean not found without a response of 404."""

_FREE = 'free space there, then repeat the command'
ADVICE = {errno.ENOSPC: _FREE, errno.EDQUOT: _FREE,
          errno.EFBIG: 'the file system, or ulimit -f, allows no larger file'}
"""What to do about an error of a disk."""

_LIBRARY_VARIABLES = r'\bDXF_(INSECURE|CERT)\b'


def _is_of_requests(error: BaseException) -> 'TypeGuard[RequestException]':
    # Most mistakes are found before the first request: requests is not loaded for the message about them.
    requests = sys.modules.get('requests')
    return requests is not None and isinstance(error, requests.RequestException)


def is_answer(error: Exception) -> bool:
    """Return whether an error stands for a response of a registry."""
    return isinstance(error, DXFUnauthorizedError) or getattr(error, 'response', None) is not None


def status_of(error: Exception, command: str = '') -> int:
    """Return the exit status: 13 unauthorised, 2 not found or a host that seems to be a folder, else the command's."""
    failed = FAILED_COMPARISON.get(command, FAILED)
    if isinstance(error, DXFUnauthorizedError):
        return errno.EACCES
    if isinstance(error, NOT_FOUND):
        return errno.ENOENT
    if _is_of_requests(error):
        from dxf.cli import request_errors
        return request_errors.status_of(error) or failed
    return failed


def first_of(sentences: Sequence[str], most: int) -> str:
    """Return the first of some sentences as one line, and how many more there are."""
    more = f'; and {len(sentences) - most} more' if len(sentences) > most else ''
    return '; '.join(sentences[:most]) + more


def line_of(error: BaseException) -> str:
    """Return an error as one line that is safe to show, without anything secret."""
    if _is_of_requests(error) and not isinstance(error, DXFError):
        from dxf.cli import request_errors
        text = request_errors.text_of(error)
    elif isinstance(error, DXFUnauthorizedError):  # its reason is for programs; a command names its credential
        text = error.text
    elif isinstance(error, DXFError):
        text = _library_text(error)
    elif isinstance(error, OSError):
        name = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
        text = f'{name}: {error.strerror}' if name else error.strerror or str(error)
    elif isinstance(error, UnicodeError):  # its text shows a character, perhaps of a password
        text = f'{type(error).__name__}: a text is not UTF-8'
    else:
        text = f'{type(error).__name__}: {error}'
    hint = hint_of(error) or ADVICE.get(getattr(error, 'errno', None) or 0, '')
    return shortened(f'{text}; {hint}' if hint else text, LINE_LENGTH)


def _library_text(error: DXFError) -> str:
    """Return the text of an error of the library, which knows only the variables for ``DXF_HOST``."""
    text = str(error)
    if not is_of_target(error):
        return text
    text = re.sub(_LIBRARY_VARIABLES, rf'{TARGET_PREFIX}\1', text)
    response = getattr(error, 'response', None)
    host = '' if response is None else public_host(str(response.url))
    return text if host in text else f'{host}: {text}'
