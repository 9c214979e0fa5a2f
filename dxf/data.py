"""Data: what can be stored as a blob, and the checks of it.

``transfer.source`` reads it. No message quotes it: it may be a secret, or large.
"""

import io
import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from dxf.arguments import BYTES, kind_of
from dxf.exceptions import DXFSourceError


class Readable(Protocol):
    """An open binary file, or what is read as one."""

    def read(self, size: int, /) -> bytes:
        """Return some bytes; at the end, ``b''``."""


Data = str | bytes | bytearray | memoryview | Readable | Iterable[bytes]
"""What can be stored."""


def check_data(data: Any) -> None:
    """Check what ``push_blob`` is to store, as far as that can be seen before it is read.

    :raises TypeError: it is a path, a file of text, or nothing that can be read
    """
    if data is None:
        raise TypeError('push_blob needs a filename, or data: bytes, a str, a binary file or an iterable of bytes')
    if isinstance(data, Mapping) and not isinstance(next(iter(data), None), BYTES):
        raise TypeError(f'data is bytes, a str, a binary file or an iterable of bytes, and not {kind_of(data)}: write '
                        'push_blob(data=json.dumps(...))')
    if hasattr(data, 'to_csv') and hasattr(data, 'columns'):  # a table of pandas iterates over names of columns
        raise TypeError(f'data is bytes, a str, a binary file or an iterable of bytes, and not {kind_of(data)}: write '
                        'push_blob(data=....to_csv()), or ....to_parquet()')
    if isinstance(data, os.PathLike):
        raise TypeError(f'data is what to store, and not {kind_of(data)}: write push_blob(filename)')
    if isinstance(data, io.StringIO):
        raise TypeError('data is a StringIO, whose text is not bytes: write push_blob(data=....getvalue())')
    if isinstance(getattr(data, 'file', data), io.TextIOBase):
        raise TypeError("data is a file of text: open it with 'rb'")
    if not hasattr(data, 'read') and not hasattr(data, '__iter__') and not hasattr(data, '__getitem__') \
            and not isinstance(data, BYTES):
        raise TypeError(f'data is bytes, a str, a binary file or an iterable of bytes, and not {kind_of(data)}')


def check_source(data: Any) -> None:
    """Check that an open file, or a generator, can be read.

    :raises TypeError: the file was opened to be written alone
    :raises DXFSourceError: the file is closed, or the generator has ended
    """
    if getattr(data, 'closed', False) is True:
        raise DXFSourceError("data is a file that is closed: open it again with 'rb'")
    # An object of a caller's own may be readable without a word about it: io.RawIOBase says no by default.
    if hasattr(data, 'mode') and hasattr(data, 'readable') and not data.readable():
        raise TypeError("data is a file that is open to be written: open it with 'rb'")
    if getattr(data, 'gi_frame', data) is None:
        raise DXFSourceError('data is a generator that has ended already: make it again')


def check_left(file: Any, size: int | None) -> None:
    """Check that a file was not read to its end before: an empty blob would be stored.

    :param size: bytes from where it stands to its end, ``None`` where that is not known
    :raises DXFSourceError: it was
    """
    if size == 0 and file.tell() > 0:
        raise DXFSourceError("data is a file that stands at its end, with nothing left to read: write file.seek(0) "
                             "before; data=b'' stores an empty blob")


def as_bytes(piece: Any) -> bytes:
    """Return a piece of what ``push_blob`` is to store, as it was read.

    :raises TypeError: it is a text, or a number: bytes(3) would be three zeros
    """
    try:
        return piece if isinstance(piece, bytes) else memoryview(piece).tobytes()
    except TypeError:
        hint = ": write text.encode(), or open a file with 'rb'" if isinstance(piece, str) else ''
        raise TypeError(f'data consists of bytes, and not of {kind_of(piece)}{hint}') from None
