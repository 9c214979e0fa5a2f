"""URLs: what dxf accepts of those that a server sends, where they lead, and which origin or machine they name.

Who may see a credential is decided by ``auth``; what is shown of a URL, by ``redaction``.
"""

import ipaddress
import re
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from dxf.exceptions import DXFProtocolError
from dxf.names import HOST_LENGTH, is_v6

if TYPE_CHECKING:  # commands check their operands without requests
    from requests import Response

DEFAULT_PORTS = {'http': 80, 'https': 443}
MALFORMED_URL = 'the registry sent an address that dxf does not follow'

LOCALHOST = ('localhost', 'localhost4', 'localhost6', 'ip6-localhost', 'ip6-loopback')
"""Names of the client's own machine, as all names below them."""

Origin = tuple[str, str, int]
"""Scheme, host in lower case, and port."""

_LABEL = r'[A-Za-z0-9_-]{1,63}'
_AUTHORITY = rf'(?a)(?:(?P<name>{_LABEL}(?:\.{_LABEL})*\.?)|\[(?P<v6>[0-9A-Fa-f:.]+)\])(?::[0-9]*)?'

_UNFIT = r'[\x00-\x20\x7f-\x9f\ud800-\udfff]'
"""What no URL has. urljoin drops some of it silently; a lone surrogate cannot be encoded."""

NORMAL_URL = re.compile(
    r'https?://[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::(?:[1-5][0-9]{4}|[1-9][0-9]{0,3}))?'
    r'(?:/(?![/.])(?:[A-Za-z0-9._~:@=+-]|{escape})*)+'
    r'(?:\?(?:[A-Za-z0-9._~:@/=&+-]|{escape})+)?'.replace(
        '{escape}', '%(?!2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])[2-7][0-9A-F]'), re.ASCII)
"""URLs that requests and urllib3 send as they are, but not all of them.

They undo escapes of what need not be escaped, and change paths with ``//`` or ``/.``.
"""

# Addresses that are compatible with IPv4, and the prefix of NAT64:
# https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.1, https://www.rfc-editor.org/rfc/rfc6052#section-2.1
_V4_IN_V6 = (ipaddress.IPv6Network('::/96'), ipaddress.IPv6Network('64:ff9b::/96'))


def split_url(url: str) -> SplitResult:
    """Split a URL that a server sent.

    :raises DXFProtocolError: it has control characters or spaces, a user name, a port out of range, another scheme than
        http and https, or a host that nothing could look up: an empty label, one above 63 characters, a broken address
    """
    # A server that is not trusted chooses this URL. What parsers read in different ways (a backslash, a tab, a user
    # name with @) is refused: one of them would check another host than the other one asks.
    is_fit = False
    with suppress(ValueError):  # its text would quote the URL
        parts = urlsplit(url)
        is_fit = parts.scheme in DEFAULT_PORTS and _is_authority(parts.netloc) and parts.port != 0
    if not is_fit or '\\' in url or re.search(_UNFIT, url):
        raise DXFProtocolError(MALFORMED_URL)
    return parts


def _is_authority(authority: str) -> bool:
    """Return whether the authority of a URL is a host, with or without a port.

    More is taken than in the names that users write: underscores (names of containers), a dot at the end, an empty
    port. https://www.rfc-editor.org/rfc/rfc3986#section-3.2
    """
    match = re.fullmatch(_AUTHORITY, authority)
    if match is None or len(match['name'] or '') > HOST_LENGTH + 1:
        return False
    return match['v6'] is None or is_v6(match['v6'])


def origin_of(url: str) -> Origin:
    """Return scheme, host and port of a URL: https://www.rfc-editor.org/rfc/rfc6454#section-4."""
    parts = urlsplit(url)
    # The port is part of the origin: another port of the same host may be another user's server.
    return parts.scheme, (parts.hostname or '').lower(), parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def absolute_url(response: 'Response', location: str) -> str:
    """Return the URL that a Location or Link of ``response`` names, absolute.

    :raises DXFProtocolError: it is no URL of http or https, or has a user name
    """
    url = _joined(response, location)
    split_url(url)
    return url


def _joined(response: 'Response', location: str) -> str:
    """Return a relative or absolute URL, absolute, or an empty text if it is no URL."""
    if re.search(_UNFIT, location) is None:
        with suppress(ValueError):  # its text would quote the address
            return urljoin(response.url, location)
    return ''


def resolve(response: 'Response', location: str, lift: bool = False) -> str:
    """Return the URL that a Location of ``response`` names.

    :param lift: make https of http on the same host: a registry behind a proxy that ends TLS knows no better
    :raises DXFProtocolError: it leads from https to http, or is no address to follow
    """
    url = _joined(response, location)
    scheme, host, _ = origin_of(response.url)
    parts = split_url(url)
    # Without this, each registry behind such a proxy (nginx without X-Forwarded-Proto) would refuse all uploads.
    if lift and scheme == 'https' and parts.scheme == 'http' and parts.hostname == host:
        return 'https' + url.removeprefix('http')
    # The content, and a signed URL, would be readable on the way.
    if parts.scheme == 'http' and scheme == 'https':
        raise DXFProtocolError('the registry redirects from https to http: dxf does not follow that')
    return url


def is_loopback(host: str) -> bool:
    """Return whether a host is the client's own machine: an address, a name by definition, or in usual hosts files.

    https://www.rfc-editor.org/rfc/rfc6761#section-6.3
    """
    return host.rpartition('.')[2] in LOCALHOST or host.partition('.localdomain')[0] in LOCALHOST or \
        any(address.is_loopback for address in addresses_in(host))


def addresses_in(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the address that ``host`` writes, in any spelling that a resolver takes (``0x7f.1`` too), if it does.

    With an IPv6 address comes the IPv4 address that it stands for (mapped, compatible, 6to4, NAT64).
    """
    import socket

    # inet_aton, as resolvers use it: 127.1, 0x7f.1 and 2130706433 are all 127.0.0.1 to connect(), and no address to
    # ipaddress.
    with suppress(OSError, UnicodeError):
        return [ipaddress.IPv4Address(socket.inet_aton(host))]
    try:
        v6 = ipaddress.IPv6Address(host)
    except ValueError:
        return []
    if v6.ipv4_mapped is not None:
        return [v6.ipv4_mapped]
    if v6.sixtofour is not None:
        return [v6, v6.sixtofour]
    if any(v6 in network for network in _V4_IN_V6):
        return [v6, ipaddress.IPv4Address(int(v6) & 0xffffffff)]
    return [ipaddress.IPv6Address('::')] if v6.is_site_local else [v6]
