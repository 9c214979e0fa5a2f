"""Ranges: parts of files that are asked for together. What lies close together is fetched by one request."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

MAX_GAP = 64 << 10
"""Bytes between two ranges that are fetched too: a request would take longer."""

MAX_SPAN = 8 << 20
"""Bytes of ranges that are fetched by one request; more are shared among the connections."""


class Range(NamedTuple):
    """A part of a file, from ``start`` to before ``end``; ``number`` is that of the range which was asked for."""

    path: str
    start: int
    end: int
    number: int


class Span(NamedTuple):
    """A part of a file that is fetched by one request, and the ranges that are in it."""

    path: str
    start: int
    end: int
    ranges: tuple[Range, ...]

    def parts(self, content: Any) -> dict[int, Any]:
        """Return what each range gets of the content, by its number; an exception goes to each."""
        return {one.number: content if isinstance(content, Exception) else
                content[one.start - self.start:one.end - self.start] for one in self.ranges}


def attempt(work: Callable[[], Any], on_error: str) -> Any:
    """Return the result of a function, or the exception if that is what errors become."""
    try:
        return work()
    except Exception as error:
        if on_error != 'return':
            raise
        return error


def bounds(start: int | None, end: int | None, size: int) -> tuple[int, int]:
    """Return the first byte and the one after the last, as for a slice; they are equal where there is nothing."""
    first, last, _ = slice(start, end).indices(size)
    return first, max(first, last)


def merged(ranges: Sequence[Range], max_gap: int) -> list[Span]:
    """Return what to fetch for ranges, in the order of files and places."""
    spans: list[Span] = []
    for one in sorted(ranges):
        last = spans[-1] if spans else None
        if last is not None and last.path == one.path and one.start <= last.end + max_gap and \
                max(one.end, last.end) - last.start <= MAX_SPAN:
            spans[-1] = Span(last.path, last.start, max(last.end, one.end), (*last.ranges, one))
        else:
            spans.append(Span(one.path, one.start, one.end, (one,)))
    return spans
