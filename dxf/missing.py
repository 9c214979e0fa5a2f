"""Missing: what a registry lacks, as far as its response of 404 and the request tell.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
"""

import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

from requests import Response

from dxf.names import is_sha256, shown_repository
from dxf.strict_json import printable
from dxf.transport.redaction import public_url
from dxf.transport.responses import error_codes

_PATH = r'(?:(?P<repository>.*)/)?(?P<kind>manifests|blobs)/(?P<name>[^/]+)'
_UNKNOWN = {'manifests': 'MANIFEST_UNKNOWN', 'blobs': 'BLOB_UNKNOWN'}


class Missing(NamedTuple):
    """What a repository lacks: ``what`` is ``alias``, ``manifest`` or ``blob``."""

    repository: str
    what: str
    name: str

    def __str__(self) -> str:
        return printable(f'{shown_repository(self.repository)} has no {self.what} {self.name}')


def missing_in(response: Response) -> Missing | None:
    """Return what is missing where a registry answered 404; ``None`` if the response may mean something else."""
    found = re.fullmatch(_PATH, public_url(response.url).partition('/v2/')[2])
    if response.status_code != HTTPStatus.NOT_FOUND or found is None:
        return None
    is_head = getattr(response.request, 'method', None) == 'HEAD'  # whose response has no codes
    codes = error_codes(response)
    if 'NAME_UNKNOWN' in codes or not is_head and _UNKNOWN[found['kind']] not in codes:
        return None
    name = unquote(found['name'])
    what = 'blob' if found['kind'] == 'blobs' else 'manifest' if is_sha256(name) else 'alias'
    return Missing(found['repository'] or '', what, name)


def described(response: Response) -> str:
    """Return a sentence about what a registry lacks; empty if that is not known."""
    missing = missing_in(response)
    return '' if missing is None else str(missing)
