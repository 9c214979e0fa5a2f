"""What registries do differently when a blob is uploaded: each difference as a row of a table, with its reason.

Sizes are scaled down: 64 KiB stands for 4 MiB, 256 KiB for 64 MiB. Owns the registries that behave so and what must
hold on each of them; which blobs are pushed, and from where, the tests say.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urljoin

from dxf import DXF, Limits, hash_bytes

from .certificates import Certificates
from .scripted_registry import Answer, Request, ScriptedRegistry, error

REPO = 'fred/datalogger'
TOKEN = 'c2VjcmV0'
SMALL = 64 << 10
PART = 256 << 10
LIMIT = 100 << 10
"""Bytes of the largest body that some take."""

LONG = 3 * PART + 7
LIMITS = Limits(retries=2, backoff=0.01, longest_retry_after=0.1, part=PART, small_part=SMALL)
MAX_REQUESTS = 20
"""More than any way needs, and its refusals and retries, beside the parts themselves."""

Step = tuple[str, int]
"""A method, and the bytes of its body."""

Way = Callable[[int], list[Step]]
"""From a blob's size to the requests that upload it."""


def parts(size: int, part: int) -> list[Step]:
    """Return PATCHes of ``part`` bytes, and the last part in the PUT."""
    count = max(-(-size // part), 1) - 1
    return [('PATCH', part)] * count + [('PUT', size - count * part)]


def whole(size: int) -> list[Step]:
    """Return one PUT."""
    return [('PUT', size)]


def large(size: int) -> list[Step]:
    """Return the fewest requests that send a file larger than a part, where the registry takes all."""
    return parts(size, PART)


def is_large(steps: list[Step]) -> bool:
    """Say whether requests are such: parts that are shorter may come first, as long as none may be needed at all."""
    patches = [size for method, size in steps if method == 'PATCH']
    return [method for method, _ in steps] == ['PATCH'] * len(patches) + ['PUT'] and bool(patches) and all(
        PART // 4 <= size <= PART for size in patches) and 0 < steps[-1][1] <= PART


def small(size: int) -> list[Step]:
    """Return what a stream is sent by, where the registry takes all."""
    return parts(size, SMALL)


# What a request is

def length(request: Request) -> int:
    """Return the bytes that a request declares, of a body that may not have been read."""
    return int(request.headers.get('Content-Length', 0))


def is_part(request: Request) -> bool:
    """Say whether a request carries bytes of a blob."""
    return request.method in ('PATCH', 'PUT') and '/blobs/uploads/' in request.path


# What a registry refuses, and what it answers otherwise than others

Refusal = Callable[['QuirkyRegistry', Request], Answer | None]
Change = Callable[['QuirkyRegistry', Request, Answer], Answer]


def nothing(_server: QuirkyRegistry, _request: Request) -> None:
    """Refuse nothing."""


def refusal(status: int, method: str = '', over: int = -1, under: int | None = None,
            code: str = 'SOME_CODE') -> Refusal:
    """Refuse what carries bytes of a blob.

    :param method: with this method alone
    :param over: bodies of more bytes alone
    :param under: bodies of fewer bytes alone
    """
    def refuse(_server: QuirkyRegistry, request: Request) -> Answer | None:
        if is_part(request) and method in ('', request.method) and length(request) > over and (
                under is None or length(request) < under):
            return error(status, code)
        return None
    return refuse


def of_whole_blobs(refuse: Refusal) -> Refusal:
    """Refuse what a refusal does where nothing of the blob has come before it."""
    return lambda server, request: refuse(server, request) if '_state=0&' in f'{request.query}&' else None


def any_of(*refusals: Refusal) -> Refusal:
    """Refuse what any of these does."""
    return lambda server, request: next(filter(None, (refuse(server, request) for refuse in refusals)), None)


def chunked(_server: QuirkyRegistry, request: Request) -> Answer | None:
    """Refuse what has no length."""
    bare = request.method in ('POST', 'PATCH', 'PUT') and 'Content-Length' not in request.headers
    return error(411, 'SIZE_INVALID') if bare or 'Transfer-Encoding' in request.headers else None


def empty_closing(_server: QuirkyRegistry, request: Request) -> Answer | None:
    """Fail where an upload of some parts is closed by a PUT without one."""
    return error(500, 'UNKNOWN') if request.method == 'PUT' and not length(request) \
        and '_state=0' not in request.query else None


def misaddressed(server: QuirkyRegistry, request: Request) -> Answer | None:
    """Refuse whatever goes to another address than the last Location, down to the byte."""
    if not request.path.startswith(f'/v2/{REPO}/blobs/uploads/') or request.method == 'POST':
        return None
    given = server.notes.get(request.path)
    right = given is not None and (
        request.query == given if request.method != 'PUT' else
        request.query.startswith(f'{given}&digest=') and request.query.count('&') == given.count('&') + 1)
    return None if right else error(403, 'DENIED', 'the signature does not fit')


def unchanged(_server: QuirkyRegistry, _request: Request, answer: Answer) -> Answer:
    """Answer as others do."""
    return answer


def answers(status: int | None = None, **headers: str | None) -> Change:
    """Answer a part that was stored with another status, or with another value of a header; ``None``: without it."""
    def change(_server: QuirkyRegistry, request: Request, answer: Answer) -> Answer:
        if request.method != 'PATCH' or answer.status != 202:
            return answer
        changed = {**answer.headers, **headers}
        return replace(answer, status=status or answer.status,
                       headers={name: value for name, value in changed.items() if value is not None})
    return change


def with_unit(_server: QuirkyRegistry, request: Request, answer: Answer) -> Answer:
    """Write a Range as HTTP does."""
    if request.method != 'PATCH' or answer.status != 202:
        return answer
    return replace(answer, headers={**answer.headers, 'Range': f'bytes={answer.headers["Range"]}'})


def stuck(server: QuirkyRegistry, request: Request, answer: Answer) -> Answer:
    """Tell of the first part of an upload for ever."""
    if request.method != 'PATCH' or answer.status != 202:
        return answer
    first = server.notes.setdefault(request.path, answer.headers['Range'])
    return replace(answer, status=201, headers={**answer.headers, 'Range': first})


def wants_parts_of(shortest: str) -> Change:
    """Tell the fewest bytes of a part when an upload is opened."""
    def change(_server: QuirkyRegistry, request: Request, answer: Answer) -> Answer:
        if request.method != 'POST':
            return answer
        return replace(answer, headers={**answer.headers, 'OCI-Chunk-Min-Length': shortest})
    return change


def signed(server: QuirkyRegistry, request: Request, answer: Answer) -> Answer:
    """Give each address a query that is signed as it stands: blank, doubled and oddly quoted parameters."""
    if request.method not in ('POST', 'PATCH') or 'Location' not in answer.headers:
        return answer
    path = answer.headers['Location'].partition('?')[0]
    state = f'_state=a%2Fb+c%3D{len(server.requests)}&blank=&sig=%2B%2F%3D&flag&x=1&x=2'
    server.notes[path] = state + server.quirk.suffix
    return replace(answer, headers={**answer.headers, 'Location': f'{path}?{server.notes[path]}'})


def relative(_server: QuirkyRegistry, request: Request, answer: Answer) -> Answer:
    """Give addresses that begin where the request's ends."""
    if request.method not in ('POST', 'PATCH') or 'Location' not in answer.headers:
        return answer
    return replace(answer, headers={**answer.headers, 'Location': answer.headers['Location'].rpartition('/')[2]})


@dataclass(frozen=True)
class Quirk:
    """A registry that does something differently.

    :param reason: which one, or what it is about
    :param refuses: what it refuses
    :param changes: what it answers otherwise
    :param file: how a file of several parts is sent when the registry is known; ``None``: the table does not tell
    :param stream: how what can be read once is
    :param middle: how a file is that is shorter than a part, and longer than ``LIMIT``
    :param harmless: nothing has to be refused, not even at first
    :param early: it refuses without reading the body, and closes the connection
    :param announced: it says before that it will close it
    :param suffix: what the queries of its addresses end with, if they are signed
    """

    reason: str
    refuses: Refusal = nothing
    changes: Change = unchanged
    file: Way | None = large
    stream: Way | None = small
    middle: Way | None = whole
    harmless: bool = False
    early: bool = False
    announced: bool = True
    suffix: str = ''


_no_patch = partial(refusal, method='PATCH')

QUIRKS = {
    'none': Quirk('distribution', harmless=True),
    'PATCH 405': Quirk('GAR and GCR know no chunked upload', _no_patch(405), file=whole, stream=whole),
    'PATCH 405 early': Quirk('the same, behind what does not read a body that it does not want', _no_patch(405),
                             file=whole, stream=whole, early=True),
    'PATCH 405 early, unannounced': Quirk('the same, without a word', _no_patch(405), file=whole, stream=whole,
                                          early=True, announced=False),
    'PATCH 400': Quirk('a Content-Range confuses some proxies', _no_patch(400), file=whole, stream=whole),
    'PATCH 404': Quirk('a method that is not routed', _no_patch(404, code='UNSUPPORTED'), file=whole, stream=whole),
    'PATCH 413': Quirk('no size of a part will do', _no_patch(413), file=whole, stream=whole),
    'PATCH 416': Quirk('no range of a part will do', _no_patch(416), file=whole, stream=whole),
    'PATCH 500': Quirk('a method that was never tried', _no_patch(500), file=whole, stream=whole),
    'PATCH of 4 MiB at most': Quirk('GHCR', refusal(416, 'PATCH', over=SMALL), file=whole),
    'PATCH of 4 MiB at most, early': Quirk('a proxy', refusal(413, 'PATCH', over=SMALL), file=whole, early=True),
    'PATCH of 5 to 20 MiB': Quirk('ECR', any_of(
        refusal(400, 'PATCH', under=SMALL + 1), refusal(400, 'PATCH', over=5 * SMALL)), file=None, stream=None),
    'PATCH 201': Quirk('ECR', changes=answers(201), harmless=True),
    'PATCH 204': Quirk('Pulp', changes=answers(204), harmless=True),
    'Range stuck': Quirk('ECR', changes=stuck, harmless=True),
    'no Range': Quirk('the specification asks for it, and some forget it', changes=answers(Range=None), harmless=True),
    'Range with a unit': Quirk('as HTTP has it', changes=with_unit, harmless=True),
    'empty closing PUT 500': Quirk('ECR', empty_closing, harmless=True),
    'bodies of 100 MB at most': Quirk('Cloudflare', refusal(413, over=PART * 3 // 2), harmless=True),
    'PUT of 20 MB at most': Quirk('ACR', refusal(413, 'PUT', over=LIMIT), middle=small),
    'PUT of 20 MB at most, early': Quirk('ACR', refusal(413, 'PUT', over=LIMIT), middle=small, early=True),
    'PUT of 20 MB at most, 400': Quirk('a proxy', of_whole_blobs(refusal(400, 'PUT', over=LIMIT)), middle=small),
    'PUT of 20 MB at most, 500': Quirk('a proxy', of_whole_blobs(refusal(500, 'PUT', over=LIMIT)), middle=small),
    'no PUT of a whole blob': Quirk('a closing PUT is all that it knows', of_whole_blobs(
        refusal(405, 'PUT', over=LIMIT)), middle=small),
    'bodies of 20 MB at most': Quirk('nginx', refusal(413, over=LIMIT), file=small, middle=small),
    'bodies of 20 MB at most, early': Quirk('nginx', refusal(413, over=LIMIT), file=small, middle=small, early=True),
    'GHCR behind a proxy': Quirk('each for its own reason', any_of(
        refusal(413, 'PUT', over=LIMIT), refusal(416, 'PATCH', over=SMALL)), file=small, middle=small),
    'not chunked': Quirk('ACR', chunked, harmless=True),
    'parts of a byte at least': Quirk('fewer than ours', refusal(416, 'PATCH', under=1), wants_parts_of('1'),
                                      harmless=True),
    'long parts': Quirk('more than a small part', refusal(416, 'PATCH', under=LIMIT), wants_parts_of(str(LIMIT)),
                        stream=None, harmless=True),
    'longer parts': Quirk('more than any of ours', refusal(416, 'PATCH', under=PART + 9), wants_parts_of(str(PART + 9)),
                          file=None, stream=None, harmless=True),
    'endless parts': Quirk('more than there can be', refusal(416, 'PATCH', under=10 ** 15),
                           wants_parts_of(str(10 ** 15)), file=None, stream=None, harmless=True),
    **{f'parts of {shortest!r}': Quirk('no length at all', changes=wants_parts_of(shortest), harmless=True)
       for shortest in ('', '-1', 'many', '1e3', '9' * 5000)},
    'signed addresses': Quirk('ECR, GCR: not a byte of the query may change', misaddressed, signed, harmless=True),
    'addresses signed by others': Quirk('quoted as requests and urllib3 would not', misaddressed, signed, harmless=True,
                                        suffix='&lower=%2b%3d&tilde=%7E'),
    'relative addresses': Quirk('as the specification allows', changes=relative, harmless=True),
}


class QuirkyRegistry(ScriptedRegistry):
    """A registry with a quirk.

    ``refused`` is what it refused; ``notes`` is what the quirk remembers, by the path of an upload.
    """

    def __init__(self, quirk: Quirk, tls: Certificates | None = None) -> None:
        super().__init__(tls)
        self.quirk = quirk
        self.refused: list[Request] = []
        self.notes: dict[str, str] = {}
        self.early = self._refuse_head if quirk.early else None
        self.hook = self._answer

    def __enter__(self) -> QuirkyRegistry:
        super().__enter__()
        return self

    def _refuse_head(self, head: Request) -> Answer | None:
        answer = self._refuse(head)
        if answer is None:
            return None
        closing = {'Connection': 'close'} if self.quirk.announced else {}
        return replace(answer, take=0, headers={**answer.headers, **closing})

    def _refuse(self, request: Request) -> Answer | None:
        answer = self.quirk.refuses(self, request)
        if answer is not None:
            self.refused.append(request)
        return answer

    def _answer(self, request: Request) -> Answer | None:
        answer = None if self.quirk.early else self._refuse(request)
        return answer or self.quirk.changes(self, request, self.ordinary(request))

    def forget(self) -> None:
        """Forget what was asked, not what is stored."""
        self.requests.clear()
        self.refused.clear()

    def reset_after_fork(self) -> None:
        """Forget everything that was asked and stored."""
        self.forget()
        self.memory.blobs.clear()

    def steps(self) -> list[Step]:
        """Return what carried bytes of blobs."""
        return [(request.method, length(request)) for request in self.requests if is_part(request)]


class Elsewhere:
    """A registry whose uploads go to another origin, which must not see its credential; as a context manager."""

    def __init__(self, quirk: Quirk, tls: Certificates | None = None) -> None:
        self.registry = QuirkyRegistry(replace(quirk, refuses=nothing, changes=self._away), tls)
        self.storage = QuirkyRegistry(quirk, tls)
        self.storage.memory = self.registry.memory
        self._contexts = ExitStack()

    def _away(self, _server: QuirkyRegistry, request: Request, answer: Answer) -> Answer:
        if request.method != 'POST':
            return answer
        location = self.storage.quirk.changes(self.storage, request, answer).headers['Location']
        return replace(answer, headers={**answer.headers, 'Set-Cookie': 'a=b',
                                        'Location': urljoin(self.storage.url + request.path, location)})

    def __enter__(self) -> Elsewhere:
        self._contexts.enter_context(self.registry)
        self._contexts.enter_context(self.storage)
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._contexts.__exit__(kind, problem, traceback)


# What is pushed

class Pipe:
    """Can be read, a little at a time, and nothing else."""

    def __init__(self, content: bytes, most: int = 50_000) -> None:
        self._file = io.BytesIO(content)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        return self._file.read(self._most if size < 0 else min(size, self._most))


def some(content: bytes) -> Iterator[bytes]:
    """Yield pieces that fit no part."""
    yield from (content[:1], b'', content[1:70_000])
    for start in range(70_000, len(content), 33_333):
        yield content[start:start + 33_333]


def _file(content: bytes, directory: Path) -> dict[str, Any]:
    path = directory / f'{len(content)}'
    path.write_bytes(content)
    return {'filename': str(path)}


def _seekable(content: bytes, _directory: Path) -> dict[str, Any]:
    file = io.BytesIO(b'not part of it' + content)
    file.seek(14)
    return {'data': file}


SOURCES: dict[str, Callable[[bytes, Path], dict[str, Any]]] = {
    'file': _file,
    'bytes': lambda content, directory: {'data': content},
    'seekable': _seekable,
    'generator': lambda content, directory: {'data': some(content)},
    'pipe': lambda content, directory: {'data': Pipe(content)},
}
"""From a content, and a directory for files, to what ``push_blob`` is given."""

STREAMS = ('generator', 'pipe')
"""What can be read once."""


def random_bytes(size: int, seed: int = 0) -> bytes:
    """Return so many bytes, the same ones each time."""
    return random.Random(seed).randbytes(size)


def client_of(server: ScriptedRegistry, limits: Limits = LIMITS, **options: Any) -> DXF:
    """Return a new client of a scripted registry, with a token that it sends to no other server."""
    client = DXF(server.host, REPO, insecure=server.insecure, timeout=60, limits=limits, **options)
    client.token = TOKEN
    return client


class Progress:
    """Takes what ``push_blob`` tells of its progress: ``calls`` without the chunks, ``content`` the chunks together."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.content = b''

    def __call__(self, digest: str, chunk: bytes, *size: int) -> None:
        self.calls.append((digest, len(chunk), *size))
        self.content += chunk


def check_manners(server: ScriptedRegistry, authorized: bool = True) -> None:
    """Insist on what holds for whatever is sent to a registry that takes uploads.

    :param authorized: False: it is another's, and must not see a credential
    """
    for request in server.requests:
        assert 'Transfer-Encoding' not in request.headers
        assert request.authorization == (f'Bearer {TOKEN}' if authorized else None)
        assert 'Cookie' not in request.headers
        if request.method in ('POST', 'PATCH', 'PUT'):
            assert 'Content-Length' in request.headers
        if request.method == 'PATCH':
            first, _, last = request.headers['Content-Range'].partition('-')
            assert int(last) - int(first) + 1 == length(request) > 0
        if is_part(request):
            assert request.headers['Content-Type'] == 'application/octet-stream'
    assert not server.memory.uploads  # every session was closed, or given up by a DELETE
    for name, blobs in server.memory.blobs.items():
        assert name == REPO
        assert all(hash_bytes(content) == digest for digest, content in blobs.items())
    parts_sent = sum(size for _, size in map(_step, server.requests))
    assert len(server.requests) <= MAX_REQUESTS + parts_sent // SMALL + 1


def _step(request: Request) -> Step:
    return request.method, request.length
