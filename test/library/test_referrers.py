"""Referrers: what refers to a manifest is listed whole, and what is attached stays listed."""

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dxf
from dxf import DXF, artifacts, Limits, hash_bytes
from dxf.cli.error_messages import line_of
from dxf.exceptions import DXFError, DXFInvalidDocumentError, DXFProtocolError

from ..helpers.endpoints import Endpoint
from ..helpers.processes import Runner, end
from ..helpers.repository_content import OCI_INDEX, OCI_MANIFEST, push_alias, push_referrer, set_document
from ..servers.scripted_registry import REPO, Answer, Request, ScriptedRegistry, error

DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
AT_ONCE = 6


def subject_of(client: DXF) -> str:
    """Name something to refer to, and return the digest of its manifest."""
    push_alias(client, b'subject')
    return client.manifest_digest('a')


def index_of(client: DXF, alias: str = 'multi') -> str:
    """Name an index of two platforms, and return its digest."""
    push_alias(client, b'image', alias='image')
    text, _ = client.get_manifest_and_response('image')
    image = {'mediaType': json.loads(text)['mediaType'], 'digest': hash_bytes(text.encode()), 'size': len(text)}
    return set_document(client, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': [
        {**image, 'platform': {'os': 'linux', 'architecture': name}} for name in ('amd64', 'arm64')]}, alias)


def tag_of(digest: str) -> str:
    """Return the tag under which referrers are listed."""
    return digest.replace(':', '-')


def entry(content: bytes, size: int = 1, **members: Any) -> dict[str, Any]:
    """Return the descriptor of a manifest."""
    return {'mediaType': OCI_MANIFEST, 'digest': hash_bytes(content), 'size': size, **members}


def document(entries: Any) -> bytes:
    """Return an index of referrers."""
    return json.dumps({'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': entries}).encode()


def page(entries: Any, link: str | None = None) -> Answer:
    """Return a page of the referrers API."""
    return Answer(200, {'Content-Type': OCI_INDEX, **({} if link is None else {'Link': link})}, document(entries))


def listed(client: DXF, subject: str) -> set[str]:
    """Return the digests of what refers to a manifest."""
    return {str(one['digest']) for one in client.list_referrers(subject)}


# The referrers API

@pytest.mark.parametrize('body', [
    b'', b'<html>sign in</html>', b'{}', b'[]', b'null', b'{"errors": [{"code": "DENIED"}]}', b'{"schemaVersion": 2}',
    b'{"manifests": {}}', b'{"manifests": "x"}', b'{"manifests": [1]}', b'{"manifests": [{}]}',
    b'{"manifests": [{"digest": "x"}]}', b'\xff',
])
def test_an_invalid_list_of_referrers_is_never_an_empty_one(server: ScriptedRegistry, client: DXF, body: bytes) -> None:
    server.hook = lambda request: Answer(200, {'Content-Type': OCI_INDEX}, body)
    with pytest.raises(DXFError) as caught:
        client.list_referrers(hash_bytes(b'subject'))
    assert line_of(caught.value).isprintable()


@pytest.mark.parametrize('entries', [None, []])
def test_an_empty_list_of_referrers_lists_nothing(server: ScriptedRegistry, client: DXF, entries: Any) -> None:
    server.hook = lambda request: page(entries)
    assert client.list_referrers(hash_bytes(b'subject')) == []


@pytest.mark.parametrize('form', ['<{path}?last=b>; Rel="next"', '<{path};jsessionid=1?last=b>; rel="next"',
                                  '<http://inner.example/x?last=b>; rel="next last"'])
def test_no_page_of_referrers_is_lost_where_its_link_is_unusual(server: ScriptedRegistry, client: DXF, form: str
                                                                ) -> None:
    path = f'/v2/{REPO}/referrers/{hash_bytes(b"subject")}'
    server.script('GET', path, [page([entry(b'1')], form.format(path=path)), page([entry(b'2')])])
    assert listed(client, hash_bytes(b'subject')) == {hash_bytes(b'1'), hash_bytes(b'2')}
    assert server.requests[1].target == f'{path}?last=b'


def test_a_link_that_cannot_be_read_is_an_error_and_not_the_last_page(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: page([entry(b'1')], '<x>; rel="next')
    with pytest.raises(DXFProtocolError, match='Link header'):
        client.list_referrers(hash_bytes(b'subject'))


def test_a_page_of_referrers_that_leads_to_itself_is_an_error(server: ScriptedRegistry, client: DXF) -> None:
    server.hook = lambda request: page([entry(b'1')], f'<{request.path}>; rel="next"')
    with pytest.raises(DXFProtocolError, match='do not end'):
        client.list_referrers(hash_bytes(b'subject'))
    assert len(server.requests) <= 2


@pytest.mark.parametrize('limits, entries', [
    (Limits(documents=30), [entry(b'%d' % number) for number in range(10)]),
    (Limits(referrers=4000), [entry(b'1', annotations={'a': 'x' * 1000})]),
])
def test_pages_of_referrers_have_a_limit_together(server: ScriptedRegistry, limits: Limits,
                                                  entries: list[dict[str, Any]]) -> None:
    server.hook = lambda request: page(entries, f'<{request.path}?page={len(server.requests)}>; rel="next"')
    with pytest.raises(DXFProtocolError, match=r'more than \d+ referrers of sha256:'):
        DXF(server.host, REPO, insecure=True, limits=limits).list_referrers(hash_bytes(b'subject'))
    assert len(server.requests) == 4


def test_a_later_page_that_is_not_found_is_an_error_and_not_the_tag(server: ScriptedRegistry, client: DXF) -> None:
    path = f'/v2/{REPO}/referrers/{hash_bytes(b"subject")}'
    server.script('GET', path, [page([entry(b'1')], f'<{path}?last=b>; rel="next"'), error(404, 'NOT_FOUND')])
    with pytest.raises(DXFError, match='^404 '):
        client.list_referrers(hash_bytes(b'subject'))


# The tag

def gitlab(server: ScriptedRegistry, subject: str, reads: Callable[[], bool] = lambda: True) -> None:
    """Resolve the referrers tag to the subject itself, as GitLab's registry does, while ``reads`` says so."""
    def hook(request: Request) -> Answer | None:
        if request.method in ('GET', 'HEAD') and request.path.endswith(f'/manifests/{tag_of(subject)}') and reads():
            media_type, content = server.memory.manifests[REPO][subject]
            return Answer(200, {'Content-Type': media_type, 'Docker-Content-Digest': subject}, content)
        return None
    server.hook = hook


@pytest.mark.parametrize('make', [subject_of, index_of])
def test_a_tag_that_names_the_subject_itself_lists_nothing(server: ScriptedRegistry, client: DXF,
                                                           make: Callable[[DXF], str]) -> None:
    subject = make(client)
    gitlab(server, subject)
    assert client.list_referrers(subject) == []


def test_the_platforms_of_an_index_are_never_written_among_its_referrers(server: ScriptedRegistry, client: DXF) -> None:
    subject = index_of(client)
    gitlab(server, subject, lambda: tag_of(subject) not in server.memory.tags[REPO])  # until there is such a tag
    signature = push_referrer(client, subject, 'application/x-signature')
    assert listed(client, subject) == {signature}


def test_a_tag_that_always_names_the_subject_is_an_error_of_attach(server: ScriptedRegistry, client: DXF) -> None:
    subject = index_of(client)
    gitlab(server, subject)
    with pytest.raises(DXFProtocolError, match='stored, but .* does not list it') as caught:
        push_referrer(client, subject, 'application/x-signature')
    assert line_of(caught.value).isprintable()
    written = json.loads(server.memory.manifests[REPO][server.memory.tags[REPO][tag_of(subject)]][1])
    assert [one['artifactType'] for one in written['manifests']] == ['application/x-signature']


@pytest.mark.parametrize('media_type, members', [
    (OCI_MANIFEST, {'config': entry(b'c'), 'layers': []}),
    (DOCKER_LIST, {'manifests': [entry(b'm')]}),
    ('text/html', {}),
])
def test_a_tag_that_names_something_else_is_an_error_and_stays(server: ScriptedRegistry, client: DXF, media_type: str,
                                                               members: dict[str, Any]) -> None:
    subject = subject_of(client)
    content = json.dumps({'schemaVersion': 2, **members}).encode()
    digest = server.memory.put_manifest(REPO, tag_of(subject), media_type, content)
    with pytest.raises(DXFError) as caught:
        client.list_referrers(subject)
    assert line_of(caught.value).isprintable()
    with pytest.raises(DXFError):
        push_referrer(client, subject, 'application/x-signature')
    assert server.memory.tags[REPO][tag_of(subject)] == digest


def test_an_image_under_the_tag_is_seen_by_a_registry_that_goes_by_types(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    subject = subject_of(client)
    push_alias(client, b'somebody else', alias=tag_of(subject))
    digest = client.manifest_digest(tag_of(subject))
    with pytest.raises(DXFInvalidDocumentError, match='no index of referrers'):
        push_referrer(client, subject, 'application/x-signature')
    assert client.manifest_digest(tag_of(subject)) == digest


def test_entries_of_others_are_kept_as_they_are(server: ScriptedRegistry, client: DXF) -> None:
    subject = subject_of(client)
    others = [entry(b'1', annotations={'a': 'b'}, data='e30=', unheard='of'), entry(b'2')]
    content = json.dumps({'schemaVersion': 2, 'manifests': others}).encode()
    server.memory.put_manifest(REPO, tag_of(subject), OCI_INDEX, content)
    signature = push_referrer(client, subject, 'application/x-signature')
    *kept, new = client.list_referrers(subject)
    assert kept == others and new['digest'] == signature


def test_a_registry_that_names_another_subject_does_not_list_the_manifest(server: ScriptedRegistry, client: DXF
                                                                          ) -> None:
    subject = subject_of(client)

    def hook(request: Request) -> Answer | None:
        if request.method != 'PUT' or b'"subject"' not in request.body:
            return None
        answer = server.ordinary(request)
        return Answer(answer.status, {**answer.headers, 'OCI-Subject': hash_bytes(b'another')}, answer.body)
    server.hook = hook
    signature = push_referrer(client, subject, 'application/x-signature')
    assert listed(client, subject) == {signature}


# What is listed and missing

def refusing_what_is_missing(server: ScriptedRegistry) -> Callable[[Request], Answer | None]:
    """Return a hook that refuses an index of what is not there, as distribution does."""
    def hook(request: Request) -> Answer | None:
        if request.method != 'PUT' or '/manifests/' not in request.path:
            return None
        there = server.memory.manifests[REPO]
        entries = json.loads(request.body).get('manifests', [])
        return None if all(one['digest'] in there for one in entries) else error(400, 'MANIFEST_BLOB_UNKNOWN')
    return hook


def test_what_is_listed_and_missing_does_not_keep_others_from_being_attached(server: ScriptedRegistry, client: DXF
                                                                             ) -> None:
    subject = subject_of(client)
    there = push_referrer(client, subject, 'application/x-there')
    content = document([entry(b'gone'), entry(b'x', digest=there), entry(b'lost')])
    server.memory.put_manifest(REPO, tag_of(subject), OCI_INDEX, content)
    server.hook = refusing_what_is_missing(server)
    signature = push_referrer(client, subject, 'application/x-signature')
    assert listed(client, subject) == {there, signature}


def test_no_entry_is_removed_where_the_registry_denies_what_was_just_stored(server: ScriptedRegistry, client: DXF
                                                                            ) -> None:
    subject = subject_of(client)
    content = document([entry(b'other')])
    server.memory.put_manifest(REPO, tag_of(subject), OCI_INDEX, content)
    path = f'/v2/{REPO}/manifests/'

    def hook(request: Request) -> Answer | None:
        if request.line == f'PUT {path}{tag_of(subject)}':
            return error(400, 'MANIFEST_BLOB_UNKNOWN')
        is_digest = request.method == 'HEAD' and request.path.startswith(f'{path}sha256:')
        return error(404, 'MANIFEST_UNKNOWN') if is_digest else None
    server.hook = hook
    with pytest.raises(DXFError, match='MANIFEST_BLOB_UNKNOWN'):
        push_referrer(client, subject, 'application/x-signature')
    assert len([request for request in server.of('PUT') if request.path == f'{path}{tag_of(subject)}']) == 1


# Several writers

def replace_writes(server: ScriptedRegistry, subject: str, content: bytes, count: int) -> list[None]:
    """Replace the next writes of a referrers tag, as a writer does that had read the index before them.

    :return: has an entry for each of them, until it is replaced
    """
    left: list[None] = [None] * count

    def hook(request: Request) -> Answer | None:
        if request.line != f'PUT /v2/{REPO}/manifests/{tag_of(subject)}' or not left:
            return None
        answer = server.ordinary(request)
        left.pop()
        server.memory.put_manifest(REPO, tag_of(subject), OCI_INDEX, content)
        return answer
    server.hook = hook
    return left


def test_what_was_deleted_is_not_listed_although_another_writer_puts_it_back(server: ScriptedRegistry, client: DXF
                                                                             ) -> None:
    subject = subject_of(client)
    signature = push_referrer(client, subject, 'application/x-signature')
    lost = replace_writes(server, subject, document([entry(b'x', digest=signature), entry(b'other')]), 2)
    client.del_alias(signature)
    assert listed(client, subject) == {hash_bytes(b'other')}
    assert not lost


def test_what_is_attached_and_deleted_at_once_is_listed_as_it_is(open_registry: Endpoint, repo: str, tmp_path: Path
                                                                 ) -> None:
    client = open_registry.dxf(repo)
    subject = subject_of(client)
    client.push_blob(data=b'{}')
    file = tmp_path / 'file'
    runner = Runner({**open_registry.environ(), 'DXF_RETRIES': '4'})
    attached: set[str] = set()
    for number in range(2):
        going = [push_referrer(client, subject, f'application/x-{number}{one}') for one in range(3)]
        with contextlib.ExitStack() as stack:
            deleting = [stack.enter_context(runner.fork('del-alias', repo, one)) for one in going]
            file.write_bytes(b'%d' % number)
            attaching = stack.enter_context(runner.fork('attach', repo, 'a', '--type', 'application/x-sum', str(file)))
            attached.add(end(attaching).insist(0).out.decode().strip())
            for process in deleting:
                end(process).insist(0)
        assert listed(client, subject) == attached


def test_an_entry_that_another_writer_replaced_is_written_again(server: ScriptedRegistry, client: DXF) -> None:
    subject, other = subject_of(client), entry(b'other')
    lost = replace_writes(server, subject, json.dumps({'schemaVersion': 2, 'manifests': [other]}).encode(), 3)
    signature = push_referrer(client, subject, 'application/x-signature')
    assert listed(client, subject) == {signature, other['digest']}
    assert not lost


def test_a_writer_is_done_when_the_index_does_not_change_any_more(server: ScriptedRegistry, client: DXF) -> None:
    subject = subject_of(client)
    path = f'/v2/{REPO}/manifests/{tag_of(subject)}'
    reads = 0

    def hook(request: Request) -> Answer:
        nonlocal reads
        if request.line == f'GET {path}':
            reads += 1
            if reads == 3:  # the slow one had read the index before all others wrote theirs
                server.memory.put_manifest(REPO, tag_of(subject), OCI_INDEX, document([entry(b'slow')]))
            elif 1 < reads < 5:  # another writer adds an entry
                current = server.memory.manifests[REPO][server.memory.tags[REPO][tag_of(subject)]][1]
                entries = [*json.loads(current)['manifests'], entry(b'%d' % reads)]
                server.memory.put_manifest(REPO, tag_of(subject), OCI_INDEX, document(entries))
        return server.ordinary(request)
    server.hook = hook
    signature = push_referrer(client, subject, 'application/x-signature')
    assert {signature, hash_bytes(b'slow'), hash_bytes(b'4')} == listed(client, subject)


def test_an_entry_that_does_not_stay_is_an_error_after_some_attempts(server: ScriptedRegistry, client: DXF) -> None:
    subject = subject_of(client)
    path = f'/v2/{REPO}/manifests/{tag_of(subject)}'
    server.hook = lambda request: Answer(201) if request.line == f'PUT {path}' else None
    with pytest.raises(DXFProtocolError, match='others write it at the same time'):
        push_referrer(client, subject, 'application/x-signature')
    assert len([request for request in server.of('PUT') if request.path == path]) == 19


def test_a_registry_that_heeds_conditions_keeps_another_writer_s_index(server: ScriptedRegistry, client: DXF) -> None:
    subject, other = subject_of(client), entry(b'other')
    path = f'/v2/{REPO}/manifests/{tag_of(subject)}'
    content = json.dumps({'schemaVersion': 2, 'manifests': [other]}).encode()
    conditions = []

    def hook(request: Request) -> Answer | None:
        if request.line != f'PUT {path}':
            return None
        conditions.append((request.headers['If-None-Match'], request.headers['If-Match']))
        if len(conditions) > 1:
            return None
        server.memory.put_manifest(REPO, tag_of(subject), OCI_INDEX, content)
        return error(412, 'DENIED')
    server.hook = hook
    signature = push_referrer(client, subject, 'application/x-signature')
    assert listed(client, subject) == {signature, other['digest']}
    assert conditions == [('*', None), (None, f'"{hash_bytes(content)}"')]


def test_a_registry_that_means_something_else_by_conditions_is_written_to_without(server: ScriptedRegistry,
                                                                                  client: DXF) -> None:
    subject = subject_of(client)
    server.hook = lambda request: error(412, 'DENIED') \
        if 'If-None-Match' in request.headers or 'If-Match' in request.headers else None
    signatures = {push_referrer(client, subject, f'application/x-{number}') for number in range(2)}
    assert listed(client, subject) == signatures


def test_a_referrer_that_is_listed_already_costs_one_look(server: ScriptedRegistry, client: DXF) -> None:
    subject = subject_of(client)
    push_referrer(client, subject, 'application/x-signature')
    server.requests.clear()
    push_referrer(client, subject, 'application/x-signature')
    lines = [request.line for request in server.requests if request.path.endswith(tag_of(subject))]
    assert lines == [f'GET /v2/{REPO}/manifests/{tag_of(subject)}']


def test_many_referrers_that_are_copied_are_listed_by_one_write(server: ScriptedRegistry, client: DXF, folder: Endpoint,
                                                                repo: str) -> None:
    source = folder.dxf(repo)
    subject = subject_of(source)
    signatures = {push_referrer(source, subject, f'application/x-{number}') for number in range(9)}
    dxf.copy(source, client, 'a', referrers=True)
    assert listed(client, subject) == signatures and len(signatures) == 9
    path = f'/v2/{REPO}/manifests/{tag_of(subject)}'
    assert [request.line for request in server.requests if request.path == path][:3] == [
        f'GET {path}', f'PUT {path}', f'GET {path}']
    assert len([request for request in server.of('PUT') if request.path == path]) == 1


def test_what_several_attach_at_once_is_all_listed(open_registry: Endpoint, repo: str, tmp_path: Path) -> None:
    client = open_registry.dxf(repo)
    subject = subject_of(client)
    files = [tmp_path / f'file{number}' for number in range(AT_ONCE)]
    for file in files:
        file.write_bytes(random.randbytes(100))
    client.push_blob(data=b'{}')  # what each pushes too; here it is about the tag
    runner = Runner({**open_registry.environ(), 'DXF_RETRIES': '4'})
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(runner.fork('attach', repo, 'a', '--type', 'application/x-sum', str(file)))
                   for file in files]
        digests = {end(process).insist(0).out.decode().strip() for process in started}
    assert len(digests) == AT_ONCE
    assert listed(client, subject) == digests


def test_a_type_is_found_that_the_referrers_tag_does_not_tell(open_registry: Endpoint, repo: str) -> None:
    client = open_registry.dxf(repo)
    push_alias(client, b'subject')
    subject = client.manifest_digest('a')
    wanted = push_referrer(client, subject, 'application/x-wanted')
    push_referrer(client, subject, 'application/x-other')
    entries: list[dict[str, Any]] = [{key: value for key, value in entry.items() if key != 'artifactType'}
                                     for entry in client.list_referrers(subject)]
    set_document(client, {'schemaVersion': 2, 'mediaType': OCI_INDEX, 'manifests': entries},
                 subject.replace(':', '-'))
    found = artifacts.referrers(client, 'a', 'application/x-wanted')
    assert [(entry['digest'], entry['artifactType']) for entry in found] == [(wanted, 'application/x-wanted')]
    ended = Runner(open_registry.environ()).run('referrers', repo, 'a', '--type', 'application/x-wanted').insist(0)
    assert ended.out.decode() == f'{wanted} application/x-wanted\n'
