"""A script that uses a dxf library as a program would: blobs pushed or pulled in one process.

Run by the Python of whichever package is measured: it uses what both of them have, and of ours ``push_blobs`` and
``pull_blobs`` where it is told to. Takes one JSON object as its argument:

``do``
    ``push``, ``pull``, or ``read``: pull one blob, and count its bytes (the library has hashed them). ``open``: count
    those of a file that is opened. ``reads``: read parts of such a file; ``files`` has the numbers of their first
    bytes. ``ranges``: read them together, by fsspec over four connections
``host``, ``repo``, ``insecure``
    of the repository
``files``
    paths of files with the blobs, in their order; or the path of a file that has these paths, one a line
``alias``
    the name that they get, or that is asked for them; null for none; for ``read``, the digest
``many``
    whether to use the methods for many blobs
``context``
    whether to use the library in a ``with`` block
``chunk_size``
    for ``read``; null for the library's default

Writes how many seconds the work took, without the start of the process, and fails where the bytes are not the files'.
"""

import contextlib
import hashlib
import importlib
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dxf


def push(client: dxf.DXF, files: list[str], alias: str | None, many: bool) -> None:
    """Push the files, and name them."""
    digests = client.push_blobs(files) if many else [client.push_blob(path) for path in files]
    if alias is not None:
        client.set_alias(alias, *digests)


def pull(client: dxf.DXF, digests: list[str], alias: str | None, many: bool) -> list[str]:
    """Pull blobs; return the digests of what came."""
    if alias is not None:
        digests = list(client.get_alias(alias))
    if many:
        return [digest_of(chunks) for _, chunks, _ in client.pull_blobs(digests)]
    return [digest_of(client.pull_blob(digest)) for digest in digests]


def read(client: dxf.DXF, digest: str, chunk_size: int | None) -> int:
    """Pull a blob, and return how many bytes came."""
    chunks = client.pull_blob(digest) if chunk_size is None else client.pull_blob(digest, chunk_size=chunk_size)
    return sum(len(chunk) for chunk in chunks)


def read_in_order(client: dxf.DXF, digest: str, size: int) -> int:
    """Open a blob, and return how many bytes were read."""
    with client.open(digest) as file:
        return sum(map(len, iter(lambda: file.read(size), b'')))


def read_at(client: dxf.DXF, digest: str, places: list[str], size: int) -> int:
    """Open a blob, read parts of it, and return how many bytes were read."""
    with client.open(digest) as file:
        return sum(len(file.pread(size, int(place))) for place in places)


def read_together(filesystem: Any, path: str, places: list[str], size: int) -> int:
    """Read parts of a blob by a filesystem, and return how many bytes were read."""
    starts = list(map(int, places))
    return sum(map(len, filesystem.cat_ranges([path] * len(starts), starts, [start + size for start in starts],
                                              max_gap=0, on_error='raise')))


def digest_of(chunks: Iterable[bytes]) -> str:
    """Return the digest of what comes in chunks."""
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
    return f'sha256:{sha256.hexdigest()}'


def main() -> None:
    """Do what the argument says."""
    task: dict[str, Any] = json.loads(sys.argv[1])
    files = task['files']
    if isinstance(files, str):
        files = Path(files).read_text('utf-8').splitlines()
    digests = [digest_of([Path(path).read_bytes()]) for path in files] if task['do'] == 'pull' else []
    filesystem = None
    if task['do'] == 'ranges':  # the Python of python-dxf has no fsspec
        filesystem = importlib.import_module('fsspec').filesystem('dxf', host=task['host'], insecure=True, jobs=4)
    begin = time.monotonic()
    client = dxf.DXF(task['host'], task['repo'], insecure=task['insecure'])
    with client if task['context'] else contextlib.nullcontext():
        if task['do'] == 'push':
            push(client, files, task['alias'], task['many'])
        elif task['do'] == 'read':
            if read(client, task['alias'], task['chunk_size']) != Path(files[0]).stat().st_size:
                sys.exit('the blob is not as long as the file')
        elif task['do'] == 'open':
            if read_in_order(client, task['alias'], task['chunk_size']) != Path(files[0]).stat().st_size:
                sys.exit('the file is not as long as the blob')
        elif task['do'] == 'reads':
            if read_at(client, task['alias'], files, task['chunk_size']) != len(files) * task['chunk_size']:
                sys.exit('a part is not as long as it should be')
        elif task['do'] == 'ranges':
            path = f'{task["repo"]}@{task["alias"]}'
            if read_together(filesystem, path, files, task['chunk_size']) != len(files) * task['chunk_size']:
                sys.exit('a part is not as long as it should be')
        elif pull(client, digests, task['alias'], task['many']) != digests:
            sys.exit('the blobs are not those of the files')
    print(time.monotonic() - begin)


if __name__ == '__main__':
    main()
