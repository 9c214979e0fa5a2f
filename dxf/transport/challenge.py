"""Challenges: what a registry asks for in a 401 response, and the request to the token server that follows from it.

The only module that imports www_authenticate. It makes no request; ``auth`` does.
https://distribution.github.io/distribution/spec/auth/token/
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from requests import Response

from dxf.exceptions import DXFInvalidDocumentError, DXFProtocolError
from dxf.strict_json import load_object
from dxf.transport.urls import addresses_in, is_loopback, split_url

# Seconds. JSON has integers of any length. Above some 300 digits, arithmetic with a float raises OverflowError.
MAX_TOKEN_LIFE = 10 * 365 * 86400
MAX_CHALLENGE_LENGTH = 16 << 10
"""Characters of a challenge that are read: its parser needs time by their square."""

CLIENT = 'python-dxf'
"""What dxf calls itself where a token server wants to know."""

OAUTH_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND,
                  HTTPStatus.METHOD_NOT_ALLOWED)
"""What token servers answer to a POST with a token that they do not take, or that know no OAuth; Harbor's is 403."""

# A quote that is not closed runs to the end: to look for its end again from each later quote would take for ever.
_BEARER_OR_QUOTED = r'(?ais)"(?:[^"\\]|\\.)*(?:"|\\?\Z)|\b(bearer)(?=\s)'
_PARAMETER = r'(?a)(?<![\w-])([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))'
# A token is opaque, but it becomes a header: a line end in it would begin another one.
_TOKEN = r'(?a)[\x21-\x7e]+'


class Challenge(NamedTuple):
    """What a registry asks for in WWW-Authenticate.

    ``scheme`` is ``bearer`` or ``basic``, the latter without the rest.
    """

    scheme: str
    realm: str = ''
    service: str | None = None
    scopes: tuple[str, ...] = ()


def challenge_of(response: Response) -> Challenge | None:
    """Read the challenge of a 401 response.

    Bearer wins over Basic, the first Bearer over a second one; other schemes are passed over.

    :return: the challenge; ``None`` where dxf can answer no part of the header
    :raises DXFProtocolError: the header cannot be read
    """
    header = response.headers.get('WWW-Authenticate', '')
    if len(header) > MAX_CHALLENGE_LENGTH:
        raise DXFProtocolError("the registry's authentication challenge is too long")
    import www_authenticate
    bearers = [match.start() for match in re.finditer(_BEARER_OR_QUOTED, header) if match[1]]
    if len(bearers) > 1:  # the parser would keep the last
        header = header[:bearers[1]].rstrip(', ')
    try:  # it refuses empty values, and unquoted ones with : or /; on garbage it stumbles in several ways
        schemes = www_authenticate.parse(re.sub(_PARAMETER, _quoted, header))
    except (ValueError, LookupError, AttributeError, TypeError):
        raise DXFProtocolError("cannot read the registry's authentication challenge") from None
    if 'bearer' in schemes:
        given = schemes['bearer']  # not a mapping if there was a lone word
        parameters = {name.lower(): value.strip() for name, value in given.items()} if isinstance(given, dict) else {}
        return Challenge('bearer', parameters.get('realm', ''), parameters.get('service') or None,
                         tuple(parameters.get('scope', '').split()))
    return Challenge('basic') if 'basic' in schemes else None


def refuses_token(response: Response) -> bool:
    """Return whether a 401 response refuses a token itself, rather than what it allows.

    https://www.rfc-editor.org/rfc/rfc6750#section-3.1
    """
    header = response.headers.get('WWW-Authenticate', '')
    return 'bearer' in header.lower() and 'insufficient_scope' not in header


def _quoted(match: re.Match[str]) -> str:
    value = match[2] if match[2] is not None else match[3]
    return f'{match[1]}="{value or " "}"'


def token_url(challenge: Challenge, registry: str, auth_host: str | None, scopes: Sequence[str]) -> str:
    """Return the URL from which to get the token that a challenge asks for.

    It is https always; the realm's own query is kept. ``service`` and each scope are parameters of their own.

    :param registry: any URL of the registry
    :param auth_host: ``name[:port]`` to ask in place of the realm's host; ``None`` for the realm's
    :param scopes: such as ``repository:fred/datalogger:pull,push``
    :raises DXFProtocolError: the realm is no address to send a password to
    """
    try:
        realm = split_url(challenge.realm)
    except DXFProtocolError:
        raise DXFProtocolError("the registry's token realm is no address to send a credential to; "
                               'name the token server yourself: auth_host or DXF_AUTH_HOST') from None
    if realm.fragment:
        raise DXFProtocolError("the registry's token realm has a fragment, which no request carries")
    if auth_host is None:
        _check_realm_host(str(realm.hostname), str(urlsplit(registry).hostname))
    query = parse_qsl(realm.query, keep_blank_values=True)
    # Each scope is a parameter of its own, and service comes first, as in the example of the specification:
    # https://distribution.github.io/distribution/spec/auth/token/#requesting-a-token
    if challenge.service is not None:
        query.append(('service', challenge.service))
    query += [('scope', scope) for scope in scopes]
    # The request carries a password. A realm of http is asked by https.
    return realm._replace(scheme='https', netloc=auth_host or realm.netloc,
                          query=urlencode(query)).geturl()


def oauth_request(url: str, identity_token: str) -> tuple[str, bytes]:
    """Return the URL and the body by which a token is asked for with an identity token.

    https://distribution.github.io/distribution/spec/auth/oauth/#refresh-token-format

    :param url: what :func:`token_url` returned; ``service`` and scopes are fields of the form here
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    form = [('grant_type', 'refresh_token'), ('client_id', CLIENT), ('refresh_token', identity_token),
            *(pair for pair in query if pair[0] == 'service')]
    scopes = [value for name, value in query if name == 'scope']
    if scopes:
        form.append(('scope', ' '.join(scopes)))
    kept = [pair for pair in query if pair[0] not in ('service', 'scope')]
    return parts._replace(query=urlencode(kept)).geturl(), urlencode(form).encode('ascii')


def is_refused_by_oauth(status: int, body: bytes) -> bool:
    """Return whether a token server knows OAuth and refuses the identity token; if not, ask it by GET.

    A 400 is OAuth's own word for a token that has expired, and its refusals name an ``error``
    (https://www.rfc-editor.org/rfc/rfc6749#section-5.2). Artifactory has been seen to answer 401 to each POST, without
    one.

    :param status: that of the response to a POST, one of :data:`OAUTH_REFUSALS`
    """
    if status != HTTPStatus.UNAUTHORIZED:
        return status == HTTPStatus.BAD_REQUEST
    with suppress(DXFInvalidDocumentError):
        return isinstance(load_object(body).get('error'), str)
    return False


def _check_realm_host(host: str, registry_host: str) -> None:
    """Refuse a realm that points into the client's own machine or network.

    The registry's own host may be such an address; any other may only be a name or a public address. A registry on
    this machine may name another address of this machine. Names are not looked up: one that DNS resolves to a private
    address is allowed, as the certificate must be for that name.
    """
    host, registry_host = (name.lower().removesuffix('.') for name in (host, registry_host))
    # Without this check a registry could have dxf send requests, and a password, to servers behind a firewall.
    if host == registry_host or is_loopback(host) and is_loopback(registry_host):
        return
    if is_loopback(host) or any(not address.is_global or address.is_multicast for address in addresses_in(host)):
        raise DXFProtocolError("the registry's token realm is a private address; "
                               'if it is right, name it yourself: auth_host or DXF_AUTH_HOST')


def read_token(body: bytes) -> tuple[str, float | None]:
    """Return the token in a token server's response, and the seconds that it lives, if the response says so.

    The token is ``access_token`` if there is one, else ``token``.

    :raises DXFProtocolError: the response has no token, or one that does not fit in a header
    """
    try:
        document = load_object(body)
    except DXFInvalidDocumentError:
        raise DXFProtocolError("cannot read the token server's answer") from None
    # Azure sends access_token alone, distribution token; both are in the specification:
    # https://distribution.github.io/distribution/spec/auth/token/#token-response-fields
    token = document.get('access_token') or document.get('token')
    if not isinstance(token, str) or re.fullmatch(_TOKEN, token) is None:
        raise DXFProtocolError("the token server's answer holds no token")
    seconds = document.get('expires_in')
    # bool is an int in Python: true would be one second.
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < MAX_TOKEN_LIFE:
        return token, None
    return token, seconds
