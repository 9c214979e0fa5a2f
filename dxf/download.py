"""Downloads: a blob as a stream that is verified before it ends.

Who asked, and how, is not known here: it is handed the answer.
"""

import hashlib
from collections.abc import Iterable, Iterator

from requests import Response

from dxf.exceptions import DXFDigestMismatchError, DXFProtocolError, DXFSizeMismatchError
from dxf.names import digest_of
from dxf.session import pieces

CHUNK_SIZE = 8192


def declared_size(response: Response) -> int | None:
    """Return the bytes that an answer says its body has, or ``None`` where it does not say."""
    value = response.headers.get('Content-Length', '')
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def verified(response: Response, digest: str, chunk_size: int) -> Iterator[bytes]:
    """Yield a blob in chunks, the last one only when size and digest are right.

    :param response: the answer that carries the blob
    :param digest: the blob's
    :param chunk_size: bytes of every chunk but the last
    :raises DXFDigestMismatchError: the registry sent something else
    :raises DXFSizeMismatchError: it sent more or less than it declared
    :raises requests.exceptions.RequestException: the connection broke
    """
    if response.headers.get('Content-Encoding', 'identity').lower() != 'identity':
        raise DXFProtocolError('the registry compressed a blob, which was not asked for')
    with response:
        yield from held_back(_checked(response, digest), chunk_size)


def _checked(response: Response, digest: str) -> Iterator[bytes]:
    """Yield a body as it arrives, and raise at its end if it was not what it should be."""
    size = declared_size(response)
    sha256 = hashlib.sha256()
    received = 0
    for piece in pieces(response):
        sha256.update(piece)
        received += len(piece)
        if size is not None and received > size:
            break
        yield piece
    if size is not None and received != size:
        raise DXFSizeMismatchError(received, size)
    if digest_of(sha256) != digest:
        raise DXFDigestMismatchError(digest_of(sha256), digest)


def held_back(stream: Iterable[bytes], chunk_size: int) -> Iterator[bytes]:
    """Cut a stream into chunks of exactly ``chunk_size`` bytes, and hold the last one back until the stream has ended.

    A stream that raises at its end has then yielded fewer bytes than it holds.
    """
    rest = b''
    for piece in stream:
        rest = rest + piece if rest else piece
        whole = (len(rest) - 1) // chunk_size * chunk_size
        for start in range(0, whole, chunk_size):
            yield rest[start:start + chunk_size]
        rest = rest[whole:]
    if rest:
        yield rest
