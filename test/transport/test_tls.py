"""TLS: whose certificates are trusted, from which call on, and how each failure is told."""

import os
import ssl
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
import trustme
from requests.exceptions import SSLError

import dxf.main
from dxf import DXF, DXFBase, Limits
from dxf.cli.error_messages import line_of
from dxf.limits import READ_SIZE
from dxf.transfer.background_hash import MAX_AHEAD
from dxf.transport.attempts import is_transient

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.scripted_registry import LOST, Answer, ScriptedRegistry
from ..servers.token_server import TokenServer

FAST = Limits(retries=3, backoff=0.01)
BUNDLE = 'REQUESTS_CA_BUNDLE'


@pytest.fixture(name='server')
def start_server(certificates: Certificates) -> Iterator[ScriptedRegistry]:
    """A scripted registry over https."""
    with ScriptedRegistry(certificates) as server:
        yield server


@pytest.fixture(name='others', scope='module')
def make_others(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Another authority, which signed nothing that the server shows."""
    return Certificates(tmp_path_factory.mktemp('others'))


def issued(directory: Path, name: str, not_after: datetime | None = None) -> Certificates:
    """Return certificates of which the server's is for this name, and valid until then."""
    certificates = Certificates(directory)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(certificates.ca)
    server = authority.issue_cert(name, not_after=not_after)
    server.private_key_pem.write_to_path(certificates.key)
    server.cert_chain_pems[0].write_to_path(certificates.certificate)
    return certificates


def ask(server: ScriptedRegistry, tlsverify: bool | str = True) -> DXFBase:
    """Return a client that has asked the server something."""
    client = DXFBase(server.host, tlsverify=tlsverify, limits=FAST)
    client.api_version_check()
    return client


def refusal(server: ScriptedRegistry, tlsverify: bool | str = True) -> str:
    """Return the line about the certificate that was not accepted."""
    with pytest.raises(SSLError) as caught:
        ask(server, tlsverify)
    assert not server.requests
    assert not is_transient(caught.value)
    return line_of(caught.value)


# Whose certificates are trusted

def test_an_unknown_authority_is_not_trusted(server: ScriptedRegistry, others: Certificates, traffic: Traffic) -> None:
    assert 'certificate' in refusal(server)
    assert 'certificate' in refusal(server, others.ca)
    assert len(traffic.connections) == 2        # and asking again does not help


def test_an_own_authority_is_trusted_by_tlsverify(server: ScriptedRegistry, certificates: Certificates) -> None:
    ask(server, certificates.ca)
    assert len(server.requests) == 1


def test_an_own_authority_is_trusted_by_requests_ca_bundle(server: ScriptedRegistry, certificates: Certificates,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLE, certificates.ca)
    ask(server)
    assert len(server.requests) == 1


def test_a_wrong_bundle_is_of_no_use_to_tlsverify(server: ScriptedRegistry, certificates: Certificates,
                                                  others: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLE, others.ca)
    refusal(server)
    ask(server, certificates.ca)                # what was said explicitly wins
    monkeypatch.setenv(BUNDLE, certificates.ca)
    server.requests.clear()
    refusal(server, others.ca)


def test_an_empty_bundle_is_the_default_and_not_off(server: ScriptedRegistry,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLE, '')
    refusal(server)
    for variable in (BUNDLE, 'DXF_TLSVERIFY'):
        with pytest.raises(SSLError):
            dxf.main.doit(['list-repos'], {'DXF_HOST': server.host, 'DXF_RETRIES': '0', variable: ''})
    assert not server.requests


@pytest.mark.filterwarnings('ignore:Unverified HTTPS request')
def test_without_verification_everything_is_trusted_whatever_the_bundle(
        server: ScriptedRegistry, others: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(server, False)
    monkeypatch.setenv(BUNDLE, others.ca)
    ask(server, False)
    assert len(server.requests) == 2


def test_the_command_line_without_verification_keeps_stderr_empty(server: ScriptedRegistry) -> None:
    environ = {**os.environ, 'DXF_HOST': server.host, 'DXF_SKIPTLSVERIFY': '1', BUNDLE: '/nowhere'}
    done = subprocess.run([sys.executable, '-m', 'dxf', 'list-repos'], env=environ, capture_output=True, text=True,
                          check=False, timeout=90)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


@pytest.mark.parametrize('variable', ['DXF_TLSVERIFY', BUNDLE])
def test_the_command_line_takes_an_authority_from_either_variable(server: ScriptedRegistry, variable: str,
                                                                  certificates: Certificates) -> None:
    assert dxf.main.doit(['list-repos'], {'DXF_HOST': server.host, variable: certificates.ca}) == 0
    assert len(server.requests) == 1


def test_the_token_server_is_verified_too(certificates: Certificates, others: Certificates) -> None:
    with ScriptedRegistry(certificates) as server, TokenServer(others, {USERNAME: PASSWORD}) as tokens:
        server.hook = lambda request: Answer(401, {'WWW-Authenticate': f'Bearer realm="{tokens.realm}"'})
        with pytest.raises(SSLError) as caught:
            DXFBase(server.host, tlsverify=certificates.ca, limits=FAST).authenticate(USERNAME, PASSWORD)
        assert tokens.host in line_of(caught.value)
        assert not tokens.requests


def test_a_redirect_is_verified_too(server: ScriptedRegistry, certificates: Certificates,
                                    others: Certificates) -> None:
    with ScriptedRegistry(others) as elsewhere:
        server.hook = lambda request: Answer(307, {'Location': elsewhere.url})
        with pytest.raises(SSLError):
            ask(server, certificates.ca)
        assert not elsewhere.requests


def test_a_real_registry_is_verified(basic_registry: Endpoint, others: Certificates, repo: str) -> None:
    assert basic_registry.dxf(repo).push_blob(data=b'content')
    for tlsverify in (True, others.ca):
        with pytest.raises(SSLError):
            DXF(basic_registry.host, repo, basic_registry.auth(), tlsverify=tlsverify).list_aliases()


# From which call on

def test_the_bundle_may_be_set_and_changed_at_any_time(server: ScriptedRegistry, certificates: Certificates,
                                                       others: Certificates, traffic: Traffic,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    client = DXFBase(server.host, limits=FAST)

    def works() -> bool:
        try:
            client.api_version_check()
        except SSLError:
            return False
        return True

    assert not works()
    for bundle, expected in ((certificates.ca, True), (others.ca, False), (certificates.ca, True), ('', False)):
        monkeypatch.setenv(BUNDLE, bundle)
        assert works() is expected
    monkeypatch.setenv(BUNDLE, certificates.ca)
    assert works()
    monkeypatch.delenv(BUNDLE)
    assert not works()
    assert len(server.requests) == 3
    assert set(traffic.connections) == {server.host}


@pytest.mark.filterwarnings('ignore:Unverified HTTPS request')
def test_what_was_not_verified_is_not_used_once_it_must_be(server: ScriptedRegistry, certificates: Certificates,
                                                           traffic: Traffic) -> None:
    client = ask(server, False)
    client.api_version_check()
    assert len(traffic.connections) == 1        # kept alive
    client._tlsverify = certificates.ca
    client.api_version_check()
    assert len(traffic.connections) == 2        # and not used for this
    assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.filterwarnings('ignore:Unverified HTTPS request')
@pytest.mark.parametrize('setting', ['others', 'true', 'bundle'])
@pytest.mark.parametrize('first', ['verified', 'unverified'])
def test_what_was_accepted_once_does_not_pass_a_stricter_setting(
        server: ScriptedRegistry, certificates: Certificates, others: Certificates, traffic: Traffic,
        monkeypatch: pytest.MonkeyPatch, first: str, setting: str) -> None:
    client = ask(server, certificates.ca if first == 'verified' else False)
    client._tlsverify = others.ca if setting == 'others' else True
    if setting == 'bundle':
        monkeypatch.setenv(BUNDLE, others.ca)
    with pytest.raises(SSLError):
        client.api_version_check()
    assert len(traffic.connections) == 2
    assert len(server.requests) == 1


@pytest.mark.filterwarnings('ignore:Unverified HTTPS request')
def test_a_setting_may_be_loosened_at_any_time(server: ScriptedRegistry, others: Certificates) -> None:
    client = DXFBase(server.host, tlsverify=others.ca, limits=FAST)
    with pytest.raises(SSLError):
        client.api_version_check()
    client._tlsverify = False
    client.api_version_check()
    assert len(server.requests) == 1


def test_the_setting_counts_for_what_was_made_from_a_base(server: ScriptedRegistry,
                                                          certificates: Certificates) -> None:
    base = DXFBase(server.host, tlsverify=certificates.ca, limits=FAST)
    client = DXF.from_base(base, 'fred/a')
    digest = client.push_blob(data=b'content')
    client._tlsverify = True
    with pytest.raises(SSLError):
        client.blob_size(digest)
    base.api_version_check()                    # each object has its own


# How each failure is told

def unknown(directory: Path) -> tuple[Certificates, bool | str]:
    """Return a certificate of an authority that is not known."""
    return Certificates(directory), True


def misnamed(directory: Path) -> tuple[Certificates, bool | str]:
    """Return a certificate of another host."""
    certificates = issued(directory, 'other.example')
    return certificates, certificates.ca


def expired(directory: Path) -> tuple[Certificates, bool | str]:
    """Return a certificate whose time is over."""
    certificates = issued(directory, 'localhost', datetime.now(timezone.utc) - timedelta(days=1))
    return certificates, certificates.ca


@pytest.mark.parametrize('make, words', [
    (unknown, ('self-signed certificate', 'unable to get local issuer')),   # as OpenSSL's versions say
    (misnamed, ('Hostname mismatch',)),
    (expired, ('expired',)),
])
def test_a_certificate_s_fault_is_told(tmp_path: Path, make: Callable[[Path], tuple[Certificates, bool | str]],
                                       words: tuple[str, ...]) -> None:
    certificates, tlsverify = make(tmp_path)
    with ScriptedRegistry(certificates) as server:
        line = refusal(server, tlsverify)
    assert server.host in line
    assert any(word in line for word in words)
    assert (BUNDLE in line) or make is not unknown
    assert '\n' not in line
    assert 'DXF_INSECURE' not in line


def test_a_server_without_tls_is_told_apart(traffic: Traffic) -> None:
    with ScriptedRegistry() as server:
        line = refusal(server)
    assert line.startswith(f'{server.host} does not speak TLS')
    assert not any(exchange.url.startswith('http:') for exchange in traffic.requests)     # no falling back


def test_a_server_that_hangs_up_on_tls_is_no_server_without_it(certificates: Certificates) -> None:
    with ScriptedRegistry(certificates) as server:
        server.script('GET', '/v2/', [LOST] * 4)
        with pytest.raises(requests.exceptions.ConnectionError) as caught:
            ask(server, certificates.ca)
    assert line_of(caught.value) == f'the connection to {server.host} broke'


@pytest.mark.parametrize('insecure', [False, True])
def test_no_line_holds_a_secret(certificates: Certificates, insecure: bool) -> None:
    with ScriptedRegistry(None if insecure else certificates) as server:
        client = DXF(server.host, 'fred/a', limits=FAST)
        client.token = 's3cret'
        for path in ('fred/a/tags/list', f'https://{server.host}/x?sig=s3cret'):
            with pytest.raises(SSLError) as caught:
                client._base_request('get', path)
            assert 's3cret' not in line_of(caught.value)
            assert 's3cret' not in str(caught.value)
            assert '\n' not in line_of(caught.value)


@pytest.mark.parametrize('content', [None, b'', b'no certificate', b'-----BEGIN CERTIFICATE-----\nAAAA\n'])
def test_a_bundle_that_cannot_be_read_is_told_as_one(server: ScriptedRegistry, tmp_path: Path, content: bytes | None,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / 'bundle.pem'
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv(BUNDLE, str(bundle))
    with pytest.raises((OSError, ssl.SSLError)) as caught:     # requests' own errors are OSErrors too
        ask(server)
    line = line_of(caught.value)
    assert '\n' not in line
    assert 'DXF_INSECURE' not in line, 'to go without TLS is no advice here'
    assert 'certificate' in line or str(bundle) in line
    assert not server.requests


def test_a_read_over_tls_allocates_no_more_than_what_waits_for_the_hash(basic_registry: Endpoint, repo: str) -> None:
    client = basic_registry.dxf(repo)
    digest = client.push_blob(data=os.urandom(16 << 20))
    for _ in client.pull_blob(digest, chunk_size=0):  # what is made once is made now
        pass
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in client.pull_blob(digest, chunk_size=0):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Beside what waits: the buffer, the piece that is copied from it, and those that were and will be handed out.
    assert peak - before < MAX_AHEAD + 5 * READ_SIZE
