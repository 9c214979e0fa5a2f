"""Messages about servers that name the next step: a status without a word, a page, a certificate."""

import ssl
from pathlib import Path

import pytest
from requests import Request
from requests.exceptions import SSLError

from dxf import DXFBase
from dxf.cli.error_messages import line_of

from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, ScriptedRegistry
from .test_next_steps import FAST, INSECURE, REPO, answered, resolving, unreached


def test_a_page_in_place_of_an_upload_is_told() -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(200, body=b'<html>') if request.method == 'POST' else None
        assert answered({'DXF_HOST': server.host, **INSECURE}, 1, 'push-blob', REPO, __file__) == \
            'expected status code 202, got 200; the server may be no registry, or a proxy before it answers'


@pytest.mark.parametrize(('status', 'said'), [
    (413, 'a proxy before the registry allows no larger request: nginx has client_max_body_size for that'),
    (429, 'the registry limits requests: wait before the next command'),
    (503, 'the registry, or a proxy before it, does not work now: wait, or set DXF_RETRIES higher'),
    (507, 'the disk of the registry is full: free space there, then repeat the command')])
def test_a_status_without_a_word_is_told_with_what_to_do(status: int, said: str) -> None:
    with ScriptedRegistry() as server:
        server.hook = lambda request: Answer(status) if request.method == 'PUT' else None
        line = answered({'DXF_HOST': server.host, 'DXF_RETRIES': '0', **INSECURE}, 1, 'push-blob', REPO, __file__)
    assert line.startswith(f'{status} ') and line.endswith(f'); {said}')


def test_a_certificate_for_another_name_is_told_with_what_prints_its_names(certificates: Certificates,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedRegistry(certificates) as server, resolving(monkeypatch, lambda host, port: port):
        port = server.host.partition(':')[2]
        failed = unreached(DXFBase(f'registry.example:{port}', tlsverify=certificates.ca, limits=FAST))
    assert line_of(failed).endswith(
        f'; name the registry as its certificate does: openssl s_client -connect registry.example:{port} </dev/null | '
        'openssl x509 -noout -ext subjectAltName prints the names')


@pytest.mark.parametrize('number', [9, 10], ids=['not yet valid', 'expired'])
def test_a_certificate_of_another_time_is_told_with_the_clock(number: int) -> None:
    cause = ssl.SSLCertVerificationError('certificate verify failed')
    cause.verify_code, cause.verify_message = number, 'certificate has expired'
    failure = SSLError(cause)
    failure.request = Request('GET', 'https://registry.example.com/v2/').prepare()
    assert line_of(failure) == \
        'cannot verify the certificate of registry.example.com: certificate has expired; ' \
        'is the clock of this machine right?'


def test_a_file_of_certificates_that_is_none_is_told_with_what_makes_one(certificates: Certificates, tmp_path: Path
                                                                         ) -> None:
    (tmp_path / 'ca.der').write_bytes(b'0\x82')
    with ScriptedRegistry(certificates) as server:
        line = answered({'DXF_HOST': server.host, 'DXF_TLSVERIFY': str(tmp_path / 'ca.der')}, 1, 'list-repos')
    assert line.endswith('; if REQUESTS_CA_BUNDLE or DXF_TLSVERIFY is set, does it name a file of certificates in PEM? '
                         'openssl x509 -inform der -in FILE -out ca.pem makes one of another file')
