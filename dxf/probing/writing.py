"""What a registry can do, found out by writing: a small blob and manifests, which are removed again.

What is written is the same each time. So what a probe left that was killed is removed by the next one.
"""

from collections.abc import Generator, Iterator
from http import HTTPStatus
from typing import Any

from requests.exceptions import RequestException

from dxf.client import DXF
from dxf.exceptions import DXFError
from dxf.hints import add_hint
from dxf.manifest.image import ACCEPT, OCTET_STREAM, media_type_of
from dxf.names import hash_bytes, is_folder, shown_repository
from dxf.probing.findings import NO, UNKNOWN, YES, Answer, Finding, ask
from dxf.probing.reading import deletion_of, ranges_of
from dxf.strict_json import dump_json, load_object
from dxf.transfer.upload_session import next_url, stored_bytes

ALIAS = 'dxf-probe'
LINE = b'Written by dxf probe, and deleted by it.\n'
LARGEST_PART = 16 << 20
"""Bytes of a part that are tried at most."""

CLEANUP_TIMEOUT = 2
"""Seconds that each request to clean up may take after an interrupt or an error."""

STORED = (HTTPStatus.CREATED, HTTPStatus.NO_CONTENT, HTTPStatus.OK)
TAKEN = (HTTPStatus.ACCEPTED, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT)
NOT_TRIED = 'not tried: it could not be removed again'


class WriteProbe:
    """Writes into a repository, and removes what it has written."""

    def __init__(self, repository: DXF) -> None:
        self._repository = repository
        self._limits = repository.options.limits
        self._session = ''
        """The address of the upload that is open; empty without one."""
        self._written: dict[str, str] = {}
        """What was written and not deleted yet: what it is called, by its path."""
        self._is_new = False
        """Whether the repository was not there before."""

    def findings(self) -> Iterator[Finding]:
        """Yield what is found out; then what stays, because the registry does not delete it."""
        try:
            self._is_new = self._ask('get', 'tags/list?n=1').status == HTTPStatus.NOT_FOUND
            digest, size = yield from self._upload()
            if digest:
                yield ranges_of(self._repository, digest, size)
                yield self._mount(digest)
                yield from self._manifests(digest)
            yield from self._stays()
        except BaseException as error:
            left = self._clean(is_quick=True)
            if left and isinstance(error, Exception):
                name = shown_repository(self._repository.repo)
                add_hint(error, f'dxf probe {name} --write removes what it left: {", ".join(left)}')
            raise

    def _ask(self, method: str, path: str, **options: Any) -> Answer:
        """Make a request of the repository, or of a whole URL."""
        client = self._repository
        request = client._base_request if '://' in path else client._request
        return ask(request, self._limits, method, path, **options)

    # Uploads

    def _open(self, query: str = '') -> Answer:
        answer = self._ask('post', f'blobs/uploads/{query}', data=b'')
        if answer.status == HTTPStatus.ACCEPTED:
            self._go_on(answer)
        return answer

    def _go_on(self, answer: Answer) -> None:
        """Remember where the next request of the upload goes."""
        if answer.response is not None and 'Location' in answer.response.headers:
            self._session = next_url(answer.response)

    def _cancel(self) -> bool:
        """Give up the upload that is open, if there is one; return whether the registry has answered."""
        session, self._session = self._session, ''
        if session:
            try:
                self._ask('delete', session, **self._quick)
            except (DXFError, RequestException):  # a registry forgets an upload by itself, too
                return False
        return True

    @property
    def _quick(self) -> dict[str, Any]:
        """The options of a request that may take little time."""
        return {'limits': self._limits._replace(retries=0), 'timeout': CLEANUP_TIMEOUT}

    def _upload(self) -> Generator[Finding, None, tuple[str, int]]:
        """Yield what uploads are like; return the digest and the size of the blob, an empty digest if it is not stored.
        """
        opened = self._open()
        is_open = self._session != ''
        yield Finding('uploads', YES if is_open else NO, '' if is_open else opened.text)
        if not is_open:
            return '', 0
        told = opened.header('OCI-Chunk-Min-Length')
        shortest = int(told) if told.isascii() and told.isdigit() and len(told) < 19 else 0
        content = LINE * (max(shortest, 1) // len(LINE) + 2)
        start = max(shortest, len(LINE))
        if shortest > LARGEST_PART:
            content, start = LINE * 2, 0
            yield Finding('chunked uploads', UNKNOWN, f'parts of at least {shortest} bytes are not tried')
        else:
            yield from self._send_part(content[:start], shortest, told != '')
        answer = self._store(content, start)
        if answer.status not in STORED and start:  # its parts may be refused at their end
            self._cancel()
            self._open()
            answer = self._store(content, 0)
        yield Finding('blobs', YES if answer.status in STORED else NO, answer.text)
        return (hash_bytes(content), len(content)) if answer.status in STORED else ('', 0)

    def _send_part(self, part: bytes, shortest: int, is_told: bool) -> Iterator[Finding]:
        """Yield whether the registry takes a part of a blob, and tells how much it has.

        https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-a-blob-in-chunks
        """
        answer = self._ask('patch', self._session, data=part, headers={
            'Content-Type': OCTET_STREAM, 'Content-Range': f'0-{len(part) - 1}'})
        is_taken = answer.status in TAKEN
        least = f'parts of at least {shortest} bytes' if is_told else 'it tells no smallest part'
        yield Finding('chunked uploads', YES if is_taken else NO, least if is_taken else answer.text)
        if not is_taken:
            self._cancel()
            return
        self._go_on(answer)
        status = self._ask('get', self._session)
        self._go_on(status)
        ranges = [stored_bytes(one.response) if one.response is not None else None for one in (answer, status)]
        is_known = ranges == [len(part), len(part)]
        yield Finding('range on uploads', YES if is_known else NO, '' if is_known else
                      f'PATCH {answer.header("Range") or "without Range"}, GET {status.text} '
                      f'{status.header("Range") or "without Range"}')

    def _store(self, content: bytes, start: int) -> Answer:
        """Close the upload that is open, or open one and send the whole blob."""
        if not self._session:
            start = 0
            opened = self._open()
            if not self._session:
                return opened
        digest = hash_bytes(content)
        self._written[f'blobs/{digest}'] = f'the blob {digest}, until the garbage collection'
        url = f'{self._session}{"&" if "?" in self._session else "?"}digest={digest.replace(":", "%3A")}'
        answer = self._ask('put', url, data=content[start:], headers={'Content-Type': OCTET_STREAM})
        if answer.status in STORED:
            self._session = ''
        return answer

    def _mount(self, digest: str) -> Finding:
        """Return whether the registry takes a blob of a repository as it is, here of the same one."""
        answer = self._open(f'?mount={digest.replace(":", "%3A")}&from={self._repository.repo}')
        self._cancel()
        return Finding('mounts', YES if answer.status == HTTPStatus.CREATED else NO, answer.text)

    # Manifests

    def _manifests(self, digest: str) -> Iterator[Finding]:
        """Yield whether manifests and tags are deleted; nothing is written that is known to stay."""
        text = self._repository.make_manifest(digest)
        answer, reason = deletion_of(self._repository, f'manifests/{hash_bytes(text.encode())}')
        deleted = Finding('manifest deletion', answer, reason) if answer == NO else self._delete_manifest(text)
        yield deleted
        if deleted.answer != YES:
            yield Finding('tag deletion', UNKNOWN, NOT_TRIED)
            yield Finding('largest manifest', UNKNOWN, NOT_TRIED)
            return
        yield self._delete_tag(text)
        yield self._largest(text)

    def _put(self, text: str, reference: str) -> Answer:
        path = f'manifests/{reference}'
        self._written[path] = f'the alias {reference}' if reference == ALIAS else f'the manifest {reference}'
        return self._ask('put', path, data=text.encode(), headers={'Content-Type': media_type_of(text)})

    def _is_there(self, path: str, **options: Any) -> bool:
        return self._ask('head', path, headers={'Accept': ACCEPT}, **options).status != HTTPStatus.NOT_FOUND

    def _delete(self, path: str, **options: Any) -> Answer:
        """Delete what was written, and look at it again; a tag that is not deleted by itself goes with its manifest.

        Some registries answer 404 to a deletion that they do not offer.
        """
        answer = self._ask('delete', path, **options)
        if not self._is_there(path, **options):
            self._written.pop(path, None)
        return answer

    def _delete_manifest(self, text: str) -> Finding:
        digest = hash_bytes(text.encode())
        put = self._put(text, digest)
        if put.status not in (*STORED, HTTPStatus.ACCEPTED):
            return Finding('manifest deletion', UNKNOWN, f'a manifest without a tag is refused: {put.text}')
        path = f'manifests/{digest}'
        answer = self._delete(path)
        return Finding('manifest deletion', NO if path in self._written else YES, answer.text)

    def _delete_tag(self, text: str) -> Finding:
        """https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#deleting-tags"""
        digest, path = hash_bytes(text.encode()), f'manifests/{ALIAS}'
        if self._repository.current_digest(ALIAS) not in (None, digest):
            return Finding('tag deletion', UNKNOWN, f'not tried: the repository has an alias {ALIAS}')
        self._written[f'manifests/{digest}'] = f'the manifest {digest}'
        put = self._put(text, ALIAS)
        answer = self._delete(path)
        is_gone = path not in self._written and answer.status < HTTPStatus.BAD_REQUEST
        if not is_gone:
            return Finding('tag deletion', NO, answer.text if put.status < HTTPStatus.BAD_REQUEST else put.text)
        detail = answer.text if self._is_there(f'manifests/{digest}') else 'the manifest goes with its tag'
        return Finding('tag deletion', YES, detail)

    def _largest(self, text: str) -> Finding:
        """Return whether the registry takes a manifest as large as those that dxf reads.

        https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests
        """
        document = load_object(text)
        size = self._limits.manifest
        document['annotations'] = {'vnd.dxf.probe': ''}
        document['annotations'] = {'vnd.dxf.probe': 'x' * (size - len(dump_json(document)))}
        large = dump_json(document)
        answer = self._put(large, hash_bytes(large.encode()))
        is_taken = answer.status in (*STORED, HTTPStatus.ACCEPTED)
        return Finding('largest manifest', f'{size} bytes or more' if is_taken else f'less than {size} bytes',
                       answer.message)

    # What stays

    def _clean(self, *, is_quick: bool) -> list[str]:
        """Remove manifests, the alias and blobs, in this order; return what stays.

        :param is_quick: there is little time, after an interrupt or an error: the first request that fails is the last
        """
        options = self._quick if is_quick else {}
        is_answered = self._cancel()
        # A manifest goes before its tag, where tags are not deleted by themselves: they go with it.
        for path in sorted(self._written, key=lambda path: (path.startswith('blobs/'), path.endswith(ALIAS))):
            if is_quick and not is_answered:
                break
            try:
                self._delete(path, **options)
            except (DXFError, RequestException):
                is_answered = False
        return list(self._written.values())

    def _stays(self) -> Iterator[Finding]:
        blob = next((path for path in self._written if path.startswith('blobs/')), '')
        left = self._clean(is_quick=False)
        if blob:
            yield Finding('blob deletion', NO if blob in self._written else YES)
        if self._is_new:
            what = 'the empty layout of' if is_folder(self._repository.host) else 'perhaps the name of'
            left.append(f'{what} the repository {shown_repository(self._repository.repo)}, which was not there')
        yield Finding('stays', ', '.join(left) or 'nothing')
