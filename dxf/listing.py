"""Listings: names that a registry gives out page by page.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags
"""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from requests import Response

from dxf.answers import read_body
from dxf.auth import origin_of
from dxf.documents import load_object
from dxf.exceptions import DXFInvalidDocumentError, DXFProtocolError
from dxf.limits import Limits
from dxf.session import resolve


class PaginatingResponse:
    """The names of a listing, fetched as they are asked for; iterating again asks the registry again.

    :param fetch: makes the request for a path or a URL
    :param path: of the first page
    :param key: where a page keeps its names
    :param check: returns a name, or raises if it is none
    """

    def __init__(self, fetch: Callable[[str], Response], path: str, key: str, check: Callable[[str], str],
                 limits: Limits) -> None:
        self._fetch = fetch
        self._path = path
        self._key = key
        self._check = check
        self._limits = limits

    def __iter__(self) -> Iterator[str]:
        """Yield the names.

        :raises DXFProtocolError: pages lead elsewhere, in circles, or do not end
        :raises DXFInvalidNameError: a name that breaks its grammar
        """
        page: str | None = self._path
        seen: set[str] = set()
        while page is not None:
            if page in seen or len(seen) >= self._limits.pages:
                raise DXFProtocolError('the pages of the listing do not end')
            seen.add(page)
            response = self._fetch(page)
            for name in self._names(read_body(response, self._limits.page, self._limits)):
                yield self._check(name)
            page = next_page(response)

    def _names(self, body: bytes) -> list[str]:
        names = load_object(body).get(self._key)
        if names is None:  # what registries answer once the last tag is gone
            return []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DXFInvalidDocumentError(f'invalid listing: {self._key} is no list of names')
        return names


def next_page(response: Response) -> str | None:
    """Return the URL of the page after this one: it must be of the same listing."""
    link = response.links.get('next', {}).get('url')
    if link is None:
        return None
    url = resolve(response, link, lift=True)
    if origin_of(url) != origin_of(response.url) or urlsplit(url).path != urlsplit(response.url).path:
        raise DXFProtocolError('the next page of the listing leads elsewhere')
    return url
