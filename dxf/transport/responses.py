"""Responses: what their headers say, and the errors that refusals stand for.

The module that makes a request decides what a good response means. ``response_body`` reads bodies.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from requests import Response
from requests.exceptions import HTTPError

from dxf.exceptions import (DXFDigestMismatchError, DXFError, DXFHTTPError, DXFNotFoundError, DXFUnauthorizedError,
                            DXFUnexpectedStatusCodeError)
from dxf.limits import Limits
from dxf.names import check_digest
from dxf.strict_json import load_object, printable
from dxf.transport.redaction import public_host, public_url
from dxf.transport.response_body import close, discard

MESSAGE_LENGTH = 200

RATE_LIMIT = 'rate limit'
"""What GitHub's text says, in lower case, whatever kind of limit was reached."""

WANT_TLS = (b'Client sent an HTTP request to an HTTPS server', b'The plain HTTP request was sent to HTTPS port',
            b"speaking plain HTTP to an SSL-enabled server port")
"""What is in the responses of Go (docker-registry, Harbor), nginx and Apache to http on a port for TLS; all are 400."""

NO_REGISTRY = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
"""Statuses of a web server that is not a registry."""

# Behind Cloudflare HEAD may be refused: https://github.com/UKGovernmentBEIS/inspect_ai/pull/1551
NO_HEAD = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
REFUSED_BY_STORAGE = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, *NO_HEAD)
"""Statuses by which storage behind a redirect refuses a HEAD of what was signed for GET."""

NGINX_WANTS = (b'No required SSL certificate was sent', b'The SSL certificate error')
"""What is in nginx's page where the client certificate is missing, and where it is a wrong one."""


def raise_for_status(response: Response, limits: Limits, describe: Callable[[Response], str] = lambda _: '') -> None:
    """Raise the error that a refusing response stands for.

    :param describe: returns a sentence about the refusal, which stands in place of the path; empty for none
    :raises DXFUnauthorizedError: 401
    :raises DXFHTTPError: any other status from 400 on; its text is the registry's own ``CODE: message``, or
        its ``message`` alone, and what was asked for, without the query: that may hold a secret
    """
    status = response.status_code
    if status < 400:
        return
    # Read before the error is raised, so that the connection can be used again, and response.content is there for
    # callers.
    body = discard(response, limits)
    message = message_of(body) or _about_tls(response, body)
    if status == HTTPStatus.UNAUTHORIZED:
        raise DXFUnauthorizedError(response=response)
    name = public_url(response.url).partition('/v2/')[2]
    text = f'{status} {phrase_of(status)}' + (f': {message}' if message else '')
    said = describe(response)
    text += f'{"; " if message else ": "}{said}' if said else f' ({name})' if name else ''
    text += f'; {public_host(response.url)} may be no registry' if name and _is_web_page(response) else ''
    raise refusal(text, response)


def refusal(text: str, response: Response) -> DXFHTTPError:
    """Return the error for a refusal of a registry, by its status."""
    kind = DXFNotFoundError if response.status_code == HTTPStatus.NOT_FOUND else DXFHTTPError
    return kind(text, response=response)


def _is_web_page(response: Response) -> bool:
    """Return whether a refusal is the page of a web server that does not know the path or the method."""
    return response.status_code in NO_REGISTRY and getattr(response.request, 'method', None) != 'HEAD' and \
        response.headers.get('Content-Type', '').lower().startswith('text/html')


def phrase_of(status: int) -> str:
    """Return what a status means, in the words of HTTP."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return 'Error'


def is_not_found(error: HTTPError) -> bool:
    """Return whether a refusal is the registry's 404; the token server's is no :class:`DXFNotFoundError`."""
    if isinstance(error, DXFHTTPError) and not isinstance(error, DXFNotFoundError):
        return False
    return error.response is not None and error.response.status_code == HTTPStatus.NOT_FOUND


def is_forbidden(error: HTTPError | DXFUnauthorizedError) -> bool:
    """Return whether a refusal is a 401 or a 403: the credential does not allow the request."""
    return error.response is not None and \
        error.response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def is_head_refused(error: HTTPError | DXFUnauthorizedError) -> bool:
    """Return whether a server refused HEAD in a way that says nothing about GET.

    A registry redirects to storage (GitLab, Quay, Harbor, distribution with S3 or R2) by a URL that is signed for GET,
    and a signature covers the method: https://github.com/distribution/distribution/issues/2055
    """
    response = error.response
    return response is not None and response.status_code in (REFUSED_BY_STORAGE if response.history else NO_HEAD)


def is_range_refused(error: HTTPError) -> bool:
    """Return whether a refusal is a 416."""
    return error.response is not None and error.response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


def error_codes(response: Response) -> tuple[str, ...]:
    """Return the codes in a refusal that :func:`raise_for_status` raised, such as ``('MANIFEST_UNKNOWN',)``."""
    return tuple(str(entry.get('code')) for entry in _errors(response.content))


def effective_status(response: Response, body: bytes) -> int:
    """Return the status of a refusal; 429 for a rate limit for which the registry answers 403.

    GitHub's secondary rate limit is such a 403: its JSON has a ``message`` and no ``errors``. docker shows the same
    text within an error of code DENIED. The response to a HEAD has no body, and may have Retry-After. Only the text
    tells GitHub's response from ``{"message": "Forbidden"}``, by which gateways refuse for good.
    https://github.com/virtualcell/vcell/issues/1888
    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api

    :param body: of the refusal
    """
    if response.status_code == HTTPStatus.FORBIDDEN:
        # GHCR puts GitHub's own document in place of the specification's errors.
        messages = [_message_alone(body), *(str(entry.get('message')) for entry in _errors(body))]
        if 'Retry-After' in response.headers or any(RATE_LIMIT in message.lower() for message in messages):
            return HTTPStatus.TOO_MANY_REQUESTS
    return response.status_code


def _errors(body: bytes) -> list[dict[str, Any]]:
    """https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes"""
    try:
        errors = load_object(body).get('errors')
    except DXFError:
        return []
    return [entry for entry in errors if isinstance(entry, dict)] if isinstance(errors, list) else []


def _message_alone(body: bytes) -> str:
    """Return the ``message`` of a refusal that has no ``errors``: of GitHub's, and of many gateways'."""
    try:
        document = load_object(body)
    except DXFError:
        return ''
    message = document.get('message')
    return message if isinstance(message, str) and not document.get('errors') else ''


def message_of(body: bytes) -> str:
    """Return what a refusal says, as one line of bounded length; empty if it says nothing that can be read."""
    # Only what a server calls its message is shown. The rest of its document may hold anything, such as a signed URL.
    messages = [': '.join(str(entry[key]) for key in ('code', 'message') if entry.get(key)) for entry in _errors(body)]
    text = '; '.join(messages) or _message_alone(body)
    return printable(text[:MESSAGE_LENGTH])[:MESSAGE_LENGTH]


def _about_tls(response: Response, body: bytes) -> str:
    """Return what the page means by which a server asks for TLS, or nginx for a client certificate after that."""
    # Only 400: the texts are searched for in a page that anybody may have written.
    if response.status_code != HTTPStatus.BAD_REQUEST:
        return ''
    host = public_host(response.url)
    if response.url.startswith('http:'):
        is_head = getattr(response.request, 'method', None) == 'HEAD'  # whose response has no page
        return f'{host} speaks TLS: unset DXF_INSECURE' if any(text in body for text in WANT_TLS) else \
            f'if {host} speaks TLS, unset DXF_INSECURE' if is_head else ''
    missing, other = (text in body for text in NGINX_WANTS)
    if not (missing or other):
        return ''
    return f'{host} demands a client certificate: set DXF_CERT' if missing else \
        f'{host} refuses the client certificate: see DXF_CERT'


def expect(response: Response, *statuses: int) -> None:
    """Check that a response has one of the statuses that its step knows.

    :raises DXFUnexpectedStatusCodeError: it has another
    """
    # Only the statuses that the specification gives to a step. A 200 to an upload, say, is the page of a proxy.
    if response.status_code not in statuses:
        close(response)
        raise DXFUnexpectedStatusCodeError(response.status_code, statuses[0])


def digest_header(response: Response) -> str | None:
    """Return the digest in Docker-Content-Digest; ``None`` for another algorithm, and for everything else.

    The header is printed, and compared with digests: what is in it may be anything.
    """
    try:
        return check_digest(response.headers.get('Docker-Content-Digest', ''))
    except DXFError:
        return None


def check_digest_header(response: Response, digest: str) -> None:
    """Check that Docker-Content-Digest, if it is sent and by sha256, agrees with the digest that we know.

    :raises DXFDigestMismatchError: it is another
    """
    if contradicts(response, digest):
        close(response)
        raise DXFDigestMismatchError(_digest_header(response), digest)


def contradicts(response: Response, digest: str) -> bool:
    """Return whether Docker-Content-Digest is another digest by sha256."""
    # Registries may answer with the digest by sha512; dxf cannot compare it, and does not call it wrong.
    return _digest_header(response).startswith('sha256:') and not names_digest(response, digest)


def names_digest(response: Response, digest: str) -> bool:
    """Return whether Docker-Content-Digest is exactly this digest."""
    return _digest_header(response) == digest


def _digest_header(response: Response) -> str:
    return response.headers.get('Docker-Content-Digest', '')
