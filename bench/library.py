"""A script that uses a dxf library as a program would: blobs pushed or pulled in one process.

Run by the Python of whichever package is measured: it uses what both of them have, and of ours ``push_blobs`` and
``pull_blobs`` where it is told to. Takes one JSON object as its argument:

``do``
    ``push`` or ``pull``
``host``, ``repo``, ``insecure``
    of the repository
``files``
    paths of files with the blobs, in their order
``alias``
    the name that they get, or that is asked for them; null for none
``many``
    whether to use the methods for many blobs
``context``
    whether to use the library in a ``with`` block

Writes how many seconds the work took, without the start of the process, and fails where the bytes are not the files'.
"""

import contextlib
import hashlib
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


def digest_of(chunks: Iterable[bytes]) -> str:
    """Return the digest of what comes in chunks."""
    sha256 = hashlib.sha256()
    for chunk in chunks:
        sha256.update(chunk)
    return f'sha256:{sha256.hexdigest()}'


def main() -> None:
    """Do what the argument says."""
    task: dict[str, Any] = json.loads(sys.argv[1])
    digests = [digest_of([Path(path).read_bytes()]) for path in task['files']]
    begin = time.monotonic()
    client = dxf.DXF(task['host'], task['repo'], insecure=task['insecure'])
    with client if task['context'] else contextlib.nullcontext():
        if task['do'] == 'push':
            push(client, task['files'], task['alias'], task['many'])
        elif pull(client, digests, task['alias'], task['many']) != digests:
            sys.exit('the blobs are not those of the files')
    print(time.monotonic() - begin)


if __name__ == '__main__':
    main()
