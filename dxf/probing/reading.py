"""What a registry says of itself, and of a repository, without anything being written."""

import os
import secrets
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from requests import Response
from requests.exceptions import RequestException

from dxf.client import DXF
from dxf.exceptions import DXFError
from dxf.manifest.image import OCI_INDEX, ImageManifest
from dxf.names import hash_bytes, is_folder
from dxf.probing.findings import NO, UNKNOWN, UNSUPPORTED, YES, Answer, Finding, ask
from dxf.probing.token_actions import actions_of
from dxf.registry import DXFBase
from dxf.transport.response_body import discard

VERSION_HEADER = 'Docker-Distribution-Api-Version'
IF_MISSING = 'it answers {} to the deletion of one that is not there'


def probe_registry(registry: DXFBase) -> Iterator[Finding]:
    """Yield what a registry is: version, TLS, credential, and whether it lists its repositories.

    :raises DXFUnauthorizedError: it refused the credential
    """
    yield Finding('registry', registry.host)
    response = registry._base_request('get', '')
    tls = _tls(registry, response)
    discard(response, registry.options.limits)
    server = response.headers.get('Server', '')
    yield Finding('version header', response.headers.get(VERSION_HEADER) or 'none', server and f'Server: {server}')
    yield tls
    yield from _login(registry)
    answer = ask(registry._base_request, registry.options.limits, 'get', '_catalog?n=1')
    yield Finding('catalog', YES if answer.status == HTTPStatus.OK else NO, _refusal(answer))


def _refusal(answer: Answer) -> str:
    return '' if answer.status < HTTPStatus.BAD_REQUEST else answer.text


def _tls(registry: DXFBase, response: Response) -> Finding:
    """Return by what certificate the registry has identified itself; its connection is still open."""
    if is_folder(registry.host):
        return Finding('TLS', NO, 'it is a folder')
    if not response.url.startswith('https:'):
        return Finding('TLS', NO, 'http')
    socket: Any = getattr(getattr(response.raw, 'connection', None), 'sock', None)
    version, certificate = _connection(socket)
    given = registry._tlsverify
    bundle = os.environ.get('REQUESTS_CA_BUNDLE') or 'the CA certificates of certifi'
    verified = 'the certificate is not verified' if given is False else \
        f'verified by {bundle if given is True else given}'
    return Finding('TLS', version, f'{verified}{certificate}')


def _connection(socket: Any) -> tuple[str, str]:
    """Return the version of TLS, and the issuer of the certificate; only ``yes`` of a connection that is not known."""
    if not hasattr(socket, 'getpeercert'):
        return YES, ''
    certificate = socket.getpeercert() or {}
    names = dict(pair for part in certificate.get('issuer', ()) for pair in part)
    issuer = names.get('commonName') or names.get('organizationName')
    told = f'; issued by {issuer}, valid until {certificate.get("notAfter")}' if issuer else ''
    return str(socket.version() or YES), told


def _login(registry: DXFBase) -> Iterator[Finding]:
    """Yield whether the registry has asked for a credential, and what the token allows."""
    if isinstance(registry, DXF) and registry.token is None:  # some ask for one only where a repository is named
        ask(registry._request, registry.options.limits, 'get', 'tags/list?n=1')
    if registry.token is not None:
        yield Finding('login', 'token')
    else:
        yield Finding('login', 'basic' if registry._headers.get('Authorization') else 'not asked for')
    if isinstance(registry, DXF):
        actions = None if registry.token is None else actions_of(registry.token, registry.repo)
        detail = '' if actions is not None else 'the token cannot be read' if registry.token else 'there is no token'
        yield Finding('allowed', UNKNOWN if actions is None else ', '.join(actions) or 'nothing', detail)


def probe_repository(repository: DXF, *, is_read_only: bool) -> Iterator[Finding]:
    """Yield what a repository is, and what can be done in it.

    :param is_read_only: nothing is to be written, so that deletions and ranges are looked at without it
    """
    limits = repository.options.limits
    answer = ask(repository._request, limits, 'get', 'tags/list?n=1')
    yield Finding('repository', YES if answer.status == HTTPStatus.OK else NO, _refusal(answer))
    yield _referrers(repository)
    if is_read_only:
        yield ranges_of(repository, *_some_blob(repository))
        yield Finding('blob deletion', *deletion_of(repository, f'blobs/{_random_digest()}'))
        yield Finding('manifest deletion', *deletion_of(repository, f'manifests/{_random_digest()}'))
        yield Finding('tag deletion', *deletion_of(repository, f'manifests/dxf-probe-{secrets.token_hex(8)}'))
        yield Finding('mounts, chunked uploads, largest manifest', UNKNOWN, 'they show with --write alone')


def _referrers(repository: DXF) -> Finding:
    """https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers"""
    answer = ask(repository._request, repository.options.limits, 'get', f'referrers/sha256:{"0" * 64}',
                 headers={'Accept': OCI_INDEX})
    media_type = answer.header('Content-Type').partition(';')[0]
    if answer.status == HTTPStatus.OK:
        return Finding('referrers API', YES if media_type == OCI_INDEX else NO,
                       '' if media_type == OCI_INDEX else f'it answers {media_type or "without a media type"}')
    is_unknown = 'NAME_UNKNOWN' in answer.codes
    return Finding('referrers API', UNKNOWN if is_unknown else NO, answer.text)


def deletion_of(repository: DXF, path: str) -> tuple[str, str]:
    """Return whether a registry deletes something, by how it answers for what is not there, and its answer."""
    answer = ask(repository._request, repository.options.limits, 'delete', path)
    if answer.status == HTTPStatus.NOT_FOUND or answer.status < HTTPStatus.BAD_REQUEST:
        return YES, IF_MISSING.format(answer.text)
    is_refused = answer.status in (*UNSUPPORTED, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return NO if is_refused else UNKNOWN, answer.text


def _random_digest() -> str:
    return hash_bytes(secrets.token_bytes(32))


def _some_blob(repository: DXF) -> tuple[str, int]:
    """Return digest and size of a blob that the first alias names; an empty digest if it names no blob."""
    try:
        alias = next(iter(repository.list_aliases(iterate=True)), None)
        manifest = None if alias is None else repository.resolve(alias)
    except (DXFError, RequestException):
        return '', 0
    layers = manifest.layers if isinstance(manifest, ImageManifest) else ()
    return next(((layer.digest, layer.size) for layer in layers if layer.size > 1), ('', 0))


def ranges_of(repository: DXF, digest: str, size: int) -> Finding:
    """Return whether a registry sends a part of a blob."""
    if not digest:
        return Finding('ranges', UNKNOWN, 'no blob was found to ask for')
    answer = ask(repository._request, repository.options.limits, 'get', f'blobs/{digest}',
                 headers={'Range': 'bytes=1-1'})
    is_range = answer.status == HTTPStatus.PARTIAL_CONTENT and \
        answer.header('Content-Range') in (f'bytes 1-1/{size}', 'bytes 1-1/*')
    return Finding('ranges', YES if is_range else NO, '' if is_range else answer.text)
