"""Listings: names that a registry gives out page by page.

``links`` parses Link headers.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from requests import Response

from dxf.exceptions import DXFInvalidDocumentError, DXFInvalidNameError, DXFProtocolError
from dxf.limits import Limits
from dxf.strict_json import is_markup, load_object
from dxf.transport.links import next_target
from dxf.transport.response_body import read_body
from dxf.transport.urls import absolute_url, origin_of

Fetch = Callable[[str], Response]


class PaginatingResponse:
    """The names of a listing, fetched as they are asked for; iterating again asks the registry again.

    :param fetch: makes the request for a path or a URL
    :param path: of the first page
    :param key: where a page keeps its names
    :param check: returns a name, or raises if it breaks its grammar
    """

    def __init__(self, fetch: Fetch, path: str, key: str, check: Callable[[str], str], limits: Limits) -> None:
        self._fetch = fetch
        self._path = path
        self._key = key
        self._check = check
        self._limits = limits

    def __iter__(self) -> Iterator[str]:
        """Yield the names.

        :raises DXFInvalidDocumentError: a page is no list of names
        :raises DXFProtocolError: the next page cannot be told, or the pages do not end
        :raises DXFInvalidNameError: a name that breaks its grammar
        """
        for body in pages(self._fetch, self._path, self._limits):
            for name in self._names(body):
                yield self._check(name)

    def valid(self, refused: list[str]) -> Iterator[str]:
        """Yield the valid names; add what is wrong with each of the others to ``refused``."""
        for body in pages(self._fetch, self._path, self._limits):
            for name in self._names(body):
                try:
                    yield self._check(name)
                except DXFInvalidNameError as error:
                    refused.append(str(error))

    def all(self) -> list[str]:
        """Return all names.

        :raises DXFProtocolError: there are more than ``Limits.names``

        The other errors are those of iterating.
        """
        names: list[str] = []
        for name in self:
            # A registry that is not trusted decides how many names follow. Iterating has no such bound.
            if len(names) >= self._limits.names:
                raise DXFProtocolError(f'the listing has more than {self._limits.names} names, too many for a list')
            names.append(name)
        return names

    def _names(self, body: bytes) -> list[str]:
        try:
            document = load_object(body)
        except DXFInvalidDocumentError:
            # A login page or the page of a web server comes with status 200 too.
            if is_markup(body):
                raise DXFInvalidDocumentError('invalid listing: it is a web page, and the server may be no '
                                              'registry') from None
            raise
        # distribution 2.8, Artifactory and Nexus answer null once the last tag is gone.
        # Only null means that there is no name. A document without the key, such as {"errors": ...}, proves nothing.
        names = [] if self._key in document and document[self._key] is None else document.get(self._key)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DXFInvalidDocumentError(f'invalid listing: expected a list of names as {self._key}')
        return names


def pages(fetch: Fetch, path: str, limits: Limits) -> Iterator[bytes]:
    """Yield the bodies of the pages of a listing.

    :param fetch: makes the request for a path or a URL
    :param path: of the first page
    :raises DXFProtocolError: the next page cannot be told, or the pages do not end
    """
    # A registry that repeats a page would never end.
    page: str | None = path
    seen: set[bytes] = set()  # hashes: a registry may send URLs of 64 KB
    while page is not None:
        mark = sha256(page.encode('utf-8', 'surrogatepass')).digest()
        if mark in seen or len(seen) >= limits.pages:
            raise DXFProtocolError('the pages of the listing do not end')
        seen.add(mark)
        response = fetch(page)
        yield read_body(response, limits.page, limits)
        page = next_page(response)


def next_page(response: Response) -> str | None:
    """Return the URL of the page after this one, ``None`` after the last. It has the origin and path of this one.

    Registries behind a proxy that rewrites paths name the next page by their own address. Of a link to another
    address ``n`` and ``last`` count alone.
    https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags

    :raises DXFProtocolError: the Link header cannot be read, or is to another address and has no ``last``
    """
    header = response.headers.get('Link')
    target = None if header is None else next_target(header)
    if target is None:
        return None
    url = absolute_url(response, target)
    # Only the query is taken from the server. So a Link cannot lead to another host, with the credential, nor to
    # another repository.
    query = urlsplit(url).query if _is_same_listing(url, response.url) else _position(urlsplit(url).query)
    return urlsplit(response.url)._replace(query=query, fragment='').geturl()


def _is_same_listing(url: str, page: str) -> bool:
    """Return whether two URLs differ by their queries alone, or by http for https."""
    if url.startswith('http:') and page.startswith('https:'):
        # A registry behind a proxy that ends TLS calls itself http. Its host decides.
        return urlsplit(url).hostname == urlsplit(page).hostname and urlsplit(url).path == urlsplit(page).path
    return origin_of(url) == origin_of(page) and urlsplit(url).path == urlsplit(page).path


def _position(query: str) -> str:
    """Return the query that asks for what comes after ``last``."""
    try:
        # Bytes that are not UTF-8 would be replaced silently, and the listing would continue at another name.
        parameters = parse_qs(query, errors='strict')
    except ValueError:
        parameters = {}
    last = parameters.get('last', [])
    if len(last) != 1:
        raise DXFProtocolError('the next page of the listing leads elsewhere, and its link has no last')
    size = [n for n in parameters.get('n', []) if n.isascii() and n.isdigit()][:1]
    return urlencode([*(('n', n) for n in size), ('last', last[0])], quote_via=quote, safe='')
