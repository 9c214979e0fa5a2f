"""Referrers: manifests that refer to another one, by their ``subject``, and how a registry is asked for them.

Registries of before OCI 1.1 know no referrers: there an index under a tag lists them, which clients keep.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
"""

from collections.abc import Callable
from typing import Any

from requests import Response
from requests.exceptions import HTTPError

from dxf import manifests
from dxf.answers import expect, is_not_found, read_body
from dxf.documents import Json, dump_json, load_object, member
from dxf.exceptions import DXFInvalidDocumentError, DXFProtocolError
from dxf.limits import Limits
from dxf.listing import next_page
from dxf.manifests import OCI_INDEX
from dxf.names import check_digest


def tag_of(digest: str) -> str:
    """Return the tag of the index that lists the referrers of a manifest, where the registry does not."""
    return check_digest(digest).replace(':', '-')


def listed(request: Callable[..., Response], base_request: Callable[..., Response], digest: str, limits: Limits
           ) -> list[dict[str, Json]]:
    """Return the descriptors of the manifests that refer to another.

    :param request: makes a request of the repository, ``base_request`` one of a whole URL
    :param digest: the other's
    :raises DXFHTTPError: the registry refused
    """
    try:
        response = request('get', f'referrers/{check_digest(digest)}', headers={'Accept': OCI_INDEX})
    except HTTPError as error:
        if not is_not_found(error):
            raise
        return by_tag(request, digest, limits)
    found = []
    for _ in range(limits.pages):
        expect(response, 200)
        found += descriptors(read_body(response, limits.page, limits))
        page = next_page(response)
        if page is None:
            return found
        response = base_request('get', page, headers={'Accept': OCI_INDEX})
    raise DXFProtocolError('the pages of the listing do not end')


def by_tag(request: Callable[..., Response], digest: str, limits: Limits, exact: bool = False
           ) -> list[dict[str, Json]]:
    """Return the descriptors in the index that lists them under a tag; none where there is none.

    :param exact: for an index that is written again; see :func:`dxf.documents.load_json`
    """
    try:
        response = request('get', f'manifests/{tag_of(digest)}', headers={'Accept': OCI_INDEX})
    except HTTPError as error:
        if not is_not_found(error):
            raise
        return []
    expect(response, 200)
    return descriptors(read_body(response, limits.manifest, limits), exact)


def descriptors(body: bytes, exact: bool = False) -> list[dict[str, Json]]:
    """Return the descriptors in an index, each with a digest."""
    entries = member(load_object(body, exact=exact), 'manifests', list)
    for entry in entries:
        if not isinstance(entry, dict):
            raise DXFInvalidDocumentError('invalid index: manifests has something that is no descriptor')
        check_digest(member(entry, 'digest', str))
    return list(entries)


def with_referrer(entries: list[dict[str, Any]], text: str, limit: int) -> str | None:
    """Return the index that lists one manifest more; ``None`` if it is listed already.

    :param entries: what :func:`by_tag` returned, exact
    :param limit: the most bytes that are read of the index
    :raises DXFInvalidDocumentError: it would be too large to be read back
    """
    new = manifests.referrer(text)
    if any(entry['digest'] == new['digest'] for entry in entries):
        return None
    try:
        return dump_json({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [*entries, new]}, limit)
    except DXFInvalidDocumentError as error:
        raise DXFInvalidDocumentError(f'{new["digest"]} is stored, but the list of what refers to its subject cannot '
                                      f'take it: {error}') from None
