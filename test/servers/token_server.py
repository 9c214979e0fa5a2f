"""A real token server: the Docker token protocol over https, signing what docker-registry verifies.

Owns who the users are, what they are granted, and a record of what was asked. The protocol is
https://distribution.github.io/distribution/spec/auth/token/, with identity tokens
https://distribution.github.io/distribution/spec/auth/oauth/, and the token's form
https://distribution.github.io/distribution/spec/auth/jwt/.
"""

import base64
import binascii
import contextlib
import json
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Set
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .certificates import Certificates

Grant = Set[str] | Callable[[str, str], Set[str]]
"""The actions that a user may have: a set, or what a function of (resource type, name) returns."""

EVERYTHING = frozenset({'pull', 'push', 'delete', '*'})


@dataclass(frozen=True)
class TokenRequest:
    """One request as the token server saw it.

    ``scopes`` has one entry for each ``scope=`` parameter, never split, or what the one of a POST lists; ``service``
    is empty and ``authorization`` and ``user_agent`` are None where they were not sent; ``query`` and ``body`` are
    raw; ``connection`` numbers the TCP connections from 1.
    """

    scopes: tuple[str, ...]
    service: str
    authorization: str | None
    user_agent: str | None
    query: str
    connection: int
    method: str = 'GET'
    body: str = ''


class TokenServer:
    """A token server on a free port of 127.0.0.1, as a context manager.

    :param certificates: for its TLS; their key signs the tokens too, and a registry trusts it through the CA.
    :param users: user name to password.
    :param realm_query: a query that the realm itself carries, such as ``account=x``.

    A test may change these at any time, and the next answer obeys:

    - ``users``; ``anonymous``: the actions granted to requests without credentials; ``grants``: user name to
      :data:`Grant` (a user without one gets all that is asked).
    - ``lifetime``: seconds from ``iat`` to ``exp``.
    - ``backdate``: seconds by which ``iat``, ``nbf`` and ``exp`` are moved into the past. docker-registry
      2.8.2 accepts a token for 60 s after its ``exp`` (measured), so ``backdate = lifetime + 61`` or
      more makes an expired one; the answer's ``expires_in`` does not show it.
    - ``answer_key``: the name under which the token is given: ``token``, ``access_token`` or ``both``. To a POST it
      is ``access_token`` always.
    - ``identities``: identity token to the name of its user. A POST exchanges them, and a GET takes them in place of
      the password of anybody.
    - ``post_refusal``: the status for identity tokens that are not known, by which servers differ: 401 or 400.
    - ``post_status``: the status for each POST where the server shall know no OAuth2, such as 404; else None.
    """

    def __init__(self, certificates: Certificates, users: dict[str, str] | None = None, *,
                 realm_query: str = '', service: str = 'registry', issuer: str = 'token-server') -> None:
        self.users = dict(users or {})
        self.anonymous: Set[str] = {'pull'}
        self.grants: dict[str, Grant] = {}
        self.lifetime = 300
        self.backdate = 0
        self.answer_key: Literal['token', 'access_token', 'both'] = 'token'
        self.identities: dict[str, str] = {}
        self.post_refusal = 401
        self.post_status: int | None = None
        self.requests: list[TokenRequest] = []
        self.service = service
        self.issuer = issuer
        self.rootcertbundle = certificates.ca
        self._signer = _Signer(certificates)
        self._server = _Server(self, certificates.context())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.host = f'localhost:{self._server.server_address[1]}'
        self.realm = f'https://{self.host}/token' + (f'?{realm_query}' if realm_query else '')

    def __enter__(self) -> 'TokenServer':
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    def answer(self, request: TokenRequest) -> dict[str, Any] | None:
        """Record a request; return the answer's JSON object, or None for credentials that are wrong."""
        self.requests.append(request)
        if request.authorization is None:
            return self._grant('', self.anonymous, request)
        user, password = _credentials(request.authorization)
        user = self.identities.get(password, user)
        if password not in self.identities and (user not in self.users or self.users[user] != password):
            return None
        return self._grant(user, self.grants.get(user, EVERYTHING), request)

    def exchange(self, request: TokenRequest) -> dict[str, Any] | None:
        """Record a POST; return the answer's JSON object, or None for an identity token that is not known."""
        self.requests.append(request)
        form = parse_qs(request.body, keep_blank_values=True)
        user = self.identities.get(form.get('refresh_token', [''])[-1])
        if user is None or form.get('grant_type') != ['refresh_token'] or not any(form.get('client_id', ())):
            return None
        answer = self._grant(user, self.grants.get(user, EVERYTHING), request)
        return {'access_token': answer.get('access_token') or answer['token'], 'expires_in': self.lifetime,
                'scope': ' '.join(request.scopes)}

    def token(self, user: str, *scopes: str) -> str:
        """Sign a token for a user without asking for a password."""
        return self._sign(user, self.grants.get(user, EVERYTHING), scopes, self.service)

    def _grant(self, user: str, grant: Grant, request: TokenRequest) -> dict[str, Any]:
        token = self._sign(user, grant, request.scopes, request.service)
        keys = ('token', 'access_token') if self.answer_key == 'both' else (self.answer_key,)
        return {**dict.fromkeys(keys, token), 'expires_in': self.lifetime}

    def _sign(self, user: str, grant: Grant, scopes: tuple[str, ...], service: str) -> str:
        issued = int(time.time()) - self.backdate
        return self._signer.sign({
            'iss': self.issuer, 'sub': user, 'aud': service, 'iat': issued, 'nbf': issued,
            'exp': issued + self.lifetime, 'jti': uuid.uuid4().hex,
            'access': [_access(scope, grant) for scope in scopes]})


class _Signer:
    """Signs JSON Web Tokens with ES256, the certificate in the header."""

    def __init__(self, certificates: Certificates) -> None:
        key = serialization.load_pem_private_key(Path(certificates.key).read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        certificate = x509.load_pem_x509_certificate(Path(certificates.certificate).read_bytes())
        chain = [base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]
        self._header = _segment({'typ': 'JWT', 'alg': 'ES256', 'x5c': chain})

    def sign(self, claims: dict[str, Any]) -> str:
        """Return the token that makes these claims."""
        content = self._header + b'.' + _segment(claims)
        pair = decode_dss_signature(self._key.sign(content, ec.ECDSA(hashes.SHA256())))
        signature = b''.join(number.to_bytes(32, 'big') for number in pair)
        return (content + b'.' + _base64url(signature)).decode()


def _segment(document: dict[str, Any]) -> bytes:
    return _base64url(json.dumps(document).encode())


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b'=')


def _credentials(authorization: str) -> tuple[str, str]:
    """Take a Basic header apart; another header gives a user without a name."""
    scheme, _, encoded = authorization.partition(' ')
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(':')
    except (binascii.Error, UnicodeDecodeError):
        return '', ''
    return (user, password) if scheme.lower() == 'basic' else ('', '')


def _access(scope: str, grant: Grant) -> dict[str, Any]:
    """What the token says of one scope, ``type:name:action,action``; a name may hold colons."""
    kind, _, rest = scope.partition(':')
    name, _, asked = rest.rpartition(':')
    allowed = grant(kind, name) if callable(grant) else grant
    actions = [action for action in asked.split(',') if action in allowed]
    return {'type': kind, 'name': name, 'actions': actions}


class _Server(ThreadingHTTPServer):
    """Numbers its connections, shakes hands with each in its own thread, and can hang up on all of them."""

    daemon_threads = False  # so that server_close waits for them: nothing outlives the test
    request_queue_size = 128

    def __init__(self, tokens: TokenServer, context: ssl.SSLContext) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.tokens = tokens
        self._context = context
        self._connected = 0
        self._open: dict[ssl.SSLSocket, int] = {}

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        plain, address = self.socket.accept()
        connection = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self._connected += 1
        self._open[connection] = self._connected
        return connection, address

    def number(self, connection: ssl.SSLSocket) -> int:
        """Return the number of an open connection."""
        return self._open[connection]

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client that hung up, or refused the certificate, reports that."""

    def hang_up(self) -> None:
        """End all open connections, idle or not."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """HTTP/1.1, kept alive: GET and POST of /token, and nothing else."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server
    connection: ssl.SSLSocket

    def setup(self) -> None:
        self.request.do_handshake()
        super().setup()

    def _get(self) -> None:
        url = urlsplit(self.path)
        if url.path != '/token':
            self._answer(HTTPStatus.NOT_FOUND, _error('NOT_FOUND', 'tokens are at /token'))
            return
        query = parse_qs(url.query, keep_blank_values=True)
        answer = self.server.tokens.answer(self._request(tuple(query.get('scope', ())), query))
        if answer is None:
            self._answer(HTTPStatus.UNAUTHORIZED, _error('UNAUTHORIZED', 'wrong user name or password'))
        else:
            self._answer(HTTPStatus.OK, answer)

    do_GET = _get

    def _post(self) -> None:
        tokens = self.server.tokens
        body = self.rfile.read(int(self.headers.get('Content-Length', '0'))).decode()
        if urlsplit(self.path).path != '/token':
            self._answer(HTTPStatus.NOT_FOUND, _error('NOT_FOUND', 'tokens are at /token'))
            return
        form = parse_qs(body, keep_blank_values=True)
        answer = tokens.exchange(self._request(tuple(' '.join(form.get('scope', ())).split()), form, body))
        if tokens.post_status is not None:
            self._answer(HTTPStatus(tokens.post_status), _error('UNSUPPORTED', 'no POST here'))
        elif answer is None:
            self._answer(HTTPStatus(tokens.post_refusal), {'error': 'invalid_grant'})
        else:
            self._answer(HTTPStatus.OK, answer)

    do_POST = _post

    def _request(self, scopes: tuple[str, ...], parameters: dict[str, list[str]], body: str = '') -> TokenRequest:
        """Return the request that was read, for the record."""
        return TokenRequest(scopes, parameters.get('service', [''])[-1], self.headers.get('Authorization'),
                            self.headers.get('User-Agent'), urlsplit(self.path).query,
                            self.server.number(self.connection), self.command, body)

    def _answer(self, status: HTTPStatus, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header('WWW-Authenticate', 'Basic realm="token server"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: ``TokenServer.requests`` is the log."""


def _error(code: str, message: str) -> dict[str, Any]:
    return {'errors': [{'code': code, 'message': message}]}
