"""Redaction: the parts of URLs, and of errors that quote them, that may be shown.

Upload sessions and storage services keep secrets in the query of a URL. The errors of requests, urllib3 and http.client
quote URLs and whatever a server sent, so their texts are replaced. They are never searched for secrets: a secret may
look like anything.
"""

import re
from collections.abc import Iterator
from typing import Any

from dxf.strict_json import shortened

URL_LENGTH = 500
"""Characters of a URL that are shown."""

# Only what a host and a port can be. A password before an @ must not pass for one.
_AUTHORITY = r'(?a)(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?'
_SCHEME = r'(?a)(?:[A-Za-z][A-Za-z0-9+.-]*:)?'
_NO_TLS = ('WRONG_VERSION_NUMBER', 'RECORD_LAYER_FAILURE', 'HTTP_REQUEST')
"""What OpenSSL says, by its release, of a response that is no TLS at all."""

_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
"""OpenSSL's codes (X509_verify_cert) for a chain that does not end at a trusted certificate."""

_QUOTING = ('requests', 'urllib3', 'http')
"""The packages whose errors quote URLs, headers and what a server sent."""


def public_url(url: str) -> str:
    """Return scheme, host, port and path of a URL, safe to show.

    User name, password, query and fragment are left out. What is not a host and port becomes ``...``.

    :param url: absolute or relative; any text
    """
    # Not urlsplit: it raises on what is no URL, and its error quotes the whole text.
    start = re.split(r'[?#]', url, maxsplit=1)[0]
    scheme, separator, rest = start.partition('//')
    if not separator or re.fullmatch(_SCHEME, scheme) is None:  # relative, or no URL at all
        return '...' if '@' in start else shortened(start, URL_LENGTH)
    path = rest[len(re.split(r'[/\\]', rest, maxsplit=1)[0]):]
    return shortened(f'{scheme}//{public_host(url)}{"/..." if "@" in path else path}', URL_LENGTH)


def public_host(url: str) -> str:
    """Return host and port of a URL, or ``...`` where it has none; any text may be given, and nothing is raised."""
    authority = re.split(r'[/\\?#]', url.partition('//')[2], maxsplit=1)[0]
    host = authority.rpartition('@')[2]
    return shortened(host, URL_LENGTH) if re.fullmatch(_AUTHORITY, host) is not None else '...'


def causes(error: BaseException, outer: BaseException | None = None) -> Iterator[BaseException]:
    """Yield an error and what led to it, through the wrappings of requests and urllib3.

    :param outer: an error that the caller was handling already; it and its causes are left out
    """
    # urllib3 keeps the error below in reason, requests in args, Python in __cause__ and __context__.
    pending: list[Any] = [error]
    seen = {id(outer)}
    while pending:
        one = pending.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [one.__context__, one.__cause__, getattr(one, 'reason', None), *one.args]


def redact(error: BaseException, outer: BaseException | None = None) -> None:
    """Replace the texts of an error and of its causes, wherever they may quote a URL, a header or a server.

    The new text names the class, the method and the URL without its secrets, and the reason of the operating system.

    :param error: of requests; its classes, causes, request and response stay
    :param outer: an error that the caller was handling already; its text stays
    """
    request = getattr(error, 'request', None)
    place = f'{request.method} {public_url(str(request.url))}' if request is not None else 'a request'
    found = list(causes(error, outer))
    # strerror comes from the operating system, and can be shown: Connection refused. Only OSErrors of Python's own are
    # asked, since requests' are OSErrors as well.
    reasons = [cause.strerror for cause in found if isinstance(cause, OSError) and not _quotes(cause)]
    reason = next(filter(None, reasons), None)
    hint = _tls_hint(found)
    for cause in found:
        if _quotes(cause):
            _replace(cause, f'{type(cause).__name__}: {place}' + (f' ({reason})' if reason else '') + hint)


def lacks_tls(error: BaseException) -> bool:
    """Return whether an error of OpenSSL means that a server answered in something else than TLS."""
    import ssl
    return isinstance(error, ssl.SSLError) and getattr(error, 'reason', None) in _NO_TLS


def is_of_unknown_issuer(error: BaseException) -> bool:
    """Return whether an error of OpenSSL means that no trusted CA signed the server's certificate."""
    import ssl
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _UNKNOWN_ISSUER


def _tls_hint(found: list[BaseException]) -> str:
    """Return what to pass to :class:`dxf.DXF`, for errors that an argument of it mends."""
    if any(map(lacks_tls, found)):
        return '; the server does not speak TLS: insecure=True is for http'
    if any(map(is_of_unknown_issuer, found)):
        return '; if a CA of your own signed the certificate: tlsverify= names a file of the CA\'s certificates'
    return ''


def _quotes(error: BaseException) -> bool:
    """Return whether an error's text may quote more than its own words; ValueError is what URL parsers raise."""
    package, _, _ = type(error).__module__.partition('.')
    return package in _QUOTING or package == 'builtins' and isinstance(error, ValueError)


def _replace(error: BaseException, text: str) -> None:
    """Replace each text in an error, in its arguments and its attributes; nested errors and numbers stay."""
    error.args = tuple(text if isinstance(arg, (str, bytes)) else arg for arg in error.args)
    # http.client.BadStatusLine keeps a server's words in line, IncompleteRead a part of the body in partial.
    for name, value in vars(error).items():
        if isinstance(value, (str, bytes)):
            setattr(error, name, text if isinstance(value, str) else b'')
    if isinstance(error, UnicodeEncodeError):
        error.object = ''
    elif isinstance(error, UnicodeDecodeError):
        error.object = b''
