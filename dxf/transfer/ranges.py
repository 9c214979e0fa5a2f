"""Ranges: parts of a blob, asked for by byte numbers; responses that are something else are refused.

https://www.rfc-editor.org/rfc/rfc9110#section-14
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus

from requests import Response
from requests.exceptions import HTTPError, RequestException

from dxf.exceptions import DXFDigestMismatchError, DXFError, DXFProtocolError, DXFSizeMismatchError
from dxf.limits import Limits
from dxf.names import digest_of
from dxf.transport.response_body import close, declared_size, is_encoded, pieces
from dxf.transport.responses import check_digest_header, expect, is_range_refused

Ask = Callable[[int, int | None], Response]
"""Asks for bytes of a blob: with 5 and 9, by ``Range: bytes=5-8``; with 5 and ``None``, by ``Range: bytes=5-``; with
0 and ``None``, without a Range."""

# int() raises ValueError for thousands of digits; 19 hold every size of 63 bits.
_CONTENT_RANGE = r'(?a)bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)'


def fetch_range(request: Callable[..., Response], digest: str, start: int, end: int | None) -> Response:
    """Return the response that carries a blob's bytes from ``start`` to ``end``, or all of it.

    :param request: makes a request of the repository, as ``DXF._request`` does
    :param end: the byte after the last; ``None`` for the blob's end
    :raises DXFDigestMismatchError: the response says that it is about another blob
    """
    last = '' if end is None else end - 1
    headers = {} if start == 0 and end is None else {'Range': f'bytes={start}-{last}'}
    response = request('get', f'blobs/{digest}', headers=headers)
    expect(response, HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
    check_digest_header(response, digest)
    return response


def check_range(response: Response, start: int, size: int | None, end: int | None = None) -> None:
    """Check that a response carries exactly the range that was asked for, as it is.

    https://www.rfc-editor.org/rfc/rfc9110#section-14.4

    :param size: the blob's
    :param end: the byte after the last; ``None`` for the blob's end
    :raises DXFProtocolError: it carries another, or a compressed one
    """
    if not _is_range(response, start, size, size if end is None else end):
        close(response)
        raise DXFProtocolError('the registry sent another range of the blob than was asked for')


def _is_range(response: Response, start: int, size: int | None, end: int | None) -> bool:
    match = re.fullmatch(_CONTENT_RANGE, response.headers.get('Content-Range', ''))
    if response.status_code != HTTPStatus.PARTIAL_CONTENT or is_encoded(response) or match is None:
        return False
    first, last, total = match.groups()
    return int(first) == start and end in (None, int(last) + 1) and (size is None or total in ('*', str(size)))


class Ranges:
    """The ranges of one blob, as its registry gives them.

    :param size: the blob's, in bytes; ``None`` where it is not known
    :param end: the byte after the last that :meth:`rest` brings; ``None`` for the blob's end
    """

    def __init__(self, ask: Ask, size: int | None, limits: Limits, end: int | None = None) -> None:
        self._ask = ask
        self._size = size
        self._end = size if end is None else end
        self._limits = limits
        self._are_refused = False

    def closed(self, start: int, end: int) -> Response:
        """Return the response that carries the bytes from ``start`` to ``end``, and nothing else.

        :raises DXFProtocolError: the registry sent another range
        """
        response = self._ask(start, end)
        check_range(response, start, self._size, end)
        return response

    def are_honoured(self, start: int) -> bool:
        """Ask for one byte; return whether the registry sends that."""
        # The body is not read: a registry that ignores the Range sends the whole blob.
        try:
            response = self.closed(start, start + 1)
        except (RequestException, DXFError):
            return False
        close(response)
        return True

    def rest(self, start: int, digest: str | None) -> tuple[Response, Iterator[bytes]]:
        """Return a response that carries what follows the first bytes of the blob, up to the end, and its pieces.

        :param digest: of the first bytes: see :func:`without_start`
        :raises DXFSizeMismatchError: the blob has another size
        :raises DXFProtocolError: the registry sent another range, or compressed it
        """
        response = self._rest_or_whole(start)
        if is_encoded(response):
            close(response)
            raise DXFProtocolError('the registry compressed the rest of a blob, which was not asked for')
        stream = pieces(response, self._limits)
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            check_range(response, start, self._size, self._end)
            return response, stream
        if start:
            stream = without_start(stream, start, digest)
        return response, stream if self._end == self._size else first_bytes(stream, (self._end or 0) - start)

    def _rest_or_whole(self, start: int) -> Response:
        """Ask for what follows; where the registry refuses the range (416), for the whole blob.

        The range has an end where the size is known: the registry of go-containerregistry (``crane registry serve``)
        answers 416 to one without. https://github.com/anchore/stereoscope/pull/695

        :raises DXFSizeMismatchError: the blob has another size: the one in a manifest may be wrong, and then there may
            be no such range (https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17)
        """
        response = None
        if not self._are_refused and (start or self._end):
            try:
                response = self._ask(start, self._end)
            except HTTPError as error:
                if not is_range_refused(error):
                    raise
                self._are_refused = True
        if response is None:
            response = self._ask(0, None)
        # A size in a manifest may be wrong: then the length of the whole blob tells it, before a byte is handed out.
        # Registries that ignore a Range send the whole blob, too.
        is_whole = response.status_code == HTTPStatus.OK and not is_encoded(response)
        declared = declared_size(response) if is_whole else None
        if None not in (self._size, declared) and declared != self._size:
            close(response)
            raise DXFSizeMismatchError(declared, self._size)
        return response


def without_start(stream: Iterator[bytes], start: int, digest: str | None) -> Iterator[bytes]:
    """Yield what follows the first ``start`` bytes, which have been seen.

    :param digest: of what has been seen, and must come again. ``None`` where its reader is behind a queue and does not
        know: to hash it twice would cost every download. The digest of the whole decides at the end all the same.
    """
    sha256 = hashlib.sha256()
    left = start
    for piece in stream:
        known, rest = piece[:left], piece[left:]
        if left:
            left -= len(known)
            if digest is not None:
                sha256.update(known)
                if not left and digest_of(sha256) != digest:
                    raise DXFDigestMismatchError(digest_of(sha256), digest)
        if rest:
            yield rest


def first_bytes(stream: Iterator[bytes], count: int) -> Iterator[bytes]:
    """Yield the first bytes of a stream: a server sent the whole blob where a part was asked for."""
    for piece in stream:
        yield piece[:count]
        count -= len(piece)
        if count <= 0:
            return
