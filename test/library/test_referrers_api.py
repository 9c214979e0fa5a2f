"""Registries without the referrers API, which answer as they like: the referrers tag is asked, as after a 404."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dxf import DXF
from dxf.exceptions import DXFError
from dxf.main import doit

from ..helpers.repository_content import OCI_INDEX, OCI_MANIFEST, push_alias, push_referrer
from ..servers.scripted_registry import LOST, REPO, Answer, Hook, Request, ScriptedRegistry, error

TYPE = 'application/x-signature'
PAGE = Answer(200, {'Content-Type': 'text/html'}, b'\xef\xbb\xbf \n<!doctype html><title>Sign in</title>')
TYPED = {'Content-Type': OCI_INDEX}


@pytest.fixture(name='elsewhere')
def start_elsewhere() -> Iterator[ScriptedRegistry]:
    """Another origin, where people sign in."""
    with ScriptedRegistry() as server:
        yield server


def answering(answer: Answer) -> Hook:
    """Return a hook that answers requests of the referrers API."""
    return lambda request: answer if '/referrers/' in request.path else None


def subject_of(client: DXF) -> str:
    """Store a manifest to refer to, and return its digest."""
    push_alias(client, b'subject')
    return client.manifest_digest('a')


def listed(client: DXF, subject: str) -> list[str]:
    """Return the digests of what refers to a manifest."""
    return [str(one['digest']) for one in client.list_referrers(subject)]


def check(server: ScriptedRegistry, client: DXF, hook: Hook) -> None:
    """Check that all works as where the API answers 404: listing, attaching and the command."""
    subject = subject_of(client)
    server.hook = hook
    assert listed(client, subject) == []
    signatures = [push_referrer(client, subject, f'{TYPE}-{number}') for number in range(2)]
    assert listed(client, subject) == signatures
    assert doit(['referrers', REPO, 'a'], server.environ(DXF_RETRIES='0')) == 0


ANSWERS = {
    '400': error(400, 'UNSUPPORTED'),
    '404 as a page': Answer(404, {'Content-Type': 'text/html'}, PAGE.body),
    '405': Answer(405),
    '406': Answer(406),     # https://github.com/google/go-containerregistry/issues/1962
    '501': Answer(501),
    'a page': PAGE,         # https://github.com/sigstore/sigstore-js/pull/1187
    'a page that says that it is an index': Answer(200, TYPED, PAGE.body),
    'a text': Answer(200, {'Content-Type': 'text/plain'}, b'Not found'),
    'nothing': Answer(200),
    'nothing that says that it is an index': Answer(200, TYPED),
    'no content': Answer(204),
    'a list': Answer(200, {'Content-Type': 'application/json'}, b'[]'),
    'null': Answer(200, {'Content-Type': 'application/json'}, b'null'),
    'a redirect to nowhere': Answer(307),
}


@pytest.mark.parametrize('answer', ANSWERS.values(), ids=ANSWERS)
def test_the_tag_is_asked_where_the_api_answers_with_no_list(server: ScriptedRegistry, client: DXF, answer: Answer
                                                             ) -> None:
    check(server, client, answering(answer))


@pytest.mark.parametrize('status, page', [
    *((307, page) for page in (PAGE, Answer(200), Answer(400), Answer(401), Answer(403), error(403, 'DENIED'),
                               Answer(404), Answer(405), Answer(410))),
    *((status, page) for status in (302, 303) for page in (PAGE, Answer(401)))])  # what is followed gives the same page
def test_the_tag_is_asked_where_the_api_leads_to_a_login_page(server: ScriptedRegistry, elsewhere: ScriptedRegistry,
                                                              client: DXF, status: int, page: Answer) -> None:
    elsewhere.hook = lambda request: page
    check(server, client, answering(Answer(status, {'Location': f'{elsewhere.url}/login?to=referrers/sha256:0'})))
    assert {request.path for request in elsewhere.requests} == {'/login'}


def test_the_tag_is_asked_where_the_api_leads_to_a_login_page_of_the_registry(server: ScriptedRegistry, client: DXF
                                                                             ) -> None:
    redirect = Answer(307, {'Location': '/login'})
    check(server, client, lambda request: PAGE if request.path == '/login' else
          redirect if '/referrers/' in request.path else None)


def test_the_tag_is_asked_where_a_login_sends_those_without_a_cookie_in_circles(server: ScriptedRegistry, client: DXF
                                                                               ) -> None:
    asked: list[str] = []

    def hook(request: Request) -> Answer | None:
        if '/referrers/' in request.path:
            asked.append(request.path)
            return Answer(307, {'Location': '/login'})
        return Answer(307, {'Location': asked[-1]}) if request.path == '/login' else None
    check(server, client, hook)


# What is not a sign of a registry without the API

@pytest.mark.parametrize('answer', [
    error(403, 'DENIED'),
    error(401, 'UNAUTHORIZED'),
    error(429, 'TOOMANYREQUESTS'),
    Answer(403, {'Retry-After': '0'}),
    error(500, 'UNKNOWN'),
    error(503, 'UNAVAILABLE'),
    Answer(206, TYPED, b'{"schemaVersion": 2, "manifests": []}'),
    Answer(200, TYPED, b'{"schemaVersion": 2, "manif'),
    Answer(200, TYPED, b'{"schemaVersion": 2}'),
    Answer(200, TYPED, b'{"errors": [{"code": "DENIED"}]}'),
    Answer(200, TYPED, b'', declared=9),
    LOST,
])
def test_the_tag_is_not_asked_where_the_api_may_know_more(server: ScriptedRegistry, client: DXF, answer: Answer
                                                          ) -> None:
    subject = subject_of(client)
    push_referrer(client, subject, TYPE)
    server.hook = answering(answer)
    server.requests.clear()
    with pytest.raises((DXFError, OSError)):
        client.list_referrers(subject)
    assert [request.line for request in server.requests if '/manifests/' in request.path] == []


@pytest.mark.parametrize('status', [401, 403, 429, 500])
def test_the_tag_is_not_asked_where_another_host_has_the_api_and_refuses(server: ScriptedRegistry,
                                                                         elsewhere: ScriptedRegistry, client: DXF,
                                                                         status: int) -> None:
    subject = subject_of(client)
    elsewhere.hook = lambda request: error(status, 'X')
    server.hook = lambda request: Answer(307, {'Location': f'{elsewhere.url}{request.path}'}) \
        if '/referrers/' in request.path else None
    with pytest.raises(DXFError, match='^unauthorized' if status == 401 else f'^{status} '):
        client.list_referrers(subject)


def test_a_list_on_another_host_is_read_there(server: ScriptedRegistry, elsewhere: ScriptedRegistry, client: DXF
                                              ) -> None:
    subject = subject_of(client)
    entry: dict[str, Any] = {'mediaType': OCI_MANIFEST, 'digest': subject, 'size': 1}
    elsewhere.hook = lambda request: Answer(200, TYPED, json.dumps({'manifests': [entry]}).encode())
    server.hook = lambda request: Answer(307, {'Location': f'{elsewhere.url}/mirror{request.path}'}) \
        if '/referrers/' in request.path else None
    assert client.list_referrers(subject) == [entry]


@pytest.mark.parametrize('answer', [PAGE, Answer(200), Answer(405), Answer(204)])
def test_a_later_page_that_is_no_list_is_an_error(server: ScriptedRegistry, client: DXF, answer: Answer) -> None:
    subject = subject_of(client)
    first = Answer(200, {**TYPED, 'Link': '<?last=b>; rel="next"'}, b'{"manifests": []}')
    server.hook = lambda request: None if '/referrers/' not in request.path else answer if request.query else first
    with pytest.raises(DXFError):
        client.list_referrers(subject)


@pytest.mark.parametrize('api', [PAGE, Answer(200), Answer(405)])
@pytest.mark.parametrize('tag', [PAGE, Answer(200), Answer(405), error(403, 'DENIED')])
def test_there_are_no_referrers_only_where_there_is_no_tag(server: ScriptedRegistry, client: DXF, api: Answer,
                                                           tag: Answer) -> None:
    subject = subject_of(client)
    server.hook = lambda request: api if '/referrers/' in request.path else tag
    with pytest.raises(DXFError):
        client.list_referrers(subject)
