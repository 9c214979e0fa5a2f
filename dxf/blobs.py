"""Blobs: those of one repository in a registry, one short method a protocol step.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-blobs
"""

import errno
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from requests import Response
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import HTTPError, RequestException
from requests.exceptions import Timeout as Timeouts

from dxf.arguments import (check_blobs, check_client, check_jobs, check_one, check_progress, check_text, check_to_pull,
                           several)
from dxf.exceptions import (DXFError, DXFHTTPError, DXFMountFailed, DXFProtocolError, DXFSizeMismatchError,
                            DXFUnauthorizedError)
from dxf.hints import NO_DELETIONS, add_hint
from dxf.limits import TIMEOUT, Limits
from dxf.names import check_blob, check_digest, repository_at
from dxf.registry import Auth, DXFBase, Timeout
from dxf.transfer import blob_lookup
from dxf.transfer.batch import Batch
from dxf.transfer.callbacks import OneAtATime, Watch, reporter, unwrapped
from dxf.transfer.parallel import all_of
from dxf.transfer.pulling import Blob, Puller, Wanted, checked
from dxf.transfer.request_body import IsStored
from dxf.transfer.source import File, OnPiece, Source, open_source
from dxf.transfer.stream_upload import StreamUpload
from dxf.transfer.upload import Journal, Upload, as_expected
from dxf.transfer.upload_session import UploadSession, next_url
from dxf.transport.client_certificates import Cert
from dxf.transport.responses import check_digest_header, expect, is_not_found, names_digest

JOBS = 4
CANCEL_TIMEOUT = 2
"""Seconds that giving up an upload may take: whoever pressed Ctrl-C waits for it."""

Own = TypeVar('Own', bound='BlobStore')
Size = TypeVar('Size', int, int | None)


class BlobStore(DXFBase):
    """The blobs of a repository in a registry.

    :param repo: the repository's name; on Docker Hub ``library/`` is put before a name of one part; empty for a folder
        that is an OCI image layout itself
    :param jobs: how many blobs are moved, or asked for, at once, and connections used; 1 for one after the other

    The other parameters are those of :class:`DXFBase`.

    :raises DXFInvalidNameError: ``host``, ``repo`` or ``auth_host`` is none
    """

    def __init__(self, host: str, repo: str, auth: Auth | None = None, insecure: bool = False,
                 auth_host: str | None = None, tlsverify: bool | str = True, timeout: Timeout = TIMEOUT, *,
                 limits: Limits = Limits(), cert: Cert | None = None, jobs: int = JOBS) -> None:
        super().__init__(host, auth, insecure, auth_host, tlsverify, timeout, limits=limits, cert=cert)
        check_text(repo, 'repo', 'DXF(host, repo)')
        self._repo = repository_at(self._host, repo)
        check_jobs(jobs)
        self._jobs = jobs
        self._sizes: dict[str, int] = {}
        self._doubtful: set[str] = set()
        """Digests of blobs of which the registry told another length: that it stored them has to be seen."""

    @classmethod
    def from_base(cls: type[Own], base: DXFBase, repo: str) -> Own:
        """Return a repository of the same registry, with the settings, connections and credentials of ``base``.

        A token that either obtains serves both, where its scope allows.

        :raises DXFInvalidNameError: ``repo`` is none
        """
        check_client(base, 'base', '_base_request')
        dxf = cls(base._host, repo, base._auth, base._insecure, base._auth_host, base._tlsverify, base._timeout)
        dxf._limits, dxf._cert, dxf._proxies = base._limits, base._cert, base._proxies
        dxf._jobs = getattr(base, '_jobs', dxf._jobs)
        dxf._sessions = base._sessions
        dxf._adapter = base._adapter
        dxf._credential = base._credential
        return dxf

    def _request(self, method: str, path: str, **kwargs: Any) -> Response:
        """Make a request of the repository: :meth:`_base_request` with a path below its name."""
        return self._base_request(method, posixpath.join(self._repo, path), **kwargs)

    def _scopes(self, actions: Sequence[str] | str | None) -> tuple[str, ...]:
        if not actions:
            return ()
        return (f'repository:{self._repo}:{actions if isinstance(actions, str) else ",".join(actions)}',)

    def _default_scopes(self) -> tuple[str, ...]:
        return ()

    def push_blob(self, filename: str | None = None, progress: Callable[..., Any] | None = None, data: Any = None,
                  digest: str | None = None, check_exists: bool = True, *, resume: str | None = None) -> str:
        """Store a blob.

        :param filename: path of the file to store; wins over ``data``
        :param progress: called as ``progress(digest, chunk, size)`` for a file, first with an empty chunk, as
            ``progress(digest, chunk)`` for ``data``, with every chunk of bytes sent; not at all for a blob that
            the registry has already; its errors come out as they are, and end the upload
        :param data: what to store: bytes, a str (stored as UTF-8), an open binary file (from where it stands), or an
            iterable of bytes
        :param digest: the blob's, if it is known; without it a source that can be read only once is sent even where the
            registry has it
        :param check_exists: ask whether the registry has the blob, and then send nothing; ``False`` sends it to a
            registry that says so and lacks it
        :param resume: a folder in which to remember how far the upload of a file has come: if it breaks off, a later
            call continues it, in this process or another; ``None`` to remember nothing; not used for a file without
            a size, such as a pipe
        :return: the digest
        :raises DXFDigestMismatchError: the source has another digest; nothing is stored
        :raises DXFSourceError: the source changed on its way
        :raises OSError: the file cannot be read
        """
        return self._push(filename, data, progress, digest, check_exists, resume=resume)

    def push_blobs(self, sources: Iterable[Any], progress: Callable[..., Any] | None = None,
                   check_exists: bool = True) -> list[str]:
        """Store several blobs, up to ``jobs`` of them at once; equal files are sent once.

        :param sources: each the path of a file, or what ``push_blob`` takes as ``data``
        :param progress: as for ``push_blob``; called by several threads, though never by two at once; its method
            ``found``, if it has one, is called with the size of each blob that the registry has already
        :param check_exists: ask whether the registry has a blob, and then do not send it
        :return: the digests, in the order of the sources
        :raises Exception: what :meth:`push_blob` raises, for the first that failed; the others are given up then
        """
        check_progress(progress)
        report = None if progress is None else OneAtATime(progress)
        given = several(sources, 'push_blobs')
        batch = Batch(given)

        def push(source: Any, check: Callable[[], None]) -> str:
            is_file = isinstance(source, (str, os.PathLike))
            watch = None if report is None else Watch(report)
            digest = self._push(source if is_file else None, None if is_file else source, watch, None,
                                check_exists, check, batch=batch)
            if report is not None and watch is not None and not watch.is_called:
                report.found(self._sizes.get(digest))
            return digest
        return all_of(push, given, self._jobs)

    def _push(self, filename: Any, data: Any, progress: Callable[..., Any] | None, digest: str | None,
              check_exists: bool, check: Callable[[], None] = lambda: None, resume: str | None = None,
              batch: Batch | None = None) -> str:
        """Store a blob.

        :param check: called for each piece that is read; raises where the blob is not wanted any more
        :param batch: what else the call stores
        """
        check_progress(progress)
        if digest is not None:
            check_one(digest, 'push_blob')
        expected = None if digest is None else check_digest(digest)

        def push() -> tuple[str, int]:
            with closing(open_source(filename, data)) as source:
                source.on_read = check
                report = reporter(progress, filename is not None, source.size)
                return self._upload(source, expected, check_exists, report, resume, batch or Batch())
        stored, size = unwrapped(push)
        self._sizes[stored] = size
        return stored

    def _upload(self, source: Source, digest: str | None, check_exists: bool,
                on_piece: OnPiece | None, resume: str | None, batch: Batch) -> tuple[str, int]:
        size = source.size
        if size is None:
            found = self._stored_size(digest) if check_exists and digest is not None else None
            if digest is not None and found is not None:
                return digest, found
            return StreamUpload(source, *self._how_to_upload(on_piece)).send(digest, check_exists)
        if source.shared and size > self._limits.part and resume is None and not batch.may_repeat(size):
            return self._uploader(source, on_piece).send_hashed_ahead(digest, check_exists), size
        digest = as_expected(source.digest(), digest)
        with batch.turn(digest) as is_stored:
            if not is_stored:
                self._upload_hashed(source, digest, check_exists, on_piece, resume)
        return digest, size

    def _upload_hashed(self, source: Source, digest: str, check_exists: bool, on_piece: OnPiece | None,
                       resume: str | None) -> None:
        is_new = not check_exists or self._stored_size(digest, source.size) is None
        if resume is not None and isinstance(source, File):
            from dxf.transfer import upload_journal as journals
            with closing(journals.UploadJournal(resume, f'{self._base_url}{self._repo}', source, digest)) as journal:
                if is_new:
                    self._uploader(source, on_piece, journal).send(digest)
                journal.clear()
        elif is_new:
            self._uploader(source, on_piece).send(digest)

    def _uploader(self, source: Source, on_piece: OnPiece | None, journal: Journal | None = None) -> Upload:
        return Upload(source, *self._how_to_upload(on_piece), journal=journal)

    def _how_to_upload(self, on_piece: OnPiece | None
                       ) -> tuple[UploadSession, IsStored, str, Limits, OnPiece | None]:
        steps = UploadSession(self._begin_upload, self._base_request, self._cancel_upload, self._limits,
                              self._doubtful)

        def is_stored(digest: str, size: int) -> bool:
            return self._stored_size(digest, size, acknowledged=steps.is_accepted) is not None
        return steps, is_stored, self._base_url, self._limits, on_piece

    def _stored_size(self, digest: str, size: int | None = None, *, acknowledged: bool = False) -> int | None:
        """Return the size of a blob that the registry is proven to have, else ``None``: :func:`blob_lookup.find`.

        :param size: the blob's, if it is known
        """
        found = blob_lookup.find(self._request, digest, size, self._limits, acknowledged=acknowledged,
                                 doubtful=self._doubtful)
        if found is not None:
            self._sizes[digest] = found
            self._doubtful.discard(digest)
        return found

    def _begin_upload(self, **kwargs: Any) -> Response:
        return self._request('post', 'blobs/uploads/', data=b'', **kwargs)

    def _cancel_upload(self, url: str) -> None:
        """Give up an upload; the registry's answer does not matter, as it forgets the upload in time anyway."""
        limits = self._limits._replace(retries=0)
        with suppress(Exception):  # what led here is the error to tell, whatever an override makes of this
            try:
                self._base_request('delete', url, limits=limits, timeout=CANCEL_TIMEOUT)
            except NoConnection as error:
                if not isinstance(error, Timeouts):  # the connection that was kept had just been closed
                    self._base_request('delete', url, limits=limits, timeout=CANCEL_TIMEOUT)

    def pull_blob(self, digest: str, size: bool = False, chunk_size: int | None = None) -> Any:
        """Fetch a blob.

        The request is made at once. The iterator raises before it yields the last chunk if the content is not
        what the digest says, so that whoever got all chunks has a verified blob.

        :param size: return the blob's size in bytes too
        :param chunk_size: bytes of every chunk but the last; 8192 by default; 0 for pieces as they arrive
        :return: an iterator of bytes, or ``(iterator, size)``
        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        :raises DXFDigestMismatchError: from the iterator: the content is another
        """
        check_one(digest, 'pull_blob', 'pull_blobs([...])')
        chunks, actual = self._puller.one((check_blob(digest), None), chunk_size, size)
        return (chunks, actual) if size else chunks

    @property
    def _puller(self) -> Puller:
        return Puller(self._request, self._limits, self._jobs)

    def pull_blobs(self, digests: Iterable[Wanted], chunk_size: int | None = None
                   ) -> Iterator[tuple[str, Iterator[bytes], int]]:
        """Fetch several blobs, up to ``jobs`` of them at once, and hand them out one after the other.

        What is fetched ahead is kept in memory, a few MiB in all.

        :param digests: digests, or ``(digest, size)`` as :meth:`get_alias` returns them; then a blob of another size is
            an error
        :param chunk_size: bytes of every chunk but a blob's last; 8192 by default; 0 for pieces as they arrive
        :return: an iterator of ``(digest, chunks, size)``, in the order of ``digests``; ``chunks`` is to be read before
            the next is asked for
        :raises Exception: what :meth:`pull_blob` raises, when the turn of the blob that failed has come
        :raises DXFSizeMismatchError: a blob has another size than was given, before its first chunk
        """
        wanted = several(digests, 'pull_blobs')
        check_blobs(wanted, 'pull_blobs', 'pull_blobs([digest, ...])')
        return self._puller.several(wanted, chunk_size)

    def pull_to_file(self, filename: str | os.PathLike[str], *blobs: Wanted,
                     progress: Callable[..., Any] | None = None) -> None:
        """Fetch blobs, one after the other, into a file that appears under its name when all is there and verified.

        Until then they are in a hidden file beside it. If that is there already, from a call that broke off, in this
        process or another, it is continued: what it holds is hashed, and only the rest is fetched.

        What is no regular file (a pipe, a device, ``/dev/stdout``) is written straight through, as chunks arrive; the
        last chunk of each blob when it is verified.

        :param filename: path of the file; one that is there is replaced in the end, with the umask's permissions
        :param blobs: digests, or ``(digest, size)`` as :meth:`get_alias` returns them; then a blob of another size is
            an error
        :param progress: called as ``progress(digest, chunk, size)``, first with an empty chunk for each blob; what it
            raises comes out as it is, and what had arrived is kept; its method ``kept``, if it has one, is called as
            ``kept(digest, count, size)`` for bytes that were there already
        :raises DXFDigestMismatchError: the registry sent something else; nothing of it is left
        :raises DXFSizeMismatchError: a blob has another size than was given
        :raises OSError: the disk has too little space, or the file cannot be written
        """
        from dxf.local import atomic_files, special_files
        from dxf.transfer import download_to_file
        check_progress(progress)
        check_to_pull(filename, blobs)
        check_blobs(blobs, 'pull_to_file', 'pull_to_file(filename, *[...])')
        wanted = checked(blobs)
        report = download_to_file.Reporter(progress or (lambda *_: None))
        fetch = partial(self.pull_blobs, chunk_size=0)
        name = os.fspath(filename)
        stream = special_files.open_to_write(name)
        if stream is not None:
            with stream:
                download_to_file.deliver_to_stream(stream, name, fetch(blobs), report)
            return
        atomic_files.check_target(name)
        sized = [(digest, size) for (digest, _), size in zip(wanted, self._sizes_of(wanted), strict=True)]
        try:
            download_to_file.deliver(name, sized, lambda done: fetch(blobs[done:]), self._puller.rest, report)
        except OSError as error:
            wrong = self._wrong_size(wanted) if error.errno == errno.ENOSPC and error is not report.error else None
            if wrong is None:
                raise
            raise wrong from error

    def _sizes_of(self, wanted: list[Blob]) -> list[int]:
        """Return the size of each blob: the one that a manifest gives, else the one that the registry tells.

        It need not be proven: what arrives is counted.
        """
        def told(digest: str) -> int:
            known = self._sizes.get(digest)
            return blob_lookup.any_size(self._request, digest, self._limits) if known is None else known
        asked = self._each_once(told, [digest for digest, size in wanted if size is None])
        return [asked[digest] if size is None else size for digest, size in wanted]

    def _wrong_size(self, wanted: Iterable[Blob]) -> DXFSizeMismatchError | None:
        """Return the error for a blob of which a manifest gives a wrong size, if there is one.

        The registry is asked: where a disk has too little space, a wrong size may be the reason.
        """
        described = {digest: size for digest, size in wanted if size is not None}
        with suppress(RequestException, DXFError):  # then too little space is the error to tell
            for digest, actual in self._each_once(self.blob_size, described).items():
                if actual != described[digest]:
                    return DXFSizeMismatchError(actual, described[digest], digest)
        return None

    def blob_size(self, digest: str) -> int:
        """Return the size of a blob in bytes.

        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        :raises DXFDigestMismatchError: the answer is not the blob
        :raises DXFProtocolError: the answer does not tell the size
        """
        check_one(digest, 'blob_size')
        return blob_lookup.measure(self._request, check_blob(digest), self._limits)

    def mount_blob(self, repo: str, digest: str) -> str:
        """Make a blob of another repository of the same registry a blob of this one, without moving its bytes.

        :param repo: the other repository
        :return: the digest
        :raises DXFMountFailed: the registry does not do it; push the blob instead
        """
        check_text(repo, 'repo', 'mount_blob(repo, digest)')
        check_one(digest, 'mount_blob', 'for digest in [...]: mount_blob(repo, digest)')
        return self._mount(repo, check_blob(digest), None)

    def _mount(self, repo: str, digest: str, size: int | None) -> str:
        """Mount a blob: :meth:`mount_blob`.

        :param size: the blob's, if it is known
        """
        source = repository_at(self._host, repo)
        response = self._begin_upload(params={'mount': check_digest(digest), 'from': source})
        if response.status_code == HTTPStatus.ACCEPTED:  # it opened an upload instead
            self._cancel_upload(next_url(response))
        if response.status_code != HTTPStatus.CREATED:
            raise DXFMountFailed(f'the registry did not mount {digest} from {repo}')
        check_digest_header(response, digest)
        is_proven = names_digest(response, digest) and digest not in self._doubtful
        if not is_proven and self._stored_size(digest, size, acknowledged=True) is None:
            raise DXFMountFailed(f'the registry accepted the mount of {digest} from {repo}, but does not have it')
        return digest

    def copy_blob(self, source: 'BlobStore', digest: str, progress: Callable[..., Any] | None = None,
                  check_exists: bool = True) -> None:
        """Make a blob of any other repository one of this.

        Within one registry it is mounted, if the registry does that; else it is streamed from one to the other.

        :param source: the other repository
        :param progress: called as ``progress(digest, chunk, size)``, first with an empty chunk; not at all for a blob
            that is there, or that is mounted
        :param check_exists: ask whether the blob is there, and then do nothing
        :raises DXFHTTPError: one of the registries refused; 404 for a blob that the other does not have
        :raises DXFDigestMismatchError: what the other sent is not the blob; nothing is stored
        :raises DXFSourceError: it broke off on the other's side
        """
        check_one(digest, 'copy_blob', 'copy_blobs(source, [...])')
        self.copy_blobs(source, [digest], progress, check_exists)

    def copy_blobs(self, source: 'BlobStore', digests: Iterable[str], progress: Callable[..., Any] | None = None,
                   check_exists: bool = True, *, sizes: Mapping[str, int] | None = None) -> None:
        """Make several blobs of any other repository blobs of this one, up to ``jobs`` of them at once.

        :param progress: as for :meth:`copy_blob`; called by several threads, though never by two at once
        :param sizes: of the blobs, as far as they are known: a blob of another size counts as missing
        :raises Exception: what :meth:`copy_blob` raises, for the first that failed; the others are given up then
        """
        check_client(source, 'source', 'pull_blobs')
        check_progress(progress)
        report = None if progress is None else OneAtATime(progress)

        def copy(digest: str, check: Callable[[], None]) -> None:
            size = None if sizes is None else sizes.get(digest)
            if not (check_exists and self._stored_size(digest, size) is not None
                    or self._is_mounted(source, digest, size)):
                self._relay(source, digest, size, report, check)
            elif report is not None:
                report.found(size)
        wanted = several(digests, 'copy_blobs', 'source, ')
        for digest in wanted:
            check_one(digest, 'copy_blobs', 'copy_blobs(source, [digest, ...])')
        all_of(copy, list(dict.fromkeys(map(check_blob, wanted))), self._jobs)

    def _is_mounted(self, source: 'BlobStore', digest: str, size: int | None) -> bool:
        """Mount a blob of another repository, if that is of the same registry, and this does it; say whether it did."""
        if source._base_url != self._base_url:
            return False
        with suppress(DXFMountFailed, DXFUnauthorizedError, DXFHTTPError):  # registries refuse that in many ways
            self._mount(source._repo, digest, size)
            return True
        return False

    def _relay(self, source: 'BlobStore', digest: str, described: int | None, progress: Callable[..., Any] | None,
               check: Callable[[], None]) -> None:
        """Stream a blob from another repository.

        :param described: the size that a manifest gives for it, if there is one
        """
        from dxf.transfer import remote_file
        stream, actual = source._puller.one((digest, described), 0, True)
        size = actual or 0  # never None: it was asked for

        def rest(start: int) -> Response:
            return blob_lookup.fetch_rest(source._request, digest, start, size)

        def relay() -> None:
            name = f'{digest} of {source._repo}'
            with closing(remote_file.RemoteFile(name, size, stream, rest, self._limits)) as file:
                content = Source(file.name, file, size)
                content.on_read = check
                self._uploader(content, reporter(progress, True, size)).send(digest)
        unwrapped(relay)
        self._sizes[digest] = size

    def del_blob(self, digest: str) -> None:
        """Delete a blob from the repository. The registry frees its space when it collects garbage.

        It is looked for again: a web page may have answered.
        https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#content-management

        :raises DXFHTTPError: the registry refused; 404 for a blob that it does not have
        :raises DXFUnexpectedStatusCodeError: the answer is not one to a deletion
        :raises DXFProtocolError: the registry still has the blob
        """
        check_one(digest, 'del_blob')
        self._sizes.pop(check_blob(digest), None)
        try:
            response: Response | None = self._request('delete', f'blobs/{digest}')
        except HTTPError as error:
            if error.response is not None and error.response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                add_hint(error, NO_DELETIONS)
            raise
        if response is None:  # a subclass may answer deletions itself, and return nothing
            return
        expect(response, HTTPStatus.ACCEPTED, HTTPStatus.OK, HTTPStatus.NO_CONTENT)
        if blob_lookup.still_has(self._request, digest, self._limits):
            raise DXFProtocolError(f'the registry accepted the deletion, but still has {digest}')

    def _each_once(self, size_of: Callable[[str], Size], digests: Iterable[str]) -> dict[str, Size]:
        """Return the sizes of blobs; up to ``jobs`` are asked for at once, and none twice."""
        distinct = list(dict.fromkeys(digests))
        return dict(zip(distinct, all_of(lambda digest, check: size_of(digest), distinct, self._jobs), strict=True))

    def _known_size(self, digest: str) -> int:
        """Return the size of a blob that a manifest is to name; the registry is asked once."""
        try:
            if digest not in self._sizes:
                self._sizes[digest] = self.blob_size(digest)
            return self._sizes[digest]
        except HTTPError as error:
            if not is_not_found(error):
                raise
            raise DXFHTTPError(f'404 Not Found: {self._repo} has no blob {digest}; push it first: '
                               f'dxf push-blob {self._repo} <file>', response=error.response) from None
