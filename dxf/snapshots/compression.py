"""Compression by Zstandard: chunks, and indexes as one frame. The only module that knows the library.

Python 3.14 has it as ``compression.zstd``; before that the package ``backports.zstd`` is the same.
https://www.rfc-editor.org/rfc/rfc8878
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from dxf.exceptions import DXFError, DXFInvalidDocumentError
from dxf.limits import READ_SIZE

LEVEL = 3
MIN_GAIN = 0.95
"""A chunk is kept as it is if compression leaves more than this part of it."""

WINDOW_LOG = 27
"""The largest window that a frame may ask memory for, 128 MiB, as a power of two."""

INSTALL = "pip install 'python-dxf[snapshots]'"


def _zstd() -> Any:
    """Return the library.

    :raises DXFError: it is not installed
    """
    try:
        return import_module('compression.zstd' if sys.version_info >= (3, 14) else 'backports.zstd')
    except ModuleNotFoundError:
        raise DXFError(f'snapshots need zstd, which is not installed: {INSTALL}') from None


class ChunkCompressor:
    """Compresses chunks, each to a frame of its own.

    All of them share the memory that the library needs: to ask for it takes longer than to compress a small chunk.
    """

    def __init__(self) -> None:
        self._compressor = _zstd().ZstdCompressor(LEVEL)

    def compressed(self, content: bytes) -> bytes:
        """Return a chunk as a frame, or as it is where a frame would not be clearly smaller."""
        frame: bytes = self._compressor.compress(content, self._compressor.FLUSH_FRAME)
        return frame if len(frame) <= MIN_GAIN * len(content) else content


class ChunkDecompressor:
    """Unpacks chunks, each from a frame of its own."""

    def __init__(self) -> None:
        self._zstd = _zstd()
        self._options = _options(self._zstd)

    def decompressed(self, frame: bytes | memoryview, size: int) -> bytes:
        """Return what a frame holds, which must be exactly so many bytes; no more are unpacked.

        :raises DXFInvalidDocumentError: it is no frame, damaged, or holds another number of bytes
        """
        decompressor = self._zstd.ZstdDecompressor(options=self._options)
        try:
            content: bytes = decompressor.decompress(frame, size + 1)
        except self._zstd.ZstdError as error:
            raise _broken(str(error)) from None
        if len(content) != size or not decompressor.eof or decompressor.unused_data:
            raise _broken('a chunk has another length than the index says')
        return content


def packed(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield one frame, with its content size and a checksum.

    :param size: bytes that ``pieces`` have together
    """
    zstd = _zstd()
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.compression_level: LEVEL,
                                              zstd.CompressionParameter.checksum_flag: 1})
    compressor.set_pledged_input_size(size)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


def unpacked(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Yield what one frame holds, in pieces of bounded size.

    :param most: bytes that it may hold
    :raises DXFInvalidDocumentError: it is no frame, is damaged, holds more, or is followed by something
    """
    zstd = _zstd()
    decompressor = zstd.ZstdDecompressor(options=_options(zstd))
    try:
        for piece in pieces:
            while piece or not decompressor.needs_input:
                content = decompressor.decompress(piece, READ_SIZE)
                piece = b''
                most -= len(content)
                if most < 0:
                    raise _broken('it holds more than it says')
                yield content
                if decompressor.eof:
                    break
            if decompressor.eof and (decompressor.unused_data or next(pieces, b'')):
                raise _broken('something follows it')
    except (zstd.ZstdError, EOFError) as error:
        raise _broken(str(error)) from None
    if not decompressor.eof:
        raise _broken('it ends too early')


def _options(zstd: Any) -> dict[Any, int]:
    """Return the options of what decompresses."""
    return {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}


def _broken(reason: str) -> DXFInvalidDocumentError:
    return DXFInvalidDocumentError(f'invalid zstd frame: {reason}')
