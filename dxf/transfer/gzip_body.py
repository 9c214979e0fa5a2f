"""Bodies that a server compressed by gzip although that was not asked for."""

import zlib
from collections.abc import Iterable, Iterator

from requests import Response

from dxf.exceptions import DXFProtocolError
from dxf.limits import READ_SIZE

MAX_EMPTY = 1 << 20
"""Compressed bytes in a row that may decode to nothing."""


def decoded(response: Response, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body, decoded.

    What follows the end of the compressed data is an error: zlib would collect it in memory without bound. So are
    endless blocks that hold nothing: they would never end.

    :param pieces: the body as it arrives
    :raises DXFProtocolError: it cannot be decoded
    """
    if response.headers['Content-Encoding'].strip().lower() not in ('gzip', 'x-gzip'):
        raise DXFProtocolError('the registry sent a blob in an encoding that dxf does not read')
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    empty = 0
    try:
        for piece in pieces:
            empty += len(piece)
            while piece and not decoder.eof:
                content = decoder.decompress(piece, READ_SIZE)
                empty = 0 if content else empty
                yield content
                piece = decoder.unconsumed_tail or decoder.unused_data
            if empty > MAX_EMPTY:
                raise DXFProtocolError(f'the registry sent {MAX_EMPTY} bytes of a gzip encoding that hold nothing')
            if piece:
                raise DXFProtocolError('the registry sent data behind the end of a gzip encoding')
        yield decoder.flush()
    except zlib.error:
        raise DXFProtocolError('the registry sent a blob whose gzip encoding is broken') from None
