"""Messages for errors of requests: a connection that failed, or a response that no error of dxf stands for.

``error_messages`` has those for all other errors. The text of requests' own errors is never shown: it carries URLs,
whose query may be a credential.
"""

import errno
import re
import socket
import ssl
from http import HTTPStatus
from http.client import BadStatusLine

from requests.exceptions import ConnectTimeout, HTTPError, ProxyError, RequestException, SSLError, Timeout
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError

from dxf.cli.parsers import WRONG_USAGE
from dxf.environment.variables import PREFIX, TARGET_PREFIX
from dxf.hints import is_of_target
from dxf.transfer.upload_session import UPLOAD_ADDRESS
from dxf.transport.adapter import status_of_proxy
from dxf.transport.redaction import causes, is_of_unknown_issuer, lacks_tls, public_host
from dxf.transport.responses import effective_status, error_codes, phrase_of

UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)
_PORT = r'(?a):[0-9]+\Z'

NO_CERTIFICATE = 'CERTIFICATE_REQUIRED'
OTHER_CERTIFICATE = ('UNKNOWN_CA', 'BAD_CERTIFICATE', 'UNSUPPORTED_CERTIFICATE', 'CERTIFICATE_REVOKED',
                     'CERTIFICATE_EXPIRED', 'CERTIFICATE_UNKNOWN', 'DECRYPT_ERROR', 'ACCESS_DENIED')
"""TLS alerts of a server that refuses a client certificate."""


def status_of(error: RequestException) -> int | None:
    """Return the exit status, if it is another than that of most errors."""
    if _is_unknown_folder(error):
        return WRONG_USAGE
    if isinstance(error, HTTPError) and error.response is not None:
        if error.response.status_code == 404:
            return errno.ENOENT
        if effective_status(error.response, error.response.content) == 403 and 'DENIED' in error_codes(error.response):
            return errno.EACCES
    return None


def text_of(error: RequestException) -> str:
    """Return what happened."""
    response = error.response if isinstance(error, HTTPError) else None
    return _network_message(error) if response is None else \
        f'{response.status_code} {phrase_of(response.status_code)}'


def _prefix_of(error: BaseException) -> str:
    """Return how the names of the variables begin that are for the registry that an error came from."""
    return TARGET_PREFIX if is_of_target(error) else PREFIX


def _network_message(error: RequestException) -> str:
    url = _url_of(error)
    host = _server(error)
    prefix = _prefix_of(error)
    if isinstance(error, ProxyError):
        return _proxy_message(error, host)
    found = list(causes(error))
    for cause in found:
        if isinstance(cause, ssl.SSLError) and 'ALERT_' in (reason := getattr(cause, 'reason', None) or ''):
            return _alert_message(reason, host, prefix, getattr(_pool(found), 'cert_file', None) is not None)
        known = _message_of_cause(cause, host, url, prefix)
        if known is not None:
            return known
    if isinstance(error, SSLError):
        return f'cannot speak TLS with {host}; if REQUESTS_CA_BUNDLE or {prefix}TLSVERIFY is set, does it name a ' \
               'file of certificates in PEM? openssl x509 -inform der -in FILE -out ca.pem makes one of another file'
    if isinstance(error, Timeout):
        hint = _missing_port(url) if isinstance(error, ConnectTimeout) else ''
        return f'no answer from {_with_port(url) if hint else host} in time{hint}; DXF_TIMEOUT sets the seconds to wait'
    return f'the connection to {host} broke' + (
        f'; if it speaks TLS, unset {prefix}INSECURE' if _may_want_tls(error, found) else '')


def _url_of(error: RequestException) -> str:
    request = error.request
    return str(request.url or '') if request is not None else ''


def _may_be_folder(url: str) -> bool:
    """Return whether the host of a registry's URL may be the name of a folder: it has no dot and no port."""
    return _is_registry(url) and not set('.:') & set(public_host(url))


def _is_unknown_folder(error: RequestException) -> bool:
    """Return whether the host that was not found may be the name of a folder."""
    is_unknown = any(isinstance(cause, socket.gaierror) for cause in causes(error))
    return is_unknown and not isinstance(error, ProxyError) and _may_be_folder(_url_of(error))


def _with_port(url: str) -> str:
    """Return host and port of a URL, even if it is the usual port."""
    host, default = public_host(url), 80 if url.startswith('http:') else 443
    return host if re.search(_PORT, host) else f'{host}:{default}'


def _is_registry(url: str) -> bool:
    """Return whether a URL is one of a registry rather than of its token server or storage."""
    return url.partition('//')[2].partition('/')[2].startswith('v2/')


def _missing_port(url: str) -> str:
    """Return the hint for a registry that was given without a port."""
    host = public_host(url)
    return '' if re.search(_PORT, host) or not _is_registry(url) else \
        f'; no port was given: is one missing, as in {host}:5000?'


def _may_want_tls(error: RequestException, found: list[BaseException]) -> bool:
    """Return whether a server may expect TLS: then it closes the connection, or sends an alert, in response to http."""
    request = error.request
    is_first = request is not None and request.method in ('GET', 'HEAD', 'POST')
    is_unanswered = any(isinstance(cause, (BadStatusLine, ConnectionResetError)) for cause in found)
    return is_first and is_unanswered and error.response is None and _url_of(error).startswith('http:')


def _server(error: RequestException) -> str:
    """Return the name of the server in a message: its host, or the address of an upload elsewhere.

    The registry gives the address. Behind a proxy that drops the port, the address is wrong:
    https://github.com/distribution/distribution/issues/2862
    """
    url = _url_of(error)
    address = getattr(error, UPLOAD_ADDRESS, None)
    if address is None:
        return public_host(url) if url else 'the registry'
    port = '' if re.search(_PORT, address) else ', without a port'
    return f'{address} (the address that the registry gave for the upload{port})'


def _message_of_cause(cause: BaseException, host: str, url: str, prefix: str) -> str | None:
    """Return the message for one of the causes of a failure; ``None`` if it tells too little."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        hint = f'; if a CA of your own signed it, set REQUESTS_CA_BUNDLE or {prefix}TLSVERIFY to a file of the CA\'s ' \
            'certificates' if is_of_unknown_issuer(cause) else _about_certificate(cause.verify_code, _with_port(url))
        return f'cannot verify the certificate of {host}: {cause.verify_message.rstrip(".")}{hint}'
    if lacks_tls(cause):
        return f'{host} does not speak TLS; set {prefix}INSECURE=1 only if it is meant to be used without'
    if isinstance(cause, socket.gaierror):
        is_own = host == public_host(url) and _is_registry(url)
        hint = '' if not is_own else f'; a folder is written oci:./{host}' if _may_be_folder(url) else \
            '; is the name right, and is there a network?'
        return f'cannot find {host}: {cause.strerror}{hint}'
    if isinstance(cause, ConnectionRefusedError):
        hint = _missing_port(url)
        return f'cannot connect to {_with_port(url) if hint else host}: connection refused' + (
            hint or '; is a registry running there?')
    if isinstance(cause, OSError) and cause.errno in UNREACHABLE:
        hint = _missing_port(url)
        return f'cannot connect to {_with_port(url) if hint else host}: {str(cause.strerror).lower()}{hint}'
    return None


def _about_certificate(code: int, host: str) -> str:
    """Return the hint for a certificate of a known issuer, by the number that OpenSSL has for what is wrong.

    https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/#error-codes
    """
    if code in (62, 64):
        return '; name the registry as its certificate does: openssl s_client -connect ' \
            f'{host} </dev/null | openssl x509 -noout -ext subjectAltName prints the names'
    return '; is the clock of this machine right?' if code in (9, 10) else ''


def _pool(found: list[BaseException]) -> HTTPConnectionPool | None:
    """Return the pool of the connection that failed, if an error has it."""
    pools = [cause.pool for cause in found if isinstance(cause, MaxRetryError)]
    return next((pool for pool in pools if isinstance(pool, HTTPConnectionPool)), None)


def _alert_message(reason: str, host: str, prefix: str, certified: bool) -> str:
    """Return the message for a TLS alert of a server, which may be about the client certificate.

    :param prefix: how the names of the variables begin that are for this server
    :param certified: a certificate was sent; before TLS 1.3 no alert meant that it was missing
    """
    what = reason.rpartition('ALERT_')[2]
    words = what.replace('_', ' ').lower()
    if what == NO_CERTIFICATE or what in OTHER_CERTIFICATE and not certified:
        return f'{host} demands a client certificate: set {prefix}CERT'
    if what in OTHER_CERTIFICATE:
        return f'{host} refuses the client certificate ({words}): see {prefix}CERT'
    hint = f'; if it demands a client certificate, set {prefix}CERT' if not certified else ''
    return f'cannot speak TLS with {host}: it says {words}{hint}'


def _proxy_message(error: ProxyError, host: str) -> str:
    """Return the message for a failure of a proxy, without its password."""
    found = list(causes(error))
    pool = _pool(found)
    proxy = pool.proxy if pool is not None else None
    name = 'the proxy' if proxy is None else f'the proxy {proxy.scheme}://{proxy.netloc}'
    variable = 'HTTP_PROXY' if error.request is not None and str(error.request.url).startswith('http:') else \
        'HTTPS_PROXY'
    refused = next((status for status in map(status_of_proxy, found) if status is not None), None)
    if refused in (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, HTTPStatus.UNAUTHORIZED):  # tinyproxy's of a wrong one
        wish = 'refuses the user name and password' if proxy is not None and proxy.auth else \
            'wants a user name and a password'
        return f'{name} {wish} ({refused}); {variable} is http://user:password@host:port'
    if refused is not None:
        return f'{name} does not connect to {host}: {refused} {phrase_of(refused)}'
    known = (_proxy_cause_message(cause, name) for cause in found)
    reason = next(filter(None, known), f'the connection to {name} broke')
    return f'{reason}; {variable} names it, NO_PROXY what goes without'


def _proxy_cause_message(cause: BaseException, name: str) -> str | None:
    """Return the message for one of the causes of a proxy without a response; ``None`` if it tells too little."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f'cannot verify the certificate of {name}: {cause.verify_message.rstrip(".")}'
    if isinstance(cause, socket.gaierror):
        return f'cannot find {name}: {cause.strerror}'
    if isinstance(cause, ConnectionRefusedError):
        return f'cannot connect to {name}: connection refused'
    if isinstance(cause, TimeoutError):
        return f'no answer from {name} in time'
    return None
