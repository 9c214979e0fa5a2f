"""Listings: names that come page by page."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dxf import DXF, DXFBase, Limits, PaginatingResponse
from dxf.cli.error_messages import line_of, status_of
from dxf.exceptions import (DXFError, DXFHTTPError, DXFInvalidDocumentError, DXFInvalidNameError, DXFProtocolError,
                            DXFUnauthorizedError)

from ..helpers.endpoints import PASSWORD, USERNAME, Endpoint
from ..helpers.processes import Runner
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.registry import Registry
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error

FAST = Limits(retries=0, pages=4)
TAGS = '/v2/fred/a/tags/list'


@pytest.fixture(name='server')
def fill_server(server: ScriptedRegistry) -> ScriptedRegistry:
    """A scripted registry with the tags a to g, over http."""
    for tag in 'gfedcba':
        server.memory.put_manifest('fred/a', tag, 'application/json', b'{}')
    return server


@pytest.fixture(name='client')
def make_client(server: ScriptedRegistry) -> DXF:
    """A client of it."""
    return DXF(server.host, 'fred/a', insecure=True, limits=FAST)


def page(names: Any, link: str | None = None, key: str = 'tags') -> Answer:
    """Return a page of a listing."""
    headers = {'Content-Type': 'application/json'} if link is None else {'Link': link}
    return Answer(200, headers, json.dumps({'name': 'fred/a', key: names}).encode())


# Pages

@pytest.mark.parametrize('batch_size, queries', [
    (None, ['']),
    (3, ['n=3', 'n=3&last=c', 'n=3&last=f']),
    (7, ['n=7']),
    (100, ['n=100']),
])
def test_a_batch_size_is_asked_for_and_all_names_come(server: ScriptedRegistry, client: DXF, batch_size: int | None,
                                                      queries: list[str]) -> None:
    assert client.list_aliases(batch_size) == list('abcdefg')
    assert [request.query for request in server.requests] == queries


@pytest.mark.parametrize('form', [
    '<{path}?last=b>; rel="next"',
    '<{path}?last=b>; rel=next',                            # unquoted
    '<{path}?last=b>;rel="next"',
    '<{url}{path}?last=b>; rel="next"',                     # absolute
    '<list?last=b>; rel="next"',                            # relative to the page
    '<?last=b>; rel="next"',
    '<//{host}{path}?last=b>; rel="next"',
    '<{path}?last=b>; title="x"; rel="next"',
    '<{path}?last=x>; rel="first", <{path}?last=b>; rel="next"',
    '<{path}?next_page=a%2Fb%3D%3D&last=b>; rel="next"',    # as Quay does
    '<{path};jsessionid=4F8C?last=b>; rel="next"',          # as servlet containers do
    '<{path}?last=b>; Rel="Next"',
    '<{path}?last=b>; rel="next last"',
    '<{path}?last=b>; rel="x:y\tnext"',
    '<{path}?last=b>; title="a=b; c, <d>"; rel="next"',
    '<{path}?last=b>; title="a \\"quoted\\" word; rel=x"; rel="next"',
    '<{path}?last=b>; rel="next"; rel="prev"',              # the first counts
    ' <{path}?last=b> ;\trel = "next" ; , ',
    '<{path}?last=b>;;rel=next',
    '<{path}?last=b>; rel=next; hreflang=a; type=text/html',
])
def test_a_link_leads_to_the_next_page_however_it_is_written(server: ScriptedRegistry, client: DXF,
                                                             form: str) -> None:
    link = form.format(path=TAGS, url=server.url, host=server.host)
    server.script('GET', TAGS, [page(['b', 'a'], link), page(['c'])])
    assert client.list_aliases() == ['b', 'a', 'c']         # in the registry's order
    assert server.requests[1].parameter('last') == 'b'
    assert server.requests[1].parameter('next_page') in (None, 'a/b==')


@pytest.mark.parametrize('link', ['', '<x>; rel="prev"', '<x>; rel=first, <y>; rel=last', '<>; rel="x"', ' , ,'])
def test_without_a_link_to_a_next_page_the_listing_ends(server: ScriptedRegistry, client: DXF, link: str) -> None:
    server.script('GET', TAGS, [page(['a'], link)])
    assert client.list_aliases() == ['a']
    assert len(server.requests) == 1


@pytest.mark.parametrize('link', [
    'rel="next"', '<x>', '; ; ;', '<x', 'x; rel="next"', '<x> rel="next"', '<x>; rel="next', '<x>; rel=',
    '<x>; rel="prev" <y>; rel="next"', f'<{TAGS}?last=a>; rel="next", <{TAGS}?last=b>; rel="next"',
])
def test_a_link_that_cannot_be_read_is_an_error_and_not_the_end(server: ScriptedRegistry, client: DXF, link: str
                                                                ) -> None:
    server.script('GET', TAGS, [page(['a'], link)])
    with pytest.raises(DXFProtocolError):
        client.list_aliases()
    assert len(server.requests) == 1


UNUSUAL = ('<{path}?last=b>; Rel="next"', '<{path};jsessionid=1?last=b>; rel="next"',
           '<{path}?last=b>; rel="next last"', '<{path}?last=b>; title="a=b"; rel="next"',
           '<http://inner.example/x?last=b>; rel=next')
"""Links in which a next page was lost."""


@pytest.mark.parametrize('link', [*UNUSUAL, '<x>; rel="next', '<http://inner.example/x>; rel="next"'])
@pytest.mark.parametrize('command', [['list-aliases', 'fred/a'], ['list-aliases', 'fred/a', '--sort'],
                                     ['copy', 'fred/a', '--all', '--to-repo', 'one']], ids=' '.join)
def test_no_command_handles_a_part_of_the_aliases_and_ends_well(server: ScriptedRegistry, tmp_path: Path, link: str,
                                                                command: list[str]) -> None:
    client = DXF(server.host, 'fred/a', insecure=True)
    for alias in 'abc':
        client.set_alias(alias, client.push_blob(data=alias.encode()))
    server.hook = lambda request: None if request.path != TAGS else \
        page(['c']) if request.parameter('last') == 'b' else page(['a', 'b'], link.format(path=TAGS))
    target = f'oci:{tmp_path / "target"}'
    is_copy = command[0] == 'copy'
    ran = Runner(server.environ()).run(*command, *(['--to', target] if is_copy else []))
    ran.insist(0 if link in UNUSUAL else 1)
    if link in UNUSUAL:
        assert len(ran.out.split()) == 3
        assert not is_copy or sorted(DXF(target, 'one').list_aliases()) == ['a', 'b', 'c']


@pytest.mark.parametrize('body', [b'{}', b'{"errors": [{"code": "DENIED"}]}', b'{"names": ["a"]}'])
@pytest.mark.parametrize('command', [['list-aliases', 'fred/a'], ['list-repos'], ['copy', 'fred/a', '--all']],
                         ids=lambda args: args[0])
def test_a_page_that_is_no_listing_is_one_line_and_a_failure(server: ScriptedRegistry, tmp_path: Path, body: bytes,
                                                             command: list[str]) -> None:
    server.hook = lambda request: Answer(body=body)
    to = ['--to', f'oci:{tmp_path / "target"}'] if command[0] == 'copy' else []
    Runner(server.environ()).run(*command, *to).insist(1)


def test_several_link_headers_are_read_as_one(server: ScriptedRegistry, client: DXF) -> None:
    # Answer's headers are a mapping: the second line is in the value of another header.
    first = page(['a'], f'<{TAGS}?n=1>; rel="first"\r\nLink: <{TAGS}?last=a>; rel="next"')
    server.script('GET', TAGS, [first, page(['b'])])
    assert client.list_aliases() == ['a', 'b']


def test_fewer_names_than_asked_for_are_not_the_end(server: ScriptedRegistry, client: DXF) -> None:
    server.script('GET', TAGS, [page(['a'], f'<{TAGS}?last=a>; rel="next"'),
                                page([], f'<{TAGS}?last=b>; rel="next"'),
                                page(None, f'<{TAGS}?last=c>; rel="next"'), page(['d'])])
    assert client.list_aliases(100) == ['a', 'd']
    assert len(server.requests) == 4


def test_more_names_than_asked_for_are_all_taken(server: ScriptedRegistry, client: DXF) -> None:
    server.script('GET', TAGS, [page(list('abc'))])         # as docker-registry 2.8.2 does
    assert client.list_aliases(1) == list('abc')


@pytest.mark.parametrize('names', [b'null', b'[]'])
def test_a_listing_without_names_is_empty(server: ScriptedRegistry, client: DXF, names: bytes) -> None:
    server.hook = lambda request: Answer(body=b'{"name": "fred/a", "tags": %b, "repositories": %b}' % (names, names))
    assert client.list_aliases() == []
    assert not list(client.list_aliases(iterate=True))
    assert client.list_repos() == []


def test_pages_are_fetched_as_their_names_are_asked_for(server: ScriptedRegistry, client: DXF) -> None:
    names = client.list_aliases(2, True)
    assert isinstance(names, PaginatingResponse)
    assert not server.requests
    seen = [len(server.requests) for _ in names]
    assert seen == [1, 1, 2, 2, 3, 3, 4]


def test_a_reader_that_stops_early_costs_no_more_requests(server: ScriptedRegistry, client: DXF) -> None:
    assert 'b' in client.list_aliases(2, iterate=True)
    assert len(server.requests) == 1
    assert server.connections == 1


def test_a_listing_can_be_iterated_again_and_at_once(server: ScriptedRegistry, client: DXF) -> None:
    names = client.list_aliases(3, iterate=True)
    assert list(names) == list('abcdefg')
    server.memory.put_manifest('fred/a', 'h', 'application/json', b'{}')
    assert list(names) == list('abcdefgh')      # the registry is asked again
    assert list(zip(names, names)) == [(name, name) for name in 'abcdefgh']


def test_a_failure_in_the_middle_is_raised_there(server: ScriptedRegistry, client: DXF) -> None:
    server.script('GET', TAGS, [page(['a'], f'<{TAGS}?last=a>; rel="next"'), error(403, 'DENIED')])
    names = iter(client.list_aliases(iterate=True))
    assert next(names) == 'a'
    with pytest.raises(DXFHTTPError, match='^403 Forbidden: DENIED'):
        next(names)


def test_only_json_is_accepted(server: ScriptedRegistry, client: DXF) -> None:
    client.list_aliases(3)
    client.list_repos()
    assert {request.headers['Accept'] for request in server.requests} == {'application/json'}   # Artifactory


# Pages that lead astray

ELSEWHERE = (
    'http://127.0.0.1:{port}{path}',    # another name is another origin
    'http://localhost:1{path}',
    'http://evil.example{path}',
    '//evil.example{path}',
    'https://{host}{path}',
    '/v2/fred/b/tags/list',             # another listing
    '/v2/_catalog',
    '/v2/fred/a/blobs/uploads/',
    '{path}/../../../b/tags/list',
    '{path}/',
    '/registry{path}',                  # behind a proxy that rewrites paths
    '/',
)
"""Addresses of other listings than the one that is read."""


def first_link(server: ScriptedRegistry, link: str) -> str:
    """Script a first page that links to an address, and return that address."""
    target = link.format(host=server.host, port=server.host.partition(':')[2], path=TAGS)
    server.script('GET', TAGS, [page(['a'], f'<{target}>; rel="next"')])
    return target


@pytest.mark.parametrize('link', [
    *ELSEWHERE, *(f'{link}?n=2&token=x' for link in ELSEWHERE), '/?last=', '/?last=a&last=b', '/?last=%ff',
    'http://fred:secret@{host}{path}?last=a',
    'ftp://{host}{path}?last=a',
    'http://[?last=a',
    'http://{host}:99999{path}?last=a',
    '{path}?last=a\x01',
    '{path}?last=a b',
])
def test_a_link_to_anywhere_else_is_refused(server: ScriptedRegistry, client: DXF, traffic: Traffic,
                                            link: str) -> None:
    client.token = 's3cret'
    first_link(server, link)
    names = iter(client.list_aliases(iterate=True))
    assert next(names) == 'a'
    with pytest.raises(DXFProtocolError) as caught:
        next(names)
    assert 'secret' not in str(caught.value)
    assert traffic.connections == [server.host]
    assert len(server.requests) == 1


@pytest.mark.parametrize('link', ELSEWHERE)
@pytest.mark.parametrize('query, asked', [
    ('last=b', 'last=b'), ('n=2&last=b%2Fc&token=x', 'n=2&last=b%2Fc'), ('last=b&n=x', 'last=b'),
])
def test_of_a_link_to_anywhere_else_last_and_n_are_asked_for_in_the_listing_itself(
        server: ScriptedRegistry, client: DXF, traffic: Traffic, link: str, query: str, asked: str) -> None:
    first_link(server, f'{link}?{query}')
    server.script('GET', TAGS, [page(['c'])])
    assert client.list_aliases() == ['a', 'c']
    assert [request.target for request in server.requests] == [TAGS, f'{TAGS}?{asked}']
    assert traffic.connections == [server.host]


def test_the_next_page_is_asked_for_by_https_and_of_the_registry_itself(certificates: Certificates,
                                                                        server: ScriptedRegistry) -> None:
    elsewhere = f'http://{server.host.replace("localhost", "127.0.0.1")}{TAGS}'
    with ScriptedRegistry(certificates) as secure:
        for link, query in ((f'http://{secure.host}{TAGS}?next_page=a', 'next_page=a'),  # behind a proxy for TLS
                            (f'{elsewhere}?last=a&next_page=a', 'last=a')):
            secure.requests.clear()
            secure.script('GET', TAGS, [page(['a'], f'<{link}>; rel="next"'), page(['b'])])
            assert DXF(secure.host, 'fred/a', tlsverify=certificates.ca).list_aliases() == ['a', 'b']
            assert [request.query for request in secure.requests] == ['', query]
        assert not server.requests


@pytest.mark.parametrize('query', ['', '?n=2'])
def test_a_page_that_leads_to_itself_is_an_error(server: ScriptedRegistry, client: DXF, query: str) -> None:
    server.hook = lambda request: page(['a'], f'<{TAGS}{query}>; rel="next"')
    with pytest.raises(DXFProtocolError, match='do not end'):
        client.list_aliases(2 if query else None)
    assert len(server.requests) <= 2


def test_pages_in_a_circle_are_an_error(server: ScriptedRegistry, client: DXF) -> None:
    following = {'': 'a', 'last=a': 'b', 'last=b': 'a'}
    server.hook = lambda request: page(['a'], f'<{TAGS}?last={following[request.query]}>; rel="next"')
    with pytest.raises(DXFProtocolError, match='do not end'):
        client.list_aliases()
    assert len(server.requests) == 3


def test_pages_without_an_end_are_an_error(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: page([f't{len(server.requests)}'], f'<{TAGS}?last={uuid.uuid4()}>; rel="next"')
    names = []
    with pytest.raises(DXFProtocolError, match='do not end'):
        for name in client.list_aliases(iterate=True):
            names.append(name)
    assert names == ['t1', 't2', 't3', 't4']
    assert len(server.requests) == FAST.pages


# Documents that are no listing

@pytest.mark.parametrize('name', [
    '', '.', '..', '../x', '-x', 'a/b', 'a:b', 'a b', 'a\n', '\n', 'a\x1b[2J', 'a\u202eb', 'ä', 'a%2e', '?x', '#x',
    'x' * 129,
])
def test_an_alias_that_breaks_the_grammar_is_refused(server: ScriptedRegistry, client: DXF, name: str) -> None:
    server.hook = lambda request: page(['good', name, 'never'])
    names = iter(client.list_aliases(iterate=True))
    assert next(names) == 'good'
    with pytest.raises(DXFInvalidNameError) as caught:
        next(names)
    assert line_of(caught.value).isprintable()
    assert isinstance(caught.value, DXFError)


@pytest.mark.parametrize('name', ['', '/', 'a//b', '/a', 'a/', 'A', '..', 'a/../b', 'a b', 'a\n', 'a\x1b', 'a' * 256])
def test_a_repository_that_breaks_the_grammar_is_refused(server: ScriptedRegistry, client: DXF, name: str) -> None:
    server.hook = lambda request: page(['good/one', name], key='repositories')
    with pytest.raises(DXFInvalidNameError):
        client.list_repos()


@pytest.mark.parametrize('body', [
    b'', b'x', b'[]', b'null', b'{"tags": {}}', b'{"tags": "a"}', b'{"tags": 1}', b'{"tags": [1]}', b'{"tags": [null]}',
    b'{"tags": [["a"]]}', b'{"tags": ["a"], "tags": ["b"]}', b'{"tags": ["a"]', b'\xff', b'{"tags": NaN}',
    b'{"tags": ' + b'[' * 100_000, b'{"tags": [' + b'1' * 5000 + b']}',
    b'{}', b'{"name": "fred/a"}', b'{"Tags": ["a"]}', b'{"tags": false}', b'{"tags": ""}',
    b'{"errors": [{"code": "UNAUTHORIZED"}]}', b'<html>',
])
def test_what_is_no_listing_is_refused(server: ScriptedRegistry, client: DXF, body: bytes) -> None:
    server.hook = lambda request: Answer(body=body if request.path == TAGS else body.replace(b'tags', b'repositories'))
    for ask in (client.list_aliases, client.list_repos):
        with pytest.raises(DXFInvalidDocumentError) as caught:
            ask()
        assert line_of(caught.value).isprintable()


def test_a_list_has_a_limit_and_an_iteration_has_none(server: ScriptedRegistry) -> None:
    client = DXF(server.host, 'fred/a', insecure=True, limits=Limits(names=6))
    with pytest.raises(DXFProtocolError, match='more than 6 names, too many for a list'):
        client.list_aliases(2)
    assert list(client.list_aliases(2, iterate=True)) == list('abcdefg')


def test_a_page_has_a_limit(server: ScriptedRegistry) -> None:
    server.hook = lambda request: page(['a' * 100] * 20)
    with pytest.raises(DXFProtocolError, match='larger than 1000 bytes'):
        DXF(server.host, 'fred/a', insecure=True, limits=Limits(page=1000)).list_aliases()


# The catalogue

def test_repositories_come_in_pages_too(server: ScriptedRegistry) -> None:
    for name in ('fred/c', 'fred/b'):
        server.memory.put(name, b'')
    base = DXFBase(server.host, insecure=True)
    assert base.list_repos(2) == ['fred/a', 'fred/b', 'fred/c']
    assert list(base.list_repos(batch_size=1, iterate=True)) == ['fred/a', 'fred/b', 'fred/c']
    assert [request.target for request in server.requests[:2]] == ['/v2/_catalog?n=2', '/v2/_catalog?n=2&last=fred/b']


@pytest.mark.parametrize('status, exit_status', [(401, 13), (403, 13), (404, 2), (405, 1)])
def test_a_registry_without_a_catalogue_says_so_in_a_plain_sentence(server: ScriptedRegistry, status: int,
                                                                    exit_status: int) -> None:
    server.hook = lambda request: error(status, 'DENIED' if status == 403 else 'UNSUPPORTED') \
        if '_catalog' in request.path else None
    base = DXFBase(server.host, insecure=True, limits=FAST)
    calls: tuple[Callable[[], object], ...] = (base.list_repos, lambda: list(base.list_repos(iterate=True)))
    for call in calls:
        with pytest.raises((DXFHTTPError, DXFUnauthorizedError)) as caught:
            call()
        assert 'the registry does not list its repositories' in line_of(caught.value)
        assert status_of(caught.value) == exit_status
        if isinstance(caught.value, DXFHTTPError):
            assert caught.value.response is not None
            assert caught.value.response.status_code == status


def test_another_failure_of_the_catalogue_is_told_as_it_is(server: ScriptedRegistry) -> None:
    server.hook = lambda request: error(500, 'UNKNOWN')
    with pytest.raises(DXFHTTPError, match='^500 Internal Server Error: UNKNOWN'):
        DXFBase(server.host, insecure=True, limits=FAST).list_repos()


# docker-registry

@pytest.fixture(name='filled')
def fill(endpoint: Endpoint, repo: str) -> Callable[[], DXF]:
    """A maker of clients of a repository with five aliases."""
    client = endpoint.dxf(repo)
    for number, alias in enumerate('edcba'):
        client.set_alias(alias, client.push_blob(data=str(number).encode()))
    return lambda: endpoint.dxf(repo)


def test_a_real_registry_lists_aliases(filled: Callable[[], DXF]) -> None:
    for batch_size in (None, 2, 5, 100):
        assert sorted(filled().list_aliases(batch_size)) == list('abcde')
        assert sorted(filled().list_aliases(batch_size, True)) == list('abcde')


def test_a_real_registry_lists_nothing_once_the_last_alias_is_gone(filled: Callable[[], DXF]) -> None:
    client = filled()
    for alias in 'abcde':
        client.del_alias(alias)
    assert client.list_aliases() == []


@pytest.fixture(name='empty')
def start_empty(endpoint: Endpoint, directory: Callable[[], Path], certificates: Certificates) -> Iterator[Endpoint]:
    """A registry without repositories: to list those of all tests takes a registry a minute, as each page reads all."""
    if endpoint.is_folder:
        yield endpoint
        return
    users = None if endpoint.username is None or endpoint.tokens is not None else {USERNAME: PASSWORD}
    with Registry(directory(), tls=None if endpoint.insecure else certificates, users=users,
                  tokens=endpoint.tokens) as registry:
        yield replace(endpoint, registry=registry)


def test_a_real_registry_lists_repositories_in_pages(empty: Endpoint, repo: str, traffic: Traffic) -> None:
    repositories = [f'{repo}/{number}' for number in range(3)]
    for name in repositories:
        client = empty.dxf(name)
        client.set_alias('x', client.push_blob(data=b'content'))
    traffic.clear()
    for batch_size in (2, 100):
        assert sorted(empty.base().list_repos(batch_size)) == repositories
        assert sorted(empty.base().list_repos(batch_size, iterate=True)) == repositories
    asked = [exchange for exchange in traffic.requests if exchange.path == '/v2/_catalog' and exchange.status == 200]
    assert len(asked) > 4
    assert {exchange.headers['Accept'] for exchange in asked} == {'application/json'}


def test_a_request_is_what_the_hook_sees(server: ScriptedRegistry, client: DXF) -> None:
    seen: list[Request] = []
    server.hook = seen.append      # returns None: the ordinary answer
    client.list_aliases()
    assert seen == server.requests
