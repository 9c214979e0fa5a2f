"""Hashes of files that a user names. ``atomic_files`` hashes those that dxf has written."""

import hashlib
import os

from dxf.arguments import check_path_to_hash
from dxf.names import digest_of

HASH_READ_SIZE = 1 << 20


def hash_file(filename: str) -> str:
    """Return the digest of a file's content: ``sha256:`` and 64 hexadecimal digits.

    :raises OSError: the file cannot be read
    """
    check_path_to_hash(filename)
    sha256 = hashlib.sha256()
    with open(filename, 'rb', buffering=0) as file:
        while piece := file.read(HASH_READ_SIZE):
            sha256.update(piece)
    return digest_of(sha256)


def hash_descriptor(descriptor: int) -> str:
    """Return the digest of what an open file has at this moment; no buffer keeps what it had before."""
    sha256 = hashlib.sha256()
    position = 0
    while piece := os.pread(descriptor, HASH_READ_SIZE, position):
        sha256.update(piece)
        position += len(piece)
    return digest_of(sha256)
