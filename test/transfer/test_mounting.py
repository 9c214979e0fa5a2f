"""Blobs that are asked for by a mount from their own repository, which opens an upload if they are missing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from requests.exceptions import HTTPError

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFUnauthorizedError
from dxf.transfer.mounting import MAX_ASKED

from ..helpers.endpoints import Endpoint
from ..helpers.traffic import Traffic
from ..servers.scripted_registry import LOST, Answer, Request, ScriptedRegistry, error, guard

REPO = 'fred/datalogger'
CONTENTS = [b'readings of May %d' % day for day in range(15, 20)]
DIGESTS = list(map(hash_bytes, CONTENTS))
CONTENT, DIGEST = CONTENTS[0], DIGESTS[0]
UPLOADS = f'/v2/{REPO}/blobs/uploads/'
PAGE = Answer(200, {'Content-Type': 'text/html'}, b'<!DOCTYPE html><title>Sign in</title>')
NEW = ['POST', 'HEAD', 'POST', 'PUT']


@pytest.fixture(name='client')
def make_client(server: ScriptedRegistry) -> DXF:
    """A client of its repository that tries twice, and does one thing after another."""
    return DXF(server.host, REPO, insecure=True, limits=Limits(retries=1, backoff=0.001), jobs=1)


def methods(server: ScriptedRegistry) -> list[str]:
    """Return the methods of the requests."""
    return [request.method for request in server.requests]


def is_question(request: Request) -> bool:
    """Return whether a request asks to mount a blob from the repository itself."""
    return request.method == 'POST' and request.parameter('from') == REPO


def answering(server: ScriptedRegistry, answer: Callable[[Request], Answer | None]) -> None:
    """Let the registry answer the question in this way."""
    server.hook = lambda request: answer(request) if is_question(request) else None


def ignoring(server: ScriptedRegistry) -> None:
    """Let the registry ignore the question, and open an upload for each blob."""
    def ignored(request: Request) -> Answer:
        return server.ordinary(replace(request, query=''))
    answering(server, ignored)


def test_a_new_blob_costs_two_requests_on_a_real_registry_and_in_a_folder(
        endpoint: Endpoint, repo: str, traffic: Traffic) -> None:
    client = endpoint.dxf(repo)
    client.push_blob(data=CONTENT)
    assert [line for line in traffic.lines() if '/v2/' in line and not line.endswith(' 401')][0].endswith('202')
    assert sum('/v2/' in line and not line.endswith(' 401') for line in traffic.lines()) == 2
    traffic.clear()
    other = endpoint.dxf(repo)
    other.push_blob(data=CONTENT)
    assert [line.split()[0::2] for line in traffic.lines() if '/v2/' in line and not line.endswith(' 401')] == [
        ['POST', '201']]
    assert b''.join(other.pull_blob(DIGEST)) == CONTENT


def test_the_first_blob_that_was_stored_tells_whether_the_registry_answers(server: ScriptedRegistry, client: DXF
                                                                          ) -> None:
    for content in CONTENTS:
        client.push_blob(data=content)
    assert methods(server) == ['POST', 'PUT'] + ['POST'] + ['POST', 'PUT'] * 4
    assert [request.parameter('mount') for request in server.of('POST')] == [DIGESTS[0], DIGESTS[0], *DIGESTS[1:]]
    assert not server.memory.uploads


def test_blobs_that_are_there_are_asked_for_by_head_after_the_first(server: ScriptedRegistry, client: DXF) -> None:
    for content in CONTENTS:
        server.memory.put(REPO, content)
    for content in CONTENTS:
        client.push_blob(data=content)
    assert methods(server) == ['POST', 'HEAD', 'HEAD', 'HEAD', 'HEAD']


def test_a_registry_that_ignores_the_question_is_asked_by_head_after_one_blob(server: ScriptedRegistry, client: DXF
                                                                             ) -> None:
    ignoring(server)
    for content in CONTENTS[:4]:
        server.memory.put(REPO, content)
    for content in CONTENTS:
        client.push_blob(data=content)
    assert methods(server) == ['POST', 'PUT'] + ['POST', 'HEAD', 'DELETE'] + ['HEAD'] * 2 + ['HEAD', 'POST', 'PUT']
    assert not server.memory.uploads


def test_the_session_of_an_ignored_question_serves_another_blob(server: ScriptedRegistry, client: DXF) -> None:
    ignoring(server)
    client.push_blob(data=CONTENTS[0])
    client.push_blob(data=CONTENTS[1])
    assert methods(server) == ['POST', 'PUT', 'POST', 'HEAD', 'PUT']
    assert server.memory.blobs[REPO] == dict(zip(DIGESTS[:2], CONTENTS[:2], strict=True))


def test_what_is_learned_is_shared_with_other_repositories_of_the_registry(server: ScriptedRegistry, client: DXF
                                                                          ) -> None:
    server.hook = lambda request: error(405, 'UNSUPPORTED') if request.parameter('mount') else None
    client.push_blob(data=CONTENT)
    server.requests.clear()
    DXF.from_base(client, 'fred/other').push_blob(data=CONTENT)
    assert methods(server) == ['HEAD', 'POST', 'PUT']


@pytest.mark.parametrize('answer', [
    pytest.param(Answer(201, {'Docker-Content-Digest': DIGESTS[1]}), id='the digest of another blob'),
    pytest.param(Answer(201), id='no digest'),
    pytest.param(Answer(201, {'Docker-Content-Digest': 'sha512:' + '0' * 128}), id='another algorithm'),
    pytest.param(PAGE, id='a page'),
    pytest.param(replace(PAGE, status=201), id='a page, created'),
    pytest.param(replace(PAGE, status=202), id='a page, accepted'),
    pytest.param(Answer(202), id='an upload without an address'),
    pytest.param(Answer(202, {'Location': 'http://a..b/'}), id='an upload nowhere'),
    pytest.param(Answer(302, {'Location': '/login'}), id='a redirect'),
    pytest.param(Answer(307, {'Location': '/login'}), id='a redirect that keeps the method'),
    *(pytest.param(error(status, 'DENIED'), id=str(status)) for status in (400, 401, 403, 404, 405, 416, 500, 501)),
])
@pytest.mark.parametrize('is_there', [True, False])
def test_a_registry_that_refuses_the_question_or_lies_is_asked_by_head(server: ScriptedRegistry, client: DXF,
                                                                       answer: Answer, is_there: bool) -> None:
    server.hook = lambda request: answer if is_question(request) else PAGE if request.path == '/login' else None
    if is_there:
        server.memory.put(REPO, CONTENT)
    assert client.push_blob(data=CONTENT) == DIGEST
    expected = ['POST', 'HEAD'] if is_there else NEW
    assert [request.method for request in server.requests if request.path != '/login'] == expected
    assert server.memory.blobs[REPO] == {DIGEST: CONTENT}
    assert not server.memory.uploads


@pytest.mark.parametrize('answer', [LOST, *(error(status, 'BUSY') for status in (429, 500, 503))])
def test_a_question_that_fails_is_not_asked_again_and_the_blob_is_stored(server: ScriptedRegistry, client: DXF,
                                                                         answer: Answer) -> None:
    answering(server, lambda request: answer)
    client.push_blob(data=CONTENT)
    assert methods(server) == NEW


@pytest.mark.parametrize('answer, is_asked_again', [(error(503, 'BUSY'), True), (error(403, 'DENIED'), False)])
def test_only_a_refusal_for_good_is_remembered(server: ScriptedRegistry, client: DXF, answer: Answer,
                                               is_asked_again: bool) -> None:
    answering(server, lambda request: answer)
    client.push_blob(data=CONTENTS[0])
    server.requests.clear()
    client.push_blob(data=CONTENTS[1])
    assert ('POST' == server.requests[0].method) == is_asked_again


def test_a_large_blob_is_asked_for_by_head(server: ScriptedRegistry, client: DXF) -> None:
    client.push_blob(data=bytes(MAX_ASKED + 1))
    client.push_blob(data=bytes(MAX_ASKED))
    assert methods(server) == ['HEAD', 'POST', 'PUT', 'POST', 'POST', 'PUT']


def test_what_is_to_be_sent_in_any_case_is_not_asked_for(server: ScriptedRegistry, client: DXF) -> None:
    server.memory.put(REPO, CONTENT)
    client.push_blob(data=CONTENT, check_exists=False)
    assert methods(server) == ['POST', 'PUT', 'HEAD']
    assert not any(request.parameter('mount') for request in server.requests)


def test_a_token_that_may_only_pull_is_enough_where_the_blob_is_there(server: ScriptedRegistry) -> None:
    server.memory.put(REPO, CONTENT)
    challenge = 'Bearer realm="https://token.example/token",error="insufficient_scope"'
    answering(server, lambda request: error(401, 'DENIED', headers={'WWW-Authenticate': challenge}))
    client = DXF(server.host, REPO, insecure=True)
    client.token = 'c2VjcmV0'
    assert client.push_blob(data=CONTENT) == DIGEST
    assert methods(server) == ['POST', 'HEAD']


def test_a_wrong_password_is_sent_once(server: ScriptedRegistry) -> None:
    server.hook = guard('Basic right', 'Basic realm="here"')
    client = DXF(server.host, REPO, lambda dxf, _: dxf._headers.update(Authorization='Basic wrong'), insecure=True)
    with pytest.raises(DXFUnauthorizedError):
        client.push_blob(data=CONTENT)
    assert [request.headers.get('Authorization') for request in server.requests] == [None, 'Basic wrong']


def test_an_error_of_the_progress_leaves_no_upload(server: ScriptedRegistry, client: DXF, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError('seen enough')
    (tmp_path / 'file').write_bytes(CONTENT)
    with pytest.raises(RuntimeError, match='seen enough'):
        client.push_blob(tmp_path / 'file', fail)
    assert methods(server) == ['POST', 'DELETE']
    assert not server.memory.uploads


def test_a_head_that_is_refused_leaves_no_upload(server: ScriptedRegistry, client: DXF) -> None:
    ignoring(server)
    client.push_blob(data=CONTENTS[0])
    hook = server.hook
    assert hook is not None
    server.hook = lambda request: error(403, 'DENIED') if request.method == 'HEAD' else hook(request)
    with pytest.raises(HTTPError, match='403'):
        client.push_blob(data=CONTENTS[1])
    assert not server.memory.uploads


def test_several_blobs_at_once_cost_two_requests_each_and_one_question_more(server: ScriptedRegistry) -> None:
    contents = [b'%d' % number for number in range(40)]
    client = DXF(server.host, REPO, insecure=True, jobs=4)
    client.push_blobs(contents)
    assert len(server.requests) == 2 * len(contents) + 1
    assert server.memory.blobs[REPO] == {hash_bytes(content): content for content in contents}
    assert not server.memory.uploads


@pytest.mark.parametrize('content', [b'', CONTENT[:7], bytes(len(CONTENT))])
def test_a_damaged_file_of_a_folder_is_not_confirmed(folder: Endpoint, repo: str, traffic: Traffic, content: bytes
                                                     ) -> None:
    folder.dxf(repo).push_blob(data=CONTENT)
    path = Path(folder.host.removeprefix('oci:')) / repo / 'blobs' / 'sha256' / DIGEST.removeprefix('sha256:')
    path.write_bytes(content)
    traffic.clear()
    assert folder.dxf(repo).push_blob(data=CONTENT) == DIGEST
    assert [line.split()[0::2] for line in traffic.lines()] == [['POST', '202'], ['PUT', '201']]
    assert path.read_bytes() == CONTENT
