"""Errors: refusals of a registry, as programs expect them of a filesystem."""

from collections.abc import Iterator
from contextlib import contextmanager

from dxf.exceptions import DXFHTTPError, DXFUnauthorizedError

DENIED = (401, 403)


@contextmanager
def usual_errors() -> Iterator[None]:
    """Raise PermissionError, with dxf's text, where the registry refuses the credential."""
    try:
        yield
    except (DXFUnauthorizedError, DXFHTTPError) as error:
        response = error.response
        if isinstance(error, DXFUnauthorizedError) or response is not None and response.status_code in DENIED:
            raise PermissionError(str(error)) from error
        raise
