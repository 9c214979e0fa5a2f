"""Files that are written: a blob is stored when one is closed, and its alias is set, or at the end of a transaction."""

import inspect
import io
from types import TracebackType
from typing import Any

from fsspec.core import OpenFile

from dxf.client import DXF
from dxf.filesystem.edits import Change, layer_of
from dxf.filesystem.errors import usual_errors
from dxf.filesystem.location import Location
from dxf.filesystem.transaction import Record
from dxf.writing import BlobWriter


class FileWriter(BlobWriter):
    """A file that is written: its blob is stored when it is closed, and then its alias is set, or in the end.

    :param location: of the file
    :param is_new: there may be no such file yet
    :param record: takes the change
    :param autocommit: hand over the change when the file is closed; else :meth:`commit` does that
    """

    def __init__(self, repository: DXF, location: Location, is_new: bool, record: Record, autocommit: bool) -> None:
        super().__init__(lambda chunks: repository.push_blob(data=chunks), str(location))
        self._location = location
        self._is_new = is_new
        self._record = record
        self._autocommit = autocommit

    def write(self, buffer: Any, /) -> int:
        """Write bytes; return how many: all of them.

        :raises Exception: it is not stored
        """
        with usual_errors():
            return super().write(buffer)

    def close(self) -> None:
        """Store the blob, and set the alias unless :meth:`commit` is to do that.

        In ``with fsspec.open(...)`` an exception stores nothing.

        :raises Exception: it is not stored, or the alias is not set
        """
        if self.closed:
            return
        if self._is_ended_by_exception():
            self.abandon()
            return
        with usual_errors():
            super().close()
        if self._autocommit:
            self.commit()

    def _is_ended_by_exception(self) -> bool:
        """Return whether an exception ends the ``with`` block of ``fsspec.open`` that closes this file.

        ``OpenFile.__exit__`` gets the exception, and calls ``close()`` without it. fsspec has no other way to learn of
        it. So the call stack is searched for the ``OpenFile`` that has this file:
        https://github.com/fsspec/filesystem_spec/blob/2024.10.0/fsspec/core.py
        """
        frame = inspect.currentframe()
        while frame is not None:
            if frame.f_code is OpenFile.__exit__.__code__ and self in frame.f_locals['self'].fobjects:
                return frame.f_locals['args'][0] is not None
            frame = frame.f_back
        return False

    def commit(self, record: Record | None = None) -> None:
        """Hand over the change, if the file was not given up.

        :param record: takes it, in place of the one that the file has
        :raises ValueError: the file is open: what was written may be in a buffer above it
        """
        if not self.closed:
            raise ValueError(f'{self.name} is open: close it before the transaction ends')
        if self.digest is not None:
            layer = layer_of(self.digest, self._position, self._location.path)
            (record or self._record)(self._location, Change(layer, self._is_new))

    def discard(self) -> None:
        """Store nothing."""
        self.abandon()


class TextWriter(io.TextIOWrapper):
    """A text file that is written. An exception in its ``with`` block stores nothing."""

    def __init__(self, writer: FileWriter, **options: Any) -> None:
        super().__init__(writer, **options)
        self._writer = writer

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if exc_type is not None:
            self._writer.abandon()
        else:
            self.close()

    def __del__(self) -> None:  # io.TextIOWrapper closes here, which would store a file that was given up
        if hasattr(self, '_writer'):
            self._writer.abandon()
