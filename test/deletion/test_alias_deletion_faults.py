"""Deletion of aliases on registries that refuse, lose answers, say what is not so, or are changed meanwhile."""

import json
from dataclasses import replace
from typing import Any

import pytest
from requests import Response

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFConflictError, DXFError, DXFHTTPError, DXFProtocolError, DXFUnexpectedStatusCodeError
from dxf.main import doit
from dxf.referrers import tag_of

from ..servers.scripted_registry import LOST, Answer, Hook, Request, ScriptedRegistry, error

REPO = 'fred/a'
OCI = 'application/vnd.oci.image.manifest.v1+json'
INDEX = 'application/vnd.oci.image.index.v1+json'
TAGS = f'/v2/{REPO}/tags/list'
QUICK = Limits(retries=2, backoff=0.001)


def image(name: str) -> bytes:
    """Return an image manifest that differs by a name."""
    blob = {'digest': hash_bytes(name.encode()), 'size': len(name), 'mediaType': 'application/octet-stream'}
    return json.dumps({'schemaVersion': 2, 'mediaType': OCI, 'config': blob, 'layers': [blob]}).encode()


def index(*digests: str, media_type: str = OCI) -> bytes:
    """Return an index of manifests, or of indexes."""
    entries = [{'mediaType': media_type, 'digest': digest, 'size': 1} for digest in digests]
    return json.dumps({'schemaVersion': 2, 'mediaType': INDEX, 'manifests': entries}).encode()


IMAGE, OTHER = image('one'), image('other')
DIGEST = hash_bytes(IMAGE)
BLOBS = [hash_bytes(b'one')]


def path(reference: str) -> str:
    """Return the path of a manifest."""
    return f'/v2/{REPO}/manifests/{reference}'


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A registry that deletes by name too, with one manifest under the alias ``a``, and another."""
    server.memory.put_manifest(REPO, 'a', OCI, IMAGE)
    server.memory.put_manifest(REPO, 'other', OCI, OTHER)
    return server


@pytest.fixture(name='client')
def make_client(server: ScriptedRegistry) -> DXF:
    """A client of its repository."""
    return DXF(server.host, REPO, insecure=True, limits=QUICK)


def tags(server: ScriptedRegistry) -> dict[str, str]:
    """Return what the registry's tags name."""
    return server.memory.tags[REPO]


def share(server: ScriptedRegistry) -> None:
    """Give the manifest of ``a`` another name: ``b``."""
    server.memory.put_manifest(REPO, 'b', OCI, IMAGE)


def refusing_names(server: ScriptedRegistry, status: int = 405) -> Hook:
    """Return a hook that deletes by digest alone, as distribution 2 does."""
    def hook(request: Request) -> Answer | None:
        if request.method == 'DELETE' and ':' not in request.path:
            return error(status, 'UNSUPPORTED')
        return server.ordinary(request)
    return hook


def is_whole(server: ScriptedRegistry, *names: str) -> bool:
    """Return whether these aliases, and no others beside ``other``, name the manifest."""
    return tags(server) == {'other': hash_bytes(OTHER), **dict.fromkeys(names, DIGEST)} \
        and (not names or server.memory.manifests[REPO][DIGEST] == (OCI, IMAGE))


# An accepted deletion is looked at again

def test_a_tag_that_stays_when_its_manifest_was_deleted_is_deleted_by_name(server: ScriptedRegistry,
                                                                           client: DXF) -> None:
    server.script('DELETE', path(DIGEST), [Answer(202)])
    assert client.del_alias('a') == BLOBS
    assert tags(server).keys() == {'other'}
    assert [request.path for request in server.of('DELETE')] == [path(DIGEST), path('a')]


@pytest.mark.parametrize('answer', [Answer(202), error(405, 'UNSUPPORTED'), Answer(200, body=b'<html>Welcome</html>'),
                                    error(404, 'MANIFEST_UNKNOWN')])
def test_an_alias_that_stays_after_its_deletion_is_an_error(server: ScriptedRegistry, client: DXF, answer: Answer,
                                                            capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        server.script('DELETE', path(DIGEST), [Answer(202)])
        server.script('DELETE', path('a'), [answer])
    with pytest.raises(DXFProtocolError, match=f'^the registry has accepted the deletion of a of {REPO}, and still '):
        client.del_alias('a')
    with pytest.raises(DXFProtocolError):
        doit(['del-alias', REPO, 'a'], server.environ())
    assert capfd.readouterr().out == ''
    assert is_whole(server, 'a')


def failing_in_the_middle(server: ScriptedRegistry, deletes_names: bool, times: int = 1) -> Hook:
    """Return a hook that deletes a manifest, fails, and keeps its tags; as distribution, whose tags go afterwards."""
    left = times

    def hook(request: Request) -> Answer | None:
        nonlocal left
        if request.method != 'DELETE':
            return None
        if ':' not in request.path:
            return server.ordinary(request) if deletes_names else error(405, 'UNSUPPORTED')
        digest = request.path.rpartition('/')[2]
        if left and digest in tags(server).values() and digest in server.memory.manifests[REPO]:
            left -= 1
            del server.memory.manifests[REPO][digest]
            return error(500, 'UNKNOWN')
        return None
    return hook


@pytest.mark.parametrize('deletes_names', [True, False])
@pytest.mark.parametrize('shared', [True, False])
def test_an_alias_whose_deletion_failed_in_the_middle_is_not_listed_any_more(server: ScriptedRegistry, client: DXF,
                                                                             shared: bool, deletes_names: bool) -> None:
    if shared:
        share(server)
    server.hook = failing_in_the_middle(server, deletes_names)
    assert client.del_alias('a') == BLOBS
    assert set(client.list_aliases()) == ({'other', 'b'} if shared else {'other'})


@pytest.mark.parametrize('shared', [True, False])
def test_an_alias_that_stays_listed_after_each_deletion_is_an_error(server: ScriptedRegistry, client: DXF, shared: bool
                                                                    ) -> None:
    if shared:
        share(server)
    server.hook = failing_in_the_middle(server, False, times=9)
    with pytest.raises(DXFProtocolError, match='still has it'):
        client.del_alias('a')
    assert 'a' in client.list_aliases()


LISTINGS = pytest.mark.parametrize('answer', [
    error(401, 'UNAUTHORIZED'), error(403, 'DENIED'), error(405, 'UNSUPPORTED'), error(503, 'UNAVAILABLE'),
    Answer(200, {'Content-Type': 'text/html'}, b'<html>Welcome</html>')],
    ids=['401', '403', '405', '503', 'a web page'])
NO_LISTING = 'not known whether a of|unauthorized|invalid|no JSON|not JSON'


@LISTINGS
def test_an_alias_without_a_manifest_is_not_gone_if_the_listing_is_refused(server: ScriptedRegistry, client: DXF,
                                                                           answer: Answer) -> None:
    del server.memory.manifests[REPO][DIGEST]
    listings = 0

    def hook(request: Request) -> Answer | None:
        nonlocal listings
        listings += request.path == TAGS
        if request.method == 'DELETE':
            return error(405, 'UNSUPPORTED')
        return answer if request.path == TAGS and listings > 1 else None
    server.hook = hook
    with pytest.raises(DXFError, match=NO_LISTING):
        client.del_alias('a')
    assert listings > 1 and 'a' in tags(server)


@LISTINGS
def test_an_alias_whose_manifest_went_unseen_is_not_gone_if_the_listing_is_refused(server: ScriptedRegistry,
                                                                                   client: DXF, answer: Answer
                                                                                   ) -> None:
    def hook(request: Request) -> Answer | None:
        if request.path == path(DIGEST) and request.method == 'DELETE':
            server.memory.manifests[REPO].pop(DIGEST, None)
            return error(404, 'MANIFEST_UNKNOWN')
        return answer if request.path == TAGS and DIGEST not in server.memory.manifests[REPO] else None
    server.hook = hook
    with pytest.raises(DXFError, match=NO_LISTING):
        client.del_alias('a')
    assert 'a' in tags(server)


def test_an_alias_is_gone_if_its_repository_is_not_found_any_more(server: ScriptedRegistry, client: DXF) -> None:
    def hook(request: Request) -> Answer | None:
        if request.path == path(DIGEST) and request.method == 'DELETE':
            server.memory.manifests[REPO].pop(DIGEST, None)
            return error(404, 'MANIFEST_UNKNOWN')
        is_forgotten = request.path == TAGS and DIGEST not in server.memory.manifests[REPO]
        return error(404, 'NAME_UNKNOWN') if is_forgotten else None
    server.hook = hook
    assert client.del_alias('a') == BLOBS


def test_a_web_page_deletes_nothing(server: ScriptedRegistry, client: DXF) -> None:
    page = Answer(200, {'Content-Type': 'text/html'}, b'<html>Welcome</html>')
    server.hook = lambda request: page
    with pytest.raises(DXFError):
        client.del_alias('a')
    server.hook = lambda request: page if request.method == 'DELETE' else None
    with pytest.raises(DXFProtocolError):
        client.del_alias('a')
    assert is_whole(server, 'a')


@pytest.mark.parametrize('status', [201, 206, 304])
def test_a_status_that_is_no_deletion_is_an_error(server: ScriptedRegistry, client: DXF, status: int) -> None:
    server.script('DELETE', path(DIGEST), [Answer(status)])
    with pytest.raises(DXFUnexpectedStatusCodeError):
        client.del_alias('a')
    assert is_whole(server, 'a')


def test_a_digest_that_stays_after_its_deletion_is_an_error(server: ScriptedRegistry, client: DXF) -> None:
    tags(server).pop('a')
    server.script('DELETE', path(DIGEST), [Answer(202)])
    with pytest.raises(DXFProtocolError, match='and still has it'):
        client.del_alias(DIGEST)
    client.del_alias(DIGEST)
    assert DIGEST not in server.memory.manifests[REPO]


def test_a_registry_that_deletes_by_name_alone_loses_the_alias(server: ScriptedRegistry, client: DXF) -> None:
    server.script('DELETE', path(DIGEST), [error(405, 'UNSUPPORTED')])
    assert client.del_alias('a') == BLOBS
    assert is_whole(server)


@pytest.mark.parametrize('status', [403, 409, 412, 423])
def test_the_registry_s_refusal_is_told(server: ScriptedRegistry, client: DXF, status: int) -> None:
    share(server)
    server.hook = lambda request: error(status, 'DENIED', 'tags are immutable') if request.method == 'DELETE' else None
    for with_others in (False, True):
        with pytest.raises(DXFHTTPError, match=f'^{status} .*: DENIED: tags are immutable'):
            client.del_aliases('a', with_others=with_others)
    assert is_whole(server, 'a', 'b')


def test_what_was_deleted_before_a_failure_is_printed(server: ScriptedRegistry, client: DXF,
                                                      capfd: pytest.CaptureFixture[str]) -> None:
    server.script('DELETE', path(hash_bytes(OTHER)), [error(403, 'REFUSED')])
    server.memory.put_manifest(REPO, 'third', OCI, image('third'))
    with pytest.raises(DXFHTTPError, match='^403 '):
        doit(['del-alias', REPO, 'a', 'other', 'third'], server.environ())
    assert capfd.readouterr().out == f'{BLOBS[0]}\n'
    assert sorted(client.list_aliases()) == ['other', 'third']


# Lost answers

@pytest.mark.parametrize('with_names', [True, False])
@pytest.mark.parametrize('shared', [True, False])
def test_a_deletion_whose_answer_is_lost_is_done(server: ScriptedRegistry, client: DXF, with_names: bool,
                                                 shared: bool) -> None:
    lost: set[str] = set()
    ordinary = server.ordinary if with_names else refusing_names(server)

    def hook(request: Request) -> Answer | None:
        answer = ordinary(request)
        if request.method in ('DELETE', 'PUT') and request.line not in lost and 'uploads' not in request.path:
            lost.add(request.line)
            return LOST
        return answer
    server.hook = hook
    if shared:
        share(server)
    assert client.del_alias('a') == BLOBS
    assert lost
    assert is_whole(server, *(['b'] if shared else []))


# Names alone

@pytest.mark.parametrize('status', [400, 404, 405, 501])
@pytest.mark.parametrize('schema', ['v2', 'oci'])
def test_a_name_goes_by_a_unique_manifest_where_the_registry_deletes_no_names(server: ScriptedRegistry, status: int,
                                                                              schema: str) -> None:
    client = DXF(server.host, REPO, insecure=True, limits=QUICK, schema=schema)
    share(server)
    server.memory.put_manifest(REPO, 'c', OCI, IMAGE)
    server.hook = refusing_names(server, status)
    assert client.del_aliases('a', 'c') == {'a': BLOBS, 'c': BLOBS}
    assert is_whole(server, 'b')
    assert server.memory.manifests[REPO].keys() == {DIGEST, hash_bytes(OTHER)}
    put = [json.loads(request.body) for request in server.of('PUT') if 'manifests' in request.path]
    assert len(put) == len({json.dumps(text) for text in put}) == 3
    for document in put:
        assert server.memory.blobs[REPO][document['config']['digest']] == b'{}'
        assert document['mediaType'].startswith('application/vnd.oci' if schema == 'oci' else 'application/vnd.docker')


@pytest.mark.parametrize('status', [403, 405, 500])
def test_an_alias_is_as_it_was_if_the_unique_manifest_cannot_be_deleted(server: ScriptedRegistry, client: DXF,
                                                                        status: int) -> None:
    share(server)
    ordinary = refusing_names(server)

    def hook(request: Request) -> Answer | None:
        if request.method == 'DELETE' and tags(server)['a'] != DIGEST:
            return error(status, 'DENIED', 'not today')
        return ordinary(request)
    server.hook = hook
    with pytest.raises(DXFHTTPError, match=f'^{status} .*DENIED: not today.*; a of {REPO} is as it was'):
        client.del_alias('a')
    assert is_whole(server, 'a', 'b')


def test_an_alias_whose_tag_stays_with_the_unique_manifest_is_as_it_was(server: ScriptedRegistry, client: DXF) -> None:
    share(server)
    ordinary = refusing_names(server)

    def hook(request: Request) -> Answer | None:
        if request.method == 'DELETE' and ':' in request.path and tags(server)['a'] != DIGEST:
            return Answer(202)
        return ordinary(request)
    server.hook = hook
    with pytest.raises(DXFProtocolError, match='and still has it'):
        client.del_alias('a')
    assert is_whole(server, 'a', 'b')


def test_an_alias_is_told_that_could_not_be_put_back(server: ScriptedRegistry, client: DXF) -> None:
    share(server)
    ordinary = refusing_names(server)

    def hook(request: Request) -> Answer | None:
        if tags(server)['a'] != DIGEST and request.method in ('DELETE', 'PUT'):
            return error(403, 'DENIED')
        return ordinary(request)
    server.hook = hook
    with pytest.raises(DXFError, match=f'^the alias a of {REPO} could not be deleted, and may name an empty manifest '
                                       f'now: its own is {DIGEST}$'):
        client.del_alias('a')
    assert tags(server)['b'] == DIGEST


class Interrupted(DXF):
    """Is interrupted when it deletes what an alias named for a moment."""

    server: ScriptedRegistry

    def _request(self, method: str, *args: Any, **kwargs: Any) -> Response:
        if method == 'delete' and tags(self.server)['a'] != DIGEST:
            raise KeyboardInterrupt
        return super()._request(method, *args, **kwargs)


def test_an_interrupt_leaves_the_alias_as_it_was(server: ScriptedRegistry) -> None:
    share(server)
    server.hook = refusing_names(server)
    client = Interrupted(server.host, REPO, insecure=True)
    client.server = server
    with pytest.raises(KeyboardInterrupt):
        client.del_alias('a')
    assert is_whole(server, 'a', 'b')


def test_a_registry_that_refuses_deletions_gets_no_manifest(server: ScriptedRegistry, client: DXF) -> None:
    share(server)
    server.hook = lambda request: error(405, 'UNSUPPORTED') if request.method == 'DELETE' else None
    with pytest.raises(DXFHTTPError, match='is as it was; the registry must allow deletions'):
        client.del_alias('a')
    assert not server.of('PUT') and not server.of('POST')
    assert is_whole(server, 'a', 'b')


def test_a_registry_that_accepts_deletions_and_does_none_is_an_error(server: ScriptedRegistry, client: DXF) -> None:
    share(server)
    server.hook = lambda request: Answer(202) if request.method == 'DELETE' else None
    with pytest.raises(DXFProtocolError, match='and still has it'):
        client.del_alias('a')
    assert is_whole(server, 'a', 'b')
    assert f'PUT {path("a")}' not in server.lines()


@pytest.mark.parametrize('by', ['name', 'index'])
def test_a_manifest_that_goes_with_its_name_is_put_back(server: ScriptedRegistry, client: DXF, by: str) -> None:
    if by == 'name':
        share(server)
    else:
        server.memory.put_manifest(REPO, 'index', INDEX, index(DIGEST))

    def hook(request: Request) -> Answer | None:
        if request.line == f'DELETE {path("a")}':
            return server.ordinary(replace(request, path=path(DIGEST)))
        return None
    server.hook = hook
    assert client.del_alias('a') == BLOBS
    assert server.memory.manifests[REPO][DIGEST] == (OCI, IMAGE)
    assert tags(server).keys() == {'other', 'b' if by == 'name' else 'index'}


# What is not known is needed

def deletes_name_alone(server: ScriptedRegistry, client: DXF) -> bool:
    """Delete the alias, and return whether its manifest has stayed."""
    assert client.del_alias('a') == BLOBS
    assert 'a' not in tags(server)
    return DIGEST in server.memory.manifests[REPO]


@pytest.mark.parametrize('answer', [
    error(401, 'UNAUTHORIZED'), error(403, 'DENIED'), error(404, 'NAME_UNKNOWN'), error(405, 'UNSUPPORTED'),
    Answer(200, body=b'<html>'), Answer(302, {'Location': '/v2/x'}), Answer(200, body=b'[]')])
def test_without_a_listing_the_name_goes_alone(server: ScriptedRegistry, client: DXF, answer: Answer) -> None:
    server.hook = lambda request: answer if request.path == TAGS else None
    assert deletes_name_alone(server, client)
    with pytest.raises(DXFConflictError, match=f'^it is not known what needs {DIGEST}, and nothing was deleted'):
        client.del_alias(DIGEST)
    assert DIGEST in server.memory.manifests[REPO]


@pytest.mark.parametrize('names', ['null', '[]', '["other"]'])
def test_where_the_listing_leaves_out_the_alias_the_name_goes_alone(server: ScriptedRegistry, client: DXF, names: str
                                                                    ) -> None:
    share(server)
    server.hook = lambda request: Answer(body=f'{{"tags": {names}}}'.encode()) if request.path == TAGS else None
    assert deletes_name_alone(server, client)
    assert tags(server)['b'] == DIGEST
    with pytest.raises(DXFConflictError, match='leaves out b'):
        client.del_aliases('b', DIGEST)
    assert tags(server)['b'] == DIGEST


@pytest.mark.parametrize('answer', [error(403, 'DENIED'), error(401, 'UNAUTHORIZED'), error(400, 'X'),
                                    error(404, 'MANIFEST_UNKNOWN')])
def test_an_alias_that_cannot_be_looked_at_may_need_the_manifest(server: ScriptedRegistry, client: DXF,
                                                                 answer: Answer) -> None:
    server.hook = lambda request: answer if request.path == path('other') else None
    assert deletes_name_alone(server, client)


@pytest.mark.parametrize('answer', [
    error(403, 'DENIED'), error(404, 'MANIFEST_UNKNOWN'), Answer(200, {'Content-Type': INDEX}, b'{}'),
    Answer(200, {'Content-Type': INDEX}, b'{"manifests": [1]}')])
@pytest.mark.parametrize('nested', [False, True])
def test_an_index_that_cannot_be_read_may_need_the_manifest(server: ScriptedRegistry, client: DXF, answer: Answer,
                                                            nested: bool) -> None:
    inner = index()
    server.memory.put_manifest(REPO, 'inner', INDEX, inner)
    if nested:
        server.memory.put_manifest(REPO, 'inner', INDEX, index(hash_bytes(inner), media_type=INDEX))
    server.hook = lambda request: answer if request.line == f'GET {path(hash_bytes(inner))}' else None
    assert deletes_name_alone(server, client)


def test_indexes_nested_without_end_may_need_the_manifest(server: ScriptedRegistry, client: DXF) -> None:
    content = index()
    for _ in range(12):
        server.memory.manifests[REPO][hash_bytes(content)] = (INDEX, content)
        content = index(hash_bytes(content), media_type=INDEX)
    server.memory.put_manifest(REPO, 'deep', INDEX, content)
    assert deletes_name_alone(server, client)
    assert len(server.requests) < 25


@pytest.mark.parametrize('media_type', [None, 'application/octet-stream', 'application/vnd.example.list+json'])
def test_an_index_within_an_index_is_read_whatever_its_entry_says(server: ScriptedRegistry, client: DXF,
                                                                  media_type: str | None) -> None:
    inner = index(DIGEST)
    entry = {'digest': server.memory.put_manifest(REPO, 'inner', INDEX, inner), 'size': len(inner)}
    outer = {'schemaVersion': 2, 'mediaType': INDEX, 'manifests': [entry if media_type is None else
                                                                   {**entry, 'mediaType': media_type}]}
    server.memory.put_manifest(REPO, 'outer', INDEX, json.dumps(outer).encode())
    del tags(server)['inner']
    assert deletes_name_alone(server, client)


def test_each_index_is_read_once(server: ScriptedRegistry, client: DXF) -> None:
    inner = index(hash_bytes(OTHER))
    server.memory.put_manifest(REPO, 'inner', INDEX, inner)
    middle = index(*[hash_bytes(inner)] * 300, media_type=INDEX)
    for name in ('middle', 'again', 'more'):
        server.memory.put_manifest(REPO, name, INDEX, middle)
    server.memory.put_manifest(REPO, 'outer', INDEX, index(*[hash_bytes(middle)] * 300, media_type=INDEX))
    assert not deletes_name_alone(server, client)
    asked = [request.line for request in server.of('GET') if ':' in request.path and 'referrers' not in request.path]
    assert len(asked) == len(set(asked)) == 3


@pytest.mark.parametrize(('answer', 'stays'), [
    (Answer(200, {'Content-Type': INDEX}, index(hash_bytes(b'report'))), True),
    (Answer(200, {'Content-Type': INDEX}, index()), False),
    (error(404, 'NOT_FOUND'), False),
    (error(403, 'DENIED'), True),
    (Answer(200, {'Content-Type': INDEX}, b'{"schemaVersion": 2, "manif'), True),
    (error(400, 'X'), False),   # there is no referrers API, and no tag
])
def test_referrers_keep_the_manifest_and_so_does_not_knowing_them(server: ScriptedRegistry, client: DXF,
                                                                  answer: Answer, stays: bool) -> None:
    server.hook = lambda request: answer if '/referrers/' in request.path else None
    assert deletes_name_alone(server, client) == stays


# What the registry does not tell

@pytest.mark.parametrize('headers', [{}, {'Content-Type': 'application/json'},
                                     {'Docker-Content-Digest': 'sha512:' + 'a' * 128, 'Content-Type': OCI}])
@pytest.mark.parametrize('by', ['name', 'index'])
def test_an_alias_of_which_head_tells_nothing_is_fetched(server: ScriptedRegistry, client: DXF,
                                                         headers: dict[str, str], by: str) -> None:
    if by == 'name':
        share(server)
    else:
        server.memory.put_manifest(REPO, 'b', INDEX, index(DIGEST))

    def hook(request: Request) -> Answer | None:
        if 'manifests' in request.path and request.method in ('HEAD', 'GET') and not request.path.endswith('/a'):
            answer = server.ordinary(request)
            given = headers if by == 'name' else {**headers, 'Content-Type': 'application/json'}
            return replace(answer, headers=given) if answer.status == 200 else answer
        return None
    server.hook = hook
    assert deletes_name_alone(server, client)


# Others who change the repository meanwhile

def set_before(server: ScriptedRegistry, line: str, name: str, content: bytes | None) -> None:
    """Let somebody else set or delete an alias just before a request is answered."""
    method, _, target = line.partition(' ')

    def answer(_request: Request) -> None:
        if content is None:
            tags(server).pop(name, None)
        else:
            server.memory.put_manifest(REPO, name, OCI, content)
    server.script(method, target, [answer])


NEW = image('new')


@pytest.mark.parametrize('line', [f'GET {TAGS}', f'HEAD {path("other")}', f'DELETE {path(DIGEST)}'])
@pytest.mark.parametrize('shared', [True, False])
def test_an_alias_that_another_sets_meanwhile_is_not_lost(server: ScriptedRegistry, client: DXF, line: str,
                                                          shared: bool) -> None:
    if shared:
        share(server)
    server.hook = refusing_names(server)
    set_before(server, line, 'a', NEW)
    if shared and line.startswith('DELETE'):
        client.del_alias('a')  # it never comes to that request
        return
    with pytest.raises(DXFConflictError, match=f'^somebody else has set the alias a of {REPO} meanwhile$'):
        client.del_alias('a')
    assert tags(server)['a'] == hash_bytes(NEW)
    assert server.memory.manifests[REPO][hash_bytes(NEW)] == (OCI, NEW)


def test_an_alias_that_another_sets_over_the_unique_manifest_is_not_lost(server: ScriptedRegistry,
                                                                         client: DXF) -> None:
    share(server)
    ordinary = refusing_names(server)

    def hook(request: Request) -> Answer | None:
        if request.method == 'DELETE' and tags(server)['a'] != DIGEST:
            server.memory.put_manifest(REPO, 'a', OCI, NEW)
        return ordinary(request)
    server.hook = hook
    with pytest.raises(DXFConflictError, match='^somebody else has set the alias a '):
        client.del_alias('a')
    assert tags(server)['a'] == hash_bytes(NEW) and tags(server)['b'] == DIGEST


def test_an_alias_that_vanishes_meanwhile_needs_nothing(server: ScriptedRegistry, client: DXF) -> None:
    share(server)
    set_before(server, f'HEAD {path("b")}', 'b', None)
    assert not deletes_name_alone(server, client)


def test_an_alias_that_another_deletes_meanwhile_is_deleted(server: ScriptedRegistry, client: DXF) -> None:
    share(server)
    set_before(server, f'GET {TAGS}', 'a', None)
    assert deletes_name_alone(server, client)
    server.memory.put_manifest(REPO, 'a', OCI, OTHER)
    set_before(server, f'DELETE {path("a")}', 'a', None)
    assert client.del_alias('a') == [hash_bytes(b'other')]


# Damaged aliases

@pytest.mark.parametrize('content', [b'<html>', b'{}', b'{"schemaVersion": 2, "mediaType": "text/x"}', b'\xff',
                                     b'{"schemaVersion": 1, "fsLayers": [], "history": []}'])
@pytest.mark.parametrize('deletes_names', [True, False])
def test_an_alias_that_cannot_be_read_is_deleted_by_its_name(server: ScriptedRegistry, client: DXF, content: bytes,
                                                             deletes_names: bool) -> None:
    server.memory.put_manifest(REPO, 'broken', 'application/json', content)
    server.hook = None if deletes_names else refusing_names(server)
    assert client.del_alias('broken') == []
    assert is_whole(server, 'a')


def test_what_cannot_be_read_by_its_digest_is_not_deleted(server: ScriptedRegistry, client: DXF) -> None:
    digest = server.memory.put_manifest(REPO, 'broken', 'application/json', b'{}')
    with pytest.raises(DXFError):
        client.del_alias(digest)
    assert not server.of('DELETE')


def test_an_alias_that_is_missing_is_not_found_without_a_listing(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: error(405, 'UNSUPPORTED') if request.path == TAGS else None
    with pytest.raises(DXFHTTPError, match='^404 '):
        client.del_aliases('a', 'missing')
    assert is_whole(server, 'a')


# The tags by which clients list what refers to a manifest

def attach(client: DXF, name: str) -> str:
    """Store a manifest that refers to the one of ``a``, and return its digest; clients list it under a tag."""
    text = json.dumps({**json.loads(image(name)), 'subject': {'mediaType': OCI, 'digest': DIGEST, 'size': 1}})
    client.set_manifest(hash_bytes(text.encode()), text)
    return hash_bytes(text.encode())


def listed(client: DXF) -> set[object]:
    """Return the digests of what is listed as referring to the manifest."""
    return {entry['digest'] for entry in client.list_referrers(DIGEST)}


def test_what_refers_to_one_manifest_is_taken_out_of_its_list_at_once(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True, limits=QUICK._replace(settle=0.001))
    one, *others = [attach(client, name) for name in ('one', 'two', 'three')]
    assert listed(client) == {one, *others}
    server.requests.clear()
    client.del_aliases(*others)
    assert [request.line for request in server.of('PUT')] == [f'PUT {path(tag_of(DIGEST))}']
    assert listed(client) == {one}


def test_what_was_deleted_before_a_refusal_is_not_listed_any_more(server: ScriptedRegistry) -> None:
    client = DXF(server.host, REPO, insecure=True, limits=QUICK._replace(settle=0.001))
    one, two, three = (attach(client, name) for name in ('one', 'two', 'three'))
    server.script('DELETE', path(two), [error(403, 'DENIED')])
    with pytest.raises(DXFHTTPError, match='^403 '):
        client.del_aliases(one, two, three)
    assert listed(client) == {two, three}


# Programs that delete in their own way

class Deaf(DXF):
    """Does its own deletes, and returns nothing."""

    def _request(self, method: str, *args: Any, **kwargs: Any) -> Any:
        response = super()._request(method, *args, **kwargs)
        return None if method == 'delete' else response


@pytest.mark.parametrize('shared', [True, False])
def test_what_a_subclass_has_deleted_is_not_looked_at(server: ScriptedRegistry, shared: bool) -> None:
    if shared:
        share(server)
    assert Deaf(server.host, REPO, insecure=True).del_alias('a') == BLOBS
    assert server.requests[-1].line == f'DELETE {path("a" if shared else DIGEST)}'
    assert is_whole(server, *(['b'] if shared else []))
