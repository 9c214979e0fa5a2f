"""Faults: one line for every error, and the exit status that it stands for."""

import errno
import socket
import ssl
from urllib.parse import urlsplit

from requests.exceptions import HTTPError, RequestException, SSLError, Timeout

from dxf.answers import error_codes, phrase_of
from dxf.documents import printable
from dxf.exceptions import DXFError, DXFUnauthorizedError
from dxf.session import causes

FAILED = 1
UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
"""What OpenSSL's X509_verify_cert calls a chain that does not end at a certificate that is trusted."""

NO_TLS = ('WRONG_VERSION_NUMBER', 'RECORD_LAYER_FAILURE', 'HTTP_REQUEST')
"""What OpenSSL says, by its release, of an answer that is no TLS at all."""

CA_HINT = "; if a CA of your own signed it, set REQUESTS_CA_BUNDLE to a file of the CA's certificates"


def status_of(error: Exception) -> int:
    """Return the exit status: 13 unauthorised, 2 not found, else 1."""
    if isinstance(error, DXFUnauthorizedError):
        return errno.EACCES
    if isinstance(error, HTTPError) and error.response is not None:
        if error.response.status_code == 404:
            return errno.ENOENT
        if error.response.status_code == 403 and 'DENIED' in error_codes(error.response):
            return errno.EACCES
    return FAILED


def line_of(error: BaseException) -> str:
    """Return an error as one line that is safe to show, without anything secret.

    The text of requests' own errors is never shown: it carries URLs, whose query may be a credential.
    """
    if isinstance(error, RequestException) and not isinstance(error, DXFError):
        answer = error.response if isinstance(error, HTTPError) else None
        text = _network(error) if answer is None else f'{answer.status_code} {phrase_of(answer.status_code)}'
    elif isinstance(error, DXFError):
        text = str(error)
    elif isinstance(error, OSError):
        text = f'{error.filename}: {error.strerror}' if error.filename else error.strerror or str(error)
    else:
        text = f'{type(error).__name__}: {error}'
    return printable(text)


def _network(error: RequestException) -> str:
    host = urlsplit(error.request.url).netloc if error.request is not None and error.request.url else 'the registry'
    for cause in causes(error):
        known = _known(cause, host)
        if known is not None:
            return known
    if isinstance(error, SSLError):
        return f'cannot speak TLS with {host}; if REQUESTS_CA_BUNDLE or DXF_TLSVERIFY is set, does it name a file of ' \
               'certificates?'
    if isinstance(error, Timeout):
        return f'no answer from {host} in time; DXF_TIMEOUT sets the seconds to wait'
    return f'the connection to {host} broke'


def _known(cause: BaseException, host: str) -> str | None:
    """Return what one of the causes of a failure means, if it alone tells."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        hint = CA_HINT if cause.verify_code in UNKNOWN_ISSUER else ''
        return f'cannot verify the certificate of {host}: {cause.verify_message.rstrip(".")}{hint}'
    if isinstance(cause, ssl.SSLError) and cause.reason in NO_TLS:
        return f'{host} does not speak TLS; set DXF_INSECURE=1 only if it is meant to be used without'
    if isinstance(cause, socket.gaierror):
        return f'cannot find {host}: {cause.strerror}'
    if isinstance(cause, ConnectionRefusedError):
        return f'cannot connect to {host}: connection refused; is a registry running there?'
    return None
