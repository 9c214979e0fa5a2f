"""Listings of a folder: its repositories, and the aliases of one of them, page by page.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags
"""

import os
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from requests import Response

from dxf.exceptions import DXFInvalidDocumentError
from dxf.layout import manifests
from dxf.layout.messages import LayoutRequest, respond
from dxf.layout.repositories import WITHOUT_MARKER, repositories
from dxf.strict_json import dump_json

MAX_PAGE_LENGTH = 3 << 20
"""Maximum number of characters of the names in one page of a listing: dxf reads pages of 4 MiB."""


def catalog(root: str, request: LayoutRequest) -> Response:
    """List the repositories in a folder; names that break the grammar come last, for the client to refuse.

    :raises DXFInvalidDocumentError: all others have been listed, and there are layouts that have lost their marker
    """
    os.stat(root)
    misnamed: list[str] = []
    damaged: list[str] = []
    names = sorted(repositories(root, misnamed=misnamed, damaged=damaged))
    refused = sorted(os.fsencode(name).decode('utf-8', 'backslashreplace') for name in misnamed)
    if damaged and not _after(request, names + refused):
        raise DXFInvalidDocumentError(f'left out: {", ".join(sorted(damaged))}: {WITHOUT_MARKER}')
    return _page(request, 'repositories', names + refused, is_last=not damaged)


def tags(request: LayoutRequest) -> Response:
    """List the aliases of a repository.

    :raises DXFInvalidDocumentError: all others have been listed, and there are some that dxf cannot read
    """
    request.check_exists()
    names, left_out = manifests.listing(request.layout)
    # On a page of its own, so that a client gets the others first.
    if left_out and not _after(request, names):
        raise DXFInvalidDocumentError(manifests.about_unreadable(left_out))
    return _page(request, 'tags', names, {'name': request.repository}, not left_out)


def _page(request: LayoutRequest, key: str, names: list[str], start: Mapping[str, Any] | None = None,
          is_last: bool = True) -> Response:
    """Return the next page of a listing.

    :param is_last: there is no page after the last name
    """
    most = request.query.get('n', '')
    shown = names = _after(request, names)
    if most.isascii() and most.isdigit():
        shown = shown[:int(most)]
    # A page larger than the client reads would end every listing with an error. So it is cut, and Link leads on.
    shown = shown[:_fitting(shown)]
    headers = {}
    if shown and (len(shown) < len(names) or not is_last):
        url = str(request.prepared.url).partition('?')[0]
        size = f'n={most}&' if most else ''
        headers['Link'] = f'<{url}?{size}last={quote(shown[-1], safe="")}>; rel="next"'
    return respond(HTTPStatus.OK, dump_json({**(start or {}), key: shown}).encode('utf-8'),
                   {'Content-Type': 'application/json', **headers})


def _after(request: LayoutRequest, names: list[str]) -> list[str]:
    """Return the names after the last one of the page before."""
    last = request.query.get('last', '')
    # The name that the page before ended with may have been deleted since. Then the next one in order continues.
    return names[names.index(last) + 1:] if last in names else [name for name in names if name > last]


def _fitting(names: list[str]) -> int:
    """Return how many names fit into one page of a listing."""
    size = 0
    for number, name in enumerate(names):
        size += len(name) + 4
        if size > MAX_PAGE_LENGTH:
            return number
    return len(names)
