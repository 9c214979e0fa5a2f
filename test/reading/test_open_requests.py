"""What an open file asks a registry for: no request and no byte more than is needed; and no wrong byte comes out."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from requests.exceptions import RequestException

from dxf import DXF, DXFError, DXFHTTPError, Limits, hash_bytes
from dxf.exceptions import DXFDigestMismatchError, DXFProtocolError, DXFSizeMismatchError

from ..helpers.endpoints import Endpoint
from ..helpers.traffic import Traffic
from ..servers.certificates import Certificates
from ..servers.scripted_registry import LOST, REPO, Answer, Request, ScriptedRegistry, error

KIB, MIB = 1 << 10, 1 << 20
CONTENT = os.urandom(8 * MIB)
DIGEST = hash_bytes(CONTENT)
OTHER = bytes(len(CONTENT))
BLOB = f'/v2/{REPO}/blobs/{DIGEST}'


@pytest.fixture(name='blob', autouse=True)
def put_blob(server: ScriptedRegistry) -> None:
    """Put ``CONTENT`` into the scripted registry."""
    server.memory.put(REPO, CONTENT)


def asked(server: ScriptedRegistry) -> list[str]:
    """Return the methods of the requests, with their ranges."""
    return [f'{request.method} {request.headers.get("Range", "")}'.strip() for request in server.requests]


def test_a_read_of_all_is_one_request_without_a_range(client: DXF, server: ScriptedRegistry) -> None:
    with client.open(DIGEST) as file:
        assert file.read() == CONTENT
    assert asked(server) == ['HEAD', 'GET']
    assert server.connections == 1


def test_reads_in_order_take_ever_larger_ranges_and_then_all_the_rest(
        client: DXF, server: ScriptedRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('dxf.reading.read_ahead.FIRST_WINDOW', 32 * KIB)
    monkeypatch.setattr('dxf.reading.read_ahead.MAX_BLOCK', 512 * KIB)
    with client.open(DIGEST) as file:
        assert b''.join(iter(lambda: file.read(5000), b'')) == CONTENT
    ends = (32 * KIB, 160 * KIB, 672 * KIB, len(CONTENT))
    assert asked(server) == ['HEAD', *(f'GET bytes={start}-{end - 1}' for start, end in zip((0, *ends), ends))]
    assert server.connections == 1


def test_reads_at_random_ask_for_what_is_read_alone(client: DXF, server: ScriptedRegistry) -> None:
    places = [number * 8 * KIB + KIB for number in range(1000)]
    Random(16).shuffle(places)
    with client.open(DIGEST) as file:
        for place in places:
            file.seek(place)
            assert file.read(4 * KIB) == CONTENT[place:place + 4 * KIB]
    assert asked(server)[1:] == [f'GET bytes={place}-{place + 4 * KIB - 1}' for place in places]
    assert server.connections == 1


def test_a_long_read_is_one_request(client: DXF, server: ScriptedRegistry) -> None:
    with client.open(DIGEST) as file:
        file.seek(MIB + 1)
        assert file.read(3 * MIB + 5) == CONTENT[MIB + 1:4 * MIB + 6]
        assert file.pread(3 * MIB, 5) == CONTENT[5:3 * MIB + 5]
    assert asked(server) == ['HEAD', f'GET bytes={MIB + 1}-{4 * MIB + 5}', f'GET bytes=5-{3 * MIB + 4}']
    assert server.connections == 1


def test_what_was_read_is_kept_within_a_bound(client: DXF, server: ScriptedRegistry) -> None:
    with client.open(DIGEST) as file:
        for _ in range(2):
            for place in (5 * MIB, 6 * MIB, 7 * MIB):
                assert file.pread(KIB, place) == CONTENT[place:place + KIB]
        assert len(server.requests) == 1 + 3
        for place in range(300):
            file.pread(1, 20_000 * place)
        file.pread(1, 5 * MIB)
        assert len(server.requests) == 1 + 3 + 300 + 1


def test_a_small_jump_ahead_in_a_stream_costs_no_request_and_is_verified(client: DXF, server: ScriptedRegistry) -> None:
    with client.open(DIGEST) as file:
        for _ in range(5):
            file.read(MIB)
        count = len(server.requests)
        file.seek(500 * KIB, os.SEEK_CUR)
        assert file.read() == CONTENT[5 * MIB + 500 * KIB:]
    assert len(server.requests) == count


def test_an_alias_costs_its_manifest_alone(client: DXF, server: ScriptedRegistry) -> None:
    name_blobs(server, len(CONTENT))
    with client.open('named') as file:
        assert asked(server) == ['GET']
        assert file.size == len(CONTENT)
        assert file.pread(4, 5) == CONTENT[5:9]
    assert asked(server) == ['GET', 'GET bytes=5-8']


def name_blobs(server: ScriptedRegistry, size: int) -> None:
    """Give an alias to the blob, whose manifest says that it has a size."""
    media_type = 'application/vnd.oci.image.manifest.v1+json'
    layer = {'mediaType': 'application/octet-stream', 'digest': DIGEST, 'size': size}
    server.memory.put_manifest(REPO, 'named', media_type, json.dumps({
        'schemaVersion': 2, 'mediaType': media_type, 'config': {**layer, 'size': 2}, 'layers': [layer]}).encode())


def test_reads_renew_the_token_and_keep_the_connection(token_registry: Endpoint, repo: str, traffic: Traffic) -> None:
    repository = token_registry.dxf(repo)
    repository.push_blob(data=CONTENT)
    repository = token_registry.dxf(repo)
    with repository.open(DIGEST) as file:
        file.pread(10, 5 * MIB)
        traffic.clear()
        repository.token = 'expired'
        assert file.pread(10, 7 * MIB) == CONTENT[7 * MIB:7 * MIB + 10]
    assert [line.partition(' ')[0] + line[-4:] for line in traffic.lines()] == ['GET 401', 'GET 200', 'GET 206']
    assert token_registry.host not in traffic.connections


# What is not as it should be

Spoil = Callable[[ScriptedRegistry, Request], Answer]


def body_of(answer: Answer) -> bytes:
    """Return the body of an ordinary answer, which is in memory."""
    assert isinstance(answer.body, bytes)
    return answer.body


def of_other_content(server: ScriptedRegistry, request: Request) -> Answer:
    """Answer a range as if the blob were another of the same size."""
    answer = server.ordinary(request)
    return answer if request.method == 'HEAD' else replace(answer, body=bytes(len(body_of(answer))))


def whole(server: ScriptedRegistry, request: Request) -> Answer:
    """Answer 200 and the whole blob to a range."""
    del request.headers['Range']
    return server.ordinary(request)


def whole_and_more(server: ScriptedRegistry, request: Request) -> Answer:
    """Answer 200 and something longer than the blob to a range."""
    answer = whole(server, request)
    return replace(answer, body=b'x' + body_of(answer))


def with_range(text: str) -> Spoil:
    """Return what changes the Content-Range of an answer."""
    def spoil(server: ScriptedRegistry, request: Request) -> Answer:
        answer = server.ordinary(request)
        return answer if answer.status != 206 else replace(answer, headers={**answer.headers, 'Content-Range': text})
    return spoil


def one_byte_less(server: ScriptedRegistry, request: Request) -> Answer:
    """Answer a range by one byte less than it says."""
    answer = server.ordinary(request)
    return answer if answer.status != 206 else replace(answer, body=body_of(answer)[:-1])


def one_byte_more(server: ScriptedRegistry, request: Request) -> Answer:
    """Answer a range by one byte more than it says."""
    answer = server.ordinary(request)
    return answer if answer.status != 206 else replace(answer, body=body_of(answer) + b'x')


def of_another_digest(server: ScriptedRegistry, request: Request) -> Answer:
    """Answer a range of what has another digest, and say so."""
    answer = server.ordinary(request)
    return answer if answer.status != 206 else replace(
        answer, headers={**answer.headers, 'Docker-Content-Digest': hash_bytes(b'x')})


def scripted(server: ScriptedRegistry, spoil: Spoil) -> None:
    """Spoil the answers to GET."""
    server.hook = lambda request: spoil(server, request) if request.method == 'GET' else None


@pytest.mark.parametrize('spoil, kind', [
    (with_range(f'bytes 7-{KIB + 6}/{len(CONTENT)}'), DXFProtocolError),
    (with_range(f'bytes 5000-{5000 + KIB - 1}/{len(CONTENT) + 1}'), DXFProtocolError),
    (with_range('bytes 5000-'), DXFProtocolError),
    (one_byte_less, DXFSizeMismatchError),
    (one_byte_more, DXFSizeMismatchError),
    (of_another_digest, DXFDigestMismatchError),
    (whole_and_more, DXFSizeMismatchError),
])
@pytest.mark.parametrize('read', [lambda file: file.pread(KIB, 5000),
                                  lambda file: file.seek(5000) and file.read(KIB)])
def test_an_answer_that_is_another_range_is_an_error(client: DXF, server: ScriptedRegistry, spoil: Spoil,
                                                     kind: type[DXFError], read: Callable[[Any], bytes]) -> None:
    scripted(server, spoil)
    with client.open(DIGEST) as file:
        with pytest.raises(kind):
            read(file)
        server.hook = None
        assert read(file) == CONTENT[5000:5000 + KIB]


@pytest.mark.parametrize('read', [lambda file: file.pread(KIB, 5000),
                                  lambda file: file.seek(5000) and file.read(KIB)])
def test_a_registry_without_ranges_is_read_all_the_same(client: DXF, server: ScriptedRegistry,
                                                        read: Callable[[Any], bytes]) -> None:
    scripted(server, whole)
    with client.open(DIGEST) as file:
        assert read(file) == CONTENT[5000:5000 + KIB]


def steps(size: int) -> Callable[[Any], Iterator[bytes]]:
    """Return what reads a file in steps of a size."""
    return lambda file: iter(lambda: file.read(size), b'')


@pytest.mark.parametrize('size', [700, 64 * KIB, 3 * MIB, -1])
def test_a_wrong_blob_that_is_read_to_its_end_never_ends_well(client: DXF, server: ScriptedRegistry, size: int) -> None:
    scripted(server, of_other_content)
    with client.open(DIGEST) as file:
        got = 0
        with pytest.raises(DXFDigestMismatchError):
            for piece in steps(size)(file):
                got += len(piece)
        assert got < len(CONTENT)
        with pytest.raises(DXFDigestMismatchError):  # not by reading on either
            for piece in steps(size)(file):
                got += len(piece)
        assert got < len(CONTENT)
        server.hook = None
        file.seek(0)
        assert file.read() == CONTENT


def test_other_bytes_in_a_later_part_are_found_at_the_end(client: DXF, server: ScriptedRegistry) -> None:
    with client.open(DIGEST) as file:
        assert file.read(MIB) == CONTENT[:MIB]
        file.seek(-8, os.SEEK_END)
        file.read(8)
        file.seek(MIB)
        scripted(server, of_other_content)
        with pytest.raises(DXFDigestMismatchError):
            file.read()


def test_a_blob_that_is_read_from_start_to_end_with_a_jump_is_verified(client: DXF) -> None:
    with client.open(DIGEST) as file:
        start = file.read(1000)
        file.seek(-8, os.SEEK_END)
        file.read(8)
        file.seek(1000)
        assert start + file.read() == CONTENT


def test_a_small_blob_is_verified_whatever_is_read_of_it(client: DXF, server: ScriptedRegistry) -> None:
    digest = server.memory.put(REPO, CONTENT[:100 * KIB])
    scripted(server, of_other_content)
    with client.open(digest) as file:
        with pytest.raises(DXFDigestMismatchError):
            file.pread(4, 50 * KIB)
        file.seek(7)
        with pytest.raises(DXFDigestMismatchError):
            file.read(4)


@pytest.mark.parametrize('size', [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_size_that_a_manifest_gives_wrong_is_an_error(client: DXF, server: ScriptedRegistry, size: int) -> None:
    name_blobs(server, size)
    with client.open('named') as file:
        with pytest.raises((DXFSizeMismatchError, DXFProtocolError)):
            file.read()
        with pytest.raises((DXFSizeMismatchError, DXFProtocolError)):
            file.pread(10, 5 * MIB)


@pytest.mark.parametrize('is_manifest_wrong', [True, False])
def test_a_blob_that_is_said_to_be_empty_has_the_digest_of_nothing(client: DXF, server: ScriptedRegistry,
                                                                   is_manifest_wrong: bool) -> None:
    name_blobs(server, 0)
    server.hook = lambda request: Answer(200) if request.method == 'HEAD' else None
    with pytest.raises(DXFDigestMismatchError):
        client.open('named' if is_manifest_wrong else DIGEST)
    server.hook = None
    with client.open(server.memory.put(REPO, b'')) as file:
        assert file.read() == b''


def test_a_connection_that_breaks_is_resumed(server: ScriptedRegistry) -> None:
    cuts = iter([0, 100_000, 50_000])

    def cut(request: Request) -> Answer | None:
        if request.method != 'GET' or (after := next(cuts, None)) is None:
            return None
        return replace(server.ordinary(request), reset=after) if after else LOST
    server.hook = cut
    with DXF(server.host, REPO, insecure=True, limits=Limits(backoff=0)) as client, client.open(DIGEST) as file:
        assert file.pread(300_000, MIB) == CONTENT[MIB:MIB + 300_000]
        assert file.read() == CONTENT
    assert next(cuts, None) is None


def test_storage_whose_address_expires_is_asked_for_anew(client: DXF, server: ScriptedRegistry,
                                                         elsewhere: ScriptedRegistry, certificates: Certificates
                                                         ) -> None:
    """The registry redirects each request to storage, by an address that is good for one request."""
    elsewhere.memory.put(REPO, CONTENT)
    used: set[str] = set()

    def redirect(_request: Request) -> Answer | None:
        return Answer(307, {'Location': f'{elsewhere.url}{BLOB}?signature={len(server.requests)}'})

    def store(request: Request) -> Answer | None:
        if request.query in used:
            return error(403, 'DENIED', 'Request has expired')
        used.add(request.query)
        return None
    server.hook, elsewhere.hook = redirect, store
    client._tlsverify = certificates.ca
    with client.open(DIGEST) as file:
        assert file.pread(10, 5 * MIB) == CONTENT[5 * MIB:5 * MIB + 10]
        assert b''.join(steps(70_000)(file)) == CONTENT
        elsewhere.hook = lambda request: error(403, 'DENIED', 'Request has expired')
        with pytest.raises(DXFHTTPError, match='403 Forbidden: DENIED: Request has expired'):
            file.pread(10, 3 * MIB)


def test_bytes_of_a_read_that_failed_are_read_again(client: DXF, server: ScriptedRegistry) -> None:
    with client.open(DIGEST) as file:
        file.seek(MIB)
        server.hook = lambda request: replace(server.ordinary(request), reset=2 * MIB)
        with pytest.raises(RequestException):
            file.read(5 * MIB)
        server.hook = None
        assert file.tell() == MIB
        assert file.read(5 * MIB) == CONTENT[MIB:6 * MIB]
        assert re.fullmatch('GET bytes=1048576-6291455', asked(server)[-1])


READ = """
import sys
from dxf import DXF

def peak():
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('VmHWM:'))

with DXF(sys.argv[1], sys.argv[2], insecure=True).open(sys.argv[3]) as file:
    before, size = peak(), 0
    while piece := file.read(1 << 20):
        size += len(piece)
    for place in range(0, size, 2 << 20):
        assert len(file.pread(1 << 20, place)) == 1 << 20
    print(size, peak() - before)
"""


def test_a_large_file_is_read_in_bounded_memory(server: ScriptedRegistry) -> None:
    size, sha256 = 256 * MIB, hashlib.sha256()
    for _ in range(256):
        sha256.update(bytes(MIB))

    def zeros(request: Request) -> Answer:
        if request.method == 'HEAD':
            return Answer(200, declared=size)
        found = re.fullmatch(r'bytes=(\d+)-(\d+)', request.headers['Range'])
        assert found is not None
        start, end = int(found[1]), int(found[2]) + 1
        return Answer(206, {'Content-Range': f'bytes {start}-{end - 1}/{size}'},
                      (bytes(min(MIB, end - place)) for place in range(start, end, MIB)), declared=end - start)
    server.hook = zeros
    done = subprocess.run([sys.executable, '-c', READ, server.host, REPO, f'sha256:{sha256.hexdigest()}'],
                          capture_output=True, text=True, check=True)
    found, grown = map(int, done.stdout.split())
    assert found == size
    assert grown < 64_000


def test_a_child_process_reads_on_where_its_parent_was(server: ScriptedRegistry, client: DXF) -> None:
    with client.open(DIGEST) as file:
        assert file.pread(1000, 3 * MIB) == CONTENT[3 * MIB:3 * MIB + 1000]
        file.seek(5 * MIB)
        assert file.read(1000) == CONTENT[5 * MIB:5 * MIB + 1000]
        with vars(vars(file)['_blocks'])['_lock']:  # as another thread may hold it
            child = os.fork()
            if not child:
                signal.alarm(60)
                is_right = file.read(1000) == CONTENT[5 * MIB + 1000:5 * MIB + 2000] and \
                    file.pread(1000, 3 * MIB) == CONTENT[3 * MIB:3 * MIB + 1000]
                os._exit(0 if is_right else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert file.read(1000) == CONTENT[5 * MIB + 1000:5 * MIB + 2000]
        assert file.pread(7, 0) == CONTENT[:7]
    assert server.connections == 2
