"""A registry in memory, without a network: takes what an upload sends, and answers as a registry does.

What a registry does with the bytes is not known here; scripted_registry does that.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

from requests import Response
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import HTTPError

from dxf import Limits
from dxf.transfer.mount_answers import MountAnswers
from dxf.transfer.refused_sizes import RefusedSizes
from dxf.transfer.source import Source
from dxf.transfer.stream_upload import StreamUpload
from dxf.transfer.target import Target
from dxf.transfer.upload import Upload
from dxf.transfer.upload_session import UploadSession

NOWHERE = 'https://registry.example.com/v2/fred/datalogger/blobs/uploads/'


def answer(status: int, location: str | None = None, url: str = NOWHERE, **headers: str) -> Response:
    """Return an answer as it comes from the adapter."""
    response = Response()
    response.status_code = status
    response.url = url
    response.raw = io.BytesIO()
    if location is not None:
        response.headers['Location'] = location
    response.headers.update({name.replace('_', '-'): value for name, value in headers.items()})
    return response


def ended(url: str, digest: str) -> str:
    """Return the URL that closes a session."""
    return f'{url}{"&" if "?" in url else "?"}digest={digest.replace(":", "%3A")}'


def ignore(_digest: str, _piece: bytes) -> None:
    """Take a piece, and do nothing with it."""


class InMemoryRegistry:
    """Takes what uploads send, and answers as a registry does.

    Each part is answered with another ``Location``, as registries may.

    :param location: of the first session
    :param shortest: the fewest bytes of a part that the registry wants to see
    """

    def __init__(self, location: str = NOWHERE + 'a?state=0', shortest: str | None = None) -> None:
        self.location = location
        self.shortest = shortest
        self.opened = 0
        self.opening: Response | None = None
        """What it answers where a session is asked for, in place of what it would."""
        self.stored: dict[str, int] = {}
        """Digests and sizes of the blobs that it has."""
        self.sent: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.cancelled: list[str] = []
        self.answers: list[Response] = []
        """What it answers to the next requests, in place of what it would."""
        self.refused_sizes = RefusedSizes()
        """What its clients know that it refuses."""
        self.refused: dict[str, int] = {}
        """The status by which it refuses all requests of a method."""
        self.broken_after: list[int | None] = []
        """For each of the next bodies: after how many pieces its connection breaks, ``None`` for one that arrives."""

    def begin(self) -> Response:
        """Open a session."""
        self.opened += 1
        if self.opening is not None:
            return self.opening
        wanted = {} if self.shortest is None else {'OCI_Chunk_Min_Length': self.shortest}
        return answer(202, self.location, **wanted)

    def request_below(self, method: str, path: str, **_options: Any) -> Response:
        """Open a session, or tell whether a blob is there."""
        if method == 'post':
            return self.begin()
        digest = path.rpartition('/')[2]
        if digest not in self.stored:
            raise HTTPError(response=answer(404))
        return answer(200, Docker_Content_Digest=digest, Content_Length=str(self.stored[digest]))

    def request(self, method: str, url: str, data: Any = b'', headers: dict[str, str] | None = None, **_options: Any
                ) -> Response:
        """Take a part, or the end, or a question, or the wish to give up."""
        if method == 'delete':
            self.cancelled.append(url)
            return answer(204)
        sent = b''
        try:
            for piece in [data] if isinstance(data, bytes) else self._arriving(data):
                sent += piece
        finally:
            self.sent.append((method, url, sent))
            self.headers.append(headers or {})
        if self.answers:
            return self.answers.pop(0)
        if method in self.refused:
            raise HTTPError(response=answer(self.refused[method]))
        if method == 'put':
            return answer(201, Docker_Content_Digest=unquote(url.rpartition('=')[2]))
        return answer(202, f'{self.location}{len(self.sent)}')

    def _arriving(self, body: Iterable[bytes]) -> Iterator[bytes]:
        left = self.broken_after.pop(0) if self.broken_after else None
        for piece in body:
            if left == 0:
                raise NoConnection
            left = None if left is None else left - 1
            yield piece

    def session(self) -> UploadSession:
        """Return a session, not open yet."""
        return UploadSession(self.target())

    def target(self, **limits: Any) -> Target:
        """Return what its clients know of it."""
        return Target(self.request_below, self.request, NOWHERE, _limits(limits), self.refused_sizes, set(),
                      MountAnswers(), {})

    def upload(self, source: Source, on_piece: Callable[[str, bytes], None] = ignore, **limits: Any) -> Upload:
        """Return an upload of a source of known size."""
        return Upload(source, self.target(**limits), on_piece)

    def stream_upload(self, source: Source, on_piece: Callable[[str, bytes], None] = ignore, **limits: Any
                      ) -> StreamUpload:
        """Return an upload of a source that can be read only once."""
        return StreamUpload(source, self.target(**limits), on_piece)


def _limits(given: dict[str, Any]) -> Limits:
    return Limits(**{'retries': 0, 'backoff': 0.001, **given})
