"""A token that is refused although it has just been given out: the clocks of the servers differ, and a pause helps."""

import json

import pytest

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFUnauthorizedError

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner
from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error
from ..servers.token_server import TokenServer

REPO = 'fred/datalogger'
CONTENT = b'readings of May 15th'
DIGEST = hash_bytes(CONTENT)
QUICK = Limits(retries=1, backoff=0.001, fresh_token=0.01)


class Ahead:
    """A token server whose clock is ahead of the registry's, both of them in one server.

    :param refusals: how often the registry refuses a new token
    :param problem: what its challenge says of it then
    :param methods: the requests that it wants a new token for
    """

    def __init__(self, server: ScriptedRegistry, refusals: int, problem: str = 'invalid_token',
                 methods: tuple[str, ...] = ('GET', 'HEAD', 'POST', 'PUT')) -> None:
        self._server = server
        self._refusals = refusals
        self._problem = problem
        self._methods = methods
        self.given: list[str] = []
        self.seen: dict[str, int] = {}
        server.hook = self._answer

    def _answer(self, request: Request) -> Answer | None:
        if request.path == '/token':
            self.given.append(f'token{len(self.given)}')
            return Answer(body=json.dumps({'token': self.given[-1]}).encode())
        if request.method not in self._methods:
            return None
        token = (request.authorization or '').removeprefix('Bearer ')
        known = token in self.given
        self.seen[token] = self.seen.get(token, 0) + 1
        if known and self.seen[token] > self._refusals:
            return None
        problem = f',error="{self._problem}"' if known else ''
        return error(401, 'UNAUTHORIZED', headers={
            'WWW-Authenticate': f'Bearer realm="{self._server.url}/token",service="x",scope="a:b:c"{problem}'})


@pytest.fixture(name='server')
def fill_server(secure: ScriptedRegistry) -> ScriptedRegistry:
    """A registry over https that has a blob."""
    secure.memory.put(REPO, CONTENT)
    return secure


def client_of(server: ScriptedRegistry, certificates: Certificates, limits: Limits = QUICK) -> DXF:
    """Return a client that has a password."""
    return DXF(server.host, REPO, lambda dxf, response: dxf.authenticate('fred', 'secret', response=response),
               tlsverify=certificates.ca, limits=limits)


def test_a_new_token_that_is_refused_once_is_tried_again(server: ScriptedRegistry, certificates: Certificates) -> None:
    ahead = Ahead(server, 1)
    client = client_of(server, certificates)
    assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    blob = f'GET /v2/{REPO}/blobs/{DIGEST}'
    assert server.lines() == [blob, 'GET /token', blob, blob, blob]
    assert [request.authorization for request in server.requests[2:]] == [f'Bearer {ahead.given[0]}'] * 3


def test_a_new_token_that_is_refused_twice_is_refused(server: ScriptedRegistry, certificates: Certificates) -> None:
    Ahead(server, 2)
    with pytest.raises(DXFUnauthorizedError):
        client_of(server, certificates).pull_blob(DIGEST)
    assert len(server.requests) == 4


@pytest.mark.parametrize(('limits', 'problem'), [
    (QUICK, 'insufficient_scope'), (QUICK._replace(retries=0), 'invalid_token')])
def test_a_token_that_does_not_allow_it_is_refused_at_once(server: ScriptedRegistry, certificates: Certificates,
                                                           limits: Limits, problem: str) -> None:
    Ahead(server, 1, problem)
    with pytest.raises(DXFUnauthorizedError):
        client_of(server, certificates, limits).pull_blob(DIGEST)
    assert len(server.requests) == 3


def test_a_password_that_is_refused_is_not_tried_again(server: ScriptedRegistry, certificates: Certificates) -> None:
    server.hook = lambda request: error(401, 'UNAUTHORIZED', headers={'WWW-Authenticate': 'Basic realm="x"'})
    with pytest.raises(DXFUnauthorizedError):
        client_of(server, certificates).pull_blob(DIGEST)
    assert len(server.requests) == 2


def test_what_is_sent_with_a_new_token_is_sent_whole_each_time(server: ScriptedRegistry, certificates: Certificates
                                                               ) -> None:
    Ahead(server, 1, methods=('PUT',))
    content = b'more readings'
    assert client_of(server, certificates).push_blob(data=iter([content])) == hash_bytes(content)
    assert [request.body for request in server.of('PUT')] == [content] * 3
    assert server.memory.blobs[REPO][hash_bytes(content)] == content


def test_the_command_succeeds_where_a_new_token_is_refused_once(server: ScriptedRegistry, certificates: Certificates
                                                                ) -> None:
    Ahead(server, 1)
    dxf = Runner({'DXF_HOST': server.host, 'DXF_TLSVERIFY': certificates.ca, 'DXF_USERNAME': 'fred',
                  'DXF_PASSWORD': 'secret', 'DXF_RETRIES': '4'})
    assert dxf.run('pull-blob', REPO, DIGEST).insist(0).out == CONTENT


def test_a_real_registry_takes_a_token_a_second_after_it_was_too_early(token_registry: Endpoint, tokens: TokenServer,
                                                                       repo: str) -> None:
    # docker-registry lets clocks differ by 60 s: https://github.com/distribution/distribution/pull/1686
    tokens.backdate = -61
    client = token_registry.dxf(repo)
    client._auth = lambda dxf, response: dxf.authenticate(token_registry.username, token_registry.password,
                                                          ['pull', 'push'], response=response)
    assert client.push_blob(data=CONTENT) == DIGEST
    assert len(tokens.requests) == 1
