"""A script that writes a table, serves it by S3, and reads a row group of it, as a program with pyarrow would.

Run by the Python that ``contenders.with_tables`` returns. Takes one JSON object as its argument:

``do``
    ``write`` a table of random numbers to ``file``, with ``groups`` row groups and about ``size`` bytes. ``serve``: run
    moto's S3 server until standard input ends, and print its port. ``store``: put ``file`` there at ``path``. ``read``:
    read the row group ``group`` of the file at ``path``, and print the seconds of it, and the bytes that pyarrow asked
    for
``protocol``, ``options``
    of fsspec's filesystem
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import fsspec
import pyarrow
import pyarrow.compute
import pyarrow.parquet

COLUMNS = 4
NUMBER_SIZE = 8


class CountedFile:
    """A file that counts the bytes that are asked for."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.asked = 0
        self.closed = False
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        self.asked += size
        content: bytes = self._file.read(size)
        return content

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._file.close()


def write(path: str, size: int, groups: int) -> None:
    """Write a table."""
    rows = size // groups // COLUMNS // NUMBER_SIZE
    schema = pyarrow.schema([(f'column{number}', pyarrow.float64()) for number in range(COLUMNS)])
    with pyarrow.parquet.ParquetWriter(path, schema, compression='none', use_dictionary=False) as writer:
        for _ in range(groups):
            columns = [pyarrow.compute.random(rows) for _ in range(COLUMNS)]
            writer.write_table(pyarrow.table(columns, schema=schema), row_group_size=rows)


def serve() -> None:
    """Serve S3 until standard input ends."""
    server = importlib.import_module('moto.server').ThreadedMotoServer(port=0, verbose=False)  # others need none
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()
    server.stop()


def read(filesystem: Any, path: str, group: int) -> tuple[float, int]:
    """Read a row group; return the seconds, and the bytes that pyarrow asked for."""
    begin = time.monotonic()
    file = CountedFile(filesystem.open(path))
    with pyarrow.PythonFile(file, 'r') as opened:
        pyarrow.parquet.ParquetFile(opened, pre_buffer=True).read_row_group(group)
    return time.monotonic() - begin, file.asked


def main() -> None:
    """Do what the argument says."""
    task: dict[str, Any] = json.loads(sys.argv[1])
    if task['do'] == 'write':
        write(task['file'], task['size'], task['groups'])
    elif task['do'] == 'serve':
        serve()
    else:
        filesystem = fsspec.filesystem(task['protocol'], **task['options'])
        if task['do'] == 'store':
            filesystem.mkdir(str(Path(task['path']).parent))
            filesystem.put(task['file'], task['path'])
        else:
            seconds, asked = read(filesystem, task['path'], task['group'])
            print(json.dumps({'seconds': seconds, 'asked': asked}), flush=True)
            os._exit(0)  # s3fs and pyarrow have threads, with which the end of the interpreter may abort


if __name__ == '__main__':
    main()
