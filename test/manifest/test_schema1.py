"""Schema 1: the text that is signed, the signature, every refusal; and a real registry that checks ours."""

import hashlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jwcrypto.common import base64url_decode, base64url_encode
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS, InvalidJWSSignature

import dxf
from dxf.exceptions import (DXFDigestNotAvailableForSchema1, DXFDisallowedSignatureAlgorithmError, DXFError,
                            DXFHTTPError, DXFInvalidDocumentError, DXFSignatureChainNotImplementedError,
                            DXFUnexpectedDigestMethodError, DXFUnexpectedKeyTypeError)
from dxf.manifest import schema1

from ..helpers.endpoints import Endpoint
from ..helpers.images import write_layout
from ..helpers.programs import skopeo as run_skopeo
from ..helpers.traffic import Traffic

A, B, C = (f'sha256:{letter * 64}' for letter in 'abc')
SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
TEXT = (f'{{"fsLayers": [{{"blobSum": "{B}"}}, {{"blobSum": "{A}"}}, {{"blobSum": "{B}"}}], '
        '"history": [{"v1Compatibility": "{}"}, {"v1Compatibility": "{}"}, {"v1Compatibility": "{}"}], '
        '"name": "fred/datalogger", "schemaVersion": 1, "tag": "may15"}')
KEY = JWK.generate(kty='EC', crv='P-256')
OTHER_KEY = JWK.generate(kty='EC', crv='P-256')
RSA = JWK.generate(kty='RSA', size=2048)
KEYS = {'ES256': KEY, 'ES384': JWK.generate(kty='EC', crv='P-384'), 'ES512': JWK.generate(kty='EC', crv='P-521'),
        'RS256': RSA, 'RS384': RSA, 'RS512': RSA}
EC, RSA_PUBLIC = KEY.export_public(as_dict=True), RSA.export_public(as_dict=True)
Json = dict[str, Any]


def entry(payload: str = TEXT, alg: str = 'ES256', key: JWK | None = None, **layout: Any) -> Json:
    """Return a good signature of ``payload``; ``layout`` overrides what stands in the protected header."""
    content = payload.encode()
    length = content.rindex(b'}')
    protected = {'formatLength': length, 'formatTail': base64url_encode(content[length:]), **layout}
    key = key or KEYS[alg]
    jws = JWS(content)
    jws.add_signature(key, protected=json.dumps(protected), header=json.dumps({'alg': alg}))
    made = json.loads(jws.serialize())
    return {'header': {'alg': alg, 'jwk': key.export_public(as_dict=True)},
            'protected': made['protected'], 'signature': made['signature']}


def splice(*signatures: Any, payload: str = TEXT) -> str:
    """Return ``payload`` with signatures before its last brace."""
    head, brace, tail = payload.rpartition('}')
    return f'{head}, "signatures": {json.dumps(signatures)}{brace}{tail}'


def with_header(**header: Any) -> str:
    """Return a signed text whose signature has another header; ``None`` takes a member away."""
    good = entry()
    good['header'] = {name: value for name, value in {**good['header'], **header}.items() if value is not None}
    return splice(good)


def with_key(**members: Any) -> str:
    """Return a signed text whose key has more, or other, members."""
    return with_header(jwk={**EC, **members})


def unpack(text: str) -> tuple[Json, Json]:
    """Return the only signature of a signed text, and its protected header."""
    signature, = json.loads(text)['signatures']
    return signature, json.loads(base64url_decode(signature['protected']))


# Building

def test_the_unsigned_text_is_one_line_of_sorted_keys() -> None:
    assert schema1.make_unsigned('fred/datalogger', 'may15', (B, A, B)) == TEXT


def test_a_client_makes_it_without_a_request(traffic: Traffic) -> None:
    client = dxf.DXF('localhost', 'fred/datalogger')
    assert client.make_unsigned_manifest('may15', B, A, B) == TEXT
    assert dxf.DXF('', 'x').make_unsigned_manifest('y') == \
        '{"fsLayers": [], "history": [], "name": "library/x", "schemaVersion": 1, "tag": "y"}'
    with pytest.raises(DXFError):
        client.make_unsigned_manifest('a/b', A)
    with pytest.raises(DXFUnexpectedDigestMethodError):
        client.make_unsigned_manifest('may15', f'md5:{"a" * 32}')
    assert not traffic.connections


TEXTS = [
    pytest.param(TEXT, id='as it is made'),
    pytest.param(TEXT.replace('fred/datalogger', 'zo\u00eb/\u65e5\u672c'), id='bytes are counted, not characters'),
    pytest.param(f'{TEXT}\n', id='newline at the end'),
    pytest.param(f'{TEXT} \t\r\n\n', id='space at the end'),
    pytest.param(json.dumps(json.loads(TEXT), indent=3), id='pretty'),
    pytest.param(json.dumps(json.loads(TEXT), indent=3) + '\n', id='pretty, newline at the end'),
    pytest.param('{"a": {}, "schemaVersion": 1, "fsLayers": [], "b": {"}": "}"} }', id='braces everywhere'),
]


@pytest.mark.parametrize('text', TEXTS)
def test_what_is_signed_is_laid_out_as_libtrust_does(text: str) -> None:
    signed, content = schema1.sign(text), text.encode()
    document = json.loads(signed)
    signature, protected = unpack(signed)
    length, tail = protected['formatLength'], base64url_decode(protected['formatTail'])
    assert length == content.rindex(b'}')
    assert '=' not in protected['formatTail']
    assert content[:length] + tail == content
    assert signed.encode().startswith(content[:length] + b', "signatures": [')
    assert signed.encode().endswith(tail)
    del document['signatures']
    assert document == json.loads(text)
    assert signature['header']['alg'] == 'ES256'
    assert signature['header']['jwk'].keys() == {'kty', 'crv', 'x', 'y'}


def test_the_signature_is_good_by_another_library() -> None:
    signature, _ = unpack(schema1.sign(TEXT))
    x, y = (int.from_bytes(base64url_decode(signature['header']['jwk'][name]), 'big') for name in 'xy')
    raw = base64url_decode(signature['signature'])
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], 'big'), int.from_bytes(raw[32:], 'big'))
    signing_input = f'{signature["protected"]}.{base64url_encode(TEXT.encode())}'
    ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(
        der, signing_input.encode(), ec.ECDSA(SHA256()))


@pytest.mark.parametrize('text', TEXTS)
def test_what_is_signed_can_be_read(text: str) -> None:
    signed = schema1.sign(text)
    found = schema1.read(signed)
    assert found.text == signed
    assert found.digest == 'sha256:' + hashlib.sha256(text.encode()).hexdigest()
    assert list(found.blobs) == [layer['blobSum'] for layer in json.loads(text)['fsLayers']]


def coordinates(text: str) -> tuple[bytes, bytes]:
    """Return the x and y of the key of a signed text."""
    jwk = unpack(text)[0]['header']['jwk']
    return base64url_decode(jwk['x']), base64url_decode(jwk['y'])


def test_every_signature_has_a_fresh_key_of_twice_32_bytes() -> None:
    points = [coordinates(schema1.sign(TEXT)) for _ in range(200)]
    assert {len(coordinate) for point in points for coordinate in point} == {32}
    assert len(set(points)) == 200


def short_keys() -> Iterator[ec.EllipticCurvePrivateKey]:
    """Yield keys, the first ones of all, whose x or y begins with a zero byte."""
    for number in range(1, 2000):
        key = ec.derive_private_key(number, ec.SECP256R1())
        point = key.public_key().public_numbers()
        if min(point.x, point.y) < 1 << 248:
            yield key


def test_a_coordinate_that_begins_with_zero_keeps_its_32_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    points = []
    for key in short_keys():
        monkeypatch.setattr(JWK, 'generate', lambda made=JWK.from_pyca(key), **_: made)
        points.append(coordinates(schema1.sign(TEXT)))
    assert {True, False} == {point[0][0] == 0 for point in points}
    assert {len(coordinate) for point in points for coordinate in point} == {32}


# Reading

@pytest.mark.parametrize('alg', KEYS)
def test_every_algorithm_of_registries_is_accepted(alg: str) -> None:
    assert schema1.read(splice(entry(alg=alg))).blobs == (B, A, B)


def test_several_signatures_are_all_verified() -> None:
    good = [entry(), entry(alg='RS256'), entry(key=OTHER_KEY)]
    assert schema1.read(splice(*good)).blobs == (B, A, B)
    for number in range(3):
        bad = [dict(signature) for signature in good]
        bad[number]['signature'] = entry(TEXT.replace('may15', 'may16'))['signature']
        with pytest.raises(InvalidJWSSignature):
            schema1.read(splice(*bad))


def test_more_in_a_protected_header_does_not_matter() -> None:
    assert schema1.read(splice(entry(time='2026-11-23T13:51:29Z'))).blobs == (B, A, B)


@pytest.mark.parametrize('cut', [
    pytest.param(0, id='the whole payload stands in the protected header'),
    pytest.param(1, id='all but the first brace'),
])
def test_every_field_is_read_from_what_was_signed(cut: int) -> None:
    signed = entry(formatLength=cut, formatTail=base64url_encode(TEXT.encode()[cut:]))
    outer = json.dumps({'schemaVersion': 1, 'name': 'evil', 'tag': 'evil', 'fsLayers': [{'blobSum': C}],
                        'signatures': [signed]})
    found = schema1.read(outer)
    assert found.blobs == (B, A, B)
    assert found.digest == 'sha256:' + hashlib.sha256(TEXT.encode()).hexdigest()


@pytest.mark.parametrize('payload, error', [
    pytest.param(TEXT.replace('"schemaVersion": 1', '"schemaVersion": 2'), DXFInvalidDocumentError, id='schema 2'),
    pytest.param(TEXT.replace('"schemaVersion": 1, ', ''), DXFInvalidDocumentError, id='no schema'),
    pytest.param(TEXT[:-1] + ', "fsLayers": []}', DXFInvalidDocumentError, id='duplicate key'),
    pytest.param(f'[{TEXT}]', DXFInvalidDocumentError, id='no object'),
    pytest.param(f'{TEXT}}}', DXFInvalidDocumentError, id='no JSON'),
    pytest.param(TEXT.replace('fsLayers', 'layers'), DXFInvalidDocumentError, id='no fsLayers'),
    pytest.param(TEXT.replace('blobSum', 'digest'), DXFInvalidDocumentError, id='no blobSum'),
    pytest.param(TEXT.replace(A, 'sha256:..'), DXFInvalidDocumentError, id='no digest'),
    pytest.param(TEXT.replace(A, f'sha512:{"a" * 128}'), DXFUnexpectedDigestMethodError, id='another method'),
])
def test_what_was_signed_must_be_schema_1(payload: str, error: type[DXFError]) -> None:
    signed = entry(payload, formatLength=0, formatTail=base64url_encode(payload))
    outer = json.dumps({**json.loads(TEXT), 'signatures': [signed]})
    with pytest.raises(error):
        schema1.read(outer)
    with pytest.raises(error):
        schema1.read(payload, verify=False)


def test_without_verification_an_unsigned_text_is_read() -> None:
    found = schema1.read(TEXT, verify=False)
    assert (found.text, found.blobs) == (TEXT, (B, A, B))
    assert found.digest == 'sha256:' + hashlib.sha256(TEXT.encode()).hexdigest()
    tampered = splice(entry()).replace(A, C)
    assert schema1.read(tampered, verify=False).blobs == (B, C, B)
    client = dxf.DXF('localhost', 'fred/datalogger')
    assert client.get_alias(manifest=TEXT, verify=False) == [B, A, B]


# Refusals

@pytest.mark.parametrize('text', [
    pytest.param(TEXT, id='unsigned'),
    pytest.param(splice(), id='an empty list'),
    pytest.param(TEXT[:-1] + ', "signatures": null}', id='null'),
])
def test_no_signatures_are_a_key_error_and_a_dxf_error(text: str) -> None:
    for kind in (KeyError, DXFError):
        with pytest.raises(kind):
            schema1.read(text)
        with pytest.raises(kind):
            dxf.DXF('localhost', 'x').get_alias(manifest=text)


@pytest.mark.parametrize('text', [
    pytest.param(splice(entry()).replace(A, C), id='other content'),
    pytest.param(splice(entry()).replace('": [', '":  [', 1).replace('}], "h', '}],"h'), id='other spaces'),
    pytest.param(with_key(**OTHER_KEY.export_public(as_dict=True)), id='other key'),
    pytest.param(splice({**entry(), 'signature': entry(TEXT + ' ')['signature']}), id='signature of another text'),
    pytest.param(splice({**entry(), 'signature': ''}), id='empty signature'),
    pytest.param(splice({**entry(), 'signature': '!'}), id='signature that is not base64url'),
    pytest.param(splice({**entry(), 'signature': base64url_encode(bytes(64))}), id='signature of zeros'),
    pytest.param(splice({**entry(), 'protected': entry(x=1)['protected']}), id='other protected header'),
    pytest.param(with_header(alg='ES384'), id='algorithm of another curve'),
    pytest.param(with_header(alg='RS256'), id='algorithm of another kind of key'),
    pytest.param(with_header(jwk=RSA_PUBLIC), id='key of another kind'),
    pytest.param(with_header(jwk=KEYS['ES384'].export_public(as_dict=True)), id='key of another curve'),
    pytest.param(splice(entry(), {**entry(), 'signature': ''}), id='the second of two'),
])
def test_a_bad_signature_is_jwcryptos_error_and_ours(text: str) -> None:
    with pytest.raises(InvalidJWSSignature) as caught:
        schema1.read(text)
    assert isinstance(caught.value, DXFError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize('alg', ['none', 'None', 'NONE', 'PS256', 'EdDSA', 'ES256K', 'es256', '', 7, ['ES256'], {}])
def test_other_algorithms_are_disallowed(alg: Any) -> None:
    with pytest.raises(DXFDisallowedSignatureAlgorithmError) as caught:
        schema1.read(with_header(alg=alg))
    assert caught.value.alg == alg


def test_an_algorithm_must_be_named() -> None:
    with pytest.raises(DXFDisallowedSignatureAlgorithmError):
        schema1.read(with_header(alg=None))


def test_none_is_disallowed_without_a_key_and_a_signature_too() -> None:
    unsigned = {**entry(), 'signature': '', 'header': {'alg': 'none'}}
    with pytest.raises(DXFDisallowedSignatureAlgorithmError) as caught:
        schema1.read(splice(unsigned))
    assert caught.value.alg == 'none'


@pytest.mark.parametrize('alg', ['HS256', 'HS384', 'HS512'])
def test_hmac_with_a_public_key_for_its_secret_is_refused(alg: str) -> None:
    # The contract can be read either way.
    with pytest.raises((DXFUnexpectedKeyTypeError, DXFDisallowedSignatureAlgorithmError)):
        schema1.read(with_header(alg=alg))


SECRET = {'kty': 'oct', 'k': base64url_encode(b'k' * 32)}
SHORT = base64url_encode(b'\xff' * 128)


@pytest.mark.parametrize('header', [
    pytest.param({'alg': 'HS256', 'jwk': SECRET}, id='HMAC'),
    pytest.param({'jwk': SECRET}, id='symmetric'),
    pytest.param({'jwk': {'kty': 'OKP', 'crv': 'Ed25519', 'x': EC['x']}}, id='Edwards curve'),
    pytest.param({'jwk': {**EC, 'kty': None}}, id='no kind'),
    pytest.param({'jwk': {**EC, 'kty': ['EC']}}, id='list for the kind'),
    pytest.param({'jwk': KEY.export_private(as_dict=True)}, id='private EC'),
    pytest.param({'alg': 'RS256', 'jwk': RSA.export_private(as_dict=True)}, id='private RSA'),
    pytest.param({'alg': 'RS256', 'jwk': {**RSA_PUBLIC, 'p': 'AQAB'}}, id='one part of a private RSA'),
    pytest.param({'jwk': {**EC, 'k': SECRET['k']}}, id='EC with a secret'),
    pytest.param({'alg': 'RS256', 'jwk': {'kty': 'RSA', 'n': SHORT, 'e': 'AQAB'}}, id='RSA of 1024 bits'),
    pytest.param({'alg': 'RS256', 'jwk': {'kty': 'RSA', 'n': base64url_encode(bytes(256) + b'\xff' * 128),
                                          'e': 'AQAB'}}, id='RSA of 1024 bits behind zeros'),
    pytest.param({'alg': 'RS256', 'jwk': {'kty': 'RSA', 'n': base64url_encode(b'\xff' * 4096), 'e': 'AQAB'}},
                 id='RSA of 32768 bits'),
])
def test_keys_that_prove_nothing_are_refused(header: Json) -> None:
    with pytest.raises(DXFUnexpectedKeyTypeError):
        schema1.read(with_header(**header))


@pytest.mark.parametrize('chain', [[], ['MIIB'], 'MIIB', 7])
def test_certificate_chains_are_not_implemented(chain: Any) -> None:
    with pytest.raises(DXFSignatureChainNotImplementedError):
        schema1.read(with_header(x5c=chain))
    with pytest.raises(DXFSignatureChainNotImplementedError):
        schema1.read(with_header(x5c=chain, jwk=None))


@pytest.mark.parametrize('signatures', [
    pytest.param([entry(formatLength=-1)], id='formatLength: negative'),
    pytest.param([entry(formatLength=-len(TEXT))], id='formatLength: as a slice would take it from the end'),
    pytest.param([entry(formatLength=10_000)], id='formatLength: beyond the end'),
    pytest.param([entry(formatLength=10 ** 30)], id='formatLength: huge'),
    pytest.param([entry(formatLength=True)], id='formatLength: true'),
    pytest.param([entry(formatLength=float(len(TEXT) - 1))], id='formatLength: float'),
    pytest.param([entry(formatLength=str(len(TEXT) - 1))], id='formatLength: text'),
    pytest.param([entry(formatLength=None)], id='formatLength: null'),
    pytest.param([entry(formatTail=None)], id='formatTail: null'),
    pytest.param([entry(formatTail='\u00e9')], id='formatTail: not base64url'),
    pytest.param([entry(), entry(formatLength=len(TEXT) - 2)], id='they disagree on formatLength'),
    pytest.param([entry(), entry(formatTail=base64url_encode('}\n'))], id='they disagree on formatTail'),
    pytest.param([entry(), entry(TEXT + '\n')], id='they disagree, though each is good of its own text'),
    pytest.param([{**entry(), 'protected': '\u00e9'}], id='protected: not base64url'),
    pytest.param([{**entry(), 'protected': 'a'}], id='protected: one character'),
    pytest.param([{**entry(), 'protected': base64url_encode('[]')}], id='protected: list'),
    pytest.param([{**entry(), 'protected': base64url_encode(b'\xff')}], id='protected: not UTF-8'),
    pytest.param([{**entry(), 'protected': 7}], id='protected: number'),
    pytest.param([{**entry(), 'protected': None}], id='protected: null'),
    pytest.param([{**entry(), 'signature': None}], id='signature: null'),
    pytest.param([{**entry(), 'header': None}], id='header: null'),
    pytest.param([{**entry(), 'header': []}], id='header: list'),
    pytest.param([{**entry(), 'header': {'alg': 'ES256'}}], id='jwk: missing'),
    pytest.param([{**entry(), 'header': {'alg': 'ES256', 'jwk': 'x'}}], id='jwk: text'),
    pytest.param([{**entry(), 'header': {'alg': 'ES256', 'jwk': {'kty': 'EC'}}}], id='jwk: empty'),
    pytest.param([{**entry(), 'header': {'alg': 'ES256', 'jwk': {**EC, 'x': 7}}}], id='x: number'),
    pytest.param([{**entry(), 'header': {'alg': 'ES256', 'jwk': {**EC, 'x': '\u00e9'}}}], id='x: not base64url'),
    pytest.param([{**entry(), 'header': {'alg': 'RS256', 'jwk': {**RSA_PUBLIC, 'n': 7}}}], id='n: number'),
    pytest.param([{}], id='empty'),
    pytest.param(['x'], id='text'),
    pytest.param([None], id='null'),
    pytest.param([entry(), None], id='null behind a good one'),
])
def test_broken_signatures_are_refused(signatures: list[Any]) -> None:
    with pytest.raises(DXFInvalidDocumentError) as caught:
        schema1.read(splice(*signatures))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize('signatures', ['"x"', '{"a": 1}', '7', 'true'])
def test_signatures_are_a_list(signatures: str) -> None:
    with pytest.raises(DXFInvalidDocumentError):
        schema1.read(f'{TEXT[:-1]}, "signatures": {signatures}}}')


@pytest.mark.parametrize('members', [
    pytest.param({'x': EC['y'], 'y': EC['x']}, id='not on the curve'),
    pytest.param({'crv': 'P-1'}, id='of an unknown curve'),
    pytest.param({'crv': 'secp256k1'}, id='of another curve of that size'),
    pytest.param({'crv': []}, id='of no curve'),
    pytest.param({'x': None}, id='of one coordinate'),
    pytest.param({'x': 'AA'}, id='of a short coordinate'),
])
def test_a_point_that_is_no_key_is_refused(members: Json) -> None:
    with pytest.raises(DXFError):
        schema1.read(with_key(**members))


GOOD = splice(entry())


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.characters() | st.sampled_from('{}[]",:0'), st.booleans(), st.booleans())
@example(0, '\ud800', True, True)
@example(0, '\ud800', True, False)
def test_no_change_of_a_character_changes_what_is_read(endpoint: int, character: str, insert: bool,
                                                       verify: bool) -> None:
    text = GOOD[:endpoint] + character + GOOD[endpoint + (not insert):]
    try:
        found = schema1.read(text, verify)
    except DXFError:
        return
    assert not verify or found.blobs == (B, A, B)


# A real registry

@pytest.fixture(name='client')
def make_client(schema1_registry: Endpoint, repo: str) -> dxf.DXF:
    """A client that writes schema 1, of a registry that accepts it."""
    return dxf.DXF(schema1_registry.host, repo, insecure=True, schema='v1')


def test_the_registry_accepts_what_we_sign_and_signs_it_again_with_its_own_key(client: dxf.DXF) -> None:
    # Measured: 2.8.2 keeps the payload and signs it anew at every GET, so the text read back is not the text written.
    first, second = (client.push_blob(data=data) for data in (b'first', b'second'))
    written = client.set_alias('x', second, first, second)
    stored, response = client.get_manifest_and_response('x')
    assert response.headers['Content-Type'] == SIGNED
    ours, theirs = unpack(written)[0]['header']['jwk'], unpack(stored)[0]['header']['jwk']
    assert (ours['x'], ours['y']) != (theirs['x'], theirs['y'])
    payload = client.make_unsigned_manifest('x', second, first, second)
    digest = dxf.hash_bytes(payload.encode())
    assert schema1.read(written).digest == schema1.read(stored).digest == digest
    assert response.headers['Docker-Content-Digest'] == digest
    assert client.head_manifest_and_response('x')[0] == digest
    assert client.get_alias('x') == client.get_alias(manifest=written) == [second, first, second]
    assert client.get_alias(digest) == [second, first, second]


def test_the_registry_itself_checks_our_signature(client: dxf.DXF) -> None:
    digest = client.push_blob(data=b'first')
    signed = schema1.sign(client.make_unsigned_manifest('x', digest))
    forged, _ = unpack(signed)
    raw = bytearray(base64url_decode(forged['signature']))
    raw[5] ^= 1
    with pytest.raises(DXFHTTPError) as caught:
        client.set_manifest('x', signed.replace(forged['signature'], base64url_encode(bytes(raw))))
    assert caught.value.response is not None
    assert caught.value.response.status_code == 400
    client.set_manifest('x', signed)
    assert client.get_alias('x') == [digest]


def test_sizes_cost_one_head_for_each_distinct_blob(client: dxf.DXF, traffic: Traffic, repo: str) -> None:
    first, second = (client.push_blob(data=data) for data in (b'first', b'second'))
    client.set_alias('x', second, first, second, first)
    traffic.clear()
    assert client.get_alias('x', sizes=True) == [(second, 6), (first, 5), (second, 6), (first, 5)]
    assert sorted(traffic.lines()) == sorted([  # both are asked for at once
        f'GET /v2/{repo}/manifests/x 200', f'HEAD /v2/{repo}/blobs/{second} 200', f'HEAD /v2/{repo}/blobs/{first} 200'])
    traffic.clear()
    assert client.get_alias('x') == [second, first, second, first]
    assert traffic.lines() == [f'GET /v2/{repo}/manifests/x 200']


def test_there_is_no_image_digest(client: dxf.DXF) -> None:
    written = client.set_alias('x', client.push_blob(data=b'first'))
    with pytest.raises(DXFDigestNotAvailableForSchema1):
        client.get_digest('x')
    with pytest.raises(DXFDigestNotAvailableForSchema1):
        client.get_digest(manifest=written)


def test_an_alias_is_deleted_by_the_digest_of_what_was_signed(client: dxf.DXF, traffic: Traffic, repo: str) -> None:
    digest = client.push_blob(data=b'first')
    payload = client.make_unsigned_manifest('x', digest, digest)
    client.set_alias('x', digest, digest)
    traffic.clear()
    assert client.del_alias('x') == [digest, digest]
    assert traffic.lines()[-2:] == [f'DELETE /v2/{repo}/manifests/{dxf.hash_bytes(payload.encode())} 202',
                                    f'HEAD /v2/{repo}/manifests/x 404']
    assert client.list_aliases() == []
    assert client.blob_size(digest) == 5
    with pytest.raises(DXFHTTPError, match='^404 '):
        client.get_alias('x')


LAYERS = [b'first', b'second']


@pytest.mark.parametrize('form', [
    pytest.param('v2s2', id='converted by the registry'),
    pytest.param('v2s1', id='signed by skopeo'),
])
def test_schema_1_of_others_is_read(client: dxf.DXF, schema1_registry: Endpoint, repo: str, tmp_path: Path,
                                    form: str) -> None:
    layers = list(write_layout(tmp_path, LAYERS).layers)
    run_skopeo('copy', '--dest-tls-verify=false', '--format', form, f'oci:{tmp_path}:latest',
               f'docker://{schema1_registry.host}/{repo}:x')
    response = client._request('get', 'manifests/x', headers={'Accept': SIGNED})
    assert response.headers['Content-Type'] == SIGNED
    text = response.content.decode()
    assert client.get_alias(manifest=text) == layers[::-1]  # schema 1 begins with the last layer
    assert schema1.read(text).digest == response.headers['Docker-Content-Digest']
    assert client.get_alias(manifest=text, sizes=True) == [(layer, client.blob_size(layer)) for layer in layers[::-1]]
    assert client.get_alias('x') == (layers if form == 'v2s2' else layers[::-1])


def test_a_registry_without_schema_1_refuses_it_with_500(open_registry: Endpoint, repo: str, traffic: Traffic) -> None:
    client = dxf.DXF(open_registry.host, repo, insecure=True, limits=dxf.Limits(retries=0), schema='v1')
    digest = client.push_blob(data=b'first')
    traffic.clear()
    with pytest.raises(DXFHTTPError, match='^500 ') as caught:
        client.set_alias('x', digest)
    assert caught.value.response is not None
    assert caught.value.response.status_code == 500
    assert traffic.lines() == [f'PUT /v2/{repo}/manifests/x 500']
    assert traffic.requests[0].headers['Content-Type'] == SIGNED
