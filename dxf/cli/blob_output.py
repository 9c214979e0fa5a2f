"""Blobs on standard output: written as they arrive, or refused where a terminal cannot show them."""

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from dxf.cli import console, terminal
from dxf.cli.context import Context, UsageError
from dxf.cli.progress import Progress, progress
from dxf.exceptions import DXFSizeMismatchError
from dxf.local import sinks, special_files

BINARY_SAMPLE = 2000
"""Bytes at the start of a blob in which a NUL means binary, as in curl before it writes to a terminal."""


def print_blobs(context: Context, blobs: Iterable[tuple[str, Iterator[bytes], int]], with_info: bool) -> None:
    """Write blobs to standard output, each given by its digest, chunks and size.

    :param with_info: write a line with digest and size before each
    """
    is_on_terminal = terminal.is_terminal(sys.stdout)
    is_text_only = is_on_terminal and context.options['output'] is None
    mode = context.settings.progress or ('none' if is_on_terminal else None)  # the content itself shows how far it is
    with progress(mode) as shown, console.naming_output():
        for digest, chunks, size in blobs:
            content = _check_text(chunks, digest) if is_text_only else chunks
            output = console.binary_output()
            special_files.enlarge_pipe(output)
            if with_info:
                sinks.write_all(output, f'{digest} {size}\n'.encode('ascii'))
            _write(output, digest, content, size, shown)


def _write(output: Any, digest: str, chunks: Iterator[bytes], size: int, shown: Progress | None) -> None:
    """Write a blob to standard output, and flush it: then it is written, even if the next one fails."""
    written = 0
    if shown is not None:
        shown(digest, b'', size)
    for chunk in chunks:
        written += sinks.write_all(output, chunk)
        if shown is not None:
            shown(digest, chunk, size)
    if written != size:
        raise DXFSizeMismatchError(written, size)
    sinks.flush(output)


def _check_text(chunks: Iterator[bytes], digest: str) -> Iterator[bytes]:
    """Return the chunks of a blob, after a check that a terminal can show them.

    :raises UsageError: the blob is binary; nothing of it was written
    """
    start: list[bytes] = []
    while sum(map(len, start)) < BINARY_SAMPLE and (chunk := next(chunks, None)) is not None:
        start.append(chunk)
    if any(b'\0' in chunk for chunk in start):
        raise UsageError(f'{digest} is binary, and standard output is a terminal: -o FILE writes it to a file, '
                         '-o - to the terminal all the same')
    return chain(start, chunks)
