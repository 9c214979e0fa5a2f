"""Rate limits that are told by 403: GitHub's secondary one is waited for, as 429 is, and its text is shown."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, Limits, hash_bytes
from dxf.cli.error_messages import status_of
from dxf.credentials.stored import StoredCredentials
from dxf.exceptions import DXFHTTPError
from dxf.main import doit

from ..helpers.endpoints import PASSWORD, USERNAME
from ..helpers.stored_credentials import encoded, write_file
from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error, guard

REPO = 'fred/a'
TAGS = f'/v2/{REPO}/tags/list'
NO_TAGS = Answer(body=b'{"tags": []}')
MESSAGE = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.'
GITHUB = Answer(403, {'Content-Type': 'application/json'}, json.dumps({
    'documentation_url': 'https://docs.github.com/rest/overview/rate-limits-for-the-rest-api', 'message': MESSAGE
    }).encode())
QUOTED = error(403, 'DENIED', 'permission_denied: Error from intermediary with HTTP status code 403 "Forbidden" - '
               'with-body: {"message": "' + MESSAGE + '"}')   # https://github.com/virtualcell/vcell/issues/1888
WITH_HEADER = Answer(403, {'Retry-After': '0'})
LIMITS = Limits(retries=2, backoff=0.01, longest_backoff=0.02, part=8, small_part=4)
CONTENT = b'0123456789'


@pytest.fixture(name='client')
def make_client(server: ScriptedRegistry) -> DXF:
    """A client of it that tries everything twice more."""
    return DXF(server.host, REPO, insecure=True, limits=LIMITS)


@pytest.fixture(name='pauses')
def record_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made; none is."""
    pauses: list[float] = []
    monkeypatch.setattr(time, 'sleep', pauses.append)
    return pauses


@pytest.mark.parametrize('method, answer', [
    *((method, answer) for method in ('get', 'post', 'put', 'delete') for answer in (GITHUB, QUOTED)),
    ('head', WITH_HEADER),      # there is no body to tell it by
])
def test_a_rate_limit_that_is_told_by_403_is_waited_for(server: ScriptedRegistry, client: DXF, method: str,
                                                        answer: Answer) -> None:
    server.script(method.upper(), '/v2/fred/a/x', [answer, answer, Answer(200)])
    client._request(method, 'x', data=b'content' if method == 'put' else b'')
    assert server.lines() == [f'{method.upper()} /v2/fred/a/x'] * 3
    assert {request.body for request in server.of('PUT')} <= {b'content'}


@pytest.mark.parametrize('value, shortest, longest', [('3', 3, 3), ('99999', 60, 60), (None, 0, 0.02)])
def test_its_retry_after_is_waited_for(server: ScriptedRegistry, client: DXF, pauses: list[float], value: str | None,
                                       shortest: float, longest: float) -> None:
    headers = {} if value is None else {'Retry-After': value}
    server.script('GET', TAGS, [Answer(403, headers, GITHUB.body), NO_TAGS])
    assert client.list_aliases() == []
    assert len(pauses) == 1 and shortest <= pauses[0] <= longest


def test_its_text_is_shown_where_it_stays(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: GITHUB
    with pytest.raises(DXFHTTPError) as caught:
        client.list_aliases()
    assert str(caught.value) == f'403 Forbidden: {MESSAGE} ({REPO}/tags/list)'
    assert len(server.requests) == 3


@pytest.mark.parametrize('answer', [GITHUB, QUOTED])
def test_it_is_no_matter_of_a_credential(server: ScriptedRegistry, client: DXF, answer: Answer) -> None:
    server.hook = lambda request: answer
    with pytest.raises(DXFHTTPError) as caught:
        client.list_aliases()
    assert status_of(caught.value) == 1     # and not 13


def test_a_listing_that_is_limited_is_not_taken_for_one_that_there_is_not(server: ScriptedRegistry, client: DXF
                                                                         ) -> None:
    server.hook = lambda request: GITHUB
    with pytest.raises(DXFHTTPError, match='^403 Forbidden: You have exceeded'):
        client.list_repos()


def test_a_listing_that_a_gateway_forbids_is_one_that_there_is_not(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: Answer(403, body=b'{"message": "Forbidden"}')
    with pytest.raises(DXFHTTPError, match='the registry does not list its repositories .403 Forbidden'):
        client.list_repos()
    assert len(server.requests) == 1


@pytest.mark.parametrize('status', [404, 405])
def test_a_message_with_another_status_is_no_rate_limit(server: ScriptedRegistry, client: DXF, status: int) -> None:
    server.hook = lambda request: Answer(status, body=GITHUB.body)
    with pytest.raises(DXFHTTPError, match=f'the registry does not list its repositories .{status} '):
        client.list_repos()
    assert len(server.requests) == 1


@pytest.mark.parametrize('answer', [
    error(403, 'DENIED', 'requested access to the resource is denied'),
    Answer(403),
    Answer(403, body=b'<html>Forbidden</html>'),
    Answer(403, body=b'{"message": 5}'),
    Answer(403, body=b'{"message": ""}'),
    Answer(403, body=b'{"message": "Forbidden"}'),      # gateways: a message alone is no rate limit
    Answer(403, body=b'["message"]'),
    Answer(403, body=b'{"errors": [{"code": "DENIED"}], "message": "no"}'),
    Answer(401, body=GITHUB.body),
    Answer(404, body=GITHUB.body),
])
def test_other_refusals_are_final(server: ScriptedRegistry, client: DXF, answer: Answer) -> None:
    server.hook = lambda request: answer
    with pytest.raises(Exception, match='unauthorized|^40'):
        client.list_aliases()
    assert len(server.requests) == 1


# Uploads, whose bodies are not sent again by themselves

def limited(method: str, answer: Answer = GITHUB) -> Callable[[Request], Answer | None]:
    """Return a hook that refuses the first request of a method."""
    left = [answer]
    return lambda request: left.pop() if request.method == method and left else None


@pytest.mark.parametrize('method', ['POST', 'PATCH', 'PUT'])
@pytest.mark.parametrize('source', ['file', 'data', 'generator'])
def test_an_upload_goes_on_after_a_rate_limit(server: ScriptedRegistry, client: DXF, tmp_path: Path, method: str,
                                              source: str) -> None:
    path = tmp_path / 'file'
    path.write_bytes(CONTENT)
    server.hook = limited(method)
    data: Any = iter([CONTENT]) if source == 'generator' else CONTENT
    assert client.push_blob(str(path) if source == 'file' else None, data=data) == hash_bytes(CONTENT)
    assert server.memory.blobs[REPO] == {hash_bytes(CONTENT): CONTENT}


def test_an_upload_that_a_rate_limit_ended_is_resumed(server: ScriptedRegistry, tmp_path: Path) -> None:
    path = tmp_path / 'file'
    path.write_bytes(bytes(33 << 20))   # in parts of 16 MiB
    environ = server.environ(DXF_RETRIES='0', XDG_STATE_HOME=str(tmp_path))
    server.hook = lambda request: GITHUB if request.method == 'PUT' else None
    with pytest.raises(DXFHTTPError, match='secondary rate limit'):
        doit(['push-blob', '--resume', REPO, str(path)], environ)
    server.hook = None
    server.requests.clear()
    assert doit(['push-blob', '--resume', REPO, str(path)], environ) == 0
    assert len(server.of('POST')) == 0 and len(server.memory.blobs[REPO]) == 1


# The token server

def test_a_credential_that_was_only_limited_stays_in_use(certificates: Certificates, tmp_path: Path) -> None:
    said: list[str] = []
    with ScriptedRegistry(certificates) as server:
        challenge = f'Bearer realm="{server.url}/token",service="x",scope="repository:{REPO}:pull"'
        needs = guard('Bearer granted', challenge)
        server.hook = lambda request: None if request.path == '/token' else needs(request)
        server.script('GET', '/token', [GITHUB, Answer(body=b'{"token": "granted"}')])
        server.memory.put_manifest(REPO, 'v1', 'application/json', b'{}')
        write_file(tmp_path / '.docker' / 'config.json', {server.host: {'auth': encoded(USERNAME, PASSWORD)}})
        for retries, tokens in ((1, 2), (0, 3)):
            auth = StoredCredentials({'HOME': str(tmp_path)}, say=said.append)
            client = DXF(server.host, REPO, auth, tlsverify=str(certificates.ca),
                         limits=Limits(retries=retries, backoff=0.01))
            if retries:
                assert client.list_aliases() == ['v1']
            else:
                server.script('GET', '/token', [GITHUB])
                with pytest.raises(DXFHTTPError, match='secondary rate limit'):
                    client.list_aliases()
            asked = [request.authorization for request in server.requests if request.path == '/token']
            assert asked == ['Basic ' + encoded(USERNAME, PASSWORD)] * tokens
    assert not said
