"""Errors that are errors of requests too.

``exceptions`` has them as its own. requests takes longer to load than all the rest of dxf. Help, version and messages
about wrong usage need no module of requests, so these errors have a module of their own.
"""

import errno

from requests.exceptions import HTTPError

from dxf.exceptions import DXFError


class DXFHTTPError(DXFError, HTTPError):
    """The registry refused a request with a status other than 401; ``.response`` is what it sent."""

    __module__ = 'dxf.exceptions'


class DXFNotFoundError(DXFHTTPError, FileNotFoundError):
    """The registry answered 404: it has no such blob, alias, manifest or repository."""

    __module__ = 'dxf.exceptions'
    errno = errno.ENOENT
