"""Schema 1: Docker's first manifests, built, signed and verified; the only module that imports jwcrypto.

A signed manifest is libtrust's "pretty" JWS: the signatures are inserted into the JSON that they sign. The protected
header of each says how to take them out again (``formatLength``, ``formatTail``). A signature
here proves integrity, not who signed: the key stands beside it.
https://distribution.github.io/distribution/spec/deprecated-schema-v1/
"""

from typing import NamedTuple

from jwcrypto.common import JWException, base64url_decode, base64url_encode
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS, InvalidJWSSignature

from dxf.exceptions import (DXFDisallowedSignatureAlgorithmError, DXFError, DXFInvalidDocumentError,
                            DXFInvalidNameError, DXFMissingSignaturesError, DXFSignatureChainNotImplementedError,
                            DXFUnexpectedKeyTypeError)
from dxf.names import check_digest, hash_bytes
from dxf.strict_json import Json, dump_json, encoded, load_object, member

ALGORITHMS = ('ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512')
RSA_BITS = range(2048, 16384 + 1)
_PRIVATE_MEMBERS = ('d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k')


class DXFInvalidSignatureError(DXFError, InvalidJWSSignature):
    """A schema 1 signature that does not fit what it signs; also jwcrypto's InvalidJWSSignature."""


class Schema1Manifest(NamedTuple):
    """What a schema 1 manifest says.

    ``digest`` is that of what was signed, the text without its signatures; ``blobs`` is read from there too.
    """

    text: str
    digest: str
    blobs: tuple[str, ...]


class _Signature(NamedTuple):
    protected: str
    signature: str
    header: dict[str, Json]
    length: int
    tail: bytes


def make_unsigned(repository: str, alias: str, digests: tuple[str, ...]) -> str:
    """Write an unsigned schema 1 manifest: one line of JSON with sorted keys."""
    return dump_json({
        'schemaVersion': 1,
        'name': repository,
        'tag': alias,
        'fsLayers': [{'blobSum': digest} for digest in digests],
        'history': [{'v1Compatibility': '{}'} for _ in digests],
    })


def sign(text: str) -> str:
    """Sign a schema 1 manifest with a key made for this one signature.

    :param text: what :func:`make_unsigned` returned, or any JSON object
    :return: the same with ``signatures`` spliced in before its last brace
    """
    content = text.encode('utf-8')
    length = content.rindex(b'}')  # in bytes: the registry counts bytes, too
    protected = dump_json({'formatLength': length, 'formatTail': base64url_encode(content[length:])})
    key = JWK.generate(kty='EC', crv='P-256')
    jws = JWS(content)
    jws.add_signature(key, protected=protected,
                      header=dump_json({'alg': 'ES256', 'jwk': key.export_public(as_dict=True)}))
    signed = load_object(jws.serialize())
    signature = {name: signed[name] for name in ('header', 'protected', 'signature')}
    spliced = f', "signatures": {dump_json([signature])}'.encode()
    return (content[:length] + spliced + content[length:]).decode('utf-8')


def read(text: str, verify: bool = True) -> Schema1Manifest:
    """Read a schema 1 manifest.

    :param text: the document, as the registry sent it
    :param verify: check every signature and read what they sign; else believe the document,
        unsigned ones too
    :raises DXFMissingSignaturesError: no signature where one was to be verified
    :raises DXFInvalidSignatureError: a signature does not fit
    :raises DXFDisallowedSignatureAlgorithmError: signed by an algorithm that proves nothing
    :raises DXFUnexpectedKeyTypeError: signed with a symmetric, private or too short key
    :raises DXFSignatureChainNotImplementedError: signed by a certificate chain
    :raises DXFInvalidDocumentError: anything else about it is wrong
    """
    content = encoded(text)
    payload = _verified_payload(content) if verify else content
    document = load_object(payload)
    if member(document, 'schemaVersion', int) != 1:
        raise DXFInvalidDocumentError('invalid manifest: what was signed is not schema 1')
    try:
        blobs = tuple(check_digest(member(layer, 'blobSum', str)) for layer in member(document, 'fsLayers', list))
    except DXFInvalidNameError as error:
        raise DXFInvalidDocumentError(str(error)) from None
    return Schema1Manifest(text, hash_bytes(payload), blobs)


def _verified_payload(content: bytes) -> bytes:
    """Return what all the signatures sign.

    https://github.com/distribution/distribution/blob/v2.8.2/docs/spec/json.md
    """
    entries = load_object(content).get('signatures')
    if not entries:
        raise DXFMissingSignaturesError('signatures')
    if not isinstance(entries, list):
        raise DXFInvalidDocumentError('invalid manifest: signatures is no list')
    signatures = [_signature(entry) for entry in entries]
    length, tail = signatures[0].length, signatures[0].tail
    if any((signature.length, signature.tail) != (length, tail) for signature in signatures):
        raise DXFInvalidDocumentError('invalid manifest: its signatures disagree on what they sign')
    if not 0 <= length <= len(content):
        raise DXFInvalidDocumentError('invalid manifest: formatLength lies outside the document')
    payload = content[:length] + tail
    for signature in signatures:
        _verify(signature, payload)
    return payload


def _signature(entry: Json) -> _Signature:
    protected = member(entry, 'protected', str)
    try:
        layout = load_object(base64url_decode(protected))
        tail = base64url_decode(member(layout, 'formatTail', str))
    except DXFInvalidDocumentError:
        raise
    except ValueError:
        raise DXFInvalidDocumentError('invalid manifest: a signature is not base64url') from None
    return _Signature(protected, member(entry, 'signature', str), member(entry, 'header', dict),
                      member(layout, 'formatLength', int), tail)


def _verify(signature: _Signature, payload: bytes) -> None:
    algorithm = signature.header.get('alg')
    if str(algorithm).lower() == 'none':
        raise DXFDisallowedSignatureAlgorithmError(algorithm)
    key = _public_key(signature.header)
    if algorithm not in ALGORITHMS:
        raise DXFDisallowedSignatureAlgorithmError(algorithm)
    jws = JWS()
    try:
        jws.deserialize(dump_json({'payload': base64url_encode(payload), 'protected': signature.protected,
                                   'header': {'alg': algorithm}, 'signature': signature.signature}))
        jws.verify(key)
    except (JWException, ValueError, TypeError) as error:
        raise DXFInvalidSignatureError('the signature of the schema 1 manifest does not fit') from error


def _public_key(header: dict[str, Json]) -> JWK:
    if 'x5c' in header:
        raise DXFSignatureChainNotImplementedError()
    parameters = member(header, 'jwk', dict)
    kind = parameters.get('kty')
    if kind not in ('EC', 'RSA'):
        raise DXFUnexpectedKeyTypeError(kind, 'EC or RSA')
    if any(name in parameters for name in _PRIVATE_MEMBERS):
        raise DXFUnexpectedKeyTypeError(f'private {kind}', f'public {kind}')
    wanted = ('kty', 'crv', 'x', 'y') if kind == 'EC' else ('kty', 'n', 'e')
    try:
        key = JWK(**{name: member(parameters, name, str) for name in wanted})
        bits = int.from_bytes(base64url_decode(parameters['n']), 'big').bit_length() if kind == 'RSA' else None
    except (JWException, ValueError) as error:
        raise DXFInvalidDocumentError('invalid manifest: the key of a signature cannot be read') from error
    if bits is not None and bits not in RSA_BITS:
        raise DXFUnexpectedKeyTypeError(f'RSA of {bits} bits', f'RSA of at least {RSA_BITS.start} bits')
    return key
