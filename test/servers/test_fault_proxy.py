"""The proxy that breaks connections, itself."""

import socket

import pytest
import requests

from .fault_proxy import Fault, FaultProxy
from .scripted_registry import ScriptedRegistry

REPO = 'fred/datalogger'
BLOB = bytes(range(256)) * 1000


def address(proxy: FaultProxy) -> tuple[str, int]:
    """Return what a socket connects to."""
    return '127.0.0.1', int(proxy.host.rpartition(':')[2])


def received(proxy: FaultProxy, path: str, timeout: float = 5) -> tuple[int, type[OSError] | None]:
    """Return how many bytes of an answer arrive, and what ends them."""
    count = 0
    with socket.create_connection(address(proxy), timeout=timeout) as client:
        client.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'.encode())
        try:
            while piece := client.recv(65536):
                count += len(piece)
        except OSError as error:
            return count, type(error)
    return count, None


def test_without_a_fault_everything_passes_as_it_is() -> None:
    with ScriptedRegistry() as server, FaultProxy(server.host) as proxy, requests.Session() as session:
        digest = server.memory.put(REPO, BLOB)
        for _ in range(2):
            assert session.get(f'http://{proxy.host}/v2/{REPO}/blobs/{digest}').content == BLOB
        session.put(f'http://{proxy.host}/v2/{REPO}/manifests/latest', BLOB)
    assert [manifest for _, manifest in server.memory.manifests[REPO].values()] == [BLOB]
    assert proxy.connections == server.connections == 1


def test_what_goes_up_is_cut() -> None:
    with ScriptedRegistry() as server, FaultProxy(server.host, lambda number: Fault(up=100_000)) as proxy:
        with pytest.raises(requests.ConnectionError):
            requests.put(f'http://{proxy.host}/v2/{REPO}/manifests/latest', BLOB, timeout=60)
    put = server.requests[0]
    assert server.lines() == [put.line]
    assert not put.complete
    assert 90_000 < put.length < 100_000


def test_what_comes_down_is_cut() -> None:
    with ScriptedRegistry() as server, FaultProxy(server.host, lambda number: Fault(down=100_000)) as proxy:
        count, end = received(proxy, f'/v2/{REPO}/blobs/{server.memory.put(REPO, BLOB)}')
    assert count <= 100_000
    assert end is ConnectionResetError


def test_an_answer_is_lost_although_the_registry_gave_it() -> None:
    with ScriptedRegistry() as server, FaultProxy(server.host, lambda number: Fault(lost=b'PUT ')) as proxy:
        with requests.Session() as session:
            assert session.get(f'http://{proxy.host}/v2/').status_code == 200
            with pytest.raises(requests.ConnectionError):
                session.put(f'http://{proxy.host}/v2/{REPO}/manifests/latest', BLOB, timeout=60)
    assert server.lines() == ['GET /v2/', f'PUT /v2/{REPO}/manifests/latest']
    assert list(server.memory.tags[REPO]) == ['latest']


def test_a_request_is_refused_and_the_registry_never_has_it() -> None:
    with ScriptedRegistry() as server, FaultProxy(server.host, lambda number: Fault(refused=b'PUT ')) as proxy:
        with requests.Session() as session:
            assert session.get(f'http://{proxy.host}/v2/').status_code == 200
            assert session.put(f'http://{proxy.host}/v2/{REPO}/manifests/latest', b'{}', timeout=60).status_code == 503
    assert server.lines() == ['GET /v2/']


def test_a_stalled_answer_stays_where_it_is() -> None:
    with ScriptedRegistry() as server, FaultProxy(server.host, lambda number: Fault(stall=100_000)) as proxy:
        outcome = received(proxy, f'/v2/{REPO}/blobs/{server.memory.put(REPO, BLOB)}', 1)
    assert outcome == (100_000, TimeoutError)


def test_a_plan_tells_connections_apart_and_may_change() -> None:
    with ScriptedRegistry() as server, FaultProxy(server.host) as proxy:
        proxy.plan = lambda number: Fault(down=0) if number == 2 else Fault()
        ends = [received(proxy, '/v2/')[1] for _ in range(3)]
        proxy.plan = lambda number: Fault(down=0)
        ends.append(received(proxy, '/v2/')[1])
    assert ends == [None, ConnectionResetError, None, ConnectionResetError]
    assert proxy.connections == 4


def test_nothing_is_left_when_it_ends() -> None:
    with FaultProxy('localhost:1') as proxy, socket.create_connection(address(proxy), timeout=60) as client:
        pass
    assert client.fileno() == -1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address(proxy), timeout=60)
