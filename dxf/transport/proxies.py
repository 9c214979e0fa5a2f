"""Proxies: which one a request uses, by the variables of an environment.

``adapter`` sends requests by them. The variables are those of curl and of Python itself.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from dxf.exceptions import DXFInvalidNameError
from dxf.names import check_host
from dxf.strict_json import is_utf_8
from dxf.transport.urls import DEFAULT_PORTS, origin_of

VARIABLES = ('HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY')

_WITH_PORT = r'(?a)(?P<name>\[.*\]|[^:]*):(?P<port>[0-9]+)'
# Not urlsplit: it takes a path, and spaces, too.
_ADDRESS = r'(?ai)(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?:[^/?#\s\x00-\x1f\x7f-\x9f]*@)?(?P<host>[^@/?#\s]+)/?'


class Proxies(NamedTuple):
    """The addresses of the proxies for requests by http and by https, empty for none, and what goes without."""

    http: str = ''
    https: str = ''
    bypassed: str = ''

    def of(self, url: str) -> str:
        """Return the address of the proxy for a URL, with the user name and the password in it; empty for none."""
        if not (self.http or self.https):  # the usual case: the URL need not be looked at
            return ''
        scheme, host, port = origin_of(url)
        address = {'http': self.http, 'https': self.https}.get(scheme, '')
        # curl allows spaces between entries, too.
        if not address or any(_covers(entry, host, str(port)) for entry in re.split(r'[,\s]+', self.bypassed.lower())):
            return ''
        return address


def _covers(entry: str, host: str, port: str) -> bool:
    """Return whether an entry of NO_PROXY covers a host.

    It is ``*``, a name that stands for all below it too, an address or a network; each but ``*`` may have a port.
    """
    match = re.fullmatch(_WITH_PORT, entry)
    if match is not None and match['port'] != port:
        return False
    name = (entry if match is None else match['name']).strip('[]')
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # Programs differ in which of example.com, .example.com and *.example.com they know. Here all three mean the
        # same.
        below = name.removeprefix('*').lstrip('.')
        return name == '*' or below != '' and f'.{host}'.endswith(f'.{below}')
    try:
        # 10.0.0.0/8 is in use in clusters: Go reads networks, requests IPv4 networks only.
        return name == '*' or address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False


def read_proxies(environ: Mapping[str, str]) -> Proxies:
    """Read the proxies from an environment: a variable in lower case wins, even one that is empty."""
    def value(name: str) -> str:
        # A CGI program gets the header "Proxy" of a request as HTTP_PROXY: https://httpoxy.org
        upper = '' if name == 'HTTP_PROXY' and 'REQUEST_METHOD' in environ else environ.get(name, '')
        return environ.get(name.lower(), upper).strip()

    # ALL_PROXY is curl's: the proxy for schemes that have none of their own.
    return Proxies(value('HTTP_PROXY') or value('ALL_PROXY'), value('HTTPS_PROXY') or value('ALL_PROXY'),
                   value('NO_PROXY'))


def check_proxy(address: str) -> str:
    """Return the address of a proxy, with its scheme, if it is one.

    :raises DXFInvalidNameError: it is not; the text has nothing of it, as it may hold a password
    """
    match = re.fullmatch(_ADDRESS, address)
    scheme = '' if match is None else (match['scheme'] or 'http').lower()
    is_known = scheme in DEFAULT_PORTS or scheme.startswith('socks')
    if match is None or not is_known or not is_utf_8(address) or not _is_url(address, match['host']):
        raise DXFInvalidNameError('not the address of a proxy: want http://proxy.example.com:3128, or '
                                  'http://user:password@proxy.example.com:3128 with %XX for special characters')
    # To go without the proxy would show the user's address to a registry that must not see it.
    if scheme.startswith('socks'):
        raise DXFInvalidNameError('dxf knows no SOCKS proxies, only such as http://proxy.example.com:3128')
    return address if match['scheme'] else f'http://{address}'


def _is_url(address: str, host: str) -> bool:
    try:
        check_host(host)
        urlsplit(address)
    except ValueError:  # its text may hold the password
        return False
    return True


def credential_of(address: str) -> tuple[str, str] | None:
    """Return the user name and the password in the address of a proxy, if they are there.

    An escape such as ``%E4`` may be a byte that is not UTF-8; it is a lone surrogate in the result (PEP 383).
    """
    userinfo, found, _ = urlsplit(address).netloc.rpartition('@')
    user, _, password = userinfo.partition(':')
    return (unquote(user, errors='surrogateescape'), unquote(password, errors='surrogateescape')) if found else None
