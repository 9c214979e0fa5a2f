"""Bodies that a server compressed by gzip although that was not asked for."""

import zlib
from collections.abc import Iterable, Iterator

from requests import Response

from dxf.exceptions import DXFProtocolError
from dxf.limits import READ_SIZE

# A stored block may be empty, and any number of them may follow one another:
# https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4
MAX_EMPTY = 1 << 20
"""Compressed bytes in a row that may decode to nothing."""


def decoded(response: Response, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body, decoded.

    What follows the end of the compressed data is an error: zlib would collect it in memory without bound. So are
    endless blocks that hold nothing: they would never end.

    :param pieces: the body as it arrives
    :raises DXFProtocolError: it cannot be decoded
    """
    # x-gzip is another name of gzip: https://www.rfc-editor.org/rfc/rfc9110#section-8.4.1.3
    if response.headers['Content-Encoding'].strip().lower() not in ('gzip', 'x-gzip'):
        raise DXFProtocolError('the registry sent a blob in an encoding that dxf does not read')
    # 16 more than the size of the window: zlib expects the header and the checksum of gzip.
    # https://docs.python.org/3/library/zlib.html#zlib.decompress
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    empty = 0
    try:
        for piece in pieces:
            empty += len(piece)
            while piece and not decoder.eof:
                # Bounded: 1 MB of gzip can decode to 1 GB.
                content = decoder.decompress(piece, READ_SIZE)
                empty = 0 if content else empty
                yield content
                # unused_data is what follows the end of the compressed data.
                piece = decoder.unconsumed_tail or decoder.unused_data
            if empty > MAX_EMPTY:
                raise DXFProtocolError(f'the registry sent {MAX_EMPTY} bytes of a gzip encoding that hold nothing')
            if piece:
                raise DXFProtocolError('the registry sent data behind the end of a gzip encoding')
        # A body that ends early raises no error here. Its size and digest tell.
        yield decoder.flush()
    except zlib.error:
        raise DXFProtocolError('the registry sent a blob whose gzip encoding is broken') from None
