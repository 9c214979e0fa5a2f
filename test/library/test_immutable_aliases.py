"""Aliases that must not change: a registry refuses the same manifest again, and it is stored all the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import dxf
from dxf import DXF, hash_bytes
from dxf.exceptions import DXFConflictError, DXFHTTPError
from dxf.main import doit

from ..helpers.endpoints import Endpoint
from ..helpers.repository_content import OCI_INDEX, OCI_MANIFEST, push_alias, push_referrer, set_document
from ..helpers.tables import paired
from ..servers.scripted_registry import REPO, Answer, Hook, Request, ScriptedRegistry, error

MANIFESTS = f'/v2/{REPO}/manifests/'
WORDS = "Failed to process request due to 'a:v1' configured as immutable."

REFUSALS = {
    'Nexus': error(400, 'BLOB_UPLOAD_INVALID', WORDS),      # https://github.com/getporter/porter/issues/2468
    'ECR': error(400, 'TAG_INVALID', WORDS),                # https://github.com/moby/buildkit/issues/3776
    'Docker Hub': error(403, 'DENIED', WORDS),              # https://github.com/docker/hub-feedback/issues/2466
    'Artifactory': error(403, 'MANIFEST_INVALID', WORDS),   # https://github.com/GoogleContainerTools/kaniko/issues/1095
    'not allowed': error(405, 'UNSUPPORTED', WORDS),
    'conflict': error(409, 'TAG_INVALID', WORDS),
    'Harbor': error(412, 'PRECONDITION', WORDS),            # https://github.com/goharbor/harbor/pull/9427
    'locked': error(423, 'DENIED', WORDS),
}


def environ(server: ScriptedRegistry) -> dict[str, str]:
    """Return the variables of a command."""
    return server.environ(DXF_RETRIES='0', SOURCE_DATE_EPOCH='0')


def immutable(server: ScriptedRegistry, refusal: Answer) -> Hook:
    """Return a hook that refuses each manifest for an alias that there is, as registries do that compare no content."""
    def hook(request: Request) -> Answer | None:
        name = request.path.removeprefix(MANIFESTS)
        return refusal if request.method == 'PUT' and name in server.memory.tags[REPO] else None
    return hook


COMMANDS: dict[str, Callable[[str], tuple[str, ...]]] = {
    'push-blob': lambda file: ('push-blob', REPO, file, '@v1'),
    'set-alias': lambda file: ('set-alias', REPO, 'v1', file),
    'push-files': lambda file: ('push-files', REPO, 'v1', file),
}


@pytest.mark.parametrize('refusal, command', paired(REFUSALS, {command: command for command in COMMANDS}))
def test_the_same_command_once_more_succeeds(server: ScriptedRegistry, tmp_path: Path, refusal: Answer, command: str
                                             ) -> None:
    file = tmp_path / 'readings'
    file.write_bytes(b'21.5')
    doit(['push-blob', REPO, str(file)], environ(server))
    server.hook = immutable(server, refusal)
    assert [doit(COMMANDS[command](str(file)), environ(server)) for _ in range(2)] == [0, 0]
    assert server.lines().count(f'PUT {MANIFESTS}v1') == 2


@pytest.mark.parametrize('refusal', REFUSALS.values(), ids=REFUSALS)
def test_the_same_copy_once_more_succeeds(server: ScriptedRegistry, client: DXF, folder: Endpoint, repo: str,
                                          refusal: Answer) -> None:
    source = folder.dxf(repo)
    push_alias(source, b'21.5', alias='v1')
    server.hook = immutable(server, refusal)
    for _ in range(2):
        assert dxf.copy(source, client, 'v1').digest == source.manifest_digest('v1')


@pytest.mark.parametrize('refusal', REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize('is_conditional', [False, True])
def test_another_manifest_is_refused_in_the_registry_s_own_words(server: ScriptedRegistry, client: DXF,
                                                                 refusal: Answer, is_conditional: bool) -> None:
    push_alias(client, b'21.5', alias='v1')
    digest = client.manifest_digest('v1')
    other = client.push_blob(data=b'21.7')
    server.hook = immutable(server, refusal)
    with pytest.raises(DXFHTTPError, match=f'^{refusal.status} .*configured as immutable') as caught:
        client.set_alias('v1', other, if_match=digest if is_conditional else None)
    assert 'somebody else' not in str(caught.value)
    assert caught.value.response is not None and caught.value.response.status_code == refusal.status
    assert client.manifest_digest('v1') == digest


def test_a_failed_precondition_of_an_alias_that_is_not_there_is_told_in_the_registry_s_words(server: ScriptedRegistry,
                                                                                             client: DXF) -> None:
    blob = client.push_blob(data=b'21.5')
    server.hook = lambda request: error(412, 'PRECONDITION', 'no signature') if request.method == 'PUT' else None
    with pytest.raises(DXFHTTPError, match='^412 .*: PRECONDITION: no signature'):
        client.set_alias('v1', blob, if_absent=True)


@pytest.mark.parametrize('condition', ['if_absent', 'if_match'])
def test_a_condition_that_fails_as_another_was_faster_is_a_conflict(server: ScriptedRegistry, client: DXF,
                                                                    condition: str) -> None:
    push_alias(client, b'21.5', alias='v1')
    digest = client.manifest_digest('v1')
    blob = client.push_blob(data=b'21.7')
    if condition == 'if_absent':
        server.memory.tags[REPO].clear()

    def be_faster(_request: Request) -> Answer:
        server.memory.put_manifest(REPO, 'v1', OCI_MANIFEST, b'{"schemaVersion": 2, "layers": []}')
        return error(412, 'PRECONDITION')
    server.script('PUT', f'{MANIFESTS}v1', [be_faster])
    with pytest.raises(DXFConflictError, match='somebody else has set the alias v1'):
        client.set_alias('v1', blob, **({'if_absent': True} if condition == 'if_absent' else {'if_match': digest}))


def test_the_manifest_under_an_alias_is_read_where_head_tells_no_digest(server: ScriptedRegistry, client: DXF) -> None:
    push_alias(client, b'21.5', alias='v1')
    refuse = immutable(server, REFUSALS['Nexus'])

    def hook(request: Request) -> Answer | None:
        if request.method == 'HEAD' and request.path == f'{MANIFESTS}v1':
            return replace(server.ordinary(request), headers={'Content-Type': 'application/json'})
        return refuse(request)
    server.hook = hook
    server.requests.clear()
    client.set_alias('v1', hash_bytes(b'21.5'))
    assert server.lines() == [f'PUT {MANIFESTS}v1', f'HEAD {MANIFESTS}v1', f'GET {MANIFESTS}v1']


@pytest.mark.parametrize('look', [error(403, 'DENIED'), error(500, 'UNKNOWN'), Answer(200, {}, b'<html>')])
def test_an_alias_that_cannot_be_read_proves_nothing(server: ScriptedRegistry, client: DXF, look: Answer) -> None:
    push_alias(client, b'21.5', alias='v1')
    refuse = immutable(server, REFUSALS['Docker Hub'])
    server.hook = lambda request: look if request.method in ('HEAD', 'GET') and request.path == f'{MANIFESTS}v1' \
        else refuse(request)
    with pytest.raises(DXFHTTPError, match='^403 .*: DENIED: .*configured as immutable'):
        client.set_alias('v1', hash_bytes(b'21.5'))


# What refers to another manifest

def signature_of(client: DXF, subject: str) -> dict[str, object]:
    """Return a manifest that refers to another."""
    text, _ = client.get_manifest_and_response(push_referrer(client, subject, 'application/x-signature'))
    document: dict[str, object] = json.loads(text)
    return document


def test_a_referrer_that_is_listed_by_the_registry_gets_no_tag_when_it_is_stored_again(server: ScriptedRegistry,
                                                                                       client: DXF) -> None:
    push_alias(client, b'21.5', alias='subject')
    subject = client.manifest_digest('subject')
    document = signature_of(client, subject)
    digest = set_document(client, document, 'v1')
    server.memory.tags[REPO].pop(subject.replace(':', '-'))
    refuse = immutable(server, REFUSALS['Harbor'])
    entry = {'mediaType': OCI_MANIFEST, 'digest': digest, 'size': 1}
    listed = Answer(200, {'Content-Type': OCI_INDEX}, json.dumps({'schemaVersion': 2, 'manifests': [entry]}).encode())
    server.hook = lambda request: listed if '/referrers/' in request.path else refuse(request)
    set_document(client, document, 'v1')
    assert sorted(server.memory.tags[REPO]) == ['subject', 'v1']


def test_a_referrer_that_is_not_listed_yet_is_listed_when_it_is_stored_again(server: ScriptedRegistry, client: DXF
                                                                            ) -> None:
    push_alias(client, b'21.5', alias='subject')
    subject = client.manifest_digest('subject')
    document = signature_of(client, subject)
    digest = set_document(client, document, 'v1')
    server.memory.tags[REPO].pop(subject.replace(':', '-'))
    server.hook = immutable(server, REFUSALS['Harbor'])
    set_document(client, document, 'v1')
    assert [one['digest'] for one in client.list_referrers(subject)] == [digest]


@pytest.mark.parametrize('refusal', REFUSALS.values(), ids=REFUSALS)
def test_an_immutable_list_of_referrers_is_told_in_the_registry_s_words(server: ScriptedRegistry, client: DXF,
                                                                        refusal: Answer) -> None:
    push_alias(client, b'21.5', alias='subject')
    subject = client.manifest_digest('subject')
    push_referrer(client, subject, 'application/x-first')
    server.hook = immutable(server, refusal)
    server.requests.clear()
    with pytest.raises(DXFHTTPError, match='^the manifest is stored, but the tag sha256-.* does not list it: '
                                           f'{refusal.status} .*configured as immutable'):
        push_referrer(client, subject, 'application/x-second')
    tag = f'PUT {MANIFESTS}{subject.replace(":", "-")}'
    assert server.lines().count(tag) == (2 if refusal.status == 412 else 1)  # one without a condition
