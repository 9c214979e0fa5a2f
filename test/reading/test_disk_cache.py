"""The cache on disk: files that are verified before they are read, kept within a bound, for several processes."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dxf import DXF, Limits, hash_bytes
from dxf.exceptions import DXFDigestMismatchError

from ..helpers.endpoints import Endpoint
from ..helpers.traffic import Traffic
from ..servers.scripted_registry import REPO, Answer, ScriptedRegistry

MIB = 1 << 20
CONTENT = os.urandom(3 * MIB)
DIGEST = hash_bytes(CONTENT)


def names(cache: Path) -> set[str]:
    """Return the digests of what a cache has."""
    return {f'sha256:{path.name}' for path in (cache / 'blobs/sha256').iterdir()}


def test_a_verified_file_is_fetched_once_and_read_from_the_disk(endpoint: Endpoint, repo: str, tmp_path: Path,
                                                                traffic: Traffic) -> None:
    cache = tmp_path / 'cache'
    repository = endpoint.dxf(repo)
    repository.set_alias('all', repository.push_blob(data=b'first'), repository.push_blob(data=CONTENT))
    with repository.open('all', verify=True, cache=cache) as file:
        traffic.clear()
        assert file.pread(9, 0) == b'first' + CONTENT[:4]
        assert file.read() == b'first' + CONTENT
    with repository.open(DIGEST, verify=True, cache=cache) as file:
        assert file.read() == CONTENT
    assert not [line for line in traffic.lines() if line.startswith('GET')]
    assert names(cache) == {DIGEST, hash_bytes(b'first')}
    assert b''.join(DXF(f'oci:{cache}', '').pull_blob(DIGEST)) == CONTENT  # every command can use it
    assert not [path for path in cache.iterdir() if path.name.startswith('.')]


def test_a_wrong_blob_is_an_error_before_a_byte_of_it_is_read(client: DXF, server: ScriptedRegistry, tmp_path: Path
                                                              ) -> None:
    server.memory.put(REPO, CONTENT)
    server.hook = lambda request: Answer(body=bytes(len(CONTENT))) if request.method == 'GET' else None
    with pytest.raises(DXFDigestMismatchError):
        client.open(DIGEST, verify=True, cache=tmp_path)
    assert names(tmp_path) == set()
    server.hook = None
    with client.open(DIGEST, verify=True, cache=tmp_path) as file:
        assert file.read() == CONTENT


def test_the_blobs_that_were_not_used_for_long_leave_the_cache(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    repository = DXF(folder.host, repo, limits=Limits(cache=25))
    digests = [repository.push_blob(data=b'%010d' % number) for number in range(4)]
    with repository.open(digests[0], verify=True, cache=tmp_path) as oldest:
        for number in (1, 2):
            with repository.open(digests[number], verify=True, cache=tmp_path) as file:
                os.utime(tmp_path / 'blobs/sha256' / digests[number].partition(':')[2], (number, number))
                assert file.read(1) == b'0'
        assert names(tmp_path) <= {digests[0], digests[1], digests[2]}
        with repository.open(digests[3], verify=True, cache=tmp_path):
            assert len(names(tmp_path)) == 2
            assert digests[3] in names(tmp_path)
            assert digests[1] not in names(tmp_path)
        assert oldest.read() == b'0000000000'  # whatever has left


def test_what_an_alias_of_the_cache_names_stays_in_it(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    repository = DXF(folder.host, repo, limits=Limits(cache=15))
    kept, other, last = [repository.push_blob(data=b'%010d' % number) for number in range(3)]
    with repository.open(kept, verify=True, cache=tmp_path):
        DXF(f'oci:{tmp_path}', '').set_alias('kept', kept)
    for digest in (other, last):
        with repository.open(digest, verify=True, cache=tmp_path):
            assert {kept, digest} <= names(tmp_path)
    assert other not in names(tmp_path)


def test_a_file_that_is_larger_than_the_cache_is_refused(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    repository = DXF(folder.host, repo, limits=Limits(cache=9))
    digest = repository.push_blob(data=b'0123456789')
    with pytest.raises(OSError, match=r'keeps 9 bytes, and 10 are wanted: set Limits\(cache=...\)'):
        repository.open(digest, verify=True, cache=tmp_path)


def test_a_file_that_was_cut_on_the_disk_is_fetched_again(folder: Endpoint, repo: str, tmp_path: Path) -> None:
    repository = folder.dxf(repo)
    digest = repository.push_blob(data=CONTENT)
    repository.open(digest, verify=True, cache=tmp_path).close()
    os.truncate(tmp_path / 'blobs/sha256' / digest.partition(':')[2], 100)
    with repository.open(digest, verify=True, cache=tmp_path) as file:
        assert file.read() == CONTENT


READ = """
import sys
from dxf import DXF
with DXF(sys.argv[1], sys.argv[2], insecure=True).open(sys.argv[3], verify=True) as file:
    sys.stdout.buffer.write(file.pread(10, 5))
"""


def test_processes_that_want_the_same_blob_fetch_it_once(server: ScriptedRegistry, tmp_path: Path) -> None:
    server.memory.put(REPO, CONTENT)

    def read(_number: int) -> bytes:
        return subprocess.run([sys.executable, '-c', READ, server.host, REPO, DIGEST], stdout=subprocess.PIPE,
                              env={**os.environ, 'DXF_CACHE': str(tmp_path / 'cache')}, check=True).stdout
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(read, range(3))) == [CONTENT[5:15]] * 3
    assert [request.method for request in server.requests].count('GET') == 1
    assert names(tmp_path / 'cache') == {DIGEST}
