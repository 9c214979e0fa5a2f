"""What commands cost on a registry with tokens over TLS: requests, and connections, each a handshake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dxf import hash_bytes
from dxf.main import doit
from dxf.options import JOBS

from ..helpers.endpoints import Endpoint
from ..helpers.traffic import Traffic
from ..servers.token_server import TokenServer

CONTENT = b'readings of May 15th'
DIGEST = hash_bytes(CONTENT)


@pytest.fixture(name='path')
def write_path(tmp_path: Path) -> str:
    """The path of a file that holds ``CONTENT``."""
    path = tmp_path / 'logger.dat'
    path.write_bytes(CONTENT)
    return str(path)


def cost(traffic: Traffic, endpoint: Endpoint, *arguments: str) -> list[str]:
    """Run a command, and return the requests that it made."""
    traffic.clear()
    assert doit(arguments, endpoint.environ()) == 0
    return traffic.lines()


def blob(repo: str, digest: str = DIGEST) -> str:
    """Return the path of a blob."""
    return f'/v2/{repo}/blobs/{digest}'


def both(endpoint: Endpoint, tokens: TokenServer) -> list[str]:
    """Return the connections of a command that uses one for the registry and one for its token server."""
    return [endpoint.host, tokens.host]


def check_connections(traffic: Traffic, endpoint: Endpoint, tokens: TokenServer) -> None:
    """Insist on no more connections than jobs, and one for the token."""
    assert traffic.connections[:2] == both(endpoint, tokens)
    assert set(traffic.connections[2:]) <= {endpoint.host}
    assert len(traffic.connections) <= JOBS + 1


def test_push_blob_with_an_alias_costs_four_requests_and_a_token(token_registry: Endpoint, tokens: TokenServer,
                                                                 repo: str,
                                                                 path: str, traffic: Traffic) -> None:
    requests = cost(traffic, token_registry, 'push-blob', repo, path, '@may15')
    assert len(requests) == 4 + 1
    upload = traffic.requests[2].response_headers['Location'].partition('?')[0].removeprefix(
        token_registry.url)
    assert requests == [
        f'POST /v2/{repo}/blobs/uploads/ 401',
        'GET /token 200',
        f'POST /v2/{repo}/blobs/uploads/ 202',
        f'PUT {upload} 201',
        f'PUT /v2/{repo}/manifests/may15 201',
    ]
    assert traffic.connections == both(token_registry, tokens)
    assert [request.scopes for request in tokens.requests] == [(f'repository:{repo}:pull,push',)]


def test_push_blob_of_what_is_there_costs_its_alias(token_registry: Endpoint, tokens: TokenServer, repo: str, path: str,
                                                    traffic: Traffic) -> None:
    cost(traffic, token_registry, 'push-blob', repo, path)
    assert cost(traffic, token_registry, 'push-blob', repo, path, '@may15') == [
        f'POST /v2/{repo}/blobs/uploads/ 401',
        'GET /token 200',
        f'POST /v2/{repo}/blobs/uploads/ 201',
        f'PUT /v2/{repo}/manifests/may15 201',
    ]
    assert traffic.connections == both(token_registry, tokens)


def test_pull_blob_by_alias_costs_three_requests_and_a_token(token_registry: Endpoint, tokens: TokenServer, repo: str,
                                                             path: str, traffic: Traffic,
                                                             capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    cost(traffic, token_registry, 'push-blob', repo, path, '@may15')
    capfdbinary.readouterr()
    tokens.requests.clear()
    requests = cost(traffic, token_registry, 'pull-blob', repo, '@may15')
    assert capfdbinary.readouterr().out == CONTENT
    assert requests == [
        f'GET /v2/{repo}/manifests/may15 401',
        'GET /token 200',
        f'GET /v2/{repo}/manifests/may15 200',
        f'GET {blob(repo)} 200',
    ]
    assert len(requests) == 3 + 1
    assert traffic.connections == both(token_registry, tokens)
    assert [request.scopes for request in tokens.requests] == [(f'repository:{repo}:pull',)]


def test_pull_blob_by_hash_costs_two_requests_and_a_token(token_registry: Endpoint, tokens: TokenServer, repo: str,
                                                          path: str, traffic: Traffic) -> None:
    cost(traffic, token_registry, 'push-blob', repo, path)
    assert cost(traffic, token_registry, 'pull-blob', repo, DIGEST) == [
        f'GET {blob(repo)} 401', 'GET /token 200', f'GET {blob(repo)} 200']
    assert traffic.connections == both(token_registry, tokens)


def test_get_alias_costs_the_manifest_and_its_token(token_registry: Endpoint, tokens: TokenServer, repo: str, path: str,
                                                    traffic: Traffic) -> None:
    cost(traffic, token_registry, 'push-blob', repo, path, '@may15')
    assert cost(traffic, token_registry, 'get-alias', repo, 'may15') == [
        f'GET /v2/{repo}/manifests/may15 401', 'GET /token 200', f'GET /v2/{repo}/manifests/may15 200']
    assert traffic.connections == both(token_registry, tokens)


def test_a_token_at_hand_saves_the_challenge(token_registry: Endpoint, tokens: TokenServer, repo: str, path: str,
                                             traffic: Traffic) -> None:
    cost(traffic, token_registry, 'push-blob', repo, path, '@may15')
    environ = token_registry.environ() | {'DXF_TOKEN': tokens.token('fred', f'repository:{repo}:pull')}
    traffic.clear()
    assert doit(['pull-blob', repo, '@may15'], environ) == 0
    assert traffic.lines() == [f'GET /v2/{repo}/manifests/may15 200', f'GET {blob(repo)} 200']
    assert traffic.connections == [token_registry.host]


def test_more_blobs_cost_a_request_each(token_registry: Endpoint, tokens: TokenServer, repo: str, tmp_path: Path,
                                        traffic: Traffic, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    contents = [b'%d' % number for number in range(5)]
    paths = [tmp_path / str(number) for number in range(5)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
        cost(traffic, token_registry, 'push-blob', repo, str(path))
    capfdbinary.readouterr()
    digests = [hash_bytes(content) for content in contents]
    requests = cost(traffic, token_registry, 'set-alias', repo, 'all', *map(str, paths))
    assert sorted(requests[2:-1]) == sorted(f'HEAD {blob(repo, digest)} 200' for digest in digests)
    assert requests[-1] == f'PUT /v2/{repo}/manifests/all 201'
    check_connections(traffic, token_registry, tokens)
    capfdbinary.readouterr()
    requests = cost(traffic, token_registry, 'pull-blob', repo, '@all')
    assert requests[2] == f'GET /v2/{repo}/manifests/all 200'
    assert sorted(requests[3:]) == sorted(f'GET {blob(repo, digest)} 200' for digest in digests)
    assert capfdbinary.readouterr().out == b''.join(contents)
    check_connections(traffic, token_registry, tokens)


def test_the_sum_of_sizes_costs_the_manifest(token_registry: Endpoint, repo: str, path: str, traffic: Traffic,
                                             capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    cost(traffic, token_registry, 'push-blob', repo, path, '@may15')
    capfdbinary.readouterr()
    assert cost(traffic, token_registry, 'blob-size', repo, '@may15')[2:] == [f'GET /v2/{repo}/manifests/may15 200']
    assert capfdbinary.readouterr().out == b'%d\n' % len(CONTENT)


def test_deleting_an_alias_asks_for_one_token(token_registry: Endpoint, tokens: TokenServer, repo: str, path: str,
                                              traffic: Traffic) -> None:
    cost(traffic, token_registry, 'push-blob', repo, path, '@may15')
    tokens.requests.clear()
    requests = cost(traffic, token_registry, 'del-alias', repo, 'may15')
    manifests = f'/v2/{repo}/manifests'
    digest = requests[-2].split('/')[-1].split()[0]
    assert requests == [
        f'GET {manifests}/may15 401',
        'GET /token 200',
        f'GET {manifests}/may15 200',
        f'GET /v2/{repo}/tags/list 200',
        f'GET /v2/{repo}/referrers/{digest} 404',  # distribution 2.8 has no such API, hence the tag
        f'GET {manifests}/{digest.replace(":", "-")} 404',
        f'DELETE {manifests}/{digest} 202',
        f'HEAD {manifests}/may15 404',
    ]
    assert [request.scopes for request in tokens.requests] == [(f'repository:{repo}:pull,push,delete',)]
    assert traffic.connections == both(token_registry, tokens)


def test_deleting_several_aliases_looks_at_the_others_once(token_registry: Endpoint, repo: str, path: str,
                                                           traffic: Traffic) -> None:
    client = token_registry.dxf(repo)
    for number in range(6):
        client.set_alias(f'v{number}', client.push_blob(path), client.push_blob(data=b'%d' % number))
    requests = cost(traffic, token_registry, 'del-alias', repo, 'v0', 'v1', 'v2')
    assert requests.count(f'GET /v2/{repo}/tags/list 200') == 1
    for number in range(3, 6):
        assert [line for line in requests if f'/manifests/v{number} ' in line] == [
            f'HEAD /v2/{repo}/manifests/v{number} 200']
    for number in range(3):
        assert [line for line in requests if f'/manifests/v{number} ' in line and not line.endswith('401')] == [
            f'GET /v2/{repo}/manifests/v{number} 200', f'HEAD /v2/{repo}/manifests/v{number} 404']
    assert len([line for line in requests if line.startswith('DELETE')]) == 3


def test_the_library_costs_no_more_than_the_command(token_registry: Endpoint, tokens: TokenServer, repo: str, path: str,
                                                    traffic: Traffic) -> None:
    dxf = token_registry.dxf(repo)
    dxf._auth = lambda client, response: client.authenticate(
        token_registry.username, token_registry.password, ['pull', 'push'], response=response)
    dxf.set_alias('may15', dxf.push_blob(path))
    assert len(traffic.requests) == 4 + 1
    assert traffic.connections == both(token_registry, tokens)
    traffic.clear()
    assert b''.join(dxf.pull_blob(*dxf.get_alias('may15'))) == CONTENT
    assert len(traffic.requests) == 2
    assert traffic.connections == []  # kept alive without a context


@pytest.mark.parametrize('arguments, status', [
    (['--help'], 0),
    (['--version'], 0),
    (['push-blob', '--help'], 0),
    (['push-blob'], 2),  # too few operands
    (['no-such-command'], 2),
])
def test_what_needs_no_registry_brings_nothing_that_is_slow_to_load(arguments: list[str], status: int) -> None:
    script = ('import json, sys\n'
              'from dxf.main import main\n'
              f'sys.argv = ["dxf", *{arguments!r}]\n'
              'try:\n'
              '    status = main()\n'
              'except SystemExit as ended:\n'
              '    status = ended.code or 0\n'
              'print()\n'
              'print(json.dumps([status, sorted({"requests", "tqdm", "jwcrypto"} & sys.modules.keys())]))\n')
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, timeout=90, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [status, []]


def test_neither_do_a_push_and_a_pull(token_registry: Endpoint, repo: str, path: str) -> None:
    script = ('import os, sys\n'
              'from dxf.main import doit\n'
              f'assert doit(["push-blob", {repo!r}, {path!r}, "@a"], os.environ) == 0\n'
              f'assert doit(["pull-blob", {repo!r}, "@a"], os.environ) == 0\n'
              'sys.exit({"tqdm", "jwcrypto"} & sys.modules.keys() != set())\n')
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, timeout=90, check=False,
                          env={**os.environ, **token_registry.environ()})
    assert (done.returncode, done.stderr, done.stdout) == (0, b'', f'{DIGEST}\n'.encode() + CONTENT)
