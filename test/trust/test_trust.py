"""What docs/trust-tests.rst promises and no other file tests; and that the table there names tests that exist."""

import ast
import json
import logging
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requests import Response
from urllib3 import HTTPResponse

from dxf import DXF, DXFBase, Limits, RateLimit, hash_bytes
from dxf.exceptions import DXFError, DXFHTTPError
from dxf.limits import TIMEOUT

from ..helpers.tables import paired
from ..servers.certificates import Certificates
from ..servers.scripted_registry import Answer, Request, ScriptedRegistry, error, guard

ROOT = Path(__file__).parents[2]
TABLE = ROOT / 'docs' / 'trust-tests.rst'
REPO = 'fred/a'
TAGS = f'/v2/{REPO}/tags/list'
OCI = 'application/vnd.oci.image.manifest.v1+json'
INDEX = 'application/vnd.oci.image.index.v1+json'
CONTENT = b'readings\n' * 1000
DIGEST = hash_bytes(CONTENT)
MEMORY = 400 << 20
"""Bytes of address space that a command may have: room for the interpreter and its libraries, and for little else."""

CHILD = """
import resource, sys, time
from dxf.main import main
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
start = time.process_time()
status = main()
assert time.process_time() - start < 30, 'slow'
sys.exit(status)
"""


@pytest.fixture(name='run')
def make_run(certificates: Certificates) -> Callable[..., tuple[int, bytes, str]]:
    """What runs a command with little memory, and bounds its time; it returns status, output and the one line."""
    def run(server: ScriptedRegistry, *args: str) -> tuple[int, bytes, str]:
        credentials = {'DXF_INSECURE': '1'} if server.insecure else {'DXF_USERNAME': 'fred', 'DXF_PASSWORD': 's3cret'}
        done = subprocess.run([sys.executable, '-c', CHILD, str(MEMORY), *args], stdin=subprocess.DEVNULL, cwd=ROOT,
                              capture_output=True, timeout=90, check=False, env={
                                  'DXF_HOST': server.host, 'DXF_RETRIES': '0', 'DXF_TIMEOUT': '60', 'PATH': '/usr/bin',
                                  'PYTHONUTF8': '1', 'REQUESTS_CA_BUNDLE': certificates.ca, **credentials})
        line = done.stderr.decode()
        assert line.startswith('dxf: ') and line.endswith('\n') and line.count('\n') == 1, line
        assert line[:-1].isprintable() and 's3cret' not in line and 'Traceback' not in line
        return done.returncode, done.stdout, line
    return run


def connect(server: ScriptedRegistry, limits: Limits = Limits()) -> DXF:
    """Return a client of the repository."""
    return DXF(server.host, REPO, insecure=True, limits=limits)


def image(**more: Any) -> dict[str, Any]:
    """Return a manifest of one blob; ``more`` goes to its descriptor."""
    entry = {'digest': DIGEST, 'size': len(CONTENT), 'mediaType': 'application/octet-stream', **more}
    return {'schemaVersion': 2, 'mediaType': OCI, 'config': entry, 'layers': [entry]}


# Credentials

@pytest.mark.parametrize('media_type', ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
                                        'application/vnd.oci.image.layer.nondistributable.v1.tar',
                                        'application/octet-stream'])
def test_urls_of_a_descriptor_are_never_fetched(server: ScriptedRegistry, media_type: str) -> None:
    with ScriptedRegistry() as elsewhere:
        elsewhere.hook = lambda request: Answer(body=CONTENT)
        foreign = image(mediaType=media_type, urls=[f'{elsewhere.url}/layer', f'{server.url}/layer'])
        server.memory.put_manifest(REPO, 'a', OCI, json.dumps(foreign).encode())
        client = connect(server)
        assert client.get_alias('a') == [DIGEST]
        with pytest.raises(DXFHTTPError, match='404'):
            b''.join(client.pull_blob(DIGEST))
        server.memory.put(REPO, CONTENT)
        assert b''.join(client.pull_blob(DIGEST)) == CONTENT
        assert not elsewhere.requests
        assert not [line for line in server.lines() if line.endswith('/layer')]


def test_a_token_is_renewed_before_it_expires_where_the_server_told_when(secure: ScriptedRegistry,
                                                                         certificates: Certificates,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    accepts = guard('Bearer right', f'Bearer realm="{secure.url}/token"')
    tokens = Answer(body=b'{"token": "right", "expires_in": 300}')
    secure.hook = lambda request: tokens if request.path == '/token' else accepts(request)
    client = DXF(secure.host, REPO, lambda base, response: base.authenticate('fred', 'x', response=response),
                 tlsverify=certificates.ca)
    for _ in range(2):
        client.push_blob(data=CONTENT, check_exists=False)
    assert secure.lines().count('GET /token') == 1      # it is not renewed while it lives
    secure.requests.clear()
    now = time.monotonic
    monkeypatch.setattr(time, 'monotonic', lambda: now() + 299)
    client.push_blob(data=CONTENT, check_exists=False)
    assert secure.lines()[0] == 'GET /token'            # before anything is refused
    assert {request.authorization for request in secure.requests[1:]} == {'Bearer right'}


def test_no_secret_of_a_url_is_logged(server: ScriptedRegistry, caplog: pytest.LogCaptureFixture) -> None:
    def hook(request: Request) -> Answer:
        if request.query:
            return Answer(503, {'Retry-After': '0'})
        return Answer(307, {'Location': f'http://fred:s3cret@{server.host}{TAGS}?signature=s3cret'})
    server.hook = hook
    with caplog.at_level(logging.INFO), pytest.raises(DXFError):
        connect(server, Limits(retries=2, backoff=0)).list_aliases()
    assert not caplog.records
    with caplog.at_level(logging.DEBUG), pytest.raises(DXFError):
        connect(server, Limits(retries=2, backoff=0)).list_aliases()
    assert 'dxf' in {record.name for record in caplog.records}  # what DXF_DEBUG shows
    assert 's3cret' not in caplog.text


def test_what_urllib3_logs_has_no_query(server: ScriptedRegistry, caplog: pytest.LogCaptureFixture) -> None:
    malformed = Answer(200, {'X': 'y\r\nno colon'}, b'{"tags": []}', undelimited=True)  # it warns of that
    server.hook = lambda request: malformed if request.query else Answer(307, {'Location': f'{TAGS}?signature=s3cret'})
    with caplog.at_level(logging.DEBUG):
        assert connect(server).list_aliases() == []
    assert {record.levelno for record in caplog.records} == {logging.DEBUG, logging.WARNING}
    assert 's3cret' not in caplog.text


# Limits

def test_the_limits_are_those_that_are_promised_and_each_is_an_argument() -> None:
    assert list(TIMEOUT) == [10, 60]
    assert Limits()._asdict() == {
        'retries': 4, 'backoff': 0.5, 'longest_backoff': 8, 'longest_retry_after': 60, 'longest_waiting': 300,
        'stall_seconds': 60, 'stall_bytes': 16 << 10, 'redirects': 5, 'manifest': 4 << 20, 'token': 128 << 10,
        'error': 64 << 10, 'page': 4 << 20, 'pages': 10_000,
        'names': 250_000, 'documents': 10_000, 'descriptors': 20_000, 'total': 32 << 20, 'referrers': 8 << 20,
        'settle': 0.5,
        'part': 64 << 20, 'small_part': 4 << 20, 'ranges': 64 << 20, 'fast': 100 << 20,
        'fresh_token': 1, 'rate': None, 'cache': 16 << 30}
    for name, value in Limits()._asdict().items():
        other: Any = RateLimit(1024) if name == 'rate' else value + 1
        limits = Limits()._replace(**{name: other})
        assert DXF('localhost', REPO, limits=limits).options.limits == limits
        assert DXFBase('localhost', limits=limits).options.limits == limits


@pytest.mark.parametrize('limits, answer, times', [
    (Limits(manifest=100), Answer(200, {'Content-Type': OCI}, json.dumps(image()).encode()), 1),
    (Limits(error=5, retries=0), error(403, 'SOME_CODE'), 1),
    (Limits(redirects=1), Answer(307, {'Location': '?a=b'}), 2),
], ids=['manifest', 'error', 'redirects'])
def test_a_limit_that_is_given_counts(server: ScriptedRegistry, limits: Limits, answer: Answer, times: int) -> None:
    server.hook = lambda request: answer
    with pytest.raises(DXFError) as caught:
        connect(server, limits).get_manifest('a')
    assert 'SOME_CODE' not in str(caught.value)
    assert len(server.requests) == times


def test_pauses_double_from_half_a_second_to_eight_and_differ_by_chance(server: ScriptedRegistry,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    server.hook = lambda request: error(503, 'UNAVAILABLE')

    def pauses_of(seed: int) -> list[float]:
        pauses: list[float] = []
        monkeypatch.setattr(time, 'sleep', pauses.append)
        random.seed(seed)
        with pytest.raises(DXFHTTPError, match='^503'):
            connect(server, Limits(retries=7)).list_aliases()
        return pauses
    first, second = pauses_of(1), pauses_of(2)
    for pauses in (first, second):
        assert [whole / 2 <= pause <= whole
                for pause, whole in zip(pauses, (0.5, 1, 2, 4, 8, 8, 8), strict=True)] == [True] * 7
    assert not set(first) & set(second)         # or all clients would come back at once


def test_an_answer_is_never_read_by_what_knows_no_limit(server: ScriptedRegistry,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Response.iter_content

    def watched(response: Response, *args: Any, **kwargs: Any) -> Any:
        assert not isinstance(response.raw, HTTPResponse), 'read without a limit'   # by .content, .text or .json()
        return whole(response, *args, **kwargs)
    monkeypatch.setattr(Response, 'iter_content', watched)
    client = connect(server, Limits(retries=1, backoff=0))
    for source in (CONTENT, iter([CONTENT])):
        client.push_blob(data=source, check_exists=False)
    client.set_alias('a', DIGEST)
    assert b''.join(client.pull_blob(DIGEST)) == CONTENT
    assert (client.get_alias('a'), client.list_aliases(), client.list_repos()) == ([DIGEST], ['a'], [REPO])
    client.api_version_check()
    for status in (307, 400, 401, 404, 503):
        server.script('GET', TAGS, [Answer(status, {'Location': TAGS}, b'{"errors": []}')] * 2)
        with pytest.raises(DXFError):
            client.list_aliases()
            client.list_aliases()       # the redirect leads to a 307 in a circle
    client.del_alias('a')
    client.del_blob(DIGEST)


# What a registry may send, and what the command line makes of it

HOSTILE = {
    'a key twice': b'{"a": 1, "a": 2}',
    'NaN': b'NaN',
    'nested 100,000 deep': b'[' * 100_000 + b']' * 100_000,
    'objects nested 100,000 deep': b'{"a":' * 100_000 + b'1' + b'}' * 100_000,
    'a number of 5,000 digits': b'1' * 5000,
    'no UTF-8': b'"\xe9"',
}
BODIES = {
    'manifest': (200, json.dumps(image()).encode(), ('get-alias', REPO, 'a')),
    'page of tags': (200, b'{"tags": ["a"]}', ('list-aliases', REPO)),
    'error': (403, b'{"errors": [{"code": "DENIED", "message": "no"}]}', ('list-aliases', REPO)),
    'token': (401, b'{"token": "right"}', ('list-aliases', REPO)),
}


def serve(server: ScriptedRegistry, kind: str, answer: Answer) -> None:
    """Give this answer; where it is a token server's, as what answers the registry's challenge."""
    challenge = {'WWW-Authenticate': f'Bearer realm="{server.url}/token"'}
    server.hook = lambda request: Answer(401, challenge) if kind == 'token' and request.path != '/token' else answer


@pytest.mark.parametrize(('kind', 'hostile'), paired({kind: kind for kind in BODIES}, HOSTILE))
def test_json_that_is_meant_to_hurt_is_one_line_at_once(run: Callable[..., tuple[int, bytes, str]],
                                                        server: ScriptedRegistry, secure: ScriptedRegistry,
                                                        kind: str, hostile: bytes) -> None:
    status, body, args = BODIES[kind]
    used = secure if kind == 'token' else server
    body = body[:-1] + b', "x": ' + hostile + b'}'     # without it all would be well
    serve(used, kind, Answer(200 if kind == 'token' else status, {'Content-Type': OCI}, body))
    exit_status, out, line = run(used, *args)
    assert (exit_status, out) == (1, b'')
    assert 'DENIED' not in line


@pytest.mark.parametrize('kind', [*BODIES, 'blob'])
def test_no_memory_is_set_aside_for_a_size_that_is_only_declared(run: Callable[..., tuple[int, bytes, str]],
                                                                 server: ScriptedRegistry, secure: ScriptedRegistry,
                                                                 kind: str) -> None:
    status, body, args = BODIES.get(kind, (200, CONTENT, ('pull-blob', REPO, DIGEST)))
    used = secure if kind == 'token' else server
    serve(used, kind, Answer(200 if kind == 'token' else status, {'Content-Type': OCI}, body, declared=1 << 60))
    exit_status, out, _ = run(used, *args)
    assert exit_status == 1
    assert len(out) < len(CONTENT)


EVIL = '\x1b[2J\r\n\u202eforged\u2028\x9b\x7f'
EVIL_TYPE = f'application/{EVIL}'
SAYINGS = {
    'a tag': (Answer(body=json.dumps({'tags': [EVIL]}).encode()), 'list-aliases'),
    'a tag after a good one': (Answer(body=json.dumps({'tags': ['good', f'a{EVIL}']}).encode()), 'list-aliases'),
    'the code of an error': (error(400, EVIL), 'list-aliases'),
    'the message of an error': (error(400, 'SOME_CODE', EVIL), 'list-aliases'),
    'the digest of a blob': (Answer(200, {}, json.dumps(image(digest=f'sha256:{EVIL}')).encode()), 'get-alias'),
    'the algorithm of a digest': (Answer(200, {}, json.dumps(image(digest=f'{EVIL}:a')).encode()), 'get-alias'),
    'the type of a manifest': (Answer(200, {}, json.dumps({**image(), 'mediaType': EVIL_TYPE}).encode()), 'get-alias'),
    'the type in the header': (Answer(200, {'Content-Type': 'x/\x1b[2J\x9b'}, b'{"schemaVersion": 2}'), 'get-alias'),
    'the digest header': (Answer(200, {'Docker-Content-Digest': 'sha256:\x1b[2J\x9b', 'Content-Type': OCI},
                                 json.dumps(image()).encode()), 'get-alias'),
    'an address': (Answer(307, {'Location': 'http://\x1b[2J\x9b/'}), 'list-aliases'),
    'a link': (Answer(200, {'Link': '<http://\x1b[2J\x9b/>; rel="next"'}, b'{"tags": []}'), 'list-aliases'),
    'a challenge': (Answer(401, {'WWW-Authenticate': 'Bearer realm="\x1b[2J\x9b"'}), 'list-aliases'),
    'a platform': (Answer(200, {'Content-Type': INDEX}, json.dumps({
        'schemaVersion': 2, 'mediaType': INDEX, 'manifests': [{
            'digest': DIGEST, 'size': 1, 'mediaType': OCI, 'platform': {'os': EVIL, 'architecture': EVIL}}]}
        ).encode()), 'get-alias'),
}


@pytest.mark.parametrize('saying', SAYINGS)
def test_what_a_server_says_cannot_drive_the_terminal(run: Callable[..., tuple[int, bytes, str]],
                                                      server: ScriptedRegistry, saying: str) -> None:
    answer, command = SAYINGS[saying]
    server.hook = lambda request: answer
    status, out, line = run(server, command, REPO, *['a'] * (command == 'get-alias'))
    assert status in (1, 13)
    assert out in (b'', b'good\n')
    assert 'SOME_CODE' in line or saying != 'the message of an error'


@pytest.mark.parametrize('answer, status', [
    (error(401, 'UNAUTHORIZED'), 13),  # over http, where nothing may answer it
    (error(403, 'DENIED'), 13),
    (error(403, 'SOME_CODE'), 1),
    (Answer(403), 1),
    (error(404, 'NAME_UNKNOWN'), 2),
    (error(500, 'DENIED'), 1),
    (Answer(body=b'<html>'), 1),
    (Answer(body=b'', declared=9), 1),
], ids=['401', '403 DENIED', '403 otherwise', '403 of a proxy', '404', '500', 'nonsense', 'truncated'])
def test_the_exit_status_tells_what_the_registry_said(run: Callable[..., tuple[int, bytes, str]],
                                                      server: ScriptedRegistry, answer: Answer, status: int) -> None:
    server.hook = lambda request: answer
    assert run(server, 'list-aliases', REPO)[:2] == (status, b'')


# The table of the documentation

def test_the_table_of_the_documentation_names_tests_that_exist() -> None:
    named = re.findall(r'(test/[\w/]+\.py)::(\w+)', TABLE.read_text(encoding='utf-8'))
    defined = {file: {node.name for node in ast.parse((ROOT / file).read_text(encoding='utf-8')).body
                      if isinstance(node, ast.FunctionDef)} for file in {file for file, _ in named}}
    assert len(named) > 500
    assert [f'{file}::{name}' for file, name in named if name not in defined[file]] == []
