"""A program that uses dxf, as its type checker sees it: no error, and nothing that a caller gets is ``Any``.

``test_typing`` checks it with mypy, ``make pyright`` with pyright. It is not run.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from typing_extensions import assert_type

import dxf
from dxf import DXF, DXFBase, DXFError, DXFHTTPError, DXFNotFoundError, Limits, Options, PaginatingResponse
from dxf.copying import Copied
from dxf.mirroring import Mirrored


def auth(client: DXFBase, response: requests.Response) -> None:
    """Answer a challenge."""
    assert_type(client.authenticate('fred', 'password', ['pull', 'push'], response), str | None)


class Logged(DXF):
    """A subclass with a method of its own."""

    def log(self) -> str:
        """Return a text."""
        return f'{self.host}/{self.repo}'

    def _request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return super()._request(method, path, **kwargs)


def connect() -> DXF:
    """Make clients in all ways, and use them in a ``with``."""
    with DXFBase('registry.example.com', auth, False, None, '/ca.pem', (10, 60), limits=Limits(retries=1)) as base:
        assert_type(base, DXFBase)
        assert_type(DXF.from_base(base, 'fred/datalogger'), DXF)
        assert_type(Logged.from_base(base, 'fred/datalogger').log(), str)
        assert_type(base.list_repos(), list[str])
        assert_type(base.list_repos(iterate=True), PaginatingResponse)
        assert_type(base.api_version_check(), tuple[str, requests.Response])
    with Logged('registry.example.com', 'fred/datalogger', lambda client, response: None) as logged:
        assert_type(logged.log(), str)
    with DXF('', 'alpine', timeout=None, options=Options(jobs=1, cert=('cert.pem', 'key.pem'))) as client:
        assert_type(client, DXF)
        assert_type(client.token, str | None)
        assert_type(client.options, Options)
        assert_type(client.options.replace(jobs=2), Options)
        assert_type(client.schema, str)
    return client


def open_files(client: DXF, path: Path) -> None:
    """Open files to read and to write."""
    with client.open('may15/logger.dat', platform='linux/amd64', verify=True, cache=path) as file:
        assert_type(file.pread(4, offset=5), bytes)
        assert_type(file.read(), bytes)
        assert_type(file.digests, tuple[str, ...])
        assert_type(io.TextIOWrapper(file).readline(), str)
    with client.open('may15', 'wb') as written:
        written.write(b'...')
    assert_type(written.digest, str | None)


def move_blobs(client: DXF, path: Path, name: os.PathLike[str]) -> None:
    """Push blobs of all kinds of sources, and pull them."""
    digest = client.push_blob(path)
    assert_type(digest, str)
    client.push_blob(name, progress=lambda digest, chunk, size: None, resume=path)
    client.push_blob(str(path))
    client.push_blob(data=b'readings')
    client.push_blob(data='readings')
    client.push_blob(data=(piece for piece in (b'a', b'b')))
    with path.open('rb') as file:
        client.push_blob(data=file, digest=digest, check_exists=False)
    assert_type(client.push_blobs([path, 'readings.csv', b'readings']), list[str])
    assert_type(client.pull_blob(digest), Iterator[bytes])
    assert_type(client.pull_blob(digest, True), tuple[Iterator[bytes], int])
    chunks, size = client.pull_blob(digest, size=True, chunk_size=1 << 20)
    assert_type(next(chunks), bytes)
    assert_type(size, int)
    assert_type(client.pull_blobs([digest, (digest, 8)]), Iterator[tuple[str, Iterator[bytes], int]])
    client.pull_to_file(path, digest, (digest, 8))
    assert_type(client.blob_size(digest), int)
    assert_type(client.mount_blob('fred/other', digest), str)
    assert_type(client.exists(digest), bool)
    assert_type(client.stored_size(digest), int | None)


def read_aliases(client: DXF, verbose: bool) -> None:
    """Read aliases in all ways."""
    assert_type(client.get_alias('a'), list[str] | dict[str, list[str]])
    assert_type(client.get_alias('a', platform='linux/amd64'), list[str])
    assert_type(client.get_alias('a', sizes=True, platform='linux/amd64'), list[tuple[str, int]])
    assert_type(client.get_alias('a', sizes=True), list[tuple[str, int]] | dict[str, list[tuple[str, int]]])
    for digest in client.get_alias('a'):
        assert_type(digest, str)
    found = client.get_alias('a', sizes=verbose)
    if isinstance(found, list):
        assert_type(found, list[str] | list[tuple[str, int]])
    assert_type(client.get_manifest('a', platform='linux/amd64'), str)
    assert_type(client.get_manifest('a'), str | dict[str, str])
    assert_type(client.get_digest('a', platform='linux/amd64'), str)
    assert_type(client.get_digest('a'), str | dict[str, str])
    assert_type(client.get_manifest_and_response('a'), tuple[str, requests.Response])
    assert_type(client.head_manifest_and_response('a'), tuple[str | None, requests.Response])
    assert_type(client.list_aliases(), list[str])
    assert_type(client.list_aliases(100, True), PaginatingResponse)
    for name in client.list_aliases(iterate=True):
        assert_type(name, str)
    for referrer in client.list_referrers(client.manifest_digest('a')):
        assert_type(referrer['digest'], object)


def write_aliases(client: DXF, digest: str) -> None:
    """Write and delete aliases, and look at errors."""
    assert_type(client.set_alias('a', digest, if_absent=True), str)
    assert_type(client.add_alias('b', 'a', if_absent=True), str)
    assert_type(client.make_manifest(digest), str)
    assert_type(client.del_alias('a'), list[str] | dict[str, str])
    assert_type(client.del_aliases('a', 'b')['a'], list[str] | dict[str, str])
    assert_type(dxf.copy(client, client, 'a', 'b'), Copied)
    assert_type(dxf.mirror(client, client, match='2026-*', delete=True), Mirrored)
    assert_type([step.alias for step in dxf.Mirroring(client, client)], list[str])
    try:
        client.set_manifest('a', '{}')
    except DXFNotFoundError as error:
        assert_type(isinstance(error, requests.exceptions.HTTPError), bool)
    except DXFHTTPError as error:
        print(error.response.status_code)  # by the types of requests
    except DXFError as error:
        assert_type(str(error), str)


def use_modules() -> None:
    """Use what is imported when it is first used."""
    client = DXF('registry.example.com', 'fred/datalogger', dxf.from_docker_config())
    assert_type(dxf.artifacts.push_files(client, 'a', ['readings.csv']), str)
    chosen = dxf.artifacts.select(['data'], each=True, exclude=['*.tmp'])
    assert_type(dxf.artifacts.plan_push(client, 'a', chosen.files), list[dxf.artifacts.FileAction])
    assert_type(dxf.artifacts.pull_files(client, 'a', 'copy', delete=True).names, list[str])
    dxf.credentials.from_docker_config({})
    dxf.copying.copy(client, client, 'a')


def misuse(client: DXF) -> None:
    """Do what a type checker must refuse: an ignored line without an error is an error itself."""
    client.push_blob(data=5)  # type: ignore[arg-type]
    client.blob_size(b'digest')  # type: ignore[arg-type]
    client.options.jobs = 5  # type: ignore[misc]
